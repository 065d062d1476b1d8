"""Random numbers for members: a function of seed, time step and place, never of chunks or batches.

Philox (Salmon et al. 2011, doi:10.1145/2063384.2063405) numbers the draws of a key by a counter.
Each step has a key of its own, from NumPy's `SeedSequence`, and each block of HR cells a place of
its own on the counter: a part of the steps, or of the domain, has the numbers of the whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.grid.fields import TIME

#: Numbers that go into the network, and those from which members of a distribution are drawn.
NETWORK, MEMBER = 0, 1

#: HR cells along the edge of a block, whose numbers are drawn together. Fields of a few cells draw
#: little that they do not need; fields of 1024 x 1024 take a tenth longer than in one go.
BLOCK = 64


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


def normal(
    seed: int, key: int, stream: int, rows: np.ndarray, columns: np.ndarray, channels: int
) -> np.ndarray:
    """Standard normal numbers of one step.

    Parameters
    ----------
    seed : int
        Of the member, 32 bits.
    key : int
        Of the step, 64 bits.
    stream : int
        `NETWORK` or `MEMBER`.
    rows, columns : numpy.ndarray
        Positions of the HR cells in the whole domain, whole numbers >= 0; quick where they follow
        one another.
    channels : int
        Numbers for each cell.

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
            # in the upper words, so that no block comes to the numbers of another; making a
            # generator for each block would take a sixth of the time of its numbers
            fresh["state"]["counter"][2:] = y, x
            bits.state = fresh
            drawn = generator.standard_normal((from_y.stop, BLOCK, channels), dtype=np.float32)
            out[to_y, to_x] = drawn[from_y, from_x]
    return out


def _pieces(positions: np.ndarray) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Runs of positions in one block: its number, where they are in `positions` and in the block.

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
