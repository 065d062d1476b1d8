"""How far a network looks: which LR cells an HR cell of its output is made from.

The functional graph is walked once along y and once along x. Each tensor carries, for every cell of
one period of the grids (the least number of LR cells at whose edges those of all its levels meet)
and every time step back, the first and the last LR cell that it depends on. So kernels count with
the size of the cells that they run over, and where in its LR cell an HR cell lies counts as well.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import weakref
from fractions import Fraction
from typing import Any

import keras
import numpy as np

from xr_dl4ds.layers import (
    Constraint,
    ConvLSTM,
    CropTo,
    LocallyConnected,
    RepeatOverTime,
    UnfoldTime,
)
from xr_dl4ds.networks.windows import Windows, around, block, parent, refinement, windows_of

#: Layers whose first argument has the values; the others have sizes or places, or (constraints) are
#: on other cells.
OF_THE_FIRST: frozenset[type] = frozenset(
    {Constraint, CropTo, LocallyConnected, RepeatOverTime, UnfoldTime}
)

#: Where no LR cell counts: after, and before, any that does.
NOWHERE = 10**9


@dataclasses.dataclass(frozen=True)
class Reach:
    """What parts of a domain a network can be applied to, one by one.

    Parameters
    ----------
    cells : int or None
        LR cells, to every side, beyond its own one that an HR cell is made from; None where that
        is all of the field, or not known.
    align : int
        LR cells, along y and x, at whose multiples a part must begin, so that the cells of coarser
        levels (U-Net) are those of the whole.
    """

    cells: int | None
    align: int


@dataclasses.dataclass(frozen=True, eq=False)
class _Span:
    """A tensor along one axis.

    Parameters
    ----------
    share : Fraction or None
        Its cells for each LR cell, where that is known.
    first, last : numpy.ndarray or None
        ``(steps back, cell)``, LR cells that the cells of one period depend on; None for all.
    """

    share: Fraction | None
    first: np.ndarray | None = None
    last: np.ndarray | None = None

    @property
    def cells(self) -> int | None:
        """The farthest LR cell, from that in which a cell lies."""
        if self.first is None or self.last is None or self.share is None or self.share < 1:
            return None
        own = np.arange(self.first.shape[1]) // int(self.share)
        return max(int((own - self.first).max()), int((self.last - own).max()))


def reach_of(network: keras.Model, steps: int = 1) -> Reach:
    """Follow a network from its output to the LR cells that it looks at.

    Parameters
    ----------
    network : keras.Model
        Functional network, as `xr_dl4ds.networks.generator` builds them, periodic or not.
    steps : int
        For sequences, time steps of the longest window: recurrent layers look further with each.

    Returns
    -------
    Reach
        Never less than the truth. HR inputs count by the LR cells in which they lie.
    """
    known = _KNOWN.setdefault(network, {})
    if steps not in known:  # each member of each block asks again
        known[steps] = _followed(network, steps)
    return known[steps]


#: The reach of each network that still exists, by the number of steps.
_KNOWN: weakref.WeakKeyDictionary[keras.Model, dict[int, Reach]] = weakref.WeakKeyDictionary()


def _followed(network: keras.Model, steps: int) -> Reach:
    align, reaches = 1, []
    for axis in (0, 1):
        # shares first: of the output, of what comes from HR inputs, and with them the period
        scale = _Walk(axis, steps).through(network, _places(network, None))[0].share
        walk = _Walk(axis, steps)
        walk.through(network, _places(network, scale))
        period = math.lcm(*(share.denominator for share in walk.found))
        align = math.lcm(align, period)
        if scale is None or scale.denominator > 1:
            return Reach(cells=None, align=align)
        walk = _Walk(axis, steps, period)
        places = _places(network, scale)
        outs = walk.through(network, [x and walk.own(x) for x in places])
        reaches += [out.cells for out in outs]
    known = [cells for cells in reaches if cells is not None]
    return Reach(cells=max(known) if len(known) == len(reaches) else None, align=align)


def _places(network: keras.Model, scale: Fraction | None) -> list[_Span | None]:
    """Shares of the inputs on LR and on HR cells; None for what is no field."""
    return [
        _Span(Fraction(1) if x.name == "lr" else scale) if len(x.shape) > 3 else None
        for x in network.inputs
    ]


class _Walk:
    """One way through the graph, along y (0) or x (1)."""

    def __init__(self, axis: int, steps: int, period: int = 1) -> None:
        self.axis = axis
        self.steps = steps
        self.period = period
        self.found = {Fraction(1)}

    def own(self, given: _Span) -> _Span:
        """Cells that depend on the LR cell in which they lie, at their own step."""
        assert given.share is not None
        own = np.arange(int(given.share * self.period)) // int(given.share)
        first = np.full((self.steps, own.size), NOWHERE)
        last = -first
        first[0] = last[0] = own
        return _Span(given.share, first, last)

    def through(self, network: Any, inputs: list[_Span | None]) -> list[Any]:
        """The outputs of a network, in a list."""
        # private, but the only way to run a graph on something else than tensors
        return keras.tree.flatten(network._run_through_graph(inputs, call_fn=self._call))

    def _call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        given = keras.tree.flatten((args, kwargs))
        spans = [value for value in given if isinstance(value, _Span)]
        if isinstance(operation, keras.Sequential):
            inner = operation.layers
            return functools.reduce(lambda x, layer: self._call(layer, x), inner, *spans[:1])
        if hasattr(operation, "_run_through_graph"):
            if len(spans) != len(operation.inputs):
                spans = [_Span(spans[0].share if spans else None)] * len(operation.inputs)
            outs = self.through(operation, list(spans))
            return keras.tree.pack_sequence_as(operation.output, outs)
        span = self._one(operation, spans) if spans else None
        return keras.tree.map_structure(lambda _: span, operation.output)

    def _one(self, operation: Any, spans: list[_Span]) -> _Span:
        """One operation, of the first tensor alone or of all that it is given."""
        kind = type(operation)
        span = _joined(spans[:1] if kind in OF_THE_FIRST else spans)
        if span.share is None:
            return span
        share = span.share * refinement(operation, self.axis)
        self.found.add(share)
        if span.first is None:
            return _Span(share)
        if kind is ConvLSTM:
            return self._recurrent(operation, span)
        if kind is Constraint:
            moved = self._seen(span, share, block(operation.scale))
            return _joined([moved, self._seen(spans[1], share, parent(operation.scale))])
        windows = windows_of(operation, self.axis)
        return _Span(share) if windows is None else self._seen(span, share, windows)

    def _seen(self, span: _Span, share: Fraction, windows: Windows) -> _Span:
        """Cells that are made of windows of the cells of another tensor."""
        if span.first is None or span.last is None:
            return _Span(share)
        cells = np.arange(int(share * self.period))
        first, last = [], []
        for low, high in zip(*windows(cells), strict=True):
            turn, place = np.divmod(np.arange(low, high + 1), span.first.shape[1])
            first.append((span.first[:, place] + turn * self.period).min(axis=1))
            last.append((span.last[:, place] + turn * self.period).max(axis=1))
        return _Span(share, np.stack(first, axis=1), np.stack(last, axis=1))

    def _recurrent(self, layer: ConvLSTM, span: _Span) -> _Span:
        """Each step sees a window of the input, and one of what the step before it has seen."""
        assert span.share is not None
        windows = around(layer.kernel_size, 1, 1)
        assert windows is not None
        earlier = [self._seen(span, span.share, windows)]
        for _ in range(self.steps - 1):
            earlier.append(self._seen(_before(earlier[-1]), span.share, windows))
        return _joined(earlier)


def _before(span: _Span) -> _Span:
    """The same tensor, one time step back; steps before the window are not there."""
    assert span.first is not None
    assert span.last is not None
    first, last = np.roll(span.first, 1, axis=0), np.roll(span.last, 1, axis=0)
    first[0], last[0] = NOWHERE, -NOWHERE
    return _Span(span.share, first, last)


def _joined(spans: list[_Span]) -> _Span:
    """What depends on all of them; that is everything, where cells are not of one size."""
    share = next((span.share for span in spans if span.share is not None), None)
    firsts = [span.first for span in spans if span.first is not None]
    lasts = [span.last for span in spans if span.last is not None]
    if len(firsts) < len(spans) or any(span.share != share for span in spans):
        return _Span(share)
    return _Span(share, np.minimum.reduce(firsts), np.maximum.reduce(lasts))
