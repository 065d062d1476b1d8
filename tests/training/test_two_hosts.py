"""Two hosts in network namespaces of their own, see benchmarks/two_hosts.py."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from tests.conftest import hears_signals

SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks" / "two_hosts.py"

pytestmark = pytest.mark.horovod


def started(*arguments):
    # Ctrl-C is for all of a terminal's group; here it goes to this process alone
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hears_signals,
    )


def told(*arguments):
    process = started(*arguments)
    said, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors
    if said.startswith("skipped: "):
        pytest.skip(said.strip())
    assert left_of(process) == []
    return json.loads(said)


def left_of(process):
    """Namespaces and processes of theirs, which their names tell."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if f"-{process.pid}-" in line]


def folders():
    return set(pathlib.Path(tempfile.gettempdir()).glob("two-hosts-*"))


def test_two_hosts_train_as_one():
    before = folders()
    found = told()
    one, two = found["workers"]
    assert [one["host"], two["host"]] == ["one", "two"]
    assert [one["address"], two["address"]] == ["10.77.0.1", "10.77.0.2"]
    here = os.readlink("/proc/self/ns/net")
    assert len({one["namespace"], two["namespace"], here}) == 3
    assert one["local_rank"] == two["local_rank"] == 0
    assert one["sha256"] == two["sha256"]
    for sent, worker in zip(found["sent_bytes"], (one, two), strict=True):
        # the gradients, the weights at the beginning, and little else
        assert worker["gradient_bytes"] < sent < 2 * worker["gradient_bytes"]
    assert folders() == before


@pytest.mark.slow
@pytest.mark.parametrize(("what", "ended"), [("worker", "Process name: 1"), ("link", "LostWorker")])
def test_a_lost_host_ends_the_job(monkeypatch, what, ended):
    monkeypatch.setenv("HOROVOD_GLOO_TIMEOUT_SECONDS", "10")
    found = told("--lose", what)
    assert set(found["seconds"]) == {"worker 0", "worker 1", "horovodrun"}
    assert max(found["seconds"].values()) < 60
    assert any(ended in line for line in found["said"])


@pytest.mark.slow
def test_ctrl_c_leaves_nothing():
    before = folders()
    process = started()
    deadline = time.monotonic() + 60
    while not left_of(process) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(3)  # ssh and launcher are under way
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    if said.startswith("skipped: "):
        pytest.skip(said.strip())
    assert "KeyboardInterrupt" in errors
    assert left_of(process) == []
    assert folders() == before
