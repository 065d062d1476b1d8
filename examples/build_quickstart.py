"""Make quickstart.ipynb: the README's example, executed in a fresh kernel.

Run from the project's root: python examples/build_quickstart.py
"""

import pathlib
import re
import tempfile

import nbclient
import nbformat

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


def readme_example() -> str:
    """The first Python block of the README."""
    return re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S).group(1)


def notebook() -> nbformat.NotebookNode:
    """A cell for each paragraph of the example, not executed yet."""
    intro = "# Downscaling in fifteen lines\n\nThe example of the README, cell by cell."
    cells = [nbformat.v4.new_markdown_cell(intro)]
    cells += [nbformat.v4.new_code_cell(part) for part in readme_example().strip().split("\n\n")]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def execute(book: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Run all cells in a fresh kernel, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        client = nbclient.NotebookClient(
            book, timeout=300, resources={"metadata": {"path": folder}}
        )
        client.execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)  # times of day
        if "outputs" in cell:
            told = [tidy(one) for one in cell.outputs if not is_start_up_note(one)]
            bars = [one for one in told if one.get("name") == "stderr"]
            cell.outputs = [one for one in told if one.get("name") != "stderr"] + bars[-1:]
    return book


def is_start_up_note(output: nbformat.NotebookNode) -> bool:
    """TensorFlow's words about the machine, and progress bars on their way."""
    text = output.get("text", "")
    return "absl::InitializeLog" in text or (output.get("name") == "stderr" and "100%" not in text)


def tidy(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A progress bar as it stands at the end."""
    if output.get("name") == "stderr":
        output["text"] = output["text"].strip().rsplit("\r", 1)[-1] + "\n"
    return output


if __name__ == "__main__":
    nbformat.write(execute(notebook()), NOTEBOOK)
