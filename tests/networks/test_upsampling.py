import keras
import numpy as np
import pytest

from tests.networks.reference import field, model, zero
from xr_dl4ds.config import Scale
from xr_dl4ds.networks.upsampling import deconvolution, resize, stages, subpixel, upsample


def test_subpixel_puts_channels_beside_each_other():
    # a 1x1-like kernel with the biases 0..7 for 2 filters x 2**2 cells: HR cell (dy, dx) of each LR
    # cell takes the channels 2 * (2 dy + dx) and the next
    network = zero(model(lambda x: subpixel(x, 2, Scale.of(2), "u")))
    network.layers[1].bias.assign(np.arange(8))
    actual = np.asarray(network(field(y=2, x=3)))
    np.testing.assert_array_equal(actual[0, ..., 0], np.tile([[0, 2], [4, 6]], (2, 3)))
    np.testing.assert_array_equal(actual[0, ..., 1], np.tile([[1, 3], [5, 7]], (2, 3)))


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_deconvolution_covers_all_cells_evenly(scale):
    # 2 * scale taps at stride scale: every inner HR cell lies under 2 x 2 taps, of 4 channels each
    network = model(lambda x: deconvolution(x, 3, Scale.of(scale), "u"))
    network.set_weights([np.ones_like(w) * (w.ndim > 1) for w in network.get_weights()])
    actual = np.asarray(network(np.ones((1, 5, 7, 4), "f4")))[0]
    inner = actual[scale:-scale, scale:-scale]
    np.testing.assert_array_equal(inner, np.full_like(inner, 16))


def test_resize_repeats_cells_and_then_convolves():
    network = model(lambda x: resize(x, 4, Scale.of(3), "u"))
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):  # the identity in every convolution
            kernel = np.zeros(layer.kernel.shape, "f4")
            kernel[kernel.shape[0] // 2, kernel.shape[1] // 2] = np.eye(4)
            layer.set_weights([kernel, np.zeros(4)])
    np.testing.assert_array_equal(network(field()), field().repeat(3, 1).repeat(3, 2))


@pytest.mark.parametrize("upsampling", ["subpixel", "resize", "deconvolution"])
def test_defect_1_the_scale_is_the_one_asked_for(upsampling):
    # an if/if/else made `dc` of DL4DS upsample 16 times at scale 4
    for scale in range(1, 13):
        network = model(lambda x, s=scale: upsample(x, upsampling, 3, Scale.of(s), "relu"))
        channels = 4 if scale == 1 else 3
        assert network(field(y=2, x=3)).shape == (1, 2 * scale, 3 * scale, channels)


def test_there_is_an_activation_between_stages_and_none_after_the_last():
    network = model(lambda x: upsample(x, "resize", 3, Scale.of(24), "elu"))
    found = [layer for layer in network.layers if isinstance(layer, keras.layers.Activation)]
    assert [layer.name for layer in found] == ["upsampling2_activation", "upsampling3_activation"]
    assert all(layer.activation.__name__ == "elu" for layer in found)


@pytest.mark.parametrize(
    ("upsampling", "expected"),
    [
        ("resize", [[], [2], [4], [5], [2, 3], [2, 4], [3, 4], [7, 7], [4, 4], [2, 11]]),
        ("subpixel", [[], [2], [4], [5], [6], [8], [12], [49], [16], [22]]),
        ("deconvolution", [[], [2], [4], [5], [6], [8], [12], [49], [16], [22]]),
    ],
)
def test_stages(upsampling, expected):
    scales = (1, 2, 4, 5, 6, 8, 12, 49, 16, 22)
    assert [stages(upsampling, n) for n in scales] == expected
