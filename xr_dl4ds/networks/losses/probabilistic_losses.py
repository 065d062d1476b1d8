"""Losses that train ensembles: likelihoods of distributions, and the CRPS of members."""

from __future__ import annotations

import math

from keras import ops

from xr_dl4ds.config.distribution_channels import TRACE
from xr_dl4ds.networks.losses.gamma import log_gamma
from xr_dl4ds.networks.losses.pointwise_losses import weighted_mean
from xr_dl4ds.networks.tensors import Tensor

#: Lower bound of spread and shape, far below the lowest value that a network gives.
TINY = 1e-6


def gaussian_nll(target: Tensor, mean: Tensor, spread: Tensor, weight: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of normal distributions over valid cells.

    Parameters
    ----------
    target, mean, spread, weight : tensor ``(..., y, x, channel)``
        Value, mean and standard deviation (> 0), in scaled units; `weight` is 1 in valid cells and
        0 in masked cells.

    Returns
    -------
    tensor
        Scalar, in nats per cell.
    """
    target, mean = where_valid(weight, (target, 0.0), (mean, 0.0))
    (spread,) = where_valid(weight, (spread, 1.0))
    spread = ops.maximum(spread, TINY)
    cells = 0.5 * ops.square((target - mean) / spread) + ops.log(spread)
    return weighted_mean(cells + 0.5 * math.log(2 * math.pi), weight)


def bernoulli_gamma_nll(
    target: Tensor, mean: Tensor, wet: Tensor, shape: Tensor, zero: Tensor, weight: Tensor
) -> Tensor:
    """Return the mean negative log-likelihood of amounts that are zero or gamma distributed.

    With v = target + zero, m = mean + zero, p the sigmoid of `wet` and k the shape, the likelihood
    is ``1 - p`` where v <= TRACE. Elsewhere it is ``p`` times the density at v of a gamma
    distribution with shape k and scale ``m / (p k)``. The loss is the mean over valid
    cells. The distribution is that of Cannon (2008, Journal of Hydrometeorology 9(6)), with the
    mean in place of the scale.

    Parameters
    ----------
    target, mean, wet, shape : tensor ``(..., y, x, channel)``
        Value, and mean over wet and dry cases, both in scaled units (means below TRACE count as
        TRACE); logit of the probability of a wet cell; shape (> 0).
    zero : float or sequence of float
        Offset that is added to a scaled value to measure it from the physical zero, by channel.
    weight : tensor ``(..., y, x, channel)``
        1 in valid cells, 0 in masked cells.

    Returns
    -------
    tensor
        Scalar, in nats per cell.
    """
    zero = ops.convert_to_tensor(zero, dtype="float32")
    target, mean, wet = where_valid(weight, (target, -zero), (mean, 1.0), (wet, 0.0))
    (k,) = where_valid(weight, (shape, 1.0))
    amount, k = target + zero, ops.maximum(k, TINY)
    rains = amount > TRACE
    log_amount = ops.log(ops.where(rains, amount, 1.0))
    log_mean = ops.log(ops.maximum(mean + zero, TRACE))
    # logarithms of p and 1 - p from the logit keep their precision where p is close to 0 or 1
    log_wet, log_dry = -ops.softplus(-wet), -ops.softplus(wet)
    log_ratio = log_amount - log_mean + log_wet + ops.log(k)  # amount / scale
    density = k * log_ratio - ops.exp(log_ratio) - log_amount - log_gamma(k)
    return weighted_mean(-ops.where(rains, log_wet + density, log_dry), weight)


def crps(target: Tensor, members: Tensor, weight: Tensor) -> Tensor:
    """Return the mean fair continuous ranked probability score of an ensemble over valid cells.

    ``mean |x_i - y| - sum |x_i - x_j| / (2 M (M - 1))`` for M members (Gneiting & Raftery 2007,
    doi:10.1198/016214506000001437, eq. 21, in the form of Ferro 2014, doi:10.1002/qj.2270, whose
    expectation does not depend on M).

    Parameters
    ----------
    target : tensor ``(..., y, x, channel)``
        True values.
    members : tensor ``(member, ..., y, x, channel)``
        At least two members; their number must be known.
    weight : tensor ``(..., y, x, channel)``
        1 in valid cells, 0 in masked cells.

    Returns
    -------
    tensor
        Scalar, in the units of the values.
    """
    n = members.shape[0]
    target, members = where_valid(weight, (target, 0.0), (members, 0.0))
    distance = ops.mean(ops.abs(members - target), axis=0)
    # each pair once, grouped by the difference of the member numbers: needs no sorting
    pairs = sum(ops.sum(ops.abs(members[step:] - members[:-step]), axis=0) for step in range(1, n))
    return weighted_mean(distance - pairs / (n * (n - 1)), weight)


def where_valid(weight: Tensor, *given: tuple[Tensor, Tensor]) -> list[Tensor]:
    """Return each tensor in float32, with a replacement value in masked cells.

    Multiplication by the weight is not enough, because 0 * inf is NaN.
    """
    valid = ops.cast(weight, "bool")
    return [ops.where(valid, ops.cast(x, "float32"), instead) for x, instead in given]
