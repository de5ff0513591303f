"""The live page of a class, for the projector: HTML, server-sent events, and a CSV of the seats.

Whoever has the page's address can see it; the address is made from all keys of the class, so nobody
can guess it, and it stays the same after a restart. The page shows no key. What seats send is only
ever set as text in it, and a Content-Security-Policy allows no other script than its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any, Protocol

from ..errors import HTTPError
from ..http import Access, Request, Response, Route
from .report import one_line, report_name, write_csv

PREFIX = "/class/"  # of the page's address; what follows is secret
EVENT_SECONDS = 0.5  # between two looks at the counts
RENEWAL_SECONDS = 5.0  # after which counts are sent again, although they have not changed
RETRY_MILLISECONDS = 1000  # until a browser tries again, if the connection has broken
MAX_ASKED_LENGTH = 160  # characters of what a seat last asked for
HEARTBEAT = b": still here\n\n"  # a comment, by which both sides see that the connection lives
FOLDER = Path(__file__).parent
HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",  # the address is secret
    "x-content-type-options": "nosniff",
}
SECURITY_POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self';"
    " img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """\
<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>{title}</title>
<style nonce="{nonce}">{style}</style></head><body>
<header><h1 id="class">{title}</h1>
<dl id="totals">
<div><dt>Requests</dt><dd id="requests">–</dd></div>
<div><dt>Tokens</dt><dd id="tokens">–</dd></div>
<div><dt>Errors</dt><dd id="errors">–</dd></div>
<div><dt>Refused</dt><dd id="refused">–</dd></div>
<div><dt>Waiting</dt><dd id="waiting">–</dd></div>
</dl>
<div id="controls"><label><input type="checkbox" id="hide"> Hide what was asked</label>
<a href="{path}/report.csv" download>Download as CSV</a></div>
<p id="state" role="status">Connecting …</p></header>
<main><ul id="seats" aria-label="Seats"></ul>
<p id="legend">On each card: the seat, and how many requests it has made; its tokens; what it last
asked for.</p>
<noscript><p>This page needs JavaScript, which is switched off in this browser.</p></noscript>
</main>
<script nonce="{nonce}">{script}</script></body></html>
"""


class Tally(Protocol):
    """What the page shows.

    ``version`` changes whenever the counts do. ``problem``: why they are not saved, or "".
    """

    version: int
    problem: str

    def snapshot(self) -> dict[str, Any]:
        """Return the counts of the class and of its seats."""
        ...


class LivePage:
    """The routes of the live page.

    tally: the counts to show. keys: all keys of the class. redact: returns a text without keys.
    ``path``: the page's path, which is secret.
    """

    def __init__(self, tally: Tally, keys: Iterable[str], redact: Callable[[str], str] = str):
        self._tally, self._redact = tally, redact
        self._token = page_token(keys)
        self.path = PREFIX + self._token

    def routes(self) -> list[Route]:
        """Return the routes of the page, of its events and of its CSV."""
        template = PREFIX + "{token}"
        return [
            Route("GET", template, self.page, Access.PUBLIC),
            Route("GET", f"{template}/events", self.events, Access.PUBLIC),
            Route("GET", f"{template}/report.csv", self.report, Access.PUBLIC),
        ]

    def page(self, request: Request) -> Response:
        """Return the page. Raises HTTPError (404) unless the path is the right one."""
        self._check(request)
        nonce = secrets.token_urlsafe(16)
        body = PAGE.format(
            title=escape(self._tally.snapshot()["class"]),
            nonce=nonce,
            path=self.path,
            style=(FOLDER / "live.css").read_text(encoding="utf-8"),
            script=(FOLDER / "live.js").read_text(encoding="utf-8"),
        )
        headers = {
            "content-type": "text/html; charset=utf-8",
            "content-security-policy": SECURITY_POLICY.format(nonce=nonce),
            **HEADERS,
        }
        return Response(200, body.encode(), headers)

    def events(self, request: Request) -> Response:
        """Return the counts as server-sent events, until the browser leaves.

        Raises HTTPError (404) unless the path is the right one.
        """
        self._check(request)
        headers = {"content-type": "text/event-stream; charset=utf-8", **HEADERS}
        return Response(200, self._events(), headers, pace=EVENT_SECONDS)

    def report(self, request: Request) -> Response:
        """Return the counts as CSV. Raises HTTPError (404) unless the path is the right one."""
        self._check(request)
        headers = {
            "content-type": "text/csv; charset=utf-8",
            "content-disposition": f'attachment; filename="{report_name()}"',
            **HEADERS,
        }
        return Response(200, write_csv(self._shown()), headers)

    def _check(self, request: Request) -> None:
        token = request.path_params["token"]
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise HTTPError(404, {"detail": "Not Found"})

    def _events(self) -> Iterator[bytes]:
        """Yield an event whenever the counts have changed, and now and then if they have not."""
        version, sent_at = None, 0.0
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        while True:
            now = time.monotonic()
            if version != self._tally.version or now - sent_at >= RENEWAL_SECONDS:
                version, sent_at = self._tally.version, now
                yield f"data: {json.dumps(self._shown())}\n\n".encode()
            else:
                yield HEARTBEAT

    def _shown(self) -> dict[str, Any]:
        """Return the counts; what was asked has no keys, is one line, and is not too long."""
        snapshot = self._tally.snapshot()
        seats = [
            {**seat, "last_asked": self._line(seat["last_asked"])} for seat in snapshot["seats"]
        ]
        return {**snapshot, "problem": self._tally.problem, "seats": seats}

    def _line(self, text: str) -> str:
        line = one_line(self._redact(text))
        is_long = len(line) > MAX_ASKED_LENGTH
        return line[: MAX_ASKED_LENGTH - 1] + "…" if is_long else line


def page_token(keys: Iterable[str]) -> str:
    """Return the secret part of the page's path, which is always the same for the same keys."""
    secret = "\n".join(sorted(keys)).encode()
    digest = hmac.digest(secret, b"live page of a class", hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:18]).decode()
