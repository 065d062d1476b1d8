"""The worked examples of how to add something apply to the package, and their tests pass."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
DIFFS = sorted((ROOT / "docs" / "how_to_add").glob("*.diff"))
NAMES = [path.stem for path in DIFFS]


def changed(name, folder):
    """Copy the package and its tests into a folder, and apply a diff there."""
    for part in ("xr_dl4ds", "tests"):
        skipped = shutil.ignore_patterns("__pycache__", "saved")
        shutil.copytree(ROOT / part, folder / part, ignore=skipped)
    shutil.copy(ROOT / "pyproject.toml", folder)
    command = ["git", "apply", "--verbose", ROOT / "docs" / "how_to_add" / f"{name}.diff"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_there_are_five_short_examples():
    assert NAMES == ["backbone", "grid", "loss", "option", "score"]
    for path in DIFFS:
        assert len(path.read_text("utf-8").splitlines()) < 60
    page = (ROOT / "docs" / "how_to_add.md").read_text("utf-8")
    assert sorted(re.findall(r"literalinclude} how_to_add/(\w+)\.diff", page)) == NAMES


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_an_example_applies(tmp_path, name):
    done = changed(name, tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_score_is_added_in_one_place():
    diff = (ROOT / "docs" / "how_to_add" / "score.diff").read_text("utf-8")
    files = re.findall(r"^\+\+\+ b/(.*)$", diff, re.MULTILINE)
    assert [name for name in files if name.startswith("xr_dl4ds")] == [
        "xr_dl4ds/metrics/catalogue.py"
    ]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_the_test_of_an_example_passes(tmp_path, name):
    assert changed(name, tmp_path).returncode == 0
    diff = (ROOT / "docs" / "how_to_add" / f"{name}.diff").read_text("utf-8")
    (test,) = re.findall(r"^\+\+\+ b/(tests/.*)$", diff, re.MULTILINE)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", test]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
