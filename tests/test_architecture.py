"""The house rules that a machine can check, see CONTRIBUTING.md and setup.cfg."""

import ast
import collections
import configparser
import functools
import graphlib
import importlib
import io
import pathlib
import pkgutil
import re
import subprocess
import sys
import tokenize

import pytest

import xr_dl4ds

ROOT = pathlib.Path(xr_dl4ds.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
#: Ceilings, not goals: a module is about one noun, a function fits on a screen.
MODULE_LINES = 450
FUNCTION_LINES = 60
#: Types are checked everywhere; `Any` is for values that no type describes.
MOST_ANY = 250


def name_of(path):
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


def contract(name):
    """A section of the import contracts in setup.cfg; its module names."""
    parser = configparser.ConfigParser()
    parser.read(ROOT.parent / "setup.cfg")
    return parser[f"importlinter:contract:{name}"]["source_modules"].split()


def array_side():
    folders = contract("array-side")
    found = [p for p in MODULES if any(f"{name_of(p)}.".startswith(f"{f}.") for f in folders)]
    assert len(found) >= len(folders)
    return found


def fresh(code):
    """Run code in a process of its own, which must end well."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def parsed():
    """Return each module's name with its source and its syntax tree."""
    sources = {name_of(path): path.read_text("utf-8") for path in MODULES}
    return {name: (source, ast.parse(source)) for name, source in sources.items()}


def offenders(check, names=None):
    """Return what `check(source, tree)` objects to, for each module in which it finds something."""
    found = {n: check(*both) for n, both in parsed().items() if names is None or n in names}
    return {name: objections for name, objections in found.items() if objections}


def functions(tree):
    return [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]


def code_lines(source):
    """Numbers of the lines that hold code: no comment, no blank line, no docstring."""
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    layout |= {tokenize.ENCODING, tokenize.ENDMARKER}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in layout:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines


def docstring_lines(node):
    if ast.get_docstring(node, clean=False) is None:
        return set()
    return set(range(node.body[0].lineno, node.body[0].end_lineno + 1))


# --- sizes ----------------------------------------------------------------------------------------


def test_modules_are_short():
    def check(source, tree):
        lines = len(source.splitlines())
        return lines if lines > MODULE_LINES else None

    assert offenders(check) == {}, "split these by nouns"


def test_functions_are_short():
    def check(source, tree):
        code, long = code_lines(source), {}
        for function in functions(tree):
            body = range(function.body[0].lineno, function.end_lineno + 1)
            size = len((code & set(body)) - docstring_lines(function))
            if size > FUNCTION_LINES:
                long[function.name] = size
        return long

    assert offenders(check) == {}


def test_the_measure_of_functions_counts_code_alone():
    source = (
        'def f(\n    a,\n):\n    """Doc,\n    long."""\n    # why\n\n    b = (\n        a\n    )\n'
        '    return """x\n    y""", b\n'
    )
    (function,) = functions(ast.parse(source))
    body = set(range(function.body[0].lineno, function.end_lineno + 1))
    # three lines of the assignment, two of the return
    assert len((code_lines(source) & body) - docstring_lines(function)) == 5


# --- habits ---------------------------------------------------------------------------------------


def test_values_without_a_type_are_few():
    found = offenders(lambda source, tree: len(re.findall(r"\bAny\b", source)))
    assert sum(found.values()) <= MOST_ANY


def test_nothing_is_printed():
    def check(source, tree):
        calls = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
        return [f.lineno for f in calls if isinstance(f, ast.Name) and f.id == "print"]

    assert offenders(check) == {}


def test_imports_are_named_and_absolute():
    def check(source, tree):
        froms = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        return [f.lineno for f in froms if f.names[0].name == "*" or f.level]

    assert offenders(check) == {}


def test_public_names_are_documented():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

    def check(source, tree):
        classes = [n for n in tree.body if isinstance(n, ast.ClassDef)]
        shown = [m for c in classes if not c.name.startswith("_") for m in c.body]
        public = [
            n for n in (*tree.body, *shown) if isinstance(n, kinds) and not n.name.startswith("_")
        ]
        missing = [n.name for n in public if not ast.get_docstring(n)]
        return missing if ast.get_docstring(tree) else ["the module itself", *missing]

    assert offenders(check) == {}


def test_offenders_are_all_named(monkeypatch):
    two = {
        n: (s, ast.parse(s)) for n, s in {"a": "print(1)", "b": "x = 1", "c": "print(2)"}.items()
    }
    monkeypatch.setitem(globals(), "parsed", lambda: two)
    assert offenders(lambda source, tree: "print" in source) == {"a": True, "c": True}
    assert offenders(lambda source, tree: "print" in source, {"b", "c"}) == {"c": True}


#: What `Axis` calls its centres, an array already; everywhere else `.values` would load data.
AXES = {"axis", "a", "b", "y", "x", "fine"}


def is_axis(node):
    """``axis.values``, ``grid.y.values``, and those of `Axis` itself."""
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    return name in AXES


def loads_by_values(source, tree):
    """Return the lines that take `.values` of something else than an axis."""
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}  # dict.values()
    inside_axis = {
        id(n)
        for c in ast.walk(tree)
        if isinstance(c, ast.ClassDef) and c.name == "Axis"
        for n in ast.walk(c)
    }
    return [
        n.lineno
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute)
        and n.attr == "values"
        and id(n) not in called | inside_axis
        and not is_axis(n.value)
    ]


def test_array_side_does_not_load_data_by_values():
    names = {name_of(path) for path in array_side()}
    assert offenders(loads_by_values, names) == {}, "use .data, or .to_numpy() where it is meant"
    assert loads_by_values("", ast.parse("a = ds.values\nb = ds.x.values.values()")) == [1]


# --- names ----------------------------------------------------------------------------------------


def twice(names):
    return sorted(name for name, n in collections.Counter(names).items() if n > 1)


def test_no_two_modules_have_one_name():
    assert twice(path.stem for path in MODULES if path.stem != "__init__") == []


def test_no_two_classes_have_one_name():
    trees = (tree for _, tree in parsed().values())
    classes = (n.name for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ClassDef))
    assert twice(name for name in classes if not name.startswith("_")) == []
    assert twice("abca") == ["a"]


# --- layers ---------------------------------------------------------------------------------------


def test_the_root_is_small():
    files = {path.name for path in ROOT.glob("*.py")}
    assert files == {"__init__.py", "downscaler.py", "exceptions.py", "processes.py"}
    assert len(list(ROOT.glob("*/__init__.py"))) == 18


def test_no_imports_go_in_a_circle():
    grimp = pytest.importorskip("grimp")
    graph = grimp.build_graph("xr_dl4ds", cache_dir=None)  # imports for types included
    # `launch` imports itself where it runs as a program
    imports = {n: graph.find_modules_directly_imported_by(n) - {n} for n in graph.modules}
    assert len(list(graphlib.TopologicalSorter(imports).static_order())) == len(MODULES)


def test_layers():
    program = pathlib.Path(sys.executable).parent / "lint-imports"
    if not program.exists():
        pytest.skip("import-linter is not installed")
    arguments = [program, "--config", "setup.cfg", "--no-cache"]
    done = subprocess.run(arguments, cwd=ROOT.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


def test_every_module_can_be_imported():
    names = [m.name for m in pkgutil.walk_packages([str(ROOT)], "xr_dl4ds.")]
    assert {name_of(p) for p in MODULES} == {"xr_dl4ds", *names}
    for name in names:
        importlib.import_module(name)


def test_import_leaves_the_network_libraries_alone():
    loaded = fresh("import sys, xr_dl4ds; print(*sys.modules)").split()
    roots = {name.split(".")[0] for name in loaded}
    assert "xr_dl4ds" in roots
    assert roots & {"tensorflow", "keras", "horovod", "torch", "jax"} == set()
    # eccodes before pyproj aborts the interpreter at its end
    assert "eccodes" not in loaded[: loaded.index("pyproj")]


def test_array_side_works_without_the_network_libraries():
    code = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None  # an import fails
import xr_dl4ds as xd
hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
lr = hr.downscale.coarsen(4)
base = lr[["t2m"]].downscale.interpolate(hr, method="bicubic")
print(float(base.downscale.evaluate(hr, scale=4).rmse_skill.sel(reference="bicubic").round(6)))
base.downscale.plot(lr=lr, hr=hr)
"""
    assert float(fresh(code)) == 0.0


def test_process_that_writes_and_reads_ends_well(tmp_path):
    # rc 134 or 139 is what eccodes and pyproj do to one another, after all went well
    code = f"""
import xr_dl4ds as xd, xarray as xr
hr = xd.tutorial.synthetic(shape=(16, 24), days=1)
hr.downscale.coarsen(4).to_netcdf({str(tmp_path / "lr.nc")!r})
print(xr.open_dataset({str(tmp_path / "lr.nc")!r}).sizes["latitude"])
"""
    assert int(fresh(code)) == 4


def test_names_of_the_public_contract():
    expected = {"Downscaler", "Network", "Sampling", "Supervised", "load", "tutorial"}
    assert expected <= set(xr_dl4ds.__all__)
    for name in xr_dl4ds.__all__:
        assert hasattr(xr_dl4ds, name)
    methods = {"fit", "predict", "coarsen", "interpolate", "evaluate", "plot"}
    assert methods <= set(dir(xr_dl4ds.accessor.DownscaleAccessor))
