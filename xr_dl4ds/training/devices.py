"""Devices of a worker on a host with several workers: a GPU, or a share of the CPU cores."""

from __future__ import annotations

import functools
import logging
import os

import tensorflow as tf
from dask.system import CPU_COUNT

from xr_dl4ds.exceptions import TrainingError

logger = logging.getLogger(__name__)

#: Environment variables with which users set the number of threads.
THREADS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")


@functools.cache  # once per process: before a second training TensorFlow is already initialized
def pin(rank: int, size: int) -> None:
    """Assign a worker its devices.

    With GPUs, the worker gets the GPU with its number on the host; TensorFlow allocates the GPU's
    memory as needed. Without GPUs, the worker gets as many threads as its share of the cores,
    unless one of `THREADS` sets the number.

    Parameters
    ----------
    rank, size : int
        Number of the worker on its host, from 0, and number of workers on the host.

    Raises
    ------
    TrainingError
        When TensorFlow has already taken all GPUs.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        _share_cores(size)
        return
    if size > len(gpus):
        logger.warning("%d workers share %d GPUs: use one worker for each GPU", size, len(gpus))
    own = gpus[rank % len(gpus)]
    try:
        tf.config.experimental.set_memory_growth(own, True)
        tf.config.set_visible_devices(own, "GPU")
    except RuntimeError as error:
        if len(gpus) == 1:  # nothing to choose
            return
        raise TrainingError(
            f"Expected GPU {rank % len(gpus)} to be free for worker {rank} of this host, but"
            f" TensorFlow has already taken all GPUs: {error}. Call fit before anything else"
            " computes with TensorFlow, or set CUDA_VISIBLE_DEVICES for each worker."
        ) from error


def _share_cores(size: int) -> None:
    if size == 1 or any(name in os.environ for name in THREADS):
        return
    threads = max(1, CPU_COUNT // size)
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:
        logger.info("TensorFlow has already started its threads: the workers compete for the cores")
