"""The playground's widgets without a browser: what they show, and that none of them dies."""

from __future__ import annotations

import json
import math
import re
import threading
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ipywidgets import VBox

from helpers.playground import widgets
from helpers.playground.answer import Answer, Option, Token, ending
from helpers.playground.views import MAX_TOKEN_BUTTONS, TokensView
from helpers.playground.widgets import VIEWS, Playground

QUESTION = "What is the capital of France?"
FRANCE = [{"role": "user", "content": QUESTION}]
SERVED_NAME = "/var/azureml-app/azureml-models/Phi-4/8/mlflow_model_folder/model"


@pytest.fixture
def variables_set(monkeypatch, simulator):
    for name, value in simulator.variables().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def board(variables_set, monkeypatch) -> Playground:
    monkeypatch.setattr(
        "helpers.playground.endpoint.describe_endpoint", lambda: "a simulated Azure here."
    )
    made = Playground()
    made.wait()
    made.controls.temperature.value = 0
    made.question.value = QUESTION
    return made


def words(html: str) -> str:
    """Return the text of HTML as a person reads it."""
    return unescape(re.sub(r"<[^>]*>", " ", html))


def ask_with(board: Playground) -> str:
    board.send_button.click()
    board.wait()
    return words(board.talk.value)


def test_an_answer_appears_with_its_tokens_its_costs_and_which_server_gave_it(board):
    assert "France is Paris" in " ".join(ask_with(board).split())
    assert "It is complete (finish reason stop)." in words(board.talk.value)
    assert [button.description for button in board.tokens.row.children][:2] == ["The", " capital"]
    assert "'Paris' 19.9 %" in board.tokens.row.children[0].tooltip
    assert "1 request, 14 tokens in, 8 tokens out" in words(board.meter.value)
    assert (
        "Server: inference; its streams arrive piece by piece. Model: Phi-4." in board.origin.value
    )


def test_json_and_code_follow_each_control(board):
    changes = {
        "temperature": (0.35, '"temperature": 0.35', "temperature=0.35,"),
        "top_p": (0.5, '"top_p": 0.5', "top_p=0.5,"),
        "presence": (1.0, '"presence_penalty": 1.0', "presence_penalty=1.0,"),
        "frequency": (-1.0, '"frequency_penalty": -1.0', "frequency_penalty=-1.0,"),
        "max_tokens": (9, '"max_tokens": 9', "max_tokens=9,"),
        "stop_texts": ("END", '"END"', 'stop=["END"],'),
        "seed": ("4", '"seed": 4', "seed=4,"),
        "n": (2, '"n": 2', "n"),
        "system": ("Be brief.", '"Be brief."', '"Be brief."'),
        "question": ("Hello?", '"Hello?"', '"Hello?"'),
        "fault": ("500", "x-simulated-fault: 500", '"x-simulated-fault": "500"'),
        "server": ("serve", "x-simulated-server: serve", '"x-simulated-server": "serve"'),
    }
    for name, (value, in_json, in_code) in changes.items():
        before = [each.value for each in vars(board.code).values()]
        holder = board if name in ("system", "question") else board.controls
        getattr(holder, name).value = value
        board.wait()
        after = [words(each.value) for each in vars(board.code).values()]
        assert in_json in after[0]
        assert in_code in after[1] and in_code in after[2]
        changed = [each.value for each in vars(board.code).values()]
        assert not set(before) & set(changed), name
    assert SERVED_NAME in after[2]


def test_one_view_is_shown_at_a_time(board):
    for name in VIEWS:
        board.view.value = name
        shown = [each for each, panel in board.panels.items() if panel.layout.display != "none"]
        assert shown == [name]


def press_option(board: Playground, text: str) -> None:
    """Press the button of another token."""
    next(each for each in board.tokens.options.children if text in each.description).click()
    board.wait()


def test_another_token_is_chosen_and_the_answer_goes_on(board):
    ask_with(board)
    press_option(board, "'Paris'")
    assert board.conversation[-1]["content"].startswith("Paris is the French capital")
    assert '"continue_final_message": true' in words(board.code.json.value)
    assert board.tokens.row.children[0].description == "Paris"
    board.controls.temperature.value = 1.5
    board.retry.click()
    board.wait()
    assert "less than or equal to 1." in words(board.talk.value)
    assert "vLLM" not in words(board.talk.value)  # that is not what was refused
    board.controls.temperature.value = 0
    board.retry.click()
    board.wait()
    board.tokens.number.value = 3
    assert "in the place of ' the'" in words(board.tokens.title.value)
    assert "pg-chosen" in board.tokens.row.children[2]._dom_classes
    press_option(board, "im_end")
    assert "the answer ends there" in words(board.talk.value)
    assert board.conversation[-1]["content"] == "Paris is"
    board.tokens.row.children[0].click()
    press_option(board, "im_end")  # at the first place: nothing is left
    assert board.conversation == FRANCE


def test_faults_are_said_in_words_and_no_control_dies(board):
    for fault, expected in [
        ("429; retry-after=2", "Wait a little, then ask again, with fewer requests at a time."),
        ("401", "The endpoint refuses the key."),
        ("500", "The fault is on the side of the server."),
        ("end", "The stream broke off"),
        ("cut", "The connection failed or broke off"),
        ("no-logprobs", "The endpoint sent no log-probabilities"),
    ]:
        board.controls.fault.value = fault
        assert expected in ask_with(board)
        assert "You: What is the capital" in " ".join(words(board.talk.value).split())
        board.clear.click()
    board.controls.fault.value = ""
    board.controls.temperature.value = 1.5
    assert "temperature: Input should be less than or equal to 1" in ask_with(board)
    board.controls.temperature.value = 0
    assert "complete" in ask_with(board)
    assert len(board.conversation) == 2  # what was refused is not sent again


def test_a_setting_that_is_no_number_is_said_in_words_until_it_is_mended(board):
    board.controls.seed.value = "x"
    assert "seed is 'x', expected a whole number" in words(board.talk.value)
    assert "seed is 'x'" in ask_with(board)
    board.controls.seed.value = "7"
    assert "seed is" not in words(board.talk.value)
    assert "complete" in ask_with(board)


def test_what_was_said_before_stays_when_the_next_question_fails(board):
    ask_with(board)
    board.controls.fault.value = "500"
    board.question.value = "Name a colour."
    shown = " ".join(ask_with(board).split())
    assert re.search("capital of France.* is Paris.*Name a colour.*side of the server", shown)
    board.controls.fault.value = ""
    board.retry.click()
    board.wait()
    assert [each["content"] for each in board.conversation][-2:] == ["Name a colour.", "Blue."]


def test_buttons_without_anything_to_do_say_so(board):
    board.question.value = " "
    for button, expected in [
        (board.retry, "nothing to repeat"),
        (board.stop, "Nothing is running"),
        (board.both.ask_both, "Type a question first"),
    ]:
        button.click()
        assert expected in words(board.talk.value)
    assert "Type a question first" in ask_with(board)


def test_stop_ends_an_answer_at_once_and_keeps_what_has_arrived(board):
    board.controls.fault.value = "slow; seconds=0.2"
    arrived = threading.Event()

    def look(change: dict) -> None:
        if "The" in words(change["new"]) and not arrived.is_set():
            arrived.set()
            board.stop.click()

    board.talk.observe(look, "value")
    assert "You stopped this answer." in ask_with(board)
    assert arrived.is_set()
    answer = board.conversation[-1]["content"]
    assert answer and "The capital of France is Paris.".startswith(answer)
    assert answer != "The capital of France is Paris."
    assert board.stop.disabled and not board.send_button.disabled


def test_stop_after_the_finish_reason_says_that_it_is_too_late(board, monkeypatch):
    monkeypatch.setattr(widgets, "SECONDS_BETWEEN_UPDATES", -60)  # each piece is shown
    pressed = threading.Event()

    def look(change: dict) -> None:
        if "It is complete" in words(change["new"]) and not pressed.is_set():
            pressed.set()
            board.stop.click()

    board.talk.observe(look, "value")
    shown = ask_with(board)
    assert pressed.is_set()
    assert "Too late to stop: the answer was complete." in shown
    assert "You stopped" not in shown
    is_counted = "8 tokens out" in words(board.meter.value)
    assert is_counted != ("not in the costs" in shown)


def test_without_log_probabilities_the_tokens_view_says_what_to_set(board):
    board.controls.alternatives.value = 0
    ask_with(board)
    assert "set top_logprobs to 1 or more" in board.tokens.about.value


def test_a_stop_text_may_have_ended_an_answer_in_both_places(board):
    board.controls.stop_texts.value = "France"
    _, _, shown = " ".join(ask_with(board).split()).partition("Model: ")
    assert shown == "The capital of " + ending(Answer(finish_reason="stop"), has_stop_texts=True)
    assert board.conversation[-1]["content"].strip() == "The capital of"
    board.both.ask_both.click()
    kept, now = columns(board)
    assert "finish reason stop)" in kept and "or a stop text)" in now


def test_retry_asks_the_same_with_the_present_settings(board):
    ask_with(board)
    board.controls.max_tokens.value = 3
    board.retry.click()
    board.wait()
    assert [each["content"] for each in board.conversation] == [
        QUESTION,
        "The capital of",
    ]


def columns(board: Playground) -> list[str]:
    """Return the texts of both columns, after both answers."""
    board.wait()
    return [
        " ".join(words(each).split()) for each in board.both.columns.value.split("<section")[1:]
    ]


def test_both_settings_are_asked_at_once_and_only_what_differs_is_named(board):
    board.both.keep.click()
    board.controls.max_tokens.value = 3
    board.both.ask_both.click()
    kept, now = columns(board)
    assert re.search("Kept: max_tokens no limit The capital of France is Paris", kept)
    assert re.search("Now: max_tokens 3 The capital of It was cut off", now)
    assert "2 requests, 28 tokens in, 11 tokens out" in words(board.meter.value)
    assert board.conversation == []  # the chat stays as it is
    board.controls.max_tokens.value = 0
    assert columns(board)[1] == now  # of the answer, not of the controls
    board.both.ask_both.click()
    assert all("the same settings" in column for column in columns(board))


def test_an_error_in_one_column_leaves_the_other_as_it_is(board):
    board.both.keep.click()
    board.controls.fault.value = "500"
    board.both.ask_both.click()
    kept, now = columns(board)
    assert "is Paris" in kept and "complete" in kept
    assert "Now: simulated fault 500 The endpoint answers 500" in now
    assert "complete" in ask_with_no_fault(board)


def ask_with_no_fault(board: Playground) -> str:
    board.controls.fault.value = ""
    return ask_with(board)


def test_both_answers_can_be_stopped_and_cleared(board):
    board.controls.fault.value = "slow; seconds=0.2"
    board.both.keep.click()
    board.both.ask_both.click()
    board.send_button.click()
    assert "An answer is being written" in words(board.talk.value)
    board.stop.click()
    assert [column.count("You stopped this answer") for column in columns(board)] == [1, 1]
    board.clear.click()
    assert board.both.columns.value == ""


def test_send_pressed_twice_quickly_asks_once(board, monkeypatch):
    monkeypatch.setattr(widgets, "SECONDS_OF_A_DOUBLE_CLICK", 60)  # a busy computer may be slow
    board.send_button.click()
    board.wait()
    board.send_button.click()
    board.wait()
    assert len(board.conversation) == 2
    board.controls.temperature.value = 0.1  # now it is a decision
    assert len(board.conversation) == 2
    ask_with(board)
    assert len(board.conversation) == 4


def test_clear_during_an_answer_ends_it_for_good(board):
    board.controls.fault.value = "slow; seconds=0.2"
    board.send_button.click()
    board.clear.click()
    board.wait()
    assert board.conversation == [] and board.answers is None
    assert "The chat is empty" in words(board.talk.value)
    assert "complete" in ask_with_no_fault(board)


def test_odd_questions_are_shown_as_they_are(board):
    for text in (
        "<img src=x onerror=alert(1)>",
        "\u05e9\u05dc\u05d5\u05dd",
        "\U0001f600",
        "x" * 5000,
    ):
        board.question.value = text
        assert text in ask_with(board)
        assert "<img" not in board.talk.value + board.code.json.value + board.code.azure.value
        board.clear.click()


def token(text: str, probability: float, *options: Option) -> Token:
    return Token(text, math.log(probability), text.encode(), options)


def test_long_answers_have_buttons_for_their_first_tokens_only():
    chosen = []
    view = TokensView(lambda *place: chosen.append(place))
    tokens = [
        token(f"t{i}", 0.5, Option("other", -1.0, b"other")) for i in range(MAX_TOKEN_BUTTONS + 50)
    ]
    view.show(Answer("t", tokens))
    assert len(view.row.children) == MAX_TOKEN_BUTTONS
    assert f"The first {MAX_TOKEN_BUTTONS} of {len(tokens)} tokens are buttons" in view.about.value
    assert f"'t{len(tokens) - 1}'" in words(view.table.value)
    assert [button.tabbable for button in view.row.children] == [None] * 40 + [False] * 160
    view.number.value = len(tokens)
    view.options.children[0].click()
    assert chosen == [(len(tokens) - 1, 0)]
    before = view.row.children
    view.show(Answer("t", tokens[:3]))
    assert view.row.children == before[:3]  # the same widgets, so that the keyboard stays


def test_many_tokens_share_their_layout_and_style():
    view = TokensView(lambda *place: None)
    view.show(Answer("AB", [token("A", 0.5), token("B", 0.1)]))
    first, second = view.row.children
    assert first.layout is second.layout and first.style is second.style
    assert first._dom_classes != second._dom_classes


def test_a_playground_from_before_connect_finds_the_endpoint_later(monkeypatch, simulator):
    for name in ("AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL"):
        monkeypatch.delenv(name, raising=False)
    board = Playground()
    for name, value in simulator.variables().items():
        monkeypatch.setenv(name, value)
    assert "complete" in ask_with(board)
    assert "Server: inference" in board.origin.value


def test_several_answers_are_a_list(board):
    board.controls.temperature.value, board.controls.n.value, board.controls.seed.value = 1, 3, "1"
    ask_with(board)
    assert board.talk.value.count("<li>") == 3
    assert "3 answers: " in words(board.talk.value)
    assert "tokens of the first of 3 answers" in board.tokens.about.value


def test_the_usual_server_needs_no_header(variables_set, monkeypatch):
    monkeypatch.setenv("SIMULATED_SERVER", "serve")
    board = Playground()
    board.wait()
    assert board.controls.server.value == "serve"
    assert "x-simulated-server" not in board.code.json.value


def test_enter_sends_the_question(board):
    board.question._handle_custom_msg({"event": "submit"}, [])
    board.wait()
    assert "complete" in words(board.talk.value)


def test_without_an_endpoint_the_playground_says_what_to_do(monkeypatch):
    for name in ("AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL"):
        monkeypatch.delenv(name, raising=False)
    board = Playground()
    assert "Run the cell with connect() first" in board.origin.value
    assert "Run the cell with connect() first" in ask_with(board)


def test_it_is_shown_as_the_same_text_each_time(board):
    assert repr(board) == "Playground()"
    ask_with(board)
    assert repr(board) == "Playground()"


# An endpoint that has less


class Poor(BaseHTTPRequestHandler):
    """An endpoint that refuses log-probabilities, has no streams and tells no usage."""

    def do_GET(self) -> None:
        self._answer(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "logprobs" in body:
            self._answer(400, {"error": {"message": "Unknown parameter: logprobs"}})
            return
        message = {"role": "assistant", "content": "I am <poor>."}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self._answer(200, {"id": "1", "model": "my-phi", "choices": [choice]})

    def _answer(self, status: int, body: dict) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


def test_an_endpoint_that_has_less_is_used_and_what_is_missing_is_said(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Poor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", "k3y" * 9)
    board = Playground()
    try:
        shown = ask_with(board)
    finally:
        server.shutdown()
        server.server_close()
    assert "I am <poor>." in shown
    assert "refuses log-probabilities, so it was asked without them" in shown
    assert "sent no stream, so it was asked for a whole answer" in shown
    assert "sent no usage" in shown
    assert board.controls.fault.layout.display == board.controls.server.layout.display == "none"
    assert "connect" not in board.code.azure.value
    assert "Model: my-phi." in board.origin.value and "my-phi" in board.code.openai.value
    assert "k3y" not in board.origin.value + board.code.azure.value + board.code.json.value + shown
    assert "complete" in shown
    board.retry.click()  # the server has gone
    board.wait()
    assert "The connection failed" in words(board.talk.value)


def test_no_attribute_hides_one_of_a_widget(board):
    for each in (board, board.controls, board.tokens, board.both):
        own = {*vars(each), *vars(type(each))} - {*vars(VBox()), *vars(VBox)}
        assert {name for name in own & {*dir(VBox)} if not name.startswith("__")} == set()
