"""Estimate how long lessons take, and write the minutes into them and into README's table.

    python -m uv run python -m tools.minutes

A lesson has a core; then a cell "# In depth" and sections that may be left out. These cells are
tagged in-depth. The minutes stand in the header of the lesson, in the headings of its sections and
in README. A lesson without a cell "# In depth" keeps the minutes that its author wrote.

Exercises have minutes in their data files. Those of the core are stated apart, those of a section
are part of its minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.exercises.data import find
from tools.exercises import is_exercise, number_of

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
TAG = "in-depth"
DEPTH = "# In depth"
WORDS_PER_MINUTE = 200
SECONDS_PER_CODE_LINE = 5
SECONDS_PER_OUTPUT_LINE = 2
SECONDS_PER_CODE_CELL = 6  # to run it
SECONDS_PER_PREDICTION = 25
SECONDS_PER_QUESTION = 60
FOLDED_OR_CODE = re.compile(r"<details>.*?</details>|```.*?```", re.DOTALL)
PREDICTION = "**Predict"
QUESTIONS = re.compile(r"^## Questions\n(.*?)(?=<details|^#|\Z)", re.DOTALL | re.MULTILINE)
SECTION = re.compile(r"## In depth: (.+?)(?: \(\d+ minutes?\))?(?:\n|\Z)")
STATED = re.compile(r"\| (\d+) minutes(?:, exercises (\d+) more)?(?:, in depth (\d+) more)? \|")
ROW = re.compile(r"(\(notebooks/([\w-]+\.ipynb)\)) \|(?: *\d* *\|){3}")


@dataclass
class Parts:
    """The cells of a lesson.

    core: all cells that are not tagged. depth: all cells that are. sections: title -> its cells, of
    which the first has the heading. is_divided: True if the depth begins with "# In depth".
    """

    core: list[NotebookNode] = field(default_factory=list)
    depth: list[NotebookNode] = field(default_factory=list)
    sections: dict[str, list[NotebookNode]] = field(default_factory=dict)

    @property
    def is_divided(self) -> bool:
        return bool(self.depth) and self.depth[0].source.startswith(f"{DEPTH}\n")


def parts_of(cells: Iterable[NotebookNode]) -> Parts:
    """Return the parts of a lesson."""
    parts = Parts()
    for cell in cells:
        if TAG not in cell.metadata.get("tags", []):
            parts.core.append(cell)
            continue
        parts.depth.append(cell)
        heading = SECTION.match(cell.source) if cell.cell_type == "markdown" else None
        if heading:
            parts.sections[heading[1]] = []
        if parts.sections:
            [*parts.sections.values()][-1].append(cell)
    return parts


def minutes(cells: Iterable[NotebookNode]) -> int:
    """Return the estimated minutes for reading cells, running them and answering, at least 1.

    >>> text, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    >>> minutes([text("word " * 590), code("x = 1")])
    3
    >>> minutes([text("## Questions\\n\\n1. Why?\\n2. How?\\n\\n<details>Because.</details>")])
    2
    """
    return max(1, round(seconds(cells) / 60))


def seconds(cells: Iterable[NotebookNode]) -> float:
    """Return the estimated seconds for reading cells, running them and answering.

    Exercises, folded text and code in prose do not count. A prediction and a question have a time
    of their own.
    """
    total = 0.0
    for cell in cells:
        if is_exercise(cell):
            continue
        if cell.cell_type == "code":
            total += SECONDS_PER_CODE_CELL
            total += SECONDS_PER_CODE_LINE * len(cell.source.splitlines())
            total += SECONDS_PER_OUTPUT_LINE * sum(map(_lines, cell.outputs))
        else:
            words = FOLDED_OR_CODE.sub(" ", cell.source).split()
            questions = "".join(QUESTIONS.findall(cell.source))
            total += 60 / WORDS_PER_MINUTE * len(words)
            total += SECONDS_PER_PREDICTION * cell.source.count(PREDICTION)
            total += SECONDS_PER_QUESTION * len(re.findall(r"(?m)^\d+\. ", questions))
    return total


def exercise_minutes(cells: Iterable[NotebookNode]) -> int:
    """Return the minutes of the exercises in some cells, from their data files.

    Raises LookupError if an exercise is in no data file.
    """
    return sum(find(number).minutes for cell in cells if (number := number_of(cell)))


def _lines(output: NotebookNode) -> int:
    text = output.get("text", output.get("data", {}).get("text/plain", ""))
    return len(text.splitlines())


def stated(notebook: NotebookNode) -> tuple[int, int | None, int | None]:
    """Return the minutes in the header of a lesson: of the core, of its exercises, of the depth.

    The last two are None if the header does not state them.

    Raises ValueError if its first cell states none.
    """
    match = STATED.search(notebook.cells[0].source)
    if not match:
        raise ValueError(
            f"the first cell begins with {notebook.cells[0].source[:40]!r} and states no time, "
            "expected '| 10 minutes, in depth 5 more |' in its table"
        )
    exercises, depth = (int(text) if text else None for text in match.groups()[1:])
    return int(match[1]), exercises, depth


def write_minutes(notebook: NotebookNode) -> None:
    """Write the minutes into the header of a lesson and into the headings of its sections.

    Raises what stated raises.
    """
    stated(notebook)
    parts = parts_of(notebook.cells)
    if not parts.is_divided:
        return
    exercises = exercise_minutes(parts.core)
    depth = minutes(parts.depth) + exercise_minutes(parts.depth)
    header = f"| {minutes(parts.core)} minutes, in depth {depth} more |"
    if exercises:
        header = header.replace(",", f", exercises {exercises} more,", 1)
    notebook.cells[0].source = STATED.sub(header, notebook.cells[0].source, count=1)
    for title, cells in parts.sections.items():
        number = minutes(cells) + exercise_minutes(cells)
        noun = "minute" if number == 1 else "minutes"
        heading = f"## In depth: {title} ({number} {noun})\n"
        cells[0].source = SECTION.sub(lambda _, text=heading: text, cells[0].source, count=1)
        cells[0].source = cells[0].source.rstrip("\n")


def write_table(readme: str, lessons: dict[str, tuple[int, int | None, int | None]]) -> str:
    """Return README's text with the minutes of the lessons in its table.

    lessons: for the file name of each lesson, what stated returns.

    >>> row = "| 04 | [Chat](notebooks/04-chat.ipynb) | 50 | | | roles |"
    >>> write_table(row, {"04-chat.ipynb": (18, 9, 30)})
    '| 04 | [Chat](notebooks/04-chat.ipynb) | 18 | 9 | 30 | roles |'
    """

    def row(match: re.Match) -> str:
        numbers = ["" if number is None else f"{number} " for number in lessons[match[2]]]
        return f"{match[1]} | {'| '.join(numbers)}|"

    return ROW.sub(row, readme)


def main() -> None:
    """Write the minutes of all lessons. Print one line for each."""
    lessons = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, 4)
        write_minutes(notebook)
        text = nbformat.writes(notebook).rstrip("\n") + "\n"
        path.write_text(text, encoding="utf-8", newline="\n")
        lessons[path.name] = stated(notebook)
        core, exercises, depth = ("-" if each is None else each for each in lessons[path.name])
        print(f"{path.stem:<24} core {core:>3}   exercises {exercises:>3}   in depth {depth:>3}")
    readme = write_table(README.read_text(encoding="utf-8"), lessons)
    README.write_text(readme, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
