"""One browser, and one JupyterLab as `lessons` starts it, for all tests of a process.

Both take seconds to start. Whoever drives a page here is told afterwards what went wrong in it.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import toolchain
from lessons_program import Server, running
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from tools.slides.check import PROGRAMS

KIT = Path(__file__).parents[2]
OPTIONS = (
    "--no-sandbox",  # root has none, and only this computer's pages are opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")  # of axe-core: WCAG 2.2, A and AA
SMALL_SCREEN = {"width": 1366, "height": 768}
LONGEST_WAIT = 120_000  # milliseconds until a condition has to hold, on a busy computer


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def context(browser) -> BrowserContext:
    """One profile, so that a second page of JupyterLab finds the scripts of the first."""
    return browser.new_context(viewport=SMALL_SCREEN)


@pytest.fixture(scope="package", autouse=True)
def errors() -> list[str]:
    """What went wrong in pages since the last test, and what they requested from elsewhere."""
    return []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test if a page has shown an error in its console, or asked another host."""
    errors = item.funcargs["errors"]
    try:
        result = yield
        assert not errors, "\n".join(errors)
        return result
    finally:
        errors.clear()


@pytest.fixture(scope="package")
def new_page(context, errors) -> Callable[[Server], Page]:
    """Return a function that opens an empty page, for which one server is the whole network."""

    def new(server: Server) -> Page:
        page = context.new_page()
        page.set_default_timeout(LONGEST_WAIT)

        def look(url: str) -> None:
            host = urlsplit(url).netloc
            if host not in ("", f"127.0.0.1:{server.port}"):
                errors.append(f"a request to {host}")

        page.on("request", lambda request: look(request.url))
        page.on("websocket", lambda socket: look(socket.url))
        page.on("pageerror", lambda error: errors.append(str(error)))

        def read(message: ConsoleMessage) -> None:
            if message.type == "error":
                errors.append(f"{message.text} ({message.location['url']})")

        page.on("console", read)
        return page

    return new


@pytest.fixture(scope="package")
def lab(browser, tmp_path_factory) -> Iterator[Server]:
    """JupyterLab as the program `lessons` starts it, with copies of the lessons."""
    folder = tmp_path_factory.mktemp("lessons")
    command = [sys.executable, "-m", "tools.lessons", "--no-browser", "--port", "0"]
    mine = str(folder / "mine")
    with running(folder, *command, "--folder", mine, PYTHONPATH=str(KIT)) as server:
        yield server


def run_all(page: Page) -> None:
    """Choose Run All in the notebook that JupyterLab shows."""
    # Before the kernel is there, Run All would ask which one to take.
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
    choose(page, "Run", "Run All Cells")


def choose(page: Page, menu: str, command: str) -> None:
    """Choose a command in a menu of JupyterLab."""
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.locator(".lm-Menu-item:visible", has_text=re.compile(f"^{command}")).first.click()


@pytest.fixture(scope="package")
def first_lesson(lab, new_page) -> Page:
    """JupyterLab with a copy of lesson 00, all of whose cells have run, and which is saved."""
    page = new_page(lab)
    page.goto(lab.address)
    run_all(page)
    last = page.locator(".jp-CodeCell .jp-InputPrompt").last
    expect(last).to_have_text(re.compile(r"\[\d+\]:"))  # Run All stops at an error
    page.keyboard.press("Control+s")
    tab = page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab.jp-mod-current")
    expect(tab).not_to_have_class(re.compile("jp-mod-dirty"))
    return page


@pytest.fixture(scope="package")
def playground_lesson(first_lesson) -> Page:
    """The same page with a copy of lesson 15 instead, whose cells begin to run."""
    page = first_lesson  # to load JupyterLab again would take seconds
    choose(page, "File", "Close Tab")
    expect(page.locator("#jp-main-statusbar")).not_to_contain_text("| Idle")
    page.locator(".jp-DirListing-item", has_text="15-playground").dblclick()
    run_all(page)
    return page


@pytest.fixture(scope="package")
def violations() -> Callable[..., list[str]]:
    """Return a function that names what axe-core calls serious or critical on a page."""
    script = toolchain.npm_packages(Path(__file__).parent) / "axe-core" / "axe.min.js"

    def look(page: Page, inside: str = "html", except_for: Sequence[str] = ()) -> list[str]:
        if not page.evaluate("() => Boolean(window.axe)"):
            page.add_script_tag(path=script)
        context = {"include": [inside], "exclude": list(except_for)}
        options = {"runOnly": list(RULES), "resultTypes": ["violations"]}
        results = page.evaluate("([where, how]) => axe.run(where, how)", [context, options])
        assert results["passes"], f"nothing was checked inside {inside}"
        return [
            f"{violation['id']}: {node['html']} {node['failureSummary']}"
            for violation in results["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]

    return look
