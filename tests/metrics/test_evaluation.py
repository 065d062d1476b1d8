import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from tests.metrics.reference import (
    PRODUCTS,
    bilinear_taps,
    block_means,
    close,
    interpolated,
    own_products,
    own_scores,
    prediction_of,
)
from xr_dl4ds.metrics import evaluate


@pytest.fixture
def truth():
    return analytic()[["t2m"]]


@pytest.fixture
def prediction(truth):
    return prediction_of(truth)


@pytest.mark.parametrize("scale", [2, 4])
def test_scores_and_baselines_equal_plain_loops(prediction, truth, scale):
    actual = evaluate(prediction, truth, scale=scale, area_weighted=False)
    assert list(actual["product"].to_numpy()) == PRODUCTS
    arrays = prediction.t2m.to_numpy(), truth.t2m.to_numpy()
    for name, product in zip(PRODUCTS, own_products(*arrays, scale), strict=True):
        one = actual.sel(product=name)
        for score, expected in own_scores(product, arrays[1]).items():
            assert float(one[score]) == pytest.approx(expected, rel=1e-4, abs=1e-5)
        for cell in ((0, 0), (3, 7), (7, 11)):  # corners: the rim of the baselines counts too
            at = {"latitude": cell[0], "longitude": cell[1]}
            in_cell = own_scores(product[:, *cell], arrays[1][:, *cell])
            for score, expected in in_cell.items():
                actual_cell = float(one[f"{score}_map"].isel(at))
                assert actual_cell == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_skill_is_one_minus_the_ratio(prediction, truth):
    actual = evaluate(prediction, truth)
    for score in ("mae", "rmse"):
        of = {p: float(actual[score].sel(product=p)) for p in PRODUCTS}
        for reference in ("bilinear", "bicubic"):
            expected = 1 - of["prediction"] / of[reference]
            assert float(actual[f"{score}_skill"].sel(reference=reference)) == pytest.approx(
                expected
            )
    assert not {"bias_skill", "correlation_skill"} & set(actual)


def test_hand_values():
    # truth 0 or 4 by columns in blocks of 2: block means 2, so both baselines are 2 everywhere:
    # their error is 2 in every cell; a prediction 1 too high has skill 1 - 1/2
    values = np.tile([0.0, 4.0], (2, 4, 2)).astype("f4")
    coords = {"time": [0, 1], "lat": [0.0, 1, 2, 3], "lon": [0.0, 1, 2, 3]}
    truth = xr.DataArray(values, coords, ("time", "lat", "lon"), name="pr")
    actual = evaluate(truth + 1, truth, scale=2)
    np.testing.assert_allclose(actual.bias, [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(actual.rmse, [1, 2, 2])
    np.testing.assert_allclose(actual.mae_map, np.broadcast_to([[[1]], [[2]], [[2]]], (3, 4, 4)))
    np.testing.assert_allclose(actual.rmse_skill, [0.5, 0.5])
    # the baselines are constant, and so is every cell in time
    np.testing.assert_allclose(actual.correlation, [1, np.nan, np.nan])
    assert actual.correlation_map.isnull().all()


# --- where the LR fields come from ----------------------------------------------------------------


def test_lr_fields_take_the_place_of_block_means(prediction, truth):
    made = truth.downscale.coarsen(4)
    close(evaluate(prediction, truth, lr=made), evaluate(prediction, truth))
    warmer = made + xr.Dataset({"t2m": 1.5})
    warmer.t2m.attrs = truth.t2m.attrs
    expected = evaluate(prediction, truth)
    actual = evaluate(prediction, truth, lr=warmer)
    shift = actual.bias - expected.bias
    np.testing.assert_allclose(shift, [0, 1.5, 1.5], atol=1e-4)


def test_scale_is_the_one_noted_on_the_prediction_unless_given(prediction, truth):
    xr.testing.assert_identical(
        evaluate(prediction, truth), evaluate(prediction.drop_attrs(deep=False), truth, scale=4)
    )
    xr.testing.assert_identical(
        evaluate(prediction, truth, scale=2),
        evaluate(prediction.drop_attrs(deep=False), truth, scale=2),
    )


def test_lr_fields_of_a_larger_domain_and_more_times(truth):
    # the LR cells around the scored ones serve the interpolation; those of the block means do not
    wide = analytic(y=16, x=20)[["t2m"]]
    inner = wide.isel(latitude=slice(4, 12), longitude=slice(4, 16), time=slice(2, 6))
    lr = wide.downscale.coarsen(4)
    actual = evaluate(prediction_of(inner), inner, lr=lr, area_weighted=False)
    low = block_means(wide.t2m.to_numpy(), 4)
    full = interpolated(low, 4, bilinear_taps)[2:6, 4:12, 4:16]
    expected = own_scores(full, inner.t2m.to_numpy())["rmse"]
    assert float(actual.rmse.sel(product="bilinear")) == pytest.approx(expected, rel=1e-4)


# --- which cells count ----------------------------------------------------------------------------


def test_cells_masked_anywhere_count_nowhere(prediction, truth):
    # one HR cell of the truth, another of the prediction, and a whole LR cell (4 x 4)
    truth["t2m"][0, 6, 9] = np.nan
    prediction["t2m"][:, 7, 7] = np.nan
    low = truth.downscale.coarsen(4)
    low["t2m"][:, 0, 0] = np.nan
    actual = evaluate(prediction, truth, lr=low, area_weighted=False)
    hidden = np.zeros((8, 8, 12), bool)
    hidden[0, 6, 9] = hidden[:, 7, 7] = hidden[:, :4, :4] = True
    np.testing.assert_array_equal(actual.mae_map.isnull().any("product"), hidden.all(0))
    for product in PRODUCTS:
        np.testing.assert_array_equal(
            actual.mae_map.sel(product=product).isnull(), hidden.all(axis=0)
        )
    masked = np.where(hidden, np.nan, truth.t2m)
    for score, expected in own_scores(prediction.t2m.to_numpy(), masked).items():
        assert float(actual[score].sel(product="prediction")) == pytest.approx(expected, rel=1e-4)


def test_only_times_in_common_are_scored(prediction, truth):
    early, late = prediction.isel(time=slice(0, 6)), truth.isel(time=slice(2, 8))
    actual = evaluate(early, late)
    part = slice(2, 6)
    expected = evaluate(prediction.isel(time=part), truth.isel(time=part))
    xr.testing.assert_identical(actual, expected)


def test_order_of_time_does_not_matter(prediction, truth):
    shuffled = prediction.isel(time=[5, 2, 7, 0, 1, 6, 3, 4])
    xr.testing.assert_identical(
        evaluate(shuffled, truth.isel(time=slice(None, None, -1))), evaluate(prediction, truth)
    )


def test_larger_truth_is_cut_to_the_cells_of_the_prediction(prediction, truth):
    part = {"latitude": slice(4, 8), "longitude": slice(0, 8)}
    # 4 rows are a single block at scale 4, two at scale 2
    actual = evaluate(prediction.isel(part), truth, scale=2)
    expected = evaluate(prediction.isel(part), truth.isel(part), scale=2)
    xr.testing.assert_identical(actual, expected)
    assert dict(actual.sizes)["latitude"] == 4
