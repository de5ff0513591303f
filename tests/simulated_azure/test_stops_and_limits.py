"""Where an answer ends: stop sequences, max_tokens, finish reasons."""

from __future__ import annotations

import random

import pytest
from chat_requests import LANGUAGES, PREFERRED, QUESTIONS, call_of, join_stream, request_body

from simulated_azure.inference import tokens
from simulated_azure.inference.servers import INFERENCE, SERVE
from simulated_azure.inference.tokens import ENDOFTEXT, IM_END, encode, encoding, token_bytes


def cut(text: str, *stops: str) -> str:
    """Return the text before the first of the stop sequences."""
    return text[: min((text.index(stop) for stop in stops if stop in text), default=len(text))]


@pytest.mark.parametrize(
    "stop",
    [
        "000 languages in the w",  # begins and ends inside tokens
        ["ct numb"],
        [" is hard", "world today"],
        ["zzz", "not there", "down"],
        "There",
        "T",
        PREFERRED[:40],
        PREFERRED[-1],
        PREFERRED[-30:],
        ["ages of", "ages in"],
        ["ages", "ang"],  # both in one token
        ["ang", "ages"],
        ["dialect is not blunt", "dialect is not s"],
        "dozen languages. And",  # begins as the text ends
        "zzz",
        [],
        "",
        [""],
    ],
    ids=str,
)
def test_stop_sequences_end_the_text_before_them(ask, stream, stop):
    expected = cut(
        PREFERRED, *[stop for stop in ([stop] if isinstance(stop, str) else stop) if stop]
    )
    answer = ask(LANGUAGES, temperature=0, stop=stop)
    assert answer["choices"][0]["message"]["content"] == expected
    assert answer["choices"][0]["finish_reason"] == "stop"
    events = stream(LANGUAGES, temperature=0, stop=stop, stream_options={"include_usage": True})
    assert join_stream(events) == (expected, "stop")
    assert events[-1]["usage"] == answer["usage"]


def test_any_part_of_any_answer_can_be_a_stop_sequence(ask, say, stream):
    chance = random.Random(6)
    for seed in range(25):
        parameters = {"temperature": 1.5, "seed": seed, "max_tokens": 120}
        free = say(LANGUAGES, **parameters)
        start = chance.randrange(len(free) - 1)
        stop = free[start : start + chance.randrange(1, 20)]
        answer = ask(LANGUAGES, **parameters, stop=stop)["choices"][0]
        assert (answer["message"]["content"], answer["finish_reason"]) == (cut(free, stop), "stop")
        assert join_stream(stream(LANGUAGES, **parameters, stop=stop)) == (cut(free, stop), "stop")


def test_generation_ends_with_the_token_that_completes_the_stop_sequence(ask):
    stop = "7,000 lang"
    ids = encode(PREFERRED)
    needed = next(count for count in range(len(ids)) if stop in encoding().decode(ids[:count]))
    assert ask(LANGUAGES, temperature=0, stop=stop)["usage"]["completion_tokens"] == needed
    answer = ask(LANGUAGES, temperature=0, stop=stop, max_tokens=needed)
    assert answer["choices"][0]["finish_reason"] == "stop"
    # A part of the stop sequence is not removed.
    answer = ask(LANGUAGES, temperature=0, stop=stop, max_tokens=needed - 1)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["content"] == encoding().decode(ids[: needed - 1])


@pytest.mark.parametrize("limit", [1, 2, 7, 40])
def test_max_tokens_gives_exactly_that_many_tokens(ask, stream, limit):
    expected = encoding().decode(encode(PREFERRED)[:limit])
    answer = ask(LANGUAGES, temperature=0, max_tokens=limit, logprobs=True)
    (choice,) = answer["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (expected, "length")
    assert len(choice["logprobs"]["content"]) == answer["usage"]["completion_tokens"] == limit
    assert join_stream(stream(LANGUAGES, temperature=0, max_tokens=limit)) == (expected, "length")


def test_completion_tokens_count_the_closing_token(ask):
    length = len(encode(PREFERRED))
    full = ask(LANGUAGES, temperature=0)
    assert (full["usage"]["completion_tokens"], full["choices"][0]["finish_reason"]) == (
        length + 1,
        "stop",
    )
    exact = ask(LANGUAGES, temperature=0, max_tokens=length + 1)
    assert (exact["usage"]["completion_tokens"], exact["choices"][0]["finish_reason"]) == (
        length + 1,
        "stop",
    )
    # The text is complete, but the model has not closed its turn.
    short = ask(LANGUAGES, temperature=0, max_tokens=length)
    assert (short["usage"]["completion_tokens"], short["choices"][0]["finish_reason"]) == (
        length,
        "length",
    )
    assert short["choices"][0]["message"]["content"] == PREFERRED


@pytest.mark.parametrize(
    ("server", "v1", "limit"),
    [(INFERENCE, False, None), (INFERENCE, True, None), (SERVE, False, 256), (SERVE, True, None)],
)
def test_max_tokens_defaults_to_256_or_to_what_the_context_holds(assistant, server, v1, limit):
    # The prompt leaves little room in the context, so that an answer fills it quickly.
    messages = [("system", "word " * 15_000), ("user", LANGUAGES)]
    body = request_body(messages, temperature=0, logit_bias={str(IM_END): -100, "198": 100})
    usage = assistant.answer(call_of(body, server, v1)).body()["usage"]
    room = tokens.CONTEXT_LENGTH - usage["prompt_tokens"]
    assert usage["completion_tokens"] == (limit or room)


SPLIT = {  # question -> its answer at temperature 0, which has characters that are several tokens
    QUESTIONS["thank-you-greek"].ask[0]: QUESTIONS["thank-you-greek"].answers[0],
    "Repeat: 鹿鳴館の鯨は躍る 👩‍🚀!": "鹿鳴館の鯨は躍る 👩‍🚀!",
}


def is_partial(token: int) -> bool:
    """Return True if a token ends or begins inside a character."""
    return "\ufffd" in token_bytes(token).decode("utf-8", "replace")


@pytest.mark.parametrize("question", SPLIT)
@pytest.mark.parametrize("temperature", [0, 0.7])
@pytest.mark.parametrize(
    "extras", [{}, {"logprobs": True}, {"stop": ["zzz", "πzz", "鳴zz"]}], ids=str
)
def test_characters_of_several_tokens_arrive_whole(ask, stream, question, temperature, extras):
    assert any(map(is_partial, encode(SPLIT[question])))
    parameters = {"temperature": temperature, "seed": 1, **extras}
    text = ask(question, **parameters)["choices"][0]["message"]["content"]
    assert text == SPLIT[question] or temperature
    assert not text.isascii() and "\ufffd" not in text
    pieces = [
        choice["delta"]["content"]
        for event in stream(question, **parameters)
        for choice in event["choices"]
    ]
    assert "".join(pieces) == text and not any("\ufffd" in piece for piece in pieces)


@pytest.mark.parametrize(("question", "answer"), SPLIT.items())
def test_a_stop_sequence_can_be_a_character_of_several_tokens(ask, stream, question, answer):
    stop = next(letter for letter in answer if any(map(is_partial, encode(letter))))
    assert ask(question, temperature=0, stop=stop)["choices"][0]["message"]["content"] == cut(
        answer, stop
    )
    assert join_stream(stream(question, temperature=0, stop=stop)) == (cut(answer, stop), "stop")


@pytest.mark.parametrize(("question", "answer"), SPLIT.items())
def test_a_character_cut_in_two_by_max_tokens_shows_as_a_replacement(ask, stream, question, answer):
    ids = encode(answer)
    limit = next(place for place, token in enumerate(ids) if is_partial(token)) + 1
    text = ask(question, temperature=0, max_tokens=limit)["choices"][0]["message"]["content"]
    assert text == encoding().decode(ids[:limit]) and text.endswith("\ufffd")
    assert join_stream(stream(question, temperature=0, max_tokens=limit)) == (text, "length")


def test_json_mode_gives_nothing_but_newlines_until_max_tokens(ask, stream):
    for temperature in (0, 0.7, 2):
        parameters = {
            "temperature": temperature,
            "max_tokens": 30,
            "response_format": {"type": "json_object"},
        }
        answer = ask("Describe Paris as JSON.", **parameters)
        (choice,) = answer["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("\n" * 30, "length")
        assert answer["usage"]["completion_tokens"] == 30
        assert join_stream(stream("Describe Paris as JSON.", **parameters)) == ("\n" * 30, "length")


def test_response_format_text_changes_nothing(say):
    assert say(LANGUAGES, response_format={"type": "text"}) == PREFERRED


@pytest.mark.parametrize("stop", [None, "zzz"], ids=str)
def test_a_whole_answer_gives_way_once_for_each_token(assistant, stop):
    never_end = {str(IM_END): -100, str(ENDOFTEXT): -100}
    body = request_body(
        LANGUAGES, temperature=1, max_tokens=20, n=2, stop=stop, logit_bias=never_end
    )
    answer = assistant.answer(call_of(body))
    assert list(answer.body_in_steps()) == [0.0] * 40
