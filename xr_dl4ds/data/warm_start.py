"""Fine-tuning: the parts of a model's data description that the new model inherits.

Weights belong to scaled channels, not to variables. Therefore the channels, their order and their
scaling are those of the model, independent of the new data.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from xr_dl4ds.data.channels import Features
from xr_dl4ds.data.state import State
from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.regridding.pairing import Pairing
from xr_dl4ds.grid.regridding.reprojection import same_place

#: Groups of variables, and their names in messages.
ROLES = {
    "targets": "targets",
    "counterparts": "LR counterparts of targets",
    "predictors": "predictors",
    "static": "static fields",
    "time_features": "time_features",
    "coordinate_features": "coordinate_features",
}

#: Features that run from -1 to 1 over the training domain.
DOMAIN_FEATURES = ("x", "y")


def channels(own: Features, pairing: Pairing, start: State, asked: object) -> Features:
    """Return the channels of the model, if the new data have the same variables.

    Parameters
    ----------
    own : Features
        The channels of the new data.
    pairing : Pairing
        The grids of the new data.
    start : State
        State of the model.
    asked : object
        The option `time_features`; with "auto" they are those of the model.

    Raises
    ------
    GridError
        If the scale differs, or if the model uses positions in its domain and LR cells differ.
    VariableError
        If the variables differ.
    """
    if pairing.scale != start.pairing.scale:
        raise GridError(
            f"Expected data of the scale {start.pairing.scale} for start=, got {pairing.scale}."
            " Give the LR or HR data on other cells, or leave start= out."
        )
    if asked == "auto":
        own = dataclasses.replace(own, time_features=start.features.time_features)
    for name, role in ROLES.items():
        wanted, got = (getattr(one, name) for one in (start.features, own))
        if sorted(wanted) != sorted(got):
            raise VariableError(
                f"Expected the {role} of the model in start=, {list(wanted)}, got {list(got)}."
                " Provide the same ones, or leave start= out."
            )
    places = [n for n in start.features.coordinate_features if n in DOMAIN_FEATURES]
    if places and not pairing.lr.same_cells(start.pairing.lr):
        raise GridError(
            f"Expected the LR cells of the model in start= ({start.pairing.lr.extent}), because"
            f" coordinate_features={places} are positions in its domain, got {pairing.lr.extent}."
            " Use a model with 'latitude' and 'longitude' for other domains."
        )
    return start.features


def require_same_scaling(asked: object, start: Any) -> None:
    """Raise a `ValueError` if the requested scaling differs from the scaling of the model."""
    if asked != start:
        raise ValueError(
            f"Expected the scaling of the model in start=, {start!r}, got {asked!r}: its weights"
            " belong to it. Leave scaling= out."
        )


def require_same_domain(localized: bool, pairing: Pairing, start: State) -> None:
    """Raise a `GridError` if the model has weights for each HR cell and the HR cells differ."""
    mine, theirs = pairing.hr, start.pairing.hr
    if localized and not (mine.same_cells(theirs) and same_place(mine, theirs)):
        raise GridError(
            f"Expected the HR cells of the model in start= ({start.pairing.hr.extent}), because"
            f" localized=True gives each of them separate weights, got {pairing.hr.extent}. Use a"
            " model with localized=False for other domains."
        )
