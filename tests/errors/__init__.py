"""Every error that data and arguments can raise, with what happened and how it is cured.

`docs/make_errors.py` makes the table of the documentation from it; `tests/test_errors.py` asks
that no error of the package is missing.
"""

from tests.errors import (
    asking,
    content,
    explaining,
    layout,
    pictures,
    reading,
    scoring,
    training,
)
from tests.errors.case import Case

#: By section and a name; sections in the order of the documentation.
CASES: dict[str, Case] = {
    f"{case.section}: {name}": case
    for module in (layout, content, reading, training, asking, scoring, pictures, explaining)
    for part in module.PARTS
    for name, case in part.items()
}
