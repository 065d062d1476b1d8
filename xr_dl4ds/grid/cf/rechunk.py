"""Chunking of large variables, for example of files opened without ``chunks=``."""

from __future__ import annotations

import logging
from collections.abc import Hashable

import xarray as xr

logger = logging.getLogger(__name__)

#: Size of a variable, in bytes, above which it is not loaded as a whole.
LARGE = 2**31
#: Target size of the chunks, in bytes.
CHUNK = 2**26


def in_pieces(data: xr.Dataset, time: Hashable | None, role: str) -> xr.Dataset:
    """Chunk variables larger than `LARGE` along time, aligned with the chunks of their file.

    Parameters
    ----------
    data : xarray.Dataset
        Fields; their values are not read.
    time : hashable, optional
        Time dimension; without it, nothing is chunked.
    role : str
        A name for the data in the log.
    """
    large = {
        name: variable
        for name, variable in data.data_vars.items()
        if variable.chunks is None and variable.nbytes > LARGE and time in variable.dims
    }
    if not large:
        return data
    sizes = {}
    for name, variable in large.items():
        stored = int(variable.encoding.get("preferred_chunks", {}).get(time, 1))
        most = max(1, CHUNK * variable.sizes[time] // variable.nbytes)
        sizes[name] = max(stored, most // stored * stored)
    logger.info("%s of %s are read in chunks along %s: %s", list(large), role, time, sizes)
    return data.assign({name: v.chunk({time: sizes[name]}) for name, v in large.items()})
