"""Receptive field of a network: the LR cells on which an HR cell depends.

`reach_of` walks through the functional graph along y and along x. For each cell of one period and
each preceding time step, a tensor carries the first and the last LR cell on which it depends. The
period is the smallest number of LR cells at whose edges the cells of all grids in the network meet.
Kernels therefore count with the cell size of the grid on which they run, and the position of an HR
cell inside its LR cell counts as well.
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

from xr_dl4ds.config import Scale
from xr_dl4ds.networks.kernel_windows import Windows, around, block, parent, refinement, windows_of
from xr_dl4ds.networks.layers import (
    Constraint,
    ConvLSTM,
    CropTo,
    LocallyConnected,
    RepeatOverTime,
    UnfoldTime,
)

#: Layers that take their values from the first argument only. The other arguments give sizes or
#: positions or, for constraints, have cells of another size.
OF_THE_FIRST: frozenset[type] = frozenset(
    {Constraint, CropTo, LocallyConnected, RepeatOverTime, UnfoldTime}
)

#: Stands for "no LR cell": larger (and, negative, smaller) than any LR cell number.
NOWHERE = 10**9


@dataclasses.dataclass(frozen=True)
class Reach:
    """The receptive field of a network, as needed to apply the network tile by tile.

    Parameters
    ----------
    cells : int or None
        The farthest LR cell on each side on which an HR cell depends, counted from the LR cell that
        contains the HR cell. None if an HR cell depends on the whole field, or if this is unknown.
    align : int
        A tile must begin at a multiple of `align` LR cells along y and x, so that the cells of
        coarser levels (U-Net) coincide with their cells in the whole domain.
    """

    cells: int | None
    align: int


@dataclasses.dataclass(frozen=True, eq=False)
class _Span:
    """The LR cells on which a tensor depends, along one axis.

    Parameters
    ----------
    share : Fraction or None
        Cells of the tensor for each LR cell; None if unknown.
    first, last : numpy.ndarray or None
        ``(steps back, cell)``, first and last LR cell on which the cells of one period depend; None
        for all LR cells.
    """

    share: Fraction | None
    first: np.ndarray | None = None
    last: np.ndarray | None = None

    @property
    def cells(self) -> int | None:
        """Distance in LR cells from a cell to the farthest LR cell on which it depends."""
        if self.first is None or self.last is None or self.share is None or self.share < 1:
            return None
        own = np.arange(self.first.shape[1]) // int(self.share)
        return max(int((own - self.first).max()), int((self.last - own).max()))


def reach_of(network: keras.Model, steps: int = 1, context: int = 0) -> Reach:
    """Determine the receptive field of a network by walking through its graph.

    Parameters
    ----------
    network : keras.Model
        Functional network, built by `xr_dl4ds.networks.generator`, periodic or not.
    steps : int
        For sequences, time steps of the longest window: the receptive field of recurrent layers
        grows with each step.
    context : int
        LR cells of the input "lr" before the first cell of the domain.

    Returns
    -------
    Reach
        Never smaller than the true receptive field. An HR input counts by the LR cells in which its
        cells lie.
    """
    known = _KNOWN.setdefault(network, {})
    if (steps, context) not in known:  # each member of each block calls this function
        known[steps, context] = _followed(network, steps, context)
    return known[steps, context]


#: Results for each network that still exists, by the numbers of steps and of cells around.
_KNOWN: weakref.WeakKeyDictionary[keras.Model, dict[tuple[int, int], Reach]] = (
    weakref.WeakKeyDictionary()
)


def _followed(network: keras.Model, steps: int, context: int) -> Reach:
    align, reaches = 1, []
    for axis in (0, 1):
        # the first walk finds the scale of the HR inputs, the second walk finds the period
        scale = _Walk(axis, steps).through(network, _places(network, None))[0].share
        walk = _Walk(axis, steps)
        walk.through(network, _places(network, scale))
        period = math.lcm(*(share.denominator for share in walk.found))
        align = math.lcm(align, period)
        if scale is None or scale.denominator > 1:
            return Reach(cells=None, align=align)
        walk = _Walk(axis, steps, period)
        places = _places(network, scale)
        before = [context if x.name == "lr" else 0 for x in network.inputs]
        own = [x and walk.own(x, n) for x, n in zip(places, before, strict=True)]
        outs = walk.through(network, own)
        reaches += [out.cells for out in outs]
    known = [cells for cells in reaches if cells is not None]
    return Reach(cells=max(known) if len(known) == len(reaches) else None, align=align)


def _places(network: keras.Model, scale: Fraction | None) -> list[_Span | None]:
    """Return spans without cells for the LR and HR inputs; None for inputs that are no fields."""
    return [
        _Span(Fraction(1) if x.name == "lr" else scale) if len(x.shape) > 3 else None
        for x in network.inputs
    ]


class _Walk:
    """A walk through the graph, along y (0) or x (1)."""

    def __init__(self, axis: int, steps: int, period: int = 1) -> None:
        self.axis = axis
        self.steps = steps
        self.period = period
        self.found = {Fraction(1)}

    def own(self, given: _Span, before: int) -> _Span:
        """Return the span of an input: each cell depends on the LR cell that contains it.

        The input begins so many LR cells before the domain.
        """
        assert given.share is not None
        own = np.arange(int(given.share * self.period)) // int(given.share) - before
        first = np.full((self.steps, own.size), NOWHERE)
        last = -first
        first[0] = last[0] = own
        return _Span(given.share, first, last)

    def through(self, network: keras.Model, inputs: list[_Span | None]) -> list[Any]:
        """Return the spans of a network's outputs, in a list."""
        # private, but the only way to run a graph on something other than tensors
        return keras.tree.flatten(network._run_through_graph(inputs, call_fn=self._call))

    def _call(self, operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
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

    def _one(self, operation: keras.Operation, spans: list[_Span]) -> _Span:
        """Return the span of an operation's output, from its first input or from all inputs."""
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
            cells = Scale.of(operation.scale).edges[self.axis]
            reach = operation.corrections
            moved = self._seen(span, share, block(cells, reach))
            return _joined([moved, self._seen(spans[1], share, parent(cells, reach))])
        windows = windows_of(operation, self.axis)
        return _Span(share) if windows is None else self._seen(span, share, windows)

    def _seen(self, span: _Span, share: Fraction, windows: Windows) -> _Span:
        """Return the span of cells that are computed from windows of another tensor's cells."""
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
        """Return the span of a recurrent layer.

        Each step sees a window of the input and a window of the preceding step's output.
        """
        assert span.share is not None
        windows = around(layer.kernel_size, 1, 1)
        assert windows is not None
        earlier = [self._seen(span, span.share, windows)]
        for _ in range(self.steps - 1):
            earlier.append(self._seen(_before(earlier[-1]), span.share, windows))
        return _joined(earlier)


def _before(span: _Span) -> _Span:
    """Shift a span back by one time step; steps before the window depend on no cell."""
    assert span.first is not None
    assert span.last is not None
    first, last = np.roll(span.first, 1, axis=0), np.roll(span.last, 1, axis=0)
    first[0], last[0] = NOWHERE, -NOWHERE
    return _Span(span.share, first, last)


def _joined(spans: list[_Span]) -> _Span:
    """Combine spans; the result covers the whole field if the cell sizes differ."""
    share = next((span.share for span in spans if span.share is not None), None)
    firsts = [span.first for span in spans if span.first is not None]
    lasts = [span.last for span in spans if span.last is not None]
    if len(firsts) < len(spans) or any(span.share != share for span in spans):
        return _Span(share)
    return _Span(share, np.minimum.reduce(firsts), np.maximum.reduce(lasts))
