"""Networks of flow matching: what they take, where they begin, on cells of any number."""

import numpy as np
import pytest

from tests.networks.test_generator import ports as usual_ports
from tests.tiers import thinned
from xr_dl4ds.config import BACKBONES, FlowMatching, Network, Sampling, settled
from xr_dl4ds.networks import (
    field_network,
    periodic,
    reach_of,
    residual_network,
    velocity_network,
)


def small(**options):
    network = Network(**{"n_filters": 3, "n_blocks": 1, "constraint": None, **options})
    return settled(network, Sampling(), FlowMatching())


def ports(**options):
    given = {"residual_sizes": (0.5,), "roots": (False,), "offsets_from_zero": (1.0,), **options}
    return usual_ports(**given)


def inputs(network, y=3, x=5, scale=2, batch=2, seed=0, context=0):
    rng = np.random.default_rng(seed)
    found = {}
    for tensor in network.inputs:
        wide = (batch, y * scale, x * scale, tensor.shape[-1])
        shape = {
            "lr": (batch, y + 2 * context, x + 2 * context, tensor.shape[-1]),
            "flow_time": (batch, 1),
        }.get(tensor.name, wide)
        found[tensor.name] = rng.uniform(size=shape).astype("f4")
    if "valid" in found:
        found["valid"] = (found["valid"] > 0.3).astype("f4")
    return found


def shaken(network, size=0.2):
    """With random weights, of which none is 0."""
    rng = np.random.default_rng(1)
    network.set_weights([w + size * rng.normal(size=w.shape) for w in network.get_weights()])
    return network


@pytest.mark.parametrize(
    ("backbone", "scale", "y", "x"),
    thinned(
        [(b, s, y, x) for b in BACKBONES for s, y, x in [(2, 3, 5), (3, 2, 3), (1, 7, 9)]],
        [("unet", 2, 3, 5), ("unet", 3, 2, 3), ("resnet", 2, 3, 5), ("convnext", 1, 7, 9)],
    ),
)
def test_a_velocity_for_each_cell(backbone, scale, y, x):
    network = velocity_network(small(backbone=backbone, n_blocks=2), ports(scale=scale, n_static=1))
    given = inputs(network, y, x, scale)
    found = np.asarray(network(given))
    assert found.shape == (2, y * scale, x * scale, 1)
    assert not found.any()  # it begins at rest
    shaken(network)
    before = np.asarray(network(given))
    for name in given:  # each input has a part in it
        moved = np.asarray(network({**given, name: given[name] + 0.5}))
        assert abs(moved - before).max() > 1e-4, name


def test_inputs_of_each_kind():
    p = ports(n_static=2, masked=True, guessed=True, context=2)
    names = {x.name for x in velocity_network(small(), p).inputs}
    assert names == {"lr", "static", "valid", "guess", "noisy", "flow_time"}


def test_masked_cells_are_not_seen():
    network = shaken(velocity_network(small(), ports(masked=True)))
    given = inputs(network)
    hidden = np.where(given["valid"] == 0, 9.0, given["noisy"])
    np.testing.assert_array_equal(
        np.asarray(network(given)), np.asarray(network({**given, "noisy": hidden}))
    )


def test_surroundings_matter_and_are_left_out_of_the_result():
    network = shaken(velocity_network(small(), ports(context=2)))
    given = inputs(network, context=2)
    found = np.asarray(network(given))
    assert found.shape == (2, 6, 10, 1)
    lr = given["lr"].copy()
    lr[:, 0] += 1
    assert abs(np.asarray(network({**given, "lr": lr})) - found)[:, 0].max() > 1e-5


@pytest.mark.parametrize("options", [{}, {"guessed": True}, {"lr_channels": (None,)}])
def test_residuals_and_fields_are_inverse(options):
    network, p = small(interpolation_skip="lr_channels" not in options), ports(**options)
    forth, back = residual_network(network, p), field_network(network, p)
    given = inputs(forth)
    made = {**given, "noisy": np.asarray(forth(given))}
    again = np.asarray(back({x.name: made[x.name] for x in back.inputs}))
    np.testing.assert_allclose(again, given["truth"], atol=1e-5)


@pytest.mark.parametrize("root", [False, True])
def test_fields_keep_lr_means(root):
    p = ports(roots=(root,), corrections=2)
    network = field_network(small(constraint="additive"), p)
    given = inputs(network)
    found = np.asarray(network(given))[..., 0]
    means = found.reshape(2, 3, 2, 5, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(means, given["lr"][..., 1], atol=1e-5)
    if root:
        assert found.min() >= -1  # the physical zero


def test_columns_around_the_globe():
    network = periodic(shaken(velocity_network(small(n_blocks=1), ports())))
    given = inputs(network, y=3, x=6)
    turned = {
        name: value if name == "flow_time" else np.roll(value, 4 if name == "noisy" else 2, axis=2)
        for name, value in given.items()
    }
    expected = np.roll(np.asarray(network(given)), 4, axis=2)
    np.testing.assert_allclose(np.asarray(network(turned)), expected, atol=1e-5)


@pytest.mark.parametrize("backbone", ["unet", "resnet"])
def test_reach_is_what_a_cell_depends_on(backbone):
    network = shaken(velocity_network(small(backbone=backbone, n_blocks=1), ports(scale=2)))
    reach = reach_of(network)
    assert reach.cells is not None
    y, x = 5, 2 * reach.cells + 9
    given = inputs(network, y, x, batch=1)
    before = np.asarray(network(given))
    middle = x // 2
    changed = {**given, "lr": given["lr"].copy(), "noisy": given["noisy"].copy()}
    changed["lr"][:, :, middle] += 1
    changed["noisy"][:, :, 2 * middle : 2 * middle + 2] += 1
    moved = np.abs(np.asarray(network(changed)) - before).max(axis=(0, 1, 3)) > 1e-7
    far = np.abs(np.arange(2 * x) // 2 - middle)[moved].max()
    assert 0 < far <= reach.cells


def test_half_precision_gives_float32():
    network = velocity_network(small(), ports(), precision="mixed_bfloat16")
    assert np.asarray(network(inputs(network))).dtype == np.float32
