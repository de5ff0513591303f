"""HTTP without sockets: requests, responses, and routes with path templates."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from .classroom.bill import Bill
    from .faults import Fault
    from .inference.servers import Server
    from .management.subscription import Deployment

Result = TypeVar("Result")
PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True)
class Request:
    """An HTTP request.

    headers: names in lower case. path_params: the values of the parameters in the route's template,
    which the router fills in. deployment: the deployment that answers; None for the endpoint that
    is always there. fault: what goes wrong on request. server: the published server to simulate.
    bill: what the request costs its seat; None outside of a class.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    scheme: str = "https"
    path_params: Mapping[str, str] = field(default_factory=dict)
    deployment: Deployment | None = None
    fault: Fault | None = None
    server: Server | None = None
    bill: Bill | None = None

    @property
    def root(self) -> str:
        """The scheme and host that the client called, such as ``https://127.0.0.1:8443``."""
        return f"{self.scheme}://{self.headers.get('host', 'localhost')}"

    @cached_property
    def query_params(self) -> dict[str, str]:
        """The parameters of the query; the last value of each name counts."""
        return dict(parse_qsl(self.query))


class Pause(bytes):
    """An empty piece of a body. ``future``: is done when the next piece is there.

    Who does not wait for it may take the next piece at once: that call blocks.
    """

    future: Future[None]

    @classmethod
    def until(cls, future: Future[None]) -> Pause:
        """Return a piece that says what to wait for."""
        pause = cls()
        pause.future = future
        return pause


@dataclass
class Response:
    """An HTTP response.

    body: all of it, or pieces that are sent one by one. An empty piece is not sent and only lets
    other requests have a turn; a Pause also says what to wait for. delay: seconds to wait before it
    is sent. pace: seconds between pieces. on_close: called once, when the response has been sent or
    the client has gone.
    """

    status: int
    body: bytes | Iterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    pace: float = 0.0
    on_close: Callable[[], None] = lambda: None


# Work that gives way to other requests. It yields the seconds to wait before it goes on, or a
# future to wait for; 0 only lets others have a turn.
Wait = float | Future[None]
Steps = Generator[Wait, None, Response]
Handler = Callable[[Request], Response | Steps]


def run_to_end(steps: Generator[Wait, None, Result]) -> Result:
    """Return the result of steps without giving way, and without the waits that they yield.

    Steps that yield a future block by themselves until it is done.

    >>> def steps():
    ...     yield 0.0
    ...     return "done"
    >>> run_to_end(steps())
    'done'
    """
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def json_response(
    status: int, content: Any, headers: Mapping[str, str] | None = None, delay: float = 0.0
) -> Response:
    """Return a response with a JSON body.

    >>> json_response(200, {"a": 1}).body
    b'{"a":1}'
    """
    body = json.dumps(content, separators=(",", ":")).encode()
    return Response(
        status, body, {"content-type": "application/json", **(headers or {})}, delay=delay
    )


def compile_route(template: str, ignore_case: bool = False) -> re.Pattern[str]:
    """Compile a path template.

    ``{name}`` stands for one segment of a path, ``{name:path}`` for any rest.

    >>> compile_route("/items/{item}").fullmatch("/items/7").groupdict()
    {'item': '7'}
    """
    pattern, end = "", 0
    for parameter in PARAMETER.finditer(template):
        name, is_path = parameter.groups()
        pattern += re.escape(template[end : parameter.start()]) + (
            f"(?P<{name}>.*)" if is_path else f"(?P<{name}>[^/]+)"
        )
        end = parameter.end()
    return re.compile(
        pattern + re.escape(template[end:]), re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    )


class Access(Enum):
    """Who may call a route."""

    PUBLIC = auto()  # anybody
    ENDPOINT = auto()  # who has the endpoint's key, or an access token for endpoints
    DEPLOYED = (
        auto()
    )  # who has a key of the deployed endpoint that the path names, or an access token for it
    MANAGEMENT = auto()  # who has an access token for Azure Resource Manager


@dataclass(frozen=True)
class Route:
    """One row of the route table.

    It has a method ("*" for any), a path template, the handler that answers, and who may call it.
    """

    method: str
    template: str
    handler: Handler
    access: Access = Access.ENDPOINT

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Return the compiled template. Case does not matter in paths of Azure Resource Manager."""
        return compile_route(self.template, ignore_case=self.access is Access.MANAGEMENT)


def find_route(
    routes: Iterable[Route], method: str, path: str
) -> tuple[Route | None, dict[str, str]]:
    """Return (the first route for a method and a path, the path's parameters).

    If the path allows only other methods, the route is one of those: compare its method. If no
    route has the path, it is None.

    >>> find_route([Route("GET", "/items/{item}", print)], "GET", "/items/7")[1]
    {'item': '7'}
    """
    matches = ((route, match) for route in routes if (match := route.pattern.fullmatch(path)))
    other: tuple[Route | None, dict[str, str]] = (None, {})
    for route, match in matches:
        if route.method == method or (route.method == "*" and other[0] is None):
            return route, match.groupdict()
        if other[0] is None:
            other = route, match.groupdict()
    return other
