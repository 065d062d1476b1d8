"""Figures of one step of an ensemble."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, no_compute
from tests.plotting.test_maps import drawn, limits, panels, values


@pytest.fixture
def hr():
    return analytic()[["t2m"]]


@pytest.fixture
def lr(hr):
    return hr.downscale.coarsen(4)


@pytest.fixture
def members(hr):
    """0, 1 and 5 kelvin too warm: the mean is 2, the variance (4 + 1 + 9) / 2 = 7."""
    parts = [hr.assign(t2m=(hr.t2m + k).assign_attrs(hr.t2m.attrs)) for k in (0, 1, 5)]
    return xr.concat(parts, "realization")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)], ids=str)
def test_panels_titles_and_values(members, lr, hr, order):
    turned = members.transpose(*(members.t2m.dims[i] for i in order))
    figure = turned.downscale.plot(lr=lr, hr=hr, time=3)
    maps = panels(figure)
    assert list(maps) == ["LR", "member", "mean", "spread", "truth", "error"]
    np.testing.assert_array_equal(values(maps["LR"]), drawn(lr, 3))
    np.testing.assert_array_equal(values(maps["truth"]), drawn(hr, 3))
    np.testing.assert_array_equal(values(maps["member"]), drawn(hr, 3))
    np.testing.assert_allclose(values(maps["mean"]), drawn(hr, 3) + 2, atol=1e-3)
    np.testing.assert_allclose(values(maps["spread"]), 7**0.5, atol=1e-3)
    np.testing.assert_allclose(values(maps["error"]), 2, atol=1e-3)
    assert maps["member"].get_title() == "member 1 of 3"
    assert maps["error"].get_title() == "error of the mean (bias 2, RMSE 2 K)"
    assert figure.get_suptitle() == "t2m, 2001-01-01 18:00:00"


def test_fields_share_their_colours_and_the_spread_has_its_own(members, lr, hr):
    figure = members.downscale.plot(lr=lr, hr=hr, time=2)
    maps = panels(figure)
    expected = float(drawn(hr, 2).min()), float(drawn(hr, 2).max()) + 2
    for name in ("LR", "member", "mean", "truth"):
        assert limits(maps[name]) == pytest.approx(expected, abs=1e-3)
        assert maps[name].collections[0].get_cmap().name == "viridis"
    assert limits(maps["spread"]) == pytest.approx((0, 7**0.5), abs=1e-3)
    assert limits(maps["error"]) == pytest.approx((-2, 2), abs=1e-3)
    bars = {a.get_ylabel() for a in figure.axes if not a.get_title()}
    assert bars == {"2 metre temperature / K", "spread of the members / K", "mean - truth / K"}


def test_only_what_is_given_is_drawn(members, hr):
    assert list(panels(members.downscale.plot())) == ["member", "mean", "spread"]
    other = hr.assign_coords(latitude=("latitude", hr.latitude.data + 0.1, hr.latitude.attrs))
    figure = members.downscale.plot(hr=other)
    assert list(panels(figure)) == ["member", "mean", "spread", "truth"]


@pytest.mark.filterwarnings("error")
def test_a_single_member_is_a_prediction(members, hr, tmp_path):
    figure = members.isel(realization=[1]).downscale.plot(hr=hr)
    maps = panels(figure)
    assert list(maps) == ["prediction", "truth", "error"]
    np.testing.assert_allclose(values(maps["error"]), 1, atol=1e-3)
    assert maps["error"].get_title() == "error (bias 1, RMSE 1 K)"


def test_members_of_one_step_are_no_steps(members, hr):
    # without a time, the members would be the only further dimension
    maps = panels(members.isel(time=4).downscale.plot(hr=hr))
    np.testing.assert_allclose(values(maps["mean"]), drawn(hr, 4) + 2, atol=1e-3)
    np.testing.assert_array_equal(values(maps["truth"]), drawn(hr, 4))


def test_a_cell_that_one_member_lacks_has_no_mean(members, hr):
    members["t2m"][1, 0, 2, 3] = np.nan
    maps = panels(members.downscale.plot(hr=hr))
    for name in ("mean", "spread", "error"):
        assert np.isnan(values(maps[name])).sum() == 1
    assert np.isfinite(values(maps["member"])).all()


def test_one_step_is_computed(members, hr):
    loaded = []
    lazy = members.chunk(time=1, realization=1)
    lazy["t2m"] = lazy.t2m.copy(data=lazy.t2m.data.map_blocks(
        lambda block, block_info=None: (loaded.append(block_info[0]["chunk-location"]), block)[1],
        dtype="f4", meta=np.empty((0, 0, 0, 0), "f4"),
    ))  # fmt: skip
    with no_compute(), pytest.raises(AssertionError, match="dask computed"):
        lazy.downscale.plot()
    lazy.downscale.plot(hr=hr, time=6)
    assert sorted(set(loaded)) == [(member, 6, 0, 0) for member in range(3)]
