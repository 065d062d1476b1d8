"""Distributions that a network fits to each cell: their spread, and members drawn from them.

Values are scaled, in plain arrays. The first output channels of a network are the targets; for a
fitted distribution this is its mean. The further parameters follow, see
`config.distribution_channels`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from scipy import special

from xr_dl4ds.config import Scale
from xr_dl4ds.config.distribution_channels import parameter_channels
from xr_dl4ds.prediction.random_numbers import MEMBER, centred, normal

Parameters = Mapping[str, np.ndarray]


def _spread_gaussian(mean: np.ndarray, parameters: Parameters, zero: float) -> np.ndarray:
    return parameters["spread"]


def _quantile_gaussian(
    mean: np.ndarray, parameters: Parameters, zero: float, z: np.ndarray
) -> np.ndarray:
    return np.asarray(mean + parameters["spread"] * z)


def _spread_bernoulli_gamma(mean: np.ndarray, parameters: Parameters, zero: float) -> np.ndarray:
    """Return the spread by ``E[v^2] = p k (k + 1) theta^2`` and ``m = p k theta``."""
    shape, amount = parameters["shape"], np.maximum(mean + zero, 0.0)
    # 1 / p - 1 = exp(-logit), which avoids the difference of two numbers near 1
    inverse = np.exp(np.minimum(-parameters["wet"], 500.0))
    return amount * np.sqrt(inverse + (1.0 + inverse) / shape)


def _quantile_bernoulli_gamma(
    mean: np.ndarray, parameters: Parameters, zero: float, z: np.ndarray
) -> np.ndarray:
    """Return the quantile of the gamma distribution where ``Phi(z) > 1 - p``, else a dry cell."""
    wet, shape = special.expit(parameters["wet"]), parameters["shape"]
    amount = np.maximum(mean + zero, 0.0)
    above = special.ndtr(-z)  # upper tail probability, which is exact for large amounts
    some = (above < wet) & (amount > 0)
    p, k, m = wet[some], shape[some], amount[some]
    out = np.zeros_like(amount)
    out[some] = m / (p * k) * special.gammainccinv(k, above[some] / p)
    return out - zero


#: Functions ``(mean, parameters, zero) -> standard deviation`` of the distributions. All arrays are
#: float64 and have one shape. Means and quantiles are scaled, a standard deviation is in units of
#: the scaler's factor. `parameters` holds the further parameters by name, and `zero` is added to a
#: scaled value to measure it from the physical zero.
SPREADS: dict[str, Callable[..., np.ndarray]] = {
    "gaussian": _spread_gaussian,
    "bernoulli_gamma": _spread_bernoulli_gamma,
}
#: Functions ``(mean, parameters, zero, z) -> quantile`` at the probability ``Phi(z)``.
QUANTILES: dict[str, Callable[..., np.ndarray]] = {
    "gaussian": _quantile_gaussian,
    "bernoulli_gamma": _quantile_bernoulli_gamma,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Heads:
    """Meaning of the output channels of a network.

    Parameters
    ----------
    kinds : tuple of str or None
        The distribution of each target; None for a target that is a single value.
    offsets_from_zero : tuple of float
        For each target, the offset that is added to a scaled value to measure it from the physical
        zero.
    """

    kinds: tuple[str | None, ...]
    offsets_from_zero: tuple[float, ...]

    def of(self, output: np.ndarray, target: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the mean and the further parameters of the target at a position, float64."""
        channels = parameter_channels(self.kinds)[target]
        parameters = {name: output[..., i].astype("f8") for name, i in channels.items()}
        return output[..., target].astype("f8"), parameters

    def spread(self, output: np.ndarray) -> np.ndarray:
        """Return the spread ``(..., target)``, float32, of an output ``(..., channel)``.

        Targets without a distribution are NaN.
        """
        out = np.full((*output.shape[:-1], len(self.kinds)), np.nan, "f4")
        for i, (kind, zero) in enumerate(zip(self.kinds, self.offsets_from_zero, strict=True)):
            if kind in SPREADS:
                out[..., i] = SPREADS[kind](*self.of(output, i), zero)
        return out


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """One member drawn from the distributions, as a function of arrays.

    Parameters
    ----------
    heads : Heads
        Meaning of the output channels.
    seed : int
        Seed of the member.
    scale : Scale
        HR cells along the edges of an LR cell.
    constrained : tuple of bool
        For each target, True if a constraint fixes its mean over the LR cells.
    """

    heads: Heads
    seed: int
    scale: Scale
    constrained: tuple[bool, ...]

    def __call__(
        self,
        output: np.ndarray,
        keys: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        valid: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw one member of a part of the domain.

        Each step is drawn separately. Its random numbers depend on its key and on the position of
        each cell.

        Parameters
        ----------
        output : numpy.ndarray
            Network output ``(time, y, x, channel)`` on whole LR cells.
        keys : numpy.ndarray
            One key for each step.
        rows, columns : numpy.ndarray
            Positions of the rows and columns of HR cells in the domain.
        valid : numpy.ndarray, optional
            ``(y, x, target)``, True for HR cells that count in the mean over their LR cell.
            Required if a constraint fixes the mean of a target.

        Returns
        -------
        numpy.ndarray
            ``(time, y, x, target)``, float32.
        """
        kinds = self.heads.kinds
        out = np.empty((*output.shape[:-1], len(kinds)), "f4")
        place = rows.ravel(), columns.ravel()
        for step, key in enumerate(keys.ravel().tolist()):
            noise = normal(self.seed, key, MEMBER, *place, len(kinds))
            for i, (kind, zero) in enumerate(zip(kinds, self.heads.offsets_from_zero, strict=True)):
                mean, parameters = self.heads.of(output[step], i)
                if kind in QUANTILES:
                    z = noise[..., i].astype("f8")
                    if self.constrained[i]:
                        assert valid is not None
                        z = centred(z, valid[..., i], self.scale)
                    mean = QUANTILES[kind](mean, parameters, zero, z)
                out[step, ..., i] = mean
        return out
