"""The counts of a class as CSV.

One row for each seat, with these columns:

seat              its name in the class file
requests          how many requests it has made
tokens            how many tokens these took, of prompts and answers together
errors            how many were answered with an error
refused           how many were refused (429), since a budget was spent
requests_left     how many requests its budget still allows; empty without a limit
tokens_left       how many tokens its budget still allows; empty without a limit
last_asked        what it last asked for, in one line

No key is in it. The file is UTF-8 with a byte order mark, since Excel takes it for another encoding
otherwise. A text that a spreadsheet would run as a formula has an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

COLUMNS = (
    "seat",
    "requests",
    "tokens",
    "errors",
    "refused",
    "requests_left",
    "tokens_left",
    "last_asked",
)
# OWASP, "CSV Injection"; the last four are the same signs in full width
FORMULA_BEGINNINGS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def report_name(now: datetime | None = None) -> str:
    """Return the name of a report that is written now, in local time.

    >>> report_name(datetime(2026, 11, 30, 9, 5))
    'class-report-2026-11-30-0905.csv'
    """
    return f"class-report-{now or datetime.now():%Y-%m-%d-%H%M}.csv"


def write_csv(snapshot: Mapping[str, Any]) -> bytes:
    """Return the counts of a class as a CSV file. snapshot: of a tally."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for seat in snapshot["seats"]:
        writer.writerow([_cell(seat.get(name, seat["name"])) for name in COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def save_report(snapshot: Mapping[str, Any], folder: Path) -> Path:
    """Write the counts of a class into a new file in a folder. Return its path.

    Only this user may read it. Raises OSError if it cannot be written.
    """
    name = Path(report_name())
    for number in count(1):
        path = folder / (name.name if number == 1 else f"{name.stem}-{number}.csv")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another one of this minute
            continue
        with os.fdopen(descriptor, "wb") as file:
            file.write(write_csv(snapshot))
        return path
    raise AssertionError("count() does not end")


def one_line(text: str) -> str:
    """Return a text as one line, without tabs, invisible characters and changes of direction.

    >>> one_line("a\\tb\\n\\u202ec")
    'a b c'
    """
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _cell(value: Any) -> Any:
    """Return a value as a cell that no spreadsheet takes for a formula, and that is one line.

    >>> _cell("=1+1"), _cell("a\\nb"), _cell(7), _cell(None)
    ("'=1+1", 'a b', 7, '')
    """
    if value is None or isinstance(value, int):
        return "" if value is None else value
    text = one_line(str(value))
    return f"'{text}" if text.startswith(FORMULA_BEGINNINGS) else text
