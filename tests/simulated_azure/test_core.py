"""The simulated Azure without a server: ``azure.handle(request)`` alone."""

from __future__ import annotations

import json
import socket

from endpoint_clients import ask_core
from raw_http import ASK, CHAT, GREEDY, events_in

from simulated_azure.azure import SimulatedAzure


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
