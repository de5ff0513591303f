"""Writes openai-translation.toml into lesson 10 as a table: ``python -m uv run python -m tools.translation``."""

from __future__ import annotations

import tomllib
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
DATA, LESSON, CELL = NOTEBOOKS / "openai-translation.toml", NOTEBOOKS / "10-openai-sdk.ipynb", "table"


def load_rows() -> list[dict]:
    """The rows of the table, in their order."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))["row"]


def table(rows: list[dict]) -> str:
    """The table as Markdown: the first part open, the others folded.

    >>> print(table([{"part": "Asking", "what": "a completion", "old": "complete()", "new": "create()"}]))
    ### Asking
    <BLANKLINE>
    | | azure-ai-inference | openai |
    |:---|:---|:---|
    | a completion | `complete()` | `create()` |
    """
    first, *others = dict.fromkeys(row["part"] for row in rows)
    text = [f"### {first}", "", *_lines(rows, first)]
    for part in others:
        lines = _lines(rows, part)
        text += ["", f"<details><summary>{part} ({len(lines) - 2} rows)</summary>", "", *lines, "", "</details>"]
    return "\n".join(text)


def _lines(rows: list[dict], part: str) -> list[str]:
    """A part of the table, two lines of heading first."""
    names = [f"| {row['what']} | `{row['old']}` | {_code(row['new'])} |" for row in rows if row["part"] == part]
    return ["| | azure-ai-inference | openai |", "|:---|:---|:---|", *names]


def _code(text: str) -> str:
    return f"`{text}`" if text else "nothing"


if __name__ == "__main__":
    notebook = nbformat.read(LESSON, 4)
    next(cell for cell in notebook.cells if cell.id == CELL).source = table(load_rows())
    LESSON.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8", newline="\n")
    print(f"wrote the table into {LESSON.name}")
