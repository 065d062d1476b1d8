"""What the pages say of networks and errors is what these are."""

import importlib.util
import pathlib

import pytest

from tests.errors import CASES
from tests.errors.case import outcome

DOCS = pathlib.Path(__file__).parents[1] / "docs"


def script_of(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.mark.slow
def test_the_table_of_networks_is_up_to_date():
    script = script_of("make_networks")
    message = "run python docs/make_networks.py"
    assert (DOCS / "networks_table.md").read_text("utf-8") == script.table(), message
    assert script.draw().axes[0].patches, message


@pytest.mark.slow
def test_the_table_of_errors_is_up_to_date():
    script = script_of("make_errors")
    written = (DOCS / "errors_table.md").read_text("utf-8")
    assert written == script.table(), "run python docs/make_errors.py"
    for case in CASES.values():  # and holds every one, word for word
        happened, cure = (script.code(part) for part in script.split(outcome(case).message))
        assert f"| {case.what} |" in written
        assert happened.strip("` ").replace("`", "") in written.replace("`", ""), happened
        assert cure in written


def test_cells_of_the_table_of_errors():
    code = script_of("make_errors").code
    assert code("got 1") == "`got 1`"
    assert code("got `a` | b") == "`` got `a` \\| b ``"
