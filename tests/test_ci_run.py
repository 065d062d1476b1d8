"""Tests of `.ci/run` with a `make` that installs and tests nothing."""

import datetime
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.conftest import hears_signals

ROOT = pathlib.Path(__file__).parents[1]
RUN = ROOT / ".ci" / "run"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a script of bash")

#: Notes each target in a file of its name, with the number of its process. A target in FAILS fails,
#: one in HANGS does not end, and one in MEETS ends once the other target of the pair has begun.
MAKE = """#!/usr/bin/env bash
shift  # --no-print-directory
echo "making $*"
target=$1
echo $$ >"$SEEN/$target"
for argument in "${@:2}"; do
    folder=${argument#OUTPUT=}
    [[ $folder == "$argument" ]] || { mkdir "$folder"; touch "$folder/sr.nc"; }
done
if [[ " ${HANGS-} " == *" $target "* ]]; then sleep 100; fi
for pair in ${MEETS-}; do
    [[ $target != "${pair%:*}" ]] || for _ in {1..200}; do
        [[ ! -e $SEEN/${pair#*:} ]] || break
        sleep 0.1
    done
    [[ $target != "${pair%:*}" || -e $SEEN/${pair#*:} ]] || exit 1
done
[[ " ${FAILS-} " != *" $target "* ]] || { echo "no $target"; exit 1; }
"""
TARGETS = [
    *["contracts", "demo", "dev", "docs", "docstrings", "horovod", "lint"],
    *["test", "test-horovod", "test-slow", "types"],
]


@pytest.fixture
def start(tmp_path):
    """Start `.ci/run`; the targets appear in the folder `start.seen`, TMPDIR is `.temporary`."""
    programs, seen, temporary = (tmp_path / name for name in ("bin", "seen", "tmp"))
    for folder in (programs, seen, temporary):
        folder.mkdir()
    # with sshd and ip nothing is installed
    for name, text in {"make": MAKE, "sshd": "#!/bin/sh\n", "ip": "#!/bin/sh\n"}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CI_", "MAKE"))}
    env |= {"PATH": f"{programs}{os.pathsep}{env['PATH']}", "PYTHON": sys.executable}
    env |= {"SEEN": str(seen), "TMPDIR": str(temporary)}

    def started(**variables):
        return subprocess.Popen(
            ["bash", str(RUN)],
            env=env | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=hears_signals,
        )

    started.seen, started.temporary = seen, temporary
    return started


def ended(process, code=0):
    """What it printed."""
    said = process.communicate(timeout=60)[0]
    assert process.returncode == code, said
    return said


def test_every_target_runs_and_nothing_is_left(start):
    said = ended(start())
    assert sorted(path.name for path in start.seen.iterdir()) == TARGETS
    summary = said.partition("== summary\n")[2].splitlines()
    assert all(re.fullmatch(r"\w+ +ok +\d+ s", line) for line in summary[:-1])
    assert len(summary[:-1]) == len(TARGETS) + 2  # with the files of the demo, and sshd
    assert re.fullmatch(r"CI passed in \d+ s", summary[-1])
    assert list(start.temporary.iterdir()) == []


def test_steps_run_beside_one_another(start):
    pairs = "horovod:lint lint:horovod test-slow:test-horovod test-horovod:test-slow"
    assert "FAILED" not in ended(start(MEETS=pairs))


def test_failures_are_told_and_what_needs_them_is_left_out(start):
    said = ended(start(FAILS="lint horovod test"), code=1)
    assert said.endswith("CI failed: lint test horovod\n")
    assert len(re.findall(r"^\w+ +FAILED +\d+ s$", said, re.MULTILINE)) == 3
    assert all(f"no {name}\n" in said for name in ("lint", "horovod", "test"))
    assert "making horovod" in said  # in the background, and shown all the same
    # the run goes on, without tests of a Horovod that is not there
    assert {*TARGETS} - {path.name for path in start.seen.iterdir()} == {"test-horovod"}


def test_part_of_the_slow_tests_changes_with_the_day(start):
    days = [datetime.date.today()]
    said = ended(start())
    days.append(datetime.date.today())  # midnight may have been in between
    parts = [f"{int(f'{day:%j}') % 7 + 1}/7 (day {day:%j} of the year;" for day in days]
    assert any(f"slow tier: part {part}" in said for part in parts)
    part = re.search(r"slow tier: part (\S+)", said)[1]
    assert f"making test-slow PART={part} WORKERS=1\n" in said
    assert f"making test-horovod PART={part}\n" in said


def test_part_of_the_slow_tests_can_be_named(start):
    assert "making test-slow PART=12/30 WORKERS=1\n" in ended(start(CI_PART="12/30"))


def test_slow_tests_can_be_left_out(start):
    said = ended(start(CI_PART="none"))
    assert "slow tier: part none" in said
    assert "making test-horovod PART=none\n" in said
    assert {*TARGETS} - {path.name for path in start.seen.iterdir()} == {"test-slow"}


@pytest.mark.parametrize("part", ["3", "0/7", "8/7", "3/7/1", "all"])
def test_part_that_is_none_is_told(start, part):
    said = ended(start(CI_PART=part), code=2)
    assert said == f"CI_PART is '{part}'. Set it to a part, as CI_PART=3/7, or to none.\n"
    assert list(start.temporary.iterdir()) == []


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"])
def test_nothing_is_left_of_a_run_that_is_ended(start, name):
    by = getattr(signal, name)
    process = start(HANGS="horovod dev")
    deadline = time.monotonic() + 30
    while {path.name for path in start.seen.iterdir() if path.read_text()} != {"dev", "horovod"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    assert {int(path.read_text()) for path in start.seen.iterdir()} < {one.pid for one in family}
    process.send_signal(by)
    process.wait(30)
    assert process.returncode in (128 + by, -by)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    assert list(start.temporary.iterdir()) == []
