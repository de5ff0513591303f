"""Look at slides in Chromium: does all content fit, is the text large enough?"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PROJECTOR = {"width": 1280, "height": 720}
LOWEST = 690  # CSS pixels; below it are the number of the slide and the arrows
TEXT_SIZE, CODE_SIZE = 32, 19  # CSS pixels: 24 points, and what 100 columns of code allow
MEASURE = """() => Reveal.getSlides().map((slide, number) => {
  Reveal.slide(Reveal.getIndices(slide).h, 0, 99);
  const problems = [];
  const box = (element) => element.getBoundingClientRect();
  const size = (element) => parseFloat(getComputedStyle(element).fontSize);
  const contents = [...slide.querySelectorAll("h1, p, li, td, th, pre, img")];
  const lowest = Math.max(...contents.map((element) => box(element).bottom));
  if (lowest > LOWEST) problems.push(`its content ends at ${Math.round(lowest)} pixels`);
  for (const element of contents) {
    const text = element.textContent.trim().slice(0, 40);
    if (element.scrollWidth > element.clientWidth + 1 && element.matches("pre, p, li, td"))
      problems.push(`cut at the right: ${text}`);
    if (box(element).right > 1280) problems.push(`outside of the slide: ${text}`);
    if (element.matches("p, li, td, th") && size(element) < TEXT_SIZE)
      problems.push(`text of ${size(element)} pixels: ${text}`);
    if (element.matches("pre") && size(element) < CODE_SIZE)
      problems.push(`code of ${size(element)} pixels: ${text}`);
    if (element.matches("img") && !(element.complete && element.naturalWidth))
      problems.push("a picture is missing");
  }
  return problems.map((problem) => `slide ${number + 1}: ${problem}`);
}).flat()"""


def problems(pages: Iterable[Path]) -> list[str]:
    """Return what is wrong with the slides of some pages: a line for each mistake.

    Raises SystemExit if there is no Chromium.
    """
    with sync_playwright() as playwright:
        program = next(filter(None, map(shutil.which, PROGRAMS)), None)
        if program is None:
            sys.exit(f"There is no browser to look with, expected one of {', '.join(PROGRAMS)}.")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        lines = problems_in(browser, pages)
        browser.close()
    return lines


def problems_in(browser: Browser, pages: Iterable[Path]) -> list[str]:
    """Return what ``problems`` returns, seen by a browser that runs already."""
    page = browser.new_page(viewport=PROJECTOR)
    lines = [f"{path.stem}, {line}" for path in pages for line in look(page, path)]
    page.close()
    return lines


def look(page: Page, path: Path) -> list[str]:
    """Return what is wrong with the slides of a page, and what it asks of other servers."""
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.resolve().as_uri())
    page.wait_for_function("() => Reveal.isReady()")
    script = MEASURE.replace("LOWEST", str(LOWEST))
    script = script.replace("TEXT_SIZE", str(TEXT_SIZE)).replace("CODE_SIZE", str(CODE_SIZE))
    elsewhere = [url for url in requests if not url.startswith(("file:", "data:"))]
    return [*page.evaluate(script), *(f"a request to {url}" for url in elsewhere)]
