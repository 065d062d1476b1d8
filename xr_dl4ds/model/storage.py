"""Storage of a model in a folder with ``config.json``, ``state.nc`` and ``network.weights.h5``.

The files contain neither pickles nor code: the network is rebuilt from the options. The folder is
written next to its final path and then renamed, so that a crash leaves either the old model or the
new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import uuid
from collections.abc import Callable
from typing import Any

import xarray as xr

from xr_dl4ds.config import BACKBONES, CUSTOM_BACKBONES, Json
from xr_dl4ds.data.state import State
from xr_dl4ds.exceptions import ModelFileError
from xr_dl4ds.model import serialization
from xr_dl4ds.processes import is_first
from xr_dl4ds.writing.paths import require_makeable, swap

#: Version of the format, increased when readers of the preceding version cannot read the folder.
FORMAT_VERSION = 4
CONFIG, STATE, WEIGHTS = "config.json", "state.nc", "network.weights.h5"
#: Folder of the supervised model at whose prediction flow matching begins.
MEAN = "mean"


def write(
    path: str | os.PathLike[str],
    state: State,
    options: Json,
    history: xr.Dataset,
    save_weights: Any,
    save_mean: Callable[[pathlib.Path], None] | None = None,
    *,
    overwrite: bool,
) -> None:
    """Write a model folder; among processes that train together, only the first process writes.

    Parameters
    ----------
    path : path
        The folder to create.
    state : State
        Grids, statistics, static fields.
    options : mapping
        JSON values of the option classes and the provenance.
    history : xarray.Dataset
        The learning curve.
    save_weights : callable
        ``(filename) -> None``.
    save_mean : callable, optional
        ``(folder) -> None``, for a model with another one inside.
    overwrite : bool
        Replace an existing model. Other folders are never replaced.
    """
    if not is_first():
        return
    folder = require_writable(path, overwrite=overwrite)
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
    draft.mkdir(parents=True)
    try:
        serialization.state_dataset(state, history).to_netcdf(draft / STATE, engine="netcdf4")
        save_weights(str(draft / WEIGHTS))
        files = [STATE, WEIGHTS]
        if save_mean is not None:
            save_mean(draft / MEAN)
            files.append(f"{MEAN}/{CONFIG}")
        config = {
            "format": "xr_dl4ds model",
            "format_version": FORMAT_VERSION,
            **options,
            "state": serialization.state_config(state),
            "sha256": {name: _digest(draft / name) for name in files},
        }
        config["sha256"][CONFIG] = _own_digest(config)
        (draft / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        swap(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def require_writable(path: str | os.PathLike[str], *, overwrite: bool = False) -> pathlib.Path:
    """Check in advance that a model folder can be created at `path`.

    Raises
    ------
    FileExistsError
        When `path` exists and is not an empty folder, unless it is a model and `overwrite` is True.
    PermissionError, NotADirectoryError
        When no folder can be created there.
    """
    folder = pathlib.Path(path).expanduser().resolve()  # a link is kept, its target is replaced
    if folder.exists():
        inside = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
        is_model = inside - {MEAN} == {CONFIG, STATE, WEIGHTS}
        empty = folder.is_dir() and not inside
        if is_model and not overwrite:
            raise FileExistsError(
                f"{str(folder)!r} is already a model. Choose another path or pass overwrite=True."
            )
        if not is_model and not empty:
            found = "a folder with other files" if folder.is_dir() else "a file"
            raise FileExistsError(
                f"{str(folder)!r} is {found}, which a model does not replace. Choose another path."
            )
    require_makeable(folder)
    return folder


def read(path: str | os.PathLike[str]) -> tuple[State, Json, xr.Dataset, pathlib.Path]:
    """Read a model folder without the weights.

    Returns
    -------
    state, config, history, weights
        `config` contains the `options` given to `write`; `weights` is a filename.

    Raises
    ------
    FileNotFoundError
        When the folder does not exist.
    ModelFileError
        When the folder is no model, is damaged, or has another format version.
    """
    folder = pathlib.Path(path).expanduser()
    if not folder.exists():
        raise FileNotFoundError(f"The model folder {str(folder)!r} does not exist.")
    config = _read_config(folder)
    for name, expected in config["sha256"].items():
        if name == CONFIG:
            continue
        if not (folder / name).is_file():
            raise ModelFileError(f"The model in {str(folder)!r} is damaged: {name} is missing.")
        if _digest(folder / name) != expected:
            raise ModelFileError(
                f"The model in {str(folder)!r} is damaged: {name} is not the file that was saved."
                " Copy it again from its source."
            )
    with xr.open_dataset(folder / STATE, engine="netcdf4") as stored:
        data = stored.load()
    try:
        state, history = serialization.state(config["state"], data), serialization.history(data)
    except (KeyError, TypeError) as error:
        raise ModelFileError(
            f"The model in {str(folder)!r} is damaged: {CONFIG} lacks {error}."
        ) from error
    return state, config, history, folder / WEIGHTS


def mean_of(path: str | os.PathLike[str]) -> pathlib.Path:
    """Return the folder of the supervised model in the folder of a model."""
    return pathlib.Path(path).expanduser() / MEAN


def _read_config(folder: pathlib.Path) -> Json:
    if not (folder / CONFIG).is_file():
        raise ModelFileError(
            f"{str(folder)!r} is not a model folder, because it lacks {CONFIG}. model.save(path)"
            f" writes a folder with {CONFIG}, {STATE} and {WEIGHTS}."
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
    if version != FORMAT_VERSION:
        newer = not isinstance(version, int) or version > FORMAT_VERSION
        cure = "Upgrade with pip install -U xr_dl4ds" if newer else "Fit the model again"
        raise ModelFileError(
            f"Expected a model of format version {FORMAT_VERSION}, got {version!r} in"
            f" {str(folder)!r}. {cure}."
        )
    wanted = {"network", "sampling", "training", "provenance", "state", "sha256"}
    absent = sorted(wanted - set(config))
    if not absent:
        known = config["sha256"] if isinstance(config["sha256"], dict) else {}
        absent = [f"sha256/{n}" for n in (STATE, WEIGHTS, CONFIG) if n not in known]
    if absent:
        raise ModelFileError(f"The model in {str(folder)!r} is damaged: {CONFIG} lacks {absent}.")
    if _own_digest(config) != config["sha256"][CONFIG]:
        raise ModelFileError(
            f"The model in {str(folder)!r} is damaged: {CONFIG} is not the file that was saved."
            " Copy it again from its source."
        )
    return config


def _own_digest(config: Json) -> str:
    """Return the digest of the config, computed without this digest."""
    sums = {k: v for k, v in config["sha256"].items() if k != CONFIG}
    text = json.dumps({**config, "sha256": sums}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_backbone(path: str | os.PathLike[str], name: str) -> None:
    """Raise a `ModelFileError` for a backbone that is not registered in this process."""
    if name not in (*BACKBONES, *CUSTOM_BACKBONES):
        raise ModelFileError(
            f"The model in {os.fspath(path)!r} has the backbone {name!r}, which is neither built in"
            " nor registered in this process. Run the code that defines it under"
            f" @xr_dl4ds.register_backbone({name!r}), and load again."
        )
