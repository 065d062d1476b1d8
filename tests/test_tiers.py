"""Each test stands in one tier, and the first tier meets all of the package.

What is collected is seen by `tests.conftest`; these tests skip where only a part of the suite is.
"""

import argparse
import ast
import dataclasses
import pathlib
import subprocess
import sys

import pytest

import xr_dl4ds as xd
from tests.conftest import COLLECTED, _thin_out, part_of, parts_of
from tests.tiers import every, rotated, thinned
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
    # a1, b2 and c1 of a1, a2, b1, b2, c1, c2
    assert marked(rotated("abc", [1, 2])) == [0, 1, 1, 0, 0, 1]


class Item:
    """As much of pytest's as thinning looks at."""

    def __init__(self, nodeid, n=None, marks=()):
        self.nodeid, self.n, self.marks, self.added = nodeid, n, marks, []

    def get_closest_marker(self, name):
        if name != "sparse":
            return name if name in self.marks else None
        return None if self.n is None else pytest.mark.sparse(self.n).mark

    def add_marker(self, name):
        self.added.append(name)


def test_each_third_case_of_a_sparse_test_is_in_the_first_tier():
    items = [Item(f"a.py::test[{i}]", 3) for i in range(5)]
    items += [Item("a.py::other[0]", 3), Item("a.py::plain[0]")]
    _thin_out(items)
    assert [bool(item.added) for item in items] == [False, True, True, False, True, False, False]
    assert items[1].added == ["full"]


def test_parts_take_files_and_jobs_in_turn():
    items = [Item(f"{name}.py::test[{i}]", marks=["slow"]) for name in "abc" for i in range(2)]
    items += [Item(f"h.py::test[{i}]", marks=["slow", "horovod"]) for i in range(2)]
    items += [Item("a.py::quick")]
    expected = {"a.py": 1, "b.py": 2, "c.py": 1, "h.py::test[0]": 2, "h.py::test[1]": 1}
    assert parts_of(items, 2) == expected


@pytest.mark.parametrize("text", ["3", "0/7", "8/7", "0/0", "1/2/3", "x", "none", ""])
def test_what_is_no_part_is_told(text):
    with pytest.raises(argparse.ArgumentTypeError, match="Expected a part from 1/N to N/N, got"):
        part_of(text)
    assert part_of("12/30") == (12, 30)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ("-m slow --part 400/500", 0, "fewer tests than parts: 400/500 has none"),
        ("-m slow --part 400/500 -n 1", 0, "fewer tests than parts: 400/500 has none"),
        ("-m slow --part 400/500 -k nothing", 5, " deselected"),
        ("-m slow --part 1/500 --collect-only", 0, "1/"),
        ("-m slow --part 8/7", 4, "Expected a part from 1/N to N/N, got '8/7'"),
    ],
)
def test_a_part_without_tests_ends_well(options, code, said):
    """Once with the code 5 of pytest, as if nothing could be found."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options.split()]
    file = str(TESTS / "writing" / "test_store.py")
    run = subprocess.run([*command, file], cwd=TESTS.parent, capture_output=True, text=True)
    assert run.returncode == code, run.stdout + run.stderr
    assert said in run.stdout + run.stderr


# --- what is collected ----------------------------------------------------------------------------


@pytest.fixture
def collected(request):
    """Return file, function, marks of tiers and part of each test that was collected."""
    found = request.config.stash[COLLECTED]
    if not set(files_of_tests()) <= {file for file, *_ in found}:
        pytest.skip("only a part of the suite is collected")
    return found


def files_of_tests():
    return sorted(TESTS.rglob("test_*.py"))


#: Marks of the tiers. Slow tests of Horovod stand in its tier, and run in turn there.
MARKS = {(), ("slow",), ("full",), ("horovod",), ("slow", "horovod")}


def test_each_test_stands_in_one_tier(collected):
    assert {marks for _, _, marks, _ in collected} == MARKS


@pytest.mark.parametrize("marks", [("slow",), ("slow", "horovod")], ids=" ".join)
def test_each_day_of_a_week_has_a_part(collected, marks):
    assert {part for _, _, found, part in collected if found == marks} == set(range(1, 8))


@pytest.fixture
def first(collected):
    """Return the syntax trees of the test files, without what stands in other tiers alone."""
    kept = {}
    for file, name, marks, _ in collected:
        if not marks:
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


def mirrored(file):
    """Return the module, less the package's name, that a test file mirrors."""
    *folders, name = file.relative_to(TESTS).with_suffix("").parts
    return ".".join([*folders, name.removeprefix("test_")])


def named(tree):
    """Return all names that stand in a syntax tree: variables, attributes, imports, keywords."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            found.update(alias.name for alias in node.names)
    return found


def defined(path):
    """Return the public functions, classes, methods and tables of a module."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    tree = ast.parse(path.read_text("utf-8"))
    nodes = [*tree.body, *(m for c in tree.body if isinstance(c, ast.ClassDef) for m in c.body)]
    names = {n.name for n in nodes if isinstance(n, kinds)}
    names |= {t.id for n in nodes if isinstance(n, ast.Assign) for t in n.targets
              if isinstance(t, ast.Name)}  # fmt: skip
    names |= {n.target.id for n in nodes if isinstance(n, ast.AnnAssign)
              if isinstance(n.target, ast.Name)}  # fmt: skip
    return {name for name in names if not name.startswith("_")} - {"logger"}


def test_each_module_is_met_in_the_first_tier(first):
    """A test file mirrors it, or a public name of it stands in tests or in a module met by them."""
    mirrors = {mirrored(file) for file in first}
    used = set().union(*map(named, [*first.values(), *helpers()]))
    modules = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
    }
    met = {name for name, path in modules.items() if name in mirrors or defined(path) & used}
    assert len(met) > 0.9 * len(modules)
    used |= set().union(*(named(ast.parse(modules[name].read_text("utf-8"))) for name in met))
    assert [name for name in modules.keys() - met if not defined(modules[name]) & used] == []


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
    tables = set().union(*map(named, first.values()))
    for name, listed in vars(choices).items():
        if name.isupper() and isinstance(listed, tuple) and not name.endswith("BLOCKS"):
            assert name in tables or set(listed) <= texts, name


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
