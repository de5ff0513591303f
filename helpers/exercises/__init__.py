"""Exercises with checks: ``from helpers.exercises import check, hint, solution``.

Each exercise is a row in the data file of its lesson (lesson_05.toml) and a function beside it that
judges an answer (check_5_2 in lesson_05.py). Nothing leaves this computer.

What is untouched is recognised by the value, as judge.py says. Outcomes, hints and solutions are
displayed, so a cell that ends in check() has no value. If the environment variable NOT_YET_RAISES
is set, as in the kit's tests, check() raises NotYet for an answer that is not right.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

from IPython.display import display

from helpers.exercises.data import all_exercises, find
from helpers.exercises.judge import judge
from helpers.exercises.outcomes import NOT_YET
from helpers.exercises.record import progress_file, read_progress, record

__all__ = ["check", "hint", "progress", "solution"]

STRICT = "NOT_YET_RAISES"

_hints_shown: Counter[str] = Counter()


class NotYet(AssertionError):
    """An answer is not right yet, where that must not be."""


class Page:
    """A text to display: plain, and as Markdown in JupyterLab."""

    def __init__(self, text: str, markdown: str):
        self.text, self.markdown = text, markdown

    def __repr__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return self.markdown


def check(number: str, answer: Any) -> None:
    """Judge an answer to an exercise, and display the outcome.

    Raises nothing, whatever the answer is, unless NOT_YET_RAISES is set; then NotYet.
    """
    try:
        exercise = find(number)
    except LookupError as error:
        print(error)
        return
    outcome = judge(exercise, answer)
    _display(outcome)
    record(exercise.number, outcome.status, progress_file())
    if outcome.status == NOT_YET and os.environ.get(STRICT):
        raise NotYet(str(outcome))


def hint(number: str, which: int | None = None) -> None:
    """Display the next hint to an exercise, or the one with a number."""
    try:
        exercise = find(number)
    except LookupError as error:
        print(error)
        return
    last = len(exercise.hints)
    if which is None:
        _hints_shown[exercise.number] += 1
        which = min(_hints_shown[exercise.number], last)
    if which not in range(1, last + 1):
        print(f"Exercise {exercise.number} has the hints 1 to {last}.")
        return
    text = exercise.hints[which - 1]
    end = f' It is the last one: solution("{exercise.number}") shows how.' if which == last else ""
    title = f"Hint {which} of {last} to exercise {exercise.number}."
    _display(Page(f"{title}{end}\n\n{text}", f"**{title}**{end}\n\n{text}"))


def solution(number: str) -> None:
    """Display the solution of an exercise, and why it is right."""
    try:
        exercise = find(number)
    except LookupError as error:
        print(error)
        return
    title = f"Solution of exercise {exercise.number}: {exercise.title}"
    markdown = f"**{title}**\n\n```python\n{exercise.solution}\n```\n\n{exercise.why}"
    _display(Page(f"{title}\n\n{exercise.solution}\n\n{exercise.why}", markdown))


def progress() -> None:
    """Display which exercises were solved, as a small table.

    It comes from progress.jsonl in the folder of your copies, which you may read and delete.
    """
    path = progress_file()
    if path is None:
        print("Progress is kept only where you work in copies of the lessons: my-lessons.")
        return
    kept = read_progress(path)
    rows = [
        (exercise.number, exercise.title, *kept.get(exercise.number, ("-", "")))
        for exercise in all_exercises()
    ]
    solved = sum(row[2] == "correct" for row in rows)
    title = f"{solved} of {len(rows)} exercises solved. Kept in {path.name}, which you may delete."
    width = max((len(row[1]) for row in rows), default=0)
    lines = [f"{row[0]:>5}  {row[1]:<{width}}  {row[2]:<8} {row[3]}".rstrip() for row in rows]
    table = ["| Exercise | | Outcome | Date |", "|---|---|---|---|"]
    table += [f"| {' | '.join(row)} |" for row in rows]
    _display(Page("\n".join([title, "", *lines]), "\n".join([title, "", *table])))


def _display(page: Any) -> None:
    try:
        display(page)
    except UnicodeEncodeError:  # a terminal with few letters
        print(repr(page).encode("ascii", "backslashreplace").decode())
