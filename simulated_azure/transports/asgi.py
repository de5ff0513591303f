"""The simulated Azure as an ASGI application, whose requests take turns: none blocks the others."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future
from contextlib import closing
from email.utils import formatdate
from typing import Any

from .. import __version__
from ..azure import MAX_BODY_SIZE, SimulatedAzure
from ..http import Pause, Request, Response, Steps, Wait
from .slices import Slices

TURN_SECONDS = 0.005  # that a request may compute before others have their turn
MAX_ERRORS = 20  # that are remembered
SERVER = f"simulated-azure/{__version__}"

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Turn:
    """The time for which a request has computed since others last had their turn.

    slices, seat: in a class, the seat of the request, and what lets the seats take turns.
    """

    def __init__(self, slices: Slices | None = None, seat: str = ""):
        self._clock = asyncio.get_running_loop().time
        self._begin = self._clock()
        self._slices, self._seat = slices, seat

    async def wait(self) -> None:
        """Wait for the first turn."""
        if self._slices is not None:
            await self._slices.wait(self._seat)
            self._begin = self._clock()

    async def give_way(self, wait: Wait = 0.0) -> None:
        """Wait for some seconds or a future; for 0.0, let others have a turn after TURN_SECONDS."""
        if isinstance(wait, Future):
            await asyncio.wrap_future(wait)
        elif wait <= 0 and self._clock() - self._begin <= TURN_SECONDS:
            return
        elif wait > 0 or self._slices is None:
            await asyncio.sleep(wait)
        else:
            await self._slices.wait(self._seat)
        self._begin = self._clock()


class Application:
    """An ASGI application.

    ``errors``: tracebacks of defects in the simulated Azure, the last MAX_ERRORS.
    """

    def __init__(self, azure: SimulatedAzure):
        self.azure = azure
        self._slices = Slices()  # for a class
        self.errors: list[str] = []

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request; stop when its client goes away."""
        body = await read_body(receive)
        if body is None:
            return  # the client has gone in the middle of its request
        watch = asyncio.ensure_future(_cancel_when_gone(receive, asyncio.current_task()))
        try:
            request = _request(scope, body)
            turn = self._turn(request)
            await turn.wait()
            response = await run_steps(self.azure.handle_in_steps(request), turn)
            try:
                await _send(response, send, turn)
            finally:
                if isinstance(response.body, Generator):
                    response.body.close()
                response.on_close()
        except (asyncio.CancelledError, ConnectionAbortedError):
            return  # the client has gone, or a fault breaks the connection, which the server closes
        except Exception:
            self.errors.append(traceback.format_exc())
            del self.errors[:-MAX_ERRORS]
            raise  # the server answers 500
        finally:
            watch.cancel()

    def _turn(self, request: Request) -> Turn:
        """Return the turn of a request. In a class, all who have no key there share one turn."""
        if self.azure.classroom is None:
            return Turn()
        seat = self.azure.guard.seat(request)
        return Turn(self._slices, seat.name if seat else "")


async def read_body(receive: Receive) -> bytes | None:
    """Return the body of a request; None if the client has gone.

    Of a body that is larger than MAX_BODY_SIZE only the beginning is kept.
    """
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        if size <= MAX_BODY_SIZE:
            parts.append(part)
            size += len(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _cancel_when_gone(receive: Receive, task: asyncio.Task) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()


def _request(scope: dict[str, Any], body: bytes) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode("latin-1")
    return Request(scope["method"], scope["path"], query, headers, body, scope["scheme"])


async def run_steps(steps: Steps, turn: Turn) -> Response:
    """Return the response that steps end with. They are closed if this is cancelled."""
    with closing(steps):
        while True:
            try:
                wait = next(steps)
            except StopIteration as end:
                return end.value
            await turn.give_way(wait)


async def _send(response: Response, send: Send, turn: Turn) -> None:
    if response.delay:
        await asyncio.sleep(response.delay)
    headers = {"date": formatdate(usegmt=True), "server": SERVER, **response.headers}
    if isinstance(response.body, bytes):
        headers["content-length"] = str(len(response.body))
    encoded = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
    if isinstance(response.body, bytes):
        await send({"type": "http.response.body", "body": response.body})
        return
    await _send_pieces(response, send, turn)


async def _send_pieces(response: Response, send: Send, turn: Turn) -> None:
    """Send the pieces of a body, ``response.pace`` seconds apart, or half that if one is late."""
    clock = asyncio.get_running_loop().time
    due = None  # when the next piece is to be sent
    for piece in response.body:
        if not piece:
            await turn.give_way(piece.future if isinstance(piece, Pause) else 0.0)
            continue
        if response.pace and due is not None:
            due = max(due + response.pace, clock() + response.pace / 2)
            await turn.give_way(due - clock())
        else:
            due = clock()
            await turn.give_way()
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})
