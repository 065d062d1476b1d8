"""Means over cells, with equal weights or the areas of cells as weights."""

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
