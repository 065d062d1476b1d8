import numpy as np
import pytest
import xarray as xr

from tests.metrics.test_baselines import pair, scored_beside
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.fields import standardize
from xr_dl4ds.metrics import quantile_mapping
from xr_dl4ds.metrics.quantile_mapping import FEWEST, QUANTILES, quantile_mapped

LEVELS = (np.arange(QUANTILES) + 0.5) / QUANTILES
SEASONS = ["DJF", "MAM", "JJA", "SON"]


def mapped(train, given, *, dry=False):
    """The mapping itself, in the layout of the HR data."""
    fields = [standardize(ds, Dims(), "data") for ds in (*train, *given)]
    out = quantile_mapped(*fields, {"t2m": dry}).t2m
    hr = given[1]
    return xr.DataArray(out.data[:, ::-1], hr.t2m.coords, hr.t2m.dims)  # latitudes fall


def by_loops(train, given, *, dry=False):
    """np.quantile and np.interp for each cell and season."""
    raw = [lr.downscale.interpolate(hr, method="bilinear").t2m for lr, hr in (train, given)]
    low, high, new = (one.to_numpy().astype("f8") for one in (raw[0], train[1].t2m, raw[1]))
    seasons = [one.time.dt.season.to_numpy() for one in raw]
    out = np.full(new.shape, np.nan)
    for j, i in np.ndindex(*new.shape[1:]):
        valid = ~np.isnan(low[:, j, i]) & ~np.isnan(high[:, j, i])
        for season in SEASONS:
            inside = valid & (seasons[0] == season)
            inside = inside if inside.sum() >= FEWEST else valid
            if not inside.any():
                continue
            q = [np.quantile(one[inside, j, i], LEVELS) for one in (low, high)]
            at = seasons[1] == season
            own = new[at, j, i]
            values = own + np.interp(own, q[0], q[1] - q[0])
            if dry:
                values = np.where(own <= 0, 0, np.maximum(values, 0))
            out[at, j, i] = values
    return out


def parts(lr, hr, at=900):
    train, test = {"time": slice(0, at)}, {"time": slice(at, None)}
    return (lr.isel(train), hr.isel(train)), (lr.isel(test), hr.isel(test))


def test_it_equals_plain_loops():
    train, given = parts(*pair())
    actual = mapped(train, given)
    np.testing.assert_allclose(actual, by_loops(train, given), atol=1e-3)
    assert abs(float((actual - given[1].t2m).mean())) < 0.15


def test_lazy_data_are_mapped_when_they_are_computed(monkeypatch):
    train, given = parts(*pair(300), at=240)
    expected = mapped(train, given)
    blocks = []
    plain = quantile_mapping._map_block
    monkeypatch.setattr(
        quantile_mapping,
        "_map_block",
        lambda values, *a, **k: blocks.append(values.shape) or plain(values, *a, **k),
    )
    lazy = [tuple(ds.chunk(time=50, latitude=2) for ds in one) for one in (train, given)]
    actual = mapped(*lazy)
    assert actual.chunks is not None
    assert not blocks
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    assert sorted(shape[0] for shape in blocks) == [10, 50]


def test_gaps_in_single_cells_and_seasons():
    train, given = parts(*pair())
    low, high = (ds.copy(deep=True) for ds in train)
    high["t2m"][100:140, 2, 3] = np.nan
    high["t2m"][:, 5, 5] = np.nan  # no value: not scored
    summer = np.flatnonzero(high.time.dt.season.to_numpy() == "JJA")
    high["t2m"][summer[FEWEST - 1 :], 4, 4] = np.nan  # too few: quantiles of all seasons
    low["t2m"][200:220, 0, 0] = np.nan
    actual = mapped((low, high), given)
    np.testing.assert_allclose(actual, by_loops((low, high), given), atol=1e-3)
    assert np.isnan(actual[:, 5, 5]).all()
    assert not np.isnan(actual[:, 4, 4]).any()


def test_gaps_in_lr_fields_that_are_scored():
    train, given = parts(*pair(300), at=240)
    low = given[0].copy(deep=True)
    low["t2m"][3] = np.nan
    actual = mapped(train, (low, given[1]))
    assert np.isnan(actual[3]).all()
    np.testing.assert_array_equal(actual[4], mapped(train, given)[4])


@pytest.mark.parametrize("kind", ["noleap", "360_day"])
def test_other_calendars(kind):
    train, given = parts(*pair(300), at=240)
    both = [
        tuple(
            ds.convert_calendar(kind, align_on="date" if kind == "360_day" else None) for ds in one
        )
        for one in (train, given)
    ]
    np.testing.assert_allclose(mapped(*both), by_loops(*both), atol=1e-3)


def test_steps_without_dates_have_the_quantiles_of_all_steps():
    lr, hr = (ds.assign_coords(time=np.arange(300)) for ds in pair(300))
    train, given = parts(lr, hr, at=240)
    actual = mapped(train, given)
    raw = [one[0].downscale.interpolate(one[1], method="bilinear").t2m for one in (train, given)]
    cell = {"latitude": 2, "longitude": 7}
    q = [np.quantile(one.isel(cell).astype("f8"), LEVELS) for one in (raw[0], train[1].t2m)]
    own = raw[1].isel(cell).to_numpy()
    np.testing.assert_allclose(
        actual.isel(cell), own + np.interp(own, q[0], q[1] - q[0]), atol=1e-3
    )


def test_values_beyond_training_have_the_correction_of_the_outer_quantile():
    train, given = parts(*pair(300), at=240)
    warm = given[0].copy(deep=True)
    warm["t2m"] += 100
    hot = warm.copy(deep=True)
    hot["t2m"] += 10
    rise = mapped(train, (hot, given[1])) - mapped(train, (warm, given[1]))
    np.testing.assert_allclose(rise, 10, atol=1e-3)


def test_rain_is_never_negative_and_dry_cells_stay_dry():
    about = {"units": "mm/day", "standard_name": "precipitation_flux"}
    lr, hr = pair(600)
    lr, hr = (
        xr.Dataset({"t2m": np.maximum(ds.t2m - 281, 0).assign_attrs(about)}) for ds in (lr, hr)
    )
    lr["t2m"] = (2 * lr.t2m + 0.5 * (lr.t2m > 0)).assign_attrs(about)
    train, given = parts(lr, hr, at=400)
    actual = mapped(train, given, dry=True)
    np.testing.assert_allclose(actual, by_loops(train, given, dry=True), atol=1e-3)
    raw = given[0].downscale.interpolate(given[1], method="bilinear").t2m
    assert float(actual.min()) == 0
    assert bool((actual.where(raw <= 0, 0) == 0).all())
    wet = float((actual > 0.5).mean()), float((given[1].t2m > 0.5).mean())
    assert wet[0] == pytest.approx(wet[1], abs=0.05)


def test_as_a_baseline_its_quantiles_are_those_of_the_truth():
    lr, hr = pair()
    lr["t2m"] = (280 + 0.5 * (lr.t2m - 280)).assign_attrs(lr.t2m.attrs)
    train, test = parts(lr, hr)
    found = scored_beside(*test, *train, "quantile_mapping")
    actual = by_loops(train, test)
    error = actual - test[1].t2m.to_numpy()
    weights = np.cos(np.deg2rad(test[1].latitude.to_numpy()))
    expected = np.average((error**2).mean(axis=(0, 2)), weights=weights) ** 0.5
    assert float(found.rmse) == pytest.approx(expected, rel=1e-4)
    assert float(found.std_ratio) == pytest.approx(1, abs=0.05)
    assert found.attrs["baselines"] == "quantile_mapping fitted to training="
