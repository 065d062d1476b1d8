"""Small fields that every test may use, numpy and chunked; real files, where they are."""

import pyproj  # noqa: F401, I001  must precede eccodes
import argparse
import collections
import contextlib
import importlib.util
import os
import pathlib
import re
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

import dask
import hypothesis
import numpy as np
import pytest
import wrapt
import xarray as xr

import xr_dl4ds  # noqa: F401  registers .downscale

#: How many examples a property test tries; `make test-full` chooses the profile "full". Examples
#: are the same in each run. There is no deadline, because the first example may build a network.
for _profile, _examples in {"first": 25, "full": 200}.items():
    hypothesis.settings.register_profile(
        _profile,
        max_examples=_examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[
            hypothesis.HealthCheck.too_slow,
            hypothesis.HealthCheck.data_too_large,
        ],
    )
hypothesis.settings.load_profile("first")

#: Set by `make test-horovod`: there a test that Horovod is missing for must fail.
HOROVOD_EXPECTED = "XR_DL4DS_HOROVOD"
#: How such a skip is worded, here and by `pytest.importorskip`.
NO_HOROVOD = "Horovod is not installed|could not import 'horovod"

#: Real data beside the project, see its README; tests that need a file skip without it.
DATA = pathlib.Path(__file__).parents[2] / "shared" / "data"


#: Marks of the tiers beside the first one, which has none.
TIERS = ("slow", "full", "horovod")
#: For `tests.test_tiers`: file, function, marks of tiers, and part of a week, of each test that was
#: collected.
COLLECTED = pytest.StashKey()
#: Set where none of the tests that are selected is in the part that is asked for.
EMPTY = pytest.StashKey()


def pytest_addoption(parser):
    """Add `--part`, by which several runs share the slow tests."""
    told = "of the slow tests, run the K-th of N parts"
    parser.addoption("--part", metavar="K/N", type=part_of, help=told)


def part_of(text):
    """Return the numbers K and N of `--part`."""
    found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text.strip())
    part, n = map(int, found.groups()) if found else (1, 0)
    if part > n:
        raise argparse.ArgumentTypeError(f"Expected a part from 1/N to N/N, got {text!r}.")
    return part, n


def undivided(item):
    """Return the name of what one part runs whole: the file of a test, as its tests share models.

    Tests that start jobs of their own share nothing, and are divided one by one.
    """
    return item.nodeid if item.get_closest_marker("horovod") else item.nodeid.split("::")[0]


def parts_of(items, n):
    """Return the part, 1 to `n`, of each test marked `slow`, by what is not divided."""
    units = sorted({undivided(item) for item in items if item.get_closest_marker("slow")})
    return {unit: i % n + 1 for i, unit in enumerate(units)}


def _thin_out(items):
    """Leave each n-th case of tests marked `sparse(n)` in the first tier, the rest in the full."""
    seen = collections.Counter()
    for item in items:
        mark = item.get_closest_marker("sparse")
        if mark:
            name = item.nodeid.split("[")[0]
            if seen[name] % mark.args[0]:
                item.add_marker("full")
            seen[name] += 1


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config, items):
    """Skip tests marked `horovod` where Horovod is missing; keep one part of what -m selects."""
    _thin_out(items)
    week = parts_of(items, 7)
    config.stash[COLLECTED] = {
        (
            item.path,
            item.name.split("[")[0],
            tuple(t for t in TIERS if item.get_closest_marker(t)),
            week.get(undivided(item)),
        )
        for item in items
    }
    part, n = config.getoption("--part") or (1, 1)
    parts = parts_of(items, n)
    _skip_without_horovod(items)
    yield
    others = [item for item in items if parts.get(undivided(item), part) != part]
    if others:
        config.stash[EMPTY] = len(others) == len(items)
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if parts.get(undivided(item), part) == part]


def _skip_without_horovod(items):
    if os.environ.get(HOROVOD_EXPECTED) == "1" or importlib.util.find_spec("horovod"):
        return
    skip = pytest.mark.skip(reason="Horovod is not installed (make horovod)")
    for item in items:
        if item.get_closest_marker("horovod"):
            item.add_marker(skip)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Take over from a worker of pytest-xdist whether its part is empty."""
    if getattr(node, "workeroutput", {}).get("empty"):
        node.config.stash[EMPTY] = True


def pytest_sessionfinish(session, exitstatus):
    """End well where there are more parts than tests, and this part has none."""
    if session.config.stash.get(EMPTY, False):
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["empty"] = True
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK


def pytest_terminal_summary(terminalreporter, config):
    """Say that a part is empty."""
    if config.stash.get(EMPTY, False):
        part, n = config.getoption("--part")
        terminalreporter.write_line(f"There are fewer tests than parts: {part}/{n} has none.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where Horovod is expected, a test that skips for want of it fails."""
    report = yield
    if report.skipped and os.environ.get(HOROVOD_EXPECTED) == "1":
        reason = str(call.excinfo.value) if call.excinfo else ""
        if item.get_closest_marker("horovod") and re.search(NO_HOROVOD, reason):
            report.outcome, report.longrepr = "failed", f"{HOROVOD_EXPECTED}=1, but {reason}"
    return report


def analytic(time=8, y=8, x=12, seed=0):
    """A smooth, moving temperature field (K) over a static hill, descending latitude."""
    rng = np.random.default_rng(seed)
    lat, lon = 50.0 - 0.25 * np.arange(y), 5.0 + 0.25 * np.arange(x)
    hill = 800 * np.exp(-(((np.arange(y) - y / 2) / 2) ** 2)[:, None]) * np.ones(x)
    hill = hill + 100 * rng.random((y, x))
    phase = 2 * np.pi * (np.arange(x) / x)[None, None] + np.arange(time)[:, None, None] / 2
    t2m = 280 + 5 * np.sin(phase) - 0.0065 * hill + 0.1 * rng.random((time, y, x))
    return xr.Dataset(
        {
            "t2m": (
                ("time", "latitude", "longitude"),
                t2m.astype("f4"),
                {
                    "standard_name": "air_temperature",
                    "long_name": "2 metre temperature",
                    "units": "K",
                    "cell_methods": "time: point",
                },
            ),
            "orog": (
                ("latitude", "longitude"),
                hill.astype("f4"),
                {"standard_name": "surface_altitude", "units": "m"},
            ),
        },
        coords={
            "time": np.datetime64("2001-01-01", "ns") + np.arange(time) * np.timedelta64(6, "h"),
            "latitude": ("latitude", lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "longitude": (
                "longitude",
                lon,
                {"standard_name": "longitude", "units": "degrees_east"},
            ),
        },
        attrs={"title": "analytic test field", "Conventions": "CF-1.8"},
    )


@pytest.fixture
def hr():
    """`t2m` (time 8, latitude 8, longitude 12) and `orog`, in memory."""
    return analytic()


@pytest.fixture(params=[{}, {"time": 3}, {"time": 2, "latitude": 3, "longitude": 5}], ids=str)
def hr_any(request):
    """The same in memory, chunked in time, and chunked in space too."""
    return analytic().chunk(request.param) if request.param else analytic()


@contextlib.contextmanager
def no_compute():
    """Raise when dask computes anything inside."""

    def refuse(*args, **kwargs):
        raise AssertionError("dask computed, where nothing should be computed")

    with dask.config.set(scheduler=refuse):
        yield


@wrapt.when_imported("keras")
def _leave_tracebacks_alone(keras):
    """Do without shorter tracebacks: each call of a layer or an operation would prepare one."""
    import tensorflow as tf

    keras.config.disable_traceback_filtering()
    tf.debugging.disable_traceback_filtering()


@wrapt.when_imported("tensorflow")
def run_eagerly(tf, eagerly=True):
    """Let networks train and predict without graphs: tracing takes most of the time of a few steps.

    Tests with many steps, or about tracing, are marked `traced`.
    """
    tf.config.run_functions_eagerly(eagerly)


@contextlib.contextmanager
def traced():
    """Run TensorFlow functions as graphs inside."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    run_eagerly(tf, False)
    try:
        yield
    finally:
        run_eagerly(tf, before)


@pytest.fixture(autouse=True)
def _traced_where_marked(request):
    with traced() if request.node.get_closest_marker("traced") else contextlib.nullcontext():
        yield


def real(name):
    """A file of the real data, opened with an engine named; skips where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the project")
    return xr.open_dataset(path, engine="netcdf4")


def era5_uk():
    """ERA5 UK on the 32 x 48 cells of the anchor experiment, and its static fields."""
    inner = {"latitude": slice(0, 32), "longitude": slice(0, 48)}
    static = real("uk_static_025.nc")[["orog", "land_fraction"]]
    return real("era5_uk_t2m_hourly.nc").isel(inner), static.isel(inner)


@pytest.fixture
def runs(monkeypatch):
    """Call it with a network: a list of the shapes that this one is applied to from then on.

    Others may still run in threads of dask that an error elsewhere left behind.
    """
    from xr_dl4ds.inference.application import Application

    def of(network):
        shapes, run = [], Application._run

        def noted(self, part, *keys):
            if self.network is network:
                shapes.append(part.shape)
            return run(self, part, *keys)

        monkeypatch.setattr(Application, "_run", noted)
        return shapes

    return of


def hears_signals():
    """For `preexec_fn`: a shell that runs in the background, and `nohup`, have these ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def steps(shapes):
    """How many fields each run was of."""
    return [shape[0] for shape in shapes]
