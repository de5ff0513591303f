"""Ask the endpoint for the playground: read the answer piece by piece, say errors in words.

No widget is used here.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from azure.ai.inference import ChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError

from helpers.playground.answer import Answers, Token
from helpers.playground.settings import PASS_THROUGH, ChatSettings, Messages
from helpers.settings import CREDENTIAL, ENDPOINT, read_settings

CONNECTION_TIMEOUT, READ_TIMEOUT = 10, 120  # seconds
REFUSED = (400, 422)  # statuses of a request that the server does not accept as it is
LONGEST_REASON = 600  # characters
ADVICE = {
    401: "The endpoint refuses the key. Check the variable AZURE_INFERENCE_CREDENTIAL.",
    403: "The endpoint refuses this key. Check the variable AZURE_INFERENCE_CREDENTIAL.",
    404: "The endpoint has no such route. Check the variable AZURE_INFERENCE_ENDPOINT.",
    408: "The answer took too long. Ask again, or set max_tokens.",
    429: "Too many requests at a time. Wait a little, then press Retry.",
}
# The SDK logs a broken stream, and Python would print that into the notebook.
logging.getLogger("azure.core").addHandler(logging.NullHandler())
NO_ENDPOINT = "There is no endpoint yet. Run the cell with connect() first."
SERVER_FAULT = "The fault is on the side of the server. Wait a little, then press Retry."


class ChatError(RuntimeError):
    """No answer came, or not the whole of it. The message says why, and what to do."""


@dataclass
class Request:
    """One request of the playground.

    beginning: tokens that the answer has already and goes on from; empty for a new answer. Their
    text is then the last message of the conversation.
    """

    settings: ChatSettings
    conversation: Messages
    beginning: tuple[Token, ...] = ()

    @property
    def goes_on(self) -> bool:
        return bool(self.beginning)


def ask(
    request: Request,
    show: Callable[[Answers], None],
    is_stopped: Callable[[], bool],
) -> tuple[Answers, list[str]]:
    """Send a request. Return the answers, and notes on what the endpoint does not do.

    show: called after each piece. is_stopped: asked after each piece; the stream is closed once it
    returns True. An endpoint that refuses log-probabilities, or that has no streams, is asked again
    without them. Raises ChatError.
    """
    settings, notes = request.settings, []
    while True:
        try:
            answers = _ask_once(replace(request, settings=settings), show, is_stopped)
        except HttpResponseError as error:
            reason = reason_of(error)
            if error.status_code in REFUSED and settings.alternatives and "logprobs" in reason:
                settings = replace(settings, alternatives=0)
                notes.append(
                    "This endpoint refuses log-probabilities, so it was asked without them: "
                    "no token is coloured."
                )
                continue
            raise ChatError(words_of(error, request.goes_on)) from None
        except (AzureError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ChatError(words_of(error, request.goes_on)) from None
        if settings.stream and not answers.chunks and not is_stopped():
            settings = replace(settings, stream=False)
            notes.append("This endpoint sent no stream, so it was asked for a whole answer.")
            continue
        return answers, notes


def _ask_once(
    request: Request, show: Callable[[Answers], None], is_stopped: Callable[[], bool]
) -> Answers:
    if not os.environ.get(ENDPOINT):
        raise ChatError(NO_ENDPOINT)
    read_settings(os.environ)
    answers = Answers.going_on(request.beginning) if request.beginning else Answers()
    settings = request.settings
    with ChatCompletionsClient(
        os.environ[ENDPOINT],
        AzureKeyCredential(os.environ[CREDENTIAL]),
        connection_timeout=CONNECTION_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retry_total=0,  # so that an error is shown at once
    ) as client:
        headers = settings.headers()
        if settings.extras(request.goes_on):
            headers |= PASS_THROUGH
        reply = client.complete(
            settings.body(request.conversation, request.goes_on), headers=headers
        )
        chunks: Iterable[Any] = reply if settings.stream else [reply]
        try:
            for chunk in chunks:
                if is_stopped():
                    break
                answers.add(chunk)
                show(answers)
        finally:
            if settings.stream:
                reply.close()
    return answers


def words_of(error: Exception, goes_on: bool = False) -> str:
    """Return an error in words: what happened, the server's reason, and what to do. Never a key.

    goes_on: True if the answer was to go on from a chosen token, which not every server can do.
    """
    if isinstance(error, HttpResponseError) and error.status_code:
        status = error.status_code
        reason = reason_of(error)
        if status in REFUSED:
            text = f"The endpoint refuses the request ({status}): {reason}"
            if goes_on:
                text += (
                    " To let an answer go on from a chosen token, the playground sends "
                    "continue_final_message, which only vLLM and some other servers know."
                )
        else:
            advice = ADVICE.get(status, SERVER_FAULT if status >= 424 else "")
            text = f"The endpoint answers {status}: {reason} {advice}"
            wait = (error.response.headers or {}).get("retry-after") if error.response else None
            if wait:
                text += f" It asks for a pause of {wait} s."
    elif isinstance(error, AzureError | OSError):
        text = (
            f"The connection failed or broke off ({type(error).__name__}). Check the network, the "
            f"variable {ENDPOINT}, and whether the deployment is running."
        )
    else:
        text = f"The endpoint's answer cannot be read ({type(error).__name__}: {error})."
    return _without_key(" ".join(text.split()))


def reason_of(error: HttpResponseError) -> str:
    """Return the server's reason in an error, out of whichever of its fields has one."""
    try:
        body = json.loads(error.response.text())
    except (AttributeError, ValueError, AzureError):
        body = None
    reasons = [*dict.fromkeys(_reasons(body))]
    text = "; ".join(reasons) or error.reason or "no reason is told"
    text = text[:LONGEST_REASON].rstrip(". ")
    return f"{text}."


def _reasons(body: Any) -> Iterator[str]:
    """Yield the innermost messages of an error's body."""
    if isinstance(body, str):
        try:
            inner = json.loads(body)
        except ValueError:
            inner = None
        if isinstance(inner, dict):
            yield from _reasons(inner)
        elif body.strip():
            yield body.strip()
    elif isinstance(body, list):
        for item in body:
            yield from _reasons(item)
    elif isinstance(body, dict):
        if "msg" in body:
            place = [str(part) for part in body.get("loc") or () if part != "body"]
            yield f"{'.'.join(place)}: {body['msg']}" if place else str(body["msg"])
            return
        for name in ("error", "details", "detail", "message"):
            found = [*_reasons(body.get(name))] if body.get(name) else []
            if found:
                yield from found
                return


def _without_key(text: str) -> str:
    key = os.environ.get(CREDENTIAL, "")
    return text.replace(key, "***") if key else text
