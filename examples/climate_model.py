"""From reanalysis to climate model: train on a reanalysis, downscale history and scenario.

    python examples/climate_model.py --winters 20 --epochs 15

The data are synthetic (`xr_dl4ds.tutorial.synthetic_gcm`), so that the truth of the future is known
too. With data of your own, `reanalysis` and `observations` are two datasets of one period, and
`history` and `scenario` are the same variables of a climate model, on its own grid and calendar.
"""

import argparse

import numpy as np
import xarray as xr

import xr_dl4ds as xd


def adjusted(model: xr.Dataset, history: xr.Dataset, reanalysis: xr.Dataset) -> xr.Dataset:
    """Remove the mean bias of each variable, cell by cell; of amounts by a ratio.

    This is the simplest adjustment. The package xsdba has quantile mapping and others, which go
    here: they compare `history` with the reanalysis on the cells of one of them.
    """
    wanted = reanalysis.downscale.interpolate(history, method="bilinear").mean("time")
    had = history.mean("time")
    out = {}
    for name in model.data_vars:
        ratio = name in ("pr", "hus850")
        by_ratio, by_shift = wanted[name] / had[name], wanted[name] - had[name]
        out[name] = model[name] * by_ratio if ratio else model[name] + by_shift
        out[name].attrs = model[name].attrs
    return xr.Dataset(out, attrs=model.attrs).astype("f4").transpose("time", ...)


def change(future: xr.Dataset, past: xr.Dataset, name: str) -> float:
    """Return the mean change of a variable over the domain and the period."""
    return float(future[name].mean() - past[name].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--winters", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    world = xd.tutorial.synthetic_gcm(seed=given.seed, winters=given.winters)
    steps = world.reanalysis.sizes["time"]
    past, held = slice(0, int(0.8 * steps)), slice(int(0.8 * steps), None)
    lr, hr = world.reanalysis, world.observations

    model = lr.isel(time=past).downscale.fit(
        hr.isel(time=past), epochs=given.epochs, seed=given.seed, verbose=False
    )
    print(model)

    # as good as it gets: the held-out winters of the reanalysis
    sr = lr.isel(time=held).downscale.predict(model)
    guess = lr.isel(time=held).downscale.predict(model, first_guess_only=True)
    truth = hr.isel(time=held)
    for name in ("tas", "pr"):
        errors = [float(((one[name] - truth[name]) ** 2).mean() ** 0.5) for one in (guess, sr)]
        print(f"{name}: RMSE of the first guess {errors[0]:.3f}, of the prediction {errors[1]:.3f}")

    # the climate model: the log warns where it leaves the range of the training
    history = adjusted(world.history, world.history, lr)
    scenario = adjusted(world.scenario, world.history, lr)
    then, later = (one.downscale.predict(model) for one in (history, scenario))
    land = np.isfinite(world.truth_history.tas.isel(time=0))
    for name in ("tas", "pr"):
        there = world.scenario[name].mean() - world.history[name].mean()
        true = change(world.truth_scenario, world.truth_history, name)
        print(
            f"{name}: change of the climate model {float(there):.2f}, downscaled"
            f" {change(later.where(land), then.where(land), name):.2f}, of the truth {true:.2f}"
        )


if __name__ == "__main__":
    main()
