"""`make horovod`: what is missing, with what it is built, and whether it works."""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SCRIPT = ROOT / ".ci" / "build_horovod.py"


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("build_horovod", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bin_with(tmp_path):
    """A folder for PATH, with programs that say what they are told to say."""

    def of(**said):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name, text in said.items():
            program = folder / name.replace("plus", "+")
            program.write_text(f"#!/bin/sh\necho '{text}'\n")
            program.chmod(0o755)
        return folder

    return of


# --- what is missing ------------------------------------------------------------------------------


def test_nothing_is_missing(build, bin_with):
    assert build.missing({"PATH": str(bin_with(gplusplus="", make=""))}, (3, 11)) == []


def test_each_missing_thing_has_a_message(build, tmp_path):
    compiler, make = build.missing({"PATH": str(tmp_path)}, (3, 12))
    assert re.fullmatch(
        r"Expected a C\+\+ compiler to build Horovod, got no c\+\+ or g\+\+ or clang\+\+ in PATH\. "
        r"apt-get install g\+\+; conda install -c conda-forge cxx-compiler, and activate anew",
        compiler,
    )
    assert re.fullmatch(
        r"Expected make to build Horovod, got no make or gmake in PATH\. "
        r"apt-get install make; conda install -c conda-forge make",
        make,
    )


def test_the_compiler_that_the_user_names_counts(build, bin_with):
    path = str(bin_with(clang="", make=""))
    assert build.missing({"PATH": path, "CXX": "clang -pthread"}, (3, 11)) == []
    (message,) = build.missing({"PATH": path, "CXX": "icpx"}, (3, 11))
    assert "got no icpx in PATH" in message


@pytest.mark.parametrize("version", [(3, 13), (3, 14)])
def test_python_newer_than_tensorflow_218(build, bin_with, version):
    (message,) = build.missing({"PATH": str(bin_with(gplusplus="", make=""))}, version)
    assert re.match(r"Expected Python 3\.11 to 3\.12, .*, got 3\.1[34]\. ", message)
    assert message.endswith("make PYTHON=python3.12 horovod")


@pytest.mark.parametrize(
    ("said", "got"),
    [
        ("cmake version 4.1.2", r"version 4\.1"),
        ("cmake version 3.10.2", r"version 3\.10"),
        ("nothing of the kind", "no such program"),
    ],
)
def test_cmake_that_does_not_fit(build, bin_with, said, got):
    folder = bin_with(gplusplus="", make="", cmake=said)
    named = {"PATH": str(folder), "HOROVOD_CMAKE": str(folder / "cmake")}
    (message,) = build.missing(named, (3, 11))
    assert re.match(rf"Expected CMake 3\.13 or newer, below 4, as .*cmake, got {got}\. ", message)
    assert "Unset HOROVOD_CMAKE" in message
    # one that is not named is not asked: pip's is taken
    assert build.missing({"PATH": str(folder)}, (3, 11)) == []


def test_cmake_that_is_not_there(build, bin_with, tmp_path):
    named = {"PATH": str(bin_with(gplusplus="", make="")), "HOROVOD_CMAKE": str(tmp_path / "none")}
    (message,) = build.missing(named, (3, 11))
    assert "got no such program. Unset HOROVOD_CMAKE" in message


@pytest.mark.parametrize("version", ["3.13", "3.31.10"])
def test_cmake_that_fits(build, bin_with, version):
    folder = bin_with(gplusplus="", make="", cmake=f"cmake version {version}")
    named = {"PATH": str(folder), "HOROVOD_CMAKE": str(folder / "cmake")}
    assert build.missing(named, (3, 11)) == []


def test_make_tells_before_it_makes_anything(tmp_path):
    environment = tmp_path / "environment"
    done = subprocess.run(
        [
            shutil.which("make"),
            "horovod",
            f"HOROVOD_VENV={environment}",
            f"PYTHON={sys.executable}",
        ],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Expected a C++ compiler to build Horovod" in done.stderr
    assert "Expected make to build Horovod" in done.stderr
    assert not environment.exists()


# --- what it is built with ------------------------------------------------------------------------


def test_defaults_are_tensorflow_and_gloo(build):
    assert build.settings({}) == {
        "HOROVOD_WITH_TENSORFLOW": "1",
        "HOROVOD_WITHOUT_PYTORCH": "1",
        "HOROVOD_WITHOUT_MXNET": "1",
        "HOROVOD_WITH_GLOO": "1",
        "HOROVOD_WITHOUT_MPI": "1",
    }


def test_options_of_the_user_win(build):
    environ = {
        "HOROVOD_WITH_MPI": "1",
        "HOROVOD_WITHOUT_GLOO": "1",
        "HOROVOD_GPU_OPERATIONS": "NCCL",
        "HOROVOD_NCCL_HOME": "/nccl",
        # of make, of running Horovod, and others
        "HOROVOD_VENV": "/venv",
        "HOROVOD_LOG_LEVEL": "debug",
        "HOROVOD_RANK": "0",
        "PATH": "/bin",
    }
    chosen = build.options(environ)
    assert sorted(chosen) == [
        "HOROVOD_GPU_OPERATIONS",
        "HOROVOD_NCCL_HOME",
        "HOROVOD_WITHOUT_GLOO",
        "HOROVOD_WITH_MPI",
    ]
    # Horovod obeys WITHOUT_MPI whatever WITH_MPI says, so that it must not stay
    assert build.settings(chosen) == {
        "HOROVOD_WITH_TENSORFLOW": "1",
        "HOROVOD_WITHOUT_PYTORCH": "1",
        "HOROVOD_WITHOUT_MXNET": "1",
        **chosen,
    }


def test_the_build_takes_its_own_cmake_and_its_own_number_of_processes(build):
    environ = {"PATH": "/bin", "MAKEFLAGS": " -- HOROVOD_VENV=x", "MAKELEVEL": "1", "MFLAGS": "-w"}
    env = build.surroundings(environ, {"HOROVOD_WITH_MPI": "1"}, prefix="/venv")
    assert env["HOROVOD_CMAKE"] == "/venv/bin/cmake"
    assert re.fullmatch("-j[1-8]", env["MAKEFLAGS"])
    assert not {"MAKELEVEL", "MFLAGS", "HOROVOD_WITHOUT_MPI"} & set(env)
    assert env["PATH"] == "/bin"
    environ["HOROVOD_CMAKE"] = "/own/cmake"
    assert build.surroundings(environ, {}, prefix="/venv")["HOROVOD_CMAKE"] == "/own/cmake"


def test_the_extra_is_what_is_built(build):
    assert build.requirements() == (["horovod==0.28.1"], ["tensorflow==2.18.*"])


# --- the order of an installation -------------------------------------------------------------


@pytest.fixture
def installing(build, monkeypatch, tmp_path):
    """`install` with all that it calls replaced; the calls of pip, and what is found wrong."""
    calls, wrong = [], []
    for name in [n for n in os.environ if build.OPTION.fullmatch(n)]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(build, "check", lambda: None)
    monkeypatch.setattr(build, "pip", lambda *args, env=None: calls.append(args))
    monkeypatch.setattr(build, "unusable", lambda chosen: wrong.pop(0) if wrong else None)
    monkeypatch.setattr(build, "unable", lambda chosen: None)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return calls, wrong


PLAIN = ("--no-build-isolation", "horovod==0.28.1")
ANEW = (PLAIN[0], "--no-cache-dir", "--force-reinstall", "--no-deps", PLAIN[1])


def test_tensorflow_comes_before_horovod(build, installing):
    calls, _ = installing
    build.install()
    before, horovod = calls
    assert before[:2] == ("--editable", ".[test]")
    assert {"tensorflow==2.18.*", "cmake>=3.13,<4", "setuptools", "wheel"} < set(before)
    assert not any(name.startswith("horovod") for name in before)
    assert horovod == PLAIN


def test_wheel_of_another_tensorflow_is_built_anew_once(build, installing, capsys):
    calls, wrong = installing
    wrong.append("it was built against TensorFlow 2.17.0, and 2.18.1 is installed")
    build.install()
    assert calls[1:] == [PLAIN, ANEW]
    assert "anew, as it was built against TensorFlow 2.17.0" in capsys.readouterr().out


def test_what_stays_wrong_is_told(build, installing):
    calls, wrong = installing
    wrong.extend(["undefined symbol", "undefined symbol: again"])
    with pytest.raises(SystemExit, match="got one that does not: undefined symbol: again"):
        build.install()
    assert calls[1:] == [PLAIN, ANEW]


def test_processes_that_cannot_add_up_are_told(build, installing, monkeypatch):
    monkeypatch.setattr(build, "unable", lambda chosen: "no answer in 300 s")
    with pytest.raises(SystemExit, match="got one that does not: no answer in 300 s"):
        build.install()


def test_other_options_are_built_anew_and_kept(build, installing, monkeypatch, tmp_path):
    calls, _ = installing
    monkeypatch.setenv("HOROVOD_WITH_MPI", "1")
    build.install()
    assert calls[1:] == [ANEW]
    assert json.loads((tmp_path / ".horovod.json").read_text()) == {"HOROVOD_WITH_MPI": "1"}
    monkeypatch.delenv("HOROVOD_WITH_MPI")
    build.install()
    assert calls[3:] == [PLAIN]
    assert json.loads((tmp_path / ".horovod.json").read_text()) == {"HOROVOD_WITH_MPI": "1"}


@pytest.mark.parametrize(
    ("told", "against"),
    [
        ('{"tensorflow": "2.17.0"}', "TensorFlow 2.17.0"),
        ("{}", "no TensorFlow"),  # what pip's build isolation gives
        (None, "no TensorFlow"),
    ],
)
def test_library_of_another_tensorflow_is_told(build, monkeypatch, tmp_path, told, against):
    class File(pathlib.PurePosixPath):
        def read_text(self):
            return told

    files = [File("horovod/metadata.json")] if told else [File("horovod/__init__.py")]
    monkeypatch.setattr(build.importlib.metadata, "files", lambda name: files)
    monkeypatch.setattr(build.importlib.metadata, "version", lambda name: "2.18.1")
    expected = f"it was built against {against}, and 2.18.1 is installed"
    assert build.unusable({}) == expected


def test_failed_commands_are_told_by_their_last_words(build):
    command = [sys.executable, "-c", "import sys; print('a'); sys.exit('b')"]
    assert build._failure(command) == "a\nb"
    assert (
        build._failure([sys.executable, "-c", "raise SystemExit(3)"]) == "it ended without a word"
    )
    assert build._failure([sys.executable, "-c", "print('a')"]) is None
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert build._failure(sleeping, seconds=1) == "no answer in 1 s"


@pytest.mark.horovod
def test_horovod_here_is_usable_and_two_processes_add_up(build):
    assert build.unusable({}) is None
    assert build.unable({}) is None


@pytest.mark.horovod
def test_library_without_what_was_asked_for_is_told(build):
    assert "built without nccl" in build.unusable({"HOROVOD_GPU_OPERATIONS": "NCCL"})
