"""Training of networks on batches."""

from xr_dl4ds.training.loop import Task as Task
from xr_dl4ds.training.loop import Trained as Trained
from xr_dl4ds.training.loop import train as train
from xr_dl4ds.training.precision import resolve as resolve_precision

__all__ = ["Task", "Trained", "resolve_precision", "train"]
