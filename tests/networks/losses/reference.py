"""SSIM over valid cells, window by window in float64: slow, from the definitions alone."""

import numpy as np

POWERS = (0.0448, 0.2856, 0.3001, 0.2363)


def gaussian():
    """``(11, 11)``, standard deviation 1.5, with a sum of 1."""
    squares = (np.arange(11) - 5.0) ** 2
    bell = np.exp(-(squares[:, None] + squares) / (2 * 1.5**2))
    return bell / bell.sum()


def window_scores(target, prediction, weight):
    """SSIM, contrast and share of the one window of three ``(11, 11)`` fields."""
    counted = gaussian() * weight
    share = counted.sum()
    if share == 0:
        return 0.0, 0.0, 0.0
    counted = counted / share

    def mean(values):
        return (counted * values).sum()

    a, b = mean(target), mean(prediction)
    variances = mean((target - a) ** 2) + mean((prediction - b) ** 2)
    covariance = mean((target - a) * (prediction - b))
    contrast = (2 * covariance + 0.03**2) / (variances + 0.03**2)
    luminance = (2 * a * b + 0.01**2) / (a**2 + b**2 + 0.01**2)
    return luminance * contrast, contrast, share


def field_scores(target, prediction, weight):
    """Means of SSIM and contrast over the windows of ``(y, x)`` fields, and the sum of shares."""
    rows, columns = (size - 10 for size in target.shape)
    scores = [
        window_scores(*(field[j : j + 11, i : i + 11] for field in (target, prediction, weight)))
        for j in range(rows)
        for i in range(columns)
    ]
    similarity, contrast, share = np.transpose(scores)
    total = share.sum()
    if total == 0:
        return 0.0, 0.0, 0.0
    return (similarity * share).sum() / total, (contrast * share).sum() / total, total


def halve(target, prediction, weight):
    """Means over the valid of 2 x 2 cells, of those there are at an odd edge; their share of 4."""
    shape = tuple((size + 1) // 2 for size in target.shape)
    halved = [np.zeros(shape) for _ in range(3)]
    for j, i in np.ndindex(shape):
        block = np.s_[2 * j : 2 * j + 2, 2 * i : 2 * i + 2]
        counted = weight[block]
        halved[2][j, i] = counted.mean()
        if counted.any():
            halved[0][j, i] = (target[block] * counted).sum() / counted.sum()
            halved[1][j, i] = (prediction[block] * counted).sum() / counted.sum()
    return halved


def multiscale_scores(target, prediction, weight):
    """MS-SSIM of ``(y, x)`` fields, and the sum of shares of the finest scale."""
    fields, product, total = (target, prediction, weight), 1.0, None
    for scale, power in enumerate(POWERS):
        similarity, contrast, share = field_scores(*fields)
        total = share if total is None else total
        last = scale == len(POWERS) - 1
        product *= max(similarity if last else contrast, 0.0) ** power
        fields = fields if last else halve(*fields)
    return product, total


def over_fields(score, target, prediction, weight):
    """Mean of a score over the fields of ``(batch, y, x, channel)``, by what is valid."""
    arrays = [np.asarray(a, "f8") for a in (target, prediction, weight)]
    found = [
        score(*(a[batch, ..., channel] for a in arrays))
        for batch in range(arrays[0].shape[0])
        for channel in range(arrays[0].shape[-1])
    ]
    return np.average([f[0] for f in found], weights=[f[-1] for f in found])


def ssim(target, prediction, weight):
    return over_fields(field_scores, target, prediction, weight)


def ms_ssim(target, prediction, weight):
    return over_fields(multiscale_scores, target, prediction, weight)
