"""The simulated endpoint, as its clients meet it: the real SDK over real sockets, and the raw wire where that matters.

What is expected here comes from recorded traffic, from the published container and from runs of the SDK, not from the
simulator's source.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from azure.ai.inference import (
    ChatCompletionsClient,
    EmbeddingsClient,
    ImageEmbeddingsClient,
    load_client,
)
from azure.ai.inference.aio import ChatCompletionsClient as AsyncChatCompletionsClient
from azure.ai.inference.aio import load_client as load_async_client
from azure.ai.inference.models import (
    AssistantMessage,
    ChatCompletionsToolDefinition,
    DeveloperMessage,
    FunctionDefinition,
    ImageEmbeddingInput,
    JsonSchemaFormat,
    SystemMessage,
    UserMessage,
)
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.identity.aio import DefaultAzureCredential as AsyncDefaultAzureCredential
from raw_http import (
    ASK,
    CHAT,
    GREEDY,
    QUESTION,
    V1_CHAT,
    chunks_on_the_wire,
    events_in,
    post,
    raw,
    wire_request,
)

from simulated_azure.azure import SimulatedAzure
from simulated_azure.faults import CHANGES, REFUSALS
from simulated_azure.http import Request, Response

MESSAGES = [SystemMessage("You are a helpful assistant."), UserMessage(QUESTION)]
PROMPT_TOKENS = 25  # the two contents (6 and 8 tokens), 4 a message, 3 that open the reply
PASS_THROUGH = {"extra-parameters": "pass-through"}
UNAUTHORIZED = {
    "statusCode": 401,
    "message": "Auth token validation failed. Please provide a valid key or a valid AAD token",
}
EXTRA_REFUSED = (
    "Extra parameters {} are not allowed when extra-parameters is not set or set to be 'error'. "
    "Set extra-parameters to 'pass-through' to pass to the model."
)
NO_TOOLS = "Tools and tool_choice are not supported."

both_schemes = pytest.mark.parametrize("scheme", ["http", "https"])


def fault(asked: str) -> dict[str, dict[str, str]]:
    """The keyword argument of a call that asks for a fault."""
    return {"headers": {"x-simulated-fault": asked}}


def key_client(
    simulator,
    certificates,
    scheme: str = "https",
    kind=ChatCompletionsClient,
    path: str = "",
    **more,
):
    url = simulator.url if scheme == "https" else simulator.http_url
    return kind(
        url + path,
        AzureKeyCredential(more.pop("key", simulator.azure.key)),
        connection_verify=certificates,
        **more,
    )


def refusal(call: Callable, *arguments, **named) -> HttpResponseError:
    """The error that a call ends with."""
    with pytest.raises(HttpResponseError) as caught:
        call(*arguments, **named)
    return caught.value


def updates_of(client, body: dict = GREEDY, **named) -> list:
    return list(client.complete({**body, "stream": True}, **named))


def text_of(updates: list) -> str:
    return "".join(update.choices[0].delta.content or "" for update in updates if update.choices)


def finish_of(updates: list) -> str | None:
    return next(
        (update.choices[0].finish_reason for update in reversed(updates) if update.choices), None
    )


@pytest.fixture
def arrived(simulator) -> Callable[[], list[dict]]:
    """Gives the requests that have arrived since the test began, as the simulator shows them to a learner."""
    simulator.azure.journal.clear()
    return lambda: json.loads(raw(simulator, "GET", "/simulator/requests")[2])["requests"]


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """What the synchronous SDK would have slept between its attempts; nothing is slept."""
    slept: list[float] = []
    monkeypatch.setattr(RequestsTransport, "sleep", lambda self, duration: slept.append(duration))
    return slept


@pytest.fixture
def identity(simulator, monkeypatch) -> None:
    """A managed identity as App Service has it, answered by the simulator."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.setenv(name, simulator.variables()[name])


@pytest.fixture
def azure(simulator) -> SimulatedAzure:
    """The core without a server. The model, which keeps no state, is shared to save time."""
    return SimulatedAzure(assistant=simulator.azure.assistant)


def ask_core(
    azure: SimulatedAzure,
    method: str,
    path: str,
    body: dict | bytes = b"",
    query: str = "",
    **headers: str,
) -> Response:
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    all_headers = {"api-key": azure.key, "content-type": "application/json", **named}
    return azure.handle(Request(method, path, query, all_headers, content))


# Calls that succeed


@both_schemes
def test_a_completion_has_the_documented_shape_and_usage(simulator, certificates, scheme):
    with key_client(simulator, certificates, scheme) as client:
        response = client.complete(messages=MESSAGES, temperature=0, max_tokens=200)
    assert (response["object"], response.model) == ("chat.completion", "Phi-4")
    assert re.fullmatch("[0-9a-f]{32}", response.id)
    assert abs(response.created.timestamp() - time.time()) < 60
    (choice,) = response.choices
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    assert "7,000" in choice.message.content
    assert choice.message["tool_calls"] is None
    usage = response.usage
    assert usage.prompt_tokens == PROMPT_TOKENS
    assert usage.completion_tokens > 5
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@both_schemes
def test_the_asynchronous_client_gets_a_completion(simulator, certificates, scheme):
    async def main():
        async with key_client(
            simulator, certificates, scheme, AsyncChatCompletionsClient
        ) as client:
            return await client.complete(GREEDY)

    response = asyncio.run(main())
    assert "7,000" in response.choices[0].message.content
    assert response.usage.prompt_tokens == PROMPT_TOKENS


def test_the_conversation_of_the_sdks_own_sample_goes_on(client):
    """As sample_chat_completions_with_history.py: the second question is about the first."""
    messages = [
        SystemMessage("You are a helpful assistant."),
        UserMessage("How many feet are in a mile?"),
    ]
    first = client.complete(messages=messages, temperature=0).choices[0].message
    messages += [AssistantMessage(first.content), UserMessage("and how many yards?")]
    second = client.complete(messages=messages, temperature=0).choices[0].message
    assert "5,280 feet" in first.content
    assert "1,760 yards" in second.content


def test_max_tokens_ends_an_answer_with_finish_reason_length(client):
    response = client.complete(messages=MESSAGES, temperature=0, max_tokens=3)
    assert (response.choices[0].finish_reason, response.usage.completion_tokens) == ("length", 3)


@both_schemes
def test_streaming_gives_the_same_text_as_a_whole_answer_and_usage_in_the_last_update(
    simulator, certificates, scheme
):
    with key_client(simulator, certificates, scheme) as client:
        whole = client.complete(GREEDY)
        updates = list(client.complete(messages=MESSAGES, temperature=0, stream=True))
    assert text_of(updates) == whole.choices[0].message.content
    assert len(updates) > 5
    assert {update.id for update in updates} == {updates[0].id}
    assert [update.choices[0].delta.role for update in updates[:2]] == ["assistant", None]
    assert [update.choices[0].finish_reason for update in updates] == [None] * (
        len(updates) - 1
    ) + ["stop"]
    assert [update.usage for update in updates[:-1]] == [None] * (len(updates) - 1)
    assert updates[-1].usage == whole.usage


@both_schemes
def test_the_asynchronous_client_streams(simulator, certificates, scheme):
    async def main():
        async with key_client(
            simulator, certificates, scheme, AsyncChatCompletionsClient
        ) as client:
            whole = await client.complete(GREEDY)
            return whole, [
                update
                async for update in await client.complete(
                    messages=MESSAGES, temperature=0, stream=True
                )
            ]

    whole, updates = asyncio.run(main())
    assert text_of(updates) == whole.choices[0].message.content
    assert (finish_of(updates), updates[-1].usage) == ("stop", whole.usage)


@pytest.mark.parametrize(
    "spelling", [{"stream": False}, {"stop": "x" * 50}, {"seed": 7}, {"model": "anything"}]
)
def test_known_parameters_need_no_header(client, spelling):
    response = client.complete(messages=MESSAGES, temperature=0, max_tokens=3, **spelling)
    assert (response.usage.completion_tokens, response.model) == (3, "Phi-4")


def test_a_number_as_text_is_accepted_as_the_container_accepts_it(client):
    assert (
        client.complete(
            {**GREEDY, "presence_penalty": "0.1", "max_tokens": "3"}
        ).usage.completion_tokens
        == 3
    )


def test_json_mode_is_accepted_for_phi_and_gives_no_json(client):
    response = client.complete(messages=MESSAGES, response_format="json_object", max_tokens=20)
    assert response.choices[0].message.content.strip() == ""
    assert response.choices[0].finish_reason == "length"


# The wire


def test_a_whole_answer_has_the_recorded_keys_and_a_length(simulator):
    status, headers, content = raw(
        simulator, "POST", f"{CHAT}?api-version=2024-05-01-preview", GREEDY
    )
    assert (status, headers["content-type"]) == (200, "application/json")
    assert int(headers["content-length"]) == len(content)
    assert headers["x-request-id"]
    answer = json.loads(content)
    assert {"choices", "created", "id", "model", "object", "usage"} <= set(answer)
    assert set(answer["usage"]) == {"completion_tokens", "prompt_tokens", "total_tokens"}


@pytest.mark.parametrize("query", ["", "?api-version=1999-01-01"])
def test_the_api_version_is_not_checked(simulator, query):
    assert raw(simulator, "POST", CHAT + query, GREEDY)[0] == 200


@pytest.mark.parametrize(
    "method, path, body", [("GET", "/", b"healthy"), ("GET", "/v1/models", None)]
)
def test_small_routes_answer(simulator, method, path, body):
    status, _, content = raw(simulator, method, path)
    assert status == 200
    if body:
        assert content == body
    else:
        listed = json.loads(content)
        assert (listed["object"], [model["id"] for model in listed["data"]]) == ("list", ["Phi-4"])


# /info


def test_info_has_the_recorded_keys_and_is_asked_for_once(client, arrived):
    info = client.get_model_info()
    assert (info.model_name, info.model_type, info.model_provider_name) == (
        "Phi-4",
        "chat-completion",
        "Microsoft",
    )
    assert info["served_model_name"] == "Phi-4"
    assert info["served_model_type"] == "chat-completion"
    assert set(info) == {
        "model_name",
        "model_type",
        "model_provider_name",
        "served_model_name",
        "served_model_type",
    }
    assert client.get_model_info() is info
    assert [(entry["method"], entry["path"], entry["query"]) for entry in arrived()] == [
        ("GET", "/info", "api-version=2024-05-01-preview")
    ]


def test_load_client_chooses_the_chat_client_with_one_request(simulator, certificates, arrived):
    with load_client(
        simulator.url, AzureKeyCredential(simulator.azure.key), connection_verify=certificates
    ) as loaded:
        assert type(loaded) is ChatCompletionsClient
        assert loaded.get_model_info().model_name == "Phi-4"
        assert "Phi-4" in str(loaded)
    assert [entry["path"] for entry in arrived()] == ["/info"]


def test_the_asynchronous_load_client_chooses_the_chat_client(simulator, certificates):
    async def main():
        credential = AzureKeyCredential(simulator.azure.key)
        async with await load_async_client(
            simulator.url, credential, connection_verify=certificates
        ) as loaded:
            return type(loaded), (await loaded.get_model_info()).model_name

    assert asyncio.run(main()) == (AsyncChatCompletionsClient, "Phi-4")


def test_load_client_fails_with_a_friendly_message_where_info_is_missing(simulator, certificates):
    credential = AzureKeyCredential(simulator.azure.key)
    with pytest.raises(ResourceNotFoundError) as caught:
        load_client(simulator.url, credential, connection_verify=certificates, **fault("no-info"))
    assert "load_client" in caught.value.message
    assert caught.value.response.json() == {"detail": "Not Found"}


# Who may call


@pytest.mark.parametrize(
    "headers", ["api-key", "Authorization", "lower case", "wrong api-key, right Authorization"]
)
def test_either_header_with_the_key_is_enough(simulator, headers):
    key = simulator.azure.key
    sent = {
        "api-key": {"api-key": key},
        "Authorization": {"Authorization": f"Bearer {key}"},
        "lower case": {"authorization": f"bearer {key}"},
        "wrong api-key, right Authorization": {
            "api-key": "wrong",
            "Authorization": f"Bearer {key}",
        },
    }[headers]
    assert raw(simulator, "GET", "/info", headers=sent)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"api-key": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic {key}"},
        {"api-key": "Bearer {key}"},
        {"api-key": "schlüssel"},
    ],
)
@pytest.mark.parametrize("path", ["/info", CHAT, "/v1/models", "/nowhere", "/simulator/requests"])
def test_nothing_is_answered_without_the_key(simulator, path, headers):
    sent = {
        name: value.format(key=simulator.azure.key).encode("latin-1")
        for name, value in headers.items()
    }
    status, answered, body = raw(simulator, "GET", path, headers=sent)
    assert (status, json.loads(body), answered["x-ms-error-reason"]) == (
        401,
        UNAUTHORIZED,
        "Invalid JWT.",
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_key_is_refused_with_the_recorded_body(simulator, certificates, stream):
    with key_client(simulator, certificates, key="wrong") as client:
        error = refusal(client.complete, messages=MESSAGES, stream=stream)
    assert type(error) is ClientAuthenticationError
    assert error.status_code == 401
    assert error.response.json() == UNAUTHORIZED
    assert error.response.headers["x-ms-error-reason"] == "Invalid JWT."
    assert error.message.startswith("(None) Auth token validation failed.")


def test_an_empty_key_is_refused(simulator, certificates):
    with key_client(simulator, certificates, key="") as client:
        assert refusal(client.get_model_info).status_code == 401


def test_a_wrong_key_is_refused_asynchronously(simulator, certificates):
    async def main():
        async with key_client(
            simulator, certificates, kind=AsyncChatCompletionsClient, key="wrong"
        ) as client:
            await client.complete(ASK)

    with pytest.raises(ClientAuthenticationError):
        asyncio.run(main())


def test_the_default_credential_gets_one_token_for_several_calls(
    simulator, certificates, identity, arrived
):
    with (
        DefaultAzureCredential() as credential,
        ChatCompletionsClient(simulator.url, credential, connection_verify=certificates) as client,
    ):
        assert "7,000" in client.complete(GREEDY).choices[0].message.content
        assert finish_of(updates_of(client)) == "stop"
        assert client.get_model_info().model_name == "Phi-4"
    token, *others = arrived()
    assert (token["method"], token["path"], token["status"]) == ("GET", "/msi/token", 200)
    assert token["query"] == "api-version=2019-08-01&resource=https://ml.azure.com"
    assert token["headers"]["x-identity-header"] == "***"
    assert [entry["path"] for entry in others] == [CHAT, CHAT, "/info"]
    assert {entry["headers"]["authorization"] for entry in others} == {"Bearer ***"}
    assert not any("api-key" in entry["headers"] for entry in others)


def test_the_asynchronous_default_credential_gets_a_token(simulator, certificates, identity):
    async def main():
        async with (
            AsyncDefaultAzureCredential() as credential,
            AsyncChatCompletionsClient(
                simulator.url, credential, connection_verify=certificates
            ) as client,
        ):
            updates = [
                update
                async for update in await client.complete(
                    messages=MESSAGES, temperature=0, stream=True
                )
            ]
            return (await client.get_model_info()).model_name, finish_of(updates)

    assert asyncio.run(main()) == ("Phi-4", "stop")


def test_the_token_answer_is_what_managed_identity_clients_require(simulator):
    route = "/msi/token?api-version=2019-08-01&resource=https://ml.azure.com"
    status, _, body = raw(
        simulator, "GET", route, headers={"X-IDENTITY-HEADER": simulator.azure.identity_header}
    )
    answer = json.loads(body)
    assert status == 200
    assert (answer["resource"], answer["token_type"]) == ("https://ml.azure.com", "Bearer")
    assert int(answer["expires_on"]) > time.time() + 3600


@pytest.mark.parametrize(
    "scope, accepted",
    [
        ("https://cognitiveservices.azure.com/.default", True),
        ("https://ai.azure.com/.default", True),
        ("https://management.azure.com/.default", False),
    ],
)
def test_a_token_counts_only_for_the_audiences_of_inference(
    simulator, certificates, identity, scope, accepted
):
    with (
        DefaultAzureCredential() as credential,
        ChatCompletionsClient(
            simulator.url, credential, connection_verify=certificates, credential_scopes=[scope]
        ) as client,
    ):
        if accepted:
            assert client.get_model_info().model_name == "Phi-4"
        else:
            assert type(refusal(client.get_model_info)) is ClientAuthenticationError


def test_a_wrong_identity_header_gets_no_token(
    simulator, certificates, identity, monkeypatch, arrived
):
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with (
        DefaultAzureCredential() as credential,
        ChatCompletionsClient(simulator.url, credential, connection_verify=certificates) as client,
        pytest.raises(ClientAuthenticationError),
    ):
        client.complete(ASK)
    assert [(entry["path"], entry["status"]) for entry in arrived()] == [("/msi/token", 401)]


def test_the_client_refuses_to_send_a_token_over_http_before_it_asks_for_one(
    simulator, identity, arrived
):
    with (
        DefaultAzureCredential() as credential,
        ChatCompletionsClient(simulator.http_url, credential) as client,
    ):
        with pytest.raises(ServiceRequestError, match="not permitted for non-TLS protected"):
            client.complete(ASK)
        assert arrived() == []
        assert client.complete(GREEDY, enforce_https=False).choices[0].finish_reason == "stop"


def test_a_client_that_was_not_told_of_the_certificate_refuses_the_simulator(
    simulator, monkeypatch
):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with ChatCompletionsClient(
        simulator.url, AzureKeyCredential(simulator.azure.key), retry_total=0
    ) as client:
        with pytest.raises(ServiceRequestError, match="CERTIFICATE_VERIFY_FAILED"):
            client.complete(ASK)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", simulator.variables()["REQUESTS_CA_BUNDLE"])
        assert client.get_model_info().model_name == "Phi-4"


# Extra parameters


def test_model_extras_send_the_header_and_logprobs_come_back_as_an_item(client, arrived):
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
    (entry,) = arrived()
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
    assert error.response.json() == {"detail": EXTRA_REFUSED.format("['n', 'logprobs']")}
    assert error.error is None or error.error.code is None
    assert error.message.startswith("Operation returned an invalid status 'Bad Request'")


@pytest.mark.parametrize(
    "name", ["logprobs", "top_logprobs", "logit_bias", "n", "stream_options", "top_k"]
)
def test_each_parameter_that_the_container_does_not_name_is_extra(simulator, name):
    assert post(simulator, {**ASK, name: 1}) == (400, {"detail": EXTRA_REFUSED.format([name])})


def test_drop_ignores_extra_parameters(client):
    response = client.complete(
        {**ASK, "logprobs": True, "n": 3, "nonsense": 1}, headers={"extra-parameters": "drop"}
    )
    assert len(response.choices) == 1
    assert response.choices[0].get("logprobs") is None


def test_an_extra_parameter_that_the_engine_does_not_know_fails_even_with_pass_through(client):
    error = refusal(client.complete, messages=MESSAGES, model_extras={"nonsense": 1})
    assert (error.status_code, error.error.code) == (400, "Bad Request")
    said = json.loads(error.response.json()["error"]["message"])
    assert (said["object"], said["type"], said["param"], said["code"]) == (
        "error",
        "BadRequestError",
        None,
        400,
    )
    assert "'extra_forbidden'" in said["message"]
    assert "'nonsense'" in said["message"]


def test_the_engine_writes_the_place_of_an_unknown_parameter_as_seen_in_the_wild(simulator):
    status, answer = post(simulator, {**ASK, "nonsense": 1}, V1_CHAT)
    assert (status, answer["object"], answer["type"]) == (400, "error", "BadRequestError")
    assert answer["message"].startswith(
        "[{'type': 'extra_forbidden', 'loc': ('body', 'nonsense'), "
    )


@pytest.mark.parametrize("more", [{}, {"n": 1}])
def test_an_unknown_value_of_the_header_is_refused_with_the_containers_text(simulator, more):
    text = "Unexpected EXTRA_PARAMETERS option ignore, expected options are ['error', 'drop', 'pass-through']"
    assert post(simulator, {**ASK, **more}, **{"extra-parameters": "ignore"}) == (
        400,
        {"detail": text},
    )


# What the container refuses


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
        ({"max_tokens": None}, ["max_tokens"], "int_type"),
        ({"max_tokens": -1}, ["max_tokens"], "greater_than_equal"),
        ({"top_p": 1.1}, ["top_p"], "less_than_equal"),
        ({"frequency_penalty": -2.1}, ["frequency_penalty"], "greater_than_equal"),
        ({"messages": []}, ["messages"], "too_short"),
        ({"messages": None}, ["messages"], "list_type"),
        (
            {"messages": [{"role": "robot", "content": "x"}]},
            ["messages", 0, "role"],
            "literal_error",
        ),
        (
            {"messages": [{"role": "developer", "content": "x"}]},
            ["messages", 0, "role"],
            "literal_error",
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


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"no JSON",
        b"[" * 5000,
        b"\xff",
        b'{"messages":[{"role":"user","content":"\xff"}]}',
        rb'{"messages":["\ud800"]}',
    ],
    ids=["empty", "cut", "words", "deep", "not UTF-8", "not UTF-8 inside", "half a surrogate pair"],
)
def test_invalid_json_is_refused_in_the_containers_shape(azure, body):
    response = ask_core(azure, "POST", CHAT, body)
    assert response.status == 422
    answer = json.loads(response.body)
    assert (answer["error"]["code"], answer["error"]["details"][0]["type"]) == (
        "Invalid input",
        "json_invalid",
    )


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
    status, answer = post(simulator, {"messages": [{"role": "user", "content": [image]}]}, V1_CHAT)
    assert status == 400
    assert (answer.get("object"), answer.get("type")) == ("error", "BadRequestError")


def test_text_in_parts_is_read(client):
    whole = client.complete({"messages": [{"role": "user", "content": QUESTION}], "temperature": 0})
    parts = client.complete(
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}],
            "temperature": 0,
        }
    )
    assert parts.choices[0].message.content == whole.choices[0].message.content
    assert parts.usage == whole.usage


def test_tools_are_refused_with_the_containers_text(client):
    tool = ChatCompletionsToolDefinition(
        function=FunctionDefinition(name="weather", parameters={"type": "object"})
    )
    error = refusal(client.complete, messages=MESSAGES, tools=[tool])
    assert (error.status_code, error.response.json()) == (400, {"detail": NO_TOOLS})


@pytest.mark.parametrize(
    "change", [{"tool_choice": "auto"}, {"tool_choice": "none"}, {"tools": []}]
)
def test_any_value_of_tools_and_tool_choice_is_refused(simulator, change):
    assert post(simulator, {**ASK, **change}) == (400, {"detail": NO_TOOLS})


@pytest.mark.parametrize("path", [CHAT, V1_CHAT])
def test_what_does_not_fit_the_context_is_refused_with_its_numbers(simulator, path):
    status, answer = post(simulator, {**ASK, "max_tokens": 16_384}, path)
    said = answer if path == V1_CHAT else json.loads(answer["error"]["message"])
    assert (status, said["type"], said["code"]) == (400, "BadRequestError", 400)
    assert said["message"].startswith(
        f"This model's maximum context length is 16384 tokens. However, you requested {16_384 + PROMPT_TOKENS} tokens "
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


# The engine's own route


@pytest.mark.parametrize(
    "temperature, accepted", [(0, True), (2, True), (2.1, False), (-0.1, False)]
)
def test_v1_accepts_temperatures_up_to_two(simulator, temperature, accepted):
    status, _ = post(simulator, {**ASK, "temperature": temperature, "max_tokens": 2}, V1_CHAT)
    assert status == 200 if accepted else status in (400, 422)


def test_v1_needs_no_header_for_extra_parameters_and_accepts_the_key_as_bearer(simulator):
    body = {**GREEDY, "model": "any", "logprobs": True, "max_completion_tokens": 2, "n": 1}
    status, _, content = raw(
        simulator, "POST", V1_CHAT, body, {"Authorization": f"Bearer {simulator.azure.key}"}
    )
    answer = json.loads(content)
    assert status == 200
    assert (
        len(answer["choices"][0]["logprobs"]["content"])
        == answer["usage"]["completion_tokens"]
        == 2
    )


def test_v1_accepts_a_developer_message(simulator):
    body = {
        "messages": [{"role": "developer", "content": "Be brief."}, *ASK["messages"]],
        "max_tokens": 2,
    }
    assert post(simulator, body, V1_CHAT)[0] == 200


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_usage": True}])
def test_v1_streams_usage_only_when_asked_and_in_an_event_of_its_own(
    simulator, certificates, options
):
    body = {**GREEDY, **({"stream_options": options} if options else {})}
    with key_client(simulator, certificates, path="/v1") as client:
        updates = updates_of(client, body)
    *before, last = updates
    assert all(update.usage is None for update in before)
    if options and options["include_usage"]:
        assert last.choices == []
        assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
        assert before[-1].choices[0].finish_reason == "stop"
    else:
        assert last.usage is None
        assert last.choices[0].finish_reason == "stop"


# Faults

REFUSED = {  # name: (status, type of the error, its code, requests that the SDK sends)
    "401": (401, ClientAuthenticationError, None, 1),
    "403": (403, HttpResponseError, "Forbidden", 1),
    "404": (404, ResourceNotFoundError, None, 1),
    "408": (408, HttpResponseError, "Request Timeout", 1),
    "424": (424, HttpResponseError, None, 1),
    "424-503": (424, HttpResponseError, "Service Unavailable", 1),
    "429": (429, HttpResponseError, None, 1),
    "500": (500, HttpResponseError, "Internal Server Error", 4),
    "502": (502, HttpResponseError, "Bad Gateway", 1),
    "503": (503, HttpResponseError, "Service Unavailable", 4),
    "504": (504, HttpResponseError, "Gateway Timeout", 4),
    "content-filter": (400, HttpResponseError, "content_filter", 1),
}
CHANGED = (
    "wait",
    "slow",
    "cut",
    "end",
    "error-event",
    "event-line",
    "empty-choices",
    "usage-apart",
    "filtered-answer",
    "no-logprobs",
    "no-info",
    "gateway",
    "detail-list",
    "detail-object",
)


def test_every_fault_is_tested_here():
    assert [*REFUSED] == [*REFUSALS]
    assert [*CHANGED] == [*CHANGES]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_an_error_on_request_is_raised_and_retried_as_the_real_one(
    client, arrived, pauses, name, stream
):
    status, kind, code, requests = REFUSED[name]
    error = refusal(client.complete, messages=MESSAGES, stream=stream, **fault(name))
    assert (type(error), error.status_code) == (kind, status)
    assert (error.error.code if error.error else None) == code
    assert [entry["status"] for entry in arrived()] == [status] * requests
    assert pauses == [1.6, 3.2][: requests - 1] if requests > 1 else not pauses


def test_the_refused_bodies_and_headers_are_those_recorded(client):
    found = {
        name: refusal(client.complete, ASK, **fault(name)).response
        for name in ("401", "424", "429", "content-filter")
    }
    assert found["401"].json() == UNAUTHORIZED
    assert found["401"].headers["x-ms-error-reason"] == "Invalid JWT."
    assert found["424"].json() == {"detail": "Not Found"}
    assert found["424"].headers["ms-azureml-model-error-statuscode"] == "404"
    assert found["424"].headers["ms-azureml-model-error-reason"]
    assert found["429"].text() == ""
    assert found["429"].headers["content-type"].split(";")[0] == "text/plain"
    assert found["429"].headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
    assert "retry-after" not in found["429"].headers
    reason = found["content-filter"].json()["error"]
    assert {name: reason[name] for name in ("type", "param", "code", "status")} == {
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
    }
    assert reason["message"].startswith(
        "The response was filtered due to the prompt triggering Microsoft's content management"
    )


def test_too_many_requests_with_retry_after_is_retried_after_that_time(client, arrived):
    started = time.monotonic()
    response = client.complete(GREEDY, **fault("429; retry-after=1; times=1"))
    assert time.monotonic() - started >= 1
    assert response.choices[0].finish_reason == "stop"
    assert [entry["status"] for entry in arrived()] == [429, 200]


@pytest.mark.parametrize(
    "asked, statuses, slept",
    [
        ("429; retry-after=7", [429] * 4, [7, 7, 7]),
        ("429; retry-after=7; times=2", [429, 429, 200], [7, 7]),
        ("403; retry-after=3; times=1", [403, 200], [3]),
        ("429; times=1", [429], []),
        ("500; times=1", [500, 200], []),
        ("429; times=0", [200], []),
    ],
)
def test_retry_after_is_what_makes_the_client_try_again(
    client, arrived, pauses, asked, statuses, slept
):
    if statuses[-1] == 200:
        assert client.complete(GREEDY, **fault(asked)).usage
    else:
        assert refusal(client.complete, GREEDY, **fault(asked)).status_code == statuses[-1]
    assert [entry["status"] for entry in arrived()] == statuses
    assert pauses == slept


def test_the_asynchronous_client_retries_after_the_time_it_is_told(
    simulator, certificates, arrived, monkeypatch
):
    slept = []

    async def sleep(transport, duration):
        slept.append(duration)

    async def main():
        async with key_client(simulator, certificates, kind=AsyncChatCompletionsClient) as client:
            return await client.complete(GREEDY, **fault("429; retry-after=7; times=1"))

    monkeypatch.setattr(AioHttpTransport, "sleep", sleep)
    assert asyncio.run(main()).usage
    assert ([entry["status"] for entry in arrived()], slept) == ([429, 200], [7])


def test_times_counts_for_each_call_anew(client, arrived, pauses):
    for _ in range(2):
        client.complete(GREEDY, **fault("503; times=1"))
    assert [entry["status"] for entry in arrived()] == [503, 200, 503, 200]


def test_times_follows_the_retry_count_of_clients_that_send_one(simulator):
    headers = {"x-simulated-fault": "429; times=1"}
    statuses = [
        raw_v1(simulator, {**headers, "x-stainless-retry-count": count})
        for count in ("0", "1", "0")
    ]
    assert statuses == [429, 200, 429]


def test_times_follows_the_id_of_a_request_before_the_retry_count(simulator):
    """So a loop around the OpenAI SDK, which counts each call anew, gets its second answer if it keeps the id."""
    headers = {"x-simulated-fault": "429; times=1", "x-stainless-retry-count": "0"}
    statuses = [
        raw_v1(simulator, {**headers, "x-ms-client-request-id": name})
        for name in ("mine-1", "mine-1", "mine-2")
    ]
    assert statuses == [429, 200, 429]


def raw_v1(simulator, headers: dict[str, str]) -> int:
    return raw(
        simulator,
        "POST",
        V1_CHAT,
        {**ASK, "max_tokens": 1},
        {"api-key": simulator.azure.key, **headers},
    )[0]


@both_schemes
def test_a_cut_stream_raises_after_the_pieces_that_arrived(
    simulator, certificates, scheme, arrived
):
    delivered = []
    with key_client(simulator, certificates, scheme) as client:
        stream = client.complete({**GREEDY, "stream": True}, **fault("cut; after=4"))
        with pytest.raises(HttpResponseError, match="Response ended prematurely"):
            for update in stream:
                delivered.append(update)
    assert len(delivered) == 5  # the role, then four pieces
    assert finish_of(delivered) is None
    assert len(arrived()) == 1  # not retried


@both_schemes
def test_a_cut_stream_raises_asynchronously(simulator, certificates, scheme):
    delivered = []

    async def main():
        async with key_client(
            simulator, certificates, scheme, AsyncChatCompletionsClient
        ) as client:
            async for update in await client.complete({**GREEDY, "stream": True}, **fault("cut")):
                delivered.append(update)

    with pytest.raises(IncompleteReadError):
        asyncio.run(main())
    assert len(delivered) == 6
    assert finish_of(delivered) is None


def test_an_early_end_is_silent(simulator, certificates):
    async def main():
        async with key_client(simulator, certificates, kind=AsyncChatCompletionsClient) as client:
            return [
                update
                async for update in await client.complete(
                    {**GREEDY, "stream": True}, **fault("end; after=3")
                )
            ]

    with key_client(simulator, certificates) as client:
        updates = updates_of(client, **fault("end; after=3"))
    for found in (updates, asyncio.run(main())):
        assert len(found) == 4
        assert finish_of(found) is None
        assert found[-1].usage is None


def test_an_error_event_is_on_the_wire_and_dropped_by_the_client(simulator, certificates, client):
    request = wire_request(
        simulator.azure.key,
        {**GREEDY, "stream": True},
        **{"x-simulated-fault": "error-event; after=2"},
    )
    events = events_in(chunks_on_the_wire(simulator.http_url, certificates, request)[1])
    assert [number for number, event in enumerate(events) if "error" in event] == [3]
    assert (
        len(updates_of(client, **fault("error-event; after=2")))
        == len(updates_of(client))
        == len(events) - 1
    )
    assert text_of(updates_of(client, **fault("error-event; after=2"))) == text_of(
        updates_of(client)
    )


def test_an_error_event_as_the_container_writes_it_stops_the_client_after_what_came_before(client):
    stream = client.complete(
        messages=MESSAGES, stream=True, temperature=0, **fault("event-line; after=2")
    )
    updates = []
    with pytest.raises(ValueError, match="SSE event not supported"):
        for update in stream:
            updates.append(update)
    assert len(updates) == 3


def test_a_whole_answer_that_is_cut_raises(client):
    with pytest.raises(HttpResponseError, match="ended prematurely"):
        client.complete(messages=MESSAGES, temperature=0, **fault("cut"))


def test_a_fault_in_a_stream_happens_at_its_end_at_the_latest(client):
    updates = updates_of(client, **fault("end; after=9999"))
    assert finish_of(updates) is None


def test_a_chunk_with_empty_choices_is_on_the_wire_and_skipped_by_the_client(
    simulator, certificates, client
):
    request = wire_request(
        simulator.azure.key, {**GREEDY, "stream": True}, **{"x-simulated-fault": "empty-choices"}
    )
    events = events_in(chunks_on_the_wire(simulator.http_url, certificates, request)[1])
    assert [number for number, event in enumerate(events) if not event["choices"]] == [0]
    assert "usage" not in events[0]
    updates = updates_of(client, **fault("empty-choices"))
    assert len(updates) == len(events) - 1
    assert all(update.choices for update in updates)


def test_usage_apart_is_delivered_without_choices(client):
    *before, last = updates_of(client, **fault("usage-apart"))
    assert all(update.usage is None for update in before)
    assert before[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage.prompt_tokens == PROMPT_TOKENS


def test_a_filtered_answer_is_blanked_or_broken_off(client):
    response = client.complete(GREEDY, **fault("filtered-answer"))
    assert (response.choices[0].message.content, response.choices[0].finish_reason) == (
        "",
        "content_filter",
    )
    updates = updates_of(client, **fault("filtered-answer; after=3"))
    assert len(updates) == 5  # the role, three pieces, the end
    assert finish_of(updates) == "content_filter"
    assert text_of(updates_of(client)).startswith(text_of(updates))


def test_the_end_of_a_filtered_stream_is_a_chunk_like_the_others(client):
    updates = updates_of(client, **fault("filtered-answer"))
    assert updates[-1].get("id") == updates[0].id
    assert updates[-1].usage is not None


def test_no_logprobs_drops_what_was_asked_for(client):
    response = client.complete(
        messages=MESSAGES, max_tokens=2, model_extras={"logprobs": True}, **fault("no-logprobs")
    )
    assert response.choices[0].get("logprobs") is None
    updates = list(
        client.complete(
            messages=MESSAGES,
            max_tokens=2,
            stream=True,
            model_extras={"logprobs": True},
            **fault("no-logprobs"),
        )
    )
    assert not any(update.choices[0].get("logprobs") for update in updates)


def test_no_info_is_not_found(client):
    error = refusal(client.get_model_info, **fault("no-info"))
    assert (type(error), error.response.json()) == (ResourceNotFoundError, {"detail": "Not Found"})
    assert client.complete(GREEDY, **fault("no-info")).usage


@pytest.mark.parametrize(
    "change, original",
    [({"temperature": 1.5}, "422"), ({"logprobs": True}, "400"), ({"max_tokens": 16_384}, "400")],
)
def test_the_gateway_turns_an_error_of_the_container_into_424(client, arrived, change, original):
    error = refusal(client.complete, {**ASK, **change}, **fault("gateway"))
    assert (type(error), error.status_code) == (HttpResponseError, 424)
    assert error.response.headers["ms-azureml-model-error-statuscode"] == original
    assert error.response.headers["ms-azureml-model-error-reason"]
    assert (
        refusal(client.complete, {**ASK, **change}).response.json() == error.response.json()
    )  # the body stays
    assert [entry["status"] for entry in arrived()] == [424, int(original)]


def test_the_gateway_leaves_answers_and_its_own_refusals_alone(simulator, certificates, client):
    assert client.complete(GREEDY, **fault("gateway")).usage
    with key_client(simulator, certificates, key="wrong") as stranger:
        assert refusal(stranger.complete, ASK, **fault("gateway")).status_code == 401


def test_behind_the_gateway_the_servers_own_status_is_in_a_header(client):
    error = refusal(client.complete, ASK, **fault("424-503"))
    assert error.response.headers["ms-azureml-model-error-statuscode"] == "503"
    assert error.response.json()["error"]["status"] == 503


def test_a_refused_value_is_worded_in_the_three_shapes_that_were_seen(client):
    wrong = {**ASK, "temperature": 1.5}
    details = refusal(client.complete, wrong).response.json()["error"]["details"]
    as_list, as_object = (
        refusal(client.complete, wrong, **fault(name)) for name in ("detail-list", "detail-object")
    )
    assert (as_list.status_code, as_list.response.json()) == (422, {"detail": details})
    assert as_object.status_code == 422
    assert as_object.response.json() == {
        "status": 422,
        "code": "parameter_not_supported",
        "detail": {"loc": ["body", "temperature"], "input": 1.5},
        "message": "One of the parameters contain invalid values.",
    }


@pytest.mark.parametrize("name", ["detail-list", "detail-object"])
def test_other_errors_and_answers_keep_their_shape(client, name):
    extra = {**ASK, "logprobs": True}
    assert (
        refusal(client.complete, extra, **fault(name)).response.json()
        == refusal(client.complete, extra).response.json()
    )
    assert client.complete(GREEDY, **fault(name)).usage


@pytest.mark.parametrize(
    "asked",
    ["418", "429; times=some", "cut; after", "slow; seconds=soon", "429; retry=1", "; times=1"],
)
def test_an_unknown_fault_is_refused_with_the_list_of_names(client, asked):
    error = refusal(client.complete, ASK, **fault(asked))
    detail = error.response.json()["detail"]
    assert error.status_code == 400
    assert repr(asked) in detail
    names = re.search(r"Names: (.*?)\. Options: (.*?)\.$", detail)
    assert names[1].split(", ") == [*REFUSED, *CHANGED]
    assert names[2].split(", ") == ["times", "retry-after", "after", "seconds"]


@pytest.mark.parametrize(
    "asked",
    [
        "wait; seconds=inf",
        "slow; seconds=nan",
        "wait; seconds=-1",
        "429; times=-1",
        "end; after=-1",
    ],
)
def test_a_fault_with_an_impossible_number_is_refused(azure, asked):
    assert ask_core(azure, "POST", CHAT, ASK, x_simulated_fault=asked).status == 400


# What is remembered


def test_requests_are_shown_as_they_were_sent(client, simulator, arrived):
    client.complete(messages=MESSAGES, temperature=0)
    (entry,) = arrived()
    assert (entry["method"], entry["path"], entry["query"]) == (
        "POST",
        CHAT,
        "api-version=2024-05-01-preview",
    )
    assert (entry["body"], entry["status"]) == ({**ASK, "temperature": 0}, 200)
    headers = entry["headers"]
    assert headers["user-agent"].startswith("azsdk-python-ai-inference/1.0.0b9 ")
    assert (headers["accept"], headers["content-type"]) == ("application/json", "application/json")
    assert (headers["api-key"], headers["authorization"]) == ("***", "Bearer ***")


def test_only_the_last_hundred_requests_are_remembered_and_fewer_on_request(azure):
    for number in range(130):
        ask_core(azure, "GET", "/info", query=f"number={number}")
    shown = json.loads(ask_core(azure, "GET", "/simulator/requests").body)["requests"]
    assert [entry["query"] for entry in shown] == [f"number={number}" for number in range(30, 130)]
    for last, count in (("3", 3), ("0", 0), ("1000", 100), ("x", 100)):
        found = json.loads(
            ask_core(azure, "GET", "/simulator/requests", query=f"last={last}").body
        )["requests"]
        assert found == shown[len(shown) - count :]


def test_a_large_body_is_remembered_only_in_part(azure):
    for size in (60_000, 900_000):
        ask_core(azure, "POST", CHAT, b"x" * size, x_simulated_fault="403")
    small, large = json.loads(ask_core(azure, "GET", "/simulator/requests").body)["requests"]
    assert len(small["body"]) == 60_000
    assert 0 < len(large["body"]) <= 65_536
    assert sum(len(entry["body"]) for entry in azure.journal) < 300_000


KEYS = ["simulated-key-1234", 'quo"ted-1234', "back\\slash-1234"]


@pytest.mark.parametrize("key", KEYS)
def test_secrets_are_never_shown_wherever_they_stand(simulator, key):
    azure = SimulatedAzure(key, assistant=simulator.azure.assistant)
    identity = {"x_identity_header": azure.identity_header}
    token = json.loads(
        ask_core(azure, "GET", "/msi/token", query="resource=https://ml.azure.com", **identity).body
    )["access_token"]
    for secret in (key, token, azure.identity_header):
        text = f"My key is {secret}."
        ask_core(
            azure,
            "POST",
            CHAT,
            {"messages": [{"role": "user", "content": text}], "max_tokens": 1},
            authorization=f"Bearer {secret}",
        )
        ask_core(azure, "POST", CHAT, {secret: text}, x_note=text)
        ask_core(azure, "POST", CHAT, text.encode(), x_simulated_fault="403")
        ask_core(azure, "GET", f"/{secret}", query=f"key={secret}")
    shown = json.loads(ask_core(azure, "GET", "/simulator/requests").body)
    assert len(shown["requests"]) == 13
    strings = list(strings_in(shown))
    assert not [
        text for text in strings if key in text or token in text or azure.identity_header in text
    ]
    assert "My key is ***." in strings


def test_secrets_are_not_kept_in_memory_either(azure):
    ask_core(azure, "GET", "/info", authorization=f"Bearer {azure.key}")
    assert len(list(azure.journal)) == 1
    assert azure.key not in repr(vars(azure.journal))


def strings_in(value) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from strings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("key", ["200", "a"])
def test_a_very_short_key_does_not_break_what_is_shown(key):
    azure = SimulatedAzure(key)
    ask_core(azure, "GET", "/info")
    (entry,) = json.loads(ask_core(azure, "GET", "/simulator/requests").body)["requests"]
    assert (entry["status"], entry["headers"]) == (200, {"api-key": "***"})


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 60_000, b"\xff\xfe"], ids=["lists", "objects", "not UTF-8"]
)
def test_a_strange_body_does_not_break_what_is_shown(azure, body):
    ask_core(azure, "POST", CHAT, body, x_simulated_fault="403")
    assert ask_core(azure, "GET", "/simulator/requests").status == 200


@pytest.mark.parametrize("where", ["last", "x-stainless-retry-count"])
def test_a_digit_that_is_no_number_is_not_an_error_of_the_simulator(azure, where):
    if where == "last":
        assert ask_core(azure, "GET", "/simulator/requests", query="last=%C2%B2").status == 200
    else:
        answer = ask_core(
            azure,
            "POST",
            CHAT,
            ASK,
            x_simulated_fault="403; times=1",
            x_stainless_retry_count="\xb2",
        )
        assert answer.status == 403


# The core alone


def test_the_core_answers_without_any_socket(azure, monkeypatch):
    def no_socket(*arguments, **named):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_socket)
    assert ask_core(azure, "GET", "/").body == b"healthy"
    whole = ask_core(azure, "POST", CHAT, GREEDY)
    assert (whole.status, whole.headers["content-type"], whole.delay) == (
        200,
        "application/json",
        0,
    )
    text = json.loads(whole.body)["choices"][0]["message"]["content"]
    streamed = ask_core(azure, "POST", CHAT, {**GREEDY, "stream": True})
    events = list(streamed.body)
    assert events[-1] == b"data: [DONE]\n\n"
    assert "".join(event["choices"][0]["delta"]["content"] for event in events_in(events)) == text


def test_the_core_generates_a_stream_only_as_it_is_read(azure, monkeypatch):
    generated = []
    generate = type(azure.assistant.model).generate

    def counting(self, *arguments):
        for item in generate(self, *arguments):
            generated.append(item)
            yield item

    monkeypatch.setattr(type(azure.assistant.model), "generate", counting)
    body = ask_core(azure, "POST", CHAT, {**GREEDY, "stream": True}).body
    assert not generated
    for _ in range(4):
        next(body)
    assert 1 <= len(generated) <= 4


def test_the_core_says_how_long_to_wait_and_waits_for_nothing(simulator):
    azure = SimulatedAzure(token_delay=5, assistant=simulator.azure.assistant)
    assert ask_core(azure, "POST", CHAT, {**ASK, "stream": True}).pace == 5
    whole = ask_core(azure, "POST", CHAT, {**GREEDY, "max_tokens": 3})
    assert whole.delay == 15
    assert (
        ask_core(azure, "POST", CHAT, {**ASK, "stream": True}, x_simulated_fault="slow").pace
        == 0.25
    )
    assert ask_core(azure, "GET", "/info", x_simulated_fault="wait").delay == 2
    three = {**GREEDY, "max_tokens": 3}
    assert ask_core(azure, "POST", CHAT, three, x_simulated_fault="wait; seconds=0.5").delay == 15.5
    assert ask_core(azure, "POST", CHAT, three, x_simulated_fault="slow; seconds=0.5").delay == 1.5


def test_a_token_ends(azure, monkeypatch):
    answer = ask_core(
        azure,
        "GET",
        "/msi/token",
        query="resource=https://ml.azure.com/",
        x_identity_header=azure.identity_header,
    )
    token = json.loads(answer.body)
    request = Request("GET", "/info", headers={"authorization": f"Bearer {token['access_token']}"})
    assert azure.handle(request).status == 200
    ends = int(token["expires_on"])
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: ends + 1.0)
        assert azure.handle(request).status == 401


@pytest.mark.parametrize(
    "query, identity_header, status",
    [("resource=x", "wrong", 401), ("resource=x", None, 401), ("", "right", 400)],
)
def test_the_token_route_refuses_strangers_and_asks_for_a_resource(
    azure, query, identity_header, status
):
    headers = (
        {}
        if identity_header is None
        else {"x_identity_header": identity_header.replace("right", azure.identity_header)}
    )
    assert ask_core(azure, "GET", "/msi/token", query=query, **headers).status == status


def test_two_simulators_have_different_secrets():
    one, two = SimulatedAzure(), SimulatedAzure()
    assert len({one.key, two.key, one.identity_header, two.identity_header}) == 4
    assert two.handle(Request("GET", "/info", headers={"api-key": one.key})).status == 401


# -- what nobody should do, and somebody will ---------------------------------------------------------------------------


def test_requests_without_a_key_to_nowhere_push_no_other_out_of_memory(azure):
    ask_core(azure, "GET", "/info")
    for _ in range(200):
        azure.handle(Request("GET", "/nowhere"))
    assert [entry["path"] for entry in azure.journal] == ["/info"]


def test_long_headers_and_paths_are_remembered_only_in_part(azure):
    azure.handle(
        Request(
            "GET", "/info", "q" * 10**6, {"x-" + "n" * 10**6: "v" * 10**6, "api-key": azure.key}
        )
    )
    (entry,) = azure.journal
    assert len(json.dumps(entry)) < 200_000


def test_a_fault_is_kept_from_those_without_a_key(azure):
    assert azure.handle(Request("GET", "/info", headers={"x-simulated-fault": "429"})).status == 401


@pytest.mark.parametrize("depth", [900, 980, 990, 100_000])
def test_deeply_nested_bodies_do_not_break_what_is_shown(azure, depth):
    ask_core(azure, "POST", CHAT, b"[" * depth + b"]" * depth)
    assert ask_core(azure, "GET", "/simulator/requests").status == 200


@pytest.mark.parametrize("limit", ["9" * 4300, "9223372036854775808"])
def test_absurd_limits_are_refused(azure, limit):
    body = b'{"messages":[{"role":"user","content":"Hi"}],"max_tokens":%s}' % limit.encode()
    assert ask_core(azure, "POST", CHAT, body).status == 422


def test_a_bias_for_more_tokens_than_is_sensible_is_refused(azure):
    body = {
        "messages": [{"role": "user", "content": "Hi"}],
        "logit_bias": dict.fromkeys(range(2000), 1),
    }
    assert ask_core(azure, "POST", "/v1/chat/completions", json.dumps(body).encode()).status == 400


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


@pytest.mark.parametrize("before", range(-34, 3, 4))
def test_a_key_at_the_place_where_memory_cuts_leaves_no_half_of_it(before):
    azure = SimulatedAzure()
    ask_core(
        azure,
        "POST",
        CHAT,
        b"x" * (65_536 + before) + azure.key.encode(),
        x_note="x" * (2000 + before) + azure.key,
    )
    assert azure.key[:8] not in json.dumps(list(azure.journal))
