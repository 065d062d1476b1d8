import keras
import numpy as np
import pytest

from xr_dl4ds.config import Network, Sampling, Scale, settled
from xr_dl4ds.networks import Ports, generator, take_weights


def build(seed, *, n_noise=0, distribution=None, sequence=False, n_lr=2, **options):
    window = 2 if sequence else None
    network = settled(
        Network(**{"n_filters": 4, "n_blocks": 1, **options}), Sampling(time_window=window)
    )
    ports = Ports(
        n_lr=n_lr,
        n_static=1,
        lr_channels=(0,),
        scale=Scale.of(2),
        sequence=sequence,
        offsets_from_zero=(3.0,),
        n_noise=n_noise,
        distributions=(distribution,),
    )
    return generator(network, ports, seed=seed)


def run(network, noise=None):
    rng = np.random.default_rng(0)
    steps = (3,) if len(network.inputs[0].shape) == 5 else ()
    inputs = {
        "lr": rng.normal(size=(2, *steps, 4, 5, 2)).astype("f4"),
        "static": rng.normal(size=(2, 8, 10, 1)).astype("f4"),
    }
    if noise is not None:
        inputs["noise"] = np.full((2, *steps, 8, 10, noise), 1.7, "f4")
    return np.asarray(network(inputs))


def trained(network):
    """All weights moved, so that no zero stands for another."""
    rng = np.random.default_rng(1)
    network.set_weights(
        [w + rng.normal(0, 0.1, w.shape).astype(w.dtype) for w in network.get_weights()]
    )
    return network


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize("upsampling", ["subpixel", "interpolation"])
def test_a_network_begins_as_the_other_whatever_the_noise(upsampling, sequence):
    source = trained(build(1, upsampling=upsampling, sequence=sequence))
    for n_noise in (0, 3):
        network = build(2, upsampling=upsampling, sequence=sequence, n_noise=n_noise)
        assert not np.allclose(run(network, n_noise or None), run(source))
        take_weights(network, source)
        np.testing.assert_allclose(run(network, n_noise or None), run(source), atol=1e-6)


def test_weights_are_copies():
    source, network = trained(build(1)), build(2)
    take_weights(network, source)
    before = run(network)
    source.set_weights([0 * w for w in source.get_weights()])
    np.testing.assert_array_equal(run(network), before)


def test_parameters_of_a_distribution_keep_their_own_weights():
    source, network = trained(build(1)), build(2, distribution="gaussian")
    take_weights(network, source)
    np.testing.assert_allclose(run(network)[..., :1], run(source), atol=1e-6)
    again = build(4, distribution="gaussian")
    take_weights(again, trained(network))
    np.testing.assert_allclose(run(again), run(network), atol=1e-6)
    other = build(4, distribution="gaussian")  # of another target, say
    begun = run(other)[..., 1]
    take_weights(other, network, parameters=False)
    np.testing.assert_allclose(run(other)[..., :1], run(network)[..., :1], atol=1e-6)
    np.testing.assert_allclose(run(other)[..., 1], begun, atol=1e-6)
    network = build(2, distribution="gaussian")
    take_weights(network, source)
    back = build(3)
    take_weights(back, network)  # and a network without them takes the rest
    np.testing.assert_allclose(run(back), run(source), atol=1e-6)


@pytest.mark.parametrize("options", [{"n_blocks": 2}, {"attention": True}, {"backbone": "convnet"}])
def test_other_layers_are_told(options):
    with pytest.raises(ValueError, match=r"architecture of the model in start=, got different"):
        take_weights(build(1, **options), build(2))


@pytest.mark.parametrize("options", [{"n_filters": 6}, {"n_lr": 1}])
def test_other_shapes_are_told(options):
    with pytest.raises(ValueError, match=r"weights of \(.*\) in the layer '.*start=, got \("):
        take_weights(build(1, **options), build(2))


def test_every_layer_that_may_be_new_makes_parameters():
    plain, richer = build(1), build(1, n_noise=1, distribution="bernoulli_gamma")
    new = {x.name for x in richer.layers if x.weights} - {x.name for x in plain.layers}
    assert new
    assert all(name.startswith("parameters") for name in new)
    assert isinstance(richer, keras.Model)
