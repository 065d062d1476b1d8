import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, no_compute
from tests.metrics.reference import block_means, prediction_of
from xr_dl4ds.metrics import evaluate

NAME = "coarse_mean_violation"


@pytest.fixture(scope="module")
def truth():
    return analytic()[["t2m"]]


@pytest.fixture(scope="module")
def prediction(truth):
    return prediction_of(truth)


def violation(prediction, truth, **options):
    return evaluate(prediction, truth, **{"scores": [NAME], "baselines": [], **options})


def test_plain_loops(prediction, truth):
    found = violation(prediction, truth, area_weighted=False)
    means = [block_means(one.t2m.to_numpy(), 4) for one in (prediction, truth)]
    expected = ((means[0] - means[1]) ** 2).mean() ** 0.5
    assert float(found[NAME].sel(product="prediction")) == pytest.approx(expected, rel=1e-5)
    assert float(found[f"{NAME}_truth"]) == pytest.approx(0, abs=1e-4)
    assert found[NAME].attrs["units"] == "K"


def test_lr_cells_have_the_weights_of_their_areas(truth):
    lr = truth.downscale.coarsen(4)
    prediction = truth.copy(deep=True)
    prediction["t2m"][:, :4] += 2  # the first row of LR cells
    rows = np.deg2rad(lr.latitude_bnds.to_numpy())
    areas = abs(np.sin(rows[:, 1]) - np.sin(rows[:, 0]))
    expected = 2 * (areas[0] / areas.sum()) ** 0.5
    found = violation(prediction, truth, lr=lr)
    actual = float(found[NAME].sel(product="prediction"))
    assert actual == pytest.approx(expected, rel=1e-4)
    equal = violation(prediction, truth, lr=lr, area_weighted=False)
    assert float(equal[NAME].sel(product="prediction")) == pytest.approx(2**0.5, rel=1e-4)


def test_baselines_and_members(truth):
    lr = truth.downscale.coarsen(4)
    found = violation(prediction_of(truth), truth, lr=lr, baselines=["nearest", "bicubic"])
    assert float(found[NAME].sel(product="nearest")) == pytest.approx(0, abs=1e-4)
    assert float(found[NAME].sel(product="bicubic")) > 0.01
    members = [prediction_of(truth, seed) for seed in range(3)]
    single = [float(violation(one, truth, lr=lr)[NAME][0]) for one in members]
    together = violation(xr.concat(members, "realization"), truth, lr=lr)
    assert float(together[NAME][0]) == pytest.approx(np.mean(single), rel=1e-6)


def test_lr_data_that_the_truth_violates_too(prediction, truth):
    lr = truth.downscale.coarsen(4)
    lr["t2m"] = (lr.t2m + 1.5).assign_attrs(lr.t2m.attrs)
    found = violation(prediction, truth, lr=lr)
    assert float(found[f"{NAME}_truth"]) == pytest.approx(1.5, rel=1e-4)


def test_only_whole_blocks_count(prediction, truth):
    wrong = prediction.copy(deep=True)
    wrong["t2m"][:, 0, 0] += 1000  # in a block with a gap
    gap = truth.copy(deep=True)
    gap["t2m"][:, 1, 1] = np.nan
    lr = truth.downscale.coarsen(4)
    found = violation(wrong, gap, lr=lr, area_weighted=False)
    means = [block_means(one.t2m.to_numpy(), 4) for one in (prediction, truth)]
    squares = (means[0] - means[1]) ** 2
    squares[:, 0, 0] = np.nan
    expected = np.nanmean(squares) ** 0.5
    assert float(found[NAME].sel(product="prediction")) == pytest.approx(expected, rel=1e-5)


def test_cells_that_do_not_nest_are_averaged_by_overlap():
    # HR cells of 1 along x, LR cells of 2.5: the first LR cell holds cells 0, 1 and half of 2
    def field(values, step, first, rows):
        y = (("y", first + step * np.arange(rows), {"units": "km", "axis": "Y"}),)
        x = ("x", first + step * np.arange(values.shape[-1]), {"units": "km", "axis": "X"})
        coords = {"time": np.array(["2001-01-01", "2001-01-02"], "M8[ns]"), "y": y[0], "x": x}
        return xr.DataArray(values, coords, ("time", "y", "x"), "t", {"units": "K"}).to_dataset()

    rng = np.random.default_rng(0)
    fine, low = rng.normal(size=(2, 10, 10)), rng.normal(size=(2, 4, 4))
    truth, lr = field(fine, 1.0, 0.5, 10), field(low, 2.5, 1.25, 4)
    share = np.array([[1, 1, 0.5, 0, 0], [0, 0, 0.5, 1, 1]]) / 2.5
    w = np.kron(np.eye(2), share)
    means = np.einsum("ij,tjk,lk->til", w, fine, w)
    expected = ((means - low) ** 2).mean() ** 0.5
    found = violation(truth, truth, lr=lr)
    assert float(found[f"{NAME}_truth"]) == pytest.approx(expected, rel=1e-6)
    # LR cells that stick out of the domain do not count
    part = truth.isel(x=slice(0, 9), y=slice(0, 9))
    inner = violation(part, part, lr=lr)
    expected = ((means - low)[:, :3, :3] ** 2).mean() ** 0.5
    assert float(inner[f"{NAME}_truth"]) == pytest.approx(expected, rel=1e-6)


def test_parts_of_time_and_of_cells(prediction, truth):
    by_hour = violation(prediction, truth, by="hour")
    for hour in by_hour.hour.to_numpy():
        at = truth.time.dt.hour == hour
        one = violation(prediction.isel(time=at), truth.isel(time=at))
        expected = one[NAME].sel(product="prediction")
        actual = by_hour[NAME].sel(product="prediction", hour=hour)
        assert float(actual) == pytest.approx(float(expected), rel=1e-9)
    half = (xr.zeros_like(truth.t2m[0], dtype=int) + (truth.longitude > truth.longitude[3])).rename(
        "half"
    )
    found = violation(prediction, truth, by=half.drop_vars("time"), area_weighted=False)
    means = [block_means(one.t2m.to_numpy(), 4) for one in (prediction, truth)]
    squares = (means[0] - means[1]) ** 2
    expected = [squares[..., :1].mean() ** 0.5, squares[..., 1:].mean() ** 0.5]
    np.testing.assert_allclose(found[NAME].sel(product="prediction"), expected, rtol=1e-4)


def test_lazy(prediction, truth):
    lr = truth.downscale.coarsen(4)
    expected = violation(prediction, truth, lr=lr)
    with no_compute():
        lazy = violation(*(one.chunk(time=3, latitude=3) for one in (prediction, truth, lr)[:2]),
                         lr=lr.chunk(time=2))  # fmt: skip
    assert lazy[NAME].chunks is not None
    np.testing.assert_allclose(lazy[NAME], expected[NAME], rtol=1e-6)


def test_it_needs_lr_fields(prediction, truth):
    bare = prediction.drop_attrs(deep=False)
    with pytest.raises(ValueError, match=rf"'{NAME}' needs LR fields .*\. Pass lr= or scale="):
        violation(bare, truth)
    assert NAME not in evaluate(bare, truth, scores="consistency")
