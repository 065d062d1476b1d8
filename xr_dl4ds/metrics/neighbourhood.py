"""Scores of neighbourhoods, which forgive small displacements, and the size of structures.

Rain a few cells from where it fell counts twice against a prediction in the scores of single cells:
it is missing in one place and wrong in another. The fractions skill score compares the share of
rainy cells around each cell instead. The autocorrelation length says how large the structures of a
field are. The tests compare with plain loops and with pysteps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy import fft

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.metrics.pairs import Plane, in_one_chunk, require_plane, require_same_coordinates


@with_expected_options
def fss(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    threshold: float,
    size: int,
    plane: Plane = ("y", "x"),
    *,
    periodic: bool = False,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the fractions skill score (FSS) of an event in square neighbourhoods.

    An event is a value at or above the threshold. The fractions ``Pf`` and ``Po`` are the shares of
    cells with an event in the neighbourhood of each cell, in the prediction and in the truth. The
    score is ``1 - mean((Pf - Po)**2) / (mean(Pf**2) + mean(Po**2))`` (Roberts and Lean 2008,
    doi:10.1175/2007MWR2123.1).

    The three means run over all cells and all other dimensions, such as time, together. The score
    is therefore not the mean of the scores of single days: days with many events count more, and
    days without any event do not make it undefined.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    threshold : float
        Threshold in units of the data, such as 1 mm per day. It is compared in the precision of
        each array.
    size : int
        Side of the neighbourhood in cells: an odd number; 1 compares the cells themselves. A
        neighbourhood may be larger than the field.
    plane : tuple of hashable
        The two horizontal dimensions.
    periodic : bool
        True if the last dimension of `plane` is a circle, such as the longitudes of the globe.
        Neighbourhoods then continue at the other side.
    weights : xarray.DataArray, optional
        Weights of the fractions in the three means, along any dimensions of the data, without NaN,
        such as the areas of cells. Within a neighbourhood all cells have equal weights.

    Returns
    -------
    xarray.DataArray
        Score (1), without dimensions. It is 1 for a perfect prediction and 0 if no event of the
        prediction has an event of the truth in reach. It is NaN if neither has an event, or no cell
        is valid. Lazy if the data are; each field is then in one chunk.

    Notes
    -----
    Cells outside the domain, and cells that are missing in the prediction or in the truth, do not
    count in a fraction; it is the share of the valid cells of a neighbourhood. Some other software
    counts them as cells without an event, which changes the score near edges. Missing cells have no
    fraction of their own.

    The score grows with the size of the neighbourhood and with the frequency ``f`` of the event.
    Roberts and Lean (2008) call scales useful at which it exceeds ``0.5 + f / 2``. In large
    neighbourhoods it stays below 1 if the event is too frequent or too rare in the prediction.

    Examples
    --------
    The prediction has the event one cell beside the truth:

    >>> import xarray as xr
    >>> truth = xr.DataArray([[0.0, 5.0, 0.0, 0.0, 0.0]], dims=("y", "x"))
    >>> prediction = truth.roll(x=1)
    >>> float(fss(prediction, truth, 1.0, size=1))
    0.0

    In neighbourhoods of three cells, of which two are inside at the ends, the fractions are
    0, 1/3, 1/3, 1/3, 0 and 1/2, 1/3, 1/3, 0, 0, so that the score is
    1 - (1/4 + 1/9) / (3/9 + 1/4 + 2/9):

    >>> float(fss(prediction, truth, 1.0, size=3).round(6))
    0.551724
    """
    parts = _parts(prediction, truth, [threshold], [size], plane, periodic, weights)
    return _score(parts).isel(threshold=0, size=0, drop=True)


@with_expected_options
def fss_scales(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    thresholds: Sequence[float],
    sizes: Sequence[int],
    plane: Plane = ("y", "x"),
    *,
    periodic: bool = False,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the fractions skill scores of several events in neighbourhoods of several sizes.

    `fss` describes the score. The data are read once for all thresholds and sizes.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    thresholds : sequence of float
        Thresholds in units of the data.
    sizes : sequence of int
        Sides of the neighbourhoods in cells, odd numbers.
    plane : tuple of hashable
        The two horizontal dimensions.
    periodic : bool
        True if the last dimension of `plane` is a circle, such as the longitudes of the globe.
    weights : xarray.DataArray, optional
        Weights of the fractions in the three means, along any dimensions of the data, without NaN.

    Returns
    -------
    xarray.DataArray
        Scores (1) along ``threshold`` and ``size``; 1 is perfect, 0 the worst value. NaN for events
        that occur in neither. Lazy if the data are; each field is then in one chunk.

    Examples
    --------
    >>> import xarray as xr
    >>> truth = xr.DataArray([[0.0, 5.0, 0.0, 0.0, 0.0]], dims=("y", "x"))
    >>> scores = fss_scales(truth.roll(x=1), truth, [1.0, 9.0], [1, 3])
    >>> scores.round(3).to_numpy()
    array([[0.   , 0.552],
           [  nan,   nan]])
    """
    parts = _parts(prediction, truth, thresholds, sizes, plane, periodic, weights)
    return _score(parts).assign_coords(
        threshold=np.array(thresholds, "f8"),
        size=("size", np.array(sizes, "i4"), {"units": "1", "long_name": "cells along a side"}),
    )


def _score(parts: xr.DataArray) -> xr.DataArray:
    """Return the score, of which the two sums lie along ``part``."""
    pooled = parts.sum([d for d in parts.dims if d not in ("threshold", "size", "part")])
    difference, reference = pooled.isel(part=0), pooled.isel(part=1)
    return 1 - difference / reference.where(reference > 0)


def _parts(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    thresholds: Sequence[float],
    sizes: Sequence[int],
    plane: Plane,
    periodic: bool,
    weights: xr.DataArray | None,
) -> xr.DataArray:
    """Return the sums of (Pf - Po)**2 and of Pf**2 + Po**2 of each field."""
    require_plane(prediction, plane)
    require_plane(truth, plane)
    require_same_coordinates(prediction, truth)
    for size in sizes:
        if size < 1 or size % 2 != 1:
            raise ValueError(
                f"Expected `size` to be an odd number of cells, so that a neighbourhood has a cell"
                f" at its centre, got {size}. Pass an odd number such as {_odd_near(size)}."
            )
    ones = xr.DataArray(np.ones([truth.sizes[d] for d in plane]), dims=plane)
    factor = ones if weights is None else weights * ones
    return xr.apply_ufunc(
        _field_parts,
        *(in_one_chunk(one, plane) for one in (prediction, truth, factor)),
        input_core_dims=[list(plane)] * 3,
        output_core_dims=[["threshold", "size", "part"]],
        kwargs={
            "thresholds": [float(t) for t in thresholds],
            "sizes": [int(s) for s in sizes],
            "periodic": periodic,
        },
        keep_attrs=False,
        dask="parallelized",
        output_dtypes=["f8"],
        dask_gufunc_kwargs={
            "output_sizes": {"threshold": len(thresholds), "size": len(sizes), "part": 2}
        },
    )


def _odd_near(size: float) -> int:
    return max(2 * int(size // 2) + 1, 1)


def _field_parts(
    prediction: np.ndarray,
    truth: np.ndarray,
    weights: np.ndarray,
    *,
    thresholds: Sequence[float],
    sizes: Sequence[int],
    periodic: bool,
) -> np.ndarray:
    """Return the two sums of arrays ``(..., y, x)``, as ``(..., threshold, size, part)``."""
    shape = np.broadcast_shapes(prediction.shape, truth.shape, weights.shape)
    prediction, truth, weights = (
        np.broadcast_to(one, shape) for one in (prediction, truth, weights)
    )
    out = np.zeros((*shape[:-2], len(thresholds), len(sizes), 2))
    counts = np.zeros((0, 0, 0))
    known = None
    for at in np.ndindex(shape[:-2]):  # one field at a time, to save memory
        valid = ~(np.isnan(prediction[at]) | np.isnan(truth[at]))
        if known is None or not np.array_equal(valid, known):
            known, counts = valid, _box_sums(valid, sizes, periodic)
            counts = np.where(counts > 0, counts, 1).astype("f8")
        factor = np.where(valid, weights[at], 0.0).ravel()
        for i, threshold in enumerate(thresholds):
            sums = (
                _box_sums((one[at] >= threshold) & valid, sizes, periodic)
                for one in (prediction, truth)
            )
            for j, (own, other) in enumerate(zip(*sums, strict=True)):
                first, second = (own / counts[j]).ravel(), (other / counts[j]).ravel()
                squares = _weighted(factor, first) + _weighted(factor, second)
                first -= second
                out[(*at, i, j)] = (_weighted(factor, first), squares)
    return out


def _weighted(weights: np.ndarray, values: np.ndarray) -> float:
    """Return the weighted sum of squares, without further arrays."""
    return float(np.einsum("i,i,i->", weights, values, values))


def _box_sums(flags: np.ndarray, sizes: Sequence[int], periodic: bool) -> np.ndarray:
    """Return the number of True cells in boxes around each cell of an array ``(y, x)``.

    The result is ``(size, y, x)``. The differences of cumulative sums of integers are exact.
    """
    ny, nx = flags.shape
    reach = min(max(sizes) // 2, max(ny, nx))
    if periodic:
        around = np.arange(-min(reach, nx // 2), nx + min(reach, nx // 2))
        flags = flags[:, around % nx]
    beyond = (flags.shape[1] - nx) // 2
    sums = np.zeros((ny + 1, flags.shape[1] + 1), "i4")
    np.cumsum(flags, axis=1, out=sums[1:, 1:])
    np.cumsum(sums, axis=0, out=sums)
    sums = np.pad(sums, [(reach, reach), (reach - beyond, reach - beyond)], mode="edge")
    out = np.empty((len(sizes), ny, nx), "i4")
    for i, size in enumerate(sizes):
        half = min(size // 2, reach)
        low, high = reach - half, reach + half + 1
        rows = sums[high : high + ny] - sums[low : low + ny]
        if periodic and size >= nx:  # every box holds the whole circle, each cell once
            circle = rows[:, reach + nx] - rows[:, reach]
            out[i] = circle[:, None]
        else:
            np.subtract(rows[:, high : high + nx], rows[:, low : low + nx], out=out[i])
    return out


@with_expected_options
def autocorrelation_length(
    field: xr.DataArray,
    plane: Plane = ("y", "x"),
    *,
    spacing: float | None = None,
    periodic: bool = False,
) -> xr.DataArray:
    """Return the distance at which the spatial autocorrelation first falls below 1 / e.

    The anomalies are each field minus its mean over the plane. The autocovariance at a distance is
    the mean product of the anomalies of all pairs of valid cells in a ring: distances that round to
    the same number of cells. It is averaged over directions and over all other dimensions, such as
    time, and divided by the mean variance. Each ring stands at the mean distance of its pairs;
    between rings the autocorrelation is interpolated linearly.

    Compare the length of a prediction with that of the truth: a longer one means fields that are
    too smooth.

    Parameters
    ----------
    field : xarray.DataArray
        Fields over `plane` and any other dimensions, such as time and members.
    plane : tuple of hashable
        The two horizontal dimensions, with cells about as wide as high.
    spacing : float, optional
        Distance between neighbouring cells, to return a length in its unit instead of in cells.
    periodic : bool
        True if the last dimension of `plane` is a circle, such as the longitudes of the globe.
        Distances are then those of the shorter way.

    Returns
    -------
    xarray.DataArray
        Length in cells, or in the unit of `spacing`, without dimensions. NaN if the autocorrelation
        never falls below 1 / e, such as for fields that are constant or have a single valid cell.
        Lazy if the data are; each field is then in one chunk.

    Notes
    -----
    The covariances are averaged, not the correlations of single fields, so that fields with large
    variance count more. Fields without valid cells do not count.

    Anomalies of a field add up to zero. Structures almost as large as the domain are therefore cut
    off, and their length is underestimated. Lasting patterns, such as the colder mountains, count
    as structures: subtract the climatology first to measure the weather alone.

    Examples
    --------
    The autocovariance of a stripe 1, 1, -1, -1 is 1, (1 - 1 + 1) / 3, -2 / 2 and -1 / 1 at the
    distances 0, 1, 2 and 3. It falls below 1 / e on the way from 1 to 1 / 3:

    >>> import xarray as xr
    >>> stripe = xr.DataArray([[1.0, 1.0, -1.0, -1.0]], dims=("y", "x"))
    >>> float(autocorrelation_length(stripe).round(4))  # (1 - 1 / e) / (1 - 1 / 3)
    0.9482
    >>> float(autocorrelation_length(stripe, spacing=12.5).round(2))  # km
    11.85
    """
    require_plane(field, plane)
    n, m = (field.sizes[d] for d in plane)
    rings = int(np.hypot(n - 1, m // 2 if periodic else m - 1) + 0.5) + 1
    sums = xr.apply_ufunc(
        _ring_sums,
        in_one_chunk(field, plane),
        input_core_dims=[list(plane)],
        output_core_dims=[["ring", "part"]],
        kwargs={"rings": rings, "periodic": periodic},
        keep_attrs=False,
        dask="parallelized",
        output_dtypes=["f8"],
        dask_gufunc_kwargs={"output_sizes": {"ring": rings, "part": 3}},
    )
    pooled = sums.sum([d for d in sums.dims if d not in ("ring", "part")])
    length = xr.apply_ufunc(
        _crossing,
        in_one_chunk(pooled, ["ring", "part"]),
        input_core_dims=[["ring", "part"]],
        dask="parallelized",
        output_dtypes=["f8"],
    )
    return length if spacing is None else length * spacing


def _ring_sums(fields: np.ndarray, *, rings: int, periodic: bool) -> np.ndarray:
    """Return the products, the number and the distances of pairs, each summed over each ring.

    Fields padded with zeros to twice their size do not meet their own other side, which they do
    where they are periodic. The transform of the mask counts the pairs. All fields are added up
    before the way back, which is linear; their sums stand at the place of the first field.
    """
    shape = fields.shape[-2:]
    padded = tuple(fft.next_fast_len(2 * n - 1, real=True) for n in shape)
    padded = (padded[0], shape[1]) if periodic else padded
    products, pairs = np.zeros(()), np.zeros(())
    known, power = np.zeros(shape, bool), np.zeros(())
    for at in np.ndindex(fields.shape[:-2]):
        values = fields[at].astype("f8")
        valid = ~np.isnan(values)
        if not valid.any():
            continue
        inside = values[valid]
        varies = inside.max() > inside.min()
        products = products + _power(np.where(valid & varies, values - inside.mean(), 0.0), padded)
        if not np.array_equal(valid, known):
            known, power = valid, _power(valid.astype("f8"), padded)
        pairs = pairs + power
    out = np.zeros((*fields.shape[:-2], rings, 3))
    if known.any():
        away = [np.minimum(np.arange(p), p - np.arange(p)) for p in padded]
        distance = np.hypot(away[0][:, None], away[1][None]).ravel()
        ring = np.minimum((distance + 0.5).astype(int), rings)  # the padding has no pairs
        lagged = fft.irfft2(products, padded).ravel()
        number = np.rint(fft.irfft2(pairs, padded).ravel())
        for part, summed in enumerate((lagged, number, number * distance)):
            out.reshape(-1, rings, 3)[0, :, part] = np.bincount(ring, summed, rings + 1)[:rings]
    return out


def _power(values: np.ndarray, padded: tuple[int, ...]) -> np.ndarray:
    """Return the squared amplitudes of a padded field."""
    found = fft.rfft2(values, padded)
    return np.asarray(found.real**2 + found.imag**2)


def _crossing(sums: np.ndarray) -> np.ndarray:
    """Return where the autocorrelation first falls below 1 / e, for sums ``(..., ring, part)``."""
    out = np.full(sums.shape[:-2], np.nan)
    for at in np.ndindex(sums.shape[:-2]):
        products, pairs, distances = sums[at][sums[at][:, 1] > 0].T
        if not len(pairs) or not products[0] > 0:
            continue
        distances, products = distances / pairs, products / pairs
        correlation = products / products[0]
        below = np.flatnonzero(correlation < np.exp(-1))
        if len(below):
            i = below[0]
            share = (correlation[i - 1] - np.exp(-1)) / (correlation[i - 1] - correlation[i])
            out[at] = distances[i - 1] + share * (distances[i] - distances[i - 1])
    return out
