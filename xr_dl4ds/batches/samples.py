"""Samples, and where they are held: in memory, on disk, or where they come from."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from xr_dl4ds.batches.copying import Scratch, slabs, to_disk, to_memory
from xr_dl4ds.grid.fields import TIME
from xr_dl4ds.preparation import Stacked

logger = logging.getLogger(__name__)

#: Bytes of samples, training and validation together, that "auto" holds in memory: the same on
#: every machine, so that a seed gives the same order of samples everywhere.
BUDGET = 2**31


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Scaled training samples.

    Parameters
    ----------
    lr : numpy.ndarray, Scratch or dask.array.Array
        ``(time, y, x, channel)``, float32, without NaN: in memory, on disk, or streamed.
    target : numpy.ndarray, Scratch or dask.array.Array
        ``(time, scale*y, scale*x, channel)``, float32, NaN where masked.
    fixed : mapping of numpy.ndarray
        HR inputs ``(scale*y, scale*x, channel)``, float32, without NaN, by name ("static",
        "valid"); and "position" ``(channel,)``, the row and column of the first HR cell, where the
        network asks for it.
    scale : int
        HR cells along one edge of an LR cell.
    window : int, optional
        Steps of a sample; None for samples that are single steps.
    starts : numpy.ndarray, optional
        The first step of each sample; every step by default.
    whole : numpy.ndarray, optional
        Whether each sample is known to have no masked cell; none is by default.
    """

    lr: Any
    target: Any
    scale: int
    fixed: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    window: int | None = None
    starts: np.ndarray | None = None
    whole: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.starts is None:
            last = self.lr.shape[0] - (self.window or 1) + 1
            object.__setattr__(self, "starts", np.arange(last))
        if self.whole is None:
            object.__setattr__(self, "whole", np.zeros(len(self), bool))

    @classmethod
    def hold(
        cls,
        part: Stacked,
        fixed: Mapping[str, xr.DataArray],
        *,
        cache: str,
        scale: int,
        window: int | None = None,
    ) -> Samples:
        """Bring stacked channels to where training takes them from.

        Parameters
        ----------
        part : Stacked
            Channels of training or validation. Samples without a valid cell are left out.
        fixed : mapping of xarray.DataArray
            Inputs without time, in memory.
        cache : {"memory", "disk", "none"}
            Where to, see `resolve_cache`.
        scale : int
            HR cells along one edge of an LR cell.
        window : int, optional
            Steps of a sample.
        """
        lr, target = HOLDERS[cache]([part.lr, part.target])
        starts = part.steps.starts(window, part.runs)
        return cls(
            lr=lr,
            target=target,
            fixed={n: _plain(a) for n, a in fixed.items()},
            scale=scale,
            window=window,
            starts=starts,
            whole=part.steps.without_gaps(starts, window),
        )

    @property
    def streamed(self) -> bool:
        """Whether they are read anew in each epoch."""
        return isinstance(self.target, da.Array)

    def arrays(self) -> list[np.ndarray]:
        """LR inputs and targets, in memory or as views of the disk."""
        return [a.open() if isinstance(a, Scratch) else a for a in (self.lr, self.target)]

    def rows(self, starts: np.ndarray) -> np.ndarray:
        """The steps of samples that begin there: ``(sample,)``, of windows ``(sample, step)``."""
        return starts if self.window is None else starts[:, None] + np.arange(self.window)

    def __len__(self) -> int:
        assert self.starts is not None
        return len(self.starts)


def resolve_cache(cache: str, *parts: Stacked | None) -> str:
    """What "auto" stands for, by the size of all samples.

    Parameters
    ----------
    cache : {"auto", "memory", "disk", "none"}
        The option.
    *parts : Stacked or None
        All samples, lazy or not.
    """
    if cache != "auto":
        return cache
    total = sum(part.nbytes for part in parts if part is not None)
    if total <= BUDGET:
        return "memory"
    logger.info(
        "%.1f GB of samples are read anew in each epoch, while the network trains: more than the"
        " %.1f GB that cache='auto' holds in memory; cache='memory' or 'disk' reads them once",
        total / 1e9,
        BUDGET / 1e9,
    )
    return "none"


def _streamed(fields: list[xr.DataArray]) -> list[da.Array]:
    """As they are, lazily; of arrays in memory views."""
    parts = {TIME: tuple(part.stop - part.start for part in slabs(fields))}
    return [(one if one.chunks is not None else one.chunk(parts)).data for one in fields]


#: How samples are held, by the name that `Sampling.cache` has for it.
HOLDERS: dict[str, Any] = {"memory": to_memory, "disk": to_disk, "none": _streamed}


def _plain(field: xr.DataArray) -> np.ndarray:
    """Whole numbers (positions) as they are, all others as float32."""
    array = field.to_numpy()
    return array if array.dtype.kind == "i" else np.ascontiguousarray(array, "f4")
