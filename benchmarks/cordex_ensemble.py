"""CORDEX Iberia: ensembles of daily precipitation and temperature from one model, scale 2.

    python benchmarks/cordex_ensemble.py ../shared/data

Fits a distribution to each cell, normal for temperature, "nothing or gamma" for precipitation,
draws 20 members of the three held-out winters, and scores them beside the same network trained for
one answer (loss "mae") and interpolation. `--figure FOLDER` draws rank histograms and maps.
"""

import argparse
import pathlib

import numpy as np
import xarray as xr
from cordex_iberia import WET, experiment

import xr_dl4ds as xd

MEMBERS = 20
DIMS = ("time", "rlat", "rlon")
LOSS = {"tas": "gaussian_nll", "pr": "bernoulli_gamma_nll"}

#: Of both models; not tuned: what two cores train in about three minutes.
OPTIONS = {"epochs": 20, "learning_rate": (1e-3, 1e-4), "lr_decay_after": 16}
#: Of the days on the maps, counted by how much rain fell from the wettest to the driest.
DAYS = (0.0, 0.1, 0.5)

SCORES = {
    "MAE": "{:.3f}",
    "CRPS": "{:.3f}",
    "spread-skill": "{:.2f}",
    "wet days": "{:+.1%}",
    "P98": "{:+.1%}",
}


def scores(product: xr.DataArray, truth: xr.DataArray) -> dict[str, float]:
    """By the names of `SCORES`; the MAE is that of the mean, wet days and P98 those of members."""
    members = "realization" in product.dims
    mean = product.mean("realization") if members else product
    found = {"MAE": xd.metrics.mae(mean, truth, DIMS)}
    found["CRPS"] = xd.metrics.crps(product, truth, DIMS) if members else found["MAE"]
    if members:
        found["spread-skill"] = xd.metrics.spread_skill(product, truth, DIMS)
    if truth.name == "pr":
        wet = xd.metrics.wet_frequency(product, WET, DIMS).mean()  # over members
        found["wet days"] = wet / xd.metrics.wet_frequency(truth, WET, DIMS) - 1
        # of all members together, as of the truth: the quantile of the distribution
        found["P98"] = product.quantile(0.98) / truth.quantile(0.98) - 1
    return {name: float(value) for name, value in found.items()}


def table(products: dict[str, xr.Dataset], truth: xr.Dataset) -> str:
    """Markdown, a row for each variable and product."""
    lines = [f"| | | {' | '.join(SCORES)} |", f"|---{'|---' * (len(SCORES) + 1)}|"]
    for variable in (name for name in LOSS if name in truth):
        for name, product in products.items():
            found = scores(product[variable], truth[variable])
            cells = [form.format(found[n]) if n in found else "" for n, form in SCORES.items()]
            lines.append(f"| {variable} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(members: xr.Dataset, lr: xr.Dataset, truth: xr.Dataset, folder: pathlib.Path) -> None:
    """Rank histograms of both variables, and maps of precipitation."""
    folder.mkdir(parents=True, exist_ok=True)
    for variable in (name for name in LOSS if name in truth):
        found = members[[variable]].downscale.evaluate(truth[[variable]])
        xd.plotting.plot_rank_histogram(found).savefig(folder / f"ranks_{variable}.png")
    if "pr" not in truth:
        return
    days = np.argsort(-truth.pr.mean(("rlat", "rlon")).to_numpy())
    for share in DAYS:
        day = int(days[int(share * len(days))])
        figure = members.downscale.plot(lr=lr, hr=truth, variable="pr", time=day)
        figure.savefig(folder / f"pr_{truth.time[day].dt.strftime('%Y-%m-%d').item()}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=OPTIONS["epochs"])
    parser.add_argument("--variables", nargs="+", choices=LOSS, default=list(LOSS))
    parser.add_argument("--figure", type=pathlib.Path, metavar="FOLDER")
    given = parser.parse_args()

    past, test, static = experiment(given.data)
    left_out = [name for name in LOSS if name not in given.variables]
    past, test = past.drop_vars(left_out), test.drop_vars(left_out)
    fitted = {name: LOSS[name] for name in given.variables}
    lr = test.downscale.coarsen(2)
    products = {"bilinear": lr.downscale.interpolate(test, method="bilinear")}
    decay = given.epochs * OPTIONS["lr_decay_after"] // OPTIONS["epochs"]
    options = {**OPTIONS, "epochs": given.epochs, "lr_decay_after": max(decay, 1)}
    for name, loss, members in (("one answer", "mae", None), ("ensemble", fitted, MEMBERS)):
        model = past.downscale.fit(
            scale=2, static=static, seed=given.seed, verbose=False, loss=loss, **options
        )
        seconds = float(model.history.seconds.sum())
        product = lr.downscale.predict(model, realizations=members)
        products[f"{name} ({seconds:.0f} s)"] = product
    print(table(products, test))
    if given.figure is not None:
        draw(product, lr, test, given.figure)


if __name__ == "__main__":
    main()
