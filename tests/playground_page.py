"""The playground on a page, as a person uses it: in JupyterLab, or alone with voila."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from helpers.playground.widgets import FAULTS

FRANCE = "What is the capital of France?"
SONG = "Sing me a song that repeats itself."  # more than a hundred tokens
# ipywidgets gives the handles of its sliders no name (known there). Each stands beside a field for
# the same number, which has one.
HANDLES = ".noUi-handle"


class Board:
    """The playground on a page, as a person uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.talk = page.locator(".playground-talk")
        self.json = page.locator(".playground-json")
        self.answer = page.locator(".playground-answer")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, name: str) -> Locator:
        return self.page.get_by_label(name, exact=True)

    def begin(self, question: str = FRANCE) -> None:
        """Begin a new chat with a question in the field, and no fault."""
        self.set_fault("none")
        self.button("Clear").click()
        expect(self.talk).not_to_contain_text("You:")
        self.field("question").fill(question)
        expect(self.json).to_contain_text(question)

    def set_fault(self, name: str) -> None:
        """Choose a fault, and wait until the kernel knows: a click may overtake a change."""
        self.field("simulated fault").select_option(name)
        if FAULTS[name]:
            expect(self.json).to_contain_text(f"x-simulated-fault: {FAULTS[name]}")
        else:
            expect(self.json).not_to_contain_text("x-simulated-fault")

    def shown(self, view: str) -> Locator:
        """Return the text that a view shows."""
        self.button(view).click()
        return self.page.get_by_role("region", name=re.compile("sends, as"))
