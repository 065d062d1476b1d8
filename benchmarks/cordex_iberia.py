"""CORDEX Iberia: daily temperature and precipitation from one model, scale 2, rotated pole.

    python benchmarks/cordex_iberia.py ../shared/data

Winters (December to February) 1982-2002; the last three are held out. Beside the errors: the share
of wet days (>= 1 mm), whose bias is what interpolation does worst.
"""

import argparse
import pathlib

import numpy as np
import xarray as xr

import xr_dl4ds  # noqa: F401  registers .downscale

WET = 1.0  # mm in a day, the threshold of the ETCCDI indices
HELD_OUT = 3

#: Chosen on the last tenth of the training days, not on the held-out winters.
OPTIONS = {"epochs": 60, "learning_rate": (1e-3, 1e-4), "lr_decay_after": 40}


def experiment(folder: pathlib.Path) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Training winters, held-out winters, static fields."""
    ds = xr.open_dataset(folder / "cordex_iberia_hist.nc", engine="netcdf4").load()
    held = in_last_winters(ds)
    mapping = [n for n in ds.data_vars if ds[n].ndim == 0]
    hr = ds[["tas", "pr", *mapping]]
    return hr.isel(time=~held), hr.isel(time=held), ds[["orog", "land_fraction", *mapping]]


def in_last_winters(ds: xr.Dataset) -> xr.DataArray:
    """True for the days of the last winters, which are held out."""
    winter = ds.time.dt.year + (ds.time.dt.month == 12)
    return winter.isin(np.unique(winter)[-HELD_OUT:])


def wet_days(pr: xr.DataArray) -> float:
    """Share of wet days over all cells."""
    return float((pr >= WET).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=OPTIONS["epochs"])
    given = parser.parse_args()

    past, test, static = experiment(given.data)
    lr = test.downscale.coarsen(2)
    products = {"bilinear": lr.downscale.interpolate(test, method="bilinear")}
    for seed in range(given.seeds):
        model = past.downscale.fit(
            scale=2, static=static, seed=seed, verbose=False, **{**OPTIONS, "epochs": given.epochs}
        )
        seconds = float(model.history.seconds.sum())
        products[f"xr_dl4ds, seed {seed} ({seconds:.0f} s)"] = lr.downscale.predict(model)
    print("| | tas RMSE / degC | tas MAE / degC | pr MAE / mm day-1 | pr RMSE | wet days |")
    print("|---|---|---|---|---|---|")
    print(f"| truth | | | | | {wet_days(test.pr):.3f} |")
    for name, product in products.items():
        error = product[["tas", "pr"]] - test[["tas", "pr"]]
        mae, rmse = abs(error).mean(), (error**2).mean() ** 0.5
        print(
            f"| {name} | {float(rmse.tas):.3f} | {float(mae.tas):.3f} | {float(mae.pr):.3f}"
            f" | {float(rmse.pr):.3f} | {wet_days(product.pr):.3f} |"
        )


if __name__ == "__main__":
    main()
