import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import no_compute
from xr_dl4ds.features import Features

NAMES = ["t2m", "tp", "q", "u10", "orog", "lsm"]
FULL = Features(
    targets=("tp", "t2m"), counterparts=("t2m",), predictors=("q", "u10"), static=("orog", "lsm")
)


def lr_fields(names=NAMES[:4], time=3, y=2, x=4):
    """Each variable's values are its own thousand, then hundreds of time, tens of y, ones of x."""
    t, j, i = np.meshgrid(np.arange(time), np.arange(y), np.arange(x), indexing="ij")
    fields = {
        n: (("time", "y", "x"), (1000 * NAMES.index(n) + 100 * t + 10 * j + i).astype("f4"))
        for n in names
    }
    coords = {"time": 10 + np.arange(time), "y": np.arange(y) / 2, "x": np.arange(x) / 2}
    return xr.Dataset(fields, coords=coords)


def static_fields(y=2, x=4):
    j, i = np.meshgrid(np.arange(y), np.arange(x), indexing="ij")
    fields = {n: (("y", "x"), (1000 * NAMES.index(n) + 10 * j + i).astype("f4")) for n in NAMES[4:]}
    return xr.Dataset(fields, coords={"y": np.arange(y) / 2, "x": np.arange(x) / 2})


# --- counts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "n_lr", "skips"),
    [
        (Features(targets=("t2m",), counterparts=("t2m",)), 1, (0,)),
        (FULL, 5, (None, 0)),  # t2m, q, u10, orog, lsm
        (
            Features(targets=("a", "b", "c"), counterparts=("a", "c"), mask=True),
            3,  # a, c and the mask
            (0, None, 1),
        ),
        (Features(targets=("a",), counterparts=(), predictors=("b",)), 1, (None,)),
    ],
)
def test_counts_and_skips(features, n_lr, skips):
    assert features.n_lr == n_lr
    assert features.skips == skips
    for target, channel in zip(features.targets, skips, strict=True):
        assert channel is None or features.lr_varying[channel] == target


# --- LR channels ----------------------------------------------------------------------------


def test_lr_channels_are_in_the_stated_order():
    actual = FULL.stack_lr(lr_fields(), static_fields())
    assert actual.dims == ("time", "y", "x", "channel")
    assert actual.shape == (3, 2, 4, 5)
    assert actual.dtype == np.float32
    # time 2, y 1, x 3 of t2m, q, u10; y 1, x 3 of orog and lsm at every time
    expected = [213, 2213, 3213, 4013, 5013]
    np.testing.assert_array_equal(actual[2, 1, 3], expected)
    np.testing.assert_array_equal(actual[0, 1, 3, 3:], expected[3:])
    assert actual.sizes["channel"] == FULL.n_lr


def test_the_order_of_the_datasets_does_not_matter():
    expected = FULL.stack_lr(lr_fields(), static_fields())
    turned = lr_fields(["u10", "q", "tp", "t2m"]).transpose("x", "time", "y")
    actual = FULL.stack_lr(turned, static_fields()[["lsm", "orog"]].transpose("x", "y"))
    xr.testing.assert_identical(actual, expected)


def test_a_missing_variable_is_an_error():
    with pytest.raises(KeyError, match="u10"):
        FULL.stack_lr(lr_fields(["t2m", "q"]), static_fields())


def test_masked_cells_become_the_mean_and_are_marked():
    features = Features(targets=("t2m",), counterparts=("t2m",), predictors=("q",), mask=True)
    data = lr_fields()
    data["t2m"][1, 0, 2] = np.nan
    data["q"][1, 1, 3] = np.nan
    data["tp"][0, 0, 0] = np.nan  # no input of this model
    before = data.copy(deep=True)
    actual = features.stack_lr(data, None).to_numpy()
    assert np.isfinite(actual).all()
    assert actual[1, 0, 2].tolist() == [0, 2102, 0]  # 0: standardized, that is the training mean
    assert actual[1, 1, 3].tolist() == [113, 0, 0]
    mask = np.ones((3, 2, 4))
    mask[1, 0, 2] = mask[1, 1, 3] = 0
    np.testing.assert_array_equal(actual[..., 2], mask)
    assert actual.shape[-1] == features.n_lr
    xr.testing.assert_identical(data, before)


def test_the_mask_is_there_when_nothing_is_masked():
    features = Features(targets=("t2m",), counterparts=("t2m",), mask=True)
    np.testing.assert_array_equal(features.stack_lr(lr_fields(), None)[..., 1], 1)


def test_masked_static_cells_become_the_mean_and_mark_nothing():
    features = Features(targets=("t2m",), counterparts=("t2m",), static=("orog",), mask=True)
    static = static_fields()
    static["orog"][1, 2] = np.nan
    actual = features.stack_lr(lr_fields(), static).to_numpy()
    np.testing.assert_array_equal(actual[:, 1, 2, 1], 0)
    np.testing.assert_array_equal(actual[..., 2], 1)


@pytest.mark.parametrize("chunks", [{"time": 1}, {"time": 2, "y": 1, "x": 3}], ids=str)
@pytest.mark.parametrize("lazy_static", [True, False])
def test_dask_equals_numpy_and_stays_lazy(chunks, lazy_static):
    features = Features(
        targets=("t2m",), counterparts=("t2m",), predictors=("q",), static=("orog",), mask=True
    )
    data, static = lr_fields(), static_fields()
    data["q"][0, 0, 0] = np.nan
    expected = features.stack_lr(data, static)
    given = static.chunk() if lazy_static else static
    with no_compute():
        actual = features.stack_lr(data.chunk(chunks), given)
        targets = features.stack_targets(data.chunk(chunks))
    assert actual.chunks is not None
    xr.testing.assert_identical(actual.compute(), expected)
    xr.testing.assert_identical(targets.compute(), features.stack_targets(data))


def test_scalar_coordinates_and_attributes_are_left_behind():
    data = lr_fields().assign_coords(number=3, height=2.0)
    data["q"] = data["q"].drop_vars("height").assign_attrs(units="kg kg-1")
    actual = FULL.stack_lr(data, static_fields().assign_coords(number=4))
    xr.testing.assert_identical(actual, FULL.stack_lr(lr_fields(), static_fields()))
    assert actual.name is None


# --- static channels, targets ---------------------------------------------------------------


def test_static_channels():
    static = static_fields(4, 8)
    static["lsm"][3, 7] = np.nan
    actual = FULL.stack_static(static.transpose("x", "y"))
    assert actual.dims == ("y", "x", "channel")
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual[2, 5], [4025, 5025])
    np.testing.assert_array_equal(actual[3, 7], [4037, 0])


def test_target_channels_keep_their_masks():
    # 0 for a masked target would be learned (defect 12 of DL4DS)
    data = lr_fields()
    data["tp"][1, 1, 1] = np.nan
    actual = FULL.stack_targets(data[["t2m", "tp"]].astype("f8"))
    assert actual.dims == ("time", "y", "x", "channel")
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual[1, 1, 1], [np.nan, 111])
    np.testing.assert_array_equal(actual[2, 1, 3], [1213, 213])


@settings(deadline=None, max_examples=20)
@given(
    targets=st.permutations(NAMES[:4]),
    count=st.integers(1, 4),
    time=st.integers(1, 3),
    y=st.integers(1, 3),
    x=st.integers(1, 3),
)
def test_unstack_undoes_stack(targets, count, time, y, x):
    features = Features(targets=tuple(targets[:count]), counterparts=())
    data = lr_fields(time=time, y=y, x=x)
    actual = features.unstack(features.stack_targets(data))
    assert list(actual) == targets[:count]
    xr.testing.assert_equal(actual, data[targets[:count]])


def test_unstack_is_lazy():
    stacked = FULL.stack_targets(lr_fields().chunk(time=1))
    with no_compute():
        actual = FULL.unstack(stacked)
    assert actual["tp"].dims == ("time", "y", "x")
    xr.testing.assert_equal(actual.compute(), lr_fields()[["tp", "t2m"]])
