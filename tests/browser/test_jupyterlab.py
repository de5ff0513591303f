"""Lesson 00 and the playground in a real browser, in JupyterLab as `lessons` starts it.

All tests of the playground share one page, because a kernel takes seconds to start. Each begins
with an empty chat. Nothing sleeps: each step waits for what a person would see.
"""

from __future__ import annotations

import re

import nbformat
import pytest
from playground_page import FRANCE, HANDLES, SONG, Board
from playwright.sync_api import Page, expect

FIRST_LESSON = "00-start-here.ipynb"


@pytest.fixture(scope="module")
def page(playground_lesson) -> Page:
    """JupyterLab with the playground in it."""
    playground_lesson.get_by_role("button", name="Send", exact=True).wait_for()
    return playground_lesson


@pytest.fixture
def board(page) -> Board:
    board = Board(page)
    board.begin()
    return board


def expect_last_cell_to_have_run(page: Page) -> None:
    """Wait until the last cell has a number. Run All stops at an error that is not on purpose."""
    last = page.locator(".jp-CodeCell .jp-InputPrompt").last
    expect(last).to_have_text(re.compile(r"\[\d+\]:"))


def test_run_all_runs_every_cell_of_lesson_00_without_an_error(first_lesson, lab):
    cells = nbformat.read(lab.folder / "mine" / FIRST_LESSON, 4).cells
    cells = [cell for cell in cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    failures = [
        output
        for cell in cells
        for output in cell.outputs
        if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", [])
    ]
    assert failures == []
    assert any("languages" in str(cell.outputs) for cell in cells)


def test_run_all_reaches_the_last_cell_of_the_playgrounds_lesson(page):
    expect_last_cell_to_have_run(page)


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


def test_all_controls_have_labels(board):
    unnamed = board.page.evaluate(
        """() => [...document.querySelectorAll(
            ".playground input, .playground select, .playground textarea, .playground button")]
            .filter(each => !(each.labels && each.labels.length && each.labels[0].textContent)
                && !each.textContent && !each.getAttribute("aria-label"))
            .map(each => each.outerHTML)"""
    )
    assert unnamed == []
    tips = board.page.locator(".playground abbr[title]")  # not all come through the sanitizer
    expect(tips.filter(has_text="max_tokens")).to_have_attribute("title", re.compile("0: not sent"))
    assert tips.count() >= 12


def test_the_copied_code_prints_the_answer_of_the_chat_in_a_fresh_kernel(board, lab):
    board.field("temperature").fill("0.8")
    board.field("seed").fill("3")
    expect(board.json).to_contain_text('"seed": 3')
    codes = []
    for view in ("azure-ai-inference", "openai"):
        text = board.shown(view)
        expect(text).to_contain_text("seed=3")
        codes.append(text.inner_text())
    board.button("Send").click()
    expect(board.talk).to_contain_text("It is complete")
    answer = board.answer.inner_text()
    board.field("seed").fill("")
    assert answer != "The capital of France is Paris."  # the answer at temperature 0
    # Each with names of its own, as in a notebook of its own.
    code = "\nprint('+')\n".join(f"exec({code!r}, {{}})" for code in codes)
    lines = lab.printed(code).splitlines()
    assert [line for line in lines if "Answers come from" not in line] == [answer, "+", answer]


def test_nothing_in_the_playground_keeps_people_out(board, violations):
    board.button("Send").click()
    expect(board.talk).to_contain_text("It is complete")
    page = board.page
    board.button("Tokens").click()
    serious = violations(page, ".playground", [HANDLES])
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator(".lm-Menu-item:visible", has_text="Theme").first.hover()
    page.locator(".lm-Menu-item:visible", has_text="JupyterLab Dark").first.click()
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    serious += violations(page, ".playground", [HANDLES])
    assert serious == []
