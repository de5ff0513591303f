"""Makes notebooks/article-coverage.md of notebooks/article.toml: ``python -m uv run python -m tools.article``."""

from __future__ import annotations

import tomllib
from pathlib import Path

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
SNIPPETS = NOTEBOOKS.parent / "snippets"
DATA, PAGE = NOTEBOOKS / "article.toml", NOTEBOOKS / "article-coverage.md"
RELEASES = {  # the last of each SDK
    "Python": "On 1.0.0b9",
    "JavaScript": "On 1.0.0-beta.6",
    "C#": "On 1.0.0-beta.5, not executed",
    "REST": "On the wire",
    "More inference examples": "Today",
    "Cost and quota": "Today",
}


def load_rows() -> list[dict]:
    """The rows of the table, in the order of the article."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))["row"]


def page(rows: list[dict]) -> str:
    """The whole page."""
    done = sum("lesson" in row or "snippet" in row for row in rows)
    text = [
        "# The article, point by point",
        "",
        'Where each point and each snippet of Microsoft\'s article "How to use Phi-4 family chat models" (first edition,',
        "12 December 2024) is taught in these notebooks or stands in [snippets](../snippets/README.md), and which of the",
        "article's own snippets still run on the last release of each SDK. Made from `article.toml`.",
        "",
        f"{done} of {len(rows)} rows are covered" + ("." if done == len(rows) else "; the others are to come."),
    ]
    for part in dict.fromkeys(row["part"] for row in rows):
        text += [
            "",
            f"## {part}",
            "",
            f"| Section | What the article has | Where | {RELEASES[part]} | Note |",
            "|---|---|---|---|---|",
        ]
        text += [line(row) for row in rows if row["part"] == part]
    return "\n".join(text) + "\n"


def line(row: dict) -> str:
    """One row of the table."""
    what = f"Code: {row['what']}" if row["kind"] == "snippet" else row["what"]
    where = "to come"
    if "lesson" in row:
        where = f"[{row['lesson'][:2]}]({row['lesson']}.ipynb)" + (f" `{row['cell']}`" if "cell" in row else "")
    elif "snippet" in row:
        where = f"[{row['snippet']}](../snippets/{row['snippet']})"
    runs = {True: "works", False: f"fails: {row.get('why', '')}"}.get(row.get("works"), "")
    if row.get("by_reading"):
        runs = runs.replace("works", "should work").replace("fails:", "should not compile:")
    note = " ".join(filter(None, [row.get("note", ""), f"Instead: {row['instead']}" if "instead" in row else ""]))
    return f"| {row['section']} | {what} | {where} | {runs} | {note} |"


if __name__ == "__main__":
    PAGE.write_text(page(load_rows()), encoding="utf-8", newline="\n")
