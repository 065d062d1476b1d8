"""Fields without a time axis that the parts of a network take from its inputs."""

from __future__ import annotations

from collections.abc import Mapping

from xr_dl4ds.config import Network
from xr_dl4ds.networks.blocks import by_step
from xr_dl4ds.networks.layers import Interpolation, through_curves
from xr_dl4ds.networks.layers.interpolation import REACH
from xr_dl4ds.networks.margins import cropped, square
from xr_dl4ds.networks.ports import Ports
from xr_dl4ds.networks.tensors import Tensor


def fields_of(inputs: Mapping[str, Tensor], ports: Ports) -> dict[str, Tensor]:
    """Return the inputs without time axis, and LR fields with three margins.

    Parameters
    ----------
    inputs : mapping of tensor
        Inputs of a network by name.
    ports : Ports
        Inputs and outputs.

    Returns
    -------
    dict
        The inputs but "static", with time steps folded into samples; "lr_near", the LR fields with
        the cells around the domain that interpolation needs; "lr_inside", without any; and "seen"
        ``(batch, [time,] y, x, n_lr)``, the LR fields through their curves. "lr" is folded "seen".
    """
    lr = inputs["lr"]
    fields = {name: by_step(x, lr) for name, x in inputs.items() if name != "static"}
    near = min(ports.context, REACH)
    fields["lr_near"] = cropped(fields["lr"], square(ports.context - near), "near")
    fields["lr_inside"] = cropped(fields["lr_near"], square(near), "inside")
    fields["seen"] = through_curves(lr, ports.curves, "lr_curves")
    if fields["seen"] is not lr:
        fields["lr"] = by_step(fields["seen"], lr)
    return fields


def first_guess(fields: Mapping[str, Tensor], network: Network, ports: Ports) -> Tensor | None:
    """Return the first guess of the targets, ``(batch, hr_y, hr_x, target)``; None without one."""
    if ports.guessed:
        return fields["guess"]
    if not network.interpolation_skip or all(s is None for s in ports.lr_channels):
        return None
    coarse = Interpolation(
        ports.scale.public, ports.interpolation, ports.lr_channels, dtype="float32", name="skip"
    )(fields["lr_near"])
    near = square(min(ports.context, REACH))
    return cropped(coarse, ports.scale.fine(near), "skip_crop")
