"""MRMS radar rain: an ensemble trained with the CRPS beside one answer, on places never seen.

    python benchmarks/mrms_crps.py ../shared/data --figure docs/figures

Patches of 64 x 64 cells of 0.02 degrees, split by the tile that they lie in. Perfect prognosis at
scale 8, from about 16 km to 2 km: half of the variance of rain is inside such LR cells, at scale 4
three tenths. Everything is scored on the test tiles, CRPS and MAE in mm/h, RALSD in dB; the CRPS of
one answer is its mean absolute error. Of an ensemble, RALSD, P99 bias and negative values are those
of its members. Seconds are those of the epochs and, in brackets, of the processors.
"""

import argparse
import os
import pathlib
import time
from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

import xr_dl4ds as xd

SCALE = 8
MEMBERS = 20
DIMS = ("sample", "y", "x")

#: Shares of the tiles that are scored, and that choose the weights.
TEST, VALIDATION = 0.25, 0.15

#: The same for every loss, chosen on the validation tiles.
OPTIONS = {
    "n_filters": 16,
    "epochs": 25,
    "learning_rate": (3e-3, 3e-4),
    "lr_decay_after": 19,
    "loss_realizations": 2,
}

#: What is compared, and what each has beside these options.
RUNS: dict[str, dict[str, str]] = {
    "mae": {},
    "crps": {"loss": "crps"},
    "crps, multiplicative": {"loss": "crps", "constraint": "multiplicative"},
    "bernoulli_gamma_nll": {"loss": "bernoulli_gamma_nll"},
}


def experiment(folder: pathlib.Path) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Training, validation and test patches: no tile is in two of them."""
    hr = xr.open_dataset(folder / "mrms_patches_002deg.nc", engine="netcdf4").load()
    tiles = np.random.default_rng(0).permutation(np.unique(hr["tile"]))
    cuts = np.cumsum([round(share * tiles.size) for share in (TEST, VALIDATION)])
    test, validation, train = (hr["tile"].isin(some) for some in np.split(tiles, cuts))
    return hr.isel(sample=train), hr.isel(sample=validation), hr.isel(sample=test)


def trained(data: tuple, scale: int, **options: object) -> tuple[xd.Downscaler, str]:
    """A model, and the seconds of its training."""
    train, validation, _ = data
    before = time.process_time()
    model = train.downscale.fit(
        scale=scale,
        validation=(validation.downscale.coarsen(scale), validation),
        verbose=False,
        **{**OPTIONS, **options},
    )
    seconds = float(model.history["seconds"].sum())
    return model, f"{seconds:.0f} ({time.process_time() - before:.0f})"


def row(name: str, product: xr.DataArray, truth: xr.DataArray, cost: str = "") -> str:
    """A line of the table."""
    answer, ratio = product, ""
    if "realization" in product.dims:
        answer = product.astype("f8").mean("realization")
        ratio = f"{float(xd.metrics.spread_skill(product, truth, DIMS)):.2f}"
    mae = float(xd.metrics.mae(answer, truth, DIMS))
    crps = float(xd.metrics.crps(product, truth, DIMS)) if ratio else mae
    p99 = float(xd.metrics.quantile_bias(product, truth, 0.99, DIMS).mean())
    return (
        f"| {name} | {mae:.4f} | {crps:.4f} | {ratio}"
        f" | {float(xd.metrics.ralsd(product, truth)):.2f} | {100 * p99:+.1f} %"
        f" | {int((product < 0).sum())} | {cost} |"
    )


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--scale", type=int, default=SCALE)
    parser.add_argument("--runs", nargs="*", default=list(RUNS), choices=RUNS, metavar="RUN")
    parser.add_argument("--epochs", type=int, default=OPTIONS["epochs"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--figure", type=pathlib.Path, help="a folder, for those of the first seed")
    given = parser.parse_args()

    data = experiment(given.data)
    test, scale = data[2], given.scale
    lr = test.downscale.coarsen(scale)
    products = {"bilinear": lr.downscale.interpolate(test, method="bilinear")}
    print(
        "| | MAE | CRPS | spread / skill | RALSD | P99 bias | negative | seconds (of processors) |"
    )
    print("|---|---|---|---|---|---|---|---|")
    print(row("bilinear", products["bilinear"].pr, test.pr))
    for run in given.runs:
        for seed in range(given.seeds):
            model, cost = trained(data, scale, seed=seed, epochs=given.epochs, **RUNS[run])
            several = MEMBERS if RUNS[run] else None
            product = lr.downscale.predict(model, realizations=several)
            name = run if given.seeds == 1 else f"{run}, seed {seed}"
            if several:
                mean = product.mean("realization")
                print(row(f"{name}: mean of {several}", mean.pr, test.pr))
                name = f"{name}: {several} members"
            print(row(name, product.pr, test.pr, cost), flush=True)
            products.setdefault(run, product)
    load = os.getloadavg()[1]  # of the last five minutes
    print(f"\nload of the machine: {load:.1f}, processors: {os.cpu_count()}")
    if given.figure and "crps" in products:
        draw(given.figure, products, "crps", test, scale)


if __name__ == "__main__":
    main()
