"""Explanations of a fitted model: importance of its predictors, and saliency of a region's mean."""

from xr_dl4ds.explanation.explain import Question as Question
from xr_dl4ds.explanation.explain import explain as explain
