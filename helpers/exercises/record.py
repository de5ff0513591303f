"""Remember which exercises were solved: a plain file in the folder of a learner's copies.

`progress.jsonl` has one line for each change: the exercise's number, the outcome and the date.
Nothing that a learner wrote is in it. It may be deleted at any time. Lines are only added, so two
kernels may write at once, and a line that cannot be read is left alone. Originals of the lessons
have no such file, nor does a folder that cannot be written.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from helpers.exercises.outcomes import CORRECT, NOT_YET

FILE = "progress.jsonl"
COPIES = ".lessons.json"  # tools/copies.py puts it into the folder of copies


def progress_file(folder: Path | None = None) -> Path | None:
    """Return the file for the folder in which one works, or None if that is not one of copies."""
    folder = folder or Path.cwd()
    return folder / FILE if (folder / COPIES).is_file() else None


def read_progress(path: Path | None) -> dict[str, tuple[str, str]]:
    """Return (outcome, date) by the number of the exercise. What was correct once stays so."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path else []
    except (OSError, ValueError):
        return {}
    best: dict[str, tuple[str, str]] = {}
    for line in lines:
        try:
            row = json.loads(line)
            number, outcome, day = row["exercise"], row["outcome"], row["date"]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        is_row = all(isinstance(text, str) for text in (number, outcome, day))
        if is_row and outcome in (NOT_YET, CORRECT) and best.get(number, ("",))[0] != CORRECT:
            best[number] = outcome, day
    return best


def record(number: str, outcome: str, path: Path | None, day: date | None = None) -> None:
    """Add an outcome to the file, unless it says nothing new. Raises nothing."""
    if path is None or outcome not in (NOT_YET, CORRECT):
        return
    before = read_progress(path).get(number, ("",))[0]
    if before in (outcome, CORRECT):
        return
    row = {"exercise": number, "outcome": outcome, "date": (day or date.today()).isoformat()}
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(row) + "\n")
    except OSError:
        pass  # a folder that cannot be written, or a full disk
