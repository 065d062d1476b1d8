"""The README's example runs as written, in a fresh kernel, and stands executed in examples/."""

import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def builder():
    pytest.importorskip("nbclient")
    path = ROOT / "examples" / "build_quickstart.py"
    spec = importlib.util.spec_from_file_location("build_quickstart", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_has_fifteen_lines_at_the_most(builder):
    lines = [line for line in builder.readme_example().splitlines() if line.strip()]
    assert len(lines) <= 15


def test_the_executed_notebook_is_the_readme(builder):
    nbformat = pytest.importorskip("nbformat")
    stored = nbformat.read(builder.NOTEBOOK, as_version=4)
    expected = [cell.source for cell in builder.notebook().cells]
    assert [cell.source for cell in stored.cells] == expected
    outputs = [out for cell in stored.cells for out in cell.get("outputs", [])]
    assert any("image/png" in out.get("data", {}) for out in outputs)
    assert not any(out.output_type == "error" for out in outputs)


@pytest.mark.slow
def test_the_example_runs_in_a_fresh_kernel_and_beats_interpolation(builder):
    book = builder.execute(builder.notebook())
    text = "".join(out.get("text", "") for c in book.cells for out in c.get("outputs", []))
    scores = {
        line.split()[0]: float(line.split()[1])
        for line in text.splitlines()
        if line.startswith(("prediction", "bilinear", "bicubic"))
    }
    assert scores["prediction"] < 0.75 * min(scores["bilinear"], scores["bicubic"])
