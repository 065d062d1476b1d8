"""Pairs of LR and HR data, time, variables, static fields and predictors, options."""

import numpy as np

from tests.errors import data as d
from tests.errors.case import section
from xr_dl4ds.exceptions import GridError, TimeError, VariableError

# --- pairs ----------------------------------------------------------------------------------------

case = section("Pairs of LR and HR data")


def fifth(ds):
    """Cells that are one and a fifth times as large as those of HR."""
    ds = d.bare(ds)
    at = {
        "latitude": 50 - 0.3 * np.arange(ds.sizes["latitude"]),
        "longitude": 5 + 0.3 * np.arange(ds.sizes["longitude"]),
    }
    return ds.assign_coords({n: (n, v, ds[n].attrs) for n, v in at.items()})


def validation(number=2, scale=2):
    high = d.hr()[["t2m"]]
    return (high.downscale.coarsen(scale), high, high)[:number]


def called_pr(lr):
    return lr.rename(t2m="tas").assign(other=lr.t2m)


PAIRS = {
    "surroundings of synthetic pairs": case(
        "context= asks for LR cells around the domain, and LR is made from HR.",
        GridError,
        r"context=0 for synthetic pairs, got 2: LR fields made from HR end .*\. Leave context out",
        d.alone(),
        lambda hr: d.perfect(hr, context=2),
        lambda hr: d.perfect(hr),
    ),
    "surroundings that LR lacks": case(
        "context= asks for more LR cells around the domain than there are.",
        GridError,
        r"3 LR cells around the domain .* for context=3, got 0, of the LR .*\. Use context=0",
        d.pair(),
        lambda lr, hr: d.mos(lr, hr, context=3),
        lambda lr, hr: d.mos(lr, hr, context=0),
    ),
    "counterparts of nothing": case(
        "counterparts= names a target that HR data do not have.",
        VariableError,
        r"LR variables by target, got 'temp', .* none of the targets of the HR data, \['t2m'\]\.",
        d.pair(called_pr),
        lambda lr, hr: d.mos(lr, hr, counterparts={"temp": "tas"}),
        lambda lr, hr: d.mos(lr, hr, counterparts={"t2m": "tas"}),
    ),
    "counterparts that LR lacks": case(
        "counterparts= names a variable that LR data do not have.",
        VariableError,
        r"got 'tos', .* none of the variables of the LR data, \['tas', 'other'\]\. Did you mean",
        d.pair(called_pr),
        lambda lr, hr: d.mos(lr, hr, counterparts={"t2m": "tos"}),
        lambda lr, hr: d.mos(lr, hr, counterparts={"t2m": "tas"}),
    ),
    "counterparts beside the same name": case(
        "counterparts= names another LR variable than the one with the name of the target.",
        VariableError,
        r"one counterpart of 't2m' in the LR data, got 'other' and 't2m'\. Drop or rename",
        d.pair(lambda lr: lr.assign(other=lr.t2m)),
        lambda lr, hr: d.mos(lr, hr, counterparts={"t2m": "other"}),
        lambda lr, hr: d.mos(lr.drop_vars("t2m"), hr, counterparts={"t2m": "other"}),
    ),
    "one counterpart twice": case(
        "counterparts= names one LR variable for two targets.",
        VariableError,
        r"each LR variable once in counterparts=, got \['tas'\] for several targets\.",
        lambda: {"lr": called_pr(d.lr()), "hr": d.hr().assign(second=d.hr().t2m)},
        lambda lr, hr: d.mos(lr, hr, counterparts={"t2m": "tas", "second": "tas"}),
        lambda lr, hr: d.mos(lr, hr, counterparts={"t2m": "tas", "second": "other"}),
    ),
    "levels as a counterpart": case(
        "counterparts= names an LR variable on levels for a target without levels.",
        VariableError,
        r"'tas' of the LR data to have as many dimensions as its target 't2m', .*\. Select one",
        d.pair(lambda lr: d.levels(lr).rename(t2m="tas")),
        lambda lr, hr: d.mos(lr, hr, counterparts={"t2m": "tas"}),
        lambda lr, hr: d.mos(lr.isel(level=0), hr, counterparts={"t2m": "tas"}),
    ),
    "LR in other units than it says": case(
        "Values of LR data are in other units than those of HR data, and do not say so.",
        VariableError,
        r"'t2m' of the LR data near the values of the HR data .*\. Set .* 273\.15 too small",
        d.pair(lambda lr: lr.assign(t2m=(lr.t2m - 273.15).drop_attrs(deep=False))),
        d.mos,
        lambda lr, hr: d.mos(d.in_units(lr, "degC"), hr),
    ),
    "counterparts of synthetic pairs": case(
        "counterparts= is passed without LR data.",
        VariableError,
        r"counterparts= beside LR data, got \{'t2m': 'tas'\} without\. Call lr\.downscale\.fit",
        d.alone(),
        lambda hr: d.perfect(hr, counterparts={"t2m": "tas"}),
        lambda hr: d.mos(called_pr(d.lr()), hr, counterparts={"t2m": "tas"}),
    ),
    "no scale": case(
        "Neither a scale nor HR data are passed to `fit`.",
        GridError,
        r"`scale` for synthetic pairs, or an HR target, got neither\. Call hr\.downscale\.fit\(",
        d.alone(),
        lambda hr: hr.downscale.fit(**d.TINY),
        lambda hr: [
            hr.downscale.fit(scale=4, **d.TINY),
            d.mos(d.lr(), hr),
        ],
    ),
    "swapped": case(
        "LR and HR data are swapped.",
        GridError,
        r"HR grid to be finer than the LR grid, got .* Call lr\.downscale\.fit\(hr\)",
        d.pair(),
        lambda lr, hr: d.mos(hr[["t2m"]], lr),
        d.mos,
    ),
    "same grid twice": case(
        "LR data are on the HR grid.",
        GridError,
        r"at least twice as fine.* For synthetic pairs call hr\.downscale\.fit\(scale=4\)",
        d.pair(lambda lr: d.hr()[["t2m"]]),
        d.mos,
        lambda lr, hr: d.perfect(hr, scale=4),
    ),
    "hardly coarser": case(
        "LR cells are hardly larger than HR cells, and do not nest.",
        GridError,
        r"at least twice as fine as the LR grid, got LR latitude 47\.9 to 50 by 0\.3",
        d.pair(lambda lr: fifth(d.hr()[["t2m"]])),
        d.mos,
        lambda lr, hr: d.perfect(hr, scale=4),
    ),
    "hardly coarser on the Earth": case(
        "LR cells are hardly larger than HR cells of another CRS.",
        GridError,
        r"at least twice as fine as the LR grid, got LR latitude .* and HR y ",
        lambda: {"lr": d.around_europe(12, 0.1), "hr": d.in_europe(d.hr())},
        d.mos,
        lambda lr, hr: d.perfect(hr, scale=4),
    ),
    "another scale": case(
        "The scale that is passed is not that of the pair.",
        GridError,
        r"scale=2, which the LR and HR grids have, got scale=4\. Leave it out",
        d.pair(),
        lambda lr, hr: d.mos(lr, hr, scale=4),
        d.mos,
    ),
    "no overlap": case(
        "LR and HR data cover other regions.",
        GridError,
        r"grids that overlap, got the LR data on latitude 78\..* the HR data on latitude 48",
        d.pair(lambda lr: d.moved(d.bare(lr), latitude=30.0)),
        d.mos,
        lambda lr, hr: d.mos(d.lr(), hr),
    ),
    "hardly together": case(
        "LR data cover hardly any HR cell.",
        GridError,
        r"LR cells to cover at least two HR centres along longitude .* got .*Select the same",
        d.pair(lambda lr: d.moved(d.bare(lr), longitude=-2.8)),
        d.mos,
        lambda lr, hr: d.mos(d.lr(), hr),
    ),
    "validation on another grid": case(
        "Validation data are on another grid than training data.",
        GridError,
        r"validation data on the training grids \(LR .*; HR .*\), got LR .*; HR .*\. Select the sa",
        lambda: {"hr": d.hr(), "pair": validation(scale=4)},
        lambda hr, pair: d.perfect(hr, validation=pair),
        lambda hr, pair: d.perfect(hr, validation=(pair[0].downscale.interpolate(d.lr()), pair[1])),
    ),
    "validation of three": case(
        "The validation data are no pair.",
        ValueError,
        r"`validation` to be an \(lr, hr\) pair, got 3 objects\. Pass",
        lambda: {"hr": d.hr(), "pair": validation(3)},
        lambda hr, pair: d.perfect(hr, validation=pair),
        lambda hr, pair: d.perfect(hr, validation=pair[:2]),
    ),
}

# --- time -----------------------------------------------------------------------------------------

case = section("Time")


def with_nat(ds):
    time = ds.time.data.copy()
    time[3] = np.datetime64("NaT")
    return ds.assign_coords(time=time)


def numbered(ds):
    return ds.assign_coords(time=np.arange(ds.sizes["time"]))


def at_noon(ds):
    """Daily means, stamped at noon."""
    return ds.assign_coords(time=np.datetime64("2001-01-01T12", "ns") + days(ds))


def days(ds):
    return np.arange(ds.sizes["time"]) * np.timedelta64(1, "D")


def wind_of(ds):
    return d.winds(ds)[["u"]]


TIME = {
    "no time in common": case(
        "LR and HR data have no time in common.",
        TimeError,
        r"times in common, got the LR data with 8 steps from 2001-01-01 00:30.* and the HR data"
        r" with 8 steps from 2001-01-01 00:00.*shift or floor",
        d.pair(lambda lr: lr.assign_coords(time=lr.time + np.timedelta64(30, "m"))),
        d.mos,
        lambda lr, hr: d.mos(lr.assign_coords(time=lr.time.dt.floor("h")), hr),
    ),
    "predictors of other times": case(
        "LR data and predictors each have times of the HR data, but not the same ones.",
        TimeError,
        r"that LR data and predictors= have in common, got the LR data with 4 steps .*\. Select",
        lambda: {
            "lr": d.lr().isel(time=slice(0, 4)),
            "hr": d.hr(),
            "predictors": wind_of(d.lr()).isel(time=slice(4, 8)),
        },
        d.mos,
        lambda lr, hr, predictors: d.mos(lr, hr, predictors=wind_of(d.lr())),
    ),
    "calendars": case(
        "The calendars differ.",
        TimeError,
        r"in one calendar.*noleap calendar.*standard calendar.*convert_calendar\('noleap'\)",
        d.pair(lambda lr: lr.convert_calendar("noleap")),
        d.mos,
        lambda lr, hr: d.mos(lr, hr.convert_calendar("noleap")),
    ),
    "numbers and dates": case(
        "One side has dates, the other numbers.",
        TimeError,
        r"both to have dates, got 8 steps from 0 to 42 \(none calendar\) and 8 steps.* Assign the",
        d.pair(lambda lr: lr.assign_coords(time=("time", 6 * np.arange(8)))),
        d.mos,
        lambda lr, hr: d.mos(lr.assign_coords(time=("time", hr.time.values)), hr),
    ),
    "one side without times": case(
        "One side has no time coordinate.",
        TimeError,
        r"both to have time coordinates, got 8 steps without coordinates and 8 steps .* Assign",
        d.pair(lambda lr: lr.drop_vars("time")),
        d.mos,
        lambda lr, hr: d.mos(lr.assign_coords(time=hr.time), hr),
    ),
    "duplicated LR times": case(
        "LR times are there twice.",
        TimeError,
        r"every time of the LR data once, got 1 duplicated: 2001-01-01 06.*drop_duplicates",
        d.pair(lambda lr: lr.isel(time=[0, 1, 1, 2, 3, 4, 5, 6])),
        d.mos,
        lambda lr, hr: d.mos(lr.drop_duplicates("time"), hr),
    ),
    "duplicated HR times": case(
        "HR times are there twice.",
        TimeError,
        r"every time of the HR data once.*drop_duplicates\('time'\)",
        d.pair(spoil_hr=lambda hr: hr.isel(time=[0, 1, 1, 2, 3, 4, 5, 6])),
        d.mos,
        lambda lr, hr: d.mos(lr, hr.drop_duplicates("time")),
    ),
    "missing times": case(
        "Some times are missing (NaT).",
        TimeError,
        r"every time of the HR data to be known, got 1 missing \(NaT\)\. Drop .*\.notnull\(\)\)",
        d.alone(with_nat),
        d.perfect,
        lambda hr: d.perfect(hr.isel(time=hr.time.notnull())),
    ),
    "no steps": case(
        "A selection has left no time step.",
        TimeError,
        r"No time step is left in the HR data\. Select",
        d.alone(lambda ds: ds.sel(time=slice("1990", "1991"))),
        d.perfect,
        lambda hr: d.perfect(d.hr().sel(time=slice("2001", "2002"))),
    ),
    "one step": case(
        "There are too few time steps to hold some out.",
        TimeError,
        r"more time steps than validation=0\.1 holds out, 1, got 1\. Use more of them, a smaller",
        d.alone(lambda ds: ds.isel(time=[0])),
        d.perfect,
        lambda hr: [d.perfect(d.hr()), d.perfect(hr, validation=None)],
    ),
    "short runs": case(
        "No run of time steps is as long as a window.",
        TimeError,
        "at least 4 time steps without a gap in the training data for time_window=4, got 3 at most",
        d.alone(lambda ds: ds.isel(time=[0, 1, 2, 4, 5, 6])),
        lambda hr: d.perfect(hr, time_window=4, validation=None),
        lambda hr: [
            d.perfect(hr, time_window=3, validation=None),
            d.perfect(d.hr(), time_window=4, validation=None),
        ],
    ),
    "windows without dates": case(
        "A model of time windows is fitted to data without dates.",
        TimeError,
        r"the HR data to have dates for .*time_window=\), got 6 steps from 0 to 5.* Assign",
        d.alone(numbered),
        lambda hr: d.perfect(hr, time_window=2),
        lambda hr: d.perfect(hr.assign_coords(time=d.hr().time), time_window=2),
    ),
    "features without dates": case(
        "Features of time are wanted of data without dates.",
        TimeError,
        r"dates along the time axis for \['day_of_year'\], got 7 steps from 0 to 6.* Decode",
        d.alone(numbered),
        lambda hr: d.perfect(hr, time_features="day_of_year"),
        lambda hr: [
            d.perfect(decoded(hr), time_features="day_of_year"),
            d.perfect(hr.assign_coords(time=d.hr().time), time_features="day_of_year"),
            d.perfect(hr),
        ],
    ),
}


def decoded(ds):
    """As xarray reads dates, where the file gives units."""
    import xarray as xr

    units = {"units": "hours since 2001-01-01"}
    return xr.decode_cf(ds.assign_coords(time=("time", ds.time.data, units)))


# --- variables and units --------------------------------------------------------------------------

case = section("Variables and units")


def nan_everywhere(ds):
    return ds.assign(t2m=ds.t2m * np.nan)


def filled(ds):
    """Cells that should have been masked."""
    return ds.assign(t2m=ds.t2m.where(ds.t2m < 284, np.inf))


def filled_at_the_end(ds):
    last = (ds.time == ds.time[-1]) & (ds.latitude == ds.latitude[0])
    return ds.assign(t2m=ds.t2m.where(~last, np.float32(np.inf)).assign_attrs(ds.t2m.attrs))


def nan_at_the_end(ds):
    return ds.assign(t2m=ds.t2m.where(ds.time < ds.time[-1]))


def nan_early(ds):
    return ds.assign(t2m=ds.t2m.where(ds.time >= ds.time[4]))


def nan_late(ds):
    return ds.assign(t2m=ds.t2m.where(ds.time < ds.time[4]))


def celsius(ds):
    return d.in_units(ds, "degC", -273.15)


VARIABLES = {
    "no time": case(
        "No variable has a time dimension: there is nothing to downscale.",
        VariableError,
        r"the HR data to have a variable with a time dimension, got \['orog'\].*Pass time_dim=",
        d.alone(lambda ds: ds[["orog"]]),
        d.perfect,
        lambda hr: d.perfect(d.hr().rename(time="step").drop_vars("step"), time_dim="step"),
    ),
    "LR without time": case(
        "No LR variable has a time dimension.",
        VariableError,
        r"No variable of the LR data has a time dimension\. Keep the dimension",
        d.pair(lambda lr: d.hr()[["orog"]].downscale.coarsen(2)),
        d.mos,
        lambda lr, hr: d.mos(d.lr(), hr),
    ),
    "NaN everywhere": case(
        "A variable is NaN everywhere.",
        VariableError,
        r"'t2m' of the HR data to have values, got NaN everywhere\. Leave it out, or check",
        d.alone(nan_everywhere),
        d.perfect,
        lambda hr: d.perfect(d.hr()),
    ),
    "LR NaN everywhere": case(
        "An LR variable is NaN everywhere.",
        VariableError,
        r"'t2m' of the LR data to have values, got NaN everywhere",
        d.pair(nan_everywhere),
        d.mos,
        lambda lr, hr: d.mos(d.lr(), hr),
    ),
    "NaN in validation": case(
        "The part that is held out for validation is NaN everywhere.",
        VariableError,
        r"\['t2m'\] of the validation data, 2001-01-02 18:00:00 to 2001-01-02 18:00:00, "
        r"have no values in HR and LR at the same place and time\. Leave out",
        d.alone(nan_at_the_end),
        d.perfect,
        lambda hr: [d.perfect(hr.dropna("time", how="all")), d.perfect(hr, validation=None)],
    ),
    "no common values": case(
        "HR has values at other times than LR.",
        VariableError,
        r"\['t2m'\] of the training data, .* have no values in HR and LR .*\. Check",
        d.pair(nan_early),
        lambda lr, hr: d.mos(lr, nan_late(hr)),
        lambda lr, hr: d.mos(d.lr(), hr),
    ),
    "infinite in validation": case(
        "The part that is held out for validation has infinite values.",
        VariableError,
        r"'t2m' of the validation data to be finite where it is not NaN, got infinite",
        d.alone(filled_at_the_end),
        d.perfect,
        lambda hr: d.perfect(hr.assign(t2m=hr.t2m.where(abs(hr["t2m"]) < 1e9))),
    ),
    "infinite": case(
        "A variable has infinite values.",
        VariableError,
        r"'t2m' of the HR data to be finite where it is not NaN, got infinite values\. Mask them",
        d.alone(filled),
        d.perfect,
        lambda hr: d.perfect(hr.assign(t2m=hr.t2m.where(abs(hr["t2m"]) < 1e9))),
    ),
    "constant": case(
        "A variable has the same value everywhere.",
        VariableError,
        r"'t2m' of the HR data to vary, got the constant 280\. Leave it out",
        d.alone(lambda ds: ds.assign(t2m=ds.t2m * 0 + 280)),
        d.perfect,
        lambda hr: d.perfect(d.hr()),
    ),
    "next to constant": case(
        "A variable varies less than float32 can tell.",
        VariableError,
        r"'t2m' of the HR data to vary by more than rounding in float32, got a standard deviation"
        r" of .* beside values of 100000\d+\. Leave it out if it is constant, or subtract",
        d.alone(lambda ds: ds.assign(t2m=ds.t2m.astype("f8") + 1e8)),
        d.perfect,
        lambda hr: d.perfect(hr.assign(t2m=hr.t2m - 1e8)),
    ),
    "constant static field": case(
        "A static field has the same value everywhere.",
        VariableError,
        r"'orog' of the static fields to vary, got the constant 1\. Leave it out",
        d.alone(lambda ds: ds.assign(orog=ds.orog * 0 + 1)),
        d.perfect,
        lambda hr: d.perfect(hr[["t2m"]]),
    ),
    "units": case(
        "Units of one variable cannot be converted, or cannot be read.",
        VariableError,
        r"'t2m' of the LR data in 'K' as in the HR data, got 'm s-1'\. Rename it",
        d.pair(lambda lr: d.in_units(lr, "m s-1")),
        d.mos,
        lambda lr, hr: [d.mos(d.in_units(lr, "K"), hr), d.mos(lr.rename(t2m="speed"), hr)],
    ),
    "a level beside a variable": case(
        "LR data have levels, and HR data a variable with the name of one of them.",
        VariableError,
        r"'t2m_500' alike in LR and HR, got an entry of 't2m' in the LR data and a .*\. Select the",
        lambda: {"lr": d.levels(d.bare(d.lr())), "hr": d.hr()[["t2m"]].rename(t2m="t2m_500")},
        d.mos,
        lambda lr, hr: d.mos(lr.isel(level=0).rename(t2m="t2m_500"), hr),
    ),
    "scaling of an unknown variable": case(
        "`scaling=` names a variable that is not there.",
        VariableError,
        r"`scaling` to name variables of the data, \['t2m', 'orog'\], got 't2n'\. Did you mean",
        d.alone(),
        lambda hr: d.perfect(hr, scaling={"t2n": "minmax"}),
        lambda hr: d.perfect(hr, scaling={"t2m": "minmax"}),
    ),
    "validation without the target": case(
        "Validation data lack a variable.",
        VariableError,
        r"the HR validation data to have \['t2m'\], got \['tas'\]\. Add them, or rename",
        lambda: {"hr": d.hr(), "pair": (d.lr(), d.hr()[["t2m"]].rename(t2m="tas"))},
        lambda hr, pair: d.perfect(hr, validation=pair),
        lambda hr, pair: d.perfect(hr, validation=(pair[0], pair[1].rename(tas="t2m"))),
    ),
}

# --- static fields and predictors -----------------------------------------------------------------

case = section("Static fields and predictors")


def beside(ds, **other):
    """Temperature alone, and what is passed beside it."""
    return lambda: {"hr": d.hr()[["t2m"]], **{k: make(ds()) for k, make in other.items()}}


def static(hr, static):
    return d.perfect(hr, static=static)


def predicted_by(hr, predictors):
    return d.perfect(hr, predictors=predictors)


BESIDE = {
    "static with time": case(
        "A field with a time dimension is passed as static.",
        VariableError,
        r"static= without a time dimension, got \['z'\]\. Pass them as predictors=, or select one",
        beside(d.hr, static=lambda ds: ds[["t2m"]].rename(t2m="z")),
        static,
        lambda hr, static: [
            d.perfect(hr, predictors=static),
            d.perfect(hr, static=static.isel(time=0)),
        ],
    ),
    "predictors without time": case(
        "A field without a time dimension is passed as a predictor.",
        VariableError,
        r"predictors= with a time dimension, got \['orog'\] without\. Pass them as static=",
        beside(d.hr, predictors=lambda ds: ds[["orog"]]),
        predicted_by,
        lambda hr, predictors: d.perfect(hr, static=predictors),
    ),
    "static twice": case(
        "A static field is among the HR data and passed beside them.",
        VariableError,
        r"Two static fields have the name 'orog'\. Rename or drop one",
        lambda: {"hr": d.hr(), "static": d.hr()[["orog"]]},
        static,
        lambda hr, static: [
            d.perfect(hr, static=static.rename(orog="rough")),
            d.perfect(hr.drop_vars("orog"), static=static),
        ],
    ),
    "static named as a variable": case(
        "A static field is named as a variable that varies in time.",
        VariableError,
        r"that change in time share the names \['t2m'\]\. Rename the static",
        beside(d.hr, static=lambda ds: ds[["orog"]].rename(orog="t2m")),
        static,
        lambda hr, static: d.perfect(hr, static=static.rename(t2m="orog")),
    ),
    "static elsewhere": case(
        "Static fields do not cover the domain.",
        GridError,
        r"static= to cover latitude 48\.25 to 50, got latitude 49\.25 to 50.* Provide",
        beside(d.hr, static=lambda ds: ds[["orog"]].isel(latitude=slice(0, 4))),
        static,
        lambda hr, static: [
            d.perfect(hr, static=d.hr()[["orog"]]),
            d.perfect(hr.isel(latitude=slice(0, 4)), static=static),
        ],
    ),
    "predictor named as the target": case(
        "A predictor is named as the target.",
        VariableError,
        r"Two predictors have the name 't2m'\. Rename one .* with \.rename\(t2m='t2m_lr'\)",
        beside(d.hr, predictors=lambda ds: ds[["t2m"]]),
        predicted_by,
        lambda hr, predictors: d.perfect(hr, predictors=predictors.rename(t2m="t2m_lr")),
    ),
    "predictors of another time": case(
        "Predictors and HR data have no time in common.",
        TimeError,
        r"times in common, got predictors= with 8 steps from 2001-04-01.* Select the same period",
        beside(d.hr, predictors=lambda ds: d.later(wind_of(ds), 90)),
        predicted_by,
        lambda hr, predictors: d.perfect(hr, predictors=d.later(predictors, -90)),
    ),
}

# --- options against the data ---------------------------------------------------------------------

case = section("Options that do not suit the data")


def around_the_globe(ds):
    """Ten HR columns that go once around."""
    ds = ds.isel(longitude=slice(0, 10))
    longitude = ("longitude", 36.0 * np.arange(10), ds.longitude.attrs)
    latitude = ("latitude", 70 - 20.0 * np.arange(8), ds.latitude.attrs)
    return ds.assign_coords(longitude=longitude, latitude=latitude)


OPTIONS = {
    "validation": case(
        "`validation=` is neither a share nor a pair.",
        ValueError,
        r"share of the last time steps in \[0, 1\), an \(lr, hr\) pair, or None, got 1\.5",
        d.alone(),
        lambda hr: d.perfect(hr, validation=1.5),
        lambda hr: d.perfect(hr, validation=0.1),
    ),
    "validation without LR": case(
        "`validation=` is HR data alone.",
        ValueError,
        r"pair, or None, got Dataset\. Pass \(hr\.downscale\.coarsen\(scale\), hr\)\.",
        d.alone(),
        lambda hr: d.perfect(hr, validation=hr),
        lambda hr: d.perfect(hr, validation=(hr.downscale.coarsen(2), hr)),
    ),
    "early stopping": case(
        "Early stopping without validation data.",
        ValueError,
        r"`early_stopping` needs validation data\. Pass validation=0\.1, or early_stopp",
        d.alone(),
        lambda hr: d.perfect(hr, validation=None, early_stopping=True),
        lambda hr: [
            d.perfect(hr, validation=0.1, early_stopping=True),
            d.perfect(hr, validation=None, early_stopping=False),
        ],
    ),
    "patch": case(
        "The patch is no multiple of the scale.",
        GridError,
        r"`patch_size` to be a multiple of the scale 2, at least 4, got 5\. Use 4",
        d.alone(),
        lambda hr: d.perfect(hr, patch_size=5),
        lambda hr: d.perfect(hr, patch_size=4),
    ),
    "large patch": case(
        "The patch is larger than the domain.",
        GridError,
        r"fit into the HR grid of \(8, 12\) cells, got 10\. Use a smaller one, or None for whole",
        d.alone(),
        lambda hr: d.perfect(hr, patch_size=10),
        lambda hr: [d.perfect(hr, patch_size=8), d.perfect(hr, patch_size=None)],
    ),
    "flips of places": case(
        "Flips of samples that know their place, or of components of vectors.",
        ValueError,
        r"augment='none' for \['uas'\], which are components .*, got augment='flip_x'\. Use augm",
        d.alone(lambda ds: ds[["t2m"]].rename(t2m="uas")),
        lambda hr: d.perfect(hr, augment="flip_x"),
        lambda hr: [
            d.perfect(hr, augment="none"),
            d.perfect(hr.rename(uas="t2m"), augment="flip_x"),
        ],
    ),
    "transposed": case(
        "Rows and columns of samples that are not square are to be swapped.",
        GridError,
        r"square samples for augment='all', .*, got 8 x 12 HR cells at scale 2\. Use augment='fl",
        d.alone(),
        lambda hr: d.perfect(hr, augment="all"),
        lambda hr: [
            d.perfect(hr, augment="flips"),
            d.perfect(hr, augment="all", patch_size=4),
        ],
    ),
    "loss of large fields": case(
        "The loss needs larger fields or patches.",
        GridError,
        r"HR fields of at least 11 x 11 HR cells for loss='dssim_mae', got 8 x 12\. Use 'mae', or",
        d.alone(),
        lambda hr: d.perfect(hr, loss="dssim_mae"),
        lambda hr: [
            d.perfect(hr, loss="mae"),
            d.perfect(d.hr(y=12, x=12), loss="dssim_mae"),
        ],
    ),
    "U-Net around the globe": case(
        "The levels of a U-Net do not line up around the globe.",
        GridError,
        r"a multiple of 8 for backbone='unet' with n_blocks=3, got 10\. Use n_blocks=1, or another",
        d.alone(around_the_globe),
        lambda hr: d.perfect(hr, backbone="unet", n_blocks=3),
        lambda hr: [
            d.perfect(hr, backbone="unet", n_blocks=1),
            d.perfect(hr, backbone="resnet", n_blocks=3),
        ],
    ),
    "negative values": case(
        "Values below zero with a constraint or an activation that gives none.",
        VariableError,
        r"values >= 0 of 't2m' for constraint='softmax', got a minimum of -.* degC\. Use",
        d.alone(celsius),
        lambda hr: d.perfect(hr, constraint="softmax"),
        lambda hr: [
            d.perfect(hr, constraint="additive"),
            d.perfect(hr.clip(min=0), constraint="softmax"),
            d.perfect(d.hr(), constraint="softmax"),
        ],
    ),
    "a curve of values below zero": case(
        "Values below zero with a scaling for amounts.",
        VariableError,
        r"values >= 0 of 't2m' in the HR data for scaling='log1p', got a minimum of -.*\. Use sca",
        d.alone(celsius),
        lambda hr: d.perfect(hr, scaling={"t2m": "log1p"}),
        lambda hr: [
            d.perfect(hr, scaling="standard"),
            d.perfect(hr.clip(min=0), scaling={"t2m": "log1p"}),
        ],
    ),
    "sigmoid": case(
        "An activation that is bounded above, of values that are scaled without bounds.",
        VariableError,
        r"scaling='minmax' of 't2m' for output_activation='sigmoid', .* got 'standard'\. Add it to",
        d.alone(),
        lambda hr: d.perfect(hr, output_activation="sigmoid", scaling={"orog": "minmax"}),
        lambda hr: [
            d.perfect(hr, output_activation="sigmoid", scaling={"t2m": "minmax"}),
            d.perfect(hr, output_activation="sigmoid", scaling="minmax"),
        ],
    ),
    "constraint of cells that do not nest": case(
        "A constraint on LR cells that are interpolated to HR cells.",
        GridError,
        r"LR cells that hold several HR cells for constraint='additive', got .* Use constr",
        d.pair(d.offset),
        lambda lr, hr: d.mos(lr, hr, constraint="additive", upsampling="interpolation"),
        lambda lr, hr: [
            d.mos(lr, hr, upsampling="interpolation", constraint=None),
            d.mos(lr, hr, upsampling="subpixel", constraint="additive"),
        ],
    ),
    "bias without a counterpart": case(
        "A bias correction, and no LR variable that is named as the target.",
        VariableError,
        r"each target for first_guess='bias_corrected', got \[\] without \['t2m'\]\. Pass",
        d.pair(lambda lr: lr.rename(t2m="tas").drop_attrs()),
        lambda lr, hr: d.mos(lr, hr, first_guess="bias_corrected"),
        lambda lr, hr: [
            d.mos(lr, hr, first_guess="regression"),
            d.mos(lr, hr, first_guess="bias_corrected", counterparts={"t2m": "tas"}),
        ],
    ),
    "first guess without skip": case(
        "A first guess, and no skip that adds it.",
        ValueError,
        r"interpolation_skip=True for first_guess='regression', got False, .*\. Leave interp",
        d.pair(),
        lambda lr, hr: d.mos(lr, hr, first_guess="regression", interpolation_skip=False),
        lambda lr, hr: d.mos(lr, hr, first_guess="regression"),
    ),
    "constraint without a counterpart": case(
        "A constraint, and no LR variable that is named as the target.",
        VariableError,
        r"an LR counterpart of a target for constraint='additive', got targets \['t2m'\] and LR var"
        r"iables \['tas'\]\. Use constraint=None, or pass the LR variable",
        d.pair(lambda lr: lr.rename(t2m="tas").drop_attrs()),
        lambda lr, hr: d.mos(lr, hr, constraint="additive"),
        lambda lr, hr: [
            d.mos(lr, hr, constraint=None),
            d.mos(lr, hr, constraint="additive", counterparts={"t2m": "tas"}),
        ],
    ),
}

PARTS = (PAIRS, TIME, VARIABLES, BESIDE, OPTIONS)
