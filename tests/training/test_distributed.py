"""Jobs as users start them: a script or the program under horovodrun, killed and resumed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from xr_dl4ds.training import checkpoint

pytestmark = pytest.mark.horovod

ROOT = pathlib.Path(__file__).parents[2]
OPTIONS = {
    "scale": 2,
    "n_filters": 4,
    "n_blocks": 1,
    "dropout": "spatial",
    "batch_size": 4,
    "precision": "float32",
    "schedule": "constant",  # can go on with more epochs
    "verbose": False,
}
#: A script that knows nothing of workers; what it sees goes where the test finds it.
SCRIPT = """
import json, os, pathlib, sys
import xr_dl4ds as xd
from tests.conftest import analytic

options = json.loads(sys.argv[1])
hr = analytic(time=40)[["t2m"]]
model = hr.downscale.fit(**options)
model.save("model", overwrite=True)
rank = os.environ.get("HOROVOD_RANK", "0")
found = {"model": model.provenance["model"], "history": model.history.to_dict(data="list")}
pathlib.Path(f"seen-{rank}.json").write_text(json.dumps(found))
"""
PROGRAM = "import sys; from xr_dl4ds.cli import main; sys.exit(main())"


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def started(command, folder, workers=2, **environment):
    """A job of so many workers, from a folder of its own."""
    launcher = [sys.executable, "-m", "horovod.runner.launch", "-np", str(workers), "--gloo"]
    return subprocess.Popen(
        [*(launcher if workers else []), sys.executable, *command],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ran(command, folder, workers=2, code=0, **environment):
    """What it said."""
    process = started(command, folder, workers, **environment)
    said = process.communicate(timeout=240)[0]
    assert process.returncode == code, said
    return said


def seen(folder, workers=2):
    """What each worker has; the same on all."""
    found = [json.loads((folder / f"seen-{rank}.json").read_text()) for rank in range(workers)]
    assert all(one == found[0] for one in found)  # weights, history and even seconds
    return found[0]


def untimed(found):
    columns = found["history"]["data_vars"]
    return {name: columns[name]["data"] for name in columns if name != "seconds"}


def epochs_in(file):
    with np.load(file) as stored:
        return json.loads(str(stored["about"]))["epochs"]


def test_an_unchanged_script_trains_on_all_workers(script, tmp_path):
    given = json.dumps({**OPTIONS, "epochs": 2, "verbose": True})
    said = ran([str(script), given], tmp_path)
    found = seen(tmp_path)
    assert "[0]<stderr>:fit: 100%" in said.replace("\r", "\n")
    assert "[1]<stderr>:fit" not in said
    model = xd.load(tmp_path / "model")
    assert model.provenance["model"] == found["model"]
    lr = analytic(time=4)[["t2m"]].downscale.coarsen(2)
    assert lr.downscale.predict(model).t2m.notnull().all()


def children(process):
    """Processes that descend from it and run the script, by their rank."""
    import psutil

    found = {}
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            environment, command = child.environ(), child.cmdline()
        except psutil.Error:
            continue
        if "HOROVOD_RANK" in environment and "train.py" in " ".join(command[:2]):
            found[int(environment["HOROVOD_RANK"])] = child
    return found


def test_a_killed_worker_ends_the_job_and_the_checkpoint_goes_on(script, tmp_path):
    kept = tmp_path / "kept"
    endless = json.dumps({**OPTIONS, "epochs": 100_000, "checkpoint": str(kept)})
    process = started([str(script), endless], tmp_path)
    deadline = time.monotonic() + 240
    while not (kept / checkpoint.NAME).exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)  # into the next epochs
    children(process)[1].send_signal(signal.SIGKILL)
    begun = time.monotonic()
    said = process.communicate(timeout=60)[0]
    took = time.monotonic() - begun
    assert process.returncode != 0
    assert "Process 1 exit with status code 137" in said
    assert took < 60
    done = epochs_in(kept / checkpoint.NAME)
    assert done >= 1

    more = {**OPTIONS, "epochs": done + 2}
    ran([str(script), json.dumps({**more, "checkpoint": str(kept)})], tmp_path)
    resumed = seen(tmp_path)
    ran([str(script), json.dumps(more)], tmp_path)
    whole = seen(tmp_path)
    assert len(untimed(resumed)["loss"]) == done + 2
    assert untimed(resumed) == untimed(whole)  # bit for bit
    assert resumed["model"] == whole["model"]


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 0), (1, 2), (2, 3)])
def test_another_number_of_workers_goes_on(script, tmp_path, before, after):
    given = {**OPTIONS, "checkpoint": str(tmp_path / "kept")}
    ran([str(script), json.dumps({**given, "epochs": 2})], tmp_path, before)
    first = seen(tmp_path, 1)
    ran([str(script), json.dumps({**given, "epochs": 4})], tmp_path, after)
    found = seen(tmp_path, max(after, 1))
    for name, values in untimed(found).items():
        assert len(values) == 4
        assert values[:2] == untimed(first)[name]
    rates = untimed(found)["learning_rate"]
    assert rates[2] != rates[1]  # of as many workers as there are now


@pytest.mark.slow
def test_a_checkpoint_of_another_training_is_told_by_all(script, tmp_path):
    given = {**OPTIONS, "checkpoint": str(tmp_path / "kept"), "epochs": 1}
    ran([str(script), json.dumps(given)], tmp_path, 1)
    said = ran([str(script), json.dumps({**given, "n_filters": 5})], tmp_path, code=1)
    assert "CheckpointError: Expected a checkpoint of this training" in said


@pytest.mark.slow
def test_early_stopping_is_agreed(script, tmp_path):
    given = {**OPTIONS, "epochs": 50, "early_stopping": True, "patience": 1, "min_delta": 1e6}
    ran([str(script), json.dumps(given)], tmp_path)
    assert len(untimed(seen(tmp_path))["loss"]) == 2


@pytest.mark.slow
def test_other_data_on_a_worker_are_told_before_training(script, tmp_path):
    text = script.read_text().replace("time=40", 'time=40 - int(os.environ["HOROVOD_RANK"])')
    script.write_text(text)
    said = ran([str(script), json.dumps({**OPTIONS, "epochs": 1})], tmp_path, code=1)
    assert "Expected equal samples on all 2 workers, got" in said
    assert "on worker 1" in said


@pytest.mark.slow
def test_one_worker_reads_for_the_statistics(tmp_path, script):
    # lazy data: every chunk is looked at by one worker alone, and then by the one that trains on it
    text = script.read_text().replace(
        'hr = analytic(time=40)[["t2m"]]',
        """hr = analytic(time=40)[["t2m"]].chunk(time=4)
def noted(block):
    if block.size:
        with open(f"read-{os.environ['HOROVOD_RANK']}", "a") as file:
            file.write(f"{float(block.flat[0])}\\\\n")
    return block
hr["t2m"] = hr.t2m.copy(data=hr.t2m.data.map_blocks(noted, dtype="f4", meta=hr.t2m.data._meta))
""",
    )
    script.write_text(text.replace("\\\\n", "\\n"))
    given = {**OPTIONS, "epochs": 1, "cache": "none", "validation": 0}
    ran([str(script), json.dumps(given)], tmp_path)
    reads = [(tmp_path / f"read-{rank}").read_text().split() for rank in range(2)]
    assert [len(set(one)) for one in reads] == [10, 5]  # 10 chunks: all once, and half of them
    assert len(reads[0]) + len(reads[1]) == 20


def test_the_program_trains_on_all_workers(tmp_path):
    analytic(time=20)[["t2m"]].to_netcdf(tmp_path / "hr.nc", engine="netcdf4")
    options = {"--scale": 2, "--epochs": 2, "--n-filters": 4, "--n-blocks": 1}
    options |= {"-o": "model", "--checkpoint": "kept", "--schedule": "constant"}
    flags = [str(part) for option in options.items() for part in option]
    said = ran(["-c", PROGRAM, "fit", "hr.nc", *flags], tmp_path)
    assert said.count("xr_dl4ds.Downscaler") == 1
    model = xd.load(tmp_path / "model")
    assert model.history.sizes["epoch"] == 2
    np.testing.assert_allclose(model.history.learning_rate[-1], 1e-3 * (1 + 1 / 5), rtol=1e-6)

    again = ran(["-c", PROGRAM, "fit", "hr.nc", *flags], tmp_path, code=1)
    assert "is already a model. Choose another path or pass --overwrite." in again


@pytest.mark.slow
def test_the_program_tells_which_worker_failed_before_it_joined_the_others(tmp_path):
    # as where a file is missing on one host: the first worker is still starting
    late = "import os, time; time.sleep(120 if os.environ['HOROVOD_RANK'] == '0' else 0); "
    command = ["-c", late + PROGRAM, "fit", "none.nc", "--scale", "2", "-o", "model"]
    begun = time.monotonic()
    said = ran(command, tmp_path, code=1)
    assert "xr-dl4ds, worker 1: Expected a file at 'none.nc', got nothing there." in said
    assert time.monotonic() - begun < 60  # the others are not waited for


@pytest.mark.slow
def test_a_store_is_written_by_one(tmp_path, script):
    text = script.read_text() + (
        "\nlr = hr.downscale.coarsen(2).chunk(time=10)\n"
        'lr.downscale.predict(model).downscale.to_zarr("sr.zarr", verbose=False)\n'
    )
    script.write_text(text)
    ran([str(script), json.dumps({**OPTIONS, "epochs": 1})], tmp_path)
    with xr.open_dataset(tmp_path / "sr.zarr", engine="zarr") as sr:
        assert sr.t2m.notnull().all()


@pytest.mark.slow
def test_the_example_script(tmp_path):
    example = [str(ROOT / "examples" / "train.py"), "--output", "out", "--epochs"]
    ran([*example, "1"], tmp_path)
    said = ran([*example, "2"], tmp_path, workers=0)  # alone it goes on
    assert "50%" in said.replace("\r", "\n")
    model = xd.load(tmp_path / "out" / "model")
    assert model.history.sizes["epoch"] == 2
    np.testing.assert_allclose(model.history.learning_rate, [1e-3 * (1 + 6 / 14), 1e-3], rtol=0.1)


#: A script of real pairs, lazy, whose first guess is fitted.
GUESSING = """
import hashlib, json, os, pathlib
from tests.errors import data as d
from tests.test_first_guess import pairs

lr, hr = pairs(steps=200)
lr, hr = lr.chunk(time=40), hr.chunk(time=50)
model = lr.downscale.fit(hr, **{**d.TINY, "epochs": 2, "batch_size": 16})
guess = model.state.first_guess
found = {"kind": guess.kind, "digest": hashlib.sha256(guess.coefficients.tobytes()).hexdigest()}
found["mean"] = float(model.predict(lr, first_guess_only=True).t2m.mean())
found["model"] = model.provenance["model"]
pathlib.Path(f"seen-{os.environ.get('HOROVOD_RANK', '0')}.json").write_text(json.dumps(found))
"""


@pytest.mark.slow
def test_all_workers_have_the_first_guess_of_one(tmp_path):
    path = tmp_path / "guess.py"
    path.write_text(GUESSING)
    ran([str(path)], tmp_path)
    both = seen(tmp_path)  # the same on both, weights too
    ran([str(path)], tmp_path, workers=0)
    alone = seen(tmp_path, workers=1)
    assert both["kind"] == alone["kind"] == "regression"
    assert (both["digest"], both["mean"]) == (alone["digest"], alone["mean"])
