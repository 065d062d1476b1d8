"""Options of the training samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import cast

from xr_dl4ds.config import choices
from xr_dl4ds.config.value_checks import one_of, several_of, whole_number, without_numpy

#: Features that `time_features=True` selects.
USUAL_TIME_FEATURES = ("day_of_year", "hour_of_day")
#: Features that "auto" selects for data that span more than a year.
SEASON = ("day_of_year",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """Options of the training samples: how they are cut from the data, and their further channels.

    Parameters
    ----------
    patch_size : int, optional
        Edge of the square patches cut from the fields, in HR cells; a multiple of the scale. Each
        epoch draws a new patch from each time step, every position equally likely. None trains on
        whole fields.
    time_window : int, optional
        Steps of a spatio-temporal sample, >= 2. The network becomes recurrent and sees, for each
        time, the window of steps that ends there. Windows never cross a gap in time. None takes
        single time steps.
    batch_size : int
        Samples per training step. If there are fewer samples, a step takes all of them. The last,
        smaller batch of an epoch is used too.
    augment : {"auto", "none", "flip_x", "flips", "all"} or bool
        Orientations in which training samples are shown, drawn at random for each sample and epoch:
        "flip_x" reverses columns (east-west), "flips" columns and rows, "all" also swaps rows and
        columns; LR, target, static fields and first guess turn alike. True is "all", False "none".
        "auto" is "none" for data of one domain, and "all" (of oblong samples "flips") for samples
        of many places: without dates, without a CRS or latitudes, and without static fields.
    interpolation : {"bicubic", "bilinear", "nearest"}
        Interpolation of LR fields to the HR grid, for `interpolation_skip`, for
        ``upsampling="interpolation"`` and for pairs whose cells do not nest.
    context : int or "auto"
        LR cells around the domain, on each side, that the network sees too; for real pairs. "auto"
        takes what the LR data, or ``predictors=``, have there, up to 8, or up to 2 with
        ``upsampling="interpolation"``. Where there is nothing, the outer cells are repeated.
        Synthetic pairs have nothing around, and neither has the globe.
    scaling : {"standard", "minmax", "log1p", "sqrt", "cbrt"} or dict
        Scaling of variables by ``(value - mean) / standard deviation`` or ``(value - min) / (max -
        min)``, over the training part. The others are for amounts, which are >= 0: the network
        sees, and its loss compares, ``log(1 + u)``, ``u ** (1 / 2)`` or ``u ** (1 / 3)`` of ``u =
        value / standard deviation``, for the roots with 0.01 added to u; first guess, skip and
        constraints stay in physical units. A dict sets the scaling by variable, such as
        ``{"pr": "sqrt"}``; other variables are standardized.
    time_features : "auto", bool or sequence of str
        Further LR channels derived from time: "day_of_year" and "hour_of_day" (UTC), each as
        sine and cosine; "solar_zenith", the cosine of the solar zenith angle; "toa_insolation",
        radiation at the top of the atmosphere as a share of the solar constant. True selects the
        first two, False none. "auto" is "day_of_year" for data that span more than a year.
    coordinate_features : sequence of str
        Further LR channels derived from position: "latitude" (sine), "longitude" (sine and
        cosine), "x" and "y" (-1 to 1 over the training domain).
    seed : int
        Seed of the initial weights, the shuffling, the patch positions and the orientations.
    cache : {"auto", "memory", "disk", "none"}
        Where samples are held while the network trains: "memory" as float32; "disk", written once
        to a temporary folder; "none", read again in each epoch, block by block, while the network
        trains on the previous block. "auto" is "memory" for samples up to 2 GiB and "none" for
        larger ones. With "none" neighbouring steps are read together: they share a patch position,
        and samples are shuffled within groups of blocks (see `xr_dl4ds.training.batches`).

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> xd.Sampling(patch_size=64, time_features=True).time_features
    ('day_of_year', 'hour_of_day')
    """

    patch_size: int | None = None
    time_window: int | None = None
    batch_size: int = 32
    augment: bool | str = "auto"
    interpolation: str = "bicubic"
    context: int | str = "auto"
    scaling: str | Mapping[str, str] = "standard"
    time_features: bool | str | Sequence[str] = "auto"
    coordinate_features: Sequence[str] = ()
    seed: int = 0
    cache: str = "auto"

    def __post_init__(self) -> None:
        without_numpy(self)
        whole_number(self, "patch_size", 1, optional=True)
        if self.time_window == 1:
            raise ValueError(
                "Expected `time_window` to be a whole number >= 2, got 1. Use None for spatial"
                " samples."
            )
        whole_number(self, "time_window", 2, optional=True)
        whole_number(self, "batch_size", 1)
        if self.context != "auto":
            whole_number(self, "context", 0)
        whole_number(self, "seed", 0)
        if isinstance(self.augment, bool):
            object.__setattr__(self, "augment", "all" if self.augment else "none")
        one_of("augment", self.augment, choices.AUGMENTATIONS)
        one_of("interpolation", self.interpolation, choices.INTERPOLATIONS)
        one_of("cache", self.cache, choices.CACHES)
        if isinstance(self.time_features, bool):
            names = USUAL_TIME_FEATURES if self.time_features else ()
            object.__setattr__(self, "time_features", names)
        if self.time_features != "auto":
            several_of(self, "time_features", choices.TIME_FEATURES)
        several_of(self, "coordinate_features", choices.COORDINATE_FEATURES)
        if isinstance(self.scaling, Mapping):
            for name, scaling in self.scaling.items():
                one_of(f"scaling[{name!r}]", scaling, choices.SCALINGS)
            object.__setattr__(self, "scaling", dict(self.scaling))
        else:
            one_of("scaling", self.scaling, choices.SCALINGS)

    def features_of_time(self, *, spans_years: bool) -> tuple[str, ...]:
        """Return the features of time for data that span more than a year, or not."""
        if self.time_features == "auto":
            return SEASON if spans_years else ()
        return cast(tuple[str, ...], self.time_features)

    def curve_of(self, name: str) -> str | None:
        """Return the curve through which the network sees a variable, or None."""
        scaling = self.scaling_of(name)
        return scaling if scaling in choices.CURVES else None

    def scaling_of(self, name: str) -> str:
        """Return the scaling of one variable."""
        if isinstance(self.scaling, Mapping):
            return self.scaling.get(name, "standard")
        return self.scaling
