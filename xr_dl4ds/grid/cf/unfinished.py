"""Detection of stores that lack regions because writing was interrupted."""

from __future__ import annotations

import json

import xarray as xr

from xr_dl4ds.exceptions import GridError

#: Attribute of an unfinished store, with its journal as JSON, see `xr_dl4ds.writing`.
UNFINISHED = "xr_dl4ds_unfinished"


def require_finished(ds: xr.Dataset | xr.DataArray, role: str) -> None:
    """Raise a `GridError` if data come from a store that lacks regions, see `xr_dl4ds.writing`."""
    text = ds.attrs.get(UNFINISHED)
    if text is None:
        return
    try:
        journal = json.loads(text)
        missing = journal["regions"] - journal["written"]
    except (TypeError, ValueError, LookupError) as error:
        raise GridError(
            f"Expected the attribute {UNFINISHED!r} of {role} to hold the journal of a store, got"
            f" {str(text)[:60]!r}. Remove it from .attrs if the data are complete."
        ) from error
    if missing == 0:  # killed before the attribute was removed
        return
    raise GridError(
        f"Expected {role} as a whole, got an unfinished store that lacks"
        f" {missing} of {journal['regions']} regions. Call what"
        " wrote it once more: it goes on at the first that is missing."
    )
