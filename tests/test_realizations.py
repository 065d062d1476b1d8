"""Members of an ensemble: Monte-Carlo dropout kept on for prediction."""

import random
import subprocess
import sys

import keras
import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic, no_compute, steps
from tests.tiers import every, rotated
from tests.untrained import untrained
from xr_dl4ds import inference
from xr_dl4ds.config import BACKBONES, Network, Sampling, Scale, settled
from xr_dl4ds.config.choices import DROPOUTS, SPATIAL_ONLY
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.inference.application import Application
from xr_dl4ds.networks import Ports, generator

pytestmark = pytest.mark.traced  # members run one network many times

SCALE = 2
TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "batch_size": 4, "verbose": False}
#: The residual of a network that barely trained is near zero; without the skip all is its own work.
BARE = {"interpolation_skip": False, "constraint": None}
DROPOUT = {"dropout": "vanilla", "dropout_rate": 0.4, "monte_carlo": True}


@pytest.fixture(scope="module")
def lr():
    return analytic()[["t2m"]].downscale.coarsen(SCALE)


@pytest.fixture(scope="module")
def model():
    """Spatial, with a static field."""
    return analytic().downscale.fit(scale=SCALE, **DROPOUT, **BARE, **TINY)


@pytest.fixture(scope="module")
def recurrent():
    """Windows of three steps."""
    hr = analytic(time=10)[["t2m"]]
    return hr.downscale.fit(scale=SCALE, time_window=3, **DROPOUT, **BARE, **TINY)


@pytest.fixture(params=["model", "recurrent"])
def either(request):
    return request.getfixturevalue(request.param)


def assert_close(actual, expected):
    """Equal up to the order of float32 sums."""
    assert actual.sizes == expected.sizes
    np.testing.assert_allclose(actual.t2m, expected.t2m, rtol=0, atol=1e-3)


# --- the dimension ------------------------------------------------------------------------------


def test_realization_is_the_first_dimension_after_cf(either, lr):
    before = lr.copy(deep=True)
    actual = either.predict(lr, realizations=3)
    assert actual.t2m.dims == ("realization", "time", "latitude", "longitude")
    assert actual.t2m.shape == (3, 8, 8, 12)
    assert actual.t2m.dtype == np.float32
    assert actual.t2m.notnull().all()
    number = actual.realization
    assert number.dtype == np.int32
    assert number.values.tolist() == [0, 1, 2]
    assert number.attrs == {"standard_name": "realization", "units": "1"}
    plain = either.predict(lr)
    assert set(actual.variables) == {*plain.variables, "realization"}
    assert actual.t2m.attrs == plain.t2m.attrs
    np.testing.assert_array_equal(actual.time, lr.time)
    xr.testing.assert_identical(lr, before)


def test_layouts_of_the_caller(model, lr):
    expected = model.predict(lr, realizations=2).t2m
    turned = model.predict(lr.transpose("longitude", "time", ...), realizations=2).t2m
    assert turned.dims == ("realization", "longitude", "time", "latitude")
    np.testing.assert_allclose(turned.transpose(*expected.dims), expected, atol=1e-3)
    one = model.predict(lr.isel(time=3), realizations=2).t2m
    assert one.dims == ("realization", "latitude", "longitude")
    np.testing.assert_allclose(one, expected.isel(time=3), atol=1e-3)


def test_a_data_array_gives_a_data_array(model, lr):
    actual = model.predict(lr.t2m, realizations=2)
    assert isinstance(actual, xr.DataArray)
    assert actual.name == "t2m"
    np.testing.assert_array_equal(actual, model.predict(lr, realizations=2).t2m)
    assert actual.realization.attrs["standard_name"] == "realization"


def test_one_member_is_an_ensemble_too(model, lr):
    actual = model.predict(lr, realizations=1)
    assert actual.sizes["realization"] == 1
    assert np.abs(actual.t2m[0] - model.predict(lr).t2m).max() > 1e-2


def test_written_lazily_and_read_again(model, lr, tmp_path):
    lazy = model.predict(lr.chunk(time=3), realizations=3)
    lazy.to_netcdf(tmp_path / "members.nc")
    with xr.open_dataset(tmp_path / "members.nc") as again:
        assert again.realization.dtype == np.int32
        assert again.realization.attrs == lazy.realization.attrs
        assert "_FillValue" not in again.realization.encoding
        expected = model.predict(lr, realizations=3)
        assert again.t2m.dims == expected.t2m.dims
        assert_close(again, expected)
        np.testing.assert_array_equal(again.t2m.sel(realization=2), again.t2m[2])
        spread = again.std("realization")
        np.testing.assert_allclose(spread.t2m, again.t2m.values.std(0), rtol=1e-3, atol=1e-4)


def test_lr_fields_that_are_one_member_themselves(model, lr):
    # a member of CMIP6 or of a seasonal forecast, selected by .sel(realization=3)
    actual = model.predict(lr.assign_coords(realization=3), realizations=2)
    assert actual.t2m.dims[0] == "realization"
    assert_close(actual, model.predict(lr, realizations=2))


def test_lr_fields_with_members_of_their_own_are_told(model, lr):
    members = lr.expand_dims(realization=2)
    cure = r"got 2 members\. Rename it with \.rename\(realization='member'\)"
    with pytest.raises(ValueError, match=cure):
        model.predict(members, realizations=2)
    both = members.rename(realization="member").downscale.predict(model, realizations=3)
    assert both.t2m.dims == ("realization", "member", "time", "latitude", "longitude")
    xr.testing.assert_equal(
        both.t2m.isel(member=1, drop=True), lr.downscale.predict(model, realizations=3).t2m
    )


# --- which members ------------------------------------------------------------------------------


def test_members_are_the_same_again_and_the_first_of_any_number(either, lr):
    many = either.predict(lr, realizations=5, seed=7)
    xr.testing.assert_equal(either.predict(lr, realizations=5, seed=7).t2m, many.t2m)
    for n in (1, 3):
        few = either.predict(lr, realizations=n, seed=7)
        xr.testing.assert_equal(few.t2m, many.t2m[:n])


def test_members_and_seeds_differ(either, lr):
    ensembles = [either.predict(lr, realizations=4, seed=seed).t2m for seed in (0, 1, 2**40)]
    members = np.concatenate([e.values for e in ensembles])
    for i in range(len(members)):
        for j in range(i):
            assert np.abs(members[i] - members[j]).max() > 1e-2
    default = either.predict(lr, realizations=4).t2m
    np.testing.assert_array_equal(default, ensembles[0])


def test_without_realizations_nothing_is_drawn(either, lr):
    before = either.predict(lr)
    assert "realization" not in before.variables
    either.predict(lr, realizations=2)
    xr.testing.assert_equal(either.predict(lr), before)


def test_a_member_is_one_network_for_all_times(model, recurrent, lr):
    whole = model.predict(lr, realizations=3)
    assert_close(model.predict(lr.isel(time=[6, 1]), realizations=3), whole.isel(time=[6, 1]))
    same = xr.concat([lr.isel(time=[0])] * 3, "time").assign_coords(time=lr.time[:3])
    members = model.predict(same, realizations=2).t2m
    np.testing.assert_allclose(members[:, 1:], members[:, :-1], atol=1e-3)
    # the first whole window of a part is that of the series
    whole, part = (recurrent.predict(x, realizations=3) for x in (lr, lr.isel(time=slice(2, None))))
    assert_close(part.isel(time=slice(2, None)), whole.isel(time=slice(4, None)))


def test_a_fit_again_draws_the_same_members(lr, model):
    again = analytic().downscale.fit(scale=SCALE, **DROPOUT, **BARE, **TINY)
    assert_close(again.predict(lr, realizations=2), model.predict(lr, realizations=2))


def test_a_saved_model_has_the_same_members(either, lr, tmp_path):
    expected = either.predict(lr, realizations=3, seed=5)
    either.save(tmp_path / "model")
    loaded = xd.load(tmp_path / "model")
    xr.testing.assert_equal(loaded.predict(lr, realizations=3, seed=5).t2m, expected.t2m)
    xr.testing.assert_equal(loaded.predict(lr).t2m, either.predict(lr).t2m)


@pytest.mark.slow
def test_another_process_has_the_same_members(model, lr, tmp_path):
    model.save(tmp_path / "model")
    lr.to_netcdf(tmp_path / "lr.nc")
    code = (
        "import sys, xarray as xr, xr_dl4ds as xd\n"
        "folder = sys.argv[1]\n"
        "model, lr = xd.load(f'{folder}/model'), xr.open_dataset(f'{folder}/lr.nc')\n"
        "model.predict(lr.chunk(time=3), realizations=3, seed=5).to_netcdf(f'{folder}/out.nc')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True)
    with xr.open_dataset(tmp_path / "out.nc") as actual:
        assert_close(actual, model.predict(lr, realizations=3, seed=5))


# --- dask ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheduler", "chunks"),
    rotated(["synchronous", "threads"], [{"time": 3}, {"time": (5, 1, 2), "latitude": 3}]),
    ids=str,
)
def test_lazy_members_equal_those_in_memory(either, lr, chunks, scheduler):
    expected = either.predict(lr, realizations=3, seed=2)
    with no_compute():
        lazy = either.predict(lr.chunk(chunks), realizations=3, seed=2)
    assert lazy.t2m.chunks[:2] == ((1, 1, 1), lr.chunk(chunks).t2m.chunks[0])
    assert_close(lazy.compute(scheduler=scheduler), expected)


@pytest.mark.parametrize("realizations", [None, 2])
def test_fields_stay_in_one_chunk(model, lr, realizations):
    lazy = model.predict(lr.chunk(time=3), realizations=realizations)
    assert lazy.t2m.chunks[-2:] == ((8,), (12,))


def test_one_member_alone_runs_alone(model, lr, runs):
    ran = runs(model.network)
    lazy = model.predict(lr.chunk(time=4), realizations=6)
    assert ran == []
    actual = lazy.t2m.isel(realization=2, time=5).compute()
    assert steps(ran) == [4]
    np.testing.assert_allclose(actual, lazy.t2m.compute()[2, 5], atol=1e-3)


@pytest.mark.parametrize("cells", [1, 200])
def test_members_do_not_depend_on_how_many_steps_run_at_once(either, lr, monkeypatch, cells):
    expected = either.predict(lr, realizations=2)
    monkeypatch.setattr(inference.application, "CELLS", cells)
    assert_close(either.predict(lr, realizations=2), expected)


# --- what members keep --------------------------------------------------------------------------


@pytest.mark.sparse(2)
@pytest.mark.parametrize("constraint", ["auto", "multiplicative", "softmax"])
def test_each_member_keeps_constraint_and_mask(constraint):
    hr = analytic()[["t2m"]]
    hr = hr.where((hr.latitude > 49) | (hr.longitude > 6))
    lr = hr.downscale.coarsen(SCALE)
    options = {**TINY, **DROPOUT, "learning_rate": 0.05}
    model = hr.downscale.fit(scale=SCALE, constraint=constraint, **options)
    lr["t2m"][4, 0, 1] = np.nan
    members = model.predict(lr, realizations=3)
    assert members.t2m.std("realization").max() > 1e-3
    for member in (members.isel(realization=i) for i in range(3)):
        missing = hr.t2m.isnull().values
        missing[4, :2, 2:4] = True
        np.testing.assert_array_equal(member.t2m.isnull(), missing)
        means = member.t2m.coarsen(latitude=SCALE, longitude=SCALE).mean()
        np.testing.assert_allclose(means.values, lr.t2m.values, rtol=1e-6)


CELLS = [(b, None) for b in BACKBONES] + [(b, 3) for b in BACKBONES if b not in SPATIAL_ONLY]


def ensemble(backbone, window, members=4, seed=0, **options):
    """Members of a network that is not trained, and the same network without dropout."""
    given = {"n_filters": 4, "n_blocks": 1, "interpolation_skip": False, "constraint": None}
    options = Network(backbone=backbone, **given, monte_carlo=True, **options)
    sampling = Sampling(time_window=window)
    ports = Ports(
        n_lr=1, n_static=0, lr_channels=(0,), scale=Scale.of(SCALE), sequence=window is not None
    )
    network = generator(settled(options, sampling), ports, seed=seed)
    values = np.random.default_rng(0).normal(size=(window or 2, 4, 6, 1)).astype("f4")
    lr = values if window is None else values[None]
    plain, *drawn = (
        Application(network=network, fixed={}, scale=Scale.of(SCALE), token="a", realization=r)(lr)
        for r in (None, *range(members))
    )
    return plain, np.stack(drawn)


@pytest.mark.sparse(2)
@pytest.mark.parametrize("i", range(len(CELLS)))
def test_members_of_every_backbone_differ(i):
    backbone, window = CELLS[i]
    dropout = DROPOUTS[i % len(DROPOUTS)]
    plain, members = ensemble(backbone, window, dropout=dropout, dropout_rate=0.5)
    assert np.isfinite(members).all()
    assert members.std(axis=0).max() > 0.01 * plain.std()
    assert np.abs(members - plain).max(axis=tuple(range(1, members.ndim))).min() > 0


@pytest.mark.parametrize("dropout", every(3, DROPOUTS))
def test_members_of_a_linear_network_scatter_about_it(dropout):
    # factors have mean 1 and are independent: the mean over members is the network without them
    options = {"dropout": dropout, "activation": "linear", "members": 300}
    (plain, some), (_, more) = (
        ensemble("convnet", None, dropout_rate=rate, **options) for rate in (0.1, 0.3)
    )
    for members in (some, more):
        error = members.std(axis=0, ddof=1) / np.sqrt(len(members))
        z = (members.mean(axis=0) - plain) / error
        assert np.abs(z).max() < 5
        assert np.sqrt(np.mean(z**2)) < 2
    # a factor has the variance v = rate / (1 - rate), a product of n factors (1 + v)^n - 1; values
    # pass through four layers, and only some of what they carry is common to all
    one, four = (np.sqrt(((1 + 3 / 7) ** n - 1) / ((1 + 1 / 9) ** n - 1)) for n in (1, 4))
    ratio = np.sqrt(more.var(axis=0).mean() / some.var(axis=0).mean())
    assert 0.95 * one < ratio < 1.05 * four


# --- what is told -------------------------------------------------------------------------------


@pytest.mark.parametrize("dropout", [None, "spatial"])
@pytest.mark.parametrize("asked", [{"realizations": 4}, {"spread": True}], ids=str)
def test_a_model_with_one_answer_says_what_to_set(lr, dropout, asked):
    hr = analytic()[["t2m"]]
    model = untrained(hr, scale=SCALE, dropout=dropout, loss="mse")
    (text,) = (f"{name}={value}" for name, value in asked.items())
    message = (
        rf"draws members for {text}, got dropout={dropout!r}, monte_carlo=False, loss='mse',"
        r" noise_channels=0.*Fit it with dropout='vanilla', monte_carlo=True, with"
        r" loss='gaussian_nll' or 'bernoulli_gamma_nll' or 'crps', or with"
        r" training=xr_dl4ds\.Adversarial\(\)"
    )
    with pytest.raises(ValueError, match=message):
        model.predict(lr, **asked)
    assert "realization" not in model.predict(lr).dims


def test_an_adversarial_model_without_noise_has_one_answer(lr):
    training = xd.Adversarial(noise_channels=0, verbose=False)
    model = untrained(analytic()[["t2m"]], scale=SCALE, training=training)
    with pytest.raises(ValueError, match="noise_channels=0, which is deterministic"):
        model.predict(lr, realizations=2)


def test_members_or_their_spread(model, lr):
    with pytest.raises(
        ValueError, match=r"spread=True and realizations=3\. .*std\('realization'\)"
    ):
        model.predict(lr, realizations=3, spread=True)
    with pytest.raises(ValueError, match="`spread` to be True or False, got 1"):
        model.predict(lr, spread=1)


def test_the_name_of_a_spread_is_free():
    hr = analytic()[["t2m"]]
    hr["t2m_spread"] = hr.t2m**2
    model = untrained(hr, scale=SCALE, loss="gaussian_nll")
    lr = hr.downscale.coarsen(SCALE)
    with pytest.raises(ValueError, match=r"got 't2m_spread' beside 't2m'\. Fit with another name"):
        model.predict(lr, spread=True)
    assert model.predict(lr, realizations=2).t2m_spread.dims[0] == "realization"


@pytest.mark.parametrize("wrong", [0, -1, True, 2.5, 2.0, "3", [2]])
def test_realizations_are_a_whole_number(model, lr, wrong):
    with pytest.raises(ValueError, match=r"`realizations` to be a whole number >= 1, got"):
        model.predict(lr, realizations=wrong)


@pytest.mark.parametrize("wrong", [-1, None, True, 0.5])
def test_the_seed_is_a_whole_number(model, lr, wrong):
    with pytest.raises(ValueError, match=r"`seed` to be a whole number >= 0, got"):
        model.predict(lr, realizations=2, seed=wrong)


def test_numpy_integers_are_whole_numbers(model, lr):
    actual = model.predict(lr, realizations=np.int64(2), seed=np.uint8(3))
    xr.testing.assert_equal(actual.t2m, model.predict(lr, realizations=2, seed=3).t2m)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"monte_carlo": True}, "`dropout` for monte_carlo=True, got None. Use dropout='vanilla'"),
        ({"dropout_rate": 0.3}, "`dropout` for dropout_rate=0.3, got None"),
        ({"dropout": "vanilla", "monte_carlo": 1}, "`monte_carlo` to be True or False, got 1"),
        ({"dropout": "vanilla", "dropout_rate": 1.0}, "`dropout_rate` < 1, got 1.0"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        Network(**options)


def test_scores_and_figures_of_members(model, lr):
    hr, members = analytic()[["t2m"]], model.predict(lr.chunk(time=3), realizations=3)
    with no_compute():
        scores = members.downscale.evaluate(hr.chunk(time=2), area_weighted=False)
    rmse = np.sqrt(((members.t2m.mean("realization") - hr.t2m) ** 2).mean())
    np.testing.assert_allclose(scores.rmse.sel(product="prediction"), rmse, rtol=1e-4)
    assert 0 < scores.spread_skill_ratio < np.inf
    titles = [axes.get_title() for axes in members.downscale.plot(hr=hr).axes]
    assert titles[:3] == ["member 1 of 3", "mean", "spread"]
    # one member alone is a prediction as any other
    member = members.isel(realization=0)
    scores = member.downscale.evaluate(hr, area_weighted=False)
    rmse = scores.rmse.sel(product="prediction")
    np.testing.assert_allclose(rmse, np.sqrt(((member.t2m - hr.t2m) ** 2).mean()), rtol=1e-4)
    assert member.downscale.plot().axes[0].get_title() == "prediction"


def test_members_of_members_ask_for_one_dimension(model, lr):
    both = lr.expand_dims(member=2).downscale.predict(model, realizations=2)
    hr = analytic()[["t2m"]]
    message = r"one dimension of members, got \['realization', 'member'\]\. Make one of both with"
    with pytest.raises(GridError, match=message):
        both.downscale.evaluate(hr)
    stacked = both.stack(ensemble=["realization", "member"])
    assert stacked.downscale.evaluate(hr).sizes["rank"] == 5


def test_the_callers_own_random_state_is_left_alone(model, lr):
    keras.utils.set_random_seed(3)
    expected = random.random(), float(keras.random.uniform(()))
    keras.utils.set_random_seed(3)
    model.predict(lr, realizations=2)
    assert (random.random(), float(keras.random.uniform(()))) == expected
