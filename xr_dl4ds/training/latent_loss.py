"""The loss of targets whose members are drawn from latent Gaussian fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from xr_dl4ds.networks.latent_members import LatentMembers
from xr_dl4ds.networks.layers.channel_selection import take
from xr_dl4ds.networks.losses import Loss
from xr_dl4ds.networks.tensors import Tensor
from xr_dl4ds.training.latent_noise import LatentNoise


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LatentLoss:
    """The loss of latent members, as a function of a network's output.

    Parameters
    ----------
    members : LatentMembers
        Draws members from the output of the network.
    noise : LatentNoise
        Draws the latent fields.
    n : int
        Number of members.
    loss : callable
        ``(target, members, weight) -> scalar`` of the targets with latent noise.
    """

    members: LatentMembers
    noise: LatentNoise
    n: int
    loss: Loss

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
        return self.loss(target, members, weight)


def folded(x: Tensor) -> Tensor:
    """Fold time steps into samples."""
    if len(x.shape) < 5:
        return x
    return tf.reshape(x, [-1, *x.shape[2:]])
