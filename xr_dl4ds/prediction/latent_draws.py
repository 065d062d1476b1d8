"""Members drawn from latent Gaussian fields, in plain arrays.

`xr_dl4ds.networks.latent_members` does the same in training. Here the white noise behind the fields
belongs to seed, time and place, and the fields are its convolution with a short kernel. Predicting
a subset of the steps, or of the domain, therefore gives the same members as predicting all.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2

from xr_dl4ds.config import Scale
from xr_dl4ds.config.distribution_channels import (
    HELD,
    is_latent,
    is_latent_amount,
    n_mixed,
    parameter_channels,
)
from xr_dl4ds.config.latent_constants import (
    CORRECTION_LIMITS,
    CORRECTION_OFFSET,
    CORRECTIONS,
    LEAST,
    POWER,
    VOLATILITY_LIMIT,
)
from xr_dl4ds.data.latent_fields import Field, LatentFields, mixing
from xr_dl4ds.prediction.constraints import block_means
from xr_dl4ds.prediction.random_numbers import LATENT, normal

#: Terms of the moving average in time are added until the correlation falls below this value, or
#: until there are this many.
NEGLIGIBLE, MOST_TERMS = 0.1, 16
#: Most bytes of white noise of successive steps that are held for the next steps.
HELD_BYTES = 2**28


@dataclasses.dataclass(frozen=True, kw_only=True)
class CellPositions:
    """The cells for which members are drawn.

    Parameters
    ----------
    rows, columns : numpy.ndarray
        Positions of consecutive HR cells in the domain.
    around : int, optional
        Number of columns around the globe; None for a domain with edges.
    """

    rows: np.ndarray
    columns: np.ndarray
    around: int | None = None

    @property
    def wraps(self) -> bool:
        """True if the first column follows the last one."""
        return self.around is not None and self.columns.size == self.around

    def widened(self, y: int, x: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of these cells and of so many more on each side."""
        rows = np.arange(self.rows[0] - y, self.rows[0] + self.rows.size + y)
        columns = np.arange(self.columns[0] - x, self.columns[0] + self.columns.size + x)
        return rows, columns if self.around is None else columns % self.around


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class LatentMember:
    """One member of the targets with latent noise, as a function of arrays.

    Parameters
    ----------
    latent : LatentFields
        Statistics of the fields.
    kinds : tuple of str or None
        The distribution of each target.
    offsets_from_zero : tuple of float
        For each target, the offset that is added to a scaled value to measure it from the physical
        zero.
    constrained : tuple of bool
        For each target, True if a constraint fixes its mean over the LR cells.
    scale : Scale
        HR cells along the edges of an LR cell.
    seed : int
        Seed of the member.
    """

    latent: LatentFields
    kinds: tuple[str | None, ...]
    offsets_from_zero: tuple[float, ...]
    constrained: tuple[bool, ...]
    scale: Scale
    seed: int

    @property
    def targets(self) -> list[int]:
        """Targets that the members have."""
        return [i for i, kind in enumerate(self.kinds) if is_latent(kind)]

    def __call__(
        self,
        output: np.ndarray,
        keys: np.ndarray,
        cells: CellPositions,
        temperature: np.ndarray,
        valid: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw a member of some steps and cells.

        Parameters
        ----------
        output : numpy.ndarray
            Network output ``(time, y, x, channel)`` on whole LR cells.
        keys : numpy.ndarray
            ``(time,)``, keys of the random numbers.
        cells : CellPositions
            The HR cells.
        temperature : numpy.ndarray
            ``(time, target)``, factors of the noise.
        valid : numpy.ndarray, optional
            ``(y, x, target)``, True for HR cells that count in the mean over their LR cell.

        Returns
        -------
        numpy.ndarray
            ``(time, y, x, latent target)``, float32, scaled.
        """
        parameters, targets = parameter_channels(self.kinds), self.targets
        out = np.empty((*output.shape[:-1], len(targets)), "f4")
        noises = _Noises(self, cells, keys)
        for step in range(len(keys)):
            fields = noises.fields(step)
            first = 0
            for n, i in enumerate(targets):
                mixed = n_mixed(str(self.kinds[i]))
                noise = fields[first : first + mixed + 1]
                first += mixed + 1
                drawn = _drawn(output[step], parameters[i], i, noise, temperature[step, i])
                held = {
                    name: output[step, ..., c] for name, c in parameters[i].items() if name in HELD
                }
                counted = None if valid is None else valid[..., i]
                out[step, ..., n] = self._fixed(drawn, held, counted, i, cells.wraps)
        return out

    def _fixed(
        self,
        value: np.ndarray,
        held: Mapping[str, np.ndarray],
        valid: np.ndarray | None,
        i: int,
        wrap: bool,
    ) -> np.ndarray:
        """Bring amounts back from the root scale, and apply the constraint."""
        amount, zero = is_latent_amount(self.kinds[i]), self.offsets_from_zero[i]
        if amount:
            value = np.maximum(value, 0) ** POWER
        if not self.constrained[i]:
            return value - zero if amount else value
        coarse = held["reference"][:: self.scale.y, :: self.scale.x].astype("f8")
        means = functools.partial(block_means, valid=valid, scale=self.scale)
        if not amount:
            missing = coarse - means(value)
            made: np.ndarray = value + on_hr_cells(
                np.where(np.isfinite(missing), missing, 0), self.scale
            )
            return made
        wanted = np.maximum(coarse + zero, 0)
        value = (value + LEAST) * np.maximum(held["smooth_reference"] + zero, 0)
        for _ in range(CORRECTIONS):
            ratio = (wanted + CORRECTION_OFFSET) / (means(value) + CORRECTION_OFFSET)
            ratio = np.clip(np.where(np.isfinite(ratio), ratio, 1.0), *CORRECTION_LIMITS)
            value = value * np.exp(bilinear(np.log(ratio), self.scale, wrap))
        mean = means(value)
        ratio = np.divide(wanted, mean, out=np.ones_like(wanted), where=mean > 0)
        scaled: np.ndarray = value * on_hr_cells(ratio, self.scale) - zero
        return scaled


def _drawn(
    output: np.ndarray, at: dict[str, int], channel: int, noise: np.ndarray, temperature: float
) -> np.ndarray:
    """Return location and noise of a target ``(y, x)``."""
    weights = [output[..., c] for name, c in at.items() if name.startswith("mix_")]
    spread = next(output[..., c] for name, c in at.items() if name in ("scale", "root_scale"))
    mixed = np.sum([w * z for w, z in zip(weights, noise[:-1], strict=True)], axis=0)
    volatility = output[..., at["volatility"]]
    limited = np.clip(noise[-1], -VOLATILITY_LIMIT, VOLATILITY_LIMIT)
    mixed *= np.exp(volatility * limited - volatility**2)
    found: np.ndarray = output[..., channel] + temperature * spread * mixed
    return found


class _Noises:
    """The latent fields of successive steps, as moving averages of noise that dates determine."""

    def __init__(self, member: LatentMember, cells: CellPositions, keys: np.ndarray) -> None:
        self.member, self.cells, self.keys = member, cells, [int(key) for key in keys.ravel()]
        fields = member.latent.fields(member.kinds)
        self.mixing = mixing(fields, member.latent.mixture)
        every = tuple(field for own in fields for field in own)
        self.kernels = kernels_of(every, cells.around)
        self.reach = [max(k.shape[axis] // 2 for k in self.kernels) for axis in (0, 1)]
        wide = [
            n + 2 * r
            for n, r in zip((cells.rows.size, cells.columns.size), self.reach, strict=True)
        ]
        self.shape = (next_fast_len(wide[0], real=True), next_fast_len(wide[1], real=True))
        self.spectra = spectra_of(self.kernels, self.shape)
        self.terms = terms_of(member.latent, [len(own) for own in fields])
        self._white: dict[int, np.ndarray] = {}

    def fields(self, step: int) -> np.ndarray:
        """Return the fields of a step: ``(field, y, x)``."""
        white = np.moveaxis(self._averaged(self.keys[step]), -1, 0)
        spectrum = rfft2(white, s=self.shape) * self.spectra
        y, x = (
            slice(r, r + c.size)
            for r, c in zip(self.reach, (self.cells.rows, self.cells.columns), strict=True)
        )
        found = irfft2(spectrum, s=self.shape)[:, y, x]
        if len(self.member.latent.lengths) == 1:
            made: np.ndarray = found
            return made
        return np.tensordot(self.mixing, found, axes=1)

    def _averaged(self, key: int) -> np.ndarray:
        """Return white noise with the persistence of each field."""
        step = self.member.latent.step
        lag = 0 if step is None else round(step * 1e6)
        earlier = [(key - n * lag) % 2**64 for n in range(len(self.terms))]
        self._white = {one: self._white[one] for one in earlier if one in self._white}
        total = np.zeros((), "f4")
        for weights, one in zip(self.terms, earlier, strict=True):
            if one not in self._white:
                rows, columns = self.cells.widened(*self.reach)
                n = len(self.kernels)
                self._white[one] = normal(self.member.seed, one, LATENT, rows, columns, n)
            total = total + weights * self._white[one]
            if len(self.terms) * self._white[one].nbytes > HELD_BYTES:
                del self._white[one]  # draw it again rather than hold it
        return total


class _Kernels(tuple[np.ndarray, ...]):
    """Kernels, compared by identity."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


@functools.lru_cache(maxsize=32)
def kernels_of(fields: tuple[Field, ...], around: int | None = None) -> _Kernels:
    """Return the kernels of fields, float32; none is longer than the circle of columns."""
    kernels = (field.kernel() for field in fields)
    return _Kernels(folded(kernel, around).astype("f4") for kernel in kernels)


def folded(kernel: np.ndarray, around: int | None) -> np.ndarray:
    """Fold a kernel around the globe, and keep the sum of its squares.

    Parameters
    ----------
    kernel : numpy.ndarray
        ``(y, x)``, with odd lengths.
    around : int, optional
        Number of columns around the globe; None for a domain with edges.
    """
    if around is None or kernel.shape[1] <= around:
        return kernel
    half = around // 2
    whole = np.zeros((kernel.shape[0], 2 * half + 1))
    places = (np.arange(kernel.shape[1]) - kernel.shape[1] // 2 + half) % around
    for to, column in zip(places, kernel.T, strict=True):
        whole[:, to] += column
    found: np.ndarray = whole / np.sqrt(np.sum(whole**2))
    return found


@functools.lru_cache(maxsize=2)
def spectra_of(kernels: _Kernels, shape: tuple[int, int]) -> np.ndarray:
    """Return the transforms of kernels that are centred on the first cell, ``(field, y, x)``."""
    whole = np.zeros((len(kernels), *shape), "f4")
    for to, kernel in zip(whole, kernels, strict=True):
        y, x = kernel.shape
        to[:y, :x] = kernel
        to[:] = np.roll(to, (-(y // 2), -(x // 2)), axis=(0, 1))
    made: np.ndarray = rfft2(whole)
    return made


def terms_of(latent: LatentFields, sizes: Sequence[int]) -> np.ndarray:
    """Return the weights ``(term, field)`` of the moving average in time.

    White noise with the weights ``r**n`` has the correlation r between successive steps, except
    for the terms that are left out. The squares of the weights of a field sum to 1.

    Parameters
    ----------
    latent : LatentFields
        Statistics of the fields.
    sizes : sequence of int
        Number of fields of each target.
    """
    persistence = latent.persistence or (0.0,) * len(sizes)
    highest = max(persistence) if latent.step is not None else 0.0
    n = 1
    while n < MOST_TERMS and highest**n > NEGLIGIBLE:
        n += 1
    each = np.repeat(np.asarray(persistence, "f8"), sizes)
    weights = each[None, :] ** np.arange(n)[:, None]
    found: np.ndarray = (weights / np.sqrt(np.sum(weights**2, axis=0))).astype("f4")
    return found


def on_hr_cells(values: np.ndarray, scale: Scale) -> np.ndarray:
    """Repeat LR values ``(y, x)`` on the HR cells."""
    return values.repeat(scale.y, axis=0).repeat(scale.x, axis=1)


def bilinear(values: np.ndarray, scale: Scale, wrap: bool = False) -> np.ndarray:
    """Interpolate LR values ``(y, x)`` to the HR cells; beyond the border they are repeated.

    Parameters
    ----------
    values : numpy.ndarray
        LR values.
    scale : Scale
        HR cells along the edges of an LR cell.
    wrap : bool
        Whether the first column follows the last one.
    """
    for axis, cells in enumerate(scale.edges):
        n = values.shape[axis]
        place = (np.arange(n * cells) + 0.5) / cells - 0.5
        low = np.floor(place).astype(int)
        ends = [(low + k) % n if wrap and axis == 1 else np.clip(low + k, 0, n - 1) for k in (0, 1)]
        share = (place - low)[:, None] if axis == 0 else place - low
        first, second = (np.take(values, end, axis=axis) for end in ends)
        values = first * (1 - share) + second * share
    return values
