"""Errors of explanations: steps, targets, regions, and their figure."""

import functools

import tests.errors.data as d
from tests.errors.case import section
from tests.untrained import untrained
from xr_dl4ds import plotting
from xr_dl4ds.exceptions import GridError, TimeError, VariableError

case = section("Explanations")

QUICK = {"repeats": 1, "steps": 1}


@functools.cache
def fitted(kind):
    """A model, whose first HR column never has a value for the kind "masked"."""
    hr = d.hr()[["t2m"]]
    return untrained(hr if kind == "plain" else masked(hr), scale=2, constraint=None)


def masked(ds):
    """Without values in the western columns."""
    return ds.where(ds.longitude > float(ds.longitude[1]))


def given(spoil_lr=lambda ds: ds, spoil_hr=lambda ds: ds, kind="plain"):
    return lambda: {
        "lr": spoil_lr(d.lr()),
        "hr": spoil_hr(d.hr()[["t2m"]]),
        "model": fitted(kind),
    }


def explain(lr, hr, model, region=None, **options):
    """Explain, with a region that is made from the HR data."""
    options = {**QUICK, **options}
    return model.explain(lr, hr, region=None if region is None else region(hr), **options)


def asking(**options):
    return lambda lr, hr, model: explain(lr, hr, model, **options)


def east(ds):
    """The cells of the middle and the east."""
    return (ds.longitude > 6) & (ds.latitude > 0)


def coarse(ds):
    """A mask on cells that are too large."""
    return east(d.lr())


def west(ds):
    """The cells that never have a value."""
    return (ds.longitude <= float(ds.longitude[1])) & (ds.latitude > 0)


ASKED = {
    "single step": case(
        "A model is explained with one time step, of which none can be shuffled.",
        TimeError,
        r"the LR data to have at least 2 time steps, which are shuffled, got 1\. Select",
        given(lambda lr: lr.isel(time=[0])),
        explain,
        lambda lr, hr, model: explain(d.lr(), hr, model),
    ),
    "no target": case(
        "The truth of an explanation has no target of the model.",
        VariableError,
        r"the truth to have one of the targets \['t2m'\], got \['tas'\]\. Rename",
        given(spoil_hr=lambda hr: hr.rename(t2m="tas")),
        explain,
        lambda lr, hr, model: explain(lr, hr.rename(tas="t2m"), model),
    ),
    "variable": case(
        "An explanation is wanted of a variable that is no target.",
        VariableError,
        r"`variable` to be one of \['t2m'\], got 't2'\. Did you mean 't2m'\? Pass",
        given(),
        asking(variable="t2"),
        asking(variable="t2m"),
    ),
    "region": case(
        "A region holds numbers instead of True and False.",
        VariableError,
        r"`region` to be a DataArray of True and False, got float32\. Make",
        given(),
        asking(region=lambda hr: hr.t2m.isel(time=0)),
        asking(region=east),
    ),
    "region without an array": case(
        "A region is a list of numbers.",
        VariableError,
        r"`region` to be a DataArray of True and False, got list\. Make",
        given(),
        asking(region=lambda hr: [5.0, 6.0]),
        asking(region=east),
    ),
    "cells of a region": case(
        "A region lies on other cells than the prediction.",
        GridError,
        r"`region` without time, on cells that cover the prediction \(.*\), got .*\. Make it from",
        given(),
        asking(region=coarse),
        asking(region=east),
    ),
    "region in time": case(
        "A region changes in time.",
        GridError,
        r"`region` without time, on cells .*, got the dimensions \('time', .*\. Make it from",
        given(),
        asking(region=lambda hr: hr.t2m > 280),
        asking(region=east),
    ),
    "empty region": case(
        "A region has no cells.",
        VariableError,
        r"`region` to be True in some cells of the prediction, got False in all 96 cells\. Select",
        given(),
        asking(region=lambda hr: east(hr) & False),
        asking(region=east),
    ),
    "region without values": case(
        "The target never has a value in a region.",
        VariableError,
        r"`region` to have cells with values of 't2m', got 16 cells without\. Select",
        given(spoil_hr=masked, kind="masked"),
        asking(region=west),
        asking(region=east),
    ),
}

FIGURE = {
    "figure of scores": case(
        "Scores are drawn as an explanation.",
        VariableError,
        r"an explanation with 'rmse_increase', got \['t2m'\]\. Pass the result of model\.explain",
        given(),
        lambda lr, hr, model: plotting.plot_explanation(hr),
        lambda lr, hr, model: plotting.plot_explanation(explain(lr, hr, model)),
    ),
    "figure without values": case(
        "An explanation without values is drawn.",
        VariableError,
        r"values of 'saliency' of 't2m', got missing values alone\. Select steps and a region",
        given(),
        lambda lr, hr, model: plotting.plot_explanation(
            explain(lr, hr, model).map(lambda one: one * float("nan"), keep_attrs=True)
        ),
        lambda lr, hr, model: plotting.plot_explanation(explain(lr, hr, model)),
    ),
    "variable of the figure": case(
        "A figure is wanted of a variable that is not explained.",
        VariableError,
        r"`variable` to be one of \['t2m'\], got 'pr'\. Pass",
        given(),
        lambda lr, hr, model: plotting.plot_explanation(explain(lr, hr, model), "pr"),
        lambda lr, hr, model: plotting.plot_explanation(explain(lr, hr, model), "t2m"),
    ),
}

PARTS = (ASKED, FIGURE)
