import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis.extra.numpy import arrays

from tests.conftest import no_compute
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.metrics.categorical import (
    contingency_table,
    csi,
    ets,
    far,
    frequency_bias,
    pod,
    sedi,
)

DIMS = ("time", "y", "x")
SCORES = {s.__name__: s for s in (csi, ets, pod, far, frequency_bias, sedi)}
PERFECT = {"csi": 1, "ets": 1, "pod": 1, "far": 0, "frequency_bias": 1, "sedi": 1}


def rain(shape=(40, 5, 6)):
    """Predicted and true rain in float32, each with its own missing cells."""
    rng = np.random.default_rng(0)
    truth = rng.gamma(0.6, 4.0, shape)
    prediction = truth * rng.gamma(4, 0.25, shape) + rng.gamma(0.3, 1, shape)
    fields = []
    for values in (prediction, truth):
        values = np.where(rng.random(shape) < 0.1, np.nan, values).astype("f4")
        fields.append(xr.DataArray(values, dims=DIMS))
    return fields


def areas():
    return xr.DataArray(np.cos(np.linspace(0, 1.2, 5)), dims="y")


def events(*counts):
    """Pairs with these numbers of hits, misses, false alarms and correct negatives."""
    prediction = np.repeat([1.0, 0.0, 1.0, 0.0], counts)
    truth = np.repeat([1.0, 1.0, 0.0, 0.0], counts)
    return xr.DataArray(prediction, dims="time"), xr.DataArray(truth, dims="time")


def looped(prediction, truth, threshold, weights):
    """All scores by their textbook formulas, from weighted counts in loops over the cells."""
    a = b = c = d = 0.0
    for p, t, w in zip(prediction, truth, weights, strict=True):
        if np.isnan(p) or np.isnan(t):
            continue
        a += w * (p >= threshold and t >= threshold)
        b += w * (p >= threshold and t < threshold)
        c += w * (p < threshold and t >= threshold)
        d += w * (p < threshold and t < threshold)
    chance = (a + b) * (a + c) / (a + b + c + d)
    hit, false = a / (a + c), b / (b + d)
    logs = [np.log(x) for x in (false, hit, 1 - false, 1 - hit)]
    return {
        "csi": a / (a + b + c),
        "ets": (a - chance) / (a + b + c - chance),
        "pod": hit,
        "far": b / (a + b),
        "frequency_bias": (a + b) / (a + c),
        "sedi": (logs[0] - logs[1] - logs[2] + logs[3]) / sum(logs),
    }


# --- numbers --------------------------------------------------------------------------------------


def test_hand_values():
    # Finley's tornado forecasts of 1884: 28 hits, 23 misses, 72 false alarms, 2680 others
    pair = events(28, 23, 72, 2680)
    found = {n: round(float(s(*pair, 1.0, ["time"])), 3) for n, s in SCORES.items()}
    # by chance 100 * 51 / 2803 = 1.819 hits: (28 - 1.819) / (123 - 1.819); H = 28 / 51,
    # F = 72 / 2752: logarithms -0.600, -3.644, and of the complements -0.796, -0.027:
    # (-3.644 + 0.600 + 0.027 - 0.796) / -5.067
    assert found == {
        "csi": 0.228,
        "ets": 0.216,
        "pod": 0.549,
        "far": 0.72,
        "frequency_bias": 1.961,
        "sedi": pytest.approx(0.753, abs=1e-3),
    }


def test_table_holds_shares():
    table = contingency_table(*events(1, 2, 3, 4), 1.0, ["time"])
    shares = table.hits, table.misses, table.false_alarms, table.correct_negatives
    assert [float(share) for share in shares] == [0.1, 0.2, 0.3, 0.4]
    assert all(share.dtype == np.float64 for share in shares)


def test_values_at_the_threshold_are_events():
    prediction, truth = (xr.DataArray(v, dims="time") for v in ([2.0, 1.9], [2.0, 2.0]))
    assert float(pod(prediction, truth, 2.0, ["time"])) == 0.5


@pytest.mark.parametrize("threshold", [0.7, np.float64(0.7)], ids=["python", "numpy"])
def test_threshold_has_the_precision_of_the_data(threshold):
    # float32(0.7) is 0.69999998
    truth = xr.DataArray(np.array([0.7, 0.0], "f4"), dims="time")
    assert float(csi(truth, truth.astype("f8").round(6), threshold, ["time"])) == 1.0


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dims", [DIMS, ("time", "y"), ("time", "x")], ids=str)
def test_equal_to_loops(name, dims, weighted):
    prediction, truth = rain()
    weights = areas() if weighted else None
    actual = SCORES[name](prediction, truth, 2.0, dims, weights)
    kept = [d for d in DIMS if d not in dims]
    assert actual.dims == tuple(kept)
    assert actual.dtype == np.float64
    each = xr.broadcast(prediction, truth, areas() if weighted else xr.ones_like(areas()))
    flat = [f.stack(cell=dims).transpose(..., "cell").to_numpy() for f in each]
    for at in np.ndindex(actual.shape):
        expected = looped(*(f[at] for f in flat[:2]), 2.0, flat[2][at])[name]
        assert float(actual.to_numpy()[at]) == pytest.approx(expected, rel=1e-10)


def test_equal_to_scores():
    # scores 2.7.0, BinaryContingencyManager, and BasicContingencyManager of weighted counts
    expected = {
        "csi": (0.55263158, 0.55414053),
        "ets": (0.49296198, 0.49626494),
        "pod": (0.70945946, 0.69184622),
        "far": (0.28571429, 0.26426687),
        "frequency_bias": (0.99324324, 0.94034943),
        "sedi": (0.82838663, 0.8237043),
    }
    for name, score in SCORES.items():
        found = [float(score(*rain(), 5.0, DIMS, weights)) for weights in (None, areas())]
        np.testing.assert_allclose(found, expected[name], rtol=1e-7)


def test_weights_of_zero_hide_cells():
    prediction, truth = rain()
    weights = xr.DataArray([0.0, 1, 1, 0, 1], dims="y")
    kept = [f.isel(y=[1, 2, 4]) for f in (prediction, truth)]
    for score in SCORES.values():
        actual = score(prediction, truth, 3.0, DIMS, weights)
        np.testing.assert_allclose(actual, score(*kept, 3.0, DIMS), rtol=1e-12)
        over_time = score(prediction, truth, 3.0, ["time"], weights)  # which has no weights
        xr.testing.assert_equal(over_time, score(prediction, truth, 3.0, ["time"]))


def test_members_are_scored_each_or_pooled():
    prediction, truth = rain()
    members = xr.concat([prediction, 0.5 * prediction], "realization")
    for score in SCORES.values():
        each = score(members, truth, 2.0, DIMS)
        single = score(0.5 * prediction, truth, 2.0, DIMS)
        xr.testing.assert_allclose(each.isel(realization=1), single)
    both = far(members, truth, 2.0, [*DIMS, "realization"])
    alone = far(members, truth, 2.0, DIMS)
    assert float(alone.min()) < float(both) < float(alone.max())


# --- where scores are not defined -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # nothing ever happens, or it always does
        ((0, 0, 0, 9), {"csi": None, "ets": None, "pod": None, "far": None}),
        ((0, 0, 0, 7), {"frequency_bias": None, "sedi": None}),
        ((7, 0, 0, 0), {"csi": 1, "ets": None, "pod": 1, "far": 0, "frequency_bias": 1}),
        # no event in the truth, or in the prediction
        ((0, 0, 2, 5), {"csi": 0, "ets": 0, "pod": None, "far": 1, "frequency_bias": None}),
        ((0, 2, 0, 5), {"csi": 0, "ets": 0, "pod": 0, "far": None, "frequency_bias": 0}),
        # always wrong
        ((0, 5, 5, 0), {"csi": 0, "ets": -1 / 3, "pod": 0, "far": 1, "sedi": None}),
        # one outcome lacks
        ((0, 2, 3, 9), {"sedi": None}),
        ((2, 0, 3, 9), {"sedi": None}),
        ((2, 3, 0, 9), {"sedi": None}),
        ((2, 3, 4, 0), {"sedi": None}),
        ((7, 0, 0, 0), {"sedi": None}),
        ((2, 0, 0, 9), {"sedi": 1}),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.filterwarnings("error")
def test_edges(counts, expected, weighted):
    prediction, truth = events(*counts)
    weights = xr.DataArray(np.linspace(-1, 1, truth.size) ** 2 + 0.1, dims="time")
    weights = weights if weighted else None
    for name, value in expected.items():
        found = float(SCORES[name](prediction, truth, 1.0, ["time"], weights))
        assert found == pytest.approx(np.nan if value is None else value, nan_ok=True), name


@pytest.mark.parametrize("name", SCORES)
def test_no_common_cell_is_nan_without_a_warning(name):
    values = xr.DataArray([[1.0, np.nan], [0.0, 1.0]], dims=("x", "time"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = SCORES[name](values, values.isel(time=[1, 0]), 1.0, ["time"])
    assert np.isnan(found.isel(x=0))


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4"])
def test_other_types(dtype):
    prediction, truth = events(3, 1, 2, 8)
    found = csi(prediction.astype(dtype), truth.astype(dtype), 0.5, ["time"])
    assert float(found) == 0.5


# --- identities -----------------------------------------------------------------------------------


@given(arrays("i4", 4, elements=st.integers(1, 30)))
def test_identities(counts):
    pair = events(*counts)
    # the second column has prediction and truth in each other's place
    both = [xr.concat(one, "x") for one in (pair, pair[::-1])]
    each = {n: s(*both, 0.5, ["time"]).to_numpy() for n, s in SCORES.items()}
    found, swapped = ({n: values[i] for n, values in each.items()} for i in (0, 1))
    success = 1 - found["far"]
    assert 1 / found["csi"] == pytest.approx(1 / found["pod"] + 1 / success - 1)
    assert found["frequency_bias"] == pytest.approx(found["pod"] / success)
    assert -1 / 3 <= found["ets"] <= found["csi"] <= found["pod"]
    assert -1 <= found["sedi"] <= 1
    assert [swapped["csi"], swapped["ets"]] == pytest.approx([found["csi"], found["ets"]])
    assert swapped["far"] == pytest.approx(1 - found["pod"])
    # both skills have the sign of what is gained over chance
    hits, misses, false_alarms, correct = (int(n) for n in counts)
    gain = np.sign(hits * correct - misses * false_alarms)
    assert [np.sign(round(found[n], 12)) for n in ("ets", "sedi")] == [gain, gain]
    # the index of non-events is that of events
    assert float(sedi(-pair[0], -pair[1], -0.5, ["time"])) == pytest.approx(found["sedi"])


@pytest.mark.parametrize("name", SCORES)
def test_order_uniform_weights_and_units_make_no_difference(name):
    prediction, truth = rain()
    expected = float(SCORES[name](prediction, truth, 2.0, DIMS))
    weights = xr.full_like(areas(), 0.3)
    backwards = prediction[::-1], truth[::-1]
    assert float(SCORES[name](*backwards, 2.0, DIMS, weights)) == pytest.approx(expected)
    assert float(SCORES[name](8 * prediction, 8 * truth, 16.0, DIMS)) == expected


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("weights", [None, areas()], ids=["equal", "areas"])
def test_perfect_prediction(name, weights):
    _, truth = rain()
    found = SCORES[name](truth, truth, 2.0, DIMS, weights)
    assert float(found) == pytest.approx(PERFECT[name], abs=1e-12)


# --- dask and coordinates -------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [{"time": 7}, {"time": -1, "y": 2, "x": 4}], ids=str)
@pytest.mark.parametrize("name", SCORES)
def test_dask_is_lazy_and_equal_to_numpy(name, chunks):
    prediction, truth = rain()
    with no_compute():
        lazy = prediction.chunk(chunks), truth.chunk(chunks)
        actual = SCORES[name](*lazy, 2.0, ("time", "y"), areas())
    assert actual.chunks is not None
    expected = SCORES[name](prediction, truth, 2.0, ("time", "y"), areas())
    xr.testing.assert_allclose(actual.compute(), expected, rtol=1e-12)


def test_inputs_are_not_changed():
    fields = [*rain(), areas()]
    copies = [f.copy(deep=True) for f in fields]
    for score in SCORES.values():
        score(*fields[:2], 1.0, DIMS, fields[2])
    for field, copy in zip(fields, copies, strict=True):
        xr.testing.assert_identical(field, copy)


@pytest.mark.parametrize("name", SCORES)
def test_other_coordinates_are_told(name):
    prediction, truth = (f.assign_coords(time=np.arange(40)) for f in rain())
    with pytest.raises(GridError, match=r"same coordinates, got other ones along \['time'\]"):
        SCORES[name](prediction, truth.isel(time=slice(1, None)), 1.0, DIMS)
