"""Horizontal grids and time axes: the array side's ground floor."""

from xr_dl4ds.grid.axis import Axis as Axis
from xr_dl4ds.grid.coarsening import coarsen as coarsen
from xr_dl4ds.grid.discovery import Dims as Dims
from xr_dl4ds.grid.fields import TIME as TIME
from xr_dl4ds.grid.fields import Fields as Fields
from xr_dl4ds.grid.fields import Grid as Grid
from xr_dl4ds.grid.fields import X as X
from xr_dl4ds.grid.fields import Y as Y
from xr_dl4ds.grid.fields import standardize as standardize
