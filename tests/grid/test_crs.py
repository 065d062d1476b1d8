"""Where on the Earth the cells of a grid lie, by its CRS and the unit of its axes."""

import pyproj
import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, real
from tests.grid import fields, lat, lon, plane
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cf.georeference import georeference
from xr_dl4ds.grid.crs import (
    crs_of,
    from_degrees,
    geographic,
    label,
    metres_in,
    named_axes,
    placed,
    projection,
    to_degrees,
)
from xr_dl4ds.grid.grid import Grid

ROTATED = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
}
LAEA = pyproj.CRS.from_epsg(3035)
#: Pole inside, transverse Mercator, Lambert.
PROJECTED = (3413, 25832, 3034, 3035)


def without_wkt(crs):
    return {k: v for k, v in crs.to_cf().items() if k != "crs_wkt"}


def mapped(mapping, y, x, units="m"):
    attrs = {} if units is None else {"units": units}
    axes = (Axis(name=n, values=np.asarray(v), attrs=attrs) for n, v in (("y", y), ("x", x)))
    y_axis, x_axis = axes
    return Grid(y=y_axis, x=x_axis, mapping_name="map", mapping=mapping)


def middle_of(epsg):
    """Metres around the middle of the area that a CRS is meant for."""
    crs = pyproj.CRS.from_epsg(epsg)
    area = crs.area_of_use
    x, y = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(
        (area.west + area.east) / 2, (area.south + area.north) / 2
    )
    return np.round(y, -3) + 1e4 * np.arange(-2, 3), np.round(x, -3) + 1e4 * np.arange(-1, 3)


# --- names and attributes -------------------------------------------------------------------------


def test_crs_of_each_kind_of_grid():
    y, x = np.arange(2.0), np.arange(3.0)
    planar = Grid(y=Axis(name="y", values=y), x=Axis(name="x", values=x))
    assert crs_of(planar) is None
    earth = Grid(
        y=Axis(name="lat", values=y, kind="latitude"),
        x=Axis(name="lon", values=x, kind="longitude"),
    )
    name, attrs = crs_of(earth)
    assert name == "crs"
    assert pyproj.CRS.from_cf(attrs).to_epsg() == 4326
    assert pyproj.CRS(attrs["spatial_ref"]).to_epsg() == 4326


def test_geographic_is_in_the_layout_of_the_grid():
    grid = Grid(y=lat(54, 52, 50), x=lon(358, 0))
    actual = geographic(grid)
    np.testing.assert_array_equal(actual[0], [[54, 54], [52, 52], [50, 50]])
    np.testing.assert_array_equal(actual[1], [[358, 0]] * 3)
    assert [a.dtype for a in actual] == [np.float64] * 2  # of whole degrees too


@pytest.mark.parametrize("step", [-1, 1])
def test_geographic_of_a_projected_grid(step):
    # the polar stereographic grid EPSG:3413 has 45 W downwards and 135 E upwards of the pole, and
    # 135 W to the left; its true scale is at 70 N, which is 2 187 km from the pole
    north = 2_187_000.0 * np.array([-1, 1])[::step]
    grid = Grid(
        y=Axis(name="y", values=north),
        x=Axis(name="x", values=np.array([-2_187_000.0, 0])),
        mapping_name="polar",
        mapping=pyproj.CRS.from_epsg(3413).to_cf(),
    )
    latitude, longitude = geographic(grid)
    np.testing.assert_allclose(latitude[:, 1], 70, atol=0.05)
    assert (latitude[:, 0] < 65).all()
    np.testing.assert_allclose(longitude % 360, [[270, 315], [180, 135]][::step], atol=1e-9)


def test_geographic_of_a_plane_without_a_crs():
    message = r"got planar axes without one: y 0.5 to 1.5 by 1, x .* Set it with \.rio\.write_crs"
    with pytest.raises(GridError, match=message):
        geographic(plane(2, 3))


# --- units ----------------------------------------------------------------------------------------

UNITS = {
    "km": 1e3,
    "kilometers": 1e3,
    "100 km": 1e5,
    "1000 meter": 1e3,
    "1e3 m": 1e3,
    "m": 1,
    "meters": 1,
    "Metre": 1,
    None: 1,
    "ft": 0.3048,
    "US_survey_foot": 1200 / 3937,
}


@pytest.mark.parametrize("units", UNITS, ids=str)
@pytest.mark.parametrize("epsg", PROJECTED)
def test_places_do_not_depend_on_the_unit(epsg, units):
    crs, metres = pyproj.CRS.from_epsg(epsg), UNITS[units]
    y, x = middle_of(epsg)
    cf = without_wkt(crs)
    for name in ("false_easting", "false_northing"):  # CF: in the unit of the coordinates
        cf[name] = cf[name] / metres
    grid = mapped(cf, y / metres, x / metres, units)
    actual = geographic(grid)
    # pyproj by hand, in metres
    expected = pyproj.Transformer.from_crs(crs, 4326, always_xy=True).transform(*np.meshgrid(x, y))
    np.testing.assert_allclose(actual, expected[::-1], rtol=0, atol=1e-9)


def test_one_axis_may_tell_the_unit_of_both():
    grid = mapped(
        {**without_wkt(LAEA), "false_easting": 4321.0, "false_northing": 3210.0},
        [0, 1],
        [0, 1],
        "km",
    )
    bare = Grid(**{**vars(grid), "y": Axis(name="y", values=grid.y.values)})
    np.testing.assert_array_equal(geographic(bare), geographic(grid))


def in_kilometres(crs):
    return pyproj.CRS(crs.to_proj4().replace("+units=m", "+units=km"))


@pytest.mark.filterwarnings("ignore:You will likely lose important projection")
@pytest.mark.parametrize("units", ["km", None, "1"])
def test_a_wkt_tells_its_own_unit(units):
    grid = mapped({"crs_wkt": in_kilometres(LAEA).to_wkt()}, [3210, 3310], [4321, 4421], units)
    latitude, longitude = geographic(grid)
    # the origin of the projection, where false easting and northing lie
    np.testing.assert_allclose((latitude[0, 0], longitude[0, 0]), (52, 10), atol=1e-9)
    named = named_axes(grid, crs_of(grid))
    assert [a.attrs["units"] for a in (named.y, named.x)] == ["km", "km"]
    attrs = crs_of(grid)[1]
    assert (attrs["false_easting"], attrs["false_northing"]) == pytest.approx((4321, 3210))


def test_offsets_of_a_wkt_in_another_unit_than_its_axes():
    before, axes = LAEA.to_wkt().split("CS[Cartesian")
    wkt = before + "CS[Cartesian" + axes.replace('"metre",1', '"kilometre",1000')
    attrs = crs_of(mapped({"crs_wkt": wkt}, [3210, 3310], [4321, 4421], "km"))[1]
    assert (attrs["false_easting"], attrs["false_northing"]) == pytest.approx((4321, 3210))
    assert "latitude_of_natural_origin" not in attrs


@pytest.mark.parametrize(
    ("units", "unit"), [("km", None), ("100 km", None), ("m", None), (None, "m"), ("ft", None)]
)
def test_gdal_reads_the_unit_that_the_transform_is_in(tmp_path, units, unit):
    rasterio = pytest.importorskip("rasterio")
    metres = UNITS[units]
    cf = without_wkt(LAEA)
    cf |= {n: cf[n] / metres for n in ("false_easting", "false_northing")}
    y, x = (np.array([3.4e6, 3.3e6, 3.2e6]) / metres, np.array([4.2e6, 4.3e6]) / metres)
    grid = mapped(cf, y, x, units)
    hr = xr.Dataset({"t": (("y", "x"), np.arange(6.0, dtype="f4").reshape(3, 2))})
    out = georeference(hr, grid, {"t": {"units": "K"}}, hr, {"summary": "", "software": ""})
    out.to_netcdf(tmp_path / "out.nc", engine="netcdf4")
    assert {out[n].attrs["units"] for n in "yx"} == {unit or units}
    with rasterio.open(f"netcdf:{tmp_path / 'out.nc'}:t") as raster:
        seen = pyproj.CRS(raster.crs.to_wkt())
        at = raster.xy(0, 0)  # the centre of the first cell
    assert seen.axis_info[0].unit_conversion_factor == pytest.approx(metres)
    actual = pyproj.Transformer.from_crs(seen, 4326, always_xy=True).transform(*at)
    expected = pyproj.Transformer.from_crs(LAEA, 4326, always_xy=True).transform(4.2e6, 3.4e6)
    np.testing.assert_allclose(actual, expected, atol=1e-7)
    np.testing.assert_allclose((out.lon[0, 0], out.lat[0, 0]), expected, atol=1e-9)


def test_a_wkt_of_another_unit_than_the_axes_state():
    grid = mapped(LAEA.to_cf(), [3210, 3310], [4321, 4421], "km")
    message = r"Expected y and x in the unit of the CRS in 'map', 'metre', got 'km'\. .*units=km"
    with pytest.raises(GridError, match=message):
        geographic(grid)


@pytest.mark.parametrize(("y", "x"), [("parsec", "parsec"), ("km", "m"), ("degrees", "degrees")])
def test_units_of_a_map_that_are_no_length(y, x):
    grid = mapped(without_wkt(LAEA), [0, 1], [0, 1], y)
    grid = Grid(**{**vars(grid), "x": Axis(name="x", values=[0, 1], attrs={"units": x})})
    message = f"y and x in one unit of length such as 'm' or 'km'.* got '{y}' and '{x}'. Bring"
    with pytest.raises(GridError, match=message):
        crs_of(grid)


def test_a_rotated_grid_is_in_degrees():
    for units in ("degrees", "degree", None):
        assert projection(mapped(ROTATED, [0, 1], [0, 1], units)).is_geographic
    with pytest.raises(GridError, match=r"in 'degrees', because 'map' is a CRS of angles, got 'm'"):
        projection(mapped(ROTATED, [0, 1], [0, 1], "m"))


def test_a_datum_shift_beside_a_unit():
    cf = {**without_wkt(LAEA), "towgs84": [100.0, 0.0, 0.0]}
    small = mapped(
        {**cf, "false_easting": 4321.0, "false_northing": 3210.0}, [3210, 3410], [4321, 4400], "km"
    )
    large = mapped(cf, [3.21e6, 3.41e6], [4.321e6, 4.4e6])
    np.testing.assert_allclose(geographic(small), geographic(large), atol=1e-9)
    assert geographic(large)[0][0, 0] != pytest.approx(52, abs=1e-5)


def test_metres_in():
    assert [metres_in(u) for u in ("m", "KM", " km ", "10 km", "1.5e3 m", "", "km2", "1")] == [
        *(1, 1000, 1000, 1e4, 1500),
        *(None, None, None),
    ]


# --- rotated grids, and the way back --------------------------------------------------------------


def test_a_rotated_pole_by_the_textbook():
    rlat, rlon = np.array([-20.0, 0, 30]), np.array([-30.0, 5])
    latitude, longitude = geographic(mapped(ROTATED, rlat, rlon, "degrees"))
    # spherical trigonometry: the pole stands at `p`, and the rotated meridian 0 runs away from it
    p, a, b = np.deg2rad(39.25), *np.deg2rad(np.meshgrid(rlat, rlon, indexing="ij"))
    sine = np.sin(p) * np.sin(a) + np.cos(p) * np.cos(a) * np.cos(b)
    east = np.arctan2(
        np.cos(a) * np.sin(b), np.sin(p) * np.cos(a) * np.cos(b) - np.cos(p) * np.sin(a)
    )
    np.testing.assert_allclose(latitude, np.rad2deg(np.arcsin(sine)), atol=1e-9)
    np.testing.assert_allclose((longitude - 18 - np.rad2deg(east) + 180) % 360, 180, atol=1e-9)


GRIDS = {
    **{str(n): mapped(pyproj.CRS.from_epsg(n).to_cf(), *middle_of(n)) for n in PROJECTED},
    "rotated": mapped(ROTATED, [-2.0, 0, 2], [-20.0, 10], "degrees"),
    "rotated, 0..360": mapped(ROTATED, [-2.0, 0, 2], [340.0, 380], "degrees"),
    "lat lon": Grid(y=lat(50, 52), x=lon(-20, 10)),
    "0..360": Grid(y=lat(50, 52), x=lon(340, 380)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_there_and_back(name):
    grid = GRIDS[name]
    y, x = grid.y.canonical, grid.x.canonical
    actual = from_degrees(grid, *to_degrees(grid, y, x))
    expected = np.meshgrid(y, x, indexing="ij")
    np.testing.assert_allclose(actual, expected, atol=1e-5 if name.isdigit() else 1e-9)


def test_places_that_a_crs_has_not_are_infinite():
    geostationary = pyproj.CRS("+proj=geos +h=35785831 +lon_0=0 +units=m")
    grid = mapped(geostationary.to_cf(), [0, 1000], [0, 1000])
    y, x = from_degrees(grid, np.array([0.0, 0]), np.array([0.0, 180]))  # before and behind
    np.testing.assert_array_equal(np.isfinite(y), [True, False])
    np.testing.assert_array_equal(np.isfinite(x), [True, False])


def test_no_way_back_without_a_crs():
    with pytest.raises(GridError, match=r"a grid with a CRS, got planar axes.*write_crs"):
        from_degrees(plane(2, 2), np.array([50.0]), np.array([0.0]))


# --- grid mappings that cannot be read ------------------------------------------------------------

GARBAGE = {
    "unknown name": ({"grid_mapping_name": "mercury"}, "mercury"),
    "parameters missing": ({"grid_mapping_name": "lambert_conformal_conic"}, "KeyError"),
    "no name": ({"author": "me"}, "author='me'"),
    "wkt": ({"crs_wkt": "GEOGCS["}, r"crs_wkt='GEOGCS\['"),
    "text for a number": (
        {"grid_mapping_name": "transverse_mercator", "latitude_of_projection_origin": "north"},
        "latitude_of_projection_origin='north'",
    ),
}


@pytest.mark.parametrize("kind", GARBAGE)
@pytest.mark.parametrize("of", ["plane", "degrees"])
def test_garbage_is_named_with_the_cure(kind, of):
    mapping, said = GARBAGE[kind]
    hr = analytic(time=2)
    if of == "plane":
        hr = hr.rename(latitude="y", longitude="x")
        hr = hr.assign_coords({n: (n, hr[n].to_numpy()) for n in "yx"})
    hr = hr.assign(odd=((), 0, mapping))
    hr.t2m.attrs["grid_mapping"] = "odd"
    with pytest.raises(GridError, match=f"grid mapping 'odd' to state a CRS.*{said}.*write_crs"):
        fields(hr)
    # block means need no CRS
    assert hr.downscale.coarsen(4).t2m.attrs["grid_mapping"] == "odd"


def test_an_empty_wkt_does_not_hide_the_attributes():
    grid = mapped({**without_wkt(LAEA), "crs_wkt": ""}, [3.21e6, 3.31e6], [4.321e6, 4.421e6])
    np.testing.assert_allclose([c[0, 0] for c in geographic(grid)], [52, 10], atol=1e-9)
    assert pyproj.CRS(crs_of(grid)[1]["crs_wkt"]).is_projected


# --- what is what ---------------------------------------------------------------------------------


def test_labels_and_whether_there_are_places():
    expected = {
        "planar axes without a CRS": plane(2, 2),
        "latitude and longitude": GRIDS["lat lon"],
        "ETRS89-extended / LAEA Europe": GRIDS["3035"],
        "rotated_latitude_longitude": GRIDS["rotated"],
    }
    assert [label(grid) for grid in expected.values()] == list(expected)
    assert [placed(grid) for grid in expected.values()] == [False, True, True, True]


@pytest.mark.parametrize("units", ["degrees", "degrees_north"])
def test_rotated_axes_are_no_latitudes_whatever_their_degrees(units):
    ds = xr.Dataset({"t": (("rlat", "rlon"), np.zeros((2, 2)))})
    for name, long in (("rlat", "grid_latitude"), ("rlon", "grid_longitude")):
        ds = ds.assign_coords({name: (name, [0.0, 1.0], {"standard_name": long, "units": units})})
    grid = fields(ds).grid
    assert (grid.y.kind, grid.x.kind) == ("planar", "planar")


@pytest.mark.parametrize(
    ("name", "variable", "cells"),
    [("originals/tmean_1910_1910.nc", "tmean", 0.01), ("cordex_iberia_hist.nc", "tas", 0.01)],
)
def test_real_files_agree_with_their_own_places(name, variable, cells):
    ds = real(name)
    grid = fields(ds[[variable, *(n for n in ds if ds[n].ndim == 0)]]).grid
    assert grid.geolocation is None  # not needed
    latitude, longitude = geographic(grid)
    degree = cells * (0.44 if variable == "tas" else 5 / 111)
    np.testing.assert_allclose(latitude, ds.lat, atol=degree)
    np.testing.assert_allclose(longitude, ds.lon, atol=degree / np.cos(np.deg2rad(65)))
