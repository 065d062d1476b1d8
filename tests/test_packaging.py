"""Tests of setup.cfg, the Makefile, front matter, distributions and the marker `horovod`."""

import configparser
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
import yaml

from xr_dl4ds.model import storage

ROOT = pathlib.Path(__file__).parents[1]


# --- packaging and make ---------------------------------------------------------------------------


def metadata():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def extras():
    return metadata()["options.extras_require"]


def test_no_other_extra_has_horovod():
    # they are installed with pip's build isolation, where Horovod cannot be built
    named = re.compile(r"^horovod|[\[,]horovod", re.MULTILINE)
    assert {name for name, lines in extras().items() if named.search(lines)} == {"horovod"}


@pytest.mark.skipif(sys.platform == "win32", reason="the Makefile is not for Windows")
def test_make_lists_all_its_targets():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("make ")}
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert listed == set(phony.split()) - {"FORCE"}
    assert {"horovod", "test-horovod"} <= listed


#: Stands in for Python and for pip: notes what is installed, and takes its time.
STUB = """#!/bin/sh
case "$1 $2" in
"-m venv") echo "venv" >>LOG; mkdir -p "$4/bin" ;;
"install --editable") echo "begin $3" >>LOG; sleep 0.5; echo "end $3" >>LOG ;;
*) exec "PYTHON" "$@" ;;
esac
"""


@pytest.fixture
def installed(tmp_path):
    """Start makes for the stamps given, all at the same time; return what they did, in order."""
    pytest.importorskip("fcntl")
    log, stub, venv = tmp_path / "log", tmp_path / "stub", tmp_path / "venv"
    stub.write_text(STUB.replace("LOG", str(log)).replace("PYTHON", sys.executable))
    stub.chmod(0o755)
    log.touch()
    # a make that runs the tests hands its variables down
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "LOCKED")}

    def of(*stamps):
        makes = [
            subprocess.Popen(
                [shutil.which("make"), f"VENV={venv}", f"PYTHON={stub}", f"PIP={stub}", target],
                cwd=ROOT,
                env=env,
            )
            for target in (f"{venv}/{stamp}" for stamp in stamps)
        ]
        assert [make.wait(60) for make in makes] == [0] * len(stamps)
        return log.read_text().splitlines()

    return of


def test_two_makes_install_one_after_the_other(installed):
    log = installed(".test", ".docs")
    assert log[0] == "venv"  # and not once more, which would empty it
    first, second = log[1:3], log[3:]
    assert sorted([first, second]) == [
        ["begin .[docs]", "end .[docs]"],
        ["begin .[test]", "end .[test]"],
    ]


def test_what_another_make_has_installed_is_not_installed_again(installed):
    assert installed(".test", ".test") == ["venv", "begin .[test]", "end .[test]"]


def test_development_environment_holds_the_others(installed):
    expected = ["venv", "begin .[dev,docs]", "end .[dev,docs]"]
    assert installed(".dev") == expected
    assert installed(".base", ".test", ".docs", ".dev") == expected


# --- front matter ---------------------------------------------------------------------------------


def read(name):
    return (ROOT / name).read_text("utf-8")


def test_citation_has_the_version_and_licence_of_the_package():
    citation, package = yaml.safe_load(read("CITATION.cff")), metadata()["metadata"]
    assert citation["version"] == package["version"]
    assert citation["license"] == package["license_expression"]
    assert citation["authors"] == [{"name": package["author"]}]
    assert citation["keywords"] == package["keywords"].split(", ")
    assert {"cff-version", "message", "title"} <= set(citation)
    (paper,) = citation["references"]
    assert paper["doi"] in read("README.md")


def test_read_the_docs_builds_as_make_does():
    described = yaml.safe_load(read(".readthedocs.yaml"))
    (install,) = described["python"]["install"]
    assert install == {"method": "pip", "path": ".", "extra_requirements": ["docs"]}
    assert described["sphinx"] == {"configuration": "docs/conf.py", "fail_on_warning": True}
    assert " -W " in re.search(r"^docs: .*\n\t(.*)$", read("Makefile"), re.MULTILINE)[1]
    python = described["build"]["tools"]["python"]
    assert f"Python :: {python}\n" in metadata()["metadata"]["classifiers"] + "\n"


def test_conda_environment_installs_extras_that_exist():
    *conda, pip = yaml.safe_load(read("environment.yml"))["dependencies"]
    assert {"python=3.11", "pip"} <= set(conda)
    named = re.fullmatch(r"\.\[(.*)\]", pip["pip"][0])[1].split(",")
    assert set(named) <= set(extras())


@pytest.mark.parametrize("name", ["bug_report", "feature_request", "question"])
def test_forms_of_issues_are_complete(name):
    form = yaml.safe_load(read(f".github/ISSUE_TEMPLATE/{name}.yml"))
    assert set(form) == {"name", "description", "labels", "body"}
    fields = [one for one in form["body"] if one["type"] != "markdown"]
    assert all(one["type"] == "textarea" and one["attributes"]["label"] for one in fields)
    assert len({one["id"] for one in fields}) == len(fields)
    assert any(one.get("validations") == {"required": True} for one in fields)


def test_bug_reports_ask_for_data_model_and_versions():
    form = read(".github/ISSUE_TEMPLATE/bug_report.yml")
    for wanted in ("ds.info()", "ds.downscale.grid", "print(model)", "xr-dl4ds --version"):
        assert wanted in form
    config = yaml.safe_load(read(".github/ISSUE_TEMPLATE/config.yml"))
    assert config == {"blank_issues_enabled": False}


def test_supported_versions_are_those_of_setup_cfg():
    page, package = read("docs/support.md"), metadata()
    rows = re.findall(r"^\| (\w+)(?: \(.*\))? \| ([\d.]+) \| ([^|]+) \|", page, re.MULTILINE)
    oldest = {name.lower(): version for name, version, _ in rows}
    pythons = re.findall(r"Python :: (3\.\d+)$", package["metadata"]["classifiers"], re.MULTILINE)
    assert (oldest.pop("python"), rows[0][2]) == (pythons[0], pythons[-1])
    required = package["options"]["install_requires"] + "".join(extras().values())
    bounds = dict(re.findall(r"^(\w+)(?:>=|==)([\d.]+)$", required, re.MULTILINE))
    # 2.18.* of Horovod stands in the row of Horovod
    assert oldest == {name: bounds[name] for name in oldest}
    assert set(bounds) == set(oldest)
    assert f"`format_version`, at present {storage.FORMAT_VERSION}." in page


def test_release_guide_is_short():
    steps = re.findall(r"^(\d+)\. ", read("docs/releasing.md"), re.MULTILINE)
    assert steps == [str(number) for number in range(1, len(steps) + 1)]
    assert len(steps) <= 12


@pytest.mark.parametrize(
    "path",
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").glob("*.md")],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_relative_links_lead_somewhere(path):
    prose = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(<?([^)>\s]+)>?\)", re.sub(r"`[^`\n]*`", "", prose))
    files = [link.partition("#")[0] for link in links if not re.match(r"[a-z]+:", link)]
    assert [name for name in files if name and not (path.parent / name).exists()] == []


# --- release --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def release():
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release_check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_manifest_names_all_that_git_has(release):
    files = release.tracked()
    if files is None:
        pytest.skip("no git repository")
    words = set(read("MANIFEST.in").split())
    assert {name.partition("/")[0] for name in files} <= words | {"setup.cfg", "pyproject.toml"}


def test_distributions_are_compared_with_the_repository(release, tmp_path):
    files = {"README.md", "tests/conftest.py", "xr_dl4ds/__init__.py", "xr_dl4ds/py.typed"}
    sdist, wheel = tmp_path / "p-1.tar.gz", tmp_path / "p-1-py3-none-any.whl"

    def build(source, package):
        with tarfile.open(sdist, "w:gz") as archive:
            for name in {*source, "PKG-INFO", "xr_dl4ds.egg-info/SOURCES.txt"}:
                archive.addfile(tarfile.TarInfo(f"p-1/{name}"))
        with zipfile.ZipFile(wheel, "w") as archive:
            for name in {*package, "p-1.dist-info/RECORD"}:
                archive.writestr(name, "")
        return release.differences(sdist, wheel, files)

    package = {"xr_dl4ds/__init__.py", "xr_dl4ds/py.typed"}
    assert build(files, package) == []
    assert build(files - {"tests/conftest.py"}, package) == ["the sdist lacks tests/conftest.py"]
    assert build({*files, "notes.txt"}, package - {"xr_dl4ds/py.typed"}) == [
        "the sdist has notes.txt, which git does not",
        "the wheel lacks xr_dl4ds/py.typed",
    ]
    assert build(files, {*package, "tests/conftest.py"}) == [
        "the wheel has tests/conftest.py, which git does not"
    ]


def test_no_registry_is_named():
    # pip's own configuration says where packages come from
    for name in ("Makefile", "setup.cfg", "environment.yml", ".ci/release_check.py"):
        assert not re.search(r"index-url|--find-links|pypi\.|https?://", read(name))


# --- the marker -----------------------------------------------------------------------------------

MARKED = """
import sys
sys.modules["horovod"] = None  # not to be found
import pytest

@pytest.mark.horovod
def test_that_imports():
    import horovod

@pytest.mark.horovod
def test_that_skips_for_horovod():
    pytest.importorskip("horovod.tensorflow", exc_type=ImportError)

@pytest.mark.horovod
def test_that_skips_for_another_thing():
    pytest.skip("no sshd")

def test_of_others():
    pass
"""


def run_marked(folder, **variables):
    path = folder / "test_marked.py"
    path.write_text(MARKED)
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "-n", "0", "-rs"]
    command += ["-m", ""]  # whatever tier is the default
    command += ["--rootdir", folder, "-p", "tests.conftest", "-p", "no:cacheprovider", path]
    env = {k: v for k, v in os.environ.items() if k != "XR_DL4DS_HOROVOD"} | variables
    env["PYTHONPATH"] = str(ROOT)
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_marked_tests_skip_without_horovod(tmp_path):
    done = run_marked(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 3 skipped" in done.stdout
    assert "Horovod is not installed (make horovod)" in done.stdout


@pytest.mark.slow
def test_marked_tests_fail_without_horovod_where_it_is_expected(tmp_path):
    done = run_marked(tmp_path, XR_DL4DS_HOROVOD="1")
    assert done.returncode == 1
    assert "2 failed, 1 passed, 1 skipped" in done.stdout, done.stdout
    assert "XR_DL4DS_HOROVOD=1, but could not import 'horovod.tensorflow'" in done.stdout
