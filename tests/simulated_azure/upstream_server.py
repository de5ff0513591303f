"""A server that answers as a test says, byte by byte: an upstream that does what real ones do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from raw_http import DEADLINE

from simulated_azure.transports.upstream import UpstreamClient
from simulated_azure.upstream.settings import read_upstream
from simulated_azure.upstream.upstream import Upstream

MODEL = "tiny-phi"
Headers = dict[str, str]


@dataclass
class Visit:
    """A request that has arrived. connection: to answer with. left: set if the client has gone."""

    method: str
    path: str
    headers: Headers
    body: dict | None
    raw: bytes
    connection: socket.socket
    left: threading.Event = field(default_factory=threading.Event)

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.connection.sendall(part)

    def wait_until_left(self) -> None:
        """Wait until the client has closed the connection."""
        with suppress(OSError):
            while self.connection.recv(65536):
                pass
        self.left.set()


def response(status: int, body: bytes, kind: str = "application/json", **headers: str) -> bytes:
    """Return a whole response."""
    lines = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(**changes: object) -> dict:
    """Return a whole answer, as many servers send it."""
    message = {"role": "assistant", "content": "Hello there."}
    return {
        "id": "1",
        "object": "chat.completion",
        "model": "another name",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        **changes,
    }


def piece(text: str = "", finish: str | None = None, **more: object) -> bytes:
    """Return an event with a piece of a stream."""
    choice = {"index": 0, "delta": {"content": text, **more}, "finish_reason": finish}
    return event({"choices": [choice], "system_fingerprint": "fp_x"})


def event(content: dict | str) -> bytes:
    """Return a server-sent event."""
    text = content if isinstance(content, str) else json.dumps(content)
    return f"data: {text}\n\n".encode()


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
DONE = event("[DONE]")
USAGE = event({"choices": [], "usage": answer()["usage"]})
WHOLE = response(200, json.dumps(answer()).encode())
STREAM = [STREAM_HEAD, piece("Hello"), piece(" there."), piece(finish="stop"), USAGE, DONE]
MODELS = response(200, json.dumps({"data": [{"id": MODEL, "object": "model"}]}).encode())


class UpstreamServer:
    """Listens on this computer. ``manner``: answers a chat request. ``visits``: what has arrived.

    A GET request gets a list with one model, or ``models``.
    """

    def __init__(self) -> None:
        self.reset()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def reset(self) -> None:
        """Answer as usual, and forget what has arrived."""
        self.manner: Callable[[Visit], object] = say()
        self.models = MODELS
        self.visits: list[Visit] = []

    @property
    def questions(self) -> list[Visit]:
        return [visit for visit in self.visits if visit.method == "POST"]

    def close(self) -> None:
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(DEADLINE)
            visit = read(connection)
            if visit is None:
                return
            self.visits.append(visit)
            if visit.method == "GET":
                visit.send(self.models)
            else:
                self.manner(visit)


def read(connection: socket.socket) -> Visit | None:
    """Return the request that arrives; None if none does."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    headers = {name.lower(): value for name, value in pairs}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    method, path, _ = first.split()
    content = json.loads(body) if body else None
    return Visit(method, path, headers, content, head + body, connection)


def say(whole: bytes = WHOLE, stream: Iterable[bytes] = STREAM) -> Callable[[Visit], object]:
    """Return a manner that sends one of two answers, as the request asks."""

    def manner(visit: Visit) -> None:
        visit.send(*(stream if visit.body.get("stream") else [whole]))

    return manner


def upstream_at(url: str, model: str = "", key: str = "", **seconds: float) -> Upstream:
    """Return an upstream. What it reports to its operator is in its attribute ``reports``."""
    reports: list[str] = []
    upstream = Upstream(UpstreamClient(read_upstream(url, model, key), **seconds), reports.append)
    upstream.reports = reports
    return upstream
