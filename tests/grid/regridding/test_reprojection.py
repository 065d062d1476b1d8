"""Fields of one CRS on the grid of another: where cells lie, what is covered, what comes out."""

import logging

import pyproj
import dask.array
import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import map_coordinates

from tests.conftest import no_compute, real
from tests.grid import LAYOUTS, fields, lat, lon, plane
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.grid.axis import Axis
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.crs import from_degrees, geographic, to_degrees
from xr_dl4ds.grid.geolocation import Geolocation, degrees_between, directions
from xr_dl4ds.grid.grid import Grid
from xr_dl4ds.grid.regridding.interpolate import interpolate
from xr_dl4ds.grid.regridding.regridder import onto, regridder
from xr_dl4ds.grid.regridding.reprojection import covered_part, reproject, same_place, spacing_in

METHODS = ("nearest", "bilinear", "bicubic", "conservative")
ROTATED = pyproj.CRS.from_cf(
    {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
)
FIJI = pyproj.CRS("+proj=tmerc +lon_0=179 +lat_0=-18 +datum=WGS84")  # the date line runs through


def mapped(crs, y, x, units="m"):
    crs = pyproj.CRS(crs)
    axes = [Axis(name=n, values=np.asarray(v, "f8"), attrs={"units": units}) for n, v in
            (("y", y), ("x", x))]  # fmt: skip
    return Grid(y=axes[0], x=axes[1], mapping_name="map", mapping=crs.to_cf())


def around(crs, latitude, longitude, shape, step, units="m"):
    """A grid of square cells around a place."""
    crs = pyproj.CRS(crs)
    x, y = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(longitude, latitude)
    y, x = (c + step * (np.arange(n) - (n - 1) / 2) for c, n in zip((y, x), shape, strict=True))
    return mapped(crs, y, x, units)


def degrees(latitudes, longitudes):
    return Grid(y=lat(*latitudes), x=lon(*longitudes))


def smooth(latitude, longitude):
    """A field that is smooth on the sphere, the poles included: a harmonic of degree 6 at most."""
    phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
    x, y, z = np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)
    return 4 * x * y * z + z**3 + 2 * x**2 - (x * y) ** 2 * z


def data(grid, function=smooth, time=3, dtype="f8"):
    values = function(*to_degrees(grid, grid.y.canonical, grid.x.canonical))
    values = (values + np.arange(time)[:, None, None]).astype(dtype)
    return xr.Dataset({"t": (("time", "y", "x"), values, {"units": "K"})}, grid.coords)


PAIRS = {
    "lat lon to lambert": (
        degrees(np.arange(40, 60.1, 0.5), np.arange(-5, 26, 0.5)),
        around(3034, 50, 10, (30, 40), 20e3),
    ),
    "lambert to lat lon": (
        around(3034, 50, 10, (60, 60), 40e3),
        degrees(np.arange(45, 55, 0.25), np.arange(5, 16, 0.25)),
    ),
    "global to a pole inside": (
        degrees(np.arange(-89.5, 90), np.arange(0.5, 360)),
        around(3413, 90, 0, (40, 41), 50e3),
    ),
    "global of -180..180 to a pole inside, in km": (
        degrees(np.arange(89.5, -90, -1), np.arange(-179.5, 180)),
        around(in_km := "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +units=km", 90, 0,
               (40, 41), 50, "km"),
    ),
    "a pole inside to lat lon": (
        around(3413, 90, 0, (150, 150), 50e3),
        degrees(np.arange(70.5, 90), np.arange(0.5, 360, 3)),
    ),
    "utm to rotated": (
        around(25832, 50, 9, (60, 60), 10e3),
        around(ROTATED, 50, 9, (20, 20), 0.1, "degrees"),
    ),
    "rotated to utm": (
        around(ROTATED, 50, 9, (40, 40), 0.2, "degrees"),
        around(25832, 50, 9, (30, 30), 10e3),
    ),
    "global to both sides of Greenwich": (
        degrees(np.arange(-89, 90, 2), np.arange(0, 360, 2)),
        around(27700, 52, 0, (30, 30), 20e3),
    ),
    "0..360 to both sides of the date line": (
        degrees(np.arange(-30, -5), np.arange(170, 190)),
        around(FIJI, -18, 180, (20, 20), 30e3),
    ),
    "both sides of the date line to -180..180": (
        around(FIJI, -18, 180, (60, 60), 30e3),
        degrees(np.arange(-22, -14), [177, 178, 179, -180, -179, -178]),
    ),
    "Gaussian latitudes": (
        degrees(np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(64)[0])),
                np.arange(128) * 360 / 128),
        around(3034, 50, 10, (20, 20), 50e3),
    ),
}  # fmt: skip


def largest_step(grid):
    """Degrees of a great circle between neighbours."""
    vectors = directions(*to_degrees(grid, grid.y.canonical, grid.x.canonical))
    along_y = degrees_between(vectors[:, 1:], vectors[:, :-1])
    return max(along_y.max(), degrees_between(vectors[..., 1:], vectors[..., :-1]).max())


# --- what comes out -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("method", METHODS)
def test_a_smooth_field_is_the_same_on_both_grids(name, method):
    source, target = PAIRS[name]
    actual = reproject(data(source), source, target, method)
    expected = data(target)
    xr.testing.assert_equal(
        actual.coords.to_dataset()[["y", "x"]], expected[["y", "x"]].coords.to_dataset()
    )
    # first derivatives of the field are below 5, second ones below 20, on the unit sphere
    step = np.deg2rad(largest_step(source))
    bounds = {"bilinear": 20 * step**2 / 4, "bicubic": 0.1 * 5 * step}
    assert np.isfinite(actual.t).all()
    assert np.abs(actual.t - expected.t).max() < bounds.get(method, 5 * step)
    assert actual.t.attrs == {"units": "K"}


@pytest.mark.parametrize("name", ["rotated to utm", "lat lon to lambert", "lambert to lat lon"])
def test_bilinear_equals_scipy_at_the_places_of_pyproj(name):
    source, target = PAIRS[name]
    rng = np.random.default_rng(0)
    values = rng.random(source.shape)
    latitude, longitude = geographic(target)
    crs = 4326 if source.y.kind == "latitude" else pyproj.CRS.from_cf(source.mapping)
    x, y = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(longitude, latitude)
    at = [
        (y - source.y.canonical[0]) / source.y.spacing,
        (x - source.x.canonical[0]) / source.x.spacing,
    ]
    expected = map_coordinates(values, at, order=1, mode="nearest")
    ds = xr.Dataset({"t": (("y", "x"), values)})
    actual = reproject(ds, source, target, "bilinear").t
    order = target.y.order, target.x.order
    np.testing.assert_allclose(actual, expected[order[0]][:, order[1]], atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_gdal_warps_to_the_same(method):
    warp = pytest.importorskip("rasterio.warp")
    transform = pytest.importorskip("rasterio.transform")
    source = degrees(np.arange(40.25, 60, 0.5), np.arange(-4.75, 25, 0.5))
    target = around(3035, 50, 10, (24, 30), 20e3 if method != "conservative" else 150e3)
    values = data(source, lambda a, b: np.sin(a / 2) * np.cos(b / 3)).t.to_numpy()
    out = np.empty((3, *target.shape))
    y, x, step = target.y.canonical[-1], target.x.canonical[0], target.y.spacing
    warp.reproject(
        values[:, ::-1].copy(),
        out,
        src_transform=transform.from_origin(-5, 60, 0.5, 0.5),
        src_crs="EPSG:4326",
        dst_transform=transform.from_origin(x - step / 2, y + step / 2, step, step),
        dst_crs="EPSG:3035",
        src_nodata=np.nan,
        dst_nodata=np.nan,
        tolerance=0,
        resampling=warp.Resampling[
            {"bicubic": "cubic", "conservative": "average"}.get(method, method)
        ],
    )
    actual = reproject(
        data(source, lambda a, b: np.sin(a / 2) * np.cos(b / 3)), source, target, method
    ).t
    apart = (actual - out[:, ::-1]).to_numpy()
    both = np.isfinite(apart)
    assert both.mean() > 0.15
    # of values from -1 to 1; GDAL's are further from scipy's than ours, its cubic has the parameter
    # -0.5, and of two cells as near as the other it may take the other
    most = {"nearest": 1e-9, "bilinear": 0.01, "bicubic": 0.02, "conservative": 0.02}[method]
    assert np.quantile(np.abs(apart[both]), 0.9) < most


@pytest.mark.sparse(3)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_longitudes_in_any_layout_and_a_full_circle_have_no_seam(layout, method):
    longitudes = LAYOUTS[layout](np.arange(-9, 12, 1.0))
    source = degrees(np.arange(40, 60, 1.0), longitudes)
    target = around(27700, 50, 0, (10, 12), 30e3)
    plain = degrees(np.arange(40, 60, 1.0), np.arange(-9, 12, 1.0))
    actual = reproject(data(source), source, target, method)
    xr.testing.assert_allclose(actual, reproject(data(plain), plain, target, method), atol=1e-12)
    whole = degrees(np.arange(40, 60, 1.0), np.arange(0, 360, 1.0))
    xr.testing.assert_allclose(actual, reproject(data(whole), whole, target, method), atol=1e-12)


def test_conservative_keeps_the_mean_of_what_lies_in_a_cell():
    # a lattice of 1 km, of which 50 x 50 make a cell turned by some degrees: the mean of a field of
    # the source's own coordinates is that of the cell's corners and middle
    source = around(25833, 50, 9, (400, 400), 1e3)
    target = around(25832, 50, 9, (4, 5), 50e3)
    y, x = np.meshgrid(source.y.canonical, source.x.canonical, indexing="ij")
    ds = xr.Dataset({"t": (("y", "x"), 3e-5 * (y - y.mean()) - 1e-5 * (x - x.mean()))})
    actual = reproject(ds, source, target, "conservative").t
    at = from_degrees(source, *to_degrees(target, target.y.canonical, target.x.canonical))
    expected = 3e-5 * (at[0] - y.mean()) - 1e-5 * (at[1] - x.mean())
    # a cell spans 2 units; its middle and its mean part by its curvature, (50 km)² over the Earth
    np.testing.assert_allclose(actual, expected, atol=5e-3)


def test_conservative_means_are_of_what_is_valid():
    source, target = around(25832, 50, 9, (80, 80), 5e3), around(25833, 50, 9, (4, 4), 50e3)
    values = np.ones(source.shape)
    values[::3] = np.nan
    values[:, 47:] = np.nan  # from 35 km east of the middle, where the last column begins at 50
    actual = reproject(xr.Dataset({"t": (("y", "x"), values)}), source, target, "conservative").t
    expected = np.ones((4, 4))
    assert (actual.isel(x=slice(0, 3)) == expected[:, :3]).all()
    assert np.isnan(actual.isel(x=3)).all()


# --- masks, rims, types ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_neither_spreads_nor_shrinks(method):
    source, target = PAIRS["lat lon to lambert"]
    ds = data(source)
    sea = ds.x < 10
    masked = reproject(ds.where(~sea), source, target, method).t
    longitude = xr.DataArray(geographic(target)[1], dims=("y", "x"))
    # the cells of 9.5 E and of 10 E meet at 9.75 E; a conservative mean takes any land there is
    land = longitude > 9.75
    away = np.abs(longitude - 9.75) > 0.3
    assert (masked.notnull() == land).where(away if method == "conservative" else True).all()
    full = reproject(ds, source, target, method).t
    far = (longitude > 11).broadcast_like(full)
    xr.testing.assert_allclose(masked.where(far), full.where(far))
    assert float(np.abs(masked - full).max()) < 0.2  # beside it, what the nearest has


def test_infinite_values_count_as_masked():
    source, target = PAIRS["lat lon to lambert"]
    ds = data(source)
    gone = ds.where(ds.x < 10, np.inf)
    xr.testing.assert_equal(
        reproject(gone, source, target, "bicubic"),
        reproject(ds.where(ds.x < 10), source, target, "bicubic"),
    )


@pytest.mark.parametrize("method", METHODS)
def test_nothing_beyond_half_a_cell_and_no_gap_before(method):
    source = degrees(np.arange(48, 53, 1.0), np.arange(5, 12, 1.0))
    target = around(3035, 50, 8, (90, 90), 10e3)
    actual = reproject(data(source), source, target, method).t
    latitude, longitude = geographic(target)
    # the edges are 47.5 and 52.5 N, 4.5 and 11.5 E
    inside = np.maximum(np.abs(latitude - 50) - 2.5, np.abs(longitude - 8) - 3.5)
    slack = 0.08 if method == "conservative" else 0.002  # half a target cell; our tolerance
    assert np.isfinite(actual.to_numpy()[:, inside < 0]).all()
    assert np.isnan(actual.to_numpy()[:, inside > slack]).all()


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_the_rim_is_constant_beyond_the_outer_centres(method):
    source = degrees(np.arange(48, 53, 1.0), np.arange(5, 12, 1.0))
    at = np.array([52.0, 52.2, 52.49])
    target = Grid(**{**vars(degrees(at, [7.0, 8.0]))})
    target = mapped(pyproj.CRS(4326), at, [7.0, 8.0], "degrees")  # planar axes of degrees
    actual = reproject(data(source), source, target, method).t
    np.testing.assert_allclose(actual.std("y"), 0, atol=0.02 if method == "bicubic" else 1e-12)


def test_rows_next_to_a_pole_reach_up_to_it():
    # Gaussian latitudes end at 87.9 N, their cells at 89.3 N
    gauss = np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(64)[0]))[::2]
    source = degrees(gauss, np.arange(0, 360, 5.0))
    target = around(3413, 90, 0, (5, 5), 50e3)
    assert np.isfinite(reproject(data(source), source, target, "bilinear").t).all()
    ends = degrees(np.arange(40, 81, 5.0), np.arange(0, 360, 5.0))  # a row is missing there
    assert np.isnan(reproject(data(ends), ends, target, "bilinear").t).all()


@pytest.mark.parametrize("chunks", [{"time": 1}, {"time": 2, "y": 7, "x": 9}], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_chunked_fields_stay_lazy_and_give_the_same(chunks, method):
    source, target = PAIRS["lat lon to lambert"]
    ds = data(source, dtype="f4")
    with no_compute():
        actual = reproject(ds.chunk(chunks), source, target, method)
    assert isinstance(actual.t.data, dask.array.Array)
    assert actual.t.chunks[0] == ds.chunk(chunks).t.chunks[0]
    expected = reproject(ds, source, target, method)
    assert actual.t.dtype == expected.t.dtype == np.float32
    xr.testing.assert_identical(actual.compute(), expected)


@pytest.mark.parametrize(("dtype", "expected"), [("f8", "f8"), ("f4", "f4"), ("i2", "f4")])
def test_types_and_leading_dimensions(dtype, expected):
    source, target = PAIRS["utm to rotated"]
    ds = data(source).map(lambda v: (10 * v).astype(dtype)).expand_dims(member=2)
    for method in METHODS:
        actual = reproject(ds, source, target, method).t
        assert actual.dtype == expected
        assert actual.dims == ("member", "time", "y", "x")
        (one,) = reproject(ds.isel(member=0, time=[1]), source, target, method).t
        np.testing.assert_array_equal(actual[1, 1], one)
    assert reproject(ds.isel(time=slice(0)), source, target, "bilinear").t.shape[:2] == (2, 0)


def test_a_target_or_source_without_a_crs_but_with_its_own_places():
    source, target = PAIRS["lat lon to lambert"]
    latitude, longitude = to_degrees(target, target.y.canonical, target.x.canonical)
    own = Geolocation(y=np.arange(30.0), x=np.arange(40.0), lat=latitude, lon=longitude)
    bare = Grid(
        y=Axis(name="j", values=np.arange(30.0)),
        x=Axis(name="i", values=np.arange(40.0)),
        geolocation=own,
    )
    expected = reproject(data(source), source, target, "bilinear").t
    actual = reproject(data(source), source, bare, "bilinear").t
    np.testing.assert_allclose(actual, expected, atol=1e-9)
    back = degrees(np.arange(48, 52, 0.5), np.arange(8, 12, 0.5))
    np.testing.assert_allclose(
        reproject(expected.to_dataset(name="t"), bare, back, "bilinear").t,
        reproject(expected.to_dataset(name="t"), target, back, "bilinear").t,
        atol=1e-6,
    )


# --- the same places or not -----------------------------------------------------------------------


def test_same_place():
    utm = around(25832, 50, 9, (10, 10), 1e3)
    coarse = around(25832, 50, 9, (5, 5), 2e3)
    without_wkt = {
        k: v for k, v in utm.mapping.items() if k not in ("crs_wkt", "projected_crs_name")
    }
    shifted = {**without_wkt, "false_easting": utm.mapping["false_easting"] + 50.0}
    far = {**without_wkt, "false_easting": utm.mapping["false_easting"] + 150.0}
    sphere = Grid(
        **{**vars(degrees([1, 2], [3, 4])), "mapping_name": "earth",
           "mapping": {"grid_mapping_name": "latitude_longitude", "earth_radius": 6371229.0}}
    )  # fmt: skip
    cases = [
        (utm, coarse, True),
        (utm, Grid(**{**vars(utm), "mapping": without_wkt}), True),
        (Grid(**{**vars(utm), "mapping": shifted}), coarse, True),  # 50 m, a tenth is 100 m
        (Grid(**{**vars(utm), "mapping": far}), coarse, False),
        (utm, around(25833, 50, 9, (5, 5), 2e3), False),
        (sphere, degrees([1, 2], [3, 4]), True),
        (utm, degrees([50, 51], [8, 9]), False),
        (degrees([50, 51], [8, 9]), plane(2, 2), False),
        (utm, plane(2, 2), True),
        (plane(2, 2), plane(3, 3), True),
        (utm, around("+proj=utm +zone=32 +ellps=GRS80 +units=km", 50, 9, (5, 5), 2, "km"), False),
        (around(FIJI, -18, 180, (3, 3), 1e4), around(3413, 90, 0, (3, 3), 1e4), False),
    ]
    assert [same_place(a, b) for a, b, _ in cases] == [wanted for *_, wanted in cases]
    assert [same_place(b, a) for a, b, _ in cases] == [wanted for *_, wanted in cases]


def test_one_without_a_crs_is_taken_to_be_in_that_of_the_other(caplog):
    with caplog.at_level(logging.INFO, "xr_dl4ds.grid.regridding.reprojection"):
        assert same_place(plane(2, 2), around(3035, 52, 10, (2, 2), 1.0))
    assert "have no CRS: taken as in ETRS89-extended / LAEA Europe" in caplog.text


def test_two_without_a_crs_are_told_by_their_own_places():
    y, x = np.arange(6.0), np.arange(8.0)

    def at(first):
        latitude, longitude = np.meshgrid(first + 0.1 * y, 0.1 * x, indexing="ij")
        own = Geolocation(y=y, x=x, lat=latitude, lon=longitude)
        return Grid(y=Axis(name="j", values=y), x=Axis(name="i", values=x), geolocation=own)

    assert same_place(at(50), at(50))
    assert not same_place(at(50), at(50.2))  # two cells on


# --- spacing, overlap and cover -------------------------------------------------------------------


def test_spacing_of_degrees_in_metres():
    # one degree is 111.2 km along a meridian of WGS 84 at 50 N and 71.7 km along the parallel
    source, target = degrees(np.arange(40, 61), np.arange(0, 21)), around(25832, 50, 9, (4, 4), 1e3)
    np.testing.assert_allclose(spacing_in(source, target), (111.2e3, 71.7e3), rtol=1e-3)
    back = spacing_in(
        around(25832, 50, 9, (4, 4), 111.2e3), degrees(np.arange(48, 53), np.arange(7, 12))
    )
    np.testing.assert_allclose(back, (1, 111.2 / 71.7), rtol=1e-3)


def test_spacing_of_axes_turned_by_a_right_angle_and_by_half_of_one():
    # along 45 E the axes of EPSG:3413 run along and across the meridian, along 0 E between
    south = around(3413, 80, 45, (4, 4), 40e3)
    source = degrees(np.arange(70, 89), np.arange(0, 90, 2.0))
    scale = 0.99  # of the projection at 80 N, some percent
    along, across = 111.7e3, 2 * 19.4e3
    assert spacing_in(source, south) == pytest.approx((across * scale, along * scale), rel=0.02)
    turned = around(3413, 80, 0, (4, 4), 40e3)
    middle = np.hypot(along, across) / np.sqrt(2) * scale
    assert spacing_in(source, turned) == pytest.approx((middle, middle), rel=0.02)


def test_covered_part_by_hand():
    # source cells end at 47.5 N; the target's rows are parallels: those above are left
    source = degrees(np.arange(48, 53, 1.0), np.arange(5, 12, 1.0))
    target = mapped(4326, np.arange(46.25, 52, 0.5), np.arange(4.25, 13, 0.5), "degrees")
    assert covered_part(source, target) == {"y": slice(3, 12), "x": slice(1, 15)}


def test_covered_part_is_covered_and_not_small():
    source, target = (
        degrees(np.arange(45, 55), np.arange(5, 16)),
        around(3035, 50, 10, (90, 90), 15e3),
    )
    part = covered_part(source, target)
    latitude, longitude = geographic(target)
    inside = (np.abs(latitude - 49.5) <= 5.001) & (np.abs(longitude - 10) <= 5.501)
    assert inside[part["y"], part["x"]].all()
    assert inside[part["y"], part["x"]].size > 0.75 * inside.sum()


def test_grids_apart():
    source, target = degrees([10, 11, 12], [1, 2, 3]), around(3035, 50, 10, (4, 4), 1e4)
    message = r"overlap, got A on lat 10 to 12 .*\(latitude and longitude\) and B on y .*LAEA"
    with pytest.raises(GridError, match=message):
        regridder(source, target).require_overlap("A", "B")
    with pytest.raises(GridError, match=r"a rectangle of HR cells of y .* hardly overlap"):
        covered_part(source, target)


def test_a_small_grid_inside_one_cell_overlaps():
    large, small = degrees([45, 55], [5, 15]), around(3035, 50, 10, (2, 2), 10.0)
    regridder(large, small).require_overlap("A", "B")
    regridder(small, large).require_overlap("A", "B")


@pytest.mark.parametrize("swapped", [False, True])
def test_a_plane_without_a_crs_is_told_how_to_get_one(swapped):
    pair = [plane(3, 3), degrees([0, 1], [0, 1])]
    message = (
        r"the same kind of coordinates, got 'y' \(planar\) and 'lat' \(latitude\), and no CRS of"
        r" (A|B)\. Set it with \.rio\.write_crs.*standard_name"
    )
    with pytest.raises(GridError, match=message):
        regridder(*pair[:: -1 if swapped else 1]).require_overlap("A", "B")


# --- through the ways of the package --------------------------------------------------------------


def dataset(grid, **options):
    """User data on a grid, with its CRS as a coordinate."""
    ds = data(grid, **options).rename(y=grid.y.name, x=grid.x.name)
    ds = ds.assign_coords({a.name: (a.name, a.canonical, dict(a.attrs)) for a in (grid.y, grid.x)})
    if grid.mapping_name is None:
        for axis, units in ((grid.y, "degrees_north"), (grid.x, "degrees_east")):
            ds[axis.name].attrs["units"] = units
        return ds
    ds.t.attrs["grid_mapping"] = grid.mapping_name
    return ds.assign_coords({grid.mapping_name: ((), 0, dict(grid.mapping))})


@pytest.mark.parametrize("name", ["lat lon to lambert", "lambert to lat lon", "rotated to utm"])
def test_interpolate_across_crss(name):
    source, target = PAIRS[name]
    ds, like = dataset(source), dataset(target)
    actual = ds.downscale.interpolate(like, method="bicubic")
    expected = reproject(data(source), source, target, "bicubic").t
    np.testing.assert_array_equal(actual.t, expected)
    for axis in (target.y.name, target.x.name):
        xr.testing.assert_identical(actual[axis].variable, like[axis].variable)
    assert actual.t.attrs.get("grid_mapping") == target.mapping_name
    assert ("map" in actual.coords) == (target.mapping_name is not None)
    if target.mapping_name:
        assert actual["map"].attrs == like["map"].attrs


def test_finer_static_fields_are_averaged_and_coarser_interpolated(caplog):
    target = around(3035, 50, 10, (12, 14), 20e3)
    for step, method in ((0.02, "conservative"), (1.0, "bilinear")):
        source = degrees(np.arange(47, 53, step), np.arange(6, 14, step))
        caplog.clear()
        with caplog.at_level(logging.INFO, "xr_dl4ds.grid.regridding.regridder"):
            actual = onto(fields(dataset(source)), target, "static=")
        expected = reproject(data(source), source, target, method)
        np.testing.assert_array_equal(actual.t, expected.t)
        assert f"static= are regridded ({method}) from lat 47" in caplog.text


def test_fields_must_cover_the_target():
    target = around(3035, 50, 10, (12, 14), 50e3)
    source = degrees(np.arange(48, 51, 0.5), np.arange(6, 14, 0.5))
    message = r"static= to cover y .* \(ETRS89.*\), got lat 48 to 50.5 .*leaves \d+ of 168 cells"
    with pytest.raises(GridError, match=message):
        onto(fields(dataset(source)), target, "static=")


def test_coarse_fields_may_end_half_a_cell_short():
    target = around(3035, 50, 10, (12, 14), 10e3)  # 49.5 to 50.5 N
    source = degrees([51.0, 53.0, 55.0], np.arange(4, 18, 2.0))  # cells from 50 N on
    actual = onto(fields(dataset(source)), target, "predictors=")
    assert np.isfinite(actual.t).all()


def test_a_real_rotated_model_on_degrees():
    ds = real("cordex_iberia_hist.nc").isel(time=[0, 1])
    like = degrees(np.arange(38, 42, 0.5), np.arange(-7, -1, 0.5))
    actual = interpolate(ds[["tas", "rotated_pole"]], dataset(like), "nearest", Dims())
    # the nearest of the file's own places, over the sphere
    for i, j in ((0, 0), (3, 5), (7, 11)):
        at = (like.y.canonical[i], like.x.canonical[j])
        apart = (ds.lat - at[0]) ** 2 + ((ds.lon - at[1]) * np.cos(np.deg2rad(at[0]))) ** 2
        where = apart.argmin(["rlat", "rlon"])
        np.testing.assert_array_equal(actual.tas[:, i, j], ds.tas.isel(where))
