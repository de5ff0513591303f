"""Log-probabilities in answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from chat_requests import LANGUAGES

from simulated_azure.errors import HTTPError
from simulated_azure.inference import model as model_module
from simulated_azure.inference.tokens import IM_SEP, encoding, token_bytes

PLAIN = {"temperature": 1}


@pytest.mark.parametrize(
    "parameters",
    [
        PLAIN,
        {"temperature": 0},
        {"temperature": 2, "max_tokens": 12},
        {"temperature": 0.7, "top_p": 0.2},
        {
            "temperature": 1,
            "logit_bias": {"15823": 6, "922": -100},
            "max_tokens": 20,
        },  # " languages", " about"
        {"temperature": 1, "presence_penalty": 2, "frequency_penalty": 2},
    ],
    ids=str,
)
def test_logprobs_do_not_depend_on_the_sampling(ask, topics, training_text, parameters):
    topic = topics["languages-world"]
    (choice,) = ask(LANGUAGES, seed=11, logprobs=True, top_logprobs=5, **parameters)["choices"]
    context = (IM_SEP,)
    for item in choice["logprobs"]["content"][:12]:
        token = encoding().encode_single_token(bytes(item["bytes"]))
        logprobs = np.log(training_text.probabilities(topic, context))
        assert item["logprob"] == pytest.approx(logprobs[token], abs=1e-9)
        order = np.argsort(-logprobs, kind="stable")[:5]
        assert [bytes(top["bytes"]) for top in item["top_logprobs"]] == [
            token_bytes(int(token)) for token in order
        ]
        assert [top["logprob"] for top in item["top_logprobs"]] == pytest.approx(
            logprobs[order].tolist(), abs=1e-9
        )
        context = (*context, token)[-model_module.MAX_CONTEXT :]


@pytest.mark.parametrize("count", [0, 1, 7, 20])
def test_top_logprobs_are_sorted_and_as_many_as_asked_for(ask, count):
    (choice,) = ask(LANGUAGES, temperature=0, logprobs=True, top_logprobs=count)["choices"]
    for item in choice["logprobs"]["content"]:
        top = [entry["logprob"] for entry in item["top_logprobs"]]
        assert len(top) == count and top == sorted(top, reverse=True)
        assert sum(map(math.exp, top)) <= 1 + 1e-9
        if count:  # at temperature 0 the token itself is the most likely
            assert item["top_logprobs"][0] == {
                key: item[key] for key in ("token", "logprob", "bytes")
            }


@pytest.mark.parametrize("count", [-1, 21])
def test_top_logprobs_beyond_0_to_20_are_refused(ask, count):
    with pytest.raises(HTTPError) as refusal:
        ask(LANGUAGES, logprobs=True, top_logprobs=count)
    assert refusal.value.status == 400


def test_no_logprobs_unless_asked_for(ask):
    assert ask(LANGUAGES, temperature=0)["choices"][0]["logprobs"] is None
    (choice,) = ask(LANGUAGES, temperature=0, logprobs=True)["choices"]
    assert all(item["top_logprobs"] == [] for item in choice["logprobs"]["content"])


@pytest.mark.parametrize(
    "question", [LANGUAGES, "How do you say good morning in Japanese?", "thank you greek"]
)
@pytest.mark.parametrize("temperature", [0, 1, 2])
def test_bytes_of_the_tokens_joined_equal_the_text(ask, question, temperature):
    for seed in range(5):
        (choice,) = ask(
            question,
            temperature=temperature,
            seed=seed,
            max_tokens=80,
            logprobs=True,
            top_logprobs=2,
        )["choices"]
        items = choice["logprobs"]["content"]
        assert (
            b"".join(bytes(item["bytes"]) for item in items).decode("utf-8", "replace")
            == choice["message"]["content"]
        )
        for entry in [entry for item in items for entry in (item, *item["top_logprobs"])]:
            assert entry["token"] == bytes(entry["bytes"]).decode("utf-8", "replace")


def test_streamed_logprobs_equal_whole_ones(ask, stream):
    parameters = {
        "temperature": 1,
        "seed": 2,
        "logprobs": True,
        "top_logprobs": 3,
        "stop": [" exact number"],
    }
    whole = ask(LANGUAGES, **parameters)["choices"][0]["logprobs"]["content"]
    pieces = [
        choice["logprobs"]
        for event in stream(LANGUAGES, **parameters)
        for choice in event["choices"]
    ]
    assert [item for piece in pieces if piece for item in piece["content"]] == whole
