"""A class behind one endpoint: who asks, what that costs the seat, and what each seat may see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import HTTPError, container_error
from ..http import Access, Request, Response, Route, Steps, json_response
from ..journal import PATH as JOURNAL_PATH
from ..journal import Journal
from .authority import PATH as AUTHORITY_PATH
from .bill import Bill
from .live import LivePage
from .seats import ClassFile, Seat
from .tally import Tally
from .turns import Places

if TYPE_CHECKING:
    from ..upstream.upstream import Upstream

Handle = Callable[[Request, Bill | None], Steps]
CLASS_PATH = "/simulator/class"
OWN_PATHS = "/simulator/"  # requests to these are neither remembered nor counted
MAX_JOURNAL_SIZE = 1 << 18  # characters that one seat's last requests may have
STATE_SUFFIX = ".sqlite3"
# azure-ai-inference asks again three times after a 429, each time after so many seconds. A budget
# does not come back by itself, so the error should come soon.
RETRY_AFTER = "1"
SPENT = "budget_spent"
AT_ONCE = 8
TINY_MODEL = "a tiny language model"


class Classroom:
    """The seats of a class, their keys, accounts and last requests.

    group: the class. at_once: how many requests an upstream gets at a time. Raises TallyError if
    the file with the counts cannot be used. ``tally``: what the seats have used. ``live``: the page
    for the projector. ``places``: at an upstream. ``upstream``: the server that writes the answers,
    if it is not the tiny language model. ``certificate``: of the authority that clients shall
    trust, PEM-encoded; a transport sets it.
    """

    def __init__(self, group: ClassFile, at_once: int = AT_ONCE):
        self.group = group
        self.upstream: Upstream | None = None
        self.places = Places(at_once)
        self.certificate = b""
        self.tally = Tally(state_file(group.path), group)
        self.live = LivePage(self.tally, self.keys)
        self._seats = {_digest(seat.key): seat for seat in group.seats}
        self._journals: dict[str, Journal] = {}

    def close(self) -> None:
        """Write the counts, and let go of their file."""
        self.tally.close()

    @property
    def keys(self) -> list[str]:
        """The keys of all seats."""
        return [seat.key for seat in self.group.seats]

    def seat(self, candidates: Iterable[str]) -> Seat | None:
        """Return the seat that has one of the candidates as its key; None if there is none.

        Digests are compared: how long that takes says nothing about a key.
        """
        return next((seat for key in candidates if (seat := self._seats.get(_digest(key)))), None)

    def bill(self, seat: Seat) -> Bill:
        """Return the bill for a request of a seat. Close it when the answer has been sent."""
        account = self.tally.account(seat.name)
        self.tally.note(account)
        return Bill(self.tally, account, self._budget_spent, self.places)

    def routes(self) -> list[Route]:
        """Return the routes that only a class has, and each seat's view of its last requests."""
        return [
            *self.live.routes(),
            Route("GET", CLASS_PATH, self.describe, Access.PUBLIC),
            Route("GET", AUTHORITY_PATH, self.send_certificate, Access.PUBLIC),
            Route("GET", JOURNAL_PATH, self.requests),
        ]

    def describe(self, request: Request) -> Response:
        """Return the class's name and what answers; for a seat also its name and its budget."""
        model = TINY_MODEL if self.upstream is None else self.upstream.description
        content = {"class": self.group.name, "model": model}
        if request.bill is not None:
            account = request.bill.account
            left = {"requests": account.requests_left, "tokens": account.tokens_left}
            content |= {"seat": account.seat.name, "left": left}
        return json_response(200, content)

    def requests(self, request: Request) -> Response:
        """Return the last requests of the seat that asks, as the journal shows them."""
        return self._journal(request.bill).requests(request)

    def send_certificate(self, request: Request) -> Response:
        """Return the certificate of the class's authority, for clients that shall trust it."""
        headers = {
            "content-type": "application/x-pem-file",
            "content-disposition": 'attachment; filename="class-ca.pem"',
        }
        return Response(200, self.certificate, headers)

    def remember(self, request: Request, status: int) -> None:
        """Put a request into the journal of its seat, and count its answer if it is an error.

        What strangers send is not kept.
        """
        bill = request.bill
        if bill is None or request.path.startswith(OWN_PATHS):
            return
        self._journal(bill).record(request, status)
        if status >= 400 and not bill.is_refused:
            bill.note_error()

    def attend(self, request: Request, seat: Seat | None, handle: Handle) -> Steps:
        """Return the answer to a request. Its bill is open until the answer has gone.

        seat: who asks; None for somebody without a key of the class.
        """
        if seat is None:
            return (yield from handle(request, None))
        bill = self.bill(seat)
        is_answered = False
        try:
            response = yield from handle(request, bill)
            is_answered = True
        finally:
            if not is_answered:
                bill.close()
        on_close = response.on_close

        def close() -> None:
            bill.close()
            on_close()

        response.on_close = close
        return response

    def _journal(self, bill: Bill) -> Journal:
        seat = bill.seat
        if seat.name not in self._journals:
            # Only this seat sees it, so only this seat's key has to be hidden there.
            self._journals[seat.name] = Journal(lambda: [seat.key], MAX_JOURNAL_SIZE)
        return self._journals[seat.name]

    def _budget_spent(self, what: str) -> HTTPError:
        """Return the 429 for a spent budget: with a text, as the container writes its errors."""
        message = (
            f"The budget is spent: {what}. The class {self.group.name!r} sets it; ask your teacher "
            "for more. To ask again changes nothing."
        )
        body = container_error(429, "Too Many Requests", message)
        headers = {
            "Retry-After": RETRY_AFTER,
            "x-should-retry": "false",  # which OpenAI's clients obey
            "ms-azureml-model-error-reason": SPENT,
        }
        return HTTPError(429, body, headers)


def state_file(class_file: Path) -> Path:
    """Return the file with the counts of a class.

    >>> state_file(Path("class.toml")).name
    'class.sqlite3'
    """
    return class_file.with_suffix(STATE_SUFFIX)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
