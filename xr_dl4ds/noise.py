"""Random numbers for members: a function of seed and time step, never of chunks and batches.

Each step has a generator of its own, Philox (Salmon et al. 2011, doi:10.1145/2063384.2063405) under
NumPy's `SeedSequence`, so that a part of the steps has the numbers that it has in the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.grid.fields import TIME

#: Numbers that go into the network, and those from which members of a distribution are drawn.
NETWORK, MEMBER = 0, 1


def seeds(realizations: int, seed: int) -> list[int]:
    """A seed for each member; the first n members of any ensemble with one seed are the same."""
    return [
        int(np.random.SeedSequence([seed, member]).generate_state(1)[0])
        for member in range(realizations)
    ]


def step_keys(data: xr.DataArray, labels: Mapping[str, Any]) -> xr.DataArray:
    """A number for each time step, by which its random numbers are found again.

    Parameters
    ----------
    data : xarray.DataArray
        With the dimension `time`.
    labels : mapping
        Labels of the series of samples that these are, such as one of the members of a forecast;
        each has numbers of its own.

    Returns
    -------
    xarray.DataArray
        ``(time,)``, uint64, chunked as `data`: microseconds since 1970 of dates in any calendar, a
        hash of other labels, positions where there are none.
    """
    index = data.indexes.get(TIME)
    if isinstance(index, pd.DatetimeIndex):
        keys = index.as_unit("us").asi8  # not ns: their years end in 2262
    elif isinstance(index, xr.CFTimeIndex):
        keys = index.asi8  # of microseconds too
    elif index is not None:
        keys = pd.util.hash_array(index.to_numpy())
    else:
        keys = np.arange(data.sizes[TIME])
    keys = np.asarray(keys).astype("u8")
    if labels:
        text = repr(sorted((dim, str(label)) for dim, label in labels.items())).encode()
        keys = keys ^ np.random.SeedSequence(list(text)).generate_state(1, np.uint64)
    found = xr.DataArray(keys, dims=TIME)
    return found if data.chunks is None else found.chunk({TIME: data.chunksizes[TIME]})


def normal(seed: int, key: int, stream: int, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers of one step, float32.

    Parameters
    ----------
    seed : int
        Of the member, 32 bits.
    key : int
        Of the step, 64 bits.
    stream : int
        `NETWORK` or `MEMBER`.
    shape : tuple of int
        Of what comes out.
    """
    words = [seed, key & 0xFFFFFFFF, key >> 32, stream]
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
    return generator.standard_normal(shape, dtype=np.float32)


def centred(noise: np.ndarray, valid: np.ndarray, scale: int) -> np.ndarray:
    """Take the mean of each block away, and keep the variance of one.

    ``sqrt(n / (n - 1)) (e - mean(e))`` of independent standard normal e has variance one in each of
    the n cells and the sum 0.

    Parameters
    ----------
    noise : numpy.ndarray
        ``(y, x)``, independent and standard normal.
    valid : numpy.ndarray
        ``(y, x)``, whether a cell counts; the others become 0, as does one that is alone.
    scale : int
        Cells along one edge of a block.
    """
    y, x = noise.shape
    blocks = (y // scale, scale, x // scale, scale)
    counted = np.where(valid, noise, 0.0).astype("f8").reshape(blocks)
    cells = valid.reshape(blocks).sum((1, 3), keepdims=True)
    mean = counted.sum((1, 3), keepdims=True) / np.maximum(cells, 1)
    factor = np.sqrt(cells / np.maximum(cells - 1, 1)) * (cells > 1)
    return np.where(valid, (factor * (counted - mean)).reshape(y, x), 0.0)
