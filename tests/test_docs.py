"""What the pages say of the networks is what the networks are."""

import importlib.util
import pathlib

import pytest

DOCS = pathlib.Path(__file__).parents[1] / "docs"


@pytest.mark.slow
def test_the_table_of_networks_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_networks", DOCS / "make_networks.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    message = "run python docs/make_networks.py"
    assert (DOCS / "networks_table.md").read_text("utf-8") == script.table(), message
    assert script.draw().axes[0].patches, message
