"""The simulated subscription: endpoints, deployments, quota, and simulated time.

Nothing here knows of HTTP. What is not allowed raises HTTPError, with a body as Azure's.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from ..auth import MIN_KEY_LENGTH, new_key
from .refusals import bad_request, not_found, size_error
from .resources import (
    Deployment,
    DeploymentSettings,
    Endpoint,
    EndpointSettings,
    Operation,
    model_name,
)

DATA = Path(__file__).with_name("data")
SHARED_QUOTA = "SharedComputeCapacityEnabled"  # a property of an endpoint
AUTO_DELETION = "TargetAutoDeletionTime"  # a property of an endpoint on shared quota
SHARED_QUOTA_HOURS = 168
MAX_ENDPOINTS_PER_REGION = 100
MAX_DEPLOYMENTS_PER_ENDPOINT = 20
MAX_INSTANCES_PER_DEPLOYMENT = 50
KEY_PATTERN = re.compile(rf"[!-~]{{{MIN_KEY_LENGTH},}}")
DEFAULT_POLLS = 2  # until an operation is done
POLLS = {"create_deployment": 4, "scale": 4, "fail_for_capacity": 4}
MODEL_ID = "azureml://registries/azureml/models/{}/versions/{}"
KEY_NAMES = ("primaryKey", "secondaryKey")


class Subscription:
    """The simulated subscription: what it has, what it may use, and what time it is there.

    clock: seconds of simulated time. It moves only when somebody polls an operation.
    """

    def __init__(self, subscription_id: str, resource_group: str, workspace: str):
        facts = _load("control_plane.toml")
        self.sizes_for_phi4 = {size["name"]: size for size in _load("vm_sizes.toml")["size"]}
        self.sizes = self.sizes_for_phi4 | {size["name"]: size for size in facts["small_size"]}
        self.regions = {region["name"]: region for region in facts["region"]}
        self.models = {model["name"]: model["versions"] for model in facts["model"]}
        self.weights = {
            model["name"]: model["weights_gib"]
            for model in facts["model"]
            if "weights_gib" in model
        }
        self.startup = facts["startup"]
        self.minutes = facts["minutes"]
        self.clock = 0.0
        # By region and name in lower case: a name is unique in its region.
        self.endpoints: dict[tuple[str, str], Endpoint] = {}
        self.operations: dict[str, Operation] = {}
        self.keys: set[str] = set()  # every key that ever was valid: none may be shown
        self.rename(subscription_id, resource_group, workspace)
        self._add_forgotten_deployment(facts["forgotten"])

    def rename(self, subscription_id: str, resource_group: str, workspace: str) -> None:
        """Give the subscription, its resource group and its workspaces other names.

        workspace: the name of the first one; those of other regions begin with it. What is
        deployed in them stays.
        """
        self.id, self.resource_group = subscription_id, resource_group
        names = {name: workspace + region["workspace"] for name, region in self.regions.items()}
        self.workspaces = {name: region for region, name in names.items()}
        for endpoint in self.endpoints.values():
            endpoint.workspace = names[endpoint.region]

    # Time

    def pass_time(self, seconds: float) -> None:
        """Move the simulated clock. Delete the endpoints on shared quota whose time has come."""
        self.clock += seconds
        for key, endpoint in [*self.endpoints.items()]:
            if endpoint.deleted_at <= self.clock:
                del self.endpoints[key]

    def date_of(self, event: float) -> datetime:
        """Return the wall-clock time of an event on the simulated clock.

        event: seconds of simulated time. The simulated now is the real now.
        """
        return datetime.now(UTC) - timedelta(seconds=self.clock - event)

    def advance(self, operation: Operation | None) -> None:
        """Advance an operation by one step.

        Called on each poll: polling is what makes simulated time pass.
        """
        if operation is None or operation.state != "InProgress":
            return
        seconds = operation.seconds_left / operation.polls_left
        self.pass_time(seconds)
        operation.seconds_left -= seconds
        operation.polls_left -= 1
        if not operation.polls_left:
            operation.error = operation.finish()
            operation.state = "Failed" if operation.error else "Succeeded"

    def start_operation(self, kind: str, finish: Callable[[], dict | None]) -> Operation:
        """Start an operation of a kind that control_plane.toml lists under "minutes"."""
        operation = Operation(self.minutes[kind] * 60, POLLS.get(kind, DEFAULT_POLLS), finish)
        self.operations[operation.id] = operation
        return operation

    # Endpoints

    def list_endpoints(self, workspace: str) -> list[Endpoint]:
        """Advance the operations of a workspace's endpoints. Return the endpoints that remain."""
        for endpoint in [*self.endpoints.values()]:
            if endpoint.workspace == workspace:
                self.advance(endpoint.operation)
        return [endpoint for endpoint in self.endpoints.values() if endpoint.workspace == workspace]

    def endpoint(self, workspace: str, name: str) -> Endpoint:
        """Return an endpoint. Raise HTTPError (404) if there is none of that name."""
        endpoint = self.endpoints.get((self.workspaces[workspace], name.casefold()))
        if endpoint is None:
            raise not_found(f"workspaces/{workspace}/onlineEndpoints/{name}", self.resource_group)
        return endpoint

    def reachable_endpoint(self, region: str, name: str) -> Endpoint | None:
        """Return the endpoint of a name in a region if it can be called.

        Return None if there is none, or if it is being created or deleted.
        """
        endpoint = self.endpoints.get((region, name.casefold()))
        return endpoint if endpoint and endpoint.state not in ("Creating", "Deleting") else None

    def put_endpoint(
        self, workspace: str, name: str, settings: EndpointSettings
    ) -> tuple[Endpoint, bool]:
        """Create or change an endpoint. Return (the endpoint, whether it is new)."""
        endpoint = self.endpoints.get((self.workspaces[workspace], name.casefold()))
        if endpoint is None:
            return self._create_endpoint(workspace, name, settings), True
        self._change_endpoint(endpoint, settings)
        return endpoint, False

    def _create_endpoint(self, workspace: str, name: str, settings: EndpointSettings) -> Endpoint:
        region = self.workspaces[workspace]
        _check_name("an endpoint", name)
        if sum(key[0] == region for key in self.endpoints) >= MAX_ENDPOINTS_PER_REGION:
            raise bad_request(
                f"There are {MAX_ENDPOINTS_PER_REGION} endpoints in {region}, the most allowed."
            )
        if any(settings.traffic.values()):
            raise bad_request("A new endpoint has no deployments yet, so it cannot have traffic.")
        endpoint = Endpoint(name, region, workspace, self.clock)
        endpoint.keys = {key_name: self._new_key() for key_name in KEY_NAMES}
        self._describe(endpoint, settings)
        if str(settings.properties.get(SHARED_QUOTA)).casefold() == "true":
            endpoint.is_shared, endpoint.deleted_at = True, self.clock + SHARED_QUOTA_HOURS * 3600
        endpoint.operation = self.start_operation(
            "create_endpoint", lambda: _set_state(endpoint, "Succeeded")
        )
        self.endpoints[region, name.casefold()] = endpoint
        return endpoint

    def _change_endpoint(self, endpoint: Endpoint, settings: EndpointSettings) -> None:
        endpoint.check_idle()
        traffic = {
            deployment.casefold(): percent for deployment, percent in settings.traffic.items()
        }
        _check_traffic(endpoint, traffic)
        self._describe(endpoint, settings)
        endpoint.state = "Updating"

        def finish() -> None:
            endpoint.traffic, endpoint.state = traffic, "Succeeded"

        endpoint.operation = self.start_operation("update_endpoint", finish)

    def _describe(self, endpoint: Endpoint, settings: EndpointSettings) -> None:
        """Apply the settings that need no operation."""
        endpoint.tags = settings.tags
        endpoint.description = settings.description
        endpoint.identity = settings.identity
        endpoint.public_network_access = settings.public_network_access
        for name, value in settings.properties.items():
            if name not in (SHARED_QUOTA, AUTO_DELETION):
                # Properties can be added, but neither removed nor altered.
                endpoint.properties.setdefault(name, value)

    def delete_endpoint(self, endpoint: Endpoint) -> Operation:
        """Start to delete an endpoint with its deployments."""
        endpoint.check_idle()
        endpoint.state = "Deleting"
        for deployment in endpoint.deployments.values():
            deployment.state = "Deleting"
        key = endpoint.region, endpoint.name.casefold()
        endpoint.operation = self.start_operation(
            "delete", lambda: _remove(self.endpoints, key, endpoint)
        )
        return endpoint.operation

    def regenerate_key(self, endpoint: Endpoint, kind: str, value: str | None) -> Operation:
        """Start to replace a key.

        kind: "Primary" or "Secondary". value: the new key; made up if None.
        """
        endpoint.check_idle()
        if kind not in ("Primary", "Secondary"):
            raise bad_request(f"keyType is {kind!r}, expected Primary or Secondary.")
        name = f"{kind.lower()}Key"
        if value in (None, endpoint.keys[name]):  # azure-ai-ml sends the old key to get a new one
            value = self._new_key()
        if not KEY_PATTERN.fullmatch(value):
            raise bad_request(
                f"keyValue: expected at least {MIN_KEY_LENGTH} ASCII characters "
                "without spaces or line breaks."
            )
        self.keys.add(value)

        def finish() -> None:
            endpoint.keys[name] = value

        endpoint.operation = self.start_operation("regenerate_keys", finish)
        return endpoint.operation

    def _new_key(self) -> str:
        key = new_key()
        self.keys.add(key)
        return key

    # Deployments

    def list_deployments(self, endpoint: Endpoint) -> list[Deployment]:
        """Advance the operations of an endpoint's deployments. Return those that remain."""
        for deployment in [*endpoint.deployments.values()]:
            self.advance(deployment.operation)
        return [*endpoint.deployments.values()]

    def deployment(self, endpoint: Endpoint, name: str) -> Deployment:
        """Return a deployment. Raise HTTPError (404) if there is none of that name."""
        try:
            return endpoint.deployments[name.casefold()]
        except KeyError:
            path = f"workspaces/{endpoint.workspace}/onlineEndpoints/{endpoint.name}"
            raise not_found(f"{path}/deployments/{name}", self.resource_group) from None

    def put_deployment(
        self, endpoint: Endpoint, name: str, settings: DeploymentSettings
    ) -> tuple[Deployment, bool]:
        """Create or change a deployment. Return (the deployment, whether it is new)."""
        old = endpoint.deployments.get(name.casefold())
        self._check_deployment(endpoint, name, settings, old)
        deployment = old or Deployment(name, self.clock)
        if old is None:
            deployment.write_log(f"minute 0: asked {endpoint.region} for {settings.instance_type}")
        deployment.operation = self._start_deployment(
            endpoint, deployment, settings, is_new=old is None
        )
        deployment.apply(settings)
        deployment.state = "Creating" if old is None else "Updating"
        endpoint.deployments[name.casefold()] = deployment
        return deployment, old is None

    def _check_deployment(
        self, endpoint: Endpoint, name: str, settings: DeploymentSettings, old: Deployment | None
    ) -> None:
        """Raise HTTPError if a deployment may not be created or changed like this.

        old: None if it is new.
        """
        if endpoint.state != "Succeeded":
            raise bad_request(
                f"Cannot create a deployment in endpoint {endpoint.name} "
                f"because it is in {endpoint.state} provisioning state."
            )
        endpoint.check_idle()
        if old is None:
            _check_name("a deployment", name)
            if len(endpoint.deployments) >= MAX_DEPLOYMENTS_PER_ENDPOINT:
                raise bad_request(
                    f"The endpoint has {MAX_DEPLOYMENTS_PER_ENDPOINT} deployments, "
                    "the most allowed."
                )
        self._check_model(settings.model)
        self._check_size(settings.instance_type, settings.model)
        if not endpoint.is_shared:
            self._check_quota(endpoint.region, settings, old)

    def _check_model(self, model: str) -> None:
        known = [
            MODEL_ID.format(name, version)
            for name, versions in self.models.items()
            for version in versions
        ]
        if model not in known:
            raise bad_request(
                f"The model {model!r} was not found. The simulated registry has {', '.join(known)}."
            )

    def _check_size(self, instance_type: str, model: str) -> None:
        """Raise HTTPError if a size is unknown or too small."""
        if instance_type not in self.sizes:
            raise size_error(f"Unknown VM size {instance_type}.")
        if instance_type not in self.sizes_for_phi4:
            raise size_error(
                f"{instance_type} cannot serve {model_name(model)}, which needs at least 24 vCPUs, "
                f"1 GPU and 220 GiB of memory. Supported: {', '.join(self.sizes_for_phi4)}."
            )

    def _check_quota(
        self, region: str, settings: DeploymentSettings, old: Deployment | None
    ) -> None:
        """Raise HTTPError if the quota is too small for the instances that are still missing."""
        size = self.sizes[settings.instance_type]
        instances_there = (
            old.instances if old and old.instance_type == settings.instance_type else 0
        )
        needed = (settings.instances - instances_there) * size["vcpus"]
        used, limit = self.usage(region, size["family"])
        if needed > 0 and used + needed > limit:
            raise size_error(
                f"Not enough quota available for {settings.instance_type} "
                f"in SubscriptionId {self.id}. "
                f"Current usage/limit: {used}/{limit}. Additional needed: {needed} "
                "Please see troubleshooting guide, available here: "
                "https://aka.ms/oe-tsg#error-outofquota"
            )

    def usage(self, region: str, family: str) -> tuple[int, int]:
        """Return (vCPUs in use, vCPUs allowed) of a family of sizes in a region."""
        used = sum(
            deployment.instances * self.sizes[deployment.instance_type]["vcpus"]
            for endpoint in self.endpoints.values()
            for deployment in endpoint.deployments.values()
            if endpoint.region == region
            and not endpoint.is_shared
            and self.sizes[deployment.instance_type]["family"] == family
        )
        return used, self.regions[region]["quota"].get(family, 0)

    def _start_deployment(
        self, endpoint: Endpoint, deployment: Deployment, settings: DeploymentSettings, is_new: bool
    ) -> Operation:
        """Start the operation that a new deployment or a change needs.

        deployment: as it is before the change.
        """
        before = deployment.state, deployment.instance_type, deployment.instances
        family = self.sizes[settings.instance_type]["family"]
        if before == ("Succeeded", settings.instance_type, settings.instances):
            kind, lines = "update_deployment", [f"updated: {deployment.name}"]
        elif family in self.regions[endpoint.region]["no_machines"]:
            fail = partial(self._fail_for_capacity, endpoint, deployment)
            return self.start_operation("fail_for_capacity", fail)
        elif is_new:
            kind, lines = "create_deployment", self._startup_log(model_name(settings.model))
        else:
            kind, lines = "scale", [f"scaled: {settings.instances} x {settings.instance_type}"]
        return self.start_operation(kind, lambda: _succeed(deployment, *lines))

    def _startup_log(self, model_name: str) -> list[str]:
        """Return what a deployment of a model writes into its log while it starts."""
        facts = {"model": model_name, "weights": self.weights.get(model_name)}
        lines = [
            f"minute {step['minute']}: {step['line'].format(**facts)}"
            for step in self.startup
            if facts["weights"] or "{weights}" not in step["line"]
        ]
        note = "note: this is a simulation; a tiny language model answers with the tokens of Phi-4"
        return [*lines, f"minute {self.minutes['create_deployment']}: serving on port 5001", note]

    def _fail_for_capacity(self, endpoint: Endpoint, deployment: Deployment) -> dict:
        """Let a deployment fail because the region has no machine for it. Return the error."""
        minutes = self.minutes["fail_for_capacity"]
        deployment.write_log(
            f"minute {minutes}: no {deployment.instance_type} free in {endpoint.region}, gave up"
        )
        deployment.state = "Failed"
        return {
            "code": "OutOfQuota",
            "message": f"No capacity for {deployment.instances} x {deployment.instance_type} "
            f"in {endpoint.region} at the moment. "
            "Quota is a permission, not a reservation: try another region or size, or try later. "
            "See https://aka.ms/oe-tsg#error-outofquota",
        }

    def delete_deployment(self, endpoint: Endpoint, deployment: Deployment) -> Operation:
        """Start to delete a deployment."""
        endpoint.check_idle()
        key = deployment.name.casefold()
        if endpoint.traffic.get(key):
            raise bad_request(
                f"The deployment {deployment.name} still gets traffic: set its traffic to 0 first."
            )
        deployment.state = "Deleting"
        deployment.operation = self.start_operation(
            "delete", lambda: _remove(endpoint.deployments, key, deployment)
        )
        return deployment.operation

    def _add_forgotten_deployment(self, facts: dict) -> None:
        """Add the deployment that somebody forgot before the lesson began."""
        region = facts["region"]
        workspace = next(
            name for name, its_region in self.workspaces.items() if its_region == region
        )
        created = -facts["hours_ago"] * 3600.0
        endpoint = Endpoint(
            facts["endpoint"], region, workspace, created, facts["tags"], state="Succeeded"
        )
        endpoint.keys = {key_name: self._new_key() for key_name in KEY_NAMES}
        endpoint.traffic = {facts["deployment"]: 100}
        deployment = Deployment(
            facts["deployment"],
            created,
            facts["model"],
            facts["instance_type"],
            instances=1,
            request_timeout=timedelta(minutes=3),
            max_concurrent=16,
            tags=facts["tags"],
            properties={
                "endpointComputeType": "Managed",
                "model": facts["model"],
                "instanceType": facts["instance_type"],
            },
            state="Succeeded",
        )
        endpoint.deployments[deployment.name] = deployment
        self.endpoints[region, endpoint.name] = endpoint


def _load(name: str) -> dict:
    return tomllib.loads((DATA / name).read_text(encoding="utf-8"))


def _set_state(resource: Endpoint | Deployment, state: str) -> None:
    resource.state = state


def _succeed(deployment: Deployment, *lines: str) -> None:
    """Let an operation of a deployment succeed, with lines for its log."""
    deployment.write_log(*lines)
    deployment.state = "Succeeded"


def _remove(resources: dict, key: object, resource: object) -> None:
    """Remove a resource, unless another has its key by now."""
    if resources.get(key) is resource:
        del resources[key]


# What is refused


def _check_name(kind: str, name: str) -> None:
    """Raise HTTPError unless a name of an endpoint or a deployment is well formed.

    kind: with its article.
    """
    letters = name.replace("-", "")
    if not (
        3 <= len(name) <= 32
        and letters.isascii()
        and letters.isalnum()
        and name[0].isalpha()
        and name[-1] != "-"
    ):
        raise bad_request(
            f"{name!r} is not a valid name for {kind}: expected 3 to 32 letters, digits and "
            "hyphens, beginning with a letter and not ending with a hyphen."
        )


def _check_traffic(endpoint: Endpoint, traffic: dict[str, int]) -> None:
    """Raise HTTPError unless traffic goes to ready deployments and adds up to 100 or 0."""
    for name, percent in traffic.items():
        deployment = endpoint.deployments.get(name)
        if deployment is None:
            existing = ", ".join(each.name for each in endpoint.deployments.values()) or "none"
            raise bad_request(
                f"The traffic names deployment {name!r}, which does not exist. "
                f"There are: {existing}."
            )
        if percent and deployment.state != "Succeeded":
            raise bad_request(f"Deployment {name} is {deployment.state} and cannot get traffic.")
    total = sum(traffic.values())
    if total not in (0, 100):
        raise bad_request(f"The traffic adds up to {total} per cent, expected 100 (or 0 for none).")
