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
    journal = json.loads(text)
    if journal["written"] == journal["regions"]:  # killed before the attribute was removed
        return
    raise GridError(
        f"Expected {role} as a whole, got an unfinished store that lacks"
        f" {journal['regions'] - journal['written']} of {journal['regions']} regions. Call what"
        " wrote it once more: it goes on at the first that is missing."
    )
