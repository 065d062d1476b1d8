"""Separate series of samples along a dimension, such as the members of an ensemble."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.extra_dims import ENSEMBLE, counts_members, sample_dims
from xr_dl4ds.grid.cf.fields import as_dataset, gridded
from xr_dl4ds.grid.names import Attrs, Data


@dataclasses.dataclass(frozen=True, kw_only=True)
class Members:
    """Entries along sample dimensions.

    Parameters
    ----------
    labels : mapping
        Labels by dimension; positions if the dimension has no coordinate. Empty for data without
        sample dimensions, which are a single series.
    """

    labels: Mapping[str, Sequence[Any]]

    def __iter__(self) -> Iterator[Attrs]:
        for labels in itertools.product(*self.labels.values()):
            yield dict(zip(self.labels, labels, strict=True))

    def pick(self, data: Any, member: Attrs) -> Any:
        """Select the data of one member; data without sample dimensions are shared by all."""
        if data is None:
            return None
        if isinstance(data, (list, tuple)):
            return [self.pick(one, member) for one in data]
        at = {}
        for dim, label in member.items():
            if dim not in data.dims:
                continue
            known = _labels(data, dim)
            if label not in known:
                raise GridError(
                    f"Expected {label!r} along {dim!r} in all data that have this dimension, got"
                    f" {known}. Select the entries that all have."
                )
            at[dim] = known.index(label)
        return data.isel(at, drop=True) if at else data


def label_of(ds: xr.Dataset) -> Attrs:
    """Return the ensemble member that these data contain, if a coordinate of size 1 states it.

    The label identifies ``.sel(number=3)`` with entry 3 of the whole ensemble.
    """
    found = {}
    for name in map(str, ds.coords):
        coordinate = ds[name]
        if coordinate.size == 1 and coordinate.chunks is None and counts_members(ds, name):
            found[name] = coordinate.to_numpy().item()
    return found


def members_of(*given: tuple[Data, Dims, str]) -> Members:
    """Return the members of one or several objects, which must have the same members.

    Parameters
    ----------
    *given : tuple
        Data, the dimensions named by the caller, and a name for the data in messages.

    Raises
    ------
    GridError
        If two objects have different members along the same dimension.
    """
    labels: dict[str, Sequence[Any]] = {}
    origin: dict[str, str] = {}
    for obj, dims, role in given:
        ds = as_dataset(obj, role)
        own = sample_dims(ds, gridded(ds, dims, role), dims)
        _require_one_name(own, origin, ds, role)
        for dim in own:
            mine = _labels(ds, dim)
            if dim in labels and set(mine) != set(labels[dim]):
                raise GridError(
                    f"Expected the same entries along {dim!r} in {origin[dim]} and {role}, got"
                    f" {list(labels[dim])} and {list(mine)}. Select those in common."
                )
            labels.setdefault(dim, mine)
            origin.setdefault(dim, role)
    return Members(labels=labels)


def _require_one_name(
    own: Sequence[str], origin: Mapping[str, str], ds: xr.Dataset, role: str
) -> None:
    """Raise a `GridError` if members have another name here, which pairs each with each."""
    mine = [d for d in own if d not in origin and counts_members(ds, d)]
    theirs = [d for d in origin if d not in own and d.lower() in ENSEMBLE]
    if mine and theirs:
        raise GridError(
            f"Expected members of {origin[theirs[0]]} and {role} along one dimension, got"
            f" {theirs[0]!r} and {mine[0]!r}. Rename one: .rename({mine[0]}={theirs[0]!r})."
        )


def _labels(data: Data, dim: str) -> list[Any]:
    if dim not in data.coords:
        return list(range(data.sizes[dim]))
    values = data[dim].to_numpy()
    found = [v.item() if isinstance(v, np.generic) else v for v in values]
    if len(set(found)) < len(found):
        raise GridError(
            f"Expected each entry along {dim!r} once, got {found}. Keep one of each with"
            f" .drop_duplicates({dim!r})."
        )
    return found
