"""Tests of `make horovod`: its checks beforehand, its options, its cache of wheels."""

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

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Horovod is not for Windows")


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
    """`install` without pip and Horovod; the calls of pip, and a list of faults to be found."""
    calls, wrong = [], []

    def pip(command, *args, env=None, after=()):
        calls.append((command, *args))
        if command == "wheel":
            folder = pathlib.Path(args[args.index("--wheel-dir") + 1])
            folder.joinpath("horovod-0.28.1-cp311-cp311-linux_x86_64.whl").write_text("new")
        elif args[-1].endswith(".whl") and pathlib.Path(args[-1]).read_text() == "damaged":
            sys.exit("pip install failed")

    for name in [n for n in os.environ if build.OPTION.fullmatch(n)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XR_DL4DS_WHEELS", str(tmp_path / "wheels"))
    monkeypatch.setattr(build, "check", lambda: None)
    monkeypatch.setattr(build, "pip", pip)
    monkeypatch.setattr(build.importlib.metadata, "version", {"tensorflow": "2.18.1"}.get)
    monkeypatch.setattr(build, "unusable", lambda chosen: wrong.pop(0) if wrong else None)
    monkeypatch.setattr(build, "unable", lambda chosen: None)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return calls, wrong


def wheels(folder):
    return sorted((folder / "wheels").rglob("*.whl"))


def commands(calls):
    """The commands of pip that are about Horovod, with the distribution."""
    found = [(call[0], pathlib.Path(call[-1]).name.partition("-")[0]) for call in calls]
    return [(command, name) for command, name in found if name.startswith("horovod")]


def wheel_of(calls):
    """The wheel that is installed."""
    (found,) = [call[-1] for call in calls if call[-1].endswith(".whl")]
    return found


BUILT = [("wheel", "horovod==0.28.1"), ("install", "horovod")]
FROM_CACHE = [("install", "horovod")]


def test_tensorflow_comes_before_horovod(build, installing, tmp_path):
    calls, _ = installing
    build.install()
    before, made, installed, package = calls
    assert before[0] == "install"
    assert {"tensorflow==2.18.*", "cmake>=3.13,<4", "setuptools", "wheel"} < set(before)
    assert not any(name.startswith("horovod") for name in before)
    assert package == ("install", "--editable", ".[test]", "tensorflow==2.18.*")
    # the sources, with the TensorFlow that is installed, and no wheel that pip has kept
    assert made[0] == "wheel"
    assert {"--no-build-isolation", "--no-cache-dir", "--no-deps"} < set(made)
    assert made[made.index("--no-binary") + 1] == "horovod"
    assert made[-1] == "horovod==0.28.1"
    (wheel,) = wheels(tmp_path)
    assert installed == ("install", "--force-reinstall", "--no-deps", str(wheel))


def test_second_environment_takes_the_wheel_of_the_first(
    build, installing, monkeypatch, tmp_path, capsys
):
    calls, _ = installing
    build.install()
    assert commands(calls) == BUILT
    assert "building Horovod, which takes some minutes: no wheel in" in capsys.readouterr().out
    calls.clear()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    build.install()
    assert commands(calls) == FROM_CACHE
    assert "building" not in capsys.readouterr().out


def test_nothing_else_stays_in_the_cache(build, installing, tmp_path):
    build.install()
    (wheel,) = wheels(tmp_path)
    assert list(wheel.parent.iterdir()) == [wheel]


def test_interrupted_build_leaves_no_wheel(build, installing, monkeypatch, tmp_path):
    pip = build.pip

    def interrupted(command, *args, **how):
        pip(command, *args, **how)
        if command == "wheel":
            raise KeyboardInterrupt

    monkeypatch.setattr(build, "pip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build.install()
    assert wheels(tmp_path) == []


def test_damaged_wheel_is_built_anew(build, installing, tmp_path, capsys):
    calls, _ = installing
    build.install()
    (wheel,) = wheels(tmp_path)
    wheel.write_text("damaged")
    calls.clear()
    build.install()
    assert commands(calls) == [*FROM_CACHE, *BUILT]
    assert wheel.read_text() == "new"
    assert "takes some minutes: pip install failed" in capsys.readouterr().out


def test_wheel_of_another_tensorflow_is_built_anew_once(build, installing, capsys):
    calls, wrong = installing
    build.install()
    calls.clear()
    wrong.append("it was built against TensorFlow 2.17.0, and 2.18.1 is installed")
    build.install()
    assert commands(calls) == [*FROM_CACHE, *BUILT]
    assert "minutes: it was built against TensorFlow 2.17.0" in capsys.readouterr().out


def test_what_stays_wrong_is_told(build, installing):
    calls, wrong = installing
    build.install()
    calls.clear()
    wrong.extend(["undefined symbol", "undefined symbol: again"])
    with pytest.raises(SystemExit, match="Horovod does not work: undefined symbol: again"):
        build.install()
    assert commands(calls) == [*FROM_CACHE, *BUILT]


def test_processes_that_cannot_add_up_are_told(build, installing, monkeypatch):
    monkeypatch.setattr(build, "unable", lambda chosen: "no answer in 300 s")
    with pytest.raises(SystemExit, match="Horovod does not work: no answer in 300 s"):
        build.install()


def test_other_options_have_a_wheel_of_their_own_and_are_kept(
    build, installing, monkeypatch, tmp_path
):
    calls, _ = installing
    build.install()
    calls.clear()
    monkeypatch.setenv("HOROVOD_WITH_MPI", "1")
    build.install()
    assert commands(calls) == BUILT
    assert len(wheels(tmp_path)) == 2
    assert json.loads((tmp_path / ".horovod.json").read_text()) == {"HOROVOD_WITH_MPI": "1"}
    calls.clear()
    monkeypatch.delenv("HOROVOD_WITH_MPI")
    build.install()
    installed = wheel_of(calls)
    assert json.loads((tmp_path / ".horovod.json").read_text()) == {"HOROVOD_WITH_MPI": "1"}
    calls.clear()
    monkeypatch.setenv("HOROVOD_WITHOUT_MPI", "1")  # back to the first wheel
    build.install()
    assert commands(calls) == FROM_CACHE
    assert wheel_of(calls) != installed


# --- the cache ------------------------------------------------------------------------------------


@pytest.fixture
def folder(build, monkeypatch, bin_with):
    """Folder of the wheel where some things are other than usual."""

    def of(
        tensorflow="2.18.1", horovod="horovod==0.28.1", compiler="g++ 12", options=(), **environ
    ):
        monkeypatch.setattr(build.importlib.metadata, "version", {"tensorflow": tensorflow}.get)
        path = str(bin_with(gplusplus=compiler))
        given = {"PATH": path, "XR_DL4DS_WHEELS": "/wheels", **environ}
        return build.cached(given, dict(options), horovod)

    return of


def test_key_names_versions_python_and_platform(folder):
    key = folder().name
    assert key.startswith(f"0.28.1-tensorflow-2.18.1-{sys.implementation.cache_tag}-")
    assert re.fullmatch(r".*-[0-9a-f]{10}", key)
    assert folder().name == key


@pytest.mark.parametrize(
    "other",
    [
        {"tensorflow": "2.18.0"},
        {"horovod": "horovod==0.29.0"},
        {"compiler": "g++ 13"},
        {"options": {"HOROVOD_WITH_MPI": "1"}},
        {"options": {"HOROVOD_WITHOUT_GLOO": "1"}},
        {"options": {"HOROVOD_NCCL_HOME": "/nccl"}},
    ],
    ids=str,
)
def test_key_depends_on_what_decides_the_build(folder, other):
    assert folder(**other).parent == folder().parent
    assert folder(**other) != folder()


def test_key_depends_on_python_and_platform(build, folder, monkeypatch):
    keys = {folder()}
    monkeypatch.setattr(sys.implementation, "cache_tag", "cpython-399")
    keys.add(folder())
    monkeypatch.setattr(build.sysconfig, "get_platform", lambda: "linux-riscv64")
    keys.add(folder())
    assert len(keys) == 3


def test_key_does_not_depend_on_defaults_that_are_named(folder):
    assert folder(options={"HOROVOD_WITH_GLOO": "1"}) == folder()


def test_cache_is_outside_the_clone(folder, monkeypatch, tmp_path):
    assert str(folder().parent) == "/wheels"
    caches = folder(XR_DL4DS_WHEELS="", XDG_CACHE_HOME="/caches").parent
    assert str(caches) == "/caches/xr_dl4ds/horovod"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert folder(XR_DL4DS_WHEELS="").parent == tmp_path / ".cache" / "xr_dl4ds" / "horovod"


# --- whether it works -----------------------------------------------------------------------------


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
