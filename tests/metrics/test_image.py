import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

from tests.conftest import no_compute
from xr_dl4ds.exceptions import GridError
from xr_dl4ds.metrics.image import ms_ssim, psnr, ssim

DIMS = ("time", "y", "x")
EXPONENTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def pair(shape=(2, 14, 17), seed=0, missing=(), kind="f8"):
    """Waves, and the waves with noise; cells ``(time, y, x)`` may be missing in one of them."""
    rng = np.random.default_rng(seed)
    t, y, x = np.mgrid[: shape[0], : shape[1], : shape[2]]
    truth = 10 * np.sin(y / 4 + t) * np.cos(x / 5) + x / 10
    fields = [truth + 2 * rng.normal(size=shape) + 0.5, truth]
    for n, at in enumerate(missing):
        fields[n % 2][at] = np.nan
    return [xr.DataArray(one.astype(kind), dims=DIMS) for one in fields]


def waves(shape=(40, 50)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    truth = 280 + 10 * np.sin(y / 4) * np.cos(x / 5) + x / 10
    both = truth + 2 * np.sin(x * y / 9) + 0.5, truth
    return [xr.DataArray(one, dims=("y", "x")) for one in both]


def looped(first, second, span, weights=None):
    """SSIM of two fields, window by window, and without the comparison of means."""
    ny, nx = first.shape
    weights = np.ones((ny, nx)) if weights is None else weights
    j, i = np.mgrid[-5:6, -5:6]
    gauss = np.exp(-(j**2 + i**2) / (2 * 1.5**2))
    gauss /= gauss.sum()
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    whole, structure, total = 0.0, 0.0, 0.0
    for y in range(5, ny - 5):
        for x in range(5, nx - 5):
            a, b = (one[y - 5 : y + 6, x - 5 : x + 6] for one in (first, second))
            if np.isnan(a).any() or np.isnan(b).any():
                continue
            ma, mb = (gauss * a).sum(), (gauss * b).sum()
            va, vb = (gauss * (a - ma) ** 2).sum(), (gauss * (b - mb) ** 2).sum()
            cov = (gauss * (a - ma) * (b - mb)).sum()
            cs = (2 * cov + c2) / (va + vb + c2)
            whole += weights[y, x] * cs * (2 * ma * mb + c1) / (ma**2 + mb**2 + c1)
            structure += weights[y, x] * cs
            total += weights[y, x]
    return (whole / total, structure / total) if total else (np.nan, np.nan)


def halved(field):
    """The means of 2 x 2 cells; at odd sides, the last cells count twice."""
    ny, nx = field.shape
    rows = [(2 * j, min(2 * j + 1, ny - 1)) for j in range((ny + 1) // 2)]
    columns = [(2 * i, min(2 * i + 1, nx - 1)) for i in range((nx + 1) // 2)]
    return np.array([[np.mean([field[j, i] for j in r for i in c]) for c in columns] for r in rows])


def looped_scales(first, second, span, scales, weights=None):
    exponents = EXPONENTS[:scales] if scales == 5 else EXPONENTS[:scales] / sum(EXPONENTS[:scales])
    weights, out = np.ones(first.shape) if weights is None else weights, 1.0
    for n, exponent in enumerate(exponents):
        whole, structure = looped(first, second, span, weights)
        out *= np.maximum(whole if n == scales - 1 else structure, 0) ** exponent
        first, second, weights = (halved(one) for one in (first, second, weights))
    return out


def span_of(truth):
    return float(truth.max() - truth.min())


# --- PSNR -----------------------------------------------------------------------------------------


def test_psnr_by_hand():
    # errors 1, -1, 3, 1: a mean square of 3; the truth ranges over 6
    prediction = xr.DataArray([1.0, 1.0, 9.0, 4.0], dims="x")
    truth = xr.DataArray([0.0, 2.0, 6.0, 3.0], dims="x")
    assert float(psnr(prediction, truth, ["x"])) == pytest.approx(10 * np.log10(36 / 3))
    actual = psnr(prediction, truth, ["x"], data_range=30)
    assert float(actual) == pytest.approx(10 * np.log10(900 / 3))
    # weights 1, 1, 0, 2: (1 + 1 + 2) / 4; the range remains that of all cells
    weights = xr.DataArray([1.0, 1.0, 0.0, 2.0], dims="x")
    assert float(psnr(prediction, truth, ["x"], weights)) == pytest.approx(10 * np.log10(36))
    # a cell that is missing in the prediction counts in neither the error nor the range
    prediction[2] = np.nan
    assert float(psnr(prediction, truth, ["x"])) == pytest.approx(10 * np.log10(9))


@pytest.mark.parametrize("kind", ["f8", "f4"])
@pytest.mark.parametrize("dims", [("time",), ("x", "y"), DIMS], ids=str)
def test_psnr_is_the_formula(dims, kind):
    prediction, truth = pair(missing=[(0, 1, 2), (1, 3, 4)], kind=kind)
    wide = truth.astype("f8").where(prediction.notnull())
    mse = ((prediction.astype("f8") - wide) ** 2).mean(dims)
    span = wide.max(dims) - wide.min(dims)
    expected = 10 * np.log10(span.where(span > 0) ** 2 / mse)
    actual = psnr(prediction, truth, dims)
    assert actual.dtype == np.float64
    xr.testing.assert_allclose(actual, expected, rtol=1e-12)
    even = xr.DataArray(np.full(14, 3.0), dims="y")
    xr.testing.assert_allclose(psnr(prediction, truth, dims, even), expected, rtol=1e-12)


def test_psnr_is_that_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    prediction, truth = pair()
    images = (one.to_numpy()[..., None] for one in (prediction, truth))
    expected = tf.image.psnr(*images, max_val=25.0).numpy()
    actual = psnr(prediction, truth, ["y", "x"], data_range=25.0)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("chunked", [False, True])
def test_psnr_of_perfect_and_undefined(chunked):
    prediction, truth = pair(shape=(2, 3, 4))
    fields = prediction, truth, truth * 0, truth * np.nan
    if chunked:
        fields = [one.chunk(time=1) for one in fields]
    prediction, truth, constant, nothing = fields
    assert float(psnr(truth, truth, DIMS)) == np.inf
    assert np.isnan(psnr(prediction, constant, DIMS))
    assert np.isnan(psnr(constant, constant, DIMS))
    assert np.isnan(psnr(nothing, truth, DIMS))
    assert np.isnan(psnr(nothing, truth, DIMS, data_range=1.0))
    assert float(psnr(constant + 1, constant, DIMS, data_range=10.0)) == 20.0
    flags = truth > 0
    share = float((flags != (prediction > 0)).mean())
    assert float(psnr(prediction > 0, flags, DIMS)) == pytest.approx(-10 * np.log10(share))


# --- SSIM -----------------------------------------------------------------------------------------

MISSING = [(0, 1, 2), (1, 13, 16), (1, 0, 0)]


@pytest.mark.parametrize("missing", [[], MISSING], ids=["whole", "missing"])
@pytest.mark.parametrize("span", [None, 33.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_ssim_is_the_slow_sum(missing, span, weighted):
    prediction, truth = pair(missing=missing)
    weights = xr.DataArray(np.random.default_rng(2).random((17, 14)), dims=("x", "y"))
    weights = weights if weighted else None
    counted = truth.where(prediction.notnull())
    wide = span or span_of(counted)
    fields = zip(prediction.to_numpy(), truth.to_numpy(), strict=True)
    factor = weights.to_numpy().T if weighted else None
    expected = np.mean([looped(a, b, wide, factor)[0] for a, b in fields])
    actual = ssim(prediction, truth, data_range=span, weights=weights)
    assert actual.dims == ()
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, expected, rtol=1e-9)
    narrow = ssim(prediction.astype("f4"), truth.astype("f4"), data_range=span, weights=weights)
    np.testing.assert_allclose(narrow, expected, rtol=1e-6)


def test_weights_of_rows():
    prediction, truth = pair()
    rows = xr.DataArray(np.arange(14.0), dims="y")
    full = np.broadcast_to(np.arange(14.0)[:, None], (14, 17))
    fields = list(zip(prediction.to_numpy(), truth.to_numpy(), strict=True))
    expected = np.mean([looped(a, b, span_of(truth), full)[0] for a, b in fields])
    np.testing.assert_allclose(ssim(prediction, truth, weights=rows), expected, rtol=1e-9)
    even = xr.DataArray(np.full(14, 0.1), dims="y")
    for score in (ssim, ms_ssim):
        np.testing.assert_allclose(
            score(prediction, truth, weights=even), score(prediction, truth), rtol=1e-12
        )


@pytest.mark.parametrize("shape", [(3, 30, 41), (1, 11, 11), (2, 11, 20)], ids=str)
def test_ssim_is_that_of_tensorflow(shape):
    tf = pytest.importorskip("tensorflow")
    prediction, truth = pair(shape, kind="f4")
    images = (one.to_numpy()[..., None] for one in (prediction, truth))
    expected = tf.image.ssim(*images, max_val=span_of(truth)).numpy().mean()
    np.testing.assert_allclose(ssim(prediction, truth), expected, atol=1e-5)


def test_ssim_is_that_of_scikit_image():
    # scikit-image 0.26.0, structural_similarity(truth, prediction, gaussian_weights=True,
    # sigma=1.5, use_sample_covariance=False, data_range=...)
    prediction, truth = waves()
    assert float(ssim(prediction, truth)) == pytest.approx(0.8184301173100543, rel=1e-9)
    actual = ssim(prediction, truth, data_range=50.0)
    assert float(actual) == pytest.approx(0.8453699565688392, rel=1e-9)
    # the same data with a zero of 280 K
    prediction, truth = prediction - 280, truth - 280
    assert float(ssim(prediction, truth)) == pytest.approx(0.7465696055217662, rel=1e-9)
    actual = ssim(prediction, truth, data_range=50.0)
    assert float(actual) == pytest.approx(0.7947025399396122, rel=1e-9)
    # peak_signal_noise_ratio
    assert float(psnr(prediction, truth, ["y", "x"])) == pytest.approx(24.42036675772089)


def test_a_bias_of_kelvins_is_not_seen():
    _, truth = waves()
    assert float(ssim(truth + 3, truth)) > 0.999
    assert float(ssim(truth - 277, truth - 280)) < 0.95


# --- MS-SSIM --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "scales"), [((24, 25), 2), ((47, 46), 3)], ids=str)
@pytest.mark.parametrize("missing", [False, True])
def test_ms_ssim_is_the_slow_sum(shape, scales, missing):
    prediction, truth = pair((1, *shape), missing=[(0, 0, 0)] if missing else [])
    weights = np.random.default_rng(2).random(shape)
    expected = looped_scales(prediction[0].to_numpy(), truth[0].to_numpy(), 33.0, scales, weights)
    assert expected > 0
    factor = xr.DataArray(weights, dims=("y", "x"))
    actual = ms_ssim(prediction, truth, data_range=33.0, weights=factor)
    np.testing.assert_allclose(actual, expected, rtol=1e-9)


def test_fields_too_small_for_a_coarse_scale_between_gaps():
    # 11 cells remain at the second scale, of which one is missing
    prediction, truth = pair((2, 22, 22), missing=[(1, 3, 3)])
    each = [ms_ssim(prediction[[t]], truth[[t]], data_range=9.0) for t in (0, 1)]
    assert np.isnan(each[1])
    both = ms_ssim(prediction, truth, data_range=9.0)
    assert float(both) == float(each[0])
    assert ms_ssim(prediction[[1]], truth[[1]], data_range=9.0, scales=1) > 0


@pytest.mark.parametrize(
    ("shape", "scales"),
    [((2, 161, 176), 5), ((1, 81, 90), 4), ((2, 45, 50), 3), ((2, 21, 30), 2), ((2, 20, 30), 1)],
    ids=str,
)
def test_ms_ssim_is_that_of_tensorflow(shape, scales, caplog):
    tf = pytest.importorskip("tensorflow")
    prediction, truth = pair(shape, kind="f4")
    images = (one.to_numpy()[..., None] for one in (prediction, truth))
    exponents = EXPONENTS if scales == 5 else EXPONENTS[:scales] / EXPONENTS[:scales].sum()
    theirs = tf.image.ssim_multiscale(*images, span_of(truth), power_factors=list(exponents))
    with caplog.at_level("WARNING", "xr_dl4ds"):
        actual = ms_ssim(prediction, truth)
    np.testing.assert_allclose(actual, theirs.numpy().mean(), atol=1e-5)
    said = f"uses {scales} of 5 scales, because fields of {shape[1]} x {shape[2]} cells have room"
    assert (said in caplog.text) == (scales < 5)


def test_fewer_scales_by_choice(caplog):
    prediction, truth = pair((1, 44, 45))
    fields = prediction[0].to_numpy(), truth[0].to_numpy(), span_of(truth)
    for scales in (1, 2, 3):
        actual = ms_ssim(prediction, truth, scales=scales)
        np.testing.assert_allclose(actual, looped_scales(*fields, scales), rtol=1e-9)
    assert caplog.text == ""
    np.testing.assert_allclose(ms_ssim(prediction, truth, scales=1), ssim(prediction, truth))
    # similarities below 0 count as 0
    assert float(ssim(50 - truth, 50 + truth)) < 0
    assert float(ms_ssim(50 - truth, 50 + truth, scales=1)) == 0


@pytest.mark.parametrize("scales", [0, 6, -1])
def test_a_number_of_scales_that_does_not_exist_is_told(scales):
    prediction, truth = pair()
    with pytest.raises(ValueError, match=rf"`scales` from 1 to 5, got {scales}\. Pass a number"):
        ms_ssim(prediction, truth, scales=scales)


# --- both -----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("score", [ssim, ms_ssim])
@pytest.mark.parametrize("chunked", [False, True])
def test_without_windows_it_is_nan(score, chunked):
    prediction, truth = pair()
    middle = truth.where((truth["y"] != 7) | (truth["x"] != 8))
    cases = [
        (prediction[:, :10], truth[:, :10], 9.0),
        (prediction[..., :10], truth[..., :10], None),
        (prediction * np.nan, truth, 9.0),
        (prediction, truth * np.nan, None),
        (prediction, truth * 0, None),
        (prediction, middle.where((truth["y"] < 3) | (truth["y"] > 9)), None),
    ]
    for first, second, span in cases:
        if chunked:
            first, second = first.chunk(time=1), second.chunk(time=1)
        assert np.isnan(score(first, second, data_range=span))
    weights = xr.DataArray(np.zeros(14), dims="y")
    assert np.isnan(score(prediction, truth, weights=weights))


def test_fields_without_windows_are_left_out():
    prediction, truth = pair()
    gone = truth.where(xr.DataArray([True, False], dims="time"))
    expected = ssim(prediction[:1], truth[:1], data_range=9.0)
    np.testing.assert_allclose(ssim(prediction, gone, data_range=9.0), expected, rtol=1e-12)


@pytest.mark.parametrize("score", [ssim, ms_ssim])
def test_names_order_and_kinds(score):
    prediction, truth = pair((2, 22, 24))
    prediction, truth = prediction.round(), truth.round().assign_attrs(units="K")
    expected = score(prediction, truth)
    assert expected.attrs == {}
    names = {"y": "lat", "x": "lon"}
    other = truth.rename(names).transpose("lon", "time", "lat")
    np.testing.assert_allclose(
        score(prediction.rename(names), other, ("lat", "lon")), expected, rtol=1e-12
    )
    whole = score(prediction.astype("i1"), truth.astype("i1"))
    np.testing.assert_allclose(whole, expected, rtol=1e-12)


@pytest.mark.parametrize("chunks", [{"time": 1}, {"time": 2, "y": 9, "x": 5}], ids=str)
def test_lazy_in_lazy_out(chunks):
    prediction, truth = pair((3, 22, 24), missing=[(0, 0, 0), (1, 21, 23)])
    weights = xr.DataArray(np.arange(1.0, 23.0), dims="y")
    copies = [one.copy(deep=True) for one in (prediction, truth)]
    cases = [
        (ssim, ("y", "x"), {"weights": weights}),
        (ms_ssim, ("y", "x"), {"weights": weights, "scales": 2}),
        (psnr, ("time", "x"), {"weights": weights}),
        (psnr, DIMS, {"weights": weights, "data_range": 9.0}),
    ]
    for score, dims, options in cases:
        lazy = {**options, "weights": weights.chunk(y=5)}
        with no_compute():
            actual = score(prediction.chunk(chunks), truth.chunk(chunks), dims, **options)
            mixed = score(prediction.chunk(chunks), truth, dims, **lazy)
        assert actual.chunks is not None
        assert mixed.chunks is not None
        expected = score(prediction, truth, dims, **options)
        xr.testing.assert_allclose(actual.compute(), expected, rtol=1e-12)
        xr.testing.assert_allclose(mixed.compute(), expected, rtol=1e-12)
    for one, copy in zip((prediction, truth), copies, strict=True):
        xr.testing.assert_identical(one, copy)


@settings(max_examples=20)
@given(seed=st.integers(0, 99), factor=st.floats(0.01, 100), hole=st.booleans())
def test_properties(seed, factor, hole):
    prediction, truth = pair((1, 21, 22), seed, missing=[(0, 0, 0)] if hole else [])
    for score in (ssim, ms_ssim):
        value = float(score(prediction, truth))
        assert -1 <= value < 1 or (hole and np.isnan(value))
        # the unit does not matter, nor, for a fixed range, which of the two fields comes first
        assert float(score(factor * prediction, factor * truth)) == pytest.approx(
            value, rel=1e-9, nan_ok=True
        )
        swapped = float(score(truth, prediction, data_range=30.0))
        straight = float(score(prediction, truth, data_range=30.0))
        assert swapped == pytest.approx(straight, rel=1e-9, nan_ok=True)
        assert float(score(truth, truth)) == pytest.approx(1, abs=1e-9)


def test_wrong_input_is_told():
    prediction, truth = (one.assign_coords(y=np.arange(14.0)) for one in pair())
    for score, where in ((ssim, ("y", "x")), (ms_ssim, ("y", "x")), (psnr, DIMS)):
        with pytest.raises(GridError, match=r"other ones along \['y'\]"):
            score(prediction.assign_coords(y=truth["y"] + 1), truth, where)
        for span in (0, -3.5, float("nan")):
            with pytest.raises(ValueError, match=rf"`data_range` above 0, got {span}\. Pass the"):
                score(prediction, truth, where, data_range=span)
    for score in (ssim, ms_ssim):
        with pytest.raises(GridError, match=r"\('time', 'y', 'x'\)\. Pass plane="):
            score(prediction, truth, ("lat", "lon"))
        with pytest.raises(GridError, match=r"Pass plane="):
            score(prediction.rename(x="lon"), truth)
        weights = xr.DataArray([1.0, 2.0], dims="time")
        with pytest.raises(GridError, match=r"\('y', 'x'\) alone, got weights along \('time',\)"):
            score(prediction, truth, weights=weights)
