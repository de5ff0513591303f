"""How the next token is drawn: frequencies of draws, against computed probabilities.

Draws are seeded, and bounds are so wide (six standard deviations and more) that only a wrong
sampler exceeds them.
"""

from __future__ import annotations

import math
import random
from collections import Counter

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
    """No answer matters here, only the background; a few common tokens are made rarer by a bias."""
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
    given = {likely[0]: 1, likely[1]: 3, unseen: 1, likely[4]: 2}
    expected, edge = apply_sampling(dense(it), sampling, given)
    assert_drawn_from(draw_many(Sampler(it, sampling, given), f"{sampling}"), expected, edge)


@pytest.mark.parametrize(
    ("named", "bias", "expected"),
    [
        ({9: 0.3, 4: 0.3, 7: 0.3, 2: 0.1}, {}, 4),
        ({9: 0.5, 4: 0.3, 7: 0.2}, {}, 9),
        ({9: 0.5, 4: 0.3, 7: 0.2}, {9: -100}, 4),
        ({9: 0.5, 4: 0.25, 7: 0.25}, {9: -100}, 4),
        (
            {9: 0.5, 4: 0.5},
            {9: -100, 4: -100},
            500,
        ),  # all that was expected is banned: the most common, lowest id
        ({9: 1}, {9: -100, 501: 0}, 500),  # a bias of nothing changes nothing
        ({9: 1}, {9: -100, 500: 0}, 500),
        ({9: 1}, {9: -100, 500: -100, 501: -100, 502: -100}, 0),  # only tokens never seen are left
        ({9: 1}, {77_777: 100}, 77_777),
    ],
)
def test_temperature_0_takes_the_most_likely_and_of_equals_the_lowest_id(named, bias, expected):
    assert (
        draw_many(Sampler(small_distribution(named), Sampling(0, logit_bias=bias), {}), 1, 50)
        == [expected] * 50
    )


@pytest.mark.parametrize("answers", [["Yes."], ["Yes.", "No.", "Perhaps, perhaps not."]])
def test_a_model_of_a_single_topic_says_the_preferred_answer_at_temperature_0(answers):
    topic = Topic.of("only", map(encode, answers))
    said = []
    for token, _ in LanguageModel([topic]).generate(topic, Sampling(0), random.Random(1).random):
        if token == IM_END or len(said) > 20:
            break
        said.append(token)
    assert encoding().decode(said) == answers[0]


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(1e-9, 1), (0.39, 1), (0.41, 2), (0.69, 2), (0.71, 3), (0.89, 3), (0.91, 4), (0.999, 4)],
)
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p, kept):
    it = small_distribution({30: 0.1, 3: 0.4, 12: 0.3, 8: 0.2})
    drawn = draw_many(Sampler(it, Sampling(1, top_p), {}), top_p)
    assert set(drawn) == set([3, 12, 8, 30][:kept])
    assert_drawn_from(drawn, *apply_sampling(dense(it), Sampling(1, top_p)))


@pytest.mark.parametrize("top_p", [0.25, 0.6, 0.9, 0.999])
def test_top_p_counts_every_token_once_when_it_reaches_tokens_never_seen(top_p):
    background = Background({10: 6, 20: 3, 30: 1})
    it, sampling = (
        Distribution({5: 0.4}, 0.6, background),
        Sampling(2, top_p),
    )  # hot: tokens never seen have much of it
    expected, edge = apply_sampling(dense(it), sampling)
    assert_drawn_from(draw_many(Sampler(it, sampling, {}), top_p), expected, edge)


def test_tokens_never_seen_get_the_share_that_is_theirs():
    """Half of the vocabulary was seen: each of its tokens is likelier than each of the other half."""
    it = Distribution({}, 1.0, Background(dict.fromkeys(range(0, VOCABULARY_SIZE, 2), 1)))
    expected, _ = apply_sampling(dense(it), Sampling(4, logit_bias={1: 0}))
    unseen = sum(
        token % 2 for token in draw_many(Sampler(it, Sampling(4, logit_bias={1: 0}), {}), 1)
    )
    wanted = DRAWS * expected[1::2].sum()
    assert abs(unseen - wanted) < 6 * math.sqrt(wanted) and 0.1 < wanted / DRAWS < 0.5


def test_temperature_comes_before_top_p():
    it = small_distribution({1: 0.5, 2: 0.3, 3: 0.2})
    assert set(draw_many(Sampler(it, Sampling(1, 0.75), {}), 1)) == {1, 2}
    assert set(draw_many(Sampler(it, Sampling(2, 0.75), {}), 1)) == {
        1,
        2,
        3,
    }  # flatter: two no longer reach it
    assert set(draw_many(Sampler(it, Sampling(0.3, 0.75), {}), 1)) == {1}


def test_bias_comes_before_top_p():
    it = small_distribution({1: 0.9, 2: 0.06, 3: 0.04})
    drawn = draw_many(Sampler(it, Sampling(1, 0.6, logit_bias={3: 4}), {}), 1)
    assert set(drawn) == {3}  # 0.04 * e^4 = 2.2 against 0.96


def test_penalties_come_before_top_p():
    it = small_distribution({1: 0.9, 2: 0.06, 3: 0.04})
    assert set(draw_many(Sampler(it, Sampling(1, 0.55, 2, 2), {1: 2}), 1)) == {
        2
    }  # 0.9 * e^-6 is next to nothing


@pytest.mark.parametrize("kind", ["bias", "presence", "frequency"])
def test_bias_and_penalties_come_before_temperature(kind):
    it = small_distribution({1: 0.5, 2: 0.5})
    sampling = {
        "bias": Sampling(0.5, logit_bias={1: -1.0}),
        "presence": Sampling(0.5, presence_penalty=1.0),
        "frequency": Sampling(0.5, frequency_penalty=0.5),
    }[kind]
    drawn = Counter(
        draw_many(
            Sampler(it, sampling, {} if kind == "bias" else {1: 2 if kind == "frequency" else 5}),
            kind,
        )
    )
    wanted = DRAWS / (1 + math.exp(2))  # the odds are e^(-1 / 0.5); e^-1 if temperature came first
    assert abs(drawn[1] - wanted) < 6 * math.sqrt(wanted)


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


def test_wide_samplers_are_not_kept(assistant):
    kept = assistant.model._sampler.cache_info().currsize
    tokens = assistant.model.generate(
        assistant._conversation.topics[0], Sampling(2.0, 0.95), random.Random(1).random
    )
    assert len([token for token, _ in zip(tokens, range(5), strict=False)]) == 5
    assert assistant.model._sampler.cache_info().currsize == kept
