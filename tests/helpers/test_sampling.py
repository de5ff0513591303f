"""Test the formulas against numpy, and against the simulated endpoint that applies them."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from azure.ai.inference.models import UserMessage

from helpers.sampling import nucleus, penalised, softmax

LOGPROBS = {"a": -0.5, "b": -1.5, "c": -2.0, "d": -9.0}
EXTRAS = {"logprobs": True, "top_logprobs": 20}


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1, 2])
def test_softmax_agrees_with_numpy(temperature):
    powers = np.exp(np.array([*LOGPROBS.values()]) / temperature)
    assert [*softmax(LOGPROBS, temperature).values()] == pytest.approx(powers / powers.sum())


def test_softmax_at_temperature_one_gives_the_models_own_probabilities():
    assert softmax({"a": math.log(0.75), "b": math.log(0.25)}) == pytest.approx(
        {"a": 0.75, "b": 0.25}
    )


def test_softmax_accepts_logits_and_never_overflows():
    shifted = {token: logprob + 5000 for token, logprob in LOGPROBS.items()}
    assert softmax(shifted, 0.01) == pytest.approx(softmax(LOGPROBS, 0.01))


def test_temperature_zero_takes_the_first_of_equally_likely_tokens():
    assert softmax({"a": -1.0, "b": -0.7, "c": -0.7}, 0) == {"a": 0.0, "b": 1.0, "c": 0.0}


def test_softmax_refuses_no_tokens_and_negative_temperatures():
    with pytest.raises(ValueError, match="logprobs is empty, expected at least one token"):
        softmax({})
    with pytest.raises(ValueError, match="temperature is -0.1, expected at least 0"):
        softmax(LOGPROBS, -0.1)


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [
        (0.01, "b"),
        (0.5, "b"),
        (0.51, "ba"),
        (0.8, "ba"),
        (0.82, "bac"),
        (0.999, "bacd"),
        (1, "bacd"),
    ],
)
def test_the_nucleus_is_the_smallest_set_that_reaches_top_p(top_p, kept):
    probabilities = {"a": 0.3125, "b": 0.5, "c": 0.15625, "d": 0.03125}
    result = nucleus(probabilities, top_p)
    assert "".join(result) == kept
    assert sum(result.values()) == pytest.approx(1)
    assert result["b"] == pytest.approx(0.5 / sum(probabilities[token] for token in kept))


def test_the_nucleus_keeps_the_order_of_equally_likely_tokens():
    assert [*nucleus({"x": 0.25, "y": 0.25, "z": 0.25, "w": 0.25}, 0.5)] == ["x", "y"]


def test_top_p_one_keeps_even_tokens_that_rounding_would_lose():
    assert len(nucleus({"a": 1.0, "b": 1e-300}, 1)) == 2


@pytest.mark.parametrize("top_p", [0, -0.1, 1.1])
def test_the_nucleus_refuses_a_top_p_out_of_range(top_p):
    with pytest.raises(
        ValueError, match=f"top_p is {top_p}, expected a number above 0 and at most 1"
    ):
        nucleus({"a": 1.0}, top_p)


def test_presence_counts_once_and_frequency_each_time():
    counts = {"a": 1, "b": 4}
    assert penalised(LOGPROBS, counts, presence=1)["b"] == LOGPROBS["b"] - 1
    assert penalised(LOGPROBS, counts, frequency=1)["b"] == LOGPROBS["b"] - 4
    assert penalised(LOGPROBS, counts, presence=1, frequency=0.5) == {
        "a": -2.0,
        "b": -4.5,
        "c": -2.0,
        "d": -9.0,
    }
    assert penalised(LOGPROBS, {}, presence=2, frequency=2) == LOGPROBS


def test_a_negative_penalty_makes_repetition_likelier():
    assert penalised({"a": -1.0}, {"a": 2}, presence=-0.5, frequency=-0.25) == {"a": 0.0}


def first_logprobs(client, text: str) -> dict[str, float]:
    """Return the log-probabilities of the likeliest first tokens of an answer."""
    reply = client.complete(
        messages=[UserMessage(text)], temperature=0, max_tokens=1, model_extras=EXTRAS
    )
    items = reply.choices[0]["logprobs"]["content"][0]["top_logprobs"]
    return {item["token"]: item["logprob"] for item in items}


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(0, 1), (0.3, 1), (0.7, 1), (1, 1), (1, 0.5), (0.3, 0.9), (1, 0.1)]
)
def test_the_endpoint_draws_as_the_formulas_say(client, temperature, top_p):
    """Each share of 200 draws is within four standard deviations, and inside the nucleus."""
    expected = nucleus(softmax(first_logprobs(client, "Name a colour."), temperature), top_p)
    drawn: Counter[str] = Counter()
    for seed in range(200):
        reply = client.complete(
            messages=[UserMessage("Name a colour.")],
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            max_tokens=1,
        )
        drawn[reply.choices[0].message.content or "<|im_end|>"] += 1
    for token, p in expected.items():
        assert abs(drawn[token] - 200 * p) <= 4 * math.sqrt(200 * p * (1 - p)) + 1, token
    if top_p < 1:
        assert {*drawn} <= {*expected}


def test_the_endpoint_subtracts_penalties_as_the_formula_says(client):
    """At the first repeated token with an alternative, the computed penalty changes the answer."""
    song = [UserMessage("Sing me a song that repeats itself.")]
    reply = client.complete(messages=song, temperature=0, model_extras=EXTRAS)
    items = reply.choices[0]["logprobs"]["content"]
    position = next(
        position
        for position, item in enumerate(items)
        if item["token"] in [other["token"] for other in items[:position]]
        and item["top_logprobs"][1]["logprob"] > math.log(0.1)
    )
    first, second = items[position]["top_logprobs"][:2]
    gap = first["logprob"] - second["logprob"]
    counts = Counter(item["token"] for item in items[:position])
    for penalty, winner in ((gap - 0.01, first), (gap + 0.01, second)):
        logprobs = {item["token"]: item["logprob"] for item in items[position]["top_logprobs"]}
        logits = penalised(logprobs, counts, presence=penalty)
        assert max(logits, key=logits.__getitem__) == winner["token"]
        reply = client.complete(
            messages=song, temperature=0, presence_penalty=penalty, max_tokens=position + 1
        )
        assert reply.choices[0].message.content.endswith(winner["token"])
