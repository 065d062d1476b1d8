"""Output files of commands: checked before the work is done, and renamed when they are complete."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Iterable

import xarray as xr

from xr_dl4ds.cli.arguments import ArgumentError, say, shows_progress
from xr_dl4ds.writing import require_writable
from xr_dl4ds.writing.drafts import drafted
from xr_dl4ds.writing.paths import require_makeable


def place_for(path: str, *, overwrite: bool) -> pathlib.Path:
    """Return the absolute path of an output file, after checking that it can be written.

    Parameters
    ----------
    path : str
        Path as given.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    pathlib.Path
        Absolute path; its folder is made when the file is written.

    Raises
    ------
    FileExistsError, NotADirectoryError, PermissionError
        If the file cannot be written.
    """
    if "://" in path:
        raise ValueError(f"Expected a path on a local file system, got {path!r}.")
    place = pathlib.Path(path).expanduser().resolve()
    if place.is_dir():
        raise FileExistsError(f"Expected {str(place)!r} to be free for a file, got a folder.")
    if place.exists() and not overwrite:
        raise FileExistsError(
            f"A file exists at {str(place)!r}. Choose another path, or pass --overwrite."
        )
    require_makeable(place)
    return place


def add_dataset_output(command: argparse.ArgumentParser) -> None:
    """Add `--output` and `--overwrite` for a Zarr store or NetCDF file."""
    command.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="Zarr store (.zarr), or NetCDF file (.nc), which is written in one go",
    )
    command.add_argument(
        "--overwrite", action="store_true", default=False, help="replace what is there, in the end"
    )


def place_for_dataset(path: str, *, overwrite: bool) -> str:
    """Return the place of a Zarr store or NetCDF file, after checking that it can be written.

    Raises
    ------
    ArgumentError
        If the path ends in neither .zarr nor .nc.
    FileExistsError, NotADirectoryError, PermissionError
        If it cannot be written.
    """
    suffix = pathlib.Path(path).suffix.lower()
    if suffix not in (".zarr", ".nc"):
        raise ArgumentError(f"Expected --output to end in .zarr or .nc, got {path!r}.")
    check = require_writable if suffix == ".zarr" else place_for
    return str(check(path, overwrite=overwrite))


def write_dataset(data: xr.Dataset, options: argparse.Namespace, place: str) -> None:
    """Write a dataset to ``--output``, whose place is checked, and say where it is."""
    if place.lower().endswith(".zarr"):
        progress = shows_progress(options)
        data.downscale.to_zarr(options.output, overwrite=options.overwrite, verbose=progress)
    else:
        with drafted(pathlib.Path(place)) as draft:
            data.to_netcdf(draft, engine="netcdf4")
    say(place)


def require_apart(output: str, inputs: Iterable[str]) -> None:
    """Raise if a command would write over its inputs."""
    place = pathlib.Path(output).expanduser().resolve()
    for given in inputs:
        source = pathlib.Path(given).expanduser().resolve()
        if place == source or place in source.parents or source in place.parents:
            raise ValueError(
                f"Expected to write beside the input {given!r}, got {output!r}. Choose another"
                " path."
            )
