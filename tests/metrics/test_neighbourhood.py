import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from tests.conftest import no_compute
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.metrics.neighbourhood import autocorrelation_length, fss, fss_scales

DIMS = ("time", "y", "x")


def rain(seed=0, shape=(3, 7, 9), missing=0.0):
    """Rain in a third of the cells, as prediction and truth with NaN in different cells."""
    rng = np.random.default_rng(seed)
    fields = []
    for _ in range(2):
        values = (rng.normal(size=shape) - 0.4).clip(0)
        values = np.where(rng.random(shape) < missing, np.nan, values)
        fields.append(xr.DataArray(values, dims=DIMS))
    return fields


def storms(shape=(3, 24, 30), rim=8):
    """Rain of a few waves in a dry rim, and the same rain two cells away and stronger."""
    t, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]]
    inside = (y >= rim) & (y < shape[1] - rim) & (x >= rim) & (x < shape[2] - rim)

    def field(y, x):
        wave = np.sin(y / 2.1 + t) * np.cos(x / 3.3 - t) + 0.3 * np.sin(x * y / 7)
        return np.where(inside, 10 * wave.clip(0), 0)

    moved = 1.2 * field(y + 1, x + 2)
    return [xr.DataArray(v, dims=DIMS) for v in (moved, field(y, x))]


def looped(prediction, truth, threshold, size, periodic=False, weights=None):
    """The definition, cell by cell."""
    half, (nt, ny, nx) = size // 2, truth.shape
    weights = np.ones(truth.shape) if weights is None else np.broadcast_to(weights, truth.shape)
    valid = ~np.isnan(prediction) & ~np.isnan(truth)
    difference = reference = 0.0
    for t in range(nt):
        for j, i in zip(*np.nonzero(valid[t]), strict=True):
            columns = range(i - half, i + half + 1)
            if periodic:
                columns = {c % nx for c in columns}
            cells = [
                (t, r, c)
                for r in range(j - half, j + half + 1)
                for c in columns
                if 0 <= r < ny and 0 <= c < nx and valid[t, r, c]
            ]
            first = np.mean([prediction[at] >= threshold for at in cells])
            second = np.mean([truth[at] >= threshold for at in cells])
            difference += weights[t, j, i] * (first - second) ** 2
            reference += weights[t, j, i] * (first**2 + second**2)
    return 1 - difference / reference if reference else np.nan


# --- fractions skill score ------------------------------------------------------------------------


def test_fss_by_hand():
    # fractions of 3 cells: truth 1/2 1/3 0 0, prediction 0 0 1/3 1/2
    truth = xr.DataArray([[[2.0, 0.0, 0.0, 0.0]]], dims=DIMS)
    prediction = truth[..., ::-1]
    assert float(fss(prediction, truth, 1.0, 3)) == 0
    # 5 cells: 1/3 1/4 1/4 0 and 0 1/4 1/4 1/3
    expected = 1 - (2 / 9) / (2 / 9 + 4 / 16)
    assert float(fss(prediction, truth, 1.0, 5)) == pytest.approx(expected)
    # on a circle, the two events are neighbours: 1/3 1/3 0 1/3 and 1/3 0 1/3 1/3
    actual = fss(prediction, truth, 1.0, 3, periodic=True)
    assert float(actual) == pytest.approx(1 - (2 / 9) / (6 / 9))


@pytest.mark.parametrize("size", [1, 3, 5, 7, 9, 11, 25])
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_fss_is_the_definition(size, periodic, missing):
    prediction, truth = rain(missing=missing)
    expected = looped(prediction.to_numpy(), truth.to_numpy(), 0.5, size, periodic)
    actual = fss(prediction, truth, 0.5, size, periodic=periodic)
    assert actual.dims == ()
    assert actual.dtype == np.float64
    assert set(actual.coords) == set()
    assert float(actual) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("along", [("y",), ("x", "y"), ("time",), DIMS], ids=str)
def test_weights_count_in_the_means(along):
    prediction, truth = rain(missing=0.2)
    shape = [truth.sizes[d] for d in along]
    weights = xr.DataArray(np.random.default_rng(3).random(shape), dims=along)
    full = (weights * xr.ones_like(truth).fillna(1)).transpose(*DIMS)
    expected = looped(prediction.to_numpy(), truth.to_numpy(), 0.3, 3, weights=full.to_numpy())
    actual = fss(prediction, truth, 0.3, 3, weights=weights)
    assert float(actual) == pytest.approx(expected, rel=1e-12)
    same = fss(prediction, truth, 0.3, 3, weights=xr.full_like(weights, 7.0))
    assert float(same) == pytest.approx(float(fss(prediction, truth, 0.3, 3)), rel=1e-12)


# pysteps 1.21.5 (fss_init, fss_accum, fss_compute); scores 2.7.0 (fss_2d with zero_padding) gives
# the same. Both count cells outside as dry, which makes no difference in a dry rim.
PYSTEPS = {
    (1.0, 1): 0.6799999999999999,
    (1.0, 3): 0.8398136534671204,
    (1.0, 5): 0.8856573705179283,
    (1.0, 9): 0.9381456094327382,
    (5.0, 1): 0.44067796610169496,
    (5.0, 3): 0.6430530164533821,
    (5.0, 5): 0.7043503706593834,
    (5.0, 9): 0.8232384413486777,
}


def test_fss_is_that_of_pysteps():
    prediction, truth = storms()
    scores = fss_scales(prediction, truth, [1.0, 5.0], [1, 3, 5, 9])
    assert scores.dims == ("threshold", "size")
    for (threshold, size), expected in PYSTEPS.items():
        one = fss(prediction, truth, threshold, size)
        assert float(one) == pytest.approx(expected, rel=1e-12)
        assert float(scores.sel(threshold=threshold, size=size)) == float(one)


def test_days_are_pooled():
    # the second day has no event, and the third has many: the mean of the daily scores differs
    prediction, truth = storms()
    truth[1] = prediction[1] = 0
    daily = [float(fss(prediction[[t]], truth[[t]], 1.0, 3)) for t in range(3)]
    assert np.isnan(daily[1])
    pooled = float(fss(prediction, truth, 1.0, 3))
    assert pooled == pytest.approx(looped(prediction.to_numpy(), truth.to_numpy(), 1.0, 3))
    assert min(daily[0], daily[2]) < pooled < max(daily[0], daily[2])
    assert pooled != pytest.approx(np.nanmean(daily), abs=1e-3)


def test_a_value_at_the_threshold_is_an_event():
    # 0.7 in float32 is below 0.7 in float64
    truth = xr.DataArray(np.float32([[0.7, 0.0]]), dims=("y", "x"))
    assert float(fss(truth, truth, 0.7, 1)) == 1
    assert float(fss(truth, truth, np.float64(0.7), 1)) == 1
    assert np.isnan(fss(truth, truth, 0.71, 1))
    assert float(fss(truth.round().astype("i2"), truth, 0.7, 1)) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("chunked", [False, True])
def test_no_event_and_no_cell_are_nan(chunked):
    prediction, truth = rain()
    cases = [(prediction, truth, 99.0), (prediction, truth * np.nan, 0.1)]
    for first, second, threshold in cases:
        if chunked:
            first, second = first.chunk(time=1), second.chunk(time=1)
        assert np.isnan(fss(first, second, threshold, 3))
    # an event in one of them is the worst score
    assert float(fss(prediction, 0 * truth, 0.1, 3)) == 0


def test_names_and_order_of_dimensions():
    prediction, truth = rain(missing=0.1)
    expected = float(fss(prediction, truth, 0.5, 3, periodic=True))
    renamed = [one.rename(y="lat", x="lon") for one in (prediction, truth)]
    other = renamed[1].transpose("lon", "time", "lat")
    assert float(fss(renamed[0], other, 0.5, 3, ("lat", "lon"), periodic=True)) == expected
    # the last dimension of the plane is the circle
    around_y = float(fss(*renamed, 0.5, 3, ("lon", "lat"), periodic=True))
    turned = [one.to_numpy().swapaxes(1, 2) for one in (prediction, truth)]
    assert around_y == pytest.approx(looped(*turned, 0.5, 3, periodic=True))
    assert around_y != expected


def test_scales_have_labels():
    truth = rain()[1].assign_attrs(units="mm")
    scores = fss_scales(truth, truth, (0.5, 1.0), np.array([1, 3, 5]))
    assert scores.attrs == {}
    assert list(scores["threshold"].to_numpy()) == [0.5, 1.0]
    assert list(scores["size"].to_numpy()) == [1, 3, 5]
    assert scores["size"].dtype == "i4"
    assert (scores == 1).all()


@pytest.mark.parametrize(
    ("size", "cure"), [(4, 5), (2, 3), (0, 1), (-3, 1), (2.5, 3), (10, 11)], ids=str
)
def test_an_even_size_is_told(size, cure):
    prediction, truth = rain()
    message = rf"`size` to be an odd number .*, got {size}\. Pass an odd number such as {cure}\.$"
    with pytest.raises(ValueError, match=message):
        fss(prediction, truth, 1.0, size)
    with pytest.raises(ValueError, match=message):
        fss_scales(prediction, truth, [1.0], [1, size])


def test_other_coordinates_and_dimensions_are_told():
    prediction, truth = (one.assign_coords(time=np.arange(3)) for one in rain())
    with pytest.raises(GridError, match=r"other ones along \['time'\]"):
        fss(prediction, truth.isel(time=[0, 1]), 1.0, 3)
    message = r"dimensions \('lat', 'lon'\), got the dimensions \('time', 'y', 'x'\)\. Pass plane="
    with pytest.raises(GridError, match=message):
        fss(prediction.rename(y="lat", x="lon"), truth, 1.0, 3, ("lat", "lon"))
    with pytest.raises(GridError, match=message):
        fss(prediction, truth.rename(y="lat", x="lon"), 1.0, 3, ("lat", "lon"))
    with pytest.raises(GridError, match=message):
        autocorrelation_length(truth, ("lat", "lon"))
    with pytest.raises(GridError, match=r"two horizontal dimensions \('x',\)"):
        autocorrelation_length(truth, ("x",))


@pytest.mark.parametrize("chunks", [{"time": 1}, {"time": 2, "y": 3, "x": 5}], ids=str)
def test_fss_is_lazy_and_equal_to_numpy(chunks):
    prediction, truth = rain(missing=0.2)
    weights = xr.DataArray(np.arange(1.0, 8.0), dims="y")
    options = {"periodic": True, "weights": weights}
    lazy = {"periodic": True, "weights": weights.chunk(y=4)}
    copies = [one.copy(deep=True) for one in (prediction, truth)]
    with no_compute():
        actual = fss_scales(prediction.chunk(chunks), truth.chunk(chunks), [0.2], [1, 3], **options)
        mixed = fss(prediction.chunk(chunks), truth, 0.2, 3, **lazy)
    assert actual.chunks is not None
    assert mixed.chunks is not None
    expected = fss_scales(prediction, truth, [0.2], [1, 3], **options)
    xr.testing.assert_allclose(actual.compute(), expected, rtol=1e-12)
    np.testing.assert_allclose(mixed, expected[0, 1], rtol=1e-12)
    for one, copy in zip((prediction, truth), copies, strict=True):
        xr.testing.assert_identical(one, copy)


@settings(max_examples=25)
@given(
    values=arrays("f4", (2, 2, 4, 5), elements=st.sampled_from([0.0, 1.0, 2.0, float("nan")])),
    size=st.sampled_from([1, 3, 5]),
    periodic=st.booleans(),
)
def test_properties_of_fss(values, size, periodic):
    prediction, truth = (xr.DataArray(v, dims=DIMS) for v in values)
    score = float(fss(prediction, truth, 1.0, size, periodic=periodic))
    swapped = float(fss(truth, prediction, 1.0, size, periodic=periodic))
    assert swapped == pytest.approx(score, abs=1e-12, nan_ok=True)
    assert np.isnan(score) or 0 <= score <= 1
    perfect = float(fss(truth, truth, 1.0, size, periodic=periodic))
    assert perfect == 1 if (values[1] >= 1).any() else np.isnan(perfect)
    if periodic:
        around = [one.roll(x=2) for one in (prediction, truth)]
        rolled = float(fss(*around, 1.0, size, periodic=True))
        assert rolled == pytest.approx(score, abs=1e-12, nan_ok=True)


# --- autocorrelation length -----------------------------------------------------------------------


def looped_length(fields, periodic=False):
    """Products of all pairs of valid cells, ring by ring."""
    products, distances = {}, {}
    for field in fields:
        valid = [tuple(at) for at in np.argwhere(~np.isnan(field))]
        anomaly = field - np.mean([field[at] for at in valid]) if valid else field
        for first in valid:
            for second in valid:
                apart = abs(first[1] - second[1])
                apart = min(apart, field.shape[1] - apart) if periodic else apart
                distance = np.hypot(first[0] - second[0], apart)
                ring = int(np.floor(distance + 0.5))
                products.setdefault(ring, []).append(anomaly[first] * anomaly[second])
                distances.setdefault(ring, []).append(distance)
    before = None
    for ring in sorted(products):
        correlation = np.mean(products[ring]) / np.mean(products[0])
        at = np.mean(distances[ring])
        if correlation < np.exp(-1):
            share = (before[1] - np.exp(-1)) / (before[1] - correlation)
            return before[0] + share * (at - before[0])
        before = at, correlation
    return np.nan


def smooth(shape=(3, 9, 11), seed=0, missing=0.0, width=2):
    """Fields with structures of some cells."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(shape[0], shape[1] + width, shape[2] + width))
    for axis in (1, 2):
        parts = [np.roll(values, k, axis) for k in range(width + 1)]
        values = np.sum(parts, axis=0)
    values = values[:, : shape[1], : shape[2]]
    values = np.where(rng.random(shape) < missing, np.nan, values)
    return xr.DataArray(values, dims=DIMS)


@pytest.mark.parametrize("shape", [(2, 6, 7), (1, 1, 12), (1, 9, 1), (2, 5, 4), (1, 2, 2)], ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("width", [1, 3])
def test_length_is_that_of_the_pairs(shape, missing, width):
    field = smooth(shape, seed=shape[2], missing=missing, width=width) + 280
    actual = autocorrelation_length(field)
    assert actual.dims == ()
    assert actual.dtype == np.float64
    expected = looped_length(field.to_numpy())
    np.testing.assert_allclose(actual, expected, rtol=1e-9)
    np.testing.assert_allclose(autocorrelation_length(field, spacing=0.25), expected / 4, rtol=1e-9)


@pytest.mark.parametrize("shape", [(2, 6, 7), (1, 1, 12), (2, 5, 4), (1, 2, 2)], ids=str)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_length_around_the_globe(shape, missing):
    field = smooth(shape, seed=shape[2], missing=missing, width=3) + 280
    actual = autocorrelation_length(field, periodic=True)
    np.testing.assert_allclose(actual, looped_length(field.to_numpy(), periodic=True), rtol=1e-9)
    rolled = autocorrelation_length(field.roll(x=2), periodic=True)
    np.testing.assert_allclose(rolled, actual, rtol=1e-9)


def test_a_gap_in_the_rings_is_bridged():
    # no two cells are one cell apart: rings 0, 2, 4
    field = xr.DataArray([[1.0, np.nan, 0.8, np.nan, -2.0]], dims=("y", "x"))
    np.testing.assert_allclose(
        autocorrelation_length(field), looped_length(field.to_numpy()[None]), rtol=1e-12
    )


def test_white_noise_is_shorter_than_a_cell_and_smooth_fields_are_longer():
    noise = smooth((20, 40, 40), width=0)
    # ring 1 stands at (4 + 4 sqrt(2)) / 8 cells, and noise has no correlation there
    expected = (1 - np.exp(-1)) * (1 + 2**0.5) / 2
    assert float(autocorrelation_length(noise)) == pytest.approx(expected, rel=0.02)
    lengths = [float(autocorrelation_length(smooth((9, 40, 40), width=w))) for w in (0, 2, 4, 6)]
    assert lengths == sorted(lengths)


def test_length_of_an_exponential_decay():
    # a random walk that forgets: its correlation after k cells is exp(-k / 5)
    rng = np.random.default_rng(1)
    phi = np.exp(-1 / 5)
    values = np.zeros((200, 600))
    for k in range(1, 600):
        values[:, k] = phi * values[:, k - 1] + rng.normal(size=200)
    field = xr.DataArray(values[:, None, 200:], dims=DIMS)
    assert float(autocorrelation_length(field)) == pytest.approx(5, rel=0.05)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("chunked", [False, True])
def test_fields_without_a_length(chunked):
    full = smooth()
    single = full.where((full["y"] == 2) & (full["x"] == 3))
    for field in (xr.full_like(full, 0.1), full * np.nan, single):
        field = field.chunk(time=2) if chunked else field
        assert np.isnan(autocorrelation_length(field))
    # a field without cells does not count
    partial = full.where(xr.DataArray([True, False, True], dims="time"))
    expected = float(autocorrelation_length(full.isel(time=[0, 2])))
    assert float(autocorrelation_length(partial)) == pytest.approx(expected, rel=1e-12)


@given(shift=st.floats(-1e4, 1e4), factor=st.floats(-100, 100).filter(lambda f: abs(f) > 0.01))
@settings(max_examples=20)
def test_units_do_not_change_the_length(shift, factor):
    field = smooth((2, 6, 7), missing=0.1)
    expected = float(autocorrelation_length(field))
    assert float(autocorrelation_length(factor * field + shift)) == pytest.approx(expected)


def test_other_dimensions_kinds_and_chunks():
    field = smooth(missing=0.1).assign_attrs(units="K")
    expected = autocorrelation_length(field)
    assert expected.attrs == {}
    other = field.rename(y="lat", x="lon").transpose("lon", "time", "lat")
    np.testing.assert_allclose(autocorrelation_length(other, ("lat", "lon")), expected, rtol=1e-12)
    np.testing.assert_allclose(autocorrelation_length(field.astype("f4")), expected, rtol=1e-5)
    whole = (10 * smooth()).round()
    np.testing.assert_allclose(
        autocorrelation_length(whole.astype("i2")), autocorrelation_length(whole), rtol=1e-12
    )
    for chunks in ({"time": 1}, {"time": 2, "y": 4, "x": 5}):
        with no_compute():
            actual = autocorrelation_length(field.chunk(chunks))
        assert actual.chunks is not None
        np.testing.assert_allclose(actual, expected, rtol=1e-12)
