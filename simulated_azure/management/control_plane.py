"""The simulated control plane: the routes of Azure Resource Manager that deploy a model, and those that azure-ai-ml asks first.

Requests and answers have the shapes of the resource provider Microsoft.MachineLearningServices (stable API versions up to
2025-06-01; any date is taken as a version, none is refused as too old or too new). Operations that take long answer 201 or
202 with ``Azure-AsyncOperation`` or ``Location``, to be asked until they are done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from typing import Annotated, Literal, TypeVar
from urllib.parse import parse_qs, quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from ..errors import RequestError, arm_error
from ..http import Access, Request, Response, Route, json_response
from .subscription import (
    AUTO_DELETION,
    MOST_INSTANCES,
    REGISTRY,
    SHARED,
    Deployment,
    DeploymentBody,
    Endpoint,
    EndpointBody,
    Operation,
    Subscription,
    not_found,
)

POLL_AFTER = "50"  # milliseconds until a client asks again, so that a lesson need not wait
PROVIDER = "Microsoft.MachineLearningServices"
LONGEST_TIMEOUT = timedelta(seconds=180)
OPERATION_URI = "AzureAsyncOperationUri"
NOT_KEPT = ("createdBy", "createdAt", "lastModifiedAt", OPERATION_URI)  # azure-ai-ml sends them back
API_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-\w+)?")
TOKEN_LIFETIME = 3600  # seconds; of a token that an endpoint gives out
ENTRA_AUDIENCE = "https://ml.azure.com"  # of tokens of Microsoft Entra ID for endpoints


class Body(BaseModel):
    """A part of a request: what is not known here is kept out of the way, as Azure does."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


AnyBody = TypeVar("AnyBody", bound=Body)
AnyThing = TypeVar("AnyThing")
Percent = Annotated[int, Field(ge=0, le=100)]


class EndpointProperties(Body):
    auth_mode: str
    traffic: dict[str, Percent] | None = None
    mirror_traffic: dict[str, Percent] | None = None
    properties: dict[str, str | None] | None = None
    description: str | None = None
    public_network_access: Literal["Enabled", "Disabled"] = "Enabled"

    @field_validator("public_network_access", mode="before")
    @classmethod
    def in_any_case(cls, value: object) -> object:
        return value.capitalize() if isinstance(value, str) else value


class Identity(Body):
    type: str = "SystemAssigned"


class EndpointRequest(Body):
    location: str | None = None
    tags: dict[str, str] | None = None
    identity: Identity = Identity()
    properties: EndpointProperties


class RequestSettings(Body):
    request_timeout: Annotated[timedelta, Field(gt=timedelta(0), le=LONGEST_TIMEOUT)] = timedelta(seconds=5)
    max_concurrent_requests_per_instance: Annotated[int, Field(ge=1)] = 1
    max_queue_wait: timedelta = timedelta(seconds=0.5)


class ScaleSettings(Body):
    scale_type: Literal["Default"] = "Default"


class Probe(Body):
    initial_delay: timedelta = timedelta(seconds=10)
    period: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=2)
    success_threshold: int = 1
    failure_threshold: int = 30


class DeploymentProperties(Body):
    endpoint_compute_type: str
    model: str
    instance_type: str
    request_settings: RequestSettings | None = None
    scale_settings: ScaleSettings | None = None
    description: str | None = None
    app_insights_enabled: bool = False
    environment_variables: dict[str, str | None] | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    properties: dict[str, str | None] | None = None


DEFAULT_PROBE = Probe().model_dump(mode="json", by_alias=True)


class Sku(Body):
    name: str = "Default"
    capacity: Annotated[int, Field(ge=1, le=MOST_INSTANCES)] = 1  # there is no scaling to zero


class DeploymentRequest(Body):
    location: str | None = None
    tags: dict[str, str] | None = None
    sku: Sku = Sku()
    properties: DeploymentProperties


class LogRequest(Body):
    tail: Annotated[int, Field(ge=1, le=10_000)] | None = None


class KeyRequest(Body):
    key_type: str
    key_value: str | None = None


@dataclass(frozen=True)
class Reply:
    """What goes back: JSON, or nothing if ``content`` is None."""

    status: int
    content: dict | list | None = None
    headers: dict[str, str] | None = None


class ControlPlane:
    """Answers management requests from a subscription.

    scoring_root: where deployed endpoints are reached. new_token: makes a token for an audience and a number of seconds,
    and says when it ends.
    """

    def __init__(self, subscription: Subscription, scoring_root: str):
        self.subscription, self.scoring_root = subscription, scoring_root
        every = rf"/subscriptions/(?P<subscription>[^/]+)/providers/{PROVIDER}"
        one = rf"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)/providers/{PROVIDER}"
        workspace = one + r"/workspaces/(?P<workspace>[^/]+)"
        endpoint = workspace + r"/onlineEndpoints/(?P<endpoint>[^/]+)"
        deployment = endpoint + r"/deployments/(?P<deployment>[^/]+)"
        region = every + r"/locations/(?P<region>[^/]+)"
        registry = r"(?:/mferp/managementfrontend)?/subscriptions/[^/]+/resourceGroups/[^/]+/providers/" + PROVIDER
        models = registry + r"/registries/(?P<registry>[^/]+)/models"
        model = models + r"/(?P<model>[^/]+)/versions"
        routes: list[tuple[str, str, Callable[..., Reply]]] = [
            ("GET", r"/metadata/endpoints", self._clouds),
            ("GET", r"/registrymanagement/v1\.0/registries/(?P<registry>[^/]+)/discovery", self._registry),
            ("GET", models, self._models),
            ("GET", model, self._model_versions),
            ("GET", model + r"/(?P<version>[^/]+)", self._model),
            ("GET", every + r"/workspaces", self._workspaces),
            ("GET", one + r"/workspaces", self._workspaces),
            ("GET", workspace, self._workspace),
            ("GET", workspace + r"/onlineEndpoints", self._endpoints),
            ("GET", endpoint, self._endpoint),
            ("PUT", endpoint, self._put_endpoint),
            ("PATCH", endpoint, self._patch_endpoint),
            ("DELETE", endpoint, self._delete_endpoint),
            ("POST", endpoint + r"/listKeys", self._list_keys),
            ("POST", endpoint + r"/regenerateKeys", self._regenerate_key),
            ("POST", endpoint + r"/token", self._endpoint_token),
            ("GET", endpoint + r"/deployments", self._deployments),
            ("GET", deployment, self._deployment),
            ("PUT", deployment, self._put_deployment),
            ("PATCH", deployment, self._patch_deployment),
            ("DELETE", deployment, self._delete_deployment),
            ("POST", deployment + r"/getLogs", self._logs),
            ("GET", deployment + r"/skus", self._skus),
            ("GET", region + r"/usages", self._usages),
            ("GET", region + r"/quotas", self._quotas),
            ("GET", region + r"/vmSizes", self._vm_sizes),
            ("GET", region + r"/mfeOperationsStatus/(?P<operation>[^/]+)", self._operation_status),
            ("GET", region + r"/mfeOperationResults/(?P<operation>[^/]+)", self._operation_result),
        ]
        self._routes = [(method, re.compile(path, re.IGNORECASE), answer) for method, path, answer in routes]

    def routes(self) -> list[Route]:
        """Return the routes."""
        paths = ("/subscriptions/{path:path}", "/registrymanagement/{path:path}", "/mferp/{path:path}")
        managed = [Route("*", path, self._respond, Access.MANAGEMENT) for path in paths]
        return [Route("*", "/metadata/{path:path}", self._respond, Access.PUBLIC), *managed]

    def _respond(self, request: Request) -> Response:
        reply = self.answer(request.method, request.path, request.query, request.body, request.root)
        if reply.content is None:
            return Response(reply.status, headers=reply.headers or {})
        return json_response(reply.status, reply.content, reply.headers)

    def answer(self, method: str, path: str, query: str, body: bytes, root: str) -> Reply:
        """Answers a request of somebody who has signed in. root: the scheme and host that it came to.

        Raises RequestError.
        """
        matches = [(allowed, answer, match) for allowed, route, answer in self._routes if (match := route.fullmatch(path))]
        if not matches:
            raise RequestError(404, arm_error("InvalidResourceType", f"The simulated control plane has no {path}."))
        allowed = {method: (answer, match) for method, answer, match in matches}
        if method not in allowed:
            raise RequestError(405, arm_error("MethodNotAllowed", f"{method} is not allowed here, only {', '.join(allowed)}."))
        version = parse_qs(query).get("api-version", [""])[0]
        if not version:
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise RequestError(400, arm_error("MissingApiVersionParameter", message))
        if path.startswith("/subscriptions/") and not API_VERSION.fullmatch(version):
            message = f"The api-version {version!r} is invalid: expected a date such as 2025-06-01."
            raise RequestError(400, arm_error("InvalidApiVersionParameter", message))
        answer, match = allowed[method]
        named = match.groupdict()
        self._check_scope(named)
        if method in ("PUT", "PATCH", "POST"):
            named["body"] = body
        return answer(root=root, **named)

    def _check_scope(self, named: dict[str, str]) -> None:
        """Raises RequestError for what is not there; takes out the names that are the same for all."""
        subscription = named.pop("subscription", self.subscription.id)
        if subscription.casefold() != self.subscription.id.casefold():
            raise RequestError(404, arm_error("SubscriptionNotFound", f"The subscription '{subscription}' could not be found."))
        group = named.pop("group", self.subscription.resource_group)
        if group.casefold() != self.subscription.resource_group.casefold():
            raise RequestError(404, arm_error("ResourceGroupNotFound", f"Resource group '{group}' could not be found."))
        if "workspace" in named:
            found = {name.casefold(): name for name in self.subscription.workspaces}.get(named["workspace"].casefold())
            if found is None:
                raise not_found(f"workspaces/{named['workspace']}", self.subscription.resource_group)
            named["workspace"] = found
        if "region" in named:
            region = named["region"].casefold()
            if region not in self.subscription.regions:
                known = ", ".join(self.subscription.regions)
                message = f"The region {named['region']!r} is not one of the simulated ones: {known}."
                raise RequestError(400, arm_error("NoRegisteredProviderFound", message))
            named["region"] = region
        if named.get("registry", "azureml") != "azureml":
            raise RequestError(404, arm_error("RegistryNotFound", f"There is no registry {named['registry']!r}, only 'azureml'."))

    def _check_location(self, location: str | None, region: str) -> None:
        """Raises RequestError unless the place named in a body is that of the workspace, in any spelling ("East US 2")."""
        if not location:
            raise RequestError(400, arm_error("LocationRequired", "The location property is required for this definition."))
        if location.replace(" ", "").casefold() != region:
            message = f"The location is {location!r}, expected that of the workspace: {region!r}."
            raise RequestError(400, arm_error("LocationNotAvailableForResourceType", message))

    # Before anything else: where is what?

    def _clouds(self, root: str) -> Reply:
        cloud = {
            "name": "SimulatedCloud",
            "portal": root,
            "resourceManager": f"{root}/",
            "authentication": {"loginEndpoint": root, "audiences": [root]},
            "suffixes": {"storage": "simulated.invalid"},
        }
        return Reply(200, [cloud])

    def _registry(self, root: str, registry: str) -> Reply:
        place = {"registryName": "azureml", "primaryRegion": "eastus2", "primaryRegionResourceProviderUri": f"{root}/"}
        return Reply(200, {**place, "subscriptionId": self.subscription.id, "resourceGroup": "registry"})

    def _models(self, root: str, registry: str) -> Reply:
        shelf = "azureml://registries/azureml/models/"
        about = {"description": "", "tags": {}, "properties": {}, "isArchived": False}
        newest = {name: versions[-1] for name, versions in self.subscription.models.items()}
        found = [
            {
                "id": shelf + name,
                "name": name,
                "properties": {**about, "latestVersion": version, "nextVersion": str(int(version) + 1)},
            }
            for name, version in newest.items()
        ]
        return Reply(200, {"value": found})

    def _model_versions(self, root: str, registry: str, model: str) -> Reply:
        versions = reversed(self._versions(model))  # the newest first
        return Reply(200, {"value": [self._model_version(model, version) for version in versions]})

    def _model(self, root: str, registry: str, model: str, version: str) -> Reply:
        if version not in self._versions(model):
            known = ", ".join(self._versions(model))
            raise RequestError(404, arm_error("NotFound", f"{model} has no version {version!r} here; there are: {known}."))
        return Reply(200, self._model_version(model, version))

    def _versions(self, model: str) -> list[str]:
        if model not in self.subscription.models:
            known = ", ".join(self.subscription.models)
            raise RequestError(404, arm_error("NotFound", f"There is no model {model!r} here; there are: {known}."))
        return self.subscription.models[model]

    def _model_version(self, model: str, version: str) -> dict:
        properties = {
            "description": "",
            "tags": {},
            "properties": {
                "inference-recommended-sku": ", ".join(self.subscription.allowed_sizes),
                "inference-min-sku-spec": "24|1|220|64",
                "sharedComputeCapacityEnabled": "true",
            },
            "isArchived": False,
            "isAnonymous": False,
            "flavors": {},
            "modelType": "custom_model",
            "modelUri": REGISTRY.format(model, version),
            "stage": "Production",
        }
        system = {"createdAt": "2025-06-04T00:00:00+00:00", "createdBy": "Microsoft", "createdByType": "User"}
        return {"id": REGISTRY.format(model, version), "name": version, "properties": properties, "systemData": system}

    # Workspaces and what a region has

    def _workspaces(self, root: str) -> Reply:
        return Reply(200, {"value": [self._workspace_body(name) for name in self.subscription.workspaces]})

    def _workspace(self, root: str, workspace: str) -> Reply:
        return Reply(200, self._workspace_body(workspace))

    def _workspace_body(self, name: str) -> dict:
        region = self.subscription.workspaces[name]
        return {
            "id": self._id(f"workspaces/{name}"),
            "name": name,
            "type": f"{PROVIDER}/workspaces",
            "kind": "Project",
            "location": region,
            "tags": {},
            "properties": {
                "friendlyName": name,
                "provisioningState": "Succeeded",
                "workspaceId": name,
                "discoveryUrl": f"{self.scoring_root}/discovery",
                "mlFlowTrackingUri": "",
            },
        }

    def _usages(self, root: str, region: str) -> Reply:
        return Reply(200, {"value": [self._quota(region, family, "currentValue") for family in self._families()]})

    def _quotas(self, root: str, region: str) -> Reply:
        return Reply(200, {"value": [self._quota(region, family) for family in self._families()]})

    def _families(self) -> list[str]:
        return [*dict.fromkeys(size["family"] for size in self.subscription.sizes.values())]

    def _quota(self, region: str, family: str, usage: str = "") -> dict:
        used, limit = self.subscription.usage(region, family)
        place = f"/subscriptions/{self.subscription.id}/providers/{PROVIDER}/locations/{region}"
        shown = family.removeprefix("standard").removesuffix("Family")
        return {
            "id": f"{place}/usages/{family}",
            "type": f"{PROVIDER}/vmFamily/usages",
            "unit": "Count",
            **({usage: used} if usage else {}),
            "limit": limit,
            "name": {"value": family, "localizedValue": f"Standard {shown} Family Cluster Dedicated vCPUs"},
        }

    def _vm_sizes(self, root: str, region: str) -> Reply:
        sizes = [
            {
                "name": name,
                "family": size["family"],
                "vCPUs": size["vcpus"],
                "gpus": int(str(size["gpus"]).split()[0]),
                "memoryGB": size["memory_gib"],
                "osVhdSizeMB": 1047552,
                "maxResourceVolumeMB": 65536,
                "lowPriorityCapable": False,
                "premiumIO": True,
                "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
            }
            for name, size in self.subscription.sizes.items()
        ]
        return Reply(200, {"value": sizes})

    # Endpoints

    def _endpoints(self, root: str, workspace: str) -> Reply:
        for endpoint in self.subscription.endpoints_of(workspace):
            self.subscription.look_at(endpoint.operation)
        found = self.subscription.endpoints_of(workspace)
        return Reply(200, {"value": [self._endpoint_body(endpoint) for endpoint in found]})

    def _endpoint(self, root: str, workspace: str, endpoint: str) -> Reply:
        found = self.subscription.endpoint(workspace, endpoint)
        self.subscription.look_at(found.operation)
        return Reply(200, self._endpoint_body(self.subscription.endpoint(workspace, endpoint)))

    def _put_endpoint(self, root: str, workspace: str, endpoint: str, body: bytes) -> Reply:
        asked = _read(EndpointRequest, body)
        self._check_location(asked.location, self.subscription.workspaces[workspace])
        modes = {"key": "Key", "amltoken": "AMLToken", "aadtoken": "AADToken"}
        mode = modes.get(asked.properties.auth_mode.casefold())
        if mode is None:
            raise RequestError(
                400, arm_error("BadRequest", f"authMode is {asked.properties.auth_mode!r}: expected {', '.join(modes.values())}.")
            )
        checked = EndpointBody(
            mode,
            asked.properties.traffic,
            asked.properties.mirror_traffic,
            asked.tags or {},
            {name: value for name, value in (asked.properties.properties or {}).items() if name not in NOT_KEPT},
            asked.properties.description,
            {"identity": asked.identity.type, "publicNetworkAccess": asked.properties.public_network_access},
        )
        made, is_new = self.subscription.put_endpoint(workspace, endpoint, checked)
        return self._started(root, made.region, made.operation, 201 if is_new else 200, self._endpoint_body(made))

    def _patch_endpoint(self, root: str, workspace: str, endpoint: str, body: bytes) -> Reply:
        found = self.subscription.endpoint(workspace, endpoint)
        found.tags = found.tags | _tags(body)
        return Reply(200, self._endpoint_body(found))

    def _delete_endpoint(self, root: str, workspace: str, endpoint: str) -> Reply:
        found = _or_none(lambda: self.subscription.endpoint(workspace, endpoint))
        return self._started(root, found.region, self.subscription.delete_endpoint(found), 202) if found else Reply(204)

    def _list_keys(self, root: str, workspace: str, endpoint: str, body: bytes) -> Reply:
        found = self.subscription.endpoint(workspace, endpoint)
        if found.auth_mode != "Key":
            raise RequestError(400, arm_error("BadRequest", f"The endpoint has no keys: its authMode is {found.auth_mode}."))
        return Reply(200, dict(found.keys))

    def _regenerate_key(self, root: str, workspace: str, endpoint: str, body: bytes) -> Reply:
        asked = _read(KeyRequest, body)
        found = self.subscription.endpoint(workspace, endpoint)
        operation = self.subscription.regenerate_key(found, asked.key_type, asked.key_value)
        return self._started(root, found.region, operation, 202)

    def _endpoint_token(self, root: str, workspace: str, endpoint: str, body: bytes) -> Reply:
        found = self.subscription.endpoint(workspace, endpoint)
        if found.auth_mode == "Key":
            raise RequestError(400, arm_error("BadRequest", "The endpoint gives out keys, not tokens: its authMode is Key."))
        audience = found.host if found.auth_mode == "AMLToken" else ENTRA_AUDIENCE
        token, ends = self.new_token(audience, TOKEN_LIFETIME)
        times = {"expiryTimeUtc": ends, "refreshAfterTimeUtc": ends - TOKEN_LIFETIME // 2}
        return Reply(200, {"accessToken": token, "tokenType": "Bearer", **times})

    def _endpoint_body(self, endpoint: Endpoint) -> dict:
        place = f"{self.scoring_root}/{endpoint.host}"
        properties = dict(endpoint.properties)
        if endpoint.is_shared:
            properties[SHARED] = "true"
            properties[AUTO_DELETION] = format_datetime(self.subscription.date_of(endpoint.deleted_at), usegmt=True)
        path = f"workspaces/{endpoint.workspace}/onlineEndpoints/{endpoint.name}"
        return {
            "id": self._id(path),
            "name": endpoint.name,
            "type": f"{PROVIDER}/workspaces/onlineEndpoints",
            "kind": "Managed",
            "location": endpoint.region,
            "tags": endpoint.tags,
            "identity": {"type": endpoint.given.get("identity", "SystemAssigned")},
            "properties": {
                "authMode": endpoint.auth_mode,
                "description": endpoint.description,
                "properties": properties,
                "provisioningState": endpoint.state,
                "publicNetworkAccess": endpoint.given.get("publicNetworkAccess", "Enabled"),
                "scoringUri": f"{place}/score",
                "swaggerUri": f"{place}/swagger.json",
                "traffic": endpoint.traffic,
                "mirrorTraffic": endpoint.mirror,
            },
            "systemData": self._system_data(endpoint.created),
        }

    # Deployments

    def _deployments(self, root: str, workspace: str, endpoint: str) -> Reply:
        found = self.subscription.endpoint(workspace, endpoint)
        for deployment in [*found.deployments.values()]:
            self.subscription.look_at(deployment.operation)
        return Reply(200, {"value": [self._deployment_body(found, each) for each in found.deployments.values()]})

    def _deployment(self, root: str, workspace: str, endpoint: str, deployment: str) -> Reply:
        found = self.subscription.endpoint(workspace, endpoint)
        self.subscription.look_at(self.subscription.deployment(found, deployment).operation)
        return Reply(200, self._deployment_body(found, self.subscription.deployment(found, deployment)))

    def _put_deployment(self, root: str, workspace: str, endpoint: str, deployment: str, body: bytes) -> Reply:
        asked = _read(DeploymentRequest, body)
        if asked.properties.endpoint_compute_type != "Managed":
            raise RequestError(400, arm_error("BadRequest", "Only endpointComputeType Managed is simulated."))
        self._check_location(asked.location, self.subscription.workspaces[workspace])
        return self._place(root, workspace, endpoint, deployment, asked)

    def _patch_deployment(self, root: str, workspace: str, endpoint: str, deployment: str, body: bytes) -> Reply:
        """Changes tags and the number of instances, which is what PATCH can do."""
        found = self.subscription.deployment(self.subscription.endpoint(workspace, endpoint), deployment)
        changes = _json(body)
        whole = {"tags": found.tags | _tags(body), "sku": {"capacity": found.instances}, "properties": found.given}
        if isinstance(changes.get("sku"), dict):
            whole["sku"] |= changes["sku"]
        return self._place(root, workspace, endpoint, deployment, _checked(DeploymentRequest, whole))

    def _place(self, root: str, workspace: str, endpoint: str, name: str, asked: DeploymentRequest) -> Reply:
        found = self.subscription.endpoint(workspace, endpoint)
        settings = asked.properties.request_settings or RequestSettings()
        checked = DeploymentBody(
            asked.properties.model,
            asked.properties.instance_type,
            asked.sku.capacity,
            settings.request_timeout,
            settings.max_concurrent_requests_per_instance,
            asked.tags or {},
            asked.properties.model_dump(mode="json", by_alias=True),
        )
        made, is_new = self.subscription.put_deployment(found, name, checked)
        return self._started(root, found.region, made.operation, 201 if is_new else 200, self._deployment_body(found, made))

    def _delete_deployment(self, root: str, workspace: str, endpoint: str, deployment: str) -> Reply:
        found = self.subscription.endpoint(workspace, endpoint)
        doomed = _or_none(lambda: self.subscription.deployment(found, deployment))
        return (
            self._started(root, found.region, self.subscription.delete_deployment(found, doomed), 202) if doomed else Reply(204)
        )

    def _logs(self, root: str, workspace: str, endpoint: str, deployment: str, body: bytes) -> Reply:
        asked = _read(LogRequest, body or b"{}")
        found = self.subscription.deployment(self.subscription.endpoint(workspace, endpoint), deployment)
        return Reply(200, {"content": "\n".join(found.log[-(asked.tail or len(found.log)) :])})

    def _skus(self, root: str, workspace: str, endpoint: str, deployment: str) -> Reply:
        self.subscription.deployment(self.subscription.endpoint(workspace, endpoint), deployment)
        capacity = {"minimum": 1, "maximum": MOST_INSTANCES, "default": 1, "scaleType": "Automatic"}
        resource = f"{PROVIDER}/workspaces/onlineEndpoints/deployments"
        return Reply(200, {"value": [{"resourceType": resource, "sku": {"name": "Default"}, "capacity": capacity}]})

    def _deployment_body(self, endpoint: Endpoint, deployment: Deployment) -> dict:
        path = f"workspaces/{endpoint.workspace}/onlineEndpoints/{endpoint.name}/deployments/{deployment.name}"
        given = deployment.given
        settings = {
            "requestTimeout": _iso(deployment.request_timeout),
            "maxConcurrentRequestsPerInstance": deployment.max_concurrent,
            "maxQueueWait": (given.get("requestSettings") or {}).get("maxQueueWait", "PT0.5S"),
        }
        return {
            "id": self._id(path),
            "name": deployment.name,
            "type": f"{PROVIDER}/workspaces/onlineEndpoints/deployments",
            "kind": "Managed",
            "location": endpoint.region,
            "tags": deployment.tags,
            "sku": {"name": "Default", "capacity": deployment.instances},
            "properties": {
                "endpointComputeType": "Managed",
                "instanceType": deployment.instance_type,
                "model": deployment.model,
                "description": given.get("description"),
                "provisioningState": deployment.state,
                "appInsightsEnabled": bool(given.get("appInsightsEnabled")),
                "egressPublicNetworkAccess": "Enabled",
                "environmentVariables": given.get("environmentVariables") or {},
                "requestSettings": settings,
                "scaleSettings": {"scaleType": "Default"},
                "livenessProbe": given.get("livenessProbe") or DEFAULT_PROBE,
                "readinessProbe": given.get("readinessProbe") or DEFAULT_PROBE,
                "properties": given.get("properties") or {},
            },
            "systemData": self._system_data(deployment.created),
        }

    # Operations that take long

    def _started(self, root: str, region: str, operation: Operation, status: int, content: dict | None = None) -> Reply:
        place = f"{root}/subscriptions/{quote(self.subscription.id)}/providers/{PROVIDER}/locations/{region}"
        result, version = f"{place}/mfeOperationResults/{operation.id}", "?api-version=2025-06-01"
        headers = {"retry-after-ms": POLL_AFTER, "x-ms-async-operation-timeout": "PT1H"}
        if status == 202:
            return Reply(202, None, headers | {"Location": result + version})
        status_uri = f"{place}/mfeOperationsStatus/{operation.id}{version}"
        if content:  # it stands in the body as well, where scripts without an SDK look for it
            content["properties"]["properties"] = content["properties"]["properties"] | {OPERATION_URI: status_uri}
        return Reply(status, content, headers | {"Azure-AsyncOperation": status_uri})

    def _look_at(self, operation: str) -> Operation:
        try:
            found = self.subscription.operations[operation]
        except KeyError:
            raise RequestError(404, arm_error("NotFound", f"There is no operation {operation!r}.")) from None
        self.subscription.look_at(found)
        return found

    def _operation_status(self, root: str, region: str, operation: str) -> Reply:
        found = self._look_at(operation)
        content = {"name": found.id, "status": found.state, **({"error": found.error} if found.error else {})}
        return Reply(200, content, {"retry-after-ms": POLL_AFTER})

    def _operation_result(self, root: str, region: str, operation: str) -> Reply:
        found = self._look_at(operation)
        if found.state == "InProgress":
            return self._started(root, region, found, 202)
        return Reply(204)

    def _id(self, path: str) -> str:
        group = self.subscription.resource_group
        return f"/subscriptions/{self.subscription.id}/resourceGroups/{group}/providers/{PROVIDER}/{path}"

    def _system_data(self, created: float) -> dict:
        date = self.subscription.date_of(created).isoformat()
        return {"createdAt": date, "createdBy": "you", "createdByType": "User", "lastModifiedAt": date}


def _read(model: type[AnyBody], body: bytes) -> AnyBody:
    """A checked body. Raises RequestError, which names each field that is wrong."""
    return _checked(model, _json(body))


def _checked(model: type[AnyBody], content: dict) -> AnyBody:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise RequestError(400, arm_error("BadRequest", f"The request is invalid. {found}")) from None


def _or_none(find: Callable[[], AnyThing]) -> AnyThing | None:
    """What is found; None where there is nothing. To delete what is not there is no error in Azure Resource Manager."""
    try:
        return find()
    except RequestError as error:
        if error.status != 404:
            raise
        return None


def _json(body: bytes) -> dict:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        message = "The request content was invalid and could not be deserialized: expected a JSON object."
        raise RequestError(400, arm_error("InvalidRequestContent", message))
    return content


def _tags(body: bytes) -> dict[str, str]:
    tags = _json(body).get("tags") or {}
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise RequestError(400, arm_error("BadRequest", "tags: expected an object of strings."))
    return tags


def _iso(duration: timedelta) -> str:
    """An ISO 8601 duration.

    >>> _iso(timedelta(seconds=180)), _iso(timedelta(seconds=0.5))
    ('PT180S', 'PT0.5S')
    """
    return f"PT{duration.total_seconds():g}S"
