"""The same program with servers on this computer, and with none that answers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from snippet_runs import SERVED_NAME, as_usual, for_questions, serving

from simulated_azure.http import Response

FILE = "local-servers/openai_sdk.py"
ANSWER = "The capital of France is Paris."


def listing(*names: str):
    """Return a manner in which a server's list holds these models, and other names are refused."""

    def manner(visit, request, handle):
        if request.path == "/v1/models":
            rows = [{"id": name, "object": "model", "owned_by": "library"} for name in names]
            body = json.dumps({"object": "list", "data": rows}).encode()
            return Response(200, body, {"content-type": "application/json"})
        if json.loads(request.body)["model"] not in names:
            return Response(404, b'{"error": {"message": "model not found"}}')
        return handle(request)

    return manner


@pytest.mark.parametrize(
    ("manner", "model"),
    [
        (as_usual, "Phi-4"),
        (serving, SERVED_NAME),
        (listing("llama3.2:latest", "phi4:latest"), "phi4:latest"),
        (listing("Phi-4-generic-gpu:1"), "Phi-4-generic-gpu:1"),
    ],
    ids=["inference", "serve", "Ollama", "Foundry Local"],
)
def test_the_program_asks_the_phi_model_that_a_server_lists(run_snippet, manner, model):
    done = run_snippet(FILE, manner)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == f"{ANSWER}\n({model}, stop)\n"
    (question,) = done.visit.questions()
    assert question.body()["model"] == model
    assert "extra-parameters" not in question.request.headers  # no extras are sent


def test_a_variable_chooses_another_model(run_snippet):
    done = run_snippet(FILE, listing("phi4:latest", "phi4-mini"), AZURE_INFERENCE_MODEL="phi4-mini")
    assert done.stdout == f"{ANSWER}\n(phi4-mini, stop)\n"


def test_a_server_without_a_phi_model_is_asked_nothing(run_snippet):
    done = run_snippet(FILE, listing("llama3.2"))
    assert (done.code, done.stdout) == (1, "")
    assert "Set AZURE_INFERENCE_MODEL to one of ['llama3.2']." in done.stderr
    assert done.visit.questions() == []


def test_where_no_server_runs_the_program_says_so(run_snippet, endpoint):
    done = run_snippet(FILE, AZURE_INFERENCE_ENDPOINT=endpoint.nowhere)
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Nothing answers at {endpoint.nowhere} (")
    assert "Is the server running?" in done.stderr


def test_a_last_chunk_without_choices_is_no_error(run_snippet):
    @for_questions
    def counting(visit, request, handle):
        body = json.loads(request.body) | {"stream_options": {"include_usage": True}}
        extras = {**request.headers, "extra-parameters": "pass-through"}
        changed = replace(request, headers=extras, body=json.dumps(body).encode())
        return handle(changed)

    done = run_snippet(FILE, counting)
    assert (done.code, done.stderr) == (0, "")
    assert b'"choices":[],' in done.visit.questions()[0].answer.replace(b" ", b"")
