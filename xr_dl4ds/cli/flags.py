"""A flag for every field of the option classes, from the classes and their docstrings."""

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

#: The field that `--verbose` and `--quiet` stand for.
SHOWN_BY_THE_PROGRAM = "verbose"


_NONE = type(None)
#: Types that a text is turned into without YAML, and what stands for their values in the help.
_WORDS: dict[type, str] = {int: "N", float: "NUMBER", str: "NAME"}


class _Loader(yaml.SafeLoader):
    """YAML 1.1 that knows numbers such as 1e-3, which it asks to be written 1.0e-3."""


_Loader.yaml_implicit_resolvers = {
    first: list(known) for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    """A mapping whose names stand once."""
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
    """Plain values of a YAML or JSON text.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    object
        Numbers, texts, lists, dicts.

    Raises
    ------
    ValueError
        When it is no YAML, with its line and column.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"Expected YAML, got: {' '.join(str(error).split())}.") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """A field of the option classes.

    Parameters
    ----------
    name : str
        Of the field.
    role : str
        network, sampling or training.
    kinds : tuple of str
        The ways to train that have it; all for other roles.
    hint : object
        Its type.
    about : str
        What the docstring says.
    """

    name: str
    role: str
    kinds: tuple[str, ...]
    hint: Any
    about: str

    @property
    def flag(self) -> str:
        """As it is written on the command line."""
        return f"--{self.name.replace('_', '-')}"

    def add(self, group: Any) -> None:
        """Add the flag to a group of argparse's."""
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
    """Every field of the option classes by name, but the one that the program shows itself."""
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


def _word(default: Any) -> str:
    """A default value as it is given to a flag."""
    if isinstance(default, bool):
        return "yes" if default else "no"
    return "none" if default in (None, ()) else str(default)


def _classes() -> Iterator[tuple[str, str | None, type]]:
    """Role, way to train, and class."""
    yield from ((role, None, cls) for role, cls in OPTION_CLASSES.items() if role != "training")
    yield from (("training", kind, cls) for kind, cls in TRAININGS.items())


def add_flags(command: argparse.ArgumentParser) -> None:
    """Add a flag for each option, in a group for each role."""
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
    """Text to a value of a type; of several types by YAML."""

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
    """What the section Parameters of a docstring says of each name; empty without docstrings."""
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
