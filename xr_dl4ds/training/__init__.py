"""Training of networks on batches."""

import xr_dl4ds.networks.quiet_import  # noqa: F401  first, to silence TensorFlow's start
from xr_dl4ds.training.flow_step import FlowTask as FlowTask
from xr_dl4ds.training.latent_noise import LatentNoise as LatentNoise
from xr_dl4ds.training.loop import LatentTask as LatentTask
from xr_dl4ds.training.loop import Trained as Trained
from xr_dl4ds.training.loop import TrainingTask as TrainingTask
from xr_dl4ds.training.loop import train as train
from xr_dl4ds.training.precision import resolve as resolve_precision
from xr_dl4ds.training.workers import Workers as Workers
from xr_dl4ds.training.workers import compute_on_first_worker as compute_on_first_worker
from xr_dl4ds.training.workers import explain_lost_workers as explain_lost_workers

__all__ = [
    "FlowTask",
    "LatentNoise",
    "LatentTask",
    "Trained",
    "TrainingTask",
    "Workers",
    "compute_on_first_worker",
    "explain_lost_workers",
    "resolve_precision",
    "train",
]
