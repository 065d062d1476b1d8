"""Errors of the package.

Those about data are `ValueError`, so that plain `except ValueError` keeps working.
"""


class GridError(ValueError):
    """The grids or their axes do not allow what was asked."""


class TimeError(ValueError):
    """The time axes do not allow what was asked."""


class VariableError(ValueError):
    """A variable is missing, misnamed, without usable values, or in other units."""


class ModelFileError(ValueError):
    """A folder is not a model that this version of the package can read."""


class TrainingError(RuntimeError):
    """Training ended without a usable network."""


class LostWorkerError(TrainingError):
    """One of the processes that train together was killed, or failed."""


class CheckpointError(ValueError):
    """A checkpoint is damaged, or belongs to another training."""
