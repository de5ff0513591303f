"""Write the plans for a class into TEACHING.md, and try out what they leave out.

    python -m uv run python -m tools.plans          # writes the tables
    python -m uv run python -m tools.plans --run    # runs the cells of each plan, some minutes

teaching/plans.toml holds the plans: which lesson, from which heading to which, which exercises,
and what to leave out when it gets late. The minutes come from tools.minutes. --run runs what is
left of a plan in fresh kernels, without anything that it leaves out.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel
from nbformat import NotebookNode

from helpers.exercises.data import find
from tools.class_cost import cost_text
from tools.exercises import is_exercise, number_of
from tools.minutes import parts_of, seconds
from tools.names import needed
from tools.refresh import CELL_TIMEOUT, forget_own_settings, run_cell

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "TEACHING.md"
DATA = ROOT / "teaching" / "plans.toml"
LESSONS = 16
TOP = "Top"  # the name of what stands before the first heading of a lesson
ROOM = 1.25  # a room takes a quarter longer than one person; estimated, not measured
HEADING = re.compile(r"(?m)^#{1,2} (.+)$")


@dataclass(frozen=True)
class Section:
    """What stands under a heading of a lesson's core. A cell with two headings is divided."""

    heading: str
    cells: tuple[NotebookNode, ...]


@cache
def sections(lesson: str) -> tuple[Section, ...]:
    """Return the sections of the core of a lesson. lesson: its number, such as "05".

    Raises ValueError if there is no such lesson.
    """
    paths = sorted((ROOT / "notebooks").glob(f"{lesson}-*.ipynb"))
    if len(paths) != 1:
        raise ValueError(f"there is no lesson {lesson!r}, expected two digits such as '05'")
    found: list[tuple[str, list[NotebookNode]]] = [(TOP, [])]
    core = parts_of(nbformat.read(paths[0], 4).cells).core
    found[0][1].append(core[0])
    for cell in core[1:]:
        for heading, piece in _divided(cell):
            if heading:
                found.append((heading, []))
            found[-1][1].append(piece)
    return tuple(Section(heading, tuple(cells)) for heading, cells in found)


def _divided(cell: NotebookNode) -> Iterator[tuple[str, NotebookNode]]:
    """Yield (heading or "", cell) for each part of a cell that has headings."""
    starts = [match.start() for match in HEADING.finditer(cell.source)]
    if cell.cell_type == "code" or not starts:
        yield "", cell
        return
    for start, end in zip([0, *starts], [*starts, None], strict=True):
        piece = cell.source[start:end]
        if piece.strip():
            heading = HEADING.match(piece)
            yield (heading[1] if heading else ""), nbformat.v4.new_markdown_cell(piece)


@dataclass(frozen=True)
class Row:
    """A row of a plan: part of a lesson, or something else that takes a fixed time.

    minutes: of something else; None for a lesson. first, last: headings; "" is the lesson's own
    first or last. exercises: those that are done in class. learners: what they do.
    """

    text: str = ""
    minutes: int | None = None
    lesson: str = ""
    first: str = ""
    last: str = ""
    exercises: tuple[str, ...] = ()
    learners: str = ""

    def sections(self) -> tuple[Section, ...]:
        """Return the sections of the lesson that belong to this row.

        Raises ValueError if the lesson has no such heading.
        """
        if not self.lesson:
            return ()
        every = sections(self.lesson)
        headings = [section.heading for section in every]
        for heading in filter(None, (self.first, self.last)):
            if heading not in headings:
                raise ValueError(f"lesson {self.lesson} has no heading {heading!r}: {headings}")
        start = headings.index(self.first) if self.first else 0
        end = headings.index(self.last) if self.last else len(every) - 1
        return every[start : end + 1]

    def cells(self) -> list[NotebookNode]:
        """Return the cells of this row, without exercises."""
        return [
            cell for section in self.sections() for cell in section.cells if not is_exercise(cell)
        ]

    @property
    def alone(self) -> float:
        """Return the minutes that one person needs."""
        exercises = sum(find(number).minutes for number in self.exercises)
        return seconds(self.cells()) / 60 + exercises

    @property
    def in_room(self) -> float:
        """Return the minutes that a room needs."""
        return self.alone * ROOM if self.minutes is None else self.minutes


@dataclass(frozen=True)
class Cut:
    """What to leave out when it gets late.

    at: the lesson whose beginning is the stop point. lesson: from which something is left out.
    headings, exercises: what.
    """

    at: str
    lesson: str
    headings: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()

    def cells(self) -> list[NotebookNode]:
        """Return the cells that are left out. Raises ValueError for a heading that is not there."""
        known = {section.heading: section for section in sections(self.lesson)}
        missing = [heading for heading in self.headings if heading not in known]
        if missing:
            raise ValueError(f"lesson {self.lesson} has no heading {missing[0]!r}: {[*known]}")
        every = [cell for heading in self.headings for cell in known[heading].cells]
        return [cell for cell in every if not is_exercise(cell)]

    @property
    def saved(self) -> int:
        """Return how many minutes of a room this saves."""
        exercises = sum(find(number).minutes for number in self.exercises)
        return round((seconds(self.cells()) / 60 + exercises) * ROOM)


@dataclass(frozen=True)
class Plan:
    """A plan for a class. start: minutes since midnight. length: minutes that there are."""

    name: str
    start: int
    length: int
    rows: tuple[Row, ...]
    cuts: tuple[Cut, ...]

    def clocks(self) -> list[int]:
        """Return when each row begins and when the last one ends, in minutes since midnight.

        Rounded sums, so that the differences add up.
        """
        ends = [0.0]
        for row in self.rows:
            ends.append(ends[-1] + row.in_room)
        return [self.start + round(end) for end in ends]

    def lesson_cells(self, lesson: str, with_cuts: bool) -> list[NotebookNode]:
        """Return the code cells of a lesson that are run, exercises as their solutions."""
        rows = [row for row in self.rows if row.lesson == lesson]
        cuts = [cut for cut in self.cuts if cut.lesson == lesson] if with_cuts else []
        left_out = {id(cell) for cut in cuts for cell in cut.cells()}
        left_out -= {id(cell) for cut in cuts for cell in must_run(self, cut)}
        not_done = {number for cut in cuts for number in cut.exercises}
        cells = []
        for section in (section for row in rows for section in row.sections()):
            for cell in section.cells:
                number = number_of(cell)
                done = {number for row in rows for number in row.exercises} - not_done
                if number in done:
                    cells.append(nbformat.v4.new_code_cell(find(number).solution))
                elif cell.cell_type == "code" and not (is_exercise(cell) or id(cell) in left_out):
                    cells.append(cell)
        return cells

    def lessons(self) -> list[str]:
        """Return the numbers of its lessons."""
        return list(dict.fromkeys(row.lesson for row in self.rows if row.lesson))


def must_run(plan: Plan, cut: Cut) -> list[NotebookNode]:
    """Return the cells of a cut that have to be run anyway: later cells of the plan need them."""
    rows = [row for row in plan.rows if row.lesson == cut.lesson]
    every = [cell for row in rows for cell in row.cells() if cell.cell_type == "code"]
    out = {id(cell) for cell in cut.cells()}
    return needed(every, [cell for cell in every if id(cell) in out])


def read_plans() -> list[Plan]:
    """Return the plans. Raises TypeError or ValueError if the file has a mistake."""
    plans = []
    for data in tomllib.loads(DATA.read_text(encoding="utf-8"))["plan"]:
        hours, _, minutes = data["start"].partition(":")
        rows = [Row(**_tuples(row)) for row in data["row"]]
        cuts = [Cut(**_tuples(cut)) for cut in data["cut"]]
        start = int(hours) * 60 + int(minutes)
        plans.append(Plan(data["name"], start, data["length"], tuple(rows), tuple(cuts)))
    return plans


def _tuples(data: dict) -> dict:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


# Tables


def plan_text(plan: Plan) -> str:
    """Return a plan as Markdown: its table, its sums, and the stop points."""
    clocks = plan.clocks()
    lines = ["| Clock | What | Minutes | Learners |", "|---|---|---|---|"]
    for row, start, end in zip(plan.rows, clocks, clocks[1:], strict=False):
        lines.append(f"| {_clock(start)} | {_what(row)} | {end - start} | {row.learners} |")
    lines.append(f"| {_clock(clocks[-1])} | End | **{clocks[-1] - clocks[0]}** | |")
    exercises = sum(find(number).minutes for row in plan.rows for number in row.exercises)
    alone = round(sum(row.alone for row in plan.rows if row.lesson))
    fixed = sum(row.minutes for row in plan.rows if row.minutes)
    lines += [
        "",
        f"One person needs {alone} minutes for these parts, {exercises} of them for exercises. A "
        f"room needs a quarter more: {round(alone * ROOM)}. The rest takes {fixed}. Of "
        f"{plan.length} minutes, {plan.length - (clocks[-1] - clocks[0])} are left for questions.",
        "",
        "| Stop point | If you are not there, leave out | Saves | Run anyway |",
        "|---|---|---|---|",
    ]
    for cut in plan.cuts:
        row = next(number for number, row in enumerate(plan.rows) if row.lesson == cut.at)
        stop = f"{_clock(clocks[row])}, {cut.at} begins"
        lines.append(
            f"| {stop} | {_left_out(plan, cut)} | {cut.saved} min | {_anyway(plan, cut)} |"
        )
    return "\n".join(lines)


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


def _what(row: Row) -> str:
    if not row.lesson:
        return row.text
    every, own = sections(row.lesson), row.sections()
    first, last = own[0].heading, own[-1].heading
    if len(own) == len(every):
        where = "the core"
    elif first == last:
        where = f"\u201c{first}\u201d"
    else:
        where = f"\u201c{first}\u201d to \u201c{last}\u201d"
    where = where.replace(f"\u201c{TOP}\u201d", "top")
    exercises = f"; exercises {', '.join(row.exercises)}" if row.exercises else ""
    return f"**{row.lesson}** {where}{exercises}"


def _left_out(plan: Plan, cut: Cut) -> str:
    rows = [row for row in plan.rows if row.lesson == cut.lesson]
    if {section.heading for row in rows for section in row.sections()} == {*cut.headings}:
        return f"{cut.lesson}, all of it"
    what = [f"\u201c{heading}\u201d" for heading in cut.headings]
    what += [f"exercise {number}" for number in cut.exercises]
    return f"{cut.lesson}: {', '.join(what)}"


def _anyway(plan: Plan, cut: Cut) -> str:
    cells = must_run(plan, cut)
    if not cells:
        return "nothing"
    return "; ".join(f"the cell `{cell.source.splitlines()[0].strip()}`" for cell in cells)


def core_text(lesson: str) -> str:
    """Return the headings of a lesson's core as a line of Markdown, with minutes and exercises."""
    parts, end = [], 0.0
    for section in sections(lesson):
        start, end = end, end + seconds(section.cells) / 60
        exercises = [number for cell in section.cells if (number := number_of(cell))]
        text = f"{'top' if section.heading == TOP else section.heading} {round(end) - round(start)}"
        for number in exercises:
            text += f", **{number}** {find(number).minutes}"
        parts.append(text)
    return "Minutes: " + " \u00b7 ".join(parts) + "."


def write_page(text: str) -> str:
    """Return the text of TEACHING.md with the plans and the costs of now.

    Raises ValueError if one of them has no place in it.
    """
    for plan in read_plans():
        text = replaced(text, f"plan: {plan.name}", plan_text(plan))
    for number in range(LESSONS):
        text = replaced(text, f"lesson {number:02}", core_text(f"{number:02}"))
    return replaced(text, "costs", cost_text())


def replaced(text: str, name: str, new: str) -> str:
    """Return a page in which the part between two comments is another one.

    >>> replaced("<!-- begin a -->old<!-- end a -->", "a", "new")
    '<!-- begin a -->\\n\\nnew\\n\\n<!-- end a -->'
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the page has no place for {name!r}, expected {begin} and {end}")
    before, rest = text.split(begin)
    return f"{before}{begin}\n\n{new}\n\n{end}{rest.split(end)[1]}"


# Runs


def first_error(cells: list[NotebookNode], run: Callable[[str], tuple[list, dict]]) -> str:
    """Run cells. Return the first error that is not on purpose, or "".

    run: runs the source of a cell in a fresh kernel. Returns what tools.refresh.run_cell returns.
    """
    for cell in cells:
        _, reply = run(cell.source)
        on_purpose = "raises-exception" in cell.metadata.get("tags", [])
        if reply["status"] == "error" and not on_purpose:
            return f"{cell.source.splitlines()[0]!r}: {reply['ename']}: {reply['evalue']}"
    return ""


def run_cells(cells: list[NotebookNode]) -> str:
    """Run cells in a fresh kernel. Return what first_error returns."""
    manager, client = start_new_kernel(
        kernel_name="python3", cwd=str(ROOT / "notebooks"), extra_arguments=["--log-level=ERROR"]
    )
    try:
        return first_error(cells, lambda source: run_cell(client, source, CELL_TIMEOUT))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def run_plans() -> list[str]:
    """Run every lesson of every plan, once as planned and once with all cuts. Return errors."""
    done: dict[tuple[str, ...], str] = {}
    problems = []
    for plan in read_plans():
        for lesson in plan.lessons():
            for with_cuts in (False, True):
                cells = plan.lesson_cells(lesson, with_cuts)
                key = tuple(cell.source for cell in cells)
                if key not in done:
                    done[key] = run_cells(cells)
                    print(f"{plan.name}, {lesson}: {len(cells)} cells {done[key] or 'ran'}")
                if done[key]:
                    problems.append(f"{plan.name}, lesson {lesson}: {done[key]}")
    return problems


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="tools.plans", description=__doc__.split("\n")[0])
    parser.add_argument("--run", action="store_true", help="run the cells of each plan")
    if parser.parse_args().run:
        forget_own_settings(os.environ)
        sys.exit(1 if run_plans() else 0)
    PAGE.write_text(write_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
