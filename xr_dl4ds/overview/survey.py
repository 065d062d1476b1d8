"""Survey of an object, step by step: an error in one step is noted, and the next steps follow."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Hashable

import pyproj
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.grid.cf.auxiliary_coordinates import geolocation_of
from xr_dl4ds.grid.cf.coordinates import axis_of
from xr_dl4ds.grid.cf.dimensions import (
    Dims,
    auxiliary_names,
    find_dim,
    find_dims,
    find_time,
    grid_mapping,
)
from xr_dl4ds.grid.cf.extra_dims import (
    AXIS,
    CHANNELS,
    SAMPLES,
    SINGLE,
    entries,
    recognized,
    roles_of,
    sample_axis,
)
from xr_dl4ds.grid.cf.fields import (
    Fields,
    as_dataset,
    candidates_of,
    gridded,
    require_usable,
    standardize,
)
from xr_dl4ds.grid.cf.members import members_of
from xr_dl4ds.grid.cf.missing_values import notes_on_marks
from xr_dl4ds.grid.cf.unfinished import UNFINISHED, require_finished
from xr_dl4ds.grid.cf.valid_times import with_valid_time
from xr_dl4ds.grid.crs import projection
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.overview.findings import Findings
from xr_dl4ds.overview.notes import is_even, note_data, note_grid
from xr_dl4ds.overview.report import Overview, kind_of
from xr_dl4ds.overview.times import times_of

ROLE = "the data"

#: Texts for the roles of further dimensions; channels and samples are listed with their entries.
_TOLD: dict[str | None, str] = {
    SINGLE: "set aside (length 1)",
    AXIS: "the sample axis",
    None: "unknown",
}


@with_expected_options
def overview(obj: xr.Dataset | xr.DataArray) -> Overview:
    """Return how the package interprets these data, and why it would refuse them.

    Only coordinates are read, and the object is not changed. Invalid data raise no error: the
    overview lists their problems, together with everything that could be read.

    Parameters
    ----------
    obj : xarray.Dataset or xarray.DataArray
        Any object, with a name or without.

    Returns
    -------
    Overview
        The overview, with a table and a map in notebooks.

    Raises
    ------
    TypeError
        If the object is not an xarray object.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> found = overview(xd.tutorial.synthetic(shape=(16, 24), days=1))
    >>> found.kind, found.y, found.x, found.shape, found.frequency
    ('latitude-longitude', 'latitude', 'longitude', (16, 24), '3 h')
    """
    told = Findings()
    with told.listening():
        ds = _dataset(obj, told)
        found = _dims(ds, told)
        extra = _extra(ds, found, told)
        fields = _fields(ds, told)
        grid, crs = _grid(ds, found, fields, told)
        time = next((d.time for d in found.values() if d.time), sample_axis(extra))
        times = times_of(ds, found, time, ROLE, told)
        note_grid(grid, crs, told)
        note_data(ds, found, grid, time, told)
    dims = next(iter(found.values()), Dims())
    both = dims.y is not None and dims.x is not None
    axes = _axes(ds, found, Findings()) if grid is None else [grid.y, grid.x]
    known = {*found, *auxiliary_names(ds)}
    return Overview(
        y=dims.y,
        x=dims.x,
        time=time,
        crs=crs,
        kind=kind_of(grid, crs),
        spacing={a.name: a.spacing for a in axes},
        extent={a.name: (float(a.edges[0]), float(a.edges[-1])) for a in axes},
        even={a.name: is_even(a) for a in axes},
        shape=(ds.sizes[dims.y], ds.sizes[dims.x]) if both else None,
        periodic=grid is not None and grid.x.periodic,
        varying=tuple(str(n) for n in found if time in ds[n].dims),
        static=tuple(str(n) for n in found if time not in ds[n].dims),
        extra={d: _told(ds, d, role) for d, role in extra.items()},
        left_out=tuple(str(n) for n in ds.data_vars if n not in known),
        problems=tuple(dict.fromkeys(told.problems)),
        notes=tuple(dict.fromkeys(told.notes)),
        grid=grid,
        **dataclasses.asdict(times),
    )


def _dataset(obj: xr.Dataset | xr.DataArray, told: Findings) -> xr.Dataset:
    """Return the object as a Dataset; an unnamed DataArray gets a substitute name."""
    if not isinstance(obj, xr.DataArray):
        if isinstance(obj, xr.Dataset) and UNFINISHED in obj.attrs:
            with told.step():
                require_finished(obj, ROLE)
            obj = obj.assign_attrs({UNFINISHED: None})
        return _with_valid_time(as_dataset(obj, ROLE), told)
    with told.step():
        return _with_valid_time(as_dataset(obj, ROLE), told)
    name = "unnamed" if obj.name is None else f"{obj.name}_"
    while name in obj.coords or name in obj.dims:
        name += "_"
    return obj.to_dataset(name=name)


def _with_valid_time(ds: xr.Dataset, told: Findings) -> xr.Dataset:
    """Add valid times, and note missing values that will be masked; no value is read."""
    with told.step():
        told.notes.extend(notes_on_marks(ds))
    with told.step():
        return with_valid_time(ds, ROLE)
    return ds


def _dims(ds: xr.Dataset, told: Findings) -> dict[Hashable, Dims]:
    """Return the dimensions of each variable on the grid; if they differ, of the largest group."""
    with told.step():
        return gridded(ds, Dims(), ROLE)
    found = {}
    for name in candidates_of(ds):
        with told.step():
            found[name] = find_dims(ds[name], Dims())
        if name not in found:
            found[name] = _some_dims(ds[name], told)
    layouts = Counter((d.y, d.x) for d in found.values() if d.y or d.x)
    if not layouts:
        return {}
    # complete pairs before incomplete ones, then the most frequent, then the first
    y, x = max(layouts, key=lambda at: (None not in at, layouts[at]))
    found = {n: d for n, d in found.items() if (d.y, d.x) == (y, x)}
    time = Counter(d.time for d in found.values() if d.time).most_common(1)
    return {n: d for n, d in found.items() if not d.time or d.time == time[0][0]}


def _some_dims(variable: xr.DataArray, told: Findings) -> Dims:
    """Return the dimensions that can be found one by one."""
    y = x = time = None
    with told.step():
        y = find_dim(variable, "y")
    with told.step():
        x = find_dim(variable, "x")
    if x == y:
        x = None
    with told.step():
        time = find_time(variable, None, {d for d in (y, x) if d})
    return Dims(y=y, x=x, time=time)


def _extra(ds: xr.Dataset, found: dict[Hashable, Dims], told: Findings) -> dict[str, str | None]:
    """Return the roles of further dimensions; each unknown dimension is noted as a problem."""
    if not all(d.y and d.x for d in found.values()):
        return {}  # what is left over may be y or x
    known = recognized(ds, found, Dims())
    said: dict[str, str] = {}
    for dim in (d for d, role in known.items() if role is None):
        with told.step():
            roles_of(ds, found, Dims(extra=said))
        said[dim] = CHANNELS  # to find the next unknown dimension
    return known


def _told(ds: xr.Dataset, dim: str, role: str | None) -> str:
    if role not in (CHANNELS, SAMPLES):
        return _TOLD[role]
    names = entries(ds, dim)
    shown = ", ".join(names if len(names) <= 8 else [*names[:6], "...", names[-1]])
    return f"{role}: {shown}"


def _fields(ds: xr.Dataset, told: Findings) -> Fields | None:
    """Return the first member of the data as `fit` reads them, or None if it refuses them."""
    for name in candidates_of(ds):
        with told.step():
            require_usable(ds[[name]], ROLE)
    with told.step():
        members = members_of((ds, Dims(), ROLE))
        return standardize(members.pick(ds, next(iter(members))), Dims(), ROLE)
    return None


def _grid(
    ds: xr.Dataset, found: dict[Hashable, Dims], fields: Fields | None, told: Findings
) -> tuple[Grid | None, pyproj.CRS | None]:
    """Return the grid and its CRS, as far as they can be read."""
    if fields is not None:
        return fields.grid, projection(fields.grid)
    axes = _axes(ds, found, told)
    if len(axes) < 2:
        return None, None
    name, dims = next(iter(found.items()))
    mapping_name, mapping = grid_mapping(ds, name)
    grid = Grid(y=axes[0], x=axes[1], mapping_name=mapping_name, mapping=mapping)
    crs, readable = None, False
    with told.step():
        crs, readable = projection(grid), True
    if not readable:
        grid = dataclasses.replace(grid, mapping={})
    with told.step():
        geolocation = geolocation_of(ds[name], (str(dims.y), str(dims.x)), grid)
        grid = dataclasses.replace(grid, geolocation=geolocation)
    return grid, crs


def _axes(ds: xr.Dataset, found: dict[Hashable, Dims], told: Findings) -> list:
    """Return the usable axes, also those with gaps."""
    axes = []
    for name, dims in list(found.items())[:1]:
        for dim in (dims.y, dims.x):
            for gaps in (False, True) if dim is not None else ():
                with told.step():
                    axes.append(axis_of(ds, name, str(dim), gaps=gaps))
                    break
    return axes
