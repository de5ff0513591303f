"""The journal: which requests are remembered, and that it shows no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from endpoint_clients import MESSAGES, ask_core
from raw_http import ASK, CHAT

from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request


def test_requests_are_shown_as_they_were_sent(client, simulator, journal):
    client.complete(messages=MESSAGES, temperature=0)
    (entry,) = journal()
    assert (entry["method"], entry["path"], entry["query"]) == (
        "POST",
        CHAT,
        "api-version=2024-05-01-preview",
    )
    assert (entry["body"], entry["status"]) == ({**ASK, "temperature": 0}, 200)
    headers = entry["headers"]
    assert headers["user-agent"].startswith("azsdk-python-ai-inference/1.0.0b9 ")
    assert (headers["accept"], headers["content-type"]) == ("application/json", "application/json")
    assert (headers["api-key"], headers["authorization"]) == ("***", "Bearer ***")


def test_only_the_last_hundred_requests_are_remembered_and_fewer_on_request(azure):
    for number in range(130):
        ask_core(azure, "GET", "/info", query=f"number={number}")
    shown = json.loads(ask_core(azure, "GET", "/simulator/requests").body)["requests"]
    assert [entry["query"] for entry in shown] == [f"number={number}" for number in range(30, 130)]
    for last, count in (("3", 3), ("0", 0), ("1000", 100), ("x", 100)):
        entries = json.loads(
            ask_core(azure, "GET", "/simulator/requests", query=f"last={last}").body
        )["requests"]
        assert entries == shown[len(shown) - count :]


def test_a_large_body_is_remembered_only_in_part(azure):
    for size in (60_000, 900_000):
        ask_core(azure, "POST", CHAT, b"x" * size, x_simulated_fault="403")
    small, large = json.loads(ask_core(azure, "GET", "/simulator/requests").body)["requests"]
    assert len(small["body"]) == 60_000
    assert 0 < len(large["body"]) <= 65_536
    assert sum(len(entry["body"]) for entry in azure.journal) < 300_000


KEYS = ["simulated-key-1234", 'quo"ted-1234', "back\\slash-1234"]


@pytest.mark.parametrize("key", KEYS)
def test_secrets_are_not_shown_in_any_part_of_a_request(simulator, key):
    azure = SimulatedAzure(key, assistant=simulator.azure.assistant)
    identity = {"x_identity_header": azure.identity_header}
    token = json.loads(
        ask_core(azure, "GET", "/msi/token", query="resource=https://ml.azure.com", **identity).body
    )["access_token"]
    for secret in (key, token, azure.identity_header):
        text = f"My key is {secret}."
        ask_core(
            azure,
            "POST",
            CHAT,
            {"messages": [{"role": "user", "content": text}], "max_tokens": 1},
            authorization=f"Bearer {secret}",
        )
        ask_core(azure, "POST", CHAT, {secret: text}, x_note=text)
        ask_core(azure, "POST", CHAT, text.encode(), x_simulated_fault="403")
        ask_core(azure, "GET", f"/{secret}", query=f"key={secret}")
    shown = json.loads(ask_core(azure, "GET", "/simulator/requests").body)
    assert len(shown["requests"]) == 13
    strings = list(strings_in(shown))
    assert not [
        text for text in strings if key in text or token in text or azure.identity_header in text
    ]
    assert "My key is ***." in strings


def test_secrets_are_not_kept_in_memory_either(azure):
    ask_core(azure, "GET", "/info", authorization=f"Bearer {azure.key}")
    assert len(list(azure.journal)) == 1
    assert azure.key not in repr(vars(azure.journal))


def strings_in(value: object) -> Iterator[str]:
    """Yield all strings in a JSON value, also the names of fields."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from strings_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("key", ["200", "a"])
def test_a_very_short_key_does_not_break_what_is_shown(key):
    azure = SimulatedAzure(key)
    ask_core(azure, "GET", "/info")
    (entry,) = json.loads(ask_core(azure, "GET", "/simulator/requests").body)["requests"]
    assert (entry["status"], entry["headers"]) == (200, {"api-key": "***"})


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 60_000, b"\xff\xfe"], ids=["lists", "objects", "not UTF-8"]
)
def test_a_strange_body_does_not_break_what_is_shown(azure, body):
    ask_core(azure, "POST", CHAT, body, x_simulated_fault="403")
    assert ask_core(azure, "GET", "/simulator/requests").status == 200


@pytest.mark.parametrize("where", ["last", "x-stainless-retry-count"])
def test_a_digit_that_is_not_a_number_is_not_an_error_of_the_simulator(azure, where):
    if where == "last":
        assert ask_core(azure, "GET", "/simulator/requests", query="last=%C2%B2").status == 200
    else:
        answer = ask_core(
            azure,
            "POST",
            CHAT,
            ASK,
            x_simulated_fault="403; times=1",
            x_stainless_retry_count="\xb2",
        )
        assert answer.status == 403


def test_requests_to_unknown_routes_without_a_key_are_not_remembered(azure):
    ask_core(azure, "GET", "/info")
    for _ in range(200):
        azure.handle(Request("GET", "/nowhere"))
    assert [entry["path"] for entry in azure.journal] == ["/info"]


def test_long_headers_and_paths_are_remembered_only_in_part(azure):
    azure.handle(
        Request(
            "GET", "/info", "q" * 10**6, {"x-" + "n" * 10**6: "v" * 10**6, "api-key": azure.key}
        )
    )
    (entry,) = azure.journal
    assert len(json.dumps(entry)) < 200_000


@pytest.mark.parametrize("depth", [900, 980, 990, 100_000])
def test_deeply_nested_bodies_do_not_break_what_is_shown(azure, depth):
    ask_core(azure, "POST", CHAT, b"[" * depth + b"]" * depth)
    assert ask_core(azure, "GET", "/simulator/requests").status == 200


@pytest.mark.parametrize("before", range(-34, 3, 4))
def test_no_half_of_a_key_is_remembered_where_a_long_text_is_cut(azure, before):
    ask_core(
        azure,
        "POST",
        CHAT,
        b"x" * (65_536 + before) + azure.key.encode(),
        x_note="x" * (2000 + before) + azure.key,
    )
    assert azure.key[:8] not in json.dumps(list(azure.journal))
