"""Sizes of residuals, worked out from the data."""

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.untrained import untrained


def smooth(amount, steps=40):
    """Fields whose cells differ from their LR mean by a known size."""
    rng = np.random.default_rng(0)
    lr = 5 + rng.normal(size=(steps, 4, 4)).repeat(4, axis=1).repeat(4, axis=2)
    hr = lr + 0.5 * rng.normal(size=lr.shape)
    attrs = {"units": "mm day-1" if amount else "degC"}
    values = np.maximum(hr, 0) ** 3 if amount else hr
    coords = {"time": np.arange(steps), "y": np.arange(16.0), "x": np.arange(16.0)}
    return xr.Dataset({"v": (("time", "y", "x"), values.astype("f4"), attrs)}, coords)


def by_hand(hr, model):
    """Standard deviation of truth minus interpolation in the training part."""
    training = hr.isel(time=slice(0, 36))
    guess = training.downscale.coarsen(4).downscale.interpolate(training, method="bicubic")
    both = [x.v.to_numpy().astype("f8") for x in (training, guess)]
    std = float(model.state.scaler.of("v", "factor"))
    if model.state.flow.roots[0]:
        both = [np.cbrt(np.maximum(x, 0) / std + 1e-3) for x in both]
        return np.std(both[0] - both[1])
    return np.std(both[0] - both[1]) / std


@pytest.mark.parametrize("amount", [False, True])
def test_sizes_are_those_of_residuals(amount):
    hr = smooth(amount)
    model = untrained(hr, scale=4, training=xd.FlowMatching(steps=1))
    assert model.state.flow.roots == (amount,)
    assert model.state.flow.sizes[0] == pytest.approx(by_hand(hr, model), rel=1e-3)
    assert not model.state.flow.from_mean


def test_without_skip_the_residual_is_the_field():
    model = untrained(
        smooth(False), scale=4, training=xd.FlowMatching(steps=1), interpolation_skip=False
    )
    assert model.state.flow.sizes[0] == pytest.approx(1, rel=1e-2)


def test_a_perfect_guess_has_a_least_size():
    hr = smooth(False)
    hr["v"] = hr.v.copy(data=np.ones(hr.v.shape, "f4") * np.arange(40, dtype="f4")[:, None, None])
    model = untrained(hr, scale=4, training=xd.FlowMatching(steps=1))
    assert model.state.flow.sizes == (1e-3,)
