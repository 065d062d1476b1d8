"""Scores of ensembles, over any dimensions, lazily.

A cell counts where the truth and every member are valid. Oracle in the tests: xskillscore, and
plain loops over pairs of members.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from xr_dl4ds.metrics.pairs import MEMBER, Dimensions, in_one_chunk, require_members
from xr_dl4ds.metrics.pointwise import rmse


def crps(
    prediction: xr.DataArray, truth: xr.DataArray, dims: Dimensions, member: str = MEMBER
) -> xr.DataArray:
    """Continuous ranked probability score of an ensemble, the fair estimate.

    ``mean|x_i - y| - sum|x_i - x_j| / (2 M (M - 1))`` over the members x and the truth y: its
    expectation does not depend on the number of members M (Ferro 2014, doi:10.1002/qj.2270). It is
    the absolute error where there is one member, and may be below 0 in single cells.

    Parameters
    ----------
    prediction : xarray.DataArray
        With the dimension of members, in any position.
    truth : xarray.DataArray
        Without it, at the same coordinates and in the same units.
    dims : sequence of hashable
        Dimensions to average over; none for the score of each cell.
    member : str
        Name of the dimension of members.

    Returns
    -------
    xarray.DataArray
        In the units of the data, >= 0 but for chance, 0 is perfect. Lazy where the data are.

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
    return in_cells.mean(dims)


def _crps(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of arrays ``(..., member)`` and ``(...)``.

    In order of size, the differences of all pairs are a weighted sum of the members (Jordan et al.
    2019, doi:10.18637/jss.v090.i12), here of their errors, which are small.
    """
    shape, m = np.broadcast_shapes(members.shape[:-1], truth.shape), members.shape[-1]
    members, truth = np.broadcast_to(members, (*shape, m)), np.broadcast_to(truth, shape)
    weights = (2 * np.arange(m) - m + 1) / max(m * (m - 1), 1)
    out = np.empty(shape)
    for at in np.ndindex(shape[:-2]):  # one field at a time: a sorted copy of all would be large
        errors = np.sort(members[at].astype("f8") - truth[at][..., None], axis=-1)
        out[at] = np.abs(errors).mean(axis=-1) - errors @ weights
    return out


def spread(prediction: xr.DataArray, dims: Dimensions, member: str = MEMBER) -> xr.DataArray:
    """Root of the mean variance of the members (with M - 1), in their units.

    Parameters
    ----------
    prediction : xarray.DataArray
        With the dimension of members, in any position.
    dims : sequence of hashable
        Dimensions to average over.
    member : str
        Name of the dimension of members.

    Returns
    -------
    xarray.DataArray
        NaN for a single member, and where one member is missing. Lazy where the data are.

    Examples
    --------
    >>> import xarray as xr
    >>> float(spread(xr.DataArray([1.0, 2.0, 3.0], dims="realization"), []))
    1.0
    """
    require_members(prediction, member)
    return _variance(prediction, member).mean(dims) ** 0.5


def _variance(prediction: xr.DataArray, member: str) -> xr.DataArray:
    """Of the members in each cell, with M - 1."""
    if prediction.sizes[member] == 1:
        return prediction.isel({member: 0}, drop=True).astype("f8") * np.nan
    return prediction.astype("f8").var(member, ddof=1, skipna=False)


def spread_skill(
    prediction: xr.DataArray, truth: xr.DataArray, dims: Dimensions, member: str = MEMBER
) -> xr.DataArray:
    """Spread of the members over the error of their mean.

    ``sqrt((M + 1) / M) * spread / rmse of the mean``: 1 for members that scatter as the truth does,
    below 1 for too few surprises (Fortin et al. 2014, doi:10.1175/JHM-D-14-0008.1).

    Parameters
    ----------
    prediction : xarray.DataArray
        With the dimension of members, in any position.
    truth : xarray.DataArray
        Without it, at the same coordinates and in the same units.
    dims : sequence of hashable
        Dimensions over which cells are taken together.
    member : str
        Name of the dimension of members.

    Returns
    -------
    xarray.DataArray
        Ratio, 1; NaN for a single member. Lazy where the data are.

    Examples
    --------
    >>> import xarray as xr
    >>> members = xr.DataArray([1.0, 3.0], dims="realization")  # spread and error: sqrt(2), 2
    >>> float(spread_skill(members, xr.DataArray(4.0), []).round(4))  # sqrt(3 / 2 * 2 / 4)
    0.866
    """
    require_members(prediction, member, truth)
    mean = prediction.astype("f8").mean(member, skipna=False)
    scatter = _variance(prediction, member).where(truth.notnull()).mean(dims) ** 0.5
    return over_error(scatter, rmse(mean, truth, dims), prediction.sizes[member])


def over_error(scatter: xr.DataArray, error: xr.DataArray, members: int) -> xr.DataArray:
    """Spread over the RMSE of the mean, which errs more the fewer members it is taken of."""
    return ((members + 1) / members) ** 0.5 * scatter / error


def rank_histogram(
    prediction: xr.DataArray, truth: xr.DataArray, dims: Dimensions, member: str = MEMBER
) -> xr.DataArray:
    """Shares of the ranks of the truth among the members.

    Equal members, such as dry ones where it is dry, leave several ranks possible: such a cell
    counts in equal parts for each, which is what drawing one at random gives on average (Hamill
    2001, doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2).

    Parameters
    ----------
    prediction : xarray.DataArray
        With the dimension of members, in any position.
    truth : xarray.DataArray
        Without it, at the same coordinates and in the same units.
    dims : sequence of hashable
        Dimensions over which cells are taken together.
    member : str
        Name of the dimension of members.

    Returns
    -------
    xarray.DataArray
        Over ``rank`` 0 (the truth is below all members) to M; the sum is 1. Flat where the truth
        might be a member, high at both ends where members scatter too little. Lazy where the data
        are.

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
    cells = valid.sum(dims)
    ranks = np.arange(prediction.sizes[member] + 1, dtype="i4")  # CF-1.8 has none of 64 bits
    shares = [part.where((first <= r) & (r <= last), 0).where(valid).sum(dims) for r in ranks]
    out = xr.concat(shares, xr.Variable("rank", ranks)) / cells.where(cells > 0)
    return out.transpose(..., "rank")


def member_correlation(
    prediction: xr.DataArray, dims: Dimensions, member: str = MEMBER
) -> xr.DataArray:
    """Mean Pearson correlation of pairs of members.

    Of what members add to what they share: pass deviations, such as members minus their
    interpolated LR field. Near 1, the ensemble has collapsed and draws one answer; of deviations
    from the mean of the members it is about ``-1 / (M - 1)`` by construction.

    Parameters
    ----------
    prediction : xarray.DataArray
        Deviations, with the dimension of members.
    dims : sequence of hashable
        Dimensions along which members are correlated.
    member : str
        Name of the dimension of members.

    Returns
    -------
    xarray.DataArray
        1; members that are constant are left out, NaN for fewer than two others. Lazy where the
        data are.

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
