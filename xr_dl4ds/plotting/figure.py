"""Functions that all figures share: making a figure, and choosing its variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xr_dl4ds.config import nearest
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.cf.fields import Fields

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


def choose(fields: Fields, variable: str | None) -> str:
    """Return the name of the variable to draw, by default the first."""
    names = list(map(str, fields.data.data_vars))
    if variable is None:
        return names[0]
    if variable not in names:
        raise VariableError(
            f"Expected `variable` to be one of {names}, got {variable!r}.{nearest(variable, names)}"
            " Pass one of these."
        )
    return variable
