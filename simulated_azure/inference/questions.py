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
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from rapidfuzz.distance import OSA

from ..http import run_to_end
from .facts import load_facts
from .forms import Form, apply, read_form
from .model import MAX_CONTEXT, PREFERRED_COUNT, Topic
from .skills import AFTER_QUESTIONS, BEFORE_QUESTIONS, EXAMPLES, FIRST, Chat, Reply, first_reply
from .skills.given import take_apart
from .skills.knowledge import whole_kind
from .skills.verses import verses_subject
from .tokens import encode
from .words import FILLER_STEMS, MAX_TEXT_LENGTH, stem, words

ANSWERS = Path(__file__).parent / "answers"

# Shares by weight, between 0 and 1, that a text and a form must at least have in common.
FORM_SHARE = 0.8  # of a form
TEXT_SHARE = 0.66  # of the text, in one form
TEXT_SHARE_IN_ALL_FORMS = 0.7  # of the text, in all forms of a question together
CORE_SHARE = 0.7  # of the question's core
CORE_FORMS = 0.5  # the core of a question is the words that at least this share of its forms have

UNKNOWN_WORD_WEIGHT = 5.5
EXACT = 0.99  # the score of a text that has the words of a form and no others
MIN_NEARNESS = 0.25  # the least that a suggested question must share with an unknown one
COMMON_RUN = MAX_CONTEXT - 1  # tokens that no two suggestions may have in common
DEFAULT_EXAMPLES = ("What is a token?", "What is 12 times 7?", "Tell me a joke")
QUESTION_WORDS = frozenset(map(stem, "who when where how why many much".split()))
# Words that make another question of a question
CHANGES = frozenset("second third fourth fifth least former old isn neighbour neighbor".split())
# Words that a message may have which only asks for another form.
WISH_STEMS = FILLER_STEMS | frozenset(map(stem, "again only same it answer reply more all".split()))

# A question for what a word means
DEFINITION = re.compile(
    r"^\W*(?:(?:what(?:'s| is| are) (?:an? |the )?(?:term |word )?[\w-]+"
    r"|what (?:does|do|is meant by) .+?(?: mean)?|define .+|(?:the )?(?:meaning|definition) of .+"
    r"|explain (?:an? |the |what )?[\w-]+|.+ (?:meaning|definition)))\W*$",
    re.IGNORECASE,
)
MEANS = re.compile(
    r"^\W*(?:what (?:does|do) (?!(?:it|that|this|you|they|he|she)\b)"
    r"(?:the (?:word|term) )?[\"'“]?(.+?)[\"'”]? mean"
    r"|(?:define|what is meant by|(?:what is )?the (?:meaning|definition) of|meaning of)"
    r" (.+?))\W*$",
    re.IGNORECASE,
)
ANOTHER = re.compile(
    r"\b(another|one more|a different|a new)\b(?! (?:word|name) for\b)", re.IGNORECASE
)
ANOTHER_ONE = re.compile(
    r"\W*(?:(?:and|please|now|ok|tell me|give me)\W+)*(?:another|one more)(?: one)?"
    r"(?:,? please)?\W*$",
    re.IGNORECASE,
)

# What stands before a phrase that is not meant: "you are not a pirate".
NEGATION = re.compile(r"\b(?:not|never|don't|without)\s(?:\w+\s){0,2}$", re.IGNORECASE)

Messages = Sequence[tuple[str, str]]  # (role, content), oldest first


@dataclass(frozen=True)
class Question:
    """A question of the data files: the forms that ask it, and its answers.

    The answers of all questions are the model's training text. ask: the forms. answers: the
    preferred one first. family: a question can follow any other question of its family, and then
    the short forms in follow ask it, too ("And in France?"). styles: manner -> answers in it.
    is_apart: True if its answers are no training text of the others. They can be changed without
    a change of the probabilities that the lessons show.
    """

    id: str
    ask: tuple[str, ...]
    answers: tuple[str, ...]
    family: str = ""
    follow: tuple[str, ...] = ()
    styles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_apart: bool = False


def load_questions(folder: Path = ANSWERS) -> list[Question]:
    """Return all questions of the data files in a folder, by file name and place in the file."""
    questions = []
    for path in sorted(folder.glob("*.toml")):
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        for entry in data.get("question", ()):
            styles = {manner: tuple(texts) for manner, texts in entry.pop("styles", {}).items()}
            lists = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in entry.items()
            }
            is_apart = data.get("apart", False)
            questions.append(Question(**lists, styles=styles, is_apart=is_apart))
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


class Recogniser:
    """Finds the question whose forms are closest to a text.

    It compares the roots of words: stems, each replaced by the first of its synonyms.
    """

    def __init__(
        self,
        forms: Iterable[tuple[str, str]],
        synonyms: Mapping[str, str],
        examples: Sequence[str] = (),
        names: Iterable[str] = (),
    ):
        """Set the forms, each as (id of its question, text), and the synonyms of load_synonyms.

        examples: prompts of skills, which ``nearest`` may suggest, too. names: words that are no
        typing errors, though no form has them.
        """
        self._synonyms = synonyms
        self._names = frozenset(names)
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
        self._examples = [
            (text, frozenset(map(self._root, words(text))) - FILLER_STEMS) for text in examples
        ]
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

    def says_something_else(self, text: str, id: str) -> bool:
        """Return True if a text has a word that changes a question and that no form of it has.

        That is a name with a capital letter, not as the first word ("in Africa"), one of CHANGES
        ("the second largest"), or the subject of a poem or a story.
        """
        subject = verses_subject(text)
        if (
            id
            and subject
            and not any(
                id in self._ids_with.get(self._root(self.correct_spelling(word)), ())
                for word in words(subject)
                if stem(word) not in FILLER_STEMS
            )
        ):
            return True
        for word in CHANGES.intersection(words(text)):
            if id not in self._ids_with.get(self._root(word), ()):
                return bool(id)
        for match in re.finditer(r"(?<=[\w,'’] )[A-Z]\w+", text):
            (word, *_) = words(match[0]) or [""]
            if word in self._names and id not in self._ids_with.get(self._root(word), ()):
                return bool(id)
        return False

    def nearest(self, text: str, count: int) -> list[str]:
        """Return the ids of the questions that share most with a text, or examples, at most count.

        Fillers do not count. Their cosine must be MIN_NEARNESS.
        """
        roots = self.roots(text) - FILLER_STEMS - QUESTION_WORDS
        text_weight = self.weight(roots)
        shared: Counter[int] = Counter()
        for root in roots:
            for number in self._forms_with.get(root, ()):
                shared[number] += self._weight[root]
        best: dict[str, float] = {}
        for number, common in shared.items():
            id, _ = self._forms[number]
            score = common / math.sqrt(text_weight * self._main_weight[number])
            best[id] = max(best.get(id, 0.0), score)
        for example, form in self._examples:
            if form & roots:
                score = self.weight(form & roots) / math.sqrt(text_weight * self.weight(form))
                best[example] = score
        ranked = sorted(best, key=lambda id: (-best[id], id))
        return [id for id in ranked if best[id] >= MIN_NEARNESS][:count]

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
            or word in self._names
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


@dataclass(frozen=True)
class Understood:
    """What the data files know of a message of the user.

    id: the question that it asks. manner: the manner of speaking that it asks for, or "". form: the
    form of the answer that it asks for. is_exact: True if it has nearly the words of a form.
    is_near: True if it has most of them. is_wish: True if it only asks for another form or manner.
    """

    id: str
    manner: str = ""
    form: Form = Form()
    is_exact: bool = False
    is_near: bool = False
    is_wish: bool = False


def _shown(forms: Sequence[str]) -> str:
    """Return the form of a question to show: a whole sentence without quotation marks, or ""."""
    plain = [form for form in forms if '"' not in form and form[0].isupper()]
    return next((form for form in plain if form.endswith("?")), plain[0] if plain else "")


def _without_common_runs(texts: Iterable[str]) -> list[str]:
    """Return the texts that have no long run of tokens in common with one before them.

    After such a run the model would not know in which text it is, and could go round for ever.
    """
    kept, runs = [], set()
    for text in texts:
        tokens = encode(f' "{text}"')
        own = {tuple(tokens[n : n + COMMON_RUN]) for n in range(len(tokens) - COMMON_RUN + 1)}
        if text and not runs & own:
            kept.append(text)
            runs |= own
    return kept


def _form_in(message: str) -> tuple[Form, str]:
    """Return (the form that a message asks for, the rest of it). A given text is not read."""
    given = take_apart(message)
    if given is None:
        return read_form(message[:MAX_TEXT_LENGTH])
    form, _ = read_form(given.task)
    return form, message


def _topic_of_reply(reply: Reply, form: Form) -> Topic:
    """Return the topic of a skill's reply in a form."""
    answers = apply(
        form, reply.answers, brief=reply.brief, items=reply.items, language=reply.language
    )
    return _topic(reply.skill, answers, reply.weights, reply.skill)


def _topic(name: str, answers: Sequence[str], weights: Sequence[float], skill: str) -> Topic:
    """Return a topic. Answers that are equal are one, with their weights together."""
    shares = weights or [1.0 if number else PREFERRED_COUNT for number in range(len(answers))]
    together: dict[str, float] = {}
    for answer, share in zip(answers, shares, strict=True):
        together[answer] = together.get(answer, 0.0) + share
    is_plain = not weights and len(together) == len(answers)
    return Topic.of(name, map(encode, together), () if is_plain else [*together.values()], skill)


def _by_skill(question: Question, form: Form) -> Reply | None:
    """Return a skill's answer to a question of the data files, which has more forms; or None."""
    for text in question.ask:
        reply = first_reply(AFTER_QUESTIONS, Chat(text, text, form=form))
        if reply:
            return reply
    return None


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
            ((q.id, form) for q in self._questions.values() for form in q.ask),
            synonyms,
            EXAMPLES,
            load_facts().name_words(),
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
        self._understand = lru_cache(maxsize=1024)(self._understand_message)
        self._find_topic = lru_cache(maxsize=256)(self._find_topic_of)

    @property
    def topics(self) -> list[Topic]:
        """Return the topics that are the training text of the model."""
        return [
            topic for (id, _), topic in self._topics.items() if not self._questions[id].is_apart
        ]

    def topic_of(self, messages: Messages) -> Topic:
        """Return the topic of the next answer, after messages that end with the user's last one."""
        return run_to_end(self.topic_in_steps(messages))

    def topic_in_steps(self, messages: Messages) -> Generator[float, None, Topic]:
        """Return what ``topic_of`` returns. Yield 0.0 after each message of the user.

        Earlier messages matter. A follow-up refers to the question before it. The manner that a
        system message asks for ("Answer in one sentence.") stays until the user asks for another.
        """
        manner, understood = "", Understood("")
        system_form, wish = Form(), Form()
        system: list[str] = []
        user_messages: list[str] = []
        answers: dict[str, str] = {}  # message of the user -> the assistant's answer
        for role, content in messages:
            if role == "user":
                understood = self._understand(content, understood.id)
                manner = understood.manner or manner
                if understood.is_wish and user_messages:
                    wish |= understood.form
                else:
                    wish = Form()
                    user_messages.append(content)
                yield 0.0
            elif role in ("system", "developer"):
                manner = self._manner_in(content)[0] or manner
                system_form |= read_form(content[:MAX_TEXT_LENGTH])[0]
                system.append(content)
            elif role == "assistant" and user_messages:
                answers[user_messages[-1]] = content
        *earlier, message = user_messages or [""]
        own_form, text = _form_in(message)
        chat = Chat(
            text,
            message,
            tuple(earlier),
            "\n".join(system),
            system_form | own_form | wish,
            tuple((text, answers[text]) for text in earlier if text in answers),
        )
        yield 0.0
        form = system_form | (understood.form | wish)
        return self._find_topic(chat, understood, manner, form)

    def _find_topic_of(self, chat: Chat, understood: Understood, manner: str, form: Form) -> Topic:
        """Return the topic of the answer to a conversation. ``_find_topic`` is its cache.

        form: what counts for an answer of the data files.
        """
        reply = self._reply(chat, understood)
        if reply:
            return _topic_of_reply(reply, Form() if reply.is_fixed else chat.form)
        if understood.id in ("", "unknown"):
            form = Form()
        return self._topic_in_form(understood.id or "unknown", manner, form, chat)

    def _reply(self, chat: Chat, understood: Understood) -> Reply | None:
        """Return the reply of a skill, or None if a question of the data files goes first."""
        if understood.is_wish and understood.id not in ("", "unknown"):
            return None
        reply = first_reply(FIRST, chat)
        if not reply and not understood.is_exact:
            reply = first_reply(BEFORE_QUESTIONS, chat)
        if not reply and not understood.is_near:
            reply = first_reply(AFTER_QUESTIONS, chat)
        return reply

    def _topic_in_form(self, id: str, manner: str, form: Form, chat: Chat) -> Topic:
        """Return the topic of a question of the data files, in a manner and a form."""
        topic = self._topics.get((id, manner))
        has_manner = topic is not None
        question = self._questions[id]
        answers = question.styles[manner] if has_manner and manner else question.answers
        if id == "unknown":
            answers = self._with_nearest(answers, chat.message)
        if manner == "short" and not has_manner:
            form = Form(sentences=1) | form
        language = "fr" if manner == "french" and has_manner else ""
        wants_brief = form.words or form.is_brief
        if id != "unknown" and (wants_brief or form.language and language != form.language):
            reply = _by_skill(question, form)
            if reply and (reply.brief if wants_brief else reply.language == form.language):
                return _topic_of_reply(reply, form)
        if id != "unknown" and ANOTHER.search(chat.message):
            said = [answer for _, answer in chat.pairs]
            fresh = [answer for answer in answers if answer not in said]
            answers = [*fresh, *(answer for answer in answers if answer in said)]
        changed = apply(form, answers, language=language)
        if changed == list(answers) and id != "unknown":
            return topic or self._topics[id, ""]
        skill = "unknown" if id == "unknown" else "form"
        return _topic(topic.name if topic else id, changed, (), skill)

    def _with_nearest(self, answers: Sequence[str], message: str) -> list[str]:
        """Return the answers to an unknown question, with the questions that are nearest to it."""
        nearest = self._recogniser.nearest(message, 2 * len(DEFAULT_EXAMPLES))
        if not nearest:
            return list(answers)
        texts = [_shown(self._questions[id].ask) if id in self._questions else id for id in nearest]
        texts = _without_common_runs(dict.fromkeys([*texts, *DEFAULT_EXAMPLES]))
        quoted = [f'"{text}"' for text in texts[: len(DEFAULT_EXAMPLES)]]
        listed = f"Try {', '.join(quoted[:-1])} or {quoted[-1]}"
        return [
            re.sub(r'Try "[^"]*", "[^"]*" or "[^"]*"', lambda _: listed, text) for text in answers
        ]

    def _understand_message(self, text: str, previous: str) -> Understood:
        """Return which question of the data files a message of the user asks, and in which form.

        previous: the id of the question before it, or "".
        """
        form, without_form = _form_in(text[:MAX_TEXT_LENGTH])
        text = text[:MAX_TEXT_LENGTH]
        family = self._questions[previous].family if previous else ""
        score, id = self._recognise(text, family)
        if not id and previous not in ("", "unknown") and ANOTHER_ONE.match(text):
            return Understood(previous, "", form, is_near=True, is_exact=True)
        if id and form.language and previous and id != previous:
            rest = self._recogniser.roots(without_form)
            names_language = any(
                {"german", "french"} & {*words(follow)} for follow in self._questions[id].follow
            )
            if rest <= WISH_STEMS and not names_language and self._can_say(previous, form):
                return Understood(previous, self._manner_in(text)[0], form, is_wish=True)
        if id:
            is_part = form == Form() or self._recognise(without_form, family)[1] != id
            own = Form() if is_part else form
            return Understood(id, "", own, is_exact=score > EXACT, is_near=True)
        manner, rest = self._manner_in(text)
        rest = read_form(rest)[1]
        if (manner or form != Form()) and self._recogniser.roots(rest) <= WISH_STEMS:
            return Understood(previous, manner, form, is_wish=True)
        if form != Form():
            score, id = self._recognise(without_form, family)
            if id:
                return Understood(id, manner, form, is_exact=score > EXACT, is_near=True)
        id = self._recogniser.by_core(text)
        if self._recogniser.says_something_else(text, id) or not self._defines(text, id):
            id = ""
        if not id and (match := MEANS.match(text)):
            score, id = self._recognise(f"What is {match[1] or match[2]}?", family)
            if id:
                return Understood(id, manner, form, is_near=True)
        if id or not manner:
            return Understood(id or "unknown", "", form)
        score, id = self._recognise(rest, family)
        if id:
            return Understood(id, manner, form, is_exact=score > EXACT, is_near=True)
        return Understood(self._recogniser.by_core(rest) or "unknown", manner, form)

    def _wants_all(self, text: str, id: str) -> bool:
        """Return True if a text wants all of a kind ("the days of the week"), the question not."""
        if not id or not whole_kind(Chat(text, text)):
            return False
        return not any(whole_kind(Chat(form, form)) for form in self._questions[id].ask)

    def _defines(self, text: str, id: str) -> bool:
        """Return False if a text asks what a word means, and the question asks something else."""
        if not id or not DEFINITION.match(text):
            return True
        return any(DEFINITION.match(form) for form in self._questions[id].ask)

    def _can_say(self, id: str, form: Form) -> bool:
        """Return True if the answer to a question can be given in the language of a form."""
        question = self._questions[id]
        if form.language == "fr" and "french" in question.styles:
            return True
        reply = _by_skill(question, form)
        return reply is not None and reply.language == form.language

    def _recognise_text(self, text: str, family: str) -> tuple[float, str]:
        """Return (score, id) of the question of which a text is a form; (0, "") if there is none.

        family: that of the question before it, whose short forms count, too; "" for none.
        """
        alone = self._recogniser.by_form(text)
        if self._recogniser.says_something_else(text, alone[1]) or self._wants_all(text, alone[1]):
            alone = (0.0, "")
        recogniser = self._follow_up_recognisers.get(family)
        follow_up = recogniser.by_form(text) if recogniser else (0.0, "")
        return follow_up if follow_up[0] >= alone[0] else alone

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
