"""Fixtures for tests that run cells of lessons in other ways than from top to bottom."""

from __future__ import annotations

import os
from collections.abc import Iterator

import kernels
import pytest
from fork_server import ForkServer


@pytest.fixture(scope="session")
def kernel_server() -> Iterator[ForkServer | None]:
    """Yield the process whose forks are kernels; None where there are no forks."""
    server = kernels.start_server(os.environ)
    yield server
    if server:
        server.close()
