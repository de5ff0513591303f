"""The probabilities of the next token, against a second computation of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dense_model import CONTEXTS, dense, topic_and_context

from simulated_azure.inference.model import Background, Distribution
from simulated_azure.inference.tokens import IM_SEP, VOCABULARY_SIZE


def test_background_is_a_distribution_over_all_tokens(assistant, training_text):
    background = assistant.model.background
    everything = np.array([background.probability(token) for token in range(VOCABULARY_SIZE)])
    assert everything.sum() == pytest.approx(1, abs=1e-12)
    assert everything.min() > 0
    np.testing.assert_allclose(everything, training_text.background, rtol=1e-12)


@pytest.mark.parametrize("name", CONTEXTS)
def test_probabilities_add_up_to_one(distribution, name):
    it = distribution(name)
    common = [it.background.probability(token) for token in it.background.tokens]
    background = math.fsum(common) + (VOCABULARY_SIZE - len(common)) * it.background.floor
    assert math.fsum(it.foreground.values()) + it.weight * background == pytest.approx(1, abs=1e-12)
    assert 0 < it.weight <= 1 and min(it.foreground.values(), default=0) >= 0


def test_every_topic_starts_with_a_distribution(assistant, topics):
    for topic in topics.values():
        it = assistant.model.distribution(topic, (IM_SEP,))
        assert math.fsum(it.foreground.values()) + it.weight == pytest.approx(1, abs=1e-12), (
            topic.name
        )


@pytest.mark.parametrize("name", CONTEXTS)
def test_probabilities_are_those_of_the_documented_back_off(
    assistant, topics, training_text, distribution, name
):
    expected = training_text.probabilities(*topic_and_context(topics, name))
    np.testing.assert_allclose(dense(distribution(name)), expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["start", "a fork between answers", "astray"])
def test_logprobs_of_all_one_token_continuations_add_up_to_one(distribution, name):
    it = distribution(name)
    assert math.fsum(
        math.exp(it.logprob(token)) for token in range(VOCABULARY_SIZE)
    ) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.parametrize("count", [0, 1, 5, 20])
def test_most_likely_tokens_are_the_first_of_all_sorted(distribution, name, count):
    probabilities = dense(distribution(name))
    expected = np.argsort(-probabilities, kind="stable")[:count]
    most_likely = distribution(name).most_likely(count)
    assert [token for token, _ in most_likely] == expected.tolist()
    np.testing.assert_allclose(
        [logprob for _, logprob in most_likely], np.log(probabilities[expected]), rtol=1e-9
    )


def test_most_likely_tokens_can_be_common_ones_that_the_context_does_not_name():
    it = Distribution({8: 0.2, 501: 0.05}, 0.75, Background({500: 6, 501: 2, 502: 1, 7: 1}))
    most_likely = it.most_likely(5)
    assert [token for token, _ in most_likely] == [500, 8, 501, 7, 502]
    assert [logprob for _, logprob in most_likely] == pytest.approx(
        [it.logprob(token) for token, _ in most_likely]
    )
