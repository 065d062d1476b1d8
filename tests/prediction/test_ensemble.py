"""Members, mean and spread of models with distributions and noise, from end to end."""

import types

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.cf import like_a_file, written_problems
from tests.conftest import analytic, no_compute, real, steps
from tests.untrained import untrained
from xr_dl4ds import inference
from xr_dl4ds.prediction.ensemble import MEMBERS_OF_MEAN, Draws, MemberSources, RunningMoments
from xr_dl4ds.prediction.network_input import NetworkInput
from xr_dl4ds.prediction.random_numbers import step_keys

pytestmark = pytest.mark.traced  # members run one network many times

SCALE = 2
DROPOUT = {"dropout": "vanilla", "dropout_rate": 0.4, "monte_carlo": True}
MODELS = {
    "gaussian": {"loss": "gaussian_nll", "constraint": None},
    "gaussian, constrained": {"loss": "gaussian_nll"},
    "gaussian, dropout": {"loss": "gaussian_nll", **DROPOUT},
    "amount": {"loss": {"t2m": "gaussian_nll", "pr": "bernoulli_gamma_nll"}},
    "crps": {"loss": "crps", "noise_channels": 2},
    "adversarial": {"training": xd.Adversarial(noise_channels=3, pixel_loss="mae", verbose=False)},
    "adversarial, dropout": {"training": xd.Adversarial(verbose=False), **DROPOUT},
    "windows": {"loss": "crps", "time_window": 3},
    "windows, gaussian": {"loss": "gaussian_nll", "time_window": 3},
}
#: The two sources alone; the network's own draws are float sums, whose order batches change.
HEADS = ("gaussian", "gaussian, constrained", "amount")


def fields(time=10):
    """Temperature, and precipitation: mostly dry, with showers."""
    hr = analytic(time=time)[["t2m"]]
    rng = np.random.default_rng(3)
    rain = rng.gamma(0.4, 3.0, hr.t2m.shape) * (rng.random(hr.t2m.shape) < 0.4)
    rain[:, :4, :4] *= rng.random((time, 1, 1)) < 0.5  # whole blocks without any
    about = {"standard_name": "precipitation_flux", "units": "mm d-1", "long_name": "rain"}
    return hr.assign(pr=(hr.t2m.dims, rain.astype("f4"), about))


_MODELS = {}


def model_of(kind):
    if kind not in _MODELS:
        hr = fields() if kind == "amount" else fields()[["t2m"]]
        _MODELS[kind] = untrained(hr, scale=SCALE, **MODELS[kind])
    return _MODELS[kind]


@pytest.fixture(params=list(MODELS))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def both():
    """LR fields of both variables; models take those that they know."""
    return fields().downscale.coarsen(SCALE)


def close(actual, expected):
    """Equal but for the order of float32 sums."""
    xr.testing.assert_allclose(actual, expected, rtol=0, atol=2e-3)


# --- members --------------------------------------------------------------------------------------


@pytest.mark.sparse(2)
def test_members_come_along_realization(kind, both):
    before = both.copy(deep=True)
    model = model_of(kind)
    actual = model.predict(both, realizations=3)
    assert actual.t2m.dims == ("realization", "time", "latitude", "longitude")
    assert actual.t2m.shape == (3, 10, 8, 12)
    assert actual.t2m.dtype == np.float32
    assert actual.t2m.notnull().all()
    assert actual.realization.attrs["standard_name"] == "realization"
    for name in model.state.features.targets:
        assert float(actual[name].std("realization").max()) > 1e-2
    xr.testing.assert_identical(both, before)


def test_the_first_members_are_those_of_any_number_and_seeds_differ(kind, both):
    model = model_of(kind)
    many = model.predict(both, realizations=4, seed=3)
    xr.testing.assert_equal(model.predict(both, realizations=2, seed=3).t2m, many.t2m[:2])
    other = model.predict(both, realizations=1, seed=4)
    assert np.abs(other.t2m[0] - many.t2m).max(["time", "latitude", "longitude"]).min() > 1e-2


@pytest.mark.sparse(3)
@pytest.mark.parametrize("chunks", [{"time": 3}, {"time": (5, 1, 4), "latitude": 2}], ids=str)
def test_lazy_members_equal_those_in_memory(kind, both, chunks):
    model = model_of(kind)
    expected = model.predict(both, realizations=2, seed=2)
    with no_compute():
        lazy = model.predict(both.chunk(chunks), realizations=2, seed=2)
    assert lazy.t2m.chunks[:2] == ((1, 1), both.chunk(chunks).t2m.chunks[0])
    close(lazy.compute(scheduler="threads"), expected)


def test_a_part_of_the_steps_has_the_members_of_the_whole(kind, both):
    model = model_of(kind)
    whole = model.predict(both, realizations=2)
    if model.options.sampling.time_window:
        part = slice(3, None)
        actual = model.predict(both.isel(time=part), realizations=2).isel(time=slice(2, None))
        close(actual, whole.isel(time=slice(5, None)))
        return
    close(model.predict(both.isel(time=[5]), realizations=2), whole.isel(time=[5]))
    close(model.predict(both.isel(time=[7, 2]), realizations=2), whole.isel(time=[7, 2]))
    one = model.predict(both.isel(time=5), realizations=2)  # the date stands beside it
    close(one.t2m, whole.t2m.isel(time=5))


@pytest.mark.parametrize("kind", ["gaussian, dropout", "adversarial, dropout", "windows"])
def test_members_do_not_depend_on_how_many_steps_run_at_once(kind, both, monkeypatch):
    expected = model_of(kind).predict(both, realizations=2)
    monkeypatch.setattr(inference.application, "CELLS", 1)
    close(model_of(kind).predict(both, realizations=2), expected)


@pytest.mark.parametrize("kind", ["amount", "crps"])
def test_a_saved_model_has_the_same_members(kind, both, tmp_path):
    expected = model_of(kind).predict(both, realizations=2, seed=5)
    model_of(kind).save(tmp_path / "model")
    xr.testing.assert_equal(
        xd.load(tmp_path / "model").predict(both, realizations=2, seed=5), expected
    )


def test_dates_of_another_class_and_none(both):
    model = model_of("gaussian")
    expected = model.predict(both, realizations=2).t2m
    other = both.convert_calendar("standard", use_cftime=True)
    np.testing.assert_array_equal(model.predict(other, realizations=2).t2m, expected)
    bare = model.predict(both.drop_vars("time"), realizations=2).t2m
    assert np.isfinite(bare).all()
    assert np.abs(bare[:, 1] - bare[:, 2]).max() > 1e-2


@pytest.mark.parametrize("kind", HEADS)
def test_one_pass_of_the_network_serves_all_members(kind, both, runs):
    model = model_of(kind)
    ran = runs(model.network)
    model.predict(both, realizations=5)
    assert steps(ran) == [10]
    ran.clear()
    model.predict(both.chunk(time=4), realizations=5).compute()
    assert sorted(steps(ran)) == [2, 4, 4]
    ran.clear()
    model.predict(both.chunk(time=4), spread=True).compute()
    assert sorted(steps(ran)) == [2, 4, 4]


def test_input_members_differ_by_more_than_their_input(both):
    # two members of a forecast that are the same: each is drawn for itself
    twins = both.expand_dims(number=[4, 9])
    actual = model_of("gaussian").predict(twins, realizations=1).t2m[0]
    assert np.abs(actual.sel(number=4) - actual.sel(number=9)).max() > 1e-2
    for alone in (twins.sel(number=[9]), twins.sel(number=9)):
        same = model_of("gaussian").predict(alone, realizations=1).t2m[0].squeeze()
        np.testing.assert_array_equal(same, actual.sel(number=9))


def test_draws_scatter_about_the_mean_with_the_spread(both):
    model, n = model_of("gaussian"), 400
    members = model.predict(both, realizations=n).t2m.astype("f8")
    about = model.predict(both, spread=True).astype("f8")
    z = (members - about.t2m) / about.t2m_spread
    assert abs(float(z.mean())) < 5 / np.sqrt(z.size)
    np.testing.assert_allclose(z.std(), 1, atol=0.01)
    assert float(np.abs(z.mean("realization")).max()) < 5 / np.sqrt(n)


def test_amounts_scatter_about_the_mean():
    lr = fields(4).downscale.coarsen(SCALE)
    model = untrained(fields(), scale=SCALE, constraint=None, **MODELS["amount"])
    members = model.predict(lr, realizations=300).pr.astype("f8")
    about = model.predict(lr, spread=True).astype("f8")
    assert float(members.min()) == 0.0
    assert 0.05 < float((members == 0).mean()) < 0.95
    error = members.std("realization") / np.sqrt(300)
    assert float((np.abs(members.mean("realization") - about.pr) / error).max()) < 7
    ratio = float(np.log(members.std("realization") / about.pr_spread).mean())
    assert abs(ratio) < 0.05


# --- mean and spread ------------------------------------------------------------------------------


def test_the_one_answer_of_each_kind(kind, both):
    model = model_of(kind)
    actual = model.predict(both)
    assert set(actual.data_vars) >= set(model.state.features.targets)
    assert not any(name.endswith("_spread") for name in actual.data_vars)
    if model.options.training.draws_members:
        members = model.predict(both, realizations=MEMBERS_OF_MEAN)
        expected = members.t2m.astype("f8").mean("realization")
        np.testing.assert_allclose(actual.t2m, expected, atol=1e-4)
        assert np.abs(model.predict(both, seed=1).t2m - actual.t2m).max() > 1e-3
    else:
        xr.testing.assert_equal(model.predict(both, seed=1), actual)
    with no_compute():
        lazy = model.predict(both.chunk(time=4))
    close(lazy.compute(), actual)


def test_spread_stands_beside_each_target(kind, both):
    model = model_of(kind)
    plain, actual = model.predict(both, seed=1), model.predict(both, spread=True, seed=1)
    for name in model.state.features.targets:
        np.testing.assert_array_equal(actual[name], plain[name])
        about = actual[f"{name}_spread"]
        assert about.dims == actual[name].dims
        assert about.dtype == np.float32
        assert float(about.min()) >= 0
        assert float(about.max()) > 1e-3
    if model.options.network.monte_carlo or model.options.training.n_noise:
        members = model.predict(both, realizations=MEMBERS_OF_MEAN, seed=1)
        expected = members.astype("f8").std("realization", ddof=1)
        np.testing.assert_allclose(actual.t2m_spread, expected.t2m, atol=1e-4)
    with no_compute():
        lazy = model.predict(both.chunk(time=4), spread=True, seed=1)
    close(lazy.compute(), actual)


def test_spread_is_that_of_the_network_in_physical_units(both):
    model = model_of("gaussian")
    t2m = both.t2m.transpose("time", "latitude", "longitude").isel(latitude=slice(None, None, -1))
    scaled = (t2m - model.state.scaler.of("t2m", "mean")) / model.state.scaler.of("t2m", "std")
    raw = np.asarray(model.network({"lr": scaled.to_numpy()[..., None]}, training=False))
    expected = raw[:, ::-1, :, 1] * model.state.scaler.of("t2m", "std")
    actual = model.predict(both, spread=True).t2m_spread
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


def test_metadata_of_a_spread(both):
    actual = model_of("amount").predict(both, spread=True)
    assert actual.t2m.attrs["ancillary_variables"] == "t2m_spread"
    about = actual.t2m_spread.attrs
    assert about.pop("grid_mapping") == actual.t2m.attrs["grid_mapping"]
    assert about == {
        "standard_name": "air_temperature standard_error",
        "long_name": "standard deviation of 2 metre temperature",
        "cell_methods": "time: point",
        "units": "K",
        "units_metadata": "temperature: difference",
    }
    rain = actual.pr_spread.attrs
    assert rain["units"] == "mm d-1"
    assert "units_metadata" not in rain
    assert str(actual.t2m_spread.encoding) == str(actual.t2m.encoding)


@pytest.mark.parametrize("asked", [{"spread": True}, {"realizations": 2}], ids=str)
def test_what_is_written_is_cf(tmp_path, asked):
    hr = like_a_file()
    model = untrained(hr, scale=SCALE, loss="gaussian_nll")
    prediction = hr[["t2m"]].downscale.coarsen(SCALE).downscale.predict(model, **asked)
    assert written_problems(prediction, tmp_path) == []


def test_the_spread_of_degrees_is_in_kelvin():
    hr = fields()[["t2m"]] - 273.15
    hr.t2m.attrs = {"units": "degC", "long_name": "temperature"}
    model = untrained(hr, scale=SCALE, **MODELS["gaussian"])
    lr = hr.downscale.coarsen(SCALE)
    actual = model.predict(lr, spread=True)
    assert actual.t2m.attrs["units"] == "degC"
    assert actual.t2m_spread.attrs["units"] == "K"
    assert float(actual.t2m_spread.max()) < 30
    assert "standard_name" not in actual.t2m_spread.attrs


def test_a_data_array_gives_a_dataset_with_its_spread(both):
    actual = model_of("gaussian").predict(both.t2m, spread=True)
    assert list(actual.data_vars)[:2] == ["t2m", "t2m_spread"]
    assert isinstance(model_of("gaussian").predict(both.t2m), xr.DataArray)
    accessed = both.t2m.downscale.predict(model_of("gaussian"), spread=True)
    xr.testing.assert_equal(accessed.t2m_spread, actual.t2m_spread)


def test_targets_without_a_distribution_have_no_spread(both):
    loss = {"t2m": "mae", "pr": "bernoulli_gamma_nll"}
    model = untrained(fields(), scale=SCALE, loss=loss)
    actual = model.predict(both, spread=True)
    assert "pr_spread" in actual
    assert "t2m_spread" not in actual
    assert "ancillary_variables" not in actual.t2m.attrs
    members = model.predict(both, realizations=2)
    np.testing.assert_array_equal(members.t2m[0], members.t2m[1])
    assert np.abs(members.pr[0] - members.pr[1]).max() > 0.1


def test_levels_have_their_spread_along_them():
    hr = fields()[["t2m"]]
    levels = xr.concat([hr.t2m, hr.t2m - 20], "level").assign_coords(level=[850, 500])
    hr = xr.Dataset({"ta": levels.assign_attrs(units="K")}).transpose("time", "level", ...)
    model = untrained(hr, scale=SCALE, **MODELS["gaussian"])
    lr = hr.downscale.coarsen(SCALE)
    actual = model.predict(lr, spread=True)
    assert actual.ta_spread.dims == actual.ta.dims == ("time", "level", "latitude", "longitude")
    assert actual.level.values.tolist() == [850, 500]
    assert actual.ta.attrs["ancillary_variables"] == "ta_spread"


def test_spread_is_nan_where_the_target_is(both):
    hr = fields()[["t2m"]]
    hr = hr.where((hr.latitude > 49) | (hr.longitude > 6))
    lr = hr.downscale.coarsen(SCALE)
    for kind in ("gaussian, constrained", "crps"):
        model = untrained(hr, scale=SCALE, **MODELS[kind])
        lr["t2m"][4, 0, 1] = np.nan
        actual = model.predict(lr, spread=True)
        assert actual.t2m.isnull().any()
        np.testing.assert_array_equal(actual.t2m_spread.isnull(), actual.t2m.isnull())


def test_provenance_tells_how_to_draw_again(both):
    from xr_dl4ds.grid.cf.georeference import provenance_of

    def noted(kind, **asked):
        found = provenance_of(model_of(kind).predict(both, seed=7, **asked))
        return {k: found[k] for k in found if k.startswith(("realizations", "members"))}

    assert noted("gaussian", realizations=2) == {"realizations": 2, "realizations_seed": 7}
    assert noted("gaussian", spread=True) == noted("adversarial") == {}
    expected = {"members_of_mean": 16, "realizations_seed": 7}
    assert noted("crps") == noted("crps", spread=True) == expected
    assert noted("adversarial", spread=True) == expected


def test_moments_against_numpy():
    values = 250 + np.random.default_rng(0).normal(size=(7, 3, 4)).astype("f4")
    moments = RunningMoments()
    for one in values:
        moments.add(xr.Dataset({"a": (("y", "x"), one)}))
    np.testing.assert_allclose(moments.mean.a, values.astype("f8").mean(0), rtol=1e-7)
    np.testing.assert_allclose(moments.std.a, values.astype("f8").std(0, ddof=1), rtol=1e-6)
    assert moments.std.a.dtype == np.float32


# --- physics --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gaussian, constrained", "gaussian, dropout", "amount"])
def test_each_member_keeps_its_lr_fields(kind, both):
    members = model_of(kind).predict(both, realizations=3)
    means = members.coarsen(latitude=SCALE, longitude=SCALE).mean()
    for name in model_of(kind).state.features.targets:
        for i in range(3):
            expected = both[name].transpose(*means[name].dims[1:]).values
            np.testing.assert_allclose(means[name][i], expected, rtol=2e-6, atol=1e-6)


def test_nothing_stays_nothing_and_no_member_is_below(both):
    members = model_of("amount").predict(both, realizations=4).pr
    assert float(members.min()) == 0.0
    dry = (both.pr == 0).values.repeat(SCALE, 1).repeat(SCALE, 2)
    assert dry.any()
    assert (members.values[:, dry] == 0).all()
    # in wet blocks too, some cells have exactly nothing
    assert (members.values[:, ~dry] == 0).mean() > 0.05


# --- other data -----------------------------------------------------------------------------------


def test_samples_of_radar_patches():
    """One after the other along a dimension that is no time, with labels."""
    hr = real("mrms_patches_002deg.nc").isel(sample=slice(0, 12), y=slice(0, 16), x=slice(0, 16))
    model = untrained(hr, scale=SCALE, loss="bernoulli_gamma_nll")
    lr = hr.downscale.coarsen(SCALE)
    whole = model.predict(lr, realizations=2, seed=1).pr
    assert float(whole.min()) == 0
    assert np.abs(whole[0] - whole[1]).max() > 0.1
    part = model.predict(lr.isel(sample=[7, 3]), realizations=2, seed=1).pr
    np.testing.assert_allclose(part, whole.isel(sample=[7, 3]), rtol=1e-3, atol=1e-4)


def test_around_the_globe():
    hr = analytic(y=8, x=16)[["t2m"]]
    at = {"latitude": 70 - 20.0 * np.arange(8), "longitude": 22.5 * np.arange(16)}
    hr = hr.assign_coords({n: (n, v, hr[n].attrs) for n, v in at.items()})
    lr = hr.downscale.coarsen(SCALE).drop_vars(["latitude_bnds", "longitude_bnds"])
    for kind in ("crps", "gaussian, constrained"):
        model = untrained(hr, scale=SCALE, **MODELS[kind])
        whole = model.predict(lr, realizations=2)
        rolled = lr.roll(longitude=3, roll_coords=True)
        part = lr.isel(longitude=slice(2, 6))
        for actual in (whole, *(model.predict(x, realizations=2) for x in (rolled, part))):
            assert actual.t2m.notnull().all()
            assert np.abs(actual.t2m[0] - actual.t2m[1]).max() > 1e-2


# --- parts of the domain --------------------------------------------------------------------------

#: Whole LR cells, some of them in one block.
PARTS = {"time": (6, 4), "y": (2, 6), "x": (4, 2, 6)}


def output_of(model, lr):
    """The draws of a model, and what its network gives for the LR fields, whole and in parts."""
    dims = ("time", "y", "x", "channel")
    scaled = model.state.scaler.transform(lr[["t2m"]]).t2m.transpose("time", ...).values[:, ::-1]
    out = np.asarray(model.network({"lr": scaled[..., None]}, training=False))
    whole = xr.DataArray(out, dims=dims, coords={"time": lr.time})
    valid = np.random.default_rng(0).random((8, 12, 1)) < 0.8
    draws = Draws(
        sources=MemberSources.of(model.state, model.options),
        runner=types.SimpleNamespace(run=lambda given, seed: whole),
        network_input=NetworkInput(
            lr=scaled,
            fixed={"valid": xr.DataArray(valid.astype("f4"), dims=dims[1:])},
            windows=None,
            keys=step_keys(whole, {}),
            global_domain=False,
        ),
    )
    return draws, whole, whole.chunk(PARTS)


@pytest.mark.parametrize("name", ["gaussian", "gaussian, constrained"])
def test_parts_of_the_domain_draw_what_the_whole_draws(name, both):
    draws, whole, parts = output_of(model_of(name), both)
    expected = draws.drawn(whole, 5)
    assert expected.shape == (10, 8, 12, 1)
    with no_compute():
        actual = draws.drawn(parts, 5)
    assert actual.dims == whole.dims
    assert actual.chunks == (*PARTS.values(), (1,))
    xr.testing.assert_identical(actual.compute(), expected)
    assert (draws.drawn(whole, 6) != expected).any()
