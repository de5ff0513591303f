"""``complete`` of lesson 09: the box to copy is the lesson's own code, stands alone, repeats what may pass and nothing else, and
never lets a key through."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace

import certifi
import nbformat
import pytest
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import StreamingChatCompletionsUpdate as Chunk
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.identity import CredentialUnavailableError
from snippet_runs import KEPT

from helpers import streaming

LESSON = nbformat.read(Path(__file__).parents[2] / "notebooks" / "09-errors-and-limits.ipynb", 4)
TITLE = "<details><summary>The whole of it, to copy</summary>"
BOX = next(
    re.search(rf"{TITLE}.*?```python\n(.*?)```\n</details>", cell.source, re.DOTALL)[1]
    for cell in LESSON.cells
    if TITLE in cell.source
)
FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
PARIS = "The capital of France is Paris."
ID = "x-ms-client-request-id"


# The box


def definitions(source: str) -> dict[str, str]:
    """Name -> code of the functions and constants, without what may differ: annotations, and what a docstring says."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    argument.annotation = None
            assert ast.get_docstring(node), node.name
            node.body = node.body[1:]
            found[node.name] = ast.dump(node)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).isupper():
            found[ast.unparse(node.targets[0])] = ast.dump(node.value)
    return found


def test_the_box_holds_the_functions_of_the_lessons_cells():
    cells = "\n".join(cell.source for cell in LESSON.cells if cell.cell_type == "code")
    taught = definitions(Path(streaming.__file__).read_text(encoding="utf-8")) | definitions(cells)
    boxed = definitions(BOX)
    assert {name: code for name, code in boxed.items() if taught.get(name) != code} == {}
    assert "helpers" not in BOX
    assert {
        "complete",
        "whole",
        "read",
        "pause",
        "may_pass",
        "account_of",
        "reason_in",
        "PASSING",
    } <= set(boxed)


def test_complete_is_as_short_as_the_lesson_says():
    functions = [node for node in ast.parse(BOX).body if isinstance(node, ast.FunctionDef)]
    complete = functions[-1]
    assert complete.name == "complete"
    assert complete.end_lineno - complete.lineno + 1 < 20
    about = int(re.search(r"about\s+(\d+) lines, in one box to copy", LESSON.cells[0].source)[1])
    assert round(len(BOX.splitlines()), -1) == about


def run(folder: Path, simulator, script: str, **variables: str) -> subprocess.CompletedProcess:
    """A process of its own, beside a file robust.py that holds the box, with no other variables than it needs."""
    (folder / "robust.py").write_text(BOX, encoding="utf-8")
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
        timeout=120,
    )


FAULTS = {
    "": [1, [PARIS, "stop"]],
    "429; times=2": [3, [PARIS, "stop"]],
    "424-503; times=1": [2, [PARIS, "stop"]],
    "502; times=1": [2, [PARIS, "stop"]],
    "end; after=3; times=1": [2, [PARIS, "stop"]],
    "cut; after=3; times=1": [2, [PARIS, "stop"]],
    "event-line; after=3; times=1": [2, [PARIS, "stop"]],
    "slow; seconds=3; times=1": [2, [PARIS, "stop"]],
    "filtered-answer; after=3": [1, ["The capital of", "content_filter"]],
    "401": [
        1,
        "401: Auth token validation failed. Please provide a valid key or a valid AAD token (attempts: 1,",
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
found = {}
for fault in json.load(open("faults.json", encoding="utf-8")):
    waits, headers = [], {"x-simulated-fault": fault}
    patience = {"read_timeout": 1} if "slow" in fault else {}
    try:
        result = complete(FRANCE, sleep=waits.append, temperature=0, headers=headers, **patience)
    except RuntimeError as error:
        result = str(error)
    found[fault] = [len(waits) + 1, result]
print(json.dumps(found))
""".replace("FRANCE", repr(FRANCE))


def test_the_box_copes_with_faults_in_a_process_of_its_own(simulator, tmp_path):
    (tmp_path / "faults.json").write_text(json.dumps([*FAULTS]), encoding="utf-8")
    done = run(tmp_path, simulator, TRY_ALL)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    cut = {
        fault: [
            attempts,
            result if isinstance(result, list) else result.partition(" request id")[0],
        ]
        for fault, (attempts, result) in found.items()
    }
    assert cut == FAULTS
    asked = [
        request for request in simulator.azure.journal if request["path"] == "/chat/completions"
    ]
    assert len(asked) == sum(attempts for attempts, _ in found.values())
    for _, result in found.values():
        if isinstance(result, str):
            name = re.search(r"request id: (\S+)\)$", result)[1]
            assert any(request["headers"][ID] == name for request in asked)


def test_the_box_answers_as_it_stands_and_a_line_end_after_the_key_does_no_harm(
    simulator, tmp_path
):
    done = run(tmp_path, simulator, BOX, AZURE_INFERENCE_CREDENTIAL=simulator.azure.key + "\r\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, PARIS + "\n", "")


@pytest.mark.parametrize(
    "slip",
    [
        "a line end inside the key",
        "a blank in front of the bearer's key",
        "key and endpoint swapped",
    ],
)
def test_no_key_is_printed_and_nothing_is_repeated_if_what_is_passed_is_refused(
    simulator, tmp_path, slip
):
    key, script, changed = simulator.azure.key, BOX, {}
    if slip == "a line end inside the key":
        changed = {"AZURE_INFERENCE_CREDENTIAL": f"{key[:16]}\n{key[16:]}"}
    elif slip == "key and endpoint swapped":
        changed = {"AZURE_INFERENCE_CREDENTIAL": simulator.url, "AZURE_INFERENCE_ENDPOINT": key}
    else:
        script = BOX.replace(
            '["AZURE_INFERENCE_CREDENTIAL"].strip()', '["AZURE_INFERENCE_CREDENTIAL"]'
        )
        changed = {"AZURE_INFERENCE_CREDENTIAL": f" {key}"}
    done = run(tmp_path, simulator, script, **changed)
    assert done.returncode == 1
    assert re.search(
        r"RuntimeError: ServiceResponseError: (InvalidHeader|MissingSchema) \(attempts: 1, ",
        done.stderr,
    )
    assert [half for half in (key[:16], key[16:]) if half in done.stdout + done.stderr] == []
    assert list(simulator.azure.journal) == []


# What it repeats when nobody answers


@pytest.fixture
def robust(simulator, certificates, monkeypatch) -> SimpleNamespace:
    """What the box defines; its client trusts the simulator."""
    for name in ("AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL"):
        monkeypatch.setenv(name, simulator.variables()[name])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificates)
    monkeypatch.setenv("NO_PROXY", "*")
    space = {"__name__": "robust"}
    exec(compile(BOX, "robust.py", "exec"), space)
    return SimpleNamespace(**space, space=space)


class NoLogin:
    """A credential that has nothing to sign in with."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        raise CredentialUnavailableError(message="nobody is signed in")


class Token:
    """A credential that has a token for an hour."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        return AccessToken("not-a-token", 4_000_000_000)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


# What is wrong -> (endpoint, credential if not the right key, further settings, attempts that complete makes).
WRONG = {
    "a port where nobody listens": (
        lambda simulator: f"https://127.0.0.1:{free_port()}",
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
    ),  # looks like a lost one
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


@pytest.mark.parametrize("wrong", WRONG)
def test_only_what_the_network_did_is_repeated(robust, simulator, wrong):
    endpoint, credential, settings, attempts = WRONG[wrong]
    robust.space["client"] = ChatCompletionsClient(
        endpoint(simulator), credential or AzureKeyCredential(simulator.azure.key)
    )
    waits = []
    with pytest.raises(RuntimeError, match=rf"attempts: {attempts}, request id: mine\)$") as caught:
        robust.complete(FRANCE, sleep=waits.append, request_id="mine", **settings)
    assert len(waits) == attempts - 1
    told = f"{caught.value}{caught.value.__cause__}"
    assert [key for key in (simulator.azure.key, "not-the-key") if key in told] == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"response_format": "json-object"}, ValueError),
        ({"logprobs": True}, TypeError),
        ({"connection_verify": "no.pem"}, OSError),
    ],
    ids=["response_format", "unknown argument", "missing bundle"],
)
def test_a_mistake_in_the_call_goes_straight_through(robust, settings, expected):
    with pytest.raises(expected):
        robust.complete(FRANCE, sleep=pytest.fail, **settings)


def test_a_key_that_is_not_ascii_goes_straight_through_unseen(robust, simulator):
    robust.space["client"] = ChatCompletionsClient(
        simulator.url, AzureKeyCredential("not-the-key\u2013")
    )
    with pytest.raises(UnicodeEncodeError) as caught:
        robust.complete(FRANCE, sleep=pytest.fail)
    assert "not-the-key" not in str(caught.value)


# What it passes on, and how long it waits


def test_silence_is_noticed_after_a_minute_unless_the_caller_says_otherwise(robust):
    seen = []
    hook = {"raw_request_hook": lambda request: seen.append(dict(request.context.options))}
    robust.complete(FRANCE, **hook)
    robust.complete(FRANCE, read_timeout=7, **hook)
    assert [(options["connection_timeout"], options["read_timeout"]) for options in seen] == [
        (10, 60),
        (10, 7),
    ]


def test_all_attempts_carry_the_callers_request_id(robust, simulator):
    simulator.azure.journal.clear()
    robust.complete(
        FRANCE,
        sleep=lambda wait: None,
        request_id="mine-1",
        headers={"x-simulated-fault": "429; times=2"},
    )
    assert [request["headers"][ID] for request in simulator.azure.journal] == ["mine-1"] * 3


def test_an_answer_is_whole_once_its_reason_has_come_whatever_follows(robust):
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
    ("asked", "least"),
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
def test_a_wait_is_at_least_what_the_server_asks_for_and_never_nothing(robust, asked, least):
    failure = SimpleNamespace(response=SimpleNamespace(headers={"Retry-After": asked}))
    waits = [robust.pause(1, failure) for _ in range(200)]
    assert least <= min(waits) < max(waits) <= 1.5 * least
    assert all(robust.pause(attempt) <= 6 for attempt in range(1, 50))


# The reason in a body


def refusal(body: object, headers: dict[str, str] | None = None) -> SimpleNamespace:
    """An error with an answer; a body that is not bytes is written as JSON."""
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
def test_a_reason_is_read_from_odd_bodies_too(robust, body, reason):
    assert robust.account_of(refusal(body)) == f"400: {reason}"


def test_a_long_reason_is_cut_off(robust):
    assert (
        len(robust.account_of(refusal({"detail": [{"loc": ["body"], "msg": "No. " * 50}] * 50})))
        == 400
    )


@pytest.mark.parametrize(("hidden", "meant"), [("503", 503), ("", 400), ("model_error", 400)])
def test_the_hidden_status_is_read_where_it_is_one(robust, hidden, meant):
    assert robust.status_of(refusal({}, {"ms-azureml-model-error-statuscode": hidden})) == meant
