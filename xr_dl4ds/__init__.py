"""Downscaling with deep learning as an xarray accessor.

``import xr_dl4ds`` registers ``.downscale`` on Datasets and DataArrays. TensorFlow is loaded only
when a model is fitted or loaded.
"""

# ruff: noqa: E402  pyproj must precede eccodes, whose wheels may carry a second libproj
from xr_dl4ds.processes import warn_of_second_proj as _warn_of_second_proj

_warn_of_second_proj()

import pyproj  # noqa: F401

from xr_dl4ds import accessor as _accessor  # noqa: F401  registers .downscale
from xr_dl4ds import metrics as metrics
from xr_dl4ds import plotting as plotting
from xr_dl4ds import tutorial as tutorial
from xr_dl4ds.config import Adversarial as Adversarial
from xr_dl4ds.config import FlowMatching as FlowMatching
from xr_dl4ds.config import Network as Network
from xr_dl4ds.config import Sampling as Sampling
from xr_dl4ds.config import Supervised as Supervised
from xr_dl4ds.config import register_backbone as register_backbone
from xr_dl4ds.downscaler import Downscaler as Downscaler
from xr_dl4ds.downscaler import load as load
from xr_dl4ds.model.provenance import version as _version

__version__ = _version()

__all__ = [
    "Adversarial",
    "Downscaler",
    "FlowMatching",
    "Network",
    "Sampling",
    "Supervised",
    "load",
    "metrics",
    "plotting",
    "register_backbone",
    "tutorial",
]


def __dir__() -> list[str]:
    """Return the public names; modules can still be imported by name."""
    return [*__all__, "__version__"]
