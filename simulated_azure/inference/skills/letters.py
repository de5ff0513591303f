"""Skills that look at words themselves: their letters, their order, and how many there are."""

from __future__ import annotations

import re

from .chat import Chat, Reply

MAX_TEXT_LENGTH = 400  # characters
NO_WORDS = frozenset("the a an this that there it word text sentence alphabet".split())
WORD = r"[\"'“‘]?([^\W\d_][\w'-]*)[\"'”’]?"
COUNT_OF_LETTER = [
    rf"\bhow (?:many times|often) (?:does|do|is|can you find) (?:the )?(?:letters? )?"
    rf"[\"'“‘]?([a-z])[\"'”’]?s? (?:occurs?|appears?|come up|found|there|used|show up|is)?\s*"
    rf"(?:in|within) (?:the word )?{WORD}",
    rf"\bhow many (?:letters? )?[\"'“‘]?([a-z])[\"'”’]?(?:'?s)?(?: letters?)? "
    rf"(?:are|is|occur|appear)?\s*(?:there )?(?:in|does) (?:the word )?{WORD}",
    rf"\bcount (?:the |all )?(?:letters? )?[\"'“‘]?([a-z])[\"'”’]?(?:'?s)? in (?:the word )?{WORD}",
]
LENGTH = [
    rf"\bhow many (?:letters|characters) (?:are (?:there )?in|has|does|is in|in)"
    rf" (?:the word )?{WORD}",
    rf"\bhow long is the word {WORD}",
    rf"\bcount the (?:letters|characters) (?:in|of) (?:the word )?{WORD}",
]
WORD_COUNT = re.compile(
    r"\b(?:how many words (?:are|does|has|in)\b[^:\"“]*|count the words\b[^:\"“]*)"
    r"[:\"“]\s*(.+?)\s*[\"”]?\s*$",
    re.IGNORECASE | re.DOTALL,
)
BACKWARDS = [
    rf"\b(?:spell|write|say|reverse) (?:the word )?{WORD} (?:backwards?|in reverse|from the end)",
    rf"\breverse (?:the word |the letters of )?{WORD}\W*$",
    rf"\bwhat is {WORD} (?:spelled |written |spelt )?backwards?",
]
SPELL = re.compile(
    rf"^\W*(?:please |can you )?(?:spell|how do you spell) (?:the word )?{WORD}\W*$", re.IGNORECASE
)
PLACE = re.compile(
    rf"\b(first|second|third|last) letter (?:of|in) (?:the word )?{WORD}\W*$", re.IGNORECASE
)
SORT = re.compile(
    r"\b(?:sort|order|put|arrange|alphabeti[sz]e)\b([^:]*)\b(?:words|names|list|alphabetical\w*"
    r"|these|following)\b([^:]*):\s*(.+)$",
    re.IGNORECASE | re.DOTALL,
)


def letters(chat: Chat) -> Reply | None:
    """Answer a question about the letters of a word, or the words of a text."""
    text = chat.text.strip()
    if len(text) > MAX_TEXT_LENGTH:
        return None
    return _count(text) or _length(text) or _spelling(text) or _word_count(text)


def _first_match(patterns: list[str], text: str) -> re.Match[str] | None:
    return next((hit for each in patterns if (hit := re.search(each, text, re.IGNORECASE))), None)


def _times(number: int) -> str:
    return {0: "no times", 1: "once", 2: "twice"}.get(number, f"{number} times")


def _count(text: str) -> Reply | None:
    match = _first_match(COUNT_OF_LETTER, text)
    if not match or match[2].casefold() in NO_WORDS:
        return None
    letter, word = match[1].casefold(), match[2]
    number = word.casefold().count(letter)
    return Reply(
        "letters",
        (
            f'The letter {letter} occurs {_times(number)} in "{word}".'
            if number
            else f'The letter {letter} does not occur in "{word}".',
            f"{number}.",
            f'"{word}" has the letter {letter} {_times(number)}.',
        ),
        brief=str(number),
    )


def _length(text: str) -> Reply | None:
    match = _first_match(LENGTH, text)
    if not match or match[1].casefold() in NO_WORDS:
        return None
    number = sum(letter.isalpha() for letter in match[1])
    return Reply(
        "letters",
        (f'"{match[1]}" has {number} letters.', f"{number}.", f"It has {number} letters."),
        brief=str(number),
    )


def _spelling(text: str) -> Reply | None:
    if match := _first_match(BACKWARDS, text):
        back = match[1][::-1].casefold()
        return Reply("letters", (f"{back}.", f'Backwards it is "{back}".'), brief=back)
    if match := SPELL.match(text):
        spelt = "-".join(match[1].upper())
        return Reply("letters", (f"{spelt}.", f'"{match[1]}" is spelt {spelt}.'), brief=spelt)
    if match := PLACE.search(text):
        place = {"first": 0, "second": 1, "third": 2, "last": -1}[match[1].casefold()]
        if place >= len(match[2]):
            return None
        letter = match[2].casefold()[place]
        return Reply(
            "letters",
            (
                f'The {match[1].casefold()} letter of "{match[2]}" is "{letter}".',
                f'It is "{letter}".',
            ),
            brief=letter,
        )
    return None


def _word_count(text: str) -> Reply | None:
    match = WORD_COUNT.search(text)
    number = len(re.findall(r"[\w'’-]+", match[1])) if match else 0
    if not number:
        return None
    thing = "1 word" if number == 1 else f"{number} words"
    return Reply("letters", (f"It has {thing}.", f"{number}.", f"{thing}."), brief=str(number))


def in_order(chat: Chat) -> Reply | None:
    """Put words or numbers in order."""
    text = chat.text.strip()
    match = SORT.search(text) if len(text) <= MAX_TEXT_LENGTH else None
    items = [item.strip(" .\"'") for item in re.split(r",|\n|;|\band\b", match[3])] if match else []
    items = [item for item in items if item]
    if len(items) < 2 or any(len(item.split()) > 3 for item in items):
        return None
    are_numbers = all(re.fullmatch(r"-?\d+(\.\d+)?", item) for item in items)
    ordered = sorted(items, key=float if are_numbers else str.casefold)
    if re.search(
        r"\b(?:reverse|descending|backwards|z to a|(?:largest|biggest|highest) (?:to|first))\b",
        text,
        re.I,
    ):
        ordered.reverse()
    return Reply(
        "letters",
        (", ".join(ordered) + ".", f"In order: {', '.join(ordered)}."),
        items=tuple(ordered),
    )
