"""Lesson 09's ``complete``, run from the lesson's file to copy.

It stands alone, repeats requests that the network or a busy server lost and no others, and never
shows a key.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from functools import cache
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace

import certifi
import pytest
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import StreamingChatCompletionsUpdate as Chunk
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.identity import CredentialUnavailableError
from lesson_sources import robust_call
from snippet_runs import KEPT

CODE = robust_call()  # snippets/robust-call/azure_ai_inference.py
FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
PARIS = "The capital of France is Paris."
ID = "x-ms-client-request-id"
LONGEST_RUN = 300  # seconds until a process that hangs is ended


# The file in a process of its own


def run(folder: Path, simulator, script: str, **variables: str) -> subprocess.CompletedProcess:
    """Run a script beside robust.py, a copy of the file, in a process of its own.

    Args:
        variables: all that the process gets besides the few that it needs.
    """
    (folder / "robust.py").write_text(CODE, encoding="utf-8")
    environment = {
        name: value for name, value in os.environ.items() if name.upper() in KEPT
    } | simulator.variables()
    environment |= {"PYTHONUTF8": "1", "NO_PROXY": "*"} | variables
    simulator.azure.journal.clear()
    (folder / "script.py").write_text(script, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LONGEST_RUN,
    )


FAULTS = {  # fault -> [attempts, answer or the beginning of the error]
    "": [1, [PARIS, "stop"]],
    "429; times=2": [3, [PARIS, "stop"]],
    "424-503; times=1": [2, [PARIS, "stop"]],
    "502; times=1": [2, [PARIS, "stop"]],
    "end; after=3; times=1": [2, [PARIS, "stop"]],
    "cut; after=3; times=1": [2, [PARIS, "stop"]],
    "event-line; after=3; times=1": [2, [PARIS, "stop"]],
    "slow; seconds=60; times=1": [2, [PARIS, "stop"]],
    "filtered-answer; after=3": [1, ["The capital of", "content_filter"]],
    "401": [
        1,
        "401: Auth token validation failed. Please provide a valid key or a valid AAD token "
        "(attempts: 1,",
    ],
    "424": [1, "424 that means 404: Not Found (attempts: 1,"],
    "429": [4, "429: too_many_pending_request (attempts: 4,"],
    "429; retry-after=3600": [1, "429, Retry-After 3600: too_many_pending_request (attempts: 1,"],
    "end; after=3": [4, "ConnectionError: the answer broke off: nothing raised (attempts: 4,"],
    "cut; after=3": [4, "ConnectionError: the answer broke off: HttpResponseError (attempts: 4,"],
    "event-line; after=3": [4, "ConnectionError: the answer broke off: ValueError (attempts: 4,"],
}
TRY_ALL = """
import json, sys
from robust import complete
results = {}
for fault in json.load(open("faults.json", encoding="utf-8")):
    waits = []
    def hurry(request):
        if "slow" in fault and not waits:
            request.context.options["read_timeout"] = 0.5
    try:
        result = complete(
            FRANCE,
            sleep=waits.append,
            temperature=0,
            headers={"x-simulated-fault": fault},
            raw_request_hook=hurry,
        )
    except RuntimeError as error:
        result = str(error)
    results[fault] = [len(waits) + 1, result]
print(json.dumps(results))
""".replace("FRANCE", repr(FRANCE))


def test_the_file_repeats_or_reports_each_fault_in_a_process_of_its_own(simulator, tmp_path):
    (tmp_path / "faults.json").write_text(json.dumps([*FAULTS]), encoding="utf-8")
    done = run(tmp_path, simulator, TRY_ALL)
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(done.stdout)
    without_ids = {
        fault: [attempts, text if isinstance(text, list) else text.partition(" request id")[0]]
        for fault, (attempts, text) in results.items()
    }
    assert without_ids == FAULTS
    requests = [entry for entry in simulator.azure.journal if entry["path"] == "/chat/completions"]
    assert len(requests) == sum(attempts for attempts, _ in results.values())
    for _, text in results.values():
        if isinstance(text, str):
            request_id = re.search(r"request id: (\S+)\)$", text)[1]
            assert any(entry["headers"][ID] == request_id for entry in requests)


def test_the_file_answers_unchanged_even_with_a_line_end_after_the_key(simulator, tmp_path):
    done = run(tmp_path, simulator, CODE, AZURE_INFERENCE_CREDENTIAL=simulator.azure.key + "\r\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, PARIS + "\n", "")


@pytest.mark.parametrize(
    "mistake",
    [
        "a line end inside the key",
        "a space before the bearer's key",
        "key and endpoint swapped",
    ],
)
def test_a_malformed_key_or_endpoint_is_not_repeated_and_not_printed(simulator, tmp_path, mistake):
    key, script = simulator.azure.key, CODE
    if mistake == "a line end inside the key":
        variables = {"AZURE_INFERENCE_CREDENTIAL": f"{key[:16]}\n{key[16:]}"}
    elif mistake == "key and endpoint swapped":
        variables = {"AZURE_INFERENCE_CREDENTIAL": simulator.url, "AZURE_INFERENCE_ENDPOINT": key}
    else:
        script = CODE.replace(
            '["AZURE_INFERENCE_CREDENTIAL"].strip()', '["AZURE_INFERENCE_CREDENTIAL"]'
        )
        variables = {"AZURE_INFERENCE_CREDENTIAL": f" {key}"}
    done = run(tmp_path, simulator, script, **variables)
    assert done.returncode == 1
    assert re.search(
        r"RuntimeError: ServiceResponseError: (InvalidHeader|MissingSchema) \(attempts: 1, ",
        done.stderr,
    )
    assert [half for half in (key[:16], key[16:]) if half in done.stdout + done.stderr] == []
    assert list(simulator.azure.journal) == []


# What it repeats when no answer comes


@pytest.fixture
def robust(simulator, certificates, monkeypatch) -> SimpleNamespace:
    """Return the names that the file defines. Its client trusts the simulator."""
    for name in ("AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL"):
        monkeypatch.setenv(name, simulator.variables()[name])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificates)
    monkeypatch.setenv("NO_PROXY", "*")
    space = {"__name__": "robust"}
    exec(compile(CODE, "robust.py", "exec"), space)
    return SimpleNamespace(**space, space=space)


class NoLogin:
    """A credential that cannot sign in."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        raise CredentialUnavailableError(message="nobody is signed in")


class Token:
    """A credential that has a token for an hour."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        return AccessToken("not-a-token", 4_000_000_000)


@cache
def bound_socket() -> socket.socket:
    """Return a socket that holds a port and never listens."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder


# mistake -> (endpoint, credential unless it is the right key, further settings, attempts)
MISTAKES = {
    "a port where nothing listens": (
        lambda simulator: f"https://127.0.0.1:{bound_socket().getsockname()[1]}",
        None,
        {},
        4,
    ),
    "a host that has no address": (lambda simulator: "https://my-phi4.invalid", None, {}, 4),
    "http to a port of https": (
        lambda simulator: simulator.url.replace("https:", "http:"),
        None,
        {},
        4,
    ),  # looks like a connection that was lost
    "https to a port of http": (
        lambda simulator: simulator.http_url.replace("http:", "https:"),
        None,
        {},
        1,
    ),
    "an authority that is not known": (
        lambda simulator: simulator.url,
        None,
        {"connection_verify": certifi.where()},
        1,
    ),
    "an endpoint without a scheme": (lambda simulator: "my-phi4.example", None, {}, 1),
    "an endpoint without a host": (lambda simulator: "https://", None, {}, 1),
    "a line end in the key": (
        lambda simulator: simulator.url,
        AzureKeyCredential("not-the-key\n"),
        {},
        1,
    ),
    "a line end in a header": (
        lambda simulator: simulator.url,
        None,
        {"headers": {"x-note": "a\nb"}},
        1,
    ),
    "a wrong key": (lambda simulator: simulator.url, AzureKeyCredential("not-the-key"), {}, 1),
    "a wrong path": (lambda simulator: f"{simulator.url}/nowhere", None, {}, 1),
    "a login that fails": (lambda simulator: simulator.url, NoLogin(), {}, 1),
    "a token over http": (lambda simulator: simulator.http_url, Token(), {}, 1),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_only_failures_of_the_network_are_repeated(robust, simulator, mistake):
    endpoint, credential, settings, attempts = MISTAKES[mistake]
    robust.space["client"] = ChatCompletionsClient(
        endpoint(simulator), credential or AzureKeyCredential(simulator.azure.key)
    )
    waits = []
    with pytest.raises(RuntimeError, match=rf"attempts: {attempts}, request id: mine\)$") as caught:
        robust.complete(FRANCE, sleep=waits.append, request_id="mine", **settings)
    assert len(waits) == attempts - 1
    text = f"{caught.value}{caught.value.__cause__}"
    assert [key for key in (simulator.azure.key, "not-the-key") if key in text] == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"response_format": "json-object"}, ValueError),
        ({"logprobs": True}, TypeError),
        ({"connection_verify": "no.pem"}, OSError),
    ],
    ids=["response_format", "unknown argument", "missing bundle"],
)
def test_a_mistake_in_the_call_is_raised_at_once(robust, settings, expected):
    with pytest.raises(expected):
        robust.complete(FRANCE, sleep=pytest.fail, **settings)


def test_a_key_that_is_not_ascii_raises_at_once_without_being_shown(robust, simulator):
    robust.space["client"] = ChatCompletionsClient(
        simulator.url, AzureKeyCredential("not-the-key\u2013")
    )
    with pytest.raises(UnicodeEncodeError) as caught:
        robust.complete(FRANCE, sleep=pytest.fail)
    assert "not-the-key" not in str(caught.value)


# What it passes to the client, and how long it waits


def test_the_read_timeout_is_a_minute_unless_the_caller_sets_another(robust):
    options = []
    hook = {"raw_request_hook": lambda request: options.append(dict(request.context.options))}
    robust.complete(FRANCE, **hook)
    robust.complete(FRANCE, read_timeout=7, **hook)
    timeouts = [(each["connection_timeout"], each["read_timeout"]) for each in options]
    assert timeouts == [(10, 60), (10, 7)]


def test_all_attempts_carry_the_callers_request_id(robust, simulator):
    simulator.azure.journal.clear()
    robust.complete(
        FRANCE,
        sleep=lambda wait: None,
        request_id="mine-1",
        headers={"x-simulated-fault": "429; times=2"},
    )
    assert [request["headers"][ID] for request in simulator.azure.journal] == ["mine-1"] * 3


@pytest.mark.parametrize("server", ["inference", "serve"])
def test_an_answer_that_comes_all_at_once_is_whole_too(robust, server):
    headers = {"x-simulated-server": server}
    assert robust.complete(FRANCE, temperature=0, headers=headers) == (PARIS, "stop")


def test_an_answer_is_complete_after_its_finish_reason_even_if_an_error_follows(robust):
    def stream():
        yield Chunk(
            {"choices": [{"index": 0, "delta": {"content": "Paris."}, "finish_reason": None}]}
        )
        yield Chunk({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]})
        raise ValueError("SSE event not supported")

    assert robust.whole(stream()) == ("Paris.", "stop")
    with pytest.raises(ConnectionError, match="nothing raised"):
        robust.whole(takewhile(lambda chunk: not chunk.choices[0].finish_reason, stream()))


@pytest.mark.parametrize(
    ("retry_after", "shortest"),
    [
        ("", 0.5),
        ("0", 0.5),
        ("-3", 0.5),
        ("7", 7),
        ("1.5", 0.5),
        ("\u00b2", 0.5),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0.5),
    ],
)
def test_a_wait_is_at_least_half_a_second_and_what_the_server_asks_for(
    robust, retry_after, shortest
):
    failure = SimpleNamespace(response=SimpleNamespace(headers={"Retry-After": retry_after}))
    waits = [robust.pause(1, failure) for _ in range(200)]
    assert shortest <= min(waits) < max(waits) <= 1.5 * shortest
    assert all(robust.pause(attempt) <= 6 for attempt in range(1, 50))


# The reason in a body


def refusal(body: object, headers: dict[str, str] | None = None) -> SimpleNamespace:
    """Return an error as the client raises it. A body that is not bytes is encoded as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SimpleNamespace(
        status_code=400,
        response=SimpleNamespace(content=content, headers=headers or {}, reason="Bad Request"),
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            {"error": {"details": [{"loc": ["body", "messages", 0, "role"], "msg": "No."}]}},
            "body.messages.0.role: No.",
        ),
        (
            {
                "detail": [
                    {"loc": ["body", "a"], "msg": "No."},
                    {"loc": ["body", "b"], "msg": "Nor."},
                ]
            },
            "body.a: No.; body.b: Nor.",
        ),
        (
            {"detail": {"loc": ["body", "a"], "input": 2}, "message": "Invalid."},
            "body.a: not accepted: 2",
        ),
        ({"detail": [{"loc": "body", "msg": "No."}]}, "body: No."),
        ({"detail": [{"loc": None, "msg": "No."}]}, "No."),
        ({"detail": [{"loc": 5, "msg": None}]}, "5: not accepted: None"),
        ({"error": {"message": "Too many.", "details": [{"trace": "abc"}]}}, "Too many."),
        ({"error": {"message": "Too many.", "details": {}}}, "Too many."),
        ({"error": "Not Found", "message": "No such route.", "status": 404}, "No such route."),
        (
            {"error": {"message": '{"detail": [{"loc": ["body", "a"], "msg": "No."}]}'}},
            "body.a: No.",
        ),
        ({"error": {"message": "{not JSON"}}, '{"error": {"message": "{not JSON"}}'),
        ({"error": {"code": 7}}, '{"error": {"code": 7}}'),
        ({"error": None, "detail": "Not Found"}, "Not Found"),
        (["one", {"msg": "two"}, None], "one; two"),
        ("text", "text"),
        (b"<html>\nproxy</html>", "<html> proxy</html>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", "Bad Request"),
    ],
    ids=str,
)
def test_the_reason_is_read_from_bodies_of_any_shape(robust, body, reason):
    assert robust.account_of(refusal(body)) == f"400: {reason}"


def test_a_long_reason_is_cut_off(robust):
    assert (
        len(robust.account_of(refusal({"detail": [{"loc": ["body"], "msg": "No. " * 50}] * 50})))
        == 400
    )


@pytest.mark.parametrize(("header", "status"), [("503", 503), ("", 400), ("model_error", 400)])
def test_the_status_in_the_models_header_is_read_if_it_is_a_number(robust, header, status):
    assert robust.status_of(refusal({}, {"ms-azureml-model-error-statuscode": header})) == status
