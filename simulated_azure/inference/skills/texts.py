"""Skills that work with a given text: answers out of it, a summary, names, dates and numbers."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import replace

from ..facts import load_facts
from ..words import FILLERS, content_stems, sentences, stem, words
from .chat import Chat, Reply
from .given import MAX_LENGTH, QUOTE_PULL, Given, take_apart, tempt
from .sums import needs_reckoning

SUMMARY = re.compile(
    r"\b(summari[sz]e|summary|sum up|tl;?dr|main (?:point|idea|message)s?|in a nutshell|shorten"
    r"|gist"
    r"|what is (?:this|the) (?:text|article) about)\b",
    re.IGNORECASE,
)
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
DATE = re.compile(
    rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{MONTHS})(?:,? \d{{4}})?"
    rf"|(?:{MONTHS}) \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?"
    rf"|(?:{MONTHS}) \d{{4}}|\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}"
    r"|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|(?:1[5-9]|20)\d\d(?! ?(?:euros?|dollars?"
    r"|metres|kg|km)))\b"
)
NUMBER = re.compile(r"(?<![\w.,])(?<![A-Za-z]-)\d+(?:[.,]\d+)*(?![\w])")
EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
NAME = re.compile(
    r"(?:[A-ZÀ-Ý][\w'’-]+|[A-Z]\.)(?: (?:van |de |von |da |del |la )?(?:[A-ZÀ-Ý][\w'’-]+|[A-Z]\.))*"
)
NOT_NAMES = frozenset(
    """Yesterday Today Tomorrow Monday Tuesday Wednesday Thursday Friday Saturday Sunday I The
    A An In On At He She It They We You My Our His Her Their This That These Those There
    When Where Who What Which Why How If And But Or So Then After Before While Since For
    From With By To Of As Not No Yes Please Dear Hello Hi Mr Mrs Ms Dr Prof Last Next Every
    Each Some Many All Both One Two Three Later Now Here Our Also January February March
    April May June July August September October November December""".split()
)
EXTRACTION = re.compile(
    r"\b(names?|people|persons?|dates?|numbers?|figures|amounts?|e-?mail(?: address)?(?:es)?s?"
    r"|places|cities|countries"
    r"|locations|keywords?|key words)\b",
    re.IGNORECASE,
)
EXTRACT = re.compile(
    r"\b(extract|list|find|pull|pick out|give me|get|identify|which|what|who|all|name|mentioned"
    r"|occurs?|appears?)\b",
    re.I,
)
NOT_THERE = (
    "The text does not say.",
    "That is not in the text.",
    "I don't know: the text does not say.",
)
ONLY_TEXT = re.compile(
    r"\b(text|article|passage|below|above|document|context|paragraph)\b", re.IGNORECASE
)
# A system message that lets the model answer from its text only, and has a text of its own
ONLY_SOURCE = re.compile(
    r"\b(?:only|nothing but)\b[^.]{0,40}\b(?:text|article|passage|context|document|paragraph)\b",
    re.IGNORECASE,
)
TASK_WORDS = frozenset(
    map(
        stem,
        "answer question text passage article following below above using use only "
        "from according based "
        "please say document context if does not know in the given information "
        "mentioned who what when "
        "where which how many much long old why whom whose did tell find paragraph "
        "shop cannot reply with".split(),
    )
)


def texts(chat: Chat) -> Reply | None:
    """Answer a task about a text in the message: a summary, an extraction, or a question."""
    given = take_apart(chat.message)
    if (
        given is None
        and chat.system
        and SUMMARY.search(chat.system)
        and len(sentences(chat.message)) > 2
    ):
        given = Given(chat.system, chat.message)
    if given is None:
        return from_earlier_text(chat)
    task = given.task if len(given.task) > 3 else chat.system
    text = given.text[:MAX_LENGTH]
    if (
        given.is_guess
        and re.search(r"\bhow (?!do\b|does\b|did\b)", task, re.I)
        and needs_reckoning(text)
    ):
        return None
    if SUMMARY.search(task) or (SUMMARY.search(chat.system) and not given.task):
        reply = summary(text, chat)
    else:
        reply = extraction(task, text, chat.message) or in_text(task, text, chat)
    return tempt(reply, given, chat) if reply else None


def summary(text: str, chat: Chat) -> Reply | None:
    """Return the sentences of a text that have most in common with the others."""
    lines = sentences(text)
    if len(lines) < 2:
        return Reply("summary", (text.strip(),)) if lines else None
    ranked = by_centrality(lines)
    count = chat.form.sentences or (1 if len(lines) <= 5 else 2 if len(lines) <= 12 else 3)
    answers = [" ".join(lines[place] for place in sorted(ranked[:count]))]
    for shift in (1, 2):  # other sentences are the less likely summaries
        if len(ranked) > count + shift - 1:
            places = sorted([*ranked[: count - 1], ranked[count + shift - 1]])
            answers.append(" ".join(lines[place] for place in places))
    items = tuple(lines[place] for place in sorted(ranked[: max(count, min(3, len(lines) - 1))]))
    return Reply("summary", tuple(answers), items=items if chat.form.layout else ())


def by_centrality(lines: list[str]) -> list[int]:
    """Return the places of sentences, the most central first: those most similar to all others.

    Two sentences are similar by the words they share, weighted by inverse document frequency. A
    long sentence has an advantage, but less than its length.
    """
    stems = [content_stems(line) for line in lines]
    frequency = Counter(root for roots in stems for root in roots)
    weight = {root: math.log(1 + len(lines) / count) for root, count in frequency.items()}
    length = [math.sqrt(sum(weight[root] ** 2 for root in roots)) or 1.0 for roots in stems]
    score = [0.0] * len(lines)
    for first in range(len(lines)):
        for second in range(first):
            shared = sum(weight[root] ** 2 for root in stems[first] & stems[second])
            score[first] += shared / length[second] / math.sqrt(length[first])
            score[second] += shared / length[first] / math.sqrt(length[second])
    return sorted(range(len(lines)), key=lambda place: (-round(score[place], 9), place))


def extraction(task: str, text: str, message: str) -> Reply | None:
    """Return the names, dates, numbers, addresses or places of a text."""
    match = EXTRACTION.search(task)
    if (
        not match
        or not EXTRACT.search(task)
        or not re.search(
            r"\b(extract|list|all|mentioned|occurs?|appears?|find|identify|(?:in|of) (?:this|the)"
            r"|from)\b|:\s*$",
            task,
            re.I,
        )
    ):
        return None
    wanted = list(dict.fromkeys(hit[1].casefold() for hit in EXTRACTION.finditer(task)))
    found: dict[str, list[str]] = {}
    for what in wanted:
        kind, hits = _extracted(what, text, task)
        found.setdefault(kind, hits)
    if len(found) > 1:
        return _several(found, message)
    ((kind, hits),) = found.items()
    if re.search(r"\bJSON\b", message):
        array = json.dumps(hits, ensure_ascii=False)
        return Reply("extraction", (array,), items=tuple(hits), is_fixed=True)
    if not hits:
        return Reply(
            "extraction", (f"There are no {kind} in the text.", f"The text has no {kind}.")
        )
    listed = ", ".join(hits)
    return Reply(
        "extraction",
        (listed, f"The {kind} in the text: {listed}.", f"I see these {kind}: {listed}."),
        brief=listed,
        items=tuple(hits),
    )


def _extracted(what: str, text: str, task: str) -> tuple[str, list[str]]:
    """Return (kind, the things of a text that belong to it). what: the word of the task for it."""
    if what.startswith("date"):
        hits, kind = DATE.findall(text), "dates"
    elif what.startswith(("number", "figure", "amount")):
        hits, kind = NUMBER.findall(text), "numbers"
    elif what.startswith(("email", "e-mail")):
        hits, kind = EMAIL.findall(text), "addresses"
    elif what.startswith("key"):
        count = Counter(word for word in words(text) if word not in FILLERS and len(word) > 3)
        hits, kind = [word for word, _ in count.most_common(5)], "keywords"
    elif what in ("places", "locations", "cities", "countries"):
        hits, kind = _places(what, text), what
    else:
        hits, kind = find_names(text), "names"
        others = re.search(r"people|person|who|places|locations|cities|countries", task, re.I)
        if others:
            places = {
                thing.name
                for _, _, things in load_facts().find_things(text)
                for thing in things
                if thing.table.id in ("cities", "countries")
            }
            hits = [name for name in hits if name not in places]
        if EMAIL.search(text):
            hits = [name for name in hits if not EMAIL.search(name)]
    return kind, list(dict.fromkeys(hits))


def _places(what: str, text: str) -> list[str]:
    """Return the cities, the countries, or all places of a text."""
    tables = {"cities": ("cities",), "countries": ("countries",)}.get(what, ("cities", "countries"))
    known = [
        things[0].name
        for _, _, things in load_facts().find_things(text)
        if things[0].table.id in tables
    ]
    after = re.compile(r"\b(?:in|to|from|via|at|near|through|of) (?:the )?" + NAME.pattern)
    return [
        name
        for name in find_names(text)
        if name in known
        or what in ("places", "locations")
        and any(match[0].endswith(name) for match in after.finditer(text))
    ]


def _several(found: dict[str, list[str]], message: str) -> Reply:
    """Return things of several kinds, each kind with its name."""
    if re.search(r"\bJSON\b", message):
        return Reply("extraction", (json.dumps(found, ensure_ascii=False),), is_fixed=True)
    lines = [
        f"{kind.capitalize()}: {', '.join(hits) if hits else 'none'}"
        for kind, hits in found.items()
    ]
    return Reply(
        "extraction",
        (". ".join(lines) + ".", "\n".join(lines)),
        items=tuple(item for hits in found.values() for item in hits),
    )


def first_of_kind(key: str, text: str) -> str | int | None:
    """Return the first name, place, date, number or address of a text, as a key wants it."""
    name = key.casefold()
    places = [
        (things[0].table.id, things[0].name) for _, _, things in load_facts().find_things(text)
    ]
    for part, table in (("city", "cities"), ("place", "cities"), ("country", "countries")):
        if part in name:
            return next((place for id, place in places if id == table), None)
    if re.search("date|day|when", name):
        return next(iter(DATE.findall(text)), None)
    if re.search("mail", name):
        return next(iter(EMAIL.findall(text)), None)
    if re.search("number|age|price|amount|count|total", name):
        number = next(iter(NUMBER.findall(text)), None)
        return int(number) if number and number.isdigit() else number
    if re.search("name|person|who|author", name):
        known = {place for _, place in places}
        names = [match[0] for match in NAME.finditer(text) if match[0] not in NOT_NAMES]
        return next((found for found in names if found not in known), None)
    return None


def find_names(text: str) -> list[str]:
    """Return the names in a text: runs of words with a capital letter."""
    names = []
    for line in sentences(text):
        for match in NAME.finditer(line):
            parts = match[0].split()
            while parts and parts[0] in NOT_NAMES:
                parts.pop(0)
            begins_sentence = match.start() == 0 and len(parts) == len(match[0].split())
            if begins_sentence and len(parts) == 1 and not _is_name(parts[0], text):
                continue
            if parts and len(parts[0]) > 1:
                names.append(" ".join(parts).removesuffix("'s").removesuffix("’s"))
    return names


def _is_name(word: str, text: str) -> bool:
    """Return True if a word at the beginning of a sentence has a capital letter elsewhere, too."""
    return (
        bool(re.search(rf"(?<=[a-z,] ){re.escape(word)}\b", text))
        or bool(load_facts().things(word))
        and (load_facts().things(word)[0].name == word)
    )


def in_text(task: str, text: str, chat: Chat) -> Reply | None:
    """Answer a question with the sentence of a text that fits it best."""
    question = _question_of(task)
    if not question:
        return None
    lines = sentences(text)
    scored = _best_sentence(question, lines)
    if scored is None:
        if ONLY_TEXT.search(chat.message) or len(lines) > 2:
            return Reply("reading", NOT_THERE)
        return None
    line = lines[scored]
    return Reply(
        "reading",
        (line, f"The text says: {line}", f'In the text: "{line}"'),
        brief=_value_in(question, line),
    )


def _question_of(task: str) -> str:
    lines = sentences(task)
    asks = [line for line in lines if line.endswith("?")]
    if not asks:
        asks = [
            line
            for line in lines
            if re.search(r"\b(who|what|when|where|which|how|say|tell)\b", line, re.I)
        ]
    return asks[-1] if asks else ""


WANTED = {
    "when": DATE.pattern
    + r"|\b(?:at|from|on|after|before|in) (?:\d|nine|ten|eight|seven|six|five|noon|midnight)"
    r"|\bo'clock\b",
    "many": r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|no)\b",
    "much": r"\d|\bfree\b",
    "who": r"(?<=[a-z,] )[A-Z]\w+|^[A-Z]\w+ [A-Z]\w+|\bby\b|\b(?:he|she|they)\b",
    "where": r"\b(?:in|at|on|near|behind|under|beside|next|to|from|opposite)\b",
}


def _best_sentence(question: str, lines: list[str]) -> int | None:
    """Return the place of the sentence that shares most words with a question, or None."""
    wanted = {_family(root) for root in content_stems(question)} - TASK_WORDS
    if not wanted:
        return None
    stems = [{_family(root) for root in content_stems(line)} for line in lines]
    frequency = Counter(root for roots in stems for root in roots)
    weight = {
        root: math.log(1 + len(lines) / frequency[root])
        if frequency[root]
        else math.log(1 + len(lines))
        for root in wanted
    }
    total = sum(weight.values())
    asked = set(words(question))
    best = (0.0, 0)
    for place, roots in enumerate(stems):
        carried = (
            stems[place - 1]
            if place and re.match(r"(it|he|she|they|this|its|their|his|her)\b", lines[place], re.I)
            else set()
        )
        share = (
            sum(weight[root] for root in wanted & roots)
            + 0.8 * sum(weight[root] for root in (wanted & carried) - roots)
        ) / total
        if not wanted & roots:
            share *= 0.5
        for word, pattern in WANTED.items():
            if word in asked:
                share *= 1.15 if re.search(pattern, lines[place]) else 0.55
        best = max(best, (share, -place))
    return -best[1] if best[0] > 0.55 else None


FAMILIES = [
    ["cost", "price", "ticket fee", "expensive", "pay"],
    ["park", "parking"],
    ["open", "opening"],
    ["close", "closed"],
    ["build", "built"],
    ["found", "founded", "founder"],
    ["begin", "start"],
    ["live", "living"],
    ["buy", "bought", "sell"],
    ["write", "wrote", "written"],
    ["long", "length"],
]
FAMILY = {stem(word): stem(group[0]) for group in FAMILIES for word in group}


def _family(root: str) -> str:
    return FAMILY.get(root, root)


def _value_in(question: str, line: str) -> str:
    """Return the date, number or name in a sentence that a question asks for, or ""."""
    asked = set(words(question))
    if "when" in asked and (match := DATE.search(line)):
        return match[0]
    if asked & {"many", "much", "long", "old"} and (
        match := re.search(r"\d[\d.,]*(?: [a-z]+)?", line)
    ):
        return match[0]
    if "who" in asked and (names := find_names(line)):
        return names[0]
    return ""


def only_source(chat: Chat) -> Reply | None:
    """Answer a question from the text in a system message that allows no other source."""
    if not ONLY_SOURCE.search(chat.system) or take_apart(chat.message):
        return None
    return from_earlier_text(replace(chat, earlier=()))


def from_earlier_text(chat: Chat) -> Reply | None:
    """Answer a question with a sentence of the system message or of an earlier message.

    They must be a text: two sentences or more that are no instructions.
    """
    if "?" not in chat.text and not re.match(r"(who|what|when|where|which|how)\b", chat.text, re.I):
        return None
    if len(chat.text) > 300:
        return None
    for source in (*reversed(chat.earlier), chat.system):
        given = take_apart(source)
        if given and given.protection == QUOTE_PULL and len(sentences(given.text)) < 2:
            given = None  # such as the words that are to be said
        body = given.text if given else source
        lines = [
            line
            for line in sentences(body[:MAX_LENGTH])
            if not _is_instruction(line) and not line.endswith("?")
        ]
        if len(lines) < (1 if source is chat.system else 2):
            continue
        place = _best_sentence(chat.text, lines)
        if place is not None:
            line = lines[place]
            return Reply(
                "reading",
                (line, f"The text says: {line}", f"As the text says: {line}"),
                brief=_value_in(chat.text, line),
            )
        if source is chat.system and re.search(
            r"\bonly\b[^.]*\b(text|context|information|facts|document)", source, re.I
        ):
            return Reply("reading", NOT_THERE)
    return None


def _is_instruction(line: str) -> bool:
    return bool(
        re.match(
            r"(?:please )?(?:you (?:are|will|should|must|answer|speak|always|only)|answer|reply"
            r"|respond|be|do not|don't|never|only"
            r"|always|use|if|write|speak|keep|give|explain|classify|summari[sz]e|say)\b",
            line,
            re.I,
        )
    )
