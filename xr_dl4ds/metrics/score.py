"""One score of `evaluate`: its function, and how it is named and shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import xarray as xr

Kind = Literal["error", "pair", "members", "ensemble_error", "ensemble", "field"]
Loss = Callable[[xr.DataArray], xr.DataArray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """A score, and how it is named and shown.

    Parameters
    ----------
    function : callable
        ``(prediction, truth, dims, weights) -> score``; for statistics of one field ``(field, dims,
        weights) -> statistic``. With `per_threshold` the threshold stands before `dims`.
    kind : {"error", "pair", "members", "ensemble_error", "ensemble", "field"}
        "error": the (root) mean of a loss of each cell. "pair": any score of two fields. For an
        ensemble both are those of its mean. "members": the function takes the members along
        ``realization`` instead of their mean. "ensemble_error" and "ensemble": scores that only an
        ensemble has; the first is a mean over cells, is also computed for baselines as ensembles of
        one member, and has a skill. "field": a statistic of one field, also computed for the truth.
    group : str
        Name of a group of scores, which stands for all of them.
    long_name : str
        CF's ``long_name``.
    heading : str
        The head of its column in tables; scores without a heading are not in tables.
    units : str, optional
        CF units; by default those of the variable.
    loss : callable, optional
        For "error": the loss of a cell as a function of prediction minus truth.
    root : bool
        For "error": True for the root of the mean loss.
    is_error : bool
        True for scores that are 0 for a perfect prediction alone, for which a skill is defined.
    mapped : bool
        For "pair": True for scores that have a map and a series; for "field" a map.
    of_baselines : bool
        For "ensemble": True to compute it for baselines too, as ensembles of one member.
    per_threshold : bool
        True for scores along ``threshold``.
    needs : callable, optional
        ``(truth) -> text``, what the score needs and a field ``(time, y, x)`` with the attribute
        ``units`` does not have; an empty text if nothing is missing.
    digits : int
        Decimals in tables.
    """

    function: Callable[..., xr.DataArray]
    group: str
    long_name: str
    kind: Kind = "pair"
    heading: str = ""
    units: str | None = None
    loss: Loss | None = None
    root: bool = False
    is_error: bool = False
    mapped: bool = False
    of_baselines: bool = False
    per_threshold: bool = False
    needs: Callable[[xr.DataArray], str] | None = None
    digits: int = 3

    @property
    def of_ensembles(self) -> bool:
        """True for a score that only an ensemble has."""
        return self.kind in ("ensemble", "ensemble_error")
