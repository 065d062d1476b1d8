"""Distance between the power spectra of generated and true fields, accumulated over batches."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from xr_dl4ds.networks.tensors import Tensor

#: Added to mean powers: fields are scaled, so that lower powers have no meaning.
FLOOR = 1e-12


class SpectralDistance(keras.metrics.Metric):
    """RALSD (Harris et al. 2022, doi:10.1029/2022MS003120) of generated fields, in dB.

    ``sqrt(mean((10 log10(S_true / S_generated))**2))`` over rings of the radial wavenumber up to
    0.5 cycles per cell, averaged over channels. S is the power averaged over ring and fields. The
    ring around 0, the mean of the field, is excluded.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the fields.
    channels : int
        Channels of the true fields.
    """

    def __init__(self, shape: tuple[int, int], channels: int, name: str) -> None:
        super().__init__(name=name)
        self.shape = shape
        self.rings, self.n = _rings(shape)
        self.columns = _column_weights(shape)
        self.powers = [
            self.add_variable((self.n, channels), initializer="zeros", name=kind)
            for kind in ("true", "generated")
        ]

    def update_state(
        self, target: Tensor, output: Tensor, average: Callable[[list[Tensor]], list[Tensor]] = list
    ) -> None:
        """Add the powers of a batch ``(batch, [time,] y, x, channel)``.

        Output channels beyond the number of target channels are ignored. `average` returns the
        mean over all workers, each of which adds a batch.
        """
        channels = target.shape[-1]
        added = [self._powers(fields, channels) for fields in (target, output[..., :channels])]
        for total, powers in zip(self.powers, average(added), strict=True):
            total.assign_add(powers)

    def result(self) -> Tensor:
        """Return the distance so far."""
        true, generated = (tf.convert_to_tensor(p) + FLOOR for p in self.powers)
        decibel = 10 / np.log(10) * tf.math.log(true / generated)
        return tf.reduce_mean(tf.sqrt(tf.reduce_mean(tf.square(decibel), axis=0)))

    def _powers(self, fields: Tensor, channels: int) -> Tensor:
        """Return the power ``(ring, channel)``, summed over fields and wavenumbers."""
        flat = tf.reshape(tf.cast(fields, tf.float32), [-1, *self.shape, channels])
        spectrum = tf.signal.rfft2d(tf.transpose(flat, [0, 3, 1, 2]))
        power = tf.reduce_sum(tf.square(tf.abs(spectrum)), axis=0) * self.columns
        by_wavenumber = tf.reshape(tf.transpose(power, [1, 2, 0]), [-1, channels])
        return tf.math.unsorted_segment_sum(by_wavenumber, self.rings.ravel(), self.n + 2)[1:-1]


def _rings(shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Return the ring of each wavenumber of a real transform, from 1, and the number of rings.

    Ring 0 and the ring after the last one are excluded from the distance.
    """
    y, x = shape
    radius = np.hypot(np.fft.fftfreq(y)[:, None], np.fft.rfftfreq(x)[None, :])
    n = max(min(shape) // 2, 1)
    ring = np.rint(radius * min(shape)).astype("i4")
    return np.where(ring > n, n + 1, ring), n


def _column_weights(shape: tuple[int, int]) -> np.ndarray:
    """Return how often each column of a real transform occurs in the full transform."""
    wavenumber = np.arange(shape[1] // 2 + 1)
    occurs_once = 2 * wavenumber % shape[1] == 0  # the mean and the Nyquist wavenumber
    return np.where(occurs_once, 1, 2).astype("f4")
