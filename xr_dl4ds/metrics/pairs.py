"""Requirements of scores on arrays: coordinates, units, a dimension of members, whole chunks."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import xarray as xr

from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.units import conversion_between

Dimensions = Sequence[Hashable]
Plane = tuple[Hashable, Hashable]

#: The dimension of members, by its CF standard name.
MEMBER = "realization"


def require_same_coordinates(prediction: xr.DataArray, truth: xr.DataArray) -> None:
    """Raise an error if two fields cannot be compared cell by cell as they are.

    Raises
    ------
    TypeError
        If one of them is no DataArray.
    VariableError
        If both have units, and these differ.
    GridError
        If labels differ, because xarray would drop these without a message.
    """
    for one in (prediction, truth):
        if not isinstance(one, xr.DataArray):
            raise TypeError(
                f"Expected prediction and truth as DataArrays, got {type(one).__name__}. Pass"
                " variables of datasets, or wrap arrays: xr.DataArray(values, dims=('y', 'x'))."
            )
    units = [str(one.attrs["units"]) for one in (prediction, truth) if "units" in one.attrs]
    if len(set(units)) == 2:
        conversion = conversion_between(*units)
        if conversion is None or not conversion.identity:
            raise VariableError(
                f"Expected prediction and truth in one unit, got {units[0]!r} and {units[1]!r}."
                " Convert one of them, or score with .downscale.evaluate, which converts units."
            )
    shared = [d for d in prediction.dims if d in truth.dims]
    indexes = prediction.indexes, truth.indexes
    other = [d for d in shared if all(d in i for i in indexes)]
    other = [d for d in other if not indexes[0][d].equals(indexes[1][d])]
    if other:
        raise GridError(
            f"Expected prediction and truth at the same coordinates, got other ones along {other}."
            " Select those in common, or score with .downscale.evaluate, which matches cells and"
            " times."
        )


def require_members(
    prediction: xr.DataArray, member: str, truth: xr.DataArray | None = None
) -> None:
    """Raise a `GridError` unless only the prediction has the dimension of members."""
    if member not in prediction.dims:
        raise GridError(
            f"Expected the prediction to have members along {member!r}, got the dimensions"
            f" {prediction.dims}. Pass member=, the name of their dimension."
        )
    if truth is None:
        return
    if member in truth.dims:
        raise GridError(
            f"Expected the truth without members, got {truth.sizes[member]} along {member!r}."
            f" Select one with .isel({member}=0)."
        )
    require_same_coordinates(prediction, truth)


def in_one_chunk(field: xr.DataArray, dims: Iterable[Hashable]) -> xr.DataArray:
    """Rechunk lazy data to one chunk along `dims`, and to small chunks along other dimensions.

    Data that have one chunk along `dims` keep all their chunks.
    """
    whole = set(dims)
    if all(len(field.chunksizes.get(d, ())) < 2 for d in whole):
        return field
    return field.chunk({d: -1 if d in whole else "auto" for d in field.dims})


def require_plane(field: xr.DataArray, plane: Plane) -> None:
    """Raise a `GridError` unless the field has the two dimensions of the plane."""
    if len(plane) != 2 or not all(d in field.dims for d in plane):
        raise GridError(
            f"Expected fields with the two horizontal dimensions {tuple(plane)}, got the dimensions"
            f" {field.dims}. Pass plane=, the names of the two horizontal dimensions."
        )
