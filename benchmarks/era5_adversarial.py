"""ERA5 UK 2 m temperature at scale 4: supervised beside adversarial training, as a Markdown table.

    python benchmarks/era5_adversarial.py ../shared/data --figure docs/figures

The experiment of `era5_uk.py`, with its static fields. RMSE, MAE, CRPS, the CRPS of maxima over
4 x 4 cells (MAX4) and the bias of the 99th percentile (P99) in kelvin, RALSD (distance of power
spectra) in decibel; RMSE and RALSD of the one answer and of members by themselves, the others of 20
members, or of the one answer. Seconds of training: wall clock and, in brackets, of the processors.
With `--figure` the spectra and one step of the test are drawn.
"""

import argparse
import pathlib
import sys
import time

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import xr_dl4ds as xd

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from era5_uk import experiment

MEMBERS = 20
#: What the figure of spectra shows beside bicubic interpolation.
LINES = ("supervised, mae", "supervised, crps", "adversarial")

#: What is trained, with as many epochs as it still gets better by on the validation steps.
RUNS = {
    "supervised, mae": {"epochs": 60},
    "supervised, crps": {"epochs": 40, "loss": "crps", "noise": "inside"},
    "adversarial": {"training": xd.Adversarial(epochs=40)},
    "adversarial, mae": {"training": xd.Adversarial(epochs=60, pixel_loss="mae")},
    "adversarial, mae, weight 10": {
        "training": xd.Adversarial(epochs=60, pixel_loss="mae", pixel_weight=10)
    },
    "adversarial after supervised": {
        "start": "supervised, mae",
        "training": xd.Adversarial(epochs=20),
    },
    "latent noise": {"loss": "crps"},
    "flow matching": {"training": xd.FlowMatching()},
    "flow matching after supervised": {
        "start": "supervised, mae",
        "training": xd.FlowMatching(),
    },
}


DIMS, PLANE = ("time", "latitude", "longitude"), ("latitude", "longitude")
#: The columns, and how their numbers are written.
COLUMNS = {
    "RMSE": "{:.3f}",
    "RALSD": "{:.2f}",
    "RMSE, member": "{:.3f}",
    "RALSD, member": "{:.2f}",
    "MAE of mean": "{:.3f}",
    "CRPS": "{:.3f}",
    "spread / skill": "{:.2f}",
    "MAX4": "{:.3f}",
    "P99": "{:+.2f}",
}


def rmse(product: xr.DataArray, truth: xr.DataArray) -> float:
    """Over all cells, steps and members."""
    return float(((product - truth) ** 2).mean() ** 0.5)


def row(
    name: str, one: xr.Dataset, truth: xr.Dataset, members: xr.Dataset | None = None, cost: str = ""
) -> str:
    """A line of the table."""
    single, true = one.t2m, truth.t2m
    drawn = single.expand_dims("realization") if members is None else members.t2m
    pair = drawn, true, DIMS
    found = {
        "RMSE": rmse(single, true),
        "RALSD": xd.metrics.ralsd(single, true, PLANE),
        "MAE of mean": xd.metrics.mae(drawn.mean("realization"), true, DIMS),
        "CRPS": xd.metrics.crps(*pair),
        "MAX4": xd.metrics.pooled_crps(drawn, true, 4, DIMS, plane=PLANE, pool="max"),
        "P99": drawn.quantile(0.99) - true.quantile(0.99),
    }
    if members is not None:
        found["RMSE, member"] = rmse(drawn, true)
        found["RALSD, member"] = xd.metrics.ralsd(drawn, true, PLANE)
        found["spread / skill"] = xd.metrics.spread_skill(*pair)
    cells = [form.format(float(found[n])) if n in found else "" for n, form in COLUMNS.items()]
    return f"| {name} | {' | '.join(cells)} | {cost} |"


def figures(products: dict, truth: xr.Dataset, lr: xr.Dataset, folder: pathlib.Path) -> None:
    """Spectra of all, and maps of one step."""
    shown = {name: product for name, product in products.items() if name in ("bicubic", *LINES)}
    spectra = xd.plotting.plot_spectra(shown, truth, scale=4)
    spectra.savefig(folder / "era5_spectra.png", dpi=90)
    worst = ((products["bicubic"] - truth).t2m ** 2).mean(("latitude", "longitude"))
    step = int(np.argmax(worst.to_numpy()))
    members = products["adversarial"].t2m
    panels = {
        "LR": lr.t2m,
        "supervised, mae": products["supervised, mae"].t2m,
        "truth": truth.t2m,
        "adversarial, a member": members.isel(realization=0),
        "another": members.isel(realization=1),
        "spread of 20": members.std("realization", ddof=1),
    }
    figure = Figure(figsize=(10.0, 5.0), layout="constrained")
    low, high = (float(f(truth.t2m.isel(time=step))) for f in (np.min, np.max))
    for axes, (name, field) in zip(figure.subplots(2, 3).flat, panels.items(), strict=True):
        limits = {"vmin": 0} if name.startswith("spread") else {"vmin": low, "vmax": high}
        field = field.isel(time=step).transpose("latitude", "longitude")
        image = axes.pcolormesh(field.longitude, field.latitude, field, **limits)
        axes.set(title=name, xticks=[], yticks=[])
        figure.colorbar(image, ax=axes, label="K", shrink=0.8)
    figure.savefig(folder / "era5_members.png", dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--runs", nargs="*", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=pathlib.Path, metavar="FOLDER")
    options = parser.parse_args()

    past, test, static = experiment(options.data)
    lr = test.downscale.coarsen(4)
    print(f"| | {' | '.join(COLUMNS)} | seconds (of processors) |")
    print(f"|---{'|---' * (len(COLUMNS) + 1)}|")
    products = {"bicubic": lr.downscale.interpolate(test, method="bicubic")}
    print(row("bicubic", products["bicubic"], test))
    models: dict[str, xd.Downscaler] = {}
    for name in options.runs:
        given = dict(RUNS[name])
        if "start" in given:
            given["start"] = models[given["start"]]
        begin = time.perf_counter(), time.process_time()
        models[name] = model = past.downscale.fit(
            scale=4,
            static=static,
            validation=72 / 672,
            seed=options.seed,
            verbose=False,
            **given,
        )
        wall, own = time.perf_counter() - begin[0], time.process_time() - begin[1]
        one, members = lr.downscale.predict(model), None
        products[name] = one
        if "calibration" in model.provenance:
            products[name] = members = lr.downscale.predict(model, realizations=MEMBERS)
        print(row(name, one, test, members, f"{wall:.0f} ({own:.0f})"), flush=True)
    if options.figure:
        figures(products, test, lr, options.figure)


if __name__ == "__main__":
    main()
