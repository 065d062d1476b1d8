"""Random numbers for members, which depend on seed, time and place, but not on chunks or batches.

Philox (Salmon et al. 2011, doi:10.1145/2063384.2063405) numbers the draws of a key by a counter.
Each step has its own key, from NumPy's `SeedSequence`, and each block of HR cells has its own
position on the counter. Predicting a subset of the steps, or of the domain, therefore gives the
same numbers as predicting all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import cftime
import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.grid.names import TIME

#: Streams: numbers for the network, to draw members of a distribution, and for latent fields.
NETWORK, MEMBER, LATENT = 0, 1, 2

#: Unit of the keys of dates.
MICROSECONDS = "microseconds since 1970-01-01"

#: HR cells along the edge of a block whose numbers are drawn together. Small fields draw few
#: numbers that they do not need; fields of 1024 x 1024 cells take a tenth longer than in a single
#: draw.
BLOCK = 64


def seeds(realizations: int, seed: int) -> list[int]:
    """Return a seed for each member; the first n seeds are the same for an ensemble of any size."""
    return [
        int(np.random.SeedSequence([seed, member]).generate_state(1)[0])
        for member in range(realizations)
    ]


def step_keys(data: xr.DataArray, labels: Mapping[str, Any]) -> xr.DataArray:
    """Return a key for each time step, which determines its random numbers.

    Parameters
    ----------
    data : xarray.DataArray
        Data with the dimension `time`.
    labels : mapping
        Labels of this series of samples, such as its member of a forecast. Each series has its own
        numbers.

    Returns
    -------
    xarray.DataArray
        ``(time,)``, uint64, chunked like `data`: microseconds since 1970 for dates in any calendar,
        a hash of other labels, or positions if there are no labels.
    """
    index = data.indexes.get(TIME)
    if isinstance(index, pd.DatetimeIndex):
        keys = index.as_unit("us").asi8  # not ns, which end in the year 2262
    elif isinstance(index, xr.CFTimeIndex):
        # not asi8, which fails for cftime.datetime of calendars other than "standard"
        keys = cftime.date2num(index.to_numpy(), MICROSECONDS, calendar=index.calendar)
    elif index is not None:
        keys = pd.util.hash_array(index.to_numpy())
    else:
        keys = np.arange(data.sizes[TIME])
    keys = np.asarray(keys).astype("u8")
    if labels:
        text = repr(sorted((dim, str(label)) for dim, label in labels.items())).encode()
        # a sum, so that keys of successive dates keep their distance
        keys = keys + np.random.SeedSequence(list(text)).generate_state(1, np.uint64)
    found = xr.DataArray(keys, dims=TIME)
    return found if data.chunks is None else found.chunk({TIME: data.chunksizes[TIME]})


def normal(
    seed: int, key: int, stream: int, rows: np.ndarray, columns: np.ndarray, channels: int
) -> np.ndarray:
    """Return standard normal numbers for one step.

    Parameters
    ----------
    seed : int
        Seed of the member, 32 bits.
    key : int
        Key of the step, 64 bits.
    stream : int
        `NETWORK`, `MEMBER` or `LATENT`.
    rows, columns : numpy.ndarray
        Positions of the HR cells in the domain, integers. Consecutive positions are quickest.
    channels : int
        Number of values for each cell.

    Returns
    -------
    numpy.ndarray
        ``(row, column, channel)``, float32.
    """
    words = [seed, key & 0xFFFFFFFF, key >> 32, stream]
    bits = np.random.Philox(np.random.SeedSequence(words))
    generator, fresh = np.random.Generator(bits), bits.state
    out = np.empty((rows.size, columns.size, channels), "f4")
    for y, (to_y, from_y) in _pieces(rows):
        for x, (to_x, from_x) in _pieces(columns):
            # the position is in the upper words of the counter, so that blocks never share numbers;
            # making a generator for each block would take a sixth of the time of its numbers
            fresh["state"]["counter"][2:] = y % 2**64, x % 2**64  # cells before the first, too
            bits.state = fresh
            drawn = generator.standard_normal((from_y.stop, BLOCK, channels), dtype=np.float32)
            out[to_y, to_x] = drawn[from_y, from_x]
    return out


def _pieces(positions: np.ndarray) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Yield runs of positions in one block: block number, slice of `positions`, slice of the block.

    Examples
    --------
    >>> list(_pieces(np.array([62, 63, 64, 0])))[1:]
    [(1, (slice(2, 3, None), slice(0, 1, None))), (0, (slice(3, 4, None), slice(0, 1, None)))]
    """
    breaks = (np.diff(positions) != 1) | (np.diff(positions // BLOCK) != 0)
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), positions.size]
    for begin, end in itertools.pairwise(edges):
        if begin < end:
            block, first = divmod(int(positions[begin]), BLOCK)
            yield block, (slice(begin, end), slice(first, first + end - begin))


def centred(noise: np.ndarray, valid: np.ndarray, scale: Scale) -> np.ndarray:
    """Subtract the mean of each block, and keep a variance of 1.

    For independent standard normal e, ``sqrt(n / (n - 1)) (e - mean(e))`` has variance 1 in each of
    the n cells, and the sum 0.

    Parameters
    ----------
    noise : numpy.ndarray
        ``(y, x)``, independent and standard normal.
    valid : numpy.ndarray
        ``(y, x)``, True for cells that count. Other cells become 0, and so does a cell that is
        alone in its block.
    scale : Scale
        Cells along the edges of a block.
    """
    y, x = noise.shape
    blocks = (y // scale.y, scale.y, x // scale.x, scale.x)
    counted = np.where(valid, noise, 0.0).astype("f8").reshape(blocks)
    cells = valid.reshape(blocks).sum((1, 3), keepdims=True)
    mean = counted.sum((1, 3), keepdims=True) / np.maximum(cells, 1)
    factor = np.sqrt(cells / np.maximum(cells - 1, 1)) * (cells > 1)
    return np.where(valid, (factor * (counted - mean)).reshape(y, x), 0.0)
