"""What the package understood of a Dataset or DataArray, and what it will refuse."""

from xr_dl4ds.overview.report import Overview as Overview
from xr_dl4ds.overview.survey import overview as overview
