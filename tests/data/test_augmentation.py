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
    "many places": (lambda: undated(plane(x=8)), {}, "all"),
    "oblong fields": (lambda: undated(plane(x=12)), {}, "flips"),
    "patches": (lambda: undated(plane(x=12)), PATCHES, "all"),
    "two scales": (lambda: undated(plane(x=8)), {"scale": (2, 4)}, "flips"),
    "offsets in degrees": (lambda: undated(plane(x=8, units="degrees")), {}, "all"),
    "whole domain": (lambda: field(x=8), {}, "none"),
    "patches of a domain": (lambda: field(), PATCHES, "none"),
    "dated plane": (lambda: plane(x=8), PATCHES, "none"),
    "windows": (lambda: plane(x=8), {"time_window": 2}, "none"),
    "undated domain": (lambda: undated(field(x=8)), {}, "none"),
    "undated domain with a CRS": (lambda: undated(d.in_europe(field(x=8))), {}, "none"),
    "localized": (lambda: undated(plane(x=8)), {"localized": True}, "none"),
    "positions": (lambda: undated(plane(x=8)), {"coordinate_features": ["x"]}, "none"),
    "the sun": (lambda: field(), {"time_features": ["solar_zenith"]}, "none"),
    "off": (lambda: undated(plane(x=8)), {"augment": "none"}, "none"),
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
    assert resolved(undated(plane(x=8)), static=hill, augment="flips") == "flips"


def test_cells_that_are_not_square_are_not_transposed():
    hr = undated(plane(x=8))
    oblong = hr.assign_coords(x=("x", 2 * hr.x.to_numpy(), hr.x.attrs))
    assert resolved(oblong) == "flips"
    stretched = hr.x.to_numpy() + 2e3 * (np.arange(8) > 5)
    assert resolved(hr.assign_coords(x=("x", stretched, hr.x.attrs))) == "flips"


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


REFUSED = pytest.raises(ValueError, match="which are components or directions of vectors")


def test_any_variable_may_be_a_vector():
    hr, lr = field(), field().downscale.coarsen(2)
    wind = lr.rename(t2m="a").assign(a=lambda ds: ds.a.assign_attrs(standard_name="x_wind"))
    with REFUSED:
        resolved(hr, lr, predictors=wind, augment="flips")
    scalar = wind.assign(a=wind.a.assign_attrs(standard_name="air_pressure", units="Pa"))
    assert resolved(hr, lr, predictors=scalar, augment="flips") == "flips"
    assert resolved(undated(plane(x=8)).rename(t2m="uas")) == "none"
    place = analytic().orog.rename("place").assign_attrs(standard_name="latitude")
    with REFUSED:
        resolved(hr, static=place.to_dataset(), augment="flips")


def test_levels_of_a_vector_are_vectors():
    lr = field().downscale.coarsen(2)
    wind = d.levels(d.bare(lr).rename(t2m="u"), name="u")
    with REFUSED:
        resolved(field(), lr, predictors=wind, augment="flips")


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
        model = undated(plane(x=8)).downscale.fit(scale=2, **TINY)
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
    assert "not flipped, because all of them lie in one domain" in caplog.text


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
        undated(plane(x=8)).downscale.fit(
            scale=2, training=training, augment=augment, n_filters=2, n_blocks=1
        )
        for augment in ("auto", "none")
    ]
    assert [model.provenance["augment"] for model in fitted] == ["all", "none"]
    assert not same(*(model.network.get_weights() for model in fitted))
