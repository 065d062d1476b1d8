"""Training on, and prediction of, a store larger than memory: speed and peak memory.

    python benchmarks/large.py /scratch                      # 40 GB, all of it
    python benchmarks/large.py /scratch --gigabytes 4 --only train
    python benchmarks/large.py /scratch --chunks 24 128 --patch-size 128

The store, hourly temperatures on 512 x 512 cells as float32 in Zarr, is made in the folder where it
is not there, and stays. Training is perfect prognosis at scale 4: steps per second of `fit` while
it streams, over those of the same compiled step on one batch held in memory, alternately in one
process. Prediction goes region by region into another store, its throughput beside that of bare
`network.predict_on_batch`, for a part of the store and for four times as much. Each job is a
process of its own, whose memory, with that of its children, is looked at every 50 ms. On machines
whose speed changes under the measurement, the ratio of the best rounds says more than that of the
medians.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

EDGE, SCALE = 512, 4
#: Steps of a round of training; streamed and held rounds alternate.
STEPS = 30
#: Chunks in time of the smaller part that is predicted.
PART = 10


def make(path: pathlib.Path, gigabytes: float, chunks: tuple[int, int]) -> None:
    """Write the store, chunk by chunk: a seasonal and daily cycle over hills, with noise."""
    import dask
    import dask.array as da
    import numpy as np
    import pandas as pd
    import xarray as xr

    steps, edge = chunks
    n = max(1, round(gigabytes * 1e9 / (4 * EDGE**2 * steps))) * steps
    place = np.arange(EDGE) / 40
    hills = (np.sin(place)[:, None] * np.cos(1.7 * place)[None, :]).astype("f4")

    def block(block_info=None):
        (t0, t1), (y0, y1), (x0, x1) = block_info[None]["array-location"]
        hour = np.arange(t0, t1)
        cycle = 10 * np.sin(2 * np.pi * hour / 8766) + 4 * np.sin(2 * np.pi * hour / 24)
        noise = np.random.default_rng([t0, y0, x0]).standard_normal(
            (t1 - t0, y1 - y0, x1 - x0), dtype="f4"
        )
        moving = hills[None, y0:y1, x0:x1] * (5 + cycle[:, None, None].astype("f4") / 2)
        return np.float32(280) + moving + cycle[:, None, None].astype("f4") + noise

    data = da.map_blocks(
        block,
        chunks=((steps,) * (n // steps), (edge,) * (EDGE // edge), (edge,) * (EDGE // edge)),
        dtype="f4",
        meta=np.empty((0, 0, 0), "f4"),
    )
    store = xr.Dataset(
        {"t2m": (("time", "latitude", "longitude"), data, {"units": "K"})},
        coords={
            "time": pd.date_range("2000", periods=n, freq="h"),
            "latitude": ("latitude", 50 - 0.01 * np.arange(EDGE), {"units": "degrees_north"}),
            "longitude": ("longitude", 5 + 0.01 * np.arange(EDGE), {"units": "degrees_east"}),
        },
    )
    with dask.config.set(scheduler="threads"):
        store.to_zarr(path, consolidated=False)


def opened(path: pathlib.Path):
    import xarray as xr

    return xr.open_zarr(path, consolidated=False)


def train(path: pathlib.Path, options: dict, rounds: int) -> dict:
    """Streamed and held steps per second, alternately."""
    import xr_dl4ds  # noqa: F401  registers .downscale
    from xr_dl4ds.config import route, settled
    from xr_dl4ds.data.inputs import Inputs
    from xr_dl4ds.data.prepare import prepare
    from xr_dl4ds.fitting.fit import _samples
    from xr_dl4ds.model.build import build, targets_of
    from xr_dl4ds.training.batches import Batches
    from xr_dl4ds.training.loop import TrainingTask, _step
    from xr_dl4ds.training.workers import ALONE

    chosen = route({}, {"loss": "mae", **options})
    chosen = chosen.replace(network=settled(chosen.network, chosen.sampling))
    start = time.perf_counter()
    prepared = prepare(Inputs(hr=opened(path), scale=SCALE), chosen)
    first_pass = time.perf_counter() - start
    network = build(prepared.state, chosen)
    samples, _ = _samples(prepared, network, chosen.sampling)
    sampling = chosen.sampling
    task = TrainingTask(network=network, targets=targets_of(prepared.state, chosen))
    step = _step(task, samples, chosen.training, 0, ALONE)
    batches = Batches(
        samples, batch_size=sampling.batch_size, patch_size=sampling.patch_size, seed=0
    )
    held = batches[0]

    class Part(Batches):
        """Some batches of the stream, or always the one that is held."""

        def __init__(self, first: int | None):
            vars(self).update(vars(batches))
            self.first = first

        def __len__(self):
            return STEPS

        def __getitem__(self, i):
            return held if self.first is None else batches[self.first + i]

        def close(self):
            """The stream goes on."""

    def seconds(part: Part) -> float:
        data = part.dataset()
        start = time.perf_counter()
        step.fit(data, epochs=1, verbose=0)
        return time.perf_counter() - start

    seconds(Part(None))
    at, found = 0, {"streamed": [], "held": []}
    for _ in range(rounds):
        found["streamed"].append(seconds(Part(at)))
        at += STEPS
        found["held"].append(seconds(Part(None)))
    batches.close()
    middle = {name: STEPS / statistics.median(taken) for name, taken in found.items()}
    return {
        "first_pass_s": first_pass,
        "streamed_per_s": middle["streamed"],
        "held_per_s": middle["held"],
        "ratio": middle["streamed"] / middle["held"],
        "ratio_of_the_best": min(found["held"]) / min(found["streamed"]),
        "rounds": found,
    }


def _lr_store(hr, path: pathlib.Path):
    """Block means in a store of their own, as LR data are."""
    target = path.with_name(f"lr_{hr.sizes['time']}_{path.name}")
    if not target.exists():
        hr.downscale.coarsen(SCALE).downscale.to_zarr(target, verbose=False)
    return opened(target)


def predict(path: pathlib.Path, options: dict, rounds: int) -> dict:
    """HR cells per second into a store, beside the bare network, for a part and four times it."""
    import numpy as np

    import xr_dl4ds as xd  # noqa: F401  registers .downscale

    hr = opened(path)
    steps = hr.t2m.encoding["chunks"][0]
    quick = {"epochs": 1, "verbose": False, "validation": None, "batch_size": 2}
    model = hr.isel(time=slice(0, 2 * steps)).downscale.fit(scale=SCALE, **{**options, **quick})
    few, many = (min(n, hr.sizes["time"]) for n in (PART * steps, 4 * PART * steps))
    lr = _lr_store(hr.isel(time=slice(0, many)), path)
    network, field = model.network, (EDGE // SCALE, EDGE // SCALE, 1)
    given = {"lr": np.random.default_rng(0).standard_normal((1, *field), dtype="f4")}
    cells = EDGE**2

    def bare() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            network.predict_on_batch(given)
        return steps * cells / (time.perf_counter() - start)

    def written(n: int) -> float:
        target = path.parent / f"sr_{n}.zarr"
        shutil.rmtree(target, ignore_errors=True)
        start = time.perf_counter()
        lr.isel(time=slice(0, n)).downscale.predict(model).downscale.to_zarr(target, verbose=False)
        taken = time.perf_counter() - start
        shutil.rmtree(target)
        return n * cells / taken

    bare(), written(2 * steps)
    found: dict[str, list[float]] = {"bare": [], "few": [], "many": []}
    for _ in range(rounds):
        found["bare"].append(bare())
        found["few"].append(written(few))
    found["bare"].append(bare())
    found["many"].append(written(many))
    found["bare"].append(bare())
    middle = {name: statistics.median(one) for name, one in found.items()}
    return {
        "bare_cells_per_s": middle["bare"],
        "ratio": middle["few"] / middle["bare"],
        "ratio_of_the_best": max(found["few"]) / max(found["bare"]),
        "four_times_as_many": middle["many"] / middle["few"],
        "steps": [few, many],
        "rounds": found,
    }


JOBS = {"train": train, "predict": predict}


def watched(arguments: list[str]) -> tuple[dict, float]:
    """The result of a job in a process of its own, and its peak memory in GiB."""
    import psutil

    process = subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE)
    peak, whole = 0, psutil.Process(process.pid)
    while process.poll() is None:
        try:
            tree = [whole, *whole.children(recursive=True)]
            peak = max(peak, sum(one.memory_info().rss for one in tree))
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.05)
    assert process.returncode == 0, f"{arguments} ended with {process.returncode}"
    return json.loads(process.stdout.read().decode().splitlines()[-1]), peak / 2**30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--gigabytes", type=float, default=40.0)
    parser.add_argument("--chunks", type=int, nargs=2, default=(24, 512), metavar=("STEPS", "EDGE"))
    parser.add_argument("--options", type=json.loads, default={}, help="of fit, as JSON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=JOBS)
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    path = given.folder / f"hr_{given.gigabytes:g}_{given.chunks[0]}_{given.chunks[1]}.zarr"
    if given.job:
        print(json.dumps(JOBS[given.job](path, given.options, given.rounds)))
        return
    if not path.exists():
        start = time.perf_counter()
        draft = path.with_suffix(".part")
        shutil.rmtree(draft, ignore_errors=True)
        make(draft, given.gigabytes, tuple(given.chunks))
        draft.rename(path)
        print(f"made {path} in {time.perf_counter() - start:.0f} s", flush=True)
    for job in JOBS if given.only is None else [given.only]:
        start = time.perf_counter()
        result, peak = watched([*sys.argv[1:], "--job", job])
        print(
            f"{job}: peak {peak:.2f} GiB, {time.perf_counter() - start:.0f} s, {json.dumps(result)}"
        )


if __name__ == "__main__":
    main()
