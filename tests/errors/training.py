"""Losses that do not suit the data, and training that goes on from a model."""

import xr_dl4ds as xd
from tests.errors import data as d
from tests.errors.case import section
from xr_dl4ds.exceptions import GridError, VariableError

# --- losses ---------------------------------------------------------------------------------------

case = section("Losses that do not suit the data")


def celsius(ds):
    return d.in_units(ds, "degC", -285.0)


LOSSES = {
    "loss of each target": case(
        "A dict of losses that does not name every target, or names another.",
        VariableError,
        r"a loss for each target, \['t2m'\], got \{'tm2': 'mae'\}\. Name all of them, or give one",
        d.alone(),
        lambda hr: d.perfect(hr, loss={"tm2": "mae"}),
        lambda hr: [d.perfect(hr, loss={"t2m": "mae"}), d.perfect(hr, loss="mae")],
    ),
    "amounts below zero": case(
        "A distribution of amounts for values below zero.",
        VariableError,
        r"values >= 0 of 't2m' for loss='bernoulli_gamma_nll', got a minimum of -.* degC\. Use loss"
        r"='gaussian_nll'",
        d.alone(celsius),
        lambda hr: d.perfect(hr, loss="bernoulli_gamma_nll"),
        lambda hr: [
            d.perfect(hr, loss="gaussian_nll"),
            d.perfect(hr.clip(min=0), loss="bernoulli_gamma_nll"),
            d.perfect(d.hr(), loss="bernoulli_gamma_nll"),
        ],
    ),
    "bounded mean": case(
        "An activation that bounds the mean of a distribution.",
        ValueError,
        r"no output_activation with loss='gaussian_nll', .*, got 'sigmoid'\. Leave it out",
        d.alone(),
        lambda hr: d.perfect(
            hr, loss="gaussian_nll", output_activation="sigmoid", scaling="minmax"
        ),
        lambda hr: d.perfect(hr, loss="gaussian_nll", scaling="minmax"),
    ),
}

NOISE = {
    "latent noise without members": case(
        "Latent noise for a loss that draws no members.",
        ValueError,
        r"loss='crps' for noise='latent', got 'mae', which draws no members\. Use loss='crps'",
        d.alone(),
        lambda hr: d.perfect(hr, loss="mae", noise="latent"),
        lambda hr: d.perfect(hr, loss="crps", noise="latent"),
    ),
    "latent noise and channels": case(
        "Latent noise with an option of noise inside the network.",
        ValueError,
        r"noise='inside' for noise_channels=2, got 'latent', .*Use noise='inside', or remove noise",
        d.alone(),
        lambda hr: d.perfect(hr, loss="crps", noise="latent", noise_channels=2),
        lambda hr: d.perfect(hr, loss="crps", noise="inside", noise_channels=2),
    ),
    "anisotropic noise inside": case(
        "Elongated latent fields with noise inside the network.",
        ValueError,
        r"noise='latent' for anisotropic=True, got noise='inside'\. Remove anisotropic",
        d.alone(),
        lambda hr: d.perfect(hr, loss="crps", noise="inside", anisotropic=True),
        lambda hr: d.perfect(hr, loss="crps", anisotropic=True),
    ),
    "anisotropic without members": case(
        "Elongated latent fields for a loss that draws no members.",
        ValueError,
        r"loss='crps' for anisotropic=True, got 'mae', which draws no members\. Remove anisotropic",
        d.alone(),
        lambda hr: d.perfect(hr, loss="mae", anisotropic=True),
        lambda hr: d.perfect(hr, loss="mae"),
    ),
}

# --- flow matching --------------------------------------------------------------------------------

case = section("Flow matching")


def flowing(hr, **options):
    training = xd.FlowMatching(steps=1, calibrate=False)
    return d.perfect(hr, training=training, **{"n_filters": 2, "n_blocks": 1, **options})


FLOW = {
    "options of other networks": case(
        "An option that the network of flow matching has not.",
        ValueError,
        r"go together with training=xr_dl4ds\.FlowMatching\(.*, got time_window=2\. Remove time_w",
        d.alone(),
        lambda hr: flowing(hr, time_window=2),
        flowing,
    ),
    "noise of other networks": case(
        "A choice of noise for flow matching, whose members always begin as noise on each cell.",
        ValueError,
        r"go together with training=xr_dl4ds\.FlowMatching\(.*, got noise='latent'\. Remove noise",
        d.alone(),
        lambda hr: flowing(hr, noise="latent"),
        flowing,
    ),
    "noise channels of flow matching": case(
        "Channels of noise for flow matching, which begins with noise on every cell.",
        ValueError,
        r"no noise_channels for training=xr_dl4ds\.FlowMatching\(.*, got 2\. Remove noise_channels",
        d.alone(),
        lambda hr: flowing(hr, noise_channels=2),
        flowing,
    ),
}

# --- start= ---------------------------------------------------------------------------------------

case = section("Going on from a model")


def begun(spoil=lambda ds: ds, kind="plain"):
    """HR data that are spoilt, and the model to go on from."""
    return lambda: {"hr": spoil(d.hr()), **d.model(kind)}


def two(ds):
    return ds.assign(d2m=ds.t2m.assign_attrs(standard_name="dew_point_temperature") - 2)


START = {
    "start": case(
        "Something else than a model is passed as `start=`.",
        TypeError,
        r"start= to be a Downscaler, got str\. Pass a fitted model, or xr_dl4ds\.load\(path\)",
        begun(),
        lambda hr, model: d.perfect(hr, start="model"),
        lambda hr, model: d.perfect(hr, start=model),
    ),
    "members of the model": case(
        "A model with latent noise is to be trained without members.",
        ValueError,
        r"loss='crps' for a model with latent noise in start=, got loss='mae'\. Keep loss='crps'",
        begun(kind="latent"),
        lambda hr, model: d.perfect(hr, loss="mae", start=model),
        lambda hr, model: d.perfect(hr, start=model),
    ),
    "noise of the model": case(
        "A model with latent noise is to be trained with noise inside the network.",
        ValueError,
        r"noise='latent' for a model with latent noise .*got noise='inside'\. Keep noise='latent'",
        begun(kind="latent"),
        lambda hr, model: d.perfect(hr, noise="inside", start=model),
        lambda hr, model: d.perfect(hr, noise="latent", start=model),
    ),
    "no single answer": case(
        "Flow matching is to begin at the prediction of a model that draws members.",
        ValueError,
        r"a supervised model of one answer in start= .*, got Supervised training with loss='crps'",
        begun(kind="latent"),
        lambda hr, model: flowing(hr, start=model),
        lambda hr, model: [flowing(hr), flowing(hr, start=d.fitted("plain"))],
    ),
    "windows of time steps": case(
        "Flow matching is to begin at the prediction of a spatio-temporal model.",
        ValueError,
        r"a model of single time steps in start= .*, got one with time_window=2\. Fit it without",
        begun(kind="windows"),
        lambda hr, model: flowing(hr, start=model),
        lambda hr, model: [flowing(hr), flowing(hr, start=d.fitted("plain"))],
    ),
    "a velocity": case(
        "A model of flow matching is to be trained in another way.",
        ValueError,
        r"training=xr_dl4ds\.FlowMatching\(\.\.\.\) for a model .* got Supervised\. Keep FlowMat",
        begun(kind="flow"),
        lambda hr, model: d.perfect(hr, training=xd.Supervised(), start=model),
        lambda hr, model: d.perfect(hr, start=model),
    ),
    "another scale": case(
        "The scale is another one than the model's.",
        GridError,
        r"data of the scale 2 for start=, got 4\. Give the LR or HR data on other cells, or leave",
        begun(),
        lambda hr, model: d.perfect(hr, scale=4, start=model),
        lambda hr, model: [d.perfect(hr, scale=2, start=model), d.perfect(hr, scale=4)],
    ),
    "other variables": case(
        "The variables are others than the model's.",
        VariableError,
        r"the targets of the model in start=, \['t2m'\], got \['t2m', 'd2m'\]\. Provide the same",
        begun(two),
        lambda hr, model: d.perfect(hr, start=model),
        lambda hr, model: [d.perfect(hr.drop_vars("d2m"), start=model), d.perfect(hr)],
    ),
    "other units": case(
        "The units are others than the model's.",
        VariableError,
        r"'t2m' of the HR data in 'K' as in the model in start=, got 'mm'\. Rename it",
        begun(lambda ds: d.in_units(ds, "mm")),
        lambda hr, model: d.perfect(hr, start=model),
        lambda hr, model: d.perfect(d.hr(), start=model),
    ),
    "another scaling": case(
        "Another scaling than the model's is asked for.",
        ValueError,
        r"the scaling of the model in start=, 'standard', got 'minmax': .* Leave scaling= out",
        begun(),
        lambda hr, model: d.perfect(hr, start=model, scaling="minmax"),
        lambda hr, model: d.perfect(hr, start=model),
    ),
    "positions elsewhere": case(
        "A model that knows positions in its domain, and other cells.",
        GridError,
        r"the LR cells of the model in start= \(.*coordinate_features=\['x'\].* Use a model",
        begun(lambda ds: d.moved(d.bare(ds[["t2m"]]), longitude=30.0), "positions"),
        lambda hr, model: d.perfect(hr, start=model),
        lambda hr, model: [
            d.perfect(d.hr()[["t2m"]], start=model),
            d.perfect(hr, start=d.fitted("places")),
        ],
    ),
    "beyond the extremes": case(
        "An output bounded by the extremes of the model, and values beyond them.",
        VariableError,
        r"'t2m' between .*, the extremes of the model in start=, for output_activation='sigmoid'",
        begun(lambda ds: ds.assign(t2m=(ds.t2m + 30).assign_attrs(ds.t2m.attrs)), "bounded"),
        lambda hr, model: d.perfect(hr, start=model),
        lambda hr, model: [
            d.perfect(hr, start=model, output_activation=None),
            d.perfect(hr, output_activation="sigmoid", scaling="minmax"),
        ],
    ),
    "localized elsewhere": case(
        "A model with weights for each cell, and other cells.",
        GridError,
        r"the HR cells of the model in start= \(.*\), because localized=True .* Use a model with",
        begun(
            lambda ds: d.moved(d.bare(ds[["t2m"]]), longitude=30.0), "localized, windows, members"
        ),
        lambda hr, model: d.perfect(hr, start=model),
        lambda hr, model: d.perfect(hr, start=d.fitted("not localized")),
    ),
}

PARTS = (LOSSES, NOISE, FLOW, START)
