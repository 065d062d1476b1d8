"""CF metadata of predictions: coordinates, bounds, grid mapping, time, history and encodings.

The metadata follow CF-1.8 and the needs of GDAL: x and y have a `standard_name`, and the grid
mapping is a scalar coordinate with WKT. Attributes refer to the grid mapping, because arithmetic
drops encodings.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Mapping

import numpy as np
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.cf.conventions import with_axes, with_encodings, with_names, with_times
from xr_dl4ds.grid.cf.dimensions import auxiliary_names
from xr_dl4ds.grid.cf.storable import storable_attrs
from xr_dl4ds.grid.crs import crs_of, geographic, is_planar, named_axes, placed
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import REALIZATION, TIME, Attrs
from xr_dl4ds.grid.units import difference_of, has_own_zero

logger = logging.getLogger(__name__)

#: Global attribute with the provenance as JSON; CF has no field for it.
PROVENANCE = "xr_dl4ds_provenance"

#: Suffix of the name of a standard deviation.
SPREAD = "_spread"

#: Standard name of the dates at which forecasts begin.
REFERENCE_TIME = "forecast_reference_time"


def target_attrs(attrs: Attrs) -> Attrs:
    """Return the attributes that a prediction inherits from its target.

    Attributes that describe the storage of the target are dropped.
    """
    dropped = {"history", "grid_mapping", "coordinates", "bounds", "ancillary_variables"}
    dropped |= {"actual_range", "valid_range", "valid_min", "valid_max", "missing_value"}
    return {
        k: v
        for k, v in storable_attrs(attrs).items()
        if k not in dropped
        and not k.startswith(("GRIB_", "_"))
        and not (k == "standard_name" and v == "unknown")
    }


def with_spread(
    out: xr.Dataset, spread: xr.Dataset, attrs: Mapping[str, Attrs]
) -> tuple[xr.Dataset, dict[str, Attrs]]:
    """Add the standard deviations of targets as CF ancillary variables.

    Parameters
    ----------
    out, spread : xarray.Dataset
        Targets and their standard deviations, both under the names of the targets and in one
        layout.
    attrs : mapping
        Attributes of each target.

    Returns
    -------
    tuple
        All variables in one dataset, and the attributes of each variable.
    """
    about = dict(attrs)
    for name in map(str, spread.data_vars):
        about[name] = {**attrs[name], "ancillary_variables": f"{name}{SPREAD}"}
        about[f"{name}{SPREAD}"] = _spread_attrs(name, attrs[name])
    added = {f"{name}{SPREAD}": v for name, v in spread.items()}
    return out.drop_vars([n for n in added if n in out.coords]).assign(added), about


def _spread_attrs(name: str, attrs: Attrs) -> Attrs:
    """Return the attributes of the predictive standard deviation, given the LR fields."""
    found = {"long_name": f"standard deviation of {attrs.get('long_name', name)}"}
    # not "realization: standard_deviation": CF-1.8 requires that dimension or coordinate
    if "cell_methods" in attrs:
        found["cell_methods"] = attrs["cell_methods"]
    if "standard_name" in attrs:  # CF-1.8, appendix C: modifier of an uncertainty
        found["standard_name"] = f"{attrs['standard_name']} standard_error"
    if "units" in attrs:
        units = str(attrs["units"])
        found["units"] = str(difference_of(units))
        if has_own_zero(units) or units == "K":  # CF-1.11, section 3.1.2
            found["units_metadata"] = "temperature: difference"
    return found


def georeference(
    data: xr.Dataset,
    grid: Grid,
    attrs: Mapping[str, Attrs],
    source: xr.Dataset,
    provenance: Attrs,
) -> xr.Dataset:
    """Convert a prediction to a CF-1.8 dataset.

    Parameters
    ----------
    data : xarray.Dataset
        Predicted variables in the caller's layout; dimensions have the names in `grid`.
    grid : Grid
        HR grid in the same layout.
    attrs : mapping
        Attributes of each variable.
    source : xarray.Dataset
        The LR data; the prediction inherits their global attributes and continues their history.
    provenance : mapping
        JSON values about the model; "summary" is the new line of `history`.

    Returns
    -------
    xarray.Dataset
        Dataset with coordinates, bounds, grid mapping and encodings, lazy where `data` is lazy.
    """
    import rioxarray  # noqa: F401  registers .rio, so that prediction.rio.to_raster works

    crs = crs_of(grid)
    if crs is not None and crs[0] in data.data_vars:  # a target already has this name
        crs = (f"{crs[0]}_mapping", crs[1])
    out = with_times(with_axes(data.copy(), named_axes(grid, crs)), source)
    for name in out.data_vars:
        out[name].attrs = dict(attrs[str(name)])
        out[name].encoding = {"dtype": "float32", "zlib": True, "_FillValue": np.float32("nan")}
        if crs is not None:
            out[name].attrs["grid_mapping"] = crs[0]
    out = _with_members(out)
    _warn_of_layouts(grid)
    out = _with_geographic(out, grid)
    beside = auxiliary_names(out)
    if crs is not None:
        out = out.assign_coords({crs[0]: xr.Variable((), np.int32(0), crs[1])})
        beside |= {crs[0]}
    out.attrs = _global_attrs(source.attrs, provenance)
    for name in out.coords:
        out[name].attrs = storable_attrs(out[name].attrs)
    return with_encodings(with_names(_with_time_of_analyses(out), beside), beside)


def _with_time_of_analyses(out: xr.Dataset) -> xr.Dataset:
    """Call the axis `time` of analyses, which cfgrib calls a reference time, the time of validity.

    The axis of forecasts with several lead times keeps its name.
    """
    if TIME not in out.coords or out[TIME].attrs.get("standard_name") != REFERENCE_TIME:
        return out
    valid = [v for v in out.coords.values() if v.attrs.get("standard_name") == "time"]
    if not any(set(v.dims) - {TIME} for v in valid):
        out[TIME].attrs["standard_name"] = "time"
    return out


def _with_members(out: xr.Dataset) -> xr.Dataset:
    """Add the CF coordinate of ensemble members; keep the caller's labels."""
    if REALIZATION not in out.dims:
        return out
    about = {"standard_name": "realization", "units": "1"}
    if REALIZATION in out.coords:
        labels = out[REALIZATION]
        return out.assign_coords({REALIZATION: labels.assign_attrs({**about, **labels.attrs})})
    # CF-1.8 has no 64-bit integers
    members = np.arange(out.sizes[REALIZATION], dtype="i4")
    return out.assign_coords({REALIZATION: (REALIZATION, members, about)})


def _warn_of_layouts(grid: Grid) -> None:
    """Warn about layouts of the caller's data that other tools do not read correctly."""
    name, steps = grid.x.name, np.diff(grid.x.values)
    if grid.x.kind == "longitude" and (steps > 0).any() and (steps < 0).any():
        logger.warning(
            "the longitudes of the prediction step over the seam, as those of its input do: CF asks"
            " for one run, and GeoTIFF needs it. Before writing, unroll them with"
            " .assign_coords(%s=np.unwrap(sr.%s, period=360))",
            *(name, name),
        )
    rows = np.diff(grid.y.canonical) / grid.y.spacing
    poles = grid.y.kind == "latitude" and np.abs(grid.y.edges[[0, -1]]).max() >= 90
    if poles and (np.abs(rows - 1) > 0.01).any() and (np.abs(rows - 1) < 1e-3).mean() > 0.5:
        logger.warning(
            "the rows of the prediction are unevenly spaced at the poles, where the input has half"
            " cells: GDAL cannot place them. Leave the polar rows out for it, .isel(%s=slice(1,"
            " -1)) before predicting",
            grid.y.name,
        )


def _with_geographic(out: xr.Dataset, grid: Grid) -> xr.Dataset:
    """Add latitude and longitude ``(y, x)`` of the cells to grids with other axes."""
    if not (is_planar(grid) and placed(grid)):
        return out
    lat, lon = geographic(grid)
    dims = (grid.y.name, grid.x.name)
    about = {
        "lat": (lat, {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": (lon, {"standard_name": "longitude", "units": "degrees_east"}),
    }
    free = {n: xr.Variable(dims, v, a) for n, (v, a) in about.items() if n not in out.variables}
    return out.assign_coords(free)


def _global_attrs(inherited: Attrs, provenance: Attrs) -> Attrs:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = f"{now}: {provenance['summary']}"
    earlier = str(inherited.get("history", "")).strip()
    origin = inherited.get("source") or inherited.get("title") or "not stated"
    attrs = {k: v for k, v in inherited.items() if k in ("institution", "license", "licence")}
    return {
        "Conventions": "CF-1.8",
        "title": f"{inherited.get('title') or 'LR fields'}, downscaled",
        **attrs,
        "source": f"{provenance['software']}; input: {origin}",
        "references": "Gomez Gonzalez 2023, doi:10.1017/eds.2022.26",
        "history": f"{line}\n{earlier}" if earlier else line,
        PROVENANCE: json.dumps(provenance, sort_keys=True),
    }


def provenance_of(ds: xr.Dataset | xr.DataArray) -> Attrs:
    """Return the provenance that `georeference` stored in a prediction; empty for other data.

    Raises
    ------
    GridError
        If the attribute exists but cannot be read.
    """
    text = ds.attrs.get(PROVENANCE)
    if text is None:
        return {}
    try:
        noted = dict(json.loads(text))
        return noted | {k: _scale(v) for k, v in noted.items() if k == "scale"}
    except (TypeError, ValueError) as error:
        raise GridError(
            f"Expected the attribute {PROVENANCE!r} to hold JSON, got {str(text)[:60]!r}."
            " Remove it and pass lr= or scale=."
        ) from error


def _scale(noted: object) -> int | tuple[int, int]:
    """Return a scale that was noted as a number, its text, or a pair."""
    return Scale.of(noted if isinstance(noted, list) else int(str(noted))).public
