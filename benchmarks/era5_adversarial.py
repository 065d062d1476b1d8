"""ERA5 UK 2 m temperature at scale 4: supervised beside adversarial training, as a Markdown table.

    python benchmarks/era5_adversarial.py ../shared/data --figure docs/figures

The experiment of `era5_uk.py`, with its static fields. RMSE and CRPS in kelvin, RALSD (distance of
power spectra) in decibel, of the one answer and of members by themselves; the spread-skill ratio of
20 members. With `--figure` the spectra and one step of the test are drawn.
"""

import argparse
import pathlib
import sys

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
    "supervised, crps": {"epochs": 40, "loss": "crps"},
    "adversarial": {"training": xd.Adversarial(epochs=40)},
    "adversarial, mae": {"training": xd.Adversarial(epochs=60, pixel_loss="mae")},
    "adversarial, mae, weight 10": {
        "training": xd.Adversarial(epochs=60, pixel_loss="mae", pixel_weight=10)
    },
    "adversarial after supervised": {
        "start": "supervised, mae",
        "training": xd.Adversarial(epochs=20),
    },
}


def rmse(product: xr.Dataset, truth: xr.Dataset) -> float:
    """Over all cells, steps and members."""
    return float(((product.t2m - truth.t2m) ** 2).mean() ** 0.5)


def ralsd(product: xr.Dataset, truth: xr.Dataset) -> float:
    """Of the mean spectrum, over members too."""
    return float(xd.metrics.ralsd(product.t2m, truth.t2m, ("latitude", "longitude")))


def row(name: str, one: xr.Dataset, truth: xr.Dataset, members: xr.Dataset | None = None) -> str:
    """A line of the table."""
    cells = [f"{rmse(one, truth):.3f}", f"{ralsd(one, truth):.2f}"]
    if members is None:
        mae = float(abs(one.t2m - truth.t2m).mean())
        cells += ["", "", f"{mae:.3f}", ""]
    else:
        dims = ("time", "latitude", "longitude")
        pair = members.t2m, truth.t2m, dims
        cells += [f"{rmse(members, truth):.3f}", f"{ralsd(members, truth):.2f}"]
        cells += [f"{float(f(*pair)):.3f}" for f in (xd.metrics.crps, xd.metrics.spread_skill)]
    return f"| {name} | {' | '.join(cells)} |"


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
    print("| | RMSE | RALSD | RMSE, member | RALSD, member | CRPS | spread-skill |")
    print("|---|---|---|---|---|---|---|")
    products = {"bicubic": lr.downscale.interpolate(test, method="bicubic")}
    print(row("bicubic", products["bicubic"], test))
    models: dict[str, xd.Downscaler] = {}
    for name in options.runs:
        given = dict(RUNS[name])
        if "start" in given:
            given["start"] = models[given["start"]]
        models[name] = model = past.downscale.fit(
            scale=4,
            static=static,
            validation=72 / 672,
            seed=options.seed,
            verbose=False,
            **given,
        )
        one, members = lr.downscale.predict(model), None
        products[name] = one
        if "calibration" in model.provenance:
            products[name] = members = lr.downscale.predict(model, realizations=MEMBERS)
        title = f"{name} ({float(model.history.seconds.sum()):.0f} s)"
        print(row(title, one, test, members), flush=True)
    if options.figure:
        figures(products, test, lr, options.figure)


if __name__ == "__main__":
    main()
