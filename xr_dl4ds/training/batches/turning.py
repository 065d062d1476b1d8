"""Samples in other orientations: rows and columns reversed, or swapped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from xr_dl4ds.data.augmentation import AS_GIVEN, Orientation

#: Number of the random stream of orientations, beside the stream of order and positions. It is not
#: 0, because ``[seed, epoch, 0]`` and ``[seed, epoch]`` are the same stream.
STREAM = 1


class Turns:
    """The orientation of each sample in an epoch.

    The orientation depends on the seed, the epoch and the number of the sample. It does not depend
    on the order of samples, on where they are held, or on the number of workers.

    Parameters
    ----------
    orientations : sequence of Orientation
        The orientations to draw from, all equally likely.
    samples : int
        Number of samples of all workers.
    """

    def __init__(self, orientations: Sequence[Orientation], samples: int) -> None:
        self.orientations = tuple(orientations)
        self.samples = samples
        self._drawn = np.zeros(samples, "i4")

    def draw(self, seed: int, epoch: int) -> None:
        """Draw the orientations of an epoch."""
        if len(self.orientations) > 1:
            rng = np.random.default_rng([seed, epoch, STREAM])
            self._drawn = rng.integers(len(self.orientations), size=self.samples)

    def of(self, numbers: np.ndarray) -> list[Orientation]:
        """Return the orientations of samples by their numbers."""
        return [self.orientations[i] for i in self._drawn[numbers].tolist()]


def turned(field: np.ndarray, orientation: Orientation) -> np.ndarray:
    """Return a view ``([time,] y, x, channel)`` of a field in another orientation."""
    if orientation.transpose:
        field = field.swapaxes(-3, -2)
    return field[
        ...,
        :: -1 if orientation.flip_y else 1,
        :: -1 if orientation.flip_x else 1,
        :,
    ]


def turn(batch: np.ndarray, orientations: Iterable[Orientation]) -> None:
    """Turn samples ``(batch, [time,] y, x, channel)`` in place; with a window, all its steps."""
    for sample, orientation in zip(batch, orientations, strict=True):
        if orientation != AS_GIVEN:
            sample[...] = turned(sample, orientation)  # NumPy copies what overlaps
