"""Judge the answers to the exercises of lesson 11, other clients and languages."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import requests

from helpers.exercises.clients import UNSEEN, is_simulated, requests_of
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import Feed, call, kind, show, show_error, take
from helpers.settings import CREDENTIAL, ENDPOINT

ROUTE = "/chat/completions"
FRANCE = "What is the capital of France?"
ITALY = "What is the capital of Italy?"
EXTRA = "extra-parameters"
PACKAGES = ("python-requests", "httpx", "openai", "azsdk", "aiohttp", "urllib3")


def send(text: str = FRANCE, key: str = "", fault: str = "", **entries: Any) -> requests.Response:
    """Return the endpoint's reply to a question at temperature 0.

    key: by default the endpoint's. fault: what goes wrong, as in the header x-simulated-fault,
    which a real endpoint ignores. entries: more of the body.
    """
    return requests.post(
        f"{os.environ[ENDPOINT]}{ROUTE}?api-version=2024-05-01-preview",
        headers={
            "Authorization": f"Bearer {key or os.environ[CREDENTIAL]}",
            **({"x-simulated-fault": fault} if fault else {}),
        },
        json={"messages": [{"role": "user", "content": text}], "temperature": 0, **entries},
        timeout=60,
    )


def empty_refusal() -> requests.Response:
    """Return a reply with the status 429 and no body, as endpoints send it."""
    reply = requests.Response()
    reply.status_code, reply.raw = 429, io.BytesIO()
    return reply


def content_of(reply: requests.Response) -> str:
    """Return the text in a reply with an answer."""
    return reply.json()["choices"][0]["message"]["content"]


def check_11_1(answer: Any) -> Outcome:
    """Return correct for a function that reads an answer, and raises HTTPError for a refusal."""
    for text in (FRANCE, ITALY):
        reply = send(text)
        result = call(answer, reply)
        if result.error is not None or result.value != content_of(reply):
            came = result.failure or f"it returned {show(result.value)}"
            return not_yet(
                f"with an answer of the endpoint, {came}",
                f"it returns {show(content_of(reply))}",
                "an answer has the status 200; then read and return its text, as before",
            )
    refusals = [send(temperature=5), send(key="not-the-key")]
    if is_simulated():
        refusals += [send(fault=fault) for fault in ("503", "429")]
    else:
        refusals.append(empty_refusal())
    for reply in refusals:
        result = call(answer, reply)
        if reply.ok or isinstance(result.error, requests.HTTPError):
            continue
        look = "`reply.raise_for_status()`, with its brackets, before the line that reads"
        if result.error is None:
            look = "`reply.raise_for_status()` raises the error; nothing may catch it"
        elif isinstance(result.error, requests.JSONDecodeError):
            look = "some refusals hold no JSON: check the status before you read"
        came = result.failure or f"it returned {show(result.value)}"
        return not_yet(
            f"with the status {reply.status_code}, {came}", "it raises requests.HTTPError", look
        )
    return correct()


def check_11_2(answer: Any) -> Outcome:
    """Return correct for a reply with log-probabilities, asked for with the header for extras.

    The reply holds the request as it was sent, so this works on any endpoint.
    """
    expected = "the reply to a request"
    if not isinstance(answer, requests.Response | httpx.Response):
        return not_yet(kind(answer), expected, "`requests.post(...)` returns it: put it in whole")
    request = answer.request
    sent = getattr(request, "body", None) or getattr(request, "content", b"")
    try:
        body = json.loads(sent)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return not_yet("a request without JSON", "a body of JSON", "`json=` makes it of a dict")
    if body.get("logprobs") is not True:
        came = f"`logprobs` {show(body['logprobs'])}" if "logprobs" in body else "no `logprobs`"
        return not_yet(
            f"a body with {came}", '`"logprobs": True` in the body', "`body | {...}` adds an entry"
        )
    if EXTRA in body:
        return not_yet(
            f"`{EXTRA}` in the body, and status {answer.status_code}",
            f"a header `{EXTRA}`",
            "`requests.post` takes headers in an argument of its own, `headers=`",
        )
    value = request.headers.get(EXTRA)
    if isinstance(value, bytes):
        value = value.decode()
    if value != "pass-through":
        return not_yet(
            f"a request {f'with `{EXTRA}` {show(value)}' if value else f'without `{EXTRA}`'}, "
            f"and status {answer.status_code}",
            f"the header `{EXTRA}` with the value `pass-through`",
            "without this value a server refuses extras or drops them; lesson 10 sent it, too",
        )
    if answer.status_code != 200:
        look = "keep the key: `headers | {...}` adds a header" if answer.status_code == 401 else ""
        return not_yet(
            f"status {answer.status_code}", "status 200", look or "the text of the reply"
        )
    if "/v1/" in str(request.url):
        return not_yet(
            f"a request to `{httpx.URL(str(request.url)).path}`",
            f"one to `{ROUTE}`",
            "the variable `url` holds the address",
        )
    if not answer.json()["choices"][0].get("logprobs"):
        return not_yet("a reply without log-probabilities", "one with them", "the request's body")
    return correct()


def check_11_3(answer: Any) -> Outcome:
    """Return correct for a client that needs only the standard library."""
    values = []
    for text in (FRANCE, ITALY):
        result, arrived = requests_of(answer, text)
        problem = _request_problem(arrived, text) if arrived else None
        if result.error is not None:
            look = _look_at(result.error)
            if problem is not None and problem.look:
                return problem
            return not_yet(result.failure, "the answer as a text", look)
        if problem is not None:
            return problem
        if arrived == []:
            return not_yet("no request", "one request a call", "`urlopen` sends the request")
        if not isinstance(result.value, str):
            came = "it printed a text and returned None" if result.printed else kind(result.value)
            return not_yet(
                came, "the answer as a text", "`return`, and the way from the JSON to `content`"
            )
        expected = result.value if arrived is None else content_of(send(text))
        if result.value != expected:
            return not_yet(
                f"for {show(text)}, it returned {show(result.value)}",
                show(expected),
                "the text is in `choices[0]`, `message`, `content`; return it unchanged",
            )
        values.append(result.value)
    if values[0] == values[1]:
        return not_yet(
            f"for two different questions, it returned {show(values[0])}",
            "two different answers",
            "the parameter `text` belongs into the messages",
        )
    return correct(UNSEEN if arrived is None else "")


def _look_at(error: BaseException) -> str:
    """Return where to look after an error of a client made by hand."""
    message = show_error(error)
    for piece, look in (
        ("POST data should be bytes", "`json.dumps(...)` is a text; `.encode()` makes it bytes"),
        ("can't concat str to bytes", "`json.dumps(...)` is a text; `.encode()` makes it bytes"),
        ("not JSON serializable", "`json.load(reply)` reads JSON; `json.dumps` makes it"),
        ("HTTP Error 401", "the request needs the headers with the key"),
        ("HTTP Error 405", "a request with `data` is a POST"),
        ("HTTP Error 404", "the address: the variable `url` holds it"),
        ("NameError", "a name that the lesson does not define; look at its spelling"),
        ("byte indices", "`json.load(reply)` makes Python's objects of the reply"),
        ("HTTPResponse", "`json.load(reply)` makes Python's objects of the reply"),
        ("not subscriptable", "`json.load(reply)` makes Python's objects of the reply"),
    ):
        if piece in message:
            return look
    return "the last line of the error; then the hints"


def _request_problem(arrived: list[dict], text: str) -> Outcome | None:
    """Return not yet if the last request that arrived is not the one of the task."""
    request = arrived[-1]
    headers, body = request["headers"], request["body"]
    agent = headers.get("user-agent", "").lower()
    if any(name in agent for name in PACKAGES):
        return not_yet(
            f"a request of the package {agent.partition('/')[0]}",
            "one that the standard library sends",
            "`urllib.request.Request` and `urlopen`",
        )
    if request["method"] != "POST":
        return not_yet(
            f"a {request['method']}", "a POST", "`Request(url, data, headers)` sends a POST"
        )
    content_type = headers.get("content-type", "")
    if "json" not in content_type:
        return not_yet(
            f"the header `Content-Type` {show(content_type)}, and status {request['status']}",
            "`application/json`",
            "`urllib` does not know JSON: add this header yourself",
        )
    if not isinstance(body, dict):
        return not_yet("a body that is no JSON object", "a JSON object", "`json.dumps` of a dict")
    if request["status"] == 401:
        return None
    messages = body.get("messages")
    content = messages[-1].get("content") if isinstance(messages, list) and messages else None
    if content != text:
        return not_yet(
            f"for {show(text)}, the request asked {show(content)}",
            "the text that was handed in",
            "the parameter `text` belongs into the messages",
        )
    if body.get("temperature") != 0:
        return not_yet(
            f"a request with the temperature {show(body.get('temperature'))}",
            "temperature 0",
            "the body has two entries",
        )
    return None


# A stream, line by line

PIECES = ("Paris", " is", " big.")
TEXT = "".join(PIECES)
DONE = "data: [DONE]"


def line(space: str = " ", **delta: Any) -> str:
    """Return a line of a stream with one choice."""
    return f"data:{space}{json.dumps({'choices': [{'index': 0, 'delta': delta}]})}"


WORDS = [line(content=piece) for piece in PIECES]
STREAMS = {  # what is special -> (lines, where to look)
    "the lines of this endpoint": (
        [line(content=""), *WORDS, line(), DONE],
        "take off `data:`, stop at `[DONE]`, and read the rest as JSON",
    ),
    "empty lines and comments": (
        [": ping", "", *WORDS[:1], "", ": ping", *WORDS[1:], "", DONE],
        "only a line that begins with `data:` holds JSON: pass over the others",
    ),
    "no space after `data:`": (
        [*(line("", content=piece) for piece in PIECES), "data:[DONE]"],
        "take off `data:` without the space; `strip()` takes off a space if there is one",
    ),
    "a chunk without choices": (
        [*WORDS, 'data: {"choices": [], "usage": {"total_tokens": 9}}', DONE],
        "an empty list has no `[0]`: loop over the choices",
    ),
    "a delta whose content is null": (
        [line(role="assistant", content=None), *WORDS, DONE],
        '`None or ""` is `""`',
    ),
}


def check_11_4(answer: Any) -> Outcome:
    """Return correct for a generator that reads the lines of any stream, piece by piece."""
    for name, (lines, look) in STREAMS.items():
        feed = Feed(lines)
        result = call(answer, feed)
        if result.error is not None or not isinstance(result.value, Iterator):
            came = result.failure or f"it returned {show(result.value)}"
            return not_yet(f"with {name}, {came}", "a generator", "it needs `yield`")
        taken = take(result.value, feed)
        if taken.error is not None:
            return not_yet(
                f"with {name}, it raised {show_error(taken.error)}", f"the text {show(TEXT)}", look
            )
        if taken.is_endless:
            return not_yet(
                f"with {name}, it handed on {len(taken.items)} texts and did not end",
                f"the text {show(TEXT)}",
                "the loop over the lines ends when they do",
            )
        texts = [item for item in taken.items if isinstance(item, str)]
        if len(texts) < len(taken.items):
            other = next(item for item in taken.items if not isinstance(item, str))
            return not_yet(
                f"with {name}, it handed on {kind(other)}",
                "texts",
                look if other is None else "the text is in `delta`, `content` of each choice",
            )
        if "".join(texts) != TEXT:
            return not_yet(f"with {name}, the text was {show(''.join(texts))}", show(TEXT), look)
        first = next(number for number, text in enumerate(taken.items) if text)
        if taken.reads[first] > lines.index(next(each for each in lines if PIECES[0] in each)) + 1:
            return not_yet(
                "the first piece was handed on only after later lines had been read",
                "each piece is handed on before the next line is read",
                "`yield` inside the loop",
            )
    cut = take(call(answer, Feed([line(content=""), *WORDS[:2]])).value)
    if not isinstance(cut.error, ConnectionError):
        end = f"it raised {show_error(cut.error)}" if cut.error else "it ended without an error"
        return not_yet(
            f"with lines that end without `{DONE}`, {end}",
            "ConnectionError",
            "`return` at `[DONE]`; then the code after the loop runs only if it never came",
        )
    return correct()
