"""Words, stems and sentences of a text."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import snowballstemmer

MAX_TEXT_LENGTH = 2000  # characters; the rest of a longer message is ignored

# Words that say little about which question is asked. They count only if text and form have them.
FILLERS = frozenset(
    """a an the is are was were be been do does did of in on at to for from by with it its this that
    these there and or so then now also just really me my i we us you your please hey hi hello hallo
    ok okay well can could would will should may might tell give show let want need know like about
    some any kindly quick quickly briefly question pls please what which have has had get got
    one explain describe say write make something someone s t m re ve ll d am if as um uh er erm hmm
    wonder wondering ask help exactly actually maybe another""".split()
)
WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
ABBREVIATION = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|No|vs|e\.g|i\.e|[A-Z])\.$")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”»)]*\s+(?![a-zà-ÿ])|\n+")


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case and without accents and punctuation.

    Only the first MAX_TEXT_LENGTH characters are read.

    >>> words("What's the CAPITAL of France?")
    ['what', 's', 'the', 'capital', 'of', 'france']
    """
    plain = unicodedata.normalize("NFKD", text[:MAX_TEXT_LENGTH].casefold())
    return WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Return the stem of an English word.

    Each call has a stemmer of its own, since a stemmer cannot serve two threads at once.

    >>> stem("languages")
    'languag'
    """
    return snowballstemmer.stemmer("english").stemWord(word)


FILLER_STEMS = frozenset(map(stem, FILLERS))


def content_stems(text: str) -> set[str]:
    """Return the stems of the words of a text that are not fillers."""
    return {stem(word) for word in words(text)} - FILLER_STEMS


def sentences(text: str) -> list[str]:
    """Return the sentences of a text. A line break ends one, too.

    >>> sentences("Dr. Low left. Why?")
    ['Dr. Low left.', 'Why?']
    """
    parts: list[str] = []
    begin = 0
    for match in SENTENCE_END.finditer(text):
        part = text[begin : match.start()]
        if "\n" not in match[0] and ABBREVIATION.search(part):
            continue
        parts.append(text[begin : match.end()].strip())
        begin = match.end()
    parts.append(text[begin:].strip())
    return [part for part in parts if part]
