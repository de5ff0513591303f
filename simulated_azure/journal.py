"""What the simulated Azure remembers of the requests that arrived, without their secrets."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .auth import TOKEN
from .http import Request, Response, Route, json_response

MAX_REQUESTS = 100
MAX_BODY_LENGTH = 1 << 16  # characters
MAX_HEADER_LENGTH = 2000  # characters; also of a path and of a query
MAX_HEADERS = 100
SECRET_HEADERS = frozenset(
    "api-key authorization cookie ocp-apim-subscription-key proxy-authorization secret x-api-key "
    "x-identity-header x-ms-authorization-auxiliary".split()
)
# JSON fields whose values are secrets, names in lower case. The whole value is hidden.
SECRET_FIELDS = ("keyvalue", "environmentvariables")
SECRET_FIELDS_OF_PROPERTIES = ("keys",)
PATH = "/simulator/requests"
DIGITS = re.compile(r"[0-9]{1,6}")
HIDDEN = "***"


class Journal:
    """The last requests, oldest first.

    Each is a dict with method, path, query, headers, body (text) and status.

    secrets: called to learn which texts must never be shown. max_size: characters that all entries
    may have together; the oldest are forgotten then, but never the last one.
    """

    def __init__(self, secrets: Callable[[], Iterable[str]], max_size: float = math.inf):
        self._secrets = secrets
        self._max_size, self._size = max_size, 0
        self._entries: deque[dict] = deque()
        self._number = 0  # of all requests, also of those that are forgotten

    def __iter__(self) -> Iterator[dict]:
        return iter(self._entries)

    def clear(self) -> None:
        """Forget all requests."""
        self._entries.clear()
        self._size = 0

    def routes(self) -> list[Route]:
        """Return the route by which a learner sees what arrived."""
        return [Route("GET", PATH, self.requests)]

    def requests(self, request: Request) -> Response:
        """Return the last requests as JSON; the query parameter ``last`` says how many.

        ``received`` is the number of all requests so far, also of those that are forgotten.
        """
        last = request.query_params.get("last", "")
        count = int(last) if DIGITS.fullmatch(last) else MAX_REQUESTS
        entries = list(self._entries)[-count:] if count else []
        shown = [{**entry, "body": _content(entry["body"])} for entry in entries]
        return json_response(200, {"requests": shown, "received": self._number})

    def record(self, request: Request, status: int) -> None:
        """Remember a request without its secrets."""
        self._number += 1
        entry = {
            "method": request.method,
            "path": self.redact(request.path)[:MAX_HEADER_LENGTH],
            "query": self.redact(request.query)[:MAX_HEADER_LENGTH],
            "headers": dict(self._headers(request)),
            "body": self.redact(_without_secret_fields(request.body))[:MAX_BODY_LENGTH],
            "status": status,
        }
        while self._entries and (
            len(self._entries) == MAX_REQUESTS or self._size + _size(entry) > self._max_size
        ):
            self._size -= _size(self._entries.popleft())
        self._entries.append(entry)
        self._size += _size(entry)

    def redact(self, text: str) -> str:
        """Return a text with all keys and tokens hidden.

        Shorten the text only after this: otherwise half a key could stay.
        """
        for secret in self._secrets():
            for form in {secret, json.dumps(secret)[1:-1]}:
                text = text.replace(form, HIDDEN)
        return TOKEN.sub(HIDDEN, text)

    def _headers(self, request: Request) -> Iterator[tuple[str, str]]:
        for name, value in list(request.headers.items())[:MAX_HEADERS]:
            shown = _without_credentials(value) if name in SECRET_HEADERS else self.redact(value)
            yield name[:MAX_HEADER_LENGTH], shown[:MAX_HEADER_LENGTH]


def _size(entry: dict) -> int:
    """Return about how many characters an entry has."""
    headers = sum(len(name) + len(value) for name, value in entry["headers"].items())
    return len(entry["path"]) + len(entry["query"]) + len(entry["body"]) + headers


def _without_credentials(value: str) -> str:
    """Return a secret header's value without the secret. Its scheme stays.

    >>> _without_credentials("Bearer abc"), _without_credentials("abc")
    ('Bearer ***', '***')
    """
    scheme, space, rest = value.partition(" ")
    return (
        f"{scheme} {HIDDEN}"
        if space and rest and scheme.casefold() in ("bearer", "basic")
        else HIDDEN
    )


def _without_secret_fields(body: bytes) -> str:
    """Return a body as text, without the values of fields that hold secrets.

    They are new keys and environment variables.

    A body with the name of such a field that is not JSON is hidden as a whole.
    """
    text = body.decode("utf-8", "replace")
    lowered = text.casefold()
    if not any(f'"{name}"' in lowered for name in (*SECRET_FIELDS, *SECRET_FIELDS_OF_PROPERTIES)):
        return text
    try:
        return json.dumps(_hide(json.loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return HIDDEN


def _hide(content: Any, parent: str = "") -> Any:
    """Return JSON in which secret fields hold "***", or objects of "***" if they were objects."""
    if isinstance(content, list):
        return [_hide(item, parent) for item in content]
    if not isinstance(content, dict):
        return content
    hidden = {}
    for name, value in content.items():
        is_secret = name.casefold() in SECRET_FIELDS or (
            parent == "properties" and name.casefold() in SECRET_FIELDS_OF_PROPERTIES
        )
        if is_secret:
            hidden[name] = dict.fromkeys(value, HIDDEN) if isinstance(value, dict) else HIDDEN
        else:
            hidden[name] = _hide(value, name.casefold())
    return hidden


def _content(body: str) -> object:
    """Return a remembered body as JSON, or as text if it is not JSON or too deeply nested."""
    try:
        content = json.loads(body) if body else None
        json.dumps([[[[content]]]])  # deeper than it will be shown
        return content
    except (ValueError, RecursionError):
        return body
