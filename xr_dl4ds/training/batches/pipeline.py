"""Batches of samples for Keras."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from xr_dl4ds.data.augmentation import AS_GIVEN, Orientation
from xr_dl4ds.training.batches.cached import CachedSamples
from xr_dl4ds.training.batches.order import Share
from xr_dl4ds.training.batches.samples import Samples
from xr_dl4ds.training.batches.stream import Pools
from xr_dl4ds.training.batches.turning import Turns, turn, turned

#: Batches that are prepared while the network trains on another batch.
AHEAD = 2


class Batches:
    """Batches of ``(inputs, target, weight)`` for Keras.

    Parameters
    ----------
    samples : Samples
        The samples to draw from; at least one sample.
    batch_size : int
        Samples in a batch; the last batch of an epoch takes the remaining samples.
    patch_size : int, optional
        Edge of the patches in HR cells, a multiple of the scale; None for whole fields.
    seed : int
        Seed of order and positions: epoch `e` uses ``[seed, e]``.
    shuffle : bool
        Draw a new order (and new positions) in every epoch.
    share : Share, optional
        The share of a worker; all samples by default. Order and positions are drawn before the
        samples are shared, so that they are equal for all workers. All workers have the same number
        of batches: a worker without remaining samples gets a batch without valid cells.
    orientations : sequence of Orientation
        Orientations of the samples, of which each sample gets one at random in every epoch. A
        transposition needs square samples.
    """

    def __init__(
        self,
        samples: Samples,
        *,
        batch_size: int,
        patch_size: int | None = None,
        seed: int = 0,
        shuffle: bool = True,
        share: Share | None = None,
        orientations: Sequence[Orientation] = (AS_GIVEN,),
    ) -> None:
        self.samples = samples
        self.batch_size = batch_size
        self.cells = None
        if patch_size is not None:
            self.cells = patch_size // samples.scale.y, patch_size // samples.scale.x
        self.seed = seed
        self.shuffle = shuffle
        self.share = Share() if share is None else share
        y, x = samples.domain
        self._edges = edges = (y, x) if self.cells is None else self.cells
        #: Number of LR rows and columns at which a patch may begin.
        self._room = (y - edges[0] + 1, x - edges[1] + 1)
        self._ones = np.ones(0, "f4")
        self._turns = Turns(orientations, len(samples))
        self._source = (Pools if samples.streamed else CachedSamples)(samples, edges)
        self.start(0)

    def __len__(self) -> int:
        return self.share.steps(len(self.samples), self.batch_size)

    def start(self, epoch: int) -> None:
        """Start an epoch, counted from 0."""
        self.epoch = epoch
        self._turns.draw(self.seed, epoch)
        rng = np.random.default_rng([self.seed, self.epoch])
        self._source.draw(rng, self._room, self.shuffle, self._deal)

    def _deal(self, samples: int, together: bool) -> np.ndarray:
        if not self.shuffle:
            return self.share.in_batches(samples, self.batch_size)
        return self.share.together(samples) if together else self.share.dealt(samples)

    def on_epoch_end(self) -> None:
        """Draw the order and the patch positions of the next epoch, and start to read it."""
        self.start(self.epoch + 1)
        if self.shuffle:  # validation does not shuffle; it runs only after another training epoch
            self._source.read_ahead()

    def dataset(self) -> tf.data.Dataset:
        """Return the batches as a dataset; each iteration gives the batches of the present epoch.

        `keras.utils.PyDataset` is not used, because its pipelines tune themselves. The tuning
        thread wakes up after 10 ms, 20 ms, 40 ms and so on, and an epoch does not end before it
        does (TensorFlow 2.21: an epoch of 6.2 s takes 10.2 s). TensorFlow keeps generators as long
        as the process lives (TensorFlow issue 57690). The generator therefore holds no reference to
        the samples, which are freed with the returned dataset.
        """
        weak = weakref.ref(self)

        def epoch() -> Iterator[Any]:
            batches = weak()
            assert batches is not None
            return batches._epoch()

        fixed = tf.data.Options()
        fixed.autotune.enabled = False
        batches = tf.data.Dataset.from_generator(epoch, output_signature=self._form())
        batches.samples_of = self
        counted = batches.apply(tf.data.experimental.assert_cardinality(len(self)))
        return counted.prefetch(AHEAD).with_options(fixed)

    def _form(self) -> tuple[Any, ...]:
        """Return shapes and types of a batch without reading samples."""
        samples, steps = self.samples, () if self.samples.window is None else (self.samples.window,)
        y, x = self._edges
        fine = samples.scale.fine((y, x))
        fixed = self._fixed(np.zeros((1, 2), "i4"))
        inputs = {name: tf.TensorSpec((None, *a.shape[1:]), a.dtype) for name, a in fixed.items()}
        seen = (y + 2 * samples.context, x + 2 * samples.context)
        inputs["lr"] = tf.TensorSpec((None, *steps, *seen, samples.lr.shape[-1]), "float32")
        targets = samples.target.shape[-1] - samples.guesses
        target = tf.TensorSpec((None, *steps, *fine, targets), "float32")
        if samples.guesses:
            inputs["guess"] = tf.TensorSpec((None, *steps, *fine, samples.guesses), "float32")
        return inputs, target, target

    def _epoch(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]
        self.close()  # frees the memory while other batches (validation) are used

    def close(self) -> None:
        """Stop reading."""
        self._source.close()

    @property
    def error(self) -> Exception | None:
        """The error of the background reading, which TensorFlow passes on only as text."""
        return self._source.error

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Return a batch.

        Returns
        -------
        inputs : dict of numpy.ndarray
            "lr" ``(batch, [time,] y, x, channel)`` and the fixed inputs ``(batch, ...)``.
        target : numpy.ndarray
            ``(batch, [time,] y, x, channel)``, 0 where masked.
        weight : numpy.ndarray
            Array of the same shape: 1 where the target is valid, 0 where masked.
        """
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        order = self._source.order
        if part.start >= len(order.numbers):
            return self._empty()
        numbers = order.numbers[part]
        lr, target = self._source.read(part)
        turns = self._turns.of(numbers)
        turn(lr, turns)
        turn(target, turns)  # the first guess is a part of it
        inputs = {"lr": lr, **self._fixed(order.corner[part], turns)}
        if self.samples.guesses:
            guesses = self.samples.guesses
            inputs["guess"], target = target[..., -guesses:], target[..., :-guesses]
        if self.samples.without_gaps[numbers].all():
            return inputs, target, self._ones_like(target)
        weight = np.isfinite(target)
        return inputs, np.where(weight, target, np.float32(0)), weight.astype("f4")

    def _empty(self) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Return a sample without valid cells, because some layers do not accept empty batches."""
        inputs, target, _ = self._form()
        nothing = {
            name: np.zeros((1, *spec.shape[1:]), "f4")
            for name, spec in {**inputs, "target": target}.items()
        }
        empty = nothing.pop("target")
        return {**nothing, **self._fixed(np.zeros((1, 2), "i4"))}, empty, empty

    def _ones_like(self, target: np.ndarray) -> np.ndarray:
        """Return an array of ones, shared by all batches of the same shape.

        Filling a new array takes as long as reading the samples.
        """
        if self._ones.shape != target.shape:
            self._ones = np.ones_like(target)
            self._ones.flags.writeable = False
        return self._ones

    def _fixed(
        self, corner: np.ndarray, turns: Sequence[Orientation] = (AS_GIVEN,)
    ) -> dict[str, Any]:
        """Return the inputs without time for samples that begin at these LR rows and columns."""
        corner, found = corner * self.samples.scale.edges, {}
        y, x = self.samples.scale.fine(self._edges)
        for name, field in self.samples.fixed.items():
            if name == "position":
                found[name] = (field + corner).astype("i4")
            elif self.cells is None and set(turns) == {AS_GIVEN}:
                found[name] = np.broadcast_to(field, (len(corner), *field.shape))
            else:
                places = zip(corner.tolist(), turns, strict=True)
                found[name] = np.stack(
                    [turned(field[i : i + y, j : j + x], to) for (i, j), to in places]
                )
        return found
