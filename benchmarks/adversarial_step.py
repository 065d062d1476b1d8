"""One training step of DL4DS 1.8.0 and of this package, side by side, as a Markdown table.

    python benchmarks/adversarial_step.py ../shared/data
    python benchmarks/adversarial_step.py ../shared/data --dl4ds dl4ds_venv/bin/python
    python benchmarks/adversarial_step.py ../shared/data --dl4ds dl4ds_venv/bin/python --supervised
    python benchmarks/adversarial_step.py ../shared/data --precisions float32 mixed_bfloat16

ERA5 UK 2 m temperature, rows 0-31, columns 0-47, steps 0-599, scale 4, orography as static field;
resnet with sub-pixel convolution, 6 blocks; a discriminator of 8 filters, 4 blocks; batches of 32;
on the CPU. DL4DS takes 8 filters, which it widens to 48 from block to block; this package keeps
theirs, so that the same 8 make a much smaller network, and 34 one of DL4DS's number of parameters.
DL4DS has no noise; without it this package trains as DL4DS does, with its usual 4 channels by the
CRPS of two realizations of each sample.

A step is everything between the ends of two steps of the training loop, making the batch included;
those that trace are left out. Each round runs all, one after the other, each in a new process. The
table has the median over all steps, the range of the rounds' medians, and how many times a step of
the first line is that of another. Other load distorts that: run it on an idle machine.

Without `--dl4ds` it measures this package alone and says how to make DL4DS's environment.
"""

import argparse
import contextlib
import importlib
import io
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import types

INNER = {"latitude": slice(0, 32), "longitude": slice(0, 48)}
STEPS, SCALE, BATCH, BLOCKS = 600, 4, 32, 6
#: Filters of DL4DS's generator.
FILTERS = 8
#: DL4DS needs Keras 2. It also asks for `sklearn`, a name that installs no more, hence `--no-deps`;
#: for `ecubevis`, its plotting, an empty module stands in, and Horovod it goes without.
RECIPE = """
DL4DS goes into an environment of its own (tried with Python 3.11), for `--dl4ds`:

    python3.11 -m venv dl4ds_venv
    dl4ds_venv/bin/pip install --no-deps dl4ds==1.8.0
    dl4ds_venv/bin/pip install tensorflow-cpu==2.15.1 numpy==1.26.4 xarray==2023.12.0 \\
        pandas==2.2.3 opencv-python-headless==4.11.0.86 netCDF4 scipy scikit-learn matplotlib \\
        seaborn joblib absl-py
"""
#: Steps of DL4DS at the start, and epochs of ours, that do not count.
WARM_STEPS, WARM_EPOCHS = 2, 1


def experiment(folder: pathlib.Path) -> tuple:
    """Fields in kelvin and orography in metres, both in memory."""
    import xarray as xr

    hr = xr.open_dataset(folder / "era5_uk_t2m_hourly.nc", engine="netcdf4").isel(INNER)
    static = xr.open_dataset(folder / "uk_static_025.nc", engine="netcdf4")
    return hr.isel(time=slice(0, STEPS)).load(), static[["orog"]].isel(INNER).load()


def ours(options: argparse.Namespace) -> dict:
    """Parameters of this package's generator, and seconds of a step, for each epoch."""
    import xr_dl4ds as xd

    hr, static = experiment(options.data)
    given = {"epochs": WARM_EPOCHS + options.epochs, "precision": options.precisions[0]}
    if options.supervised:
        training = xd.Supervised(**given)
    else:
        # without noise the pixel loss is the mean absolute error, as DL4DS has it
        given |= {"noise_channels": options.noise[0]}
        training = xd.Adversarial(discriminator_filters=8, discriminator_blocks=4, **given)
    model = hr.downscale.fit(
        scale=SCALE,
        static=static,
        network=xd.Network(
            backbone="resnet",
            upsampling="subpixel",
            n_filters=options.filters[0],
            n_blocks=BLOCKS,
        ),
        training=training,
        sampling=xd.Sampling(batch_size=BATCH),
        validation=None,
        verbose=False,
    )
    # the last batch of an epoch is smaller and counts as the share of a step that it is
    seconds = model.history.seconds[WARM_EPOCHS:] / (STEPS / BATCH)
    return {"parameters": model.network.count_params(), "seconds": seconds.to_numpy().tolist()}


def theirs(options: argparse.Namespace) -> dict:
    """Parameters of DL4DS's generator, and seconds of each step."""
    sys.modules["ecubevis"] = types.ModuleType("ecubevis")
    import numpy as np

    hr, static = experiment(options.data)
    field, orog = hr.t2m.to_numpy()[..., None], static.orog.to_numpy()
    field = ((field - field.mean()) / field.std()).astype(np.float32)
    given = {
        "backbone": "resnet",
        "upsampling": "spc",
        "data_train": field,
        "data_test": field[:BATCH],
        "static_vars": [((orog - orog.mean()) / orog.std()).astype(np.float32)],
        "scale": SCALE,
        "batch_size": BATCH,
        "device": "CPU",
        "verbose": False,
    }
    steps = supervised_steps if options.supervised else adversarial_steps
    network, seconds = steps(given, options.epochs)
    return {"parameters": network.count_params(), "seconds": seconds}


def adversarial_steps(given: dict, epochs: int) -> tuple:
    """Generator, and time between the ends of the calls of DL4DS's step function."""
    cgan = importlib.import_module("dl4ds.training.cgan")
    step, ends = cgan.train_step, []

    def timed(*args: object, **kwargs: object) -> object:
        losses = step(*args, **kwargs)
        ends.append(time.perf_counter())
        return losses

    cgan.train_step = timed
    trainer = cgan.CGANTrainer(
        time_window=None,
        epochs=epochs,
        generator_params={"n_filters": FILTERS, "n_blocks": BLOCKS},
        discriminator_params={"n_filters": 8, "n_res_blocks": 4},
        save_loss_history=False,
        **given,
    )
    trainer.run()
    return trainer.generator, [b - a for a, b in itertools.pairwise(ends)][WARM_STEPS - 1 :]


def supervised_steps(given: dict, epochs: int) -> tuple:
    """Network, and time between the ends of Keras's batches, the first epoch left out."""
    import dl4ds
    import tensorflow as tf

    steps = []

    class Clock(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
            self.epoch, self.last = epoch, time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            now = time.perf_counter()
            if self.epoch:
                steps.append(now - self.last)
            self.last = now

    class Trainer(dl4ds.SupervisedTrainer):
        def setup_model(self) -> None:
            super().setup_model()
            fit = self.model.fit
            self.model.fit = lambda *args, callbacks, **kwargs: fit(
                *args, callbacks=[*callbacks, Clock()], **kwargs
            )

    trainer = Trainer(
        data_val=given["data_test"],
        epochs=1 + epochs,
        learning_rate=1e-3,
        show_plot=False,
        n_filters=FILTERS,
        n_blocks=BLOCKS,
        **given,
    )
    trainer.run()
    return trainer.model, steps


def measured(python: str, arguments: list[object], options: argparse.Namespace) -> dict:
    """Call this file again for one side of a round."""
    command = [python, __file__, options.data, "--epochs", options.epochs, *arguments]
    if options.supervised:
        command.append("--supervised")
    quiet = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "agg"}
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **quiet},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def table(results: dict[str, list[dict]]) -> str:
    """One line for each side."""
    lines = ["| | parameters | ms a step | rounds | ratio |", "|---|---|---|---|---|"]
    first = None
    for name, rounds in results.items():
        middle = 1000 * statistics.median(itertools.chain(*[r["seconds"] for r in rounds]))
        first = first or middle
        medians = [1000 * statistics.median(r["seconds"]) for r in rounds]
        spread = f"{min(medians):.1f}-{max(medians):.1f}"
        size = f"{rounds[0]['parameters']:,}"
        lines.append(f"| {name} | {size} | {middle:.1f} | {spread} | {first / middle:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--dl4ds", metavar="PYTHON", help="an interpreter that has DL4DS 1.8.0")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2, help="epochs that count in each round")
    parser.add_argument("--filters", type=int, nargs="+", default=[8, 34], help="of this package")
    parser.add_argument("--noise", type=int, nargs="+", default=[0, 4], help="noise channels")
    parser.add_argument("--precisions", nargs="+", default=["auto"], help="of this package")
    parser.add_argument("--supervised", action="store_true", help="the supervised step instead")
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    options = parser.parse_args()

    if options.side:
        with contextlib.redirect_stdout(io.StringIO()):  # DL4DS prints
            result = theirs(options) if options.side == "theirs" else ours(options)
        print(json.dumps(result))
        return
    sides: dict[str, tuple[str, list]] = {}
    if options.dl4ds:
        sides[f"DL4DS 1.8.0, {FILTERS} filters"] = options.dl4ds, ["--side", "theirs"]
    noises = options.noise[:1] if options.supervised else options.noise
    for filters, noise, precision in itertools.product(options.filters, noises, options.precisions):
        arguments = ["--side", "ours", "--filters", filters, "--noise", noise]
        name = f"xr_dl4ds, {filters} filters, {noise} noise channels, {precision}"
        sides[name] = sys.executable, [*arguments, "--precisions", precision]
    results: dict[str, list[dict]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, (python, arguments) in sides.items():
            results[name].append(measured(python, arguments, options))
    print(table(results))
    if not options.dl4ds:
        print(RECIPE)


if __name__ == "__main__":
    main()
