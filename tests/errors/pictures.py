"""Errors of figures of scores and of the learning curve."""

import xarray as xr

import tests.errors.data as d
from tests.errors.case import section
from xr_dl4ds import plotting
from xr_dl4ds.exceptions import VariableError

case = section("Scores and figures")


def drawing(draw, *arguments, **options):
    """Score the prediction with options, and draw the scores."""
    return lambda sr, hr, lr: draw(sr.downscale.evaluate(hr, lr=lr, **options), *arguments)


def by_step(count):
    """Return labels of parts of the time, as many as asked for."""
    return xr.DataArray(range(8), dims="time", name="part").clip(max=count - 1)


def panels(count):
    """Draw a panel for each of some parts and each of two thresholds."""
    return lambda sr, hr, lr: plotting.plot_fss(
        sr.downscale.evaluate(hr, lr=lr, scores="fss", thresholds=[279, 281], by=by_step(count))
    )


def history(*names):
    return xr.Dataset({name: ("epoch", [2.0, 1.0]) for name in names}, {"epoch": [1, 2]})


PICTURES = {
    "score that a figure needs": case(
        "A figure is wanted of scores that lack what it draws.",
        VariableError,
        r"scores with 'quantiles', 'quantiles_truth', got .*\. Pass scores=\['quantiles'\] to",
        d.scored(),
        drawing(plotting.plot_quantiles),
        drawing(plotting.plot_quantiles, scores=["quantiles"]),
    ),
    "score without values": case(
        "A figure is wanted of a score that has no values.",
        VariableError,
        r"values of 'quantiles', .* of 't2m', got missing values alone\. Pass another variable=",
        d.scored(),
        lambda sr, hr, lr: plotting.plot_quantiles(
            sr.where(False).downscale.evaluate(hr, lr=lr, scores="quantiles")
        ),
        drawing(plotting.plot_quantiles, scores=["quantiles"]),
    ),
    "parts that a figure needs": case(
        "A figure of parts is wanted of scores over all data.",
        VariableError,
        r"'rmse' by parts of the data, got the dimensions product\. Pass by= to",
        d.scored(),
        drawing(plotting.plot_parts),
        drawing(plotting.plot_parts, by="season"),
    ),
    "more parts than panels": case(
        "A figure is wanted with more panels than it has room for.",
        VariableError,
        r"Expected at most 12 panels, got 14 along .*\. Select some of them, such as",
        d.scored(),
        panels(7),
        panels(2),
    ),
    "learning curve of other data": case(
        "A learning curve is wanted of data that are no history.",
        VariableError,
        r"the history of a model with 'loss' along 'epoch', got t2m.*\. Pass model\.history",
        d.scored(),
        lambda sr, hr, lr: plotting.plot_history(sr),
        lambda sr, hr, lr: plotting.plot_history(history("loss", "val_loss")),
    ),
}

PARTS = (PICTURES,)
