"""The `.downscale` accessor, whose methods translate their arguments and call functions."""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.accessor.gridding import Gridding
from xr_dl4ds.accessor.modelling import Modelling
from xr_dl4ds.accessor.storing import Writing
from xr_dl4ds.grid.cf.fields import as_dataset
from xr_dl4ds.grid.names import Data


@xr.register_dataarray_accessor("downscale")
@xr.register_dataset_accessor("downscale")
class DownscaleAccessor(Gridding, Modelling, Writing):
    """Downscaling methods of a Dataset or DataArray: ``import xr_dl4ds``, then ``ds.downscale``."""

    def __init__(self, obj: Data) -> None:
        self._obj = obj


@xr.register_datatree_accessor("downscale")
class _TreeAccessor:
    """Refusal of a whole tree, with the way to one of its groups."""

    def __init__(self, tree: xr.DataTree) -> None:
        as_dataset(tree, "the data")
