"""What can be shown below the chat: tokens, the request and its code, two settings side by side."""

from __future__ import annotations

import functools
from collections.abc import Callable

import ipywidgets as w

from helpers.look import label
from helpers.playground.answer import Answer, Token, describe, others, percent, visible
from helpers.playground.chat import Request, Run
from helpers.playground.rendering import (
    answers_html,
    code_block,
    column,
    legend,
    note,
    small,
    step_of,
    token_label,
    token_table,
)
from helpers.playground.settings import (
    ChatSettings,
    azure_code,
    differences,
    openai_code,
    request_text,
)

MAX_TOKEN_BUTTONS = 200  # more would make the page slow; the table has all tokens
MAX_TAB_STOPS = 40  # of them; with the keyboard, others are chosen by their number
MAX_TABLE_ROWS = 1000
HOW_IT_GOES_ON = (
    "The playground sends the beginning of the answer, with the token that you chose, as the last "
    "message, and asks the server to go on from it (continue_final_message, a parameter of vLLM). "
    "See it in the JSON. A server that does not know this parameter refuses, or begins a new "
    "answer."
)
NO_TOKENS = "The tokens of an answer appear here when it is complete."
NO_PROBABILITIES = (
    "This answer has no log-probabilities, so its tokens are not known. If top_logprobs is 0, set "
    "top_logprobs to 1 or more, and press Retry."
)


class TokensView(w.VBox):
    """The tokens of an answer as buttons, and as a table.

    A button shows what else could have stood in its token's place: on a line below while the mouse
    rests on it or the keyboard is at it, and as buttons after it was pressed. Widgets are used
    again for the next answer, so that the keyboard stays where it is.
    """

    def __init__(self, choose: Callable[[int, int], None]) -> None:
        """Build the view.

        choose: called with the place of a token and the number of one of its options.
        """
        self.place = 0  # of the chosen token, counted from 0
        self._choose = choose
        self._tokens: list[Token] = []
        self._token_buttons: list[w.Button] = []
        self._option_buttons: list[w.Button] = []
        self._shared = {"layout": w.Layout(), "style": w.ButtonStyle()}
        self.about = w.HTML()
        self.row = w.Box([], layout=w.Layout(display="none"))
        self.row.add_class("pg-row")
        self.number = w.BoundedIntText(
            **label("token", "its number in the answer"),
            min=0,
            max=0,
            style={"description_width": "50px"},
            layout=w.Layout(width="150px"),
        )
        self.number.observe(self._number_typed, "value")
        self.title = w.HTML()
        self.options = w.Box([], layout=w.Layout(flex_flow="row wrap"))
        self.table = w.HTML()
        self.chooser = w.HBox([self.number, w.VBox([self.title, self.options])])
        super().__init__(
            [w.HTML(legend()), self.about, self.row, self.chooser, self.table],
            layout=w.Layout(width="98%"),
        )
        self.show(None)

    def show(self, answer: Answer | None, number_of_answers: int = 1) -> None:
        """Show the tokens of an answer, None for no answer."""
        self._tokens = answer.tokens if answer is not None else []
        count = len(self._tokens)
        lines = []
        if not count:
            lines.append(NO_PROBABILITIES if answer and answer.text else NO_TOKENS)
        if number_of_answers > 1:
            lines.append(f"These are the tokens of the first of {number_of_answers} answers.")
        if count > MAX_TOKEN_BUTTONS:
            lines.append(
                f"The first {MAX_TOKEN_BUTTONS} of {count} tokens are buttons. Choose any other "
                "by its number; the table has the first " + f"{min(count, MAX_TABLE_ROWS):,}."
            )
        elif count > MAX_TAB_STOPS:
            lines.append(
                f"Tab goes to the first {MAX_TAB_STOPS} tokens. Choose any other by its number."
            )
        self.about.value = small("\n".join(lines))
        self.row.layout.display = self.chooser.layout.display = "flex" if count else "none"
        self.table.value = ""
        if count:
            table = token_table(self._tokens[:MAX_TABLE_ROWS])
            self.table.value = table + small(HOW_IT_GOES_ON)
        self.place = min(self.place, max(0, count - 1))
        self._show_row()
        self.number.min, self.number.max = 0, count
        self._show_chosen()

    def announce(self) -> None:
        """Say that an answer is being written. The tokens of the one before stay meanwhile."""
        self.about.value = small(NO_TOKENS)

    def forget_place(self) -> None:
        """Choose the first token again."""
        self.place = 0

    def _show_row(self) -> None:
        shown = self._tokens[:MAX_TOKEN_BUTTONS]
        while len(self._token_buttons) < len(shown):
            button = w.Button(**self._shared)
            button.on_click(functools.partial(self._pressed, len(self._token_buttons)))
            if len(self._token_buttons) >= MAX_TAB_STOPS:
                button.tabbable = False
            self._token_buttons.append(button)
        for place, (button, token) in enumerate(zip(self._token_buttons, shown, strict=False)):
            button.description = token_label(token)
            button.tooltip = f"Token {place + 1}: {describe(token)}"
        self._mark()
        self.row.children = self._token_buttons[: len(shown)]

    def _mark(self) -> None:
        """Give each button the colour of its token, and the chosen one a frame."""
        for place, token in enumerate(self._tokens[:MAX_TOKEN_BUTTONS]):
            names = ["pg-token", f"pg-{step_of(token)}"]
            if place == self.place:
                names.append("pg-chosen")
            button = self._token_buttons[place]
            if button._dom_classes != tuple(names):
                button._dom_classes = names

    def _pressed(self, place: int, button: w.Button) -> None:
        self.place = place
        self._mark()
        self._show_chosen()

    def _number_typed(self, change: dict) -> None:
        if self._tokens and 0 < self.number.value != self.place + 1:
            self._pressed(self.number.value - 1, None)

    def _show_chosen(self) -> None:
        """Show a button for each token that could have stood at the chosen place."""
        if not self._tokens:
            self.number.value, self.title.value, self.options.children = 0, "", []
            return
        token = self._tokens[self.place]
        self.number.value = self.place + 1
        options = others(token)
        lead = "Put another token in the place of"
        text = f"{lead} {visible(token)} ({percent(token.probability)}), and go on from there:"
        if not options:
            text = f"No other tokens are told for {visible(token)}: set top_logprobs to 2 or more."
        self.title.value = small(text)
        while len(self._option_buttons) < len(options):
            button = w.Button(**self._shared)
            button.on_click(functools.partial(self._option_pressed, len(self._option_buttons)))
            self._option_buttons.append(button)
        for button, option in zip(self._option_buttons, options, strict=False):
            button.description = f"{visible(option)} {percent(option.probability)}"
            button._dom_classes = ("pg-option",)
        self.options.children = self._option_buttons[: len(options)]

    def _option_pressed(self, number: int, button: w.Button) -> None:
        token = self._tokens[self.place]
        self._choose(self.place, token.options.index(others(token)[number]))


class CodeViews:
    """The request as JSON, and the same call as Python with both packages."""

    def __init__(self) -> None:
        """Build the three views."""
        self.json, self.azure, self.openai = (w.HTML() for _ in range(3))
        self.json.add_class("playground-json")

    def show(self, request: Request, button: str, is_simulated: bool, model: str) -> None:
        """Show what a button sends. model: a name that the endpoint accepts."""
        call = (request.settings, request.conversation, request.goes_on)
        azure = azure_code(*call, is_simulated=is_simulated)
        openai = openai_code(*call, is_simulated=is_simulated, model=model)
        python = f"What {button} sends, as Python with"
        self.json.value = code_block(f"What {button} sends, as JSON", request_text(*call))
        self.azure.value = code_block(f"{python} azure-ai-inference", azure)
        self.openai.value = code_block(f"{python} openai", openai)


class SideBySide(w.VBox):
    """Two settings, and the answers of both to the same question."""

    def __init__(self, keep: Callable[[], None], ask: Callable[[], None]) -> None:
        """Build the view. keep, ask: called when the buttons are pressed."""
        self.kept = ChatSettings()
        self.runs: list[Run] = []
        self.keep = w.Button(
            description="Keep these settings",
            tooltip="keep what the controls say now, for the left column",
            layout=w.Layout(width="180px"),
        )
        self.ask_both = w.Button(
            description="Ask both",
            tooltip="ask the question with the settings that you kept, and with the present ones",
            button_style="primary",
            layout=w.Layout(width="110px"),
        )
        self.keep.on_click(lambda button: keep())
        self.ask_both.on_click(lambda button: ask())
        self.about, self.columns = w.HTML(), w.HTML()
        super().__init__(
            [w.HBox([self.keep, self.ask_both]), self.about, self.columns],
            layout=w.Layout(width="98%"),
        )

    def show(self, now: ChatSettings) -> None:
        """Show both columns. now: what the controls say."""
        first, second = differences(self.kept, now)
        text = f"Kept: {first}. Now: {second}." if first else "Kept and now are the same settings."
        if not self.runs:
            text += (
                " Change controls, then press Ask both: the question is sent with both settings, "
                "after all that is in the chat. The chat stays as it is."
            )
        self.about.value = small(text)
        if not self.runs:
            self.columns.value = ""
            return
        settings = [run.request.settings for run in self.runs]
        heads = [text or "the same settings" for text in differences(*settings)]
        columns = [
            column(name, head, _run_html(run))
            for name, head, run in zip(("Kept", "Now"), heads, self.runs, strict=True)
        ]
        self.columns.value = f'<div class="pg-columns">{"".join(columns)}</div>'


def _run_html(run: Run) -> str:
    """Return the answers of a run as HTML, with its error and notes."""
    has_stop_texts = bool(run.request.settings.stop)
    parts = [answers_html(run.answers, not run.is_running, has_stop_texts)]
    parts += [note(text) for text in filter(None, [run.error, *run.notes])]
    if run.is_running:
        parts.append('<div role="status">… an answer is being written</div>')
    return "".join(parts)
