"""Slides in a real browser: all content fits, and a slide that is too full is noticed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.slides.__main__ import lessons, write_slides
from tools.slides.check import problems_in


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """The slides of lesson 05."""
    return write_slides(lessons(["05"])[0], tmp_path_factory.mktemp("slides"))


def test_a_page_of_slides_is_one_file_and_shows_outputs_with_the_next_step(page):
    text = page.read_text(encoding="utf-8")
    content = re.sub(
        r"<a [^>]*>|<style>.*?</style>|<script>.*?</script>", "", text, flags=re.DOTALL
    )
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', content) == []
    assert "sourceMappingURL" not in text
    before, _, _ = content.partition("A baker who lived on a hill")
    assert before.rindex('class="fragment"') > before.rindex("flush") > before.rindex("<h1")


def test_the_slides_of_a_lesson_fit_a_projector_and_damaged_ones_are_noticed(
    page, browser, tmp_path
):
    damaged = tmp_path / "damaged.html"
    style = (
        "<style>.reveal p { font-size: 20px !important; } .reveal pre { height: 800px; }</style>"
    )
    text = page.read_text(encoding="utf-8").replace("</head>", f"{style}</head>")
    text = text.replace("</body>", "<img src='http://127.0.0.1:9/x.png'></body>")
    damaged.write_text(text, encoding="utf-8")
    lines = problems_in(browser, [page, damaged])
    assert [line for line in lines if not line.startswith("damaged, ")] == []
    complaints = "\n".join(lines)
    assert "slide 2: text of 20 pixels: From lesson 04" in complaints
    assert "its content ends at" in complaints
    assert "a request to http://127.0.0.1:9/x.png" in complaints
