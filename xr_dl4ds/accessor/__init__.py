"""The `.downscale` accessor, whose methods translate their arguments and call functions."""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.accessor.gridding import Gridding
from xr_dl4ds.accessor.modelling import Modelling
from xr_dl4ds.accessor.storing import Writing
from xr_dl4ds.data.inputs import Data


@xr.register_dataarray_accessor("downscale")
@xr.register_dataset_accessor("downscale")
class DownscaleAccessor(Gridding, Modelling, Writing):
    """Downscaling methods of a Dataset or DataArray: ``import xr_dl4ds``, then ``ds.downscale``."""

    def __init__(self, obj: Data) -> None:
        self._obj = obj
