import numpy as np
import pytest
import xarray as xr

from tests.conftest import no_compute
from xr_dl4ds import metrics
from xr_dl4ds.exceptions import GridError

SHAPES = [(8, 8), (7, 7), (6, 9), (9, 6), (5, 12), (1, 8), (2, 3)]


def noise(shape, seed=0):
    dims = ("time", "y", "x")[-len(shape) :]
    return xr.DataArray(np.random.default_rng(seed).normal(size=shape), dims=dims)


def looped(field):
    """Power of each wave by its own sum of cosines and sines, then the mean of each ring."""
    ny, nx = field.shape
    longer, anomaly = max(ny, nx), field - field.mean()
    y, x = np.mgrid[:ny, :nx]
    rings = [[] for _ in range(longer // 2)]
    for j in range(ny):
        for i in range(nx):
            ky = (j if 2 * j <= ny else j - ny) / ny
            kx = (i if 2 * i <= nx else i - nx) / nx
            number = np.sqrt(ky**2 + kx**2)
            ring = min(int(np.floor(number * longer + 0.5 + 1e-9)), longer // 2)
            if ring < 1 or number > 0.5 + 1e-12:
                continue
            phase = 2 * np.pi * (ky * y + kx * x)
            power = (anomaly * np.cos(phase)).sum() ** 2 + (anomaly * np.sin(phase)).sum() ** 2
            rings[ring - 1].append(power / field.size)
    return np.array([np.mean(ring) for ring in rings])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_spectrum_is_the_slow_sum(shape):
    field = noise(shape) + 280
    actual = metrics.spectrum(field)
    assert actual.dims == ("wavenumber",)
    np.testing.assert_allclose(actual, looped(field.to_numpy()), rtol=1e-9)
    longer = max(shape)
    np.testing.assert_allclose(
        actual["wavenumber"], [n / longer for n in range(1, longer // 2 + 1)]
    )
    assert actual["wavenumber"].attrs["long_name"] == "wavenumber in cycles per cell"


def test_the_power_of_white_noise_is_its_variance_at_every_scale():
    actual = metrics.spectrum(3 * noise((400, 24, 32)))
    np.testing.assert_allclose(actual, 9, rtol=0.1)


def test_a_wave_has_power_at_its_wavenumber_alone():
    x = np.arange(16)
    wave = xr.DataArray(np.tile(np.cos(2 * np.pi * 3 * x / 16), (16, 1)), dims=("y", "x"))
    actual = metrics.spectrum(wave)
    assert float(actual["wavenumber"][int(actual.argmax("wavenumber"))]) == pytest.approx(3 / 16)
    np.testing.assert_allclose(np.delete(actual.to_numpy(), 2), 0, atol=1e-12)
    # the same wave the other way, and as seen under other names
    turned = wave.rename(y="lon", x="lat")
    np.testing.assert_allclose(metrics.spectrum(turned, ("lat", "lon")), actual, atol=1e-12)


def test_other_dimensions_are_averaged():
    fields = noise((3, 8, 10))
    expected = np.mean([looped(f) for f in fields.to_numpy()], axis=0)
    np.testing.assert_allclose(metrics.spectrum(fields), expected)
    np.testing.assert_allclose(metrics.spectrum(fields.transpose("x", "time", "y")), expected)


def test_missing_cells_are_no_anomaly():
    field = noise((6, 8)) + 280
    holes = field.copy()
    holes[2:4, 5] = np.nan
    filled = holes.fillna(holes.mean())
    np.testing.assert_allclose(metrics.spectrum(holes), looped(filled.to_numpy()), rtol=1e-9)


@pytest.mark.filterwarnings("error")
def test_fields_without_cells_are_left_out():
    fields = noise((3, 6, 8))
    gone = fields.where(xr.DataArray([True, False, True], dims="time"))
    xr.testing.assert_allclose(metrics.spectrum(gone), metrics.spectrum(fields.isel(time=[0, 2])))
    assert metrics.spectrum(fields.where(False)).isnull().all()
    assert metrics.spectrum(noise((3, 1, 1))).size == 0


def test_integers_and_float32():
    field = (100 * noise((6, 8))).round()
    expected = metrics.spectrum(field)
    for kind in ("i2", "f4"):
        np.testing.assert_allclose(metrics.spectrum(field.astype(kind)), expected)


# --- distance -------------------------------------------------------------------------------------


def test_distance_is_its_formula():
    truth, prediction = noise((4, 8, 12)), 0.7 * noise((4, 8, 12), seed=1)
    spectra = [np.mean([looped(f) for f in d.to_numpy()], axis=0) for d in (truth, prediction)]
    expected = np.sqrt(np.mean((10 * np.log10(spectra[0] / spectra[1])) ** 2))
    assert float(metrics.ralsd(prediction, truth)) == pytest.approx(expected)
    assert float(metrics.ralsd(truth, prediction)) == pytest.approx(expected)
    assert float(metrics.ralsd(truth, truth)) == 0


def test_distance_of_members_is_that_of_their_mean_spectrum():
    truth = noise((6, 16, 16))
    members = xr.concat([noise((6, 16, 16), seed=s) for s in range(1, 9)], "realization")
    members = members.assign_coords(realization=range(8))
    each = [metrics.spectrum(m).to_numpy() for _, m in members.groupby("realization")]
    ratio = metrics.spectrum(truth).to_numpy() / np.mean(each, axis=0)
    actual = float(metrics.ralsd(members, truth))
    assert actual == pytest.approx(np.sqrt(np.mean((10 * np.log10(ratio)) ** 2)))
    # their mean has an eighth of the power: 9 dB
    assert actual < 1.5
    assert float(metrics.ralsd(members.mean("realization"), truth)) == pytest.approx(9, abs=1)


def test_distance_hides_the_same_cells_on_both_sides():
    truth = noise((3, 8, 8))
    members = xr.concat([truth + 1, 2 * truth], "realization")
    members[1, 0, 2, 2] = np.nan
    holes = truth.copy()
    holes[:, 5, 5] = np.nan
    valid = holes.notnull() & members.notnull().all("realization")
    expected = metrics.ralsd(members.where(valid), holes.where(valid))
    np.testing.assert_allclose(metrics.ralsd(members, holes), expected)
    # a constant more changes nothing, so that 2.5 times the power is left: (1 + 4) / 2
    np.testing.assert_allclose(expected, 10 * np.log10(2.5), rtol=1e-9)


@pytest.mark.filterwarnings("error")
def test_a_field_without_power_is_infinitely_far():
    truth = noise((3, 8, 8))
    assert np.isinf(metrics.ralsd(xr.zeros_like(truth), truth))


def test_other_coordinates_are_told():
    truth = noise((3, 8, 8)).assign_coords(y=np.arange(8.0))
    with pytest.raises(GridError, match=r"other ones along \['y'\]\. Select"):
        metrics.ralsd(truth.assign_coords(y=truth.y + 1e-7), truth)


@pytest.mark.parametrize("chunks", [{"time": 1}, {"time": 2, "y": 3, "x": 5}], ids=str)
def test_lazy_in_lazy_out(chunks):
    truth, prediction = noise((4, 8, 12)), noise((4, 8, 12), seed=1)
    prediction[0, 2, 2] = np.nan
    with no_compute():
        spectrum = metrics.spectrum(prediction.chunk(chunks))
        distances = [
            metrics.ralsd(prediction.chunk(chunks), t) for t in (truth, truth.chunk(time=3))
        ]
    assert spectrum.chunks is not None
    xr.testing.assert_allclose(spectrum.compute(), metrics.spectrum(prediction))
    for actual in distances:
        assert actual.chunks is not None
        xr.testing.assert_allclose(actual.compute(), metrics.ralsd(prediction, truth))
