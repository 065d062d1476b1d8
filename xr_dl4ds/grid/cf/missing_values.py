"""Missing values that metadata mark and nobody has masked.

xarray masks and unpacks values when it opens a file, and moves the attributes to the encoding.
Where the attributes are still there (``mask_and_scale=False``, ``rioxarray.open_rasterio``), the
values are those of the file. CF-1.8, sections 2.5.1 and 8.1.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.cf.rechunk import LARGE

logger = logging.getLogger(__name__)

#: Attributes whose values mark missing cells, and attributes that limit valid values.
_MARKS = ("_FillValue", "missing_value")
_LIMITS = ("valid_min", "valid_max", "valid_range")
#: Attributes of packed values, with the value that changes nothing.
_PACKING = {"scale_factor": 1.0, "add_offset": 0.0}

#: Values of cells that nobody has written, by dtype (`NC_FILL_SHORT` and others of NetCDF's
#: ``netcdf.h``). They mark missing cells of packed data without other marks; bytes have none.
_UNWRITTEN = {
    "i2": -32767,
    "u2": 65535,
    "i4": -2147483647,
    "u4": 4294967295,
    "i8": -9223372036854775806,
    "u8": 18446744073709551614,
}

#: Attribute by which formats without unsigned integers state the sign (NetCDF User's Guide).
_SIGN = "_Unsigned"

#: Largest share of values beyond the limits; more of them mean that the limits do not belong to
#: these values, for instance after a conversion of units.
_MOST_BEYOND = 0.5

#: Distance, as a share of a limit, by which rounding in float32 exceeds it, as in means of values
#: at the limit (sea surface temperatures at the freezing point).
_ROUNDING = 1e-6


def with_missing_masked(ds: xr.Dataset, role: str) -> xr.Dataset:
    """Mask and unpack the values of all variables as their attributes say, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        The user's data; not changed.
    role : str
        A name for the data in messages.

    Returns
    -------
    xarray.Dataset
        The data with NaN for missing values; each change is logged as a warning with its share.

    Raises
    ------
    VariableError
        If attributes of packed values stand beside floating-point values, or if most values lie
        beyond the valid range.
    """
    changed: dict[Hashable, xr.Variable] = {}
    for name, variable in ds.variables.items():
        stated = {*_MARKS, *_LIMITS, *_PACKING, _SIGN} & set(variable.attrs)
        if stated and name not in ds.xindexes and variable.dtype.kind in "fiu":
            changed[name] = _decoded(name, variable, role)
    if not changed:
        return ds
    coords = {n: v for n, v in changed.items() if n in ds.coords}
    fields = {n: v for n, v in changed.items() if n not in ds.coords}
    return ds.assign(fields).assign_coords(coords)


def notes_on_marks(ds: xr.Dataset) -> Iterator[str]:
    """Say which missing values `with_missing_masked` would mask, without reading any value."""
    for name, variable in ds.variables.items():
        if name in ds.xindexes or variable.dtype.kind not in "fiu":
            continue
        require_unpacked(name, variable, "the data")
        marks = _marks(variable)
        if marks:
            shown = " and ".join(f"{value:g} ({key})" for key, value in marks.items())
            yield f"{name!r} marks missing values by {shown} in its attributes: they are masked"
        if _packing(variable) or _signed(variable) is not variable:
            yield f"{name!r} is packed, as its attributes say: it is unpacked"


def require_unpacked(name: Hashable, variable: xr.Variable, role: str) -> None:
    """Raise a `VariableError` if floating-point values have the attributes of packed values."""
    packing = _packing(variable)
    if packing and variable.dtype.kind == "f":
        raise VariableError(
            f"Expected {name!r} of {role} to be unpacked, got floating-point values with {packing}"
            " in the attributes. Decode them with xarray.decode_cf(ds), or remove the attributes"
            " if the values are unpacked."
        )


def _decoded(name: Hashable, variable: xr.Variable, role: str) -> xr.Variable:
    require_unpacked(name, variable, role)
    packing = _packing(variable)
    stored, variable = variable, _signed(variable)
    if variable is not stored:
        logger.warning("%r of %s holds %s, as its attributes say", name, role, variable.dtype)
    original = variable
    if variable.chunks is None and variable.nbytes > LARGE:
        variable = variable.chunk({variable.dims[0]: "auto"})  # may not fit into memory
    for key, value in (_marks(variable) | _unstated(variable)).items():
        missing = variable == value
        variable = _masked(variable, missing, _share(missing), name, role, f"{value:g} ({key})")
    variable = _limited(variable, original, name, role)
    if packing:
        logger.warning("%r of %s is unpacked, as its attributes say: %s", name, role, packing)
        attrs = {k: v for k, v in original.attrs.items() if k not in _PACKING}
        scale, offset = (packing.get(k, same) for k, same in _PACKING.items())
        variable = (variable.astype("f8") * scale + offset).astype("f4")
        variable.attrs = attrs
    if any(key in variable.attrs for key in _MARKS):
        variable = variable.copy(deep=False)
        variable.attrs = {k: v for k, v in variable.attrs.items() if k not in _MARKS}
    return variable


def _share(flags: xr.Variable) -> float | None:
    """Return the share of True; None for lazy data."""
    if flags.chunks is not None:
        return None
    return float(np.count_nonzero(flags.to_numpy())) / max(flags.size, 1)


def _masked(
    variable: xr.Variable,
    missing: xr.Variable,
    share: float | None,
    name: Hashable,
    role: str,
    marked: str,
) -> xr.Variable:
    """Mask missing values; log their share, if it is known."""
    if share == 0:
        return variable
    if share is not None:
        logger.warning(
            "%.3g %% of the values of %r of %s are %s: they are masked",
            *(100 * share, name, role, marked),
        )
    else:
        logger.warning(
            "values of %r of %s that are %s are masked, a share that is not known before the data"
            " are computed",
            *(name, role, marked),
        )
    attrs = variable.attrs
    variable = variable.where(~missing)
    variable.attrs = attrs
    return variable


def _limited(
    variable: xr.Variable, original: xr.Variable, name: Hashable, role: str
) -> xr.Variable:
    """Mask values beyond the valid range."""
    low, high = _limits(original)
    if np.isneginf(low) and np.isposinf(high):
        return variable
    rounding = _ROUNDING if variable.dtype.kind == "f" else 0.0
    slack = [rounding * abs(v) if np.isfinite(v) else 0.0 for v in (low, high)]
    beyond = (variable < low - slack[0]) | (variable > high + slack[1])
    marked = f"beyond the valid range, {low:g} to {high:g}"
    share = _share(beyond)
    if share is not None and share > _MOST_BEYOND:
        raise VariableError(
            f"Expected {name!r} of {role} within its valid range, {low:g} to {high:g}, got"
            f" {100 * share:.3g} % of the values beyond it. Remove {_LIMITS} from the"
            " attributes if they belong to other units, or mask the values with .where."
        )
    return _masked(variable, beyond, share, name, role, marked)


def _limits(variable: xr.Variable) -> tuple[float, float]:
    """Return the least and the largest valid value, in the units of the values."""
    found = {key: _numbers(variable.attrs.get(key)) for key in _LIMITS}
    stated = sorted(found["valid_range"])
    both = stated if len(stated) == 2 else [-np.inf, np.inf]
    low, high = (found["valid_min"] or both)[0], (found["valid_max"] or both[1:])[0]
    packed = {k: variable.encoding[k] for k in _PACKING if k in variable.encoding}
    kinds = [np.asarray(variable.attrs[k]).dtype.kind for k in _LIMITS if k in variable.attrs]
    if packed and all(kind in "iu" for kind in kinds):  # limits of the packed values
        ends = [
            v * packed.get("scale_factor", 1) + packed.get("add_offset", 0) for v in (low, high)
        ]
        low, high = min(ends), max(ends)
    return low, high


def _marks(variable: xr.Variable) -> dict[str, float]:
    """Return the values that mark missing cells, by attribute, as the variable can hold them."""
    found: dict[str, float] = {}
    for key in _MARKS:
        for i, value in enumerate(_numbers(variable.attrs.get(key))):
            held = _held(value, variable.dtype)
            if held is not None and held not in found.values():
                found[key if i == 0 else f"{key} {i + 1}"] = held
    return found


def _unstated(variable: xr.Variable) -> dict[str, float]:
    """Return the value of unwritten cells of packed data whose attributes mark no value."""
    unwritten = _unwritten(variable.dtype)
    if unwritten is None or not _packing(variable) or any(k in variable.attrs for k in _MARKS):
        return {}
    return {"unwritten cells in NetCDF": unwritten}


def _unwritten(dtype: np.dtype) -> float | None:
    """Return the value of unwritten cells of packed data; None if the dtype has none."""
    return _UNWRITTEN.get(f"{dtype.kind}{dtype.itemsize}")


def unwritten_of(variable: xr.DataArray) -> float | None:
    """Return the value of unwritten cells in data that xarray has unpacked; None if unknown.

    xarray masks only values that attributes mark. Without these, cells that nobody has written
    are unpacked as if they were values.

    Examples
    --------
    >>> t2m = xr.DataArray([280.0])
    >>> t2m.encoding = {"dtype": np.dtype("i2"), "scale_factor": 0.01, "add_offset": 280.0}
    >>> round(unwritten_of(t2m), 2)
    -47.67
    """
    stated = variable.encoding
    packing = {k: _numbers(stated.get(k)) for k in _PACKING}
    try:
        unwritten = _unwritten(np.dtype(stated.get("dtype")))
    except TypeError:
        return None
    if unwritten is None or not any(packing.values()) or any(k in stated for k in _MARKS):
        return None
    scale, offset = ((packing[k] or [same])[0] for k, same in _PACKING.items())
    return unwritten * scale + offset


def _held(value: float, dtype: np.dtype) -> float | None:
    """Return a value rounded as `dtype` does; None if it cannot hold it, and for NaN."""
    if np.isnan(value):
        return None
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        whole = value == np.floor(value) and limits.min <= value <= limits.max
        return value if whole else None
    with np.errstate(over="ignore"):
        return float(np.asarray(value).astype(dtype))


def _signed(variable: xr.Variable) -> xr.Variable:
    """Return integers, and their marks and limits, with the sign that `_SIGN` states."""
    kind = {"true": "u", "false": "i"}.get(str(variable.attrs.get(_SIGN)).lower())
    dtype = variable.dtype
    if kind is None or {kind, dtype.kind} != {"i", "u"}:
        return variable
    other = np.dtype(f"{dtype.byteorder}{kind}{dtype.itemsize}")
    attrs = {k: v for k, v in variable.attrs.items() if k != _SIGN}
    for key in (*_MARKS, *_LIMITS):
        if getattr(attrs.get(key), "dtype", None) == dtype:
            attrs[key] = attrs[key].astype(other)
    variable = variable.astype(other)
    variable.attrs = attrs
    return variable


def _packing(variable: xr.Variable) -> dict[str, float]:
    """Return the attributes of packed values that change something."""
    stated = {key: _numbers(variable.attrs.get(key)) for key in _PACKING}
    return {k: v[0] for k, v in stated.items() if v and v[0] != _PACKING[k]}


def _numbers(value: object) -> list[float]:
    """Return an attribute as numbers; empty if there is none or if it is text."""
    try:
        return np.atleast_1d(np.asarray(value, "f8")).ravel().tolist() if value is not None else []
    except (TypeError, ValueError):
        return []
