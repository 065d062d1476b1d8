"""CORDEX Iberia: ensembles of daily precipitation and temperature from one model, scale 2.

    python benchmarks/cordex_ensemble.py ../shared/data

Members from latent noise (loss "crps") and flow matching beside a distribution of each cell, normal
for temperature and zero or gamma distributed for precipitation: 20 members of the three held-out
winters, scored beside the same network trained for one answer (loss "mae") and interpolation. The
last winter of training sets the size of the noise. `--figure FOLDER` draws rank histograms and maps
of the last product.

MAE, CRPS and the CRPS of maxima over 4 x 4 cells (MAX4) in degC and mm day-1; RALSD in dB, of
members. CRPS and spread / skill of cells do not see texture: RALSD, MAX4 and the spread / skill of
sums over 4 x 4 cells and over 5 days do. P99 is the bias of the 99th percentile of members: in
degC for temperature, relative for precipitation. Seconds of training: wall clock and, in brackets,
of the processors.
"""

import argparse
import pathlib
import time

import numpy as np
import xarray as xr
from cordex_iberia import WET, experiment

import xr_dl4ds as xd

MEMBERS = 20
DIMS = ("time", "rlat", "rlon")
PLANE = ("rlat", "rlon")
LOSS = {"tas": "gaussian_nll", "pr": "bernoulli_gamma_nll"}

#: Of all models; not tuned: what two cores train in about three minutes.
OPTIONS = {"epochs": 20}
#: Of the days on the maps, counted by how much rain fell from the wettest to the driest.
DAYS = (0.0, 0.1, 0.5)

#: Days whose sum is scored, and the cells along the edges of blocks.
SPELL, BLOCK = 5, 4

#: Share of the training days, the last ones, that chooses the weights.
VALIDATION = 0.15

SCORES = {
    "MAE of mean": "{:.3f}",
    "CRPS": "{:.3f}",
    "spread / skill": "{:.2f}",
    "of 4 x 4 sums": "{:.2f}",
    "of 5-day sums": "{:.2f}",
    "RALSD": "{:.2f}",
    "MAX4": "{:.3f}",
    "P99": "{:+.3f}",
    "P99, relative": "{:+.1%}",
    "wet days": "{:+.1%}",
    "negative": "{:.0f}",
}


def scores(product: xr.DataArray, truth: xr.DataArray) -> dict[str, float]:
    """By the names of `SCORES`; the MAE is that of the mean, others are those of members."""
    several = "realization" in product.dims
    members = product.astype("f8")
    members = members if several else members.expand_dims("realization")
    found = {
        "MAE of mean": xd.metrics.mae(members.mean("realization"), truth, DIMS),
        "CRPS": xd.metrics.crps(members, truth, DIMS),
        "RALSD": xd.metrics.ralsd(members, truth, PLANE),
        "MAX4": xd.metrics.pooled_crps(members, truth, BLOCK, DIMS, plane=PLANE, pool="max"),
    }
    if several:
        found["spread / skill"] = xd.metrics.spread_skill(members, truth, DIMS)
        found["of 4 x 4 sums"] = xd.metrics.spread_skill(*in_blocks(members, truth), DIMS)
        found["of 5-day sums"] = xd.metrics.spread_skill(*in_spells(members, truth), DIMS)
    # of all members together, as of the truth: the quantile of the distribution
    high, base = members.quantile(0.99), truth.quantile(0.99)
    if truth.name != "pr":
        found["P99"] = high - base
    else:
        found["P99, relative"] = high / base - 1
        wet = xd.metrics.wet_frequency(members, WET, DIMS).mean()  # over members
        found["wet days"] = wet / xd.metrics.wet_frequency(truth, WET, DIMS) - 1
        found["negative"] = (members < 0).sum()
    return {name: float(value) for name, value in found.items()}


def in_blocks(*fields: xr.DataArray) -> list[xr.DataArray]:
    """Sums over blocks of cells, without the last rows and columns that fill none.

    Blocks begin inside LR cells, because the constraint fixes the sums over whole LR cells.
    """
    inside = [one.isel(rlat=slice(1, None), rlon=slice(1, None)) for one in fields]
    return [one.coarsen(rlat=BLOCK, rlon=BLOCK, boundary="trim").sum() for one in inside]


def in_spells(*fields: xr.DataArray) -> list[xr.DataArray]:
    """Sums over spells of consecutive days within a winter."""
    day = fields[0]["time"].to_numpy().astype("M8[D]").astype(int)
    winter = np.cumsum(np.diff(day, prepend=day[0]) != 1)  # the first day begins one, too
    found = []
    for one in fields:
        parts = [one.isel(time=winter == w) for w in np.unique(winter)]
        whole = [part for part in parts if part.sizes["time"] >= SPELL]
        sums = [part.coarsen(time=SPELL, boundary="trim").sum() for part in whole]
        found.append(xr.concat(sums, "time"))
    return found


def table(products: dict[str, xr.Dataset], truth: xr.Dataset, costs: dict[str, str]) -> str:
    """Markdown, a row for each variable and product."""
    lines = [
        f"| | | {' | '.join(SCORES)} | seconds (of processors) |",
        f"|---{'|---' * (len(SCORES) + 2)}|",
    ]
    for variable in (name for name in LOSS if name in truth):
        for name, product in products.items():
            found = scores(product[variable], truth[variable])
            cells = [form.format(found[n]) if n in found else "" for n, form in SCORES.items()]
            cells.append(costs.get(name, ""))
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
    parser.add_argument(
        "--runs",
        nargs="+",
        default=["one answer", "distributions", "latent noise", "flow matching"],
    )
    parser.add_argument("--figure", type=pathlib.Path, metavar="FOLDER")
    given = parser.parse_args()

    past, test, static = experiment(given.data)
    left_out = [name for name in LOSS if name not in given.variables]
    past, test = past.drop_vars(left_out), test.drop_vars(left_out)
    fitted = {name: LOSS[name] for name in given.variables}
    lr = test.downscale.coarsen(2)
    products = {"bilinear": lr.downscale.interpolate(test, method="bilinear")}
    options = {**OPTIONS, "epochs": given.epochs}
    costs = {}
    runs: dict[str, dict[str, object]] = {
        "one answer": {"loss": "mae"},
        "distributions": {"loss": fitted},
        "latent noise": {"loss": "crps"},
        "flow matching": {"training": xd.FlowMatching()},
    }
    for name in given.runs:
        members = None if name == "one answer" else MEMBERS
        begin = time.perf_counter(), time.process_time()
        model = past.downscale.fit(
            scale=2,
            static=static,
            seed=given.seed,
            verbose=False,
            validation=VALIDATION,
            **options,
            **runs[name],
        )
        wall, own = time.perf_counter() - begin[0], time.process_time() - begin[1]
        costs[name] = f"{wall:.0f} ({own:.0f})"
        products[name] = product = lr.downscale.predict(model, realizations=members)
    print(table(products, test, costs))
    if given.figure is not None:
        draw(product, lr, test, given.figure)


if __name__ == "__main__":
    main()
