"""Interpolation between rectilinear grids with one weight matrix for each axis.

The interpolation of xarray and of xarray-regrid leaves NaN in HR cells outside the outer LR centres
(a fifth of the field at scale 4), and xarray-regrid finds latitudes by name. Matrices avoid both
problems, serve every method in the same way, and cost two matrix products.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import xarray as xr

from xr_dl4ds.grid.axis import Axis, edges
from xr_dl4ds.grid.names import X, Y


def nearest(source: Axis, target: Axis) -> np.ndarray:
    """Return a weight of 1 for the source cell that contains the target centre.

    Outer cells extend to infinity.
    """
    run = _run(source)
    at = _in_run(source, target.canonical)
    cell = np.searchsorted(edges(run)[1:-1], at, side="right")
    return np.eye(source.size)[cell % source.size]


def bilinear(source: Axis, target: Axis) -> np.ndarray:
    """Return weights, linear between source centres and constant beyond the outer centres."""
    at = positions(source, target.canonical)
    size = _run(source).size
    low = np.clip(np.floor(at).astype(int), 0, size - 2)
    share = np.clip(at - low, 0, 1)[:, None]
    unit = np.eye(source.size)
    return (1 - share) * unit[low % source.size] + share * unit[(low + 1) % source.size]


def bicubic(source: Axis, target: Axis) -> np.ndarray:
    """Return weights of cubic convolution (Keys 1981, doi:10.1109/TASSP.1981.1163711).

    Outer cells are repeated. The free parameter is -0.75, as in OpenCV, PyTorch and therefore
    DL4DS; TensorFlow uses -0.5.
    """
    at = positions(source, target.canonical)
    size = _run(source).size
    first = np.floor(at).astype(int) - 1
    rows = np.arange(target.size)
    out = np.zeros((target.size, source.size))
    for tap in range(4):
        weight = cubic_kernel(np.abs(at - (first + tap)))
        np.add.at(out, (rows, np.clip(first + tap, 0, size - 1) % source.size), weight)
    return out


def cubic_kernel(distance: np.ndarray, a: float = -0.75) -> np.ndarray:
    """Return the kernel of Keys at a distance in cells.

    The kernel is zero from a distance of 2 on, and weights at unit steps sum to 1.
    """
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def conservative(source: Axis, target: Axis) -> np.ndarray:
    """Return the share of each target cell that each source cell covers (Jones 1999, first order).

    See doi:10.1175/1520-0493(1999)127<2204:FASOCR>2.0.CO;2. Latitude cells are measured by the sine
    of their edges, which gives areas on the sphere. Target cells beyond the source take the nearest
    source cell.
    """
    turns = (-360.0, 0.0, 360.0) if source.kind == "longitude" else (0.0,)
    measure = _sine if source.kind == "latitude" else _itself
    t = measure(target.edges)
    overlap = np.zeros((target.size, source.size))
    for turn in turns:
        s = measure(source.edges + turn)
        shared = np.minimum(s[None, 1:], t[1:, None]) - np.maximum(s[None, :-1], t[:-1, None])
        overlap += np.clip(shared, 0, None)
    total = overlap.sum(axis=1, keepdims=True)
    outside = total[:, 0] <= 1e-12 * np.abs(t[1:] - t[:-1])
    overlap[outside] = nearest(source, target)[outside]
    return overlap / np.where(outside[:, None], 1.0, total)


METHODS: dict[str, Callable[[Axis, Axis], np.ndarray]] = {
    "bicubic": bicubic,
    "bilinear": bilinear,
    "nearest": nearest,
    "conservative": conservative,
}


def over_fields(
    regrid: Callable[[np.ndarray], np.ndarray], variable: xr.DataArray, shape: tuple[int, int]
) -> xr.DataArray:
    """Apply a regridding to whole fields, lazily.

    Parameters
    ----------
    regrid : callable
        Function that maps arrays ``(..., y, x)`` from the source to the target; it keeps the dtype.
    variable : xarray.DataArray
        ``(..., y, x)``; integers become float32.
    shape : tuple of int
        Rows and columns of the target.

    Returns
    -------
    xarray.DataArray
        ``(..., y, x)`` without coordinates along y and x; attributes are kept.
    """
    if variable.dtype.kind != "f":
        variable = variable.astype("f4")
    if variable.chunks is not None:
        variable = variable.chunk({Y: -1, X: -1})
    result = xr.apply_ufunc(
        functools.partial(_regridded, regrid),
        variable,
        input_core_dims=[[Y, X]],
        output_core_dims=[[Y, X]],
        exclude_dims={Y, X},
        dask="parallelized",
        output_dtypes=[variable.dtype],
        dask_gufunc_kwargs={"output_sizes": dict(zip((Y, X), shape, strict=True))},
    )
    return result.assign_attrs(variable.attrs)


def _regridded(regrid: Callable[[np.ndarray], np.ndarray], block: np.ndarray) -> np.ndarray:
    """Call an object that regrids.

    dask takes the name of a function for its keys. Of other objects it takes their text, and fails
    if that contains a minus sign.
    """
    return regrid(block)


def apply(
    block: np.ndarray, wy: np.ndarray, wx: np.ndarray, cell: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Apply weights to arrays ``(..., y, x)``; masks (NaN) neither grow nor shrink.

    Infinite values count as masked: in a matrix product each would spoil its row and column. So do
    values so large that their sums would be infinite.

    Parameters
    ----------
    block : numpy.ndarray
        Source values, NaN where masked.
    wy, wx : numpy.ndarray
        Weights, ``(y_target, y_source)`` and ``(x_target, x_source)``.
    cell : pair of numpy.ndarray
        Non-negative weights for target cells next to masked cells, same shapes. These target cells
        take the weighted mean of the valid source cells, or NaN without valid source cells.

    Returns
    -------
    numpy.ndarray
        ``(..., y_target, x_target)`` in the dtype of `block`.
    """
    dtype = block.dtype
    missing = ~_summable(block)
    if not missing.any():
        return wy.astype(dtype) @ block @ wx.T.astype(dtype)
    filled = np.where(missing, 0, block)
    valid = (~missing).astype(dtype)
    out = wy.astype(dtype) @ filled @ wx.T.astype(dtype)
    touched = (
        (np.abs(wy) > 0).astype(dtype) @ missing.astype(dtype) @ (np.abs(wx.T) > 0).astype(dtype)
    )
    cy, cx = (w.astype(dtype) for w in cell)
    share = cy @ valid @ cx.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (cy @ filled @ cx.T) / share
    return np.where(touched > 0, np.where(share > 1e-6, mean, np.nan), out).astype(dtype)


def _summable(block: np.ndarray) -> np.ndarray:
    """Return which values are finite, as is a weighted sum of them; absolute weights sum to < 2."""
    if block.dtype.kind != "f" or block.dtype.itemsize < 4:
        return np.isfinite(block)
    summable: np.ndarray = np.abs(block) <= np.finfo(block.dtype).max / 4
    return summable


def _run(source: Axis) -> np.ndarray:
    """Return source centres; on a global domain, repeat them once on either side."""
    centres = source.canonical
    if not source.periodic:
        return centres
    return np.concatenate([centres - 360, centres, centres + 360])


def _in_run(source: Axis, at: np.ndarray) -> np.ndarray:
    """Shift longitudes by multiples of 360 as close as possible to the middle of the source."""
    if source.kind != "longitude":
        return at
    middle = (source.canonical[0] + source.canonical[-1]) / 2
    return middle + (at - middle + 180) % 360 - 180


def positions(source: Axis, at: np.ndarray) -> np.ndarray:
    """Convert coordinates of any shape to positions in source cells.

    Positions are linear between and beyond the centres. On a global domain, they count from the
    cell 360 degrees west of the first cell.
    """
    at, run = _in_run(source, at), _run(source)
    index = np.interp(at, run, np.arange(run.size, dtype="f8"))
    step = np.diff(run)[[0, -1]]
    index = np.where(at < run[0], (at - run[0]) / step[0], index)
    return np.where(at > run[-1], run.size - 1 + (at - run[-1]) / step[1], index)


def _sine(degrees: np.ndarray) -> np.ndarray:
    return np.sin(np.deg2rad(degrees))


def _itself(values: np.ndarray) -> np.ndarray:
    return values
