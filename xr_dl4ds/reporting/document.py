"""The report on a prediction: scores, pictures and verdicts on one page."""

from __future__ import annotations

import contextlib
import datetime
import functools
import logging
import os
import pathlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from xr_dl4ds import plotting
from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.grid.cf.dimensions import Dims, holds_times
from xr_dl4ds.grid.cf.georeference import provenance_of
from xr_dl4ds.grid.names import Attrs, Data
from xr_dl4ds.metrics import evaluate
from xr_dl4ds.metrics.grouping import By
from xr_dl4ds.metrics.periods import Periods
from xr_dl4ds.model.provenance import version
from xr_dl4ds.overview.survey import overview
from xr_dl4ds.reporting import page
from xr_dl4ds.reporting.illustrations import illustration_of_parts, illustrations, typical_and_worst
from xr_dl4ds.reporting.score_tables import skill_table, table_of_parts, tables_by_group
from xr_dl4ds.reporting.verdicts import losing_parts, on_members, verdicts
from xr_dl4ds.writing.drafts import drafted, require_free

if TYPE_CHECKING:
    from xr_dl4ds.metrics.baselines import HasFirstGuess


class _Given(NamedTuple):
    """The data of a report, as they were passed."""

    prediction: Data
    truth: Data
    lr: Data | None
    dims: Dims


#: Labels of facts on the grid; others are labelled as in the overview.
_LABELS = {"varying": "variables", "time": "times of the prediction"}
#: Introductions of the verdicts.
_VERDICTS = {
    "better": "The prediction is better than these baselines:",
    "undecided": "These data cannot tell which is better: intervals include 0, or both are equal.",
    "worse": "A baseline is better than the prediction:",
}
_NO_BASELINES = "There are no baselines to compare the prediction with."
_NO_SKILL = "No skill could be computed: no cell has values, or the baselines have no error."
#: Captions of the maps of single steps.
_STEPS = {
    "typical": "A typical step: its RMSE is the median of all steps.",
    "worst": "The worst step: its RMSE is the largest of all steps.",
}
#: Scores of each part of the data; all others are computed for the whole alone.
_OF_PARTS = ("bias", "mae", "rmse", "correlation", "std_ratio")
#: Scores of every report: the verdicts and the Taylor diagram need them.
_ALWAYS = (*_OF_PARTS, "nrmse", "relative_bias", "kge")


@with_expected_options
def write_report(
    prediction: Data,
    truth: Data,
    path: str | os.PathLike[str],
    *,
    lr: Data | None = None,
    scale: int | tuple[int, int] | None = None,
    model: HasFirstGuess | None = None,
    baselines: Sequence[str] | None = None,
    training: tuple[Data, Data] | None = None,
    thresholds: float | Sequence[float] = (),
    periods: Periods | None = None,
    area_weighted: bool = True,
    dims: Dims | None = None,
    scores: str | Sequence[str] = "all",
    by: By | Sequence[By] | None = None,
    title: str | None = None,
    overwrite: bool = False,
) -> pathlib.Path:
    """Write a report on the skill of a prediction as one self-contained page of HTML.

    Parameters
    ----------
    prediction, truth : xarray.Dataset or xarray.DataArray
        Prediction ``(time, y, x)``, optionally with members, and the truth.
    path : path
        The file to write, such as "report.html".
    lr, scale, model, baselines, training, thresholds, periods, area_weighted, dims : optional
        As in `xr_dl4ds.metrics.evaluate`.
    scores : str or sequence of str
        Names of scores or groups of scores; by default all that can be computed.
    by : str, xarray.DataArray, xarray.groupers.Grouper or sequence, optional
        Parts of the data with a table and a picture of their own, as in `evaluate`. By default
        seasons, if the steps that are scored have dates in several seasons.
    title : str, optional
        Title of the page.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    pathlib.Path
        Absolute path of the file. It shows the data, grid, model and options; where the prediction
        is better or worse than each baseline; scores with what they mean; pictures; and what was
        not scored and why.

    Raises
    ------
    FileExistsError, NotADirectoryError, PermissionError
        If the file exists, or cannot be written.
    VariableError, GridError, TimeError, ValueError
        As in `xr_dl4ds.metrics.evaluate`.

    Examples
    --------
    >>> import tempfile, xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)[["t2m"]]
    >>> base = hr.downscale.coarsen(4).downscale.interpolate(hr, method="bilinear")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_report(base, hr, f"{folder}/report.html", scale=4, scores="pointwise")
    ...     path.read_text().startswith("<!DOCTYPE html>")
    True
    """
    place = require_free(path, overwrite=overwrite)
    scored = functools.partial(
        evaluate,
        prediction,
        truth,
        lr=lr,
        scale=scale,
        model=model,
        baselines=baselines,
        training=training,
        thresholds=thresholds,
        periods=periods,
        area_weighted=area_weighted,
        dims=dims,
    )
    with _warnings() as told:
        found = scored(scores=_with_decisive(scores)).compute()
        parts = _parts(scored, found, by).compute()
    names = np.atleast_1d(found["variable"].to_numpy()).tolist()
    title = str(title or f"Skill of the downscaled {', '.join(names)}")
    given = _Given(prediction, truth, lr, dims or Dims())
    chapters = {f"variable-{i}": name for i, name in enumerate(names)}
    body = [
        page.paragraph(_subtitle()),
        page.contents({"data": "Data and model", **chapters, "left-out": "What was not scored"}),
        page.heading("Data and model", "data"),
        page.facts(_facts(given, found)),
    ]
    for anchor, name in chapters.items():
        body += [page.heading(name, anchor)]
        body += _chapter(given, _of_variable(found, name), _of_variable(parts, name))
    body += [page.heading("What was not scored, and what to know", "left-out")]
    body += [page.bullets(_left_out(found)), page.bullets(list(dict.fromkeys(told)))]
    with drafted(place) as draft:
        draft.write_text(page.document(title, body), encoding="utf-8")
    return place


@contextlib.contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect the warnings that the package logs in this thread; they are logged as well."""
    told: list[str] = []
    thread = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                told.append(record.getMessage())

    listener = Listener(logging.WARNING)
    root = logging.getLogger("xr_dl4ds")
    root.addHandler(listener)
    try:
        yield told
    finally:
        root.removeHandler(listener)


def _with_decisive(scores: str | Sequence[str]) -> list[str]:
    """Return the scores that are asked for, with those on which the verdicts rest."""
    asked = [scores] if isinstance(scores, str) else list(scores)
    return asked if "all" in asked else list(dict.fromkeys([*_ALWAYS, *asked]))


def _parts(
    scored: Callable[..., xr.Dataset], found: xr.Dataset, by: By | Sequence[By] | None
) -> xr.Dataset:
    """Return scores by parts of the data; without parts an empty dataset."""
    if by is None:
        time = found["rmse_series"].dims[-1]
        dates = found.get(time)
        if dates is None or not holds_times(dates) or len(np.unique(dates.dt.season)) < 2:
            return xr.Dataset()
        by = "season"
    scores = [*_OF_PARTS, *(["crps"] if "crps" in found else [])]
    return scored(scores=scores, by=by)


def _of_variable(scores: xr.Dataset, name: str) -> xr.Dataset:
    return scores.sel(variable=name) if "variable" in scores.dims else scores


def _subtitle() -> str:
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"Written on {today.isoformat()} by xr_dl4ds {version()}. Scores compare the prediction"
        " with the truth on all cells and times where both are known, and do the same for"
        " baselines, which need no network."
    )


def _facts(given: _Given, found: xr.Dataset) -> dict[str, str]:
    """Return what was scored, on which grid, and by which model."""
    noted = provenance_of(given.prediction)
    seen = overview(given.prediction).rows()
    rows = {_LABELS.get(key, key): value for key, value in seen.items() if value != "none"}
    times = [d for d in found["rmse_series"].dims if d not in ("product", "variable")]
    steps = found.sizes[times[0]]
    rows["scored"] = f"{steps} time step{'s' * (steps != 1)}{_span(found, str(times[0]))}"
    rows["baselines"] = str(found.attrs.get("baselines", "")) or "none"
    if noted:
        rows |= _about_model(noted)
    return rows


def _span(found: xr.Dataset, time: str) -> str:
    if time not in found.coords or not found.sizes[time]:
        return ""
    first, last = (str(found[time].to_numpy()[i])[:16] for i in (0, -1))
    return f", {first} to {last}"


def _about_model(noted: Attrs) -> dict[str, str]:
    """Return the rows on the model that made the prediction."""
    made = "synthetic pairs" if noted.get("perfect_prognosis") else "real pairs"
    rows = {
        "model": str(noted.get("summary", "")),
        "trained on": f"{made}, {' to '.join(map(str, noted.get('period', ())))}",
        "predictors": ", ".join(noted.get("predictors", ())) or "none but the LR targets",
        "static fields": ", ".join(noted.get("static", ())) or "none",
        "loss": str(noted.get("loss", "")),
        "kept epoch": str(noted.get("best_epoch", "")),
        "random seed": str(noted.get("seed", "")),
    }
    for role in ("network", "sampling"):
        options = {k: v for k, v in noted.get(role, {}).items() if v not in (None, False, [])}
        rows[f"options: {role}"] = ", ".join(f"{k} {v}" for k, v in options.items())
    return rows


def _chapter(given: _Given, scores: xr.Dataset, parts: xr.Dataset) -> list[str]:
    """Return the chapter on one variable."""
    dims = [str(d) for d in parts["rmse"].dims if d != "product"] if parts else []
    found = verdicts(scores)
    if parts:
        found["worse"] += losing_parts(parts, dims)
    out = [page.subheading("In short")]
    for verdict, texts in found.items():
        if texts:
            out += [page.paragraph(_VERDICTS[verdict]), page.bullets(texts, verdict)]
    if not any(found.values()):
        out += [page.paragraph(_NO_SKILL if "reference" in scores.dims else _NO_BASELINES)]
    out += [page.bullets(on_members(scores)), *_maps(given, scores)]
    out += [page.subheading("Skill"), skill_table(scores)] if "rmse_skill" in scores else []
    if parts:
        out += [page.subheading(f"By {' and '.join(dims)}")]
        out += [page.paragraph("Marked rows: a baseline is better than the prediction.")]
        out += [table_of_parts(parts, dims), *illustration_of_parts(parts)]
    out += tables_by_group(scores)
    pictures = list(illustrations(scores))
    return [*out, *([page.subheading("Pictures")] if pictures else []), *pictures]


def _maps(given: _Given, scores: xr.Dataset) -> list[str]:
    """Return maps of a typical and of the worst step."""
    import matplotlib.pyplot as plt

    name, out = str(scores["variable"].item()), []
    time = next((d for d in scores["rmse_series"].dims if d != "product"), "")
    for kind, step in typical_and_worst(scores).items():
        dated = time in scores.coords and holds_times(scores[time])
        at = scores[time].to_numpy()[step] if dated else step
        figure = plotting.plot(
            given.prediction, lr=given.lr, hr=given.truth, variable=name, time=at, dims=given.dims
        )
        out += [page.picture(figure, _STEPS[kind], f"Maps of {name}: the {kind} step")]
        plt.close(figure)
    return [page.subheading("Maps"), *out] if out else []


def _left_out(found: xr.Dataset) -> list[str]:
    """Return why scores were not computed."""
    return str(found.attrs.get("not_scored", "")).split("\n")
