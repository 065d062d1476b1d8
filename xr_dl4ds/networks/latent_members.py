"""Latent Gaussian members: fields drawn from the parameters that a network gives once for all."""

from __future__ import annotations

from keras import ops

from xr_dl4ds.config.distribution_channels import (
    HELD,
    is_latent_amount,
    n_latent,
    n_mixed,
    parameter_channels,
)
from xr_dl4ds.config.latent_constants import LEAST, VOLATILITY_LIMIT
from xr_dl4ds.networks.heads import fixed_channels, latent_channels
from xr_dl4ds.networks.layers.channel_selection import take
from xr_dl4ds.networks.layers.constraint import CONSTRAINTS, LRBlocks, toward_means
from xr_dl4ds.networks.ports import Ports
from xr_dl4ds.networks.tensors import Tensor

#: Added to the mean of an LR cell before it divides.
TINY = 1e-9


class LatentMembers:
    """Members of the targets with latent noise, as a function of a network's output and of noise.

    For a target with location m, scale s, volatility v and weights a, the noise of a member is
    ``G = sum(a Z) exp(v H - v**2)`` with the independent Gaussian fields Z and H. A member is ``m +
    s G``. For an amount it is ``max(m + s G, 0)**3``, times the interpolated LR amount where a
    constraint fixes the means of LR cells. The constraint of the network then applies to the
    member, after two smooth corrections of amounts. `xr_dl4ds.prediction.latent_draws` does the
    same for predictions.

    Parameters
    ----------
    ports : Ports
        Inputs and outputs of the network.
    constraint : str, optional
        The constraint of the network.
    around : bool
        Whether the first column of samples follows the last one.
    """

    def __init__(self, ports: Ports, constraint: str | None, around: bool = False) -> None:
        kinds = ports.distributions or ()
        self.targets = len(kinds)
        self.channels = latent_channels(ports)
        self.kinds = tuple(kinds[i] for i in self.channels)
        parameters = parameter_channels(kinds)
        self.parameters = tuple(parameters[i] for i in self.channels)
        fixed = fixed_channels(ports, constraint)
        self.fixed = tuple(fixed[i] is not None for i in self.channels)
        zeros = ports.offsets_from_zero or (0.0,) * len(kinds)
        self.zeros = tuple(zeros[i] for i in self.channels)
        self.scale = ports.scale
        self.around = around

    def __call__(self, output: Tensor, noise: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the members of a batch.

        Parameters
        ----------
        output : tensor
            Output of the network, ``(batch, hr_y, hr_x, channel)``.
        noise : tensor
            Latent fields ``(member, batch, hr_y, hr_x, field)``, in the order of
            `xr_dl4ds.data.latent_fields.LatentFields.fields`.
        valid : tensor, optional
            ``(batch, hr_y, hr_x, target)``, 1 where an HR cell of a target counts.

        Returns
        -------
        tensor
            ``(member, batch, hr_y, hr_x, latent target)``, scaled.
        """
        n, first, found = ops.shape(noise)[0], 0, []
        for i, channel in enumerate(self.channels):
            mixed = n_mixed(str(self.kinds[i]))
            own = noise[..., first : first + mixed + 1]
            first += mixed + 1
            value = self._drawn(output, own, i)
            value = ops.reshape(value, (-1, *ops.shape(value)[2:]))
            held = {
                name: _repeated(take(output, [c]), n)
                for name, c in self.parameters[i].items()
                if name in HELD
            }
            counted = None
            if valid is not None:
                counted = ops.not_equal(_repeated(take(valid, [channel]), n), 0)
            value = self._constrained(value, held, counted, i)
            found.append(ops.reshape(value, (n, -1, *ops.shape(value)[1:])))
        return found[0] if len(found) == 1 else ops.concatenate(found, axis=-1)

    def central(self, output: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return all targets ``(batch, hr_y, hr_x, target)`` of the member without noise.

        Targets without latent noise have their value or mean.
        """
        shape = (1, *ops.shape(output)[:3], n_latent(self.kinds))
        members = self(output, ops.zeros(shape, "float32"), valid)[0]
        parts = [
            members[..., self.channels.index(i) : self.channels.index(i) + 1]
            if i in self.channels
            else take(output, [i])
            for i in range(self.targets)
        ]
        return ops.concatenate(parts, axis=-1)

    def _drawn(self, output: Tensor, noise: Tensor, i: int) -> Tensor:
        """Return location and noise of a target: ``(member, batch, hr_y, hr_x, 1)``."""
        at = self.parameters[i]
        names = [name for name in at if name.startswith("mix_")]
        weights = take(output, [at[name] for name in names])
        volatility = take(output, [at["volatility"]])
        spread = next(at[name] for name in ("scale", "root_scale") if name in at)
        mixed = ops.sum(noise[..., : len(names)] * weights, axis=-1, keepdims=True)
        limited = ops.clip(noise[..., len(names) :], -VOLATILITY_LIMIT, VOLATILITY_LIMIT)
        mixed = mixed * ops.exp(volatility * limited - ops.square(volatility))
        return take(output, [self.channels[i]]) + take(output, [spread]) * mixed

    def _constrained(
        self, value: Tensor, held: dict[str, Tensor], valid: Tensor | None, i: int
    ) -> Tensor:
        """Bring amounts back from the root scale, and apply the constraint."""
        amount, zero = is_latent_amount(self.kinds[i]), self.zeros[i]
        if amount:
            value = ops.relu(value)
            value = value * ops.square(value)
        if not self.fixed[i]:
            return value - zero if amount else value
        coarse = held["reference"][:, :: self.scale.y, :: self.scale.x]
        blocks = LRBlocks(coarse, valid, self.scale, wrap=self.around)
        if not amount:
            moved = CONSTRAINTS["additive"](value, coarse, zero, blocks)
            return moved if valid is None else ops.where(blocks.spread(blocks.some), moved, value)
        wanted = ops.relu(coarse + zero)
        value = (value + LEAST) * ops.relu(held["smooth_reference"] + zero)
        value = toward_means(value, wanted, blocks)
        return value * blocks.spread(wanted / (blocks.mean(value) + TINY)) - zero


def _repeated(x: Tensor, n: int) -> Tensor:
    """Repeat a batch for each member, in the order ``(member, batch)``."""
    return ops.tile(x, (n, *([1] * (len(x.shape) - 1))))
