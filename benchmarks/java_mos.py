"""Java: monthly precipitation of CHIRPS (0.05 degrees) from IMERG (0.1 degrees), a true MOS pair.

    python benchmarks/java_mos.py ../shared/data

Months 1-140 of the common period to train, the others held out; all options are the defaults but
for the epochs. CHIRPS ends at the coast. The bias map adds the mean error of the bilinear field in
each cell and calendar month of training.
"""

import argparse
import pathlib

import numpy as np
import xarray as xr

import xr_dl4ds  # noqa: F401  registers .downscale

TRAINING = 140


def experiment(folder: pathlib.Path) -> tuple[xr.Dataset, xr.Dataset]:
    """LR and HR fields at the common times."""
    lr, hr = (
        xr.open_dataset(folder / name, engine="netcdf4")[["pr"]].load()
        for name in ("java_imerg_lr.nc", "java_chirps_hr.nc")
    )
    common = np.intersect1d(lr.time, hr.time)
    return lr.sel(time=common), hr.sel(time=common)


def by_month(data: xr.DataArray, times: xr.DataArray) -> xr.DataArray:
    """The mean of each calendar month, at the times asked for."""
    months = data.groupby("time.month").mean()
    return months.sel(month=times.dt.month).drop_vars("month").transpose("time", ...)


def rmse(product: xr.DataArray, truth: xr.DataArray) -> float:
    """Over valid cells, mm/month."""
    return float(((product - truth) ** 2).mean() ** 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args()

    lr, hr = experiment(given.data)
    past, held = slice(0, TRAINING), slice(TRAINING, None)
    truth = hr.pr.isel(time=held)
    bilinear = lr.downscale.interpolate(hr, method="bilinear").pr
    base = bilinear.isel(time=held)
    error = (hr.pr - bilinear).isel(time=past)
    normal = by_month(hr.pr.isel(time=past), truth.time)
    print("| | RMSE / mm month-1 | by season, from DJF | bias | seconds |\n|---|---|---|---|---|")
    report("bilinear IMERG", base, truth)
    report("climatology of CHIRPS", normal, truth)
    report("bias map by month", base + by_month(error, truth.time), truth)
    for seed in range(given.seeds):
        model = lr.isel(time=past).downscale.fit(
            hr.isel(time=past), seed=seed, epochs=given.epochs, verbose=False
        )
        seconds = f"{float(model.history.seconds.sum()):.0f}"
        low = lr.isel(time=held)
        report(f"first guess, seed {seed}", model.predict(low, first_guess_only=True).pr, truth)
        report(f"xr_dl4ds, seed {seed}", model.predict(low).pr, truth, seconds)


def report(name: str, product: xr.DataArray, truth: xr.DataArray, seconds: str = "") -> None:
    """Print a row: errors of all months and of each season, and the bias."""
    seasons = [truth.time.dt.season == one for one in ("DJF", "MAM", "JJA", "SON")]
    each = [f"{rmse(product.isel(time=s.data), truth.isel(time=s.data)):.1f}" for s in seasons]
    bias = float((product - truth).mean() / truth.mean())
    print(f"| {name} | {rmse(product, truth):.1f} | {', '.join(each)} | {bias:+.1%} | {seconds} |")


if __name__ == "__main__":
    main()
