"""Tools: called where the server takes them, written as JSON where it refuses them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from snippet_runs import as_usual, for_questions, refusing, serving, with_fault

from simulated_azure.http import Response

FILE = "tools/openai_sdk.py"
ANSWER = "12 times 7 is 84.\n"
CALL = '{"name": "multiply", "arguments": {"a": 12, "b": 7}}'


def reply(message: dict, finish_reason: str = "stop") -> Response:
    """Return a reply of the model."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": message}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return Response(200, json.dumps(body).encode(), {"content-type": "application/json"})


def taking_tools(arguments: str):
    """Return a manner in which the model calls a tool and then answers with its result."""

    @for_questions
    def manner(visit, request, handle):
        last = json.loads(request.body)["messages"][-1]
        if last["role"] == "tool":
            return reply({"role": "assistant", "content": f"It is {last['content']}."})
        function = {"name": "multiply", "arguments": arguments}
        calls = [{"id": "call-1", "type": "function", "function": function}]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
        return reply(message, "tool_calls")

    return manner


@for_questions
def writing_calls(visit, request, handle):
    """Refuse tools; answer the first question without tools with a call written as JSON."""
    body = json.loads(request.body)
    if "tools" not in body and len(body["messages"]) == 2:
        return reply({"role": "assistant", "content": f"```json\n{CALL}\n```"})
    return handle(request)


def test_a_tool_is_called_and_its_result_sent_back(run_snippet):
    done = run_snippet(FILE, taking_tools('{"a": 12, "b": 7}'))
    assert (done.code, done.stdout, done.stderr) == (0, "It is 84.\n", "")
    first, second = (arrival.body() for arrival in done.visit.questions())
    assert first["tools"] == second["tools"]
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "tool"]
    assert second["messages"][-1]["tool_call_id"] == "call-1"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("{", "JSONDecodeError"),
        ('{"a": 12}', "TypeError"),
        ('{"a": 12, "b": 7, "c": 1}', "TypeError"),
        ("[12, 7]", "TypeError"),
    ],
)
def test_a_call_that_is_wrong_is_told_to_the_model(run_snippet, arguments, error):
    done = run_snippet(FILE, taking_tools(arguments))
    assert done.code == 0 and done.stdout.startswith(f"It is error: {error}")


@pytest.mark.parametrize("manner", [as_usual, serving])
def test_where_tools_are_refused_the_question_is_asked_without_them(run_snippet, manner):
    done = run_snippet(FILE, manner)
    assert (done.code, done.stdout, done.stderr) == (0, ANSWER, "")
    refused, asked = done.visit.questions()
    assert (refused.status, asked.status) == (400, 200)
    assert "tools" in refused.body() and "tools" not in asked.body()
    assert '"name": "multiply"' in asked.body()["messages"][0]["content"]


def test_a_refusal_that_azure_hides_behind_424_is_understood(run_snippet):
    @for_questions
    def behind_azure(visit, request, handle):
        return handle(with_fault("gateway", request))

    done = run_snippet(FILE, behind_azure)
    assert (done.code, done.stdout) == (0, ANSWER), done.stderr
    assert done.visit.questions()[0].status == 424


def test_a_call_that_the_model_writes_as_json_is_made(run_snippet):
    done = run_snippet(FILE, writing_calls)
    assert done.code == 0, done.stderr
    last = done.visit.questions()[-1].body()["messages"]
    assert [message["role"] for message in last] == ["system", "user", "assistant", "user"]
    assert (
        last[-1]["content"] == "The function returned 84. Answer my question: What is 12 times 7?"
    )


def test_another_refusal_is_an_error_and_the_key_is_not_shown(run_snippet, endpoint):
    done = run_snippet(FILE, refusing)
    assert done.code == 1 and "AuthenticationError" in done.stderr
    assert len(done.visit.questions()) == 1
    assert endpoint.simulator.azure.key not in done.stdout + done.stderr


def test_an_answer_that_was_cut_off_is_an_error(run_snippet):
    @for_questions
    def brief(visit, request, handle):
        response = handle(request)
        text = response.body.replace(b'"finish_reason":"stop"', b'"finish_reason":"length"')
        return replace(response, body=text)

    done = run_snippet(FILE, brief)
    assert done.code == 1 and "the answer is not whole: length" in done.stderr
