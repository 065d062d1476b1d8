"""The loss of targets whose members are drawn from latent Gaussian fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from xr_dl4ds.networks.latent_members import LatentMembers
from xr_dl4ds.networks.layers.channel_selection import take
from xr_dl4ds.networks.losses.field_crps import BLOCKS, amplitude, pooled_crps, spectral_crps
from xr_dl4ds.networks.losses.probabilistic_losses import crps
from xr_dl4ds.networks.tensors import Tensor
from xr_dl4ds.training.batches import Samples
from xr_dl4ds.training.latent_noise import LatentNoise

#: Weights of the scores of block means, and of spectral amplitudes, beside that of cells. Without
#: them the spectra of members were 2.7 instead of 1.7 dB from those of radar rain.
POOLED, SPECTRAL = 0.3, 0.1
#: Most samples of which the usual amplitudes are taken.
SAMPLES = 512


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LatentLoss:
    """The loss of latent members, as a function of a network's output.

    It is the fair CRPS of cells, of means over blocks of 2 x 2 and 4 x 4 cells, and of spectral
    amplitudes, in scaled units.

    Parameters
    ----------
    members : LatentMembers
        Draws members from the output of the network.
    noise : LatentNoise
        Draws the latent fields.
    n : int
        Number of members.
    usual : mapping
        Amplitudes ``(y, x // 2 + 1, target)`` by which those of fields are divided, by the shape of
        the fields: mean amplitudes of true fields, relative to the error of the first guess.
    """

    members: LatentMembers
    noise: LatentNoise
    n: int
    usual: Mapping[tuple[int, int], np.ndarray]

    def drawn(
        self,
        inputs: Mapping[str, Tensor],
        output: Tensor,
        shape: tuple[int, int],
        key: Tensor,
    ) -> Tensor:
        """Return members ``(member, batch, y, x, latent target)``; steps are folded into samples.

        Parameters
        ----------
        inputs : mapping of tensor
            Inputs of the network.
        output : tensor
            Output of the network, ``(batch, [time,] y, x, channel)``.
        shape : tuple of int
            Rows and columns of the output.
        key : tensor
            Key of the random numbers.
        """
        steps = inputs["lr"].shape[1] if len(inputs["lr"].shape) == 5 else None
        output = folded(output)
        valid = inputs.get("valid")
        if valid is not None and steps is not None:
            valid = tf.repeat(valid, steps, axis=0)
        shape = (int(shape[0]), int(shape[1]))
        noise = self.noise.draw(self.n, tf.shape(output)[0], shape, key)
        members = self.members(output, noise, valid)
        return tf.ensure_shape(members, [self.n, None, *shape, len(self.members.channels)])

    def __call__(self, target: Tensor, members: Tensor, weight: Tensor) -> Tensor:
        """Return the loss over valid cells: a scalar, in scaled units.

        Parameters
        ----------
        target, weight : tensor
            ``(batch, [time,] y, x, target)``, all targets.
        members : tensor
            From `drawn`.
        """
        channels = list(self.members.channels)
        target, weight = (folded(take(x, channels)) for x in (target, weight))
        loss = crps(target, members, weight)
        for size in BLOCKS:
            if min(target.shape[1:3]) >= size:
                loss += POOLED * pooled_crps(target, members, weight, size)
        usual = self.usual.get((int(target.shape[1]), int(target.shape[2])))
        if usual is not None:
            loss += SPECTRAL * spectral_crps(target, members, weight, tf.constant(usual))
        return loss


def folded(x: Tensor) -> Tensor:
    """Fold time steps into samples."""
    if len(x.shape) < 5:
        return x
    return tf.reshape(x, [-1, *x.shape[2:]])


def usual_amplitudes(
    samples: Samples, shapes: set[tuple[int, int]], channels: tuple[int, ...]
) -> dict[tuple[int, int], np.ndarray]:
    """Return the mean amplitudes of true fields, by their shape.

    Parameters
    ----------
    samples : Samples
        Training samples.
    shapes : set of tuple of int
        Rows and columns of the fields; smaller fields are cut from the samples at random places.
    channels : tuple of int
        The targets.

    Returns
    -------
    dict
        ``(y, x // 2 + 1, channel)`` by shape, float32.
    """
    at = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), SAMPLES)).astype(int))
    steps = np.unique(samples.rows(samples.starts[at]).ravel())[:SAMPLES]
    whole, rng, found = samples.target.shape[1:3], np.random.default_rng(0), {}
    for shape in shapes:
        sums = []
        for first in range(0, len(steps), 16):  # each time in another place, as in training
            corner = [int(rng.integers(0, n - k + 1)) for n, k in zip(whole, shape, strict=True)]
            rows, columns = (slice(c, c + k) for c, k in zip(corner, shape, strict=True))
            fields = samples.true_fields(steps[first : first + 16], rows, columns)
            fields = np.nan_to_num(fields[..., list(channels)])
            sums.append(amplitude(tf.constant(fields, tf.float32)).numpy().sum(axis=0))
        found[shape] = np.sum(sums, axis=0) / len(steps)
    return found
