"""Sorted values of fields, exact in memory and in narrow bins for lazy fields.

Lazy fields are counted chunk by chunk. The mean of the first chunk is subtracted, and the bins keep
the sign, the exponent and the first 11 bits of the fraction of a 32-bit number. A bin is therefore
less than 0.05 % as wide as its distance from that mean, and a quantile of lazy data is wrong by
less than the width of its bin. The counts of a field need 8 MiB.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import dask.array as da
import numpy as np
import xarray as xr

from xr_dl4ds.metrics.pairs import Dimensions, in_one_chunk

#: Bits of a 32-bit number that a bin leaves out.
LOST = 12
BINS = 2 ** (32 - LOST)

_BIN = "bin"


class Sorted(NamedTuple):
    """Numbers in rising order, how often each occurs, and the width of its bin."""

    numbers: np.ndarray
    counts: np.ndarray
    widths: np.ndarray

    def quantile(self, q: np.ndarray) -> np.ndarray:
        """Return quantiles, linear between the values of two ranks; NaN without values."""
        if not self.numbers.size:
            return np.full(np.shape(q), np.nan)
        ends = np.cumsum(self.counts)
        at = q * (ends[-1] - 1)
        low, high = self._of_rank(np.floor(at), ends), self._of_rank(np.ceil(at), ends)
        return low + (high - low) * (at - np.floor(at))

    def _of_rank(self, rank: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Return the values of ranks, which count from 0 and are spread evenly over a bin."""
        place = np.searchsorted(ends, rank, side="right")
        inside = (rank - (ends - self.counts)[place] + 0.5) / self.counts[place] - 0.5
        found: np.ndarray = self.numbers[place] + inside * self.widths[place]
        return found


Statistic = Callable[..., np.ndarray]


def of_sorted(
    statistic: Statistic, fields: list[xr.DataArray], dims: Dimensions, size: dict[str, int]
) -> xr.DataArray:
    """Compute a statistic of the sorted values of fields over some dimensions.

    Parameters
    ----------
    statistic : callable
        ``(*values) -> array`` of one or no dimension, for the `Sorted` values of each field.
    fields : list of xarray.DataArray
        The fields, NaN where they do not count.
    dims : sequence of hashable
        Dimensions over which values are sorted; a field may lack some of them.
    size : dict
        Name and size of the dimension of the statistic; empty for a single number.

    Returns
    -------
    xarray.DataArray
        The statistic along other dimensions. Lazy if the fields are.
    """
    shared = [[d for d in dims if d in one.dims] for one in fields]
    lazy = any(one.chunks is not None for one in fields)
    whole = all(set(one.dims) == set(own) for one, own in zip(fields, shared, strict=True))
    if lazy and whole:
        return xr.apply_ufunc(
            lambda *given: statistic(*map(_of_counts, given[::2], given[1::2])),
            *[part for one in fields for part in _counts(one)],
            input_core_dims=[[_BIN], []] * len(fields),
            output_core_dims=[list(size)],
            dask="parallelized",
            output_dtypes=["f8"],
            dask_gufunc_kwargs={"output_sizes": size},
        )
    return xr.apply_ufunc(
        lambda *arrays: statistic(*map(_of_array, arrays)),
        *[in_one_chunk(one, own) for one, own in zip(fields, shared, strict=True)],
        input_core_dims=shared,
        output_core_dims=[list(size)],
        vectorize=True,
        dask="parallelized",
        output_dtypes=["f8"],
        dask_gufunc_kwargs={"output_sizes": size},
    )


def ranks(field: xr.DataArray) -> xr.DataArray:
    """Return the ranks of all valid values of a field, equal values with their mean rank.

    In lazy fields the values of a bin are equal. Lazy if the field is; its values then stay in
    memory until all are counted.
    """
    if field.chunks is None:
        return field.copy(data=ranks_of_array(field.to_numpy()))
    counts, origin = _counts(field)
    found = da.map_blocks(
        _ranks_of_block,
        field.data,
        counts.data.reshape((1,) * (field.ndim - 1) + (BINS,)).rechunk(-1),
        origin.data,
        dtype="f8",
        chunks=field.data.chunks,
    )
    return field.copy(data=found)


def ranks_of_array(values: np.ndarray) -> np.ndarray:
    """Return the ranks of the valid values of an array, equal values with their mean rank."""
    return ranks_of_rows(values.reshape(1, -1)).reshape(values.shape)


def ranks_of_rows(values: np.ndarray) -> np.ndarray:
    """Return the ranks of the valid values along the last axis, which start from 1 in each row."""
    order = np.argsort(values, axis=-1)  # NaN last
    ordered = np.take_along_axis(values, order, axis=-1)
    ranks_in_order = np.broadcast_to(np.arange(1.0, values.shape[-1] + 1), values.shape)
    equal = ordered[..., 1:] == ordered[..., :-1]
    if equal.any():
        ranks_in_order = _with_mean_ranks(ranks_in_order, equal)
    out = np.empty(values.shape)
    np.put_along_axis(out, order, ranks_in_order, axis=-1)
    return np.where(np.isnan(values), np.nan, out)


def _with_mean_ranks(ranks: np.ndarray, equal: np.ndarray) -> np.ndarray:
    """Return ranks, of which each that is equal to the one before has the mean rank of its run."""
    edge = np.ones((*equal.shape[:-1], 1), bool)
    first = np.where(np.concatenate([edge, ~equal], axis=-1), ranks, 0.0)
    last = np.where(np.concatenate([~equal, edge], axis=-1), ranks, np.inf)
    first = np.maximum.accumulate(first, axis=-1)
    last = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray((first + last) / 2)


def _ranks_of_block(values: np.ndarray, counts: np.ndarray, origin: np.ndarray) -> np.ndarray:
    counts = counts.ravel()
    middle = np.cumsum(counts) - (counts - 1) / 2
    there = ~np.isnan(values)
    out = np.full(values.shape, np.nan)
    out[there] = middle[_bins(values[there] - origin)]
    return out


def _of_array(values: np.ndarray) -> Sorted:
    values = np.sort(values[~np.isnan(values)], axis=None).astype("f8")
    return Sorted(values, np.ones(values.size, int), np.zeros(values.size))


def _of_counts(counts: np.ndarray, origin: np.ndarray) -> Sorted:
    there = np.flatnonzero(counts)
    low, high = (_edges(bins) + origin for bins in (there, there + 1))
    return Sorted((low + high) / 2, counts[there], high - low)


def _counts(field: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the number of values in each bin, and the value from which bins count, lazily."""
    blocks = field.chunk().data
    first = blocks[tuple(slice(sizes[0]) for sizes in blocks.chunks)]
    origin = da.nan_to_num(da.nanmean(first.astype("f8")))
    shape = blocks.numblocks
    chunks = (*((1,) * n for n in shape[:-1]), (BINS,) * shape[-1])
    found = da.map_blocks(_count, blocks, origin, dtype="i8", chunks=chunks)
    parts = found.reshape((*found.shape[:-1], shape[-1], BINS))
    counts = parts.sum(axis=tuple(range(parts.ndim - 1)))
    return xr.DataArray(counts, dims=_BIN), xr.DataArray(origin)


def _count(values: np.ndarray, origin: np.ndarray) -> np.ndarray:
    there = values[~np.isnan(values)] - origin
    return np.bincount(_bins(there), minlength=BINS).reshape((1,) * (values.ndim - 1) + (BINS,))


def _bins(values: np.ndarray) -> np.ndarray:
    """Return the bins of values: the bits of 32-bit numbers, in the order of the numbers."""
    bits = (values.astype("f4") + np.float32(0)).view("u4")  # + 0 turns -0 into 0
    bits = np.where(bits >> 31, ~bits, bits | np.uint32(2**31))
    return (bits >> LOST).astype("i8")


def _edges(bins: np.ndarray) -> np.ndarray:
    """Return the lower edges of bins, the inverse of `_bins`."""
    bits = (bins.astype("u8") << LOST).astype("u4")
    bits = np.where(bits >> 31, bits & np.uint32(2**31 - 1), ~bits)
    return bits.view("f4").astype("f8")
