"""Small data to spoil, the models that they are given to, and the calls that take them."""

import functools

import pyproj
import numpy as np
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False}

LAEA = "EPSG:3035"


def hr(**sizes):
    """`t2m` (time, latitude, longitude) and `orog`."""
    return analytic(**sizes)


def lr(**sizes):
    """`t2m` on cells twice as large."""
    return analytic(**sizes)[["t2m"]].downscale.coarsen(2)


def bare(ds):
    """Without bounds, so that coordinates can be replaced."""
    return ds.drop_vars(["latitude_bnds", "longitude_bnds"], errors="ignore")


def moved(ds, **offsets):
    """With coordinates shifted by so much."""
    return ds.assign_coords({k: (k, ds[k].data + v, ds[k].attrs) for k, v in offsets.items()})


def later(ds, days):
    return ds.assign_coords(time=ds.time + np.timedelta64(days, "D"))


def in_units(ds, units, offset=0.0):
    """`t2m` plus a constant, in other units."""
    return ds.assign(t2m=(ds.t2m + offset).assign_attrs(ds.t2m.attrs | {"units": units}))


def winds(ds):
    """Two variables of wind on the same cells, no temperature."""
    about = {"units": "m s-1"}
    u = (ds.t2m - 280).assign_attrs(about)
    return ds.drop_vars("t2m").assign(u=u, v=(2 * u).assign_attrs(about))


def levels(ds, dim="level", labels=(500, 850), name="t2m"):
    """A variable with one more dimension."""
    labelled = xr.concat([ds[name] + i for i in range(len(labels))], dim, coords="minimal")
    return ds.assign(
        {name: labelled.assign_coords({dim: list(labels)}).assign_attrs(ds[name].attrs)}
    )


def with_spread(ds):
    """With a variable `t2m_spread`."""
    return ds.assign(t2m_spread=ds.t2m - 200)


def plane(ds, step=10e3, y0=3.0e6, x0=4.0e6, units="m"):
    """The same fields on a map without a CRS."""
    ds = bare(ds).rename(latitude="y", longitude="x")
    about = {"units": units} if units else {}
    at = {"y": y0 - step * np.arange(ds.sizes["y"]), "x": x0 + step * np.arange(ds.sizes["x"])}
    return ds.assign_coords({n: (n, v, dict(about)) for n, v in at.items()})


def mapped(ds, attrs):
    """With a grid mapping `map`."""
    ds = ds.assign_coords({"map": ((), 0, dict(attrs))})
    for name in ds.data_vars:
        ds[name].attrs["grid_mapping"] = "map"
    return ds


def cf_only(crs):
    """The parameters of CF, without WKT and the names that change with pyproj."""
    attrs = pyproj.CRS(crs).to_cf()
    return {
        k: v
        for k, v in attrs.items()
        if k == "grid_mapping_name" or not k.endswith(("_wkt", "_name"))
    }


def in_europe(ds, step=10e3):
    """The same fields on a map of Europe, in metres, about 52 N 10 E."""
    return mapped(plane(ds, step, 3.25e6, 4.25e6), cf_only(LAEA))


def around_europe(size=8, step=0.25):
    """LR fields in degrees around the map of Europe."""
    ds = bare(analytic(y=size, x=size))[["t2m"]]
    half = (size - 1) / 2
    at = {
        "latitude": 51.9 + step * (half - np.arange(size)),
        "longitude": 10.1 + step * (np.arange(size) - half),
    }
    return ds.assign_coords({n: (n, v, ds[n].attrs) for n, v in at.items()})


def offset(ds):
    """LR cells that do not nest in those of HR: three fifths of a cell to the west."""
    return moved(bare(ds), longitude=-0.3)


# --- models ---------------------------------------------------------------------------------------


@functools.cache
def fitted(kind):
    """One model of a kind for all cases."""
    low, high = lr(), hr()
    if kind == "plain":
        return high.downscale.fit(scale=2, **TINY)
    if kind == "latent":
        return high.downscale.fit(scale=2, loss="crps", validation=None, **TINY)
    if kind == "windows":
        return high.downscale.fit(scale=2, time_window=2, validation=None, **TINY)
    if kind == "flow":
        training = xd.FlowMatching(steps=1, calibrate=False)
        return high.downscale.fit(scale=2, training=training, validation=None, **TINY)
    if kind == "localized, windows, members":
        return high[["t2m"]].downscale.fit(
            scale=2,
            localized=True,
            time_window=2,
            dropout="vanilla",
            monte_carlo=True,
            backbone="convnet",
            validation=None,
            **TINY,
        )
    if kind in ("positions", "places"):
        features = ["x"] if kind == "positions" else ["latitude"]
        return high[["t2m"]].downscale.fit(scale=2, coordinate_features=features, **TINY)
    if kind == "bounded":
        bounded = {"output_activation": "sigmoid", "scaling": "minmax"}
        return high.downscale.fit(scale=2, **bounded, **TINY)
    if kind == "not localized":
        return high[["t2m"]].downscale.fit(scale=2, **TINY)
    if kind == "predictors":
        return winds(low).downscale.fit(high[["t2m"]], **TINY)
    if kind == "not nested":
        return offset(low).downscale.fit(high[["t2m"]], **TINY)
    if kind == "another CRS":
        return around_europe().downscale.fit(in_europe(high[["t2m"]]), **TINY)
    if kind == "name of a spread":
        draws = {"dropout": "vanilla", "monte_carlo": True}
        return with_spread(high[["t2m"]]).downscale.fit(scale=2, **draws, **TINY)
    raise KeyError(kind)


def model(kind="plain"):
    return {"model": fitted(kind)}


# --- what is given, and what is done with it ------------------------------------------------------


def alone(spoil=lambda ds: ds, **sizes):
    """HR data that are spoilt."""
    return lambda: {"hr": spoil(hr(**sizes))}


def pair(spoil_lr=lambda ds: ds, spoil_hr=lambda ds: ds):
    """LR and HR data, either of which is spoilt."""
    return lambda: {"lr": spoil_lr(lr()), "hr": spoil_hr(hr())}


def asked(spoil=lambda ds: ds, kind="plain"):
    """LR data that are spoilt, and a model."""
    return lambda: {"lr": spoil(lr()), **model(kind)}


def scored(spoil=lambda ds: ds, spoil_hr=lambda ds: ds):
    """A product that is scored and drawn, interpolation here, the truth and LR fields."""

    def given():
        low, high = lr(), hr()[["t2m"]]
        sr = low.downscale.interpolate(high).drop_attrs(deep=False)
        return {"sr": spoil(sr), "hr": spoil_hr(high), "lr": low}

    return given


def perfect(hr, **options):
    return hr.downscale.fit(**{"scale": 2, **TINY, **options})


def mos(lr, hr, **options):
    return lr.downscale.fit(hr, **{**TINY, **options})


def predict(lr, model, **options):
    return lr.downscale.predict(model, **options)
