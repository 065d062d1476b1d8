"""Losses beside each other, for amounts and for other quantities, as a Markdown table.

    python benchmarks/losses.py ../shared/data --seeds 2

From it the loss "auto" was chosen. Nothing of the test data of the other benchmarks is seen: Java
(real pairs) learns from months 1-100 and is scored on months 101-140; CORDEX Iberia leaves out the
three winters before the test winters, MRMS its validation tiles, ERA5 UK 72 of its training steps.
Options are the defaults but for the epochs. A bias is relative to the mean of the truth, or in the
unit of the variable for temperature.
"""

import argparse
import pathlib
import time
from collections.abc import Callable

import cordex_iberia
import era5_uk
import java_mos
import mrms_crps
import xarray as xr

import xr_dl4ds  # noqa: F401  registers .downscale

RUNS: dict[str, dict[str, object]] = {
    "mae": {"loss": "mae"},
    "mse": {"loss": "mse"},
    "mae_mse": {"loss": "mae_mse"},
    "bernoulli_gamma_nll": {"loss": "bernoulli_gamma_nll"},
    "mae, sqrt": {"loss": "mae", "scaling": {"pr": "sqrt"}},
    "mse, sqrt": {"loss": "mse", "scaling": {"pr": "sqrt"}},
    "mae, log1p": {"loss": "mae", "scaling": {"pr": "log1p"}},
}
#: Those for quantities that may be negative.
SIGNED = ("mae", "mse", "mae_mse")

#: A call that trains with options, and returns prediction and truth.
Case = Callable[..., tuple[xr.DataArray, xr.DataArray]]


def java(folder: pathlib.Path, **options: object) -> tuple[xr.DataArray, xr.DataArray]:
    """Months 101-140, from real pairs."""
    lr, hr = java_mos.experiment(folder)
    past, held = slice(0, 100), slice(100, java_mos.TRAINING)
    model = lr.isel(time=past).downscale.fit(hr.isel(time=past), epochs=4, **options)
    return model.predict(lr.isel(time=held)).pr, hr.pr.isel(time=held)


def cordex(folder: pathlib.Path, name: str, **options: object) -> tuple[xr.DataArray, xr.DataArray]:
    """Three winters of one variable."""
    past, _, static = cordex_iberia.experiment(folder)
    held = cordex_iberia.in_last_winters(past)
    mapping = [n for n in past.data_vars if past[n].ndim == 0]
    early, late = past[[name, *mapping]].isel(time=~held), past[[name, *mapping]].isel(time=held)
    model = early.downscale.fit(scale=2, static=static, epochs=6, **options)
    return model.predict(late.downscale.coarsen(2))[name], late[name]


def mrms(folder: pathlib.Path, **options: object) -> tuple[xr.DataArray, xr.DataArray]:
    """Radar rain of other tiles."""
    train, held, _ = mrms_crps.experiment(folder)
    model = train.downscale.fit(scale=mrms_crps.SCALE, n_filters=16, epochs=8, **options)
    name = model.state.features.targets[0]
    return model.predict(held.downscale.coarsen(mrms_crps.SCALE))[name], held[name]


def era5(folder: pathlib.Path, **options: object) -> tuple[xr.DataArray, xr.DataArray]:
    """Steps 528-599, of the training steps."""
    past, _, static = era5_uk.experiment(folder)
    early, late = past.isel(time=slice(0, 528)), past.isel(time=slice(528, 600))
    model = early.downscale.fit(scale=4, static=static, epochs=10, **options)
    name = model.state.features.targets[0]
    return model.predict(late.downscale.coarsen(4))[name], late[name]


CASES: dict[str, Case] = {
    "Java pr": java,
    "CORDEX pr": lambda folder, **options: cordex(folder, "pr", **options),
    "MRMS pr": mrms,
    "CORDEX tas": lambda folder, **options: cordex(folder, "tas", **options),
    "ERA5 t2m": era5,
}


def row(case: str, loss: str, folder: pathlib.Path, seed: int) -> str:
    """A line of the table."""
    begin = time.perf_counter()
    product, truth = CASES[case](folder, **RUNS[loss], seed=seed, verbose=False)
    seconds = time.perf_counter() - begin
    error = product - truth
    rmse, mae, bias = (
        float(v) for v in ((error**2).mean() ** 0.5, abs(error).mean(), error.mean())
    )
    said = f"{bias / float(truth.mean()):+.1%}" if case.endswith("pr") else f"{bias:+.3f}"
    return f"| {case} | {loss} | {seed} | {rmse:.4g} | {mae:.4g} | {said} | {seconds:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--losses", nargs="*", default=list(RUNS))
    given = parser.parse_args()
    print("| data | loss | seed | RMSE | MAE | bias | seconds |\n|---|---|---|---|---|---|---|")
    for case in given.cases:
        for loss in given.losses:
            if case.endswith("pr") or loss in SIGNED:
                for seed in range(given.seeds):
                    print(row(case, loss, given.data, seed), flush=True)


if __name__ == "__main__":
    main()
