import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.networks.layers.wrap import around, wrap


def field(*shape, dtype="f4"):
    return np.random.default_rng(0).normal(size=shape, scale=50).astype(dtype)


def padded(x, margin):
    return np.pad(x, [*[(0, 0)] * (x.ndim - 2), (margin, margin), (0, 0)], mode="wrap")


# 5 columns: less than there are, all of them, more than once and more than twice around
@pytest.mark.parametrize("margin", [0, 1, 2, 4, 5, 6, 10, 13])
@pytest.mark.parametrize("shape", [(2, 3, 5, 2), (2, 4, 3, 5, 2), (2, 3, 1, 1)])
def test_equal_to_numpy(shape, margin):
    x = field(*shape)
    np.testing.assert_array_equal(wrap(x, margin), padded(x, margin))


@pytest.mark.traced
@pytest.mark.parametrize("margin", [1, 3, 7])
def test_one_graph_serves_all_sizes(margin):
    traces = []

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 2), "float32")])
    def graph(x):
        traces.append(x.shape)
        out = wrap(x, margin)
        assert out.shape[-1] == 2  # a convolution needs to know its channels
        return out

    for y, x in ((3, 5), (1, 3), (2, 1), (4, 8)):
        values = field(2, y, x, 2)
        np.testing.assert_array_equal(graph(values), padded(values, margin))
    assert len(traces) == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32"])
def test_values_and_dtype_are_kept(dtype):
    x = tf.cast(field(1, 2, 4, 1), dtype)
    actual = wrap(x, 3)
    assert actual.dtype == dtype
    np.testing.assert_array_equal(
        tf.cast(actual, "float32"), padded(tf.cast(x, "float32").numpy(), 3)
    )


@pytest.mark.parametrize(("margin", "expected"), [(1, [2, 1, 1, 2]), (5, [4, 3, 3, 4])])
def test_gradient_counts_each_copy(margin, expected):
    # 4 columns; 5 to the west are 3 0 1 2 3, 5 to the east 0 1 2 3 0
    x = tf.constant(field(1, 1, 4, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(wrap(x, margin))
    np.testing.assert_array_equal(tape.gradient(total, x)[0, 0, :, 0], expected)


def test_around_crops_what_the_function_makes_of_the_margin():
    x = field(1, 2, 3, 1)
    seen = []

    def doubled(values):
        seen.append(values.shape)
        return np.repeat(values, 2, axis=2)

    np.testing.assert_array_equal(around(doubled, x, 4, 8), np.repeat(x, 2, axis=2))
    np.testing.assert_array_equal(around(doubled, x, 0, 0), np.repeat(x, 2, axis=2))
    assert seen == [(1, 2, 11, 1), (1, 2, 3, 1)]
