"""Exercises: whatever a learner hands in is judged, and every exercise of the lessons is whole.

The kernels of the lessons try each exercise with what the lesson has defined: "Exercise 5.2" in
notebook_items.py. Here are planted exercises, and all that needs no lesson.
"""

from __future__ import annotations

import ast
import json
import threading
import time
from dataclasses import FrozenInstanceError, replace
from datetime import date
from pathlib import Path

import nbformat
import pytest
from azure.ai.inference.models import ChatCompletions
from openai import OpenAI

import helpers.exercises as exercises
from helpers.exercises import check, hint, progress, solution, trials
from helpers.exercises.clients import (
    UNSEEN,
    chat_client,
    chunk,
    is_simulated,
    last_request,
    request_of_client,
    requests_of,
)
from helpers.exercises.data import Exercise, WrongAnswer, all_exercises, exercises_of, find
from helpers.exercises.judge import check_of, is_untouched, judge
from helpers.exercises.outcomes import CORRECT, NOT_YET, UNTOUCHED, Outcome, correct, not_yet
from helpers.exercises.record import read_progress, record
from helpers.exercises.trials import Feed, Stop, call, show, show_error, take
from tools.exercises import (
    NOTEBOOKS,
    STUB_TAG,
    cells_of,
    differences,
    number_of,
    numbers_in,
    place,
    write_exercises,
)
from tools.key import solutions_key
from tools.try_exercise import problems_of

DAY = date(2026, 11, 29)
KEY = "0123456789abcdef0123456789abcdef"
ALL = all_exercises()
DOUBLE = Exercise(
    number="5.2",
    title="Double",
    minutes=2,
    task="Return the double.",
    stub='def double(x):\n    """Return 2 x."""\n    ...\n\n\ncheck("5.2", double)',
    hints=("Multiply.",),
    solution="def double(x):\n    return 2 * x",
    why="Twice.",
    worth_knowing="x + x is the same.",
    wrong=(WrongAnswer("def double(x):\n    return x**2", "it returned 9"),),
)


def check_double(answer) -> Outcome:
    result = call(answer, 3)
    if result.value == 6:
        return correct()
    return not_yet(result.failure or f"it returned {show(result.value)}", "6", "2 times 3")


def judged(answer, check=check_double) -> Outcome:
    return judge(DOUBLE, answer, check)


@pytest.fixture
def patient(monkeypatch):
    """Let a check end soon."""
    monkeypatch.setattr(trials, "SECONDS", 0.3)


@pytest.fixture
def lenient(monkeypatch):
    """A learner's session, in which nothing raises."""
    monkeypatch.delenv("NOT_YET_RAISES")


# Three outcomes


def test_an_outcome_is_a_value_that_says_what_came_what_was_expected_and_where_to_look():
    outcome = judged(lambda x: x + 1)
    assert outcome == Outcome(NOT_YET, "it returned 4", "6", "2 times 3", number="5.2")
    assert str(outcome) == (
        "[-] Exercise 5.2: not yet\n    What came: it returned 4\n    Expected: 6\n"
        "    Where to look: 2 times 3"
    )
    with pytest.raises(FrozenInstanceError):
        outcome.status = CORRECT


def test_a_right_answer_comes_with_one_thing_worth_knowing():
    outcome = judged(lambda x: 2 * x)
    assert (outcome.status, outcome.worth_knowing) == (CORRECT, "x + x is the same.")
    assert "[+] Exercise 5.2: correct\n    Worth knowing: x + x" in str(outcome)


def test_the_rich_form_says_the_same_in_words_and_a_sign_and_escapes_what_came():
    page = judged(lambda x: "<script>")._repr_html_()
    assert "\u2717 Exercise 5.2: not yet" in page
    assert "<b>What came:</b> it returned '&lt;script&gt;'" in page


@pytest.mark.parametrize("answer", [..., [1, ...], {"a": ...}, (..., 2)])
def test_an_answer_that_still_holds_the_placeholder_is_untouched(answer):
    assert judged(answer).status == UNTOUCHED


def test_a_function_is_untouched_as_long_as_it_does_what_the_stub_does():
    names = {}
    exec(DOUBLE.stub.rpartition("check")[0], names)
    assert is_untouched(DOUBLE, names["double"])
    exec("def double(y):\n    return 2 * y", names)
    assert not is_untouched(DOUBLE, names["double"])
    broken = replace(DOUBLE, stub='def double(x):\n    return x * 3\n\n\ncheck("5.2", double)')
    exec("\n\ndef double(x):\n    return x * 3", names)
    assert is_untouched(broken, names["double"])
    outcome = judge(broken, names["double"], check_double)
    assert (outcome.status, outcome.came) == (UNTOUCHED, "it returned 9")
    exec("def double(x):\n    return x * 2", names)
    assert not is_untouched(broken, names["double"])


# Whatever is handed in


class Unspeakable:
    def __repr__(self):
        raise RuntimeError("no")

    def __eq__(self, other):
        raise RuntimeError("no")

    __hash__ = None


def endless(x):
    while True:
        yield x


def leave(x):
    raise SystemExit


async def later(x):
    return 2 * x


@pytest.mark.parametrize(
    ("answer", "came"),
    [
        (None, "None in place of the function"),
        ("text", "a text (str) in place of the function"),
        (Unspeakable(), "an Unspeakable in place of the function"),
        (lambda x: Unspeakable(), "the check could not handle this answer: RuntimeError: no"),
        (Unspeakable, "the class Unspeakable in place of the function"),
        (lambda: 6, "a function with the parameters ()"),
        (lambda x, y: 6, "a function with the parameters (x, y)"),
        (endless, "a function with `yield`: a call of it only makes a generator"),
        (leave, "it raised SystemExit"),
        (lambda x: [][0], "it raised IndexError: list index out of range"),
        (lambda x: print("hello"), "it returned None"),
        (lambda x: "a" * 10_000, f"it returned '{'a' * 85} ..."),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_nothing_that_is_handed_in_raises(answer, came, capsys):
    outcome = judged(answer)
    assert (outcome.status, outcome.came) == (NOT_YET, came)
    assert capsys.readouterr() == ("", "")


def test_a_coroutine_is_run():
    assert judged(later).status == CORRECT


def test_an_answer_that_waits_too_long_is_not_waited_for(patient):
    outcome = judged(lambda x: time.sleep(2))
    assert outcome.came == "your code was still running after 0 seconds"


def test_a_loop_that_does_not_end_leaves_no_thread_behind(patient):
    before = set(threading.enumerate())

    def forever(x):
        while True:
            pass

    judged(forever)
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


def test_an_endless_generator_is_cut_off():
    taken = take(endless(1))
    assert (len(taken.items), taken.is_endless, taken.error) == (trials.MAX_ITEMS, True, None)


def test_endless_printing_is_ended():
    def chatter(x):
        while True:
            print("x" * 1000)

    assert (
        judged(chatter).came
        == "it raised RuntimeError: more than 1,000,000 characters were printed"
    )


def test_a_check_that_returns_no_outcome_is_noticed():
    assert "returned no outcome" in judged(print, lambda answer: None).came


def test_an_interrupt_is_the_learners():
    def interrupt(answer):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(print, interrupt)
    assert issubclass(Stop, BaseException) and not issubclass(Stop, Exception)


def test_no_key_is_shown(monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    for answer in (
        lambda x: KEY,
        lambda x: f"Bearer {KEY}",
        lambda x: int(KEY),
        lambda x: KEY[:20],
    ):
        text = str(judged(answer)) + judged(answer)._repr_html_()
        assert KEY[:8] not in text, text
    assert KEY not in show_error(ValueError(f"bad key {KEY}"))


def test_a_key_in_a_message_is_replaced(monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", "not-hex-but-a-key")
    error = show_error(TypeError("Unsupported credential: not-hex-but-a-key"))
    assert error == "TypeError: Unsupported credential: ***"


# Streams and requests


def test_a_feed_knows_how_much_was_read_and_printed():
    def echo(stream):
        for item in stream:
            print(item)

    seen = []

    def look(answer):
        feed = Feed(["a", "b"])
        call(answer, feed)
        seen.append((feed.count, feed.printed))
        return correct()

    judged(echo, look)
    assert seen == [(2, ["", "a\n", "a\nb\n"])]


def test_taking_from_a_generator_shows_whether_it_hands_on_at_once():
    first, second = Feed("abc"), Feed("abc")
    assert take((item for item in first), first).is_immediate
    assert not take(iter([*second]), second).is_immediate


@pytest.fixture
def connected(simulator, monkeypatch):
    for name, value in simulator.variables().items():
        monkeypatch.setenv(name, value)


def test_the_requests_of_a_function_are_seen_on_the_simulated_endpoint(connected):
    def ask(client, count):
        for number in range(count):
            client.complete(messages=[{"role": "user", "content": f"{number}"}], max_tokens=1)

    assert is_simulated()
    assert requests_of(ask, chat_client(), 0)[1] == []
    result, requests = requests_of(ask, chat_client(server="serve"), 2)
    assert result.error is None
    assert [request["body"]["messages"][0]["content"] for request in requests] == ["0", "1"]
    assert requests[0]["headers"]["x-simulated-server"] == "serve"
    assert last_request() == requests[1]


def test_on_another_endpoint_no_request_is_seen(monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://phi4.example")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    assert not is_simulated()
    assert last_request() is None
    assert requests_of(len, "abc") == (trials.Call(3), None)
    result, request = request_of_client(chat_client(max_tokens=5))
    assert request.url.startswith("https://phi4.example/chat/completions?")
    assert json.loads(request.body)["max_tokens"] == 5


def test_a_list_of_chunks_is_judged_without_its_request_on_a_persons_own_endpoint(monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://phi4.example")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    outcome = judge(find("5.2"), [chunk("The"), chunk("", "length")])
    assert outcome.status == CORRECT
    assert "Your own endpoint does not tell" in outcome.note
    assert judge(find("5.2"), [chunk("The"), chunk("", "stop")]).status == NOT_YET


@pytest.mark.parametrize("number", ["2.1", "2.3"])
def test_a_response_is_judged_without_its_request_on_a_persons_own_endpoint(number, monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://phi4.example")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    response = ChatCompletions({"choices": []})
    outcome = judge(find(number), response if number == "2.1" else lambda endpoint, key: response)
    assert (outcome.status, outcome.note) == (CORRECT, UNSEEN)


@pytest.mark.parametrize("number", ["9.1", "9.2", "9.3"])
def test_a_call_is_judged_by_its_reply_on_a_persons_own_endpoint(number, monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://phi4.example")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    response = ChatCompletions({"choices": []})
    outcome = judge(find(number), lambda *faults, **settings: response)
    assert (outcome.status, outcome.note) == (CORRECT, UNSEEN)
    assert judge(find(number), lambda *faults, **settings: None).status == NOT_YET


@pytest.mark.parametrize(
    ("settings", "came"),
    [
        ({"timeout": 20, "max_retries": 0}, ""),
        ({"timeout": 20}, "`max_retries` 2"),
        ({"max_retries": 0}, "a client that waits 600 seconds for data"),
    ],
)
def test_a_client_is_judged_by_its_settings_on_a_persons_own_endpoint(settings, came, monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://phi4.example")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    client = OpenAI(base_url="https://phi4.example/v1", api_key=KEY, **settings)
    outcome = judge(find("10.4"), client)
    assert (outcome.came, outcome.note) == (came, "" if came else UNSEEN)


@pytest.mark.parametrize("number", ["9.4", "10.3"])
def test_what_needs_a_simulated_failure_says_so_on_a_persons_own_endpoint(number, monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://phi4.example")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    outcome = judge(find(number), lambda *arguments, **settings: None)
    assert outcome.status == NOT_YET
    assert outcome.came.startswith("an endpoint that ")


# What a notebook uses


def test_check_displays_the_outcome_and_has_no_value(capsys):
    assert check("5.2", ...) is None
    assert capsys.readouterr().out.startswith("[ ] Exercise 5.2: untouched\n    Next: replace")


def test_in_the_tests_of_the_kit_a_wrong_answer_raises(capsys):
    with pytest.raises(exercises.NotYet, match=r"Exercise 5\.2: not yet"):
        check("5.2", 1)


def test_a_learner_sees_no_exception(capsys, lenient):
    check("5.2", 1)
    assert capsys.readouterr().out.startswith("[-] Exercise 5.2: not yet")
    for number in ("5.99", "x", None, 5, "", "\u0665.1"):
        check(number, 1)
        hint(number)
        solution(number)
        assert "There is no exercise" in capsys.readouterr().out


def test_hints_come_one_after_the_other_or_by_number(capsys, monkeypatch):
    monkeypatch.setattr(exercises, "_hints_shown", type(exercises._hints_shown)())
    last = len(find("5.3").hints)
    for number in [*range(1, last + 1), last]:
        hint("5.3")
        assert f"Hint {number} of {last} to exercise 5.3." in capsys.readouterr().out
    hint("5.3", 1)
    assert "Hint 1 of" in capsys.readouterr().out
    hint("5.3", 9)
    assert capsys.readouterr().out == f"Exercise 5.3 has the hints 1 to {last}.\n"


def test_a_solution_comes_with_its_reason(capsys):
    solution("5.2")
    printed = capsys.readouterr().out
    assert find("5.2").solution in printed and find("5.2").why in printed


# Progress


@pytest.fixture
def copies(tmp_path, monkeypatch) -> Path:
    (tmp_path / ".lessons.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "progress.jsonl"


def test_progress_is_kept_in_a_plain_file_without_what_was_written(copies, capsys, lenient):
    check("5.2", ...)
    assert not copies.exists()
    check("5.2", KEY)
    check("5.2", KEY)
    assert json.loads(copies.read_text()) == {
        "exercise": "5.2",
        "outcome": "not yet",
        "date": date.today().isoformat(),
    }
    record("5.2", CORRECT, copies, DAY)
    check("5.2", 1)
    capsys.readouterr()
    progress()
    printed = capsys.readouterr().out
    assert f"1 of {len(ALL)} exercises solved. Kept in progress.jsonl" in printed
    assert "  5.2  Keep the chunks" in printed and "correct  2026-11-29" in printed


def test_a_damaged_progress_file_is_read_as_far_as_possible_and_kept(copies):
    copies.write_bytes(b'[1]\n\xc3\xa4{{\nnull\n{"exercise": 1, "outcome": [], "date": 3}\n')
    before = copies.read_bytes()
    record("5.2", CORRECT, copies, DAY)
    assert read_progress(copies) == {"5.2": (CORRECT, "2026-11-29")}
    assert copies.read_bytes().startswith(before)
    copies.write_bytes(b"\xff\xfe")
    assert read_progress(copies) == {}


def test_what_was_solved_once_stays_solved(copies):
    rows = [("correct", "2026-11-28"), ("not yet", "2026-11-29")]
    lines = [json.dumps({"exercise": "5.2", "outcome": row[0], "date": row[1]}) for row in rows]
    copies.write_text("\n".join(lines))
    assert read_progress(copies) == {"5.2": rows[0]}


def test_several_kernels_may_write_at_once(copies):
    threads = [
        threading.Thread(target=record, args=(f"5.{number}", CORRECT, copies, DAY))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_progress(copies)) == 20


def test_without_copies_or_where_nothing_can_be_written_there_is_no_file(
    tmp_path, monkeypatch, capsys, lenient
):
    monkeypatch.chdir(tmp_path)
    check("5.2", 1)
    progress()
    assert "my-lessons" in capsys.readouterr().out
    record("5.2", CORRECT, tmp_path / "missing" / "progress.jsonl", DAY)
    assert [*tmp_path.iterdir()] == []


# Exercises that are not whole


def test_a_whole_exercise_has_no_problem():
    assert problems_of(DOUBLE, {}, check_double) == []


@pytest.mark.parametrize(
    ("exercise", "check", "problem"),
    [
        (DOUBLE, lambda answer: correct(), "wrong answer 0 gives '[+]"),
        (DOUBLE, lambda answer: not_yet("x", "y"), "the solution gives '[-]"),
        (replace(DOUBLE, solution="def double(x):\n    return x"), check_double, "the solution"),
        (replace(DOUBLE, solution="double = oops"), check_double, "the solution raises NameError"),
        (replace(DOUBLE, wrong=()), check_double, "at least one hint and one wrong answer"),
        (replace(DOUBLE, hints=()), check_double, "at least one hint and one wrong answer"),
        (
            replace(DOUBLE, stub='double = 3\n\ncheck("5.2", double)'),
            check_double,
            "the stub gives",
        ),
        (
            replace(DOUBLE, wrong=(WrongAnswer("double = None", "it returned 9"),)),
            check_double,
            "expected 'it returned 9' in it",
        ),
        (replace(DOUBLE, wrong=DOUBLE.wrong * 2), check_double, "have the same message"),
    ],
)
def test_an_exercise_that_is_not_whole_is_noticed(exercise, check, problem):
    assert any(problem in line for line in problems_of(exercise, {}, check))


def test_trying_an_exercise_changes_no_name_of_the_lesson():
    names = {"double": "the lesson's"}
    problems_of(DOUBLE, names, check_double)
    assert names == {"double": "the lesson's"}


# The lessons


def test_numbers_follow_each_other_and_belong_to_their_lesson():
    for lesson in {exercise.lesson for exercise in ALL}:
        assert [*exercises_of(lesson)] == [
            f"{lesson}.{number}" for number in range(1, len(exercises_of(lesson)) + 1)
        ]


@pytest.mark.parametrize("exercise", ALL, ids=lambda exercise: exercise.number)
def test_an_exercise_is_whole(exercise):
    assert len(exercise.task.splitlines()) <= 3
    assert 1 <= exercise.minutes <= 6
    assert exercise.why and exercise.worth_knowing and exercise.hints and exercise.wrong
    assert exercise.handed_in
    assert callable(check_of(exercise))


@pytest.mark.parametrize("lesson", sorted({exercise.lesson for exercise in ALL}))
def test_a_lesson_has_an_exercise_that_comes_from_real_users(lesson):
    rows = exercises_of(lesson).values()
    assert any(row.comes_from or any(wrong.comes_from for wrong in row.wrong) for row in rows)


PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_cells_of_a_lesson_are_those_of_its_data_file(path):
    assert differences(path) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_exercises_stand_in_order_and_no_later_cell_uses_what_a_stub_defines(path):
    """So a solved lesson runs as the saved one does."""
    notebook = nbformat.read(path, 4)
    assert numbers_in(notebook) == [*exercises_of(int(path.name[:2]))]
    defined = set()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        body = ast.parse(cell.source).body
        functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        names = [node for part in body for node in ast.walk(part) if isinstance(node, ast.Name)]
        if STUB_TAG in cell.metadata.get("tags", []):
            targets = [node.targets for node in body if isinstance(node, ast.Assign)]
            defined |= functions | {ast.unparse(each) for part in targets for each in part}
            continue
        stored = functions | {node.id for node in names if isinstance(node.ctx, ast.Store)}
        used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        assert used & defined <= stored, cell.id


def lesson_with(*cells) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[*cells])


def test_the_program_writes_an_exercise_where_it_was_placed_and_keeps_its_outputs():
    text, deep = (nbformat.v4.new_markdown_cell("Text", id=name) for name in ("text", "deep"))
    deep.metadata["tags"] = ["in-depth"]
    lesson = lesson_with(text, deep)
    rows = {"5.2": DOUBLE}
    assert write_exercises(lesson, rows) == ["5.2 is not placed; use --place 5.2 CELL"]
    place(lesson, "5.2", "text")
    assert write_exercises(lesson, rows) == []
    assert [cell.source for cell in lesson.cells[1:4]] == [
        "### Exercise 5.2 \u00b7 Double\n\nReturn the double.",
        DOUBLE.stub,
        '# hint("5.2")\n# solution("5.2")',
    ]
    lesson.cells[2].outputs = ["kept"]
    write_exercises(lesson, rows)
    assert lesson.cells[2].outputs == ["kept"]
    write_exercises(lesson, {"5.2": replace(DOUBLE, stub="changed")})
    assert (lesson.cells[2].source, lesson.cells[2].outputs) == ("changed", [])
    place(lesson, "5.2", "deep")
    assert write_exercises(lesson, rows) == []
    assert [cell.id for cell in lesson.cells][:2] == ["text", "deep"]
    assert all("in-depth" in cell.metadata["tags"] for cell in lesson.cells[1:])
    with pytest.raises(ValueError, match="there is no cell 'nowhere'"):
        place(lesson, "5.2", "nowhere")


def test_a_changed_stub_and_an_unknown_exercise_are_noticed(tmp_path):
    exercise = find("5.2")
    cells = cells_of(exercise)
    cells[1].source += "\n# changed"
    path = tmp_path / "05-x.ipynb"
    nbformat.write(lesson_with(*cells, nbformat.v4.new_markdown_cell("### Exercise 5.77")), path)
    problems = differences(path)
    assert any("its cells differ" in problem for problem in problems)
    assert any("has an exercise 5.77" in problem for problem in problems)


def test_the_key_for_teachers_has_every_solution():
    key = solutions_key()
    for exercise in ALL:
        assert f"## {exercise.number} \u00b7 {exercise.title}" in key
        assert exercise.solution in key
        assert all(wrong.says in key for wrong in exercise.wrong)
    assert number_of(cells_of(DOUBLE)[0]) == "5.2"
