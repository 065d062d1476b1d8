"""Samples per second of the samplers alone, DL4DS 1.8.0 and this package, as Markdown tables.

    python benchmarks/sampling.py FOLDER
    python benchmarks/sampling.py FOLDER --dl4ds dl4ds_venv/bin/python
    python benchmarks/sampling.py FOLDER --dl4ds dl4ds_venv/bin/python --sources memory --rounds 7

Perfect prognosis at scale 4 from noise in memory or, for this package, also from a temporary
folder (``cache="disk"``) and streamed (``cache="none"``) from Zarr stores with chunks along time
(an eighth of the steps each, whole fields) and in space (all steps, a quarter of rows and columns).
The stores are made in FOLDER and removed; they are small enough to stay in the machine's file
cache, so that what is measured is decompression and copying, not a disk.

A sample is one step, or one patch of it; batches of 32. Of DL4DS that is its `DataGenerator` as its
trainers call it; of this package `Batches`, made as `fit` makes them. Pre-upsampling brings LR to
the HR grid: in DL4DS the sampler does, here a layer of the network. The rows "and interpolated"
add what that layer takes, bicubic, on the same batches. Networks take no part.

Set-up is everything from the data to the first batch that is asked for: here statistics,
coarsening, scaling and, where samples are held, holding them; in DL4DS standardizing. It is part of
no rate.
"First" is the first epoch, "later" those after it, with what is between epochs. "Repaid" is the
epoch after which this package has taken less time than DL4DS, set-up included.

Each round starts one new process of each side and gives them the cases in turns, one at work at a
time; cases with the same samples share their set-up, and the first epoch "and interpolated" traces.
The tables have the medians of the rounds; "times" is the later rate over that of DL4DS in the same
round, and the one number that does not depend on the machine.

Seen on two cores, in three rounds, from memory: patches of 64 of 1024 x 1024, pre-upsampling, 238
times (with a static field 73), all other pre-upsampling 3.7 to 27 times; post-upsampling 3.6 to 16
times, but 1.6 for whole fields of 1024 x 1024 without a static field, where both copy 128 MiB a
batch. Interpolated, the first two are 29 and 10 times, other patches 1.1 to 2.5, whole fields 0.4
to 1.5.

Without `--dl4ds` it measures this package alone and says how to make DL4DS's environment.
"""

import argparse
import contextlib
import functools
import io
import itertools
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable

from adversarial_step import RECIPE

SCALE, BATCH = 4, 32
#: Edge of the fields, number of them, edge of the patches.
FIELDS = (
    (1024, 64, 64),
    (1024, 64, None),
    (256, 256, 64),
    (256, 256, None),
    (64, 2048, 32),
    (64, 2048, None),
)
UPSAMPLINGS = {"pre-upsampling": ("pin", "interpolation"), "post-upsampling": ("spc", "subpixel")}
#: Rows of this package.
SOURCES = {
    "memory": "from memory",
    "interpolated": "from memory, and interpolated",
    "disk": "from disk",
    "time": "streamed, chunks along time",
    "space": "streamed, chunks in space",
}
THEIRS = "DL4DS 1.8.0"


@functools.lru_cache(maxsize=1)
def fields(edge: int, steps: int) -> tuple:
    """Noise ``(time, y, x)`` and a static field ``(y, x)``, float32."""
    import numpy as np

    rng = np.random.default_rng(0)
    shape = (edge, edge)
    return rng.standard_normal((steps, *shape), "f4"), rng.standard_normal(shape, "f4")


def dataset(edge: int, steps: int) -> tuple:
    """The same as datasets."""
    import numpy as np
    import xarray as xr

    hr, static = fields(edge, steps)
    coords = {
        "time": np.datetime64("2000-01-01", "ns") + np.arange(steps) * np.timedelta64(1, "h"),
        "latitude": 0.025 + 0.05 * np.arange(edge),
        "longitude": 0.025 + 0.05 * np.arange(edge),
    }
    place = {name: coords[name] for name in ("latitude", "longitude")}
    return (
        xr.Dataset({"t": (tuple(coords), hr, {"units": "K"})}, coords),
        xr.Dataset({"orog": (tuple(place), static, {"units": "m"})}, place),
    )


def store(folder: pathlib.Path, edge: int, steps: int, along: str) -> pathlib.Path:
    """A Zarr store of the fields, made once."""
    path = folder / f"{edge}_{along}.zarr"
    if not path.exists():
        chunks = (steps // 8, edge, edge) if along == "time" else (steps, edge // 4, edge // 4)
        encoding = {"t": {"chunks": chunks}}
        dataset(edge, steps)[0].to_zarr(path, zarr_format=3, consolidated=False, encoding=encoding)
    return path


def clocked(count: int, epoch: Callable[[], None], setup: float, seconds: float) -> dict:
    """Seconds of set-up, and samples per second of the first epoch and of those after it."""
    begin = time.perf_counter()
    epoch()
    first = time.perf_counter() - begin
    done, begin = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - begin < seconds:
        epoch()
        done += 1
    later = time.perf_counter() - begin
    return {"setup": setup, "first": count / first, "later": count * done / later, "count": count}


def theirs(case: dict, seconds: float) -> dict:
    """Rates of DL4DS's generator."""
    import numpy as np
    from dl4ds.dataloader import DataGenerator

    edge, steps, patch = case["fields"]
    hr, static = fields(edge, steps)
    begin = time.perf_counter()
    generator = DataGenerator(
        ((hr - hr.mean()) / hr.std()).astype(np.float32)[..., None],
        None,
        backbone="resnet",
        upsampling=UPSAMPLINGS[case["upsampling"]][0],
        scale=SCALE,
        batch_size=BATCH,
        patch_size=patch,
        static_vars=[(static - static.mean()) / static.std()] if case["static"] else None,
    )

    def epoch() -> None:
        for i in range(len(generator)):
            generator[i]

    setup = time.perf_counter() - begin
    return clocked(len(generator) * BATCH, epoch, setup, seconds)


@functools.lru_cache(maxsize=4)
def held(folder: str, edge: int, steps: int, static: bool, source: str) -> tuple:
    """Samples as `fit` holds them, and the seconds that this takes."""
    import xarray as xr

    import xr_dl4ds as xd
    from xr_dl4ds.config import Options, Scale
    from xr_dl4ds.data.inputs import Inputs
    from xr_dl4ds.data.prepare import prepare
    from xr_dl4ds.training.batches import Samples

    hr, beside = dataset(edge, steps)
    if source in ("time", "space"):
        path = store(pathlib.Path(folder), edge, steps, source)
        hr = xr.open_zarr(path, consolidated=False)
    begin = time.perf_counter()
    given = Inputs(hr=hr, scale=SCALE, static=beside if static else None, validation=None)
    prepared = prepare(given, Options(network=xd.Network(upsampling="subpixel")))
    samples = Samples.hold(
        prepared.train,
        {"static": prepared.fixed["static"]} if static else {},
        cache=source if source in ("memory", "disk") else "none",
        scale=Scale.of(SCALE),
    )
    return samples, time.perf_counter() - begin


def ours(case: dict, seconds: float) -> dict:
    """Rates of this package's batches."""
    import tensorflow as tf

    from xr_dl4ds.networks.layers import Interpolation
    from xr_dl4ds.training.batches import Batches

    edge, steps, patch = case["fields"]
    interpolated = case["source"] == "interpolated"
    source = "memory" if interpolated else case["source"]
    samples, setup = held(case["folder"], edge, steps, case["static"], source)
    begin = time.perf_counter()
    batches = Batches(samples, batch_size=BATCH, patch_size=patch)
    setup += time.perf_counter() - begin
    interpolate = tf.function(Interpolation(SCALE, "bicubic"), reduce_retracing=True)

    def epoch() -> None:
        for i in range(len(batches)):
            inputs, _, _ = batches[i]
            if interpolated:
                interpolate(inputs["lr"]).numpy()
        batches.on_epoch_end()

    try:
        return clocked(len(samples), epoch, setup, seconds)
    finally:
        batches.close()


def serve(side: str, seconds: float) -> None:
    """Answer cases, a line of JSON each."""
    if side == "theirs":
        sys.modules["ecubevis"] = types.ModuleType("ecubevis")  # its plotting, see RECIPE
    for line in sys.stdin:
        with contextlib.redirect_stdout(io.StringIO()):
            result = (theirs if side == "theirs" else ours)(json.loads(line), seconds)
        print(json.dumps(result), flush=True)


class Side:
    """This file in another process, asked case by case."""

    def __init__(self, python: str, side: str, options: argparse.Namespace) -> None:
        command = [python, __file__, str(options.folder), "--side", side]
        quiet = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "MPLBACKEND": "agg"}
        self._process = subprocess.Popen(
            [*command, "--seconds", str(options.seconds)],
            env={**os.environ, **quiet},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, case: dict) -> dict:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(case), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"no answer to {case}")
        return json.loads(answer)

    def close(self) -> None:
        self._process.communicate()


def cases(options: argparse.Namespace) -> list[tuple[tuple, str, dict]]:
    """What the table is for, the row in it, and the case that a side is asked.

    Those with the same data come together.
    """
    found = []
    edges = {(edge, steps): None for edge, steps, _ in FIELDS if edge in options.edges}
    for size, static, upsampling in itertools.product(edges, (False, True), UPSAMPLINGS):
        for field in (one for one in FIELDS if one[:2] == size):
            case = {"upsampling": upsampling, "fields": field, "static": static}
            key = (upsampling, *field, static)
            if options.dl4ds:
                found.append((key, THEIRS, case))
            for source in options.sources:
                if source != "interpolated" or upsampling == "pre-upsampling":
                    found.append((key, source, {**case, "source": source}))
    return found


def repaid(mine: dict, other: dict) -> str:
    """The epoch after which `mine` has taken less time than `other`."""
    n = mine["count"]
    behind = (mine["setup"] + n / mine["first"]) - (other["setup"] + n / other["first"])
    gain = n / other["later"] - n / mine["later"]
    if behind <= 0:
        return "1"
    return "never" if gain <= 0 else str(1 + math.ceil(behind / gain))


def table(results: dict[tuple, dict[str, list[dict]]]) -> str:
    """One for each upsampling, with a line for each case and row."""
    lines = []
    order = list(UPSAMPLINGS)
    for key, rows in sorted(results.items(), key=lambda item: order.index(item[0][0])):
        upsampling, edge, steps, patch, static = key
        heading = f"### {upsampling}"
        if heading not in lines:
            lines += ["", heading, ""]
            lines += ["| fields | patches | static | | set-up, s | first, /s | later, /s | times |"
                      " repaid |", "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
        middle = {
            row: {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
            for row, rounds in rows.items()
        }
        reference = middle.get(THEIRS)
        for row, one in middle.items():
            times = after = ""
            if reference is not None:
                pairs = zip(rows[row], rows[THEIRS], strict=True)  # of the same round
                times = f"{statistics.median(a['later'] / b['later'] for a, b in pairs):.2f}"
                after = "" if row == THEIRS else repaid(one, reference)
            name = row if row == THEIRS else f"xr_dl4ds {SOURCES[row]}"
            lines.append(
                f"| {steps} of {edge} x {edge} | {patch or 'none'} | {'yes' if static else 'no'} |"
                f" {name} | {one['setup']:.2f} | {one['first']:,.0f} | {one['later']:,.0f} |"
                f" {times} | {after} |"
            )
    return "\n".join(lines)


def measured(options: argparse.Namespace) -> dict[tuple, dict[str, list[dict]]]:
    """All answers, by case and row."""
    results: dict[tuple, dict[str, list[dict]]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="sampling_") as folder:
        for _ in range(options.rounds):
            sides = {"ours": Side(sys.executable, "ours", options)}
            if options.dl4ds:
                sides["theirs"] = Side(options.dl4ds, "theirs", options)
            for key, row, case in cases(options):
                side = sides["theirs" if row == THEIRS else "ours"]
                answer = side.ask({**case, "folder": folder})
                print(*key, row, answer, file=sys.stderr)
                results.setdefault(key, {}).setdefault(row, []).append(answer)
            for side in sides.values():
                side.close()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="for stores of 0.8 GB, removed again")
    parser.add_argument("--dl4ds", metavar="PYTHON", help="an interpreter that has DL4DS 1.8.0")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="at least, of later epochs")
    parser.add_argument("--edges", type=int, nargs="+", default=sorted({f[0] for f in FIELDS}))
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--side", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        serve(options.side, options.seconds)
        return
    print(table(measured(options)))
    if not options.dl4ds:
        print(RECIPE)


if __name__ == "__main__":
    main()
