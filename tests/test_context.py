"""Real pairs with LR cells around the domain, which the network sees too."""

import logging

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import no_compute
from tests.errors import data as d
from tests.test_whole_target import OPTIONS, reanalysis, target
from tests.tiers import every
from xr_dl4ds.exceptions import GridError


def winds():
    """LR without a counterpart: nothing but the network carries values to HR."""
    lr = reanalysis().rename(t2m="z")
    lr.z.attrs = {"units": "m"}
    return lr


def fit(lr, hr, **options):
    return lr.downscale.fit(hr, **{**d.TINY, **options})


def test_auto_takes_what_lr_has_on_some_side():
    # 11 x 17 LR cells; 5 x 6 of them are the domain, with 4, 2, 5 and 6 cells around
    model = fit(winds(), target()[["t2m"]])
    assert model.state.pairing.context == 6
    assert model.state.features.surroundings
    assert model.network.input_shape[-1] == 2
    narrow = winds().isel(latitude=slice(2, 11), longitude=slice(3, 13))
    model = fit(narrow, target()[["t2m"]])
    assert model.state.pairing.context == 2
    assert not model.state.features.surroundings


def test_fewer_cells_around_than_in_training_are_told(caplog):
    # a channel says where LR ends, but the network has learned from one place of its end alone
    lr = winds()
    model = fit(lr, target()[["t2m"]])
    assert model.state.features.surroundings
    model.predict(lr)
    assert "no values in" not in caplog.text
    model.predict(lr.isel(longitude=slice(2, None)))
    assert "no values in" in caplog.text
    caplog.clear()
    model.predict(lr.isel(latitude=slice(4, 9), longitude=slice(5, 11)))
    assert "have no values in 276 of 276 cells around the domain" in caplog.text


def test_validation_data_with_fewer_cells_around_are_told(caplog):
    lr, hr = winds(), target()[["t2m"]]
    inside = lr.isel(latitude=slice(4, 9), longitude=slice(5, 11))
    fit(lr, hr, validation=(lr, hr))
    assert "extend less far" not in caplog.text
    fit(lr, hr, validation=(inside, hr))
    assert "the LR validation data extend less far around the domain" in caplog.text
    assert "in the 6 cells on each side" in caplog.text


def test_auto_takes_what_predictors_have():
    inside = reanalysis().isel(latitude=slice(4, 9), longitude=slice(5, 11))
    model = fit(inside, target()[["t2m"]], predictors=winds())
    assert model.state.pairing.context == 6
    assert model.state.features.surroundings
    coarse = winds().coarsen(latitude=2, longitude=2, boundary="trim").mean()
    model = fit(inside, target()[["t2m"]], predictors=coarse)
    assert model.state.pairing.context > 2


@pytest.mark.parametrize("cells", [0, 2, 5])
def test_a_cell_outside_counts_if_it_is_seen(cells):
    lr, hr = winds(), target()[["t2m"]]
    model = fit(lr, hr, context=cells, n_blocks=4)
    far = lr.copy(deep=True)
    far.z[:, :, 2] += 5  # three cells west of the domain
    changed = bool((model.predict(far).t2m != model.predict(lr).t2m).any())
    assert changed == (cells >= 3)
    assert model.predict(lr).t2m.shape == (12, 19, 29)


def test_values_and_their_share_by_hand():
    from xr_dl4ds.config import Options, Sampling, settled
    from xr_dl4ds.data.inputs import Inputs
    from xr_dl4ds.data.prepare import prepare

    lr, hr = winds(), target()[["t2m"]]
    sampling = Sampling(context=5)
    options = Options(sampling=sampling)
    options = options.replace(network=settled(options.network, sampling))
    found = prepare(Inputs(hr=hr, lr=lr, validation=None), options)
    z, share = (found.train.lr[..., i] for i in (0, 1))
    # the domain begins at 45 N and 2.5 E; north of 60 N there is nothing
    scaled = (lr.z - float(lr.z.mean())) / float(lr.z.std())
    inside = scaled.sel(latitude=slice(45 - 10, 60), longitude=slice(2.5 - 12.5, 15 + 12.5))
    known = share[0].to_numpy()
    assert known.shape == (15, 16)
    np.testing.assert_array_equal(known[1:12], 1)
    assert known[0].max() == known[12:].max() == 0
    expected = np.asarray(inside)
    correlation = np.corrcoef(np.ravel(z[:, 1:12]), np.ravel(expected))[0, 1]
    assert correlation > 0.999999
    np.testing.assert_array_equal(z[:, 0], z[:, 1])
    np.testing.assert_array_equal(z[:, 14], z[:, 11])


def test_the_skip_interpolates_from_cells_beyond_the_border():
    lr, hr = reanalysis(), target()[["t2m"]]
    model = fit(lr, hr, learning_rate=1e-12)
    wanted = lr.downscale.interpolate(hr, method="bicubic").t2m
    np.testing.assert_allclose(model.predict(lr).t2m, wanted, atol=2e-3)
    model = fit(lr, hr, learning_rate=1e-12, context=0)
    assert float(abs(model.predict(lr).t2m - wanted).max()) > 0.05


@pytest.mark.parametrize("kind", every(2, OPTIONS))
def test_tiles_and_chunks_change_nothing(kind):
    # without a counterpart, whose skip would be most of the prediction
    lr, hr = (reanalysis() if kind == "a constraint" else winds()), target()
    options = {k: v for k, v in OPTIONS[kind].items() if k != "training"}
    model = fit(lr, hr, context=3, **options)
    whole = model.predict(lr)
    with no_compute():
        tiles = model.predict(lr.chunk(time=3, longitude=4), tile_size=10)
    scale = float(whole.t2m.std())
    np.testing.assert_allclose(tiles.t2m, whole.t2m, atol=1e-4 * scale)


def test_patches_and_streaming():
    lr, hr = winds(), target()[["t2m"]]
    memory = fit(lr, hr, patch_size=10, cache="memory")
    assert memory.state.pairing.context == 6
    streamed = fit(lr.chunk(time=4), hr.chunk(time=4), cache="none")
    whole = fit(lr, hr, cache="memory")
    for model in (memory, streamed, whole):
        assert model.predict(lr).t2m.notnull().all()


def test_the_narrower_lr_of_a_prediction_is_filled_with_a_warning(caplog):
    lr, hr = winds().isel(latitude=slice(2, 11), longitude=slice(3, 13)), target()[["t2m"]]
    model = fit(lr, hr, context=2)
    assert not model.state.features.surroundings
    model.predict(lr)
    assert "have no values in" not in caplog.text
    inside = lr.isel(longitude=slice(2, None))
    actual = model.predict(inside).t2m
    assert "the LR data or predictors= have no values in 18 of 60 cells around" in caplog.text
    filled = lr.copy(deep=True)
    filled.z[..., :2] = lr.z[..., 2:3].to_numpy()
    np.testing.assert_allclose(actual, model.predict(filled).t2m, atol=1e-5)


def test_a_climate_model_on_its_own_grid_has_surroundings_too():
    lr, hr = winds(), target()[["t2m"]]
    model = fit(lr, hr, context=2)
    at = {"latitude": np.arange(36, 59.5, 1.4), "longitude": np.arange(-8, 28, 1.4)}
    cells = xr.Dataset(coords={n: (n, v, lr[n].attrs) for n, v in at.items()})
    cells["cell"] = (tuple(at), np.zeros([v.size for v in at.values()]))
    gcm = lr.downscale.interpolate(cells, method="bilinear")
    with no_compute():
        lazy = model.predict(gcm.chunk(time=4))
    seen = gcm.downscale.interpolate(
        lr.isel(time=0, latitude=slice(2, 10), longitude=slice(3, 13)), method="conservative"
    )
    expected = model.predict(seen)
    assert lazy.t2m.shape == (12, 19, 29)
    np.testing.assert_allclose(lazy.t2m, expected.t2m, atol=1e-3)
    perturbed = gcm.copy(deep=True)
    perturbed.z[:, :, :6] += 3  # west of the domain
    assert float(abs(model.predict(perturbed).t2m - lazy.t2m).max()) > 1e-4


def test_a_model_keeps_its_context(tmp_path):
    lr, hr = winds(), target()[["t2m"]]
    model = fit(lr, hr, context=3, attention=True)
    model.save(tmp_path / "model")
    again = xd.load(tmp_path / "model")
    assert again.state.pairing.context == again.state.attention_margin == 3
    xr.testing.assert_equal(again.predict(lr), model.predict(lr))
    tuned = fit(lr, hr, attention=True, start=again)
    assert tuned.state.pairing.context == 3


def test_static_fields_and_features_of_place_and_time():
    lr, hr = winds(), target()
    model = fit(
        lr,
        hr,
        coordinate_features=["latitude", "x"],
        time_features=["solar_zenith", "day_of_year"],
    )
    assert model.predict(lr).t2m.notnull().all()


def test_synthetic_pairs_have_nothing_around():
    hr = target()[["t2m"]].isel(latitude=slice(0, 16), longitude=slice(0, 28))
    model = hr.downscale.fit(scale=4, **d.TINY)
    assert model.state.pairing.context == 0
    with pytest.raises(GridError, match=r"context=0 for synthetic pairs, got 2"):
        hr.downscale.fit(scale=4, context=2, **d.TINY)


def test_more_cells_than_there_are():
    with pytest.raises(GridError, match=r"7 LR cells around .* got 6, .* Use context=6"):
        fit(winds(), target()[["t2m"]], context=7)


def test_the_number_of_cells_is_told(caplog):
    with caplog.at_level(logging.INFO, logger="xr_dl4ds"):
        fit(winds(), target()[["t2m"]])
    assert "the network sees 6 LR cells around the domain" in caplog.text


def test_auto_is_narrow_where_the_network_works_on_hr_cells():
    model = fit(winds(), target()[["t2m"]], upsampling="interpolation")
    assert model.state.pairing.context == 2
    assert model.predict(winds()).t2m.notnull().all()
