"""Means and variances over cells, with equal weights or the areas of cells as weights."""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.metrics.pairs import Dimensions


def mean(
    values: xr.DataArray, dims: Dimensions, weights: xr.DataArray | None = None
) -> xr.DataArray:
    """Return the mean of the valid values over some dimensions.

    Parameters
    ----------
    values : xarray.DataArray
        Values, NaN where they are missing.
    dims : sequence of hashable
        Dimensions to average over; an empty sequence returns the values.
    weights : xarray.DataArray, optional
        Weights along dimensions of `values`, without NaN, such as the areas of cells. They count
        only if the mean runs over one of their dimensions.

    Returns
    -------
    xarray.DataArray
        Mean; NaN without valid values. Lazy if the values are.

    Examples
    --------
    >>> values = xr.DataArray([[1.0, 4.0], [2.0, float("nan")]], dims=("time", "y"))
    >>> areas = xr.DataArray([1.0, 3.0], dims="y")
    >>> float(mean(values, ["time", "y"], areas))  # (1 + 2 + 3 * 4) / (1 + 1 + 3)
    3.0
    >>> mean(values, ["time"], areas).to_numpy()
    array([1.5, 4. ])
    """
    if weights is None or not any(d in dims for d in weights.dims):
        return values.mean(dims)
    return values.weighted(weights).mean(dims)


def anomaly(values: xr.DataArray) -> xr.DataArray:
    """Return values minus a constant that is near their mean, float64.

    Variances and covariances can then be computed from means of products in one pass over lazy
    data, without a loss of digits. The constant is the mean of the first chunk, or 0 if that has no
    values.
    """
    values = values.astype("f8")
    first = values
    if values.chunks is not None:
        first = values.isel({d: slice(0, sizes[0]) for d, sizes in values.chunksizes.items()})
    return values - first.mean().fillna(0.0)


def covariance(
    a: xr.DataArray, b: xr.DataArray, dims: Dimensions, weights: xr.DataArray | None = None
) -> xr.DataArray:
    """Return the covariance of two results of `anomaly` that are NaN in the same cells."""
    return mean(a * b, dims, weights) - mean(a, dims, weights) * mean(b, dims, weights)


def variance(
    a: xr.DataArray, dims: Dimensions, weights: xr.DataArray | None = None
) -> xr.DataArray:
    """Return the variance of a result of `anomaly`: exactly 0 for constant values."""
    varies = a.max(dims) > a.min(dims)
    found = covariance(a, a, dims, weights)
    return found.clip(min=0).where(varies | found.isnull(), 0.0)
