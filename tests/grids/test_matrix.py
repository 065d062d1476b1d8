"""Every kind of file in the zoo through every method, held against numpy, SciPy, pyproj and GDAL.

`textbook` order is rows from south to north and columns from west to east, see `tests.grids.zoo`.
"""

import pyproj  # noqa: I001  must precede eccodes
import functools
import itertools
import logging
import re
import warnings

import numpy as np
import pytest
import xarray as xr
from scipy.interpolate import RegularGridInterpolator

import xr_dl4ds as xd
from tests.cf import cf_problems
from tests.conftest import no_compute
from tests.grids.zoo import KINDS, STEPS, WGS84, Kind
from tests.tiers import every, thinned

BACKINGS = ("numpy", "dask")
TINY = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "seed": 0, "verbose": False}


FITTED = list(KINDS)
PROJECTED = [n for n, k in KINDS.items() if k.plane is not None]
SEAMS = [n for n, k in KINDS.items() if k.seam]


# --- each kind once -------------------------------------------------------------------------------


@functools.cache
def hr_of(name):
    return KINDS[name].hr()


@functools.cache
def model_of(name):
    kind = KINDS[name]
    return hr_of(name).downscale.fit(scale=kind.scale, **kind.dims, **TINY)


@functools.cache
def lr_of(name):
    return fields(name).downscale.coarsen(KINDS[name].scale).load()


@functools.cache
def prediction_of(name):
    return lr_of(name).downscale.predict(model_of(name), **KINDS[name].dims).load()


@functools.cache
def deviation_of(name):
    return float(hr_of(name).t2m.std())


def fields(name, backing="numpy"):
    """What varies in time, and the variables beside it, chunked in every dimension or not."""
    hr = hr_of(name).drop_vars("orog")
    return hr.chunk(pieces(hr)) if backing == "dask" else hr


def pieces(ds):
    """Chunks that no block and no window of the others fits."""
    return {d: 3 if n == STEPS else max(1, 2 * n // 5) for d, n in ds.sizes.items() if d != "bnds"}


def textbook(kind: Kind, array: xr.DataArray) -> np.ndarray:
    """Values ``(..., y, x)`` in textbook order, whatever the caller's layout."""
    _, y, x = kind.names
    lead = [d for d in array.dims if d not in (y, x)]
    lead = [d for d in kind.names[:1] if d in lead] + [d for d in lead if d != kind.names[0]]
    values = array.transpose(*lead, y, x).to_numpy()
    flips = [slice(None, None, -1 if falls else 1) for falls in kind.falls]
    return values[(..., *flips)]


def blocks(values: np.ndarray, scale: int) -> np.ndarray:
    """Means of the valid cells of each block ``(..., y, x)``, float64."""
    *lead, y, x = values.shape
    cut = values.astype("f8").reshape(*lead, y // scale, scale, x // scale, scale)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of blocks without any
        return np.nanmean(cut, axis=(-3, -1))


def edges_of(kind: Kind, scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Cell edges in textbook order, those of rows within the poles."""
    step = [np.diff(v).mean() for v in (kind.rows, kind.columns)]
    y, x = (
        np.r_[v - s / 2, v[-1] + s / 2]
        for v, s in zip((kind.rows, kind.columns), step, strict=True)
    )
    y = y if kind.planar else np.clip(y, -90, 90)
    y = y if kind.edges is None else kind.edges
    return y[::scale], x[::scale]


def around(values: np.ndarray) -> np.ndarray:
    """Differences of longitudes, the short way."""
    return (np.asarray(values) + 180) % 360 - 180


# --- coarsen --------------------------------------------------------------------------------------


@pytest.mark.parametrize("backing", BACKINGS)
@pytest.mark.parametrize("name", KINDS)
def test_coarsening_is_the_mean_of_blocks(name, backing):
    kind, given = KINDS[name], hr_of(name)
    given = given.chunk(pieces(given)) if backing == "dask" else given
    before = given.copy(deep=True)
    with no_compute():
        lr = given.downscale.coarsen(kind.scale)
    for variable in (*kind.targets, "orog"):
        assert (lr[variable].chunks is not None) == (backing == "dask")
        assert lr[variable].dims == given[variable].dims
        assert lr[variable].dtype == "f4"
        actual = textbook(kind, lr[variable])
        expected = blocks(textbook(kind, given[variable]), kind.scale)
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
    xr.testing.assert_identical(given, before)


@pytest.mark.parametrize("name", KINDS)
def test_coarse_centres_are_those_made_by_hand(name):
    kind, lr = KINDS[name], lr_of(name)
    for dim, expected in zip(kind.names[1:], kind.written(kind.scale), strict=True):
        slack = 2e-5 * abs(np.diff(expected)[0]) if kind.dtype == "f4" else 1e-9
        np.testing.assert_allclose(lr[dim], expected, rtol=0, atol=slack)
    if kind.times is not None:
        np.testing.assert_array_equal(lr[kind.names[0]], hr_of(name)[kind.names[0]])


@pytest.mark.parametrize("name", list(KINDS))
def test_coarse_bounds_are_contiguous_and_right(name):
    require_bounds(KINDS[name], lr_of(name), KINDS[name].scale)


def require_bounds(kind, ds, scale):
    """Bounds that leave no gap, in the direction of the axis, on the edges made by hand."""
    unit = 1e-3 if kind.km else 1
    for axis, dim in enumerate(kind.names[1:]):
        bounds = ds[ds[dim].attrs["bounds"]].to_numpy()
        assert bounds.dtype == np.float64
        cell = abs(np.diff(kind.written(scale)[axis])[0])
        slack = (1e-4 if kind.dtype == "f4" else 1e-9) * cell
        step = bounds[1:, 0] - bounds[:-1, 1]
        step = around(step) if axis and not kind.planar else step
        np.testing.assert_allclose(step, 0, atol=slack)
        flip = slice(None, None, -1) if kind.falls[axis] else slice(None)
        expected = edges_of(kind, scale)[axis] * unit
        for side in (0, 1):
            apart = bounds[flip, side ^ kind.falls[axis]] - expected[side : side + len(bounds)]
            apart = around(apart) if axis and not kind.planar else apart
            np.testing.assert_allclose(apart, 0, atol=slack)


# --- interpolate ----------------------------------------------------------------------------------


def wrapped(kind: Kind, values: np.ndarray, x: np.ndarray, n: int):
    """Values and columns with `n` more on either side: those from around the globe, or the last."""
    mode = "wrap" if kind.periodic else "edge"
    values = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(n, n)], mode=mode)
    step = x[1] - x[0]
    return values, np.r_[x[0] - step * np.arange(n, 0, -1), x, x[-1] + step * np.arange(1, n + 1)]


def bilinear_by_scipy(kind: Kind, values: np.ndarray) -> np.ndarray:
    (y, x), (rows, columns) = kind.textbook(kind.scale), kind.textbook()
    values, x = wrapped(kind, values, x, 1)
    at = np.clip(rows, y[0], y[-1])[:, None], columns[None]
    flat = values.reshape(-1, *values.shape[-2:])
    found = [RegularGridInterpolator((y, x), v.astype("f8"))(at) for v in flat]
    return np.array(found).reshape(*values.shape[:-2], rows.size, columns.size)


def keys(distance: float) -> float:
    """Cubic convolution (Keys 1981) with the parameter -0.75."""
    a, d = -0.75, abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0


def bicubic_by_loops(kind: Kind, values: np.ndarray) -> np.ndarray:
    """Of evenly spaced cells, by their positions alone."""

    def refined(line: np.ndarray, mode: str) -> np.ndarray:
        padded, out = np.pad(line.astype("f8"), 2, mode=mode), []
        for i in range(line.size * kind.scale):
            at = (i + 0.5) / kind.scale - 0.5
            taps = range(int(np.floor(at)) - 1, int(np.floor(at)) + 3)
            out.append(sum(keys(at - k) * padded[k + 2] for k in taps))
        return np.array(out)

    along_x = np.apply_along_axis(refined, -1, values, "wrap" if kind.periodic else "edge")
    return np.apply_along_axis(refined, -2, along_x, "edge")


def repeated(kind: Kind, values: np.ndarray) -> np.ndarray:
    return values.repeat(kind.scale, -2).repeat(kind.scale, -1)


REFERENCES = {
    "bilinear": bilinear_by_scipy,
    "bicubic": bicubic_by_loops,
    "nearest": repeated,
    "conservative": repeated,
}
FEW = (
    "descending",
    "seam inside, 0 to 360",
    "globe rolled, -180 to 180",
    "rotated, mapping in the encoding",
    "transposed",
    "float32 with jitter",
)
CASES = [
    *[(n, "bilinear", b) for n in KINDS for b in BACKINGS],
    *[(n, m, b) for n in FEW for m in REFERENCES if m != "bilinear" for b in BACKINGS],
    ("gaussian with bounds", "nearest", "numpy"),
]


@pytest.mark.parametrize(("name", "method", "backing"), CASES)
def test_interpolation_equals_another_computation(name, method, backing):
    kind, hr, lr = KINDS[name], hr_of(name), lr_of(name)
    lr = lr.chunk(pieces(lr)) if backing == "dask" else lr
    with no_compute():
        base = lr.downscale.interpolate(hr, method=method)
    assert (base.t2m.chunks is not None) == (backing == "dask")
    assert base.t2m.dims == hr.t2m.dims
    for dim in kind.names[1:]:
        np.testing.assert_array_equal(base[dim], hr[dim])
    actual = textbook(kind, base.t2m)
    expected = REFERENCES[method](kind, textbook(kind, lr.t2m))
    known = np.isfinite(expected)  # a NaN spreads in SciPy
    scale = 1e-2 if kind.dtype == "f4" else 1e-3  # K: half a jitter of a cell, float32
    np.testing.assert_allclose(actual[known], expected[known], rtol=0, atol=scale)
    hole = repeated(kind, np.isnan(textbook(kind, lr.t2m)))
    np.testing.assert_array_equal(np.isnan(actual), hole)


def test_gaussian_cells_of_the_file_nest():
    kind, lr = KINDS["gaussian with bounds"], lr_of("gaussian with bounds")
    base = lr.downscale.interpolate(hr_of("gaussian with bounds"), method="conservative")
    expected = repeated(kind, textbook(kind, lr.t2m))
    np.testing.assert_allclose(textbook(kind, base.t2m), expected, rtol=1e-6)


def shares(source: np.ndarray, target: np.ndarray, turns=(0.0,)) -> np.ndarray:
    """Share of each target cell that each source cell covers, by loops over edges."""
    out = np.zeros((target.size - 1, source.size - 1))
    for i in range(target.size - 1):
        for j in range(source.size - 1):
            for turn in turns:
                low = max(target[i], source[j] + turn)
                out[i, j] += max(0.0, min(target[i + 1], source[j + 1] + turn) - low)
    return out / out.sum(1, keepdims=True)


@pytest.mark.parametrize("backing", BACKINGS)
@pytest.mark.parametrize(
    "name",
    [*FEW, "globe from 0", "centres on the poles", "pole inside", "gaussian with bounds"],
)
def test_conservative_means_are_weighted_by_area(name, backing):
    # 5 rows and 7 columns in the middle of the domain, whose edges meet no edges of the file
    kind = KINDS[name]
    y, x = edges_of(kind)
    rows = np.linspace(y[0] + 0.1 * (y[-1] - y[0]), y[-1] - 0.15 * (y[-1] - y[0]), 6)
    columns = np.linspace(x[0] + 0.12 * (x[-1] - x[0]), x[-1] - 0.07 * (x[-1] - x[0]), 8)
    like = xr.Dataset(
        coords={
            dim: (dim, (e[1:] + e[:-1]) / 2, hr_of(name)[dim].drop_attrs().attrs | about)
            for dim, e, about in zip(kind.names[1:], (rows, columns), kind.attrs, strict=True)
        }
    )
    given = fields(name, backing)
    with no_compute():
        out = given.downscale.interpolate(like, method="conservative").t2m
    actual = out.transpose(*kind.names).to_numpy()
    measure = (lambda v: v) if kind.planar else (lambda v: np.sin(np.deg2rad(v)))
    wy, wx = shares(measure(y), measure(rows)), shares(x, columns, (-360.0, 0.0, 360.0))
    expected = wy @ textbook(kind, hr_of(name).t2m).astype("f8") @ wx.T
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-2 if kind.dtype == "f4" else 1e-3)


#: In the first tier every other kind, and those that are like no other one, have a model.
PREDICTED = every(2, FITTED, also=(*FEW, "gaussian with bounds", "realizations", "packed int16"))
MODELLED = [p.values[0] for p in PREDICTED if not p.marks]


# --- predict --------------------------------------------------------------------------------------


def twin(kind: Kind, lr: xr.Dataset) -> xr.Dataset:
    """The same LR fields on a textbook grid: south to north, west to east, plain names."""
    y, x = kind.textbook(kind.scale)
    unit = 1e-3 if kind.km else 1
    names = ("y", "x") if kind.planar else ("lat", "lon")
    out = {}
    for name in kind.targets:
        others = [d for d in lr[name].dims if d not in kind.names]
        dims = ("time", *others, *names)
        out[name] = (dims, textbook(kind, lr[name]), {"units": lr[name].attrs["units"]})
    coords = {names[0]: y * unit, names[1]: x * unit}
    coords |= {d: lr[d] for d in lr[kind.targets[0]].dims if d in lr.coords and d not in kind.names}
    if kind.times is not None:
        coords["time"] = lr[kind.names[0]].to_numpy()
    return xr.Dataset(out, coords)


@pytest.mark.parametrize("name", PREDICTED)
def test_prediction_is_that_of_the_textbook_twin(name):
    kind, prediction = KINDS[name], prediction_of(name)
    expected = twin(kind, lr_of(name)).downscale.predict(model_of(name))
    for variable in kind.targets:
        assert prediction[variable].dims == hr_of(name)[variable].dims
        rows, columns = (expected[d].to_numpy().argsort() for d in expected[variable].dims[-2:])
        assert (np.diff(rows) > 0).all()
        same = expected[variable].to_numpy()[..., rows, :]
        if not kind.periodic and (np.diff(columns) > 0).all():
            same = same[..., columns]
        apart = textbook(kind, prediction[variable]) - same
        hidden = np.isnan(textbook(kind, hr_of(name)[variable]))
        np.testing.assert_array_equal(np.isnan(apart), hidden)
        assert np.nanmax(np.abs(apart)) < 1e-5 * deviation_of(name)


@pytest.mark.parametrize("name", PREDICTED)
def test_prediction_has_the_mean_of_each_lr_cell(name):
    # the additive constraint of synthetic pairs: a cell out of its place would break it
    kind = KINDS[name]
    for variable in kind.targets:
        actual = blocks(textbook(kind, prediction_of(name)[variable]), kind.scale)
        np.testing.assert_allclose(actual, textbook(kind, lr_of(name)[variable]), rtol=2e-6)


@pytest.mark.parametrize("name", PREDICTED)
def test_lazy_predictions_are_the_same(name):
    lr, dims = lr_of(name), KINDS[name].dims
    model = model_of(name)
    with no_compute():
        lazy = lr.chunk(pieces(lr)).downscale.predict(model, **dims)
    for variable in KINDS[name].targets:
        assert lazy[variable].chunks is not None
        apart = np.abs(lazy[variable] - prediction_of(name)[variable]).max()
        assert float(apart) < 1e-5 * deviation_of(name)
    beside = (p.drop_vars(KINDS[name].targets).coords for p in (lazy, prediction_of(name)))
    xr.testing.assert_identical(*(b.to_dataset().drop_attrs(deep=False) for b in beside))


@pytest.mark.parametrize("name", PREDICTED)
def test_prediction_has_the_coordinates_of_training(name):
    kind, hr, prediction = KINDS[name], hr_of(name), prediction_of(name)
    for dim in hr.t2m.dims:
        if dim in hr.coords:
            assert prediction[dim].dtype == hr[dim].dtype
            np.testing.assert_array_equal(prediction[dim], hr[dim])
    if kind.times is not None:
        assert prediction[kind.names[0]].dt.calendar.replace("proleptic_gregorian", "standard") == (
            kind.calendar
        )
    assert set(prediction.data_vars) == set(kind.targets)


@pytest.mark.parametrize("name", PREDICTED)
def test_prediction_says_what_its_axes_and_variables_are(name):
    kind, hr, prediction = KINDS[name], hr_of(name), prediction_of(name)
    for dim, letter in zip(kind.names[1:], "YX", strict=True):
        about = prediction[dim].attrs
        assert about["axis"] == letter
        assert about["bounds"] in prediction.variables
        if kind.crs is not None:
            expected = kind.attrs["YX".index(letter)]
            assert about["standard_name"] == expected["standard_name"]
            assert about["units"] == expected["units"]
    for variable in kind.targets:
        about = prediction[variable].attrs
        for key in ("standard_name", "long_name", "units"):
            assert about[key] == hr[variable].attrs[key]
        assert ("grid_mapping" in about) == (kind.crs is not None)
        if kind.crs is not None:
            assert prediction[about["grid_mapping"]].ndim == 0
            assert "GeoTransform" not in prediction[about["grid_mapping"]].attrs
    if kind.times is not None:
        assert prediction[kind.names[0]].attrs["axis"] == "T"


@pytest.mark.parametrize("name", PREDICTED)
def test_prediction_bounds_are_those_of_the_file(name):
    require_bounds(KINDS[name], prediction_of(name), 1)


@pytest.mark.parametrize("name", every(2, PROJECTED))
def test_latitudes_and_longitudes_of_planar_cells(name):
    kind, prediction = KINDS[name], prediction_of(name)
    for place, expected in zip(("lat", "lon"), kind.places(), strict=True):
        actual = textbook(kind, prediction[place])
        apart = around(actual - expected)
        np.testing.assert_allclose(apart, 0, atol=1e-6)
        assert prediction[place].attrs["standard_name"] == {"lat": "latitude"}.get(
            place, "longitude"
        )


# Layouts of the same LR cells, and how to lay the prediction out as before. -----------------------


def flipped(which):
    return lambda kind, lr: (
        lr.isel({kind.names[which]: slice(None, None, -1)}),
        lambda out: out.isel({kind.names[which]: slice(None, None, -1)}),
    )


def transposed(kind, lr):
    dims = lr[kind.targets[0]].dims
    return lr.transpose(*dims[::-1], ...), lambda out: out.transpose(*dims, ...)


def chunked(kind, lr):
    return lr.chunk(pieces(lr)), lambda out: out.compute()


def turned(kind, lr):
    """The same longitudes in the other convention."""
    x = kind.names[2]
    other = np.where(lr[x] < 0, lr[x] + 360, np.where(lr[x] >= 180, lr[x] - 360, lr[x]))
    if (other == lr[x]).all():
        other = lr[x].to_numpy() + 360
    return lr.assign_coords({x: (x, other, lr[x].attrs)}), lambda out: out


def shaken(kind, lr):
    """Coordinates of float32, with the noise of computations in it."""
    noise = {}
    for dim in kind.names[1:]:
        values = lr[dim].to_numpy()
        moved = values + 2e-4 * abs(np.diff(values)[0]) * np.cos(7.0 * np.arange(values.size))
        noise[dim] = (dim, moved.astype("f4"), lr[dim].attrs)
    return lr.assign_coords(noise), lambda out: out


VARIANTS = {
    "rows flipped": flipped(1),
    "columns flipped": flipped(2),
    "transposed": transposed,
    "chunked": chunked,
    "turned": turned,
    "shaken": shaken,
}


#: Each kind of grid meets two variants in the first tier, and each variant every third kind.
LAYOUTS = list(itertools.product(FITTED, VARIANTS))
ROTATED = [
    (n, v) for i, n in enumerate(MODELLED) for k, v in enumerate(VARIANTS) if (i + k) % 3 == 0
]


@pytest.mark.parametrize(("name", "variant"), thinned(LAYOUTS, ROTATED))
def test_prediction_follows_the_layout_of_its_input(name, variant):
    kind, lr = KINDS[name], lr_of(name)
    if variant == "turned" and kind.planar:
        pytest.skip("planar axes have one convention")
    given, back = VARIANTS[variant](kind, lr)
    out = given.downscale.predict(model_of(name), **kind.dims)
    assert out[kind.targets[0]].dims == given[kind.targets[0]].dims
    for place, dim in enumerate(kind.names[1:]):
        centres = out[dim].to_numpy().reshape(-1, kind.scale).mean(1) - given[dim].to_numpy()
        if place == 1 and not kind.planar:  # blocks across the seam
            centres = around(centres)
        cell = abs(np.diff(kind.written(kind.scale)[place])[0])
        np.testing.assert_allclose(centres, 0, atol=1e-3 * cell)
    as_before = back(out)
    for variable in kind.targets:
        apart = as_before[variable].to_numpy() - prediction_of(name)[variable].to_numpy()
        assert np.nanmax(np.abs(apart)) < 1e-5 * deviation_of(name)


# --- a model of its own ---------------------------------------------------------------------------


SAME_WEIGHTS = ("east to west", "seam inside, 0 to 360", "transposed", "pole inside", "samples")


@pytest.mark.parametrize("name", every(3, SAME_WEIGHTS))
def test_training_sees_the_textbook_twin(name):
    kind, hr = KINDS[name], hr_of(name)
    y, x = kind.textbook()
    names = ("y", "x") if kind.planar else ("lat", "lon")
    t2m = (("time", *names), textbook(kind, hr.t2m), {"units": "K"})
    orog = (names, textbook(kind, hr.orog), {"units": "m"})
    plain = xr.Dataset({"t2m": t2m, "orog": orog}, dict(zip(names, (y, x), strict=True)))
    if kind.times is not None:
        plain = plain.assign_coords(time=hr[kind.names[0]].to_numpy())
    model = plain.downscale.fit(scale=kind.scale, **TINY)
    weights = model_of(name).network.get_weights()
    for one, other in zip(weights, model.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", every(4, FITTED))
def test_saved_models_predict_the_same_bits(name, tmp_path):
    model_of(name).save(tmp_path / "model")
    again = lr_of(name).downscale.predict(xd.load(tmp_path / "model"), **KINDS[name].dims)
    history = {"history": prediction_of(name).attrs["history"]}  # the time of the day
    xr.testing.assert_identical(again.assign_attrs(history), prediction_of(name))


# --- files ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("zoo")


@pytest.fixture
def written(folder):
    """A file of each prediction, written as it is, once."""

    def write(name):
        path = folder / f"{list(KINDS).index(name)}.nc"
        if not path.exists():
            prediction_of(name).to_netcdf(path, engine="netcdf4")
        return path

    return write


def for_gis(name):
    """The prediction with rows and columns last, as GDAL and rioxarray want it; at one level."""
    kind, prediction = KINDS[name], prediction_of(name)
    others = {d: 0 for d in prediction.t2m.dims if d not in kind.names}
    return prediction.isel(others).transpose(..., *kind.names[1:], "bnds")


#: What the caller's own layout has against CF, which a prediction in that layout has too.
INHERITED = {
    **dict.fromkeys(SEAMS, 'Coordinate variable "longitude" must be strictly monotonic'),
    **dict.fromkeys(
        ["transposed", "time in the middle"],
        "t2m's spatio-temporal dimensions are not in the recommended order",
    ),
}


@pytest.mark.parametrize("name", every(4, FITTED))
def test_the_checker_has_nothing_to_say(name, written):
    problems = cf_problems(written(name))
    if name == "bare x and y":  # an X axis that no projection names is longitude to the checker
        assert all(re.search("""['"][xy]['"]""", problem) for problem in problems)
    elif name in INHERITED:
        assert len(problems) == 1
        assert problems[0].startswith(INHERITED[name])
    else:
        assert problems == []


@pytest.mark.parametrize("name", every(4, FITTED))
def test_files_hold_what_was_predicted(name, written):
    with xr.open_dataset(written(name), engine="netcdf4", decode_timedelta=True) as opened:
        for variable in KINDS[name].targets:
            np.testing.assert_array_equal(opened[variable], prediction_of(name)[variable])
            encoding = opened[variable].encoding
            assert encoding["dtype"] == "float32"
            assert np.isnan(encoding["_FillValue"])
            assert encoding["zlib"]
            assert not {"scale_factor", "add_offset"} & set(encoding)
        for dim in prediction_of(name).t2m.dims:
            if dim in prediction_of(name).coords:
                np.testing.assert_array_equal(opened[dim], prediction_of(name)[dim])
                assert "_FillValue" not in opened[dim].encoding


def cells_of(kind: Kind, x: np.ndarray, y: np.ndarray):
    """Textbook rows and columns of the cells whose centres GDAL says, and how far off these are."""
    unit = 1e-3 if kind.km else 1
    rows, columns = ((v * unit) for v in kind.textbook())
    turn = columns[0] - 0.5 * (columns[1] - columns[0])
    x = x if kind.planar else turn + (x - turn) % 360
    at = [np.abs(v[:, None] - t).argmin(1) for v, t in ((y, rows), (x, columns))]
    off = [
        np.abs(v - t[i]) / (t[1] - t[0])
        for v, t, i in zip((y, x), (rows, columns), at, strict=True)
    ]
    return at, max(o.max() for o in off)


def seen_by_gdal(kind: Kind, raster, expected: np.ndarray):
    """Places by GDAL's CRS and transform are the true ones, and the values are in their place."""
    values = raster.read()
    transform = raster.transform
    x, _ = transform @ (np.arange(raster.width) + 0.5, np.zeros(raster.width))
    _, y = transform @ (np.zeros(raster.height), np.arange(raster.height) + 0.5)
    (rows, columns), off = cells_of(kind, x, y)
    assert off < 1e-4 if kind.dtype == "f4" else off < 1e-9
    np.testing.assert_array_equal(values, expected[:, rows][..., columns])
    if kind.crs is None:
        assert raster.crs is None
        return
    crs = pyproj.CRS(raster.crs.to_wkt())
    to_earth = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True)
    lon, lat = to_earth.transform(*np.meshgrid(x, y))
    true_lat, true_lon = (v[rows][:, columns] for v in kind.places())
    slack = 1e-4 if kind.dtype == "f4" else 1e-6
    np.testing.assert_allclose(lat, true_lat, atol=slack)
    np.testing.assert_allclose(around(lon - true_lon), 0, atol=slack)
    if kind.plane is None:
        assert raster.crs.to_epsg() == 4326


REGULAR = [n for n in FITTED if KINDS[n].regular]


@pytest.mark.parametrize("name", every(4, REGULAR))
def test_gdal_reads_the_file(name, folder):
    rasterio = pytest.importorskip("rasterio")
    kind, path = KINDS[name], folder / f"gis{list(KINDS).index(name)}.nc"
    prediction = for_gis(name)
    prediction.to_netcdf(path, engine="netcdf4")
    for variable in kind.targets:
        with rasterio.open(f"netcdf:{path}:{variable}") as raster:
            seen_by_gdal(kind, raster, textbook(kind, prediction[variable]))
            if kind.falls[1]:
                continue  # columns of negative width, which `seen_by_gdal` has read
            np.testing.assert_allclose(
                raster.transform[:6], kind.transform(), rtol=1e-5 if kind.dtype == "f4" else 1e-9
            )


@pytest.mark.parametrize("name", every(4, [n for n in REGULAR if n not in SEAMS]))
def test_rasters_are_written_as_they_are(name, tmp_path):
    require_rasters(KINDS[name], for_gis(name), tmp_path)


@pytest.mark.parametrize("name", every(2, SEAMS))
def test_unrolled_longitudes_are_right_everywhere(name, tmp_path, caplog):
    # the cure, named in a warning, for a layout that neither CF nor GeoTIFF can hold
    with caplog.at_level(logging.WARNING, "xr_dl4ds"):
        lr_of(name).downscale.predict(model_of(name))
    assert ".assign_coords(longitude=np.unwrap(sr.longitude, period=360))" in caplog.text
    prediction = for_gis(name)
    unrolled = np.unwrap(prediction.longitude, period=360)
    about = {k: v for k, v in prediction.longitude.attrs.items() if k != "bounds"}
    prediction = prediction.assign_coords(longitude=("longitude", unrolled, about))
    prediction = prediction.drop_vars("longitude_bnds")
    prediction.longitude.encoding["_FillValue"] = None
    prediction.to_netcdf(tmp_path / "out.nc", engine="netcdf4")
    assert cf_problems(tmp_path / "out.nc") == []
    require_rasters(KINDS[name], prediction, tmp_path)


def require_rasters(kind, prediction, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    for variable in kind.targets:
        prediction[variable].rio.to_raster(tmp_path / f"{variable}.tif")
        with rasterio.open(tmp_path / f"{variable}.tif") as raster:
            seen_by_gdal(kind, raster, textbook(kind, prediction[variable]))


@pytest.mark.parametrize("name", every(4, FITTED))
def test_zarr_brings_all_of_it_back(name, tmp_path):
    pytest.importorskip("zarr")
    import rioxarray  # noqa: F401

    kind, prediction = KINDS[name], prediction_of(name)
    prediction.to_zarr(tmp_path / "out.zarr")
    opened = xr.open_zarr(tmp_path / "out.zarr", decode_timedelta=True)
    for variable in kind.targets:
        np.testing.assert_array_equal(opened[variable], prediction[variable])
    for dim in kind.names[1:]:
        np.testing.assert_array_equal(opened[dim], prediction[dim])
        bounds = prediction[dim].attrs["bounds"]
        np.testing.assert_array_equal(opened[bounds], prediction[bounds])
    if kind.crs is None:
        assert opened.t2m.rio.crs is None
        return
    assert opened.t2m.attrs["grid_mapping"] in opened.coords
    crs = pyproj.CRS(opened.t2m.rio.crs.to_wkt())
    to_earth = pyproj.Transformer.from_crs(crs, WGS84, always_xy=True)
    y, x = (
        opened[dim].to_numpy()[:: -1 if falls else 1]
        for dim, falls in zip(kind.names[1:], kind.falls, strict=True)
    )
    lon, lat = to_earth.transform(*np.meshgrid(x, y))
    slack = 1e-4 if kind.dtype == "f4" else 1e-6
    np.testing.assert_allclose(lat, kind.places()[0], atol=slack)
    np.testing.assert_allclose(around(lon - kind.places()[1]), 0, atol=slack)
