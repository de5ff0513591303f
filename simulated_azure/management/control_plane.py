"""The simulated control plane: the routes of Azure Resource Manager that deploy a model.

Further routes are those that azure-ai-ml calls before. Requests and responses have the shapes of
the resource provider Microsoft.MachineLearningServices (stable API versions up to 2025-06-01; any
date is accepted as a version). Operations that take long answer 201 or 202 with
``Azure-AsyncOperation`` or ``Location``, which clients poll until the operation is done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import wraps
from urllib.parse import quote

from ..errors import HTTPError
from ..http import Access, Request, Response, Route, json_response
from .refusals import bad_request, not_found, refusal
from .resources import Deployment, DeploymentSettings, Endpoint, EndpointSettings, Operation
from .schemas import (
    DeploymentRequest,
    EndpointRequest,
    KeyRequest,
    LogRequest,
    Probe,
    RequestSettings,
    check,
    read,
    read_object,
    read_tags,
)
from .subscription import AUTO_DELETION, MODEL_ID, SHARED_QUOTA, Subscription

# Milliseconds until a client polls again: few, so that a lesson need not wait.
POLLING_HEADERS = {"retry-after-ms": "50", "x-ms-async-operation-timeout": "PT1H"}
PROVIDER = "Microsoft.MachineLearningServices"
REGISTRY = "azureml"
OPERATION_URI = "AzureAsyncOperationUri"
# Properties in a response that azure-ai-ml sends back with the next request.
READ_ONLY_PROPERTIES = ("createdBy", "createdAt", "lastModifiedAt", OPERATION_URI)
PREFIXES = ("/subscriptions/", "/registrymanagement/", "/mferp/")  # of paths that get ARM's errors
API_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-\w+)?")
DEFAULT_PROBE = Probe().model_dump(mode="json", by_alias=True)


class ControlPlane:
    """Answers management requests for a subscription.

    scoring_root: the scheme and host at which deployed endpoints are reached.
    """

    def __init__(self, subscription: Subscription, scoring_root: str):
        self.subscription, self.scoring_root = subscription, scoring_root

    def routes(self) -> list[Route]:
        """Return the routes of the control plane. The handlers do not authorise the caller."""
        in_subscription = f"/subscriptions/{{subscription}}/providers/{PROVIDER}"
        in_group = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}"
        workspace = in_group + "/workspaces/{workspace}"
        endpoint = workspace + "/onlineEndpoints/{endpoint}"
        deployment = endpoint + "/deployments/{deployment}"
        region = in_subscription + "/locations/{region}"
        # The registry says itself in which subscription and group it is: they are not checked.
        registry = (
            "/subscriptions/{registry_subscription}/resourceGroups/{registry_group}"
            f"/providers/{PROVIDER}/registries/{{registry}}"
        )
        model_versions = registry + "/models/{model}/versions"
        # azure-ai-ml calls the same routes with a prefix.
        long_model_versions = "/mferp/managementfrontend" + model_versions
        discovery = "/registrymanagement/v1.0/registries/{registry}/discovery"
        rows: list[tuple[str, str, Callable[[Request], Response]]] = [
            ("GET", discovery, self._registry_discovery),
            ("GET", model_versions, self._list_model_versions),
            ("GET", model_versions + "/{version}", self._get_model_version),
            ("GET", long_model_versions, self._list_model_versions),
            ("GET", long_model_versions + "/{version}", self._get_model_version),
            ("GET", in_subscription + "/workspaces", self._list_workspaces),
            ("GET", in_group + "/workspaces", self._list_workspaces),
            ("GET", workspace, self._get_workspace),
            ("GET", workspace + "/onlineEndpoints", self._list_endpoints),
            ("GET", endpoint, self._get_endpoint),
            ("PUT", endpoint, self._put_endpoint),
            ("PATCH", endpoint, self._patch_endpoint),
            ("DELETE", endpoint, self._delete_endpoint),
            ("POST", endpoint + "/listKeys", self._list_keys),
            ("POST", endpoint + "/regenerateKeys", self._regenerate_key),
            ("GET", endpoint + "/deployments", self._list_deployments),
            ("GET", deployment, self._get_deployment),
            ("PUT", deployment, self._put_deployment),
            ("PATCH", deployment, self._patch_deployment),
            ("DELETE", deployment, self._delete_deployment),
            ("POST", deployment + "/getLogs", self._get_logs),
            ("GET", region + "/usages", self._list_usages),
            ("GET", region + "/mfeOperationsStatus/{operation}", self._get_operation_status),
            ("GET", region + "/mfeOperationResults/{operation}", self._get_operation_result),
        ]
        # The one route that clients call before they sign in.
        metadata = self._checked(self._cloud_metadata)
        return [
            Route("GET", "/metadata/endpoints", metadata, Access.PUBLIC),
            *(Route(*names, self._checked(handler), Access.MANAGEMENT) for *names, handler in rows),
            *(
                Route("*", prefix + "{path:path}", _unknown, Access.MANAGEMENT)
                for prefix in PREFIXES
            ),
        ]

    def _checked(self, handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """Return a handler that checks the api-version and the scope before it calls another one.

        The other one finds names in ``path_params`` as the subscription spells them.
        """

        @wraps(handler)
        def check_and_call(request: Request) -> Response:
            _check_api_version(request)
            path_params = {**request.path_params, **self._check_scope(request.path_params)}
            return handler(replace(request, path_params=path_params))

        return check_and_call

    def _check_scope(self, path_params: Mapping[str, str]) -> dict[str, str]:
        """Return workspace and region of a path as the subscription spells them.

        Raise HTTPError if the subscription, resource group, workspace, region or registry of the
        path does not exist.
        """
        names = {}
        subscription = path_params.get("subscription", self.subscription.id)
        if subscription.casefold() != self.subscription.id.casefold():
            message = f"The subscription '{subscription}' could not be found."
            raise refusal(404, "SubscriptionNotFound", message)
        group = path_params.get("group", self.subscription.resource_group)
        if group.casefold() != self.subscription.resource_group.casefold():
            message = f"Resource group '{group}' could not be found."
            raise refusal(404, "ResourceGroupNotFound", message)
        if "workspace" in path_params:
            spellings = {name.casefold(): name for name in self.subscription.workspaces}
            workspace = path_params["workspace"]
            if workspace.casefold() not in spellings:
                raise not_found(f"workspaces/{workspace}", self.subscription.resource_group)
            names["workspace"] = spellings[workspace.casefold()]
        if "region" in path_params:
            names["region"] = path_params["region"].casefold()
            if names["region"] not in self.subscription.regions:
                message = (
                    f"The region {path_params['region']!r} is not one of the simulated ones: "
                    f"{', '.join(self.subscription.regions)}."
                )
                raise refusal(400, "NoRegisteredProviderFound", message)
        registry = path_params.get("registry", REGISTRY)
        if registry != REGISTRY:
            message = f"There is no registry {registry!r}, only {REGISTRY!r}."
            raise refusal(404, "RegistryNotFound", message)
        return names

    # What azure-ai-ml asks before anything else

    def _cloud_metadata(self, request: Request) -> Response:
        cloud = {
            "name": "SimulatedCloud",
            "portal": request.root,
            "resourceManager": f"{request.root}/",
            "authentication": {"loginEndpoint": request.root, "audiences": [request.root]},
            "suffixes": {"storage": "simulated.invalid"},
        }
        return json_response(200, [cloud])

    def _registry_discovery(self, request: Request) -> Response:
        discovery = {
            "registryName": REGISTRY,
            "primaryRegion": "eastus2",
            "primaryRegionResourceProviderUri": f"{request.root}/",
            "subscriptionId": self.subscription.id,
            "resourceGroup": "registry",
        }
        return json_response(200, discovery)

    # Models of the registry

    def _list_model_versions(self, request: Request) -> Response:
        model = request.path_params["model"]
        newest_first = reversed(self._versions(model))
        return _list_response(self._model_resource(model, version) for version in newest_first)

    def _get_model_version(self, request: Request) -> Response:
        model, version = request.path_params["model"], request.path_params["version"]
        versions = self._versions(model)
        if version not in versions:
            message = f"{model} has no version {version!r} here; there are: {', '.join(versions)}."
            raise refusal(404, "NotFound", message)
        return json_response(200, self._model_resource(model, version))

    def _versions(self, model: str) -> list[str]:
        """Return the versions of a model, the oldest first.

        Raise HTTPError (404) for an unknown model.
        """
        if model not in self.subscription.models:
            models = ", ".join(self.subscription.models)
            message = f"There is no model {model!r} here; there are: {models}."
            raise refusal(404, "NotFound", message)
        return self.subscription.models[model]

    def _model_resource(self, model: str, version: str) -> dict:
        model_id = MODEL_ID.format(model, version)
        return {
            "id": model_id,
            "name": version,
            "properties": {
                "description": "",
                "tags": {},
                "properties": {
                    "inference-recommended-sku": ", ".join(self.subscription.sizes_for_phi4),
                    "inference-min-sku-spec": "24|1|220|64",
                    "sharedComputeCapacityEnabled": "true",
                },
                "isArchived": False,
                "isAnonymous": False,
                "flavors": {},
                "modelType": "custom_model",
                "modelUri": model_id,
                "stage": "Production",
            },
            "systemData": {
                "createdAt": "2025-06-04T00:00:00+00:00",
                "createdBy": "Microsoft",
                "createdByType": "User",
            },
        }

    # Workspaces, and the quota of a region

    def _list_workspaces(self, request: Request) -> Response:
        return _list_response(map(self._workspace_resource, self.subscription.workspaces))

    def _get_workspace(self, request: Request) -> Response:
        return json_response(200, self._workspace_resource(request.path_params["workspace"]))

    def _workspace_resource(self, name: str) -> dict:
        return {
            "id": self._workspace_id(name),
            "name": name,
            "type": f"{PROVIDER}/workspaces",
            "kind": "Project",
            "location": self.subscription.workspaces[name],
            "tags": {},
            "properties": {
                "friendlyName": name,
                "provisioningState": "Succeeded",
                "workspaceId": name,
                "discoveryUrl": f"{self.scoring_root}/discovery",
                "mlFlowTrackingUri": "",
            },
        }

    def _list_usages(self, request: Request) -> Response:
        families = dict.fromkeys(size["family"] for size in self.subscription.sizes.values())
        region = request.path_params["region"]
        return _list_response(self._usage(region, family) for family in families)

    def _usage(self, region: str, family: str) -> dict:
        used, limit = self.subscription.usage(region, family)
        short_name = family.removeprefix("standard").removesuffix("Family")
        return {
            "id": f"{self._region_id(region)}/usages/{family}",
            "type": f"{PROVIDER}/vmFamily/usages",
            "unit": "Count",
            "currentValue": used,
            "limit": limit,
            "name": {
                "value": family,
                "localizedValue": f"Standard {short_name} Family Cluster Dedicated vCPUs",
            },
        }

    # Endpoints

    def _endpoint(self, request: Request) -> Endpoint:
        """Return the endpoint that a path names. Raise HTTPError (404) if there is none."""
        workspace, name = request.path_params["workspace"], request.path_params["endpoint"]
        return self.subscription.endpoint(workspace, name)

    def _list_endpoints(self, request: Request) -> Response:
        endpoints = self.subscription.list_endpoints(request.path_params["workspace"])
        return _list_response(map(self._endpoint_resource, endpoints))

    def _get_endpoint(self, request: Request) -> Response:
        self.subscription.advance(self._endpoint(request).operation)
        endpoint = self._endpoint(request)  # which may be deleted by now
        return json_response(200, self._endpoint_resource(endpoint))

    def _put_endpoint(self, request: Request) -> Response:
        workspace = request.path_params["workspace"]
        content = read(EndpointRequest, request.body)
        _check_location(content.location, self.subscription.workspaces[workspace])
        properties = content.properties
        if properties.auth_mode.casefold() != "key":
            raise bad_request(
                f"authMode is {properties.auth_mode!r}, expected 'Key': "
                "endpoints with access tokens are not simulated."
            )
        if properties.mirror_traffic:  # SDKs send an empty object for none
            raise bad_request("mirrorTraffic is not simulated. Leave it out.")
        own_properties = dict(properties.properties or {})
        for name in READ_ONLY_PROPERTIES:
            own_properties.pop(name, None)
        settings = EndpointSettings(
            traffic=properties.traffic or {},
            tags=content.tags or {},
            properties=own_properties,
            description=properties.description,
            identity=content.identity.type,
            public_network_access=properties.public_network_access,
        )
        name = request.path_params["endpoint"]
        endpoint, is_new = self.subscription.put_endpoint(workspace, name, settings)
        resource = self._endpoint_resource(endpoint)
        return self._created(request, endpoint.region, endpoint.operation, is_new, resource)

    def _patch_endpoint(self, request: Request) -> Response:
        """Change tags, which is what PATCH can do."""
        endpoint = self._endpoint(request)
        endpoint.tags = endpoint.tags | read_tags(request.body)
        return json_response(200, self._endpoint_resource(endpoint))

    def _delete_endpoint(self, request: Request) -> Response:
        try:
            endpoint = self._endpoint(request)
        except HTTPError:
            return Response(204)  # in Azure it is no error to delete what does not exist
        operation = self.subscription.delete_endpoint(endpoint)
        return self._accepted(request, endpoint.region, operation)

    def _list_keys(self, request: Request) -> Response:
        return json_response(200, self._endpoint(request).keys)

    def _regenerate_key(self, request: Request) -> Response:
        content = read(KeyRequest, request.body)
        endpoint = self._endpoint(request)
        operation = self.subscription.regenerate_key(endpoint, content.key_type, content.key_value)
        return self._accepted(request, endpoint.region, operation)

    def _endpoint_resource(self, endpoint: Endpoint) -> dict:
        url = f"{self.scoring_root}/{endpoint.host}"
        properties = dict(endpoint.properties)
        if endpoint.is_shared:
            properties[SHARED_QUOTA] = "true"
            properties[AUTO_DELETION] = http_date(self.subscription.date_of(endpoint.deleted_at))
        return {
            "id": self._endpoint_id(endpoint),
            "name": endpoint.name,
            "type": f"{PROVIDER}/workspaces/onlineEndpoints",
            "kind": "Managed",
            "location": endpoint.region,
            "tags": endpoint.tags,
            "identity": {"type": endpoint.identity},
            "properties": {
                "authMode": "Key",
                "description": endpoint.description,
                "properties": properties,
                "provisioningState": endpoint.state,
                "publicNetworkAccess": endpoint.public_network_access,
                "scoringUri": f"{url}/score",
                "swaggerUri": f"{url}/swagger.json",
                "traffic": endpoint.traffic,
            },
            "systemData": self._system_data(endpoint.created),
        }

    # Deployments

    def _deployment(self, request: Request) -> Deployment:
        """Return the deployment that a path names. Raise HTTPError (404) if there is none."""
        name = request.path_params["deployment"]
        return self.subscription.deployment(self._endpoint(request), name)

    def _list_deployments(self, request: Request) -> Response:
        endpoint = self._endpoint(request)
        deployments = self.subscription.list_deployments(endpoint)
        return _list_response(self._deployment_resource(endpoint, each) for each in deployments)

    def _get_deployment(self, request: Request) -> Response:
        self.subscription.advance(self._deployment(request).operation)
        deployment = self._deployment(request)  # which may be deleted by now
        return json_response(200, self._deployment_resource(self._endpoint(request), deployment))

    def _put_deployment(self, request: Request) -> Response:
        content = read(DeploymentRequest, request.body)
        compute_type = content.properties.endpoint_compute_type
        if compute_type != "Managed":
            raise bad_request(
                f"endpointComputeType is {compute_type!r}, expected 'Managed': "
                "nothing else is simulated."
            )
        region = self.subscription.workspaces[request.path_params["workspace"]]
        _check_location(content.location, region)
        return self._put_checked_deployment(request, content)

    def _patch_deployment(self, request: Request) -> Response:
        """Change tags and the number of instances, which is what PATCH can do."""
        deployment = self._deployment(request)
        sku = read_object(request.body).get("sku")
        content = {
            "tags": deployment.tags | read_tags(request.body),
            "sku": {"capacity": deployment.instances, **(sku if isinstance(sku, dict) else {})},
            "properties": deployment.properties,
        }
        return self._put_checked_deployment(request, check(DeploymentRequest, content))

    def _put_checked_deployment(self, request: Request, content: DeploymentRequest) -> Response:
        endpoint = self._endpoint(request)
        properties = content.properties
        request_settings = properties.request_settings or RequestSettings()
        settings = DeploymentSettings(
            model=properties.model,
            instance_type=properties.instance_type,
            instances=content.sku.capacity,
            request_timeout=request_settings.request_timeout,
            max_concurrent=request_settings.max_concurrent_requests_per_instance,
            tags=content.tags or {},
            properties=properties.model_dump(mode="json", by_alias=True),
        )
        name = request.path_params["deployment"]
        deployment, is_new = self.subscription.put_deployment(endpoint, name, settings)
        resource = self._deployment_resource(endpoint, deployment)
        return self._created(request, endpoint.region, deployment.operation, is_new, resource)

    def _delete_deployment(self, request: Request) -> Response:
        endpoint = self._endpoint(request)
        try:
            deployment = self._deployment(request)
        except HTTPError:
            return Response(204)  # in Azure it is no error to delete what does not exist
        operation = self.subscription.delete_deployment(endpoint, deployment)
        return self._accepted(request, endpoint.region, operation)

    def _get_logs(self, request: Request) -> Response:
        tail = read(LogRequest, request.body or b"{}").tail
        log = self._deployment(request).log
        return json_response(200, {"content": "\n".join(log[-tail:] if tail else log)})

    def _deployment_resource(self, endpoint: Endpoint, deployment: Deployment) -> dict:
        properties = deployment.properties
        request_settings = properties.get("requestSettings") or {}
        return {
            "id": f"{self._endpoint_id(endpoint)}/deployments/{deployment.name}",
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
                "environmentId": properties.get("environmentId"),
                "description": properties.get("description"),
                "provisioningState": deployment.state,
                "appInsightsEnabled": bool(properties.get("appInsightsEnabled")),
                "egressPublicNetworkAccess": "Enabled",
                "environmentVariables": properties.get("environmentVariables") or {},
                "requestSettings": {
                    "requestTimeout": iso_duration(deployment.request_timeout),
                    "maxConcurrentRequestsPerInstance": deployment.max_concurrent,
                    "maxQueueWait": request_settings.get("maxQueueWait", "PT0.5S"),
                },
                "scaleSettings": {"scaleType": "Default"},
                "livenessProbe": properties.get("livenessProbe") or DEFAULT_PROBE,
                "readinessProbe": properties.get("readinessProbe") or DEFAULT_PROBE,
                "properties": properties.get("properties") or {},
            },
            "systemData": self._system_data(deployment.created),
        }

    # Operations that take long

    def _created(
        self, request: Request, region: str, operation: Operation, is_new: bool, resource: dict
    ) -> Response:
        """Return the response that shows a resource and says where to poll its operation.

        is_new: whether the operation creates the resource; else it changes it.
        """
        url = self._operation_url(request, region, "mfeOperationsStatus", operation)
        # It is in the body as well, where scripts without an SDK look for it.
        properties = resource["properties"]
        properties["properties"] = {**properties["properties"], OPERATION_URI: url}
        headers = {**POLLING_HEADERS, "Azure-AsyncOperation": url}
        return json_response(201 if is_new else 200, resource, headers)

    def _accepted(self, request: Request, region: str, operation: Operation) -> Response:
        """Return the response that says where to poll an operation without a resource to show."""
        url = self._operation_url(request, region, "mfeOperationResults", operation)
        return Response(202, headers={**POLLING_HEADERS, "Location": url})

    def _operation_url(self, request: Request, region: str, kind: str, operation: Operation) -> str:
        path = quote(f"{self._region_id(region)}/{kind}/{operation.id}")
        return f"{request.root}{path}?api-version=2025-06-01"

    def _polled_operation(self, request: Request) -> Operation:
        """Advance the operation that a path names, and return it.

        Raise HTTPError (404) if there is none.
        """
        operation = self.subscription.operations.get(request.path_params["operation"])
        if operation is None:
            message = f"There is no operation {request.path_params['operation']!r}."
            raise refusal(404, "NotFound", message)
        self.subscription.advance(operation)
        return operation

    def _get_operation_status(self, request: Request) -> Response:
        operation = self._polled_operation(request)
        content = {"name": operation.id, "status": operation.state}
        if operation.error:
            content["error"] = operation.error
        return json_response(200, content, POLLING_HEADERS)

    def _get_operation_result(self, request: Request) -> Response:
        operation = self._polled_operation(request)
        if operation.state == "InProgress":
            return self._accepted(request, request.path_params["region"], operation)
        return Response(204)

    # Parts of resources

    def _region_id(self, region: str) -> str:
        return f"/subscriptions/{self.subscription.id}/providers/{PROVIDER}/locations/{region}"

    def _workspace_id(self, workspace: str) -> str:
        subscription, group = self.subscription.id, self.subscription.resource_group
        path = f"/subscriptions/{subscription}/resourceGroups/{group}"
        return f"{path}/providers/{PROVIDER}/workspaces/{workspace}"

    def _endpoint_id(self, endpoint: Endpoint) -> str:
        return f"{self._workspace_id(endpoint.workspace)}/onlineEndpoints/{endpoint.name}"

    def _system_data(self, created: float) -> dict[str, str]:
        """Return who created a resource, and when. created: seconds of simulated time."""
        date = self.subscription.date_of(created).isoformat()
        return {
            "createdAt": date,
            "createdBy": "you",
            "createdByType": "User",
            "lastModifiedAt": date,
        }


def _unknown(request: Request) -> Response:
    """Raise HTTPError (404): no route has the path of a request."""
    message = f"The simulated control plane has no {request.path}."
    raise refusal(404, "InvalidResourceType", message)


def _list_response(resources: Iterable[dict]) -> Response:
    return json_response(200, {"value": list(resources)})


def _check_api_version(request: Request) -> None:
    """Raise HTTPError (400) unless a request has an api-version that is a date.

    A registry has versions of its own.
    """
    version = request.query_params.get("api-version", "")
    if not version:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise refusal(400, "MissingApiVersionParameter", message)
    if request.path.startswith("/subscriptions/") and not API_VERSION.fullmatch(version):
        message = f"The api-version {version!r} is invalid: expected a date such as 2025-06-01."
        raise refusal(400, "InvalidApiVersionParameter", message)


def _check_location(location: str | None, region: str) -> None:
    """Raise HTTPError (400) unless the location in a body is the workspace's region.

    Like Azure, accept "East US 2" for "eastus2".
    """
    if not location:
        message = "The location property is required for this definition."
        raise refusal(400, "LocationRequired", message)
    if location.replace(" ", "").casefold() != region:
        message = f"The location is {location!r}, expected that of the workspace: {region!r}."
        raise refusal(400, "LocationNotAvailableForResourceType", message)


def iso_duration(duration: timedelta) -> str:
    """Return a duration in the form of ISO 8601.

    >>> iso_duration(timedelta(seconds=180)), iso_duration(timedelta(seconds=0.5))
    ('PT180S', 'PT0.5S')
    """
    return f"PT{duration.total_seconds():g}S"


def http_date(date: datetime) -> str:
    """Return a date in UTC in the form that HTTP uses, in English wherever it runs.

    >>> http_date(datetime(2026, 11, 24, 9, 5))
    'Tue, 24 Nov 2026 09:05:00 GMT'
    """
    weekday = "Mon Tue Wed Thu Fri Sat Sun".split()[date.weekday()]
    month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[date.month - 1]
    return f"{weekday}, {date:%d} {month} {date:%Y %H:%M:%S} GMT"
