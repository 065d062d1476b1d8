"""compliance-checker as one function, offline; fields with all that it asks of a source."""

import functools
import json
import os
import tempfile

import pytest

from tests.conftest import analytic

#: A network that is trained in a second.
TINY = {"scale": 4, "n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False}
#: The least that a prediction says of its origin.
NOTE = {"summary": "made by a test", "software": "xr_dl4ds 0"}


def like_a_file(**kwargs):
    """HR fields with the metadata that a good file has beside those of `analytic`."""
    ds = analytic(**kwargs).assign_attrs(history="2020-01-01: observed", institution="Here")
    ds["time"].attrs = {"standard_name": "time", "axis": "T"}
    ds["time"].encoding = {"units": "hours since 1990-01-01", "dtype": "f8", "calendar": "standard"}
    for name in ds.coords:
        ds[name].encoding["_FillValue"] = None
    return ds


def cf_problems(path, version="1.8", criteria="normal"):
    """All messages about a NetCDF file, highest priority first; skips without the checker."""
    runner = pytest.importorskip("compliance_checker.runner")
    _load_checkers(runner)
    name = f"cf:{version}"
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.json")
        _, crashed = runner.ComplianceChecker.run_checker(
            str(path), [name], 0, criteria, output_filename=report, output_format="json"
        )
        with open(report, encoding="utf-8") as file:
            found = json.load(file)
    found = found.get(name, found)
    messages = [
        message
        for priority in ("high_priorities", "medium_priorities")
        for check in found[priority]
        for message in check["msgs"]
    ]
    return [*(["the checker crashed"] if crashed else []), *messages]


@functools.cache
def _load_checkers(runner):
    runner.CheckSuite.load_all_available_checkers()


def written_problems(obj, folder, name="out.nc"):
    """What the checker says of an object written with plain `to_netcdf`."""
    path = folder / name
    obj.to_netcdf(path, engine="netcdf4")
    return cf_problems(path)
