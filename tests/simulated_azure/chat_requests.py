"""Chat requests to the language model without a server, and what tests of it share."""

from __future__ import annotations

import json

from simulated_azure.inference.completions import Assistant
from simulated_azure.inference.engine import Call, read_call
from simulated_azure.inference.questions import load_questions
from simulated_azure.inference.servers import SERVE, Server

LANGUAGES = "How many languages are in the world?"
QUESTIONS = {question.id: question for question in load_questions()}
PREFERRED = QUESTIONS["languages-world"].answers[0]  # the answer to LANGUAGES at temperature 0
ANSWERS = {  # (question id, manner or "") -> answers, the preferred one first
    (question.id, manner): answers
    for question in QUESTIONS.values()
    for manner, answers in {"": question.answers, **question.styles}.items()
}

# The content of a user's only message, or (role, content) of each message.
Messages = str | list[tuple[str, str]]


def request_body(messages: Messages, **parameters) -> bytes:
    """Return the JSON body of a chat request."""
    if isinstance(messages, str):
        messages = [("user", messages)]
    return json.dumps(
        {"messages": [{"role": role, "content": text} for role, text in messages], **parameters}
    ).encode()


def call_of(body: bytes, server: Server = SERVE, is_v1: bool = True) -> Call:
    """Return a request as the engine gets it, by default by the route that accepts the most."""
    headers = {"content-type": "application/json", "extra-parameters": "pass-through"}
    return read_call(body, headers, server, is_v1, "the model")


def join_stream(events: list[dict]) -> tuple[str, str | None]:
    """Return (text, finish reason) of the first choice of a stream."""
    choices = [choice for event in events for choice in event["choices"] if choice["index"] == 0]
    reasons = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    assert len(reasons) == 1 and choices[-1]["finish_reason"]
    return "".join(choice["delta"]["content"] for choice in choices), reasons[0]


def topic_name(assistant: Assistant, *messages: str | tuple[str, str]) -> str:
    """Return the name of the topic of a conversation's next answer: "id", or "id/manner".

    messages: (role, content), or the content of a user's message.
    """
    pairs = [("user", message) if isinstance(message, str) else message for message in messages]
    return assistant._conversation.topic_of(pairs).name
