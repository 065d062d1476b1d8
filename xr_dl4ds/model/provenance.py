"""Provenance of a prediction: data, network and training, as plain JSON values."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Sequence

import numpy as np

from xr_dl4ds.config import Json, Options
from xr_dl4ds.data.state import State


def provenance(
    state: State,
    options: Options,
    weights: Sequence[np.ndarray],
    *,
    period: tuple[str, str],
    best_epoch: int,
    perfect_prognosis: bool,
    constraint: str | None,
    augment: str,
    start: str | None = None,
) -> Json:
    """Describe a fitted model.

    Parameters
    ----------
    state : State
        State of the fitted model.
    options : Options
        The options of the model.
    weights : sequence of numpy.ndarray
        The network's weights; their hash identifies the model.
    period : pair of str
        First and last time of training.
    best_epoch : int
        The epoch, counted from 1, whose weights these are.
    perfect_prognosis : bool
        Whether LR fields were made from the HR fields (synthetic pairs); False for real pairs
        (MOS).
    constraint : str, optional
        The requested constraint, which may be "auto"; `options` has the constraint that was chosen.
    augment : {"none", "flip_x", "flips", "all"}
        The orientations of the training samples; `options` has the requested value.
    start : str, optional
        The model from which fine-tuning started.

    Returns
    -------
    dict
        Plain values; "summary" is a line for the CF attribute `history`.
    """
    architecture, training = options.network, options.training
    name = f"{architecture.backbone} with {architecture.upsampling} upsampling"
    return {
        "software": f"xr_dl4ds {version()}",
        "summary": f"xr_dl4ds {version()} downscaled {', '.join(state.features.targets)} by"
        f" {state.pairing.scale} ({name})",
        "model": digest_of(weights),
        "scale": state.pairing.scale.public,
        "pairing": state.pairing.method,
        "perfect_prognosis": perfect_prognosis,
        "targets": list(state.features.targets),
        "predictors": list(state.features.predictors),
        "static": list(state.features.static),
        "network": dataclasses.asdict(architecture),
        "sampling": dataclasses.asdict(options.sampling),
        "constraint": constraint,
        "augment": augment,
        "loss": training.cell_loss,
        "best_epoch": best_epoch,
        "period": list(period),
        "seed": options.sampling.seed,
        **({} if start is None else {"start": start}),
        **({"counterparts": dict(state.counterparts)} if state.counterparts else {}),
    }


#: Options that do not change the computation of an epoch; a cosine depends on `epochs`, though.
IDLE = ("epochs", "verbose", "checkpoint")


def fingerprint(
    state: State, options: Options, weights: Sequence[np.ndarray], period: Sequence[str]
) -> str:
    """Return a hash that identifies a training.

    It is computed from the statistics and grids of the data, the options, the training period and
    the initial weights.
    """
    plain = options.as_plain()
    plain["training"] = {k: v for k, v in plain["training"].items() if k not in IDLE}
    if options.training.has_fixed_length:
        plain["training"]["epochs"] = options.training.epochs
    statistics = {
        str(n): [float(x) for x in v.to_numpy()] for n, v in state.scaler.statistics.items()
    }
    grids = [state.pairing.seen.extent, state.pairing.hr.extent]
    guess = state.first_guess
    guessed = "" if guess is None else digest_of([guess.coefficients, guess.patterns])
    parts = [plain, statistics, grids, list(period), digest_of(weights), guessed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def digest_of(weights: Sequence[np.ndarray]) -> str:
    """Return the SHA-256 of the weights, which identifies a model."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(array.tobytes())
    return digest.hexdigest()


def version() -> str:
    """Return the installed version of the package; "unknown" in an uninstalled checkout."""
    try:
        return importlib.metadata.version("xr_dl4ds")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
