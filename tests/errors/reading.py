"""What metadata say of values, dates, units and names, and what no file can hold."""

import numpy as np
import pandas as pd
import xarray as xr

from tests.errors import data as d
from tests.errors.case import section
from xr_dl4ds.exceptions import GridError, TimeError, VariableError

case = section("What data and metadata say")

#: An hour.
HOUR = np.timedelta64(1, "h")


def with_attrs(ds, **attrs):
    return ds.assign(t2m=ds.t2m.assign_attrs(attrs))


def without(ds, *names):
    kept = {k: v for k, v in ds.t2m.attrs.items() if k not in names}
    return ds.assign(t2m=ds.t2m.drop_attrs().assign_attrs(kept))


def marked(ds):
    """A cell with the fill value of NetCDF's float, which no attribute names."""
    sea = ds.latitude == ds.latitude[0]
    return ds.assign(t2m=ds.t2m.where(~sea, np.float32(9.96921e36)).assign_attrs(ds.t2m.attrs))


def westwards(ds):
    ds = d.bare(ds)
    return ds.assign_coords(longitude=("longitude", -ds.longitude.data, {"units": "degrees_west"}))


def stations(ds):
    table = ds.t2m.isel(latitude=0).drop_vars(["latitude", "longitude"])
    table = table.rename(longitude="station")
    n = table.sizes["station"]
    return table.to_dataset().assign_coords(
        lat=("station", np.linspace(40, 50, n)), lon=("station", np.linspace(0, 9, n))
    )


def shaken(ds):
    """Steps whose number only a computation tells."""
    lazy = ds.drop_vars(["time"]).chunk(time=4).t2m
    known = lazy.data[(lazy.data.mean((1, 2)) > 0)]
    coords = {n: ds[n] for n in ("latitude", "longitude")}
    return xr.Dataset({"t2m": (lazy.dims, known, lazy.attrs)}, coords)


class Quantity(np.ndarray):
    """What pint's quantities have, as far as the package asks for it."""

    units, magnitude = "kelvin", None


def quantified(ds):
    ds = ds[["t2m"]].copy()
    ds.t2m.variable._data = ds.t2m.values.view(Quantity)
    return ds


def dequantified(ds):
    return ds.assign(t2m=(ds.t2m.dims, ds.t2m.values.view(np.ndarray), {"units": "K"}))


def counted(ds):
    ds.t2m.data.compute_chunk_sizes()
    return ds


def with_object(ds):
    return ds.assign_coords(season=("time", np.array([{"a": 1}] * ds.sizes["time"], object)))


def zoned(ds):
    return ds.assign_coords(time=ds.indexes["time"].tz_localize("UTC"))


def monthly(ds):
    return ds.assign_coords(time=pd.period_range("2001-01", periods=ds.sizes["time"], freq="M"))


def python_dates(ds):
    return ds.assign_coords(time=("time", np.array(ds.indexes["time"].date, object)))


def bounded(ds, at_end=False):
    """With time bounds of six hours, stamped at the start or at the end."""
    starts = ds.time.values - (6 * HOUR if at_end else 0 * HOUR)
    bounds = np.stack([starts, starts + 6 * HOUR], axis=1)
    ds = ds.assign_coords(time_bnds=(("time", "bnds"), bounds))
    ds["time"].attrs["bounds"] = "time_bnds"
    return ds


def sampled(ds, shift=0):
    """Patches along `sample`, two of each date."""
    dates = np.repeat(ds.time.values[: ds.sizes["time"] // 2], 2)
    return (
        ds[["t2m"]]
        .rename(time="sample")
        .drop_vars("sample")
        .assign_coords(time=("sample", np.roll(dates, shift)))
    )


def hindcast(ds, **lead):
    """Two lead times of each initialization."""
    ds = ds[["t2m"]].rename(time="init")
    return xr.concat([ds, ds], "lead", coords="minimal").assign_coords(
        lead=("lead", [0, 1], lead) if lead else ("lead", [0 * HOUR, 6 * HOUR])
    )


def without_meaning(ds):
    """Dates that may be those of initialization or valid times."""
    return ds.rename(init="time").assign_coords(time=("time", ds.init.values))


def valid(ds):
    """A hindcast with its valid times."""
    ds = hindcast(ds)
    return ds.assign_coords(valid_time=ds.init + ds.lead)


def undecoded(ds):
    """Times as a file holds them, opened with `decode_times=False`."""
    hours = np.arange(ds.sizes["time"]) * 6
    return ds.assign_coords(time=("time", hours, {"units": "hours since 2001-01-01 00:00:37"}))


def empty_axes(ds):
    """A map whose coordinates some program left at zero, and the places of the cells."""
    ds = d.plane(d.bare(ds))
    shape = ds.sizes["y"], ds.sizes["x"]
    lat, lon = (50 + 0.1 * np.indices(shape)[i] for i in (0, 1))
    return ds.assign_coords(
        y=np.zeros(shape[0]), x=np.zeros(shape[1]), lat=(("y", "x"), lat), lon=(("y", "x"), lon)
    )


def contradictory(ds):
    return ds.assign_coords(
        longitude=ds.longitude.assign_attrs(standard_name="longitude", units="degrees_north")
    )


def like_its_dimension(ds):
    return xr.Dataset({"time": ds.t2m.variable}, {n: ds[n] for n in ("latitude", "longitude")})


def on_dates(ds):
    """A time dimension beside two coordinates of dates."""
    ds = ds.rename_dims(time="step").rename_vars(time="a").reset_index("a")
    ds = ds.drop_indexes("a", errors="ignore")
    return ds.assign_coords(a=("step", d.hr().time.values), b=("step", d.hr().time.values))


READING = {
    "huge values": case(
        "Cells hold a fill value that no attribute names.",
        VariableError,
        r"'t2m' of the HR data below 1e\+19, got 9\.96921e\+36, .*\. Mask them with \.where\(abs\(",
        d.alone(marked),
        d.perfect,
        lambda hr: d.perfect(hr.where(abs(hr["t2m"]) < 1e19)),
    ),
    "packed values": case(
        "Attributes of packed values stand beside values that are unpacked.",
        VariableError,
        r"'t2m' of the HR data to be unpacked, got .*\{'scale_factor': 0\.01\}.*\. Decode them",
        d.alone(lambda ds: with_attrs(ds, scale_factor=0.01)),
        d.perfect,
        lambda hr: [d.perfect(xr.decode_cf(hr)), d.perfect(without(hr, "scale_factor"))],
    ),
    "valid range": case(
        "The valid range belongs to other units.",
        VariableError,
        r"'t2m' of the HR data within its valid range, -80 to 60, got 100 % .*\. Remove \('valid",
        d.alone(lambda ds: with_attrs(ds, valid_range=[-80.0, 60.0])),
        d.perfect,
        lambda hr: d.perfect(without(hr, "valid_range")),
    ),
    "degrees west": case(
        "Longitudes count towards the west.",
        GridError,
        r"'longitude' to count degrees towards north or east, got 'degrees_west'\. Change the sign",
        d.alone(westwards),
        d.perfect,
        lambda hr: d.perfect(
            hr.assign_coords(longitude=-hr["longitude"]).assign_coords(
                longitude=lambda ds: ds.longitude.assign_attrs(units="degrees")
            )
        ),
    ),
    "stations": case(
        "Data lie at stations, or on an unstructured grid.",
        GridError,
        r"two horizontal dimensions of 't2m', got 'station' alone, of 12 stations .*\. Interpolate",
        d.alone(stations),
        d.perfect,
        lambda hr: d.perfect(d.hr()),
    ),
    "tree": case(
        "A whole DataTree is passed.",
        TypeError,
        r"got a DataTree with data in the groups \['other'\]\. Pass one .*tree\['other'\]\.to_da",
        d.alone(),
        lambda hr: d.mos(d.lr(), xr.DataTree.from_dict({"/other": hr})),
        lambda hr: d.mos(d.lr(), xr.DataTree.from_dict({"/other": hr})["/other"].to_dataset()),
    ),
    "quantities of pint": case(
        "Data are quantities of pint.",
        VariableError,
        r"'t2m' of the HR data as plain numbers with attrs\['units'\], got Quantity in kel",
        d.alone(quantified),
        d.perfect,
        lambda hr: d.perfect(dequantified(hr)),
    ),
    "unknown chunks": case(
        "The number of steps is not known, after a selection by values with dask.",
        VariableError,
        r"a known number of steps along 'time' of 't2m' .*\. Call .*compute_chunk_sizes\(\)",
        d.alone(shaken),
        d.perfect,
        lambda hr: d.perfect(counted(hr)),
    ),
    "odd coordinate": case(
        "A coordinate holds values that no file can hold.",
        VariableError,
        r"the coordinate 'season' of the HR data to hold numbers, .*, got dict\. Leave it out with",
        d.alone(with_object),
        d.perfect,
        lambda hr: d.perfect(hr.drop_vars("season")),
    ),
    "time zone": case(
        "Times have a time zone, are periods, or are Python dates.",
        TimeError,
        r"the times 'time' of the HR data as dates .*got dates with the time zone UTC, .*Convert",
        d.alone(zoned),
        d.perfect,
        lambda hr: [
            d.perfect(
                hr.assign_coords(
                    time=("time", hr.indexes["time"].tz_convert("UTC").tz_localize(None))
                )
            ),
            d.perfect(
                monthly(hr).assign_coords(time=("time", monthly(hr).indexes["time"].to_timestamp()))
            ),
            d.perfect(
                python_dates(hr.isel(time=[0, 4])).assign_coords(
                    time=("time", pd.to_datetime(python_dates(hr.isel(time=[0, 4]))["time"].values))
                )
            ),
        ],
    ),
    "stamps": case(
        "Means are stamped at the end of their bounds on one side, at the start on the other.",
        TimeError,
        r"at one end of .*, got the LR data stamped at the end and .* at the start\. Stamp both",
        d.pair(lambda lr: bounded(lr, at_end=True), bounded),
        d.mos,
        lambda lr, hr: d.mos(lr.assign_coords(time=lr["time_bnds"][:, 0]), hr),
    ),
    "order of samples": case(
        "Samples of LR and HR data, two of each date, are in different orders.",
        TimeError,
        r"in one order, got the dates 2001-01-01 18:00:00 and 2001-01-01 00:00:00 at position 0\.",
        d.pair(lambda lr: sampled(lr, 2), sampled),
        d.mos,
        lambda lr, hr: d.mos(lr.sortby("time"), hr.sortby("time")),
    ),
    "valid times": case(
        "Valid times vary along lead times, which are channels.",
        TimeError,
        r"one valid time for each step along 'init' .*'valid_time' along .*\. Make each entry a",
        lambda: {"lr": valid(d.lr()), "hr": d.hr()},
        lambda lr, hr: d.mos(lr, hr, extra_dims={"lead": "channels"}),
        lambda lr, hr: [
            d.mos(lr, hr, extra_dims={"lead": "samples"}),
            d.mos(lr.isel(lead=0), hr),
        ],
    ),
    "undecoded times": case(
        "Times are the numbers of the file, which nobody has decoded.",
        TimeError,
        r"the times 'time' of the HR data as dates, got numbers in the unit 'hours since .*Decode",
        d.alone(undecoded),
        d.perfect,
        lambda hr: d.perfect(xr.decode_cf(hr)),
    ),
    "empty axes": case(
        "The coordinates of a map are all zero.",
        GridError,
        r"the coordinate 'y' to hold the centres of its cells, got 0 in all 8 of them\. Number",
        d.alone(empty_axes),
        d.perfect,
        lambda hr: d.perfect(hr.assign_coords(y=np.arange(8), x=np.arange(12))),
    ),
    "exchanged axes": case(
        "The caller names y and x the wrong way round.",
        GridError,
        r"along y and x to be those of y and x, got 'longitude' \(longitude\) along y .*\. Pass",
        d.alone(),
        lambda hr: d.perfect(hr, y_dim="longitude", x_dim="latitude"),
        lambda hr: [d.perfect(hr, y_dim="latitude", x_dim="longitude"), d.perfect(hr)],
    ),
    "contradictory axes": case(
        "Standard name and units of a coordinate contradict each other.",
        GridError,
        r"units of 'longitude' to agree, got 'longitude' and 'degrees_north'\. Set both",
        d.alone(contradictory),
        d.perfect,
        lambda hr: d.perfect(
            hr.assign_coords(longitude=hr.longitude.assign_attrs(units="degrees_east"))
        ),
    ),
    "name of a dimension": case(
        "A variable has the name of one of its dimensions.",
        VariableError,
        r"names of their own, got 'time' along \('time', 'latitude', 'longitude'\)\. Rename",
        d.alone(like_its_dimension),
        d.perfect,
        lambda hr: d.perfect(hr.rename_vars({"time": "values"}).reset_coords("values")),
    ),
    "two coordinates of dates": case(
        "Two coordinates hold dates along a time dimension without an index.",
        TimeError,
        r"one coordinate of dates along 'step' of the HR data, got \['a', 'b'\]\. Make one of them",
        d.alone(on_dates),
        d.perfect,
        lambda hr: d.perfect(hr.swap_dims(step="a")),
    ),
    "lead times in months": case(
        "Lead times have a unit of changing length.",
        TimeError,
        r"lead times 'lead' of the LR data in a unit of fixed length .*, got 'months'\. Assign",
        lambda: {"lr": hindcast(d.lr(), units="months"), "hr": d.hr()},
        lambda lr, hr: d.mos(lr, hr, extra_dims={"lead": "samples"}),
        lambda lr, hr: d.mos(
            lr.assign_coords(valid_time=(("init", "lead"), valid(d.lr()).valid_time.values)),
            hr,
            extra_dims={"lead": "samples"},
        ),
    ),
    "dates of forecasts": case(
        "It is not clear whether dates are initialization times or valid times.",
        TimeError,
        r"the LR data to say when its fields are valid, got dates in 'time' and .*'lead'\. Assign",
        lambda: {"lr": without_meaning(hindcast(d.lr())), "hr": d.hr()},
        lambda lr, hr: d.mos(lr, hr, extra_dims={"lead": "samples"}),
        lambda lr, hr: d.mos(
            lr.assign_coords(valid_time=lr["time"] + lr["lead"]),
            hr,
            extra_dims={"lead": "samples"},
        ),
    ),
}

PARTS = (READING,)
