"""Spatio-temporal samples: which windows train, and from which window each step is predicted."""

import dask.array
import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic, no_compute
from xr_dl4ds import inference, training
from xr_dl4ds.exceptions import TimeError
from xr_dl4ds.training.batches import Batches

SCALE, WINDOW = 2, 3
TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "batch_size": 4, "verbose": False}
#: The residual of a network that barely trained is near zero; without the skip all is its own work.
BARE = {"interpolation_skip": False, "constraint": None}


def wind(lr):
    """A predictor on LR cells."""
    return (np.cos(lr[["t2m"]]) * 3).rename(t2m="u10").assign_attrs(units="m s-1")


@pytest.fixture(scope="module")
def lr():
    return analytic(time=14)[["t2m"]].downscale.coarsen(SCALE)


@pytest.fixture(scope="module")
def model():
    """Six-hourly steps, a static field and a predictor, windows of three."""
    hr = analytic(time=14)
    beside = {"predictors": wind(hr[["t2m"]].downscale.coarsen(SCALE))}
    return hr.downscale.fit(scale=SCALE, time_window=WINDOW, **beside, **BARE, **TINY)


@pytest.fixture(scope="module")
def plain():
    """Without anything beside the LR field."""
    hr = analytic(time=8)[["t2m"]]
    return hr.downscale.fit(scale=SCALE, time_window=WINDOW, **BARE, **TINY)


def predict(model, lr, **options):
    return model.predict(lr, predictors=wind(lr), **options)


def assert_close(actual, expected):
    """Equal up to the order of float32 sums."""
    np.testing.assert_array_equal(actual.time, expected.time)
    np.testing.assert_allclose(actual.t2m, expected.t2m, rtol=0, atol=1e-3)


# --- training: which windows -----------------------------------------------------------------


class StoppedError(Exception):
    pass


@pytest.fixture
def windows_of(monkeypatch):
    """A function that fits, and gives the steps of each window of the training and other part.

    The HR field of step k is warmer by k than that of step 0 everywhere.
    """
    found = []

    def train(network, samples, validation, **options):
        found[:] = [samples, validation]
        raise StoppedError

    monkeypatch.setattr(training, "train", train)

    def windows(hr, *args, **options):
        with pytest.raises(StoppedError):
            hr.downscale.fit(*args, **TINY, **options)
        return found

    return windows


def numbered(times):
    """HR fields whose value tells the step; the first and last step always take part."""
    hr = analytic(time=len(times))[["t2m"]].assign_coords(time=("time", times))
    pattern = np.linspace(0, 0.4, 8 * 12, dtype="f4").reshape(8, 12)
    steps = np.arange(len(times), dtype="f4")[:, None, None]
    return hr.assign(t2m=hr.t2m.copy(data=steps + pattern))


def contents(samples, last, first=0):
    """Steps of every sample, from the scaled targets and LR fields alike."""
    out = []
    for array in (samples.lr[..., 0], samples.target[..., 0]):
        level = array.mean(axis=(1, 2)).astype("f8")
        numbers = (level - level[0]) / (level[-1] - level[0]) * (last - first) + first
        steps = np.round(numbers).astype(int)
        np.testing.assert_allclose(numbers, steps, atol=1e-3)
        out.append([steps[s : s + samples.window].tolist() for s in samples.starts])
    assert out[0] == out[1]
    return out[0]


def brute_force(kept, window):
    """Windows of neighbours in time: of `kept`, every `window` numbers that go up by one."""
    kept = sorted(kept)
    candidates = [kept[i : i + window] for i in range(len(kept) - window + 1)]
    return [c for c in candidates if c[-1] - c[0] == window - 1]


CALENDARS = {
    "hourly": {"freq": "h"},
    "daily": {"freq": "D"},
    "monthly": {"freq": "MS"},
    "noleap": {"freq": "D", "calendar": "noleap", "use_cftime": True},
    "360_day, monthly": {"freq": "MS", "calendar": "360_day", "use_cftime": True},
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kind", CALENDARS)
def test_windows_of_training_never_cross_a_gap(windows_of, kind, lazy):
    times = xr.date_range("2001-01-25", periods=20, **CALENDARS[kind])
    kept = [0, 1, 2, 3, 5, 6, 7, 10, 11, 12, 13, 14, 16, 18, 19]
    hr = numbered(times).isel(time=kept)
    samples, validation = windows_of(
        hr.chunk(time=4) if lazy else hr, scale=SCALE, time_window=3, validation=None
    )
    assert validation is None
    assert contents(samples, 19) == brute_force(kept, 3)
    assert len(samples) == 2 + 1 + 3


def test_a_step_that_one_of_them_lacks_is_a_gap(windows_of):
    hr = numbered(xr.date_range("2001-01-01", periods=16, freq="6h"))
    lr, beside = hr.downscale.coarsen(SCALE), wind(hr.downscale.coarsen(SCALE))
    common = sorted(set(range(16)) - {4} - {9} - {12})
    samples, _ = windows_of(
        lr.drop_isel(time=4),
        hr.drop_isel(time=9),
        predictors=beside.drop_isel(time=12),
        time_window=2,
        validation=None,
    )
    assert contents(samples, 15) == brute_force(common, 2)


def test_fields_out_of_order_are_sorted_first(windows_of):
    hr = numbered(xr.date_range("2001-01-01", periods=10, freq="D"))
    shuffled = hr.isel(time=[4, 9, 0, 8, 2, 1, 7, 5, 3])
    samples, _ = windows_of(shuffled, scale=SCALE, time_window=4, validation=None)
    assert contents(samples, 9) == brute_force(range(6), 4)


def test_windows_without_a_value_are_left_out(windows_of):
    hr = numbered(xr.date_range("2001-01-01", periods=9, freq="D"))
    hr["t2m"][3:6] = np.nan
    samples, _ = windows_of(hr, scale=SCALE, time_window=2, validation=None)
    # windows 3-4 and 4-5 hold nothing to learn; 2-3 and 5-6 have one valid step
    assert samples.starts.tolist() == [0, 1, 2, 5, 6, 7]


def test_the_last_share_is_validated_and_no_window_is_in_both(windows_of):
    kept = [*range(12), *range(13, 20)]
    hr = numbered(xr.date_range("2001-01-01", periods=20, freq="D")).isel(time=kept)
    samples, validation = windows_of(hr, scale=SCALE, time_window=3, validation=0.45)
    # 0.45 of 19 steps are the last 9: 10, 11, a gap, 13 to 19
    assert contents(samples, 9) == brute_force(range(10), 3)
    assert contents(validation, 19, 10) == brute_force([10, 11, *range(13, 20)], 3)


def test_a_gap_after_the_first_step_of_the_validation_part(windows_of):
    kept = [*range(10), 11, 12]
    hr = numbered(xr.date_range("2001-01-01", periods=13, freq="D")).isel(time=kept)
    _, validation = windows_of(hr, scale=SCALE, time_window=2, validation=0.25)
    assert contents(validation, 12, 9) == [[11, 12]]


def test_a_small_share_holds_one_window(windows_of):
    hr = numbered(xr.date_range("2001-01-01", periods=20, freq="D"))
    samples, validation = windows_of(hr, scale=SCALE, time_window=4, validation=0.05)
    assert (len(samples), contents(validation, 19, 16)) == (13, [[16, 17, 18, 19]])
    _, nothing = windows_of(hr, scale=SCALE, time_window=4, validation=0)
    assert nothing is None


def test_windows_of_a_validation_pair(windows_of):
    hr = numbered(xr.date_range("2001-01-01", periods=20, freq="D"))
    kept = [12, 13, 14, 16, 17, 18, 19]
    pair = hr.isel(time=kept).downscale.coarsen(SCALE), hr.isel(time=kept)
    samples, validation = windows_of(
        hr.isel(time=slice(8)), scale=SCALE, time_window=3, validation=pair
    )
    assert contents(samples, 7) == brute_force(range(8), 3)
    assert contents(validation, 19, 12) == brute_force(kept, 3)


@pytest.mark.parametrize("patch_size", [None, 4])
def test_an_epoch_shows_each_window_once_in_one_place(windows_of, patch_size):
    kept = [0, 1, 2, 3, 5, 6, 7]
    hr = numbered(xr.date_range("2001-01-01", periods=8, freq="D")).isel(time=kept)
    samples, _ = windows_of(hr, scale=SCALE, time_window=3, patch_size=patch_size, validation=None)
    batches = Batches(samples, batch_size=2, patch_size=patch_size, seed=1)
    orders = []
    for _ in range(3):
        shown = []
        for inputs, target, weight in (batches[i] for i in range(len(batches))):
            fields, size = inputs["lr"][..., 0], patch_size or 8
            assert fields.shape[1:3] == (3, size // SCALE)
            assert target.shape == weight.shape
            assert target.shape[1:3] == (3, size)
            # the cells of each step of LR and HR are the same: LR is the mean of them
            blocks = target[..., 0].reshape(*fields.shape[:3], SCALE, fields.shape[3], SCALE)
            np.testing.assert_allclose(blocks.mean(axis=(3, 5)), fields, atol=1e-5)
            steps = np.diff(fields, axis=1)  # of one cell: all alike where the cells are
            np.testing.assert_allclose(steps, steps.mean(), atol=1e-5)
            levels = samples.lr[..., 0].mean(axis=(1, 2))
            gaps = np.abs(fields[:, 0].mean(axis=(1, 2))[:, None] - levels)
            shown += gaps.argmin(axis=1).tolist()
        assert sorted(shown) == [0, 1, 4]
        orders.append(shown)
        batches.on_epoch_end()
    assert len({tuple(o) for o in orders}) > 1


# --- prediction: which window ------------------------------------------------------------------

#: Runs of 6, 1, 2 and 2 steps, and by hand the steps of the window of each.
KEPT = [*range(6), 7, 9, 10, 12, 13]
WINDOWS_BY_HAND = {
    **{0: (0, 1, 2), 1: (0, 1, 2), 2: (0, 1, 2), 3: (1, 2, 3), 4: (2, 3, 4), 5: (3, 4, 5)},
    7: (7,),
    **{9: (9, 10), 10: (9, 10)},
    **{12: (12, 13), 13: (12, 13)},
}


def test_each_step_is_predicted_from_its_window_alone(model, lr):
    before = lr.copy(deep=True)
    actual = predict(model, lr.isel(time=KEPT))
    assert actual.t2m.notnull().all()
    np.testing.assert_array_equal(actual.time, lr.time[KEPT])
    for i, step in enumerate(KEPT):
        window = WINDOWS_BY_HAND[step]
        alone = predict(model, lr.isel(time=list(window))).isel(time=[window.index(step)])
        assert_close(actual.isel(time=[i]), alone)
    xr.testing.assert_identical(lr, before)


def reached(model, lr, changed, variable):
    """Steps whose prediction moves when one step of the input does."""
    inputs = {"lr": lr, "predictors": wind(lr)}
    before = model.predict(**inputs)
    name, role = {"t2m": ("t2m", "lr"), "u10": ("u10", "predictors")}[variable]
    moved = inputs[role].copy(deep=True)
    moved[name][{"time": changed}] += 3
    after = model.predict(**{**inputs, role: moved})
    difference = np.abs(after.t2m - before.t2m).max(["latitude", "longitude"])
    return np.flatnonzero(difference > 1e-3).tolist()


@pytest.mark.parametrize("variable", ["t2m", "u10"])
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (6, [6, 7, 8]),  # a step knows the two before it, and none after
        (13, [13]),
        (1, [1, 2, 3]),
        (0, [0, 1, 2]),
    ],
)
def test_a_step_reaches_the_windows_that_hold_it(model, lr, changed, expected, variable):
    assert reached(model, lr, changed, variable) == expected


def test_nothing_is_reached_across_a_gap(model, lr):
    # steps 0 to 5, a missing one, 7 to 13
    assert reached(model, lr.drop_isel(time=6), 5, "t2m") == [5]
    assert reached(model, lr.drop_isel(time=6), 6, "t2m") == [6, 7, 8]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_series_as_short_as_a_window_and_shorter(model, lr, steps):
    actual = predict(model, lr.isel(time=slice(steps)))
    assert actual.sizes["time"] == steps
    assert actual.t2m.notnull().all()
    if steps == WINDOW:
        assert_close(actual, predict(model, lr).isel(time=slice(steps)))


@pytest.mark.parametrize(
    "chosen",
    [
        [0, 9],
        [2, 6, 10],
        [0, 2, 3],
        [0, 4, 5],
        [0, 1, 2, 3, 12],
    ],
    ids=str,
)
def test_steps_far_apart_are_not_taken_for_neighbours(model, lr, chosen):
    # each of the last steps is alone, or with its neighbour
    actual = predict(model, lr.isel(time=chosen))
    last = [c for c in chosen if c >= chosen[-1] - 1]
    alone = predict(model, lr.isel(time=last))
    assert_close(actual.isel(time=slice(-len(last), None)), alone)


def test_a_part_of_the_series_is_predicted_as_in_the_whole(model, lr):
    whole, part = predict(model, lr), predict(model, lr.isel(time=slice(4, 11)))
    assert_close(part.isel(time=slice(WINDOW - 1, None)), whole.isel(time=slice(6, 11)))


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard"])
def test_cftime_has_the_same_windows(model, lr, calendar):
    dates = xr.date_range("2001-02-27", periods=14, freq="6h", calendar=calendar, use_cftime=True)
    actual = predict(model, lr.assign_coords(time=dates).isel(time=KEPT))
    expected = predict(model, lr.isel(time=KEPT))
    np.testing.assert_array_equal(actual.time, dates[KEPT])
    np.testing.assert_allclose(actual.t2m, expected.t2m, atol=1e-3)


def test_layout_and_type_are_the_callers(plain, lr):
    expected = plain.predict(lr)
    odd = lr.t2m.transpose("longitude", "time", "latitude").rename(time="date")[:, :, ::-1]
    actual = plain.predict(odd)
    assert isinstance(actual, xr.DataArray)
    assert actual.dims == ("longitude", "date", "latitude")
    again = actual.transpose("date", "latitude", "longitude")[:, ::-1]
    np.testing.assert_allclose(again, expected.t2m, atol=1e-3)


def test_missing_lr_cells_hide_their_step_alone(model, lr):
    holes = lr.copy(deep=True)
    holes["t2m"][5, 1, 2] = np.nan
    # the predictor keeps its values
    actual = model.predict(holes, predictors=wind(lr)).t2m.isnull()
    expected = np.zeros(actual.shape, bool)
    expected[5, 2:4, 4:6] = True
    np.testing.assert_array_equal(actual, expected)


def test_a_saved_model_predicts_the_same(model, lr, tmp_path):
    model.save(tmp_path / "model")
    loaded = xd.load(tmp_path / "model")
    assert loaded.options.sampling.time_window == WINDOW
    xr.testing.assert_equal(predict(loaded, lr), predict(model, lr))


# --- dask ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chunks",
    [
        {"time": 1},
        {"time": 2},
        {"time": 3, "latitude": 3},
        {"time": 5, "longitude": 2},
        {"time": (6, 1, 2, 2)},
        {"time": (4, 4, 3)},
        {"time": -1},
    ],
    ids=str,
)
def test_dask_equals_numpy_and_stays_lazy(model, lr, chunks):
    given = lr.isel(time=KEPT)
    expected = predict(model, given)
    lazy = given.chunk(chunks)
    with no_compute():
        actual = predict(model, lazy)
    assert actual.t2m.chunks[0] == lazy.t2m.chunks[0]
    assert_close(actual.compute(scheduler="threads"), expected)


@pytest.mark.parametrize("chunks", [(4, 4, 3), (1, 10), (11,)], ids=str)
def test_predictors_may_be_chunked_in_another_way(model, lr, chunks):
    given = lr.isel(time=KEPT)
    with no_compute():
        actual = model.predict(given.chunk(time=6), predictors=wind(given).chunk(time=chunks))
    assert_close(actual.compute(), predict(model, given))


def test_one_step_loads_the_chunks_of_its_window(plain, lr):
    loaded = []

    def load(block, block_info=None):
        loaded.append(block_info[0]["array-location"][0])
        return block

    data = dask.array.from_array(lr.t2m.to_numpy(), chunks=(2, -1, -1))
    data = data.map_blocks(load, dtype="f4", meta=np.empty((0, 0, 0), "f4"))
    actual = plain.predict(lr.assign(t2m=lr.t2m.copy(data=data)))
    assert loaded == []
    actual.isel(time=7).compute()
    assert sorted(loaded) == [(4, 6), (6, 8)]  # its own begins at 5, that of step 6 at 4


@pytest.mark.parametrize("cells", [1, 300, 1000])
def test_values_do_not_depend_on_how_many_windows_run_at_once(model, lr, monkeypatch, cells):
    expected = predict(model, lr)
    monkeypatch.setattr(inference.application, "CELLS", cells)
    assert_close(predict(model, lr), expected)


# --- what is told -------------------------------------------------------------------------------


def no_dates(ds):
    return ds.drop_vars("time")


def numbers(ds):
    return ds.assign_coords(time=np.arange(ds.sizes["time"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_dates, "the LR data to have dates.*14 steps without coordinates.*assign_coords"),
        (numbers, "the LR data to have dates.*14 steps from 0 to 13"),
        (lambda ds: ds.isel(time=slice(None, None, -1)), r"in order of time.*\.sortby\('time'\)"),
        (
            lambda ds: ds.rename(time="date").isel(date=[1, 0, 2]),
            r"in order of time.*\.sortby\('date'\)",
        ),
        (lambda ds: ds.isel(time=[0, 1, 1]), r"once, got 1 duplicated.*\.drop_duplicates"),
        (lambda ds: ds.isel(time=0), "a time dimension.*windows of 3 steps, got .*. Keep it"),
    ],
)
def test_what_prediction_asks_of_times(plain, lr, change, message):
    with pytest.raises(TimeError, match=message):
        plain.predict(change(lr))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (no_dates, {}, "the HR data to have dates.*assign_coords"),
        (numbers, {}, "the HR data to have dates"),
        (
            lambda ds: ds.isel(time=[0, 1, 3, 4, 6, 7]),
            {"validation": None},
            "at least 3 time steps without a gap in the training data for time_window=3, got 2 at"
            " most. Use a shorter window, or more data",
        ),
        (
            lambda ds: ds.isel(time=[*range(11), 12, 13]),
            {"validation": 0.3},
            "at least 3 .* in the validation data .*got 2 at most.*or more validation data",
        ),
        (
            lambda ds: ds,
            {"time_window": 14},
            "more time steps than validation=0.1 holds out, 14 .at least a window., got 14",
        ),
    ],
)
def test_what_training_asks_of_times(change, options, message):
    hr = change(analytic(time=14)[["t2m"]])
    with pytest.raises(TimeError, match=message):
        hr.downscale.fit(scale=SCALE, **{"time_window": 3, **options}, **TINY)


@pytest.mark.parametrize(
    ("window", "message"),
    [
        (1, "`time_window` to be a whole number >= 2, got 1. Use None for spatial"),
        (0, "`time_window` to be a whole number >= 2, got 0"),
        (2.5, "`time_window` to be a whole number >= 2, got 2.5"),
        (True, "`time_window` to be a whole number >= 2, got (True|1)"),
    ],
)
def test_what_a_window_is(window, message):
    with pytest.raises(ValueError, match=message):
        xd.Sampling(time_window=window)
