"""Test the reading of streams, on chunks such as real servers send and on the simulated faults."""

from __future__ import annotations

import asyncio

import pytest
from azure.ai.inference.aio import ChatCompletionsClient as AsyncChatCompletionsClient
from azure.ai.inference.models import StreamingChatCompletionsUpdate, UserMessage
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

from helpers.streaming import finish_reason_of, piece_of, print_stream

MESSAGES = [UserMessage("What is the capital of France?")]
ANSWER = "The capital of France is Paris."
USAGE = {"completion_tokens": 1, "prompt_tokens": 1, "total_tokens": 2}


def chunk(*choices: dict, **more) -> StreamingChatCompletionsUpdate:
    return StreamingChatCompletionsUpdate(
        {"choices": [{"index": 0, **choice} for choice in choices], **more}
    )


def ask(client, fault: str = "", **settings):
    return client.complete(
        messages=MESSAGES,
        temperature=0,
        stream=True,
        headers={"x-simulated-fault": fault},
        **settings,
    )


CHUNKS_WITHOUT_TEXT = {
    "a role without content, as the container of early 2025 began": chunk(
        {"delta": {"role": "assistant"}}
    ),
    "content null": chunk({"delta": {"content": None}}),
    "no choices, only usage, as Azure OpenAI ends": chunk(usage=USAGE),
    "choices missing": StreamingChatCompletionsUpdate({"usage": USAGE}),
    "no delta, as Azure OpenAI's asynchronous filter sends": chunk({"content_filter_results": {}}),
    "only a tool call": chunk({"delta": {"tool_calls": []}}),
    "the second of two answers": chunk(
        {"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}
    ),
}


@pytest.mark.parametrize("update", CHUNKS_WITHOUT_TEXT.values(), ids=CHUNKS_WITHOUT_TEXT)
def test_a_chunk_without_text_adds_nothing_and_has_no_finish_reason(update, capsys):
    assert piece_of(update) == ""
    assert print_stream([update]) == ""
    assert capsys.readouterr().out == "\n"
    assert finish_reason_of([update]) is None


def test_a_choice_without_an_index_is_the_first():
    update = StreamingChatCompletionsUpdate(
        {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    )
    assert (piece_of(update), finish_reason_of([update])) == ("Hi", "stop")


def test_the_first_answer_is_read_if_a_chunk_holds_two():
    update = chunk({"index": 1, "delta": {"content": "other"}}, {"delta": {"content": "first"}})
    assert piece_of(update) == "first"


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter", "tool_calls", "a new one"])
def test_the_finish_reason_is_the_word_on_the_wire(reason):
    result = finish_reason_of(
        [chunk({"delta": {"content": "Hi"}}), chunk({"delta": {}, "finish_reason": reason})]
    )
    assert result == reason
    assert type(result) is str


@pytest.mark.parametrize("fault", ["", "empty-choices", "usage-apart", "error-event"])
def test_a_complete_stream_is_printed_and_returned(client, capsys, fault):
    assert print_stream(ask(client, fault)) == ANSWER
    assert capsys.readouterr().out == ANSWER + "\n"
    assert finish_reason_of(ask(client, fault)) == "stop"


@pytest.mark.parametrize(
    ("fault", "settings", "reason"),
    [
        ("", {"max_tokens": 3}, "length"),
        ("filtered-answer; after=3", {}, "content_filter"),
        ("end; after=3", {}, None),
    ],
)
def test_the_finish_reason_says_why_a_stream_ended(client, fault, settings, reason):
    chunks = [*ask(client, fault, **settings)]
    assert "".join(map(piece_of, chunks)) == "The capital of"
    assert finish_reason_of(chunks) == reason


@pytest.mark.parametrize(
    ("fault", "error"), [("cut; after=3", HttpResponseError), ("event-line; after=3", ValueError)]
)
def test_a_broken_stream_raises_after_printing_what_has_arrived(client, capsys, fault, error):
    with pytest.raises(error):
        print_stream(ask(client, fault))
    assert capsys.readouterr().out == "The capital of"


def test_each_piece_is_printed_before_the_next_is_read(capsys):
    def pieces():
        yield chunk({"delta": {"content": "one"}})
        assert capsys.readouterr().out == "one"
        yield chunk({"delta": {"content": " two"}})

    assert print_stream(pieces()) == "one two"


def test_chunks_of_the_asynchronous_client_are_read_in_the_same_way(simulator, certificates):
    async def chunks(fault: str) -> list:
        credential = AzureKeyCredential(simulator.azure.key)
        async with AsyncChatCompletionsClient(
            simulator.url, credential, connection_verify=certificates
        ) as client:
            return [update async for update in await ask(client, fault)]

    complete, broken = asyncio.run(chunks("usage-apart")), asyncio.run(chunks("end; after=3"))
    assert ("".join(map(piece_of, complete)), finish_reason_of(complete)) == (ANSWER, "stop")
    assert ("".join(map(piece_of, broken)), finish_reason_of(broken)) == ("The capital of", None)
