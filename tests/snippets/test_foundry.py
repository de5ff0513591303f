"""Foundry's route /openai/v1, with a key and with a token of the right scope."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from snippet_runs import Run, Visit

from simulated_azure.http import Request, Response
from tools.snippets_table import SNIPPETS

FILE = "foundry/openai_sdk.py"
KEY = "foundry-key-for-tests"
DEPLOYMENT = "my-deployment"


@pytest.fixture
def run_foundry(run_snippet, endpoint, monkeypatch) -> Callable[..., Run]:
    """Return a function that runs the snippet against a simulated Foundry resource.

    scope: the scope whose tokens the resource takes, besides its key. The other arguments are
    variables of the snippet's environment.
    """
    usual = endpoint.variables

    def variables_of(visit: Visit) -> dict[str, str]:
        names = usual(visit)
        root = names["AZURE_INFERENCE_ENDPOINT"]
        return names | {"AZURE_FOUNDRY_ENDPOINT": root, "AZURE_FOUNDRY_DEPLOYMENT": DEPLOYMENT}

    monkeypatch.setattr(endpoint, "variables", variables_of)

    def run_foundry(scope: str = "https://ai.azure.com", **variables: str) -> Run:
        secrets = {f"Bearer {KEY}"}

        def manner(visit: Visit, request: Request, handle: Callable) -> Response:
            if request.path == "/msi/token":
                response = handle(request)
                if parse_qs(request.query)["resource"] == [scope]:
                    secrets.add(f"Bearer {json.loads(response.body)['access_token']}")
                return response
            if not request.path.startswith("/openai/v1/"):
                return error_response(404, "404", "Resource not found")
            if request.headers["authorization"] not in secrets:
                return error_response(401, "401", "audience is incorrect")
            if json.loads(request.body)["model"] != DEPLOYMENT:
                return error_response(404, "DeploymentNotFound", "The deployment does not exist.")
            own_key = {"authorization": f"Bearer {endpoint.simulator.azure.key}"}
            path = request.path.removeprefix("/openai")
            return handle(replace(request, path=path, headers={**request.headers, **own_key}))

        return run_snippet(FILE, manner, **variables)

    return run_foundry


def error_response(status: int, code: str, message: str) -> Response:
    """Return an error as Foundry writes it."""
    return Response(status, json.dumps({"error": {"code": code, "message": message}}).encode())


def test_a_key_is_enough_and_nobody_signs_in(run_foundry):
    done = run_foundry(AZURE_FOUNDRY_KEY=KEY)
    assert (done.code, done.stdout, done.stderr) == (0, "The capital of France is Paris.\n", "")
    (arrival,) = done.visit.arrivals
    assert (arrival.request.path, arrival.request.query) == ("/openai/v1/chat/completions", "")


def test_without_a_key_a_token_of_foundrys_scope_is_asked_for(run_foundry):
    done = run_foundry()
    assert (done.code, done.stdout, done.stderr) == (0, "The capital of France is Paris.\n", "")
    assert [arrival.request.path for arrival in done.visit.arrivals] == [
        "/msi/token",
        "/openai/v1/chat/completions",
    ]


@pytest.mark.parametrize(
    ("scope", "deployment", "message"),
    [
        ("https://ml.azure.com", DEPLOYMENT, "401: the key is of another resource, or the token"),
        ("https://ai.azure.com", "another", "404: there is no deployment another"),
    ],
)
def test_a_refusal_is_explained(run_foundry, scope, deployment, message):
    done = run_foundry(scope, AZURE_FOUNDRY_DEPLOYMENT=deployment)
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


def test_the_scopes_are_those_of_the_three_services():
    code = (SNIPPETS / FILE).read_text(encoding="utf-8")
    for scope in ("https://ai.azure.com", "https://cognitiveservices.azure.com"):
        assert f'"{scope}/.default"' in code
    assert 'managed compute: *.inference.ml.azure.com": "https://ml.azure.com/.default"' in code
