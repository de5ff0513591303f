"""The playground's widgets: build them, connect them, stream answers into them.

What they show is computed in the other modules of this package. A request runs in a thread of its
own, so that every control works meanwhile. No callback lets an error out: a widget whose callback
raises would seem dead.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from html import escape

import ipywidgets as w

from helpers.connect import describe_endpoint, simulated_server
from helpers.playground.answer import (
    Answer,
    Answers,
    beginning,
    coloured,
    ending,
    legend,
    notes,
    percent,
    table,
    text_of,
    visible,
)
from helpers.playground.chat import NO_ENDPOINT, ChatError, Request, ask
from helpers.playground.costs import Usage, meter
from helpers.playground.settings import (
    ChatSettings,
    azure_code,
    openai_code,
    read_seed,
    read_stop,
    request_text,
)
from helpers.servers import which_server
from helpers.settings import ENDPOINT

SECONDS_BETWEEN_UPDATES = 0.05  # of a page, while an answer streams
LABEL_WIDTH = "130px"
PAPER = (
    "background:#ffffff;color:#1a1a1a;border:1px solid #767676;border-radius:4px;padding:6px;"
    "line-height:1.5"
)
# A long chat shows its end, without a script.
AT_ITS_END = "display:flex;flex-direction:column-reverse;max-height:290px;overflow:auto"
CODE = f"{PAPER};white-space:pre-wrap;overflow-wrap:anywhere;font-family:monospace;font-size:13px"
NOTE = "color:#8a2b00;font-weight:600"
FAULTS = {
    "none": "",
    "slow: 0.2 s for each token": "slow; seconds=0.2",
    "429: too many requests": "429; retry-after=2",
    "401: a wrong key": "401",
    "500: the model stopped": "500",
    "the stream ends too early": "end",
    "the connection breaks": "cut",
    "no log-probabilities": "no-logprobs",
}
VIEWS = ("Tokens", "JSON", "azure-ai-inference", "openai", "Side by side")
HOW_IT_GOES_ON = (
    "The playground sends the beginning of the answer, with the token that you chose, as the last "
    "message, and asks the server to go on from it (<code>continue_final_message</code>, a "
    "parameter of vLLM). See it in the JSON. A server that does not know this parameter refuses, "
    "or begins a new answer."
)


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
        self.answers: Answers | None = None
        self.is_simulated = False
        self.model = "Phi-4"
        self._request: Request | None = None
        self._error = ""
        self._notes: list[str] = []
        self._unanswered = ""  # the last question, if no answer came
        self._warning = ""  # about a control; gone when a control changes
        self._usage = Usage()
        self._kept: tuple[ChatSettings, Answers] | None = None
        self._run = 0  # number of the last request; a thread with another number is out of date
        self._is_running = False
        self._threads: list[threading.Thread] = []
        self._lock = threading.RLock()
        self._build()
        self.server.value = simulated_server(os.environ).name
        super().__init__(
            [
                self.origin,
                w.HBox([self.controls, self.chat]),
                self.view,
                *self.panels.values(),
            ],
            layout=w.Layout(width="100%", max_width="1080px"),
        )
        self.add_class("playground")
        self.talk.add_class("playground-talk")
        self.json.add_class("playground-json")
        self._connect()
        self._ask_which_server()
        self._update()

    def __repr__(self) -> str:
        """Return the same text each time, whatever the playground shows."""
        return "Playground()"

    # Building

    def _build(self) -> None:
        def number(name: str, value: float, low: float, high: float, step: float, tip: str):
            """Return a field for a number; append it with a slider, which has no label, to rows."""
            limits = {"value": value, "min": low, "max": high, "step": step}
            shown = w.BoundedFloatText(
                description=name,
                tooltip=tip,
                style={"description_width": LABEL_WIDTH},
                layout=w.Layout(width="210px"),
                **limits,
            )
            slider = w.FloatSlider(readout=False, layout=w.Layout(width="126px"), **limits)
            w.jslink((shown, "value"), (slider, "value"))
            rows.append(w.HBox([shown, slider]))
            return shown

        rows: list[w.HBox] = []

        def field(kind: type, name: str, tip: str, **options: object):
            return kind(
                description=name,
                tooltip=tip,
                style={"description_width": LABEL_WIDTH},
                layout=w.Layout(width="340px"),
                **options,
            )

        self.temperature = number("temperature", 0.7, 0, 2, 0.05, "how much chance each draw has")
        self.top_p = number("top_p", 1, 0.05, 1, 0.05, "draw only from the likeliest tokens")
        self.presence = number("presence_penalty", 0, -2, 2, 0.1, "once a token has occurred")
        self.frequency = number("frequency_penalty", 0, -2, 2, 0.1, "each time it has occurred")
        limits = {"min": 0, "max": 16000}
        self.max_tokens = field(
            w.BoundedIntText, "max_tokens", "the most tokens of an answer; 0: no limit", **limits
        )
        self.seed = field(w.Text, "seed", "a whole number: the same draws each time")
        self.stop_texts = field(
            w.Textarea, "stop, one a line", "texts before which an answer ends", rows=1
        )
        self.n = field(
            w.BoundedIntText,
            "n",
            "how many answers to one question",
            min=1,
            max=10,
            value=1,
        )
        self.alternatives = field(
            w.BoundedIntText, "top_logprobs", "0: no probabilities", min=0, max=20, value=5
        )
        self.stream = field(w.Checkbox, "stream", "get the answer piece by piece", value=True)
        self.stream.indent = True
        self.server = field(
            w.Dropdown,
            "simulated server",
            "which of the two published servers answers",
            options=["inference", "serve"],
        )
        self.fault = field(
            w.Dropdown, "simulated fault", "what goes wrong on request", options=FAULTS
        )
        self.controls = w.VBox(
            [
                *rows,
                self.max_tokens,
                self.stop_texts,
                self.seed,
                self.n,
                self.alternatives,
                self.stream,
                self.server,
                self.fault,
            ],
            layout=w.Layout(width="360px", flex="0 0 auto"),
        )
        self.origin = w.HTML()
        wide = w.Layout(width="98%")
        narrow = {"description_width": "70px"}
        self.system = w.Text(
            description="system", placeholder="a system message", style=narrow, layout=wide
        )
        self.talk = w.HTML(layout=w.Layout(width="98%"))
        self.question = w.Text(
            value="Name a colour.",
            description="question",
            placeholder="a question; Enter sends it",
            style=narrow,
            layout=wide,
        )
        button = w.Layout(width="88px")
        self.send_button = w.Button(description="Send", button_style="primary", layout=button)
        self.stop = w.Button(description="Stop", layout=button)
        self.retry = w.Button(description="Retry", layout=button, tooltip="ask once more")
        self.clear = w.Button(description="Clear", layout=button, tooltip="begin a new chat")
        self.meter = w.HTML()
        self.chat = w.VBox(
            [
                self.system,
                self.question,
                w.HBox([self.send_button, self.stop, self.retry, self.clear]),
                self.talk,
                self.meter,
            ],
            layout=w.Layout(flex="1 1 420px", min_width="320px"),
        )
        self.view = w.ToggleButtons(
            options=VIEWS,
            description="show",
            style={"description_width": "40px", "button_width": "148px"},
        )
        self._build_panels()

    def _build_panels(self) -> None:
        # JupyterLab takes the arrow keys from lists, but not from a field for a number.
        self.place = w.BoundedIntText(
            description="token",
            tooltip="its number in the list; the arrow keys change it",
            min=0,
            max=0,
            style={"description_width": "50px"},
            layout=w.Layout(width="330px"),
        )
        self.tokens = w.Select(
            description="list", rows=8, layout=w.Layout(width="330px"), options=[]
        )
        self.tokens.style.description_width = "50px"
        self.tokens.add_class("playground-list")
        self.options_title = w.HTML()
        self.options = w.Box([], layout=w.Layout(flex_flow="row wrap", width="98%"))
        self.legend = w.HTML(f'<div style="{PAPER}">{legend()}</div>')
        look = "<style>.playground-list select{font-family:monospace;white-space:pre}</style>"
        self.about_tokens = w.HTML(look + _small(HOW_IT_GOES_ON))
        self.json, self.azure, self.openai = (w.HTML() for _ in range(3))
        self.keep = w.Button(
            description="Keep this answer and its settings", layout=w.Layout(width="260px")
        )
        self.both = w.HTML()
        self.panels = {  # each with a layout of its own, since only one is shown
            "Tokens": w.VBox(
                [
                    self.legend,
                    w.HBox(
                        [
                            w.VBox([self.place, self.tokens]),
                            w.VBox([self.options_title, self.options]),
                        ]
                    ),
                    self.about_tokens,
                ],
                layout=w.Layout(width="98%"),
            ),
            "JSON": w.VBox([self.json], layout=w.Layout(width="98%")),
            "azure-ai-inference": w.VBox([self.azure], layout=w.Layout(width="98%")),
            "openai": w.VBox([self.openai], layout=w.Layout(width="98%")),
            "Side by side": w.VBox([self.keep, self.both], layout=w.Layout(width="98%")),
        }

    def _connect(self) -> None:
        for control in (
            self.temperature,
            self.top_p,
            self.presence,
            self.frequency,
            self.max_tokens,
            self.stop_texts,
            self.seed,
            self.n,
            self.alternatives,
            self.stream,
            self.server,
            self.fault,
            self.system,
            self.question,
        ):
            control.observe(self._changed, "value")
        self.server.observe(self._server_changed, "value")
        self.view.observe(self._changed, "value")
        self.tokens.observe(self._token_chosen, "value")
        self.send_button.on_click(self._send_question)
        self.stop.on_click(self._stop)
        self.retry.on_click(self._retry)
        self.clear.on_click(self._clear)
        self.place.observe(self._place_typed, "value")
        self.keep.on_click(self._keep)
        self.question.on_msg(self._message)  # Enter

    # Callbacks

    @guarded
    def _changed(self, change: object) -> None:
        self._update()

    @guarded
    def _server_changed(self, change: object) -> None:
        self._ask_which_server()

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
            if self._request is None:
                self.say("There is nothing to repeat yet. Press Send first.")
                return
            request = self._again()
        self._start(request)

    @guarded
    def _stop(self, button: w.Button) -> None:
        with self._lock:
            if not self._is_running:
                self.say("Nothing is running.")
                return
            self._run += 1
            self._finish(["You stopped this answer. The server may have gone on for a while."])

    @guarded
    def _clear(self, button: w.Button) -> None:
        with self._lock:
            self._run += 1
            self._is_running = False
            self.conversation, self.answers, self._request = [], None, None
            self._error, self._notes, self._unanswered, self._usage = "", [], "", Usage()
            self._show_tokens()
            self._update()

    @guarded
    def _place_typed(self, change: object) -> None:
        if self.tokens.options and self.place.value:
            self.tokens.value = self.place.value - 1

    @guarded
    def _token_chosen(self, change: object) -> None:
        with self._lock:
            self._show_options()

    @guarded
    def _go_on(self, place: int, number: int, button: w.Button) -> None:
        with self._lock:
            answer = self._first_answer()
            if self._is_running or answer is None or place >= len(answer.tokens):
                self.say("This token is gone. Choose one of the answer that you see.")
                return
            option = answer.tokens[place].options[number]
            taken = beginning(answer.tokens, place, option)
            settings = replace(self._read_settings(), n=1)
            earlier = self.conversation_before_answer()
            if option.ends_answer:
                self.answers = Answers.going_on(taken[:-1])
                self._first_answer().finish_reason = "stop"
                text = text_of(taken)
                self.conversation = [*earlier, self._as_message(text)] if text else earlier
                self._notes = ["You chose the token that ends the turn, so the answer ends there."]
                self._show_tokens()
                self._update()
                return
            conversation = [*earlier, self._as_message(text_of(taken))]
            self.conversation = earlier
        self._start(Request(settings, conversation, tuple(taken)))

    @guarded
    def _keep(self, button: w.Button) -> None:
        with self._lock:
            if self.answers is None or self._request is None:
                self.say("There is no answer yet. Press Send first.")
                return
            self._kept = (self._request.settings, self.answers)
            self._update()

    # Asking

    def conversation_before_answer(self) -> list[dict[str, str]]:
        """Return the conversation up to the last question."""
        messages = [*self.conversation]
        if messages and messages[-1]["role"] == "assistant":
            messages.pop()
        return messages

    def _ask_question(self) -> None:
        with self._lock:
            if self._is_running:
                self.say("An answer is being written. Wait for its end, or press Stop.")
                return
            text = self.question.value.strip()
            if not text:
                self.say("Type a question first.")
                return
            settings = self._read_settings()
            conversation = [*self.conversation, {"role": "user", "content": text}]
        self._start(Request(settings, conversation))

    def _start(self, request: Request) -> None:
        """Run a request in a thread of its own."""
        with self._lock:
            self._run += 1
            number = self._run
            self._request, self._is_running = request, True
            self._error, self._notes, self._unanswered = "", [], ""
            self.conversation = [*request.conversation]
            if request.goes_on:
                self.conversation.pop()  # the beginning of the answer is in ``answers``
            self.answers = Answers.going_on(request.beginning) if request.goes_on else Answers()
            self._show_tokens()
            self._update()
        self._in_thread(self._work, request, number)

    def _in_thread(self, function: Callable, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()

    def wait(self) -> None:
        """Wait until all that was asked is answered. For programs; people watch."""
        for thread in self._threads:
            thread.join()

    def _work(self, request: Request, number: int) -> None:
        last = 0.0

        def is_stopped() -> bool:
            return self._run != number

        def show(answers: Answers) -> None:
            nonlocal last
            with self._lock:
                if is_stopped():
                    return
                self.answers = answers
                if time.monotonic() - last >= SECONDS_BETWEEN_UPDATES:
                    self._show_talk()
                    last = time.monotonic()

        error, lines = "", []
        try:
            answers, lines = ask(request, show, is_stopped)
            with self._lock:
                if not is_stopped():
                    self.answers = answers
                    wants = bool(request.settings.alternatives) and not lines
                    lines = [*lines, *notes(answers, wants)]
        except ChatError as problem:
            error = str(problem)
        except Exception as problem:  # the chat has to say it, whatever it is
            error = f"{type(problem).__name__}: {problem}"
        with self._lock:
            if not is_stopped():
                self._finish(lines, error)

    def _finish(self, lines: list[str], error: str = "") -> None:
        """Show the end of a request, and keep its answer in the conversation."""
        self._is_running = False
        self._error, self._notes = error, lines
        answer = self._first_answer()
        if answer is not None and answer.text:
            self.conversation = [*self.conversation, self._as_message(answer.text)]
        elif self.conversation and self.conversation[-1]["role"] == "user":
            *self.conversation, question = self.conversation  # it is not sent again, but shown
            self._unanswered = question["content"]
        if self.answers is not None and self.answers.usage is not None:
            self._usage += self.answers.usage
        self._show_tokens()
        self._update()

    def _again(self) -> Request:
        """Return the last request with the settings of now."""
        settings = self._read_settings()
        if self._request.goes_on:
            settings = replace(settings, n=1)
        return replace(self._request, settings=settings)

    def _ask_which_server(self) -> None:
        """Say which endpoint answers; ask it in a thread which server it is."""
        try:
            problem = "" if os.environ.get(ENDPOINT) else NO_ENDPOINT
            text = describe_endpoint()
        except ValueError as error:
            problem = str(error)
        if problem:
            self.origin.value = f'<div style="{PAPER};{NOTE}">{escape(problem)}</div>'
            return
        self.is_simulated = text.startswith(("a simulated Azure", "your class's endpoint"))
        for control in (self.server, self.fault):
            control.layout.display = "flex" if self.is_simulated else "none"
        self.origin.value = _small(f"Answers come from {escape(text)}")
        self._in_thread(self._find_server, text)

    def _find_server(self, text: str) -> None:
        try:
            report = which_server(simulate=self.server.value if self.is_simulated else "")
            self.model = report.models[0] if report.models else "Phi-4"
            line = f"The server is {report.kind}."
            if "streams" in report.follows:
                line += f" Its streams {report.follows['streams']}."
        except Exception as error:  # the playground works without this
            line = f"Which server it is could not be found out: {error}"
        self.origin.value = _small(f"Answers come from {escape(text)} {escape(line)}")
        self._changed(line)

    # Showing

    def say(self, text: str) -> None:
        """Show a message below the chat, until a control changes."""
        self._warning = text
        self._show_talk()

    def _read_settings(self) -> ChatSettings:
        """Return what the controls say. Raises ValueError for text that is no seed."""
        return ChatSettings(
            system=self.system.value.strip(),
            temperature=round(self.temperature.value, 2),
            top_p=round(self.top_p.value, 2),
            presence_penalty=round(self.presence.value, 2),
            frequency_penalty=round(self.frequency.value, 2),
            max_tokens=self.max_tokens.value,
            stop=read_stop(self.stop_texts.value),
            seed=read_seed(self.seed.value),
            n=self.n.value,
            alternatives=self.alternatives.value,
            stream=self.stream.value,
            server=self._server_to_ask_for(),
            fault=self.fault.value if self.is_simulated else "",
        )

    def _server_to_ask_for(self) -> str:
        """Return the server that the simulated endpoint is to play, "" for the usual one."""
        is_usual = self.server.value == simulated_server(os.environ).name
        return self.server.value if self.is_simulated and not is_usual else ""

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
            self.meter.value = _small(escape(meter(self._usage)).replace("\n", "<br>"))
            self.stop.disabled = not self._is_running
            self.send_button.disabled = self._is_running

    def _show_code(self) -> None:
        """Show what Retry sends; what Send sends before the first answer and for a new question."""
        question = {"role": "user", "content": self.question.value.strip()}
        request = Request(self.settings, [*self.conversation, question])
        button = "Send"
        if self._request is not None and question in self._request.conversation[-2:]:
            request, button = self._again(), "Retry"
        shown = (request.settings, request.conversation, request.goes_on)
        azure = azure_code(*shown, is_simulated=self.is_simulated)
        openai = openai_code(*shown, is_simulated=self.is_simulated, model=self.model)
        self.json.value = _code(f"What {button} sends, as JSON", request_text(*shown))
        self.azure.value = _code(f"What {button} sends, as Python with azure-ai-inference", azure)
        self.openai.value = _code(f"What {button} sends, as Python with openai", openai)

    def _show_talk(self) -> None:
        with self._lock:
            answer, turns = self._first_answer(), self.conversation
            has_text = answer is not None and bool(answer.text)
            if has_text and not self._is_running:
                turns = turns[:-1]  # the last answer is shown with its colours
            rows = [_turn(turn["role"], escape(turn["content"])) for turn in turns]
            if self._unanswered:
                rows.append(_turn("user", escape(self._unanswered)))
            if has_text or self._is_running:
                rows.append(_turn("assistant", _answers_html(self.answers)))
            for text in filter(None, [self._error, *self._notes, self._warning]):
                rows.append(f'<div role="status" style="{NOTE}">{escape(text)}</div>')
            if self._is_running:
                rows.append('<div role="status">… an answer is being written</div>')
            self.talk.value = (
                f'<div role="region" aria-label="chat" tabindex="0" style="{PAPER};{AT_ITS_END}">'
                f"<div>{''.join(rows)}</div></div>"
            )

    def _show_tokens(self) -> None:
        answer = self._first_answer()
        lines = table(answer) if answer is not None and not self._is_running else []
        self.tokens.options = [(line, place) for place, line in enumerate(lines)]
        self.tokens.value = 0 if lines else None
        self.place.min, self.place.max = 0, len(lines)
        self.place.value = min(1, len(lines))
        self._show_options()

    def _show_options(self) -> None:
        """Show a button for each token that could have stood at the chosen place."""
        for old in self.options.children:
            old.close()
        answer, place = self._first_answer(), self.tokens.value
        if place is None or answer is None or place >= len(answer.tokens):
            self.options.children, self.options_title.value = [], ""
            return
        self.place.value = place + 1
        token = answer.tokens[place]
        title = f"Put another token in the place of {visible(token.text)}, and go on from there:"
        self.options_title.value = _small(escape(title))
        buttons = []
        for number, option in enumerate(token.options):
            if option.content != token.content:
                button = w.Button(
                    description=f"{visible(option.text)} {percent(option.probability)}",
                    layout=w.Layout(width="auto"),
                )
                button.on_click(functools.partial(self._go_on, place, number))
                buttons.append(button)
        self.options.children = buttons

    def _show_both(self) -> None:
        if self._kept is None:
            self.both.value = (
                "<p>Ask something, keep the answer, change a setting, and ask again: "
                "both answers stand side by side here.</p>"
            )
            return
        settings, answers = self._kept
        columns = [_column("kept", settings, answers)]
        if self.answers is not None and self.answers is not answers and self._request is not None:
            columns.append(_column("now", self._request.settings, self.answers))
        self.both.value = f'<div style="display:flex;gap:8px">{"".join(columns)}</div>'

    def _first_answer(self) -> Answer | None:
        return self.answers.list[0] if self.answers is not None and self.answers.list else None

    @staticmethod
    def _as_message(text: str) -> dict[str, str]:
        return {"role": "assistant", "content": text}


def _small(html: str) -> str:
    return f'<div style="line-height:1.4;font-size:12px">{html}</div>'


def _code(name: str, text: str) -> str:
    return (
        f'<b>{name}:</b><pre role="region" aria-label="{name}" tabindex="0" style="{CODE}">'
        f"{escape(text)}</pre>"
    )


def _turn(role: str, html: str) -> str:
    name = {"user": "You", "assistant": "Model"}[role]
    return f'<div style="margin-bottom:6px;white-space:pre-wrap"><b>{name}:</b> {html}</div>'


def _answers_html(answers: Answers) -> str:
    """Return answers with their colours; several as a list."""
    texts = []
    for answer in answers.list:
        end = ending(answer) if len(answers.list) == 1 else f"({answer.finish_reason})"
        end = f" <small>{escape(end)}</small>" if answer.finish_reason else ""
        texts.append(f'<span class="playground-answer">{coloured(answer)}</span>{end}')
    if len(texts) == 1:
        return texts[0]
    return f"<ol>{''.join(f'<li>{text}</li>' for text in texts)}</ol>" if texts else ""


def _column(name: str, settings: ChatSettings, answers: Answers) -> str:
    values = ", ".join(f"{key}={value}" for key, value in settings.parameters().items())
    head = f"<b>{name}</b> <small>{escape(values)}</small>"
    return f'<div style="{PAPER};flex:1">{head}<hr>{_answers_html(answers)}</div>'


def playground() -> Playground:
    """Return a playground for the endpoint that connect() has chosen.

    Run ``connect()`` first. In a notebook, write ``playground()`` as the last line of a cell.
    """
    return Playground()
