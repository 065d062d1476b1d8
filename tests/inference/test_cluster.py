"""Predictions on a real cluster of processes are those of this one."""

import os
import time

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic
from tests.untrained import untrained

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.slow

SCALE = 2
KINDS = {
    "plain": ({}, {}),
    "noise": ({"loss": "crps"}, {"realizations": 2, "seed": 5}),
    "dropout": ({"dropout": "vanilla", "monte_carlo": True}, {"realizations": 2}),
    "windows": ({"time_window": 2, "validation": None}, {}),
}


@pytest.fixture(scope="module")
def client():
    options = {"processes": True, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(n_workers=2, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def lr():
    return analytic(time=12, y=24, x=32)[["t2m"]].downscale.coarsen(SCALE)


def model_of(options):
    return untrained(analytic(time=4, y=24, x=32), scale=SCALE, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_numpy_and_threads(kind, client, lr):
    options, asked = KINDS[kind]
    model = model_of(options)
    in_memory = model.predict(lr, tile_size=16, **asked)
    lazy = model.predict(lr.chunk(time=4), tile_size=16, **asked)
    for actual in (lazy.compute(scheduler="threads"), client.compute(lazy, sync=True)):
        np.testing.assert_allclose(actual.t2m, in_memory.t2m, rtol=1e-6)


def _threads():
    import tensorflow as tf

    return tf.config.threading.get_intra_op_parallelism_threads()


def _built():
    from xr_dl4ds.inference import pickling

    return list(pickling._built)


def test_a_network_is_built_once_in_each_worker_with_its_threads(client, lr):
    before = {worker: set(found) for worker, found in client.run(_built).items()}
    lazy = model_of({"n_filters": 5}).predict(lr.chunk(time=1), tile_size=16)
    for _ in range(2):
        client.compute(lazy, sync=True)
    new = {worker: set(found) - before[worker] for worker, found in client.run(_built).items()}
    assert all(len(found) == 1 for found in new.values())
    assert set(client.run(_threads).values()) == {1}


def test_a_worker_that_dies_loses_nothing(client, lr):
    model = model_of({"loss": "crps"})
    low = xr.concat([lr.assign_coords(time=lr.time + i * np.timedelta64(9, "D")) for i in range(5)],
                    "time")  # fmt: skip
    asked = {"realizations": 2, "tile_size": 8}
    lazy = model.predict(low.chunk(time=2), **asked)
    running = client.compute(lazy)
    victim = next(iter(client.run(os.getpid).values()))
    time.sleep(1)
    assert not running.done()
    os.kill(victim, 9)
    actual = running.result(timeout=240)
    np.testing.assert_allclose(actual.t2m, model.predict(low, **asked).t2m, rtol=1e-6)
    assert victim not in client.run(os.getpid).values()


def test_data_that_were_persisted_there(client, lr, tmp_path):
    model = model_of({})
    expected = model.predict(lr)
    lr.chunk(time=4).to_zarr(tmp_path / "lr.zarr")
    with client.as_current():
        # bounds of axes, lazy from a store, are on the cluster too
        found = model.predict(xr.open_zarr(tmp_path / "lr.zarr").persist()).compute()
    np.testing.assert_allclose(found.t2m, expected.t2m, rtol=1e-6)
