"""Training with ``fit(workers=4)``: several processes that a single process starts.

Data travel through a temporary folder. Lazy data travel as their paths or their dask graph. Arrays
in memory travel as one file that every worker maps, so that a host holds them once. A launcher
process between this process and the workers runs Horovod, which handles signals and output itself.
"""

from __future__ import annotations

import codecs
import collections
import mmap
import os
import pathlib
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from xr_dl4ds.config import CUSTOM_BACKBONES
from xr_dl4ds.data.inputs import Inputs
from xr_dl4ds.downscaler import Downscaler, load
from xr_dl4ds.exceptions import LostWorkerError
from xr_dl4ds.fitting.fit import fit, options_of
from xr_dl4ds.processes import BUILD_HOROVOD, MESSAGE, launcher, rank

#: Number of output lines of all workers that are kept in case a worker fails. The output of worker
#: 0 is also shown.
LAST_LINES = 20

#: Seconds that the launcher has to end its workers.
GRACE = 30

#: Messages of TensorFlow and of Horovod that are not shown.
_NOTES = re.compile(rf"({MESSAGE}|\[\d{{4}}-|User function)")

#: How Horovod passes on the output of a worker, and how it names the worker that ended first.
_SAID = re.compile(r"\[(\d+)\]<std(?:out|err)>:(.*)", re.DOTALL)
_ENDED = re.compile(r"Process name: (\d+)\s+Exit code: (-?\d+)")


def fit_with_workers(
    inputs: Inputs,
    given: Mapping[str, Any],
    flat: Mapping[str, Any],
    start: Downscaler | None,
    workers: int,
) -> Downscaler:
    """Train with several processes on this machine, and return the model.

    Parameters
    ----------
    inputs : Inputs
        The user's data; not changed.
    given, flat : mapping
        Options, as in `xr_dl4ds.fitting.fit.fit`.
    start : Downscaler, optional
        The model to fine-tune.
    workers : int
        Number of processes, >= 1.

    Returns
    -------
    Downscaler
        The fitted model, as the first worker saved it.

    Raises
    ------
    ValueError
        If this process is itself one of several processes.
    ImportError
        If Horovod is not installed.
    LostWorkerError
        If a worker was killed.
    """
    _require_alone(workers)
    _require_horovod(workers)
    options_of(inputs, given, flat, start)  # reports invalid options at once
    _require_own_data(inputs, workers)
    with tempfile.TemporaryDirectory(prefix="xr_dl4ds-workers-") as name:
        folder = pathlib.Path(name)
        _pack((inputs, dict(given), dict(flat), start, dict(CUSTOM_BACKBONES)), folder)
        code, said = _launched(folder, workers)
        if code != 0:
            _raise_from(folder, said, workers)
        return load(folder / "model")


def _require_alone(workers: int) -> None:
    if type(workers) is not int or workers < 1:
        raise ValueError(f"Expected `workers` to be a whole number >= 1, got {workers!r}.")
    variable = launcher()
    if variable is not None:
        raise ValueError(
            f"Expected no `workers` in a process that is one of several already"
            f" ({variable}={os.environ[variable]}), got {workers}. Leave it out: these train"
            " together by themselves."
        )


def _require_horovod(workers: int) -> None:
    import importlib.util

    if importlib.util.find_spec("horovod") is None:
        raise ImportError(
            f"Expected Horovod for workers={workers}, which is not installed. {BUILD_HOROVOD}, or"
            " leave `workers` out."
        )


def _require_own_data(inputs: Inputs, workers: int) -> None:
    """Raise if data live in the processes of a dask cluster, which workers cannot reach."""
    if "distributed" not in sys.modules:
        return
    from distributed.client import futures_of

    given = (inputs.hr, inputs.lr, inputs.static, inputs.predictors, inputs.validation)
    if futures_of(given):
        raise ValueError(
            f"Expected data that other processes can read for workers={workers}, got data that are"
            " persisted in a dask.distributed Client. Pass them as they were before .persist(), or"
            " write them into a store."
        )


# --- sending the job to the workers -------------------------------------------------------------


def _pack(job: Any, folder: pathlib.Path) -> None:
    """Pickle the job, with its arrays in a file beside it."""
    import cloudpickle  # also pickles functions of a notebook, such as backbones

    parts: list[tuple[int, int]] = []
    with (folder / "arrays").open("wb") as arrays:

        def keep(buffer: pickle.PickleBuffer) -> None:
            arrays.write(b"\0" * (-arrays.tell() % mmap.PAGESIZE))
            begin = arrays.tell()
            parts.append((begin, begin + arrays.write(buffer.raw())))

        text = cloudpickle.dumps(job, protocol=5, buffer_callback=keep)
    (folder / "job").write_bytes(pickle.dumps((parts, text)))


def _unpack(folder: pathlib.Path) -> Any:
    """Return the job that `_pack` wrote; its arrays are read-only maps of the file."""
    parts, text = pickle.loads((folder / "job").read_bytes())
    with (folder / "arrays").open("rb") as arrays:
        size = os.fstat(arrays.fileno()).st_size
        mapped = mmap.mmap(arrays.fileno(), size, access=mmap.ACCESS_READ) if size else b""
    return pickle.loads(text, buffers=[memoryview(mapped)[a:b] for a, b in parts])


def work(folder: pathlib.Path) -> None:
    """Train in a worker; the first worker saves the model.

    Parameters
    ----------
    folder : pathlib.Path
        Folder into which `_pack` wrote the job.
    """
    from xr_dl4ds.training.workers import Workers, portable

    try:
        Workers.current()  # reserves its devices before a model in the job uses TensorFlow
        inputs, given, flat, start, backbones = _unpack(folder)
        CUSTOM_BACKBONES.update(backbones)
        model = fit(inputs, given, flat, start)
        model.save(folder / "model")
    except LostWorkerError as error:  # the lost worker has the reason, or nobody has
        raise SystemExit(1) from error
    except Exception as error:
        import cloudpickle

        draft = folder / f"error-{rank()}.part"
        draft.write_bytes(cloudpickle.dumps(portable(error)))
        draft.rename(draft.with_suffix(""))
        raise SystemExit(1) from error


# --- the processes ------------------------------------------------------------------------------


def _launched(folder: pathlib.Path, workers: int) -> tuple[int, list[str]]:
    """Run the launcher; return its exit code, and the last output lines of it and the workers."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(
        [sys.executable, "-m", "xr_dl4ds.fitting.launch", str(folder), str(workers)],
        env=environment,
        stdin=subprocess.PIPE,  # ends with this process
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C comes only to this process at first
    )
    said: collections.deque[str] = collections.deque(maxlen=LAST_LINES)
    try:
        _pass_on(process, said)
        return process.wait(), list(said)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _pass_on(process: subprocess.Popen[bytes], said: collections.deque[str]) -> None:
    """Show the output of worker 0, progress bars included, and keep the output of all workers."""
    assert process.stdout is not None
    text, show = "", sys.stderr
    decoded = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    while chunk := os.read(process.stdout.fileno(), 2**16):
        *lines, text = re.split(r"(?<=[\r\n])", text + decoded(chunk))
        for line in lines:
            found = _SAID.fullmatch(line)
            if found is not None and found[1] == "0" and not _NOTES.match(found[2]):
                show.write(found[2])
                show.flush()
            said.append(line.rstrip())


def _raise_from(folder: pathlib.Path, said: list[str], workers: int) -> NoReturn:
    """Raise the error of a worker, or report which worker was lost."""
    whole = [path for path in folder.glob("error-*") if path.suffix != ".part"]
    if whole:
        first = min(whole, key=lambda path: path.stat().st_mtime)
        error = pickle.loads(first.read_bytes())
        error.add_note(f"This was raised by worker {first.name.removeprefix('error-')}.")
        raise error
    found = _ENDED.search("\n".join(said))
    if found is None:
        last = "\n".join(said)
        raise LostWorkerError(
            f"Expected {workers} workers to start and to train to the end, got from their launcher:"
            f"\n{last}"
        )
    number, code = int(found[1]), int(found[2])
    raise LostWorkerError(
        f"Expected {workers} workers to train to the end, got worker {number} ended by"
        f" {_reason(code)}. A worker that is killed has often taken more memory than there is: use"
        " fewer, or cache='none'. With `checkpoint`, the same call resumes after the last epoch."
    )


def _reason(code: int) -> str:
    """Return the name of a signal if the exit code is that of a signal, else the code."""
    number = -code if code < 0 else code - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"exit code {code}"


def main(arguments: list[str]) -> None:
    """Run the launcher: ``python -m xr_dl4ds.fitting.launch FOLDER WORKERS``."""
    from xr_dl4ds.fitting.launch import work as named  # __main__'s would be pickled by value
    from xr_dl4ds.training.workers import start

    folder = pathlib.Path(arguments[0])
    threading.Thread(target=_end_with_the_caller, args=(folder,), daemon=True).start()
    start(named, folder, int(arguments[1]))


def _end_with_the_caller(folder: pathlib.Path) -> None:
    """End the workers and remove the folder when the calling process ends, even if it is killed."""
    # not by sys.stdin, because the processes that Horovod forks would hold its lock
    while os.read(0, 2**10):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)  # Horovod ends its processes
    time.sleep(GRACE)
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
