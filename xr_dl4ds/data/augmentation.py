"""Orientations in which training samples are shown: which of them are right for the data."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import re
from collections.abc import Sequence

import numpy as np
import xarray as xr

from xr_dl4ds.config import Options, Sampling
from xr_dl4ds.data.state import State
from xr_dl4ds.data.time_and_place import TIME_FEATURES
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.cf.time_axis import has_dates
from xr_dl4ds.grid.crs import placed
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import TIME, Attrs
from xr_dl4ds.grid.regridding.pairing import Pairing

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Orientation:
    """An orientation of fields: rows and columns swapped, and then reversed.

    Parameters
    ----------
    flip_y, flip_x : bool
        Reverse the order of rows, of columns.
    transpose : bool
        Swap rows and columns first.
    """

    flip_y: bool = False
    flip_x: bool = False
    transpose: bool = False


#: The orientation of the data.
AS_GIVEN = Orientation()
#: The orientations that each value of `Sampling.augment` allows, the one of the data first.
ORIENTATIONS: dict[str, tuple[Orientation, ...]] = {
    "none": (AS_GIVEN,),
    "flip_x": (AS_GIVEN, Orientation(flip_x=True)),
    "flips": tuple(itertools.starmap(Orientation, itertools.product((False, True), repeat=2))),
    "all": tuple(
        Orientation(flip_y, flip_x, transpose)
        for transpose, flip_y, flip_x in itertools.product((False, True), repeat=3)
    ),
}

#: What is done to training samples, by value of `Sampling.augment`.
_SAID = {
    "flip_x": "flipped along x",
    "flips": "flipped along x and y",
    "all": "flipped along x and y, and transposed",
}
#: Words in names of variables whose values depend on the orientation: components and directions of
#: vectors, and vorticity, of which a flip changes the sign.
_VECTORS = re.compile(
    r"eastward|northward|zonal|meridional|direction|vorticity|helicity|azimuth|aspect"
    r"|(^|[_ ])[xy][_-]|_[xy]$|[uvxy][_ -]?wind|wind[_ -]?[uvxy](\b|_)"
    r"|([uvxy]|wind)[_ -]component|[uv][_ -](speed|velocity)"
)
#: Short names of the same: "uas", "va850", "10u", "u_10m", "UGRD", "vwnd", "tauu", "ewss", "pv".
_SHORT = re.compile(
    r"(\d+m?_?)?[uv](as?|o|si|grd\w*|wnd)?(_?\d+\w*)?"
    r"|tau[uvxy]o?|[im]?(ew|ns)ss?|viwv[en]|pv|p?vort?|w(ind)?_?dir\w*|dir"
)
#: Names of variables that give the place of a cell.
_PLACES = re.compile(r"(grid_)?(latitude|longitude)s?|r?(lat|lon)s?|[xy]c?|coriolis\w*")


def resolve_augment(options: Options, state: State, read: Sequence[xr.Dataset]) -> str:
    """Return the option for "auto", by the data; check other options against the data.

    "auto" flips fields of many places: without dates, on axes without a place on the Earth, and
    without static fields. It transposes them too if they are square, with square cells. It flips
    no components of vectors. Fields of one domain stay as they are, because flips make the network
    forget the domain (docs/training.md).

    Parameters
    ----------
    options : Options
        The options of the model.
    state : State
        Variables and grids.
    read : sequence of xarray.Dataset
        The data, of which attributes may say that they are components of vectors.

    Returns
    -------
    {"none", "flip_x", "flips", "all"}
        The orientations of the training samples, see `ORIENTATIONS`.

    Raises
    ------
    ValueError
        If the option does not go together with other options or variables.
    GridError
        If samples are to be transposed that are not square.
    """
    asked = str(options.sampling.augment)
    if asked == "none":
        return asked
    obstacle = _obstacle(options, state, read)
    if asked != "auto":
        if obstacle is not None:
            raise ValueError(
                f"Expected augment='none' for {obstacle}, got augment={asked!r}. Use"
                " augment='none', or leave these out."
            )
        if asked == "all":
            _require_square(options.sampling, state.pairing)
        found = asked
    elif obstacle is not None:
        logger.info("training samples are not flipped, because of %s", obstacle)
        return "none"
    else:
        found = _automatic(options.sampling, state, read)
    if found != "none":
        logger.info("training samples are %s at random", _SAID[found])
    return found


def _obstacle(options: Options, state: State, read: Sequence[xr.Dataset]) -> str | None:
    """Return what depends on the orientation of the data, if anything does."""
    features = state.features
    if options.network.localized:
        return "localized=True, whose weights belong to cells"
    sun = [n for n in features.time_features if TIME_FEATURES[n].geographic]
    of_place = [*features.coordinate_features, *sun]
    if of_place:
        return f"the features {of_place}, which depend on the place"
    attrs = {name: variable.attrs for data in read for name, variable in data.items()}
    names = [*features.targets, *features.lr_varying, *features.static]
    bases = {name: state.slices[name].of if name in state.slices else name for name in names}
    tied = [n for n in dict.fromkeys(names) if is_tied(n, bases[n], attrs.get(n, {}))]
    if tied:
        return f"{tied}, which are components or directions of vectors, or places, by their names"
    return None


def is_tied(name: str, base: str, attrs: Attrs) -> bool:
    """Return True if values of a variable depend on the orientation of the grid, by its names.

    Examples
    --------
    >>> is_tied("uas", "uas", {}), is_tied("sfcWind", "sfcWind", {"standard_name": "wind_speed"})
    (True, False)
    """
    given = [name, base, attrs.get("standard_name", ""), attrs.get("long_name", "")]
    plain = [str(text).lower() for text in given]
    short = any(one.fullmatch(text) for one in (_SHORT, _PLACES) for text in plain[:3])
    return short or any(_VECTORS.search(text) for text in plain)


def _automatic(sampling: Sampling, state: State, read: Sequence[xr.Dataset]) -> str:
    """Choose the orientations for data that do not depend on the orientation."""
    grid = state.pairing.hr
    dated = any(has_dates(data.indexes.get(TIME)) for data in read)
    if dated or placed(grid) or state.features.static:
        logger.info("training samples are not flipped, because all of them lie in one domain")
        return "none"
    square = _is_square(sampling, state.pairing) and _has_square_cells(grid)
    return "all" if square else "flips"


def _has_square_cells(grid: Grid) -> bool:
    """Return True if all cells are as wide as high, in the units of the axes."""
    steps = np.concatenate([np.diff(axis.canonical) for axis in (grid.y, grid.x)])
    return bool(np.ptp(steps) < 0.01 * steps.mean())


def _shape(sampling: Sampling, pairing: Pairing) -> tuple[int, int]:
    """Return the HR rows and columns of a sample."""
    size = sampling.patch_size
    return pairing.hr.shape if size is None else (size, size)


def _is_square(sampling: Sampling, pairing: Pairing) -> bool:
    """Return True if samples, and their LR cells, have as many rows as columns."""
    y, x = _shape(sampling, pairing)
    return y == x and pairing.scale.y == pairing.scale.x


def _require_square(sampling: Sampling, pairing: Pairing) -> None:
    if not _is_square(sampling, pairing):
        y, x = _shape(sampling, pairing)
        patches = "" if pairing.scale.y != pairing.scale.x else ", or square patches (patch_size=)"
        raise GridError(
            f"Expected square samples for augment='all', which transposes them, got {y} x {x} HR"
            f" cells at scale {pairing.scale}. Use augment='flips'{patches}."
        )
