"""A second way to the same numbers: plain loops over cells; and something to score."""

import json
import math

import numpy as np
import xarray as xr

from xr_dl4ds.grid.cf.georeference import PROVENANCE

PRODUCTS = ["prediction", "bilinear", "bicubic"]


def prediction_of(truth, seed=1):
    """Something between truth and noise, labelled as a prediction at scale 4."""
    noise = np.random.default_rng(seed).normal(0.3, 1.0, truth.t2m.shape).astype("f4")
    out = truth[["t2m"]].copy(deep=True)
    out["t2m"] = (out.t2m + noise).assign_attrs(truth.t2m.attrs)
    return out.assign_attrs({PROVENANCE: json.dumps({"scale": 4})})


def block_means(values, scale):
    times, ny, nx = values.shape
    out = np.empty((times, ny // scale, nx // scale))
    for t, j, i in np.ndindex(*out.shape):
        block = values[t, j * scale : (j + 1) * scale, i * scale : (i + 1) * scale]
        out[t, j, i] = block.astype("f8").mean()
    return out


def bilinear_taps(at, size):
    at = min(max(at, 0.0), size - 1.0)
    low = min(int(at), size - 2)
    return [(low, 1 - (at - low)), (low + 1, at - low)]


def bicubic_taps(at, size):
    """Keys (1981) with a = -0.75, the rim repeated."""
    taps, a = [], -0.75
    for cell in range(math.floor(at) - 1, math.floor(at) + 3):
        d = abs(at - cell)
        if d <= 1:
            weight = (a + 2) * d**3 - (a + 3) * d**2 + 1
        else:
            weight = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
        taps.append((min(max(cell, 0), size - 1), weight))
    return taps


def interpolated(lr, scale, taps):
    times, ny, nx = lr.shape
    out = np.zeros((times, ny * scale, nx * scale))
    for j, i in np.ndindex(*out.shape[1:]):
        # the centre of HR cell j, in LR cells whose centres are whole numbers
        for y, wy in taps((j + 0.5) / scale - 0.5, ny):
            for x, wx in taps((i + 0.5) / scale - 0.5, nx):
                out[:, j, i] += wy * wx * lr[:, y, x]
    return out


def own_scores(product, truth):
    """Scores over the cells where both are valid, one cell after another."""
    pairs = [
        (float(p), float(t))
        for p, t in zip(product.ravel(), truth.ravel(), strict=True)
        if not (math.isnan(p) or math.isnan(t))
    ]
    n = len(pairs)
    mean_p, mean_t = sum(p for p, _ in pairs) / n, sum(t for _, t in pairs) / n
    covariance = sum((p - mean_p) * (t - mean_t) for p, t in pairs)
    spread = sum((p - mean_p) ** 2 for p, _ in pairs) * sum((t - mean_t) ** 2 for _, t in pairs)
    return {
        "bias": sum(p - t for p, t in pairs) / n,
        "mae": sum(abs(p - t) for p, t in pairs) / n,
        "rmse": math.sqrt(sum((p - t) ** 2 for p, t in pairs) / n),
        "correlation": covariance / math.sqrt(spread),
    }


def own_products(prediction, truth, scale, lr=None):
    low = block_means(truth, scale) if lr is None else lr
    return [
        prediction,
        interpolated(low, scale, bilinear_taps),
        interpolated(low, scale, bicubic_taps),
    ]


def close(actual, expected):
    """Equal to rounding in float32: 1e-4 K."""
    shared = [c for c in actual.coords if c in expected.coords]
    actual = actual.drop_vars(set(actual.coords) - set(shared))
    xr.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-4)
