"""A second computation of the model's probabilities, and statistics of draws from them.

It is dense: one numpy array over the whole vocabulary, where the model keeps a few hundred tokens
and one background that all topics share.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from simulated_azure.inference import model as model_module
from simulated_azure.inference.model import Background, Distribution, Sampler, Sampling, Topic
from simulated_azure.inference.tokens import IM_SEP, VOCABULARY_SIZE, encode

DRAWS = 10_000
CONTEXTS = {  # name -> (topic, the text of the answer so far)
    "start": ("languages-world", ""),
    "after one token": ("languages-world", "There"),
    "a fork between answers": ("languages-world", "There are about 7,000 languages"),
    "in the middle": (
        "languages-world",
        "There are about 7,000 languages in the world today. The exact",
    ),
    "astray": ("languages-world", "There are about 7,000 jokes in the"),
    "another topic's words": ("temperature", "The capital of France is"),
    "never seen": ("hello", " zq zq zq zq"),
    "a style": ("sky-blue/pirate", "Arr"),
    "unknown": ("unknown", "I don't know that one."),
}


def topic_and_context(topics: Mapping[str, Topic], name: str) -> tuple[Topic, tuple[int, ...]]:
    """Return the topic of a row of CONTEXTS and the last tokens of its text."""
    topic, text = CONTEXTS[name]
    return topics[topic], (IM_SEP, *encode(text))[-model_module.MAX_CONTEXT :]


def dense(distribution: Distribution) -> np.ndarray:
    """Return the probabilities of all tokens, an array of VOCABULARY_SIZE."""
    probabilities = np.full(VOCABULARY_SIZE, distribution.background.floor)
    for token in distribution.background.tokens:
        probabilities[token] = distribution.background.probability(token)
    probabilities *= distribution.weight
    for token, probability in distribution.foreground.items():
        probabilities[token] += probability
    return probabilities


def apply_sampling(
    probabilities: np.ndarray, sampling: Sampling, counts: Mapping[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (probabilities after bias, penalties, temperature and top_p; edge), two arrays.

    counts: how often each token is in the answer so far. The edge is True for the tokens at the
    boundary of top_p's set that are equally likely, so that any of them may be kept.
    """
    logits = np.log(probabilities)
    for token, bias in sampling.logit_bias.items():
        logits[token] += bias
    dense_counts = np.zeros(VOCABULARY_SIZE)
    for token, times in (counts or {}).items():
        dense_counts[token] = times
    logits -= dense_counts * sampling.frequency_penalty
    logits -= (dense_counts > 0) * sampling.presence_penalty
    if sampling.temperature == 0:
        result = np.zeros(VOCABULARY_SIZE)
        result[np.argmax(logits)] = 1  # argmax takes the first of equals
        return result, np.zeros(VOCABULARY_SIZE, bool)
    logits /= sampling.temperature
    result = np.exp(logits - logits.max())
    result /= result.sum()
    edge = np.zeros(VOCABULARY_SIZE, bool)
    if sampling.top_p < 1:
        order = np.argsort(-result, kind="stable")
        kept = int(np.searchsorted(np.cumsum(result[order]), sampling.top_p)) + 1
        edge = np.isclose(result, result[order[kept - 1]], rtol=1e-9, atol=0)
        result[order[kept:]] = 0
        result /= result.sum()
    return result, edge


def draw_many(sampler: Sampler, seed, count: int = DRAWS) -> list[int]:
    """Return draws from a sampler, which are the same for the same seed."""
    uniform = random.Random(seed).random
    return [sampler.draw(uniform) for _ in range(count)]


def assert_drawn_from(
    tokens: Sequence[int], probabilities: np.ndarray, edge: np.ndarray | None = None
) -> None:
    """Raise AssertionError if draws do not have these probabilities.

    It is a chi-square test in which rare tokens are pooled. Its bound is so wide (six standard
    deviations and more) that only a wrong sampler exceeds it. A token whose probability is 0 must
    not be drawn. edge: the second result of apply_sampling.
    """
    observed = np.bincount(tokens, minlength=VOCABULARY_SIZE).astype(float)
    possible = probabilities > 0 if edge is None else (probabilities > 0) | edge
    assert not (impossible := np.flatnonzero(observed * ~possible)).size, (
        f"drawn with probability 0: {impossible[:10]}"
    )
    expected = probabilities * observed.sum()
    alone = (expected >= 10) if edge is None else (expected >= 10) & ~edge
    cells = [(observed[alone], expected[alone])]
    for pool in [~alone] if edge is None else [~alone & edge, ~alone & ~edge]:
        cells.append(([observed[pool].sum()], [expected[pool].sum()]))
    observed, expected = (np.concatenate(column) for column in zip(*cells, strict=True))
    observed, expected = observed[expected > 1e-9], expected[expected > 1e-9]
    freedom = len(observed) - 1
    chi_square = ((observed - expected) ** 2 / np.maximum(expected, 1)).sum()
    assert chi_square < freedom + 6 * math.sqrt(2 * freedom) + 36, (
        f"chi-square {chi_square:.0f} at {freedom} degrees of freedom"
    )


def small_distribution(
    weights: dict[int, float], rest: float = 1e-9, common: Sequence[int] = (500, 501, 502)
) -> Distribution:
    """Return a distribution of a few tokens, with almost nothing in the background.

    weights: of the tokens, in any unit. rest: the probability of the background. common: the
    tokens that the background has seen, once each.
    """
    total = sum(weights.values())
    background = Background(dict.fromkeys(common, 1))
    return Distribution(
        {token: weight / total * (1 - rest) for token, weight in weights.items()}, rest, background
    )


class TrainingText:
    """The training text as arrays, and the probabilities that model.py documents.

    For runs of 0, 1, 2 ... matching tokens in turn,
    p(token) = (count + kinds * p(token after the shorter run)) / (total + kinds).
    """

    def __init__(self, topics: Iterable[Topic]):
        topics = list(topics)
        self.tokens = np.array(
            [token for topic in topics for answer in topic.answers for token in answer]
        )
        spans = [
            (topic, number, len(answer))
            for topic in topics
            for number, answer in enumerate(topic.answers)
        ]
        self.position = np.concatenate([np.arange(length) for *_, length in spans])
        self.is_preferred = np.concatenate(
            [np.full(length, number == 0) for _, number, length in spans]
        )
        self.topic = np.repeat(
            [topic.name for topic, *_ in spans], [length for *_, length in spans]
        )
        counts = np.bincount(self.tokens[self.tokens != IM_SEP], minlength=VOCABULARY_SIZE)
        floor = model_module.FLOOR
        self.background = (1 - floor) * counts / counts.sum() + floor / VOCABULARY_SIZE

    def probabilities(self, topic: Topic, context: tuple[int, ...]) -> np.ndarray:
        """Return the probabilities of all tokens after a context."""
        places = np.flatnonzero(self.position > 0)  # of tokens that follow another one
        run, matching = np.zeros(len(places), int), np.ones(len(places), bool)
        for back, token in enumerate(reversed(context), start=1):
            matching &= (self.position[places] >= back) & (self.tokens[places - back] == token)
            run += matching
        own = self.topic[places] == topic.name
        weight = np.where(
            own,
            np.where(self.is_preferred[places], model_module.PREFERRED_COUNT, 1.0),
            model_module.OTHER_TOPIC_COUNT,
        )
        probabilities = self.background
        for length in range(int(run[own | (run >= 2)].max(initial=0)) + 1):
            here = (run >= length) & (own | (run >= 2))
            counts = np.bincount(self.tokens[places[here]], weight[here], VOCABULARY_SIZE)
            openness = model_module.OPENNESS / (1 if len(context) > 1 else 20)
            kinds = openness * np.minimum(counts, 1).sum()
            probabilities = (counts + kinds * probabilities) / (counts.sum() + kinds)
        return probabilities
