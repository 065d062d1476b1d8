"""Make the table of real files: ``python docs/make_files.py``, with the data beside the project."""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from tests.real_files import table

if __name__ == "__main__":
    pathlib.Path(__file__).with_name("files_table.md").write_text(table(), "utf-8")
