"""Recognise which question a conversation asks, and find the topic of the next answer.

The data files give each question several forms, which are ways to ask it. A text is compared with
all forms by its words. Their order, case and punctuation do not matter, small typing errors are
corrected, and rare words have more weight than common ones (inverse document frequency).

The answer "I don't know that one" is better than the answer to another question. So a text must
contain nearly all of a form, and little else.
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

# Shares by weight, between 0 and 1, that a text and a form must at least have in common.
FORM_SHARE = 0.8  # of a form
TEXT_SHARE = 0.66  # of the text, in one form
TEXT_SHARE_IN_ALL_FORMS = 0.7  # of the text, in all forms of a question together
CORE_SHARE = 0.7  # of the question's core
CORE_FORMS = 0.5  # the core of a question is the words that at least this share of its forms have

UNKNOWN_WORD_WEIGHT = 5.5
MAX_TEXT_LENGTH = 2000  # characters; the rest of a longer message is ignored

# Words that say little about which question is asked. They count only if text and form have them.
FILLERS = frozenset(
    """a an the is are was were be been do does did of in on at to for from by with it its this that
    these there and or so then now also just really me my i we us you your please hey hi hello hallo
    ok okay well can could would will should may might tell give show let want need know like about
    some any kindly quick quickly briefly question pls plz please what which have has had get got
    one explain describe say write make something someone s t m re ve ll d am if as um uh er erm hmm
    wonder wondering ask help exactly actually maybe""".split()
)
# What stands before a phrase that is not meant: "you are not a pirate".
NEGATION = re.compile(r"\b(?:not|never|don't|without)\s(?:\w+\s){0,2}$", re.IGNORECASE)
WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")

Messages = Sequence[tuple[str, str]]  # (role, content), oldest first


@dataclass(frozen=True)
class Question:
    """A question of the data files: the forms that ask it, and its answers.

    The answers of all questions are the model's training text. ask: the forms. answers: the
    preferred one first. family: a question can follow any other question of its family, and then
    the short forms in follow ask it, too ("And in France?"). styles: manner -> answers in it.
    """

    id: str
    ask: tuple[str, ...]
    answers: tuple[str, ...]
    family: str = ""
    follow: tuple[str, ...] = ()
    styles: dict[str, tuple[str, ...]] = field(default_factory=dict)


def load_questions(folder: Path = ANSWERS) -> list[Question]:
    """Return all questions of the data files in a folder, by file name and place in the file."""
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
    """Return the manners of speaking: name -> the phrases that ask for it, the longest first."""
    text = (folder / "manners.toml").read_text(encoding="utf-8")
    return {
        name: tuple(sorted(phrases, key=len, reverse=True))
        for name, phrases in tomllib.loads(text).items()
    }


def load_synonyms(folder: Path = ANSWERS) -> dict[str, str]:
    """Return the synonyms: stem of a word -> stem of the first word of its group."""
    groups = tomllib.loads((folder / "synonyms.toml").read_text(encoding="utf-8"))["groups"]
    return {stem(word): stem(group[0]) for group in groups for word in group}


def words(text: str) -> list[str]:
    """Return the words of a text, in lower case and without accents and punctuation.

    Only the first MAX_TEXT_LENGTH characters are read.

    >>> words("What's the CAPITAL of France?")
    ['what', 's', 'the', 'capital', 'of', 'france']
    """
    plain = unicodedata.normalize("NFKD", text[:MAX_TEXT_LENGTH].casefold())
    return WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Return the stem of an English word.

    Each call has a stemmer of its own, since a stemmer cannot serve two threads at once.

    >>> stem("languages")
    'languag'
    """
    return snowballstemmer.stemmer("english").stemWord(word)


FILLER_STEMS = frozenset(map(stem, FILLERS))


class Recogniser:
    """Finds the question whose forms are closest to a text.

    It compares the roots of words: stems, each replaced by the first of its synonyms.
    """

    def __init__(self, forms: Iterable[tuple[str, str]], synonyms: Mapping[str, str]):
        """Set the forms, each as (id of its question, text), and the synonyms of load_synonyms."""
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
        self._forms_with: dict[str, list[int]] = {}
        for number, (_, form) in enumerate(self._forms):
            for root in form:
                self._forms_with.setdefault(root, []).append(number)
        self._main_weight = [self.weight(form - FILLER_STEMS) for _, form in self._forms]
        self._core = self._cores()
        self.correct_spelling = lru_cache(maxsize=4096)(self._correct_spelling)

    def weight(self, roots: Iterable[str]) -> float:
        """Return the weight of roots together. The fewer questions use a root, the more it has."""
        return sum(self._weight.get(root, UNKNOWN_WORD_WEIGHT) for root in roots)

    def roots(self, text: str) -> frozenset[str]:
        """Return the roots of the words of a text, after its typing errors are corrected."""
        return frozenset(self._root(self.correct_spelling(word)) for word in words(text))

    def by_form(self, text: str) -> tuple[float, str]:
        """Return (score, id) of the question with the closest form; (0, "") if none is close.

        The score is between 0 and 1. It is the harmonic mean of two shares by weight: the share of
        the form that is in the text, and the share of the text that is in the form. Fillers count
        only if both have them.
        """
        roots = self.roots(text)
        main, fillers = roots - FILLER_STEMS, roots & FILLER_STEMS
        main_weight, filler_weight = self.weight(main), self.weight(fillers)
        shared: Counter[int] = Counter()
        for root in main or fillers:
            weight = self._weight.get(root, UNKNOWN_WORD_WEIGHT) if main else 0.0
            for number in self._forms_with.get(root, ()):
                shared[number] += weight
        best = (0.0, 0, "")
        for number, common in shared.items():
            missing = self._main_weight[number] - common
            upper_bound = common + filler_weight  # what text and form share if it has all fillers
            if upper_bound < FORM_SHARE * (upper_bound + missing):
                continue
            id, form = self._forms[number]
            common_fillers = self.weight(fillers & form)
            both = common + common_fillers
            form_share = both / (both + missing)
            text_share = both / (main_weight + common_fillers)
            if form_share >= FORM_SHARE and text_share >= TEXT_SHARE:
                score = 2 * form_share * text_share / (form_share + text_share)
                best = max(best, (score, -len(roots ^ form), id))
        return best[0], best[2]

    def by_core(self, text: str) -> str:
        """Return the id of the question whose core is closest to a text; "" if none is close.

        The core is the words that most forms of the question have in common. The text must contain
        nearly all of it, and nearly all of the text must be in one form of the question or another.
        """
        main = self.roots(text) - FILLER_STEMS
        main_weight = self.weight(main)
        common_weight: Counter[str] = Counter()
        for root in main:
            for id in self._ids_with.get(root, ()):
                common_weight[id] += self._weight[root]
        best = (0.0, "")
        for id, common in common_weight.items():
            core = self._core.get(id)
            if core and common >= TEXT_SHARE_IN_ALL_FORMS * main_weight:
                core_share = self.weight(core & main) / self.weight(core)
                if core_share >= CORE_SHARE:
                    best = max(best, (core_share * common / main_weight, id))
        return best[1]

    def _cores(self) -> dict[str, frozenset[str]]:
        """Return the core of each question by id: the roots that half of its forms have or more.

        Fillers do not belong to it.
        """
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
        """Return the stem of a word, or the stem that stands for it and its synonyms."""
        root = stem(word)
        return self._synonyms.get(root, root)

    def _correct_spelling(self, word: str) -> str:
        """Return the known word of which a word is a misspelling, else the word itself.

        The first letter must be the same. A word of 4 to 7 letters may have one error, a longer
        one two.
        """
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
    """Finds the topic of the next answer in a conversation."""

    def __init__(
        self,
        questions: Iterable[Question],
        manners: Mapping[str, tuple[str, ...]],
        synonyms: Mapping[str, str],
    ):
        """Set what load_questions, load_manners and load_synonyms return."""
        self._questions = {question.id: question for question in questions}
        self._topics = {}  # (question id, manner or "") -> Topic
        for question in self._questions.values():
            for manner, answers in {"": question.answers, **question.styles}.items():
                name = f"{question.id}/{manner}" if manner else question.id
                self._topics[question.id, manner] = Topic.of(name, map(encode, answers))
        self._manners = manners
        self._recogniser = Recogniser(
            ((q.id, form) for q in self._questions.values() for form in q.ask), synonyms
        )
        families = {q.family for q in self._questions.values() if q.family and q.follow}
        self._follow_up_recognisers = {
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
        """Return all topics, which are the whole training text of the model."""
        return list(self._topics.values())

    def topic_of(self, messages: Messages) -> Topic:
        """Return the topic of the next answer, after messages that end with the user's last one."""
        return run_to_end(self.topic_in_steps(messages))

    def topic_in_steps(self, messages: Messages) -> Generator[float, None, Topic]:
        """Return what ``topic_of`` returns. Yield 0.0 after each message of the user.

        Earlier messages matter. A follow-up refers to the question before it. The manner that a
        system message asks for ("Answer in one sentence.") stays until the user asks for another.
        """
        manner, question, computed = "", "", None
        user_messages: list[str] = []
        for role, content in messages:
            if role == "user":
                question, new_manner, computed = self._understand(content, question, user_messages)
                manner = new_manner or manner
                user_messages.append(content)
                yield 0.0
            elif role in ("system", "developer"):
                manner = self._manner_in(content)[0] or manner
        if computed:
            return computed
        return self._topics.get((question, manner)) or self._topics[question or "unknown", ""]

    def _understand(
        self, text: str, previous: str, earlier: Sequence[str]
    ) -> tuple[str, str, Topic | None]:
        """Return (question id, manner, topic) of one message of the user.

        previous: the id of the question before it, or "". earlier: the user's earlier messages,
        oldest first. The manner is "" if the message asks for none. The topic is None, except for
        an answer that is computed.
        """
        answers = skills.answers_to(text, earlier)
        if answers:
            return "", "", Topic.of("computed", map(encode, answers))
        text = text[:MAX_TEXT_LENGTH]
        family = self._questions[previous].family if previous else ""
        id = self._recognise(text, family)
        if id:
            return id, "", None
        manner, rest = self._manner_in(text)
        if manner and previous and self._recogniser.roots(rest) <= FILLER_STEMS:
            return previous, manner, None
        id = self._recogniser.by_core(text)
        if id or not manner:
            return id or "unknown", "", None
        return (
            self._recognise(rest, family) or self._recogniser.by_core(rest) or "unknown",
            manner,
            None,
        )

    def _recognise_text(self, text: str, family: str) -> str:
        """Return the id of the question of which a text is a form; "" if there is none.

        family: that of the question before it, whose short forms count, too; "" for none.
        """
        alone = self._recogniser.by_form(text)
        recogniser = self._follow_up_recognisers.get(family)
        follow_up = recogniser.by_form(text) if recogniser else (0.0, "")
        return (follow_up if follow_up[0] >= alone[0] else alone)[1]

    def _manner_in(self, text: str) -> tuple[str, str]:
        """Return (manner, rest of the text) if a text asks for a manner, else ("", text).

        The rest is the text without the phrase that asks.
        """
        for manner, phrases in self._manners.items():
            for phrase in phrases:
                match = re.search(
                    rf"\b{re.escape(phrase)}\b", text[:MAX_TEXT_LENGTH], re.IGNORECASE
                )
                if match and not NEGATION.search(text[: match.start()]):
                    return manner, text[: match.start()] + " " + text[match.end() :]
        return "", text
