"""Judge the answers to the exercises of lesson 00, the first answer."""

from __future__ import annotations

from typing import Any

from azure.ai.inference.models import ChatCompletions, ChatResponseMessage

from helpers.exercises.clients import UNSEEN, chat_client, last_request
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import call, kind, show
from helpers.settings import (
    CREDENTIAL,
    ENDPOINT,
    EXAMPLE,
    ConnectionSettingsError,
    check_endpoint,
    check_key,
)

FIRST_QUESTION = "How many languages are in the world?"  # the lesson's own


def check_0_1(answer: Any) -> Outcome:
    """Return correct for the text of the reply to a question of the learner's own."""
    expected = "the text of the reply"
    if isinstance(answer, ChatCompletions):
        look = "the text is in `choices[0].message.content`"
        return not_yet("a ChatCompletions, which is the whole response", expected, look)
    if isinstance(answer, ChatResponseMessage):
        return not_yet("a ChatResponseMessage", expected, "the text is in its `content`")
    if not isinstance(answer, str):
        look = (
            "`print` shows a text and returns `None`: put the text into `answer` first"
            if answer is None
            else "`client.complete(...)` returns the response, which holds the text"
        )
        return not_yet(kind(answer), expected, look)
    if not answer.strip():
        return not_yet("an empty text", expected, "`response.choices[0].message.content`")
    request = last_request()
    if request is None:
        return correct(UNSEEN)
    body = request["body"] if isinstance(request["body"], dict) else {}
    messages = [item for item in body.get("messages") or [] if isinstance(item, dict)]
    if not messages:
        return not_yet("no question", "a request with your question", "`client.complete(...)`")
    question = str(messages[-1].get("content"))
    if not question.strip():
        return not_yet("an empty question", "a question", "`my_question`")
    if question == "my_question":
        return not_yet(
            "the question 'my_question'", "what is in `my_question`", "without quotation marks"
        )
    if question == FIRST_QUESTION:
        return not_yet(
            "the lesson's own question about languages",
            "another question",
            "`messages=[UserMessage(my_question)]`",
        )
    if body.get("temperature") != 0:
        number = f"with `temperature` {show(body.get('temperature'))}"
        return not_yet(
            f"a request {number if 'temperature' in body else 'without `temperature`'}",
            "`temperature` 0 in the request",
            "the cell that asked about languages sets it, too",
        )
    if answer.strip() == question.strip():
        return not_yet("the question, and not the reply", expected, "`response.choices[0]`")
    result = call(
        chat_client().complete,
        messages=messages,
        **{name: body[name] for name in ("max_tokens",) if name in body},
    )
    reply = result.value.choices[0].message.content if result.error is None else answer
    if "".join(answer.split()) != "".join(reply.split()):  # fill() breaks lines
        return not_yet(
            "a text that is not the reply to your last request",
            f"{expected} to {show(question)}",
            "take the text from the response; do not type it",
        )
    return correct()


def check_0_2(answer: Any) -> Outcome:
    """Return correct for a function that returns two settings that can work."""
    result = call(answer)
    values = result.value
    if not isinstance(values, dict):
        came = result.failure or f"it returned {show(values)}"
        return not_yet(came, "a dictionary with two variables", '`return {"NAME": "value", ...}`')
    names = f"`{ENDPOINT}` and `{CREDENTIAL}`"
    core = 'the core, under "Your own endpoint, and back"'
    for name in values:
        if name not in (ENDPOINT, CREDENTIAL):
            return not_yet(f"`{name}`, which nothing here reads", names, core)
    for name in (ENDPOINT, CREDENTIAL):
        if not isinstance(values.get(name), str):
            return not_yet(f"no `{name}`", names, core)
    endpoint, key = values[ENDPOINT].strip(), values[CREDENTIAL].strip()
    try:
        check_endpoint(endpoint)
    except ConnectionSettingsError:
        return _endpoint_problem(endpoint)
    if endpoint.rstrip("/") != EXAMPLE:
        return not_yet(f"the endpoint {show(endpoint)}", show(EXAMPLE), "the host's name")
    if any(map(str.isspace, key)):
        return not_yet("a key with spaces", "a key without spaces", "write `a-made-up-key`")
    try:
        check_key(key)
    except ConnectionSettingsError:
        return not_yet("what cannot be a key", "`a-made-up-key`", "quotation marks, brackets, dots")
    return correct()


def _endpoint_problem(endpoint: str) -> Outcome:
    if not endpoint.startswith("https://"):
        return not_yet(
            "an endpoint without `https://`", show(EXAMPLE), "the beginning of the address"
        )
    if endpoint.rstrip("/").endswith("/score"):
        return not_yet(
            "an endpoint that ends in '/score'", show(EXAMPLE), "the client adds the route itself"
        )
    return not_yet(f"the endpoint {show(endpoint)}", show(EXAMPLE), "the end of the address")
