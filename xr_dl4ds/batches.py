"""Samples to arrays: whole fields or patches, shuffled anew in each epoch, seeded.

The samples are held in memory as float32: ``4 bytes x (time x y x channels)`` of LR inputs and HR
targets each; nothing else grows with the length of the data.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import dask
import keras
import numpy as np
import xarray as xr


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Standardized training samples as arrays.

    Parameters
    ----------
    lr : numpy.ndarray
        ``(sample, y, x, channel)``, float32, without NaN.
    target : numpy.ndarray
        ``(sample, scale*y, scale*x, channel)``, float32, NaN where masked.
    static : numpy.ndarray, optional
        ``(scale*y, scale*x, channel)``, float32, without NaN.
    scale : int
        HR cells along one edge of an LR cell.
    """

    lr: np.ndarray
    target: np.ndarray
    static: np.ndarray | None
    scale: int

    @classmethod
    def load(
        cls, lr: xr.DataArray, target: xr.DataArray, static: xr.DataArray | None, scale: int
    ) -> Samples:
        """Compute stacked channels in one dask pass; samples without a valid cell are left out."""
        arrays = dask.compute(lr, target, static)
        lr_array, target_array = (np.ascontiguousarray(a.to_numpy(), "f4") for a in arrays[:2])
        static_array = None if static is None else arrays[2].to_numpy().astype("f4")
        useful = np.isfinite(target_array).any(axis=(1, 2, 3))
        if not useful.all():
            lr_array, target_array = lr_array[useful], target_array[useful]
        return cls(lr=lr_array, target=target_array, static=static_array, scale=scale)

    def __len__(self) -> int:
        return len(self.lr)


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
    """

    def __init__(
        self,
        samples: Samples,
        *,
        batch_size: int,
        patch_size: int | None = None,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.samples = samples
        self.batch_size = batch_size
        self.cells = None if patch_size is None else patch_size // samples.scale
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = -1
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.samples) // self.batch_size)

    def on_epoch_end(self) -> None:
        """Draw the order and the patch positions of the next epoch."""
        self.epoch += 1
        n, (_, y, x, _) = len(self.samples), self.samples.lr.shape
        rng = np.random.default_rng([self.seed, self.epoch])
        self._order = rng.permutation(n) if self.shuffle else np.arange(n)
        if self.cells is not None:  # every position from the first to the last row and column
            self._corner = np.stack(
                [rng.integers(0, size - self.cells + 1, size=n) for size in (y, x)], axis=1
            )

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """One batch.

        Returns
        -------
        inputs : dict of numpy.ndarray
            "lr" ``(batch, y, x, channel)`` and, with static fields, "static".
        target : numpy.ndarray
            ``(batch, y, x, channel)``, 0 where masked.
        weight : numpy.ndarray
            The same shape: 1 where the target is valid, 0 where masked.
        """
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        lr, target, static = self._cut(chosen)
        weight = np.isfinite(target)
        inputs: dict[str, Any] = {"lr": lr}
        if static is not None:
            inputs["static"] = static
        return inputs, np.where(weight, target, np.float32(0)), weight.astype("f4")

    def _cut(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        samples = self.samples
        if self.cells is None:
            static = samples.static
            if static is not None:
                static = np.broadcast_to(static, (len(chosen), *static.shape))
            return samples.lr[chosen], samples.target[chosen], static
        low = [self._windows(corner, 1) for corner in self._corner[chosen]]
        high = [self._windows(corner, samples.scale) for corner in self._corner[chosen]]
        lr = np.stack([samples.lr[(i, *w)] for i, w in zip(chosen, low, strict=True)])
        target = np.stack([samples.target[(i, *w)] for i, w in zip(chosen, high, strict=True)])
        if samples.static is None:
            return lr, target, None
        return lr, target, np.stack([samples.static[w] for w in high])

    def _windows(self, corner: np.ndarray, scale: int) -> tuple[slice, slice]:
        assert self.cells is not None
        y, x = (int(c) * scale for c in corner)
        return slice(y, y + self.cells * scale), slice(x, x + self.cells * scale)
