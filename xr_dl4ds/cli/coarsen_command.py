"""``xr-dl4ds coarsen``: LR files from HR files."""

from __future__ import annotations

import argparse
from typing import Any

from xr_dl4ds.cli.arguments import add_talk, scale
from xr_dl4ds.cli.data_flags import add_dimensions, add_group, dimensions
from xr_dl4ds.cli.files import opened, selected
from xr_dl4ds.cli.outputs import (
    add_dataset_output,
    place_for_dataset,
    require_apart,
    write_dataset,
)


def add(commands: Any) -> None:
    """Add the command to those of the program."""
    one = commands.add_parser(
        "coarsen",
        help="average HR data to LR data",
        description="Average blocks of HR cells to LR cells, as fit does with --scale.",
    )
    one.add_argument("hr", nargs="+", metavar="HR", help="HR data: a store, or one or more files")
    add_dataset_output(one)
    one.add_argument(
        "--scale",
        type=scale,
        metavar="N",
        required=True,
        help="HR cells along one edge of an LR cell, or along y and x: 4,2",
    )
    one.add_argument("--variable", nargs="+", metavar="NAME", help="which ones (default: all)")
    one.add_argument(
        "--trim", action="store_true", help="drop HR rows and columns that the scale leaves over"
    )
    add_dimensions(one, ("x_dim", "y_dim"), extra=False)
    add_group(one)
    add_talk(one)
    one.set_defaults(run=coarsen, resumes=lambda options: None)


def coarsen(options: argparse.Namespace) -> None:
    """Check the paths, open the data, and write their block means."""
    require_apart(options.output, options.hr)
    place = place_for_dataset(options.output, overwrite=options.overwrite)
    hr = opened(options.hr, group=getattr(options, "group", None))
    hr = selected(hr, options.variable, "--variable")
    lr = hr.downscale.coarsen(options.scale, trim=options.trim, **dimensions(vars(options)))
    write_dataset(lr, options, place)
