"""The robust call: whole answers or exceptions, within a deadline, and no key anywhere.

The file for the retired package is tested in tests/lessons/test_complete.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest
from snippet_runs import Visit, as_usual, for_questions, refusing, serving

from simulated_azure.http import Response
from tools.snippets_table import SNIPPETS

PATH = SNIPPETS / "robust-call" / "openai_sdk.py"
FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
PARIS = "The capital of France is Paris."
ID = "x-ms-client-request-id"
LONGEST_WAIT = 60  # seconds until a test fails


@pytest.fixture
def robust(monkeypatch, endpoint) -> ModuleType:
    """Return the snippet as a module that does not pause and trusts the endpoint."""
    monkeypatch.setenv("SSL_CERT_FILE", endpoint.simulator.variables()["SSL_CERT_FILE"])
    monkeypatch.setenv("NO_PROXY", "*")
    module = ModuleType("robust_call")
    monkeypatch.setitem(sys.modules, "robust_call", module)  # for dataclass
    exec(compile(PATH.read_text(encoding="utf-8"), str(PATH), "exec"), module.__dict__)
    module.PAUSE = 0.0
    yield module
    if module.background_loop.cache_info().currsize:
        loop = module.background_loop()
        loop.call_soon_threadsafe(loop.stop)


def chat_at(robust: ModuleType, endpoint, visit: Visit):
    """Return a client of a visit at the endpoint."""
    return robust.Chat(endpoint.simulator.url + visit.path, endpoint.simulator.azure.key)


def ask(robust: ModuleType, endpoint, fault: str = "", manner=as_usual, **settings):
    """Return (answer or CallError, visit) of a call under a fault."""
    visit = endpoint.visit(manner)
    headers = {"x-simulated-fault": fault} if fault else {}

    async def call():
        chat = chat_at(robust, endpoint, visit)
        async with chat.client:
            return await chat.ask_async(FRANCE, temperature=0, extra_headers=headers, **settings)

    try:
        return asyncio.run(call()), visit
    except robust.CallError as error:
        return error, visit


# Answers


@pytest.mark.parametrize("manner", [as_usual, serving])
def test_the_answer_has_text_finish_reason_and_usage_on_both_servers(robust, endpoint, manner):
    answer, visit = ask(robust, endpoint, manner=manner)
    assert (answer.text, answer.finish_reason, answer.attempts) == (PARIS, "stop", 1)
    usage = answer.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0
    assert visit.questions()[0].request.headers["extra-parameters"] == "pass-through"


def test_an_answer_cut_off_at_max_tokens_says_so(robust, endpoint):
    answer, _ = ask(robust, endpoint, max_tokens=3)
    assert PARIS.startswith(answer.text)
    assert answer.finish_reason == "length"


@pytest.mark.parametrize("manner", [as_usual, serving])
def test_the_program_prints_an_answer(run_snippet, manner):
    done = run_snippet("robust-call/openai_sdk.py", manner)
    assert (done.code, done.stdout) == (0, f"{PARIS}\nFinish reason: stop\n"), done.stderr
    assert done.stderr == ""


def test_a_name_in_the_variable_is_sent_and_the_server_not_asked_for_one(run_snippet):
    done = run_snippet("robust-call/openai_sdk.py", AZURE_INFERENCE_MODEL="my-name")
    assert [arrival.body()["model"] for arrival in done.visit.arrivals] == ["my-name"], done.stderr


def test_the_twin_for_synchronous_code_answers_also_while_a_loop_runs(robust, endpoint):
    chat = chat_at(robust, endpoint, endpoint.visit(as_usual))

    async def cell_of_a_notebook():
        return chat.ask(FRANCE, temperature=0)

    assert asyncio.run(cell_of_a_notebook()).text == chat.ask(FRANCE, temperature=0).text == PARIS
    with pytest.raises(robust.RefusedError):
        chat.ask(FRANCE, extra_headers={"x-simulated-fault": "403"})


# What is repeated, and what the exceptions say


@pytest.mark.parametrize(
    "fault",
    [
        "408; times=2",
        "429; times=2",
        "429; retry-after=0; times=2",
        "424-503; times=2",
        "502; times=2",
        "end; after=3; times=2",
        "cut; after=3; times=2",
        "event-line; after=3; times=2",
    ],
)
def test_what_passes_is_asked_again_under_the_same_id(robust, endpoint, fault):
    answer, visit = ask(robust, endpoint, fault)
    assert (answer.text, answer.finish_reason, answer.attempts) == (PARIS, "stop", 3)
    ids = {arrival.request.headers[ID] for arrival in visit.questions()}
    assert (len(visit.questions()), len(ids)) == (3, 1)


@pytest.mark.parametrize(
    ("fault", "status", "code", "text"),
    [
        ("401", 401, None, "Auth token validation failed"),
        ("403", 403, "Forbidden", "may not call this endpoint"),
        ("424", 404, None, "Not Found"),
        ("content-filter", 400, "content_filter", "content management policy"),
    ],
)
def test_what_does_not_pass_is_refused_after_one_attempt(
    robust, endpoint, fault, status, code, text
):
    error, visit = ask(robust, endpoint, fault)
    assert isinstance(error, robust.RefusedError)
    assert (error.status, error.code, error.retry_after) == (status, code, None)
    assert text in str(error) and str(error).startswith(f"{status}: ")
    assert len(visit.questions()) == 1


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ("503", 503, ""),
        ("end; after=3", None, "The capital of"),
        ("cut; after=3", None, "The capital of"),
        ("event-line; after=3", None, "The capital of"),
    ],
)
def test_what_stays_is_unavailable_after_all_attempts(robust, endpoint, fault, status, text):
    error, visit = ask(robust, endpoint, fault, attempts=4)
    assert type(error) is robust.UnavailableError
    assert (error.status, error.text) == (status, text)
    assert len(visit.questions()) == 4


def test_a_wait_that_would_outlast_the_deadline_is_not_begun(robust, endpoint):
    error, visit = ask(robust, endpoint, "429; retry-after=3600")
    assert type(error) is robust.UnavailableError
    assert (error.status, error.retry_after, len(visit.questions())) == (429, 3600, 1)


def test_pauses_double_up_to_a_limit_and_last_at_least_as_long_as_the_server_says(
    robust, endpoint, monkeypatch
):
    pauses = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    robust.PAUSE = 0.5
    monkeypatch.setattr(robust.asyncio, "sleep", note)
    monkeypatch.setattr(robust.random, "uniform", lambda low, high: low)
    ask(robust, endpoint, "503", attempts=7)
    assert pauses == [0.5, 1, 2, 4, 8, 8]
    pauses.clear()
    ask(robust, endpoint, "429; retry-after=3", attempts=3)
    assert pauses == [3, 3]


# The deadline


def test_the_deadline_ends_a_call_that_gets_no_answer(robust, endpoint):
    error, visit = ask(robust, endpoint, "wait; seconds=600", deadline=1)
    assert isinstance(error, robust.DeadlineError)
    assert str(error) == "no whole answer within 1 seconds"
    assert len(visit.questions()) == 1


def test_the_deadline_ends_a_stream_that_goes_on_and_closes_it(robust, endpoint):
    begun, closed = threading.Event(), threading.Event()

    @for_questions
    def endless(visit, request, handle) -> Response:
        response = handle(request)
        first, second, *_ = response.body

        def events() -> Iterator[bytes]:
            try:
                yield first
                while True:
                    yield second
                    begun.set()
            finally:
                closed.set()

        return replace(response, body=events(), pace=0.01)

    error, _ = ask(robust, endpoint, manner=endless, deadline=3)
    assert isinstance(error, robust.DeadlineError)
    assert begun.is_set() and error.text.startswith("TheThe")
    assert closed.wait(LONGEST_WAIT), "the server still writes the stream"


# Mistakes in the set-up, and the key


@pytest.mark.parametrize(
    "key", ["", "secret\n", "sec\nret", "sec ret", "secret\u2013", "s\x00ecret"]
)
def test_a_malformed_key_is_refused_before_anything_is_sent_and_not_shown(robust, key):
    with pytest.raises(ValueError, match="the key is empty, or holds") as caught:
        robust.Chat("https://my-phi4.invalid", key)
    assert "sec" not in str(caught.value)


def test_a_key_in_the_place_of_the_endpoint_is_not_shown(robust):
    with pytest.raises(ValueError, match="has to begin with https://") as caught:
        robust.Chat("a-secret-key", "https://my-phi4.invalid")
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_asked_again_and_one_that_is_not_trusted_is_not(
    robust, endpoint, monkeypatch
):
    async def call(url: str) -> tuple[Exception, int]:
        chat = robust.Chat(url, "not-a-key")
        attempts = 0

        async def count(*arguments) -> None:
            nonlocal attempts
            attempts += 1
            return await original(*arguments)

        original, chat._attempt = chat._attempt, count
        try:
            await chat.ask_async(FRANCE)
        except robust.CallError as error:
            return error, attempts

    error, attempts = asyncio.run(call(endpoint.nowhere))
    assert (type(error), attempts) == (robust.UnavailableError, 5)
    monkeypatch.delenv("SSL_CERT_FILE")
    error, attempts = asyncio.run(call(endpoint.simulator.url))
    assert (type(error), attempts) == (robust.RefusedError, 1)
    assert "CERTIFICATE" in str(error)


def test_neither_log_nor_exception_holds_the_key_even_if_the_server_repeats_it(
    robust, endpoint, caplog
):
    caplog.set_level(logging.DEBUG)
    key = endpoint.simulator.azure.key

    def tell_tale(visit, request, handle) -> Response:
        content = {"error": {"code": "invalid", "message": f"Wrong key: {key}"}}
        return Response(401, json.dumps(content).encode(), {"content-type": "application/json"})

    answer, _ = ask(robust, endpoint, "503; times=1")
    assert answer.text == PARIS
    error, _ = ask(robust, endpoint, manner=tell_tale)
    assert "Wrong key: [key]" in str(error) and error.__cause__ is None
    assert error.__suppress_context__
    own = [record.getMessage() for record in caplog.records if record.name == "robust_call"]
    assert [line.partition(":")[0] for line in own] == [
        "attempt 1 failed",
        "answered",
        "attempt 1 failed",
    ]
    assert not [line for line in own if key in line or "capital" in line]
    assert key not in caplog.text


def test_a_wrong_key_ends_the_program_with_an_error_without_the_key(run_snippet, endpoint):
    done = run_snippet("robust-call/openai_sdk.py", refusing)
    assert done.code == 1 and "RefusedError: 401: " in done.stderr
    assert endpoint.simulator.azure.key not in done.stdout + done.stderr
