"""The fields that are scored together: products and truth on the cells that all have."""

from __future__ import annotations

import dataclasses
import functools

import xarray as xr

from xr_dl4ds.grid.names import REALIZATION, TIME, X, Y
from xr_dl4ds.metrics.categorical import ContingencyTable, contingency_table
from xr_dl4ds.metrics.coarse_cells import CoarseCells
from xr_dl4ds.metrics.pair_statistics import PairStatistics

#: For each part of the result of a score, the dimensions to score over.
PARTS = {"": (TIME, Y, X), "_map": (TIME,), "_series": (Y, X)}
#: Label of the prediction along `product`; the baselines follow.
PREDICTION = "prediction"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Fields of one variable, NaN wherever the truth or a product lacks a value.

    Parameters
    ----------
    products : xarray.DataArray
        ``(product, time, y, x)``; of an ensemble its mean.
    truth : xarray.DataArray
        ``(time, y, x)``.
    members : xarray.DataArray, optional
        ``(realization, time, y, x)`` of an ensemble.
    weights : xarray.DataArray, optional
        Weights of cells.
    thresholds : tuple of float
        Thresholds in units of the variable.
    units : str
        Units of the variable.
    periodic : bool
        True for fields that go once around the globe along ``x``.
    coarse : CoarseCells, optional
        The LR fields on their cells; None where there are none.
    periods : xarray.DataArray, optional
        True for the steps of each of two periods, ``(period, time)``.
    variables : int
        Number of variables that are scored beside each other.
    """

    products: xr.DataArray
    truth: xr.DataArray
    members: xr.DataArray | None
    weights: xr.DataArray | None = None
    thresholds: tuple[float, ...] = ()
    units: str = "1"
    periodic: bool = False
    coarse: CoarseCells | None = None
    periods: xr.DataArray | None = None
    variables: int = 1

    @classmethod
    def of(
        cls,
        prediction: xr.DataArray,
        truth: xr.DataArray,
        baselines: dict[str, xr.DataArray],
        *,
        weights: xr.DataArray | None,
        thresholds: tuple[float, ...],
    ) -> Sample:
        """Return the fields on the cells where every product and the truth are valid."""
        ensemble = REALIZATION in prediction.dims
        single = prediction
        if ensemble:
            single = prediction.astype("f8").mean(REALIZATION, skipna=False)
        products = {PREDICTION: single, **baselines}
        valid = truth.notnull()
        for one in products.values():
            valid = valid & one.notnull()
        return cls(
            products=stacked({label: one.where(valid) for label, one in products.items()}),
            truth=truth.where(valid),
            members=prediction.where(valid) if ensemble else None,
            weights=weights,
            thresholds=thresholds,
            units=str(truth.attrs.get("units", "1")),
        )

    @functools.cached_property
    def statistics(self) -> dict[str, PairStatistics]:
        """Statistics of the products and the truth for each of `PARTS`, along ``product``."""
        return {
            part: PairStatistics.of(self.products, self.truth, dims, self.weights)
            for part, dims in PARTS.items()
        }

    @functools.cached_property
    def tables(self) -> dict[float, ContingencyTable]:
        """Contingency table of the products and the truth at each threshold."""
        return {
            one: contingency_table(self.products, self.truth, one, PARTS[""], self.weights)
            for one in self.thresholds
        }

    @functools.cached_property
    def step_weights(self) -> xr.DataArray:
        """Sum of the weights of the valid cells at each step, ``(time,)``."""
        valid = self.truth.notnull()
        if self.weights is None:
            return valid.sum((Y, X)).astype("f8")
        return (valid * self.weights).sum((Y, X))

    def where(self, inside: xr.DataArray) -> Sample:
        """Return the sample in some cells."""
        return dataclasses.replace(
            self,
            products=self.products.where(inside),
            truth=self.truth.where(inside),
            members=None if self.members is None else self.members.where(inside),
        )

    def at(self, times: dict) -> Sample:
        """Return the sample at some positions along dimensions."""
        return dataclasses.replace(
            self,
            products=self.products.isel(times),
            truth=self.truth.isel(times),
            members=None if self.members is None else self.members.isel(times),
            coarse=None if self.coarse is None else self.coarse.at(times),
            periods=None if self.periods is None else self.periods.isel(times),
        )

    @property
    def labels(self) -> list[str]:
        """Labels of the products."""
        return [str(label) for label in self.products["product"].to_numpy()]

    @property
    def with_members(self) -> dict[str, xr.DataArray]:
        """Fields by product, for the prediction with its members."""
        found = {m: self.products.sel(product=m, drop=True) for m in self.labels}
        return found if self.members is None else found | {PREDICTION: self.members}

    @property
    def as_ensembles(self) -> dict[str, xr.DataArray]:
        """Ensembles by product; a baseline has one member."""
        return {
            m: one if REALIZATION in one.dims else one.expand_dims(REALIZATION)
            for m, one in self.with_members.items()
        }


def stacked(products: dict[str, xr.DataArray]) -> xr.DataArray:
    """Return arrays along a new dimension ``product``."""
    return xr.concat(
        [one.drop_attrs() for one in products.values()],
        dim=xr.Variable("product", list(products)),
        coords="minimal",
    )


def over_members(value: xr.DataArray) -> xr.DataArray:
    """Return the mean over members; a score without members unchanged."""
    return value.mean(REALIZATION) if REALIZATION in value.dims else value
