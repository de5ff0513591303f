"""Choose what of a lesson stands on slides, by its headings, tags and the kinds of its cells.

Only the core is shown. A slide begins at each heading, each exercise and each code cell, and where
a slide would become too high. Outputs and folded answers come with the next step.
"""

from __future__ import annotations

import ast
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

WIDTH, HEIGHT = 1200, 628  # CSS pixels for the content, of a slide with 1280 x 720
TEXT_SIZE = 32  # CSS pixels: 24 points
TEXT_COLUMNS = 74  # characters in a line of text, on average
TEXT_LINE, GAP = 42, 16
HEADING, HEADING_LINE = 84, 52  # height of a heading of one line, and of each further line
HEADING_COLUMNS = 50
CODE_SIZES = range(28, 18, -1)  # CSS pixels; the largest at which the longest line fits is taken
LARGEST = (28, 25, 22)  # the largest size of code on a slide; the next if it does not fit
CODE_WIDTH = 0.605  # of a character, by its size
CODE_LINE = 1.28  # height of a line, by its size
CODE_PADDING = 36  # of a block of code, with its margin
DIAGRAM_HEIGHT, PLOT_HEIGHT = 530, 430  # CSS pixels, as in slides.css
LONG_PARAGRAPH = 55  # words; a longer one is divided
WORDS_AT_MOST = 85  # of prose on a slide
LONG_SETUP = 14  # lines; a longer cell before the first heading is not shown

DETAILS = re.compile(r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", re.DOTALL)
FENCED = re.compile(r"```(\w+)\n(.*?)\n```", re.DOTALL)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[.!?]\*\*)\s+|(?<=[.!?]\))\s+")
ITEM = re.compile(r"(?:[*-]|\d+\.) ")
SETUP = "Run first"  # the heading of what stands before the first heading of a lesson
OMITTED = ("On your own endpoint", "Delete, whatever happens")
NEXT = re.compile(r"\*\*Next:\*\*")


@dataclass
class Part:
    """A piece of a slide: Markdown or HTML, and its estimated height in CSS pixels.

    step: 0 if it is there at once, 1 if it comes with the next step, and so on. words: of prose.
    """

    markdown: str
    height: float
    step: int = 0
    words: int = 0


@dataclass
class Slide:
    """A heading, and what stands below it."""

    heading: str
    parts: list[Part] = field(default_factory=list)

    @property
    def height(self) -> float:
        """Return the estimated height in CSS pixels."""
        lines = ceil(len(self.heading) / HEADING_COLUMNS)
        return HEADING + HEADING_LINE * (lines - 1) + sum(part.height for part in self.parts)

    def has_room(self, *parts: Part) -> bool:
        """Return True if these parts fit on the slide, too."""
        height = self.height + sum(part.height for part in parts)
        words = sum(part.words for part in (*self.parts, *parts))
        return height <= HEIGHT and words <= WORDS_AT_MOST


def outline(notebook: NotebookNode) -> list[Slide]:
    """Return the slides of a lesson's core."""
    cells = parts_of(notebook.cells).core
    title, _, rest = cells[0].source.partition("\n")
    goals, _, warm_up = rest[rest.index("**You will**") :].partition("**Warm-up.**")
    slides = _text_slides(title.lstrip("# "), goals) + _text_slides("Warm-up", warm_up)
    heading = SETUP
    texts: list[str] = []  # blocks that are on no slide yet
    for cell in cells[1:]:
        if is_exercise(cell):
            slides += _further_slides(slides[-1], heading, texts)
            slides += _exercise_slides(cell)
            texts = []
        elif cell.cell_type == "code":
            source = _setup(cell.source) if heading == SETUP else cell.source
            if source:
                before, introduction = _introduction(texts)
                slides += _further_slides(slides[-1], heading, before)
                slides += _code_slides(heading, introduction, source, cell.outputs)
                texts = []
        else:
            for name, text in _sections(cell.source):
                if name is not None:
                    slides += _further_slides(slides[-1], heading, texts)
                    heading, texts = name, []
                texts += _blocks(text)
    slides += _further_slides(slides[-1], heading, texts)
    return [slide for slide in slides if slide.parts and slide.heading not in OMITTED]


def _further_slides(last: Slide, heading: str, texts: list[str]) -> list[Slide]:
    """Return slides with texts. If they are short and follow an output, add them to its slide."""
    parts = [part for text in texts for block in _split_tables(text) for part in _parts(block)]
    steps = max((part.step for part in last.parts), default=0)
    if heading == last.heading and steps and last.has_room(*parts):
        last.parts += [replace(part, step=part.step + steps + 1) for part in parts]
        return []
    return _fill(heading, parts)


def _sections(source: str) -> Iterator[tuple[str | None, str]]:
    """Yield (heading or None, text) for each part of a Markdown cell."""
    pieces = re.split(r"(?m)^#{1,2} (.+)$", source)
    if pieces[0].strip():
        yield None, pieces[0]
    yield from zip(pieces[1::2], pieces[2::2], strict=True)


def _setup(source: str) -> str:
    """Return what a cell before the first heading defines, without imports; "" if it is long."""
    lines = source.splitlines()
    shown = [
        "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.parse(source).body
        if not isinstance(node, ast.Import | ast.ImportFrom)
    ]
    is_only_connect = shown == ["connect()"]
    text = "" if is_only_connect else "\n".join(shown)
    return text if len(text.splitlines()) <= LONG_SETUP else ""


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


def _pieces_of(paragraph: str) -> Iterator[str]:
    """Yield a paragraph in pieces of a few sentences, so that none is long.

    >>> [len(piece.split()) for piece in _pieces_of("It has five words, always. " * 20)]
    [55, 45]
    """
    sentences = _sentences(" ".join(paragraph.split()))
    total = len(paragraph.split())
    limit = total / ceil(total / LONG_PARAGRAPH) + 5
    piece = ""
    for sentence in sentences:
        if piece and len(f"{piece} {sentence}".split()) > limit:
            yield piece
            piece = sentence
        else:
            piece = f"{piece} {sentence}".strip()
    yield piece


def _sentences(text: str) -> list[str]:
    """Return the sentences of a paragraph. Bold text that spans several stays in one piece."""
    sentences = [""]
    for piece in SENTENCE_END.split(text):
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
            yield from (replace(part, step=1) for part in _parts(_answer(answer[2])))
        elif block.startswith("```"):
            yield _code_part(block.strip("`").partition("\n")[2].rstrip(), "text")
        elif block.startswith("!["):
            yield Part(" ".join(block.split()), DIAGRAM_HEIGHT)
        elif block.startswith("|"):
            yield _table(block)
        elif ITEM.match(block):
            yield from _items(block)
        else:
            yield from map(_paragraph, _pieces_of(block))


def _answer(text: str) -> str:
    """Return the text of a folded answer as Markdown: it may have tags for code."""
    return unescape(re.sub(r"</?code>", "`", text)).strip()


def _paragraph(text: str, indent: int = 0) -> Part:
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    lines = ceil(len(re.sub(r"[*`]", "", plain)) / (TEXT_COLUMNS - indent))
    return Part(text, lines * TEXT_LINE + GAP, words=len(plain.split()))


def _items(block: str) -> Iterator[Part]:
    for item in re.split(r"\n(?=(?:[*-]|\d+\.) )", block):
        yield _paragraph(" ".join(item.split()), indent=4)


def _table(block: str) -> Part:
    rows = block.splitlines()
    columns = max(1, rows[0].count("|") - 1)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    longest = [
        max(len(row[number]) for row in cells if number < len(row)) for number in range(columns)
    ]
    share = TEXT_COLUMNS - 3 * columns
    total = sum(longest)
    widths = [max(8, share * length / max(total, share)) for length in longest]
    height = sum(
        TEXT_LINE * max(ceil(len(cell) / width) for cell, width in zip(row, widths, strict=False))
        + 14
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
        head, *rows = [
            block.splitlines()[0] + "\n" + block.splitlines()[1],
            *block.splitlines()[2:],
        ]
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
        if not slides or not slides[-1].has_room(part):
            slides.append(Slide(heading))
            part = replace(part, step=0)  # the first thing on a slide is there at once
        elif slides[-1].parts[-1].step == 0 and len(slides) > 1 and part.step:
            part = replace(part, step=slides[-1].parts[-1].step)
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


def _code_part(code: str, language: str, largest: int = CODE_SIZES[0]) -> Part:
    """Return a block of code, as large as its longest line allows, and at most this large."""
    lines = code.splitlines() or [""]
    longest = max(map(len, lines))
    sizes = [size for size in CODE_SIZES if size <= largest]
    fitting = (size for size in sizes if longest * size * CODE_WIDTH <= WIDTH - 32)
    size = next(fitting, CODE_SIZES[-1])
    html = highlight(code, get_lexer_by_name(language), HtmlFormatter(nowrap=True)).rstrip()
    kind = "printed" if language == "text" else "highlight"
    tag = f'<pre class="{kind}" style="font-size: {size}px">{html}</pre>'
    columns = int((WIDTH - 32) / (size * CODE_WIDTH))
    height = sum(max(1, ceil(len(line) / columns)) for line in lines) * size * CODE_LINE
    return Part(tag, height + CODE_PADDING)


def _code_slides(
    heading: str, introduction: list[str], source: str, outputs: list[NotebookNode]
) -> list[Slide]:
    """Return a slide with code and, with the next step, what it prints. If need be, return more."""
    texts = [part for block in introduction for part in _parts(block)]
    source = _without_empty_lines(source)
    for intro in (texts, []):
        for largest in LARGEST:
            code = _code_part(source, "python", largest)
            printed = [part for each in outputs for part in _output_parts(each, largest)]
            slide = Slide(heading, [*intro, code, *printed])
            if slide.height <= HEIGHT:
                return [slide] if intro or not texts else [*_fill(heading, texts), slide]
    return [*_fill(heading, [*texts, code]), *_fill(heading, printed)]


def _without_empty_lines(code: str) -> str:
    """Return code with one empty line where it has two."""
    return code.replace("\n\n\n", "\n\n")


def _output_parts(output: NotebookNode, largest: int) -> Iterator[Part]:
    """Yield what an output shows: text, a picture, an error, or a file as a block of code."""
    data = output.get("data", {})
    if output.output_type == "error":
        yield _printed(fit_page(f"{output.ename}: {output.evalue}"), largest)
    elif output.output_type == "stream":
        yield _printed(output.text.rstrip(), largest)
    elif "image/png" in data:
        summary = output.metadata.get("image/png", {}).get("alt", "")
        picture = "".join(data["image/png"].split())
        tag = f'<img alt="{escape(summary)}" src="data:image/png;base64,{picture}">'
        yield Part(tag, PLOT_HEIGHT + GAP, step=1)
    elif "text/markdown" in data:
        language, code = FENCED.search(data["text/markdown"]).groups()
        for piece in _pieces(code):
            yield replace(_code_part(piece, language, largest), step=1)


def _pieces(code: str, lines_at_most: int = 18) -> Iterator[str]:
    lines = code.splitlines()
    for start in range(0, len(lines), lines_at_most):
        yield "\n".join(lines[start : start + lines_at_most])


def _printed(text: str, largest: int) -> Part:
    """Return printed text, which comes with the next step."""
    return replace(_code_part(text, "text", largest), step=1)


# Exercises


def _exercise_slides(cell: NotebookNode) -> list[Slide]:
    """Return the slides of an exercise: its task, and the code to work on."""
    number = number_of(cell)
    if number is None:
        return []  # the stub and the help belong to the task
    exercise = find(number)
    heading = f"Exercise {number} \u00b7 {exercise.title} ({exercise.minutes}\u00a0min)"
    task = _paragraph(" ".join(exercise.task.split()))
    for largest in LARGEST:
        stub = _code_part(_without_empty_lines(exercise.stub), "python", largest)
        if Slide(heading, [task, stub]).height <= HEIGHT:
            return [Slide(heading, [task, stub])]
    return [Slide(heading, [task]), Slide(heading, [stub])]
