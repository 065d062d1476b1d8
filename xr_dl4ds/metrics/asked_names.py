"""Names that a caller asks for, such as those of scores and baselines."""

from __future__ import annotations

from collections.abc import Iterable


def names_in(asked: object, argument: str, example: str) -> tuple[str, ...]:
    """Return one or several names as a tuple.

    Parameters
    ----------
    asked : str or sequence of str
        A name, or several.
    argument : str
        The argument's name, for messages.
    example : str
        A name that is possible, for messages.

    Raises
    ------
    TypeError
        If these are no names.
    """
    if isinstance(asked, str):
        return (asked,)
    names = tuple(asked) if isinstance(asked, Iterable) else (asked,)
    odd = [one for one in names if not isinstance(one, str)]
    if odd or not isinstance(asked, Iterable):
        raise TypeError(
            f"Expected `{argument}` to be names, got {type(odd[0]).__name__}: {odd[0]!r}. Pass"
            f" names such as {argument}=[{example!r}]."
        )
    return names
