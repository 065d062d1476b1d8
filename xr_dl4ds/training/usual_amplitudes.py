"""Usual spectral amplitudes of true fields, by which a loss divides the amplitudes of members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from xr_dl4ds.networks.layers.amount_curve import bent
from xr_dl4ds.networks.losses.field_crps import amplitude
from xr_dl4ds.training.batches import Samples

#: Most samples of which the usual amplitudes are taken.
SAMPLES = 512
#: Least deviation, in scaled units.
TINY = 1e-6


def usual_amplitudes(
    samples: Samples,
    shapes: set[tuple[int, int]],
    channels: Sequence[int],
    curves: Sequence[str | None] = (),
) -> dict[tuple[int, int], np.ndarray]:
    """Return the mean amplitudes of true fields, by their shape.

    Parameters
    ----------
    samples : Samples
        Training samples.
    shapes : set of tuple of int
        Rows and columns of the fields; smaller fields are cut from the samples at random places.
    channels : sequence of int
        The targets.
    curves : sequence of str or None, optional
        For each target, the curve on which amounts are compared; none by default.

    Returns
    -------
    dict
        ``(y, x // 2 + 1, channel)`` by shape, float32.
    """
    steps = _steps(samples)
    whole, rng, found = samples.target.shape[1:3], np.random.default_rng(0), {}
    for shape in shapes:
        sums = []
        for first in range(0, len(steps), 16):  # each time in another place, as in training
            corner = [int(rng.integers(0, n - k + 1)) for n, k in zip(whole, shape, strict=True)]
            rows, columns = (slice(c, c + k) for c, k in zip(corner, shape, strict=True))
            fields = samples.true_fields(steps[first : first + 16], rows, columns)
            fields = np.nan_to_num(_bent(fields[..., list(channels)], curves))
            sums.append(amplitude(tf.constant(fields, tf.float32)).numpy().sum(axis=0))
        found[shape] = np.sum(sums, axis=0) / len(steps)
    return found


def deviations(
    samples: Samples, channels: Sequence[int], curves: Sequence[str | None] = ()
) -> np.ndarray:
    """Return the mean absolute deviation of HR cells from the mean of their LR cell.

    Along an axis on which LR and HR cells are equal, pairs of cells take the place of LR cells.

    Parameters
    ----------
    samples : Samples
        Training samples.
    channels : sequence of int
        The targets.
    curves : sequence of str or None, optional
        For each target, the curve on which amounts are compared; none by default.

    Returns
    -------
    numpy.ndarray
        ``(channel,)``, at least `TINY`.
    """
    steps = _steps(samples)
    edges = [
        min(max(k, 2), n)
        for k, n in zip(samples.scale.edges, samples.target.shape[1:3], strict=True)
    ]
    y, x = (n // k for k, n in zip(edges, samples.target.shape[1:3], strict=True))
    rows, columns = slice(y * edges[0]), slice(x * edges[1])
    total, count = np.zeros(len(channels)), np.zeros(len(channels))
    for first in range(0, len(steps), 16):
        fields = samples.true_fields(steps[first : first + 16], rows, columns)
        fields = _bent(fields[..., list(channels)], curves)
        blocks = fields.reshape(-1, y, edges[0], x, edges[1], len(channels)).astype("f8")
        valid = np.isfinite(blocks)
        cells = valid.sum(axis=(2, 4), keepdims=True)
        means = np.where(valid, blocks, 0).sum(axis=(2, 4), keepdims=True) / np.maximum(cells, 1)
        total += np.where(valid, abs(blocks - means), 0).sum(axis=(0, 1, 2, 3, 4))
        count += valid.sum(axis=(0, 1, 2, 3, 4))
    return np.maximum(total / np.maximum(count, 1), TINY).astype("f4")


def _steps(samples: Samples) -> np.ndarray:
    """Return the time steps of at most `SAMPLES` samples, evenly spread."""
    at = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), SAMPLES)).astype(int))
    return np.unique(samples.rows(samples.starts[at]).ravel())[:SAMPLES]


def _bent(fields: np.ndarray, curves: Sequence[str | None]) -> np.ndarray:
    """Return fields ``(..., channel)`` on the curves of their channels."""
    if not any(curves):
        return fields
    each = [bent(fields[..., i], curve) for i, curve in enumerate(curves)]
    return np.stack([np.asarray(one) for one in each], axis=-1)
