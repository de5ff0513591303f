"""The simulated control plane: the real management clients over real sockets, and the wire where its rules are many.

What is expected here comes from Microsoft's documentation, from public reports and from runs of the SDKs, not from the
simulator's source. Where nobody has published Azure's own words, only the status, the code and the facts are compared.
"""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import pytest
import requests
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.ai.ml import MLClient
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, OnlineRequestSettings
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential
from azure.mgmt.machinelearningservices import MachineLearningServicesMgmtClient
from azure.mgmt.machinelearningservices import models as arm
from openai import AuthenticationError, OpenAI

from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request
from simulated_azure.management import control_plane
from simulated_azure.transports.sockets import Simulator

PHI_4 = "azureml://registries/azureml/models/Phi-4/versions/8"
A100, TWO_A100, H100 = "Standard_NC24ads_A100_v4", "Standard_NC48ads_A100_v4", "Standard_NC40ads_H100_v5"
A100_FAMILY, H100_FAMILY = "standardNCADSA100v4Family", "standardNCADSH100v5Family"
PROVIDER = "Microsoft.MachineLearningServices"
FRANCE = [UserMessage("What is the capital of France?")]
PARIS = "The capital of France is Paris."
NEVER_ENDS = {"logit_bias": {"100257": -100, "100265": -100}, "max_tokens": 400}  # the tokens that end an answer are banned
CHAT = "/chat/completions"
VARIABLES = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE")


# With the real clients


@pytest.fixture(scope="module")
def cloud() -> Iterator[Simulator]:
    """A simulated Azure that the environment variables name, as they do in a notebook."""
    running = Simulator()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZUREML_CURRENT_CLOUD", "")  # azure-ai-ml sets it: so that it is gone afterwards
        patch.delenv("AZUREML_CURRENT_CLOUD")
        for name, value in running.variables().items():
            patch.setenv(name, value)
        patch.setattr(control_plane, "POLL_AFTER", "1")  # a test need not see dots
        yield running
    running.stop()
    assert not running.errors, "\n".join(running.errors)


@pytest.fixture(scope="module")
def ml(cloud) -> MLClient:
    """The client, made as the lessons make it."""
    names = [os.environ[name] for name in VARIABLES]
    return MLClient(DefaultAzureCredential(), *names, enable_telemetry=False)


@pytest.fixture(scope="module")
def manager(cloud) -> Iterator[MachineLearningServicesMgmtClient]:
    """The other management client, which shows error codes and states more plainly."""
    scope = f"{cloud.url}/.default"
    named = {"base_url": cloud.url, "credential_scopes": [scope], "polling_interval": 0.01}
    with MachineLearningServicesMgmtClient(DefaultAzureCredential(), os.environ["AZURE_SUBSCRIPTION_ID"], **named) as made:
        yield made


@pytest.fixture(scope="module")
def place(cloud) -> tuple[str, str]:
    """Resource group and workspace."""
    return cloud.azure.resource_group, cloud.azure.workspace


@pytest.fixture(scope="module")
def served(ml) -> SimpleNamespace:
    """An endpoint whose deployment ``blue`` gets all traffic: its root and its key."""
    endpoint = ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="served", auth_mode="key")).result()
    ml.online_deployments.begin_create_or_update(deployment("blue", "served", request_timeout_ms=180_000)).result()
    endpoint.traffic = {"blue": 100}
    endpoint = ml.online_endpoints.begin_create_or_update(endpoint).result()
    root = endpoint.scoring_uri.removesuffix("/score")
    return SimpleNamespace(root=root, key=ml.online_endpoints.get_keys("served").primary_key)


@pytest.fixture
def spare(manager, place) -> Iterator[str]:
    """The name of an endpoint without deployments that is deleted after the test."""
    yield make_endpoint(manager, place, "spare")
    manager.online_endpoints.begin_delete(*place, "spare").result()


def make_endpoint(manager, place, name: str, auth_mode: str = "Key") -> str:
    properties = arm.OnlineEndpointProperties(auth_mode=auth_mode)
    body = arm.OnlineEndpoint(location="eastus2", properties=properties)
    return manager.online_endpoints.begin_create_or_update(*place, name, body).result().name


def deployment(name: str, endpoint: str, **settings: int) -> ManagedOnlineDeployment:
    return ManagedOnlineDeployment(
        name=name,
        endpoint_name=endpoint,
        model=PHI_4,
        instance_type=A100,
        instance_count=1,
        request_settings=OnlineRequestSettings(**settings) if settings else None,
    )


def deploy(manager, place, endpoint: str, name: str, size: str = A100, instances: int = 1):
    properties = arm.ManagedOnlineDeployment(model=PHI_4, instance_type=size)
    body = arm.OnlineDeployment(location="eastus2", sku=arm.Sku(name="Default", capacity=instances), properties=properties)
    return manager.online_deployments.begin_create_or_update(*place, endpoint, name, body).result()


def chat(root: str, credential) -> ChatCompletionsClient:
    return ChatCompletionsClient(root, AzureKeyCredential(credential) if isinstance(credential, str) else credential)


def ask(root: str, credential, **more) -> str:
    with chat(root, credential) as client:
        return client.complete(messages=FRANCE, temperature=0, **more).choices[0].message.content


def usage_of(manager, family: str = A100_FAMILY, region: str = "eastus2") -> tuple[int, int]:
    return next((each.current_value, each.limit) for each in manager.usages.list(region) if each.name.value == family)


def test_a_deployment_lives_through_the_real_client_until_its_endpoint_is_deleted(ml, manager):
    endpoints, deployments = ml.online_endpoints, ml.online_deployments
    used = usage_of(manager)[0]
    endpoint = endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="my-phi4", auth_mode="key", tags={"a": "b"})).result()
    assert (endpoint.provisioning_state, endpoint.auth_mode, endpoint.tags, endpoint.traffic) == (
        "Succeeded",
        "key",
        {"a": "b"},
        {},
    )
    assert endpoint.scoring_uri.endswith("/my-phi4.eastus2.inference.ml/score")
    blue = deployments.begin_create_or_update(deployment("blue", "my-phi4")).result()
    assert (blue.provisioning_state, blue.instance_type, blue.instance_count) == ("Succeeded", A100, 1)
    assert (blue.request_settings.request_timeout_ms, blue.request_settings.max_concurrent_requests_per_instance) == (5000, 1)
    assert usage_of(manager)[0] == used + 24
    endpoint.traffic = {"blue": 100}
    assert endpoints.begin_create_or_update(endpoint).result().traffic == {"blue": 100}
    root, key = endpoint.scoring_uri.removesuffix("/score"), endpoints.get_keys("my-phi4").primary_key
    assert ask(root, key) == PARIS
    assert chat(root, key).get_model_info().model_name == "Phi-4"
    log = deployments.get_logs("blue", "my-phi4", lines=50)
    assert "serving" in log
    assert log.splitlines()[-1] == "GET /info 200"
    assert deployments.get_logs("blue", "my-phi4", lines=1).splitlines() == ["GET /info 200"]
    assert [each.name for each in deployments.list("my-phi4")] == ["blue"]
    assert "my-phi4" in [each.name for each in endpoints.list()]
    endpoints.begin_delete("my-phi4").result()
    assert "my-phi4" not in [each.name for each in endpoints.list()]
    assert usage_of(manager)[0] == used
    with pytest.raises(ResourceNotFoundError):
        ask(root, key)
    with pytest.raises(ResourceNotFoundError):
        endpoints.get("my-phi4")


def test_the_client_finds_workspaces_and_quota_by_itself(ml, manager):
    assert [each.name for each in ml.workspaces.list()] == ["phi4-workspace", "phi4-workspace-westus3", "phi4-workspace-uksouth"]
    assert ml.workspaces.get("phi4-workspace-westus3").location == "westus3"
    assert A100_FAMILY in [each.name["value"] for each in ml.compute.list_usage(location="eastus2")]
    assert {each.name.value: each.limit for each in manager.quotas.list("westus3")}[A100_FAMILY] == 24
    sizes = {each.name: each for each in manager.virtual_machine_sizes.list("eastus2").value}
    assert (sizes[A100].v_cp_us, sizes[A100].gpus, sizes[A100].memory_gb) == (24, 1, 220)


def test_a_deployment_that_somebody_forgot_is_there_and_can_be_scaled_called_and_deleted(cloud, place, manager):
    there = (place[0], place[1] + "-westus3")
    (endpoint,) = manager.online_endpoints.list(*there)
    (forgotten,) = manager.online_deployments.list(*there, endpoint.name)
    assert endpoint.properties.traffic == {forgotten.name: 100}
    assert datetime.now(UTC) - forgotten.system_data.created_at > timedelta(hours=48)
    assert usage_of(manager, region="westus3") == (24, 24)
    key = manager.online_endpoints.list_keys(*there, endpoint.name).primary_key
    assert ask(endpoint.properties.scoring_uri.removesuffix("/score"), key) == PARIS
    more = arm.PartialMinimalTrackedResourceWithSku(sku=arm.PartialSku(capacity=2))
    with pytest.raises(HttpResponseError, match="24/24. Additional needed: 24"):
        manager.online_deployments.begin_update(*there, endpoint.name, forgotten.name, more)
    manager.online_endpoints.begin_delete(*there, endpoint.name).result()
    assert usage_of(manager, region="westus3") == (0, 24)


def test_scaling_takes_quota_and_gives_it_back(manager, place, spare):
    used = usage_of(manager)[0]
    deploy(manager, place, spare, "blue")
    assert usage_of(manager)[0] == used + 24
    with pytest.raises(HttpResponseError, match=f"Current usage/limit: {used + 24}/48. Additional needed: 48"):
        deploy(manager, place, spare, "blue", instances=3)
    still = manager.online_deployments.get(*place, spare, "blue")
    assert (still.sku.capacity, still.properties.provisioning_state) == (1, "Succeeded")
    manager.online_deployments.begin_delete(*place, spare, "blue").result()
    assert usage_of(manager)[0] == used


def test_without_quota_the_client_says_at_once_how_much_is_used_and_how_much_more_is_needed(ml, manager, place, served):
    assert usage_of(manager) == (24, 48)  # by the deployment that is there
    two = deployment("green", "served")
    two.instance_count = 2
    with pytest.raises(HttpResponseError) as raised:
        ml.online_deployments.begin_create_or_update(two)
    assert raised.value.status_code == 400
    assert raised.value.error.code == "BadRequest"
    assert [each.code for each in raised.value.error.details] == ["InferencingClientCreateDeploymentFailed"]
    read_by_a_person = str(raised.value)
    assert "Current usage/limit: 24/48. Additional needed: 48" in read_by_a_person
    assert f"Not enough quota available for {A100}" in read_by_a_person
    assert [each.name for each in manager.online_deployments.list(*place, "served")] == ["blue"]


def test_without_machines_the_operation_fails_late_and_what_is_left_still_counts(manager, place, spare):
    with pytest.raises(HttpResponseError) as raised:
        deploy(manager, place, spare, "green", H100)
    assert raised.value.error.code == "OutOfQuota"
    assert "No capacity" in raised.value.error.message
    assert manager.online_deployments.get(*place, spare, "green").properties.provisioning_state == "Failed"
    assert usage_of(manager, H100_FAMILY) == (40, 80)
    assert "gave up" in manager.online_deployments.get_logs(*place, spare, "green", arm.DeploymentLogsRequest()).content
    traffic = arm.OnlineEndpointProperties(auth_mode="Key", traffic={"green": 100})
    with pytest.raises(HttpResponseError, match="Failed"):
        manager.online_endpoints.begin_create_or_update(*place, spare, arm.OnlineEndpoint(location="eastus2", properties=traffic))
    manager.online_deployments.begin_delete(*place, spare, "green").result()
    assert usage_of(manager, H100_FAMILY) == (0, 80)


def test_minutes_pass_by_looking_at_an_operation_and_not_by_waiting(ml, manager, place, spare):
    began = time.monotonic()
    deploy(manager, place, spare, "blue")
    assert time.monotonic() - began < 60
    age = datetime.now(UTC) - manager.online_deployments.get(*place, spare, "blue").system_data.created_at
    assert abs(age - timedelta(minutes=17)) < timedelta(seconds=30)
    manager.online_deployments.begin_delete(*place, spare, "blue").result()


def test_a_new_key_locks_out_the_old_one_and_leaves_the_other(ml, manager, place):
    make_endpoint(manager, place, "keys")
    body = arm.RegenerateEndpointKeysRequest
    before = ml.online_endpoints.get_keys("keys")
    root = ml.online_endpoints.get("keys").scoring_uri.removesuffix("/score")
    ml.online_endpoints.begin_regenerate_keys("keys", key_type="primary").result()
    after = ml.online_endpoints.get_keys("keys")
    assert before.primary_key != after.primary_key
    assert before.secondary_key == after.secondary_key
    with pytest.raises(ClientAuthenticationError):
        ask(root, before.primary_key)
    for key in (after.primary_key, after.secondary_key):
        with pytest.raises(ResourceNotFoundError):  # who may come in finds no deployment
            ask(root, key)
    mine = body(key_type="Secondary", key_value="a-key-of-my-own")
    manager.online_endpoints.begin_regenerate_keys(*place, "keys", mine).result()
    assert manager.online_endpoints.list_keys(*place, "keys").secondary_key == "a-key-of-my-own"
    manager.online_endpoints.begin_delete(*place, "keys").result()


def test_each_endpoint_takes_its_own_keys_only(cloud, served):
    assert ask(served.root, served.key) == ask(cloud.url, cloud.azure.key) == PARIS
    for root, key in ((served.root, cloud.azure.key), (cloud.url, served.key)):
        with pytest.raises(ClientAuthenticationError):
            ask(root, key)
        with pytest.raises(AuthenticationError):
            OpenAI(base_url=f"{root}/v1", api_key=key).models.list()


def test_an_endpoint_with_aad_token_takes_entra_id_and_no_key(ml, cloud):
    root, token = make_token_endpoint(ml, "signed-in", "aad_token")
    assert ask(root, DefaultAzureCredential()) == PARIS
    for key in (cloud.azure.key, "anything"):
        with pytest.raises(ClientAuthenticationError):
            ask(root, key)
    ml.online_endpoints.begin_delete("signed-in").result()


def test_an_endpoint_with_aml_token_takes_the_token_that_it_gives_out_and_no_other(ml, cloud):
    root, token = make_token_endpoint(ml, "with-token", "aml_token")
    assert ask(root, token.access_token) == PARIS
    assert token.token_type == "Bearer"
    assert time.time() < token.refresh_after_time_utc < token.expiry_time_utc <= time.time() + 24 * 3600
    with pytest.raises(ClientAuthenticationError):
        ask(root, DefaultAzureCredential())
    with pytest.raises(ClientAuthenticationError):  # it is no key to anything else
        ask(cloud.url, token.access_token)
    listed = requests.get(
        f"{cloud.url}/subscriptions/{cloud.azure.subscription_id}/providers/{PROVIDER}/workspaces?api-version=2023-04-01",
        headers={"Authorization": f"Bearer {token.access_token}"},
        timeout=10,
    )
    assert listed.status_code == 401
    ml.online_endpoints.begin_delete("with-token").result()


def make_token_endpoint(ml, name: str, auth_mode: str):
    """(root, token) of an endpoint with a deployment that answers."""
    endpoint = ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name, auth_mode=auth_mode)).result()
    assert endpoint.auth_mode == auth_mode
    ml.online_deployments.begin_create_or_update(deployment("blue", name)).result()
    endpoint.traffic = {"blue": 100}
    ml.online_endpoints.begin_create_or_update(endpoint).result()
    return endpoint.scoring_uri.removesuffix("/score"), ml.online_endpoints.get_keys(name)


def test_a_deployed_endpoint_streams(served):
    with chat(served.root, served.key) as client:
        pieces = [
            update.choices[0].delta.content or ""
            for update in client.complete(messages=FRANCE, temperature=0, stream=True)
            if update.choices
        ]
    assert len(pieces) > 3
    assert "".join(pieces) == PARIS


def test_the_openai_client_finds_a_deployed_endpoint_under_v1(served):
    client = OpenAI(base_url=f"{served.root}/v1", api_key=served.key)
    messages = [{"role": "user", "content": FRANCE[0].content}]
    answer = client.chat.completions.create(model="Phi-4", messages=messages, temperature=0)
    assert answer.choices[0].message.content == PARIS
    assert [each.id for each in client.models.list()] == ["Phi-4"]


def test_a_long_answer_needs_a_longer_time_out_than_the_default(manager, place, served, spare):
    deploy(manager, place, spare, "green")
    root = manager.online_endpoints.get(*place, spare).properties.scoring_uri.removesuffix("/score")
    key = manager.online_endpoints.list_keys(*place, spare).primary_key
    to_green = {"headers": {"azureml-model-deployment": "green"}}
    assert ask(root, key, **to_green) == PARIS
    with pytest.raises(HttpResponseError) as raised:
        ask(root, key, model_extras=NEVER_ENDS, **to_green)
    assert raised.value.status_code == 408
    assert "request_timeout_ms is 5000" in str(raised.value)
    assert len(ask(served.root, served.key, model_extras=NEVER_ENDS)) > 400
    manager.online_deployments.begin_delete(*place, spare, "green").result()


def test_without_traffic_only_the_header_reaches_a_deployment(ml, manager, place, spare):
    deploy(manager, place, spare, "green")
    root = ml.online_endpoints.get(spare).scoring_uri.removesuffix("/score")
    key = ml.online_endpoints.get_keys(spare).primary_key
    with pytest.raises(ResourceNotFoundError):
        ask(root, key)
    assert ask(root, key, headers={"azureml-model-deployment": "green"}) == PARIS
    with pytest.raises(ResourceNotFoundError):
        ask(root, key, headers={"azureml-model-deployment": "blue"})
    manager.online_deployments.begin_delete(*place, spare, "green").result()


def test_the_containers_errors_come_as_424_from_a_deployed_endpoint_but_a_wrong_key_as_401(served):
    with chat(served.root, served.key) as client, pytest.raises(HttpResponseError) as raised:
        client.complete(messages=FRANCE, temperature=5)
    assert raised.value.status_code == 424
    headers = raised.value.response.headers
    assert (headers["ms-azureml-model-error-statuscode"], headers["ms-azureml-model-error-reason"]) == ("422", "model_error")
    with pytest.raises(ClientAuthenticationError) as refused:
        ask(served.root, "wrong")
    assert "ms-azureml-model-error-statuscode" not in refused.value.response.headers


def test_two_simulators_share_nothing(cloud, served):
    other = Simulator()
    try:
        assert other.azure.control_plane.subscription.endpoints.keys().isdisjoint({("eastus2", "served")})
        bundle = other.variables()["REQUESTS_CA_BUNDLE"]
        elsewhere = served.root.replace(cloud.url, other.url)
        answer = requests.get(f"{elsewhere}/info", headers={"api-key": served.key}, verify=bundle, timeout=10)
        assert answer.status_code == 404
    finally:
        other.stop()
    assert not other.errors


def test_no_key_and_no_token_is_remembered_or_logged(cloud, ml, manager, place, served):
    make_endpoint(manager, place, "secrets")
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    mine = ["my-own-key-number-1", "my-own-key-number-2", "my-own-key-number-3", "my-own-key-number-4", "my-own-key-number-5"]
    base = f"{cloud.url}/subscriptions/{cloud.azure.subscription_id}/resourceGroups/{place[0]}/providers/{PROVIDER}"
    base += f"/workspaces/{place[1]}/onlineEndpoints/"

    def send(path: str, body: str) -> requests.Response:
        signed = {"Authorization": f"Bearer {token}"}
        [manager.online_endpoints.get(*place, "secrets") for _ in range(3)]  # until the operation before has ended
        return requests.post(f"{base}{path}?api-version=2023-04-01", body, headers=signed, timeout=10)

    escaped = "".join(f"\\u{ord(letter):04x}" for letter in mine[4])
    answers = [
        send("secrets/regenerateKeys", json.dumps({"keyType": "Primary", "keyValue": mine[0]})),
        send("secrets/regenerateKeys", json.dumps({"keyType": "Third", "keyValue": mine[1]})),
        send("missing/regenerateKeys", json.dumps({"keyType": "Primary", "keyValue": mine[2]})),
        send("secrets/regenerateKeys", f'{{"keyType": "Primary", "keyValue": "{mine[3]}"'),
        send("secrets/regenerateKeys", f'{{"keyType": "Secondary", "keyValue": "{escaped}"}}'),
    ]
    assert [each.status_code for each in answers] == [202, 400, 404, 400, 202]
    given = manager.online_endpoints.list_keys(*place, "served")
    with chat(served.root, served.key) as client:
        client.complete(messages=[UserMessage(f"My keys: {given.secondary_key} {mine[0]}, my token: {token}")])
        with pytest.raises(HttpResponseError):
            client.complete(messages=[UserMessage(given.primary_key)], temperature=7)
    shown = [each.text for each in answers]
    shown.append(requests.get(f"{served.root}/{given.secondary_key}", headers={"api-key": served.key}, timeout=10).text)
    listed = requests.get(f"{cloud.url}/simulator/requests", headers={"api-key": cloud.azure.key}, timeout=10)
    remembered = listed.text + json.dumps(listed.json(), ensure_ascii=False)
    logged = ml.online_deployments.get_logs("blue", "served", lines=200)
    for secret in (given.primary_key, given.secondary_key, token, cloud.azure.key):
        assert secret not in remembered + logged
    for secret in mine:
        assert secret not in remembered + logged + "".join(shown)
    assert "Primary" in remembered  # what is no secret stays to be looked at
    [manager.online_endpoints.get(*place, "secrets") for _ in range(3)]
    manager.online_endpoints.begin_delete(*place, "secrets").result()


# By the wire alone


class Wire:
    """Requests of somebody who has signed in, without sockets: each answers (status, JSON)."""

    def __init__(self, azure: SimulatedAzure):
        self.azure, self.last = azure, None
        self.token = self.sign_in("https://management.azure.com")
        self.provider = f"/subscriptions/{azure.subscription_id}/providers/{PROVIDER}"
        self.group = f"/subscriptions/{azure.subscription_id}/resourceGroups/{azure.resource_group}/providers/{PROVIDER}"

    def sign_in(self, resource: str) -> str:
        headers = {"x-identity-header": self.azure.identity_header}
        answer = self.azure.handle(Request("GET", "/msi/token", f"resource={resource}", headers))
        return json.loads(answer.body)["access_token"]

    def send(self, method: str, path: str, body: object = None, query: str = "api-version=2025-06-01", **headers: str):
        if method == "PUT" and isinstance(body, dict):  # the place of the workspace, unless a body says otherwise
            body = {"location": "uksouth" if "uksouth" in path else "eastus2"} | body
        signed = {"authorization": f"Bearer {self.token}", "host": "localhost:1"} | headers
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.last = self.azure.handle(Request(method, path, query, signed, content))
        self.last.on_close()  # as the server does when it has sent an answer
        is_json = self.last.headers.get("content-type") == "application/json"
        return self.last.status, json.loads(self.last.body) if is_json else self.last.body

    def at(self, name: str = "", workspace: str = "phi4-workspace") -> str:
        return f"{self.group}/workspaces/{workspace}/onlineEndpoints" + (f"/{name}" if name else "")

    def finish(self) -> tuple[str, dict]:
        """Looks at the operation that the last request began until it is done: (state, last answer)."""
        assert self.last.status in (200, 201, 202), self.last.body
        url = self.last.headers.get("Azure-AsyncOperation") or self.last.headers["Location"]
        path = url.removeprefix("https://localhost:1").partition("?")[0]
        for _ in range(50):
            status, content = self.send("GET", path)
            if status == 204:
                return "Succeeded", {}
            if status == 200 and content["status"] != "InProgress":
                return content["status"], content
        raise AssertionError("the operation did not end")

    def endpoint(self, name: str = "one", workspace: str = "phi4-workspace", mode: str = "Key", **more: object) -> str:
        """Makes an endpoint and waits for it: its path."""
        status, _ = self.send("PUT", self.at(name, workspace), {"properties": {"authMode": mode, **more}})
        assert status == 201
        assert self.finish()[0] == "Succeeded"
        return self.at(name, workspace)

    def ask_to_deploy(self, path: str, name: str = "blue", size: str = A100, instances: int = 1, **more: object):
        properties = {"endpointComputeType": "Managed", "model": PHI_4, "instanceType": size, **more}
        body = {"sku": {"name": "Default", "capacity": instances}, "properties": properties}
        return self.send("PUT", f"{path}/deployments/{name}", body)

    def deploy(self, path: str, name: str = "blue", **more: object) -> str:
        status, content = self.ask_to_deploy(path, name, **more)
        assert status in (200, 201), content
        assert self.finish()[0] == "Succeeded"
        return f"{path}/deployments/{name}"

    def direct(self, path: str, **traffic: int):
        answer = self.send("PUT", path, {"properties": {"authMode": "Key", "traffic": traffic}})
        if answer[0] == 200:
            self.finish()
        return answer

    def call(self, path: str, route: str = "/info", body: object = None, **headers: str):
        """A request to a deployed endpoint with its key."""
        _, keys = self.send("POST", f"{path}/listKeys")
        _, endpoint = self.send("GET", path)
        target = endpoint["properties"]["scoringUri"].removesuffix("/score").removeprefix("https://localhost") + route
        return self.send("POST" if body else "GET", target, body, **{"authorization": f"Bearer {keys['primaryKey']}", **headers})

    def used(self, region: str = "eastus2", family: str = A100_FAMILY) -> tuple[int, int]:
        _, content = self.send("GET", f"{self.provider}/locations/{region}/usages")
        return next((each["currentValue"], each["limit"]) for each in content["value"] if each["name"]["value"] == family)


@pytest.fixture
def wire(simulator) -> Wire:
    """A fresh simulated Azure without sockets, with the model of the one that runs."""
    azure = SimulatedAzure(assistant=simulator.azure.assistant)
    return Wire(azure)


def code_of(answer: tuple[int, dict]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


def said(answer: tuple[int, dict]) -> str:
    return json.dumps(answer[1])


@pytest.mark.parametrize("name", ["ab", "a" * 33, "1abc", "-abc", "abc-", "a_b", "a.b", "naïve", "a b", "a/b"])
def test_names_have_3_to_32_letters_digits_and_hyphens_and_a_letter_first(wire, name):
    answer = wire.send("PUT", wire.at(name), {"properties": {"authMode": "Key"}})
    assert answer[0] == (404 if "/" in name else 400)
    path = wire.endpoint()
    assert wire.ask_to_deploy(path, name)[0] == (404 if "/" in name else 400)
    assert [each["name"] for each in wire.send("GET", wire.at())[1]["value"]] == ["one"]


@pytest.mark.parametrize("name", ["abc", "a" * 32, "a-1", "Phi-4"])
def test_names_at_the_limits_are_taken(wire, name):
    path = wire.endpoint(name)
    assert wire.send("GET", wire.deploy(path, name))[1]["name"] == name


def test_names_are_the_same_whatever_their_letters_are_like(wire):
    path = wire.endpoint("Phi-4")
    wire.deploy(path, "Blue")
    assert wire.send("GET", wire.at("pHI-4").replace("phi4-lessons", "PHI4-Lessons"))[1]["name"] == "Phi-4"
    assert wire.direct(path, BLUE=100)[0] == 200
    assert wire.call(path)[0] == 200
    assert wire.call(path, **{"azureml-model-deployment": "bLUE"})[0] == 200


def test_a_name_is_taken_in_its_region_only(wire):
    wire.endpoint("one")
    wire.endpoint("one", "phi4-workspace-uksouth")
    roots = [
        wire.send("GET", wire.at("one", name))[1]["properties"]["scoringUri"]
        for name in ("phi4-workspace", "phi4-workspace-uksouth")
    ]
    assert roots[0].endswith("/one.eastus2.inference.ml/score")
    assert roots[1].endswith("/one.uksouth.inference.ml/score")


def test_new_subscriptions_have_no_gpu_quota_in_other_regions(wire):
    path = wire.endpoint("one", "phi4-workspace-uksouth")
    answer = wire.ask_to_deploy(path)
    assert code_of(answer) == (400, "BadRequest")
    inner = json.loads(answer[1]["error"]["details"][0]["message"].partition("error detail: ")[2])
    (text,) = inner["errors"]["VmSize"]
    assert "Current usage/limit: 0/0. Additional needed: 24" in text
    assert inner["status"] == 400
    assert wire.send("GET", f"{path}/deployments")[1]["value"] == []


def test_machines_that_are_too_small_or_unknown_are_refused(wire):
    path = wire.endpoint()
    for size, expected in (("Standard_DS3_v2", "at least 24 vCPUs"), ("Standard_Nonsense", "Unknown VM size Standard_Nonsense")):
        answer = wire.ask_to_deploy(path, size=size)
        assert code_of(answer) == (400, "BadRequest")
        assert expected in said(answer)
    assert wire.used() == (0, 48)


def test_larger_machines_count_with_all_their_cores(wire):
    path = wire.endpoint()
    wire.deploy(path, size=TWO_A100)
    assert wire.used() == (48, 48)
    assert "48/48. Additional needed: 24" in said(wire.ask_to_deploy(path, "green"))


def test_a_change_needs_quota_for_what_is_added_only(wire):
    path = wire.endpoint()
    blue = wire.deploy(path)
    wire.deploy(path, instances=2)
    assert wire.used() == (48, 48)
    assert "48/48. Additional needed: 24" in said(wire.ask_to_deploy(path, instances=3))
    wire.deploy(path, instances=1)
    assert wire.used() == (24, 48)
    assert wire.send("PATCH", blue, {"sku": {"capacity": 2}, "tags": {"a": "b"}})[0] == 200
    wire.finish()
    content = wire.send("GET", blue)[1]
    assert (content["sku"]["capacity"], content["tags"], content["properties"]["model"]) == (2, {"a": "b"}, PHI_4)
    for capacity in (0, -1, 51, None, "many"):
        assert wire.send("PATCH", blue, {"sku": {"capacity": capacity}})[0] == 400


@pytest.mark.parametrize(
    ("traffic", "expected"),
    [
        ({"blue": 99}, "99 per cent"),
        ({"blue": 60, "green": 60}, "120 per cent"),
        ({"blue": 101}, "less than or equal to 100"),
        ({"blue": -1, "green": 101}, "greater than or equal to 0"),
        ({"red": 100}, "'red', which does not exist. There are: blue, green."),
        ({"red": 0}, "'red', which does not exist"),
    ],
)
def test_traffic_that_cannot_be_is_refused_and_changes_nothing(wire, traffic, expected):
    path = wire.endpoint()
    wire.deploy(path), wire.deploy(path, "green")
    wire.direct(path, blue=100)
    answer = wire.direct(path, **traffic)
    assert code_of(answer) == (400, "BadRequest")
    assert expected in said(answer)
    assert wire.send("GET", path)[1]["properties"]["traffic"] == {"blue": 100}


@pytest.mark.parametrize("split", [{"blue": 90, "green": 10}, {"blue": 50, "green": 50}, {"blue": 1, "green": 99}])
def test_of_a_hundred_requests_each_deployment_gets_its_share(wire, split):
    path = wire.endpoint()
    for name in split:
        wire.deploy(path, name)
    wire.direct(path, **split)
    assert all(wire.call(path)[0] == 200 for _ in range(100))
    assert {name: requests_served(wire, path, name) for name in split} == split


def test_shares_come_mixed_and_not_one_after_the_other(wire):
    path = wire.endpoint()
    for name in ("blue", "green"):
        wire.deploy(path, name)
    wire.direct(path, blue=90, green=10)
    for _ in range(30):
        wire.call(path)
    assert requests_served(wire, path, "green") in (2, 3, 4)


def requests_served(wire: Wire, path: str, name: str) -> int:
    """How many requests a deployment's log shows."""
    _, content = wire.send("POST", f"{path}/deployments/{name}/getLogs", {"tail": 200})
    return content["content"].count("GET /info 200")


def test_a_deployment_that_gets_traffic_cannot_be_deleted(wire):
    path = wire.endpoint()
    blue = wire.deploy(path)
    wire.direct(path, blue=100)
    answer = wire.send("DELETE", blue)
    assert code_of(answer) == (400, "BadRequest")
    assert "still gets traffic" in said(answer)
    wire.direct(path, blue=0)
    assert wire.send("DELETE", blue)[0] == 202
    wire.finish()
    assert wire.send("GET", blue)[0] == 404


def test_a_deployment_cannot_be_deleted_while_traffic_is_being_sent_to_it(wire):
    path = wire.endpoint()
    blue = wire.deploy(path)
    wire.send("PUT", path, {"properties": {"authMode": "Key", "traffic": {"blue": 100}}})
    assert wire.send("DELETE", blue)[0] == 409


def test_deleting_an_endpoint_deletes_its_deployments_and_frees_their_quota(wire):
    path = wire.endpoint()
    blue = wire.deploy(path, instances=2)
    wire.direct(path, blue=100)
    bearer = {"authorization": f"Bearer {wire.send('POST', f'{path}/listKeys')[1]['primaryKey']}"}
    assert wire.send("GET", "/one.eastus2.inference.ml/info", **bearer)[0] == 200
    assert wire.send("DELETE", path)[0] == 202
    deleting = wire.last
    assert "No such endpoint" in said(wire.send("GET", "/one.eastus2.inference.ml/info", **bearer))
    shown = wire.send("GET", wire.at())[1]["value"] + wire.send("GET", f"{path}/deployments")[1]["value"]
    assert [each["properties"]["provisioningState"] for each in shown] == ["Deleting", "Deleting"]
    wire.last = deleting
    assert wire.finish()[0] == "Succeeded"
    assert [wire.send("GET", gone)[0] for gone in (path, blue)] == [404, 404]
    assert wire.used() == (0, 48)
    assert wire.send("GET", wire.at())[1]["value"] == []


def test_while_an_operation_runs_the_next_one_is_a_conflict(wire):
    body = {"properties": {"authMode": "Key"}}
    path = wire.at("one")
    wire.send("PUT", path, body)
    created = wire.last
    regenerate = (f"{path}/regenerateKeys", {"keyType": "Primary"})
    assert code_of(wire.send("PUT", path, body)) == (409, "Conflict")
    assert code_of(wire.send("DELETE", path)) == (409, "Conflict")
    assert wire.ask_to_deploy(path)[0] in (400, 409)
    wire.last = created
    wire.finish()
    wire.ask_to_deploy(path)
    deploying = wire.last
    assert code_of(wire.ask_to_deploy(path)) == (409, "Conflict")
    assert code_of(wire.send("PATCH", f"{path}/deployments/blue", {"sku": {"capacity": 2}})) == (409, "Conflict")
    assert code_of(wire.send("DELETE", f"{path}/deployments/blue")) == (409, "Conflict")
    assert "Creating" in said(wire.direct(path, blue=100))
    assert code_of(wire.ask_to_deploy(path, "green")) == (409, "Conflict")  # one thing at a time for the whole endpoint
    assert code_of(wire.send("POST", *regenerate)) == (409, "Conflict")
    assert code_of(wire.send("DELETE", path)) == (409, "Conflict")
    wire.last = deploying
    wire.finish()
    assert wire.send("POST", *regenerate)[0] == 202
    regenerating = wire.last
    assert code_of(wire.ask_to_deploy(path, "green")) == (409, "Conflict")
    wire.last = regenerating
    wire.finish()
    wire.send("DELETE", f"{path}/deployments/blue")
    assert code_of(wire.ask_to_deploy(path)) == (409, "Conflict")


def test_trying_again_makes_no_machine_free(wire):
    path = wire.endpoint()
    wire.ask_to_deploy(path, "green", H100)
    assert wire.finish()[0] == "Failed"
    green = f"{path}/deployments/green"
    for method, body in (("PUT", None), ("PATCH", {"tags": {"a": "b"}})):
        answer = wire.ask_to_deploy(path, "green", H100) if method == "PUT" else wire.send("PATCH", green, body)
        assert answer[0] == 200
        state, content = wire.finish()
        assert (state, content["error"]["code"]) == ("Failed", "OutOfQuota")
    assert wire.send("GET", green)[1]["properties"]["provisioningState"] == "Failed"


def test_a_change_that_needs_no_machine_takes_no_machines_time(wire):
    subscription = wire.azure.control_plane.subscription
    path = wire.endpoint()
    blue = wire.deploy(path)
    before = subscription.clock
    wire.send("PATCH", blue, {"tags": {"a": "b"}})
    wire.finish()
    assert 0 < subscription.clock - before <= 5 * 60
    assert "scaled" not in wire.send("POST", f"{blue}/getLogs", {})[1]["content"]
    wire.deploy(path, requestSettings={"requestTimeout": "PT1M"})
    assert subscription.clock - before <= 10 * 60
    assert "scaled" not in wire.send("POST", f"{blue}/getLogs", {})[1]["content"]


def test_whoever_looks_at_a_list_sees_a_deletion_end(wire):
    """What a person does who did not wait for a deletion: list what is there, again and again."""
    path = wire.endpoint()
    wire.deploy(path)
    wire.deploy(path, "green")
    wire.send("DELETE", f"{path}/deployments/green")
    names = [[each["name"] for each in wire.send("GET", f"{path}/deployments")[1]["value"]] for _ in range(4)]
    assert names[-1] == ["blue"]
    wire.send("DELETE", path)
    assert [len(wire.send("GET", wire.at())[1]["value"]) for _ in range(4)][-1] == 0
    assert wire.used() == (0, 48)


def test_deleting_what_is_not_there_is_done_at_once(wire):
    path = wire.endpoint()
    for gone in (wire.at("missing"), f"{path}/deployments/missing"):
        assert wire.send("DELETE", gone)[0] == 204
    assert wire.send("DELETE", f"{wire.at('missing')}/deployments/blue")[0] == 404  # which endpoint?


def test_scripts_without_an_sdk_find_the_operation_in_the_body(wire):
    """As the public sample deploy-rest.sh does: properties.properties.AzureAsyncOperationUri."""
    path = wire.endpoint()
    _, made = wire.send("PUT", wire.at("two"), {"properties": {"authMode": "Key"}})
    assert made["properties"]["properties"]["AzureAsyncOperationUri"] == wire.last.headers["Azure-AsyncOperation"]
    _, made = wire.ask_to_deploy(path)
    assert made["properties"]["properties"]["AzureAsyncOperationUri"] == wire.last.headers["Azure-AsyncOperation"]
    assert "AzureAsyncOperationUri" not in said(wire.send("GET", path))


@pytest.mark.parametrize(
    ("location", "code"),
    [(None, "LocationRequired"), ("", "LocationRequired"), ("mars", "LocationNotAvailableForResourceType")],
)
def test_a_resource_has_to_say_where_it_lives(wire, location, code):
    path = wire.endpoint()
    assert code_of(wire.send("PUT", wire.at("two"), {"location": location, "properties": {"authMode": "Key"}})) == (400, code)
    properties = {"endpointComputeType": "Managed", "model": PHI_4, "instanceType": A100}
    there = {"location": location, "properties": properties}
    assert code_of(wire.send("PUT", f"{path}/deployments/blue", there)) == (400, code)
    assert wire.send("PUT", wire.at("two"), {"location": "East US 2", "properties": {"authMode": "Key"}})[0] == 201


def test_properties_of_an_endpoint_can_be_added_but_neither_removed_nor_altered(wire):
    path = wire.endpoint(properties={"a": "1"})
    for given in ({"a": "2", "b": "3"}, {}):
        wire.send("PUT", path, {"properties": {"authMode": "Key", "properties": given}})
        wire.finish()
        assert wire.send("GET", path)[1]["properties"]["properties"] == {"a": "1", "b": "3"}


def test_what_is_sent_along_comes_back(wire):
    given = {"description": "for the course", "publicNetworkAccess": "disabled"}
    body = {"identity": {"type": "SystemAssigned, UserAssigned"}, "properties": {"authMode": "Key", **given}}
    wire.send("PUT", wire.at("one"), body)
    wire.finish()
    shown = wire.send("GET", wire.at("one"))[1]
    assert shown["identity"]["type"] == "SystemAssigned, UserAssigned"
    assert shown["properties"]["description"] == "for the course"
    assert shown["properties"]["publicNetworkAccess"] == "Disabled"
    probe = {"initialDelay": "PT10M", "period": "PT11S", "timeout": "PT3S", "successThreshold": 1, "failureThreshold": 7}
    given = {"description": "blue", "environmentVariables": {"A": "b"}, "livenessProbe": probe, "readinessProbe": probe}
    settings = {"requestTimeout": "PT1M", "maxQueueWait": "PT2S"}
    blue = wire.deploy(wire.at("one"), **given, requestSettings=settings)
    shown = wire.send("GET", blue)[1]["properties"]
    assert {name: shown[name] for name in given} == given
    assert shown["requestSettings"]["maxQueueWait"] == "PT2S"
    scaled = {"scaleSettings": {"scaleType": "TargetUtilization"}}
    assert "scaleType" in said(wire.ask_to_deploy(wire.at("one"), "green", **scaled))


def test_mirrored_requests_are_copied_to_a_deployment_whose_answers_nobody_sees(wire):
    path = wire.endpoint()
    wire.deploy(path), wire.deploy(path, "green")

    def mirror(traffic: dict, **shares: int):
        answer = wire.send("PUT", path, {"properties": {"authMode": "Key", "traffic": traffic, "mirrorTraffic": shares}})
        if answer[0] == 200:
            wire.finish()
        return answer

    for shares, expected in (({"red": 10}, "'red', which does not exist"), ({"green": 51}, "At most 50"), ({"blue": 10}, "both")):
        assert expected in said(mirror({"blue": 100}, **shares))
    assert mirror({"blue": 100}, green=10)[0] == 200
    assert wire.send("GET", path)[1]["properties"]["mirrorTraffic"] == {"green": 10}
    assert all(wire.call(path)[0] == 200 for _ in range(100))
    assert requests_served(wire, path, "blue") == 100
    log = wire.send("POST", f"{path}/deployments/green/getLogs", {"tail": 200})[1]["content"]
    assert log.count("GET /info, mirrored") == 10
    assert wire.send("DELETE", f"{path}/deployments/green")[0] == 202
    wire.finish()
    assert all(wire.call(path)[0] == 200 for _ in range(20))  # and nobody gets copies any more


@pytest.mark.parametrize(("instances", "at_once", "room"), [(1, 1, 2), (2, 1, 4), (1, 4, 8)])
def test_more_requests_than_twice_those_computed_at_a_time_are_turned_away(wire, instances, at_once, room):
    path = wire.endpoint()
    wire.deploy(path, instances=instances, requestSettings={"maxConcurrentRequestsPerInstance": at_once})
    key = wire.send("POST", f"{path}/listKeys")[1]["primaryKey"]
    headers = {"authorization": f"Bearer {key}", "azureml-model-deployment": "blue"}
    request = Request("GET", "/one.eastus2.inference.ml/info", "", headers)
    under_way = [wire.azure.handle(request) for _ in range(room)]  # none of them has been sent yet
    assert [each.status for each in under_way] == [200] * room
    refused = wire.azure.handle(request)
    assert (refused.status, refused.body) == (429, b"")
    assert refused.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
    assert "Retry-After" not in refused.headers
    under_way.pop().on_close()
    assert wire.azure.handle(request).status == 200


def test_waits_are_short_since_clients_are_told_to_ask_again_in_milliseconds(wire):
    path = wire.endpoint()
    assert wire.ask_to_deploy(path)[0] == 201
    waits = [wire.last.headers["retry-after-ms"]]
    operation = wire.last.headers["Azure-AsyncOperation"].removeprefix("https://localhost:1").partition("?")[0]
    wire.send("GET", operation)
    waits.append(wire.last.headers["retry-after-ms"])
    [wire.send("GET", operation) for _ in range(4)]
    wire.send("DELETE", f"{path}/deployments/blue")
    waits.append(wire.last.headers["retry-after-ms"])
    assert all(0 < int(wait) <= 100 for wait in waits)


def test_models_of_the_registry_come_with_the_newest_version_first(ml, cloud):
    registry = MLClient(DefaultAzureCredential(), registry_name="azureml", enable_telemetry=False)
    assert registry.models.get("Phi-4", label="latest").version == "8"
    assert [each.version for each in registry.models.list("Phi-4")] == ["8", "7"]
    assert registry.models.get("Phi-4", version="7").id.endswith("/Phi-4/versions/7")


def test_the_client_lists_all_models_of_the_registry(ml, cloud):
    registry = MLClient(DefaultAzureCredential(), registry_name="azureml", enable_telemetry=False)
    names = {each.name: each.latest_version for each in registry.models.list()}
    assert names == {"Phi-4": "8", "Phi-4-mini-instruct": "1", "Phi-4-reasoning": "1", "Phi-4-mini-reasoning": "1"}


def test_a_deployment_says_how_far_it_can_be_scaled(manager, place, served):
    (sku,) = manager.online_deployments.list_skus(*place, "served", "blue")
    assert (sku.capacity.minimum, sku.capacity.maximum, sku.capacity.default) == (1, 50, 1)
    assert sku.sku.name == "Default"


def test_quota_is_named_as_in_the_portal(manager):
    family = next(each for each in manager.usages.list("eastus2") if each.name.value == A100_FAMILY)
    assert family.name.localized_value == "Standard NCADSA100v4 Family Cluster Dedicated vCPUs"
    assert family.type == "Microsoft.MachineLearningServices/vmFamily/usages"
    assert family.unit == "Count"


@pytest.mark.parametrize("deployment_name", [None, "blue"])
def test_the_clients_own_invoke_gets_an_answer_at_the_scoring_uri(ml, served, tmp_path, deployment_name):
    question = {"input_string": [{"role": "user", "content": FRANCE[0].content}], "parameters": {"do_sample": False}}
    file = tmp_path / "sample.json"
    file.write_text(json.dumps({"input_data": question}), encoding="utf-8")
    answer = ml.online_endpoints.invoke("served", deployment_name=deployment_name, request_file=str(file))
    assert json.loads(answer) == {"output": PARIS}


def test_the_scoring_route_answers_200_with_nothing_to_what_it_cannot_use(wire):
    """A trap of the container: no status tells that the request was wrong."""
    path = wire.endpoint()
    wire.deploy(path)
    wire.direct(path, blue=100)
    long = {"input_string": [{"role": "user", "content": "Tell me a long story about a lighthouse."}]}
    for body in (
        {"messages": []},
        {"input_data": "What?"},
        {"input_data": {"input_string": []}},
        b"{",
        b"[1]",
        {"input_data": {}},
    ):
        assert wire.call(path, "/score", body) == (200, {})
    short = wire.call(path, "/score", {"input_data": {**long, "parameters": {"max_new_tokens": 3, "do_sample": False}}})
    assert len(short[1]["output"].split()) <= 3
    never = {"max_new_tokens": 400, "do_sample": False, "logit_bias": NEVER_ENDS["logit_bias"]}
    assert wire.call(path, "/score", {"input_data": {**long, "parameters": never}})[0] == 408


def test_an_operation_shows_its_states_and_the_resource_shows_them_too(wire):
    path = wire.endpoint()
    wire.ask_to_deploy(path)
    assert wire.last.headers["x-ms-async-operation-timeout"]
    operation = wire.last.headers["Azure-AsyncOperation"].removeprefix("https://localhost:1").partition("?")[0]
    states = [wire.send("GET", operation)[1]["status"] for _ in range(5)]
    assert states == ["InProgress"] * 3 + ["Succeeded"] * 2
    wire.ask_to_deploy(path, "green")
    states = [wire.send("GET", f"{path}/deployments/green")[1]["properties"]["provisioningState"] for _ in range(5)]
    assert states == ["Creating"] * 3 + ["Succeeded"] * 2
    assert wire.send("DELETE", f"{path}/deployments/green")[0] == 202
    results = wire.last.headers["Location"].removeprefix("https://localhost:1").partition("?")[0]
    assert [wire.send("GET", results)[0] for _ in range(3)] == [202, 204, 204]
    assert wire.send("GET", operation + "0")[0] == 404


def test_a_deployment_serves_while_it_is_scaled_and_not_while_it_is_made(wire):
    path = wire.endpoint()
    wire.ask_to_deploy(path)
    to_blue = {"azureml-model-deployment": "blue"}
    assert wire.call(path, **to_blue)[0] == 404
    wire.send("GET", path), [wire.send("GET", f"{path}/deployments/blue") for _ in range(4)]
    assert wire.call(path, **to_blue)[0] == 200
    wire.ask_to_deploy(path, instances=2)
    assert wire.send("GET", f"{path}/deployments")[1]["value"][0]["properties"]["provisioningState"] == "Updating"
    assert wire.call(path, **to_blue)[0] == 200


def test_simulated_time_stands_still_but_for_operations(wire):
    subscription = wire.azure.control_plane.subscription
    path = wire.endpoint()
    before = subscription.clock
    blue = wire.deploy(path)
    assert subscription.clock - before == pytest.approx(17 * 60)
    for _ in range(50):
        wire.send("GET", blue), wire.send("GET", path), wire.send("GET", wire.at()), wire.used()
    assert subscription.clock - before == pytest.approx(17 * 60)
    made = datetime.fromisoformat(wire.send("GET", blue)[1]["systemData"]["createdAt"])
    assert abs(datetime.now(UTC) - made - timedelta(minutes=17)) < timedelta(seconds=5)
    wire.deploy(path, instances=2)
    made = datetime.fromisoformat(wire.send("GET", blue)[1]["systemData"]["createdAt"])
    assert abs(datetime.now(UTC) - made - timedelta(minutes=17 + 15)) < timedelta(seconds=5)


def test_shared_quota_leaves_ones_own_alone_and_ends_after_168_hours(wire):
    subscription = wire.azure.control_plane.subscription
    made = subscription.clock
    path = wire.endpoint("shared", "phi4-workspace-uksouth", properties={"SharedComputeCapacityEnabled": "true"})
    wire.deploy(path, instances=3)
    assert wire.used("uksouth") == (0, 0)
    wire.direct(path, blue=100)
    body = {"authMode": "Key", "traffic": {"blue": 100}, "properties": {"SharedComputeCapacityEnabled": "true"}}
    wire.send("PUT", path, {"properties": body})
    wire.finish()
    ends = parsedate_to_datetime(wire.send("GET", path)[1]["properties"]["properties"]["TargetAutoDeletionTime"])
    left = timedelta(hours=168) - timedelta(seconds=subscription.clock - made)
    assert abs(ends - datetime.now(UTC) - left) < timedelta(seconds=5)
    subscription.pass_time(left.total_seconds() - 1)
    assert wire.call(path)[0] == 200
    subscription.pass_time(2)
    assert wire.send("GET", path)[0] == 404
    assert wire.send("GET", wire.at(workspace="phi4-workspace-uksouth"))[1]["value"] == []


def test_an_endpoint_stays_what_it_was_made_as_on_shared_quota_or_not(wire):
    subscription = wire.azure.control_plane.subscription
    own = wire.endpoint("own")
    shared = wire.endpoint("shared", properties={"SharedComputeCapacityEnabled": "true"})
    wire.deploy(own, instances=2)
    wire.send("PUT", own, {"properties": {"authMode": "Key", "properties": {"SharedComputeCapacityEnabled": "true"}}})
    wire.finish() if wire.last.status == 200 else None
    assert wire.used() == (48, 48)
    wire.direct(shared)  # its properties left out
    subscription.pass_time(200 * 3600)
    assert [wire.send("GET", path)[0] for path in (own, shared)] == [200, 404]


def test_an_old_operation_does_not_delete_a_new_endpoint_of_the_same_name(wire):
    subscription = wire.azure.control_plane.subscription
    path = wire.endpoint(properties={"SharedComputeCapacityEnabled": "true"})
    wire.send("DELETE", path)
    deleting = wire.last
    subscription.pass_time(200 * 3600)
    wire.endpoint()
    wire.last = deleting
    wire.finish()
    assert wire.send("GET", path)[0] == 200


def test_the_same_calls_give_the_same_answers_but_for_ids_keys_and_times(simulator):
    def story() -> list[object]:
        wire = Wire(SimulatedAzure())
        path = wire.endpoint()
        seen = [wire.ask_to_deploy(path), wire.finish(), wire.direct(path, blue=100), wire.ask_to_deploy(path, "green", H100)]
        seen += [wire.finish(), wire.ask_to_deploy(path, "red", instances=9), wire.send("GET", wire.at()), wire.used()]
        seen += [wire.send("POST", f"{path}/deployments/blue/getLogs"), wire.send("GET", f"{path}/deployments")]
        return re.sub(r"[0-9a-f]{16,}|\d{4}-\d\d-\d\dT[\d:.+]+", "*", json.dumps(seen))

    assert story() == story()


# Who may, and what is asked


def test_nobody_manages_without_a_token_for_it(wire, monkeypatch):
    path = wire.at()

    def answer(authorization: str) -> tuple[int, str]:
        return code_of(wire.send("GET", path, authorization=authorization))

    assert answer("") == answer("Basic abc") == answer("Bearer ") == (401, "AuthenticationFailed")
    assert answer("Bearer nonsense") == answer(f"Bearer {wire.azure.key}") == (401, "InvalidAuthenticationToken")
    assert code_of(wire.send("GET", path, authorization="", **{"api-key": wire.azure.key}))[0] == 401
    for audience in ("https://graph.microsoft.com", "https://ml.azure.com", "https://cognitiveservices.azure.com"):
        token = wire.sign_in(audience)
        assert answer(f"Bearer {token}") == (401, "InvalidAuthenticationTokenAudience")
        assert audience in said(wire.send("GET", path, authorization=f"Bearer {token}"))
    for audience in ("https://management.azure.com/", "https://management.core.windows.net", "https://localhost:1"):
        assert wire.send("GET", path, authorization=f"Bearer {wire.sign_in(audience)}")[0] == 200
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_401)
    assert answer(f"Bearer {wire.token}") == (401, "InvalidAuthenticationToken")


def test_a_token_for_managing_does_not_open_an_endpoint(wire):
    path = wire.endpoint("signed-in", mode="AADToken")
    wire.deploy(path)
    to_blue = {"azureml-model-deployment": "blue"}
    target = "/signed-in.eastus2.inference.ml/info"
    statuses = [
        wire.send("GET", target, authorization=f"Bearer {wire.sign_in(audience)}", **to_blue)[0]
        for audience in ("https://management.azure.com", "https://ml.azure.com", "https://graph.microsoft.com")
    ]
    assert statuses == [401, 200, 401]


def test_keys_and_tokens_are_given_out_where_the_endpoint_has_them_only(wire):
    key, token = wire.endpoint("one"), wire.endpoint("two", mode="AMLToken")
    assert wire.send("POST", f"{key}/listKeys")[0] == wire.send("POST", f"{token}/token")[0] == 200
    assert wire.send("POST", f"{key}/token")[0] == wire.send("POST", f"{token}/listKeys")[0] == 400
    assert wire.send("POST", f"{token}/regenerateKeys", {"keyType": "Primary"})[0] == 400
    assert "cannot be changed" in said(wire.send("PUT", key, {"properties": {"authMode": "AADToken"}}))
    assert "primaryKey" not in said(wire.send("GET", key))


def test_an_endpoints_token_ends_and_opens_no_other(wire, monkeypatch):
    for name in ("one", "two"):
        wire.deploy(wire.endpoint(name, mode="AMLToken"))
    token = wire.send("POST", f"{wire.at('one')}/token")[1]["accessToken"]

    def status(name: str) -> int:
        given = {"authorization": f"Bearer {token}", "azureml-model-deployment": "blue"}
        return wire.send("GET", f"/{name}.eastus2.inference.ml/info", **given)[0]

    assert (status("one"), status("two")) == (200, 401)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601)
    assert status("one") == 401


@pytest.mark.parametrize("value", ["short", "with blank in it", "größer-als-das", "line\nbreak-key"])
def test_keys_of_ones_own_that_no_header_can_carry_or_hide_are_refused(wire, value):
    answer = wire.send("POST", f"{wire.endpoint()}/regenerateKeys", {"keyType": "Primary", "keyValue": value})
    assert code_of(answer) == (400, "BadRequest")
    assert value not in said(answer)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/subscriptions/other/resourceGroups/{group}/providers/{provider}/workspaces/{workspace}",
            (404, "SubscriptionNotFound"),
        ),
        ("/subscriptions/{id}/resourceGroups/other/providers/{provider}/workspaces/{workspace}", (404, "ResourceGroupNotFound")),
        ("/subscriptions/{id}/resourceGroups/{group}/providers/{provider}/workspaces/other", (404, "ResourceNotFound")),
        ("{one}/other", (404, "ResourceNotFound")),
        ("/subscriptions/{id}/providers/{provider}/locations/mars/usages", (400, "NoRegisteredProviderFound")),
        ("/subscriptions/{id}/resourceGroups/{group}/providers/Microsoft.Nonsense/things", (404, "InvalidResourceType")),
        ("/registrymanagement/v1.0/registries/other/discovery", (404, "RegistryNotFound")),
        ("/subscriptions/a/resourceGroups/b/providers/{provider}/registries/azureml/models/GPT/versions/1", (404, "NotFound")),
        ("/subscriptions/a/resourceGroups/b/providers/{provider}/registries/azureml/models/Phi-4/versions/99", (404, "NotFound")),
        ("/subscriptions/{id}/providers/{provider}/locations/eastus2/mfeOperationsStatus/other", (404, "NotFound")),
    ],
)
def test_what_is_not_there_is_named(wire, path, expected):
    azure = wire.azure
    names = {"id": azure.subscription_id, "group": azure.resource_group, "workspace": azure.workspace, "provider": PROVIDER}
    assert code_of(wire.send("GET", path.format(**names, one=wire.at()))) == expected


def test_an_unknown_model_is_refused_with_the_known_ones(wire):
    path = wire.endpoint()
    for model in (PHI_4.replace("/8", "/99"), "azureml:my-model:1", "Phi-4"):
        answer = wire.ask_to_deploy(path, model=model)
        assert answer[0] == 400
        assert model in said(answer)
        assert PHI_4 in said(answer)


def test_another_model_of_the_family_answers_under_its_own_name(wire):
    path = wire.endpoint()
    mini = "azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1"
    wire.deploy(path, model=mini)
    to_blue = {"azureml-model-deployment": "blue"}
    assert wire.call(path, **to_blue)[1]["model_name"] == "Phi-4-mini-instruct"
    question = {"messages": [{"role": "user", "content": FRANCE[0].content}], "temperature": 0}
    assert wire.call(path, CHAT, question, **to_blue)[1]["model"] == "Phi-4-mini-instruct"
    log = wire.send("POST", f"{path}/deployments/blue/getLogs", {})[1]["content"]
    assert "minute 9: downloading Phi-4-mini-instruct" in log and "GiB" not in log  # how much it weighs, nobody has said


def test_a_request_without_an_api_version_is_refused(wire):
    assert code_of(wire.send("GET", wire.at(), query="")) == (400, "MissingApiVersionParameter")
    for version in ("2022-05-01", "2025-06-01", "2024-04-01-preview"):
        assert wire.send("GET", wire.at(), query=f"api-version={version}")[0] == 200
    for version in ("banana", "latest", "2022"):
        assert code_of(wire.send("GET", wire.at(), query=f"api-version={version}")) == (400, "InvalidApiVersionParameter")


def test_a_wrong_method_says_which_are_right(wire):
    answer = wire.send("POST", wire.at(), {})
    assert code_of(answer) == (405, "MethodNotAllowed")
    assert "only GET" in said(answer)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'"text"'])
def test_a_body_that_is_no_json_object_is_refused(wire, body):
    path = wire.endpoint()
    wire.deploy(path)
    for method, target in (("PUT", path), ("PUT", f"{path}/deployments/blue"), ("PATCH", f"{path}/deployments/blue")):
        assert code_of(wire.send(method, target, body)) == (400, "InvalidRequestContent")
    assert code_of(wire.send("POST", f"{path}/regenerateKeys", body)) == (400, "InvalidRequestContent")


@pytest.mark.parametrize("depth", [100, 900, *range(960, 1000, 4)])
@pytest.mark.parametrize("where", ["properties", "sku", "livenessProbe", "environmentVariables"])
def test_json_of_any_depth_gets_an_answer_below_500(wire, depth, where):
    path = wire.endpoint()
    blue = wire.deploy(path)
    deep = "[" * depth + "NaN" + "]" * depth
    about = f'"endpointComputeType": "Managed", "model": "{PHI_4}", "instanceType": "{A100}"'
    there = '"location": "eastus2"'
    for body in (
        f'{{{there}, "{where}": {{"name": "Default", "x": {deep}}}}}',
        f'{{{there}, "properties": {{{about}, "{where}": {{"x": {deep}}}}}}}',
        f'{{{there}, "properties": {{{about}, "{where}": {deep}}}}}',
    ):
        assert wire.send("PATCH", blue, body.encode())[0] < 500
        wire.send("GET", blue), [wire.send("GET", blue) for _ in range(4)]
        assert wire.send("PUT", blue, body.encode())[0] < 500
        [wire.send("GET", blue) for _ in range(4)]
        json.dumps(wire.send("GET", blue)[1], allow_nan=False)


def test_a_body_that_is_too_large_is_refused(wire):
    answer = wire.send("PUT", wire.at("one"), {"properties": {"authMode": "Key", "description": "x" * (1 << 20)}})
    assert code_of(answer) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"instanceType": None}, "properties.instanceType"),
        ({"model": 5}, "properties.model"),
        ({"endpointComputeType": "Kubernetes"}, "endpointComputeType"),
        ({"requestSettings": {"requestTimeout": "PT5M"}}, "properties.requestSettings.requestTimeout"),
        ({"requestSettings": {"requestTimeout": "soon"}}, "properties.requestSettings.requestTimeout"),
        ({"requestSettings": {"maxConcurrentRequestsPerInstance": 0}}, "maxConcurrentRequestsPerInstance"),
    ],
)
def test_a_field_that_is_wrong_is_named(wire, change, named):
    path = wire.endpoint()
    answer = wire.ask_to_deploy(path, **change)
    assert code_of(answer) == (400, "BadRequest")
    assert named in answer[1]["error"]["message"]


def test_request_settings_come_back_as_durations(wire):
    path = wire.endpoint()
    settings = {"requestTimeout": "PT3M", "maxConcurrentRequestsPerInstance": 16}
    wire.deploy(path, requestSettings=settings)
    shown = wire.send("GET", f"{path}/deployments/blue")[1]["properties"]
    assert shown["requestSettings"]["requestTimeout"] in ("PT3M", "PT180S")
    assert shown["requestSettings"]["maxConcurrentRequestsPerInstance"] == 16
    assert shown["scaleSettings"] == {"scaleType": "Default"}  # azure-ai-ml cannot do without


def test_tags_are_added_without_another_word(wire):
    path = wire.endpoint(traffic={})
    blue = wire.deploy(path)
    assert wire.send("PATCH", path, {"tags": {"a": "1"}})[1]["tags"] == {"a": "1"}
    assert wire.send("PATCH", path, {"tags": {"b": "2"}})[1]["tags"] == {"a": "1", "b": "2"}
    for tags in (5, ["a"], {"a": 1}, {"a": None}):
        assert wire.send("PATCH", path, {"tags": tags})[0] == wire.send("PATCH", blue, {"tags": tags})[0] == 400


def test_limits_of_the_service_hold(wire):
    shared = wire.endpoint(properties={"SharedComputeCapacityEnabled": "true"})
    assert wire.ask_to_deploy(shared, instances=51)[0] == 400
    for number in range(20):
        wire.deploy(shared, f"blue-{number}", instances=50)
    assert "20 deployments" in said(wire.ask_to_deploy(shared, "one-more"))
    for number in range(99):
        wire.endpoint(f"number-{number}")
    assert "100 endpoints" in said(wire.send("PUT", wire.at("one-more"), {"properties": {"authMode": "Key"}}))


def test_a_new_endpoint_cannot_have_traffic_and_an_unknown_way_to_sign_in_is_named(wire):
    body = {"properties": {"authMode": "Key", "traffic": {"blue": 100}}}
    assert "no deployments yet" in said(wire.send("PUT", wire.at("one"), body))
    assert "AMLToken" in said(wire.send("PUT", wire.at("one"), {"properties": {"authMode": "Password"}}))
    assert wire.send("GET", wire.at())[1]["value"] == []


def test_only_the_inference_routes_are_there_under_a_deployed_endpoint(wire):
    path = wire.endpoint()
    wire.deploy(path)
    to_blue = {"azureml-model-deployment": "blue"}
    for route in ("/msi/token", "/simulator/requests", "/subscriptions/x", "/nonsense"):
        assert wire.call(path, route, **to_blue)[0] == 424
    wire.call(path, "/", **to_blue)
    assert wire.last.body == b"healthy"


def test_faults_on_request_come_from_deployed_endpoints_too_but_not_before_the_key(wire):
    path = wire.endpoint()
    wire.deploy(path)
    to_blue = {"azureml-model-deployment": "blue"}
    assert wire.call(path, **to_blue, **{"x-simulated-fault": "429; retry-after=1"})[0] == 429
    assert wire.last.headers["Retry-After"] == "1"
    assert wire.call(path, **to_blue, **{"x-simulated-fault": "nonsense"})[0] == 400
    wrong = {"authorization": "Bearer wrong", "x-simulated-fault": "nonsense"}
    assert wire.call(path, **to_blue, **wrong)[0] == 401


def test_a_subscription_with_a_name_of_any_letters_can_be_managed(simulator):
    azure = SimulatedAzure(subscription_id="тест 1", resource_group="gruppe-ä", workspace="raum")
    wire = Wire(azure)
    status, _ = wire.send("PUT", f"{wire.group}/workspaces/raum/onlineEndpoints/one", {"properties": {"authMode": "Key"}})
    assert status == 201
    assert all(value.isascii() and " " not in value for value in wire.last.headers.values())


def test_nothing_that_is_sent_makes_the_control_plane_fail(cloud, ml, served):
    """Random JSON for every route and method over real sockets: the simulator must have an answer below 500."""
    chance = random.Random(4)
    azure = cloud.azure
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    group = f"/subscriptions/{azure.subscription_id}/resourceGroups/{azure.resource_group}/providers/{PROVIDER}"
    one = f"{group}/workspaces/{azure.workspace}/onlineEndpoints/junk"
    leaves = [
        None,
        True,
        0,
        -1,
        1e308,
        float("nan"),
        float("inf"),
        10**30,
        "",
        "x",
        "\ud800",
        "PT1M",
        "P9999999D",
        "Key",
        PHI_4,
        A100,
    ]
    leaves += ["Managed", "blue", "\x00", "😀" * 50, "azureml://registries/azureml/models/Phi-4", [], {}]
    fields = "properties authMode traffic sku capacity tags model instanceType endpointComputeType requestSettings requestTimeout"
    fields += " maxConcurrentRequestsPerInstance environmentVariables livenessProbe description keyType keyValue tail name blue"
    fields += " SharedComputeCapacityEnabled TargetAutoDeletionTime properties"

    def junk(depth: int = 0) -> object:
        kind = chance.random()
        if depth > 4 or kind < 0.3:
            return chance.choice(leaves)
        if kind < 0.4:
            return [junk(depth + 1) for _ in range(chance.randrange(3))]
        return {chance.choice(fields.split()): junk(depth + 1) for _ in range(chance.randrange(6))}

    def almost_right() -> object:
        right: dict = {
            "sku": {"name": "Default", "capacity": 1},
            "tags": {"a": "b"},
            "keyType": "Primary",
            "properties": {
                "authMode": "Key",
                "endpointComputeType": "Managed",
                "model": PHI_4,
                "instanceType": A100,
                "requestSettings": {"requestTimeout": "PT1M"},
            },
        }
        where = chance.choice([right, right["properties"], right["sku"], right["properties"]["requestSettings"]])
        where[chance.choice(fields.split())] = junk(3)
        return right

    targets = [f"{group}/workspaces/{azure.workspace}", one, f"{one}/listKeys", f"{one}/regenerateKeys", f"{one}/token"]
    targets += [f"{one}/deployments/blue", f"{one}/deployments/blue/getLogs", f"{one}/deployments/blue/skus", "/subscriptions/"]
    targets += [
        f"{group}/../%2e%2e/%00",
        f"{one}%0d%0aX: y",
        "/metadata/endpoints",
        "/mferp/x",
        "/junk.eastus2.inference.ml/score",
    ]
    targets += [f"/subscriptions/{azure.subscription_id}/providers/{PROVIDER}/locations/ea%C5%BFtus2/usages", f"{one}/token%FF"]
    session, statuses = requests.Session(), Counter()
    session.headers["Authorization"] = f"Bearer {token}"
    for _ in range(500):
        body = json.dumps(chance.choice([junk, almost_right])())
        path, method = chance.choice(targets), chance.choice(["PUT", "PUT", "PATCH", "POST", "GET", "DELETE"])
        answer = session.request(method, f"{cloud.http_url}{path}?api-version=2023-04-01", data=body, timeout=10)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, (method, path, body, answer.text)
        if answer.content and "json" in answer.headers["content-type"]:
            json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert not cloud.errors, cloud.errors[0]
    assert len(statuses) > 4, statuses  # or nothing was tried


def test_requests_from_many_threads_leave_the_books_in_order(cloud, ml, manager, place):
    used, outcomes = usage_of(manager)[0], []

    def race(number: int) -> None:
        try:
            deploy(manager, place, make_endpoint(manager, place, f"racer-{number}"), "blue")
            outcomes.append("deployed")
        except HttpResponseError as error:
            outcomes.append("quota" if "usage/limit" in str(error) else str(error))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    room = (48 - used) // 24
    assert Counter(outcomes) == Counter(["deployed"] * room + ["quota"] * (4 - room))
    assert usage_of(manager)[0] == used + 24 * room
    for number in range(4):
        manager.online_endpoints.begin_delete(*place, f"racer-{number}").result()
    assert usage_of(manager)[0] == used
