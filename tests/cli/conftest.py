"""Files for the commands, and a model on disk that was never trained."""

import pytest

from tests.conftest import analytic
from tests.untrained import untrained


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """HR fields of 12 steps as NetCDF, in two parts and as a Zarr store; LR and static fields."""
    folder = tmp_path_factory.mktemp("cli")
    hr = analytic(time=12)
    hr["time"].encoding = {"units": "hours since 2001-01-01", "dtype": "i4"}
    lr = hr[["t2m"]].downscale.coarsen(2)
    hr[["t2m"]].to_netcdf(folder / "hr.nc", engine="netcdf4")
    hr[["t2m"]].isel(time=slice(7)).to_netcdf(folder / "part_1.nc", engine="netcdf4")
    hr[["t2m"]].isel(time=slice(7, 12)).to_netcdf(folder / "part_2.nc", engine="netcdf4")
    hr[["t2m"]].chunk(time=5).to_zarr(folder / "hr.zarr", zarr_format=3)
    hr[["orog"]].to_netcdf(folder / "static.nc", engine="netcdf4")
    many = hr.assign(d2m=hr.t2m - 3)
    many.to_netcdf(folder / "many.nc", engine="netcdf4")
    winds = lr.rename(t2m="u").assign_coords(time=lr.time)
    winds.u.attrs = {"units": "m s-1"}
    winds.to_netcdf(folder / "winds.nc", engine="netcdf4")
    lr.to_netcdf(folder / "lr.nc", engine="netcdf4")
    lr.assign(
        extra=lr.t2m.rename(latitude="row", longitude="column").drop_vars(["row", "column"])
    ).drop_vars(["latitude_bnds", "longitude_bnds"]).to_netcdf(
        folder / "mixed.nc", engine="netcdf4"
    )
    lr.chunk(time=4).to_zarr(folder / "lr.zarr", zarr_format=3)
    (folder / "text.nc").write_text("no NetCDF")
    (folder / "folder").mkdir()
    return folder


@pytest.fixture(scope="session")
def model(files):
    """The folder of a model of t2m at scale 2, with Monte-Carlo dropout."""
    options = {"dropout": "vanilla", "monte_carlo": True}
    untrained(analytic(time=12)[["t2m"]], scale=2, **options).save(files / "model")
    return files / "model"
