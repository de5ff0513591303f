"""Write the table of lesson 10 from notebooks/openai-translation.toml.

Run ``python -m uv run python -m tools.translation``.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
DATA, LESSON, CELL = (
    NOTEBOOKS / "openai-translation.toml",
    NOTEBOOKS / "10-openai-sdk.ipynb",
    "table",
)


def load_rows() -> list[dict]:
    """Return the rows of the table, in order."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))["row"]


def table(rows: list[dict]) -> str:
    """Return the shown rows as Markdown: a table for each part.

    >>> row = {"part": "Calls", "what": "an answer", "old": "complete()", "new": "create()"}
    >>> print(table([row | {"shown": True}, row]))
    ### Calls
    <BLANKLINE>
    | | azure-ai-inference | openai |
    |:---|:---|:---|
    | an answer | `complete()` | `create()` |
    """
    parts: dict[str, list[dict]] = {}
    for row in rows:
        if row.get("shown"):
            parts.setdefault(row["part"], []).append(row)
    return "\n\n".join(
        "\n".join([f"### {part}", "", *_table_lines(rows)]) for part, rows in parts.items()
    )


def _table_lines(rows: list[dict]) -> list[str]:
    lines = ["| | azure-ai-inference | openai |", "|:---|:---|:---|"]
    return lines + [f"| {row['what']} | `{row['old']}` | `{row['new']}` |" for row in rows]


if __name__ == "__main__":
    notebook = nbformat.read(LESSON, 4)
    next(cell for cell in notebook.cells if cell.id == CELL).source = table(load_rows())
    LESSON.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8", newline="\n")
    print(f"Wrote the table into {LESSON.name}.")
