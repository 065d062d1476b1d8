"""Samples, and where they are held: in memory, on disk, or streamed from their source."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from xr_dl4ds.config import Scale
from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.prepare import SampleChannels
from xr_dl4ds.grid.names import TIME
from xr_dl4ds.training.batches.copying import Scratch, slabs, to_disk, to_memory

logger = logging.getLogger(__name__)

#: Bytes of samples, training and validation together, that "auto" holds in memory. The value does
#: not depend on the machine, so that a seed gives the same order of samples everywhere.
BUDGET = 2**31


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Scaled training samples.

    Parameters
    ----------
    lr : numpy.ndarray, Scratch or dask.array.Array
        ``(time, y, x, channel)``, float32, without NaN: in memory, on disk, or streamed. It has
        `context` further rows and columns on each side of the domain.
    target : numpy.ndarray, Scratch or dask.array.Array
        ``(time, hr_y, hr_x, channel)``, float32, NaN where masked. The first guess of the
        targets follows them, in `guesses` channels.
    fixed : mapping of numpy.ndarray
        HR inputs ``(hr_y, hr_x, channel)``, float32, without NaN, by name ("static",
        "valid"); and "position" ``(channel,)``, row and column of the first HR cell, if the network
        has this input.
    scale : Scale
        HR cells along the edges of an LR cell.
    window : int, optional
        Time steps of a sample; None for samples that are single steps.
    starts : numpy.ndarray
        First step of each sample.
    without_gaps : numpy.ndarray
        For each sample, True if it is known to have no masked cells.
    guesses : int
        Channels of the first guess: one for each target, or 0.
    """

    lr: Any
    target: Any
    scale: Scale
    fixed: Mapping[str, np.ndarray]
    window: int | None
    starts: np.ndarray
    without_gaps: np.ndarray
    guesses: int = 0

    @classmethod
    def hold(
        cls,
        part: SampleChannels,
        fixed: Mapping[str, xr.DataArray],
        *,
        cache: str,
        scale: Scale,
        window: int | None = None,
    ) -> Samples:
        """Hold stacked channels in memory, on disk, or streamed.

        Parameters
        ----------
        part : SampleChannels
            Channels of training or validation. Samples without valid cells are left out.
        fixed : mapping of xarray.DataArray
            Inputs without time, in memory.
        cache : {"memory", "disk", "none"}
            Where the samples are held, see `resolve_cache`.
        scale : Scale
            HR cells along the edges of an LR cell.
        window : int, optional
            Time steps of a sample.
        """
        both = part.target
        if part.guess is not None:
            guess = part.guess if both.chunks is None else part.guess.chunk(both.chunksizes)
            bare = [one.drop_vars(list(one.coords)) for one in (both, guess)]
            both = xr.concat(bare, CHANNEL)
            both = both if both.chunks is None else both.chunk({CHANNEL: -1})
        lr, target = HOLDERS[cache]([part.lr, both])
        starts = part.steps.starts(window, part.runs)
        return cls(
            lr=lr,
            target=target,
            fixed={n: _plain(a) for n, a in fixed.items()},
            scale=scale,
            window=window,
            starts=starts,
            without_gaps=part.steps.without_gaps(starts, window),
            guesses=0 if part.guess is None else part.guess.sizes[CHANNEL],
        )

    @property
    def domain(self) -> tuple[int, int]:
        """LR rows and columns of the domain."""
        return self.target.shape[1] // self.scale.y, self.target.shape[2] // self.scale.x

    @property
    def context(self) -> int:
        """LR rows and columns around the domain, on each side."""
        return int(self.lr.shape[1] - self.domain[0]) // 2

    @property
    def streamed(self) -> bool:
        """True if the samples are read again in each epoch."""
        return isinstance(self.target, da.Array)

    def arrays(self) -> list[np.ndarray]:
        """Return LR inputs and targets, in memory or as memory maps of files."""
        return [a.open() if isinstance(a, Scratch) else a for a in (self.lr, self.target)]

    def true_fields(self, steps: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Return targets, and first guesses, of some steps and HR cells."""
        return np.asarray(self.arrays()[1][steps][:, rows, columns])

    def rows(self, starts: np.ndarray) -> np.ndarray:
        """Return the steps of samples by their first steps, ``(sample,)`` or ``(sample, step)``."""
        return starts if self.window is None else starts[:, None] + np.arange(self.window)

    def __len__(self) -> int:
        return len(self.starts)


def resolve_cache(cache: str, *parts: SampleChannels | None) -> str:
    """Return the option for "auto", by the size of all samples; return other options unchanged.

    Parameters
    ----------
    cache : {"auto", "memory", "disk", "none"}
        The option.
    *parts : SampleChannels or None
        All samples, lazy or not.
    """
    if cache != "auto":
        return cache
    total = sum(part.nbytes for part in parts if part is not None)
    if total <= BUDGET:
        return "memory"
    logger.info(
        "%.1f GB of samples are read again in each epoch, while the network trains, because"
        " cache='auto' holds at most %.1f GB in memory; cache='memory' or 'disk' reads them once",
        total / 1e9,
        BUDGET / 1e9,
    )
    return "none"


def _streamed(fields: list[xr.DataArray]) -> list[da.Array]:
    """Return the fields as dask arrays; fields in memory become views."""
    parts = {TIME: tuple(part.stop - part.start for part in slabs(fields))}
    return [(f if f.chunks is not None else f.chunk(parts)).data for f in fields]


#: Functions that hold samples, by the values of `Sampling.cache`.
HOLDERS: dict[str, Any] = {"memory": to_memory, "disk": to_disk, "none": _streamed}


def _plain(field: xr.DataArray) -> np.ndarray:
    """Return integers (positions) unchanged, all other values as float32."""
    array = field.to_numpy()
    return array if array.dtype.kind == "i" else np.ascontiguousarray(array, "f4")
