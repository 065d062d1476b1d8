import shutil

import pytest
import xarray as xr

import xr_dl4ds as xd
from xr_dl4ds.cli import main
from xr_dl4ds.exceptions import TimeError


def run(*arguments):
    return main(["predict", *map(str, arguments)])


def reason(capsys, code, *arguments):
    """What is said on standard error of a call that ends with a code; nothing else is said."""
    assert run(*arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("xr-dl4ds: ")
    return line.removeprefix("xr-dl4ds: ")


def read(path):
    engine = "zarr" if path.suffix == ".zarr" else "netcdf4"
    with xr.open_dataset(path, engine=engine, chunks=None) as found:
        return found.load()


def expected(files, model, name="lr.nc", **options):
    with xr.open_dataset(files / name, engine="netcdf4") as lr:
        return lr[["t2m"]].load().downscale.predict(xd.load(model), **options)


@pytest.mark.parametrize("source", ["lr.nc", "lr.zarr", "mixed.nc"])
@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_it_writes_what_the_model_predicts(files, model, tmp_path, capsys, source, suffix):
    out = tmp_path / "new" / f"sr{suffix}"
    assert run(model, files / source, "-o", out) == 0
    assert capsys.readouterr().out == f"{out}\n"
    xr.testing.assert_allclose(read(out).t2m, expected(files, model).t2m, rtol=1e-6)
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_options_are_passed_on(files, model, tmp_path):
    out = tmp_path / "sr.zarr"
    assert run(model, files / "lr.nc", "-o", out, "--realizations", "2", "--seed", "5") == 0
    members = expected(files, model, realizations=2, seed=5)
    xr.testing.assert_allclose(read(out).t2m, members.t2m, rtol=1e-6)
    assert run(model, files / "lr.nc", "-o", out, "--spread", "--overwrite") == 0
    assert set(read(out).data_vars) == {"t2m", "t2m_spread"}


def test_what_is_given_and_nothing_else_reaches_predict(files, model, tmp_path, monkeypatch):
    seen = []

    def predict(self, model, **options):
        seen.append(options)
        raise ValueError("seen")

    monkeypatch.setattr("xr_dl4ds.accessor.modelling.Modelling.predict", predict)
    out = ["-o", tmp_path / "sr.zarr"]
    assert run(model, files / "lr.nc", *out) == 1
    beside = ["--static", files / "static.nc", "--predictors", files / "winds.nc", files / "hr.nc"]
    assert run(model, files / "lr.nc", *out, "--tile-size", "64", *beside) == 1
    first, second = seen
    assert first == {}
    assert second["tile_size"] == 64
    assert [list(s.data_vars) for s in second["static"]] == [["orog"]]
    assert ["u" in p for p in second["predictors"]] == [True, False]


def test_a_part_of_the_times(files, model, tmp_path, capsys):
    out = tmp_path / "sr.nc"
    times = ["--time-slice", "2001-01-02", "2001-01-02T12"]
    assert run(model, files / "lr.nc", "-o", out, *times) == 0
    assert read(out).time.dt.strftime("%dT%H").to_numpy().tolist() == ["02T00", "02T06", "02T12"]
    capsys.readouterr()
    times = ["--time-slice", "2002", "2003"]
    said = reason(capsys, 1, model, files / "lr.nc", "-o", tmp_path / "b.nc", *times)
    assert said.startswith("Expected the LR data from 2002 to 2003, got 2001-01-01T00:00:00")
    times = ["--time-slice", "then", "now"]
    said = reason(capsys, 2, model, files / "lr.nc", "-o", tmp_path / "b.nc", *times)
    assert said.startswith("Expected two times for --time-slice, got")
    times = ["--time-slice", "2001-01-03", "2001-01-02"]
    said = reason(capsys, 2, model, files / "lr.nc", "-o", tmp_path / "b.nc", *times)
    assert said.startswith("Expected --time-slice to begin with the earlier time, got 2001-01-03")


def test_a_finished_file_is_replaced_only_when_asked(files, model, tmp_path, capsys):
    for name, word in (("sr.zarr", "a finished store"), ("sr.nc", "A file exists at")):
        out = tmp_path / name
        assert run(model, files / "lr.nc", "-o", out) == 0
        capsys.readouterr()
        assert word in reason(capsys, 1, model, files / "lr.nc", "-o", out)
        assert run(model, files / "lr.nc", "-o", out, "--overwrite") == 0
        capsys.readouterr()


def test_inputs_are_not_written_over(files, model, tmp_path, capsys):
    lr = shutil.copytree(files / "lr.zarr", tmp_path / "lr.zarr")
    for out in (lr, lr / "in.zarr"):
        assert "beside the input" in reason(capsys, 1, model, lr, "-o", out, "--overwrite")
    assert len(read(lr).time) == 12


@pytest.mark.parametrize(
    ("code", "model_name", "lr", "out", "said"),
    [
        (1, "none", "lr.nc", "sr.zarr", "none' does not exist"),
        (1, "folder", "lr.nc", "sr.zarr", "is not a model folder, because it lacks config.json"),
        (1, "model", "none.nc", "sr.zarr", "Expected a file at"),
        (1, "model", "text.nc", "sr.zarr", "text.nc"),
        (1, "model", "folder", "sr.zarr", "got a folder without a Zarr group"),
        (1, "model", "winds.nc", "sr.zarr", "Expected the LR data to have ['t2m']"),
        (2, "model", "lr.nc", "sr.tif", "Expected --output to end in .zarr or .nc, got"),
    ],
)
def test_what_does_not_do(files, model, tmp_path, capsys, code, model_name, lr, out, said):
    before = sorted(tmp_path.iterdir())
    found = reason(capsys, code, files / model_name, files / lr, "-o", tmp_path / out)
    assert said in found
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "wrong", [["--realizations", "0"], ["--seed", "-1"], ["--tile-size", "x"], ["--fast"], []]
)
def test_wrong_arguments(wrong, capsys):
    with pytest.raises(SystemExit) as error:
        run("model", "lr.nc", *wrong)  # without -o
    assert error.value.code == 2
    assert "usage: xr-dl4ds predict" in capsys.readouterr().err


def test_the_nearest_flag_is_named(capsys):
    with pytest.raises(SystemExit):
        run("model", "lr.nc", "-o", "sr.zarr", "--realisations", "3")
    assert "unknown argument '--realisations'. Did you mean '--realizations'?" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("out", "more", "note"),
    [
        ("sr.zarr", [], "the same call goes on at the first region that is missing"),
        ("sr.zarr", ["--overwrite"], "the same call goes on at the first region that is missing"),
        ("sr.nc", [], "nothing was written"),
    ],
)
def test_interrupted(files, model, tmp_path, capsys, monkeypatch, out, more, note):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("xr_dl4ds.accessor.modelling.Modelling.predict", stop)
    said = reason(capsys, 130, model, files / "lr.nc", "-o", tmp_path / out, *more)
    assert said.startswith("interrupted; ")
    assert note in said


def test_bars_are_for_terminals_alone(files, model, tmp_path, capsys, monkeypatch):
    assert run(model, files / "lr.nc", "-o", tmp_path / "a.zarr") == 0
    assert "region" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert run(model, files / "lr.nc", "-o", tmp_path / "b.zarr") == 0
    assert "write: 100%" in capsys.readouterr().err
    assert run(model, files / "lr.nc", "-o", tmp_path / "c.zarr", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_data_without_dates(files, model, tmp_path, capsys):
    with xr.open_dataset(files / "lr.nc", engine="netcdf4") as lr:
        lr.isel(time=0, drop=True).to_netcdf(tmp_path / "one.nc", engine="netcdf4")
    assert run(model, tmp_path / "one.nc", "-o", tmp_path / "sr.zarr") == 0
    capsys.readouterr()
    times = ["--time-slice", "2001", "2002"]
    said = reason(capsys, 1, model, tmp_path / "one.nc", "-o", tmp_path / "b.zarr", *times)
    assert said.startswith("--time-slice needs dates, and the LR data")
    assert issubclass(TimeError, ValueError)
