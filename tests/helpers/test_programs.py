"""Programs of learners: written into files, never over a change, and run as processes."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from helpers.exercises.data import find
from helpers.exercises.judge import judge
from helpers.exercises.lesson_14 import BREAK, LONG, TALK
from helpers.exercises.outcomes import CORRECT, NOT_YET, UNTOUCHED
from helpers.exercises.programs import Session, _simulator, run_program
from helpers.programs import is_unchanged, save_program
from simulated_azure.inference.servers import SERVERS
from tools.exercises import NOTEBOOKS

LESSON = nbformat.read(NOTEBOOKS / "14-your-own-program.ipynb", 4)
CELLS = {cell.id: cell.source for cell in LESSON.cells}
SOLVED = [find(f"14.{number}").solution for number in (1, 2, 3)]
TYPED_LINES = find("14.4").solution.partition("def questions")[0]
BOX = re.search(r"```python\n(.*?)```", CELLS["openai"], re.DOTALL)[1]
KEY = "0123456789abcdef0123456789abcdef"


def text_of(cell: str) -> str:
    """Return the text that a cell of lesson 14 gives a name."""
    names: dict[str, str] = {}
    exec(CELLS[cell], names)
    return names["START" if cell == "program-start" else "MAIN"]


TAUGHT = [CELLS["budget-define"], CELLS["turn-define"], CELLS["chat-define"]]
PROGRAM = [text_of("program-start"), *TAUGHT, *SOLVED, TYPED_LINES, text_of("program-main")]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def program(folder, capsys) -> Path:
    save_program("my_chat.py", *PROGRAM)
    return folder / "my_chat.py"


# Files


def double(number: int) -> int:
    return 2 * number


def test_a_program_consists_of_texts_and_of_the_source_of_functions(folder, capsys):
    save_program("twice.py", "import os\n", double, "print(double(4))")
    text = (folder / "twice.py").read_text()
    assert text.startswith(
        "import os\n\n\ndef double(number: int) -> int:\n    return 2 * number\n\n\nprint("
    )
    assert capsys.readouterr().out == "Wrote twice.py.\n"
    [run] = run_program(folder / "twice.py", [Session([])])
    assert (run.printed, run.failure) == ("8\n", "")


def test_a_file_that_nobody_has_changed_is_written_again(folder, capsys):
    for number in (1, 2):
        save_program("x.py", f"x = {number}")
    assert is_unchanged((folder / "x.py").read_text())
    assert (folder / "x.py").read_text().startswith("x = 2\n")


@pytest.mark.parametrize("change", [("1", "3"), ("\n\n\n#", "\n#"), ("x = 1", "x = 1\ny = 2")])
def test_a_file_that_its_owner_has_changed_is_not_written_over(folder, capsys, change):
    path = folder / "x.py"
    save_program("x.py", "x = 1")
    path.write_text(path.read_text().replace(*change, 1))
    before = path.read_text()
    save_program("x.py", "x = 2")
    assert path.read_text() == before
    assert "You have changed x.py, so it stays as it is." in capsys.readouterr().out


def test_a_file_that_is_no_text_is_not_written_over_either(folder, capsys):
    (folder / "x.py").write_bytes(b"\xff\xfe")
    save_program("x.py", "x = 2")
    assert (folder / "x.py").read_bytes() == b"\xff\xfe"


@pytest.mark.parametrize("part", [3, len, None])
def test_a_part_without_a_source_is_refused_and_nothing_is_written(folder, part):
    with pytest.raises(TypeError, match="has no source, expected a text or a function"):
        save_program("x.py", part)
    assert [*folder.iterdir()] == []


# Processes


@pytest.mark.parametrize("server", ["inference", "serve"])
def test_the_solved_program_of_lesson_14_is_judged_correct_with_both_servers(program, server):
    azure = _simulator().azure
    before, azure.server = azure.server, SERVERS[server]
    try:
        outcome = judge(find("14.4"), "my_chat.py")
    finally:
        azure.server = before
    assert outcome.status == CORRECT, outcome
    assert "Conversation: 2 requests, the last with 4 messages." in outcome.note


def test_the_program_with_the_openai_package_is_judged_correct(folder, capsys):
    setup, _, asking = BOX.partition("\n\ndef ask_openai")
    imports, _, client = setup.partition("\n\n")
    ask = "def ask" + asking.partition("\n\nspain")[0].replace("print_answer", "answer_of")
    start = text_of("program-start").replace("from azure.ai", f"{imports}\nfrom azure.ai", 1)
    main = text_of("program-main").partition("client = ")[2].partition("\n    print(")[2]
    parts = [part.replace("AzureError", "OpenAIError, HTTPError") for part in TAUGHT]
    end = f'if __name__ == "__main__":\n    print({main}'
    save_program(
        "my_chat.py", start, *parts, *SOLVED, TYPED_LINES, f"import os\n{client}", ask, end
    )
    outcome = judge(find("14.4"), "my_chat.py")
    assert outcome.status == CORRECT, outcome


def test_a_persons_own_endpoint_and_key_are_not_used(program, monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://phi4.example")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", KEY)
    program.write_text("import os\nprint(dict(os.environ))\n")
    [run] = run_program(program, [Session([])])
    assert "phi4.example" not in run.printed
    assert KEY not in run.printed


def test_a_program_that_prints_without_an_end_is_ended(folder):
    (folder / "x.py").write_text("while True:\n    print('You: ')\n")
    [run] = run_program(folder / "x.py", [Session([])])
    assert (run.failure, run.requests) == ("it printed without an end", [])


def test_the_program_needs_nothing_of_the_kit():
    assert not re.search(r"helpers|simulated", "\n".join(PROGRAM))


def test_requests_belong_to_the_session_in_which_their_line_was_typed(program):
    talk, broken, long = run_program(program, [TALK, BREAK, LONG])
    assert [len(messages) for messages in talk.requests] == [2, 4]
    assert [messages[-1][1] for messages in broken.requests] == [*BREAK.lines]
    assert "[no answer: the answer broke off]" in broken.printed
    assert broken.printed.count("[no answer: ") == 2
    assert len(long.requests) == len(LONG.lines)
    assert [run.failure for run in (talk, broken, long)] == ["", "", ""]


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        ("def questions(", NOT_YET, "my_chat.py is no Python: SyntaxError"),
        (
            "raise SystemExit('no')",
            NOT_YET,
            "in an ordinary conversation, it ended with an error: no",
        ),
        ("print('Hello')", NOT_YET, "it ended without a request"),
        (find("14.1").stub.rpartition("check(")[0], UNTOUCHED, "waits for: `questions`"),
        (None, NOT_YET, "there is no file my_chat.py"),
    ],
)
def test_a_file_that_is_no_chat_program_is_judged_without_an_error(folder, text, status, says):
    if text is not None:
        (folder / "my_chat.py").write_text(text)
    outcome = judge(find("14.4"), "my_chat.py")
    assert outcome.status == status
    assert says in outcome.came


@pytest.mark.parametrize("answer", [None, 3, print, ["my_chat.py"], "\0", "/"])
def test_what_is_no_name_of_a_file_is_judged_without_an_error(folder, answer):
    assert judge(find("14.4"), answer).status == NOT_YET
