"""The glossary has every term of the lessons, and leads to the lesson that explains it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import nbformat
import pytest

from tools.minutes import README, parts_of

NOTEBOOKS = README.parent / "notebooks"
GLOSSARY = (NOTEBOOKS / "glossary.md").read_text(encoding="utf-8")
LESSONS = {path.name: nbformat.read(path, 4) for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
DIVIDED = [name for name, lesson in LESSONS.items() if parts_of(lesson.cells).is_divided]
ENTRY = re.compile(r"^(\*\*.+?\*\*) \(\[(\d\d)\]\((\S+)\)\): (.+)$", re.MULTILINE)
ITALIC = re.compile(r"(?<![*\w])\*(?!\s)([^*]+?)(?<!\s)\*(?![*\w])")
NOT_SHOWN_AS_TEXT = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
EMPHASIS = {  # in italics, and no term
    *"all and answer any b both changes close closed deleted divides every extra".split(),
    *"function inference model must one reads serve should simulated stream t text".split(),
    *"together without you your before begins".split(),
    *("between two pieces", "each time", "however often", "square root"),
    "in the text that the model has read",
}


def entries() -> list[tuple[list[str], str, str, str]]:
    """Return (terms, number of the lesson, its file, explanation) of each entry."""
    return [
        (re.findall(r"\*\*(.+?)\*\*", terms), number, file, explanation)
        for terms, number, file, explanation in ENTRY.findall(GLOSSARY)
    ]


TERMS = {term.lower() for terms, *_ in entries() for term in terms}


def prose(name: str) -> str:
    """Return the Markdown of a lesson, without code."""
    cells = [cell for cell in LESSONS[name].cells if cell.cell_type == "markdown"]
    return NOT_SHOWN_AS_TEXT.sub("", "\n\n".join(cell.source for cell in cells))


def italics(text: str) -> Iterator[str]:
    """Yield what is in italics. A paragraph may break a line, but not end, inside of it."""
    for paragraph in text.split("\n\n"):
        for words in ITALIC.findall(re.sub(r"(?m)^\* ", "", paragraph)):
            yield " ".join(words.split())


def singular(term: str) -> set[str]:
    """Return the forms under which a term may stand in the glossary."""
    return {term, term.removesuffix("s"), term.removesuffix("ies") + "y"}


def is_sentence(words: str) -> bool:
    return words.endswith(".")


@pytest.mark.parametrize("name", DIVIDED)
def test_the_glossary_has_every_term_that_a_lesson_marks(name):
    """Words that are in italics for another reason are listed in EMPHASIS."""
    marked = [words for words in italics(prose(name)) if not is_sentence(words)]
    unknown = [
        words
        for words in marked
        if not singular(words.lower()) & TERMS and words.lower() not in EMPHASIS
    ]
    assert unknown == []


def test_entries_are_in_the_order_of_the_alphabet_and_each_term_has_one():
    terms = [terms[0].lower() for terms, *_ in entries()]
    assert terms == sorted(terms)
    assert sum(len(terms) for terms, *_ in entries()) == len(TERMS)


def test_each_paragraph_is_an_entry():
    paragraphs = GLOSSARY.strip().split("\n\n")[2:]
    assert [text for text in paragraphs if not ENTRY.fullmatch(text)] == []


def test_each_entry_is_one_sentence_or_two_that_end():
    for terms, _, _, explanation in entries():
        assert explanation[0].isupper() or explanation[0] == "`", terms
        assert explanation.endswith("."), terms
        assert len(explanation) <= 180, terms


def test_each_entry_leads_to_a_lesson_that_uses_the_term():
    for terms, number, file, _ in entries():
        assert file.startswith(f"{number}-"), terms
        if file in DIVIDED:
            text = " ".join(prose(file).lower().replace("*", "").split())
            assert any(term.lower() in text for term in terms), terms
