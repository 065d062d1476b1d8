"""CF metadata of what comes out: coordinates, bounds, grid mapping, time, history, encodings.

After CF-1.8 and what GDAL needs of it: `standard_name` on x and y, the grid mapping in attributes
(an encoding is lost in arithmetic) and as a scalar coordinate with WKT.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import pyproj
import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import Axis, cell_bounds
from xr_dl4ds.grid.discovery import holds_times
from xr_dl4ds.grid.fields import Grid

#: Global attribute with the provenance as JSON; CF has no field for it.
PROVENANCE = "xr_dl4ds_provenance"

_AXIS_ATTRS: dict[str, dict[str, str]] = {
    "latitude": {"standard_name": "latitude", "units": "degrees_north"},
    "longitude": {"standard_name": "longitude", "units": "degrees_east"},
    "planar": {},
}


def target_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of a target that its prediction inherits: what it is, not how it was stored."""
    dropped = {"history", "grid_mapping", "coordinates", "bounds", "ancillary_variables"}
    dropped |= {"actual_range", "valid_range", "valid_min", "valid_max", "missing_value"}
    return {
        k: v
        for k, v in attrs.items()
        if k not in dropped
        and not k.startswith(("GRIB_", "_"))
        and not (k == "standard_name" and v == "unknown")
    }


def crs_of(grid: Grid) -> tuple[str, dict[str, Any]] | None:
    """Name and attributes of the grid-mapping variable; None for planar axes without a CRS.

    Latitude and longitude without a grid mapping are taken as WGS 84, EPSG:4326.
    """
    if grid.mapping_name is not None and grid.mapping:
        kept = {k: v for k, v in grid.mapping.items() if k != "GeoTransform"}
        crs = pyproj.CRS.from_cf(kept)
        name = grid.mapping_name
    elif (grid.y.kind, grid.x.kind) == ("latitude", "longitude"):
        crs, kept, name = pyproj.CRS.from_epsg(4326), {}, "crs"
    else:
        return None
    attrs = {**crs.to_cf(), **kept}
    return name, {**attrs, "spatial_ref": attrs.get("crs_wkt", crs.to_wkt())}


def georeference(
    data: xr.Dataset,
    grid: Grid,
    attrs: Mapping[str, Mapping[str, Any]],
    source: xr.Dataset,
    provenance: Mapping[str, Any],
) -> xr.Dataset:
    """Make a prediction a CF-1.8 dataset.

    Parameters
    ----------
    data : xarray.Dataset
        Predicted variables in the caller's layout, dimensions named as in `grid`.
    grid : Grid
        HR grid in the same layout.
    attrs : mapping
        Attributes of each variable.
    source : xarray.Dataset
        The LR data, whose global attributes and history are continued.
    provenance : mapping
        Plain JSON values about the model; "summary" is the line for `history`.

    Returns
    -------
    xarray.Dataset
        With coordinates, bounds, grid mapping and encodings; data as lazy as they came.
    """
    import rioxarray  # noqa: F401  registers .rio, so that prediction.rio.to_raster works

    out = data.copy()
    crs = crs_of(grid)
    for name in out.data_vars:
        out[name].attrs = dict(attrs[str(name)])
        out[name].encoding = {"dtype": "float32", "zlib": True, "_FillValue": np.float32("nan")}
        # auxiliary coordinates by name; None keeps the grid mapping from being listed as one
        out[name].encoding["coordinates"] = _auxiliary(out, name)
        if crs is not None:
            out[name].attrs["grid_mapping"] = crs[0]
    for axis, letter in ((grid.y, "Y"), (grid.x, "X")):
        out = _with_axis(out, axis, letter)
    if crs is not None:
        out = out.assign_coords({crs[0]: xr.Variable((), np.int32(0), crs[1])})
    out = _with_time(out)
    out.attrs = _global_attrs(source.attrs, provenance)
    return out


def _auxiliary(out: xr.Dataset, name: Any) -> str | None:
    dims = set(out[name].dims)
    found = [str(c) for c in out.coords if c not in out.dims and set(out[c].dims) <= dims]
    return " ".join(sorted(found)) or None


def _with_axis(out: xr.Dataset, axis: Axis, letter: str) -> xr.Dataset:
    bounds = f"{axis.name}_bnds"
    attrs = {**axis.attrs, **_AXIS_ATTRS[axis.kind], "axis": letter, "bounds": bounds}
    out = out.assign_coords(
        {
            axis.name: xr.Variable(axis.name, axis.values, attrs),
            bounds: xr.Variable((axis.name, "bnds"), cell_bounds(axis)),
        }
    )
    out[axis.name].encoding = {"dtype": axis.values.dtype, "_FillValue": None}
    out[bounds].encoding = {"_FillValue": None, "coordinates": None}
    return out


def _with_time(out: xr.Dataset) -> xr.Dataset:
    """CF attributes of every time coordinate; units and calendar stay those of the input."""
    for name in list(out.coords):
        coordinate = out[name]
        if not holds_times(coordinate):
            continue
        attrs = dict(coordinate.attrs)
        if name in out.dims:
            attrs.update(standard_name="time", axis="T")
            attrs.pop("bounds", None)
        kept = {k: v for k, v in coordinate.encoding.items() if k in ("units", "calendar")}
        out = out.assign_coords({name: coordinate.variable.copy()})
        out[name].attrs = attrs
        out[name].encoding = {**kept, "dtype": "float64", "_FillValue": None}
    return out


def _global_attrs(inherited: Mapping[str, Any], provenance: Mapping[str, Any]) -> dict[str, Any]:
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


def provenance_of(ds: xr.Dataset | xr.DataArray) -> dict[str, Any]:
    """What `georeference` noted on a prediction; empty for other data.

    Raises
    ------
    GridError
        When the note is there but cannot be read.
    """
    text = ds.attrs.get(PROVENANCE)
    if text is None:
        return {}
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise GridError(
            f"Expected the attribute {PROVENANCE!r} to hold JSON, got {str(text)[:60]!r}."
            " Remove it and pass lr= or scale=."
        ) from error
