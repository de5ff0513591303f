"""Slides are made from the cores of the lessons by rule, and need no network."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import nbformat
import pytest

from helpers.exercises.data import find
from tools.minutes import parts_of
from tools.slides.outline import HEIGHT, WORDS_AT_MOST, outline

ROOT = Path(__file__).parents[2]
LESSONS = {
    path.name[:2]: nbformat.read(path, 4)
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
}
FOLDER = ROOT / "tools" / "slides" / "reveal"
REVEAL = {  # of reveal.js 5.2.1 on npm
    "reveal.css": "68f915a11ebf7203c0446576b7e952ff61c5dd02134a8a226ffaf62ed42136d2",
    "reveal.js": "46538b52db48724192f59bf46f5e851a18e302777c46f4a34c32709d010d6a29",
}
markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell


def small_lesson(*cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    top = (
        "# 42 \u00b7 All\n\n**You will**\n\n* learn.\n\n**Warm-up.** Why? <details><summary>Answer"
    )
    opening = markdown(f"{top}</summary>Because.</details>")
    return nbformat.v4.new_notebook(cells=[opening, *cells])


def printing(text: str) -> list[nbformat.NotebookNode]:
    return [nbformat.v4.new_output("stream", name="stdout", text=text)]


@pytest.mark.parametrize("number", LESSONS)
def test_slides_have_the_headings_and_exercises_of_the_core_and_fit(number):
    slides = outline(LESSONS[number])
    core = parts_of(LESSONS[number].cells).core
    wanted = re.findall(
        r"(?m)^## (.+)$", "\n".join(c.source for c in core if c.cell_type == "markdown")
    )
    headings = [slide.heading for slide in slides]
    assert [each for each in wanted if each not in (*headings, "On your own endpoint")] == []
    for exercise in re.findall(r"(?m)^### Exercise (\S+)", "\n".join(cell.source for cell in core)):
        title = f"Exercise {exercise} \u00b7 {find(exercise).title}"
        assert any(heading.startswith(title) for heading in headings)
    for slide in slides:
        assert slide.height <= HEIGHT or len(slide.parts) == 1, slide.heading
        assert sum(part.words for part in slide.parts) <= WORDS_AT_MOST or len(slide.parts) == 1


def test_outputs_answers_and_explanations_come_one_after_the_other():
    cells = [markdown("## One\n\n**Predict:** what?"), code("f()", outputs=printing("six"))]
    slides = outline(small_lesson(*cells, markdown("It is six.")))
    assert [slide.heading for slide in slides] == ["42 \u00b7 All", "Warm-up", "One"]
    assert [(part.step, re.sub("<.*?>", "", part.markdown)) for part in slides[2].parts] == [
        (0, "**Predict:** what?"),
        (0, "f()"),
        (1, "six"),
        (2, "It is six."),
    ]
    assert [part.step for part in slides[1].parts] == [0, 1]


def test_what_does_not_fit_stands_on_the_next_slide_and_nothing_is_lost():
    sentences = [f"Sentence {number} has six words here." for number in range(60)]
    slides = outline(small_lesson(markdown("## One\n\n" + " ".join(sentences))))[2:]
    shown = " ".join(part.markdown for slide in slides for part in slide.parts)
    assert shown == " ".join(sentences)
    assert len(slides) > 4
    table = "| a | b |\n|---|---|\n" + "\n".join(f"| {n} | text |" for n in range(30))
    slides = outline(small_lesson(markdown(f"## One\n\n{table}")))[2:]
    assert len(slides) > 1
    assert all("| a | b |\n|---|---|" in slide.parts[0].markdown for slide in slides)


def test_sections_in_depth_imports_and_boxes_are_left_out():
    depth = markdown("## In depth: Two", metadata={"tags": ["in-depth"]})
    box = "<details><summary>The same with the openai package</summary>\n\nx\n</details>"
    slides = outline(
        small_lesson(code("import os\n\nclient = 1"), markdown(f"## One\n\nA.\n\n{box}"), depth)
    )
    assert [slide.heading for slide in slides][2:] == ["Run first", "One"]
    assert "import" not in slides[2].parts[0].markdown
    assert [part.markdown for part in slides[3].parts] == ["A."]


def test_reveal_is_an_exact_copy():
    for name, wanted in REVEAL.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == wanted
