"""Build both distributions, check them, and import the package from the wheel.

``python .ci/release_check.py`` leaves the distributions in ``dist``. The tools and the wheel are
installed in environments of a temporary folder, which takes 3 GB for some minutes.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
#: Folders and files that the build adds to the files of the repository.
ADDED = ("PKG-INFO", "xr_dl4ds.egg-info/")
#: Runs in the empty environment: the package comes from the wheel, works, and loads no TensorFlow.
IMPORTS = """
import sys
import xr_dl4ds as xd
assert xd.__version__ == sys.argv[1], xd.__version__
assert xd.__file__.startswith(sys.prefix), xd.__file__
assert "tensorflow" not in sys.modules
hr = xd.tutorial.synthetic()
assert hr.downscale.coarsen(4).sizes["time"] == hr.sizes["time"]
"""


def tracked(root=ROOT):
    """Return the files of the repository at `root`, None without git."""
    command = ["git", "-C", str(root), "ls-files", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return None
    return {name for name in listed.split("\0") if name and (root / name).is_file()}


def in_sdist(path):
    """Return the files of a source distribution, without its folder and what the build adds."""
    with tarfile.open(path) as archive:
        names = {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}
    return {name for name in names if not name.startswith(ADDED)}


def in_wheel(path):
    """Return the files of a wheel, without its metadata."""
    with zipfile.ZipFile(path) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def differences(sdist, wheel, files):
    """Describe how the two distributions differ from the files of the repository."""
    packaged = {name for name in files if name.startswith("xr_dl4ds/")}
    parts = (("sdist", in_sdist(sdist), files), ("wheel", in_wheel(wheel), packaged))
    found = []
    for name, actual, expected in parts:
        found += [f"the {name} lacks {one}" for one in sorted(expected - actual)]
        found += [f"the {name} has {one}, which git does not" for one in sorted(actual - expected)]
    return found


def environment(folder, *packages):
    """Create a virtual environment, install packages in it and return its Python."""
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    python = programs / ("python.exe" if os.name == "nt" else "python")
    pip = ["-m", "pip", "--disable-pip-version-check", "-qq", "install"]
    subprocess.run([python, *pip, *packages], check=True)
    return python


def main():
    """Run all checks; end with a message at the first that fails."""
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    with tempfile.TemporaryDirectory() as name:
        temporary = pathlib.Path(name)
        print("building the distributions", flush=True)
        tools = environment(temporary / "tools", "build", "twine")
        command = [tools, "-m", "build", ROOT, "--outdir", dist]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(done.stdout)
        (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
        subprocess.run([tools, "-m", "twine", "check", "--strict", sdist, wheel], check=True)

        files = tracked()
        if files is None:
            print("the contents are not compared, since this folder is no git repository")
        elif found := differences(sdist, wheel, files):
            sys.exit("\n".join([*found, "Commit or remove these files, or change MANIFEST.in."]))

        print("installing the wheel in an empty environment", flush=True)
        python = environment(temporary / "empty", wheel)
        version = wheel.name.split("-")[1]
        # -I: neither this folder nor PYTHONPATH
        subprocess.run([python, "-I", "-c", IMPORTS, version], check=True, cwd=temporary)
    print(f"ready for release: {sdist.name}, {wheel.name}")


if __name__ == "__main__":
    main()
