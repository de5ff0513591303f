"""Requests as they stand on the wire, for tests that look below the clients."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

QUESTION = "How many languages are in the world?"
ASK = {
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": QUESTION},
    ]
}
GREEDY = {**ASK, "temperature": 0}
AS_SERVE = {"x-simulated-server": "serve"}  # for requests to the server foundation-model-serve
CHAT, V1_CHAT = "/chat/completions", "/v1/chat/completions"
DEADLINE = 60  # seconds after which something that should have happened is given up


def raw(
    simulator, method: str, path: str, body: dict | bytes | None = None, headers: dict | None = None
):
    """Return (status, headers, body) of one request, by default with the key."""
    connection = http.client.HTTPConnection(address_of(simulator.http_url), timeout=DEADLINE)
    try:
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        sent = {"api-key": simulator.azure.key} if headers is None else headers
        connection.request(method, path, content, {"Content-Type": "application/json", **sent})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def post(simulator, body: dict | bytes, path: str = CHAT, **headers: str):
    """Return (status, decoded JSON) of a POST with the key."""
    sent = {"api-key": simulator.azure.key, **headers}
    status, _, content = raw(simulator, "POST", path, body, sent)
    return status, json.loads(content)


def address_of(url: str) -> str:
    """Return the host and port of a URL without a path."""
    return url.partition("://")[2]


@contextmanager
def open_socket(url: str, certificates: str) -> Iterator[socket.socket]:
    """Open a connection to the server at a URL; certificates: the file to check those of https."""
    host, port = address_of(url).rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as plain:
        if url.startswith("http:"):
            yield plain
        else:
            context = ssl.create_default_context(cafile=certificates)
            with context.wrap_socket(plain, server_hostname=host) as wrapped:
                yield wrapped


def received(connection: socket.socket) -> bytes:
    """Return all that comes until the connection ends."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def exchange(url: str, certificates: str, *parts: bytes) -> bytes:
    """Send parts over a connection of its own. Return all that comes until it ends."""
    with open_socket(url, certificates) as connection:
        for part in parts:
            connection.sendall(part)
        return received(connection)


def wire_request(key: str, body: dict, version: str = "1.1", **headers: str) -> bytes:
    """Return a POST for a completion as it stands on the wire."""
    content = json.dumps(body).encode()
    headers = {"Connection": "close", "Content-Type": "application/json", **headers}
    lines = [f"POST {CHAT} HTTP/{version}", "Host: x", f"api-key: {key}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


def chunks_on_the_wire(
    url: str, certificates: str, request: bytes
) -> tuple[bytes, list[bytes], bytes]:
    """Return (head, chunks, what follows the last whole chunk) of a chunked response."""
    head, _, rest = exchange(url, certificates, request).partition(b"\r\n\r\n")
    chunks = []
    while match := re.match(rb"([0-9a-fA-F]+)\r\n", rest):
        size = int(match[1], 16)
        chunk = rest[match.end() : match.end() + size]
        rest = rest[match.end() + size + 2 :]
        if not size:
            break
        chunks.append(chunk)
    return head, chunks, rest


def headers_in(head: bytes) -> dict[bytes, bytes]:
    """Return the headers of a response's head, names and values in lower case."""
    return dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])


def events_in(chunks: list[bytes]) -> list[dict]:
    """Return the JSON of the server-sent events in chunks; [DONE] is left out."""
    texts = b"".join(chunks).split(b"\n\n")
    return [
        json.loads(text.removeprefix(b"data: "))
        for text in texts
        if text and text != b"data: [DONE]"
    ]
