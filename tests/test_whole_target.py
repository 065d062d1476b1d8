"""Real pairs: every HR cell that LR covers has a prediction, also in LR cells that stick out."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import no_compute
from tests.errors import data as d
from tests.tiers import every
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import standardize

#: 19 x 29 HR cells of 0.5 degrees, whose LR cells of 2.5 degrees have 25 x 30.
SOUTH, WEST = 45.0, 2.0


def field(latitude, longitude, steps=12):
    about = {"latitude": "degrees_north", "longitude": "degrees_east"}
    at = {"latitude": latitude, "longitude": longitude}
    axes = {k: xr.DataArray(v, dims=k, attrs={"units": about[k]}) for k, v in at.items()}
    phase = xr.DataArray(0.7 * np.arange(steps), dims="time")
    values = (
        280 + 3 * np.sin(axes["latitude"] / 3 + phase) + 2 * np.cos(axes["longitude"] / 4 - phase)
    )
    ds = values.transpose("time", ...).astype("f4").to_dataset(name="t2m")
    ds = ds.assign_coords(time=pd.date_range("2001-01-01", periods=steps), **axes)
    ds.t2m.attrs = {"units": "K", "standard_name": "air_temperature"}
    return ds


def reanalysis():
    return field(np.arange(35, 60.1, 2.5), np.arange(-10, 30.1, 2.5))


def target():
    hr = field(SOUTH + 0.5 * np.arange(19), WEST + 0.5 * np.arange(29))
    height = np.random.default_rng(0).random((19, 29)).astype("f4")
    return hr.assign(orog=(("latitude", "longitude"), height))


OPTIONS = {
    "plain": {},
    "interpolated first": {"upsampling": "interpolation"},
    "windows": {"time_window": 2},
    "a constraint": {"constraint": "additive"},
    "localized": {"localized": True},
    "adversarial": {"training": xd.Adversarial(epochs=1, discriminator_filters=4)},
    "noise": {"loss": "crps", "noise_channels": 1},
}


@pytest.mark.parametrize("kind", every(2, OPTIONS))
def test_every_cell_that_lr_covers_is_predicted(kind, tmp_path):
    lr, hr = reanalysis(), target()
    options = {k: v for k, v in d.TINY.items() if kind != "adversarial" or k not in ("epochs",)}
    model = lr.downscale.fit(hr, **{**options, **OPTIONS[kind]})
    pairing = model.state.pairing
    assert pairing.domain.shape == (19, 29)
    assert pairing.lr.shape == (5, 6)
    out = model.predict(lr)
    assert out.t2m.shape == (12, 19, 29)
    assert out.t2m.notnull().all()
    np.testing.assert_array_equal(out.latitude, hr.latitude)
    np.testing.assert_array_equal(out.longitude, hr.longitude)
    model.save(tmp_path / "model")
    again = xd.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(lr).t2m, out.t2m)
    with no_compute():
        lazy = model.predict(lr.chunk(time=3), tile_size=10)
    np.testing.assert_allclose(lazy.t2m, out.t2m, atol=2e-3)
    given = model.predict(lr, static=hr[["orog"]])
    np.testing.assert_allclose(given.t2m, out.t2m, atol=1e-4)
    assert "(19, 29)" in repr(model)


def test_what_sticks_out_has_no_weight():
    lr, hr = reanalysis(), target()[["t2m"]]
    wider = field(SOUTH + 0.5 * np.arange(-8, 27), WEST + 0.5 * np.arange(-8, 37))
    inside = wider.latitude.isin(hr.latitude) & wider.longitude.isin(hr.longitude)
    # the same cells of a wider HR field, which is NaN beyond them, give the same network
    masked = wider.where(inside)
    models = [lr.downscale.fit(ds, **d.TINY) for ds in (hr, masked.sel(latitude=slice(44, 56.4)))]
    outs = [m.predict(lr).t2m for m in models]
    assert models[0].state.scaler.of("t2m", "mean") == models[1].state.scaler.of("t2m", "mean")
    assert outs[0].notnull().all()


def test_validation_data_and_members_on_the_same_cells():
    lr, hr = reanalysis(), target()[["t2m"]]
    model = lr.downscale.fit(hr, validation=(lr, hr), **d.TINY)
    assert np.isfinite(model.history.val_loss).all()
    two = [ds.expand_dims(member=[0, 1]).copy() for ds in (lr, hr)]
    assert two[0].downscale.fit(two[1], **d.TINY).predict(two[0]).t2m.sizes["member"] == 2


def test_a_part_of_the_domain_and_another_layout():
    lr, hr = reanalysis(), target()[["t2m"]]
    model = lr.downscale.fit(hr, **d.TINY)
    whole = model.predict(lr).t2m
    turned = model.predict(lr.isel(latitude=slice(None, None, -1))).t2m
    np.testing.assert_array_equal(turned.latitude, hr.latitude[::-1])
    np.testing.assert_allclose(turned[:, ::-1], whole, atol=1e-4)
    part = model.predict(lr.sel(latitude=slice(44, 51), longitude=slice(6, 17))).t2m
    np.testing.assert_allclose(part.latitude, hr.latitude[:13])  # up to 51.25
    assert part.notnull().all()


def test_trim_keeps_whole_lr_cells_alone(caplog):
    lr, hr = reanalysis(), target()
    model = lr.downscale.fit(hr, trim=True, **d.TINY)
    assert model.predict(lr).t2m.shape == (12, 15, 25)
    assert "176 of 551 cells are left out" in caplog.text


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_a_constraint_leaves_the_part_of_an_lr_cell_inside_hr_free(kind):
    lr, hr = reanalysis(), target()[["t2m"]]
    with_gap = hr.where((hr.latitude > 46) | (hr.longitude > 3))
    model = lr.downscale.fit(with_gap, **d.TINY, constraint=kind)
    out = model.predict(lr).t2m
    assert int(out.isnull().sum("time").astype(bool).sum()) == int(with_gap.t2m[0].isnull().sum())
    low = model.state.pairing.regrid_lr(standardize(lr, Dims(), "LR")).t2m.to_numpy()
    means = out[:, 3:18, 4:].coarsen(latitude=5, longitude=5).mean()
    np.testing.assert_allclose(means, low[:, 1:4, 1:], atol=2e-3)
    inside = out[:, :3, 4:].coarsen(latitude=3, longitude=5).mean()
    assert float(abs(inside - low[:, 0, None, 1:]).max()) > 0.01
