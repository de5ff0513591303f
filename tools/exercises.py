"""Write the exercises from their data files into the lessons, and compare both.

    python -m uv run python -m tools.exercises                     # all lessons
    python -m uv run python -m tools.exercises --place 5.2 CELL    # after the cell with this id
    python -m uv run python -m tools.exercises --check             # only compares; status 1
    python -m uv run python -m tools.exercises --key               # as tools.key: all solutions

An exercise has three cells: a Markdown cell that begins with "### Exercise 5.2", the stub, and a
cell with hint() and solution(). They are found by the number in the first. After a change, run
tools.refresh and tools.minutes.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.exercises.data import Exercise, exercises_of

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
HEADING = re.compile(r"### Exercise (\d+\.\d+)\b")
TASK_TAG, STUB_TAG, HELP_TAG = "exercise-task", "exercise", "exercise-help"
TAGS = (TASK_TAG, STUB_TAG, HELP_TAG)
DEPTH_TAG = "in-depth"


# The cells of an exercise


def cells_of(exercise: Exercise, tags: list[str] | None = None) -> list[NotebookNode]:
    """Return the three cells of an exercise. tags: more tags for each of them."""
    name = f"exercise-{exercise.number.replace('.', '-')}"
    heading = f"### Exercise {exercise.number} \u00b7 {exercise.title}"
    helps = f'# hint("{exercise.number}")\n# solution("{exercise.number}")'
    cells = [
        nbformat.v4.new_markdown_cell(f"{heading}\n\n{exercise.task}", id=name),
        nbformat.v4.new_code_cell(exercise.stub, id=f"{name}-stub"),
        nbformat.v4.new_code_cell(helps, id=f"{name}-help"),
    ]
    for cell, tag in zip(cells, TAGS, strict=True):
        cell.metadata["tags"] = [tag, *(tags or [])]
    return cells


def number_of(cell: NotebookNode) -> str | None:
    """Return the number of the exercise that begins with this cell, or None."""
    match = HEADING.match(cell.source) if cell.cell_type == "markdown" else None
    return match[1] if match else None


def is_exercise(cell: NotebookNode) -> bool:
    """Return True if a cell belongs to an exercise."""
    return not set(TAGS).isdisjoint(cell.metadata.get("tags", []))


def numbers_in(notebook: NotebookNode) -> list[str]:
    """Return the numbers of the exercises in a lesson, in their order."""
    return [number for cell in notebook.cells if (number := number_of(cell))]


def write_exercises(notebook: NotebookNode, exercises: Mapping[str, Exercise]) -> list[str]:
    """Put the cells of the exercises where their headings stand. Return what is wrong.

    Cells that are as they should be keep their outputs.
    """
    problems = []
    cells: list[NotebookNode] = []
    old = {cell.id: cell for cell in notebook.cells if is_exercise(cell)}
    for cell in notebook.cells:
        number = number_of(cell)
        if number is None:
            if not is_exercise(cell):
                cells.append(cell)
            continue
        if number not in exercises:
            problems.append(f"the lesson has an exercise {number}, its data file has none")
            cells.append(cell)
            continue
        tags = [DEPTH_TAG] if DEPTH_TAG in cell.metadata.get("tags", []) else []
        for new in cells_of(exercises[number], tags):
            kept = old.get(new.id)
            is_same = kept and (kept.source, kept.metadata) == (new.source, new.metadata)
            cells.append(kept if is_same else new)
    notebook.cells = cells
    placed = numbers_in(notebook)
    for number in exercises:
        if number not in placed:
            problems.append(f"{number} is not placed; use --place {number} CELL")
    if len(placed) != len(set(placed)):
        problems.append(f"an exercise is placed twice: {', '.join(placed)}")
    return problems


def place(notebook: NotebookNode, number: str, cell_id: str) -> None:
    """Put the heading of an exercise after a cell, or move it there.

    Raises ValueError if there is no such cell.
    """
    cells = [cell for cell in notebook.cells if number_of(cell) != number]
    ids = [cell.id for cell in cells]
    if cell_id not in ids:
        raise ValueError(f"there is no cell {cell_id!r}, but: {', '.join(ids)}")
    before = cells[ids.index(cell_id)]
    heading = nbformat.v4.new_markdown_cell(f"### Exercise {number}")
    if DEPTH_TAG in before.metadata.get("tags", []):
        heading.metadata["tags"] = [DEPTH_TAG]
    cells.insert(ids.index(cell_id) + 1, heading)
    notebook.cells = cells


# The program


def save(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook as the other tools do."""
    path.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8", newline="\n")


def differences(path: Path) -> list[str]:
    """Return what differs between a lesson and its data file, a line each."""
    notebook = nbformat.read(path, 4)
    before = [(cell.id, cell.source, dict(cell.metadata)) for cell in notebook.cells]
    problems = write_exercises(notebook, exercises_of(int(path.name[:2])))
    after = [(cell.id, cell.source, dict(cell.metadata)) for cell in notebook.cells]
    if before != after:
        problems.append("its cells differ from the data; run python -m tools.exercises")
    return [f"{path.stem}: {problem}" for problem in problems]


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="tools.exercises", description=__doc__.split("\n")[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only compare; status 1 if they differ")
    what.add_argument("--key", action="store_true", help="print all solutions as Markdown")
    what.add_argument("--place", nargs=2, metavar=("NUMBER", "CELL"), help="after which cell")
    options = parser.parse_args()
    if options.key:
        from tools.key import solutions_key

        sys.stdout.reconfigure(encoding="utf-8")
        print(solutions_key(), end="")
        return
    problems = []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        lesson = int(path.name[:2])
        if options.check:
            problems += differences(path)
            continue
        notebook = nbformat.read(path, 4)
        text = nbformat.writes(notebook)
        if options.place and int(options.place[0].partition(".")[0]) == lesson:
            try:
                place(notebook, *options.place)
            except ValueError as error:
                sys.exit(str(error))
        lines = write_exercises(notebook, exercises_of(lesson))
        problems += [f"{path.stem}: {line}" for line in lines]
        if nbformat.writes(notebook) != text:
            save(notebook, path)
            print(f"wrote {path.stem}; now run tools.refresh and tools.minutes")
    print(*problems, sep="\n", end="\n" if problems else "")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
