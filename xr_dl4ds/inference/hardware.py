"""The hardware that networks run on, in one line of the log."""

from __future__ import annotations

import ctypes
import logging
import os
import pathlib
import shutil

import tensorflow as tf
from dask.system import CPU_COUNT

from xr_dl4ds.processes import is_first

logger = logging.getLogger(__name__)

#: Where Linux has a file for each NVIDIA GPU; in WSL2 all GPUs are behind `dxg`.
DEVICES = pathlib.Path("/dev")

#: TensorFlow uses no GPU in native programs of Windows.
WINDOWS = os.name == "nt"

#: Advice for a TensorFlow without the libraries that it needs on a GPU.
INSTALL = "install tensorflow[and-cuda]"


_logged: list[str] = []


def log_hardware(precision: str) -> None:
    """Log at level INFO on which hardware networks run, once per process.

    Among processes that train together, only the first one logs.

    Parameters
    ----------
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Arithmetic of the network.
    """
    if not _logged and is_first() and logger.isEnabledFor(logging.INFO):
        _logged.append(describe(precision))
        logger.info(_logged[0])


def describe(precision: str) -> str:
    """Name the GPU or the processor cores, and why a GPU of the machine is not used.

    Parameters
    ----------
    precision : {"float32", "mixed_bfloat16", "mixed_float16"}
        Arithmetic of the network.

    Returns
    -------
    str
        One line, such as "Running on 2 CPU cores (float32). No GPU was found."
    """
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        first, *others = gpus
        name = tf.config.experimental.get_device_details(first).get("device_name", "unknown model")
        more = f" TensorFlow sees {len(gpus)} GPUs; one is used." if others else ""
        return f"Running on GPU {first.name.rpartition(':')[2]}: {name} ({precision}).{more}"
    cores = tf.config.threading.get_intra_op_parallelism_threads() or CPU_COUNT
    plural = "" if cores == 1 else "s"
    return f"Running on {cores} CPU core{plural} ({precision}). {_why_no_gpu()}"


def _why_no_gpu() -> str:
    """Say whether the machine has a GPU, and why TensorFlow does not use it."""
    if tf.config.list_physical_devices("GPU"):
        return "A GPU is present, but tf.config.set_visible_devices hides it."
    if not _present():
        return "No GPU was found."
    variable = os.environ.get("CUDA_VISIBLE_DEVICES")
    if variable is not None and variable.split(",")[0].strip() in ("", "-1"):
        return f"A GPU is present, but CUDA_VISIBLE_DEVICES={variable!r} hides it."
    return f"A GPU is present, but TensorFlow cannot use it: {_obstacle()}."


def _present() -> bool:
    """Ask the operating system for an NVIDIA GPU."""
    if any(DEVICES.glob("nvidia[0-9]*")):
        return True
    # nvidia-smi alone may be installed on machines without a GPU
    return (WINDOWS or (DEVICES / "dxg").exists()) and bool(shutil.which("nvidia-smi"))


def _obstacle() -> str:
    """Say why TensorFlow cannot use a GPU that is present, and what to do."""
    if not tf.test.is_built_with_cuda():
        if WINDOWS:
            return "TensorFlow has no CUDA support on Windows; install it in WSL2"
        return f"this TensorFlow build has no CUDA support; {INSTALL}"
    build = tf.sysconfig.get_build_info()
    cuda, cudnn = str(build.get("cuda_version", "")), build.get("cudnn_version", "")
    missing = f"its libraries (CUDA {cuda}, cuDNN {cudnn}) were not found; {INSTALL}"
    return _driver_problem(cuda) or missing


def _driver_problem(cuda: str) -> str | None:
    """Say what is wrong with the NVIDIA driver for a version of CUDA; return None if it works."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "the library of the NVIDIA driver (libcuda.so.1) was not found; install the driver"
    code = driver.cuInit(0)
    if code != 0:
        name = ctypes.c_char_p()
        driver.cuGetErrorName(code, ctypes.byref(name))
        error = name.value.decode() if name.value else f"error {code}"
        return f"the NVIDIA driver reports {error}; look at the output of nvidia-smi"
    version = ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(version))  # 1000 major + 10 minor
    if cuda.split(".")[0].isdecimal() and version.value // 1000 < int(cuda.split(".")[0]):
        old = f"{version.value // 1000}.{version.value % 1000 // 10}"
        return f"the NVIDIA driver supports CUDA {old}, TensorFlow needs {cuda}; update the driver"
    return None
