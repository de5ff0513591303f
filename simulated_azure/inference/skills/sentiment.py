"""The sentiment of a text, by a list of words. The confidence grows with the words that agree."""

from __future__ import annotations

import math
import re
from functools import cache

from ..facts import load_facts
from ..words import stem, words
from .chat import Chat, Reply
from .given import Given, take_apart, tempt

ASKS = re.compile(
    r"\b(sentiment|positive|negative|mood|tone|good or bad|bad or good|happy or (?:un)?\w+"
    r"|satisfied|feels?|feeling"
    r"|opinion)\b",
    re.IGNORECASE,
)
ASKS_OF_TEXT = re.compile(
    r"\b(is|are|does|do|did|how|what|classify|rate|judge|determine|label|tell|decide|say|sentiment|analy[sz]e|detect)\b",
    re.IGNORECASE,
)
# Pairs of words that a prompt may use for positive and negative
LABELS = {
    "happy": "positive",
    "good": "positive",
    "glad": "positive",
    "pleased": "positive",
    "satisfied": "positive",
    "content": "positive",
    "favourable": "positive",
    "favorable": "positive",
    "friendly": "positive",
    "optimistic": "positive",
    "praise": "positive",
    "sad": "negative",
    "bad": "negative",
    "unhappy": "negative",
    "angry": "negative",
    "upset": "negative",
    "dissatisfied": "negative",
    "unsatisfied": "negative",
    "disappointed": "negative",
    "unfavourable": "negative",
    "unfavorable": "negative",
    "unfriendly": "negative",
    "hostile": "negative",
    "pessimistic": "negative",
    "complaint": "negative",
}
LABEL_PAIR = re.compile(
    rf"\b({'|'.join(LABELS)})\b,? or (?:an? |is it |was it )?\b({'|'.join(LABELS)})\b",
    re.IGNORECASE,
)
# "Happy or sad? My dog died."
PAIR_FIRST = re.compile(
    rf"^\s*(?:\w+ ){{0,6}}?{LABEL_PAIR.pattern}\s*[?:]\s+(.{{6,}})$", re.IGNORECASE | re.DOTALL
)
CONFIDENCE = re.compile(
    r"\b(confiden\w+|how (?:sure|certain)|probabilit\w+|score|percent\w*)\b", re.IGNORECASE
)
STEEPNESS = 0.8  # how fast the confidence grows with the score
NEUTRAL_WEIGHT = 2.0  # what "neutral" weighs against the other two if no word speaks


@cache
def _weights() -> dict[str, float]:
    lists = load_facts().words["sentiment"]
    weights = {}
    for name, value in (
        ("positive", 1.0),
        ("negative", -1.0),
        ("strong_positive", 2.0),
        ("strong_negative", -2.0),
    ):
        weights |= {stem(word): value for word in lists[name].split()}
    return weights


@cache
def _word_set(name: str) -> frozenset[str]:
    return frozenset(load_facts().words["sentiment"][name].split())


def score(text: str) -> float:
    """Return the sum of the weights of a text's words, above 0 for a positive text.

    A negation among the three words before turns the weight round. What stands after "but" counts
    half as much again.
    """
    total = 0.0
    factor = 1.0
    all_words = words(text.replace("n't", "n not").replace("n’t", "n not"))
    for place, word in enumerate(all_words):
        if word in ("but", "however"):
            factor = 1.5
        weight = _weights().get(stem(word))
        if weight is None:
            continue
        before = all_words[max(0, place - 3) : place]
        if "nothing" in before and "special" in all_words[place : place + 1]:
            continue
        if any(other in _word_set("negations") for other in before):
            weight *= -0.7
        if any(other in _word_set("intensifiers") for other in before[-1:]):
            weight *= 1.5
        total += factor * weight
    return total


def shares(text: str) -> dict[str, float]:
    """Return the shares of positive, negative and neutral, which sum to 1."""
    value = score(text)
    raw = {
        "positive": math.exp(STEEPNESS * value),
        "negative": math.exp(-STEEPNESS * value),
        "neutral": NEUTRAL_WEIGHT * math.exp(-STEEPNESS * abs(value) / 4),
    }
    total = sum(raw.values())
    return {label: share / total for label, share in raw.items()}


def judge(text: str) -> tuple[str, float]:
    """Return (label, confidence) of a text.

    >>> judge("Good food.")[0]
    'positive'
    """
    label, share = max(shares(text).items(), key=lambda item: item[1])
    return label, share


def reviewed_text(chat: Chat) -> str:
    """Return the text whose sentiment a message asks for, or ""."""
    given = take_apart(chat.message)
    if given and (ASKS.search(given.task) or ASKS.search(chat.system)):
        return given.text
    if ASKS.search(chat.system) and len(words(chat.message)) >= 2:
        return chat.message
    return ""


def sentiment(chat: Chat) -> Reply | None:
    """Answer whether a text is positive, negative or neutral."""
    given = take_apart(chat.message)
    if (
        given
        and (ASKS.search(given.task) or LABEL_PAIR.search(given.task))
        and ASKS_OF_TEXT.search(given.task + ":sentiment")
    ):
        text, task = given.text, given.task
    elif match := re.match(
        r"\s*(?:sentiment|tone|mood)(?: of| in)?\s*[:?-]?\s+(.{6,})$", chat.message, re.I | re.S
    ):
        text, task, given = match[1], "sentiment", None
    elif match := PAIR_FIRST.match(chat.message):
        text, task, given = match[3], chat.message[: match.start(3)], None
    elif chat.system and re.search(r"\bsentiment|positive\b.*\bnegative", chat.system, re.I):
        text, task, given = chat.message, chat.system, None
    else:
        return None
    if re.search(r"\b(electron|proton|charge|number)\b", text, re.I):
        return None
    parts = shares(text)
    if pair := LABEL_PAIR.search(task):
        return _one_of_labels(pair, parts, given, chat)
    ranked = sorted(parts, key=lambda label: -parts[label])
    if match := re.search(
        r"\b(?:from )?(?:1|one) (?:to|-) (5|10|five|ten)\b|\b(stars?)\b", task, re.IGNORECASE
    ):
        top = 10 if match[1] in ("10", "ten") else 5
        number = 1 + (top - 1) * (parts["positive"] + parts["neutral"] / 2)
        low = min(int(number), top - 1)
        reply = Reply(
            "sentiment",
            (f"{round(number)}.", f"{low + (round(number) == low)}."),
            (number % 1 + 1, 1.0),
        )
        return tempt(reply, given, chat) if given else reply
    if CONFIDENCE.search(task):
        answers = tuple(
            f"{label.capitalize()} ({parts[label]:.0%} confident)." for label in ranked[:1]
        )
        reply = Reply("sentiment", answers, brief=answers[0])
    else:
        answers = tuple(f"{label.capitalize()}." for label in ranked)
        reply = Reply(
            "sentiment", answers, tuple(10 * parts[label] for label in ranked), brief=ranked[0]
        )
    return tempt(reply, given, chat) if given else reply


def _one_of_labels(
    pair: re.Match[str], parts: dict[str, float], given: Given | None, chat: Chat
) -> Reply | None:
    """Answer with one of two labels that a prompt names in place of positive and negative."""
    first, second = pair[1].casefold(), pair[2].casefold()
    if LABELS[first] == LABELS[second]:
        return None
    if parts["positive"] == parts["negative"]:
        return Reply(
            "sentiment",
            (
                f"I cannot tell: no word of the text says {first} or {second} to me.",
                f"Neither: I know no word of it that is {first} or {second}.",
            ),
        )
    ranked = sorted((first, second), key=lambda label: -parts[LABELS[label]])
    answers = tuple(f"{label.capitalize()}." for label in ranked)
    weights = tuple(10 * parts[LABELS[label]] for label in ranked)
    reply = Reply("sentiment", answers, weights, brief=ranked[0])
    return tempt(reply, given, chat) if given else reply
