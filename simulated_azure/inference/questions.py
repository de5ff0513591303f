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
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import snowballstemmer
from rapidfuzz.distance import OSA

from ..http import run_to_end
from . import skills
from .model import Topic
from .tokens import encode

ANSWERS = Path(__file__).parent / "answers"
KNOWN_SHARE = 0.8  # of a known form, by weight, that must stand in what was asked
ASKED_SHARE = 0.66  # of what was asked, by weight, that must stand in the known form
ASKED_OF_ALL = (
    0.7  # of what was asked, that must stand in one known form of the question or another
)
CORE_SHARE = 0.7  # of what a question's forms have in common, that must be asked
CORE_FORMS = 0.5  # share of its forms that a word must stand in to count as common
UNKNOWN_WORD = 5.5  # weight of a word that stands in no known form
LONGEST_MESSAGE = 2000  # characters that are looked at

# Words that may be there or not.
FILLERS = frozenset(
    """a an the is are was were be been do does did of in on at to for from by with it its this that these there and or
    so then now also just really me my i we us you your please hey hi hello hallo ok okay well can could would will
    should may might tell give show let want need know like about some any kindly quick quickly briefly question
    pls plz please what which have has had get got one explain describe say write make something someone s t m re ve ll d am if as
    um uh er erm hmm wonder wondering ask help exactly actually maybe""".split()
)
REFUSED = re.compile(
    r"\b(?:not|never|don't|without)\s(?:\w+\s){0,2}$", re.IGNORECASE
)  # "you are not a pirate"
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
            lists = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in entry.items()
            }
            questions.append(Question(**lists, styles=styles))
    return questions


def load_manners(folder: Path = ANSWERS) -> dict[str, tuple[str, ...]]:
    """Manners of speaking and the phrases that ask for them, longest first."""
    text = (folder / "manners.toml").read_text(encoding="utf-8")
    return {
        name: tuple(sorted(phrases, key=len, reverse=True))
        for name, phrases in tomllib.loads(text).items()
    }


def load_synonyms(folder: Path = ANSWERS) -> dict[str, str]:
    """Word -> the word that stands for it, both as stems."""
    groups = tomllib.loads((folder / "synonyms.toml").read_text(encoding="utf-8"))["groups"]
    return {stem(word): stem(group[0]) for group in groups for word in group}


def words(text: str) -> list[str]:
    """The words of a text without case, accents and punctuation.

    >>> words("What's the CAPITAL of France?")
    ['what', 's', 'the', 'capital', 'of', 'france']
    """
    plain = unicodedata.normalize("NFKD", text[:LONGEST_MESSAGE].casefold())
    return WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))


stem = lru_cache(maxsize=8192)(snowballstemmer.stemmer("english").stemWord)
FILLER_STEMS = frozenset(map(stem, FILLERS))


class Recogniser:
    """Finds the question that a text comes closest to."""

    def __init__(self, forms: Iterable[tuple[str, str]], synonyms: Mapping[str, str]):
        """``forms``: (id, a way to ask for it)."""
        self._synonyms = synonyms
        texts = [(id, words(form)) for id, form in forms]
        self._known_words = {word for _, form in texts for word in form}
        self._forms = [(id, frozenset(map(self._root, form))) for id, form in texts]
        ids_with: dict[str, set[str]] = {}
        for id, form in self._forms:
            for root in form:
                ids_with.setdefault(root, set()).add(id)
        self._ids_with = ids_with
        count = len({id for id, _ in self._forms})
        self._weight = {
            root: math.log((count + 1) / (len(ids) + 0.5)) for root, ids in ids_with.items()
        }
        self._with_root: dict[str, list[int]] = {}
        for number, (_, form) in enumerate(self._forms):
            for root in form:
                self._with_root.setdefault(root, []).append(number)
        self._main_weight = [self.weight(form - FILLER_STEMS) for _, form in self._forms]
        self._core = self._cores()
        self.spelled = lru_cache(maxsize=4096)(self._spelled)

    def weight(self, roots: Iterable[str]) -> float:
        """How much words tell together: the rarer each is among the questions, the more."""
        return sum(self._weight.get(root, UNKNOWN_WORD) for root in roots)

    def roots(self, text: str) -> frozenset[str]:
        """The words of a text, spelled as known and reduced to what stands for them."""
        return frozenset(self._root(self.spelled(word)) for word in words(text))

    def by_form(self, text: str) -> tuple[float, str]:
        """(score between 0 and 1, id) of the question with the closest form; (0, "") if none is close enough.

        The score is the harmonic mean of two shares: of the form's weight that was asked, and of the asked weight that
        stands in the form. Fillers count only where both have them.
        """
        asked = self.roots(text)
        main, fillers = asked - FILLER_STEMS, asked & FILLER_STEMS
        asked_weight, most_fillers = self.weight(main), self.weight(fillers)
        shared: Counter[int] = Counter()
        for root in main or fillers:
            weight = self._weight.get(root, UNKNOWN_WORD) if main else 0.0
            for number in self._with_root.get(root, ()):
                shared[number] += weight
        best = (0.0, 0, "")
        for number, common in shared.items():
            missing = self._main_weight[number] - common
            if common + most_fillers < KNOWN_SHARE * (common + most_fillers + missing):
                continue  # not even with all fillers shared
            id, form = self._forms[number]
            common_fillers = self.weight(fillers & form)
            both = common + common_fillers
            known_share, asked_share = (
                both / (both + missing),
                both / (asked_weight + common_fillers),
            )
            if known_share >= KNOWN_SHARE and asked_share >= ASKED_SHARE:
                best = max(
                    best,
                    (
                        2 * known_share * asked_share / (known_share + asked_share),
                        -len(asked ^ form),
                        id,
                    ),
                )
        return best[0], best[2]

    def by_core(self, text: str) -> tuple[float, str]:
        """The same by what all forms of a question have in common: nearly all of that must be asked, and nearly all
        that is asked must stand in one form of it or another."""
        main = self.roots(text) - FILLER_STEMS
        asked_weight = self.weight(main)
        known: Counter[str] = Counter()
        for root in main:
            for id in self._ids_with.get(root, ()):
                known[id] += self._weight[root]
        best = (0.0, "")
        for id, common in known.items():
            core = self._core.get(id)
            if core and common >= ASKED_OF_ALL * asked_weight:
                core_share = self.weight(core & main) / self.weight(core)
                if core_share >= CORE_SHARE:
                    best = max(best, (core_share * common / asked_weight, id))
        return best

    def _cores(self) -> dict[str, frozenset[str]]:
        """id -> the words, fillers apart, that stand in at least half of its forms."""
        forms_of: dict[str, list[frozenset[str]]] = {}
        for id, form in self._forms:
            forms_of.setdefault(id, []).append(form - FILLER_STEMS)
        cores = {}
        for id, forms in forms_of.items():
            counts = Counter(root for form in forms for root in form)
            cores[id] = frozenset(
                root for root, count in counts.items() if count >= CORE_FORMS * len(forms)
            )
        return cores

    def _root(self, word: str) -> str:
        root = stem(word)
        return self._synonyms.get(root, root)

    def _spelled(self, word: str) -> str:
        """The known word that an unknown one is a misspelling of: same first letter, one error in 4 to 7 letters,
        two in more. Otherwise the word itself."""
        root = self._root(word)
        if (
            word in self._known_words
            or root in self._weight
            or root in FILLER_STEMS
            or len(word) < 4
            or word[0].isdigit()
        ):
            return word
        errors = 1 if len(word) < 8 else 2
        near = [
            (distance, abs(len(known) - len(word)), known)
            for known in self._known_words
            if known[0] == word[0]
            and (distance := OSA.distance(word, known, score_cutoff=errors)) <= errors
        ]
        return min(near)[2] if near else word


class Conversation:
    """Follows a conversation from question to question, to the topic of its last message."""

    def __init__(
        self,
        questions: Iterable[Question],
        manners: Mapping[str, tuple[str, ...]],
        synonyms: Mapping[str, str],
    ):
        self._questions = {question.id: question for question in questions}
        self._topics = {}  # (question id, manner or "") -> Topic
        for question in self._questions.values():
            for manner, answers in {"": question.answers, **question.styles}.items():
                name = f"{question.id}/{manner}" if manner else question.id
                self._topics[question.id, manner] = Topic.of(name, map(encode, answers))
        self._manners = manners
        self._asked = Recogniser(
            ((q.id, form) for q in self._questions.values() for form in q.ask), synonyms
        )
        families = {q.family for q in self._questions.values() if q.family and q.follow}
        self._followed = {
            family: Recogniser(
                (
                    (q.id, form)
                    for q in self._questions.values()
                    if q.family == family
                    for form in q.follow
                ),
                synonyms,
            )
            for family in families
        }
        self._recognise = lru_cache(maxsize=4096)(self._recognise_text)

    @property
    def topics(self) -> list[Topic]:
        """All topics: the whole training text of the model."""
        return list(self._topics.values())

    def topic_of(self, messages: Messages) -> Topic:
        """Return what the next answer is to be about."""
        return run_to_end(self.topic_in_steps(messages))

    def topic_in_steps(self, messages: Messages) -> Generator[float, None, Topic]:
        """Return what the next answer is to be about, giving way after each message. History counts: a follow-up refers to the question before it, and
        the manner that a system message asks for ("Answer in one sentence.") stays until the user asks for another."""
        manner, question, computed = "", "", None
        heard: list[str] = []  # what the user said so far
        for role, content in messages:
            if role == "user":
                question, asked_manner, computed = self._understand(content, question, heard)
                manner = asked_manner or manner
                heard.append(content)
                yield 0.0
            elif role in ("system", "developer"):
                manner = self._manner_in(content)[0] or manner
        if computed:
            return computed
        return self._topics.get((question, manner)) or self._topics[question or "unknown", ""]

    def _understand(
        self, text: str, previous: str, heard: Sequence[str]
    ) -> tuple[str, str, Topic | None]:
        """(question id, manner asked for, topic computed for this text) of one user message."""
        answers = skills.answers_to(text, heard)
        if answers:
            return "", "", Topic.of("computed", map(encode, answers))
        text = text[:LONGEST_MESSAGE]
        family = self._questions[previous].family if previous else ""
        id = self._recognise(text, family)
        if id:
            return id, "", None
        manner, rest = self._manner_in(text)
        if manner and previous and self._asked.roots(rest) <= FILLER_STEMS:
            return previous, manner, None
        id = self._asked.by_core(text)[1]
        if id or not manner:
            return id or "unknown", "", None
        return (
            self._recognise(rest, family) or self._asked.by_core(rest)[1] or "unknown",
            manner,
            None,
        )

    def _recognise_text(self, text: str, family: str) -> str:
        """The id of the question that a text asks in a known form, after one of the given family; "" if none."""
        alone = self._asked.by_form(text)
        followed = self._followed[family].by_form(text) if family in self._followed else (0.0, "")
        return (followed if followed[0] >= alone[0] else alone)[1]

    def _manner_in(self, text: str) -> tuple[str, str]:
        """The manner that a text asks for, and the text without the phrase that asks; ("", text) if none."""
        for manner, phrases in self._manners.items():
            for phrase in phrases:
                match = re.search(
                    rf"\b{re.escape(phrase)}\b", text[:LONGEST_MESSAGE], re.IGNORECASE
                )
                if match and not REFUSED.search(text[: match.start()]):
                    return manner, text[: match.start()] + " " + text[match.end() :]
        return "", text
