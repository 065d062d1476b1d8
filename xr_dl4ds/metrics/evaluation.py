"""Scores and maps of a prediction and of interpolation on the same cells, and the skill."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.config import SAME, Scale
from xr_dl4ds.config.xarray_options import with_expected_options
from xr_dl4ds.data.plausibility import note_factor, note_fields, note_kinds
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import Fields
from xr_dl4ds.grid.cf.georeference import provenance_of
from xr_dl4ds.grid.cf.time_axis import calendar, index_of
from xr_dl4ds.grid.names import REALIZATION, TIME, Attrs, Data, X, Y
from xr_dl4ds.grid.regridding.orientation import note_orientation
from xr_dl4ds.metrics.areas import cell_areas
from xr_dl4ds.metrics.baselines import Beside, HasFirstGuess, names_of
from xr_dl4ds.metrics.coarse_cells import coarse_cells
from xr_dl4ds.metrics.compared_fields import ComparedFields
from xr_dl4ds.metrics.grouping import By, parts_of
from xr_dl4ds.metrics.matching import in_common, on_common_cells, read
from xr_dl4ds.metrics.periods import Periods, periods_of

logger = logging.getLogger(__name__)


@with_expected_options
def evaluate(
    prediction: Data,
    truth: Data,
    *,
    lr: Data | None = None,
    scale: int | tuple[int, int] | None = None,
    model: HasFirstGuess | None = None,
    baselines: Sequence[str] | None = None,
    training: tuple[Data, Data] | None = None,
    scores: str | Sequence[str] | None = None,
    thresholds: float | Sequence[float] = (),
    periods: Periods | None = None,
    by: By | Sequence[By] = (),
    area_weighted: bool = True,
    dims: Dims | None = None,
) -> xr.Dataset:
    """Score a prediction or an ensemble of predictions against the truth.

    Parameters
    ----------
    prediction : xarray.Dataset or xarray.DataArray
        ``(time, y, x)``, optionally with a dimension of members in any position: ``realization``,
        or another dimension that CF attributes or its name identify as members.
    truth : xarray.Dataset or xarray.DataArray
        Variables with the same names and units, which cover the grid of `prediction`. The times in
        common are scored.
    lr : xarray.Dataset or xarray.DataArray, optional
        LR fields that the baselines interpolate; by default the truth averaged by `scale`.
    scale : int or tuple of int, optional
        Scale of that average; by default the scale noted on the prediction. Without `lr`, `scale`
        and a note there are no baselines.
    model : Downscaler, optional
        The model of the prediction, whose first guess from `lr` is a further baseline. LR fields
        may then lack the variables that are scored; they are not interpolated.
    baselines : sequence of str, optional
        "nearest", "bilinear", "bicubic" and "conservative" interpolate LR fields; "climatology",
        "bias_corrected", "regression" and "quantile_mapping" are fitted to `training`. By default
        bilinear, bicubic, and those that are fitted if there is `training`.
    training : tuple of (lr, hr), optional
        LR and HR data to which baselines are fitted, at other times than those that are scored.
        LR has the cells of `lr`.
    scores : str or sequence of str, optional
        Names of scores or of groups of scores, or "all"; see `xr_dl4ds.metrics.SCORES` and the page
        on scores. By default those that are described below.
    thresholds : float or sequence of float, optional
        Thresholds in units of the variable, for the scores of events.
    periods : two pairs of str, optional
        First and last date of two periods, both included, for scores of change, such as ``(("1981",
        "2000"), ("2081", "2100"))``.
    by : str, xarray.DataArray, xarray.groupers.Grouper or sequence, optional
        Parts of the data that are scored separately, along a dimension of that name: "season",
        "month", "year" or "hour"; an array of labels along time, or on cells, such as a mask of
        regions or of land and sea (the attributes ``flag_values`` and ``flag_meanings`` name the
        parts); boolean masks ``(region, y, x)``, which may overlap, with labels in a coordinate
        ``names``; a grouper of xarray for time; or ``(array, grouper)``, such as ``(altitude,
        BinGrouper([0, 500, 1000]))`` or ``(truth.latitude, BinGrouper([30, 45, 60]))``. Several are
        combined. Parts have no series, and parts of cells have no maps.
    area_weighted : bool
        Weigh cells by their areas in all scores over cells, except in spectra and quantiles. On
        grids with cells of one area this changes nothing.
    dims : Dims, optional
        Dimensions named by the caller.

    Returns
    -------
    xarray.Dataset
        Along ``product`` (prediction, then the baselines): bias, mae, rmse (units of the variable)
        and correlation (1), over all valid cells and times; their maps over time, ``*_map``, and
        their series over cells, ``*_series``; ``ralsd``, the distance of power spectra in dB; and
        ``std_ratio``, the standard deviation divided by that of the truth (1). Along ``reference``:
        ``mae_skill`` and ``rmse_skill``, ``1 - score / score of the reference`` (1 is perfect, 0 as
        good as the reference; Murphy 1988, doi:10.1175/1520-0493(1988)116<2417:SSBOTM>2.0.CO;2),
        and ``*_skill_interval``, their 95 % confidence intervals by resampling blocks of time.

        For an ensemble these are the scores of its mean, except ``ralsd`` and ``std_ratio``, which
        are those of its members. An ensemble also has, along ``product``, ``crps`` and
        ``crps_map``, which for the baselines are their absolute error, and ``maxima_crps``, the
        CRPS of maxima over blocks of 4 x 4 cells; along ``reference``, ``crps_skill`` and
        ``maxima_crps_skill``; and ``spread`` (units of the variable), ``spread_skill_ratio`` (1)
        and ``rank_histogram`` along ``rank``. ``crps`` and ``spread_skill_ratio`` see single cells;
        ``ralsd`` and ``maxima_crps`` see the texture of the members. The functions of these names
        in `xr_dl4ds.metrics` define these scores; `pooled_crps` defines ``maxima_crps``.

        Statistics of single fields, such as indices of precipitation, also have the value of the
        truth, ``*_truth``, and those of change the value of the LR fields on their own cells,
        ``*_lr``. Several variables lie along a dimension ``variable`` with a coordinate
        ``units``. The result is lazy if the data are. The attribute ``baselines`` says what the
        baselines are made from, and ``not_scored`` what scores of a group need that the data do not
        have. If the model was trained on real pairs, pass `lr`, because the
        averaged truth is more accurate than real low-resolution data.

    Raises
    ------
    VariableError, GridError, TimeError
        If prediction and truth, or groupings and training data, do not match.
    TypeError
        If names or training data have another type.
    ValueError
        If a score or a baseline is unknown, or lacks what it needs.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
    >>> base = hr[["t2m"]].downscale.coarsen(4).downscale.interpolate(hr, method="bilinear")
    >>> scores = evaluate(base, hr, scale=4)
    >>> abs(float(scores.rmse_skill.sel(reference="bilinear").round(6)))
    0.0
    """
    dims = dims or Dims()
    roles = "the prediction", "the truth"
    given = read(prediction, dims, roles[0], members=True)
    true = read(truth, dims, roles[1])
    given = given.named_as(true.slices, true.levels, *roles)
    pair = on_common_cells(*in_common(given, true))
    _note_labels(prediction, truth)
    names = pair[0].varying
    noted = provenance_of(prediction)
    averaged = Scale.of(noted.get("scale", 1)) if scale is None else Scale.asked(scale)
    if lr is None and not noted.get("perfect_prognosis", True):
        logger.warning(
            "the model was fitted on LR/HR pairs, but the baselines interpolate the averaged truth,"
            " which is better than its LR: pass lr= for a fair comparison"
        )
    beside = Beside(
        names=names_of(baselines, training),
        lr=lr,
        counterparts=noted.get("counterparts", {}),
        averaged=averaged,
        training=training,
        model=model,
        dims=dims,
    )
    low = beside.low(pair[1])
    products = beside.products(*pair, low)
    _warn_of_training_period(noted, pair[0])
    compared = ComparedFields(
        prediction=pair[0].data[names],
        truth=pair[1].data[names],
        baselines=products,
        coarse={} if low is None else coarse_cells(low, pair[1], area_weighted=area_weighted),
        weights=cell_areas(pair[1].grid) if area_weighted else None,
        thresholds=tuple(np.atleast_1d(np.asarray(thresholds, "f8")).tolist()),
        periods=periods_of(periods, pair[0]),
        periodic=pair[1].grid.x.periodic,
    )
    for name in names:
        _note_fields(pair[0].data[name], pair[1].data[name])
    out = compared.scores(scores, parts_of(by, pair[0], dims))
    out.attrs["baselines"] = beside.described(products)
    return _with_axes(out, given)


def _note_labels(prediction: Data, truth: Data) -> None:
    """Warn of single labels, such as of a lead time, that differ; levels have been compared."""
    for name in prediction.coords.keys() & truth.coords.keys():
        labels = [one.coords[name].variable for one in (prediction, truth)]
        if any(
            v.ndim or v.dtype.kind == "M" or {"grid_mapping_name", "crs_wkt"} & v.attrs.keys()
            for v in labels
        ):
            continue
        if not labels[0].equals(labels[1]):
            mine, theirs = (v.to_numpy()[()] for v in labels)
            logger.warning("%r is %s in the prediction and %s in the truth", name, mine, theirs)


def _note_fields(prediction: xr.DataArray, truth: xr.DataArray) -> None:
    """Warn of members with missing cells, and of turned fields; lazy data are not read."""
    if prediction.chunks is not None or truth.chunks is not None:
        return
    if REALIZATION in prediction.dims:
        _note_members(prediction)
    name, roles = str(prediction.name), ("the prediction", "the truth")
    note_orientation(prediction, truth, SAME, roles)
    note_kinds(name, prediction.attrs, truth.attrs, roles)
    mine, theirs = (
        note_fields({name: fields}, role).get(name)
        for fields, role in zip((prediction, truth), roles, strict=True)
    )
    if mine and theirs:
        note_factor(name, mine, theirs, roles)


def _note_members(members: xr.DataArray) -> None:
    """Warn if some members miss cells that others have: only complete cells are scored."""
    missing = members.isnull()
    gone = int(missing.all((TIME, Y, X)).sum())
    some = missing.any(REALIZATION) & ~missing.all(REALIZATION)
    if gone:
        logger.warning(
            "%d of %d members of %r of the prediction have no values, so that no cell is scored:"
            " leave them out with .dropna('realization', how='all'), by the name of your dimension",
            *(gone, members.sizes[REALIZATION], members.name),
        )
    elif some.any():
        logger.warning(
            "%.3g %% of the cells of %r of the prediction are missing in some members, and are not"
            " scored",
            *(100 * float(some.mean()), members.name),
        )


def _warn_of_training_period(noted: Attrs, prediction: Fields) -> None:
    """Warn if the model was trained on times that are scored."""
    index = index_of(prediction.data)
    first, last = noted.get("period", (None, None))
    if first is None or index is None or calendar(index) == "none":
        return
    # text of dates without fractions has the order of the dates
    stamps = [str(time)[:19] for time in index]
    inside = sum(first[:19] <= stamp <= last[:19] for stamp in stamps)
    if inside:
        logger.warning(
            "%d of %d times that are scored lie in the training period, %s to %s: scores on these"
            " do not show how the model does on new data",
            *(inside, len(stamps), first, last),
        )


def _with_axes(out: xr.Dataset, given: Fields) -> xr.Dataset:
    """Return maps in the layout of the prediction, and all under its dimension names."""
    grid = given.grid
    back: dict[Hashable, Any] = {Y: grid.y.order.argsort(), X: grid.x.order.argsort()}
    out = out.isel({d: order for d, order in back.items() if d in out.dims})
    placed = [axis for dim, axis in ((Y, grid.y), (X, grid.x)) if dim in out.dims]
    names = {Y: grid.y.name, X: grid.x.name, TIME: given.dims.time}
    out = out.rename({d: n for d, n in names.items() if d in out.dims and n not in (d, None)})
    coords = {axis.name: (axis.name, axis.labels, dict(axis.attrs)) for axis in placed}
    return out.assign_coords(coords)
