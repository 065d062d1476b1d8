"""Gradients along a path, for networks whose gradients are known."""

import keras
import numpy as np
import pytest
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.inference import path as paths
from xr_dl4ds.inference.application import Application
from xr_dl4ds.inference.packing import packed
from xr_dl4ds.inference.path import Path

DIMS = ("time", "y", "x", "channel")


def fields(seed, channels=2, time=5, y=2, x=3):
    values = np.random.default_rng(seed).normal(size=(time, y, x, channels))
    return xr.DataArray(values.astype("f4"), dims=DIMS)


def path(network, start, end, steps=3, fixed=None):
    app = Application(network=network, fixed=fixed or {}, scale=Scale.of(1), token="a")
    return Path(application=app, start=start, end=end, steps=steps)


def square():
    """Two outputs of each cell: the sum of squares of both channels, and the second channel."""
    lr = keras.Input((None, None, 2), name="lr")
    first = keras.ops.sum(lr**2, -1, keepdims=True)
    return keras.Model({"lr": lr}, keras.ops.concatenate([first, lr[..., 1:]], -1))


@pytest.mark.parametrize("cells", [1, 12, 10**6])
def test_the_mean_gradient_of_a_square(cells, monkeypatch):
    monkeypatch.setattr(paths, "CELLS", cells)
    start, end = fields(0), fields(1)
    mine = path(square(), start, end)
    rows = np.array([3, 1])
    weights = np.random.default_rng(2).random((2, 2, 3))
    found = mine.gradients(rows, weights, 0)
    a, b = start.to_numpy()[rows].astype("f8"), end.to_numpy()[rows].astype("f8")
    # d(w x²)/dx = 2 w x, whose mean on the way from a to b is w (a + b)
    np.testing.assert_allclose(found.lr, weights[..., None] * (a + b), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.difference, b - a, atol=1e-6)
    np.testing.assert_allclose(found.end, ((b**2).sum(-1) * weights).sum((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found.start, ((a**2).sum(-1) * weights).sum((1, 2)), rtol=1e-5)
    assert found.guess is None
    other = mine.gradients(rows, weights, 1)
    expected = np.stack([np.zeros_like(weights), weights], -1)
    np.testing.assert_allclose(other.lr, expected, rtol=1e-5)
    sizes = [len(range(*s.indices(5))) for s in mine.batches(np.arange(5))]
    assert sizes == {1: [1] * 5, 12: [2, 2, 1], 10**6: [5]}[cells]


def test_lazy_fields_and_sequences():
    lr = keras.Input((None, None, None, 2), name="lr")
    network = keras.Model(
        {"lr": lr}, lr[..., :1] * keras.ops.mean(lr, (1, 2, 3), keepdims=True)[..., 1:]
    )
    start, end = fields(0).chunk(time=2), fields(1).chunk(time=2)
    rows = np.array([[0, 1, 2], [2, 3, 4]])
    weights = np.zeros((2, 3, 2, 3))
    weights[0, 0], weights[1, 2] = 0.5, 1.0
    found = path(network, start, end, steps=1).gradients(rows, weights, 0)
    at = (start.to_numpy()[rows] + end.to_numpy()[rows]) / 2
    factor = at[..., 1].mean((1, 2, 3))
    np.testing.assert_allclose(found.lr[0, 0, ..., 0], np.full((2, 3), 0.5 * factor[0]), rtol=1e-4)
    assert not found.lr[0, 1:, ..., 0].any()
    expected = (at[1, 2, ..., 0]).sum() / 18
    np.testing.assert_allclose(found.lr[1, ..., 1], np.full((3, 2, 3), expected), rtol=1e-4)


def test_a_first_guess_and_fixed_inputs():
    lr = keras.Input((None, None, 1), name="lr")
    guess = keras.Input((None, None, 1), name="guess")
    static = keras.Input((None, None, 1), name="static")
    network = keras.Model([lr, guess, static], 2 * lr + static * guess)
    height = np.arange(6, dtype="f4").reshape(2, 3, 1)
    ends = [packed(fields(i, 1), fields(i + 5, 1), Scale.of(1), 0).transpose(*DIMS) for i in (0, 1)]
    found = path(network, *ends, fixed={"static": height}).gradients(
        np.array([4]), np.ones((1, 2, 3)), 0
    )
    np.testing.assert_allclose(found.lr, np.full((1, 2, 3, 1), 2.0), rtol=1e-6)
    np.testing.assert_allclose(found.guess[0], height, rtol=1e-6)
    assert found.difference.shape == (1, 2, 3, 1)


def test_inputs_that_a_target_does_not_need_have_no_gradient():
    lr = keras.Input((None, None, 2), name="lr")
    constant = keras.Model({"lr": lr}, keras.ops.zeros_like(lr) + 1.0)
    found = path(constant, fields(0), fields(1)).gradients(np.array([0]), np.ones((1, 2, 3)), 0)
    assert not found.lr.any()
    np.testing.assert_allclose(found.end, [6.0])
