"""Judge the answers to the exercises of lesson 10, the move to the package openai."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import openai

from helpers.exercises.clients import FAULT, UNSEEN, chat_client, is_simulated, requests_of
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import call, kind, show
from helpers.settings import CREDENTIAL, ENDPOINT

PASSED_ON = {"extra-parameters": "pass-through"}
SERVERS = ("inference", "serve")
ROUTE = "/v1/chat/completions"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
LOOKS = {  # a piece of an error -> where to look
    "IndexError": "a chunk without choices has no `choices[0]`",
    "CompletionUsage": "step 6: attributes replace brackets",
    "'NoneType'": "the chunk with the usage has no choices: read `usage` outside the `if`",
    "NotFoundError": "*serve* knows its model by another name, which `model_name(client)` returns",
    "model_extras": "step 5: extras become arguments of the call",
    "argument 'headers'": "step 5: `headers` become `extra_headers`",
    "dictionary update": "`extra_headers=` takes a dictionary: `passed_on`",
    "subscriptable": "step 6: attributes replace brackets",
    "Missing required": "the new package needs `model`",
    "no attribute 'complete'": "the call is `client.chat.completions.create(...)`",
}


def new_client(server: str = "", **settings: Any) -> openai.OpenAI:
    """Return a client of openai for the endpoint of the lesson. It repeats no request."""
    headers = {"x-simulated-server": server} if server else {}
    return openai.OpenAI(
        base_url=os.environ[ENDPOINT].rstrip("/") + "/v1",
        api_key=os.environ[CREDENTIAL].strip(),
        default_headers=headers | settings.pop("headers", {}),
        max_retries=0,
        **settings,
    )


def model_of(client: openai.OpenAI) -> str:
    """Return AZURE_INFERENCE_MODEL, else the model that the server lists, else Phi-4."""
    if name := os.environ.get("AZURE_INFERENCE_MODEL"):
        return name
    try:
        return client.models.list().data[0].id
    except (openai.APIError, IndexError):
        return "Phi-4"


def look_for(failure: str, otherwise: str) -> str:
    """Return where to look after an error."""
    return next((look for piece, look in LOOKS.items() if piece in failure), otherwise)


def chats(requests: list | None) -> list[dict]:
    """Return the requests for completions among these."""
    return [each for each in requests or [] if each["path"].endswith("/chat/completions")]


def asks_another(request: dict, server: str, passed: str) -> Outcome | None:
    """Return not yet if a request does not come from the client of the check.

    server: the header of that client says it. passed: what the function gets.
    """
    if not is_simulated() or request["headers"].get("x-simulated-server") == server:
        return None
    return not_yet(
        "a request of another client", f"one of `{passed}`", f"use `{passed}`, which is handed in"
    )


def missing(request: dict, *names: str) -> Outcome | None:
    """Return not yet if the body of a request lacks one of these settings."""
    body = request["body"] if isinstance(request["body"], dict) else {}
    for name in names:
        if name not in body:
            return not_yet(
                f"a request without `{name}`", f"`{name}` in the request", "the call of `create`"
            )
    return None


def header_missing(request: dict) -> Outcome | None:
    """Return not yet if a request lacks the header that passes extras on."""
    if request["headers"].get("extra-parameters") == "pass-through":
        return None
    return not_yet(
        "a request without the header `extra-parameters`",
        "the header with the value `pass-through`",
        "the dictionary `passed_on`; without it, *inference* drops extras silently",
    )


def check_10_1(answer: Any) -> Outcome:
    """Return correct for a function that prints a stream and returns its tokens, on each server."""
    for server in SERVERS if is_simulated() else SERVERS[:1]:
        client = new_client(server, headers=PASSED_ON)
        create = partial(client.chat.completions.create, model=model_of(client))
        reply = create(messages=QUESTION, temperature=0)
        text, usage = reply.choices[0].message.content, reply.usage
        result, requests = requests_of(answer, create)
        sent = chats(requests)[-1] if chats(requests) else None
        if sent and (problem := asks_another(sent, server, "create")):
            return problem
        if sent and not sent["body"].get("stream"):
            return not_yet("a request without `stream=True`", "a stream", "the call of `create`")
        if sent and (problem := missing(sent, "stream_options")):
            return problem
        if result.error is not None:
            look = look_for(result.failure, "the line that raises it, and steps 6 and 7")
            return not_yet(result.failure, "it prints the text and returns a number", look)
        if result.value == usage.completion_tokens:
            return not_yet(
                f"it returned {result.value}, the tokens of the answer",
                "the tokens of the question and the answer",
                "`total_tokens`",
            )
        if requests is None:
            is_right = isinstance(result.value, int) and result.value > 0 and result.printed.strip()
            return (
                correct(UNSEEN)
                if is_right
                else not_yet(f"it returned {show(result.value)}", "a text and a number", "`return`")
            )
        if text not in result.printed:
            return not_yet(f"it printed {show(result.printed)}", show(text), "`print` in the loop")
        if result.value is None:
            return not_yet("it returned None", f"{usage.total_tokens}", "`return` after the loop")
        if result.value != usage.total_tokens:
            return not_yet(
                f"it returned {show(result.value)}", f"{usage.total_tokens}", "the last line"
            )
    return correct()


def check_10_2(answer: Any) -> Outcome:
    """Return correct for a function that returns a token's log-probability, on each server."""
    for server in SERVERS if is_simulated() else ("",):
        where = f"on {server}, " if server else ""
        result, requests = requests_of(answer, new_client(server))
        sent = chats(requests)
        if sent:
            if problem := asks_another(sent[-1], server, "client"):
                return problem
            problem = missing(sent[-1], "logprobs", "temperature", "max_tokens")
            if problem := problem or header_missing(sent[-1]):
                return problem
        if result.error is not None:
            look = look_for(result.failure, "the line that raises it, and steps 4 to 6")
            return not_yet(f"{where}{result.failure}", "a token and a number", look)
        value = result.value
        is_pair = isinstance(value, tuple | list) and len(value) == 2
        if not is_pair or not isinstance(value[0], str) or not isinstance(value[1], float):
            return not_yet(
                f"{where}{result.came}",
                "two values, as `first_token_old` returns them",
                "`return token.token, token.logprob`",
            )
        if requests is None:
            return correct(UNSEEN)
        if not sent:
            return not_yet(f"{where}no request", "one request", "use the client that is passed")
        extras = {"logprobs": True}
        reply = chat_client(server=server).complete(
            messages=QUESTION, max_tokens=1, model_extras=extras
        )
        token = reply.choices[0]["logprobs"]["content"][0]
        if tuple(value) != (token["token"], token["logprob"]):
            return not_yet(
                f"{where}it returned {show(value)}",
                show((token["token"], token["logprob"])),
                "the messages, the values of `temperature` and `max_tokens`, and no rounding",
            )
    return correct()


def check_10_3(answer: Any) -> Outcome:
    """Return correct for a function that sends what serve filled in on the old route."""
    if not is_simulated():
        return not_yet(
            "an endpoint that is not simulated", "the server *serve*", "the clients of the section"
        )
    for review in ("The soup was cold.", "A quiet room with a view.", "fine"):
        result, requests = requests_of(answer, review)
        sent = chats(requests)
        if not sent:
            return not_yet(result.failure or "no request", "one request", "`new_on_serve`")
        if sent[-1]["path"] != ROUTE:
            return not_yet(f"a request to {sent[-1]['path']}", ROUTE, "`new_on_serve`")
        if problem := missing(sent[-1], "temperature", "max_tokens", "seed", "logprobs"):
            return problem
        for name, value in (("temperature", 0.7), ("max_tokens", 256), ("seed", 6)):
            if sent[-1]["body"][name] != value:
                return not_yet(
                    f"a request with `{name}` {show(sent[-1]['body'][name])}",
                    f"`{name}` {value}, which the old request has or gets on *serve*",
                    "the text above on what *serve* fills in",
                )
        value = result.value
        is_pair = isinstance(value, tuple | list) and len(value) == 2
        if not is_pair or not isinstance(value[0], str) or value[1] != round(value[1], 3):
            came = result.failure or f"it returned {show(value)}"
            return not_yet(came, "(label, log-probability)", "the last line of `label_old`")
    result = call(answer, "good " * 16_200)
    if result.error is not None or tuple(result.value or ()) != (None, 400):
        came = result.failure or f"it returned {show(result.value)}"
        return not_yet(
            f"with a review that is too long, {came}",
            "(None, 400)",
            "`except openai.APIStatusError as error`",
        )
    return correct()


def check_10_4(answer: Any) -> Outcome:
    """Return correct for a client of openai that asks once and waits 20 seconds."""
    if not isinstance(answer, openai.OpenAI):
        return not_yet(kind(answer), "an OpenAI, the synchronous client", "`OpenAI(...)`")
    if not str(answer.base_url).startswith(os.environ[ENDPOINT].rstrip("/")):
        return not_yet(
            f"the address {answer.base_url}", "that of your endpoint, with `/v1`", "`base_url=`"
        )
    seconds = getattr(answer.timeout, "read", answer.timeout)
    if seconds != 20:
        return not_yet(
            f"a client that waits {show(seconds)} seconds for data", "20", "`timeout=`, in seconds"
        )
    if answer.max_retries != 0 and not is_simulated():
        return not_yet(f"`max_retries` {answer.max_retries}", "0", "`max_retries=`")
    if not is_simulated():
        return correct(UNSEEN)
    ask = partial(answer.chat.completions.create, model="Phi-4", messages=QUESTION)
    headers = {FAULT: "503; retry-after=0.01"}
    _, requests = requests_of(ask, extra_headers=headers)
    sent = chats(requests)
    if not sent:
        return not_yet("no request", "one request", "the address and the key")
    if sent[-1]["path"] != ROUTE:
        return not_yet(f"a request to {sent[-1]['path']}", ROUTE, "the end of `base_url`")
    if len(sent) != 1:
        return not_yet(
            f"with a 503 each time, {len(sent)} requests arrived", "1 request", "`max_retries=`"
        )
    if problem := header_missing(sent[-1]):
        return problem
    result = call(ask)
    return correct() if result.error is None else not_yet(result.failure, "a reply", "the key")
