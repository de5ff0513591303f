"""Pages without JupyterLab in a real browser: the playground alone, and an exported lesson."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from lessons_program import GUARD, Server, running
from nbconvert import HTMLExporter
from playground_page import HANDLES, SONG, Board
from playwright.sync_api import Locator, Page, expect

from tools.lessons import ROOT

FIRST_QUESTION = "Name a colour."  # of a new playground
EXPORTED = ROOT / "notebooks" / "08-cost.ipynb"
# Of nbconvert's template "classic": links in its grey rows, its numbers of outputs, and pygments'
# colour of the words "and", "in", "not", "or".
COLOURS_OF_CLASSIC = (".rendered_html tr a", ".output_prompt", ".highlight .ow")
VIEWS = ("Tokens", "JSON", "azure-ai-inference", "openai", "Side by side")
LONGEST_ROUND = 50  # presses of Tab from one control to another
RING = """() => {
    const style = getComputedStyle(document.activeElement);
    const isVisible = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    return isVisible ? "" : document.activeElement.outerHTML;
}"""


@pytest.fixture(scope="module")
def server(browser, tmp_path_factory) -> Iterator[Server]:
    """The playground alone, as the program `lessons` serves it."""
    command = [sys.executable, "-m", "tools.lessons", "--playground", "--no-browser", "--port", "0"]
    folder = tmp_path_factory.mktemp("playground")
    with running(folder, *command, PYTHONPATH=str(ROOT)) as server:
        yield server


@pytest.fixture(scope="module")
def page(server, new_page) -> Iterator[Page]:
    page = new_page(server)
    page.goto(server.address)
    page.get_by_role("button", name="Send", exact=True).wait_for()
    yield page
    page.close()  # or it would complain in another test that its server has gone


@pytest.fixture
def board(page) -> Board:
    board = Board(page)
    board.begin()
    return board


def kernel_of(page: Page) -> str:
    """Return the id of a page's kernel."""
    return json.loads(page.locator("#jupyter-config-data").text_content())["kernelId"]


def press_until(key: str, target: Locator) -> None:
    """Press Tab or Shift+Tab until a control has the focus. Fail where the focus is not visible."""
    for _ in range(LONGEST_ROUND):
        target.page.keyboard.press(key)
        without_ring = target.page.evaluate(RING)
        if target.evaluate("element => element === document.activeElement"):
            assert without_ring == ""
            return
        assert without_ring == "" or without_ring.startswith("<body")  # after the last control
    pytest.fail(f"{key} never reaches {target}")


def test_the_page_has_a_title_and_no_code(page):
    assert page.title() == "Playground"
    expect(page.get_by_role("heading", level=1)).to_contain_text("Playground")
    expect(page.locator("body")).not_to_contain_text("import", use_inner_text=True)


def test_a_question_is_answered(board):
    board.button("Send").click()
    expect(board.talk).to_contain_text("It is complete")


def test_everything_can_be_done_by_keyboard_and_the_focus_is_visible(board):
    keyboard, field, button = board.page.keyboard, board.field, board.button
    handle = board.page.get_by_role("slider").first
    press_until("Shift+Tab", handle)
    keyboard.press("Home")
    expect(board.json).to_contain_text('"temperature": 0.0')
    keyboard.press("ArrowRight")
    expect(board.json).to_contain_text('"temperature": 0.05')
    press_until("Shift+Tab", field("temperature"))
    keyboard.press("ArrowDown")
    expect(board.json).to_contain_text('"temperature": 0.0,')
    press_until("Tab", button("JSON"))
    keyboard.press("Enter")
    expect(board.json).to_be_visible()
    press_until("Shift+Tab", button("Tokens"))
    keyboard.press("Space")
    expect(board.json).to_be_hidden()
    press_until("Shift+Tab", button("Send"))
    keyboard.press("Space")
    expect(board.talk).to_contain_text("The capital of France is Paris.")
    paris = board.page.get_by_role("button", name="'Paris'")
    expect(paris).to_be_visible()
    press_until("Tab", board.page.locator(".pg-token").nth(1))
    keyboard.press("Enter")
    expect(paris).to_be_hidden()  # the second token has other ones
    press_until("Tab", field("token"))
    keyboard.press("ArrowDown")
    expect(paris).to_be_visible()
    press_until("Tab", paris)
    keyboard.press("Enter")
    expect(board.talk).to_contain_text("Paris is the French capital")
    expect(board.talk).to_contain_text("It is complete")
    press_until("Tab", field("simulated fault"))
    keyboard.press("ArrowDown")
    expect(board.json).to_contain_text("x-simulated-fault: slow")
    press_until("Tab", field("question"))
    keyboard.press("Control+a")
    keyboard.type(SONG)
    expect(board.json).to_contain_text(SONG)
    keyboard.press("Enter")
    expect(button("Stop")).to_be_enabled()
    press_until("Tab", button("Stop"))
    keyboard.press("Space")
    expect(board.talk).to_contain_text("You stopped this answer.")
    press_until("Shift+Tab", button("Send"))


def test_nothing_in_the_page_keeps_people_out(board, violations):
    board.button("Send").click()
    expect(board.talk).to_contain_text("It is complete")
    serious = {}
    for scheme in ("light", "dark"):
        board.page.emulate_media(color_scheme=scheme)
        for view in VIEWS:
            board.button(view).click()
            serious[scheme, view] = violations(board.page, except_for=[HANDLES])
    assert not any(serious.values()), serious


def test_the_page_is_light_or_dark_as_the_browser_is(page):
    colours = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours.add(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
    assert colours == {"rgb(255, 255, 255)", "rgb(17, 17, 17)"}


def test_whoever_has_the_token_cannot_run_a_program(page, server):
    answers = server.answers(kernel_of(page), "execute", "kernel_info", code="1", silent=False)
    assert "kernel_info_reply" in answers
    assert "execute_reply" not in answers


def test_nobody_gets_in_without_the_token(page, server):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/api/kernels/{kernel_of(page)}")


def test_a_reloaded_page_begins_anew_and_its_old_kernel_ends(board, server):
    board.button("Send").click()
    expect(board.talk).to_contain_text("It is complete")
    path = f"/api/kernels/{kernel_of(board.page)}"
    assert server.send(path)["execution_state"]
    board.page.reload()
    expect(board.field("question")).to_have_value(FIRST_QUESTION)
    expect(board.talk).not_to_contain_text("Model:")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        for _ in range(10 * GUARD):
            server.send(path)
            time.sleep(0.1)  # the kernel is a process of its own


def test_nothing_in_an_exported_lesson_keeps_people_out(browser, violations):
    html, _ = HTMLExporter(template_name="classic").from_filename(str(EXPORTED))
    page = browser.new_page()
    page.route("**/*", lambda route: route.abort())  # nbconvert's scripts for formulas
    page.set_content(html, wait_until="domcontentloaded")
    serious = violations(page, except_for=COLOURS_OF_CLASSIC)
    page.close()
    assert serious == []
