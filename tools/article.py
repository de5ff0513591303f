"""Make notebooks/article-coverage.md from notebooks/article.toml.

Run ``python -m uv run python -m tools.article``.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SNIPPETS = NOTEBOOKS.parent / "snippets"
DATA, PAGE = NOTEBOOKS / "article.toml", NOTEBOOKS / "article-coverage.md"
STATUS_TITLES = {  # for each part of the article, with the last release of its SDK
    "Python": "On 1.0.0b9",
    "JavaScript": "On 1.0.0-beta.6",
    "C#": "On 1.0.0-beta.5, not executed",
    "REST": "On the wire",
    "More inference examples": "Today",
    "Cost and quota": "Today",
}


def load_rows() -> list[dict]:
    """Return the rows of the table, in the order of the article."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))["row"]


def page(rows: list[dict]) -> str:
    """Return the whole page as Markdown."""
    covered = sum("lesson" in row or "snippet" in row for row in rows)
    lines = [
        "# The article, point by point",
        "",
        "This page lists each point and each snippet of the first edition (12 December 2024) of",
        'the article "How to use Phi-4 family chat models" by Microsoft. It says which lesson, or',
        "which file of [snippets](../snippets/README.md), covers it, and whether the article's own",
        "snippets still work with the last release of each SDK. `tools/article.py` makes this page",
        "from `article.toml`.",
        "",
        f"{covered} of {len(rows)} rows are covered"
        + ("." if covered == len(rows) else "; the others are to come."),
    ]
    for part in dict.fromkeys(row["part"] for row in rows):
        lines += [
            "",
            f"## {part}",
            "",
            f"| Section | In the article | Covered in | {STATUS_TITLES[part]} | Note |",
            "|---|---|---|---|---|",
        ]
        lines += [table_line(row) for row in rows if row["part"] == part]
    return "\n".join(lines) + "\n"


def table_line(row: dict) -> str:
    """Return a row as a line of the table."""
    content = f"Code: {row['what']}" if row["kind"] == "snippet" else row["what"]
    notes = [row["note"]] if "note" in row else []
    if "instead" in row:
        notes.append(f"Instead: {row['instead']}")
    return f"| {row['section']} | {content} | {place(row)} | {status(row)} | {' '.join(notes)} |"


def place(row: dict) -> str:
    """Return a link to the lesson or the snippet that covers a row."""
    if "lesson" in row:
        link = f"[{row['lesson'][:2]}]({row['lesson']}.ipynb)"
        return f"{link} `{row['cell']}`" if "cell" in row else link
    if "snippet" in row:
        return f"[{row['snippet']}](../snippets/{row['snippet']})"
    return "to come"


def status(row: dict) -> str:
    """Return whether a snippet of the article works, or "" for a row without that information."""
    if "works" not in row:
        return ""
    by_reading = row.get("by_reading")
    if row["works"]:
        return "should work" if by_reading else "works"
    return f"{'should not compile' if by_reading else 'fails'}: {row.get('why', '')}"


if __name__ == "__main__":
    PAGE.write_text(page(load_rows()), encoding="utf-8", newline="\n")
