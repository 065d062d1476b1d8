"""Parts of the data that are scored separately: seasons, years, regions, altitude bands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np
import pandas as pd
import xarray as xr
from xarray.groupers import Grouper

from xr_dl4ds.config import nearest
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import Fields, as_dataset, standardize
from xr_dl4ds.grid.cf.time_axis import has_dates, index_of
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, X, Y
from xr_dl4ds.grid.regridding.rectilinear import window
from xr_dl4ds.grid.regridding.roll import roll_to_face

By = str | xr.DataArray | Grouper | tuple[xr.DataArray, Grouper]

#: Parts of a date by which scores are grouped; "season" in the order of the year.
DATES = ("season", "month", "year", "hour")
_SEASONS = ("DJF", "MAM", "JJA", "SON")
#: Dimension of parts that may share cells.
_PART = "part"
_LABELS = "labels"


class Divisible(Protocol):
    """Fields that can be divided into parts of the cells and times."""

    def where(self, inside: xr.DataArray) -> Self:
        """Return the fields in some cells."""

    def at(self, times: dict) -> Self:
        """Return the fields at some positions along time."""


Fieldlike = TypeVar("Fieldlike", bound=Divisible)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """The parts of one grouping.

    Parameters
    ----------
    name : str
        Dimension of the parts in the result.
    labels : list
        A label for each part.
    codes : xarray.DataArray
        Number of the part, -1 for none, along ``time`` or over ``(y, x)``. Parts that may share
        cells are True in their cells, ``(part, y, x)``.
    """

    name: str
    labels: list[str | float]
    codes: xr.DataArray

    def __post_init__(self) -> None:
        twice = [one for i, one in enumerate(self.labels) if one in self.labels[:i]]
        if twice:
            raise VariableError(
                f"Expected different names for the parts of {self.name!r}, got {twice[0]!r} more"
                " than once. Rename them."
            )

    def of(
        self, sample: Fieldlike, others: list[Parts], part: int
    ) -> tuple[Fieldlike, list[Parts]]:
        """Return the sample of a part, and the other groupings for it."""
        if _PART in self.codes.dims:
            return sample.where(self.codes.isel({_PART: part})), others
        if self.codes.dims != (TIME,):
            return sample.where(self.codes == part), others
        steps = np.flatnonzero(self.codes.to_numpy() == part)
        inside = xr.DataArray(bool(steps.size))
        steps = steps if steps.size else np.zeros(1, int)  # a step without values
        others = [
            dataclasses.replace(one, codes=one.codes.isel({TIME: steps}))
            if one.codes.dims == (TIME,)
            else one
            for one in others
        ]
        return sample.at({TIME: steps}).where(inside), others


def by_parts(
    sample: Fieldlike, parts: Sequence[Parts], compute: Callable[[Fieldlike], xr.Dataset]
) -> xr.Dataset:
    """Return the scores of each part, along a dimension for each grouping.

    With groupings there are neither maps nor series, but for maps of parts of the time.
    """
    if not parts:
        return compute(sample)
    first, *others = parts
    found = [by_parts(*first.of(sample, others, i), compute) for i in range(len(first.labels))]
    taken = {*found[0].variables, *found[0].dims, "variable", "units"}
    if first.name in taken:
        raise VariableError(
            f"Expected a name for the parts that the scores do not have, got {first.name!r}. Rename"
            " the labels."
        )
    places = first.codes.dims != (TIME,)
    left = {TIME, *((Y, X) if places else ())}
    found = [one.drop_vars([n for n, v in one.items() if left & set(v.dims)]) for one in found]
    found = [one.drop_vars([d for d in left if d in one.coords]) for one in found]
    return xr.concat(
        found,
        xr.Variable(first.name, first.labels),
        data_vars="all",
        coords="minimal",
        compat="override",
        combine_attrs="override",
    )


def parts_of(by: By | Sequence[By], scored: Fields, dims: Dims) -> list[Parts]:
    """Return the groupings that are asked for.

    Parameters
    ----------
    by : str, xarray.DataArray, xarray.groupers.Grouper, tuple or sequence of these
        See `xr_dl4ds.metrics.evaluate`.
    scored : Fields
        The prediction, at the times that are scored.
    dims : Dims
        Dimensions named by the caller.

    Raises
    ------
    TimeError
        If a grouping by date has no dates.
    GridError
        If regions do not cover the cells of the prediction.
    VariableError
        If a grouping cannot be read.
    """
    if not isinstance(by, Sequence) or isinstance(by, str) or _with_grouper(by):
        return [_parts(by, scored, dims)]
    return [_parts(one, scored, dims) for one in by]


def _with_grouper(by: object) -> bool:
    return isinstance(by, tuple) and len(by) == 2 and isinstance(by[1], Grouper)


def _parts(by: object, scored: Fields, dims: Dims) -> Parts:
    if isinstance(by, str):
        return _of_dates(by, scored)
    if isinstance(by, xr.DataArray) and by.ndim > 1 and scored.dims.time in by.dims:
        raise VariableError(
            f"Expected labels of steps or of cells, got {str(by.name)!r} along {by.dims}. Select"
            " these values of the prediction: .where(mask)."
        )
    if isinstance(by, xr.DataArray) and by.ndim > 1 and by.dtype.kind in "OUS":
        names, numbers = np.unique(by.to_numpy(), return_inverse=True)
        found = _parts(by.copy(data=numbers.reshape(by.shape)).drop_attrs(), scored, dims)
        return dataclasses.replace(found, labels=[str(names[int(n)]) for n in found.labels])
    if isinstance(by, xr.DataArray) and by.ndim == 3 and bool(by.isin([0, 1]).all()):
        return _masks(by.astype(bool), scored, dims)
    if isinstance(by, xr.DataArray):
        return _labelled(_on_cells(by, scored, dims))
    if isinstance(by, Grouper):
        return _grouped(_times(scored).rename("time"), by, "period")
    if isinstance(by, tuple) and _with_grouper(by):
        values = _on_cells(by[0], scored, dims)
        return _grouped(values, by[1], str(values.name))
    raise VariableError(
        f"Expected `by` to be one of {', '.join(DATES)}, an array of labels, or a grouper of"
        f" xarray, got {type(by).__name__}. Pass one of these, or a list of them."
    )


def _times(scored: Fields) -> xr.DataArray:
    index = index_of(scored.data)
    if not has_dates(index):
        raise TimeError(
            "Expected dates along time for scores by date, got steps without dates. Assign them"
            " with .assign_coords(time=...), or leave out by=."
        )
    return xr.DataArray(index, dims=TIME, coords={TIME: index})


def _of_dates(by: str, scored: Fields) -> Parts:
    if by not in DATES:
        raise VariableError(
            f"Expected `by` to be one of {', '.join(DATES)}, an array of labels, or a grouper of"
            f" xarray, got {by!r}.{nearest(by, DATES)} Use one of these."
        )
    found = getattr(_times(scored).dt, by)
    values = found.to_numpy()
    labels = [s for s in _SEASONS if s in values] if by == "season" else np.unique(values).tolist()
    codes = np.array([labels.index(v) if v in labels else -1 for v in values.tolist()], int)
    return Parts(name=by, labels=labels, codes=xr.DataArray(codes, dims=TIME))


def _grouped(values: xr.DataArray, grouper: Grouper, name: str) -> Parts:
    """Return the parts by a grouper of xarray."""
    try:
        encoded = grouper.factorize(values)
    except (ValueError, IndexError) as error:
        raise VariableError(
            f"Expected values of {name!r} in the bins of {type(grouper).__name__}, got the error"
            f" {error}. Check its bins."
        ) from error
    index = encoded.full_index
    codes = encoded.codes.drop_vars(list(encoded.codes.coords)).transpose(*values.dims)
    used = [i for i in range(len(index)) if bool((codes == i).any())]
    if not used:
        raise VariableError(
            f"Expected values of {name!r} in the groups of {type(grouper).__name__}, got"
            f" {values.size} values outside of them. Pass a grouper that has groups in these data."
        )
    again = xr.full_like(codes, -1, dtype=int)
    for new, old in enumerate(used):
        again = xr.where(codes == old, new, again)
    labels = [index[i] for i in used]
    plain = [float(one) if isinstance(one, (int, float)) else str(one) for one in labels]
    return Parts(name=name, labels=plain, codes=again)


def _labelled(values: xr.DataArray) -> Parts:
    """Return a part for each value of an array of labels; missing values are in none."""
    array = values.to_numpy()
    there = ~values.isnull().to_numpy()
    meanings = str(values.attrs.get("flag_meanings", "")).split()
    numbers = np.atleast_1d(values.attrs.get("flag_values", [])).tolist()
    said = dict(zip(numbers, meanings, strict=False))
    found = np.unique(array[there])
    if not found.size:
        raise VariableError(
            f"Expected labels where the prediction has cells, got {str(values.name)!r} with"
            f" {array.size} missing values there. Check its coordinates."
        )
    codes = np.full(array.shape, -1)
    for number, one in enumerate(found):
        codes[there & (array == one)] = number
    return Parts(
        name=str(values.name),
        labels=[said.get(one, one) for one in map(_plain, found)],
        codes=xr.DataArray(codes, dims=values.dims),
    )


def _plain(label: object) -> str | float:
    """Return a label as a number or a text; of a date without a time of day the date alone."""
    if isinstance(label, np.datetime64):
        return str(pd.Timestamp(label)).removesuffix(" 00:00:00")
    if isinstance(label, np.timedelta64):
        return str(pd.Timedelta(label))
    plain = label.item() if isinstance(label, np.generic) else label
    return plain if isinstance(plain, (int, float, str)) else str(plain)


def _masks(by: xr.DataArray, scored: Fields, dims: Dims) -> Parts:
    """Return a part for each mask, such as those of regionmask; parts without cells are left out.

    A coordinate ``names`` along the dimension of the masks names the parts.
    """
    axes = scored.grid.y.name, scored.grid.x.name
    along = [str(d) for d in by.dims if d not in axes]
    if len(along) != 1:
        raise VariableError(
            f"Expected masks along {axes[0]!r}, {axes[1]!r} and one more dimension, got"
            f" {by.dims}. Rename the dimensions of the masks."
        )
    (dim,) = along
    beside = [n for n, c in by.coords.items() if dim in c.dims]
    label = next((n for n in ("names", dim) if n in beside), None)
    labels = np.arange(by.sizes[dim]) if label is None else by[label].to_numpy()
    plain = by.drop_vars(beside).rename(dim)
    codes = [_on_cells(plain.isel({dim: i}), scored, dims) for i in range(by.sizes[dim])]
    used = [i for i, one in enumerate(codes) if bool(one.any())]
    if not used:
        raise VariableError(
            f"Expected masks with cells where the prediction has some, got {len(codes)} without."
            " Check their coordinates."
        )
    inside = xr.concat([codes[i].astype(bool) for i in used], _PART)
    return Parts(name=dim, labels=labels[used].tolist(), codes=inside.drop_attrs())


def over_cells(by: xr.DataArray, grid: Grid) -> xr.DataArray:
    """Return labels along one horizontal dimension for all cells; others unchanged."""
    axes = {axis.name: axis for axis in (grid.y, grid.x)}
    dim = str(by.dims[0]) if by.ndim == 1 else ""
    if dim not in axes:
        return by
    here, (other,) = axes[dim], [axis for name, axis in axes.items() if name != dim]
    labels = {axis.name: (axis.name, axis.values, dict(axis.attrs)) for axis in (here, other)}
    if dim in by.coords:
        labels[dim] = (dim, by[dim].to_numpy(), dict(here.attrs))
    elif by.size != here.size:
        raise GridError(
            f"Expected labels of {here.size} cells along {dim!r}, got {by.size}. Give them the"
            " coordinate of the prediction."
        )
    values = np.repeat(by.to_numpy()[:, None], other.size, axis=1)
    return xr.DataArray(values, labels, (dim, other.name), attrs=by.attrs)


def _on_cells(by: xr.DataArray, scored: Fields, dims: Dims) -> xr.DataArray:
    """Return labels along time, or on the cells of the prediction, in canonical form."""
    name = str(by.name or "region")
    if by.ndim == 1 and str(by.dims[0]) == scored.dims.time:
        return _along_time(by.rename(name), scored)
    role = f"the labels {name!r}"
    by = over_cells(by, scored.grid).rename(
        _LABELS
    )  # a coordinate cannot be a variable of its name
    ds = as_dataset(by.to_dataset(), role)
    fields = roll_to_face(standardize(ds, dims.within(ds), role), scored.grid)
    inner = window(fields.grid, scored.grid)
    if inner is None or TIME in fields.data[_LABELS].dims:
        raise GridError(
            f"Expected {role} along time, or on cells that cover the prediction"
            f" ({scored.grid.extent}), got {fields.grid.extent}. Bring them to these cells with"
            " .downscale.interpolate(prediction, method='nearest')."
        )
    found = fields.data[_LABELS].rename(name).isel(inner).transpose(Y, X)
    return found.assign_coords(scored.grid.coords).drop_vars([Y, X]).compute()


def _along_time(by: xr.DataArray, scored: Fields) -> xr.DataArray:
    dim = str(by.dims[0])
    times = scored.data.get(TIME)
    if dim in by.coords and times is not None and TIME in scored.data.coords:
        by = by.reindex({dim: scored.data[TIME].to_numpy()})
    elif by.size != scored.data.sizes[TIME]:
        raise TimeError(
            f"Expected labels at {scored.data.sizes[TIME]} steps, got {by.size}. Give them the"
            " coordinate of the prediction along time."
        )
    return by.rename({dim: TIME}).drop_vars(TIME, errors="ignore").compute()
