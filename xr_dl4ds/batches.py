"""Samples to arrays: fields or patches, steps or windows, shuffled anew in each epoch, seeded.

The fields are held in memory as float32: ``4 bytes x (time x y x channels)`` of LR inputs and HR
targets each; nothing else grows with the length of the data. Windows share the steps that they
have in common.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dask
import keras
import numpy as np
import xarray as xr


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Scaled training samples as arrays.

    Parameters
    ----------
    lr : numpy.ndarray
        ``(time, y, x, channel)``, float32, without NaN.
    target : numpy.ndarray
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
    """

    lr: np.ndarray
    target: np.ndarray
    scale: int
    fixed: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    window: int | None = None
    starts: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.starts is None:
            last = len(self.lr) - (self.window or 1) + 1
            object.__setattr__(self, "starts", np.arange(last))

    @classmethod
    def load(
        cls,
        lr: xr.DataArray,
        target: xr.DataArray,
        fixed: Mapping[str, xr.DataArray],
        *,
        scale: int,
        window: int | None = None,
        runs: Sequence[slice] | None = None,
    ) -> Samples:
        """Compute stacked channels in one dask pass; samples without a valid cell are left out.

        Parameters
        ----------
        lr, target : xarray.DataArray
            ``(time, y, x, channel)``.
        fixed : mapping of xarray.DataArray
            Inputs without time.
        scale : int
            HR cells along one edge of an LR cell.
        window : int, optional
            Steps of a sample.
        runs : sequence of slice, optional
            Parts of the time axis that windows do not leave; the whole by default.
        """
        names = list(fixed)
        lr, target, *others = dask.compute(lr, target, *(fixed[n] for n in names))
        lr_array, target_array = (np.ascontiguousarray(a.to_numpy(), "f4") for a in (lr, target))
        steps = window or 1
        parts = [slice(0, len(lr_array))] if runs is None else runs
        starts = np.concatenate([np.arange(p.start, p.stop - steps + 1) for p in parts])
        useful = np.isfinite(target_array).any(axis=(1, 2, 3))
        starts = starts.astype("i8")
        starts = starts[[useful[s : s + steps].any() for s in starts]]
        return cls(
            lr=lr_array,
            target=target_array,
            fixed={n: _plain(a) for n, a in zip(names, others, strict=True)},
            scale=scale,
            window=window,
            starts=starts,
        )

    def __len__(self) -> int:
        assert self.starts is not None
        return len(self.starts)


def _plain(field: xr.DataArray) -> np.ndarray:
    """Whole numbers (positions) as they are, all others as float32."""
    array = field.to_numpy()
    return array if array.dtype.kind == "i" else np.ascontiguousarray(array, "f4")


class Batches(keras.utils.PyDataset):
    """Batches of ``(inputs, target, weight)`` for Keras.

    Parameters
    ----------
    samples : Samples
        What to draw from; at least one sample.
    batch_size : int
        Samples in a batch; the last batch of an epoch takes what is left.
    patch_size : int, optional
        Edge of the patches in HR cells, a multiple of the scale; None for whole fields.
    seed : int
        Seed of order and positions: epoch `e` uses ``[seed, e]``.
    shuffle : bool
        Draw a new order (and new positions) in every epoch.
    share : callable, optional
        ``order -> order``, which of an epoch's samples are taken, equally many in each epoch; all
        by default. Order and positions are drawn before, the same for every share.
    """

    def __init__(
        self,
        samples: Samples,
        *,
        batch_size: int,
        patch_size: int | None = None,
        seed: int = 0,
        shuffle: bool = True,
        share: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.samples = samples
        self.batch_size = batch_size
        self.cells = None if patch_size is None else patch_size // samples.scale
        self.seed = seed
        self.shuffle = shuffle
        self.share = share
        self.start(0)

    def __len__(self) -> int:
        return -(-len(self._order) // self.batch_size)

    def start(self, epoch: int) -> None:
        """Begin with this epoch, counted from 0."""
        self.epoch = epoch - 1
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Draw the order and the patch positions of the next epoch."""
        self.epoch += 1
        n, (_, y, x, _) = len(self.samples), self.samples.lr.shape
        rng = np.random.default_rng([self.seed, self.epoch])
        self._order = rng.permutation(n) if self.shuffle else np.arange(n)
        if self.share is not None:
            self._order = self.share(self._order)
        self._corner = np.zeros((n, 2), "i4")
        if self.cells is not None:  # every position from the first to the last row and column
            self._corner = np.stack(
                [rng.integers(0, size - self.cells + 1, size=n) for size in (y, x)], axis=1
            )

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """One batch.

        Returns
        -------
        inputs : dict of numpy.ndarray
            "lr" ``(batch, [time,] y, x, channel)`` and the fixed inputs ``(batch, ...)``.
        target : numpy.ndarray
            ``(batch, [time,] y, x, channel)``, 0 where masked.
        weight : numpy.ndarray
            The same shape: 1 where the target is valid, 0 where masked.
        """
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        samples = self.samples
        low = [self._cut(corner, 1) for corner in self._corner[chosen]]
        high = [self._cut(corner, samples.scale) for corner in self._corner[chosen]]
        inputs: dict[str, Any] = {"lr": self._gather(samples.lr, chosen, low)}
        for name, field in samples.fixed.items():
            if name == "position":
                inputs[name] = (field + self._corner[chosen] * samples.scale).astype("i4")
            elif self.cells is None:
                inputs[name] = np.broadcast_to(field, (len(chosen), *field.shape))
            else:
                inputs[name] = np.stack([field[cut] for cut in high])
        target = self._gather(samples.target, chosen, high)
        weight = np.isfinite(target)
        return inputs, np.where(weight, target, np.float32(0)), weight.astype("f4")

    def _gather(
        self, array: np.ndarray, chosen: np.ndarray, cuts: list[tuple[slice, slice]]
    ) -> np.ndarray:
        """Steps, or windows, of an array ``(time, y, x, channel)``, whole or cut."""
        assert self.samples.starts is not None
        starts, window = self.samples.starts[chosen], self.samples.window
        if self.cells is None:
            return array[starts if window is None else starts[:, None] + np.arange(window)]
        steps = [int(s) if window is None else slice(s, s + window) for s in starts]
        return np.stack([array[(s, *cut)] for s, cut in zip(steps, cuts, strict=True)])

    def _cut(self, corner: np.ndarray, scale: int) -> tuple[slice, slice]:
        if self.cells is None:
            return slice(None), slice(None)
        y, x = (int(c) * scale for c in corner)
        return slice(y, y + self.cells * scale), slice(x, x + self.cells * scale)
