"""Units: the meaning of their spelling, comparison and conversion.

Files spell one unit in many ways. Units that mean the same are equal; units of the same quantity
are converted, with a warning in the log. Other differences raise an error, because values in other
units would give wrong results without notice.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.exceptions import VariableError

logger = logging.getLogger(__name__)

#: Spellings, in lower case, that pint reads as another unit or not at all.
_SPELLINGS = {
    **dict.fromkeys(
        ("", "-", "--", "1", "unitless", "dimensionless", "none", "n/a", "nondim"), "1"
    ),
    **dict.fromkeys(("(0 - 1)", "(0-1)", "0-1", "fraction", "ratio", "proportion"), "1"),
    **dict.fromkeys(("%", "percent", "percentage", "pct"), "percent"),
    **dict.fromkeys(("mb", "mbar", "mbars", "millibar", "millibars"), "hPa"),
    "gpm": "m",
    "gpdam": "10 m",
    "psu": "1e-3",
}

#: Temperature scales, in the spellings of UDUNITS and of files.
_TEMPERATURE = re.compile(
    r"(?:°|º|o|deg(?:ree)?s?\.?)?[ _]*"
    r"(c(?:elsius)?|centigrade|celcius|f(?:ahrenheit)?|k(?:elvins?)?)\.?",
    re.IGNORECASE,
)
_SCALES = {"c": "degC", "f": "degF", "k": "K"}
#: Temperature scales whose zero is arbitrary, with the unit of a difference.
_DIFFERENCES = {"degC": "K", "degF": "degree_rankine"}

#: Degrees of angle, with the direction in which they count.
_DEGREES = re.compile(
    r"(?:deg(?:ree)?s?\.?|°|º)[ _]*(north|east|south|west|[nesw])?\.?", re.IGNORECASE
)

#: Words that name the substance, which is no part of the unit.
_WATER = re.compile(
    r"\b(?:of (?:liquid )?water(?: equivalent)?|(?:liquid )?water equivalent|w\.?e\.?|H2O)(?=\W|$)",
    re.IGNORECASE,
)
#: Units without a blank between them, such as ``Wm-2``, and the exponents of one of them.
_SYMBOL = r"(?:hPa|kPa|Pa|mol|kg|mg|mm|cm|km|W|J|N|K|g|m|s|h|d)"
_EXPONENT = r"(?:\^|\*\*)?([-+]?\d+)"
_RUN_TOGETHER = re.compile(rf"(?:{_SYMBOL}(?:{_EXPONENT})?)+")
_PART = re.compile(rf"({_SYMBOL})(?:{_EXPONENT})?")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻·", "0123456789- ")

#: Density of water, kg m-3, by which amounts in kg m-2 are heights: 1 kg m-2 is 1 mm.
_WATER_DENSITY = 1000.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Conversion:
    """Linear conversion of values: ``value * factor + offset``."""

    factor: float = 1.0
    offset: float = 0.0

    @property
    def identity(self) -> bool:
        """True if values do not change."""
        return math.isclose(self.factor, 1.0) and math.isclose(self.offset, 0.0, abs_tol=1e-9)

    def undone(self, value: float) -> float:
        """Return the value before the conversion."""
        return (value - self.offset) / self.factor


def in_units(
    data: xr.Dataset, expected: Mapping[str, str | None], role: str, other: str
) -> xr.Dataset:
    """Convert variables to the expected units, lazily.

    Variables without units are unchanged, and a warning in the log says so. The encoding of a
    converted variable keeps its earlier units, see `conversion_of`.

    Parameters
    ----------
    data : xarray.Dataset
        Variables with or without units.
    expected : mapping
        Units by name of the variable; None for unknown units.
    role, other : str
        Names, in messages, for the data and for the data that have the expected units.

    Returns
    -------
    xarray.Dataset
        The data; a conversion of values is logged as a warning.

    Raises
    ------
    VariableError
        If a unit cannot be converted.
    """
    changed = {}
    for name, variable in data.items():
        if str(name) not in expected:
            continue
        wanted, got = expected[str(name)], variable.attrs.get("units")
        if wanted is None or got is None:
            _note_unknown(str(name), wanted, got, role, other)
            continue
        conversion = _required(str(name), str(wanted), str(got), role, other)
        if conversion.identity:
            continue
        logger.warning("%r of %s is converted from %r to %r", name, role, str(got), str(wanted))
        dtype = np.result_type(variable.dtype, np.float32)
        values = variable * conversion.factor + conversion.offset
        values = values.astype(dtype).assign_attrs({**variable.attrs, "units": wanted})
        first = got if conversion_of(variable).identity else variable.encoding["units"]
        values.encoding = {**variable.encoding, "units": str(first)}
        changed[name] = values
    return data.assign(changed) if changed else data


def conversion_of(variable: xr.DataArray) -> Conversion:
    """Return the conversion from the numbers of the user's data to those of a variable.

    Marks of missing values are numbers of the user's data, in whatever units these are. The
    encoding holds the earlier units, as xarray keeps the units of dates there.

    Examples
    --------
    >>> cold = xr.Dataset({"t": ("x", [-9999.0], {"units": "degC"})})
    >>> kelvin = in_units(cold, {"t": "K"}, "the LR data", "training").t
    >>> conversion_of(kelvin).undone(kelvin.item())
    -9999.0
    """
    before, now = variable.encoding.get("units"), variable.attrs.get("units")
    if not isinstance(before, str) or not isinstance(now, str):
        return Conversion()
    return conversion_between(before, now) or Conversion()


def _note_unknown(name: str, wanted: object, got: object, role: str, other: str) -> None:
    """Warn of a variable that has units in one of two data alone."""
    if (wanted is None) == (got is None):
        return
    units, without, beside = (wanted, role, other) if got is None else (got, other, role)
    logger.warning(
        "%r has no units in %s, and is taken to be in %r, as in %s: set .attrs['units']",
        *(name, without, str(units), beside),
    )


def _required(name: str, expected: str, got: str, role: str, other: str) -> Conversion:
    conversion = conversion_between(got, expected)
    if conversion is not None:
        return conversion
    unread = next((text for text in (got, expected) if not _readings(text)), None)
    if unread is None:
        cure = f"Rename it if it is another quantity, or correct .attrs['units'] of {name!r}."
    else:
        cure = (
            f"Set .attrs['units'] = {expected!r} if the values are in this unit: {unread!r} cannot"
            " be read as a unit."
        )
    raise VariableError(
        f"Expected {name!r} of {role} in {expected!r} as in {other}, got {got!r}. {cure}"
    )


def conversion_between(source: str, target: str) -> Conversion | None:
    """Return the conversion of values between two units; None if there is none.

    Mass per area and height are equivalent for water: 1 kg m-2 is 1 mm.

    Examples
    --------
    >>> conversion_between("mb", "hPa").identity, conversion_between("degC", "mm")
    (True, None)
    >>> conversion_between("kg m-2 s-1", "mm/day").factor
    86400.0
    """
    source, target = _plain(source), _plain(target)
    if source == target:
        return Conversion()
    found = [_linear(a, b) for a in _readings(source) for b in _readings(target)]
    known = [one for one in found if one is not None]
    return next((one for one in known if one.identity), known[0] if known else None)


def has_own_zero(units: str | None) -> bool:
    """Return True if 0 is an arbitrary point of a temperature scale, such as degC."""
    return difference_of(units) != units


def is_kelvin(units: str) -> bool:
    """Return True for kelvin in any spelling."""
    return _temperature(_plain(units)) == "K"


def difference_of(units: str | None) -> str | None:
    """Return the unit of a difference: K for degC, degree_rankine for degF, otherwise `units`.

    Examples
    --------
    >>> difference_of("degrees_celsius"), difference_of("mm d-1")
    ('K', 'mm d-1')
    """
    return units if units is None else _DIFFERENCES.get(str(_temperature(_plain(units))), units)


def direction_of_degrees(units: object) -> str | None:
    """Return the direction in which degrees count; "" for plain degrees, None for other units.

    Examples
    --------
    >>> direction_of_degrees("degrees_north"), direction_of_degrees("°E"), direction_of_degrees("m")
    ('north', 'east', None)
    """
    found = _DEGREES.fullmatch(_plain(str(units)))
    if found is None:
        return None
    letter = (found[1] or "")[:1].lower()
    return {"n": "north", "e": "east", "s": "south", "w": "west"}.get(letter, "")


def _plain(text: str) -> str:
    """Return a unit without superscripts, repeated blanks, and words that name water."""
    text = text.replace("℃", "°C").replace("−", "-").translate(_SUPERSCRIPTS)
    text = re.sub(r"\bgr\b", "g", text)  # grams, and not grains
    return " ".join(_WATER.sub("", text).split())


def _temperature(text: str) -> str | None:
    scale = _TEMPERATURE.fullmatch(text)
    return None if scale is None else _SCALES[scale[1][0].lower()]


@functools.cache
def _readings(text: str) -> tuple[Any, ...]:
    """Return what a unit may mean: as pint reads it, and with blanks between run-together units."""
    text = _SPELLINGS.get(text.lower(), _temperature(text) or text)
    texts = [text, re.sub(r"(?<=[A-Za-z0-9])\.(?=[A-Za-z])", " ", text)]
    if _RUN_TOGETHER.fullmatch(text):
        parts = _PART.findall(text)
        texts.append(" ".join(f"{symbol}{exponent}" for symbol, exponent in parts))
    found = [_parsed(one) for one in dict.fromkeys(texts)]
    return tuple(one for one in found if one is not None)


def _parsed(text: str) -> Any:
    """Return a pint quantity of one unit, or None."""
    registry = _registry()
    number = re.fullmatch(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)(?:[ *]+(\D.*))?", text)
    try:
        unit = registry.parse_units((number[2] or "") if number else text)
        return registry.Quantity(float(number[1]) if number else 1.0, unit)
    except Exception:  # pint passes on any exception of its tokenizer and tables
        return None


@functools.cache
def _registry() -> Any:
    # imported only where spellings differ: loading the registry takes half a second
    pint = logging.getLogger("pint.util")
    before = pint.level
    pint.setLevel(logging.ERROR)  # cf_xarray redefines units of pint on purpose
    try:
        from cf_xarray.units import units
    finally:
        pint.setLevel(before)
    return units


def _linear(source: Any, target: Any) -> Conversion | None:
    """Return the conversion between two pint quantities; None if there is none.

    Months and years are not converted to other times, because their lengths differ. Logarithmic
    units such as dB are not converted, because the conversion is not linear.
    """
    calendar = [{"month", "year"} & set(f"{one.units}".split()) for one in (source, target)]
    if calendar[0] != calendar[1]:
        return None
    registry = _registry()
    source, target = _as_height(source), _as_height(target)
    if source.dimensionality != target.dimensionality:
        return None
    try:
        with np.errstate(all="ignore"):
            zero, one, two = (
                registry.Quantity(at * source.magnitude, source.units).to(target.units).magnitude
                / target.magnitude
                for at in (0.0, 1.0, 2.0)
            )
            linear = np.isclose(two - one, one - zero, rtol=1e-6, atol=0) and one != zero
    except (ArithmeticError, TypeError, ValueError):  # such as a difference and a temperature
        return None
    if not linear:
        return None
    return Conversion(factor=float(one - zero), offset=float(zero))


def _as_height(quantity: Any) -> Any:
    """Return a mass of water per area as a height; other quantities are unchanged."""
    per_area = quantity.dimensionality.get("[mass]"), quantity.dimensionality.get("[length]")
    if per_area != (1, -2):
        return quantity
    return quantity / _registry().Quantity(_WATER_DENSITY, "kg m-3")
