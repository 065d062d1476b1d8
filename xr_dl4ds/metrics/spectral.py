"""Power spectra of fields and their distance, to compare the variability at all scales.

Wavenumbers are in cycles per cell, so that data in degrees and in metres are treated alike. No
window is applied: fields that are not periodic leak some power of large scales into small scales,
the prediction as much as the truth.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import xarray as xr
from scipy import fft

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.grid.names import X, Y
from xr_dl4ds.metrics.pairs import Dimensions, in_one_chunk, require_same_coordinates

#: The dimension of a spectrum.
WAVENUMBER = "wavenumber"

_ABOUT = {"units": "1", "long_name": "wavenumber in cycles per cell"}


@with_expected_options
def spectrum(field: xr.DataArray, dims: tuple[Hashable, Hashable] = ("y", "x")) -> xr.DataArray:
    """Return the power spectrum, averaged over directions and over all other dimensions.

    The mean of each field is subtracted, its missing cells are set to 0, and it is transformed
    without a window. The power at a wavenumber is ``|F|**2 / cells``: its mean over the plane is
    the variance of the field.

    Parameters
    ----------
    field : xarray.DataArray
        Fields over `dims` and any other dimensions, such as time and members.
    dims : tuple of hashable
        The two dimensions of a field.

    Returns
    -------
    xarray.DataArray
        Power along ``wavenumber`` (cycles per cell, above 0 up to 0.5), in rings as wide as one
        cycle along the longer side, in squared units of the field. Fields without valid cells are
        left out. The result is lazy if the data are; each field is then in one chunk.

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


@with_expected_options
def ralsd(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: tuple[Hashable, Hashable] = ("y", "x"),
) -> xr.DataArray:
    """Return the radially averaged log spectral distance (RALSD), in decibels.

    It is ``sqrt(mean((10 log10(S_truth / S_prediction))**2))`` over the wavenumbers of the mean
    spectra (Harris et al. 2022, doi:10.1029/2022MS003120). For an ensemble the spectra of the
    members are averaged, because the ensemble mean is smoother than any member.

    Parameters
    ----------
    prediction : xarray.DataArray
        Prediction over `dims` and other dimensions, such as members.
    truth : xarray.DataArray
        Truth at the same coordinates. Cells that are missing in the truth or in any member count in
        neither.
    dims : tuple of hashable
        The two dimensions of a field.

    Returns
    -------
    xarray.DataArray
        Distance, without dimensions; 0 is perfect, infinite if prediction or truth has no power at
        some wavenumber. Lazy if the data are.

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


def ralsd_of_fields(
    prediction: xr.DataArray,
    truth: xr.DataArray,
    dims: Dimensions,
    weights: xr.DataArray | None = None,
) -> xr.DataArray:
    """Return the RALSD of fields ``(y, x)``. Spectra have no areas: `weights` do not count."""
    return ralsd(prediction, truth, (Y, X))


def _decibels(power: xr.DataArray) -> xr.DataArray:
    """Return 10 log10 of the power, minus infinity for zero power."""
    return xr.apply_ufunc(_log, power, dask="parallelized", output_dtypes=["f8"])


def _log(power: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return 10 * np.log10(power)


def _power(fields: np.ndarray) -> np.ndarray:
    """Return the mean power in each ring of arrays ``(..., y, x)``, as ``(..., ring)``."""
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
        modes = fft.rfft2(anomaly)
        power = (modes.real**2 + modes.imag**2) / anomaly.size
        out[at] = np.add.reduceat(power.ravel()[order] * weights, starts) / sums
    return out


def _rings(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the modes of `rfft2` sorted by ring, the beginning of each ring, and the mode weights.

    The transform of real fields leaves out the conjugates of most modes; these modes count twice.
    """
    (ny, nx), longer = shape, max(shape)
    number = np.hypot(np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx)[None])
    column = np.arange(nx // 2 + 1)
    twice = np.where((column == 0) | (2 * column == nx), 1.0, 2.0)
    weight = np.broadcast_to(twice, number.shape).ravel()
    ring = np.floor(number.ravel() * longer + 0.5 + 1e-9).astype(int)
    ring = np.minimum(ring, longer // 2)  # for an odd number of cells the last ring ends at 0.5 too
    inside = np.flatnonzero((ring >= 1) & (number.ravel() <= 0.5 + 1e-12))
    order = inside[np.argsort(ring[inside], kind="stable")]
    # along the longer side every ring has a mode, so that no ring is empty
    return order, np.searchsorted(ring[order], np.arange(1, longer // 2 + 1)), weight[order]
