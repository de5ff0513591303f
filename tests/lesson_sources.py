"""Read the code of lessons from their saved notebooks."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
ROBUST_CALL = NOTEBOOKS.parent / "snippets" / "robust-call" / "azure_ai_inference.py"


def read_lesson(lesson: str) -> NotebookNode:
    """Return a notebook as it is saved.

    Args:
        lesson: the name of its file, without ``.ipynb``.
    """
    return nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", 4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def robust_call() -> str:
    """Return the Python of the file to copy that holds lesson 09's functions."""
    return ROBUST_CALL.read_text(encoding="utf-8")
