"""Integrated gradients against predictions, and their completeness."""

import functools

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests import test_first_guess as pairs
from tests.conftest import analytic
from tests.errors import data as d
from tests.untrained import untrained
from xr_dl4ds.fitting.flow_calibration import _with_temperature

#: Without curved activations the network is an affine function of its LR fields.
LINEAR = {"activation": "linear", "noise": 0.3}
QUICK = {"repeats": 1, "steps": 4}


def globe():
    """Temperature around the globe at 30 degrees, and its truth at 15 degrees."""
    hr = d.bare(analytic(y=8, x=24))
    lon = ("longitude", 15.0 * np.arange(24), hr.longitude.attrs)
    lat = ("latitude", 52.5 - 15.0 * np.arange(8), hr.latitude.attrs)
    return hr.assign_coords(longitude=lon, latitude=lat)


@functools.cache
def given(kind):
    """Return a linear model, LR data and the truth."""
    if kind == "static":
        hr = analytic()
        return untrained(hr, scale=2, **LINEAR), hr[["t2m"]].downscale.coarsen(2), hr
    if kind == "two targets":
        hr = d.winds(analytic(seed=3)).drop_vars("orog")
        hr["v"] = hr.v + np.random.default_rng(0).normal(size=hr.v.shape)
        return untrained(hr, scale=2, constraint=None, **LINEAR), hr.downscale.coarsen(2), hr
    if kind == "globe":
        hr = globe()
        return untrained(hr, scale=2, **LINEAR), hr[["t2m"]].downscale.coarsen(2), hr
    if kind == "no counterpart":
        hr = analytic()[["t2m"]]
        low = d.winds(hr.downscale.coarsen(2))
        return untrained(low, hr, **LINEAR), low, hr
    if kind == "surroundings":
        inside = analytic()[["t2m"]].isel(latitude=slice(2, 6), longitude=slice(2, 8))
        low = d.lr()
        return untrained(low, inside, context=1, **LINEAR), low, inside
    lr, hr = pairs.pairs()
    model = untrained(lr, hr, first_guess=kind, time_features=False, **LINEAR)
    return model, lr.isel(time=slice(0, 6)), hr.isel(time=slice(0, 6))


def at_mean(model, lr):
    """LR fields at their training mean."""
    return lr.map(lambda v: xr.full_like(v, model.state.scaler.of(v.name, "mean")))


def mean_of(model, lr, name, region=None):
    """The region's mean of a prediction, by area (cells between meridians and parallels)."""
    found = model.predict(lr)[name]
    y, x = found.dims[-2:]
    step = abs(float(found[y][1] - found[y][0])) / 2
    edges = [np.sin(np.deg2rad(found[y] + s)) for s in (step, -step)]
    weights = (edges[0] - edges[1]) * xr.ones_like(found[x])
    if region is not None:
        weights = weights.where(region, 0.0)
    return float(found.astype("f8").weighted(weights).mean())


KINDS = ("static", "two targets", "globe", "no counterpart", "surroundings", *pairs.KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_attributions_of_a_linear_model_are_its_predictions_from_single_cells(kind):
    model, lr, hr = given(kind)
    found = model.explain(lr, hr, **QUICK)
    base = at_mean(model, lr)
    for name, part in [(n, of(found, n)) for n in np.atleast_1d(found["variable"]).tolist()]:
        assert float(part.region_mean) == pytest.approx(mean_of(model, lr, name), rel=1e-5)
        start = mean_of(model, base, name)
        assert float(part.baseline_mean) == pytest.approx(start, rel=1e-5)
        scale = float(part.saliency_size.max())
        assert abs(float(part.saliency_residual)) < 1e-3 * scale
        y, x = part.saliency.dims[-2:]
        for predictor, row, column in [
            (lr_name, i, j) for lr_name in lr for i, j in ((1, 2), (2, 0))
        ]:
            cell = {y: [row], x: [column]}
            moved = base.copy(deep=True)
            moved[predictor][cell] = lr[predictor][cell]
            expected = mean_of(model, moved, name) - start
            actual = part.saliency.sel(predictor=predictor)
            for dim, (at,) in cell.items():  # beyond the LR data, the outer cells are repeated
                seen = part[dim].clip(float(lr[dim].min()), float(lr[dim].max()))
                actual = actual.where(abs(seen - lr[dim][at]) < 1e-3, 0.0)
            assert float(actual.sum()) == pytest.approx(expected, abs=1e-3 * scale + 1e-4)


def of(found, name):
    return found.sel(variable=name) if "variable" in found.dims else found


def test_surroundings_are_cells_of_the_saliency():
    model, lr, hr = given("surroundings")
    found = model.explain(lr, hr, **QUICK)
    assert found.saliency.shape == (1, 4, 5)  # 2 x 3 LR cells, and one on each side
    np.testing.assert_allclose(found.latitude, lr.latitude)
    assert float(found.saliency_size.isel(latitude=0).max()) > 0


@pytest.mark.parametrize("kind", ["static", "globe"])
def test_a_region_and_its_complement_add_up(kind):
    model, lr, hr = given(kind)
    north = (hr.latitude > float(hr.latitude[3])) & (hr.longitude < float(hr.longitude[5]))
    parts = [model.explain(lr, hr, region=r, **QUICK) for r in (north, ~north)]
    whole = model.explain(lr, hr, **QUICK)
    assert float(parts[0].region_mean) == pytest.approx(mean_of(model, lr, "t2m", north), rel=1e-5)
    share = float(areas(hr).where(north).sum() / areas(hr).sum())
    together = share * parts[0].saliency + (1 - share) * parts[1].saliency
    np.testing.assert_allclose(together, whole.saliency, atol=1e-5)
    assert float(parts[0].saliency_size.max()) > 0


def areas(hr):
    step = abs(float(hr.latitude[1] - hr.latitude[0])) / 2
    edges = [np.sin(np.deg2rad(hr.latitude + s)) for s in (step, -step)]
    return (edges[0] - edges[1]) * xr.ones_like(hr.longitude)


@pytest.mark.parametrize("options", [{}, {"time_window": 3, "backbone": "convnet"}], ids=str)
def test_attributions_of_a_curved_network_are_complete(options):
    hr = analytic(time=7)
    model = untrained(hr, scale=2, constraint=None, activation="tanh", noise=0.3, **options)
    lr = hr[["t2m"]].downscale.coarsen(2)
    lr = lr.isel(time=[0, 1, 2, 3, 6])  # runs of four steps and of one
    found = model.explain(lr, hr, repeats=1, steps=64)
    change = float(found.region_mean - found.baseline_mean)
    assert float(found.region_mean) == pytest.approx(mean_of(model, lr, "t2m"), rel=1e-5)
    assert float(found.saliency.sum()) == pytest.approx(change, rel=1e-3)
    assert float(found.saliency_residual) == pytest.approx(
        change - float(found.saliency.sum()), abs=1e-6
    )
    few = model.explain(lr, hr, repeats=1, steps=1)
    assert abs(float(few.saliency_residual)) > abs(float(found.saliency_residual))


@pytest.mark.parametrize("scaling", ["log1p", "minmax"])
def test_other_scalings_start_from_the_training_mean(scaling):
    hr = analytic().rename(t2m="pr")[["pr"]]
    hr["pr"] = ((hr.pr - 270) ** 2 / 20).assign_attrs(units="mm/day")
    lr = hr.downscale.coarsen(2)
    model = untrained(hr, scale=2, scaling=scaling, constraint=None, noise=0.1)
    found = model.explain(lr, hr, repeats=1, steps=64)
    start = mean_of(model, at_mean(model, lr), "pr")
    assert float(found.baseline_mean) == pytest.approx(start, rel=1e-4)
    assert found.saliency.attrs["units"] == "mm/day"
    change = float(found.region_mean - found.baseline_mean)
    assert float(found.saliency.sum()) == pytest.approx(change, rel=1e-2, abs=1e-4)


def test_missing_cells_count_nowhere():
    hr = analytic()[["t2m"]]
    hr = hr.where((hr.latitude < 49.6) | (hr.longitude > 5.3))
    lr = hr.downscale.coarsen(2)
    model = untrained(hr, scale=2, **LINEAR)
    found = model.explain(lr, hr, **QUICK)
    assert float(found.region_mean) == pytest.approx(mean_of(model, lr, "t2m"), rel=1e-5)
    assert float(found.saliency.isel(latitude=0, longitude=0)[0]) == 0
    gone = lr.where(lr.time != lr.time[2])
    others = model.explain(lr.isel(time=[0, 1, 3, 4, 5, 6, 7]), hr, **QUICK)
    xr.testing.assert_allclose(
        model.explain(gone, hr, **QUICK).saliency, others.saliency, atol=1e-5
    )


def test_members_of_the_input_are_averaged():
    model, lr, hr = given("static")
    members = xr.concat([lr, lr + 1], "number").assign_coords(number=[1, 2])
    members["t2m"].attrs = lr.t2m.attrs
    found = model.explain(members, hr, **QUICK)
    alone = [model.explain(members.sel(number=n, drop=True), hr, **QUICK) for n in (1, 2)]
    expected = (alone[0].saliency + alone[1].saliency) / 2
    np.testing.assert_allclose(found.saliency, expected, atol=1e-5)


@pytest.mark.parametrize("begun", [False, True])
def test_flow_matching_is_explained_by_its_member_without_noise(begun):
    hr = analytic()[["t2m"]]
    lr = hr.downscale.coarsen(2)
    more = {"start": untrained(hr, scale=2, **LINEAR)} if begun else {}
    training = xd.FlowMatching(steps=1, calibrate=False, verbose=False)
    model = untrained(hr, scale=2, training=training, constraint=None, **LINEAR, **more)
    still = model if begun else _with_temperature(model, {"t2m": {"all": 0.0}})
    found = model.explain(lr, hr, **QUICK)
    expected = mean_of(still, lr, "t2m"), mean_of(still, at_mean(model, lr), "t2m")
    assert float(found.region_mean) == pytest.approx(expected[0], rel=1e-5)
    assert float(found.baseline_mean) == pytest.approx(expected[1], rel=1e-5)
    scale = float(found.saliency_size.max())
    assert abs(float(found.saliency_residual)) < 1e-3 * scale
