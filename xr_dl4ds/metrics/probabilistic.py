"""Scores of ensembles over any dimensions, computed lazily.

A cell counts if the truth and every member are valid. The tests compare with xskillscore, and with
plain loops over pairs of members.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.metrics.pairs import MEMBER, Dimensions, in_one_chunk, require_members
from xr_dl4ds.metrics.pointwise import rmse
from xr_dl4ds.metrics.weighting import mean


@with_expected_options
def crps(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    member: str = MEMBER,
    *,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the continuous ranked probability score of an ensemble, by its fair estimate.

    The estimate is ``mean|x_i - y| - sum|x_i - x_j| / (2 M (M - 1))`` over the members x and the
    truth y. Its expectation does not depend on the number of members M (Ferro 2014,
    doi:10.1002/qj.2270). For a single member it is the absolute error.

    Parameters
    ----------
    prediction : xarray.DataArray
        Ensemble, with the dimension of members in any position.
    truth : xarray.DataArray
        Truth without this dimension, at the same coordinates and in the same units.
    dims : sequence of hashable
        Dimensions to average over; an empty sequence gives the score of each cell.
    member : str
        Name of the dimension of members.
    weights : xarray.DataArray, optional
        Weights of the cells, such as their areas.

    Returns
    -------
    xarray.DataArray
        CRPS in the units of the data; 0 is perfect, and no value is below 0, but for rounding. With
        two members on both sides of the truth it is 0 too. NaN without valid cells. Lazy if the
        data are.

    Examples
    --------
    >>> import xarray as xr
    >>> members = xr.DataArray([1.0, 2.0, 4.0], dims="realization")
    >>> float(crps(members, xr.DataArray(2.0), []).round(6))  # 3 / 3 - (1 + 2 + 3) / 6
    0.0
    """
    require_members(prediction, member, truth)
    in_cells = xr.apply_ufunc(
        _crps,
        in_one_chunk(prediction, [member]),
        truth,
        input_core_dims=[[member], []],
        dask="parallelized",
        output_dtypes=["f8"],
    )
    return mean(in_cells, dims, weights)


def _crps(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the CRPS of arrays ``(..., member)`` and ``(...)``.

    For sorted members, the differences of all pairs are a weighted sum of the members (Jordan et
    al. 2019, doi:10.18637/jss.v090.i12). The sum is taken over their errors, which are small.
    """
    shape, m = np.broadcast_shapes(members.shape[:-1], truth.shape), members.shape[-1]
    members, truth = np.broadcast_to(members, (*shape, m)), np.broadcast_to(truth, shape)
    weights = (2 * np.arange(m) - m + 1) / max(m * (m - 1), 1)
    out = np.empty(shape)
    for at in np.ndindex(shape[:-2]):  # one field at a time: a sorted copy of all would be large
        errors = np.sort(members[at].astype("f8") - truth[at][..., None], axis=-1)
        out[at] = np.abs(errors).mean(axis=-1) - errors @ weights
    return out


@with_expected_options
def spread(
    prediction: xr.DataArray,
    dims: Dimensions,
    member: str = MEMBER,
    *,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the root of the mean variance of the members (with M - 1), in their units.

    Parameters
    ----------
    prediction : xarray.DataArray
        Ensemble, with the dimension of members in any position.
    dims : sequence of hashable
        Dimensions to average over.
    member : str
        Name of the dimension of members.
    weights : xarray.DataArray, optional
        Weights of the cells, such as their areas.

    Returns
    -------
    xarray.DataArray
        Spread; NaN for a single member, and without cells that all members have. Lazy if the data
        are.

    Examples
    --------
    >>> import xarray as xr
    >>> float(spread(xr.DataArray([1.0, 2.0, 3.0], dims="realization"), []))
    1.0
    """
    require_members(prediction, member)
    return mean(_variance(prediction, member), dims, weights) ** 0.5


def _variance(prediction: xr.DataArray, member: str) -> xr.DataArray:
    """Return the variance of the members in each cell, with M - 1."""
    if prediction.sizes[member] == 1:
        return prediction.isel({member: 0}, drop=True).astype("f8") * np.nan
    return prediction.astype("f8").var(member, ddof=1, skipna=False)


@with_expected_options
def spread_skill(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    member: str = MEMBER,
    *,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the spread of the members divided by the error of their mean.

    The ratio ``sqrt((M + 1) / M) * spread / rmse of the mean`` is 1 if members scatter as the truth
    does, and below 1 if an ensemble is overconfident (Fortin et al. 2014,
    doi:10.1175/JHM-D-14-0008.1).

    Parameters
    ----------
    prediction : xarray.DataArray
        Ensemble, with the dimension of members in any position.
    truth : xarray.DataArray
        Truth without this dimension, at the same coordinates and in the same units.
    dims : sequence of hashable
        Dimensions over which cells are pooled.
    member : str
        Name of the dimension of members.
    weights : xarray.DataArray, optional
        Weights of the cells, such as their areas.

    Returns
    -------
    xarray.DataArray
        Ratio (1); NaN for a single member. Lazy if the data are.

    Examples
    --------
    >>> import xarray as xr
    >>> members = xr.DataArray([1.0, 3.0], dims="realization")  # spread and error: sqrt(2), 2
    >>> float(spread_skill(members, xr.DataArray(4.0), []).round(4))  # sqrt(3 / 2 * 2 / 4)
    0.866
    """
    require_members(prediction, member, truth)
    centre = prediction.astype("f8").mean(member, skipna=False)
    variance = _variance(prediction, member).where(truth.notnull())
    scatter, error = mean(variance, dims, weights) ** 0.5, rmse(centre, truth, dims, weights)
    return over_error(scatter, error, prediction.sizes[member])


def spread_where_valid(
    members: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the spread of members in the cells where the truth is valid."""
    return spread(members.where(truth.notnull()), dims, weights=weights)


def over_error(scatter: xr.DataArray, error: xr.DataArray, members: int) -> xr.DataArray:
    """Return the spread divided by the RMSE of the mean, corrected for the number of members."""
    return ((members + 1) / members) ** 0.5 * scatter / error


@with_expected_options
def rank_histogram(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    member: str = MEMBER,
    *,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the shares of the ranks of the truth among the members.

    If members equal the truth, such as dry members where it is dry, several ranks are possible. The
    cell then counts in equal parts for each of them, which is the average of random draws (Hamill
    2001, doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2).

    Parameters
    ----------
    prediction : xarray.DataArray
        Ensemble, with the dimension of members in any position.
    truth : xarray.DataArray
        Truth without this dimension, at the same coordinates and in the same units.
    dims : sequence of hashable
        Dimensions over which cells are pooled.
    member : str
        Name of the dimension of members.
    weights : xarray.DataArray, optional
        Weights of the cells, such as their areas.

    Returns
    -------
    xarray.DataArray
        Shares along ``rank``, from 0 (the truth is below all members) to M; their sum is 1. The
        histogram is flat if the truth could be one of the members, and high at both ends if members
        scatter too little. Lazy if the data are.

    Examples
    --------
    >>> import xarray as xr
    >>> members = xr.DataArray([[0.0, 0.0], [0.0, 3.0]], dims=("time", "realization"))
    >>> rank_histogram(members, xr.DataArray([0.0, 1.0], dims="time"), ["time"]).to_numpy().round(3)
    array([0.167, 0.667, 0.167])
    """
    require_members(prediction, member, truth)
    valid = truth.notnull() & prediction.notnull().all(member)
    first = (prediction < truth).sum(member)
    last = first + (prediction == truth).sum(member)
    part = (1 / (1 + last - first)).where(valid)
    ranks = np.arange(prediction.sizes[member] + 1, dtype="i4")  # CF-1.8 has no 64-bit integers
    parts = (part.where((first <= r) & (r <= last), 0).where(valid) for r in ranks)
    shares = [mean(one, dims, weights) for one in parts]
    return xr.concat(shares, xr.Variable("rank", ranks)).transpose(..., "rank")


@with_expected_options
def member_correlation(
    prediction: xr.DataArray, dims: Dimensions, member: str = MEMBER
) -> xr.DataArray:
    """Return the mean Pearson correlation of pairs of members.

    Pass deviations, such as members minus their interpolated LR field, to compare the detail that
    members add. Near 1, the ensemble has collapsed to a single field. Deviations from the ensemble
    mean correlate by about ``-1 / (M - 1)`` by construction.

    Parameters
    ----------
    prediction : xarray.DataArray
        Deviations, with the dimension of members in any position.
    dims : sequence of hashable
        Dimensions along which members are correlated.
    member : str
        Name of the dimension of members.

    Returns
    -------
    xarray.DataArray
        Correlation (1). Constant members are left out; NaN if fewer than two members remain. Lazy
        if the data are.

    Examples
    --------
    >>> import xarray as xr
    >>> waves = xr.DataArray([[1.0, 2, 3], [2.0, 4, 6], [3.0, 2, 1]], dims=("realization", "x"))
    >>> float(member_correlation(waves, ["x"]).round(6))  # of 1, -1 and -1
    -0.333333
    """
    require_members(prediction, member)
    valid = prediction.notnull().all(member)
    values = prediction.astype("f8").where(valid)
    varies = values.max(dims) > values.min(dims)
    values = values - values.mean(dims)
    scaled = values / ((values**2).mean(dims) ** 0.5).where(varies)
    # the square of the sum of n scaled members holds n ones and every pair twice
    square = (scaled.sum(member).where(valid) ** 2).mean(dims)
    n = varies.sum(member)
    return (square - n) / (n * (n - 1)).where(n > 1)
