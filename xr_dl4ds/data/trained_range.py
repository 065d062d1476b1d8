"""The range of a variable in training, and values that cannot belong to it."""

from __future__ import annotations

import dataclasses

from xr_dl4ds.data.moments import Moments
from xr_dl4ds.data.plausibility import About, mark_of_missing, masking
from xr_dl4ds.exceptions import VariableError

#: Distance of a mean from that of training, in standard deviations, that cannot be weather.
FAR = 10.0

#: Usual mistakes in units: the factor and the offset that bring values to the units of training.
_MISTAKES = {
    "273.15 too large, as kelvin for degC": (1.0, -273.15),
    "273.15 too small, as degC for kelvin": (1.0, 273.15),
    "100 times too large, as Pa for hPa or % for 1": (0.01, 0.0),
    "100 times too small, as hPa for Pa or 1 for %": (100.0, 0.0),
    "1000 times too large, as mm for m": (0.001, 0.0),
    "1000 times too small, as m for mm": (1000.0, 0.0),
    "86400 times too small, as kg m-2 s-1 for mm/day": (86400.0, 0.0),
    "86400 times too large, as mm/day for kg m-2 s-1": (1 / 86400.0, 0.0),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedRange:
    """Statistics of a variable in training."""

    name: str
    mean: float
    std: float
    min: float
    max: float

    @classmethod
    def of(cls, name: str, found: Moments) -> TrainedRange:
        """Create the range from moments of the training data."""
        return cls(name=name, mean=found.mean, std=found.std, min=found.low, max=found.high)

    def require_near(
        self,
        mean: float,
        low: float,
        high: float,
        roles: tuple[str, str],
        about: About | None = None,
    ) -> None:
        """Raise a `VariableError` if a mean lies far from that of training.

        Parameters
        ----------
        mean, low, high : float
            Mean, least and largest value of the data.
        roles : tuple of str
            Names, in messages, for the data and for those of training.
        about : About, optional
            What else is known of the variable.
        """
        if self.std and abs(mean - self.mean) > FAR * self.std:
            raise VariableError(
                f"Expected {self.name!r} of {roles[0]} near the values of {roles[1]} ({self.text}),"
                f" got {low:.4g} to {high:.4g}, mean {mean:.4g}."
                f" {self._cure(mean, low, high, about)}"
            )

    @property
    def text(self) -> str:
        """Statistics for messages."""
        return f"{self.min:.4g} to {self.max:.4g}, mean {self.mean:.4g}"

    def _cure(self, mean: float, low: float, high: float, about: About | None) -> str:
        """Name the mark of missing values, or the mistake in units that explains a mean best."""
        mark = mark_of_missing(low, high, mean=self.mean, std=self.std, about=about, name=self.name)
        if mark is not None:
            return (
                f"Mask the values of {mark:g}, which usually mark missing values, with"
                f" {masking(self.name, mark)}."
            )
        apart = {
            mistake: abs(mean * factor + offset - self.mean)
            for mistake, (factor, offset) in _MISTAKES.items()
        }
        mistake = min(apart, key=lambda name: apart[name])
        if apart[mistake] <= 3 * self.std:
            return (
                f"Set .attrs['units'] of {self.name!r}, which are then converted: the values are"
                f" {mistake}."
            )
        return f"Check the units of {self.name!r}, or use a model that was trained on such values."
