import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from tests.metrics.reference import prediction_of
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import standardize
from xr_dl4ds.metrics import evaluate
from xr_dl4ds.metrics.areas import cell_areas


def grid_of(ds):
    return standardize(ds, Dims(), "the data").grid


def globe(ny=6, nx=8):
    lat, lon = -90 + 180 / ny * (np.arange(ny) + 0.5), 360 / nx * np.arange(nx)
    coords = {
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
        "time": [0, 1],
    }
    return xr.Dataset({"t": (("time", "lat", "lon"), np.zeros((2, ny, nx)))}, coords)


def test_zones_of_a_sphere():
    # Archimedes: the area of a zone is proportional to its height
    areas = cell_areas(grid_of(globe()))
    edges = np.sin(np.deg2rad(np.linspace(-90, 90, 7)))
    np.testing.assert_allclose(areas, np.diff(edges) / np.diff(edges).mean(), rtol=1e-12)
    assert areas.dims == ("y",)


def test_a_rotated_grid_has_the_areas_of_its_own_zones():
    mapping = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
    rlat, rlon = 10 + 2.0 * np.arange(5), 2.0 * np.arange(4)
    ds = xr.Dataset(
        {"t": (("time", "rlat", "rlon"), np.zeros((1, 5, 4)), {"grid_mapping": "rotated_pole"})},
        {
            "rlat": ("rlat", rlat, {"standard_name": "grid_latitude", "units": "degrees"}),
            "rlon": ("rlon", rlon, {"standard_name": "grid_longitude", "units": "degrees"}),
            "rotated_pole": ((), 0, mapping),
            "time": [0],
        },
    )
    areas = cell_areas(grid_of(ds))
    zones = np.diff(np.sin(np.deg2rad(9 + 2.0 * np.arange(6))))
    # corners of 2 degrees are joined by chords
    expected = np.broadcast_to((zones / zones.mean())[:, None], (5, 4))
    np.testing.assert_allclose(areas, expected, rtol=1e-3)


def test_planar_cells():
    ds = xr.Dataset(
        {"t": (("time", "y", "x"), np.zeros((1, 3, 4)))},
        {"time": [0], "y": [0.0, 1, 2], "x": [0.0, 1, 2, 3]},
    )
    assert cell_areas(grid_of(ds)) is None
    # edges at -0.5, 0.5, 2, 5 and so on: rows of 1, 1.5, 2 km (by the midpoints of centres)
    uneven = cell_areas(grid_of(ds.assign_coords(y=[0.0, 1, 3])))
    np.testing.assert_allclose(uneven, np.array([1, 1.5, 2]) / 1.5)


def test_evaluate_weighs_cells_by_their_areas():
    truth = globe().t.assign_attrs(units="K")
    prediction = (truth + xr.DataArray([6.0, 0, 0, 0, 0, 0], dims="lat")).rename("t")
    cap = (1 - np.sin(np.deg2rad(60))) / 2
    actual = evaluate(prediction.assign_attrs(units="K"), truth, scale=2)
    of = actual.sel(product="prediction")
    assert float(of.bias) == pytest.approx(6 * cap)
    assert float(of.rmse) == pytest.approx(6 * cap**0.5)
    np.testing.assert_allclose(of.bias_series, [6 * cap] * 2)
    np.testing.assert_allclose(of.mae_map[:, 0], [6, 0, 0, 0, 0, 0])
    plain = evaluate(prediction.assign_attrs(units="K"), truth, scale=2, area_weighted=False)
    assert float(plain.bias.sel(product="prediction")) == pytest.approx(1.0)


def test_a_uniform_error_has_the_same_scores_with_weights():
    truth = analytic()[["t2m"]]
    prediction = truth.copy(deep=True)
    prediction["t2m"] = (truth.t2m + 1.5).assign_attrs(truth.t2m.attrs)
    pair = [
        evaluate(prediction, truth, scale=4, area_weighted=w).sel(product="prediction")
        for w in (True, False)
    ]
    for name in ("bias", "mae", "rmse"):
        assert float(pair[0][name]) == pytest.approx(float(pair[1][name]), rel=1e-6)


def test_scores_of_an_ensemble_are_weighted_too():
    truth = analytic()[["t2m"]]
    members = xr.concat([prediction_of(truth, seed) for seed in range(3)], "realization")
    found = evaluate(members, truth), evaluate(members, truth, area_weighted=False)
    areas = cell_areas(grid_of(truth)).to_numpy()
    order = np.argsort(truth.latitude.to_numpy())
    crps_map = found[1].crps_map.sel(product="prediction").to_numpy()[order]
    expected = (crps_map.mean(axis=1) * areas).sum() / areas.sum()
    assert float(found[0].crps.sel(product="prediction")) == pytest.approx(expected, rel=1e-6)
    for name in ("spread", "std_ratio"):
        assert not np.array_equal(found[0][name], found[1][name])
