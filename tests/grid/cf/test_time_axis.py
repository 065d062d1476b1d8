"""Time axes: calendars, gaps, duplicates, and the steps that two axes share."""

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import analytic, no_compute
from tests.grid import fields
from xr_dl4ds.exceptions import TimeError
from xr_dl4ds.grid.cf.time_axis import (
    Windows,
    at_times,
    calendar,
    check_times,
    common_times,
    in_order,
    index_of,
    runs,
    span,
    usual_step,
    windows_ending,
)

LOG = "xr_dl4ds.grid.cf.time_axis"


def at(times):
    """Fields with these times; the values tell the steps apart."""
    ds = analytic(time=len(times), y=2, x=2).assign_coords(time=("time", times))
    ds["t2m"] = ds.t2m.copy(data=np.arange(len(times), dtype="f4")[:, None, None] * np.ones((2, 2)))
    return fields(ds)


def days(start, periods, **kwargs):
    return xr.date_range(start, periods=periods, freq="D", **kwargs)


def without_times(size):
    return fields(analytic(time=size, y=2, x=2).drop_vars("time"))


def steps(data):
    """The steps of `at` that are there."""
    return data.t2m.isel(y=0, x=0).values.tolist()


# --- calendars and text ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (days("2001-01-01", 2), "standard"),
        (days("2001-01-01", 2, calendar="standard", use_cftime=True), "standard"),
        (days("2001-01-01", 2, calendar="proleptic_gregorian", use_cftime=True), "standard"),
        (days("2001-01-01", 2, calendar="noleap", use_cftime=True), "noleap"),
        (days("2001-01-01", 2, calendar="360_day", use_cftime=True), "360_day"),
        (days("2001-01-01", 2, calendar="julian", use_cftime=True), "julian"),
        (pd.Index([1, 2]), "none"),
    ],
)
def test_calendar(index, expected):
    assert calendar(index) == expected


def test_span_and_index():
    index = days("2001-01-01", 3)
    expected = "3 steps from 2001-01-01 00:00:00 to 2001-01-03 00:00:00 (standard calendar)"
    assert span(index) == expected
    assert index_of(at(index).data).equals(index)
    assert index_of(without_times(3).data) is None


# --- checks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "good",
    [
        at(days("2001-01-01", 1)),
        at(days("2001-01-01", 3)[::-1]),
        at(days("2000-02-29", 3, calendar="360_day", use_cftime=True)),
        without_times(2),
        at(days("2001-01-01", 2)).pick(["orog"]),
    ],
    ids=["one step", "backwards", "cftime", "no coordinate", "static"],
)
def test_usable_times_pass(good):
    check_times(good, "the data")


def test_an_empty_axis_is_refused():
    with pytest.raises(TimeError, match="No time step is left in the data"):
        check_times(fields(analytic(time=2).isel(time=slice(0))), "the data")


def test_duplicates_are_named_and_the_cure_works():
    ds = analytic(time=8).isel(time=[0, 1, 1, 2, 2, 3, 3, 4, 4, 4]).rename(time="date")
    shown = "got 4 duplicated: 2001-01-01 06:00:00, 2001-01-01 12:00:00, 2001-01-01 18:00:00, "
    with pytest.raises(TimeError, match=shown + r"\.{3}\..*\.drop_duplicates\('date'\)"):
        check_times(fields(ds), "the data")
    check_times(fields(ds.drop_duplicates("date")), "the data")


def test_missing_times_are_refused_with_a_cure_that_works():
    times = days("2001-01-01", 3).values.copy()
    times[1] = np.datetime64("NaT")
    # .dropna("time") looks at the values and drops no step without a date
    with pytest.raises(TimeError, match=r"1 missing \(NaT\).*notnull"):
        check_times(at(times), "the data")


def test_in_order_sorts_lazily_and_says_so(caplog):
    shuffled = at(days("2001-01-01", 4)[[2, 0, 3, 1]])
    with caplog.at_level(logging.INFO, LOG):
        actual = in_order(shuffled, "the LR data")
    assert steps(actual.data) == [1, 3, 0, 2]
    assert "the LR data are sorted by time" in caplog.text
    assert steps(shuffled.data) == [0, 1, 2, 3]
    chunked = fields(analytic(time=4).isel(time=slice(None, None, -1)).chunk(time=1))
    with no_compute():
        lazy = in_order(chunked, "the LR data")
    expected = analytic(time=4).t2m[:, ::-1].values
    np.testing.assert_array_equal(lazy.data.t2m, expected)


def test_what_is_in_order_is_left_alone(caplog):
    caplog.set_level(logging.INFO, LOG)
    for data in (at(days("2001-01-01", 3)), without_times(3), at(days("2001-01-01", 1))):
        assert in_order(data, "the data") is data
    assert not caplog.records


# --- common times ---------------------------------------------------------------------------


def test_common_times_are_sorted_and_the_loss_is_said(caplog):
    a, b = at(days("2001-01-01", 5)[::-1]), at(days("2001-01-03", 6))
    with caplog.at_level(logging.INFO, LOG):
        actual = common_times(a, b, "the LR data", "the HR data")
    assert actual.equals(days("2001-01-03", 3))
    expected = "3 times are common to the LR data (5) and the HR data (6); the others are left out"
    assert expected in caplog.text


def test_nothing_is_said_when_nothing_is_lost(caplog):
    caplog.set_level(logging.INFO, LOG)
    a = at(days("2001-01-01", 3))
    assert common_times(a, a, "a", "b").equals(days("2001-01-01", 3))
    assert not caplog.records


def test_resolutions_do_not_matter():
    a, b = at(days("2001-01-01", 3).values.astype("M8[s]")), at(days("2001-01-02", 3))
    actual = common_times(a, b, "a", "b")
    assert list(actual) == [pd.Timestamp("2001-01-02"), pd.Timestamp("2001-01-03")]


def test_nothing_is_matched_by_nearness():
    noon, midnight = days("2001-01-01 12:00", 3), days("2001-01-01", 3)
    with pytest.raises(
        TimeError, match=r"times in common, got .* with 3 steps from 2001-01-01 12:00.*floor"
    ):
        common_times(at(noon), at(midnight), "the LR data", "the HR data")
    # the cure in the message
    ds = analytic(time=3).assign_coords(time=noon)
    cured = fields(ds.assign_coords(time=ds.time.dt.floor("D")))
    assert common_times(cured, at(midnight), "a", "b").equals(midnight)


@pytest.mark.parametrize(("step", "shift"), [("12h", "5h"), ("30min", "7min"), ("2D", "1D")])
def test_the_cure_floors_to_the_step(step, shift):
    right = pd.date_range("2001-01-01", periods=4, freq=step)
    left = right + pd.Timedelta(shift)
    with pytest.raises(TimeError, match=rf"dt\.floor\('{step}'\)"):
        common_times(at(left), at(right), "a", "b")
    if step != "2D":  # days count from 1970
        assert left.floor(step).equals(right)


@pytest.mark.parametrize("use_cftime", [False, True])
def test_years_are_stamped_at_their_start(use_cftime):
    ends, starts = (
        xr.date_range("2001-01-01", periods=3, freq=freq, use_cftime=use_cftime)
        for freq in ("YE", "YS")
    )
    with pytest.raises(TimeError, match=r"at the start .*\(time='YS'\)\.first\(\)\.time"):
        common_times(at(ends), at(starts), "a", "b")
    cured = [
        fields(ds.assign_coords(time=ds.time.resample(time="YS").first().time))
        for ds in (analytic(time=3).assign_coords(time=one) for one in (ends, starts))
    ]
    assert len(common_times(*cured, "a", "b")) == 3


def test_dates_of_two_calendars_before_1582():
    a, b = (
        at(days("1500-03-01", 3, calendar=name, use_cftime=True))
        for name in ("standard", "proleptic_gregorian")
    )
    for left, right in ((a, b), (b, a)):
        common = common_times(left, right, "a", "b")
        assert len(common) == 3
        assert steps(at_times(left.data, common)) == [0, 1, 2]
        assert steps(at_times(right.data, common)) == [0, 1, 2]


@pytest.mark.parametrize("other", ["noleap", "360_day"])
def test_calendars_must_agree(other):
    a, b = at(days("2001-01-01", 3)), at(days("2001-01-01", 3, calendar=other, use_cftime=True))
    cure = rf"in one calendar.*standard calendar.*{other} calendar.*\.convert_calendar"
    with pytest.raises(TimeError, match=cure):
        common_times(a, b, "a", "b")
    with pytest.raises(TimeError, match=rf"{other} calendar.*standard calendar"):
        common_times(b, a, "a", "b")


@pytest.mark.parametrize(
    ("one", "other", "which", "call"),
    [
        ("standard", "noleap", "a", "noleap"),
        ("noleap", "standard", "b", "noleap"),
        ("360_day", "standard", "b", "360_day"),
        ("noleap", "360_day", "a", "360_day"),
        ("standard", "julian", "a", "julian"),
    ],
)
def test_the_cure_for_calendars_names_which_data_to_convert(one, other, which, call):
    series = {
        name: analytic(time=3).assign_coords(
            time=days("2001-03-01", 3, calendar=c, use_cftime=True)
        )
        for name, c in (("a", one), ("b", other))
    }
    options = {"align_on": "date"} if call == "360_day" else {}
    arguments = rf"'{call}', align_on='date'" if options else rf"'{call}'"
    with pytest.raises(TimeError, match=rf"Convert {which} with \.convert_calendar\({arguments}\)"):
        common_times(fields(series["a"]), fields(series["b"]), "a", "b")
    series[which] = series[which].convert_calendar(call, **options)
    assert len(common_times(fields(series["a"]), fields(series["b"]), "a", "b")) == 3


@pytest.mark.parametrize("name", ["standard", "proleptic_gregorian"])
def test_the_standard_calendar_in_cftime_matches_numpy_dates(name):
    a, b = at(days("2001-01-01", 4)), at(days("2001-01-02", 4, calendar=name, use_cftime=True))
    for left, right in ((a, b), (b, a)):
        common = common_times(left, right, "a", "b")
        assert common.equals(days("2001-01-02", 3))
        assert steps(at_times(a.data, common)) == [1, 2, 3]
        assert steps(at_times(b.data, common)) == [0, 1, 2]
    # predictors with numpy dates are asked for the LR data's own cftime steps
    wanted = index_of(b.data)[:3]
    assert steps(at_times(a.data, wanted)) == [1, 2, 3]


def test_years_beyond_nanoseconds_are_matched():
    start = np.datetime64("3001-01-01", "s")
    a = at(start + np.arange(3) * np.timedelta64(1, "D"))
    b = at(days("3001-01-02", 3, calendar="standard", use_cftime=True))
    common = common_times(a, b, "a", "b")
    assert len(common) == 2
    assert steps(at_times(a.data, common)) == [1, 2]
    assert steps(at_times(b.data, common)) == [0, 1]


def test_axes_without_coordinates_pair_step_by_step():
    a, b = without_times(3), without_times(3)
    assert common_times(a, b, "a", "b") is None
    assert at_times(a.data, None) is a.data


@pytest.mark.parametrize(
    ("a", "b", "seen"),
    [
        (3, 4, "got 3 steps without coordinates and 4 steps without"),
        (3, None, "got 3 steps without coordinates and 3 steps from 2001"),
        (None, 3, "got 3 steps from 2001.* and 3 steps without coordinates"),
    ],
)
def test_axes_that_cannot_be_compared_need_coordinates(a, b, seen):
    a, b = (at(days("2001-01-01", 3)) if n is None else without_times(n) for n in (a, b))
    with pytest.raises(TimeError, match=seen + r".*\.assign_coords\(time="):
        common_times(a, b, "a", "b")


def test_numbers_beside_dates_are_to_become_dates():
    # .convert_calendar, the cure for other calendars, refuses whole numbers
    with pytest.raises(TimeError, match="Assign the dates that the numbers stand for"):
        common_times(at(days("2001-01-01", 3)), at(np.arange(3)), "a", "b")


def test_numbers_that_differ_are_to_become_dates():
    with pytest.raises(TimeError, match=r"times in common.*assign the dates that the numbers"):
        common_times(at(np.arange(3)), at(np.arange(3) + 0.5), "a", "b")


def test_numbered_steps_are_matched_by_number():
    a, b = at(np.arange(3)), at(np.arange(1, 5))
    common = common_times(a, b, "a", "b")
    assert list(common) == [1, 2]
    assert steps(at_times(b.data, common)) == [0, 1]


# --- at_times -------------------------------------------------------------------------------


def test_at_times_follows_the_order_asked_for():
    data = at(days("2001-01-01", 4)).data
    assert steps(at_times(data, days("2001-01-01", 4)[[3, 1]])) == [3, 1]


def test_a_time_that_is_not_there_is_not_the_last_one():
    # get_indexer says -1, which .isel takes for the last step
    with pytest.raises((KeyError, TimeError), match="2001-01-09"):
        at_times(at(days("2001-01-01", 4)).data, days("2001-01-09", 1))
    wanted = pd.DatetimeIndex(["2001-01-01", "2001-01-08", "2001-01-09"])
    with pytest.raises(TimeError, match=r"The time 2001-01-08 00:00:00 is missing"):
        at_times(at(days("2001-01-01", 4)).data, wanted)


# --- runs -----------------------------------------------------------------------------------


def edges(times):
    data = at(times).data
    step = usual_step(data, "the data")
    return [(r.start, r.stop) for r in runs(data, "the data", step)]


def months(*kept, years=4, **kwargs):
    index = xr.date_range("2001-01-01", periods=12 * years, freq="MS", **kwargs)
    return index[np.isin(index.month, kept or range(1, 13))]


def hours(*offsets, unit="h"):
    return np.datetime64("2001-01-01", "ns") + np.array(offsets) * np.timedelta64(1, unit)


SEASONS = [(0, 3), (3, 6), (6, 9), (9, 12)]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (hours(7), [(0, 1)]),
        (hours(7, 8), [(0, 2)]),
        (hours(*range(48)), [(0, 48)]),
        (hours(0, 1, 2, 4, 5, 6), [(0, 3), (3, 6)]),  # one step is missing
        (hours(0, 2, 3, 4), [(0, 1), (1, 4)]),  # at the beginning
        (hours(0, 1, 2, 4), [(0, 3), (3, 4)]),  # at the end
        (hours(0, 1, 3, 4, 50, 51, 52), [(0, 2), (2, 4), (4, 7)]),
        (hours(*range(0, 48, 6)), [(0, 8)]),
        (hours(0, 1, 2, 3, 4, 7, 8, 9, 10, 11, unit="D"), [(0, 5), (5, 10)]),  # working days
        (hours(0, 60, 120, 190, 240, unit="m").astype("M8[s]"), [(0, 5)]),  # not quite regular
        (months(), [(0, 48)]),
        (months(6, 7, 8), SEASONS),
        (months(1, 2, 3), SEASONS),
        (months(1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, years=1), [(0, 1), (1, 11)]),  # no February
        (xr.date_range("2001-12-01", periods=9, freq="QS-DEC"), [(0, 9)]),
        (xr.date_range("1995-01-01", periods=9, freq="YS"), [(0, 9)]),
        (np.datetime64("3001-01-01", "s") + np.array([0, 1, 2, 4]) * 86400, [(0, 3), (3, 4)]),
        *(
            (months(*kept, calendar=name, use_cftime=True), expected)
            for name in ("noleap", "360_day", "julian", "standard")
            for kept, expected in (((), [(0, 48)]), ((6, 7, 8), SEASONS))
        ),
        (days("2001-02-26", 5, calendar="noleap", use_cftime=True)[[0, 1, 2, 4]], [(0, 3), (3, 4)]),
    ],
)
def test_runs_end_at_gaps(times, expected):
    assert edges(times) == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (hours(0, 6, 24, 30, 48), [(0, 2), (2, 4), (4, 5)]),  # two of four steps of a day
        (hours(6, 24, 30, 48, 54, 72), [(0, 1), (1, 3), (3, 5), (5, 6)]),
        (months(1, 12, years=3), [(0, 1), (1, 3), (3, 5), (5, 6)]),
        (hours(0, 1, 10, 20, 30), [(0, 2), (2, 3), (3, 4), (4, 5)]),
        (hours(0, 2, 3), [(0, 1), (1, 3)]),
        (days("2001-02-27", 4, calendar="noleap", use_cftime=True)[[0, 2, 3]], [(0, 1), (1, 3)]),
    ],
)
def test_runs_end_at_gaps_however_many_there_are(times, expected):
    assert edges(times) == expected


@given(
    lengths=st.lists(st.integers(3, 8), min_size=1, max_size=6),
    gaps=st.lists(st.integers(1, 30), min_size=6, max_size=6),
    step=st.sampled_from([1, 3, 24, 24 * 30]),
    cftime=st.booleans(),
)
def test_runs_are_those_that_the_axis_was_made_of(lengths, gaps, step, cftime):
    expected, offsets, start = [], [], 0
    for length, gap in zip(lengths, gaps, strict=False):
        expected.append((len(offsets), len(offsets) + length))
        offsets += range(start, start + length)
        start += length + gap
    last = offsets[-1] + 1
    kwargs = {"calendar": "noleap", "use_cftime": True} if cftime else {}
    index = xr.date_range("1999-01-01", periods=last, freq=f"{step}h", **kwargs)
    assert edges(index[offsets]) == expected


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (without_times(3), "got 3 steps without coordinates"),
        (at(np.arange(3)), r"got 3 steps from 0 to 2 \(none calendar\)"),
    ],
)
def test_runs_need_dates(data, seen):
    with pytest.raises(TimeError, match=f"the LR data to have dates.*{seen}.*assign_coords"):
        usual_step(data.data, "the LR data")
    with pytest.raises(TimeError, match=f"the LR data to have dates.*{seen}.*assign_coords"):
        runs(data.data, "the LR data", 3600)


def test_runs_by_the_step_of_training():
    # two steps nine hours apart are neighbours by themselves, and not for an hourly model
    data = at(hours(0, 9)).data
    assert runs(data, "the data", usual_step(data, "the data")) == [slice(0, 2)]
    assert runs(data, "the data", 3600) == [slice(0, 1), slice(1, 2)]


def test_runs_compute_nothing():
    data = fields(analytic(time=4).chunk(time=1)).data
    with no_compute():
        assert runs(data, "the data", 6 * 3600) == [slice(0, 4)]


# --- windows --------------------------------------------------------------------------------


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6), window=st.integers(2, 10))
def test_each_step_has_the_window_that_ends_there_or_the_first_of_its_run(lengths, window):
    stops = np.cumsum(lengths)
    parts = [slice(int(b - n), int(b)) for b, n in zip(stops, lengths, strict=True)]
    table = []  # start, length, place of every step
    for part in parts:
        inside = list(range(part.start, part.stop))
        windows = [inside[i : i + window] for i in range(max(1, len(inside) - window + 1))]
        for step in inside:
            ending = [w for w in windows if w[-1] == step]
            mine = ending[0] if ending else windows[0]
            table.append((mine[0], len(mine), mine.index(step)))
    found = windows_ending(parts, window)
    actual = zip(found.start.tolist(), found.length.tolist(), found.place.tolist(), strict=True)
    assert list(actual) == table


def test_the_place_in_a_window_is_counted_from_the_offset():
    # steps 5, 6, 7 of an axis whose rows were read from step 4 on
    found = Windows(start=np.array([0, 0, 1]), length=np.array([3, 3, 3]), offset=1)
    assert found.place.tolist() == [1, 2, 2]
