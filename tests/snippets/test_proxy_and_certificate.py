"""A company's proxy and certificate: named by options or variables, explained if they fail."""

from __future__ import annotations

import base64
import re
import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator

import pytest

FILE = "proxy-and-certificate/openai_sdk.py"
ANSWER = "The capital of France is Paris.\n"
PASSWORD = "proxy-password-for-tests"
AUTHORIZATION = "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()


class Proxy(socketserver.ThreadingTCPServer):
    """A proxy that connects its clients with any server, by the method CONNECT.

    ``targets``: the hosts that it was asked for. ``wants_password``: it answers 407 without one.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.targets: list[str] = []
        self.wants_password = False


class Tunnel(socketserver.StreamRequestHandler):
    """One client of the proxy."""

    server: Proxy

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split()
        headers = [line.strip() for line in iter(self.rfile.readline, b"\r\n")]
        self.server.targets.append(f"{method} {target}")
        expected = f"Proxy-Authorization: {AUTHORIZATION}".lower()
        if self.server.wants_password and expected not in [
            header.decode().lower() for header in headers
        ]:
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        host, _, port = target.partition(":")
        with socket.create_connection((host, int(port))) as there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._copy(there)

    def _copy(self, there: socket.socket) -> None:
        """Copy bytes in both directions until one side has ended."""
        other = {self.connection: there, there: self.connection}
        while True:
            for ready in select.select(list(other), [], [])[0]:
                content = ready.recv(65536)
                if not content:
                    return
                other[ready].sendall(content)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Yield a proxy."""
    with Proxy() as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()


@pytest.fixture
def url(proxy) -> str:
    """Return the address of the proxy."""
    return f"http://127.0.0.1:{proxy.server_address[1]}"


@pytest.fixture
def targets(endpoint) -> Callable[[int], list[str]]:
    """Return a function: how many requests -> what the proxy has to be asked for."""
    host = endpoint.simulator.url.removeprefix("https://")
    return lambda number: [f"CONNECT {host}"] * number


@pytest.fixture
def authority(endpoint) -> str:
    """Return the file with the certificate authority that the endpoint's certificate comes from."""
    return endpoint.simulator.variables()["SSL_CERT_FILE"]


def test_options_name_the_proxy_and_the_certificate(run_snippet, proxy, url, targets, authority):
    options = ["--proxy", url, "--ca-file", authority]
    done = run_snippet(FILE, options=options, SSL_CERT_FILE=None)
    assert (done.code, done.stdout, done.stderr) == (0, ANSWER, "")
    assert proxy.targets == targets(1)  # one connection for both requests


def test_variables_do_the_same(run_snippet, proxy, url, targets):
    done = run_snippet(FILE, HTTPS_PROXY=url)
    assert (done.code, done.stdout, done.stderr) == (0, ANSWER, "")
    assert proxy.targets == targets(1)


def test_hosts_of_no_proxy_are_asked_directly(run_snippet, proxy, url):
    done = run_snippet(FILE, HTTPS_PROXY=url, NO_PROXY="127.0.0.1")
    assert (done.code, done.stdout, proxy.targets) == (0, ANSWER, [])


def test_an_unknown_certificate_is_not_trusted_and_the_advice_is_to_name_it(run_snippet):
    done = run_snippet(FILE, SSL_CERT_FILE=None)
    assert (done.code, done.stdout, done.visit.arrivals) == (1, "", [])
    assert re.fullmatch(
        "No answer: .*CERTIFICATE_VERIFY_FAILED.* pass its certificate authority with --ca-file.\n",
        done.stderr,
    )


def test_a_proxy_may_want_a_password(run_snippet, proxy, url, targets):
    proxy.wants_password = True
    done = run_snippet(FILE, options=["--proxy", url])
    assert (done.code, done.stdout) == (1, "")
    assert "407" in done.stderr and "the proxy wants a user and a password" in done.stderr
    with_password = url.replace("//", f"//user:{PASSWORD}@")
    done = run_snippet(FILE, options=["--proxy", with_password])
    assert (done.code, done.stdout, done.stderr) == (0, ANSWER, "")
    assert proxy.targets == targets(2)


def test_a_proxy_that_is_not_there_is_named_as_the_reason(run_snippet, proxy, url):
    proxy.shutdown()
    proxy.server_close()
    done = run_snippet(FILE, options=["--proxy", url.replace("//", f"//user:{PASSWORD}@")])
    assert (done.code, done.stdout) == (1, "")
    assert "check the address of the proxy" in done.stderr
    assert PASSWORD not in done.stderr
