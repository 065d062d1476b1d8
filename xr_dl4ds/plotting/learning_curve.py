"""The learning curve of a training: losses and learning rates over epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.plotting.figure import new_figure, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOSSES = {"loss": "#0072B2", "val_loss": "#D55E00"}
_PARTS = {
    "pixel_loss": "#009E73",
    "val_pixel_loss": "#E69F00",
    "adversarial_loss": "#CC79A7",
    "discriminator_loss": "#56B4E9",
}
_SPECTRA = {"val_ralsd": "#332288"}
_RATES = {"learning_rate": "#0072B2", "discriminator_learning_rate": "#56B4E9"}
#: Panels from above: the label of the axis, and the curves with their colours.
_PANELS = (
    ("loss / 1", _LOSSES),
    ("parts of the loss / 1", _PARTS),
    ("RALSD / dB", _SPECTRA),
    ("learning rate / 1", _RATES),
)

#: A change of the validation loss counts from this share of its best value, or of its whole fall if
#: that is less, or if the best value is negative (a log-likelihood).
_SMALL = 0.02
#: A rise is seen in more epochs than this, the best one included.
_FEW = 5


@with_expected_options
def plot_history(history: xr.Dataset) -> Figure:
    """Draw the learning curve of a model, with a sentence on convergence as its title.

    Parameters
    ----------
    history : xarray.Dataset
        `Downscaler.history`: loss, val_loss and learning rates along ``epoch``.

    Returns
    -------
    matplotlib.figure.Figure
        Training and validation loss, below them the parts of the loss of adversarial training, and
        the learning rate. A vertical line marks the epoch whose weights are kept: the one with the
        lowest validation loss, or the last one without validation.

    Raises
    ------
    VariableError
        If `history` is not the history of a model.

    Notes
    -----
    The title says that the validation loss still falls if the last epoch is the best one and the
    last quarter of the epochs lowered the loss by more than 2 %. It says that the loss rises if
    its upward trend since the best epoch is larger than 2 % and than twice the scatter about this
    trend, over at least 5 epochs, while the training loss falls. The shares are of the best value,
    or of the whole fall if that is less or if the best value is negative.

    Examples
    --------
    >>> import xarray as xr
    >>> losses = {"loss": ("epoch", [4.0, 3.0, 2.0]), "val_loss": ("epoch", [5.0, 4.0, 3.0])}
    >>> plot_history(xr.Dataset(losses, coords={"epoch": [1, 2, 3]})).get_suptitle()
    'validation loss still falls after 3 epochs: train longer'
    """
    from matplotlib.ticker import MaxNLocator

    if "epoch" not in history.dims or "loss" not in history:
        raise VariableError(
            "Expected the history of a model with 'loss' along 'epoch', got"
            f" {', '.join(map(str, history.data_vars)) or 'no variables'}. Pass model.history."
        )
    history = history.compute()
    epochs = history.get("epoch", xr.DataArray(np.arange(history.sizes["epoch"]) + 1))
    panels = [(label, names) for label, names in _PANELS if any(n in history for n in names)]
    heights = [3.0 if i == 0 else 1.5 for i in range(len(panels))]
    figure = new_figure(7.0, 0.9 + sum(heights))
    column = figure.subplots(
        len(panels), squeeze=False, sharex=True, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    kept = int(epochs[kept_position(history)])
    for axes, (label, names) in zip(column, panels, strict=True):
        axes.axvline(kept, color="black", linewidth=1, linestyle="--")
        _draw_curves(axes, history, epochs, names)
        axes.set_ylabel(label)
    if "val_loss" in history:
        best = float(history["val_loss"].min())
        column[0].plot(kept, best, marker="o", color="black", markersize=7, fillstyle="none")
    column[0].plot([], [], color="black", linestyle="--", label=f"kept: epoch {kept}")
    for axes in column:
        if len(axes.get_legend_handles_labels()[1]) > 1:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    column[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    column[-1].set_xlim(float(epochs[0]) - 0.5, float(epochs[-1]) + 0.5)
    column[-1].set_xlabel("epoch")
    figure.suptitle(wrapped(convergence(history), 62))
    return figure


def _draw_curves(
    axes: Axes, history: xr.Dataset, epochs: xr.DataArray, colors: dict[str, str]
) -> None:
    """Draw the curves of a panel; logarithmic if all values are positive and range widely."""
    drawn = {name: history[name].to_numpy() for name in colors if name in history}
    rates = "learning_rate" in drawn
    for name, values in drawn.items():
        label = history[name].attrs.get("long_name", name.replace("_", " "))
        marker = "o" if values.size == 1 else None
        axes.plot(
            epochs,
            values,
            color=colors[name],
            label=wrapped(label, 26),
            marker=marker,
            drawstyle="steps-mid" if rates else "default",
            linestyle="-" if not name.startswith("val_pixel") else "--",
        )
    every = np.concatenate(list(drawn.values()))
    low, high = np.nanmin(every), np.nanmax(every)
    if low > 0 and high >= 5 * low:
        axes.set_yscale("log")
    elif rates and low == high:
        axes.set_ylim(0, 2 * high)


def kept_position(history: xr.Dataset) -> int:
    """Return the position of the epoch whose weights are kept."""
    if "val_loss" in history:
        return int(history["val_loss"].argmin("epoch"))
    return history.sizes["epoch"] - 1


def convergence(history: xr.Dataset) -> str:
    """Return a sentence on the convergence of a training, see `plot_history`."""
    count = history.sizes["epoch"]
    if count == 1:
        return "one epoch: too few to see convergence"
    if "val_loss" not in history:
        return f"no validation data: weights of the last epoch, {count}, are kept"
    losses, training = history["val_loss"].to_numpy(), history["loss"].to_numpy()
    best = int(losses.argmin())
    fall = float(losses[: best + 1].max() - losses[best])
    small = _SMALL * (min(fall, float(losses[best])) if losses[best] > 0 else fall)
    if best == count - 1:
        before = losses[: count - max(1, count // 4)].min()
        if before - losses[best] > small:
            return f"validation loss still falls after {count} epochs: train longer"
        return f"best epoch {count} of {count}: validation loss hardly falls any more"
    since = losses[best:]
    if since.size > _FEW and training[-1] < training[best]:
        steps = np.arange(since.size)
        slope, start = np.polyfit(steps, since, 1)
        rise = slope * steps[-1]
        scatter = float(np.std(since - start - slope * steps))
        if rise > max(2 * scatter, small):
            return f"validation loss rises since epoch {best + 1}: overfitting"
    return f"best epoch {best + 1} of {count}"
