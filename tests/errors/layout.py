"""What is passed, dimensions, grids, and where on the Earth they lie."""

import pyproj
import numpy as np
import xarray as xr

from tests.errors import data as d
from tests.errors.case import section
from xr_dl4ds.exceptions import GridError, TimeError, VariableError

# --- what is passed -------------------------------------------------------------------------------

case = section("What is passed")

PASSED = {
    "no xarray object": case(
        "The scale, or another option, is passed where data are expected.",
        TypeError,
        r"an xarray Dataset or DataArray, got int: 4\. Options and the scale .* such as scale=4\.",
        d.alone(),
        lambda hr: hr.downscale.fit(4),
        lambda hr: hr.downscale.fit(scale=4, **d.TINY),
    ),
    "a path for data": case(
        "The path of a file is passed where data are expected.",
        TypeError,
        r"static= to be an xarray Dataset or DataArray, got str: 'orog\.nc'\. Options",
        d.alone(),
        lambda hr: d.perfect(hr, static="orog.nc"),
        lambda hr: d.perfect(hr, static=hr.orog.rename("height")),
    ),
    "no model": case(
        "The folder of a model is passed to `predict`, not the model.",
        TypeError,
        r"Expected a Downscaler, got str\. Models come from \.downscale\.fit or xr_dl4ds\.load\.",
        d.asked(),
        lambda lr, model: d.predict(lr, "model_dir"),
        d.predict,
    ),
    "no name": case(
        "A DataArray has no name.",
        VariableError,
        r"has no name\. Give it one with \.rename\('t2m'\)\.",
        d.alone(lambda ds: ds.t2m.rename(None)),
        lambda hr: hr.downscale.coarsen(2),
        lambda hr: hr.rename("t2m").downscale.coarsen(2),
    ),
    "name of a coordinate": case(
        "A DataArray is named as one of its coordinates.",
        VariableError,
        r"has the name of its coordinate 'latitude'\. Rename it with",
        d.alone(lambda ds: ds.t2m.rename("latitude")),
        lambda hr: hr.downscale.coarsen(2),
        lambda hr: hr.rename("t2m").downscale.coarsen(2),
    ),
    "no field": case(
        "No variable lies on a grid, for instance after a mean over the region.",
        VariableError,
        r"the HR data to have a variable on a grid, got \['t2m'\] .*'time': 8.* Keep both",
        d.alone(lambda ds: ds[["t2m"]].mean(("latitude", "longitude"))),
        d.perfect,
        lambda hr: d.perfect(d.hr()),
    ),
    "slash": case(
        "A variable has a name that cannot be written to NetCDF.",
        VariableError,
        r"names that NetCDF can hold, got 't/2m'\. Rename it with \.rename\(\{'t/2m': 'new_name'",
        d.alone(lambda ds: ds.rename(t2m="t/2m")),
        d.perfect,
        lambda hr: d.perfect(hr.rename({"t/2m": "new_name"})),
    ),
    "reserved": case(
        "A variable has a name that is used inside.",
        VariableError,
        r"other names than the dimensions .*, got 'statistic'\. .*\(statistic='statistic_value'\)",
        d.alone(lambda ds: ds.rename(t2m="statistic")),
        d.perfect,
        lambda hr: d.perfect(hr.rename(statistic="statistic_value")),
    ),
    "text": case(
        "A variable holds text or other things that are no numbers.",
        VariableError,
        r"'flag' of the HR data to hold numbers, got dtype <U\d+\. Leave it out",
        d.alone(lambda ds: ds.assign(flag=ds.t2m.round().astype(str))),
        d.perfect,
        lambda hr: d.perfect(hr[["t2m", "orog"]]),
    ),
}

# --- dimensions -----------------------------------------------------------------------------------

case = section("Dimensions")


def unnamed(ds):
    """Dimensions that neither names nor attributes tell."""
    ds = ds.rename(latitude="a", longitude="b")
    return ds.assign_coords({n: (n, ds[n].data) for n in "ab"})


def init_and_valid(ds):
    """Forecasts that start every day, by the time for which they hold."""
    start = np.datetime64("2001-01-01", "ns") + np.arange(2) * np.timedelta64(1, "D")
    ds = d.levels(ds[["t2m"]], "init", start)
    return ds.rename(time="valid")


def two_grids(ds):
    other = ds[["orog"]].rename(orog="rough", latitude="lat", longitude="lon")
    return ds.merge(other)


def ensemble(ds, labels=(0, 1, 2)):
    return d.levels(ds[["t2m"]], "member", labels)


def labelled(ds):
    """Samples that are told apart by labels."""
    labels = [f"storm {i}" for i in range(ds.sizes["time"])]
    return ds.drop_vars("time").assign_coords(case=("time", labels))


def single(ds, name, value, units):
    """At one level, which is no dimension."""
    return ds[["t2m"]].assign_coords({name: ((), value, {"units": units})})


def twice_named(ds):
    return d.levels(ds, "level", (500, 850)).assign(t2m_500=ds.t2m)


DIMENSIONS = {
    "y unknown": case(
        "Neither attributes nor names say which dimension is y.",
        GridError,
        r"one y dimension of 't2m' among \('time', 'a', 'b'\), got no candidate\. Pass y_dim=",
        d.alone(unnamed),
        d.perfect,
        lambda hr: d.perfect(hr, y_dim="a", x_dim="b"),
    ),
    "several x": case(
        "Several dimensions could be x.",
        GridError,
        r"one x dimension of 't2m' .* got the candidates \['i', 'longitude'\]\. Pass x_dim=",
        d.alone(lambda ds: ds.rename(time="i").assign_coords(longitude=ds.longitude.data)),
        d.perfect,
        lambda hr: d.perfect(hr, x_dim="longitude", time_dim="i"),
    ),
    "no such dimension": case(
        "`x_dim=`, `y_dim=` names a dimension that is not there.",
        GridError,
        r"y_dim='lat' to be a dimension of 't2m', got the dimensions \('time', 'latitude', 'long",
        d.alone(),
        lambda hr: d.perfect(hr, y_dim="lat"),
        lambda hr: d.perfect(hr, y_dim="latitude"),
    ),
    "no such time": case(
        "`time_dim=` names a dimension that is not there.",
        TimeError,
        r"time_dim='tiem' to be a dimension of the HR data, got \{.*'time': 8.*\}\. ",
        d.alone(),
        lambda hr: d.perfect(hr, time_dim="tiem"),
        lambda hr: d.perfect(hr, time_dim="time"),
    ),
    "x twice": case(
        "The same dimension is named as x and as y.",
        GridError,
        r"two spatial dimensions of 't2m', got 'latitude' for both\. Pass x_dim= and y_dim=",
        d.alone(),
        lambda hr: d.perfect(hr, x_dim="latitude"),
        lambda hr: d.perfect(hr, x_dim="longitude", y_dim="latitude"),
    ),
    "two times": case(
        "Two dimensions hold dates, such as the start and the date of forecasts.",
        TimeError,
        r"one time dimension of 't2m', got \['init', 'valid'\]\. Pass time_dim= .*\.isel\(init=0\)",
        d.alone(init_and_valid),
        d.perfect,
        lambda hr: [
            d.perfect(hr.isel(init=0)),
            d.perfect(hr, time_dim="valid", extra_dims={"init": "samples"}),
        ],
    ),
    "unknown dimension": case(
        "There is a dimension beside time, y and x that neither its name nor you explain.",
        GridError,
        r"got 'band' too .*Select one with .isel\(band=0\).*extra_dims=\{'band': 'channels'\}",
        d.alone(lambda ds: d.levels(ds, "band")),
        d.perfect,
        lambda hr: [
            d.perfect(hr.isel(band=0)),
            d.perfect(hr, extra_dims={"band": "channels"}),
            d.perfect(hr, extra_dims={"band": "samples"}),
        ],
    ),
    "role of a dimension": case(
        "`extra_dims=` gives a dimension another role than the two.",
        ValueError,
        r"extra_dims\['band'\] to be one of .*, got 'channel'\. Pass",
        d.alone(lambda ds: d.levels(ds, "band")),
        lambda hr: d.perfect(hr, extra_dims={"band": "channel"}),
        lambda hr: d.perfect(hr, extra_dims={"band": "channels"}),
    ),
    "no entries": case(
        "A dimension of levels or members is empty.",
        GridError,
        r"'level' has no entries\. Select",
        d.alone(lambda ds: d.levels(ds).isel(level=slice(0, 0))),
        d.perfect,
        lambda hr: d.perfect(d.levels(d.hr())),
    ),
    "levels of one name": case(
        "A level becomes a variable of a name that is there already.",
        VariableError,
        r"Two variables of the HR data have the name 't2m_500' once .* are channels\. Rename",
        d.alone(twice_named),
        d.perfect,
        lambda hr: d.perfect(hr.rename(t2m_500="t500")),
    ),
    "other grids": case(
        "The variables of a dataset lie on several grids.",
        GridError,
        r"the HR data on the same dimensions, got \{.*'rough': \('lat', 'lon'\)\}\. Select those",
        d.alone(two_grids),
        d.perfect,
        lambda hr: d.perfect(hr[["t2m"]], static=hr[["rough"]]),
    ),
    "other members": case(
        "LR and HR data have other members.",
        GridError,
        r"the same entries along 'member' in the HR data and the LR data, got \[0, 1, 2\] and",
        d.pair(
            lambda ds: ensemble(ds, (1, 2, 3)),
            lambda ds: ensemble(ds),
        ),
        d.mos,
        lambda lr, hr: d.mos(lr.sel(member=[1, 2]), hr.sel(member=[1, 2])),
    ),
    "two names of members": case(
        "The members of LR and HR data lie along dimensions of different names.",
        GridError,
        r"members of the HR data and the LR data along one dimension, got 'number' and 'member'\.",
        d.pair(ensemble, lambda ds: ensemble(ds).rename(member="number")),
        d.mos,
        lambda lr, hr: d.mos(lr.rename(member="number"), hr),
    ),
    "a member that predictors lack": case(
        "LR data have a member that the predictors beside them do not have.",
        GridError,
        r"2 along 'member' in all data that have this dimension, got \[0, 1\]\. Select the entries",
        lambda: {
            "lr": ensemble(d.lr()),
            "hr": d.hr()[["t2m"]],
            "predictors": ensemble(d.lr(), (0, 1)).rename(t2m="copy"),
        },
        lambda lr, hr, predictors: d.mos(lr, hr, predictors=predictors),
        lambda lr, hr, predictors: d.mos(lr.sel(member=[0, 1]), hr, predictors=predictors),
    ),
    "another level": case(
        "LR and HR data are each at one level, and not at the same one.",
        VariableError,
        r"'t2m' of the LR data at level 850 as in the HR data, got level 500\. Select the same",
        d.pair(
            lambda ds: d.levels(ds, labels=(500,)),
            lambda ds: d.levels(ds, labels=(850,)),
        ),
        d.mos,
        lambda lr, hr: [
            d.mos(d.levels(d.lr(), labels=(850,)), hr),
            d.mos(lr.rename(t2m="above"), hr),
        ],
    ),
    "another pressure of single fields": case(
        "LR and HR data are each at one pressure, and not at the same one.",
        VariableError,
        r"at pressure 85000\.?0* Pa as in the HR data, got pressure 500 hPa\. Select",
        d.pair(
            lambda ds: single(ds, "level", 500.0, "hPa"),
            lambda ds: single(ds, "plev", 85000.0, "Pa"),
        ),
        d.mos,
        lambda lr, hr: [
            d.mos(single(d.lr(), "level", 850, "hPa"), hr),
            d.mos(lr.rename(t2m="above"), hr),
        ],
    ),
    "other labels": case(
        "Samples without dates have labels in another order.",
        TimeError,
        r"samples of the LR data and the HR data in one order, got .* as 'case' at .*\. Sort both",
        lambda: {"lr": labelled(d.lr()).isel(time=slice(None, None, -1)), "hr": labelled(d.hr())},
        d.mos,
        lambda lr, hr: [
            d.mos(lr.sortby("case"), hr.sortby("case")),
            d.mos(lr.drop_vars("case"), hr),
        ],
    ),
    "another height": case(
        "LR and HR data are each at one height, and not at the same one.",
        VariableError,
        r"'t2m' of the LR data at height 2 m as in the HR data, got height 0\.1 km\. Select",
        d.pair(
            lambda ds: single(ds, "height", 0.1, "km"), lambda ds: single(ds, "height", 2.0, "m")
        ),
        d.mos,
        lambda lr, hr: [
            d.mos(single(d.lr(), "height", 0.002, "km"), hr),
            d.mos(single(d.lr(), "height", 1.5, "m"), hr),  # of a thermometer screen too
        ],
    ),
    "members twice": case(
        "A member is there twice.",
        GridError,
        r"each entry along 'member' once, got \[0, 1, 1\]\. .*\.drop_duplicates\('member'\)\.",
        d.alone(lambda ds: ensemble(ds, (0, 1, 1))),
        d.perfect,
        lambda hr: d.perfect(hr.drop_duplicates("member")),
    ),
    "members of the truth": case(
        "The truth of a score or figure, or the LR data beside it, has members.",
        GridError,
        r"the truth without members, got 3 along 'member'\. Select one with .isel\(member=0\), or",
        d.scored(spoil_hr=ensemble),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr),
        lambda sr, hr, lr: [
            sr.downscale.evaluate(one, lr=lr)
            for one in (hr.isel(member=0), hr.mean("member", keep_attrs=True))
        ],
    ),
    "members of members": case(
        "A prediction that is scored or drawn has two dimensions of members.",
        GridError,
        r"prediction to have one dimension of members, got \['number', 'member'\]\. Make one of",
        d.scored(lambda sr: ensemble(sr).expand_dims(number=2)),
        lambda sr, hr, lr: sr.downscale.evaluate(hr, lr=lr),
        lambda sr, hr, lr: [
            one.downscale.evaluate(hr, lr=lr)
            for one in (sr.stack(ensemble=["number", "member"]), sr.isel(member=0))
        ],
    ),
}

# --- grid -----------------------------------------------------------------------------------------

case = section("Grid")


def closed_circle(ds):
    """Around the globe, and the first column once more."""
    about = dict(ds.longitude.attrs)
    return ds.assign_coords(longitude=("longitude", 30.0 * np.arange(13), about))


def without_row(ds):
    return ds.isel(latitude=[0, 1, 2, 4, 5, 6, 7])


def nan_latitude(ds):
    latitude = ds.latitude.data.copy()
    latitude[[0, 1]] = np.nan
    return ds.assign_coords(latitude=("latitude", latitude, ds.latitude.attrs))


def stations(ds):
    return ds.assign_coords(latitude=[f"row {i}" for i in range(ds.sizes["latitude"])])


GRID = {
    "no coordinate": case(
        "A spatial dimension has no coordinate.",
        GridError,
        r"'t2m' has no coordinate along 'latitude'\. .*\.assign_coords\(latitude=",
        d.alone(lambda ds: ds.drop_vars("latitude")),
        d.perfect,
        lambda hr: d.perfect(hr.assign_coords(latitude=d.hr().latitude)),
    ),
    "one row": case(
        "There is one row or column alone.",
        GridError,
        r"'latitude' to be one-dimensional with at least 2 cells, got shape \(1,\)\. Select a lar",
        d.alone(lambda ds: ds.isel(latitude=[0])),
        d.perfect,
        lambda hr: d.perfect(d.hr().isel(latitude=slice(4))),
    ),
    "NaN in a coordinate": case(
        "A coordinate holds NaN.",
        GridError,
        r"'latitude' to hold finite numbers, got float64 with 2 that are NaN or infinite\. Drop th",
        d.alone(nan_latitude),
        d.perfect,
        lambda hr: d.perfect(hr.isel(latitude=np.isfinite(hr["latitude"]))),
    ),
    "text in a coordinate": case(
        "A coordinate holds text.",
        GridError,
        r"'latitude' to hold finite numbers, got <U\d+ with values such as 'row 0'\. Assign",
        d.alone(stations),
        d.perfect,
        lambda hr: d.perfect(hr.assign_coords(latitude=d.hr().latitude)),
    ),
    "unsorted": case(
        "A coordinate is in no order.",
        GridError,
        r"'latitude' to be strictly increasing or decreasing, got .*\.sortby\('latitude'\)",
        d.alone(lambda ds: ds.isel(latitude=[0, 2, 1, 3, 4, 5, 6, 7])),
        d.perfect,
        lambda hr: d.perfect(hr.sortby("latitude")),
    ),
    "latitudes beyond the poles": case(
        "Latitudes go beyond the poles: they are longitudes, or no degrees.",
        GridError,
        r"latitudes 'latitude' in -90 to 90 degrees, got .*\. Set the units",
        d.alone(lambda ds: d.moved(ds, latitude=60.0)),
        d.perfect,
        lambda hr: d.perfect(d.moved(hr, latitude=-60.0)),
    ),
    "the first column again": case(
        "Longitudes go from 0 to 360, both included.",
        GridError,
        r"once around the globe at most, got 0 to 360\. Drop the last column, .*\.isel\(longitude=",
        d.alone(lambda ds: closed_circle(d.hr(x=13))),
        d.perfect,
        lambda hr: d.perfect(hr.isel(longitude=slice(None, -1))),
    ),
    "a row twice": case(
        "A row is there twice.",
        GridError,
        r"'latitude' to be strictly .* got .* followed by .*\.drop_duplicates\('latitude'\)",
        d.alone(lambda ds: ds.isel(latitude=[0, 0, 1, 2, 3, 4, 5, 6, 7])),
        d.perfect,
        lambda hr: d.perfect(hr.drop_duplicates("latitude")),
    ),
    "a row is missing": case(
        "A row or column is missing from an even grid.",
        GridError,
        r"'latitude' in even steps of 0\.25, got a gap between 49 and 49\.5: 1 missing.*\.reindex",
        d.alone(without_row),
        d.perfect,
        lambda hr: [
            d.perfect(hr.isel(latitude=slice(3, None))),
            d.perfect(
                hr.reindex(latitude=np.linspace(50, 48.25, 8), method="nearest", tolerance=0.0025)
            ),
        ],
    ),
    "scale of one": case(
        "The scale is no whole number of at least 2.",
        GridError,
        r"`scale` to be a whole number >= 2, or a pair \(y, x\) of them, got 1",
        d.alone(),
        lambda hr: hr.downscale.coarsen(1),
        lambda hr: hr.downscale.coarsen(4),
    ),
    "scale that leaves cells over": case(
        "The scale leaves rows or columns over.",
        GridError,
        r"latitude has 8 cells, 2 too many \(48\.5, 48\.25\)\. .*isel\(latitude=slice\(0, 6\).*tri",
        d.alone(),
        lambda hr: d.perfect(hr, scale=3),
        lambda hr: [
            d.perfect(hr.isel(latitude=slice(0, 6), longitude=slice(0, 12)), scale=3),
            d.perfect(hr, scale=3, trim=True),
        ],
    ),
    "scale too large": case(
        "The region is less than two LR cells wide.",
        GridError,
        "at least two blocks of 8 cells along latitude, got 8 cells. Use a smaller scale or a lar",
        d.alone(),
        lambda hr: d.perfect(hr, scale=8),
        lambda hr: [d.perfect(hr, scale=4), d.perfect(d.hr(y=16, x=16), scale=8)],
    ),
}

# --- coordinates and CRS --------------------------------------------------------------------------

case = section("Coordinates and CRS")


def in_km_stated(ds):
    """Coordinates in km beside a CRS in metres."""
    return d.mapped(d.plane(ds, 10, 3.0e3, 4.0e3, "km"), {"crs_wkt": pyproj.CRS(d.LAEA).to_wkt()})


def in_metres(ds):
    """Coordinates in km, brought to m."""
    return ds.assign_coords(
        y=("y", 1000 * ds["y"].data, {"units": "m"}), x=("x", 1000 * ds["x"].data, {"units": "m"})
    )


def with_units(ds, units):
    return ds.assign_coords({n: (n, ds[n].data, {"units": units}) for n in "yx"})


def to_metres(ds):
    return ds.assign_coords({n: (n, ds[n].data * 1e3, {"units": "m"}) for n in "yx"})


def written(ds, crs):
    """As the messages say it."""
    import rioxarray  # noqa: F401  registers .rio

    return ds.rio.write_crs(crs)


ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
}

CRS = {
    "plane without a CRS": case(
        "One side is in latitude and longitude, the other on a map of unknown projection.",
        GridError,
        r"the HR data and .* got 'y' \(planar\) and 'latitude' .* no CRS of the HR.*rioxarray",
        lambda: {"lr": d.around_europe(), "hr": d.plane(d.hr(), 10e3, 3.25e6, 4.25e6)},
        d.mos,
        lambda lr, hr: d.mos(lr, written(hr, d.LAEA)),
    ),
    "a grid mapping that says nothing": case(
        "The grid mapping is none that can be read.",
        GridError,
        r"the grid mapping 'map' to state a CRS .* got grid_mapping_name='mercury' .*\.rio\.write",
        d.alone(lambda ds: d.mapped(d.plane(ds), {"grid_mapping_name": "mercury"})),
        d.perfect,
        lambda hr: [
            d.perfect(written(hr.drop_vars("map", errors="ignore"), d.LAEA)),
            d.perfect(hr.drop_vars("map")),
        ],
    ),
    "units other than the CRS's": case(
        "The coordinates are in kilometres, the CRS in metres.",
        GridError,
        r"y and x in the unit of the CRS in 'map', 'metre', got 'km'\. Bring them to",
        d.alone(in_km_stated),
        d.perfect,
        lambda hr: [
            d.perfect(to_metres(hr)),
            d.perfect(written(hr.drop_vars("map"), "+proj=laea +lat_0=52 +lon_0=10 +units=km")),
        ],
    ),
    "units of no length": case(
        "The coordinates of a map are in a unit that is no length.",
        GridError,
        r"y and x in one unit of length such as 'm' or 'km', as 'map' .* got 'degrees' and",
        d.alone(lambda ds: d.mapped(d.plane(ds, units="degrees"), d.cf_only(d.LAEA))),
        d.perfect,
        lambda hr: d.perfect(with_units(hr, "m")),
    ),
    "metres of a rotated pole": case(
        "The coordinates of a rotated pole are in metres.",
        GridError,
        r"y and x in 'degrees', because 'map' is a CRS of angles, got 'm' and 'm'\. Bring",
        d.alone(lambda ds: d.mapped(d.plane(ds, 0.1, 1, 1), ROTATED)),
        d.perfect,
        lambda hr: d.perfect(with_units(hr, "degrees")),
    ),
    "two units without a CRS": case(
        "LR and HR data lie on a plane without a CRS, in two units of length.",
        GridError,
        r"the LR data and the HR data in one unit of length, got 'y' in 'km' and 'y' in 'm'\.",
        lambda: {"lr": d.plane(d.lr(), 20, 2995.0, 4005.0, "km"), "hr": d.plane(d.hr())},
        d.mos,
        lambda lr, hr: d.mos(in_metres(lr), hr),
    ),
    "apart on the Earth": case(
        "LR and HR data of two CRSs lie apart.",
        GridError,
        r"grids that overlap, got the LR data on latitude .* and the HR data on y .*Select the",
        lambda: {"lr": d.lr(), "hr": d.in_europe(d.hr())},
        d.mos,
        lambda lr, hr: d.mos(d.around_europe(), hr),
    ),
    "hardly together on the Earth": case(
        "LR cells cover hardly any HR cell of another CRS.",
        GridError,
        r"LR cells to cover a rectangle of HR cells of y .* got latitude .* Select the same region",
        lambda: {
            "lr": d.moved(d.around_europe(4), latitude=-0.65, longitude=-0.65),
            "hr": d.in_europe(d.hr()),
        },
        d.mos,
        lambda lr, hr: d.mos(d.around_europe(), hr),
    ),
    "static elsewhere on the Earth": case(
        "Static fields of another CRS do not cover the domain.",
        GridError,
        r"static= to cover y .* which leaves \d+ of 96 cells uncovered\. Provide fields for the",
        lambda: {
            "hr": d.in_europe(d.hr()[["t2m"]]),
            "static": d.around_europe().t2m.isel(time=0, latitude=slice(0, 4)).rename("rough"),
        },
        lambda hr, static: d.perfect(hr, static=static),
        lambda hr, static: d.perfect(
            hr, static=d.around_europe(12).t2m.isel(time=0).rename("rough")
        ),
    ),
    "places of features": case(
        "Latitudes are wanted as features on a map of unknown projection.",
        GridError,
        r"with latitudes and longitudes for \['latitude'\], got planar axes without a CRS: y .* Se",
        d.alone(lambda ds: d.plane(ds, 10e3, 3.25e6, 4.25e6)),
        lambda hr: d.perfect(hr, coordinate_features="latitude"),
        lambda hr: [
            d.perfect(written(hr, d.LAEA), coordinate_features="latitude"),
            d.perfect(in_places(hr), coordinate_features="latitude"),
            d.perfect(hr),
        ],
    ),
    "off the Earth": case(
        "Some cells look past the Earth, and their latitudes are wanted as features.",
        GridError,
        r"every cell to have a latitude and longitude for \['latitude'\], got \d+ cells of y .* li",
        d.alone(
            lambda ds: d.mapped(
                d.plane(ds, 1.0e6, 5.0e6, -5.5e6),
                pyproj.CRS("+proj=geos +h=35785831 +lon_0=0 +units=m").to_cf(),
            )
        ),
        lambda hr: d.perfect(hr, coordinate_features="latitude"),
        lambda hr: [
            d.perfect(hr),
            d.perfect(hr.isel(y=slice(2, 8), x=slice(3, 9)), coordinate_features="latitude"),
        ],
    ),
}


def in_places(ds):
    """With two-dimensional latitudes and longitudes."""
    lon, lat = pyproj.Transformer.from_crs(d.LAEA, 4326, always_xy=True).transform(
        *np.meshgrid(ds.x, ds.y)
    )
    about = {"lat": (lat, "latitude", "degrees_north"), "lon": (lon, "longitude", "degrees_east")}
    return ds.assign_coords(
        {
            n: xr.Variable(("y", "x"), v, {"standard_name": s, "units": u})
            for n, (v, s, u) in about.items()
        }
    )


PARTS = (PASSED, DIMENSIONS, GRID, CRS)
