"""Make the table of errors: ``python docs/make_errors.py``.

Every case of `tests/errors` is run, so that the table holds what the package says, word for word.
"""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

FOLDER = pathlib.Path(__file__).parent
TABLE = FOLDER / "errors_table.md"
sys.path.insert(0, str(FOLDER.parent))  # the tests are no part of the installed package

from tests.errors import CASES  # noqa: E402
from tests.errors.case import outcome, split  # noqa: E402


def code(text: str) -> str:
    """Text in code font inside a cell: fenced by more backticks than it holds, pipes escaped."""
    fence = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", r"\|")


def table() -> str:
    """What happened, what is said and the cure, by section, as Markdown."""
    lines: list[str] = []
    for section in dict.fromkeys(case.section for case in CASES.values()):
        lines += [f"## {section}", "", "| what happened | message | cure |", "|---|---|---|"]
        for case in CASES.values():
            if case.section == section:
                happened, cure = split(outcome(case).message)
                message = code(f"{case.error.__name__}: {happened}")
                lines.append(f"| {case.what} | {message} | {code(cure)} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    TABLE.write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
