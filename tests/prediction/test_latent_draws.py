"""Members from latent fields: the same in parts, correlated in space and time as they should be."""

import dataclasses

import numpy as np
import pytest
from keras import ops

from xr_dl4ds.config import Scale
from xr_dl4ds.config.distribution_channels import parameter_channels
from xr_dl4ds.data.latent_fields import LatentFields
from xr_dl4ds.networks.layers.interpolation import refined
from xr_dl4ds.prediction.latent_draws import (
    CellPositions,
    LatentMember,
    _Noises,
    bilinear,
    terms_of,
)

KINDS = ("latent",)


def member(**changes):
    given = {
        "latent": LatentFields(lengths=(1.0,), correlation=((1.0,),)),
        "kinds": KINDS,
        "offsets_from_zero": (0.0,),
        "constrained": (False,),
        "scale": Scale(2, 2),
        "seed": 1,
    }
    return LatentMember(**{**given, **changes})


def cells(rows, columns, around=None):
    return CellPositions(rows=np.arange(*rows), columns=np.arange(*columns), around=around)


def fields(one, where, keys=(5,)):
    noises = _Noises(one, where, np.array(keys, "u8"))
    return np.stack([noises.fields(k) for k in range(len(keys))])


def test_parts_of_a_domain_have_the_fields_of_the_whole():
    whole = fields(member(), cells((-3, 40), (-8, 90)))
    part = fields(member(), cells((10, 30), (50, 80)))
    np.testing.assert_allclose(part, whole[..., 13:33, 58:88], atol=1e-5)


def test_fields_go_around_the_globe():
    whole = fields(member(), cells((0, 20), (0, 36), 36))
    across = CellPositions(rows=np.arange(20), columns=np.arange(30, 42) % 36, around=36)
    found = fields(member(), across)
    np.testing.assert_allclose(found[..., :6], whole[..., 30:], atol=1e-5)
    np.testing.assert_allclose(found[..., 6:], whole[..., :6], atol=1e-5)
    assert whole[..., 0].ravel() @ whole[..., -1].ravel() > 0  # neighbours are alike


def test_variance_and_correlation_in_space():
    drawn = fields(member(), cells((0, 48), (0, 48)), range(60))
    assert drawn.var(axis=(0, 2, 3)) == pytest.approx(np.ones(4), abs=0.1)
    expected = float(member().latent.fields(KINDS)[0][1].correlation(0, 2))
    found = (drawn[:, 1, :, 2:] * drawn[:, 1, :, :-2]).mean()
    assert found == pytest.approx(expected, abs=0.05)


def persistent(r, step=3600.0):
    latent = dataclasses.replace(member().latent, persistence=(r,), step=step)
    return member(latent=latent)


def test_steps_are_correlated_by_their_dates():
    hours = np.arange(200) * 3_600_000_000
    drawn = fields(persistent(0.6), cells((0, 16), (0, 16)), hours)
    assert drawn.var() == pytest.approx(1, abs=0.1)
    next_step = (drawn[1:] * drawn[:-1]).mean()
    assert next_step == pytest.approx(0.6, abs=0.05)
    assert (drawn[4:] * drawn[:-4]).mean() < 0.25


def test_a_later_start_has_the_members_of_the_whole():
    hours = np.arange(12) * 3_600_000_000
    whole = fields(persistent(0.8), cells((0, 8), (0, 8)), hours)
    later = fields(persistent(0.8), cells((0, 8), (0, 8)), hours[7:])
    np.testing.assert_allclose(later, whole[7:], atol=1e-5)


def test_terms_of_the_moving_average():
    latent = LatentFields(lengths=(1.0, 1.0), correlation=(), persistence=(0.5, 0.0), step=1.0)
    terms = terms_of(latent, [2, 1])
    assert terms.shape == (4, 3)  # 0.5**4 is below 0.1
    assert np.sum(terms**2, axis=0) == pytest.approx(np.ones(3))
    assert terms[1, 0] / terms[0, 0] == pytest.approx(0.5)
    assert terms[:, 2] == pytest.approx([1, 0, 0, 0])
    assert terms_of(dataclasses.replace(latent, step=None), [2, 1]).shape == (1, 3)


def test_seeds_and_streams_differ():
    first, other = (fields(member(seed=seed), cells((0, 16), (0, 16))) for seed in (1, 2))
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.15


@pytest.mark.parametrize("wrap", [False, True])
def test_bilinear_is_that_of_training(wrap):
    values = np.random.default_rng(0).normal(size=(5, 6)).astype("f4")
    scale = Scale(4, 3)
    expected = refined(ops.convert_to_tensor(values[None, ..., None]), scale, "bilinear", wrap)
    np.testing.assert_allclose(
        bilinear(values, scale, wrap), np.asarray(expected)[0, ..., 0], atol=1e-5
    )


def test_temperature_scales_the_noise():
    output = np.zeros((1, 4, 4, 1 + len(parameter_channels(KINDS)[0])), "f4")
    at = parameter_channels(KINDS)[0]
    output[..., at["scale"]] = 0.5
    output[..., at["mix_1"]] = 1.0
    given = (output, np.array([7], "u8"), cells((0, 4), (0, 4)))
    plain, scaled = (member()(*given, np.full((1, 1), t)) for t in (1.0, 2.0))
    np.testing.assert_allclose(scaled, 2 * plain, rtol=1e-5)
    assert plain.std() > 0.1
