"""Dimensions other than time, y and x: levels become channels, ensemble members become samples.

Vertical and ensemble dimensions are recognized by CF attributes or by name. Each level becomes a
variable (``u`` at 500 becomes ``u_500``), each member becomes a series of samples, and dimensions
of length 1 are dropped. The caller must state the role of any other dimension:
``extra_dims={"band": "channels", "run": "samples"}``. In data without time, a single other
dimension is the sample axis.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.cf.coordinates import in_memory
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.names import Attrs
from xr_dl4ds.grid.units import Conversion, conversion_between

CHANNELS, SAMPLES = "channels", "samples"
#: Roles that the caller may give to a dimension.
ROLES = (CHANNELS, SAMPLES)
#: Other roles: a dimension of length 1, or the sample axis.
SINGLE, AXIS = "single", "axis"

#: Names, in lower case, of vertical and of ensemble dimensions.
_VERTICAL = {"level", "lev", "levels", "plev", "pressure", "pressure_level", "isobaricinhpa"}
_VERTICAL |= {"height", "altitude", "depth", "model_level", "hybrid", "sigma", "z"}
ENSEMBLE = {"realization", "member", "members", "member_id", "ensemble", "ensemble_member"}
ENSEMBLE |= {"ens", "number"}
#: What stands for the unit of levels that have no labels, and are known by their position alone.
_POSITION = "(without label)"
#: Heights of thermometer screens in metres, which count as one (WMO-No. 8, chapter 2: 1.25 to 2 m).
_SCREEN = (1.2, 2.1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slice:
    """Origin of a variable that was cut from a variable with further dimensions.

    Parameters
    ----------
    of : str
        Name of the variable in the user's data.
    at : mapping
        Label by dimension; the position if the dimension has no coordinate.
    attrs : mapping
        Attributes of the coordinate, for each dimension that has one.
    """

    of: str
    at: Attrs = dataclasses.field(default_factory=dict)
    attrs: Mapping[str, Attrs] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Level:
    """A level of a vertical coordinate, with its units; "" for unknown units.

    `along` is the dimension of the user's variable along which it lies, "" for a single level.
    """

    value: float | str
    units: str = ""
    along: str = ""

    @property
    def text(self) -> str:
        """The level for messages."""
        return f"{_text(self.value)} {self.units}".strip()

    @property
    def is_pressure(self) -> bool:
        """True for units of pressure."""
        return bool(self.units) and conversion_between(self.units, "Pa") is not None

    def unlike(self, other: Level) -> bool:
        """Return True for units of two quantities, such as pressure and height."""
        return bool(self.units and other.units) and not conversion_between(self.units, other.units)

    def same(self, other: Level) -> bool:
        """Return True if both are one level, in any unit of length or pressure."""
        if isinstance(self.value, str) or isinstance(other.value, str):
            return bool(self.value == other.value)
        known = bool(self.units and other.units)
        conversion = conversion_between(self.units, other.units) if known else Conversion()
        if conversion is None:
            return False
        value = self.value * conversion.factor + conversion.offset
        return math.isclose(value, other.value, rel_tol=1e-5)

    @property
    def at_screen(self) -> bool:
        """True for a single level at the height of thermometer screens."""
        metres = self.units in ("m", "metre", "meter", "metres", "meters") and not self.along
        return metres and _SCREEN[0] <= float(self.value) <= _SCREEN[1]


#: The levels of a variable by kind: "pressure", or the name of the coordinate.
Levels = dict[str, Level]


def roles_of(ds: xr.Dataset, found: Mapping[Hashable, Dims], given: Dims) -> dict[str, str]:
    """Return the role of each dimension of these variables other than time, y and x.

    Raises
    ------
    GridError
        If a dimension is empty, or if neither the data nor `given` determine its role.
    """
    roles = recognized(ds, found, given)
    for dim in roles:
        if ds.sizes[dim] == 0:
            raise GridError(
                f"The dimension {dim!r} has no entries. Select at least one of them in the data."
            )
    for dim, role in roles.items():
        if role is None:
            name = next(n for n in found if dim in ds[n].dims)
            raise GridError(
                f"Expected the dimensions of {name!r} to be time, y, x, levels or members, got"
                f" {dim!r} too ({dict(ds[name].sizes)}). Select one with .isel({dim}=0), rename it"
                " to 'realization' if it counts members or, in fit and predict, say what it is with"
                f" extra_dims={{{dim!r}: 'channels'}} (each entry a variable) or 'samples' (each"
                f" a series), or with time_dim={dim!r} if it is the sample axis."
            )
    return {d: str(r) for d, r in roles.items()}


def recognized(
    ds: xr.Dataset, found: Mapping[Hashable, Dims], given: Dims
) -> dict[str, str | None]:
    """Find roles as `roles_of` does, with None for dimensions whose role is unknown."""
    for dim, role in given.extra.items():
        if role not in ROLES:
            raise ValueError(
                f"Expected extra_dims[{dim!r}] to be one of {ROLES}, got {role!r}. Pass either."
            )
    extra = _extra(ds, found)
    roles = {d: given.extra.get(d) or _recognized(ds, d) for d in extra}
    if not any(d.time for d in found.values()):
        roles |= _without_time(roles, given)
    for dim in extra:
        if ds.sizes[dim] == 1 and roles[dim] != AXIS and dim not in given.extra:
            roles[dim] = SINGLE
    return roles


def _without_time(roles: Mapping[str, str | None], given: Dims) -> dict[str, str | None]:
    """Give roles to dimensions of data without a time dimension: channels, or the sample axis."""
    unknown = [d for d, role in roles.items() if role is None]
    if given.unknown == CHANNELS:
        return dict.fromkeys(unknown, CHANNELS)
    axis = unknown or [d for d in roles if roles[d] == SAMPLES and d not in given.extra]
    return {axis[0]: AXIS} if len(axis) == 1 else {}


def ensemble_dim(
    ds: xr.Dataset, found: Mapping[Hashable, Dims], given: Dims, role: str
) -> str | None:
    """Return the ensemble dimension, even with a single member; None without an ensemble.

    Raises
    ------
    GridError
        If there are several ensemble dimensions.
    """
    extra = _extra(ds, found)
    dims = [d for d in extra if (given.extra.get(d) or _recognized(ds, d)) == SAMPLES]
    if len(dims) > 1:
        raise GridError(
            f"Expected {role} to have one dimension of members, got {dims}. Make one of both with"
            f" .stack(ensemble={dims}), or select an entry with .isel({dims[-1]}=0)."
        )
    return dims[0] if dims else None


def sample_axis(roles: Mapping[str, str | None]) -> str | None:
    """Return the dimension that takes the place of time, or None."""
    return next((d for d, role in roles.items() if role == AXIS), None)


def spread(
    ds: xr.Dataset,
    found: Mapping[Hashable, Dims],
    roles: Mapping[str, str],
    role: str,
    members: str | None = None,
) -> tuple[xr.Dataset, dict[str, Slice]]:
    """Create one variable for each entry along channel dimensions; drop dimensions of length 1.

    Parameters
    ----------
    ds : xarray.Dataset
        The user's data.
    found : mapping
        Dimensions of each variable on the grid.
    roles : mapping
        See `roles_of`.
    role : str
        A name for the data in messages.
    members : str, optional
        The ensemble dimension that the variables keep.

    Returns
    -------
    ds : xarray.Dataset
        The variables on the grid, as views of the same data.
    slices : dict
        Origin of each variable that had channel dimensions.
    """
    if not any(kind != AXIS for kind in roles.values()):
        return ds, {}
    _require_one_member(ds, roles, role, members)
    out: dict[str, xr.DataArray] = {}
    slices: dict[str, Slice] = {}
    for name in found:
        for new, entry, at in _entries(ds, str(name), roles):
            if new in out:
                along = [d for d, kind in roles.items() if kind == CHANNELS]
                raise VariableError(
                    f"Two variables of {role} have the name {new!r} once {along} are channels."
                    " Rename a variable or the labels."
                )
            out[new] = entry
            if at:  # not for dimensions of length 1: the caller chooses the entry
                attrs = {d: dict(ds[d].attrs) for d in at if d in ds.coords}
                slices[new] = Slice(of=str(name), at=at, attrs=attrs)
    return ds.drop_vars(list(found)).assign(out), slices


def _require_one_member(
    ds: xr.Dataset, roles: Mapping[str, str], role: str, members: str | None
) -> None:
    for dim, kind in roles.items():
        if kind == SAMPLES and dim != members:
            raise GridError(
                f"Expected {role} without members, got {ds.sizes[dim]} along {dim!r}. Select one"
                f" with .isel({dim}=0), or take their mean."
            )


def _entries(
    ds: xr.Dataset, name: str, roles: Mapping[str, str]
) -> Iterator[tuple[str, xr.DataArray, Attrs]]:
    """Yield name, data and labels of each entry along the channel dimensions."""
    dims = [str(d) for d in ds[name].dims if roles.get(str(d)) in (CHANNELS, SINGLE)]
    for positions in itertools.product(*(range(ds.sizes[d]) for d in dims)):
        at = dict(zip(dims, positions, strict=True))
        labels = {d: _label(ds, d, i) for d, i in at.items() if roles[d] == CHANNELS}
        new = "_".join([name, *(_text(label) for label in labels.values())])
        yield new, ds[name].isel(at, drop=True), labels


def require_one_level(
    found: Mapping[str, Levels], wanted: Mapping[str, Levels], role: str, other_role: str
) -> None:
    """Raise a `VariableError` if a variable has a level in each data, and not the same one."""
    for name in sorted(set(found) & set(wanted)):
        differ = other_level(found[name], wanted[name])
        if differ is not None:
            got, expected = differ
            raise VariableError(
                f"Expected {name!r} of {role} at {expected} as in {other_role}, got {got}. Select"
                " the same one of both, or rename the variable if it is another quantity."
            )


def other_level(mine: Levels, other: Levels) -> tuple[str, str] | None:
    """Return two levels that differ, for messages; None for equal or unknown levels.

    Levels of one kind are compared. Without one, a pressure and a height are not the same level.
    """
    common = [(kind, kind) for kind in mine if kind in other]
    for kind, its_kind in common or itertools.product(mine, other):
        level, its = mine[kind], other[its_kind]
        screens = level.at_screen and its.at_screen and "height" in kind.lower()
        if not (level.same(its) or screens) and (common or level.unlike(its)):
            return f"{kind} {level.text}", f"{its_kind} {its.text}"
    return None


def names_by_level(
    slices: Mapping[str, Slice],
    levels: Mapping[str, Levels],
    known: Mapping[str, Slice],
    known_levels: Mapping[str, Levels],
    *,
    single: bool,
) -> dict[str, str]:
    """Return the names in other data of variables at the same levels, in any units.

    Parameters
    ----------
    slices, levels : mapping
        Origin and levels by variable.
    known, known_levels : mapping
        Those of the other data.
    single : bool
        Whether an entry along levels and a variable at a single level are alike.

    Returns
    -------
    dict of str to str
        For instance u_500, in hPa, for u_50000, in Pa, or for u at 500 hPa. Variables that the
        other data lack at these levels are left out.
    """

    def entry(name: str, pieces: Mapping[str, Slice], at: Levels) -> tuple[object, ...]:
        vertical = {level.along for level in at.values()}
        if name not in pieces:  # at a single level
            return name, {}, at.keys()
        labels = {d: v for d, v in pieces[name].at.items() if d not in vertical}
        return pieces[name].of, labels, at.keys()

    found: dict[str, str] = {}
    for name, mine in levels.items():
        for other, its in known_levels.items():
            entries = (name in slices) + (other in known)
            if entries < (1 if single else 2):
                continue  # `require_one_level` compares single levels
            alike = entry(name, slices, mine) == entry(other, known, its)
            if alike and all(level.same(its[kind]) for kind, level in mine.items()):
                found[name] = other
    return found


def levels_of(ds: xr.Dataset, slices: Mapping[str, Slice]) -> dict[str, Levels]:
    """Return the levels of the variables that lie at some: single ones, and those of slices."""
    found = {str(name): single_levels(variable) for name, variable in ds.items()}
    for name, piece in slices.items():
        vertical = {d: value for d, value in piece.at.items() if _is_vertical(ds, d)}
        along = {d: _level(ds, d, value, along=d) for d, value in vertical.items()}
        found[name] = found[piece.of] | {_kind(d, level): level for d, level in along.items()}
    return {name: levels for name, levels in found.items() if levels}


def _level(ds: xr.Dataset, name: str, value: float | str, along: str = "") -> Level:
    units = ds[name].attrs.get("units") if name in ds.coords else _POSITION
    return Level(value=value, units=str(units or ""), along=along)


def _kind(name: str, level: Level) -> str:
    return "pressure" if level.is_pressure else name


def single_levels(variable: xr.DataArray) -> Levels:
    """Return the pressure and other vertical coordinates of a single value, by these kinds."""
    coords = variable.coords.to_dataset()
    found: Levels = {}
    for name, coordinate in coords.coords.items():
        if coordinate.size == 1 and _is_vertical(coords, str(name)):
            level = _level(coords, str(name), in_memory(coordinate).item())
            found[_kind(str(name), level)] = level
    return found


def gather(out: xr.Dataset, slices: Mapping[str, Slice]) -> xr.Dataset:
    """Restore the further dimensions of variables, lazily: the inverse of `spread`.

    Parameters
    ----------
    out : xarray.Dataset
        Variables with the names given by `spread`.
    slices : mapping
        Origin of the variables; variables without an entry are unchanged.
    """
    groups: dict[str, list[str]] = {}
    for name in map(str, out.data_vars):
        groups.setdefault(slices[name].of if name in slices else name, []).append(name)
    return xr.Dataset({base: _joined(out, names, slices) for base, names in groups.items()})


def _joined(
    out: xr.Dataset, names: list[str], slices: Mapping[str, Slice], *done: str
) -> xr.DataArray:
    entries: dict[Any, list[str]] = {}
    left = [d for d in (slices[names[0]].at if names[0] in slices else ()) if d not in done]
    if not left:
        return out[names[0]]
    dim = left[0]
    for name in names:
        entries.setdefault(slices[name].at[dim], []).append(name)
    parts = [_joined(out, group, slices, *done, dim) for group in entries.values()]
    joined = xr.concat(parts, dim, coords="minimal", compat="override", join="override")
    attrs = slices[names[0]].attrs
    if dim not in attrs:  # a dimension without a coordinate
        return joined
    return joined.assign_coords({dim: (dim, list(entries), dict(attrs[dim]))})


def entries(ds: xr.Dataset, dim: str) -> list[str]:
    """Return the labels along a dimension as they appear in the names of channels."""
    return [_text(_label(ds, dim, i)) for i in range(ds.sizes[dim])]


def sample_dims(ds: xr.Dataset, found: Mapping[Hashable, Dims], given: Dims) -> list[str]:
    """Return the dimensions whose entries are separate series of samples."""
    return [d for d, role in roles_of(ds, found, given).items() if role == SAMPLES]


def _extra(ds: xr.Dataset, found: Mapping[Hashable, Dims]) -> list[str]:
    extra: dict[str, None] = {}
    for name, dims in found.items():
        known = (dims.y, dims.x, dims.time)
        extra |= {str(d): None for d in ds[name].dims if d not in known}
    return list(extra)


def counts_members(ds: xr.Dataset, name: str) -> bool:
    """Return True if a dimension or coordinate numbers ensemble members, by CF or its name."""
    about = ds[name].attrs if name in ds.coords else {}
    return about.get("standard_name") == "realization" or name.lower() in ENSEMBLE


def _recognized(ds: xr.Dataset, dim: str) -> str | None:
    if counts_members(ds, dim):
        return SAMPLES
    return CHANNELS if _is_vertical(ds, dim) else None


def _is_vertical(ds: xr.Dataset, name: str) -> bool:
    """Return True for levels, by CF attributes or by name."""
    if name.lower() in _VERTICAL:
        return True
    return name in ds.coords and (
        name in ds[name].cf.axes.get("Z", []) or name in ds[name].cf.coordinates.get("vertical", [])
    )


def _label(ds: xr.Dataset, dim: str, position: int) -> Any:
    if dim not in ds.coords:
        return position
    value = ds[dim].to_numpy()[position]
    return value.item() if isinstance(value, np.generic) else value


def _text(label: object) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label).replace("/", "_")
