"""What holds for any rectilinear grid, however its file lays it out."""

import pyproj  # noqa: F401, I001  must precede eccodes
import dataclasses
import functools

import numpy as np
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import no_compute
from tests.grid import fields
from xr_dl4ds.grid.regridding.pairing import pair

CONVENTIONS = {
    "as it is": lambda lon: lon,
    "0 to 360": lambda lon: lon % 360,
    "-180 to 180": lambda lon: (lon + 180) % 360 - 180,
}
ORDERS = [
    ("time", "y", "x"),
    ("time", "x", "y"),
    ("y", "time", "x"),
    ("x", "y", "time"),
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """How a file lays out cells whose textbook order is from south to north and west to east."""

    falls: tuple[bool, bool] = (False, False)
    convention: str = "as it is"
    dtype: str = "f8"
    jitter: float = 0.0
    order: tuple[str, str, str] = ORDERS[0]
    chunks: tuple[int, int, int] | None = None

    def coordinate(self, values, *, falls, longitude):
        """What the file says of one axis; jitter in cells."""
        noise = self.jitter * np.diff(values)[0] * np.cos(3.0 * np.arange(values.size))
        values = CONVENTIONS[self.convention](values) if longitude else values
        return (values + noise)[:: -1 if falls else 1].astype(self.dtype)

    def apply(self, values, y, x, *, planar):
        """A Dataset of ``(time, y, x)`` in textbook order, laid out."""
        flips = [slice(None, None, -1 if falls else 1) for falls in self.falls]
        names = (
            {"time": "time", "y": "y", "x": "x"}
            if planar
            else {"time": "time", "y": "lat", "x": "lon"}
        )
        units = ("m", "m") if planar else ("degrees_north", "degrees_east")
        ds = xr.Dataset(
            {"t2m": (tuple(names.values()), values[(..., *flips)], {"units": "K"})},
            {
                names["y"]: (
                    names["y"],
                    self.coordinate(y, falls=self.falls[0], longitude=False),
                    {"units": units[0]},
                ),
                names["x"]: (
                    names["x"],
                    self.coordinate(x, falls=self.falls[1], longitude=not planar),
                    {"units": units[1]},
                ),
                "time": np.datetime64("2001-01-01", "ns")
                + np.arange(len(values)) * np.timedelta64(6, "h"),
            },
        )
        ds = ds.transpose(*(names[d] for d in self.order))
        if self.chunks is not None:
            ds = ds.chunk(dict(zip(ds.t2m.dims, self.chunks, strict=True)))
        return ds

    def back(self, array):
        """Values ``(time, y, x)`` of an array laid out so, in textbook order."""
        at = [self.order.index(d) for d in ("time", "y", "x")]
        flips = [slice(None, None, -1 if falls else 1) for falls in self.falls]
        return np.asarray(array.to_numpy()).transpose(at)[(..., *flips)]


layouts = st.builds(
    Layout,
    falls=st.tuples(st.booleans(), st.booleans()),
    convention=st.sampled_from(list(CONVENTIONS)),
    dtype=st.sampled_from(["f8", "f4"]),
    jitter=st.sampled_from([0.0, 1e-5, 5e-4]),
    order=st.sampled_from(ORDERS),
    chunks=st.none() | st.tuples(*[st.integers(1, 5)] * 3),
)


#: Those whose coordinates are exact.
exact = st.builds(
    Layout,
    falls=st.tuples(st.booleans(), st.booleans()),
    order=st.sampled_from(ORDERS),
    chunks=st.none() | st.tuples(*[st.integers(1, 5)] * 3),
)


@st.composite
def grids(draw, *, least=2, scales=(2, 3, 4)):
    """Scale, and centres of HR rows and columns that it divides, in textbook order."""
    planar = draw(st.booleans())
    scale = draw(st.sampled_from(scales))
    ny, nx = (scale * draw(st.integers(least, 4)) for _ in range(2))
    # steps that float32 holds to a thousandth of a cell at 180 degrees, or a million metres
    step = draw(st.sampled_from([250.0, 1000.0, 12500.0] if planar else [0.1, 0.25, 1 / 3, 1.0]))
    highest = 1e5 if planar else 80 - ny * step
    y0 = draw(st.floats(-highest, highest))
    x0 = draw(st.floats(-1e5, 1e5) if planar else st.floats(-360, 360))
    centres = [first + step * (np.arange(n) + 0.5) for first, n in ((y0, ny), (x0, nx))]
    return scale, *centres, planar


def noise(y, x, time=2):
    return np.random.default_rng(7).normal(280, 10, (time, y.size, x.size)).astype("f4")


def blocks(values, scale):
    *lead, y, x = values.shape
    cut = values.astype("f8").reshape(*lead, y // scale, scale, x // scale, scale)
    return cut.mean(axis=(-3, -1))


def names_of(planar):
    return ("y", "x") if planar else ("lat", "lon")


def around(values, *, longitude):
    return (values + 180) % 360 - 180 if longitude else values


@given(grids(), layouts)
def test_coarsening_commutes_with_any_layout(grid, layout):
    scale, y, x, planar = grid
    values = noise(y, x)
    hr = layout.apply(values, y, x, planar=planar)
    with no_compute():
        lr = hr.downscale.coarsen(scale)
    assert (lr.t2m.chunks is None) == (layout.chunks is None)
    assert lr.t2m.dims == hr.t2m.dims
    np.testing.assert_allclose(layout.back(lr.t2m), blocks(values, scale), rtol=1e-6)
    assert nested(lr, hr)[:2] == (scale, "nested")


@given(grids(), layouts)
def test_coarse_centres_are_the_means_of_their_cells(grid, layout):
    scale, y, x, planar = grid
    hr = layout.apply(noise(y, x), y, x, planar=planar)
    lr = hr.downscale.coarsen(scale)
    for dim, longitude in zip(names_of(planar), (False, not planar), strict=True):
        first = hr[dim].to_numpy().astype("f8").reshape(-1, scale)
        # by turns near the first cell of each block
        cells = first[:, :1] + around(first - first[:, :1], longitude=longitude)
        apart = around(lr[dim].to_numpy() - cells.mean(1), longitude=longitude)
        cell = abs(y[1] - y[0])
        np.testing.assert_allclose(apart, 0, atol=1e-4 * cell)
        bounds = lr[lr[dim].attrs["bounds"]].to_numpy()
        joints = around(bounds[1:, 0] - bounds[:-1, 1], longitude=longitude)
        np.testing.assert_allclose(joints, 0, atol=1e-9 * max(cell, 1))


@given(grids(), layouts, layouts, st.sampled_from(["bilinear", "bicubic"]))
def test_linear_fields_are_interpolated_exactly_inside(grid, layout, other, method):
    scale, y, x, planar = grid
    # bicubic takes two cells on either side of a point, and -0.75 does not keep slopes
    values = 280 + 5 * ((y - y[0]) / (y[-1] - y[0]))[:, None] + 3 * (x - x[0]) / (x[-1] - x[0])
    values = values if method == "bilinear" else np.full_like(values, 281.5)
    values = np.stack([values, values + 1])
    clean = (dataclasses.replace(one, jitter=0.0, dtype="f8") for one in (layout, other))
    layout, other = clean
    low = [v.reshape(-1, scale).mean(1) for v in (y, x)]
    lr = layout.apply(blocks(values, scale), *low, planar=planar)
    like = other.apply(values, y, x, planar=planar)
    with no_compute():
        out = lr.downscale.interpolate(like, method=method)
    assert out.t2m.dims == lr.t2m.dims
    for dim in names_of(planar):
        np.testing.assert_array_equal(out[dim], like[dim])
    # dimensions are ordered as in the data, rows and columns as in `like`
    actual = dataclasses.replace(other, order=layout.order).back(out.t2m)
    inside = slice(scale // 2, -(scale // 2))
    np.testing.assert_allclose(actual[:, inside, inside], values[:, inside, inside], rtol=1e-7)


def nested(lr, hr):
    pairing, cut = pair(fields(lr), fields(hr), direct_method=None, trim=True)
    return pairing.scale.public, pairing.method, cut


@given(grids(least=4, scales=(2, 4)), layouts, layouts)
def test_points_taken_from_hr_never_pass_for_cells(grid, layout, other):
    # every second or fourth one; every third one does lie in the middle of three cells
    scale, y, x, planar = grid
    values = noise(y, x)
    hr = layout.apply(values, y, x, planar=planar)
    lr = other.apply(values[:, ::scale, ::scale], y[::scale], x[::scale], planar=planar)
    assert nested(lr, hr)[1] != "nested"


@given(grids(), layouts, layouts)
def test_jitter_and_layouts_change_no_nesting(grid, layout, other):
    scale, y, x, planar = grid
    values = noise(y, x)
    low = [v.reshape(-1, scale).mean(1) for v in (y, x)]
    lr = other.apply(blocks(values, scale), *low, planar=planar)
    hr = layout.apply(values, y, x, planar=planar)
    scale_found, method, cut = nested(lr, hr)
    assert (scale_found, method) == (scale, "nested")
    assert cut.grid.shape == (y.size, x.size)
    np.testing.assert_array_equal(cut.data.t2m, values)


# --- one model ------------------------------------------------------------------------------------

ROWS, COLUMNS = 48 + 0.25 * (np.arange(16) + 0.5), -3 + 0.25 * (np.arange(24) + 0.5)


@functools.cache
def model_of(planar):
    """Fitted on one textbook grid, once; HR cells of a quarter of a degree, or a kilometre."""
    y, x = (1000 * np.arange(n) + 500.0 for n in (16, 24)) if planar else (ROWS, COLUMNS)
    values = noise(y, x, time=6)
    hr = Layout().apply(values, y, x, planar=planar)
    hill = 100 * np.sin(np.arange(16))[:, None] * np.cos(np.arange(24))
    hr["orog"] = (names_of(planar), hill.astype("f4"), {"units": "m"})
    model = hr.downscale.fit(scale=4, n_filters=4, n_blocks=1, epochs=1, seed=0, verbose=False)
    low = [v.reshape(-1, 4).mean(1) for v in (y, x)]
    lr = Layout().apply(blocks(values, 4), *low, planar=planar)
    return model, lr, lr.downscale.predict(model), low


@given(st.booleans(), layouts)
def test_prediction_follows_any_layout_of_its_input(planar, layout):
    model, lr, expected, low = model_of(planar)
    given_lr = layout.apply(lr.t2m.to_numpy(), *low, planar=planar)
    with no_compute():
        out = given_lr.downscale.predict(model)
    assert (out.t2m.chunks is None) == (layout.chunks is None)
    assert out.t2m.dims == given_lr.t2m.dims
    apart = layout.back(out.t2m) - expected.t2m.to_numpy()
    # 1e-5 standard deviations, or the last bit of a float32 of some 280 K: 3e-5 K
    last_bit = float(np.spacing(np.abs(expected.t2m.to_numpy()).max()))
    assert np.abs(apart).max() <= max(1e-5 * float(lr.t2m.std()), last_bit)
    for dim, longitude in zip(names_of(planar), (False, not planar), strict=True):
        cells = out[dim].to_numpy().astype("f8").reshape(-1, 4)
        cells = cells[:, :1] + around(cells - cells[:, :1], longitude=longitude)
        apart = around(cells.mean(1) - given_lr[dim].to_numpy(), longitude=longitude)
        cell = abs(np.diff(low[0])[0])
        np.testing.assert_allclose(apart, 0, atol=1e-3 * cell)


@given(st.booleans(), exact, st.integers(0, 2), st.integers(0, 3))
def test_a_part_of_the_domain_has_the_stored_coordinates(planar, layout, south, west):
    model, lr, expected, low = model_of(planar)
    rows, columns = slice(south, south + 2), slice(west, west + 3)
    values = lr.t2m.to_numpy()[:, rows, columns]
    given_lr = layout.apply(values, low[0][rows], low[1][columns], planar=planar)
    out = given_lr.downscale.predict(model)
    for dim, part, falls in zip(names_of(planar), (rows, columns), layout.falls, strict=True):
        whole = expected[dim].to_numpy()[4 * part.start : 4 * part.stop]
        np.testing.assert_array_equal(out[dim], whole[:: -1 if falls else 1])
    # the constraint holds cell by cell
    np.testing.assert_allclose(blocks(layout.back(out.t2m), 4), values, rtol=2e-6)
