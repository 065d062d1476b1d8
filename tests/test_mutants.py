"""The mutation test of the suite: its edits, its choice of tests, and a whole run on a toy."""

import ast
import importlib
import json
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def mutations(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("mutations")


@pytest.fixture
def mutants(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("mutants")


def edits(mutations, text, kind=None):
    """The mutated texts of a kind that count, in the order of the text."""
    found = [m for m in mutations.mutants_of("m.py", text) if mutations.changes(m, text)]
    return [m.applied(text) for m in found if kind in (None, m.kind)]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("comparison", "a < b", ["a <= b"]),
        ("comparison", "a >= b == c", ["a > b == c", "a >= b != c"]),
        ("comparison", "x is None", ["x is not None"]),
        ("comparison", "x not in y", ["x in y"]),
        ("comparison", "(a\n) != (  # why\nb)", ["(a\n) == (  # why\nb)"]),
        ("off by one", "x[1:]", ["x[2:]"]),
        ("off by one", "x[a:b.c]", ["x[a + 1:b.c]", "x[a:b.c - 1]"]),
        ("off by one", "f(True, 0.5, -1)", ["f(True, 0.5, -2)"]),
        ("swap", "f(a, b, c, *d)", ["f(b, a, c, *d)", "f(a, c, b, *d)"]),
        ("swap", "x = (y + 1), x", ["x = (x), y + 1"]),
        ("swap", "x in (a, b)\nmax(a, b)\na.startswith((b, c))\nf(a, a)\na.sum(axis=(1, 2))", []),
        ("dropped mask", "a.b(c).where(d, 0) + 1", ["a.b(c) + 1"]),
        ("dropped mask", "(a\n.where(b))", ["(a\n)"]),
        ("dropped mask", "np.where(a, b + c, 0) * 2", ["(b + c) * 2"]),
        ("dropped mask", "np.where(a, np.nan, b)", ["(b)"]),
        ("dropped mask", "np.where(a)", []),
        (
            "wrong default",
            "def f(a, b=True, *, c=None, d=-2): pass",
            ["def f(a, b=False, *, c=None, d=-2): pass", "def f(a, b=True, *, c=None, d=-3): pass"],
        ),
        (
            "wrong default",
            "@dataclass\nclass A:\n    a: float = 0.5\n    b: str = 'c'",
            ["@dataclass\nclass A:\n    a: float = 1.5\n    b: str = 'c'"],
        ),
        ("wrong default", "class A:\n    a: int = 1", []),
        ("swallowed error", "if a:\n    raise E(\n  b)\nc", ["if a:\n    pass\nc"]),
        ("negated condition", "if a and b: c", ["if not (a and b): c"]),
        ("negated condition", "a if not b else c", ["a if b else c"]),
        ("negated condition", "[a for a in b if a]", ["[a for a in b if not (a)]"]),
        ("arithmetic", "a + b // c", ["a - b // c", "a + b * c"]),
        ("arithmetic", "a *= b", ["a /= b"]),
        ("arithmetic", "'a' + b\n[0] * c\na % b", []),
        ("and/or", "a and b and c", ["a or b and c", "a and b or c"]),
        ("and/or", "a or b", ["a and b"]),
    ],
)
def test_a_kind_makes_the_edits_worked_out_by_hand(mutations, kind, text, expected):
    assert edits(mutations, text, kind) == expected


@pytest.mark.parametrize(
    "text",
    [
        '"""Adds 1 + 2."""',
        "x: Literal[1, 2]",
        "def f(x: tuple[int, str]) -> Literal[1]: pass",
        "if TYPE_CHECKING:\n    import a\n    x = 1 + 2",
        "logger.info('a', b + 1, c)",
        "f'{a + 1}'",
        "isinstance(a, (b, c))",
        "try: f()\nexcept (A, B): g()",
    ],
)
def test_what_no_test_can_see_is_not_mutated(mutations, text):
    assert edits(mutations, text) == []


TEXT = '''"""Degrees × 2."""

é = "é" if a < 1 else "ê"  # kept: é\r
def f(y, x=2):
    return g(y, x) * 2 if y == x else None  \t
'''


def test_an_edit_leaves_all_other_bytes(mutations):
    found = [m for m in mutations.mutants_of("m.py", TEXT) if mutations.changes(m, TEXT)]
    assert {m.kind for m in found} >= {"comparison", "off by one", "swap", "wrong default"}
    for mutant in found:
        before, after = TEXT[: mutant.start].encode(), TEXT[mutant.end :].encode()
        assert mutant.applied(TEXT).encode() == before + mutant.new.encode() + after
        assert TEXT.encode() == before + mutant.old.encode() + after
        row = TEXT.split("\n")[mutant.line - 1]
        assert row[mutant.column - 1 :].startswith(mutant.old)
        assert ast.dump(ast.parse(mutant.applied(TEXT))) != ast.dump(ast.parse(TEXT))


def test_lines_whose_tests_are_taken(mutations):
    text = "a = 1\ndef f(b=2):\n    c(\n        3,\n    )\nclass D:\n    e = 4\n    def g(): 5"
    found = {m.old: m.lines for m in mutations.mutants_of("m.py", text)}
    assert found == {
        "1": ((),),  # at import
        "2": ((3, 4, 5),),  # with the function's body
        "3": ((4,), (3, 4, 5)),  # its line, then its statement
        "4": ((8,),),  # with the methods of the class
        "5": ((8,), (8,)),
    }


def test_a_sample_is_seeded_takes_the_kinds_in_turn_and_grows_at_its_end(mutations):
    modules = sorted((FOLDER.parent / "xr_dl4ds" / "metrics").glob("*.py"))
    sources = {path.name: path.read_bytes().decode() for path in modules}
    found = mutations.sample(sources, 20, 0)
    assert found == mutations.sample(dict(reversed(sources.items())), 20, 0)
    assert found[:12] == mutations.sample(sources, 12, 0)
    assert found != mutations.sample(sources, 20, 1)
    assert {m.kind for m in found[:9]} == set(mutations.KINDS)
    assert len({(m.file, m.line) for m in found}) == 20
    assert all(mutations.changes(m, sources[m.file]) for m in found)


# --- a toy project ------------------------------------------------------------------------------

TOY = {
    # without plugins that take seconds to import
    "pyproject.toml": """
[tool.pytest.ini_options]
markers = ["slow: slow"]
addopts = ["-p", "no:zarr", "-p", "no:hypothesispytest", "-p", "no:pytest_cov"]
""",
    "xr_dl4ds/__init__.py": "",
    "xr_dl4ds/adding.py": "def total(a, b):\n    return a + b\n",
    "xr_dl4ds/signs.py": "def positive(a):\n    return a > 0\n",
    "tests/__init__.py": "",
    "tests/test_adding.py": """
import pathlib
import pytest
from xr_dl4ds.adding import total

@pytest.mark.slow
def test_that_fails_in_a_copy():
    assert pathlib.Path(__file__).parents[1].name == "toy"

@pytest.mark.parametrize(('a', 'b', 'expected'), [(2, 1, 3)], ids=['a [b]::c | d'])
def test_total(a, b, expected):
    assert total(a, b) == expected
""",
    "tests/test_signs.py": """
import pytest
import xr_dl4ds.signs

def test_far_from_zero():
    assert xr_dl4ds.signs.positive(5)

@pytest.mark.slow
def test_zero():
    assert not xr_dl4ds.signs.positive(0)
""",
}
TOTAL = "tests/test_adding.py::test_total[a [b]::c | d]"


@pytest.fixture
def toy(tmp_path):
    """The root of a git repository with a package of two modules, and their tests."""
    root = tmp_path / "toy"
    for name, text in TOY.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for command in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *command], cwd=root, check=True)
    (root / "tests" / "test_untracked.py").write_text("assert False")
    return root


def mutant_of(mutations, file, old):
    return next(m for m in mutations.mutants_of(file, TOY[file]) if m.old == old)


@pytest.mark.slow
def test_a_toy_from_mutants_to_outcomes(mutants, mutations, toy, tmp_path, capsys):
    suites = [mutants.Suite("all", toy), mutants.Suite("quick", toy, tier="not slow")]
    chosen = [
        mutant_of(mutations, "xr_dl4ds/adding.py", "+"),
        mutant_of(mutations, "xr_dl4ds/signs.py", ">"),
    ]
    out = tmp_path / "mutants.json"
    report = mutants.compare(suites, chosen, out)
    found = [
        {name: (one["outcome"], one["by"]) for name, one in row["outcomes"].items()}
        for row in report["mutants"]
    ]
    assert found == [
        {"all": ("killed", TOTAL), "quick": ("killed", TOTAL)},
        {"all": ("killed", "tests/test_signs.py::test_zero"), "quick": ("survived", "")},
    ]
    assert json.loads(out.read_text()) == report
    assert {name: (toy / name).read_text() for name in TOY} == TOY
    assert "4/4" in capsys.readouterr().out
    # all is there: nothing runs
    assert mutants.compare(suites, chosen, out) == report
    assert capsys.readouterr().out == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the test that is wanted below is gone, as a mutant may rename the tests of its options
        ("def total(a, b):\n    return 0\n", ("killed", TOTAL)),
        ("def total(a, b):\n    while True: pass\n", ("limit", "")),
        ("raise ImportError\n", ("killed", "collection")),
        ("import os\nos._exit(7)\n", ("broken", "exit 7: ")),
    ],
)
def test_other_outcomes(mutants, mutations, toy, tmp_path, text, expected):
    tests = {"tests/test_adding.py": ["tests/test_adding.py::test_total[gone]"]}
    copy = mutants.Copy(mutants.Suite("toy", toy, tests=tests), tmp_path / "copy")
    old = TOY["xr_dl4ds/adding.py"]
    rest = {"file": "xr_dl4ds/adding.py", "line": 2, "column": 1, "kind": "all", "lines": ()}
    mutant = mutations.Mutant(id="0", start=0, end=len(old), old=old, new=text, **rest)
    found = copy.trial(mutant, 10 if expected[0] != "limit" else 2, 400)
    assert (found["outcome"], found["by"]) == expected
    assert (copy.root / mutant.file).read_text() == old


def test_tests_that_cover_a_line_run_first_the_mirrored_ones(mutants, mutations, monkeypatch):
    mutant = mutations.mutants_of("xr_dl4ds/grid/axis.py", "def f():\n    return 1")[0]
    names = {"grid/test_axis.py": 2, "test_a.py": 2, "test_b.py": 3, "test_other.py": 1}
    tests = {f"tests/{f}": [f"tests/{f}::{k}" for k in range(n)] for f, n in names.items()}
    suite = mutants.Suite("toy", FOLDER, tests=tests)
    covering = [t for f in tests for t in tests[f] if "other" not in f]
    noted = ["", *(f"{test}|run" for test in covering), "tests/test_a.py::gone|setup"]
    monkeypatch.setattr(mutants, "contexts", lambda path, file: {2: noted})
    found = suite.chosen(mutant, 400)
    assert sorted(found) == sorted(covering)
    files = [test.split("::")[0].removeprefix("tests/") for test in found]
    near = ["grid/test_axis.py"] * 2
    assert files == [*near, "test_b.py", "test_a.py", "test_b.py", "test_a.py", "test_b.py"]
    assert suite.chosen(mutant, 4) == found[:4]
    suite.unfit.add(found[0])
    assert suite.chosen(mutant, 400) == found[1:]


@pytest.mark.slow
def test_a_line_without_tests_gets_those_of_its_importers(mutants, mutations, toy):
    (toy / "xr_dl4ds" / "uses.py").write_text("from .adding import total")
    (toy / "tests" / "test_uses.py").write_text("from xr_dl4ds import uses")
    subprocess.run(["git", "add", "."], cwd=toy, check=True)
    files = ("test_adding.py", "test_signs.py", "test_uses.py")
    suite = mutants.Suite("toy", toy, tests={f"tests/{f}": [f"tests/{f}::test"] for f in files})
    found = suite.chosen(mutant_of(mutations, "xr_dl4ds/adding.py", "+"), 400)
    assert found == ["tests/test_adding.py::test", "tests/test_uses.py::test"]


def test_contexts_of_a_coverage_file(mutants, tmp_path):
    coverage = pytest.importorskip("coverage")
    data = coverage.CoverageData(str(tmp_path / "data"))
    data.set_context("tests/test_a.py::test_b[c|d]|run")
    data.add_lines({"/somewhere/xr_dl4ds/adding.py": [2, 3]})
    data.write()
    found = mutants.contexts(tmp_path / "data", "xr_dl4ds/adding.py")
    assert found == {line: ["tests/test_a.py::test_b[c|d]|run"] for line in (2, 3)}
    assert mutants.contexts(tmp_path / "data", "xr_dl4ds/other.py") == {}


@pytest.mark.slow
def test_only_modules_that_are_the_same_everywhere_are_mutated(mutants, toy, tmp_path):
    other = tmp_path / "other" / "xr_dl4ds"
    other.mkdir(parents=True)
    (other / "adding.py").write_text(TOY["xr_dl4ds/adding.py"])
    (other / "signs.py").write_text("changed")
    suites = [mutants.Suite("old", toy), mutants.Suite("new", other.parent)]
    assert mutants.sources(suites) == {"xr_dl4ds/adding.py": TOY["xr_dl4ds/adding.py"]}


def row(outcomes, **given):
    usual = {"id": "0a", "file": "a.py", "line": 3, "column": 1, "kind": "swap", "old": "a,\n b"}
    return {**usual, "new": "b | a", **given, "outcomes": outcomes}


def test_the_table_and_its_summary(mutants, tmp_path, capsys):
    killed = {"outcome": "killed", "by": "tests/t.py::t[a|b]"}
    survived = {"outcome": "survived", "by": ""}
    rows = [
        row({"old": killed, "new": killed}),
        row({"old": killed, "new": survived}),
        row({"old": survived, "new": survived}),
        row({"old": killed}),
    ]
    path = tmp_path / "mutants.json"
    path.write_text(json.dumps({"suites": ["old", "new"], "mutants": rows}))
    mutants.main(["--table", str(path)])
    found = capsys.readouterr().out.splitlines()
    assert found[0] == "| id | place | kind | change | old | new | killed by |"
    change = r"`a, b` → `b \| a`"
    assert found[2] == rf"| 0a | a.py:3 | swap | {change} | killed | killed | tests/t.py::t[a\|b] |"
    assert found[-3:] == [
        "Suite old: 3 killed, 1 survived.",
        "Suite new: 2 survived, 1 killed, 1 not run.",
        "new kills 1 (50.0 %) of the 2 mutants old kills.",
    ]


@pytest.mark.slow
def test_the_list_runs_nothing(mutants, toy, tmp_path, capsys):
    out = tmp_path / "mutants.json"
    mutants.main(["--suite", f"toy={toy}", "--list", "--out", str(out)])
    found = capsys.readouterr().out.splitlines()
    assert [line.split(" ", 1)[1] for line in sorted(found, key=lambda line: line[9:])] == [
        "xr_dl4ds/adding.py:2:14 arithmetic: `+` → `-`",
        "xr_dl4ds/signs.py:2:14 comparison: `>` → `>=`",
    ]
    assert not out.exists()


@pytest.mark.slow
def test_a_suite_has_its_tier_and_its_python(mutants, toy):
    parsed = type("Args", (), {"suite": [("a", f"{toy},")], "tier": [("a", "x=1")], "python": []})
    (suite,) = mutants.suites_of(parsed)
    assert (suite.root, suite.coverage, suite.tier) == (toy, None, "x=1")
    assert suite.python == sys.executable
    own = toy / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.touch()
    assert mutants.suites_of(parsed)[0].python == str(own)
    parsed.python = [("b", "python")]
    with pytest.raises(SystemExit, match=r"missing: \{'b'\}"):
        mutants.suites_of(parsed)
