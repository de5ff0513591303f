"""Compare the request checks of the server ``inference`` with those of the published package.

``tests/oracle`` runs the package llm-optimized-inference itself, without its engine. Each request
goes to both; status, error and what is sent on to the engine have to be equal. Where they differ on
purpose, EXCEPTIONS says why.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import toolchain
from raw_http import CHAT, V1_CHAT

from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request, Response
from simulated_azure.inference import schemas
from simulated_azure.inference.servers import INFERENCE

ORACLE = Path(__file__).parents[1] / "oracle"
DEADLINE = 300  # seconds
MIN_REQUESTS = 500
JSON = "application/json"

# The package answers 500 to these requests, which is a mistake in it. Ours refuses them.
EXCEPTIONS = {
    "not a number": "JSON has no NaN and no Infinity, and the package fails to write its error",
    "half a surrogate pair": "UTF-8 has none, and the package fails to write its error",
    "not an object under /v1": "the package looks for fields in whatever arrives there",
    "neither JSON nor UTF-8": "the package fails to write the body into its error",
}

MESSAGE = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "f", "description": "d"}}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

# Each of these values is tried for each field that the classes have.
FIELDS = (
    "model frequency_penalty presence_penalty seed temperature top_p max_tokens stop stream "
    "messages response_format tools tool_choice extra_params"
).split()
VALUES = [None, True, 0, -1, 1.5, 3, 10**20, "", "0.5", "text", [], ["a"], [1, None], {}, {"a": 1}]

LIMITS = {
    "temperature": [1, 1.0000001, -0.0000001, "1", "1.1", "-0"],
    "top_p": [0, 1, 1.01, -0.01, "1e-3"],
    "presence_penalty": [2, -2, 2.01, -2.01, " 1 "],
    "frequency_penalty": [2, -2, 2.01, -2.01, "1_0"],
    "max_tokens": [0, 1, "7", 7.0, 7.5, "7.0", 2**63],
    "seed": [2**64, -(2**64), 1.0, "x", "12"],
    "stream": ["true", "yes", "on", "off", 1, 2, "maybe", 1.0, "T"],
    "stop": ["a", ["a", "b"], ["a", 1], [["a"]], [None]],
    "response_format": [
        *({"type": value} for value in ("text", "TEXT", "Json_Object", "json_schema", "", 1, None)),
        {"type": {"type": "text"}},
        {"type": "text", "other": 1},
        {"kind": "text"},
        "json_object",
    ],
    "tool_choice": ["auto", "none", "required", {"type": "function", "function": {"name": "f"}}],
    "extra_params": [{"temperature": 2}, {"n": 2}, {"temperature": "hot", "a": {}}],
}

CONTENTS = [
    None,
    "",
    0,
    {},
    [],
    [{}],
    ["text"],
    [{"type": "text", "text": "Hi"}],
    [{"type": "text", "text": ""}],
    [{"type": "text"}],
    [{"type": "text", "text": 1}],
    [{"type": "TEXT", "text": "Hi"}],
    [{"type": 1, "text": "Hi"}],
    [{"type": "audio", "text": "Hi"}],
    [{"type": "text", "text": "Hi", "other": 1}],
    [{"type": "text", "text": "Hi"}, {"type": "text"}, {"type": "nothing"}],
    [{"type": "image"}],
    [{"type": "image", "image": {}}],
    [{"type": "image", "image": {"data": None}}],
    [{"type": "image", "image": {"data": "x", "detail": "highest"}}],
    [{"type": "image_url"}],
    [{"type": "image_url", "image_url": "https://a.example/b.png"}],
    [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}],
    [{"type": "image_url", "image_url": {"url": 1, "detail": "no"}}],
    [{"type": "image_url", "image_url": {"url": "x", "detail": None}}],
    [{"type": "audio_url"}],
    [{"type": "audio_url", "audio_url": {"url": "x"}}],
    [{"type": "audio_url", "audio_url": {}}],
    [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}],
]

TOOL_CALLS = [
    None,
    [],
    {},
    "f",
    [None],
    [{}],
    [CALL],
    [CALL, {"function": {"name": "f", "arguments": {"a": 1}}}],
    [{**CALL, "id": None}],
    [{**CALL, "id": 1}],
    [{**CALL, "type": "tool"}],
    [{**CALL, "type": None}],
    [{**CALL, "other": 1}],
    [{"function": {}}],
    [{"function": {"name": "f"}}],
    [{"function": {"name": "f g", "arguments": "x"}}],
    [{"function": {"name": "f" * 65, "arguments": "[]"}}],
    [{"function": {"name": "", "arguments": 1}}],
    [{"function": {"name": "f\n", "arguments": None}}],
    [{"function": {"name": "é", "arguments": "{}", "call_id": 1}}],
]

TOOLS = [
    [TOOL],
    [{}],
    [None],
    [{"type": "function"}],
    [{"type": "tool", "function": TOOL["function"]}],
    [{"function": None}],
    [{"function": {}}],
    [{"function": {"name": "f"}}],
    [{"function": {"name": "f.g", "description": "d"}}],
    [{"function": {"name": "f", "description": None}}],
    *(
        [{"function": {**TOOL["function"], "parameters": parameters}}]
        for parameters in (
            None,
            {},
            True,
            "object",
            [],
            {"type": "object"},
            {"type": "objec"},
            {"type": ["object", 1]},
            {"properties": []},
            {"required": "a"},
            {"minimum": "1", "type": "number"},
        )
    ),
    [TOOL, {"function": {"name": "?"}}, 1],
]

SEVERAL_ERRORS = [
    {"messages": [], "temperature": 2},
    {"temperature": 2, "messages": [{"role": "robot"}], "top_p": 2},
    {"tool_choice": 1, "stream": "maybe", "max_tokens": -1, "stop": 1, "model": 1},
    {"tools": 1, "response_format": 1, "messages": 1, "seed": "x"},
    {"messages": [{"role": "robot", "content": 1}, {"content": [{}]}, 1]},
    {"messages": [{"role": "user", "content": [{"type": "x"}], "tool_calls": 1}]},
    {"frequency_penalty": 3, "presence_penalty": 3, "extra_params": 1},
    {"temperature": 2, "n": 2},
]

EXTRAS = [
    {"n": 2},
    {"logprobs": True, "top_logprobs": 3},
    {"logit_bias": {"1": 2}, "stream_options": {"include_usage": True}, "stream": True},
    {"max_completion_tokens": 5},
    {"nonsense": [1, {"a": None}]},
    {"": 1},
    {"Temperature": 5},
    {"n": 2, "extra_params": {"temperature": 2}},
    {"n": 2, "tools": []},
    {},
]
MODES = [None, "error", "drop", "pass-through", "ignore", "", "Pass-Through"]

CONTENT_TYPES = [
    None,
    "",
    JSON,
    "Application/JSON",
    "application/json; charset=utf-8",
    "application/json;charset=latin-1",
    " application/json ",
    "application/problem+json",
    "application/jsonp",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/json",
    "json",
    "application/",
    "application/json, text/plain",
    "*/*",
]

TEXT = json.dumps({"messages": [{"role": "user", "content": "Grüße 🙂"}]}, ensure_ascii=False)
BODIES = {
    "empty": b"",
    "blank": b"  \n",
    "null": b"null",
    "cut": b'{"messages": [',
    "cut in a text": b'{"messages": "',
    "no JSON": b"messages=Hi",
    "single quotes": b"{'messages': []}",
    "a comma too many": b'{"messages": [],}',
    "two objects": b"{} {}",
    "a line end in a text": b'{"model": "a\nb"}',
    "an unknown escape": rb'{"model": "\x"}',
    "a key twice": b'{"temperature": 5, "temperature": 0, "messages": [{"role": "user"}]}',
    "UTF-8": TEXT.encode(),
    "UTF-8 with a byte order mark": TEXT.encode("utf-8-sig"),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16 without a mark": TEXT.encode("utf-16-le"),
    "UTF-32": TEXT.encode("utf-32"),
    "latin-1": '{"model": "é"}'.encode("latin-1"),
    "half a character": '{"model": "é'.encode()[:-1],
    "5000 deep": b"[" * 5000,
    "5000 deep and closed": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "5000 digits": b'{"seed": %s}' % (b"9" * 5000),
    "an escaped pair": rb'{"messages": [{"role": "user", "content": "\ud83d\ude42"}]}',
}
NOT_OBJECTS = [b"[]", b"[1]", b'"text"', b"1", b"true", b"0.5"]


@dataclass(frozen=True)
class Case:
    """A request to both. exception: a key of EXCEPTIONS, "" if both have to be equal."""

    path: str
    body: bytes
    content_type: str | None = JSON
    mode: str | None = None
    exception: str = ""
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        headers = {"content-type": self.content_type, "extra-parameters": self.mode}
        sent = {name: value for name, value in headers.items() if value is not None}
        object.__setattr__(self, "headers", sent)


def changed(path: str, mode: str | None = None, exception: str = "", **fields: object) -> Case:
    """Return a good request with other fields."""
    body = json.dumps({"messages": [MESSAGE], **fields}).encode()
    return Case(path, body, mode=mode, exception=exception)


def cases(path: str) -> Iterator[Case]:
    """Yield the requests to a route."""
    for name in FIELDS:
        for value in [*VALUES, *LIMITS.get(name, [])]:
            yield changed(path, **{name: value})
    for role in ("system", "assistant", "tool", "developer", "robot", "User", "", None, 1, []):
        yield changed(path, messages=[{"role": role, "content": "Hi"}])
    for message in ({}, {"content": "Hi"}, {"role": "user"}, {**MESSAGE, "name": "A"}, [], "Hi", 1):
        yield changed(path, messages=[MESSAGE, message])
    for content in CONTENTS:
        yield changed(path, messages=[{"role": "user", "content": content}])
    for tool_calls in TOOL_CALLS:
        yield changed(path, messages=[MESSAGE, {"role": "assistant", "tool_calls": tool_calls}])
    for tools in TOOLS:
        yield changed(path, tools=tools)
    for fields in SEVERAL_ERRORS:
        yield changed(path, **fields)
    for mode in MODES:
        for fields in EXTRAS:
            yield changed(path, mode, **fields)
    for body in (b"{}", b'{"a": 1}', b'{"temperature": 0}'):
        yield Case(path, body)
    for content_type in CONTENT_TYPES:
        broken = "not an object under /v1" if path == V1_CHAT else ""
        is_read = content_type and schemas.is_json(content_type)
        yield Case(path, TEXT.encode(), content_type, exception="" if is_read else broken)
        yield Case(path, b"", content_type)
    for body in BODIES.values():
        yield Case(path, body)
    for body in NOT_OBJECTS:
        yield Case(path, body, exception=broken)
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999"):
        body = b'{"messages": [{"role": "user"}], "temperature": %s}' % number
        yield Case(path, body, exception="not a number")
    yield Case(path, rb'{"model": ["\ud83d"]}', exception="half a surrogate pair")
    exception = "neither JSON nor UTF-8" if path == CHAT else broken
    yield Case(path, b"\xff", "text/plain", exception=exception)


CASES = [*cases(CHAT), *cases(V1_CHAT)]


class Engine:
    """Takes the place of the language model: it is never reached by a request that is refused."""

    def answer_in_steps(self, call: object) -> Iterator[float]:
        yield 0.0
        raise ReachedEngine


class ReachedEngine(Exception):
    """A request has passed all checks."""


@pytest.fixture(scope="module")
def responses() -> list[dict]:
    """Return what the published package answers to CASES."""
    try:
        python = toolchain.environment_in(ORACLE)
    except pytest.fail.Exception as failure:
        if os.environ.get("NOTHING_MAY_SKIP"):
            raise
        pytest.skip(f"the package cannot be installed here: {str(failure)[-300:]}")
    lines = [
        {
            "path": case.path,
            "headers": case.headers,
            "body": base64.b64encode(case.body).decode(),
        }
        for case in CASES
    ]
    done = subprocess.run(
        [*python, str(ORACLE / "oracle.py")],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def ours() -> list[Response | None]:
    """Return what the simulated server answers to CASES; None if a request reaches the model."""
    azure = SimulatedAzure(assistant=Engine())
    responses = []
    for case in CASES:
        request = Request("POST", case.path, "", {"api-key": azure.key, **case.headers}, case.body)
        try:
            responses.append(azure.handle(request))
        except ReachedEngine:
            responses.append(None)
    return responses


def is_from_engine(response: Response) -> bool:
    """Return True if an error is the engine's, wrapped by the server."""
    content = json.loads(response.body)
    try:
        return response.status == 400 and json.loads(content["error"]["message"])["code"] == 400
    except (KeyError, TypeError, ValueError):
        return False


def difference(case: Case, theirs: dict, response: Response | None) -> str:
    """Return how two answers to a request differ, "" if they do not."""
    is_passed = response is None or is_from_engine(response)
    if case.exception:
        is_as_expected = theirs["status"] == 500 and response.status in (400, 422)
        return "" if is_as_expected else "not an exception any more"
    if (theirs["sent"] is not None) is not is_passed:
        return "refused by one only"
    if not is_passed:
        content = json.loads(response.body)
        is_equal = (theirs["status"], theirs["body"]) == (response.status, content)
        return "" if is_equal else f"{response.status} {content}"
    fields = schemas.engine_fields(case.body, case.headers, INFERENCE, case.path == V1_CHAT)
    # The model's name is the server's own, and extra_params is a field that vLLM does not read.
    sent = {name: value for name, value in theirs["sent"].items() if name != "model"}
    is_read = case.path == CHAT or "extra_params" not in sent
    sent = sent if is_read else {k: v for k, v in sent.items() if k != "extra_params"}
    for message in (*sent["messages"], *fields["messages"]):
        message.pop("tool_calls", None)  # the package rewrites them, and Phi-4 does not read them
    return "" if json.loads(json.dumps(fields)) == sent else f"sent to the engine: {fields}"


def test_the_requests_are_many_and_of_all_kinds():
    assert len(CASES) >= MIN_REQUESTS
    assert {case.exception for case in CASES} == {"", *EXCEPTIONS}


def test_the_simulated_server_answers_as_the_published_package(responses, ours):
    assert len(responses) == len(CASES) == len(ours)
    differences = [
        f"{case}\npackage: {theirs}\nours: {text}"
        for case, theirs, response in zip(CASES, responses, ours, strict=True)
        if (text := difference(case, theirs, response))
    ]
    assert not differences, f"{len(differences)} of {len(CASES)}:\n" + "\n\n".join(differences[:10])
    statuses = Counter(theirs["status"] for theirs in responses)
    exceptions = sum(bool(case.exception) for case in CASES)
    print(f"{len(CASES)} requests, {dict(statuses)}, {exceptions} exceptions; the others are equal")
    assert min(statuses[200], statuses[422], statuses[400]) > 50
    assert exceptions == statuses[500] < len(CASES) / 20
