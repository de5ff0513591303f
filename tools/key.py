"""Make the key for teachers: tasks, solutions, and usual wrong answers with what they show.

    python -m uv run python -m tools.key                    # Markdown, all lessons
    python -m uv run python -m tools.key 05 06              # only these lessons
    python -m uv run python -m tools.key --page key.html    # a page to print

Everything comes from the data of the exercises, which the tests run in the lessons. Of a wrong
answer only the lines are shown that differ from the solution, and what the check says about it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from textwrap import dedent

import nbformat
from nbconvert.filters import markdown2html_mistune

from helpers.exercises.data import Exercise, WrongAnswer, all_exercises, exercises_of

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
ALIKE = 0.4  # the share of equal lines above which only the others are shown
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Solutions of the exercises</title>
<style>
body { color: #000; font: 11pt/1.45 system-ui, "Segoe UI", Arial, sans-serif; margin: 2em auto;
  max-width: 46em; padding: 0 1em; }
pre, code { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { background: #f4f4f4; font-size: 9pt; overflow-wrap: anywhere; padding: 0.5em 0.7em;
  white-space: pre-wrap; }
h2 { break-before: page; }
h2:first-of-type { break-before: auto; }
h3, pre, li { break-inside: avoid; }
h3, h4 { break-after: avoid; margin-bottom: 0.3em; }
@page { margin: 16mm; }
@media print { body { margin: 0; max-width: none; padding: 0; } }
</style>
</head>
<body>
"""


def solutions_key(lessons: Sequence[int] = ()) -> str:
    """Return the key as Markdown, of these lessons or of all."""
    numbers = lessons or sorted({exercise.lesson for exercise in all_exercises()})
    parts = [
        "# Solutions of the exercises",
        "For teachers. Below each solution are usual wrong answers, as far as they differ from it, "
        "and a piece of what the check says about them.",
    ]
    for number in numbers:
        parts.append(f"## {_title(number)}")
        for exercise in exercises_of(number).values():
            parts += _exercise(exercise)
    return "\n\n".join(parts) + "\n"


def _title(lesson: int) -> str:
    path = next(NOTEBOOKS.glob(f"{lesson:02}-*.ipynb"))
    return nbformat.read(path, 4).cells[0].source.partition("\n")[0].lstrip("# ")


def _exercise(exercise: Exercise) -> list[str]:
    parts = [
        f"### {exercise.number} \u00b7 {exercise.title} ({exercise.minutes} min)",
        f"**Task.** {exercise.task}",
        _code(exercise.solution),
        f"**Why.** {exercise.why}",
        f"**Worth knowing:** {exercise.worth_knowing}",
    ]
    if exercise.comes_from:
        parts.append(f"**People ask about this:** {exercise.comes_from}.")
    parts.append("#### Usual wrong answers")
    for wrong in exercise.wrong:
        source = f" ({wrong.comes_from})" if wrong.comes_from else ""
        parts += [
            f"The check says: \u201c{wrong.says}\u201d{source}",
            _code(difference(exercise, wrong)),
        ]
    return parts


def _code(text: str) -> str:
    fence = "````" if "```" in text else "```"
    return f"{fence}python\n{text}\n{fence}"


def difference(exercise: Exercise, wrong: WrongAnswer) -> str:
    """Return the lines of a wrong answer that differ from the solution; lines left out as comments.

    Indents and docstrings do not count. If hardly a line is the same, or only the indents differ,
    return the whole answer.
    """
    right, answer = _lines(exercise.solution), _lines(wrong.code)
    stripped = [[line.strip() for line in lines] for lines in (right, answer)]
    matcher = SequenceMatcher(None, *stripped, autojunk=False)
    if matcher.ratio() < ALIKE or stripped[0] == stripped[1]:
        return wrong.code
    lines: list[str] = []
    for kind, right_from, right_to, from_line, to_line in matcher.get_opcodes():
        if kind == "equal":
            continue
        if lines:
            lines.append("...")
        lines += answer[from_line:to_line]
        if kind == "delete":
            lines += [f"# without: {line.strip()}" for line in right[right_from:right_to]]
    return dedent("\n".join(lines))


def _lines(code: str) -> list[str]:
    """Return the lines of code without empty ones and without docstrings of one line."""
    return [line for line in code.splitlines() if line and not line.lstrip().startswith('"""')]


def key_page(markdown: str) -> str:
    """Return the key as a page to print. It needs no other file."""
    html = re.sub(r'<a class="anchor-link".*?</a>', "", markdown2html_mistune(markdown))
    return f"{PAGE}{html}\n</body>\n</html>\n"


def main() -> None:
    """Run the program."""
    known = [exercise.lesson for exercise in all_exercises()]
    parser = argparse.ArgumentParser(prog="tools.key", description=__doc__.split("\n")[0])
    parser.add_argument("lesson", nargs="*", type=int, help="numbers of lessons; default: all")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write a page to print")
    options = parser.parse_args()
    unknown = sorted({*options.lesson} - {*known})
    if unknown:
        parser.error(f"lesson {unknown[0]} has no exercises, those of {known[0]} to {known[-1]} do")
    markdown = solutions_key(options.lesson)
    if options.page:
        options.page.write_text(key_page(markdown), encoding="utf-8", newline="\n")
        print(f"wrote {options.page}")
        return
    sys.stdout.reconfigure(encoding="utf-8")
    print(markdown, end="")


if __name__ == "__main__":
    main()
