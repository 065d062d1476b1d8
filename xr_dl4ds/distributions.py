"""Distributions that a network fits to each cell: their spread, and members drawn from them.

In scaled units, on plain arrays. The first output channels of a network are the targets, for a
distribution its mean; its further parameters follow, see `config.distributions`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from scipy import special

from xr_dl4ds.config.distributions import parameter_channels
from xr_dl4ds.noise import MEMBER, centred, normal

Parameters = Mapping[str, np.ndarray]


def spread(kind: str, mean: np.ndarray, parameters: Parameters, zero: float) -> np.ndarray:
    """Standard deviation of a distribution.

    Parameters
    ----------
    kind : {"gaussian", "bernoulli_gamma"}
        Which one.
    mean : numpy.ndarray
        Its mean, scaled.
    parameters : mapping of numpy.ndarray
        Its further parameters by name, of the same shape.
    zero : float
        What is added to a scaled value to measure it from the physical zero.

    Returns
    -------
    numpy.ndarray
        Of the same shape, float64, in units of the scaler's factor.
    """
    return _SPREADS[kind](mean.astype("f8"), _wide(parameters), zero)


def draw(
    kind: str, mean: np.ndarray, parameters: Parameters, zero: float, z: np.ndarray
) -> np.ndarray:
    """The quantile of a distribution at the probability ``Phi(z)``.

    Parameters
    ----------
    kind : {"gaussian", "bernoulli_gamma"}
        Which one.
    mean : numpy.ndarray
        Its mean, scaled.
    parameters : mapping of numpy.ndarray
        Its further parameters by name, of the same shape.
    zero : float
        What is added to a scaled value to measure it from the physical zero.
    z : numpy.ndarray
        Standard normal numbers of the same shape.

    Returns
    -------
    numpy.ndarray
        Of the same shape, scaled, float64.
    """
    return _DRAWS[kind](mean.astype("f8"), _wide(parameters), zero, z.astype("f8"))


def _wide(parameters: Parameters) -> Parameters:
    return {name: values.astype("f8") for name, values in parameters.items()}


def _spread_gaussian(mean: np.ndarray, parameters: Parameters, zero: float) -> np.ndarray:
    return parameters["spread"]


def _draw_gaussian(
    mean: np.ndarray, parameters: Parameters, zero: float, z: np.ndarray
) -> np.ndarray:
    return mean + parameters["spread"] * z


def _spread_bernoulli_gamma(mean: np.ndarray, parameters: Parameters, zero: float) -> np.ndarray:
    """From ``E[v^2] = p k (k + 1) theta^2`` and ``m = p k theta``."""
    shape, amount = parameters["shape"], np.maximum(mean + zero, 0.0)
    # 1 / p - 1 = exp(-logit), without the difference of two numbers near one
    inverse = np.exp(np.minimum(-parameters["wet"], 500.0))
    return amount * np.sqrt(inverse + (1.0 + inverse) / shape)


def _draw_bernoulli_gamma(
    mean: np.ndarray, parameters: Parameters, zero: float, z: np.ndarray
) -> np.ndarray:
    """The gamma distribution's own quantile where ``Phi(z) > 1 - p``, else nothing."""
    wet, shape = special.expit(parameters["wet"]), parameters["shape"]
    amount = np.maximum(mean + zero, 0.0)
    above = special.ndtr(-z)  # of the whole distribution; by it, the tail of large amounts is exact
    some = (above < wet) & (amount > 0)
    p, k, m = wet[some], shape[some], amount[some]
    out = np.zeros_like(amount)
    out[some] = m / (p * k) * special.gammainccinv(k, above[some] / p)
    return out - zero


_SPREADS: dict[str, Callable[..., np.ndarray]] = {
    "gaussian": _spread_gaussian,
    "bernoulli_gamma": _spread_bernoulli_gamma,
}
_DRAWS: dict[str, Callable[..., np.ndarray]] = {
    "gaussian": _draw_gaussian,
    "bernoulli_gamma": _draw_bernoulli_gamma,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Heads:
    """What the output channels of a network mean.

    Parameters
    ----------
    kinds : tuple of str or None
        The distribution of each target; None where the network gives a value.
    zeros : tuple of float
        For each target, what is added to a scaled value to measure it from the physical zero.
    """

    kinds: tuple[str | None, ...]
    zeros: tuple[float, ...]

    def of(self, output: np.ndarray, target: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Mean and further parameters of one target, by its position."""
        channels = parameter_channels(self.kinds)[target]
        return output[..., target], {name: output[..., i] for name, i in channels.items()}

    def spread(self, output: np.ndarray) -> np.ndarray:
        """``(..., channel)`` -> ``(..., target)``, float32; NaN for targets without one."""
        out = np.full((*output.shape[:-1], len(self.kinds)), np.nan, "f4")
        for i, (kind, zero) in enumerate(zip(self.kinds, self.zeros, strict=True)):
            if kind is not None:
                out[..., i] = spread(kind, *self.of(output, i), zero)
        return out


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """One member of the distributions, as a function of arrays.

    Parameters
    ----------
    heads : Heads
        What the channels mean.
    seed : int
        Of the member.
    scale : int
        HR cells along one edge of an LR cell.
    kept : tuple of bool
        For each target, whether a constraint keeps its mean over the LR cells.
    """

    heads: Heads
    seed: int
    scale: int
    kept: tuple[bool, ...]

    def __call__(
        self,
        output: np.ndarray,
        keys: np.ndarray,
        rows: np.ndarray,
        columns: np.ndarray,
        valid: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw one member of a part of the domain.

        One step at a time, with random numbers of its own, by its key, in each cell, by its place.

        Parameters
        ----------
        output : numpy.ndarray
            ``(time, y, x, channel)``, what the network gives, on whole LR cells.
        keys : numpy.ndarray
            As many as steps.
        rows, columns : numpy.ndarray
            Positions of the HR cells in the whole domain, as many as rows and columns.
        valid : numpy.ndarray, optional
            ``(y, x, target)``, whether an HR cell counts in the mean over its LR cell; needed where
            one is kept.

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
            for i, (kind, zero) in enumerate(zip(kinds, self.heads.zeros, strict=True)):
                mean, further = self.heads.of(output[step], i)
                if kind is not None:
                    z = noise[..., i]
                    if self.kept[i]:
                        assert valid is not None
                        z = centred(z, valid[..., i], self.scale)
                    mean = draw(kind, mean, further, zero, z)
                out[step, ..., i] = mean
        return out
