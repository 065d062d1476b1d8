"""``xr-dl4ds demo``: training, prediction and evaluation with sample data or a file."""

from __future__ import annotations

import argparse
import os
import pathlib
import time
from typing import Any

import xarray as xr

from xr_dl4ds import tutorial
from xr_dl4ds.cli.arguments import say, scale
from xr_dl4ds.cli.files import opened
from xr_dl4ds.cli.table import table
from xr_dl4ds.config import nearest
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.cf.dimensions import Dims, find_dims
from xr_dl4ds.grid.cf.fields import candidates_of, select, standardize
from xr_dl4ds.model import storage

#: Share of the time steps, at the end, that is held out for the test.
TEST = 0.1

#: Training options for the synthetic dataset. An epoch in batches of 4 has eight times as many
#: steps as an epoch in batches of 32: 3 epochs in batches of 4 give an RMSE of 0.18 K, and 20
#: epochs in batches of 32 give 0.17 K.
SYNTHETIC: dict[str, object] = {"epochs": 3, "batch_size": 4, "schedule": "constant"}

#: Training options for a file of the user.
FILE: dict[str, object] = {"epochs": 20}


def add(commands: Any) -> None:
    """Add the command to those of the program."""
    about = "train on the first 90 % of the time steps, predict the rest, score and draw it"
    one = commands.add_parser(
        "demo",
        help=about.replace("%", "%%"),
        description=f"Synthetic pairs from HR fields alone: {about}. Without --data on a"
        " synthetic case, which needs no network.",
    )
    one.add_argument("--data", metavar="FILE", help="NetCDF file or Zarr store of HR fields")
    one.add_argument("--variable", metavar="NAME", help="which one (with --data)")
    one.add_argument(
        "--scale", type=scale, default=4, help="HR cells along one edge of an LR cell (default: 4)"
    )
    one.add_argument("--static", metavar="FILE", help="file of static fields (with --data)")
    one.add_argument(
        "--epochs",
        type=int,
        help=f"default: {SYNTHETIC['epochs']} for the synthetic case, in batches of"
        f" {SYNTHETIC['batch_size']}; {FILE['epochs']} with --data",
    )
    one.add_argument("--seed", type=int, default=0, help="default: 0")
    one.add_argument(
        "--output",
        metavar="DIR",
        default="xr_dl4ds_demo",
        help="where prediction, figure and model go (default: xr_dl4ds_demo)",
    )
    one.add_argument("--verbose", action="store_true", dest="talks", help="show what is logged")
    one.set_defaults(run=demo, quiet=False, resumes=lambda options: None)


def demo(options: argparse.Namespace) -> None:
    """Run the demo: HR data in; scores, a CF NetCDF file, a figure and a model out."""
    folder = _output_folder(options.output)
    for given in filter(None, (options.data, options.static)):
        if pathlib.Path(given).resolve() == (folder / "prediction.nc").resolve():
            raise ValueError(f"Expected --output not to write over the input {given!r}.")
    if options.data is None:
        if options.variable or options.static:
            raise ValueError("--variable and --static need a file. Pass --data.")
        say("Synthetic 2 m temperature over a mountainous coast (physics in xr_dl4ds.tutorial).")
        data = tutorial.synthetic(seed=options.seed)
    else:
        data = _read(options.data, options.variable)
    static = None if options.static is None else opened(options.static, block=None)
    train, test = _split(data)
    variable = _varying(data)
    training = _training(options)
    say(f"Learning {variable} at scale {options.scale}, {training['epochs']} epochs ...")
    start = time.perf_counter()
    model = train.downscale.fit(scale=options.scale, static=static, trim=True, **training)
    say(f"... in {time.perf_counter() - start:.0f} s.\n{model!r}")
    before, after = (
        standardize(data, Dims(), "the data").grid.shape,
        model.state.pairing.domain.shape,
    )
    if before != after:
        say(f"Scale {options.scale} does not divide {before} cells: the first {after} were used.")
    lr = test[[variable]].downscale.coarsen(options.scale, trim=True)
    prediction = lr.downscale.predict(model)
    scores = prediction.downscale.evaluate(test[[variable]])
    title = f"{variable}, {len(test[_time(test)])} held-out steps"
    say(f"\n{table(scores, title)}\n")
    lr_hr = {"lr": lr, "hr": test[[variable]]}
    figure = prediction.downscale.plot(**lr_hr, time=prediction[_time(test)].size // 2)
    written = {
        "prediction": folder / "prediction.nc",
        "figure": folder / "figure.png",
        "model": folder / "model",
    }
    prediction.to_netcdf(written["prediction"], engine="netcdf4")
    figure.savefig(written["figure"], dpi=120)
    model.save(written["model"], overwrite=True)
    for what, path in written.items():
        say(f"{what:<11}{path}")


def _training(options: argparse.Namespace) -> dict[str, object]:
    """Return the options of `fit` that follow from the data, from --epochs and from --seed."""
    given: dict[str, object] = {"seed": options.seed}
    if options.epochs is not None:
        given["epochs"] = options.epochs
    return {**(SYNTHETIC if options.data is None else FILE), **given}


def _output_folder(path: str) -> pathlib.Path:
    """Make the output folder early, so that an unwritable path is reported before training."""
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


def _read(path: str, variable: str | None) -> xr.Dataset:
    """Return the variable of a file, with its grid mapping."""
    data = opened(path, block=None)
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
    time = find_dims(data[variable], Dims()).time
    if time is None:
        raise VariableError(f"Expected --variable to vary in time, got {variable!r}.")
    static = [str(n) for n in candidates_of(data) if time not in data[n].dims]
    return select(data, [variable, *static])


def _varying(data: xr.Dataset) -> str:
    """Return the name of the only variable that varies in time."""
    names = standardize(data, Dims(), "the data").varying
    if len(names) != 1:
        raise VariableError(f"Expected one variable that varies in time, got {names}.")
    return names[0]


def _time(data: xr.Dataset) -> str:
    return str(standardize(data, Dims(), "the data").dims.time)


def _split(data: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Split the data, in order of time, into a training part and a test part."""
    time_dim = _time(data)
    steps = data.sizes[time_dim]
    if steps < 10:
        raise ValueError(f"Expected at least 10 time steps to hold some out, got {steps}.")
    data = data.sortby(time_dim)
    cut = steps - max(1, round(TEST * steps))
    return data.isel({time_dim: slice(0, cut)}), data.isel({time_dim: slice(cut, None)})
