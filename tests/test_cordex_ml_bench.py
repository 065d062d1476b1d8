"""The recipe for the files of CORDEX ML-Bench, on tiny stand-ins of the same layout."""

import pathlib
import runpy
import sys

import numpy as np
import pytest
import xarray as xr

EXAMPLE = pathlib.Path(__file__).parents[1] / "examples" / "cordex_ml_bench.py"
CELLS, LEVELS = 24, (850, 500)
RNG = np.random.default_rng(0)


def days(year, n=12):
    return xr.date_range(f"{year}-01-01T12", periods=n, freq="D")


def predictors(time):
    """Fields at levels on 16 x 16 cells of 2 degrees, wider than the target."""
    lat, lon = 35.0 + 2 * np.arange(16), -4.0 + 2 * np.arange(16)
    shape = (len(time), 16, 16)
    ds = xr.Dataset(
        {
            f"{name}_{level}": (("time", "lat", "lon"), RNG.normal(size=shape).astype("f4"))
            for name in ("z", "q")
            for level in LEVELS
        },
        {"time": time, "lat": lat, "lon": lon},
    )
    ds["time_bnds"] = (("time", "bnds"), np.stack([time, time], 1))
    return ds


def lat_lon():
    """Cells and static field of NZ and SA: 0.5 degrees here."""
    lat, lon = 42.0 + 0.5 * np.arange(CELLS), 5.0 + 0.5 * np.arange(CELLS)
    return ("lat", "lon"), {"lat": lat, "lon": lon}


def lambert():
    """Cells of ALPS: x and y in km without a grid mapping, latitude and longitude beside them."""
    y = x = 50.0 * (np.arange(CELLS) - CELLS / 2)
    lat, lon = 47 + y[:, None] / 111 + 0 * x, 11 + x / 75 + 0.02 * y[:, None] / 111
    return ("y", "x"), {
        "y": ("y", y, {"units": "km"}),
        "x": ("x", x, {"units": "km"}),
        "lat": (("y", "x"), lat, {"units": "degrees_north"}),
        "lon": (("y", "x"), lon, {"units": "degrees_east"}),
    }


def target(cells, time):
    dims, coords = cells
    shape = (len(time), CELLS, CELLS)
    wet = np.maximum(RNG.normal(size=shape), 0).astype("f4")
    warm = (285 + RNG.normal(size=shape)).astype("f4")
    return xr.Dataset(
        {
            "pr": (("time", *dims), wet, {"units": "mm/day"}),
            "tasmax": (("time", *dims), warm, {"units": "K"}),
        },
        {"time": time, **coords},
    )  # fmt: skip


def files(folder, domain, cells, deep):
    """Write the stand-ins of a domain."""
    root = folder / domain / f"{domain}_domain" if deep else folder / domain
    train = root / "train" / "ESD_pseudo-reality"
    dims, coords = cells
    static = xr.Dataset({"orog": (dims, RNG.random((CELLS, CELLS)).astype("f4"))}, coords)
    static.orog.attrs["units"] = "m"
    written = {
        train / "predictors" / "GCM_1961-1980.nc": predictors(days(1961, 40)),
        train / "predictors" / "static.nc": static,
        train / "target" / "pr_tasmax_GCM_1961-1980.nc": target(cells, days(1961, 40)),
    }
    for period, year in {"historical": 1981, "end_century": 2080}.items():
        for kind in ("perfect", "imperfect"):
            place = root / "test" / period / "predictors" / kind / f"GCM_{year}-{year + 19}.nc"
            written[place] = predictors(days(year))
    for path, ds in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.to_netcdf(path, engine="netcdf4")


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *map(str, arguments)])
    runpy.run_path(str(EXAMPLE), run_name="__main__")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("domain", "cells", "members"), [("NZ", lat_lon(), None), ("ALPS", lambert(), 2)]
)
def test_files_as_submitted(tmp_path, monkeypatch, domain, cells, members):
    files(tmp_path, domain, cells, deep=domain == "ALPS")
    more = [] if members is None else ["--members", members]
    out = tmp_path / "out"
    run(monkeypatch, tmp_path, "--domain", domain, "--output", out, "--epochs", 1, *more)
    found = sorted(
        p.relative_to(out).as_posix() for p in out.rglob("*.nc") if p.parts[-2] != "model"
    )
    assert found == [
        f"{period}/{kind}/{name}_GCM_{years}.nc"
        for period, years in (("end_century", "2080-2099"), ("historical", "1981-2000"))
        for kind in ("imperfect", "perfect")
        for name in ("pr", "tasmax")
    ]
    dims, coords = cells
    with xr.open_dataset(out / "historical" / "perfect" / "pr_GCM_1981-2000.nc") as ds:
        pr = ds.pr.load()
    assert pr.dims == ("time", *dims, *([] if members is None else ["member"]))
    assert pr.dtype == "f4"
    assert pr.attrs["units"] == "mm/day"
    assert pr.indexes["time"].equals(days(1981).astype(pr.indexes["time"].dtype))
    for name, coordinate in coords.items():
        expected = coordinate if isinstance(coordinate, np.ndarray) else coordinate[1]
        np.testing.assert_allclose(pr[name], expected)
    assert np.isfinite(pr).all()
    assert float(pr.min()) >= 0


def test_a_folder_without_the_domain(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="Expected the domain 'SA' in"):
        run(monkeypatch, tmp_path, "--domain", "SA")
