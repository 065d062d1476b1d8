"""Errors of the package.

Errors about data derive from `ValueError`, so that plain ``except ValueError`` catches them.
"""


class GridError(ValueError):
    """Error for grids or axes that do not allow the requested operation."""


class TimeError(ValueError):
    """Error for time axes that do not allow the requested operation."""


class VariableError(ValueError):
    """Error for a variable that is missing, misnamed, without valid values, or in other units."""


class ModelFileError(ValueError):
    """Error for a folder that is not a model which this version of the package can read."""


class TrainingError(RuntimeError):
    """Error for a training that ended without a usable network."""


class LostWorkerError(TrainingError):
    """Error for a worker that was killed or failed while several processes trained together."""


class CheckpointError(ValueError):
    """Error for a checkpoint that is damaged or belongs to another training."""
