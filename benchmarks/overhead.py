"""What the package costs beside the bare network, as a Markdown table of ratios.

    python benchmarks/overhead.py FOLDER
    python benchmarks/overhead.py FOLDER --filters 8 --rounds 7 --shape 256 256 --steps 64

Synthetic temperature with two static fields, scale 4, batches of 32, on the CPU; at the default
network and at one of 8 filters, beside which everything else weighs more.

Training: seconds of an epoch of `fit`, from memory and streamed from a Zarr store
(``cache="none"``), beside as many compiled steps on one batch that is held in memory. First epochs,
which trace, are left out, as is what `fit` does before and after its epochs: a row of its own tells
that. Prediction: `.downscale.predict` of all steps, from memory, from dask and from a Zarr store,
beside `network.predict_on_batch` on as many steps in arrays, in batches of 32 or of as many steps
as have `CELLS` HR cells, whichever is quicker.

Each round measures all, one after the other, in one process. The table has medians, and the medians
of the rounds' ratios, speed of the package over that of the bare network: 1 is no cost. "Same thing
twice" is the bare network beside itself, the noise of the machine. The store is made in FOLDER and
removed.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import xarray as xr

import xr_dl4ds as xd
from xr_dl4ds.config import Scale
from xr_dl4ds.data.inputs import Inputs
from xr_dl4ds.data.prepare import prepare
from xr_dl4ds.model.build import build, targets_of
from xr_dl4ds.networks import losses
from xr_dl4ds.training.batches import Batches, Samples
from xr_dl4ds.training.supervised import SupervisedStep

SCALE, BATCH = 4, 32
#: HR cells of a batch of the bare network, beside batches of `BATCH`.
CELLS = 2**20
#: Epochs of each `fit` that count.
EPOCHS = 3
BARE, AGAIN = "bare network", "same thing twice"

#: Jobs by name, each of which measures itself once, in seconds.
Jobs = dict[str, Callable[[], float]]


def timed(job: Callable[[], object]) -> float:
    """Seconds of one call."""
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


def bare_steps(hr: xr.Dataset, model: xd.Downscaler) -> Callable[[], None]:
    """An epoch of the step that `fit` compiles, always on the same batch."""
    training, sampling = model.options.training, model.options.sampling
    given = Inputs(hr=hr, scale=SCALE, validation=None)
    prepared = prepare(given, model.options)
    network = build(prepared.state, model.options, precision=training.precision)
    asked = {tensor.name for tensor in network.inputs}
    fixed = {name: field for name, field in prepared.fixed.items() if name in asked}
    samples = Samples.hold(prepared.train, fixed, cache="memory", scale=Scale.of(SCALE))
    batches = Batches(samples, batch_size=BATCH, patch_size=sampling.patch_size)
    held = tf.nest.map_structure(tf.constant, batches[0])
    targets = targets_of(prepared.state, model.options)
    loss = losses.build_target_loss(
        [training.loss_name_of(name) for name in targets.names],
        low=targets.low,
        high=targets.high,
        offsets_from_zero=targets.offsets_from_zero,
        members=training.draws_members,
    )
    step = SupervisedStep(network, loss, training, sampling.seed)
    step.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=False)
    step.optimizer.build(network.trainable_variables)
    run = tf.function(step.train_step)

    def epoch() -> None:
        for _ in range(len(batches)):
            loss = run(held)["loss"]
        float(loss)

    return epoch


def training(hr: xr.Dataset, lazy: xr.Dataset, model: xd.Downscaler) -> tuple[Jobs, list[float]]:
    """An epoch, bare and of `fit`; and seconds of each `fit` outside of its epochs."""
    bare, outside = bare_steps(hr, model), []
    network = model.options.network

    def epoch(data: xr.Dataset, cache: str) -> float:
        begin = time.perf_counter()
        fitted = data.downscale.fit(
            scale=SCALE,
            network=network,
            batch_size=BATCH,
            cache=cache,
            epochs=1 + EPOCHS,
            validation=None,
            verbose=False,
        )
        seconds = fitted.history.seconds.to_numpy()
        outside.append(time.perf_counter() - begin - float(seconds.sum()))
        return float(np.median(seconds[1:]))

    bare()
    jobs = {
        BARE: lambda: timed(bare),
        AGAIN: lambda: timed(bare),
        "`fit` from memory": lambda: epoch(hr, "memory"),
        "`fit` streamed from Zarr": lambda: epoch(lazy, "none"),
    }
    return jobs, outside


def bare_network(network: keras.Model, steps: int, shape: tuple[int, int], batch: int) -> Callable:
    """`predict_on_batch` on arrays, batch by batch."""
    lr = tuple(n // SCALE for n in shape)
    rng = np.random.default_rng(0)
    inputs = {
        x.name: rng.standard_normal((batch, *(lr if x.name == "lr" else shape), x.shape[-1]), "f4")
        for x in network.inputs
    }

    def run() -> None:
        for start in range(0, steps, batch):
            size = min(batch, steps - start)
            network.predict_on_batch({name: x[:size] for name, x in inputs.items()})

    return run


def prediction(hr: xr.Dataset, lazy: xr.Dataset, model: xd.Downscaler) -> Jobs:
    """All steps, bare and by `predict`."""
    lr = hr[["t2m"]].downscale.coarsen(SCALE).compute()
    steps, *shape = hr.t2m.shape
    sizes = {min(steps, BATCH), min(steps, max(1, CELLS // int(np.prod(shape))))}
    every = [bare_network(model.network, steps, tuple(shape), size) for size in sorted(sizes)]
    chunked, stored = lr.chunk(time=48), lazy[["t2m"]].downscale.coarsen(SCALE)
    jobs: Jobs = {
        BARE: lambda: min(timed(one) for one in every),
        AGAIN: lambda: min(timed(one) for one in every),
        "`predict` from memory": lambda: timed(lambda: lr.downscale.predict(model)),
        "`predict` from dask": lambda: timed(lambda: chunked.downscale.predict(model).compute()),
        "`predict` from Zarr, coarsened": lambda: timed(
            lambda: stored.downscale.predict(model).compute()
        ),
    }
    for job in jobs.values():
        job()  # traces
    return jobs


def rounds_of(jobs: Jobs, rounds: int) -> dict[str, list[float]]:
    """Seconds of each job, one after the other, round by round."""
    found: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            found[name].append(job())
            print(f"{name}: {found[name][-1]:.3f} s", file=sys.stderr)
    return found


def rows(what: str, found: dict[str, list[float]]) -> list[str]:
    """Lines of the table."""
    lines = []
    for name, seconds in found.items():
        ratio = statistics.median(a / b for a, b in zip(found[BARE], seconds, strict=True))
        spread = f"{1000 * min(seconds):.0f}-{1000 * max(seconds):.0f}"
        middle = 1000 * statistics.median(seconds)
        lines.append(f"| {what} | {name} | {middle:.0f} | {spread} | {ratio:.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="for a small store, removed again")
    parser.add_argument("--filters", type=int, nargs="+", default=[xd.Network().n_filters, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shape", type=int, nargs=2, default=[64, 96], help="HR cells")
    parser.add_argument("--steps", type=int, default=320, help="a multiple of 32: whole batches")
    options = parser.parse_args()

    days = -(-options.steps // 8)
    hr = xd.tutorial.synthetic(shape=tuple(options.shape), days=days)
    hr = hr.isel(time=slice(0, options.steps))
    lines = ["| | | ms | rounds | ratio |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="overhead_") as folder:
        path = pathlib.Path(folder) / "hr.zarr"
        hr.chunk(time=48).to_zarr(path, zarr_format=3, consolidated=False)
        lazy = xr.open_zarr(path, consolidated=False)
        for filters in options.filters:
            model = hr.downscale.fit(
                scale=SCALE, n_filters=filters, epochs=1, validation=None, verbose=False
            )
            jobs, outside = training(hr, lazy, model)
            epochs = f"epoch, {filters} filters"
            lines += rows(epochs, rounds_of(jobs, options.rounds))
            lines.append(f"| {epochs} | `fit` outside of its epochs |"
                         f" {1000 * statistics.median(outside):.0f} | | |")  # fmt: skip
            jobs = prediction(hr, lazy, model)
            lines += rows(f"prediction, {filters} filters", rounds_of(jobs, options.rounds))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
