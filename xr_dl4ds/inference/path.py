"""Gradients of a network along the straight path from a baseline to its input."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf
import xarray as xr

from xr_dl4ds.grid.names import TIME
from xr_dl4ds.inference.application import (
    GUESS,
    ONE_AT_A_TIME,
    Application,
    whole_float32,
)
from xr_dl4ds.inference.flow_path import Noiseless
from xr_dl4ds.networks.latent_members import LatentMembers
from xr_dl4ds.networks.tensors import Tensor

#: HR cells that the network processes at once; a gradient keeps the activations of all layers.
CELLS = 2**16
#: Name of the weights of the output, beside the inputs of the network.
WEIGHTS = "weights"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Gradients:
    """Means of gradients along a path, for some samples.

    Parameters
    ----------
    lr : numpy.ndarray
        Gradient with respect to the LR channels, ``(sample, [time,] y, x, channel)``, float64.
    guess : numpy.ndarray, optional
        Gradient with respect to the first guess, ``(sample, [time,] hr_y, hr_x, target)``.
    difference : numpy.ndarray
        LR channels at the end of the path minus those at its start.
    start, end : numpy.ndarray
        Value at either end of the path, ``(sample,)``.
    """

    lr: np.ndarray
    guess: np.ndarray | None
    difference: np.ndarray
    start: np.ndarray
    end: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Path:
    """The straight path between two inputs of a network.

    Parameters
    ----------
    application : Application
        The network without dropout and with noise 0, and its fixed inputs.
    start, end : xarray.DataArray
        LR channels ``(time, y, x, channel)``, with the first guess as further channels.
    steps : int
        Points at which the gradient is taken: the middles of as many parts of the path.
    members : LatentMembers, optional
        Members of a network whose targets have latent noise. Gradients are those of the member
        without noise.
    noiseless : Noiseless, optional
        Follows the velocity that a network of flow matching returns, from noise 0.
    """

    application: Application
    start: xr.DataArray
    end: xr.DataArray
    steps: int
    members: LatentMembers | None = None
    noiseless: Noiseless | None = None

    def batches(self, rows: np.ndarray) -> Iterator[slice]:
        """Yield the samples that fit into memory at once, for `rows` of `gradients`."""
        size = self._most(rows)
        yield from (slice(i, i + size) for i in range(0, len(rows), size))

    def _most(self, rows: np.ndarray) -> int:
        """Return the number of samples like these that the network processes at once."""
        cells = np.prod(self.application.scale.fine(self.application.domain_of(self.end.shape)))
        passes = 1 if self.noiseless is None else self.noiseless.passes
        return max(1, CELLS // int(passes * cells * np.prod(rows.shape[1:])))

    def gradients(self, rows: np.ndarray, weights: np.ndarray, target: int) -> Gradients:
        """Return mean gradients of the weighted sum of a target.

        Parameters
        ----------
        rows : numpy.ndarray
            Time steps of each sample, ``(sample,)`` or, for sequences, ``(sample, time)``.
        weights : numpy.ndarray
            Weights of the output, ``(sample, [time,] hr_y, hr_x)``.
        target : int
            Channel of the output.
        """
        parts = [_at(one, rows) for one in (self.start, self.end)]
        start, end = (self.application.inputs(part) for part in parts)
        moving = [name for name in ("lr", GUESS) if name in end]
        fixed = {n: x for n, x in end.items() if n not in moving} | {
            WEIGHTS: tf.constant(weights.astype("f4"))
        }
        ends = [{n: one[n] for n in moving} for one in (start, end)]
        # the ends for the values there, and the middles of the parts of the path
        points = np.r_[0, 1, (np.arange(self.steps) + 0.5) / self.steps]
        share = np.r_[0, 0, np.full(self.steps, 1 / self.steps)]
        at_once, values = max(1, self._most(rows) // len(rows)), []
        sums = {n: np.zeros((len(rows), 1)) for n in moving}
        with ONE_AT_A_TIME, whole_float32():
            for i in range(0, points.size, at_once):
                some = points[i : i + at_once].astype("f4")
                gradient, value = self._gradient(
                    *(_repeated(one, some.size) for one in (fixed, *ends)),
                    tf.constant(np.repeat(some, len(rows))),
                    tf.constant(target),
                )
                values.append(np.asarray(value, "f8").reshape(some.size, -1))
                for name in moving:
                    found = np.asarray(gradient[name], "f8").reshape(some.size, len(rows), -1)
                    part = np.tensordot(share[i : i + some.size], found, 1)
                    sums[name] = sums[name] + part
        first, last = np.concatenate(values)[:2]
        return Gradients(
            lr=sums["lr"].reshape(end["lr"].shape),
            guess=sums[GUESS].reshape(end[GUESS].shape) if GUESS in moving else None,
            difference=np.asarray(end["lr"], "f8") - np.asarray(start["lr"], "f8"),
            start=first,
            end=last,
        )

    @functools.cached_property
    def _gradient(self) -> Callable[..., tuple[dict[str, Tensor], Tensor]]:
        """The gradient at a point of the path, and the value there, as one traced function."""
        network, members, noiseless = self.application.network, self.members, self.noiseless

        def gradient(
            fixed: Mapping[str, Tensor],
            start: Mapping[str, Tensor],
            end: Mapping[str, Tensor],
            share: Tensor,
            target: Tensor,
        ) -> tuple[dict[str, Tensor], Tensor]:
            inputs, weights = dict(fixed), fixed[WEIGHTS]
            del inputs[WEIGHTS]
            point = {n: x + _along(share, x) * (end[n] - x) for n, x in start.items()}
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(point)
                every = {**inputs, **point}
                if noiseless is None:
                    out = network(every, training=False)
                else:
                    out = noiseless.member(network, every)
                if members is not None:
                    out = _central(members, out, every.get("valid"))
                out = tf.gather(out, target, axis=-1)
                values = tf.reduce_sum(out * weights, axis=list(range(1, weights.shape.rank)))
            zero = tf.UnconnectedGradients.ZERO
            return tape.gradient(values, point, unconnected_gradients=zero), values

        traced: Callable[..., tuple[dict[str, Tensor], Tensor]]
        traced = tf.function(gradient, reduce_retracing=True)
        return traced


def _central(members: LatentMembers, output: Tensor, valid: Tensor | None) -> Tensor:
    """Return the member without noise, ``(batch, [time,] hr_y, hr_x, target)``."""
    if output.shape.rank == 4:
        return members.central(output, valid)
    lead = tf.shape(output)[:2]
    if valid is not None:
        valid = tf.repeat(valid, lead[1], axis=0)
    found = members.central(tf.reshape(output, [-1, *tf.unstack(tf.shape(output)[2:])]), valid)
    return tf.reshape(found, tf.concat([lead, tf.shape(found)[1:]], axis=0))


def _along(share: Tensor, like: Tensor) -> Tensor:
    """Return a number for each sample, with further dimensions of length 1."""
    return tf.reshape(share, [-1, *[1] * (like.shape.rank - 1)])


def _repeated(arrays: Mapping[str, Tensor], times: int) -> dict[str, Tensor]:
    """Return arrays that are repeated along samples."""
    return {n: tf.tile(x, [times, *[1] * (len(x.shape) - 1)]) for n, x in arrays.items()}


def _at(fields: xr.DataArray, rows: np.ndarray) -> np.ndarray:
    """Return the fields of each sample, ``(sample, [time,] y, x, channel)``."""
    first, last = int(rows.min()), int(rows.max())
    block = fields.isel({TIME: slice(first, last + 1)}).to_numpy()
    return np.asarray(block[rows - first], "f4")
