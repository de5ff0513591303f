"""Judge the answers to the exercises of lesson 02, clients."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import ChatCompletions
from azure.core.exceptions import HttpResponseError

from helpers.exercises.clients import (
    UNSEEN,
    chat_client,
    is_simulated,
    last_request,
    request_of_client,
    requests_of,
)
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import call, kind, show
from helpers.settings import CREDENTIAL, ENDPOINT

MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]
MODEL_STATUS = "ms-azureml-model-error-statuscode"
LOOKS = {  # a piece of an error -> where to look
    "Unsupported credential": "wrap the key: `AzureKeyCredential(key)`",
    "ResourceNotFoundError": "what stands at the end of the address?",
    "Invalid input": "`messages` has to be a list of messages. Did you change `question`?",
    "extra_forbidden": "the spelling of the parameter; `temperature` is an argument of `complete`",
    "HttpResponseError": "what stands at the end of the address?",
    "unexpected keyword argument": "the spelling of the word in the message",
    "ClientAuthenticationError": "the key that was handed to the client",
}
COPIED = (  # endpoints as people copy them, and as a client needs them
    ("https://phi4.example", "https://phi4.example"),
    ("  https://phi4.example/score\n", "https://phi4.example"),
    ("phi4.example", "https://phi4.example"),
    ("phi4.example/", "https://phi4.example"),
    ("https://phi4.example/score/", "https://phi4.example"),
    ("https://score-eu.example/score", "https://score-eu.example"),
)


def body_of(request: dict | None) -> dict:
    """Return the JSON object in the body of a request, or an empty one."""
    body = request["body"] if request else None
    return body if isinstance(body, dict) else {}


def setting_problem(body: dict, name: str, value: object) -> Outcome | None:
    """Return not yet if the body of a request does not have this setting."""
    if name not in body:
        return not_yet(
            f"a request without `{name}`", f"`{name}` {value} in the request", "is it spelt right?"
        )
    if body[name] != value:
        return not_yet(
            f"a request with `{name}` {show(body[name])}",
            f"`{name}` {value} in the request",
            f"the value of `{name}`",
        )
    return None


def check_2_1(answer: Any) -> Outcome:
    """Return correct for the response to a question about Japan at temperature 0."""
    if not isinstance(answer, ChatCompletions):
        return not_yet(
            kind(answer), "the whole response (ChatCompletions)", "`complete` returns the response"
        )
    request = last_request()
    if request is None:
        return correct(UNSEEN)
    body = body_of(request)
    messages = [item for item in body.get("messages") or [] if isinstance(item, dict)]
    last = messages[-1] if messages else {}
    if last.get("role") != "user":
        return not_yet(
            f"a message with the role {show(last.get('role'))}",
            "a message of the user",
            "`UserMessage`",
        )
    question = str(last.get("content"))
    if "japan" not in question.casefold():
        about = (
            "a question about France" if "France" in question else f"the question {show(question)}"
        )
        return not_yet(about, "a question about Japan", "the text of the message")
    return setting_problem(body, "temperature", 0) or correct()


def check_2_2(answer: Any) -> Outcome:
    """Return correct for a client that sends two defaults."""
    if not isinstance(answer, ChatCompletionsClient):
        return not_yet(kind(answer), "a client", "`ChatCompletionsClient(...)`, and no request")
    if not is_simulated():
        result, sent = request_of_client(answer)
        if sent is None:
            return not_yet(result.failure, "a request", "the endpoint and the credential")
        body, status = json.loads(sent.body), 200
    else:
        result, requests = requests_of(answer.complete, messages=MESSAGES)
        if not requests:
            return not_yet(
                result.failure or "no request", "a request", "the endpoint and the credential"
            )
        body, status = body_of(requests[-1]), requests[-1]["status"]
    if status != 200:
        return not_yet(
            f"the endpoint answered with status {status}", "status 200", "the endpoint and the key"
        )
    return (
        setting_problem(body, "temperature", 0)
        or setting_problem(body, "max_tokens", 20)
        or correct()
    )


def check_2_3(answer: Any) -> Outcome:
    """Return correct for a function without the three mistakes."""
    result, requests = requests_of(answer, os.environ[ENDPOINT], os.environ[CREDENTIAL])
    if result.error is not None:
        error = f"{type(result.error).__name__} {result.error}"
        look = next((text for piece, text in LOOKS.items() if piece in error), "the last line")
        return not_yet(result.failure, "a response", look)
    if not isinstance(result.value, ChatCompletions):
        return not_yet(
            f"it returned {show(result.value)}", "the response", "`return client.complete(...)`"
        )
    if requests is None:
        return correct(UNSEEN)
    if not requests:
        return not_yet("no request", "one request", "the function has to ask the question itself")
    return setting_problem(body_of(requests[-1]), "temperature", 0) or correct()


def check_2_4(answer: Any) -> Outcome:
    """Return correct for a function that cleans an endpoint and a key."""
    key = " made-up-key\n"
    for copied, endpoint in COPIED:
        result = call(answer, copied, key)
        value = result.value
        if result.error is not None or not isinstance(value, tuple | list) or len(value) != 2:
            came = result.failure or f"it returned {show(value)}, {kind(value)}"
            return not_yet(came, "two values: (endpoint, key)", "`return endpoint, key`")
        if value[0] != endpoint:
            return not_yet(
                f"with the endpoint {show(copied)} it returned the endpoint {show(value[0])}",
                show(endpoint),
                "spaces and line ends, the `/` and `/score` at the end, `https://`: which one?",
            )
        if value[1] != key.strip():
            return not_yet(
                f"with the key {show(key)} it returned the key {show(value[1])}",
                show(key.strip()),
                "`strip()` without an argument takes off spaces and line ends",
            )
    return correct()


def check_2_5(answer: Any) -> Outcome:
    """Return correct for a function that returns the status of an error."""
    cases = (
        ("status 401", _error("401", 401), 401),
        ("status 424 and 503 in the header", _error("424-503", 424, {MODEL_STATUS: "503"}), 503),
        ("status 424 and 404 in the header", _error("424", 424, {MODEL_STATUS: "404"}), 404),
        ("a TypeError", TypeError("Unsupported credential"), None),
    )
    for name, error, status in cases:
        result = call(answer, error)
        if result.error is None and result.value == status and type(result.value) is type(status):
            continue
        came = result.failure or f"it returned {show(result.value)}"
        return not_yet(
            f"with {name}, {came}",
            f"{status}{', a number' if status else ''}",
            f"the class of the error first, then its status, then the header `{MODEL_STATUS}`",
        )
    return correct()


def _error(fault: str, status: int, headers: dict | None = None) -> HttpResponseError:
    """Return an error with this status: a real one, if the endpoint can be asked for it."""
    if is_simulated():
        client = chat_client(fault, retry_total=0)
        error = call(client.complete, messages=MESSAGES).error
        if isinstance(error, HttpResponseError):
            return error
    response = SimpleNamespace(status_code=status, headers=headers or {}, reason="error")
    return HttpResponseError(response=response)
