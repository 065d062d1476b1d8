"""One score of `evaluate`: its function, and how it is named and shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import xarray as xr

Kind = Literal["statistic", "pair", "members", "ensemble_loss", "ensemble", "field"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """A score, and how it is named and shown.

    Parameters
    ----------
    function : callable
        ``(prediction, truth, dims, weights) -> score``; for statistics of one field ``(field, dims,
        weights) -> statistic``. With `per_threshold` the threshold stands before `dims`.
    kind : {"statistic", "pair", "members", "ensemble_loss", "ensemble", "field"}
        "statistic": a function ``(PairStatistics) -> score``. "pair": any score of two fields. For
        an ensemble both are those of its mean. "members": the function takes the members along
        ``realization`` instead of their mean. "ensemble_loss" and "ensemble": scores that only an
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
    mean_of : {"losses", "squares"}, optional
        The score is the mean of a loss of each cell, or the root of the mean of a square. Its skill
        then has a confidence interval.
    is_error : bool
        True for scores that are 0 for a perfect prediction alone, for which a skill is defined.
    mapped : bool
        For "pair" and "statistic": True for scores with a map and a series; for "field" a map.
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
    mean_of: Literal["losses", "squares"] | None = None
    is_error: bool = False
    mapped: bool = False
    of_baselines: bool = False
    per_threshold: bool = False
    needs: Callable[[xr.DataArray], str] | None = None
    digits: int = 3

    @property
    def of_ensembles(self) -> bool:
        """True for a score that only an ensemble has."""
        return self.kind in ("ensemble", "ensemble_loss")
