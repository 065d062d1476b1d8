"""Settings of `fit`: the flags, over a configuration file, over the defaults."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from xr_dl4ds.cli.arguments import ArgumentError, unknown_name
from xr_dl4ds.cli.flags import Option, from_yaml, options
from xr_dl4ds.config import OPTION_CLASSES, TRAININGS, Options, Training, route

#: Arguments of `fit` other than options: the types of a value, and a description of them.
_OWN: dict[str, tuple[tuple[type, ...], str]] = {
    "lr": ((str, list), "a path or a list of them"),
    "lr_variable": ((str, list), "a name or a list of them"),
    "variable": ((str, list), "a name or a list of them"),
    "static": ((str, list), "a path or a list of them"),
    "predictors": ((str, list), "a path or a list of them"),
    "scale": ((int, list), "a whole number, or a list of two"),
    "start": ((str,), "a path"),
    "validation": ((int, float), "a number >= 0 and < 1"),
    "trim": ((bool,), "true or false"),
    "workers": ((int,), "a whole number"),
    "group": ((str,), "a name"),
    "time_slice": ((list,), "a list of two times"),
    "x_dim": ((str,), "a name"),
    "y_dim": ((str,), "a name"),
    "time_dim": ((str,), "a name"),
    "extra_dims": ((dict,), "roles by dimension"),
    "counterparts": ((dict,), "LR variables by target"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a training.

    Parameters
    ----------
    own : mapping
        Arguments of `fit` other than options, if given.
    kind : str, optional
        The kind of training, if given.
    flat : mapping
        Values of the options that were given.
    """

    own: Mapping[str, Any]
    kind: str | None
    flat: Mapping[str, Any]

    def training(self, inherited: Options) -> Training | None:
        """Return default options of the requested training, or None if `inherited` has its kind."""
        usual = type(inherited.training)
        chosen = usual if self.kind is None else TRAININGS[self.kind]
        return None if chosen is usual else chosen()

    def check(self, inherited: Options) -> None:
        """Raise for invalid options, before any data are read.

        Parameters
        ----------
        inherited : Options
            The options of the model that is fine-tuned, or the defaults.
        """
        given = inherited.replace(training=self.training(inherited) or inherited.training)
        kind = self.kind or _kind_of(given.training)
        known = options()
        for name in self.flat:
            if kind not in known[name].kinds:
                raise ArgumentError(
                    f"Expected --training {known[name].kinds[0]} for {known[name].flag}, got"
                    f" {kind} training. Leave one of them out."
                )
        try:
            route(dict(given), self.flat)
        except (ValueError, TypeError) as error:
            raise ArgumentError(str(error)) from error


def _kind_of(training: Training) -> str:
    return next(kind for kind, cls in TRAININGS.items() if type(training) is cls)


def settings(given: argparse.Namespace) -> Settings:
    """Read the configuration file, if any, and let the flags override it."""
    known = options()
    flags = {n: v for n, v in vars(given).items() if n in {*known, *_OWN, "training"}}
    path = getattr(given, "config", None)
    values = {**({} if path is None else _read(path, known)), **flags}
    kind = values.pop("training", None)
    own = {n: values.pop(n) for n in list(values) if n in _OWN}
    return Settings(own=own, kind=kind, flat=values)


def _read(path: str, known: Mapping[str, Option]) -> dict[str, Any]:
    """Return the values of a configuration file by name; "training" holds the kind of training."""
    try:
        text = pathlib.Path(path).expanduser().read_text("utf-8")
    except OSError as error:
        raise ArgumentError(
            f"Expected a file that can be read at --config {path!r}, got: {error.strerror}."
        ) from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path}: Expected YAML in UTF-8, got: {error}.") from error
    try:
        content = from_yaml(text)
    except ValueError as error:
        raise ArgumentError(f"{path}: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ArgumentError(f"{path}: Expected names with values, got {type(content).__name__}.")
    found: dict[str, Any] = {}
    for name, value in ((str(n).replace("-", "_"), v) for n, v in content.items()):
        if name in OPTION_CLASSES and isinstance(value, dict):
            _add_group(found, name, value, known, path)
        else:
            _add(found, name, value, {*known, *_OWN, "training"}, path)
    for name in found.keys() & _OWN.keys():
        found[name] = _checked(name, found[name], path)
    kind = found.get("training", "supervised")
    if kind not in list(TRAININGS):
        names = " or ".join(TRAININGS)
        raise ArgumentError(f"{path}: Expected `training` to be {names}, got {kind!r}.")
    return found


def _add_group(
    found: dict[str, Any], role: str, group: dict[Any, Any], known: Mapping[str, Option], path: str
) -> None:
    """Add the options of one role; the options of training may name its kind."""
    names = {n for n, option in known.items() if option.role == role}
    for name, value in ((str(n).replace("-", "_"), v) for n, v in group.items()):
        if role == "training" and name == "kind":
            found["training"] = value
        else:
            _add(found, name, value, names, f"{path}, {role}")


def _add(found: dict[str, Any], name: str, value: Any, names: set[str], where: str) -> None:
    if name not in names:
        raise unknown_name(name, names, where)
    if name in found:
        raise ArgumentError(f"{where}: Expected {name!r} once, got it twice.")
    found[name] = value


def _checked(name: str, value: Any, path: str) -> Any:
    """Check the type of an argument of `fit`, and make a list of a text where lists are valid."""
    types, words = _OWN[name]
    if name == "time_slice" and isinstance(value, list):
        value = [str(time) for time in value]  # YAML reads 2001-01-01 as a date
    several = str in types and list in types
    fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    if several and isinstance(value, list):
        fits = bool(value) and all(isinstance(one, str) for one in value)
    if name == "scale" and isinstance(value, list):
        fits = len(value) == 2 and all(type(one) is int for one in value)
    if name == "validation" and fits:
        fits = 0 <= value < 1
    if not fits:
        raise ArgumentError(f"{path}: Expected `{name}` to be {words}, got {value!r}.")
    return [value] if several and isinstance(value, str) else value
