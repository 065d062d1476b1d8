"""Reanalysis to observations, and then to a climate model, on synthetic data, beside a ridge.

    python benchmarks/synthetic_gcm.py --seeds 3 --epochs 10
    python benchmarks/synthetic_gcm.py --winters 8 --epochs 3 --context 0 --first-world 5

Four fifths of the winters of `xr_dl4ds.tutorial.synthetic_gcm` to train, the last fifth to test.
The ridge regression takes all LR values of all variables; its penalty is chosen on the last
training winters. Errors are given for the domain and for its western, middle and eastern third.
Changes are those of the land, from the climate model as it is and with its mean biases removed, as
in examples/climate_model.py.
"""

import argparse
import pathlib
import sys

import numpy as np
import xarray as xr

import xr_dl4ds as xd

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "examples"))
from climate_model import adjusted, change

NAMES = {"tas": "K", "pr": "mm/day"}


def ridge(lr: xr.Dataset, hr: xr.DataArray, training: int) -> np.ndarray:
    """Return predictions of the test steps, by the dual form of a ridge regression."""
    steps, kept = lr.sizes["time"], training * 4 // 5
    x = np.concatenate([v.to_numpy().reshape(steps, -1) for v in lr.values()], axis=1).astype("f8")
    x = (x - x[:training].mean(axis=0)) / x[:training].std(axis=0)
    y = hr.to_numpy().reshape(steps, -1)
    land = np.isfinite(y[0])
    y, mean, product = y[:, land], y[:training, land].mean(axis=0), x @ x.T

    def weights(n: int, penalty: float) -> np.ndarray:
        return np.linalg.solve(product[:n, :n] + penalty * np.eye(n), y[:n] - mean)

    def error(penalty: float) -> float:
        guess = product[kept:training, :kept] @ weights(kept, penalty) + mean
        return float(((guess - y[kept:training]) ** 2).mean())

    best = weights(training, min((1e0, 1e1, 1e2, 1e3, 1e4, 1e5), key=error))
    out = np.full((steps - training, land.size), np.nan)
    out[:, land] = product[training:, :training] @ best + mean
    return out.reshape(-1, *hr.shape[1:])


def by_thirds(product: np.ndarray, truth: np.ndarray) -> str:
    """Return the RMSE of the domain, and of its thirds from west to east."""
    squares = (product - truth) ** 2
    parts = [squares, *np.array_split(squares, 3, axis=2)]
    return " | ".join(f"{np.nanmean(part) ** 0.5:.3f}" for part in parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--winters", type=int, default=20)
    parser.add_argument("--first-world", type=int, default=0)
    parser.add_argument("--context", type=int, help="LR cells around the domain (default: auto)")
    given = parser.parse_args()

    print("| world | | RMSE | west | middle | east |\n|---|---|---|---|---|---|")
    training = given.winters * 4 // 5 * 90
    past, held = slice(0, training), slice(training, None)
    options = {} if given.context is None else {"context": given.context}
    for seed in range(given.first_world, given.first_world + given.seeds):
        world = xd.tutorial.synthetic_gcm(seed=seed, winters=given.winters)
        lr, hr = world.reanalysis, world.observations
        model = lr.isel(time=past).downscale.fit(
            hr.isel(time=past), epochs=given.epochs, seed=seed, verbose=False, **options
        )
        seconds = float(model.history.seconds.sum())
        sr = model.predict(lr.isel(time=held))
        guess = model.predict(lr.isel(time=held), first_guess_only=True)
        for name, units in NAMES.items():
            truth = hr[name].isel(time=held).to_numpy()
            products = {
                "ridge": ridge(lr, hr[name], training),
                "first guess": guess[name].to_numpy(),
                f"xr_dl4ds, {seconds:.0f} s": sr[name].to_numpy(),
            }
            for label, product in products.items():
                scores = by_thirds(product, truth)
                print(f"| {seed} | {name} / {units}, {label} | {scores} |", flush=True)
        both = {"as it is": (world.history, world.scenario)}
        both["adjusted"] = tuple(
            adjusted(one, world.history, lr) for one in (world.history, world.scenario)
        )
        for label, (past_lr, later_lr) in both.items():
            then, later = model.predict(past_lr), model.predict(later_lr)
            for name, units in NAMES.items():
                true = change(world.truth_scenario, world.truth_history, name)
                land = np.isfinite(world.truth_history[name].isel(time=0))
                found = change(later.where(land), then.where(land), name)
                print(
                    f"world {seed}, climate model {label}: {name} changes by {found:.2f} {units}"
                    f" (truth {true:.2f}, climate model {change(later_lr, past_lr, name):.2f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
