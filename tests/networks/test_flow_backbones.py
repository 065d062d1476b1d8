import keras
import numpy as np
import pytest

import xr_dl4ds as xd
from tests.networks.test_flow import inputs, ports, shaken, small
from xr_dl4ds.config import CUSTOM_BACKBONES
from xr_dl4ds.networks import velocity_network
from xr_dl4ds.networks.flow_backbones import BRANCH, modulated_block


@pytest.fixture
def registered(monkeypatch):
    """Registers backbones for one test."""
    monkeypatch.setattr(xd.config.registry, "CUSTOM_BACKBONES", CUSTOM_BACKBONES)
    before = dict(CUSTOM_BACKBONES)
    yield xd.register_backbone
    CUSTOM_BACKBONES.clear()
    CUSTOM_BACKBONES.update(before)


def test_a_registered_backbone_takes_the_embedding(registered):
    @registered("own")
    def own(x, network, embedding):
        shift = keras.layers.Dense(network.filters, name="own_shift")(embedding)
        x = keras.layers.Conv2D(network.filters, 3, padding="same", name="own_conv")(x)
        return keras.layers.Add()([x, keras.layers.Reshape((1, 1, -1))(shift)])

    network = shaken(velocity_network(small(backbone="own"), ports()))
    given = inputs(network)
    later = {**given, "flow_time": given["flow_time"] + 0.3}
    assert abs(np.asarray(network(given)) - np.asarray(network(later))).max() > 1e-4


def test_a_registered_backbone_without_embedding_is_told(registered):
    @registered("timeless")
    def timeless(x, network):
        return x

    message = r"'timeless' to take the time of the flow .*, got timeless\(x, network\)\. Add"
    with pytest.raises(ValueError, match=message):
        velocity_network(small(backbone="timeless"), ports())


def test_blocks_begin_near_the_identity():
    x, by = keras.Input((16, 16, 8)), keras.Input((4,))
    block = keras.Model([x, by], modulated_block(x, 8, small(), "block", by))
    rng = np.random.default_rng(0)
    given = [rng.normal(size=(4, 16, 16, 8)).astype("f4"), rng.normal(size=(4, 4)).astype("f4")]
    added = np.asarray(block(given)) - given[0]
    # variance: 1 of the first convolution, half of its squares after relu, then BRANCH
    assert added.std() == pytest.approx((BRANCH / 2) ** 0.5, rel=0.25)


@pytest.mark.parametrize(
    "options",
    [
        {"normalization": "layer"},
        {"attention": True},
        {"dropout": "vanilla"},
        {"activation": "silu"},
    ],
)
def test_options_of_blocks_change_the_unet(options):
    def one(**given):
        network = shaken(velocity_network(small(n_filters=4, n_blocks=1, **given), ports()))
        return np.asarray(network(inputs(network), training=True))

    assert abs(one(**options) - one()).max() > 1e-5
