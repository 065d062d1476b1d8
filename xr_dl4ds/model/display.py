"""Text and HTML representations of a fitted model."""

from __future__ import annotations

import html
from collections.abc import Mapping

import xarray as xr

from xr_dl4ds.config import Json, Network
from xr_dl4ds.data.state import State


def rows(
    state: State,
    architecture: Network,
    n_parameters: int,
    history: xr.Dataset,
    provenance: Json,
) -> dict[str, str]:
    """Return the description of a model as labels and values, in display order."""
    features, best = state.features, int(provenance["best_epoch"])
    kept = history.isel(epoch=best - 1)
    losses = [f"{name} {float(kept[name]):.4g}" for name in ("loss", "val_loss") if name in kept]
    return {
        "targets": ", ".join(features.targets),
        "predictors": ", ".join(features.predictors) or "none",
        "static": ", ".join(features.static) or "none",
        "scale": f"{state.pairing.scale} ({state.pairing.method})",
        "HR grid": f"{state.pairing.domain.shape}: {state.pairing.domain.extent}",
        "network": f"{architecture.backbone}, {architecture.upsampling},"
        f" {n_parameters:,} parameters",
        "constraint": architecture.constraint or "none",
        "trained on": " to ".join(provenance["period"]),
        **_ensemble(provenance),
        "kept": f"epoch {best} of {history.sizes['epoch']}, {', '.join(losses)}",
    }


def _ensemble(provenance: Json) -> dict[str, str]:
    """Return the spread-skill ratio of models that draw members."""
    found = provenance.get("calibration", {})
    each = [f"{name} {scores['spread_skill_ratio']:.2f}" for name, scores in found.items()]
    return {"spread-skill ratio": f"{', '.join(each)} (validation)"} if each else {}


def as_text(title: str, table: Mapping[str, str]) -> str:
    """Format the rows under a title, aligned."""
    width = max(map(len, table))
    return "\n".join([f"<{title}>", *(f"    {k:<{width}}  {v}" for k, v in table.items())])


def as_html(title: str, table: Mapping[str, str]) -> str:
    """Format the rows as an HTML table, escaped."""
    left = "style='text-align:left'"
    lines = "".join(
        f"<tr><th {left}>{html.escape(k)}</th><td {left}>{html.escape(v)}</td></tr>"
        for k, v in table.items()
    )
    return f"<div><b>{html.escape(title)}</b><table>{lines}</table></div>"
