"""A prediction that is killed, truly, and goes on."""

import contextlib
import io
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, hears_signals
from tests.untrained import untrained
from tests.writing import note_of
from xr_dl4ds.cli import main

STEPS = 120
#: The program, with time enough between regions to be caught between them.
PROGRAM = """
import sys, time
from xr_dl4ds.cli import main
from xr_dl4ds.writing.store import RegionStore

put = RegionStore.put
RegionStore.put = lambda *given: (put(*given), time.sleep(0.03))
sys.exit(main())
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A model and LR data of many steps, each of them a region; and the whole prediction."""
    folder = tmp_path_factory.mktemp("resume")
    hr = analytic(time=STEPS)[["t2m"]]
    untrained(hr.isel(time=slice(20)), scale=2).save(folder / "model")
    hr.downscale.coarsen(2).chunk(time=1).to_zarr(folder / "lr.zarr", zarr_format=3)
    arguments = ["predict", str(folder / "model"), str(folder / "lr.zarr"), "-o"]
    with contextlib.redirect_stdout(io.StringIO()):
        assert main([*arguments, str(folder / "whole.zarr")]) == 0
    return folder, [*arguments, str(folder / "sr.zarr")]


def kill_after(arguments, path, regions, name="SIGKILL"):
    """Start the program, and kill it as soon as it has written so many regions; what it said."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=pathlib.Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=hears_signals,
    )
    deadline = time.monotonic() + 120
    while note_of(path).get("written", 0) < regions and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.003)
    by = getattr(signal, name)  # Windows has no SIGKILL
    process.send_signal(by)
    said = process.communicate()[0].decode()
    assert process.returncode == (130 if by == signal.SIGINT else -by), said
    return said


def read(path):
    with xr.open_dataset(path, engine="zarr", chunks=None, consolidated=False) as found:
        return found.load()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_twice_then_completed(case, capsys):
    folder, arguments = case
    path, whole = folder / "sr.zarr", read(folder / "whole.zarr")
    done = 0
    for regions in (20, 70):
        kill_after(arguments, path, regions)
        journal = note_of(path)
        assert journal["regions"] == STEPS
        assert max(done, regions) <= journal["written"] < STEPS
        done = journal["written"]
        found = read(path).isel(time=slice(0, done))
        np.testing.assert_array_equal(found.t2m, whole.t2m[:done])  # whole regions
        assert main(["evaluate", str(path), str(folder / "lr.zarr")]) == 1
        lacks = f"lacks {STEPS - done} of {STEPS} regions"
        assert lacks in capsys.readouterr().err
    assert main(arguments) == 0
    assert note_of(path) == {}
    found = read(path)
    for name in (*whole.variables, *found.variables):
        np.testing.assert_array_equal(found[name], whole[name])  # bit for bit
    chunks = [sorted(p.relative_to(s) for p in s.rglob("*")) for s in (path, folder / "whole.zarr")]
    assert chunks[0] == chunks[1]
    assert not list(folder.glob(".*"))
    assert main(arguments) == 1  # it is finished


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_interrupted_by_ctrl_c(case):
    folder, arguments = case
    path = folder / "other.zarr"
    said = kill_after([*arguments[:-1], str(path)], path, 1, name="SIGINT")
    assert "Traceback" not in said
    line = "xr-dl4ds: interrupted; the same call goes on at the first region that is missing"
    assert said.splitlines()[-1] == line
    done = note_of(path)["written"]
    assert 1 <= done < STEPS
    found = read(path).t2m[:done]
    np.testing.assert_array_equal(found, read(folder / "whole.zarr").t2m[:done])
