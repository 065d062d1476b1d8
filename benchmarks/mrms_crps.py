"""MRMS radar rain: ensembles beside one answer, on places never seen.

    python benchmarks/mrms_crps.py ../shared/data --figure docs/figures
    python benchmarks/mrms_crps.py ../shared/data --loss crps --set n_filters=24 --splits 3

Patches of 64 x 64 cells of 0.02 degrees, split by the tile that they lie in. Perfect prognosis at
scale 8, from about 16 km to 2 km: half of the variance of rain is inside such LR cells, at scale 4
three tenths. The test tiles are scored, with `--validation` the validation tiles. All in mm/h but
for ratios:

- MAE of the mean of members; CRPS, which for one answer is its mean absolute error;
- ratio: the CRPS over the MAE of bilinear interpolation on the same tiles;
- RALSD in dB and the CRPS of maxima over 4 x 4 cells (MAX4), which see the texture of members: if
  these are stripes or noise, the CRPS of cells and spread / skill do not tell;
- ES, the energy score of whole fields; P99, the relative bias of the 99th percentile of members;
- edges: mean absolute differences of neighbours across the edges of LR cells over those inside, 1
  in the truth; LR means: the largest deviation of the mean over an LR cell from its LR value;
- seconds of training and of prediction: wall clock and, in brackets, processors.
"""

import argparse
import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from unittest import mock

import numpy as np
import xarray as xr
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

import xr_dl4ds as xd
from xr_dl4ds.cli.flags import from_yaml
from xr_dl4ds.inference import runner
from xr_dl4ds.networks import solvers

SCALE = 8
MEMBERS = 20
DIMS = ("sample", "y", "x")

#: Shares of the tiles that are scored, and that choose the weights.
TEST, VALIDATION = 0.25, 0.15

#: The same for every loss: the default number of epochs, and no other option. Flow matching has
#: its own.
OPTIONS = {"epochs": 30}

#: What is compared, and what each has beside these options.
RUNS: dict[str, dict[str, object]] = {
    "mae": {"loss": "mae"},
    "crps": {"loss": "crps"},
    "crps, noise inside": {"loss": "crps", "noise": "inside", "constraint": "multiplicative"},
    "bernoulli_gamma_nll": {"loss": "bernoulli_gamma_nll"},
    "flow matching": {"training": xd.FlowMatching(), "epochs": 60},
}

#: The columns of the table, and how their numbers are written.
COLUMNS = {
    "MAE of mean": "{:.4f}",
    "CRPS": "{:.4f}",
    "ratio": "{:.3f}",
    "spread / skill": "{:.2f}",
    "RALSD": "{:.2f}",
    "MAX4": "{:.4f}",
    "ES": "{:.4f}",
    "P99": "{:+.1%}",
    "negative": "{:.0f}",
    "edges": "{:.2f}",
    "LR means": "{:.1e}",
    "training": "{:.0f}",
    "its processors": "{:.0f}",
    "prediction": "{:.1f}",
    "its processors too": "{:.1f}",
}
#: Columns that stand in brackets behind the column before them.
IN_BRACKETS = ("its processors", "its processors too")

Scores = dict[str, float]


def experiment(folder: pathlib.Path, split: int = 0) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Training, validation and test patches: no tile is in two of them."""
    hr = xr.open_dataset(folder / "mrms_patches_002deg.nc", engine="netcdf4").load()
    tiles = np.random.default_rng(split).permutation(np.unique(hr["tile"]))
    cuts = np.cumsum([round(share * tiles.size) for share in (TEST, VALIDATION)])
    test, validation, train = (hr["tile"].isin(some) for some in np.split(tiles, cuts))
    return hr.isel(sample=train), hr.isel(sample=validation), hr.isel(sample=test)


class Clock:
    """Seconds on the wall and of all processors within a `with`."""

    def __enter__(self) -> "Clock":
        self.begin = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self.begin[0]
        self.processors = time.process_time() - self.begin[1]


def trained(data: tuple, scale: int, **options: object) -> tuple[xd.Downscaler, Scores]:
    """A model, and the seconds of its training."""
    train, validation, _ = data
    with Clock() as clock:
        model = train.downscale.fit(
            scale=scale,
            validation=(validation.downscale.coarsen(scale), validation),
            verbose=False,
            **options,
        )
    return model, {"training": clock.wall, "its processors": clock.processors}


def predicted(model: xd.Downscaler, lr: xr.Dataset, members: int) -> tuple[xr.Dataset, Scores]:
    """Members, or one answer of models that have none, and the seconds."""
    several = members if "calibration" in model.provenance else None
    with Clock() as clock:
        product = lr.downscale.predict(model, realizations=several).load()
    return product, {"prediction": clock.wall, "its processors too": clock.processors}


def scores(product: xr.DataArray, truth: xr.DataArray, lr: xr.DataArray, scale: int) -> Scores:
    """The scores of members, or of one answer, by the names of `COLUMNS`."""
    several = "realization" in product.dims
    members = product.astype("f8")
    members = members if several else members.expand_dims("realization")
    means = members.coarsen(y=scale, x=scale).mean().drop_vars(["y", "x"])
    found = {
        "MAE of mean": xd.metrics.mae(members.mean("realization"), truth, DIMS),
        "CRPS": xd.metrics.crps(members, truth, DIMS),
        "RALSD": xd.metrics.ralsd(members, truth),
        "MAX4": xd.metrics.pooled_crps(members, truth, 4, DIMS, pool="max"),
        "ES": xd.metrics.energy_score(members, truth),
        "P99": xd.metrics.quantile_bias(members, truth, 0.99, DIMS).mean(),
        "negative": (members < 0).sum(),
        "edges": edges(members, scale),
        "LR means": abs(means - lr.drop_vars(["y", "x"])).max(),
    }
    if several:
        found["spread / skill"] = xd.metrics.spread_skill(members, truth, DIMS)
    return {name: float(value) for name, value in found.items()}


def edges(field: xr.DataArray, scale: int) -> float:
    """Mean absolute difference of neighbours across edges of LR cells, over that inside of them."""
    across, inside = [], []
    for dim in ("y", "x"):
        steps = abs(field.diff(dim)).mean([d for d in field.dims if d != dim]).to_numpy()
        at_edge = np.arange(1, field.sizes[dim]) % scale == 0
        across.append(steps[at_edge].mean())
        inside.append(steps[~at_edge].mean())
    return float(np.sum(across) / np.sum(inside))


def head() -> str:
    """The first two lines of the table."""
    names = [
        f"{name} (processors)" if behind in IN_BRACKETS else name
        for name, behind in zip(COLUMNS, [*list(COLUMNS)[1:], ""], strict=True)
        if name not in IN_BRACKETS
    ]
    return f"| | {' | '.join(names)} |\n|---{'|---' * len(names)}|"


def row(name: str, found: Mapping[str, float]) -> str:
    """A line of the table; columns that are not found are empty."""
    cells: list[str] = []
    for column, form in COLUMNS.items():
        said = form.format(found[column]) if column in found else ""
        if column in IN_BRACKETS:
            cells[-1] += f" ({said})" if said else ""
        else:
            cells.append(said)
    return f"| {name} | {' | '.join(cells)} |"


def mean_of(several: Sequence[Scores]) -> Scores:
    """The mean of each column; the largest deviation of LR means."""
    out = {name: float(np.mean([one[name] for one in several])) for name in several[0]}
    return {**out, "LR means": max(one["LR means"] for one in several)}


def draw(
    folder: pathlib.Path, products: Mapping, ensemble: str, test: xr.Dataset, scale: int
) -> None:
    """Rank histogram and patch of an ensemble, spectra of all products."""
    members = products[ensemble]
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "ranks": xd.plotting.plot_rank_histogram(members.downscale.evaluate(test)),
        "spectra": xd.plotting.plot_spectra(products, test, scale=scale),
        "patch": patch(members["pr"], test, scale),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"mrms_{name}.png", dpi=90)


def patch(members: xr.DataArray, test: xr.Dataset, scale: int) -> Figure:
    """LR, two members, their mean and spread, and the truth, where it rains most."""
    at = {"sample": int(test["pr"].mean(("y", "x")).argmax("sample"))}
    few, truth = members.isel(at), test["pr"].isel(at)
    panels = {
        "LR": test.downscale.coarsen(scale)["pr"].isel(at),
        "member 1": few[0],
        "member 2": few[1],
        f"mean of {few.sizes['realization']}": few.mean("realization"),
        "spread": few.std("realization", ddof=1),
        "truth": truth,
    }
    figure = Figure(figsize=(9.0, 6.0), layout="constrained")
    colours = PowerNorm(0.5, vmin=0.0, vmax=float(truth.max()))  # showers beside drizzle
    for axes, (name, field) in zip(figure.subplots(2, 3).flat, panels.items(), strict=True):
        image = axes.pcolormesh(field["x"], field["y"], field, norm=colours)
        axes.set_title(name)
        axes.set_aspect("equal")
    figure.colorbar(image, ax=figure.axes, shrink=0.7, label="pr / mm/h")
    return figure


def given_options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--scale", type=int, default=SCALE)
    parser.add_argument("--runs", nargs="*", default=list(RUNS), choices=RUNS, metavar="RUN")
    parser.add_argument("--loss", help="train with this loss alone, in place of --runs")
    parser.add_argument("--epochs", type=int, default=OPTIONS["epochs"])
    parser.add_argument("--splits", type=int, default=1, help="permutations of tiles: 0 to N - 1")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of each split: 0 to N - 1")
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--validation", action="store_true", help="score the validation tiles")
    parser.add_argument(
        "--set", nargs="*", action="extend", default=[], metavar="OPTION=VALUE", dest="options"
    )
    parser.add_argument("--figure", type=pathlib.Path, help="a folder, for those of the first seed")
    return parser.parse_args(argv)


def runs_of(given: argparse.Namespace) -> dict[str, dict[str, object]]:
    """The options of each run; those of `--set` hold over all others."""
    usual = {**OPTIONS, "epochs": given.epochs}
    pairs = (one.partition("=") for one in given.options)
    own = {name: from_yaml(value) for name, _, value in pairs}
    if given.loss is not None:
        return {", ".join([given.loss, *given.options]): {**usual, "loss": given.loss, **own}}
    return {run: {**usual, **RUNS[run], **own} for run in given.runs}


def paths(model: xd.Downscaler, test: xr.Dataset, scale: int, members: int = 2) -> Figure:
    """Residuals of members on their way from noise, where it rains most, and the members."""
    at = int(test["pr"].mean(("y", "x")).argmax("sample"))
    truth = test.isel(sample=[at])
    lr = truth.downscale.coarsen(scale)
    seen: list[np.ndarray] = []

    def noted(velocity: object, start: xr.DataArray, steps: int, solver: str) -> xr.DataArray:
        for i in range(steps + 1):  # anew up to each step
            ends = solvers.times(steps)[: i + 1]
            seen.append(solvers.followed(velocity, start, ends, solver).to_numpy().squeeze())
        return solvers.followed(velocity, start, solvers.times(steps), solver)

    with mock.patch.object(runner, "integrated", noted):
        product = lr.downscale.predict(model, realizations=members)["pr"].squeeze()
    ends = solvers.times(model.options.training.steps)
    figure = Figure(figsize=(2.1 * (len(ends) + 2), 2.2 * members), layout="constrained")
    rain = PowerNorm(0.5, vmin=0.0, vmax=float(truth["pr"].max()))
    for k, row in enumerate(figure.subplots(members, len(ends) + 2, squeeze=False)):
        for axes, field, end in zip(row, seen[k * len(ends) :], ends, strict=False):
            axes.imshow(field, cmap="RdBu_r", vmin=-3, vmax=3)
            axes.set_title(f"member {k + 1}, t = {end:.2f}", fontsize=9)
        beside = {f"member {k + 1}": product[k], "truth": truth["pr"][0]}
        for axes, (name, field) in zip(row[-2:], beside.items(), strict=True):
            axes.imshow(field, norm=rain)
            axes.set_title(name, fontsize=9)
        for axes in row:
            axes.set_axis_off()
    return figure


class Table:
    """Lines of scores, printed as they are found, and their means."""

    def __init__(self, splits: int, seeds: int) -> None:
        self.counts = {"split": splits, "seed": seeds}
        self.found: dict[str, list[Scores]] = {}
        print(head())

    def add(self, name: str, found: Scores, **at: int) -> None:
        """Print the scores of a run, whose bilinear interpolation was added before."""
        bilinear = found if name == "bilinear" else self.found["bilinear"][-1]
        found = {**found, "ratio": found["CRPS"] / bilinear["CRPS"]}
        self.found.setdefault(name, []).append(found)
        parts = [f"{part} {number}" for part, number in at.items() if self.counts[part] > 1]
        print(row(", ".join([name, *parts]), found), flush=True)

    def close(self) -> None:
        """Print the mean of each run over splits and seeds."""
        for name, several in self.found.items():
            if len(several) > 1:
                print(row(f"{name}: mean of {len(several)}", mean_of(several)))
        load = os.getloadavg()[1]  # of the last five minutes
        print(f"\nload of the machine: {load:.1f}, processors: {os.cpu_count()}")


def main() -> None:
    given = given_options()
    scale, runs = given.scale, runs_of(given)
    table, products = Table(given.splits, given.seeds), {}
    for split in range(given.splits):
        data = experiment(given.data, split)
        truth = data[1 if given.validation else 2]
        lr = truth.downscale.coarsen(scale)
        bilinear = lr.downscale.interpolate(truth, method="bilinear")
        table.add("bilinear", scores(bilinear.pr, truth.pr, lr.pr, scale), split=split)
        shown = {"bilinear": bilinear}
        for run, options in runs.items():
            for seed in range(given.seeds):
                model, cost = trained(data, scale, **{"seed": seed, **options})
                product, more = predicted(model, lr, given.members)
                found = {**scores(product.pr, truth.pr, lr.pr, scale), **cost, **more}
                table.add(run, found, split=split, seed=seed)
                shown.setdefault(run, product)
                if given.figure and run == "flow matching" and split == seed == 0:
                    given.figure.mkdir(parents=True, exist_ok=True)
                    paths(model, truth, scale).savefig(given.figure / "mrms_paths.png", dpi=90)
        products = products or {**shown, "truth": truth}
    table.close()
    if given.figure and "crps" in products:
        draw(given.figure, products, "crps", products.pop("truth"), scale)


if __name__ == "__main__":
    main()
