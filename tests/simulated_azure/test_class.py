"""One endpoint for a class: real clients over real sockets, each seat with its own key."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from azure.ai.inference import ChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from openai import OpenAI, RateLimitError
from raw_http import CHAT, DEADLINE, GREEDY, open_socket, raw, wire_request

from simulated_azure.auth import ENDPOINT_AUDIENCES
from simulated_azure.azure import SimulatedAzure
from simulated_azure.classroom.authority import fingerprint, matches, read_fingerprint
from simulated_azure.classroom.bill import Bill
from simulated_azure.classroom.room import Classroom, state_file
from simulated_azure.classroom.seats import ClassFile, Seat
from simulated_azure.classroom.tally import TOKENS_AHEAD, Tally, TallyError
from simulated_azure.classroom.turns import Places
from simulated_azure.http import Request, run_to_end
from simulated_azure.journal import Journal
from simulated_azure.transports.certificates import AuthorityError, open_authority
from simulated_azure.transports.sockets import Simulator
from tools import class_load

PROMPT_TOKENS = 25  # of GREEDY
PASS_THROUGH = {"extra-parameters": "pass-through"}
SEATS = {
    "01": Seat("01", "first-key-4f0c81b2"),
    "02": Seat("02", "second-key-a9e64b7d"),
    "few requests": Seat("few requests", "third-key-93c2f1a0", requests=1),
    "few tokens": Seat("few tokens", "fourth-key-d5e8b6c7", tokens=1003),
    "leaves": Seat("leaves", "fifth-key-58cd0213"),
    "flood": Seat("flood", "sixth-key-77ab39e1"),
}


def group(path: Path, seats: dict[str, Seat] | None = None, name: str = "Monday") -> ClassFile:
    return ClassFile(name, tuple((seats or SEATS).values()), path / "class.toml")


@pytest.fixture(scope="module")
def room(assistant, tmp_path_factory) -> Iterator[Simulator]:
    """An endpoint that a class shares."""
    classroom = Classroom(group(tmp_path_factory.mktemp("class")))
    running = Simulator(assistant=assistant, classroom=classroom)
    running.wait_for_model()
    yield running
    running.stop()
    assert not running.errors, "\n".join(running.errors)


@pytest.fixture(scope="module")
def tally(room) -> Tally:
    return room.azure.classroom.tally


@pytest.fixture
def client(room) -> Callable[..., ChatCompletionsClient]:
    """Return a function that makes the real client of a seat."""
    bundle = room.certificate_files({})["REQUESTS_CA_BUNDLE"]

    def client(seat: str, **options) -> ChatCompletionsClient:
        key = AzureKeyCredential(SEATS[seat].key)
        return ChatCompletionsClient(room.url, key, connection_verify=bundle, **options)

    return client


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, which comes true at once, or never."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def counts(tally: Tally, seat: str) -> dict:
    (row,) = [row for row in tally.rows() if row["name"] == seat]
    return row


# Keys, budgets, journals


def test_only_the_keys_of_seats_open_the_endpoint_of_a_class(room):
    token, _ = room.azure.guard.tokens.issue(ENDPOINT_AUDIENCES[0])
    for key, status in (
        (SEATS["01"].key, 200),
        (SEATS["02"].key, 200),
        (room.azure.key, 401),
        (token, 401),
        (SEATS["01"].key[:-1], 401),
        ("", 401),
    ):
        for header in ("api-key", "authorization"):
            value = f"Bearer {key}" if header == "authorization" else key
            assert raw(room, "GET", "/info", headers={header: value})[0] == status


def test_a_class_has_no_deployments_and_gives_no_access_tokens(room):
    headers = {"api-key": SEATS["01"].key, "x-identity-header": room.azure.identity_header}
    paths = ("/msi/token?resource=https://ml.azure.com", "/metadata/endpoints", "/subscriptions")
    assert {raw(room, "GET", path, headers=headers)[0] for path in paths} == {404}


def test_when_all_requests_are_used_a_client_is_told_what_is_spent_and_whom_to_ask(
    room, client, tally, pauses
):
    with client("few requests") as mine, client("01") as other:
        mine.complete(**GREEDY)
        with pytest.raises(HttpResponseError) as caught:
            mine.complete(**GREEDY)
        assert caught.value.status_code == 429
        assert "all 1 requests of this seat are used" in caught.value.message
        assert "ask your teacher" in caught.value.message
        assert caught.value.response.headers["Retry-After"] == "1"
        assert pauses == [1, 1, 1]
        assert mine.get_model_info().model_name == "Phi-4"  # costs nothing
        other.complete(**GREEDY)
    row = counts(tally, "few requests")
    assert (row["requests"], row["refused"], row["errors"], row["requests_left"]) == (1, 4, 0, 0)
    score = {"input_data": {"input_string": GREEDY["messages"]}}
    key = {"api-key": SEATS["few requests"].key}
    assert raw(room, "POST", "/score", score, key)[0] == 429
    began = time.monotonic()
    openai = OpenAI(base_url=f"{room.http_url}/v1", api_key=SEATS["few requests"].key)
    with pytest.raises(RateLimitError, match="The budget is spent"):
        openai.chat.completions.create(model="any", **GREEDY)
    assert time.monotonic() - began < 60  # seconds; it does not ask again
    assert counts(tally, "few requests")["refused"] == 6


def test_forty_requests_at_once_share_what_is_left_and_none_overdraws_it(room, tally):
    seat = SEATS["few tokens"]

    def ask(number: int) -> tuple[int, int, str]:
        body = GREEDY | {"stream": bool(number % 2)}
        status, _, content = raw(room, "POST", CHAT, body, {"api-key": seat.key})
        if status == 429:
            return status, 0, ""
        last = content.decode().split("data: ")[-2] if number % 2 else content
        answer = json.loads(last)
        return status, answer["usage"]["total_tokens"], answer["choices"][0]["finish_reason"]

    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(ask, range(40)))
    until(lambda: counts(tally, seat.name)["waiting"] == 0)
    assert {status for status, *_ in answers} == {200, 429}
    assert "length" in {reason for *_, reason in answers}
    row = counts(tally, seat.name)
    assert sum(tokens for _, tokens, _ in answers) == row["tokens"]
    # What is left is too little for another prompt of this length, or nothing.
    assert seat.tokens - PROMPT_TOKENS <= row["tokens"] <= seat.tokens
    assert row["tokens_left"] == seat.tokens - row["tokens"]


def test_who_leaves_in_the_middle_of_a_stream_pays_for_what_was_written(room, tally):
    headers = {"x-simulated-fault": "slow; seconds=0.01"}
    with open_socket(room.http_url, "") as connection:
        request = wire_request(SEATS["leaves"].key, {**GREEDY, "stream": True}, **headers)
        connection.sendall(request)
        content = b""
        while content.count(b"data: ") < 6:  # the role, then five pieces
            content += connection.recv(1000)
        assert counts(tally, "leaves")["waiting"] == 1
    until(lambda: counts(tally, "leaves")["waiting"] == 0)
    whole = json.loads(raw(room, "POST", CHAT, GREEDY, {"api-key": SEATS["01"].key})[2])
    paid = counts(tally, "leaves")["tokens"]
    assert PROMPT_TOKENS + 5 <= paid < whole["usage"]["total_tokens"]


def test_each_seat_sees_its_own_requests_only(room, client):
    with client("01") as one, client("02") as two:
        one.complete(messages=[{"role": "user", "content": "What is a token?"}])
        two.complete(messages=[{"role": "user", "content": "Why is the sky blue?"}])
    for seat, question in (("01", "What is a token?"), ("02", "Why is the sky blue?")):
        headers = {"api-key": SEATS[seat].key}
        content = json.loads(raw(room, "GET", "/simulator/requests", headers=headers)[2])
        assert content["requests"][-1]["body"]["messages"][0]["content"] == question
        assert content["requests"][-1]["headers"]["api-key"] == "***"
        assert all(SEATS[seat].key not in str(entry) for entry in content["requests"])
    number = content["received"]
    raw(room, "GET", "/info", headers={"api-key": "a-strangers-key"})
    assert (
        json.loads(raw(room, "GET", "/simulator/requests", headers=headers)[2])["received"]
        == number
    )


def test_a_fault_and_another_server_are_for_one_request_of_one_seat(room, tally):
    headers = {"api-key": SEATS["02"].key}
    errors = counts(tally, "02")["errors"]
    fault = {"x-simulated-fault": "503", "x-simulated-server": "serve"}
    assert raw(room, "POST", CHAT, GREEDY, headers | fault)[0] == 503
    assert raw(room, "GET", "/info", headers=headers | {"x-simulated-server": "serve"})[0] == 404
    assert raw(room, "POST", CHAT, GREEDY, headers)[0] == 200
    assert counts(tally, "02")["errors"] == errors + 2


def test_what_was_asked_last_is_shown_short_in_one_line_and_without_any_key(room, client, tally):
    version = tally.version
    text = f"My neighbour's key\nis {SEATS['02'].key} and " + "x" * 200
    with client("01") as mine:
        mine.complete(messages=[{"role": "user", "content": text}], max_tokens=1)
    asked = counts(tally, "01")["last_asked"]
    assert asked.startswith("My neighbour's key is *** and xxx")
    assert len(asked) == 80
    assert tally.changed(version)
    assert set(tally.snapshot()) == {
        *("class", "since", "requests", "tokens", "errors", "refused", "seats")
    }
    long = "y" * 4090 + SEATS["02"].key * 300
    assert SEATS["02"].key[:6] not in tally.shorten(long)
    assert SEATS["02"].key[:6] not in tally.shorten(SEATS["02"].key * 300)


def test_a_class_tells_its_name_to_everybody_and_a_budget_only_to_its_seat(room):
    def told(**headers: str) -> dict:
        return json.loads(raw(room, "GET", "/simulator/class", headers=headers)[2])

    everybody = {"class": "Monday", "model": "a tiny language model"}
    assert told() == told(**{"api-key": "a-strangers-key"}) == everybody
    left = {"requests": None, "tokens": None}
    assert told(**{"api-key": SEATS["01"].key}) == {**everybody, "seat": "01", "left": left}


def test_the_certificate_authority_of_a_class_has_the_fingerprint_that_is_printed(room, tmp_path):
    content = requests.get(f"{room.http_url}/simulator/ca.pem", timeout=DEADLINE).content
    printed = room.variables({})["SIMULATED_CA_SHA256"]
    assert matches(content, read_fingerprint(printed))
    assert not matches(content + b"\n", read_fingerprint(printed))
    assert fingerprint(content) == room.fingerprint
    (tmp_path / "ca.pem").write_bytes(content)
    headers = {"api-key": SEATS["01"].key}
    bundle = str(tmp_path / "ca.pem")
    assert requests.get(f"{room.url}/info", headers=headers, verify=bundle, timeout=DEADLINE).ok


# Turns


def test_one_request_of_a_seat_does_not_wait_for_the_many_of_another(room, tally):
    heavy = {**GREEDY, "temperature": 1, "n": 12, "logprobs": True, "top_logprobs": 20}
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(open_socket(room.http_url, ""))
            connection.sendall(wire_request(SEATS["flood"].key, heavy, **PASS_THROUGH))
        until(lambda: counts(tally, "flood")["waiting"] == 20)
        headers = {"api-key": SEATS["01"].key, **PASS_THROUGH}
        assert raw(room, "POST", CHAT, heavy, headers)[0] == 200
        assert counts(tally, "flood")["waiting"] >= 18
    until(lambda: counts(tally, "flood")["waiting"] == 0)


def test_places_go_to_the_seats_in_turn_and_come_back_from_who_leaves():
    places, entered = Places(1), []

    def enter(seat: str) -> Iterator[float]:
        yield from places.enter(seat)
        entered.append(seat)

    run_to_end(enter("a"))
    waiting = [enter(seat) for seat in ("a", "a", "gone", "b")]
    for each in waiting:
        next(each)
    waiting[2].close()
    for _ in range(3):
        places.leave()
        for each in waiting:
            next(each, None)
    assert entered == ["a", "a", "b", "a"]
    places.leave()
    run_to_end(enter("c"))


def test_a_request_to_a_model_elsewhere_waits_for_tokens_that_others_of_its_seat_hold(tmp_path):
    tally = Tally(tmp_path / "counts", group(tmp_path))
    first, second = (Bill(tally, tally.account("few tokens"), RuntimeError) for _ in range(2))
    assert run_to_end(first.reserve(100, None)) == 903
    steps = second.reserve(100, 50)
    next(steps)
    first.settle(140)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == 50
    second.settle(1000)
    assert tally.account("few tokens").tokens == 1140  # it counts otherwise than was reserved
    with pytest.raises(RuntimeError, match="all 1,003 tokens"):
        run_to_end(second.reserve(1, 1))
    tally.close()


# What stays


def test_a_server_that_is_killed_loses_no_count_and_its_clients_go_on(monkeypatch, capsys):
    monkeypatch.setattr(class_load, "CORES", set())
    load = class_load.Load(seats=5, seconds=2.5, think=0.2, kill_at=0.6)
    assert asyncio.run(class_load.run(load)), capsys.readouterr().out


def test_tokens_are_in_the_file_before_they_are_sent(tmp_path):
    tally = Tally(tmp_path / "counts", group(tmp_path))
    bill = Bill(tally, tally.account("01"), RuntimeError)
    bill.begin(10)
    for paid in range(1, 101):
        assert bill.pay()
        if paid in (1, 32, 33, 100):  # as if the process were killed now
            for suffix in ("", "-wal"):
                shutil.copy(tmp_path / f"counts{suffix}", tmp_path / f"copy{paid}{suffix}")
            copy = Tally(tmp_path / f"copy{paid}", group(tmp_path))
            row = counts(copy, "01")
            assert row["requests"] == 1
            assert 10 + paid <= row["tokens"] <= 10 + paid + TOKENS_AHEAD
            copy.close()
    tally.close()


def test_counts_stay_and_belong_to_the_name_of_a_seat(tmp_path):
    tally = Tally(tmp_path / "counts", group(tmp_path))
    bill = Bill(tally, tally.account("01"), RuntimeError)
    bill.begin(10)
    assert bill.pay()
    bill.note_error()
    bill.close()
    since = tally.since
    tally.close()
    seats = {"01": Seat("01", "another-key", requests=1), "new": Seat("new", "newest-key")}
    tally = Tally(tmp_path / "counts", group(tmp_path, seats))
    row = counts(tally, "01")
    assert (row["requests"], row["tokens"], row["errors"]) == (1, 11, 1)
    assert (row["requests_left"], counts(tally, "new")["requests"], tally.since) == (0, 0, since)
    tally.close()


def test_a_full_disk_stops_neither_the_class_nor_its_budgets(tmp_path):
    tally = Tally(tmp_path / "counts", group(tmp_path))
    reports = []
    tally.report = reports.append
    tally._database.execute("DROP TABLE seat")  # so that each write fails
    bill = Bill(tally, tally.account("few tokens"), RuntimeError)
    bill.begin(1000)
    assert [bill.pay() for _ in range(4)] == [True, True, True, False]
    (report,) = reports
    assert "cannot be kept" in report
    tally.close()


def test_a_file_of_counts_that_cannot_be_used_says_why_and_what_to_do(tmp_path):
    def refusal(path: Path, **options) -> str:
        with pytest.raises(TallyError) as caught:
            Tally(path, group(tmp_path, **options))
        return str(caught.value)

    tally = Tally(tmp_path / "counts", group(tmp_path))
    assert "another process serves this class" in refusal(tmp_path / "counts")
    tally.close()
    assert "of the class 'Monday', not of 'Tuesday'" in refusal(tmp_path / "counts", name="Tuesday")
    Tally(tmp_path / "counts", group(tmp_path)).close()  # it is free again
    (tmp_path / "text").write_text("not a database " * 100)
    assert "is not a file of counts" in refusal(tmp_path / "text")
    assert "where you may write" in refusal(tmp_path / "no-folder" / "counts")
    assert state_file(tmp_path / "class.toml").name == "class.sqlite3"


def test_a_damaged_certificate_authority_is_named(tmp_path):
    path = tmp_path / "class-authority.pem"
    first = open_authority(path)
    assert open_authority(path).cert_pem.bytes() == first.cert_pem.bytes()
    assert path.stat().st_mode & 0o077 == 0 or path.drive
    path.write_bytes(path.read_bytes().replace(b"PRIVATE", b"PRAVITE"))
    with pytest.raises(AuthorityError, match="is damaged"):
        open_authority(path)
    with pytest.raises(AuthorityError, match="where you may write"):
        open_authority(tmp_path / "no-folder" / "class-authority.pem")


def test_a_journal_with_a_limit_forgets_the_oldest_but_never_the_last():
    journal = Journal(list, max_size=1000)
    for size in (400, 400, 400, 5000, 100):
        journal.record(Request("POST", "/", body=b"x" * size), 200)
        assert len(list(journal)[-1]["body"]) == size
    assert [len(entry["body"]) for entry in journal] == [100]


def test_a_class_answers_without_sockets_too(assistant, tmp_path):
    azure = SimulatedAzure(assistant=assistant, classroom=Classroom(group(tmp_path)))
    headers = {"api-key": SEATS["01"].key, "content-type": "application/json"}
    response = azure.handle(Request("POST", CHAT, "", headers, json.dumps(GREEDY).encode()))
    assert response.status == 200
    response.on_close()
    assert counts(azure.classroom.tally, "01")["waiting"] == 0
    azure.classroom.close()
