"""CORDEX ML-Bench: train on a domain's files, and write predictions as its submissions are.

    python examples/cordex_ml_bench.py FOLDER --domain ALPS --experiment ESD_pseudo-reality

FOLDER holds the files of the benchmark (https://github.com/WCRP-CORDEX/ml-benchmark): predictors of
16 x 16 cells at about 2 degrees, daily `pr` and `tasmax` on 128 x 128 cells at about 10 km. Each
test gets one file for each variable, in a folder of its name, with the dates of the test and the
cells of the target. On two cores an epoch over 20 years takes minutes; --every 10 trains on each
tenth day.
"""

import argparse
import pathlib
from collections.abc import Iterator

import numpy as np
import xarray as xr

import xr_dl4ds  # noqa: F401  registers .downscale

EXPERIMENTS = ("ESD_pseudo-reality", "Emulator_hist_future")
#: Attributes of a target that its prediction takes over.
KEPT = ("units", "standard_name", "long_name", "cell_methods", "grid_mapping")


def domain_folder(folder: pathlib.Path, domain: str) -> pathlib.Path:
    """Return the folder of a domain, as it is downloaded or one level deeper."""
    deeper = folder / domain / f"{domain}_domain"
    found = deeper if deeper.is_dir() else folder / domain
    if not (found / "train").is_dir():
        raise FileNotFoundError(
            f"Expected the domain {domain!r} in {folder}, got no {found}/train."
        )
    return found


def opened(path: pathlib.Path) -> xr.Dataset:
    """Return the fields of a file, lazily, without the bounds of its days."""
    ds = xr.open_dataset(path, engine="netcdf4", chunks={"time": 365})
    return ds.drop_vars(["time_bnds", "time_bounds"], errors="ignore")


def training_files(
    root: pathlib.Path, experiment: str
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Return predictors, targets and static fields of an experiment."""
    folder = root / "train" / experiment
    predictors = [p for p in sorted((folder / "predictors").glob("*.nc")) if p.name != "static.nc"]
    targets = sorted((folder / "target").glob("pr_tasmax_*.nc"))
    if len(predictors) != 1 or len(targets) != 1:
        raise FileNotFoundError(
            f"Expected one file of predictors and one of targets in {folder}, got"
            f" {[p.name for p in predictors]} and {[p.name for p in targets]}."
        )
    return opened(predictors[0]), opened(targets[0]), opened(folder / "predictors" / "static.nc")


def tests(root: pathlib.Path) -> Iterator[tuple[pathlib.PurePath, xr.Dataset]]:
    """Yield the place of each test below `test`, without ".nc", and its predictors."""
    for path in sorted((root / "test").glob("*/predictors/*/*.nc")):
        if path.name != "static.nc":
            period, _, kind, _ = path.relative_to(root / "test").parts
            yield pathlib.PurePath(period, kind, path.stem), opened(path)


def submission(sr: xr.DataArray, like: xr.DataArray, given: xr.Dataset) -> xr.Dataset:
    """Lay a prediction out as the target is: its cells, and the dates of the test.

    Parameters
    ----------
    sr : xarray.DataArray
        Prediction ``([realization,] time, y, x)`` of one variable.
    like : xarray.DataArray
        The target in training ``(time, y, x)``, whose cells and attributes it takes.
    given : xarray.Dataset
        The predictors of the test, whose dates it takes.
    """
    if not sr.indexes["time"].equals(given.indexes["time"]):
        raise ValueError(f"Expected the dates of the test, got {sr.time[0].item()} and others.")
    y, x = (d for d in like.dims if d != "time")
    for dim in (y, x):
        np.testing.assert_allclose(sr[dim], like[dim], rtol=1e-5)  # neither turned nor transposed
    members = ["realization"] if "realization" in sr.dims else []
    out = sr.transpose("time", y, x, *members).astype("f4")
    out = out.rename({"realization": "member"} if members else {})
    cells = {n: c for n, c in like.coords.items() if "time" not in c.dims}
    out = out.reset_coords(drop=True).assign_coords(cells)
    out.attrs = {k: v for k, v in like.attrs.items() if k in KEPT}
    return out.to_dataset(name=like.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--domain", choices=("NZ", "SA", "ALPS"), default="ALPS")
    parser.add_argument("--experiment", choices=EXPERIMENTS, default=EXPERIMENTS[0])
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("submission"))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--every", type=int, default=1, help="train on each n-th day")
    parser.add_argument("--members", type=int, help="members of an ensemble (default: none)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()

    root = domain_folder(given.folder, given.domain)
    lr, hr, static = training_files(root, given.experiment)
    days = slice(None, None, given.every)
    loss = {} if given.members is None else {"loss": "crps"}
    model = lr.isel(time=days).downscale.fit(
        hr.isel(time=days), static=static, epochs=given.epochs, seed=given.seed, **loss
    )
    model.save(given.output / "model")
    print(model)
    for place, predictors in tests(root):
        sr = predictors.downscale.predict(model, realizations=given.members)
        for name in hr.data_vars:
            if name in sr:
                path = given.output / place.parent / f"{name}_{place.name}.nc"
                path.parent.mkdir(parents=True, exist_ok=True)
                submission(sr[name], hr[name], predictors).to_netcdf(path, engine="netcdf4")
                print(path)


if __name__ == "__main__":
    main()
