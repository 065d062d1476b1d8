import pytest

from xr_dl4ds import processes
from xr_dl4ds.training import precision, resolve_precision

AMX = "flags\t\t: fpu sse4_2 avx512_bf16 amx_bf16 amx_tile amx_int8\n"
AVX = "flags\t\t: fpu sse4_2 avx512_bf16 avx512_fp16\n"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with these GPUs (details of each) and this text about its processor."""

    def build(cpuinfo=AVX, gpus=()):
        path = tmp_path / "cpuinfo"
        if cpuinfo is not None:
            path.write_text(f"processor\t: 0\nmodel name\t: some\n{cpuinfo}")
        monkeypatch.setattr(processes, "CPUINFO", path)
        config = precision.tf.config
        devices = [f"gpu{i}" for i in range(len(gpus))]
        details = dict(zip(devices, gpus, strict=True))
        monkeypatch.setattr(
            config, "list_physical_devices", lambda kind: devices if kind == "GPU" else ["cpu"]
        )
        monkeypatch.setattr(config.experimental, "get_device_details", details.__getitem__)

    return build


def gpu(*capability):
    return {"device_name": "some", "compute_capability": capability}


@pytest.mark.parametrize(
    ("hardware", "expected"),
    [
        ({"cpuinfo": AMX}, "mixed_bfloat16"),
        ({"cpuinfo": AVX}, "float32"),  # AVX512-BF16 is not faster
        ({"cpuinfo": None}, "float32"),  # no such file: not Linux
        ({"gpus": [gpu(8, 0)]}, "mixed_bfloat16"),
        ({"gpus": [gpu(9, 0)]}, "mixed_bfloat16"),
        ({"gpus": [gpu(12, 0)]}, "mixed_bfloat16"),
        ({"gpus": [gpu(7, 5)]}, "float32"),
        ({"gpus": [{"device_name": "other maker"}]}, "float32"),
        # a GPU trains, where there is one, whatever the processor can do
        ({"cpuinfo": AMX, "gpus": [gpu(7, 0)]}, "float32"),
        ({"cpuinfo": AVX, "gpus": [gpu(8, 6)]}, "mixed_bfloat16"),
        # the first one is what TensorFlow puts a network on
        ({"gpus": [gpu(7, 0), gpu(9, 0)]}, "float32"),
    ],
    ids=str,
)
def test_auto_follows_the_hardware(machine, hardware, expected):
    machine(**hardware)
    assert resolve_precision("auto") == expected


@pytest.mark.parametrize("option", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_choice_is_taken_on_any_machine(machine, option):
    for cpuinfo in (AMX, AVX):
        machine(cpuinfo=cpuinfo)
        assert resolve_precision(option) == option
