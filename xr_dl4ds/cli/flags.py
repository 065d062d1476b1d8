"""Flags for every field of the option classes, made from the classes and their docstrings."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from xr_dl4ds.config import OPTION_CLASSES, TRAININGS

#: The field that `--verbose` and `--quiet` set.
SHOWN_BY_THE_PROGRAM = "verbose"


_NONE = type(None)
#: Types to which text is converted without YAML, and the placeholders of their values in the help.
_WORDS: dict[type, str] = {int: "N", float: "NUMBER", str: "NAME"}


class _Loader(yaml.SafeLoader):
    """YAML 1.1 loader that also reads numbers such as 1e-3, which YAML 1.1 writes as 1.0e-3."""


_Loader.yaml_implicit_resolvers = {
    first: list(known) for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    """Return a mapping, and raise if a name occurs twice."""
    names = [one.value for one, _ in node.value if isinstance(one, yaml.ScalarNode)]
    twice = sorted({n for n in names if names.count(n) > 1 and n != "<<"})
    if twice:
        raise yaml.constructor.ConstructorError(
            None, None, f"{twice[0]!r} stands twice", node.start_mark
        )
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def from_yaml(text: str) -> Any:
    """Return the plain values of a YAML or JSON text.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    object
        Numbers, texts, lists and dicts.

    Raises
    ------
    ValueError
        If the text is not YAML; the message has the line and the column.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"Expected YAML, got: {' '.join(str(error).split())}.") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """Field of the option classes, as an option of the command line.

    Parameters
    ----------
    name : str
        Name of the field.
    role : str
        Role of its class: network, sampling or training.
    kinds : tuple of str
        The kinds of training that have the field; all kinds for other roles.
    hint : object
        Type of the field.
    about : str
        Help text, from the docstring of the class.
    """

    name: str
    role: str
    kinds: tuple[str, ...]
    hint: Any
    about: str

    @property
    def flag(self) -> str:
        """Flag as written on the command line."""
        return f"--{self.name.replace('_', '-')}"

    def add(self, group: argparse._ArgumentGroup) -> None:
        """Add the flag to an argparse group."""
        union = typing.get_origin(self.hint) in (typing.Union, types.UnionType)
        several = set(typing.get_args(self.hint)) if union else {self.hint}
        single = next(iter(several - {_NONE})) if len(several - {_NONE}) == 1 else None
        text = self.about.replace("%", "%%")
        about: dict[str, Any] = {"dest": self.name, "default": argparse.SUPPRESS, "help": text}
        if single is bool:
            group.add_argument(self.flag, action=argparse.BooleanOptionalAction, **about)
            return
        word = _WORDS.get(single or object, "YAML")
        group.add_argument(self.flag, type=_reader(single, _NONE in several), metavar=word, **about)


def options() -> dict[str, Option]:
    """Return an `Option` for every field of the option classes, by name."""
    found: dict[str, Option] = {}
    for role, kind, cls in _classes():
        hints, about = typing.get_type_hints(cls), _described(cls)
        for field in dataclasses.fields(cls):
            kinds = (kind,) if kind else tuple(TRAININGS)
            default = f"default: {_word(field.default)}"
            text = about.get(field.name, "")
            if field.name in found:
                earlier = found[field.name]
                if default not in earlier.about:
                    both = f"{earlier.about[:-1]}; {kind}: {_word(field.default)})"
                    earlier = dataclasses.replace(earlier, about=both)
                found[field.name] = dataclasses.replace(earlier, kinds=(*earlier.kinds, *kinds))
                continue
            found[field.name] = Option(
                name=field.name,
                role=role,
                kinds=kinds,
                hint=hints[field.name],
                about=f"{text} ({default})",
            )
    return found


def _word(default: object) -> str:
    """Return a default value as a user would write it after a flag."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return "none" if default in (None, ()) else str(default)


def _classes() -> Iterator[tuple[str, str | None, type]]:
    """Yield role, kind of training, and class."""
    yield from ((role, None, cls) for role, cls in OPTION_CLASSES.items() if role != "training")
    yield from (("training", kind, cls) for kind, cls in TRAININGS.items())


def add_flags(command: argparse.ArgumentParser) -> None:
    """Add a flag for each option, in one group for each role."""
    groups = {role: command.add_argument_group(f"{role} options") for role in OPTION_CLASSES}
    groups["training"].add_argument(
        "--training",
        choices=list(TRAININGS),
        default=argparse.SUPPRESS,
        help="way to train (default: supervised)",
    )
    for option in options().values():
        if option.name != SHOWN_BY_THE_PROGRAM:
            option.add(groups[option.role])


def _reader(single: Any, optional: bool) -> Callable[[str], Any]:
    """Return a function that converts text to a type; for several types it reads YAML."""

    def read(text: str) -> Any:
        if optional and text.lower() in ("none", "null"):
            return None
        if single in _WORDS:
            return single(text)
        try:
            return from_yaml(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    read.__name__ = single.__name__ if single in _WORDS else "YAML"  # for argparse's message
    return read


def _described(cls: type) -> dict[str, str]:
    """Return the description of each name in a docstring's section Parameters, if there is one."""
    text = inspect.cleandoc(cls.__doc__ or "")
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    found: dict[str, str] = {}
    for part in re.split(r"^(?=\S)", section.group(1) if section else "", flags=re.MULTILINE):
        head, _, body = part.partition("\n")
        names, _, kind = head.partition(" : ")
        kind = kind.split("}")[0] + "}. " if kind.startswith("{") else ""
        about = (kind + " ".join(body.split())).replace("`", "").replace('"', "")
        found |= {name.strip(): about.rstrip(".") for name in names.split(",")}
    return found
