"""Integrated gradients of a region's mean with respect to the LR cells.

The method is that of Sundararajan, Taly and Yan (2017, arXiv:1703.01365): the attribution to an
input value is its difference from a baseline times the mean gradient on the straight path from the
baseline to the input.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import xarray as xr

from xr_dl4ds.data.guess_choice import interpolation_of, seasons_of
from xr_dl4ds.explanation.alterations import AtTrainingMean
from xr_dl4ds.explanation.region import RegionMean, cells_of
from xr_dl4ds.grid.names import X, Y
from xr_dl4ds.prediction.ensemble import Ensemble
from xr_dl4ds.prediction.layout import Layout
from xr_dl4ds.prediction.network_input import AppliesNetwork, NetworkInput
from xr_dl4ds.prediction.predict import Task


class MeanGradients(Protocol):
    """Interface of `xr_dl4ds.inference.path.Gradients`."""

    @property
    def lr(self) -> np.ndarray:
        """Gradient with respect to the LR channels."""

    @property
    def guess(self) -> np.ndarray | None:
        """Gradient with respect to the first guess."""

    @property
    def difference(self) -> np.ndarray:
        """LR channels at the end of the path minus those at its start."""

    @property
    def start(self) -> np.ndarray:
        """Value at the start of the path."""

    @property
    def end(self) -> np.ndarray:
        """Value at the end of the path."""


class HasGradients(Protocol):
    """Interface of `xr_dl4ds.inference.path.Path`."""

    def batches(self, rows: np.ndarray) -> Iterator[slice]:
        """Yield batches of samples."""

    def gradients(self, rows: np.ndarray, weights: np.ndarray, target: int) -> MeanGradients:
        """Return mean gradients."""


class FollowsPaths(AppliesNetwork, Protocol):
    """Interface of `xr_dl4ds.inference.Runner`, which the array side must not import."""

    def path(self, actual: NetworkInput, baseline: NetworkInput, steps: int) -> HasGradients:
        """Return the path from a baseline to an input."""


@dataclasses.dataclass(kw_only=True, eq=False)
class Attribution:
    """Sums of attributions of one target over time steps, in scaled units.

    Parameters
    ----------
    signed, size : numpy.ndarray
        Attributions and their absolute values, ``(y, x, channel)`` on canonical LR cells.
    start, end : float
        The region's mean at the baseline, and for the input.
    steps : int
        Number of time steps at which the region has valid cells.
    """

    signed: np.ndarray
    size: np.ndarray
    start: float = 0.0
    end: float = 0.0
    steps: int = 0

    def add(self, attributions: np.ndarray, start: np.ndarray, end: np.ndarray) -> None:
        """Add time steps: attributions ``(time, y, x, channel)``, means ``(time,)``."""
        self.signed += attributions.sum(0)
        self.size += np.abs(attributions).sum(0)
        self.start += float(start.sum())
        self.end += float(end.sum())
        self.steps += len(attributions)


def saliency(
    task: Task,
    ensembles: Sequence[tuple[Ensemble, Layout]],
    region: xr.DataArray | None,
    names: Sequence[str],
    runner: FollowsPaths,
    steps: int,
) -> xr.Dataset:
    """Return mean attributions over the time steps and members of the LR data.

    Parameters
    ----------
    task : Task
        The model and the caller's data.
    ensembles : sequence of tuple
        Ensemble and layout of each member of the LR data.
    region : xarray.DataArray, optional
        Mask of HR cells ``(y, x)``; None for all cells.
    names : sequence of str
        Targets.
    runner : xr_dl4ds.inference.Runner
        Applies the network.
    steps : int
        Points of the path at which gradients are taken.

    Returns
    -------
    xarray.Dataset
        ``saliency`` and ``saliency_size`` ``(variable, predictor, y, x)`` on the canonical LR cells
        of the network with those around the domain; ``region_mean``, ``baseline_mean`` and
        ``saliency_residual`` ``(variable)``. Physical units.
    """
    request = dataclasses.replace(task.request, alteration=AtTrainingMean(scaler=task.state.scaler))
    baseline = dataclasses.replace(task, request=request)
    sums: dict[str, Attribution] = {}
    for (one, layout), (other, _) in zip(ensembles, baseline.ensembles(runner), strict=True):
        member = _Member.of(task, one, other, runner, steps)
        areas = cells_of(region, layout, member.shape, task.request.dims)
        for name in names:
            mean = RegionMean.of(one.physics, layout, areas, name)
            if name not in sums:
                shape = (*member.lr.isel(time=0).shape[:2], len(task.state.features.lr_varying))
                sums[name] = Attribution(signed=np.zeros(shape), size=np.zeros(shape))
            member.add(sums[name], mean)
    found = [_in_units(task, name, sums[name]) for name in names]
    return xr.concat(found, xr.Variable("variable", list(names)))


def _in_units(task: Task, name: str, sums: Attribution) -> xr.Dataset:
    """Return means over time steps in units of the target."""
    state, steps = task.state, max(sums.steps, 1)
    ratio = state.ratios(of_guess=state.from_mean).get(name, 1.0)
    factor, offset = (ratio * state.scaler.of(name, key) for key in ("factor", "offset"))
    lost = sums.end - sums.start - sums.signed.sum()
    dims = (Y, X, "predictor")
    found = xr.Dataset(
        {
            "saliency": (dims, factor / steps * sums.signed),
            "saliency_size": (dims, abs(factor) / steps * sums.size),
            "region_mean": factor / steps * sums.end + offset,
            "baseline_mean": factor / steps * sums.start + offset,
            "saliency_residual": factor / steps * lost,
        }
    ).transpose("predictor", Y, X)
    return found if sums.steps else found * np.nan


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Member:
    """A member of the LR data, with the path from the baseline."""

    task: Task
    actual: NetworkInput
    path: HasGradients
    seasons: np.ndarray

    @classmethod
    def of(
        cls, task: Task, one: Ensemble, other: Ensemble, runner: FollowsPaths, steps: int
    ) -> _Member:
        actual = one.draws.network_input
        path = runner.path(actual, other.draws.network_input, steps)
        guess = task.state.first_guess
        annual = guess is not None and guess.harmonics > 0
        seasons = seasons_of(actual.lr, annual=annual)
        return cls(task=task, actual=actual, path=path, seasons=seasons)

    @property
    def lr(self) -> xr.DataArray:
        """LR channels ``(time, y, x, channel)``."""
        return self.actual.lr

    @property
    def shape(self) -> tuple[int, int]:
        """Number of HR cells of the network along y and x."""
        around = 2 * self.task.state.pairing.context
        sizes = self.lr.sizes[Y] - around, self.lr.sizes[X] - around
        return self.task.state.pairing.scale.fine(sizes)

    def samples(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield steps ``(sample,)`` and the rows that they need, ``(sample, [time])``."""
        windows, steps = self.actual.windows, np.arange(self.lr.sizes["time"])
        if windows is None:
            yield steps, steps
            return
        for length in np.unique(windows.length):
            mine = steps[windows.length == length]
            yield mine, windows.start[mine][:, None] + np.arange(length)

    def add(self, sums: Attribution, mean: RegionMean) -> None:
        """Add the attributions of all time steps."""
        target = self.task.state.features.targets.index(mean.name)
        for steps, rows in self.samples():
            for batch in self.path.batches(rows):
                weights = mean.weights(steps[batch])
                valid = weights.any((1, 2))
                if valid.any():
                    mine, weights = rows[batch][valid], weights[valid]
                    self._add(sums, mine, _in_windows(weights, mine, steps[batch][valid]), target)

    def _add(self, sums: Attribution, rows: np.ndarray, weights: np.ndarray, target: int) -> None:
        found = self.path.gradients(rows, weights, target)
        gradient = found.lr
        if found.guess is not None:
            gradient = gradient + self._through_guess(found, rows)
        variables = len(self.task.state.features.lr_varying)
        attributions = (gradient * found.difference)[..., :variables]
        if rows.ndim == 2:
            attributions = attributions.sum(1)
        sums.add(attributions, found.start, found.end)

    def _through_guess(self, found: MeanGradients, rows: np.ndarray) -> np.ndarray:
        state, gradient = self.task.state, found.guess
        assert state.first_guess is not None
        assert gradient is not None
        flat = found.lr.reshape(-1, *found.lr.shape[-3:])
        pulled = state.first_guess.pullback(
            interpolation_of(state, self.task.options.sampling.interpolation),
            gradient.reshape(-1, *gradient.shape[-3:]),
            flat,
            self.seasons[rows.ravel()],
        )
        return pulled.reshape(found.lr.shape)


def _in_windows(weights: np.ndarray, rows: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return weights of the output of whole windows: 0 at the other steps of a window."""
    if rows.ndim == 1:
        return weights
    here = rows == steps[:, None]
    return np.where(here[:, :, None, None], weights[:, None], 0.0)
