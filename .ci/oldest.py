"""Print a pip constraint for each lower bound in setup.cfg: the oldest version that is supported.

``python .ci/oldest.py >oldest.txt``, then ``PIP_CONSTRAINT=$PWD/oldest.txt make test`` runs the
tests with these versions. Dependencies without a lower bound stay at their newest version.
"""

import configparser
import pathlib
import re

SETUP = pathlib.Path(__file__).resolve().parents[1] / "setup.cfg"
BOUND = re.compile(r"([A-Za-z0-9_.-]+)(?:\[.*\])?>=([0-9.]+)(?:,.*)?")


def oldest(path=SETUP):
    """Return constraints for the dependencies and extras of a setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(path, encoding="utf-8")
    lists = [parser["options"]["install_requires"], *parser["options.extras_require"].values()]
    lines = [line.strip() for one in lists for line in one.splitlines()]
    bounds = [match for match in map(BOUND.fullmatch, lines) if match]
    return [f"{match[1]}=={match[2]}" for match in bounds]


if __name__ == "__main__":
    print("\n".join(oldest()))
