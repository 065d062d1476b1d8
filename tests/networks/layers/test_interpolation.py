import keras
import numpy as np
import pytest
import tensorflow as tf
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cells import refine
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding import rectilinear
from xr_dl4ds.networks.layers import Interpolation

METHODS = ["bicubic", "bilinear", "nearest"]


def field(y=3, x=5, channels=1, batch=2, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, y, x, channels)).astype("f4")


# --- by hand --------------------------------------------------------------------------------

# The HR centres of scale 2 lie at -1/4 and +1/4 of an LR cell, so LR centres are 1/4, 3/4, 5/4 and
# 7/4 away. Keys (1981) with a = -0.75:
#   w(1/4) = (1.25 / 4 - 2.25) / 16 + 1     =  0.87890625
#   w(3/4) = (1.25 * 3/4 - 2.25) * 9/16 + 1 =  0.26171875
#   w(5/4) = a (((5/4 - 5) 5/4 + 8) 5/4 - 4) = -0.10546875
#   w(7/4) = a (((7/4 - 5) 7/4 + 8) 7/4 - 4) = -0.03515625
# With TensorFlow's a = -0.5 the first would be 0.8671875.
IMPULSE = {
    "bicubic": [
        *[-0.03515625, -0.10546875, 0.26171875, 0.87890625],
        *[0.87890625, 0.26171875, -0.10546875, -0.03515625],
    ],
    "bilinear": [0, 0, 0.25, 0.75, 0.75, 0.25, 0, 0],
    "nearest": [0, 0, 0, 1, 1, 0, 0, 0],
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", [1, 2])
def test_an_impulse_becomes_the_kernel(method, axis):
    line = np.zeros(7, "f4")
    line[3] = 1
    x = np.broadcast_to(line.reshape((1, -1, 1, 1) if axis == 1 else (1, 1, -1, 1)), (1, 7, 7, 1))
    x = x if axis == 2 else np.ascontiguousarray(x)
    actual = np.asarray(Interpolation(2, method)(x))
    expected = np.r_[0, 0, 0, IMPULSE[method], 0, 0, 0]
    assert actual.shape == (1, 14, 14, 1)
    for other in range(14):
        row = actual[0, :, other, 0] if axis == 1 else actual[0, other, :, 0]
        np.testing.assert_allclose(row, expected, atol=1e-7)


def test_outer_cells_are_repeated_beyond_the_border():
    # bilinear, scale 2, of 0, 8: 0, 2, 6, 8; continued linearly the ends would be -2 and 10
    x = np.array([0.0, 8.0], "f4").reshape(1, 1, 2, 1)
    actual = np.asarray(Interpolation(2, "bilinear")(x))
    np.testing.assert_array_equal(actual[0, :, :, 0], [[0, 2, 6, 8], [0, 2, 6, 8]])


def test_scale_one_changes_nothing():
    np.testing.assert_array_equal(Interpolation(1)(field()), field())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_a_constant_stays_that_constant(method, scale):
    actual = Interpolation(scale, method)(np.full((1, 2, 3, 1), 7.25, "f4"))
    np.testing.assert_allclose(actual, np.full((1, 2 * scale, 3 * scale, 1), 7.25), rtol=1e-6)


# --- references -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_equals_tensorflow_where_it_has_the_same_kernel(method, scale):
    x = field(4, 7, 2)
    expected = tf.image.resize(x, (4 * scale, 7 * scale), method=method)
    np.testing.assert_allclose(Interpolation(scale, method)(x), expected, atol=5e-6)


@given(
    method=st.sampled_from(METHODS),
    scale=st.integers(1, 6),
    y=st.integers(2, 6),
    x=st.integers(2, 6),
    start=st.floats(-1e3, 1e3),
    step=st.sampled_from([0.25, 1.0, 0.1, 1e4, 0.7]),
    seed=st.integers(0, 99),
)
def test_equals_the_array_side(method, scale, y, x, start, step, seed):
    axes = [Axis(name=n, values=start + step * np.arange(size)) for n, size in (("y", y), ("x", x))]
    source = Grid(y=axes[0], x=axes[1])
    target = Grid(**{a.name: a.replace(refine(a, scale)) for a in axes})
    values = field(y, x, 1, 2, seed)
    data = xr.Dataset({"v": (("time", "y", "x"), values[..., 0])}, coords=source.coords)
    expected = rectilinear.interpolate(data, source, target, method)["v"]
    actual = np.asarray(Interpolation(scale, method)(values))[..., 0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("first", [0.0, -180.0, 10.0])
@pytest.mark.parametrize("columns", [1, 2, 3, 8])
@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_columns_that_go_around_equal_the_array_side(method, scale, columns, first):
    step, values = 360 / columns, field(3, columns)
    if columns == 1:  # one LR cell all around is no axis, but a field like any other
        np.testing.assert_allclose(
            Interpolation(scale, method, wrap=True)(values),
            Interpolation(scale, method)(values),
            atol=1e-5,
        )
        return
    y = Axis(name="y", values=np.arange(3.0), kind="latitude")
    x = Axis(name="x", values=first + step * np.arange(columns), kind="longitude")
    assert x.periodic
    source = Grid(y=y, x=x)
    target = Grid(**{a.name: a.replace(refine(a, scale)) for a in (y, x)})
    data = xr.Dataset({"v": (("time", "y", "x"), values[..., 0])}, coords=source.coords)
    expected = rectilinear.interpolate(data, source, target, method)["v"]
    actual = np.asarray(Interpolation(scale, method, wrap=True)(values))[..., 0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    if method != "nearest":
        ends = np.asarray(Interpolation(scale, method)(values))[..., 0]
        assert np.abs(actual - ends).max() > 0.1


# bilinear, scale 2, of 0, 8: the neighbours of the first are 8 and 8
def test_columns_that_go_around_by_hand():
    x = np.array([0.0, 8.0], "f4").reshape(1, 1, 2, 1)
    actual = np.asarray(Interpolation(2, "bilinear", wrap=True)(x))
    np.testing.assert_array_equal(actual[0, :, :, 0], [[2, 2, 6, 6], [2, 2, 6, 6]])
    # rows do not go around
    actual = np.asarray(Interpolation(2, "bilinear", wrap=True)(x.reshape(1, 2, 1, 1)))
    np.testing.assert_array_equal(actual[0, :, 0, 0], [0, 2, 6, 8])


# --- channels -------------------------------------------------------------------------------


def test_channels_are_chosen_repeated_and_zero():
    x = field(channels=3)
    whole = np.asarray(Interpolation(2)(x))
    actual = np.asarray(Interpolation(2, channels=(2, None, 0, 2))(x))
    np.testing.assert_array_equal(actual[..., 1], 0)
    np.testing.assert_array_equal(actual[..., [0, 2, 3]], whole[..., [2, 0, 2]])


def test_channels_are_chosen_at_scale_one():
    x = field(channels=2)
    np.testing.assert_array_equal(Interpolation(1, channels=(1,))(x), x[..., 1:])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_channel_that_is_not_chosen_has_no_say(bad):
    x = field(channels=2)
    expected = np.asarray(Interpolation(2, channels=(1, None))(x))
    x[..., 0] = bad
    np.testing.assert_array_equal(Interpolation(2, channels=(1, None))(x), expected)


# --- as a Keras layer -----------------------------------------------------------------------


@pytest.mark.parametrize("channels", [None, (1, None, 0)])
def test_config_round_trip(channels):
    layer = Interpolation(3, "bilinear", channels, True, name="skip", dtype="float32")
    rebuilt = Interpolation.from_config(layer.get_config())
    assert (rebuilt.scale, rebuilt.method, rebuilt.channels) == (3, "bilinear", channels)
    assert rebuilt.wrap is True
    assert Interpolation(3).wrap is False
    assert rebuilt.name == "skip"
    x = field(channels=2)
    np.testing.assert_array_equal(rebuilt(x), layer(x))


def test_saved_with_a_model(tmp_path):
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, Interpolation(2, "bilinear", (1, None))(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = field(channels=2)
    np.testing.assert_array_equal(loaded(x), model(x))


def test_it_has_no_weights():
    layer = Interpolation(2)
    layer(field())
    assert layer.weights == []


@pytest.mark.parametrize("channels", [None, (0, None, 1)])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None), (None, None, None)),
        ((None, 4, None), (None, 12, None)),
        ((None, None, 5), (None, None, 15)),
        ((6, 4, 5), (6, 12, 15)),
    ],
)
def test_output_shape(given, expected, channels):
    layer = Interpolation(3, channels=channels)
    expected = (*expected, 2 if channels is None else 3)
    assert layer.compute_output_shape((*given, 2)) == expected
    assert layer(keras.Input(batch_shape=(*given, 2))).shape == expected
    sizes = [size or 3 for size in given]
    assert layer(np.ones((*sizes, 2), "f4")).shape == (
        sizes[0],
        3 * sizes[1],
        3 * sizes[2],
        expected[-1],
    )


@pytest.mark.traced
@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_one_graph_serves_all_sizes(method, wrap):
    layer = Interpolation(3, method, (1, None), wrap)
    traces = []

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 2), "float32")])
    def graph(x):
        traces.append(x.shape)
        return layer(x)

    for y, x, batch in ((3, 5, 1), (2, 2, 4), (1, 7, 2)):
        values = field(y, x, 2, batch)
        actual = graph(values)
        assert actual.shape == (batch, 3 * y, 3 * x, 2)
        np.testing.assert_allclose(actual, layer(values), atol=1e-6)
    assert len(traces) == 1


def test_gradient_reaches_every_input_cell():
    # nearest, scale 2: each LR cell is in four HR cells
    x = tf.constant(field())
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(Interpolation(2, "nearest")(x))
    np.testing.assert_allclose(tape.gradient(total, x), np.full(x.shape, 4.0), rtol=1e-6)


def test_dtype_follows_the_policy():
    assert Interpolation(2, dtype="float32")(field()).dtype == "float32"
    half = Interpolation(2, "bilinear", dtype="mixed_bfloat16")(field())
    assert half.dtype == "bfloat16"
    expected = np.asarray(Interpolation(2, "bilinear")(field()))
    np.testing.assert_allclose(tf.cast(half, "float32"), expected, atol=0.05)
