"""Types of arguments, errors of arguments and messages that the commands share."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from xr_dl4ds.config import Scale, nearest


class ArgumentError(ValueError):
    """Error for arguments or a configuration file that cannot be used."""


class Parser(argparse.ArgumentParser):
    """Parser that takes no abbreviations and suggests the nearest flag for an unknown flag."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "allow_abbrev": False})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments; unknown ones are an error here, where the flags are known."""
        found, extra = super().parse_known_args(args, namespace)
        if extra:
            self.unknown(extra)
        return found, extra

    def unknown(self, extra: Sequence[str]) -> NoReturn:
        """End the program with an error that suggests the nearest flag."""
        flags = list(self._option_string_actions)
        hint = nearest(extra[0].split("=")[0], flags) if extra[0].startswith("-") else ""
        self.error(f"unknown argument {extra[0]!r}.{hint}")


def whole(least: int) -> Callable[[str], int]:
    """Return an argparse type for whole numbers that are not below `least`."""

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


def scale(text: str) -> int | tuple[int, int]:
    """Convert text such as "4", or "4,2" for y and x, to a scale, as a type for argparse."""
    try:
        edges = tuple(int(n) for n in text.split(","))
        return Scale.asked(edges if len(edges) > 1 else edges[0]).public
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a whole number >= 2, or two of them such as 4,2, got {text!r}"
        ) from None


def share(text: str) -> float:
    """Convert text to a number >= 0 and < 1, as a type for argparse."""
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
    """Return True if progress bars are drawn: only in a terminal, and not with `--quiet`."""
    return not options.quiet and sys.stderr.isatty()


def say(text: str) -> None:
    """Write a result to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def unknown_name(name: str, known: Iterable[str], where: str) -> ArgumentError:
    """Return the error for an unknown name of an option, with the nearest known name."""
    known = sorted(known)
    return ArgumentError(
        f"Expected names of options in {where}, got {name!r}.{nearest(name, known)} Options are:"
        f" {', '.join(known)}."
    )
