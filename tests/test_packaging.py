"""Tests of the extras in setup.cfg, the Makefile and the marker `horovod`."""

import configparser
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


# --- packaging and make ---------------------------------------------------------------------------


def extras():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser["options.extras_require"]


def test_no_other_extra_has_horovod():
    # they are installed with pip's build isolation, where Horovod cannot be built
    named = re.compile(r"^horovod|[\[,]horovod", re.MULTILINE)
    assert {name for name, lines in extras().items() if named.search(lines)} == {"horovod"}


@pytest.mark.skipif(sys.platform == "win32", reason="the Makefile is not for Windows")
def test_make_lists_all_its_targets():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("make ")}
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert listed == set(phony.split()) - {"FORCE"}
    assert {"horovod", "test-horovod"} <= listed


#: Stands in for Python and for pip: notes what is installed, and takes its time.
STUB = """#!/bin/sh
case "$1 $2" in
"-m venv") echo "venv" >>LOG; mkdir -p "$4/bin" ;;
"install --editable") echo "begin $3" >>LOG; sleep 0.5; echo "end $3" >>LOG ;;
*) exec "PYTHON" "$@" ;;
esac
"""


@pytest.fixture
def installed(tmp_path):
    """Start makes for the stamps given, all at the same time; return what they did, in order."""
    pytest.importorskip("fcntl")
    log, stub, venv = tmp_path / "log", tmp_path / "stub", tmp_path / "venv"
    stub.write_text(STUB.replace("LOG", str(log)).replace("PYTHON", sys.executable))
    stub.chmod(0o755)
    log.touch()
    # a make that runs the tests hands its variables down
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "LOCKED")}

    def of(*stamps):
        makes = [
            subprocess.Popen(
                [shutil.which("make"), f"VENV={venv}", f"PYTHON={stub}", f"PIP={stub}", target],
                cwd=ROOT,
                env=env,
            )
            for target in (f"{venv}/{stamp}" for stamp in stamps)
        ]
        assert [make.wait(60) for make in makes] == [0] * len(stamps)
        return log.read_text().splitlines()

    return of


def test_two_makes_install_one_after_the_other(installed):
    log = installed(".test", ".docs")
    assert log[0] == "venv"  # and not once more, which would empty it
    first, second = log[1:3], log[3:]
    assert sorted([first, second]) == [
        ["begin .[docs]", "end .[docs]"],
        ["begin .[test]", "end .[test]"],
    ]


def test_what_another_make_has_installed_is_not_installed_again(installed):
    assert installed(".test", ".test") == ["venv", "begin .[test]", "end .[test]"]


def test_development_environment_holds_the_others(installed):
    expected = ["venv", "begin .[dev,docs]", "end .[dev,docs]"]
    assert installed(".dev") == expected
    assert installed(".base", ".test", ".docs", ".dev") == expected


# --- the marker -----------------------------------------------------------------------------------

MARKED = """
import sys
sys.modules["horovod"] = None  # not to be found
import pytest

@pytest.mark.horovod
def test_that_imports():
    import horovod

@pytest.mark.horovod
def test_that_skips_for_horovod():
    pytest.importorskip("horovod.tensorflow", exc_type=ImportError)

@pytest.mark.horovod
def test_that_skips_for_another_thing():
    pytest.skip("no sshd")

def test_of_others():
    pass
"""


def run_marked(folder, **variables):
    path = folder / "test_marked.py"
    path.write_text(MARKED)
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "-n", "0", "-rs"]
    command += ["-m", ""]  # whatever tier is the default
    command += ["--rootdir", folder, "-p", "tests.conftest", "-p", "no:cacheprovider", path]
    env = {k: v for k, v in os.environ.items() if k != "XR_DL4DS_HOROVOD"} | variables
    env["PYTHONPATH"] = str(ROOT)
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_marked_tests_skip_without_horovod(tmp_path):
    done = run_marked(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 3 skipped" in done.stdout
    assert "Horovod is not installed (make horovod)" in done.stdout


@pytest.mark.slow
def test_marked_tests_fail_without_horovod_where_it_is_expected(tmp_path):
    done = run_marked(tmp_path, XR_DL4DS_HOROVOD="1")
    assert done.returncode == 1
    assert "2 failed, 1 passed, 1 skipped" in done.stdout, done.stdout
    assert "XR_DL4DS_HOROVOD=1, but could not import 'horovod.tensorflow'" in done.stdout
