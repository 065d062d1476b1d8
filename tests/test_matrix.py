"""Every compatible combination trains, saves, loads and predicts; every other one says why not.

The first tier runs rows in which each two values of any two options meet (`PAIRWISE`); the full
tier runs the products. DL4DS 1.8.0 fails 62 of the 128 combinations of its samples (its defect 17).
"""

import itertools
import random

import numpy as np
import pytest
import tensorflow as tf
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import analytic
from tests.tiers import rotated, thinned
from xr_dl4ds.config import BACKBONES, UPSAMPLINGS, Scale, settled
from xr_dl4ds.config.choices import (
    ACTIVATIONS,
    DISTRIBUTIONS,
    DROPOUTS,
    ENSEMBLE_LOSS,
    LOSSES,
    NORMALIZATIONS,
    SPATIAL_ONLY,
)
from xr_dl4ds.fitting import calibration
from xr_dl4ds.networks import Ports, generator
from xr_dl4ds.prediction import ensemble

SCALE = 2
#: Without validation, of which the compiled step is a third of the time of such a training.
TINY = {
    "n_filters": 4,
    "n_blocks": 1,
    "epochs": 1,
    "batch_size": 5,
    "optimizer": "sgd",  # eager Adam takes half of the time of such a training
    "validation": None,
    "verbose": False,
}
ADVERSARIAL = xd.Adversarial(noise_channels=1, discriminator_filters=4, discriminator_blocks=1)


@pytest.fixture(autouse=True)
def _few_members(monkeypatch):
    """Let the mean of members, and their calibration, be that of three."""
    monkeypatch.setattr(ensemble, "MEMBERS_OF_MEAN", 3)
    monkeypatch.setattr(calibration, "MEMBERS", 3)


def compatible(backbone, upsampling, window):
    if backbone == "unet" and upsampling != "interpolation":
        return False
    return window is None or backbone not in SPATIAL_ONLY


EVERY = list(itertools.product(BACKBONES, UPSAMPLINGS, (None, 3)))
NETWORKS = [cell for cell in EVERY if compatible(*cell)]
OTHERS = [cell for cell in EVERY if not compatible(*cell)]


def fields(**changes):
    """Ten steps of two variables of 8 x 12 HR cells, a hill, and a predictor on LR cells."""
    hr = analytic(time=10)
    hr["d2m"] = (hr.t2m - 3 - hr.t2m**2 / 1e3).astype("f4").assign_attrs(units="K")
    lr = hr[["t2m", "d2m"]].downscale.coarsen(SCALE)
    wind = (lr[["t2m"]] * 0.1).rename(t2m="u10").assign_attrs(units="m s-1")
    return {"hr": hr, "lr": lr, "wind": wind, **changes}


def masked(hr):
    """Water in a corner; one more cell missing at one time."""
    hr = hr.where((hr.latitude > 49) | (hr.longitude > 6))
    hr["t2m"][2, 0, 7] = np.nan
    return hr


def downscale(data, tmp_path, *, targets=("t2m",), mos=False, masked_cells=False, **options):
    """Two steps of training, save, load; the prediction of both models."""
    hr = data["hr"][list(targets)]
    if masked_cells:
        hr = masked(hr)
    lr = data["lr"][list(targets)] if mos else hr.downscale.coarsen(SCALE)
    beside = {"static": data["hr"][["orog"]]} if options.pop("static", False) else {}
    if options.pop("predictors", False):
        beside["predictors"] = data["wind"]
    options = {**TINY, **options}
    if mos:
        model = lr.downscale.fit(hr, **beside, **options)
    else:
        model = hr.downscale.fit(scale=SCALE, **beside, **options)
    assert model.history.sizes["epoch"] == 1
    assert np.isfinite(model.history.loss).all()
    assert ("val_loss" in model.history) == (options["validation"] is not None)
    model.save(tmp_path / "model")
    winds = {k: v for k, v in beside.items() if k == "predictors"}
    return hr, lr, *(m.predict(lr, **winds) for m in (model, xd.load(tmp_path / "model")))


def require_complete(hr, first, again):
    """Check that a model and its saved twin predict every cell that had values in training."""
    xr.testing.assert_equal(first, again)
    assert list(first) == list(hr)
    for name in hr:
        assert first[name].dims == hr[name].dims
        assert first[name].shape == hr[name].shape
        # a value at every step, but where there never was one in training
        expected = hr[name].notnull().any("time")
        np.testing.assert_array_equal(first[name].notnull().all("time"), expected)


# --- each two values of any two options -----------------------------------------------------------


OPTIONS = {
    "backbone": BACKBONES,
    "upsampling": UPSAMPLINGS,
    "time_window": (None, 3),
    "static": (False, True),
    "predictors": (False, True),
    "patch_size": (None, 4),
    "time_features": (False, True),
    "targets": (("t2m",), ("t2m", "d2m")),
    "masked_cells": (False, True),
    "mos": (False, True),
    "training": (xd.Supervised(), ADVERSARIAL),
    "validation": (None, 0.1),
    "normalization": (None, *NORMALIZATIONS),
    "dropout": (None, *DROPOUTS),
    "attention": (False, True),
    "localized": (False, True),
    "constraint": ("auto", None, "additive"),
}


def admissible(row):
    return compatible(row["backbone"], row["upsampling"], row["time_window"])


def pairs(row):
    """Return each two options of a row with their values."""
    return set(itertools.combinations(row.items(), 2))


def random_row(rng, given=()):
    """Draw an admissible row that has the given values."""
    while True:
        row = {name: rng.choice(values) for name, values in OPTIONS.items()} | dict(given)
        if admissible(row):
            return row


def pairwise(candidates=60):
    """Return few rows that hold each admissible pair, by a greedy choice, the same in each run."""
    rng = random.Random(0)
    product = itertools.combinations(OPTIONS, 2)
    wanted = {((a, v), (b, w)) for a, b in product for v in OPTIONS[a] for w in OPTIONS[b]}
    # incompatible are options two by two, so that a pair is admissible if the two are
    missing = [pair for pair in sorted(wanted, key=repr) if _fits(dict(pair))]
    rows = []
    while missing:
        drawn = [random_row(rng, missing[0]) for _ in range(candidates)]
        best = max(drawn, key=lambda row: len(pairs(row).intersection(missing)))
        rows.append(best)
        missing = [pair for pair in missing if pair not in pairs(best)]
    return rows


def _fits(some):
    backbones = [some["backbone"]] if "backbone" in some else BACKBONES
    upsamplings = [some["upsampling"]] if "upsampling" in some else UPSAMPLINGS
    windows = [some["time_window"]] if "time_window" in some else (None, 3)
    return any(compatible(*cell) for cell in itertools.product(backbones, upsamplings, windows))


PAIRWISE = pairwise()


def test_the_rows_hold_each_pair_of_values_that_some_row_may_hold():
    rng = random.Random(1)
    met = set().union(*(pairs(row) for row in PAIRWISE))
    assert all(admissible(row) for row in PAIRWISE)
    for _ in range(2000):
        assert pairs(random_row(rng)) <= met
    # counted by hand: 17 options have 863 pairs of values; less 3 of unet and the learned
    # upsamplings, and 2 of windows and the backbones without a recurrent form
    assert len(met) == 863 - 3 - 2
    assert len(PAIRWISE) <= 40


@pytest.mark.parametrize("number", range(len(PAIRWISE)))
def test_each_pair_of_options_fits_saves_loads_and_predicts(number, tmp_path):
    hr, _, first, again = downscale(fields(), tmp_path, **PAIRWISE[number])
    require_complete(hr, first, again)


# --- the products ---------------------------------------------------------------------------------


# What goes in beside the LR field of one target: each kind alone, and all of them together.
KINDS = {
    "alone": {},
    "static": {"static": True},
    "predictors": {"predictors": True},
    "patches": {"patch_size": 4},
    "season": {"time_features": True},
    "targets": {"targets": ["t2m", "d2m"]},
    "masked": {"masked_cells": True},
    "mos": {"mos": True},
    "everything": {
        "static": True,
        "predictors": True,
        "patch_size": 4,
        "time_features": True,
        "targets": ["t2m", "d2m"],
        "masked_cells": True,
        "mos": True,
        "validation": 0.1,
    },
}


#: Each network alone and with everything. Each kind between meets each backbone once, with another
#: upsampling each (a Latin square), and both kinds of samples.
BETWEEN = [kind for kind in KINDS if kind not in ("alone", "everything")]
CELLS = [(*network, kind) for network in NETWORKS for kind in ("alone", "everything")]
for i, kind in enumerate(BETWEEN):
    for k, backbone in enumerate(b for b in BACKBONES if b != "unet"):
        window = 3 if backbone not in SPATIAL_ONLY and (i + k) % 2 else None
        CELLS.append((backbone, UPSAMPLINGS[(i + k) % len(UPSAMPLINGS)], window, kind))
    CELLS.append(("unet", "interpolation", None, kind))
#: Against a discriminator every network trains alone; with everything every third, so that each
#: backbone, each upsampling and both kinds of samples are met.
JUDGED = [(*network, "alone") for network in NETWORKS]
JUDGED += [(*network, "everything") for i, network in enumerate(NETWORKS) if i % 3 == 0]


def test_every_kind_meets_every_choice():
    for kind in BETWEEN:
        met = [cell[:3] for cell in CELLS if cell[3] == kind]
        assert {backbone for backbone, _, _ in met} == set(BACKBONES), kind
        assert {upsampling for _, upsampling, _ in met} == set(UPSAMPLINGS), kind
        assert {window for _, _, window in met} == {None, 3}, kind
    judged = [cell[:3] for cell in JUDGED if cell[3] == "everything"]
    assert {backbone for backbone, _, _ in judged} == set(BACKBONES)
    assert {upsampling for _, upsampling, _ in judged} == set(UPSAMPLINGS)
    assert {window for _, _, window in judged} == {None, 3}


@pytest.mark.full
@pytest.mark.parametrize(("backbone", "upsampling", "window", "kind"), CELLS)
def test_every_combination_fits_saves_loads_and_predicts(
    backbone, upsampling, window, kind, tmp_path
):
    network = {"backbone": backbone, "upsampling": upsampling, "time_window": window}
    hr, _, first, again = downscale(fields(), tmp_path, **network, **KINDS[kind])
    require_complete(hr, first, again)


@pytest.mark.full
@pytest.mark.parametrize(("backbone", "upsampling", "window", "kind"), JUDGED)
def test_every_generator_trains_against_a_discriminator(
    backbone, upsampling, window, kind, tmp_path
):
    """Defect 4 of DL4DS: without static variables ("alone") its adversarial training crashes."""
    network = {"backbone": backbone, "upsampling": upsampling, "time_window": window}
    hr, _, first, again = downscale(
        fields(), tmp_path, training=ADVERSARIAL, **network, **KINDS[kind]
    )
    require_complete(hr, first, again)


@pytest.mark.traced
@pytest.mark.parametrize(
    ("window", "training"),
    thinned(
        itertools.product([None, 3], [xd.Supervised(), ADVERSARIAL]),
        [(None, ADVERSARIAL), (3, xd.Supervised())],
    ),
)
def test_everything_fits_saves_loads_and_predicts_as_graphs(window, training, tmp_path):
    given = {**KINDS["everything"], "training": training, "time_window": window}
    hr, _, first, again = downscale(fields(), tmp_path, upsampling="subpixel", **given)
    require_complete(hr, first, again)


@pytest.mark.parametrize(("backbone", "upsampling", "window"), OTHERS)
def test_the_other_combinations_say_why_not(backbone, upsampling, window):
    message = (
        "Expected upsampling='interpolation' for the backbone unet"
        if backbone == "unet" and upsampling != "interpolation"
        else "Expected one of the backbones convnet, resnet, densenet for spatio-temporal samples"
    )
    with pytest.raises(ValueError, match=message):
        fields()["hr"][["t2m"]].downscale.fit(
            scale=SCALE, backbone=backbone, upsampling=upsampling, time_window=window, **TINY
        )


BLOCKS = [
    {"attention": True},
    {"localized": True},
    *({"normalization": n} for n in NORMALIZATIONS),
    *({"dropout": d, "dropout_rate": 0.4} for d in DROPOUTS),
    *({"dropout": d, "monte_carlo": True} for d in DROPOUTS),
    {"output_activation": "relu", "constraint": None},
    {"constraint": None, "interpolation_skip": False},
    {"constraint": "multiplicative"},
    {"constraint": "softmax"},
]
FAMILIES = [(b, None) for b in BACKBONES] + [(b, 3) for b in BACKBONES if b not in SPATIAL_ONLY]


#: Each block in a residual network, and in one other that changes from block to block.
LEARNED = list(itertools.product(FAMILIES, BLOCKS))
FIRST = [(("resnet", None), block) for block in BLOCKS]
FIRST += [(FAMILIES[i % len(FAMILIES)], block) for i, block in enumerate(BLOCKS)]


@pytest.mark.parametrize(("family", "block"), thinned(LEARNED, FIRST), ids=str)
def test_every_block_learns_in_every_backbone(family, block):
    backbone, window = family
    # no ReLU, which may be silent in so few channels
    options = {"constraint": "additive", "activation": "elu", **block}
    network = settled(
        xd.Network(backbone=backbone, n_filters=4, n_blocks=1, **options),
        xd.Sampling(time_window=window),
    )
    ports = Ports(
        n_lr=2,
        n_static=1,
        lr_channels=(0,),
        scale=Scale.of(2),
        sequence=window is not None,
        shape=(10, 12),
    )
    model = generator(network, ports)
    rng = np.random.default_rng(0)
    steps = () if window is None else (window,)
    inputs = {
        "lr": rng.normal(1, 0.3, (2, *steps, 5, 6, 2)).astype("f4"),
        "static": rng.normal(size=(2, 10, 12, 1)).astype("f4"),
        "position": np.zeros((2, 2), "i4"),
    }
    inputs = {tensor.name: inputs[tensor.name] for tensor in model.inputs}
    # with the interpolation skip the last layer begins at 0, and nothing before it learns yet
    for weight in model.get_layer("output").weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    target = rng.normal(1, 0.3, (2, *steps, 10, 12, 1)).astype("f4")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(inputs, training=True) - target) ** 2)
    weights = model.trainable_variables
    gradients = tape.gradient(loss, [v.value for v in weights])
    assert np.isfinite(loss)
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
    moved = sum(bool(np.any(g)) for g in gradients)
    assert moved > 0.9 * len(weights)  # the attention has a ReLU of its own


FITTED = [
    *BLOCKS,
    {"localized": True, "patch_size": 4},
    {"output_activation": "sigmoid", "scaling": "minmax"},
    {"constraint": "softmax", "scaling": "minmax", "patch_size": 4},
    {"precision": "mixed_bfloat16", "normalization": "batch"},
    {"dropout": "spatial", "monte_carlo": True, "localized": True, "time_window": 2},
    {"attention": True, "normalization": "layer", "time_window": 2, "patch_size": 8},
]
#: Blocks that no pairwise row has.
ALONE = [b for b in FITTED if not all(v in OPTIONS.get(k, ()) for k, v in b.items())]


@pytest.mark.parametrize("block", thinned(FITTED, ALONE), ids=str)
def test_every_block_fits_saves_loads_and_predicts(block, tmp_path):
    _, _, first, again = downscale(fields(), tmp_path, static=True, **block)
    xr.testing.assert_equal(first, again)
    assert np.isfinite(first.t2m).all()


ONE_ANSWER = [n for n in LOSSES if not n.startswith("ms")]


@pytest.mark.parametrize(("loss", "window"), rotated(ONE_ANSWER, [None, 2]))
def test_every_loss_trains_spatial_and_spatio_temporal(loss, window, tmp_path):
    data = fields(hr=analytic(time=6, y=12, x=14))
    data["lr"] = data["hr"].downscale.coarsen(SCALE)
    _, _, first, _ = downscale(data, tmp_path, loss=loss, time_window=window)
    assert np.isfinite(first.t2m).all()


@pytest.mark.parametrize(("loss", "window"), rotated([*DISTRIBUTIONS, ENSEMBLE_LOSS], [None, 2]))
def test_every_loss_of_an_ensemble_trains(loss, window, tmp_path):
    hr, lr, first, _ = downscale(
        fields(), tmp_path, loss=loss, time_window=window, targets=("t2m", "d2m")
    )
    assert np.isfinite(first.to_dataarray()).all()
    members = xd.load(tmp_path / "model").predict(lr, realizations=2)
    assert members.t2m.dims == ("realization", *hr.t2m.dims)
    assert float(abs(members.t2m[0] - members.t2m[1]).max()) > 0


@pytest.mark.sparse(3)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains(activation, tmp_path):
    _, _, first, _ = downscale(fields(), tmp_path, activation=activation)
    assert np.isfinite(first.t2m).all()
