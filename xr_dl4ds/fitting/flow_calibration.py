"""Temperature of the noise of flow matching, measured on the validation data."""

from __future__ import annotations

import dataclasses
import logging

import dask
import numpy as np

from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.latent_fields import ALL_SEASONS
from xr_dl4ds.data.prepare import Prepared
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.fitting.samples_of import network_input_of
from xr_dl4ds.fitting.temperature import MEMBERS, mean_of_steps, temperature_of
from xr_dl4ds.grid.cf.time_axis import has_dates
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.prediction.ensemble import Draws, MemberSources

logger = logging.getLogger(__name__)

#: Most time steps, and most HR cells of them and of all targets together, times the runs of the
#: network for a member.
STEPS, CELLS = 96, 2**21


def with_flow_calibration(model: Downscaler, prepared: Prepared, calibrate: bool) -> Downscaler:
    """Scale the noise of flow matching so that the spread of members equals the error.

    Measured on validation data with dates, as the temperature of latent noise. Other models are
    returned unchanged.

    Parameters
    ----------
    model : Downscaler
        The fitted model.
    prepared : Prepared
        The data on which it was fitted.
    calibrate : bool
        Whether to scale the noise.
    """
    part = prepared.validation
    if model.state.flow is None or not calibrate or part is None:
        return model
    if not has_dates(part.lr.indexes.get(TIME)):
        logger.info("the spread of members is not calibrated: the validation samples have no dates")
        return model
    passes = MemberSources.of(model.state, model.options).passes
    given, target = network_input_of(model, prepared, part, STEPS, CELLS // passes)
    (truth,) = dask.compute(target.transpose(TIME, Y, X, CHANNEL))
    true, found = truth.to_numpy(), {}
    for i, name in enumerate(model.state.features.targets):

        def errors_and_spreads(
            temperature: float, name: str = name, i: int = i
        ) -> tuple[np.ndarray, np.ndarray]:
            scaled = _with_temperature(model, {name: {ALL_SEASONS: temperature}})
            sources = MemberSources.of(scaled.state, scaled.options)
            draws = Draws(sources=sources, runner=scaled.runner, network_input=given)
            members = np.stack(
                [
                    one.transpose(TIME, Y, X, CHANNEL).isel({CHANNEL: i}).to_numpy()
                    for one in dask.compute(*draws.members(MEMBERS, seed=0))
                ]
            )
            members = np.where(np.isfinite(true[..., i]), members, np.nan)
            error = (members.mean(axis=0) - true[..., i]) ** 2
            return mean_of_steps(error), mean_of_steps(members.var(axis=0, ddof=1))

        found[name] = {ALL_SEASONS: temperature_of(errors_and_spreads, name, cells=CELLS // passes)}
    return _with_temperature(model, found)


def _with_temperature(model: Downscaler, found: dict[str, dict[str, float]]) -> Downscaler:
    """Return a model with other factors of the noise."""
    assert model.state.flow is not None
    flow = dataclasses.replace(model.state.flow, temperature=found)
    return dataclasses.replace(model, state=dataclasses.replace(model.state, flow=flow))
