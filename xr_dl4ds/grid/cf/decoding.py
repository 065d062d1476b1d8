"""Decoding of user data at the entry of the package: attributes, missing values and valid times."""

from __future__ import annotations

from typing import Any

import xarray as xr

from xr_dl4ds.grid.cf.missing_values import with_missing_masked
from xr_dl4ds.grid.cf.text_attributes import with_text_attrs
from xr_dl4ds.grid.cf.valid_times import with_valid_time

#: Name of a DataArray while it is a Dataset.
_TEMPORARY = "__decoded__"


def decoded(obj: Any, role: str) -> Any:
    """Mask missing values that attributes mark, and add the valid times of forecasts, lazily.

    Parameters
    ----------
    obj : xarray.Dataset or xarray.DataArray, or several, optional
        The user's data; not changed.
    role : str
        A name for the data in messages.

    Returns
    -------
    xarray.Dataset or xarray.DataArray, or several
        Data of the same type. Other objects are unchanged: the functions that use them raise.

    Raises
    ------
    VariableError, TimeError
        See `xr_dl4ds.grid.cf.missing_values` and `xr_dl4ds.grid.cf.valid_times`.
    """
    if isinstance(obj, xr.Dataset):
        obj = with_text_attrs(obj, role)
        return with_valid_time(with_missing_masked(obj, role), role)
    if isinstance(obj, xr.DataArray):
        name = (
            obj.name
            if obj.name is not None and obj.name not in (*obj.coords, *obj.dims)
            else _TEMPORARY
        )
        return decoded(obj.to_dataset(name=name), role)[name].rename(obj.name)
    if isinstance(obj, (list, tuple)):
        return type(obj)(decoded(one, role) for one in obj)
    return obj
