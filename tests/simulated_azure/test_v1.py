"""The engine's own route, /v1/chat/completions."""

from __future__ import annotations

import json

import pytest
from endpoint_clients import key_client, updates_of
from raw_http import ASK, GREEDY, V1_CHAT, post, raw


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
