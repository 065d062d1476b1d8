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

from xr_dl4ds.config.distribution_channels import parameter_channels
from xr_dl4ds.prediction.random_numbers import MEMBER, centred, normal

Parameters = Mapping[str, np.ndarray]


def spread(kind: str, mean: np.ndarray, parameters: Parameters, zero: float) -> np.ndarray:
    """Return the standard deviation of a distribution.

    Parameters
    ----------
    kind : {"gaussian", "bernoulli_gamma"}
        The distribution.
    mean : numpy.ndarray
        Mean of the distribution, scaled.
    parameters : mapping of numpy.ndarray
        Further parameters of the distribution by name, with the shape of `mean`.
    zero : float
        Offset that is added to a scaled value to measure it from the physical zero.

    Returns
    -------
    numpy.ndarray
        Standard deviation with the shape of `mean`, float64, in units of the scaler's factor.
    """
    return _SPREADS[kind](mean.astype("f8"), _wide(parameters), zero)


def draw(
    kind: str, mean: np.ndarray, parameters: Parameters, zero: float, z: np.ndarray
) -> np.ndarray:
    """Return the quantile of a distribution at the probability ``Phi(z)``.

    Parameters
    ----------
    kind : {"gaussian", "bernoulli_gamma"}
        The distribution.
    mean : numpy.ndarray
        Mean of the distribution, scaled.
    parameters : mapping of numpy.ndarray
        Further parameters of the distribution by name, with the shape of `mean`.
    zero : float
        Offset that is added to a scaled value to measure it from the physical zero.
    z : numpy.ndarray
        Standard normal numbers with the shape of `mean`.

    Returns
    -------
    numpy.ndarray
        Scaled quantile with the shape of `mean`, float64.
    """
    return _DRAWS[kind](mean.astype("f8"), _wide(parameters), zero, z.astype("f8"))


def _wide(parameters: Parameters) -> Parameters:
    return {name: values.astype("f8") for name, values in parameters.items()}


def _spread_gaussian(mean: np.ndarray, parameters: Parameters, zero: float) -> np.ndarray:
    return parameters["spread"]


def _draw_gaussian(
    mean: np.ndarray, parameters: Parameters, zero: float, z: np.ndarray
) -> np.ndarray:
    return np.asarray(mean + parameters["spread"] * z)


def _spread_bernoulli_gamma(mean: np.ndarray, parameters: Parameters, zero: float) -> np.ndarray:
    """Return the spread by ``E[v^2] = p k (k + 1) theta^2`` and ``m = p k theta``."""
    shape, amount = parameters["shape"], np.maximum(mean + zero, 0.0)
    # 1 / p - 1 = exp(-logit), which avoids the difference of two numbers near 1
    inverse = np.exp(np.minimum(-parameters["wet"], 500.0))
    return amount * np.sqrt(inverse + (1.0 + inverse) / shape)


def _draw_bernoulli_gamma(
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
        """Return the mean and the further parameters of the target at a position."""
        channels = parameter_channels(self.kinds)[target]
        return output[..., target], {name: output[..., i] for name, i in channels.items()}

    def spread(self, output: np.ndarray) -> np.ndarray:
        """Return the spread ``(..., target)``, float32, of an output ``(..., channel)``.

        Targets without a distribution are NaN.
        """
        out = np.full((*output.shape[:-1], len(self.kinds)), np.nan, "f4")
        for i, (kind, zero) in enumerate(zip(self.kinds, self.offsets_from_zero, strict=True)):
            if kind is not None:
                out[..., i] = spread(kind, *self.of(output, i), zero)
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
    scale : int
        HR cells along one edge of an LR cell.
    constrained : tuple of bool
        For each target, whether a constraint fixes its mean over the LR cells.
    """

    heads: Heads
    seed: int
    scale: int
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
            Positions of the rows and columns of HR cells in the whole domain.
        valid : numpy.ndarray, optional
            ``(y, x, target)``, whether an HR cell counts in the mean over its LR cell. Required if
            a constraint fixes the mean of a target.

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
                mean, further = self.heads.of(output[step], i)
                if kind is not None:
                    z = noise[..., i]
                    if self.constrained[i]:
                        assert valid is not None
                        z = centred(z, valid[..., i], self.scale)
                    mean = draw(kind, mean, further, zero, z)
                out[step, ..., i] = mean
        return out
