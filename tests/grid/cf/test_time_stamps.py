"""Daily and monthly series are matched by day and month, said in the log; nothing else is."""

import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.conftest import analytic, no_compute
from tests.grid import fields
from xr_dl4ds.grid.cf.time_axis import common_times
from xr_dl4ds.grid.cf.time_stamps import frequency, stamped_as

LOG = "xr_dl4ds.grid.cf.time_stamps"


def at(times):
    """Fields with these times."""
    return fields(analytic(time=len(times), y=2, x=2).assign_coords(time=("time", times)))


def series(start, periods, freq, **kwargs):
    return xr.date_range(
        start, periods=periods, freq=freq, use_cftime="calendar" in kwargs, **kwargs
    )


def without(index, *positions):
    return index.delete(list(positions))


NOON = pd.Timedelta(hours=12)
MONTHS = series("2001-01-01", 14, "MS")
MIDDLES = pd.DatetimeIndex([t + pd.Timedelta(days=14) for t in MONTHS])
ENDS = series("2001-01-01", 14, "ME")
DAYS = series("2001-01-30", 8, "D")


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (DAYS, "daily"),
        (DAYS + NOON, "daily"),
        (without(DAYS, 2, 3, 5), "daily"),
        (MONTHS, "monthly"),
        (MIDDLES, "monthly"),
        (ENDS, "monthly"),
        (without(MONTHS, 3, 7), "monthly"),
        (series("2001-01-16", 5, "MS", calendar="360_day"), "monthly"),
        (series("2001-01-01", 5, "D", calendar="noleap"), "daily"),
        (series("2001-01-01", 5, "6h"), None),
        (series("2001-01-01", 5, "2D"), None),
        (series("2001-01-01", 5, "25h"), None),
        (series("2001-01-01", 5, "30D"), None),  # twice in January
        (series("2001-01-01", 5, "YS"), None),
        (DAYS[:1], None),
    ],
)
def test_frequency(index, expected):
    assert frequency(index) == expected


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (DAYS + NOON, DAYS),
        (DAYS, DAYS + NOON),
        (MONTHS, MIDDLES),
        (MIDDLES, MONTHS),
        (ENDS, MIDDLES),
        (without(ENDS, 4), MONTHS),
        (series("2001-01-01", 14, "MS", calendar="standard"), MIDDLES),  # cftime and numpy
        (MIDDLES, series("2001-01-01", 14, "MS", calendar="proleptic_gregorian")),
        (
            series("2001-01-01", 9, "D", calendar="360_day"),
            series("2001-01-01T12", 9, "D", calendar="360_day"),
        ),
        (MONTHS[3:4], MIDDLES),  # one step has the frequency of the others
        (MIDDLES, MONTHS[3:4]),
    ],
)
def test_one_period_has_one_stamp(mine, theirs, caplog):
    given, like = at(mine), at(theirs)
    with caplog.at_level(logging.WARNING, LOG):
        actual = stamped_as(given, like, "the LR data", "the HR data")
    shared = common_times(actual, like, "the LR data", "the HR data")
    expected = min(len(mine), len(theirs))
    assert len(shared) == expected
    assert len(caplog.records) == 1
    assert "the LR data are matched with the HR data by the" in caplog.text
    key = "%Y-%m-%d" if "by the day" in caplog.text else "%Y-%m"
    # the periods of the steps, and their values, are what they were
    assert list(actual.data.indexes["time"].strftime(key)) == list(mine.strftime(key))
    np.testing.assert_array_equal(actual.data.t2m, given.data.t2m)
    assert list(given.data.indexes["time"]) == list(mine)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (DAYS, DAYS[3:]),  # times in common: taken as they are
        (DAYS, DAYS + pd.Timedelta(days=100)),
        (series("2001-01-01", 9, "6h"), series("2001-01-01T03", 9, "6h")),
        (MONTHS, DAYS + NOON),
        (series("2001-01-01", 5, "D", calendar="noleap"), DAYS + NOON),
        (pd.Index([1, 2, 3]), DAYS),
        (DAYS[:1], DAYS[:1] + NOON),  # nobody knows what a single step stands for
    ],
)
def test_everything_else_is_left_alone(mine, theirs, caplog):
    given = at(mine)
    with caplog.at_level(logging.WARNING, LOG):
        assert stamped_as(given, at(theirs), "the LR data", "the HR data") is given
    assert not caplog.records


def test_a_few_stamps_that_agree_by_chance_are_no_match(caplog):
    # the true middle of a month is the 16th at 00:00 in months of 30 days alone
    start = pd.date_range("2001-01-01", periods=48, freq="MS")
    middle = start + (start.shift(1) - start) / 2
    fixed = start + pd.Timedelta(days=15)
    agree = int(middle.isin(fixed).sum())
    assert 0 < agree < 48
    actual = stamped_as(at(middle), at(fixed), "the LR data", "the HR data")
    assert len(common_times(actual, at(fixed), "a", "b")) == 48
    caplog.clear()
    with caplog.at_level(logging.WARNING, LOG):
        given = at(fixed[:10])
        assert stamped_as(given, at(fixed), "a", "b") is given
    assert not caplog.records


def test_months_picked_from_a_series_match_it():
    picked = MIDDLES[[0, 6, 7, 13]]
    actual = stamped_as(at(picked), at(MONTHS), "a", "b").data.indexes["time"]
    assert list(actual) == list(MONTHS[[0, 6, 7, 13]])
    years = series("2001-01-05", 3, "YS")
    given = at(years)
    assert stamped_as(given, at(MIDDLES), "a", "b") is given


def test_axes_without_coordinates_are_left_alone():
    given = fields(analytic(time=3, y=2, x=2).drop_vars("time"))
    assert stamped_as(given, at(DAYS), "a", "b") is given
    other = at(DAYS)
    assert stamped_as(other, given, "a", "b") is other


def test_steps_without_a_partner_keep_their_stamps():
    actual = stamped_as(at(MIDDLES), at(MONTHS[2:]), "a", "b").data.indexes["time"]
    assert list(actual) == [*MIDDLES[:2], *MONTHS[2:]]


def test_nothing_is_computed():
    ds = analytic(time=len(DAYS), y=2, x=2).assign_coords(time=DAYS + NOON).chunk({"time": 2})
    with no_compute():
        stamped_as(fields(ds), at(DAYS), "a", "b")
