"""What the upstream's answers need of a transport: something that sends requests to the upstream.

``transports/upstream.py`` does so with sockets and a thread.
"""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from ..http import Wait
from .settings import UpstreamSettings

VIA = "x-simulated-via"  # header that names the simulators which a request has passed


@dataclass(frozen=True)
class Head:
    """The beginning of the upstream's response. is_stream: True if events follow, else a body."""

    status: int
    is_stream: bool
    retry_after: str = ""


class End:
    """The end of a stream, after its last event."""


END = End()


class Exchange(Protocol):
    """What arrives for one request, in order.

    That is a Head; then the body as bytes, or the data of each event as text and END. In place of
    any of them there may be the Failure that ended the request.
    """

    def future(self) -> Future[None] | None:
        """Return what to wait for; None if something is there already."""

    def take(self) -> Any:
        """Return what has arrived next. Blocks until there is something."""

    def close(self) -> None:
        """Give up the rest of what arrives."""


class Client(Protocol):
    """Sends requests to the upstream. via: what the header VIA says."""

    settings: UpstreamSettings

    def get(self, url: str, via: str) -> Exchange:
        """Send a GET request."""

    def post(self, body: dict, via: str) -> Exchange:
        """Send a chat request."""

    def close(self) -> None:
        """End all requests and connections."""


def take_in_steps(exchange: Exchange) -> Generator[Wait, None, Any]:
    """Return what arrives next. Yield what to wait for, to give way to others.

    Raises the Failure that comes in its place.
    """
    if (future := exchange.future()) is not None:
        yield future
    item = exchange.take()
    if isinstance(item, Exception):
        raise item
    return item
