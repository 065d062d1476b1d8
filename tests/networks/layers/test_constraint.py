import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.config import choices
from xr_dl4ds.networks.layers import Constraint
from xr_dl4ds.networks.layers.constraint import CONSTRAINTS

KINDS = ["additive", "multiplicative", "softmax"]


def reference(kind, prediction, lr, channels, offsets, valid=None):
    """The formulas in float64, cell by cell; the mean over the cells of a block that count."""
    out = np.array(prediction, "f8")
    scale = prediction.shape[1] // lr.shape[1]
    for b, i, j in np.ndindex(lr.shape[:3]):
        block = (b, slice(scale * i, scale * (i + 1)), slice(scale * j, scale * (j + 1)))
        for n, channel in enumerate(channels):
            cells = out[(*block, n)]
            counts = np.ones_like(cells, bool) if valid is None else valid[(*block, n)] > 0
            if channel is None or not counts.any():
                continue
            p, x = cells.copy(), float(lr[b, i, j, channel])
            v, w = p + offsets[n], max(x + offsets[n], 0)
            if kind == "additive":
                cells[:] = p + x - p[counts].mean()
            elif kind == "multiplicative":
                u = np.maximum(v, 0) + 1e-4
                cells[:] = u * w / u[counts].mean() - offsets[n]
            else:
                a = v / max(w, 1)
                e = np.exp(
                    np.where(counts, a - a[counts].max(), np.minimum(a - a[counts].max(), 0))
                )
                cells[:] = e * w / e[counts].mean() - offsets[n]
    return out


def fields(scale=2, y=3, x=5, n=1, m=1, seed=0):
    """A prediction of n channels, m LR channels, and what counts: one block nowhere."""
    rng = np.random.default_rng(seed)
    prediction = rng.normal(size=(2, scale * y, scale * x, n)).astype("f4")
    lr = rng.normal(size=(2, y, x, m)).astype("f4")
    valid = (rng.random(prediction.shape) < 0.6).astype("f4")
    valid[0, :scale, scale : 2 * scale] = 0
    return prediction, lr, valid


def block_means(values, scale, valid=None):
    b, y, x, n = values.shape
    counts = np.ones_like(values) if valid is None else valid
    shape = (b, y // scale, scale, x // scale, scale, n)
    total, count = ((np.float64(v) * counts).reshape(shape).sum((2, 4)) for v in (values, 1))
    with np.errstate(invalid="ignore"):
        return total / count


def one_block(kind, cells, lr, offset=0.0, valid=None):
    """The four cells of one LR cell."""
    shaped = [np.reshape(c, (1, 2, 2, 1)).astype("f4") for c in (cells, valid) if c is not None]
    shaped.insert(1, np.full((1, 1, 1, 1), lr, "f4"))
    return np.ravel(Constraint(kind, 2, (0,), (offset,))(shaped))


# --- by hand --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "cells", "lr", "offset", "expected"),
    [
        # mean 3, 1 too much
        ("additive", [1, 2, 3, 6], 2, 0, [0, 1, 2, 5]),
        ("additive", [1, 2, 3, 6], 2, 7, [0, 1, 2, 5]),
        # times 2 / 3
        ("multiplicative", [1, 2, 3, 6], 2, 0, [2 / 3, 4 / 3, 2, 4]),
        # from the zero at -1: 1 2 3 6 to a mean of 2, moved back
        ("multiplicative", [0, 1, 2, 5], 1, 1, [-1 / 3, 1 / 3, 1, 3]),
        # -5 counts as 0, which leaves 0 0 4 4
        ("multiplicative", [0, -5, 4, 4], 1, 0, [0, 0, 2, 2]),
        # the exponentials are 1 2 3 4, of mean 5 / 2
        ("softmax", np.log([1, 2, 3, 4]), 1, 0, [0.4, 0.8, 1.2, 1.6]),
        ("softmax", np.log([1, 2, 3, 4]), 0.5, 0, [0.2, 0.4, 0.6, 0.8]),
        # above 1 the argument is divided by the LR value
        ("softmax", 2 * np.log([1, 2, 3, 4]), 2, 0, [0.8, 1.6, 2.4, 3.2]),
        ("softmax", 2 * np.log([1, 2, 3, 4]) - 1.5, 0.5, 1.5, [-0.7, 0.1, 0.9, 1.7]),
    ],
)
def test_one_block(kind, cells, lr, offset, expected):
    np.testing.assert_allclose(one_block(kind, cells, lr, offset), expected, atol=2e-4)


def test_the_mean_is_over_the_cells_that_count():
    # mean of 1 and 3 is 2, 4 too little; the others move with them
    actual = one_block("additive", [1, 100, 3, -100], 6, valid=[1, 0, 1, 0])
    np.testing.assert_allclose(actual, [5, 104, 7, -96], rtol=1e-6)


@pytest.mark.parametrize("kind", ["multiplicative", "softmax"])
@pytest.mark.parametrize("lr", [0, -0.3])
def test_no_lr_value_leaves_zeros(kind, lr):
    np.testing.assert_allclose(one_block(kind, [-2, 3, 0, 5], lr - 4, 4), [-4] * 4, rtol=1e-6)


def test_a_block_without_prediction_shares_the_lr_value_out():
    np.testing.assert_allclose(one_block("multiplicative", [0, -1, 0, -3], 2), [2] * 4, rtol=1e-6)


@pytest.mark.parametrize("lr", [0.5, 60])
def test_softmax_does_not_overflow(lr):
    # exp(1e5 / 60) is far beyond float32; all of the mean goes to the highest cell
    actual = one_block("softmax", [1e5, -1e5, 0, 9e4], lr)
    np.testing.assert_allclose(actual, [4 * lr, 0, 0, 0], rtol=1e-6, atol=1e-6)
    # a cell that does not count is above all that do: it is held at the highest of them
    actual = one_block("softmax", [2e5, 1e5, -1e5, 0], lr, valid=[0, 1, 1, 1])
    np.testing.assert_allclose(actual, [3 * lr, 3 * lr, 0, 0], rtol=1e-6, atol=1e-6)
    # nor does it underflow where all that count are far below the others
    actual = one_block("softmax", [-1e5, -1e5, 0, 1], lr, valid=[1, 1, 0, 0])
    np.testing.assert_allclose(actual, [lr] * 4, rtol=1e-6)


# --- reference ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("scale", "y", "x", "channels", "offsets"),
    [
        (2, 3, 5, (0,), (0.4,)),
        (3, 1, 7, (1, 0), (2.0, -0.5)),
        (4, 5, 1, (None, 2, 2), (9.0, 0.8, 1.6)),
        (2, 4, 3, (2, None, 0, None), (0.0, 0.0, 56.0, 0.0)),
    ],
)
def test_equals_the_formulas(kind, masked, scale, y, x, channels, offsets):
    prediction, lr, valid = fields(scale, y, x, len(channels), 3)
    inputs = [prediction, lr, valid][: 3 if masked else 2]
    actual = Constraint(kind, scale, channels, offsets)(inputs)
    expected = reference(kind, prediction, lr, channels, offsets, valid if masked else None)
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 8])
@pytest.mark.parametrize("offset", [0.0, 2.0, 56.0])
def test_block_means_are_exact(kind, masked, scale, offset):
    prediction, lr, valid = fields(scale)
    lr = lr + 3 if offset == 0 else lr  # away from zero, where nothing is relatively small
    inputs = [prediction, lr, valid][: 3 if masked else 2]
    actual = np.asarray(Constraint(kind, scale, (0,), (offset,))(inputs), "f8") + offset
    means = block_means(actual, scale, valid if masked else None)
    expected = np.float64(lr) + offset
    expected = expected if kind == "additive" else np.maximum(expected, 0)
    some = ~np.isnan(means)
    assert some.sum() == (29 if masked else 30)
    np.testing.assert_allclose(means[some], expected[some], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_a_consistent_field_stays(kind):
    prediction, lr, valid = fields(3)
    layer = Constraint(kind, 3, (0,), (6.0,))
    once = layer([prediction, lr, valid])
    np.testing.assert_allclose(layer([once, lr, valid]), once, atol=3e-4)


# --- masks and channels -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_a_block_that_does_not_count_stays(kind, bad):
    prediction, lr, valid = fields(2)
    lr[0, 0, 1] = bad  # what there is of LR has no say either
    p = tf.constant(prediction)
    with tf.GradientTape() as tape:
        tape.watch(p)
        actual = Constraint(kind, 2, (0,), (0.7,))([p, lr, valid])
        total = tf.reduce_sum(actual)
    np.testing.assert_array_equal(actual[0, :2, 2:4], prediction[0, :2, 2:4])
    gradient = tape.gradient(total, p).numpy()
    np.testing.assert_array_equal(gradient[0, :2, 2:4], 1)
    assert np.isfinite(actual).all()
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["bool", "int32", "bfloat16"])
def test_masks_of_any_dtype(kind, dtype):
    prediction, lr, valid = fields(2)
    layer = Constraint(kind, 2, (0,), (0.7,))
    actual = layer([prediction, lr, tf.cast(valid, dtype)])
    np.testing.assert_array_equal(actual, layer([prediction, lr, valid]))


@pytest.mark.parametrize("kind", KINDS)
def test_channels_without_lr_are_left(kind):
    prediction, lr, _ = fields(n=3)
    actual = np.asarray(Constraint(kind, 2, (None, 0, None), (1.0, 1.0, 1.0))([prediction, lr]))
    np.testing.assert_array_equal(actual[..., [0, 2]], prediction[..., [0, 2]])
    assert np.abs(actual[..., 1] - prediction[..., 1]).max() > 0.1
    none = Constraint(kind, 2, (None,) * 3, (1.0,) * 3)([prediction, lr])
    np.testing.assert_array_equal(none, prediction)


# --- units ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_physical_values_do_not_depend_on_the_offset(kind):
    prediction, lr, _ = fields()
    one = Constraint(kind, 2, (0,), (1.0,))([prediction, lr])
    other = Constraint(kind, 2, (0,), (3.0,))([prediction - 2, lr - 2])
    np.testing.assert_allclose(one, np.asarray(other) + 2, atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [2.0, 30.0])
def test_other_units_give_the_same_field(kind, factor):
    prediction, lr, _ = fields()
    prediction, lr = np.abs(prediction) + 1, np.abs(lr) + 1  # softmax: the same from 1 on
    layer = Constraint(kind, 2, (0,), (0.0,))
    actual = layer([factor * prediction, factor * lr])
    np.testing.assert_allclose(actual, factor * np.asarray(layer([prediction, lr])), rtol=2e-4)


def test_additive_is_indifferent_to_a_shift():
    prediction, lr, _ = fields()
    layer = Constraint("additive", 2, (0,), (0.0,))
    expected = np.asarray(layer([prediction, lr])) + 5
    np.testing.assert_allclose(layer([prediction + 5, lr + 5]), expected, atol=2e-6)


def test_softmax_is_nearly_additive_far_from_zero():
    # temperatures of 280 K with a standard deviation of 5 K: the next term of exp(v / w) is
    # (v - w)**2 / 2w, here up to 9 / 112
    prediction, lr, _ = fields()
    prediction, lr = 0.5 * prediction, 0.5 * lr
    soft, added = (
        np.asarray(Constraint(k, 2, (0,), (56.0,))([prediction, lr]))
        for k in ("softmax", "additive")
    )
    assert np.abs(added - prediction).max() > 0.5
    np.testing.assert_allclose(soft, added, atol=0.08)


# --- gradients ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
def test_gradient_is_that_of_the_formula(kind, masked):
    prediction, lr, valid = fields(2, 2, 2)
    prediction = np.sign(prediction) * (np.abs(prediction) + 0.05)  # off the kink at 0
    rng = np.random.default_rng(1)
    weight, direction = rng.normal(size=(2, *prediction.shape)) * (valid if masked else 1)
    masks = [valid] if masked else []
    p = tf.constant(prediction)
    with tf.GradientTape() as tape:
        tape.watch(p)
        out = Constraint(kind, 2, (0,), (0.0,))([p, lr + 1, *masks])
        total = tf.reduce_sum(out * weight.astype("f4"))
    actual = np.sum(tape.gradient(total, p) * direction)
    step = 1e-5
    ends = [
        reference(kind, np.float64(prediction) + s * direction, lr + 1, (0,), (0.0,), *masks)
        for s in (step, -step)
    ]
    expected = np.sum((ends[0] - ends[1]) * weight) / (2 * step)
    np.testing.assert_allclose(actual, expected, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, -3.0, 1e-12, 1e4])
@pytest.mark.parametrize("lr_value", [0.0, -1.0, 2.0])
def test_gradients_of_constant_blocks_are_finite(kind, value, lr_value):
    p, lr = tf.fill((1, 4, 4, 1), value), tf.fill((1, 2, 2, 1), lr_value)
    with tf.GradientTape() as tape:
        tape.watch([p, lr])
        out = Constraint(kind, 2, (0,), (0.0,))([p, lr])
        total = tf.reduce_sum(out**2)
    assert np.isfinite(out).all()
    for gradient in tape.gradient(total, [p, lr]):
        assert np.isfinite(gradient).all()


# --- as a Keras layer -----------------------------------------------------------------------


def test_kinds_are_those_of_the_options():
    assert tuple(CONSTRAINTS) == choices.CONSTRAINTS


def test_config_round_trip():
    layer = Constraint("softmax", 3, (1, None), (0.5, 1.5), name="hard")
    rebuilt = Constraint.from_config(layer.get_config())
    assert (rebuilt.kind, rebuilt.scale, rebuilt.name) == ("softmax", 3, "hard")
    assert (rebuilt.channels, rebuilt.offsets) == ((1, None), (0.5, 1.5))
    assert rebuilt.dtype == "float32"


def model(masked, kind="softmax"):
    shapes = {"p": (None, None, 2), "lr": (None, None, 3), "valid": (None, None, 2)}
    inputs = [keras.Input(s, name=n) for n, s in shapes.items() if masked or n != "valid"]
    return keras.Model(inputs, Constraint(kind, 3, (2, None), (0.5, 0.0))(inputs))


@pytest.mark.parametrize("masked", [False, True])
def test_saved_with_a_model(tmp_path, masked):
    network = model(masked)
    assert network.output_shape == (None, None, None, 2)
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    values = fields(3, n=2, m=3)[: 3 if masked else 2]
    np.testing.assert_array_equal(loaded(list(values)), network(list(values)))


@pytest.mark.traced
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
def test_one_graph_serves_all_sizes(kind, masked):
    network = model(masked, kind)
    specs = [tf.TensorSpec(t.shape, t.dtype) for t in network.inputs]
    traces = []

    @tf.function(input_signature=[specs])
    def graph(values):
        out = network(values)
        traces.append(out.shape.as_list())
        return out

    for y, x in ((3, 5), (1, 2), (4, 1)):
        prediction, lr, valid = values = fields(3, y, x, 2, 3)
        actual = graph(list(values[: 3 if masked else 2]))
        given = valid if masked else None
        expected = reference(kind, prediction, lr, (2, None), (0.5, 0.0), given)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    assert traces == [[None, None, None, 2]]


@pytest.mark.parametrize(
    ("prediction", "lr", "expected"),
    [
        ((4, 6, None, 1), (4, 2, None, 1), (4, 6, None, 1)),
        ((None, None, 9, 1), (None, None, 3, 1), (None, None, 9, 1)),
    ],
)
def test_output_shape(prediction, lr, expected):
    layer = Constraint("additive", 3, (0,), (0.0,))
    assert layer.compute_output_shape([prediction, lr]) == expected
    symbolic = [keras.Input(batch_shape=s) for s in (prediction, lr)]
    assert layer(symbolic).shape == expected


def test_float32_inside_and_out():
    prediction, lr, _ = fields()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = Constraint("additive", 2, (0,), (0.0,))
        symbolic = layer([keras.Input((None, None, 1), dtype="bfloat16") for _ in range(2)])
    finally:
        keras.config.set_dtype_policy("float32")
    assert symbolic.dtype == "float32"
    half = tf.cast(prediction, "bfloat16")
    actual = layer([half, lr])
    assert actual.dtype == "float32"
    expected = reference("additive", np.asarray(tf.cast(half, "float32")), lr, (0,), (0.0,))
    np.testing.assert_allclose(actual, expected, atol=1e-6)  # bfloat16 would be off by 1e-2


def test_it_has_no_weights():
    layer = Constraint("additive", 2, (0,), (0.0,))
    layer(list(fields()[:2]))
    assert layer.weights == []
