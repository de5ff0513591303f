"""The table that translates azure-ai-inference into openai: each row is evaluated through both packages and compared.

The clients are real and so is the socket between them and the simulated endpoint. What the packages do not have in common
(how often they repeat a request, what they do with a broken stream) is measured below the table, as lesson 10 tells it.
"""

from __future__ import annotations

import os
import ssl
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.ai.inference.aio
import azure.core.exceptions
import openai
import openai.types.chat
import pytest
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import AssistantMessage, CompletionsFinishReason, SystemMessage, UserMessage
from azure.core.credentials import AzureKeyCredential
from azure.identity import DefaultAzureCredential, get_bearer_token_provider
from openai import DefaultHttpxClient, OpenAI

from helpers.streaming import finish_reason_of, piece_of
from helpers.wire import requests_received

TABLE = Path(__file__).parent.parent / "notebooks" / "openai-translation.toml"
ROWS = tomllib.loads(TABLE.read_text(encoding="utf-8"))["row"]
MESSAGES = [{"role": "user", "content": "How many languages are in the world?"}]
NEW_EACH_TIME = ("id", "created")
NO_SUCH_HOST = "https://my-phi4.invalid"
EMPTY = [None, "", [], {}]


@pytest.fixture(scope="module")
def variables(simulator) -> Iterator[dict[str, str]]:
    """The simulated endpoint's variables, set."""
    found = simulator.variables()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in found.items():
            patch.setenv(name, value)
        yield found


class Side:
    """One of the two packages: its client, and the names that a row may use."""

    def __init__(self, name: str, variables: Mapping[str, str], credential: DefaultAzureCredential):
        self.name, self.endpoint, self.key = name, variables["AZURE_INFERENCE_ENDPOINT"], variables["AZURE_INFERENCE_CREDENTIAL"]
        self.client = self.make_client()
        extras = {"logprobs": True, "top_logprobs": 2}
        lazy: dict[str, Callable[[], Any]] = {  # asked for only where a row uses it
            "reply": lambda: self.ask(self.client, **(extras if name == "new" else {"model_extras": extras})),
            "choice": lambda: self.names["reply"].choices[0],
            "chunks": lambda: [*self.ask(self.client, stream=True)],
            "error": lambda: self.failure("malformed"),
        }
        self.names = Lazy(lazy, PACKAGES | self._own_names(variables, credential))

    def _own_names(self, variables: Mapping[str, str], credential: DefaultAzureCredential) -> dict[str, Any]:
        scope = "https://ml.azure.com/.default"
        shared = {
            "endpoint": self.endpoint,
            "key": self.key,
            "credential": credential,
            "scope": scope,
            "tokens": get_bearer_token_provider(credential, scope),
            "headers": {"x-note": "translation"},
            "certificates": variables["REQUESTS_CA_BUNDLE"],
            "tls": ssl.create_default_context(cafile=variables["REQUESTS_CA_BUNDLE"]),
            "messages": MESSAGES,
            "client": self.client,
        }
        if self.name == "old":
            own = {
                "make": partial(ChatCompletionsClient, self.endpoint, AzureKeyCredential(self.key)),
                "complete": partial(self.client.complete, messages=MESSAGES),
            }
        else:
            own = {
                "make": partial(OpenAI, base_url=f"{self.endpoint}/v1", api_key=self.key),
                "create": partial(self.client.chat.completions.create, model="Phi-4", messages=MESSAGES),
            }
        return shared | own

    def make_client(self, endpoint: str | None = None) -> Any:
        """A client that repeats nothing."""
        endpoint = endpoint or self.endpoint
        if self.name == "old":
            return ChatCompletionsClient(endpoint, AzureKeyCredential(self.key), retry_total=0)
        return OpenAI(base_url=f"{endpoint}/v1", api_key=self.key, max_retries=0)

    def evaluate(self, expression: str) -> Any:
        return eval(expression, {"__builtins__": __builtins__}, self.names)  # our own table, nothing from outside

    def ask(self, client: Any, **parameters: Any) -> Any:
        """One completion through a client, or through a function with its defaults."""
        parameters = {"messages": MESSAGES, "temperature": 0, **parameters}
        if isinstance(client, partial):
            return client(**parameters)
        if isinstance(client, OpenAI):
            return client.chat.completions.create(model="Phi-4", **parameters)
        assert isinstance(client, ChatCompletionsClient)
        return client.complete(**parameters)

    def failure(self, fault: str) -> Exception:
        """The exception that a fault causes."""
        client = self.make_client(NO_SUCH_HOST if fault == "no-such-host" else None)
        parameters: dict[str, Any] = {"messages": []} if fault == "malformed" else {}
        if fault not in ("malformed", "no-such-host"):
            parameters["headers" if self.name == "old" else "extra_headers"] = {"x-simulated-fault": fault}
        if fault.startswith("wait"):
            parameters["read_timeout" if self.name == "old" else "timeout"] = 0.2
        with pytest.raises((azure.core.exceptions.AzureError, openai.OpenAIError)) as caught:
            self.ask(client, **parameters)
        return caught.value


class Lazy(dict):
    """Names, some of which are made when they are first used."""

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
    "OpenAI": OpenAI,
    "SystemMessage": SystemMessage,
    "UserMessage": UserMessage,
    "azure": azure,
    "get_bearer_token_provider": get_bearer_token_provider,
    "openai": openai,
    "os": os,
    "partial": partial,
    "ssl": ssl,
}


def plain(value: Any) -> Any:
    """A value of either package as dictionaries, lists and numbers, without what is new each time."""
    for method in ("as_dict", "to_dict"):
        if hasattr(value, method):
            return plain(getattr(value, method)())
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if name not in NEW_EACH_TIME}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def compare_value(row: dict, old: Side, new: Side) -> None:
    before, after = plain(old.evaluate(row["old"])), plain(new.evaluate(row["new"]))
    assert before not in EMPTY
    if "within" in row:
        assert abs(before - after) <= row["within"]
    else:
        assert before == after


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


def compare_name(row: dict, old: Side, new: Side) -> None:
    assert callable(old.evaluate(row["old"]))
    assert callable(new.evaluate(row["new"]))


def compare_raises(row: dict, old: Side, new: Side) -> None:
    errors = [side.failure(row["fault"]) for side in (old, new)]
    for error, side in zip(errors, (old, new), strict=True):
        named = side.evaluate(row[side.name])
        assert isinstance(error, named) if row.get("base") else type(error) is named
    statuses = [getattr(error, "status_code", None) for error in errors]
    assert statuses[0] == statuses[1]


def compare_variable(row: dict, old: Side, new: Side) -> None:
    made_for = {"OPENAI_BASE_URL": f"{old.endpoint}/v1", "OPENAI_API_KEY": old.key}
    assert made_for[row["new"]].startswith(os.environ[row["old"]])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made_for.items():
            patch.setenv(name, value)
        assert plain(new.ask(OpenAI())) == plain(old.ask(old.client))
        patch.delenv(row["new"])
        try:
            lost = OpenAI().base_url.host
        except openai.OpenAIError as error:
            lost = str(error)
        assert lost == "api.openai.com" or row["new"] in lost


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


COMPARE = {
    "value": compare_value,
    "client": compare_client,
    "stream": compare_stream,
    "name": compare_name,
    "raises": compare_raises,
    "trust": compare_trust,
    "variable": compare_variable,
}


@pytest.fixture(scope="module")
def sides(variables) -> tuple[Side, Side]:
    credential = DefaultAzureCredential()  # one for both, as in a program that is being moved
    return Side("old", variables, credential), Side("new", variables, credential)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['part']}: {row['what']}"[:60])
def test_both_sides_of_a_row_do_the_same(row, sides):
    COMPARE[row["check"]](row, *sides)
    if "received" in row:
        requests = {request["path"]: request for request in requests_received(last=2)}
        before, after = [
            eval(row["received"], {"request": requests[path]}) for path in ("/chat/completions", "/v1/chat/completions")
        ]
        assert before not in EMPTY
        assert before == after


def test_rows_are_well_formed_and_stand_once():
    known = {"part", "what", "old", "new", "check", "fault", "base", "received", "within"}
    assert [row for row in ROWS if set(row) - known or row["check"] not in COMPARE] == []
    assert len({(row["part"], row["what"]) for row in ROWS}) == len(ROWS)
    assert not [row for row in ROWS if "|" in row["old"] + row["new"] + row["what"]]  # would end a cell of the table


def test_the_parts_stand_together():
    parts = [row["part"] for row in ROWS]
    assert parts == sorted(parts, key=parts.index)


@pytest.mark.parametrize(
    "wrong",
    [
        {"check": "value", "old": "reply.usage.prompt_tokens", "new": "reply.usage.completion_tokens"},
        {"check": "value", "old": "complete(seed=2)", "new": "create(seed=2)"},
        {"check": "value", "old": "reply.no_such_field", "new": "reply.model"},
        {"check": "name", "old": "client.close", "new": "openai.NoSuchClient"},
        {"check": "raises", "fault": "429", "old": "azure.core.exceptions.HttpResponseError", "new": "openai.NotFoundError"},
        {"check": "client", "old": "client", "new": 'partial(client.chat.completions.create, model="Phi-4", max_tokens=9)'},
        {"check": "variable", "old": "AZURE_INFERENCE_CREDENTIAL", "new": "OPENAI_BASE_URL"},
        {"check": "trust", "old": "REQUESTS_CA_BUNDLE", "new": "REQUESTS_CA_BUNDLE"},
    ],
    ids=lambda wrong: wrong["new"],
)
def test_a_wrong_row_is_noticed(wrong, sides):
    with pytest.raises((AssertionError, AttributeError, openai.APIConnectionError)):
        COMPARE[wrong["check"]](wrong, *sides)


# What differs


@pytest.mark.parametrize(
    ("fault", "sent"), [("400", (1, 1)), ("408", (1, 2)), ("424", (1, 1)), ("429", (1, 2)), ("503", (2, 2)), ("late", (1, 2))]
)
def test_how_often_each_package_sends_a_request_that_fails(fault, sent, sides):
    """Both may repeat once. "late": no answer before the time-out."""
    old, new = sides
    asked = {"400": "content-filter", "late": "wait; seconds=1"}.get(fault, fault)
    headers = {"x-simulated-fault": asked, "x-note": f"retries {fault}"}
    waiting = ({"read_timeout": 0.2}, {"timeout": 0.2}) if fault == "late" else ({}, {})
    with pytest.raises(azure.core.exceptions.AzureError):
        old.client.complete(messages=MESSAGES, headers=headers, retry_total=1, **waiting[0])
    with pytest.raises(openai.APIError):
        patient = new.client.with_options(max_retries=1)
        patient.chat.completions.create(model="Phi-4", messages=MESSAGES, extra_headers=headers, **waiting[1])
    paths = [request["path"] for request in requests_received(last=6) if request["headers"].get("x-note") == headers["x-note"]]
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


@pytest.fixture
def conflicted() -> Iterator[SimpleNamespace]:
    """A server that answers 409 to everything, and counts."""
    seen = SimpleNamespace(count=0, url="")

    class Conflict(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.count += 1
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(409)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Conflict)
    seen.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_openai_repeats_a_conflict_too(conflicted):
    with OpenAI(base_url=conflicted.url, api_key="made-up", max_retries=1) as client, pytest.raises(openai.ConflictError):
        client.chat.completions.create(model="Phi-4", messages=MESSAGES)
    assert conflicted.count == 2


@pytest.mark.parametrize(
    ("fault", "old_raises", "new_raises"),
    [
        ("end; after=3", None, None),
        ("error-event; after=3", None, openai.APIError),
        ("event-line; after=3", ValueError, openai.APIError),
    ],
)
def test_what_each_package_makes_of_a_broken_stream(fault, old_raises, new_raises, sides):
    for side, raises, argument in zip(sides, (old_raises, new_raises), ("headers", "extra_headers"), strict=True):
        stream = side.ask(side.client, stream=True, **{argument: {"x-simulated-fault": fault}})
        found = None
        try:
            text = "".join(piece_of(chunk) for chunk in stream)
            assert text
        except Exception as error:
            found = type(error)
        assert found is raises


def test_only_openai_sends_an_access_token_over_plain_http(variables):
    plain_http = variables["AZURE_INFERENCE_ENDPOINT_HTTP"]
    credential = DefaultAzureCredential()
    with pytest.raises(azure.core.exceptions.ServiceRequestError, match="non-https"):
        ChatCompletionsClient(plain_http, credential).complete(messages=MESSAGES)
    provider = get_bearer_token_provider(credential, "https://ml.azure.com/.default")
    client = OpenAI(base_url=f"{plain_http}/v1", api_key=provider)
    assert client.chat.completions.create(model="Phi-4", messages=MESSAGES, temperature=0).choices
    assert requests_received()[0]["headers"]["authorization"] == "Bearer ***"


def test_each_package_is_refused_where_the_other_is_not(sides):
    old, new = sides
    new_hot = new.client.chat.completions.create(model="Phi-4", messages=MESSAGES, temperature=1.5, seed=1, max_tokens=5)
    assert new_hot.choices[0].finish_reason == "length"
    with pytest.raises(azure.core.exceptions.HttpResponseError, match="invalid input error"):
        old.client.complete(messages=MESSAGES, temperature=1.5)
    without_v1 = OpenAI(base_url=old.endpoint, api_key=old.key)
    with pytest.raises(openai.BadRequestError) as caught:
        without_v1.chat.completions.create(model="Phi-4", messages=MESSAGES, logprobs=True)
    assert "Extra parameters ['logprobs'] are not allowed" in caught.value.body["detail"]
