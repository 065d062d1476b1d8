import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from xr_dl4ds.grid.cf import rechunk
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import standardize
from xr_dl4ds.grid.cf.rechunk import in_pieces


@pytest.fixture
def small(monkeypatch):
    """Two steps of `analytic` are a chunk, and more than four of them large."""
    step = analytic().t2m.nbytes // 8
    monkeypatch.setattr(rechunk, "LARGE", 4 * step)
    monkeypatch.setattr(rechunk, "CHUNK", 2 * step)


def test_large_variables_are_chunked_in_time(small, caplog):
    caplog.set_level("INFO")
    hr = analytic()
    found = in_pieces(hr, "time", "the HR data")
    assert found.t2m.chunks == ((2, 2, 2, 2), (8,), (12,))
    assert found.orog.chunks is None
    assert "['t2m'] of the HR data are read in chunks along time" in caplog.text
    assert hr.t2m.chunks is None
    xr.testing.assert_identical(found.compute(), hr)


def test_small_and_chunked_ones_are_left(small):
    few = analytic(time=4)
    assert in_pieces(few, "time", "the HR data") is few
    chunked = analytic().chunk(time=5)
    assert in_pieces(chunked, "time", "the HR data").t2m.chunksizes["time"] == (5, 3)
    assert in_pieces(analytic(), None, "the HR data").t2m.chunks is None


def test_a_file_opened_without_chunks_is_not_read(small, tmp_path):
    path = tmp_path / "hr.nc"
    analytic().to_netcdf(path, engine="netcdf4", encoding={"t2m": {"chunksizes": (3, 8, 12)}})
    with xr.open_dataset(path, engine="netcdf4") as ds:
        fields = standardize(ds, Dims(), "the HR data")
        assert fields.data.t2m.chunksizes["time"] == (3, 3, 2)  # those of the file
        assert not ds.t2m.variable._in_memory
        np.testing.assert_array_equal(
            fields.data.t2m, analytic().t2m.isel(latitude=slice(None, None, -1))
        )
