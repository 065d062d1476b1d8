"""What single kinds of grids ask for beyond the matrix: globes, poles, places alone, time axes."""

import pyproj  # noqa: F401, I001  must precede eccodes
import logging

import numpy as np
import pytest
import xarray as xr

from tests.grids.test_matrix import TINY, around, fields, hr_of, lr_of, model_of, prediction_of
from xr_dl4ds.exceptions import GridError
from tests.grids.zoo import KINDS, LAMBERT, to_180


# --- globes ---------------------------------------------------------------------------------------


def rolled(ds, by, scale=1):
    """Another beginning of the same globe: the same values at the same longitudes."""
    beside = [n for n in ds.variables if n not in (*ds.data_vars, *ds.dims)]
    return ds.drop_vars(beside).roll(longitude=by * scale, roll_coords=True)


def other_convention(ds):
    beside = [n for n in ds.variables if n not in (*ds.data_vars, *ds.dims)]
    lon = to_180(ds.longitude)
    return ds.drop_vars(beside).assign_coords(longitude=lon).sortby("longitude")


GLOBES = ["globe from 0", "globe rolled, 0 to 360", "centres on the poles"]
BEGINNINGS = {
    "rolled": lambda ds, scale: rolled(ds, 3, scale),
    "rolled in the other convention": lambda ds, scale: other_convention(ds),
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("name", GLOBES)
def test_a_globe_comes_back_in_the_layout_of_the_caller(name, beginning):
    again = BEGINNINGS[beginning]
    given = again(lr_of(name), 1)
    out = given.downscale.predict(model_of(name))
    centres = out.longitude.to_numpy().reshape(-1, 4).mean(1)
    np.testing.assert_allclose(centres, given.longitude, atol=1e-9)
    expected = again(prediction_of(name), 4)
    np.testing.assert_allclose(out.longitude, expected.longitude, atol=1e-9)
    np.testing.assert_allclose(out.t2m, expected.t2m, atol=1e-4)


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("name", GLOBES)
def test_a_globe_has_the_same_values_wherever_it_begins(name, beginning):
    given = BEGINNINGS[beginning](lr_of(name), 1)
    out = given.downscale.predict(model_of(name))
    where = out.longitude.to_numpy() % 360
    before = prediction_of(name).longitude.to_numpy() % 360
    np.testing.assert_allclose(np.sort(where), np.sort(before))
    actual, expected = out.t2m[..., where.argsort()], prediction_of(name).t2m[..., before.argsort()]
    np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize("upsampling", ["subpixel", "resize", "deconvolution", "interpolation"])
def test_weather_turned_around_the_globe_gives_the_answer_turned(upsampling):
    # the values move, the longitudes do not; without static fields no column differs from another
    hr = fields("globe from 0")
    model = hr.downscale.fit(scale=4, upsampling=upsampling, **TINY)
    lr = lr_of("globe from 0")
    moved = lr.roll(longitude=3, roll_coords=False)
    expected = lr.downscale.predict(model).t2m.roll(longitude=12, roll_coords=False)
    actual = moved.downscale.predict(model).t2m
    np.testing.assert_allclose(actual, expected, atol=1e-3)


@pytest.mark.parametrize("west", [0, 5])
def test_a_part_of_the_globe_lies_where_its_cells_lie(west):
    # beyond the seam too: the columns from the fifth are 202.5 to 337.5 degrees
    model = fields("globe from 0").downscale.fit(scale=4, **TINY)
    lr = lr_of("globe from 0").isel(longitude=slice(west, west + 3))
    for turn in (0.0, -360.0):
        part = lr.assign_coords(longitude=lr.longitude + turn)
        out = part.downscale.predict(model)
        centres = out.longitude.to_numpy().reshape(-1, 4).mean(1)
        np.testing.assert_allclose(centres, part.longitude, atol=1e-9)


def test_lr_centres_on_the_poles_are_warned_of(caplog):
    # half cells at the poles: their HR rows are half as high, which no affine transform can say
    model = fields("globe from 0").downscale.fit(scale=4, **TINY)
    rows, columns = np.linspace(-90, 90, 5), 22.5 + 45 * np.arange(8)
    lr = xr.Dataset(
        {"t2m": (("time", "lat", "lon"), np.full((2, 5, 8), 280, "f4"), {"units": "K"})},
        {"lat": rows, "lon": columns},
    )
    with caplog.at_level(logging.WARNING, "xr_dl4ds"):
        out = lr.downscale.predict(model)
    bounds = out[out[out.t2m.dims[1]].attrs["bounds"]]
    assert float(abs(bounds).max()) == 90
    assert "pole" in caplog.text or "spac" in caplog.text


# --- places without a map -------------------------------------------------------------------------


def places_alone(*, axes):
    """Lambert cells that the file tells by latitude and longitude alone."""
    hr = hr_of("lambert with places").drop_vars("crs").copy(deep=True)
    for name in ("t2m", "orog"):
        hr[name].attrs.pop("grid_mapping")
    if axes == "numbers":
        bare = {d: (d, np.arange(float(hr.sizes[d]))) for d in "yx"}
        return hr.assign_coords(bare)
    return hr.drop_vars(["y", "x"]) if axes == "none" else hr


def test_places_without_axes_are_to_be_numbered():
    hr = places_alone(axes="none")
    cure = r"\.assign_coords\(y=np\.arange\(16\), x=np\.arange\(24\)\)"
    with pytest.raises(GridError, match=cure):
        hr.downscale.fit(scale=4, **TINY)


@pytest.mark.parametrize("axes", ["metres", "numbers"])
def test_places_without_a_map_come_back_finer(axes):
    hr = places_alone(axes=axes)
    model = hr.downscale.fit(scale=4, **TINY)
    prediction = hr.drop_vars("orog").downscale.coarsen(4).downscale.predict(model)
    lat, lon = KINDS["lambert with places"].places()
    # a cell is a quarter of a degree
    np.testing.assert_allclose(prediction.lat, lat, atol=1e-3)
    np.testing.assert_allclose(around(prediction.lon - lon), 0, atol=1e-3)
    np.testing.assert_allclose(
        prediction.t2m.transpose(..., "y", "x"), prediction_of("lambert with places").t2m, atol=1e-3
    )


def test_places_of_another_map_are_those_of_its_mapping():
    # a part of the training domain, and beyond it: both from the CRS alone
    model = fields("lambert with places").downscale.fit(scale=4, **TINY)
    lr = lr_of("lambert with places").drop_vars(["lat", "lon"])
    part = lr.isel(x=slice(2, 5), y=slice(1, 3))
    beyond = part.assign_coords(x=part.x + 6e5)
    for given in (part, beyond):
        out = given.downscale.predict(model)
        lon, lat = LAMBERT.place(*np.meshgrid(out.x, out.y))
        np.testing.assert_allclose(out.lat, lat, atol=1e-6)
        np.testing.assert_allclose(out.lon, lon, atol=1e-6)


# --- time and other axes --------------------------------------------------------------------------


def test_samples_are_found_without_being_named():
    hr, lr = hr_of("samples"), lr_of("samples")
    model = hr.downscale.fit(scale=4, **TINY)
    prediction = lr.downscale.predict(model)
    xr.testing.assert_identical(prediction.t2m, prediction_of("samples").t2m)


def test_months_pair_by_month():
    # all seven months, each with its own: the same weights as from pairs with one stamp
    hr, lr = hr_of("month starts"), lr_of("month starts")
    middle = lr.assign_coords(time=lr.time + np.timedelta64(14, "D"))
    model = middle.downscale.fit(hr, **TINY)
    weights = lr.downscale.fit(hr, **TINY).network.get_weights()
    for one, other in zip(model.network.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)
    prediction = middle.downscale.predict(model)
    np.testing.assert_array_equal(prediction.time, middle.time)


def test_levels_are_predicted_each_for_itself():
    hr, lr = hr_of("levels"), lr_of("levels")
    model = hr.downscale.fit(scale=4, **TINY)
    prediction = lr.downscale.predict(model)
    assert prediction.t2m.dims == hr.t2m.dims
    np.testing.assert_array_equal(prediction.level, hr.level)
    assert prediction.level.attrs["axis"] == "Z"
    # each level from its own: the second one is 3 K colder in the mean of each LR cell
    warmer = prediction.t2m.isel(level=0) - prediction.t2m.isel(level=1)
    np.testing.assert_allclose(warmer.mean(), 3, atol=0.01)
    # levels have names, not positions
    swapped = lr.isel(level=[1, 0]).downscale.predict(model)
    np.testing.assert_array_equal(swapped.level, lr.level[::-1])
    np.testing.assert_allclose(swapped.t2m[:, ::-1], prediction.t2m, atol=1e-4)


def test_members_are_predicted_each_for_itself():
    hr, lr = hr_of("realizations"), lr_of("realizations")
    model = hr.downscale.fit(scale=4, **TINY)
    prediction = lr.downscale.predict(model)
    assert prediction.t2m.dims == hr.t2m.dims
    np.testing.assert_array_equal(prediction.realization, hr.realization)
    # the network knows no members: one alone, with the dimension or without, gives the same
    kept = lr.isel(realization=[1]).downscale.predict(model).t2m.squeeze("realization")
    alone = lr.isel(realization=1).downscale.predict(model).t2m
    np.testing.assert_allclose(kept, prediction.t2m.isel(realization=1), atol=1e-4)
    np.testing.assert_allclose(alone, prediction.t2m.isel(realization=1), atol=1e-4)
