"""The scale of downscaling: how many HR cells an LR cell has along its edges."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from typing import SupportsIndex

from xr_dl4ds.exceptions import GridError


@dataclasses.dataclass(frozen=True)
class Scale:
    """HR cells along the edges of an LR cell.

    Parameters
    ----------
    y, x : int
        Cells along y and x, >= 1.

    Examples
    --------
    >>> Scale.of((4, 2)).cells, str(Scale.of(4)), str(Scale.of((4, 2)))
    (8, '4', '(4, 2)')
    """

    y: int
    x: int

    @classmethod
    def of(cls, given: object) -> Scale:
        """Return the scale that a user, a file or a layer gives: one number, or a pair (y, x).

        Raises
        ------
        GridError
            If it is neither.
        """
        if isinstance(given, Scale):
            return given
        pair = given if isinstance(given, (tuple, list)) else (given, given)
        whole = [n for n in map(_whole, pair) if n is not None]
        if len(pair) != 2 or len(whole) != 2:
            raise _unusable(given)
        return cls(*whole)

    @classmethod
    def asked(cls, given: object) -> Scale:
        """Return the scale that a user asks for, which makes cells larger.

        Raises
        ------
        GridError
            If it is no scale, or 1.
        """
        found = cls.of(given)
        if found.cells < 2:
            raise _unusable(given)
        return found

    @property
    def cells(self) -> int:
        """HR cells in an LR cell."""
        return self.y * self.x

    @property
    def edges(self) -> tuple[int, int]:
        """HR cells along y and x, as a tuple."""
        return self.y, self.x

    def fine(self, cells: tuple[int, int]) -> tuple[int, int]:
        """Return the HR cells along y and x of so many LR cells."""
        return cells[0] * self.y, cells[1] * self.x

    @property
    def by_dim(self) -> Mapping[str, int]:
        """HR cells by canonical dimension."""
        return {"y": self.y, "x": self.x}

    @property
    def public(self) -> int | tuple[int, int]:
        """The value for users and files: one number if both edges are equal, else (y, x)."""
        return self.y if self.y == self.x else self.edges

    def __str__(self) -> str:
        return str(self.public)


#: Scale of cells to themselves.
SAME = Scale(1, 1)


def _unusable(given: object) -> GridError:
    return GridError(
        f"Expected `scale` to be a whole number >= 2, or a pair (y, x) of them, got {given!r}. Pass"
        " the HR cells along one edge of an LR cell, such as scale=4."
    )


def _whole(value: object) -> int | None:
    """Return a whole number >= 1 as a plain integer, because JSON cannot store those of NumPy."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    number = operator.index(value)
    return number if number >= 1 else None
