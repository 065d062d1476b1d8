"""Training of networks on batches."""

from xr_dl4ds.training.precision import resolve as resolve_precision
from xr_dl4ds.training.supervised import Trained as Trained
from xr_dl4ds.training.supervised import train as train

__all__ = ["Trained", "resolve_precision", "train"]
