"""logit_bias, penalties, seed and n in requests."""

from __future__ import annotations

from functools import cache

import pytest
from chat_requests import ANSWERS, LANGUAGES, QUESTIONS

from simulated_azure.inference.tokens import IM_END, count_prompt, encode, token_bytes


@cache
def unseen_token(leading_blank: bool) -> int:
    """Return the token of a word that no answer has."""
    answer_tokens = {
        token for texts in ANSWERS.values() for text in texts for token in encode(text)
    }
    for token in range(30_000, 100_000):
        raw = token_bytes(token)
        if (
            token not in answer_tokens
            and raw[:1].isspace() == leading_blank
            and raw.strip().isalpha()
            and raw.isascii()
        ):
            return token
    raise AssertionError


@pytest.mark.parametrize("temperature", [0, 0.7, 1, 2])
@pytest.mark.parametrize("leading_blank", [False, True])
def test_bias_of_100_forces_a_token_even_one_that_no_answer_has(say, temperature, leading_blank):
    token = unseen_token(leading_blank)
    text = say(LANGUAGES, temperature=temperature, seed=1, max_tokens=5, logit_bias={token: 100})
    assert text == token_bytes(token).decode() * 5
    assert text[0].isspace() == leading_blank


@pytest.mark.parametrize("temperature", [0, 0.7, 1, 2])
def test_bias_of_minus_100_bans_a_token(say, temperature):
    about = encode(" about")[0]
    seeds = range(1 if temperature == 0 else 12)
    free = [say(LANGUAGES, temperature=temperature, seed=seed, max_tokens=40) for seed in seeds]
    banned = [
        say(LANGUAGES, temperature=temperature, seed=seed, max_tokens=40, logit_bias={about: -100})
        for seed in seeds
    ]
    assert any(" about" in text for text in free)
    assert [text for text in banned if about in encode(text)] == []


def test_banning_the_closing_token_goes_on_until_max_tokens(ask):
    answer = ask(LANGUAGES, temperature=0, max_tokens=200, logit_bias={IM_END: -100})
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 200
    assert answer["choices"][0]["message"]["content"].startswith(
        QUESTIONS["languages-world"].answers[0]
    )


def test_penalties_count_what_was_generated_not_the_prompt(say):
    answer = QUESTIONS["languages-world"].answers[0]
    prompts = [[("user", LANGUAGES)], [("system", answer), ("user", LANGUAGES)]]
    prompts.append([("user", LANGUAGES), ("assistant", answer), ("user", LANGUAGES)])
    for penalties in (
        {"presence_penalty": 2, "frequency_penalty": 2},
        {"presence_penalty": 1.5},
        {"frequency_penalty": 1},
    ):
        assert len({say(prompt, temperature=1, seed=3, **penalties) for prompt in prompts}) == 1


def test_frequency_penalty_repeats_less_and_a_negative_one_more(ask):
    def share_of_different_tokens(penalty: float) -> float:
        answers = [
            ask(
                "Write a chant about the sea",
                temperature=1,
                seed=seed,
                max_tokens=100,
                frequency_penalty=penalty,
            )
            for seed in range(4)
        ]
        texts = [encode(answer["choices"][0]["message"]["content"]) for answer in answers]
        return sum(len(set(text)) for text in texts) / sum(map(len, texts))

    assert (
        share_of_different_tokens(-2) < share_of_different_tokens(0) < share_of_different_tokens(2)
    )


def test_same_seed_gives_the_same_answer(ask):
    for seed in (0, 1, -5, 123456789012):
        first, second = (ask(LANGUAGES, temperature=1.5, seed=seed)["choices"] for _ in range(2))
        assert first == second


def test_different_seeds_give_different_answers(say):
    assert (
        len({say(LANGUAGES, temperature=1.5, seed=seed, max_tokens=60) for seed in range(20)}) >= 18
    )


def test_no_seed_gives_varying_answers(say):
    assert len({say(LANGUAGES, temperature=2, max_tokens=30) for _ in range(5)}) > 1


def test_choices_with_a_seed_differ_and_are_the_same_in_the_next_answer(ask):
    first, second = (ask(LANGUAGES, temperature=1.5, seed=4, n=5)["choices"] for _ in range(2))
    assert first == second
    assert [choice["index"] for choice in first] == [0, 1, 2, 3, 4]
    assert len({choice["message"]["content"] for choice in first}) == 5


def test_usage_counts_all_choices(ask):
    answer = ask(LANGUAGES, temperature=1, seed=4, n=4, logprobs=True, max_tokens=50)
    counts = [
        len(c["logprobs"]["content"]) + (c["finish_reason"] == "stop") for c in answer["choices"]
    ]
    assert {c["finish_reason"] for c in answer["choices"]} == {"stop", "length"}
    prompt = count_prompt([("user", LANGUAGES)])
    assert answer["usage"] == {
        "prompt_tokens": prompt,
        "completion_tokens": sum(counts),
        "total_tokens": prompt + sum(counts),
    }


def test_streamed_choices_equal_whole_ones(ask, stream):
    parameters = {"temperature": 1.2, "seed": 8, "n": 3}
    whole = ask(LANGUAGES, **parameters)
    events = stream(LANGUAGES, **parameters, stream_options={"include_usage": True})
    for choice in whole["choices"]:
        pieces = [c for event in events for c in event["choices"] if c["index"] == choice["index"]]
        assert (
            "".join(piece["delta"]["content"] for piece in pieces) == choice["message"]["content"]
        )
        assert pieces[-1]["finish_reason"] == choice["finish_reason"]
    assert events[-1]["usage"] == whole["usage"]
