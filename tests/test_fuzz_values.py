"""Faults in values give the result of data with NaN in their place, an error, or a warning.

`tests.odd_values` makes them. A warning must name the variable and the value. Cells and steps that
a fault cannot reach keep their values, and the data are kept.
"""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from tests import odd_values as v
from tests.outcomes import Told, is_own, kept, prepared, state_of
from tests.untrained import untrained

# --- outcomes -------------------------------------------------------------------------------------


def check(act, case, *, reach=None, read=True):
    """Act on faulty data; return the outcome, or raise an `AssertionError`.

    Parameters
    ----------
    act : callable
        The operation on a dataset, to arrays by name.
    case : tests.odd_values.Faulty
        The data.
    reach : callable, optional
        Where a fault may change the result: from its cells to an array of bool, broadcast to the
        arrays of the result. By default everywhere.
    read : bool
        Whether the operation reads the values, so that it can tell of them.

    Returns
    -------
    str
        "same", "told", "not read", or the error.
    """
    before, copy = state_of(case.ds), case.ds.copy(deep=True)
    expected = _result(act, case.twin)[0]
    result, told = _result(act, case.ds)
    note(f"{case!r}\n{told}")
    assert state_of(case.ds) == before, "the data have changed"
    assert kept(case.ds, copy), "the values have changed"
    if isinstance(result, Exception):
        certain = case.marked or np.isnan(case.value)
        assert not certain or isinstance(expected, Exception), f"refused: {result}"
        return f"refused: {type(result).__name__}: {result}"
    if reach is not None:
        require_elsewhere(result, _result(act, case.clean)[0], reach(case.touched), case)
    difference = difference_of(result, expected, case)
    if difference is None and not isinstance(expected, Exception):
        return "same"
    assert not case.marked, f"{difference}, though the metadata mark the value\n{told}"
    named = [m for m in told if repr(case.name) in m and names_value(m, case)]
    assert named or not read, f"{difference}, and no warning\n{told}"
    return f"told: {named}" if named else "not read"


def _result(act, ds):
    """The result or the own error, and the warnings."""
    with Told() as told:
        try:
            return act(ds), told
        except Exception as error:
            if not is_own(error):
                raise
            return error, told


def names_value(message, case):
    """Whether a message names the value, or what kind of value it is."""
    if np.isnan(case.value):
        return "missing" in message or "NaN" in message
    if abs(case.value) > 1e36:  # may overflow when units are converted
        told = "infinite" in message or "inf" in message
        if told or np.isinf(case.value):
            return told
    numbers = [float(one) for one in re.findall(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", message)]
    return bool(np.isclose(numbers, case.value, rtol=1e-4, atol=0).any())


def difference_of(result, expected, case):
    """What is different, or None."""
    if isinstance(expected, Exception):
        return f"a result, where the twin has {expected}"
    if result.keys() != expected.keys():
        return f"{sorted(result)}, not {sorted(expected)}"
    for name, one in result.items():
        other = expected[name]
        if one.shape != other.shape:
            return f"{name}: shape {one.shape}, not {other.shape}"
        if not close(one, other, case):
            return f"{name}: {apart(one, other)}"
    return None


def close(one, other, case):
    with np.errstate(invalid="ignore"):
        return np.allclose(one, other, rtol=1e-5, atol=3 * case.tolerance, equal_nan=True)


def apart(one, other):
    gaps = int((np.isnan(one) != np.isnan(other)).sum())
    with np.errstate(all="ignore"):
        return f"{gaps} other gaps, apart by {np.nanmax(np.abs(one - other), initial=0):g}"


def require_elsewhere(result, clean, reached, case):
    """Require that what a fault cannot reach is as without it."""
    assert not isinstance(clean, Exception), clean
    for name, one in result.items():
        there = np.broadcast_to(reached, one.shape)
        mine, other = (np.where(there, 0, values) for values in (one, clean[name]))
        assert close(mine, other, case), f"beyond the reach, {name}: {apart(mine, other)}"


# --- operations -----------------------------------------------------------------------------------


@functools.cache
def model(masked):
    """A model with random weights, with a static field and a predictor."""
    lr = v.plain_lr(masked)
    return untrained(
        lr[["t2m"]],
        v.plain(masked)[["t2m", "orog"]],
        predictors=lr[["wind"]],
        seed=0,
        validation=None,
        context=0,
        first_guess="interpolation",
    )


@functools.cache
def prediction():
    """LR fields on HR cells."""
    fine = v.plain_lr().sel(lat=v.plain().lat, lon=v.plain().lon, method="nearest")
    return fine.assign_coords(lat=v.plain().lat, lon=v.plain().lon)


def in_plain_units(out, case):
    """Arrays of a result ``(time, lat, lon)``, in the unit of the plain data."""
    offset = {units: o for units, _, o in v.UNITS.get(case.name, [])}
    found = {}
    for name, one in out.data_vars.items():
        values = one.transpose("time", ...).to_numpy().astype("f8")
        if name == case.name and one.attrs.get("units") == case.ds[name].attrs["units"]:
            values = (values - offset[one.attrs["units"]]) / case.factor
        found[name] = values
    return found


def blocks(touched):
    """The LR cells of some HR cells."""
    t, y, x = touched.shape
    return touched.reshape(t, y // v.SCALE, v.SCALE, x // v.SCALE, v.SCALE).any((2, 4))


def around(touched):
    """HR cells up to two LR cells beside some LR cells."""
    y, x = touched.shape[1:]
    wide = np.pad(touched, ((0, 0), (2, 2), (2, 2)))
    near = np.any([wide[:, i : i + y, j : j + x] for i in range(5) for j in range(5)], axis=0)
    return near.repeat(v.SCALE, 1).repeat(v.SCALE, 2)


def steps(touched):
    """Time steps of some cells; all for a static field."""
    if touched.ndim == 2:
        return np.ones((1, 1, 1), bool)
    return touched.any((1, 2))[:, None, None]


def of_fields(draw, masked, *, lr=False):
    base = v.plain_lr(masked) if lr else v.plain(masked)
    return v.spoiled(base, draw(["t2m", "pr", "wind"]), draw)


def on_coarsen(draw):
    case = of_fields(draw, draw([False, True]))

    def act(ds):
        return in_plain_units(ds[[case.name]].downscale.coarsen(v.SCALE).compute(), case)

    return check(act, case, reach=blocks, read=not case.lazy)


def on_interpolate(draw):
    case = of_fields(draw, draw([False, True]), lr=True)
    method = draw(["bilinear", "bicubic", "nearest", "conservative"])

    def act(ds):
        out = ds[[case.name]].downscale.interpolate(v.plain(), method=method)
        return in_plain_units(out.compute(), case)

    return check(act, case, reach=around, read=not case.lazy)


def on_predict(draw):
    masked, role = draw([False, True]), draw(["lr", "lr", "predictors", "static"])
    name = {"lr": "t2m", "predictors": "wind", "static": "orog"}[role]
    base = v.plain() if role == "static" else v.plain_lr(masked)
    case = v.spoiled(base, name, draw)
    tile = draw([None, 4])

    def act(ds):
        given = {"lr": v.plain_lr(masked)[["t2m"]], "predictors": v.plain_lr(masked)[["wind"]]}
        given["static"] = v.plain()[["orog"]]
        given[role] = ds[[name]]
        out = given.pop("lr").downscale.predict(model(masked), tile_size=tile, **given)
        if role == "predictors":
            out = out.sel(time=ds.time)
        found = out[["t2m"]].compute().transpose("time", ...)
        return {"t2m": found.t2m.to_numpy().astype("f8")}

    return check(act, case, reach=steps)


def on_evaluate(draw):
    masked, role = draw([False, True]), draw(["prediction", "truth", "lr"])
    name = draw(["t2m", "pr"])
    case = v.spoiled(v.plain_lr(masked) if role == "lr" else v.plain(masked), name, draw)
    beside = role == "lr" or draw([True, False])
    scores = draw([["rmse"], ["bias"], ["mae"]])
    weighted = draw([True, False])

    def act(ds):
        given = {"truth": v.plain(masked)[[name]], "lr": v.plain_lr()[[name]] if beside else None}
        given["prediction"] = prediction()[[name]]
        given[role] = ds[[name]]
        out = given.pop("prediction").downscale.evaluate(
            given.pop("truth"),
            **given,
            scores=scores,
            area_weighted=weighted,
            baselines=["bilinear"],
        )
        out = out[[n for n in out.data_vars if n in scores]].compute()
        factor = case.factor if role == "truth" else 1.0
        return {n: s.to_numpy() / factor for n, s in out.items()}

    return check(act, case, read=not case.lazy)


def on_fit(draw):
    """The samples of training and of validation, and the fixed inputs."""
    masked = draw([False, True])
    role = draw(["synthetic", "hr", "lr", "predictors", "static", "lr of validation",
                 "hr of validation"])  # fmt: skip
    name = {"predictors": "wind", "static": "orog"}.get(role) or draw(["t2m", "pr"])
    target = name if name in ("t2m", "pr") else "t2m"
    low = role in ("lr", "predictors", "lr of validation")
    case = v.spoiled(v.plain_lr(masked) if low else v.plain(masked), name, draw)
    held = draw([None, 0.34])
    guess = draw(["interpolation", "interpolation", "auto"])

    def act(ds):
        given = {"lr": v.plain_lr(masked)[[target]], "hr": v.plain(masked)[[target, "orog"]]}
        given |= {"predictors": None, "static": None}
        options = {"epochs": 1, "n_filters": 4, "n_blocks": 1, "verbose": False, "seed": 0}
        options["validation"] = held
        if "validation" in role:
            later = [one.assign_coords(time=one.time + np.timedelta64(60, "D")) for one in (
                given["lr"], given["hr"], ds[[name]])]  # fmt: skip
            options["validation"] = (
                (later[2], later[1]) if low else (later[0], later[1].assign({name: later[2][name]}))
            )
        elif role in ("synthetic", "hr"):
            given["hr"] = ds[[target, "orog"]]
        else:
            given[role] = ds[[name]]
        if role == "static":
            given["hr"] = given["hr"].drop_vars("orog")
        hr = given.pop("hr")
        if role == "synthetic":
            samples = prepared(lambda: hr.downscale.fit(scale=v.SCALE, **options))
        else:
            lr = given.pop("lr")
            options["first_guess"] = guess
            samples = prepared(lambda: lr.downscale.fit(hr, **given, **options))
        return {str(i): one for i, one in enumerate(samples)}

    return check(act, case)


OPERATIONS = {
    "coarsen": on_coarsen,
    "interpolate": on_interpolate,
    "evaluate": on_evaluate,
    "predict": on_predict,
    "fit": on_fit,
}


def drawn(name, data):
    OPERATIONS[name](lambda choices: data.draw(st.sampled_from(list(choices))))


@pytest.mark.parametrize("name", ["coarsen", "interpolate", "evaluate"])
@given(st.data())
def test_odd_values(name, data):
    drawn(name, data)


@pytest.mark.parametrize("name", ["predict", "fit"])
@settings(max_examples=2 * settings().max_examples // 5)  # half a second each
@given(st.data())
def test_odd_values_of_models(name, data):
    drawn(name, data)
