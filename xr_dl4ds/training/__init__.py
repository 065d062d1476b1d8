"""Training of networks on batches."""

import xr_dl4ds.backend  # noqa: F401  before Keras and TensorFlow: a quiet start
from xr_dl4ds.training.loop import Task as Task
from xr_dl4ds.training.loop import Trained as Trained
from xr_dl4ds.training.loop import train as train
from xr_dl4ds.training.precision import resolve as resolve_precision
from xr_dl4ds.training.workers import Workers as Workers
from xr_dl4ds.training.workers import computed_once as computed_once
from xr_dl4ds.training.workers import told_when_lost as told_when_lost

__all__ = [
    "Task",
    "Trained",
    "Workers",
    "computed_once",
    "resolve_precision",
    "told_when_lost",
    "train",
]
