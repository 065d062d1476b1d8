"""Internal form of gridded data, together with the user's layout of the same data.

Internal fields have the dimensions ``(time, y, x)`` in canonical order and no other coordinates.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cf.auxiliary_coordinates import geolocation_of
from xr_dl4ds.grid.cf.coordinates import axis_of, in_memory, warn_unless_degrees
from xr_dl4ds.grid.cf.dimensions import (
    Dims,
    auxiliary_names,
    find_dims,
    grid_mapping,
    holds_times,
)
from xr_dl4ds.grid.cf.extra_dims import (
    SAMPLES,
    SINGLE,
    Levels,
    Slice,
    ensemble_dim,
    levels_of,
    names_by_level,
    require_one_level,
    roles_of,
    sample_axis,
    spread,
)
from xr_dl4ds.grid.cf.indexing import take
from xr_dl4ds.grid.cf.rechunk import in_pieces
from xr_dl4ds.grid.cf.storable import require_storable
from xr_dl4ds.grid.cf.text_attributes import with_text_attrs
from xr_dl4ds.grid.cf.unfinished import require_finished
from xr_dl4ds.grid.cf.valid_times import dates_along, sample_dates, stamp_of
from xr_dl4ds.grid.crs import projection
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import REALIZATION, RESERVED, TIME, X, Y
from xr_dl4ds.grid.units import in_units

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fields:
    """Variables of one grid in canonical form, and the information to restore the user's layout.

    Parameters
    ----------
    data : xarray.Dataset
        Variables ``(time, y, x)`` or ``(y, x)`` with canonical coordinates, lazy where the
        user's data are lazy. Attributes are kept.
    grid : Grid
        The grid in the user's layout.
    dims : Dims
        The user's names of dimensions; `time` is None if no variable has a time dimension.
    dates : xarray.DataArray, optional
        The user's coordinate of dates along time, or along a sample axis; None without dates.
    stamp : float, optional
        Position of the time stamps in their time bounds: 0 at the start, 1 at the end; None without
        bounds.
    slices : mapping
        Origin of variables that were cut from variables with further dimensions.
    labels : mapping of numpy.ndarray
        Numbers and texts beside a time dimension without an index, ``(time,)``, by name.
    levels : mapping
        Vertical levels of the variables that lie at some.
    """

    data: xr.Dataset
    grid: Grid
    dims: Dims
    dates: xr.DataArray | None = None
    stamp: float | None = None
    slices: Mapping[str, Slice] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    levels: Mapping[str, Levels] = dataclasses.field(default_factory=dict)

    @property
    def varying(self) -> list[str]:
        """Names of the variables with a time dimension."""
        return [str(n) for n, v in self.data.items() if TIME in v.dims]

    @property
    def static(self) -> list[str]:
        """Names of the variables without a time dimension."""
        return [str(n) for n, v in self.data.items() if TIME not in v.dims]

    def pick(self, names: list[str]) -> Fields:
        """Select variables; the grid stays the same."""
        return dataclasses.replace(self, data=self.data[names])

    def named_as(
        self,
        slices: Mapping[str, Slice],
        levels: Mapping[str, Levels],
        role: str,
        other: str,
        *,
        single: bool = True,
    ) -> Fields:
        """Give entries along levels the names that other data have for the same levels.

        Parameters
        ----------
        slices, levels : mapping
            Origin and levels of the variables of the other data.
        role, other : str
            Names for the fields and for the other data in messages.
        single : bool
            Whether a variable at a single level and the entry at this level get one name.

        Raises
        ------
        VariableError
            If a variable lies at another level than in the other data, or if two variables would
            have one name.
        """
        names = names_by_level(self.slices, self.levels, slices, levels, single=single)
        # entries that the other data lack make room for those that they have
        left = [n for n in self.slices if n not in names and n in names.values()]
        fields = self.pick([str(n) for n in self.data if n not in left])._renamed(names, role)
        require_one_level(fields.levels, levels, role, other)
        return fields

    def _renamed(self, names: Mapping[str, str], role: str) -> Fields:
        if all(name == new for name, new in names.items()):
            return self
        every = [names.get(str(n), str(n)) for n in self.data]
        twice = next((n for n in every if every.count(n) > 1), None)
        if twice is not None:
            same = [str(n) for n in self.data if names.get(str(n), str(n)) == twice]
            raise VariableError(
                f"Expected one variable of {role} for {twice!r}, got {same}, which have its name or"
                " lie at its level. Drop or rename one of them."
            )
        return dataclasses.replace(
            self,
            data=self.data.rename({n: new for n, new in names.items() if n != new}),
            slices={names.get(n, n): piece for n, piece in self.slices.items()},
            levels={names.get(n, n): levels for n, levels in self.levels.items()},
        )

    def in_units(self, expected: Mapping[str, str | None], role: str, other: str) -> Fields:
        """Convert variables to the expected units, see `xr_dl4ds.grid.units.in_units`."""
        return dataclasses.replace(self, data=in_units(self.data, expected, role, other))

    @property
    def in_memory(self) -> Fields:
        """The variables whose values are in memory, of which reading costs little."""
        return self.pick([str(n) for n, v in self.data.items() if v.chunks is None])

    @property
    def units(self) -> dict[str, str | None]:
        """Units by variable; None for a variable without units."""
        return {str(n): v.attrs.get("units") for n, v in self.data.items()}


def as_dataset(obj: object, role: str) -> xr.Dataset:
    """Convert an object to a Dataset; a DataArray must have a name.

    A MultiIndex is reset, because files cannot store it. Coordinates along their own dimension get
    an index, by which fields are matched. Attributes that should be text and are not are left out.
    """
    if isinstance(obj, xr.Dataset):
        require_finished(obj, role)
        if any(math.isnan(size) for size in obj.sizes.values()):
            # sizes that compute_chunk_sizes has found since
            obj = xr.Dataset(dict(obj.data_vars), obj.coords, obj.attrs)
        obj = with_text_attrs(_with_plain_indexes(obj), role)
        stacked = [d for d in obj.dims if isinstance(obj.indexes.get(d), pd.MultiIndex)]
        obj = obj.reset_index(stacked) if stacked else obj
        bare = [d for d in obj.dims if d in obj.coords and d not in obj.xindexes]
        for dim in (d for d in bare if obj[d].ndim == 1):
            obj = obj.set_xindex([dim])
        return obj
    if isinstance(obj, xr.DataTree):
        groups = [node.path.strip("/") or "." for node in obj.subtree if node.data_vars]
        raise TypeError(
            f"Expected {role} to be an xarray Dataset or DataArray, got a DataTree with data in the"
            f" groups {groups[:5]}. Pass one of them: tree[{(groups or ['.'])[0]!r}]"
            ".to_dataset()."
        )
    if not isinstance(obj, xr.DataArray):
        raise TypeError(
            f"Expected {role} to be an xarray Dataset or DataArray, got {type(obj).__name__}:"
            f" {obj!r}. Options and the scale are passed by name, such as scale=4."
        )
    if obj.name is None:
        raise VariableError(
            f"The DataArray given as {role} has no name. Give it one with .rename('t2m')."
        )
    if obj.name in obj.coords:
        raise VariableError(
            f"The DataArray given as {role} has the name of its coordinate {obj.name!r}. Rename it"
            " with .rename('t2m')."
        )
    return as_dataset(obj.to_dataset(), role)


def _with_plain_indexes(ds: xr.Dataset) -> xr.Dataset:
    """Leave out indexes that are no list of labels, such as a search tree of points."""
    odd = []
    for name, index in ds.xindexes.items():
        try:
            index.to_pandas_index()
        except TypeError:
            odd.append(name)
    return ds.drop_indexes(odd) if odd else ds


def select(ds: xr.Dataset, names: list[str]) -> xr.Dataset:
    """Select variables with their bounds and grid mappings, which xarray would drop."""
    beside = [n for n in ds.data_vars if n in auxiliary_names(ds) or ds[n].ndim == 0]
    bounds = [n for n in ds.coords if n in auxiliary_names(ds)]
    return ds[[*names, *(n for n in (*beside, *bounds) if n not in names)]]


def gridded(ds: xr.Dataset, given: Dims, role: str) -> dict[Hashable, Dims]:
    """Find the dimensions of each variable on the grid; skip bounds and grid mappings.

    Raises
    ------
    VariableError
        If no variable lies on a grid.
    GridError
        If variables lie on different spatial or time dimensions.
    """
    passed_over = auxiliary_names(ds)
    candidates = candidates_of(ds)
    if not candidates:
        _require_variables(ds, role)
        raise VariableError(
            f"Expected {role} to have a variable on a grid, got {list(ds.data_vars)} with the"
            f" dimensions {dict(ds.sizes)}. Keep both y and x: take neither a single row nor a mean"
            " over the region."
        )
    found = {n: find_dims(ds[n], given) for n in candidates}
    series = [n for n, v in ds.data_vars.items() if v.ndim == 1 and n not in passed_over]
    if series:
        logger.warning("%s lie on no grid and are left out of %s", series, role)
    if given.time is not None and not any(given.time in ds[n].dims for n in candidates):
        raise TimeError(
            f"Expected time_dim={given.time!r} to be a dimension of {role}, got {dict(ds.sizes)}."
            " Pass one of these, or leave it out."
        )
    layouts = {(d.y, d.x) for d in found.values()}
    times = {d.time for d in found.values() if d.time}
    if len(layouts) > 1 or len(times) > 1:
        raise GridError(
            f"Expected all variables of {role} on the same dimensions, got"
            f" { {str(n): ds[n].dims for n in candidates} }. Select those of one grid, and pass the"
            " others as static= or predictors=."
        )
    return found


def _require_variables(ds: xr.Dataset, role: str) -> None:
    """Raise a `VariableError` for fields that have the name of one of their dimensions.

    xarray takes such a variable as a coordinate.
    """
    for name, coordinate in ds.coords.items():
        if name in coordinate.dims and coordinate.ndim > 2:
            raise VariableError(
                f"Expected the fields of {role} to have names of their own, got {name!r} along"
                f" {coordinate.dims}. Rename the variable with .rename_vars({{{name!r}:"
                " 'values'}).reset_coords('values')."
            )


def candidates_of(ds: xr.Dataset) -> list[Hashable]:
    """Return the variables that should lie on the grid: two or more dimensions, and no bounds."""
    passed_over = auxiliary_names(ds)
    return [n for n in ds.data_vars if n not in passed_over and ds[n].ndim >= 2]


def standardize(
    obj: xr.Dataset | xr.DataArray, given: Dims, role: str, *, members: bool = False
) -> Fields:
    """Convert user data to the internal form without computing anything.

    Parameters
    ----------
    obj : xarray.Dataset or xarray.DataArray
        Variables on one rectilinear grid, dimensions in any order and direction.
    given : Dims
        Dimensions named by the caller.
    role : str
        A name for the data in messages, such as ``"the HR data"``.
    members : bool
        Keep the ensemble dimension, if any, as ``realization`` before the other dimensions.

    Returns
    -------
    Fields
        Views of the same data; `obj` is not changed.
    """
    ds = as_dataset(obj, role)
    found = gridded(ds, given, role)
    ensemble = ensemble_dim(ds, found, given, role) if members else None
    if ensemble is not None:  # neither the sample axis nor dropped as a single member
        given = dataclasses.replace(given, extra={**given.extra, ensemble: SAMPLES})
    roles = roles_of(ds, found, given)
    time = next((d.time for d in found.values() if d.time), sample_axis(roles))
    dims = dataclasses.replace(next(iter(found.values())), time=time)
    dates = _dates(ds, found, roles, time, role)
    require_storable(ds[list(found)], role)
    whole = set(ds.data_vars) - set(found)
    named = ds[list(found)]
    ds, slices = spread(ds, found, roles, role, ensemble)
    names = [n for n in ds.data_vars if n not in whole]
    require_usable(ds[names], role)
    grid = grid_of(ds, names[0], dims, role)
    data = take(
        in_pieces(ds[names], time, role), {str(dims.y): grid.y.order, str(dims.x): grid.x.order}
    )
    data = data.reset_coords(drop=True)
    data = data.drop_vars([c for c in data.coords if c != time])
    renamed = {dims.y: Y, dims.x: X} | ({time: TIME} if time else {})
    renamed |= {ensemble: REALIZATION} if ensemble else {}
    data = data.rename({k: v for k, v in renamed.items() if k != v}).assign_coords(grid.coords)
    if dates is not None and dates.name != time and time != sample_axis(roles):
        data = data.assign_coords({TIME: (TIME, dates.to_numpy(), dates.attrs)})
    data = data.transpose(REALIZATION, TIME, Y, X, missing_dims="ignore")
    return Fields(
        data=data,
        grid=grid,
        dims=dims,
        dates=dates,
        stamp=None if dates is None else stamp_of(ds, dates),
        slices=slices,
        labels={} if time is None or time in ds.indexes else _labels(ds, time),
        levels=levels_of(named, slices),
    )


def _labels(ds: xr.Dataset, time: str) -> dict[str, np.ndarray]:
    """Return the coordinates of numbers and texts along the time dimension."""
    beside = {str(n): c for n, c in ds.coords.items() if c.dims == (time,) and n != time}
    found = {n: in_memory(c) for n, c in beside.items() if not holds_times(c)}
    return {n: values for n, values in found.items() if values.dtype.kind in "iubSUOfm"}


def _dates(
    ds: xr.Dataset,
    found: Mapping[Hashable, Dims],
    roles: Mapping[str, str],
    time: str | None,
    role: str,
) -> xr.DataArray | None:
    """Return the coordinate with the dates of the steps; None without a time dimension."""
    if time is None:
        return None
    single = {d: 0 for d, kind in roles.items() if kind == SINGLE}
    varying = ds[next(n for n in found if time in ds[n].dims)]
    varying = varying.isel(single, missing_dims="ignore")
    if time == sample_axis(roles):
        return sample_dates(varying, time)
    return dates_along(varying, time, role)


def grid_of(ds: xr.Dataset, name: Hashable, dims: Dims, role: str, *, places: bool = True) -> Grid:
    """Return the grid of one variable; with `places`, check and read the locations of its cells.

    Raises
    ------
    GridError
        If an axis is not valid, or if the grid mapping cannot be read.
    """
    mapping_name, mapping = grid_mapping(ds, name)
    y, x = str(dims.y), str(dims.x)
    grid = Grid(
        y=axis_of(ds, name, y),
        x=axis_of(ds, name, x),
        mapping_name=mapping_name,
        mapping=mapping,
    )
    _require_orientation(grid, role)
    for axis in (grid.y, grid.x):
        warn_unless_degrees(axis, role)
    if not places:
        return grid
    projection(grid)
    return dataclasses.replace(grid, geolocation=geolocation_of(ds[name], (y, x), grid))


def _require_orientation(grid: Grid, role: str) -> None:
    """Raise a `GridError` if the attributes of an axis say that it is the other one."""
    if _direction(grid.y) == "x" or _direction(grid.x) == "y":
        said = [axis.attrs.get("standard_name") or axis.kind for axis in (grid.y, grid.x)]
        raise GridError(
            f"Expected the coordinates of {role} along y and x to be those of y and x, got"
            f" {grid.y.name!r} ({said[0]}) along y and {grid.x.name!r} ({said[1]}) along x. Pass"
            f" y_dim={grid.x.name!r} and x_dim={grid.y.name!r}, or leave both out."
        )


def _direction(axis: Axis) -> str | None:
    """Return "y" or "x" if kind or standard name tell the direction of an axis."""
    known = {"latitude": "y", "longitude": "x"}
    known |= {"projection_y_coordinate": "y", "projection_x_coordinate": "x"}
    known |= {"grid_latitude": "y", "grid_longitude": "x"}
    return known.get(axis.kind) or known.get(str(axis.attrs.get("standard_name")))


def require_usable(ds: xr.Dataset, role: str) -> None:
    """Raise a `VariableError` for non-numeric variables, and for data that no file can hold."""
    require_storable(ds, role)
    for name, variable in ds.items():
        if name in RESERVED:
            raise VariableError(
                f"Expected the variables of {role} to have other names than the dimensions inside"
                f" the package, got {name!r}. Rename it with .rename({name}='{name}_value')."
            )
        held = variable.variable._data  # .data would read a file that is open
        if hasattr(held, "magnitude"):
            raise VariableError(
                f"Expected {name!r} of {role} as plain numbers with attrs['units'], got"
                f" {type(held).__name__} in {getattr(held, 'units', '')}. Use .pint.dequantize()."
            )
        if variable.dtype.kind not in "fiub":
            raise VariableError(
                f"Expected {name!r} of {role} to hold numbers, got dtype {variable.dtype}."
                " Leave it out by selecting the other variables."
            )
