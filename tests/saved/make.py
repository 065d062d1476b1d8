"""Save one small model of each kind, with an input and its prediction.

Run it with ``python -m tests.saved.make FOLDER``.

`tests/model/test_earlier_versions.py` loads what earlier versions of the package saved. When the
format of model files changes, run this with the version before the change, into a new folder.
"""

import pathlib
import sys

import numpy as np
import xarray as xr

import xr_dl4ds as xd

SIZE = {"n_filters": 2, "n_blocks": 1, "epochs": 1, "verbose": False}


def fields(time=6, y=8, x=12, seed=0):
    """Temperature and rain on a regional grid, with a hill."""
    rng = np.random.default_rng(seed)
    dims = ("time", "latitude", "longitude")
    hill = rng.normal(300, 100, (y, x)).astype("f4")
    t2m = (280 + rng.normal(0, 3, (time, y, x)) - 0.0065 * hill).astype("f4")
    rain = np.maximum(rng.gamma(0.5, 2, (time, y, x)) - 0.5, 0).astype("f4")
    return xr.Dataset(
        {
            "t2m": (dims, t2m, {"units": "K", "standard_name": "air_temperature"}),
            "pr": (dims, rain, {"units": "mm", "standard_name": "precipitation_amount"}),
            "orog": (dims[1:], hill, {"units": "m", "standard_name": "surface_altitude"}),
        },
        coords={
            "time": np.datetime64("2001-01-01", "ns") + np.arange(time) * np.timedelta64(6, "h"),
            "latitude": ("latitude", 50 - 0.25 * np.arange(y), {"units": "degrees_north"}),
            "longitude": ("longitude", 5 + 0.25 * np.arange(x), {"units": "degrees_east"}),
        },
    )


def globe():
    ds = fields(y=8, x=16)[["t2m"]]
    lat, lon = 78.75 - 22.5 * np.arange(8), 22.5 * np.arange(16)
    return ds.assign_coords(
        latitude=("latitude", lat, ds.latitude.attrs),
        longitude=("longitude", lon, ds.longitude.attrs),
    )


def kinds():
    """Yield the name, the fitted model, and an input with the arguments of its prediction."""
    hr = fields()
    t2m, rain = hr[["t2m"]], hr[["pr"]]
    lr = t2m.downscale.coarsen(2)
    members = {"realizations": 2, "seed": 3}
    yield "static", hr[["t2m", "orog"]].downscale.fit(scale=2, **SIZE), lr, {}
    wind = lr.t2m.rename("u").assign_attrs(units="m s-1", standard_name="eastward_wind")
    yield (
        "predictors",
        lr.downscale.fit(t2m, predictors=wind.to_dataset(), backbone="unet", **SIZE),
        lr.assign(u=wind),
        {},
    )
    options = {"time_window": 2, "time_features": True}
    yield "window", t2m.downscale.fit(scale=2, **options, **SIZE), lr, {}
    masked = t2m.where(hr.orog < hr.orog.max())
    yield (
        "masked",
        masked.downscale.fit(scale=2, constraint="additive", attention=True, **SIZE),
        masked.downscale.coarsen(2),
        {},
    )
    other = t2m.isel(latitude=slice(0, 7)).downscale.interpolate(
        t2m.isel(latitude=slice(None, None, 3), longitude=slice(None, None, 3)), method="bilinear"
    )
    yield "real pair", other.downscale.fit(t2m, **SIZE), other, {}
    dropout = {"dropout": "spatial", "monte_carlo": True, "localized": True}
    yield "dropout", t2m.downscale.fit(scale=2, **dropout, **SIZE), lr, members
    gamma = {"loss": "bernoulli_gamma_nll", "constraint": "multiplicative"}
    yield (
        "gamma",
        rain.downscale.fit(scale=2, **gamma, **SIZE),
        rain.downscale.coarsen(2),
        members,
    )
    adversarial = xd.Adversarial(discriminator_filters=2, discriminator_blocks=1)
    model = t2m.downscale.fit(scale=2, training=adversarial, backbone="densenet", **SIZE)
    yield "noise", model, lr, members
    around = fields(y=16, x=16)[["t2m"]]
    wide, inside = around.downscale.coarsen(2), slice(4, 12)
    inner = around.isel(latitude=inside, longitude=inside)
    options = {"context": 2, "attention": True, "backbone": "unet", "upsampling": "interpolation"}
    yield "surroundings", wide.downscale.fit(inner, **options, **SIZE), wide, {}
    whole = globe()
    options = {"backbone": "convnext", "upsampling": "resize", "normalization": "layer"}
    yield "globe", whole.downscale.fit(scale=2, **options, **SIZE), whole.downscale.coarsen(2), {}


def main(folder):
    for name, model, lr, arguments in kinds():
        place = pathlib.Path(folder) / name.replace(" ", "_")
        place.mkdir(parents=True)
        model.save(place / "model")
        lr.astype("f4").to_netcdf(place / "lr.nc", engine="netcdf4")
        lr = xr.load_dataset(place / "lr.nc", engine="netcdf4")
        found = lr.downscale.predict(model, **arguments)
        found.to_netcdf(place / "prediction.nc", engine="netcdf4")


if __name__ == "__main__":
    main(sys.argv[1])
