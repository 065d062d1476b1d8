"""The caller's layout: names, order and directions of dimensions, and their coordinates."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import xarray as xr

from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.indexing import take
from xr_dl4ds.grid.cf.members import Members
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import REALIZATION, TIME, X, Y


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Layout of the LR data of a prediction.

    Parameters
    ----------
    dims : Dims
        Dimensions of the LR data.
    hr : Grid
        Grid of the prediction, in the layout of the LR data.
    order : mapping of numpy.ndarray
        Positions that reorder canonical HR cells into the caller's layout, by canonical dimension.
    """

    dims: Dims
    hr: Grid
    order: Mapping[str, np.ndarray]


def laid_out(out: xr.Dataset, source: xr.Dataset, layout: Layout, members: Members) -> xr.Dataset:
    """Give a member of a prediction the layout of the caller's data, without coordinates.

    Parameters
    ----------
    out : xarray.Dataset
        Variables ``([realization], time, ..., y, x)`` on canonical cells.
    source : xarray.Dataset
        The caller's data, with all members.
    layout : Layout
        Layout of the caller's data.
    members : Members
        The dimensions of members; `out` is one member.
    """
    out = take(out, layout.order).drop_vars([TIME], errors="ignore")
    names = {Y: layout.hr.y.name, X: layout.hr.x.name}
    if layout.dims.time is None:
        out = out.isel({TIME: 0})
    else:
        names[TIME] = layout.dims.time
    out = out.rename({d: n for d, n in names.items() if d in out.dims and d != n})
    return out.map(lambda v: _like_the_callers(v, source, layout, members))


def _like_the_callers(
    variable: xr.DataArray, source: xr.Dataset, layout: Layout, members: Members
) -> xr.DataArray:
    """Give a variable the caller's dimensions in order, and other dimensions before y and x."""
    hr_names = {layout.dims.y: layout.hr.y.name, layout.dims.x: layout.hr.x.name}
    like = _like(source, str(variable.name), layout)
    order = [hr_names.get(str(d), str(d)) for d in like.dims]
    # leave out dimensions of other variables, such as the levels of a predictor
    order = [d for d in order if d in variable.dims or d in members.labels or source.sizes[d] == 1]
    variable = variable.expand_dims([d for d in order if d not in variable.dims])
    own = [d for d in variable.dims if d not in (*order, REALIZATION)]
    variable = variable.isel({d: 0 for d in own if variable.sizes[d] == 1}, drop=True)
    variable = _in_order_of_labels(variable, source)
    inner = min(order.index(layout.hr.y.name), order.index(layout.hr.x.name))
    lead = [] if REALIZATION in order else [REALIZATION]
    further = [str(d) for d in own if d in variable.dims]
    dims = (*lead, *order[:inner], *further, *order[inner:])
    return variable.transpose(*dims, missing_dims="ignore")


def _in_order_of_labels(variable: xr.DataArray, source: xr.Dataset) -> xr.DataArray:
    """Put labelled entries, such as levels, into the caller's order."""
    for dim in (d for d in variable.dims if d in variable.coords and d in source.dims):
        if dim not in source.coords:
            continue
        known = variable[dim].to_numpy().tolist()
        asked = [label for label in source[dim].to_numpy().tolist() if label in known]
        if len(asked) == len(known):  # otherwise the labels belong to other variables
            variable = variable.isel({dim: [known.index(label) for label in asked]})
    return variable


def _like(source: xr.Dataset, name: str, layout: Layout) -> xr.DataArray:
    """Return the caller's variable whose layout the prediction of `name` follows."""
    if name in source.data_vars:
        return source[name]
    spatial = {layout.dims.y, layout.dims.x}
    return next(v for v in source.data_vars.values() if spatial <= set(v.dims))


def beside_one_another(
    parts: list[xr.Dataset], members: Members, source: xr.Dataset, layout: Layout, drawn: bool
) -> xr.Dataset:
    """Join all members along their dimensions, with the caller's coordinates except along y and x.

    `drawn` is True if there is a dimension of realizations drawn from the model.
    """
    for dim in reversed(list(members.labels)):
        size = len(members.labels[dim])
        parts = [
            xr.concat(parts[i : i + size], dim, coords="minimal", compat="override")
            for i in range(0, len(parts), size)
        ]
    (out,) = parts
    spatial = {layout.dims.y, layout.dims.x}
    kept: dict[str, xr.Variable] = {}
    for name in out.data_vars:
        for c, v in _like(source, str(name), layout).coords.items():
            along = set(v.dims)
            known = along & spatial or "grid_mapping_name" in v.attrs or c == "spatial_ref"
            # levels already have their labels
            labelled = any(out.sizes.get(d, 1) > 1 and d in out.coords for d in along)
            twice = c == REALIZATION and drawn
            target = c in out.data_vars or (c in out.dims and not along)
            if not (known or labelled or twice or target) and along <= set(map(str, out.dims)):
                kept[str(c)] = v.variable
    return out.assign_coords(kept)
