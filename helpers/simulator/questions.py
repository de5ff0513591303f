"""Which question is being asked: from a conversation to the topic that the language model speaks about.

A question is recognised by its words, rare ones counting more than common ones (inverse document frequency), whatever
their order, case and punctuation, and with small typing errors. An honest "I don't know that one" is preferred to a
wrong match: nearly all of a known form must be there, and little else may stand beside it.
"""

from __future__ import annotations

import math
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from rapidfuzz.distance import OSA

from . import skills
from .model import Topic
from .tokens import encode

ANSWERS = Path(__file__).parent / "answers"
KNOWN_SHARE = 0.8  # of a known form, by weight, that must stand in what was asked
ASKED_SHARE = 0.66  # of what was asked, by weight, that must stand in the known form
UNKNOWN_WORD = 4.5  # weight of a word that stands in no known form
LONGEST_MESSAGE = 2000  # characters that are looked at

# Words that may be there or not.
FILLERS = frozenset(
    """a an the is are was were be been do does did of in on at to for from by with it its this that these there and or
    so then now also just really me my i we us you your please hey hi hello hallo ok okay well can could would will
    should may might tell give show let want need know like about some any kindly quick quickly briefly question thanks
    what which have has had get got one explain describe say write make something someone s t m re ve ll d am if as
    wonder wondering ask help exactly actually maybe""".split()
)
WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")

Messages = Sequence[tuple[str, str]]  # (role, content), oldest first


@dataclass(frozen=True)
class Question:
    """One entry of the training text: how it is asked, and what may be answered."""

    id: str
    ask: tuple[str, ...]
    answers: tuple[str, ...]
    family: str = ""  # questions of one family follow from one another ...
    follow: tuple[str, ...] = ()  # ... in these short forms ("And in France?")
    styles: dict[str, tuple[str, ...]] = field(default_factory=dict)  # manner -> answers in it


def load_questions(folder: Path = ANSWERS) -> list[Question]:
    """All questions of the data files."""
    questions = []
    for path in sorted(folder.glob("*.toml")):
        for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("question", ()):
            styles = {manner: tuple(texts) for manner, texts in entry.pop("styles", {}).items()}
            lists = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
            questions.append(Question(**lists, styles=styles))
    return questions


def load_manners(folder: Path = ANSWERS) -> dict[str, tuple[str, ...]]:
    """Manners of speaking and the phrases that ask for them, longest first."""
    text = (folder / "manners.toml").read_text(encoding="utf-8")
    return {name: tuple(sorted(phrases, key=len, reverse=True)) for name, phrases in tomllib.loads(text).items()}


def words(text: str) -> list[str]:
    """The words of a text without case, accents, punctuation and plural s.

    >>> words("What's the CAPITAL of France?")
    ['what', 's', 'the', 'capital', 'of', 'france']
    """
    plain = unicodedata.normalize("NFKD", text[:LONGEST_MESSAGE].casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return [word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] not in "siu" else word for word in WORD.findall(plain)]


class Recogniser:
    """Finds the known form that a text comes closest to."""

    def __init__(self, forms: Iterable[tuple[str, str]]):
        """``forms``: (id, a way to ask for it)."""
        self._forms = [(id, frozenset(words(form))) for id, form in forms]
        self._with_word: dict[str, list[int]] = {}
        ids_with: dict[str, set[str]] = {}
        for number, (id, form) in enumerate(self._forms):
            for word in form:
                self._with_word.setdefault(word, []).append(number)
                ids_with.setdefault(word, set()).add(id)
        count = len({id for id, _ in self._forms})
        self._weight = {word: math.log((count + 1) / (len(ids) + 0.5)) for word, ids in ids_with.items()}
        self.spelled = lru_cache(maxsize=4096)(self._spelled)

    def weight(self, word: str) -> float:
        """How much a word tells: the rarer, the more."""
        return self._weight.get(word, UNKNOWN_WORD)

    def best(self, text: str) -> tuple[str, float] | None:
        """(id, score between 0 and 1) of the closest known form, or None if none is close enough."""
        asked = {self.spelled(word) for word in words(text)}
        shared: Counter[int] = Counter()
        for word in asked:
            for number in self._with_word.get(word, ()):
                shared[number] += self.weight(word)
        asked_weight = sum(self.weight(word) for word in asked - FILLERS)
        found = None
        for number, common in shared.items():
            id, form = self._forms[number]
            fillers_shared = sum(self.weight(word) for word in asked & form & FILLERS)
            known_share = common / (common + sum(self.weight(word) for word in form - asked - FILLERS))
            asked_share = common / (asked_weight + fillers_shared) if asked_weight else common / (common + 1e-9)
            if known_share >= KNOWN_SHARE and asked_share >= ASKED_SHARE:
                score = 2 * known_share * asked_share / (known_share + asked_share)
                missing = len(asked ^ form)
                if found is None or (score, -missing) > found[1:]:
                    found = (id, score, -missing)
        return found[:2] if found else None

    def _spelled(self, word: str) -> str:
        """The known word that an unknown one is a misspelling of: same first letter, one error in 4 to 7 letters,
        two in more. Otherwise the word itself."""
        if word in self._weight or word in FILLERS or len(word) < 4 or word[0].isdigit():
            return word
        errors = 1 if len(word) < 8 else 2
        near = [(OSA.distance(word, known, score_cutoff=errors), known) for known in self._weight if known[0] == word[0]]
        distance, known = min(near, default=(errors + 1, word))
        return known if distance <= errors else word


class Conversation:
    """Follows a conversation from question to question, to the topic of its last message."""

    def __init__(self, questions: Iterable[Question], manners: dict[str, tuple[str, ...]]):
        self._questions = {question.id: question for question in questions}
        self._topics = {}  # (question id, manner or "") -> Topic
        for question in self._questions.values():
            for manner, answers in {"": question.answers, **question.styles}.items():
                name = f"{question.id}/{manner}" if manner else question.id
                self._topics[question.id, manner] = Topic.of(name, map(encode, answers))
        self._manners = manners
        self._asked = Recogniser((q.id, form) for q in self._questions.values() for form in q.ask)
        families = {q.family for q in self._questions.values() if q.family and q.follow}
        self._followed = {
            family: Recogniser((q.id, form) for q in self._questions.values() if q.family == family for form in q.follow)
            for family in families
        }
        self._recognise = lru_cache(maxsize=4096)(self._recognise_text)

    @property
    def topics(self) -> list[Topic]:
        """All topics: the whole training text of the model."""
        return list(self._topics.values())

    def topic_of(self, messages: Messages) -> Topic:
        """What the next answer is to be about. History counts: a follow-up refers to the question before it, and
        the manner that a system message asks for ("Answer in one sentence.") stays until the user asks for another."""
        manner, question, computed = "", "", None
        heard: list[str] = []  # what the user said so far
        for role, content in messages:
            if role == "user":
                question, asked_manner, computed = self._understand(content, question, heard)
                manner = asked_manner or manner
                heard.append(content)
            elif role in ("system", "developer"):
                manner = self._manner_in(content)[0] or manner
        if computed:
            return computed
        return self._topics.get((question, manner)) or self._topics[question or "unknown", ""]

    def _understand(self, text: str, previous: str, heard: Sequence[str]) -> tuple[str, str, Topic | None]:
        """(question id, manner asked for, topic computed for this text) of one user message."""
        answers = skills.answers_to(text, heard)
        if answers:
            return "", "", Topic.of("computed", map(encode, answers))
        family = self._questions[previous].family if previous else ""
        id = self._recognise(text, family)
        if id:
            return id, "", None
        manner, rest = self._manner_in(text)
        if not manner:
            return "unknown", "", None
        if set(words(rest)) <= FILLERS and previous:
            return previous, manner, None
        return self._recognise(rest, family) or "unknown", manner, None

    def _recognise_text(self, text: str, family: str) -> str:
        """The id of the question that a text asks, after one of the given family; "" if none is known."""
        alone = self._asked.best(text)
        followed = self._followed[family].best(text) if family in self._followed else None
        candidates = [found for found in (alone, followed) if found]
        return max(candidates, key=lambda found: found[1])[0] if candidates else ""

    def _manner_in(self, text: str) -> tuple[str, str]:
        """The manner that a text asks for, and the text without the phrase that asks; ("", text) if none."""
        for manner, phrases in self._manners.items():
            for phrase in phrases:
                match = re.search(rf"\b{re.escape(phrase)}\b", text[:LONGEST_MESSAGE], re.IGNORECASE)
                if match:
                    return manner, text[: match.start()] + " " + text[match.end() :]
        return "", text
