"""Read the code of lessons from their saved notebooks."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
BOX_TITLE = "<details><summary>The whole of it, to copy</summary>"


def read_lesson(lesson: str) -> NotebookNode:
    """Return a notebook as it is saved.

    Args:
        lesson: the name of its file, without ``.ipynb``.
    """
    return nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", 4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def whole_text(notebook: NotebookNode) -> str:
    """Return the sources of all cells of a notebook."""
    return "\n".join(cell.source for cell in notebook.cells)


def robust_box() -> str:
    """Return the Python of lesson 09's box "The whole of it, to copy"."""
    box = re.compile(rf"{BOX_TITLE}.*?```python\n(.*?)```\n</details>", re.DOTALL)
    return box.search(whole_text(read_lesson("09-errors-and-limits")))[1]
