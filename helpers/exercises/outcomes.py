"""Say how a learner's answer to an exercise was judged: untouched, not yet, or correct."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape

UNTOUCHED, NOT_YET, CORRECT = "untouched", "not yet", "correct"
SIGNS = {UNTOUCHED: "[ ]", NOT_YET: "[-]", CORRECT: "[+]"}  # ASCII, for every terminal
RICH_SIGNS = {UNTOUCHED: "\u2026", NOT_YET: "\u2717", CORRECT: "\u2713"}
COLOURS = {UNTOUCHED: "#777", NOT_YET: "#b35900", CORRECT: "#2a7a2a"}  # beside the words
WIDTH = 92  # characters


@dataclass(frozen=True, repr=False)
class Outcome:
    """How an answer was judged.

    status: UNTOUCHED, NOT_YET or CORRECT. came, expected, look: what came, what was expected, and
    where to look. note: what the check could not see. number, worth_knowing: of the exercise;
    judge() adds them.
    """

    status: str
    came: str = ""
    expected: str = ""
    look: str = ""
    note: str = ""
    number: str = ""
    worth_knowing: str = ""

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Return (label, text) of all there is to say."""
        rows = [
            ("What came", self.came),
            ("Expected", self.expected),
            ("Next" if self.status == UNTOUCHED else "Where to look", self.look),
            ("Worth knowing", self.worth_knowing),
            ("Note", self.note),
        ]
        return [(label, text) for label, text in rows if text]

    def __repr__(self) -> str:
        lines = [f"{SIGNS[self.status]} Exercise {self.number}: {self.status}"]
        for label, text in self.rows:
            lines += textwrap.wrap(
                f"{label}: {text}", WIDTH, initial_indent="    ", subsequent_indent="      "
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<div style='margin-left:1.6em'><b>{label}:</b> {_rich(text)}</div>"
            for label, text in self.rows
        )
        return (
            f"<div style='border-left:4px solid {COLOURS[self.status]};padding-left:.6em'>"
            f"<b>{RICH_SIGNS[self.status]} Exercise {escape(self.number)}: {self.status}</b>"
            f"{rows}</div>"
        )


def not_yet(came: str, expected: str, look: str = "", note: str = "") -> Outcome:
    """Return the outcome of an answer that is not right yet.

    came: what came, without its end of sentence. expected: what was expected. look: where to look.
    """
    return Outcome(NOT_YET, came, expected, look, note)


def correct(note: str = "") -> Outcome:
    """Return the outcome of a right answer. note: what the check could not see."""
    return Outcome(CORRECT, note=note)


def _rich(text: str) -> str:
    """Return HTML in which `words` between backticks are code.

    >>> _rich("`a` & b")
    '<code>a</code> &amp; b'
    """
    parts = escape(text, quote=False).split("`")
    if len(parts) % 2 == 0:  # a backtick without its partner
        return "`".join(parts)
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
