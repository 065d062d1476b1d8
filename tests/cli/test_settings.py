"""The configuration file, and flags over it."""

import argparse

import pytest

from xr_dl4ds import Adversarial
from xr_dl4ds.cli.arguments import ArgumentError
from xr_dl4ds.cli.settings import settings
from xr_dl4ds.config import Options

FLAT = """
scale: 4
variable: t2m
static: [a.nc, b.nc]
validation: 0.2
trim: true
training: adversarial
n-filters: 16
learning_rate: 2e-4
loss: hinge
"""
GROUPED = """
scale: 4
variable: [t2m]
static: [a.nc, b.nc]
validation: 0.2
trim: true
network: {n_filters: 16}
training:
  kind: adversarial
  learning-rate: 2e-4
  loss: hinge
"""


def read(tmp_path, text, **flags):
    path = tmp_path / "fit.yaml"
    path.write_text(text)
    return settings(argparse.Namespace(config=str(path), **flags))


@pytest.mark.parametrize("text", [FLAT, GROUPED], ids=["flat", "grouped"])
def test_the_same_names_flat_or_grouped(tmp_path, text):
    found = read(tmp_path, text)
    assert found.own == {"scale": 4, "variable": ["t2m"], "static": ["a.nc", "b.nc"],
                         "validation": 0.2, "trim": True}  # fmt: skip
    assert found.kind == "adversarial"
    assert found.flat == {"n_filters": 16, "learning_rate": 2e-4, "loss": "hinge"}
    found.check(Options())


def test_flags_win(tmp_path):
    flags = {"n_filters": 8, "scale": 2, "training": "supervised", "loss": "mae"}
    found = read(tmp_path, GROUPED, **flags, output="model", quiet=True)
    assert found.flat == {"n_filters": 8, "learning_rate": 2e-4, "loss": "mae"}
    assert found.own["scale"] == 2
    assert found.kind == "supervised"


def test_without_a_file_and_with_an_empty_one(tmp_path):
    assert settings(argparse.Namespace(epochs=3)).flat == {"epochs": 3}
    assert read(tmp_path, "# nothing\n").flat == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("n_filter: 8", r"in .*fit\.yaml, got 'n_filter'\. Did you mean 'n_filters'"),
        ("network: {epochs: 8}", r"in .*fit\.yaml, network, got 'epochs'"),
        ("training: {knd: adversarial}", "got 'knd'"),
        ("training: magic", "or adversarial or flow_matching, got 'magic'"),
        ("training: {kind: [a]}", r"supervised or adversarial or flow_matching, got \['a'\]"),
        ("epochs: 3\ntraining: {epochs: 4}", "Expected 'epochs' once, got it twice"),
        ("scale: 4\nepochs: 3\nscale: 2", "'scale' stands twice"),
        ("network: resnet", "got 'network'"),
        ("- a\n- b", "Expected names with values, got list"),
        ("a: [1", "Expected YAML, got"),
        ("scale: four", "Expected `scale` to be a whole number, or a list of two, got 'four'"),
        ("scale: true", "Expected `scale` to be a whole number, or a list of two, got True"),
        ("workers: two", "Expected `workers` to be a whole number, got 'two'"),
        ("trim: 1", "Expected `trim` to be true or false, got 1"),
        ("validation: 1.5", "Expected `validation` to be a number >= 0 and < 1, got 1.5"),
        ("static: [1]", r"Expected `static` to be a path or a list of them, got \[1\]"),
        ("variable: []", r"Expected `variable` to be a name or a list of them, got \[\]"),
    ],
)  # fmt: skip
def test_files_that_do_not_do(tmp_path, text, reason):
    with pytest.raises(ArgumentError, match=reason):
        read(tmp_path, text)


def test_no_file(tmp_path):
    with pytest.raises(ArgumentError, match="a file that can be read at --config"):
        settings(argparse.Namespace(config=str(tmp_path / "none.yaml")))


def test_options_of_the_other_way_to_train():
    wrong = settings(argparse.Namespace(pixel_weight=3.0))
    with pytest.raises(ArgumentError, match="Expected --training adversarial for --pixel-weight"):
        wrong.check(Options())
    wrong.check(Options(training=Adversarial()))  # of the model to go on from


def test_values_that_the_classes_refuse():
    with pytest.raises(ArgumentError, match="`n_filters` to be a whole number >= 1, got 0"):
        settings(argparse.Namespace(n_filters=0)).check(Options())
    with pytest.raises(ArgumentError, match="Did you mean 'resnet'"):
        settings(argparse.Namespace(backbone="restnet")).check(Options())


def test_other_encodings_are_told(tmp_path):
    path = tmp_path / "fit.yaml"
    path.write_bytes("variable: Temperatur für alle".encode("latin-1"))
    with pytest.raises(ArgumentError, match=r"fit\.yaml: Expected YAML in UTF-8"):
        settings(argparse.Namespace(config=str(path)))
