"""The dask task of a tile: from the LR chunks that the tile reads to its HR cells."""

from __future__ import annotations

import dataclasses

import numpy as np

from xr_dl4ds.config import Scale
from xr_dl4ds.grid.cf.time_axis import Windows
from xr_dl4ds.inference.application import Application
from xr_dl4ds.inference.pickling import Carried
from xr_dl4ds.inference.tiles import Place
from xr_dl4ds.inference.windowed import predict_windows


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TileTask:
    """The application of a network to one tile of a block of steps.

    Parameters
    ----------
    scale, context, token, realization
        See `Application`.
    place : Place
        The LR cells of the domain that the tile reads, besides the cells around them.
    inner : tuple of slice
        The part of these cells that the tile predicts, along y and x.
    cut : tuple of list of slice
        The part that is read of each chunk, along time, y and x.
    windows : Windows, optional
        The windows of the steps.
    """

    scale: Scale
    context: int
    token: str
    realization: int | None
    place: Place
    inner: tuple[slice, slice]
    cut: tuple[list[slice], ...]
    windows: Windows | None

    def __call__(
        self,
        network: Carried,
        fixed: dict[str, np.ndarray],
        chunks: list[list[list[np.ndarray]]],
        keys: list[np.ndarray] | None,
    ) -> np.ndarray:
        """Join the chunks, predict, and crop the prediction to the kept cells."""
        application = Application(
            network=network.network,
            fixed=fixed,
            scale=self.scale,
            context=self.context,
            token=self.token,
            realization=self.realization,
        ).at(self.place)
        lr = self._joined(chunks)
        drawn = None
        if keys is not None:
            drawn = np.concatenate([k[s] for k, s in zip(keys, self.cut[0], strict=True)])
        if self.windows is None:
            predicted = application(lr, drawn)
        else:
            predicted = predict_windows(application, self.windows, lr, drawn)
        y, x = (
            slice(k.start * cells, k.stop * cells)
            for k, cells in zip(self.inner, self.scale.edges, strict=True)
        )
        return predicted[:, y, x]

    def _joined(self, chunks: list[list[list[np.ndarray]]]) -> np.ndarray:
        in_time, along_y, along_x = self.cut
        parts = [
            [
                [chunk[t, y, x] for chunk, x in zip(row, along_x, strict=True)]
                for row, y in zip(step, along_y, strict=True)
            ]
            for step, t in zip(chunks, in_time, strict=True)
        ]
        whole = _join([_join([_join(row, 2) for row in step], 1) for step in parts], 0)
        return np.ascontiguousarray(whole)


def _join(parts: list[np.ndarray], axis: int) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis)
