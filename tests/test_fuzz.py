"""Odd datasets give the results of their plain twin, or an error of the package, never another one.

`tests.odd_kinds` makes them. Each operation has one of three outcomes: the result of the plain
twin, a difference that a warning names, or an error with "Expected ..."; the data are kept.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import tempfile

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests import odd_kinds as k
from tests.outcomes import Told, is_own, kept, prepared, state_of
from tests.untrained import untrained

# --- outcomes -------------------------------------------------------------------------------------


def check(act, odd, compare):
    """Act on an odd dataset; return the outcome, or raise an `AssertionError`.

    Parameters
    ----------
    act : callable
        The operation on `odd.ds`.
    odd : tests.odd_kinds.Odd
        The data.
    compare : callable
        Raises an `AssertionError` if a result is not the twin's.

    Returns
    -------
    str
        "same", "told", or the error.
    """
    before, copy = state_of(odd.ds), odd.ds.copy(deep=True)
    with Told() as told, xr.set_options(**odd.options):
        try:
            result = act(odd.given)
        except Exception as error:
            if not is_own(error):
                raise
            result = error
    assert state_of(odd.ds) == before, "the data have changed"
    assert kept(odd.ds, copy), "the values have changed"
    if isinstance(result, Exception):
        assert not odd.sound, f"refused: {result}"
        return f"refused: {type(result).__name__}: {result}"
    difference = said_of(compare, result)
    if difference is None:
        return "same"
    named = [m for m in told if any(repr(n) in m for n in odd.ds.variables)]
    assert named, f"{difference}, and no warning"
    assert not odd.sound, f"{difference}\n{told}"
    return f"told: {named}"


def said_of(compare, result):
    """What is different, or None."""
    try:
        compare(result.to_dataset() if isinstance(result, xr.DataArray) else result)
    except AssertionError as difference:
        return str(difference)
    return None


# --- what is compared -----------------------------------------------------------------------------


def canonical(variable, odd, *, undone=True):
    """Values ``(time, y, x)`` in the twin's order and unit, without dimensions of length 1."""
    t, y, x = odd.dims
    extra = [d for d in variable.dims if d not in odd.dims and variable.sizes[d] == 1]
    variable = variable.isel(dict.fromkeys(extra, 0), drop=True)
    assert set(variable.dims) == {t, y, x}, f"dimensions {variable.dims}, not {odd.dims}"
    values = variable.transpose(t, y, x).to_numpy().astype("f8")
    values = values[np.argsort(odd.steps)]
    for axis, dim, turn in ((1, y, False), (2, x, True)):
        if odd.numbered is not None and dim in ("j", "i"):
            at = odd.numbered[axis - 1].astype("f8").reshape(values.shape[axis], -1).mean(1)
        else:
            at = variable[dim].to_numpy().astype("f8")
        place = np.argsort((at + 180) % 360 - 180 if turn else at)
        values = np.take(values, place, axis=axis)
    return values * odd.factor + odd.offset if undone else values


def require_close(actual, expected, tolerance):
    actual, expected = np.asarray(actual, "f8"), np.asarray(expected, "f8")
    assert actual.shape == expected.shape, f"shape {actual.shape}, not {expected.shape}"
    assert (np.isnan(actual) == np.isnan(expected)).all(), "other missing values"
    apart = np.nanmax(np.abs(actual - expected), initial=0.0)
    assert apart <= tolerance, f"apart by {apart:g}, more than {tolerance:g}"


def require_times(result, odd):
    """The dates of a result are those of the data."""
    t = odd.names["time"]
    if t in odd.ds.coords and t in result.coords:
        assert result[t].to_index().equals(odd.ds[t].to_index()), "other times"


# --- operations -----------------------------------------------------------------------------------


@functools.cache
def model():
    """A model with random weights, fitted on the plain twin."""
    return untrained(k.plain(), scale=k.SCALE, seed=0, validation=None)


@functools.cache
def twin(operation, masked):
    """The result of an operation on the plain twin."""
    hr, lr = k.plain(masked), k.plain_lr(masked)
    if operation == "coarsen":
        return hr.downscale.coarsen(k.SCALE).t2m
    if operation == "interpolate":
        return lr.downscale.interpolate(k.plain(), method="bilinear").t2m
    if operation == "predict":
        return lr.downscale.predict(model()).t2m
    if operation == "fit":
        return prepared(lambda: hr.downscale.fit(**FIT))
    if operation == "alone":
        return prepared(lambda: hr.t2m.downscale.fit(**FIT))
    if operation == "pairs":
        return prepared(lambda: lr.downscale.fit(k.plain(), **PAIRS))
    if operation == "truth":
        return prediction().downscale.evaluate(hr, scale=k.SCALE, scores=SCORES)
    if operation == "scored":
        return hr.downscale.evaluate(k.plain(), scale=k.SCALE, scores=SCORES)
    return hr.downscale.grid


@functools.cache
def prediction():
    """A prediction of the HR fields, of whole K."""
    base = k.plain_lr().downscale.interpolate(k.plain(), method="bilinear")
    return base.round().assign(t2m=base.t2m.round().assign_attrs(units="K"))


PAIRS = {
    "epochs": 1,
    "n_filters": 4,
    "n_blocks": 1,
    "verbose": False,
    "seed": 0,
    "validation": None,
}
FIT = {"scale": k.SCALE, **PAIRS}


def on_coarsen(odd, masked):
    def compare(lr):
        require_times(lr, odd)
        require_close(canonical(lr.t2m, odd), twin("coarsen", masked), odd.tolerance)

    return check(lambda ds: ds.downscale.coarsen(k.SCALE), odd, compare)


def on_interpolate(odd, masked):
    def compare(out):
        require_times(out, odd)
        there = {"lat": "lat", "lon": "lon", "time": odd.names["time"]}
        on_hr = dataclasses.replace(odd, names=there)
        require_close(canonical(out.t2m, on_hr), twin("interpolate", masked), odd.tolerance)

    return check(lambda ds: ds.downscale.interpolate(k.plain()), odd, compare)


def on_like(odd, masked):
    """Interpolation to the odd grid."""

    def compare(out):
        own = dataclasses.replace(
            odd, names={**odd.names, "time": "time"}, steps=np.arange(k.TIMES), factor=1, offset=0
        )
        require_close(canonical(out.t2m, own), twin("interpolate", False), 1e-3)

    return check(lambda ds: k.plain_lr().downscale.interpolate(ds), odd, compare)


def on_predict(odd, masked):
    def compare(sr):
        require_times(sr, odd)
        assert sr.t2m.attrs["units"] == "K"
        named = {d: d if d in sr.t2m.dims else odd.names[d] for d in ("lat", "lon")}
        own = dataclasses.replace(odd, names={**odd.names, **named})
        expected = twin("predict", masked)
        require_close(canonical(sr.t2m, own, undone=False), expected, 3 * odd.tolerance)
        with tempfile.NamedTemporaryFile(suffix=".nc") as file:  # every prediction can be written
            sr.to_netcdf(file.name, engine="netcdf4")

    return check(lambda ds: ds.downscale.predict(model()), odd, compare)


def on_fit(odd, masked, role="fit"):
    """Training on synthetic pairs, or with odd LR data."""

    def compare(samples):
        expected = twin("alone" if odd.array and role == "fit" else role, masked)
        if "names_of_variables" in odd.kinds:
            return  # further targets or predictors
        assert len(samples) == len(expected)
        # a curvilinear grid keeps the order of its rows and columns, as it has no other: samples
        # may be mirrored
        laid = np.sort if "two_dimensional" in odd.kinds else np.asarray
        for one, other in zip(samples, expected, strict=True):
            require_close(laid(one), laid(other), odd.tolerance)  # scaled: a unit is about 10 K

    def act(ds):
        if role == "fit":
            return prepared(lambda: ds.downscale.fit(**FIT))
        return prepared(lambda: ds.downscale.fit(k.plain(), **PAIRS))

    return check(act, odd, compare)


#: The scores that are compared; others take most of the time of an example.
SCORES = ("rmse", "bias")


def on_evaluate(odd, masked, role="truth"):
    """Scores of a plain prediction with an odd truth, or the reverse."""
    factor = odd.factor if role == "truth" else 1.0

    def compare(scores):
        expected = twin(role, masked)
        for name in SCORES:
            require_close(scores[name] * factor, expected[name], odd.tolerance)

    def act(ds):
        if role == "truth":
            return prediction().downscale.evaluate(ds, scale=k.SCALE, scores=SCORES)
        return ds.downscale.evaluate(k.plain(), scale=k.SCALE, scores=SCORES)

    return check(act, odd, compare)


def on_grid(odd, masked):
    """The overview never raises, and lists no error of other packages."""

    def compare(found):
        repr(found)
        for problem in found.problems:
            assert re.search(r"\. [A-Z]", problem), problem  # with a cure
        assert not (found.problems and odd.sound), found.problems
        if not found.problems:
            assert found.shape == (k.ROWS, k.COLUMNS)

    outcome = check(lambda ds: ds.downscale.grid, odd, compare)
    assert outcome == "same", outcome
    return outcome


#: Operations, and whether they take LR data.
OPERATIONS = {
    "coarsen": (on_coarsen, False),
    "interpolate": (on_interpolate, True),
    "like": (on_like, False),
    "grid": (on_grid, False),
    "fit": (on_fit, False),
    "pairs": (functools.partial(on_fit, role="pairs"), True),
    "predict": (on_predict, True),
    "truth": (on_evaluate, False),
    "scored": (functools.partial(on_evaluate, role="scored"), False),
}


@st.composite
def odd_data(draw, lr=False):
    """An odd dataset, and whether its twin has masked cells."""
    chosen = draw(st.lists(st.sampled_from(list(k.KINDS)), max_size=4, unique=True))
    has_mask = draw(st.booleans())
    base = (k.plain_lr if lr else k.plain)(has_mask)
    return k.made(base, chosen, lambda choices: draw(st.sampled_from(list(choices)))), has_mask


@pytest.mark.parametrize(
    "names",
    [
        ["coarsen"],
        ["interpolate", "like"],
        ["grid"],
        ["fit", "pairs"],
        ["predict"],
        ["truth", "scored"],
    ],
    ids=" or ".join,
)
@given(st.data())
def test_odd_data(names, data):
    act, lr = OPERATIONS[data.draw(st.sampled_from(names))]
    act(*data.draw(odd_data(lr)))
