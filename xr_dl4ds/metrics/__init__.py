"""Scores of predictions against the truth, always beside interpolation."""

from xr_dl4ds.metrics.evaluation import evaluate as evaluate
from xr_dl4ds.metrics.pointwise import SCORES as SCORES
