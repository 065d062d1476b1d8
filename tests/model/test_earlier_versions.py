"""Models that earlier versions of the package saved load, and predict as they did.

`tests.saved.make` made the files. They are predictions of one machine; another one may round
differently.
"""

import pathlib

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd

FOLDERS = sorted((pathlib.Path(__file__).parents[1] / "saved").glob("format_*/*"))
MEMBERS = {"realizations": 2, "seed": 3}


def test_each_kind_is_there():
    assert len(FOLDERS) >= 10


@pytest.mark.traced
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_saved_model_predicts_as_before(folder):
    model = xd.load(folder / "model")
    lr = xr.load_dataset(folder / "lr.nc", engine="netcdf4")
    expected = xr.load_dataset(folder / "prediction.nc", engine="netcdf4")
    arguments = MEMBERS if "realization" in expected.dims else {}
    actual = lr.downscale.predict(model, **arguments)
    xr.testing.assert_equal(
        actual.drop_vars(model.state.features.targets),
        expected.drop_vars(model.state.features.targets),
    )
    for name in model.state.features.targets:
        np.testing.assert_allclose(actual[name], expected[name], rtol=1e-5, atol=1e-5)
        assert actual[name].attrs.keys() == expected[name].attrs.keys()
