"""Which flips and transpositions are right: for the options, the variables and the grid."""

import logging

import numpy as np
import pytest

import xr_dl4ds as xd
from tests.conftest import analytic
from tests.errors import data as d
from xr_dl4ds.config import route, settled
from xr_dl4ds.data.augmentation import AS_GIVEN, ORIENTATIONS, is_tied
from xr_dl4ds.data.inputs import Inputs
from xr_dl4ds.data.prepare import prepare
from xr_dl4ds.exceptions import GridError

TINY = {"n_filters": 2, "n_blocks": 1, "epochs": 1, "verbose": False}


def field(**sizes):
    return analytic(**sizes)[["t2m"]]


def plane(units="m", **sizes):
    return d.plane(field(**sizes), units=units)


def resolved(hr, lr=None, scale=2, static=None, predictors=None, **flat):
    """The orientations for these data and options."""
    options = route({}, flat)
    options = options.replace(network=settled(options.network, options.sampling))
    scale = scale if lr is None else None
    inputs = Inputs(hr=hr, lr=lr, scale=scale, static=static, predictors=predictors)
    return prepare(inputs, options).augment


def test_the_orientations_of_each_value():
    assert ORIENTATIONS["none"] == (AS_GIVEN,)
    assert [len(ORIENTATIONS[name]) for name in ("flip_x", "flips", "all")] == [2, 4, 8]
    for found in ORIENTATIONS.values():
        assert found[0] == AS_GIVEN
        assert len(set(found)) == len(found)
    assert not any(one.flip_y or one.transpose for one in ORIENTATIONS["flip_x"])
    assert not any(one.transpose for one in ORIENTATIONS["flips"])


# --- "auto" -------------------------------------------------------------------------------------

PATCHES = {"patch_size": 4}
AUTO = {
    "patches of latitude and longitude": (lambda: field(), PATCHES, "flip_x"),
    "patches of a plane": (lambda: plane(), PATCHES, "all"),
    "patches with a CRS": (lambda: d.in_europe(field()), PATCHES, "all"),
    "two scales": (lambda: plane(), {"patch_size": 8, "scale": (2, 4)}, "flips"),
    "windows": (lambda: plane(), {**PATCHES, "time_window": 2}, "all"),
    "time of year and day": (lambda: plane(), {**PATCHES, "time_features": True}, "all"),
    "whole domain": (lambda: field(x=8), {}, "none"),
    "whole plane": (lambda: plane(x=8), {}, "none"),
    "many places": (lambda: undated(plane(x=8)), {}, "all"),
    "many places that are not square": (lambda: undated(plane(x=12)), {}, "flips"),
    "offsets in degrees": (lambda: undated(plane(x=8, units="degrees")), {}, "all"),
    "undated domain": (lambda: undated(field(x=8)), {}, "none"),
    "undated domain with a CRS": (lambda: undated(d.in_europe(field(x=8))), {}, "none"),
    "localized": (lambda: plane(), {**PATCHES, "localized": True}, "none"),
    "positions": (lambda: plane(), {**PATCHES, "coordinate_features": ["x"]}, "none"),
    "latitudes": (lambda: field(), {**PATCHES, "coordinate_features": ["latitude"]}, "none"),
    "the sun": (lambda: field(), {**PATCHES, "time_features": ["solar_zenith"]}, "none"),
    "insolation": (lambda: field(), {**PATCHES, "time_features": ["toa_insolation"]}, "none"),
    "off": (lambda: plane(), {**PATCHES, "augment": "none"}, "none"),
}


def undated(ds):
    return ds.drop_vars("time").rename(time="sample")


@pytest.mark.parametrize("name", AUTO)
def test_auto_by_options_and_grid(name):
    make, options, expected = AUTO[name]
    assert resolved(make(), **options) == expected


def test_fields_of_many_places_have_no_static_fields():
    hill = d.plane(analytic(x=8))[["orog"]]
    assert resolved(undated(plane(x=8)), static=hill) == "none"
    assert resolved(undated(plane(x=8)), static=hill, patch_size=4) == "all"


def test_cells_that_are_not_square_are_not_transposed():
    hr = plane()
    oblong = hr.assign_coords(x=("x", 2 * hr.x.to_numpy(), hr.x.attrs))
    assert resolved(oblong, patch_size=4) == "flips"
    stretched = hr.x.to_numpy() + 2e3 * (np.arange(12) > 8)
    uneven = hr.assign_coords(x=("x", stretched, hr.x.attrs))
    assert resolved(uneven, patch_size=4) == "flips"


def test_degrees_by_their_crs_alone_are_no_plane():
    hr = d.bare(field(x=8).rename(latitude="y", longitude="x"))
    bare = hr.assign_coords({n: (n, hr[n].to_numpy()) for n in ("y", "x")})
    assert resolved(d.mapped(bare, d.cf_only("EPSG:4326")), patch_size=4) == "flip_x"


# --- vectors and places -------------------------------------------------------------------------

TIED = ["u", "v", "U10", "v10", "10u", "u_10m", "10m_u_component_of_wind", "uas", "vas", "ua850"]
TIED += ["va_500", "u850", "V", "uwnd", "VGRD10m", "uo", "vo", "tauu", "tauv", "ewss", "nsss"]
TIED += ["wind_u", "windx", "x_wind", "eastward_wind", "viwve", "pv", "vorticity", "wdir", "aspect"]
TIED += ["wind_dir", "lat", "longitude", "rlat", "y", "zonal_wind", "slope_x", "u_velocity"]
FREE = ["t2m", "tas", "pr", "orog", "z", "q", "hus850", "psl", "wind_speed", "sfcWind", "uvi", "tp"]
FREE += ["land_fraction", "sst", "rh", "r", "d", "w", "ws10", "cape", "huss", "rsds", "clt", "lai"]
FREE += ["slope", "tasmax", "evspsbl", "vpd", "vapour_pressure", "viwv", "u_star", "latent_heat"]


@pytest.mark.parametrize("name", TIED)
def test_names_of_vectors_and_places(name):
    assert is_tied(name, name, {})


@pytest.mark.parametrize("name", FREE)
def test_names_of_scalars(name):
    assert not is_tied(name, name, {})


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"standard_name": "eastward_wind"}, True),
        ({"standard_name": "grid_northward_wind"}, True),
        ({"standard_name": "sea_ice_x_velocity"}, True),
        ({"standard_name": "surface_downward_y_stress"}, True),
        ({"standard_name": "wind_from_direction"}, True),
        ({"standard_name": "atmosphere_relative_vorticity"}, True),
        ({"standard_name": "latitude"}, True),
        ({"long_name": "10 metre U wind component"}, True),
        ({"long_name": "Meridional velocity"}, True),
        ({"standard_name": "wind_speed"}, False),
        ({"standard_name": "lagrangian_tendency_of_air_pressure"}, False),
        ({"standard_name": "surface_altitude", "long_name": "Height above the ellipsoid"}, False),
        ({"long_name": "x"}, False),
        ({"long_name": "precipitation rate, 2 x 2 mean of 0.01 degree"}, False),
        ({"long_name": "liquid component of precipitation"}, False),
    ],
    ids=str,
)
def test_attributes_of_vectors(attrs, expected):
    assert is_tied("a", "a", attrs) is expected


def test_any_variable_may_be_a_vector():
    hr, lr = field(), field().downscale.coarsen(2)
    wind = lr.rename(t2m="a").assign(a=lambda ds: ds.a.assign_attrs(standard_name="x_wind"))
    assert resolved(hr, lr, predictors=wind.rename(a="b"), patch_size=4) == "none"
    scalar = wind.assign(a=wind.a.assign_attrs(standard_name="air_pressure", units="Pa"))
    assert resolved(hr, lr, predictors=scalar, patch_size=4) == "flip_x"
    assert resolved(hr.rename(t2m="uas"), patch_size=4) == "none"
    latitude = analytic().orog.copy().rename("lat_of_cell")
    named = latitude.assign_attrs(standard_name="latitude", units="degrees_north")
    assert resolved(hr, static=named.to_dataset(), patch_size=4) == "none"


def test_levels_of_a_vector_are_vectors():
    lr = field().downscale.coarsen(2)
    wind = d.levels(d.bare(lr).rename(t2m="u"), name="u")
    assert resolved(field(), lr, predictors=wind, patch_size=4) == "none"


# --- what the user asks for ---------------------------------------------------------------------


@pytest.mark.parametrize("augment", ["flip_x", "flips", "all"])
def test_what_is_asked_for_is_done(augment):
    assert resolved(field(x=8), augment=augment) == augment  # also on latitude and longitude
    assert resolved(field(x=8), augment=augment, static=analytic(x=8)[["orog"]]) == augment


def test_bools_are_all_or_none():
    assert resolved(field(x=8), augment=True) == "all"
    assert resolved(field(x=8), augment=False) == "none"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"localized": True}, r"augment='none' for localized=True.*got augment='flips'\. Use"),
        ({"coordinate_features": ["y"]}, r"the features \['y'\], which depend on the place"),
        ({"time_features": ["solar_zenith"]}, r"the features \['solar_zenith'\]"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=message):
        resolved(field(), augment="flips", **options)


def test_vectors_are_named_and_samples_that_are_not_square():
    with pytest.raises(ValueError, match=r"for \['uas'\], which are components"):
        resolved(field().rename(t2m="uas"), augment="flip_x")
    with pytest.raises(
        GridError, match=r"got 8 x 12 HR cells at scale 2\. Use augment='flips', or"
    ):
        resolved(field(), augment="all")
    with pytest.raises(GridError, match=r"at scale \(2, 4\)\. Use augment='flips'\."):
        resolved(field(x=8), augment="all", scale=(2, 4))
    assert resolved(field(), augment="all", patch_size=4) == "all"


# --- fit ----------------------------------------------------------------------------------------


def weights(**options):
    hr = options.pop("hr", field(time=12, x=8))
    return hr.downscale.fit(scale=2, **{**TINY, **options}).network.get_weights()


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_fit_says_what_it_does_and_stores_it(caplog, tmp_path):
    with caplog.at_level(logging.INFO, "xr_dl4ds"):
        model = plane().downscale.fit(scale=2, patch_size=4, **TINY)
    assert "flipped along x and y, and transposed at random" in caplog.text
    assert model.provenance["augment"] == "all"
    assert model.options.sampling.augment == "auto"
    model.save(tmp_path / "model")
    assert xd.load(tmp_path / "model").provenance["augment"] == "all"
    caplog.clear()
    with caplog.at_level(logging.INFO, "xr_dl4ds"):
        model = field().rename(t2m="uas").downscale.fit(scale=2, **TINY)
        assert "not flipped, because of ['uas'], which are components" in caplog.text
        assert model.provenance["augment"] == "none"
        assert resolved(field()) == "none"
    assert "not flipped, because all of them are the whole domain" in caplog.text


@pytest.mark.parametrize("augment", ["none", "flip_x", "flips", "all"])
def test_a_seed_gives_the_same_weights(augment):
    first = weights(augment=augment)
    assert same(first, weights(augment=augment))
    assert same(first, weights(augment="none")) == (augment == "none")


def test_chunks_make_no_difference():
    hr = field(time=12, x=8)
    one = weights(augment="all", hr=hr)
    assert same(one, weights(augment="all", hr=hr.chunk(time=5), cache="memory"))


def test_a_model_goes_on_with_the_option():
    hr = plane(x=8)
    first = hr.downscale.fit(scale=2, augment="flips", **TINY)
    assert hr.downscale.fit(scale=2, start=first, **TINY).provenance["augment"] == "flips"


def test_adversarial_training_is_augmented():
    training = xd.Adversarial(
        epochs=1, discriminator_filters=2, discriminator_blocks=1, noise_channels=1, verbose=False
    )
    fitted = [
        plane().downscale.fit(
            scale=2, patch_size=4, training=training, augment=augment, n_filters=2, n_blocks=1
        )
        for augment in ("auto", "none")
    ]
    assert [model.provenance["augment"] for model in fitted] == ["all", "none"]
    assert not same(*(model.network.get_weights() for model in fitted))
