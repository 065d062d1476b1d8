"""What is shown of data: each attribute, each problem and note, text, table and maps."""

import base64
import html.parser
import io
import logging
import re
import threading

import pyproj
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xr_dl4ds as xd
import xr_dl4ds.training
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cf.unfinished import UNFINISHED
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.overview import Overview, overview
from xr_dl4ds.overview.domain_map import LINES, cell_edges, centre_of, figure_of, on_disc, picture

from .conftest import analytic, no_compute, real

LCC = "+proj=lcc +lat_1=49 +lat_2=60 +lat_0=55 +lon_0=10 +R=6371229"
ROTATED = "+proj=ob_tran +o_proj=longlat +o_lon_p=0 +o_lat_p=39.25 +lon_0=18 +R=6371229"
WGS84_NOTE = "latitude and longitude without a grid mapping are taken as WGS 84"


def on_axes(y, x, *, crs=None, units="m", names=("y", "x"), time=3):
    """`t(time, y, x)` on a plane, with a grid mapping where there is a CRS."""
    shape = (time, len(y), len(x))
    values = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    dates = pd.date_range("2001-01-01", periods=time, freq="D")
    ds = xr.Dataset(
        {"t": (("time", *names), values, {"units": "K"})},
        {
            "time": dates,
            names[0]: (names[0], np.asarray(y, "f8"), {"units": units}),
            names[1]: (names[1], np.asarray(x, "f8"), {"units": units}),
        },
    )
    if crs is not None:
        ds["crs"] = ((), 0, pyproj.CRS(crs).to_cf())
        ds.t.attrs["grid_mapping"] = "crs"
    return ds


def lambert():
    return on_axes(np.arange(-100e3, 100e3, 25e3), np.arange(0, 250e3, 25e3), crs=LCC)


def rotated():
    y, x = np.arange(-4, 0, 0.5), np.arange(-6, -1, 0.5)
    return on_axes(y, x, crs=ROTATED, units="degrees", names=("rlat", "rlon"))


def with_places(ds, shift=0.0, chunks=None):
    """With the latitude and longitude of each cell of `lambert`, moved north by so many degrees."""
    x, y = np.meshgrid(ds.x, ds.y)
    lon, lat = pyproj.Proj(LCC)(x, y, inverse=True)
    out = ds.assign_coords(lat=(("y", "x"), lat + shift), lon=(("y", "x"), lon))
    return out.chunk(chunks) if chunks else out


def moved(ds, **coords):
    """With other values along dimensions, attributes kept."""
    return ds.assign_coords({k: (k, np.asarray(v), ds[k].attrs) for k, v in coords.items()})


def at_times(times):
    ds = analytic(time=len(times))
    return ds.assign_coords(time=("time", times))


def globe(lon, lat=None):
    lat = np.linspace(-87.5, 87.5, 36) if lat is None else lat
    ds = analytic(time=2, y=len(lat), x=len(lon))
    return moved(ds, latitude=lat, longitude=lon)


# --- what is understood ---------------------------------------------------------------------------


def test_latitude_and_longitude(hr):
    found = overview(hr)
    assert isinstance(found, Overview)
    assert (found.y, found.x, found.time) == ("latitude", "longitude", "time")
    assert found.kind == "latitude-longitude"
    assert found.crs == pyproj.CRS.from_epsg(4326)
    assert found.shape == (8, 12)
    assert found.spacing == {"latitude": 0.25, "longitude": 0.25}
    # 50, 49.75 ... 48.25 and 5 ... 7.75, and half a cell around
    assert found.extent == {"latitude": (48.125, 50.125), "longitude": (4.875, 7.875)}
    assert found.even == {"latitude": True, "longitude": True}
    assert found.periodic is False
    assert (found.varying, found.static, found.left_out) == (("t2m",), ("orog",), ())
    assert found.extra == {}
    assert (found.calendar, found.n_times, found.frequency) == ("standard", 8, "6 h")
    assert found.period == ("2001-01-01 00:00:00", "2001-01-02 18:00:00")
    assert found.problems == ()
    assert found.notes == (WGS84_NOTE,)


def test_lambert():
    found = overview(lambert())
    assert (found.kind, found.y, found.x) == ("Lambert Conic Conformal", "y", "x")
    assert found.crs.to_cf()["grid_mapping_name"] == "lambert_conformal_conic"
    assert found.spacing == {"y": 25e3, "x": 25e3}
    assert found.extent == {"y": (-112.5e3, 87.5e3), "x": (-12.5e3, 237.5e3)}
    assert (found.frequency, found.problems, found.notes) == ("daily", (), ())
    assert found.varying == ("t",)
    assert found.left_out == ()  # the grid mapping is none


def test_rotated_pole():
    found = overview(rotated())
    assert (found.kind, found.y, found.x) == ("rotated pole", "rlat", "rlon")
    assert found.extent == {"rlat": (-4.25, -0.25), "rlon": (-6.25, -1.25)}
    assert found.notes == ()


@pytest.mark.parametrize(
    ("crs", "kind"),
    [
        ("EPSG:3035", "Lambert Azimuthal Equal Area"),
        ("EPSG:32633", "Transverse Mercator"),
        ("EPSG:3031", "Polar Stereographic"),
        ("+proj=lcc +lat_1=49 +lat_2=60 +towgs84=1,2,3", "Lambert Conic Conformal"),
        ("EPSG:4326", "latitude-longitude"),
    ],
)
def test_kinds_of_planes(crs, kind):
    found = overview(on_axes(np.arange(8.0), np.arange(8.0), crs=crs, units=""))
    assert (found.kind, found.problems) == (kind, ())
    alone = [n for n in found.notes if "'y' and 'x' are degrees by their CRS alone" in n]
    assert len(alone) == (crs == "EPSG:4326")


def test_plane_without_crs():
    found = overview(on_axes(np.arange(8.0), np.arange(8.0)))
    assert (found.kind, found.crs) == ("planar, no CRS", None)
    assert "'y' and 'x' come without a CRS and without latitude and long" in found.notes[0]


def test_globe():
    found = overview(globe(np.arange(0, 360, 10.0)))
    assert found.periodic is True
    assert found.extent == {"latitude": (-90, 90), "longitude": (-5, 355)}
    assert found.notes == (WGS84_NOTE,)


def test_gaussian_rows_are_uneven():
    rows = np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(32)[0]))
    found = overview(globe(np.arange(0, 360, 10.0), rows))
    assert found.even == {"latitude": False, "longitude": True}
    assert "cells of about 5.5" in repr(found)
    assert any(re.match(r"'latitude' is not evenly spaced, from 5\.\d+ to 5\.\d+", n)
               for n in found.notes)  # fmt: skip


def test_jitter_of_float32_is_even(hr):
    lon = (5.1 + 0.1 * np.arange(12)).astype("f4")
    assert overview(moved(hr, longitude=lon)).even["longitude"] is True


def test_dataarray(hr):
    found = overview(hr.t2m)
    assert (found.varying, found.static, found.problems) == (("t2m",), (), ())


def test_dataarray_without_a_name(hr):
    found = overview(hr.t2m.rename(None))
    assert (found.varying, found.shape, found.frequency) == (("unnamed",), (8, 12), "6 h")
    assert len(found.problems) == 1
    assert re.match("The DataArray given as the data has no name", found.problems[0])


def test_dataarray_named_as_its_coordinate(hr):
    found = overview(hr.t2m.rename("latitude"))
    assert found.varying == ("latitude_",)
    assert len(found.problems) == 1
    assert "has the name of its coordinate 'latitude'" in found.problems[0]


def test_other_objects():
    with pytest.raises(TypeError, match="Dataset or DataArray, got ndarray"):
        overview(np.zeros(3))


def test_nothing_is_changed():
    ds = with_places(lambert())
    ds.t.encoding["dtype"] = "i2"
    before = ds.copy(deep=True)
    overview(ds)._repr_html_()
    xr.testing.assert_identical(ds, before)
    assert ds.t.encoding == {"dtype": "i2"}


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_fields_stay_lazy(shift):
    ds = with_places(lambert(), shift, {"time": 1, "y": 4})
    with no_compute():
        found = overview(ds)
        text = repr(found) + found._repr_html_()
    assert "Lambert Conic Conformal" in text
    assert (found.grid.geolocation is not None) == bool(shift)
    assert "chunks part the fields along 'y': fit joins them" in "\n".join(found.notes)


def test_chunks_in_time_are_fine(hr):
    assert overview(hr.chunk(time=2)).notes == (WGS84_NOTE,)


# --- time -----------------------------------------------------------------------------------------


def dates(start, periods, freq, **kwargs):
    return xr.date_range(start, periods=periods, freq=freq, **kwargs)


@pytest.mark.parametrize(
    ("times", "calendar", "frequency"),
    [
        (dates("2001-01-01", 4, "D"), "standard", "daily"),
        (dates("2001-01-01", 9, "MS"), "standard", "monthly"),
        (dates("2001-01-01", 9, "YS"), "standard", "yearly"),
        (dates("2001-01-01", 4, "YS", calendar="360_day", use_cftime=True), "360_day", "yearly"),
        (dates("2001-02-27", 4, "D", calendar="noleap", use_cftime=True), "noleap", "daily"),
        (dates("2001-01-01", 4, "h"), "standard", "1 h"),
        (dates("2001-01-01", 4, "90min"), "standard", "90 min"),
        (dates("2001-01-01", 4, "20s"), "standard", "20 s"),
        (dates("2001-01-01", 4, "5D"), "standard", "5 d"),
        (dates("2001-01-01", 1, "D"), "standard", None),
        (dates("2001-01-01", 6, "12h")[[0, 2, 5]], "standard", "irregular"),
        (np.arange(4), None, None),
    ],
    ids=str,
)
def test_frequencies(times, calendar, frequency):
    found = overview(at_times(times))
    assert (found.calendar, found.frequency) == (calendar, frequency)
    assert found.n_times == len(times)
    assert found.period == ((str(times[0]), str(times[-1])) if calendar else None)
    assert found.problems == ()


def test_gaps_are_counted():
    times = dates("2001-01-01", 12, "6h").delete([3, 7, 8])
    found = overview(at_times(times))
    assert found.frequency == "6 h"
    assert found.notes[0].startswith("'time' has 2 gaps, which no window")
    assert overview(at_times(times[:4])).notes[0].startswith("'time' has 1 gap, which")


def test_steps_out_of_order():
    found = overview(at_times(dates("2001-01-01", 3, "D")[::-1]))
    assert "the steps along 'time' are not in order: fit sorts them" in found.notes
    assert found.period == ("2001-01-01 00:00:00", "2001-01-03 00:00:00")
    assert found.frequency == "daily"


def test_time_of_another_name(hr):
    found = overview(hr.rename(time="valid_time"))
    assert (found.time, found.frequency, found.n_times) == ("valid_time", "6 h", 8)


def test_steps_without_dates():
    found = overview(analytic().drop_vars("time"))
    assert (found.time, found.n_times, found.period) == ("time", 8, None)
    assert "'time' has no coordinate" in found.notes[0]
    assert "'time' holds int64 and no dates" in overview(at_times(np.arange(3))).notes[0]


def test_static_fields_alone(hr):
    found = overview(hr[["orog"]])
    assert (found.time, found.n_times, found.varying) == (None, None, ())
    assert "no variable varies in time: these are static fields" in found.notes


# --- further dimensions ---------------------------------------------------------------------------


def stacked(ds, **labels):
    """`t2m` alone, repeated along further dimensions."""
    return ds[["t2m"]].expand_dims({k: list(v) for k, v in labels.items()})


@pytest.mark.parametrize(
    ("labels", "extra"),
    [
        ({"level": [1000, 850]}, {"level": "channels: 1000, 850"}),
        ({"plev": range(9)}, {"plev": "channels: 0, 1, 2, 3, 4, 5, ..., 8"}),
        ({"member": ["a", "b"]}, {"member": "samples: a, b"}),
        ({"height": [2.0]}, {"height": "set aside (length 1)"}),
        ({"band": [1, 2]}, {"band": "unknown"}),
        ({"level": [1, 2], "band": [1, 2]}, {"level": "channels: 1, 2", "band": "unknown"}),
    ],
    ids=str,
)
def test_further_dimensions(hr, labels, extra):
    found = overview(stacked(hr, **labels))
    assert found.extra == extra
    assert (found.varying, found.n_times, found.shape) == (("t2m",), 8, (8, 12))
    assert len(found.problems) == ("band" in extra)


def test_sample_axis(hr):
    found = overview(hr.drop_vars("time").rename(time="patch"))
    assert found.extra == {"patch": "the sample axis"}
    assert (found.time, found.n_times, found.varying) == ("patch", 8, ("t2m",))
    assert found.problems == ()


def test_each_unknown_dimension_is_a_problem(hr):
    found = overview(stacked(hr, band=[1, 2], run=[1, 2]))
    assert found.extra == {"band": "unknown", "run": "unknown"}
    assert len(found.problems) == 2
    for dim in ("band", "run"):
        assert any(f"got {dim!r} too" in p for p in found.problems)


# --- problems -------------------------------------------------------------------------------------


def two_grids(hr):
    return hr.assign(other=(("y", "x"), np.zeros((4, 4))))


def unreadable(ds):
    return ds.assign(crs=((), 0, {"grid_mapping_name": "flat_earth"}))


def nan_at(values):
    out = np.asarray(values, "f8").copy()
    out[1] = np.nan
    return out


NOT_A_TIME = np.array(["2001-01-01", "NaT", "2001-01-03"], "M8[ns]")

#: How to break data, what is said, and what is understood all the same.
PROBLEMS = {
    "no coordinate": (
        lambda hr: hr.drop_vars("latitude"),
        r"'t2m' has no coordinate along 'latitude'",
        {"y": "latitude", "x": "longitude", "extent": {"longitude": (4.875, 7.875)}},
    ),
    "two candidates": (
        lambda hr: hr.drop_vars("latitude").expand_dims(nlat=2),
        r"one y dimension of 't2m'.*candidates \['nlat', 'latitude'\]. Pass y_dim=",
        {"y": None, "x": "longitude", "shape": None, "frequency": "6 h", "extra": {}},
    ),
    "no candidate": (
        lambda hr: hr.drop_vars("longitude").rename(longitude="column"),
        r"one x dimension of 't2m'.*no candidate",
        {"y": "latitude", "x": None, "spacing": {"latitude": 0.25}, "varying": ("t2m",)},
    ),
    "no field": (
        lambda hr: hr[["t2m"]].mean(("latitude", "longitude")),
        r"a variable on a grid, got \['t2m'\]",
        {"y": None, "x": None, "time": None, "kind": None, "left_out": ("t2m",)},
    ),
    "nothing": (
        lambda hr: xr.Dataset(),
        r"a variable on a grid, got \[\]",
        {"y": None, "shape": None, "varying": (), "extent": {}},
    ),
    "two grids": (
        two_grids,
        r"all variables of the data on the same dimensions.*'other': \('y', 'x'\)",
        {"y": "latitude", "varying": ("t2m",), "static": ("orog",), "left_out": ("other",)},
    ),
    "other dimensions": (
        lambda hr: hr.assign(station=(("time", "station_id"), np.zeros((8, 3)))),
        r"two horizontal dimensions of 'station', got 'station_id' alone",
        {"y": "latitude", "varying": ("t2m",), "left_out": ("station",), "frequency": "6 h"},
    ),
    "two times": (
        lambda hr: hr.expand_dims(issued=pd.date_range("2000-01-01", periods=2)),
        r"one time dimension of 't2m', got \['issued', 'time'\]",
        {"y": "latitude", "x": "longitude", "varying": ("t2m", "orog"), "shape": (8, 12)},
    ),
    "duplicated times": (
        lambda hr: hr.isel(time=[0, 1, 1, 2]),
        r"every time of the data once, got 1 duplicated: 2001-01-01 06:00:00",
        {"n_times": 4, "frequency": "6 h", "kind": "latitude-longitude"},
    ),
    "missing time": (
        lambda hr: hr.isel(time=slice(3)).assign_coords(time=NOT_A_TIME),
        r"every time of the data to be known, got 1 missing \(NaT\)",
        {"n_times": 3, "period": ("2001-01-01 00:00:00", "2001-01-03 00:00:00")},
    ),
    "no time": (
        lambda hr: hr.isel(time=slice(0)),
        "No time step is left in the data",
        {"n_times": 0, "period": None, "frequency": None, "shape": (8, 12)},
    ),
    "gap in rows": (
        lambda hr: hr.isel(latitude=[0, 1, 2, 3, 5, 6, 7]),
        r"'latitude' in even steps of 0.25, got a gap between 48.75 and 49.25: 1 missing",
        {"extent": {"latitude": (48.125, 50.125), "longitude": (4.875, 7.875)}},
    ),
    "NaN coordinate": (
        lambda hr: moved(hr, latitude=nan_at(hr.latitude)),
        r"'latitude' to hold finite numbers, got float64 with 1 that are NaN",
        {"y": "latitude", "shape": (8, 12), "even": {"longitude": True}},
    ),
    "not sorted": (
        lambda hr: hr.isel(longitude=[0, 2, 1, 3, 4, 5]),
        r"'longitude' to be strictly increasing or decreasing",
        {"x": "longitude", "spacing": {"latitude": 0.25}},
    ),
    "one row": (
        lambda hr: hr.isel(latitude=[0]),
        r"'latitude' to be one-dimensional with at least 2 cells, got shape \(1,\)",
        {"shape": (1, 12), "kind": None},
    ),
    "words along an axis": (
        lambda hr: hr.assign_coords(latitude=list("abcdefgh")),
        r"'latitude' to hold finite numbers, got <U1 with values such as",
        {"y": "latitude", "x": "longitude"},
    ),
    "unreadable mapping of a plane": (
        lambda hr: unreadable(lambert()),
        r"the grid mapping 'crs' to state a CRS.*flat_earth",
        {"kind": None, "crs": None, "extent": {"y": (-112.5e3, 87.5e3), "x": (-12.5e3, 237.5e3)}},
    ),
    "unreadable mapping of latitudes": (
        lambda hr: unreadable(hr.assign(t2m=hr.t2m.assign_attrs(grid_mapping="crs"))),
        r"the grid mapping 'crs' to state a CRS",
        {"kind": "latitude-longitude", "crs": None, "shape": (8, 12)},
    ),
    "units against the CRS": (
        lambda hr: on_axes(np.arange(8.0), np.arange(8.0), crs=LCC, units="K").assign(
            crs=((), 0, {k: v for k, v in pyproj.CRS(LCC).to_cf().items() if k != "crs_wkt"})
        ),
        r"y and x in one unit of length such as 'm' or 'km'.*got 'k' and 'k'",
        {"crs": None, "spacing": {"y": 1.0, "x": 1.0}},
    ),
    "unknown dimension": (
        lambda hr: stacked(hr, band=[1, 2]),
        r"'t2m' to be time, y, x, levels or members, got 'band' too",
        {"extra": {"band": "unknown"}, "time": "time"},
    ),
    "members twice": (
        lambda hr: stacked(hr, member=[1, 1]),
        r"each entry along 'member' once, got \[1, 1\]",
        {"extra": {"member": "samples: 1, 1"}},
    ),
    "channels of one name": (
        lambda hr: stacked(hr, level=[500, 500]),
        r"have the name 't2m_500' once \['level'\] are channels",
        {"extra": {"level": "channels: 500, 500"}, "kind": "latitude-longitude"},
    ),
    "beyond a pole": (
        lambda hr: moved(hr, latitude=np.arange(86.5, 94)),
        r"latitudes 'latitude' in -90 to 90 degrees, got 86\.5 to 93\.5",
        {},
    ),
    "twice around": (
        lambda hr: globe(np.arange(0, 720, 10.0)),
        r"once around the globe at most, got 0 to 710",
        {},
    ),
    "reserved name": (
        lambda hr: hr.rename(t2m="channel"),
        r"other names than the dimensions inside the package, got 'channel'",
        {"varying": ("channel",), "static": ("orog",)},
    ),
    "name with a slash": (
        lambda hr: hr.rename(t2m="t/m"),
        r"names that NetCDF can hold, got 't/m'",
        {"varying": ("t/m",)},
    ),
    "name that is none": (
        lambda hr: hr.rename(orog=7),
        r"names that NetCDF can hold, got 7",
        {"static": ("7",)},
    ),
    "text": (
        lambda hr: hr.assign(word=hr.orog.astype(str)),
        r"'word' of the data to hold numbers, got dtype <U",
        {"static": ("orog", "word")},
    ),
}


@pytest.fixture
def untrained(monkeypatch):
    """Fail when training begins."""

    def begin(*args, **kwargs):
        raise AssertionError("training began with bad input")

    monkeypatch.setattr(xr_dl4ds.training, "train", begin)


@pytest.mark.parametrize("case", PROBLEMS)
def test_problems_are_what_fit_raises(hr, untrained, case):
    break_it, message, expected = PROBLEMS[case]
    ds = break_it(hr)
    found = overview(ds)
    assert re.search(message, found.problems[0], re.S), found.problems
    assert {k: getattr(found, k) for k in expected} == expected
    in_fit = message.replace("the data", "the HR data")
    with pytest.raises(ValueError, match=re.compile(in_fit, re.DOTALL)) as raised:
        ds.downscale.fit(scale=2, epochs=1, verbose=False)
    assert str(raised.value).replace("the HR data", "the data") in found.problems
    text, table = repr(found), found._repr_html_()
    assert text.splitlines()[1].strip().startswith("problem")
    assert table.index("problem") < table.index("<table>")


def test_two_layouts_of_equal_size_keep_the_first(hr):
    assert overview(two_grids(hr[["t2m"]])).left_out == ("other",)


def test_other_errors_are_told_too(hr, monkeypatch):
    def fail(*args):
        raise KeyError("odd")

    monkeypatch.setattr("xr_dl4ds.overview.survey.members_of", fail)
    found = overview(hr)
    assert found.problems == ("KeyError: 'odd'",)
    assert found.kind == "latitude-longitude"  # found on another way


def test_an_interrupt_is_none_of_the_problems(hr, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("xr_dl4ds.overview.survey.members_of", stop)
    with pytest.raises(KeyboardInterrupt):
        overview(hr)


# --- notes ----------------------------------------------------------------------------------------


def with_bounds(ds, edges, dims=("latitude", "bnds")):
    out = ds.assign(edges=(dims, edges))
    out.latitude.attrs["bounds"] = "edges"
    return out


NOTES = {
    "poles": (
        lambda: globe(np.arange(0, 360, 10.0), np.linspace(90, -90, 37)),
        r"cells are centred on a pole \(latitude 90, -90\): they end there, at half their height",
    ),
    "east to west": (
        lambda: moved(analytic(), longitude=8 - 0.25 * np.arange(12)),
        "'longitude' falls, from east to west",
    ),
    "seam": (
        lambda: moved(analytic(), longitude=(358 + np.arange(12.0)) % 360),
        r"'longitude' jumps from 359 to 0, and is taken as one run -2 to 9",
    ),
    "rolled globe": (
        lambda: globe((np.arange(0, 360, 10.0) + 100) % 360),
        r"'longitude' jumps from 350 to 0, and is taken as one run 100 to 450",
    ),
    "uneven rows": (
        lambda: moved(analytic(), latitude=[50, 49, 47.5, 46, 44, 42, 40, 37]),
        r"'latitude' is not evenly spaced, from 1 to 3",
    ),
    "places against the CRS": (
        lambda: with_places(lambert(), 1.0),
        r"lat and lon lie up to [\d.]+ cells from where the CRS .* they are taken, and not the CRS",
    ),
    "places without a CRS": (
        lambda: with_places(lambert()).drop_vars("crs"),
        "without a CRS, the cells lie at the two-dimensional coordinates",
    ),
    "places that are incomplete": (
        lambda: with_places(lambert(), np.where(np.arange(10) > 8, np.nan, 0.0)),
        r"\('lat', 'lon'\) are not used: not every cell has its latitude and longitude",
    ),
    "mapping that is not there": (
        lambda: lambert().drop_vars("crs"),
        "the grid mapping 'crs' that 't' names is not in the data",
    ),
    "bounds that are none": (
        lambda: with_bounds(analytic(), np.zeros((8, 2))),
        r"the bounds of 'latitude' are not the edges of its cells",
    ),
    "bounds of another form": (
        lambda: with_bounds(analytic(), np.zeros((8, 4))),
        r"the bounds 'edges' of 'latitude' are not used: .* \('latitude', 'bnds'\)",
    ),
    "bounds that are not there": (
        lambda: with_bounds(analytic(), np.zeros((8, 2))).drop_vars("edges"),
        "the bounds 'edges' of 'latitude' are not in the data",
    ),
    "series": (
        lambda: analytic().assign(index=("time", np.arange(8.0))),
        r"\['index'\] lie on no grid and are left out of the data",
    ),
}


@pytest.mark.parametrize("case", NOTES)
def test_notes(case):
    make, message = NOTES[case]
    found = overview(make())
    assert len([n for n in found.notes if re.search(message, n)]) == 1, found.notes
    assert found.problems == ()
    assert re.sub(r"\s+", " ", found.notes[0]) in re.sub(r"\s+", " ", repr(found))


def test_series_are_left_out():
    assert overview(NOTES["series"][0]()).left_out == ("index",)


def test_the_log_stays_silent(caplog):
    before = logging.getLogger("xr_dl4ds.grid").level
    overview(with_places(lambert(), 1.0))
    assert caplog.records == []
    with_places(lambert(), 1.0).downscale.interpolate(lambert())  # as loud as ever again
    assert "they are taken, and not the CRS" in caplog.text
    assert logging.getLogger("xr_dl4ds.grid").level == before


def test_the_log_of_other_threads_goes_on(hr, caplog, monkeypatch):
    def elsewhere(*args):
        log = logging.getLogger("xr_dl4ds.grid.cf.fields")
        other = threading.Thread(target=lambda: (log.warning("loud"), log.info("quiet")))
        other.start()
        other.join()
        raise ValueError("enough")

    monkeypatch.setattr("xr_dl4ds.overview.survey.members_of", elsewhere)
    assert "loud" not in overview(hr).notes
    assert [r.getMessage() for r in caplog.records] == ["loud"]


# --- text and table -------------------------------------------------------------------------------


def test_text(hr):
    assert repr(overview(hr)).splitlines() == [
        "<Overview>",
        "    grid     latitude-longitude, 8 x 12 cells",
        "    y        latitude: 48.125 to 50.125 degrees_north, cells of 0.25, falling",
        "    x        longitude: 4.875 to 7.875 degrees_east, cells of 0.25",
        "    CRS      WGS 84 (EPSG:4326)",
        "    time     time: 8 steps, 2001-01-01 00:00:00 to 2001-01-02 18:00:00, 6 h,"
        " standard calendar",
        "    varying  t2m",
        "    static   orog",
        f"    note     {WGS84_NOTE}",
    ]


def test_text_of_odd_data(hr):
    lines = repr(overview(stacked(hr, band=[1, 2], run=[1, 2]))).splitlines()
    assert lines[0] == "<Overview, 2 problems>"
    assert lines[1].startswith("    problem 1   Expected the dimensions of 't2m'")
    assert lines[2].startswith("                ")  # goes on below
    assert "    along band  unknown" in lines
    assert max(map(len, lines)) <= 100


def test_text_of_nothing():
    text = repr(overview(xr.Dataset()))
    assert re.search(r"^    grid +not found$", text, re.M)
    assert re.search(r"^    x +not found$", text, re.M)
    assert re.search(r"^    time +none$", text, re.M)


class Tags(html.parser.HTMLParser):
    """Tags that are open, and all that there were; fails where they are not nested."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


HTML_TAGS = {"div", "b", "table", "tr", "th", "td", "img"}


def image_of(text):
    """Read the one picture of an HTML text: ``(y, x, red-green-blue-alpha)``, 0 to 1."""
    (data,) = re.findall(r"src='data:image/png;base64,([^']+)'", text)
    return plt.imread(io.BytesIO(base64.b64decode(data)))


def test_html_is_escaped():
    ds = on_axes(np.arange(8.0), np.arange(8.0), names=("<i>&y", "x'"), units="<u>")
    ds = ds.rename(t="<b>", x="<script>") if "x" in ds.dims else ds.rename(t="<b>")
    ds["<i>&y"].attrs["axis"], ds["x'"].attrs["axis"] = "Y", "X"
    ds = ds.assign({"<em>": (("time", "<i>&y", "x'"), np.full((3, 8, 8), "w"))})
    found = overview(ds)
    assert found.kind == "planar, no CRS"
    assert found.problems  # of <em>, which is text
    table = found._repr_html_()
    assert Tags(table).seen == HTML_TAGS
    assert "&lt;b&gt;" in table
    assert "&lt;em&gt;" in table
    assert figure_of(found.grid).axes[0].get_ylabel() == "<i>&y (<u>)"


def test_html_is_whole_and_without_outer_things(hr):
    table = overview(hr)._repr_html_()
    assert Tags(table).seen == HTML_TAGS
    assert "http" not in table
    assert len(table) < 80_000
    image = image_of(table)
    assert image.shape == (260, 640, 4)
    orange = np.abs(image[..., :3] - np.array([0xE8, 0x59, 0x0C]) / 255).max(axis=-1) < 0.02
    assert orange[:, :320].sum() > 20  # the domain on the globe
    assert orange[:, 320:].sum() > 1000  # its cells
    assert image[0, 0, 3] == 0  # the page shows through


# --- maps -----------------------------------------------------------------------------------------


def axis(name, values, **kwargs):
    return Axis(name=name, values=np.asarray(values, "f8"), **kwargs)


def degrees_grid(lat, lon):
    return Grid(y=axis("lat", lat, kind="latitude"), x=axis("lon", lon, kind="longitude"))


def mapped(crs, y, x, units="m"):
    made = axis("y", y, attrs={"units": units}), axis("x", x, attrs={"units": units})
    return Grid(y=made[0], x=made[1], mapping_name="crs", mapping=pyproj.CRS(crs).to_cf())


SPAN = np.linspace(-3e6, 3e6, 61)
GRIDS = {
    "box": degrees_grid(np.arange(1, 45, 2), np.arange(1, 90, 2)),
    "date line": degrees_grid(np.arange(1, 45, 2), np.arange(161, 200, 2)),
    "globe": degrees_grid(np.arange(-89, 90, 2), np.arange(1, 360, 2)),
    "small": degrees_grid(np.arange(50, 51, 0.1), np.arange(5, 6, 0.1)),
    "south polar": mapped("EPSG:3031", SPAN, SPAN),
    "north polar": mapped("EPSG:6931", SPAN, SPAN),
    "beside a pole": mapped("EPSG:3031", SPAN[33:], SPAN),
    "near a pole": mapped("EPSG:3031", 0.8 * SPAN[33:], 0.8 * SPAN),
    "at a pole": mapped("EPSG:3995", SPAN / 600, SPAN / 600),
    "rotated globe": mapped(ROTATED, np.arange(-87.5, 90, 5), np.arange(-177.5, 180, 5), ""),
    "nearly all": mapped(ROTATED, np.arange(-77.5, 80, 5), np.arange(-167.5, 170, 5), ""),
    "both poles": mapped(ROTATED, np.arange(-77.5, 80, 5), np.arange(-77.5, 255, 5), ""),
    "disk": mapped("+proj=geos +h=35785831 +lon_0=140 +ellps=WGS84", 2 * SPAN, 2 * SPAN),
    "wide": mapped("+proj=lcc +lat_1=50 +lat_0=50 +lon_0=-107", 1.5 * SPAN, 1.8 * SPAN),
    "thin": degrees_grid([10, 10.1], np.arange(0, 20, 0.1)),
    "plane": Grid(y=axis("y", [0, 1, 2]), x=axis("x", np.arange(9))),
}


@pytest.mark.parametrize("name", GRIDS)
def test_every_grid_is_drawn(name):
    figure = figure_of(GRIDS[name])
    assert len(figure.axes) == (1 if name == "plane" else 2)
    for axes in figure.axes:
        lines = [line for line in axes.lines if line.get_color() == "#e8590c"]
        assert len(lines) >= 6
    for line in figure.axes[0].lines if name != "plane" else ():
        radius = np.hypot(*line.get_data())
        assert np.nanmax(radius, initial=0) <= 1 + 1e-9
    image_of(picture(GRIDS[name]))


def test_the_globe_is_seen_from_above_the_centre():
    lat, lon = np.array([0.0, 0, 90, 0, 45]), np.array([0.0, 90, 0, -170, 0])
    expected = [[0, 1, 0, np.nan, 0], [0, 0, 1, np.nan, 0.5**0.5]]
    np.testing.assert_allclose(on_disc(lat, lon, (0.0, 0.0)), expected, atol=1e-12)
    # from above the pole, 0 E is down and 90 E to the right
    found = on_disc(np.array([0.0, 0]), np.array([0.0, 90]), (90.0, 0.0))
    np.testing.assert_allclose(found, [[0, 1], [-1, 0]], atol=1e-12)


def test_lines_are_edges_of_cells():
    grid = degrees_grid(np.arange(30) * 0.1, np.arange(400) * 0.05)
    rows, columns = cell_edges(grid)
    assert len(rows) == len(columns) == LINES
    assert [rows[0][1, 0], rows[-1][1, 0]] == pytest.approx([-0.05, 2.95])
    assert [columns[0][0, 0], columns[-1][0, 0]] == pytest.approx([-0.025, 19.975])
    assert np.isin([c[0, 0] for c in columns], grid.x.edges).all()
    assert len(cell_edges(GRIDS["plane"])[0]) == 4  # three cells


def test_the_centre():
    assert centre_of(GRIDS["box"]) == (22, 45)
    assert centre_of(GRIDS["globe"]) == (20, 0)
    assert centre_of(GRIDS["south polar"])[0] == pytest.approx(-90)


def test_a_dot_marks_what_is_too_small():
    def dots(name):
        return [line for line in figure_of(GRIDS[name]).axes[0].lines if line.get_marker() == "o"]

    assert [name for name in GRIDS if dots(name)] == ["small", "at a pole"]


def test_cells_in_one_place_and_none():
    """Coordinates that hold one place throughout; a CRS that is of no place on the Earth."""
    ds = with_places(lambert()).drop_vars("crs")
    one = overview(ds.assign_coords(lat=ds.lat * 0 + 50, lon=ds.lon * 0 + 5))
    assert any("are not used: all cells have the latitude 50" in note for note in one.notes)
    assert len(figure_of(one.grid).axes) == 1
    building = (
        'ENGCRS["a",EDATUM["b"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
        'LENGTHUNIT["metre",1]]'
    )
    none = overview(lambert().assign(crs=((), 0, {"crs_wkt": building})))
    assert none.kind == "Engineering CRS"
    assert len(figure_of(none.grid).axes) == 1


# --- real files -----------------------------------------------------------------------------------

FILES = {
    "era5_uk_t2m_hourly.nc": {
        "kind": "latitude-longitude",
        "shape": (33, 49),
        "extent": {"latitude": (49.875, 58.125), "longitude": (-10.125, 2.125)},
        "frequency": "1 h",
        "n_times": 744,
    },
    "uk_static_025.nc": {"varying": (), "time": None, "shape": (33, 49)},
    "cordex_iberia_hist.nc": {
        "kind": "rotated pole",
        "varying": ("tas", "pr"),
        "static": ("orog", "orog_std", "land_fraction"),
        "frequency": "daily",
        "period": ("1982-12-01 00:00:00", "2002-02-28 00:00:00"),
        "left_out": (),
    },
    "java_chirps_hr.nc": {"frequency": "monthly", "n_times": 480, "shape": (64, 192)},
    "mrms_patches_002deg.nc": {
        "kind": "planar, no CRS",
        "extra": {"sample": "the sample axis"},
        "time": "sample",
    },
    "originals/eraint_uvz.nc": {
        "periodic": True,
        "extent": {"latitude": (-90, 90), "longitude": (-180.375, 179.625)},
        "extra": {"month": "the sample axis", "level": "channels: 200, 500, 850"},
        "varying": ("z", "u", "v"),
    },
    "originals/test_lcc.nc": {"kind": "Lambert Conic Conformal", "frequency": "monthly"},
    "originals/tmean_1910_1910.nc": {
        "kind": "Transverse Mercator",
        "extent": {"y": (-200000, 1250000), "x": (-200000, 700000)},
        "frequency": None,
        "n_times": 1,
    },
}


@pytest.mark.filterwarnings("ignore:variable .* has non-conforming")
@pytest.mark.parametrize("name", FILES)
def test_real_files(name):
    found = overview(real(name))
    assert {k: getattr(found, k) for k in FILES[name]} == FILES[name]
    assert found.problems == ()
    placed = 1 if found.kind == "planar, no CRS" else 2
    assert image_of(found._repr_html_()).shape[:2] == (260, 320 * placed)


def test_real_notes():
    gaps = "'time' has 19 gaps"  # between 20 winters
    assert overview(real("cordex_iberia_hist.nc")).notes[0].startswith(gaps)
    assert "and not the CRS" in overview(real("originals/test_lcc.nc")).notes[0]


def test_synthetic():
    found = overview(xd.tutorial.synthetic(shape=(16, 24), days=1))
    assert (found.shape, found.n_times, found.problems) == ((16, 24), 8, ())


@pytest.mark.parametrize("journal", ['{"regions": 8, "written": 5}', "edited"])
def test_an_unfinished_store_is_a_problem_and_no_error(journal):
    found = overview(analytic().assign_attrs({UNFINISHED: journal}))
    (problem,) = found.problems
    assert "unfinished" in problem
    assert found.shape == (8, 12)
