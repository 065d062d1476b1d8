import keras
import numpy as np
import pytest

from tests.networks.reference import field, model, names, options, zero
from xr_dl4ds.config.choices import DROPOUTS, NORMALIZATIONS
from xr_dl4ds.networks.blocks import (
    attention,
    convnext_block,
    convolutional_block,
    dense_block,
    residual_block,
)
from xr_dl4ds.networks.layers import ConvLSTM, MonteCarloDropout

BLOCKS = [convolutional_block, residual_block, dense_block, convnext_block]


def block(function, channels=4, filters=4, sequence=False, **given):
    return model(lambda x: function(x, filters, options(**given), "b"), channels, sequence)


# --- each block by hand -----------------------------------------------------------------------


def test_residual_block_with_zero_weights_is_the_identity():
    np.testing.assert_array_equal(zero(block(residual_block))(field()), field())


def test_residual_block_has_no_activation_after_its_second_convolution():
    # a ReLU there could only add: with the bias -1 it would leave the input as it is
    network = zero(block(residual_block))
    network.get_layer("b_conv2").bias.assign(-np.ones(4))
    np.testing.assert_array_equal(network(field()), field() - 1)


@pytest.mark.parametrize("function", [residual_block, convnext_block])
def test_blocks_with_a_shortcut_project_other_widths(function):
    network = block(function, channels=2, filters=6)
    assert network(field(2)).shape == (1, 5, 7, 6)
    assert network.get_layer("b_shortcut").kernel_size == (1, 1)


def test_convolutional_block_has_no_shortcut_and_ends_with_the_activation():
    network = zero(block(convolutional_block))
    network.get_layer("b_conv2").bias.assign([-1, 0, 1, 2])
    np.testing.assert_array_equal(network(field()), np.broadcast_to([0, 0, 1, 2], (1, 5, 7, 4)))


def test_dense_block_sees_all_channels_before_and_halves_them():
    network = block(dense_block)
    # 4 channels, growth 2: the second convolution sees 6, the transition 8 of which 4 are left
    assert network.get_layer("b_conv1").kernel.shape == (3, 3, 4, 2)
    assert network.get_layer("b_conv2").kernel.shape == (3, 3, 6, 2)
    assert network.get_layer("b_transition").kernel.shape == (1, 1, 8, 4)
    assert network.output_shape == (None, None, None, 4)


def test_convnext_block_by_hand():
    # depthwise 7 x 7 and biases: 49 * 4 + 4; 1 x 1 to 16: 4 * 16 + 16; back: 16 * 4 + 4
    assert block(convnext_block).count_params() == 200 + 80 + 68
    assert block(convnext_block).get_layer("b_depthwise").kernel_size == (7, 7)
    np.testing.assert_array_equal(zero(block(convnext_block))(field()), field())


@pytest.mark.parametrize("function", [convolutional_block, residual_block, dense_block])
def test_recurrent_blocks_have_five_cells_first_and_three_after(function):
    network = block(function, sequence=True, time_window=3)
    first, second = (network.get_layer(f"b_conv{i}") for i in (1, 2))
    assert isinstance(first, ConvLSTM)
    assert (first.kernel_size, second.kernel_size) == (5, 3)
    assert network(field(time=3)).shape == (1, 3, 5, 7, 4)


@pytest.mark.parametrize("function", [convolutional_block, residual_block, dense_block])
def test_a_step_of_a_recurrent_block_knows_those_before_it_alone(function):
    network = block(function, sequence=True, time_window=4)
    given = field(time=4)
    before = np.asarray(network(given))
    given[0, 2] += 1
    changed = np.abs(np.asarray(network(given)) - before).max(axis=(0, 2, 3, 4)) > 1e-6
    assert changed.tolist() == [False, False, True, True]


# --- options in every block ---------------------------------------------------------------------


def takes(function, given, kind, sequence=False):
    """The layers of a kind that an option brings into a block."""
    network = block(function, sequence=sequence, time_window=3 if sequence else None, **given)
    assert not [x for x in block(function).layers if isinstance(x, kind)]
    return [layer.name for layer in network.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("function", BLOCKS)
def test_defect_2_no_block_throws_its_normalization_away(function, normalization):
    # the dense block of DL4DS ignored normalization, activation and dropout
    kind = {
        "batch": keras.layers.BatchNormalization,
        "layer": keras.layers.LayerNormalization,
    }[normalization]
    assert takes(function, {"normalization": normalization}, kind)


@pytest.mark.parametrize("function", BLOCKS)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_defect_2_no_block_throws_its_activation_away(function, activation):
    used = [
        getattr(layer, "activation", None)
        for layer in block(function, activation=activation).layers
        if layer.name.endswith(("_activation", "_expand"))
    ]
    assert used
    x = np.linspace(-1, 1, 5)
    for one in used:
        np.testing.assert_allclose(one(x), getattr(keras.activations, activation)(x), rtol=1e-6)


@pytest.mark.parametrize("dropout", DROPOUTS)
@pytest.mark.parametrize("function", BLOCKS)
def test_defect_2_no_block_throws_its_dropout_away(function, dropout):
    kind = {
        "vanilla": keras.layers.Dropout,
        "gaussian": keras.layers.GaussianDropout,
        "spatial": keras.layers.SpatialDropout2D,
    }[dropout]
    assert takes(function, {"dropout": dropout, "dropout_rate": 0.3}, kind)
    given = {"dropout": dropout, "dropout_rate": 0.3, "monte_carlo": True}
    assert takes(function, given, MonteCarloDropout)


def test_the_rate_of_dropout_is_the_one_asked_for():
    network = block(residual_block, dropout="vanilla", dropout_rate=0.3)
    assert network.get_layer("b_conv1_dropout").rate == 0.3
    mc = block(residual_block, dropout="gaussian", dropout_rate=0.4, monte_carlo=True)
    layer = mc.get_layer("b_conv1_dropout")
    assert (layer.rate, layer.variant) == (0.4, "gaussian")


def test_dropout_of_channels_in_time_drops_them_at_all_steps():
    given = {"dropout": "spatial", "dropout_rate": 0.5}
    network = block(residual_block, sequence=True, time_window=3, **given)
    assert isinstance(network.get_layer("b_conv1_dropout"), keras.layers.SpatialDropout3D)


# --- attention ------------------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [(0, 0), (2, 1)])
@pytest.mark.parametrize("time", [None, 3])
def test_attention_by_hand(time, margin):
    # CBAM, equation 2: sigmoid(MLP(mean) + MLP(max)) times the channels
    network = model(
        lambda x: attention(x, options(attention=True), "b", margin), 16, time is not None
    )
    given = field(16, time=time)
    w1, b1, w2, b2 = network.get_weights()
    assert w1.shape == (16, 2)
    y, x = margin
    inside = given[..., y : given.shape[-3] - y, x : given.shape[-2] - x, :]
    pooled = inside.mean(axis=(-3, -2)), inside.max(axis=(-3, -2))
    summed = sum(np.maximum(p @ w1 + b1, 0) @ w2 + b2 for p in pooled)
    weights = 1 / (1 + np.exp(-summed))
    expected = given * weights[..., None, None, :]
    np.testing.assert_allclose(network(given), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("function", BLOCKS)
def test_attention_is_in_every_block_and_only_when_asked_for(function):
    assert "b_attention" in names(block(function, attention=True))
    assert not [n for n in names(block(function)) if "attention" in n]
