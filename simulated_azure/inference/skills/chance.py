"""Skills of chance and choice: dice, coins, and one of two."""

from __future__ import annotations

import random
import re

from ..forms import NUMBER_WORDS
from .chat import Chat, Reply

MAX_TEXT_LENGTH = 120  # characters
MAX_THROWS = 10
NUMBER = rf"(\d{{1,2}}|an?|{'|'.join(NUMBER_WORDS)})"
DICE = re.compile(
    rf"\b(?:roll|throw|cast)(?: me| us)? {NUMBER}(?: \w+)? (?:dice|die|cubes?)\b"
    rf"|\b(?:roll|throw|cast) (?:the |an? )?(?:dice|die) {NUMBER} times\b"
    rf"|\b(?:roll|throw|cast) (?:the |an? )?(?:dice|die) (twice)\b",
    re.IGNORECASE,
)
COINS = re.compile(
    rf"\b(?:flip|toss|throw) {NUMBER} coins\b"
    rf"|\b(?:flip|toss|throw) (?:the |an? )?coin {NUMBER} times\b"
    rf"|\b(?:flip|toss|throw) (?:the |an? )?coin (twice)\b",
    re.IGNORECASE,
)
SUBJECT = r"((?:[\w'’-]+ ){0,3}?[\w'’+#-]+)"
ONE_OF_TWO = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^\W*(?:which|what) (?:do you (?:prefer|like (?:better|more))|is (?:better|nicer)"
        rf"|would you (?:choose|pick|take|prefer))[,:]? {SUBJECT},? or {SUBJECT}\W*$",
        rf"^\W*(?:do|would) you (?:prefer|like|rather(?: have)?|choose) {SUBJECT},?"
        rf" or {SUBJECT}\W*$",
        rf"^\W*(?:should|shall|can) (?:i|we) (?:[a-z]+ )?{SUBJECT},? or {SUBJECT}\W*$",
        rf"^\W*(?:please )?(?:choose|pick|decide|select)(?: one)?(?: of| between|:| from)*"
        rf" {SUBJECT},? (?:and|or) {SUBJECT}\W*$",
        rf"^\W*{SUBJECT},? or {SUBJECT}\?\W*$",
        rf"^\W*{SUBJECT},? or {SUBJECT}[,?:;.]+ (?:what|which)(?: one)? (?:do|would) you (?:prefer"
        rf"|choose|take|like(?: better| more)?)\W*$",
    )
]
NO_CHOICE = re.compile(
    r"\b(is|are|was|were|does|do|did|how|why|when|who|what|where|name|number|positive|negative|true"
    r"|false|yes|no|happy|sad|good|bad|spam|\d+)\b",
    re.IGNORECASE,
)


def throws(chat: Chat) -> Reply | None:
    """Throw several dice or coins."""
    text = chat.text.strip()
    if len(text) > MAX_TEXT_LENGTH:
        return None
    if match := DICE.search(text):
        return _throws(match, [str(number) for number in range(1, 7)], "You rolled {}.")
    if match := COINS.search(text):
        return _throws(match, ["heads", "tails"], "{}.")
    return None


def _throws(match: re.Match[str], sides: list[str], sentence: str) -> Reply | None:
    """Return several possible throws. Each is as likely as the others, but for the first."""
    word = match[match.lastindex].casefold()
    count = {"twice": 2, "a": 1, "an": 1}.get(word) or NUMBER_WORDS.get(word) or int(word)
    if not 2 <= count <= MAX_THROWS:
        return None
    source = random.Random(f"{count} of {len(sides)}")
    throws = [[source.choice(sides) for _ in range(count)] for _ in range(12)]
    texts = [
        sentence.format(f"{', '.join(throw[:-1])} and {throw[-1]}" if len(throw) > 1 else throw[0])
        for throw in throws
    ]
    answers = tuple(dict.fromkeys(text[0].upper() + text[1:] for text in texts))
    return Reply("choice", answers, items=tuple(throws[0]))


def one_of_two(chat: Chat) -> Reply | None:
    """Choose one of two things, and say that it is only a choice."""
    text = chat.text.strip()
    if len(text) > MAX_TEXT_LENGTH:
        return None
    for pattern in ONE_OF_TWO:
        match = pattern.match(text)
        if match and not any(NO_CHOICE.search(thing) for thing in match.groups()):
            first, second = (thing[0].upper() + thing[1:] for thing in match.groups())
            return Reply(
                "choice",
                (
                    f"{first}. I have no taste of my own, so this is only a choice.",
                    f"{second}. I have no taste of my own, so this is only a choice.",
                    f"{first}.",
                    f"{second}.",
                ),
                (3.0, 2.5, 1.0, 1.0),
                brief=match[1],
            )
    return None
