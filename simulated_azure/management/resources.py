"""What a simulated subscription holds: endpoints, their deployments, and operations on them."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from ..inference.servers import MODEL_FOLDER, Server, server_in
from .refusals import refusal

MAX_LOG_LINES = 200


@dataclass
class Operation:
    """Something that takes a while. Each poll lets a part of its simulated time pass.

    seconds_left: of simulated time. polls_left: until it is done. finish: called then; returns the
    error if the operation failed.
    """

    seconds_left: float
    polls_left: int
    finish: Callable[[], dict | None]
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    state: str = "InProgress"
    error: dict | None = None


@dataclass
class EndpointSettings:
    """What a request to create or change an endpoint says. traffic: deployment -> per cent."""

    traffic: dict[str, int]
    tags: dict[str, str]
    properties: dict[str, str | None]
    description: str | None
    identity: str
    public_network_access: str


@dataclass
class DeploymentSettings:
    """What a request to create or change a deployment says.

    properties: all properties as JSON. Most change nothing here and are only shown again.
    """

    model: str
    instance_type: str
    instances: int
    request_timeout: timedelta
    max_concurrent: int
    tags: dict[str, str]
    properties: dict


@dataclass
class Deployment:
    """A model on machines of one size.

    model: its id in the registry. max_concurrent: requests that an instance computes at a time.
    created: seconds of simulated time. properties: see DeploymentSettings.
    """

    name: str
    created: float
    model: str = ""
    instance_type: str = ""
    instances: int = 0
    request_timeout: timedelta = timedelta()
    max_concurrent: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict = field(default_factory=dict, repr=False)
    state: str = "Creating"
    operation: Operation | None = None
    log: list[str] = field(default_factory=list)
    requests_in_flight: int = 0

    @property
    def model_name(self) -> str:
        """The model's name without registry and version, such as ``Phi-4``."""
        return model_name(self.model)

    @property
    def server(self) -> Server | None:
        """The server that its environment names (property ``environmentId``), None if none."""
        return server_in(self.properties.get("environmentId") or "")

    @property
    def served_name(self) -> str:
        """The name of the model in the engine: its folder, unless a variable sets another."""
        variables = self.properties.get("environmentVariables") or {}
        folder = MODEL_FOLDER.format(name=self.model_name, version=self.model.split("/")[-1])
        return variables.get("AML_SERVED_MODEL_NAME") or folder

    @property
    def is_ready(self) -> bool:
        """True if it answers requests, which it also does while it is changed."""
        return self.state in ("Succeeded", "Updating")

    @property
    def has_room(self) -> bool:
        """True while fewer than 2 x max_concurrent x instances requests are in flight.

        That is the limit of the queue in Microsoft's documentation.
        """
        return self.requests_in_flight < 2 * self.max_concurrent * self.instances

    def begin_request(self) -> None:
        """Take a slot for a request.

        Call end_request() once when its response has been sent or its client has gone.
        """
        self.requests_in_flight += 1

    def end_request(self) -> None:
        """Free the slot of a request. A call too many changes nothing."""
        self.requests_in_flight = max(0, self.requests_in_flight - 1)

    def write_log(self, *lines: str) -> None:
        """Add lines to the log; the oldest go."""
        self.log += lines
        del self.log[:-MAX_LOG_LINES]

    def apply(self, settings: DeploymentSettings) -> None:
        """Apply the settings of a request."""
        self.model = settings.model
        self.instance_type = settings.instance_type
        self.instances = settings.instances
        self.request_timeout = settings.request_timeout
        self.max_concurrent = settings.max_concurrent
        self.tags = settings.tags
        self.properties = settings.properties


@dataclass
class Endpoint:
    """An address with keys.

    created, deleted_at: seconds of simulated time; only an endpoint on shared quota is deleted by
    itself. is_shared: whether it is on shared quota, which never changes. traffic: deployment ->
    per cent of the requests.
    """

    name: str
    region: str
    workspace: str
    created: float
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str | None] = field(default_factory=dict)
    description: str | None = None
    identity: str = "SystemAssigned"
    public_network_access: str = "Enabled"
    is_shared: bool = False
    deleted_at: float = math.inf
    traffic: dict[str, int] = field(default_factory=dict)
    state: str = "Creating"
    operation: Operation | None = None
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    requests_by_traffic: int = 0

    @property
    def host(self) -> str:
        """The name by which it is reached, such as ``my-phi4.eastus2.inference.ml``."""
        return f"{self.name}.{self.region}.inference.ml"

    def deployment_for(self, name: str | None) -> Deployment | None:
        """Return the deployment for the next request: the one named, or else as the traffic says.

        Return None if it does not exist or cannot answer, or if nothing has traffic.
        """
        ready = {key: each for key, each in self.deployments.items() if each.is_ready}
        if name is not None:
            return ready.get(name.casefold())
        shares = sorted((key, percent) for key, percent in self.traffic.items() if key in ready)
        turns = [key for key, percent in shares for _ in range(percent)]
        if not turns:
            return None
        self.requests_by_traffic += 1
        # Steps of 61 spread the shares evenly over a hundred requests.
        return ready[turns[self.requests_by_traffic * 61 % 100 * len(turns) // 100]]

    def check_idle(self) -> None:
        """Raise HTTPError (409) while an operation on the endpoint or its deployments runs.

        Microsoft's documentation says so of endpoints on Kubernetes; of managed ones it names the
        status, 409, without a rule.
        """
        for resource in (self, *self.deployments.values()):
            if resource.operation is not None and resource.operation.state == "InProgress":
                message = (
                    f"Another operation is under way ({resource.name}: {resource.state}). "
                    "Wait until it has ended."
                )
                raise refusal(409, "Conflict", message)


def model_name(model: str) -> str:
    """Return the name in a model's id.

    >>> model_name("azureml://registries/azureml/models/Phi-4/versions/8")
    'Phi-4'
    """
    return model.split("/")[-3]
