"""Structured output: checked with pydantic, repaired once, then given up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from snippet_runs import as_usual, cut, for_questions, refusing, serving

FILE = "structured-output/openai_sdk.py"
PARIS = '{"city": "Paris", "country": "France", "population_millions": 2.1}'


def saying_in_turn(*texts: str):
    """Return a manner in which the model's answers are these texts, one after another."""

    @for_questions
    def manner(visit, request, handle):
        response = handle(request)
        content = json.loads(response.body)
        content["choices"][0]["message"]["content"] = texts[len(visit.questions()) - 1]
        return replace(response, body=json.dumps(content).encode())

    return manner


@pytest.mark.parametrize("manner", [as_usual, serving])
def test_an_answer_with_words_and_a_fence_around_it_is_read(run_snippet, manner):
    done = run_snippet(FILE, manner)
    assert (done.code, done.stdout, done.stderr) == (0, "Paris, France, 2.1\n", "")
    (asked,) = done.visit.questions()
    system, user = asked.body()["messages"]
    assert '"population_millions": {"exclusiveMinimum": 0' in system["content"]
    assert user["content"] == "Give me JSON about Paris."


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ("I do not know.", "all: Invalid JSON"),
        ('{"city": "Paris", "country": "France"}', "population_millions: Field required"),
        (PARIS.replace("2.1", "-2"), "population_millions: Input should be greater than 0"),
        (PARIS.replace("2.1", '"many"'), "population_millions: Input should be a valid number"),
    ],
)
def test_a_wrong_answer_is_repaired_once_with_the_reason(run_snippet, first, reason):
    done = run_snippet(FILE, saying_in_turn(first, PARIS))
    assert (done.code, done.stdout) == (0, "Paris, France, 2.1\n"), done.stderr
    repair = done.visit.questions()[1].body()["messages"]
    assert repair[-2] == {"role": "assistant", "content": first}
    assert reason in repair[-1]["content"]


def test_a_second_wrong_answer_is_an_error_and_there_is_no_third_question(run_snippet):
    done = run_snippet(FILE, saying_in_turn("no", "no again", PARIS))
    assert done.code == 1 and "ValidationError" in done.stderr
    assert len(done.visit.questions()) == 2


def test_half_a_json_text_is_not_repaired(run_snippet):
    done = run_snippet(FILE, cut)
    assert done.code == 1 and "the answer is not whole: length" in done.stderr
    assert len(done.visit.questions()) == 1


def test_a_refusal_ends_it_with_an_error_without_the_key(run_snippet, endpoint):
    done = run_snippet(FILE, refusing)
    assert done.code == 1 and "AuthenticationError" in done.stderr
    assert endpoint.simulator.azure.key not in done.stdout + done.stderr
