"""Java: monthly precipitation of CHIRPS (0.05 degrees) from IMERG (0.1 degrees), a true MOS pair.

    python benchmarks/java_mos.py ../shared/data

Months 1-140 of the common period to train, the others held out. CHIRPS ends at the coast. What
CHIRPS has in each calendar month, on average over the training months, is a predictor.
"""

import argparse
import pathlib

import numpy as np
import xarray as xr

import xr_dl4ds  # noqa: F401  registers .downscale

TRAINING = 140

#: Chosen on the last 20 training months, not on the held-out ones.
OPTIONS = {
    "n_filters": 8,
    "n_blocks": 3,
    "localized": True,
    "dropout": "spatial",
    "time_features": ["day_of_year"],
    "loss": "mse",
    "epochs": 40,
    "batch_size": 4,
    "learning_rate": (2e-3, 2e-4),
    "lr_decay_after": 30,
    "validation": 20 / TRAINING,
}


def experiment(folder: pathlib.Path) -> tuple[xr.Dataset, xr.Dataset]:
    """LR and HR fields at the common times."""
    lr, hr = (
        xr.open_dataset(folder / name, engine="netcdf4")[["pr"]].load()
        for name in ("java_imerg_lr.nc", "java_chirps_hr.nc")
    )
    common = np.intersect1d(lr.time, hr.time)
    return lr.sel(time=common), hr.sel(time=common)


def climatology(hr: xr.Dataset, times: xr.DataArray) -> xr.DataArray:
    """The mean of each calendar month of `hr`, at the times asked for."""
    months = hr.pr.groupby("time.month").mean()
    at_times = months.sel(month=times.dt.month).drop_vars("month").transpose("time", ...)
    return at_times.rename("pr_climatology").assign_attrs(units=hr.pr.attrs["units"])


def rmse(product: xr.DataArray, truth: xr.DataArray) -> float:
    """Over valid cells, mm/month."""
    return float(((product - truth) ** 2).mean() ** 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()

    lr, hr = experiment(given.data)
    past, held = slice(0, TRAINING), slice(TRAINING, None)
    truth = hr.pr.isel(time=held)
    normal = climatology(hr.isel(time=past), hr.time)
    base = lr.isel(time=held).downscale.interpolate(hr, method="bilinear").pr
    reference = rmse(base, truth)
    print("| | RMSE / mm month-1 | below bilinear | seconds |\n|---|---|---|---|")
    print(f"| bilinear IMERG | {reference:.1f} | | |")
    for seed in range(given.seeds):
        model = lr.isel(time=past).downscale.fit(
            hr.isel(time=past), predictors=normal, seed=seed, verbose=False, **OPTIONS
        )
        sr = lr.isel(time=held).downscale.predict(model, predictors=normal).pr
        assert bool((sr.isnull().all("time") == hr.pr.isel(time=past).isnull().all("time")).all())
        found, seconds = rmse(sr, truth), float(model.history.seconds.sum())
        skill = 1 - found / reference
        print(f"| xr_dl4ds, seed {seed} | {found:.1f} | {skill:.1%} | {seconds:.0f} |")


if __name__ == "__main__":
    main()
