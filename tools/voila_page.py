"""Serve the playground alone, without code, with voila: ``lessons --playground``.

Each page that a browser opens has a kernel of its own, which ends when the page is closed. voila
lets pages talk to widgets only, so that whoever opens one cannot run programs.
"""

from __future__ import annotations

import errno
import logging
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from tornado.web import RequestHandler

FOLDER = Path(__file__).absolute().parent / "playground"
USUAL_PORT = 8866
PORTS_TO_TRY = 50
# Of JupyterLab's extensions only the widgets: others are not made for voila, or belong to a person.
EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8")
SECONDS_WITHOUT_A_PAGE = 600  # after which a kernel ends, if its page could not end it


def listeners(ip: str, port: int | None) -> list[socket.socket]:
    """Return sockets that listen on a port; without one, on the first free one from 8866 on.

    Raise OSError if that is impossible.
    """
    from tornado.netutil import bind_sockets

    if port is not None:
        return bind_sockets(port, ip)
    for number in range(USUAL_PORT, USUAL_PORT + PORTS_TO_TRY):
        try:
            return bind_sockets(number, ip)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
    return bind_sockets(0, ip)


def set_cookie(handler: RequestHandler, **others: object) -> None:
    """Set the cookie by which a page proves that it may end its kernel.

    voila leaves it out, so kernels would live on after their pages where a token is needed.
    """
    _ = handler.xsrf_token  # tornado sets the cookie when this is read


def run_page(
    ip: str,
    port: int | None,
    may_others: bool,
    announce: Callable[[str], None],
    browser: bool,
) -> None:
    """Serve the playground until Ctrl+C (SIGINT) or SIGTERM ends it and its kernels.

    port: None means the first free one from 8866 on. may_others: other computers may ask for it.
    announce: called with the address once the page can be opened. browser: open one.
    """
    from jupyter_server.base.websocket import WS_PING_INTERVAL
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop, PeriodicCallback
    from tornado.web import Application
    from traitlets.config import Config
    from voila.app import Voila

    config = Config()
    # Only errors, so that the address is the last line. Kernels warn unless they are encrypted.
    config.Voila.log_level = logging.ERROR
    config.MappingKernelManager.transport_encryption = "auto"
    config.MappingKernelManager.cull_idle_timeout = SECONDS_WITHOUT_A_PAGE
    config.VoilaConfiguration.allow_template_override = "NO"
    config.VoilaConfiguration.allow_theme_override = "NO"
    config.VoilaConfiguration.extension_allowlist = list(EXTENSIONS)
    config.VoilaConfiguration.prelaunch_hook = set_cookie
    # No settings of the folder that the program happens to be started in, nor of other pages.
    page = Voila(config=config, config_file_paths=[], auto_token=True, ip=ip)
    page.initialize([str(FOLDER / "page.ipynb")])
    page.template_paths.insert(0, str(FOLDER))
    with tempfile.TemporaryDirectory(prefix="playground-") as folder:
        page.connection_dir = folder
        settings = page.init_settings() | {
            "allow_remote_access": may_others,
            "ws_ping_timeout": WS_PING_INTERVAL,  # tornado warns of a longer one
        }
        application = Application(**settings)
        application.add_handlers(".*$", page.init_handlers())
        sockets = listeners(ip, port)
        server = HTTPServer(application)
        server.add_sockets(sockets)
        page.port = sockets[0].getsockname()[1]
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(ip, f"[{ip}]" if ":" in ip else ip)
        address = f"http://{host}:{page.port}/?token={quote(page.identity_provider.token)}"
        loop = IOLoop.current()
        if sys.platform == "win32":
            PeriodicCallback(lambda: None, 1000).start()  # or the loop would not notice Ctrl+C

        def stop(number: int, frame: object) -> None:
            for name in (signal.SIGINT, signal.SIGTERM):
                signal.signal(name, signal.SIG_IGN)  # a second signal would disturb the clean end
            print("Ending the playground ...", flush=True)
            loop.add_callback_from_signal(loop.stop)

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        loop.add_callback(announce, address)
        if browser:
            open_browser(address, Path(folder))
        try:
            loop.start()
        finally:
            server.stop()
            loop.run_sync(page.kernel_manager.shutdown_all)


def open_browser(address: str, folder: Path) -> None:
    """Open the address in a browser, by a file: a command line with the token is open to all."""
    file = folder / "open.html"
    file.write_text(
        f'<meta http-equiv="refresh" content="0; url={escape(address)}">', encoding="utf-8"
    )
    threading.Thread(target=webbrowser.open, args=(file.as_uri(),), daemon=True).start()
