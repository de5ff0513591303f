"""Make slides from the cores of the lessons, for a projector. They need no network.

    python -m uv run python -m tools.slides 05          # one lesson; several numbers: several
    python -m uv run python -m tools.slides             # all lessons
    python -m uv run python -m tools.slides --check     # looks at every slide in Chromium

Each lesson becomes one file in my-slides: open it in a browser. Space goes on and Shift+Space
back; F fills the screen, Esc shows all slides, B makes the screen black. Add ?print-pdf to the
address to print them. A slide never shows what the next step is to reveal: outputs and answers.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat

from .page import slides_page

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "my-slides"


def lessons(numbers: list[str]) -> list[Path]:
    """Return the notebooks with these numbers, or all of them if there are no numbers.

    Raises SystemExit for a number that no lesson has.
    """
    paths = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))}
    unknown = [number for number in numbers if number.zfill(2) not in paths]
    if unknown:
        sys.exit(f"There is no lesson {unknown[0]!r}, expected one of {', '.join(paths)}.")
    return [paths[number.zfill(2)] for number in numbers] or [*paths.values()]


def write_slides(lesson: Path, folder: Path) -> Path:
    """Write the slides of a lesson into a folder. Return the path of the page."""
    page = folder / f"{lesson.stem}.html"
    folder.mkdir(parents=True, exist_ok=True)
    html = slides_page(nbformat.read(lesson, 4), lesson.parent)
    page.write_text(html, encoding="utf-8", newline="\n")
    return page


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="tools.slides", description=__doc__.split("\n")[0])
    parser.add_argument("lesson", nargs="*", help="numbers of lessons, such as 05; default: all")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pages are written")
    parser.add_argument("--check", action="store_true", help="look at every slide in Chromium")
    options = parser.parse_args()
    pages = []
    for lesson in lessons(options.lesson):
        pages.append(write_slides(lesson, options.folder))
        print(f"wrote {pages[-1]}")
    if options.check:
        try:
            from .check import problems
        except ModuleNotFoundError:
            sys.exit("--check needs playwright, which only developers have: python -m uv sync")

        lines = problems(pages)
        print(*lines, sep="\n")
        sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main()
