"""Prompts of up to 1 MiB: they are counted in slices, so that other clients have their turn."""

from __future__ import annotations

import json
import random

import pytest

from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request
from simulated_azure.inference import tokens
from simulated_azure.inference.tokens import (
    SLICE_LENGTH,
    count_prompt,
    count_prompt_in_steps,
    encode_prompt,
    prompt_text,
)

SIZE = 2**20 - 400  # characters, so that the whole body has at most 1 MiB
ONE_WORD = {  # texts without a place where a slice may end
    "one letter": "a" * SIZE,
    "a punctuation mark": "!" * SIZE,
    "digits": "1" * SIZE,
    "white space before a letter": "a" + " " * SIZE + "b",
    "beginnings of special tokens": "<|im_" * (SIZE // 5),
}
WORDS = ["hello", "a", "<|im_end|>", "\n\n", "  ", "don't", "1234567", "é🙂", "?!", "<|im_"]


@pytest.mark.parametrize("name", ONE_WORD)
def test_a_text_without_a_break_is_counted_slice_by_slice(name):
    messages = [("user", ONE_WORD[name])]
    steps = list(count_prompt_in_steps(messages))
    assert len(steps) >= SIZE // (2 * SLICE_LENGTH)


@pytest.mark.parametrize("name", ONE_WORD)
def test_an_endpoint_says_that_such_a_text_is_too_long(name, simulator):
    azure = SimulatedAzure(key="k", assistant=simulator.azure.assistant)
    message = {"role": "user", "content": ONE_WORD[name]}
    body = json.dumps({"messages": [message], "max_tokens": 16_000}).encode()
    headers = {"api-key": "k", "content-type": "application/json"}
    response = azure.handle(Request("POST", "/chat/completions", "", headers, body))
    assert response.status == 400
    assert b"maximum context length is 16384 tokens" in response.body


@pytest.mark.parametrize("length", [10, 20_000, 60_000])
def test_slices_have_the_same_tokens_as_the_whole(length):
    choice = random.Random(length).choice
    text = "".join(choice(WORDS) + choice(["", " "]) for _ in range(length))
    messages = [("system", "Be brief."), ("user", text)]
    assert count_prompt(messages) == len(encode_prompt(prompt_text(messages)))


def test_special_tokens_take_the_white_space_on_both_sides():
    assert [*tokens.split_special_tokens("a \n<|im_end|> \t<|im_sep|> b")] == [
        ("a", False),
        ("<|im_end|>", True),
        ("", False),
        ("<|im_sep|>", True),
        ("b", False),
    ]
