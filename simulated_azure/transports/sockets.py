"""The simulated Azure on sockets: http and https, in a thread of the calling process."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from uvicorn.config import Config
from uvicorn.server import ServerState

from ..azure import SimulatedAzure
from ..classroom.authority import VARIABLE as CA_VARIABLE
from ..classroom.authority import fingerprint, short_fingerprint
from ..errors import HTTPError
from ..inference.servers import INFERENCE, Server
from .addresses import family_of, in_url, is_loopback, on_this_computer, remote_hosts
from .asgi import Application
from .certificates import NAMES, Certificates, certificate_bundles
from .connections import Connection
from .scratch import scratch_folder

if TYPE_CHECKING:
    import trustme

    from ..classroom.room import Classroom

THREAD_NAME = "simulated-azure"
IDLE_SECONDS = (
    30.0  # that a client may let pass before its next request, or between two parts of one
)
STOP_SECONDS = 0.5  # that stopping may take; a thread that computes on then ends with the process
BACKLOG = 4096  # connections that wait to be accepted


class Simulator:
    """A running simulated Azure.

    host: the address to listen on. port, https_port: 0 for any free one. key: what clients must
    send; made up if None. token_delay: seconds that the model takes for each token. on_loaded:
    called from a thread when the model is loaded. idle_seconds: after which a client that sends
    nothing is disconnected. server: the published server to simulate. classroom: the class that
    shares the endpoint; it is closed when this is stopped. authority: signs the certificate of the
    server; made up if None. names: subscription_id, resource_group
    and workspace, unless they shall be made up. Raises OSError if this computer does not have the
    address or a port is taken.

    ``url``, ``http_url``: where it answers. ``local_url``: where it answers on this computer, over
    http. ``remote_urls``: the https addresses for other computers; none if only this computer can
    reach it. ``errors``: tracebacks of defects in the simulator itself; nothing is ever printed.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        https_port: int = 0,
        key: str | None = None,
        token_delay: float = 0.0,
        on_loaded: Callable[[], object] = lambda: None,
        idle_seconds: float = IDLE_SECONDS,
        server: Server = INFERENCE,
        classroom: Classroom | None = None,
        authority: trustme.CA | None = None,
        **names: str,
    ):
        self.azure = SimulatedAzure(key, token_delay, server=server, classroom=classroom, **names)
        self.azure.inference.is_loading = True
        self._on_loaded = on_loaded
        self._idle_seconds = idle_seconds
        self._sockets = [_listen(host, port), _listen(host, https_port)]
        http_port, https_port = (listener.getsockname()[1] for listener in self._sockets)
        remote = [] if is_loopback(host) else remote_hosts(host)
        self.remote_urls = [f"https://{in_url(name)}:{https_port}" for name in remote]
        name = in_url(remote[0] if remote else host)
        self.http_url, self.url = f"http://{name}:{http_port}", f"https://{name}:{https_port}"
        self.azure.url = self.url
        self.local_url = f"http://{in_url(on_this_computer(host))}:{http_port}"
        hosts = [*NAMES, host, *remote]
        if classroom is not None and (named := urlsplit(classroom.group.address).hostname):
            hosts.append(named)
        self._certificates = Certificates(dict.fromkeys(hosts), authority)
        if classroom is not None:
            classroom.certificate = self._certificates.authority_pem
        self._bundles: dict[str, bytes] = {}  # variable -> content of the files written last
        self._bundle_folder = Path()
        application = Application(self.azure)
        self.errors = application.errors
        self._config = Config(
            application,
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            log_level="critical",
            proxy_headers=False,
            timeout_keep_alive=idle_seconds,
        )
        self._started, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._run, name=THREAD_NAME, daemon=True).start()
        self._started.wait()
        if self.errors:
            raise RuntimeError(f"the simulated Azure could not start:\n{self.errors[0]}")
        self._loading = threading.Thread(target=self._load, name=THREAD_NAME, daemon=True)
        self._loading.start()

    def wait_for_model(self) -> None:
        """Wait until the language model is loaded, or cannot be. Call this before you use
        ``azure.assistant`` from another thread: a model must not be loaded twice at once.
        """
        self._loading.join()

    def variables(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the environment variables by which the real SDKs find this simulator.

        environ: the variables in force, whose certificates are kept. Those of a class have no key,
        because each seat has one.
        """
        addresses = {
            "AZURE_INFERENCE_ENDPOINT": self.url,
            "AZURE_INFERENCE_ENDPOINT_HTTP": self.http_url,
        }
        if self.azure.classroom is not None:
            fingerprint = short_fingerprint(self._certificates.authority_pem)
            return addresses | {CA_VARIABLE: fingerprint, **self.certificate_files(environ)}
        return {
            **addresses,
            "AZURE_INFERENCE_CREDENTIAL": self.azure.key,
            "AZURE_RETAIL_PRICES_URL": f"{self.url}/api/retail/prices",
            "IDENTITY_ENDPOINT": f"{self.http_url}/msi/token",
            "IDENTITY_HEADER": self.azure.identity_header,
            # Real credentials in the environment would come first.
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "AZURE_SUBSCRIPTION_ID": self.azure.subscription_id,
            "AZURE_RESOURCE_GROUP": self.azure.resource_group,
            "AZURE_ML_WORKSPACE": self.azure.workspace,
            # Nothing is billed here. Nobody types a limit like this, so it is known as ours.
            "AZURE_MAX_USD_PER_HOUR": "12.0000",
            "AZURE_RESOURCE_MANAGER_URL": self.url,
            "ARM_CLOUD_METADATA_URL": f"{self.url}/metadata/endpoints?api-version=2019-05-01",
            "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{self.url}/",
            **self.certificate_files(environ),
        }

    def certificate_files(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return files that make clients trust this simulator: variable -> path.

        They hold the certificates that environ names, and one more authority. The same
        certificates give the same files.
        """
        bundles = certificate_bundles(self._certificates.authority_pem, environ)
        if bundles != self._bundles:
            folder = Path(tempfile.mkdtemp(dir=scratch_folder()))
            for name, content in bundles.items():
                (folder / f"{name.lower()}.pem").write_bytes(content)
            self._bundles, self._bundle_folder = bundles, folder
        return {name: str(self._bundle_folder / f"{name.lower()}.pem") for name in bundles}

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate authority's file, in hexadecimal digits."""
        return fingerprint(self._certificates.authority_pem)

    def wait(self) -> None:
        """Wait until it is stopped, or until the process is interrupted (KeyboardInterrupt)."""
        while not self._ended.wait(0.5):  # an endless wait could not be interrupted on Windows
            pass

    def stop(self) -> None:
        """Break all connections and stop answering. Not needed at the end of a process."""
        if not self._ended.is_set():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._ended.wait(STOP_SECONDS)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._config.get_loop_factory()) as runner:
                runner.run(self._serve())
        except BaseException:
            self.errors.append(traceback.format_exc())
        finally:
            self._ended.set()
            self._started.set()

    async def _serve(self) -> None:
        logging.getLogger("asyncio").addFilter(
            _is_of_another_thread
        )  # "SSL connection is closed" would end up in a cell
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(
            lambda loop, context: None
        )  # broken pipes, refused handshakes
        state = ServerState()
        connection = partial(Connection, self._config, state, {})
        plain, secure = self._sockets
        tls = {"ssl": self._certificates.server, "ssl_handshake_timeout": self._idle_seconds}
        servers = [
            await self._loop.create_server(connection, sock=plain, backlog=BACKLOG),
            await self._loop.create_server(connection, sock=secure, backlog=BACKLOG, **tls),
        ]
        self._started.set()
        await self._stop.wait()
        for server in servers:
            server.close()
        for connection in tuple(state.connections):
            connection.transport.abort()  # its request is cancelled then
        while state.tasks:
            await asyncio.wait(state.tasks)
        if self.azure.classroom is not None:
            self.azure.classroom.close()

    def _load(self) -> None:
        try:
            self.azure.inference.load()
        except HTTPError:
            return  # every completion says why
        self._on_loaded()


def _is_of_another_thread(record: logging.LogRecord) -> bool:
    return record.threadName != THREAD_NAME


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.create_server((host, port), family=family_of(host), backlog=BACKLOG)
    listener.setblocking(False)
    return listener
