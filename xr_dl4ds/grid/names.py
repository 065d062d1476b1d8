"""Names of the dimensions inside the package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import xarray as xr

TIME, Y, X = "time", "y", "x"
#: Dimension of ensemble members (the CF standard name), before the other dimensions.
REALIZATION = "realization"

#: Data of the user.
Data: TypeAlias = xr.Dataset | xr.DataArray

#: Attributes of a CF variable: text, numbers or arrays of numbers.
Attrs: TypeAlias = Mapping[str, Any]

#: Positions along y and x: a slice, or an array across the ends of a global domain.
Part = dict[str, slice | np.ndarray]

#: Dimension of the two edges of a cell.
BOUNDS = "bnds"
#: Names of dimensions inside the package; no variable may have these names.
RESERVED = (TIME, Y, X, "channel", "statistic", REALIZATION, BOUNDS)
