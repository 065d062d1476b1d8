"""Predictions of amounts with the mean of the truth, in physical units.

A network that minimizes absolute errors predicts the median, which for rain lies below the mean;
other losses are biased in other ways. One factor for each amount removes the bias over a sample of
the training data. Amounts with a constraint already have the mean of the LR field, and a bounded
output activation keeps its bounds.
"""

from __future__ import annotations

import dataclasses
import logging

import dask
import numpy as np
import xarray as xr

from xr_dl4ds.config.choices import BOUNDED
from xr_dl4ds.data.prepare import Prepared
from xr_dl4ds.downscaler import Downscaler
from xr_dl4ds.fitting.samples_of import network_input_of
from xr_dl4ds.prediction.ensemble import Draws, MemberSources
from xr_dl4ds.prediction.postprocess import cannot_be_negative

logger = logging.getLogger(__name__)

#: Training steps of the sample, evenly spread, and the most HR cells of them together.
STEPS, CELLS = 256, 2**25
#: Members whose mean is the prediction of a network that has no better one.
MEMBERS = 4
#: The factors lie between these.
LIMITS = (0.2, 5.0)


def with_means(model: Downscaler, prepared: Prepared) -> Downscaler:
    """Return the model with a factor for each amount that no constraint binds to LR.

    Members of flow matching have factors apart from those of the supervised model at whose
    prediction they begin.

    Parameters
    ----------
    model : Downscaler
        The fitted model.
    prepared : Prepared
        The data on which it was fitted.
    """
    if model.mean is not None and model.state.flow is not None:
        flow = dataclasses.replace(
            model.state.flow, guess_ratios=dict(model.mean.state.mean_ratios)
        )
        model = dataclasses.replace(model, state=dataclasses.replace(model.state, flow=flow))
    state, options = model.state, model.options
    sources = MemberSources.of(state, options)
    names = [
        name
        for name, constrained in zip(state.features.targets, sources.constrained, strict=True)
        if cannot_be_negative(state, options, name) and not constrained
    ]
    if not names or options.network.output_activation in BOUNDED:
        return model
    given, truth = network_input_of(
        model, prepared, prepared.train, STEPS, CELLS // sources.passes**2
    )
    draws = Draws(sources=sources, runner=model.runner, network_input=given)
    each = (
        [draws.without_cell_noise(*one) for one in draws.outputs(MEMBERS, 0)]
        if sources.averaged or state.flow is not None
        else [draws.run(None)]
    )
    runs = [state.features.unstack(one)[names] for one in each]
    wanted = state.features.unstack(truth)[names]
    found = dask.compute(wanted, *runs)
    true, *drawn = (one.drop_vars(list(one.coords)) for one in found)
    ratios = {name: _ratio(true[name], [one[name] for one in drawn], model) for name in names}
    for name, ratio in ratios.items():
        logger.info("predictions of %r are multiplied by %.3f, for their mean", name, ratio)
    return dataclasses.replace(model, state=dataclasses.replace(state, mean_ratios=ratios))


def _ratio(truth: xr.DataArray, runs: list[xr.DataArray], model: Downscaler) -> float:
    """Return the mean of the truth divided by that of predictions, over valid cells."""
    factor, offset = (model.state.scaler.of(str(truth.name), what) for what in ("factor", "offset"))
    valid = np.isfinite(truth.to_numpy())
    true = truth.to_numpy().astype("f8")[valid] * factor + offset
    predicted = [
        np.clip(one.to_numpy()[valid].astype("f8") * factor + offset, 0, None) for one in runs
    ]
    mean = float(np.mean(predicted))
    return float(np.clip(true.mean() / mean, *LIMITS)) if mean > 0 else 1.0
