"""Interpolation of cell means by an integer factor, equal to the interpolation of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from xr_dl4ds.config import Scale
from xr_dl4ds.networks.layers.wrap import wrap as wrap_columns
from xr_dl4ds.networks.tensors import Tensor

#: LR cells on each side of an LR cell that the widest kernel (bicubic) uses.
REACH = 2


def _nearest(distance: np.ndarray) -> np.ndarray:
    return (distance < 0.5).astype("f4")


def _bilinear(distance: np.ndarray) -> np.ndarray:
    return np.clip(1 - distance, 0, None)


def _bicubic(distance: np.ndarray) -> np.ndarray:
    # Keys 1981, doi:10.1109/TASSP.1981.1163711, with a = -0.75 as in OpenCV and PyTorch
    a = -0.75
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


#: Functions from the distance of a neighbour, in LR cells, to its weight.
KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
}


def phase_weights(method: str, scale: int) -> np.ndarray:
    """Return the weights of the LR neighbours for each HR cell inside an LR cell, along one axis.

    Returns
    -------
    numpy.ndarray
        ``(scale, 2 * REACH + 1)``; rows sum to 1.
    """
    centre = (np.arange(scale) + 0.5) / scale - 0.5
    neighbour = np.arange(-REACH, REACH + 1)
    return KERNELS[method](np.abs(centre[:, None] - neighbour)).astype("f4")


def refined(x: Tensor, scale: Scale, method: str, wrap: bool = False) -> Tensor:
    """Interpolate all channels along y, then along x.

    Parameters
    ----------
    x : tensor
        ``(batch, y, x, channel)``.
    scale : Scale
        HR cells along the edges of an LR cell.
    method : {"bicubic", "bilinear", "nearest"}
        Kernel.
    wrap : bool
        Whether the first column follows the last one.
    """
    for axis, cells in enumerate(scale.edges, start=1):
        x = x if cells == 1 else _along(x, axis, cells, method, wrap and axis == 2)
    return x


def _along(x: Tensor, axis: int, cells: int, method: str, around: bool) -> Tensor:
    """Interpolate along one axis by weighted sums of shifted copies.

    Matrix products are avoided, because a GPU may round them to TensorFloat-32.
    """
    shape = list(ops.shape(x))
    size = shape[axis]
    if around:
        padded = wrap_columns(x, REACH)
    else:
        first, last = (x[:, :1], x[:, -1:]) if axis == 1 else (x[:, :, :1], x[:, :, -1:])
        padded = ops.concatenate([first] * REACH + [x] + [last] * REACH, axis=axis)
    shifts = [
        padded[:, k : k + size] if axis == 1 else padded[:, :, k : k + size]
        for k in range(2 * REACH + 1)
    ]
    phases = [
        sum(float(w) * shift for w, shift in zip(row, shifts, strict=True) if w)
        for row in phase_weights(method, cells)
    ]
    shape[axis] = size * cells
    return ops.reshape(ops.stack(phases, axis=axis + 1), shape)


@keras.saving.register_keras_serializable(package="xr_dl4ds")
class Interpolation(keras.layers.Layer):
    """Layer that interpolates selected channels from LR cells to HR cells.

    Beyond the border the outermost cells are repeated, unless columns are periodic. The result
    equals that of `xr_dl4ds.grid.regridding.rectilinear.interpolate` between nested, evenly spaced
    grids. Keras's `UpSampling2D` has another cubic kernel and cannot select channels.

    Parameters
    ----------
    scale : int or tuple of int
        HR cells along one edge of an LR cell, >= 1, or along y and along x.
    method : {"bicubic", "bilinear", "nearest"}
        Kernel.
    channels : sequence of int or None, optional
        For each output channel, the input channel to interpolate, or None for a channel of zeros.
        By default all input channels.
    wrap : bool
        Whether the first column follows the last one, as on a global grid.

    Input shape
        ``(batch, y, x, channel)``
    Output shape
        ``(batch, scale.y * y, scale.x * x, channel)``
    """

    def __init__(
        self,
        scale: int | tuple[int, int],
        method: str = "bicubic",
        channels: tuple[int | None, ...] | None = None,
        wrap: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.scale = Scale.of(scale).public  # plain, for the model file
        self.method = method
        self.channels = None if channels is None else tuple(channels)
        self.wrap = wrap

    def call(self, inputs: Tensor) -> Tensor:
        """Interpolate along y, then along x."""
        return refined(self._choose(inputs), Scale.of(self.scale), self.method, self.wrap)

    def _choose(self, x: Tensor) -> Tensor:
        if self.channels is None:
            return x
        nothing = ops.zeros_like(x[..., :1])
        chosen = [nothing if c is None else x[..., c : c + 1] for c in self.channels]
        return ops.concatenate(chosen, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the output; unknown sizes stay unknown."""
        batch, y, x, channel = input_shape
        out = channel if self.channels is None else len(self.channels)
        scale = Scale.of(self.scale)
        return (
            batch,
            None if y is None else y * scale.y,
            None if x is None else x * scale.x,
            out,
        )
