import contextlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.cf import cf_problems
from tests.conftest import analytic
from xr_dl4ds.cli import main
from xr_dl4ds.cli.demo_command import _read


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """HR fields of 20 steps, and static fields, as files."""
    folder = tmp_path_factory.mktemp("files")
    hr = analytic(time=20).assign_attrs(history="2020-01-01: observed")
    hr["time"].attrs = {"standard_name": "time"}
    hr[["t2m"]].to_netcdf(folder / "hr.nc", engine="netcdf4")
    hr[["orog"]].to_netcdf(folder / "static.nc", engine="netcdf4")
    rain = hr.t2m.drop_attrs().rename("pr").assign_attrs(units="kg m-2 month-1")
    rain.to_dataset().to_netcdf(folder / "rain.nc", engine="netcdf4")
    hr.assign(d2m=hr.t2m - 3).to_netcdf(folder / "many.nc", engine="netcdf4")
    hr[["t2m"]].isel(time=slice(9)).to_netcdf(folder / "short.nc", engine="netcdf4")
    (folder / "text.nc").write_text("no NetCDF")
    (folder / "folder").mkdir()
    return folder


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    """One run with every option at a value of its own: code, what it said, and its folder."""
    output = tmp_path_factory.mktemp("run") / "new" / "folder"
    said = io.StringIO()
    arguments = f"demo --data {files}/hr.nc --static {files}/static.nc --variable t2m --scale 2"
    with contextlib.redirect_stdout(said):
        code = main([*arguments.split(), *f"--epochs 1 --seed 3 --output {output}".split()])
    return code, said.getvalue(), output


@pytest.fixture(scope="module")
def test_part(files):
    """The last tenth of the 20 steps."""
    with xr.open_dataset(files / "hr.nc", engine="netcdf4") as hr:
        return hr.isel(time=slice(18, 20)).load()


def fail(arguments, capsys):
    """Run, expecting failure; the reason on standard error."""
    assert main(["demo", "--epochs", "1", *map(str, arguments)]) == 1
    said, reason = capsys.readouterr()
    assert reason.startswith("xr-dl4ds: ")
    assert "Traceback" not in reason
    return said, reason


@pytest.fixture
def no_fit(monkeypatch):
    """Training must not be reached."""

    def refuse(*args, **kwargs):
        raise AssertionError("fit was called")

    monkeypatch.setattr("xr_dl4ds.accessor.modelling.fit", refuse)


@pytest.fixture
def no_training(monkeypatch):
    """Data are read and checked in `fit`, but no network may be trained."""

    def refuse(*args, **kwargs):
        raise AssertionError("a network was trained")

    monkeypatch.setattr("xr_dl4ds.training.train", refuse)


# --- a run ----------------------------------------------------------------------------------------


def test_three_things_are_written_and_named(run):
    code, said, output = run
    assert code == 0
    assert sorted(p.name for p in output.iterdir()) == ["figure.png", "model", "prediction.nc"]
    for what, name in (("prediction", "prediction.nc"), ("figure", "figure.png"), ("model",) * 2):
        assert re.search(rf"^{what} +{re.escape(str(output / name))}$", said, re.MULTILINE)
    assert (output / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_prediction_is_that_of_the_model(run, test_part):
    _, _, output = run
    model = xd.load(output / "model")
    assert model.scale == 2
    assert model.state.features.static == ("orog",)
    assert model.options.sampling.seed == 3
    assert model.options.training.epochs == 1
    # 18 steps for training, two of which choose the weights: the last of the others is 15 x 6 h on
    assert model.provenance["period"][1] == "2001-01-04 18:00:00"
    expected = test_part.downscale.coarsen(2).downscale.predict(model)
    with xr.open_dataset(output / "prediction.nc", engine="netcdf4") as actual:
        xr.testing.assert_equal(actual.t2m.drop_vars("crs", errors="ignore"),
                                expected.t2m.drop_vars("crs"))  # fmt: skip
        assert actual.attrs["history"].endswith("\n2020-01-01: observed")


def test_prediction_passes_the_checker(run):
    assert cf_problems(run[2] / "prediction.nc") == []


def test_table_shows_the_scores_of_the_prediction(run, test_part):
    _, said, output = run
    with xr.open_dataset(output / "prediction.nc", engine="netcdf4") as prediction:
        scores = prediction.downscale.evaluate(test_part).load()
    assert "t2m, 2 held-out steps" in said
    for product in ("prediction", "bilinear", "bicubic"):
        (line,) = re.findall(rf"^{product} +(-?\d.*)$", said, re.MULTILINE)
        one = scores.sel(product=product)
        expected = [f"{float(one[s]):.3f}" for s in ("bias", "mae", "rmse")]
        texture = f"{float(one.ralsd):.2f}"
        assert line.split() == [*expected, f"{float(one.correlation):.4f}", texture]
    skill = {r: f"{float(scores.rmse_skill.sel(reference=r)):.0%}" for r in ("bilinear", "bicubic")}
    expected = f"RMSE skill: {skill['bilinear']} against bilinear, {skill['bicubic']} against"
    assert expected in said


def assert_columns(said, units):
    """The numbers of the table end where their titles do."""
    lines = said.splitlines()
    (at,) = [i for i, line in enumerate(lines) if "held-out steps" in line]
    head, *rows = lines[at : at + 4]
    for title in (f"bias / {units}", f"MAE / {units}", f"RMSE / {units}", "correlation"):
        end = head.index(title) + len(title)
        for row in rows:
            assert row[end - 1].isdigit()
            assert row[end : end + 1] in ("", " ")


def test_columns_of_the_table_stand_under_their_names(run):
    assert_columns(run[1], "K")


def test_a_second_run_takes_the_place_of_the_first(run, files, tmp_path, capsys):
    output = shutil.copytree(run[2], tmp_path / "again")
    arguments = f"demo --data {files}/rain.nc --scale 4 --epochs 1 --output {output}"
    assert main(arguments.split()) == 0
    model = xd.load(output / "model")
    assert (model.scale, model.state.features.targets) == (4, ("pr",))
    assert sorted(p.name for p in output.iterdir()) == ["figure.png", "model", "prediction.nc"]
    said = capsys.readouterr().out
    assert "static      none" in said  # without --static there is none
    assert_columns(said, "kg m-2 month-1")


# --- what does not do -----------------------------------------------------------------------------

DATA = {
    "none.nc": ["Expected a file at", "none.nc"],
    "short.nc": ["at least 10 time steps", "got 9"],
    "text.nc": ["text.nc"],
    "folder": [],  # no Zarr store, or no zarr to open it with
    "static.nc": ["time"],
    "many.nc": ["['t2m', 'd2m']", "Pass --variable"],
}


@pytest.mark.parametrize("name", DATA)
def test_data_that_cannot_be_used(files, tmp_path, capsys, no_fit, name):
    _, reason = fail(["--data", files / name, "--output", tmp_path / "out"], capsys)
    for part in DATA[name]:
        assert part in reason


@pytest.mark.parametrize(
    ("variable", "expected"),
    [("t2n", "Did you mean 't2m'?"), ("orog", "time"), ("latitude", "--variable")],
)
def test_variable_that_cannot_be_used(files, tmp_path, capsys, no_fit, variable, expected):
    arguments = ["--data", files / "many.nc", "--variable", variable, "--output", tmp_path / "out"]
    _, reason = fail(arguments, capsys)
    assert variable in reason
    assert expected in reason


def test_one_variable_of_several(files, tmp_path, capsys, no_training):
    arguments = ["--data", files / "many.nc", "--variable", "d2m", "--output", tmp_path / "out"]
    with pytest.raises(AssertionError, match="a network was trained"):
        main(["demo", *map(str, arguments)])
    assert "Learning d2m at scale 4, 20 epochs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--scale", "7"], "at least two blocks of 7 cells along latitude, got 8"),
        (["--epochs", "0"], "`epochs`"),
        (["--seed", "-1"], "`seed`"),
        (["--static", "none.nc"], "Expected a file at 'none.nc'"),
    ],
    ids=str,
)
def test_options_that_do_not_do(files, tmp_path, capsys, no_training, options, expected):
    _, reason = fail(["--data", files / "hr.nc", *options, "--output", tmp_path / "out"], capsys)
    assert expected in reason


@pytest.mark.parametrize("scale", ["1", "-2", "2,x", "2,2,2"])
def test_no_scale(scale, capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--scale", scale])
    expected = f"whole number >= 2, or two of them such as 4,2, got {scale!r}"
    assert expected in " ".join(capsys.readouterr().err.split())


def test_static_file_that_varies_in_time(files, tmp_path, capsys, no_training):
    arguments = ["--data", files / "hr.nc", "--static", files / "many.nc"]
    _, reason = fail([*arguments, "--output", tmp_path / "out"], capsys)
    assert "--static without a time dimension" in reason


@pytest.mark.parametrize("option", ["--variable", "--static"])
def test_options_that_need_data(tmp_path, capsys, no_fit, option):
    _, reason = fail([option, "t2m", "--output", tmp_path / "out"], capsys)
    assert "--variable and --static need a file" in reason


def taken_by_a_file(folder):
    (folder / "file").write_text("mine")
    return folder / "file"


def below_a_file(folder):
    return taken_by_a_file(folder) / "out"


def prediction_is_a_folder(folder):
    (folder / "prediction.nc").mkdir()
    return folder


def model_is_something_else(folder):
    (folder / "model").mkdir()
    (folder / "model" / "thesis.tex").write_text("mine")
    return folder


OUTPUTS = [taken_by_a_file, below_a_file, prediction_is_a_folder, model_is_something_else]


@pytest.mark.parametrize("make", OUTPUTS)
def test_output_that_cannot_be_written_is_found_before_training(
    files, tmp_path, capsys, no_fit, make
):
    output = make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    said, reason = fail(["--data", files / "hr.nc", "--output", output], capsys)
    assert "Learning" not in said
    assert str(output) in reason
    assert sorted(tmp_path.rglob("*")) == before


def test_input_is_not_overwritten(files, tmp_path, capsys, no_fit):
    data = shutil.copy(files / "hr.nc", tmp_path / "prediction.nc")
    before = pathlib.Path(data).read_bytes()
    _, reason = fail(["--data", data, "--output", tmp_path], capsys)
    assert "prediction.nc" in reason
    assert pathlib.Path(data).read_bytes() == before


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["demo", "--scale", "four"], ["demo", "--what"]], ids=str
)
def test_wrong_arguments_end_with_usage(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage: xr-dl4ds" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["--version"]], ids=str)
def test_help_and_version(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 0
    said = capsys.readouterr().out
    assert xd.__version__ in said if "--version" in arguments else "first 90 % of the time" in said


@pytest.mark.parametrize(
    ("arguments", "epochs", "batch_size"),
    [([], 3, 4), (["--epochs"], 5, 4), (["--data"], 20, 32), (["--data", "--epochs"], 5, 32)],
    ids=str,
)
def test_the_synthetic_case_trains_in_few_epochs_of_small_batches(
    files, tmp_path, monkeypatch, capsys, arguments, epochs, batch_size
):
    seen = {}

    def fit(inputs, given, flat, start):
        seen.update(flat)
        raise ValueError("seen")

    monkeypatch.setattr("xr_dl4ds.accessor.modelling.fit", fit)
    given = {"--data": ["--data", str(files / "hr.nc")], "--epochs": ["--epochs", "5"]}
    arguments = [part for name in arguments for part in given.get(name, [name])]
    assert main(["demo", *arguments, "--output", str(tmp_path / "out")]) == 1
    assert f"at scale 4, {epochs} epochs" in capsys.readouterr().out
    defaults = xd.Sampling(seed=0)
    assert seen["epochs"] == epochs
    assert seen.get("batch_size", defaults.batch_size) == batch_size


@pytest.mark.slow
def test_the_demo_that_needs_nothing(tmp_path):
    program = pathlib.Path(sys.executable).parent / "xr-dl4ds"
    if not program.exists():
        pytest.skip("xr-dl4ds is not installed as a program")
    arguments = [program, "demo", "--epochs", "1", "--output", tmp_path / "out"]
    env = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=False, cwd=tmp_path, env=env
    )
    assert done.returncode == 0, done.stderr
    # one line of ours, then the bar of the training, and nothing of TensorFlow
    first, bar = done.stderr.split("\n", 1)
    assert re.fullmatch(r"Running on (GPU \d+: .+|\d+ CPU cores?) \(\w+\)\..*", first)
    assert all(part.startswith("fit: ") for part in filter(None, re.split(r"[\r\n]", bar)))
    assert "Synthetic 2 m temperature" in done.stdout
    # 30 days of 3-hourly steps: 240, a tenth of which is held out
    assert "t2m, 24 held-out steps" in done.stdout
    assert cf_problems(tmp_path / "out" / "prediction.nc") == []
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_the_static_fields_of_the_file_are_kept(tmp_path):
    analytic(time=12).to_netcdf(tmp_path / "hr.nc", engine="netcdf4")
    assert set(_read(str(tmp_path / "hr.nc"), "t2m").data_vars) >= {"t2m", "orog"}
    assert set(_read(str(tmp_path / "hr.nc"), None).data_vars) >= {"t2m", "orog"}
