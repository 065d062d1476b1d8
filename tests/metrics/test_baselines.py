import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from tests.metrics.reference import prediction_of
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.metrics import evaluate
from xr_dl4ds.metrics.baselines import FITTED


def pair(steps=1200, seed=0):
    """HR and LR fields over years: a cycle, a map of bias, and cells that follow LR cells."""
    rng = np.random.default_rng(seed)
    time = np.datetime64("2001-01-01", "ns") + np.arange(steps) * np.timedelta64(2, "D")
    y, x = 45 - 0.25 * np.arange(8), 5 + 0.25 * np.arange(12)
    template = analytic(y=8, x=12).t2m
    year = 2 * np.pi * np.arange(steps) * 2 / 365.25
    low = 280 + 8 * np.cos(year)[:, None, None] + 2 * rng.normal(size=(steps, 2, 3))
    hr = low.repeat(4, 1).repeat(4, 2) + np.linspace(-3, 3, 96).reshape(8, 12)
    hr += (2 * np.sin(year))[:, None, None] + 0.3 * rng.normal(size=hr.shape)
    coords = {
        "time": time,
        "latitude": ("latitude", y, template.latitude.attrs),
        "longitude": ("longitude", x, template.longitude.attrs),
    }
    about = {"units": "K", "standard_name": "air_temperature"}
    hr = xr.DataArray(hr.astype("f4"), coords, ("time", "latitude", "longitude"), "t2m", about)
    lr = hr.to_dataset().downscale.coarsen(4)
    lr["t2m"] = lr.t2m.copy(data=low.astype("f4"))
    return lr, hr.to_dataset()


def test_baselines_that_are_fitted():
    lr, hr = pair()
    train, test = {"time": slice(0, 900)}, {"time": slice(900, None)}
    scores = evaluate(
        prediction_of(hr.isel(test)),
        hr.isel(test),
        lr=lr.isel(test),
        training=(lr.isel(train), hr.isel(train)),
    )
    assert list(scores["product"].values) == ["prediction", "bilinear", "bicubic", *FITTED]
    rmse = scores.rmse.to_series()
    # the climatology lacks the weather of 2 K; the bias map interpolates it; cells follow LR cells
    assert rmse["climatology"] == pytest.approx(2.03, abs=0.1)
    assert rmse["regression"] == pytest.approx(0.3, abs=0.03)
    assert rmse["regression"] < rmse["bias_corrected"] < rmse["bilinear"]
    assert abs(float(scores.bias.sel(product="bias_corrected"))) < 0.1
    assert scores.attrs["baselines"] == (
        "interpolation of lr, climatology fitted to training=, bias_corrected fitted to training=,"
        " regression fitted to training=, quantile_mapping fitted to training="
    )
    # the annual cycle by least squares on the training data
    angle = 2 * np.pi * (hr.time.dt.dayofyear.values - 0.5) / 365.25
    terms = np.stack(
        [np.ones(angle.size), *(f(k * angle) for k in (1, 2) for f in (np.sin, np.cos))]
    )
    flat = hr.t2m.values.reshape(1200, -1).astype("f8")
    cycle = np.linalg.lstsq(terms.T[:900], flat[:900], rcond=None)[0]
    expected = (((terms.T[900:] @ cycle) - flat[900:]) ** 2).mean() ** 0.5
    assert rmse["climatology"] == pytest.approx(expected, rel=0.01)


def scored_beside(lr, hr, train_lr, train_hr, kind):
    """The baseline's field itself: as a prediction of the truth it has no error."""
    found = evaluate(prediction_of(hr), hr, lr=lr, training=(train_lr, train_hr), baselines=[kind])
    return found.sel(product=kind)


def test_the_bias_map_does_not_change_anomalies():
    # LR varies half as much as HR: interpolated anomalies stay half, and only means are corrected
    lr, hr = pair()
    lr["t2m"] = (280 + 0.5 * (lr.t2m - 280)).assign_attrs(lr.t2m.attrs)
    train, test = {"time": slice(0, 900)}, {"time": slice(900, None)}
    of = scored_beside(
        lr.isel(test), hr.isel(test), lr.isel(train), hr.isel(train), "bias_corrected"
    )
    raw = lr.downscale.interpolate(hr, method="bilinear").t2m
    angle = 2 * np.pi * (hr.time.dt.dayofyear.values - 0.5) / 365.25
    terms = [np.ones(angle.size), *(f(k * angle) for k in (1, 2) for f in (np.sin, np.cos))]
    terms = np.stack(terms, axis=1)
    bias = (hr.t2m - raw).values.reshape(1200, -1).astype("f8")
    cycle = terms @ np.linalg.lstsq(terms[:900], bias[:900], rcond=None)[0]
    expected = ((cycle - bias)[900:] ** 2).mean() ** 0.5
    assert float(of.rmse) == pytest.approx(expected, rel=0.01)


def test_a_bias_map_of_rain_is_never_negative():
    lr, hr = pair(600)
    about = {"units": "mm/day", "standard_name": "precipitation_flux"}
    lr, hr = (
        xr.Dataset({"t2m": np.maximum(ds.t2m - 281, 0).assign_attrs(about)}) for ds in (lr, hr)
    )
    lr["t2m"] = (0.5 * lr.t2m).assign_attrs(about)
    train, test = {"time": slice(0, 400)}, {"time": slice(400, None)}
    found = evaluate(
        prediction_of(hr.isel(test)),
        hr.isel(test),
        lr=lr.isel(test),
        training=(lr.isel(train), hr.isel(train)),
        scores=["negative_share", "bias"],
    )
    assert float(found.negative_share.sel(product="bias_corrected")) == 0
    assert abs(float(found.bias.sel(product="bias_corrected"))) < 0.3


def test_gaps_of_training_data():
    lr, hr = pair()
    train, test = {"time": slice(0, 900)}, {"time": slice(900, None)}
    gappy = lr.isel(train).copy(deep=True)
    gappy["t2m"][100:160] = np.nan
    given = lr.isel(test), hr.isel(test)
    kept = {"time": np.r_[0:100, 160:900]}
    for kind in FITTED:
        actual = scored_beside(*given, gappy, hr.isel(train), kind)
        expected = scored_beside(*given, lr.isel(kept), hr.isel(kept), kind)
        assert float(actual.rmse) == pytest.approx(float(expected.rmse), rel=0.02), kind
    # cells without values in training are not scored
    masked = hr.isel(train).copy(deep=True)
    masked["t2m"][:, :2] = np.nan
    for kind in FITTED:
        rows = scored_beside(*given, lr.isel(train), masked, kind).mae_map.isnull().all("longitude")
        np.testing.assert_array_equal(rows, np.arange(8) < 2)


class Guessing:
    """A model whose first guess is the interpolated LR field, and that counts its steps."""

    def __init__(self, hr):
        self.hr, self.steps = hr, []

    def predict(self, lr, *, first_guess_only):
        assert first_guess_only
        self.steps.append(lr.sizes["time"])
        return lr.downscale.interpolate(self.hr, method="bilinear")


def test_the_first_guess_is_computed_at_the_times_that_are_scored():
    lr, hr = pair(40)
    model, part = Guessing(hr), {"time": slice(30, 36)}
    found = evaluate(prediction_of(hr.isel(part)), hr, lr=lr, model=model)
    assert model.steps == [6]
    rmse = found.rmse.to_series()
    assert rmse["first_guess"] == pytest.approx(rmse["bilinear"], rel=1e-6)
    # in any order of the steps, and of dates of another type
    turned = lr.isel(time=slice(None, None, -1))
    evaluate(prediction_of(hr.isel(part)), hr, lr=turned, model=model)
    cftime = [ds.convert_calendar("standard", use_cftime=True) for ds in (hr.isel(part), lr)]
    evaluate(prediction_of(cftime[0]), hr, lr=cftime[1], model=model)
    assert model.steps == [6] * 3


def test_a_first_guess_without_dates_or_some_times_is_computed_at_all():
    lr, hr = pair(12)
    bare = [ds.drop_vars("time") for ds in (lr, hr)]
    model = Guessing(bare[1])
    evaluate(prediction_of(bare[1]), bare[1], lr=bare[0], model=model)
    assert model.steps == [12]
    with pytest.raises(TimeError, match="LR data at all 12 times that are scored, got 9"):
        evaluate(prediction_of(hr), hr, lr=lr.isel(time=slice(9)), model=model)


@pytest.mark.parametrize(
    ("training", "got"), [(lambda lr, hr: hr, "Dataset"), (lambda lr, hr: (lr, hr, hr), "3 data")]
)
def test_training_data_that_are_no_pair(training, got):
    lr, hr = pair(12)
    with pytest.raises(TypeError, match=rf"`training` to be a pair \(lr, hr\), got {got}\. Pass"):
        evaluate(prediction_of(hr), hr, lr=lr, training=training(lr, hr))


def test_chosen_interpolations():
    lr, hr = pair(12)
    scores = evaluate(
        prediction_of(hr), hr, lr=lr, baselines=["nearest", "conservative"], area_weighted=False
    )
    assert list(scores["product"].values) == ["prediction", "nearest", "conservative"]
    blocks = lr.t2m.values.repeat(4, 1).repeat(4, 2)
    expected = ((blocks - hr.t2m.values) ** 2).mean() ** 0.5
    np.testing.assert_allclose(scores.rmse[1:], [expected] * 2, rtol=1e-5)


def test_lazy_data_give_the_same_scores():
    lr, hr = pair(300)
    train, test = {"time": slice(0, 200)}, {"time": slice(200, None)}
    given = prediction_of(hr.isel(test))
    training = (lr.isel(train), hr.isel(train))
    expected = evaluate(given, hr.isel(test), lr=lr.isel(test), training=training)
    chunked = [one.chunk(time=30) for one in (given, hr.isel(test), lr.isel(test))]
    lazy = evaluate(chunked[0], chunked[1], lr=chunked[2], training=training)
    assert lazy.rmse.chunks is not None
    np.testing.assert_allclose(lazy.rmse, expected.rmse, rtol=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"baselines": ["bilinaer"]}, r"`baselines` to be among .*got 'bilinaer'.*'bilinear'"),
        ({"baselines": ["regression"]}, r"\['regression'\] are fitted to data. Pass training="),
        ({"baselines": ["bicubic"], "training": True}, r"\['bicubic'\] use no training data"),
    ],
)
def test_baselines_that_cannot_be(given, message):
    lr, hr = pair(12)
    if "training" in given:
        given = {**given, "training": (lr, hr)}
    with pytest.raises(ValueError, match=message):
        evaluate(prediction_of(hr), hr, lr=lr, **given)


def test_training_data_that_do_not_match():
    lr, hr = pair(40)
    test = {"time": slice(30, None)}
    scored = {"prediction": prediction_of(hr.isel(test)), "truth": hr.isel(test)}
    scored["lr"] = lr.isel(test)
    with pytest.raises(TimeError, match=r"without times that are scored, got 5 in common, from"):
        evaluate(**scored, training=(lr.isel(time=slice(35)), hr.isel(time=slice(35))))
    early = {"time": slice(0, 30)}
    part = hr.isel(early).isel(latitude=slice(4))
    with pytest.raises(GridError, match=r"HR data of training= on the cells that are scored"):
        evaluate(**scored, training=(lr.isel(early), part))
    other = lr.isel(early).rename(t2m="wind")
    with pytest.raises(VariableError, match=r"training= to have \['t2m'\] in both data"):
        evaluate(**scored, training=(other, hr.isel(early)))


def test_marks_of_missing_values_in_lr_are_told(caplog):
    lr, hr = pair(12)
    lr["t2m"][3:5, 0, 0] = -9999.0
    evaluate(prediction_of(hr), hr, lr=lr)
    assert "-9999" in caplog.text
    assert "the LR data" in caplog.text
