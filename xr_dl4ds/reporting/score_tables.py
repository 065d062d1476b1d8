"""Tables of scores: products beside one another, and parts of the data below one another."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
import xarray as xr

from xr_dl4ds.metrics import SCORES
from xr_dl4ds.metrics.readings import Reading, reading_of
from xr_dl4ds.metrics.sample import PREDICTION
from xr_dl4ds.metrics.score import Score
from xr_dl4ds.plotting.panels import title_of
from xr_dl4ds.reporting.page import Cell, Row, subheading, table
from xr_dl4ds.reporting.verdicts import DECISIVE, all_labels, beats, described, number, units_of

#: Largest number of rows of a score with further dimensions; longer ones are in pictures alone.
_ROWS = 8


def tables_by_group(scores: xr.Dataset) -> list[str]:
    """Return a table for each group of scores, with what each score means.

    Parameters
    ----------
    scores : xarray.Dataset
        Scores of one variable, without parts.
    """
    products = [str(p) for p in scores["product"].to_numpy()]
    groups: dict[str, list[Row]] = {}
    for name, score in SCORES.items():
        if name in scores:
            groups.setdefault(score.group, []).extend(_rows(scores, name, score, products))
    out = []
    for group, rows in groups.items():
        if rows:
            out += [subheading(f"{group.capitalize()} scores")]
            columns = [*products, "truth"]
            if all(not row.cells[-1].text for row in rows):  # no score of the group has a truth
                columns = products
                rows = [dataclasses.replace(row, cells=row.cells[:-1]) for row in rows]
            out += [table("score", columns, rows)]
    return out


def _rows(scores: xr.Dataset, name: str, score: Score, products: list[str]) -> list[Row]:
    """Return the rows of a score: one for each label along its further dimensions."""
    found = scores[name]
    dims = [str(d) for d in found.dims if d != "product"]
    labels = [
        dict(zip(dims, one, strict=True))
        for one in itertools.product(*(found[d].to_numpy().tolist() for d in dims))
    ]
    if len(labels) > _ROWS:
        return []
    out = []
    for label in labels:
        values = _values(found.sel(label), products)
        truth = f"{name}_truth"
        target = float(scores[truth].sel(label)) if truth in scores else np.nan
        best = _best(values, target, reading_of(name))
        cells = [Cell(number(v), best=p == best) for p, v in values.items()]
        cells += [Cell(number(target) if truth in scores else "")]
        unit = units_of(scores, name)
        words = [title_of(d, v, _units_of_threshold(scores)) for d, v in label.items()]
        title = ", ".join([name + (f" / {unit}" if unit else ""), *words])
        text = meaning(name, score) if label == labels[0] else ""
        out.append(Row(title, cells, text))
    return out


def _units_of_threshold(scores: xr.Dataset) -> str:
    """Return the units of thresholds: of several variables those of the variable."""
    if "units" in scores.coords:
        return str(scores["units"].item())
    return str(scores["threshold"].attrs.get("units", "")) if "threshold" in scores.coords else ""


def _values(found: xr.DataArray, products: list[str]) -> dict[str, float]:
    """Return the value of each product; a score without products is that of the prediction."""
    if "product" not in found.dims:
        return {p: float(found) if p == PREDICTION else np.nan for p in products}
    values = {str(p): float(v) for p, v in zip(found["product"].to_numpy(), found, strict=True)}
    return {p: values.get(p, np.nan) for p in products}


def _best(values: dict[str, float], truth: float, reading: Reading) -> str:
    """Return the product that is nearest to the perfect value; empty if none is better."""
    target = truth if reading.perfect == "truth" else reading.value
    known = {p: v for p, v in values.items() if not np.isnan(v)}
    if len(known) < 2 or np.isnan(target):
        return ""
    away = {p: -v if np.isinf(target) else abs(v - target) for p, v in known.items()}
    nearest = min(away, key=lambda p: away[p])
    others = [number(v) for p, v in known.items() if p != nearest]
    return "" if number(known[nearest]) in others else nearest


def meaning(name: str, score: Score) -> str:
    """Return what a score means, and how to read it, in one line."""
    reading = reading_of(name)
    perfect = {"truth": "Perfect: the value of the truth.", "": ""}.get(
        reading.perfect, f"Perfect: {reading.perfect}."
    )
    text = score.long_name[:1].upper() + score.long_name[1:]
    return " ".join(part for part in (f"{text}.", perfect, reading.trap) if part)


def skill_table(scores: xr.Dataset) -> str:
    """Return the skill against each baseline with its interval; empty without baselines."""
    names = [name for name in DECISIVE if f"{name}_skill" in scores]
    if not names:
        return ""
    rows = []
    for reference in map(str, scores["reference"].to_numpy()):
        cells = []
        for name in names:
            text = number(float(scores[f"{name}_skill"].sel(reference=reference)))
            ends = f"{name}_skill_interval"
            if ends in scores:
                both = [float(v) for v in scores[ends].sel(reference=reference)]
                if np.isfinite(both).all():
                    text += f" ({number(both[0])} to {number(both[1])})"
            cells.append(Cell(text))
        rows.append(Row(reference, cells))
    return table("skill against", [DECISIVE[n] for n in names], rows)


def table_of_parts(parts: xr.Dataset, dims: Sequence[str]) -> str:
    """Return the decisive score of each product in each part, with parts that are lost marked."""
    name = next(one for one in DECISIVE if one in parts)
    products = [str(p) for p in parts["product"].to_numpy()]
    rows = []
    for label in all_labels(parts, dims):
        values = _values(parts[name].sel(label), products)
        best = _best(values, np.nan, reading_of(name))
        cells = [Cell(number(v), best=p == best) for p, v in values.items()]
        others = [v for p, v in values.items() if p != PREDICTION and np.isfinite(v)]
        worse = any(beats(v, values[PREDICTION]) for v in others)
        rows.append(Row(described(label), cells, worse=worse))
    unit = units_of(parts, name)
    corner = DECISIVE[name] + (f" / {unit}" if unit else "")
    return table(corner, products, rows)
