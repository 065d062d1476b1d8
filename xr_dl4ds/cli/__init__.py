"""The command-line program: ``xr-dl4ds fit | predict | evaluate | demo``."""

from xr_dl4ds.cli.program import main as main
