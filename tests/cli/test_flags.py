"""Every flag reaches the field of its name, with the type of the field."""

import argparse
import dataclasses

import pytest

from xr_dl4ds import config
from xr_dl4ds.cli.flags import add_flags, from_yaml, options
from xr_dl4ds.cli.settings import settings

#: A value for each field that is not its default, as text and as what it becomes.
VALUES = {
    "backbone": ("convnet", "convnet"),
    "upsampling": ("resize", "resize"),
    "n_filters": ("16", 16),
    "n_blocks": ("3", 3),
    "normalization": ("layer", "layer"),
    "dropout": ("spatial", "spatial"),
    "dropout_rate": ("0.4", 0.4),
    "monte_carlo": (None, True),
    "attention": (None, True),
    "localized": (None, True),
    "activation": ("gelu", "gelu"),
    "output_activation": ("relu", "relu"),
    "interpolation_skip": (None, False),
    "first_guess": ("climatology", "climatology"),
    "constraint": ("none", None),
    "decoder_upsampling": ("subpixel", "subpixel"),
    "noise": ("inside", "inside"),
    "anisotropic": (None, True),
    "patch_size": ("32", 32),
    "time_window": ("3", 3),
    "batch_size": ("8", 8),
    "augment": ("flips", "flips"),
    "interpolation": ("bilinear", "bilinear"),
    "context": ("3", 3),
    "scaling": ("{t2m: minmax}", {"t2m": "minmax"}),
    "time_features": ("[hour_of_day]", ["hour_of_day"]),
    "coordinate_features": ('["x", "y"]', ["x", "y"]),
    "seed": ("7", 7),
    "cache": ("disk", "disk"),
    "epochs": ("2", 2),
    "optimizer": ("adamw", "adamw"),
    "schedule": ("cosine", "cosine"),
    "lr_decay_after": ("1", 1),
    "ema": ("0.9", 0.9),
    "clipnorm": ("2.5", 2.5),
    "early_stopping": (None, True),
    "patience": ("4", 4),
    "min_delta": ("1e-4", 1e-4),
    "noise_channels": ("2", 2),
    "loss_realizations": ("3", 3),
    "calibrate": (None, False),
    "precision": ("float32", "float32"),
    "checkpoint": ("123", "123"),  # a path, whatever it looks like
    "lr_scaling": ("none", None),
    "lr_warmup": ("0", 0),
    "gradient_compression": ("float16", "float16"),
    "loss": ("{mae: 0.8, mse: 2e-1}", {"mae": 0.8, "mse": 0.2}),
    "learning_rate": ("[1e-3, 1.0e-4]", [1e-3, 1e-4]),
    "pixel_loss": ("{crps: 1, energy: 0.1}", {"crps": 1, "energy": 0.1}),
    "steps": ("2", 2),
    "solver": ("heun", "heun"),
    "pixel_weight": ("5", 5.0),
    "learning_rates": ("[2e-4, 1e-4]", [2e-4, 1e-4]),
    "discriminator_filters": ("8", 8),
    "discriminator_blocks": ("2", 2),
    "spectral_normalization": (None, True),
    "gradient_penalty": ("0.5", 0.5),
}
CLASSES = [config.Network, config.Sampling, config.Supervised, config.Adversarial]
CLASSES += [config.FlowMatching]


def parse(*arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", default=argparse.SUPPRESS)
    add_flags(parser)
    return settings(parser.parse_args(arguments))


def test_there_is_a_flag_for_every_field():
    names = {f.name for cls in CLASSES for f in dataclasses.fields(cls)}
    assert set(options()) == names
    assert names <= {*VALUES, "verbose"}  # that one is --verbose and --quiet


@pytest.mark.parametrize("name", [n for n in options() if n != "verbose"])
def test_a_flag_reaches_its_field(name):
    text, expected = VALUES[name]
    flag = options()[name].flag
    if isinstance(expected, bool):
        found = parse(flag if expected else flag.replace("--", "--no-", 1))
    else:
        found = parse(flag, text)
    assert found.flat == {name: expected}
    assert type(found.flat[name]) is type(expected)
    defaults = [f.default for c in CLASSES for f in dataclasses.fields(c) if f.name == name]
    assert expected not in defaults


def test_values_reach_the_objects():
    found = parse("--n-filters", "16", "--patch-size", "32", "--loss", "{mae: 1, mse: 2}")
    made = config.route({}, found.flat)
    assert made.network.n_filters == 16
    assert made.sampling.patch_size == 32
    assert made.training.loss == {"mae": 1, "mse": 2}


def test_the_way_to_train():
    assert parse().training(config.Options()) is None
    assert type(parse("--training", "adversarial").training(config.Options())) is config.Adversarial
    inherited = config.Options(training=config.Adversarial(epochs=3))
    assert parse().training(inherited) is None  # as it was
    assert parse("--training", "adversarial").training(inherited) is None
    assert type(parse("--training", "supervised").training(inherited)) is config.Supervised


@pytest.mark.parametrize("text", ["none", "None", "null"])
def test_none_for_what_may_be_none(text):
    assert parse("--dropout", text).flat == {"dropout": None}
    assert parse("--patch-size", text).flat == {"patch_size": None}
    assert parse("--learning-rate", "0.1", "--activation", text).flat["activation"] == text


@pytest.mark.parametrize(
    ("flag", "text", "reason"),
    [
        ("--n-filters", "many", "invalid int value: 'many'"),
        ("--dropout-rate", "half", "invalid float value: 'half'"),
        ("--loss", "{mae: 1", "Expected YAML, got"),
        ("--training", "magic", "invalid choice: 'magic'"),
    ],
)
def test_texts_of_another_type(flag, text, reason, capsys):
    with pytest.raises(SystemExit) as error:
        parse(flag, text)
    assert error.value.code == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 1e-3),
        ("-2E+4", -2e4),
        ("1.5e3", 1.5e3),
        ("[1e-3, 2]", [1e-3, 2]),
        ('{"a": true}', {"a": True}),
        ("mae", "mae"),
        ("e3", "e3"),
    ],
)
def test_numbers_in_yaml(text, expected):
    found = from_yaml(text)
    assert found == expected
    assert type(found) is type(expected)


def test_help_tells_what_the_classes_do():
    about = {n: o.about for n, o in options().items()}
    assert about["patch_size"].startswith("Edge of the square patches cut from the fields")
    assert about["patch_size"].endswith("(default: none)")
    assert about["loss"].endswith("(default: auto; adversarial: bce)")
    assert about["discriminator_blocks"].startswith("Filters, and residual blocks")
    assert "{None, batch, layer}" in about["normalization"]
    assert all(len(text) > 20 for text in about.values())
