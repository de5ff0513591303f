"""What goes wrong at an upstream is a clear answer in the contract's shape, without any key."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from azure.core.exceptions import HttpResponseError
from endpoint_clients import key_client, text_of
from raw_http import (
    ASK,
    CHAT,
    DEADLINE,
    GREEDY,
    V1_CHAT,
    exchange,
    post,
    raw,
    wire_request,
)
from upstream_server import (
    DONE,
    MODEL,
    STREAM_HEAD,
    UpstreamServer,
    Visit,
    answer,
    event,
    piece,
    response,
    upstream_at,
)

from simulated_azure.transports.sockets import Simulator

KEY = "sk-of-the-upstream-1234567890"
STREAMED = {**GREEDY, "stream": True}
AGAIN = {"retry_after": "7"}
PAGE = b"<html><title>500</title>secret-of-a-proxy</html>"


@pytest.fixture(scope="module")
def running(assistant) -> Iterator[tuple[Simulator, UpstreamServer]]:
    server = UpstreamServer()
    simulator = Simulator(assistant=assistant)
    yield simulator, server
    simulator.stop()
    server.close()
    assert not simulator.errors, "\n".join(simulator.errors)


@pytest.fixture
def endpoint(running) -> Iterator[Simulator]:
    """Return a running simulated Azure whose answers the upstream writes."""
    simulator, server = running
    server.reset()
    simulator.azure.use_upstream(upstream_at(server.url, MODEL, KEY))
    yield simulator
    simulator.azure.use_upstream(None)


@pytest.fixture
def upstream(running, endpoint) -> UpstreamServer:
    return running[1]


@pytest.fixture
def reports(endpoint) -> list[str]:
    """Return what the operator of the simulated Azure has been told."""
    return endpoint.azure.inference.upstream.reports


def use(endpoint: Simulator, url: str, model: str = MODEL, **seconds: float) -> list[str]:
    """Name another upstream. Return what its operator is told."""
    upstream = upstream_at(url, model, KEY, **seconds)
    endpoint.azure.use_upstream(upstream)
    return upstream.reports


def failed(endpoint: Simulator, body: dict = GREEDY) -> tuple[int, str]:
    """Return (status, message) of a request that gets the server's error."""
    status, content = post(endpoint, body)
    assert content["error"].keys() == {"code", "status", "message"}
    assert content["error"]["status"] == status
    return status, content["error"]["message"]


def always(*parts: bytes) -> Callable[[Visit], object]:
    return lambda visit: visit.send(*parts)


def error(status: int, message: str, **headers: str) -> bytes:
    body = {"error": {"message": message, "type": "x"}}
    return response(status, json.dumps(body).encode(), **headers)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_an_upstream_that_is_not_running(endpoint):
    url = f"http://127.0.0.1:{free_port()}"
    reports = use(endpoint, url)
    for _ in range(2):
        assert failed(endpoint) == (502, f"Nothing answers at {url} (connection refused).")
    assert len(reports) == 1  # not one for each question
    assert "Start that server" in reports[0]


def test_an_upstream_whose_name_nobody_has(endpoint):
    reports = use(endpoint, "http://nobody.invalid:80")
    status, message = failed(endpoint)
    assert (status, message) == (502, "the upstream: no computer of this name was found.")
    assert "nobody" not in "".join(reports)  # an address elsewhere may have a key in it


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse instead of waiting")
def test_an_upstream_that_accepts_no_connection(endpoint):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = "http://127.0.0.1:{1}".format(*full.getsockname())
        use(endpoint, url, connect_seconds=0.05)
        with socket.create_connection(full.getsockname()):  # the only place in the queue
            assert failed(endpoint) == (408, f"{url} does not accept a connection within 0.05 s.")


def test_an_upstream_that_says_nothing_is_given_up_and_left(endpoint, upstream):
    use(endpoint, upstream.url, read_seconds=0.05)
    left = threading.Event()
    upstream.manner = lambda visit: (visit.wait_until_left(), left.set())
    for body in (GREEDY, STREAMED):
        left.clear()
        assert failed(endpoint, body) == (408, f"{upstream.url} was silent for 0.05 s.")
        assert left.wait(DEADLINE)


@pytest.mark.parametrize(
    ("manner", "status", "words", "advice"),
    [
        (error(401, f"Incorrect key {KEY}"), 502, "not your key", "refuses the key (401)"),
        (error(403, "Forbidden"), 502, "not your key", "refuses the key (403)"),
        (error(404, "model not found"), 502, "no model 'tiny-phi' (404): model not found", "Check"),
        (error(500, f"Bearer {KEY[:9]}"), 502, "failed (500): (not shown: ", ""),
        (response(500, PAGE, "text/html"), 502, "The upstream failed (500).", ""),
        (response(503, b'{"error":{"message":"Loading"}}'), 503, "not ready: Loading", ""),
        (response(200, b'{"choices": [{'), 502, "cannot be read", "OpenAI's routes"),
        (response(200, b'{"answer": "Hi"}'), 502, "cannot be read", "OpenAI's routes"),
        (response(200, b'{"choices": ["Hi"]}'), 502, "cannot be read", "OpenAI's routes"),
        (error(200, "out of memory"), 502, "failed (500): out of memory", ""),
        (response(200, PAGE, "text/html"), 502, "cannot be read", "OpenAI's routes"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", 502, "broke off", ""),
        (b"", 502, "broke off", ""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 502, "broke off", ""),
        (STREAM_HEAD + DONE, 502, "cannot be read", ""),
        (STREAM_HEAD + event({"error": {"message": "CUDA"}}), 502, "failed (500): CUDA", ""),
    ],
    ids="401 403 404 500 page 503 half-json other-json odd-choices error-in-200 html short nothing "
    "ssh no-events error-event".split(),
)
def test_other_failures(endpoint, upstream, reports, manner, status, words, advice):
    upstream.manner = always(manner)
    for body in (GREEDY, STREAMED):
        got, message = failed(endpoint, body)
        assert got == status
        assert words in message
        assert KEY[:6] not in message and "secret" not in message
    assert len(reports) == 1 and advice in reports[0]
    assert KEY[:6] not in reports[0]


def test_too_many_requests_are_passed_on_with_the_pause(endpoint, upstream):
    upstream.manner = always(error(429, "slow down", **AGAIN))
    status, headers, content = raw(endpoint, "POST", CHAT, GREEDY)
    assert (status, headers["retry-after"]) == (429, "7")
    assert "slow down" in json.loads(content)["error"]["message"]
    upstream.manner = always(error(429, "slow down", retry_after="soon"))
    assert raw(endpoint, "POST", CHAT, GREEDY)[1]["retry-after"] is None


def test_what_the_upstream_refuses_is_worded_as_the_engines_refusal(endpoint, upstream, reports):
    upstream.manner = always(error(400, "the context is 4096 tokens"))
    status, message = failed(endpoint)
    assert (status, json.loads(message)["message"]) == (400, "the context is 4096 tokens")
    body = {**ASK, "model": MODEL}
    status, content = post(endpoint, body, V1_CHAT, **{"x-simulated-server": "serve"})
    assert (status, content["message"]) == (400, "the context is 4096 tokens")
    assert reports == []  # that is for the client


def test_a_redirect_is_not_followed(endpoint, upstream, reports):
    other = UpstreamServer()
    moved = response(307, b"", location=f"{other.url}/v1/chat/completions")
    upstream.manner = always(moved)
    assert failed(endpoint)[0] == 502
    assert other.visits == []
    assert "final address" in reports[0]
    other.close()


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ([], "broke off before its end"),
        ([event("{")], "cannot be read"),
        ([event({"error": {"message": "CUDA"}})], "CUDA"),
    ],
    ids=["cut", "half a chunk", "error event"],
)
def test_a_stream_that_breaks_in_the_middle(
    endpoint, upstream, reports, certificates, rest, reason
):
    upstream.manner = always(STREAM_HEAD, piece("Hello"), *rest)
    updates = []
    with (
        key_client(endpoint, certificates, "http") as client,
        pytest.raises(HttpResponseError, match="ended prematurely"),
    ):
        for update in client.complete(STREAMED):
            updates.append(update)
    assert text_of(updates) == "Hello"
    request = wire_request(endpoint.azure.key, STREAMED)
    received = exchange(endpoint.http_url, "", request)
    assert reason.encode() in received.rpartition(b"data: ")[2]
    assert not received.endswith(b"0\r\n\r\n")  # the chunk that would end the answer well
    assert len(reports) == 1


def test_a_model_that_is_not_known_at_the_start_is_asked_for_later(endpoint, upstream):
    port = free_port()
    reports = use(endpoint, f"http://127.0.0.1:{port}", model="")
    assert raw(endpoint, "GET", "/info")[0] == 502
    assert failed(endpoint)[0] == 502
    use(endpoint, upstream.url, model="")
    assert json.loads(raw(endpoint, "GET", "/info")[2])["model_name"] == MODEL
    assert len(reports) == 1
    upstream.models = response(200, b'{"data": [{"id": "a"}, {"id": "b"}]}')
    reports = use(endpoint, upstream.url, model="")
    assert failed(endpoint)[0] == 502
    assert "has 2 models: a, b." in reports[0]


def test_an_answer_without_end_is_given_up(endpoint, upstream, monkeypatch):
    monkeypatch.setattr("simulated_azure.transports.upstream.MAX_BODY_SIZE", 100)
    upstream.manner = always(response(200, json.dumps(answer(id="x" * 200)).encode()))
    assert "cannot be read" in failed(endpoint)[1]
    monkeypatch.setattr("simulated_azure.upstream.events.MAX_EVENT_LENGTH", 100)
    upstream.manner = always(STREAM_HEAD, b"data: " + b"x" * 200)
    assert "cannot be read" in failed(endpoint, STREAMED)[1]
