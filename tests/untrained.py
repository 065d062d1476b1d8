"""Models with random weights in place of trained ones: quick, and nothing is near zero."""

from unittest import mock

import numpy as np
import xarray as xr

from xr_dl4ds.fitting import fit
from xr_dl4ds.model.build import build
from xr_dl4ds.training import Trained

TINY = {"n_filters": 4, "n_blocks": 1, "verbose": False}


def untrained(data, *args, noise=0.1, **options):
    """Fit without training: `data`, `args` and `options` are those of ``.downscale.fit``."""

    def trained(prepared, options, start):
        network = build(prepared.state, options)
        rng = np.random.default_rng(0)
        network.set_weights([w + noise * rng.normal(size=w.shape) for w in network.get_weights()])
        history = xr.Dataset({"loss": ("epoch", [0.0])}, coords={"epoch": [1]})
        return Trained(network=network, history=history, best_epoch=1)

    with mock.patch.object(fit, "_trained", trained):
        return data.downscale.fit(*args, **{**TINY, **options})
