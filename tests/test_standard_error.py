import importlib
import io
import logging
import os
import subprocess
import sys

import pytest

from xr_dl4ds import processes
from xr_dl4ds.processes import LEVEL, quiet_start

#: What TensorFlow 2.21 and 2.18 wrote on this project's machines when they were imported.
MESSAGES = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795941348.038109    6568 cudart_stub.cc:31] Could not find cuda drivers.
E0000 00:00:1795942706.335606   15862 cuda_dnn.cc:8310] Unable to register cuDNN factory
2025-11-29 08:37:25.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """TensorFlow is not imported yet, the user has set no level, the processor is any."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.delenv(LEVEL, raising=False)
    monkeypatch.setattr(processes, "CPUINFO", tmp_path / "none")


@pytest.fixture
def noisy(monkeypatch, tmp_path):
    """Import a module that writes a text as C++ libraries do, and then runs a statement."""

    def load(text=MESSAGES, then="pass"):
        code = f"import os\nos.write(2, {text.encode()!r})\n{then}\n"
        (tmp_path / "noisy_library.py").write_text(code)
        importlib.invalidate_caches()
        with quiet_start():
            importlib.import_module("noisy_library")

    monkeypatch.syspath_prepend(tmp_path)
    yield load
    sys.modules.pop("noisy_library", None)


def test_messages_of_an_import_that_succeeds_go_to_the_log(noisy, capfd, caplog):
    with caplog.at_level(logging.DEBUG, logger="xr_dl4ds.processes"):
        noisy()
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert record.message.endswith(MESSAGES.rstrip())
    assert os.environ[LEVEL] == "3"


def test_an_import_without_messages_logs_nothing(noisy, capfd, caplog):
    with caplog.at_level(logging.DEBUG, logger="xr_dl4ds.processes"):
        noisy("")
    assert capfd.readouterr().err == ""
    assert caplog.records == []


def test_lines_of_others_are_not_lost(noisy, capfd):
    noisy(f"{MESSAGES}step 3 of 9\n{MESSAGES}half a line")
    assert capfd.readouterr().err == "step 3 of 9\nhalf a line"


@pytest.mark.parametrize("error", [ImportError, KeyboardInterrupt])
def test_all_is_shown_when_the_import_fails(noisy, capfd, caplog, error):
    with (
        caplog.at_level(logging.DEBUG, logger="xr_dl4ds.processes"),
        pytest.raises(error, match="no such library"),
    ):
        noisy(then=f"raise {error.__name__}('no such library')")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == f"{MESSAGES}afterwards\n"
    assert caplog.records == []


@pytest.mark.parametrize("level", ["0", "1", "2", "word"])
def test_the_level_of_the_user_wins(noisy, capfd, monkeypatch, level):
    monkeypatch.setenv(LEVEL, level)
    noisy()
    assert capfd.readouterr().err == MESSAGES
    assert os.environ[LEVEL] == level


def test_a_level_that_shows_nothing_holds_messages_too(noisy, capfd, monkeypatch):
    # child processes inherit the level that this process has set
    monkeypatch.setenv(LEVEL, "3")
    noisy()
    assert capfd.readouterr().err == ""


def test_nothing_is_touched_when_tensorflow_is_imported_already(noisy, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    noisy()
    assert capfd.readouterr().err == MESSAGES
    assert LEVEL not in os.environ


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("processor\t: 0\nflags\t\t: fpu sse sse2 avx avx2\n", True),
        ("processor\t: 0\nflags\t\t: fpu sse sse2 avx2_like\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd\n", True),  # no x86 processor
    ],
)
def test_the_reason_of_an_abort_is_not_held(noisy, capfd, monkeypatch, tmp_path, text, held):
    # "The TensorFlow library was compiled to use AVX instructions, but these aren't available"
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(processes, "CPUINFO", tmp_path / "cpuinfo")
    noisy()
    assert capfd.readouterr().err == ("" if held else MESSAGES)


def refuse(*args, **kwargs):
    raise OSError("not here")


@pytest.mark.parametrize("name", ["os.dup", "tempfile.TemporaryFile"])
def test_the_import_works_where_nothing_can_be_held(noisy, capfd, monkeypatch, name):
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    with monkeypatch.context() as patch:
        patch.setattr(name, refuse)
        noisy()
    assert capfd.readouterr().err == MESSAGES
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) == descriptors


def test_descriptors_are_closed(noisy):
    if not os.path.exists("/proc/self/fd"):
        pytest.skip("descriptors are not listed here")
    before = len(os.listdir("/proc/self/fd"))
    noisy()
    assert len(os.listdir("/proc/self/fd")) == before


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, io.StringIO(), closed()], ids=["none", "other", "closed"])
def test_any_standard_error_of_python(noisy, capfd, monkeypatch, stream):
    # in a notebook sys.stderr is the kernel's, while C++ libraries write to descriptor 2
    monkeypatch.setattr(sys, "stderr", stream)
    noisy()
    assert capfd.readouterr().err == ""


def test_what_python_has_buffered_keeps_its_place(capfd, monkeypatch):
    with open(2, "w", closefd=False, buffering=4096) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        stream.write("before, ")
        with quiet_start():
            stream.write("inside, ")
        stream.write("after")
    assert capfd.readouterr().err == "before, inside, after"


def test_a_program_without_standard_error_keeps_the_file_in_its_place(tmp_path):
    code = f"""
import os, sys
assert sys.stderr is None
file = open({str(tmp_path / "data")!r}, "wb", buffering=0)
from xr_dl4ds.processes import quiet_start
with quiet_start():
    file.write(b"values")
print(file.fileno())
"""
    run = f"import os, sys; os.close(2); os.execv(sys.executable, [sys.executable, '-c', {code!r}])"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert (tmp_path / "data").read_bytes() == b"values"
    if os.name == "posix":
        assert done.stdout.split() == ["2"]  # the descriptor that was free
