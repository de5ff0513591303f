"""Fixtures for tests of the simulated Azure."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from raw_http import raw
from wire import Wire

from simulated_azure.azure import SimulatedAzure


@pytest.fixture
def azure(simulator) -> SimulatedAzure:
    """Return a fresh simulated Azure without sockets, with the model that is loaded already."""
    return SimulatedAzure(assistant=simulator.azure.assistant)


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
