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
    scores = calibration._scores(members, truth, Scale.of(2))
    assert scores["spread_skill_ratio"] == pytest.approx(1, abs=0.05)
    assert 0 < scores["member_correlation"] < 0.9


def test_scores_by_hand():
    members, truth = fields(n=4, spread=0.3)
    scores = calibration._scores(members, truth, Scale.of(4))
    spread = np.sqrt(members.to_numpy().var(0, ddof=1).mean() * 5 / 4)
    error = np.sqrt(((members.mean(REALIZATION) - truth).to_numpy() ** 2).mean())
    assert scores["spread_skill_ratio"] == pytest.approx(spread / error)
    detail = members.to_numpy().reshape(4, 40, 2, 4, 2, 4)
    detail = (detail - detail.mean((3, 5), keepdims=True)).reshape(4, -1)
    pairs = np.corrcoef(detail)[np.triu_indices(4, 1)]
    assert scores["member_correlation"] == pytest.approx(pairs.mean(), rel=1e-3)


def test_masked_cells_do_not_count():
    members, truth = fields(n=4)
    expected = calibration._scores(
        members.isel({X: slice(0, 4)}), truth.isel({X: slice(0, 4)}), Scale.of(1)
    )
    masked = truth.where(truth[X] < 4) if X in truth.coords else truth.where(np.arange(8) < 4)
    assert calibration._scores(members, masked, Scale.of(1)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ratio", "correlation", "says"),
    [
        (1.0, 0.5, None),
        (0.51, 0.999, None),
        (0.49, 0.5, r"of 't2m' is too sure of itself: its spread is 0\.49 of the error"),
        (0.01, 0.9999, r"of 't2m' has collapsed: its members correlate by 0\.9999"),
        (float("nan"), float("nan"), None),
    ],
)
def test_warnings(ratio, correlation, says, caplog):
    calibration._warn("t2m", {"spread_skill_ratio": ratio, "member_correlation": correlation})
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
    assert set(found) == {"spread_skill_ratio", "member_correlation"}
    assert all(np.isfinite(value) for value in found.values())
    assert "spread-skill ratio" in repr(model)
    model.save(tmp_path / "model")
    assert xd.load(tmp_path / "model").provenance["calibration"]["t2m"] == found


def test_it_is_what_evaluate_says_of_the_same_fields():
    """On validation data with all steps looked at, up to the scaling of one variable."""
    hr = analytic(time=20)
    options = {"loss": "gaussian_nll", "constraint": None, **TINY}
    model = hr.downscale.fit(scale=2, validation=0.3, **options)
    held = hr.isel(time=slice(14, None))
    members = held.downscale.coarsen(2).downscale.predict(model, realizations=calibration.MEMBERS)
    expected = float(members.downscale.evaluate(held).spread_skill_ratio)
    found = model.provenance["calibration"]["t2m"]["spread_skill_ratio"]
    assert found == pytest.approx(expected, rel=1e-3)


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
