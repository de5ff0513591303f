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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from .errors import RequestError, arm_error, container_error
from .faults import HEADER as FAULT_HEADER
from .faults import REFUSALS, UNAUTHORIZED, Fault, read_fault
from .management.retail_prices import ROUTE as PRICES_ROUTE
from .management.retail_prices import price_list

if TYPE_CHECKING:
    from .inference.completions import Answer, Assistant
    from .management.control_plane import ControlPlane
    from .management.subscription import Deployment, Endpoint

LARGEST_BODY = 1 << 20  # bytes
LARGEST_REMEMBERED_BODY = 1 << 16
REMEMBERED_REQUESTS = 100
REMEMBERED_TOKENS = 1000
LONGEST_HEADER, MOST_HEADERS = 2000, 100  # that are remembered: characters, also of path and query; headers
TOKEN_LIFETIME = 86_400  # seconds
FIRST_TOKEN, EACH_TOKEN = 0.067, 0.0225  # seconds of a single request to Phi-4 on one A100, by a public benchmark of vLLM
CHOSEN = "azureml-model-deployment"  # a header that names the deployment that shall answer, whatever its traffic
SECONDS_HEADER = "x-simulated-seconds"  # how long a GPU would have taken for a whole answer
MODEL_NAME = "Phi-4"
AUDIENCES = ("https://ml.azure.com", "https://cognitiveservices.azure.com", "https://ai.azure.com")
MANAGEMENT_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
REGISTRY = ("/registrymanagement/", "/mferp/")  # how paths begin that take tokens for endpoints, too
MANAGEMENT = ("/subscriptions/", "/metadata/", *REGISTRY)  # how paths of the control plane begin
SCORING = re.compile(r"/([A-Za-z][\w-]*)\.(\w+)\.inference\.ml(/.*)?")  # and those of an endpoint that was deployed there
SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE = "5eed0000-0000-4000-8000-000000000004", "phi4-lessons", "phi4-workspace"
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
WITHOUT_KEY = ("/msi/token", PRICES_ROUTE)
SECRET_HEADERS = ("api-key", "authorization", "x-identity-header", "secret")


@dataclass(frozen=True)
class Request:
    """What arrived. Header names are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    scheme: str = "https"
    deployment: Deployment | None = None  # that shall answer; None for the endpoint that is always there

    @property
    def root(self) -> str:
        """Scheme and host that the request came to."""
        return f"{self.scheme}://{self.headers.get('host', 'localhost')}"


@dataclass
class Response:
    """What goes back: a body, or events one after another. ``delay`` seconds pass before it, ``pace`` between events."""

    status: int
    body: bytes | Iterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    pace: float = 0.0
    done: Callable[[], None] = lambda: None  # to be called when it has gone, or could not go


class SimulatedAzure:
    """The endpoint with its key, its tokens and its memory of what arrived; and the control plane.

    key: what clients must send. token_delay: seconds that the model takes for each token. The others name what the control
    plane manages. ``url``: where all this is reached, for addresses that are given out.
    """

    def __init__(
        self,
        key: str | None = None,
        token_delay: float = 0.0,
        subscription_id: str = SUBSCRIPTION,
        resource_group: str = RESOURCE_GROUP,
        workspace: str = WORKSPACE,
    ):
        self.url = "https://localhost"
        self.subscription_id, self.resource_group, self.workspace = subscription_id, resource_group, workspace
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
            "/score": ("POST", self._score),
            "/v1/models": ("GET", self._models),
            "/embeddings": ("POST", self._not_for_chat_models),
            "/images/embeddings": ("POST", self._not_for_chat_models),
            "/msi/token": ("GET", self._token),
            PRICES_ROUTE: ("GET", self._retail_prices),
            "/simulator/requests": ("GET", self._requests),
        }

    @cached_property
    def assistant(self) -> Assistant:
        """The language model. It is loaded when it is first needed, which takes about half a second."""
        from .inference.completions import Assistant

        try:
            return Assistant(MODEL_NAME)
        except Exception as error:  # a damaged vocabulary, a slip in answers/*.toml: every completion says so
            raise RequestError(500, container_error(500, "Internal Server Error", f"No model: {error}")) from error

    @cached_property
    def control_plane(self) -> ControlPlane:
        """What manages deployments. It is loaded when it is first needed."""
        from .management.control_plane import ControlPlane
        from .management.subscription import Subscription

        subscription = Subscription(self.subscription_id, self.resource_group, self.workspace)
        return ControlPlane(subscription, self.url, self._new_token)

    def handle(self, request: Request) -> Response:
        """Answers one request."""
        fault = Fault()
        try:
            if request.path.startswith(MANAGEMENT):
                response = self._manage(request)
            else:
                scoring = SCORING.fullmatch(request.path)
                deployed = self._enter(request, *scoring.groups()) if scoring else None
                if request.path not in WITHOUT_KEY and not deployed and not self._knows(request.headers):
                    raise RequestError(401, UNAUTHORIZED, {"x-ms-error-reason": "Invalid JWT."})
                fault = self._fault_of(request)
                response = self._serve(request, fault, *deployed) if deployed else self._answer(request, fault)
        except RequestError as error:
            response = _error_response(fault.reworded(error))
        if fault.name == "gateway" and response.status not in (200, 401, 424):
            _pass_through_gateway(response)
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

    # The control plane, and the endpoints that were deployed with it

    def _manage(self, request: Request) -> Response:
        if not request.path.startswith("/metadata/"):  # which is asked before anybody has signed in
            self._check_manager(request)
        if len(request.body) > LARGEST_BODY:
            message = f"The body has more than {LARGEST_BODY} bytes (1 MiB), which is the most accepted."
            raise RequestError(413, arm_error("RequestEntityTooLarge", message))
        reply = self.control_plane.answer(request.method, request.path, request.query, request.body, request.root)
        if reply.content is None:
            return Response(reply.status, headers=reply.headers or {})
        return _json(reply.status, reply.content, reply.headers)

    def _check_manager(self, request: Request) -> None:
        """Raises RequestError unless a request carries an access token for managing."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer" or not token:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise RequestError(401, arm_error("AuthenticationFailed", message))
        audience, ends = self._tokens.get(token.strip(), ("", 0.0))
        if ends <= time.time():
            raise RequestError(401, arm_error("InvalidAuthenticationToken", "The access token is invalid."))
        more = AUDIENCES[:1] if request.path.startswith(REGISTRY) else ()
        if audience not in (*MANAGEMENT_AUDIENCES, request.root, *more):
            message = (
                f"The access token has been obtained for wrong audience or resource '{audience}'. "
                f"It should exactly match with one of the allowed audiences '{MANAGEMENT_AUDIENCES[0]}'."
            )
            raise RequestError(401, arm_error("InvalidAuthenticationTokenAudience", message))

    def _enter(self, request: Request, name: str, region: str, path: str | None) -> tuple[Endpoint, str]:
        """(the deployed endpoint that a request may call, the rest of the path). Raises RequestError."""
        endpoint = self.control_plane.subscription.serving(region, name)
        if endpoint is None:
            message = "No such endpoint: it was deleted, or never made. (On Azure its host name would not be found.)"
            raise RequestError(404, container_error(404, "Not Found", message))
        if not self._may_score(request.headers, endpoint):
            raise RequestError(401, UNAUTHORIZED, {"x-ms-error-reason": "Invalid JWT."})
        return endpoint, path or "/"

    def _serve(self, request: Request, fault: Fault, endpoint: Endpoint, path: str) -> Response:
        """Answers for an endpoint that was deployed, with its time-out and log, from behind Azure's gateway."""
        deployment = endpoint.deployment_for(request.headers.get(CHOSEN))
        if deployment is None:
            raise RequestError(404, container_error(404, "Not Found", "No deployment gets this request: look at the traffic."))
        if refusal := fault.refusal():
            raise refusal
        if not deployment.has_room:
            raise RequestError(*REFUSALS["429"])
        try:
            if path in (*WITHOUT_KEY, "/simulator/requests"):
                raise RequestError(404, {"detail": "Not Found"})
            response = self._answer(replace(request, path=path, deployment=deployment), fault)
        except RequestError as error:
            response = _error_response(error)
        seconds = float(response.headers.get(SECONDS_HEADER, "0"))
        shown = self._without_secrets(path)[:LONGEST_HEADER]
        deployment.write_log(f"{request.method} {shown} {response.status}" + (f", {seconds:.1f} s" if seconds else ""))
        if seconds > deployment.request_timeout.total_seconds():
            message = (
                f"The answer takes {seconds:.1f} s, the deployment's request_timeout_ms is "
                f"{deployment.request_timeout.total_seconds() * 1000:.0f}."
            )
            response = _error_response(RequestError(408, container_error(408, "Request Timeout", message)))
        elif response.status not in (200, 424):
            _pass_through_gateway(response)
        if not request.headers.get(CHOSEN):
            for copy in endpoint.mirrored_to():
                copy.write_log(f"{request.method} {shown}, mirrored")
        deployment.under_way += 1  # until it has been sent
        response.done = deployment.request_ended
        return response

    def _may_score(self, headers: Mapping[str, str], endpoint: Endpoint) -> bool:
        """Whether a request carries what the endpoint's authMode asks for: one of its keys, or an access token."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        bearer = bearer.strip() if scheme.casefold() == "bearer" else ""
        if endpoint.auth_mode == "Key":
            offered = (headers.get("api-key", ""), bearer)
            return any(hmac.compare_digest(text.encode(), key.encode()) for text in offered for key in endpoint.keys.values())
        audience, ends = self._tokens.get(bearer, ("", 0.0))
        return audience == (endpoint.host if endpoint.auth_mode == "AMLToken" else AUDIENCES[0]) and ends > time.time()

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
        token, ends = self._new_token(resource, TOKEN_LIFETIME)
        content = {"access_token": token, "expires_on": str(ends), "resource": resource, "token_type": "Bearer"}
        return _json(200, content)

    def _new_token(self, audience: str, lifetime: int) -> tuple[str, int]:
        """(an access token, when it ends in Unix seconds)."""
        token, ends = TOKEN_PREFIX + secrets.token_urlsafe(32), int(time.time()) + lifetime
        self._tokens[token] = (audience, ends)
        _forget_oldest(self._tokens)
        return token, ends

    # What can be called

    def _health(self, request: Request, fault: Fault) -> Response:
        return Response(200, b"healthy", {"content-type": "text/plain"})

    def _info(self, request: Request, fault: Fault) -> Response:
        if fault.name == "no-info":
            raise RequestError(404, {"detail": "Not Found"})
        name = _model_name(request)
        return _json(200, INFO | {"model_name": name, "served_model_name": name})

    def _models(self, request: Request, fault: Fault) -> Response:
        return _json(
            200,
            {"data": [{"created": 0, "id": _model_name(request), "object": "model", "owned_by": "simulated"}], "object": "list"},
        )

    def _retail_prices(self, request: Request, fault: Fault) -> Response:
        return _json(200, price_list(request.query, request.root))

    def _not_for_chat_models(self, request: Request, fault: Fault) -> Response:
        raise RequestError(404, "NOT FOUND")

    def _complete(self, request: Request, fault: Fault) -> Response:
        answer = self.assistant.answer(request.body, request.headers.get("extra-parameters"), request.path.startswith("/v1/"))
        answer.model_name = _model_name(request)
        answer.usage_apart |= fault.name == "usage-apart"
        answer.with_logprobs &= fault.name != "no-logprobs"
        pace = fault.seconds if fault.name == "slow" else self.token_delay
        if answer.wants_stream:
            return _stream(answer, fault, pace)
        body = answer.body()
        delay = pace * body["usage"]["completion_tokens"]
        headers = {"content-type": "application/json"} | _gpu_seconds(request, body)
        changed = fault.change_body(body)
        if isinstance(changed, dict):
            return _json(200, changed, headers, delay)
        return Response(200, changed, headers, delay)

    def _score(self, request: Request, fault: Fault) -> Response:
        """The older route of the container, which ``MLClient.online_endpoints.invoke`` calls: messages in, a text out.

        As the container does, it answers 200 with an empty object to whatever it cannot use.
        """
        try:
            given = json.loads(request.body)["input_data"]
            wanted = {
                "max_tokens" if name == "max_new_tokens" else name: value for name, value in given.get("parameters", {}).items()
            }
            if wanted.pop("do_sample", True) is False:  # the word of the library transformers for a choice without chance
                wanted["temperature"] = 0
            asked = {**wanted, "messages": given["input_string"], "stream": False}
            answer = self.assistant.answer(json.dumps(asked).encode(), "pass-through")
        except (RequestError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return _json(200, {})
        body = answer.body()
        return _json(200, {"output": body["choices"][0]["message"]["content"]}, _gpu_seconds(request, body))

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
        body = _without_new_key(request.body) if request.path.casefold().endswith("/regeneratekeys") else request.body
        self.journal.append(
            {
                "method": request.method,
                "path": self._without_secrets(request.path)[:LONGEST_HEADER],
                "query": self._without_secrets(request.query)[:LONGEST_HEADER],
                "headers": headers,
                "body": self._without_secrets(body.decode("utf-8", "replace"))[:LARGEST_REMEMBERED_BODY],
                "status": status,
            }
        )

    def _without_secrets(self, text: str) -> str:
        """A text with the key and all tokens blotted out: to be done before it is cut, or half a key would stay."""
        given_out = self.control_plane.subscription.keys if "control_plane" in self.__dict__ else ()
        for secret in (*self._secrets, *given_out):
            if secret in text:
                text = text.replace(secret, "***")
        return TOKEN.sub("***", text) if TOKEN_PREFIX in text else text

    def _fault_of(self, request: Request) -> Fault:
        """The fault that a request asks for; none once it has failed ``times`` times."""
        asked = request.headers.get(FAULT_HEADER)
        fault = read_fault(asked)
        if fault.times is not None:
            attempt = (asked, request.headers.get("x-ms-client-request-id", ""))
            retries = request.headers.get("x-stainless-retry-count", "")  # the OpenAI SDK counts for itself, without an id
            seen = int(retries) if DIGITS.fullmatch(retries) and not attempt[1] else self._attempts[attempt]
            self._attempts[attempt] += 1
            _forget_oldest(self._attempts)
            if seen >= fault.times:
                return Fault()
        return fault


def _model_name(request: Request) -> str:
    """The model that a request goes to."""
    return request.deployment.model_name if request.deployment else MODEL_NAME


def _gpu_seconds(request: Request, body: dict) -> dict[str, str]:
    """For a deployment, which has a time-out, a header with the seconds that a GPU would have taken for a whole answer."""
    seconds = FIRST_TOKEN + EACH_TOKEN * body["usage"]["completion_tokens"]
    return {SECONDS_HEADER: f"{seconds:.2f}"} if request.deployment else {}


def _pass_through_gateway(response: Response) -> None:
    """Turns an error of the container into 424, with its own status in a header."""
    response.headers["ms-azureml-model-error-statuscode"] = str(response.status)
    response.headers["ms-azureml-model-error-reason"] = "model_error"
    response.status = 424


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


def _without_new_key(body: bytes) -> bytes:
    """A request for a new key without the key that it may hold, whether it will be accepted or not."""
    try:
        content = json.loads(body)
        return json.dumps({**content, "keyValue": "***"} if "keyValue" in content else {**content}).encode()
    except (ValueError, RecursionError, TypeError):
        return b"***"


def _forget_oldest(remembered: dict) -> None:
    while len(remembered) > REMEMBERED_TOKENS:
        del remembered[next(iter(remembered))]


def _hidden(value: str) -> str:
    """A secret header's value without the secret: its scheme stays."""
    scheme, space, rest = value.partition(" ")
    return f"{scheme} ***" if space and rest else "***"
