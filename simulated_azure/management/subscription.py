"""What the simulated subscription holds: endpoints, deployments and quota, and the simulated time that operations take.

Nothing here knows of HTTP. What is not allowed raises RequestError with the body that Azure Resource Manager sends, as far
as public reports show it; where none shows the words, they are ours.
"""

from __future__ import annotations

import json
import math
import secrets
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files

from ..errors import RequestError, arm_error

DATA = files(__package__) / "data"
SHARED, AUTO_DELETION = "SharedComputeCapacityEnabled", "TargetAutoDeletionTime"  # properties of an endpoint
SHARED_HOURS = 168
MOST_ENDPOINTS, MOST_DEPLOYMENTS, MOST_INSTANCES = 100, 20, 50  # per region; per endpoint; per deployment
MOST_MIRRORED = 50  # per cent
LOG_LINES = 200
SHORTEST_KEY = 8  # shorter ones could not be blotted out of what is shown
POLLS = {"create_deployment": 4, "scale": 4, "fail_for_capacity": 4}  # looks at an operation until it is done; 2 at others
REGISTRY = "azureml://registries/azureml/models/{}/versions/{}"


@dataclass
class Operation:
    """Something that takes a while. Every look at it lets a part of its simulated time pass."""

    seconds: float
    polls: int
    finish: Callable[[], dict | None]  # returns the error if it failed
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    state: str = "InProgress"
    error: dict | None = None


@dataclass
class Deployment:
    """A model on machines of one size. ``given``: the body that it was made of; ``created``: seconds of simulated time."""

    name: str
    model: str
    instance_type: str
    instances: int
    request_timeout: timedelta
    max_concurrent: int
    created: float
    given: dict = field(repr=False)
    tags: dict = field(default_factory=dict)
    state: str = "Creating"
    operation: Operation | None = None
    log: list[str] = field(default_factory=list)
    under_way: int = 0  # requests that have come and are not answered yet

    @property
    def has_room(self) -> bool:
        """Whether one more request may come: twice as many as are computed at a time may be under way, by Microsoft's
        documentation."""
        return self.under_way < 2 * self.max_concurrent * self.instances

    def request_ended(self) -> None:
        self.under_way -= 1

    @property
    def model_name(self) -> str:
        return self.model.split("/")[-3]

    def write_log(self, line: str) -> None:
        self.log.append(line)
        del self.log[:-LOG_LINES]


@dataclass
class Endpoint:
    """An address with keys. ``traffic``: per cent of the requests for each deployment. ``mirror``: per cent of the requests
    that a deployment gets as well, unseen by who asks. ``given``: what was sent and is only told again."""

    name: str
    region: str
    workspace: str
    auth_mode: str
    created: float
    tags: dict = field(default_factory=dict)
    properties: dict = field(default_factory=dict)
    description: str | None = None
    is_shared: bool = False  # on quota that Microsoft lends; never changed
    given: dict = field(default_factory=dict)
    traffic: dict[str, int] = field(default_factory=dict)
    mirror: dict[str, int] = field(default_factory=dict)
    state: str = "Creating"
    operation: Operation | None = None
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    deleted_at: float = math.inf  # simulated time; for shared quota
    served: int = 0

    @property
    def host(self) -> str:
        """The name under which it is reached."""
        return f"{self.name}.{self.region}.inference.ml"

    def deployment_for(self, wanted: str | None) -> Deployment | None:
        """The deployment that gets the next request: the one asked for, or in turn as the traffic says."""
        ready = {name: each for name, each in self.deployments.items() if each.state in ("Succeeded", "Updating")}
        if wanted is not None:
            return ready.get(wanted.casefold())
        turns = [name for name, percent in sorted(self.traffic.items()) for _ in range(percent) if name in ready]
        if not turns:
            return None
        self.served += 1
        return ready[turns[self.served * 61 % 100 * len(turns) // 100]]  # 61: shares evenly spread over a hundred requests

    def mirrored_to(self) -> list[Deployment]:
        """The deployments that get a copy of the request that was just served."""
        turn, before = self.served, self.served - 1
        return [
            self.deployments[name] for name, percent in self.mirror.items() if turn * percent // 100 > before * percent // 100
        ]


class Subscription:
    """The simulated subscription. ``clock`` counts seconds of simulated time: it stands still but for operations."""

    def __init__(self, subscription_id: str, resource_group: str, workspace: str):
        self.id, self.resource_group = subscription_id, resource_group
        facts = tomllib.loads((DATA / "control_plane.toml").read_text(encoding="utf-8"))
        machines = tomllib.loads((DATA / "vm_sizes.toml").read_text(encoding="utf-8"))["size"]
        self.allowed_sizes = {size["name"]: size for size in machines}
        self.sizes = self.allowed_sizes | {size["name"]: size for size in facts["small_size"]}
        self.regions = {region["name"]: region for region in facts["region"]}
        self.workspaces = {workspace + region["workspace"]: region["name"] for region in facts["region"]}
        self.models = {model["name"]: model["versions"] for model in facts["model"]}
        self.weights = {model["name"]: model["weights_gib"] for model in facts["model"] if "weights_gib" in model}
        self.startup = facts["startup"]
        self.minutes = facts["minutes"]
        self.clock = 0.0
        self.endpoints: dict[tuple[str, str], Endpoint] = {}  # (region, name): names are unique in a region
        self.operations: dict[str, Operation] = {}
        self.keys: set[str] = set()  # all that were ever given out: never to be shown
        self._forget_a_deployment(facts["forgotten"])

    # Time

    def pass_time(self, seconds: float) -> None:
        """Lets simulated time pass; what is on shared quota is deleted when its time has come."""
        self.clock += seconds
        for place, endpoint in [*self.endpoints.items()]:
            if endpoint.deleted_at <= self.clock:
                del self.endpoints[place]

    def date_of(self, event: float) -> datetime:
        """When an event was, on a calendar on which it is now."""
        return datetime.now(UTC) - timedelta(seconds=self.clock - event)

    def look_at(self, operation: Operation | None) -> None:
        """A client has asked how far an operation is: it is a step further now."""
        if operation is None or operation.state != "InProgress":
            return
        self.pass_time(operation.seconds / operation.polls)
        operation.seconds -= operation.seconds / operation.polls
        operation.polls -= 1
        if not operation.polls:
            operation.error = operation.finish()
            operation.state = "Failed" if operation.error else "Succeeded"

    def _start(self, kind: str, finish: Callable[[], dict | None]) -> Operation:
        operation = Operation(self.minutes[kind] * 60, POLLS.get(kind, 2), finish)
        self.operations[operation.id] = operation
        return operation

    # Endpoints

    def endpoint(self, workspace: str, name: str) -> Endpoint:
        found = self.endpoints.get((self.workspaces[workspace], name.casefold()))
        if found is None:
            raise not_found(f"workspaces/{workspace}/onlineEndpoints/{name}", self.resource_group)
        return found

    def serving(self, region: str, name: str) -> Endpoint | None:
        """The endpoint of a name in a region if it is there for requests."""
        found = self.endpoints.get((region, name.casefold()))
        return found if found and found.state not in ("Creating", "Deleting") else None

    def endpoints_of(self, workspace: str) -> list[Endpoint]:
        return [endpoint for endpoint in self.endpoints.values() if endpoint.workspace == workspace]

    def put_endpoint(self, workspace: str, name: str, body: EndpointBody) -> tuple[Endpoint, bool]:
        """Creates an endpoint, or changes one: (the endpoint, whether it is new)."""
        region = self.workspaces[workspace]
        found = self.endpoints.get((region, name.casefold()))
        if found is None:
            _check_name("endpoint", name)
            if sum(endpoint.region == region for endpoint in self.endpoints.values()) >= MOST_ENDPOINTS:
                raise _bad_request(f"There are {MOST_ENDPOINTS} endpoints in {region}, which is the most allowed.")
            if body.traffic and sum(body.traffic.values()):
                raise _bad_request("A new endpoint has no deployments yet that could get traffic.")
            found = Endpoint(name, region, workspace, body.auth_mode, self.clock)
            found.keys = {kind: self._new_key() for kind in ("primaryKey", "secondaryKey")}
            self.endpoints[region, name.casefold()] = found
            self._describe(found, body)
            if str(body.properties.get(SHARED)).casefold() == "true":
                found.is_shared, found.deleted_at = True, self.clock + SHARED_HOURS * 3600
            found.operation = self._start("create_endpoint", lambda: _set_state(found, "Succeeded"))
            return found, True
        _check_idle(found)
        if body.auth_mode != found.auth_mode:
            raise _bad_request(f"The authMode of an endpoint cannot be changed: it is {found.auth_mode}.")
        traffic = {deployment.casefold(): percent for deployment, percent in (body.traffic or {}).items()}
        mirror = {deployment.casefold(): percent for deployment, percent in (body.mirror or {}).items() if percent}
        _check_traffic(found, traffic, mirror)
        self._describe(found, body)
        found.state = "Updating"

        def finish() -> None:
            found.traffic, found.mirror, found.state = traffic, mirror, "Succeeded"

        found.operation = self._start("update_endpoint", finish)
        return found, False

    def _describe(self, endpoint: Endpoint, body: EndpointBody) -> None:
        endpoint.tags, endpoint.description = body.tags, body.description
        endpoint.given = body.given
        more = {name: value for name, value in body.properties.items() if name not in (SHARED, AUTO_DELETION)}
        endpoint.properties = more | endpoint.properties  # they can be added, but neither removed nor altered

    def delete_endpoint(self, endpoint: Endpoint) -> Operation:
        _check_idle(endpoint)
        endpoint.state = "Deleting"
        for deployment in endpoint.deployments.values():
            deployment.state = "Deleting"
        place = endpoint.region, endpoint.name.casefold()
        endpoint.operation = self._start("delete", lambda: _forget(self.endpoints, place, endpoint))
        return endpoint.operation

    def regenerate_key(self, endpoint: Endpoint, kind: str, value: str | None) -> Operation:
        _check_idle(endpoint)
        if kind not in ("Primary", "Secondary"):
            raise _bad_request(f"keyType is {kind!r}, expected Primary or Secondary.")
        if endpoint.auth_mode != "Key":
            raise _bad_request(f"The endpoint has no keys: its authMode is {endpoint.auth_mode}.")
        name = f"{kind.lower()}Key"
        if value in (None, endpoint.keys[name]):  # azure-ai-ml sends the old key when it asks for a new one
            value = self._new_key()
        if len(value) < SHORTEST_KEY or not value.isascii() or not value.isprintable() or " " in value:
            raise _bad_request(f"keyValue: expected at least {SHORTEST_KEY} ASCII characters without white space.")
        self.keys.add(value)

        def finish() -> None:
            endpoint.keys[name] = value

        endpoint.operation = self._start("regenerate_keys", finish)
        return endpoint.operation

    def _new_key(self) -> str:
        key = f"simulated-key-{secrets.token_hex(9)}"
        self.keys.add(key)
        return key

    # Deployments

    def deployment(self, endpoint: Endpoint, name: str) -> Deployment:
        try:
            return endpoint.deployments[name.casefold()]
        except KeyError:
            path = f"workspaces/{endpoint.workspace}/onlineEndpoints/{endpoint.name}/deployments/{name}"
            raise not_found(path, self.resource_group) from None

    def put_deployment(self, endpoint: Endpoint, name: str, body: DeploymentBody) -> tuple[Deployment, bool]:
        """Creates a deployment, or changes one: (the deployment, whether it is new)."""
        old = endpoint.deployments.get(name.casefold())
        self._check_deployment(endpoint, name, body, old)
        asked = f"minute 0: asked {endpoint.region} for {body.instance_type}"
        deployment = old or Deployment(name, "", "", 0, timedelta(), 0, self.clock, {}, log=[asked])
        operation = self._operation_for(endpoint, deployment, body, is_new=old is None)
        deployment.model, deployment.instance_type, deployment.instances = body.model, body.instance_type, body.instances
        deployment.request_timeout, deployment.max_concurrent = body.request_timeout, body.max_concurrent
        deployment.given, deployment.tags = body.given, body.tags
        deployment.state = "Creating" if old is None else "Updating"
        deployment.operation = operation
        endpoint.deployments[name.casefold()] = deployment
        return deployment, old is None

    def _check_deployment(self, endpoint: Endpoint, name: str, body: DeploymentBody, old: Deployment | None) -> None:
        """Raises RequestError if a deployment may not be made or changed like this."""
        if endpoint.state != "Succeeded":
            raise _bad_request(
                f"Cannot create a deployment in endpoint {endpoint.name} because it is in {endpoint.state} provisioning state."
            )
        _check_idle(endpoint)
        if old is None:
            _check_name("deployment", name)
            if len(endpoint.deployments) >= MOST_DEPLOYMENTS:
                raise _bad_request(f"The endpoint has {MOST_DEPLOYMENTS} deployments, which is the most allowed.")
        self._check_model(body.model)
        self._check_size(endpoint, body, old)

    def _operation_for(self, endpoint: Endpoint, deployment: Deployment, body: DeploymentBody, is_new: bool) -> Operation:
        """What is set going by a new deployment, or by a change: looked up before the change is made."""
        has_machines = deployment.state == "Succeeded" and deployment.instance_type == body.instance_type
        if has_machines and deployment.instances == body.instances:
            return self._start("update_deployment", lambda: self._succeed(deployment, f"updated: {deployment.name}"))
        if self.sizes[body.instance_type]["family"] in self.regions[endpoint.region]["no_machines"]:
            return self._start("fail_for_capacity", lambda: self._fail(endpoint, deployment))
        if is_new:
            return self._start("create_deployment", lambda: self._succeed(deployment, *self._startup_log(deployment)))
        said = f"scaled: {body.instances} x {body.instance_type}"
        return self._start("scale", lambda: self._succeed(deployment, said))

    def _startup_log(self, deployment: Deployment) -> list[str]:
        """What a deployment writes while it comes up."""
        known = {"model": deployment.model_name, "weights": self.weights.get(deployment.model_name)}
        steps = [step for step in self.startup if known["weights"] or "{weights}" not in step["says"]]
        lines = [f"minute {step['minute']}: {step['says'].format(**known)}" for step in steps]
        note = "note: this is a simulation; a tiny language model answers with the tokens of Phi-4"
        return [*lines, f"minute {self.minutes['create_deployment']}: serving on port 5001", note]

    def _succeed(self, deployment: Deployment, *lines: str) -> None:
        for line in lines:
            deployment.write_log(line)
        deployment.state = "Succeeded"

    def _fail(self, endpoint: Endpoint, deployment: Deployment) -> dict:
        minutes = self.minutes["fail_for_capacity"]
        deployment.write_log(f"minute {minutes}: no {deployment.instance_type} free in {endpoint.region}, gave up")
        deployment.state = "Failed"
        return {
            "code": "OutOfQuota",
            "message": f"No capacity for {deployment.instances} x {deployment.instance_type} in {endpoint.region} at the moment. "
            "Quota is a permission, not a reservation: try another region or size, or try later. "
            "See https://aka.ms/oe-tsg#error-outofquota",
        }

    def delete_deployment(self, endpoint: Endpoint, deployment: Deployment) -> Operation:
        _check_idle(endpoint)
        if endpoint.traffic.get(deployment.name.casefold()):
            raise _bad_request(f"The deployment {deployment.name} still gets traffic: set its traffic to 0 first.")
        endpoint.mirror.pop(deployment.name.casefold(), None)
        deployment.state = "Deleting"
        deployment.operation = self._start(
            "delete", lambda: _forget(endpoint.deployments, deployment.name.casefold(), deployment)
        )
        return deployment.operation

    def _check_model(self, model: str) -> None:
        known = [REGISTRY.format(name, version) for name, versions in self.models.items() for version in versions]
        if model not in known:
            raise _bad_request(f"The model {model!r} was not found. The simulated registry has {', '.join(known)}.")

    def _check_size(self, endpoint: Endpoint, body: DeploymentBody, old: Deployment | None) -> None:
        """Raises RequestError where a size is unknown or too small, or where quota is missing."""
        if body.instance_type not in self.sizes:
            raise _invalid(VmSize=[f"Unknown VM size {body.instance_type}."])
        if body.instance_type not in self.allowed_sizes:
            raise _invalid(
                VmSize=[
                    f"{body.instance_type} cannot serve {body.model.split('/')[-3]}, which needs at least 24 vCPUs, 1 GPU and "
                    f"220 GiB of memory. Supported: {', '.join(self.allowed_sizes)}."
                ]
            )
        if endpoint.is_shared:
            return
        size = self.sizes[body.instance_type]
        before = old.instances * size["vcpus"] if old and old.instance_type == body.instance_type else 0
        needed = body.instances * size["vcpus"] - before
        used, limit = self.usage(endpoint.region, size["family"])
        if needed > 0 and used + needed > limit:
            raise _invalid(
                VmSize=[
                    f"Not enough quota available for {body.instance_type} in SubscriptionId {self.id}. "
                    f"Current usage/limit: {used}/{limit}. Additional needed: {needed} "
                    "Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-outofquota"
                ]
            )

    def usage(self, region: str, family: str) -> tuple[int, int]:
        """(vCPUs in use, vCPUs allowed) of a family in a region."""
        used = sum(
            deployment.instances * self.sizes[deployment.instance_type]["vcpus"]
            for endpoint in self.endpoints.values()
            for deployment in endpoint.deployments.values()
            if endpoint.region == region and not endpoint.is_shared and self.sizes[deployment.instance_type]["family"] == family
        )
        return used, self.regions[region]["quota"].get(family, 0)

    def _forget_a_deployment(self, facts: dict) -> None:
        """Puts a deployment there that somebody forgot before the lesson began."""
        workspace = next(name for name, region in self.workspaces.items() if region == facts["region"])
        since = -facts["hours_ago"] * 3600.0
        endpoint = Endpoint(facts["endpoint"], facts["region"], workspace, "Key", since, tags=facts["tags"], state="Succeeded")
        endpoint.keys = {kind: self._new_key() for kind in ("primaryKey", "secondaryKey")}
        endpoint.traffic = {facts["deployment"]: 100}
        deployment = Deployment(
            facts["deployment"],
            facts["model"],
            facts["instance_type"],
            1,
            timedelta(minutes=3),
            16,
            since,
            {"endpointComputeType": "Managed", "model": facts["model"], "instanceType": facts["instance_type"]},
            facts["tags"],
            "Succeeded",
        )
        endpoint.deployments[deployment.name] = deployment
        self.endpoints[endpoint.region, endpoint.name] = endpoint


@dataclass
class EndpointBody:
    """A checked request to create or change an endpoint."""

    auth_mode: str
    traffic: dict[str, int] | None
    mirror: dict[str, int] | None
    tags: dict
    properties: dict
    description: str | None
    given: dict


@dataclass
class DeploymentBody:
    """A checked request to create or change a deployment. ``given``: the properties as they were sent."""

    model: str
    instance_type: str
    instances: int
    request_timeout: timedelta
    max_concurrent: int
    tags: dict
    given: dict


def _check_name(what: str, name: str) -> None:
    """Names of endpoints and deployments: 3 to 32 letters, digits and hyphens, a letter first and no hyphen last."""
    letters = name.replace("-", "")
    if not (3 <= len(name) <= 32 and letters.isascii() and letters.isalnum() and name[0].isalpha() and name[-1] != "-"):
        raise _bad_request(
            f"{name!r} is no name for {'an' if what == 'endpoint' else 'a'} {what}"
            ": expected 3 to 32 letters, digits and hyphens, beginning with a letter and not ending with a hyphen."
        )


def _check_idle(endpoint: Endpoint) -> None:
    """Raises RequestError while anything is done to an endpoint or to one of its deployments: one thing at a time. Microsoft's
    documentation says so of endpoints on Kubernetes; of managed ones it names the status, 409, without a rule."""
    for resource in (endpoint, *endpoint.deployments.values()):
        if resource.operation is not None and resource.operation.state == "InProgress":
            message = f"Another operation is under way ({resource.name}: {resource.state}). Wait until it has ended."
            raise RequestError(409, arm_error("Conflict", message))


def _check_traffic(endpoint: Endpoint, traffic: dict[str, int], mirror: dict[str, int]) -> None:
    for kind, shares in (("Traffic", traffic), ("Mirrored traffic", mirror)):
        for name, percent in shares.items():
            deployment = endpoint.deployments.get(name)
            if deployment is None:
                there = ", ".join(each.name for each in endpoint.deployments.values()) or "none"
                raise _bad_request(f"{kind} is asked for deployment {name!r}, which does not exist. There are: {there}.")
            if percent and deployment.state != "Succeeded":
                raise _bad_request(f"Deployment {name} is {deployment.state} and cannot get traffic.")
    if sum(traffic.values()) not in (0, 100):
        raise _bad_request(f"The traffic adds up to {sum(traffic.values())} per cent, expected 100 (or 0 for none).")
    if len(mirror) > 1 or sum(mirror.values()) > MOST_MIRRORED:
        raise _bad_request(f"At most {MOST_MIRRORED} per cent can be mirrored, and to one deployment only: found {mirror}.")
    if any(traffic.get(name) for name in mirror):
        raise _bad_request(f"A deployment gets live or mirrored traffic, not both: found {[*mirror]} in both.")


def _set_state(resource: Endpoint | Deployment, state: str) -> None:
    resource.state = state


def _forget(things: dict, name: object, thing: object) -> None:
    """Removes a thing, unless another has its name by now."""
    if things.get(name) is thing:
        del things[name]


def _bad_request(message: str) -> RequestError:
    return RequestError(400, arm_error("BadRequest", message))


def _invalid(**errors: list[str]) -> RequestError:
    """The error inside an error that a refused deployment gets."""
    inner = {
        "errors": errors,
        "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
        "traceId": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
    }
    detail = {
        "code": "InferencingClientCreateDeploymentFailed",
        "message": f"InferencingClient HttpRequest error, error detail: {json.dumps(inner)}",
    }
    return RequestError(400, arm_error("BadRequest", "The request is invalid.", [detail]))


def not_found(path: str, resource_group: str) -> RequestError:
    return RequestError(
        404,
        arm_error(
            "ResourceNotFound",
            f"The Resource 'Microsoft.MachineLearningServices/{path}' under resource group '{resource_group}' was not found. "
            "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        ),
    )
