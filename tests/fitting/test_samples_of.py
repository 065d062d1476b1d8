"""Samples of the data of a fit."""

import numpy as np
import xarray as xr

from tests.fitting.test_calibration import STEPS
from xr_dl4ds.data.channels import CHANNEL
from xr_dl4ds.data.prepare import SampleChannels
from xr_dl4ds.fitting.samples_of import _some
from xr_dl4ds.grid.names import TIME


def test_evenly_spread_steps_or_a_run():
    array = xr.DataArray(np.arange(500.0), dims=TIME).expand_dims({CHANNEL: 1})
    plain = SampleChannels(lr=array, target=array, steps=STEPS)
    chosen = _some(plain, 1, 64, 10**6)
    assert (chosen[0], chosen[-1], chosen.size) == (0, 499, 64)
    assert _some(plain, 1, 64, 10).size == 10
    runs = [slice(0, 20), slice(20, 320), slice(320, 500)]
    of_windows = SampleChannels(lr=array, target=array, steps=STEPS, runs=runs)
    assert _some(of_windows, 3, 64, 10**6) == slice(20, 84)
    assert _some(of_windows, 3, 64, 1) == slice(20, 23)
