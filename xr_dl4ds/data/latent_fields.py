"""Latent Gaussian fields, from which members are drawn: their covariance and their statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from xr_dl4ds.config.distribution_channels import is_latent, n_mixed
from xr_dl4ds.config.latent_constants import (
    DIRECTIONS,
    LONGEST,
    RATIO,
    RELATIVE_LENGTHS,
    VOLATILITY_LENGTH,
)

#: Key of the temperature that holds in all seasons without their own.
ALL_SEASONS = "all"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """A stationary Gaussian random field with mean 0, variance 1 and Matern-3/2 covariance.

    The correlation at the distance d is ``(1 + d / length) exp(-d / length)`` (Rasmussen & Williams
    2006, Gaussian Processes for Machine Learning, eq. 4.17, with ``length = l / sqrt(3)``).

    Parameters
    ----------
    length : float
        Length of the covariance, in HR cells along y.
    aspect : float
        Width of an HR cell relative to its height.
    direction : float, optional
        Direction of the long axis of an elongated field, in radians from the x axis towards rising
        rows; None for a field without direction.
    """

    length: float
    aspect: float = 1.0
    direction: float | None = None

    def correlation(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the correlation of cells that are so many rows and columns apart."""
        y, x = np.asarray(y, "f8"), np.asarray(x, "f8") * self.aspect
        if self.direction is not None:
            c, s = np.cos(self.direction), np.sin(self.direction)
            along, across = c * x + s * y, c * y - s * x
            x, y = along / np.sqrt(RATIO), across * np.sqrt(RATIO)
        d = np.hypot(y, x) / self.length
        found: np.ndarray = (1 + d) * np.exp(-d)
        return found

    def root_spectrum(self, shape: tuple[int, int]) -> np.ndarray:
        """Return the root of the power spectrum on a torus, by wavenumber along y and x.

        White noise of variance 1, multiplied by it in spectral space, becomes the field.
        """
        apart = [np.minimum(k, n - k) * np.where(2 * k <= n, 1, -1) for n, k in _counted(shape)]
        spectrum = np.fft.fft2(self.correlation(apart[0][:, None], apart[1][None, :])).real
        root: np.ndarray = np.sqrt(np.clip(spectrum, 0, None))
        found: np.ndarray = root / np.sqrt(np.mean(root**2))
        return found

    def kernel(self) -> np.ndarray:
        """Return the kernel that makes the field of white noise, cut off where it is small."""
        reach = [int(np.ceil(4 * self._longest / width)) + 2 for width in (1.0, self.aspect)]
        root = self.root_spectrum((4 * reach[0], 4 * reach[1]))
        whole = np.fft.fftshift(np.fft.ifft2(root).real)
        y, x = whole.shape[0] // 2, whole.shape[1] // 2
        cut = whole[y - reach[0] : y + reach[0] + 1, x - reach[1] : x + reach[1] + 1]
        found: np.ndarray = cut / np.sqrt(np.sum(cut**2))
        return found

    @property
    def _longest(self) -> float:
        return self.length * (1.0 if self.direction is None else np.sqrt(RATIO))


def _counted(shape: tuple[int, int]) -> list[tuple[int, np.ndarray]]:
    return [(n, np.arange(n)) for n in shape]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentFields:
    """Statistics of the latent fields of the targets whose members are drawn from them.

    Parameters
    ----------
    lengths : tuple of float
        For each of these targets, the correlation length of its residuals in HR cells along y.
    sizes : tuple of float
        For each of these targets, the mean absolute residual, scaled.
    aspect : float
        Width of an HR cell relative to its height.
    correlation : tuple of tuple of float
        Correlations between the residuals of these targets.
    persistence : tuple of float
        For each of these targets, the correlation of its noise between successive time steps.
    step : float, optional
        Time step of the persistence in seconds; None without one.
    temperature : mapping
        Factors of the noise by target, and there by season ("all", or "DJF" and so on).
    """

    lengths: tuple[float, ...]
    sizes: tuple[float, ...] = ()
    aspect: float = 1.0
    correlation: tuple[tuple[float, ...], ...]
    persistence: tuple[float, ...] = ()
    step: float | None = None
    temperature: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)

    def fields(self, kinds: Sequence[str | None]) -> list[list[Field]]:
        """Return the fields of each target with latent members: those mixed, then the volatility.

        `kinds` are the distributions of all targets.
        """
        latent = [kind for kind in kinds if kind is not None and is_latent(kind)]
        return [
            [
                *self._mixed(length, n_mixed(kind)),
                self._field(min(length * VOLATILITY_LENGTH, max(LONGEST, length))),
            ]
            for length, kind in zip(self.lengths, latent, strict=True)
        ]

    def _mixed(self, length: float, n: int) -> list[Field]:
        plain = [self._field(length * relative) for relative in RELATIVE_LENGTHS]
        directed = [self._field(length, direction) for direction in DIRECTIONS]
        return [*plain, *directed][:n]

    def _field(self, length: float, direction: float | None = None) -> Field:
        return Field(length=length, aspect=self.aspect, direction=direction)

    @property
    def mixture(self) -> np.ndarray:
        """Matrix that gives independent fields of the targets their correlations."""
        n = len(self.lengths)
        wanted = np.asarray(self.correlation, "f8").reshape(n, n)
        found: np.ndarray = np.linalg.cholesky(wanted + 1e-6 * np.eye(n))
        rows: np.ndarray = found / np.sqrt(np.sum(found**2, axis=1, keepdims=True))
        return rows


def mixing(fields: Sequence[Sequence[object]], mixture: np.ndarray) -> np.ndarray:
    """Return the matrix ``(field, field)`` that correlates the fields of all targets.

    The fields of one number are mixed over the targets.

    Parameters
    ----------
    fields : sequence of sequence
        The fields of each target.
    mixture : numpy.ndarray
        ``(target, target)``, see `LatentFields.mixture`.
    """
    starts = np.cumsum([0, *(len(own) for own in fields)])
    out = np.eye(int(starts[-1]), dtype="f4")
    for i in range(len(fields)):
        for j in range(i + 1):
            for k in range(min(len(fields[i]), len(fields[j]))):
                out[starts[i] + k, starts[j] + k] = mixture[i, j]
    return out
