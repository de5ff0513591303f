"""Clients of the simulated endpoint, and what tests of it share.

What these tests expect comes from recorded traffic, from the published container and from runs of
the SDK, not from the simulator's source.
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
PROMPT_TOKENS = 25  # contents 6 and 8, each message 4 more, and 3 that open the reply
UNAUTHORIZED = {
    "statusCode": 401,
    "message": "Auth token validation failed. Please provide a valid key or a valid AAD token",
}

both_schemes = pytest.mark.parametrize("scheme", ["http", "https"])


def fault(header: str) -> dict[str, dict[str, str]]:
    """Return the keyword argument that lets a call of the SDK request a fault."""
    return {"headers": {"x-simulated-fault": header}}


def key_client(
    simulator,
    certificates: str,
    scheme: str = "https",
    kind: type = ChatCompletionsClient,
    path: str = "",
    key: str | None = None,
):
    """Return a client of the SDK for a path of the simulator. key: by default the right one."""
    url = simulator.url if scheme == "https" else simulator.http_url
    credential = AzureKeyCredential(simulator.azure.key if key is None else key)
    return kind(url + path, credential, connection_verify=certificates)


def refusal(call: Callable, *arguments, **options) -> HttpResponseError:
    """Call a function. Return the HttpResponseError that it raises."""
    with pytest.raises(HttpResponseError) as error_info:
        call(*arguments, **options)
    return error_info.value


def updates_of(client, body: dict = GREEDY, **options) -> list:
    """Return all updates of a streamed answer."""
    return list(client.complete({**body, "stream": True}, **options))


def text_of(updates: list) -> str:
    """Return the text of a stream."""
    return "".join(update.choices[0].delta.content or "" for update in updates if update.choices)


def finish_of(updates: list) -> str | None:
    """Return the finish reason in the last update that has a choice; None if there is none."""
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
    """Return the response to a request with the key, without sockets.

    headers: with _ in place of -. A body is JSON unless they say otherwise.
    """
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    all_headers = {"api-key": azure.key} | ({"content-type": "application/json"} if body else {})
    all_headers |= {name.replace("_", "-"): value for name, value in headers.items()}
    return azure.handle(Request(method, path, query, all_headers, content))
