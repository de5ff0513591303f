"""The playground: a chat, its controls and its views, put together.

What is shown is computed in the pure modules of this package. A request runs in a thread of its
own, so that every control works meanwhile. No callback lets an error out: a widget whose callback
raises would seem dead.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from html import escape

import ipywidgets as w

from helpers.look import label
from helpers.playground.answer import Answer, Answers, beginning, text_of
from helpers.playground.chat import Request, Run
from helpers.playground.controls import FAULTS, Controls
from helpers.playground.costs import Usage, meter
from helpers.playground.endpoint import EndpointLine
from helpers.playground.rendering import answers_html, note, small, style_sheet, turn, turns
from helpers.playground.settings import ChatSettings
from helpers.playground.views import CodeViews, SideBySide, TokensView

__all__ = ["FAULTS", "VIEWS", "Playground", "playground"]

SECONDS_BETWEEN_UPDATES = 0.05  # of a page, while an answer streams
CHARACTERS_PER_SECOND = 1_000_000  # of HTML, that a page can show without falling behind
SECONDS_OF_A_DOUBLE_CLICK = 0.5
VIEWS = ("Tokens", "JSON", "azure-ai-inference", "openai", "Side by side")
STOPPED = (
    "You stopped this answer. The server may have gone on for a while. Its tokens are not in the "
    "costs, since an endpoint tells them at the end."
)
TOO_LATE = "Too late to stop: the answer was complete."
NOT_COUNTED = " Its tokens are not in the costs, since the endpoint had not told them yet."
EMPTY = "The chat is empty. Press Send to ask the question."
CHOSEN_END = "You chose the token that ends the turn, so the answer ends there."


def guarded(method: Callable) -> Callable:
    """Return a callback that shows its errors in the playground instead of raising them."""

    @functools.wraps(method)
    def callback(self: Playground, *arguments: object) -> None:
        try:
            method(self, *arguments)
        except ValueError as error:  # of a setting
            self.say(str(error))
        except Exception as error:  # whatever it is, the control has to live
            self.say(f"{type(error).__name__}: {error}")

    return callback


class Playground(w.VBox):
    """A chat with all its settings. Display it as the last line of a cell.

    ``settings``: what the controls say. ``conversation``: the messages so far. ``answers``: the
    last ones, None before the first.
    """

    def __init__(self) -> None:
        """Build all widgets. Nothing is asked yet, but which server answers (in a thread)."""
        self.settings = ChatSettings()
        self.conversation: list[dict[str, str]] = []
        self._main: Run | None = None  # the last request of the chat
        self._notes: list[str] = []
        self._unanswered = ""  # the last question, if no answer came
        self._warning = ""  # about a control; gone when a control changes
        self._usage = Usage()
        self._sent_at = -SECONDS_OF_A_DOUBLE_CLICK
        self._next_update = 0.0  # on the clock of time.monotonic
        self._runs: list[Run] = []  # that may be on their way
        self._lock = threading.RLock()
        self.controls = Controls()
        self.tokens = TokensView(self._go_on)
        self.code = CodeViews()
        self.both = SideBySide(self._keep, self._ask_both)
        self.panels = {  # each with a layout of its own, since only one is shown
            "Tokens": self.tokens,
            "JSON": _panel(self.code.json),
            "azure-ai-inference": _panel(self.code.azure),
            "openai": _panel(self.code.openai),
            "Side by side": self.both,
        }
        self.view = w.ToggleButtons(options=VIEWS, style={"button_width": "auto"})
        self.origin = EndpointLine(lambda: self._changed(None), self._lock)
        super().__init__(
            [
                w.HTML(style_sheet()),
                self.origin,
                w.HBox([self.controls, self._build_chat()]),
                self.view,
                *self.panels.values(),
            ],
            layout=w.Layout(width="100%", max_width="1080px"),
        )
        self.add_class("playground")
        self._connect()
        self._look_which_server()
        self._update()

    def __repr__(self) -> str:
        """Return the same text each time, whatever the playground shows."""
        return "Playground()"

    # Building

    def _build_chat(self) -> w.VBox:
        wide = w.Layout(width="98%")
        narrow = {"description_width": "70px"}
        self.system = w.Text(
            **label("system", "the system message: an instruction; empty: not sent"),
            placeholder="a system message",
            style=narrow,
            layout=wide,
        )
        self.question = w.Text(
            value="Name a colour.",
            **label("question", "what Send asks"),
            placeholder="a question; Enter sends it",
            style=narrow,
            layout=wide,
        )
        button = w.Layout(width="88px")
        self.send_button = w.Button(
            description="Send",
            button_style="primary",
            layout=button,
            tooltip="ask the question; the chat goes on",
        )
        self.stop = w.Button(description="Stop", layout=button, tooltip="end the answer now")
        self.retry = w.Button(
            description="Retry",
            layout=button,
            tooltip="ask the same question again, with the present settings",
        )
        self.clear = w.Button(
            description="Clear", layout=button, tooltip="begin a new chat; the settings stay"
        )
        self.talk = w.HTML(layout=wide)
        self.talk.add_class("playground-talk")
        self.meter = w.HTML()
        buttons = w.HBox([self.send_button, self.stop, self.retry, self.clear])
        return w.VBox(
            [self.system, self.question, buttons, self.talk, self.meter],
            layout=w.Layout(flex="1 1 420px", min_width="320px"),
        )

    def _connect(self) -> None:
        self.controls.watch(self._changed)
        self.controls.server.observe(self._server_changed, "value")
        for control in (self.system, self.question, self.view):
            control.observe(self._changed, "value")
        self.send_button.on_click(self._send_question)
        self.stop.on_click(self._stop)
        self.retry.on_click(self._retry)
        self.clear.on_click(self._clear)
        self.question.on_msg(self._message)  # Enter

    # Callbacks

    @guarded
    def _changed(self, change: object) -> None:
        self._sent_at = -SECONDS_OF_A_DOUBLE_CLICK
        self._update()

    @guarded
    def _server_changed(self, change: object) -> None:
        self._look_which_server()

    @guarded
    def _message(self, widget: w.Widget, content: dict, buffers: object) -> None:
        if content.get("event") == "submit":
            self._ask_question()

    @guarded
    def _send_question(self, button: w.Button) -> None:
        self._ask_question()

    @guarded
    def _retry(self, button: w.Button) -> None:
        with self._lock:
            if self._main is None:
                self.say("There is nothing to repeat yet. Press Send first.")
                return
            request = self._again()
        self._start(request)

    @guarded
    def _stop(self, button: w.Button) -> None:
        with self._lock:
            running = [run for run in self._runs if run.is_running]
            for run in running:
                run.stop()
                line = _line_about_stop(run.answers)
                if run is self._main:
                    self._finish([line])
                else:
                    self._count(run.answers)
                    run.notes = [line]
            if running:
                self._update()
            else:
                is_complete = self.answers is not None and self.answers.are_complete
                self.say(TOO_LATE if is_complete else "Nothing is running.")

    @guarded
    def _clear(self, button: w.Button) -> None:
        with self._lock:
            for run in self._runs:
                run.stop()
            self.conversation, self._main, self.both.runs = [], None, []
            self._notes, self._unanswered, self._usage = [], "", Usage()
            self._sent_at = -SECONDS_OF_A_DOUBLE_CLICK
            self.tokens.forget_place()
            self._show_tokens()
            self._update()

    @guarded
    def _go_on(self, place: int, number: int) -> None:
        """Let the first answer go on from another token."""
        with self._lock:
            answer = self._first_answer()
            if self._is_running or answer is None or place >= len(answer.tokens):
                self.say("An answer is being written. Wait for its end, or press Stop.")
                return
            option = answer.tokens[place].options[number]
            taken = beginning(answer.tokens, place, option)
            settings = replace(self._read_settings(), n=1)
            earlier = self._conversation_before_answer()
            if option.ends_answer:
                self._main.answers = Answers.going_on(taken[:-1])
                self._main.answers.list[0].finish_reason = "stop"
                text = text_of(taken)
                self.conversation = [*earlier, _as_message(text)] if text else earlier
                self._main.error, self._notes = "", [CHOSEN_END]
                self._show_tokens()
                self._update()
                return
            conversation = [*earlier, _as_message(text_of(taken))]
        self._start(Request(settings, conversation, tuple(taken)))

    @guarded
    def _keep(self) -> None:
        with self._lock:
            self.both.kept, self.both.runs = self._read_settings(), []
            self._update()

    @guarded
    def _ask_both(self) -> None:
        """Ask the question with the kept settings and with the present ones."""
        with self._lock:
            conversation = self._conversation_to_ask()
            if conversation is None:
                return
            self._look_which_server(again=True)
            now = self._read_settings()
            # The simulated server is part of what is compared; a hidden control counts for nothing.
            kept = self.both.kept
            requests = [Request(settings, conversation) for settings in (kept, now)]
            self.both.runs = [Run(each, self._column_changed, self._lock) for each in requests]
            self._launch(*self.both.runs)

    # Asking

    @property
    def answers(self) -> Answers | None:
        """The last answers, None before the first."""
        return self._main.answers if self._main is not None else None

    @property
    def _is_running(self) -> bool:
        return any(run.is_running for run in self._runs)

    def _conversation_before_answer(self) -> list[dict[str, str]]:
        """Return the conversation up to the last question."""
        messages = [*self.conversation]
        if messages and messages[-1]["role"] == "assistant":
            messages.pop()
        return messages

    def _conversation_to_ask(self) -> list[dict[str, str]] | None:
        """Return the conversation that ends with the question in the field.

        A question that was asked last is not asked a second time. Returns None, and says why, if
        nothing can be asked now.
        """
        if self._is_running:
            self.say("An answer is being written. Wait for its end, or press Stop.")
            return None
        question = {"role": "user", "content": self.question.value.strip()}
        if not question["content"]:
            self.say("Type a question first.")
            return None
        earlier = self._conversation_before_answer()
        return earlier if earlier[-1:] == [question] else [*self.conversation, question]

    def _ask_question(self) -> None:
        with self._lock:
            if time.monotonic() - self._sent_at < SECONDS_OF_A_DOUBLE_CLICK:
                return  # the second click of two
            if self._conversation_to_ask() is None:
                return
            question = {"role": "user", "content": self.question.value.strip()}
            request = Request(self._read_settings(), [*self.conversation, question])
            self._sent_at = time.monotonic()
        self._start(request)

    def _start(self, request: Request) -> None:
        """Start a request of the chat."""
        with self._lock:
            for run in self._runs:
                run.stop()
            self._look_which_server(again=True)
            self._notes, self._unanswered = [], ""
            self.conversation = [*request.conversation]
            if request.goes_on:
                self.conversation.pop()  # the beginning of the answer is in ``answers``
            else:
                self.tokens.forget_place()
            self.tokens.announce()
            self._main = Run(request, self._chat_changed, self._lock)
            self._launch(self._main)

    def _launch(self, *runs: Run) -> None:
        self._runs = [*(run for run in self._runs if run.is_running), *runs]
        self._next_update = 0.0
        self._update()
        for run in runs:
            run.start()

    def wait(self) -> None:
        """Wait until all that was asked is answered. For programs; people watch."""
        self.origin.wait()
        for run in self._runs:
            run.wait()

    def _chat_changed(self, run: Run) -> None:
        """Show a piece of an answer, or its end."""
        if run is not self._main:
            return
        if run.is_running:
            self._now_and_then(self._show_talk, self.talk)
        else:
            self._finish(run.notes)

    def _column_changed(self, run: Run) -> None:
        if run not in self.both.runs:
            return
        if run.is_running:
            self._now_and_then(self._show_both, self.both.columns)
            return
        self._count(run.answers)
        self._update()

    def _now_and_then(self, show: Callable[[], None], widget: w.HTML) -> None:
        """Show something unless it was shown just now. A long text is shown less often."""
        if time.monotonic() >= self._next_update:
            show()
            seconds = SECONDS_BETWEEN_UPDATES + len(widget.value) / CHARACTERS_PER_SECOND
            self._next_update = time.monotonic() + seconds

    def _finish(self, lines: list[str]) -> None:
        """Show the end of a request, and keep its answer in the conversation."""
        self._notes = lines
        answer = self._first_answer()
        if answer is not None and answer.text:
            self.conversation = [*self.conversation, _as_message(answer.text)]
        elif self.conversation and self.conversation[-1]["role"] == "user":
            *self.conversation, question = self.conversation  # it is not sent again, but shown
            self._unanswered = question["content"]
        self._count(self._main.answers)
        self.origin.learn(self._main.answers.model)
        self._show_tokens()
        self._update()

    def _count(self, answers: Answers) -> None:
        if answers.usage is not None:
            self._usage += answers.usage

    def _again(self) -> Request:
        """Return the last request with the present settings."""
        settings = self._read_settings()
        request = self._main.request
        return replace(request, settings=replace(settings, n=1) if request.goes_on else settings)

    def _look_which_server(self, again: bool = False) -> None:
        """Say which endpoint, server and model answer. again: only for another endpoint."""
        look = self.origin.look_again if again else self.origin.look
        look(self.controls.server.value)
        self.controls.show_simulated(self.origin.is_simulated)

    # Showing

    def say(self, text: str) -> None:
        """Show a message below the chat, until a control changes."""
        self._warning = text
        self._show_talk()

    def _read_settings(self) -> ChatSettings:
        return self.controls.read(self.system.value)

    def _update(self) -> None:
        """Bring all that is shown in step with the controls."""
        with self._lock:
            self.settings = self._read_settings()
            self._warning = ""
            for name, panel in self.panels.items():
                panel.layout.display = "flex" if name == self.view.value else "none"
            self._show_code()
            self._show_talk()
            self._show_both()
            self.meter.value = small(meter(self._usage))
            self.stop.disabled = not self._is_running
            self.send_button.disabled = self.both.ask_both.disabled = self._is_running

    def _show_code(self) -> None:
        """Show what Retry sends; what Send sends before the first answer and for a new question."""
        question = {"role": "user", "content": self.question.value.strip()}
        request, button = Request(self.settings, [*self.conversation, question]), "Send"
        if self._main is not None and question in self._main.request.conversation[-2:]:
            request, button = self._again(), "Retry"
        self.code.show(request, button, self.controls.is_simulated, self.origin.accepted_model)

    def _show_talk(self) -> None:
        with self._lock:
            is_running = self._main is not None and self._main.is_running
            answer, messages = self._first_answer(), self.conversation
            has_text = answer is not None and bool(answer.text)
            if has_text and not is_running:
                messages = messages[:-1]  # the last answer is shown with its colours
            rows = [turns(messages)]
            if self._unanswered:
                rows.append(turn("user", escape(self._unanswered)))
            if has_text or is_running:
                rows.append(turn("assistant", self._answers_html(not is_running)))
            error = self._main.error if self._main is not None else ""
            rows += map(note, filter(None, [error, *self._notes, self._warning]))
            if is_running:
                rows.append('<div role="status">… an answer is being written</div>')
            inside = "".join(rows) or EMPTY
            self.talk.value = (
                '<div role="region" aria-label="chat" tabindex="0" class="pg-paper pg-chat">'
                f"<div>{inside}</div></div>"
            )

    def _answers_html(self, is_complete: bool) -> str:
        has_stop_texts = bool(self._main.request.settings.stop)
        return answers_html(self.answers, is_complete, has_stop_texts)

    def _show_tokens(self) -> None:
        count = len(self.answers.list) if self.answers is not None else 1
        self.tokens.show(self._first_answer(), count)

    def _show_both(self) -> None:
        self.both.show(self.settings)

    def _first_answer(self) -> Answer | None:
        return self.answers.list[0] if self.answers is not None and self.answers.list else None


def _line_about_stop(answers: Answers) -> str:
    """Return what to say of answers that were stopped when these had arrived."""
    if not answers.are_complete:
        return STOPPED
    return TOO_LATE if answers.usage is not None else TOO_LATE + NOT_COUNTED


def _panel(widget: w.Widget) -> w.VBox:
    return w.VBox([widget], layout=w.Layout(width="98%"))


def _as_message(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def playground() -> Playground:
    """Return a playground for the endpoint that connect() has chosen.

    Run ``connect()`` first. In a notebook, write ``playground()`` as the last line of a cell.
    """
    return Playground()
