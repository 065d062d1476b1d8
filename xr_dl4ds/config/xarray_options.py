"""Independence of results from the global options of xarray that the user has set."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import xarray as xr

#: Options of `xarray.set_options` that change results, with the values that the package expects.
_EXPECTED = {
    "arithmetic_broadcast": True,
    "arithmetic_join": "inner",
    "keep_attrs": "default",
    "use_new_combine_kwarg_defaults": False,
}

P = ParamSpec("P")
R = TypeVar("R")


def with_expected_options(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function with the options of xarray that it expects; the user's options come back.

    Examples
    --------
    >>> kept = with_expected_options(lambda: xr.get_options()["arithmetic_join"])
    >>> with xr.set_options(arithmetic_join="outer"):
    ...     kept(), xr.get_options()["arithmetic_join"]
    ('inner', 'outer')
    """

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        known = xr.get_options()  # type: ignore[no-untyped-call]
        # newer options are unknown to older versions
        expected = {k: v for k, v in _EXPECTED.items() if k in known}
        with xr.set_options(**expected):  # type: ignore[no-untyped-call]
            return function(*args, **kwargs)

    return run
