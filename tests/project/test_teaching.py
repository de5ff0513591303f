"""TEACHING.md says what the plans, the lessons and the prices say."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from helpers.exercises.data import all_exercises, find
from tools.class_cost import class_cost, cost_text, measured
from tools.key import difference, key_page, solutions_key
from tools.minutes import exercise_minutes, minutes, parts_of, stated
from tools.names import names_of, needed
from tools.plans import PAGE, ROOM, Cut, Plan, Row, must_run, plan_text, read_plans, write_page

ROOT = Path(__file__).parents[2]
PLANS = read_plans()
FORM = (ROOT / "teaching" / "feedback.md").read_text(encoding="utf-8")
code = nbformat.v4.new_code_cell


def lesson(number: str) -> nbformat.NotebookNode:
    return nbformat.read(next((ROOT / "notebooks").glob(f"{number}-*.ipynb")), 4)


# The page


def test_teaching_md_has_the_plans_minutes_and_costs_of_now():
    text = PAGE.read_text(encoding="utf-8")
    assert write_page(text) == text


def test_teaching_md_names_files_commands_and_exercises_that_exist():
    text = PAGE.read_text(encoding="utf-8")
    modules = set(re.findall(r"python -m (tools\.\w+)", text))
    paths = [ROOT / module.replace(".", "/") for module in modules]
    assert all(path.is_dir() or path.with_suffix(".py").is_file() for path in paths)
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert [link for link in links if not (ROOT / link).is_file()] == []
    by_hand = re.sub(r"<!-- begin.*?<!-- end", "", text, flags=re.DOTALL)
    numbers = re.findall(r"(?<![\d.:])(1?\d\.[1-5])(?![\d.%])\b", by_hand)
    known = {exercise.number for exercise in all_exercises()}
    assert len(numbers) > 20
    assert set(numbers) - known == set()


# Plans


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_a_plan_adds_up_the_minutes_of_the_lessons_and_fits_its_time(plan):
    clocks = plan.clocks()
    shown = [int(cell) for cell in re.findall(r"\| (\d+) \|", plan_text(plan))]
    assert sum(shown[: len(plan.rows)]) == clocks[-1] - clocks[0] <= plan.length
    for row in plan.rows:
        if row.lesson and not row.first and not row.last:
            core, exercises, _ = stated(lesson(row.lesson))
            chosen = sum(find(number).minutes for number in row.exercises)
            assert abs(row.alone - core - chosen) <= 0.5
            assert chosen <= exercises
    lessons = sum(row.alone for row in plan.rows if row.lesson)
    fixed = sum(row.minutes for row in plan.rows if row.minutes)
    assert abs(lessons * ROOM + fixed - (clocks[-1] - clocks[0])) <= 0.5


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_what_is_left_of_a_plan_needs_nothing_that_it_leaves_out(plan):
    for number in plan.lessons():
        for with_cuts in (False, True):
            defined: set[str] = set()
            for cell in plan.lesson_cells(number, with_cuts):
                needs, defines = names_of(cell.source)
                assert needs - defined == set(), (number, cell.source)
                defined |= defines


def test_the_stop_points_follow_each_other_and_leave_out_what_is_still_to_come():
    for plan in PLANS:
        lessons = plan.lessons()
        stops = [lessons.index(cut.at) for cut in plan.cuts]
        assert stops == sorted(stops)
        assert all(lessons.index(cut.lesson) >= lessons.index(cut.at) for cut in plan.cuts)
        assert all(cut.saved >= 4 for cut in plan.cuts)
        done = {number for row in plan.rows for number in row.exercises}
        assert {number for cut in plan.cuts for number in cut.exercises} <= done


def test_a_plan_names_the_cells_that_have_to_be_run_although_they_are_left_out():
    cut = Cut("14", "14", headings=("One turn", "A conversation"))
    plan = Plan("x", 540, 90, (Row(lesson="14", exercises=("14.1",)),), (cut,))
    first_lines = [cell.source.splitlines()[0] for cell in must_run(plan, cut)]
    assert first_lines[0] == "def turn(history, question, ask, fit):"
    assert any(line.startswith("def chat(") for line in first_lines)
    assert "the cell `def turn(history, question, ask, fit):`" in plan_text(plan)


def test_a_heading_or_lesson_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="lesson 05 has no heading 'Chunk'"):
        Row(lesson="05", first="Chunk").sections()
    with pytest.raises(ValueError, match="lesson 05 has no heading 'Chunk'"):
        Cut("05", "05", ("Chunk",)).cells()
    with pytest.raises(ValueError, match="there is no lesson '5', expected two digits"):
        Row(lesson="5").sections()


def test_a_cell_that_is_needed_by_a_needed_cell_is_needed_too():
    cells = [code(text) for text in ("a = 1", "b = a", "c = 2", "a = 5", "print([b for b in b])")]
    out = [cells[0], cells[1], cells[3]]
    assert [cell.source for cell in needed(cells, out)] == ["a = 1", "b = a"]


# Costs


def test_the_cost_of_a_class_grows_with_seats_hours_and_lessons():
    cost = class_cost(30, 3)
    assert (cost.fewest, cost.enough) == (1, 3)
    assert cost.fewest_usd == pytest.approx(3.673 * (3 + 20 / 60), abs=0.07)
    assert cost.enough_usd == pytest.approx(3 * cost.fewest_usd)
    one = class_cost(1, 3)
    assert one.seat == cost.seat
    assert cost.whole.prompt_tokens == 30 * one.seat.prompt_tokens
    assert cost.token_usd == pytest.approx(
        (cost.whole.prompt_tokens * 0.125 + cost.whole.completion_tokens * 0.50) / 1e6
    )
    assert class_cost(33, 3).fewest == 2  # 32 requests may be under way, the next gets a 429
    assert class_cost(32, 3).fewest == 1
    assert measured(["00", "06"]) == measured(["00"]) + measured(["06"])
    assert measured(["06"]).requests > 600  # its cells ask a hundred times


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3), "seats is 0, hours is 3, expected numbers above 0"),
        ((30, -1), "seats is 30, hours is -1, expected"),
        ((30, 3, ["99"]), "there is no lesson '99', expected some of 00, 01"),
    ],
)
def test_impossible_classes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cost_text(*arguments)


# The key


def test_the_key_shows_of_a_wrong_answer_what_differs_from_the_solution():
    exercise = find("5.1")
    by_message = {wrong.says: difference(exercise, wrong) for wrong in exercise.wrong}
    assert by_message["with a delta without content, it raised TypeError"] == (
        "text += chunk.choices[0].delta.content"
    )
    assert by_message["with a chunk without choices, it raised IndexError"] == (
        "# without: if chunk.choices:"
    )
    only_indent = replace(exercise.wrong[0], code=exercise.solution.replace("    ", " "))
    assert difference(exercise, only_indent) == only_indent.code


def test_the_printed_key_has_each_lesson_on_a_sheet_of_its_own_and_escapes_code():
    page = key_page(solutions_key([13]))
    assert page.count("<h2") == 1
    assert "13 &#183; Prompts</h2>" in page
    assert "break-before: page" in page
    assert "<letter>" not in page  # code of a solution, not a tag
    assert "http" not in re.sub(r"<p>.*?</p>|<pre>.*?</pre>", "", page, flags=re.DOTALL)


# The form


def test_the_form_has_at_most_eight_questions_and_a_use_for_each():
    questions, _, uses = FORM.partition("---")
    numbers = re.findall(r"(?m)^(\d)\. ", questions)
    used = [
        number
        for cell in re.findall(r"(?m)^\| ([\d, ]+) \|", uses)
        for number in re.findall(r"\d", cell)
    ]
    assert numbers == used == [str(number) for number in range(1, len(numbers) + 1)]
    assert len(numbers) <= 8


def test_sums_of_rounded_parts_do_not_drift():
    core = parts_of(lesson("05").cells).core
    row = Row(lesson="05", exercises=("5.1", "5.2", "5.3"))
    assert round(row.alone) == minutes(core) + exercise_minutes(core)
