"""Warnings about chunks that make each epoch expensive."""

from __future__ import annotations

import logging

import numpy as np

from xr_dl4ds.training.batches.samples import Samples

logger = logging.getLogger(__name__)

#: An epoch that reads the data more than this many times gives a warning.
COSTLY = 4.0
#: Chunks larger than this, in bytes, give a warning.
LARGE = 2**29
#: Bytes of the recommended chunks.
ADVISED = 2**24


def overhead(samples: Samples, cells: tuple[int, int], blocks: int) -> float:
    """Return how many times an epoch reads the cells on which it trains.

    The full chunk is read for each block that begins in it. A patch of p cells at any position lies
    in chunks of c cells that cover ``c + p - 1`` cells on average.

    Parameters
    ----------
    samples : Samples
        Streamed samples.
    cells : tuple of int
        LR rows and columns of a patch.
    blocks : int
        Number of blocks, see `xr_dl4ds.training.batches.stream.blocks_of`.
    """
    chunks = samples.target.chunks
    times = max(1.0, blocks / len(chunks[0]))
    for sizes, patch in zip(chunks[1:3], samples.scale.fine(cells), strict=True):
        reach = float(np.mean(sizes)) + patch - 1 if len(sizes) > 1 else sum(sizes)
        times *= min(sum(sizes), reach) / patch
    return times


def say_what_chunks_cost(samples: Samples, cells: tuple[int, int], blocks: int) -> None:
    """Warn about chunks that are read many times or that fill the memory."""
    target = samples.target
    largest = tuple(max(sizes) for sizes in target.chunks[:3])
    patch = samples.scale.fine(cells)
    edges = [min(2 * p, n) if p < n else n for p, n in zip(patch, target.shape[1:3], strict=True)]
    steps = max(1, min(ADVISED // (4 * edges[0] * edges[1]), target.shape[0]))
    advice = (steps, *edges, 4 * (samples.lr.size + target.size) / 1e9)
    times = overhead(samples, cells, blocks)
    if times > COSTLY:
        logger.warning(
            "each epoch reads the HR data about %.0f times, because samples of %d x %d cells need"
            " full chunks of %s (time, y, x). Store the data in chunks of about (%d, %d, %d), or"
            " pass cache='disk' (%.1f GB in a temporary folder) to read them once",
            times,
            *patch,
            largest,
            *advice,
        )
    elif 4 * np.prod(largest) > LARGE:
        logger.warning(
            "each chunk of %s (time, y, x) takes %.1f GB of memory while it is read. Store the data"
            " in chunks of about (%d, %d, %d), or pass cache='disk' (%.1f GB in a temporary folder)"
            " to read them once",
            largest,
            4 * np.prod(largest) / 1e9,
            *advice,
        )
