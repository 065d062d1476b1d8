"""Samples to arrays: fields or patches, steps or windows, shuffled anew in each epoch, seeded.

Where the samples are (`Sampling.cache`) decides how they are shuffled:

- **in memory**, as float32: ``4 bytes x (time x y x channels)`` of LR inputs and HR targets each;
  or **on disk**, in a temporary folder of the same size, with some batches in memory. All samples
  are shuffled among all, each with a patch position of its own.
- **streamed**: neighbouring steps that lie in one chunk of the data are a block. In each epoch the
  blocks come in a new order, each with one patch position, and some blocks of it, `POOL` bytes, are
  in memory together; samples are shuffled among those. While the network trains on one pool the
  next is read in the background, so that two pools and the chunks being read are held, whatever
  the length of the data.

Windows share the steps that they have in common.
"""

import xr_dl4ds.backend  # noqa: F401  before Keras and TensorFlow: a quiet start
from xr_dl4ds.batches.batches import Batches
from xr_dl4ds.batches.order import Share
from xr_dl4ds.batches.samples import BUDGET, Samples, resolve_cache
from xr_dl4ds.batches.stream import POOL

__all__ = ["BUDGET", "POOL", "Batches", "Samples", "Share", "resolve_cache"]
