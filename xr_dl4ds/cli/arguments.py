"""What the commands have in common: kinds of arguments, errors of arguments, what is said."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from xr_dl4ds.config import nearest


class ArgumentError(ValueError):
    """Arguments or a configuration file that cannot be used."""


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations and names the nearest flag for an unknown one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "allow_abbrev": False})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; what is left over is an error here, where the flags of the command are known."""
        found, extra = super().parse_known_args(args, namespace)
        if extra:
            self.unknown(extra)
        return found, extra

    def unknown(self, extra: Sequence[str]) -> NoReturn:
        """End with the nearest flag."""
        flags = list(self._option_string_actions)
        hint = nearest(extra[0].split("=")[0], flags) if extra[0].startswith("-") else ""
        self.error(f"unknown argument {extra[0]!r}.{hint}")


def whole(least: int) -> Callable[[str], int]:
    """A whole number that is not below `least`, as argparse's type."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number >= {least}, got {text!r}"
            ) from None
        return value

    return read


def share(text: str) -> float:
    """A number from 0 on and below 1, as argparse's type."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected a number >= 0 and < 1, got {text!r}") from None
    return value


def add_talk(command: argparse.ArgumentParser) -> None:
    """Add `--verbose` and `--quiet`."""
    one = command.add_mutually_exclusive_group()
    one.add_argument(
        "--verbose", action="store_true", dest="talks", default=False, help="show what is logged"
    )
    one.add_argument(
        "--quiet", action="store_true", default=False, help="show errors and results alone"
    )


def shows_progress(options: argparse.Namespace) -> bool:
    """Whether bars are drawn: for people alone."""
    return not options.quiet and sys.stderr.isatty()


def say(text: str) -> None:
    """Write a result to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def unknown_name(name: str, known: Iterable[str], where: str) -> ArgumentError:
    """The error of a name that nothing has, with the nearest."""
    known = sorted(known)
    return ArgumentError(
        f"Expected names of options in {where}, got {name!r}.{nearest(name, known)} Options are:"
        f" {', '.join(known)}."
    )
