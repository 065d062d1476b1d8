"""The command line: ``xr-dl4ds demo``."""

from __future__ import annotations

import argparse
import logging
import os
import pathlib
import sys
import time
from collections.abc import Sequence

import xarray as xr

from xr_dl4ds import accessor as _accessor  # noqa: F401  registers .downscale
from xr_dl4ds import storage, tutorial
from xr_dl4ds.config import nearest
from xr_dl4ds.exceptions import TrainingError, VariableError
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.grid.fields import standardize
from xr_dl4ds.metrics import SCORES
from xr_dl4ds.provenance import version

#: Share of the last time steps that is held out for the test.
TEST = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0 when all went well, 1 for data or paths that do not do (the reason is on standard
        error), 2 for wrong arguments.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s"
    )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its start-up notes are not ours
    try:
        demo(options)
    except (ValueError, TypeError, OSError, ImportError, TrainingError) as error:
        sys.stderr.write(f"xr-dl4ds: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xr-dl4ds", description="Downscaling of gridded Earth data with deep learning."
    )
    parser.add_argument("--version", action="version", version=version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    about = "train on the first 90 % of the time steps, predict the rest, score and draw it"
    one = commands.add_parser(
        "demo",
        help=about.replace("%", "%%"),
        description=f"Perfect prognosis from HR fields alone: {about}. Without --data on a"
        " synthetic case, which needs no network.",
    )
    one.add_argument("--data", metavar="FILE", help="NetCDF file or Zarr store of HR fields")
    one.add_argument("--variable", metavar="NAME", help="which one (with --data)")
    one.add_argument(
        "--scale", type=int, default=4, help="HR cells along one edge of an LR cell (default: 4)"
    )
    one.add_argument("--static", metavar="FILE", help="file of static fields (with --data)")
    one.add_argument("--epochs", type=int, default=20, help="default: 20")
    one.add_argument("--seed", type=int, default=0, help="default: 0")
    one.add_argument(
        "--output",
        metavar="DIR",
        default="xr_dl4ds_demo",
        help="where prediction, figure and model go (default: xr_dl4ds_demo)",
    )
    one.add_argument("--verbose", action="store_true", help="show what is logged")
    return parser


def demo(options: argparse.Namespace) -> None:
    """The main job end to end: HR data in, scores, CF NetCDF and figure out."""
    folder = _output_folder(options.output)
    for given in filter(None, (options.data, options.static)):
        if pathlib.Path(given).resolve() == (folder / "prediction.nc").resolve():
            raise ValueError(f"Expected --output not to write over the input {given!r}.")
    if options.data is None:
        if options.variable or options.static:
            raise ValueError("Expected --data with --variable or --static, got none.")
        _say("Synthetic 2 m temperature over a mountainous coast (physics in xr_dl4ds.tutorial).")
        data = tutorial.synthetic(seed=options.seed)
    else:
        data = _read(options.data, options.variable)
    static = None if options.static is None else _open(options.static)
    train, test = _split(data)
    variable = _varying(data)
    _say(f"Learning {variable} at scale {options.scale}, {options.epochs} epochs ...")
    start = time.perf_counter()
    model = train.downscale.fit(
        scale=options.scale, static=static, trim=True, epochs=options.epochs, seed=options.seed
    )
    _say(f"... in {time.perf_counter() - start:.0f} s.\n{model!r}")
    before, after = standardize(data, Dims(), "the data").grid.shape, model.state.pairing.hr.shape
    if before != after:
        _say(f"Scale {options.scale} does not divide {before} cells: the first {after} were used.")
    lr = test[[variable]].downscale.coarsen(options.scale, trim=True)
    prediction = lr.downscale.predict(model)
    scores = prediction.downscale.evaluate(test[[variable]])
    _say(f"\n{_table(scores, variable, len(test[_time(test)]))}\n")
    figure = prediction.downscale.plot(
        lr=lr, hr=test[[variable]], time=prediction[_time(test)].size // 2
    )
    written = {
        "prediction": folder / "prediction.nc",
        "figure": folder / "figure.png",
        "model": folder / "model",
    }
    prediction.to_netcdf(written["prediction"], engine="netcdf4")
    figure.savefig(written["figure"], dpi=120)
    model.save(written["model"], overwrite=True)
    for what, path in written.items():
        _say(f"{what:<11}{path}")


def _table(scores: xr.Dataset, variable: str, steps: int) -> str:
    """The score table as text."""
    units = scores.rmse.attrs["units"]
    title = f"{variable}, {steps} held-out steps"
    columns = {f"{name} / {units}": 3 for name in ("bias", "MAE", "RMSE")} | {"correlation": 4}
    rows = ["  ".join([title, *(f"{column:>8}" for column in columns)])]
    for product in scores["product"].to_numpy():
        values = [float(scores[name].sel(product=product)) for name in SCORES]
        cells = zip(values, columns.items(), strict=True)
        line = [f"{v:{max(8, len(column))}.{digits}f}" for v, (column, digits) in cells]
        rows.append("  ".join([f"{product!s:<{len(title)}}", *line]))
    skills = ", ".join(
        f"{float(scores.rmse_skill.sel(reference=r)):.0%} against {r}"
        for r in scores["reference"].to_numpy()
    )
    return "\n".join([*rows, f"RMSE skill: {skills}"])


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _output_folder(path: str) -> pathlib.Path:
    """Make the folder now: a path that cannot be written is found before any training."""
    folder = pathlib.Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(
            f"Expected a folder that can be written at {path!r}, got: {error.strerror}."
            " Choose another --output."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"Expected to be allowed to write in {str(folder)!r}.")
    for name in ("prediction.nc", "figure.png"):
        if (folder / name).is_dir():
            raise IsADirectoryError(f"Expected {str(folder / name)!r} to be free for a file.")
    storage.require_writable(folder / "model", overwrite=True)
    return folder


def _open(path: str) -> xr.Dataset:
    if not pathlib.Path(path).exists():
        raise FileNotFoundError(f"Expected a file at {path!r}, got nothing there.")
    if pathlib.Path(path).is_dir():
        return xr.open_dataset(path, engine="zarr")
    engine = "cfgrib" if pathlib.Path(path).suffix in (".grib", ".grb", ".grib2") else "netcdf4"
    return xr.open_dataset(path, engine=engine)


def _read(path: str, variable: str | None) -> xr.Dataset:
    """The variable (and the grid mapping beside it) of a file."""
    data = _open(path)
    if variable is None:
        try:
            variable = _varying(data)
        except VariableError as error:
            raise VariableError(f"{error} Pass --variable.") from error
    if variable not in data.data_vars:
        names = list(map(str, data.data_vars))
        raise VariableError(
            f"Expected --variable to be one of {names}, got {variable!r}.{nearest(variable, names)}"
        )
    scalars = [n for n in data.data_vars if data[n].ndim == 0]
    data = data[[variable, *scalars]]
    if variable not in standardize(data, Dims(), "the data").varying:
        raise VariableError(f"Expected --variable to vary in time, got {variable!r}.")
    return data


def _varying(data: xr.Dataset) -> str:
    """The name of the one variable that varies in time."""
    names = standardize(data, Dims(), "the data").varying
    if len(names) != 1:
        raise VariableError(f"Expected one variable that varies in time, got {names}.")
    return names[0]


def _time(data: xr.Dataset) -> str:
    return str(standardize(data, Dims(), "the data").dims.time)


def _split(data: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Training part and test part, in order of time."""
    time_dim = _time(data)
    steps = data.sizes[time_dim]
    if steps < 10:
        raise ValueError(f"Expected at least 10 time steps to hold some out, got {steps}.")
    data = data.sortby(time_dim)
    cut = steps - max(1, round(TEST * steps))
    return data.isel({time_dim: slice(0, cut)}), data.isel({time_dim: slice(cut, None)})
