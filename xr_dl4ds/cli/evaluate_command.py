"""``xr-dl4ds evaluate``: scores of a prediction, as a table, a file, a figure and a report."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

import xarray as xr

from xr_dl4ds.cli.arguments import ArgumentError, add_talk, say, scale
from xr_dl4ds.cli.data_flags import add_dimensions, add_group, dimensions
from xr_dl4ds.cli.files import opened, selected
from xr_dl4ds.cli.outputs import place_for, require_apart
from xr_dl4ds.cli.table import table
from xr_dl4ds.downscaler import load
from xr_dl4ds.grid.cf.dimensions import holds_times
from xr_dl4ds.metrics.grouping import DATES
from xr_dl4ds.writing.drafts import drafted

#: File name endings of each output.
SUFFIXES = {"output": (".nc",), "figure": (".png", ".pdf", ".svg", ".jpg"), "report": (".html",)}

#: Bytes of prediction and truth that are read at once.
IN_MEMORY = 2**28


def add(commands: Any) -> None:
    """Add the command to those of the program."""
    one = commands.add_parser(
        "evaluate",
        help="score a prediction against the truth",
        description="Score a prediction against the truth, beside interpolation of LR fields.",
    )
    one.add_argument("sr", metavar="SR", help="prediction")
    one.add_argument("hr", metavar="HR", help="truth, covering the cells of the prediction")
    one.add_argument("--variable", nargs="+", metavar="NAME", help="which ones (default: all)")
    one.add_argument(
        "--lr",
        nargs="+",
        metavar="FILE",
        help="LR data that the baselines interpolate (default: the truth, averaged)",
    )
    one.add_argument(
        "--scale",
        type=scale,
        metavar="N",
        help="for that average (default: as noted on the prediction)",
    )
    one.add_argument(
        "--model", metavar="MODEL", help="its first guess from --lr is a further baseline"
    )
    _add_scores(one)
    add_group(one)
    add_dimensions(one, extra=False)
    one.add_argument("--output", "-o", metavar="FILE", help="NetCDF file of all scores and maps")
    one.add_argument(
        "--figure", metavar="FILE", help="figure (.png, .pdf, .svg, .jpg) of the step in the middle"
    )
    one.add_argument(
        "--report", metavar="FILE", help="page of HTML with verdicts, all scores and pictures"
    )
    one.add_argument("--overwrite", action="store_true", help="replace files that are there")
    add_talk(one)
    one.set_defaults(run=evaluate, resumes=lambda options: None)


def _add_scores(command: argparse.ArgumentParser) -> None:
    """Add what is computed: baselines, scores and their parts."""
    command.add_argument(
        "--baselines", nargs="+", metavar="NAME", help="interpolations (default: bilinear bicubic)"
    )
    command.add_argument(
        "--scores", nargs="+", metavar="NAME", help="scores or groups of scores, or all"
    )
    command.add_argument(
        "--thresholds",
        nargs="+",
        type=float,
        default=(),
        metavar="X",
        help="thresholds of events, in units of the variable",
    )
    command.add_argument(
        "--periods",
        nargs=4,
        metavar=("START1", "END1", "START2", "END2"),
        help="first and last date of two periods, for scores of change: 1981 2000 2081 2100",
    )
    command.add_argument(
        "--by", nargs="+", choices=DATES, default=(), help="score parts separately"
    )
    command.add_argument(
        "--area-weighted",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="weigh cells by their areas (default: yes)",
    )


def evaluate(options: argparse.Namespace) -> None:
    """Check the paths, open the data, compute scores, and show and write them."""
    inputs = [options.sr, options.hr, *(options.lr or ())]
    inputs += [options.model] * (options.model is not None)
    places = {}
    for what, suffixes in SUFFIXES.items():
        given = getattr(options, what)
        if given is not None:
            if pathlib.Path(given).suffix.lower() not in suffixes:
                words = " or ".join(suffixes)
                raise ArgumentError(f"Expected --{what} to end in {words}, got {given!r}.")
            require_apart(given, inputs)
            places[what] = place_for(given, overwrite=options.overwrite)
    group, dims = getattr(options, "group", None), dimensions(vars(options))
    sr = selected(opened(options.sr, group=group), options.variable, "--variable")
    hr = opened(options.hr, group=group)
    lr = None if options.lr is None else opened(options.lr, group=group)
    if sr.nbytes + hr.nbytes <= IN_MEMORY:  # whose values are looked at, for members and turns
        sr, hr = sr.load(), hr.load()
    asked = {
        "lr": lr,
        "scale": options.scale,
        "model": None if options.model is None else load(options.model),
        "baselines": options.baselines,
        "thresholds": options.thresholds,
        "periods": options.periods and (options.periods[:2], options.periods[2:]),
        "area_weighted": options.area_weighted,
        **dims,
    }
    scores = sr.downscale.evaluate(hr, scores=options.scores, by=options.by, **asked).compute()
    for one in _each(scores, ["variable", *options.by]):
        say(f"{table(one, _title(one, options.by))}\n")
    if "output" in places:
        with drafted(places["output"]) as draft:
            scores.to_netcdf(draft, engine="netcdf4")
        say(f"scores     {places['output']}")
    if "figure" in places:
        figure = sr.downscale.plot(lr=lr, hr=hr, time=_middle(sr), **dims)
        with drafted(places["figure"]) as draft:
            figure.savefig(draft, dpi=120)
        say(f"figure     {places['figure']}")
    if "report" in places:
        sr.downscale.report(
            hr,
            places["report"],
            scores=options.scores or "all",
            by=options.by or None,
            overwrite=options.overwrite,
            **asked,
        )
        say(f"report     {places['report']}")


def _each(scores: xr.Dataset, dims: Sequence[str]) -> list[xr.Dataset]:
    """Return the scores of each variable and part."""
    found = [scores]
    for dim in (d for d in dims if d in scores.dims):
        found = [one.isel({dim: i}) for one in found for i in range(scores.sizes[dim])]
    return found


def _title(scores: xr.Dataset, by: Sequence[str]) -> str:
    """Return the name of a variable and of a part."""
    return ", ".join([str(scores["variable"].item()), *(f"{d} {scores[d].item()}" for d in by)])


def _middle(sr: xr.Dataset) -> int:
    dims = [d for d in sr.dims if d in sr.coords and holds_times(sr[d])]
    return sr.sizes[dims[0]] // 2 if dims else 0
