"""The base of all training steps: networks, optimizers, noise, and reported losses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from xr_dl4ds.config import Training
from xr_dl4ds.networks.losses import Loss, counted_by
from xr_dl4ds.networks.tensors import Tensor
from xr_dl4ds.training.latent_loss import LatentLoss
from xr_dl4ds.training.weight_average import WeightAverage
from xr_dl4ds.training.workers import ALONE, Workers

#: Offset of the seed that separates the noise of validation from that of training.
VALIDATION = 2**30


class Step(keras.Model):
    """A network and its loss; subclasses define the update by one batch.

    Parameters
    ----------
    network : keras.Model
        A generator.
    loss : callable, optional
        ``(target, output, weight) -> scalar``, see `xr_dl4ds.networks.losses`. The output has a
        leading dimension of realizations if the options draw members.
    training : Training
        Options.
    seed : int
        Seed of the noise. A batch has the same noise whether or not training was interrupted.
    workers : Workers
        Workers over which losses and gradients are averaged.
    latent : LatentLoss, optional
        The loss of targets whose members are drawn after the network.

    Attributes
    ----------
    first_held : int
        Number of this worker's first validation batch among the batches of all workers.
    held_size : int
        Number of samples in a validation batch of this worker.
    average : WeightAverage, optional
        The average of the generator's weights, which is validated in their place.
    """

    def __init__(
        self,
        network: keras.Model,
        loss: Loss | None,
        training: Training,
        seed: int,
        workers: Workers = ALONE,
        latent: LatentLoss | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.cell_loss = loss
        self.latent = latent
        self.noise_channels = noise_channels_of(network)
        self.members = training.members if self.noise_channels else 1
        self.noise_seed = seed % VALIDATION
        self.workers = workers
        self.compression = training.gradient_compression
        self.first_held = 0
        self.held_size = 1
        self.average: WeightAverage | None = None
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.batch_number = keras.metrics.Sum(name="batch_number")

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics that are reset at the start of each epoch."""
        return [self.loss_tracker, self.batch_number]

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """Optimizers of the trained networks, in the order of their learning rates."""
        return [self.optimizer]

    @property
    def trained(self) -> list[keras.Model]:
        """The networks whose weights are trained."""
        return [self.network]

    @property
    def state(self) -> list[Tensor]:
        """All variables that the next step depends on."""
        owners = [*self.trained, *self.optimizers]
        owners += [] if self.average is None else [self.average]
        return [variable for owner in owners for variable in owner.variables]

    def set_rates(self, rates: Sequence[float]) -> None:
        """Set the learning rates."""
        for optimizer, rate in zip(self.optimizers, rates, strict=True):
            optimizer.learning_rate = rate

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the generator its averaged weights within a ``with`` block, if there are any."""
        with contextlib.nullcontext() if self.average is None else self.average.in_place():
            yield

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Validate the averaged weights, if there are any."""
        with self.averaged():
            return super().evaluate(*args, **kwargs)

    def join(self) -> None:
        """Start with the state of worker 0, but with a separate dropout seed for each worker."""
        if self.workers.size == 1:
            return
        self.workers.broadcast(self.state)
        for network in self.trained:
            weights = {id(variable) for variable in network.weights}
            # variables that are not weights hold a layer's seed and the number of its calls
            for seed in (v for v in network.variables if id(v) not in weights):
                seed.assign(seed.value + tf.constant([self.workers.rank, 0], seed.dtype))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Apply the network."""
        return self.network(inputs, training=training)

    def generate(self, inputs: Mapping[str, Tensor], target: Tensor, *, training: bool) -> Tensor:
        """Return the output for a batch; with several members, concatenated along the batch.

        Returns
        -------
        tensor
            ``(batch, ...)``, or ``(member * batch, ...)``.
        """
        inputs = {name: self.repeated(x) for name, x in inputs.items()}
        if self.noise_channels:
            lead = tf.shape(inputs["lr"])[:1]
            shape = tf.concat([lead, tf.shape(target)[1:-1], [self.noise_channels]], axis=0)
            inputs["noise"] = tf.random.stateless_normal(shape, seed=self._noise_key(training))
        return self.network(inputs, training=training)

    def repeated(self, x: Tensor) -> Tensor:
        """Repeat the batch once for each member."""
        if self.members == 1:
            return x
        return tf.tile(x, [self.members, *([1] * (len(x.shape) - 1))])

    def loss_of(self, target: Tensor, output: Tensor, weight: Tensor) -> Tensor:
        """Return the loss between truth and output over valid cells."""
        if self.members > 1:
            shape = tf.concat([[self.members, -1], tf.shape(output)[1:]], axis=0)
            static = output.shape
            output = tf.reshape(output, shape)
            output = tf.ensure_shape(output, [self.members, None, *static[1:]])
        assert self.cell_loss is not None
        with counted_by(self.over_workers):
            return self.cell_loss(target, output, weight)

    def total_loss(
        self,
        inputs: Mapping[str, Tensor],
        target: Tensor,
        output: Tensor,
        weight: Tensor,
        *,
        training: bool,
    ) -> Tensor:
        """Return the loss of all targets, with latent members where there are any."""
        loss = self.loss_of(target, output, weight)
        if self.latent is None:
            return loss
        shape = target.shape[-3:-1]
        members = self.latent.drawn(inputs, output, shape, self._noise_key(training))
        with counted_by(self.over_workers):
            share = len(self.latent.members.channels) / target.shape[-1]
            return loss + share * self.latent(target, members, weight)

    def over_workers(self, value: Any) -> Tensor:
        """Return the mean of a scalar over all workers."""
        return self.workers.average([value])[0]

    def descend(self, tape: tf.GradientTape, loss: Tensor, which: int = 0) -> None:
        """Update the weights of a network with the gradient of its scaled loss."""
        network = self.trained[which]
        variables = network.trainable_variables
        slopes = tape.gradient(loss, [v.value for v in variables])
        gradients = self.workers.average(slopes, compression=self.compression)
        self.optimizers[which].apply(gradients, variables)
        if self.average is not None and network is self.network:
            self.average.update()

    def settle(self, weight: Tensor) -> None:
        """Average batch normalization's moving means over all workers, weighted by valid cells."""
        if self.workers.size == 1:
            return
        cells = tf.reduce_sum(weight)
        usual = self.over_workers(cells)
        share = tf.where(usual > 0, cells / tf.maximum(usual, 1e-9), 1.0)
        weights = [v for network in self.trained for v in network.non_trainable_weights]
        moving = [v for v in weights if "float" in v.dtype]  # counts are equal on all workers
        means = self.workers.average([v.value * share for v in moving])
        for variable, mean in zip(moving, means, strict=True):
            variable.assign(mean)

    def report(self, loss: Tensor, weight: Tensor, **others: Any) -> dict[str, Any]:
        """Add the batches of all workers to the epoch's means, and return the means by name."""
        # weighted by valid cells, so that the mean over batches is the mean over cells
        found = self.workers.average([tf.reduce_sum(weight), loss, *others.values()])
        trackers = {name: getattr(self, f"{name}_tracker") for name in ("loss", *others)}
        for tracker, value in zip(trackers.values(), found[1:], strict=True):
            tracker.update_state(value, sample_weight=found[0])
        self.batch_number.update_state(1)
        return {name: tracker.result() for name, tracker in trackers.items()}

    def _noise_key(self, training: bool) -> Tensor:
        """Return the noise key of a batch, unique within training or within one validation pass."""
        if training:
            # one numbering covers the batches of all workers
            number, stream = tf.cast(self.optimizers[0].iterations, tf.int32), 0
            number = number * self.workers.size + self.workers.rank
        else:
            number, stream = tf.cast(self.batch_number.result(), tf.int32), VALIDATION
            number = number + self.first_held
        return tf.stack([tf.constant(self.noise_seed + stream, tf.int32), number])


def noise_channels_of(network: keras.Model) -> int:
    """Return the number of noise channels of a network."""
    return next((int(x.shape[-1]) for x in network.inputs if x.name == "noise"), 0)
