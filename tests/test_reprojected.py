"""LR fields of one CRS and HR fields of another, from the fit to the prediction in a file."""

import logging

import pyproj
import dask.array
import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.cf import written_problems
from tests.conftest import no_compute
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import standardize
from xr_dl4ds.grid.regridding.pairing import pair
from xr_dl4ds.grid.regridding.reprojection import reproject

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False, "trim": True}
STEPS = 8
LAMBERT = pyproj.CRS.from_epsg(3034)
ROTATED = pyproj.CRS.from_cf(
    {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
)
KM = pyproj.CRS("+proj=laea +lat_0=50 +lon_0=10 +ellps=GRS80 +units=km")


def air(latitude, longitude):
    """A moving temperature field (K) of place, ``(time, ...)``."""
    step = np.arange(STEPS).reshape(-1, *[1] * latitude.ndim)
    return 280 + 5 * np.sin(longitude + step / 2) - 0.5 * (latitude - 50) + 2 * np.cos(3 * latitude)


def height(latitude, longitude):
    """Metres."""
    return 500 + 400 * np.sin(2 * latitude) * np.cos(longitude)


def dataset(values, dims, coords):
    time = np.datetime64("2001-01-01", "ns") + np.arange(STEPS) * np.timedelta64(6, "h")
    warm = {"units": "K", "standard_name": "air_temperature"}
    high = {"units": "m", "standard_name": "surface_altitude"}
    data = {
        "t2m": (("time", *dims), values[0].astype("f4"), warm),
        "orog": (dims, values[1].astype("f4"), high),
    }
    about = {"history": "made", "institution": "here", "title": "test"}
    ds = xr.Dataset(data, {"time": time, **coords}, about)
    ds.time.attrs = {"standard_name": "time", "axis": "T"}
    return ds


def on_map(crs, shape, step, units="m", middle=(50, 10), name="map"):
    """Fields on a map around a place, north up as GDAL has it."""
    x, y = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(*middle[::-1])
    y, x = (c + step * (np.arange(n) - (n - 1) / 2) for c, n in zip((y, x), shape, strict=True))
    longitude, latitude = pyproj.Transformer.from_crs(crs, 4326, always_xy=True).transform(
        *np.meshgrid(x, y)
    )
    values = air(latitude, longitude), height(latitude, longitude)
    kind = "grid_latitude grid_longitude" if crs is ROTATED else "projection_{}_coordinate"
    names = kind.split() if crs is ROTATED else [kind.format(n) for n in "yx"]
    coords = {
        n: (n, v, {"units": units, "standard_name": s, "axis": n.upper()})
        for n, v, s in zip("yx", (y, x), names, strict=True)
    }
    ds = dataset(values, ("y", "x"), {**coords, name: ((), np.int32(0), crs.to_cf())})
    for variable in ("t2m", "orog"):
        ds[variable].attrs["grid_mapping"] = name
    return ds.isel(y=slice(None, None, -1))


def on_degrees(latitudes, longitudes):
    values = [f(*np.meshgrid(latitudes, longitudes, indexing="ij")) for f in (air, height)]
    coords = {
        "lat": ("lat", latitudes, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", longitudes, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    return dataset(values, ("lat", "lon"), coords)


CASES = {
    # LR of some 40 x 55 km; HR of 12 km
    "degrees to lambert": (
        on_degrees(np.arange(45, 56, 0.5), np.arange(2, 19, 0.5)),
        on_map(LAMBERT, (48, 50), 12e3),
    ),
    "degrees of 0..360 to km": (
        on_degrees(np.arange(55, 44, -0.5), np.arange(2, 19, 0.5) % 360),
        on_map(KM, (48, 50), 12, "km"),
    ),
    "rotated to degrees": (
        on_map(ROTATED, (30, 34), 0.44, "degrees"),
        on_degrees(np.arange(47, 53, 0.11), np.arange(6, 14, 0.11)),
    ),
    "lambert to rotated": (
        on_map(LAMBERT, (26, 28), 50e3),
        on_map(ROTATED, (40, 44), 0.11, "degrees"),
    ),
}


def lr_of(name):
    return CASES[name][0][["t2m"]]


def axes_of(ds):
    return ("y", "x") if "x" in ds.dims else ("lat", "lon")


@pytest.fixture(scope="module", params=CASES)
def fitted(request):
    lr, hr = CASES[request.param]
    return request.param, lr[["t2m"]].downscale.fit(hr, **TINY), hr


# --- from end to end ------------------------------------------------------------------------------


def test_fit_predict_save_load(fitted, tmp_path, caplog):
    name, model, hr = fitted
    assert model.state.pairing.method == "reprojected-bilinear"
    assert model.scale in (3, 4, 5)
    first = lr_of(name).downscale.predict(model)
    model.save(tmp_path / "model")
    again = lr_of(name).downscale.predict(xd.load(tmp_path / "model"))
    xr.testing.assert_identical(first.drop_attrs(), again.drop_attrs())
    # on HR's own coordinates, bit by bit, in its layout and with its CRS
    y, x = axes_of(hr)
    xr.testing.assert_equal(first[y], hr[y].sel({y: first[y]}))
    xr.testing.assert_equal(first[x], hr[x].sel({x: first[x]}))
    assert first.t2m.dims == ("time", y, x)
    assert np.isfinite(first.t2m).all()
    crs = first[first.t2m.attrs["grid_mapping"]].attrs
    expected = hr["map"].attrs if "map" in hr.coords else pyproj.CRS(4326).to_cf()
    assert pyproj.CRS.from_cf(crs) == pyproj.CRS.from_cf(expected)
    assert written_problems(first, tmp_path) == []


def test_rasterio_finds_the_cells_where_hr_has_them(fitted, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    name, model, hr = fitted
    out = lr_of(name).downscale.predict(model)
    out.to_netcdf(tmp_path / "out.nc", engine="netcdf4")
    with rasterio.open(f"netcdf:{tmp_path / 'out.nc'}:t2m") as raster:
        seen, at = pyproj.CRS(raster.crs.to_wkt()), raster.xy(0, 0)
    lon, lat = pyproj.Transformer.from_crs(seen, 4326, always_xy=True).transform(*at)
    y, x = axes_of(hr)
    corner = out.isel({y: out[y].values.argmax(), x: out[x].values.argmin()})
    np.testing.assert_allclose((lat, lon), (corner.lat, corner.lon), atol=1e-6)


def test_hr_is_cut_to_what_lr_covers_and_the_network_sees_reprojected_lr(caplog):
    lr, hr = CASES["degrees to lambert"]
    small = lr.sel(lat=slice(48, 51.5), lon=slice(7, 12.5))
    given = [standardize(ds[["t2m"]], Dims(), "d") for ds in (small, hr)]
    with caplog.at_level(logging.INFO, "xr_dl4ds.grid.regridding.pairing"):
        pairing, cut = pair(*given, direct_method=None, trim=False)
    assert cut.grid.shape[0] < hr.sizes["y"]
    assert cut.grid.shape == tuple(pairing.scale.y * n for n in pairing.lr.shape)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    cut_away, said = warnings
    assert cut_away.startswith("HR is cut to the common cells")
    assert "LR (latitude and longitude) and HR (ETRS89-extended / LCC Europe) have diff" in said
    assert f"reprojected (bilinear) to {pairing.scale.y} x {pairing.scale.x} HR cells" in said
    assert "HR is cut to the common cells" in caplog.text
    seen = pairing.regrid_lr(given[0]).t2m
    assert np.isfinite(seen).all()
    expected = reproject(given[0].data, given[0].grid, pairing.lr, "bilinear", 1.01).t2m
    np.testing.assert_array_equal(seen, expected)
    # it is the LR field: within what half an LR cell changes
    means = cut.data.t2m.coarsen(pairing.scale.by_dim).mean()
    assert float(np.abs(seen.to_numpy() - means.to_numpy()).max()) < 1


def test_interpolation_goes_straight_to_hr_cells(caplog):
    lr, hr = CASES["degrees to lambert"]
    model = lr[["t2m"]].downscale.fit(
        hr, backbone="unet", upsampling="interpolation", interpolation="bicubic", **TINY
    )
    assert (model.scale, model.state.pairing.method) == (1, "reprojected-bicubic")
    out = lr[["t2m"]].downscale.predict(model)
    np.testing.assert_array_equal(out.x, hr.x)
    assert "LR is reprojected (bicubic) to 1 x 1 HR cells" in caplog.text
    with pytest.raises(GridError, match=r"training grid .* different CRSs.*Predict there"):
        lr[["t2m"]].isel(lat=slice(2, 20)).downscale.predict(model)


def test_static_fields_and_predictors_of_a_third_crs():
    lr, hr = CASES["lambert to rotated"]
    third = on_map(pyproj.CRS.from_epsg(25832), (40, 40), 30e3, name="utm")
    humid = third[["t2m", "utm"]].rename(t2m="humid").drop_vars("orog", errors="ignore")
    humid.humid.attrs |= {"units": "1", "standard_name": "relative_humidity"}
    fine = on_degrees(np.arange(45, 55, 0.05), np.arange(3, 17, 0.05))[["orog"]].rename(orog="fine")
    model = lr[["t2m"]].downscale.fit(hr.drop_vars("orog"), static=fine, predictors=humid, **TINY)
    assert model.state.features.static == ("fine",)
    assert np.isfinite(model.state.static.fine).all()
    inner = model.state.pairing.hr
    expected = xr.DataArray(height(*places(hr)), {"y": hr.y, "x": hr.x}, ("y", "x"))
    expected = expected.sel(y=inner.y.values, x=inner.x.values)
    actual = model.state.static.fine.to_numpy()[inner.y.order.argsort()]
    assert float(np.abs(actual - expected).max()) < 40  # of 800 m; averages of 0.11 degrees
    out = lr[["t2m"]].downscale.predict(model, predictors=humid)
    assert np.isfinite(out.t2m).all()


def places(ds):
    crs = pyproj.CRS.from_cf(ds["map"].attrs)
    longitude, latitude = pyproj.Transformer.from_crs(crs, 4326, always_xy=True).transform(
        *np.meshgrid(ds.x, ds.y)
    )
    return latitude, longitude


# --- what may differ at the prediction ------------------------------------------------------------


def test_the_layout_of_lr_does_not_turn_hr():
    lr, hr = CASES["degrees to lambert"]
    model = lr[["t2m"]].downscale.fit(hr, **TINY)
    expected = lr[["t2m"]].downscale.predict(model)
    for other in (
        lr.isel(lat=slice(None, None, -1)),
        lr.isel(lon=slice(None, None, -1)),
        lr.assign_coords(lon=("lon", lr.lon.data + 360, lr.lon.attrs)),
    ):
        actual = other[["t2m"]].downscale.predict(model)
        xr.testing.assert_equal(actual, expected)
    turned = lr[["t2m"]].transpose("lon", "time", "lat").downscale.predict(model)
    assert turned.t2m.dims == ("x", "time", "y")
    xr.testing.assert_equal(turned.t2m.transpose(*expected.t2m.dims), expected.t2m)


def test_lazy_in_lazy_out():
    lr, hr = CASES["degrees to lambert"]
    model = lr[["t2m"]].downscale.fit(hr.chunk(time=3), **TINY)
    expected = lr[["t2m"]].downscale.predict(model)
    chunked = lr[["t2m"]].chunk(time=2, lat=7)
    with no_compute():
        brought = model.state.pairing.regrid_lr(standardize(chunked, Dims(), "d"))
    assert isinstance(brought.t2m.data, dask.array.Array)
    actual = chunked.downscale.predict(model)
    assert isinstance(actual.t2m.data, dask.array.Array)
    xr.testing.assert_allclose(actual.compute().t2m, expected.t2m, atol=1e-4)


@pytest.mark.parametrize(
    "elsewhere",
    [lambda lr: lr.assign_coords(lat=("lat", lr.lat.data + 4.25, lr.lat.attrs)),
     lambda lr: lr.isel(lon=slice(0, 20))],
    ids=["shifted", "part"],
)  # fmt: skip
def test_another_domain_is_refused(elsewhere):
    lr, hr = CASES["degrees to lambert"]
    model = lr[["t2m"]].downscale.fit(hr, **TINY)
    with pytest.raises(GridError, match=r"fields on the training grid \(lat 45 to 55.5"):
        elsewhere(lr[["t2m"]]).downscale.predict(model)


def test_a_mask_of_lr_goes_where_it_lies():
    lr, hr = CASES["degrees to lambert"]
    gaps = lr[["t2m"]].where(lr.lon > 10)
    model = gaps.downscale.fit(hr, **TINY)
    out = gaps.downscale.predict(model)
    west = (out.lon < 9.4).broadcast_like(out.t2m)
    east = (out.lon > 11).broadcast_like(out.t2m)
    assert out.t2m.isnull().where(west, True).all()
    assert out.t2m.notnull().where(east, True).all()


# --- errors ---------------------------------------------------------------------------------------


def test_a_map_without_a_crs_is_told_the_cure():
    lr, hr = CASES["degrees to lambert"]
    bare = hr.drop_vars("map").copy(deep=True)
    for name in bare:
        del bare[name].attrs["grid_mapping"]
    message = r"the HR data and the LR data to use the same kind.*no CRS of the HR data.*write_crs"
    with pytest.raises(GridError, match=message):
        lr[["t2m"]].downscale.fit(bare, **TINY)
    cured = bare.rio.write_crs(3034)
    assert lr[["t2m"]].downscale.fit(cured, **TINY).state.pairing.reprojected


def test_lr_no_coarser_than_hr_is_refused():
    _, hr = CASES["degrees to lambert"]
    fine = on_degrees(np.arange(47, 53, 0.11), np.arange(6, 14, 0.16))
    with pytest.raises(GridError, match="at least twice as fine as the LR grid"):
        fine[["t2m"]].downscale.fit(hr, **TINY)


# --- places of the file's own ---------------------------------------------------------------------


def weather_model():
    """HR fields that count their cells, with two-dimensional latitudes and longitudes."""
    hr = on_map(LAMBERT, (16, 24), 12e3).isel(y=slice(None, None, -1))
    latitude, longitude = places(hr)
    hr = hr.drop_vars("map").rename(y="south_north", x="west_east").copy(deep=True)
    for name in hr:
        del hr[name].attrs["grid_mapping"]
    dims = ("south_north", "west_east")
    return hr.assign_coords(
        south_north=("south_north", np.arange(16)),
        west_east=("west_east", np.arange(24)),
        XLAT=(dims, latitude, {"units": "degree_north"}),
        XLONG=(dims, longitude, {"units": "degree_east"}),
    )


def test_a_model_keeps_the_places_of_a_grid_without_a_crs(tmp_path):
    hr = weather_model()
    model = hr.downscale.fit(scale=4, time_features=["solar_zenith"], **TINY)
    lr = hr[["t2m"]].downscale.coarsen(4)
    first = lr.downscale.predict(model)
    np.testing.assert_allclose(first.lat, hr.XLAT, atol=1e-9)
    np.testing.assert_allclose(first.lon, hr.XLONG, atol=1e-9)
    model.save(tmp_path / "model")
    loaded = xd.load(tmp_path / "model")
    again = lr.downscale.predict(loaded)
    xr.testing.assert_identical(first.drop_attrs(), again.drop_attrs())
    for role in ("source", "lr", "hr"):
        kept, back = (getattr(m.state.pairing, role).geolocation for m in (model, loaded))
        for part in ("y", "x", "lat", "lon"):
            np.testing.assert_array_equal(getattr(back, part), getattr(kept, part))
    # the checker takes axes that count cells for latitudes and longitudes without units
    others = [p for p in written_problems(first, tmp_path) if "'south_north'" not in p]
    assert [p for p in others if "'west_east'" not in p] == []


def test_on_another_domain_places_are_those_of_lr():
    hr = weather_model()
    model = hr.downscale.fit(scale=4, **TINY)
    lr = hr[["t2m"]].downscale.coarsen(4).isel(west_east=slice(0, 4))
    rows = ("south_north", lr.south_north.data + 160)
    north = lr.assign_coords(XLAT=lr.XLAT + 3, south_north=rows)
    static = hr[["orog"]].isel(west_east=slice(0, 16)).drop_vars(["XLAT", "XLONG"])
    static = static.assign_coords(south_north=np.arange(16) + 160)
    out = north.downscale.predict(model, static=static)
    np.testing.assert_allclose(out.lat, hr.XLAT[:, :16] + 3, atol=0.02)
    bare = north.drop_vars(["XLAT", "XLONG"])
    without = bare.downscale.predict(model, static=static)
    assert "lat" not in without.coords


def test_lr_of_degrees_with_a_weather_model_without_a_crs():
    hr, lr = weather_model(), CASES["degrees to lambert"][0][["t2m"]]
    model = lr.downscale.fit(hr, **TINY)
    assert model.state.pairing.method == "reprojected-bilinear"
    out = lr.downscale.predict(model)
    inner = model.state.pairing.hr
    expected = hr.XLAT.sel(south_north=inner.y.values, west_east=inner.x.values)
    np.testing.assert_allclose(out.lat, expected, atol=1e-9)
