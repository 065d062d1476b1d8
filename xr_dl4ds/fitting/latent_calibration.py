"""Persistence and temperature of a fitted model's latent noise, measured on the validation data."""

from __future__ import annotations

import dataclasses
import logging

import dask
import numpy as np
import xarray as xr

from xr_dl4ds.config.distribution_channels import TRACE
from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.latent_fields import ALL_SEASONS, LatentFields
from xr_dl4ds.data.prepare import Prepared, SampleChannels
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.fitting.samples_of import network_input_of
from xr_dl4ds.fitting.temperature import (
    MEMBERS,
    mean_of_steps,
    spread_skill_of,
    temperature_of,
    typical,
)
from xr_dl4ds.grid.cf.time_axis import has_dates
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.prediction.ensemble import Draws, MemberSources
from xr_dl4ds.prediction.latent_blocks import SEASONS

logger = logging.getLogger(__name__)

#: Expected standard deviation of a sample of `MEMBERS` normal numbers with variance 1.
C4 = 0.9727
#: Most time steps, and most HR cells of them and of all targets together.
STEPS, CELLS = 192, 2**22
#: Consecutive steps whose correlation in time is measured.
RUN = 48
#: Correlations in time below this one are taken as none.
LEAST_PERSISTENCE = 0.15
#: Highest correlation in time: a moving average of few terms has no higher one.
MOST_PERSISTENCE = 0.9
#: A season has a temperature of its own if the validation data have this many of its steps.
STEPS_OF_SEASON = 40
#: Spread-skill ratio in training, divided by that in validation, above which a model overfits.
OVERFITS = 1.3


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """Steps of a part of the data, with the output of the network there.

    Parameters
    ----------
    draws : Draws
        Draws members from the output.
    output : xarray.DataArray
        Output of the network, in memory.
    truth : numpy.ndarray
        ``(time, y, x, target)``, scaled, NaN where masked.
    ratios : numpy.ndarray
        Factor of each target, measured from its physical zero.
    """

    draws: Draws
    output: xr.DataArray
    truth: np.ndarray
    ratios: np.ndarray

    @classmethod
    def of(
        cls, model: Downscaler, prepared: Prepared, part: SampleChannels, steps: int | slice
    ) -> _Part:
        sources = MemberSources.of(model.state, model.options)
        given, truth = network_input_of(model, prepared, part, steps, CELLS)
        draws = Draws(sources=sources, runner=model.runner, network_input=given)
        output, true = dask.compute(draws.run(None), truth.transpose(TIME, Y, X, CHANNEL))
        names = model.state.features.targets
        ratios = np.array([model.state.mean_ratios.get(name, 1.0) for name in names], "f4")
        return cls(draws=draws, output=output, truth=true.to_numpy(), ratios=ratios)

    def members(self, latent: LatentFields) -> np.ndarray:
        """Return members ``(member, time, y, x, target)``, scaled, NaN where masked."""
        sources = dataclasses.replace(self.draws.sources, latent=latent)
        draws = dataclasses.replace(self.draws, sources=sources, shared=self.output)
        found = np.stack([one.to_numpy() for one in draws.members(MEMBERS, seed=0)])
        zeros = np.array(sources.heads.offsets_from_zero, "f4")
        found = (found + zeros) * self.ratios - zeros
        return np.where(np.isfinite(self.truth), found, np.nan)


def with_latent_calibration(model: Downscaler, prepared: Prepared, calibrate: bool) -> Downscaler:
    """Measure how persistent the noise is, and scale it so that the spread equals the error.

    Both are measured on the validation data; without these, the persistence on the training data,
    and nothing is scaled. The temperature of a target multiplies its noise; it is left at 1 where
    the validation data cannot tell it from 1, and for samples without dates. (Radar rain of 24
    validation tiles, which several samples share, gave factors of 0.7 and 1.2 in two splits, by
    which the members of other tiles became worse.)

    Parameters
    ----------
    model : Downscaler
        The fitted model; returned unchanged if its members have no latent noise.
    prepared : Prepared
        The data on which it was fitted.
    calibrate : bool
        Whether to scale the noise.
    """
    latent = model.state.latent
    if latent is None:
        return model
    persistent = _with_persistence(model, prepared, latent)
    if calibrate and prepared.validation is not None:
        part = _Part.of(model, prepared, prepared.validation, STEPS)
        if has_dates(part.output.indexes.get(TIME)):
            latent = _with_temperature(model, part, latent)
        else:
            logger.info(
                "the spread of members is not calibrated: validation samples without dates may"
                " come from the same places, so their number does not tell how certain a factor is"
            )
        _note_overfitting(model, prepared, part, latent)
    latent = dataclasses.replace(persistent, temperature=latent.temperature)
    return dataclasses.replace(model, state=dataclasses.replace(model.state, latent=latent))


def _with_persistence(model: Downscaler, prepared: Prepared, latent: LatentFields) -> LatentFields:
    """Measure the correlation of standardized errors between successive steps."""
    part = prepared.train if prepared.validation is None else prepared.validation
    found = _longest_run(part)
    if found is None:
        return latent
    steps, seconds = found
    data = _Part.of(model, prepared, part, steps)
    members = data.members(latent)
    own = data.draws.sources.latent_targets
    spread = members.std(axis=0, ddof=1)[..., own]
    error = (data.truth - members.mean(axis=0))[..., own]
    persistence = [_persistence(error[..., i], spread[..., i]) for i in range(len(own))]
    clipped = np.clip(np.nan_to_num(persistence), 0, MOST_PERSISTENCE)
    kept = tuple(float(p) if p >= LEAST_PERSISTENCE else 0.0 for p in clipped)
    if not any(kept):
        return latent
    for i, value in zip(own, kept, strict=True):
        logger.info(
            "members of %r: noise of successive steps correlates by %.2f",
            *(model.state.features.targets[i], value),
        )
    return dataclasses.replace(latent, persistence=kept, step=seconds)


def _persistence(error: np.ndarray, spread: np.ndarray) -> float:
    """Return the correlation of noise between successive steps ``(time, y, x)``.

    Errors of a fully persistent ensemble have the products of its spreads. Their size relative to
    the spread is that of single steps, without the variance of the mean of the members.
    """
    variance = _total(spread**2)
    if not variance > TRACE**2:
        return 0.0
    inflation = (_total(error**2) - variance / MEMBERS) / variance
    products = _total(error[1:] * error[:-1])
    expected = inflation * _total(spread[1:] * spread[:-1]) / C4**2
    return products / expected if expected > 0 else 0.0


def _total(cells: np.ndarray) -> float:
    """Return the mean over valid cells, or 0 without any."""
    valid = cells[np.isfinite(cells)]
    return float(valid.mean()) if valid.size else 0.0


def _longest_run(part: SampleChannels) -> tuple[slice, float] | None:
    """Return the longest run of steps at one distance, and the distance in seconds."""
    index = part.target.indexes.get(TIME)
    if index is None or not has_dates(index) or len(index) < 8:
        return None
    apart = np.array([pair.total_seconds() for pair in index[1:] - index[:-1]])
    usual = float(np.median(apart))
    if not usual > 0:
        return None
    edges = np.flatnonzero(np.abs(apart - usual) > 0.01 * usual) + 1
    runs = list(zip([0, *edges], [*edges, len(index)], strict=True))
    first, last = max(runs, key=lambda run: run[1] - run[0])
    return None if last - first < 8 else (slice(int(first), int(min(last, first + RUN))), usual)


def _with_temperature(model: Downscaler, part: _Part, latent: LatentFields) -> LatentFields:
    """Find the factor of the noise with which the spread of members equals their error."""
    sources, names = part.draws.sources, model.state.features.targets
    seasons = _seasons(part.output)
    found: dict[str, dict[str, float]] = {}
    for i in sources.latent_targets:
        steps = {ALL_SEASONS: np.ones(len(part.output), bool), **seasons}
        found[names[i]] = {
            season: _temperature(part, latent, names, i, chosen, season)
            for season, chosen in steps.items()
        }
    scaled = {name: own for name, own in found.items() if any(t != 1 for t in own.values())}
    return dataclasses.replace(latent, temperature=scaled)


def _seasons(output: xr.DataArray) -> dict[str, np.ndarray]:
    """Return the steps of the seasons, if each season has enough."""
    index = output.indexes.get(TIME)
    if index is None or not has_dates(index):
        return {}
    each = np.array([SEASONS[int(month)] for month in index.month])
    steps = {season: each == season for season in ("DJF", "MAM", "JJA", "SON")}
    enough = min(int(chosen.sum()) for chosen in steps.values()) >= STEPS_OF_SEASON
    return steps if enough else {}


def _temperature(
    part: _Part,
    latent: LatentFields,
    names: tuple[str, ...],
    target: int,
    chosen: np.ndarray,
    season: str,
) -> float:
    """Return the temperature of a target at some steps; 1 where it cannot be told from 1."""

    def errors_and_spreads(temperature: float) -> tuple[np.ndarray, np.ndarray]:
        scaled = {names[target]: {ALL_SEASONS: temperature}}
        members = part.members(dataclasses.replace(latent, temperature=scaled))
        own, truth = members[..., target][:, chosen], part.truth[..., target][chosen]
        return mean_of_steps((own.mean(axis=0) - truth) ** 2), mean_of_steps(
            own.var(axis=0, ddof=1)
        )

    where = "" if season == ALL_SEASONS else f" in {season}"
    return temperature_of(errors_and_spreads, names[target], where=where, cells=CELLS)


def _note_overfitting(
    model: Downscaler, prepared: Prepared, part: _Part, latent: LatentFields
) -> None:
    """Warn if members are much less sure of the training data than the validation data allow."""
    training = _Part.of(model, prepared, prepared.train, STEPS // 2)
    plain = dataclasses.replace(latent, temperature={})
    ratios = [_ratios(one, plain) for one in (training, part)]
    for i in part.draws.sources.latent_targets:
        inside, outside = (one[i] for one in ratios)
        if inside > OVERFITS * outside and outside < 0.85:
            logger.warning(
                "the members of %r are too sure of new data: before calibration their spread is"
                " %.2f of the error in training and %.2f in validation. Add dropout='spatial', more"
                " training data, or fewer epochs or filters",
                *(model.state.features.targets[i], inside, outside),
            )


def _ratios(part: _Part, latent: LatentFields) -> dict[int, float]:
    """Return the spread-skill ratio of each target with latent noise; NaN where it has no error."""
    members, found = part.members(latent), {}
    for i in part.draws.sources.latent_targets:
        own = members[..., i]
        errors = mean_of_steps((own.mean(axis=0) - part.truth[..., i]) ** 2)
        spreads = mean_of_steps(own.var(axis=0, ddof=1))
        found[i] = spread_skill_of(errors, spreads)[0] if typical(errors) > TRACE else np.nan
    return found
