"""The route /v1/chat/completions. Both servers: test_servers.py."""

from __future__ import annotations

import json

import pytest
from endpoint_clients import key_client, updates_of
from raw_http import GREEDY, V1_CHAT, raw

PASS_THROUGH = {"extra-parameters": "pass-through"}


def test_v1_accepts_the_key_as_bearer_and_extra_parameters_with_the_header(simulator):
    body = {**GREEDY, "model": "any", "logprobs": True, "max_completion_tokens": 2, "n": 1}
    headers = {"Authorization": f"Bearer {simulator.azure.key}", **PASS_THROUGH}
    status, _, content = raw(simulator, "POST", V1_CHAT, body, headers)
    answer = json.loads(content)
    assert status == 200
    assert (
        len(answer["choices"][0]["logprobs"]["content"])
        == answer["usage"]["completion_tokens"]
        == 2
    )


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_usage": True}])
def test_v1_streams_usage_only_when_asked_and_in_an_event_of_its_own(
    simulator, certificates, options
):
    body = {**GREEDY, **({"stream_options": options} if options else {})}
    with key_client(simulator, certificates, path="/v1") as client:
        updates = updates_of(client, body, headers=PASS_THROUGH)
    *before, last = updates
    assert all(update.usage is None for update in before)
    if options and options["include_usage"]:
        assert last.choices == []
        assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
        assert before[-1].choices[0].finish_reason == "stop"
    else:
        assert last.usage is None
        assert last.choices[0].finish_reason == "stop"
