"""Scaling of variables with fitted statistics, which an `xarray.Dataset` holds by name.

Statistics ignore NaN and are computed in double precision in one pass over the (lazy) data.
Scaling keeps NaN; the code that builds arrays decides how to fill masked cells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.config.choices import CURVES
from xr_dl4ds.data.moments import HUGE, Moments, moments_of
from xr_dl4ds.exceptions import VariableError

#: A standard deviation below this share of the largest magnitude counts as rounding of a constant
#: value in float32 (epsilon 1.2e-7), not as variability.
CONSTANT = 1e-6

#: Entries along `statistic`. The scaled value is ``(value - offset) / factor``. The other entries
#: are statistics in the variable's units, and "valid", the share of cells that are not NaN.
STATISTICS = ("offset", "factor", "mean", "std", "min", "max", "valid")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scaler:
    """Statistics of named variables, and the scaling that they define.

    Parameters
    ----------
    statistics : xarray.Dataset
        An array for each scaled variable, with dimension ``statistic`` and entries `STATISTICS`.
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
            A name for the data in messages.
        scaling_of : callable, optional
            Function that returns the scaling of a variable, of `SCALINGS`. By default,
            all variables are standardized.
        like : Scaler, optional
            Scaler whose offsets and factors are used instead; variables may then be constant.

        Raises
        ------
        VariableError
            If a variable has no valid cell or has infinite values, or if it is constant.
        """
        return cls.from_moments(moments_of(data), role, scaling_of, like)

    @classmethod
    def from_moments(
        cls,
        found: Mapping[str, Moments],
        role: str,
        scaling_of: Callable[[str], str] | None = None,
        like: Scaler | None = None,
    ) -> Scaler:
        """Create the scaler from moments of an earlier pass over the data, see `fit`."""
        statistics = {}
        for name, one in found.items():
            _check(name, one, role, constant=like is not None)
            scaling = "standard" if scaling_of is None else scaling_of(name)
            offset, factor = one.mean, one.std
            if scaling == "minmax":
                offset, factor = one.low, one.high - one.low
            elif scaling in CURVES:
                _require_amount(name, one, role, scaling)
                offset = 0.0
            if like is not None:
                offset, factor = like.of(name, "offset"), like.of(name, "factor")
            row = [offset, factor, one.mean, one.std, one.low, one.high, one.share]
            statistics[name] = ("statistic", np.array(row))
        return cls(statistics=xr.Dataset(statistics, coords={"statistic": list(STATISTICS)}))

    def merge(self, other: Scaler) -> Scaler:
        """Combine the statistics of both; `other` takes precedence."""
        names = [n for n in self.statistics.data_vars if n not in other.statistics]
        return Scaler(statistics=self.statistics[names].merge(other.statistics))

    def transform(self, data: xr.Dataset) -> xr.Dataset:
        """Scale each variable to ``(value - offset) / factor``, float32, lazily; keep NaN."""
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
        """Convert scaled values to physical units, float32, lazily."""
        return data.map(
            lambda v: (v * self.of(v.name, "factor") + self.of(v.name, "offset")).astype("f4")
        )

    def has_missing(self, names: list[str]) -> bool:
        """Return True if any of these variables had NaN when the statistics were fitted."""
        return any(self.of(n, "valid") < 1 for n in names)

    def scaled(self, name: str, value: float) -> float:
        """Scale one physical value of a variable."""
        return (value - self.of(name, "offset")) / self.of(name, "factor")

    def of(self, name: object, statistic: str) -> float:
        """Return one statistic of one variable."""
        if name not in self.statistics:
            raise VariableError(
                f"Expected a variable that was fitted, got {name!r}."
                f"{nearest(str(name), map(str, self.statistics.data_vars))}"
            )
        return float(self.statistics[name].sel(statistic=statistic))


def _require_amount(name: str, one: Moments, role: str, scaling: str) -> None:
    if one.low < 0:
        raise VariableError(
            f"Expected values >= 0 of {name!r} in {role} for scaling={scaling!r}, got a minimum of"
            f" {one.low:g}. Use scaling='standard' for it; where it is noise, cut it off with"
            " .clip(min=0)."
        )


def _scaled(cells: np.ndarray, offset: float, factor: float) -> np.ndarray:
    """Scale a chunk with a single new array."""
    if cells.dtype == "f2":  # float16 arithmetic would round the mean itself
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
            f"Expected {name!r} of {role} to vary, got the constant {found.low:g}. Leave it out, as"
            " there is nothing to learn from it, or train on a period in which it varies."
        )
    raise VariableError(
        f"Expected {name!r} of {role} to vary by more than rounding in float32, got a standard"
        f" deviation of {found.std:.3g} beside values of {largest:.9g}. Leave it out if it is"
        f" constant, or subtract an offset, such as {found.mean:.9g}, first."
    )


def require_finite(name: str, found: Moments, role: str) -> None:
    """Raise a `VariableError` for infinite values, and for marks of missing values near these."""
    extreme = max((found.low, found.high), key=abs)
    if found.valid and np.isfinite(extreme) and abs(extreme) >= HUGE:
        raise VariableError(
            f"Expected {name!r} of {role} below {HUGE:g}, got {extreme:.6g}, which usually marks"
            f" missing values. Mask them with .where(abs(ds[{name!r}]) < {HUGE:g})."
        )
    if found.valid and not np.isfinite([found.std, found.low, found.high]).all():
        raise VariableError(
            f"Expected {name!r} of {role} to be finite where it is not NaN, got infinite values."
            f" Mask them with .where(abs(ds[{name!r}]) < limit)."
        )
