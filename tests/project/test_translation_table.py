"""The table of lesson 10: its rows are well formed, and the lesson shows them as the data say."""

from __future__ import annotations

import pytest
from lesson_sources import read_lesson

from tools.translation import CELL, LESSON, load_rows, table

ROWS = load_rows()
KEYS = {"part", "what", "old", "new", "check", "fault", "faults", "base", "received"}
KEYS |= {"within", "sent", "closed", "old_does", "new_does", "shown"}
WIDEST = 76  # characters of an expression that the lesson shows


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['part']}: {row['what']}"[:80])
def test_a_row_has_only_known_keys_and_fits_into_a_table(row):
    assert set(row) <= KEYS
    assert "|" not in row["old"] + row["new"] + row["what"]  # it would end a cell of the table


def test_the_lesson_shows_rows_that_differ_and_can_be_read():
    shown = [row for row in ROWS if row.get("shown")]
    assert len(shown) > 40
    for row in shown:
        assert row["old"] != row["new"]
        assert max(len(row["old"]), len(row["new"])) <= WIDEST, row["what"]


def test_no_row_stands_twice():
    assert len({(row["part"], row["what"], row["old"]) for row in ROWS}) == len(ROWS)


def test_the_rows_of_a_part_stand_together():
    parts = [row["part"] for row in ROWS]
    assert parts == sorted(parts, key=parts.index)


def test_lesson_10_shows_the_table():
    cells = {cell.id: cell.source for cell in read_lesson(LESSON.stem).cells}
    assert cells[CELL] == table(ROWS), "run: python -m uv run python -m tools.translation"
