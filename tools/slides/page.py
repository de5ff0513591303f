"""Turn slides into a page: nbconvert renders them, reveal.js shows them, all in one file."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbconvert.exporters import SlidesExporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from .outline import Slide, outline

HERE = Path(__file__).parent
CODE_STYLE = "vs"  # of pygments; dark colours on white


def slides_page(notebook: NotebookNode, folder: Path) -> str:
    """Return the slides of a lesson as HTML that needs no other file and no network.

    folder: where the lesson is, to which the addresses of its pictures belong.
    """
    slides = outline(notebook)
    exporter = SlidesExporter(
        template_name="kit",
        extra_template_basedirs=[str(HERE / "template")],
        embed_images=True,
        exclude_anchor_links=True,
    )
    resources = {
        "metadata": {"path": str(folder)},
        "slides": {
            "title": slides[0].heading,
            "css": "\n".join((_file("reveal/reveal.css"), _code_css(), _file("slides.css"))),
            "javascript": _file("reveal/reveal.js").partition("//# sourceMappingURL")[0],
        },
    }
    html, _ = exporter.from_notebook_node(as_notebook(slides), resources)
    return html


def as_notebook(slides: list[Slide]) -> NotebookNode:
    """Return slides as Markdown cells with nbconvert's types of slides."""
    cells = []
    for slide in slides:
        cells.append(_cell([f"# {slide.heading}", *_step(slide, 0)], "slide"))
        steps = sorted({part.step for part in slide.parts} - {0})
        cells += [_cell(_step(slide, step), "fragment") for step in steps]
    return nbformat.v4.new_notebook(cells=cells)


def _step(slide: Slide, step: int) -> list[str]:
    return [part.markdown for part in slide.parts if part.step == step]


def _cell(blocks: list[str], kind: str) -> NotebookNode:
    metadata = {"slideshow": {"slide_type": kind}}
    return nbformat.v4.new_markdown_cell("\n\n".join(blocks), metadata=metadata)


def _code_css() -> str:
    return HtmlFormatter(style=CODE_STYLE).get_style_defs(".highlight")


def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
