"""Data-parallel training: every worker trains the same network on its share of the samples.

Processes started by ``horovodrun -np 4 python train.py``, by ``mpirun`` or by ``fit(workers=4)``
are the workers, one for each device. The only module that knows Horovod.
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
import tensorflow as tf

from xr_dl4ds.batches import Share
from xr_dl4ds.exceptions import LostWorkerError, TrainingError
from xr_dl4ds.launched import BUILD_HOROVOD, join, launcher
from xr_dl4ds.training.devices import pin

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Workers:
    """The processes that train together, and which of them this one is.

    Parameters
    ----------
    size : int
        How many there are; 1 trains alone, without Horovod.
    rank : int
        The number of this one, from 0.
    """

    size: int = 1
    rank: int = 0

    @classmethod
    def current(cls) -> Workers:
        """Those of this process: it alone, unless a launcher has started several.

        Each takes a GPU of its host for itself, where there are any.

        Raises
        ------
        ImportError
            When a launcher has started the process, and Horovod cannot be used in it.
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
                f"Expected Horovod with MPI in {started}, got one without: each process would train"
                " a model of its own. Start them by horovodrun --gloo, or build Horovod with"
                " HOROVOD_WITH_MPI=1."
            )
        hvd.init()
        join()
        pin(hvd.local_rank(), hvd.local_size())
        return cls(hvd.size(), hvd.rank())

    @property
    def share(self) -> Share:
        """The part of the samples that is this worker's."""
        return Share(self.size, self.rank)

    def average(self, tensors: Sequence[Any], *, compression: str | None = None) -> list[Any]:
        """Means over all workers, of float tensors in the same order on each; None stays None.

        Parameters
        ----------
        tensors : sequence of tensor or None
            Of the same shapes on each worker.
        compression : {"float16"}, optional
            What they travel as.
        """
        if self.size == 1:
            return list(tensors)
        given = [tf.convert_to_tensor(x) for x in tensors if x is not None]
        hvd = _horovod()
        how = {None: hvd.Compression.none, "float16": hvd.Compression.fp16}[compression]
        done = hvd.grouped_allreduce(given, op=hvd.Average, compression=how) if given else ()
        means = iter(done)
        return [None if x is None else next(means) for x in tensors]

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Give Keras variables the values that they have on worker 0."""
        if self.size > 1:
            _horovod().broadcast_variables([v.value for v in variables], root_rank=0)

    def once(self, make: Callable[[], Result]) -> Result:
        """What worker 0 makes, on all of them; also the error that it raises.

        Parameters
        ----------
        make : callable
            Called by worker 0 alone; its result is pickled, and at most 2 GiB.
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

    def require_same(self, what: str, value: Any) -> None:
        """Raise on a worker that is about to train something else than worker 0.

        Parameters
        ----------
        what : str
            What the value is, for the message.
        value : object
            Compared by ``==``.

        Raises
        ------
        TrainingError
            Where it is not that of worker 0.
        """
        first = self.once(lambda: value)
        if first != value:
            raise TrainingError(
                f"Expected the same {what} on all {self.size} workers, got {value!r} on worker"
                f" {self.rank} and {first!r} on worker 0. Give all the same data and options; the"
                " samples are shared out between them in training."
            )


#: The programs whose processes need no MPI, by what they tell them.
_PROGRAM = {"HOROVOD_SIZE": "horovodrun"}

#: Trains without Horovod.
ALONE = Workers()


def portable(error: Exception) -> Exception:
    """An error that arrives in another process as it is, or else what it says.

    Parameters
    ----------
    error : Exception
        Of any class; some cannot be pickled, or not be read again.
    """
    try:
        pickle.loads(cloudpickle.dumps(error))
    except Exception:
        return TrainingError(f"{type(error).__name__}: {error}")
    return error


def start(work: Callable[[Any], None], argument: Any, size: int) -> None:
    """Have processes of this host do something as workers, by Horovod's run API.

    To be called by the main thread of a process that is there for it alone: signals and output are
    Horovod's from then on.

    Parameters
    ----------
    work : callable
        Called by each worker with `argument`; both are pickled.
    argument : object
        What each worker gets.
    size : int
        How many.

    Raises
    ------
    RuntimeError
        When one ends with an error: Horovod ends the others, and names the first.
    """
    import horovod

    horovod.run(work, (argument,), num_proc=size, use_gloo=True)


@contextlib.contextmanager
def told_when_lost(workers: Workers) -> Iterator[None]:
    """Say what it means when Horovod ends while others are waited for.

    Parameters
    ----------
    workers : Workers
        Those that train.

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
            f"Expected {workers.size} workers to train to the end, got none from another one: it"
            f" was killed or failed, and worker {workers.rank} ends too. Look at the messages of"
            " the others, and of the launcher, which names the first that ended. With `checkpoint`"
            " the same call goes on from the last epoch."
        ) from error


@contextlib.contextmanager
def computed_once(workers: Workers) -> Iterator[None]:
    """What dask computes while it lasts is computed by worker 0, and told to the others.

    All of them have to compute the same, in the same order.

    Parameters
    ----------
    workers : Workers
        Of one, nothing changes.
    """
    if workers.size == 1:
        yield
        return
    compute = dask.base.get_scheduler() or dask.threaded.get

    making: list[bool] = []  # seen by the threads of tasks, which may compute themselves

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
