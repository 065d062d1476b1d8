import keras
import numpy as np
import pytest

import xr_dl4ds as xd
from tests.conftest import analytic
from tests.networks.reference import field, model, names, options
from xr_dl4ds.config import BACKBONES, CUSTOM_BACKBONES
from xr_dl4ds.exceptions import ModelFileError
from xr_dl4ds.networks.backbones import backbone_by_name
from xr_dl4ds.networks.margins import NO_MARGIN


def backbone(name, channels=3, **given):
    return model(
        lambda x: backbone_by_name(name).build(x, options(backbone=name, **given), NO_MARGIN),
        channels,
    )


@pytest.mark.parametrize(
    ("name", "join"),
    [("convnet", "none"), ("resnet", "add"), ("convnext", "add"), ("densenet", "concatenate")],
)
def test_the_two_ends_of_a_stack_are_joined(name, join):
    # a skip from the first convolution across the stack: add, or concatenate for densenet
    network = backbone(name, n_blocks=2)
    last = network.get_layer("backbone_last")
    last.set_weights([np.zeros_like(w) for w in last.get_weights()])
    first = keras.Model(network.input, network.get_layer("backbone_first").output)
    begin = np.asarray(first(field(3)))
    nothing = np.zeros_like(begin)
    expected = {
        "none": nothing,
        "add": begin,
        "concatenate": np.concatenate([begin, nothing], axis=-1),
    }[join]
    np.testing.assert_array_equal(network(field(3)), expected)


@pytest.mark.parametrize("name", [b for b in BACKBONES if b != "unet"])
def test_blocks_are_counted(name):
    counts = [backbone(name, n_blocks=n).count_params() for n in (1, 2, 3)]
    assert counts[2] - counts[1] == counts[1] - counts[0] > 0


# --- U-Net ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_unet_keeps_any_size(levels):
    network = backbone("unet", n_blocks=levels)
    for y, x in [(8, 8), (9, 13), (5, 3), (2, 1), (1, 7)]:
        assert network(field(3, y, x)).shape == (1, y, x, 4)


@pytest.mark.parametrize("decoder", ["resize", "subpixel", "deconvolution"])
def test_unet_decoder_upsamples_as_asked(decoder):
    network = backbone("unet", n_blocks=2, decoder_upsampling=decoder)
    wanted = {"resize": "_resize", "subpixel": "_conv", "deconvolution": "_deconvolution"}[decoder]
    assert f"backbone_decoder2_upsampling{wanted}" in names(network)
    assert network(field(3, 6, 7)).shape == (1, 6, 7, 4)


def test_unet_filters_double_up_to_a_cap():
    network = backbone("unet", n_filters=100, n_blocks=3)
    filters = [network.get_layer(f"backbone_encoder{i}_conv1").filters for i in (1, 2, 3)]
    assert [*filters, network.get_layer("backbone_bottleneck_conv1").filters] == [
        100,
        200,
        256,
        256,
    ]


def test_unet_sees_far_through_its_coarse_levels():
    # two 3 x 3 convolutions at each of three levels and the bottleneck reach 60 cells and more
    network = backbone("unet", n_blocks=3, activation="linear")
    given = field(3, 40, 40)
    before = np.asarray(network(given))
    given[0, 0, 0] += 100
    reach = np.nonzero(np.abs(np.asarray(network(given)) - before)[0].max(axis=-1) > 1e-5)
    assert reach[0].max() > 25


# --- a backbone of the user's own ---------------------------------------------------------------


@pytest.fixture
def registry():
    """The registered backbones, as they were after the test."""
    before = dict(CUSTOM_BACKBONES)
    yield CUSTOM_BACKBONES
    CUSTOM_BACKBONES.clear()
    CUSTOM_BACKBONES.update(before)


def register_wide():
    @xd.register_backbone("wide")
    def wide(x, network):
        for _ in range(network.n_blocks):
            x = keras.layers.Conv2D(network.n_filters, 5, padding="same", activation="tanh")(x)
        return x


TINY = {"n_filters": 4, "n_blocks": 2, "epochs": 1, "verbose": False}


def test_registered_backbone_fits_saves_and_loads(registry, tmp_path):
    register_wide()
    hr = analytic()
    model = hr.downscale.fit(scale=2, backbone="wide", upsampling="resize", **TINY)
    kernels = [w.shape for w in model.network.weights if w.shape[:2] == (5, 5)]
    assert len(kernels) == 2
    model.save(tmp_path / "m")
    lr = hr[["t2m"]].downscale.coarsen(2)
    expected = lr.downscale.predict(model)
    np.testing.assert_array_equal(lr.downscale.predict(xd.load(tmp_path / "m")).t2m, expected.t2m)


def test_loading_without_the_registration_says_what_is_missing(registry, tmp_path):
    register_wide()
    analytic().downscale.fit(scale=2, backbone="wide", **TINY).save(tmp_path / "m")
    registry.clear()
    message = r"has the backbone 'wide', .*nor registered.*@xr_dl4ds.register_backbone\('wide'\)"
    with pytest.raises(ModelFileError, match=message):
        xd.load(tmp_path / "m")


def test_another_function_under_the_name_does_not_fit_the_weights(registry, tmp_path):
    register_wide()
    analytic().downscale.fit(scale=2, backbone="wide", **TINY).save(tmp_path / "m")
    xd.register_backbone("wide")(lambda x, network: keras.layers.Conv2D(7, 1)(x))
    with pytest.raises(ModelFileError, match="damaged: its options and weights do not fit"):
        xd.load(tmp_path / "m")


def test_registered_backbones_are_spatial(registry):
    register_wide()
    with pytest.raises(ValueError, match=r"for spatio-temporal samples .*got 'wide', which is"):
        analytic().downscale.fit(scale=2, backbone="wide", time_window=2, **TINY)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda x, network: keras.layers.Conv2D(4, 3)(x), "KerasTensor"),
        (lambda x, network: None, "None"),
        (lambda x, network: keras.layers.GlobalAveragePooling2D()(x), "KerasTensor"),
    ],
)
def test_registered_backbones_must_keep_the_grid(registry, function, got):
    xd.register_backbone("odd")(function)
    with pytest.raises(ValueError, match=rf"backbone 'odd' to return features .*got .*{got}"):
        analytic().downscale.fit(scale=2, backbone="odd", **TINY)


def test_names_of_registered_backbones(registry):
    with pytest.raises(ValueError, match=r"new name for the backbone, got 'resnet', which is"):
        xd.register_backbone("resnet")
    with pytest.raises(ValueError, match="to be letters, digits and _, got 'my net'"):
        xd.register_backbone("my net")
    with pytest.raises(TypeError, match=r"Expected a function \(x, network\) -> x, got 3"):
        xd.register_backbone("three")(3)
    assert "three" not in CUSTOM_BACKBONES
    with pytest.raises(ValueError, match=r"`backbone` to be one of .*got 'wid'"):
        xd.Network(backbone="wid")
