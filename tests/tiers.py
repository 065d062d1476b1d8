"""Which tier a test stands in, where parameters decide it. CONTRIBUTING.md describes the tiers."""

import itertools

import pytest


def thinned(cases, first):
    """Return parameters of which those in `first` run in the first tier, all others in the full."""
    return [_param(case, case in first) for case in cases]


def every(n, cases, also=()):
    """Return parameters of which each `n`-th, and those in `also`, run in the first tier."""
    return [_param(case, i % n == 0 or case in also) for i, case in enumerate(cases)]


def rotated(*axes):
    """Return the product of lists, of which the first tier has each value of the first list once.

    The values of the other lists take turns.
    """
    first = [
        (value, *(axis[i % len(axis)] for axis in axes[1:])) for i, value in enumerate(axes[0])
    ]
    return thinned(itertools.product(*axes), first)


def _param(case, in_first):
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=() if in_first else pytest.mark.full)
