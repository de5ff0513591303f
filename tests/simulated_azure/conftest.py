"""Fixtures for tests of the simulated Azure."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache

import pytest
from chat_requests import Messages, call_of, request_body
from dense_model import TrainingText, topic_and_context
from raw_http import raw
from wire import Wire

from simulated_azure.azure import SimulatedAzure
from simulated_azure.inference.model import Distribution, Topic


@pytest.fixture
def azure(assistant) -> SimulatedAzure:
    """Return a fresh simulated Azure without sockets, with the model that is loaded already."""
    return SimulatedAzure(assistant=assistant)


@pytest.fixture
def wire(azure) -> Wire:
    """Return a sender of requests to a fresh simulated Azure without sockets."""
    return Wire(azure)


@pytest.fixture
def journal(simulator) -> Callable[[], list[dict]]:
    """Empty the simulator's journal. Return a function that returns the requests since then.

    They are entries as ``/simulator/requests`` shows them to a learner.
    """
    simulator.azure.journal.clear()
    return lambda: json.loads(raw(simulator, "GET", "/simulator/requests")[2])["requests"]


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """Let the synchronous SDK pause without sleeping. Return the list of its pauses, in seconds."""
    from azure.core.pipeline.transport import RequestsTransport

    pauses: list[float] = []
    monkeypatch.setattr(RequestsTransport, "sleep", lambda self, duration: pauses.append(duration))
    return pauses


@pytest.fixture
def identity(simulator, monkeypatch) -> None:
    """Give this process a managed identity, as App Service does, which the simulator answers."""
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.setenv(name, simulator.variables()[name])


# The language model without a server


@pytest.fixture(scope="session")
def topics(assistant) -> dict[str, Topic]:
    """Return the model's topics by name."""
    return {topic.name: topic for topic in assistant._conversation.topics}


@pytest.fixture(scope="session")
def training_text(topics) -> TrainingText:
    """Return the second computation of the model's probabilities."""
    return TrainingText(topics.values())


@pytest.fixture(scope="session")
def distribution(assistant, topics) -> Callable[[str], Distribution]:
    """Return a function that returns the model's distribution after a context of CONTEXTS."""
    return cache(lambda name: assistant.model.distribution(*topic_and_context(topics, name)))


@pytest.fixture(scope="session")
def ask(assistant) -> Callable[..., dict]:
    """Return a function that returns the whole answer to a chat request.

    The request comes by /v1 of the server that lets temperatures up to 2 pass.
    """

    def ask(messages: Messages, **parameters) -> dict:
        return assistant.answer(call_of(request_body(messages, **parameters))).body()

    return ask


@pytest.fixture(scope="session")
def say(ask) -> Callable[..., str]:
    """Return a function that returns the text of the first choice, by default at temperature 0."""

    def say(messages: Messages, **parameters) -> str:
        return ask(messages, **{"temperature": 0, **parameters})["choices"][0]["message"]["content"]

    return say


@pytest.fixture(scope="session")
def stream(assistant) -> Callable[..., list[dict]]:
    """Return a function that returns the events of a streamed answer, without [DONE]."""

    def stream(messages: Messages, **parameters) -> list[dict]:
        answer = assistant.answer(call_of(request_body(messages, stream=True, **parameters)))
        # Each event alone must be valid UTF-8. Empty ones only give other requests a turn.
        events = [event.decode() for event in answer.events() if event]
        assert events.pop() == "data: [DONE]\n\n"
        return [json.loads(event.removeprefix("data: ")) for event in events]

    return stream
