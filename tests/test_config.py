import dataclasses
import json

import numpy as np
import pytest

from xr_dl4ds import config
from xr_dl4ds.config import (
    Adversarial,
    FlowMatching,
    Network,
    Options,
    Sampling,
    Supervised,
    choices,
    noise_of,
    settled,
)
from xr_dl4ds.config.loss_choice import ensemble_weights


def network_side():
    """The tables of the implementations; imported here, so that the rest needs no TensorFlow."""
    from xr_dl4ds.data.time_and_place import COORDINATE_FEATURES, TIME_FEATURES
    from xr_dl4ds.networks.backbones import BACKBONES
    from xr_dl4ds.networks.blocks import DROPOUTS, NORMALIZATIONS
    from xr_dl4ds.networks.losses import ADVERSARIAL
    from xr_dl4ds.networks.losses.composite import LOSSES
    from xr_dl4ds.networks.losses.ensemble_losses import ENSEMBLE
    from xr_dl4ds.networks.upsampling import UPSAMPLINGS
    from xr_dl4ds.training.optimizers import OPTIMIZERS

    return {
        "BACKBONES": set(BACKBONES),
        # pre-upsampling stands before the backbone, so it has no function in the table
        "UPSAMPLINGS": {*UPSAMPLINGS, "interpolation"},
        "LOSSES": set(LOSSES),
        "ENSEMBLE_LOSSES": set(ENSEMBLE),
        "ADVERSARIAL_LOSSES": set(ADVERSARIAL),
        "NORMALIZATIONS": set(NORMALIZATIONS),
        "DROPOUTS": set(DROPOUTS),
        "TIME_FEATURES": set(TIME_FEATURES),
        "COORDINATE_FEATURES": set(COORDINATE_FEATURES),
        "OPTIMIZERS": set(OPTIMIZERS),
    }


def test_the_names_of_options_are_those_of_the_implementations():
    for table, expected in network_side().items():
        names = getattr(choices, table)
        assert set(names) == expected, table
        assert len(names) == len(set(names))


def test_every_activation_is_one_of_keras():
    from keras import activations

    for name in (*choices.ACTIVATIONS, *choices.OUTPUT_ACTIVATIONS):
        assert callable(activations.get(name))


def test_interpolations_are_methods_of_both_sides():
    from xr_dl4ds.grid.regridding.weights import METHODS
    from xr_dl4ds.networks.layers.interpolation import phase_weights

    # the layer's kernels differ from each other, so none is another one's fallback
    kernels = {name: tuple(phase_weights(name, 3).ravel()) for name in choices.INTERPOLATIONS}
    assert set(kernels) <= set(METHODS)
    assert len(set(kernels.values())) == 3


# --- values ---------------------------------------------------------------------------------

NOT_DEFAULT = [
    Network(
        backbone="convnet",
        upsampling="deconvolution",
        n_filters=8,
        n_blocks=2,
        normalization="layer",
        dropout="spatial",
        dropout_rate=0.1,
        monte_carlo=True,
        attention=True,
        localized=True,
        activation="tanh",
        output_activation="relu",
        interpolation_skip=False,
        constraint="multiplicative",
    ),
    Network(backbone="unet", decoder_upsampling="subpixel", first_guess="regression"),
    Network(noise="latent", anisotropic=True),
    Sampling(
        context=3,
        patch_size=16,
        time_window=3,
        batch_size=5,
        augment="flips",
        interpolation="nearest",
        scaling={"pr": "minmax"},
        cache="disk",
        time_features=["hour_of_day"],
        coordinate_features=["x", "latitude"],
        seed=3,
    ),
    Supervised(
        loss={"mae": 0.8, "mse": 0.2},
        epochs=2,
        optimizer="sgd",
        learning_rate=(0.5, 0.1),
        lr_decay_after=1,
        early_stopping=True,
        patience=3,
        min_delta=0.01,
        precision="mixed_float16",
        checkpoint="folder",
        lr_scaling="sqrt",
        lr_warmup=2,
        gradient_compression="float16",
        clipnorm=0.5,
        ema=0.9,
        calibrate=False,
        verbose=False,
    ),
    Supervised(schedule="cosine", ema=None, clipnorm=None, learning_rate=0.1),
    Supervised(loss="crps", noise_channels=2, loss_realizations=3),
    Supervised(loss={"tas": "gaussian_nll", "pr": "bernoulli_gamma_nll"}),
    Supervised(loss={"crps": 1, "pooled_crps": 0.3, "spectral_crps": 0.2, "energy": 0.1}),
    Supervised(loss={"tas": "gaussian_nll", "pr": "energy"}),
    Adversarial(pixel_loss={"crps": 1.0, "energy": 0.5}),
    Adversarial(
        loss="hinge",
        pixel_loss={"mae": 1.0, "dssim": 0.5},
        pixel_weight=10,
        learning_rates=((1e-3, 1e-4), (5e-4, 1e-4)),
        lr_decay_after=4,
        noise_channels=0,
        discriminator_filters=8,
        discriminator_blocks=1,
        spectral_normalization=True,
        gradient_penalty=0.1,
        epochs=2,
        optimizer="sgd",
        early_stopping=True,
        patience=3,
        min_delta=0.01,
        precision="float32",
        checkpoint="folder",
        lr_scaling=None,
        lr_warmup=0,
        gradient_compression="float16",
        schedule="step",
        ema=None,
        clipnorm=1.0,
        verbose=False,
    ),
    Adversarial(learning_rate=2e-3, loss_realizations=4),
]


def as_json(options):
    """Lists for tuples, as a file has them."""
    return json.loads(json.dumps(dataclasses.asdict(options)))


@pytest.mark.parametrize("options", NOT_DEFAULT, ids=lambda o: type(o).__name__)
def test_options_survive_json(options):
    # a pair of pairs comes back as lists, which mean the same
    assert as_json(type(options)(**as_json(options))) == as_json(options)
    assert type(options)(**as_json(options)) == options


@pytest.mark.parametrize("training", [Supervised(epochs=3), Adversarial(pixel_weight=2.0)])
def test_saved_options_know_their_class(training):
    options = Options(sampling=Sampling(seed=2), training=training)
    plain = json.loads(json.dumps(options.as_plain()))
    assert Options.from_plain(plain) == options


def test_options_are_a_mapping_of_roles():
    options = Options(training=Adversarial())
    assert dict(options) == {
        "network": Network(),
        "sampling": Sampling(),
        "training": Adversarial(),
    }
    assert options.replace(network=Network(n_filters=2))["network"] == Network(n_filters=2)
    with pytest.raises(KeyError, match="replace"):
        options["replace"]


@pytest.mark.parametrize("options", [Network, Sampling, Supervised, Adversarial])
def test_every_option_is_tried_at_another_value(options):
    tried = [o for o in NOT_DEFAULT if type(o) is options]
    for field in dataclasses.fields(options):  # a new field must get a value above
        default = getattr(options(), field.name)
        assert any(getattr(o, field.name) != default for o in tried), field.name


@pytest.mark.parametrize("options", NOT_DEFAULT, ids=lambda o: type(o).__name__)
def test_options_are_frozen_and_keyword_only(options):
    first = dataclasses.fields(options)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(options, first, getattr(options, first))
    with pytest.raises(TypeError, match="positional argument"):
        type(options)(getattr(options, first))


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("pin", "interpolation"),
        ("spc", "subpixel"),
        ("rc", "resize"),
        ("dc", "deconvolution"),
    ],
)
def test_names_of_dl4ds_are_translated(alias, name):
    assert Network(upsampling=alias) == Network(upsampling=name)
    assert Network(upsampling=alias).upsampling == name


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        (Network, "n_filters", np.int64(8)),
        (Sampling, "seed", np.int32(2)),
        (Supervised, "learning_rate", np.float32(0.5)),
        (Supervised, "early_stopping", np.bool_(True)),
        (Network, "backbone", np.str_("convnet")),
    ],
)
def test_scalars_of_numpy_become_plain(options, field, value):
    # from a sweep such as `for n in np.arange(8, 33, 8)`; np.int64 would not go into JSON either
    actual = options(**{field: value})
    assert getattr(actual, field) == value
    assert type(getattr(actual, field)) is type(value.item())


def test_changing_the_dict_of_losses_later_changes_nothing():
    weights = {"mae": 1.0}
    options = Supervised(loss=weights)
    weights["mae"] = 5.0
    weights["mse"] = 1.0
    assert options.loss == {"mae": 1.0}


# --- messages -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "given", "message"),
    [
        (Network, {"backbone": "resnett"}, r"convnet, .*, got 'resnett'\. Did you mean 'resne"),
        (Network, {"upsampling": "subpixels"}, r"`upsampling`.*Did you mean 'subpixel'\?"),
        (Network, {"upsampling": ["spc"]}, r"`upsampling` to be one of auto, interpolation, "),
        (Network, {"activation": "swish"}, r"`activation` to be one of relu, .*, got 'swish'\."),
        (Network, {"activation": None}, r"`activation` to be one of relu, .*, got None\.$"),
        (Network, {"n_filters": 0}, r"`n_filters` to be a whole number >= 1, got 0"),
        (Network, {"n_filters": 8.0}, r"`n_filters` to be a whole number >= 1, got 8\.0"),
        (Network, {"n_blocks": True}, r"`n_blocks` to be a whole number >= 1, got True"),
        (Network, {"interpolation_skip": 1}, r"`interpolation_skip` to be True or False, got 1"),
        (
            Network,
            {"noise": "outside"},
            r"`noise` to be one of auto, latent, inside, got 'outside'",
        ),
        (Network, {"anisotropic": 1}, r"`anisotropic` to be True or False, got 1"),
        (Supervised, {"calibrate": "yes"}, r"`calibrate` to be True or False, got 'yes'"),
        (Network, {"normalization": "group"}, r"`normalization` to be one of None, batch, layer"),
        (Network, {"dropout": "alpha"}, r"`dropout` to be one of None, vanilla, gaussian, spatial"),
        (Network, {"dropout_rate": 0.2}, r"`dropout` for dropout_rate=0\.2, got None\. Use drop"),
        (Network, {"monte_carlo": True}, r"`dropout` for monte_carlo=True, got None"),
        (Network, {"dropout": "vanilla", "dropout_rate": 1.0}, r"`dropout_rate` < 1, got 1\.0"),
        (Network, {"dropout": "vanilla", "dropout_rate": 0}, r"`dropout_rate` to be .* > 0, got 0"),
        (Network, {"constraint": "additiv"}, r"`constraint` to be .*Did you mean 'additive'\?"),
        (
            Network,
            {"output_activation": "tanh"},
            r"`output_activation` to be .*None, relu, softplu",
        ),
        (
            Network,
            {"output_activation": "relu", "constraint": "additive"},
            r"no output_activation='relu' with constraint='additive', which changes the values",
        ),
        (
            Network,
            {"output_activation": "sigmoid", "constraint": "multiplicative"},
            r"no output_activation='sigmoid' with constraint='multiplicative'",
        ),
        (Network, {"attention": 1}, r"`attention` to be True or False, got 1"),
        (Network, {"localized": "yes"}, r"`localized` to be True or False, got 'yes'"),
        (
            Network,
            {"backbone": "unet", "upsampling": "spc"},
            r"upsampling='interpolation' for the backbone unet, .*got 'subpixel'\. Remove upsampl",
        ),
        (
            Network,
            {"decoder_upsampling": "rc"},
            r"`decoder_upsampling` only with backbone='unet', got backbone='auto'\. Use `up",
        ),
        (Sampling, {"time_window": 1}, r"`time_window` .* >= 2, got 1\. Use None for spatial"),
        (Sampling, {"time_window": 2.0}, r"`time_window` to be a whole number >= 2, got 2\.0"),
        (
            Sampling,
            {"scaling": "robust"},
            r"`scaling` to be one of standard, minmax, log1p, .*got 'robust'",
        ),
        (Sampling, {"scaling": {"pr": "log"}}, r"`scaling\['pr'\]` to be one of standard, minmax"),
        (Sampling, {"time_features": ["hour"]}, r"`time_features` to be one of day_of_year, hour_"),
        (Sampling, {"time_features": 3}, r"`time_features` to be a list of names, got 3"),
        (
            Sampling,
            {"augment": "flip"},
            r"`augment` to be one of auto, none, flip_x, flips, all, g",
        ),
        (Sampling, {"augment": None}, r"`augment` to be one of auto, none, .*got None"),
        (Sampling, {"coordinate_features": ["lat"]}, r"to be one of latitude, longitude, x, y"),
        (Sampling, {"coordinate_features": ["x", "x"]}, r"each name of `coordinate_features` once"),
        (Sampling, {"patch_size": 0}, r"`patch_size` to be a whole number >= 1, got 0"),
        (Sampling, {"batch_size": 2.5}, r"`batch_size` to be a whole number >= 1, got 2\.5"),
        (Sampling, {"seed": -1}, r"`seed` to be a whole number >= 0, got -1"),
        (Sampling, {"seed": None}, r"`seed` to be a whole number >= 0, got None"),
        (Sampling, {"interpolation": "cubic"}, r"bicubic, bilinear, nearest, got 'cubic'. Did yo"),
        (Supervised, {"loss": "rmse"}, r"`loss` to be one of auto, mae, mse, .*got 'rmse'\. Did y"),
        (Supervised, {"loss": {}}, r"`loss` to name at least one loss, got an empty dict"),
        (Supervised, {"loss": {"msee": 1.0}}, r"got 'msee'. Did you mean 'mse'\?"),
        (Supervised, {"loss": {"mae": 0}}, r"`loss\['mae'\]` to be a finite number > 0, got 0"),
        (Supervised, {"loss": {"mse": np.nan}}, r"`loss\['mse'\]` to be a finite number > 0"),
        (Supervised, {"epochs": 0}, r"`epochs` to be a whole number >= 1, got 0"),
        (Supervised, {"patience": 0}, r"`patience` to be a whole number >= 1, got 0"),
        (Supervised, {"optimizer": "Adam"}, r"adam, adamw, sgd, got 'Adam'. Did you mean 'adam'"),
        (Supervised, {"precision": "bfloat16"}, r"got 'bfloat16'. Did you mean 'mixed_bfloat16'\?"),
        (Supervised, {"learning_rate": 0}, r"`learning_rate` to be a finite number > 0, got 0"),
        (Supervised, {"learning_rate": np.inf}, r"`learning_rate` to be a finite number > 0"),
        (Supervised, {"learning_rate": "1e-3"}, r"finite number > 0, got '1e-3'"),
        (Supervised, {"learning_rate": True}, r"finite number > 0, got True"),
        (
            Supervised,
            {"learning_rate": (1, 0), "lr_decay_after": 1},
            r"`learning_rate` .*> 0, got 0",
        ),
        (
            Supervised,
            {"learning_rate": (1, 2, 3)},
            r"`learning_rate` to be one number or two, got 3",
        ),
        (
            Supervised,
            {"learning_rate": (1, 0.1)},
            r"`lr_decay_after`, .* got None for learning_rate",
        ),
        (Supervised, {"loss": {"tas": "mae", "mse": 1}}, r"or a loss for each variable, got both"),
        (Supervised, {"loss": {"tas": "maee"}}, r"`loss\['tas'\]` .*Did you mean 'mae'\?"),
        (Supervised, {"loss": {"gaussian_nll": 1.0}}, r"`loss` to be one of mae, .*got 'gauss"),
        (
            Supervised,
            {"loss": {"crps": 1.0, "mae": 0.5}},
            r"`loss` to be all of losses that draw members \(crps, pooled_crps, spectral_crps, "
            r"energy\) or all of .*got both: \{'crps': 1\.0, 'mae': 0\.5\}\. Remove 'mae', or use",
        ),
        (
            Adversarial,
            {"pixel_loss": {"dssim": 1, "energy": 1, "mae": 1}},
            r"`pixel_loss` to be all of .* Remove 'dssim', 'mae', or use 'crps' instead",
        ),
        (
            Supervised,
            {"loss": {"energy": 0}},
            r"`loss\['energy'\]` to be a finite number > 0, got 0",
        ),
        (Supervised, {"loss": "enery"}, r"got 'enery'\. Did you mean 'energy'\?"),
        (Supervised, {"loss": {"tas": "auto"}}, r"`loss\['tas'\]` to be one of .*got 'auto'"),
        (Supervised, {"noise_channels": 2}, r"loss='crps' for noise_channels=2, got 'auto'"),
        (
            Supervised,
            {"noise_channels": 0, "loss": "crps"},
            r"`noise_channels` >= 1 for loss='crps', .*got 0\. Remove noise_channels",
        ),
        (Supervised, {"noise_channels": -1}, r"`noise_channels` to be a whole number >= 0, got -1"),
        (Supervised, {"loss_realizations": 1}, r"`loss_realizations` .* >= 2, got 1"),
        (Supervised, {"loss_realizations": 3}, r"loss='crps' for loss_realizations=3, got 'auto'"),
        (
            Adversarial,
            {"pixel_loss": "mae", "loss_realizations": 3},
            r"pixel_loss='crps' for loss_realizations=3, got 'mae', .* Remove loss_realizations",
        ),
        (Supervised, {"checkpoint": 3}, r"`checkpoint` to be the path of a folder, got 3"),
        (Supervised, {"checkpoint": ""}, r"`checkpoint` to be the path of a folder, got ''"),
        (Adversarial, {"loss": "mae"}, r"`loss` to be one of bce, hinge, got 'mae'"),
        (Adversarial, {"pixel_loss": "gaussian_nll"}, r"`pixel_loss` to be one of .*'gaussian_nll"),
        (Adversarial, {"pixel_loss": {}}, r"`pixel_loss` to name at least one loss"),
        (Adversarial, {"pixel_weight": -1}, r"`pixel_weight` to be a finite number >= 0, got -1"),
        (Adversarial, {"gradient_penalty": -1}, r"`gradient_penalty` to be a finite number >= 0"),
        (Adversarial, {"spectral_normalization": 1}, r"`spectral_normalization` to be True or Fal"),
        (Adversarial, {"discriminator_filters": 0}, r"`discriminator_filters` .* >= 1, got 0"),
        (Adversarial, {"discriminator_blocks": 0}, r"`discriminator_blocks` .* >= 1, got 0"),
        (
            Adversarial,
            {"learning_rate": 1e-3, "learning_rates": (1e-3, 1e-3)},
            r"`learning_rate` for both networks or `learning_rates` for each, got both",
        ),
        (Adversarial, {"learning_rates": 1e-3}, r"a pair \(generator, discriminator\), got 0\.001"),
        (Adversarial, {"learning_rates": (1, 0)}, r"`learning_rates` to be a finite number > 0"),
        (Adversarial, {"lr_decay_after": 3}, r"two learning rates for lr_decay_after=3"),
        (
            Adversarial,
            {"noise_channels": 0, "pixel_loss": "crps"},
            r"`noise_channels` >= 1 for pixel_loss='crps'",
        ),
        (Supervised, {"lr_decay_after": 3}, r"two learning rates for lr_decay_after=3, got 0\.001"),
        (Supervised, {"schedule": "cosin"}, r"auto, constant, step, cosine, got 'cosin'\. Did you"),
        (
            Supervised,
            {"schedule": "cosine", "learning_rate": (1e-2, 1e-3), "lr_decay_after": 2},
            r"one learning rate for schedule='cosine', got learning_rate=\(.*Use schedule='step'",
        ),
        (
            Supervised,
            {"schedule": "step"},
            r"two learning rates for schedule='step', got 0\.001\. Use learning_rate=\(1e-3, ",
        ),
        (
            Adversarial,
            {"schedule": "step"},
            r"two learning rates for schedule='step', got 0\.001\. Use learning_rate=\(1e-3, ",
        ),
        (
            Supervised,
            {"schedule": "constant", "lr_decay_after": 2},
            r"schedule='step' for lr_decay_after=2, got 'constant'\. Remove lr_decay_after, or",
        ),
        (Supervised, {"ema": 1}, r"`ema` to be a number between 0 and 1, .* got 1\. Use ema=0.99"),
        (Supervised, {"ema": "yes"}, r"`ema` to be a number between 0 and 1, .*, got 'yes'"),
        (Supervised, {"ema": True}, r"`ema` to be a number between 0 and 1, .*, got True"),
        (Supervised, {"clipnorm": 0}, r"`clipnorm` to be a finite number > 0, got 0"),
        (Adversarial, {"clipnorm": "yes"}, r"`clipnorm` to be a finite number > 0, got 'yes'"),
        (Supervised, {"lr_warmup": -1}, r"`lr_warmup` to be a whole number >= 0, got -1"),
        (Supervised, {"lr_scaling": "root"}, r"`lr_scaling` to be .*linear.*sqrt.*, got 'root'"),
        (
            Adversarial,
            {"gradient_compression": "bfloat16"},
            r"`gradient_compression` to be .*float16.*, got 'bfloat16'",
        ),
        (Supervised, {"lr_decay_after": 0}, r"`lr_decay_after` to be a whole number >= 1, got 0"),
        (Supervised, {"min_delta": -0.1}, r"`min_delta` to be a finite number >= 0, got -0\.1"),
        (Supervised, {"early_stopping": None}, r"`early_stopping` to be True or False, got None"),
        (Supervised, {"verbose": 2}, r"`verbose` to be True or False, got 2"),
        (Supervised, {"verbose": "1"}, r"`verbose` to be True or False, got '1'"),
    ],
    ids=lambda v: str(v) if isinstance(v, dict) else None,
)
def test_wrong_options_are_told_where_they_are_built(options, given, message):
    with pytest.raises(ValueError, match=message):
        options(**given)


def test_smallest_allowed_values():
    assert Supervised(min_delta=0).min_delta == 0
    assert Sampling(seed=0, patch_size=1, batch_size=1).patch_size == 1
    assert Network(n_filters=1, n_blocks=1).n_filters == 1


def test_nearest_names_nothing_when_nothing_is_near():
    assert config.nearest("t2n", ["t2m", "orog"]) == " Did you mean 't2m'?"
    assert config.nearest("precipitation", ["t2m", "orog"]) == ""
    assert config.nearest("x", []) == ""


def test_nearest_does_not_mind_capitals():
    # letter by letter, "Relu" is nearer to "elu" (6/7) than to "relu" (6/8)
    assert config.nearest("Relu", ["elu", "relu"]) == " Did you mean 'relu'?"
    assert config.nearest("T2M", ["t2m", "orog"]) == " Did you mean 't2m'?"
    assert config.nearest("t2m", ["T2M", "orog"]) == " Did you mean 'T2M'?"


# --- route ----------------------------------------------------------------------------------


def test_every_option_has_one_owner():
    fields = [f.name for cls in config.OPTION_CLASSES.values() for f in dataclasses.fields(cls)]
    assert len(fields) == len(set(fields))


def test_route_gives_defaults_for_nothing():
    expected = Options(network=Network(), sampling=Sampling(), training=Supervised())
    assert config.route({}, {}) == expected
    assert config.route(dict.fromkeys(expected.keys()), {}) == expected


def test_route_gives_each_flat_option_to_its_class():
    flat = {"backbone": "convnet", "seed": 4, "epochs": 2, "loss": "mse", "n_blocks": 1}
    assert config.route({}, flat) == Options(
        network=Network(backbone="convnet", n_blocks=1),
        sampling=Sampling(seed=4),
        training=Supervised(epochs=2, loss="mse"),
    )


def test_route_lets_flat_options_win_and_keeps_the_rest():
    network = Network(n_filters=8, n_blocks=3)
    actual = config.route({"network": network, "sampling": None}, {"n_blocks": 1})
    assert actual.network == Network(n_filters=8, n_blocks=1)
    assert network == Network(n_filters=8, n_blocks=3)


def test_route_checks_and_translates_flat_options():
    assert config.route({}, {"upsampling": "rc"}).network.upsampling == "resize"
    with pytest.raises(ValueError, match="`epochs` to be a whole number >= 1, got 0"):
        config.route({}, {"epochs": 0})


def test_route_names_the_nearest_of_an_unknown_option():
    with pytest.raises(TypeError, match=r"unknown option 'epoch'\. Did you mean 'epochs'\?"):
        config.route({}, {"epoch": 3})
    with pytest.raises(TypeError, match=r"'zzz'\. Options are: activation, .*, verbose\.$"):
        config.route({}, {"zzz": 3})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"network": Sampling()}, r"`network` to be an xr_dl4ds\.Network, got Sampling"),
        ({"network": Network}, r"`network` to be an xr_dl4ds\.Network, got type"),
        (
            {"training": {"epochs": 3}},
            r"`training` to be an xr_dl4ds\.Supervised or xr_dl4ds\.Adversarial or xr_dl4ds\.Flow",
        ),
    ],
)
def test_route_refuses_objects_of_another_class(given, message):
    with pytest.raises(TypeError, match=message):
        config.route(given, {})


def test_verbose_may_be_spelled_as_in_keras():
    assert Supervised(verbose=0) == Supervised(verbose=False)
    assert Supervised(verbose=1).verbose is True


def test_an_option_of_the_other_training_is_told():
    with pytest.raises(TypeError, match=r"'pixel_weight', an option of xr_dl4ds\.Adversarial, for"):
        config.route({}, {"pixel_weight": 3})
    given = {"training": Adversarial()}
    assert config.route(given, {"pixel_weight": 3}).training == Adversarial(pixel_weight=3)


# --- losses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("training", "members", "noise", "distributions"),
    [
        (Supervised(), False, 0, [None, None]),
        (Supervised(loss={"mae": 1.0, "mse": 2.0}), False, 0, [None, None]),
        (Supervised(loss="gaussian_nll"), False, 0, ["gaussian", "gaussian"]),
        (Supervised(loss="crps"), True, 4, [None, None]),
        (Supervised(loss="energy"), True, 4, [None, None]),
        (Supervised(loss={"pooled_crps": 1.0}, noise_channels=2), True, 2, [None, None]),
        (Adversarial(pixel_loss={"crps": 1, "energy": 0.5}), True, 4, [None, None]),
        (
            Supervised(loss={"tas": "crps", "pr": "bernoulli_gamma_nll"}, noise_channels=2),
            True,
            2,
            [None, "bernoulli_gamma"],
        ),
        (Adversarial(), True, 4, [None, None]),
        (Adversarial(pixel_loss="mae"), False, 4, [None, None]),
        (Adversarial(pixel_loss="crps", noise_channels=1), True, 1, [None, None]),
        (Adversarial(noise_channels=0), False, 0, [None, None]),
    ],
    ids=str,
)
def test_what_a_loss_asks_of_the_network(training, members, noise, distributions):
    assert training.draws_members is members
    assert training.n_noise == noise
    assert [training.distribution_of(n) for n in ("tas", "pr")] == distributions
    assert training.fits_distributions is (distributions != [None, None])


def test_the_usual_pixel_loss_follows_from_the_noise():
    assert Adversarial().cell_loss == "crps"
    assert (Adversarial().members, Adversarial(loss_realizations=3).members) == (2, 3)
    assert Supervised().members == 1
    assert Adversarial(noise_channels=0).cell_loss == "mae"
    assert Adversarial(pixel_loss="mse").cell_loss == "mse"


def test_loss_of_a_target():
    weights = {"mae": 1.0, "mse": 2.0}
    assert Supervised(loss=weights).loss_name_of("tas") == weights
    by_name = Supervised(loss={"tas": "mae", "pr": "mse"})
    assert (by_name.loss_name_of("tas"), by_name.loss_name_of("pr")) == ("mae", "mse")


# --- what is left to the package ------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "sampling", "expected"),
    [
        ({}, {}, ("subpixel", 6, None)),
        ({"backbone": "unet"}, {}, ("interpolation", 3, "resize")),
        ({"backbone": "unet", "n_blocks": 2, "decoder_upsampling": "dc"}, {}, 2),
        ({"backbone": "densenet", "upsampling": "rc"}, {"time_window": 4}, ("resize", 2, None)),
    ],
)
def test_settled(network, sampling, expected):
    actual = settled(Network(**network), Sampling(**sampling))
    if expected == 2:
        expected = ("interpolation", 2, "deconvolution")
    assert (actual.upsampling, actual.n_blocks, actual.decoder_upsampling) == expected


def test_flat_backbone_brings_its_own_upsampling():
    # the public contract: lr.downscale.fit(hr, backbone="unet", epochs=60)
    options = config.route({}, {"backbone": "unet", "epochs": 60})
    assert settled(options.network, options.sampling).upsampling == "interpolation"


@pytest.mark.parametrize("backbone", choices.SPATIAL_ONLY)
def test_spatial_backbones_refuse_windows(backbone):
    with pytest.raises(ValueError, match=rf"convnet, resnet, densenet for .*got '{backbone}'"):
        settled(Network(backbone=backbone), Sampling(time_window=2))


def test_a_bounded_output_needs_minmax():
    network = Network(output_activation="sigmoid")
    with pytest.raises(ValueError, match=r"scaling='minmax' for output_activation='sigmoid'"):
        settled(network, Sampling())
    assert settled(network, Sampling(scaling="minmax")).output_activation == "sigmoid"


def test_augment_true_is_all_and_false_is_none():
    assert Sampling(augment=True).augment == "all"
    assert Sampling(augment=False).augment == "none"
    assert Sampling(augment=Sampling(augment=True).augment) == Sampling(augment="all")


def test_time_features_true_is_day_and_hour():
    assert Sampling(time_features=True).time_features == ("day_of_year", "hour_of_day")
    assert Sampling(time_features=False).time_features == ()
    assert Sampling(time_features="solar_zenith").time_features == ("solar_zenith",)


def test_scaling_of_variables():
    assert Sampling(scaling="minmax").scaling_of("t2m") == "minmax"
    by_name = Sampling(scaling={"pr": "minmax"})
    assert (by_name.scaling_of("pr"), by_name.scaling_of("t2m")) == ("minmax", "standard")


def test_learning_rate_of_epochs():
    two = Supervised(learning_rate=(0.1, 0.01), lr_decay_after=2)
    assert [two.rates_of(e) for e in range(4)] == [(0.1,), (0.1,), (0.01,), (0.01,)]
    assert Supervised(learning_rate=0.5).rates_of(99) == (0.5,)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [(1e-3, 1e-3)] * 3),
        ({"learning_rate": 0.5}, [(0.5, 0.5)] * 3),
        ({"learning_rates": (0.5, 0.1)}, [(0.5, 0.1)] * 3),
        ({"learning_rate": (0.5, 0.1), "lr_decay_after": 1}, [(0.5, 0.5), *[(0.1, 0.1)] * 2]),
        (
            {"learning_rates": [[0.5, 0.1], [0.4, 0.2]], "lr_decay_after": 2},
            [(0.5, 0.4), (0.5, 0.4), (0.1, 0.2)],
        ),
    ],
    ids=str,
)
def test_learning_rates_of_both_networks(given, expected):
    assert [Adversarial(**given).rates_of(e) for e in range(3)] == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Supervised(), ("cosine", 8e-3)),
        (Supervised(optimizer="adamw"), ("cosine", 8e-3)),
        (Supervised(loss="crps"), ("cosine", 4e-3)),
        (Supervised(loss={"tas": "mae", "pr": "bernoulli_gamma_nll"}), ("cosine", 4e-3)),
        (Supervised(loss="crps", schedule="constant"), ("constant", 1e-3)),
        (Supervised(learning_rate=0.1), ("cosine", 0.1)),
        (Supervised(optimizer="sgd"), ("constant", 1e-3)),
        (Supervised(schedule="constant"), ("constant", 1e-3)),
        (Supervised(schedule="cosine", optimizer="sgd"), ("cosine", 8e-3)),
        (Supervised(learning_rate=(0.1, 0.01), lr_decay_after=1), ("step", 0.1)),
        (Adversarial(), ("constant", 1e-3)),
        (Adversarial(schedule="cosine"), ("cosine", 1e-3)),
        (Adversarial(learning_rates=((0.1, 0.01), (0.2, 0.02)), lr_decay_after=1), ("step", 0.1)),
    ],
    ids=str,
)
def test_schedule_by_itself(options, expected):
    assert (options.rate_schedule, options.rates_of(0)[0]) == expected
    assert options.has_fixed_length == (expected[0] == "cosine")


@pytest.mark.parametrize(
    ("network", "filters", "rate"),
    [
        (Network(), 32, 8e-3),
        (Network(n_filters=8), 8, 8e-3),
        (Network(n_filters=64, backbone="convnext"), 64, 4e-3),
        (Network(backbone="unet"), 256, 1e-3),
        (Network(backbone="unet", n_filters=8), 64, 4e-3),
        (Network(backbone="unet", n_filters=8, n_blocks=2), 32, 8e-3),
        (Network(backbone="unet", n_filters=64), 256, 1e-3),
    ],
    ids=str,
)
def test_wide_networks_have_a_smaller_rate(network, filters, rate):
    assert network.widest == filters
    assert Supervised().with_rate_for(filters, 32).rates_of(0) == (rate,)
    assert Supervised(loss="crps").with_rate_for(filters, 32).rates_of(0) == (rate / 2,)
    assert Supervised().with_rate_for(filters, 8).rates_of(0) == (rate / 2,)
    assert Supervised().with_rate_for(filters, 32, guessed=True).rates_of(0) == (rate / 8,)
    for others in (
        Supervised(learning_rate=0.1),
        Supervised(schedule="constant"),
        Supervised(learning_rate=(0.1, 0.01), lr_decay_after=1),
        Adversarial(schedule="cosine"),
    ):
        assert others.with_rate_for(filters, 32) is others


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Supervised(epochs=40), 2),
        (Supervised(epochs=40, schedule="constant"), 5),
        (Supervised(epochs=40, lr_warmup=3), 3),
        (Supervised(epochs=40, lr_warmup=0), 0),
        (Adversarial(epochs=40), 5),
    ],
    ids=str,
)
def test_epochs_of_warm_up(options, expected):
    assert options.warmup_epochs == expected


@pytest.mark.parametrize(
    ("options", "steps", "expected"),
    [
        (Supervised(ema=None), 100, None),
        (Supervised(ema=0.9), 100, 0.9),
        (Supervised(), 100_000, 0.99),
        (Supervised(), 400, 0.5 ** (1 / 20)),  # half is forgotten after 5 % of the steps
        (Supervised(), 3, 0.5),
        (Supervised(schedule="constant"), 400, None),
        (Adversarial(), 400, None),
        (Adversarial(schedule="cosine"), 400, 0.5 ** (1 / 20)),
    ],
    ids=str,
)
def test_momentum_of_the_average(options, steps, expected):
    assert options.momentum(steps) == expected


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({}, ("constant", None)),
        ({"loss": "crps"}, ("constant", None)),
        ({"loss": "gaussian_nll"}, ("constant", 1.0)),
        ({"learning_rate": [0.1, 0.01], "lr_decay_after": 2}, ("step", None)),
    ],
    ids=str,
)
def test_options_of_earlier_versions_train_as_they_did(training, expected):
    earlier = {"kind": "supervised", "learning_rate": 1e-3, "lr_warmup": 5, **training}
    found = Options.from_plain({"network": {}, "sampling": {}, "training": earlier}).training
    assert (found.rate_schedule, found.gradient_norm) == expected
    assert found.ema is None
    assert Options.from_plain(Options(training=found).as_plain()).training == found


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mae", 1),
        ({"mae": 1, "mse": 0.5}, 1),
        ("dssim", 11),
        ("dssim_mae_mse", 11),
        ({"mae": 1, "dssim_mse": 0.1}, 11),
        ("msdssim", 81),
        ({"dssim": 1, "msdssim_mae": 0.1}, 81),
        ("energy", 1),
        ({"crps": 1, "pooled_crps": 0.1}, 1),
    ],
    ids=str,
)
def test_cells_that_a_loss_needs_are_those_of_its_largest_window(loss, expected):
    assert Supervised(loss=loss).least_cells == expected


#: Another default gives other models: change it here and in the change log.
DEFAULTS = [
    Network(backbone="auto", n_filters=None, activation="relu", interpolation_skip=True,
            constraint="auto", upsampling="auto", noise="auto", anisotropic=False),
    Sampling(batch_size=32, interpolation="bicubic", scaling="standard", seed=0, cache="auto",
             time_features="auto", augment="auto"),
    Supervised(loss="auto", learning_rate=None, epochs=30, optimizer="adam", patience=10,
               min_delta=0.0, lr_warmup=None, lr_scaling="linear", precision="auto", verbose=True,
               schedule="auto", ema="auto", clipnorm="auto", calibrate=True),
    Adversarial(loss="bce", epochs=60, pixel_weight=100.0, discriminator_filters=32,
                discriminator_blocks=4, spectral_normalization=False, gradient_penalty=0.0),
    FlowMatching(epochs=60, steps=3, solver="midpoint", learning_rate=None, calibrate=True),
]  # fmt: skip


@pytest.mark.parametrize("options", DEFAULTS, ids=lambda o: type(o).__name__)
def test_defaults_do_not_change_unnoticed(options):
    assert options == type(options)()


# --- noise ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "training", "expected"),
    [
        ({}, Supervised(loss="crps"), "latent"),
        ({}, Supervised(loss={"tas": "crps", "pr": "bernoulli_gamma_nll"}), "latent"),
        ({}, Supervised(loss={"tas": "mae", "pr": "energy"}), "latent"),
        ({}, Supervised(loss={"crps": 1, "pooled_crps": 0.3}), "latent"),
        ({}, Supervised(loss="spectral_crps", noise_channels=2), "inside"),
        ({"noise": "inside"}, Supervised(loss="crps"), "inside"),
        ({}, Supervised(loss="crps", noise_channels=2), "inside"),
        ({"output_activation": "relu"}, Supervised(loss="crps"), "inside"),
        ({"constraint": "softmax"}, Supervised(loss="crps"), "inside"),
        ({}, Adversarial(pixel_loss="crps"), "inside"),
        ({}, Supervised(), "auto"),
        ({"noise": "inside"}, Supervised(), "inside"),
    ],
    ids=str,
)
def test_latent_noise_is_taken_where_it_fits(network, training, expected):
    assert noise_of(Network(**network), training) == expected


@pytest.mark.parametrize(
    ("network", "training", "message"),
    [
        ({"noise": "latent"}, Supervised(loss="mae"), r"loss='crps' for noise='latent', got 'mae'"),
        (
            {"noise": "latent"},
            Supervised(loss="crps", noise_channels=2),
            r"noise='inside' for noise_channels=2, got 'latent'.* or remove noise_channels",
        ),
        (
            {"noise": "latent"},
            Adversarial(pixel_loss="crps"),
            r"noise='inside' for training=xr_dl4ds\.Adversarial, got 'latent'.*Use noise='inside'",
        ),
        (
            {"noise": "inside", "anisotropic": True},
            Supervised(loss="crps"),
            r"noise='latent' for anisotropic=True, got noise='inside'\. Remove anisotropic",
        ),
        (
            {"constraint": "softmax", "anisotropic": True},
            Supervised(loss="crps"),
            r"noise='latent' for anisotropic=True, got constraint='softmax'",
        ),
        ({"anisotropic": True}, Supervised(), r"loss='crps' for anisotropic=True, got 'auto'"),
    ],
    ids=str,
)
def test_latent_noise_is_refused_where_it_does_not_fit(network, training, message):
    with pytest.raises(ValueError, match=message):
        noise_of(Network(**network), training)


def test_distributions_of_targets():
    loss = {"tas": "crps", "pr": "energy", "wind": "gaussian_nll", "snow": "mae"}
    amounts = {"tas": False, "pr": True, "wind": False, "snow": True}
    options = Options().replace(network=Network(noise="latent"), training=Supervised(loss=loss))
    assert options.distributions(amounts) == ("latent", "latent_amount", "gaussian", None)
    assert options.n_noise == 0
    inside = options.replace(network=Network(noise="inside"))
    assert inside.distributions(amounts) == (None, None, "gaussian", None)
    assert inside.n_noise == 4
    directed = options.replace(network=Network(noise="latent", anisotropic=True))
    assert directed.distributions(amounts)[:2] == ("latent_directed", "latent_amount_directed")


def test_weights_give_every_target_latent_noise():
    training = Supervised(loss={"crps": 1, "energy": 0.1})
    options = Options().replace(network=Network(noise="latent"), training=training)
    assert options.distributions({"tas": False, "pr": True}) == ("latent", "latent_amount")


@pytest.mark.parametrize(
    ("loss", "latent", "expected"),
    [
        ("crps", False, {"crps": 1.0}),
        ("crps", True, {"crps": 1.0, "pooled_crps": 0.3, "spectral_crps": 0.1}),
        ({"crps": 1}, True, {"crps": 1.0}),
        ("energy", True, {"energy": 1.0}),
        ({"energy": 2, "pooled_crps": 0.5}, False, {"energy": 2.0, "pooled_crps": 0.5}),
        ("mae", True, None),
        ({"mae": 1.0, "mse": 1.0}, False, None),
        ("gaussian_nll", True, None),
    ],
    ids=str,
)
def test_weights_of_losses_of_members(loss, latent, expected):
    assert ensemble_weights(loss, latent=latent) == expected


def test_models_of_earlier_versions_have_their_noise_inside():
    plain = Options().replace(training=Supervised(loss="crps")).as_plain()
    del plain["network"]["noise"], plain["network"]["anisotropic"]
    assert Options.from_plain(plain).network.noise == "inside"
