"""Install Horovod for TensorFlow in the environment that runs this file, and try it.

``python .ci/build_horovod.py check`` reports what is missing and downloads nothing; ``install``
does everything. `make horovod` calls both. The versions are in setup.cfg, in the extra ``horovod``.
HOROVOD_* variables of the environment take precedence over `DEFAULTS`; the next call reuses them.

The wheel is kept for other clones and environments of this machine, see `cached`.
"""

import configparser
import hashlib
import importlib.metadata
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]

#: What Horovod is built with. It reads WITHOUT_X first, so a WITH_X of the user takes its place.
DEFAULTS = {
    "HOROVOD_WITH_TENSORFLOW": "1",
    "HOROVOD_WITHOUT_PYTORCH": "1",
    "HOROVOD_WITHOUT_MXNET": "1",
    "HOROVOD_WITH_GLOO": "1",
    "HOROVOD_WITHOUT_MPI": "1",
}
#: Variables that decide what is built; the others are about running it.
OPTION = re.compile(
    r"HOROVOD_(WITH|WITHOUT|GPU|CPU_OPERATIONS|CUDA|NCCL|NVTX|ROCM|ALLOW_MIXED|BUILD|DEBUG)(_\w+)?"
)
#: TensorFlow 2.18 has wheels for Python up to this one.
NEWEST_PYTHON = (3, 12)
#: Horovod's CMake files ask for the first; CMake 4 refuses what its third parties ask for.
CMAKE = ((3, 13), (4, 0))
#: The C++ compilers that are looked for, in this order.
COMPILERS = ("c++", "g++", "clang++")
#: Without build isolation what setup.py imports, and what it would fetch itself, must be there.
TOOLS = ("cmake>=3.13,<4", "setuptools", "wheel", "packaging", "cloudpickle", "psutil", "pyyaml")

#: Lets no other make install from this clone at the same time.
ALONE = (sys.executable, str(ROOT / ".ci" / "alone.py"), str(ROOT / "setup.cfg"))

BUILT = """
import sys
import horovod.tensorflow as hvd
missing = [name for name in sys.argv[1:] if not getattr(hvd, f"{name}_built")()]
if missing:
    sys.exit(f"it was built without {' and '.join(missing)}")
"""
REDUCE = """
import sys
import tensorflow as tf
import horovod.tensorflow as hvd
hvd.init()
total = float(hvd.allreduce(tf.constant(hvd.rank() + 1.0), op=hvd.Sum))
if (hvd.size(), total) != (2, 3.0):
    sys.exit(f"expected the sum 3 of 2 processes, got {total} of {hvd.size()}")
"""


# --- what must be there beforehand ------------------------------------------------------------


def missing(environ, python=sys.version_info):
    """One message for each thing that the build needs and does not find; none: it can start."""
    found = [
        _python(tuple(python[:2])),
        _program(
            "a C++ compiler",
            compilers(environ),
            environ,
            "apt-get install g++; conda install -c conda-forge cxx-compiler, and activate anew",
        ),
        _program(
            "make",
            ["make", "gmake"],
            environ,
            "apt-get install make; conda install -c conda-forge make",
        ),
        _cmake(environ),
    ]
    return [message for message in found if message]


def compilers(environ):
    """Names of C++ compilers: the one in CXX, or else the usual ones."""
    return shlex.split(environ.get("CXX", ""))[:1] or list(COMPILERS)


def _python(version):
    if version <= NEWEST_PYTHON:
        return None
    newest = ".".join(map(str, NEWEST_PYTHON))
    return (
        f"Expected Python 3.11 to {newest}, for which there is the TensorFlow that Horovod can be "
        f"built against, got {'.'.join(map(str, version))}. "
        f"Name another one: make PYTHON=python{newest} horovod"
    )


def _program(what, names, environ, cure):
    if any(shutil.which(name, path=environ.get("PATH", "")) for name in names):
        return None
    return f"Expected {what} to build Horovod, got no {' or '.join(names)} in PATH. {cure}"


def _cmake(environ):
    """pip brings a CMake that fits; only one that the user names can be wrong."""
    program = environ.get("HOROVOD_CMAKE")
    if not program:
        return None
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        version = re.search(r"version (\d+)\.(\d+)", said.stdout)
    except (OSError, subprocess.CalledProcessError):
        version = None
    if version and CMAKE[0] <= tuple(map(int, version.groups())) < CMAKE[1]:
        return None
    got = version[0] if version else "no such program"
    return (
        f"Expected CMake 3.13 or newer, below 4, as HOROVOD_CMAKE={program}, got {got}. "
        "Unset HOROVOD_CMAKE: make horovod takes one that fits from pip."
    )


def check():
    """End here, with a message for each missing thing."""
    messages = missing(os.environ)
    if messages:
        sys.exit("\n".join(messages))


# --- the build ----------------------------------------------------------------------------------


def requirements(path=ROOT / "setup.cfg"):
    """Horovod itself, and what must be installed before it, of the extra ``horovod``."""
    parser = configparser.ConfigParser()
    parser.read(path, encoding="utf-8")
    lines = parser["options.extras_require"]["horovod"].split("\n")
    names = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    horovod = [name for name in names if name.startswith("horovod")]
    return horovod, [name for name in names if name not in horovod]


def options(environ):
    """The HOROVOD_* variables of a user that decide what is built."""
    return {name: value for name, value in environ.items() if OPTION.fullmatch(name)}


def settings(chosen):
    """`DEFAULTS`, less those that `chosen` speaks about, and `chosen`."""

    def subject(name):
        return re.sub(r"^HOROVOD_(WITH|WITHOUT)_", "", name)

    spoken = {subject(name) for name in chosen}
    kept = {name: value for name, value in DEFAULTS.items() if subject(name) not in spoken}
    return kept | chosen


def surroundings(environ, chosen, prefix=sys.prefix):
    """The environment of the build: its CMake, and make's own number of processes."""
    # `make -j` leaves flags of its own there, and without any Horovod takes eight processes
    inherited = {k: v for k, v in environ.items() if k not in ("MFLAGS", "MAKELEVEL")}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    named = {
        "MAKEFLAGS": f"-j{min(cores or 1, 8)}",
        "HOROVOD_CMAKE": environ.get("HOROVOD_CMAKE") or os.path.join(prefix, "bin", "cmake"),
    }
    return inherited | settings(chosen) | named


def pip(command, *arguments, env=None, after=()):
    """Run a command of pip, `after` another command; pip itself reports what went wrong."""
    program = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", command]
    if subprocess.run([*after, *program, *arguments], cwd=ROOT, env=env, check=False).returncode:
        sys.exit(f"make horovod: `pip {command} {' '.join(arguments)}` failed, see above.")


def install():
    """Install TensorFlow, Horovod from the cache or built anew, and the package with its tests."""
    check()
    memory = pathlib.Path(sys.prefix, ".horovod.json")
    kept = json.loads(memory.read_text("utf-8")) if memory.exists() else {}
    chosen = options(os.environ) or kept
    (horovod,), before = requirements()
    pip("install", *before, *TOOLS)
    folder = cached(os.environ, chosen, horovod)
    wrong = refused(folder, chosen)
    if wrong:
        say(f"building Horovod, which takes some minutes: {wrong}")
        build(folder, horovod, surroundings(os.environ, chosen))
        wrong = refused(folder, chosen)
    if wrong:
        sys.exit(f"The newly built Horovod does not work: {wrong}")
    pip("install", "--editable", ".[test]", *before, after=ALONE)
    memory.write_text(json.dumps(chosen), "utf-8")


def say(text):
    """Tell the user what takes long."""
    print(text, flush=True)


# --- the cache ------------------------------------------------------------------------------------


def cached(environ, chosen, horovod):
    """Folder of the wheel, named after everything that decides what the build gives.

    The folder is inside XR_DL4DS_WHEELS, by default ~/.cache/xr_dl4ds/horovod.
    """
    home = environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    wheels = pathlib.Path(environ.get("XR_DL4DS_WHEELS") or pathlib.Path(home, "xr_dl4ds/horovod"))
    versions = [
        horovod.replace("horovod==", ""),
        f"tensorflow-{importlib.metadata.version('tensorflow')}",
        sys.implementation.cache_tag,
        sysconfig.get_platform(),
    ]
    built_by = {"options": settings(chosen), "compiler": _compiler(environ)}
    digest = hashlib.sha256(json.dumps(built_by, sort_keys=True).encode()).hexdigest()
    return wheels / "-".join([*versions, digest[:10]])


def _compiler(environ):
    """First line of what the C++ compiler reports as its version."""
    found = [shutil.which(name, path=environ.get("PATH", "")) for name in compilers(environ)]
    program = next(filter(None, found), None)
    if program is None:
        return None
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return said.stdout.partition("\n")[0]


def build(folder, horovod, env):
    """Build the wheel; it enters the folder only once it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    # pip keeps the wheel that it builds under the name of the source alone, whatever the options
    anew = ("--no-cache-dir", "--no-binary", "horovod", "--no-build-isolation", "--no-deps")
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as work:
        pip("wheel", *anew, "--wheel-dir", work, horovod, env=env)
        for wheel in pathlib.Path(work).glob("horovod-*.whl"):
            os.replace(wheel, folder / wheel.name)


def refused(folder, chosen):
    """Install the wheel of this folder; return why it cannot be used, or None."""
    wheel = next(folder.glob("horovod-*.whl"), None)
    if wheel is None:
        return f"no wheel in {folder}"
    say(f"installing {wheel}")
    try:
        pip("install", "--force-reinstall", "--no-deps", str(wheel))
    except SystemExit as error:
        return str(error)
    return unusable(chosen) or unable(chosen)


# --- whether it works ---------------------------------------------------------------------------


def unusable(chosen):
    """What is wrong with the library: another TensorFlow's, or without what was asked for."""
    files = importlib.metadata.files("horovod") or []
    told = [f.read_text() for f in files if f.as_posix() == "horovod/metadata.json"]
    against = json.loads(told[0]).get("tensorflow") if told else None
    present = importlib.metadata.version("tensorflow")
    if against != present:
        against = f"TensorFlow {against}" if against else "no TensorFlow"
        return f"it was built against {against}, and {present} is installed"
    asked = settings(chosen)
    wanted = {
        "gloo": asked.get("HOROVOD_WITHOUT_GLOO") != "1",
        "mpi": asked.get("HOROVOD_WITH_MPI") == "1",
        "nccl": asked.get("HOROVOD_GPU_OPERATIONS") == "NCCL",
    }
    return _failure([sys.executable, "-c", BUILT, *(n for n, is_so in wanted.items() if is_so)])


def unable(chosen):
    """What two processes say that cannot add up their numbers."""
    by = "--mpi" if settings(chosen).get("HOROVOD_WITHOUT_GLOO") == "1" else "--gloo"
    run = os.path.join(sys.prefix, "bin", "horovodrun")
    return _failure([run, "-np", "2", by, sys.executable, "-c", REDUCE])


def _failure(command, seconds=300):
    # without GPUs: NCCL refuses two processes on one
    env = os.environ | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"}
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {seconds} s"
    last = (done.stdout + done.stderr).strip().splitlines()[-15:]
    return "\n".join(last) or "it ended without a word" if done.returncode else None


if __name__ == "__main__":
    {"check": check, "install": install}[sys.argv[1]]()
