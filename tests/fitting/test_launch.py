"""``fit(workers=2)``: real processes where Horovod is installed, what surrounds them everywhere."""

import importlib.util
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic, hears_signals
from xr_dl4ds.exceptions import GridError, LostWorkerError, TrainingError
from xr_dl4ds.fitting import launch

ROOT = pathlib.Path(__file__).parents[2]
OPTIONS = {
    "scale": 2,
    "epochs": 2,
    "n_filters": 4,
    "n_blocks": 1,
    "batch_size": 3,
    "precision": "float32",
    "verbose": False,
}


@pytest.fixture
def hr():
    return analytic(time=12)[["t2m"]]


@pytest.fixture
def alone(monkeypatch):
    """Horovod is there, and no process is started: a function stands in for it."""
    found = importlib.util.find_spec

    def horovod_too(name):  # imports of TensorFlow look for others
        return object() if name == "horovod" else found(name)

    monkeypatch.setattr(importlib.util, "find_spec", horovod_too)

    def instead(launched):
        monkeypatch.setattr(launch, "_launched", launched)

    return instead


# --- before any process is started ----------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, -1, 2.0, True, "2"])
def test_workers_are_a_whole_number(hr, workers):
    with pytest.raises(ValueError, match=r"Expected `workers` to be a whole number >= 1, got"):
        hr.downscale.fit(**OPTIONS, workers=workers)


def test_workers_start_no_workers(hr, monkeypatch):
    monkeypatch.setenv("HOROVOD_SIZE", "4")
    message = r"one of several already \(HOROVOD_SIZE=4\), got 2\. Leave it out"
    with pytest.raises(ValueError, match=message):
        hr.downscale.fit(**OPTIONS, workers=2)


def test_without_horovod_its_cure_is_named(hr, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = r"Expected Horovod for workers=2, which is not installed\. Build .*make horovod"
    with pytest.raises(ImportError, match=message):
        hr.downscale.fit(**OPTIONS, workers=2)


def test_wrong_options_start_nothing(hr, alone):
    alone(lambda folder, workers: pytest.fail("a process was started"))
    with pytest.raises(TypeError, match="epoch"):
        hr.downscale.fit(**OPTIONS, epoch=3, workers=2)


def test_data_of_a_cluster_are_told(hr, alone):
    from distributed import Client

    alone(lambda folder, workers: pytest.fail("a process was started"))
    with Client(processes=False, n_workers=1, dashboard_address=None):
        there = hr.chunk(time=4).persist()
        with pytest.raises(ValueError, match=r"persisted in a dask.distributed Client\. Pass them"):
            there.downscale.fit(**OPTIONS, workers=2)


# --- what travels ---------------------------------------------------------------------------------


def test_arrays_arrive_as_maps_of_a_file_and_lazy_ones_as_they_are(hr, tmp_path):
    path = tmp_path / "hr.nc"
    hr.to_netcdf(path, engine="netcdf4")
    with xr.open_dataset(path, engine="netcdf4", chunks={"time": 4}) as lazy:
        launch._pack({"memory": hr, "lazy": lazy, "text": "a"}, tmp_path)
    found = launch._unpack(tmp_path)
    xr.testing.assert_identical(found["memory"], hr)
    assert not found["memory"].t2m.data.flags.owndata
    assert not found["memory"].t2m.data.flags.writeable
    assert found["lazy"].t2m.chunks[0] == (4, 4, 4)
    xr.testing.assert_identical(found["lazy"].compute(), hr)
    stored = (tmp_path / "job").stat().st_size
    assert stored < hr.t2m.nbytes + 20_000  # the values of neither


def test_nothing_in_memory_needs_no_map(tmp_path):
    launch._pack(("a", 1), tmp_path)
    assert launch._unpack(tmp_path) == ("a", 1)


# --- how it ends ----------------------------------------------------------------------------------


def test_the_error_of_a_worker_is_raised_here(hr, alone):
    def fails(folder, workers):
        os.environ["HOROVOD_SIZE"], os.environ["HOROVOD_RANK"] = "2", "1"
        try:
            with pytest.raises(SystemExit):
                launch.work(folder)
        finally:
            del os.environ["HOROVOD_SIZE"], os.environ["HOROVOD_RANK"]
        return 1, ["Process name: 1", "Exit code: 1"]

    alone(fails)
    with pytest.MonkeyPatch.context() as patch:

        def wrong(*args):
            raise GridError("Expected something else.")

        patch.setattr("xr_dl4ds.training.workers.Workers.current", lambda: None)
        patch.setattr(launch, "fit", wrong)
        with pytest.raises(GridError, match="Expected something else") as raised:
            hr.downscale.fit(**OPTIONS, workers=2)
    assert raised.value.__notes__ == ["This was raised by worker 1."]


@pytest.mark.parametrize(
    ("code", "reason"), [(137, "SIGKILL"), (-9, "SIGKILL"), (143, "SIGTERM"), (3, "exit code 3")]
)
def test_a_lost_worker_is_named(hr, alone, code, reason):
    alone(lambda folder, workers: (1, ["", f"Process name: 1\nExit code: {code}", ""]))
    message = rf"Expected 2 workers to train to the end, got worker 1 ended by {reason}\. .*checkp"
    with pytest.raises(LostWorkerError, match=message):
        hr.downscale.fit(**OPTIONS, workers=2)


def test_what_the_launcher_said_is_told_where_no_worker_started(hr, alone):
    alone(lambda folder, workers: (1, ["no such network interface"]))
    with pytest.raises(TrainingError, match=r"from their launcher:\nno such network interface"):
        hr.downscale.fit(**OPTIONS, workers=2)


def test_the_folder_is_removed(hr, alone, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    alone(lambda folder, workers: (1, []))
    with pytest.raises(LostWorkerError):
        hr.downscale.fit(**OPTIONS, workers=2)
    assert list(tmp_path.iterdir()) == []


# --- the processes --------------------------------------------------------------------------------


def program(text, monkeypatch):
    """Run this in place of Horovod's launcher."""
    start = launch.subprocess.Popen
    monkeypatch.setattr(
        launch.subprocess,
        "Popen",
        lambda command, **how: start([sys.executable, "-c", text, *command[3:]], **how),
    )


def test_only_the_first_worker_is_heard(tmp_path, monkeypatch, capsys):
    said = (
        "[0]<stderr>:E0000 00:00:1795307269.207519 a note\n[0]<stderr>:fit:  50%\r"
        "[1]<stderr>:other\n[0]<stderr>:fit: 100%\n[10]<stdout>:more\n"
        "[0]<stdout>:done\nProcess 1 exit with status code 3.\n"
    )
    program(f"import sys; sys.stdout.write({said!r}); sys.exit(3)", monkeypatch)
    code, last = launch._launched(tmp_path, 2)
    assert code == 3
    assert capsys.readouterr().err == "fit:  50%\rfit: 100%\ndone\n"
    assert last[-1] == "Process 1 exit with status code 3."
    assert "[1]<stderr>:other" in last


def test_an_interrupt_ends_the_launcher(tmp_path, monkeypatch):
    mark = tmp_path / "ended"
    program(
        f"""
import pathlib, signal, sys, time

def end(*_):
    pathlib.Path({str(mark)!r}).touch()
    sys.exit()

signal.signal(signal.SIGTERM, end)
print("[0]<stderr>:ready", flush=True)
time.sleep(60)
""",
        monkeypatch,
    )

    def stop(process, said):
        os.read(process.stdout.fileno(), 100)
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "_pass_on", stop)
    with pytest.raises(KeyboardInterrupt):
        launch._launched(tmp_path, 2)
    assert mark.exists()


# --- real ones ------------------------------------------------------------------------------------


@pytest.fixture
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.horovod
@pytest.mark.usefixtures("importable")
@pytest.mark.parametrize("kind", ["numpy", pytest.param("dask", marks=pytest.mark.slow)])
def test_two_workers_train_as_one_with_both_batches(hr, kind, capsys, tmp_path):
    given = {**OPTIONS, "optimizer": "sgd", "lr_warmup": 0, "learning_rate": 0.005}
    if kind == "dask":
        hr.to_netcdf(tmp_path / "hr.nc", engine="netcdf4")
        hr = xr.open_dataset(tmp_path / "hr.nc", engine="netcdf4", chunks={"time": 5})
    two = hr.downscale.fit(**{**given, "verbose": True}, workers=2)
    assert "fit: 100%" in capsys.readouterr().err
    one = hr.downscale.fit(**{**given, "batch_size": 6, "learning_rate": 0.01})
    for a, b in zip(two.network.get_weights(), one.network.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    np.testing.assert_allclose(two.history.val_loss, one.history.val_loss, rtol=1e-4)
    lr = hr.downscale.coarsen(2)
    assert isinstance(two, xd.Downscaler)
    xr.testing.assert_allclose(
        lr.downscale.predict(two).compute(), lr.downscale.predict(one).compute(), atol=1e-3
    )


@pytest.mark.slow
@pytest.mark.horovod
@pytest.mark.usefixtures("importable")
def test_wrong_data_are_told_here(hr):
    hr = hr.isel(latitude=slice(1, None))
    with pytest.raises(GridError, match="trim=True") as raised:
        hr.downscale.fit(**OPTIONS, workers=2)
    assert "raised by worker" in raised.value.__notes__[0]


def suicide(x, network):
    """A backbone whose building kills worker 1, by value from here."""
    if os.environ.get("HOROVOD_RANK") == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    return x


@pytest.mark.horovod
@pytest.mark.usefixtures("importable")
def test_a_killed_worker_is_named(hr, monkeypatch):
    monkeypatch.setitem(launch.CUSTOM_BACKBONES, "suicide", suicide)
    with pytest.raises(LostWorkerError, match="got worker 1 ended by SIGKILL"):
        hr.downscale.fit(**{**OPTIONS, "backbone": "suicide", "n_blocks": None}, workers=2)


CALLER = """
import sys
from tests.conftest import analytic, hears_signals
from tests.test_launching import OPTIONS

hr = analytic(time=12)[["t2m"]]
hr.downscale.fit(**{**OPTIONS, "epochs": 100_000, "checkpoint": sys.argv[1]}, workers=2)
"""


@pytest.mark.slow
@pytest.mark.horovod
@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])  # Windows has no SIGKILL
def test_nothing_is_left_of_a_caller_that_ends(tmp_path, name):
    import psutil

    by = getattr(signal, name)
    folder, kept = tmp_path / "tmp", tmp_path / "kept"
    folder.mkdir()
    environment = {**os.environ, "TMPDIR": str(folder), "CUDA_VISIBLE_DEVICES": ""}
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, str(kept)],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        preexec_fn=hears_signals,
    )
    deadline = time.monotonic() + 120
    while not (kept / "training.npz").exists() and caller.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    started = psutil.Process(caller.pid).children(recursive=True)
    assert len(started) >= 3  # launcher and workers, and what is between them
    caller.send_signal(by)
    said = caller.communicate(timeout=60)[1].decode()
    assert caller.returncode == -by, said  # Python ends itself by SIGINT after KeyboardInterrupt
    _, alive = psutil.wait_procs(started, timeout=45)
    assert alive == []
    assert [path for path in folder.iterdir() if path.name.startswith("xr_dl4ds-")] == []


def test_errors_can_travel():
    error = LostWorkerError("Expected 2 workers")
    assert str(pickle.loads(pickle.dumps(error))) == "Expected 2 workers"
