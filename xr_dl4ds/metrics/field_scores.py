"""Scores of ensembles that see more than one cell, or that weight a part of the range of values.

A cell counts if the truth and every member are valid. The estimates are fair: their expectation
does not depend on the number of members. The tests compare with properscoring, scoringrules and
plain loops.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.metrics.pairs import (
    MEMBER,
    Dimensions,
    Plane,
    in_one_chunk,
    require_members,
    require_plane,
)
from xr_dl4ds.metrics.probabilistic import crps
from xr_dl4ds.metrics.weighting import mean

#: Edge in cells of the blocks whose maxima are scored by default.
BLOCK = 4
#: Cells of a field that are worked on at once, in all members.
_CELLS = 2**14


@with_expected_options
def threshold_weighted_crps(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    dims: Dimensions,
    member: str = MEMBER,
    *,
    weights: xr.DataArray | None = None,
    tail: str = "upper",
) -> xr.DataArray:
    """Return the CRPS of the values beyond a threshold, by its fair estimate.

    It is the `crps` of ``v(x) = max(x, threshold)``, or of ``min(x, threshold)`` for the lower
    tail, in the members and in the truth. This is the integral of the Brier score over the
    thresholds from `threshold` on (Gneiting and Ranjan 2011, doi:10.1198/jbes.2010.08110; Allen et
    al. 2023, doi:10.1137/22M1532184). The scores of both tails add up to the CRPS.

    Use it for extremes, and keep all cells. Scores of the cells alone whose truth is extreme reward
    an ensemble that predicts extremes everywhere (Lerch et al. 2017, doi:10.1214/16-STS588).

    Parameters
    ----------
    prediction : xarray.DataArray
        Ensemble, with the dimension of members in any position.
    truth : xarray.DataArray
        Truth without this dimension, at the same coordinates and in the same units.
    threshold : float
        Threshold in units of the data.
    dims : sequence of hashable
        Dimensions to average over; an empty sequence gives the score of each cell.
    member : str
        Name of the dimension of members.
    weights : xarray.DataArray, optional
        Weights of the cells, such as their areas.
    tail : {'upper', 'lower'}
        The values that count: those above the threshold, or those below it.

    Returns
    -------
    xarray.DataArray
        Score in the units of the data; 0 is perfect, and no value is below 0. It is small if few
        values are beyond the threshold: compare it with the score of a reference, not with the
        CRPS. NaN without valid cells. Lazy if the data are.

    Raises
    ------
    ValueError
        For another `tail`.

    Examples
    --------
    >>> members, truth = xr.DataArray([0.0, 6.0, 9.0], dims="realization"), xr.DataArray(8.0)
    >>> # of 5, 6, 9 and 8: (3 + 2 + 1) / 3 - (1 + 4 + 3) / 6
    >>> float(threshold_weighted_crps(members, truth, 5.0, []).round(6))
    0.666667
    >>> # of 0, 5, 5 and 5: 5 / 3 - (5 + 5) / 6
    >>> abs(float(threshold_weighted_crps(members, truth, 5.0, [], tail="lower").round(6)))
    0.0
    """
    if tail not in ("upper", "lower"):
        raise ValueError(f"Expected tail to be 'upper' or 'lower', got {tail!r}. Use one of these.")
    require_members(prediction, member, truth)
    low, high = (threshold, None) if tail == "upper" else (None, threshold)
    members, true = (one.astype("f8").clip(low, high) for one in (prediction, truth))
    return mean(crps(members, true, [], member), dims, weights)


@with_expected_options
def pooled_crps(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    size: int,
    dims: Dimensions,
    member: str = MEMBER,
    *,
    weights: xr.DataArray | None = None,
    plane: Plane = ("y", "x"),
    pool: str = "mean",
) -> xr.DataArray:
    """Return the CRPS of means or maxima over blocks of cells.

    Each member and the truth are pooled over blocks of ``size x size`` cells before the `crps` is
    computed, as Ravuri et al. (2021, doi:10.1038/s41586-021-03854-z) do. The CRPS of single cells
    cannot tell texture from noise: it does not change if the members are shuffled in each cell by
    itself, which destroys every pattern. The means and maxima of blocks do change. Means show
    whether the errors of neighbouring cells go together, maxima whether extremes do.

    Parameters
    ----------
    prediction : xarray.DataArray
        Ensemble, with the dimension of members in any position.
    truth : xarray.DataArray
        Truth without this dimension, at the same coordinates and in the same units.
    size : int
        Cells along each side of a block. The first block begins at the first cell.
    dims : sequence of hashable
        Dimensions to average over; without those of `plane` the result has a value for each block.
    member : str
        Name of the dimension of members.
    weights : xarray.DataArray, optional
        Weights of the cells, such as their areas. They also weight the cells in the mean of a
        block, and a block weighs as much as its cells together.
    plane : tuple of hashable
        The two dimensions of a field.
    pool : {'mean', 'max'}
        The mean or the maximum of the cells of a block.

    Returns
    -------
    xarray.DataArray
        CRPS in the units of the data; 0 is perfect, and no value is below 0. Blocks with a missing
        cell in the truth or in a member are left out, and so are the last rows and columns that
        fill no block. NaN without a complete block, such as for a `size` above that of the field.
        Lazy if the data are.

        Means of blocks vary less than cells, so that the score decreases with `size`: compare
        predictions at the same size.

    Raises
    ------
    ValueError
        For another `pool`, or a `size` below 1.
    GridError
        Without the dimensions of `plane`.

    Examples
    --------
    >>> members = [[[1.0, 0.0, 5.0]], [[0.0, 1.0, 5.0]]]  # each has one of two cells wrong
    >>> members = xr.DataArray(members, dims=("realization", "y", "x")).isel(y=[0, 0])
    >>> truth = xr.zeros_like(members[0])
    >>> float(pooled_crps(members, truth, 2, ["y", "x"]))  # both have the mean 1 / 2
    0.5
    >>> float(pooled_crps(members, truth, 2, ["y", "x"], pool="max"))  # the column of 5 is left out
    1.0
    >>> float(pooled_crps(members, truth, 1, ["y", "x"]).round(6))  # the mean of 0, 0 and 5
    1.666667
    """
    if pool not in ("mean", "max"):
        raise ValueError(f"Expected pool to be 'mean' or 'max', got {pool!r}. Use one of these.")
    if size < 1:
        raise ValueError(f"Expected size to be 1 or more cells, got {size}. Use 2 or more.")
    require_members(prediction, member, truth)
    for one in (prediction, truth):
        require_plane(one, plane)
    areas = weights if _along(weights, plane) else None
    if areas is not None:
        xr.align(truth, areas, join="exact", copy=False)  # products would drop other coordinates
        weights = _blocks(areas, size, plane, np.sum)
    members, true = (_pooled(one, size, plane, pool, areas) for one in (prediction, truth))
    return mean(crps(members, true, [], member), dims, weights)


def edge_of_blocks(shape: tuple[int, int]) -> int:
    """Return the edge in cells of the blocks whose maxima are scored: 4, less in smaller fields."""
    return min(BLOCK, *shape)


def _pooled(
    field: xr.DataArray, size: int, plane: Plane, pool: str, areas: xr.DataArray | None
) -> xr.DataArray:
    """Return the mean or the maximum of each block, NaN for blocks with a missing cell."""
    field = field.astype("f8")
    if pool == "max":
        return _blocks(field, size, plane, np.max)
    if areas is None:
        return _blocks(field, size, plane, np.mean)
    # weights along one dimension of a field must count each of its cells in the sum too
    areas = areas * xr.DataArray(np.ones([field.sizes[d] for d in plane]), dims=plane)
    total = _blocks(areas, size, plane, np.sum)
    return _blocks(field * areas, size, plane, np.sum) / total.where(total > 0)


def _blocks(
    field: xr.DataArray, size: int, plane: Plane, function: Callable[..., np.ndarray]
) -> xr.DataArray:
    """Reduce blocks along the dimensions of a plane; functions of NumPy keep NaN."""
    windows = {d: size for d in plane if d in field.dims}
    return field.coarsen(windows, boundary="trim").reduce(function)


@with_expected_options
def energy_score(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    plane: Plane = ("y", "x"),
    member: str = MEMBER,
    *,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the energy score of whole fields, by its fair estimate.

    The estimate is ``mean||x_i - y|| - sum||x_i - x_j|| / (2 M (M - 1))`` over the fields x of the
    members and the field y of the truth (Gneiting and Raftery 2007,
    doi:10.1198/016214506000001437). Here the norm is the root of the mean square over the valid
    cells of a field, which is the Euclidean norm divided by the root of their number. The score
    then has the units of the data, and does not grow with the domain. For one cell it is the
    `crps`, and for a single member the RMSE of each field.

    Parameters
    ----------
    prediction : xarray.DataArray
        Ensemble over `plane` and other dimensions, with the dimension of members in any position.
    truth : xarray.DataArray
        Truth without this dimension, at the same coordinates and in the same units.
    plane : tuple of hashable
        The two dimensions of a field.
    member : str
        Name of the dimension of members.
    weights : xarray.DataArray, optional
        Weights of the cells in the mean square, such as their areas. Weights without a dimension of
        `plane` are weights of the fields.

    Returns
    -------
    xarray.DataArray
        Energy score in the units of the data, averaged over all other dimensions, such as time; 0
        is perfect, and no value is below 0. Each field counts with its own valid cells; fields
        without any are left out; NaN if none is left. The result is lazy if the data are; each
        field is then in one chunk with all its members.

        In large fields of much independent detail the score depends mostly on the bias and the
        spread, and little on the patterns (Scheuerer and Hamill 2015,
        doi:10.1175/MWR-D-14-00269.1). Compare the spectra too, or the `pooled_crps`.

    Raises
    ------
    GridError
        Without the dimensions of `plane`.

    Examples
    --------
    >>> members = xr.DataArray([[[3.0, 4.0]], [[0.0, 0.0]]], dims=("realization", "y", "x"))
    >>> # RMSE 6.519 and 10, distance of the members 3.536: (6.519 + 10) / 2 - 2 * 3.536 / 4
    >>> float(energy_score(members, 0 * members[0] + 10).round(3))
    6.492
    >>> abs(float(energy_score(members, members[0]).round(6)))  # (0 + 3.536) / 2 - 2 * 3.536 / 4
    0.0
    """
    require_members(prediction, member, truth)
    for one in (prediction, truth):
        require_plane(one, plane)
    areas = xr.DataArray(np.ones([truth.sizes[d] for d in plane]), dims=plane)
    on_cells = _along(weights, plane)
    if weights is not None and on_cells:
        areas = areas * weights
    in_fields = xr.apply_ufunc(
        _energy,
        in_one_chunk(prediction, [member, *plane]),
        in_one_chunk(truth, plane),
        in_one_chunk(areas, plane),
        input_core_dims=[[member, *plane], list(plane), list(plane)],
        dask="parallelized",
        output_dtypes=["f8"],
    )
    return mean(in_fields, in_fields.dims, None if on_cells else weights)


def _energy(members: np.ndarray, truth: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Return the energy scores of arrays ``(..., member, y, x)`` and twice ``(..., y, x)``."""
    shape = np.broadcast_shapes(members.shape[:-3], truth.shape[:-2], areas.shape[:-2])
    members = np.broadcast_to(members, (*shape, *members.shape[-3:]))
    truth = np.broadcast_to(truth, (*shape, *truth.shape[-2:]))
    areas = np.broadcast_to(areas, (*shape, *areas.shape[-2:]))
    out = np.empty(shape)
    for at in np.ndindex(shape):
        out[at] = _energy_of_field(members[at], truth[at], areas[at])
    return out


def _energy_of_field(members: np.ndarray, truth: np.ndarray, areas: np.ndarray) -> float:
    """Return the energy score of arrays ``(member, y, x)`` and twice ``(y, x)``.

    The squared distances of members follow from the products of their deviations from the ensemble
    mean. These are as small as the distances, whereas errors may have a large part in common, whose
    squares would cancel. The products are summed over some rows of the field at a time.
    """
    m, (ny, nx) = len(members), truth.shape
    products, squares, total = np.zeros((m, m)), np.zeros(m), 0.0
    rows = max(_CELLS // max(nx, 1), 1)
    for start in range(0, ny, rows):
        part = slice(start, start + rows)
        errors = members[:, part].astype("f8") - truth[part]
        valid = ~np.isnan(errors).any(axis=0)
        errors, area = errors[:, valid], areas[part][valid]
        total += area.sum()
        squares += errors**2 @ area
        deviations = (errors - errors.mean(axis=0)) * np.sqrt(area)
        products += deviations @ deviations.T
    if not total > 0:
        return np.nan
    lengths = np.diag(products)
    distances = np.sqrt(np.maximum(lengths[:, None] + lengths - 2 * products, 0) / total)
    return float(np.sqrt(squares / total).mean() - distances.sum() / max(2 * m * (m - 1), 1))


def _along(weights: xr.DataArray | None, plane: Plane) -> bool:
    """Return True for weights along a dimension of fields."""
    return weights is not None and any(d in plane for d in weights.dims)
