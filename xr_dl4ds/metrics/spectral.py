"""Power spectra of fields and their distance: do predictions vary at all scales as the truth does.

Wavenumbers are in cycles per cell, so that data in degrees and in metres are treated alike. There
is no window: fields that do not go around leak some power of large scales into small ones, the
prediction as much as the truth.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import xarray as xr

from xr_dl4ds.metrics.pairs import in_one_chunk, require_same_coordinates

#: Dimension of a spectrum.
WAVENUMBER = "wavenumber"

_ABOUT = {"units": "1", "long_name": "wavenumber in cycles per cell"}


def spectrum(field: xr.DataArray, dims: tuple[Hashable, Hashable] = ("y", "x")) -> xr.DataArray:
    """Power spectrum, averaged over directions and over all other dimensions.

    Each field has its mean subtracted and its missing cells set to 0, and is transformed without a
    window. The power of a wavenumber is ``|F|**2 / cells``: its mean over the plane is the variance
    of the field.

    Parameters
    ----------
    field : xarray.DataArray
        Fields over `dims` and any other dimensions, such as time and members.
    dims : tuple of hashable
        The two dimensions of a field.

    Returns
    -------
    xarray.DataArray
        Over ``wavenumber`` (cycles per cell, above 0 up to 0.5) in rings as wide as one cycle along
        the longer side, in squared units of the field. Fields without valid cells are left out.
        Lazy where the data are: each field is in one chunk then.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> wave = xr.DataArray(np.tile([1.0, 0.0, -1.0, 0.0], (4, 1)), dims=("y", "x"))
    >>> spectrum(wave).round(6).to_numpy()  # 1 / 4 cycles a cell, 2 of the 8 modes in the ring
    array([1., 0.])
    """
    shape = field.sizes[dims[0]], field.sizes[dims[1]]
    numbers = np.arange(1, max(shape) // 2 + 1) / max(shape)
    power = xr.apply_ufunc(
        _power,
        in_one_chunk(field, dims),
        input_core_dims=[list(dims)],
        output_core_dims=[[WAVENUMBER]],
        dask="parallelized",
        output_dtypes=["f8"],
        dask_gufunc_kwargs={"output_sizes": {WAVENUMBER: len(numbers)}},
    )
    out = power.mean([d for d in power.dims if d != WAVENUMBER])
    return out.assign_coords({WAVENUMBER: (WAVENUMBER, numbers, dict(_ABOUT))})


def ralsd(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: tuple[Hashable, Hashable] = ("y", "x"),
) -> xr.DataArray:
    """Radially averaged log spectral distance, in decibels.

    ``sqrt(mean((10 log10(S_truth / S_prediction))**2))`` over the wavenumbers of the mean spectra
    (Harris et al. 2022, doi:10.1029/2022MS003120). Members count in the mean spectrum: their mean
    is smoother than any of them.

    Parameters
    ----------
    prediction : xarray.DataArray
        Over `dims` and others, also of members.
    truth : xarray.DataArray
        At the same coordinates; cells missing in either or in any member are missing in both.
    dims : tuple of hashable
        The two dimensions of a field.

    Returns
    -------
    xarray.DataArray
        Without dimensions, 0 is perfect; infinite where one of both has no power at some
        wavenumber. Lazy where the data are.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> truth = xr.DataArray(np.random.default_rng(0).normal(size=(8, 8)), dims=("y", "x"))
    >>> float(ralsd(10 * truth, truth).round(6))  # a hundred times the power
    20.0
    """
    require_same_coordinates(prediction, truth)
    more = [d for d in prediction.dims if d not in truth.dims]
    valid = truth.notnull() & prediction.notnull().all(more)
    ratio = _decibels(spectrum(truth.where(valid), dims))
    ratio = ratio - _decibels(spectrum(prediction.where(valid), dims))
    return (ratio**2).mean(WAVENUMBER) ** 0.5


def _decibels(power: xr.DataArray) -> xr.DataArray:
    """10 log10, minus infinity where there is nothing."""
    return xr.apply_ufunc(_log, power, dask="parallelized", output_dtypes=["f8"])


def _log(power: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 10 * np.log10(power)


def _power(fields: np.ndarray) -> np.ndarray:
    """Mean power in each ring of arrays ``(..., y, x)``, as ``(..., ring)``."""
    shape = fields.shape[-2:]
    order, starts, weights = _rings(shape)
    out = np.full((*fields.shape[:-2], len(starts)), np.nan)
    sums = np.add.reduceat(weights, starts) if len(starts) else weights
    for at in np.ndindex(fields.shape[:-2]):
        values = fields[at].astype("f8")
        valid = ~np.isnan(values)
        if not valid.any() or not len(starts):
            continue
        anomaly = np.where(valid, values - values[valid].mean(), 0.0)
        power = np.abs(np.fft.rfft2(anomaly)) ** 2 / anomaly.size
        out[at] = np.add.reduceat(power.ravel()[order] * weights, starts) / sums
    return out


def _rings(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Modes of `rfft2` in order of their ring, where each begins, and how often each mode counts.

    The transform of real fields leaves out the conjugates of most modes, which count too.
    """
    (ny, nx), longer = shape, max(shape)
    number = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx)[None])
    column = np.arange(nx // 2 + 1)
    twice = np.where((column == 0) | (2 * column == nx), 1.0, 2.0)
    weight = np.broadcast_to(twice, number.shape).ravel()
    ring = np.floor(number.ravel() * longer + 0.5 + 1e-9).astype(int)
    ring = np.minimum(ring, longer // 2)  # of an odd number of cells the last ends at 0.5 too
    inside = np.flatnonzero((ring >= 1) & (number.ravel() <= 0.5 + 1e-12))
    order = inside[np.argsort(ring[inside], kind="stable")]
    # along the longer side every ring has a mode of its own, so that none is empty
    return order, np.searchsorted(ring[order], np.arange(1, longer // 2 + 1)), weight[order]
