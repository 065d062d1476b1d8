"""Latent members in training are those of prediction, and keep what the constraint promises."""

import numpy as np
import pytest
from keras import ops

from xr_dl4ds.config import Scale
from xr_dl4ds.config.distribution_channels import n_latent, parameter_channels
from xr_dl4ds.data.latent_fields import LatentFields
from xr_dl4ds.networks import Ports
from xr_dl4ds.networks.latent_members import LatentMembers
from xr_dl4ds.prediction.latent_draws import CellPositions, LatentMember, _Noises

SCALE = Scale(4, 2)
SHAPE = (16, 12)


def output_of(kinds, seed=0):
    """A network output with plausible parameters."""
    rng = np.random.default_rng(seed)
    channels = parameter_channels(kinds)
    out = rng.normal(size=(2, *SHAPE, len(kinds) + sum(len(c) for c in channels))).astype("f4")
    for i, kind in enumerate(kinds):
        at, lr = channels[i], rng.gamma(0.5, 2, size=(2, 4, 6)).astype("f4")
        lr[0, 0, 0] = 0  # a dry LR cell
        hr = lr.repeat(4, axis=1).repeat(2, axis=2)
        if not kind:
            continue
        out[..., i] = rng.normal(0.8, 0.3, size=(2, *SHAPE))
        for name, channel in at.items():
            if name == "reference":
                out[..., channel] = hr
            elif name == "smooth_reference":
                out[..., channel] = np.maximum(hr, 0.05)
            elif name.startswith("mix"):
                out[..., channel] = 0.5
            else:
                out[..., channel] = rng.uniform(0.1, 0.5, size=(2, *SHAPE))
    return out


def ports(kinds, channels):
    return Ports(
        n_lr=len(kinds),
        n_static=0,
        lr_channels=channels,
        scale=SCALE,
        distributions=kinds,
        offsets_from_zero=(0.0,) * len(kinds),
    )


CASES = {
    "amount": (("latent_amount",), (0,), "additive"),
    "other": (("latent",), (0,), "additive"),
    "free amount": (("latent_amount",), (None,), "additive"),
    "no constraint": (("latent", "latent_amount"), (0, 1), None),
    "several": (("latent_amount_directed", None, "latent"), (0, 1, 2), "multiplicative"),
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_training_and_prediction_draw_the_same(case, masked):
    kinds, channels, constraint = CASES[case]
    output, rng = output_of(kinds), np.random.default_rng(1)
    valid = np.ones((*SHAPE, len(kinds)), bool)
    if masked:
        valid[:3, :3] = False
    own = [i for i, kind in enumerate(kinds) if kind]
    fixed = tuple(c is not None and constraint is not None for c in channels)
    member = LatentMember(
        latent=LatentFields(
            lengths=(1.0,) * len(own),
            correlation=tuple(map(tuple, np.eye(len(own)).tolist())),
        ),
        kinds=kinds,
        offsets_from_zero=(0.0,) * len(kinds),
        constrained=fixed,
        scale=SCALE,
        seed=3,
    )
    cells = CellPositions(rows=np.arange(SHAPE[0]), columns=np.arange(SHAPE[1]))
    keys = rng.integers(0, 2**60, size=2)
    expected = member(output, keys, cells, np.ones((2, len(kinds))), valid if masked else None)
    noises = _Noises(member, cells, keys)
    noise = np.stack([np.moveaxis(noises.fields(k), 0, -1) for k in (0, 1)])
    assert noise.shape[-1] == n_latent(kinds)
    drawn = LatentMembers(ports(kinds, channels), constraint)
    given = ops.convert_to_tensor(np.broadcast_to(valid, (2, *valid.shape)).astype("f4"))
    found = drawn(
        ops.convert_to_tensor(output),
        ops.convert_to_tensor(noise[None].astype("f4")),
        given if masked else None,
    )
    np.testing.assert_allclose(np.asarray(found)[0], expected, atol=2e-4, rtol=1e-3)


def test_amounts_have_the_mean_of_lr_and_are_not_negative():
    kinds = ("latent_amount",)
    output = output_of(kinds)
    noise = np.random.default_rng(0).normal(size=(3, 2, *SHAPE, n_latent(kinds))).astype("f4")
    drawn = LatentMembers(ports(kinds, (0,)), "additive")
    found = np.asarray(drawn(ops.convert_to_tensor(output), ops.convert_to_tensor(noise)))
    assert found.shape == (3, 2, *SHAPE, 1)
    assert (found >= 0).all()
    means = found.reshape(3, 2, 4, 4, 6, 2, 1).mean(axis=(3, 5))
    lr = output[:, ::4, ::2, parameter_channels(kinds)[0]["reference"]]
    np.testing.assert_allclose(means[..., 0], np.broadcast_to(lr, (3, 2, 4, 6)), atol=1e-5)
    assert (found[:, 0, :4, :2] == 0).all()  # a dry LR cell stays dry


def test_member_without_noise_is_the_location():
    kinds = ("latent",)
    output = output_of(kinds)
    drawn = LatentMembers(ports(kinds, (None,)), None)
    found = drawn.central(ops.convert_to_tensor(output), None)
    np.testing.assert_allclose(np.asarray(found)[..., 0], output[..., 0])


def test_central_member_keeps_other_targets():
    kinds = (None, "latent")
    output = output_of(kinds)
    drawn = LatentMembers(ports(kinds, (0, 1)), None)
    found = np.asarray(drawn.central(ops.convert_to_tensor(output), None))
    np.testing.assert_allclose(found, output[..., :2])
