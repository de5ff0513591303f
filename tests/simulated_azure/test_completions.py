"""Chat completions and the model's info: what the SDK gets when all goes well."""

from __future__ import annotations

import asyncio
import json
import re
import time

import pytest
from azure.ai.inference import ChatCompletionsClient, load_client
from azure.ai.inference.aio import ChatCompletionsClient as AsyncChatCompletionsClient
from azure.ai.inference.aio import load_client as load_async_client
from azure.ai.inference.models import AssistantMessage, SystemMessage, UserMessage
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ResourceNotFoundError
from endpoint_clients import (
    MESSAGES,
    PROMPT_TOKENS,
    both_schemes,
    fault,
    finish_of,
    key_client,
    text_of,
)
from raw_http import CHAT, GREEDY, QUESTION, raw


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


def test_the_health_probe_is_answered(simulator):
    status, _, content = raw(simulator, "GET", "/")
    assert (status, content) == (200, b"healthy")


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


def test_info_has_the_recorded_keys_and_is_asked_for_once(client, journal):
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
    assert [(entry["method"], entry["path"], entry["query"]) for entry in journal()] == [
        ("GET", "/info", "api-version=2024-05-01-preview")
    ]


def test_load_client_chooses_the_chat_client_with_one_request(simulator, certificates, journal):
    with load_client(
        simulator.url, AzureKeyCredential(simulator.azure.key), connection_verify=certificates
    ) as loaded:
        assert type(loaded) is ChatCompletionsClient
        assert loaded.get_model_info().model_name == "Phi-4"
        assert "Phi-4" in str(loaded)
    assert [entry["path"] for entry in journal()] == ["/info"]


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
    with pytest.raises(ResourceNotFoundError) as error_info:
        load_client(simulator.url, credential, connection_verify=certificates, **fault("no-info"))
    assert "load_client" in error_info.value.message
    assert error_info.value.response.json() == {"detail": "Not Found"}
