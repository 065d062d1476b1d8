"""The state of training on disk, so that a killed run goes on where it was.

One file for each folder, replaced as a whole after every epoch: a kill leaves the state of the last
epoch that ended. Arrays and plain JSON values alone; reading it runs no code.
"""

from __future__ import annotations

import json
import logging
import os
import pathlib
import uuid
import zipfile
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from xr_dl4ds.batches import Batches
from xr_dl4ds.exceptions import CheckpointError
from xr_dl4ds.training.callbacks import KeepBest, Record
from xr_dl4ds.training.step import Step

logger = logging.getLogger(__name__)

NAME = "training.npz"
FORMAT_VERSION = 1


class Checkpoint(keras.callbacks.Callback):
    """Write the state after every epoch, and bring it back.

    Parameters
    ----------
    folder : path
        Made where it is not there.
    fingerprint : str
        What tells this training (its data and options) from another one.
    step : Step
        Its networks and optimizers.
    batches : Batches
        Training batches, whose order follows from the epoch.
    record : Record
        The history.
    keeper : KeepBest, optional
        The best weights.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        fingerprint: str,
        step: Step,
        batches: Batches,
        record: Record,
        keeper: KeepBest | None,
    ) -> None:
        super().__init__()
        self.file = _file_in(folder)
        self.fingerprint = fingerprint
        self.step = step
        self.batches = batches
        self.record = record
        self.keeper = keeper

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write the state."""
        about = {
            "format": "xr_dl4ds checkpoint",
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "epochs": epoch + 1,
            "rows": self.record.rows,
            "keeper": None if self.keeper is None else self.keeper.progress(),
        }
        arrays: dict[str, Any] = {f"state{i}": _array(v) for i, v in enumerate(self.step.state)}
        if self.keeper is not None:
            arrays |= {f"best{i}": a for i, a in enumerate(self.keeper.weights or ())}
        # a name of its own: another process may write into the same folder
        draft = self.file.with_suffix(f".{uuid.uuid4().hex[:8]}.part")
        try:
            with draft.open("wb") as stream:
                np.savez(stream, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, self.file)
        finally:
            draft.unlink(missing_ok=True)

    def resume(self) -> int:
        """Bring the state back.

        Returns
        -------
        int
            Epochs that were trained already; 0 where there is no checkpoint.

        Raises
        ------
        CheckpointError
            For a file that is damaged, or of another training.
        """
        for draft in self.file.parent.glob(f"{self.file.stem}.*.part"):  # of a killed write
            draft.unlink(missing_ok=True)
        if not self.file.exists():
            return 0
        about, arrays = _read(self.file)
        if about["fingerprint"] != self.fingerprint:
            raise CheckpointError(
                f"Expected a checkpoint of this training in {str(self.file.parent)!r}, got one of"
                " other data (also the same in other chunks) or options. Choose another folder as"
                " checkpoint=, or delete that one."
            )
        variables = self.step.state
        found = [arrays[f"state{i}"] for i in range(len(variables))]
        for variable, value in zip(variables, found, strict=True):
            variable.assign(value)
        epochs = int(about["epochs"])
        self.record.rows = about["rows"]
        if self.keeper is not None:
            best = [arrays[f"best{i}"] for i in range(len(self.keeper.network.weights))]
            self.keeper.restore(about["keeper"], best)
        self.batches.start(epochs)
        logger.info("resumed after epoch %d from %s", epochs, self.file)
        return epochs


def _file_in(folder: str | os.PathLike[str]) -> pathlib.Path:
    path = pathlib.Path(folder).expanduser().resolve()
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(
            f"Expected `checkpoint` to be a folder, got the file {str(path)!r}. Choose another"
            " path."
        )
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):  # now, and not after the first epoch
        raise PermissionError(
            f"Expected to be allowed to write in the folder `checkpoint`, {str(path)!r}, got no"
            " permission."
        )
    return path / NAME


def _read(file: pathlib.Path) -> tuple[dict[str, Any], Mapping[str, np.ndarray]]:
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        about = json.loads(str(arrays.pop("about")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"The checkpoint {str(file)!r} is damaged ({error}). Delete it to train anew."
        ) from error
    if about.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"Expected a checkpoint of format version {FORMAT_VERSION}, got"
            f" {about.get('format_version')!r} in {str(file)!r}. Delete it to train anew."
        )
    return about, arrays


def _array(variable: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
