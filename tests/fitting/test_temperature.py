"""Factors of noise, for members whose spread and error are known."""

import logging

import numpy as np
import pytest

from xr_dl4ds.fitting.temperature import MEMBERS, spread_skill_of, temperature_of


def test_ratio_is_one_for_a_perfect_ensemble():
    errors = np.full(40, (MEMBERS + 1) / MEMBERS)
    assert spread_skill_of(errors, np.ones(40))[0] == pytest.approx(1)
    assert spread_skill_of(errors, np.full(40, 4.0))[0] == pytest.approx(2)


def test_error_of_the_ratio_is_that_of_repeated_draws():
    rng = np.random.default_rng(0)
    draws = [spread_skill_of(rng.gamma(2, size=80), np.ones(80)) for _ in range(200)]
    ratios, errors = np.array(draws).T
    assert np.std(np.log(ratios)) == pytest.approx(errors.mean(), rel=0.25)


def test_too_few_steps_have_no_known_error():
    assert spread_skill_of(np.ones(2), np.ones(2))[1] == np.inf


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_ratio_that_rests_on_one_part_has_no_known_error():
    errors = np.zeros(40)
    assert np.isnan(spread_skill_of(errors, errors)[0])
    errors[3] = 1.0
    assert spread_skill_of(errors, errors)[1] == np.inf
    assert spread_skill_of(np.ones(40), 0 * errors) == (0, np.inf)  # of a target without members


def test_steps_without_valid_cells_do_not_count(caplog):
    errors, spreads = np.random.default_rng(0).gamma(2, size=(2, 40))
    gaps = np.insert(errors, [4, 9], np.nan), np.insert(spreads, [4, 9], np.nan)
    assert spread_skill_of(*gaps) == spread_skill_of(errors, spreads)
    assert np.isnan(spread_skill_of(np.full(5, np.nan), np.full(5, np.nan))[0])
    some = np.array([np.nan, 1.0, np.nan])
    assert temperature_of(lambda factor: (some, factor * some), "tas", cells=10) == 1.0
    assert "1 validation step is too few" in caplog.text


def even(spread, steps=200, noise=0.2):
    """Errors that vary, and spreads that grow with the square of the factor."""
    errors = np.random.default_rng(0).gamma(1 / noise**2, noise**2, size=steps)
    return lambda factor: (errors, np.full(steps, (factor * spread) ** 2 * MEMBERS / (MEMBERS + 1)))


def test_a_spread_of_half_the_error_is_doubled(caplog):
    with caplog.at_level(logging.INFO, logger="xr_dl4ds"):
        found = temperature_of(even(0.5), "tas", where=" in DJF", cells=10)
    assert found == pytest.approx(2, rel=0.02)
    assert "members of 'tas' in DJF: noise multiplied by" in caplog.text


def test_what_chance_explains_is_left(caplog):
    with caplog.at_level(logging.INFO, logger="xr_dl4ds"):
        assert temperature_of(even(0.99), "tas", cells=10) == 1.0
    assert "their noise is not scaled" in caplog.text


def test_no_spread_has_no_factor():
    assert temperature_of(even(0.0), "tas", cells=10) == 1.0


def test_rounding_and_what_no_factor_helps_are_left():
    errors = np.random.default_rng(0).gamma(25, 0.04, size=200)
    for size in (1e-6, 1.0):  # spreads that no factor changes
        given = size**2 * errors, np.full(200, size**2 / 4)
        assert temperature_of(lambda _, given=given: given, "pr", cells=10) == 1.0
