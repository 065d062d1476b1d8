"""Functions that all figures share: making a figure, and choosing its variable."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from xr_dl4ds.config import nearest
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.cf.fields import Fields

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure


#: Marks where a name may be broken; no text has it.
_BREAK = "\0"


def new_figure(width: float, height: float) -> Figure:
    """Return a new figure with sizes in inches, which pyplot knows only if it opens windows.

    Otherwise a notebook would show the figure twice, and a long loop would accumulate figures.
    """
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(width, height), layout="constrained")
    if plt.get_backend().lower().rsplit(".", 1)[-1] in ("agg", "inline", "backend_inline"):
        plt.close(figure)
    return figure


def as_label(text: object) -> str:
    """Return a text that matplotlib can draw: where dollars enclose no formula, as it stands."""
    return "\n".join(map(_as_line, str(text).split("\n")))


def _as_line(text: str) -> str:
    from matplotlib.mathtext import MathTextParser

    if "$" in text:
        try:
            MathTextParser("agg").parse(text)
        except ValueError:
            return text.replace("$", r"\$")
    return text


def wrapped(text: object, width: int = 36) -> str:
    """Break a label into lines of at most `width` characters; 36 are as long as a colour bar.

    Names that are longer than a line are broken after an underscore.
    """
    shown = str(text)
    if any(len(word) > width for word in shown.split()):
        shown = shown.replace("_", f"_{_BREAK} ")
    lines = textwrap.wrap(shown, width)
    return as_label("\n".join(lines).replace(f"{_BREAK} ", "").replace(_BREAK, ""))


def add_legend(figure: Figure, entries: Iterable[Artist]) -> None:
    """Add a legend below all panels, where it covers nothing, and make room for its lines."""
    drawn = list(entries)
    lines = [max(map(len, str(one.get_label()).split("\n"))) for one in drawn]
    inches = [0.65 + 0.09 * longest for longest in lines]  # the handle, and letters of 10 points
    most = next(n for n in range(len(drawn), 0, -1) if n == 1 or _fits(inches, n, figure))
    rows = -(-len(drawn) // most)
    tall = max(str(one.get_label()).count("\n") + 1 for one in drawn)
    figure.set_figheight(figure.get_figheight() + 0.22 * rows * tall)
    figure.legend(handles=drawn, loc="outside lower center", ncols=-(-len(drawn) // rows))


def _fits(inches: list[float], columns: int, figure: Figure) -> bool:
    """Return True if entries of a legend fit into the figure; the first columns have more rows."""
    rows, longer = divmod(len(inches), columns)
    ends = [i * rows + min(i, longer) for i in range(columns + 1)]
    widths = [max(inches[first:end]) for first, end in itertools.pairwise(ends)]
    return sum(widths) + 0.3 < figure.get_figwidth()


def choose(fields: Fields, variable: str | None) -> str:
    """Return the name of the variable to draw, by default the first."""
    return choose_among(list(map(str, fields.data.data_vars)), variable)


def choose_among(names: list[str], variable: str | None) -> str:
    """Return the name of the variable to draw among some, by default the first."""
    if variable is None:
        return names[0]
    if variable not in names:
        raise VariableError(
            f"Expected `variable` to be one of {names}, got {variable!r}.{nearest(variable, names)}"
            " Pass one of these."
        )
    return variable
