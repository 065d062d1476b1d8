"""Layers that Keras 3 lacks, one in each module."""

from xr_dl4ds.layers.interpolation import Interpolation as Interpolation
