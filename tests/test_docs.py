"""What the pages say of networks and errors is what these are."""

import importlib.util
import inspect
import pathlib
import re
import shlex

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.errors import CASES
from tests.errors.case import outcome
from xr_dl4ds import metrics, plotting
from xr_dl4ds.config import Options
from xr_dl4ds.config.choices import DISTRIBUTIONS, ENSEMBLE_LOSSES

DOCS = pathlib.Path(__file__).parents[1] / "docs"


def script_of(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.mark.slow
def test_the_table_of_networks_is_up_to_date():
    script = script_of("make_networks")
    message = "run python docs/make_networks.py"
    assert (DOCS / "networks_table.md").read_text("utf-8") == script.table(), message
    assert script.draw().axes[0].patches, message


@pytest.mark.slow
def test_the_table_of_errors_is_up_to_date():
    script = script_of("make_errors")
    written = (DOCS / "errors_table.md").read_text("utf-8")
    assert written == script.table(), "run python docs/make_errors.py"
    for case in CASES.values():  # and holds every one, word for word
        happened, cure = (script.code(part) for part in script.split(outcome(case).message))
        assert f"| {case.what} |" in written
        assert happened.strip("` ").replace("`", "") in written.replace("`", ""), happened
        assert cure in written


@pytest.mark.slow
def test_the_examples_of_scores_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "scores.md").read_text("utf-8")
    example, *others = re.findall(r"```python\n(.*?)```", page, re.S)
    names: dict = {}
    exec(compile(example, "scores.md", "exec"), names)
    crps = float(names["scores"].crps.sel(product="prediction"))
    printed = capsys.readouterr().out.splitlines()
    assert float(printed[-2]) == pytest.approx(crps, rel=1e-2)  # without areas
    assert abs(float(printed[-1])) < 0.05
    for more in others:
        exec(compile(more, "scores.md", "exec"), names)
    assert {"change", "change_truth", "change_lr"} <= set(names["signal"])
    assert (tmp_path / "bias.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_example_of_ensembles_runs(capsys):
    page = (DOCS / "ensembles.md").read_text("utf-8")
    example, of_flow = re.findall(r"```python\n(.*?)```", page, re.S)
    names: dict = {}
    exec(compile(example, "ensembles.md", "exec"), names)
    flow = dict(names)
    exec(compile(of_flow, "ensembles.md", "exec"), flow)
    assert flow["members"].sizes["realization"] == 3
    assert flow["around"].mean is flow["mean"]
    assert names["members"].sizes["realization"] == 10
    sixteen = names["lr"].downscale.predict(names["model"], realizations=16).t2m
    xr.testing.assert_allclose(names["mean"].t2m, sixteen.mean("realization"), rtol=1e-5)
    spread = sixteen.std("realization", ddof=1)
    np.testing.assert_allclose(names["mean"].t2m_spread, spread, atol=1e-3)
    ratio = float(capsys.readouterr().out.splitlines()[-1].split()[0])
    assert ratio == pytest.approx(float(names["scores"].spread_skill_ratio))
    crps = names["scores"].crps
    assert crps.sel(product="prediction") < crps.sel(product="bicubic")


@pytest.mark.slow
def test_the_example_of_explanations_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS / "explain.md").read_text("utf-8"), re.S)
    names: dict = {}
    exec(compile(example, "explain.md", "exec"), names)
    found = names["found"]
    total, change = map(float, capsys.readouterr().out.splitlines()[-1].split())
    assert total == pytest.approx(change, rel=1e-3)
    assert found.rmse_increase.idxmax().item() == "t2m"
    assert names["figure"].axes[0].get_title() == "importance"


@pytest.mark.slow
def test_the_example_of_training_runs():
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS / "training.md").read_text("utf-8"), re.S)
    names: dict = {}
    exec(compile(example, "training.md", "exec"), names)
    assert names["members"].sizes["realization"] == 5
    assert names["model"].provenance["start"] == names["first"].provenance["model"]
    assert names["model"].options.network.n_filters == 8


def test_the_page_of_training_has_the_defaults():
    page = (DOCS / "training.md").read_text("utf-8")
    options = xd.Adversarial()
    assert f"| `noise_channels` | {options.n_noise} |" in page
    assert f"| `loss_realizations` | {options.members} |" in page
    assert (
        f'| `pixel_loss`, `pixel_weight` | `"{options.cell_loss}"`, {options.pixel_weight:g} |'
        in page
    )
    assert f'| `loss` | `"{options.loss}"` |' in page
    assert options.rates_of(0) == (1e-3, 1e-3)
    assert "learning_rates` | 1e-3 |" in page
    sizes = f"{options.discriminator_filters}, {options.discriminator_blocks}"
    assert f"`discriminator_blocks` | {sizes} |" in page
    assert not options.spectral_normalization
    assert options.gradient_penalty == 0


def test_the_page_of_ensembles_names_every_loss_of_members():
    page = (DOCS / "ensembles.md").read_text("utf-8")
    for loss in (*DISTRIBUTIONS, *ENSEMBLE_LOSSES):
        assert f'"{loss}"' in page
    assert "ensembles\n" in (DOCS / "index.md").read_text("utf-8")


def test_the_scores_are_defined_on_their_page_and_listed():
    page, listed = ((DOCS / name).read_text("utf-8") for name in ("scores.md", "api.rst"))
    for room in (metrics, plotting):
        for name, one in vars(room).items():
            if inspect.isfunction(one):
                assert f"{room.__name__.split('.')[1]}.{name}\n" in listed
                assert name in page


def test_cells_of_the_table_of_errors():
    code = script_of("make_errors").code
    assert code("got 1") == "`got 1`"
    assert code("got `a` | b") == "`` got `a` \\| b ``"


def test_the_page_of_the_command_line_has_every_exit_code_and_engine():
    from xr_dl4ds.cli.program import CODES

    page = (DOCS / "cli.md").read_text("utf-8")
    assert "cli\n" in (DOCS / "index.md").read_text("utf-8")
    for code, meaning in CODES.items():
        assert f"| {code} | {meaning} |" in page


def test_the_calls_on_the_page_of_the_command_line_are_understood():
    from xr_dl4ds.cli.program import _parser
    from xr_dl4ds.cli.settings import settings

    page = (DOCS / "cli.md").read_text("utf-8").replace("\\\n", " ")
    calls = re.findall(r"^xr-dl4ds (.*)$", page, re.MULTILINE)
    assert len(calls) == 5
    for call in calls:
        given = _parser().parse_args(shlex.split(call))
        if given.run.__name__ == "fit":
            settings(given).check(Options())


def test_the_example_of_climate_models_runs():
    page = (DOCS / "climate_models.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.S)
    names: dict = {}
    exec(compile(example, "climate_models.md", "exec"), names)
    assert names["sr"].tas.shape == (30, 16, 24)
    assert 1 < float(names["change"]) < 5
