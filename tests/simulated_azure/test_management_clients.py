"""The control plane over real sockets: with Microsoft's two management clients, and with junk."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import requests
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    OnlineRequestSettings,
)
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.identity import DefaultAzureCredential
from azure.mgmt.machinelearningservices import MachineLearningServicesMgmtClient
from azure.mgmt.machinelearningservices import models as arm
from openai import AuthenticationError, OpenAI
from wire import (
    A100,
    A100_FAMILY,
    ANSWER,
    H100,
    H100_FAMILY,
    NEVER_ENDS,
    PHI_4,
    PROVIDER,
    QUESTION,
)

from simulated_azure.management import control_plane
from simulated_azure.transports.sockets import Simulator

NAMES = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE")
MESSAGES = [UserMessage(QUESTION)]
TIMEOUT = 60  # seconds: a guard, never waited for
SERVE = "azureml://registries/azureml/environments/foundation-model-serve/versions/1"


@pytest.fixture(scope="module")
def cloud(assistant) -> Iterator[Simulator]:
    """A simulated Azure that the environment variables name, as they do in a notebook."""
    simulator = Simulator(assistant=assistant)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "AZUREML_CURRENT_CLOUD", ""
        )  # azure-ai-ml sets it: so that it is gone afterwards
        patch.delenv("AZUREML_CURRENT_CLOUD")
        for name, value in simulator.variables().items():
            patch.setenv(name, value)
        patch.setitem(control_plane.POLLING_HEADERS, "retry-after-ms", "1")  # a test needs no dots
        yield simulator
    simulator.stop()
    assert not simulator.errors, "\n".join(simulator.errors)


@pytest.fixture(scope="module")
def ml(cloud) -> MLClient:
    """The client, created as the lessons create it."""
    names = [os.environ[name] for name in NAMES]
    return MLClient(DefaultAzureCredential(), *names, enable_telemetry=False)


@pytest.fixture(scope="module")
def manager(cloud) -> Iterator[MachineLearningServicesMgmtClient]:
    """The other management client, which shows error codes and states more plainly."""
    with MachineLearningServicesMgmtClient(
        DefaultAzureCredential(),
        os.environ["AZURE_SUBSCRIPTION_ID"],
        base_url=cloud.url,
        credential_scopes=[f"{cloud.url}/.default"],
        polling_interval=0.01,
    ) as client:
        yield client


@pytest.fixture(scope="module")
def place(cloud) -> tuple[str, str]:
    """Resource group and workspace."""
    return cloud.azure.resource_group, cloud.azure.workspace


@pytest.fixture(scope="module")
def served(ml) -> SimpleNamespace:
    """An endpoint whose deployment ``blue`` gets all traffic: its root and its key."""
    endpoint = ManagedOnlineEndpoint(name="served", auth_mode="key")
    ml.online_endpoints.begin_create_or_update(endpoint).result()
    blue = new_deployment("blue", "served", request_timeout_ms=180_000)
    ml.online_deployments.begin_create_or_update(blue).result()
    endpoint.traffic = {"blue": 100}
    endpoint = ml.online_endpoints.begin_create_or_update(endpoint).result()
    root = endpoint.scoring_uri.removesuffix("/score")
    return SimpleNamespace(root=root, key=ml.online_endpoints.get_keys("served").primary_key)


@pytest.fixture
def spare(manager, place) -> Iterator[str]:
    """The name of an endpoint without deployments. It is deleted after the test."""
    yield create_endpoint(manager, place, "spare")
    manager.online_endpoints.begin_delete(*place, "spare").result()


def create_endpoint(manager, place, name: str) -> str:
    properties = arm.OnlineEndpointProperties(auth_mode="Key")
    endpoint = arm.OnlineEndpoint(location="eastus2", properties=properties)
    return manager.online_endpoints.begin_create_or_update(*place, name, endpoint).result().name


def new_deployment(name: str, endpoint: str, **settings: int) -> ManagedOnlineDeployment:
    return ManagedOnlineDeployment(
        name=name,
        endpoint_name=endpoint,
        model=PHI_4,
        instance_type=A100,
        instance_count=1,
        request_settings=OnlineRequestSettings(**settings) if settings else None,
    )


def deploy(manager, place, endpoint: str, name: str, size: str = A100, instances: int = 1):
    deployment = arm.OnlineDeployment(
        location="eastus2",
        sku=arm.Sku(name="Default", capacity=instances),
        properties=arm.ManagedOnlineDeployment(model=PHI_4, instance_type=size),
    )
    operation = manager.online_deployments.begin_create_or_update(
        *place, endpoint, name, deployment
    )
    return operation.result()


def chat(root: str, credential) -> ChatCompletionsClient:
    if isinstance(credential, str):
        credential = AzureKeyCredential(credential)
    return ChatCompletionsClient(root, credential)


def ask(root: str, credential, **more) -> str:
    with chat(root, credential) as client:
        response = client.complete(messages=MESSAGES, temperature=0, **more)
        return response.choices[0].message.content


def usage_of(manager, family: str = A100_FAMILY, region: str = "eastus2") -> tuple[int, int]:
    """Return (cores in use, cores allowed)."""
    rows = manager.usages.list(region)
    return next((row.current_value, row.limit) for row in rows if row.name.value == family)


# From an endpoint to its deletion


def test_a_deployment_answers_through_the_real_client_until_its_endpoint_is_deleted(ml, manager):
    endpoints, deployments = ml.online_endpoints, ml.online_deployments
    used = usage_of(manager)[0]
    endpoint = ManagedOnlineEndpoint(name="my-phi4", auth_mode="key", tags={"a": "b"})
    endpoint = endpoints.begin_create_or_update(endpoint).result()
    assert (endpoint.provisioning_state, endpoint.auth_mode) == ("Succeeded", "key")
    assert (endpoint.tags, endpoint.traffic) == ({"a": "b"}, {})
    assert endpoint.scoring_uri.endswith("/my-phi4.eastus2.inference.ml/score")
    blue = deployments.begin_create_or_update(new_deployment("blue", "my-phi4")).result()
    assert (blue.provisioning_state, blue.instance_type) == ("Succeeded", A100)
    assert blue.instance_count == 1
    assert blue.request_settings.request_timeout_ms == 5000
    assert blue.request_settings.max_concurrent_requests_per_instance == 1
    assert usage_of(manager)[0] == used + 24
    endpoint.traffic = {"blue": 100}
    assert endpoints.begin_create_or_update(endpoint).result().traffic == {"blue": 100}
    root = endpoint.scoring_uri.removesuffix("/score")
    key = endpoints.get_keys("my-phi4").primary_key
    assert ask(root, key) == ANSWER
    assert chat(root, key).get_model_info().model_name == "Phi-4"
    log = deployments.get_logs("blue", "my-phi4", lines=50)
    assert "serving" in log
    assert log.splitlines()[-1] == "GET /info 200"
    assert deployments.get_logs("blue", "my-phi4", lines=1).splitlines() == ["GET /info 200"]
    assert [deployment.name for deployment in deployments.list("my-phi4")] == ["blue"]
    assert "my-phi4" in [endpoint.name for endpoint in endpoints.list()]
    endpoints.begin_delete("my-phi4").result()
    assert "my-phi4" not in [endpoint.name for endpoint in endpoints.list()]
    assert usage_of(manager)[0] == used
    with pytest.raises(ResourceNotFoundError):
        ask(root, key)
    with pytest.raises(ResourceNotFoundError):
        endpoints.get("my-phi4")


def test_the_client_lists_workspaces_and_quota(ml):
    workspaces = ["phi4-workspace", "phi4-workspace-westus3", "phi4-workspace-uksouth"]
    assert [workspace.name for workspace in ml.workspaces.list()] == workspaces
    assert ml.workspaces.get("phi4-workspace-westus3").location == "westus3"
    families = [usage.name["value"] for usage in ml.compute.list_usage(location="eastus2")]
    assert A100_FAMILY in families


def test_models_of_the_registry_come_with_the_newest_version_first(cloud):
    registry = MLClient(DefaultAzureCredential(), registry_name="azureml", enable_telemetry=False)
    assert registry.models.get("Phi-4", label="latest").version == "8"
    assert [model.version for model in registry.models.list("Phi-4")] == ["8", "7"]
    assert registry.models.get("Phi-4", version="7").id.endswith("/Phi-4/versions/7")


def test_a_forgotten_deployment_exists_and_can_be_called_and_deleted(place, manager):
    elsewhere = (place[0], place[1] + "-westus3")
    (endpoint,) = manager.online_endpoints.list(*elsewhere)
    (forgotten,) = manager.online_deployments.list(*elsewhere, endpoint.name)
    # 62 hours, and the simulated minutes of the tests before.
    assert datetime.now(UTC) - forgotten.system_data.created_at >= timedelta(hours=62)
    assert endpoint.properties.traffic == {forgotten.name: 100}
    assert usage_of(manager, region="westus3") == (24, 24)
    key = manager.online_endpoints.list_keys(*elsewhere, endpoint.name).primary_key
    assert ask(endpoint.properties.scoring_uri.removesuffix("/score"), key) == ANSWER
    two = arm.PartialMinimalTrackedResourceWithSku(sku=arm.PartialSku(capacity=2))
    with pytest.raises(HttpResponseError, match="24/24. Additional needed: 24"):
        manager.online_deployments.begin_update(*elsewhere, endpoint.name, forgotten.name, two)
    manager.online_endpoints.begin_delete(*elsewhere, endpoint.name).result()
    assert usage_of(manager, region="westus3") == (0, 24)


def test_minutes_pass_by_polling_an_operation_and_not_by_waiting(
    manager, place, spare, monkeypatch
):
    waits, sleep = [], time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (waits.append(seconds), sleep(seconds)))
    deploy(manager, place, spare, "blue")
    assert 0 < len(waits) < 10
    assert sum(waits) < 1  # seconds
    before = datetime.now(UTC)
    created = manager.online_deployments.get(*place, spare, "blue").system_data.created_at
    assert before - created <= timedelta(minutes=17) <= datetime.now(UTC) - created
    manager.online_deployments.begin_delete(*place, spare, "blue").result()


# Quota and machines


def test_scaling_takes_quota_and_deleting_gives_it_back(manager, place, spare):
    used = usage_of(manager)[0]
    deploy(manager, place, spare, "blue")
    assert usage_of(manager)[0] == used + 24
    message = f"Current usage/limit: {used + 24}/48. Additional needed: 48"
    with pytest.raises(HttpResponseError, match=message):
        deploy(manager, place, spare, "blue", instances=3)
    blue = manager.online_deployments.get(*place, spare, "blue")
    assert (blue.sku.capacity, blue.properties.provisioning_state) == (1, "Succeeded")
    manager.online_deployments.begin_delete(*place, spare, "blue").result()
    assert usage_of(manager)[0] == used


def test_without_quota_the_client_says_at_once_how_much_is_used_and_how_much_more_is_needed(
    ml, manager, place, served
):
    assert usage_of(manager) == (24, 48)  # by the deployment of "served"
    two = new_deployment("green", "served")
    two.instance_count = 2
    with pytest.raises(HttpResponseError) as raised:
        ml.online_deployments.begin_create_or_update(two)
    error = raised.value
    assert (error.status_code, error.error.code) == (400, "BadRequest")
    codes = [detail.code for detail in error.error.details]
    assert codes == ["InferencingClientCreateDeploymentFailed"]
    assert "Current usage/limit: 24/48. Additional needed: 48" in str(error)
    assert f"Not enough quota available for {A100}" in str(error)
    names = [deployment.name for deployment in manager.online_deployments.list(*place, "served")]
    assert names == ["blue"]


def test_without_machines_the_operation_fails_late_and_what_is_left_counts(manager, place, spare):
    with pytest.raises(HttpResponseError) as raised:
        deploy(manager, place, spare, "green", H100)
    assert raised.value.error.code == "OutOfQuota"
    assert "No capacity" in raised.value.error.message
    green = manager.online_deployments.get(*place, spare, "green")
    assert green.properties.provisioning_state == "Failed"
    assert usage_of(manager, H100_FAMILY) == (40, 80)
    options = arm.DeploymentLogsRequest()
    assert "gave up" in manager.online_deployments.get_logs(*place, spare, "green", options).content
    traffic = arm.OnlineEndpointProperties(auth_mode="Key", traffic={"green": 100})
    endpoint = arm.OnlineEndpoint(location="eastus2", properties=traffic)
    with pytest.raises(HttpResponseError, match="Failed"):
        manager.online_endpoints.begin_create_or_update(*place, spare, endpoint)
    manager.online_deployments.begin_delete(*place, spare, "green").result()
    assert usage_of(manager, H100_FAMILY) == (0, 80)


# Keys


def test_a_new_key_locks_out_the_old_one_and_leaves_the_other(ml, manager, place):
    create_endpoint(manager, place, "keys")
    before = ml.online_endpoints.get_keys("keys")
    root = ml.online_endpoints.get("keys").scoring_uri.removesuffix("/score")
    ml.online_endpoints.begin_regenerate_keys("keys", key_type="primary").result()
    after = ml.online_endpoints.get_keys("keys")
    assert before.primary_key != after.primary_key
    assert before.secondary_key == after.secondary_key
    with pytest.raises(ClientAuthenticationError):
        ask(root, before.primary_key)
    for key in (after.primary_key, after.secondary_key):
        with pytest.raises(ResourceNotFoundError):  # a valid key, but no deployment
            ask(root, key)
    own = arm.RegenerateEndpointKeysRequest(key_type="Secondary", key_value="a-key-of-my-own")
    manager.online_endpoints.begin_regenerate_keys(*place, "keys", own).result()
    keys = manager.online_endpoints.list_keys(*place, "keys")
    assert keys.secondary_key == "a-key-of-my-own"
    manager.online_endpoints.begin_delete(*place, "keys").result()


def test_each_endpoint_accepts_only_its_own_keys(cloud, served):
    assert ask(served.root, served.key) == ask(cloud.url, cloud.azure.key) == ANSWER
    for root, key in ((served.root, cloud.azure.key), (cloud.url, served.key)):
        with pytest.raises(ClientAuthenticationError):
            ask(root, key)
        with pytest.raises(AuthenticationError):
            OpenAI(base_url=f"{root}/v1", api_key=key).models.list()


def test_no_key_and_no_token_is_remembered_or_logged(cloud, ml, manager, place, served):
    create_endpoint(manager, place, "secrets")
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    own_keys = [f"my-own-key-number-{number}" for number in range(1, 6)]
    group = f"/subscriptions/{cloud.azure.subscription_id}/resourceGroups/{place[0]}"
    endpoints = f"{group}/providers/{PROVIDER}/workspaces/{place[1]}/onlineEndpoints"

    def poll() -> None:
        """Poll until the operation before has ended."""
        for _ in range(3):
            manager.online_endpoints.get(*place, "secrets")

    def regenerate(endpoint: str, body: str) -> requests.Response:
        poll()
        return requests.post(
            f"{cloud.url}{endpoints}/{endpoint}/regenerateKeys?api-version=2023-04-01",
            body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
        )

    escaped = "".join(f"\\u{ord(letter):04x}" for letter in own_keys[4])
    responses = [
        regenerate("secrets", json.dumps({"keyType": "Primary", "keyValue": own_keys[0]})),
        regenerate("secrets", json.dumps({"keyType": "Third", "keyValue": own_keys[1]})),
        regenerate("missing", json.dumps({"keyType": "Primary", "keyValue": own_keys[2]})),
        regenerate("secrets", f'{{"keyType": "Primary", "keyValue": "{own_keys[3]}"'),
        regenerate("secrets", f'{{"keyType": "Secondary", "keyValue": "{escaped}"}}'),
    ]
    assert [response.status_code for response in responses] == [202, 400, 404, 400, 202]
    keys = manager.online_endpoints.list_keys(*place, "served")
    with chat(served.root, served.key) as client:
        text = f"My keys: {keys.secondary_key} {own_keys[0]}, my token: {token}"
        client.complete(messages=[UserMessage(text)])
        with pytest.raises(HttpResponseError):
            client.complete(messages=[UserMessage(keys.primary_key)], temperature=7)
    wrong_path = f"{served.root}/{keys.secondary_key}"
    wrong = requests.get(wrong_path, headers={"api-key": served.key}, timeout=TIMEOUT)
    journal = requests.get(
        f"{cloud.url}/simulator/requests", headers={"api-key": cloud.azure.key}, timeout=TIMEOUT
    )
    stored = journal.text + json.dumps(journal.json(), ensure_ascii=False)
    stored += ml.online_deployments.get_logs("blue", "served", lines=200)
    for secret in (keys.primary_key, keys.secondary_key, token, cloud.azure.key):
        assert secret not in stored
    answers = wrong.text + "".join(response.text for response in responses)
    for secret in own_keys:
        assert secret not in stored + answers
    assert "Primary" in stored  # what is not secret stays
    poll()
    manager.online_endpoints.begin_delete(*place, "secrets").result()


# A deployed endpoint


def test_a_deployed_endpoint_streams(served):
    with chat(served.root, served.key) as client:
        updates = client.complete(messages=MESSAGES, temperature=0, stream=True)
        pieces = [update.choices[0].delta.content or "" for update in updates if update.choices]
    assert len(pieces) > 3
    assert "".join(pieces) == ANSWER


def test_the_openai_client_calls_a_deployed_endpoint_under_v1(served):
    client = OpenAI(base_url=f"{served.root}/v1", api_key=served.key)
    messages = [{"role": "user", "content": QUESTION}]
    answer = client.chat.completions.create(model="Phi-4", messages=messages, temperature=0)
    assert answer.choices[0].message.content == ANSWER


@pytest.mark.parametrize("with_own_name", [False, True])
def test_the_environment_of_a_deployment_chooses_the_server(ml, spare, with_own_name):
    deployment = new_deployment("green", spare)
    deployment.environment = SERVE
    own_name = {"AML_SERVED_MODEL_NAME": "my-phi"} if with_own_name else {}
    deployment.environment_variables = own_name
    ml.online_deployments.begin_create_or_update(deployment).result()
    assert ml.online_deployments.get("green", spare).environment == SERVE
    root = ml.online_endpoints.get(spare).scoring_uri.removesuffix("/score")
    key = ml.online_endpoints.get_keys(spare).primary_key
    to_green = {"azureml-model-deployment": "green"}
    client = OpenAI(base_url=f"{root}/v1", api_key=key, default_headers=to_green)
    (model,) = client.models.list()
    path = "/var/azureml-app/azureml-models/Phi-4/8/mlflow_model_folder/model"
    assert model.id == ("my-phi" if with_own_name else path)
    with chat(root, key) as client, pytest.raises(HttpResponseError) as raised:
        client.get_model_info(headers=to_green)
    assert raised.value.response.headers["ms-azureml-model-error-statuscode"] == "404"
    ml.online_deployments.begin_delete("green", spare).result()


def test_a_long_answer_needs_a_longer_time_out_than_the_default(manager, place, served, spare):
    deploy(manager, place, spare, "green")
    endpoint = manager.online_endpoints.get(*place, spare)
    root = endpoint.properties.scoring_uri.removesuffix("/score")
    key = manager.online_endpoints.list_keys(*place, spare).primary_key
    to_green = {"headers": {"azureml-model-deployment": "green"}}
    assert ask(root, key, **to_green) == ANSWER
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
    assert ask(root, key, headers={"azureml-model-deployment": "green"}) == ANSWER
    with pytest.raises(ResourceNotFoundError):
        ask(root, key, headers={"azureml-model-deployment": "blue"})
    manager.online_deployments.begin_delete(*place, spare, "green").result()


def test_errors_of_the_container_come_as_424_but_a_wrong_key_as_401(served):
    with chat(served.root, served.key) as client, pytest.raises(HttpResponseError) as raised:
        client.complete(messages=MESSAGES, temperature=5)
    assert raised.value.status_code == 424
    headers = raised.value.response.headers
    assert headers["ms-azureml-model-error-statuscode"] == "422"
    assert headers["ms-azureml-model-error-reason"] == "model_error"
    with pytest.raises(ClientAuthenticationError) as refused:
        ask(served.root, "wrong")
    assert "ms-azureml-model-error-statuscode" not in refused.value.response.headers


@pytest.mark.parametrize("deployment_name", [None, "blue"])
def test_invoke_of_the_management_client_gets_an_answer(ml, served, tmp_path, deployment_name):
    content = {
        "input_string": [{"role": "user", "content": QUESTION}],
        "parameters": {"do_sample": False},
    }
    file = tmp_path / "sample.json"
    file.write_text(json.dumps({"input_data": content}), encoding="utf-8")
    answer = ml.online_endpoints.invoke(
        "served", deployment_name=deployment_name, request_file=str(file)
    )
    assert json.loads(answer) == {"output": ANSWER}


# Several clients, several simulators, and junk


def test_two_simulators_share_nothing(assistant, cloud, served):
    other = Simulator(assistant=assistant)
    try:
        endpoints = other.azure.control_plane.subscription.endpoints
        assert ("eastus2", "served") not in endpoints
        answer = requests.get(
            f"{served.root.replace(cloud.url, other.url)}/info",
            headers={"api-key": served.key},
            verify=other.variables()["REQUESTS_CA_BUNDLE"],
            timeout=TIMEOUT,
        )
        assert answer.status_code == 404
    finally:
        other.stop()
    assert not other.errors


def test_requests_from_many_threads_leave_the_quota_correct(manager, place):
    used, outcomes = usage_of(manager)[0], []

    def create(number: int) -> None:
        try:
            deploy(manager, place, create_endpoint(manager, place, f"racer-{number}"), "blue")
            outcomes.append("deployed")
        except HttpResponseError as error:
            outcomes.append("quota" if "usage/limit" in str(error) else str(error))

    threads = [threading.Thread(target=create, args=(number,)) for number in range(4)]
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


LEAVES = [
    *(None, True, 0, -1, 1e308, float("nan"), float("inf"), 10**30),
    *("", "x", "\ud800", "\x00", "😀" * 50, "PT1M", "P9999999D"),
    *("Key", "Managed", "blue", PHI_4, "azureml://registries/azureml/models/Phi-4", A100),
    *([], {}),
]
FIELDS = (
    "properties authMode traffic mirrorTraffic sku capacity tags model instanceType "
    "endpointComputeType requestSettings requestTimeout maxConcurrentRequestsPerInstance "
    "environmentVariables livenessProbe description keyType keyValue tail name blue "
    "SharedComputeCapacityEnabled TargetAutoDeletionTime"
).split()


def random_json(chance: random.Random, depth: int = 0) -> object:
    kind = chance.random()
    if depth > 4 or kind < 0.3:
        return chance.choice(LEAVES)
    if kind < 0.4:
        return [random_json(chance, depth + 1) for _ in range(chance.randrange(3))]
    names = [chance.choice(FIELDS) for _ in range(chance.randrange(6))]
    return {name: random_json(chance, depth + 1) for name in names}


def almost_right_body(chance: random.Random) -> dict:
    """Return a body with one random field."""
    settings = {"requestTimeout": "PT1M"}
    properties = {
        "authMode": "Key",
        "endpointComputeType": "Managed",
        "model": PHI_4,
        "instanceType": A100,
        "requestSettings": settings,
    }
    sku = {"name": "Default", "capacity": 1}
    body = {
        "location": "eastus2",
        "sku": sku,
        "tags": {"a": "b"},
        "keyType": "Primary",
        "properties": properties,
    }
    chance.choice([body, properties, sku, settings])[chance.choice(FIELDS)] = random_json(chance, 3)
    return body


def test_nothing_that_is_sent_makes_the_control_plane_fail(cloud):
    """Send random JSON to every route with every method: each gets an answer below 500."""
    chance = random.Random(4)
    azure = cloud.azure
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
    subscription = f"/subscriptions/{azure.subscription_id}"
    group = f"{subscription}/resourceGroups/{azure.resource_group}/providers/{PROVIDER}"
    endpoint = f"{group}/workspaces/{azure.workspace}/onlineEndpoints/junk"
    paths = [
        f"{group}/workspaces/{azure.workspace}",
        endpoint,
        f"{endpoint}/listKeys",
        f"{endpoint}/regenerateKeys",
        f"{endpoint}/token",
        f"{endpoint}/token%FF",
        f"{endpoint}/deployments/blue",
        f"{endpoint}/deployments/blue/getLogs",
        f"{endpoint}/deployments/blue/skus",
        f"{endpoint}%0d%0aX: y",
        f"{group}/../%2e%2e/%00",
        f"{subscription}/providers/{PROVIDER}/locations/ea%C5%BFtus2/usages",
        "/subscriptions/",
        "/metadata/endpoints",
        "/mferp/x",
        "/junk.eastus2.inference.ml/score",
    ]
    methods = ["PUT", "PUT", "PATCH", "POST", "GET", "DELETE"]
    session, statuses = requests.Session(), Counter()
    session.headers["Authorization"] = f"Bearer {token}"
    for _ in range(500):
        body = json.dumps(chance.choice([random_json, almost_right_body])(chance))
        path, method = chance.choice(paths), chance.choice(methods)
        url = f"{cloud.http_url}{path}?api-version=2023-04-01"
        answer = session.request(method, url, data=body, timeout=TIMEOUT)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, (method, path, body, answer.text)
        if answer.content and "json" in answer.headers["content-type"]:
            json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert not cloud.errors, cloud.errors[0]
    assert len(statuses) > 4, statuses  # or nothing was tried
