"""The recipe for climate models runs as a user would run it."""

import pathlib
import runpy
import sys

import pytest

EXAMPLE = pathlib.Path(__file__).parents[1] / "examples" / "climate_model.py"


@pytest.mark.slow
def test_the_recipe(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), "--winters", "3", "--epochs", "1"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    said = capsys.readouterr().out
    for name in ("tas", "pr"):
        assert f"{name}: RMSE of the first guess" in said
        line = next(one for one in said.splitlines() if one.startswith(f"{name}: change"))
        values = [float(part.rsplit(" ", 1)[1]) for part in line.split(",")]
        assert len(values) == 3
        if name == "tas":  # a warming of 3 K, also downscaled
            assert abs(values[1] - 3) < 1.5
