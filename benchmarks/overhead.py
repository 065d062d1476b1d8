"""What the package costs beside the bare network, as ratios measured in one run.

    python benchmarks/overhead.py

Training: steps per second of `fit` over those of the same compiled step on one batch held in
memory. Prediction: fields per second of `.downscale.predict` over `network.predict_on_batch`, from
memory and from dask. Medians of several repetitions; the machine's noise is printed as the ratio
of two runs of the same thing.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import xr_dl4ds as xd
from xr_dl4ds import losses
from xr_dl4ds.batches import Batches, Samples
from xr_dl4ds.preparation import prepare
from xr_dl4ds.sources import Inputs
from xr_dl4ds.training.supervised import SupervisedStep

REPEAT = 7


def median_seconds(job: Callable[[], object]) -> float:
    """Median wall time of a job, after one run that does not count."""
    job()
    taken = []
    for _ in range(REPEAT):
        start = time.perf_counter()
        job()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def training(hr, model: xd.Downscaler) -> None:
    """Epochs of `fit` against bare steps."""
    prepared = prepare(Inputs(hr=hr, scale=4), model.options["network"], model.options["sampling"])
    samples = Samples.load(prepared.train.lr, prepared.train.target, prepared.static, 4)
    batches = Batches(samples, batch_size=32)
    step = SupervisedStep(model.network, losses.mae)
    step.compile(optimizer="adam", jit_compile=False)
    held = tf.nest.map_structure(tf.constant, batches[0])
    bare = tf.function(lambda: step.train_step(held), reduce_retracing=True)
    step.fit(batches, epochs=1, verbose=0)  # builds the optimizer outside of the function
    n = len(batches)
    per_bare = median_seconds(lambda: [bare() for _ in range(n)])
    per_again = median_seconds(lambda: [bare() for _ in range(n)])
    start = time.perf_counter()
    fitted = hr.downscale.fit(scale=4, epochs=2 + REPEAT, validation=None, verbose=False)
    whole = time.perf_counter() - start
    per_epoch = float(np.median(fitted.history.seconds[2:]))
    print(f"training: fit / bare steps per second   {per_bare / per_epoch:.2f}")
    print(f"          same thing twice              {per_bare / per_again:.2f}")
    print(f"          seconds before the first and between epochs of {whole:.1f}: "
          f"{whole - float(fitted.history.seconds.sum()):.1f}")  # fmt: skip


def prediction(hr, model: xd.Downscaler) -> None:
    """`predict` against the bare network."""
    lr = hr[["t2m"]].downscale.coarsen(4)
    state = model.state
    channels = state.network_input(
        lr.t2m.isel(latitude=slice(None, None, -1))
        .rename(latitude="y", longitude="x")
        .to_dataset()
        .drop_vars(["y", "x"])
        .assign_coords(state.pairing.lr.coords),
        state.static,
    ).to_numpy()
    static = state.static_input(state.static).to_numpy()
    inputs = {"lr": channels, "static": np.broadcast_to(static, (len(channels), *static.shape))}
    bare = median_seconds(lambda: model.network.predict_on_batch(inputs))
    again = median_seconds(lambda: model.network.predict_on_batch(inputs))
    memory = median_seconds(lambda: lr.downscale.predict(model))
    lazy = lr.chunk(time=48)
    chunked = median_seconds(lambda: lazy.downscale.predict(model).compute())
    print(f"prediction: from memory / bare          {bare / memory:.2f}")
    print(f"            from dask / bare            {bare / chunked:.2f}")
    print(f"            same thing twice            {bare / again:.2f}")


if __name__ == "__main__":
    fields = xd.tutorial.synthetic()
    small = fields.downscale.fit(scale=4, epochs=1, verbose=False)
    training(fields, small)
    prediction(fields, small)
