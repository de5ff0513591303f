"""Choose what of a lesson stands on slides, by its headings, tags and the kinds of its cells.

Only the core is shown. A slide begins at each heading, each exercise and each code cell, and where
a slide would become too high. Outputs and folded answers come with the next step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html import escape, unescape
from math import ceil

from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from helpers.exercises.data import find
from helpers.text import fit_page
from tools.exercises import is_exercise, number_of
from tools.minutes import parts_of

WIDTH, HEIGHT = 1200, 608  # CSS pixels for the content, of a slide with 1280 x 720
TEXT_SIZE = 32  # CSS pixels: 24 points
TEXT_COLUMNS = 74  # characters in a line of text, on average
TEXT_LINE, GAP = 42, 16
HEADING = 84  # height of a line of the heading, with its margins
HEADING_COLUMNS = 48
CODE_SIZES = range(28, 19, -1)  # CSS pixels; the largest at which the longest line fits is taken
CODE_WIDTH = 0.605  # of a character, by its size
CODE_LINE = 1.28  # height of a line, by its size
CODE_PADDING = 36  # of a block of code, with its margin
IMAGE_HEIGHT = 430
LONG_PARAGRAPH = 45  # words; of a longer one, only the sentences that matter are shown
LONG_SETUP = 14  # lines; a longer cell before the first heading is not shown

DETAILS = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
FENCED = re.compile(r"```(\w+)\n(.*?)\n```", re.DOTALL)
TERM = re.compile(r"\*\*|(?<![*\w])\*\w")
ITEM = re.compile(r"(?:[*-]|\d+\.) ")
OMITTED = ("On your own endpoint", "Delete, whatever happens")
NEXT = re.compile(r"\*\*Next:\*\*")


@dataclass
class Part:
    """A piece of a slide: Markdown or HTML, and its estimated height in CSS pixels.

    is_later: True if it comes with the next step.
    """

    markdown: str
    height: float
    is_later: bool = False


@dataclass
class Slide:
    """A heading, and what stands below it."""

    heading: str
    parts: list[Part] = field(default_factory=list)

    @property
    def height(self) -> float:
        """Return the estimated height in CSS pixels."""
        lines = ceil(len(self.heading) / HEADING_COLUMNS)
        return HEADING * lines + sum(part.height for part in self.parts)


def outline(notebook: NotebookNode) -> list[Slide]:
    """Return the slides of a lesson's core."""
    slides: list[Slide] = []
    cells = parts_of(notebook.cells).core
    title, _, rest = cells[0].source.partition("\n")
    opening = rest[rest.index("**You will**") :]
    goals, _, warm_up = opening.partition("**Warm-up.**")
    slides += _text_slides(title.lstrip("# "), goals)
    slides += _text_slides("Warm-up", warm_up)
    heading = "Run first"
    waiting: list[str] = []  # paragraphs that may stand before the next code
    for cell in cells[1:]:
        if is_exercise(cell):
            slides += _text_slides(heading, "\n\n".join(waiting))
            waiting = []
            slides += _exercise_slides(cell)
        elif cell.cell_type == "code":
            if heading == "Run first" and not _is_setup_to_show(cell):
                continue
            introduction, waiting = _introduction(waiting), []
            slides += _text_slides(heading, "\n\n".join(introduction[0]))
            slides += _code_slides(heading, introduction[1], cell)
        else:
            for name, text in _sections(cell.source):
                if name is not None:
                    slides += _text_slides(heading, "\n\n".join(waiting))
                    heading, waiting = name, []
                waiting += _blocks(text)
    slides += _text_slides(heading, "\n\n".join(waiting))
    return [slide for slide in slides if slide.parts and slide.heading not in OMITTED]


def _sections(source: str) -> Iterator[tuple[str | None, str]]:
    """Yield (heading or None, text) for each part of a Markdown cell."""
    pieces = re.split(r"(?m)^#{1,2} (.+)$", source)
    if pieces[0].strip():
        yield None, pieces[0]
    yield from zip(pieces[1::2], pieces[2::2], strict=True)


def _is_setup_to_show(cell: NotebookNode) -> bool:
    """Return True if a cell before the first heading defines what the lesson speaks of."""
    lines = [line for line in cell.source.splitlines() if line and not line.startswith("#")]
    imports = all(re.match(r"(from|import|\)|    [\w]+,$|connect\(\))", line) for line in lines)
    return not imports and len(lines) <= LONG_SETUP


# Text


def _blocks(text: str) -> Iterator[str]:
    """Yield the paragraphs, lists, tables, images, blocks of code and folded answers of a text."""
    position = 0
    for match in DETAILS.finditer(text):
        yield from _plain_blocks(text[position : match.start()])
        if re.match(r"\s*Answers?\b", match[1]):
            yield match[0]
        position = match.end()
    yield from _plain_blocks(text[position:])


def _plain_blocks(text: str) -> Iterator[str]:
    for piece in re.split(r"(?ms)(^```.*?^```$)", text):
        if piece.startswith("```"):
            yield piece
            continue
        for block in re.split(r"\n\s*\n", piece):
            if block.strip() and not NEXT.match(block.strip()) and block.strip() != "<br>":
                yield block.strip("\n")


def _short(paragraph: str) -> str:
    """Return the sentences of a long paragraph that matter: the first, bold ones, and terms.

    >>> _short("One. " * 50 + "It is a *term*. And **this matters.** Look:")
    'One. It is a *term*. And **this matters.** Look:'
    """
    text = " ".join(paragraph.split())
    if len(text.split()) <= LONG_PARAGRAPH:
        return text
    sentences = _sentences(text)
    last = len(sentences) - 1
    chosen = [
        sentence
        for number, sentence in enumerate(sentences)
        if number == 0 or TERM.search(sentence) or (number == last and sentence.endswith(":"))
    ]
    return " ".join(chosen)


def _sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph. Bold text that spans several stays in one piece."""
    sentences = [""]
    for piece in re.split(r"(?<=[.!?:])(?<!e\.g\.)\s+|(?<=[.!?]\*\*)\s+|(?<=[.!?]\))\s+", text):
        whole = sentences[-1].count("**") % 2 == 0 and sentences[-1].count("`") % 2 == 0
        is_open = sentences[-1].count("(") > sentences[-1].count(")")
        starts = re.match(r"[A-Z`*\"(\d]", piece)
        if whole and not is_open and starts and sentences[-1]:
            sentences.append(piece)
        else:
            sentences[-1] = f"{sentences[-1]} {piece}".strip()
    return sentences


def _parts(text: str) -> Iterator[Part]:
    """Yield the parts of a text. Lists and tables give a part for each item or row."""
    for block in _blocks(text):
        answer = DETAILS.fullmatch(block.strip())
        if answer:
            for part in _parts(unescape_answer(answer[2])):
                yield Part(part.markdown, part.height, is_later=True)
        elif block.startswith("```"):
            yield _code_part(block.strip("`").partition("\n")[2].rstrip(), "text")
        elif block.startswith("!["):
            yield Part(" ".join(block.split()), IMAGE_HEIGHT + GAP)
        elif block.startswith("|"):
            yield _table(block)
        elif ITEM.match(block):
            yield from _items(block)
        else:
            yield _paragraph(_short(block))


def unescape_answer(text: str) -> str:
    """Return the text of a folded answer as Markdown: it may have tags for code."""
    return unescape(re.sub(r"</?code>", "`", text)).strip()


def _paragraph(text: str, indent: int = 0) -> Part:
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    lines = ceil(len(re.sub(r"[*`]", "", plain)) / (TEXT_COLUMNS - indent))
    return Part(text, lines * TEXT_LINE + GAP)


def _items(block: str) -> Iterator[Part]:
    for item in re.split(r"\n(?=(?:[*-]|\d+\.) )", block):
        yield _paragraph(" ".join(item.split()), indent=4)


def _table(block: str) -> Part:
    rows = block.splitlines()
    columns = max(1, rows[0].count("|") - 1)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    longest = [max(len(row[number]) for row in cells if number < len(row)) for number in range(columns)]
    share = TEXT_COLUMNS - 3 * columns
    total = sum(longest)
    widths = [max(8, share * length / max(total, share)) for length in longest]
    height = sum(
        TEXT_LINE * max(ceil(len(cell) / width) for cell, width in zip(row, widths, strict=False)) + 14
        for number, row in enumerate(cells)
        if number != 1
    )
    return Part(block, height + GAP)


def _text_slides(heading: str, text: str) -> list[Slide]:
    """Return slides with a text. What does not fit stands on a further one."""
    return _fill(heading, [part for block in _split_tables(text) for part in _parts(block)])


def _split_tables(text: str) -> Iterator[str]:
    """Yield the blocks of a text; a table that is too high in several pieces."""
    for block in _blocks(text):
        if not block.startswith("|") or _table(block).height <= HEIGHT - HEADING:
            yield block
            continue
        head, *rows = [block.splitlines()[0] + "\n" + block.splitlines()[1], *block.splitlines()[2:]]
        pieces = [[rows[0]]]
        for row in rows[1:]:
            longer = "\n".join([head, *pieces[-1], row])
            if _table(longer).height > HEIGHT - HEADING:
                pieces.append([row])
            else:
                pieces[-1].append(row)
        yield from ("\n".join([head, *piece]) for piece in pieces)


def _fill(heading: str, parts: list[Part]) -> list[Slide]:
    """Return slides that hold these parts, each as many as fit."""
    slides: list[Slide] = []
    for part in parts:
        if not slides or slides[-1].height + part.height > HEIGHT:
            slides.append(Slide(heading))
        if not slides[-1].parts and part.is_later:
            part.is_later = False  # the first thing on a slide is there at once
        slides[-1].parts.append(part)
    return slides


# Code


def _introduction(paragraphs: list[str]) -> tuple[list[str], list[str]]:
    """Divide paragraphs into those for a slide of their own and the one that stands above code."""
    if not paragraphs:
        return [], []
    last = paragraphs[-1]
    if last.startswith(("|", "![", "```", "<")) or ITEM.match(last):
        return paragraphs, []
    return paragraphs[:-1], [last]


def _code_part(code: str, language: str) -> Part:
    """Return a block of code, as large as its longest line allows."""
    lines = code.splitlines() or [""]
    longest = max(map(len, lines))
    fitting = (size for size in CODE_SIZES if longest * size * CODE_WIDTH <= WIDTH - 32)
    size = next(fitting, CODE_SIZES[-1])
    html = highlight(code, get_lexer_by_name(language), HtmlFormatter(nowrap=True)).rstrip()
    kind = "printed" if language == "text" else "highlight"
    tag = f'<pre class="{kind}" style="font-size: {size}px">{html}</pre>'
    columns = int((WIDTH - 32) / (size * CODE_WIDTH))
    height = sum(max(1, ceil(len(line) / columns)) for line in lines) * size * CODE_LINE
    return Part(tag, height + CODE_PADDING)


def _code_slides(heading: str, introduction: list[str], cell: NotebookNode) -> list[Slide]:
    """Return a slide with code and, with the next step, what it prints."""
    parts = [part for block in introduction for part in _parts(block)]
    code = _code_part(cell.source, "python")
    outputs = [part for output in cell.outputs for part in _output_parts(output)]
    whole = Slide(heading, [*parts, code, *outputs])
    if whole.height <= HEIGHT:
        return [whole]
    if Slide(heading, [code, *outputs]).height <= HEIGHT:
        return [*_fill(heading, parts), Slide(heading, [code, *outputs])]
    return [*_fill(heading, [*parts, code]), *_fill(heading, outputs)]


def _output_parts(output: NotebookNode) -> Iterator[Part]:
    """Yield what an output shows: text, a picture, an error, or a file as a block of code."""
    data = output.get("data", {})
    if output.output_type == "error":
        yield _printed(f"{output.ename}: {output.evalue}")
    elif output.output_type == "stream":
        yield _printed(output.text.rstrip())
    elif "image/png" in data:
        summary = output.metadata.get("image/png", {}).get("alt", "")
        picture = "".join(data["image/png"].split())
        tag = f'<img alt="{escape(summary)}" src="data:image/png;base64,{picture}">'
        yield Part(tag, IMAGE_HEIGHT + GAP, is_later=True)
    elif "text/markdown" in data:
        language, code = FENCED.search(data["text/markdown"]).groups()
        for piece in _pieces(code):
            yield replace(_code_part(piece, language), is_later=True)


def _pieces(code: str, lines_at_most: int = 18) -> Iterator[str]:
    lines = code.splitlines()
    for start in range(0, len(lines), lines_at_most):
        yield "\n".join(lines[start : start + lines_at_most])


def _printed(text: str) -> Part:
    """Return printed text. Long lines are broken between words, as in the lessons."""
    text = "\n".join(fit_page(line) for line in text.splitlines())
    return replace(_code_part(text, "text"), is_later=True)


# Exercises


def _exercise_slides(cell: NotebookNode) -> list[Slide]:
    """Return the slides of an exercise: its task, and the code to work on."""
    number = number_of(cell)
    if number:
        exercise = find(number)
        noun = "minute" if exercise.minutes == 1 else "minutes"
        heading = f"Exercise {number} \u00b7 {exercise.title}"
        task = [_paragraph(" ".join(exercise.task.split())), _paragraph(f"**{exercise.minutes} {noun}**")]
        stub = _code_part(exercise.stub, "python")
        if Slide(heading, [*task, stub]).height <= HEIGHT:
            return [Slide(heading, [*task, stub])]
        return [*_fill(heading, task), Slide(heading, [stub])]
    return []
