"""Skills that know facts: of things, of kinds, of units and of words in other languages."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace

from ..facts import Column, Facts, Thing, load_facts, plain, stems
from ..forms import NUMBER_WORDS
from ..words import FILLERS, stem, words
from .chat import Chat, Reply

MAX_TEXT_LENGTH = 300  # characters; no skill of this file reads a longer message
MAX_CHOICES = 24  # how many things of a kind the model chooses from
QUESTION_WORDS = frozenset(map(stem, "who whom whose when where how why which what many".split()))
# Words that a question about a fact may have besides the thing and the column.
ALLOWED = QUESTION_WORDS | frozenset(
    map(
        stem,
        """use used official main usual chemical city country world name planet located
        situated lie lies find currently known called people person belong does there
        exactly approximately roughly currently its their they it he she animal element book
        programming river mountain fruit vegetable still today was ist war wer wie von der
        die das den dem des in quelle quel est la le les l de du des d liegt heisst only
        city answer please sit sits stand number total each typical first release correct
        common flows flow through again right remind novel play famous work state capital
        town place viele hat leben habitants a combien il y en nenne nenn sag mir""".split(),
    )
)
FOLLOW_UP = re.compile(r"^\s*(?:and|what about|how about|or|und|et|then)\b", re.IGNORECASE)


def facts(chat: Chat) -> Reply | None:
    """Answer a question about a thing in the tables. A follow-up takes its rest from before."""
    text = chat.text
    if len(text) > MAX_TEXT_LENGTH:
        return None
    return (
        bare_name(chat)
        or word_form(text)
        or location(text)
        or comparison(text)
        or ranking(text)
        or attribute(chat)
        or reverse(text)
        or definition(chat)
    )


def bare_name(chat: Chat) -> Reply | None:
    """Answer a message that is only a name: as a follow-up, or with what the tables know of it."""
    name = chat.text.strip(" .!?")
    things = load_facts().things(name) if 0 < len(name.split()) <= 3 else []
    if not things or not name[0].isupper():
        return None
    hit = _completed(chat)
    if hit and _value(*hit):
        language = chat.form.language or _language_of(chat.text)
        return _value_reply(load_facts(), *hit, _value(*hit), language)
    thing = next((thing for thing in things if _capitals_fit(name, thing)), things[0])
    return Reply("facts", tuple(about(thing)))


# ---------------------------------------------------------------- values of things


def attribute(chat: Chat) -> Reply | None:
    """Answer a question for a value of a thing, such as the capital of a country."""
    known = load_facts()
    hit = _attribute_in(chat.text)
    if hit is None and FOLLOW_UP.search(chat.text):
        hit = _completed(chat)
    if hit is None:
        return None
    thing, column = hit
    value = _value(thing, column)
    if not value:
        return None
    language = chat.form.language or _language_of(chat.text)
    return _value_reply(known, thing, column, value, language)


def _value(thing: Thing, column: Column) -> str:
    value = thing.value(column.name)
    if column.unit in ("km", "m") and value.isdigit():
        value = f"{int(value):,}"
    if column.unit == "million" and value and float(value) >= 1000:
        value = f"{float(value):,.0f}"
    return value


def _value_reply(known: Facts, thing: Thing, column: Column, value: str, language: str) -> Reply:
    name = thing.name
    if language in ("de", "fr") and column.sentences.get(language) and thing.value(language):
        name = thing.value(language)
        value = thing.value(f"{column.name}_{language}") or value
        value = value.replace(".", ",") if column.unit else value
        name = _after_von(name) if language == "de" else _after_de(name)
    else:
        language = ""
        if thing.table.id == "elements" and column.name == "symbol":
            name = thing.name
    templates = column.sentences[language or "en"]
    upper = name[0].upper() + name[1:]
    answers = tuple(t.format(of=name, Of=upper, value=value) for t in templates)
    answers = tuple(_one(answer) for answer in answers)
    unit = f" {column.unit}" if column.unit else ""
    return Reply("facts", answers, brief=f"{value}{unit}", language=language)


def _one(text: str) -> str:
    """Return a sentence with a singular after 1, and "an" where it belongs."""
    text = re.sub(r"\b1 known moons\b", "1 known moon", text)
    text = re.sub(r"\bhas 0 (known moons|legs)\b", r"has no \1", text)
    return re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", text)


def _after_von(name: str) -> str:
    """Return a German name as it stands after "von": "die Schweiz" -> "der Schweiz"."""
    article, _, rest = name.partition(" ")
    plural = rest in (
        "Niederlande",
        "Philippinen",
        "Vereinigten Staaten",
        "Vereinigten Arabischen Emirate",
    )
    if plural:
        return (
            "den "
            + rest
            + ("n" if rest in ("Niederlande", "Vereinigten Arabischen Emirate") else "")
        )
    if name == "das Vereinigte Königreich":
        return "dem Vereinigten Königreich"
    return {"die": f"der {rest}", "der": f"dem {rest}", "das": f"dem {rest}"}.get(article, name)


def _after_de(name: str) -> str:
    """Return a French name with "de": "le Japon" -> "du Japon"."""
    for article, joint in (("le ", "du "), ("les ", "des "), ("la ", "de la "), ("l'", "de l'")):
        if name.startswith(article):
            return joint + name.removeprefix(article)
    return f"d'{name}" if name[0] in "AEIOUÉ" else f"de {name}"


def _language_of(text: str) -> str:
    """Return the language of a question, "" for English."""
    all_words = set(words(text))
    german = {"ist", "wie", "welche", "welcher", "hauptstadt", "wer", "heisst", "liegt", "hat"}
    if all_words & german:
        return "de"
    return "fr" if all_words & {"quelle", "quel", "est", "capitale", "combien", "habitants"} else ""


def _attribute_in(text: str) -> tuple[Thing, Column] | None:
    """Return (thing, column) that a text names together, and little else."""
    roots = list(stems(text))
    all_words = words(text)
    options = []
    for begin, end, things in load_facts().find_things(text):
        for thing in things:
            for column in thing.table.columns.values():
                place = _place_of(column, roots, begin, end)
                if place is None or column.name == "year" and "who" in all_words:
                    continue
                if "when" in all_words and column.name in ("creator", "author"):
                    column = thing.table.columns["year"]
                used = set(range(begin, end)) | set(range(*place))
                rest = {
                    roots[n]
                    for n, word in enumerate(all_words)
                    if n not in used and word not in FILLERS and roots[n] not in ALLOWED
                }
                rest -= set(stems(thing.table.kind))
                rest -= {root for phrase in column.words for root in phrase}
                if not rest:
                    fits = _capitals_fit(text, thing)
                    options.append((place[1] - place[0], fits, end - begin, thing, column))
    if not options:
        return None
    best = max(options, key=lambda option: option[:3])
    return best[3], best[4]


def _capitals_fit(text: str, thing: Thing) -> bool:
    """Return True if a text writes a name with capital letters as the table does."""
    return thing.name.removeprefix("the ") in text


YES_OR_NO = re.compile(
    r"^\s*(?:(?:so|and|tell me|hey|well)[, ]+)*(?:is|are|was|were|does|do|did|has|have)\b", re.I
)
# Columns in which a value that the table lacks is no proof: a country speaks more languages.
OPEN_COLUMNS = frozenset(("language", "continent", "country", "landmark", "colour", "taste"))
ROUNDED_COLUMNS = frozenset(("population", "diameter", "height"))


def verification(chat: Chat) -> Reply | None:
    """Say whether a thing has the value that a question names: "Is Bonn the capital of Italy?"."""
    text = chat.text
    if len(text) > MAX_TEXT_LENGTH or not YES_OR_NO.match(text):
        return None
    known = load_facts()
    roots = list(stems(text))
    all_words = words(text)
    for begin, end, things in known.find_things(text):
        for thing in things:
            for column in thing.table.columns.values():
                place = _place_of(column, roots, begin, end)
                value = thing.value(column.name)
                if place is None or not value or column.name in ROUNDED_COLUMNS:
                    continue
                used = {*range(begin, end), *range(*place)}
                claim = [
                    word
                    for n, word in enumerate(all_words)
                    if n not in used and word not in FILLERS and roots[n] not in ALLOWED
                ]
                fits = _claim_fits(claim, thing, column.name)
                if fits is None:
                    continue
                sentence = _value_reply(known, thing, column, _value(thing, column), "").answers[0]
                if not fits and column.name in OPEN_COLUMNS:
                    return Reply("facts", (sentence,))
                word = "Yes" if fits else "No"
                is_name = sentence.split()[0] in (thing.name.split()[0], value.split()[0])
                lower = sentence if is_name else sentence[0].lower() + sentence[1:]
                return Reply(
                    "facts", (f"{word}, {lower}", f"{word}. {sentence}", f"{word}."), brief=word
                )
    return None


def _claim_fits(claim: list[str], thing: Thing, column: str) -> bool | None:
    """Return True if the words of a claim are in a value, False if they are another value.

    Return None if they are neither, so that nothing can be said.
    """
    value = words(thing.value(column))
    if value and value[0].isdigit():
        numbers = [NUMBER_WORDS.get(word, word) for word in claim]
        if len(numbers) != 1 or not str(numbers[0]).isdigit():
            return None
        return int(numbers[0]) == int(value[0])
    if not claim:
        return None
    if set(claim) <= set(value):
        return True
    others = [words(other.value(column)) for other in thing.table.things]
    is_value = any(set(claim) <= set(other) for other in others)
    return False if is_value or load_facts().things(" ".join(claim)) else None


def _place_of(column: Column, roots: list[str], begin: int, end: int) -> tuple[int, int] | None:
    """Return (begin, end) of the words that name a column, outside the thing's own name."""
    for phrase in column.words:
        for place in range(len(roots) - len(phrase) + 1):
            outside = place + len(phrase) <= begin or place >= end
            if outside and tuple(roots[place : place + len(phrase)]) == phrase:
                return place, place + len(phrase)
    return None


def _completed(chat: Chat) -> tuple[Thing, Column] | None:
    """Return (thing, column) of a follow-up, one of them from the last question that had both."""
    known = load_facts()
    before = next((hit for text in reversed(chat.earlier) if (hit := _attribute_in(text))), None)
    things = [thing for _, _, hits in known.find_things(chat.text) for thing in hits]
    roots = list(stems(chat.text))
    if before is None:
        earlier = [
            t
            for text in reversed(chat.earlier)
            for _, _, hits in known.find_things(text)
            for t in hits
        ]
        for thing in earlier:
            for column in thing.table.columns.values():
                if not things and _place_of(column, roots, len(roots), len(roots)):
                    return thing, column
        return None
    thing, column = before
    same_table = [other for other in things if other.table is thing.table]
    if same_table and len(rest_of(chat.text)) <= len(words(same_table[0].name)):
        return same_table[0], column
    if not things:
        for other in thing.table.columns.values():
            if _place_of(other, roots, len(roots), len(roots)):
                return thing, other
    return None


def rest_of(text: str) -> set[str]:
    """Return the words of a text that are neither fillers nor usual words of a question."""
    return {word for word in words(text) if word not in FILLERS and stem(word) not in ALLOWED}


def reverse(text: str) -> Reply | None:
    """Answer which thing has a value: "Which element has the symbol Fe?"."""
    known = load_facts()
    roots = list(stems(text))
    all_words = words(text)
    for table, name in (
        ("countries", "capital"),
        ("elements", "symbol"),
        ("elements", "number"),
        ("planets", "position"),
    ):
        column = known.tables[table].columns[name]
        place = _place_of(column, roots, len(roots), len(roots))
        if (
            place is None
            or not set(stems(known.tables[table].kind)) & set(roots)
            and "of" not in all_words[-1:]
        ):
            continue
        for thing in known.tables[table].things:
            value = words(thing.value(name))
            hits = [
                n for n in range(len(all_words)) if value and all_words[n : n + len(value)] == value
            ]
            if hits and not any(n in range(*place) for n in hits):
                rest = {
                    word
                    for n, word in enumerate(all_words)
                    if not hits[0] <= n < hits[0] + len(value)
                    and word not in FILLERS
                    and roots[n] not in ALLOWED
                } - {"capital", "symbol", "atomic"}
                if not rest:
                    reply = _value_reply(known, thing, column, thing.value(name), "")
                    return Reply("facts", reply.answers, brief=thing.name)
    return None


def definition(chat: Chat) -> Reply | None:
    """Say what a thing is, from all that the tables know of it."""
    match = re.match(
        r"\s*(?:(?:so|hey|please|and|now|ok)[, ]+)*(?:what(?:'s| is| are)|who(?: is|'s)"
        r"|tell me (?:something |more )?about|describe|explain|define)"
        r"(?: what)?\s+(.+?)(?: is| are)?\s*[?.!]*\s*$",
        chat.text,
        re.IGNORECASE,
    )
    if not match:
        return None
    known = load_facts()
    name = re.sub(
        r"^(?:the (?:programming language|city|country|planet|element|book|river|mountain|animal"
        r"|fruit)) ",
        "",
        match[1],
    )
    things = known.things(name)
    if things:
        thing = next((thing for thing in things if _capitals_fit(match[1], thing)), things[0])
        return Reply("facts", tuple(about(thing)))
    kinds = [kind for kind in known.kinds_of(name) if not kind.by_column]
    if kinds:
        kind = min(kinds, key=lambda kind: (len(kind.members), kind.id))
        name = re.sub(r"^(?:an?|the) ", "", name.strip())
        is_mass = kind.id in UNCOUNTABLE
        subject = name if name[0].isupper() or is_mass else f"{_article(name)} {name}"
        subject = subject[0].upper() + subject[1:]
        label = f"{_article(kind.names[0])} {kind.names[0]}"
        return Reply("facts", (f"{subject} is {label}.", f"{subject}: {label}."))
    kind = known.kind(re.sub(r"^(?:an?|the) ", "", match[1]))
    if kind:
        listed = ", ".join(kind.members[:3])
        return Reply(
            "facts",
            (
                f"Examples of {kind.names[1 if len(kind.names) > 1 else 0]}: "
                f"{listed}. I cannot define the word.",
            ),
        )
    return None


# Kinds whose members have no article: "Love is an emotion."
UNCOUNTABLE = frozenset(
    "emotion drink sport hobby cheese herb spice colour language gas pasta day month season metal"
    " furniture organ".split()
) | {"ball game", "board game", "noble gas", "chemical element", "prime number"}


def about(thing: Thing) -> list[str]:
    """Return descriptions of a thing: what it is, and its values as sentences."""
    is_common = (
        thing.name[0].islower()
        and not thing.name.startswith("the ")
        and thing.table.id != "elements"
    )
    name = f"the {thing.name}" if is_common or thing.table.id == "rivers" else thing.name
    first = f"{name} is {_article(thing.table.kind)} {thing.table.kind}."
    details = [
        _value_reply(load_facts(), thing, column, _value(thing, column), "").answers[0]
        for column in thing.table.columns.values()
        if _value(thing, column)
    ]
    opening = first[0].upper() + first[1:]
    subject = name[0].upper() + name[1:]
    details = [re.sub(rf"^{re.escape(subject)} ", "It ", detail) for detail in details]
    joined = [
        f"{opening[:-1]}, and it {detail.removeprefix('It ')}"
        if detail.startswith("It ")
        else f"{opening} {detail}"
        for detail in details or [""]
    ]
    return [
        " ".join([joined[0], *details[1:3]]),
        " ".join([opening, *details[1:3]]),
        " ".join([joined[0], *details[2:4]]),
    ]


def _article(word: str) -> str:
    return "an" if word[0].lower() in "aeio" else "a"


def comparison(text: str) -> Reply | None:
    """Say which of two things is larger, higher or older."""
    match = re.search(
        r"\b(bigger|larger|smaller|higher|taller|older|younger|newer|populous|more people"
        r"|more inhabitants|more moons)\b",
        text,
        re.I,
    )
    hits = [things for _, _, things in load_facts().find_things(text)]
    if (
        not match
        or len(hits) != 2
        or rest_of(text)
        - {match[1].lower(), "more", "moons", "inhabitants", "than", "between"}
        - {word for things in hits for word in words(things[0].name)}
    ):
        return None
    word = match[1].casefold()
    for first in hits[0]:
        for second in hits[1]:
            if first.table is not second.table:
                continue
            column = {
                "planets": "moons" if "moons" in word else "diameter",
                "countries": "population",
                "cities": "population",
                "mountains": "height",
                "programming_languages": "year",
                "books": "year",
            }.get(first.table.id)
            if not column or (column == "year") != (word in ("older", "younger", "newer")):
                continue
            if column == "population" and word in ("higher", "taller"):
                continue
            values = [thing.value(column) for thing in (first, second)]
            if not all(values) or values[0] == values[1]:
                continue
            a, b = map(float, values)
            small = word in ("smaller", "older")
            winner, other = (first, second) if (a < b) == small else (second, first)
            shown = [_value(thing, first.table.columns[column]) for thing in (winner, other)]
            if column == "population":
                rest = f"about {shown[0]} million people live there, {shown[1]} in {other.name}"
                kind = word if word in ("bigger", "larger", "smaller") else "the larger one"
                how = f"by population, {winner.name} is {kind}"
                if word in ("smaller",):
                    how = f"by population, {winner.name} is smaller"
                answers = (
                    f"{how[0].upper()}{how[1:]}: {rest}.",
                    f"{winner.name[0].upper()}{winner.name[1:]}: {rest}.",
                )
            else:
                unit = {
                    "diameter": " km across",
                    "height": " metres high",
                    "year": "",
                    "moons": " moons",
                }[column]
                verb = "from " if column == "year" else ""
                rest = f"{verb}{shown[0]}{unit}, against {shown[1]}{unit}"
                answers = (f"{winner.name} is {word}: {rest}.", f"{winner.name}: {rest}.")
            return Reply("facts", answers, brief=winner.name)
    return None


RANKINGS = {  # word -> (column, True for the largest first)
    "largest": True,
    "biggest": True,
    "populous": True,
    "smallest": False,
    "highest": True,
    "tallest": True,
    "inhabitants": True,
}


def ranking(text: str) -> Reply | None:
    """List the things of a table with the largest or smallest values."""
    known = load_facts()
    match = re.search(
        r"\b(largest|biggest|smallest|highest|tallest|most populous|most inhabitants"
        r"|most people)\b",
        text,
        re.I,
    )
    kinds = known.find_kinds(text)
    if not match or len(kinds) != 1:
        return None
    table = {"country": "countries", "planet": "planets", "mountain": "mountains"}.get(
        kinds[0][2].id
    )
    word = match[1].casefold()
    column = {"countries": "population", "planets": "diameter", "mountains": "height"}.get(
        table or ""
    )
    populous = (
        "populous" in word
        or "inhabitants" in word
        or "people" in word
        or "population" in text.casefold()
    )
    if (
        not column
        or (table == "countries") != populous
        or (word == "smallest" and table != "planets")
    ):
        return None
    count = _count_in(text) or (5 if re.search(rf"\b{kinds[0][2].names[1]}\b", text, re.I) else 1)
    if count > 8 or rest_of(text) - {
        "largest",
        "biggest",
        "smallest",
        "highest",
        "tallest",
        "most",
        "populous",
        "inhabitants",
        "population",
        "earth",
        "list",
        "solar",
        "system",
        "sun",
        str(count),
        *NUMBER_WORDS,
        *kinds[0][2].names,
        "countries",
        "planets",
        "mountains",
    }:
        return None
    ranked = sorted(
        known.tables[table].things,
        key=lambda thing: float(thing.value(column) or 0),
        reverse=word != "smallest",
    )[:count]
    names = [thing.name for thing in ranked]
    if count == 1:
        value = _value_reply(
            known,
            ranked[0],
            known.tables[table].columns[column],
            _value(ranked[0], known.tables[table].columns[column]),
            "",
        )
        return Reply(
            "facts",
            (
                f"{_superlative(names[0], word, kinds[0][2].names[0])} {value.answers[0]}",
                f"It is {names[0]}. {value.answers[0]}",
                f"{names[0][0].upper()}{names[0][1:]}. {value.answers[0]}",
            ),
            brief=names[0],
        )
    listed = _listed(names)
    return Reply("facts", (f"{listed}.", f"In this order: {listed}."), items=tuple(names))


def _superlative(name: str, word: str, kind: str) -> str:
    """Return a sentence that says which thing is the largest of a kind."""
    subject = name[0].upper() + name[1:]
    if word.endswith(("inhabitants", "people")):
        return f"{subject} is the {kind} with the {word}."
    return f"{subject} is the {word} {kind}."


# ---------------------------------------------------------------- kinds


NAME_REQUEST = re.compile(
    r"^\s*(?:(?:please|hey|ok|now|so|and|then|can you|could you|i want you to|i need|i want"
    r"|i'd like|would you|let's see)[, ]+)*"
    r"(?:name|list|tell me|give me|think of|say|suggest|pick|choose|write down|write|enumerate"
    r"|mention|what(?:'s| is| are)|(?:the )?names of"
    r"|state|recommend|provide|generate)?\s*(?:me |us )?(?:a list of |the names? of |names of "
    r"|for me )?"
    r"(all(?: the)?|the|a|an|any|some|another|one|just one|only one|examples? of(?: an?)?"
    r"|(?:a )?few|random|a random|any random|\d{1,2}|two|three|four|five|six|seven|eight|nine"
    r"|ten|a couple of)\s+"
    r"(?:random |different |other |more |common |popular |nice |well-known |famous |examples of "
    r"|kinds of |types of |names? of (?:an? )?)*([\w' -]+?)"
    r"(?: names?)?(?: in the world)?(?: for me)?(?:,? please)?(?: that you know| you know"
    r"| you like)?\s*[.?!]*\s*$",
    re.IGNORECASE,
)


def choices(chat: Chat) -> Reply | None:
    """Name one thing or several of a kind, or a number between two others."""
    if len(chat.text) > MAX_TEXT_LENGTH:
        return None
    return number_between(chat.text) or of_kind(chat) or of_kind_abroad(chat)


REQUEST_ABROAD = {
    "de": re.compile(
        r"^\s*(?:bitte |kannst du (?:mir )?)?(?:nenne?n?|gib|sag|schreibe?|zähle?|kennst du)"
        r"(?: mir| uns| bitte| doch)* (ein(?:e|en|es)?|\d{1,2}|zwei|drei|vier|fünf|sechs|sieben"
        r"|acht|neun|zehn|alle|die) ([\w' ]+?)(?: auf| nennen| bitte)?\s*[.?!]*\s*$",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"^\s*(?:cite|citez|nomme|nommez|donne|donnez|dis|dites)(?:[- ]moi)? (une?|\d{1,2}|deux"
        r"|trois|quatre|cinq|six|sept|huit|neuf|dix|tous les|toutes les|les) ([\w' ]+?)"
        r"(?: s'il (?:te|vous) plaît)?\s*[.?!]*\s*$",
        re.IGNORECASE,
    ),
}
COUNTS_ABROAD = {
    "de": "ein zwei drei vier fünf sechs sieben acht neun zehn",
    "fr": "un deux trois quatre cinq six sept huit neuf dix",
}


def of_kind_abroad(chat: Chat) -> Reply | None:
    """Answer "Nenne drei Tiere" and "Cite trois fruits"."""
    if len(chat.text) > MAX_TEXT_LENGTH:
        return None
    for language, pattern in REQUEST_ABROAD.items():
        match = pattern.match(chat.text.replace("’", "'"))
        kind = load_facts().kind_called(match[2], language) if match else None
        if kind is None:
            continue
        word = match[1].casefold()
        counts = COUNTS_ABROAD[language].split()
        if word.startswith(("alle", "die", "tou", "les")):
            count = "all"
        elif word in counts or word.isdigit():
            count = word if word.isdigit() else str(counts.index(word) + 1)
        else:
            count = "1"
        name = kind.names[0] if count == "1" else kind.names[1]
        text = f"name {'a' if count == '1' else count} {name}"
        form = replace(chat.form, language=chat.form.language or language)
        reply = of_kind(Chat(text, text, chat.earlier, form=form, pairs=chat.pairs))
        return replace(reply, language=form.language) if reply else None
    return None


def whole_kind(chat: Chat) -> Reply | None:
    """Name all things of a kind that has no others: "the days of the week"."""
    match = NAME_REQUEST.match(chat.text) if len(chat.text) <= MAX_TEXT_LENGTH else None
    if not match or match[1].casefold() not in ("the", "all", "all the"):
        return None
    kind = load_facts().kind(match[2].strip())
    return of_kind(chat) if kind and match[2].strip().casefold() != kind.names[0] else None


def meaning_of_kind(chat: Chat) -> Reply | None:
    """Answer "What is a city?" with examples, since the tables have no definitions."""
    match = re.match(r"\s*what(?:'s| is) an? ([\w ]+?)\s*\?*\s*$", chat.text, re.IGNORECASE)
    kind = load_facts().kind(match[1]) if match else None
    return definition(chat) if kind and not load_facts().things(match[1]) else None


def of_kind(chat: Chat) -> Reply | None:
    """Name one thing of a kind, or as many as the message wants."""
    text = chat.text
    if chat.earlier and re.match(
        r"\s*(?:and |now |please )*(?:another|one more)(?: one)?(?:,? please)?\W*$", text, re.I
    ):
        text = chat.earlier[-1]
    text, keeps = _condition(text)
    match = NAME_REQUEST.match(text)
    if not match or not text.split():
        return None
    if re.match(r"\s*what(?:'s| is) an?\b", text, re.I) or len(text.split()) == 1:
        return None
    known = load_facts()
    kind = known.kind(match[2].strip()) or known.kind(singular_of(match[2].strip()))
    if kind is None:
        return None
    how_many = match[1].casefold()
    count = int(how_many) if how_many.isdigit() else NUMBER_WORDS.get(how_many, 1)
    if how_many in ("some", "few", "a few", "examples of", "a couple of"):
        count = 2 if "couple" in how_many else 3
    members, language = list(kind.members), ""
    if chat.form.language in kind.translations and kind.translations[chat.form.language]:
        members, language = list(kind.translations[chat.form.language]), chat.form.language
    elif chat.form.language in ("de", "fr"):
        place = ("de", "fr").index(chat.form.language) + 1
        in_dictionary = {plain(row[0]): row[place] for row in known.dictionary if row[place]}
        translated = [
            in_dictionary[plain(member)] for member in members if plain(member) in in_dictionary
        ]
        if len(translated) >= count:
            members, language = translated, chat.form.language
    if how_many in ("all", "all the", "the"):
        if not kind.complete and kind.names[1:] and match[2].strip() == kind.names[0]:
            return None
        if not kind.complete:
            return None
        count = len(members)
    if keeps:
        members = [member for member in members if keeps(member)]
        if len(members) < count:
            return Reply("choice", (f"I don't know {'one' if count == 1 else count} like that.",))
    if count > len(members):
        return Reply(
            "choice",
            (f"I don't know {count} {kind.names[1]}, only {len(members)}: {_listed(members)}.",),
        )
    before = {word for _, answer in chat.pairs for word in [answer.strip(" .").casefold()]}
    fresh = [member for member in members if member.casefold() not in before] or members
    if count == 1:
        if len(fresh) > MAX_CHOICES:
            step = len(fresh) / MAX_CHOICES
            fresh = [fresh[int(n * step)] for n in range(MAX_CHOICES)]
        answers = tuple(f"{member[0].upper()}{member[1:]}." for member in fresh)
        return Reply(
            "choice",
            answers,
            (_preferred_weight(answers), *[1.0] * (len(answers) - 1)),
            brief=fresh[0],
            items=(),
            language=language,
        )
    lists = [fresh[:count]] if len(fresh) >= count else [members[:count]]
    source = random.Random(kind.id)
    for _ in range(2):
        lists.append(source.sample(members, count))
    listed = [_listed(names, {"de": "und", "fr": "et"}.get(language, "and")) for names in lists]
    answers = tuple(f"{text[0].upper()}{text[1:]}." for text in listed)
    return Reply("choice", answers, items=tuple(lists[0]), language=language)


def _condition(text: str) -> tuple[str, Callable[[str], bool] | None]:
    """Return (text without a condition on the members, the condition or None)."""
    tail = r"[\"'“”‘’]?(\w[\w ]*?)[\"'“”‘’]?\s*[.!?]*\s*$"
    if match := re.search(
        r"[, ]+(?:that |which |whose name )?(?:starts?|begins?|starting"
        r"|beginning) with (?:the letter |an? )?" + tail,
        text,
        re.IGNORECASE,
    ):
        begin = match[1].casefold()
        return text[: match.start()], lambda member: member.casefold().startswith(begin)
    if match := re.search(
        r"[, ]+(?:(?:that|which) (?:is|are) not|other than|except(?: for)?|but not"
        r"|besides) (?:an? |the )?" + tail,
        text,
        re.IGNORECASE,
    ):
        other = plain(match[1])
        return text[: match.start()], lambda member: plain(member) != other
    return text, None


def _preferred_weight(answers: tuple[str, ...]) -> float:
    """Return how often the first answer must count to be likelier than others that begin alike."""
    begins: dict[str, int] = {}
    for answer in answers[1:]:
        begins[answer[:1]] = begins.get(answer[:1], 0) + 1
    return max([3.0, *(count + 1.0 for count in begins.values())])


def singular_of(name: str) -> str:
    head, _, last = name.rpartition(" ")
    ending = last[:-3] + "y" if last.endswith("ies") else last.removesuffix("s")
    return f"{head} {ending}".strip()


def _listed(names: list[str], joint: str = "and") -> str:
    return (
        ", ".join(names[:-1]) + f" {joint} {names[-1]}"
        if len(names) > 2
        else f" {joint} ".join(names)
    )


def _count_in(text: str) -> int:
    for word in words(text):
        if word.isdigit() and int(word) < 100:
            return int(word)
        if NUMBER_WORDS.get(word, 0) > 1:
            return NUMBER_WORDS[word]
    return 0


NUMBER = rf"(-?\d{{1,9}}|{'|'.join(NUMBER_WORDS)})"
BETWEEN = re.compile(
    rf"\bnumber\b[^.?!]*?\b(?:between|from|in the range(?: of| from)?|in)\s+{NUMBER}\s*(?:and|to"
    rf"|-|–|through)\s*{NUMBER}\b"
    rf"|^\W*(?:an? )?(?:random )?number {NUMBER}\s*(?:-|–|to)\s*{NUMBER}\W*$",
    re.IGNORECASE,
)


def number_between(text: str) -> Reply | None:
    """Choose a whole number between two numbers. Those with a 7 or a 3 are likelier."""
    if re.match(r"\s*(?:please )?(?:count)(?: up)?(?: from \w+)? to \w+\W*$", text, re.I):
        return _count(text)
    if re.match(
        r"\W*(?:(?:give|tell) me|pick|choose|say|name|think of|generate) (?:a"
        r"|any)(?: random)? number\W*$",
        text,
        re.I,
    ):
        text = "pick a number between 1 and 100"
    match = BETWEEN.search(text)
    if not match or re.search(
        r"\b(how many|prime|even|odd|what is the (?:sum|number of)|count)\b", text, re.I
    ):
        return None
    if not re.search(
        r"\b(pick|choose|think|give|random|name|say|tell|select|guess|generate|need|want"
        r"|number \d|a number)\b",
        text,
        re.I,
    ):
        return None
    low, high = (
        NUMBER_WORDS[word.casefold()] if word.casefold() in NUMBER_WORDS else int(word)
        for word in match.groups()
        if word
    )
    if low > high:
        low, high = high, low
    if high - low < 60:
        numbers = list(range(low, high + 1))
    else:
        source = random.Random(f"{low}-{high}")
        numbers = sorted({source.randint(low, high) for _ in range(60)})
    first = next((n for n in numbers if str(n).endswith("7")), numbers[len(numbers) // 2])
    numbers.remove(first)
    answers = tuple(f"{n}." for n in (first, *numbers))
    weights = tuple(
        4.0 if place == 0 else 1.6 if "7" in answer or "3" in answer else 1.0
        for place, answer in enumerate(answers)
    )
    return Reply("choice", answers, weights, brief=str(first))


def _count(text: str) -> Reply | None:
    """Count from one number to another, or from one."""
    numbers = [int(word) if word.isdigit() else NUMBER_WORDS.get(word, -1) for word in words(text)]
    ends = [number for number in numbers if number >= 0]
    low, high = (1, ends[0]) if len(ends) == 1 else ends[:2] if len(ends) == 2 else (1, 0)
    if not 0 <= low < high <= 200 or high - low > 100:
        return None
    items = tuple(str(number) for number in range(low, high + 1))
    return Reply("choice", (", ".join(items) + ".",), items=items)


IS_IN = re.compile(
    r"^\s*(?:so |and )?(?:is|are) (.+?) (?:located |situated )?(?:in|on|part of) (.+?)\s*\??\s*$",
    re.IGNORECASE,
)


def location(text: str) -> Reply | None:
    """Say whether a place is in a country or on a continent."""
    match = IS_IN.match(text)
    if not match:
        return None
    known = load_facts()
    target = plain(match[2])
    for thing in known.things(match[1]):
        for column in ("country", "continent"):
            value = thing.value(column)
            is_place = any(plain(other.value(column)) == target for other in thing.table.things)
            if value and is_place:
                name = thing.name[0].upper() + thing.name[1:]
                fits = plain(value) == target or match[2].casefold() in value.casefold()
                return Reply(
                    "facts",
                    (
                        f"{'Yes' if fits else 'No'}, {name} is in {value}.",
                        f"{'Yes' if fits else 'No'}. {name} is in {value}.",
                    ),
                    brief="Yes" if fits else "No",
                )
    return None


WORD_FORM = re.compile(
    r"\b(opposite|antonym|plural|past(?: tense)?|singular)(?: form)? (?:of|for) (?:the (?:word"
    r"|verb) )?[\"'“]?([A-Za-z]+)[\"'”]?\s*[.?!]*$",
    re.I,
)


def word_form(text: str) -> Reply | None:
    """Say the opposite, the plural or the past of a word, if the word lists have it."""
    match = WORD_FORM.search(text.strip())
    if not match:
        return None
    what, word = match[1].casefold(), match[2].casefold()
    lists = load_facts().words
    name = {
        "opposite": "opposites",
        "antonym": "opposites",
        "plural": "plurals",
        "singular": "plurals",
    }.get(what, "past")
    for row in map(str.split, lists[name]):
        places = {"opposites": (0, 1), "plurals": (what == "singular",), "past": (0,)}[name]
        for place in places:
            if row[place] == word:
                other = row[1 - place]
                label = "past tense" if name == "past" else what
                return Reply(
                    "words",
                    (
                        f'The {label} of "{word}" is "{other}".',
                        f"{other.capitalize()}.",
                        f'It is "{other}".',
                    ),
                    brief=other,
                )
    return None


IS_A = re.compile(
    r"^\s*(?:(?:so|and|tell me|hey)[, ]+)*(?:is|are) (?:(?:an?|the) )?([\w' -]+?) (?:really "
    r"|actually )?(?:an?|part of the) ([\w -]+?)\s*\??\s*$",
    re.IGNORECASE,
)


def membership(chat: Chat) -> Reply | None:
    """Say whether a thing belongs to a kind, if the tables can tell."""
    either = re.match(
        r"\s*(?:is|are) (.+?) (an? [\w ]+?),? or (an? [\w ]+?)\s*\?*\s*$", chat.text, re.IGNORECASE
    )
    if either:
        for kind_name in either.groups()[1:]:
            reply = membership(Chat(f"is {either[1]} {kind_name}"))
            if reply and reply.brief == "Yes":
                return Reply(
                    "facts",
                    tuple(
                        re.sub(r"^Yes[,.] (\w)", lambda m: m[1].upper(), a)
                        for a in reply.answers[:1]
                    ),
                    brief=kind_name,
                )
        return None
    match = IS_A.match(chat.text)
    known = load_facts()
    kind = known.kind(match[2].strip()) if match else None
    if kind is None:
        return None
    name = match[1].strip()
    member = any(plain(name) == plain(other) for other in kind.members) or any(
        other is kind for other in known.kinds_of(name)
    )
    things = known.things(name)
    label = f"{_article(kind.names[0])} {kind.names[0]}"
    is_mass = kind.id in UNCOUNTABLE or any(thing.table.id == "elements" for thing in things)
    subject = name if name[0].isupper() or is_mass else f"{_article(name)} {name}"
    if member:
        return Reply(
            "facts",
            (f"Yes, {subject} is {label}.", f"Yes. {subject[0].upper()}{subject[1:]} is {label}."),
            brief="Yes",
        )
    if not (things or known.kinds_of(name)) and not kind.complete:
        return None
    fact = ""
    if kind.by_column:
        table, column, _ = kind.by_column
        other = next(
            (thing for thing in things if thing.table.id == table and thing.value(column)), None
        )
        if other and column in ("class", "group", "state", "type", "continent"):
            value = other.value(column)
            is_noun = column in ("class", "group", "state", "type")
            fact = f"{subject} is {_article(value)} {value}" if is_noun else f"it is not {label}"
    if not fact and kind.complete:
        fact = f"{subject} is not {label}"
        if kind.id == "planet" and len(kind.members) == 8:
            fact += ". The planets of the Sun are " + _listed(list(kind.members))
    if not fact:
        return None
    return Reply("facts", (f"No, {fact}.", f"No. {fact[0].upper()}{fact[1:]}."), brief="No")
