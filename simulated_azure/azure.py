"""The simulated Azure without sockets: a request goes in, a response comes out.

``SimulatedAzure.handle`` is the one entry. A transport is anything that calls it:
``transports/sockets.py`` carries it over http and https; another could do so in a browser. A
request is matched with one table of routes (``SimulatedAzure.routes``, which joins the tables of
all rooms), admitted (auth.py), given the fault and the server that it asks for (faults.py,
inference/servers.py), answered by a handler of ``inference/`` or ``management/``, and remembered
(journal.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from .auth import Guard, Tokens, new_key
from .errors import HTTPError, arm_error, container_error, through_gateway
from .faults import NO_FAULT, FaultReader, TooManyRequests
from .http import Access, Request, Response, Route, Steps, find_route, run_to_end
from .inference.endpoint import GPU_SECONDS_HEADER, UPSTREAM_PATH, InferenceEndpoint
from .inference.servers import HEADER as SERVER_HEADER
from .inference.servers import INFERENCE, NAMES, SERVERS, Server
from .journal import PATH as JOURNAL_PATH
from .journal import Journal

if TYPE_CHECKING:
    from .classroom.bill import Bill
    from .classroom.room import Classroom
    from .inference.completions import Assistant
    from .management.control_plane import ControlPlane
    from .management.subscription import Deployment, Endpoint
    from .upstream.upstream import Upstream

MAX_BODY_SIZE = 1 << 20  # bytes
DEPLOYMENT_HEADER = (
    "azureml-model-deployment"  # names the deployment that shall answer, whatever its traffic
)
MAX_LOGGED_PATH = 2000  # characters
MAX_SHOWN_NAME = 40  # characters
NOT_RECORDED = (JOURNAL_PATH, UPSTREAM_PATH)  # learners ask there about other requests
SUBSCRIPTION_ID = "5eed0000-0000-4000-8000-000000000004"
RESOURCE_GROUP, WORKSPACE = "phi4-lessons", "phi4-workspace"


class SimulatedAzure:
    """An inference endpoint, the endpoints deployed beside it, and what manages them.

    key: what clients must send to the endpoint that is always there; made up if None. token_delay: seconds for each token.
    subscription_id, resource_group, workspace: the names of what the control plane manages. assistant: a loaded language
    model to share. server: the published server to simulate, unless a request or a deployment names
    another. classroom: the class that shares the endpoint; then its keys open it, and there are no
    deployments. upstream: a server that writes the answers instead of the language model. ``url``:
    where all this is reached, for addresses in answers.
    """

    def __init__(
        self,
        key: str | None = None,
        token_delay: float = 0.0,
        subscription_id: str = SUBSCRIPTION_ID,
        resource_group: str = RESOURCE_GROUP,
        workspace: str = WORKSPACE,
        assistant: Assistant | None = None,
        server: Server = INFERENCE,
        classroom: Classroom | None = None,
        upstream: Upstream | None = None,
    ):
        self.server = server
        self.classroom = classroom
        self.url = "https://localhost"
        self.subscription_id, self.resource_group, self.workspace = (
            subscription_id,
            resource_group,
            workspace,
        )
        self.guard = Guard(key or new_key(), Tokens(), classroom)
        self.faults = FaultReader()
        self.journal = Journal(self._secrets)
        self._hidden_texts: set[str] = set()
        self.inference = InferenceEndpoint(token_delay, assistant)
        self._inference_routes = self.inference.routes()
        self.use_upstream(upstream)

    @property
    def key(self) -> str:
        """The key of the endpoint that is always there."""
        return self.guard.key

    @property
    def identity_header(self) -> str:
        """The secret by which a client gets access tokens."""
        return self.guard.identity_header

    @property
    def assistant(self) -> Assistant:
        """The language model, loaded if need be."""
        return self.inference.assistant()

    @cached_property
    def control_plane(self) -> ControlPlane:
        """What manages deployments. It is made when it is first needed."""
        from .management.control_plane import ControlPlane
        from .management.subscription import Subscription

        subscription = Subscription(self.subscription_id, self.resource_group, self.workspace)
        return ControlPlane(subscription, self.url)

    @cached_property
    def routes(self) -> list[Route]:
        """The route table. The first row that matches counts; the last row matches whatever no other row does."""
        if self.classroom is not None:
            return [
                *self._inference_routes,
                *self.classroom.routes(),
                Route("GET", UPSTREAM_PATH, self.inference.show_upstream),
                Route("*", "{path:path}", self._not_found),
            ]
        from .management import retail_prices

        return [
            *self._inference_routes,
            *self.guard.routes(),
            *self.journal.routes(),
            Route("GET", UPSTREAM_PATH, self.inference.show_upstream),
            *retail_prices.routes(),
            *self.control_plane.routes(),
            Route(
                "*", "/{endpoint}.{region}.inference.ml{path:path}", self._deployed, Access.DEPLOYED
            ),
            Route("*", "{path:path}", self._not_found),
        ]

    def rename_subscription(
        self, subscription_id: str = "", resource_group: str = "", workspace: str = ""
    ) -> None:
        """Give what the control plane manages other names; "" stands for a made-up one. What is deployed stays."""
        self.subscription_id = subscription_id or SUBSCRIPTION_ID
        self.resource_group, self.workspace = (
            resource_group or RESOURCE_GROUP,
            workspace or WORKSPACE,
        )
        if "control_plane" in self.__dict__:
            self.control_plane.subscription.rename(
                self.subscription_id, self.resource_group, self.workspace
            )

    def hide(self, text: str) -> None:
        """Never show a text in the journal, nor in the log of a deployment."""
        self._hidden_texts.add(text)

    def use_upstream(self, upstream: Upstream | None) -> None:
        """Let another server write the answers from now on; None: the tiny language model."""
        if upstream is not None and upstream.settings.key:
            self.hide(upstream.settings.key)
        former, self.inference.upstream = self.inference.upstream, upstream
        if self.classroom is not None:
            self.classroom.upstream = upstream
        if former is not None and former is not upstream:
            former.close()

    def handle(self, request: Request) -> Response:
        """Return the response to a request."""
        return run_to_end(self.handle_in_steps(request))

    def handle_in_steps(self, request: Request) -> Steps:
        """Return the response to a request as ``handle`` does, giving way to other requests.

        It yields the seconds to wait before it goes on; 0 only lets others have a turn. If the client goes away, close it.
        """
        if self.classroom is None:
            return (yield from self._handle(request))
        seat = self.guard.seat(request)
        return (yield from self.classroom.attend(request, seat, self._handle))

    # The way of a request

    def _handle(self, request: Request, bill: Bill | None = None) -> Steps:
        request = replace(request, bill=bill)
        fault = NO_FAULT
        route, params = find_route(self._inference_routes, request.method, request.path)
        if route is None:  # only then is the control plane needed, which takes a while to load
            route, params = find_route(self.routes, request.method, request.path)
        try:
            self._admit(route, request, params)
            fault = NO_FAULT if route.access is Access.MANAGEMENT else self.faults.read(request)
            server = self._server(request, self.server)
            request = replace(request, path_params=params, fault=fault, server=server)
            fault.before(request)
            response = yield from self._call(route, request)
        except HTTPError as error:
            response = fault.change_error(error).response()
        fault.change_response(response)
        response.headers.setdefault("x-request-id", secrets.token_hex(16))
        self._remember(request, route, response.status)
        return response

    def _admit(self, route: Route, request: Request, params: dict[str, str]) -> None:
        """Raise HTTPError (401) unless a request may call a route; 404 if it names a deployed endpoint that is not there."""
        keys: Iterable[str] = ()
        access = route.access
        if access is Access.DEPLOYED:
            keys = self._deployed_endpoint(params).keys.values()
            inner, _ = find_route(self._inference_routes, request.method, params["path"])
            if inner is not None and inner.access is Access.PUBLIC:
                access = Access.PUBLIC
        self.guard.check(access, request, keys)

    def _call(self, route: Route, request: Request) -> Steps:
        """Return what a route's handler answers. Raises HTTPError for another method, and for a body that is too large."""
        is_management = route.access is Access.MANAGEMENT
        if route.method not in (request.method, "*"):
            methods = [
                other.method
                for other in self.routes
                if other.pattern.fullmatch(request.path) and other.method != "*"
            ]
            message = f"{request.method} is not allowed here, only {', '.join(methods)}."
            body = (
                arm_error("MethodNotAllowed", message)
                if is_management
                else {"detail": "Method Not Allowed"}
            )
            raise HTTPError(405, body, {"allow": ", ".join(methods)})  # RFC 9110, section 15.5.6
        if len(request.body) > MAX_BODY_SIZE:
            message = (
                f"The body has more than {MAX_BODY_SIZE} bytes (1 MiB), which is the most accepted."
            )
            if is_management:
                raise HTTPError(413, arm_error("RequestEntityTooLarge", message))
            raise HTTPError(413, container_error(413, "Request Entity Too Large", message))
        answer = route.handler(request)
        return (yield from answer) if isinstance(answer, Generator) else answer

    def _server(self, request: Request, default: Server) -> Server:
        """Return the server that a request asks for. Raises HTTPError (400) if there is none."""
        name = request.headers.get(SERVER_HEADER, default.name)
        if name not in SERVERS:
            message = f"{SERVER_HEADER}: found {name[:MAX_SHOWN_NAME]!r}, expected {NAMES}."
            raise HTTPError(400, {"detail": message})
        return SERVERS[name]

    def _not_found(self, request: Request) -> Response:
        raise HTTPError(404, {"detail": "Not Found"})

    def _remember(self, request: Request, route: Route, status: int) -> None:
        """Put a request into the journal, unless a stranger has called a path that does not exist."""
        if self.classroom is not None:
            self.classroom.remember(request, status)
            return
        is_a_strangers = status == 401 and route.access not in (Access.ENDPOINT, Access.PUBLIC)
        is_unknown = route.handler == self._not_found and status == 401
        if request.path not in NOT_RECORDED and not is_a_strangers and not is_unknown:
            self.journal.record(request, status)

    def _secrets(self) -> Iterable[str]:
        """Return every key that was ever given out here, the identity header, and what ``hide`` was called with."""
        deployed = self.control_plane.subscription.keys if "control_plane" in self.__dict__ else ()
        return [self.key, self.identity_header, *deployed, *self._hidden_texts]

    # Endpoints that were deployed with the control plane

    def _deployed_endpoint(self, params: dict[str, str]) -> Endpoint:
        """Return the endpoint that a path names. Raises HTTPError (404) if there is none."""
        endpoint = self.control_plane.subscription.reachable_endpoint(
            params["region"], params["endpoint"]
        )
        if endpoint is None:
            message = "No such endpoint: it was deleted, or never made. (On Azure its host name would not be found.)"
            raise HTTPError(404, container_error(404, "Not Found", message))
        return endpoint

    def _deployed(self, request: Request) -> Steps:
        """Return the answer of a deployed endpoint. Its deployment's queue holds a place until the response has gone."""
        endpoint = self._deployed_endpoint(request.path_params)
        deployment = endpoint.deployment_for(request.headers.get(DEPLOYMENT_HEADER))
        if deployment is None:
            message = "No deployment gets this request: look at the traffic."
            raise HTTPError(404, container_error(404, "Not Found", message))
        if not deployment.has_room:
            raise TooManyRequests.error()
        deployment.begin_request()
        is_answered = False
        try:
            response = yield from self._answer_from_deployment(request, deployment)
            is_answered = True
        finally:
            if not is_answered:  # the client has gone away, or there is a defect
                deployment.end_request()
        close = response.on_close
        response.on_close = lambda: (close(), deployment.end_request())
        return response

    def _answer_from_deployment(self, request: Request, deployment: Deployment) -> Steps:
        """Return a deployment's answer, with its time-out and log, from behind Azure's gateway."""
        path = request.path_params["path"] or "/"
        server = self._server(request, deployment.server or self.server)
        request = replace(request, path=path, deployment=deployment, server=server)
        route, _ = find_route(self._inference_routes, request.method, path)
        try:
            if route is None:
                raise HTTPError(404, {"detail": "Not Found"})
            response = yield from self._call(route, request)
        except HTTPError as error:
            response = request.fault.change_error(error).response()
        seconds = float(response.headers.get(GPU_SECONDS_HEADER, "0"))
        logged_path = self.journal.redact(path)[:MAX_LOGGED_PATH]
        duration = f", {seconds:.1f} s" if seconds else ""
        deployment.write_log(f"{request.method} {logged_path} {response.status}{duration}")
        timeout = deployment.request_timeout.total_seconds()
        if seconds > timeout:
            message = f"The answer takes {seconds:.1f} s, the deployment's request_timeout_ms is {timeout * 1000:.0f}."
            return HTTPError(408, container_error(408, "Request Timeout", message)).response()
        if response.status not in (200, 424):
            through_gateway(response)
        return response
