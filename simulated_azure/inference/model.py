"""A language model small enough to read: a back-off n-gram over a few hundred answers, and a real sampler.

The next token is predicted from the tokens before it, by looking where the same run of tokens stands in the training
text and what came next there. Long runs count first; what they leave open is handed to shorter runs, and in the end to
single tokens (Witten and Bell's back-off, in Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language
Modeling", 1998, section 2.6). The answers to the recognised question weigh fully, the rest of the text a little, so that
at a high temperature a sentence can wander from one answer into another.

Every probability is exact over all 100,352 tokens of Phi-4: a few hundred are held one by one, all the others share
one background distribution.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import merge
from itertools import accumulate

from .tokens import IM_END, IM_SEP, VOCABULARY_SIZE

LONGEST_RUN = 8  # tokens of context that are looked at
PREFERRED = 3.0  # how often the first answer of a topic counts; the others count once
ELSEWHERE = 0.002  # what an occurrence in another topic's answers counts
OPENNESS = 0.25  # how readily a run of tokens leaves room for what did not follow it in the text; 1 is Witten and Bell's
FLOOR = 0.001  # share of the background that all tokens have alike, those never seen included


@dataclass(frozen=True, eq=False)
class Topic:
    """What may be said: a name and some answers as token ids, the preferred one first. Each answer runs from the
    token that opens the assistant's turn (im_sep) to the one that closes it (im_end)."""

    name: str
    answers: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, name: str, answers: Iterable[Sequence[int]]) -> Topic:
        return cls(name, tuple((IM_SEP, *answer, IM_END) for answer in answers))


@dataclass(frozen=True)
class Sampling:
    """The sampling parameters of a request.

    temperature: 0 takes the most likely token; 1 draws from the model's own distribution. top_p: 0 to 1.
    logit_bias: token id -> number added to its logit. Penalties: subtracted from the logits of tokens already given.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)


class Background:
    """How common each token is in the whole text, mixed with a little of every token alike."""

    def __init__(self, counts: Mapping[int, float]):
        total = sum(counts.values())
        self.floor = FLOOR / VOCABULARY_SIZE
        self._seen = {
            token: (1 - FLOOR) * count / total + self.floor for token, count in counts.items()
        }
        self.tokens = sorted(
            self._seen, key=lambda token: (-self._seen[token], token)
        )  # most common first
        self.heated = lru_cache(maxsize=64)(self._heated)

    def probability(self, token: int) -> float:
        """p(token), whatever stands before it."""
        return self._seen.get(token, self.floor)

    def unseen(self) -> Iterator[int]:
        """The tokens that stand nowhere in the text, in the order of their ids. All have the probability ``floor``."""
        return (token for token in range(VOCABULARY_SIZE) if token not in self._seen)

    def _heated(self, temperature: float) -> array:
        """Running sums of p ** (1 / temperature) over ``tokens``; the last item is the sum over all tokens."""
        powers = [self._seen[token] ** (1 / temperature) for token in self.tokens]
        unseen = (VOCABULARY_SIZE - len(self.tokens)) * self.floor ** (1 / temperature)
        return array("d", accumulate([*powers, unseen]))

    def draw(self, temperature: float, random: Callable[[], float]) -> int:
        """A token drawn from the heated background."""
        sums = self.heated(temperature)
        place = bisect_right(sums, random() * sums[-1])
        if place < len(self.tokens):
            return self.tokens[place]
        while (token := int(random() * VOCABULARY_SIZE)) in self._seen:
            pass
        return token


@dataclass(frozen=True)
class Distribution:
    """Probabilities of the next token: ``named[token] + weight * background.probability(token)``, summing to 1."""

    named: Mapping[int, float]
    weight: float
    background: Background

    def probability(self, token: int) -> float:
        return self.named.get(token, 0.0) + self.weight * self.background.probability(token)

    def logprob(self, token: int) -> float:
        """The natural logarithm of the probability."""
        return math.log(self.probability(token))

    def most_likely(self, count: int) -> list[tuple[int, float]]:
        """The ``count`` most likely tokens and their log-probabilities, likeliest first (ties: lower id first)."""
        candidates = {*self.named, *self.background.tokens[: count + len(self.named)]}
        ranked = sorted((-self.logprob(token), token) for token in candidates)
        return [(token, -negated) for negated, token in ranked[:count]]


class Sampler:
    """A distribution after bias, penalties, temperature and top_p, in that order; ``draw`` takes a token from it.

    The order is vLLM's, and so is the arithmetic: bias is added to the logit; a token that was given ``n`` times loses
    ``n * frequency_penalty + presence_penalty``; logits are divided by the temperature; top_p keeps the smallest set
    of likeliest tokens whose probabilities reach it.
    """

    def __init__(self, distribution: Distribution, sampling: Sampling, given: Mapping[int, int]):
        logits = {
            token: distribution.logprob(token)
            for token in {*distribution.named, *sampling.logit_bias, *given}
        }
        for token, bias in sampling.logit_bias.items():
            logits[token] += bias
        for token, times in given.items():
            logits[token] -= (
                times * sampling.frequency_penalty + (times > 0) * sampling.presence_penalty
            )
        self._background, self._temperature = distribution.background, sampling.temperature
        self._named = logits
        if sampling.temperature == 0:
            self._keep([(1.0, self._argmax(distribution))])
        else:
            self._heat(distribution, sampling)

    def _argmax(self, distribution: Distribution) -> int:
        """The token with the highest logit; of equals the one with the lowest id."""
        background, named = self._background, self._named
        others = (background.tokens, background.unseen())
        candidates = [
            next((token for token in tokens if token not in named), None) for tokens in others
        ]  # the best of each
        logits = {
            token: distribution.logprob(token) for token in candidates if token is not None
        } | named
        return min(logits, key=lambda token: (-logits[token], token))

    def _heat(self, distribution: Distribution, sampling: Sampling) -> None:
        temperature, background = sampling.temperature, self._background
        log_weight = math.log(distribution.weight)
        top = max(log_weight, *self._named.values())  # subtracted so that exp never overflows
        weights = sorted(
            (
                (math.exp((logit - top) / temperature), token)
                for token, logit in self._named.items()
            ),
            key=lambda item: (-item[0], item[1]),
        )
        scale = math.exp((log_weight - top) / temperature)
        already = sum(background.probability(token) ** (1 / temperature) for token in self._named)
        rest = max(0.0, background.heated(temperature)[-1] - already) * scale
        total = sum(weight for weight, _ in weights) + rest
        if sampling.top_p < 1:
            self._keep(self._nucleus(weights, scale, sampling.top_p * total))
        else:
            self._keep(weights, rest)

    def _nucleus(
        self, weights: list[tuple[float, int]], scale: float, mass: float
    ) -> list[tuple[float, int]]:
        """The likeliest tokens whose weights reach ``mass``: at least one."""
        background, power = self._background, 1 / self._temperature
        others = (
            (scale * background.probability(token) ** power, token)
            for tokens in (background.tokens, background.unseen())
            for token in tokens
            if token not in self._named
        )
        kept: list[tuple[float, int]] = []
        reached = 0.0
        for weight, token in merge(weights, others, key=lambda item: -item[0]):
            kept.append((weight, token))
            reached += weight
            if reached >= mass:
                break
        return kept

    def _keep(self, weights: list[tuple[float, int]], rest: float = 0.0) -> None:
        self._tokens = array("i", [token for _, token in weights])
        sums = array("d", accumulate(weight for weight, _ in weights))
        self._total = sums[-1] + rest
        if not rest:
            self._total = sums[-1]
            sums.pop()  # so that rounding can never point past the last token
        self._sums = sums

    def draw(self, random: Callable[[], float]) -> int:
        """A token id. ``random`` returns numbers in [0, 1)."""
        place = bisect_right(self._sums, random() * self._total)
        if place < len(self._tokens):
            return self._tokens[place]
        while (token := self._background.draw(self._temperature, random)) in self._named:
            pass
        return token


class LanguageModel:
    """The n-gram model over the answers of all topics."""

    def __init__(self, topics: Iterable[Topic]):
        self._text = array("i")  # all answers, one after another
        self._owner = array("i")  # the number of the topic that each place of the text belongs to
        self._number: dict[Topic, int] = {}
        for number, topic in enumerate(topics):
            self._number[topic] = number
            for answer in topic.answers:
                self._text.extend(answer)
                self._owner.extend([number] * len(answer))
        pairs = (  # (two tokens as one number, the place after them)
            (_pair(self._text[place - 2], self._text[place - 1]), place)
            for place in range(2, len(self._text))
            if self._text[place] != IM_SEP and self._text[place - 1] != IM_SEP
        )
        ordered = sorted(pairs)
        self._pairs, self._after = (
            array("q", [pair for pair, _ in ordered]),
            array("i", [place for _, place in ordered]),
        )
        self.background = Background(Counter(token for token in self._text if token != IM_SEP))
        self.distribution = lru_cache(maxsize=512)(self._distribution)
        self._sampler = lru_cache(maxsize=8192)(self._make_sampler)

    def generate(
        self, topic: Topic, sampling: Sampling, random: Callable[[], float]
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Tokens, one drawn after another, without end; the caller stops, at im_end for example.

        Each comes with its context, for which ``distribution(topic, context)`` gives the probabilities.
        """
        context: tuple[int, ...] = (IM_SEP,)
        given: Counter[int] = Counter()
        is_wide = (
            sampling.temperature > 1 > sampling.top_p
        )  # many tokens kept, and seldom asked for twice
        history_counts = bool(
            sampling.logit_bias or sampling.presence_penalty or sampling.frequency_penalty
        )
        while True:
            if history_counts or is_wide:
                sampler = Sampler(self.distribution(topic, context), sampling, given)
            else:
                sampler = self._sampler(topic, context, sampling.temperature, sampling.top_p)
            token = sampler.draw(random)
            yield token, context
            given[token] += 1
            context = (*context[1 - LONGEST_RUN :], token)

    def _make_sampler(
        self, topic: Topic, context: tuple[int, ...], temperature: float, top_p: float
    ) -> Sampler:
        return Sampler(self.distribution(topic, context), Sampling(temperature, top_p), {})

    def _distribution(self, topic: Topic, context: tuple[int, ...]) -> Distribution:
        """p(next token | topic, the tokens before it), which are at most LONGEST_RUN."""
        matches: dict[
            int, list[tuple[int, float]]
        ] = {}  # length of the run -> (token after it, what it counts)
        for length, token, count in (
            *self._in_answers(topic, context),
            *self._elsewhere(topic, context),
        ):
            matches.setdefault(length, []).append((token, count))
        named: dict[int, float] = {}
        counts: Counter[int] = Counter()
        left = 1.0  # the probability that longer runs have not given away
        openness = (
            OPENNESS if len(context) > 1 else OPENNESS / 20
        )  # how an answer begins is known well
        for length in range(max(matches, default=0), -1, -1):
            for token, count in matches.get(length, ()):
                counts[token] += count
            kinds = openness * sum(
                min(1.0, count) for count in counts.values()
            )  # Witten and Bell's T
            total = sum(counts.values()) + kinds
            for token, count in counts.items():
                named[token] = named.get(token, 0.0) + left * count / total
            left *= kinds / total if total else 1.0
        return Distribution(named, left, self.background)

    @staticmethod
    def _in_answers(topic: Topic, context: tuple[int, ...]) -> Iterator[tuple[int, int, float]]:
        """(length of the common run, the token after it, what it counts) for each place in the topic's answers."""
        for number, answer in enumerate(topic.answers):
            count = 1.0 if number else PREFERRED
            for place in range(1, len(answer)):
                length = 0
                while (
                    length < len(context)
                    and length < place
                    and answer[place - 1 - length] == context[-1 - length]
                ):
                    length += 1
                yield length, answer[place], count

    def _elsewhere(
        self, topic: Topic, context: tuple[int, ...]
    ) -> Iterator[tuple[int, int, float]]:
        """The same for runs of two tokens and more in all other answers."""
        text, own = self._text, self._number.get(topic)
        pair = _pair(*context[-2:]) if len(context) > 1 else -1
        for place in self._after[bisect_left(self._pairs, pair) : bisect_right(self._pairs, pair)]:
            if self._owner[place] != own:
                length = 2
                while length < len(context) and text[place - 1 - length] == context[-1 - length]:
                    length += 1
                yield length, text[place], ELSEWHERE


def _pair(first: int, second: int) -> int:
    """Two tokens as one number."""
    return first * VOCABULARY_SIZE + second
