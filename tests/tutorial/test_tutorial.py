import hashlib
import http.server
import pathlib
import socket
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr

from xr_dl4ds import tutorial

ORIGINALS = pathlib.Path(__file__).parents[3] / "shared" / "data" / "originals"
GRID = ("latitude", "longitude")


# --- synthetic ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    return tutorial.synthetic()


def by_hour(da: xr.DataArray) -> xr.DataArray:
    return da.groupby("time.hour").mean()


def interpolated_block_means(hr: xr.DataArray, scale: int) -> xr.DataArray:
    """Bilinear, with the outermost block mean continued to the border."""
    lr = (
        hr.coarsen(dict.fromkeys(GRID, scale))
        .mean()
        .astype("float64")
        .pad(dict.fromkeys(GRID, 1), mode="edge")
    )
    for dim in GRID:
        inner = hr[dim].coarsen({dim: scale}).mean().values
        step = inner[1] - inner[0]
        lr[dim] = np.concatenate([[inner[0] - step], inner, [inner[-1] + step]])
    return lr.interp({dim: hr[dim] for dim in GRID})


def rms(da: xr.DataArray) -> float:
    return float(np.sqrt((da**2).mean()))


def test_synthetic_is_determined_by_the_seed(ds):
    xr.testing.assert_identical(tutorial.synthetic(), ds)
    other = tutorial.synthetic(seed=1)
    assert not np.allclose(other["orog"], ds["orog"])
    assert not np.allclose(other["t2m"], ds["t2m"])


def test_synthetic_does_not_touch_the_global_generator():
    np.random.seed(7)  # noqa: NPY002  the global generator is what is tested
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    tutorial.synthetic(shape=(8, 8), days=1)
    assert np.random.random() == expected  # noqa: NPY002


def test_synthetic_default_grid(ds):
    # rows: 45 + 0.1 * 32 down to 45 - 0.1 * 31; columns: 5 - 0.1 * 48 to 5 + 0.1 * 47
    assert dict(ds.sizes) == {"time": 240, "latitude": 64, "longitude": 96}
    np.testing.assert_allclose(ds["latitude"][[0, 1, -1]], [48.2, 48.1, 41.9], rtol=0, atol=1e-12)
    np.testing.assert_allclose(ds["longitude"][[0, 1, -1]], [0.2, 0.3, 9.7], rtol=0, atol=1e-12)
    assert str(ds["time"].values[0]) == "2001-01-01T00:00:00.000000000"
    assert str(ds["time"].values[-1]) == "2001-01-30T21:00:00.000000000"
    assert ds["t2m"].dims == ("time", "latitude", "longitude")
    assert ds["orog"].dims == ds["land_fraction"].dims == GRID
    assert {v.dtype for v in ds.data_vars.values()} == {np.dtype("float32")}
    assert not ds.isnull().any().to_array().any()


@pytest.mark.parametrize("shape", [(8, 8), (9, 23), (40, 16)])
def test_synthetic_shape(shape):
    ds = tutorial.synthetic(shape=shape, days=1)
    assert (ds.sizes["latitude"], ds.sizes["longitude"]) == shape


def test_synthetic_days_and_step():
    ds = tutorial.synthetic(shape=(8, 8), days=2, step_hours=6)
    assert ds.sizes["time"] == 8
    np.testing.assert_array_equal(ds["time"].diff("time"), np.timedelta64(6, "h"))


def test_synthetic_longer_case_continues_the_shorter_one():
    short, long = (tutorial.synthetic(shape=(8, 12), days=days) for days in (2, 3))
    xr.testing.assert_equal(long.isel(time=slice(16)), short)


def test_synthetic_resolution():
    ds = tutorial.synthetic(shape=(8, 12), days=1, resolution=0.25)
    np.testing.assert_allclose(ds["latitude"], 46 - 0.25 * np.arange(8), rtol=0, atol=1e-12)
    np.testing.assert_allclose(ds["longitude"], 3.5 + 0.25 * np.arange(12), rtol=0, atol=1e-12)


def test_synthetic_largest_domain_stays_on_the_globe():
    ds = tutorial.synthetic(shape=(8, 36), days=1, resolution=10)
    assert ds["latitude"].values[0] + 5 <= 90
    with pytest.raises(ValueError, match="`resolution`"):
        tutorial.synthetic(shape=(8, 36), days=1, resolution=10.1)


@pytest.mark.parametrize(
    ("name", "standard_name", "units"),
    [
        ("t2m", "air_temperature", "K"),
        ("orog", "surface_altitude", "m"),
        ("land_fraction", "land_area_fraction", "1"),
        ("latitude", "latitude", "degrees_north"),
        ("longitude", "longitude", "degrees_east"),
        ("time", "time", None),  # xarray keeps the units of time in the encoding
    ],
)
def test_synthetic_attributes(ds, name, standard_name, units):
    assert ds[name].attrs["standard_name"] == standard_name
    assert ds[name].attrs.get("units") == units
    assert ds[name].attrs["long_name"]


def test_synthetic_follows_cf(ds):
    assert [ds[dim].attrs["axis"] for dim in ("time", *GRID)] == ["T", "Y", "X"]
    assert ds["t2m"].attrs["cell_methods"] == "time: point"
    assert ds.attrs["Conventions"] == "CF-1.8"
    assert ds.attrs["title"]
    assert ds.attrs["source"] == "xr_dl4ds.tutorial.synthetic"
    assert "shape=(64, 96), days=30, step_hours=3, resolution=0.1, seed=0" in ds.attrs["history"]
    assert ds.attrs["comment"].startswith("Synthetic")


def test_synthetic_goes_to_netcdf_and_back(ds, tmp_path):
    first = ds.isel(time=slice(3))
    first.to_netcdf(tmp_path / "case.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "case.nc", engine="netcdf4") as actual:
        xr.testing.assert_identical(actual.load(), first)
    with xr.open_dataset(tmp_path / "case.nc", engine="netcdf4", decode_cf=False) as raw:
        assert raw["time"].attrs["units"] == "hours since 2001-01-01"
        assert not [name for name in raw.variables if "_FillValue" in raw[name].attrs]


@pytest.mark.parametrize("seed", range(6))
def test_synthetic_has_a_coast_and_mountains(seed):
    ds = tutorial.synthetic(days=1, seed=seed)
    land, orog = ds["land_fraction"], ds["orog"]
    assert land.min() == 0
    assert land.max() == 1
    assert 0.2 < (land < 0.5).mean() < 0.5
    assert 0.02 < ((land > 0) & (land < 1)).mean() < 0.25
    assert orog.min() == 0
    assert float(orog.max()) == pytest.approx(2400)
    assert 150 < orog.where(land == 1).median() < 1000
    assert (orog.where(land < 0.49, 0) == 0).all()
    # the sea is in the west
    west, east = land.isel(longitude=slice(20)), land.isel(longitude=slice(-20, None))
    assert west.mean() < east.mean()


@pytest.mark.parametrize("seed", [0, 3])
def test_synthetic_lapse_rate_over_land(seed):
    ds = tutorial.synthetic(seed=seed)
    flat = ds.mean("time").stack(cell=GRID)
    flat = flat.isel(cell=flat["land_fraction"].values == 1)
    north, east = flat["latitude"] - 45, flat["longitude"] - 5
    predictors = np.stack([flat["orog"], north, east, xr.ones_like(north)], axis=-1)
    lapse, gradient, *_ = np.linalg.lstsq(predictors, flat["t2m"].values, rcond=None)[0]
    # K/m; cold pools, which fill valleys by night, take a little from the 6.5 K/km
    assert lapse == pytest.approx(-tutorial.LAPSE_RATE, abs=0.6e-3)
    assert gradient == pytest.approx(tutorial.MERIDIONAL_GRADIENT, abs=0.4)


@pytest.mark.parametrize("seed", [0, 3])
def test_synthetic_diurnal_cycle_is_larger_over_land(seed):
    ds = tutorial.synthetic(seed=seed)
    cycle = by_hour(ds["t2m"])
    amplitude = (cycle.max("hour") - cycle.min("hour")) / 2
    land = float(amplitude.where(ds["land_fraction"] == 1).mean())
    sea = float(amplitude.where(ds["land_fraction"] == 0).mean())
    assert 2 < land < 5
    assert 0.3 < sea < 0.8  # 0.4 K, and what a month of weather leaves


def test_synthetic_diurnal_cycle_follows_the_sun():
    # 15 degrees of longitude are an hour: the warmest hour in UTC falls by 1/15 h per degree
    ds = tutorial.synthetic(shape=(16, 96), days=60, step_hours=1, resolution=0.5)
    land = ds["t2m"].where((ds["land_fraction"] == 1) & (ds["orog"] < 800)).mean("latitude")
    turn = np.exp(2j * np.pi * ds["time"].dt.hour / 24)
    phase = np.angle((land * turn).mean("time").dropna("longitude"))
    longitude = land.mean("time").dropna("longitude")["longitude"]
    hour = np.unwrap(phase) * 24 / (2 * np.pi)
    slope, noon = np.polyfit(longitude, hour, 1)
    assert slope == pytest.approx(-1 / 15, abs=0.015)
    assert noon % 24 == pytest.approx(15, abs=0.5)


@pytest.mark.parametrize("seed", [0, 3])
def test_synthetic_weather_moves_east_with_sharp_cold_fronts(seed):
    ds = tutorial.synthetic(seed=seed)
    anomaly = ds["t2m"].groupby("time.hour") - by_hour(ds["t2m"])
    west = anomaly.isel(longitude=slice(8)).mean(GRID).values
    east = anomaly.isel(longitude=slice(-8, None)).mean(GRID).values
    match = {
        lag: np.corrcoef(
            west[max(-lag, 0) : 228 - max(lag, 0)], east[max(lag, 0) : 228 + min(lag, 0)]
        )
        for lag in range(-12, 13)
    }
    # 88 columns of 0.1 degrees at 45 N are 690 km: 19 h, between 6 and 7 steps, at 36 km/h
    assert max(match, key=lambda lag: match[lag][0, 1]) in (5, 6, 7, 8)
    change = ds["t2m"].where(ds["land_fraction"] == 0).diff("time")
    assert -change.quantile(0.001) > 2 * change.quantile(0.999)
    assert 1.5 < anomaly.std() < 4


@pytest.mark.parametrize("seed", [0, 3])
def test_synthetic_detail_depends_on_the_weather(seed):
    ds = tutorial.synthetic(seed=seed)
    detail = ds["t2m"] - interpolated_block_means(ds["t2m"], 4)
    static = rms(detail - detail.mean("time"))
    diurnal = rms(detail.groupby("time.hour") - by_hour(detail))
    # each step explains more, and what is left is not yet the noise
    assert 0.8 < rms(detail) < 1.6
    assert static < 0.6 * rms(detail)
    assert 2.5 * tutorial.NOISE < diurnal < 0.85 * static


def test_synthetic_valleys_fill_with_cold_air_at_night(ds):
    detail = by_hour(ds["t2m"] - interpolated_block_means(ds["t2m"], 4))
    night, day = detail.sel(hour=3), detail.sel(hour=15)
    below = interpolated_block_means(ds["orog"], 4) - ds["orog"]
    low = (below > 150) & (ds["land_fraction"] == 1)
    assert low.sum() > 50
    # by day a valley is warmer than its surroundings, by night cold air has taken that away
    assert day.where(low).mean() > 1
    assert night.where(low).mean() < 0.3 * day.where(low).mean()


@pytest.mark.parametrize(
    ("option", "value", "cure"),
    [
        ("shape", (7, 96), r"two whole numbers >= 8, got \(7, 96\). Use \(rows, columns\)"),
        ("shape", (64,), r"two whole numbers >= 8, got \(64,\)"),
        ("shape", 64, "two whole numbers >= 8, got 64"),
        ("shape", (64.0, 96), "two whole numbers >= 8"),
        ("days", 0, "a whole number >= 1, got 0. Use 30"),
        ("days", 1.5, "a whole number >= 1, got 1.5"),
        ("days", True, "a whole number >= 1, got True"),
        ("step_hours", 5, "a divisor of 24, got 5. Use 1, 2, 3, 4, 6, 8, 12 or 24"),
        ("step_hours", 48, "a divisor of 24, got 48"),
        ("step_hours", 0, "a divisor of 24, got 0"),
        ("step_hours", 0.5, "a divisor of 24, got 0.5"),
        ("seed", -1, "a whole number >= 0, got -1. Use 0"),
        ("seed", None, "a whole number >= 0, got None"),
        ("resolution", 0, "> 0 and <= 1.25 degrees, got 0. Use finer or fewer cells"),
        ("resolution", 1.3, "> 0 and <= 1.25 degrees, got 1.3"),  # 80 / 64
        ("resolution", float("nan"), "> 0 and <= 1.25 degrees, got nan"),
        ("resolution", "0.1", "> 0 and <= 1.25 degrees, got '0.1'"),
    ],
)
def test_synthetic_refuses(option, value, cure):
    with pytest.raises(ValueError, match=f"Expected `{option}` to be {cure}"):
        tutorial.synthetic(**{option: value})


def test_synthetic_of_a_resolution_as_an_integer():
    assert tutorial.synthetic(shape=(8, 8), days=1, resolution=1).sizes["time"] == 8


# --- open_dataset: a real server on the loopback, pooch unmocked ------------------------------


class _Handler(http.server.BaseHTTPRequestHandler):
    """Serves a folder by the last part of the path and notes what was asked for."""

    def do_GET(self):
        self.server.requests.append(self.path)
        file = self.server.folder / self.path.rsplit("/", 1)[-1]
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        content = file.read_bytes() if file.exists() and status == 200 else b""
        self.send_response(status if content or status != 200 else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


def _serve(folder: pathlib.Path) -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.folder, server.requests, server.statuses = folder, [], []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def dead() -> str:
    """Return an address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def cache(tmp_path, monkeypatch, dead) -> pathlib.Path:
    """Keep the test offline, quick, and out of the user's cache."""
    monkeypatch.setattr(tutorial, "_GITHUB", dead)
    monkeypatch.setattr(tutorial, "_RETRIES", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XR_DL4DS_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("XR_DL4DS_DATA_URL", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def mirror(tmp_path, monkeypatch, cache):
    """Serve the file of one more example, "tiny"."""
    folder = tmp_path / "served"
    folder.mkdir()
    xr.Dataset({"a": ("x", [1.0, 2.0, 3.0])}).to_netcdf(folder / "tiny.nc", engine="netcdf4")
    content = (folder / "tiny.nc").read_bytes()
    entry = (
        "owner/repo/raw/c0ffee",
        "deep/tiny.nc",
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    monkeypatch.setitem(tutorial._FILES, "tiny", entry)
    for server in _serve(folder):
        monkeypatch.setenv("XR_DL4DS_DATA_URL", server.url)
        yield server


@pytest.fixture
def originals(monkeypatch, cache):
    if not ORIGINALS.is_dir():
        pytest.skip("the folder ../shared/data/originals is absent")
    for server in _serve(ORIGINALS):
        monkeypatch.setenv("XR_DL4DS_DATA_URL", server.url)
        yield server


def first_value() -> float:
    with tutorial.open_dataset("tiny") as tiny:
        return float(tiny["a"][0])


def test_names():
    assert tutorial.names() == ("era5_uk", "eraint_uvz", "lambert", "tmerc")


@pytest.mark.parametrize("name", tutorial.names())
def test_registry_is_flat_and_pinned(name):
    root, path, size, sha256 = tutorial._FILES[name]
    owner, repository, raw, commit = root.split("/")[:4]
    assert owner
    assert repository
    assert raw == "raw"
    assert len(commit) == 40
    assert len(sha256) == 64
    assert size > 100_000
    files = [pathlib.PurePosixPath(entry[1]).name for entry in tutorial._FILES.values()]
    assert files.count(pathlib.PurePosixPath(path).name) == 1


def test_first_fetch_downloads_and_second_does_not(mirror, cache):
    assert first_value() == 1
    assert mirror.requests == ["/tiny.nc"]
    assert [p.name for p in cache.iterdir()] == ["tiny.nc"]
    assert first_value() == 1
    assert len(mirror.requests) == 1


def test_cached_file_needs_no_source(mirror, monkeypatch, dead):
    first_value()
    monkeypatch.setenv("XR_DL4DS_DATA_URL", dead)
    assert first_value() == 1


def test_corrupted_cache_is_downloaded_again(mirror, cache):
    cache.mkdir()
    (cache / "tiny.nc").write_bytes(b"half a file")
    assert first_value() == 1
    assert mirror.requests == ["/tiny.nc"]


def test_wrong_content_is_refused_and_not_kept(mirror, cache):
    (mirror.folder / "tiny.nc").write_bytes(b"something else")
    with pytest.raises(OSError, match=r"No source has (.|\n)*hash"):
        tutorial.open_dataset("tiny")
    assert mirror.requests == ["/tiny.nc"]
    assert list(cache.iterdir()) == []


def test_missing_file_is_reported_with_its_status(mirror, cache):
    (mirror.folder / "tiny.nc").unlink()
    with pytest.raises(OSError, match="404"):
        tutorial.open_dataset("tiny")
    assert list(cache.iterdir()) == []


def test_dead_sources_give_instructions(mirror, monkeypatch, cache, dead):
    monkeypatch.setenv("XR_DL4DS_DATA_URL", f"{dead}/mirror/")
    with pytest.raises(OSError, match=r"No source has tiny\.nc") as caught:
        tutorial.open_dataset("tiny")
    message = str(caught.value)
    root, path, size, sha256 = tutorial._FILES["tiny"]
    for part in (
        f"{size} bytes, sha256 {sha256}",
        f"Put the file into {cache}",
        "XR_DL4DS_DATA_DIR to its folder",
        "XR_DL4DS_DATA_URL to the address of a mirror",
        f"{dead}/mirror/tiny.nc: ConnectionError",
        f"{dead}/{root}/{path}: ConnectionError",
    ):
        assert part in message


def test_file_put_by_hand_where_the_error_says(mirror, monkeypatch, cache, dead):
    monkeypatch.setenv("XR_DL4DS_DATA_URL", dead)
    cache.mkdir()
    (cache / "tiny.nc").write_bytes((mirror.folder / "tiny.nc").read_bytes())
    assert first_value() == 1
    assert mirror.requests == []


def test_dead_mirror_falls_back_to_the_pinned_commit(mirror, monkeypatch, dead):
    monkeypatch.setattr(tutorial, "_GITHUB", mirror.url)
    monkeypatch.setenv("XR_DL4DS_DATA_URL", dead)
    assert first_value() == 1
    assert mirror.requests == ["/owner/repo/raw/c0ffee/deep/tiny.nc"]


def test_no_mirror_goes_to_the_pinned_commit(mirror, monkeypatch):
    monkeypatch.setattr(tutorial, "_GITHUB", mirror.url)
    monkeypatch.delenv("XR_DL4DS_DATA_URL")
    assert first_value() == 1
    assert mirror.requests == ["/owner/repo/raw/c0ffee/deep/tiny.nc"]


def test_several_mirrors_are_tried_in_order(mirror, monkeypatch, dead):
    monkeypatch.setenv("XR_DL4DS_DATA_URL", f"{dead} {mirror.url}/a/b")
    assert first_value() == 1
    assert mirror.requests == ["/a/b/tiny.nc"]


def test_address_that_is_none_is_one_more_failure(mirror, monkeypatch):
    monkeypatch.setenv("XR_DL4DS_DATA_URL", "nowhere")
    with pytest.raises(OSError, match=r"nowhere/tiny.nc: ValueError"):
        tutorial.open_dataset("tiny")


def test_last_source_is_tried_again(mirror, monkeypatch):
    monkeypatch.setattr(tutorial, "_GITHUB", mirror.url)
    monkeypatch.setattr(tutorial, "_RETRIES", 1)
    monkeypatch.delenv("XR_DL4DS_DATA_URL")
    mirror.statuses.append(503)
    assert first_value() == 1
    assert len(mirror.requests) == 2


def test_mirror_is_not_tried_again(mirror, monkeypatch):
    monkeypatch.setattr(tutorial, "_GITHUB", mirror.url)
    monkeypatch.setattr(tutorial, "_RETRIES", 1)
    mirror.statuses.append(503)
    assert first_value() == 1
    assert mirror.requests == ["/tiny.nc", "/owner/repo/raw/c0ffee/deep/tiny.nc"]


def test_path_goes_before_the_environment(mirror, cache, tmp_path):
    tutorial.open_dataset("tiny", path=tmp_path / "mine").close()
    assert (tmp_path / "mine" / "tiny.nc").exists()
    assert not cache.exists()
    tutorial.open_dataset("tiny", path=str(tmp_path / "mine")).close()
    assert len(mirror.requests) == 1


def test_without_either_the_file_goes_to_the_users_cache(mirror, monkeypatch, tmp_path):
    monkeypatch.delenv("XR_DL4DS_DATA_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert first_value() == 1
    if sys.platform == "linux":
        assert (tmp_path / "home" / "xr_dl4ds" / "tiny.nc").exists()


def test_chunks(mirror):
    with tutorial.open_dataset("tiny") as tiny:
        assert tiny["a"].chunks is None
    with tutorial.open_dataset("tiny", chunks={"x": 2}) as tiny:
        assert tiny["a"].chunks == ((2, 1),)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (
            "era5_ku",
            r"Expected one of \('era5_uk', .*'tmerc'\), got 'era5_ku'. Did you mean 'era5_uk'",
        ),
        ("lambda", "got 'lambda'. Did you mean 'lambert'"),
        ("zzz", r"got 'zzz'.$"),
        (3, r"got 3.$"),
    ],
)
def test_unknown_name(cache, name, hint):
    with pytest.raises(ValueError, match=hint):
        tutorial.open_dataset(name)


def test_missing_cfgrib_names_the_extra_before_any_download(mirror, monkeypatch):
    monkeypatch.setitem(sys.modules, "cfgrib", None)
    with pytest.raises(ImportError, match=r"cfgrib, got: .*the extra 'grib': pip install cfgrib"):
        tutorial.open_dataset("era5_uk")
    assert mirror.requests == []


def test_tidy_leaves_data_and_one_time():
    hours = np.datetime64("2019-03-01", "ns") + np.arange(2) * np.timedelta64(1, "h")
    grib = xr.Dataset(
        {
            "t2m": (
                ("time", "latitude"),
                [[280.0, 281.0], [282.0, 283.0]],
                {"GRIB_paramId": 167, "standard_name": "unknown", "units": "K", "long_name": "t"},
            )
        },
        {
            "time": ("time", hours, {"standard_name": "forecast_reference_time"}),
            "valid_time": ("time", hours, {"standard_name": "time", "long_name": "time"}),
            "latitude": ("latitude", [58.0, 57.0], {"units": "degrees_north"}),
            "number": 0,
            "step": np.timedelta64(0, "ns"),
            "surface": 0.0,
        },
        {"GRIB_edition": 1, "institution": "ECMWF"},
    )
    grib["t2m"].encoding["coordinates"] = "number step surface valid_time"
    expected = xr.Dataset(
        {"t2m": (grib["t2m"].dims, grib["t2m"].values, {"units": "K", "long_name": "t"})},
        {
            "time": ("time", hours, {"standard_name": "time", "long_name": "time", "axis": "T"}),
            "latitude": grib["latitude"],
        },
        {"institution": "ECMWF"},
    ).drop_vars(["number", "step", "surface"], errors="ignore")
    actual = tutorial._tidy(grib)
    xr.testing.assert_identical(actual, expected)
    assert "coordinates" not in actual["t2m"].encoding


@pytest.mark.filterwarnings("ignore:variable .* has non-conforming:xarray.SerializationWarning")
@pytest.mark.parametrize(
    ("name", "file", "variable", "sizes"),
    [
        ("eraint_uvz", "eraint_uvz.nc", "u", (2, 3, 241, 480)),
        ("lambert", "test_lcc.nc", "tas", (12, 60, 60)),
        ("tmerc", "tmean_1910_1910.nc", "tmean", (1, 290, 180)),
    ],
)
def test_real_files(originals, cache, name, file, variable, sizes):
    with tutorial.open_dataset(name) as ds:
        assert ds[variable].shape == sizes
        assert np.isfinite(ds[variable]).any()
    assert originals.requests == [f"/{file}"]
    assert (cache / file).stat().st_size == tutorial._FILES[name][2]
    tutorial.open_dataset(name).close()
    assert len(originals.requests) == 1


def test_real_grib_file(originals, cache):
    pytest.importorskip("cfgrib", reason="the grib extra is not installed")
    with tutorial.open_dataset("era5_uk", chunks={"time": 100}) as ds:
        assert dict(ds.sizes) == {"time": 744, "latitude": 33, "longitude": 49}
        assert ds["t2m"].dims == ("time", "latitude", "longitude")
        assert set(ds.coords) == {"time", "latitude", "longitude"}
        assert ds["t2m"].chunks[0] == (100,) * 7 + (44,)
        assert ds["t2m"].attrs == {"units": "K", "long_name": "2 metre temperature"}
        assert ds["time"].attrs["standard_name"] == "time"
        assert not [key for key in ds.attrs if key.startswith("GRIB_")]
        assert 260 < ds["t2m"].min() < ds["t2m"].max() < 300
    assert originals.requests == ["/era5-2mt-2019-03-uk.grib"]
    assert [p.name for p in cache.iterdir()] == ["era5-2mt-2019-03-uk.grib"]  # no index
