"""Lessons have a core and sections in depth, and say how long both take."""

from __future__ import annotations

import ast
import re

import nbformat
import pytest

from helpers.exercises.data import find
from tools.exercises import cells_of
from tools.minutes import (
    DEPTH,
    README,
    TAG,
    exercise_minutes,
    minutes,
    parts_of,
    stated,
    write_minutes,
    write_table,
)

NOTEBOOKS = sorted((README.parent / "notebooks").glob("*.ipynb"))
LESSONS = {path: nbformat.read(path, 4) for path in NOTEBOOKS}
DIVIDED = [path for path, lesson in LESSONS.items() if parts_of(lesson.cells).is_divided]
LONGEST_CORE = 20  # minutes
LONGEST_MORNING = 150  # minutes: the cores of the lessons 00 to 08, without exercises
LONGEST_CLASS = 210  # minutes, with exercises
DELETION = "# Delete, whatever happens\n"  # lesson 01 deletes what the depth has started, too
CELLS_WITH_IMPORTS = 3  # the first code cells: connect, imports, what all parts share

markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell


@pytest.fixture(params=DIVIDED, ids=lambda path: path.stem)
def lesson(request) -> nbformat.NotebookNode:
    return LESSONS[request.param]


# Minutes


def test_the_header_and_the_headings_say_what_the_program_calculates(lesson):
    written = nbformat.from_dict(lesson)
    write_minutes(written)
    assert [cell.source for cell in written.cells] == [cell.source for cell in lesson.cells]


def test_the_readme_says_what_the_headers_say():
    text = README.read_text(encoding="utf-8")
    assert (
        write_table(text, {path.name: stated(lesson) for path, lesson in LESSONS.items()}) == text
    )
    assert [path.name for path in LESSONS if f"(notebooks/{path.name}) | " not in text] == []


def test_a_core_takes_at_most_twenty_minutes(lesson):
    assert minutes(parts_of(lesson.cells).core) <= LONGEST_CORE


def test_the_cores_of_the_first_nine_lessons_fit_a_morning():
    cores = [minutes(parts_of(LESSONS[path].cells).core) for path in DIVIDED if path.stem < "09"]
    assert sum(cores) <= LONGEST_MORNING


def test_the_cores_of_the_first_nine_lessons_with_their_exercises_fit_three_and_a_half_hours():
    cores = [parts_of(LESSONS[path].cells).core for path in DIVIDED if path.stem < "09"]
    assert sum(minutes(core) + exercise_minutes(core) for core in cores) <= LONGEST_CLASS


def lesson_with(*cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return a lesson with a header, and these cells in depth."""
    depth = [markdown(f"{DEPTH}\n\nYou may skip this."), *cells]
    for cell in depth:
        cell.metadata["tags"] = [TAG]
    header = markdown("# 42 \u00b7 All\n\n| 99 minutes, in depth 99 more | first steps |")
    return nbformat.v4.new_notebook(cells=[header, *depth])


def test_the_program_writes_the_minutes_of_the_core_the_depth_and_each_section():
    lesson = lesson_with(
        markdown(f"## In depth: One (99 minutes)\n\n{'word ' * 390}"),
        markdown("## In depth: Two\n\nA word."),
        code("x = 1"),
    )
    write_minutes(lesson)
    assert "| 1 minutes, in depth 2 more |" in lesson.cells[0].source
    assert lesson.cells[2].source.startswith("## In depth: One (2 minutes)\n\nword")
    assert lesson.cells[3].source == "## In depth: Two (1 minute)\n\nA word."


def test_exercises_of_the_core_are_stated_apart_and_those_of_a_section_belong_to_it():
    first, second = find("5.2"), find("5.4")
    section = markdown("## In depth: One (99 minutes)\n\nA word.")
    lesson = lesson_with(section, *cells_of(second, [TAG]))
    lesson.cells[1:1] = cells_of(first)
    printed = nbformat.v4.new_output("stream", name="stdout", text="line\n" * 600)
    lesson.cells[2].outputs = [printed]
    write_minutes(lesson)
    total = 1 + second.minutes
    header = f"| 1 minutes, exercises {first.minutes} more, in depth {total} more |"
    assert header in lesson.cells[0].source
    assert stated(lesson) == (1, first.minutes, total)
    assert f"({total} minutes)" in lesson.cells[5].source


def test_a_lesson_without_depth_keeps_its_minutes():
    lesson = lesson_with()
    del lesson.cells[1:]
    write_minutes(lesson)
    assert stated(lesson) == (99, None, 99)


def test_a_lesson_that_states_no_time_is_an_error():
    lesson = lesson_with()
    lesson.cells[0].source = "# 42"
    with pytest.raises(
        ValueError, match="begins with '# 42' and states no time, expected '| 10 min"
    ):
        write_minutes(lesson)


def test_output_lines_take_time_and_folded_text_takes_none():
    printed = nbformat.v4.new_output("stream", name="stdout", text="line\n" * 60)
    assert minutes([code("x = 1", outputs=[printed])]) == 2
    assert minutes([markdown(f"<details>{'word ' * 2000}</details>")]) == 1


# Form


def form_problems(lesson: nbformat.NotebookNode) -> list[str]:
    """Return what is wrong with the form of a lesson that has a core and a depth."""
    cells = lesson.cells
    tagged = [TAG in cell.metadata.get("tags", []) for cell in cells]
    first = tagged.index(True)
    depth, after = cells[first : first + sum(tagged)], cells[first + sum(tagged) :]
    core = "\n".join(cell.source for cell in cells[:first] if cell.cell_type == "markdown")
    headings = [cell.source for cell in depth if cell.source.startswith("## In depth: ")]
    in_cells = re.findall(
        r"(?m)^## .+", "\n".join(cell.source for cell in depth if cell.cell_type == "markdown")
    )
    checks = {
        "cells in depth are not in one piece: a tag is missing": not all(
            tagged[first : first + sum(tagged)]
        ),
        "the depth is followed by cells besides the last one": len(after) != 1
        and not "".join(cell.source for cell in after).startswith(DELETION),
        "nothing is in depth": len(depth) < 2,
        "the first section does not follow '# In depth'": not depth[1:]
        or not depth[1].source.startswith("## In depth: "),
        "a heading in depth is not that of a section, or not at the top of its cell": len(in_cells)
        != len(headings),
        "two sections have the same title": len(set(in_cells)) != len(in_cells),
        "the recap is not in the core": "## Recap" not in core,
        "the questions are not in the core": "## Questions" not in core,
    }
    problems = [problem for problem, is_so in checks.items() if is_so]
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    for source in sources[CELLS_WITH_IMPORTS:]:
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(source).body):
            problems.append(f"an import stands outside of the first code cells: {source[:60]!r}")
    return problems


def test_each_lesson_with_a_depth_has_the_common_form(lesson):
    assert form_problems(lesson) == []


def whole_lesson() -> nbformat.NotebookNode:
    """Return a small lesson in the common form."""
    lesson = lesson_with(markdown("## In depth: One (1 minute)\n\nText."), code("x"))
    core = [code("import os"), code("a"), code("b"), markdown("## Recap\n\n## Questions")]
    lesson.cells[1:1] = core
    lesson.cells.append(markdown("## On your own endpoint"))
    return lesson


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda cells: cells[7].metadata.clear(), "a tag is missing|followed by cells"),
        (lambda cells: cells[6].metadata.clear(), "a tag is missing"),
        (lambda cells: cells.insert(8, code("y")), "followed by cells"),
        (lambda cells: cells[6].update(source="Text."), "does not follow '# In depth'"),
        (lambda cells: cells[6].update(source="Text.\n\n## More"), "not that of a section"),
        (lambda cells: cells[4].update(source="## Questions"), "the recap is not in the core"),
        (lambda cells: cells[4].update(source="## Recap"), "the questions are not in the core"),
        (lambda cells: cells[7].update(source="import re"), "an import stands outside"),
    ],
)
def test_a_damaged_form_is_noticed(damage, problem):
    lesson = whole_lesson()
    assert form_problems(lesson) == []
    damage(lesson.cells)
    assert any(re.search(problem, line) for line in form_problems(lesson))
