"""Faults in streams: streams that break, end early or have unusual events."""

from __future__ import annotations

import asyncio

import pytest
from azure.ai.inference.aio import ChatCompletionsClient as AsyncChatCompletionsClient
from azure.core.exceptions import HttpResponseError, IncompleteReadError
from endpoint_clients import (
    MESSAGES,
    PROMPT_TOKENS,
    both_schemes,
    fault,
    finish_of,
    key_client,
    text_of,
    updates_of,
)
from raw_http import GREEDY, chunks_on_the_wire, events_in, wire_request


@both_schemes
def test_a_cut_stream_raises_after_the_pieces_that_arrived(
    simulator, certificates, scheme, journal
):
    updates = []
    with key_client(simulator, certificates, scheme) as client:
        stream = client.complete({**GREEDY, "stream": True}, **fault("cut; after=4"))
        with pytest.raises(HttpResponseError, match="Response ended prematurely"):
            for update in stream:
                updates.append(update)
    assert len(updates) == 5  # the role, then four pieces
    assert finish_of(updates) is None
    assert len(journal()) == 1  # not retried


@both_schemes
def test_a_cut_stream_raises_asynchronously(simulator, certificates, scheme):
    updates = []

    async def main():
        async with key_client(
            simulator, certificates, scheme, AsyncChatCompletionsClient
        ) as client:
            async for update in await client.complete({**GREEDY, "stream": True}, **fault("cut")):
                updates.append(update)

    with pytest.raises(IncompleteReadError):
        asyncio.run(main())
    assert len(updates) == 6
    assert finish_of(updates) is None


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
    for stream_updates in (updates, asyncio.run(main())):
        assert len(stream_updates) == 4
        assert finish_of(stream_updates) is None
        assert stream_updates[-1].usage is None


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


def test_a_filtered_answer_is_empty_or_ends_early(client):
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
