"""What all figures share: how they are made, and which variable they show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xr_dl4ds.config import nearest
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.fields import Fields

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """A figure, sizes in inches, that pyplot knows where it opens windows, and forgets elsewhere.

    A notebook would otherwise show the figure twice, and a long loop would gather figures.
    """
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(width, height), layout="constrained")
    if plt.get_backend().lower().rsplit(".", 1)[-1] in ("agg", "inline", "backend_inline"):
        plt.close(figure)
    return figure


def choose(fields: Fields, variable: str | None) -> str:
    """The name of the variable that is drawn, by default the first."""
    names = list(map(str, fields.data.data_vars))
    if variable is None:
        return names[0]
    if variable not in names:
        raise VariableError(
            f"Expected `variable` to be one of {names}, got {variable!r}.{nearest(variable, names)}"
            " Pass one of these."
        )
    return variable
