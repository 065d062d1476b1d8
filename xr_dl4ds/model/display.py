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
        **_ensemble(state, provenance),
        "kept": f"epoch {best} of {history.sizes['epoch']}, {', '.join(losses)}",
    }


#: Scores of members on the validation data: the name in the provenance, the label and the format;
#: "{unit}" is that of the target.
_SCORES = {
    "crps": ("CRPS", "{:.3g}{unit}"),
    "spread_skill_ratio": ("spread-skill ratio", "{:.2f}"),
    "ralsd": ("RALSD", "{:.1f} dB"),
    "maxima_crps": ("CRPS of maxima", "{:.3g}{unit}"),
}


def _ensemble(state: State, provenance: Json) -> dict[str, str]:
    """Return the scores of members; models of earlier versions have only their ratio."""
    found, out = provenance.get("calibration", {}), {}
    for key, (label, form) in _SCORES.items():
        each = []
        for name, scores in found.items():
            if key in scores:
                unit = state.units.get(name)
                value = form.format(scores[key], unit=f" {unit}" if unit else "")
                each.append(f"{name} {value}{_yardstick(scores) if key == 'crps' else ''}")
        if each:
            out[label] = f"{', '.join(each)} (validation)"
    return out


def _yardstick(scores: Json) -> str:
    """Return the error of the first guess, beside the CRPS."""
    mae = scores.get("first_guess_mae")
    return "" if mae is None else f" (first guess {mae:.3g})"


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
