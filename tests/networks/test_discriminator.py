import keras
import numpy as np
import pytest
import tensorflow as tf

from xr_dl4ds.config import Adversarial, Scale
from xr_dl4ds.networks import Ports, discriminator, periodic
from xr_dl4ds.networks.layers import SpectralConv2D


def settings(**given):
    given = {"filters": 4, "blocks": 2, **given}
    own = {
        f"discriminator_{k}" if k != "spectral_normalization" else k: v for k, v in given.items()
    }
    return Adversarial(**own)


def ports(**given):
    given = {"n_lr": 2, "n_static": 1, "lr_channels": (0, None), "scale": 2, **given}
    return Ports(**{**given, "scale": Scale.of(given["scale"])})


def inputs(p, y=4, x=6, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    time, fine = (3,) if p.sequence else (), (p.scale.y * y, p.scale.x * x)
    given = {
        "lr": rng.normal(size=(batch, *time, y, x, p.n_lr)),
        "hr": rng.normal(size=(batch, *time, *fine, len(p.lr_channels))),
    }
    if p.n_static:
        given["static"] = rng.normal(size=(batch, *fine, p.n_static))
    return {name: tf.constant(value, "float32") for name, value in given.items()}


@pytest.mark.sparse(3)
@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("n_static", [0, 1])
@pytest.mark.parametrize("scale", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("sequence", [False, True])
def test_one_logit_for_each_lr_cell(sequence, scale, n_static, spectral):
    p = ports(scale=scale, sequence=sequence, n_static=n_static)
    network = discriminator(settings(spectral_normalization=spectral), p)
    given = inputs(p)
    assert set(given) == {tensor.name for tensor in network.inputs}
    with tf.GradientTape() as tape:
        tape.watch(given)
        logits = network(given, training=True)
    assert logits.shape == (2, *((3,) if sequence else ()), 4, 6, 1)
    assert logits.dtype == "float32"
    assert np.asarray(logits).std() > 0
    gradients = tape.gradient(logits, given)
    for name, gradient in gradients.items():  # every cell of every channel is looked at
        assert (np.asarray(gradient) != 0).mean() > 0.99, name
    # logits are no probabilities
    larger = network({**given, "hr": 50 * given["hr"]})
    assert np.abs(larger).max() > 1


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_a_cell_is_judged_with_its_surroundings(n_blocks):
    p = ports(n_static=0, scale=2)
    network = discriminator(settings(blocks=n_blocks), p)
    given = inputs(p, 21, 23, batch=1)
    hr = np.asarray(given["hr"]).copy()
    hr[0, 20, 22, 0] += 3
    changed = np.asarray(network({**given, "hr": tf.constant(hr)}) != network(given))[0, ..., 0]
    rows, columns = np.nonzero(changed)
    # LR cell (10, 11); one HR cell beyond the next LR cell's edge, and two cells a block
    reach = 2 * n_blocks
    assert rows.min() == 10 - reach - 1
    assert rows.max() == 10 + reach
    assert columns.min() == 11 - reach - 1
    assert columns.max() == 11 + reach


def test_flicker_is_seen():
    p = ports(sequence=True)
    network = discriminator(settings(blocks=1), p)
    given = inputs(p)
    # the same fields step by step, but in another order
    hr = np.asarray(given["hr"])[:, [2, 1, 0]]
    still = {**given, "lr": tf.repeat(given["lr"][:, :1], 3, axis=1)}
    before, after = network(still), network({**still, "hr": tf.constant(hr)})
    assert np.abs(np.asarray(after)[:, 1] - np.asarray(before)[:, 1]).max() > 1e-3
    # one block sees the next steps, and not those after
    hr = np.asarray(given["hr"]).copy()
    hr[:, 0] += 1
    after = np.asarray(network({**given, "hr": tf.constant(hr)}) != network(given))
    assert after.any(axis=(0, 2, 3, 4)).tolist() == [True, True, False]


def test_one_network_serves_all_sizes():
    for sequence in (False, True):
        p = ports(sequence=sequence)
        network = discriminator(settings(), p)
        for y, x in ((2, 2), (7, 3), (1, 9)):
            assert network(inputs(p, y, x)).shape[-3:] == (y, x, 1)


def test_settings_take_effect():
    def count(**given):
        return discriminator(
            settings(**given), ports(n_static=0, n_lr=1, lr_channels=(0,))
        ).count_params()

    # 3x3: 9 a b + b, 1x1: a b + b; 4 filters
    ends = (9 * 4 + 4) + (9 * 4 + 4) + (16 * 4 + 4) + (8 * 4 + 4) + (4 + 1)
    block = 2 * (9 * 16 + 4)
    assert count(blocks=1) == ends + block
    assert count(blocks=3) == ends + 3 * block
    assert count(filters=8, blocks=1) > 2 * count(blocks=1)
    network = discriminator(settings(spectral_normalization=True), ports())
    assert {type(x) for x in network.layers if x.weights} == {SpectralConv2D}


def test_spectral_normalization_bounds_every_kernel():
    p = ports()
    network = discriminator(settings(spectral_normalization=True), p)
    for _ in range(100):
        network(inputs(p), training=True)
    for layer in network.layers:
        if layer.weights:
            kernel = np.asarray(layer._normalized(False)).reshape(-1, layer.filters)
            np.testing.assert_allclose(np.linalg.svd(kernel)[1][0], 1, rtol=1e-3)


@pytest.mark.parametrize("spectral", [False, True])
def test_weights_follow_the_seed(spectral):
    def weights(seed):
        made = discriminator(settings(spectral_normalization=spectral), ports(), seed=seed)
        return [w for w in made.get_weights() if w.any()]

    for a, b, c in zip(weights(3), weights(3), weights(4), strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.traced
@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("sequence", [False, True])
def test_gradients_of_gradients(sequence, spectral):
    # the R1 penalty, in a graph, as it is trained with
    p = ports(sequence=sequence)
    network = discriminator(settings(spectral_normalization=spectral), p)

    @tf.function
    def penalty(given):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(given["hr"])
                total = tf.reduce_sum(network(given, training=True))
            value = 0.5 * tf.reduce_mean(inner.gradient(total, given["hr"]) ** 2)
        return value, outer.gradient(value, [v.value for v in network.trainable_variables])

    value, gradients = penalty(inputs(p))
    assert float(value) > 0
    found = {
        v.path: np.asarray(g)
        for v, g in zip(network.trainable_variables, gradients, strict=True)
        if g is not None
    }
    kernels = [v.path for v in network.trainable_variables if v.path.endswith("kernel")]
    # the LR branch does not take part in the slope along HR but through activations
    assert set(kernels) - set(found) <= {"lr_conv/kernel"}
    assert all(np.isfinite(g).all() for g in found.values())
    assert all((found[k] != 0).any() for k in kernels if k in found and not k.startswith("lr"))


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(precision, spectral):
    p = ports(sequence=True)
    network = discriminator(settings(spectral_normalization=spectral), p, precision=precision)
    logits = network(inputs(p), training=True)
    assert logits.dtype == "float32"
    assert {v.dtype for v in network.variables} == {"float32"}
    assert network.get_layer("hr_conv").compute_dtype == precision.removeprefix("mixed_")
    assert network.get_layer("judgement").compute_dtype == "float32"


@pytest.mark.parametrize("spectral", [False, True])
def test_saved_and_loaded(spectral, tmp_path):
    p = ports(sequence=True)
    network = discriminator(settings(spectral_normalization=spectral), p)
    given = inputs(p)
    network(given, training=True)
    network.save_weights(tmp_path / "a.weights.h5")
    again = discriminator(settings(spectral_normalization=spectral), p, seed=5)
    again.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(again(given), network(given))
    network.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        keras.saving.load_model(tmp_path / "model.keras")(given), network(given)
    )


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize(("sequence", "scale"), [(False, 1), (False, 3), (True, 2)])
def test_around_the_globe(sequence, scale, spectral, caplog):
    p = ports(sequence=sequence, scale=scale)
    network = discriminator(settings(spectral_normalization=spectral), p)
    given = inputs(p)
    rolled = {
        name: tf.roll(x, 2 if name == "lr" else 2 * scale, axis=-2) for name, x in given.items()
    }

    def moved(network):
        expected = np.roll(np.asarray(network(given)), 2, axis=-2)
        return np.abs(np.asarray(network(rolled)) - expected).max()

    around = periodic(network)
    assert moved(network) > 1e-3
    assert moved(around) < 1e-5
    assert not caplog.records  # all of its layers are known to go around
    assert [x.path for x in around.weights] == [x.path for x in network.weights]
