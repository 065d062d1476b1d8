"""One score of `evaluate`: its function, and how it is named and shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import xarray as xr

Kind = Literal[
    "statistic",
    "table",
    "pair",
    "members",
    "ensemble_loss",
    "ensemble",
    "field",
    "index",
    "variables",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """A score, and how it is named and shown.

    Parameters
    ----------
    function : callable
        ``(prediction, truth, dims, weights) -> score``; for statistics of one field ``(field, dims,
        weights) -> statistic``. With `per_threshold` the threshold stands before `dims`.
    kind : Kind
        "statistic" and "table": functions ``(PairStatistics) -> score`` and ``(ContingencyTable) ->
        score``. "pair": any score of two fields. For an ensemble these are scores of its mean.
        "members": the function takes the members along ``realization`` instead of their mean.
        "ensemble_loss" and "ensemble": scores that only an ensemble has; the first is a mean over
        cells, is also computed for baselines as ensembles of one member, and has a skill. "field":
        a statistic of one field, also computed for the truth. "index": the same, of each cell: a
        function ``(field, time) -> map``. "variables": a score of two variables, in each product
        and in the truth.
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
        For "pair" and "statistic": True for scores with a map and a series; for "field", "index"
        and "variables" a map.
    of_baselines : bool
        For "ensemble": True to compute it for baselines too, as ensembles of one member.
    per_threshold : bool
        True for scores along ``threshold``.
    of_lr : bool
        For "field": True to compute it for the LR fields on their own cells too.
    takes : tuple of str
        Attributes of `Sample` that the function takes as arguments of these names.
    needs : callable, optional
        ``(truth) -> text``, what the score needs and a field ``(time, y, x)`` with the attribute
        ``units`` does not have; an empty text if nothing is missing.
    note : callable, optional
        ``(truth) -> text`` to log once where the score is computed; an empty text for nothing.
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
    of_lr: bool = False
    takes: tuple[str, ...] = ()
    needs: Callable[[xr.DataArray], str] | None = None
    note: Callable[[xr.DataArray], str] | None = None
    digits: int = 3

    @property
    def of_ensembles(self) -> bool:
        """True for a score that only an ensemble has."""
        return self.kind in ("ensemble", "ensemble_loss")
