"""The network that belongs to data and options: its inputs, zeros, ranges and arithmetic."""

import numpy as np
import pytest

import xr_dl4ds as xd
import xr_dl4ds.training
from tests.conftest import analytic
from xr_dl4ds.config import Adversarial, Supervised, route, settled
from xr_dl4ds.data.inputs import Inputs
from xr_dl4ds.data.prepare import prepare
from xr_dl4ds.model.build import build, build_discriminator, targets_of

TINY = {"n_filters": 4, "n_blocks": 1}


def fields(*, masked=False):
    hr = analytic()
    hr["pr"] = (0.5 + (hr.t2m - hr.t2m.min()) ** 2).astype("f4")
    return hr.where(hr.longitude < 7) if masked else hr


def prepared(*, masked=False, **options):
    chosen = route({}, {"constraint": None, **TINY, **options})
    chosen = chosen.replace(network=settled(chosen.network, chosen.sampling))
    inputs = Inputs(hr=fields(masked=masked), scale=2)
    return prepare(inputs, chosen).state, chosen


def training_part(name):
    return fields()[name].isel(time=slice(0, 7)).astype("f8")


@pytest.mark.parametrize(
    ("options", "masked", "expected"),
    [
        ({}, False, {"lr": (None, None, 3), "static": (None, None, 1)}),
        ({}, True, {"lr": (None, None, 4), "static": (None, None, 1)}),
        (
            {"constraint": "softmax"},
            True,
            {"lr": (None, None, 4), "static": (None, None, 1), "valid": (None, None, 2)},
        ),
        ({"constraint": "softmax"}, False, {"lr": (None, None, 3), "static": (None, None, 1)}),
        (
            {"localized": True, "time_window": 2, "time_features": True},
            False,
            {"lr": (None, None, None, 7), "static": (None, None, 1), "position": (2,)},
        ),
    ],
    ids=str,
)
def test_inputs_are_those_that_are_needed(options, masked, expected):
    network = build(*prepared(masked=masked, **options))
    assert {t.name: t.shape[1:] for t in network.inputs} == expected
    assert network.output_shape[-1] == 2


@pytest.mark.parametrize(
    ("options", "layer"),
    [
        ({"output_activation": "relu"}, "output_activation"),
        ({"output_activation": "softplus", "scaling": {"pr": "minmax"}}, "output_activation"),
        ({"output_activation": "sigmoid", "scaling": "minmax"}, "output_activation"),
        ({"constraint": "multiplicative"}, "constraint"),
        ({"constraint": "softmax", "scaling": "minmax"}, "constraint"),
    ],
    ids=str,
)
def test_zeros_are_the_physical_ones_or_the_least_values(options, layer):
    network = build(*prepared(**options))
    actual = network.get_layer(layer)
    actual = actual.zeros if layer == "output_activation" else actual.offsets
    expected = []
    for name in ("t2m", "pr"):
        values, scaling = training_part(name), options.get("scaling", "standard")
        scaling = scaling if isinstance(scaling, str) else scaling.get(name, "standard")
        low, span = float(values.min()), float(values.max() - values.min())
        expected.append(low / span if scaling == "minmax" else float(values.mean() / values.std()))
    if options.get("output_activation") == "sigmoid":
        expected = [0, 0]
    np.testing.assert_allclose(actual, expected, rtol=1e-9)


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test_ranges_of_losses_are_the_extremes_of_training(scaling, monkeypatch):
    given = {}

    class CaughtError(Exception):
        pass

    def begin(task, *args, **kwargs):
        given["targets"] = task.targets
        raise CaughtError

    monkeypatch.setattr(xr_dl4ds.training, "train", begin)
    hr = fields()
    hr["pr"][7] = hr["t2m"][7] = 1e6  # held out
    with pytest.raises(CaughtError):
        hr.downscale.fit(scale=2, scaling=scaling, **TINY)
    low, high = [0, 0], [1, 1]
    if scaling == "standard":
        parts = [training_part(name) for name in ("t2m", "pr")]
        low = [float((v.min() - v.mean()) / v.std()) for v in parts]
        high = [float((v.max() - v.mean()) / v.std()) for v in parts]
    found = given["targets"]
    assert found.names == ("t2m", "pr")
    np.testing.assert_allclose((found.low, found.high), (low, high), rtol=1e-6, atol=1e-12)
    for name, zero in zip(
        found.names, found.offsets_from_zero, strict=True
    ):  # what 0 K and 0 mm are, scaled
        part = training_part(name)
        offset, factor = (part.mean(), part.std())
        if scaling == "minmax":
            offset, factor = part.min(), part.max() - part.min()
        np.testing.assert_allclose(zero, float(offset / factor), rtol=1e-6)
    state, options = prepared(scaling=scaling)
    assert targets_of(state, options).names == found.names


@pytest.mark.parametrize(
    ("training", "channels", "noise"),
    [
        (Supervised(), 2, None),
        (Supervised(loss="gaussian_nll"), 4, None),
        (Supervised(loss={"t2m": "mae", "pr": "bernoulli_gamma_nll"}), 4, None),
        (Supervised(loss="crps", noise_channels=3), 2, 3),
        (Adversarial(), 2, 4),
        (Adversarial(noise_channels=0), 2, None),
    ],
    ids=str,
)
def test_training_decides_on_noise_and_parameters(training, channels, noise):
    state, options = prepared()
    network = build(state, options.replace(training=training))
    assert network.output_shape[-1] == channels
    shapes = {tensor.name: tensor.shape[-1] for tensor in network.inputs}
    assert shapes.get("noise") == noise


def test_only_adversarial_training_has_a_discriminator():
    state, options = prepared()
    assert build_discriminator(state, options) is None
    training = Adversarial(discriminator_filters=3, discriminator_blocks=2)
    found = build_discriminator(state, options.replace(training=training))
    shapes = {tensor.name: tensor.shape[-1] for tensor in found.inputs}
    assert shapes == {"lr": 3, "hr": 2, "static": 1}
    assert found.get_layer("block2_conv1").filters == 3


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_precision_is_that_of_the_inside_and_of_training_alone(precision):
    state, options = prepared(constraint="softmax", localized=True)
    network = build(state, options, precision=precision)
    inside, outside = precision.removeprefix("mixed_"), "float32"
    assert network.get_layer("backbone_first").compute_dtype == inside
    assert network.get_layer("localized").compute_dtype == inside
    assert {v.dtype for v in network.weights} == {"float32"}
    for name in ("output", "skip", "skip_add", "constraint"):
        assert network.get_layer(name).compute_dtype == outside
    model = fields().downscale.fit(
        scale=2, precision=precision, epochs=1, verbose=False, localized=True, **TINY
    )
    assert model.options.training.precision == precision
    assert {layer.compute_dtype for layer in model.network.layers if layer.weights} == {outside}


def test_the_seed_is_that_of_the_samples():
    one, two, other = (build(*prepared(seed=seed)).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert xd.Sampling().seed == 0
