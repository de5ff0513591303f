"""The table of where the article is taught is complete, fits the notebooks, and is rendered."""

from __future__ import annotations

import nbformat
import pytest

from tools.article import NOTEBOOKS, PAGE, SNIPPETS, load_rows, page

ROWS = load_rows()
CODE_BLOCKS = {
    "Python": 12,
    "JavaScript": 8,
    "C#": 8,
    "REST": 5,
}  # of the article's variants, installation lines included


def sources(lesson: str) -> dict[str, str]:
    """Return id -> source of the cells of a lesson."""
    cells = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", 4).cells
    return {cell.id: cell.source for cell in cells}


@pytest.mark.parametrize("part", CODE_BLOCKS)
def test_every_snippet_has_a_row_that_says_whether_it_runs(part):
    snippets = [row for row in ROWS if row["part"] == part and row["kind"] == "snippet"]
    assert len(snippets) == CODE_BLOCKS[part]
    assert all("works" in row for row in snippets)
    assert all(row["works"] or (row["why"] and row["instead"]) for row in snippets)


def test_nothing_of_csharp_is_said_to_have_run():
    assert {row["part"] for row in ROWS if row.get("by_reading")} == {"C#"}
    assert all(row.get("by_reading") for row in ROWS if row["part"] == "C#")


def test_all_parts_of_the_article_have_rows():
    parts = ["Python", "JavaScript", "C#", "REST", "More inference examples", "Cost and quota"]
    assert list(dict.fromkeys(row["part"] for row in ROWS)) == parts


@pytest.mark.parametrize(
    "row", [row for row in ROWS if "lesson" in row], ids=lambda row: row["what"][:40]
)
def test_the_cell_of_a_row_exists_and_teaches_the_point(row):
    assert row["shows"] in sources(row["lesson"])[row["cell"]]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if "snippet" in row], ids=lambda row: row["what"][:40]
)
def test_the_snippet_of_a_row_exists_and_is_in_its_language(row):
    assert (SNIPPETS / row["snippet"]).is_file()
    suffix = {"JavaScript": ".mjs", "C#": ".cs", "REST": ".sh"}.get(row["part"], "")
    assert row["snippet"].endswith(suffix)


def test_rows_are_well_formed_and_stand_once():
    known = {"part", "section", "kind", "what", "lesson", "cell", "works", "why", "instead", "note"}
    known |= {"snippet", "by_reading", "shows"}
    assert not [row for row in ROWS if set(row) - known or row["kind"] not in ("snippet", "point")]
    assert len({(row["part"], row["section"], row["what"]) for row in ROWS}) == len(ROWS)


def test_the_page_is_what_the_data_say():
    assert PAGE.read_text(encoding="utf-8") == page(ROWS), (
        "run: python -m uv run python -m tools.article"
    )
