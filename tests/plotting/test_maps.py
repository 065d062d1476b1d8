import datetime
import warnings

import cftime
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, no_compute
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.plotting import plot


@pytest.fixture
def hr():
    return analytic()[["t2m"]]


@pytest.fixture
def lr(hr):
    return hr.downscale.coarsen(4)


@pytest.fixture
def sr(hr):
    """A prediction half a kelvin too warm, and more so in the east."""
    warmer = hr.t2m + 0.5 + xr.DataArray(np.linspace(0, 2, 12, dtype="f4"), dims="longitude")
    return hr.assign(t2m=warmer.assign_attrs(hr.t2m.attrs))


def panels(figure):
    """The maps by the first word of their titles."""
    return {a.get_title().split()[0]: a for a in figure.axes if a.get_title()}


def values(axes):
    """What is drawn, rows from the south."""
    (mesh,) = axes.collections
    return np.ma.filled(mesh.get_array(), np.nan)


def limits(axes):
    return axes.collections[0].get_clim()


@pytest.mark.parametrize("text", ["cost in $", r"$\badcommand$", "W m$^{-2}$", "a $5 b $6"])
def test_dollars_in_names_do_not_stop_it(sr, lr, text, tmp_path):
    odd = sr.assign(t2m=sr.t2m.assign_attrs(long_name=text, units=text))
    odd.longitude.attrs["units"] = text
    figure = plot(odd, lr=lr.drop_attrs(), hr=odd)
    figure.savefig(tmp_path / "a.png")
    labels = [axes.get_ylabel() for axes in figure.axes]
    plain = text in ("W m$^{-2}$", "a $5 b $6")
    assert any((text if plain else text.replace("$", r"\$")) in one for one in labels)


def drawn(ds, step):
    return ds.t2m.isel(time=step).sortby("latitude").transpose("latitude", "longitude")


def test_panels_titles_and_values(sr, lr, hr):
    figure = sr.downscale.plot(lr=lr, hr=hr, time=3)
    maps = panels(figure)
    assert list(maps) == ["LR", "prediction", "truth", "error"]
    for name, ds in (("LR", lr), ("prediction", sr), ("truth", hr)):
        np.testing.assert_array_equal(values(maps[name]), drawn(ds, 3))
    error = drawn(sr, 3) - drawn(hr, 3)
    np.testing.assert_allclose(values(maps["error"]), error, atol=1e-4)
    # 0.5 + 0..2 has the mean 1.5; the mean square is 2.25 + 2**2 * (13 / 11) / 12 = 2.644
    assert maps["error"].get_title() == "error (bias 1.5, RMSE 1.6 K)"
    assert figure.get_suptitle() == "t2m, 2001-01-01 18:00:00"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["prediction"]),
        ({"lr"}, ["LR", "prediction"]),
        ({"hr"}, ["prediction", "truth", "error"]),
    ],
    ids=str,
)
def test_only_what_is_given_is_drawn(sr, lr, hr, given, expected):
    fields = {"lr": lr, "hr": hr}
    figure = plot(sr, **{name: fields[name] for name in given})
    assert list(panels(figure)) == expected


def test_colours_are_shared_and_the_error_is_centred_on_zero(sr, lr, hr):
    figure = sr.downscale.plot(lr=lr, hr=hr, time=2)
    maps = panels(figure)
    fields = [drawn(ds, 2) for ds in (sr, lr, hr)]
    expected = (min(float(f.min()) for f in fields), max(float(f.max()) for f in fields))
    for name in ("LR", "prediction", "truth"):
        assert limits(maps[name]) == pytest.approx(expected)
        assert maps[name].collections[0].get_cmap().name == "viridis"
    # the largest error is 2.5 K; an error of its own minimum would begin at +0.5
    assert limits(maps["error"]) == pytest.approx((-2.5, 2.5), abs=1e-4)
    assert maps["error"].collections[0].get_cmap().name.startswith("RdBu")
    bars = [a.get_ylabel() for a in figure.axes if not a.get_title()]
    assert sorted(bars) == ["2 metre temperature / K", "prediction - truth / K"]


def test_axes_say_what_they_are(sr):
    (axes,) = panels(sr.downscale.plot()).values()
    assert axes.get_xlabel() == "longitude / degrees_east"
    assert axes.get_ylabel() == "latitude / degrees_north"
    # the rim of the outer cells, north up
    assert axes.get_xlim() == pytest.approx((4.875, 7.875))
    assert axes.get_ylim() == pytest.approx((48.125, 50.125))


# --- which step -----------------------------------------------------------------------------------


def test_lr_and_truth_are_taken_by_time(sr, lr, hr):
    # position 2 of the prediction is 12 h; lr lacks the first step, hr is in reverse
    figure = sr.downscale.plot(lr=lr.isel(time=slice(1, 8)), hr=hr.isel(time=slice(None, None, -1)),
                               time=2)  # fmt: skip
    maps = panels(figure)
    np.testing.assert_array_equal(values(maps["LR"]), drawn(lr, 2))
    np.testing.assert_array_equal(values(maps["truth"]), drawn(hr, 2))


def test_negative_positions_count_from_the_end(sr, lr, hr):
    maps = panels(sr.isel(time=slice(0, 4)).downscale.plot(lr=lr, hr=hr, time=-1))
    for name, ds in (("prediction", sr), ("LR", lr), ("truth", hr)):
        np.testing.assert_array_equal(values(maps[name]), drawn(ds, 3))


def test_a_selected_step_is_compared_with_its_own_time(sr, lr, hr):
    # isel(time=5) leaves a scalar time: step 0 of the others would be 30 hours earlier
    figure = sr.isel(time=5).downscale.plot(lr=lr, hr=hr)
    maps = panels(figure)
    np.testing.assert_array_equal(values(maps["LR"]), drawn(lr, 5))
    np.testing.assert_array_equal(values(maps["truth"]), drawn(hr, 5))
    assert figure.get_suptitle() == "t2m, 2001-01-02 06:00:00"


def test_selected_steps_on_both_sides(sr, lr, hr):
    maps = panels(sr.isel(time=5).downscale.plot(lr=lr.isel(time=5), hr=hr.isel(time=5)))
    np.testing.assert_array_equal(values(maps["LR"]), drawn(lr, 5))
    np.testing.assert_array_equal(values(maps["truth"]), drawn(hr, 5))


def test_cftime(sr, lr, hr):
    sr, lr, hr = (ds.convert_calendar("noleap") for ds in (sr, lr, hr))
    maps = panels(sr.downscale.plot(lr=lr, hr=hr.isel(time=slice(2, 8)), time=4))
    np.testing.assert_array_equal(values(maps["truth"]), drawn(hr, 4))


# --- layouts --------------------------------------------------------------------------------------


def test_layouts_do_not_matter(sr, lr, hr):
    expected = panels(sr.downscale.plot(lr=lr, hr=hr))
    turned = hr.sortby("latitude").transpose("longitude", "time", "latitude")
    turned = turned.assign_coords(longitude=turned.longitude + 360)  # 365 is 5 degrees east
    turned.longitude.attrs = hr.longitude.attrs
    actual = panels(sr.transpose("longitude", ...).downscale.plot(lr=lr.t2m, hr=turned.t2m))
    assert list(actual) == list(expected)
    for name, axes in actual.items():
        np.testing.assert_allclose(values(axes), values(expected[name]), atol=1e-4)
        assert axes.get_xlim() == pytest.approx((4.875, 7.875))


def test_regions_at_the_date_line_are_drawn_side_by_side(sr, hr):
    # HR begins at 179.625, its LR cells at 180, which is -180: one map must not be a turn away
    west = {"longitude": ("longitude", 179.625 + 0.25 * np.arange(12), hr.longitude.attrs)}
    sr, hr = sr.assign_coords(west), hr.assign_coords(west)
    maps = panels(sr.downscale.plot(lr=hr.downscale.coarsen(4), hr=hr))
    for axes in maps.values():
        low, high = axes.get_xlim()
        assert high - low == pytest.approx(3.0)


def test_larger_truth_is_cut_to_the_prediction(sr, hr):
    maps = panels(sr.isel(latitude=slice(2, 6), longitude=slice(4, 9)).downscale.plot(hr=hr))
    assert values(maps["truth"]).shape == (4, 5)
    expected = (drawn(sr, 0) - drawn(hr, 0)).isel(latitude=slice(2, 6), longitude=slice(4, 9))
    np.testing.assert_allclose(values(maps["error"]), expected, atol=1e-4)


def test_truth_on_other_cells_has_no_error(sr, hr):
    other = hr.assign_coords(latitude=("latitude", hr.latitude.data + 0.1, hr.latitude.attrs))
    assert list(panels(sr.downscale.plot(hr=other))) == ["prediction", "truth"]


def test_a_variable_by_name(sr, hr):
    three = xr.full_like(hr.t2m, 3).drop_attrs()
    both = sr.assign(pr=three.assign_attrs(units="mm", standard_name="rainfall"))
    both = both.assign_coords(sr.coords)
    figure = both.downscale.plot(variable="pr")
    assert (values(panels(figure)["prediction"]) == 3).all()
    assert figure.get_suptitle().startswith("pr, ")
    assert [a.get_ylabel() for a in figure.axes if not a.get_title()] == ["rainfall / mm"]


def test_masked_fields(sr, lr, hr):
    sea = xr.DataArray(np.arange(12) < 6, dims="longitude")
    sr, hr = sr.where(sea), hr.where(sea)
    maps = panels(sr.downscale.plot(lr=lr, hr=hr))
    assert np.isnan(values(maps["prediction"])).sum() == 48
    assert np.isfinite(limits(maps["LR"])).all()
    # east of the mask nothing is there: bias over the six western columns, 0.5 + mean(0..10/11)
    assert maps["error"].get_title().startswith("error (bias 0.95,")


@pytest.mark.filterwarnings("error")
def test_a_field_of_nan_does_not_spoil_the_others(sr, hr):
    maps = panels(sr.where(False).downscale.plot(hr=hr))
    expected = float(hr.t2m[0].min()), float(hr.t2m[0].max())
    assert limits(maps["truth"]) == pytest.approx(expected)


@pytest.mark.filterwarnings("error")
def test_a_perfect_prediction_can_be_drawn(hr, tmp_path):
    figure = hr.downscale.plot(hr=hr)
    assert panels(figure)["error"].get_title() == "error (bias 0, RMSE 0 K)"
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


# --- habits ---------------------------------------------------------------------------------------


def test_one_step_is_computed_and_nothing_is_changed(sr, lr, hr):
    loaded = []
    lazy = sr.chunk(time=1)
    lazy["t2m"] = lazy.t2m.copy(data=lazy.t2m.data.map_blocks(
        lambda block, block_info=None: (loaded.append(block_info[0]["chunk-location"]), block)[1],
        dtype="f4", meta=np.empty((0, 0, 0), "f4"),
    ))  # fmt: skip
    with no_compute(), pytest.raises(AssertionError, match="dask computed"):
        lazy.downscale.plot()
    copies = [ds.copy(deep=True) for ds in (lr, hr)]
    maps = panels(lazy.downscale.plot(lr=lr, hr=hr, time=6))
    assert {location[0] for location in loaded} == {6}
    np.testing.assert_array_equal(values(maps["prediction"]), drawn(sr, 6))
    for ds, copy in zip((lr, hr), copies, strict=True):
        xr.testing.assert_identical(ds, copy)


def test_figures_do_not_gather_in_pyplot(sr):
    before = plt.get_fignums()
    for _ in range(3):
        sr.downscale.plot()
    assert plt.get_fignums() == before


def test_dimensions_named_by_the_caller(sr, lr, hr):
    odd = [
        ds.rename(time="t", latitude="a", longitude="b").drop_attrs(deep=True)
        for ds in (sr, lr, hr)
    ]
    figure = odd[0].downscale.plot(lr=odd[1], hr=odd[2], x_dim="b", y_dim="a", time_dim="t", time=1)
    np.testing.assert_array_equal(values(panels(figure)["truth"]), drawn(hr, 1))
    assert panels(figure)["LR"].get_xlabel() == "b"


ERRORS = {
    "variable": ({"variable": "t2n"}, r"one of \['t2m'\], got 't2n'. Did you mean 't2m'\?"),
    "time": ({"time": 8}, r"a position or a date among 8 steps from .*, got 8\."),
    "negative time": ({"time": -9}, r"a position or a date among 8 steps from .*, got -9\."),
    "date": ({"time": "2002-01"}, r"a position or a date among 8 steps from .*, got '2002-01'"),
    "no date": ({"time": "noon"}, r"a position or a date among 8 steps from .*, got 'noon'"),
    "lr without it": ({"lr": lambda lr: lr.rename(t2m="tas")}, "LR data to have 't2m'.*'tas'"),
    "lr at other times": (
        {"lr": lambda lr: lr.isel(time=slice(1, 8))},
        "LR data to have the time 2001-01-01 00:00:00, got 2001-01-01 06:00:00 to",
    ),
    "lr without steps": ({"lr": lambda lr: lr.isel(time=slice(0))}, "LR data to have"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_say_what_is_missing(sr, lr, case):
    options, match = ERRORS[case]
    options = {k: v(lr) if callable(v) else v for k, v in options.items()}
    with pytest.raises(VariableError, match=match):
        sr.downscale.plot(**options)


@pytest.mark.parametrize(
    ("date", "step"),
    [
        ("2001-01-02T06", 5),
        ("2001-01-02", 4),
        ("2001-01", 0),
        (np.datetime64("2001-01-01T18"), 3),
        (datetime.datetime(2001, 1, 1, 12), 2),
        (datetime.date(2001, 1, 2), 4),
        (cftime.DatetimeGregorian(2001, 1, 1, 18), 3),
    ],
)
@pytest.mark.parametrize("calendar", ["numpy", "noleap"])
def test_a_date_for_a_position(sr, date, step, calendar):
    expected = drawn(sr, step)
    if calendar == "noleap":
        sr = sr.convert_calendar("noleap", use_cftime=True)
        if isinstance(date, cftime.datetime):
            date = sr.time.values[step]
    figure = sr.downscale.plot(time=date)
    np.testing.assert_allclose(values(panels(figure)["prediction"]), expected)


def test_nothing_to_draw(sr):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert panels((sr * np.nan).downscale.plot())
    with pytest.raises(VariableError, match=r"a date among 0 steps, got 0"):
        sr.isel(time=slice(0)).downscale.plot()


def test_large_errors_are_written_out(sr, hr):
    figure = (sr + 123.4).downscale.plot(hr=hr)
    assert panels(figure)["error"].get_title() == "error (bias 125, RMSE 125 K)"


def test_precipitation_has_a_map_of_its_own(sr):
    rain = sr.rename(t2m="pr").drop_attrs()
    assert panels(rain.downscale.plot())["prediction"].collections[0].get_cmap().name == "YlGnBu"


def test_long_labels_are_broken_into_lines(sr):
    sr.t2m.attrs["long_name"] = "two metre temperature of the air above the ground in the shade"
    label = sr.downscale.plot().axes[-1].get_ylabel()
    assert max(map(len, label.splitlines())) <= 36
    assert " ".join(label.split()).startswith("two metre temperature of the air above")
