"""Lesson 10's table from azure-ai-inference to openai: each row is tested through both packages.

The clients are real, and so is the socket between them and the simulated endpoint. Nearly all rows
are tested by evaluating both sides. The tests below the table cover the lesson's code, and how the
packages differ: how often each repeats a request, what each does with a broken stream.
"""

from __future__ import annotations

import ast
import asyncio
import logging
import os
import re
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from inspect import isawaitable
from itertools import count
from types import SimpleNamespace
from typing import Any

import azure.ai.inference.aio
import azure.core.exceptions
import azure.identity.aio
import certifi
import httpx
import openai
import openai.types.chat
import pytest
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import (
    AssistantMessage,
    CompletionsFinishReason,
    JsonSchemaFormat,
    SystemMessage,
    UserMessage,
)
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential, EnvironmentCredential, get_bearer_token_provider
from lesson_sources import read_lesson, robust_call
from openai import AsyncOpenAI, DefaultHttpxClient, OpenAI
from test_complete import ID

from helpers.streaming import finish_reason_of, piece_of
from helpers.wire import requests_received
from tools.translation import load_rows

ROWS = load_rows()
MESSAGES = [{"role": "user", "content": "How many languages are in the world?"}]
FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
SCOPE = "https://ml.azure.com/.default"
PASS_THROUGH = {"extra-parameters": "pass-through"}  # as lesson 10 advises for the new client
SERVE = {"x-simulated-server": "serve"}
CHANGING_FIELDS = ("id", "created")
NO_SUCH_HOST = "https://my-phi4.invalid"
MALFORMED = ("malformed", "detail-list", "detail-object")
EMPTY = [None, "", [], {}]
SOON = 0.5  # seconds: a read timeout for requests that get no answer
GUARD = 60.0  # seconds for everything that should succeed
RUN_NUMBERS = count()


@pytest.fixture(scope="module")
def variables(simulator) -> Iterator[dict[str, str]]:
    """Set the variables of the simulated endpoint, and yield them."""
    variables = simulator.variables()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield variables


class Side:
    """One of the two packages: its client, and the names that a row may use.

    Args:
        name: "old" or "new".
        fault: the simulated fault that each request asks for.
    """

    def __init__(
        self,
        name: str,
        variables: Mapping[str, str],
        credential: DefaultAzureCredential,
        fault: str = "",
    ):
        self.name, self.variables, self.credential, self.fault = name, variables, credential, fault
        self.endpoint, self.key = (
            variables["AZURE_INFERENCE_ENDPOINT"],
            variables["AZURE_INFERENCE_CREDENTIAL"],
        )
        self.client = self.make_client()
        extras = {"logprobs": True, "top_logprobs": 2}
        lazy: dict[str, Callable[[], Any]] = {  # requested only where a row uses it
            "reply": lambda: self.ask(
                self.client, **(extras if name == "new" else {"model_extras": extras})
            ),
            "choice": lambda: self.names["reply"].choices[0],
            "chunks": lambda: [*self.ask(self.client, stream=True)],
            "error": lambda: self.failure("malformed"),
        }
        self.names = Lazy(lazy, PACKAGES | self._own_names())

    def _own_names(self) -> dict[str, Any]:
        """Return the names that need no request."""
        certificates = self.variables["REQUESTS_CA_BUNDLE"]
        shared = {
            "endpoint": self.endpoint,
            "key": self.key,
            "credential": self.credential,
            "nobody": EnvironmentCredential(),  # raises, since its variables are not set
            "scope": SCOPE,
            "tokens": get_bearer_token_provider(self.credential, SCOPE),
            "headers": {"x-note": "translation"},
            "serve": SERVE,
            "certificates": certificates,
            "tls": ssl.create_default_context(cafile=certificates),
            "messages": MESSAGES,
            "schema": {"type": "object"},
            "client": self.client,
        }
        if self.name == "old":
            more = {"headers": self._headers()} if self.fault else {}
            own = {
                "make": partial(
                    ChatCompletionsClient, self.endpoint, AzureKeyCredential(self.key), **more
                ),
                "complete": partial(self.client.complete, messages=MESSAGES),
            }
        else:
            more = {"default_headers": self._headers()} if self.fault else {}
            own = {
                "make": partial(OpenAI, base_url=f"{self.endpoint}/v1", api_key=self.key, **more),
                "create": partial(
                    self.client.chat.completions.create, model="Phi-4", messages=MESSAGES
                ),
            }
        return shared | own

    def _headers(self) -> dict[str, str]:
        """Return the headers that ask for the fault."""
        return (
            {"x-simulated-fault": self.fault, "x-note": f"fault {self.fault}"} if self.fault else {}
        )

    def make_client(self, endpoint: str | None = None, headers: dict | None = None) -> Any:
        """Return a client that repeats no request and sends these headers."""
        endpoint = endpoint or self.endpoint
        if self.name == "old":
            return ChatCompletionsClient(
                endpoint,
                AzureKeyCredential(self.key),
                retry_total=0,
                headers=headers or self._headers(),
            )
        return OpenAI(
            base_url=f"{endpoint}/v1",
            api_key=self.key,
            max_retries=0,
            default_headers=PASS_THROUGH | self._headers(),
        )

    def under(self, fault: str) -> Side:
        """Return the same package with requests that ask for a fault."""
        return Side(self.name, self.variables, self.credential, fault)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of the table, which is part of this kit."""
        return eval(expression, {"__builtins__": __builtins__}, self.names)

    def ask(self, client: Any, **parameters: Any) -> Any:
        """Return a completion, or a coroutine that does.

        Args:
            client: a client, or a function that calls it with defaults of its own.
        """
        parameters = {"messages": MESSAGES, "temperature": 0, **parameters}
        if isinstance(client, partial):
            return client(**parameters)
        if isinstance(client, OpenAI | AsyncOpenAI):
            answer = client.chat.completions.create(model="Phi-4", **parameters)
        else:
            assert isinstance(
                client, ChatCompletionsClient | azure.ai.inference.aio.ChatCompletionsClient
            )
            answer = client.complete(**parameters)
        return _with_closing(client, answer) if isawaitable(answer) else answer

    def failure(self, fault: str) -> Exception:
        """Return the exception that a fault causes.

        Args:
            fault: the fault of a request; after "stream: " that of a stream, and after
                "async stream: " that of an asynchronous one.
        """
        if fault.startswith("async stream: "):
            return asyncio.run(
                self._failure_of_an_async_stream(fault.removeprefix("async stream: "))
            )
        client = self.make_client(NO_SUCH_HOST if fault == "no-such-host" else None)
        parameters: dict[str, Any] = {"messages": []} if fault in MALFORMED else {}
        if fault not in ("malformed", "no-such-host"):
            parameters["headers" if self.name == "old" else "extra_headers"] = {
                "x-simulated-fault": fault.removeprefix("stream: ")
            }
        if fault.startswith("wait"):
            parameters |= self.read_timeout(SOON)
        if fault.startswith("stream: "):
            return failure_of(lambda: [*self.ask(client, stream=True, **parameters)])
        return failure_of(lambda: self.ask(client, **parameters))

    def read_timeout(self, seconds: float) -> dict[str, Any]:
        """Return the parameters that set how long a request waits for the next bytes."""
        if self.name == "old":
            return {"read_timeout": seconds}
        return {"timeout": httpx.Timeout(GUARD, read=seconds)}

    async def _failure_of_an_async_stream(self, fault: str) -> Exception:
        async with async_names(self)["client"] as client:
            if self.name == "old":
                stream = await client.complete(
                    messages=MESSAGES, stream=True, headers={"x-simulated-fault": fault}
                )
            else:
                stream = await client.chat.completions.create(
                    model="Phi-4",
                    messages=MESSAGES,
                    stream=True,
                    extra_headers={"x-simulated-fault": fault},
                )
            try:
                _ = [chunk async for chunk in stream]
            except Exception as error:
                return error
        raise AssertionError(f"{fault} raised nothing")


class Lazy(dict):
    """Names, some of which get their values when they are first used."""

    def __init__(self, makers: dict[str, Callable[[], Any]], names: dict[str, Any]):
        super().__init__(names)
        self._makers = makers

    def __missing__(self, name: str) -> Any:
        if name not in self._makers:
            raise KeyError(name)  # a NameError of the expression
        self[name] = self._makers[name]()
        return self[name]


PACKAGES = {
    "AssistantMessage": AssistantMessage,
    "AzureKeyCredential": AzureKeyCredential,
    "ChatCompletionsClient": ChatCompletionsClient,
    "CompletionsFinishReason": CompletionsFinishReason,
    "DefaultHttpxClient": DefaultHttpxClient,
    "JsonSchemaFormat": JsonSchemaFormat,
    "OpenAI": OpenAI,
    "SystemMessage": SystemMessage,
    "UTC": UTC,
    "UserMessage": UserMessage,
    "azure": azure,
    "datetime": datetime,
    "get_bearer_token_provider": get_bearer_token_provider,
    "logging": logging,
    "openai": openai,
    "os": os,
    "partial": partial,
    "piece_of": piece_of,
    "ssl": ssl,
    **{
        name: getattr(azure.core.exceptions, name)
        for name in (
            "AzureError",
            "ClientAuthenticationError",
            "HttpResponseError",
            "ResourceNotFoundError",
            "ServiceRequestError",
            "ServiceResponseError",
            "ServiceResponseTimeoutError",
        )
    },
}


def failure_of(call: Callable[[], Any]) -> Exception:
    """Return the exception that a call raises."""
    with pytest.raises(Exception) as caught:  # noqa: B017
        call()
    return caught.value


async def _with_closing(client: Any, answer: Any) -> Any:
    """Await an answer, and close its client."""
    async with client:
        return await answer


def plain(value: Any) -> Any:
    """Return a value of either package as dictionaries, lists and numbers.

    Fields that differ from request to request are left out.
    """
    for method in ("as_dict", "to_dict"):
        if hasattr(value, method):
            return plain(getattr(value, method)())
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if name not in CHANGING_FIELDS}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


# One function for each kind of check: the head of openai-translation.toml says what they compare


def compare_value(row: dict, old: Side, new: Side) -> None:
    values = []
    for fault in row.get("faults", [None]):
        if fault:
            old.names["error"], new.names["error"] = old.failure(fault), new.failure(fault)
        before, after = plain(old.evaluate(row["old"])), plain(new.evaluate(row["new"]))
        values.append(before)
        if "within" in row:
            within = (
                timedelta(seconds=row["within"]) if isinstance(before, datetime) else row["within"]
            )
            assert abs(before - after) <= within
        else:
            assert before == after, fault
    assert any(value not in EMPTY for value in values)


def compare_client(row: dict, old: Side, new: Side) -> None:
    replies = [side.ask(side.evaluate(row[side.name])) for side in (old, new)]
    assert replies[0].choices[0].message.content
    assert plain(replies[0]) == plain(replies[1])


def compare_stream(row: dict, old: Side, new: Side) -> None:
    streams = [[*side.evaluate(row[side.name])] for side in (old, new)]
    pieces = [[piece_of(chunk) for chunk in chunks] for chunks in streams]
    assert len(pieces[0]) > 5
    assert pieces[0] == pieces[1]
    assert [finish_reason_of(chunks) for chunks in streams] == ["stop", "stop"]


def compare_with(row: dict, old: Side, new: Side) -> None:
    for side in (old, new):
        exec(
            f"{row[side.name]}\n    first = next(iter(stream))",
            {"__builtins__": __builtins__},
            side.names,
        )
        assert piece_of(side.names.pop("first")) == ""  # it holds the role
        with pytest.raises((AttributeError, openai.APIConnectionError)):
            _ = [*side.names["stream"]]


def async_names(side: Side) -> dict[str, Any]:
    """Return the names that rows about asynchronous calls may use. An event loop has to run.

    The old client gets the certificates as an argument, because aiohttp reads SSL_CERT_FILE only
    when it is imported.
    """
    old_class = partial(
        azure.ai.inference.aio.ChatCompletionsClient, connection_verify=side.names["certificates"]
    )
    if side.name == "old":
        client: Any = old_class(side.endpoint, AzureKeyCredential(side.key))
        own = {"complete": partial(client.complete, messages=MESSAGES)}
    else:
        client = AsyncOpenAI(
            base_url=f"{side.endpoint}/v1", api_key=side.key, default_headers=PASS_THROUGH
        )
        own = {"create": partial(client.chat.completions.create, model="Phi-4", messages=MESSAGES)}
    asynchronous = {
        "client": client,
        "credential": azure.identity.aio.DefaultAzureCredential(),
        "get_bearer_token_provider": azure.identity.aio.get_bearer_token_provider,
        "ChatCompletionsClient": old_class,
        "AsyncOpenAI": AsyncOpenAI,
    }
    return {**side.names, **asynchronous, **own}


async def evaluate_async(expression: str, names: dict[str, Any]) -> Any:
    """Return the value of an expression that may await."""
    code = compile(expression, expression, "eval", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    value = eval(code, {"__builtins__": __builtins__} | names)
    return await value if isawaitable(value) else value


def compare_async(row: dict, old: Side, new: Side) -> None:
    async def outcome(side: Side) -> Any:
        names = async_names(side)
        async with names["credential"], names["client"] as client:
            value = await evaluate_async(row[side.name], names)
            if row.get("closed"):
                with pytest.raises((ValueError, RuntimeError), match="closed"):
                    await side.ask(client)
                return "closed"
            if hasattr(value, "close"):
                value = await side.ask(value)
            return plain(value)

    before, after = (asyncio.run(outcome(side)) for side in (old, new))
    assert before not in EMPTY
    assert before == after


def compare_name(row: dict, old: Side, new: Side) -> None:
    assert callable(old.evaluate(row["old"]))
    assert callable(new.evaluate(row["new"]))


def compare_sent(row: dict, old: Side, new: Side) -> None:
    for side, path in ((old, "/chat/completions"), (new, "/v1/chat/completions")):
        faulty = side.under(f"{row['fault']}; after={next(RUN_NUMBERS)}")  # tells runs apart
        with pytest.raises((azure.core.exceptions.AzureError, openai.OpenAIError)):
            value = faulty.evaluate(row[side.name])
            if isinstance(value, ChatCompletionsClient | OpenAI):
                faulty.ask(value)
        received = [request for request in requests_received(last=9) if request["path"] == path]
        faults = [request["headers"].get("x-simulated-fault") for request in received]
        assert faults.count(faulty.fault) == row["sent"], side.name


def compare_refused(row: dict, old: Side, new: Side) -> None:
    errors = [
        failure_of(partial(side.ask, side.client, response_format=side.evaluate(row[side.name])))
        for side in (old, new)
    ]
    assert [error.status_code for error in errors] == [422, 422]
    assert errors[0].response.json() == errors[1].response.json()


def compare_raises(row: dict, old: Side, new: Side) -> None:
    async def call(side: Side) -> Any:
        value = await evaluate_async(row[f"{side.name}_does"], dict(side.names))
        answer = side.ask(value) if hasattr(value, "close") else value
        return await answer if isawaitable(answer) else answer

    errors: list[list[Exception]] = []
    for side in (old, new):
        classes = side.evaluate(row[side.name])
        does = row.get(f"{side.name}_does")
        errors.append(
            [failure_of(lambda side=side: asyncio.run(call(side)))]
            if does
            else [*map(side.failure, row["faults"])]
        )
        if not isinstance(classes, tuple):
            classes = (classes,) * len(errors[-1])
        for error, kind in zip(errors[-1], classes, strict=True):
            assert isinstance(error, kind) if row.get("base") else type(error) is kind
    if "old_does" not in row:
        statuses = [[getattr(error, "status_code", None) for error in raised] for raised in errors]
        assert statuses[0] == statuses[1]


def compare_text(row: dict, old: Side, new: Side) -> None:
    for fault in row["faults"]:
        old.names["error"], new.names["error"] = old.failure(fault), new.failure(fault)
        message = getattr(getattr(old.names["error"], "error", None), "message", None) or ""
        for side in (old, new):
            text = side.evaluate(row[side.name])
            assert text
            assert isinstance(text, str)
            assert text != "None"
            assert message in text


def compare_logger(row: dict, old: Side, new: Side) -> None:
    for side in (old, new):
        logger, lines = side.evaluate(row[side.name]), []
        handler = logging.Handler()
        handler.emit = lambda record, lines=lines: lines.append(record.getMessage())
        logger.addHandler(handler)
        level = logger.level
        try:
            logger.setLevel(logging.CRITICAL)
            side.ask(side.client)
            assert lines == []
            logger.setLevel(logging.DEBUG)
            side.ask(side.client)
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
        assert lines
        assert side.key not in "\n".join(lines)


def compare_variable(row: dict, old: Side, new: Side) -> None:
    variables = {"OPENAI_BASE_URL": f"{old.endpoint}/v1", "OPENAI_API_KEY": old.key}
    assert variables[row["new"]].startswith(old.evaluate(row["old"]))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        assert plain(new.ask(OpenAI())) == plain(old.ask(old.client))
        patch.delenv(row["new"])
        try:
            outcome = OpenAI().base_url.host
        except openai.OpenAIError as error:
            outcome = str(error)
        assert outcome == "api.openai.com" or row["new"] in outcome


def compare_trust(row: dict, old: Side, new: Side) -> None:
    file = os.environ["REQUESTS_CA_BUNDLE"]
    for side in (old, new):
        with pytest.MonkeyPatch.context() as patch:
            for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
                patch.delenv(name, raising=False)
            with pytest.raises((azure.core.exceptions.AzureError, openai.APIConnectionError)):
                side.ask(side.make_client())
            patch.setenv(row[side.name], file)
            assert side.ask(side.make_client()).choices[0].message.content


@cache
def lesson_cells(lesson: str) -> dict[str, str]:
    """Return id -> source of the cells of a lesson."""
    return {cell.id: cell.source for cell in read_lesson(lesson).cells}


def robust_complete() -> str:
    """Return the code of lesson 09's file without its last lines, which ask a question."""
    return robust_call().partition("\nif __name__")[0]


def taught_functions(client: Any, code: str) -> dict[str, Any]:
    """Return the names that the code of lesson 09's file defines, with another client."""
    names: dict[str, Any] = {"openai": openai, "ID": ID}
    exec(code, names)
    names["client"] = client
    return names


def compare_replace(row: dict, old: Side, new: Side) -> None:
    assert row["old"] in robust_complete()


COMPARE = {
    "value": compare_value,
    "client": compare_client,
    "stream": compare_stream,
    "with": compare_with,
    "async": compare_async,
    "name": compare_name,
    "sent": compare_sent,
    "refused": compare_refused,
    "raises": compare_raises,
    "text": compare_text,
    "logger": compare_logger,
    "trust": compare_trust,
    "variable": compare_variable,
    "replace": compare_replace,
}


@pytest.fixture(scope="module")
def sides(variables) -> tuple[Side, Side]:
    """Return the old package and the new one."""
    credential = DefaultAzureCredential()  # one for both, as in a program during a migration
    return Side("old", variables, credential), Side("new", variables, credential)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the old package from printing that a stream could not be read."""
    logger = logging.getLogger("azure.core.pipeline.transport")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['part']}: {row['what']}"[:80])
def test_both_sides_of_a_row_do_the_same(row, sides):
    COMPARE[row["check"]](row, *sides)
    if "received" in row:
        requests = {request["path"]: request for request in requests_received(last=2)}
        before, after = [
            eval(row["received"], {"request": requests[path]})
            for path in ("/chat/completions", "/v1/chat/completions")
        ]
        assert before not in EMPTY
        assert before == after


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize(
    "row",
    [
        {
            "check": "value",
            "old": "reply.usage.prompt_tokens",
            "new": "reply.usage.completion_tokens",
        },
        {"check": "value", "old": "complete(seed=2)", "new": "create(seed=3)"},
        {"check": "value", "old": "reply.no_such_field", "new": "reply.model"},
        {
            "check": "value",
            "old": "error.error.code",
            "new": "error.code",
            "faults": ["malformed", "404"],
        },
        {
            "check": "value",
            "old": "error.status_code",
            "new": 'error.body["status"]',
            "faults": ["malformed", "429"],
        },
        {"check": "name", "old": "client.close", "new": "openai.NoSuchClient"},
        {
            "check": "raises",
            "faults": ["429"],
            "old": "azure.core.exceptions.HttpResponseError",
            "new": "openai.NotFoundError",
        },
        {
            "check": "raises",
            "faults": ["401", "404"],
            "old": "AzureError",
            "new": "openai.AuthenticationError",
            "base": True,
        },
        {
            "check": "raises",
            "old": "TypeError",
            "new": "TypeError",
            "old_does": "complete(x=1)",
            "new_does": "create()",
        },
        {
            "check": "sent",
            "fault": "503",
            "sent": 1,
            "old": "make(retry_total=0)",
            "new": "make(max_retries=1)",
        },
        {
            "check": "sent",
            "fault": "429",
            "sent": 2,
            "old": "make(retry_total=1)",
            "new": "make(max_retries=1)",
        },
        {
            "check": "refused",
            "old": 'JsonSchemaFormat(name="city", schema=schema)',
            "new": '{"type": "text"}',
        },
        {"check": "text", "faults": ["429"], "old": "error.message", "new": "error.body"},
        {
            "check": "with",
            "old": "with complete(stream=True) as stream:",
            "new": "for stream in [create(stream=True)]:",
        },
        {
            "check": "async",
            "old": "await complete(max_tokens=3)",
            "new": "await create(max_tokens=4)",
        },
        {"check": "async", "old": "await client.close()", "new": "client.base_url", "closed": True},
        {
            "check": "logger",
            "old": 'logging.getLogger("azure")',
            "new": 'logging.getLogger("azure.openai")',
        },
        {
            "check": "client",
            "old": "client",
            "new": 'partial(client.chat.completions.create, model="Phi-4", max_tokens=9)',
        },
        {
            "check": "variable",
            "old": 'os.environ["AZURE_INFERENCE_CREDENTIAL"]',
            "new": "OPENAI_BASE_URL",
        },
        {"check": "trust", "old": "REQUESTS_CA_BUNDLE", "new": "REQUESTS_CA_BUNDLE"},
        {"check": "replace", "old": "not in that lesson", "new": "anything"},
    ],
    ids=lambda row: f"{row['check']} {row['new']}",
)
def test_a_wrong_row_is_noticed(row, sides):
    with pytest.raises(
        (
            AssertionError,
            AttributeError,
            TypeError,
            pytest.fail.Exception,
            openai.APIConnectionError,
        )
    ):
        COMPARE[row["check"]](row, *sides)


# The code of the lessons


def taught(*cells: str, **names: Any) -> dict[str, Any]:
    """Run cells of lesson 10. Return the names that they define and those that they use."""
    for cell in cells:
        exec(lesson_cells("10-openai-sdk")[cell], names)
    return names


@pytest.fixture
def once(sides) -> Callable[..., Any]:
    """Return the call of the new package. It repeats no request."""
    return partial(sides[1].client.chat.completions.create, model="Phi-4", messages=FRANCE)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("401", "Auth token validation failed. Please provide a valid key or a valid AAD token"),
        ("403", "The identity may not call this endpoint."),
        ("404", "Not Found"),
        ("424", "Not Found"),
        ("424-503", "The model is not ready yet."),
        ("429", "Error code: 429"),
        ("content-filter", "The response was filtered due to the prompt"),
        ("malformed", "'loc': ['body', 'messages']"),
        ("detail-list", "'loc': ['body', 'messages']"),
        ("detail-object", "'loc': ['body', 'messages']"),
        ("no-such-host", "Connection error."),
        ("wait; seconds=60", "Request timed out."),
        ("stream: error-event; after=3", "The model stopped."),
    ],
)
def test_the_lessons_reason_of_reads_error_bodies_of_any_shape(fault, reason, sides):
    reason_of = taught("errors-reason")["reason_of"]
    assert reason in reason_of(sides[1].failure(fault))


@pytest.mark.parametrize(
    "body", [None, "", "NOT FOUND", {}, [], {"error": 1}, {"detail": {"loc": ["body"]}}, ["a"], 5]
)
def test_the_lessons_reason_of_returns_some_text_for_any_body(body):
    error = SimpleNamespace(body=body, message="Error code: 400")
    assert taught("errors-reason")["reason_of"](error)


@pytest.mark.parametrize(
    "fault",
    ["401", "404", "424", "content-filter", "malformed", "detail-list", "detail-object", "503"],
)
def test_the_reason_in_of_lesson_09_reads_the_body_of_the_new_packages_errors(fault, sides):
    old, new = sides
    box = taught_functions(old.client, robust_complete())
    assert box["reason_in"](new.failure(fault).body) == box["reason_of"](old.failure(fault))


def test_the_lessons_handler_reports_every_fault(sides, once):
    ending_of = taught(
        "errors-reason", "errors-handler", openai=openai, finish_reason_of=finish_reason_of
    )["ending_of"]
    expected = {
        "": "stop",
        "401": "status 401: Auth token validation failed. Please provide a valid key or a valid "
        "AAD token",
        "429": "status 429: Error code: 429",
        "424": "status 424: Not Found",
        "wait; seconds=60": "Request timed out. (ReadTimeout)",
        "slow; seconds=60": "Request timed out. (ReadTimeout)",
        "cut; after=3": "Connection error. (RemoteProtocolError)",
        "error-event; after=3": "in the stream: The model stopped.",
        "event-line; after=3": "in the stream: The model stopped.",
        "end; after=3": "no finish reason: it broke off",
    }
    results = {}
    for fault in expected:
        timeout = sides[1].read_timeout(SOON if "seconds=" in fault else GUARD)
        results[fault] = ending_of(once, extra_headers={"x-simulated-fault": fault}, **timeout)
    assert results == expected
    nowhere = OpenAI(base_url=f"{NO_SUCH_HOST}/v1", api_key="made-up", max_retries=0)
    call = partial(nowhere.chat.completions.create, model="Phi-4", messages=FRANCE)
    assert ending_of(call) == "Connection error. (ConnectError)"


def test_an_error_in_a_stream_is_neither_a_status_error_nor_a_connection_error(sides):
    error = sides[1].failure("stream: error-event; after=3")
    assert type(error) is openai.APIError
    assert not isinstance(error, openai.APIStatusError | openai.APIConnectionError)


def test_the_exercise_is_not_solved_by_a_migration_without_the_old_defaults(sides, once):
    old, new = sides
    names = {
        "on_serve": old.make_client(headers=SERVE),
        "UserMessage": UserMessage,
        "HttpResponseError": azure.core.exceptions.HttpResponseError,
    }
    model = served_model(new.client)
    lesson = taught("your-turn-old", "your-turn-try", **names)

    def naive(review: str, **parameters: Any) -> tuple[str | None, float]:
        question = [{"role": "user", "content": f'Is this review positive or negative? "{review}"'}]
        try:
            reply = once(
                model=model,
                messages=question,
                seed=6,
                logprobs=True,
                extra_headers=SERVE,
                **parameters,
            )
        except openai.APIStatusError as error:
            return None, error.status_code
        item = reply.choices[0].logprobs.content[0]
        return item.token, round(item.logprob, 3)

    right = [lesson["label_old"](review) for review in lesson["reviews"]]
    for parameters, wrong in [
        ({}, [True, True, True]),
        ({"temperature": 0.7}, [False, False, True]),
        ({"max_tokens": 256}, [True, True, False]),
        ({"temperature": 0.7, "max_tokens": 256}, [False, False, False]),
    ]:
        labels = [naive(review, **parameters) for review in lesson["reviews"]]
        assert [a != b for a, b in zip(labels, right, strict=True)] == wrong


@pytest.fixture(params=["409", "no answer"])
def unwilling(request) -> Iterator[SimpleNamespace]:
    """Yield a server that counts requests, and answers 409 or closes the connection."""
    state = SimpleNamespace(count=0, url="", answers=request.param == "409")

    class Unwilling(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.count += 1
            self.rfile.read(int(self.headers["Content-Length"]))
            self.close_connection = True
            if state.answers:
                self.send_response(409)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Print nothing."""

    server = HTTPServer(("127.0.0.1", 0), Unwilling)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def robust(sides) -> SimpleNamespace:
    """Return lesson 09's complete (old), and the same after the table's replacements (new).

    Each takes a fault, and returns (answer or error, seconds of each wait).
    """
    old, new = sides

    def run(code: str, client: Any, headers_of: Callable[[dict], dict]) -> Callable[..., tuple]:
        lesson = taught_functions(client, code)

        def outcome(fault: str, **settings: Any) -> tuple:
            waits: list[float] = []
            lesson["chance"].seed(9)
            headers = {"x-simulated-fault": fault} if fault else {}
            try:
                answer = lesson["complete"](
                    FRANCE, sleep=waits.append, temperature=0, **headers_of(headers), **settings
                )
            except RuntimeError as error:
                answer = re.sub(r"request id: \d+", "request id: ...", str(error))
            return answer, waits

        return outcome

    numbers = count()  # each call gets an id, by which the simulated endpoint counts attempts

    def before(headers: dict) -> dict:
        return {"headers": headers, "request_id": f"{next(numbers)}"}

    def after(headers: dict) -> dict:
        return {"extra_headers": {ID: f"{next(numbers)}"} | headers}

    return SimpleNamespace(
        old=run(robust_complete(), old.client, before),
        new=run(replaced(robust_complete()), new.client.with_options(max_retries=0), after),
    )


def replaced(source: str) -> str:
    """Return code of lesson 09 after the table's replacements."""
    for row in (row for row in ROWS if row["check"] == "replace"):
        source = source.replace(row["old"], row["new"])
    return source


@pytest.mark.parametrize(
    "fault", ["", "429; times=3", "429; retry-after=2; times=1", "502; times=1", "424-503; times=1"]
)
def test_complete_migrated_to_openai_repeats_as_often_and_answers_the_same(fault, robust):
    assert robust.new(fault) == robust.old(fault)
    assert robust.new(fault)[0] == ("The capital of France is Paris.", "stop")


@pytest.mark.parametrize("fault", ["end", "cut", "error-event", "event-line"])
def test_complete_migrated_to_openai_repeats_a_broken_stream(fault, robust):
    assert robust.new(f"{fault}; after=3; times=1")[0] == (
        "The capital of France is Paris.",
        "stop",
    )


@pytest.mark.parametrize(
    "fault", ["401", "403", "424", "content-filter", "429; retry-after=3600", "503", "end; after=3"]
)
def test_complete_migrated_to_openai_gives_up_with_the_same_message(fault, robust):
    assert robust.new(fault) == robust.old(fault)
    assert "(attempts: " in robust.new(fault)[0]


def test_complete_migrated_to_openai_repeats_nothing_after_a_refused_certificate(sides):
    new = sides[1]
    lesson = taught_functions(new.client, replaced(robust_complete()))
    with DefaultHttpxClient(verify=ssl.create_default_context(cafile=certifi.where())) as strict:
        client = OpenAI(
            base_url=f"{new.endpoint}/v1", api_key="made-up", http_client=strict, max_retries=0
        )
        error = failure_of(lambda: client.chat.completions.create(model="Phi-4", messages=FRANCE))
    assert lesson["may_pass"](error) is False
    assert lesson["may_pass"](new.failure("no-such-host")) is True


@pytest.mark.parametrize(
    ("key", "host"), [("not-the-key-at-all\n", ""), ("not-the-key-at-all", "my-phi4.example/v1")]
)
def test_complete_migrated_to_openai_shows_no_key_and_repeats_nothing_unsent(sides, key, host):
    with OpenAI(base_url=host or f"{sides[1].endpoint}/v1", api_key=key, max_retries=0) as client:
        lesson = taught_functions(client, replaced(robust_complete()))
        with pytest.raises(RuntimeError, match="attempts: 1,") as caught:
            lesson["complete"](FRANCE, sleep=lambda wait: None)
    assert "not-the-key" not in "".join(traceback.format_exception(caught.value))


def test_complete_migrated_to_openai_names_the_status_if_nothing_else_is_known(unwilling):
    with OpenAI(base_url=unwilling.url, api_key="made-up", max_retries=0) as client:
        lesson = taught_functions(client, replaced(robust_complete()))
        with pytest.raises(
            RuntimeError, match="409: Conflict" if unwilling.answers else "Connection error"
        ) as caught:
            lesson["complete"](FRANCE, sleep=lambda wait: None)
    assert ("attempts: 1," in str(caught.value)) == unwilling.answers


# How the packages differ


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        ("400", (1, 1)),
        ("408", (1, 2)),
        ("424", (1, 1)),
        ("429", (1, 2)),
        ("503", (2, 2)),
        ("late", (1, 2)),
    ],
)
def test_how_often_each_package_sends_a_request_that_fails(fault, sent, sides):
    """Both may repeat once. "late": no answer before the read timeout."""
    old, new = sides
    name = {"400": "content-filter", "late": "wait; seconds=60"}.get(fault, fault)
    headers = {"x-simulated-fault": name, "x-note": f"retries {fault}"}
    timeouts = [side.read_timeout(SOON if fault == "late" else GUARD) for side in sides]
    with pytest.raises(azure.core.exceptions.AzureError):
        old.client.complete(messages=MESSAGES, headers=headers, retry_total=1, **timeouts[0])
    with pytest.raises(openai.APIError):
        new.client.with_options(max_retries=1).chat.completions.create(
            model="Phi-4", messages=MESSAGES, extra_headers=headers, **timeouts[1]
        )
    paths = [
        request["path"]
        for request in requests_received(last=6)
        if request["headers"].get("x-note") == headers["x-note"]
    ]
    assert (paths.count("/chat/completions"), paths.count("/v1/chat/completions")) == sent


def test_both_packages_obey_retry_after(sides):
    old, new = sides
    headers = {"x-simulated-fault": "429; retry-after=0.1; times=1", "x-note": "retry-after"}
    before = old.client.complete(messages=MESSAGES, temperature=0, headers=headers, retry_total=1)
    after = new.client.with_options(max_retries=1).chat.completions.create(
        model="Phi-4", messages=MESSAGES, temperature=0, extra_headers=headers
    )
    assert plain(before) == plain(after)
    assert [request["status"] for request in requests_received(last=4)] == [429, 200, 429, 200]


class Sleepless(RequestsTransport):
    """The old package's transport. It records the seconds for which it should sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def sleep(self, duration: float) -> None:
        self.waits.append(duration)


def test_only_the_old_package_waits_longer_than_two_minutes_if_the_server_asks_for_it(sides):
    old, new = sides
    headers = {"x-simulated-fault": "429; retry-after=3600; times=1", "x-note": "an hour"}
    transport = Sleepless()
    client = ChatCompletionsClient(old.endpoint, AzureKeyCredential(old.key), transport=transport)
    assert client.complete(messages=FRANCE, headers=headers).choices
    assert transport.waits == [3600]
    with pytest.raises(openai.RateLimitError):
        new.client.with_options(max_retries=2).chat.completions.create(
            model="Phi-4", messages=FRANCE, extra_headers=headers
        )
    requests = requests_received(last=3)
    assert [request["headers"].get("x-note") for request in requests] == ["an hour"] * 3
    assert [request["status"] for request in requests] == [429, 200, 429]


def test_only_openai_repeats_after_a_conflict_and_after_a_lost_connection(unwilling):
    raises = openai.ConflictError if unwilling.answers else openai.APIConnectionError
    with (
        OpenAI(base_url=unwilling.url, api_key="made-up", max_retries=1) as client,
        pytest.raises(raises),
    ):
        client.chat.completions.create(model="Phi-4", messages=MESSAGES)
    assert unwilling.count == 2
    unwilling.count = 0
    raises = (
        azure.core.exceptions.HttpResponseError
        if unwilling.answers
        else azure.core.exceptions.ServiceResponseError
    )
    with pytest.raises(raises):
        ChatCompletionsClient(unwilling.url, AzureKeyCredential("made-up"), retry_total=1).complete(
            messages=MESSAGES
        )
    assert unwilling.count == 1


@pytest.mark.parametrize(
    ("fault", "old_raises", "new_raises"),
    [
        ("end; after=3", None, None),
        ("cut; after=3", azure.core.exceptions.HttpResponseError, openai.APIConnectionError),
        ("error-event; after=3", None, openai.APIError),
        ("event-line; after=3", ValueError, openai.APIError),
    ],
)
def test_which_error_each_package_raises_for_a_broken_stream(fault, old_raises, new_raises, sides):
    for side, raises, argument in zip(
        sides, (old_raises, new_raises), ("headers", "extra_headers"), strict=True
    ):
        stream = side.ask(side.client, stream=True, **{argument: {"x-simulated-fault": fault}})
        error_class = None
        try:
            text = "".join(piece_of(chunk) for chunk in stream)
            assert text
        except Exception as error:
            error_class = type(error)
        assert error_class is raises


def test_only_openai_sends_an_access_token_over_plain_http(variables):
    plain_http = variables["AZURE_INFERENCE_ENDPOINT_HTTP"]
    credential = DefaultAzureCredential()
    with pytest.raises(azure.core.exceptions.ServiceRequestError, match="non-https"):
        ChatCompletionsClient(plain_http, credential).complete(messages=MESSAGES)
    provider = get_bearer_token_provider(credential, "https://ml.azure.com/.default")
    client = OpenAI(base_url=f"{plain_http}/v1", api_key=provider)
    assert client.chat.completions.create(model="Phi-4", messages=MESSAGES, temperature=0).choices
    assert requests_received()[0]["headers"]["authorization"] == "Bearer ***"


def test_each_package_has_requests_that_are_refused_only_from_it(sides):
    """On the server "serve". On the other one both are refused."""
    old, new = sides
    new_hot = new.client.chat.completions.create(
        model=served_model(new.client),
        messages=MESSAGES,
        temperature=1.5,
        seed=1,
        max_tokens=5,
        extra_headers=SERVE,
    )
    assert new_hot.choices[0].finish_reason == "length"
    with pytest.raises(azure.core.exceptions.HttpResponseError, match="invalid input error"):
        old.client.complete(messages=MESSAGES, temperature=1.5, headers=SERVE)
    without_v1 = OpenAI(base_url=old.endpoint, api_key=old.key)
    with pytest.raises(openai.BadRequestError) as caught:
        without_v1.chat.completions.create(model="Phi-4", messages=MESSAGES, logprobs=True)
    assert "Extra parameters ['logprobs'] are not allowed" in caught.value.body["detail"]


def served_model(client: OpenAI) -> str:
    """Return the name that the server "serve" expects."""
    return client.with_options(default_headers=SERVE).models.list().data[0].id


@pytest.mark.parametrize("package", ["old", "new"])
def test_the_defaults_of_serve_depend_on_the_route_and_not_on_the_package(package, sides):
    side = sides[0] if package == "old" else sides[1]
    story = [{"role": "user", "content": "Tell me a long story about a lighthouse keeper."}]
    ends = []
    for address in (side.endpoint, f"{side.endpoint}/v1"):
        if package == "old":
            client: Any = ChatCompletionsClient(
                address, AzureKeyCredential(side.key), headers=SERVE
            ).complete
        else:
            client = OpenAI(
                base_url=address, api_key=side.key, default_headers=SERVE
            ).chat.completions.create
        model = served_model(sides[1].client)
        choice = client(messages=story, model=model, temperature=0).choices[0]
        ends.append(str(getattr(choice.finish_reason, "value", choice.finish_reason)))
    assert ends == ["length", "stop"]


def test_extras_under_v1_need_the_header_on_inference_only(sides):
    pytest.importorskip("simulated_azure.inference.servers")
    new = sides[1]
    arrived = []
    for server in ("inference", "serve"):
        chosen = {"x-simulated-server": server}
        model = served_model(new.client) if server == "serve" else "Phi-4"
        for headers in ({}, PASS_THROUGH):
            client = OpenAI(
                base_url=f"{new.endpoint}/v1", api_key=new.key, default_headers=chosen | headers
            )
            reply = client.chat.completions.create(model=model, messages=FRANCE, logprobs=True)
            arrived.append(bool(reply.choices[0].logprobs))
    assert arrived == [False, True, True, True]


def test_only_the_old_client_accepts_an_address_that_ends_in_a_slash(sides):
    old, new = sides
    assert old.ask(ChatCompletionsClient(old.endpoint + "/", AzureKeyCredential(old.key))).choices
    with pytest.raises(openai.NotFoundError):
        new.ask(OpenAI(base_url=f"{new.endpoint}//v1", api_key=new.key))


def test_only_openai_sends_the_organization_and_project_of_its_variables(sides, monkeypatch):
    old, new = sides
    monkeypatch.setenv("OPENAI_ORG_ID", "org-made-up")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-made-up")
    sent = ("openai-organization", "openai-project")
    old.ask(old.make_client())
    assert not set(sent) & set(requests_received()[0]["headers"])
    new.ask(new.make_client())
    assert [requests_received()[0]["headers"].get(name) for name in sent] == [
        "org-made-up",
        "proj-made-up",
    ]


def test_openai_has_no_load_client_no_model_info_and_no_defaults_of_a_client(sides):
    new = sides[1]
    assert not [
        name
        for name in ("load_client", "get_model_info")
        if hasattr(openai, name) or hasattr(new.client, name)
    ]
    with pytest.raises(openai.NotFoundError):
        new.client.get("/info", cast_to=object)
    with pytest.raises(TypeError):
        OpenAI(base_url=new.endpoint, api_key=new.key, temperature=0)


def test_openai_passes_on_errors_of_a_token_function_and_of_a_missing_model(sides):
    new = sides[1]
    provider = get_bearer_token_provider(EnvironmentCredential(), SCOPE)
    client = OpenAI(base_url=f"{new.endpoint}/v1", api_key=provider)
    for error in (
        failure_of(lambda: new.ask(client)),
        failure_of(lambda: new.client.chat.completions.create(messages=FRANCE)),
    ):
        assert not isinstance(error, openai.OpenAIError)
