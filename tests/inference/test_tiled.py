"""Predictions in tiles are those of the whole domain."""

import functools

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, no_compute
from tests.test_globe import globe
from tests.tiers import every
from tests.untrained import untrained
from xr_dl4ds.inference import blockwise, tiles
from xr_dl4ds.networks import reach_of

pytestmark = pytest.mark.traced  # tiles run one network many times

SCALE, TILE = 2, 16
#: The residual alone: what the interpolated field is made of does not hide the network.
BARE = {"constraint": None, "interpolation_skip": False}
WINDOW = {"time_window": 2, "validation": None}

MODELS = {
    "resnet": {"backbone": "resnet"},
    "convnext": {"backbone": "convnext", "upsampling": "deconvolution"},
    "densenet": {"backbone": "densenet", "upsampling": "resize", "normalization": "layer"},
    "unet": {"backbone": "unet", "n_blocks": 2},
    "windows": {**WINDOW},
    "localized": {"localized": True, "upsampling": "interpolation", "backbone": "convnet"},
}


def fields(y=48, x=52, time=4):
    return analytic(time=time, y=y, x=x)


def model_of(options, hr=None):
    return untrained(fields() if hr is None else hr, scale=SCALE, **{**BARE, **options})


@functools.cache
def named(name):
    return model_of(MODELS[name])


@pytest.fixture(params=MODELS)
def model(request):
    return named(request.param)


@pytest.fixture(scope="module")
def lr():
    return fields()[["t2m"]].downscale.coarsen(SCALE)


def assert_close(actual, expected, parts=1e-4):
    """Equal to within a share of the standard deviation."""
    assert actual.sizes == expected.sizes
    limit = parts * float(expected.std()) + 4 * np.finfo("f4").eps * float(abs(expected).max())
    np.testing.assert_allclose(actual.to_numpy(), expected.to_numpy(), rtol=0, atol=limit)


def test_tiles_give_what_the_whole_domain_gives(model, lr):
    whole = model.predict(lr).t2m
    assert_close(model.predict(lr, tile_size=TILE).t2m, whole)
    with no_compute():
        lazy = model.predict(lr.chunk(time=3), tile_size=TILE)
    assert lazy.t2m.chunks == ((3, 1), (16, 16, 16), (16, 16, 16, 4))
    assert_close(lazy.t2m.compute(scheduler="threads"), whole)


def test_less_than_the_reach_would_not_do(monkeypatch, lr):
    model = model_of({})
    whole = model.predict(lr).t2m
    cells = reach_of(model.network).cells
    monkeypatch.setattr("xr_dl4ds.inference.runner.reach_of", lambda *_: tiles.Reach(cells // 2, 1))
    away = abs(model.predict(lr, tile_size=TILE).t2m - whole)
    assert float(away.max()) > 1e-3 * float(whole.std())


@pytest.mark.parametrize("name", every(2, MODELS))
def test_lr_fields_too_large_to_stay_whole(monkeypatch, name, lr):
    model = named(name)
    whole = model.predict(lr).t2m
    monkeypatch.setattr(blockwise, "LR_VALUES", 1)
    assert_close(model.predict(lr.chunk(time=3), tile_size=TILE).t2m.compute(), whole)
    # tiles smaller than what they read beyond themselves
    assert_close(model.predict(lr.chunk(time=3), tile_size=8).t2m.compute(), whole)


MEMBERS = {
    "noise": {"loss": "crps"},
    "noise, windows": {"loss": "crps", **WINDOW},
    "distribution": {"loss": "gaussian_nll"},
    "dropout of channels": {"dropout": "spatial", "monte_carlo": True},
}


@pytest.mark.parametrize("kind", MEMBERS)
def test_members_are_those_of_the_whole_domain(kind, lr):
    model = model_of(MEMBERS[kind])
    low = lr.isel(time=slice(0, 3))
    whole = model.predict(low, realizations=2, seed=3).t2m
    assert float(whole.std("realization").mean()) > 1e-2 * float(whole.std())
    assert_close(model.predict(low, realizations=2, seed=3, tile_size=TILE).t2m, whole)
    lazy = model.predict(low.chunk(time=2), realizations=2, seed=3, tile_size=TILE)
    assert_close(lazy.t2m.compute(), whole)


@pytest.mark.parametrize("parts", ["attention", "vanilla"])
def test_no_seam_where_tiles_are_blended(parts):
    """The gradient across the edges of tiles is that of everywhere."""
    options = {
        "attention": {"attention": True},
        "vanilla": {"dropout": "vanilla", "monte_carlo": True},
    }[parts]
    hr = fields(64, 128, time=6)
    model = model_of(options, hr.isel(time=slice(0, 2)))
    drawn = {} if parts == "attention" else {"realizations": 1, "seed": 1}
    low = hr[["t2m"]].downscale.coarsen(SCALE)
    out = model.predict(low, tile_size=64, **drawn).t2m
    steps = abs(out.diff("longitude")).mean(["time", "latitude"]).squeeze()
    at_edge = float(steps[63])
    assert steps.min() < at_edge < steps.max()
    if parts == "attention":
        whole = model.predict(low).t2m
        assert 0 < float(abs(out - whole).max()) < 0.2 * float(whole.std())


def test_means_over_tiles_are_told_once(lr, caplog):
    model, plain = model_of({"attention": True}), model_of({})
    model.predict(lr)
    plain.predict(lr, tile_size=TILE)
    assert not caplog.records
    for _ in range(2):
        model.predict(lr, tile_size=TILE)
    (record,) = caplog.records
    assert "in tiles of 16 x 16 HR cells the network weighs channels" in record.message


def test_each_tile_has_dropout_of_its_own():
    """A field that is the same everywhere is not thinned in the same way in each tile."""
    hr = fields(32, 96, time=2)[["t2m"]]
    model = model_of({"dropout": "vanilla", "monte_carlo": True}, hr)
    low = hr.downscale.coarsen(SCALE)
    same = low.assign(t2m=low.t2m * 0 + 280)
    out = model.predict(same, tile_size=32, realizations=1).t2m[0, 0].to_numpy()
    west, east = out[:, 40:56], out[:, 72:88]
    assert np.abs(west - east).max() > 1e-3


# --- circles ----------------------------------------------------------------------------------


AROUND = {
    "resnet": {},
    "unet": {"backbone": "unet", "n_blocks": 2},
    "localized": {"localized": True},
    "regional": {"patch_size": 16},
    "noise": {"loss": "crps"},
}


@pytest.mark.sparse(2)
@pytest.mark.parametrize("kind", AROUND)
def test_tiles_go_around_the_globe(kind):
    hr = globe(rows=32, columns=64, time=3)
    model = untrained(hr, scale=SCALE, **BARE, **AROUND[kind])
    low = hr[["t2m"]].downscale.coarsen(SCALE)
    drawn = {"realizations": 1} if kind == "noise" else {}
    whole = model.predict(low, **drawn).t2m
    for size in (16, 24, 64):  # the last holds whole circles
        assert_close(model.predict(low.chunk(time=2), tile_size=size, **drawn).t2m, whole)
    if drawn:
        return  # noise belongs to the place in the domain, which begins elsewhere then
    turned = low.assign_coords(lon=(low.lon + 180) % 360 - 180).sortby("lon")
    again = model.predict(turned.chunk(time=2), tile_size=24, **drawn).t2m
    again = again.assign_coords(lon=again.lon % 360).sortby("lon")
    assert_close(again, whole)


# --- blocks -----------------------------------------------------------------------------------


def test_large_domains_are_tiled_by_themselves(monkeypatch, lr):
    model = model_of({})
    whole = model.predict(lr).t2m
    monkeypatch.setattr(tiles, "WHOLE", 48 * 52 - 1)
    monkeypatch.setattr(tiles, "EDGE", 20)
    lazy = model.predict(lr.chunk()).t2m
    assert lazy.chunks[1:] == ((24, 24), (18, 18, 16))
    assert_close(lazy, whole)


@pytest.mark.parametrize(
    ("chunks", "most", "expected"),
    [
        ((4, 4, 2), 4, (4, 4, 2)),
        ((12, 12, 5), 6, (6, 6, 6, 6, 5)),
        ((12, 12, 5), 5, (4, 4, 4, 4, 4, 4, 4, 1)),
        ((7,), 3, (3, 3, 1)),
        ((5, 9, 1), 4, (3, 2, 3, 3, 3, 1)),
        ((0,), 3, (0,)),
        ((3, 3), 1, (1,) * 6),
    ],
)
def test_large_chunks_in_time_are_split(chunks, most, expected):
    actual = blockwise.split(chunks, most)
    assert actual == expected
    assert sum(actual) == sum(chunks)


@pytest.mark.parametrize("options", [{}, WINDOW], ids=["steps", "windows"])
def test_blocks_are_no_larger_than_stated(monkeypatch, options):
    hr = fields(16, 16, time=14)
    model = model_of(options, hr)
    low = hr[["t2m"]].downscale.coarsen(SCALE)
    whole = model.predict(low).t2m
    monkeypatch.setattr(blockwise, "VALUES", 16 * 16 * 5)
    with no_compute():
        lazy = model.predict(low.chunk(time=8))
    assert lazy.t2m.chunks[0] == (4, 4, 4, 2)
    assert_close(lazy.t2m.compute(), whole)
    assert_close(model.predict(low).t2m, whole)


def test_a_network_is_in_the_graph_once(lr):
    model = model_of({"loss": "crps"})
    graph = model.predict(lr.chunk(time=1), realizations=3, tile_size=TILE).t2m.__dask_graph__()
    names = [key.split("-")[0] for key in graph if isinstance(key, str)]
    assert names.count("network") == names.count("fixed") == 1


@pytest.mark.parametrize("layout", ["as it is", "south first", "from 180 W"])
def test_zarr_takes_the_chunks(layout, tmp_path):
    pytest.importorskip("zarr")
    hr = globe(rows=32, columns=64, time=5)
    model = untrained(hr, scale=SCALE, **BARE)
    low = hr[["t2m"]].downscale.coarsen(SCALE)
    if layout == "south first":
        low = low.isel(lat=slice(None, None, -1))
    if layout == "from 180 W":
        low = low.assign_coords(lon=(low.lon + 180) % 360 - 180).sortby("lon")
    lazy = model.predict(low.chunk(time=2), tile_size=24)
    lazy.to_zarr(tmp_path / "sr.zarr", consolidated=False)
    read = xr.open_dataset(tmp_path / "sr.zarr", engine="zarr", chunks={}, consolidated=False)
    assert read.t2m.chunks[1:] == ((24, 8), (24, 24, 16))
    np.testing.assert_array_equal(read.t2m, lazy.t2m)


def test_size_of_tiles_is_checked(lr):
    model = model_of({})
    with pytest.raises(ValueError, match=r"multiple of the scale 2, in HR cells, got 7\. Use 6"):
        model.predict(lr, tile_size=7)
    with pytest.raises(ValueError, match=r"multiple of the scale 2, in HR cells, got 1\. Use 2"):
        model.predict(lr, tile_size=1)
    for wrong in (0, -2, 2.5, True, "auto"):
        with pytest.raises((ValueError, TypeError), match="tile_size"):
            lr.downscale.predict(model, tile_size=wrong)
