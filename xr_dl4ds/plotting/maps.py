"""A figure of one time step: LR, prediction or ensemble, truth, error."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from typing import TYPE_CHECKING, Any

import cftime
import numpy as np
import pandas as pd
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.data.counterparts import under_target_names
from xr_dl4ds.exceptions import TimeError, VariableError
from xr_dl4ds.grid.cf.conventions import is_precipitation
from xr_dl4ds.grid.cf.decoding import decoded
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import Fields, as_dataset, standardize
from xr_dl4ds.grid.cf.georeference import provenance_of
from xr_dl4ds.grid.cf.time_axis import at_times, has_dates, index_of, positions_by_date, span
from xr_dl4ds.grid.cf.time_stamps import stamped_as
from xr_dl4ds.grid.cf.valid_times import scalar_date
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import REALIZATION, TIME, Data, X, Y
from xr_dl4ds.grid.regridding.nesting import turns_between
from xr_dl4ds.grid.regridding.rectilinear import window
from xr_dl4ds.grid.regridding.roll import roll_to_face
from xr_dl4ds.plotting.coastlines import draw_coastlines
from xr_dl4ds.plotting.figure import as_label, choose, new_figure, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


#: Panels with separate units and colours, and their colour maps.
_OWN = {"spread": "magma", "error": "RdBu_r"}
#: Colour map of precipitation, light where it is dry.
_PRECIPITATION = "YlGnBu"


@with_expected_options
def plot(
    prediction: Data,
    *,
    lr: Data | None = None,
    hr: Data | None = None,
    variable: str | None = None,
    time: int | str | datetime.datetime | cftime.datetime | np.datetime64 = 0,
    dims: Dims | None = None,
) -> Figure:
    """Draw maps of LR fields, prediction, truth and error, as far as they are given.

    For an ensemble the panels are LR, first member, mean, spread, truth and error of the mean.

    Parameters
    ----------
    prediction : xarray.Dataset or xarray.DataArray
        ``(time, y, x)`` or ``(y, x)``, optionally with a dimension of members in any position.
    lr, hr : xarray.Dataset or xarray.DataArray, optional
        LR fields and truth; the step at the same time is drawn.
    variable : str, optional
        Variable to draw; by default the first.
    time : int, str or date
        Position of the step in `prediction`, or a date such as ``"2001-01-02T06"``; of a period
        such as ``"2001-01"`` the first step is drawn.
    dims : Dims, optional
        Dimensions named by the caller.

    Returns
    -------
    matplotlib.figure.Figure
        One row of maps with shared colours. The error has separate colours, centred on zero, and
        its bias and RMSE are in the title. The spread, the standard deviation of the members (with
        M - 1), has separate colours from 0. Coastlines are drawn where cartopy is installed. A
        notebook shows the figure if it is the last value of a cell; in a script use ``savefig``, or
        `matplotlib.pyplot.show` with a window.

    Raises
    ------
    VariableError
        If the variable, or a step at that time, is missing.

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
    ds = as_dataset(decoded(prediction, "the prediction"), "the prediction")
    sr = standardize(ds, dims, "the prediction", members=True)
    name = choose(sr, variable)
    steps = sr.data[name].sizes.get(TIME, 1)
    time = _position(sr, time, steps)
    at = _time_of(ds, sr, time)
    panels = _of_members(_step(sr, name, time, None, "the prediction"))
    judged = "mean" if "mean" in panels else "prediction"
    if lr is not None:
        named = provenance_of(prediction).get("counterparts", {})
        low = _beside(under_target_names(lr, named), sr, dims, "the LR data")
        panels = {"LR": _step(low, name, time, at, "the LR data"), **panels}
    if hr is not None:
        truth = _beside(hr, sr, dims, "the truth")
        panels["truth"] = _step(truth, name, time, at, "the truth")
        inner = window(truth.grid, sr.grid)
        if inner is not None:
            panels["truth"] = panels["truth"].isel(inner).assign_coords(sr.grid.coords)
            panels["error"] = panels[judged] - panels["truth"]
    figure = _maps_figure(sr.grid, len(panels))
    _draw(figure, panels, sr.data[name], aspect_of(sr.grid), judged)
    draw_coastlines(figure.axes[: len(panels)], sr.grid)
    figure.suptitle(as_label(name if at is None else f"{name}, {at}"))
    for axes in figure.axes[: len(panels)]:
        axes.set_xlabel(axis_label(sr.grid.x.name, sr.grid.x.attrs))
    figure.axes[0].set_ylabel(axis_label(sr.grid.y.name, sr.grid.y.attrs))
    return figure


def _position(sr: Fields, time: Any, steps: int) -> int:
    """Return the position of the step to draw, given a position or a date."""
    index = index_of(sr.data)
    shown = f"{steps} steps" if index is None or not steps else span(index)
    if isinstance(time, (int, np.integer)):
        if -steps <= time < steps:
            return int(time)
    elif has_dates(index):
        order = positions_by_date(index)
        with contextlib.suppress(KeyError, ValueError, TypeError):
            found = np.atleast_1d(order.sel({TIME: _wanted(time, index)}))
            if found.size:
                return int(found[0])
    raise VariableError(
        f"Expected `time` to be a position or a date among {shown}, got {time!r}. Pass one of"
        " these."
    )


def _wanted(time: Any, index: pd.Index) -> Any:
    """Return a date to select in an index; a day, and a date of another type, as text."""
    mixed = isinstance(time, cftime.datetime) != isinstance(index, xr.CFTimeIndex)
    if isinstance(time, np.datetime64):
        return str(time) if mixed else time
    dated = isinstance(time, (datetime.date, cftime.datetime))
    return time.isoformat() if type(time) is datetime.date or (mixed and dated) else time


def _of_members(step: xr.DataArray) -> dict[str, xr.DataArray]:
    """Return the prediction; for several members the first member, their mean and their spread."""
    if REALIZATION not in step.dims:
        return {"prediction": step}
    first = step.isel({REALIZATION: 0})
    if step.sizes[REALIZATION] == 1:
        return {"prediction": first}
    members = step.astype("f8")
    return {
        f"member 1 of {step.sizes[REALIZATION]}": first,
        "mean": members.mean(REALIZATION, skipna=False),
        "spread": members.std(REALIZATION, ddof=1, skipna=False),
    }


def _beside(obj: Data, sr: Fields, dims: Dims, role: str) -> Fields:
    """Return other data of the region, with longitudes shifted by whole turns to those of `sr`."""
    ds = as_dataset(decoded(obj, role), role)
    fields = roll_to_face(standardize(ds, dims.within(ds), role), sr.grid)
    fields = fields.in_units(sr.units, role, "the prediction")
    fields = stamped_as(fields, sr, role, "the prediction")
    beside = fields.data[X] + turns_between(fields.grid.x, sr.grid.x)
    return dataclasses.replace(fields, data=fields.data.assign_coords({X: beside}))


def aspect_of(grid: Grid) -> float:
    """Return the height of a degree of latitude over the width of a degree of longitude, or 1.

    The ratio is taken midway in latitude; it is 1 for other axes.
    """
    if (grid.y.kind, grid.x.kind) != ("latitude", "longitude"):
        return 1.0
    middle = np.deg2rad(grid.y.canonical[[0, -1]].mean())
    return float(1 / np.cos(np.clip(middle, -1.4, 1.4)))


def _maps_figure(grid: Grid, panels: int) -> Figure:
    height, width = (float(np.ptp(axis.edges)) for axis in (grid.y, grid.x))
    tall = float(np.clip(3.4 * aspect_of(grid) * height / width, 1.5, 12))
    return new_figure(4.2 * panels, tall + 1.3)


def _time_of(ds: xr.Dataset, sr: Fields, time: int) -> Any:
    """Return the time to draw: of a step, or the scalar time that selecting a step leaves."""
    index = index_of(sr.data)
    if index is not None:
        return index[time]
    date = scalar_date(ds.coords)
    return None if date is None else pd.Index(np.atleast_1d(date))[0]


def _step(fields: Fields, name: str, time: int, at: Any, role: str) -> xr.DataArray:
    if name not in fields.data:
        raise VariableError(
            f"Expected {role} to have {name!r}, got {list(fields.data)}. Add it, or rename the one"
            " that is meant."
        )
    field = fields.data[name]
    if TIME not in field.dims:
        return field.compute()
    index = index_of(fields.data)
    if index is None or at is None:
        return field.isel({TIME: time}).compute()
    try:  # numpy and cftime dates of one calendar match
        wanted = xr.CFTimeIndex([at]) if isinstance(at, cftime.datetime) else pd.Index([at])
        steps = at_times(fields.data[[name]], wanted)
    except TimeError as error:
        there = f"{index[0]} to {index[-1]}" if len(index) else "no step"
        raise VariableError(
            f"Expected {role} to have the time {at}, got {there}. Select the steps that both have."
        ) from error
    return steps[name].isel({TIME: 0}).compute()


def _draw(
    figure: Figure,
    panels: dict[str, xr.DataArray],
    about: xr.DataArray,
    aspect: float,
    judged: str,
) -> None:
    """Draw the maps in a row; `judged` is the panel whose error is drawn."""
    units = about.attrs.get("units", "1")
    usual = _PRECIPITATION if is_precipitation(about.name, about.attrs) else "viridis"
    fields = [panel for name, panel in panels.items() if name not in _OWN]
    low = np.fmin.reduce([float(f.min()) for f in fields])  # without a warning if all are NaN
    high = np.fmax.reduce([float(f.max()) for f in fields])
    row = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    shared: list[Axes] = []
    image = None
    for axes, (name, panel) in zip(row, panels.items(), strict=True):
        limit = float(np.abs(panel).max()) if name in _OWN else high
        lowest = {"error": -limit, "spread": 0.0}.get(name, low)
        mesh = axes.pcolormesh(
            panel[X],
            panel[Y],
            panel.transpose(Y, X),
            shading="nearest",
            cmap=_OWN.get(name, usual),
            vmin=lowest,
            vmax=limit,
        )
        axes.set_aspect(aspect)
        axes.set_title(_title(name, panel, judged, units))
        if name in _OWN:
            what = "spread of the members" if name == "spread" else f"{judged} - truth"
            figure.colorbar(mesh, ax=axes, shrink=0.8, label=wrapped(f"{what} / {units}"))
        else:
            shared.append(axes)
            image = mesh
    if image is not None:
        beside = shared if "spread" not in panels else shared[-1:]  # not across separate colours
        figure.colorbar(image, ax=beside, shrink=0.8, label=wrapped(_label(about)))


def _title(name: str, panel: xr.DataArray, judged: str, units: str) -> str:
    if name != "error":
        return name
    whose = "" if judged == "prediction" else f" of the {judged}"
    rmse = float(np.sqrt((panel**2).mean()))
    bias = _number(float(panel.mean()))
    return as_label(f"error{whose} (bias {bias}, RMSE {_number(rmse)} {units})")


def _number(value: float) -> str:
    """Return two significant digits, without an exponent for large numbers."""
    return f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"


def _label(variable: xr.DataArray) -> str:
    name = variable.attrs.get("long_name") or variable.attrs.get("standard_name") or variable.name
    return f"{name} / {variable.attrs.get('units', '1')}"


def axis_label(name: str, attrs: object) -> str:
    """Return the label of an axis with its units."""
    units = dict(attrs).get("units") if isinstance(attrs, dict) else None
    return as_label(f"{name} / {units}" if units else name)
