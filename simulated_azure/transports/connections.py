"""The connection of a client: HTTP/1.1 as uvicorn speaks it, and what other clients need.

An upgrade to another protocol is ignored (RFC 9110, section 7.8). A client of HTTP/1.0 gets no
chunks. Headers are bounded, and a client that keeps the server waiting is disconnected.
"""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEADERS_SIZE = 1 << 16  # bytes, with the request line


class Connection(HttpToolsProtocol):
    """A connection that is closed when its client keeps the server waiting.

    The client has ``config.timeout_keep_alive`` seconds to begin a request, as many to send all its
    headers, and as many for each part of its body. The timer is uvicorn's, which by itself runs
    only between two requests.
    """

    _headers_size = 0  # bytes of the request line and of the headers that have been read
    _unread_size = 0  # bytes that have come since; a header is read when its end has come
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._stop_timer()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._unread_size += len(data)
        is_valid = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            is_valid = False
        if self._headers_size + self._unread_size > MAX_HEADERS_SIZE:
            message = f"The headers have more than {MAX_HEADERS_SIZE} bytes, the most accepted."
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, message)
        elif not is_valid:
            self._refuse(HTTPStatus.BAD_REQUEST, "This is not a valid HTTP/1.1 request.")

    # What the parser calls

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._headers_size = 0
        self._start_timer()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count_header(len(name) + len(value) + len(": \r\n"))

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return  # the same request comes again, without its upgrade
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            self.cycle.send = partial(send_without_chunks, self.cycle)
        self._start_timer()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._unread_size = 0
        self._start_timer()

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._unread_size = 0
        self._stop_timer()

    def _count_header(self, size: int) -> None:
        self._headers_size += size
        self._unread_size = 0
        if self._headers_size > MAX_HEADERS_SIZE:
            raise ValueError("too many headers")  # ends the parsing

    # What becomes of a request that is not read as it came

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read a request again without its header ``Upgrade``. rest: what follows its headers."""
        method = self.parser.get_method()
        if method == b"CONNECT":  # which cannot be read as any other
            self._refuse(HTTPStatus.NOT_IMPLEMENTED, "This is not a proxy.")
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self._unread_size = 0
        self.data_received(b"\r\n".join([*lines, b"", rest]))

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer a request that cannot be read, and end the connection."""
        self._is_refused = True
        if self._is_answering():
            self.transport.close()  # nothing may be put between the parts of another answer
            return
        head = [
            f"HTTP/1.1 {status} {status.phrase}",
            "content-type: text/plain",
            f"content-length: {len(message)}",
        ]
        self.transport.write("\r\n".join([*head, "connection: close", "", message]).encode())
        if self.transport.can_write_eof():
            self.transport.write_eof()  # closing with bytes unread could reset the connection
            self._start_timer()
        else:
            self.transport.close()

    # Time

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, unless it is the client who waits."""
        if self._is_answering():
            self._start_timer()
        else:
            super().timeout_keep_alive_handler()

    def _is_answering(self) -> bool:
        is_read = self.cycle is not None and not self.cycle.more_body
        return bool(self.pipeline) or (is_read and not self.cycle.response_complete)

    def _start_timer(self) -> None:
        self._stop_timer()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _stop_timer(self) -> None:
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None


async def send_without_chunks(cycle: RequestResponseCycle, message: dict[str, Any]) -> None:
    """Send a part of a response to a client of HTTP/1.0.

    HTTP/1.0 has no chunks; a body of unknown length ends where the connection ends.
    """
    cycle.chunked_encoding = False
    cycle.expected_content_length = len(message.get("body", b""))
    await RequestResponseCycle.send(cycle, message)
