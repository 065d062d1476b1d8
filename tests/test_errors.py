"""Wrong data and arguments are told before any training, with a cure that works; none is missing.

The catalogue stands in `tests/errors`; the table in the documentation is made from it.
"""

import ast
import re

import pytest

import tests.errors.case as run
from tests.errors import CASES
from tests.tiers import every
from xr_dl4ds.exceptions import GridError, TimeError, VariableError

#: Rooms whose errors are those of options, files and networks, with tests of their own.
ELSEWHERE = ("cli", "config/", "downscaler", "fitting/launch", "inference", "model/", "networks/")
ELSEWHERE += ("training/", "tutorial", "writing")

#: Errors that no case reaches, by module and the beginning of the message, with the reason.
UNREACHED = {
    ("grid/crs.py", "Expected a grid with latitudes and longitudes or with"): (
        "a guard of `to_degrees`: callers ask `placed` first, and say what it is for"
    ),
    ("grid/crs.py", "Expected a grid with a CRS, got planar axes without one"): (
        "the same guard of `from_degrees`"
    ),
    ("grid/cf/time_axis.py", "The time "): (
        "a guard of `at_times`: `plot` says it of the figure, others pass times that are there"
    ),
    ("data/scaling.py", "Expected a variable that was fitted"): (
        "a guard of `Scaler.of`: what is scaled has been compared with training before"
    ),
}

#: With what a cure begins.
VERBS = {"Add", "Assign", "Bring", "Call", "Check", "Convert", "Decode", "Did", "Drop", "Fit"}
VERBS |= {"For", "Give", "Interpolate", "Keep", "Leave", "Make", "Mask", "Models", "Move", "Name"}
VERBS |= {"Options", "Pass", "Predict", "Provide", "Remove", "Rename", "Replace", "Say", "Select"}
VERBS |= {"Change", "Number", "Set", "Sort", "Stamp", "Use"}

CLASSES = {GridError, TimeError, VariableError, ValueError, TypeError}


@pytest.mark.parametrize("name", CASES)
def test_the_error_and_its_message(name):
    case, outcome = CASES[name], run.outcome(CASES[name])
    assert type(outcome.error) is case.error, repr(outcome.error)
    assert case.error in CLASSES
    assert re.search(case.says, outcome.message), outcome.message
    require_form(outcome.message)
    assert outcome.kept, "what the user gave has changed"


def require_form(message):
    happened, cure = run.split(message)
    expected = "Expected" in happened  # then with the values found; otherwise a plain statement
    assert re.match(r"Expected .*, got .*\.$" if expected else r"\S.* .*\.$", happened), message
    assert "got none" not in happened, message
    assert cure.split()[0] in VERBS, message
    assert cure.endswith("."), message
    assert f"{happened} {cure}" == message
    for part in (happened, cure):  # not cut inside what was got
        part = part.replace("[0, 1)", "")  # an interval
        assert all(part.count(a) == part.count(b) for a, b in ("()", "[]", "{}")), message
        assert part.count("'") % 2 == 0, message
    assert not re.search(r"(^|[\s'\"])/|0x[0-9a-f]{6}", message), "of this machine"
    assert not re.search(r"np\.[a-z]+\d*\(", happened), "NumPy's way to write a number"


@pytest.mark.parametrize("name", every(2, [n for n in CASES if CASES[n].cured is not None]))
def test_the_cure(name):
    run.cure(CASES[name])


def test_that_a_cure_is_put_to_the_test():
    (uncured,) = (n for n in CASES if CASES[n].cured is None)
    assert uncured.endswith("localized elsewhere")  # another model has to be fitted


def test_training_is_seen_to_begin():
    case = CASES["Grid: scale of one"]
    with run.untrained(), pytest.raises(run.TrainingBeganError):
        case.given()["hr"].downscale.fit(scale=2, epochs=1)


def test_changed_data_are_seen():
    case = CASES["Pairs of LR and HR data: no scale"]

    def act(hr):
        hr["t2m"].attrs["units"] = "changed"
        raise ValueError

    careless = run.Case(**{**vars(case), "act": act})
    assert not run.outcome(careless).kept


# --- completeness ---------------------------------------------------------------------------------


def sites():
    """File and statement of every error that is raised on the array side."""
    for path in sorted(run.ROOT.rglob("*.py")):
        name = path.relative_to(run.ROOT).as_posix()
        if not name.startswith(ELSEWHERE):
            yield from ((name, statement) for statement in run.raises(path))


def text_of(statement):
    """The message, or the call that makes the error, as it stands in the source."""
    strings = [n.value for n in ast.walk(statement) if isinstance(n, ast.Constant)]
    return str(strings[0]) if strings else ast.unparse(statement)


def known(name, statement):
    return [(m, text) for m, text in UNREACHED if m == name and text_of(statement).startswith(text)]


def test_no_error_is_missing():
    reached = {site for case in CASES.values() for site in run.outcome(case).sites}
    missing, idle = [], dict(UNREACHED)
    for name, statement in sites():
        lines = range(statement.lineno, (statement.end_lineno or 0) + 1)
        hit = any((name, line) in reached for line in lines)
        listed = known(name, statement)
        if hit == bool(listed):
            missing.append(f"{name}:{statement.lineno} {text_of(statement)[:60]}")
        for key in listed:
            idle.pop(key, None)
    assert missing == [], "add a case to tests/errors (or take it off UNREACHED)"
    assert idle == {}, "no such error any more"


def test_every_raise_counts():
    found = list(sites())
    assert len(found) > 100
    assert {name.split("/")[0] for name, _ in found} >= {"accessor", "grid", "metrics"}
    (call,) = ast.parse("raise _not_finer(a, b)").body
    assert text_of(call) == "raise _not_finer(a, b)"


@pytest.mark.parametrize(
    ("message", "cure"),
    [
        ("Expected a, got 1.5 of e.g. two. Use 2. Or 3.", "Use 2. Or 3."),
        ("Expected a, got b.", ""),
        ("A statement. Use it.", "Use it."),
    ],
)
def test_where_the_cure_begins(message, cure):
    assert run.split(message)[1] == cure
