"""Carries the simulated Azure over http and https on this computer, in a thread of the calling process."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn

from .. import __version__
from ..azure import MAX_BODY_SIZE, SimulatedAzure
from ..errors import RequestError
from ..http import Request, Response, Steps
from .certificates import NAMES, Certificates, certificate_bundles
from .scratch import scratch_folder

EVENTS_AT_ONCE = 32  # of an unpaced stream, before other requests get their turn
THREAD_NAME = "simulated-azure"
SERVER_HEADER = {"server": f"simulated-azure/{__version__}"}


class Simulator:
    """A running simulated Azure.

    host: the address to listen on. port, https_port: 0 for any free one. key: what clients must send; made up if None.
    token_delay: seconds the model takes for each token. on_loaded: called once the model is there. names: subscription_id,
    resource_group and workspace, if they shall not be made-up ones. Raises OSError if a port is taken.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        https_port: int = 0,
        key: str | None = None,
        token_delay: float = 0.0,
        on_loaded: Callable[[], object] = lambda: None,
        **names: str,
    ):
        self.azure = SimulatedAzure(key, token_delay, **names)
        self.errors: list[str] = []  # tracebacks of defects in the simulator itself; nothing is ever printed
        self._sockets = [_listen(host, port), _listen(host, https_port)]
        name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # all addresses: name one of them
        http_port, https_port = (listening.getsockname()[1] for listening in self._sockets)
        shown = f"[{name}]" if ":" in name else name
        self.http_url, self.url = f"http://{shown}:{http_port}", f"https://{shown}:{https_port}"
        self.azure.url = self.url
        certificates = Certificates(dict.fromkeys((*NAMES, name)))
        self._authority_pem = certificates.authority_pem
        self._bundles: dict[str, bytes] = {}  # variable -> content of the files that were written last
        self._bundle_folder = Path()
        self._on_loaded = on_loaded
        self._servers = [
            uvicorn.Server(_config(self._app)),
            uvicorn.Server(_config(self._app, ssl_context_factory=lambda config, default: certificates.server)),
        ]
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._thread.start()
        self._started.wait()
        if self.errors:
            raise RuntimeError(f"the simulated Azure could not start:\n{self.errors[0]}")

    def variables(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the environment variables that the real SDKs read, so that they find this simulator.

        environ: the variables in force, whose certificates are kept.
        """
        return {
            "AZURE_INFERENCE_ENDPOINT": self.url,
            "AZURE_INFERENCE_ENDPOINT_HTTP": self.http_url,
            "AZURE_INFERENCE_CREDENTIAL": self.azure.key,
            "AZURE_RETAIL_PRICES_URL": f"{self.url}/api/retail/prices",
            "IDENTITY_ENDPOINT": f"{self.http_url}/msi/token",
            "IDENTITY_HEADER": self.azure.identity_header,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",  # or real ones in the environment would come first
            "AZURE_SUBSCRIPTION_ID": self.azure.subscription_id,
            "AZURE_RESOURCE_GROUP": self.azure.resource_group,
            "AZURE_ML_WORKSPACE": self.azure.workspace,
            "AZURE_MAX_USD_PER_HOUR": "12.0000",  # nothing is billed here; nobody types it like this
            "AZURE_RESOURCE_MANAGER_URL": self.url,
            "ARM_CLOUD_METADATA_URL": f"{self.url}/metadata/endpoints?api-version=2019-05-01",
            "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{self.url}/",
            **self.certificate_files(environ),
        }

    def certificate_files(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return files that make clients trust this simulator: variable -> path.

        They hold the certificates that environ names, and one more authority. The same certificates give the same files.
        """
        bundles = certificate_bundles(self._authority_pem, environ)
        if bundles != self._bundles:
            folder = Path(tempfile.mkdtemp(dir=scratch_folder()))
            for name, content in bundles.items():
                (folder / f"{name.lower()}.pem").write_bytes(content)
            self._bundles, self._bundle_folder = bundles, folder
        return {name: str(self._bundle_folder / f"{name.lower()}.pem") for name in bundles}

    def wait(self) -> None:
        """Waits until it is stopped, or interrupted."""
        while self._thread.is_alive():
            self._thread.join(0.5)  # an endless wait could not be interrupted on Windows

    def stop(self) -> None:
        """Stops answering. Not needed at the end of a process."""
        for server in self._servers:
            server.should_exit = server.force_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._servers[0].config.get_loop_factory()) as runner:
                runner.run(self._serve())
        except BaseException:
            self.errors.append(traceback.format_exc())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        logging.getLogger("asyncio").addFilter(_not_from_here)  # "SSL connection is closed" would end up in a cell
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # broken pipes, refused handshakes
        pairs = zip(self._servers, self._sockets, strict=True)
        running = [asyncio.ensure_future(server.serve(sockets=[listening])) for server, listening in pairs]
        while not all(server.started for server in self._servers):
            for task in running:
                if task.done():
                    task.result()  # raises what went wrong
            await asyncio.sleep(0.001)
        self._started.set()
        await asyncio.sleep(0.01)  # lets the thread that started us go on before the model is loaded
        with suppress(RequestError):  # every completion says it then
            self.azure.inference.load()
            self._on_loaded()
        await asyncio.gather(*running)

    async def _app(self, scope: dict, receive: Any, send: Any) -> None:
        """The ASGI application."""
        body = await _read_body(receive)
        if body is None:
            return  # the client went away in the middle of its request
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        request = Request(scope["method"], scope["path"], query, headers, body, scope["scheme"])
        try:
            response = await _run_steps(self.azure.handle_in_steps(request))
            try:
                await _send(response, receive, send)
            finally:
                response.on_close()
        except ConnectionAbortedError:
            return  # asked for: uvicorn closes the connection without ending the body
        except Exception:
            self.errors.append(traceback.format_exc())
            del self.errors[:-20]
            raise  # uvicorn answers 500


def _not_from_here(record: logging.LogRecord) -> bool:
    """Keeps log records of other threads only."""
    return record.threadName != THREAD_NAME


def _config(app: Any, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="auto",
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        log_level="critical",
        server_header=False,
        timeout_graceful_shutdown=0,
        backlog=4096,
        **more,
    )


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=4096)
    listening.setblocking(False)
    return listening


async def _run_steps(steps: Steps) -> Response:
    """Return the response that steps end with; others have their turn in between."""
    while True:
        try:
            await asyncio.sleep(next(steps))
        except StopIteration as end:
            return end.value


async def _read_body(receive: Any) -> bytes | None:
    """The body, or its beginning if it is larger than what is accepted; None if the client went away."""
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


async def _send(response: Response, receive: Any, send: Any) -> None:
    if response.delay:
        await asyncio.sleep(response.delay)
    headers = SERVER_HEADER | response.headers
    if isinstance(response.body, bytes):
        headers["content-length"] = str(len(response.body))
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
    if isinstance(response.body, bytes):
        await send({"type": "http.response.body", "body": response.body})
        return
    gone = asyncio.ensure_future(receive())  # completes when the client goes away
    try:
        clock = asyncio.get_running_loop().time
        due = clock()
        for number, event in enumerate(response.body):
            if number and response.pace:
                due = max(due + response.pace, clock() + response.pace / 2)  # what is late catches up, but in no burst
                await asyncio.sleep(due - clock())
            elif number % EVENTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            if gone.done():
                return
            if not event:
                continue
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body"})
    finally:
        gone.cancel()
