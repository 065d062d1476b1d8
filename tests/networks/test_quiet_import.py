"""TensorFlow is imported in one place, without its messages."""

import ast
import functools
import os
import pathlib
import subprocess
import sys

import pytest

import xr_dl4ds

ROOT = pathlib.Path(xr_dl4ds.__file__).parent
LIBRARIES = {"keras", "tensorflow"}


def imported(tree):
    """Names of the modules that a module imports; not those for type checkers alone."""
    for node in tree.body:
        for one in () if isinstance(node, ast.If) else ast.walk(node):
            if isinstance(one, ast.Import):
                yield from (alias.name for alias in one.names)
            elif isinstance(one, ast.ImportFrom):
                yield one.module


@functools.cache
def packages():
    """Packages, or modules beside them, that import Keras or TensorFlow."""
    found = set()
    for path in ROOT.rglob("*.py"):
        names = imported(ast.parse(path.read_text("utf-8")))
        if LIBRARIES & {name.split(".")[0] for name in names}:
            found.add(path.relative_to(ROOT).parts[0])
    return sorted(found)


def test_the_packages_are_found():
    assert packages() == ["inference", "networks", "training"]


@pytest.mark.parametrize("name", packages())
def test_packages_of_networks_import_the_backend_first(name):
    tree = ast.parse((ROOT / name / "__init__.py").read_text("utf-8"))
    assert next(imported(tree)) == "xr_dl4ds.networks.quiet_import"


def run(code, *paths, **variables):
    env = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"} | variables
    env["PYTHONPATH"] = os.pathsep.join(map(str, [*paths, ROOT.parent]))
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_what_tensorflow_says_before_it_fails_is_shown(tmp_path):
    (tmp_path / "tensorflow").mkdir()
    code = """
import os
os.write(2, b"I0000 00:00:1.2 3 loader.cc:4] libcudart.so.12 is damaged\\n")
raise ImportError("libcudart.so.12")
"""
    (tmp_path / "tensorflow" / "__init__.py").write_text(code)
    done = run("import xr_dl4ds.inference", tmp_path, KERAS_BACKEND="tensorflow")
    assert done.returncode == 1
    first, *_, last = done.stderr.splitlines()
    assert first == "I0000 00:00:1.2 3 loader.cc:4] libcudart.so.12 is damaged"
    assert last == "ImportError: libcudart.so.12"


FIT = """
import sys
import xr_dl4ds as xd
hr = xd.tutorial.synthetic(shape=(16, 24), days=3)
lr = hr[["t2m"]].downscale.coarsen(4)
assert "tensorflow" not in sys.modules
model = hr.downscale.fit(scale=4, epochs=1, n_filters=4, n_blocks=1, verbose=False)
print(float(lr.downscale.predict(model).t2m.mean()))
"""


@pytest.mark.slow
def test_fit_and_predict_begin_without_a_line_of_tensorflow():
    done = run(FIT)
    assert done.returncode == 0, done.stderr
    assert 250 < float(done.stdout) < 310
    assert done.stderr.splitlines() == []


@pytest.mark.slow
def test_the_level_of_the_user_shows_what_tensorflow_says():
    done = run("import xr_dl4ds.inference", TF_CPP_MIN_LOG_LEVEL="0")
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) >= 1
