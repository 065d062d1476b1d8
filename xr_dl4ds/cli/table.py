"""Scores as a table of text."""

from __future__ import annotations

import xarray as xr

from xr_dl4ds.metrics import SCORES


def table(scores: xr.Dataset, title: str) -> str:
    """Return the scores of one variable as text: a line for each product, and the skill.

    Parameters
    ----------
    scores : xarray.Dataset
        Result of `xr_dl4ds.metrics.evaluate` for one variable.
    title : str
        Title above the products.

    Returns
    -------
    str
        The lines. For an ensemble they have columns with the CRPS of cells and of maxima over
        blocks, and a line with the spread-skill ratio. Without baselines, the last line says how to
        get them.
    """
    shown = {
        name: score
        for name, score in SCORES.items()
        if score.heading and name in scores and scores[name].dims == ("product",)
    }
    units = [scores[n].attrs.get("units", "") for n, s in shown.items() if s.units is None]
    unit = str(scores["units"].item()) if "units" in scores.coords else (units or [""])[0]
    columns = {
        f"{score.heading} / {unit}" if score.units is None else score.heading: score.digits
        for score in shown.values()
    }
    products = [str(p) for p in scores["product"].to_numpy()]
    width = max(map(len, (title, *products)))
    rows = ["  ".join([f"{title:<{width}}", *(f"{column:>8}" for column in columns)])]
    for product in products:
        values = [float(scores[name].sel(product=product)) for name in shown]
        cells = zip(values, columns.items(), strict=True)
        line = [f"{v:{max(8, len(column))}.{digits}f}" for v, (column, digits) in cells]
        rows.append("  ".join([f"{product:<{width}}", *line]))
    if "spread_skill_ratio" in scores:
        rows.append(f"spread-skill ratio: {float(scores.spread_skill_ratio):.2f} (1 is right)")
    if len(products) == 1:
        return "\n".join([*rows, "no baselines: --lr or --scale gives them"])
    if "rmse_skill" not in scores:
        return "\n".join(rows)
    skills = ", ".join(
        f"{float(scores.rmse_skill.sel(reference=r)):.0%} against {r}"
        for r in scores["reference"].to_numpy()
    )
    return "\n".join([*rows, f"RMSE skill: {skills}"])
