"""Confidence intervals by resampling blocks of time steps."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xr_dl4ds.grid.names import TIME
from xr_dl4ds.metrics.pairs import in_one_chunk
from xr_dl4ds.metrics.sample import PREDICTION

#: Number of resampled series.
RESAMPLES = 1000
#: Ends of the interval: 95 % of the resampled skills lie between.
ENDS = (0.025, 0.975)
#: Fewest blocks for an interval.
BLOCKS = 5


def skill_interval(losses: xr.DataArray, weights: xr.DataArray, *, root: bool) -> xr.DataArray:
    """Return a confidence interval of the skill against each reference.

    Blocks of consecutive steps are drawn with replacement until they have as many steps as the
    series, and skill is computed from their losses; 1,000 times (moving-block bootstrap, Künsch
    1989, doi:10.1214/aos/1176347265). The same blocks are drawn for prediction and reference. The
    length L of a block follows from the lag-1 autocorrelation r of the differences of losses:
    ``L = (n - L + 1)**(2 / 3 * (1 - n' / n))`` with ``n' / n = (1 - r) / (1 + r)`` (Wilks 1997,
    doi:10.1175/1520-0442(1997)010<0065:RHTFAF>2.0.CO;2). The draws have a fixed seed.

    Parameters
    ----------
    losses : xarray.DataArray
        Mean loss ``(product, time)`` of each step, NaN without valid cells.
    weights : xarray.DataArray
        Weight of each step ``(time,)``, 0 without valid cells.
    root : bool
        True if the score is the root of the mean loss.

    Returns
    -------
    xarray.DataArray
        ``(reference, bound)``, the 2.5th and the 97.5th percentile; NaN if the steps make fewer
        than five blocks. Lazy if the losses are.
    """
    references = losses.drop_sel(product=PREDICTION).rename(product="reference")
    found = xr.apply_ufunc(
        _interval,
        in_one_chunk(losses.sel(product=PREDICTION, drop=True), [TIME]),
        in_one_chunk(references, [TIME]),
        in_one_chunk(weights, [TIME]),
        input_core_dims=[[TIME], [TIME], [TIME]],
        output_core_dims=[["bound"]],
        vectorize=True,
        dask="parallelized",
        output_dtypes=["f8"],
        dask_gufunc_kwargs={"output_sizes": {"bound": 2}},
        kwargs={"root": root},
    )
    return found.assign_coords(bound=["lower", "upper"])


def _interval(
    prediction: np.ndarray, reference: np.ndarray, weights: np.ndarray, *, root: bool
) -> np.ndarray:
    there = weights > 0
    prediction, reference, weights = prediction[there], reference[there], weights[there]
    n = len(weights)
    length = block_length(prediction - reference)
    if n < BLOCKS * length:
        return np.full(2, np.nan)
    rng = np.random.default_rng(0)
    starts = rng.integers(0, n - length + 1, (RESAMPLES, -(-n // length)))
    drawn = (starts[..., None] + np.arange(length)).reshape(RESAMPLES, -1)[:, :n]
    sums = [(one * weights)[drawn].sum(axis=1) for one in (prediction, reference)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = sums[0] / sums[1]
    skill = 1 - (np.sqrt(np.maximum(ratio, 0)) if root else ratio)
    ends: np.ndarray = np.quantile(skill, ENDS)
    return ends


def block_length(series: np.ndarray) -> int:
    """Return the number of steps of a block, see `skill_interval`."""
    n, anomaly = len(series), series - series.mean() if len(series) else series
    power = float(anomaly @ anomaly)
    lag1 = float(anomaly[1:] @ anomaly[:-1]) / power if power > 0 else 0.0
    exponent = 2 / 3 * (1 - (1 - lag1) / (1 + lag1)) if lag1 > 0 else 0.0
    length = 1.0
    for _ in range(100):
        longer = max(n - length + 1, 1.0) ** exponent
        if abs(longer - length) < 0.01:
            break
        length = (length + longer) / 2
    return max(1, min(round(length), n))
