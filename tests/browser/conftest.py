"""One browser, and one JupyterLab as `lessons` starts it, for all tests of a process.

Both take seconds to start. Whoever drives a page here is told afterwards what went wrong in it.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import toolchain
from lessons_program import Server, running
from playwright.sync_api import Browser, Page, expect, sync_playwright

KIT = Path(__file__).parents[2]
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser without a screen. Skip the test where there is none, or fail it in CI."""
    chromium = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if chromium is None:
        toolchain.give_up("chromium")
    expect.set_options(timeout=LONGEST_WAIT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def errors() -> list[str]:
    """What went wrong in pages, and what they requested from elsewhere."""
    return []


@pytest.fixture(autouse=True)
def no_errors(errors) -> Iterator[None]:
    """Fail the test during which a page shows an error in its console, or asks another host."""
    yield
    found = list(errors)
    errors.clear()
    assert not found


@pytest.fixture(scope="session")
def new_page(browser, errors) -> Callable[[Server], Page]:
    """Return a function that opens an empty page, for which one server is the whole network."""

    def new(server: Server) -> Page:
        page = browser.new_page(viewport=SMALL_SCREEN)
        page.set_default_timeout(LONGEST_WAIT)

        def look(url: str) -> None:
            host = urlsplit(url).netloc
            if host not in ("", f"127.0.0.1:{server.port}"):
                errors.append(f"a request to {host}")

        page.on("request", lambda request: look(request.url))
        page.on("websocket", lambda socket: look(socket.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: errors.append(message.text) if message.type == "error" else None,
        )
        return page

    return new


@pytest.fixture(scope="session")
def lab(browser, tmp_path_factory) -> Iterator[Server]:
    """JupyterLab as the program `lessons` starts it, with copies of the lessons."""
    folder = tmp_path_factory.mktemp("lessons")
    command = [sys.executable, "-m", "tools.lessons", "--no-browser", "--port", "0"]
    mine = str(folder / "mine")
    with running(folder, *command, "--folder", mine, PYTHONPATH=str(KIT)) as server:
        yield server


@pytest.fixture(scope="session")
def run_all(lab, new_page) -> Callable[[str], Page]:
    """Return a function that opens a lesson in JupyterLab and chooses Run All."""

    def run(lesson: str) -> Page:
        page = new_page(lab)
        page.goto(lab.address.replace("00-start-here.ipynb", lesson))
        # Before the kernel is there, Run All would ask which one to take.
        expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator(".lm-Menu-item:visible", has_text=re.compile("^Run All Cells")).first.click()
        return page

    return run
