"""The texts that the model generates, token by token and as whole answers."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from chat_requests import ANSWERS, LANGUAGES, QUESTIONS
from dense_model import DRAWS, apply_sampling, assert_drawn_from, dense

from simulated_azure.inference import model as model_module
from simulated_azure.inference.model import Sampling
from simulated_azure.inference.tokens import IM_END, IM_SEP, encoding, token_bytes


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(0),
        Sampling(0, 1, 0, 2),
        Sampling(0, 1, 2, 0),
        Sampling(0, 0.5, 1, 1, {IM_END: -100}),
        Sampling(0, 1, -2, -2, {IM_END: -100}),
        Sampling(0, 1, 0.3, 0.2, {7_000: 3, 279: -6}),
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["languages-world", "poem-rain"])
def test_greedy_text_equals_a_dense_recomputation_step_by_step(assistant, topics, sampling, name):
    topic, context, counts = topics[name], (IM_SEP,), Counter()
    for (token, token_context), _ in zip(
        assistant.model.generate(topic, sampling, random.Random(1).random), range(40), strict=False
    ):
        expected, _ = apply_sampling(
            dense(assistant.model.distribution(topic, context)), sampling, counts
        )
        assert (token, token_context) == (int(np.argmax(expected)), context)
        if token == IM_END:
            break
        counts[token] += 1
        context = (*context, token)[-model_module.MAX_CONTEXT :]


def test_two_tokens_come_as_often_as_their_logprobs_say(assistant, topics):
    topic, uniform = topics["languages-world"], random.Random(5).random
    pairs, sums = Counter(), {}
    for _ in range(DRAWS):
        (first, before), (second, between) = (
            pair
            for pair, _ in zip(
                assistant.model.generate(topic, Sampling(1.0), uniform), range(2), strict=False
            )
        )
        pairs[first, second] += 1
        if (first, second) not in sums:
            distributions = (
                assistant.model.distribution(topic, before),
                assistant.model.distribution(topic, between),
            )
            sums[first, second] = distributions[0].logprob(first) + distributions[1].logprob(second)
    common = [(pair, times) for pair, times in pairs.most_common() if times >= 100]
    assert len(common) >= 3
    for pair, times in common:
        assert math.log(times / DRAWS) == pytest.approx(sums[pair], abs=6 / math.sqrt(times)), pair


@pytest.mark.parametrize("temperature", [0.7, 1, 1.5])
def test_first_tokens_of_many_seeds_have_the_computed_frequencies(
    ask, assistant, topics, temperature
):
    """It sends whole requests, so it shows that each seed gives a fair draw."""
    tokens = []
    for seed in range(1500):
        answer = ask(LANGUAGES, temperature=temperature, seed=seed, max_tokens=1, logprobs=True)
        (choice,) = answer["choices"]
        content = choice["logprobs"]["content"]  # empty if the answer ends at once
        raw = bytes(content[0]["bytes"]) if content else token_bytes(IM_END)
        tokens.append(encoding().encode_single_token(raw))
    expected, edge = apply_sampling(
        dense(assistant.model.distribution(topics["languages-world"], (IM_SEP,))),
        Sampling(temperature),
    )
    assert_drawn_from(tokens, expected, edge)


def test_preferred_answer_of_every_topic_comes_word_for_word_at_temperature_0(assistant):
    topics = {topic.name: topic for topic in assistant._conversation._topics.values()}
    assert len(topics) == len(ANSWERS)
    wrong = []
    for (id, manner), texts in ANSWERS.items():
        tokens = []
        topic = topics[f"{id}/{manner}" if manner else id]
        for token, _ in assistant.model.generate(topic, Sampling(0), random.Random(1).random):
            if token == IM_END or len(tokens) > 2000:
                break
            tokens.append(token)
        if encoding().decode(tokens) != texts[0]:
            wrong.append((id, manner))
    assert not wrong


def begins_like(text: str, answers: Iterable[str], count: int) -> bool:
    """Return True if a text begins with the same words as one of the answers; count: of words."""
    return text.split()[:count] in [answer.split()[:count] for answer in answers]


def test_answers_vary_at_the_usual_temperature_and_begin_like_known_ones(say):
    answers = [say(LANGUAGES, temperature=0.7, seed=seed) for seed in range(20)]
    assert len(set(answers)) >= 5
    assert [
        text for text in answers if not begins_like(text, QUESTIONS["languages-world"].answers, 3)
    ] == []


def test_answers_are_new_at_temperature_2(say):
    known = {answer for texts in ANSWERS.values() for answer in texts}
    answers = [say(LANGUAGES, temperature=2, seed=seed, max_tokens=40) for seed in range(20)]
    assert len(set(answers)) == 20
    assert not known & set(answers)
    assert sum(begins_like(text, QUESTIONS["languages-world"].answers, 6) for text in answers) <= 4


def test_higher_temperatures_wander_further(ask):
    """The mean log-probability of the generated tokens falls."""
    means = []
    for temperature in (0, 0.7, 1, 1.5, 2):
        items = []
        for seed in range(1 if temperature == 0 else 10):
            answer = ask(
                LANGUAGES, temperature=temperature, seed=seed, max_tokens=40, logprobs=True
            )
            items += [item["logprob"] for item in answer["choices"][0]["logprobs"]["content"]]
        means.append(np.mean(items))
    assert means == sorted(means, reverse=True)
    assert means[0] > -0.6 > means[-1]
