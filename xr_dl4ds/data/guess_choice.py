"""Choice of the first guess: the one asked for, or the one with the least validation error."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np
import xarray as xr

from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.first_guess import (
    INTERPOLATED,
    FirstGuess,
    Fitter,
    Interpolator,
    guessed,
    season,
)
from xr_dl4ds.data.state import State
from xr_dl4ds.data.time_and_place import share_of_year
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.cf.time_axis import has_dates
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.grid.regridding.weights import METHODS

logger = logging.getLogger(__name__)

#: A first guess of all data, the guess of each fold, and the fold of each step.
Fitted = tuple[FirstGuess, list[FirstGuess], np.ndarray]

#: Fewest training steps for a choice between first guesses.
ENOUGH = 60
#: Seconds of the shortest series that has an annual cycle.
YEAR = 360 * 86400


def interpolation_of(state: State, method: str) -> Interpolator:
    """Return the interpolation of the LR counterparts of a state's targets."""
    pairing = state.pairing
    axes = ((pairing.seen.y, pairing.hr.y), (pairing.seen.x, pairing.hr.x))
    wy, wx = (METHODS[method](source, target).astype("f4") for source, target in axes)
    return Interpolator(wy=wy, wx=wx, channels=state.features.skips)


def guess_of(
    state: State,
    lr: xr.DataArray,
    method: str,
    by_fold: Sequence[FirstGuess] = (),
    folds: np.ndarray | None = None,
) -> xr.DataArray:
    """Return the first guess ``(time, y, x, channel)`` for LR channels, scaled and lazy.

    Without one in the state it is the interpolated LR field.

    Parameters
    ----------
    state : State
        State of the model.
    lr : xarray.DataArray
        LR channels ``(time, y, x, channel)``.
    method : {"bicubic", "bilinear", "nearest"}
        Interpolation of LR counterparts.
    by_fold : sequence of FirstGuess
        Guesses of folds, for training data.
    folds : numpy.ndarray, optional
        The fold of each step.
    """
    guess = state.first_guess or INTERPOLATED
    seasons = seasons_of(lr, annual=guess.harmonics > 0)
    own = by_fold or [guess]
    found = guessed(own, interpolation_of(state, method), lr, seasons, folds)
    times = {TIME: lr[TIME]} if TIME in lr.coords else {}
    return found.transpose(TIME, Y, X, CHANNEL).assign_coords(times)


def seasons_of(lr: xr.DataArray, *, annual: bool) -> np.ndarray:
    """Return the terms of the annual cycle at the steps of LR channels; none if not `annual`.

    Raises
    ------
    TimeError
        If there are no dates for an annual cycle.
    """
    if not annual:
        return season(None, lr.sizes[TIME])
    if not has_dates(lr.indexes.get(TIME)):
        raise TimeError(
            "Expected dates along the time axis for the annual cycle of the first guess, got"
            f" {lr.sizes[TIME]} steps without. Assign them with .assign_coords(time=...), or fit"
            " with first_guess='interpolation'."
        )
    return season(share_of_year(lr.indexes[TIME]), lr.sizes[TIME])


def has_years(lr: xr.DataArray) -> bool:
    """Return True for dates that span a year or more."""
    index = lr.indexes.get(TIME)
    if not has_dates(index):
        return False
    return float((index.max() - index.min()).total_seconds()) >= YEAR


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Guessing:
    """Data from which first guesses are fitted and chosen.

    Parameters
    ----------
    state : State
        State of the model, without first guess.
    train, validation : xarray.DataArray
        LR channels and targets of either part; no validation data is None.
    method : {"bicubic", "bilinear", "nearest"}
        Interpolation of LR counterparts.
    """

    state: State
    train: tuple[xr.DataArray, xr.DataArray]
    validation: tuple[xr.DataArray, xr.DataArray] | None
    method: str

    def _fitter(self, lr: xr.DataArray, target: xr.DataArray) -> Fitter:
        state, targets = self.state, self.state.features.targets
        return Fitter(
            lr=lr,
            target=target,
            seasons=seasons_of(lr, annual=has_years(self.train[0])),
            interpolation=interpolation_of(state, self.method),
            varying=len(state.features.lr_varying),
            amounts=tuple(state.never_negative(name) for name in targets),
            zeros=tuple(float(state.scaler.scaled(name, 0.0)) for name in targets),
            context=state.pairing.context,
        )

    def asked(self, kind: str) -> Fitted:
        """Fit a first guess of a kind.

        Raises
        ------
        VariableError
            If a bias correction lacks an LR counterpart.
        """
        lacking = [n for n in self.state.features.targets if n not in self._counterparts]
        if kind == "bias_corrected" and lacking:
            raise VariableError(
                f"Expected an LR counterpart of each target for first_guess={kind!r}, got"
                f" {list(self._counterparts)} without {lacking}. Pass counterparts=, or use"
                " first_guess='regression'."
            )
        if kind != "regression" and not has_years(self.train[0]):
            logger.warning(
                "the training data span less than a year, so that first_guess=%r has no annual"
                " cycle",
                kind,
            )
        fitter = self._fitter(*self.train)
        if kind == "regression":
            _note_memory(fitter, logging.WARNING)
        return *fitter.fit(kind), fitter.folds

    @property
    def _counterparts(self) -> Sequence[str]:
        return self.state.features.counterparts

    def best(self) -> Fitted | None:
        """Return the first guess with the least validation error; None for the interpolation."""
        if self.validation is None or self.train[0].sizes[TIME] < ENOUGH:
            return None
        fitter, held = self._fitter(*self.train), self._fitter(*self.validation)
        _note_memory(fitter, logging.INFO)
        kinds = ["regression"]
        kinds += ["climatology"] if has_years(self.train[0]) else []
        whole = len(self._counterparts) == len(self.state.features.targets)
        kinds += ["bias_corrected"] if whole else []
        fitted = {kind: fitter.fit(kind) for kind in kinds}
        errors = {kind: fitter.error(one, held) for kind, (one, _) in fitted.items()}
        errors["interpolation"] = fitter.error(INTERPOLATED, held)
        least = min(errors, key=lambda kind: errors[kind])
        logger.info(
            "the first guess is %r, by its error on the validation data (RMSE in standard"
            " deviations: %s)",
            least,
            ", ".join(f"{kind} {error**0.5:.3f}" for kind, error in errors.items()),
        )
        return (*fitted[least], fitter.folds) if least in fitted else None


def _note_memory(fitter: Fitter, level: int) -> None:
    """Log that a regression has no LR fields if memory leaves no components of these."""
    if not fitter.affordable:
        logger.log(
            level,
            "the HR domain is so large that memory leaves no principal components of the LR fields:"
            " first_guess='regression' is a climatology. Use 'bias_corrected', or a smaller domain",
        )


def require_whole_domain(state: State, lr: Grid) -> None:
    """Raise a `GridError` unless a prediction has the LR cells of a first guess."""
    if not lr.same_cells(state.pairing.lr):
        raise GridError(
            f"Expected LR fields on the whole training domain ({state.pairing.lr.extent}), to which"
            f" the first guess {(state.first_guess or INTERPOLATED).kind!r} is tied, got"
            f" {lr.extent}. Fit with first_guess='interpolation' for other domains."
        )
