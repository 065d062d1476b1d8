"""All real files go the whole way with nothing renamed, and other tools read what comes out."""

import pathlib
import warnings

import numpy as np
import pytest
import xarray as xr

from tests.cf import cf_problems
from tests.real_files import FILES, hr_values, run, table

# two epochs on each, once in one process
pytestmark = pytest.mark.slow

NAMES = [f.name for f in FILES]
FILE = {f.name: f for f in FILES}


@pytest.fixture(params=NAMES)
def file(request):
    return FILE[request.param]


@pytest.fixture
def result(file):
    return run(file.name)


def test_it_lies_on_the_hr_cells(file, result):
    sr, hr = result.prediction, result.hr
    for dim in (hr.downscale.grid.y, hr.downscale.grid.x):
        whole = hr.sizes[dim] // file.scale * file.scale
        np.testing.assert_array_equal(sr[dim], hr[dim][:whole])
        assert sr[dim].attrs["bounds"] in sr.variables


def test_it_is_a_downscaled_field_and_no_noise(file, result):
    """After two epochs a prediction is near its truth; the mean over LR cells is nearer still."""
    for name in result.prediction.data_vars:
        if file.lr is not None:
            continue
        truth = hr_values(result, name).astype("f8")
        error = result.prediction[name].to_numpy() - truth
        assert np.sqrt(np.nanmean(error**2)) < 0.6 * np.nanstd(truth)


def test_dimensions_are_those_of_the_input(file, result):
    for name, variable in result.prediction.data_vars.items():
        like = result.lr[name]
        assert variable.dims == like.dims
        for dim in set(like.dims) - set(result.hr[name].dims[-2:]):
            assert variable.sizes[dim] == like.sizes[dim]
            if dim in like.coords:
                np.testing.assert_array_equal(variable[dim], like[dim])


def test_it_is_read_back_as_it_was(result):
    with xr.open_dataset(result.path, engine="netcdf4", decode_coords="all") as back:
        for name, variable in result.prediction.data_vars.items():
            np.testing.assert_array_equal(back[name], variable)
            assert back[name].encoding["dtype"] == "float32"
            assert "scale_factor" not in back[name].encoding


def test_gdal_and_the_checker_read_it(file, result):
    rasterio = pytest.importorskip("rasterio")
    name = next(iter(result.prediction.data_vars))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(f"netcdf:{result.path}:{name}") as raster:
            transform, crs = raster.transform, raster.crs
    problems = cf_problems(result.path)
    if file.name == "mrms_patches_002deg.nc":  # offsets in a patch: x and y of no projection
        assert crs is None
        assert problems == [
            f"{kind} variable '{axis}' should define valid units for {kind}"
            for kind, axis in (("latitude", "y"), ("longitude", "x"))
        ]
        return
    assert problems == []
    y, x = result.prediction[name].dims[-2:]
    centres = result.prediction[x].to_numpy(), result.prediction[y].to_numpy()
    width, height = (float(np.diff(v).mean()) for v in centres)
    assert transform.a == pytest.approx(width, rel=1e-4)
    assert abs(transform.e) == pytest.approx(abs(height), rel=1e-4)
    assert transform.c + width / 2 == pytest.approx(float(centres[0][0]), abs=1e-3 * abs(width))
    assert crs is not None


def test_the_table_in_the_documentation_is_this_one():
    page = pathlib.Path(__file__).parents[1] / "docs" / "files_table.md"
    assert page.read_text("utf-8") == table(), "run python docs/make_files.py"
