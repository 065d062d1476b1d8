"""Scaling by variable: fitted statistics as an `xarray.Dataset`, looked up by name.

Statistics ignore NaN and are computed in double precision in one pass over the (lazy) data.
Scaling keeps NaN as NaN: what a masked cell becomes is decided where arrays are built.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import dask
import numpy as np
import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.moments import Moments, rows_of

#: A standard deviation below this share of the largest magnitude is rounding of one constant value
#: in float32 (epsilon 1.2e-7), not variability.
CONSTANT = 1e-6

#: Along `statistic`: the scaled value is ``(value - offset) / factor``; the others are what was
#: found, in the variable's units, and "valid", the share of cells that are not NaN.
STATISTICS = ("offset", "factor", "mean", "std", "min", "max", "valid")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scaler:
    """Statistics of named variables, and what follows from them.

    Parameters
    ----------
    statistics : xarray.Dataset
        One variable for each scaled one, dimension ``statistic`` with the entries `STATISTICS`.
    """

    statistics: xr.Dataset

    @classmethod
    def fit(
        cls,
        data: xr.Dataset,
        role: str,
        scaling_of: Callable[[str], str] | None = None,
        like: Scaler | None = None,
    ) -> Scaler:
        """Compute the statistics of every variable.

        Parameters
        ----------
        data : xarray.Dataset
            Training fields, any dimensions, lazy or not.
        role : str
            What to call the data in messages.
        scaling_of : callable, optional
            How to scale a variable, "standard" or "minmax"; all are standardized by default.
        like : Scaler, optional
            Takes its offsets and factors instead; then a variable may be constant.

        Raises
        ------
        VariableError
            For a variable without a valid cell, with infinite values, or constant.
        """
        (rows,) = dask.compute({str(n): rows_of(v) for n, v in data.items()})
        found = {name: Moments.of(one) for name, one in rows.items()}
        return cls.from_moments(found, role, scaling_of, like)

    @classmethod
    def from_moments(
        cls,
        found: Mapping[str, Moments],
        role: str,
        scaling_of: Callable[[str], str] | None = None,
        like: Scaler | None = None,
    ) -> Scaler:
        """The same of what was found in a pass over the data, see `fit`."""
        statistics = {}
        for name, one in found.items():
            _check(name, one, role, constant=like is not None)
            scaling = "standard" if scaling_of is None else scaling_of(name)
            offset, factor = one.mean, one.std
            if scaling == "minmax":
                offset, factor = one.low, one.high - one.low
            if like is not None:
                offset, factor = like.of(name, "offset"), like.of(name, "factor")
            row = [offset, factor, one.mean, one.std, one.low, one.high, one.share]
            statistics[name] = ("statistic", np.array(row))
        return cls(statistics=xr.Dataset(statistics, coords={"statistic": list(STATISTICS)}))

    def merge(self, other: Scaler) -> Scaler:
        """The statistics of both; those of `other` win."""
        names = [n for n in self.statistics.data_vars if n not in other.statistics]
        return Scaler(statistics=self.statistics[names].merge(other.statistics))

    def transform(self, data: xr.Dataset) -> xr.Dataset:
        """``(value - offset) / factor`` of each variable, float32, lazily; NaN stays NaN."""
        return data.map(
            lambda v: xr.apply_ufunc(
                _scaled,
                v,
                kwargs={n: self.of(v.name, n) for n in ("offset", "factor")},
                dask="parallelized",
                output_dtypes=[np.float32],
            )
        )

    def inverse(self, data: xr.Dataset) -> xr.Dataset:
        """Scaled values back in physical units, float32, lazily."""
        return data.map(
            lambda v: (v * self.of(v.name, "factor") + self.of(v.name, "offset")).astype("f4")
        )

    def has_missing(self, names: list[str]) -> bool:
        """Whether any of these variables had NaN when the statistics were fitted."""
        return any(self.of(n, "valid") < 1 for n in names)

    def scaled(self, name: str, value: float) -> float:
        """What a physical value of a variable is when it is scaled."""
        return (value - self.of(name, "offset")) / self.of(name, "factor")

    def of(self, name: object, statistic: str) -> float:
        """One statistic of one variable."""
        if name not in self.statistics:
            raise VariableError(
                f"Expected a variable that was fitted, got {name!r}."
                f"{nearest(str(name), map(str, self.statistics.data_vars))}"
            )
        return float(self.statistics[name].sel(statistic=statistic))


def _scaled(cells: np.ndarray, offset: float, factor: float) -> np.ndarray:
    """In one pass over a chunk, with one array beside it."""
    if cells.dtype == "f2":  # in whose arithmetic the mean itself is rounded
        cells = cells.astype("f4")
    out = np.asarray(cells - offset)
    out /= factor
    return out.astype("f4", copy=False)


def _check(name: str, found: Moments, role: str, *, constant: bool) -> None:
    if not found.valid:
        raise VariableError(
            f"Expected {name!r} of {role} to have values, got NaN everywhere. Leave it out, or"
            " check its _FillValue and the selected region."
        )
    require_finite(name, found, role)
    largest = max(abs(found.low), abs(found.high))
    if found.std > CONSTANT * largest or constant:
        return
    if found.low == found.high:
        raise VariableError(
            f"Expected {name!r} of {role} to vary, got the constant {found.low:g}. Leave it out:"
            " there is nothing to learn from it."
        )
    raise VariableError(
        f"Expected {name!r} of {role} to vary by more than rounding in float32, got a standard"
        f" deviation of {found.std:.3g} beside values of {largest:.9g}. Leave it out if it is"
        f" constant, or subtract an offset, such as {found.mean:.9g}, first."
    )


def require_finite(name: str, found: Moments, role: str) -> None:
    """Raise a `VariableError` for infinite values."""
    if found.valid and not np.isfinite([found.std, found.low, found.high]).all():
        raise VariableError(
            f"Expected {name!r} of {role} to be finite where it is not NaN, got infinite values."
            f" Mask them with .where(abs(ds[{name!r}]) < limit)."
        )
