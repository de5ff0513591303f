"""The skill that translates words into German, French, Spanish and Italian."""

from __future__ import annotations

import re

from ..facts import load_facts, plain
from ..forms import NUMBER_WORDS
from .chat import Chat, Reply

LANGUAGE = r"(german|french|spanish|italian)"
TRANSLATION = [
    rf"\b(?:how (?:do|would|can) (?:you|i|we|people) )?(?:say|write) (?:the word )?"
    rf"[\"'“]?(.+?)[\"'”]? in {LANGUAGE}\b",
    rf"\bwhat(?:'s| is) (?:the )?{LANGUAGE}(?: word)? for [\"'“]?(.+?)[\"'”]?\s*\??$",
    rf"\bwhat(?:'s| is) [\"'“]?(.+?)[\"'”]?(?: called)? in {LANGUAGE}\b",
    rf"\btranslate (?:the word )?[\"'“]?(.+?)[\"'”]? (?:in)?to {LANGUAGE}\b",
    rf"\btranslate (?:in)?to {LANGUAGE}:? [\"'“]?(.+?)[\"'”]?\s*[.]?$",
    rf"\b{LANGUAGE}(?: word)? for [\"'“]?(.+?)[\"'”]?\s*\??$",
]
MANY_LANGUAGES = re.compile(
    r"\b(?:say|write|translate|greet me with)[: ]+(?:the word )?[\"'“]?(.+?)[\"'”]? (?:in|into) "
    rf"(?:(\d|{'|'.join(NUMBER_WORDS)}|some|several|many|different) )+languages\b",
    re.IGNORECASE,
)


def translation(chat: Chat) -> Reply | None:
    """Translate a word that the dictionary has."""
    follow_up = re.match(
        r"\s*(?:and|what about|how about) [\"'“]?(\w+)[\"'”]?\s*\??\s*$", chat.text, re.IGNORECASE
    )
    if follow_up and chat.earlier:
        language = re.search(rf"\b{LANGUAGE}\b", chat.earlier[-1], re.IGNORECASE)
        if language and any(re.search(p, chat.earlier[-1], re.I) for p in TRANSLATION):
            text = f"how do you say {follow_up[1]} in {language[1]}"
            return translation(Chat(text, text, form=chat.form))
    if match := MANY_LANGUAGES.search(chat.message):
        return _in_languages(match[1], match[2])
    for pattern in TRANSLATION:
        match = re.search(pattern, chat.message.strip(), re.IGNORECASE)
        if not match:
            continue
        names = load_facts().dictionary_languages
        first, second = match.groups()
        language, word = (first, second) if first.casefold() in names else (second, first)
        other = _translated(word).get(language.casefold())
        if not other:
            return None
        return Reply(
            "translation",
            (
                f'"{word}" is "{other}" in {language.capitalize()}.',
                f"{other[0].upper()}{other[1:]}.",
                f'In {language.capitalize()} one says "{other}".',
            ),
            brief=other,
            language=chat.form.language,
        )
    return None


def _translated(word: str) -> dict[str, str]:
    """Return the word of each language for an English word; {} if the dictionary lacks it."""
    known = load_facts()
    if len(word.split()) > 4:
        return {}
    row = next((row for row in known.dictionary if plain(row[0]) == plain(word)), [])
    pairs = zip(known.dictionary_languages, row[1:], strict=False)
    return {language: other for language, other in pairs if other}


def _in_languages(word: str, count_word: str) -> Reply | None:
    """Say a word in several languages, English first."""
    others = _translated(word)
    if not others:
        return None
    count = NUMBER_WORDS.get(count_word.casefold(), 0)
    count = int(count_word) if count_word.isdigit() else count or len(others) + 1
    ways = [("English", word), *((name.capitalize(), other) for name, other in others.items())]
    items = tuple(f"{name}: {other}" for name, other in ways[:count])
    rest = "" if count <= len(ways) else f" I know it in {len(ways)} languages only."
    lines = "\n".join((*items, rest.strip())).strip()
    return Reply("translation", (lines, ", ".join(items) + "." + rest), items=items)
