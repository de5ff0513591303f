"""Requests that the container or the engine refuses, and the bodies of its errors."""

from __future__ import annotations

import json

import pytest
from azure.ai.inference import EmbeddingsClient, ImageEmbeddingsClient
from azure.ai.inference.models import (
    ChatCompletionsToolDefinition,
    DeveloperMessage,
    FunctionDefinition,
    ImageEmbeddingInput,
    JsonSchemaFormat,
    UserMessage,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from endpoint_clients import MESSAGES, PROMPT_TOKENS, ask_core, key_client, refusal
from raw_http import AS_SERVE, ASK, CHAT, GREEDY, QUESTION, V1_CHAT, post, raw

from simulated_azure.azure import SimulatedAzure

NO_TOOLS = "Tools and tool_choice are not supported."


def test_a_temperature_above_one_is_refused_in_the_containers_shape(client):
    error = refusal(client.complete, messages=MESSAGES, temperature=1.5)
    assert (type(error), error.status_code) == (HttpResponseError, 422)
    assert (error.error.code, error.error.message, error.error.details) == (
        "Invalid input",
        "invalid input error",
        [],
    )
    body = error.response.json()
    assert list(body) == ["error"]
    assert set(body["error"]) == {"code", "status", "message", "details"}
    assert body["error"]["status"] == 422
    assert body["error"]["details"] == [
        {
            "type": "less_than_equal",
            "loc": ["body", "temperature"],
            "msg": "Input should be less than or equal to 1",
            "input": 1.5,
            "ctx": {"le": 1.0},
        }
    ]


@pytest.mark.parametrize(
    "change, loc, kind",
    [
        ({"temperature": -0.1}, ["temperature"], "greater_than_equal"),
        ({"temperature": None}, ["temperature"], "float_type"),
        ({"presence_penalty": None}, ["presence_penalty"], "float_type"),
        ({"max_tokens": -1}, ["max_tokens"], "greater_than_equal"),
        ({"top_p": 1.1}, ["top_p"], "less_than_equal"),
        ({"frequency_penalty": -2.1}, ["frequency_penalty"], "greater_than_equal"),
        ({"messages": []}, ["messages"], "value_error"),
        ({"messages": None}, ["messages"], "list_type"),
        (
            {"messages": [{"role": "robot", "content": "x"}]},
            ["messages", 0, "role"],
            "enum",
        ),
        (
            {"messages": [{"role": "developer", "content": "x"}]},
            ["messages", 0, "role"],
            "enum",
        ),
        ({"messages": [{"content": "x"}]}, ["messages", 0, "role"], "missing"),
        (
            {"response_format": {"type": {"type": "text"}}},
            ["response_format", "type"],
            "string_type",
        ),
        ({"response_format": {"type": "json_schema"}}, ["response_format", "type"], "value_error"),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            ["tool_choice"],
            "string_type",
        ),
        ({"tools": [], "tool_choice": {}}, ["tool_choice"], "string_type"),
    ],
)
def test_an_invalid_request_names_what_is_wrong_with_it(simulator, change, loc, kind):
    status, answer = post(simulator, {**ASK, **change})
    assert (status, answer["error"]["code"], answer["error"]["message"]) == (
        422,
        "Invalid input",
        "invalid input error",
    )
    (detail,) = answer["error"]["details"]
    assert (detail["loc"], detail["type"]) == (["body", *loc], kind)


def test_a_request_without_messages_is_refused(simulator):
    status, answer = post(simulator, {"temperature": 0})
    assert (status, answer["error"]["details"][0]["loc"]) == (422, ["body", "messages"])


@pytest.mark.parametrize("body, position", [(b"{", 1), (b"no JSON", 0), (b'{"a": 1,}', 8)])
def test_invalid_json_is_refused_with_its_position(azure, body, position):
    response = ask_core(azure, "POST", CHAT, body)
    (detail,) = json.loads(response.body)["error"]["details"]
    assert (response.status, detail["type"]) == (422, "json_invalid")
    assert detail["loc"] == ["body", position]


@pytest.mark.parametrize("body", [b"", b"null"])
def test_an_empty_body_is_missing(azure, body):
    response = ask_core(azure, "POST", CHAT, body)
    (detail,) = json.loads(response.body)["error"]["details"]
    assert (response.status, detail["type"], detail["loc"]) == (422, "missing", ["body"])


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 5000,
        b"\xff",
        b'{"messages":[{"role":"user","content":"\xff"}]}',
        b'{"seed":%s}' % (b"9" * 5000),
    ],
    ids=["deep", "not UTF-8", "not UTF-8 inside", "a number too long"],
)
def test_a_body_that_cannot_be_read_is_refused_in_the_containers_words(azure, body):
    response = ask_core(azure, "POST", CHAT, body)
    assert response.status == 400
    assert json.loads(response.body) == {"detail": "There was an error parsing the body"}


def test_half_a_surrogate_pair_is_refused(azure):
    response = ask_core(azure, "POST", CHAT, rb'{"messages":["\ud800"]}')
    assert response.status == 422
    assert json.loads(response.body)["error"]["details"][0]["input"] == "\ud800"


@pytest.mark.parametrize("number", [b"NaN", b"1e999"])
def test_a_refusal_of_something_that_is_not_a_number_is_valid_json(azure, number):
    response = ask_core(
        azure, "POST", CHAT, json.dumps(ASK)[:-1].encode() + b', "temperature": ' + number + b"}"
    )
    assert response.status == 422
    json.loads(response.body, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_a_json_schema_is_refused_with_the_containers_text(client):
    schema = JsonSchemaFormat(name="answer", schema={"type": "object"})
    error = refusal(client.complete, messages=MESSAGES, response_format=schema)
    (detail,) = error.response.json()["error"]["details"]
    assert error.status_code == 422
    assert (
        "Response format was json_schema but must be either 'text' or 'json_object'."
        in detail["msg"]
    )


def test_a_developer_message_is_refused(client):
    error = refusal(
        client.complete, messages=[DeveloperMessage("Be brief."), UserMessage(QUESTION)]
    )
    assert (error.status_code, error.response.json()["error"]["details"][0]["loc"]) == (
        422,
        ["body", "messages", 0, "role"],
    )


def test_sound_is_refused_by_the_container_and_an_image_only_by_the_engine(simulator):
    sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    statuses = [
        post(simulator, {"messages": [{"role": "user", "content": [item]}]})[0]
        for item in (sound, image)
    ]
    assert statuses == [422, 400]


def test_the_engine_says_under_v1_in_its_own_shape_that_it_reads_no_images(simulator):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    body = {"messages": [{"role": "user", "content": [image]}]}
    status, answer = post(simulator, body, V1_CHAT, **AS_SERVE)
    assert status == 400
    assert (answer.get("object"), answer.get("type")) == ("error", "BadRequestError")


def test_tools_are_refused_with_the_containers_text(client):
    tool = ChatCompletionsToolDefinition(
        function=FunctionDefinition(
            name="weather", description="the weather", parameters={"type": "object"}
        )
    )
    error = refusal(client.complete, messages=MESSAGES, tools=[tool])
    assert (error.status_code, error.response.json()) == (400, {"detail": NO_TOOLS})


@pytest.mark.parametrize(
    "change", [{"tool_choice": "auto"}, {"tool_choice": "none"}, {"tools": []}]
)
def test_any_value_of_tools_and_tool_choice_is_refused(simulator, change):
    assert post(simulator, {**ASK, **change}) == (400, {"detail": NO_TOOLS})


@pytest.mark.parametrize("path", [CHAT, V1_CHAT])
def test_a_request_beyond_the_context_is_refused_with_its_numbers(simulator, path):
    status, answer = post(simulator, {**ASK, "max_tokens": 16_384}, path)
    engine_body = json.loads(answer["error"]["message"])
    assert (status, engine_body["type"], engine_body["code"]) == (400, "BadRequestError", 400)
    assert engine_body["message"].startswith(
        "This model's maximum context length is 16384 tokens. "
        f"However, you requested {16_384 + PROMPT_TOKENS} tokens "
        f"({PROMPT_TOKENS} in the messages, 16384 in the completion)."
    )


def test_an_answer_may_fill_the_context_to_its_last_token(simulator):
    assert post(simulator, {**GREEDY, "max_tokens": 16_384 - PROMPT_TOKENS})[0] == 200
    assert post(simulator, {**GREEDY, "max_tokens": 16_384 - PROMPT_TOKENS + 1})[0] == 400


def test_a_prompt_longer_than_the_context_is_refused(client):
    error = refusal(client.complete, messages=[UserMessage("word " * 16_400)])
    assert (error.status_code, error.error.code) == (400, "Bad Request")
    assert "maximum context length is 16384 tokens" in error.message


def test_a_body_over_one_mebibyte_is_refused_and_one_of_that_size_is_read(simulator):
    frame = len(json.dumps({"messages": [{"role": "user", "content": ""}]}))
    for excess, expected in ((0, 400), (1, 413)):  # 400: far more than the context holds
        body = {
            "messages": [
                {
                    "role": "user",
                    "content": "a " * ((2**20 - frame) // 2) + "a" * ((2**20 - frame) % 2 + excess),
                }
            ]
        }
        assert len(json.dumps(body)) == 2**20 + excess
        status, answer = post(simulator, body)
        assert (status, answer["error"]["status"]) == (expected, expected)


@pytest.mark.parametrize(
    "kind, value",
    [(EmbeddingsClient, ["a"]), (ImageEmbeddingsClient, [ImageEmbeddingInput(image="data:,")])],
)
def test_embeddings_are_not_found_on_a_chat_endpoint(simulator, certificates, kind, value):
    with key_client(simulator, certificates, kind=kind) as client:
        error = refusal(client.embed, input=value)
    assert type(error) is ResourceNotFoundError
    assert error.response.headers["content-type"].split(";")[0] == "text/plain"
    assert error.response.text() == "NOT FOUND"


def test_an_unknown_route_is_not_found(simulator, certificates):
    with key_client(simulator, certificates, path="/models") as client:
        error = refusal(client.complete, ASK)
    assert type(error) is ResourceNotFoundError
    assert error.response.json() == {"detail": "Not Found"}


@pytest.mark.parametrize(
    "method, path", [("GET", CHAT), ("POST", "/info"), ("DELETE", "/v1/models"), ("PUT", V1_CHAT)]
)
def test_a_wrong_method_is_not_allowed(simulator, method, path):
    status, _, content = raw(simulator, method, path, ASK)
    assert (status, json.loads(content)) == (405, {"detail": "Method Not Allowed"})


@pytest.mark.parametrize("limit", ["9" * 4300, "9223372036854775808"])
def test_limits_beyond_64_bits_are_refused(azure, limit):
    body = b'{"messages":[{"role":"user","content":"Hi"}],"max_tokens":%s}' % limit.encode()
    assert ask_core(azure, "POST", CHAT, body).status == 400


def test_a_bias_for_2000_tokens_is_refused(azure):
    body = {
        "messages": [{"role": "user", "content": "Hi"}],
        "logit_bias": dict.fromkeys(range(2000), 1),
    }
    response = ask_core(azure, "POST", V1_CHAT, body, extra_parameters="pass-through")
    assert response.status == 400


def test_a_model_that_cannot_be_loaded_is_named_in_each_answer(monkeypatch):
    from simulated_azure.inference import completions

    def broken(name: str) -> None:
        raise ValueError("more.toml has a slip in line 3")

    monkeypatch.setattr(completions, "Assistant", broken)
    azure = SimulatedAzure()
    answer = ask_core(azure, "POST", CHAT, b'{"messages":[{"role":"user","content":"Hi"}]}')
    assert answer.status == 500
    assert "more.toml has a slip in line 3" in json.loads(answer.body)["error"]["message"]
    assert ask_core(azure, "GET", "/info").status == 200
