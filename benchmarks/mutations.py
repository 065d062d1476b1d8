"""Small errors in a Python module: the edits that `benchmarks/mutants.py` tests the tests with.

    python benchmarks/mutations.py xr_dl4ds/grid/axis.py      # lists all edits of a file

An edit replaces one range of characters, found in the syntax tree; the rest of the file stays as it
is. The kinds are: flipped comparison, integer literal or slice bound off by one, swapped arguments
or elements of a pair such as (y, x), dropped `where`, another default of a parameter or a dataclass
field, `raise` replaced by `pass`, negated condition, another arithmetic operator, `and` for `or`.
Docstrings, annotations, f-strings, log messages and blocks for type checkers are not mutated.
"""

import ast
import dataclasses
import hashlib
import io
import itertools
import pathlib
import random
import sys
import tokenize
import warnings

COMPARISONS = {"<": "<=", ">": ">=", "==": "!=", "is": "is not", "in": "not in"}
ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "//": "*"}
OPERATORS = {
    **COMPARISONS,
    **{new: old for old, new in COMPARISONS.items()},
    **ARITHMETIC,
    **{f"{old}=": f"{new}=" for old, new in ARITHMETIC.items()},
    **{"and": "or", "or": "and"},
}
KINDS = (
    *("comparison", "off by one", "swap", "dropped mask", "wrong default"),
    *("swallowed error", "negated condition", "arithmetic", "and/or"),
)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
#: Fields of syntax nodes that hold types.
TYPES = {"annotation", "returns", "type", "type_params"}
LOGGING = {"debug", "info", "warning", "error", "exception", "warn"}
#: Functions that do not depend on the order of their arguments.
SYMMETRIC = {"max", "min", "np.maximum", "np.minimum", "ops.maximum", "ops.minimum"}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One edit of a file: the characters from `start` to `end` become `new`."""

    id: str
    file: str
    line: int
    column: int
    kind: str
    start: int
    end: int
    old: str
    new: str
    #: Groups of lines that run with the edit; the first group that tests cover tells these tests.
    lines: tuple[tuple[int, ...], ...]

    def applied(self, text: str) -> str:
        return text[: self.start] + self.new + text[self.end :]


class Source:
    """The text of a module, its syntax tree, and where nodes and tokens are."""

    def __init__(self, text: str):
        self.text, self.tree, self.rows = text, ast.parse(text), text.split("\n")
        self.starts = [0, *itertools.accumulate(len(row) + 1 for row in self.rows)]
        self.tokens = []
        for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline):
            if token.type in (tokenize.OP, tokenize.NAME) and token.string not in ("(", ")"):
                ends = (self.starts[row - 1] + column for row, column in (token.start, token.end))
                self.tokens.append((token.string, *ends))
        self.defaults = {id(node) for node in defaults(self.tree)}
        self.unordered = {id(node) for node in unordered(self.tree)}

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return the offsets of a node in characters; its columns count bytes."""

        def offset(line, column):
            return self.starts[line - 1] + len(self.rows[line - 1].encode()[:column].decode())

        return offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)

    def segment(self, node: ast.AST) -> str:
        return self.text[slice(*self.span(node))]

    def between(self, left: int, right: int) -> tuple[str, int, int]:
        """Return the operator between two offsets, parentheses left out, with its own offsets."""
        found = [token for token in self.tokens if token[1] >= left and token[2] <= right]
        return " ".join(token[0] for token in found), found[0][1], found[-1][2]


def defaults(tree: ast.AST):
    """Yield the values that are defaults of parameters and of fields of dataclasses."""
    for node in ast.walk(tree):
        found = []
        if isinstance(node, ast.arguments):
            found = [*node.defaults, *node.kw_defaults]
        elif isinstance(node, ast.ClassDef) and decorated(node, "dataclass"):
            found = [part.value for part in node.body if isinstance(part, ast.AnnAssign)]
        for value in found:
            yield value.operand if isinstance(value, ast.UnaryOp) else value


def unordered(tree: ast.AST):
    """Yield pairs in any order: after `in`, in `x.startswith((a, b))`, in `axis=(1, 2)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            ops = zip(node.ops, node.comparators, strict=True)
            yield from (side for op, side in ops if isinstance(op, (ast.In, ast.NotIn)))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("swith"):
            yield from node.args
        elif isinstance(node, ast.keyword) and node.arg in ("axis", "dim"):
            yield node.value


def decorated(node: ast.AST, name: str) -> bool:
    return any(name in ast.unparse(decorator) for decorator in node.decorator_list)


def literal(node: ast.AST, *types: type) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in types


# --- the edits of a node: kind, start, end, new text --------------------------------------------


def operators(node, source):
    kind, pairs = "", []
    if isinstance(node, ast.Compare):
        kind, pairs = "comparison", itertools.pairwise([node.left, *node.comparators])
    elif isinstance(node, ast.BoolOp):
        kind, pairs = "and/or", itertools.pairwise(node.values)
    elif isinstance(node, ast.BinOp):
        kind, pairs = "arithmetic", [(node.left, node.right)]
    elif isinstance(node, ast.AugAssign):
        kind, pairs = "arithmetic", [(node.target, node.value)]
    for sides in pairs:
        old, start, end = source.between(source.span(sides[0])[1], source.span(sides[1])[0])
        # text and lists know no other operator: every test would fail
        if old in OPERATORS and not (kind == "arithmetic" and any(map(sequence, sides))):
            yield kind, start, end, OPERATORS[old]


def sequence(node: ast.AST) -> bool:
    return literal(node, str, bytes) or isinstance(node, (ast.JoinedStr, ast.List, ast.Tuple))


def numbers(node, source):
    if literal(node, int, float, bool) and id(node) in source.defaults:
        new = not node.value if literal(node, bool) else node.value + 1
        yield "wrong default", *source.span(node), repr(new)
    elif literal(node, int):
        yield "off by one", *source.span(node), repr(node.value + 1)
    elif isinstance(node, ast.Slice):
        for bound, change in ((node.lower, "+ 1"), (node.upper, "- 1")):
            if isinstance(bound, (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.BinOp)):
                yield "off by one", *source.span(bound), f"{source.segment(bound)} {change}"


def swaps(node, source):
    pairs = []
    if isinstance(node, ast.Call) and ast.unparse(node.func) not in SYMMETRIC:
        pairs = itertools.pairwise(node.args)
    elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and id(node) not in source.unordered:
        pairs = [node.elts]
    for left, right in pairs:
        if not isinstance(left, ast.Starred) and not isinstance(right, ast.Starred):
            (start, left_end), (right_start, end) = source.span(left), source.span(right)
            middle = source.text[left_end:right_start]
            yield "swap", start, end, source.segment(right) + middle + source.segment(left)


def masks(node, source):
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return
    start, end = source.span(node)
    if node.func.attr == "where" and len(node.args) == 3:
        # np.where(condition, values, fill) or np.where(condition, fill, values): the values
        first = node.args[1]
        fill = isinstance(first, (ast.Constant, ast.UnaryOp)) or source.segment(first) == "np.nan"
        yield "dropped mask", start, end, f"({source.segment(node.args[2 if fill else 1])})"
    elif node.func.attr == "where" and ast.unparse(node.func.value) not in ("np", "xr"):
        value_end, name_end = source.span(node.func.value)[1], source.span(node.func)[1]
        yield "dropped mask", source.between(value_end, name_end)[1], end, ""


def branches(node, source):
    if isinstance(node, ast.Raise):
        yield "swallowed error", *source.span(node), "pass"
    tests = [node.test] if isinstance(node, (ast.If, ast.IfExp)) else getattr(node, "ifs", [])
    for test in tests:
        no = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        new = source.segment(test.operand) if no else f"not ({source.segment(test)})"
        yield "negated condition", *source.span(test), new


# --- all of a module, and a sample --------------------------------------------------------------


def skipped(node: ast.AST) -> bool:
    """Return True for nodes that are not mutated: f-strings, log messages, types."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test).split(".")[-1] in ("TYPE_CHECKING", "__name__ == '__main__'")
    if isinstance(node, ast.Call):
        logs = isinstance(node.func, ast.Attribute) and node.func.attr in LOGGING
        return logs or ast.unparse(node.func) == "isinstance"
    if isinstance(node, ast.Subscript):
        name = ast.unparse(node.value).split(".")[-1]
        alias = name[:1].isupper() and not name.isupper()
        return alias or name in ("dict", "tuple", "list", "set", "type")
    if isinstance(node, ast.FunctionDef):
        return decorated(node, "overload")
    return isinstance(node, ast.JoinedStr)


def walk(node, owner=None, statement=None):
    """Yield the nodes to mutate, each with its statement and its owner.

    The owner is the function, class or module in whose body the node is.
    """
    if skipped(node):
        return
    statement = node if isinstance(node, ast.stmt) else statement
    yield node, owner, statement
    for name, value in ast.iter_fields(node):
        inside = name == "body" and isinstance(node, (*FUNCTIONS, ast.ClassDef))
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST) and name not in TYPES:
                yield from walk(part, node if inside else owner, statement)


def groups(line, owner, statement):
    """Return the groups of lines that run with a node.

    In a function these are its own line, then its statement. A default runs with the body of its
    function, a field with the methods of its class. Other lines run at import, for no test.
    """
    if isinstance(owner, FUNCTIONS):
        body = getattr(statement, "body", None)
        last = max(statement.lineno, body[0].lineno - 1) if body else statement.end_lineno
        return (line,), tuple(range(statement.lineno, last + 1))
    around = statement if isinstance(statement, FUNCTIONS) else owner
    nodes = ast.walk(around) if around else ()
    bodies = [node.body for node in nodes if isinstance(node, FUNCTIONS[:2])]
    return (tuple(n for body in bodies for n in range(body[0].lineno, body[-1].end_lineno + 1)),)


def mutants_of(file: str, text: str) -> list[Mutant]:
    """Return all mutants of a module, in the order of its text; some may not compile."""
    source, found = Source(text), []
    digest = hashlib.sha1(f"{file}\n{text}".encode()).hexdigest()
    for node, owner, statement in walk(source.tree):
        for edits in (operators, numbers, swaps, masks, branches):
            for kind, start, end, new in edits(node, source):
                line = text.count("\n", 0, start) + 1
                name = hashlib.sha1(f"{digest} {kind} {start} {end} {new}".encode()).hexdigest()[:8]
                column = start - source.starts[line - 1] + 1
                lines = groups(line, owner, statement)
                place = file, line, column, kind, start, end
                found.append(Mutant(name, *place, text[start:end], new, lines))
    return sorted(found, key=lambda mutant: (mutant.start, mutant.end, mutant.kind, mutant.new))


def changes(mutant: Mutant, text: str) -> bool:
    """Return True for mutants that compile and differ in their syntax tree."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(mutant.applied(text))
            compile(tree, mutant.file, "exec")
    except SyntaxError:
        return False
    return ast.dump(tree) != ast.dump(ast.parse(text))


def sample(sources: dict[str, str], n: int, seed: int) -> list[Mutant]:
    """Draw mutants: the kinds in turn; in each kind every place is equally likely.

    Each line is drawn at most once. A larger `n` adds mutants behind those of a smaller one.
    """
    rng, kinds = random.Random(seed), {kind: [] for kind in KINDS}
    for file in sorted(sources):
        for mutant in mutants_of(file, sources[file]):
            kinds[mutant.kind].append(mutant)
    for found in kinds.values():
        rng.shuffle(found)
    chosen, taken = [], set()
    while len(chosen) < n and any(kinds.values()):
        for found in kinds.values():
            while found:
                mutant = found.pop()
                place = mutant.file, mutant.line
                if place not in taken and changes(mutant, sources[mutant.file]):
                    taken.add(place)
                    chosen.append(mutant)
                    break
    return chosen[:n]


if __name__ == "__main__":
    for path in map(pathlib.Path, sys.argv[1:]):
        text = path.read_bytes().decode()
        for mutant in mutants_of(str(path), text):
            if changes(mutant, text):
                place = f"{path}:{mutant.line}:{mutant.column}"
                print(f"{place} {mutant.kind}: {mutant.old!r} -> {mutant.new!r}")
