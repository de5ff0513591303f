"""The simulated Azure on sockets: framing, turns, clients that leave, clients of all kinds."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import selectors
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from raw_http import (
    ASK,
    CHAT,
    DEADLINE,
    GREEDY,
    address_of,
    chunks_on_the_wire,
    events_in,
    exchange,
    headers_in,
    open_socket,
    post,
    raw,
    received,
    wire_request,
)
from uvicorn.config import Config
from uvicorn.server import ServerState

from simulated_azure.azure import SimulatedAzure
from simulated_azure.errors import HTTPError
from simulated_azure.http import Request, Response, Steps
from simulated_azure.inference.endpoint import InferenceEndpoint
from simulated_azure.transports.asgi import Application
from simulated_azure.transports.connections import Connection
from simulated_azure.transports.sockets import IDLE_SECONDS, Simulator

SHORT = {**GREEDY, "max_tokens": 3}
STREAM = {**SHORT, "stream": True}
DONE = b"data: [DONE]\n\n"
# What curl and Java's HttpClient send with their first request, to speak HTTP/2 if the server can.
H2C = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAMAAABkAAQAAP__",
}
BRIEF_IDLE_SECONDS = 0.1

both_schemes = pytest.mark.parametrize("scheme", ["http", "https"])


def url_of(simulator: Simulator, scheme: str) -> str:
    return simulator.url if scheme == "https" else simulator.http_url


@pytest.fixture
def start(simulator) -> Iterator[Callable[..., Simulator]]:
    """Return a function that starts another simulator, with the model that is loaded."""
    running, assistant = [], simulator.azure.assistant

    def start(**options: Any) -> Simulator:
        running.append(Simulator(**{"assistant": assistant, **options}))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def answer(simulator, monkeypatch) -> Callable[..., None]:
    """Return a function that lets a handler answer what comes to a path."""
    handle_in_steps = simulator.azure.handle_in_steps

    def answer(path: str, handler: Callable[[], Steps]) -> None:
        monkeypatch.setattr(
            simulator.azure,
            "handle_in_steps",
            lambda request: handler() if request.path == path else handle_in_steps(request),
        )

    return answer


def in_background(function: Callable, *arguments: Any) -> Callable[[], Any]:
    """Call a function in a thread. Return a function that waits for its result."""
    results = []
    work = threading.Thread(target=lambda: results.append(function(*arguments)), daemon=True)
    work.start()

    def result() -> Any:
        work.join(DEADLINE)
        return results[0]

    return result


# Framing


@both_schemes
def test_a_stream_is_framed_as_recorded(simulator, certificates, scheme):
    request = wire_request(simulator.azure.key, {**GREEDY, "stream": True})
    head, chunks, rest = chunks_on_the_wire(url_of(simulator, scheme), certificates, request)
    assert head.startswith(b"HTTP/1.1 200 ")
    headers = headers_in(head)
    assert headers[b"transfer-encoding"] == b"chunked"
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert rest == b""
    assert chunks[-1] == DONE
    for chunk in chunks:  # one event each, so that it leaves as soon as it is made
        assert re.fullmatch(rb"data: [^\r\n]+\n\n", chunk)
    first, *middle, last = events_in(chunks)
    assert list(first) == ["choices", "created", "id", "model", "object", "system_fingerprint"]
    beginning = {
        "delta": {"content": "", "role": "assistant"},
        "finish_reason": None,
        "index": 0,
        "logprobs": None,
    }
    assert first["choices"] == [beginning]
    assert first["object"] == "chat.completion.chunk"
    for event in middle:
        assert list(event["choices"][0]["delta"]) == ["content"]
        assert event["choices"][0]["finish_reason"] is None
        assert "usage" not in event
    end = {"delta": {"content": ""}, "finish_reason": "stop", "index": 0, "logprobs": None}
    assert last["choices"] == [end]
    usage = last["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_response_has_a_date_and_the_name_of_the_server(simulator):
    headers = raw(simulator, "GET", "/info")[1]
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", headers["date"])
    assert re.fullmatch(r"simulated-azure/[\d.]+", headers["server"])


def test_one_connection_carries_many_requests_also_after_errors(simulator):
    connection = http.client.HTTPConnection(address_of(simulator.http_url), timeout=DEADLINE)
    connection.connect()
    port, statuses = connection.sock.getsockname()[1], []
    for body in ({}, GREEDY, {**GREEDY, "temperature": 9}, {**GREEDY, "stream": True}):
        headers = {"api-key": simulator.azure.key, "Content-Type": "application/json"}
        connection.request("POST", CHAT, json.dumps(body), headers)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
        assert connection.sock.getsockname()[1] == port
    connection.close()
    assert statuses == [422, 200, 422, 200]


def test_requests_that_come_at_once_are_answered_in_their_order(simulator):
    first = wire_request(simulator.azure.key, STREAM, Connection="keep-alive")
    second = wire_request(simulator.azure.key, SHORT)
    answers = exchange(simulator.http_url, "", first + second)
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.index(DONE) < answers.index(b'"chat.completion"')


def test_a_stream_arrives_piece_by_piece(simulator, answer):
    first_has_arrived = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"one"
        while not first_has_arrived.is_set():
            yield b""
        yield b"two"

    def handler() -> Steps:
        yield 0.0
        return Response(200, pieces())

    answer("/stream", handler)
    connection = http.client.HTTPConnection(address_of(simulator.http_url), timeout=DEADLINE)
    connection.request("GET", "/stream")
    response = connection.getresponse()
    assert response.read(3) == b"one"
    first_has_arrived.set()
    assert response.read() == b"two"
    connection.close()


def test_an_empty_piece_is_not_sent(simulator, answer, certificates):
    def handler() -> Steps:
        yield 0.0
        return Response(200, iter([b"", b"one", b"", b"", b"two", b""]))

    answer(CHAT, handler)
    request = wire_request(simulator.azure.key, ASK)
    _, chunks, rest = chunks_on_the_wire(simulator.http_url, certificates, request)
    assert (chunks, rest) == ([b"one", b"two"], b"")


def test_a_cut_stream_lacks_the_end_of_its_chunks_on_the_wire(simulator, certificates):
    headers = {"x-simulated-fault": "cut; after=0"}
    request = wire_request(simulator.azure.key, {**GREEDY, "stream": True}, **headers)
    head, chunks, rest = chunks_on_the_wire(simulator.http_url, certificates, request)
    assert (b"chunked" in head, len(chunks), rest) == (True, 1, b"")
    assert not exchange(simulator.http_url, certificates, request).endswith(b"0\r\n\r\n")


def test_a_request_that_is_broken_off_is_not_answered_or_remembered(simulator, answer):
    calls = []
    answer("/half", lambda: calls.append("half") or iter(()))
    request = wire_request(simulator.azure.key, {"messages": "broken off"})
    half = request.replace(b"POST " + CHAT.encode(), b"POST /half", 1)
    for content in (request, half):
        with open_socket(simulator.http_url, "") as connection:
            connection.sendall(content[:-5])
    assert post(simulator, SHORT)[0] == 200  # it has come later, so the others have been read
    assert calls == []
    assert not [entry for entry in simulator.azure.journal if "broken off" in entry["body"]]


def test_a_large_body_is_read_to_its_end_and_refused(simulator):
    status, answer = post(simulator, b" " * (5 << 20))
    assert (status, answer["error"]["status"]) == (413, 413)


def test_a_client_is_told_to_go_on_before_it_sends_a_body(simulator):
    head, _, body = wire_request(simulator.azure.key, SHORT).partition(b"\r\n\r\n")
    with open_socket(simulator.http_url, "") as connection:
        connection.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert received(connection).startswith(b"HTTP/1.1 200 OK")


# Requests take turns


@pytest.mark.parametrize("seconds", [0.0, 0.001])
def test_a_request_that_computes_for_long_leaves_others_their_turn(simulator, answer, seconds):
    begun, enough = threading.Event(), threading.Event()

    def compute() -> Steps:
        begun.set()
        while not enough.is_set():
            yield seconds
        return Response(200, b"computed")

    answer("/compute", compute)
    result = in_background(raw, simulator, "GET", "/compute")
    assert begun.wait(DEADLINE)
    assert raw(simulator, "GET", "/info")[0] == 200
    assert post(simulator, SHORT)[0] == 200
    enough.set()
    assert result()[2] == b"computed"


@pytest.mark.parametrize("piece", [b"", b"x"])
def test_a_stream_that_computes_for_long_leaves_others_their_turn(simulator, answer, piece):
    begun, enough = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        begun.set()
        while not enough.is_set():
            yield piece
        yield b"computed"

    def handler() -> Steps:
        yield 0.0
        return Response(200, pieces())

    answer("/compute", handler)
    result = in_background(raw, simulator, "GET", "/compute")
    assert begun.wait(DEADLINE)
    assert raw(simulator, "GET", "/info")[0] == 200
    assert post(simulator, SHORT)[0] == 200
    enough.set()
    assert result()[2].endswith(b"computed")


class InstantLoop(asyncio.SelectorEventLoop):
    """An event loop on whose clock waiting takes no time. It fails where it would wait for ever."""

    def __init__(self):
        selector = selectors.DefaultSelector()
        super().__init__(selector)
        self.now = 0.0
        select = selector.select

        def select_at_once(timeout: float | None = None) -> list:
            assert timeout is not None, "nothing will happen any more"
            self.now += timeout
            return select(0)

        selector.select = select_at_once

    def time(self) -> float:
        return self.now


def run(main: Coroutine) -> Any:
    """Run a coroutine in no time."""
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        return runner.run(main)


async def serve(response: Response, leave_after: float | None = None) -> list[tuple[float, bytes]]:
    """Return what an ASGI server gets of a response: (when, a piece of the body).

    leave_after: seconds after which the client leaves.
    """
    now, messages, pieces = asyncio.get_running_loop().time, [{"type": "http.request"}], []

    def handle_in_steps(request: Request) -> Steps:
        yield 0.0
        return response

    async def receive() -> dict:
        if messages:
            return messages.pop()
        await asyncio.sleep(1000.0 if leave_after is None else leave_after)
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        is_head = message["type"] == "http.response.start"
        pieces.append((now(), b"head" if is_head else message.get("body", b"")))

    scope = {"method": "GET", "path": "/", "query_string": b"", "headers": [], "scheme": "http"}
    application = Application(SimpleNamespace(handle_in_steps=handle_in_steps, classroom=None))
    await application(scope, receive, send)
    return pieces


def test_a_response_waits_for_its_delay():
    assert run(serve(Response(200, b"late", delay=7.5))) == [(7.5, b"head"), (7.5, b"late")]


def test_the_pieces_of_a_stream_keep_their_pace():
    pieces = run(serve(Response(200, iter([b"a", b"", b"b", b"c"]), delay=1.0, pace=0.5)))
    assert pieces == [(1, b"head"), (1, b"a"), (1.5, b"b"), (2, b"c"), (2, b"")]


@pytest.mark.parametrize(
    "seconds, times", [([0.4] * 3, [0, 1, 2, 3]), ([2.0, 0.4, 0.4], [0, 2.5, 3.5, 4.5])]
)
def test_the_time_to_compute_a_piece_is_part_of_its_pace(seconds, times):
    def pieces() -> Iterator[bytes]:
        yield b"x"
        for duration in seconds:
            asyncio.get_running_loop().now += duration
            yield b"x"

    served = run(serve(Response(200, pieces(), pace=1.0)))
    assert [time for time, piece in served if piece == b"x"] == times


# Clients that leave


def response_of(kind: str, events: list[str]) -> Response:
    """Return a response that notes what happens to it."""

    def pieces() -> Iterator[bytes]:
        try:
            yield b"one"
            if kind == "cut":
                raise ConnectionAbortedError
            if kind == "defect":
                raise ZeroDivisionError
            yield b"two"
        finally:
            events.append("pieces closed")

    body = b"whole" if kind == "whole" else pieces()
    return Response(200, body, pace=1.0, on_close=lambda: events.append("closed"))


@pytest.mark.parametrize("kind", ["whole", "stream", "cut", "defect"])
def test_a_response_is_closed_once_when_it_has_been_sent(kind):
    events = []
    try:
        run(serve(response_of(kind, events)))
    except ZeroDivisionError:
        assert kind == "defect"
    assert events == (["closed"] if kind == "whole" else ["pieces closed", "closed"])


def test_a_response_is_closed_once_when_the_client_leaves_during_its_delay():
    events = []
    response = response_of("whole", events)
    response.delay = 100.0
    assert run(serve(response, leave_after=5.0)) == []
    assert events == ["closed"]


def test_a_response_is_closed_once_when_the_client_leaves_between_two_pieces():
    events = []
    response = response_of("stream", events)
    response.pace = 100.0
    assert run(serve(response, leave_after=5.0)) == [(0, b"head"), (0, b"one")]
    assert events == ["pieces closed", "closed"]


@both_schemes
@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_what_is_computed_for_a_client_that_leaves_is_given_up(
    simulator, certificates, scheme, answer, seconds
):
    begun, given_up = threading.Event(), threading.Event()

    def compute() -> Steps:
        try:
            begun.set()
            while True:
                yield seconds
        finally:
            given_up.set()

    answer(CHAT, compute)
    with open_socket(url_of(simulator, scheme), certificates) as connection:
        connection.sendall(wire_request(simulator.azure.key, ASK))
        assert begun.wait(DEADLINE)
        assert not given_up.is_set()
    assert given_up.wait(DEADLINE)


@both_schemes
def test_a_client_that_leaves_in_the_middle_of_a_stream_ends_the_generation(
    simulator, certificates, scheme, monkeypatch
):
    pieces, given_up = [], threading.Event()
    handle_in_steps = simulator.azure.handle_in_steps

    def watched(events: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for event in events:
                pieces.append(event)
                yield event
        finally:
            given_up.set()

    def handle_and_watch(request: Request) -> Steps:
        response = yield from handle_in_steps(request)
        response.body = watched(response.body)
        return response

    monkeypatch.setattr(simulator.azure, "handle_in_steps", handle_and_watch)
    headers = {"x-simulated-fault": "slow; seconds=0.05"}
    with open_socket(url_of(simulator, scheme), certificates) as connection:
        connection.sendall(wire_request(simulator.azure.key, {**GREEDY, "stream": True}, **headers))
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    assert given_up.wait(DEADLINE)
    assert pieces[-1] != DONE


def is_over(connection: socket.socket) -> bool:
    """Return True when the other side has ended a connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_stopping_ends_what_is_being_computed(start):
    simulator = start()
    begun, given_up = threading.Event(), threading.Event()

    def compute(request: Request) -> Steps:
        try:
            begun.set()
            while True:
                yield 0.0
        finally:
            given_up.set()

    simulator.azure.handle_in_steps = compute
    with open_socket(simulator.http_url, "") as connection:
        connection.sendall(wire_request(simulator.azure.key, ASK))
        assert begun.wait(DEADLINE)
        simulator.stop()
        assert given_up.wait(DEADLINE)
        assert simulator.errors == []
        assert is_over(connection)


# While the model is loaded


@pytest.fixture
def loading(monkeypatch) -> threading.Event:
    """Return an event that the loading of a model waits for."""
    may_end = threading.Event()
    load = InferenceEndpoint.load

    def wait_and_load(endpoint: InferenceEndpoint) -> None:
        assert may_end.wait(DEADLINE)
        load(endpoint)

    monkeypatch.setattr(InferenceEndpoint, "load", wait_and_load)
    return may_end


def test_other_requests_are_answered_while_the_model_is_loaded(start, loading):
    is_loaded = threading.Event()
    simulator = start(on_loaded=is_loaded.set)
    result = in_background(post, simulator, SHORT)
    assert raw(simulator, "GET", "/info")[0] == 200
    assert not is_loaded.is_set()
    loading.set()
    assert result()[0] == 200
    assert is_loaded.wait(DEADLINE)


def test_a_model_that_cannot_be_loaded_is_named_in_each_completion(start, monkeypatch):
    def fail(endpoint: InferenceEndpoint) -> None:
        raise HTTPError(500, {"error": {"message": "No model: more.toml has a slip"}})

    monkeypatch.setattr(InferenceEndpoint, "assistant", fail)
    is_loaded = threading.Event()
    simulator = start(on_loaded=is_loaded.set, assistant=None)
    for _ in range(2):
        status, answer = post(simulator, SHORT)
        assert (status, answer["error"]["message"]) == (500, "No model: more.toml has a slip")
    assert raw(simulator, "GET", "/info")[0] == 200
    assert not is_loaded.is_set()
    assert simulator.errors == []


# An upgrade to HTTP/2 is ignored


def halves(request: bytes) -> list[tuple[bytes, ...]]:
    """Return a request whole, and in two parts that are divided at telling places."""
    end_of_headers = request.index(b"\r\n\r\n") + 4
    places = (10, end_of_headers - 2, end_of_headers, len(request) - 1)
    return [(request,), *((request[:place], request[place:]) for place in places)]


@pytest.mark.parametrize("parts", range(5))
def test_a_request_for_an_upgrade_is_answered_by_http_1(simulator, parts):
    request = wire_request(simulator.azure.key, SHORT, **H2C)
    with open_socket(simulator.http_url, "") as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):  # the connection goes on
            for part in halves(request)[parts]:
                connection.sendall(part)
            response = http.client.HTTPResponse(connection)
            response.begin()
            assert (response.version, response.status) == (11, 200)
            assert json.loads(response.read())["usage"]["completion_tokens"] == 3


def test_an_upgrade_with_a_chunked_body_is_answered_by_http_1(simulator):
    head, _, body = wire_request(simulator.azure.key, SHORT, **H2C).partition(b"\r\n\r\n")
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked\r\nX-End: 1", head)
    request = head + b"\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    last = wire_request(simulator.azure.key, SHORT)
    assert exchange(simulator.http_url, "", request + last).count(b"HTTP/1.1 200 OK") == 2


def test_a_web_socket_is_answered_as_any_request(simulator):
    headers = "Host: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket"
    answer = exchange(simulator.http_url, "", f"GET /info HTTP/1.1\r\n{headers}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 401 ")


def test_a_proxy_s_method_is_refused(simulator):
    answer = exchange(simulator.http_url, "", b"CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 501 Not Implemented\r\n")


def tool(name: str) -> str:
    """Return the path of a program. Skips if it is not here."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not here")
    return path


def curl(simulator: Simulator, body: dict, *options: str) -> subprocess.CompletedProcess:
    command = [tool("curl"), "--silent", "--show-error", "--noproxy", "*", "--include", *options]
    command += ["--header", "Content-Type: application/json", "--data", json.dumps(body)]
    command += ["--header", f"api-key: {simulator.azure.key}", simulator.http_url + CHAT]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)


def test_curl_may_ask_for_http_2(simulator):
    done = curl(simulator, SHORT, "--http2")
    assert (done.returncode, done.stderr) == (0, "")
    head, _, body = done.stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK\n")
    assert json.loads(body)["usage"]["completion_tokens"] == 3


JAVA = """
import java.net.URI;
import java.net.http.*;

public class Ask {
    public static void main(String[] args) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(args[0]))
            .header("Content-Type", "application/json")
            .header("api-key", System.getenv("KEY"))
            .POST(HttpRequest.BodyPublishers.ofString(args[1]))
            .build();
        HttpClient client = HttpClient.newHttpClient();  // which asks for HTTP/2
        for (int i = 0; i < 2; i++) {
            var response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.version() + " " + response.statusCode());
            System.out.println(response.body());
        }
    }
}
"""


def test_javas_client_may_ask_for_http_2(simulator, tmp_path):
    (tmp_path / "Ask.java").write_text(JAVA)
    done = subprocess.run(
        [tool("java"), "Ask.java", simulator.http_url + CHAT, json.dumps(SHORT)],
        cwd=tmp_path,
        env={"KEY": simulator.azure.key},
        capture_output=True,
        text=True,
        timeout=DEADLINE * 2,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[::2] == ["HTTP_1_1 200"] * 2
    assert [json.loads(line)["usage"]["completion_tokens"] for line in lines[1::2]] == [3, 3]


# HTTP/1.0


@both_schemes
@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_a_client_of_http_1_0_gets_a_whole_answer_with_its_length(
    simulator, certificates, scheme, connection
):
    request = wire_request(simulator.azure.key, SHORT, version="1.0", Connection=connection)
    head, _, body = exchange(url_of(simulator, scheme), certificates, request).partition(
        b"\r\n\r\n"
    )
    headers = headers_in(head)
    assert json.loads(body)["usage"]["completion_tokens"] == 3
    assert int(headers[b"content-length"]) == len(body)
    assert headers[b"connection"] == b"close"


@both_schemes
@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_a_client_of_http_1_0_gets_a_stream_that_ends_with_the_connection(
    simulator, certificates, scheme, connection
):
    request = wire_request(simulator.azure.key, STREAM, version="1.0", Connection=connection)
    head, _, body = exchange(url_of(simulator, scheme), certificates, request).partition(
        b"\r\n\r\n"
    )
    headers = headers_in(head)
    assert headers[b"connection"] == b"close"
    assert not {b"transfer-encoding", b"content-length"} & {*headers}
    assert body.endswith(DONE)
    assert len(events_in([body])) == 5


def test_curl_may_speak_http_1_0(simulator):
    done = curl(simulator, STREAM, "--http1.0")
    assert (done.returncode, done.stderr) == (0, "")
    head, _, body = done.stdout.partition("\n\n")
    assert "transfer-encoding" not in head
    assert body.endswith(DONE.decode())


# Headers are bounded

TOO_MANY_HEADERS = {
    "one large header": b"GET /info HTTP/1.1\r\nHost: x\r\nX-A: %s\r\n\r\n" % (b"a" * 70_000),
    "many headers": b"GET /info HTTP/1.1\r\nHost: x\r\n%s\r\n" % (b"X-A: aaaaaaaa\r\n" * 5000),
    "a long path": b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 70_000),
    "a header without an end": b"GET /info HTTP/1.1\r\nHost: x\r\nX-A: %s" % (b"a" * 3_000_000),
    "a path without an end": b"GET /%s" % (b"a" * 3_000_000),
    "an upgrade": b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n%s\r\n"
    % (b"X-A: aaaaaaaa\r\n" * 5000),
}


@pytest.mark.parametrize("request_bytes", TOO_MANY_HEADERS.values(), ids=TOO_MANY_HEADERS)
def test_more_than_64_kib_of_headers_are_refused_and_the_connection_ends(simulator, request_bytes):
    answer = exchange(simulator.http_url, "", request_bytes)
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert headers_in(head)[b"connection"] == b"close"
    assert body == b"The headers have more than 65536 bytes, the most accepted."


def test_too_many_headers_are_refused_over_https(simulator, certificates):
    with open_socket(simulator.url, certificates) as connection:
        connection.sendall(TOO_MANY_HEADERS["one large header"])
        assert connection.recv(12) == b"HTTP/1.1 431"


def test_headers_behind_a_chunked_body_are_bounded(simulator):
    head, _, body = wire_request(simulator.azure.key, SHORT).partition(b"\r\n\r\n")
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
    trailers = b"X-A: aaaaaaaa\r\n" * 5000
    request = head + b"\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, trailers)
    assert exchange(simulator.http_url, "", request).startswith(b"HTTP/1.1 431 ")


def test_60_kib_of_headers_are_accepted_again_and_again(simulator):
    key, header = simulator.azure.key.encode(), b"a" * 60_000
    request = b"GET /info HTTP/1.1\r\nHost: x\r\napi-key: %s\r\nX-A: %s\r\n" % (key, header)
    requests = (request + b"\r\n") * 3 + request + b"Connection: close\r\n\r\n"
    assert exchange(simulator.http_url, "", requests).count(b"HTTP/1.1 200 OK") == 4


def test_what_is_not_http_is_refused_and_the_connection_ends(simulator):
    answer = exchange(simulator.http_url, "", b"\x16\x03\x01\x00\x05hello")
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_what_is_not_http_is_put_into_no_other_answer(simulator):
    headers = {"x-simulated-fault": "wait; seconds=0.01", "Connection": "keep-alive"}
    request = wire_request(simulator.azure.key, SHORT, **headers)
    assert b"400 Bad Request" not in exchange(simulator.http_url, "", request + b"\x16\x03\r\n\r\n")


# Clients that keep the server waiting


class Wire(asyncio.Transport):
    """The server's end of a connection, without a socket."""

    def __init__(self):
        super().__init__()
        self.sent, self._is_closing = b"", False

    def write(self, data: bytes) -> None:
        assert not self._is_closing
        self.sent += data

    def close(self) -> None:
        self._is_closing = True

    def is_closing(self) -> bool:
        return self._is_closing

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def talk(
    azure: SimulatedAzure, *parts: tuple[float, bytes], until: float = 1000.0
) -> tuple[bytes, float]:
    """Send parts, each so many seconds after the one before it.

    Return (what the server has sent, when it ended the connection: ``until`` at the latest).
    """

    async def main() -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        config = Config(
            Application(azure),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            timeout_keep_alive=IDLE_SECONDS,
        )
        connection, wire = Connection(config, ServerState(), {}), Wire()
        connection.connection_made(wire)
        for seconds, part in parts:
            await asyncio.sleep(seconds)
            if not wire.is_closing():
                connection.data_received(part)
        while not wire.is_closing() and loop.time() < until:
            await asyncio.sleep(1)
        end = loop.time()
        connection.connection_lost(None)
        return wire.sent, end

    return run(main())


@pytest.fixture
def azure(simulator) -> SimulatedAzure:
    """Return a simulated Azure without sockets, whose model is loaded."""
    return SimulatedAzure(assistant=simulator.azure.assistant)


def test_a_client_that_says_nothing_is_disconnected(azure):
    assert talk(azure) == (b"", 30)


def test_a_client_that_sends_its_headers_slowly_is_disconnected(azure):
    letters = [(2.0, b"%c" % byte) for byte in wire_request(azure.key, SHORT)[:100]]
    assert talk(azure, *letters)[0] == b""
    sent, end = talk(azure, *letters[:3])
    assert (sent, end) == (b"", 2 + 30)


def test_a_client_whose_body_stops_is_disconnected(azure):
    request = wire_request(azure.key, SHORT)
    assert talk(azure, (5.0, request[:-20]), (10.0, request[-20:-10])) == (b"", 5 + 10 + 30)


def test_a_client_that_sends_its_body_slowly_but_steadily_is_answered(azure):
    request = wire_request(azure.key, SHORT)
    parts = [(25.0, request[place : place + 1]) for place in range(len(request) - 20, len(request))]
    sent, _ = talk(azure, (0.0, request[:-20]), *parts)
    assert sent.startswith(b"HTTP/1.1 200 OK")


def test_a_kept_connection_ends_some_time_after_its_last_answer(azure):
    request = wire_request(azure.key, SHORT, Connection="keep-alive")
    sent, end = talk(azure, (0.0, request), (20.0, request))
    assert (sent.count(b"HTTP/1.1 200 OK"), end) == (2, 20 + 30)


def test_an_answer_that_takes_long_is_not_broken_off(azure):
    headers = {"x-simulated-fault": "wait; seconds=200", "Connection": "keep-alive"}
    request = wire_request(azure.key, SHORT, **headers)
    sent, end = talk(azure, (0.0, request), (1.0, request[:10]))  # the next begins, too
    assert (sent.count(b"HTTP/1.1 200 OK"), end) == (1, 200 + 30)


def test_two_long_answers_to_requests_that_come_at_once_are_not_broken_off(azure):
    headers = {"x-simulated-fault": "wait; seconds=200", "Connection": "keep-alive"}
    request = wire_request(azure.key, SHORT, **headers)
    sent, end = talk(azure, (0.0, request + request))
    assert (sent.count(b"HTTP/1.1 200 OK"), end) == (2, 400 + 30)


@both_schemes
@pytest.mark.parametrize("beginning", [b"", b"GET /info HT"])
def test_an_idle_socket_is_closed(start, scheme, beginning):
    simulator = start(idle_seconds=BRIEF_IDLE_SECONDS)
    url = url_of(simulator, scheme).replace("https:", "http:")  # not even TLS is begun
    with open_socket(url, "") as connection:
        if scheme == "http":
            connection.sendall(beginning)
        assert connection.recv(1) == b""
