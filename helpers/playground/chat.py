"""Ask the endpoint for the playground, in a thread: read the answer piece by piece, say errors.

No widget is used here.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from azure.ai.inference import ChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError

from helpers.playground.answer import Answers, Token, notes
from helpers.playground.settings import PASS_THROUGH, ChatSettings, Messages
from helpers.servers import ServerReport
from helpers.settings import CREDENTIAL, ENDPOINT, read_settings

CONNECTION_TIMEOUT, READ_TIMEOUT = 10, 120  # seconds
REFUSED = (400, 422)  # statuses of a request that the server does not accept as it is
LONGEST_REASON = 600  # characters
ADVICE = {
    401: "The endpoint refuses the key. Check the variable AZURE_INFERENCE_CREDENTIAL.",
    403: "The endpoint refuses this key. Check the variable AZURE_INFERENCE_CREDENTIAL.",
    404: "The endpoint has no such route. Check the variable AZURE_INFERENCE_ENDPOINT.",
    408: "The answer took too long. Ask again, or set max_tokens.",
    429: "Wait a little, then ask again, with fewer requests at a time.",
}
# The SDK logs a broken stream, and Python would print that into the notebook.
logging.getLogger("azure.core").addHandler(logging.NullHandler())
NO_ENDPOINT = "There is no endpoint yet. Run the cell with connect() first."
SERVER_FAULT = "The fault is on the side of the server. Wait a little, then ask again."


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


class Run:
    """A request on its way, in a thread of its own.

    answers: as far as they have arrived. error, notes: in words, once the run has ended.
    """

    def __init__(
        self,
        request: Request,
        changed: Callable[[Run], None],
        lock: threading.RLock | None = None,
    ) -> None:
        """Prepare a run.

        changed: called after each piece and at the end, while ``lock`` is held. It is not called
        after ``stop``.
        """
        self.request = request
        self.answers = Answers.going_on(request.beginning) if request.beginning else Answers()
        self.error = ""
        self.notes: list[str] = []
        self.is_running = True
        self._changed = changed
        self._lock = lock or threading.RLock()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Send the request."""
        self._thread.start()

    def stop(self) -> None:
        """End the run, whatever the endpoint does. What has arrived stays."""
        with self._lock:
            self.is_running = False

    def wait(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def _take(self, answers: Answers, chunk: Any) -> None:
        with self._lock:
            if self.is_running:
                answers.add(chunk)
                self.answers = answers
                self._changed(self)

    def _work(self) -> None:
        error, lines = "", []
        try:
            answers, lines = ask(self.request, self._take, lambda: not self.is_running)
            wants = bool(self.request.settings.alternatives) and not lines
            lines = [*lines, *notes(answers, wants)]
        except ChatError as problem:
            error = str(problem)
        except Exception as problem:  # the chat has to say it, whatever it is
            error = _without_key(f"{type(problem).__name__}: {problem}")
        with self._lock:
            if self.is_running:
                self.is_running = False
                self.error, self.notes = error, lines
                self._changed(self)


def ask(
    request: Request,
    take: Callable[[Answers, Any], None],
    is_stopped: Callable[[], bool],
) -> tuple[Answers, list[str]]:
    """Send a request. Return the answers, and notes on what the endpoint does not do.

    take: called with the answers and each chunk, which it adds to them. is_stopped: asked before
    each chunk; the stream is closed once it returns True. An endpoint that refuses
    log-probabilities, or that has no streams, is asked again without them. Raises ChatError.
    """
    settings, lines = request.settings, []
    while True:
        try:
            answers = _ask_once(replace(request, settings=settings), take, is_stopped)
        except HttpResponseError as error:
            reason = reason_of(error)
            if error.status_code in REFUSED and settings.alternatives and "logprobs" in reason:
                settings = replace(settings, alternatives=0)
                lines.append(
                    "This endpoint refuses log-probabilities, so it was asked without them: "
                    "no token is coloured."
                )
                continue
            is_about_another = any(name in reason for name in settings.parameters())
            goes_on = request.goes_on and not is_about_another
            raise ChatError(words_of(error, goes_on)) from None
        except (AzureError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ChatError(words_of(error, request.goes_on)) from None
        if settings.stream and not answers.chunks and not is_stopped():
            settings = replace(settings, stream=False)
            lines.append("This endpoint sent no stream, so it was asked for a whole answer.")
            continue
        return answers, lines


def new_client() -> ChatCompletionsClient:
    """Return a client for the endpoint that the variables name; it tells each error at once."""
    return ChatCompletionsClient(
        os.environ[ENDPOINT],
        AzureKeyCredential(os.environ[CREDENTIAL]),
        connection_timeout=CONNECTION_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retry_total=0,
    )


def _ask_once(
    request: Request, take: Callable[[Answers, Any], None], is_stopped: Callable[[], bool]
) -> Answers:
    if not os.environ.get(ENDPOINT):
        raise ChatError(NO_ENDPOINT)
    read_settings(os.environ)
    answers = Answers.going_on(request.beginning) if request.beginning else Answers()
    settings = request.settings
    with new_client() as client:
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
                take(answers, chunk)
        finally:
            if settings.stream:
                reply.close()
    return answers


def served_model(report: ServerReport) -> str:
    """Return the name of the model that an endpoint tells, "" if it tells none.

    report: of ``which_server``, whose list of models is used where the route /info is missing.
    """
    try:
        with ChatCompletionsClient(
            os.environ[ENDPOINT],
            AzureKeyCredential(os.environ[CREDENTIAL]),
            connection_timeout=CONNECTION_TIMEOUT,
            retry_total=0,
        ) as client:
            name = client.get_model_info().model_name
    except (AzureError, OSError, ValueError, TypeError, KeyError, AttributeError):
        name = ""
    return str(name or next(iter(report.models), ""))


def words_of(error: Exception, goes_on: bool = False) -> str:
    """Return an error in words: what happened, the server's reason, and what to do. Never a key.

    goes_on: True if the answer was to go on from a chosen token, which not every server can do, and
    may have been refused for that.
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
