"""The `.downscale` accessor: spelling only. Each method translates its arguments and calls."""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.accessor.gridding import Gridding
from xr_dl4ds.accessor.modelling import Modelling
from xr_dl4ds.accessor.writing import Writing
from xr_dl4ds.sources import Data


@xr.register_dataarray_accessor("downscale")
@xr.register_dataset_accessor("downscale")
class DownscaleAccessor(Gridding, Modelling, Writing):
    """Downscaling of a Dataset or DataArray: ``import xr_dl4ds``, then ``ds.downscale``."""

    def __init__(self, obj: Data) -> None:
        self._obj = obj
