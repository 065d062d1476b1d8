"""Batches of fields or patches, steps or windows, shuffled with a seed in each epoch.

`Sampling.cache` determines where the samples are held, and therefore how they are shuffled:

- **in memory**, as float32: ``4 bytes x (time x y x channels)`` of LR inputs and HR targets each;
  or **on disk**, in a temporary folder of the same size, with some batches in memory. Each sample
  has its own patch position, and all samples are shuffled together.
- **streamed**: neighbouring steps within one chunk of the data form a block. In each epoch the
  blocks come in a new order, each with one patch position. Some blocks, up to `POOL` bytes, form a
  pool, which is held in memory; samples are shuffled within a pool. While the network trains on one
  pool, the next pool is read in the background. Memory therefore holds two pools and the chunks
  being read, however long the data are.

Overlapping windows share their common steps.
"""

from xr_dl4ds.training.batches.order import Share
from xr_dl4ds.training.batches.pipeline import Batches
from xr_dl4ds.training.batches.samples import BUDGET, Samples, resolve_cache
from xr_dl4ds.training.batches.stream import POOL

__all__ = ["BUDGET", "POOL", "Batches", "Samples", "Share", "resolve_cache"]
