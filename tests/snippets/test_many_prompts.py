"""Many prompts: a few at a time, in order, with a progress bar, and errors kept for each prompt."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from snippet_runs import (
    SERVED_NAME,
    Runner,
    Visit,
    for_questions,
    refusing,
    run,
    serving,
    with_fault,
)
from toolchain import command_for

from simulated_azure.http import Request, Response
from tools.snippets_table import SNIPPETS

FILE = "many-prompts/openai_sdk.py"
CAPITALS = {
    "France": "Paris",
    "Japan": "Tokyo",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Germany": "Berlin",
    "Portugal": "Lisbon",
}
ANSWERS = [
    f"What is the capital of {country}? The capital of {country} is {capital}."
    for country, capital in CAPITALS.items()
]


def country_of(request: Request) -> str:
    """Return the country that a question is about."""
    return re.search(r"capital of (\w+)", request.body.decode())[1]


@pytest.mark.parametrize("server", ["inference", "serve"])
def test_answers_come_in_the_order_of_the_prompts_and_the_bar_goes_to_stderr(run_snippet, server):
    done = run_snippet(FILE, serving) if server == "serve" else run_snippet(FILE)
    assert done.code == 0, done.stderr
    assert done.stdout.splitlines() == ANSWERS
    counts = re.findall(r"\r\[(#*) *\] (\d)/6", done.stderr)
    assert counts == [("#" * (5 * number), str(number)) for number in range(1, 7)]
    assert done.stderr.endswith("6/6\n")


def time_for_a_fifth(visit: Visit) -> Iterator[bytes]:
    """Yield nothing, again and again, until a fifth question arrives or a second is over."""
    end = time.monotonic() + 1
    while len(visit.questions()) <= 4 and time.monotonic() < end:
        yield b""


def test_no_more_than_four_requests_are_under_way(run_snippet):
    under_way: set[str] = set()
    most = 0

    def count(country: str, events: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal most
        under_way.add(country)
        most = max(most, len(under_way))
        yield from events
        under_way.remove(country)

    @for_questions
    def counting(visit, request, handle) -> Response:
        response = handle(request)
        four = visit.wait(lambda: len(visit.questions()) >= 4)
        events = itertools.chain(four, time_for_a_fifth(visit), [response.body])
        return replace(response, body=count(country_of(request), events))

    done = run_snippet(FILE, counting)
    assert done.code == 0, done.stderr
    assert not done.visit.gave_up_waiting, "fewer than four were under way at once"
    assert most == 4


def busy(*countries: str, times: int) -> Callable:
    """Return a manner that answers 429 to the first questions about some countries."""

    @for_questions
    def manner(visit, request: Request, handle) -> Response:
        country = country_of(request)
        asked = [country_of(arrival.request) for arrival in visit.questions()].count(country)
        refused = country in countries and asked <= times
        return handle(with_fault("429; retry-after=1", request) if refused else request)

    return manner


def test_a_busy_server_is_asked_again_after_the_seconds_it_names(run_snippet):
    done = run_snippet(FILE, busy("Japan", "Italy", times=1))
    assert (done.code, done.stdout.splitlines()) == (0, ANSWERS), done.stderr
    statuses = [arrival.status for arrival in done.visit.questions()]
    assert sorted(statuses) == [200] * 6 + [429] * 2


def test_an_error_is_kept_with_its_prompt_and_the_others_are_answered(run_snippet):
    @for_questions
    def no_japan(visit, request: Request, handle) -> Response:
        fault = "content-filter" if country_of(request) == "Japan" else ""
        return handle(with_fault(fault, request))

    done = run_snippet(FILE, no_japan)
    lines = done.stdout.splitlines()
    assert lines[1].startswith("What is the capital of Japan? FAILED: BadRequestError: ")
    assert "content management policy" in lines[1]
    assert lines[:1] + lines[2:] == ANSWERS[:1] + ANSWERS[2:]
    assert done.code == 1
    assert done.stderr.endswith("1 of 6 prompts failed\n")


def test_an_answer_that_was_cut_off_counts_as_a_failure(run_snippet):
    @for_questions
    def brief(visit, request: Request, handle) -> Response:
        body = json.loads(request.body) | {"max_tokens": 2}
        return handle(replace(request, body=json.dumps(body).encode()))

    done = run_snippet(FILE, brief)
    assert done.code == 1
    assert done.stdout.count("FAILED: the answer is not whole: length") == 6


def test_a_wrong_key_is_reported_for_each_prompt_and_not_shown(run_snippet, endpoint):
    done = run_snippet(FILE, refusing)
    assert done.code == 1 and done.stdout.count("FAILED: AuthenticationError") == 6
    assert endpoint.simulator.azure.key not in done.stdout + done.stderr
    assert len(done.visit.questions()) == 6, "a wrong key was tried again"


@for_questions
def without_japan(visit, request: Request, handle) -> Response:
    """Answer as the server that checks names, and refuse the question about Japan."""
    fault = "content-filter" if country_of(request) == "Japan" else ""
    return serving(visit, with_fault(fault, request), handle)


@pytest.mark.parametrize(
    ("kind", "file", "progress"),
    [
        ("langchain", "langchain_openai_client.py", "1 of 6 prompts failed\n"),
        ("node", "openai.mjs", "".join(f"\r{number}/6" for number in range(1, 7)) + "\n"),
    ],
)
def test_other_clients_keep_the_order_and_the_errors_too(kind, file, progress, endpoint, home):
    runner = Runner(kind, command_for(kind), home)
    path = SNIPPETS / "many-prompts" / file
    variables = {"AZURE_INFERENCE_MODEL": SERVED_NAME}
    done = run([path], runner, endpoint, without_japan, home, variables)
    runner.close()
    lines = done.stdout.splitlines()
    assert lines[:1] + lines[2:] == ANSWERS[:1] + ANSWERS[2:], done.stderr
    assert "FAILED: " in lines[1] and "content management policy" in lines[1]
    assert (done.code, done.stderr) == (1, progress)
    models = {arrival.body()["model"] for arrival in done.visit.arrivals}
    assert models == {SERVED_NAME}
