"""ERA5 UK 2 m temperature at scale 4: scores of networks beside interpolation, as a Markdown table.

    python benchmarks/era5_uk.py ../shared/data --epochs 30 --seeds 3 --backbones convnet resnet
    python benchmarks/era5_uk.py ../shared/data --epochs 10 --seeds 3 --matrix
    python benchmarks/era5_uk.py ../shared/data --best --seeds 3

Rows 0-31, columns 0-47; steps 0-599 to train, 600-671 to validate, 672-743 to test. Seconds are
those of the epochs, RMSE is the median over seeds in kelvin, with the range.
"""

import argparse
import itertools
import pathlib

import numpy as np
import xarray as xr

import xr_dl4ds as xd
from xr_dl4ds.config import BACKBONES, UPSAMPLINGS
from xr_dl4ds.config.choices import SPATIAL_ONLY

INNER = {"latitude": slice(0, 32), "longitude": slice(0, 48)}


#: The best that was found within a minute of training on two cores, chosen on validation steps.
BEST = {"localized": True, "learning_rate": (2e-3, 2e-4), "lr_decay_after": 30, "epochs": 40}
WINDOW = 4


def experiment(folder: pathlib.Path) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    """Training and validation steps, test steps, static fields."""
    hr = xr.open_dataset(folder / "era5_uk_t2m_hourly.nc", engine="netcdf4").isel(INNER).load()
    static = xr.open_dataset(folder / "uk_static_025.nc", engine="netcdf4")
    names = ["orog", "land_fraction"]
    return hr.isel(time=slice(0, 672)), hr.isel(time=slice(672, None)), static[names].isel(INNER)


def run(data: tuple, *, use_static: bool, **options: object) -> tuple[float, float, xd.Downscaler]:
    """RMSE in kelvin, seconds of training, and the model of one run."""
    past, test, static = data
    model = past.downscale.fit(
        scale=4,
        static=static if use_static else None,
        validation=72 / 672,
        verbose=False,
        **options,
    )
    scores = test.downscale.coarsen(4).downscale.predict(model).downscale.evaluate(test)
    return float(scores.rmse[0]), float(model.history.seconds.sum()), model


def row(name: str, results: list[tuple[float, float, xd.Downscaler]]) -> str:
    """A line of the table."""
    rmse, seconds = np.array([r[:2] for r in results]).T
    spread = f" ({rmse.min():.3f}-{rmse.max():.3f})" if len(results) > 1 else ""
    size = results[0][2].network.count_params()
    return f"| {name} | {np.median(rmse):.3f}{spread} | {size:,} | {np.median(seconds):.0f} |"


def cells(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Pairs of backbone and upsampling that go together."""
    backbones, upsamplings = options.backbones, options.upsamplings
    if options.matrix:
        backbones, upsamplings = BACKBONES, UPSAMPLINGS
    return [
        (backbone, upsampling)
        for backbone, upsampling in itertools.product(backbones, upsamplings)
        if (backbone != "unet" or upsampling == "interpolation")
        and not (options.windows and backbone in SPATIAL_ONLY)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--backbones", nargs="*", default=["resnet"], help=" ".join(BACKBONES))
    parser.add_argument(
        "--upsamplings", nargs="*", default=["subpixel"], help=" ".join(UPSAMPLINGS)
    )
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--without-static", action="store_true", help="a line without them, too")
    parser.add_argument("--matrix", action="store_true", help="every backbone and upsampling")
    parser.add_argument("--windows", action="store_true", help="spatio-temporal samples")
    parser.add_argument("--best", action="store_true", help="the best within a minute")
    options = parser.parse_args()

    data = experiment(options.data)
    test = data[1]
    print("| | RMSE / K | parameters | seconds |\n|---|---|---|---|")
    for method in ("bilinear", "bicubic"):
        base = test.downscale.coarsen(4).downscale.interpolate(test, method=method)
        print(f"| {method} | {float(((base - test).t2m ** 2).mean() ** 0.5):.3f} | | |")
    if options.best:
        results = [run(data, use_static=True, seed=seed, **BEST) for seed in range(options.seeds)]
        print(row("resnet, subpixel, localized, two learning rates", results))
        return
    for backbone, upsampling in cells(options):
        for use_static in (True, False)[: 1 + options.without_static]:
            given = {"backbone": backbone, "upsampling": upsampling, "epochs": options.epochs}
            if options.windows:
                given["time_window"] = WINDOW
            results = [
                run(data, use_static=use_static, seed=seed, **given)
                for seed in range(options.seeds)
            ]
            kind = "" if use_static else ", without static fields"
            print(row(f"{backbone}, {upsampling}{kind}", results), flush=True)


if __name__ == "__main__":
    main()
