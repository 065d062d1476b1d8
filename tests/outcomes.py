"""What comes of an operation on odd data: a result, warnings, errors of the package, kept data."""

from __future__ import annotations

import logging
import traceback
from unittest import mock

import numpy as np

import xr_dl4ds.training
from tests.errors.case import TrainingBeganError, inside
from xr_dl4ds.exceptions import GridError, ModelFileError, TimeError, VariableError

OWN = (GridError, TimeError, VariableError, ModelFileError, ValueError, TypeError)


class Told(logging.Handler):
    """Collects the warnings of the package."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())

    def __enter__(self):
        logging.getLogger("xr_dl4ds").addHandler(self)
        return self.messages

    def __exit__(self, *_):
        logging.getLogger("xr_dl4ds").removeHandler(self)


def is_own(error):
    """Whether the package raised an error on purpose."""
    return isinstance(error, OWN) and inside(traceback.extract_tb(error.__traceback__)[-1].filename)


def state_of(ds):
    """All that is kept of a dataset: values, attributes, encodings, dtypes, chunks and indexes."""
    about = {
        name: (v.dtype, v.dims, repr(v.attrs), repr(v.encoding), v.chunks)
        for name, v in ds.variables.items()
    }
    return about, repr(ds.attrs), repr(ds.encoding), sorted(map(str, ds.xindexes))


def kept(ds, copy):
    """Whether the values of a dataset are those of its copy."""
    if any(v.dtype == object for v in ds.variables.values()):
        return all(repr(v.values) == repr(copy[n].values) for n, v in ds.variables.items())
    return ds.identical(copy)


def prepared(fit):
    """The samples with which training would begin: arrays in time, then the fixed ones."""
    seen = []

    def begin(task, samples, validation, *_, **__):
        held = [] if validation is None else [np.asarray(a).ravel() for a in validation.arrays()]
        seen.append([np.concatenate([np.asarray(a).ravel() for a in samples.arrays()]),
                     *(np.asarray(a).ravel() for a in samples.fixed.values()), *held])  # fmt: skip
        raise TrainingBeganError

    with mock.patch.object(xr_dl4ds.training, "train", begin):
        try:
            fit()
        except TrainingBeganError:
            return seen[0]
    raise AssertionError("no training")
