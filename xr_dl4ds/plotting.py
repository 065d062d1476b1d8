"""A figure of one time step: LR, prediction, truth, error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.discovery import Dims
from xr_dl4ds.grid.fields import TIME, Fields, X, Y, as_dataset, standardize
from xr_dl4ds.grid.regrid import window
from xr_dl4ds.grid.timeline import index_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data = xr.Dataset | xr.DataArray


def plot(
    prediction: Data,
    *,
    lr: Data | None = None,
    hr: Data | None = None,
    variable: str | None = None,
    time: int = 0,
    dims: Dims | None = None,
) -> Figure:
    """Draw LR | prediction | truth | error, as far as they are given.

    Parameters
    ----------
    prediction : xarray.Dataset or xarray.DataArray
        ``(time, y, x)`` or ``(y, x)``.
    lr, hr : xarray.Dataset or xarray.DataArray, optional
        LR fields and truth; the step at the same time is taken.
    variable : str, optional
        Which one; by default the first.
    time : int
        Position of the step in `prediction`.
    dims : Dims, optional
        Dimensions named by the caller.

    Returns
    -------
    matplotlib.figure.Figure
        One row of maps under shared colours; the error has its own, centred on zero, and its
        bias and RMSE in the title. A notebook shows it where it is a cell's last value; in a
        script use ``savefig``, or `matplotlib.pyplot.show` with a window.

    Raises
    ------
    VariableError
        When the variable, or a step at that time, is missing.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
    >>> lr = hr[["t2m"]].downscale.coarsen(4)
    >>> figure = plot(lr.downscale.interpolate(hr), lr=lr, hr=hr, time=3)
    >>> [axes.get_title() for axes in figure.axes][:3]
    ['LR', 'prediction', 'truth']
    """
    dims = dims or Dims()
    sr = standardize(as_dataset(prediction, "the prediction"), dims, "the prediction")
    name = _choose(sr, variable)
    steps = sr.data[name].sizes.get(TIME, 1)
    if not -steps <= time < steps:
        raise VariableError(f"Expected `time` to be a position among {steps} steps, got {time}.")
    panels = {"prediction": _step(sr, name, sr, time, "the prediction")}
    if lr is not None:
        low = standardize(as_dataset(lr, "the LR data"), dims.within(lr), "the LR data")
        panels = {"LR": _step(low, name, sr, time, "the LR data"), **panels}
    if hr is not None:
        truth = standardize(as_dataset(hr, "the truth"), dims.within(hr), "the truth")
        panels["truth"] = _step(truth, name, sr, time, "the truth")
        inner = window(truth.grid, sr.grid)
        if inner is not None:
            on_cells = panels["truth"].isel(inner).assign_coords(sr.grid.coords)
            panels["error"] = panels["prediction"] - on_cells
    ny, nx = sr.grid.shape
    size = (4.2 * len(panels), max(2.2, 3.6 * ny / nx) + 1.3)
    figure = _new_figure(size)
    _draw(figure, panels, _label(sr.data[name]))
    figure.suptitle(_title(sr, name, time))
    for axes in figure.axes[: len(panels)]:
        axes.set_xlabel(_axis_label(sr.grid.x.name, sr.grid.x.attrs))
    figure.axes[0].set_ylabel(_axis_label(sr.grid.y.name, sr.grid.y.attrs))
    return figure


def _new_figure(size: tuple[float, float]) -> Figure:
    """A figure that pyplot knows where it opens windows, and forgets where it does not.

    A notebook would otherwise show the figure twice, and a long loop would gather figures.
    """
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=size, layout="constrained")
    if plt.get_backend().lower().rsplit(".", 1)[-1] in ("agg", "inline", "backend_inline"):
        plt.close(figure)
    return figure


def _choose(fields: Fields, variable: str | None) -> str:
    names = list(map(str, fields.data.data_vars))
    if variable is None:
        return names[0]
    if variable not in names:
        raise VariableError(
            f"Expected `variable` to be one of {names}, got {variable!r}.{nearest(variable, names)}"
        )
    return variable


def _step(fields: Fields, name: str, sr: Fields, time: int, role: str) -> xr.DataArray:
    if name not in fields.data:
        raise VariableError(f"Expected {role} to have {name!r}, got {list(fields.data)}.")
    field = fields.data[name]
    if TIME not in field.dims:
        return field.compute()
    index, wanted = index_of(fields.data), index_of(sr.data)
    if index is None or wanted is None or fields is sr:
        return field.isel({TIME: time}).compute()
    if wanted[time] not in index:
        raise VariableError(
            f"Expected {role} to have the time {wanted[time]}, got {index[0]} to {index[-1]}."
        )
    return field.sel({TIME: wanted[time]}).compute()


def _draw(figure: Figure, panels: dict[str, xr.DataArray], label: str) -> None:
    fields = [panel for name, panel in panels.items() if name != "error"]
    low = min(float(f.min()) for f in fields)
    high = max(float(f.max()) for f in fields)
    row = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    image = None
    for axes, (name, panel) in zip(row, panels.items(), strict=True):
        error = name == "error"
        limit = float(np.abs(panel).max()) if error else 0.0
        mesh = axes.pcolormesh(
            panel[X],
            panel[Y],
            panel.transpose(Y, X),
            shading="nearest",
            cmap="RdBu_r" if error else "viridis",
            vmin=-limit if error else low,
            vmax=limit if error else high,
        )
        axes.set_aspect("equal")
        axes.set_title(name)
        if error:
            rmse = float(np.sqrt((panel**2).mean()))
            axes.set_title(f"error (bias {float(panel.mean()):.2g}, RMSE {rmse:.2g})")
            figure.colorbar(mesh, ax=axes, shrink=0.8, label=label)
        else:
            image = mesh
    if image is not None:
        shared = [a for a, name in zip(row, panels, strict=True) if name != "error"]
        figure.colorbar(image, ax=shared, shrink=0.8, label=label)


def _label(variable: xr.DataArray) -> str:
    name = variable.attrs.get("long_name") or variable.attrs.get("standard_name") or variable.name
    return f"{name} / {variable.attrs.get('units', '1')}"


def _axis_label(name: str, attrs: object) -> str:
    units = dict(attrs).get("units") if isinstance(attrs, dict) else None
    return f"{name} / {units}" if units else name


def _title(sr: Fields, name: str, time: int) -> str:
    index = index_of(sr.data)
    return name if index is None else f"{name}, {index[time]}"
