"""Latent Gaussian fields for training, drawn by the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from scipy.fft import next_fast_len

from xr_dl4ds.data.latent_fields import LatentFields, mixing
from xr_dl4ds.networks.tensors import Tensor

#: Edge of the torus on which fields are made, relative to the sample.
TORUS = 1.5


class LatentNoise:
    """Random fields with the covariance of the latent fields of a model.

    Fields are made in spectral space on a torus that is larger than the samples.

    Parameters
    ----------
    latent : LatentFields
        Statistics of the fields.
    kinds : sequence of str or None
        The distribution of each target.
    around : bool
        Whether the first column of samples follows the last one.
    """

    def __init__(
        self, latent: LatentFields, kinds: Sequence[str | None], around: bool = False
    ) -> None:
        self.around = around
        self.fields = latent.fields(kinds)
        self.mixture = latent.mixture.astype("f4")
        #: Mean absolute residual of the first guess, by target with latent members.
        self.sizes = np.asarray(latent.sizes or (1.0,) * len(latent.lengths), "f4")
        self._roots: dict[tuple[int, int], np.ndarray] = {}

    def draw(self, n: int, batch: Tensor, shape: tuple[int, int], key: Tensor) -> Tensor:
        """Return fields ``(n, batch, y, x, field)``, standard normal.

        Parameters
        ----------
        n : int
            Number of members, even.
        batch : tensor
            Number of samples, a scalar.
        shape : tuple of int
            Rows and columns of a sample.
        key : tensor
            Key of the random numbers, ``(2,)``.
        """
        y, x = shape
        whole = [next_fast_len(int(np.ceil(TORUS * k))) for k in shape]
        if self.around:
            whole[1] = x
        roots = tf.constant(self._roots_of((whole[0], whole[1])), tf.complex64)
        size = tf.concat([[(n + 1) // 2, batch, roots.shape[0]], whole, [2]], axis=0)
        white = tf.random.stateless_normal(size, seed=key)
        # real and imaginary part of one transform are two independent fields
        made = tf.signal.ifft2d(tf.signal.fft2d(tf.complex(white[..., 0], white[..., 1])) * roots)
        made = made[..., :y, :x]
        pairs = tf.concat([tf.math.real(made), tf.math.imag(made)], axis=0)[:n]
        return self._correlated(tf.transpose(pairs, [0, 1, 3, 4, 2]))

    def _roots_of(self, shape: tuple[int, int]) -> np.ndarray:
        if shape not in self._roots:
            every = [field for own in self.fields for field in own]
            self._roots[shape] = np.stack([f.root_spectrum(shape) for f in every]).astype("f4")
        return self._roots[shape]

    def _correlated(self, fields: Tensor) -> Tensor:
        """Mix the fields of all targets, so that these are correlated."""
        if len(self.fields) == 1:
            return fields
        return tf.einsum("...k,jk->...j", fields, tf.constant(mixing(self.fields, self.mixture)))
