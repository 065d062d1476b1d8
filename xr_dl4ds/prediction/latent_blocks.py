"""Latent members block by block: chunks in space overlap where a constraint looks at neighbours."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import dask.array as da
import numpy as np
import xarray as xr

from xr_dl4ds.config.latent_constants import CORRECTIONS
from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.latent_fields import ALL_SEASONS
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.prediction.latent_draws import CellPositions, LatentMember

#: Meteorological season of each month.
SEASONS = {12: "DJF", 1: "DJF", 2: "DJF", 3: "MAM", 4: "MAM", 5: "MAM"}
SEASONS |= {6: "JJA", 7: "JJA", 8: "JJA", 9: "SON", 10: "SON", 11: "SON"}


def temperatures(
    factors: Mapping[str, Mapping[str, float]], names: tuple[str, ...], output: xr.DataArray
) -> np.ndarray:
    """Return the factor of the noise ``(time, target)`` at the steps of an array.

    Parameters
    ----------
    factors : mapping
        Factors by target and season; 1 for others.
    names : tuple of str
        Names of the targets.
    output : xarray.DataArray
        An array with times.
    """
    steps = output.sizes[TIME]
    months = None
    if any(set(by_season) - {ALL_SEASONS} for by_season in factors.values()):
        index = output.indexes.get(TIME)
        months = getattr(index, "month", None)
    columns = []
    for name in names:
        by_season = factors.get(name, {ALL_SEASONS: 1.0})
        usual = by_season.get(ALL_SEASONS, 1.0)
        if months is None:
            columns.append(np.full(steps, usual))
        else:
            columns.append(np.array([by_season.get(SEASONS[int(m)], usual) for m in months]))
    return np.stack(columns, axis=1).astype("f4")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """A member of one block, as a function of arrays."""

    member: LatentMember
    around: int | None

    def __call__(
        self,
        output: np.ndarray,
        keys: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        temperature: np.ndarray,
        valid: np.ndarray,
    ) -> np.ndarray:
        cells = CellPositions(rows=rows, columns=columns, around=self.around)
        counted = None if valid.all() else valid
        return self.member(output, keys, cells, temperature, counted)


def latent_members(
    member: LatentMember,
    output: xr.DataArray,
    keys: xr.DataArray,
    temperature: np.ndarray,
    valid: xr.DataArray,
    *,
    corner: tuple[int, int],
    period: int | None,
) -> xr.DataArray:
    """Draw the targets with latent noise; the result is lazy if the output is.

    Parameters
    ----------
    member : LatentMember
        The member.
    output : xarray.DataArray
        Network output ``(time, y, x, channel)``; chunks contain whole LR cells.
    keys : xarray.DataArray
        ``(time,)``, keys of the random numbers.
    temperature : numpy.ndarray
        ``(time, target)``.
    valid : xarray.DataArray
        ``(y, x, channel)``, one channel for each target.
    corner : tuple of int
        Row and column of the first HR cell.
    period : int, optional
        Number of columns around the globe.

    Returns
    -------
    xarray.DataArray
        ``(time, y, x, channel)``, one channel for each target with latent noise, float32.
    """
    output = output.transpose(TIME, Y, X, CHANNEL)
    block = _Block(member=member, around=period)
    rows, columns = (
        np.arange(first, first + output.sizes[d]) for first, d in zip(corner, (Y, X), strict=True)
    )
    counted = valid.transpose(Y, X, CHANNEL).to_numpy()
    if period is not None:
        columns = columns % period
    if output.chunks is None:
        found: np.ndarray | da.Array = block(
            output.to_numpy(), keys.to_numpy(), rows, columns, temperature, counted
        )
    else:
        given = [keys.data, rows, columns, temperature, counted]
        found = _by_chunk(block, output.data, given, len(member.targets))
    coords = {TIME: output[TIME]} if TIME in output.coords else {}
    return xr.DataArray(found, dims=(TIME, Y, X, CHANNEL), coords=coords)


def _by_chunk(
    block: _Block, network_output: da.Array, given: list[np.ndarray], targets: int
) -> da.Array:
    """Apply a function to chunks of a network output, which are widened by a few LR cells."""
    output = network_output.rechunk({3: -1})
    times, y, x = output.chunks[:3]
    edges = block.member.scale.edges
    reach = [CORRECTIONS * n if len(c) > 1 else 0 for n, c in zip(edges, (y, x), strict=True)]
    shapes = [
        (times,),
        (y,),
        (x,),
        (times, (targets_of(given[3]),)),
        (y, x, (targets_of(given[4]),)),
    ]
    beside = [_chunked(one, chunks) for one, chunks in zip(given, shapes, strict=True)]
    sides = "periodic" if block.around == sum(x) and reach[1] else "none"
    axes = [(1, 2), (), (0, None), (None, 0), (), (0, 1)]
    arrays = [
        _widened(one, along, reach, sides)
        for one, along in zip([output, *beside], axes, strict=True)
    ]
    made: da.Array = da.blockwise(
        block,
        "tyxn",
        *(arrays[0], "tyxc"),
        *(arrays[1], "t"),
        *(arrays[2], "y"),
        *(arrays[3], "x"),
        *(arrays[4], "tk"),
        *(arrays[5], "yxk"),
        new_axes={"n": targets},
        concatenate=True,
        align_arrays=False,
        dtype=np.dtype("f4"),
        meta=np.empty((0,) * 4, "f4"),
    )
    if not any(reach):
        return made
    depth = {1: reach[0], 2: reach[1]}
    trimmed: da.Array = da.overlap.trim_internal(made, depth, {1: "none", 2: sides})
    return trimmed


def targets_of(array: np.ndarray) -> int:
    """Return the length of the last axis."""
    return int(array.shape[-1])


def _chunked(array: np.ndarray, chunks: tuple[tuple[int, ...], ...]) -> da.Array:
    found: da.Array = da.asarray(array).rechunk(chunks)
    return found


def _widened(
    array: da.Array, along: tuple[int | None, ...], reach: list[int], sides: str
) -> da.Array:
    """Add the cells of neighbouring chunks along y and x, where the array has these axes."""
    depth, boundary = {}, {}
    for axis, n, side in zip(along, reach, ("none", sides), strict=False):
        if axis is not None and n:
            depth[axis], boundary[axis] = n, side
    if not depth:
        return array
    wide: da.Array = da.overlap.overlap(array, depth, boundary)
    return wide
