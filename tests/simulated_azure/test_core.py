"""The simulated Azure without a server: ``azure.handle(request)`` alone."""

from __future__ import annotations

import json
import socket

from endpoint_clients import ask_core
from raw_http import ASK, CHAT, GREEDY, events_in

from simulated_azure.azure import SimulatedAzure


def test_the_core_answers_without_any_socket(azure, monkeypatch):
    def no_socket(*arguments, **options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_socket)
    assert ask_core(azure, "GET", "/").body == b"healthy"
    response = ask_core(azure, "POST", CHAT, GREEDY)
    assert (response.status, response.headers["content-type"], response.delay) == (
        200,
        "application/json",
        0,
    )
    text = json.loads(response.body)["choices"][0]["message"]["content"]
    stream = ask_core(azure, "POST", CHAT, {**GREEDY, "stream": True})
    events = list(stream.body)
    assert events[-1] == b"data: [DONE]\n\n"
    assert "".join(event["choices"][0]["delta"]["content"] for event in events_in(events)) == text


def test_the_core_generates_a_stream_only_as_it_is_read(azure, monkeypatch):
    tokens = []
    generate = type(azure.assistant.model).generate

    def count_tokens(self, *arguments):
        for item in generate(self, *arguments):
            tokens.append(item)
            yield item

    monkeypatch.setattr(type(azure.assistant.model), "generate", count_tokens)
    body = ask_core(azure, "POST", CHAT, {**GREEDY, "stream": True}).body
    assert not tokens
    for _ in range(4):
        next(body)
    assert 1 <= len(tokens) <= 4


def test_the_core_says_how_long_to_wait_and_does_not_wait(simulator):
    azure = SimulatedAzure(token_delay=5, assistant=simulator.azure.assistant)
    assert ask_core(azure, "POST", CHAT, {**ASK, "stream": True}).pace == 5
    response = ask_core(azure, "POST", CHAT, {**GREEDY, "max_tokens": 3})
    assert response.delay == 15
    assert (
        ask_core(azure, "POST", CHAT, {**ASK, "stream": True}, x_simulated_fault="slow").pace
        == 0.25
    )
    assert ask_core(azure, "GET", "/info", x_simulated_fault="wait").delay == 2
    three = {**GREEDY, "max_tokens": 3}
    assert ask_core(azure, "POST", CHAT, three, x_simulated_fault="wait; seconds=0.5").delay == 15.5
    assert ask_core(azure, "POST", CHAT, three, x_simulated_fault="slow; seconds=0.5").delay == 1.5
