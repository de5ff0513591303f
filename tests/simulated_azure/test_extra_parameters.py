"""Extra parameters: the header that allows them, and what they change in an answer."""

from __future__ import annotations

import json

import pytest
from azure.ai.inference.models import AssistantMessage, UserMessage
from azure.core.exceptions import HttpResponseError
from endpoint_clients import MESSAGES, refusal, text_of
from raw_http import AS_SERVE, ASK, V1_CHAT, post

PASS_THROUGH = {"extra-parameters": "pass-through"}


NO_EXTRAS = (
    "Extra parameters {} are not allowed when extra-parameters is not set or set to be 'error'. "
    "Set extra-parameters to 'pass-through' to pass to the model."
)


def test_model_extras_send_the_header_and_logprobs_come_back_as_an_item(client, journal):
    response = client.complete(
        messages=MESSAGES,
        temperature=0,
        max_tokens=4,
        model_extras={"logprobs": True, "top_logprobs": 2},
    )
    choice = response.choices[0]
    assert not hasattr(choice, "logprobs")
    content = choice["logprobs"]["content"]
    assert "".join(item["token"] for item in content) == choice.message.content
    assert len(content) == response.usage.completion_tokens == 4
    for item in content:
        assert item["logprob"] <= 0
        assert bytes(item["bytes"]).decode() == item["token"]
        assert len(item["top_logprobs"]) == 2
        assert item["top_logprobs"][0]["token"] == item["token"]  # greedy: the likeliest is taken
    (entry,) = journal()
    assert entry["headers"]["extra-parameters"] == "pass-through"
    assert entry["body"]["logprobs"] is True


def test_streamed_log_probabilities_cover_the_whole_text(client):
    updates = list(
        client.complete(
            messages=MESSAGES,
            temperature=0,
            max_tokens=6,
            stream=True,
            model_extras={"logprobs": True},
        )
    )
    items = [
        item
        for update in updates
        for item in (update.choices[0].get("logprobs") or {}).get("content", [])
    ]
    assert "".join(item["token"] for item in items) == text_of(updates)
    assert len(items) == updates[-1].usage.completion_tokens


def test_several_choices_are_given_and_counted(client):
    body = {
        **ASK,
        "max_tokens": 3,
        "n": 2,
        "logit_bias": {"100265": -100},
    }  # the token that would end an answer early
    response = client.complete(body, headers=PASS_THROUGH)
    assert [choice.index for choice in response.choices] == [0, 1]
    assert response.usage.completion_tokens == 6


@pytest.mark.parametrize("header", [None, "error"])
def test_an_extra_parameter_is_refused_unless_the_header_allows_it(client, header):
    error = refusal(
        client.complete,
        {**ASK, "n": 1, "logprobs": True},
        headers={"extra-parameters": header} if header else {},
    )
    assert type(error) is HttpResponseError
    assert error.status_code == 400
    assert error.response.json() == {"detail": NO_EXTRAS.format("['n', 'logprobs']")}
    assert error.error is None or error.error.code is None
    assert error.message.startswith("Operation returned an invalid status 'Bad Request'")


@pytest.mark.parametrize(
    "name", ["logprobs", "top_logprobs", "logit_bias", "n", "stream_options", "top_k"]
)
def test_each_parameter_that_the_container_does_not_name_is_extra(simulator, name):
    assert post(simulator, {**ASK, name: 1}) == (400, {"detail": NO_EXTRAS.format([name])})


def test_drop_ignores_extra_parameters(client):
    response = client.complete(
        {**ASK, "logprobs": True, "n": 3, "nonsense": 1}, headers={"extra-parameters": "drop"}
    )
    assert len(response.choices) == 1
    assert response.choices[0].get("logprobs") is None


def test_an_extra_parameter_that_the_engine_does_not_know_fails_even_with_pass_through(client):
    error = refusal(client.complete, messages=MESSAGES, model_extras={"nonsense": 1})
    assert (error.status_code, error.error.code) == (400, "Bad Request")
    engine_body = json.loads(error.response.json()["error"]["message"])
    assert (
        engine_body["object"],
        engine_body["type"],
        engine_body["param"],
        engine_body["code"],
    ) == (
        "error",
        "BadRequestError",
        None,
        400,
    )
    assert "'extra_forbidden'" in engine_body["message"]
    assert "'nonsense'" in engine_body["message"]


def test_the_engine_writes_the_place_of_an_unknown_parameter_as_seen_in_the_wild(simulator):
    status, answer = post(simulator, {**ASK, "nonsense": 1}, V1_CHAT, **AS_SERVE)
    assert (status, answer["object"], answer["type"]) == (400, "error", "BadRequestError")
    assert answer["message"].startswith(
        "[{'type': 'extra_forbidden', 'loc': ('body', 'nonsense'), "
    )


@pytest.mark.parametrize("more", [{}, {"n": 1}])
def test_an_unknown_value_of_the_header_is_refused_with_the_containers_text(simulator, more):
    text = (
        "Unexpected EXTRA_PARAMETERS option ignore, "
        "expected options are ['error', 'drop', 'pass-through']"
    )
    assert post(simulator, {**ASK, **more}, **{"extra-parameters": "ignore"}) == (
        400,
        {"detail": text},
    )


GO_ON = {"add_generation_prompt": False, "continue_final_message": True}


def test_an_answer_goes_on_from_the_beginning_that_a_request_gives_it(client):
    whole = client.complete(messages=MESSAGES, temperature=0)
    text = whole.choices[0].message.content
    beginning = text[: len(text) // 2].rsplit(" ", 1)[0]
    rest = text.removeprefix(beginning)
    asked = [*MESSAGES, AssistantMessage(beginning)]
    reply = client.complete(messages=asked, temperature=0, model_extras=GO_ON)
    assert reply.choices[0].message.content == rest
    counts = (reply.usage.total_tokens, whole.usage.total_tokens)
    assert counts[0] == counts[1]  # the same tokens, of which more are in the prompt


def test_an_answer_that_goes_on_from_another_token_is_another_answer(client):
    messages = [UserMessage("What is the capital of France?"), AssistantMessage("Paris")]
    reply = client.complete(messages=messages, temperature=0, model_extras=GO_ON)
    assert reply.choices[0].message.content.startswith(" is the French capital")
    again = client.complete(messages=messages, temperature=0)
    assert again.choices[0].message.content.startswith("The capital")  # a new message


@pytest.mark.parametrize("path", ["/chat/completions", V1_CHAT])
def test_a_server_passes_on_that_an_answer_is_to_go_on(simulator, path):
    body = ASK | {"messages": [*ASK["messages"], {"role": "assistant", "content": "Paris"}]}
    headers = PASS_THROUGH if path != V1_CHAT else AS_SERVE
    status, answer = post(simulator, body | GO_ON, path, **headers)
    assert status == 200, answer


@pytest.mark.parametrize(
    ("extras", "words"),
    [
        ({"continue_final_message": True}, "Cannot set both `continue_final_message` and"),
        ({"add_generation_prompt": False}, "only together with `continue_final_message` true"),
    ],
)
def test_half_of_what_lets_an_answer_go_on_is_refused(client, extras, words):
    error = refusal(client.complete, messages=MESSAGES, model_extras=extras)
    assert error.status_code == 400
    assert words in error.message
