"""JSON about things that the tables know, with the keys that a prompt names."""

from __future__ import annotations

import json
import re

from ..facts import Thing, load_facts, stems
from ..words import FILLERS, words
from .chat import Chat, Reply
from .given import take_apart
from .knowledge import NAME_REQUEST, of_kind
from .sentiment import judge, reviewed_text
from .texts import first_of_kind

ONLY = re.compile(
    r"\b(?:only|just|nothing else|no (?:other|extra|further|additional) (?:text|words?)"
    r"|without (?:any )?(?:other|explanation)"
    r"|no (?:explanation|prose|markdown|comments?|code fences?)|bare|raw|pure|object alone)\b",
    re.IGNORECASE,
)
QUOTED = re.compile(r"[\"'`“‘]([A-Za-z][\w -]{0,40})[\"'`”’]")
KEYS = re.compile(
    r"\b(?:keys?|fields?|properties|attributes|members)\b(?: named| called| are|:| should be"
    r"| must be| of)*\s*:?\s*(.+?)(?=[.;\n!?]|$|\bonly\b|\bno other\b|\babout\b|\bfor\b)"
    r"|\b(?:with|using|containing|including)\b (?!(?:the |its |his |their |these "
    r"|only )*(?:\w+ )?(?:keys?|fields?|properties|attributes|text)\b)(?:the |its |his "
    r"|their )*((?:(?!\b(?:json|keys?|fields?|properties)\b)[\w, ])+?)"
    r"(?=[.;\n!?]|$|\bonly\b|\bas\b|\bfor\b|\babout\b)",
    re.IGNORECASE,
)
TEMPLATE = re.compile(r"[\"'](\w[\w -]*)[\"']\s*:")
PROPERTIES = re.compile(r'"properties"\s*:\s*(\{.*)', re.DOTALL)
UNKNOWN_SUBJECT = re.compile(
    r"\b(?:about|for|on|of|describ\w+|describe) (?:(?:the|an?) [a-z]+ )?"
    r"((?:the )?[A-Z][\w'-]*(?: [A-Z][\w'-]*)*)"
)


def json_objects(chat: Chat) -> Reply | None:
    """Answer with a JSON object, or with an array, about things that the message names."""
    prompt = f"{chat.system}\n{chat.message}"
    if not re.search(r"\bjson\b", prompt, re.IGNORECASE):
        return _repaired(chat) or _next_object(chat)
    keys = keys_in(chat.message) or keys_in(chat.system)
    sentiment = _sentiment_object(chat, keys)
    if sentiment:
        return sentiment
    extracted = _extracted_object(chat)
    if extracted:
        return extracted
    things = _subjects(chat.message, keys)
    if not things and len(words(chat.message)) <= 3 and not keys_in(chat.message):
        things = [hits[0] for _, _, hits in load_facts().find_things(chat.message)]
    wants_array = bool(re.search(r"\b(array|list)\b", prompt, re.IGNORECASE))
    value = None
    if wants_array and not keys_in(chat.message):
        value = _column_array(chat.message, things) or _kind_array(chat)
    if value is None and things and not re.search(r"\b(my|our)\b", chat.message, re.IGNORECASE):
        objects = [describe(thing, keys) for thing in things]
        value = objects if len(objects) > 1 or wants_array else objects[0]
    if value is None and (reply := of_kind(chat)):
        value = list(reply.items) or [reply.brief]
    if value is None:
        unknown = UNKNOWN_SUBJECT.search(chat.message)
        if unknown and keys and unknown[1].upper() != "JSON":
            told = chat.message[unknown.end() :]
            value = {
                key: unknown[1] if place == 0 else _told_value(key, told)
                for place, key in enumerate(keys)
            }
        else:
            return _repaired(chat)
    return _as_reply(value, is_bare=bool(ONLY.search(prompt)))


def _told_value(key: str, text: str) -> str | int | float | None:
    """Return what the rest of a prompt tells for a key: "Ada, who is 36". None if it tells nothing.

    >>> _told_value("pages", ", which has 304 pages")
    304
    """
    name = re.escape(key.replace("_", " "))
    number = r"(\d+(?:\.\d+)?)"
    patterns = [
        rf"{number} {name}\b",
        rf"\b{name}\b(?: is| are|:| =|) ([A-Z0-9][\w.'-]*)",
    ]
    if re.fullmatch("age|years?", name):
        patterns += [rf"{number} years? old", rf"\b(?:is|aged?) {number}\b(?! [a-z]*[bcdfgkm]s?\b)"]
    if re.search("city|town|place|country|home|location", name):
        patterns.append(r"\b(?:lives? in|from|works? in|born in) ((?:[A-Z][\w'-]* ?)+)")
    if re.search("job|profession|occupation", name):
        patterns.append(r"\b(?:is|as) an? ([a-z]+)")
    if re.search("author|writer|creator", name):
        patterns.append(r"\bby ((?:[A-Z][\w'-]* ?)+)")
    for pattern in patterns:
        if match := re.search(pattern, text):
            value = match[1].strip(" .")
            if re.fullmatch(r"\d+(\.\d+)?", value):
                return float(value) if "." in value else int(value)
            return value
    return None


def _as_reply(value: object, is_bare: bool) -> Reply:
    """Return JSON, in a fenced block with a sentence before it unless only JSON is wanted."""
    line = json.dumps(value, ensure_ascii=False)
    block = json.dumps(value, ensure_ascii=False, indent=2)
    tight = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if is_bare:
        return Reply("json", (line, tight), (4.0, 1.0), is_fixed=True)
    return Reply(
        "json", (f"Here is the JSON:\n\n```json\n{block}\n```", line, tight), is_fixed=True
    )


def keys_in(text: str) -> list[str]:
    """Return the keys that a prompt names: in a template or a schema, quoted, or in a list."""
    if match := PROPERTIES.search(text):
        depth, names = 0, []
        for token in re.finditer(r'"(\w+)"\s*:\s*\{|[{}]', match[1]):
            if token[1] and depth == 1:
                names.append(token[1])
            depth += {"{": 1, "}": -1}.get(token[0][-1], 0)
            if depth == 0:
                break
        return names
    if "{" in text:
        names = TEMPLATE.findall(text[text.index("{") :])
        if names:
            return list(dict.fromkeys(names))
    for match in KEYS.finditer(text):
        listed = match[1] or match[2]
        names = QUOTED.findall(listed) or [
            re.sub(r"^(?:the|a|an|its|and|&)\s+", "", part.strip(" .:\"'`"), flags=re.IGNORECASE)
            for part in re.split(r",|\band\b|&|/", listed)
        ]
        if not match[1] and any(" of " in name for name in names):  # "the capitals of ..."
            continue
        names = [re.sub(r"\W+", "_", name.strip()).strip("_") for name in names]
        names = [
            name
            for name in names
            if name and len(name.split("_")) <= 4 and not ONLY.search(name.replace("_", " "))
        ]
        if names and (match[1] or _are_columns(names)):
            return list(dict.fromkeys(names))
    match = re.search(
        r"\bjson\b[^:]*:\s*([\w, ]+?)(?: (?:of|for|about) [\w ]+)?\W*$", text, re.IGNORECASE
    )
    if match:
        names = [part.strip().replace(" ", "_") for part in re.split(r",|\band\b", match[1])]
        if len(names) > 1 and all(names) and _are_columns(names[1:]):
            return names
    return []


def _are_columns(names: list[str]) -> bool:
    known = load_facts()
    return any(
        _column_of(name, table) or name.casefold() in table.keys
        for name in names
        for table in known.tables.values()
    )


def _subjects(text: str, keys: list[str]) -> list[Thing]:
    """Return the things that a message is about: those whose table has most of the keys."""
    found = load_facts().find_things(text)
    chosen = []
    for _, _, things in found:
        ranked = sorted(
            things,
            key=lambda thing: (
                -sum(1 for key in keys if key.casefold() in thing.table.keys[:1]),
                -sum(1 for key in keys if _column_of(key, thing.table)),
                thing.name not in text,
            ),
        )
        thing = ranked[0]
        if keys and not any(
            _column_of(key, thing.table) or key.casefold() in thing.table.keys for key in keys
        ):
            continue
        if (
            thing.name[0].isupper()
            and not re.search(rf"\b{re.escape(thing.name.removeprefix('the '))}", text)
            and len(found) > 1
        ):
            continue
        chosen.append(thing)
    return chosen


def describe(thing: Thing, keys: list[str]) -> dict:
    """Return the values of a thing by key; null for a key that the tables do not have."""
    if not keys:
        names = {name: name for name in thing.table.json}
        if "population" in names:
            names["population"] = "population_millions"
        values = {key: value_of(thing, column, key) for column, key in names.items()}
        known = {key: value for key, value in values.items() if value is not None}
        return {thing.table.keys[0]: _name(thing), **known}
    result = {}
    for key in keys:
        column = _column_of(key, thing.table)
        if key.casefold() in thing.table.keys and (
            column is None or key.casefold() != "language" or thing.table.keys[0] == "language"
        ):
            result[key] = _name(thing)
        else:
            result[key] = value_of(thing, column, key) if column else None
    return result


def _name(thing: Thing) -> str:
    return thing.name.removeprefix("the ")


def _column_of(key: str, table) -> str | None:
    wanted = stems(key.replace("_", " "))
    for column in table.columns.values():
        if wanted in column.words or stems(column.name.replace("_", " ")) == wanted:
            return column.name
    for column in table.columns.values():
        if any(
            phrase == wanted[: len(phrase)] or phrase == wanted[-len(phrase) :]
            for phrase in column.words
        ):
            return column.name
    return None


def value_of(thing: Thing, column: str, key: str = "") -> str | int | float | None:
    """Return a value as JSON has it: a number if it is one.

    A population is in millions only if the key says so.
    """
    text = thing.value(column)
    if not text:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text):
        number = float(text) if "." in text else int(text)
        if column == "population" and "million" not in key.casefold():
            return round(number * 1_000_000)
        return number
    return text.removeprefix("the ")


def _column_array(text: str, things: list[Thing]) -> list | None:
    """Return one value of each thing: "the capitals of Spain and Italy"."""
    for thing in things[:1]:
        for column in thing.table.columns.values():
            if len(things) > 1 and set(stems(text)) & {
                root for phrase in column.words if len(phrase) == 1 for root in phrase
            }:
                return [
                    value_of(other, column.name, "million")
                    for other in things
                    if other.table is thing.table
                ]
    return None


def _kind_array(chat: Chat) -> list | None:
    """Return things of a kind: "a JSON array of three fruits"."""
    match = re.search(
        r"\b(?:of|with|containing|listing) ((?:\d+|[a-z]+) [\w ]+?)(?=[.,;!?]|$| only| as\b)",
        chat.message,
        re.I,
    )
    if not match or not NAME_REQUEST.match(f"name {match[1]}"):
        match = re.search(
            r"\b(?:list|name|give me) ((?:\d+|[a-z]+) [\w ]+?) (?:as|in) (?:a |an )?json",
            chat.message,
            re.I,
        )
    reply = of_kind(Chat(f"name {match[1]}")) if match else None
    return list(reply.items) or [reply.brief] if reply and (reply.items or reply.brief) else None


def _extracted_object(chat: Chat) -> Reply | None:
    """Return names, places, dates and numbers of a given text by the keys that are wanted."""
    given = take_apart(chat.message)
    match = re.search(
        r"\bextract (?:the |all )*([\w, ]+?)(?: from\b.*| as\b.*| in\b.*| of\b.*|\W*)$",
        given.task if given else "",
        re.IGNORECASE | re.DOTALL,
    )
    keys = (keys_in(given.task) if given else []) or (
        [part.strip().replace(" ", "_") for part in re.split(r",|\band\b", match[1])]
        if match
        else []
    )
    if not given or not keys or not re.search(r"\b(extract|from|text)\b", given.task, re.I):
        return None
    if any(key.casefold().rstrip("s") + "s" in PLURAL_KEYS and key.endswith("s") for key in keys):
        return None
    values = {key: first_of_kind(key, given.text) for key in keys}
    return _as_reply(values, is_bare=bool(ONLY.search(f"{chat.system}\n{given.task}")))


PLURAL_KEYS = frozenset(("names", "dates", "numbers", "places", "cities", "people", "keywords"))


def _sentiment_object(chat: Chat, keys: list[str]) -> Reply | None:
    """Return the sentiment of a text as an object with the keys that are wanted."""
    if not any(
        "sentiment" in key.casefold() or key.casefold() in ("label", "mood") for key in keys
    ):
        return None
    text = reviewed_text(chat)
    if not text:
        return None
    label, confidence = judge(text)
    values = {}
    for key in keys:
        name = key.casefold()
        values[key] = (
            label
            if "sentiment" in name or name in ("label", "mood")
            else round(confidence, 2)
            if re.search("confid|score|prob|certain", name)
            else text
            if name in ("text", "review", "comment")
            else None
        )
    return _as_reply(values, is_bare=bool(ONLY.search(f"{chat.system}\n{chat.message}")))


def _next_object(chat: Chat) -> Reply | None:
    """Answer a follow-up to a prompt for JSON that only names another thing."""
    if not chat.earlier or not re.search(r"\bjson\b", chat.earlier[-1], re.IGNORECASE):
        return None
    rest = {word for word in words(chat.text) if word not in FILLERS}
    things = load_facts().find_things(chat.text)
    if len(things) != 1 or len(rest) > things[0][1] - things[0][0]:
        return None
    before = chat.earlier[-1]
    keys = keys_in(before)
    chosen = _subjects(chat.text, keys) or things[0][2]
    return _as_reply(describe(chosen[0], keys), is_bare=bool(ONLY.search(before)))


def _repaired(chat: Chat) -> Reply | None:
    """Answer a complaint about an earlier JSON answer with the bare object."""
    if not re.search(
        r"\b(json|object|parse\w*|valid|keys?|expecting)\b", chat.message, re.IGNORECASE
    ):
        return None
    for place in range(len(chat.earlier) - 1, -1, -1):
        before = Chat(chat.earlier[place], chat.earlier[place], chat.earlier[:place], chat.system)
        if re.search(r"\bjson\b", f"{before.message} {chat.system}", re.IGNORECASE):
            keys = keys_in(chat.message) if "missing" not in chat.message else []
            keys = keys or keys_in(before.message) or keys_in(chat.system)
            things = _subjects(before.message, keys)
            if things:
                objects = [describe(thing, keys) for thing in things]
                return _as_reply(objects if len(objects) > 1 else objects[0], is_bare=True)
    return None
