"""Amounts on a curve (`scaling`), the loss by kind of target, and the season by itself."""

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from tests.errors import data as d
from tests.test_two_scales import blocks
from xr_dl4ds.config import choices
from xr_dl4ds.exceptions import VariableError

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False, "seed": 0}


def rain(times=24, scale=1.0):
    """Rain in mm/day with many dry cells, and temperature, with a hill."""
    lat, lon = 40 + 0.5 * np.arange(12), 0.5 * np.arange(16)
    wave = np.sin(0.7 * np.arange(times)[:, None, None] + lat[:, None] + lon)
    dims = ("time", "lat", "lon")
    return xr.Dataset(
        {
            "pr": (dims, (8 * scale * np.maximum(wave - 0.2, 0) ** 2).astype("f4")),
            "tas": (dims, (280 + 5 * wave).astype("f4"), {"units": "K"}),
            "hill": (("lat", "lon"), (lat[:, None] * lon).astype("f4"), {"units": "m"}),
        },
        {
            "time": np.datetime64("2001-01-01", "ns") + np.arange(times) * np.timedelta64(1, "D"),
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    ).assign(
        pr=lambda ds: ds.pr.assign_attrs(units="mm/day")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("curve", "options"),
    [
        ("log1p", {}),
        ("sqrt", {"upsampling": "interpolation", "backbone": "unet"}),
        ("cbrt", {"time_window": 3}),
        ("sqrt", {"loss": "crps"}),
        ("log1p", {"loss": "dssim_mae", "upsampling": "resize"}),
    ],
    ids=["plain", "unet", "windows", "crps", "dssim"],
)
def test_physical_units_stay_outside_the_curve(curve, options, tmp_path):
    hr = rain()[["pr", "hill"]]
    scaling = {"pr": curve, "hill": curve}
    model = hr.downscale.fit(scale=2, scaling=scaling, **{**TINY, **options})
    assert model.state.scaler.of("pr", "offset") == 0
    lr = hr[["pr"]].downscale.coarsen(2)
    sr = lr.downscale.predict(model).pr
    assert float(sr.min()) >= 0
    np.testing.assert_allclose(blocks(sr.to_numpy(), 2, 2), lr.pr, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model")
    again = lr.downscale.predict(xd.load(tmp_path / "model")).pr
    np.testing.assert_array_equal(again, sr)
    tiles = lr.chunk(time=5).downscale.predict(model, tile_size=8).pr
    np.testing.assert_allclose(tiles, sr, atol=1e-4)


def test_the_unit_changes_nothing():
    # amounts are measured by their standard deviation
    small, large = (
        ds[["pr"]].downscale.fit(scale=2, scaling="log1p", **TINY).predict(
            ds[["pr"]].downscale.coarsen(2)
        )
        for ds in (rain(), rain(scale=1000))
    )  # fmt: skip
    np.testing.assert_allclose(1000 * small.pr, large.pr, rtol=1e-3, atol=1e-2)


def test_real_pairs_start_from_an_untouched_first_guess():
    hr = rain(times=60)[["pr"]]
    lr = hr.downscale.coarsen(2)
    lr["pr"] = (lr.pr * 0.5).assign_attrs(lr.pr.attrs)
    given = {"first_guess": "bias_corrected", **TINY}
    guesses = [
        lr.downscale.fit(hr, scaling=s, **given).predict(lr, first_guess_only=True).pr
        for s in ("standard", "sqrt")
    ]
    np.testing.assert_allclose(guesses[0], guesses[1], atol=1e-4)


def test_negative_values_have_no_curve():
    with pytest.raises(VariableError, match=r"values >= 0 of 't2m' in the HR data for scaling='s"):
        analytic()[["t2m"]].assign(t2m=lambda ds: ds.t2m - 280).downscale.fit(
            scale=2, scaling="sqrt", **TINY
        )


def test_the_loss_by_kind_of_target(monkeypatch):
    assert xd.Supervised().loss == "auto"
    hr = rain()
    model = hr.downscale.fit(scale=2, **TINY)
    wanted = {"pr": choices.AUTO_LOSSES["amount"], "tas": choices.AUTO_LOSSES["other"]}
    one = wanted["pr"] if len(set(wanted.values())) == 1 else wanted
    assert model.options.training.loss == one
    assert model.provenance["loss"] == one
    monkeypatch.setattr(choices, "AUTO_LOSSES", {"amount": "mse", "other": "mae"})
    assert hr.downscale.fit(scale=2, **TINY).options.training.loss == {"pr": "mse", "tas": "mae"}
    assert hr[["pr"]].downscale.fit(scale=2, **TINY).options.training.loss == "mse"
    tuned = hr[["tas"]].downscale.fit(scale=2, loss="mse", **TINY)
    assert hr[["tas"]].downscale.fit(scale=2, start=tuned, **TINY).options.training.loss == "mse"


def monthly(years, **changes):
    """Temperatures of every month."""
    hr = d.bare(d.hr()).isel(time=0, drop=True)
    months = xr.date_range("2001-01-01", periods=12 * years, freq="MS", **changes)
    noise = np.random.default_rng(0).normal(size=len(months))
    return (hr.expand_dims(time=months) + xr.DataArray(noise, dims="time")).astype("f4").assign(
        t2m=lambda ds: ds.t2m.assign_attrs(units="K")
    )  # fmt: skip


@pytest.mark.parametrize("changes", [{}, {"calendar": "360_day", "use_cftime": True}])
def test_the_season_where_data_span_more_than_a_year(changes):
    model = monthly(2, **changes).downscale.fit(scale=2, **TINY)
    assert model.state.features.time_features == ("day_of_year",)
    assert monthly(1, **changes).downscale.fit(scale=2, **TINY).state.features.time_features == ()
    plain = monthly(2, **changes).downscale.fit(scale=2, time_features=False, **TINY)
    assert plain.state.features.time_features == ()
    # fine-tuning takes what the model has, whatever the new data span
    tuned = monthly(1, **changes).downscale.fit(scale=2, start=model, **TINY)
    assert tuned.state.features.time_features == ("day_of_year",)


def test_data_without_dates_have_no_season():
    undated = monthly(3).drop_vars("time")
    assert undated.downscale.fit(scale=2, **TINY).state.features.time_features == ()
