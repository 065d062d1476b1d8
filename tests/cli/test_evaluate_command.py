import re

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from xr_dl4ds.cli import main
from xr_dl4ds.cli.table import table


def run(*arguments):
    return main(["evaluate", *map(str, arguments)])


@pytest.fixture(scope="module")
def sr(files, model, tmp_path_factory):
    """A prediction as a store."""
    out = tmp_path_factory.mktemp("sr") / "sr.zarr"
    assert main(["predict", str(model), str(files / "lr.nc"), "-o", str(out)]) == 0
    return out


def scores_of(sr, **options):
    with xr.open_dataset(sr, engine="zarr", chunks=None) as found:
        return found.load().downscale.evaluate(analytic(time=12)[["t2m"]], **options)


def test_the_table_has_the_scores(files, sr, capsys):
    capsys.readouterr()
    assert run(sr, files / "hr.zarr") == 0
    said = capsys.readouterr().out
    scores = scores_of(sr)
    assert said.startswith("t2m")
    for product in ("prediction", "bilinear", "bicubic"):
        (line,) = re.findall(rf"^{product} +(-?\d.*)$", said, re.MULTILINE)
        one = scores.sel(product=product)
        expected = [f"{float(one[s]):.3f}" for s in ("bias", "mae", "rmse")]
        expected += [f"{float(one.correlation):.4f}", f"{float(one.ralsd):.2f}"]
        assert line.split() == expected
    assert re.search(r"RMSE skill: -?\d+% against bilinear, -?\d+% against bicubic", said)


def test_scores_thresholds_parts_and_baselines(files, sr, tmp_path, capsys):
    capsys.readouterr()
    out = tmp_path / "scores.nc"
    asked = ["--scores", "pointwise", "csi", "--thresholds", 280, 285, "--by", "hour"]
    given = [sr, files / "hr.zarr", *asked, "--baselines", "nearest", "--no-area-weighted"]
    assert run(*given, "--output", out) == 0
    said = capsys.readouterr().out
    expected = scores_of(
        sr,
        scores=["pointwise", "csi"],
        thresholds=[280, 285],
        by="hour",
        baselines=["nearest"],
        area_weighted=False,
    )
    assert len(re.findall(r"^t2m, hour \d+ ", said, re.MULTILINE)) == expected.sizes["hour"]
    assert len(re.findall("against nearest", said)) == expected.sizes["hour"]
    with xr.open_dataset(out, engine="netcdf4") as found:
        xr.testing.assert_allclose(found.load(), expected, rtol=1e-5)


def test_periods_of_a_change(files, sr, tmp_path):
    out = tmp_path / "scores.nc"
    days = ["2001-01-01", "2001-01-01", "2001-01-02", "2001-01-03"]
    assert run(sr, files / "hr.zarr", "--scores", "change", "--periods", *days, "-o", out) == 0
    expected = scores_of(sr, scores="change", periods=(days[:2], days[2:]))
    with xr.open_dataset(out, engine="netcdf4") as found:
        xr.testing.assert_allclose(found.load(), expected, rtol=1e-5)
    assert "change" in expected


def test_scores_and_figure_are_written(files, sr, tmp_path, capsys):
    out, figure = tmp_path / "new" / "scores.nc", tmp_path / "maps.png"
    given = [sr, files / "many.nc", "--variable", "t2m", "--lr", files / "lr.nc"]
    assert run(*given, "--output", out, "--figure", figure) == 0
    said = capsys.readouterr().out
    assert f"scores     {out}\n" in said
    assert f"figure     {figure}\n" in said
    with xr.open_dataset(out, engine="netcdf4") as found:
        assert found.attrs["baselines"] == "interpolation of lr"
        with xr.open_dataset(files / "lr.nc", engine="netcdf4") as lr:
            expected = scores_of(sr, lr=lr.load())
        xr.testing.assert_allclose(found.rmse_map.load(), expected.rmse_map, rtol=1e-4)
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert run(*given, "--output", out) == 1
    assert "A file exists at" in capsys.readouterr().err
    assert run(*given, "--output", out, "--overwrite") == 0
    assert sorted(p.name for p in out.parent.iterdir()) == ["scores.nc"]


def test_values_of_small_files_are_looked_at(tmp_path, caplog):
    truth = analytic(time=4)[["t2m"]]
    values = np.random.default_rng(0).normal(280, 5, truth.t2m.shape).astype("f4")
    truth.assign(t2m=truth.t2m.copy(data=values)).to_netcdf(tmp_path / "truth.nc")
    truth.assign(t2m=truth.t2m.copy(data=values[:, ::-1])).to_netcdf(tmp_path / "turned.nc")
    assert run(tmp_path / "turned.nc", tmp_path / "truth.nc", "--scale", "2") == 0
    assert "resembles that of the truth when it is" in caplog.text


def test_several_variables_have_a_table_each(files, tmp_path, capsys):
    base = analytic(time=12)
    both = base.assign(d2m=base.t2m - 3)[["t2m", "d2m"]] + 1
    for name in both:
        both[name].attrs = base.t2m.attrs
    both.to_netcdf(tmp_path / "sr.nc", engine="netcdf4")
    assert run(tmp_path / "sr.nc", files / "many.nc", "--scale", "4") == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines() if " / K" in line] == ["t2m", "d2m"]
    assert len(re.findall(r"^prediction +1\.000 +1\.000 +1\.000", said, re.MULTILINE)) == 2


def test_an_ensemble_has_scores_of_cells_and_of_texture():
    truth = analytic()[["t2m"]]
    low = truth.downscale.coarsen(2)
    base = low.downscale.interpolate(truth, method="bilinear")
    members = xr.concat([base, base + 1], "realization", coords="minimal")
    members.t2m.attrs = truth.t2m.attrs
    scores = xd.metrics.evaluate(members, truth, lr=low).compute()
    head, first, *_, ratio, skill = table(scores, "t2m").splitlines()
    assert head.endswith("RALSD / dB  CRPS / K  CRPS of maxima / K")
    one = scores.sel(product="prediction")
    expected = [
        f"{float(one.ralsd):.2f}",
        f"{float(one.crps):.3f}",
        f"{float(one.maxima_crps):.3f}",
    ]
    assert first.split()[-3:] == expected
    assert len(head) == len(first)
    assert ratio == f"spread-skill ratio: {float(scores.spread_skill_ratio):.2f} (1 is right)"
    assert skill.startswith("RMSE skill")


@pytest.mark.parametrize(
    ("code", "more", "said"),
    [
        (1, ["--variable", "t2n"], "Did you mean 't2m'?"),
        (1, ["--output", "hr.zarr/x.nc"], "beside the input"),
        (1, ["--output", "folder.nc"], "to be free for a file, got a folder"),
        (1, ["--lr", "none.nc"], "Expected a file at 'none.nc'"),
        (2, ["--figure", "a.xyz"], "Expected --figure to end in .png or .pdf or"),
        (2, ["--output", "scores.zarr"], "Expected --output to end in .nc, got 'scores.zarr'"),
    ],
)
def test_what_does_not_do(files, sr, capsys, monkeypatch, code, more, said):
    monkeypatch.chdir(files)
    (files / "folder.nc").mkdir(exist_ok=True)
    capsys.readouterr()
    before = sorted(files.rglob("*"))
    assert run(sr, files / "hr.zarr", *more) == code
    assert said in capsys.readouterr().err
    assert sorted(files.rglob("*")) == before


def test_the_first_guess_of_the_model(files, sr, model, capsys):
    capsys.readouterr()
    assert run(sr, files / "hr.zarr", "--lr", files / "lr.nc", "--model", model) == 0
    said = capsys.readouterr().out
    assert re.search(r"^first_guess +-?\d", said, re.MULTILINE)
    assert "against first_guess" in said
