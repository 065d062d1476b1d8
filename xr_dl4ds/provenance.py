"""What a prediction says of its origin: data, network and training, as plain JSON values."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xr_dl4ds.config import Network, Training, as_plain
from xr_dl4ds.state import State


def provenance(
    state: State,
    options: Mapping[str, Any],
    weights: Sequence[np.ndarray],
    *,
    period: tuple[str, str],
    best_epoch: int,
    perfect_prognosis: bool,
    constraint: str | None,
    start: str | None = None,
) -> dict[str, Any]:
    """Describe a fitted model.

    Parameters
    ----------
    state : State
        What was fitted.
    options : mapping
        Option objects by role.
    weights : sequence of numpy.ndarray
        The network's weights; their hash names the model.
    period : pair of str
        First and last time of training.
    best_epoch : int
        The epoch, counted from 1, whose weights these are.
    perfect_prognosis : bool
        Whether LR fields were made from the HR ones; False for explicit pairs (MOS).
    constraint : str, optional
        The one that was asked for, which may be "auto"; `options` has what it stands for.
    start : str, optional
        The model that training went on from.

    Returns
    -------
    dict
        Plain values; "summary" is a line for CF's `history`.
    """
    architecture: Network = options["network"]
    training: Training = options["training"]
    name = f"{architecture.backbone} with {architecture.upsampling} upsampling"
    return {
        "software": f"xr_dl4ds {version()}",
        "summary": f"xr_dl4ds {version()} downscaled {', '.join(state.features.targets)} by"
        f" {state.pairing.scale} ({name})",
        "model": digest_of(weights),
        "scale": state.pairing.scale,
        "pairing": state.pairing.method,
        "perfect_prognosis": perfect_prognosis,
        "targets": list(state.features.targets),
        "predictors": list(state.features.predictors),
        "static": list(state.features.static),
        "network": dataclasses.asdict(architecture),
        "sampling": dataclasses.asdict(options["sampling"]),
        "constraint": constraint,
        "loss": training.cell_loss,
        "best_epoch": best_epoch,
        "period": list(period),
        "seed": options["sampling"].seed,
        **({} if start is None else {"start": start}),
    }


#: Options that do not change what an epoch does.
IDLE = ("epochs", "verbose", "checkpoint")


def fingerprint(
    state: State, options: Mapping[str, Any], weights: Sequence[np.ndarray], period: Sequence[str]
) -> str:
    """What tells one training from another: data, by their statistics, options, first weights."""
    plain = as_plain(options)
    plain["training"] = {k: v for k, v in plain["training"].items() if k not in IDLE}
    statistics = {
        str(n): [float(x) for x in v.to_numpy()] for n, v in state.scaler.statistics.items()
    }
    grids = [one.extent for one in (state.pairing.lr, state.pairing.hr)]
    parts = [plain, statistics, grids, list(period), digest_of(weights)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def digest_of(weights: Sequence[np.ndarray]) -> str:
    """SHA-256 of the weights, which names a model."""
    digest = hashlib.sha256()
    for array in weights:
        digest.update(array.tobytes())
    return digest.hexdigest()


def version() -> str:
    """The installed version of the package; "unknown" when it is run from a bare checkout."""
    try:
        return importlib.metadata.version("xr_dl4ds")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
