"""Data-parallel training: every worker trains the same network on its share of the samples.

Processes started by ``horovodrun -np 4 python train.py``, by ``mpirun`` or by ``fit(workers=4)``
are the workers, one per device. Only this module imports Horovod.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import cloudpickle
import dask
import dask.base
import dask.threaded
import keras
import tensorflow as tf

from xr_dl4ds.exceptions import LostWorkerError, TrainingError
from xr_dl4ds.networks.tensors import Tensor
from xr_dl4ds.processes import BUILD_HOROVOD, join, launcher
from xr_dl4ds.training.batches import Share
from xr_dl4ds.training.devices import pin

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Workers:
    """The processes that train together, and the number of this process.

    Parameters
    ----------
    size : int
        Number of workers; 1 trains without Horovod.
    rank : int
        Number of this worker, from 0.
    """

    size: int = 1
    rank: int = 0

    @classmethod
    def current(cls) -> Workers:
        """Return the workers of this process: `ALONE`, unless a launcher has started several.

        Each worker gets its own GPU of the host, if the host has GPUs.

        Raises
        ------
        ImportError
            When a launcher has started the process, but the process cannot use Horovod.
        """
        variable = launcher()
        if variable is None:
            return ALONE
        started = f"a process of {variable}={os.environ[variable]}"
        try:
            hvd = _horovod()
        except ImportError as error:
            raise ImportError(
                f"Expected Horovod with TensorFlow in {started}, got: {error}."
                f" {BUILD_HOROVOD}, or start the program without"
                f" {_PROGRAM.get(variable, 'mpirun')}."
            ) from error
        if variable not in _PROGRAM and not hvd.mpi_built():
            raise ImportError(
                f"Expected Horovod with MPI in {started}, got Horovod without MPI: each process"
                " would train a separate model. Start the processes by horovodrun --gloo, or build"
                " Horovod with HOROVOD_WITH_MPI=1."
            )
        hvd.init()
        join()
        pin(hvd.local_rank(), hvd.local_size())
        return cls(hvd.size(), hvd.rank())

    @property
    def share(self) -> Share:
        """The samples of this worker."""
        return Share(self.size, self.rank)

    def average(self, tensors: Sequence[Tensor], *, compression: str | None = None) -> list[Tensor]:
        """Average float tensors over all workers; None stays None.

        All workers must pass the tensors in one order.

        Parameters
        ----------
        tensors : sequence of tensor or None
            Tensors of the same shapes on each worker.
        compression : {"float16"}, optional
            Type in which the tensors are sent.
        """
        if self.size == 1:
            return list(tensors)
        floats = [tf.convert_to_tensor(x) for x in tensors if x is not None]
        hvd = _horovod()
        how = {None: hvd.Compression.none, "float16": hvd.Compression.fp16}[compression]
        done = hvd.grouped_allreduce(floats, op=hvd.Average, compression=how) if floats else ()
        means = iter(done)
        return [None if x is None else next(means) for x in tensors]

    def broadcast(self, variables: Sequence[keras.Variable]) -> None:
        """Assign the values of worker 0 to Keras variables on all workers."""
        if self.size > 1:
            _horovod().broadcast_variables([v.value for v in variables], root_rank=0)

    def once(self, make: Callable[[], Result]) -> Result:
        """Call a function on worker 0, and return its result or raise its error on all workers.

        Parameters
        ----------
        make : callable
            Function that worker 0 alone calls. Its result is pickled, and may have at most 2 GiB.
        """
        if self.size == 1:
            return make()
        told: tuple[Any, Exception | None] = (None, None)
        if self.rank == 0:
            try:
                told = make(), None
            except Exception as wrong:
                told = None, portable(wrong)
        result, error = _horovod().broadcast_object(told, root_rank=0, name="once")
        if error is not None:
            raise error
        made: Result = result
        return made

    def require_same(self, name: str, value: object) -> None:
        """Raise on a worker whose value differs from the value of worker 0.

        Parameters
        ----------
        name : str
            Name of the value in the message.
        value : object
            Value to compare with ``==``.

        Raises
        ------
        TrainingError
            When the values differ.
        """
        first = self.once(lambda: value)
        if first != value:
            raise TrainingError(
                f"Expected equal {name} on all {self.size} workers, got {value!r} on worker"
                f" {self.rank} and {first!r} on worker 0. Pass equal data and options to all"
                " workers; training divides the samples between them."
            )


#: Launchers whose processes need no MPI, by the environment variable that they set.
_PROGRAM = {"HOROVOD_SIZE": "horovodrun"}

#: A single worker, which trains without Horovod.
ALONE = Workers()


def portable(error: Exception) -> Exception:
    """Return an error unchanged if it can be pickled, else its text as a `TrainingError`.

    Parameters
    ----------
    error : Exception
        Error of any class; some classes cannot be pickled or unpickled.
    """
    try:
        pickle.loads(cloudpickle.dumps(error))
    except Exception:
        return TrainingError(f"{type(error).__name__}: {error}")
    return error


def start(work: Callable[[Result], None], argument: Result, size: int) -> None:
    """Call a function in several worker processes of this host, with Horovod's run API.

    The main thread of a process that does nothing else must call this function, because Horovod
    takes over signals and output.

    Parameters
    ----------
    work : callable
        Function that each worker calls with `argument`; both are pickled.
    argument : object
        Argument of the function.
    size : int
        Number of workers.

    Raises
    ------
    RuntimeError
        When a worker ends with an error. Horovod then stops the others and names the first.
    """
    import horovod

    horovod.run(work, (argument,), num_proc=size, use_gloo=True)


@contextlib.contextmanager
def explain_lost_workers(workers: Workers) -> Iterator[None]:
    """Explain Horovod's error when another worker stops during training.

    Parameters
    ----------
    workers : Workers
        The workers that train.

    Raises
    ------
    LostWorkerError
        In place of Horovod's error.
    """
    try:
        yield
    except (tf.errors.OpError, RuntimeError) as error:
        if isinstance(error, TrainingError) or "Horovod" not in str(error):
            raise
        raise LostWorkerError(
            f"Another one of {workers.size} workers stopped (killed or failed), so worker"
            f" {workers.rank} stops as well. Read the messages of the other workers, and of the"
            " launcher, which names the first worker that stopped. With `checkpoint`, the same call"
            " resumes after the last epoch."
        ) from error


@contextlib.contextmanager
def compute_on_first_worker(workers: Workers) -> Iterator[None]:
    """Let worker 0 compute all dask graphs, and send the results to the other workers.

    All workers must compute the same graphs in the same order.

    Parameters
    ----------
    workers : Workers
        The workers; with a single worker nothing changes.
    """
    if workers.size == 1:
        yield
        return
    compute = dask.base.get_scheduler() or dask.threaded.get

    making: list[bool] = []  # read by the threads of tasks, which may call compute

    def make(graph: Any, keys: Any, options: dict[str, Any]) -> Any:
        making.append(True)
        try:
            return compute(graph, keys, **options)
        finally:
            making.pop()

    def get(graph: Any, keys: Any, **options: Any) -> Any:
        if making:
            return compute(graph, keys, **options)
        return workers.once(lambda: make(graph, keys, options))

    with dask.config.set(scheduler=get):
        yield


def _horovod() -> Any:
    import horovod.tensorflow

    return horovod.tensorflow
