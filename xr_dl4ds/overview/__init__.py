"""Overview of how the package interprets a Dataset or DataArray, and of what it will refuse."""

from xr_dl4ds.overview.report import Overview as Overview
from xr_dl4ds.overview.survey import overview as overview
