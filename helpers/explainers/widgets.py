"""The explainers' sliders and fields. What they show is computed in the other modules.

Each slider has a labelled field for the number beside it, because the handles of ipywidgets'
sliders have no name for a screen reader. No callback lets an error out: a widget whose callback
raises would seem dead.
"""

from __future__ import annotations

import functools
import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence

import ipywidgets as w

from helpers.connect import describe_endpoint
from helpers.explainers.bars import problem, sheet
from helpers.explainers.pictures import bias_picture, sampling_picture
from helpers.explainers.prices import TOKENS_PER_SECOND, Traffic, costs_picture
from helpers.explainers.streams import Arrivals, Question, ask_both, stream_picture
from helpers.explainers.tokens import tokens_picture
from helpers.look import label, theme_rules
from helpers.settings import ENDPOINT

LABEL_WIDTH = "150px"
DIGITS = 3  # behind the point of a number
LOG_STEP = 0.1  # of the decimal logarithm
IN_PLACE_OF_SLIDERS = (  # without a kernel; ipywidgets cuts more than 110 characters
    "(Run this cell: a picture moves with sliders. The next cell prints the same for some values.)"
)
HANDLES = ".explainer .noUi-handle {border: 2px solid var(--kit-line)}"
STYLE = f"<style>{theme_rules('.explainer')} {HANDLES}</style>"
SERVERS = ("inference", "serve")


def guarded(method: Callable) -> Callable:
    """Return a callback that shows its errors in the explainer instead of raising them."""

    @functools.wraps(method)
    def callback(self: Explainer, *arguments: object) -> None:
        try:
            method(self, *arguments)
        except Exception as error:  # whatever it is, the control has to live
            text = (
                str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            )
            self.picture.value = sheet(problem(text))

    return callback


class Explainer(w.VBox):
    """Controls above a picture. Display it as the last line of a cell.

    ``html``: returns the picture for the controls' values.
    """

    def __init__(self, controls: Sequence[w.Widget], html: Callable[[], str]) -> None:
        """Show the controls and the picture."""
        self.html = html
        self.picture = w.HTML()
        super().__init__(
            [w.HTML(STYLE), *controls, self.picture],
            layout=w.Layout(width="100%", max_width="900px"),
        )
        self.add_class("explainer")
        self.draw()

    def __repr__(self) -> str:
        """Return the same text each time: a page without a kernel shows it in place of sliders."""
        return IN_PLACE_OF_SLIDERS

    def follow(self, *fields: w.Widget) -> None:
        """Draw again whenever the value of a field changes."""
        for each in fields:
            each.observe(self.draw, "value")

    @guarded
    def draw(self, change: object = None) -> None:
        """Show the picture for the present values."""
        self.picture.value = self.html()


def number(
    name: str, value: float, low: float, high: float, step: float, tip: str
) -> tuple[w.BoundedFloatText | w.BoundedIntText, w.HBox]:
    """Return a labelled field for a number, and a row with the field and its slider.

    The slider has places at low, low + step, and so on. If value and step are of type int, the
    field takes whole numbers.
    """
    is_whole = isinstance(value, int) and isinstance(step, int)
    limits = {"value": value, "min": low, "max": high, "step": step}
    field = (w.BoundedIntText if is_whole else w.BoundedFloatText)(
        **label(name, f"{low:,} to {high:,}: {tip}"),
        style={"description_width": LABEL_WIDTH},
        layout=w.Layout(width="260px"),
        **limits,
    )
    slider = (w.IntSlider if is_whole else w.FloatSlider)(
        readout=False, layout=w.Layout(width="300px"), **limits
    )
    w.jslink((field, "value"), (slider, "value"))

    def tidy(change: object) -> None:
        field.value = round(field.value, DIGITS)  # a slider may say 0.39999999999999997

    field.observe(tidy, "value")
    return field, w.HBox([field, slider])


def count(name: str, value: int, most: int, step: int, tip: str) -> tuple[w.BoundedIntText, w.HBox]:
    """Return a labelled field for a whole number from 0 to most, and a row with it and its slider.

    The slider is logarithmic, from 1 to most, and gives numbers of two digits and zeros.
    """
    field = w.BoundedIntText(
        value=value,
        min=0,
        max=most,
        step=step,
        **label(name, f"0 to {most:,}: {tip}"),
        style={"description_width": LABEL_WIDTH},
        layout=w.Layout(width="260px"),
    )
    slider = w.FloatLogSlider(
        value=max(value, 1),
        min=0,
        max=math.log10(most),
        step=LOG_STEP,
        readout=False,
        layout=w.Layout(width="300px"),
    )

    def is_far() -> bool:  # the slider on a page goes to its nearest step, and says so
        return abs(math.log10(slider.value / max(field.value, 1))) > LOG_STEP / 2

    def move(change: object) -> None:
        if is_far():
            slider.value = max(field.value, 1)

    def take(change: object) -> None:
        if is_far():
            field.value = int(float(f"{slider.value:.2g}"))

    field.observe(move, "value")
    slider.observe(take, "value")
    return field, w.HBox([field, slider])


# Lesson 06


def explore_sampling(chances: Mapping[str, float]) -> Explainer:
    """Return bars of the next token that move with temperature and top_p.

    chances: token -> its probability, of the likeliest tokens.
    """
    temperature, first = number("temperature", 1.0, 0, 2, 0.05, "how much chance the draw has")
    top_p, second = number("top_p", 1.0, 0.05, 1, 0.05, "draw only from the likeliest tokens")
    explainer = Explainer(
        [first, second],
        lambda: sampling_picture(chances, temperature.value, top_p.value),
    )
    explainer.follow(temperature, top_p)
    return explainer


# Lesson 07


def explore_bias(chances: Mapping[str, float], tokens: Sequence[str]) -> Explainer:
    """Return bars of the next token before and after a bias, with a slider for each of some tokens.

    chances: token -> its probability, of the likeliest tokens. tokens: those that get a slider.
    """
    fields, rows = {}, []
    for token in tokens:
        tip = "added to the score of this token"
        fields[token], row = number(f"bias of {token!r}", 0.0, -10, 10, 0.1, tip)
        rows.append(row)
    explainer = Explainer(
        rows,
        lambda: bias_picture(chances, {token: field.value for token, field in fields.items()}),
    )
    explainer.follow(*fields.values())
    return explainer


# Lesson 04


def explore_tokens(user: str, system: str = "") -> Explainer:
    """Return a field for a text and one for an instruction, with the tokens of both."""
    style, layout = {"description_width": LABEL_WIDTH}, w.Layout(width="98%")
    system_field = w.Text(value=system, description="system message", style=style, layout=layout)
    user_field = w.Textarea(
        value=user, description="text of the user", rows=2, style=style, layout=layout
    )
    explainer = Explainer(
        [user_field, system_field],
        lambda: tokens_picture(system_field.value, user_field.value),
    )
    explainer.follow(system_field, user_field)
    return explainer


# Lesson 08


def explore_costs(tokens_per_second: float = TOKENS_PER_SECOND) -> Explainer:
    """Return the costs of a day, paid per token and on managed compute, with sliders.

    tokens_per_second: of one machine while it is busy, in and out together.
    """
    usual = Traffic(questions=200, hours=8.0)
    questions, first = count(
        "questions a day", usual.questions, 1_000_000, 100, "of all people together"
    )
    tokens_in, second = number("tokens in", usual.tokens_in, 0, 4000, 50, "of each question")
    tokens_out, third = number("tokens out", usual.tokens_out, 0, 4000, 32, "of each answer")
    hours, fourth = number("hours deployed", usual.hours, 0.5, 24, 0.5, "of each day")
    explainer = Explainer(
        [first, second, third, fourth],
        lambda: costs_picture(
            Traffic(questions.value, tokens_in.value, tokens_out.value, hours.value),
            tokens_per_second,
        ),
    )
    explainer.follow(questions, tokens_in, tokens_out, hours)
    return explainer


# Lesson 05


class StreamExplainer(Explainer):
    """One question, asked twice at the same moment, streamed and not. Both run in threads."""

    def __init__(self) -> None:
        """Build the controls. Nothing is asked before the button is pressed."""
        usual = Question()
        style = {"description_width": LABEL_WIDTH}
        self.question = w.Text(
            value=usual.text, description="question", style=style, layout=w.Layout(width="98%")
        )
        self.limit, limit = number(
            "max_tokens", usual.max_tokens, 1, 200, 1, "the most tokens of the answer"
        )
        self.pace, self.pace_row = number(
            "seconds for a token", 0.05, 0.01, 0.2, 0.01, "how slow the simulated endpoint is"
        )
        self.server = w.Dropdown(description="simulated server", options=SERVERS, style=style)
        self.button = w.Button(description="Ask", button_style="primary")
        self._arrivals: Arrivals | None = None
        self._run = 0  # number of the last request; a thread with another number is out of date
        self._threads: list[threading.Thread] = []
        super().__init__(
            [self.question, limit, self.pace_row, self.server, self.button],
            lambda: stream_picture(self._arrivals),
        )
        self._is_simulated()
        self.button.on_click(self._ask)
        self.question.on_msg(self._message)  # Enter

    @guarded
    def _ask(self, button: w.Button) -> None:
        self._run += 1
        self._arrivals = None
        is_simulated = self._is_simulated()
        question = Question(
            self.question.value.strip() or Question.text,
            self.limit.value,
            self.pace.value if is_simulated else None,
            self.server.value if is_simulated else "",
        )
        thread = threading.Thread(target=self._work, args=(question, self._run), daemon=True)
        self._threads = [*(each for each in self._threads if each.is_alive()), thread]
        thread.start()

    @guarded
    def _message(self, widget: w.Widget, content: dict, buffers: object) -> None:
        if content.get("event") == "submit":
            self._ask(self.button)

    @guarded
    def _work(self, question: Question, run: int) -> None:
        def is_stopped() -> bool:
            return self._run != run

        def show(arrivals: Arrivals) -> None:
            if not is_stopped():
                self._arrivals = arrivals
                self.draw()

        show(ask_both(question, show, is_stopped))

    def wait(self) -> None:
        """Wait until all that was asked is answered. For programs; people watch."""
        for thread in self._threads:
            thread.join()

    def _is_simulated(self) -> bool:
        """Return True if the simulated endpoint answers. Show its controls only then."""
        try:
            text = describe_endpoint()
            is_simulated = text.startswith(("a simulated Azure", "your class's endpoint"))
        except ValueError:  # of a variable; the request says it in words
            is_simulated = False
        display = "flex" if is_simulated or not os.environ.get(ENDPOINT) else "none"
        for control in (self.pace_row, self.server):
            control.layout.display = display
        return is_simulated


def explore_stream() -> StreamExplainer:
    """Return a question that is asked twice at the same moment, streamed and not, with its times.

    Run ``connect()`` first.
    """
    return StreamExplainer()
