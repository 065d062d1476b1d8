"""Latent fields: covariance, kernels and mixing, worked by hand or against samples."""

import numpy as np
import pytest

from xr_dl4ds.data.latent_fields import Field, LatentFields, mixing


def test_correlation_is_matern():
    field = Field(length=2.0)
    assert field.correlation(0, 0) == 1
    assert field.correlation(0, 2) == pytest.approx(2 * np.exp(-1))  # (1 + d / L) exp(-d / L)
    assert field.correlation(3, 4) == pytest.approx(3.5 * np.exp(-2.5))


def test_aspect_counts_columns_by_their_width():
    narrow = Field(length=2.0, aspect=0.5)
    assert narrow.correlation(0, 4) == pytest.approx(float(narrow.correlation(2, 0)))


@pytest.mark.parametrize(
    ("direction", "along", "across"),
    [(0.0, (0, 3), (3, 0)), (np.pi / 2, (3, 0), (0, 3)), (np.pi / 4, (2, 2), (2, -2))],
)
def test_direction_is_the_long_axis(direction, along, across):
    field = Field(length=2.0, direction=direction)
    assert field.correlation(*along) > field.correlation(*across)
    distance = np.hypot(*along)
    stretched = distance / np.sqrt(3) / 2
    assert field.correlation(*along) == pytest.approx((1 + stretched) * np.exp(-stretched))


@pytest.mark.parametrize("direction", [None, 0.6])
def test_kernel_makes_the_covariance_of_the_field(direction):
    field = Field(length=1.5, aspect=0.8, direction=direction)
    kernel = field.kernel()
    assert np.sum(kernel**2) == pytest.approx(1)
    wide = np.pad(kernel, 8)
    for y, x in [(0, 1), (1, 0), (2, 2), (0, 4), (3, -2)]:
        shifted = np.roll(wide, (y, x), axis=(0, 1))
        assert np.sum(wide * shifted) == pytest.approx(float(field.correlation(y, x)), abs=0.03)


def test_root_spectrum_gives_unit_variance_on_any_torus():
    for shape in [(12, 16), (15, 9)]:
        root = Field(length=1.2).root_spectrum(shape)
        assert root.shape == shape
        assert np.mean(root**2) == pytest.approx(1)


def latent(correlation=((1.0,),), lengths=(2.0,)):
    return LatentFields(lengths=lengths, correlation=correlation)


def test_fields_of_targets():
    fields = latent(((1.0, 0.3), (0.3, 1.0)), (2.0, 4.0)).fields(
        ["latent", None, "latent_amount_directed"]
    )
    assert [len(own) for own in fields] == [4, 8]
    assert [f.length for f in fields[0]] == pytest.approx([0.8, 2.0, 5.0, 10.0])
    assert sum(f.direction is not None for f in fields[1]) == 4


def test_mixing_correlates_targets_and_keeps_variances():
    fields = latent(((1.0, 0.6), (0.6, 1.0)), (2.0, 2.0))
    own = fields.fields(["latent", "latent"])
    matrix = mixing(own, fields.mixture)
    covariance = matrix @ matrix.T
    assert np.diag(covariance) == pytest.approx(np.ones(8))
    assert covariance[0, 4] == pytest.approx(0.6, abs=1e-3)  # first field of either target
    assert covariance[0, 5] == 0
