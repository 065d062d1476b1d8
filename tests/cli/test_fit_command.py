import io
import shutil

import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from tests.untrained import untrained
from xr_dl4ds import Adversarial
from xr_dl4ds.cli import main
from xr_dl4ds.exceptions import LostWorkerError, TrainingError

TINY = ["--n-filters", "4", "--n-blocks", "1", "--epochs", "1"]


def run(*arguments):
    return main(["fit", *map(str, arguments)])


def reason(capsys, code, *arguments):
    """What is said on standard error of a call that ends with a code; nothing else is said."""
    assert run(*arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("xr-dl4ds: ")
    return line.removeprefix("xr-dl4ds: ")


class SeenError(ValueError):
    """Raised in place of training."""


@pytest.fixture
def seen(monkeypatch):
    """What reaches `fit` of the accessor, as (data, HR of pairs, options)."""
    calls = []

    def fit(self, hr=None, **options):
        calls.append((self._obj, hr, options))
        raise SeenError("seen")

    monkeypatch.setattr("xr_dl4ds.accessor.modelling.Modelling.fit", fit)
    return calls


def test_a_model_from_a_store_by_flags_and_a_file(files, tmp_path, capsys):
    config = tmp_path / "fit.yaml"
    config.write_text("network: {n_filters: 8, n_blocks: 1}\ntraining: {epochs: 9}\nscale: 2\n")
    out = tmp_path / "new" / "model"
    beside = ["--static", files / "static.nc", "--validation", "0.25", "--config", config]
    options = ["--epochs", "1", "--loss", "{mae: 0.5, mse: 0.5}", "--attention", "--seed", "3"]
    assert run(files / "hr.zarr", "--variable", "t2m", "-o", out, *beside, *options) == 0
    said, err = capsys.readouterr()
    assert said.endswith(f"model      {out}\n")
    assert "xr_dl4ds.Downscaler" in said
    assert "epoch" not in err  # no bar without a terminal
    model = xd.load(out)
    assert model.scale == 2
    assert model.state.features.targets == ("t2m",)
    assert model.state.features.static == ("orog",)
    assert (model.options.network.n_filters, model.options.network.attention) == (8, True)
    assert model.options.training.loss == {"mae": 0.5, "mse": 0.5}
    assert model.options.training.epochs == 1
    assert model.options.sampling.seed == 3
    # a quarter of 12 steps chooses the weights: the last of the others is 8 x 6 h on
    assert model.provenance["period"][1] == "2001-01-03 00:00:00"


def test_pairs_predictors_and_what_else_fit_takes(files, seen, tmp_path):
    given = ["--lr", files / "lr.nc", "--lr-variable", "t2m", "--predictors", files / "winds.nc"]
    more = ["--trim", "--validation", "0", "--scale", "2", "--static", files / "static.nc"]
    more += ["--training", "adversarial", "--pixel-weight", "7", "-o", tmp_path / "model"]
    assert run(files / "many.nc", "--variable", "d2m", "orog", *given, *more) == 1
    ((lr, hr, options),) = seen
    assert list(lr.data_vars) == ["t2m"]
    assert list(hr.data_vars) == ["d2m", "orog"]
    assert lr.t2m.chunks is not None
    assert [list(p.data_vars) for p in options.pop("predictors")] == [["u"]]
    assert [list(p.data_vars) for p in options.pop("static")] == [["orog"]]
    assert options.pop("training") == Adversarial()
    assert options == {
        "trim": True, "validation": 0.0, "scale": 2, "pixel_weight": 7.0, "verbose": False
    }  # fmt: skip


def test_several_files_are_one_dataset(files, seen, tmp_path):
    parts = [files / "part_1.nc", files / "part_2.nc"]
    assert run(*parts, "--scale", "2", "-o", tmp_path / "model") == 1
    assert seen[0][0].sizes["time"] == 12
    assert seen[0][2] == {"scale": 2, "verbose": False}


def test_training_goes_on_from_a_model(files, model, seen, tmp_path, capsys):
    given = [files / "hr.nc", "--scale", "2", "-o", tmp_path / "m", "--start", model]
    assert run(*given, "--epochs", "2") == 1
    assert seen[0][2]["start"].provenance == xd.load(model).provenance
    assert "training" not in seen[0][2]
    assert run(*given, "--training", "adversarial") == 1
    assert seen[1][2]["training"] == Adversarial()
    capsys.readouterr()
    assert "--training adversarial for --pixel-weight" in (
        reason(capsys, 2, *given, "--pixel-weight", "3")
    )
    # a rate without dropout is wrong, but the model to go on from has dropout
    assert run(*given, "--dropout-rate", "0.3") == 1
    assert seen[2][2]["dropout_rate"] == 0.3


def test_bars_are_for_terminals_alone(files, seen, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    given = [files / "hr.nc", "--scale", "2", "-o", tmp_path / "model"]
    (tmp_path / "quiet.yaml").write_text("verbose: false")
    for more in ([], ["--quiet"], ["--config", tmp_path / "quiet.yaml"]):
        run(*given, *more)
    assert [options["verbose"] for *_, options in seen] == [True, False, False]


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (2, ["hr.nc"], "Expected --scale, or --lr with LR data, got neither."),
        (2, ["hr.nc", "--scale", "2", "--n-filters", "0"], "`n_filters` to be a whole number"),
        (2, ["hr.nc", "--scale", "2", "--backbone", "restnet"], "Did you mean 'resnet'?"),
        (2, ["hr.nc", "--scale", "2", "--pixel-weight", "2"], "Expected --training adversarial"),
        (2, ["hr.nc", "--scale", "2", "--lr-variable", "t"], "--lr-variable needs LR data"),
        (2, ["hr.nc", "--scale", "2", "--config", "none.yaml"], "at --config 'none.yaml'"),
        (1, ["none.nc", "--scale", "2"], "Expected a file at"),
        (1, ["text.nc", "--scale", "2"], "text.nc"),
        (1, ["hr.nc", "--scale", "2", "--variable", "t2n"], "Did you mean 't2m'?"),
        (1, ["hr.nc", "--scale", "5"], "cells along latitude"),
        (1, ["hr.nc", "--scale", "2", "--start", "none"], "The model folder 'none' does not exist"),
        (1, ["hr.nc", "--scale", "2", "--static", "none.nc"], "Expected a file at 'none.nc'"),
    ],
)
def test_what_does_not_do(files, tmp_path, capsys, code, arguments, said):
    data, *more = arguments
    before = sorted(tmp_path.iterdir())
    assert said in reason(capsys, code, files / data, *more, "-o", tmp_path / "model")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--scale", "one"],
            "argument --scale: expected a whole number >= 2, or two of them such as 4,2, got 'one'",
        ),
        (
            ["--scale", "1"],
            "argument --scale: expected a whole number >= 2, or two of them such as 4,2, got '1'",
        ),
        (["--validation", "1"], "expected a number >= 0 and < 1, got '1'"),
        (["--n-filter", "3"], "unknown argument '--n-filter'. Did you mean '--n-filters'?"),
        (["--quiet", "--verbose"], "not allowed with"),
    ],
)
def test_wrong_arguments(arguments, said, capsys):
    with pytest.raises(SystemExit) as error:
        run("hr.nc", "-o", "model", *arguments)
    assert error.value.code == 2
    err = capsys.readouterr().err
    assert "usage: xr-dl4ds" in err
    assert said in err


def test_the_place_of_the_model_is_checked_before_training(files, model, seen, tmp_path, capsys):
    mine = shutil.copytree(model, tmp_path / "model")
    given = [files / "hr.nc", "--scale", "2", "-o"]
    assert "is already a model. Choose another path" in reason(capsys, 1, *given, mine)
    assert seen == []
    assert run(*given, mine, "--overwrite") == 1
    assert len(seen) == 1
    capsys.readouterr()
    said = reason(capsys, 1, files / "hr.zarr", "--scale", "2", "-o", files / "hr.zarr" / "model")
    assert "Expected to write beside the input" in said


def test_a_loss_that_is_not_finite(files, tmp_path, capsys, monkeypatch):
    def fail(*args, **kwargs):
        raise TrainingError("Expected finite losses, got nan.")

    monkeypatch.setattr("xr_dl4ds.training.train", fail)
    given = [files / "hr.nc", "--scale", "2", "-o", tmp_path / "model", *TINY]
    assert "Expected finite losses" in reason(capsys, 3, *given)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ([], "nothing was written; with --checkpoint the same call would go on"),
        (["--checkpoint", "kept"], "the same call goes on from the checkpoint in 'kept'"),
    ],
)
def test_interrupted(files, tmp_path, capsys, monkeypatch, more, note):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("xr_dl4ds.accessor.modelling.Modelling.fit", stop)
    given = [files / "hr.nc", "--scale", "2", "-o", tmp_path / "model", *more]
    assert reason(capsys, 130, *given) == f"interrupted; {note}"


def test_errors_of_several_lines_are_one_and_where_they_happened_is_logged(
    files, tmp_path, capsys, caplog, monkeypatch
):
    def fail(*args, **kwargs):
        raise RuntimeError("NetCDF:\n  HDF error")

    monkeypatch.setattr("xr_dl4ds.accessor.modelling.Modelling.fit", fail)
    given = [files / "hr.nc", "--scale", "2", "-o", tmp_path / "model"]
    assert reason(capsys, 1, *given) == "NetCDF: HDF error"
    with caplog.at_level("INFO"):
        run(*given, "--verbose")
    assert "HDF error" in caplog.text


def test_help_has_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as error:
        main(["--help"])
    assert error.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for text in (
        "0: done",
        "1: invalid data",
        "2: wrong arguments",
        "3: training failed",
        "130: interr",
    ):
        assert text in said


def test_a_model_of_the_command_line_is_that_of_the_library(files, tmp_path):
    """Only what is given reaches `fit`: all else is its own default."""
    assert run(files / "many.nc", "--scale", "2", "--variable", "t2m", "-o", tmp_path / "m",
               "--backbone", "convnet", *TINY) == 0  # fmt: skip
    expected = untrained(analytic(time=12)[["t2m"]], scale=2, epochs=1, backbone="convnet")
    found = xd.load(tmp_path / "m")
    assert found.options.network == expected.options.network
    assert found.options.sampling == expected.options.sampling
    xr.testing.assert_allclose(found.state.scaler.statistics, expected.state.scaler.statistics)


def test_workers_are_passed_on(files, tmp_path, monkeypatch, capsys):
    given = {}

    def fit(self, *args, **kwargs):
        given.update(kwargs)
        raise LostWorkerError("Expected 3 workers to train to the end.")

    monkeypatch.setattr("xr_dl4ds.accessor.modelling.Modelling.fit", fit)
    more = ["--scale", "2", "-o", tmp_path / "model", "--workers", "3"]
    assert reason(capsys, 3, files / "hr.nc", *more) == "Expected 3 workers to train to the end."
    assert given["workers"] == 3


def test_no_workers_are_none(capsys):
    with pytest.raises(SystemExit):
        run("hr.nc", "--scale", "2", "-o", "model", "--workers", "0")
    assert "--workers" in capsys.readouterr().err


@pytest.mark.parametrize("number", [0, 1])
def test_one_of_several_workers_speaks(files, tmp_path, monkeypatch, capsys, number):
    monkeypatch.setattr("xr_dl4ds.accessor.modelling.Modelling.fit", lambda *a, **k: Silent())
    monkeypatch.setattr("xr_dl4ds.processes._joined", [True])
    monkeypatch.setenv("HOROVOD_SIZE", "2")
    monkeypatch.setenv("HOROVOD_RANK", str(number))
    assert run(files / "hr.nc", "--scale", "2", "-o", tmp_path / "model") == 0
    assert ("a model" in capsys.readouterr().out) == (number == 0)


class Silent:
    """A model that is saved nowhere."""

    def save(self, *args, **kwargs):
        pass

    def __repr__(self):
        return "a model"


def test_the_worker_that_fails_is_named(files, tmp_path, monkeypatch, capsys):
    def fit(*args, **kwargs):
        raise ValueError("Expected other data.")

    monkeypatch.setattr("xr_dl4ds.accessor.modelling.Modelling.fit", fit)
    monkeypatch.setenv("HOROVOD_SIZE", "2")
    monkeypatch.setenv("HOROVOD_RANK", "1")
    assert run(files / "hr.nc", "--scale", "2", "-o", tmp_path / "model") == 1
    assert capsys.readouterr().err.endswith("xr-dl4ds, worker 1: Expected other data.\n")


def test_how_data_are_laid_out(files, seen, tmp_path):
    names = ["--x-dim", "longitude", "--y-dim", "latitude", "--time-dim", "time"]
    roles = ["--extra-dims", "{number: samples}", "--group", "Grid"]
    run(files / "hr.nc", "-o", tmp_path / "m", "--scale", "2", *names, *roles)
    (_, _, options), *_ = seen
    assert {k: v for k, v in options.items() if k.endswith(("_dim", "_dims"))} == {
        "x_dim": "longitude",
        "y_dim": "latitude",
        "time_dim": "time",
        "extra_dims": {"number": "samples"},
    }
    assert "group" not in options


def test_counterparts(files, seen, tmp_path):
    pair = ["--lr", files / "lr.nc", "--counterparts", "{t2m: tas}"]
    run(files / "hr.nc", "-o", tmp_path / "m", *pair)
    (_, _, options), *_ = seen
    assert options["counterparts"] == {"t2m": "tas"}


def test_a_period_is_held_out(files, seen, tmp_path, capsys):
    period = ["--time-slice", "2001-01-02", "2001-01-03"]
    run(files / "hr.nc", "-o", tmp_path / "m", "--scale", "2", *period)
    data = seen[0][0]
    assert data.time.dt.day.values.tolist() == [2, 2, 2, 2, 3, 3, 3, 3]
    assert "time_slice" not in seen[0][2]
    config = tmp_path / "fit.yaml"
    config.write_text("scale: 2\ntime_slice: ['2001-01-02', '2001-01-03']\n")
    run(files / "hr.nc", "-o", tmp_path / "m", "--config", config)
    xr.testing.assert_identical(seen[1][0], data)
    config.write_text("scale: 2\ntime_slice: [2001-01-02, 2001-01-03]\n")  # dates of YAML
    run(files / "hr.nc", "-o", tmp_path / "m", "--config", config)
    xr.testing.assert_identical(seen[2][0], data)
    capsys.readouterr()
    period = ["--time-slice", "2002", "2003"]
    said = reason(capsys, 1, files / "hr.nc", "-o", tmp_path / "m", "--scale", "2", *period)
    assert said.startswith("Expected the HR data from 2002 to 2003, got 2001-01-01T00:00:00")


def test_cures_are_flags(files, tmp_path, capsys):
    with xr.open_dataset(files / "hr.nc", engine="netcdf4") as hr:
        odd = hr.load().rename(longitude="across").drop_vars("across")
        odd.to_netcdf(tmp_path / "odd.nc", engine="netcdf4")
        hr.isel(latitude=slice(7)).to_netcdf(tmp_path / "seven.nc", engine="netcdf4")
    call = ["-o", tmp_path / "m", "--scale", "2", *TINY]
    said = reason(capsys, 1, tmp_path / "odd.nc", *call)
    assert "Pass --x-dim, or leave 't2m' out" in said
    said = reason(capsys, 1, tmp_path / "seven.nc", *call)
    assert said.endswith("or pass --trim.")
    assert run(tmp_path / "seven.nc", *call, "--trim") == 0
