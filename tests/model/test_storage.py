import dataclasses
import json
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd
from tests.cf import TINY
from tests.conftest import analytic
from xr_dl4ds.exceptions import ModelFileError
from xr_dl4ds.model import storage

FILES = ["config.json", "network.weights.h5", "state.nc"]


def rich():
    """HR fields and predictors with all that a state can hold."""
    hr = analytic()
    hr = hr.assign_coords(
        latitude=hr.latitude.astype("f4"), longitude=hr.longitude.astype("f4") + np.float32(0.1)
    )
    # the first LR cell, 16 HR cells, is never valid
    hr["t2m"] = hr.t2m.where((hr.latitude < 49.2) | (hr.longitude > 6.0))
    hr["sst"] = (hr.t2m + 1).drop_attrs()  # without units
    hr["sphere"] = ((), np.int32(0))
    hr.sphere.attrs = {
        "grid_mapping_name": "latitude_longitude",
        "earth_radius": np.float64(6371229.0),
        "towgs84": np.array([1.5, 0, 0], "f4"),
    }
    hr.t2m.attrs["grid_mapping"] = "sphere"
    # the units come last, since older versions of xarray drop attributes in arithmetic
    wind = (hr.t2m.fillna(280.0).rename("wind") - 270).assign_attrs(units="m s-1")
    return hr, wind.to_dataset().downscale.coarsen(4)


@pytest.fixture(scope="module")
def pair():
    return rich()


@pytest.fixture(scope="module")
def model(pair):
    hr, wind = pair
    options = {
        "backbone": "convnet", "upsampling": "dc", "activation": "elu", "interpolation_skip": False,
        "interpolation": "bilinear", "batch_size": 4, "seed": 3, "patch_size": 8,
        "loss": {"mae": 0.8, "mse": 0.2}, "optimizer": "adamw", "learning_rate": 2e-3,
    }  # fmt: skip
    return hr.downscale.fit(predictors=wind, **TINY | {"epochs": 2}, **options)


@pytest.fixture(scope="module")
def lr(pair):
    hr, wind = pair
    return hr[["t2m", "sst"]].downscale.coarsen(4).assign(wind=wind.wind)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    model.save(folder)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    """A copy of the model folder to be damaged."""
    return shutil.copytree(saved, tmp_path / "model")


def listing(folder):
    return sorted(p.name for p in folder.iterdir())


def assert_same_grid(actual, expected):
    for a, e in ((actual.y, expected.y), (actual.x, expected.x)):
        assert (a.name, a.kind, dict(a.attrs)) == (e.name, e.kind, dict(e.attrs))
        assert a.values.dtype == e.values.dtype
        assert a.values.tobytes() == e.values.tobytes()
    assert actual.mapping_name == expected.mapping_name
    mappings = [xr.Variable((), 0, g.mapping) for g in (actual, expected)]
    xr.testing.assert_identical(*mappings)


# --- what is kept -------------------------------------------------------------------------------


def test_loaded_model_has_the_same_state(model, saved):
    actual, expected = xd.load(saved).state, model.state
    for name in ("source", "lr", "hr"):
        assert_same_grid(getattr(actual.pairing, name), getattr(expected.pairing, name))
    assert actual.pairing.hr.y.values.dtype == np.float32
    assert actual.pairing.hr.mapping["towgs84"] == [1.5, 0, 0]
    assert (actual.pairing.scale.public, actual.pairing.method) == (4, "nested")
    assert actual.features == expected.features
    assert actual.features.mask
    statistics = [state.scaler.statistics.drop_attrs() for state in (actual, expected)]
    xr.testing.assert_identical(*statistics)
    xr.testing.assert_identical(actual.static, expected.static)
    assert actual.static.orog.attrs["units"] == "m"
    for name in ("t2m", "sst"):
        np.testing.assert_array_equal(actual.always_missing[name], expected.always_missing[name])
        assert actual.always_missing[name].dtype == bool
    assert int(actual.always_missing.t2m.sum()) == 16
    assert actual.attrs == expected.attrs
    assert actual.units == expected.units == {"t2m": "K", "sst": None, "orog": "m", "wind": "m s-1"}


def test_loaded_model_has_the_same_options_history_and_weights(model, saved):
    actual = xd.load(saved)
    assert actual.options == model.options
    assert actual.options.network.upsampling == "deconvolution"
    assert actual.options.training.loss == {"mae": 0.8, "mse": 0.2}
    xr.testing.assert_identical(actual.history, model.history)
    assert actual.history.sizes["epoch"] == 2
    assert actual.history.seconds.attrs == {"units": "s"} | model.history.seconds.attrs
    assert actual.provenance == json.loads(json.dumps(model.provenance))
    assert repr(actual) == repr(model)
    for a, e in zip(actual.network.get_weights(), model.network.get_weights(), strict=True):
        assert a.tobytes() == e.tobytes()


@pytest.mark.traced  # as the other process does: graphs add in another order
@pytest.mark.slow
def test_loaded_model_predicts_the_same_bits_here_and_in_another_process(
    model, saved, lr, tmp_path
):
    expected = lr.downscale.predict(model)
    here = lr.downscale.predict(xd.load(saved))
    lr.to_netcdf(tmp_path / "lr.nc", engine="netcdf4")
    code = (
        "import sys, xarray as xr, xr_dl4ds as xd\n"
        "model, lr, out = sys.argv[1:]\n"
        "lr = xr.open_dataset(lr, engine='netcdf4')\n"
        "sr = lr.downscale.predict(xd.load(model))\n"
        "assert sr.t2m.rio.crs is not None\n"  # nobody imported rioxarray here
        "sr.to_netcdf(out, engine='netcdf4')\n"
    )
    arguments = [str(saved), str(tmp_path / "lr.nc"), str(tmp_path / "sr.nc")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, cwd=tmp_path)
    with xr.open_dataset(tmp_path / "sr.nc", engine="netcdf4") as there:
        for name in ("t2m", "sst"):
            assert here[name].to_numpy().tobytes() == expected[name].to_numpy().tobytes()
            assert there[name].to_numpy().tobytes() == expected[name].to_numpy().tobytes()
        for name in ("latitude", "longitude"):
            assert there[name].dtype == np.float32
            assert there[name].to_numpy().tobytes() == expected[name].to_numpy().tobytes()


def test_folder_holds_plain_json_and_hdf5_alone(saved, monkeypatch):
    assert listing(saved) == FILES

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    config = json.loads((saved / "config.json").read_text("utf-8"), parse_constant=refuse)
    assert config["format_version"] == storage.FORMAT_VERSION == 4
    for name in ("network.weights.h5", "state.nc"):
        assert (saved / name).read_bytes().startswith(b"\x89HDF\r\n")
    for name in FILES:
        assert b"pickle" not in (saved / name).read_bytes()

    def no_pickle(*args, **kwargs):
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, no_pickle)
    assert xd.load(saved).scale == 4


@pytest.mark.parametrize(
    "value", [[np.int8(1), np.int8(2)], np.bytes_(b"degC"), np.datetime64("2000-01-01", "s"), b"a"]
)
def test_odd_attributes_do_not_keep_a_model_from_being_saved(model, tmp_path, value):
    # what cannot be told in JSON may go, hours of training may not
    attrs = {"t2m": {"units": "K", "odd": value}, "sst": {}}
    odd = dataclasses.replace(model, state=dataclasses.replace(model.state, attrs=attrs))
    odd.save(tmp_path / "model")
    assert xd.load(tmp_path / "model").state.attrs["t2m"]["units"] == "K"


# --- damage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(ModelFileError, match=name) as error:
        xd.load(copy)
    assert str(copy) in str(error.value)


@pytest.mark.parametrize("name", ["network.weights.h5", "state.nc"])
@pytest.mark.parametrize("how", ["empty", "truncated", "flipped"])
def test_damaged_file_is_named(copy, name, how):
    content = bytearray((copy / name).read_bytes())
    middle = len(content) // 2
    if how == "flipped":
        content[middle] ^= 1
    else:
        content = content[: 0 if how == "empty" else middle]
    (copy / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=rf"damaged: {name} is not the file .* Copy it again"):
        xd.load(copy)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"half of it"])
def test_config_that_is_not_json_is_told(copy, content):
    (copy / "config.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"config\.json is not valid JSON"):
        xd.load(copy)


@pytest.mark.parametrize("content", ["{}", "[]", "3", '{"architectures": ["BertModel"]}'])
def test_config_of_another_program_is_told(copy, content):
    (copy / "config.json").write_text(content)
    with pytest.raises(ModelFileError, match="does not describe an xr_dl4ds model"):
        xd.load(copy)


def change(folder, edit):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    edit(config)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


KEYS = ["network", "sampling", "training", "provenance", "state", "sha256"]
IN_STATE = ["features", "scale", "method", "grids", "attrs", "units", "static_attrs"]


@pytest.mark.parametrize("key", [*KEYS, *(f"state/{k}" for k in IN_STATE), "sha256/state.nc"])
def test_missing_key_is_named(copy, key):
    *above, last = key.split("/")
    change(copy, lambda config: (config[above[0]] if above else config).pop(last))
    # a checksum of the config may notice it first
    match = rf"damaged: config\.json (lacks .*{last}|is not the file that was saved)"
    with pytest.raises(ModelFileError, match=match):
        xd.load(copy)


def test_flipped_bit_in_the_config_is_noticed(copy):
    # K becomes J: still JSON, and every field would be refused or labelled wrongly later
    text = (copy / "config.json").read_text("utf-8")
    assert '"units": "K"' in text
    (copy / "config.json").write_text(text.replace('"units": "K"', '"units": "J"'), "utf-8")
    with pytest.raises(ModelFileError, match=r"damaged: config\.json"):
        xd.load(copy)


def test_options_that_do_not_fit_the_weights_are_told(copy):
    change(copy, lambda config: config["network"].update(n_filters=5))
    with pytest.raises(ModelFileError, match=r"damaged: .*do not fit|damaged: config\.json"):
        xd.load(copy)


def test_digests_of_another_type_are_damage(copy):
    change(copy, lambda config: config.update(sha256="5f"))
    with pytest.raises(ModelFileError, match=r"damaged: config\.json lacks .*sha256/state\.nc"):
        xd.load(copy)


@pytest.mark.parametrize("version", [5, 10**6, None, "1"])
def test_newer_format_asks_for_an_upgrade(copy, version):
    change(copy, lambda config: config.update(format_version=version))
    with pytest.raises(ModelFileError, match=rf"got {version!r} .*pip install -U xr_dl4ds"):
        xd.load(copy)


def test_older_format_asks_for_another_fit(copy):
    change(copy, lambda config: config.update(format_version=1))
    with pytest.raises(ModelFileError, match=r"format version 4, got 1 .*Fit the model again"):
        xd.load(copy)


def test_what_is_no_model_folder(saved, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model folder .*none' does not exist"):
        xd.load(tmp_path / "none")
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    for path in (tmp_path, saved / "config.json"):
        with pytest.raises(ModelFileError, match=r"lacks config\.json\. model\.save"):
            xd.load(path)


def test_paths_as_users_write_them(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for path in ("relative", "with/new/parents", "~/mine", "slash/"):
        model.save(path)
        assert listing(tmp_path / path.replace("~", "home")) == FILES
        assert xd.load(path).provenance["model"] == model.provenance["model"]
    assert os.getcwd() == str(tmp_path)
