"""The program: its commands, exit codes and messages."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence

from xr_dl4ds import accessor as _accessor  # noqa: F401  registers .downscale
from xr_dl4ds.cli import (
    coarsen_command,
    demo_command,
    evaluate_command,
    fit_command,
    predict_command,
)
from xr_dl4ds.cli.arguments import ArgumentError, Parser
from xr_dl4ds.cli.data_flags import in_flags
from xr_dl4ds.exceptions import TrainingError
from xr_dl4ds.model.provenance import version
from xr_dl4ds.processes import rank

#: Meaning of each exit code.
CODES = {
    0: "done",
    1: "invalid data, path or model",
    2: "wrong arguments or options",
    3: "training failed: its loss is not finite, or one of several workers was lost",
    130: "interrupted by Ctrl-C",
}

#: The commands, in the order of the help.
COMMANDS = (fit_command, predict_command, evaluate_command, coarsen_command, demo_command)

#: The logger of the line that names the hardware, which is shown without --verbose.
HARDWARE = "xr_dl4ds.inference.hardware"

#: Errors for invalid data, files and installations; libraries raise RuntimeError for a broken file.
_WRONG_INPUT = (ValueError, TypeError, OSError, ImportError, RuntimeError)


class _InFlags(logging.Formatter):
    """Formatter of messages with flags in place of Python arguments."""

    def format(self, record: logging.LogRecord) -> str:
        return in_flags(super().format(record))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments of the program; by default those of the process.

    Returns
    -------
    int
        A code of `CODES`. If it is not 0, the reason is on standard error, in one line.
    """
    options = _parser().parse_args(arguments)
    level = logging.INFO if options.talks else logging.ERROR if options.quiet else logging.WARNING
    handler = logging.StreamHandler()
    handler.setFormatter(_InFlags("%(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger(HARDWARE).setLevel(logging.ERROR if options.quiet else logging.INFO)
    with warnings.catch_warnings():
        if options.quiet:
            warnings.simplefilter("ignore")
        try:
            options.run(options)
        except KeyboardInterrupt:
            resumes = options.resumes(options)
            return _end(130, f"interrupted; {resumes or 'nothing was written'}")
        except ArgumentError as error:
            return _end(2, error)
        except TrainingError as error:
            return _end(3, error)
        except _WRONG_INPUT as error:
            logging.getLogger(__name__).info("where it happened:", exc_info=error)
            return _end(1, error)
    return 0


def _end(code: int, reason: object) -> int:
    """Write the reason in one line, and return the code."""
    # by the rank, because a worker may fail before it has joined the others
    who = f"xr-dl4ds, worker {rank()}" if rank() else "xr-dl4ds"
    text = in_flags(" ".join(str(reason).split()))
    sys.stderr.write(f"{who}: {text or type(reason).__name__}\n")
    return code


def _parser() -> Parser:
    codes = "; ".join(f"{code}: {meaning}" for code, meaning in CODES.items())
    parser = Parser(
        prog="xr-dl4ds",
        description="Downscaling of gridded Earth data with deep learning.",
        epilog=f"Exit codes: {codes}. Results are on standard output, all else on standard error.",
    )
    parser.add_argument("--version", action="version", version=version())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
