import concurrent.futures
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
import xarray as xr
from dask.base import tokenize

from tests.conftest import no_compute
from xr_dl4ds import inference
from xr_dl4ds.config import Network, Sampling, settled
from xr_dl4ds.inference import Application, apply
from xr_dl4ds.layers import Interpolation
from xr_dl4ds.networks import Ports, generator

DIMS = ("time", "y", "x", "channel")


def stacked(time=5, y=3, x=4, channels=2, seed=0):
    values = np.random.default_rng(seed).normal(size=(time, y, x, channels))
    coords = {"time": np.arange(time), "y": np.arange(y), "x": np.arange(x)}
    return xr.DataArray(values.astype("f4"), dims=DIMS, coords=coords)


@pytest.fixture(scope="module")
def network():
    """Two LR and one static channel to two HR channels, scale 2, with random weights."""
    options = settled(Network(n_filters=4, n_blocks=1, interpolation_skip=False), Sampling())
    return generator(options, Ports(n_lr=2, n_static=1, skips=(0, None), scale=2), seed=1)


def application(network, y=3, x=4, **options):
    static = np.random.default_rng(9).normal(size=(2 * y, 2 * x, 1)).astype("f4")
    return Application(
        **{"network": network, "fixed": {"static": static}, "scale": 2, "token": "a", **options}
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
    bare = generator(options, Ports(n_lr=2, n_static=0, skips=(1,), scale=3))
    app = Application(network=bare, fixed={}, scale=3, token="a")
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
    app = Application(network=network, fixed={}, scale=1, token="a")
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
        application(network, scale=3),
    ]
    assert len({tokenize(app) for app in (one, *others)}) == 5


def test_threads_do_not_disturb_each_other(network):
    app, lr = application(network), stacked(12)
    expected = apply(app, lr)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda i: app(lr[i : i + 3].to_numpy()), range(0, 12, 3)))
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=1e-5, atol=1e-6)


def test_pickled_for_other_processes(network):
    app, lr = application(network), stacked()
    expected = apply(app, lr)  # traced before it is sent
    received = pickle.loads(pickle.dumps(app))
    assert tokenize(received) == tokenize(app)
    xr.testing.assert_allclose(apply(received, lr), expected)


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
    monkeypatch.setattr(inference, "CELLS", cells)
    runs = []
    app = Application(network=probed(runs, []), fixed={}, scale=1, token="a")
    lr = stacked()
    np.testing.assert_array_equal(apply(app, lr), lr)
    assert runs == expected


def test_cells_are_those_of_the_hr_grid(network, monkeypatch):
    # 3 x 4 LR cells at scale 2 are 48 HR cells: two steps at a time; counting LR cells takes all
    app, lr = application(network), stacked()
    expected = apply(app, lr)
    sizes = []
    run = Application._run
    monkeypatch.setattr(inference, "CELLS", 96)
    monkeypatch.setattr(
        Application, "_run", lambda self, part: sizes.append(len(part)) or run(self, part)
    )
    xr.testing.assert_allclose(apply(app, lr), expected, rtol=1e-5, atol=1e-6)
    assert sizes == [2, 2, 1]


def test_one_trace_serves_all_sizes_and_lengths():
    traces = []
    network = probed([], traces)
    for y, x, time in ((3, 4, 5), (6, 2, 1), (1, 9, 3)):
        app = Application(network=network, fixed={}, scale=1, token="a")
        assert apply(app, stacked(time, y, x)).shape == (time, y, x, 2)
    assert len(traces) == 1


def test_another_domain_brings_its_own_static_fields(network):
    for y, x in ((3, 4), (5, 2)):
        app, lr = application(network, y, x), stacked(2, y, x)
        np.testing.assert_allclose(apply(app, lr), expected_of(app, lr), rtol=1e-5, atol=1e-6)
