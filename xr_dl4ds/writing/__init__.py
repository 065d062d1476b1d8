"""Writing of predictions to Zarr, region by region, so that an interrupted write can be resumed."""

from xr_dl4ds.writing.regions import write as write
from xr_dl4ds.writing.store import require_writable as require_writable
from xr_dl4ds.writing.store import require_zarr as require_zarr
