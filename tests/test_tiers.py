"""Each test stands in one tier, and the first tier meets all of the package.

What is collected is seen by `tests.conftest`; these tests skip where only a part of the suite is.
"""

import ast
import dataclasses
import functools
import pathlib

import pytest

import xr_dl4ds as xd
from tests.conftest import COLLECTED, TIERS, part_of
from tests.tiers import every, thinned
from xr_dl4ds import exceptions
from xr_dl4ds.config import choices

TESTS = pathlib.Path(__file__).parent
PACKAGE = pathlib.Path(xd.__file__).parent


# --- parameters -----------------------------------------------------------------------------------


def marked(parameters):
    return [len(p.marks) for p in parameters]


def test_parameters_outside_the_first_tier_are_marked():
    assert marked(every(3, list("abcde"), also="c")) == [0, 1, 0, 0, 1]
    assert marked(thinned([("a", 1), ("a", 2)], [("a", 2)])) == [1, 0]
    assert [p.values for p in every(2, ["ab"])] == [("ab",)]


def test_parts_are_all_of_a_tier():
    ids = [f"tests/test_{i}.py" for i in range(700)]
    parts = [part_of(one, 7) for one in ids]
    assert set(parts) == set(range(1, 8))
    assert min(map(parts.count, range(1, 8))) > 70  # about a seventh each
    # CRC-32 of "a" is 0xE8B7BE43, 3904355907, of which 3 is left by 7 (published test value)
    assert part_of("a", 7) == 3904355907 % 7 + 1


# --- what is collected ----------------------------------------------------------------------------


@pytest.fixture
def collected(request):
    """Return, for each collected test, its file, its function's name and its tiers."""
    found = request.config.stash[COLLECTED]
    if {file for file, _, _ in found if file.is_relative_to(TESTS)} != set(files_of_tests()):
        pytest.skip("only a part of the suite is collected")
    return found


def files_of_tests():
    return sorted(TESTS.rglob("test_*.py"))


def test_each_test_stands_in_one_tier(collected):
    several = {(file.name, name, tiers) for file, name, tiers in collected if len(tiers) > 1}
    assert several == set()
    assert {tier for _, _, tiers in collected for tier in tiers} == set(TIERS)


@pytest.fixture
def first(collected):
    """Return the syntax trees of the test files, without what stands in other tiers alone."""
    kept = {}
    for file, name, tiers in collected:
        if not tiers:
            kept.setdefault(file, set()).add(name)
    return {file: _only(ast.parse(file.read_text("utf-8")), names) for file, names in kept.items()
            if file.is_relative_to(TESTS)}  # fmt: skip


def _only(tree, names):
    """Drop test functions that are not in `names`."""
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))
        or node.name in names
    ]
    return tree


def helpers():
    """Return the trees of what tests share, errors' cases and grids among it."""
    files = set(TESTS.rglob("*.py")) - set(files_of_tests())
    return [ast.parse(file.read_text("utf-8")) for file in files]


def imported(tree):
    """Yield the full names of modules of the package, and of what is taken from them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("xr_dl4ds"):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def mirrored(file):
    """Return the module, less the package's name, that a test file mirrors."""
    *folders, name = file.relative_to(TESTS).with_suffix("").parts
    return ".".join([*folders, name.removeprefix("test_")])


def test_each_module_is_met_in_the_first_tier(first):
    met = {name for tree in first.values() for name in imported(tree)}
    met |= {f"xr_dl4ds.{mirrored(file)}" for file in first}
    missing = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(("xr_dl4ds", *path.relative_to(PACKAGE).with_suffix("").parts))
        if name.endswith("__init__") or name in met or _reexported(path) & met:
            continue
        missing.append(name)
    assert missing == [], "no test of the first tier imports or mirrors these"


@functools.cache
def _reexported(path):
    """Return the names under which the package's folder offers what a module defines."""
    tree = ast.parse(path.read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = {node.name for node in tree.body if isinstance(node, kinds)}
    folder = ".".join(("xr_dl4ds", *path.parent.relative_to(PACKAGE).parts))
    return frozenset(f"{folder}.{name}" for name in names)


def given(trees):
    """Return the names of keywords and of keys of dictionaries, with the constants given."""
    found = {}
    for node in (n for tree in trees for n in ast.walk(tree)):
        if isinstance(node, ast.keyword) and node.arg:
            found.setdefault(node.arg, []).append(node.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    found.setdefault(key.value, []).append(value)
    return found


OPTIONS = [
    (cls.__name__, field.name, field.default)
    for cls in (xd.Network, xd.Sampling, xd.Supervised, xd.Adversarial)
    for field in dataclasses.fields(cls)
]


def test_each_option_has_another_value_than_its_default_in_the_first_tier(first):
    values = given([*first.values(), *helpers()])
    missing = []
    for owner, name, default in OPTIONS:
        constants = [v.value for v in values.get(name, []) if isinstance(v, ast.Constant)]
        others = [v for v in values.get(name, []) if not isinstance(v, ast.Constant)]
        if not others and all(value == default for value in constants):
            missing.append(f"{owner}.{name}")
    assert missing == []


def test_each_choice_of_an_option_is_named_in_the_first_tier(first):
    trees = [*first.values(), *helpers()]
    texts = {n.value for t in trees for n in ast.walk(t) if isinstance(n, ast.Constant)}
    tables = {n for tree in first.values() for n in imported(tree)}
    for name, listed in vars(choices).items():
        if name.isupper() and isinstance(listed, tuple) and not name.endswith("BLOCKS"):
            whole = {f"xr_dl4ds.config.{name}", f"xr_dl4ds.config.choices.{name}"} & tables
            assert whole or set(listed) <= texts, name


def test_each_class_of_errors_is_raised_in_the_first_tier(first):
    trees = [*first.values(), *helpers()]
    expected = {
        n.id if isinstance(n, ast.Name) else n.attr
        for tree in trees
        for call in ast.walk(tree)
        if isinstance(call, (ast.Call, ast.keyword))
        for n in ast.walk(call)
        if isinstance(n, (ast.Name, ast.Attribute))
    }
    own = {n for n, c in vars(exceptions).items() if isinstance(c, type)}
    assert own <= expected
