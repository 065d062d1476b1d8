import numpy as np
import xarray as xr

from xr_dl4ds.metrics.pairs import in_one_chunk


def test_chunks_are_joined_along_the_dimensions_alone():
    field = xr.DataArray(np.zeros((6, 4)), dims=("time", "x"))
    assert in_one_chunk(field, ["x"]).chunks is None
    lazy = field.chunk(time=2, x=2)
    assert in_one_chunk(lazy, ["x"]).chunksizes["x"] == (4,)
    assert in_one_chunk(lazy, ["time", "x"]).chunks == ((6,), (4,))


def test_fields_that_are_whole_keep_their_chunks():
    # joining steps would need the memory of many fields at once
    lazy = xr.DataArray(np.zeros((6, 4)), dims=("time", "x")).chunk(time=2)
    assert in_one_chunk(lazy, ["x"]).chunks == ((2, 2, 2), (4,))
