"""What goes wrong at the upstream, as answers to the client and as words for the operator.

A fault of the upstream is 502, as the server of a deployment answers when its engine fails. No
client of these lessons repeats a POST after 502 or 408, so the reason is seen at once. What a
client can mend itself keeps the upstream's status: 400, 422, 429, 503. Words of the upstream are
passed on with those only, without HTML, and never with a piece of the key.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from ..errors import HTTPError, container_error
from ..inference.engine import Call, engine_error
from .settings import KEY, URL, UpstreamSettings, without_key

MAX_REASON_LENGTH = 600  # characters
SECONDS = re.compile(r"[0-9]{1,6}")
PHRASES = {
    408: "Request Timeout",
    429: "Too Many Requests",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
NO_RETRY = {"x-should-retry": "false"}  # which OpenAI's clients heed


@dataclass
class Failure(Exception):
    """Something that went wrong at the upstream.

    status: for the client. reason: for the client, without the address of an upstream elsewhere.
    advice: for the operator. is_lasting: True if no later request can succeed, unless somebody
    changes a setting.
    """

    status: int
    reason: str
    advice: str = ""
    retry_after: str = ""
    is_lasting: bool = False

    def error(self, call: Call | None = None) -> HTTPError:
        """Return the answer to the client. call: the request, if it may be the request's fault."""
        if call is not None and self.status in (400, 422):
            return engine_error(self.reason, call.is_wrapped)
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        if self.status == 408:
            headers |= NO_RETRY
        body = container_error(self.status, PHRASES.get(self.status, "Bad Gateway"), self.reason)
        return HTTPError(self.status, body, headers)


def unreadable(settings: UpstreamSettings) -> Failure:
    """Return the failure of an upstream whose answer cannot be read."""
    return Failure(
        502,
        f"The answer of {settings.place_for_clients} cannot be read: it is not a chat completion.",
        f"Is there a server with OpenAI's routes at {settings.place}?",
    )


def broken_off(settings: UpstreamSettings) -> Failure:
    """Return the failure of an upstream whose stream ends before the answer does."""
    return Failure(502, f"The answer of {settings.place_for_clients} broke off before its end.")


def failure_of_response(
    status: int, body: bytes, retry_after: str, settings: UpstreamSettings, model: str = ""
) -> Failure:
    """Return what a response that is no answer means. status: not 200, or 200 with an error."""
    place = settings.place_for_clients
    reason = reason_in(body, settings)
    told = f": {reason}" if reason else ""
    if status in (401, 403):
        return Failure(
            502,
            "The upstream refuses the key that this simulated Azure has for it. That is not your "
            "key: tell the person who runs it.",
            f"{settings.place} refuses the key ({status}). Check {KEY}."
            if settings.key
            else f"{settings.place} wants a key ({status}). Put it into {KEY}.",
            is_lasting=True,
        )
    if 300 <= status < 400:
        return Failure(
            502,
            f"The upstream sends requests to another address ({status}), which is not followed.",
            f"{settings.place} redirects ({status}). Set {URL} to the server's final address: the "
            "key is not sent to another one.",
            is_lasting=True,
        )
    if status == 404:
        named = f" or has no model {model!r}" if model else ""
        return Failure(
            502,
            f"The upstream has no such route{named} (404){told}",
            f"Check {URL} and the name of the model; many servers list theirs under /v1/models.",
        )
    if status == 429:
        return Failure(
            429, f"The upstream has too many requests{told or '.'}", "", _retry_after(retry_after)
        )
    if status == 503:
        return Failure(
            503, f"The upstream is not ready{told or '.'}", "", _retry_after(retry_after)
        )
    if status in (400, 422):
        return Failure(status, reason or f"{place} refuses the request ({status}).")
    return Failure(502, f"The upstream failed ({status}){told or '.'}")


def reason_in(body: bytes, settings: UpstreamSettings) -> str:
    """Return the words in an error's body; "" if there are none that may be passed on.

    >>> from .settings import read_upstream
    >>> reason_in(b'{"error": {"message": "model not found"}}', read_upstream("localhost:1"))
    'model not found'
    >>> reason_in(b"<html>secret</html>", read_upstream("localhost:1"))
    ''
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    text = without_key(" ".join(_message(content).split()), settings.key)
    return text[:MAX_REASON_LENGTH]


def _message(content: Any) -> str:
    """Return the message in an error, in whichever of its fields a server puts it."""
    for _ in range(3):
        if isinstance(content, str):
            return content
        if not isinstance(content, dict):
            return ""
        content = content.get("error") or content.get("message") or content.get("detail")
    return content if isinstance(content, str) else ""


def _retry_after(text: str) -> str:
    """Return a header Retry-After if it is one: seconds, or a date."""
    try:
        if not SECONDS.fullmatch(text):
            parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return ""
    return text if text.isprintable() else ""
