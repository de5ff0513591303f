"""The controls of the playground's settings, as widgets."""

from __future__ import annotations

import os
from collections.abc import Callable

import ipywidgets as w

from helpers.connect import simulated_server
from helpers.look import label
from helpers.playground.settings import (
    MAX_ALTERNATIVES,
    MAX_ANSWERS,
    ChatSettings,
    read_seed,
    read_stop,
)

LABEL_WIDTH, FIELD_WIDTH = "130px", "340px"
MAX_TOKENS = 16_000  # that a person may ask for
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


class Controls(w.VBox):
    """A control for each setting. Those of the simulated endpoint can be hidden."""

    def __init__(self) -> None:
        """Build the controls, with the usual settings."""
        usual = ChatSettings()
        self.temperature, temperature = _number(
            "temperature", usual.temperature, 0, 2, 0.05, "how much chance each draw has; 0: none"
        )
        self.top_p, top_p = _number(
            "top_p",
            usual.top_p,
            0.05,
            1,
            0.05,
            "draw only from the likeliest tokens, which have this share together",
        )
        self.presence, presence = _number(
            "presence_penalty", 0, -2, 2, 0.1, "makes tokens less likely that have occurred"
        )
        self.frequency, frequency = _number(
            "frequency_penalty", 0, -2, 2, 0.1, "the same, for each time that a token has occurred"
        )
        self.max_tokens = _field(
            w.BoundedIntText,
            "max_tokens",
            f"the most tokens of an answer, up to {MAX_TOKENS:,}; 0: not sent, no limit",
            min=0,
            max=MAX_TOKENS,
        )
        self.stop_texts = _field(
            w.Textarea,
            "stop (one per line)",
            "texts before which an answer ends; empty: not sent",
            rows=1,
        )
        self.seed = _field(
            w.Text, "seed", "a whole number: the same draws each time; empty: not sent"
        )
        self.n = _field(
            w.BoundedIntText,
            "n",
            f"how many answers to one question, 1 to {MAX_ANSWERS}",
            min=1,
            max=MAX_ANSWERS,
            value=usual.n,
        )
        self.alternatives = _field(
            w.BoundedIntText,
            "top_logprobs",
            f"how many likely tokens to show at each place, 1 to {MAX_ALTERNATIVES}; "
            "0: not sent, no probabilities",
            min=0,
            max=MAX_ALTERNATIVES,
            value=usual.alternatives,
        )
        # Of a checkbox, ipywidgets shows the description as its tip.
        self.stream = w.Checkbox(
            description="stream (piece by piece)",
            value=True,
            style={"description_width": LABEL_WIDTH},
            layout=w.Layout(width=FIELD_WIDTH),
        )
        self.server = _field(
            w.Dropdown,
            "simulated server",
            "which of the two published servers answers",
            options=["inference", "serve"],
            value=simulated_server(os.environ).name,
        )
        self.fault = _field(
            w.Dropdown, "simulated fault", "what goes wrong on request", options=FAULTS
        )
        self.is_simulated = False
        super().__init__(
            [
                temperature,
                top_p,
                presence,
                frequency,
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

    def watch(self, changed: Callable[[object], None]) -> None:
        """Call a function after each change of a control."""
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
        ):
            control.observe(changed, "value")

    def show_simulated(self, is_simulated: bool) -> None:
        """Show what only the simulated endpoint has, or hide it."""
        self.is_simulated = is_simulated
        for control in (self.server, self.fault):
            control.layout.display = "flex" if is_simulated else "none"

    def read(self, system: str = "") -> ChatSettings:
        """Return what the controls say. Raises ValueError for text that is no seed."""
        is_usual = self.server.value == simulated_server(os.environ).name
        return ChatSettings(
            system=system.strip(),
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
            server=self.server.value if self.is_simulated and not is_usual else "",
            fault=self.fault.value if self.is_simulated else "",
        )


def _number(
    name: str, value: float, low: float, high: float, step: float, tip: str
) -> tuple[w.BoundedFloatText, w.HBox]:
    """Return a field for a number, and a row with the field and a slider."""
    limits = {"value": value, "min": low, "max": high, "step": step}
    field = w.BoundedFloatText(
        **label(name, f"{low:g} to {high:g}: {tip}"),
        style={"description_width": LABEL_WIDTH},
        layout=w.Layout(width="210px"),
        **limits,
    )
    slider = w.FloatSlider(readout=False, layout=w.Layout(width="126px"), **limits)
    w.jslink((field, "value"), (slider, "value"))
    return field, w.HBox([field, slider])


def _field(kind: type, name: str, tip: str, **options: object) -> w.DOMWidget:
    """Return a control with a label in front of it, which has a tip."""
    return kind(
        **label(name, tip),
        style={"description_width": LABEL_WIDTH},
        layout=w.Layout(width=FIELD_WIDTH),
        **options,
    )
