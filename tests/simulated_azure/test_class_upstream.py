"""A class whose answers a slow, counted server elsewhere writes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from raw_http import CHAT, DEADLINE, GREEDY, open_socket, raw, wire_request
from upstream_server import (
    STREAM_HEAD,
    WHOLE,
    UpstreamServer,
    Visit,
    answer,
    piece,
    response,
    upstream_at,
)

from simulated_azure.classroom.room import Classroom
from simulated_azure.classroom.seats import ClassFile, Seat
from simulated_azure.transports.sockets import Simulator

PROMPT_TOKENS = 25  # of GREEDY, as this kit counts; the upstream counts 3
SEATS = [Seat(name, f"key-of-seat-{name}") for name in ("01", "02", "leaves")]
SEATS.append(Seat("poor", "key-of-seat-poor", tokens=40))


@pytest.fixture
def upstream() -> Iterator[UpstreamServer]:
    server = UpstreamServer()
    yield server
    server.close()


@pytest.fixture
def room(assistant, tmp_path, upstream) -> Iterator[Simulator]:
    """A class; the upstream gets one request at a time."""
    classroom = Classroom(ClassFile("Monday", tuple(SEATS), tmp_path / "class.toml"), at_once=1)
    running = Simulator(assistant=assistant, classroom=classroom)
    running.azure.use_upstream(upstream_at(upstream.url))
    yield running
    running.stop()
    assert not running.errors, "\n".join(running.errors)


def ask(room: Simulator, seat: str, **changes: object) -> tuple[int, dict]:
    headers = {"api-key": f"key-of-seat-{seat}"}
    status, _, content = raw(room, "POST", CHAT, GREEDY | changes, headers)
    return status, json.loads(content)


def account(room: Simulator, seat: str):
    return room.azure.classroom.tally.account(seat)


def test_the_seats_take_turns_at_a_slow_upstream(room, upstream):
    asked, may_answer = [], threading.Semaphore(0)

    def manner(visit: Visit) -> None:
        asked.append(visit.body["messages"][-1]["content"])
        may_answer.acquire(timeout=DEADLINE)
        visit.send(WHOLE)

    upstream.manner = manner

    def start(seat: str) -> threading.Thread:
        messages = [{"role": "user", "content": seat}]
        before = account(room, seat).waiting
        thread = threading.Thread(target=ask, args=[room, seat], kwargs={"messages": messages})
        thread.start()
        while account(room, seat).waiting == before:
            may_answer.acquire(timeout=0.01)
        return thread

    threads = [start("01") for _ in range(5)] + [start("02")]
    for _ in range(10):
        may_answer.release()
    for thread in threads:
        thread.join()
    assert asked.count("01") == 5
    assert asked.index("02") <= 2
    assert (account(room, "01").tokens, account(room, "02").tokens) == (5 * 7, 7)


def test_a_budget_caps_what_an_upstream_may_write_and_its_own_counts_are_paid(room, upstream):
    assert ask(room, "poor")[0] == 200
    assert upstream.questions[-1].body["max_tokens"] == 40 - PROMPT_TOKENS
    assert account(room, "poor").tokens == 7
    assert ask(room, "poor", max_tokens=2)[0] == 200
    assert upstream.questions[-1].body["max_tokens"] == 2
    assert account(room, "poor").tokens == 14
    usage = {"usage": {"prompt_tokens": 20, "completion_tokens": 6, "total_tokens": 26}}
    upstream.manner = lambda visit: visit.send(response(200, json.dumps(answer(**usage)).encode()))
    assert ask(room, "poor")[0] == 200
    status, body = ask(room, "poor")
    assert (status, len(upstream.questions)) == (429, 3)
    assert "all 40 tokens of this seat are used" in body["error"]["message"]
    assert ask(room, "01")[0] == 200
    assert "max_tokens" not in upstream.questions[-1].body


def test_an_upstream_that_fails_costs_no_tokens_and_its_place_is_free_again(room, upstream):
    upstream.manner = lambda visit: visit.send(response(500, b"{}"))
    assert ask(room, "poor")[0] >= 500
    assert (account(room, "poor").tokens, account(room, "poor").held) == (0, 0)
    upstream.manner = lambda visit: visit.send(WHOLE)
    assert ask(room, "poor")[0] == 200


def test_who_leaves_an_upstreams_stream_pays_for_the_pieces_that_came(room, upstream):
    left = threading.Event()

    def manner(visit: Visit) -> None:
        visit.send(STREAM_HEAD, piece("One"), piece(" two"), piece(" three"))
        visit.wait_until_left()
        left.set()

    upstream.manner = manner
    with open_socket(room.http_url, "") as connection:
        connection.sendall(wire_request("key-of-seat-leaves", {**GREEDY, "stream": True}))
        content = b""
        while b" three" not in content:
            content += connection.recv(1000)
    assert left.wait(DEADLINE)
    upstream.manner = lambda visit: visit.send(WHOLE)
    assert ask(room, "leaves")[0] == 200  # the place is free again
    assert account(room, "leaves").tokens == PROMPT_TOKENS + 3 + 7


def test_a_class_says_which_model_answers(room):
    ask(room, "01")
    told = json.loads(raw(room, "GET", "/simulator/class", headers={})[2])
    assert told["model"].startswith("tiny-phi at ")
