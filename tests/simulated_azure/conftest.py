"""Fixtures for tests of the simulated Azure."""

from __future__ import annotations

import pytest
from wire import Wire

from simulated_azure.azure import SimulatedAzure


@pytest.fixture
def wire(simulator) -> Wire:
    """Return a fresh simulated Azure without sockets, with the model that is loaded already."""
    return Wire(SimulatedAzure(assistant=simulator.azure.assistant))
