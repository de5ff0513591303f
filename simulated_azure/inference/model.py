"""A language model small enough to read: a back-off n-gram model over a few hundred answers.

The model predicts the next token from the tokens before it. It looks where the same run of tokens
occurs in the training text, and which token follows there. The longest runs count first; the
probability that they leave over goes to shorter runs, and in the end to single tokens (Witten and
Bell's back-off, in Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language
Modeling", 1998, section 2.6). The answers to the recognised question have their full weight, and
the rest of the text has a small one, so that at a high temperature a sentence can wander from one
answer into another.

The sampler is a real one. Every probability is exact over all 100,352 tokens of Phi-4: a few
hundred tokens have a probability of their own, and all share one background distribution.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from heapq import merge
from itertools import accumulate

from .tokens import IM_END, IM_SEP, VOCABULARY_SIZE

MAX_CONTEXT = 8  # tokens
PREFERRED_COUNT = 3.0  # how often the first answer of a topic counts; the others count once
OTHER_TOPIC_COUNT = 0.002  # how often an occurrence in another topic's answers counts
# How much probability a run of tokens leaves to tokens that did not follow it: 1 is Witten and
# Bell's rule. It is less for the first token of an answer, since answers begin in a few known ways.
OPENNESS, FIRST_OPENNESS = 0.25, 0.25 / 20
FLOOR = 0.001  # share of the background that is spread evenly over all tokens


@dataclass(frozen=True, eq=False)
class Topic:
    """A subject that the model can speak about, with its possible answers.

    answers: token ids, the preferred answer first. Each answer begins with the token that opens the
    assistant's turn (im_sep) and ends with the one that closes it (im_end). weights: how often each
    answer counts; () if the first counts PREFERRED_COUNT times and the others once. skill: the name
    of the skill that computed the answers, "" if they are training text.
    """

    name: str
    answers: tuple[tuple[int, ...], ...]
    weights: tuple[float, ...] = ()
    skill: str = ""

    @classmethod
    def of(
        cls,
        name: str,
        answers: Iterable[Sequence[int]],
        weights: Sequence[float] = (),
        skill: str = "",
    ) -> Topic:
        """Return a topic with answers that do not have their im_sep and im_end yet."""
        tokens = tuple((IM_SEP, *answer, IM_END) for answer in answers)
        return cls(name, tokens, tuple(weights), skill)

    @cached_property
    def weighted_answers(self) -> list[tuple[tuple[int, ...], float]]:
        """Each answer, and how often it counts."""
        usual = (PREFERRED_COUNT, *[1.0] * (len(self.answers) - 1))
        return list(zip(self.answers, self.weights or usual, strict=True))

    @cached_property
    def counts(self) -> dict[int, float]:
        """Token -> how often the answers have it, without the token that opens them."""
        counts: Counter[int] = Counter()
        for answer, weight in self.weighted_answers:
            for token in answer[1:]:
                counts[token] += weight
        return dict(counts)

    @cached_property
    def places_after(self) -> dict[int, list[tuple[tuple[int, ...], int, float]]]:
        """Token -> each place after it: (answer, place, how often the answer counts)."""
        places: dict[int, list[tuple[tuple[int, ...], int, float]]] = {}
        for answer, weight in self.weighted_answers:
            for place in range(1, len(answer)):
                places.setdefault(answer[place - 1], []).append((answer, place, weight))
        return places


@dataclass(frozen=True)
class Sampling:
    """The sampling parameters of a request.

    temperature: 0 takes the most likely token; 1 draws from the model's own distribution.
    top_p: 0 to 1. presence_penalty: a number subtracted from the logit of each token that the
    answer has. frequency_penalty: the same for each time that the answer has it. logit_bias: token
    id -> number added to its logit.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)


class Background:
    """The probability of each token regardless of its context: how often the whole text has it.

    A share of FLOOR is spread evenly over all tokens, so that none has the probability 0. counts:
    token id -> how often the text has it. ``tokens``: the tokens of the text, most common first.
    ``probabilities``: those of the tokens of the text.
    ``floor``: the probability of a token that is not in the text.
    """

    def __init__(self, counts: Mapping[int, float]):
        total = sum(counts.values())
        self.floor = FLOOR / VOCABULARY_SIZE
        self.probabilities = {
            token: (1 - FLOOR) * count / total + self.floor for token, count in counts.items()
        }
        self.tokens = sorted(
            self.probabilities, key=lambda token: (-self.probabilities[token], token)
        )
        self.running_sums = lru_cache(maxsize=64)(self._running_sums)

    def probability(self, token: int) -> float:
        """Return the probability of a token."""
        return self.probabilities.get(token, self.floor)

    def unseen_tokens(self) -> Iterator[int]:
        """Yield the tokens that are not in the text, in the order of their ids."""
        return (token for token in range(VOCABULARY_SIZE) if token not in self.probabilities)

    def _running_sums(self, temperature: float) -> array:
        """Return the running sums of p ** (1 / temperature) over ``tokens``.

        One more item at the end is the sum over all tokens of the vocabulary.
        """
        powers = [self.probabilities[token] ** (1 / temperature) for token in self.tokens]
        unseen = (VOCABULARY_SIZE - len(self.tokens)) * self.floor ** (1 / temperature)
        return array("d", accumulate([*powers, unseen]))

    def draw(self, temperature: float, random: Callable[[], float]) -> int:
        """Return a token drawn at a temperature above 0. random: returns numbers in [0, 1)."""
        sums = self.running_sums(temperature)
        place = bisect_right(sums, random() * sums[-1])
        if place < len(self.tokens):
            return self.tokens[place]
        while (token := int(random() * VOCABULARY_SIZE)) in self.probabilities:
            pass
        return token


@dataclass(frozen=True)
class Distribution:
    """The probabilities of the next token. They sum to 1 over the vocabulary.

    A token has the probability ``foreground[token] + weight * background.probability(token)``. The
    foreground holds the tokens that follow the context, or an end of it, in the text.
    """

    foreground: Mapping[int, float]
    weight: float
    background: Background

    def probability(self, token: int) -> float:
        """Return the probability of a token."""
        return self.foreground.get(token, 0.0) + self.weight * self.background.probability(token)

    def logprob(self, token: int) -> float:
        """Return the natural logarithm of the probability of a token."""
        return math.log(self.probability(token))

    @cached_property
    def logprobs(self) -> dict[int, float]:
        """Token of the foreground -> the natural logarithm of its probability."""
        background, floor = self.background.probabilities, self.background.floor
        return {
            token: math.log(probability + self.weight * background.get(token, floor))
            for token, probability in self.foreground.items()
        }

    def most_likely(self, count: int) -> list[tuple[int, float]]:
        """Return the ``count`` most likely tokens as (token, log-probability), likeliest first.

        Of equally likely tokens, the one with the lower id comes first.
        """
        candidates = {*self.foreground, *self.background.tokens[: count + len(self.foreground)]}
        ranked = sorted((-self.logprob(token), token) for token in candidates)
        return [(token, -negated) for negated, token in ranked[:count]]


class Sampler:
    """A distribution from which tokens are drawn, after the sampling parameters have changed it.

    Order and arithmetic are vLLM's. The bias is added to the logit. A token that the answer has
    ``n`` times loses ``n * frequency_penalty + presence_penalty``. Logits are divided by the
    temperature. top_p keeps the smallest set of likeliest tokens whose probabilities reach it.

    counts: token id -> how often the answer has it so far.
    """

    def __init__(self, distribution: Distribution, sampling: Sampling, counts: Mapping[int, int]):
        logits = dict(distribution.logprobs)
        for token in (*sampling.logit_bias, *counts):
            logits.setdefault(token, distribution.logprob(token))
        for token, bias in sampling.logit_bias.items():
            logits[token] += bias
        for token, count in counts.items():
            logits[token] -= (
                count * sampling.frequency_penalty + (count > 0) * sampling.presence_penalty
            )
        self._background, self._temperature = distribution.background, sampling.temperature
        self._logits = logits  # of all tokens whose logit is not the background's
        if sampling.temperature == 0:
            self._keep([(1.0, self._argmax(distribution))])
        else:
            self._heat(distribution, sampling)

    def _argmax(self, distribution: Distribution) -> int:
        """Return the token with the highest logit; of equals, the one with the lowest id."""
        background = self._background
        # Each of the two begins with its likeliest tokens, so its first candidate is its best.
        candidates = [
            next((token for token in tokens if token not in self._logits), None)
            for tokens in (background.tokens, background.unseen_tokens())
        ]
        logits = {
            token: distribution.logprob(token) for token in candidates if token is not None
        } | self._logits
        highest = max(logits.values())
        return min(token for token, logit in logits.items() if logit == highest)

    def _heat(self, distribution: Distribution, sampling: Sampling) -> None:
        """Apply a temperature above 0, and top_p."""
        temperature, background = sampling.temperature, self._background
        log_weight = math.log(distribution.weight)
        top = max(log_weight, *self._logits.values())  # subtracted so that exp never overflows
        weights = sorted(
            (
                (math.exp((logit - top) / temperature), token)
                for token, logit in self._logits.items()
            ),
            key=lambda item: (-item[0], item[1]),
        )
        scale = math.exp((log_weight - top) / temperature)
        overlap = sum(background.probability(token) ** (1 / temperature) for token in self._logits)
        rest = max(0.0, background.running_sums(temperature)[-1] - overlap) * scale
        total = sum(weight for weight, _ in weights) + rest
        if sampling.top_p < 1:
            self._keep(self._nucleus(weights, scale, sampling.top_p * total))
        else:
            self._keep(weights, rest)

    def _nucleus(
        self, weights: list[tuple[float, int]], scale: float, mass: float
    ) -> list[tuple[float, int]]:
        """Return the likeliest tokens, as (weight, token), whose weights together reach ``mass``.

        At least one token is returned. weights: those of the tokens with a logit of their own.
        scale: the factor for the weights of all other tokens.
        """
        background, power = self._background, 1 / self._temperature
        others = (
            (scale * background.probability(token) ** power, token)
            for tokens in (background.tokens, background.unseen_tokens())
            for token in tokens
            if token not in self._logits
        )
        nucleus: list[tuple[float, int]] = []
        total = 0.0
        for weight, token in merge(weights, others, key=lambda item: -item[0]):
            nucleus.append((weight, token))
            total += weight
            if total >= mass:
                break
        return nucleus

    def _keep(self, weights: list[tuple[float, int]], rest: float = 0.0) -> None:
        """Set what ``draw`` draws from: (weight, token), and the weight of all other tokens."""
        self._tokens = array("i", [token for _, token in weights])
        sums = array("d", accumulate(weight for weight, _ in weights))
        self._total = sums[-1] + rest
        if not rest:
            self._total = sums[-1]
            sums.pop()  # so that rounding can never point past the last token
        self._sums = sums

    def draw(self, random: Callable[[], float]) -> int:
        """Return a token drawn from the distribution. random: returns numbers in [0, 1)."""
        place = bisect_right(self._sums, random() * self._total)
        if place < len(self._tokens):
            return self._tokens[place]
        while (token := self._background.draw(self._temperature, random)) in self._logits:
            pass
        return token


class LanguageModel:
    """The n-gram model over the answers of all topics.

    ``background``: the probabilities of tokens regardless of their context.
    ``distribution(topic, context)``: the probabilities of the next token; see ``_distribution``.
    """

    def __init__(self, topics: Iterable[Topic]):
        self._text = array("i")  # all answers, one after another
        self._topic_numbers = array("i")  # for each place in the text, the number of its topic
        self._numbers: dict[Topic, int] = {}
        for number, topic in enumerate(topics):
            self._numbers[topic] = number
            for answer in topic.answers:
                self._text.extend(answer)
                self._topic_numbers.extend([number] * len(answer))
        # An index of the text: each pair of tokens, and the place after it. Sorted, for bisection.
        index = sorted(
            (_pair(self._text[place - 2], self._text[place - 1]), place)
            for place in range(2, len(self._text))
            if self._text[place] != IM_SEP and self._text[place - 1] != IM_SEP
        )
        self._pairs = array("q", [pair for pair, _ in index])
        self._places = array("i", [place for _, place in index])
        self.background = Background(Counter(token for token in self._text if token != IM_SEP))
        self.distribution = lru_cache(maxsize=512)(self._distribution)
        self._sampler = lru_cache(maxsize=8192)(self._make_sampler)

    def generate(
        self,
        topic: Topic,
        sampling: Sampling,
        random: Callable[[], float],
        beginning: Sequence[int] = (),
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield the tokens of an answer without end: (token, the context that it was drawn in).

        The caller stops, at im_end for example. ``distribution(topic, context)`` gives the token's
        probability. random: returns numbers in [0, 1). beginning: tokens that the answer already
        has; penalties do not count them.
        """
        context: tuple[int, ...] = (IM_SEP, *beginning)[-MAX_CONTEXT:]
        counts: Counter[int] = Counter()
        # At a high temperature with top_p, a sampler holds many tokens and is seldom needed twice.
        is_wide = sampling.temperature > 1 > sampling.top_p
        depends_on_answer = bool(
            sampling.logit_bias or sampling.presence_penalty or sampling.frequency_penalty
        )
        while True:
            if depends_on_answer or is_wide:
                sampler = Sampler(self.distribution(topic, context), sampling, counts)
            else:
                sampler = self._sampler(topic, context, sampling.temperature, sampling.top_p)
            token = sampler.draw(random)
            yield token, context
            counts[token] += 1
            context = (*context[1 - MAX_CONTEXT :], token)

    def _make_sampler(
        self, topic: Topic, context: tuple[int, ...], temperature: float, top_p: float
    ) -> Sampler:
        """Return a sampler without bias and penalties. ``_sampler`` is its cache."""
        return Sampler(self.distribution(topic, context), Sampling(temperature, top_p), {})

    def _distribution(self, topic: Topic, context: tuple[int, ...]) -> Distribution:
        """Return the probabilities of the next token.

        context: the tokens before it, at most MAX_CONTEXT of them.
        """
        # Length of a run of tokens -> (the token after it, how often that counts)
        matches: dict[int, list[tuple[int, float]]] = {}
        for length, token, count in self._matches_in_topic(topic, context):
            matches.setdefault(length, []).append((token, count))
        elsewhere: Counter[int] = Counter()
        for length, token, count in self._matches_in_other_topics(topic, context):
            matches.setdefault(length, []).append((token, count))
            elsewhere[token] += count
        foreground: dict[int, float] = {}
        counts: dict[int, float] = {}
        remainder = 1.0  # the probability that longer runs have left over
        openness = OPENNESS if len(context) > 1 else FIRST_OPENNESS
        for length in range(max(matches, default=0), -1, -1):
            for token, count in matches.get(length, ()):
                counts[token] = counts.get(token, 0.0) + count
            if length == 0:  # every place follows an empty run
                counts = dict(topic.counts)
                for token, count in elsewhere.items():
                    counts[token] = counts.get(token, 0.0) + count
            # T of Witten and Bell: the number of different tokens that followed
            kinds = openness * sum([count if count < 1 else 1.0 for count in counts.values()])
            total = sum(counts.values()) + kinds
            for token, count in counts.items():
                foreground[token] = foreground.get(token, 0.0) + remainder * count / total
            remainder *= kinds / total if total else 1.0
        return Distribution(foreground, remainder, self.background)

    @staticmethod
    def _matches_in_topic(
        topic: Topic, context: tuple[int, ...]
    ) -> Iterator[tuple[int, int, float]]:
        """Yield (length of the run, the token after it, how often that counts).

        There is one for each place in the topic's answers that follows the context's last token.
        The run is the longest end of the context that stands before the place.
        """
        for answer, place, weight in topic.places_after.get(context[-1], ()):
            length = 1
            while (
                length < len(context)
                and length < place
                and answer[place - 1 - length] == context[-1 - length]
            ):
                length += 1
            yield length, answer[place], weight

    def _matches_in_other_topics(
        self, topic: Topic, context: tuple[int, ...]
    ) -> Iterator[tuple[int, int, float]]:
        """Yield the same for runs of two tokens or more in the answers of all other topics."""
        text, own_number = self._text, self._numbers.get(topic)
        pair = _pair(*context[-2:]) if len(context) > 1 else -1
        for place in self._places[bisect_left(self._pairs, pair) : bisect_right(self._pairs, pair)]:
            if self._topic_numbers[place] != own_number:
                length = 2
                while length < len(context) and text[place - 1 - length] == context[-1 - length]:
                    length += 1
                yield length, text[place], OTHER_TOPIC_COUNT


def _pair(first: int, second: int) -> int:
    """Return two tokens as one number."""
    return first * VOCABULARY_SIZE + second
