"""What setup.cfg, the Makefile and the marker `horovod` say about one another."""

import configparser
import os
import pathlib
import re
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


def test_make_lists_all_its_targets():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("make ")}
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert listed == set(phony.split()) - {"FORCE"}
    assert {"horovod", "test-horovod"} <= listed


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
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        ROOT / "pyproject.toml",
        "-n",
        "0",
        "-rs",
        "-m",
        "",
    ]
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
