"""Losses by name, and weighted sums of losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from keras import ops

from xr_dl4ds.config.choices import LEAST_CELLS
from xr_dl4ds.networks.losses.pointwise_losses import mae, mse
from xr_dl4ds.networks.losses.structure import dssim, msdssim
from xr_dl4ds.networks.tensors import Tensor

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

#: Terms of the weighted sums; dssim and msdssim take values with a data range of 1.
TERMS: dict[str, Loss] = {
    "mae": mae,
    "mse": mse,
    "dssim": dssim,
    "msdssim": msdssim,
}

#: Weights of the terms of each loss; the weights of those with DSSIM are those of DL4DS.
LOSSES: dict[str, dict[str, float]] = {
    "mae": {"mae": 1.0},
    "mse": {"mse": 1.0},
    "mae_mse": {"mae": 0.5, "mse": 0.5},
    "dssim": {"dssim": 1.0},
    "dssim_mae": {"dssim": 0.8, "mae": 0.2},
    "dssim_mse": {"dssim": 0.8, "mse": 0.2},
    "dssim_mae_mse": {"dssim": 0.6, "mae": 0.2, "mse": 0.2},
    "msdssim": {"msdssim": 1.0},
    "msdssim_mae": {"msdssim": 0.8, "mae": 0.2},
    "msdssim_mae_mse": {"msdssim": 0.6, "mae": 0.2, "mse": 0.2},
}


def build(
    loss: str | Mapping[str, float],
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
) -> Loss:
    """Build a loss by its name, or a weighted sum of losses.

    Parameters
    ----------
    loss : str or mapping
        A name in `LOSSES`, or a weight for each name; the weights need not add up to 1.
    low, high : sequence of float, optional
        For each channel, the lowest and highest value in training, in the units of the arrays:
        finite, ``low <= high``, both or neither. SSIM is computed from ``(value - low) / (high -
        low)``, because its luminance depends on the position of 0. Without limits, values must
        already be in [0, 1].

    Returns
    -------
    callable
        ``(target, prediction, weight) -> scalar``.

    Raises
    ------
    ValueError
        For an unknown loss.
    """
    shares = _expand(loss)
    limits = None if low is None or high is None else _limits(low, high)
    return weighted_sum([(share, _on_unit_range(name, limits)) for name, share in shares.items()])


def weighted_sum(terms: Sequence[tuple[float, Loss]]) -> Loss:
    """Return the sum of losses with their weights; a single loss of weight 1 stays unchanged."""
    if len(terms) == 1 and terms[0][0] == 1.0:
        return terms[0][1]

    def total(target: Tensor, prediction: Tensor, weight: Tensor) -> Tensor:
        return sum(share * term(target, prediction, weight) for share, term in terms)

    return total


def _expand(loss: str | Mapping[str, float]) -> dict[str, float]:
    """Return the weight of each term; the weights of a composite loss multiply its terms."""
    asked = {loss: 1.0} if isinstance(loss, str) else loss
    unknown = [name for name in asked if name not in LOSSES]
    if unknown or not asked:
        raise ValueError(
            f"Expected `loss` to be one of {', '.join(LOSSES)}, or weights of these, got {loss!r}."
        )
    shares: dict[str, float] = {}
    for name, share in asked.items():
        for term, part in LOSSES[name].items():
            shares[term] = shares.get(term, 0.0) + float(share) * part
    return shares


def _limits(low: Sequence[float], high: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return each channel's lower limit and range (1 for a channel constant in training)."""
    ranges = [top - bottom for top, bottom in zip(high, low, strict=True)]
    # the threshold is float32's resolution near 1, the typical size of scaled values
    return list(low), [value if value > 1e-6 else 1.0 for value in ranges]


def _on_unit_range(name: str, limits: tuple[list[float], list[float]] | None) -> Loss:
    """Return the term, for values scaled to [0, 1] if the term requires that."""
    term = TERMS[name]
    if limits is None or name not in LEAST_CELLS:
        return term

    def on_unit_range(target: Tensor, prediction: Tensor, weight: Tensor) -> Tensor:
        low, span = (ops.convert_to_tensor(each, dtype="float32") for each in limits)
        target, prediction = ((ops.cast(v, "float32") - low) / span for v in (target, prediction))
        return term(target, prediction, weight)

    return on_unit_range
