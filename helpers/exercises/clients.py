"""Clients and requests for the checks: with a fault, with the other server, and what arrived.

On a person's own endpoint nobody can see which requests arrived. There the functions return None,
and a check judges what it can see and says so with the note UNSEEN.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import StreamingChatCompletionsUpdate
from azure.core.credentials import AzureKeyCredential

from helpers.exercises.trials import Call, call
from helpers.settings import CREDENTIAL, ENDPOINT
from helpers.wire import number_received, requests_received

FAULT = "x-simulated-fault"  # the header that names a failure
UNSEEN = (
    "Your own endpoint does not tell which requests it received, so only the reply was judged. "
    "With the simulated endpoint, the check sees more."
)


def is_simulated() -> bool:
    """Return True if the endpoint tells which requests it received."""
    return _number_received() is not None


def chat_client(fault: str = "", server: str = "", **settings: Any) -> ChatCompletionsClient:
    """Return a client at temperature 0 for the endpoint of the lesson.

    fault: what goes wrong with each request, as in the header x-simulated-fault. server: which of
    the two published servers answers. A real endpoint ignores both.
    """
    headers = {FAULT: fault, "x-simulated-server": server}
    return ChatCompletionsClient(
        os.environ[ENDPOINT],
        AzureKeyCredential(os.environ[CREDENTIAL]),
        headers={name: value for name, value in headers.items() if value},
        **{"temperature": 0, **settings},
    )


def last_request() -> dict | None:
    """Return the last request that arrived, or None if it cannot be seen or there is none.

    It is a dict with method, path, query, headers, body and status, as in helpers.wire.
    """
    try:
        requests = requests_received()
    except (RuntimeError, ValueError, OSError):
        return None
    return requests[0] if requests else None


def requests_of(function: Callable, *arguments: Any, **keywords: Any) -> tuple[Call, list | None]:
    """Call a learner's function. Return what it did, and the requests that arrived meanwhile.

    The requests are None if they cannot be seen.
    """
    before = _number_received()
    result = call(function, *arguments, **keywords)
    if before is None:
        return result, None
    number = _number_received() - before
    return result, requests_received(number) if number else []


class _NotSent(Exception):
    """Keeps a request from being sent."""


def request_of_client(client: Any, **settings: Any) -> tuple[Call, Any]:
    """Return what a client would send for a short question, without sending it.

    The request has url, method, headers and body; it is None if the client makes none. The result
    says why.
    """
    requests = []

    def keep(request: Any) -> None:
        requests.append(request.http_request)
        raise _NotSent

    def ask() -> None:
        messages = [{"role": "user", "content": "Hello"}]
        client.complete(messages=messages, raw_request_hook=keep, **settings)

    result = call(ask)
    return result, requests[0] if requests else None


def chunk(
    text: str | None = None, reason: str | None = None, **fields: Any
) -> StreamingChatCompletionsUpdate:
    """Return a chunk of a stream. With neither text nor reason, it has no choices.

    fields: more of the chunk, such as usage.

    >>> chunk("Hi").choices[0].delta.content
    'Hi'
    >>> chunk().choices
    []
    """
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    choices = [] if text is None and reason is None else [choice]
    return StreamingChatCompletionsUpdate({"choices": choices, **fields})


def _number_received() -> int | None:
    try:
        return number_received()
    except (RuntimeError, ValueError, OSError):
        return None
