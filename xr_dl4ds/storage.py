"""A model on disk: a folder of ``config.json``, ``state.nc`` and ``network.weights.h5``.

No pickle and no code: the network is rebuilt from the options. The folder is written beside its
place and renamed, so that a crash leaves either the old model or the new one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import ModelFileError
from xr_dl4ds.features import Features
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.fields import Grid
from xr_dl4ds.grid.pairing import Pairing
from xr_dl4ds.scaling import Scaler
from xr_dl4ds.state import State

#: Raised when a reader of the former version could not read the folder.
FORMAT_VERSION = 1
CONFIG, STATE, WEIGHTS = "config.json", "state.nc", "network.weights.h5"

_GRIDS = ("source", "lr", "hr")


def write(
    path: str | os.PathLike[str],
    state: State,
    options: Mapping[str, Any],
    history: xr.Dataset,
    save_weights: Any,
    *,
    overwrite: bool,
) -> pathlib.Path:
    """Write a model folder.

    Parameters
    ----------
    path : path
        The folder to make.
    state : State
        Grids, statistics, static fields.
    options : mapping
        Plain JSON values: option classes and provenance.
    history : xarray.Dataset
        The learning curve.
    save_weights : callable
        ``(filename) -> None``.
    overwrite : bool
        Replace a model that is there already. Other folders are never replaced.

    Returns
    -------
    pathlib.Path
        The folder, absolute.
    """
    folder = require_writable(path, overwrite=overwrite)
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
    draft.mkdir(parents=True)
    try:
        _state_dataset(state, history).to_netcdf(draft / STATE, engine="netcdf4")
        save_weights(str(draft / WEIGHTS))
        config = {
            "format": "xr_dl4ds model",
            "format_version": FORMAT_VERSION,
            **options,
            "state": _state_config(state),
            "sha256": {name: _digest(draft / name) for name in (STATE, WEIGHTS)},
        }
        (draft / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        _swap(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def require_writable(path: str | os.PathLike[str], *, overwrite: bool = False) -> pathlib.Path:
    """Check, before the work is done, that a model folder can be made at `path`.

    Raises
    ------
    FileExistsError
        When something other than an empty folder is there, unless it is a model and `overwrite`.
    PermissionError, NotADirectoryError
        When no folder can be made there.
    """
    folder = pathlib.Path(path).expanduser().absolute()
    if folder.exists():
        is_model = (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()
        empty = folder.is_dir() and not any(folder.iterdir())
        if is_model and not overwrite:
            raise FileExistsError(
                f"Expected no model at {str(folder)!r} yet, got one. Choose another path or pass"
                " overwrite=True."
            )
        if not is_model and not empty:
            raise FileExistsError(
                f"Expected {str(folder)!r} to be free for a model, got a"
                f" {'folder with other files' if folder.is_dir() else 'file'}. Choose another path."
            )
    above = next(p for p in folder.parents if p.exists())
    if not above.is_dir():
        raise NotADirectoryError(f"Expected {str(above)!r} to be a folder, got a file.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(
            f"Expected to be allowed to write in {str(above)!r}, got no permission."
        )
    return folder


def _swap(draft: pathlib.Path, folder: pathlib.Path) -> None:
    """Put `draft` in the place of `folder`; what was there goes only after."""
    if not folder.exists():
        os.replace(draft, folder)
        return
    old = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.old")
    os.replace(folder, old)
    try:
        os.replace(draft, folder)
    except OSError:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def read(path: str | os.PathLike[str]) -> tuple[State, dict[str, Any], xr.Dataset, pathlib.Path]:
    """Read a model folder, all but the weights.

    Returns
    -------
    state, config, history, weights
        `config` holds what was given to `write` as `options`; `weights` is a filename.

    Raises
    ------
    FileNotFoundError
        When there is no such folder.
    ModelFileError
        When it is no model, is damaged, or was written by a newer version of the package.
    """
    folder = pathlib.Path(path).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"Expected a model folder at {str(folder)!r}, got nothing there.")
    config = _read_config(folder)
    for name, expected in config["sha256"].items():
        if not (folder / name).is_file():
            raise ModelFileError(f"The model in {str(folder)!r} is damaged: {name} is missing.")
        if _digest(folder / name) != expected:
            raise ModelFileError(
                f"The model in {str(folder)!r} is damaged: {name} is not the file that was saved."
                " Copy it again from its source."
            )
    with xr.open_dataset(folder / STATE, engine="netcdf4") as stored:
        data = stored.load()
    return _state(config["state"], data), config, _history(data), folder / WEIGHTS


def _read_config(folder: pathlib.Path) -> dict[str, Any]:
    if not (folder / CONFIG).is_file():
        raise ModelFileError(
            f"Expected a model folder with {CONFIG}, {STATE} and {WEIGHTS}, got {str(folder)!r}"
            " without the first. Models are made by model.save(path)."
        )
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelFileError(
            f"The model in {str(folder)!r} is damaged: {CONFIG} is not valid JSON ({error})."
        ) from error
    if not isinstance(config, dict) or config.get("format") != "xr_dl4ds model":
        raise ModelFileError(f"{str(folder / CONFIG)!r} does not describe an xr_dl4ds model.")
    version = config.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ModelFileError(
            f"Expected a model of format version {FORMAT_VERSION} or older, got {version!r} in"
            f" {str(folder)!r}. Upgrade with pip install -U xr_dl4ds."
        )
    absent = {"network", "sampling", "training", "state", "sha256"} - set(config)
    if absent:
        raise ModelFileError(
            f"The model in {str(folder)!r} is damaged: {CONFIG} lacks {sorted(absent)}."
        )
    return config


def _digest(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state_config(state: State) -> dict[str, Any]:
    pairing = state.pairing
    return {
        "features": dataclasses.asdict(state.features),
        "scale": pairing.scale,
        "method": pairing.method,
        "grids": {name: _grid_config(getattr(pairing, name)) for name in _GRIDS},
        "attrs": {n: _plain(a) for n, a in state.attrs.items()},
        "units": _plain(state.units),
        "static_attrs": {str(n): _plain(v.attrs) for n, v in state.static.items()},
    }


def _grid_config(grid: Grid) -> dict[str, Any]:
    return {
        "axes": [
            {"name": a.name, "kind": a.kind, "attrs": _plain(a.attrs)} for a in (grid.y, grid.x)
        ],
        "mapping_name": grid.mapping_name,
        "mapping": _plain(grid.mapping),
    }


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON values; arrays as lists."""
    return {
        str(k): v.tolist() if isinstance(v, (np.ndarray, np.generic)) else v
        for k, v in attrs.items()
        if isinstance(v, (str, int, float, bool, list, tuple, np.ndarray, np.generic, type(None)))
    }


def _state_dataset(state: State, history: xr.Dataset) -> xr.Dataset:
    """One flat dataset, every name prefixed by what it is."""
    out: dict[str, xr.Variable] = {}
    for role in _GRIDS:
        grid: Grid = getattr(state.pairing, role)
        for letter, axis in (("y", grid.y), ("x", grid.x)):
            out[f"{role}_{letter}"] = xr.Variable(f"{role}_{letter}", axis.values)
    for name, values in state.scaler.statistics.items():
        out[f"statistics_{name}"] = xr.Variable("statistic", values.to_numpy())
    for name, values in state.static.items():
        out[f"static_{name}"] = xr.Variable(("hr_y", "hr_x"), values.to_numpy())
    for name, values in state.never.items():
        out[f"never_{name}"] = xr.Variable(("hr_y", "hr_x"), values.to_numpy().astype("i1"))
    for name, column in history.variables.items():
        out[f"history_{name}"] = xr.Variable("history_epoch", column.to_numpy(), column.attrs)
    return xr.Dataset(out)


def _state(config: Mapping[str, Any], data: xr.Dataset) -> State:
    grids = {name: _grid(config["grids"][name], data, name) for name in _GRIDS}
    hr: Grid = grids["hr"]
    fields = config["features"]
    features = Features(
        **{k: tuple(v) for k, v in fields.items() if k != "mask"}, mask=fields["mask"]
    )
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
        pairing=Pairing(scale=config["scale"], method=config["method"], **grids),
        scaler=Scaler(
            statistics=xr.Dataset(statistics, coords={"statistic": ["mean", "std", "valid"]})
        ),
        static=static,
        never=on_hr("never", "bool", features.targets),
        attrs=config["attrs"],
        units=config["units"],
    )


def _grid(config: Mapping[str, Any], data: xr.Dataset, name: str) -> Grid:
    axes = {
        letter: Axis(values=data[f"{name}_{letter}"].to_numpy(), **about)
        for letter, about in zip(("y", "x"), config["axes"], strict=True)
    }
    return Grid(**axes, mapping_name=config["mapping_name"], mapping=config["mapping"])


def _history(data: xr.Dataset) -> xr.Dataset:
    names = [n for n in map(str, data.variables) if n.startswith("history_")]
    found = {
        n.removeprefix("history_"): ("epoch", data[n].to_numpy(), dict(data[n].attrs))
        for n in names
    }
    return xr.Dataset(found).set_coords("epoch")
