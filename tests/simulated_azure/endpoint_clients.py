"""Clients of the simulated endpoint, and what tests of it share.

What these tests expect comes from recorded traffic, from the published container and from runs of the
SDK, not from the simulator's source.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import SystemMessage, UserMessage
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from raw_http import GREEDY, QUESTION

from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request, Response

MESSAGES = [SystemMessage("You are a helpful assistant."), UserMessage(QUESTION)]


PROMPT_TOKENS = 25  # the two contents (6 and 8 tokens), 4 a message, 3 that open the reply


UNAUTHORIZED = {
    "statusCode": 401,
    "message": "Auth token validation failed. Please provide a valid key or a valid AAD token",
}


both_schemes = pytest.mark.parametrize("scheme", ["http", "https"])


def fault(asked: str) -> dict[str, dict[str, str]]:
    """The keyword argument of a call that asks for a fault."""
    return {"headers": {"x-simulated-fault": asked}}


def key_client(
    simulator,
    certificates,
    scheme: str = "https",
    kind=ChatCompletionsClient,
    path: str = "",
    **more,
):
    url = simulator.url if scheme == "https" else simulator.http_url
    return kind(
        url + path,
        AzureKeyCredential(more.pop("key", simulator.azure.key)),
        connection_verify=certificates,
        **more,
    )


def refusal(call: Callable, *arguments, **named) -> HttpResponseError:
    """The error that a call ends with."""
    with pytest.raises(HttpResponseError) as caught:
        call(*arguments, **named)
    return caught.value


def updates_of(client, body: dict = GREEDY, **named) -> list:
    return list(client.complete({**body, "stream": True}, **named))


def text_of(updates: list) -> str:
    return "".join(update.choices[0].delta.content or "" for update in updates if update.choices)


def finish_of(updates: list) -> str | None:
    return next(
        (update.choices[0].finish_reason for update in reversed(updates) if update.choices), None
    )


def ask_core(
    azure: SimulatedAzure,
    method: str,
    path: str,
    body: dict | bytes = b"",
    query: str = "",
    **headers: str,
) -> Response:
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return azure.handle(Request(method, path, query, {"api-key": azure.key, **named}, content))
