"""``xr-dl4ds predict``: HR fields from LR files and a model."""

from __future__ import annotations

import argparse
from typing import Any

from xr_dl4ds.cli.arguments import add_talk, whole
from xr_dl4ds.cli.data_flags import add_dimensions, add_group, add_period, dimensions, within
from xr_dl4ds.cli.files import BLOCK, opened
from xr_dl4ds.cli.outputs import (
    add_dataset_output,
    place_for_dataset,
    require_apart,
    write_dataset,
)
from xr_dl4ds.downscaler import load

#: Arguments that are passed on to `predict` if they are given.
PASSED_ON = ("realizations", "seed", "spread", "tile_size", "first_guess_only")


def add(commands: Any) -> None:
    """Add the command to those of the program."""
    one = commands.add_parser(
        "predict",
        help="downscale LR data with a model",
        description="Downscale LR data. A Zarr store is written region by region: when the call is"
        " interrupted or killed, the same call goes on at the first region that is missing. The"
        " model takes its own variables from the data.",
        argument_default=argparse.SUPPRESS,
    )
    _add_data(one)
    one.add_argument(
        "--realizations", type=whole(1), metavar="N", help="members of an ensemble (default: none)"
    )
    one.add_argument("--seed", type=whole(0), metavar="N", help="of the members (default: 0)")
    one.add_argument("--spread", action="store_true", help="add the standard deviation")
    one.add_argument(
        "--first-guess-only",
        action="store_true",
        help="write the first guess that the network corrects, as a baseline",
    )
    one.add_argument(
        "--tile-size",
        type=whole(1),
        metavar="N",
        help="edge of the tiles of a large domain, in HR cells (default: chosen by its size)",
    )
    add_talk(one)
    one.set_defaults(run=predict, resumes=_resumes)


def _add_data(one: argparse.ArgumentParser) -> None:
    """Add the arguments that name data."""
    one.add_argument("model", metavar="MODEL", help="folder that fit made")
    one.add_argument("lr", nargs="+", metavar="LR", help="LR data: a store, or one or more files")
    add_dataset_output(one)
    one.add_argument("--static", nargs="+", metavar="FILE", help="static fields, a dataset each")
    one.add_argument("--predictors", nargs="+", metavar="FILE", help="predictors, a dataset each")
    add_period(one)
    add_group(one)
    add_dimensions(one)


def predict(options: argparse.Namespace) -> None:
    """Check the paths, load the model, open the data, and write the prediction."""
    beside = {n: getattr(options, n, None) for n in ("static", "predictors")}
    inputs = [path for paths in beside.values() for path in paths or ()]
    require_apart(options.output, [options.model, *options.lr, *inputs])
    place = place_for_dataset(options.output, overwrite=options.overwrite)
    model = load(options.model)
    block = max(1, BLOCK // model.state.pairing.scale.cells)  # so that the HR fields fit in memory
    lr = opened(options.lr, block=block, group=getattr(options, "group", None))
    if hasattr(options, "time_slice"):
        lr = within(lr, options.time_slice, "the LR data")
    given = {n: getattr(options, n) for n in PASSED_ON if hasattr(options, n)}
    given |= dimensions(vars(options))
    given |= {n: [opened(p, block=block) for p in paths] for n, paths in beside.items() if paths}
    out = lr.downscale.predict(model, **given)
    write_dataset(out, options, place)


def _resumes(options: argparse.Namespace) -> str | None:
    """Return the advice to show after Ctrl-C."""
    if not options.output.lower().endswith(".zarr"):
        return None
    return "the same call goes on at the first region that is missing"
