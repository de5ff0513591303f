"""Access tokens: how long they live, and that nobody can make one."""

from __future__ import annotations

import base64
import json

from simulated_azure.auth import TOKEN_PREFIX, Tokens
from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request

AUDIENCE = "https://ml.azure.com"


def status_with(azure: SimulatedAzure, token: str) -> int:
    return azure.handle(
        Request("GET", "/info", headers={"authorization": f"Bearer {token}"})
    ).status


def new_token(azure: SimulatedAzure, audience: str = AUDIENCE) -> str:
    headers = {"x-identity-header": azure.identity_header}
    response = azure.handle(Request("GET", "/msi/token", f"resource={audience}", headers))
    return json.loads(response.body)["access_token"]


def test_a_token_is_valid_however_many_others_are_issued_after_it():
    azure = SimulatedAzure()
    first = new_token(azure)
    for _ in range(3000):
        new_token(azure)
    assert status_with(azure, first) == 200


def test_a_token_ends_when_it_says_so(monkeypatch):
    tokens = Tokens()
    token, expires_on = tokens.issue(AUDIENCE, lifetime=60)
    for seconds, audience in ((-1, AUDIENCE), (0, None), (1, None)):
        monkeypatch.setattr("time.time", lambda at=expires_on + seconds: at)
        assert tokens.audience(token) == audience


def test_a_token_of_another_simulation_opens_nothing():
    assert status_with(SimulatedAzure(), new_token(SimulatedAzure())) == 401


def test_a_token_that_somebody_has_changed_opens_nothing():
    azure = SimulatedAzure()
    content, _, signature = (
        new_token(azure, "https://graph.microsoft.com").removeprefix(TOKEN_PREFIX).partition(".")
    )
    claims = json.loads(base64.urlsafe_b64decode(content + "=="))
    forged = (
        base64.urlsafe_b64encode(json.dumps({**claims, "aud": AUDIENCE}).encode())
        .decode()
        .rstrip("=")
    )
    assert status_with(azure, f"{TOKEN_PREFIX}{forged}.{signature}") == 401


def test_texts_that_are_not_tokens_open_nothing():
    azure = SimulatedAzure()
    texts = [
        "",
        TOKEN_PREFIX,
        f"{TOKEN_PREFIX}.",
        f"{TOKEN_PREFIX}a.b",
        "eyJhbGciOiJub25lIn0.e30.",
        "\xff" * 40,
    ]
    assert [status_with(azure, text) for text in texts] == [401] * len(texts)
