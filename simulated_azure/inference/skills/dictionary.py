"""The skill that translates words into German and French."""

from __future__ import annotations

import re

from ..facts import load_facts, plain
from .chat import Chat, Reply

TRANSLATION = [
    r"\b(?:how (?:do|would|can) (?:you|i|we|people) )?say (?:the word )?[\"'“]?(.+?)[\"'”]? "
    r"in (german|french)\b",
    r"\bwhat(?:'s| is) (?:the )?(german|french)(?: word)? for [\"'“]?(.+?)[\"'”]?\s*\??$",
    r"\bwhat(?:'s| is) [\"'“]?(.+?)[\"'”]?(?: called)? in (german|french)\b",
    r"\btranslate (?:the word )?[\"'“]?(.+?)[\"'”]? (?:in)?to (german|french)\b",
    r"\btranslate (?:in)?to (german|french):? [\"'“]?(.+?)[\"'”]?\s*[.]?$",
    r"\b(german|french)(?: word)? for [\"'“]?(.+?)[\"'”]?\s*\??$",
]


def translation(chat: Chat) -> Reply | None:
    """Translate a word that the dictionary has into German or French."""
    follow_up = re.match(
        r"\s*(?:and|what about|how about) [\"'“]?(\w+)[\"'”]?\s*\??\s*$", chat.text, re.IGNORECASE
    )
    if follow_up and chat.earlier:
        language = re.search(r"\b(german|french)\b", chat.earlier[-1], re.IGNORECASE)
        if language and any(re.search(p, chat.earlier[-1], re.I) for p in TRANSLATION):
            text = f"how do you say {follow_up[1]} in {language[1]}"
            return translation(Chat(text, text, form=chat.form))
    for pattern in TRANSLATION:
        match = re.search(pattern, chat.message.strip(), re.IGNORECASE)
        if not match:
            continue
        first, second = match.groups()
        language, word = (
            (first, second) if first.casefold() in ("german", "french") else (second, first)
        )
        if len(word.split()) > 4:
            return None
        code = language.casefold()[0] == "g" and 1 or 2
        for row in load_facts().dictionary:
            if plain(row[0]) == plain(word) and row[code]:
                other = row[code]
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
    return None
