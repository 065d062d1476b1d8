import logging

import pytest
import tensorflow as tf

from xr_dl4ds.exceptions import TrainingError
from xr_dl4ds.training import devices
from xr_dl4ds.training.devices import THREADS, pin


@pytest.fixture(autouse=True)
def afresh(monkeypatch):
    """Each test is a process of its own."""
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    pin.cache_clear()
    yield
    pin.cache_clear()


@pytest.fixture
def told(monkeypatch):
    """What TensorFlow is told; `told["gpus"]` are those of the host."""
    found = {"gpus": [], "grow": [], "visible": [], "threads": []}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found["gpus"])
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda gpu, on: found["grow"].append((gpu, on))
    )
    monkeypatch.setattr(
        tf.config, "set_visible_devices", lambda gpu, kind: found["visible"].append((gpu, kind))
    )
    monkeypatch.setattr(
        tf.config.threading, "set_intra_op_parallelism_threads", found["threads"].append
    )
    monkeypatch.setattr(devices, "CPU_COUNT", 8)
    return found


@pytest.mark.parametrize("rank", [0, 1])
def test_each_worker_has_the_gpu_of_its_number(told, rank):
    told["gpus"] = ["gpu 0", "gpu 1"]
    pin(rank, 2)
    assert told["visible"] == [(f"gpu {rank}", "GPU")]
    assert told["grow"] == [(f"gpu {rank}", True)]
    assert told["threads"] == []


def test_more_workers_than_gpus_share_them(told, caplog):
    told["gpus"] = ["gpu 0", "gpu 1"]
    with caplog.at_level(logging.WARNING):
        pin(3, 4)
    assert told["visible"] == [("gpu 1", "GPU")]
    assert "4 workers share 2 GPUs" in caplog.text


@pytest.mark.parametrize(("size", "threads"), [(2, [4]), (3, [2]), (20, [1]), (1, [])])
def test_without_gpus_workers_share_the_cores(told, size, threads):
    pin(0, size)
    assert told["threads"] == threads


@pytest.mark.parametrize("name", THREADS)
def test_the_users_number_of_threads_stays(told, monkeypatch, name):
    monkeypatch.setenv(name, "3")
    pin(0, 2)
    assert told["threads"] == []


def test_a_second_training_leaves_the_devices(told):
    pin(1, 2)
    pin(1, 2)
    assert len(told["threads"]) == 1


def begun(*args):
    raise RuntimeError("Visible devices cannot be modified after being initialized")


def test_gpus_that_are_in_use_are_told(told, monkeypatch):
    told["gpus"] = ["gpu 0", "gpu 1"]
    monkeypatch.setattr(tf.config, "set_visible_devices", begun)
    message = (
        r"Expected GPU 1 to be free for worker 1 of this host, but TensorFlow has already taken all"
        r" GPUs: Visible .*\. Call fit before .* CUDA_VISIBLE_DEVICES"
    )
    with pytest.raises(TrainingError, match=message):
        pin(1, 2)


def test_the_only_gpu_needs_no_choice(told, monkeypatch):
    told["gpus"] = ["gpu 0"]
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", begun)
    pin(0, 1)


def test_threads_that_are_there_stay(told, monkeypatch, caplog):
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", begun)
    with caplog.at_level(logging.INFO):
        pin(0, 2)
    assert "compete for the cores" in caplog.text
