"""Answers in the playground: from chunks to texts, tokens and their probabilities.

Everything here is pure: no widget, no network.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

from helpers.playground.costs import Usage

END_OF_TURN = ("<|im_end|>", "<|endoftext|>", "<|end|>")  # tokens that end an answer
MAX_DESCRIBED = 5  # other tokens, where there is little room
LONGEST_CHARACTER = 4  # bytes, in UTF-8


@dataclass(frozen=True)
class Option:
    """A token that may stand at a place. content: its bytes, a part of a character perhaps."""

    text: str
    logprob: float
    content: bytes

    @property
    def probability(self) -> float:
        return math.exp(self.logprob)

    @property
    def ends_answer(self) -> bool:
        return self.text in END_OF_TURN


@dataclass(frozen=True)
class Token(Option):
    """A token of an answer, with the likeliest tokens of its place, the likeliest first."""

    options: tuple[Option, ...] = ()


@dataclass
class Answer:
    """One answer, as far as it has arrived. finish_reason: None until the server gives one."""

    text: str = ""
    tokens: list[Token] = field(default_factory=list)
    finish_reason: str | None = None

    @property
    def has_probabilities(self) -> bool:
        """True if the tokens make up the whole text."""
        return bool(self.tokens) or not self.text


@dataclass
class Answers:
    """The answers to one request. ``add`` takes chunks of a stream, or a whole reply.

    by_index: the answers by their number. usage: of the whole request, None until the server tells
    it. origin: the server's ``system_fingerprint``.
    """

    by_index: dict[int, Answer] = field(default_factory=dict)
    usage: Usage | None = None
    model: str = ""
    origin: str = ""
    chunks: int = 0

    @classmethod
    def going_on(cls, tokens: Sequence[Token]) -> Answers:
        """Return an answer that has these tokens already."""
        text = b"".join(token.content for token in tokens).decode("utf-8", "replace")
        return cls({0: Answer(text, [*tokens])})

    @property
    def are_complete(self) -> bool:
        """True if a finish reason of each answer has arrived."""
        return bool(self.by_index) and all(each.finish_reason for each in self.by_index.values())

    @property
    def list(self) -> list[Answer]:
        """All answers in the order of their numbers."""
        return [answer for _, answer in sorted(self.by_index.items())]

    def add(self, chunk: Mapping[str, Any]) -> None:
        """Add a chunk or a reply: of the SDK, or decoded JSON. What is missing in it is skipped."""
        self.chunks += 1
        self.model = chunk.get("model") or self.model
        self.origin = chunk.get("system_fingerprint") or self.origin
        if usage := chunk.get("usage"):
            counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
            self.usage = Usage(1, *(int(count or 0) for count in counts))
        for choice in chunk.get("choices") or ():
            answer = self.by_index.setdefault(choice.get("index") or 0, Answer())
            piece = choice.get("delta") or choice.get("message") or {}
            answer.text += piece.get("content") or ""
            report = choice.get("logprobs") or {}
            answer.tokens += map(token_of, report.get("content") or ())
            if reason := choice.get("finish_reason"):
                answer.finish_reason = str(getattr(reason, "value", reason))


def token_of(item: Mapping[str, Any]) -> Token:
    """Return the token in an item of ``logprobs.content``.

    >>> token_of({"token": "Hi", "logprob": 0.0}).probability
    1.0
    """
    options = tuple(map(_option_of, item.get("top_logprobs") or ()))
    own = _option_of(item)
    return Token(own.text, own.logprob, own.content, options)


def _option_of(item: Mapping[str, Any]) -> Option:
    text = str(item.get("token") or "")
    content = text.encode() if item.get("bytes") is None else bytes(item["bytes"])
    return Option(text, float(item.get("logprob") or 0.0), content)


def beginning(tokens: Sequence[Token], place: int, option: Option) -> list[Token]:
    """Return the tokens before a place and, at the place, another token.

    Raises ValueError if they are not a text, because the last one is a part of a character.
    """
    taken = [*tokens[:place], Token(*_fields(option), tokens[place].options)]
    try:
        text_of(taken)
    except UnicodeDecodeError:
        raise ValueError(
            f"{visible(option)} is only a part of a character, so no answer can go on from it"
        ) from None
    return taken


def text_of(tokens: Iterable[Option]) -> str:
    """Return the text of tokens, without those that end an answer.

    Raises UnicodeDecodeError if the last token is a part of a character.
    """
    return b"".join(token.content for token in tokens if not token.ends_answer).decode()


def _fields(option: Option) -> tuple[str, float, bytes]:
    return option.text, option.logprob, option.content


def visible(token: Option) -> str:
    r"""Return a token in quotation marks, so that its spaces and line breaks can be seen.

    Of a part of a character, the bytes are returned.

    >>> print(visible(Option(" Paris", 0.0, b" Paris")), visible(Option("?", 0.0, bytes([240]))))
    ' Paris' b'\xf0'
    """
    try:
        token.content.decode()
    except UnicodeDecodeError:
        return repr(token.content)
    return repr(token.text)


def percent(probability: float) -> str:
    """Return a probability as a percentage.

    >>> percent(0.796), percent(1e-9)
    ('79.6 %', '<0.1 %')
    """
    return f"{probability:.1%}".replace("%", " %") if probability >= 0.001 else "<0.1 %"


def others(token: Token) -> list[Option]:
    """Return the likeliest other tokens of a token's place.

    >>> others(Token("A", 0.0, b"A", (Option("A", 0.0, b"A"), Option("B", -1.0, b"B"))))
    [Option(text='B', logprob=-1.0, content=b'B')]
    """
    return [option for option in token.options if option.content != token.content]


def describe(token: Token, most: int = MAX_DESCRIBED) -> str:
    """Return a token, its probability, and what else could have stood there.

    most: of the other tokens.

    >>> describe(Token("A", math.log(0.5), b"A", (Option("B", math.log(0.25), b"B"),)))
    "'A' 50.0 %, or 'B' 25.0 %"
    """
    options = others(token)
    texts = [f"{visible(option)} {percent(option.probability)}" for option in options[:most]]
    if len(options) > most:
        texts.append(f"{len(options) - most} more")
    own = f"{visible(token)} {percent(token.probability)}"
    return f"{own}, or {', '.join(texts)}" if texts else own


def characters(tokens: Iterable[Token]) -> Iterator[tuple[str, list[Token]]]:
    """Yield texts with the tokens that they are made of.

    Most tokens are a text alone. Some are only a part of a character, such as an emoji; those of
    one character come together. Tokens that end an answer are left out.
    """
    group: list[Token] = []
    for token in tokens:
        if token.ends_answer:
            continue
        group.append(token)
        content = b"".join(each.content for each in group)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            if len(content) < LONGEST_CHARACTER + len(token.content):
                continue
            text = content.decode("utf-8", "replace")
        yield text, group
        group = []
    if group:
        yield b"".join(each.content for each in group).decode("utf-8", "replace"), group


def tally(answers: Sequence[Answer], most: int = 8) -> str:
    """Return how often each text came among several answers, the most frequent first.

    >>> tally([Answer("Blue."), Answer("Red."), Answer("Blue.")])
    '3 answers: 2 Blue. | 1 Red.'
    """
    counts = Counter(answer.text.strip() for answer in answers).most_common()
    texts = [f"{count} {shorten(text, 40, placeholder=' ...')}" for text, count in counts[:most]]
    if rest := sum(count for _, count in counts[most:]):
        texts.append(f"{rest} others")
    return f"{len(answers)} answers: {' | '.join(texts)}"


def ending(answer: Answer, has_stop_texts: bool = False) -> str:
    """Return why an answer ended, in words; "" while it may go on.

    has_stop_texts: True if the request named texts before which an answer ends.

    >>> ending(Answer(finish_reason="stop"), has_stop_texts=True)
    'It is complete (finish reason stop: the end of the turn, or a stop text).'
    """
    why = ": the end of the turn, or a stop text" if has_stop_texts else ""
    reasons = {
        "stop": f"It is complete (finish reason stop{why}).",
        "length": "It was cut off at max_tokens or the context's end (finish reason length).",
        "content_filter": "A content filter ended it (finish reason content_filter).",
    }
    reason = answer.finish_reason
    return reasons.get(reason, f"It ended for the reason {reason}.") if reason else ""


def notes(answers: Answers, wants_probabilities: bool) -> list[str]:
    """Return what is missing in complete answers, in words."""
    missing = []
    if not answers.by_index:
        missing.append("The endpoint sent no answer: no event of its stream had one.")
    elif any(answer.finish_reason is None for answer in answers.list):
        missing.append("The stream broke off: no finish reason came, so text may be missing.")
    if wants_probabilities and not all(answer.has_probabilities for answer in answers.list):
        missing.append("The endpoint sent no log-probabilities, so no token is coloured.")
    if answers.by_index and answers.usage is None:
        missing.append("The endpoint sent no usage, so these tokens are not in the costs.")
    return missing
