"""Checkpoints: the state of training on disk, from which an interrupted run resumes.

A folder holds one file, which is replaced after every epoch in a single step: an interrupted run
leaves the state of the last complete epoch. The file contains only arrays and plain JSON values;
reading it runs no code.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import time
import uuid
import zipfile
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from xr_dl4ds.config import Json, Training
from xr_dl4ds.exceptions import CheckpointError
from xr_dl4ds.training.callbacks import KeepBest, Record
from xr_dl4ds.training.step import Step
from xr_dl4ds.training.workers import Workers

logger = logging.getLogger(__name__)

NAME = "training.npz"
FORMAT_VERSION = 1
#: Seconds after which a draft is a leftover of an interrupted write; a younger draft may belong to
#: another process that is writing to the folder.
DRAFT_LIFETIME = 3600.0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainingState:
    """All state on which the next epoch depends.

    The order of samples is not part of the state, because it follows from the number of the epoch.

    Parameters
    ----------
    step : Step
        The training step with its networks and optimizers.
    record : Record
        The history.
    keeper : KeepBest, optional
        The best weights.
    """

    step: Step
    record: Record
    keeper: KeepBest | None

    def about(self) -> Json:
        """Return the plain values."""
        progress = None if self.keeper is None else self.keeper.progress()
        return {"epochs": len(self.record.rows), "rows": self.record.rows, "keeper": progress}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        variables = self.step.state
        found = {f"state{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(variables)}
        if self.keeper is not None:
            found |= {f"best{i}": a for i, a in enumerate(self.keeper.weights or ())}
        return found

    def restore(self, about: Json, arrays: Mapping[str, np.ndarray]) -> None:
        """Restore the state from plain values and arrays."""
        for i, variable in enumerate(self.step.state):
            variable.assign(arrays[f"state{i}"])
        self.record.rows = list(about["rows"])
        if self.keeper is not None:
            best = [arrays[f"best{i}"] for i in range(len(self.keeper.network.weights))]
            self.keeper.restore(about["keeper"], best)


class Checkpoint(keras.callbacks.Callback):
    """Callback that writes the state after every epoch.

    Parameters
    ----------
    folder : path
        Folder of the checkpoint, created if it does not exist.
    fingerprint : str
        Identifies this training by its data and options.
    state : TrainingState
        The state to write.
    length : int, optional
        Number of epochs of the training if each epoch depends on it.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        fingerprint: str,
        state: TrainingState,
        length: int | None = None,
    ) -> None:
        super().__init__()
        self.file = _file_in(folder)
        self.fingerprint = fingerprint
        self.state = state
        self.length = length

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the state."""
        about = {
            "format": "xr_dl4ds checkpoint",
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "length": self.length,
            **self.state.about(),
        }
        arrays: dict[str, Any] = self.state.arrays()
        # a unique name: another process may write to the same folder
        draft = self.file.with_suffix(f".{uuid.uuid4().hex[:8]}.part")
        try:
            with draft.open("wb") as stream:
                np.savez(stream, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, self.file)
        finally:
            draft.unlink(missing_ok=True)


def resume(training: Training, fingerprint: str, state: TrainingState, workers: Workers) -> int:
    """Restore the state on all workers; worker 0 reads the checkpoint.

    Parameters
    ----------
    training : Training
        Options with the folder and the number of epochs.
    fingerprint : str
        Fingerprint of this training; the fingerprint of worker 0 counts.
    state : TrainingState
        The state to restore.
    workers : Workers
        The workers; their number may differ from that of the interrupted run.

    Returns
    -------
    int
        Number of complete epochs; 0 without a checkpoint.

    Raises
    ------
    CheckpointError
        For a checkpoint that is damaged, belongs to another training or a training of another
        length, or has more epochs than the options request.
    """
    folder = training.checkpoint
    assert folder is not None
    found = workers.once(lambda: _found(_file_in(folder), fingerprint, length_of(training)))
    if found is None:
        return 0
    about, arrays = found
    done = int(about["epochs"])
    if done > training.epochs:
        raise CheckpointError(
            f"Expected epochs >= {done}, the number of epochs of the checkpoint in {folder!r}, got"
            f" epochs={training.epochs}. Use epochs={done}, or another folder."
        )
    state.restore(about, arrays)
    logger.info("resumed after epoch %d from %s", done, folder)
    return done


def length_of(training: Training) -> int | None:
    """Return the number of epochs if every epoch depends on it (a cosine), else None.

    Parameters
    ----------
    training : Training
        The options.
    """
    return training.epochs if training.has_fixed_length else None


def _found(
    file: pathlib.Path, fingerprint: str, length: int | None
) -> tuple[Json, dict[str, np.ndarray]] | None:
    """Return the checkpoint on disk, or None; raise if it belongs to another training."""
    for draft in file.parent.glob(f"{file.stem}.*.part"):
        with contextlib.suppress(OSError):  # another process has removed or renamed it
            if time.time() - draft.stat().st_mtime > DRAFT_LIFETIME:
                draft.unlink()
    if not file.exists():
        return None
    about, arrays = _read(file)
    before = about.get("length")
    if None not in (before, length) and before != length:
        raise CheckpointError(
            f"Expected epochs={before}, the length of the cosine (schedule='cosine') in"
            f" {str(file.parent)!r}, got epochs={length}. Use epochs={before}, or another folder."
            " To go on from a finished model, use start=model; schedule='constant' can be continued"
            " with more epochs."
        )
    if about["fingerprint"] != fingerprint:
        raise CheckpointError(
            f"Expected a checkpoint of this training in {str(file.parent)!r}, got a checkpoint of"
            " other data (or data in other chunks) or options. Choose another folder as"
            " checkpoint=, or delete this checkpoint."
        )
    return about, arrays


def _file_in(folder: str | os.PathLike[str]) -> pathlib.Path:
    path = pathlib.Path(folder).expanduser().resolve()
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(
            f"Expected `checkpoint` to be a folder, got the file {str(path)!r}. Choose another"
            " path."
        )
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):  # raise now, not after the first epoch
        raise PermissionError(
            f"Expected the folder `checkpoint` to be writable, got {str(path)!r} without write"
            " permission. Choose another folder."
        )
    return path / NAME


def _read(file: pathlib.Path) -> tuple[Json, dict[str, np.ndarray]]:
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        about = json.loads(str(arrays.pop("about")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"The checkpoint {str(file)!r} is damaged ({error}). Delete it to train from the start."
        ) from error
    if about.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"Expected a checkpoint of format version {FORMAT_VERSION}, got"
            f" {about.get('format_version')!r} in {str(file)!r}. Delete it to train from the start."
        )
    return about, arrays
