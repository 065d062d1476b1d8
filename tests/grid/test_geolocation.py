"""Two-dimensional latitudes and longitudes of a file: found, kept where needed, continued."""

import logging

import pyproj
import dask.array
import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import map_coordinates

from tests.conftest import no_compute, real
from tests.grid import fields, plane
from xr_dl4ds.config import Scale
from xr_dl4ds.data.time_and_place import forcings
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.crs import geographic, placed, to_degrees
from xr_dl4ds.grid.geolocation import Geolocation, degrees_between, degrees_of, directions
from xr_dl4ds.grid.regridding.coarsen import coarsen, coarser
from xr_dl4ds.grid.regridding.cropping import cut

LOG = "xr_dl4ds.grid.cf.auxiliary_coordinates"
#: A sphere as in WRF, tangent at 47 N.
LAMBERT = pyproj.CRS("+proj=lcc +lat_1=47 +lat_2=47 +lat_0=47 +lon_0=11 +R=6370000")


def places(y, x, crs=LAMBERT):
    longitude, latitude = pyproj.Transformer.from_crs(
        crs.geodetic_crs, crs, always_xy=True
    ).transform(*np.meshgrid(x, y), direction="INVERSE")
    return latitude, longitude


def wrf(ny=6, nx=8, step=10e3, *, names=("XLAT", "XLONG"), units=True, y0=0.0, turn=False):
    """Fields on a plane without a CRS, as from a weather model; coordinates count cells."""
    y, x = y0 + step * (np.arange(ny) - ny / 2), step * (np.arange(nx) - nx / 2)
    latitude, longitude = places(y, x)
    about = [{"units": f"degree_{n}"} if units else {} for n in ("north", "east")]
    order, dims = (slice(None, None, -1), ("south_north", "west_east")) if turn else (
        slice(None), ("south_north", "west_east"))  # fmt: skip
    time = np.datetime64("2001-06-01", "ns") + np.arange(4) * np.timedelta64(3, "h")
    values = 280 + 10 * np.cos(np.deg2rad(4 * latitude)) + np.arange(4.0)[:, None, None]
    ds = xr.Dataset(
        {"t2m": (("time", *dims), values.astype("f4"), {"units": "K"})},
        {
            "time": time,
            "south_north": ("south_north", np.arange(ny)),
            "west_east": ("west_east", np.arange(nx)),
            names[0]: (dims, latitude, about[0]),
            names[1]: (dims, longitude, about[1]),
        },
    )
    return ds.isel(south_north=order)


def geolocation(y, x, crs=LAMBERT):
    latitude, longitude = places(y, x, crs)
    return Geolocation(y=np.asarray(y, "f8"), x=np.asarray(x, "f8"), lat=latitude, lon=longitude)


def apart(a, b):
    """Degrees of the great circle."""
    return degrees_between(directions(*a), directions(*b))


# --- on the sphere --------------------------------------------------------------------------------


def test_directions_by_hand():
    actual = directions(np.array([0, 0, 90, -90]), np.array([0, 90, 17, 17]))
    np.testing.assert_allclose(actual.T, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]], atol=1e-15)
    np.testing.assert_allclose(degrees_of(2 * actual)[0], [0, 0, 90, -90])
    np.testing.assert_allclose(degrees_of(2 * actual[:, :2])[1], [0, 90])


def test_distances_against_pyproj():
    rng = np.random.default_rng(0)
    lat0, lat1 = rng.uniform(-90, 90, (2, 20))
    lon0, lon1 = rng.uniform(-180, 180, (2, 20))
    metres = pyproj.Geod("+a=1 +b=1").inv(lon0, lat0, lon1, lat1)[2]
    np.testing.assert_allclose(apart((lat0, lon0), (lat1, lon1)), np.rad2deg(metres), atol=1e-9)
    assert apart((50.0, 8.0), (50.0 + 1e-9, 8.0)) == pytest.approx(1e-9, rel=1e-4)


# --- between and beyond the centres ---------------------------------------------------------------


def test_centres_give_the_arrays_back():
    own = geolocation(1e4 * np.arange(5), 1e4 * np.arange(4))
    np.testing.assert_allclose(own.at(own.y, own.x), (own.lat, own.lon), rtol=0, atol=1e-12)
    latitude, _ = own.at(own.y[::-1], own.x[1:3])  # any order and part
    np.testing.assert_allclose(latitude, own.lat[::-1, 1:3], atol=1e-12)


@pytest.mark.parametrize(
    "crs",
    [LAMBERT, pyproj.CRS(3413), pyproj.CRS(25832)],
    ids=["lambert", "pole inside", "transverse mercator"],
)
def test_refined_and_beyond_against_the_projection(crs):
    x0, y0 = (0, 0) if crs.to_epsg() != 25832 else (500e3, 5.5e6)
    # cells of 20 km; HR cells of 5 km, of which the outer ones stick out by 7.5 km
    own = geolocation(y0 + 20e3 * np.arange(-3, 4), x0 + 20e3 * np.arange(-4, 4), crs)
    y = y0 + 5e3 * (np.arange(-14, 14) + 0.5)
    x = x0 + 5e3 * (np.arange(-18, 14) + 0.5)
    off = apart(own.at(y, x), places(y, x, crs))
    # a great circle instead of the grid's line is off by some (20 km)² / (8 · 6371 km) = 8 m
    # between the centres; beyond them by a little more: thousandths of an HR cell
    assert off[2:-2, 2:-2].max() * 111e3 < 10
    assert off.max() * 111e3 < 20


def test_bilinear_on_the_sphere_against_scipy():
    own = geolocation(1e5 * np.array([0, 1, 3, 4]), 1e5 * np.arange(5))
    rows, columns = np.array([0.25, 1.5, 2.0]), np.array([0.5, 3.75])
    at = np.meshgrid(rows, columns, indexing="ij")
    vectors = [map_coordinates(v, at, order=1) for v in directions(own.lat, own.lon)]
    actual = own.at(1e5 * np.array([0.25, 2.0, 3.0]), 1e5 * columns)  # uneven rows
    np.testing.assert_allclose(actual, degrees_of(np.array(vectors)), atol=1e-12)


@pytest.mark.parametrize("first", [-180, 0])
def test_the_seam_of_longitudes_and_the_convention_of_the_file(first):
    own = geolocation(
        1e4 * np.arange(3), 1e4 * np.arange(-3, 4), pyproj.CRS("+proj=eqc +lon_0=180")
    )
    own = Geolocation(y=own.y, x=own.x, lat=own.lat, lon=(own.lon - first) % 360 + first)
    longitude = own.at(own.y, own.x[:-1] + 5e3)[1]
    assert ((longitude >= first) & (longitude < first + 360)).all()
    np.testing.assert_allclose(np.abs((longitude % 360) - 180).max(), np.rad2deg(25e3 / 6378137))


@pytest.mark.parametrize("crs", [LAMBERT, pyproj.CRS(3413)], ids=["lambert", "pole inside"])
def test_locate_is_the_way_back(crs):
    own = geolocation(20e3 * np.array([-3, -2, 0, 1, 2, 3]), 20e3 * np.arange(-5, 5), crs)
    y, x = 20e3 * np.linspace(-3.4, 3.4, 9), 20e3 * np.linspace(-5.4, 4.4, 7)
    actual = own.locate(*own.at(y, x))
    np.testing.assert_allclose(actual, np.meshgrid(y, x, indexing="ij"), atol=1e-2)  # 1 cm
    np.testing.assert_allclose(own.locate(own.lat, own.lon)[1][0], own.x, atol=1e-6)
    far = own.locate(np.array([-80.0, 0.0]), np.array([10.0, 100.0]))
    assert np.isinf(far).all()
    assert [c.shape for c in own.locate(np.zeros((0, 2)), np.zeros((0, 2)))] == [(0, 2)] * 2


def test_neighbours_of_one_place_do_not_stop_the_search():
    # halo columns repeat those of the other side
    own = geolocation(20e3 * np.arange(4), 20e3 * np.arange(6))
    halo = Geolocation(
        y=own.y, x=own.x, lat=own.lat[:, [0, 1, 2, 3, 4, 4]], lon=own.lon[:, [0, 1, 2, 3, 4, 4]]
    )
    at = own.at(np.array([25e3, 47e3]), np.array([31e3, 61e3]))
    expected = np.meshgrid([25e3, 47e3], [31e3, 61e3], indexing="ij")
    np.testing.assert_allclose(halo.locate(*at), expected, atol=1e-2)


# --- found in the data ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "units"),
    [(("XLAT", "XLONG"), True), (("XLAT", "XLONG"), False), (("nav_lat", "nav_lon"), False),
     (("lat", "lon"), False), (("phi", "lambda"), True)],
)  # fmt: skip
@pytest.mark.parametrize("turned", [False, True])
def test_found_by_units_or_name(names, units, turned):
    ds = wrf(names=names, units=units)
    if turned:  # other order of dimensions, and rows from north to south
        ds = ds.isel(south_north=slice(None, None, -1)).transpose("west_east", ...)
    grid = fields(ds).grid
    expected = wrf()
    np.testing.assert_allclose(grid.geolocation.lat, expected.XLAT)
    np.testing.assert_allclose(grid.geolocation.lon, expected.XLONG)
    layout = [ds[n].transpose("south_north", "west_east") for n in names]  # the user's
    np.testing.assert_allclose(geographic(grid), layout, atol=1e-12)
    assert placed(grid)


def test_one_name_does_not_do():
    assert fields(wrf().drop_vars("XLONG")).grid.geolocation is None
    assert fields(wrf(names=("phi", "lambda"), units=False)).grid.geolocation is None


def test_those_along_time_are_passed_over(caplog):
    ds = wrf()
    ds = ds.assign_coords({n: ds[n].expand_dims(time=ds.time) for n in ("XLAT", "XLONG")})
    with caplog.at_level(logging.INFO, LOG):
        assert fields(ds).grid.geolocation is None
    assert "['XLAT', 'XLONG'] are not used: they vary along other dimensions" in caplog.text
    with pytest.raises(GridError, match="planar axes without one"):
        geographic(fields(ds).grid)


@pytest.mark.parametrize("wrong", [np.nan, 999.0])
def test_those_with_gaps_are_passed_over(caplog, wrong):
    ds = wrf()
    latitude = ds.XLAT.copy()
    latitude[2, 3] = wrong
    with caplog.at_level(logging.INFO, LOG):
        assert fields(ds.assign_coords(XLAT=latitude)).grid.geolocation is None
    assert "('XLAT', 'XLONG') are not used: not every cell" in caplog.text


def test_lazy_data_stay_lazy():
    ds = wrf().chunk(time=1).assign_coords({n: wrf()[n].load() for n in ("XLAT", "XLONG")})
    with no_compute():
        actual = fields(ds)
    assert isinstance(actual.data.t2m.data, dask.array.Array)
    assert actual.grid.geolocation is not None


def test_chunked_places_are_read_at_once():
    with no_compute():
        actual = fields(wrf().chunk({"time": 1, "south_north": 3})).grid.geolocation
    expected = fields(wrf()).grid.geolocation
    np.testing.assert_array_equal(actual.lat, expected.lat)
    np.testing.assert_array_equal(actual.lon, expected.lon)


def test_axes_of_degrees_need_none():
    ds = xr.Dataset(
        {"t": (("lat", "lon"), np.zeros((2, 3)))}, {"lat": [50.0, 51.0], "lon": [0.0, 1.0, 2.0]}
    )
    ds = ds.assign_coords(
        XLAT=(("lat", "lon"), np.zeros((2, 3))), XLONG=(("lat", "lon"), np.ones((2, 3)))
    )
    assert fields(ds).grid.geolocation is None


# --- beside a CRS ---------------------------------------------------------------------------------


def with_crs(shift_cells=0.0, crs=LAMBERT, step=10e3):
    """A grid with a CRS, whose two-dimensional coordinates are of cells some way to the north."""
    y, x = step * np.arange(6.0), step * np.arange(8.0)
    latitude, longitude = places(y + shift_cells * step, x, crs)
    return xr.Dataset(
        {"t": (("y", "x"), np.zeros((6, 8)), {"grid_mapping": "map"})},
        {
            "y": ("y", y, {"units": "m"}),
            "x": ("x", x, {"units": "m"}),
            "lat": (("y", "x"), latitude),
            "lon": (("y", "x"), longitude),
            "map": ((), 0, crs.to_cf()),
        },
    )


def test_where_both_agree_the_crs_is_used(caplog):
    for shift in (0, 0.09, -0.09):
        assert fields(with_crs(shift)).grid.geolocation is None
    assert not caplog.records


@pytest.mark.parametrize("shift", [0.11, -0.5, 3])
def test_where_both_differ_the_file_is_preferred(caplog, shift):
    ds = with_crs(shift)
    grid = fields(ds).grid
    assert [r.levelno for r in caplog.records if r.name == LOG] == [logging.WARNING]
    cells = float(caplog.text.split("lie up to ")[1].split(" cells")[0])
    assert cells == pytest.approx(abs(shift), rel=0.01)
    assert "(lambert_conformal_conic, in 'map')" in caplog.text
    np.testing.assert_allclose(geographic(grid)[0], ds.lat, atol=1e-12)


def test_a_real_file_of_another_datum_than_it_says(caplog):
    # its arrays are a quarter of a cell off the CRS: an ellipsoid that it does not name
    ds = real("originals/test_lcc.nc")
    grid = fields(ds[["tas", "lambert_conformal_conic"]]).grid
    assert "lie up to 0.254 cells" in caplog.text
    np.testing.assert_allclose(geographic(grid), (ds.lat, ds.lon), atol=1e-12)


def test_a_real_file_with_another_pole(caplog):
    ds = real("cordex_iberia_hist.nc")[["tas", "rotated_pole"]]
    assert fields(ds).grid.geolocation is None
    ds.rotated_pole.attrs["grid_north_pole_longitude"] = -140.75
    np.testing.assert_allclose(geographic(fields(ds).grid), (ds.lat, ds.lon), atol=1e-5)
    assert "rotated_latitude_longitude" in caplog.text


# --- with the grid, wherever it goes --------------------------------------------------------------


def test_parts_and_refinements_share_it():
    given = fields(wrf())
    part = cut(given, {"y": slice(1, 5), "x": slice(2, 8)}).grid
    assert part.geolocation is given.grid.geolocation
    np.testing.assert_allclose(geographic(part)[0], wrf().XLAT[1:5, 2:8], atol=1e-12)
    means = coarser(given.grid, Scale.of(2))
    # the middle of two cells of 10 km each
    latitude, longitude = places(10e3 * (2 * np.arange(3) - 2.5), 10e3 * (2 * np.arange(4) - 3.5))
    assert apart(geographic(means), (latitude, longitude)).max() * 111e3 < 10
    assert to_degrees(means, means.y.values, means.x.values)[0].shape == (3, 4)


def test_block_means_are_as_before():
    out = coarsen(wrf(), 2)
    # means of places on the sphere, which for small cells are means of the numbers
    means = wrf().XLAT.coarsen(south_north=2, west_east=2).mean()
    np.testing.assert_allclose(out.XLAT, means, atol=1e-4)


def test_features_of_place_and_sun_without_a_crs():
    given = fields(wrf())
    names = (("solar_zenith",), ("latitude", "longitude"))
    found = forcings(*names, given.data.t2m, given.grid, given.grid)
    expected = np.sin(np.deg2rad(wrf().XLAT))
    np.testing.assert_allclose(found["latitude_sin"][0], expected, atol=1e-7)
    # noon of the 1st of June: the sun stands 22.0 degrees north, over some longitude near 0 E
    sun = np.argmin(np.abs(given.data.time.dt.hour.to_numpy() - 9))
    hour = np.deg2rad(wrf().XLONG + 15 * (9 - 12) + 0.55)
    phi, declination = np.deg2rad(wrf().XLAT), np.deg2rad(22.08)
    zenith = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour)
    np.testing.assert_allclose(found["solar_zenith_cos"][sun], zenith, atol=2e-3)
    bare = fields(wrf().drop_vars(["XLAT", "XLONG"]))
    with pytest.raises(GridError, match="assign two-dimensional lat and lon"):
        forcings(*names, bare.data.t2m, bare.grid, bare.grid)


def test_a_plane_without_either_has_no_places():
    assert not placed(plane(2, 2))
