"""Requests to the upstream, made by one thread for all clients, with httpx.

The key goes to the upstream's own address and nowhere else: redirects are not followed. A proxy of
the environment is used, but not for this computer.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import certifi

from .. import __version__
from ..upstream.events import EventReader
from ..upstream.failures import Failure, unreadable
from ..upstream.protocol import END, VIA, Head
from ..upstream.settings import URL, UpstreamSettings
from .exchange import Exchange

if TYPE_CHECKING:
    import httpx

THREAD_NAME = "simulated-azure-upstream"
CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0  # between two pieces of an answer; before the first, a model may have to load
MAX_BODY_SIZE = 1 << 24  # bytes of a whole answer
MAX_WAITING = 1000  # events that wait for a slow client, before the upstream has to wait
WAIT_FOR_CLIENT = 0.05  # seconds between looks at a slow client


class UpstreamClient:
    """Sends requests to an upstream. connect_seconds, read_seconds: after which it gives up."""

    def __init__(
        self,
        settings: UpstreamSettings,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ):
        self.settings = settings
        self.connect_seconds, self.read_seconds = connect_seconds, read_seconds
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: httpx.AsyncClient | None = None

    def get(self, url: str, via: str) -> Exchange:
        """Send a GET request. via: what the header VIA says."""
        return self._start("GET", url, None, via)

    def post(self, body: dict, via: str) -> Exchange:
        """Send a chat request. via: what the header VIA says."""
        return self._start("POST", f"{self.settings.base_url}/chat/completions", body, via)

    def close(self) -> None:
        """End all requests and connections. Blocks until that has been done."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)

    def _start(self, method: str, url: str, body: dict | None, via: str) -> Exchange:
        exchange = Exchange()
        work = partial(self._request, exchange, method, url, body, via)
        future = self._submit(work)
        exchange.on_close = future.cancel
        return exchange

    def _submit(self, work: Callable[[], Awaitable[None]]) -> Future[None]:
        """Let the thread do some work. Start the thread if need be."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # Broken connections are told to the request that they belong to.
                self._loop.set_exception_handler(lambda loop, context: None)
                run = partial(_run, self._loop)
                threading.Thread(target=run, name=THREAD_NAME, daemon=True).start()
            return asyncio.run_coroutine_threadsafe(work(), self._loop)

    async def _request(
        self, exchange: Exchange, method: str, url: str, body: dict | None, via: str
    ) -> None:
        try:
            session = self._open_session()
            headers = {VIA: via} if via else {}
            async with session.stream(method, url, json=body, headers=headers) as response:
                kind = response.headers.get("content-type", "").partition(";")[0].strip()
                head = Head(
                    response.status_code,
                    kind.lower() == "text/event-stream" and response.status_code == 200,
                    response.headers.get("retry-after", ""),
                )
                exchange.put(head)
                if head.is_stream:
                    await self._read_events(exchange, response)
                else:
                    exchange.put(await _read_body(response))
        except Exception as error:  # whatever goes wrong is the answer
            exchange.put(self._failure(error))

    async def _read_events(self, exchange: Exchange, response: httpx.Response) -> None:
        reader = EventReader()
        async for data in response.aiter_bytes():
            for event in reader.feed(data):
                exchange.put(event)
            while len(exchange) > MAX_WAITING:
                await asyncio.sleep(WAIT_FOR_CLIENT)
        for event in reader.end():
            exchange.put(event)
        exchange.put(END)

    def _open_session(self) -> httpx.AsyncClient:
        import httpx  # only an upstream needs it, and it takes a while to load

        if self._session is None:
            headers = {
                "User-Agent": f"simulated-azure/{__version__}",
                "Accept": "application/json, text/event-stream",
                # Managed compute would drop what it does not know, such as logprobs.
                "extra-parameters": "pass-through",
            }
            if self.settings.key:
                headers["Authorization"] = f"Bearer {self.settings.key}"
            self._session = httpx.AsyncClient(
                headers=headers,
                verify=_trusted(),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                follow_redirects=False,
                timeout=httpx.Timeout(None, connect=self.connect_seconds, read=self.read_seconds),
                # A connection that is kept may be closed by the server just when it is used again.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
                trust_env=not self.settings.is_local,  # the proxies of the environment
            )
        return self._session

    def _failure(self, error: Exception) -> Failure:
        """Return what a request's exception means."""
        import httpx

        place = self.settings.place_for_clients
        start = f"Start that server, or correct {URL}."
        causes = [*_causes(error)]
        if isinstance(error, httpx.ConnectTimeout):
            seconds = f"{self.connect_seconds:g} s"
            return Failure(408, f"{place} does not accept a connection within {seconds}.", start)
        if isinstance(error, httpx.TimeoutException):
            return Failure(
                408,
                f"{place} was silent for {self.read_seconds:g} s.",
                "A large model may be loading. If the computer is too slow, try a smaller one.",
            )
        if any(isinstance(cause, socket.gaierror) for cause in causes):
            return Failure(502, f"{place}: no computer of this name was found.", start)
        if any(isinstance(cause, ssl.SSLError) for cause in causes):
            return Failure(
                502,
                f"{place}: the certificate is not trusted, or there is none.",
                "Set SSL_CERT_FILE to the file with its authority, or check http and https.",
            )
        if isinstance(error, httpx.ConnectError):
            is_refused = any(isinstance(cause, ConnectionRefusedError) for cause in causes)
            reason = "connection refused" if is_refused else "no connection"
            return Failure(502, f"Nothing answers at {place} ({reason}).", start)
        if isinstance(error, httpx.HTTPError | OSError):
            return Failure(502, f"The connection to {place} broke off ({type(error).__name__}).")
        return unreadable(self.settings)

    async def _end(self) -> None:
        current = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.aclose()
            self._session = None


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _read_body(response: httpx.Response) -> bytes:
    """Return the body of a response. Raises ValueError if it is too large."""
    body = b""
    async for data in response.aiter_bytes():
        body += data
        if len(body) > MAX_BODY_SIZE:
            raise ValueError("the body is too large")
    return body


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and all that led to it."""
    while error is not None:
        yield error
        for inner in getattr(error, "exceptions", ()):  # of a group
            yield from _causes(inner)
        error = error.__cause__ or error.__context__


def _trusted() -> ssl.SSLContext:
    """Return the TLS settings: what Python trusts here, and what a bundle of the variables has."""
    context = ssl.create_default_context()
    bundle = os.environ.get("REQUESTS_CA_BUNDLE", "")
    if not os.environ.get("SSL_CERT_FILE"):
        context.load_verify_locations(bundle if os.path.isfile(bundle) else certifi.where())
    return context
