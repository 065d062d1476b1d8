"""Colours and markers of products, which are the same in all figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING

import xarray as xr

from xr_dl4ds.plotting.figure import wrapped

if TYPE_CHECKING:
    from matplotlib.lines import Line2D


@dataclasses.dataclass(frozen=True)
class Style:
    """Colour and marker of a product, and the width of its line in points."""

    color: str
    marker: str
    width: float = 1.5


#: Label of the truth in legends.
TRUTH = "truth"

#: Colours that people with colour blindness can distinguish: of Okabe and Ito (2008,
#: https://jfly.uni-koeln.de/color), black excepted, which is the truth; then of the scheme "muted"
#: of Tol (2021, https://personal.sron.nl/~pault). Markers differ too.
STYLES = {
    "prediction": Style("#0072B2", "o", 2.2),
    "bilinear": Style("#E69F00", "s"),
    "bicubic": Style("#009E73", "^"),
    "climatology": Style("#56B4E9", "v"),
    "bias_corrected": Style("#CC79A7", "D"),
    "regression": Style("#D55E00", "P"),
    "first_guess": Style("#332288", "X"),
    "nearest": Style("#999933", "<"),
    "conservative": Style("#882255", ">"),
}


def styles_of(products: Iterable[str]) -> dict[str, Style]:
    """Return the style of each product: a fixed style by name; other names take what is left.

    Examples
    --------
    >>> styles = styles_of(["mine", "bicubic"])
    >>> styles["mine"] == STYLES["prediction"], styles["bicubic"] == STYLES["bicubic"]
    (True, True)
    """
    names = list(products)
    left = [style for name, style in STYLES.items() if name not in names]
    others = [name for name in names if name not in STYLES]
    turns = left or list(STYLES.values())
    given = {name: turns[i % len(turns)] for i, name in enumerate(others)}
    return {name: STYLES[name] if name in STYLES else given[name] for name in names}


def entries_of(score: xr.DataArray, *, line: bool = True) -> list[Line2D]:
    """Return an entry of the legend for each product of a score: a marker, and a line."""
    from matplotlib.lines import Line2D

    styles = styles_of(str(p) for p in score["product"].to_numpy())
    return [
        Line2D(
            [],
            [],
            color=style.color,
            marker=style.marker,
            linewidth=style.width if line else 0,
            label=wrapped(product, 30),
        )
        for product, style in styles.items()
    ]


def entry_of_truth() -> Line2D:
    """Return the entry of the truth in a legend: a black line."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color="black", linewidth=2.0, label=TRUTH)
