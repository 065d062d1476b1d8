import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from xr_dl4ds.cli.files import opened, selected
from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.cf.unfinished import UNFINISHED


@pytest.mark.parametrize("name", ["hr.nc", "hr.zarr", "part_*.nc"])
def test_data_are_lazy_and_whole(files, name):
    found = opened(str(files / name))
    assert found.t2m.chunks is not None
    xr.testing.assert_allclose(found.t2m.compute(), analytic(time=12).t2m)


def test_several_files_in_any_order(files):
    found = opened([str(files / "part_2.nc"), str(files / "part_1.nc")])
    assert found.time.to_index().is_monotonic_increasing
    assert found.sizes["time"] == 12


@pytest.mark.parametrize(("units", "factor"), [("K", 1.0), ("mK", 1e3), (None, 1.0)])
def test_several_files_are_brought_to_one_unit(tmp_path, units, factor):
    ds = analytic(time=4)[["t2m"]]
    later = ds.isel(time=slice(2, 4))
    later = later.assign(t2m=(later.t2m * factor).assign_attrs(units=units or ""))
    if units is None:
        del later.t2m.attrs["units"]
    ds.isel(time=slice(0, 2)).to_netcdf(tmp_path / "a.nc")
    later.to_netcdf(tmp_path / "b.nc")
    found = opened(str(tmp_path / "?.nc"))
    np.testing.assert_allclose(found.t2m, ds.t2m, rtol=1e-6)
    assert found.t2m.attrs["units"] == "K"


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (
            lambda ds: ds.assign(t2m=ds.t2m.assign_attrs(units="mm")),
            VariableError,
            "'K' as in .*a.nc",
        ),
        (lambda ds: ds.isel(latitude=slice(None, None, -1)), ValueError, "2 files with the same"),
        (
            lambda ds: ds.drop_vars("time"),
            ValueError,
            "2 files with the same .*, each of other times",
        ),
    ],
)
def test_files_that_do_not_follow_each_other(tmp_path, spoil, error, message):
    ds = analytic(time=4)[["t2m"]]
    ds.isel(time=slice(0, 2)).to_netcdf(tmp_path / "a.nc")
    spoil(ds.isel(time=slice(2, 4))).to_netcdf(tmp_path / "b.nc")
    with pytest.raises(error, match=message):
        opened(str(tmp_path / "?.nc"))


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        # the first file would silently give its level, its hill and its statistic to all
        (lambda ds: ds.assign_coords(level=500.0), ValueError, "conflicting values.*'level'"),
        (lambda ds: ds.assign(hill=ds.hill + 1), ValueError, "conflicting values.*'hill'"),
        (
            lambda ds: ds.assign(t2m=ds.t2m.assign_attrs(cell_methods="time: minimum")),
            VariableError,
            "one `cell_methods` of 't2m' in all files, got 'time: minimum' in .*b.nc.* and"
            " 'time: maximum'",
        ),
    ],
)
def test_files_of_two_levels_two_hills_and_two_statistics(tmp_path, spoil, error, message):
    ds = analytic(time=4)[["t2m"]].assign_coords(level=850.0)
    ds["hill"] = ds.t2m.isel(time=0, drop=True)
    ds.t2m.attrs["cell_methods"] = "time: maximum"
    ds.isel(time=slice(0, 2)).to_netcdf(tmp_path / "a.nc")
    later = ds.isel(time=slice(2, 4))
    later.to_netcdf(tmp_path / "b.nc")
    assert opened(str(tmp_path / "?.nc")).sizes["time"] == 4
    spoil(later).to_netcdf(tmp_path / "b.nc")
    with pytest.raises(error, match=message):
        opened(str(tmp_path / "?.nc"))


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_chunks_of_a_store_and_blocks_of_a_file(files):
    assert opened(str(files / "hr.zarr")).chunksizes["time"] == (5, 5, 2)
    step = 8 * 12 * 4
    assert opened(str(files / "hr.nc"), block=5 * step).chunksizes["time"] == (5, 5, 2)
    assert opened(str(files / "hr.nc"), block=1).chunksizes["time"] == (1,) * 12
    assert opened(str(files / "hr.nc"), block=None).t2m.chunks is None
    assert opened(str(files / "static.nc")).chunksizes == {"latitude": (8,), "longitude": (12,)}


def test_blocks_hold_whole_chunks_of_the_file(tmp_path):
    ds = analytic(time=12)[["t2m"]]
    encoding = {"t2m": {"chunksizes": (4, 8, 12), "zlib": True}}
    ds.to_netcdf(tmp_path / "a.nc", engine="netcdf4", encoding=encoding)
    step = 8 * 12 * 4
    assert opened(str(tmp_path / "a.nc"), block=10 * step).chunksizes["time"] == (8, 4)
    assert opened(str(tmp_path / "a.nc"), block=step).chunksizes["time"] == (4, 4, 4)


def test_a_raster_is_a_field_with_the_name_of_its_file(tmp_path):
    pytest.importorskip("rioxarray")  # registers .rio
    orog = analytic().orog.drop_attrs().rename(latitude="y", longitude="x")
    orog.rio.write_crs(4326).rio.to_raster(tmp_path / "height.tif")
    found = opened(str(tmp_path / "height.tif"), block=None)
    assert list(found.data_vars) == ["height"]
    np.testing.assert_allclose(found.height, orog)


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (["none.nc"], FileNotFoundError, "Expected a file at .*none.nc', got nothing there"),
        (["none_*.nc"], FileNotFoundError, "Expected a file at .*none_"),
        (["folder"], FileNotFoundError, "got a folder without a Zarr group in it"),
        (["hr.nc", "hr.zarr"], ValueError, "several files of one dataset to be NetCDF, got .*zarr"),
        (["model.txt"], ValueError, "a Zarr store or a file of .nc, .*model.txt'. Rename it"),
    ],
)
def test_paths_that_do_not_do(files, tmp_path, names, error, message):
    (files / "model.txt").write_text("text")
    with pytest.raises(error, match=message):
        opened([str(files / name) for name in names])


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_an_unfinished_store_is_no_input(tmp_path, suffix):
    ds = analytic().assign_attrs({UNFINISHED: '{"regions": 9, "written": 2}'})
    path = tmp_path / f"a{suffix}"
    ds.to_netcdf(path, engine="netcdf4") if suffix == ".nc" else ds.to_zarr(path, zarr_format=2)
    with pytest.raises(GridError, match="unfinished store that lacks 7 of 9 regions"):
        opened(str(path))


def test_some_variables_and_what_describes_them():
    ds = analytic().assign(crs=0)
    assert list(selected(ds, ["t2m"], "--variable").data_vars) == ["t2m", "crs"]
    assert selected(ds, None, "--variable") is ds
    with pytest.raises(VariableError, match=r"--variable to be among .*'t2n'\. Did you mean 't2m'"):
        selected(ds, ["t2n"], "--variable")


def test_several_files_have_blocks_of_steps(files):
    step = 8 * 12 * 4
    parts = [str(files / f"part_{i}.nc") for i in (1, 2)]
    assert opened(parts, block=3 * step).chunksizes["time"] == (3, 3, 1, 3, 2)
    assert opened(parts, block=None).chunksizes["time"] == (7, 5)


@pytest.fixture(params=["nc", "zarr"])
def grouped(request, tmp_path):
    """HR fields in a group of a file or store."""
    path = tmp_path / f"a.{request.param}"
    hr = analytic(time=12)[["t2m"]]
    if request.param == "nc":
        hr.to_netcdf(path, group="Grid", engine="netcdf4")
    else:
        hr.to_zarr(path, group="Grid", zarr_format=3)
    return path


def test_the_groups_of_a_file(grouped):
    with pytest.raises(
        ValueError, match=r"at its root, got data in the groups \['/Grid'\]\. Choose"
    ):
        opened(str(grouped))
    with pytest.raises(ValueError, match=r"in 'grid', got data in the groups \['/Grid'\]"):
        opened(str(grouped), group="grid")
    for group in ("Grid", "/Grid"):
        found = opened(str(grouped), group=group)
        assert found.t2m.chunks is not None
        xr.testing.assert_allclose(found.t2m.compute(), analytic(time=12).t2m)


@pytest.mark.parametrize("name", ["hr.nc", "hr.zarr", "part_*.nc"])
def test_files_without_groups_need_none(files, name):
    xr.testing.assert_identical(opened(str(files / name), group="Grid"), opened(str(files / name)))
