"""What is said of an ensemble after `fit`."""

import logging
import re

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from xr_dl4ds.config import Scale
from xr_dl4ds.data.statistics import Steps
from xr_dl4ds.fitting import calibration
from xr_dl4ds.grid.names import REALIZATION, TIME, X, Y

#: Scores of cells, and those that see texture.
SCORES = {"spread_skill_ratio", "member_correlation", "crps", "first_guess_mae", "ralsd"}
SCORES |= {"maxima_crps"}

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False}


#: Which steps have values is not looked at here.
STEPS = Steps(some=np.ones(0, bool), whole=np.ones(0, bool))


def fields(n=10, spread=1.0, error=1.0, seed=0):
    """Members about a mean that misses the truth by `error`."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(40, 8, 8))
    mean = truth + error * rng.normal(size=truth.shape)
    members = mean + spread * rng.normal(size=(n, *truth.shape))
    dims = (TIME, Y, X)
    return xr.DataArray(members, dims=(REALIZATION, *dims)), xr.DataArray(truth, dims=dims)


def test_an_ensemble_that_can_be_trusted():
    members, truth = fields()
    scores = calibration._scores(members, truth, Scale.of(2), truth)
    assert scores["spread_skill_ratio"] == pytest.approx(1, abs=0.05)
    assert 0 < scores["member_correlation"] < 0.9


def test_scores_by_hand():
    members, truth = fields(n=4, spread=0.3)
    scores = calibration._scores(members, truth, Scale.of(4), truth + 0.25)
    spread = np.sqrt(members.to_numpy().var(0, ddof=1).mean() * 5 / 4)
    error = np.sqrt(((members.mean(REALIZATION) - truth).to_numpy() ** 2).mean())
    assert scores["spread_skill_ratio"] == pytest.approx(spread / error)
    detail = members.to_numpy().reshape(4, 40, 2, 4, 2, 4)
    detail = (detail - detail.mean((3, 5), keepdims=True)).reshape(4, -1)
    pairs = np.corrcoef(detail)[np.triu_indices(4, 1)]
    assert scores["member_correlation"] == pytest.approx(pairs.mean(), rel=1e-3)
    assert scores["first_guess_mae"] == pytest.approx(0.25)
    for name, size in (("crps", 1), ("maxima_crps", 4)):
        x, y = (
            a.to_numpy().reshape(*a.shape[:-2], 8 // size, size, 8 // size, size).max((-3, -1))
            for a in (members, truth)
        )
        distances = abs(x[:, None] - x[None]).mean((2, 3, 4)).sum() / (2 * 4 * 3)
        assert scores[name] == pytest.approx(abs(x - y).mean() - distances)
    powers = [np.mean(abs(np.fft.fft2(a)) ** 2, tuple(range(a.ndim - 2))) for a in (members, truth)]
    assert scores["ralsd"] == pytest.approx(by_rings(*powers), rel=0.05)


def by_rings(power, of_truth):
    """The RALSD of two mean spectra of 8 x 8 cells, by a loop over rings."""
    number = 8 * np.hypot(np.fft.fftfreq(8)[:, None], np.fft.fftfreq(8)[None])
    found = []
    for ring in range(1, 5):
        inside = (np.floor(number + 0.5) == ring) & (number <= 4)
        found.append(10 * np.log10(of_truth[inside].mean() / power[inside].mean()))
    return np.sqrt(np.mean(np.square(found)))


def striped(n=10):
    """Members and a truth of one distribution in each cell: broad waves, and for members stripes.

    Each cell is standard normal in all of them, so that scores of single cells see no difference.
    """
    rng, cells = np.random.default_rng(0), np.arange(16)
    phases = rng.uniform(0, 2 * np.pi, (2, n + 1, 200, 1, 1))
    sizes = np.sqrt(2 * rng.exponential(size=(n + 1, 200, 1, 1)))  # of Rayleigh: normal in a cell
    broad = sizes * np.cos(2 * np.pi * cells / 16 + phases[0]) * np.ones((16, 1))
    stripes = sizes * np.cos(np.pi * cells * 7 / 8 + phases[1]) * np.ones((16, 1))
    noise = 0.1 * rng.normal(size=broad.shape)
    dims = (TIME, Y, X)
    truth = xr.DataArray((broad + noise)[0], dims=dims)
    return [
        xr.DataArray((one + noise)[1:], dims=(REALIZATION, *dims)) for one in (broad, stripes)
    ], truth


def test_stripes_pass_the_scores_of_cells_alone():
    (good, stripes), truth = striped()
    fair, wrong = (calibration._scores(one, truth, Scale.of(2), truth) for one in (good, stripes))
    assert wrong["crps"] == pytest.approx(fair["crps"], rel=0.05)
    assert wrong["spread_skill_ratio"] == pytest.approx(1, abs=0.05)
    assert fair["ralsd"] < 1 < calibration.TEXTURE < wrong["ralsd"]
    assert wrong["maxima_crps"] > 1.1 * fair["maxima_crps"]


def test_scores_that_cannot_be_computed_are_left_out():
    members, truth = fields(n=3)
    gaps = truth.where(np.arange(8) % 2 == 0)  # a missing cell in each block of 4 x 4
    assert set(calibration._scores(members, gaps, Scale.of(1), truth)) == SCORES - {"maxima_crps"}
    dry = 0 * truth
    assert "ralsd" not in calibration._scores(members, dry, Scale.of(1), truth)
    nothing = calibration._scores(members, truth.where(truth > 99), Scale.of(1), truth)
    assert np.isnan(nothing["spread_skill_ratio"])
    assert set(nothing) == {"spread_skill_ratio", "member_correlation"}


def test_few_steps_differ_by_chance():
    truth = fields()[1]
    assert calibration._halves(truth) < 1.5
    assert calibration._halves(truth.isel({TIME: slice(0, 2)})) > 1
    assert calibration._halves(truth.isel({TIME: [0]})) == np.inf


def test_masked_cells_do_not_count():
    members, truth = fields(n=4)
    expected = calibration._scores(
        *(one.isel({X: slice(0, 4)}) for one in (members, truth)),
        Scale.of(1),
        truth.isel({X: slice(0, 4)}),
    )
    masked = truth.where(truth[X] < 4) if X in truth.coords else truth.where(np.arange(8) < 4)
    found = calibration._scores(members, masked, Scale.of(1), truth)
    for one in (found, expected):
        del one["ralsd"]  # whose fields have a border at the mask
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ratio", "correlation", "more", "says"),
    [
        (1.0, 0.5, {}, None),
        (1.0, 0.5, {"ralsd": 2.9}, None),
        (1.0, 0.5, {"ralsd": 3.1}, r"of 't2m' have the wrong texture.* 3\.1 dB.*\(`epochs`\)"),
        (1.0, 0.5, {"ralsd": 3.1, "by": True}, r"wrong texture.*train with loss='crps'"),
        (1.0, 0.5, {"ralsd": 3.1, "noise": 3.2}, None),
        (1.0, 0.5, {"ralsd": 3.1, "scaled": True}, r"wrong texture.*\(`epochs`\)"),
        (0.49, 0.5, {"scaled": True}, r"too sure of itself.*\. Pass more validation data"),
        (0.51, 0.999, {}, None),
        (0.49, 0.5, {"ralsd": 9}, r"of 't2m' is too sure of itself: its spread is 0\.49 of the er"),
        (0.01, 0.9999, {"ralsd": 9}, r"of 't2m' has collapsed: its members correlate by 0\.9999"),
        (0.01, 0.9999, {"scaled": True}, r"of the error\. Train longer \(`epochs`\)$"),
        (float("nan"), float("nan"), {}, None),
    ],
)
def test_warnings(ratio, correlation, more, says, caplog):
    scores = {"spread_skill_ratio": ratio, "member_correlation": correlation}
    if "ralsd" in more:
        scores["ralsd"] = more["ralsd"]
    noise = more.get("noise", 0.5)
    kind = {"drawn_by_cell": more.get("by", False), "scaled": more.get("scaled", False)}
    calibration._warn("t2m", scores, **kind, noise=noise)
    if says is None:
        assert not caplog.records
    else:
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert re.search(says, record.getMessage())


@pytest.mark.sparse(2)
@pytest.mark.parametrize(
    "options",
    [
        {"loss": "gaussian_nll"},
        {"loss": "crps", "noise_channels": 1, "loss_realizations": 2},
        {"dropout": "vanilla", "monte_carlo": True},
        {"training": xd.Adversarial(noise_channels=1, epochs=1, verbose=False)},
        {"loss": "gaussian_nll", "time_window": 2},
    ],
    ids=str,
)
def test_models_that_draw_are_checked(options, tmp_path):
    hr = analytic(time=12)
    model = hr.downscale.fit(scale=2, validation=0.4, **{**TINY, **options})
    found = model.provenance["calibration"]["t2m"]
    assert set(found) == SCORES
    assert all(np.isfinite(value) for value in found.values())
    for label in ("CRPS  ", "spread-skill ratio  ", "RALSD  ", "CRPS of maxima  "):
        assert f"    {label}" in repr(model)
    assert "t2m 0." in repr(model)
    model.save(tmp_path / "model")
    assert xd.load(tmp_path / "model").provenance["calibration"]["t2m"] == found


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("t2m", {"loss": "gaussian_nll"}),
        ("t2m", {"loss": "gaussian_nll", "constraint": None}),
        ("pr", {"loss": "crps", "constraint": "additive"}),
        ("pr", {"loss": "bernoulli_gamma_nll", "constraint": None, "scaling": "sqrt"}),
    ],
)
def test_it_is_what_evaluate_says_of_the_same_fields(name, options, caplog):
    """On validation data with all steps looked at."""
    caplog.set_level(logging.INFO)
    hr = rain(time=20) if name == "pr" else analytic(time=20)
    model = hr.downscale.fit(scale=2, validation=0.3, **options, **TINY)
    held = hr.isel(time=slice(14, None))
    lr = held.downscale.coarsen(2)
    members = lr.downscale.predict(model, realizations=calibration.MEMBERS)
    expected = members.downscale.evaluate(
        held, lr=lr, model=model, baselines=[], area_weighted=False
    )
    found = model.provenance["calibration"][name]
    for key in ("crps", "maxima_crps", "ralsd"):
        of_members = float(expected[key].sel(product="prediction"))
        assert found[key] == pytest.approx(of_members, rel=1e-3), key
    assert found["spread_skill_ratio"] == pytest.approx(
        float(expected.spread_skill_ratio), rel=1e-3
    )
    mae = float(expected.mae.sel(product="first_guess"))
    assert found["first_guess_mae"] == pytest.approx(mae, rel=1e-3)
    unit = hr[name].attrs["units"]
    (said,) = [m for m in caplog.messages if m.startswith("validation of")]
    assert said == (
        f"validation of '{name}': CRPS {found['crps']:.3g} {unit}, MAE of the first guess"
        f" {mae:.3g} {unit}, spread-skill {found['spread_skill_ratio']:.2f},"
        f" RALSD {found['ralsd']:.1f} dB, CRPS of 4 x 4 maxima {found['maxima_crps']:.3g} {unit}"
    )
    assert f"{found['crps']:.3g} {unit} (first guess {mae:.3g})" in repr(model)


def rain(time):
    """Showers that are dry in places, on the cells of `analytic`."""
    base = analytic(time=time)[["t2m"]].rename(t2m="pr")
    values = np.random.default_rng(0).gamma(0.5, 4, base.pr.shape) - 1
    about = {"units": "mm h-1", "standard_name": "rainfall_rate"}
    return base.assign(pr=(base.pr.dims, values.clip(0).astype("f4"), about))


def test_a_target_without_lr_field():
    hr = rain(time=12)
    lr = hr.downscale.coarsen(2).rename(pr="q")
    lr["q"].attrs["units"] = "1"
    model = lr.downscale.fit(hr, validation=(lr, hr), loss="crps", **TINY)
    assert set(model.provenance["calibration"]["pr"]) == SCORES


def test_lr_around_the_domain():
    hr = rain(time=20)
    lr = hr.downscale.coarsen(2)
    inside = hr.isel(latitude=slice(2, 6), longitude=slice(2, 10))
    model = lr.downscale.fit(inside, validation=0.3, loss="crps", context=1, **TINY)
    held = {"time": slice(14, None)}
    members = lr.isel(held).downscale.predict(model, realizations=calibration.MEMBERS)
    expected = members.downscale.evaluate(inside.isel(held), baselines=[], area_weighted=False)
    found = model.provenance["calibration"]["pr"]
    one = expected.sel(product="prediction")
    assert found["crps"] == pytest.approx(float(one.crps), rel=1e-3)
    assert found["maxima_crps"] == pytest.approx(float(one.maxima_crps), rel=1e-3)


def test_models_of_one_answer_and_without_validation_are_not():
    hr = analytic(time=10)
    assert "calibration" not in hr.downscale.fit(scale=2, **TINY).provenance
    model = hr.downscale.fit(scale=2, loss="gaussian_nll", validation=None, **TINY)
    assert "calibration" not in model.provenance
    assert "spread-skill" not in repr(model)


def test_targets_of_one_answer_are_left_out(caplog):
    hr = analytic(time=12)
    both = hr.assign(d2m=(hr.t2m - 2).assign_attrs(units="K"))
    loss = {"t2m": "mae", "d2m": "gaussian_nll"}
    model = both.downscale.fit(scale=2, loss=loss, **TINY)
    assert set(model.provenance["calibration"]) == {"d2m"}
    assert not [r for r in caplog.records if "'t2m'" in r.getMessage()]


def test_lazy_validation_data():
    hr = analytic(time=12).chunk(time=5)
    model = hr.downscale.fit(scale=2, loss="gaussian_nll", **TINY)
    assert np.isfinite(model.provenance["calibration"]["t2m"]["spread_skill_ratio"])
