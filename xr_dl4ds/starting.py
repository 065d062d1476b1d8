"""Training that goes on from a model: which of its data description the new one takes over.

Weights know scaled channels, not variables: so the channels stay those of the model, in its order
and with its statistics, whatever the new data's own would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.features import Features
from xr_dl4ds.grid.pairing import Pairing
from xr_dl4ds.state import State
from xr_dl4ds.units import require_units

#: Groups of variables, and what they are to the caller.
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


def channels(own: Features, pairing: Pairing, start: State) -> Features:
    """The channels of the model, when the new data have the same variables.

    Raises
    ------
    GridError
        For another scale.
    VariableError
        For other variables.
    """
    if pairing.scale != start.pairing.scale:
        raise GridError(
            f"Expected data of the scale {start.pairing.scale} for start=, got {pairing.scale}."
            " Give the LR or HR data on other cells, or leave start= out."
        )
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


def require_same_units(units: Mapping[str, str | None], start: State) -> None:
    """Raise a `VariableError` where units differ from those of the model."""
    for name, got in units.items():
        require_units(name, start.units.get(name), got, "these data", "the model in start=")


def require_same_scaling(asked: Any, start: Any) -> None:
    """Raise a `ValueError` where another scaling is asked for than the model has."""
    if asked != start:
        raise ValueError(
            f"Expected the scaling of the model in start=, {start!r}, got {asked!r}: its weights"
            " belong to it. Leave scaling= out."
        )


def require_same_domain(localized: bool, pairing: Pairing, start: State) -> None:
    """Raise a `GridError` where cells have weights of their own and are others."""
    if localized and not pairing.hr.same_cells(start.pairing.hr):
        raise GridError(
            f"Expected the HR cells of the model in start= ({start.pairing.hr.extent}), because"
            f" localized=True gives each of them weights of its own, got {pairing.hr.extent}. Use a"
            " model with localized=False for other domains."
        )
