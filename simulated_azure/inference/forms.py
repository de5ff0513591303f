"""Instructions about the form of an answer: read from messages, and applied to answers.

The reader knows only a few phrases. It looks for them in every sentence that is not a given text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache

from .words import FILLERS, sentences, words

NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
}
COUNT = rf"(?:a (?=single))?(\d{{1,3}}|an?|single|{'|'.join(NUMBER_WORDS)})"
LEAD = (
    r"(?:(?:please |only |always |you )*\b(?:answer|reply|respond|write|speak|say it|put it|give it"
    r"|explain(?: it)?|format it|present it|use|with|as|in|be)\b[ ,:]*"
    r"(?:always |only |me |your answer |the answer |all answers |everything |it |them |that )*"
    r"(?:(?:in|with|as|using|to|into|of) )?)?"
)
AMOUNT = (
    r"(?:(exactly|precisely|at most|no more than|not more than|up to|fewer than|less than"
    r"|maximum|max\.?|a maximum of|about|around|only|just) )?"
)
LANGUAGES = {"german": "de", "deutsch": "de", "french": "fr", "français": "fr", "francais": "fr"}
LANGUAGE_NOTE = {
    "de": "Das kann ich nur auf Englisch sagen: ",
    "fr": "Je ne sais le dire qu'en anglais : ",
}


@dataclass(frozen=True)
class Form:
    """The form that an answer must have. A value that is 0, "" or False asks for nothing.

    words, sentences: how many. is_limit: True if fewer words are allowed, too. layout: "bullets",
    "numbers", "lines" or "commas". items: at most how many parts a list has.
    case: "upper" or "lower". language: "de", "fr" or "en".
    is_brief: True for the answer alone, without a sentence round it. begin, end: what the answer
    must begin or end with.
    """

    words: int = 0
    is_limit: bool = False
    sentences: int = 0
    layout: str = ""
    items: int = 0
    case: str = ""
    language: str = ""
    is_brief: bool = False
    begin: str = ""
    end: str = ""

    def __or__(self, other: Form) -> Form:
        """Return this form, changed by what the other one asks for."""
        changes = {
            field.name: getattr(other, field.name)
            for field in fields(other)
            if getattr(other, field.name)
        }
        if "words" in changes:
            changes["is_limit"] = other.is_limit
        return replace(self, **changes)


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return (pattern, name of the part of the form that it asks for)."""
    tail = r"(?: long| only| each| please|,? please)*[.!]?"
    language = "|".join(LANGUAGES)
    table = [
        (rf"{LEAD}\b{AMOUNT}{COUNT} (?:short |simple |complete |full )?sentences?\b", "sentences"),
        (
            rf"{LEAD}\b{AMOUNT}{COUNT}[ -](?:short |simple )?words?\b"
            r"(?! for\b| that\b| in (?:german|french|spanish|italian|latin)\b)",
            "words",
        ),
        (
            rf"{LEAD}\b(?:{COUNT} |the form of )?(?:short )?"
            r"(?:bullet[ -]?points?|bullet(?:ed)?[ -]lists?|bullets?)\b",
            "bullets",
        ),
        (rf"{LEAD}\b(?:an? )?(?:numbered|ordered) list\b", "numbers"),
        (
            r",? ?\b(?:each on its own line|each on a new line|one (?:per|on each|a) line"
            r"|on separate lines|one below the other)\b",
            "lines",
        ),
        (rf"{LEAD}\b(?:separated by commas?|comma[ -]separated(?: list)?)\b", "commas"),
        (
            rf"{LEAD}\b(?:all )?(?:upper[ -]?case|capitals?(?= letters)|(?<=in )capitals\b"
            rf"|(?<=all )capitals\b|all[ -]caps"
            r"|block letters|caps)\b(?: letters| only)*",
            "upper",
        ),
        (rf"{LEAD}\b(?:all )?(?:lower[ -]?case|small letters)\b(?: letters| only)*", "lower"),
        (
            rf"\b(?:please |only |always )*(?:(?:answer|reply|respond|write|speak|say (?:it"
            rf"|that))\b"
            rf"[\w ,']{{0,24}}?)?\b(?:in|into|auf|en) ({language}|english)\b(?! called\b)",
            "language",
        ),
        (
            rf"\b(?:speak|translate (?:it|that) (?:in)?to|antworte auf|réponds? (?:\w+ )?en)"
            rf" ({language}|english)\b",
            "language",
        ),
        (
            r"(?:please )?(?:only |just )?(?:answer|reply|respond|say)(?: only| just)?"
            r"(?: with| by)? (?:only |just )?yes or no\b[:.,]?"
            r"|(?:(?:answer|reply|respond|return|output|print|say|write|give|state)(?: me)?"
            r"(?: with| by)? )?\b(?:only|just|nothing but) "
            r"(?:an? |the |with the |give the )*(?:(?:city|capital|country)(?:'s)? )?"
            r"(?:answer|name|number|word|city|result|value|label|country|year)\b"
            r"(?: of (?:the|this|that) (?:city|capital|country)(?! of\b))?"
            r"|(?:(?:answer|reply|respond) )?\bwith the (?:(?:city|capital|country)(?:'s)? )?"
            r"(?:answer|name|number|word|value) (?:alone|only)\b"
            r"|\b(?:do not|don't) (?:write|use) (?:an? |any )?(?:full |whole )?sentences?\b,?"
            r"|\bno (?:explanation|other words?|other text|(?:full |whole )?sentence)s?\b,?"
            r"|\bnothing else\b",
            "brief",
        ),
        (
            r"\b(?:begin|start) (?:each |every |your |the |all )*(?:answers?|reply|replies"
            r"|sentence)?"
            r" ?with (?:the words? )?[\"'“](.{1,60}?)[\"'”]",
            "begin",
        ),
        (
            r"\b(?:end|finish) (?:each |every |your |the |all )*(?:answers?|reply|replies"
            r"|sentence)?"
            r" ?with (?:the words? )?[\"'“](.{1,60}?)[\"'”]",
            "end",
        ),
    ]
    return [(re.compile(pattern + tail, re.IGNORECASE), name) for pattern, name in table]


SMALL_WORDS = FILLERS | frozenset(
    "because than into onto as when while but not no more most far very through over under between "
    "after before such other all each every how where who whose he she they".split()
)
NEGATION = re.compile(
    r"\b(?:not|never|don't|without|if|word|say|mean|means)\s(?:\w+\s){0,2}$", re.I
)


@lru_cache(maxsize=1024)
def read_form(text: str) -> tuple[Form, str]:
    """Return (the form that a text asks for, the text without the phrases that ask for it).

    >>> read_form("What is DNA? In three words, please.")[0].words
    3
    """
    form, rest = Form(), text
    for pattern, name in _patterns():
        begin = 0
        while match := pattern.search(rest, begin):
            begin = match.end()
            found = _part(name, match)
            if found is not None and not NEGATION.search(rest[: match.start()]):
                form |= found
                begin = len(rest[: match.start()].rstrip(" ,;"))
                rest = rest[:begin] + " " + rest[match.end() :].lstrip()
    return form, rest.strip()


def _part(name: str, match: re.Match[str]) -> Form | None:
    """Return the form that a match asks for, or None if it asks for none."""
    if name in ("sentences", "words"):
        if re.search(r"\beach\b", match[0], re.IGNORECASE):
            return Form()
        count = match[2].lower()
        number = NUMBER_WORDS.get(count) or (int(count) if count.isdigit() else 1)
        if not number:
            return None
        if name == "sentences":
            return Form(sentences=number)
        amount = (match[1] or "").lower()
        limit = amount not in ("", "exactly", "precisely", "only", "just")
        return Form(words=number - (amount in ("fewer than", "less than")), is_limit=limit)
    if (
        name == "bullets"
        and match[1]
        and (match[1].isdigit() or NUMBER_WORDS.get(match[1].lower()))
    ):
        number = NUMBER_WORDS.get(match[1].lower()) or int(match[1])
        return Form(layout=name, items=number if number > 1 else 0)
    if name in ("bullets", "numbers", "lines", "commas"):
        return Form(layout=name)
    if name in ("upper", "lower"):
        return Form(case=name)
    if name == "language":
        return Form(language=LANGUAGES.get(match[1].lower(), "en"))
    if name == "brief":
        return Form(is_brief=True)
    return Form(**{name: match[1]})


def apply(
    form: Form,
    answers: Sequence[str],
    *,
    brief: str = "",
    items: Sequence[str] = (),
    language: str = "",
) -> list[str]:
    """Return answers in a form. The other parameters are as in ``Reply``.

    >>> apply(Form(case="upper"), ["It is Paris."])
    ['IT IS PARIS.']
    """
    return [_in_form(form, answer, brief, items, language) for answer in answers]


def _in_form(form: Form, text: str, brief: str, items: Sequence[str], language: str) -> str:
    note = ""
    if form.language and form.language != (language or "en"):
        note = LANGUAGE_NOTE.get(form.language, "")
    if form.is_brief and brief:
        text = brief
    if form.sentences:
        text = " ".join(sentences(text)[: form.sentences])
    if form.words:
        text, note = _words(text, form, brief), ""
    parts = (list(items) or sentences(text))[: form.items or None]
    if form.layout == "commas" and items:
        text = ", ".join(items)
    elif form.layout in ("bullets", "numbers", "lines"):
        signs = {"bullets": "- {}", "numbers": "{n}. {}", "lines": "{}"}[form.layout]
        text = "\n".join(signs.format(part, n=n) for n, part in enumerate(parts, 1))
    text = note + text
    if form.begin:
        text = f"{form.begin} {text}"
    if form.end:
        text = f"{text} {form.end}"
    return {"upper": str.upper, "lower": str.lower}.get(form.case, str)(text)


def _words(text: str, form: Form, brief: str) -> str:
    """Return the run of words of a text that says most, as many words as the form asks for.

    Longer words say more than shorter ones, earlier ones more than later ones, and a run should not
    begin or end with a small word.
    """
    if brief and (
        len(brief.split()) == form.words or form.is_limit and len(brief.split()) < form.words
    ):
        return brief
    candidates = text.split()
    if form.is_limit and len(candidates) <= form.words:
        return text
    if len(candidates) <= form.words:
        return text
    if brief and not form.is_limit and form.words == len(brief.split()) + 2:
        return f"It is {brief}."
    value = [
        sum(len(word) for word in words(word) if word not in SMALL_WORDS) for word in candidates
    ]

    named = set(words(brief))
    ends_sentence = [bool(re.search(r"[.!?:][\"'”)]*$", word)) for word in candidates]

    def worth(begin: int) -> float:
        window = value[begin : begin + form.words]
        ends = (window[0] > 0) + (window[-1] > 0)
        result = sum(window) * (1 + ends) / (1 + begin / 25)
        if any(ends_sentence[begin : begin + form.words - 1]):
            result /= 100  # a run of words from two sentences says little
        has_brief = named and named <= set(words(" ".join(candidates[begin : begin + form.words])))
        return result * 10 if has_brief else result

    begin = max(range(len(candidates) - form.words + 1), key=lambda place: (worth(place), -place))
    window = [word.strip(".,;:!?\"'()") for word in candidates[begin : begin + form.words]]
    return " ".join(window) + "."
