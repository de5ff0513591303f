"""The playground in a real browser: JupyterLab as `lessons` starts it, and a copy of lesson 15.

All tests share one page, because a browser and JupyterLab take seconds to start. Each begins with
an empty chat. Nothing sleeps: each step waits for what a person would see.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import toolchain
from lessons_program import running
from playwright.sync_api import Locator, Page, expect, sync_playwright

from helpers.playground.widgets import FAULTS

LESSON = "15-playground.ipynb"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",  # root has none, and only this computer's pages are opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SMALL_SCREEN = {"width": 1366, "height": 768}
LONGEST_WAIT = 120_000  # milliseconds until a condition has to hold, on a busy computer
FRANCE = "What is the capital of France?"
SONG = "Sing me a song that repeats itself."  # more than a hundred tokens


class Board:
    """The playground on a page, as a person uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.talk = page.locator(".playground-talk")
        self.json = page.locator(".playground-json")

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


@pytest.fixture(scope="module")
def errors() -> list[str]:
    """What went wrong in the page, and what it requested from elsewhere."""
    return []


@pytest.fixture(scope="module")
def page(tmp_path_factory, errors) -> Iterator[Page]:
    """A page with a copy of the lesson, all cells of which have run."""
    chromium = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if chromium is None:
        toolchain.give_up("chromium")
    folder = tmp_path_factory.mktemp("lessons")
    command = [sys.executable, "-m", "tools.lessons", "--no-browser", "--port", "0"]
    kit = Path(__file__).parents[2]
    with (
        running(folder, *command, "--folder", str(folder / "mine"), PYTHONPATH=str(kit)) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        page = browser.new_page(viewport=SMALL_SCREEN)
        page.set_default_timeout(LONGEST_WAIT)
        expect.set_options(timeout=LONGEST_WAIT)

        def look(url: str) -> None:
            parts = urlsplit(url)
            if parts.netloc not in ("", f"127.0.0.1:{server.port}"):
                errors.append(f"a request to {parts.netloc}")

        page.on("request", lambda request: look(request.url))
        page.on("websocket", lambda socket: look(socket.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: errors.append(message.text) if message.type == "error" else None,
        )
        page.goto(server.address.replace("00-start-here.ipynb", LESSON))
        # Before the kernel is there, Run All would ask which one to take.
        expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator(".lm-Menu-item:visible", has_text=re.compile("^Run All Cells")).first.click()
        page.get_by_role("button", name="Send", exact=True).wait_for()
        yield page
        browser.close()


@pytest.fixture
def board(page) -> Board:
    board = Board(page)
    board.begin()
    return board


def test_run_all_reaches_the_last_cell(page):
    """It stops at an error, unless the cell is meant to fail."""
    last = page.locator(".jp-CodeCell .jp-InputPrompt").last
    expect(last).to_have_text(re.compile(r"\[\d+\]:"))


def test_a_question_is_answered_and_the_slider_changes_json_and_code(board):
    handle = board.page.get_by_role("slider").first
    for view, expected in {
        "JSON": '"temperature": 0.75',
        "azure-ai-inference": "temperature=0.75,",
        "openai": "temperature=0.75,",
    }.items():
        text = board.shown(view)
        expect(text).to_contain_text(FRANCE)
        expect(text).not_to_contain_text(expected)
        handle.focus()
        board.page.keyboard.press("ArrowRight")
        expect(text).to_contain_text(expected)
        expect(board.field("temperature")).to_have_value("0.75")
        board.page.keyboard.press("ArrowLeft")
        expect(text).not_to_contain_text(expected)
    board.button("Send").click()
    expect(board.talk).to_contain_text("It is complete (finish reason stop).")


def test_an_answer_arrives_piece_by_piece_until_stop(board):
    board.begin(SONG)  # so long that nobody is too late to stop it
    board.set_fault("slow: 0.2 s for each token")
    board.field("question").press("Enter")  # the same as Send
    expect(board.talk).to_contain_text(re.compile(r"Model: \w+"))
    expect(board.button("Send")).to_be_disabled()
    board.button("Stop").click()
    expect(board.talk).to_contain_text("You stopped this answer.")
    expect(board.talk).not_to_contain_text("It is complete")
    expect(board.button("Send")).to_be_enabled()


def test_another_token_is_chosen_by_keyboard_and_the_answer_goes_on(board):
    board.button("Tokens").click()
    handle = board.page.get_by_role("slider").first
    handle.focus()
    board.page.keyboard.press("Home")
    expect(board.json).to_contain_text('"temperature": 0.0')
    board.button("Send").click()
    expect(board.talk).to_contain_text("The capital of France is Paris.")
    paris = board.page.get_by_role("button", name=re.compile("^'Paris'"))
    expect(paris).to_be_visible()
    first = board.page.locator(".pg-token").first
    first.focus()
    board.page.keyboard.press("Tab")
    board.page.keyboard.press("Enter")
    expect(paris).to_be_hidden()  # the second token has other ones
    board.page.keyboard.press("Shift+Tab")
    expect(first).to_be_focused()
    told = first.evaluate("each => getComputedStyle(each, '::after').content")
    assert told.startswith("\"Token 1: 'The' 79.6 %, or 'Paris' 19.9 %")
    board.page.keyboard.press("Space")
    expect(paris).to_be_visible()
    paris.focus()
    expect(paris).to_be_focused()
    board.page.keyboard.press("Space")
    expect(board.talk).to_contain_text("Paris is the French capital and also the largest")
    expect(board.talk).to_contain_text("It is complete")
    expect(board.shown("JSON")).to_contain_text('"continue_final_message": true')


def test_two_settings_answer_side_by_side(board):
    board.button("Side by side").click()
    board.button("Keep these settings").click()
    board.field("max_tokens").fill("3")
    board.field("max_tokens").press("Enter")
    board.button("Ask both").click()
    for name, head in {"Kept": "Kept: max_tokens no limit", "Now": "Now: max_tokens 3"}.items():
        column = board.page.get_by_role("region", name=name, exact=True)
        expect(column).to_contain_text(head)
        expect(column).to_contain_text("finish reason")
    board.field("max_tokens").fill("0")
    board.field("max_tokens").press("Enter")
    expect(board.json).not_to_contain_text("max_tokens")


def test_a_fault_is_said_in_words_and_the_chat_goes_on(board):
    board.set_fault("429: too many requests")
    board.button("Send").click()
    expect(board.talk).to_contain_text("Wait a little, then ask again")
    board.set_fault("none")
    board.button("Retry").click()
    expect(board.talk).to_contain_text("It is complete")


def test_all_controls_have_labels_and_nothing_went_wrong_in_the_page(board, errors):
    unnamed = board.page.evaluate(
        """() => [...document.querySelectorAll(
            ".playground input, .playground select, .playground textarea, .playground button")]
            .filter(each => !(each.labels && each.labels.length && each.labels[0].textContent)
                && !each.textContent && !each.getAttribute("aria-label"))
            .map(each => each.outerHTML)"""
    )
    assert unnamed == []
    assert errors == []
