"""Conversion of a model's `State` to plain JSON values and one flat dataset, and back."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.config import Json, Scale
from xr_dl4ds.data.channels import Features
from xr_dl4ds.data.first_guess import FirstGuess
from xr_dl4ds.data.latent_fields import LatentFields
from xr_dl4ds.data.scaling import STATISTICS, Scaler
from xr_dl4ds.data.state import FlowScales, State
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cf.extra_dims import Level, Slice
from xr_dl4ds.grid.geolocation import Geolocation
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.names import Attrs
from xr_dl4ds.grid.regridding.pairing import Pairing

_GRIDS = ("source", "lr", "hr", "domain")
#: The arrays of a `Geolocation`, and their dimensions.
_PLACES = {"y": ("y",), "x": ("x",), "lat": ("y", "x"), "lon": ("y", "x")}


def state_config(state: State) -> Json:
    """Return names, attributes and layouts of a state as JSON values."""
    pairing = state.pairing
    return {
        "features": dataclasses.asdict(state.features),
        "scale": pairing.scale.public,
        "method": pairing.method,
        "context": pairing.context,
        "attention_margin": state.attention_margin,
        "mean_ratios": dict(state.mean_ratios),
        "first_guess": _guess_config(state.first_guess),
        "latent": None if state.latent is None else dataclasses.asdict(state.latent),
        "flow": None if state.flow is None else dataclasses.asdict(state.flow),
        "corrections": state.corrections,
        "grids": {name: _grid_config(grid) for name, grid in _grids(pairing).items()},
        "attrs": {n: _plain(a) for n, a in state.attrs.items()},
        "units": _plain(state.units),
        "step": state.step,
        "slices": {n: _slice_config(part) for n, part in state.slices.items()},
        "counterparts": dict(state.counterparts),
        "levels": {
            name: {kind: _plain(dataclasses.asdict(level)) for kind, level in levels.items()}
            for name, levels in state.levels.items()
        },
        "static_attrs": {str(n): _plain(v.attrs) for n, v in state.static.items()},
    }


def _grids(pairing: Pairing) -> dict[str, Grid]:
    """Return the grids to store; `domain` only where it differs from `hr`."""
    found = {name: getattr(pairing, name) for name in _GRIDS}
    if pairing.domain is pairing.hr:
        del found["domain"]
    return found


def _slice_config(part: Slice) -> Json:
    attrs = {dim: _plain(about) for dim, about in part.attrs.items()}
    return {"of": part.of, "at": _plain(part.at), "attrs": attrs}


def _grid_config(grid: Grid) -> Json:
    return {
        "axes": [
            {"name": a.name, "kind": a.kind, "attrs": _plain(a.attrs)} for a in (grid.y, grid.x)
        ],
        "mapping_name": grid.mapping_name,
        "mapping": _plain(grid.mapping),
    }


def _plain(attrs: Attrs) -> Json:
    """Convert attributes to JSON values: arrays become lists, unsupported values are left out."""
    plain = {}
    for key, value in attrs.items():
        value = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
        if isinstance(value, (list, tuple)):
            value = [v.item() if isinstance(v, np.generic) else v for v in value]
        values = value if isinstance(value, list) else [value]
        if all(isinstance(v, (str, int, float, bool, type(None))) for v in values):
            plain[str(key)] = value
    return plain


def state_dataset(state: State, history: xr.Dataset) -> xr.Dataset:
    """Return the arrays of a state as one flat dataset, each name prefixed by its kind."""
    out: dict[str, xr.Variable] = {}
    for role, grid in _grids(state.pairing).items():
        for letter, axis in (("y", grid.y), ("x", grid.x)):
            dim = f"{role}_{letter}"
            out[dim] = xr.Variable(dim, axis.values)
            if axis.bounds is not None:
                out[f"{dim}_bounds"] = xr.Variable((dim, "edge"), axis.bounds)
        if grid.geolocation is not None:
            for part, dims in _PLACES.items():
                named = [f"{role}_places_{dim}" for dim in dims]
                out[f"{role}_places_{part}"] = xr.Variable(named, getattr(grid.geolocation, part))
    for name, values in state.scaler.statistics.items():
        out[f"statistics_{name}"] = xr.Variable("statistic", values.to_numpy())
    for name, values in state.static.items():
        out[f"static_{name}"] = xr.Variable(("hr_y", "hr_x"), values.to_numpy())
    for name, values in state.always_missing.items():
        out[f"never_{name}"] = xr.Variable(("hr_y", "hr_x"), values.to_numpy().astype("i1"))
    guess = state.first_guess
    if guess is not None:
        dims = ("guess_field", "guess_term", "hr_y", "hr_x", "guess_target")
        out["guess_coefficients"] = xr.Variable(dims, guess.coefficients)
        of_lr = ("guess_component", "guess_feature")
        out["guess_patterns"] = xr.Variable(of_lr, guess.patterns)
    for name, column in history.variables.items():
        out[f"history_{name}"] = xr.Variable("history_epoch", column.to_numpy(), column.attrs)
    return xr.Dataset(out)


def _guess_config(guess: FirstGuess | None) -> Json | None:
    if guess is None:
        return None
    return {"kind": guess.kind, "amounts": list(guess.amounts), "zeros": list(guess.zeros)}


def _guess(config: Json | None, data: xr.Dataset) -> FirstGuess | None:
    if config is None:
        return None
    return FirstGuess(
        kind=config["kind"],
        coefficients=data["guess_coefficients"].to_numpy(),
        patterns=data["guess_patterns"].to_numpy(),
        amounts=tuple(config["amounts"]),
        zeros=tuple(config["zeros"]),
    )


def _latent(config: Json | None) -> LatentFields | None:
    if config is None:
        return None
    correlation = tuple(tuple(row) for row in config["correlation"])
    lists = {name: tuple(config[name]) for name in ("lengths", "sizes", "persistence")}
    return LatentFields(**{**config, **lists, "correlation": correlation})


def _flow(config: Json | None) -> FlowScales | None:
    if config is None:
        return None
    lists = {name: tuple(config[name]) for name in ("sizes", "roots")}
    return FlowScales(**{**config, **lists})


def state(config: Json, data: xr.Dataset) -> State:
    """Rebuild the state from the results of `state_config` and `state_dataset`."""
    grids = {name: _grid(about, data, name) for name, about in config["grids"].items()}
    hr: Grid = grids["hr"]
    grids.setdefault("domain", hr)
    fields = config["features"]
    named: Json = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    features = Features(**named)
    statistics = {
        name.removeprefix("statistics_"): ("statistic", data[name].to_numpy())
        for name in map(str, data.data_vars)
        if name.startswith("statistics_")
    }

    def on_hr(prefix: str, dtype: str, names: Any) -> xr.Dataset:
        found = {n: (("y", "x"), data[f"{prefix}_{n}"].to_numpy().astype(dtype)) for n in names}
        return xr.Dataset(found, coords=hr.coords)

    static = on_hr("static", "f4", features.static)
    for name, attrs in config["static_attrs"].items():
        static[name].attrs = dict(attrs)
    return State(
        features=features,
        pairing=Pairing(
            scale=Scale.of(config["scale"]),
            method=config["method"],
            context=config.get("context", 0),
            **grids,
        ),
        scaler=Scaler(statistics=xr.Dataset(statistics, coords={"statistic": list(STATISTICS)})),
        static=static,
        always_missing=on_hr("never", "bool", features.targets),
        attrs=config["attrs"],
        units=config["units"],
        step=config["step"],
        slices={name: Slice(**part) for name, part in config["slices"].items()},
        # models of earlier versions lack these; a context too
        counterparts=config.get("counterparts", {}),
        levels={
            name: {kind: Level(**level) for kind, level in levels.items()}
            for name, levels in config.get("levels", {}).items()
        },
        attention_margin=config.get("attention_margin", 0),
        mean_ratios=config.get("mean_ratios", {}),
        first_guess=_guess(config.get("first_guess"), data),
        latent=_latent(config.get("latent")),
        flow=_flow(config.get("flow")),
        corrections=config.get("corrections", 0),
    )


def _grid(config: Json, data: xr.Dataset, name: str) -> Grid:
    axes = {}
    for letter, about in zip(("y", "x"), config["axes"], strict=True):
        bounds = data.get(f"{name}_{letter}_bounds")
        axes[letter] = Axis(
            values=data[f"{name}_{letter}"].to_numpy(),
            bounds=None if bounds is None else bounds.to_numpy(),
            **about,
        )
    places = {part: f"{name}_places_{part}" for part in _PLACES}
    geolocation = None
    if places["lat"] in data:
        geolocation = Geolocation(**{part: data[n].to_numpy() for part, n in places.items()})
    return Grid(
        **axes,
        mapping_name=config["mapping_name"],
        mapping=config["mapping"],
        geolocation=geolocation,
    )


def history(data: xr.Dataset) -> xr.Dataset:
    """Return the learning curve that `state_dataset` stores with the state."""
    names = [n for n in map(str, data.variables) if n.startswith("history_")]
    found = {
        n.removeprefix("history_"): ("epoch", data[n].to_numpy(), dict(data[n].attrs))
        for n in names
    }
    return xr.Dataset(found).set_coords("epoch")
