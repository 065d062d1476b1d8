"""First guesses of targets by linear methods; the network learns what they lack.

A guess is a sum of terms of each time step (a constant, the annual cycle, and for a regression the
principal components of the LR fields) with coefficients for each HR cell, fitted by least squares
with a penalty. The network sees guesses of steps that had no part in the fit (out of fold), as it
will in predictions. All values are scaled.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.gaps import Gaps, gaps_of
from xr_dl4ds.data.ridge import FOLDS, Sums, choices_of, folds_of, most_groups
from xr_dl4ds.grid.names import TIME, X, Y

#: Sine and cosine of so many periods a year describe the annual cycle.
HARMONICS = 2
#: Share of the variance that the principal components keep, and the most of them.
VARIANCE, COMPONENTS = 0.99999, 512
#: Samples for each principal component, at least.
SAMPLES = 2
#: Bytes of the coefficients of a fit, which bound the number of principal components. A fit holds
#: up to twice as much while it runs: the sums of products are nearly as large as the coefficients.
BYTES = 2**30
#: An LR cell whose standard deviation is a smaller share of its largest value counts as constant.
ROUNDING = 1e-6
#: Values of LR fields from which principal components are computed.
VALUES = 2**26
#: The corrections of amounts by a ratio lie between these.
RATIOS = (0.1, 10.0)
#: Bytes of LR fields and targets that are read at once.
SLAB = 2**26

_TERM = "term"


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class FirstGuess:
    """A linear guess of all targets on one domain.

    Parameters
    ----------
    kind : {"interpolation", "bias_corrected", "climatology", "regression"}
        "bias_corrected" corrects the interpolated LR field by the difference of two annual cycles
        or, for amounts, by their ratio.
    coefficients : numpy.ndarray
        ``(field, term, y, x, target)``, float32: of the targets and, for a bias correction, of the
        interpolated LR fields.
    patterns : numpy.ndarray
        ``(component, lr cell and channel)``, float32: principal components of the LR fields are the
        product of these with the LR channels of variables.
    amounts : tuple of bool
        For each target, True for a correction by a ratio.
    zeros : tuple of float
        For each target, the scaled value of the physical zero.
    """

    kind: str
    coefficients: np.ndarray
    patterns: np.ndarray
    amounts: tuple[bool, ...]
    zeros: tuple[float, ...]

    @property
    def harmonics(self) -> int:
        """Periods a year of the annual cycle, 0 without one."""
        return int(self.coefficients.shape[1] - 1 - len(self.patterns)) // 2

    def block(self, interpolation: Interpolator, lr: np.ndarray, season: np.ndarray) -> np.ndarray:
        """Return guesses ``(time, y, x, target)`` for LR channels ``(time, y, x, channel)``."""
        if self.kind == "interpolation":
            return interpolation(lr)
        n = lr.shape[0]
        terms = _terms(lr, season, self.patterns)
        fields = [
            (terms @ part.reshape(terms.shape[1], -1)).reshape(n, *part.shape[1:])
            for part in self.coefficients
        ]
        if self.kind != "bias_corrected":
            found: np.ndarray = fields[0]
            return found
        target, own = fields
        base = interpolation(lr)
        out: np.ndarray = base + (target - own)
        for i in (i for i, amount in enumerate(self.amounts) if amount):
            zero = np.float32(self.zeros[i])
            out[..., i] = zero + (base[..., i] - zero) * self._ratio(target, own, i)
        return out

    def _ratio(self, target: np.ndarray, own: np.ndarray, i: int) -> np.ndarray:
        """Return the correction of an amount, from two annual cycles ``(time, y, x, target)``."""
        zero = np.float32(self.zeros[i])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (target[..., i] - zero) / (own[..., i] - zero)
        found: np.ndarray = np.clip(np.nan_to_num(ratio, nan=1.0), *RATIOS)
        return found

    def pullback(
        self, interpolation: Interpolator, gradient: np.ndarray, lr: np.ndarray, season: np.ndarray
    ) -> np.ndarray:
        """Return the gradient of a function with respect to the LR channels, by the chain rule.

        A guess is an affine function of the LR channels, so that its derivative is the same for
        all LR fields of a date.

        Parameters
        ----------
        interpolation : Interpolator
            Interpolation of LR counterparts.
        gradient : numpy.ndarray
            Gradient of the function with respect to the guess, ``(time, y, x, target)``.
        lr : numpy.ndarray
            LR channels ``(time, y, x, channel)``, of which only the shape is used.
        season : numpy.ndarray
            Terms of the annual cycle ``(time, term)``.

        Returns
        -------
        numpy.ndarray
            ``(time, y, x, channel)``, float64; 0 for channels that the guess does not see.
        """
        out = np.zeros(lr.shape, "f8")
        if self.kind in ("interpolation", "bias_corrected"):
            if any(self.amounts) and self.kind == "bias_corrected":
                terms = _terms(lr, season, self.patterns)
                target, own = (np.tensordot(terms, part, 1) for part in self.coefficients)
                ratios = [self._ratio(target, own, i) for i, a in enumerate(self.amounts) if a]
                gradient = gradient.copy()
                gradient[..., [i for i, a in enumerate(self.amounts) if a]] *= np.stack(ratios, -1)
            for i, channel in enumerate(interpolation.channels):
                if channel is not None:
                    out[..., channel] += interpolation.wy.T @ gradient[..., i] @ interpolation.wx
            return out
        n = len(self.patterns)
        if n:
            of_terms = np.tensordot(gradient, self.coefficients[0][-n:], ((1, 2, 3), (1, 2, 3)))
            found = of_terms @ self.patterns.reshape(n, -1)
            seen = found.reshape(*lr.shape[:3], -1)
            out[..., : seen.shape[-1]] = seen
        return out


#: The interpolated LR field, which the network can compute itself.
INTERPOLATED = FirstGuess(
    kind="interpolation",
    coefficients=np.zeros((0, 1, 0, 0, 0), "f4"),
    patterns=np.zeros((0, 0), "f4"),
    amounts=(),
    zeros=(),
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Interpolator:
    """Interpolation of the LR counterparts of targets to HR cells.

    Parameters
    ----------
    wy, wx : numpy.ndarray
        Weights ``(hr, lr)`` along y and x.
    channels : tuple of int or None
        LR channel of each target; a target without one is guessed as 0, its mean.
    """

    wy: np.ndarray
    wx: np.ndarray
    channels: tuple[int | None, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """HR rows and columns, and number of targets."""
        return len(self.wy), len(self.wx), len(self.channels)

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        """Return ``(time, y, x, target)`` for LR channels ``(time, y, x, channel)``."""
        out = np.zeros((len(lr), *self.shape), "f4")
        for i, channel in enumerate(self.channels):
            if channel is not None:
                out[..., i] = self.wy @ lr[..., channel] @ self.wx.T
        return out


def _terms(lr: np.ndarray, season: np.ndarray, patterns: np.ndarray) -> np.ndarray:
    """Return the terms of each step: a constant, the season, and the principal components."""
    n = lr.shape[0]
    parts = [np.ones((n, 1), "f4"), season.astype("f4")]
    if len(patterns):
        parts.append(_flat(lr, patterns) @ patterns.T)
    return np.concatenate(parts, axis=1)


def _patterns_of(anomalies: np.ndarray, most: int) -> np.ndarray:
    """Return up to `most` patterns; their products with anomalies have a mean variance of 1."""
    rows = anomalies.reshape(len(anomalies), -1)
    # eigenvectors of the smaller of both products
    wide = rows.shape[1] > len(rows)
    variance, vectors = np.linalg.eigh((rows @ rows.T if wide else rows.T @ rows).astype("f8"))
    variance, vectors = np.clip(variance[::-1], 0, None), vectors[:, ::-1]
    share = np.cumsum(variance) / max(variance.sum(), np.finfo("f8").tiny)
    most = min(most, int((variance > 0).sum()))
    k = max(0, min(int(np.searchsorted(share, VARIANCE)) + 1, most))
    spread = np.sqrt(variance[:k].mean() / len(rows)) if k else 1.0
    if wide:
        vectors = rows.T @ vectors[:, :k] / np.sqrt(variance[:k])
    return np.asarray((vectors[:, :k] / spread).T, "f4").reshape(k, *anomalies.shape[1:])


def _flat(lr: np.ndarray, patterns: np.ndarray) -> np.ndarray:
    """Return the channels of variables, which come first, as one row for each step."""
    cells = lr.shape[1] * lr.shape[2]
    channels = patterns.shape[1] // cells
    return np.ascontiguousarray(lr[..., :channels]).reshape(lr.shape[0], -1)


def season(year: np.ndarray | None, steps: int) -> np.ndarray:
    """Return sines and cosines of the share of the year, ``(time, term)``; none without dates."""
    if year is None:
        return np.zeros((steps, 0), "f4")
    angles = 2 * np.pi * np.arange(1, HARMONICS + 1) * year[:, None]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype("f4")


def guessed(
    guesses: Sequence[FirstGuess],
    interpolation: Interpolator,
    lr: xr.DataArray,
    seasons: np.ndarray,
    which: np.ndarray | None = None,
) -> xr.DataArray:
    """Return guesses ``(time, y, x, channel)`` on HR cells, lazy where the LR channels are.

    Parameters
    ----------
    guesses : sequence of FirstGuess
        One guess, or one for each fold.
    interpolation : Interpolator
        Interpolates the LR counterparts.
    lr : xarray.DataArray
        LR channels ``(time, y, x, channel)``.
    seasons : numpy.ndarray
        ``(time, term)``, see `season`.
    which : numpy.ndarray, optional
        ``(time,)``, the guess that each step takes; by default the first.
    """
    steps = lr.sizes[TIME]
    which = np.zeros(steps, "i4") if which is None else which
    # one array, because dask cannot chunk an array without columns
    beside = xr.DataArray(np.column_stack([which, seasons]).astype("f4"), dims=(TIME, _TERM))
    bare = lr.drop_vars(list(lr.coords)).transpose(TIME, Y, X, CHANNEL)
    if lr.chunks is not None:
        bare = bare.chunk({Y: -1, X: -1, CHANNEL: -1})
        beside = beside.chunk({TIME: lr.chunksizes[TIME]})
    sizes = dict(zip((Y, X, CHANNEL), interpolation.shape, strict=True))
    out: xr.DataArray = xr.apply_ufunc(
        functools.partial(_by_fold, guesses, interpolation),
        bare,
        beside,
        input_core_dims=[[Y, X, CHANNEL], [_TERM]],
        output_core_dims=[[Y, X, CHANNEL]],
        exclude_dims={Y, X, CHANNEL},
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={"output_sizes": sizes},
    )
    return out


def _by_fold(
    guesses: Sequence[FirstGuess],
    interpolation: Interpolator,
    lr: np.ndarray,
    beside: np.ndarray,
) -> np.ndarray:
    which, seasons = beside[:, 0].astype("i4"), beside[:, 1:]
    out = np.empty((len(lr), *interpolation.shape), "f4")
    for number in np.unique(which):
        mine = which == number
        out[mine] = guesses[number].block(interpolation, lr[mine], seasons[mine])
    return out


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Fitter:
    """Training data of first guesses.

    Parameters
    ----------
    lr, target : xarray.DataArray
        Channels ``(time, y, x, channel)``, scaled; targets are NaN where masked.
    seasons : numpy.ndarray
        ``(time, term)``, see `season`.
    interpolation : Interpolator
        Interpolates the LR counterparts.
    varying : int
        Number of LR channels that are variables.
    amounts, zeros : tuple
        See `FirstGuess`.
    context : int
        LR cells around the domain, on each side.
    """

    lr: xr.DataArray
    target: xr.DataArray
    seasons: np.ndarray
    interpolation: Interpolator
    varying: int
    amounts: tuple[bool, ...]
    zeros: tuple[float, ...]
    context: int = 0

    @functools.cached_property
    def gaps(self) -> Gaps:
        """Gaps and means of the targets."""
        slabs = (np.asarray(self.target.isel({TIME: part}).data) for part in self._slabs())
        return gaps_of(values.reshape(len(values), -1) for values in slabs)

    @property
    def folds(self) -> np.ndarray:
        """The fold of each step, in blocks of dates."""
        index = self.lr.indexes.get(TIME)
        return folds_of(self.gaps.kept, None if index is None else index.to_numpy())

    @property
    def affordable(self) -> int:
        """The number of principal components of each width that memory allows."""
        cells = int(np.prod(self.target.shape[1:]))
        return int(BYTES // (4 * (FOLDS + 1) * cells)) // len(self._widths)

    @property
    def _widths(self) -> list[int]:
        """Widths of surroundings in LR cells: the domain, the whole LR fields, and one between."""
        return sorted({0, self.context // 2, self.context})

    def fit(self, kind: str) -> tuple[FirstGuess, list[FirstGuess]]:
        """Return the guess of all data, and that of each fold from the data of the others."""
        mean, groups = np.zeros((*self.lr.shape[1:3], self.varying), "f4"), []
        if kind != "climatology":
            mean, anomalies = self._sample()
            groups = self._patterns(anomalies) if kind == "regression" else []
        patterns = np.concatenate(groups) if groups else np.zeros((0, 0), "f4")
        sums = self._sums(patterns, mean, of_lr=kind == "bias_corrected")
        free = sums.free
        ends = free + np.cumsum([0, *map(len, groups)])
        spans = [range(a, b) for a, b in itertools.pairwise(ends.tolist()) if a < b]
        choices = choices_of(spans, free)
        which = sums.best(choices)
        # terms that no cell has are not kept
        used = [choices[i].rows(free) for i in np.unique(which[sums.groups >= 0])]
        kept = np.unique(np.concatenate([np.arange(free), *used]))
        # the fit takes components of anomalies, a guess those of fields
        offsets = (patterns @ _flat(mean[None], patterns)[0].astype("f8")).astype("f4")
        found = []
        for fold in (None, *range(FOLDS)):
            solved = sums.solved(fold, choices, which)
            solved[0] -= offsets @ solved[free:]
            fields = solved[kept].reshape(len(kept), -1, *self.target.shape[1:])
            guess = FirstGuess(
                kind=kind,
                coefficients=np.ascontiguousarray(fields.swapaxes(0, 1)),
                patterns=patterns[kept[free:] - free],
                amounts=self.amounts,
                zeros=self.zeros,
            )
            found.append(guess)
        return found[0], found[1:]

    def _sample(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean LR field, and anomalies of LR fields at evenly spaced steps."""
        whole = self.lr.isel({CHANNEL: slice(0, self.varying)})
        kept = self.gaps.kept.nonzero()[0]
        n = min(kept.size, max(2 * FOLDS, VALUES // whole[0].size))
        chosen = kept[np.unique(np.linspace(0, kept.size - 1, n).astype(int))]
        fields = np.array(whole.isel({TIME: chosen}).data, "f4")
        largest = np.maximum(fields.max(axis=0), -fields.min(axis=0))
        mean = fields.mean(axis=0, dtype="f8").astype("f4")
        fields -= mean
        fields[:, fields.std(axis=0) <= ROUNDING * largest] = 0
        return mean, fields

    def _patterns(self, anomalies: np.ndarray) -> list[np.ndarray]:
        """Return patterns of the domain, of the whole LR fields, and of a width between.

        A cell that follows near LR cells alone is better guessed without the others, of which each
        costs skill where the steps are few.
        """
        most = min(COMPONENTS, int(self.gaps.kept.sum()) // SAMPLES, self.affordable)
        out = []
        for width in self._widths:
            beyond = self.context - width
            rows, columns = (slice(beyond, n - beyond) for n in anomalies.shape[1:3])
            patterns = _patterns_of(anomalies[:, rows, columns], most)
            rim = [(0, 0), (beyond, beyond), (beyond, beyond), (0, 0)]
            out.append(np.pad(patterns, rim).reshape(len(patterns), anomalies[0].size))
        return out

    def _sums(self, patterns: np.ndarray, mean: np.ndarray, *, of_lr: bool) -> Sums:
        """Return the sums of targets and, if `of_lr`, of interpolated LR fields after these."""
        gaps = self.gaps
        free = 1 + self.seasons.shape[1]
        terms = free + len(patterns)
        groups, means = gaps.groups(most_groups(terms)), gaps.mean
        if of_lr:
            own = np.where(gaps.some, self.interpolation(mean[None]).ravel(), np.float32(0))
            groups, means = np.tile(groups, 2), np.concatenate([means, own])
        sums = Sums(free, terms, groups, means)
        folds = self.folds
        for part in self._slabs():
            kept = gaps.kept[part]
            if not kept.any():
                continue
            arrays = (np.asarray(a.isel({TIME: part}).data)[kept] for a in (self.lr, self.target))
            lr, target = arrays
            wanted = [target]
            if of_lr:
                wanted.append(np.where(np.isnan(target), np.nan, self.interpolation(lr)))
            wanted = [one.reshape(len(lr), -1) for one in wanted]
            found = _terms(lr[..., : self.varying] - mean, self.seasons[part][kept], patterns)
            sums.add(folds[part][kept], found, np.concatenate(wanted, axis=1))
        return sums

    def _slabs(self) -> Iterator[slice]:
        steps = self.lr.sizes[TIME]
        each = 4 * (self.lr.size + 3 * self.target.size) // steps
        size = max(1, SLAB // each)
        chunks = self.target.chunksizes.get(TIME, ())
        size = max(size, max(chunks, default=0))
        return (slice(a, min(a + size, steps)) for a in range(0, steps, size))

    def error(self, guess: FirstGuess, other: Fitter) -> float:
        """Return the mean squared error of a guess on other data, over valid cells."""
        total, count = 0.0, 0
        for part in other._slabs():
            lr, target = (np.asarray(a.isel({TIME: part}).data) for a in (other.lr, other.target))
            squares = (guess.block(self.interpolation, lr, other.seasons[part]) - target) ** 2
            total += float(np.nansum(squares, dtype="f8"))
            count += int(np.isfinite(squares).sum())
        return total / max(count, 1)
