import pytest
import xarray as xr

from tests.conftest import analytic
from xr_dl4ds.cli import main


def run(*arguments):
    return main(["coarsen", *map(str, arguments)])


@pytest.mark.parametrize("suffix", ["nc", "zarr"])
def test_it_writes_block_means(files, tmp_path, capsys, suffix):
    out = tmp_path / f"lr.{suffix}"
    assert run(files / "many.nc", "--variable", "t2m", "--scale", "2", "-o", out) == 0
    assert capsys.readouterr().out == f"{out}\n"
    engine = {"nc": "netcdf4", "zarr": "zarr"}[suffix]
    with xr.open_dataset(out, engine=engine) as found:
        expected = analytic(time=12)[["t2m"]].downscale.coarsen(2)
        xr.testing.assert_allclose(found.t2m.load(), expected.t2m)
        assert "latitude_bnds" in found.variables
    assert run(files / "hr.nc", "--scale", "2", "-o", out) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert run(files / "hr.nc", "--scale", "4", "-o", out, "--overwrite") == 0
    with xr.open_dataset(out, engine=engine) as found:
        assert found.sizes["latitude"] == 2


def test_another_scale_along_each_axis(files, tmp_path):
    out = tmp_path / "lr.nc"
    assert run(files / "hr.nc", "--scale", "4,2", "-o", out) == 0
    with xr.open_dataset(out, engine="netcdf4") as found:
        assert dict(found.t2m.sizes) == {"time": 12, "latitude": 2, "longitude": 6}


def test_a_scale_that_does_not_divide(files, tmp_path, capsys):
    assert run(files / "hr.nc", "--scale", "3", "-o", tmp_path / "lr.nc") == 1
    assert "or pass --trim." in capsys.readouterr().err
    assert run(files / "hr.nc", "--scale", "3", "-o", tmp_path / "lr.nc", "--trim") == 0


def test_wrong_places(files, tmp_path, capsys):
    assert run(files / "hr.nc", "--scale", "2", "-o", tmp_path / "lr.txt") == 2
    assert "--output to end in .zarr or .nc" in capsys.readouterr().err
    assert run(files / "hr.nc", "--scale", "2", "-o", files / "hr.nc", "--overwrite") == 1
    assert "Expected to write beside the input" in capsys.readouterr().err


def test_dimensions_and_groups(tmp_path):
    hr = analytic()[["t2m"]].rename(latitude="a", longitude="b")
    hr = hr.drop_vars(["latitude_bnds", "longitude_bnds"], errors="ignore")
    for name in "ab":
        hr[name].attrs = {}
    hr.to_netcdf(tmp_path / "hr.nc", group="Grid", engine="netcdf4")
    out = tmp_path / "lr.nc"
    names = ["--y-dim", "a", "--x-dim", "b", "--group", "Grid"]
    assert run(tmp_path / "hr.nc", "--scale", "2", "-o", out, *names) == 0
    with xr.open_dataset(out, engine="netcdf4") as found:
        assert dict(found.t2m.sizes) == {"time": 8, "a": 4, "b": 6}
