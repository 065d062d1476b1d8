"""Every real file beside the project, from LR fields to files that other tools read.

`FILES` says how each is opened and fitted, as its user would; nothing is renamed. `table` is what
``docs/make_files.py`` writes and a test holds the page to.
"""

import pyproj  # noqa: I001  must precede eccodes
import dataclasses
import functools
import pathlib
import tempfile
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds  # noqa: F401  registers .downscale
from tests.cf import cf_problems
from tests.conftest import DATA

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 2, "verbose": False, "seed": 0}


def opened(name, **kwargs):
    """A file with the engine that its name asks for; skips where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the project")
    if path.suffix == ".grib":
        pytest.importorskip("cfgrib")
        return xr.open_dataset(path, engine="cfgrib", backend_kwargs={"indexpath": ""}, **kwargs)
    with warnings.catch_warnings():  # eraint_uvz.nc has a _FillValue that int16 cannot hold
        warnings.simplefilter("ignore", xr.SerializationWarning)
        return xr.open_dataset(path, engine="netcdf4", **kwargs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class File:
    """One row: how the HR (and LR) fields come, and what `fit` is told beside them."""

    name: str
    hr: Callable[[], xr.Dataset]
    scale: int
    lr: Callable[[], xr.Dataset] | None = None
    options: Callable[[], dict] = dict


def _static():
    coarse, fine = (opened(f"uk_static_{n}.nc") for n in ("025", "005"))
    return {"static": [coarse[["orog", "lsm_era5"]], fine[["orog_std"]]]}


FILES = [
    File(
        name="era5_uk_t2m_hourly.nc, uk_static_025.nc, uk_static_005.nc",
        hr=lambda: opened("era5_uk_t2m_hourly.nc"),
        scale=4,
        options=_static,
    ),
    File(
        name="cordex_iberia_hist.nc",
        hr=lambda: opened("cordex_iberia_hist.nc"),
        scale=2,
    ),
    File(
        name="java_imerg_lr.nc, java_chirps_hr.nc",
        hr=lambda: opened("java_chirps_hr.nc")[["pr", "land_fraction"]],
        lr=lambda: opened("java_imerg_lr.nc")[["pr"]],
        scale=2,
    ),
    File(
        name="mrms_patches_002deg.nc",
        hr=lambda: opened("mrms_patches_002deg.nc"),
        scale=4,
    ),
    File(
        name="originals/era5-2mt-2019-03-uk.grib",
        hr=lambda: opened("originals/era5-2mt-2019-03-uk.grib"),
        scale=4,
    ),
    File(name="originals/eraint_uvz.nc", hr=lambda: opened("originals/eraint_uvz.nc"), scale=4),
    File(
        name="originals/test_lcc.nc",
        hr=lambda: opened("originals/test_lcc.nc"),
        scale=4,
    ),
    File(
        name="originals/tmean_1910_1910.nc",
        hr=lambda: opened("originals/tmean_1910_1910.nc"),
        scale=5,
        options=lambda: {"validation": None},  # one time step
    ),
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a file."""

    hr: xr.Dataset
    lr: xr.Dataset
    prediction: xr.Dataset
    path: pathlib.Path


@functools.cache
def run(name: str) -> Result:
    """Coarsen, fit for two epochs, predict, write; once for each file."""
    file = next(f for f in FILES if f.name == name)
    hr = file.hr()
    if file.lr is None:
        lr = hr.downscale.coarsen(file.scale, trim=True)
        model = hr.downscale.fit(scale=file.scale, trim=True, **file.options(), **TINY)
    else:
        lr = file.lr()
        model = lr.downscale.fit(hr, **file.options(), **TINY)
    assert model.scale == file.scale
    prediction = lr.downscale.predict(model)
    path = pathlib.Path(tempfile.mkdtemp()) / "sr.nc"
    prediction.to_netcdf(path, engine="netcdf4")
    return Result(hr=hr, lr=lr, prediction=prediction, path=path)


def row(file: File) -> str:
    """A line of the table: what came in, what was understood, what others read."""
    import rasterio

    result = run(file.name)
    names = list(result.prediction.data_vars)
    first = result.prediction[names[0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(f"netcdf:{result.path}:{names[0]}") as raster:
            crs = _crs(raster.crs)
    seen = result.hr.downscale.grid
    dims = ", ".join(f"{d} {n}" for d, n in first.sizes.items())
    problems = cf_problems(result.path)
    cells = [
        ", ".join(f"`{part}`" for part in file.name.split(", ")),
        str(seen.kind),
        ", ".join(names),
        str(file.scale),
        dims,
        crs,
        "none" if not problems else str(len(problems)),
    ]
    return "| " + " | ".join(cells) + " |"


def _crs(seen) -> str:
    """The code or the projection of what GDAL found."""
    if seen is None:
        return "none"
    crs = pyproj.CRS(seen.to_wkt())
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.coordinate_operation.method_name


def table() -> str:
    """All rows, in Markdown."""
    head = "file | grid | variables | scale | prediction | CRS that GDAL reads | CF messages"
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    return "\n".join([*lines, *map(row, FILES)]) + "\n"


def hr_values(result: Result, variable: str) -> np.ndarray:
    """The HR cells that the prediction is to cover, in its layout."""
    like = result.prediction[variable]
    hr = result.hr[variable]
    at = {d: like.sizes[d] for d in like.dims if d in hr.dims and d in like.dims}
    return hr.isel({d: slice(0, n) for d, n in at.items()}).transpose(*like.dims).to_numpy()
