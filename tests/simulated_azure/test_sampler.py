"""How the next token is drawn: the frequencies of draws, against computed probabilities.

Draws are seeded, and bounds are so wide (six standard deviations and more) that only a wrong
sampler exceeds them.
"""

from __future__ import annotations

import math
import random

import pytest
from dense_model import (
    DRAWS,
    apply_sampling,
    assert_drawn_from,
    dense,
    draw_many,
    small_distribution,
)

from simulated_azure.inference.model import (
    Background,
    Distribution,
    LanguageModel,
    Sampler,
    Sampling,
    Topic,
)
from simulated_azure.inference.tokens import IM_END, VOCABULARY_SIZE, encode, encoding


@pytest.mark.parametrize("temperature", [0.5, 0.7, 1, 1.5, 2])
@pytest.mark.parametrize("top_p", [1, 0.95, 0.8, 0.3])
@pytest.mark.parametrize("name", ["start", "a fork between answers", "astray"])
def test_draws_have_the_computed_frequencies(distribution, name, temperature, top_p):
    sampling = Sampling(temperature, top_p)
    expected, edge = apply_sampling(dense(distribution(name)), sampling)
    assert_drawn_from(
        draw_many(Sampler(distribution(name), sampling, {}), f"{name}/{temperature}/{top_p}"),
        expected,
        edge,
    )


@pytest.mark.parametrize("temperature", [1, 1.5, 2])
@pytest.mark.parametrize("top_p", [1, 0.97, 0.5])
def test_draws_from_a_wide_distribution_have_the_computed_frequencies(
    assistant, temperature, top_p
):
    """All probability is in the background. A bias makes a few common tokens less likely."""
    it = Distribution({}, 1.0, assistant.model.background)
    sampling = Sampling(
        temperature, top_p, logit_bias=dict.fromkeys(it.background.tokens[:6], -2.0)
    )
    expected, edge = apply_sampling(dense(it), sampling)
    assert_drawn_from(
        draw_many(Sampler(it, sampling, {}), f"wide/{temperature}/{top_p}"), expected, edge
    )


@pytest.mark.parametrize("temperature", [0.5, 1, 2])
@pytest.mark.parametrize("top_p", [1, 0.9])
@pytest.mark.parametrize(
    ("presence", "frequency"), [(0, 0), (1.5, 0), (0, 0.7), (-1, -0.5), (2, 2)]
)
def test_bias_and_penalties_shift_the_frequencies_as_computed(
    distribution, temperature, top_p, presence, frequency
):
    it = distribution("a fork between answers")
    likely = [token for token, _ in it.most_likely(6)]
    unseen = next(token for token in range(90_000, 100_000) if token not in it.foreground)
    sampling = Sampling(
        temperature, top_p, presence, frequency, {likely[0]: -4, likely[2]: 2.5, unseen: 12}
    )
    counts = {likely[0]: 1, likely[1]: 3, unseen: 1, likely[4]: 2}
    expected, edge = apply_sampling(dense(it), sampling, counts)
    assert_drawn_from(draw_many(Sampler(it, sampling, counts), f"{sampling}"), expected, edge)


@pytest.mark.parametrize(
    ("weights", "bias", "expected"),
    [
        ({9: 0.3, 4: 0.3, 7: 0.3, 2: 0.1}, {}, 4),
        ({9: 0.5, 4: 0.3, 7: 0.2}, {}, 9),
        ({9: 0.5, 4: 0.3, 7: 0.2}, {9: -100}, 4),
        ({9: 0.5, 4: 0.25, 7: 0.25}, {9: -100}, 4),
        # Both are banned: the background's most common tokens are left, and 500 has the lowest id.
        ({9: 0.5, 4: 0.5}, {9: -100, 4: -100}, 500),
        ({9: 1}, {9: -100, 501: 0}, 500),  # a bias of 0 changes nothing
        ({9: 1}, {9: -100, 500: 0}, 500),
        ({9: 1}, {9: -100, 500: -100, 501: -100, 502: -100}, 0),  # only unseen tokens are left
        ({9: 1}, {77_777: 100}, 77_777),
    ],
)
def test_temperature_0_takes_the_most_likely_and_of_equals_the_lowest_id(weights, bias, expected):
    assert (
        draw_many(Sampler(small_distribution(weights), Sampling(0, logit_bias=bias), {}), 1, 50)
        == [expected] * 50
    )


@pytest.mark.parametrize("answers", [["Yes."], ["Yes.", "No.", "Perhaps, perhaps not."]])
def test_a_model_of_a_single_topic_says_the_preferred_answer_at_temperature_0(answers):
    topic = Topic.of("only", map(encode, answers))
    answer_tokens = []
    for token, _ in LanguageModel([topic]).generate(topic, Sampling(0), random.Random(1).random):
        if token == IM_END or len(answer_tokens) > 20:
            break
        answer_tokens.append(token)
    assert encoding().decode(answer_tokens) == answers[0]


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(1e-9, 1), (0.39, 1), (0.41, 2), (0.69, 2), (0.71, 3), (0.89, 3), (0.91, 4), (0.999, 4)],
)
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p, kept):
    it = small_distribution({30: 0.1, 3: 0.4, 12: 0.3, 8: 0.2})
    tokens = draw_many(Sampler(it, Sampling(1, top_p), {}), top_p)
    assert set(tokens) == set([3, 12, 8, 30][:kept])
    assert_drawn_from(tokens, *apply_sampling(dense(it), Sampling(1, top_p)))


@pytest.mark.parametrize("top_p", [0.25, 0.6, 0.9, 0.999])
def test_top_p_counts_every_token_once_when_it_reaches_unseen_tokens(top_p):
    background = Background({10: 6, 20: 3, 30: 1})
    it = Distribution({5: 0.4}, 0.6, background)
    sampling = Sampling(2, top_p)  # so hot that unseen tokens have a large share
    expected, edge = apply_sampling(dense(it), sampling)
    assert_drawn_from(draw_many(Sampler(it, sampling, {}), top_p), expected, edge)


def test_unseen_tokens_have_their_share_of_draws():
    """The background has seen the even ids; each of them is more likely than each odd one."""
    it = Distribution({}, 1.0, Background(dict.fromkeys(range(0, VOCABULARY_SIZE, 2), 1)))
    expected, _ = apply_sampling(dense(it), Sampling(4, logit_bias={1: 0}))
    unseen = sum(
        token % 2 for token in draw_many(Sampler(it, Sampling(4, logit_bias={1: 0}), {}), 1)
    )
    expected_count = DRAWS * expected[1::2].sum()
    assert 0.1 < expected_count / DRAWS < 0.5
    assert abs(unseen - expected_count) < 6 * math.sqrt(expected_count)


def test_temperature_comes_before_top_p():
    it = small_distribution({1: 0.5, 2: 0.3, 3: 0.2})
    assert set(draw_many(Sampler(it, Sampling(1, 0.75), {}), 1)) == {1, 2}
    # At temperature 2 the two most likely tokens together have less than 0.75.
    assert set(draw_many(Sampler(it, Sampling(2, 0.75), {}), 1)) == {1, 2, 3}
    assert set(draw_many(Sampler(it, Sampling(0.3, 0.75), {}), 1)) == {1}


def test_bias_comes_before_top_p():
    it = small_distribution({1: 0.9, 2: 0.06, 3: 0.04})
    tokens = draw_many(Sampler(it, Sampling(1, 0.6, logit_bias={3: 4}), {}), 1)
    assert set(tokens) == {3}  # 0.04 * e^4 = 2.2 against 0.96


def test_penalties_come_before_top_p():
    it = small_distribution({1: 0.9, 2: 0.06, 3: 0.04})
    tokens = draw_many(Sampler(it, Sampling(1, 0.55, 2, 2), {1: 2}), 1)
    assert set(tokens) == {2}  # 0.9 * e^-6 is almost 0


@pytest.mark.parametrize("kind", ["bias", "presence", "frequency"])
def test_bias_and_penalties_come_before_temperature(kind):
    it = small_distribution({1: 0.5, 2: 0.5})
    sampling = {
        "bias": Sampling(0.5, logit_bias={1: -1.0}),
        "presence": Sampling(0.5, presence_penalty=1.0),
        "frequency": Sampling(0.5, frequency_penalty=0.5),
    }[kind]
    counts = {"bias": {}, "presence": {1: 5}, "frequency": {1: 2}}[kind]
    tokens = draw_many(Sampler(it, sampling, counts), kind)
    # The odds are e^(-1 / 0.5). They would be e^-1 if temperature came first.
    expected_count = DRAWS / (1 + math.exp(2))
    assert abs(tokens.count(1) - expected_count) < 6 * math.sqrt(expected_count)


@pytest.mark.parametrize("bias", [-3, -0.5, 0.5, 1, 3])
def test_bias_multiplies_the_odds_by_its_exponential_at_temperature_1(bias):
    it = small_distribution({1: 0.3, 2: 0.7})
    share = draw_many(Sampler(it, Sampling(1, logit_bias={1: bias}), {}), bias).count(1) / DRAWS
    expected = 3 / 7 * math.exp(bias)
    assert share / (1 - share) == pytest.approx(
        expected, rel=6 * math.sqrt((1 + expected) ** 2 / expected / DRAWS)
    )


@pytest.mark.parametrize(
    ("presence", "frequency", "factor"),
    [(1, 0, -1), (0, 1, -3), (0.5, 0.25, -1.25), (-1, 0, 1), (0, -0.5, 1.5), (2, 2, -8)],
)
def test_penalties_subtract_presence_once_and_frequency_each_time(presence, frequency, factor):
    it = small_distribution({1: 0.6, 2: 0.4})
    share = (
        draw_many(Sampler(it, Sampling(1, 1, presence, frequency), {1: 3, 7: 2}), factor).count(1)
        / DRAWS
    )
    expected = 1.5 * math.exp(factor)
    assert share / (1 - share) == pytest.approx(
        expected, rel=6 * math.sqrt((1 + expected) ** 2 / expected / DRAWS)
    )


def test_a_token_counted_zero_times_is_not_penalised():
    it = small_distribution({1: 0.6, 2: 0.4})
    assert_drawn_from(draw_many(Sampler(it, Sampling(1, 1, 2, 2), {1: 0}), 1), dense(it))


@pytest.mark.parametrize("temperature", [1e-300, 1e-9, 1e-3, 0.01])
@pytest.mark.parametrize("top_p", [1, 0.5])
def test_very_low_temperatures_are_argmax_and_nothing_overflows(distribution, temperature, top_p):
    it = distribution("start")
    sampling = Sampling(temperature, top_p, logit_bias={198: 100.0})
    assert set(draw_many(Sampler(it, Sampling(temperature, top_p), {}), 1, 100)) == {
        it.most_likely(1)[0][0]
    }
    assert set(draw_many(Sampler(it, sampling, {}), 1, 100)) == {198}


def test_samplers_of_wide_distributions_are_not_cached(assistant):
    cache_size = assistant.model._sampler.cache_info().currsize
    tokens = assistant.model.generate(
        assistant._conversation.topics[0], Sampling(2.0, 0.95), random.Random(1).random
    )
    assert len([token for token, _ in zip(tokens, range(5), strict=False)]) == 5
    assert assistant.model._sampler.cache_info().currsize == cache_size
