import concurrent.futures
import functools
import pickle

import dask.array
import keras
import numpy as np
import pytest
import tensorflow as tf
import xarray as xr
from dask.base import tokenize

from tests.conftest import no_compute, steps
from tests.networks.reference import realization
from xr_dl4ds import inference
from xr_dl4ds.config import Network, Sampling, Scale, settled
from xr_dl4ds.grid.cf.time_axis import Windows, windows_ending
from xr_dl4ds.inference.application import Application
from xr_dl4ds.inference.blockwise import apply
from xr_dl4ds.networks import Ports, generator
from xr_dl4ds.networks.layers import Interpolation
from xr_dl4ds.prediction.random_numbers import NETWORK, normal, step_keys

DIMS = ("time", "y", "x", "channel")


def stacked(time=5, y=3, x=4, channels=2, seed=0):
    values = np.random.default_rng(seed).normal(size=(time, y, x, channels))
    coords = {"time": np.arange(time), "y": np.arange(y), "x": np.arange(x)}
    return xr.DataArray(values.astype("f4"), dims=DIMS, coords=coords)


@pytest.fixture(scope="module")
def network():
    """Two LR and one static channel to two HR channels, scale 2, with random weights."""
    options = settled(Network(n_filters=4, n_blocks=1, interpolation_skip=False), Sampling())
    return generator(
        options, Ports(n_lr=2, n_static=1, lr_channels=(0, None), scale=Scale.of(2)), seed=1
    )


def application(network, y=3, x=4, **options):
    static = np.random.default_rng(9).normal(size=(2 * y, 2 * x, 1)).astype("f4")
    return Application(
        **{
            "network": network,
            "fixed": {"static": static},
            "scale": Scale.of(2),
            "token": "a",
            **options,
        }
    )


def expected_of(app, lr):
    """The network called as Keras calls it, time step by time step."""
    steps = [
        np.asarray(
            app.network({"lr": step[None], "static": app.fixed["static"][None]}, training=False)
        )
        for step in lr.transpose(*DIMS).to_numpy()
    ]
    return np.concatenate(steps)


# --- values ---------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [True, False])
def test_products_have_all_bits_of_float32_on_any_device(network, monkeypatch, before):
    config, seen = tf.config.experimental, []

    def graph(network, *, realization):
        def run(inputs):
            seen.append(config.tensor_float_32_execution_enabled())
            if len(seen) > 1:
                raise RuntimeError("out of memory")
            return network(inputs)

        return run

    monkeypatch.setattr("xr_dl4ds.inference.application._graph", graph)
    default = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(before)
    try:
        application(network)(stacked().to_numpy())
        assert config.tensor_float_32_execution_enabled() is before
        with pytest.raises(RuntimeError, match="out of memory"):
            application(network)(stacked().to_numpy())
        assert config.tensor_float_32_execution_enabled() is before
    finally:
        config.enable_tensor_float_32_execution(default)
    assert seen == [False, False]


def test_values_are_those_of_the_network(network):
    app, lr = application(network), stacked()
    before = lr.copy(deep=True)
    actual = apply(app, lr)
    assert actual.dims == DIMS
    assert actual.dtype == np.float32
    assert set(actual.coords) == {"time"}
    np.testing.assert_allclose(actual, expected_of(app, lr), rtol=1e-5, atol=1e-6)
    xr.testing.assert_identical(lr, before)


def test_dimensions_may_come_in_any_order(network):
    app, lr = application(network), stacked()
    actual = apply(app, lr.transpose("channel", "x", "time", "y"))
    xr.testing.assert_allclose(actual.transpose(*DIMS), apply(app, lr))


def test_double_precision_input_is_taken(network):
    app, lr = application(network), stacked()
    actual = apply(app, lr.astype("f8"))
    assert actual.dtype == np.float32
    xr.testing.assert_allclose(actual, apply(app, lr))


def test_a_network_without_static_fields():
    options = settled(
        Network(n_filters=4, n_blocks=1), Sampling()
    )  # fresh: the interpolated field itself
    bare = generator(options, Ports(n_lr=2, n_static=0, lr_channels=(1,), scale=Scale.of(3)))
    app = Application(network=bare, fixed={}, scale=Scale.of(3), token="a")
    lr = stacked()
    expected = np.asarray(Interpolation(3, channels=(1,))(lr.to_numpy()))
    np.testing.assert_allclose(apply(app, lr), expected, atol=1e-6)


def test_no_time_steps_give_none(network):
    app = application(network)
    empty = stacked().isel(time=slice(0, 0))
    assert apply(app, empty).shape == (0, 6, 8, 2)
    assert apply(app, empty.chunk()).compute().shape == (0, 6, 8, 2)


# --- dask -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chunks",
    [{"time": 2}, {"time": 3, "y": 2, "x": 1}, {"channel": 1}, {"time": 1, "y": 1, "x": 3}],
    ids=str,
)
def test_dask_equals_numpy_and_stays_lazy(network, chunks):
    app, lr = application(network), stacked()
    expected = apply(app, lr)
    with no_compute():
        actual = apply(app, lr.chunk(chunks))
    assert actual.dims == DIMS
    assert actual.dtype == np.float32
    # one chunk in space, and in time those that came: a patch has no seams to its neighbours
    assert actual.chunks[0] == lr.chunk(chunks).chunks[0]
    assert actual.chunks[1:] == ((6,), (8,), (2,))
    xr.testing.assert_allclose(actual.compute(), expected, rtol=1e-5, atol=1e-6)


def test_one_lazy_step_runs_the_network_once():
    runs, _ = counting = [], []
    network = probed(*counting)
    app = Application(network=network, fixed={}, scale=Scale.of(1), token="a")
    lazy = apply(app, stacked(6).chunk(time=2))
    assert runs == []
    lazy.isel(time=3).compute()
    assert runs == [2]  # the chunk of two steps that holds it


def test_dask_keys_name_weights_and_static_fields(network):
    one, lr = application(network), stacked().chunk(time=2)
    assert apply(one, lr).data.name == apply(application(network), lr).data.name
    others = [
        application(network, token="b"),
        application(network, fixed={"static": one.fixed["static"] + 1}),
        application(network, fixed={}),
        application(network, scale=Scale.of(3)),
    ]
    assert len({tokenize(app) for app in (one, *others)}) == 5


def test_threads_do_not_disturb_each_other(network):
    app, lr = application(network), stacked(12)
    expected = apply(app, lr)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda i: app(lr[i : i + 3].to_numpy()), range(0, 12, 3)))
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-5, atol=1e-6)


# --- memory and traces ----------------------------------------------------------------------


def probed(runs, traces):
    """A network that returns its input, noting each batch that runs and each time it is traced."""

    def note(x):
        runs.append(len(x))
        return x

    class Probe(keras.layers.Layer):
        def call(self, x):
            traces.append(x.shape)
            return tf.ensure_shape(tf.numpy_function(note, [x], tf.float32), x.shape)

        def compute_output_shape(self, shape):
            return shape

    lr = keras.Input((None, None, 2), name="lr")
    return keras.Model({"lr": lr}, Probe()(lr))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (2**20, [5]),
        (24, [2, 2, 1]),  # 12 HR cells in a step
        (35, [2, 2, 1]),
        (12, [1] * 5),
        (1, [1] * 5),  # a step larger than that is not cut
    ],
)
def test_batches_are_split_by_cells(monkeypatch, cells, expected):
    monkeypatch.setattr(inference.application, "CELLS", cells)
    runs = []
    app = Application(network=probed(runs, []), fixed={}, scale=Scale.of(1), token="a")
    lr = stacked()
    np.testing.assert_array_equal(apply(app, lr), lr)
    assert runs == expected


def test_cells_are_those_of_the_hr_grid(network, monkeypatch, runs):
    # 3 x 4 LR cells at scale 2 are 48 HR cells: two steps at a time; counting LR cells takes all
    app, lr = application(network), stacked()
    expected = apply(app, lr)
    ran = runs(network)
    monkeypatch.setattr(inference.application, "CELLS", 96)
    xr.testing.assert_allclose(apply(app, lr), expected, rtol=1e-5, atol=1e-6)
    assert steps(ran) == [2, 2, 1]


@pytest.mark.traced
def test_one_trace_serves_all_sizes_and_lengths():
    traces = []
    network = probed([], traces)
    for y, x, time in ((3, 4, 5), (6, 2, 1), (1, 9, 3)):
        app = Application(network=network, fixed={}, scale=Scale.of(1), token="a")
        assert apply(app, stacked(time, y, x)).shape == (time, y, x, 2)
    assert len(traces) == 1


def test_another_domain_brings_its_own_static_fields(network):
    for y, x in ((3, 4), (5, 2)):
        app, lr = application(network, y, x), stacked(2, y, x)
        np.testing.assert_allclose(apply(app, lr), expected_of(app, lr), rtol=1e-5, atol=1e-6)


# --- windows --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recurrent():
    """The same for sequences."""
    options = Network(n_filters=4, n_blocks=1, interpolation_skip=False)
    ports = Ports(n_lr=2, n_static=1, lr_channels=(0, None), scale=Scale.of(2), sequence=True)
    return generator(settled(options, Sampling(time_window=3)), ports, seed=1)


#: Runs of 5, 1, 2 and 3 steps: longer and shorter than a window of three, and as long.
RUNS = [slice(0, 5), slice(5, 6), slice(6, 8), slice(8, 11)]
WINDOWS = windows_ending(RUNS, 3)
#: First and last step of the window of each step, and its place there, by hand.
TABLE = [
    *((0, 2, 0), (0, 2, 1), (0, 2, 2), (1, 3, 2), (2, 4, 2)),
    (5, 5, 0),
    *((6, 7, 0), (6, 7, 1)),
    *((8, 10, 0), (8, 10, 1), (8, 10, 2)),
]


@pytest.fixture(scope="module")
def expected_of_windows(recurrent):
    """The network called as Keras calls it, on one window for each step."""
    app, lr = application(recurrent), stacked(11).to_numpy()
    static = app.fixed["static"][None]
    rows = []
    for first, last, place in TABLE:
        inputs = {"lr": lr[None, first : last + 1], "static": static}
        rows.append(np.asarray(app.network(inputs, training=False))[0, place])
    return np.stack(rows)


def test_each_step_is_predicted_from_its_window(recurrent, expected_of_windows):
    actual = apply(application(recurrent), stacked(11), WINDOWS)
    assert actual.dims == DIMS
    assert actual.dtype == np.float32
    assert set(actual.coords) == {"time"}
    np.testing.assert_allclose(actual, expected_of_windows, rtol=1e-5, atol=1e-6)
    # the windows matter: neighbours across a gap would change these steps
    whole = apply(application(recurrent), stacked(11), windows_ending([slice(0, 11)], 3))
    moved = np.abs(whole - actual).max(["y", "x", "channel"]).values > 1e-3
    assert moved.tolist() == [False] * 5 + [True] * 5 + [False]


@pytest.mark.parametrize(
    "chunks",
    [
        1,
        2,
        3,
        4,
        11,
        (5, 1, 2, 3),
        (4, 3, 4),
        (1, 1, 9),
        (7, 1, 3),
        (6, 1, 1, 3),
    ],
    ids=str,
)
def test_windows_of_dask_equal_those_of_numpy(recurrent, expected_of_windows, chunks):
    lr = stacked(11).chunk(time=chunks, y=2, channel=1)
    with no_compute():
        actual = apply(application(recurrent), lr, WINDOWS)
    assert actual.dims == DIMS
    assert actual.chunks == (lr.chunks[0], (6,), (8,), (2,))
    xr.testing.assert_equal(actual.time, lr.time)
    np.testing.assert_allclose(actual, expected_of_windows, rtol=1e-5, atol=1e-6)


def test_dask_keys_name_windows_and_application(recurrent):
    lazy = stacked(4).chunk()

    def token(start=0, length=3, **options):
        windows = Windows(start=np.full(4, start), length=np.full(4, length))
        return apply(application(recurrent, **options), lazy, windows).data.name

    assert token() == token()
    others = [token(1), token(0, 2), token(token="b"), token(realization=1)]
    assert len({token(), *others}) == 5


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_an_empty_chunk_is_passed_over(recurrent, expected_of_windows, empty):
    sizes = [4, 7]
    sizes.insert(empty, 0)
    lr = stacked(11)
    lr = lr.copy(data=dask.array.from_array(lr.to_numpy(), chunks=(tuple(sizes), -1, -1, -1)))
    actual = apply(application(recurrent), lr, WINDOWS)
    np.testing.assert_allclose(actual, expected_of_windows, rtol=1e-5, atol=1e-6)


def test_one_lazy_step_loads_the_chunks_of_its_window(recurrent):
    loaded = []

    def load(block, block_info=None):
        loaded.append(block_info[0]["array-location"][0])
        return block

    lr = stacked(12)
    data = dask.array.from_array(lr.to_numpy(), chunks=(2, -1, -1, -1))
    lazy = lr.copy(data=data.map_blocks(load, dtype="f4", meta=np.empty((0,) * 4, "f4")))
    actual = apply(application(recurrent), lazy, windows_ending([slice(0, 12)], 4))
    assert loaded == []
    actual.isel(time=8).compute()
    assert sorted(loaded) == [(4, 6), (6, 8), (8, 10)]  # windows 5..8 and 6..9
    loaded.clear()
    actual.isel(time=0).compute()
    assert sorted(loaded) == [(0, 2), (2, 4)]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        # windows of 1, 2 and 3 steps are 48, 96 and 144 HR cells; there are 1, 1 and 4 of them
        (2**20, [(1, 1), (1, 2), (4, 3)]),
        (2 * 144, [(1, 1), (1, 2), (2, 3), (2, 3)]),
        (3 * 144 + 1, [(1, 1), (1, 2), (3, 3), (1, 3)]),
        (1, [(1, 1), (1, 2), *[(1, 3)] * 4]),
    ],
)
def test_windows_are_split_by_cells(
    recurrent, expected_of_windows, monkeypatch, runs, cells, expected
):
    ran = runs(recurrent)
    monkeypatch.setattr(inference.application, "CELLS", cells)
    actual = apply(application(recurrent), stacked(11), WINDOWS)
    assert [shape[:2] for shape in ran] == expected  # and no window twice
    np.testing.assert_allclose(actual, expected_of_windows, rtol=1e-5, atol=1e-6)


def test_windows_of_any_order_of_dimensions_and_precision(recurrent, expected_of_windows):
    lr = stacked(11).astype("f8").transpose("channel", "x", "time", "y")
    actual = apply(application(recurrent), lr, WINDOWS)
    np.testing.assert_allclose(actual, expected_of_windows, rtol=1e-5, atol=1e-6)


# --- realizations ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def thinned():
    """The first network with Monte-Carlo dropout."""
    options = Network(
        n_filters=4, n_blocks=1, dropout="vanilla", monte_carlo=True, interpolation_skip=False
    )
    ports = Ports(n_lr=2, n_static=1, lr_channels=(0, None), scale=Scale.of(2))
    return generator(settled(options, Sampling()), ports, seed=1)


def test_a_member_is_the_network_in_that_realization(thinned):
    lr = stacked()
    members = {}
    for seed in (3, 4):
        app = application(thinned, realization=seed)
        with realization(thinned, seed):
            expected = thinned({"lr": lr.to_numpy(), "static": static_of(app, 5)}, training=False)
        members[seed] = apply(app, lr)
        np.testing.assert_allclose(members[seed], expected, rtol=1e-5, atol=1e-6)
    assert np.abs(members[3] - members[4]).max() > 1e-3
    # the same after others, and the network without dropout in between
    np.testing.assert_array_equal(apply(application(thinned, realization=3), lr), members[3])
    plain = application(thinned)
    np.testing.assert_allclose(apply(plain, lr), expected_of(plain, lr), rtol=1e-5, atol=1e-6)


def static_of(app, steps):
    return np.repeat(app.fixed["static"][None], steps, axis=0)


def test_a_member_depends_neither_on_chunks_nor_on_batches(thinned, monkeypatch):
    app, lr = application(thinned, realization=3), stacked()
    expected = apply(app, lr)
    with no_compute():
        lazy = apply(app, lr.chunk(time=2))
    for scheduler in ("synchronous", "threads"):
        actual = lazy.compute(scheduler=scheduler)
        xr.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(inference.application, "CELLS", 1)
    xr.testing.assert_allclose(apply(app, lr), expected, rtol=1e-5, atol=1e-6)


def test_a_member_in_another_process_is_the_same(thinned):
    app, lr = application(thinned, realization=3), stacked()
    expected = apply(app, lr)
    received = pickle.loads(pickle.dumps(apply(app, lr.chunk(time=2))))
    xr.testing.assert_allclose(received.compute(), expected, rtol=1e-5, atol=1e-6)


def test_threads_do_not_mix_members(thinned):
    lr = stacked().to_numpy()
    applications = [application(thinned, realization=seed) for seed in (None, 1, 2, 3)] * 3
    expected = [app(lr) for app in applications]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda app: app(lr), applications))
    np.testing.assert_array_equal(found, expected)


def test_dask_keys_name_members(thinned):
    lr = stacked().chunk(time=2)
    names = [apply(application(thinned, realization=r), lr).data.name for r in (None, 0, 1, 1)]
    assert len(set(names)) == 3
    assert names[2] == names[3]


# --- noise ----------------------------------------------------------------------------------


@functools.cache
def adds_noise(sequence=False):
    """LR fields on HR cells, plus two channels of noise: what goes in comes out."""
    time = (None,) if sequence else ()
    lr = keras.Input((*time, None, None, 2), name="lr")
    noise = keras.Input((*time, None, None, 2), name="noise")
    wide = keras.ops.repeat(keras.ops.repeat(lr, 2, axis=-3), 2, axis=-2)
    return keras.Model({"lr": lr, "noise": noise}, keras.layers.Add()([wide, noise]))


def noisy(realization=3, sequence=False):
    network = adds_noise(sequence)
    return Application(
        network=network, fixed={}, scale=Scale.of(2), token="a", realization=realization
    )


def noise_of(app, lr, *windows):
    """What was added to the LR fields."""
    keys = step_keys(lr, {})
    wide = lr.to_numpy().repeat(2, 1).repeat(2, 2)
    return (apply(app, lr, *windows, keys=keys) - wide).to_numpy()


def dated(time=5, **sizes):
    lr = stacked(time, **sizes) * 0  # so that sums are exact
    return lr.assign_coords(time=np.datetime64("2001-01-01", "ns") + np.arange(time) * 10**9)


@pytest.mark.parametrize("cells", [1, 100, 2**20])
def test_noise_is_that_of_member_and_step(monkeypatch, cells):
    monkeypatch.setattr(inference.application, "CELLS", cells)
    lr = dated()
    keys = step_keys(lr, {}).values
    expected = [normal(3, int(key), NETWORK, np.arange(6), np.arange(8), 2) for key in keys]
    np.testing.assert_array_equal(noise_of(noisy(), lr), expected)
    assert len({e.tobytes() for e in expected}) == 5


def test_no_member_has_no_noise():
    lr = stacked()
    app = noisy(None)
    assert not app.draws_noise
    wide = lr.to_numpy().repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(apply(app, lr), wide)
    np.testing.assert_array_equal(apply(app, lr, keys=step_keys(lr, {})), wide)


@pytest.mark.parametrize("chunks", [1, 2, (3, 2), (0, 4, 1), 5], ids=str)
def test_noise_does_not_know_of_chunks(chunks):
    lr = dated()
    expected = apply(noisy(), lr, keys=step_keys(lr, {}))
    lazy = lr.copy(data=dask.array.from_array(lr.to_numpy(), chunks=(chunks, 2, -1, 1)))
    with no_compute():
        actual = apply(noisy(), lazy, keys=step_keys(lazy, {}))
    assert actual.chunks[0] == lazy.chunks[0]
    xr.testing.assert_identical(actual.compute(scheduler="threads"), expected)


def test_noise_of_a_part_is_that_of_the_whole():
    lr = dated()
    whole = noise_of(noisy(), lr)
    np.testing.assert_array_equal(noise_of(noisy(), lr.isel(time=[4, 1])), whole[[4, 1]])


def test_a_step_has_the_same_noise_in_all_its_windows(monkeypatch):
    lr = dated(11)
    expected = noise_of(noisy(), lr)
    for cells in (1, 2**20):
        monkeypatch.setattr(inference.application, "CELLS", cells)
        np.testing.assert_array_equal(noise_of(noisy(sequence=True), lr, WINDOWS), expected)
    for chunks in (1, 4, (5, 1, 2, 3)):
        lazy = lr.chunk(time=chunks)
        with no_compute():
            actual = apply(noisy(sequence=True), lazy, WINDOWS, step_keys(lazy, {}))
        np.testing.assert_array_equal(actual, expected)


def test_dask_keys_name_noise():
    lr = dated().chunk(time=2)
    later = lr.assign_coords(time=lr.time + np.timedelta64(1, "s"))
    names = [
        apply(noisy(r), x, keys=step_keys(x, {})).data.name
        for r, x in ((1, lr), (2, lr), (1, later), (1, lr))
    ]
    assert len(set(names)) == 3
    assert names[0] == names[3]
