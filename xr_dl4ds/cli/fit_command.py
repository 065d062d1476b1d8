"""``xr-dl4ds fit``: training of a model from files."""

from __future__ import annotations

import argparse
import os
from typing import Any

from xr_dl4ds.cli.arguments import (
    ArgumentError,
    add_talk,
    say,
    scale,
    share,
    shows_progress,
    whole,
)
from xr_dl4ds.cli.data_flags import add_dimensions, add_group, add_period, names_by_name, within
from xr_dl4ds.cli.files import opened, selected
from xr_dl4ds.cli.flags import SHOWN_BY_THE_PROGRAM, add_flags
from xr_dl4ds.cli.outputs import require_apart
from xr_dl4ds.cli.settings import Settings, settings
from xr_dl4ds.config import Options
from xr_dl4ds.downscaler import load
from xr_dl4ds.model import storage
from xr_dl4ds.processes import is_first


def add(commands: Any) -> None:
    """Add the command to those of the program."""
    one = commands.add_parser(
        "fit",
        help="train a model",
        description="Learn the map from low to high resolution. From HR data alone, with --scale"
        " (synthetic pairs), or from real pairs, with --lr. A path is a Zarr store or a NetCDF,"
        " GRIB or GeoTIFF file; a quoted pattern is several NetCDF files of one dataset.",
        argument_default=argparse.SUPPRESS,
    )
    _add_data(one)
    one.add_argument("--start", metavar="MODEL", help="model to fine-tune")
    one.add_argument(
        "--validation",
        type=share,
        metavar="SHARE",
        help="share of the last time steps that chooses the weights to keep (default: 0.1)",
    )
    one.add_argument(
        "--trim",
        action=argparse.BooleanOptionalAction,
        help="drop HR rows and columns that the scale leaves over (default: no)",
    )
    one.add_argument(
        "--workers",
        type=whole(1),
        metavar="N",
        help="processes on this machine that train together, by Horovod (default: this one)",
    )
    one.add_argument(
        "--overwrite", action="store_true", default=False, help="replace a model that is there"
    )
    one.add_argument(
        "--config", metavar="FILE", help="YAML file of these names and options; flags win over it"
    )
    add_talk(one)
    add_flags(one)
    one.set_defaults(run=fit, resumes=_resumes)


def _add_data(one: argparse.ArgumentParser) -> None:
    """Add the arguments that name data."""
    one.add_argument("hr", nargs="+", metavar="HR", help="HR data: a store, or one or more files")
    one.add_argument(
        "-o", "--output", required=True, metavar="MODEL", help="folder of the model to write"
    )
    one.add_argument(
        "--variable",
        nargs="+",
        metavar="NAME",
        help="variables of HR: those that vary in time are targets, others static (default: all)",
    )
    one.add_argument(
        "--scale",
        type=scale,
        metavar="N",
        help="HR cells along one edge of an LR cell, or along y and x: 4,2",
    )
    one.add_argument("--lr", nargs="+", metavar="FILE", help="LR data, paired with HR")
    one.add_argument(
        "--lr-variable",
        nargs="+",
        metavar="NAME",
        help="variables of LR: those that HR has too are counterparts, others predictors"
        " (default: all)",
    )
    one.add_argument(
        "--counterparts",
        metavar="YAML",
        type=names_by_name,
        help="LR variables by target where their names differ, such as '{precip: pr}'",
    )
    one.add_argument("--static", nargs="+", metavar="FILE", help="static fields, a dataset each")
    one.add_argument("--predictors", nargs="+", metavar="FILE", help="predictors, a dataset each")
    add_period(one)
    add_group(one)
    add_dimensions(one)


def fit(options: argparse.Namespace) -> None:
    """Check options and paths, open the data, train, and save the model."""
    asked = settings(options)
    own = dict(asked.own)
    if "scale" not in own and "lr" not in own:
        raise ArgumentError("Expected --scale, or --lr with LR data, got neither.")
    if "start" not in own:
        asked.check(Options())
    inputs = [*options.hr, *own.get("lr", ()), *own.get("static", ()), *own.get("predictors", ())]
    require_apart(options.output, [*inputs, *([own["start"]] if "start" in own else [])])
    if asked.flat.get("checkpoint") is not None:
        require_apart(os.fspath(asked.flat["checkpoint"]), [options.output, *inputs])
    folder = storage.require_writable(options.output, overwrite=options.overwrite)
    group, period = own.pop("group", None), own.pop("time_slice", None)
    hr = selected(opened(options.hr, group=group), own.pop("variable", None), "--variable")
    hr = hr if period is None else within(hr, period, "the HR data")
    lr = own.pop("lr", None)
    names = own.pop("lr_variable", None)
    if lr is None and names is not None:
        raise ArgumentError("--lr-variable needs LR data. Pass --lr.")
    given = _beside(own, asked, show=shows_progress(options))
    if lr is None:
        model = hr.downscale.fit(**given)
    else:
        model = selected(opened(lr, group=group), names, "--lr-variable").downscale.fit(hr, **given)
    model.save(folder, overwrite=options.overwrite)
    if is_first():
        say(f"{model!r}\nmodel      {folder}")


def _beside(own: dict[str, Any], asked: Settings, *, show: bool) -> dict[str, Any]:
    """Return the arguments of `fit` other than HR and LR data."""
    given = dict(own)
    for name in ("static", "predictors"):
        if name in given:
            given[name] = [opened(path) for path in given[name]]
    inherited = Options()
    if "start" in given:
        given["start"] = start = load(given["start"])
        inherited = start.options
        asked.check(inherited)
    training = asked.training(inherited)
    if training is not None:
        given["training"] = training
    shown = {SHOWN_BY_THE_PROGRAM: show and asked.flat.get(SHOWN_BY_THE_PROGRAM, True)}
    return {**given, **asked.flat, **shown}


def _resumes(options: argparse.Namespace) -> str | None:
    """Return the advice to show after Ctrl-C."""
    try:
        folder = settings(options).flat.get("checkpoint")
    except ArgumentError:
        return None
    if folder is None:
        return "nothing was written; with --checkpoint the same call would go on"
    return f"the same call goes on from the checkpoint in {os.fspath(folder)!r}"
