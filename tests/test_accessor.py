"""The accessor translates and calls; it keeps nothing."""

import inspect
import pickle

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.conftest import no_compute
from xr_dl4ds import accessor
from xr_dl4ds.config import OPTION_CLASSES
from xr_dl4ds.exceptions import GridError


def test_it_is_on_datasets_and_dataarrays(hr):
    assert isinstance(hr.downscale, accessor.DownscaleAccessor)
    assert isinstance(hr.t2m.downscale, accessor.DownscaleAccessor)


def test_it_stores_the_object_alone(hr):
    hr.downscale.fit(scale=2, epochs=1, n_filters=4, n_blocks=1, verbose=False)
    assert vars(hr.downscale) == {"_obj": hr}
    pickle.loads(pickle.dumps(hr))


def test_completion_shows_every_option_with_its_default(hr):
    shown = inspect.signature(hr.downscale.fit).parameters
    for cls in OPTION_CLASSES.values():
        for name in inspect.signature(cls).parameters:
            assert shown[name].default == getattr(cls(), name)
            assert shown[name].kind is inspect.Parameter.KEYWORD_ONLY
    assert "options" not in shown
    assert list(shown)[:2] == ["hr", "scale"]


def test_flat_options_win_over_objects(hr):
    model = hr.downscale.fit(
        scale=2,
        network=xd.Network(n_filters=8, n_blocks=1, backbone="convnet"),
        training=xd.Supervised(epochs=5, verbose=False),
        n_filters=4,
        epochs=1,
    )
    network = model.options.network
    assert (network.n_filters, network.n_blocks, network.backbone) == (4, 1, "convnet")
    assert model.history.sizes["epoch"] == 1


def test_coarsen_of_a_dataarray_equals_that_of_the_dataset(hr):
    expected = hr.downscale.coarsen(4).t2m
    actual = hr.t2m.downscale.coarsen(4)
    assert isinstance(actual, xr.DataArray)
    np.testing.assert_array_equal(actual, expected)
    # bounds cannot travel with a DataArray: nothing may point to them
    assert "bounds" not in actual.latitude.attrs
    assert "bounds" in hr.downscale.coarsen(4).latitude.attrs


@pytest.mark.parametrize(
    ("act", "role"),
    [
        (lambda ds, like: ds.downscale.coarsen(2), "the data to coarsen"),
        (lambda ds, like: ds.downscale.interpolate(like), "the data"),
    ],
)
@pytest.mark.parametrize("mark", [-9999.0, 1e20])
def test_marks_of_missing_values_are_told(hr, act, role, mark, caplog):
    like = hr.isel(latitude=slice(1, None), longitude=slice(1, None))
    act(hr, like)
    assert "marks missing" not in caplog.text
    odd = hr.copy(deep=True)
    odd.t2m[2, 1, 1] = mark
    with no_compute():
        act(odd.chunk(), like)
    act(odd.assign(t2m=odd.t2m.assign_attrs(_FillValue=np.float32(mark))), like)
    assert "often marks missing" not in caplog.text
    extreme = "least" if mark < 0 else "largest"
    for given in (odd, odd.t2m):
        caplog.clear()
        act(given, like)
        said = f"the {extreme} value of 't2m' of {role} is {mark:g}, which often marks missing"
        assert said in caplog.text


def test_interpolate_of_a_dataarray(hr):
    low = hr.t2m.downscale.coarsen(2)
    actual = low.downscale.interpolate(hr.orog, method="nearest")
    expected = np.repeat(np.repeat(low.values, 2, axis=1), 2, axis=2)
    np.testing.assert_array_equal(actual, expected)
    assert actual.name == "t2m"
    assert actual.attrs["units"] == "K"


def test_named_dimensions_win_over_discovery(hr):
    odd = hr.rename(latitude="b", longitude="a", time="when")
    for dim in ("a", "b"):
        odd[dim].attrs = {}
    with pytest.raises(ValueError, match=r"Expected one y dimension.*Pass y_dim="):
        odd.downscale.coarsen(2)
    actual = odd.downscale.coarsen(2, x_dim="a", y_dim="b")
    np.testing.assert_array_equal(actual.t2m, hr.downscale.coarsen(2).t2m)
    names = {"x_dim": "a", "y_dim": "b", "time_dim": "when"}
    model = odd.downscale.fit(scale=2, epochs=1, n_filters=4, n_blocks=1, verbose=False, **names)
    low = actual[["t2m"]]
    sr = low.downscale.predict(model, **names)
    assert sr.t2m.dims == ("when", "b", "a")
    scores = sr.downscale.evaluate(odd, **names)
    assert scores.rmse_map.dims == ("product", "b", "a")
    figure = sr.downscale.plot(lr=low, hr=odd, time=1, **names)
    assert len(figure.axes) == 6  # four maps, two colour bars


def test_samples_need_not_be_times(hr):
    samples = hr.rename(time="sample").assign_coords(sample=np.arange(8) * 10)
    model = samples.downscale.fit(
        scale=2, time_dim="sample", epochs=1, n_filters=4, n_blocks=1, verbose=False
    )
    low = samples[["t2m"]].downscale.coarsen(2)
    sr = low.downscale.predict(model, time_dim="sample")
    assert sr.t2m.dims == ("sample", "latitude", "longitude")
    np.testing.assert_array_equal(sr["sample"], np.arange(8) * 10)


def test_cells_left_over_are_not_dropped_unasked(hr):
    with pytest.raises(GridError, match="a grid that scale 3 divides"):
        hr.downscale.coarsen(3)
    assert hr.downscale.coarsen(3, trim=True).sizes["latitude"] == 2
