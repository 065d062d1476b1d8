import ctypes
import logging
import shutil
import types

import pytest
import tensorflow as tf

from xr_dl4ds import cli
from xr_dl4ds.cli import program
from xr_dl4ds.inference import hardware
from xr_dl4ds.inference.hardware import describe, log_hardware


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with 2 cores and no GPU, where TensorFlow is built for CUDA 12.5.1."""
    asked = types.SimpleNamespace(visible=[], physical=[], cuda=True, threads=0, devices=tmp_path)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: asked.visible)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: asked.physical)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: gpu.details)
    monkeypatch.setattr(
        tf.config.threading, "get_intra_op_parallelism_threads", lambda: asked.threads
    )
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: asked.cuda)
    build = {"cuda_version": "12.5.1", "cudnn_version": "9"}
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: build)
    monkeypatch.setattr(hardware, "CPU_COUNT", 2)
    monkeypatch.setattr(hardware, "DEVICES", tmp_path)
    monkeypatch.setattr(hardware, "WINDOWS", False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    set_driver(monkeypatch, None)
    return asked


@pytest.fixture
def with_gpu(machine):
    """The same machine with a GPU."""
    (machine.devices / "nvidia0").touch()
    return machine


def set_driver(monkeypatch, driver):
    """Let ctypes open a driver, or None."""

    def opened(name):
        assert name == "libcuda.so.1"
        if driver is None:
            raise OSError("libcuda.so.1: cannot open shared object file")
        return driver

    monkeypatch.setattr(ctypes, "CDLL", opened)


def driver(code=0, version=12080, name=b"CUDA_ERROR_NO_DEVICE"):
    def get_version(number):
        number._obj.value = version

    def get_name(found, text):
        assert found == code
        text._obj.value = name

    return types.SimpleNamespace(
        cuInit=lambda flags: code, cuDriverGetVersion=get_version, cuGetErrorName=get_name
    )


def gpu(number, name):
    return types.SimpleNamespace(
        name=f"/physical_device:GPU:{number}", details={"device_name": name} if name else {}
    )


def unused(reason):
    return f"Running on 2 CPU cores (float32). A GPU is present, but {reason}."


def test_without_a_gpu(machine):
    assert describe("float32") == "Running on 2 CPU cores (float32). No GPU was found."


def test_threads_of_tensorflow_count(machine):
    # of several workers on a host each has its share of the cores
    machine.threads = 1
    expected = "Running on 1 CPU core (mixed_bfloat16). No GPU was found."
    assert describe("mixed_bfloat16") == expected


def test_on_a_gpu(with_gpu):
    with_gpu.visible = with_gpu.physical = [gpu(0, "NVIDIA H200")]
    assert describe("mixed_bfloat16") == "Running on GPU 0: NVIDIA H200 (mixed_bfloat16)."


def test_on_a_gpu_without_a_name(with_gpu):
    with_gpu.visible = with_gpu.physical = [gpu(0, None)]
    assert describe("float32") == "Running on GPU 0: unknown model (float32)."


def test_on_the_gpu_of_a_worker(with_gpu):
    with_gpu.physical = [gpu(0, "NVIDIA A100"), gpu(1, "NVIDIA A100")]
    with_gpu.visible = with_gpu.physical[1:]
    assert describe("float32") == "Running on GPU 1: NVIDIA A100 (float32)."


def test_on_one_of_several_gpus(with_gpu):
    with_gpu.visible = with_gpu.physical = [gpu(0, "NVIDIA A100"), gpu(1, "NVIDIA A100")]
    expected = "Running on GPU 0: NVIDIA A100 (float32). TensorFlow sees 2 GPUs; one is used."
    assert describe("float32") == expected


def test_a_gpu_that_the_program_hides(with_gpu):
    with_gpu.physical = [gpu(0, "NVIDIA H200")]
    assert describe("float32") == unused("tf.config.set_visible_devices hides it")


@pytest.mark.parametrize("value", ["", "-1", "-1,0"])
def test_a_gpu_that_the_environment_hides(with_gpu, monkeypatch, value):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert describe("float32") == unused(f"CUDA_VISIBLE_DEVICES={value!r} hides it")


def test_a_gpu_that_the_environment_names_is_not_hidden(with_gpu, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with_gpu.cuda = False
    assert "this TensorFlow build has no CUDA support" in describe("float32")


def test_tensorflow_without_cuda(with_gpu):
    with_gpu.cuda = False
    expected = "TensorFlow cannot use it: this TensorFlow build has no CUDA support; install"
    assert describe("float32") == unused(f"{expected} tensorflow[and-cuda]")


def test_windows(machine, monkeypatch):
    machine.cuda = False
    monkeypatch.setattr(hardware, "WINDOWS", True)
    assert describe("float32").endswith("No GPU was found.")
    monkeypatch.setattr(shutil, "which", lambda name: rf"C:\Windows\System32\{name}.exe")
    expected = "TensorFlow cannot use it: TensorFlow has no CUDA support on Windows; install it in"
    assert describe("float32") == unused(f"{expected} WSL2")


def test_nvidia_smi_alone_is_no_gpu(machine, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert describe("float32").endswith("No GPU was found.")
    (machine.devices / "dxg").touch()  # WSL2
    assert "A GPU is present" in describe("float32")


def test_a_device_of_the_driver_is_no_gpu(machine):
    (machine.devices / "nvidiactl").touch()
    assert describe("float32").endswith("No GPU was found.")


def test_a_driver_that_is_missing(with_gpu):
    expected = "TensorFlow cannot use it: the library of the NVIDIA driver (libcuda.so.1) was not"
    assert describe("float32") == unused(f"{expected} found; install the driver")


@pytest.mark.parametrize(
    ("name", "said"), [(b"CUDA_ERROR_NO_DEVICE", "CUDA_ERROR_NO_DEVICE"), (None, "error 999")]
)
def test_a_driver_that_fails(with_gpu, monkeypatch, name, said):
    set_driver(monkeypatch, driver(code=999, name=name))
    expected = f"TensorFlow cannot use it: the NVIDIA driver reports {said}; look at the output of"
    assert describe("float32") == unused(f"{expected} nvidia-smi")


def test_a_driver_that_is_too_old(with_gpu, monkeypatch):
    set_driver(monkeypatch, driver(version=11040))
    expected = "TensorFlow cannot use it: the NVIDIA driver supports CUDA 11.4, TensorFlow needs"
    assert describe("float32") == unused(f"{expected} 12.5.1; update the driver")


def test_libraries_that_are_missing(with_gpu, monkeypatch):
    set_driver(monkeypatch, driver(version=12000))
    expected = "TensorFlow cannot use it: its libraries (CUDA 12.5.1, cuDNN 9) were not found;"
    assert describe("float32") == unused(f"{expected} install tensorflow[and-cuda]")


# --- where it is said -----------------------------------------------------------------------------


@pytest.fixture
def not_yet(monkeypatch):
    monkeypatch.setattr(hardware, "_logged", [])


def test_it_is_logged_once(machine, not_yet, caplog):
    with caplog.at_level(logging.INFO, logger=hardware.__name__):
        log_hardware("float32")
        log_hardware("mixed_bfloat16")
    assert caplog.messages == ["Running on 2 CPU cores (float32). No GPU was found."]


def test_the_machine_is_not_asked_for_a_line_that_nobody_sees(not_yet, caplog, monkeypatch):
    def refuse(precision):
        raise AssertionError("the machine was asked")

    monkeypatch.setattr(hardware, "describe", refuse)
    with caplog.at_level(logging.WARNING, logger=hardware.__name__):
        log_hardware("float32")
    assert hardware._logged == []


def test_of_several_workers_the_first_one_says_it(machine, not_yet, caplog, monkeypatch):
    monkeypatch.setattr(hardware, "is_first", lambda: False)
    with caplog.at_level(logging.INFO, logger=hardware.__name__):
        log_hardware("float32")
    assert caplog.messages == []


def test_fit_and_predict_say_it(hr, machine, not_yet, caplog, monkeypatch):
    with caplog.at_level(logging.INFO, logger=hardware.__name__):
        options = {"n_filters": 4, "n_blocks": 1, "epochs": 1, "verbose": False}
        model = hr.downscale.fit(scale=2, precision="float32", **options)
        assert caplog.messages == ["Running on 2 CPU cores (float32). No GPU was found."]
        monkeypatch.setattr(hardware, "_logged", [])
        hr[["t2m"]].downscale.coarsen(2).downscale.predict(model)
    assert len(caplog.messages) == 2


@pytest.mark.parametrize(("flag", "level"), [([], logging.INFO), (["--quiet"], logging.ERROR)])
def test_the_program_shows_it(flag, level, tmp_path):
    assert hardware.__name__ == program.HARDWARE
    assert cli.main(["evaluate", str(tmp_path / "a.nc"), str(tmp_path / "b.nc"), *flag]) == 1
    assert hardware.logger.getEffectiveLevel() == level
