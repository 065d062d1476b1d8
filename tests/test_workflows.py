"""Tests of the workflows in .github, held against the Makefile, setup.cfg and `.ci/run`."""

import configparser
import importlib.util
import pathlib
import re

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in FILES}
JOBS = {
    f"{name}/{job}": described
    for name, workflow in WORKFLOWS.items()
    for job, described in workflow["jobs"].items()
}
STEPS = [step for job in JOBS.values() for step in job.get("steps", [])]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def metadata():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def pythons():
    """The versions among the classifiers."""
    return re.findall(r"Python :: (3\.\d+)$", metadata()["metadata"]["classifiers"], re.MULTILINE)


def made(commands):
    """The targets of `make` in lines of shell."""
    lines = re.findall(r"^\s*make (.*)$", commands, re.MULTILINE)
    words = [word for line in lines for word in line.split()]
    return {word for word in words if not word.startswith("-") and "=" not in word}


def hosted(name=None):
    """The targets that the jobs of a workflow make, or of all."""
    jobs = [job for key, job in JOBS.items() if name is None or key.startswith(f"{name}/")]
    return made("\n".join(step.get("run", "") for job in jobs for step in job.get("steps", [])))


def expanded(text):
    """Text of the Makefile with its variables, as they are without others in the environment."""
    variables = dict(re.findall(r"^(\w+) (?:\?|:)?= ?(.*)$", MAKEFILE, re.MULTILINE))
    while found := re.search(r"\$\((\w+)\)", text):
        text = text.replace(found[0], variables[found[1]])
    return text.strip()


def test_targets_are_those_of_the_makefile():
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    (stamps,) = re.findall(r"^STAMPS := \$\(addprefix \$\(VENV\)/,(.*)\)$", MAKEFILE, re.MULTILINE)
    environments = {f"{expanded('$(VENV)')}/{stamp}" for stamp in stamps.split()}
    assert hosted() <= set(phony.split()) | environments


def test_each_tier_and_each_check_runs_somewhere():
    assert {"test", "test-slow", "test-full", "test-horovod"} <= hosted()
    assert {"lint", "types", "contracts", "docstrings", "docs", "demo"} <= hosted("ci")
    assert {"test", "test-horovod"} <= hosted("ci")  # and not only at night
    assert {"test-slow", "test-full"} <= hosted("nightly")


def test_what_runs_on_one_machine_is_hosted_too():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    here = set(re.findall(r"\b(?:step|beside) \w+ run ([a-z-]+)", script))
    assert {"test", "test-slow", "test-horovod", "docs"} <= here
    assert here <= hosted()


def test_windows_runs_the_command_of_the_makefile():
    (recipe,) = re.findall(r"^test: .*\n\t(.*)$", MAKEFILE, re.MULTILINE)
    windows = [step for step in STEPS if step.get("if") == "runner.os == 'Windows'"]
    commands = [step["run"] for step in windows]
    expected = expanded(recipe).replace(f"{expanded('$(BIN)')}/", "")
    assert expected.startswith("python -m pytest -n 2")
    assert commands == ['python -m pip install --editable ".[test]"', expected]
    others = [s for s in JOBS["ci/test"]["steps"] if s.get("if") == "runner.os != 'Windows'"]
    assert [step["run"] for step in others] == ["make test"]


def test_python_versions_are_those_of_the_package():
    supported = pythons()
    assert JOBS["ci/test"]["strategy"]["matrix"]["python"] == supported
    assert metadata()["options"]["python_requires"] == f">={supported[0]}"
    named = [step["with"]["python-version"] for step in STEPS if "python-version" in str(step)]
    assert set(named) <= {*supported, "${{ matrix.python }}"}


def test_oldest_dependencies_have_the_oldest_python():
    (oldest,) = JOBS["ci/test"]["strategy"]["matrix"]["include"]
    assert oldest["dependencies"] == "oldest"
    assert oldest["python"] == pythons()[0]


def test_oldest_dependencies_are_the_lower_bounds(tmp_path):
    spec = importlib.util.spec_from_file_location("oldest", ROOT / ".ci" / "oldest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path / "setup.cfg"
    path.write_text(
        "[options]\ninstall_requires =\n    # a comment\n    numpy>=2.0\n    pandas\n"
        "    dask[array]>=2025.1,<2027\n[options.extras_require]\nzarr =\n    zarr>=3\n"
        "horovod =\n    horovod==0.28.1\n"
    )
    assert module.oldest(path) == ["numpy==2.0", "dask==2025.1", "zarr==3"]
    assert set(module.oldest()) > {"numpy==2.0", "xarray==2025.1.2"}


@pytest.mark.parametrize("name", JOBS)
def test_jobs_end(name):
    job = JOBS[name]
    if "uses" not in job:  # a called workflow has timeouts of its own
        assert 0 < job["timeout-minutes"] <= 360


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_may_only_read_and_do_not_pile_up(name):
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {"contents": "read"}
    # a called workflow must not wait for the group of its caller
    assert workflow["concurrency"]["group"] == f"{name}-${{{{ github.ref }}}}"
    further = {key for key, job in workflow["jobs"].items() if "permissions" in job}
    assert further == ({"publish"} if name == "release" else set())


def test_only_publishing_has_a_token():
    publish = JOBS["release/publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["environment"] == "pypi"
    assert publish["needs"] == ["ci", "build"]
    assert JOBS["release/ci"] == {"uses": "./.github/workflows/ci.yml"}
    # YAML reads the key `on` as true
    assert WORKFLOWS["release"][True] == {"push": {"tags": ["v*"]}}
    assert "workflow_call" in WORKFLOWS["ci"][True]
    assert all(
        step["with"] == {"persist-credentials": False}
        for step in STEPS
        if step.get("uses", "").startswith("actions/checkout@")
    )


def test_actions_are_pinned_to_a_major_version():
    used = {step["uses"] for step in STEPS if "uses" in step}
    assert all(re.fullmatch(r"[\w/-]+@(release/)?v\d+", name) for name in used)


def test_actions_and_dependencies_are_kept_up_to_date():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text("utf-8"))["updates"]
    assert {one["package-ecosystem"] for one in updates} == {"github-actions", "pip"}
