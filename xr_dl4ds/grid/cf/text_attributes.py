"""Attributes that are text by CF, such as units and references to other variables.

Files and programs store other types there, which neither CF nor the libraries that read it accept.
"""

from __future__ import annotations

import logging

import numpy as np
import xarray as xr

logger = logging.getLogger(__name__)

#: Attributes that name other variables; xarray moves some of them to the encoding.
_REFERENCES = (
    "ancillary_variables",
    "bounds",
    "cell_measures",
    "climatology",
    "coordinates",
    "formula_terms",
    "grid_mapping",
)
#: Other attributes that CF defines as text (CF-1.8, appendix A).
_TEXTS = ("axis", "calendar", "cell_methods", "positive", "standard_name", "units")


def with_text_attrs(ds: xr.Dataset, role: str) -> xr.Dataset:
    """Leave out attributes that should be text and are not.

    Parameters
    ----------
    ds : xarray.Dataset
        The user's data; not changed.
    role : str
        A name for the data in messages.

    Returns
    -------
    xarray.Dataset
        The data. Bytes and numbers of units are converted to text; other values are left out with a
        warning in the log.
    """
    out = ds
    for name, variable in ds.variables.items():
        for place, keys in (("attrs", (*_REFERENCES, *_TEXTS)), ("encoding", _REFERENCES)):
            about = getattr(variable, place)
            texts = {k: _text(k, about[k]) for k in keys if not isinstance(about.get(k, ""), str)}
            if not texts:
                continue
            for key in (k for k, text in texts.items() if text is None and about[k] is not None):
                logger.warning(
                    "the attribute %r of %r of %s is left out: %r is no text",
                    *(key, name, role, about[key]),
                )
            out = ds.copy(deep=False) if out is ds else out
            kept = {k: texts.get(k, v) for k, v in about.items()}
            setattr(out.variables[name], place, {k: v for k, v in kept.items() if v is not None})
    return out


def _text(key: str, value: object) -> str | None:
    """Return bytes and numbers of units as text, and None for other values."""
    value = (
        value.item() if isinstance(value, (np.ndarray, np.generic)) and value.ndim == 0 else value
    )
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    number = key == "units" and isinstance(value, (int, float)) and not isinstance(value, bool)
    return f"{value:g}" if number and value == value else None
