"""Scores of image processing: peak signal-to-noise ratio and structural similarity.

They are common in papers on super-resolution. Fields of the atmosphere have no fixed range of
values as images do, so that the scores depend on the range that is passed or taken from the truth;
compare scores only if they use the same range. The tests compare with TensorFlow and plain loops.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import xarray as xr
from scipy import ndimage

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.metrics.pair_statistics import PairStatistics
from xr_dl4ds.metrics.pairs import (
    Dimensions,
    Plane,
    in_one_chunk,
    require_plane,
    require_same_coordinates,
)

logger = logging.getLogger(__name__)

#: Side of the windows of SSIM in cells, and the standard deviation of their weights.
_WINDOW, _SIGMA = 11, 1.5

#: Number of cells that are compared at once: they fit into the cache of a processor.
_SLAB = 2**14

#: Constants of SSIM for luminance and contrast.
_K1, _K2 = 0.01, 0.03

#: Exponents of the scales of MS-SSIM, from fine to coarse, as printed by Wang et al. (2003).
_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@with_expected_options
def psnr(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
    data_range: float | None = None,
) -> xr.DataArray:
    """Return the peak signal-to-noise ratio (PSNR), in decibels.

    It is ``10 log10(range**2 / MSE)`` with the mean square error of the prediction. Ten decibels
    more mean an RMSE smaller by a factor of 3.16.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, at the same coordinates and in the same units.
    dims : sequence of hashable
        Dimensions over which errors are averaged.
    weights : xarray.DataArray, optional
        Weights of cells along dimensions of the data, without NaN, such as areas. They apply to the
        mean square error, not to the range.
    data_range : float, optional
        Range of values, in units of the data. By default the largest minus the smallest valid value
        of the truth over `dims`. Libraries differ here: many expect the range of the data type,
        such as 255, or the largest value. Pass a fixed range to compare different periods, regions
        or papers.

    Returns
    -------
    xarray.DataArray
        PSNR in dB; higher is better, infinite for a perfect prediction. NaN without valid cells,
        and where the default range is 0. Lazy if the data are.

    Examples
    --------
    >>> import xarray as xr
    >>> truth = xr.DataArray([0.0, 4.0, 10.0], dims="x")
    >>> float(psnr(truth + 1, truth, ["x"]))  # 10 log10(10**2 / 1)
    20.0
    >>> float(psnr(truth + 1, truth, ["x"], data_range=100.0))
    40.0
    """
    return xr.apply_ufunc(
        _decibels,
        _range(prediction, truth, dims, data_range),
        PairStatistics.of(prediction, truth, dims, weights).mse,
        keep_attrs=False,
        dask="parallelized",
        output_dtypes=["f8"],
    )


def _decibels(data_range: np.ndarray, mse: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 20 * np.log10(data_range) - 10 * np.log10(mse)


@with_expected_options
def ssim(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    plane: Plane = ("y", "x"),
    data_range: float | None = None,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the structural similarity (SSIM), averaged over windows and all other dimensions.

    In windows of 11 x 11 cells with Gaussian weights (standard deviation 1.5 cells), the means
    ``m``, variances ``v`` and the covariance ``c`` of prediction and truth give
    ``(2 m_p m_t + C1) (2 c + C2) / ((m_p**2 + m_t**2 + C1) (v_p + v_t + C2))``, where
    ``C1 = (0.01 range)**2`` and ``C2 = (0.03 range)**2`` (Wang et al. 2004,
    doi:10.1109/TIP.2003.819861). Windows lie inside the field, as in ``tf.image.ssim``.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, with the same dimensions, at the same coordinates and in the same
        units.
    plane : tuple of hashable
        The two horizontal dimensions.
    data_range : float, optional
        Range of values, in units of the data. By default the largest minus the smallest valid value
        of the truth in all data that are passed. Libraries differ here; pass a fixed range to
        compare scores.
    weights : xarray.DataArray, optional
        Weights of cells along dimensions of `plane`, without NaN, such as areas. A window has the
        weight of its central cell. Within a window the weights do not count.

    Returns
    -------
    xarray.DataArray
        SSIM (1), without dimensions: 1 is perfect, -1 the lowest value. Windows with a cell that is
        missing in prediction or truth are left out, and fields without any window. NaN if no window
        remains, such as for fields of less than 11 cells a side, and if the default range is 0.
        Lazy if the data are; each field is then in one chunk.

    Notes
    -----
    The first factor depends on the zero of the scale. For temperatures in Kelvin the means are so
    large that it is almost 1, and the score does not see a bias; in degrees Celsius it does. Pass
    anomalies or other data with a meaningful zero.

    Examples
    --------
    Of two constant fields, only the means differ, and C2 cancels:

    >>> import numpy as np, xarray as xr
    >>> truth = xr.DataArray(np.full((12, 12), 2.0), dims=("y", "x"))
    >>> float(ssim(0.5 * truth, truth, data_range=100.0).round(6))  # (4 + 1) / (1 + 4 + 1)
    0.833333
    """
    return _mean_of_fields(_ssim, prediction, truth, plane, data_range, weights, {})


@with_expected_options
def ms_ssim(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    plane: Plane = ("y", "x"),
    data_range: float | None = None,
    weights: xr.DataArray | None = None,
    *,
    scales: int = len(_EXPONENTS),
) -> xr.DataArray:
    """Return the multi-scale structural similarity (MS-SSIM), averaged over all other dimensions.

    It is the product of the structural similarities at five scales, each raised to an exponent of
    0.0448, 0.2856, 0.3001, 0.2363 and 0.1333 (Wang, Simoncelli and Bovik 2003,
    doi:10.1109/ACSSC.2003.1292216). From one scale to the next, 2 x 2 cells are averaged. The
    factor of the means, the first of `ssim`, is used at the coarsest scale only. Negative
    similarities count as 0. For fields of an odd length the last cells are repeated, as in
    ``tf.image.ssim_multiscale``.

    Five scales need fields of at least 161 cells a side. Smaller fields are scored at as many
    scales as have room for a window of 11 cells; their exponents are then divided by their sum, and
    a warning is logged. Scores from different numbers of scales cannot be compared.

    Parameters
    ----------
    prediction, truth : xarray.DataArray
        Prediction and truth, with the same dimensions, at the same coordinates and in the same
        units.
    plane : tuple of hashable
        The two horizontal dimensions.
    data_range : float, optional
        Range of values, in units of the data. By default the largest minus the smallest valid value
        of the truth in all data that are passed.
    weights : xarray.DataArray, optional
        Weights of cells along dimensions of `plane`, without NaN, such as areas. A window has the
        weight of its central cell; at coarser scales this is the mean weight of the cells averaged.
    scales : int
        Largest number of scales, 1 to 5. Fewer scales need less room between missing cells.

    Returns
    -------
    xarray.DataArray
        MS-SSIM (1), without dimensions: 1 is perfect, 0 the lowest value. A coarse cell is missing
        if one of its cells is missing. Fields that have no window of valid cells at some scale are
        left out. NaN if no field remains, if the fields are smaller than a window, and if the
        default range is 0. Lazy if the data are; each field is then in one chunk.

    Examples
    --------
    The means of constant fields are compared at the coarsest scale, here with an exponent of
    0.2856 / (0.0448 + 0.2856):

    >>> import numpy as np, xarray as xr
    >>> truth = xr.DataArray(np.full((22, 22), 2.0), dims=("y", "x"))
    >>> score = ms_ssim(0.5 * truth, truth, data_range=100.0, scales=2)
    >>> float(score.round(6)), round((5 / 6) ** (0.2856 / 0.3304), 6)
    (0.854191, 0.854191)
    """
    if not 1 <= scales <= len(_EXPONENTS):
        raise ValueError(
            f"Expected `scales` from 1 to {len(_EXPONENTS)}, got {scales}. Pass a number of scales"
            " in this range."
        )
    require_plane(truth, plane)
    shape = truth.sizes[plane[0]], truth.sizes[plane[1]]
    fitting = fitting_scales(shape, scales)
    if fitting < scales:
        logger.warning(note_of_scales(shape, fitting, scales))
    return ms_ssim_at(fitting, prediction, truth, plane, data_range, weights)


def ms_ssim_at(
    scales: int,
    prediction: xr.DataArray,
    truth: xr.DataArray,
    plane: Plane,
    data_range: float | None = None,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return `ms_ssim` at a number of scales for which the fields have room; NaN for 0."""
    options = {"scales": scales}
    return _mean_of_fields(_ms_ssim, prediction, truth, plane, data_range, weights, options)


def _range(
    prediction: xr.DataArray, truth: xr.DataArray, dims: Dimensions | None, data_range: float | None
) -> xr.DataArray:
    """Return the range of the truth in valid cells, NaN if it is 0, or else the given range."""
    if data_range is None:
        values = truth.astype("f8").where(prediction.notnull())
        found = values.max(dims) - values.min(dims)
        return found.where(found > 0)
    if not data_range > 0:
        raise ValueError(
            f"Expected `data_range` above 0, got {data_range}. Pass the largest minus the smallest"
            " value of the variable."
        )
    return xr.DataArray(float(data_range))


def _mean_of_fields(
    function: Callable[..., np.ndarray],
    prediction: xr.DataArray,
    truth: xr.DataArray,
    plane: Plane,
    data_range: float | None,
    weights: xr.DataArray | None,
    options: dict[str, int],
) -> xr.DataArray:
    """Return the mean of the scores of all fields, of which ``function`` scores each."""
    require_plane(prediction, plane)
    require_plane(truth, plane)
    require_same_coordinates(prediction, truth)
    factor = xr.DataArray(np.ones([truth.sizes[d] for d in plane]), dims=plane)
    if weights is not None:
        if not all(d in plane for d in weights.dims):
            raise GridError(
                f"Expected `weights` along the horizontal dimensions {tuple(plane)} alone, got"
                f" weights along {weights.dims}. Select weights that hold for all fields."
            )
        factor = weights * factor
    scores = xr.apply_ufunc(
        function,
        *(in_one_chunk(one, plane) for one in (prediction, truth, factor)),
        _range(prediction, truth, None, data_range),
        input_core_dims=[list(plane)] * 3 + [[]],
        kwargs=options,
        keep_attrs=False,
        dask="parallelized",
        output_dtypes=["f8"],
    )
    return scores.mean()


def _ssim(
    prediction: np.ndarray, truth: np.ndarray, weights: np.ndarray, data_range: np.ndarray
) -> np.ndarray:
    """Return the SSIM of each field of arrays ``(..., y, x)``."""
    shape = np.broadcast_shapes(prediction.shape, truth.shape)
    prediction, truth = np.broadcast_to(prediction, shape), np.broadcast_to(truth, shape)
    out = np.empty(shape[:-2])
    for at in np.ndindex(out.shape):  # one field at a time, to save memory
        out[at] = _similarities(prediction[at], truth[at], weights, float(data_range.item()))[0]
    return out


def _ms_ssim(
    prediction: np.ndarray,
    truth: np.ndarray,
    weights: np.ndarray,
    data_range: np.ndarray,
    *,
    scales: int,
) -> np.ndarray:
    """Return the MS-SSIM of each field of arrays ``(..., y, x)``; NaN for 0 scales."""
    shape = np.broadcast_shapes(prediction.shape, truth.shape)
    prediction, truth = np.broadcast_to(prediction, shape), np.broadcast_to(truth, shape)
    exponents = np.array(_EXPONENTS[:scales])
    if scales < len(_EXPONENTS):  # the printed ones add up to 1.0001
        exponents = exponents / exponents.sum()
    out = np.full(shape[:-2], np.nan)
    for at in np.ndindex(out.shape) if scales else ():
        first, second, factor = prediction[at].astype("f8"), truth[at].astype("f8"), weights
        found = [_similarities(first, second, factor, float(data_range.item()))]
        for _ in range(scales - 1):
            first, second, factor = _halved(first), _halved(second), _halved(factor)
            found.append(_similarities(first, second, factor, float(data_range.item())))
        factors = [structure for _, structure in found[:-1]] + [found[-1][0]]
        out[at] = np.prod(np.maximum(factors, 0) ** exponents)
    return out


def _similarities(
    first: np.ndarray, second: np.ndarray, weights: np.ndarray, data_range: float
) -> tuple[float, float]:
    """Return the mean SSIM of the windows of two fields, and the mean without its first factor."""
    if min(first.shape) < _WINDOW or np.isnan(data_range):
        return np.nan, np.nan
    both = second[~(np.isnan(first) | np.isnan(second))]
    base = both.mean(dtype="f8") if both.size else 0.0  # squares of values near 0 lose no digits
    sums, total = np.zeros(2), 0.0
    rows = max(_SLAB // first.shape[1], 1)
    for start in range(0, len(first) - _WINDOW + 1, rows):
        slab = slice(start, start + rows + _WINDOW - 1)
        a, b = (one[slab].astype("f8") - base for one in (first, second))
        luminance, structure, factor = _windows(a, b, weights[slab], data_range, base)
        sums += (factor * luminance * structure).sum(), (factor * structure).sum()
        total += factor.sum()
    if not total > 0:
        return np.nan, np.nan
    similarity, without = sums / total
    return float(similarity), float(without)


def _windows(
    a: np.ndarray, b: np.ndarray, weights: np.ndarray, data_range: float, base: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both factors of SSIM for each window of two fields minus `base`, and its weight."""
    factor = _inside(weights)
    valid = ~(np.isnan(a) | np.isnan(b))
    if not valid.all():
        whole = ndimage.minimum_filter(valid.astype("u1"), _WINDOW)
        factor = np.where(_inside(whole) == 1, factor, 0.0)
        a, b = (np.where(valid, one, 0.0) for one in (a, b))
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    mean_a, mean_b = _smooth(a), _smooth(b)
    variances = _smooth(a**2 + b**2) - mean_a**2 - mean_b**2
    structure = (2 * (_smooth(a * b) - mean_a * mean_b) + c2) / (variances + c2)
    mean_a, mean_b = mean_a + base, mean_b + base
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance, structure, factor


def _smooth(field: np.ndarray) -> np.ndarray:
    """Return the weighted means of the windows inside a field."""
    gauss = np.exp(-0.5 * ((np.arange(_WINDOW) - _WINDOW // 2) / _SIGMA) ** 2)
    gauss = gauss / gauss.sum()
    rows = len(field) - _WINDOW + 1
    out = sum(share * field[i : i + rows] for i, share in enumerate(gauss))
    edge = _WINDOW // 2
    return np.asarray(ndimage.correlate1d(out, gauss)[:, edge:-edge])


def _inside(field: np.ndarray) -> np.ndarray:
    """Return the cells that are the centre of a window inside the field."""
    edge = _WINDOW // 2
    return field[edge:-edge, edge:-edge]


def _halved(field: np.ndarray) -> np.ndarray:
    """Return the means of 2 x 2 cells, after the last cells of odd sides are repeated."""
    even = np.pad(field, [(0, n % 2) for n in field.shape], mode="edge")
    rows = even[::2] + even[1::2]
    return np.asarray((rows[:, ::2] + rows[:, 1::2]) / 4)


def note_of_scales(shape: tuple[int, int], fitting: int, scales: int = len(_EXPONENTS)) -> str:
    """Return a note that MS-SSIM has fewer scales than wanted; an empty text if it has all."""
    if fitting == scales:
        return ""
    cells = f"{shape[0]} x {shape[1]} cells"
    return (
        f"MS-SSIM uses {fitting} of {scales} scales, because fields of {cells} have room for no"
        " more."
    )


def fitting_scales(shape: tuple[int, int], scales: int = len(_EXPONENTS)) -> int:
    """Return at how many scales a field holds a window, at most ``scales``."""
    fitting, shortest = 0, min(shape)
    while fitting < scales and shortest >= _WINDOW:
        fitting, shortest = fitting + 1, (shortest + 1) // 2
    return fitting
