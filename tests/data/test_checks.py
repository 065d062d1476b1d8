"""What options ask of the data is told before any training."""

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
import xr_dl4ds.training
from tests.conftest import analytic
from xr_dl4ds.config import Options, Scale, settled
from xr_dl4ds.config.choices import LOSSES
from xr_dl4ds.data.checks import check_global_domain, constraint_for
from xr_dl4ds.data.inputs import Inputs
from xr_dl4ds.data.prepare import prepare
from xr_dl4ds.exceptions import GridError, TimeError, VariableError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.grid import Grid

TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "batch_size": 4, "verbose": False}


@pytest.fixture
def untrained(monkeypatch):
    """Fail when training begins."""

    def begin(*args, **kwargs):
        raise AssertionError("training began with bad input")

    monkeypatch.setattr(xr_dl4ds.training, "train", begin)


@pytest.fixture
def rain(hr):
    """`pr`, half of it dry, beside `t2m`."""
    rng = np.random.default_rng(0)
    wet = rng.gamma(1, 2, hr.t2m.shape) * (rng.random(hr.t2m.shape) > 0.5)
    hr["pr"] = hr.t2m.copy(data=wet.astype("f4")).assign_attrs(units="mm", standard_name="rain")
    return hr[["t2m", "pr"]]


def celsius(hr):
    return hr.assign(t2m=(hr.t2m - 281).assign_attrs(units="degC"))


def beside(lr, dim, cells):
    """Moved by a share of an HR cell (0.25 degrees), without bounds."""
    lr = lr.drop_vars(["latitude_bnds", "longitude_bnds"])
    return lr.assign_coords({dim: (dim, lr[dim].values + 0.25 * cells, lr[dim].attrs)})


# --- values ------------------------------------------------------------------------------------


def nan_last(ds, steps=2):
    return ds.assign(t2m=ds.t2m.where(ds.time < ds.time[-steps]))


@pytest.mark.parametrize("window", [None, 2])
@pytest.mark.parametrize("where", ["held out", "pair"])
@pytest.mark.usefixtures("untrained")
def test_validation_without_values_is_told(hr_any, window, where):
    hr = nan_last(hr_any)
    validation = 0.25
    if where == "pair":
        late = hr.isel(time=slice(-2, None))
        validation = (late[["t2m"]].downscale.coarsen(2), late)
    message = (
        r"\['t2m'\] of the validation data, 2001-01-02 12:00:00 to 2001-01-02 18:00:00,"
        r" have no values in HR .*\. Leave out steps .*, or pass validation=None\."
    )
    with pytest.raises(VariableError, match=message):
        hr.downscale.fit(scale=2, validation=validation, time_window=window, **TINY)


@pytest.mark.parametrize("share", [0.95, 0.999, np.float32(0.95)])
@pytest.mark.usefixtures("untrained")
def test_a_share_that_leaves_nothing_to_train_is_told(hr, share):
    message = (
        rf"Expected more time steps than validation={share:g} holds out, 8, got 8\. Use more of"
        r" them, a smaller share, or validation=None\."
    )
    with pytest.raises(TimeError, match=message):
        hr.downscale.fit(scale=2, validation=share, **TINY)


# --- the constraint that "auto" stands for -----------------------------------------------------


def resolved(hr, network=None, lr=None, **sampling):
    network, sampling = network or xd.Network(), xd.Sampling(**sampling)
    inputs = Inputs(hr=hr, lr=lr, scale=2 if lr is None else None)
    state = prepare(inputs, Options(network=settled(network, sampling), sampling=sampling)).state
    return constraint_for(network, state, synthetic_pairs=lr is None)


def sea(hr):
    """One HR cell of one LR cell and all of another never have a value."""
    return hr.where(~((hr.latitude > 49.6) & (hr.longitude < 5.4)) & (hr.longitude < 7.7))


AUTOMATIC = {
    "synthetic pairs": (lambda hr: {"hr": hr}, "additive"),
    "masks constant in time": (lambda hr: {"hr": sea(hr)}, "additive"),
    "masks that change": (lambda hr: {"hr": hr.where(hr.t2m > 276)}, None),
    "a mask that changes in the held-out step alone": (
        lambda hr: {"hr": hr.where((hr.time < hr.time[7]) | (hr.longitude < 7))},
        "additive",
    ),
    "one of two targets with masks that change": (
        lambda hr: {"hr": hr.assign(d2m=(hr.t2m * 2).where(hr.t2m > 276))},
        None,
    ),
    "degC": (lambda hr: {"hr": celsius(hr)}, "additive"),
    "output activation": (
        lambda hr: {"hr": hr, "network": xd.Network(output_activation="relu")},
        None,
    ),
    "pre-upsampling": (
        lambda hr: {"hr": hr, "network": xd.Network(upsampling="interpolation")},
        "additive",
    ),
    "windows": (lambda hr: {"hr": hr, "time_window": 3}, "additive"),
    "off": (lambda hr: {"hr": hr, "network": xd.Network(constraint=None)}, None),
    "MOS": (lambda hr: {"hr": hr, "lr": hr[["t2m"]].downscale.coarsen(2)}, None),
    "MOS asked for": (
        lambda hr: {
            "hr": hr,
            "lr": hr[["t2m"]].downscale.coarsen(2),
            "network": xd.Network(constraint="softmax"),
        },
        "softmax",
    ),
}


@pytest.mark.parametrize("case", AUTOMATIC)
def test_the_constraint_is_settled_from_the_data(hr, case):
    given, expected = AUTOMATIC[case]
    assert resolved(**given(hr)) == expected


def test_why_there_is_no_constraint_is_logged(hr, caplog):
    caplog.set_level("INFO")
    assert resolved(hr.where(hr.t2m > 276)) is None
    assert "the masked cells of 't2m' change in time" in caplog.text


# --- what cannot be kept -----------------------------------------------------------------------

IMPOSSIBLE = {
    "straight interpolation": (
        lambda hr: (
            beside(hr[["t2m"]].downscale.coarsen(2), "longitude", 0.4),
            hr,
            {"constraint": "additive", "upsampling": "interpolation"},
        ),
        "LR cells that hold several HR cells for constraint='additive', got LR fields interpolated"
        ".*Use constraint=None, or another upsampling than 'interpolation'",
    ),
    "no counterpart": (
        lambda hr: (
            hr[["pr"]].downscale.coarsen(2).rename(pr="tp").drop_attrs(),
            hr,
            {"constraint": "multiplicative"},
        ),
        r"an LR counterpart of a target for constraint='multiplicative', got targets \['t2m', 'pr'"
        r"\] and LR variables \['tp'\]. Use constraint=None, or pass",
    ),
    "negative values": (
        lambda hr: (None, celsius(hr), {"constraint": "softmax"}),
        "values >= 0 of 't2m' for constraint='softmax', got a minimum of -.* degC. Use"
        " constraint='additive'; where it is noise, .*absolute units such as K",
    ),
    "negative values of a relu": (
        lambda hr: (None, celsius(hr), {"output_activation": "relu"}),
        "values >= 0 of 't2m' for output_activation='relu', got a minimum of -.* degC. Use"
        " output_activation=None; where it is noise, .*absolute units",
    ),
    "a sigmoid beside a target that is not scaled by minmax": (
        lambda hr: (
            None,
            hr,
            {"output_activation": "sigmoid", "scaling": {"pr": "minmax"}},
        ),
        "Expected scaling='minmax' of 't2m' for output_activation='sigmoid'.*got 'standard'. Add it"
        " to the dict",
    ),
    "relu after all": (
        lambda hr: (None, hr, {"constraint": "additive", "output_activation": "relu"}),
        "no output_activation='relu' with constraint='additive', which changes the values",
    ),
    "softplus after all": (
        lambda hr: (None, hr, {"constraint": "softmax", "output_activation": "softplus"}),
        "no output_activation='softplus' with constraint='softmax'.*or constraint=None",
    ),
    "unknown variable to scale": (
        lambda hr: (None, hr, {"scaling": {"t2n": "minmax"}}),
        r"`scaling` to name variables of the data, \['t2m', 'pr'\], got 't2n'. Did you mean 't2m'",
    ),
    "SSIM on small fields": (
        lambda hr: (None, hr, {"loss": "dssim_mae"}),
        "HR fields of at least 11 x 11 HR cells for loss='dssim_mae', got 8 x 12. Use 'mae', or a"
        " larger domain",
    ),
    "SSIM on small patches": (
        lambda hr: (None, hr, {"loss": {"mae": 1, "dssim": 0.5}, "patch_size": 8}),
        "patches of at least 11 x 11 HR cells for loss={'mae': 1, 'dssim': 0.5}, got 8 x 8. Use"
        " 'mae', or larger patches",
    ),
    "MS-SSIM": (
        lambda hr: (None, hr, {"loss": "msdssim_mae_mse"}),
        r"at least 81 x 81 HR cells.*Use a loss of the DSSIM family \(11 cells\) or 'mae', or a",
    ),
    "windows longer than a run of steps": (
        lambda hr: (None, hr.isel(time=[0, 1, 3, 4, 5, 6]), {"time_window": 5, "validation": None}),
        "at least 5 time steps without a gap in the training data for time_window=5, got 4 at most."
        " Use a shorter window, or more data",
    ),
    "defect 14: the other axis": (
        lambda hr: (None, hr.isel(longitude=slice(0, 11)), {}),
        r"a grid that scale 2 divides, got longitude has 11 cells, 1 too many \(7\.5\)",
    ),
    "defect 14: no whole scale": (
        lambda hr: (None, hr, {"scale": 2.5}),
        r"`scale` to be a whole number >= 2, or a pair \(y, x\) of them, got 2.5",
    ),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_cannot_be_kept_is_told_before_training(rain, untrained, case):
    make, message = IMPOSSIBLE[case]
    lr, hr, options = make(rain)
    data, pair = (hr, {"scale": 2}) if lr is None else (lr, {"hr": hr})
    with pytest.raises(ValueError, match=message):
        data.downscale.fit(**{**pair, **TINY, **options})


@pytest.mark.parametrize("options", [{"constraint": "softmax"}, {"output_activation": "relu"}])
def test_the_cure_for_noise_below_zero(rain, untrained, options):
    rain["pr"][3, 0, 0] = -1e-19  # as packing leaves in precipitation
    with pytest.raises(ValueError, match=r"clip\(min=0\)"):
        rain[["pr"]].downscale.fit(scale=2, **options, **TINY)


def test_a_sigmoid_takes_minmax_by_variable(hr):
    hr.downscale.fit(scale=2, output_activation="sigmoid", scaling={"t2m": "minmax"}, **TINY)


# --- what can ----------------------------------------------------------------------------------


def masked_field(y, x):
    hr = analytic(time=5, y=y, x=x)[["t2m"]]
    return hr.where((hr.latitude < 49) | (hr.longitude > 5.5))


@pytest.mark.parametrize(
    ("loss", "patch_size"),
    [*((n, None) for n in LOSSES if not n.startswith("ms")), ("dssim_mae_mse", 12)],
)
def test_every_loss_is_finite_on_masked_fields(loss, patch_size):
    hr = masked_field(12, 14)
    model = hr.downscale.fit(scale=2, loss=loss, patch_size=patch_size, **TINY)
    assert np.isfinite(model.history.loss).all()
    assert float(model.history.val_loss[0]) > 0


@pytest.mark.parametrize("loss", ["msdssim", {"msdssim": 0.5, "dssim": 1, "mse": 0.1}], ids=str)
def test_multiscale_losses_are_finite_on_masked_fields(loss):
    hr = masked_field(84, 84)
    model = hr.downscale.fit(scale=4, loss=loss, patch_size=84, **{**TINY, "n_filters": 1})
    assert np.isfinite(model.history.loss).all()
    assert float(model.history.val_loss[0]) > 0


@pytest.mark.parametrize("scaling", ["minmax", {"t2m": "minmax"}], ids=str)
def test_scaling_is_by_the_extremes_of_the_training_part(rain, scaling):
    rain["pr"][7] = rain["t2m"][7] = 1e4  # held out
    rain["t2m"][2, 3, 4] = np.nan
    options = Options(sampling=xd.Sampling(scaling=scaling))
    prepared = prepare(Inputs(hr=rain, scale=2), options)
    train = rain.isel(time=slice(0, 7)).astype("f8")
    offset, factor = (
        prepared.state.scaler.statistics.sel(statistic=s) for s in ("offset", "factor")
    )
    expected = {n: (v.min(), v.max() - v.min()) for n, v in train.items()}
    if scaling != "minmax":
        expected["pr"] = train.pr.mean(), train.pr.std()
    for name, (zero, one) in expected.items():
        np.testing.assert_allclose(offset[name], zero, rtol=1e-12)
        np.testing.assert_allclose(factor[name], one, rtol=1e-12)
    stacked = prepared.train.target.isel(channel=0)
    assert [float(stacked.min()), float(stacked.max())] == [0, 1]
    # (canonical rows begin in the south)
    np.testing.assert_array_equal(np.argwhere(stacked.isnull().values), [[2, 4, 4]])


def test_lr_and_hr_of_a_target_are_scaled_alike(rain):
    lr = (rain[["pr"]].downscale.coarsen(2) * 3).assign(t2m=rain.t2m.downscale.coarsen(2))
    lr["pr"].attrs["units"] = "mm"
    inputs = Inputs(hr=rain[["pr"]], lr=lr)
    sampling = xd.Sampling(scaling="minmax")
    options = Options(network=settled(xd.Network(), sampling), sampling=sampling)
    prepared = prepare(inputs, options)
    statistics = prepared.state.scaler.statistics.isel(statistic=slice(0, 2))
    train = rain.isel(time=slice(0, 7)).astype("f8")
    np.testing.assert_allclose(statistics.pr, [0, train.pr.max()])  # not three times as much
    low = lr.t2m.isel(time=slice(0, 7)).astype("f8")
    np.testing.assert_allclose(statistics.t2m, [low.min(), low.max() - low.min()])
    xr.testing.assert_allclose(
        prepared.train.lr.isel(channel=0, y=0, x=0, drop=True).drop_vars("time"),
        (lr.pr.isel(time=slice(0, 7), latitude=-1, longitude=0, drop=True) / train.pr.max())
        .astype("f4")
        .drop_vars("time"),
    )


# --- around the globe --------------------------------------------------------------------------


def globe(columns, scale, share=1.0):
    """An LR grid around the globe (or a share of it), and the scale."""
    step = 360 * share / columns
    y = Axis(name="lat", values=np.array([-45.0, 45.0]), kind="latitude")
    return Grid(
        y=y, x=Axis(name="lon", values=step * np.arange(columns), kind="longitude")
    ), Scale.of(scale)


AROUND = [
    # HR columns are halved at each of three levels
    ((45, 4), {}, "to be a multiple of 8 for backbone='unet' with n_blocks=3, got 180. Use"
     r" n_blocks=2, or another backbone\."),
    ((44, 3), {"n_blocks": 5}, r"a multiple of 32 .* n_blocks=5, got 132\. Use n_blocks=2, or"),
    ((45, 3), {"n_blocks": 1}, r"a multiple of 2 .* n_blocks=1, got 135\. Use another backbone\."),
    ((46, 4), {}, None),
    ((45, 4), {"n_blocks": 2}, None),
    ((45, 3), {"backbone": "resnet"}, None),
    ((45, 4, 0.9), {}, None),
]  # fmt: skip


@pytest.mark.parametrize(("grid", "options", "message"), AROUND, ids=str)
def test_levels_of_the_unet_line_up_around_the_globe(grid, options, message):
    network = settled(xd.Network(**{"backbone": "unet", **options}), xd.Sampling())
    if message is None:
        assert check_global_domain(network, *globe(*grid)) is None
        return
    with pytest.raises(GridError, match=f"Expected HR columns around the globe .*{message}"):
        check_global_domain(network, *globe(*grid))
