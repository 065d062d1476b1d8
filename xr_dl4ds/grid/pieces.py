"""Large variables that are not chunked, such as those of files opened without ``chunks=``."""

from __future__ import annotations

import logging
from collections.abc import Hashable

import xarray as xr

logger = logging.getLogger(__name__)

#: Bytes of a variable above which it is not taken into memory as a whole.
LARGE = 2**31
#: Bytes of the chunks that it gets.
CHUNK = 2**26


def in_pieces(data: xr.Dataset, time: Hashable | None, role: str) -> xr.Dataset:
    """The variables larger than `LARGE` chunked along time, on the edges of chunks in their file.

    Parameters
    ----------
    data : xarray.Dataset
        Fields, of which nothing is read here.
    time : hashable, optional
        The dimension of time; without it nothing is chunked.
    role : str
        What to call the data in the log.
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
