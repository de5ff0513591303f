"""The simulated Azure without sockets: a request goes in, an answer or a stream of events comes out.

``server`` carries it over http and https and keeps the pace; another transport could do so too.
The contract is that of the Azure AI Model Inference API (api-version 2024-05-01-preview) as recorded traffic and the
published container show it.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from .errors import RequestError, container_error
from .faults import HEADER as FAULT_HEADER
from .faults import UNAUTHORIZED, Fault, read_fault

if TYPE_CHECKING:
    from .completions import Answer, Assistant

LARGEST_BODY = 1 << 20  # bytes
LARGEST_REMEMBERED_BODY = 1 << 16
REMEMBERED_REQUESTS = 100
REMEMBERED_TOKENS = 1000
LONGEST_HEADER, MOST_HEADERS = 2000, 100  # that are remembered: characters, also of path and query; headers
TOKEN_LIFETIME = 86_400  # seconds
MODEL_NAME = "Phi-4"
AUDIENCES = ("https://ml.azure.com", "https://cognitiveservices.azure.com", "https://ai.azure.com")
INFO = {
    "model_name": MODEL_NAME,
    "model_type": "chat-completion",
    "model_provider_name": "Microsoft",
    "served_model_name": MODEL_NAME,
    "served_model_type": "chat-completion",
}
TOKEN_PREFIX = "simulated-token-"
TOKEN = re.compile(TOKEN_PREFIX + r"[\w-]+")
DIGITS = re.compile(r"[0-9]{1,6}")
SECRET_HEADERS = ("api-key", "authorization", "x-identity-header", "secret")


@dataclass(frozen=True)
class Request:
    """What arrived. Header names are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Response:
    """What goes back: a body, or events one after another. ``delay`` seconds pass before it, ``pace`` between events."""

    status: int
    body: bytes | Iterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    pace: float = 0.0


class SimulatedAzure:
    """The endpoint with its key, its tokens and its memory of what arrived.

    key: what clients must send. token_delay: seconds that the model takes for each token.
    """

    def __init__(self, key: str | None = None, token_delay: float = 0.0):
        self.key = key or f"simulated-key-{secrets.token_hex(9)}"  # 32 characters, like a real one
        self.identity_header = secrets.token_hex(16)
        self._secrets = [form for text in (self.key, self.identity_header) for form in (text, json.dumps(text)[1:-1])]
        self.token_delay = token_delay
        self.journal: deque[dict] = deque(maxlen=REMEMBERED_REQUESTS)
        self._tokens: dict[str, tuple[str, float]] = {}  # access token -> (audience, when it ends)
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._routes = {
            "/": ("GET", self._health),
            "/info": ("GET", self._info),
            "/chat/completions": ("POST", self._complete),
            "/v1/chat/completions": ("POST", self._complete),
            "/v1/models": ("GET", self._models),
            "/embeddings": ("POST", self._not_for_chat_models),
            "/images/embeddings": ("POST", self._not_for_chat_models),
            "/msi/token": ("GET", self._token),
            "/simulator/requests": ("GET", self._requests),
        }

    @cached_property
    def assistant(self) -> Assistant:
        """The language model. It is loaded when it is first needed, which takes about half a second."""
        from .completions import Assistant

        try:
            return Assistant(MODEL_NAME)
        except Exception as error:  # a damaged vocabulary, a slip in answers/*.toml: every completion says so
            raise RequestError(500, container_error(500, "Internal Server Error", f"No model: {error}")) from error

    def handle(self, request: Request) -> Response:
        """Answers one request."""
        fault = Fault()
        try:
            if request.path != "/msi/token" and not self._knows(request.headers):
                raise RequestError(401, UNAUTHORIZED, {"x-ms-error-reason": "Invalid JWT."})
            fault = self._fault_of(request)
            response = self._answer(request, fault)
        except RequestError as error:
            response = _error_response(fault.reworded(error))
        if fault.name == "gateway" and response.status not in (200, 401):
            response.headers["ms-azureml-model-error-statuscode"] = str(response.status)
            response.headers["ms-azureml-model-error-reason"] = "model_error"
            response.status = 424
        if fault.name == "wait":
            response.delay += fault.seconds
        response.headers.setdefault("x-request-id", secrets.token_hex(16))
        if request.path != "/simulator/requests" and (request.path in self._routes or response.status != 401):
            self._remember(request, response.status)
        return response

    def _answer(self, request: Request, fault: Fault) -> Response:
        method, route = self._routes.get(request.path, ("", None))
        refusal = fault.refusal()
        if refusal:
            raise refusal
        if route is None:
            raise RequestError(404, {"detail": "Not Found"})
        if request.method != method:
            raise RequestError(405, {"detail": "Method Not Allowed"})
        if len(request.body) > LARGEST_BODY:
            raise RequestError(
                413,
                container_error(
                    413,
                    "Request Entity Too Large",
                    f"The body has more than {LARGEST_BODY} bytes (1 MiB), which is the most accepted.",
                ),
            )
        return route(request, fault)

    # Who is calling

    def _knows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request carries the key or an access token that was given out here: either header will do."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        offered = [headers.get("api-key", ""), bearer.strip() if scheme.casefold() == "bearer" else ""]
        if any(hmac.compare_digest(text.encode(), self.key.encode()) for text in offered):
            return True
        audience, ends = self._tokens.get(offered[1], ("", 0.0))
        return audience in AUDIENCES and ends > time.time()

    def _token(self, request: Request, fault: Fault) -> Response:
        """The token route of App Service's managed identity, which DefaultAzureCredential asks."""
        if not hmac.compare_digest(request.headers.get("x-identity-header", "").encode(), self.identity_header.encode()):
            raise RequestError(401, {"statusCode": 401, "message": "The header X-IDENTITY-HEADER is missing or wrong."})
        resource = parse_qs(request.query).get("resource", [""])[0].rstrip("/")
        if not resource:
            raise RequestError(400, {"statusCode": 400, "message": "The query parameter resource is missing."})
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        ends = int(time.time()) + TOKEN_LIFETIME
        self._tokens[token] = (resource, ends)
        _forget_oldest(self._tokens)
        content = {"access_token": token, "expires_on": str(ends), "resource": resource, "token_type": "Bearer"}
        return _json(200, content)

    # What can be called

    def _health(self, request: Request, fault: Fault) -> Response:
        return Response(200, b"healthy", {"content-type": "text/plain"})

    def _info(self, request: Request, fault: Fault) -> Response:
        if fault.name == "no-info":
            raise RequestError(404, {"detail": "Not Found"})
        return _json(200, INFO)

    def _models(self, request: Request, fault: Fault) -> Response:
        return _json(
            200, {"data": [{"created": 0, "id": MODEL_NAME, "object": "model", "owned_by": "simulated"}], "object": "list"}
        )

    def _not_for_chat_models(self, request: Request, fault: Fault) -> Response:
        raise RequestError(404, "NOT FOUND")

    def _complete(self, request: Request, fault: Fault) -> Response:
        answer = self.assistant.answer(request.body, request.headers.get("extra-parameters"), request.path.startswith("/v1/"))
        answer.usage_apart |= fault.name == "usage-apart"
        answer.with_logprobs &= fault.name != "no-logprobs"
        pace = fault.seconds if fault.name == "slow" else self.token_delay
        if answer.wants_stream:
            return _stream(answer, fault, pace)
        body = answer.body()
        delay = pace * body["usage"]["completion_tokens"]
        changed = fault.change_body(body)
        if isinstance(changed, dict):
            return _json(200, changed, delay=delay)
        return Response(200, changed, {"content-type": "application/json"}, delay=delay)

    # What arrived

    def _requests(self, request: Request, fault: Fault) -> Response:
        """The last requests, oldest first; ``?last=N`` for so many."""
        last = parse_qs(request.query).get("last", [""])[0]
        count = int(last) if DIGITS.fullmatch(last) else REMEMBERED_REQUESTS
        entries = list(self.journal)[-count:] if count else []
        return _json(200, {"requests": [{**entry, "body": _content(entry["body"])} for entry in entries]})

    def _remember(self, request: Request, status: int) -> None:
        """Keeps a request without its secrets."""
        headers = {
            name[:LONGEST_HEADER]: _hidden(value) if name in SECRET_HEADERS else self._without_secrets(value)[:LONGEST_HEADER]
            for name, value in list(request.headers.items())[:MOST_HEADERS]
        }
        self.journal.append(
            {
                "method": request.method,
                "path": self._without_secrets(request.path)[:LONGEST_HEADER],
                "query": self._without_secrets(request.query)[:LONGEST_HEADER],
                "headers": headers,
                "body": self._without_secrets(request.body.decode("utf-8", "replace"))[:LARGEST_REMEMBERED_BODY],
                "status": status,
            }
        )

    def _without_secrets(self, text: str) -> str:
        """A text with the key and all tokens blotted out: to be done before it is cut, or half a key would stay."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, "***")
        return TOKEN.sub("***", text) if TOKEN_PREFIX in text else text

    def _fault_of(self, request: Request) -> Fault:
        """The fault that a request asks for; none once it has failed ``times`` times."""
        asked = request.headers.get(FAULT_HEADER)
        fault = read_fault(asked)
        if fault.times is not None:
            attempt = (asked, request.headers.get("x-ms-client-request-id", ""))
            retries = request.headers.get("x-stainless-retry-count", "")  # the OpenAI SDK counts for itself
            seen = int(retries) if DIGITS.fullmatch(retries) else self._attempts[attempt]
            self._attempts[attempt] += 1
            _forget_oldest(self._attempts)
            if seen >= fault.times:
                return Fault()
        return fault


def _stream(answer: Answer, fault: Fault, pace: float) -> Response:
    events = fault.change(answer.events()) if fault.name else answer.events()
    return Response(200, events, {"content-type": "text/event-stream; charset=utf-8"}, pace=pace)


def _json(status: int, content: dict, headers: dict[str, str] | None = None, delay: float = 0.0) -> Response:
    body = json.dumps(content, separators=(",", ":")).encode()
    return Response(status, body, {"content-type": "application/json", **(headers or {})}, delay=delay)


def _error_response(error: RequestError) -> Response:
    if isinstance(error.body, str):
        return Response(error.status, error.body.encode(), {"content-type": "text/plain", **error.headers})
    return _json(error.status, error.body, error.headers)


def _content(body: str) -> object:
    """A remembered body as JSON, or as text if it is not JSON or nested too deeply to be shown."""
    try:
        content = json.loads(body) if body else None
        json.dumps([[[[content]]]])  # deeper than it will be shown
        return content
    except (ValueError, RecursionError):
        return body


def _forget_oldest(remembered: dict) -> None:
    while len(remembered) > REMEMBERED_TOKENS:
        del remembered[next(iter(remembered))]


def _hidden(value: str) -> str:
    """A secret header's value without the secret: its scheme stays."""
    scheme, space, rest = value.partition(" ")
    return f"{scheme} ***" if space and rest else "***"
