"""Speed and memory of `evaluate`, as Markdown.

    python benchmarks/verification.py FOLDER
    python benchmarks/verification.py FOLDER --shape 365 512 512 --scores all

Synthetic temperature and a prediction with noise. The first table compares maps of bias, MAE, RMSE
and Pearson correlation with a Python loop over cells, which calls NumPy and SciPy as DL4DS does, on
fields of 64 x 64 cells in memory; once more with the Spearman correlation. The ratio is the median
of three rounds in one process.

The second table has the seconds of all scores that are asked for, with two interpolated baselines,
of fields of `--shape` in a Zarr store in FOLDER, and the largest memory of the process. The store
is made in FOLDER and kept for the next run.
"""

import argparse
import pathlib
import resource
import statistics
import time
from collections.abc import Callable

import dask
import numpy as np
import scipy.stats
import xarray as xr

import xr_dl4ds as xd
from xr_dl4ds.metrics.pair_statistics import PairStatistics

THRESHOLD = 280.0
MAPS = ("bias", "mae", "rmse", "correlation")


def synthetic(shape: tuple[int, int, int]) -> tuple[xr.Dataset, xr.Dataset]:
    """Prediction and truth, float32."""
    steps, ny, nx = shape
    rng = np.random.default_rng(0)
    truth = 3 * rng.standard_normal(shape, "f4") + 280
    coords = {
        "time": xr.date_range("2001-01-01", periods=steps),
        "lat": ("lat", 30 + 0.05 * np.arange(ny), {"units": "degrees_north"}),
        "lon": ("lon", 0.05 * np.arange(nx), {"units": "degrees_east"}),
    }
    about = {"units": "K", "standard_name": "air_temperature"}
    pair = (truth + rng.standard_normal(shape, "f4"), truth)
    prediction, truth = (
        xr.Dataset({"t": (("time", "lat", "lon"), one, about)}, coords) for one in pair
    )
    return prediction, truth


def stored(folder: pathlib.Path, shape: tuple[int, int, int]) -> list[xr.Dataset]:
    """Prediction and truth in Zarr stores, in chunks of ten steps."""
    name = "x".join(map(str, shape))
    places = [folder / f"{one}_{name}.zarr" for one in ("prediction", "truth")]
    if not all(place.exists() for place in places):
        for ds, place in zip(synthetic(shape), places, strict=True):
            ds.chunk(time=10).to_zarr(place, mode="w", consolidated=False)
    return [xr.open_zarr(place, consolidated=False) for place in places]


def loop(prediction: np.ndarray, truth: np.ndarray, *, ranks: bool) -> np.ndarray:
    """Scores of each cell, one cell after the other."""
    out = np.empty((4 + ranks, *truth.shape[1:]))
    for j, i in np.ndindex(truth.shape[1:]):
        p, t = prediction[:, j, i], truth[:, j, i]
        error = p - t
        found = [error.mean(), np.abs(error).mean(), np.sqrt((error**2).mean())]
        found += [scipy.stats.pearsonr(p, t)[0]]
        found += [scipy.stats.spearmanr(p, t)[0]] if ranks else []
        out[:, j, i] = found
    return out


def maps(prediction: xr.DataArray, truth: xr.DataArray, *, ranks: bool) -> list[xr.DataArray]:
    """The same as `evaluate` computes it."""
    statistics = PairStatistics.of(prediction, truth, ["time"])
    found = [getattr(statistics, name) for name in MAPS]
    return [*found, xd.metrics.spearman(prediction, truth, ["time"])] if ranks else found


def seconds(job: Callable[[], object]) -> float:
    """Seconds of one call."""
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--shape", type=int, nargs=3, default=(365, 512, 512))
    parser.add_argument("--scores", nargs="+", default=["default", "all"])
    parser.add_argument("--cells", type=int, default=64, help="edge of the fields of the loop")
    given = parser.parse_args()

    prediction, truth = synthetic((365, given.cells, given.cells))
    pair = prediction.t, truth.t
    arrays = [one.to_numpy() for one in pair]
    print("| maps of | loop over cells / s | xr_dl4ds / s | ratio |\n|---|---|---|---|")
    for label, ranks in (("four scores", False), ("these and Spearman", True)):
        rounds = [
            (
                seconds(lambda: loop(*arrays, ranks=ranks)),  # noqa: B023  called at once
                seconds(lambda: maps(*pair, ranks=ranks)),  # noqa: B023
            )
            for _ in range(3)
        ]
        slow, quick = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(a / b for a, b in rounds)
        print(f"| {label} | {slow:.2f} | {quick:.3f} | {ratio:.0f} |")
    print()

    given.folder.mkdir(parents=True, exist_ok=True)
    prediction, truth = stored(given.folder, tuple(given.shape))
    print("| scores | seconds | processor seconds | largest memory / GiB |\n|---|---|---|---|")
    for name in given.scores:
        begin, spent = time.perf_counter(), time.process_time()
        with dask.config.set(scheduler="threads", num_workers=2):
            prediction.downscale.evaluate(
                truth,
                scale=4,
                scores=None if name == "default" else name,
                thresholds=() if name == "default" else [THRESHOLD],
            ).compute()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        row = (time.perf_counter() - begin, time.process_time() - spent)
        print(f"| {name} | {row[0]:.0f} | {row[1]:.0f} | {memory:.2f} |", flush=True)


if __name__ == "__main__":
    main()
