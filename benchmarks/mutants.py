r"""Mutation test of the test suite: how many small errors in the package do the tests find?

    pip install pytest-cov
    COVERAGE_FILE=/tmp/new.dat pytest --cov=xr_dl4ds --cov-context=test
    python benchmarks/mutants.py --suite new=.,/tmp/new.dat --n 80 --jobs 2 --out mutants.json
    python benchmarks/mutants.py --suite old=/path/root,/tmp/old.dat --suite new=.,/tmp/new.dat \
        -m new="not slow" --out mutants.json
    python benchmarks/mutants.py --suite old=/path/root --suite new=. --list
    python benchmarks/mutants.py --table mutants.json

A mutant is the package with one small error (see `mutations.py` for the kinds). The kinds have
equal shares of the sample, which depends on the seed and the sources alone. With two suites, only
modules that are identical in both roots are mutated.

Each mutant is made in a scratch copy of the files that git tracks in the root of the suite. The
tests that cover the changed line run there, until one fails. The second command above records which
tests cover which line. Lines that run at import, or for which no test is recorded (subprocesses,
threads of TensorFlow, a suite without data), get the test files that import the module or a module
that imports it. The mirrored test file runs first, then the files with most tests of the line; at
most `--most` tests run, taken from the other files in turn. The outcome is one of

    killed    a test fails, or the package cannot be imported ("collection")
    survived  all tests pass, or no test covers the line
    limit     the tests take longer than `--limit` seconds
    broken    pytest stops for another reason, which is noted

A test kills only if it passes without the mutant: the script runs each killing test once in the
unchanged copy, and leaves out tests that fail there. Each outcome is written to `--out` at once. A
later call with the same file runs only what is missing.
"""

import argparse
import ast
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
import json
import os
import pathlib
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from mutations import Mutant, sample

PACKAGE = "xr_dl4ds"
OPTIONS = "-x -q -n 0 -p no:cacheprovider -p mutants_plugin"
COLLECT = "--collect-only --continue-on-collection-errors --maxfail=1000"
#: A plugin of pytest, imported in the processes that run the tests.
PLUGIN = '''
import importlib.util, json, pathlib
import pytest

HERE = pathlib.Path(__file__).parent
WANTED = json.loads((HERE / "wanted.json").read_text())

def note(**what):
    with open(HERE / "notes.jsonl", "a") as file:
        file.write(json.dumps(what) + "\\n")

@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Let Hypothesis draw the same examples in each run."""
    if hasattr(config.option, "hypothesis_seed"):
        config.option.hypothesis_seed = "0"

@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Keep the wanted tests, file by file in their order; of a missing test, all its parameters."""
    if WANTED:
        missing = set(WANTED) - {item.nodeid for item in items}
        wanted, names = set(WANTED), {test.split("[")[0] for test in missing}
        keep = [i for i in items if i.nodeid in wanted or i.nodeid.split("[")[0] in names]
        files = list(dict.fromkeys(test.split("::")[0] for test in WANTED))
        items[:] = sorted(keep, key=lambda item: files.index(item.nodeid.split("::")[0]))

def pytest_collection_finish(session):
    found = importlib.util.find_spec("PACKAGE")
    note(collected=[item.nodeid for item in session.items], origin=found and found.origin)

def pytest_collectreport(report):
    if report.failed:
        note(failed="collection")

def pytest_runtest_logreport(report):
    if report.failed:
        note(failed=report.nodeid)
    elif report.when == "teardown":
        note(ran=report.nodeid)
'''.replace("PACKAGE", PACKAGE)


# --- which tests --------------------------------------------------------------------------------


@dataclasses.dataclass
class Suite:
    """A version of the project, and what is known of its tests."""

    name: str
    root: pathlib.Path
    coverage: pathlib.Path | None = None
    python: str = sys.executable
    #: The expression for pytest's `-m`.
    tier: str | None = None
    #: Collected tests by file; tests that pass without a mutant, and tests that do not.
    tests: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    sound: set[str] = dataclasses.field(default_factory=set)
    unfit: set[str] = dataclasses.field(default_factory=set)

    @functools.cached_property
    def tracked(self) -> list[str]:
        """The files that git tracks, relative to the root."""
        command = ["git", "ls-files", "-z"]
        found = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True)
        return [name for name in found.stdout.split("\0") if name and (self.root / name).is_file()]

    @property
    def modules(self) -> list[str]:
        return [n for n in self.tracked if n.startswith(f"{PACKAGE}/") and n.endswith(".py")]

    def chosen(self, mutant: Mutant, most: int) -> list[str]:
        """Return the tests to run: those of the mirrored files, then of the others in turn."""
        near, tests, shuffled = self.near(mutant.file), self.covering(mutant), {}
        if not tests:
            tests = {file: self.tests[file] for file in [*near, *self.importing(mutant.file)]}
        for file, names in tests.items():
            names = [name for name in names if name not in self.unfit]
            shuffled[file] = random.Random(f"{mutant.id} {file}").sample(names, len(names))
        first = [name for file in near for name in shuffled.pop(file, ())]
        turns = itertools.chain.from_iterable(itertools.zip_longest(*shuffled.values()))
        return [*first, *filter(None, turns)][:most]

    def near(self, file: str) -> list[str]:
        """Return the test files that mirror a module, and the module itself for its doctests."""
        folder, stem = file.removesuffix(".py").removesuffix("/__init__").rpartition("/")[::2]
        mirror = f"{folder}/test_{stem}.py".replace(PACKAGE, "tests", 1)
        for start in (f"test_{stem}", f"test_{folder.rpartition('/')[2]}"):
            named = [name for name in self.tests if name.rpartition("/")[2].startswith(start)]
            if named:
                break
        return [name for name in dict.fromkeys((mirror, file, *named)) if name in self.tests]

    def covering(self, mutant: Mutant) -> dict[str, list[str]]:
        """Return the tests that cover the mutated line, by file; files with most tests first."""
        covered = contexts(self.coverage, mutant.file)
        for lines in mutant.lines:
            noted = (context for line in lines for context in covered.get(line, ()))
            names = {name for name, bar, _ in (c.rpartition("|") for c in noted) if bar}
            found = {f: [t for t in tests if t in names] for f, tests in self.tests.items()}
            if any(found.values()):
                return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))
        return {}

    def importing(self, file: str) -> list[str]:
        """Return the test files that import a module, then those that import its importers."""
        targets = {dotted(file)}
        further = {dotted(m) for m in self.modules if imports(self.root, m) & targets}
        near, far = (
            [f for f in self.tests if imports(self.root, f) & some] for some in (targets, further)
        )
        return list(dict.fromkeys([*near, *far]))


def contexts(path: pathlib.Path | None, file: str) -> dict[int, list[str]]:
    """Return the contexts of each line of a file, such as `tests/test_a.py::test_b[c]|run`."""
    if path is None:
        return {}
    from coverage import CoverageData

    data = CoverageData(str(path))
    data.read()
    found = [name for name in data.measured_files() if name.endswith(f"/{file}")]
    return data.contexts_by_lineno(found[0]) if found else {}


def dotted(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@functools.cache
def imports(root: pathlib.Path, file: str) -> set[str]:
    """Return the names of all that a file imports: modules, and what is in them."""
    found = set()
    for node in ast.walk(ast.parse((root / file).read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = file.split("/")[: -node.level] if node.level else []
            base = ".".join(filter(None, [*above, node.module]))
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return found


# --- running them -------------------------------------------------------------------------------


class Copy:
    """A scratch copy of a suite's root, in which mutants are made and tests run."""

    def __init__(self, suite: Suite, place: pathlib.Path):
        self.suite, self.root, self.plugin = suite, place / "root", place / "plugin"
        self.process, self.stopped = None, False
        for name in suite.tracked:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(suite.root / name, self.root / name)
        if (suite.root.parent / "shared").exists():
            (place / "shared").symlink_to((suite.root.parent / "shared").resolve())
        self.plugin.mkdir(parents=True)
        (self.plugin / "mutants_plugin.py").write_text(PLUGIN)

    def pytest(self, wanted: list[str], limit: float | None, *options: str):
        """Run tests; return pytest's exit code (None at the limit), the plugin's notes, the log."""
        notes, log = self.plugin / "notes.jsonl", self.plugin / "log"
        notes.write_text("")
        (self.plugin / "wanted.json").write_text(json.dumps(wanted))
        shutil.rmtree(self.root / ".hypothesis", ignore_errors=True)  # examples of other mutants
        options = [
            *OPTIONS.split(),
            *(["-m", self.suite.tier] if self.suite.tier else []),
            *options,
        ]
        options += [f"--rootdir={self.root}", f"--basetemp={self.plugin / 'tmp'}"]
        files = dict.fromkeys(test.split("::")[0] for test in wanted)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))}
        environment |= {"PYTHONPATH": f"{self.root}:{self.plugin}", "TF_CPP_MIN_LOG_LEVEL": "3"}
        with log.open("w") as out:
            code = self.wait(
                [self.suite.python, "-m", "pytest", *options, *files],
                limit,
                cwd=self.root,
                env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        found = [json.loads(line) for line in notes.read_text().splitlines()]
        return code, found, log.read_text(errors="replace")

    def wait(self, command: list[str], limit: float | None, **options) -> int | None:
        if self.stopped:
            raise RuntimeError("The comparison was stopped.")
        self.process = subprocess.Popen(command, start_new_session=True, **options)
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.end()

    def end(self) -> None:
        """End the tests, with all processes of their group."""
        process, self.process = self.process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def collect(self) -> None:
        """Note the tests of the suite."""
        _, notes, log = self.pytest([], None, *COLLECT.split())
        found = next((note for note in notes if note.get("collected")), None)
        if found is None:
            raise SystemExit(f"Suite {self.suite.name!r} has no tests. pytest says:\n{log[-3000:]}")
        if not str(found["origin"]).startswith(f"{self.root}/"):
            raise SystemExit(f"Expected {PACKAGE} below {self.root}, got {found['origin']}.")
        for test in found["collected"]:
            self.suite.tests.setdefault(test.split("::")[0], []).append(test)

    def trial(self, mutant: Mutant, limit: float, most: int) -> dict:
        """Run the tests of a mutant. A test that also fails without it is left out from then on."""
        begin, path = time.perf_counter(), self.root / mutant.file
        text, result = path.read_bytes(), {"outcome": "survived", "by": "", "ran": 0}
        while wanted := self.suite.chosen(mutant, most):
            path.write_bytes(mutant.applied(text.decode()).encode())
            try:
                result = judged(*self.pytest(wanted, limit))
            finally:
                path.write_bytes(text)
            if result["outcome"] != "killed" or self.passes(result["by"], limit):
                break
            self.suite.unfit.add(result["by"])
            result = {"outcome": "survived", "by": "", "ran": 0}
        return {**result, "tests": len(wanted), "seconds": round(time.perf_counter() - begin, 1)}

    def passes(self, test: str, limit: float) -> bool:
        """Return True for tests that pass without a mutant; collection did."""
        known = test == "collection" or test in self.suite.sound
        if not known and self.pytest([test], limit)[0] == 0:
            self.suite.sound.add(test)
        return known or test in self.suite.sound


def judged(code: int | None, notes: list[dict], log: str) -> dict:
    """Return the outcome of a run of pytest."""
    conftest = [{"failed": "collection"}] if "while loading conftest" in log else []
    by = next((note["failed"] for note in [*conftest, *notes] if "failed" in note), "")
    outcome = {None: "limit", 0: "survived"}.get(code, "broken")
    if outcome == "broken" and by and (code == 1 or by == "collection"):
        outcome = "killed"
    elif outcome == "broken":
        by = f"exit {code}: {log.strip().rpartition(chr(10))[2]}"
    return {"outcome": outcome, "by": by, "ran": sum("ran" in note for note in notes)}


def sources(suites: list[Suite]) -> dict[str, str]:
    """Return the modules of the package that are identical in all suites."""
    found = {}
    for name in suites[0].modules:
        paths = [suite.root / name for suite in suites]
        texts = {path.read_bytes() if path.exists() else None for path in paths}
        if len(texts) == 1:
            found[name] = texts.pop().decode()
    return found


def compare(suites, mutants, out: pathlib.Path, jobs=1, limit=180, most=400) -> dict:
    """Run the tests of each suite on each mutant, and write each outcome to `out` at once."""
    report = json.loads(out.read_text()) if out.exists() else {"mutants": []}
    rows = {row["id"]: row for row in report["mutants"]}
    for mutant in mutants:
        row = {k: v for k, v in vars(mutant).items() if k not in ("start", "end", "lines")}
        rows.setdefault(mutant.id, {**row, "outcomes": {}})
    report = {"suites": [suite.name for suite in suites], "mutants": list(rows.values())}
    tasks = [(m, s) for m in mutants for s in suites if s.name not in rows[m.id]["outcomes"]]
    with contextlib.closing(results(suites, tasks, jobs, limit, most)) as found:
        for done, (mutant, suite, result) in enumerate(found, 1):
            rows[mutant.id]["outcomes"][suite.name] = result
            part = out.with_suffix(".part")
            part.write_text(json.dumps(report, indent=1))
            part.replace(out)
            told = f"{result['outcome']} {result['by']} ({result['seconds']:.0f} s)"
            print(f"{done}/{len(tasks)} {place(rows[mutant.id])}, {suite.name}: {told}", flush=True)
    return report


def results(suites, tasks, jobs, limit, most):
    """Yield mutant, suite and outcome, as they come; each job has a copy of each suite."""
    free, copies = queue.SimpleQueue(), []

    def run(mutant, suite):
        job = free.get()
        try:
            return job[suite.name].trial(mutant, limit, most)
        finally:
            free.put(job)

    pool = concurrent.futures.ThreadPoolExecutor(jobs)
    with tempfile.TemporaryDirectory(prefix="mutants_", ignore_cleanup_errors=True) as scratch:
        try:
            for k in range(jobs):
                folder = pathlib.Path(scratch, str(k)).resolve()
                copies.append({suite.name: Copy(suite, folder / suite.name) for suite in suites})
                free.put(copies[-1])
            for suite in {suite.name: suite for _, suite in tasks}.values():
                copies[0][suite.name].collect()
            futures = {pool.submit(run, *task): task for task in tasks}
            for future in concurrent.futures.as_completed(futures):
                yield *futures[future], future.result()
        finally:
            for copy in (copy for job in copies for copy in job.values()):
                copy.stopped = True
                copy.end()
            pool.shutdown(cancel_futures=True)


# --- report and command line --------------------------------------------------------------------


def place(row: dict) -> str:
    return f"{row['id']} {row['file']}:{row['line']}:{row['column']} {row['kind']}"


def change(row: dict) -> str:
    """Return what a mutant changes, as code on one line."""
    sides = (" ".join(row[side].split()) or " " for side in ("old", "new"))
    return " → ".join(f"`{side if len(side) <= 60 else side[:57] + '...'}`" for side in sides)


def table(report: dict) -> str:
    """Return the mutants as a Markdown table, with a summary."""
    names, counts, pairs = report["suites"], collections.defaultdict(collections.Counter), []
    lines = [f"| id | place | kind | change | {' | '.join(names)} | killed by |"]
    lines.append("|---" * (5 + len(names)) + "|")
    for row in report["mutants"]:
        found = [row["outcomes"].get(name, {"outcome": "not run", "by": ""}) for name in names]
        outcomes = [one["outcome"] for one in found]
        for name, outcome in zip(names, outcomes, strict=True):
            counts[name][outcome] += 1
        if outcomes[0] == "killed" and outcomes[-1] != "not run":
            pairs.append(outcomes[-1])
        by = next((one["by"] for one in reversed(found) if one["by"]), "")
        where = f"{row['file']}:{row['line']}"
        cells = [row["id"], where, row["kind"], change(row), *outcomes, by]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    lines.append("")
    for name, count in counts.items():
        lines.append(f"Suite {name}: {', '.join(f'{n} {o}' for o, n in count.most_common())}.")
    if len(names) > 1 and pairs:
        share = f"{pairs.count('killed')} ({100 * pairs.count('killed') / len(pairs):.1f} %)"
        lines.append(f"{names[-1]} kills {share} of the {len(pairs)} mutants {names[0]} kills.")
    return "\n".join(lines)


def suites_of(args: argparse.Namespace) -> list[Suite]:
    """Return the suites that the command line names."""
    found = []
    for name, value in args.suite:
        root, _, data = value.partition(",")
        root, data = pathlib.Path(root).resolve(), data and pathlib.Path(data).resolve()
        if data and not data.exists():
            raise SystemExit(f"The coverage data of suite {name!r} do not exist: {data}.")
        own = root / ".venv" / "bin" / "python"
        python = dict(args.python).get(name, str(own) if own.exists() else sys.executable)
        found.append(Suite(name, root, data or None, python, dict(args.tier).get(name)))
    unknown = dict([*args.tier, *args.python]).keys() - {suite.name for suite in found}
    if unknown or not found:
        raise SystemExit(f"Name each suite with --suite NAME=ROOT[,DATA]; missing: {unknown or ''}")
    return found


def named(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add, many = parser.add_argument, {"action": "append", "type": named, "default": []}
    add("--suite", **many, metavar="NAME=ROOT[,DATA]", help="a suite, and its coverage data")
    add("-m", dest="tier", **many, metavar="NAME=EXPR", help="pytest's -m for a suite")
    add("--python", **many, metavar="NAME=PATH", help="Python of a suite")
    add("--n", type=int, default=80, help="number of mutants")
    add("--seed", type=int, default=0, help="seed of the sample")
    add("--jobs", type=int, default=1, help="mutants tested at once")
    add("--limit", type=float, default=180, help="seconds for the tests of a mutant")
    add("--most", type=int, default=400, help="number of tests for a mutant")
    add("--out", type=pathlib.Path, default=pathlib.Path("mutants.json"), help="the report")
    add("--list", action="store_true", help="print the mutants and run nothing")
    add("--table", type=pathlib.Path, help="print the table of a report and run nothing")
    args = parser.parse_args(argv)
    if args.table:
        print(table(json.loads(args.table.read_text())))
        return
    suites = suites_of(args)
    mutants = sample(sources(suites), args.n, args.seed)
    if args.list:
        for mutant in mutants:
            print(f"{place(vars(mutant))}: {change(vars(mutant))}")
        return
    print(table(compare(suites, mutants, args.out, args.jobs, args.limit, args.most)))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended; the same call goes on from here"))
    main()
