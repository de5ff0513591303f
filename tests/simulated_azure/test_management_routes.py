"""The control plane's protocol: who may call it, what it accepts, what it says of what it does not.

What is expected comes from Microsoft's documentation, from public reports and from runs of the
SDKs, not from the simulator's source. Where nobody has published Azure's own words, only the
status, the code and the facts are compared.
"""

from __future__ import annotations

import json
import time

import pytest
from wire import A100, PHI_4, PROVIDER, ROOT, UK_WORKSPACE, WORKSPACE, Wire, code_of, text_of

from simulated_azure.azure import SimulatedAzure

KEY_MODE = {"properties": {"authMode": "Key"}}


# Who may call


def test_nobody_manages_without_a_token_for_it(wire, monkeypatch):
    path = wire.endpoints_path()

    def refusal(authorization: str) -> tuple[int, str]:
        return code_of(wire.send("GET", path, authorization=authorization))

    assert refusal("") == refusal("Basic abc") == refusal("Bearer ")
    assert refusal("") == (401, "AuthenticationFailed")
    assert refusal("Bearer nonsense") == refusal(f"Bearer {wire.azure.key}")
    assert refusal("Bearer nonsense") == (401, "InvalidAuthenticationToken")
    with_key = {"authorization": "", "api-key": wire.azure.key}
    assert wire.send("GET", path, **with_key)[0] == 401
    for audience in (
        "https://graph.microsoft.com",
        "https://ml.azure.com",
        "https://cognitiveservices.azure.com",
    ):
        bearer = f"Bearer {wire.sign_in(audience)}"
        assert refusal(bearer) == (401, "InvalidAuthenticationTokenAudience")
        assert audience in text_of(wire.send("GET", path, authorization=bearer))
    for audience in ("https://management.azure.com/", "https://management.core.windows.net", ROOT):
        bearer = f"Bearer {wire.sign_in(audience)}"
        assert wire.send("GET", path, authorization=bearer)[0] == 200
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 86_401)
    assert refusal(f"Bearer {wire.token}") == (401, "InvalidAuthenticationToken")


def test_where_the_cloud_is_may_be_asked_before_signing_in(wire):
    status, clouds = wire.send("GET", "/metadata/endpoints", authorization="")
    assert (status, clouds[0]["resourceManager"]) == (200, f"{ROOT}/")


# Paths, versions and methods


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "/subscriptions/other/resourceGroups/{group}/providers/{provider}/workspaces/{workspace}",
            (404, "SubscriptionNotFound"),
        ),
        (
            "/subscriptions/{id}/resourceGroups/other/providers/{provider}/workspaces/{workspace}",
            (404, "ResourceGroupNotFound"),
        ),
        (
            "/subscriptions/{id}/resourceGroups/{group}/providers/{provider}/workspaces/other",
            (404, "ResourceNotFound"),
        ),
        ("{endpoints}/other", (404, "ResourceNotFound")),
        (
            "/subscriptions/{id}/providers/{provider}/locations/mars/usages",
            (400, "NoRegisteredProviderFound"),
        ),
        (
            "/subscriptions/{id}/resourceGroups/{group}/providers/Microsoft.Nonsense/things",
            (404, "InvalidResourceType"),
        ),
        ("/registrymanagement/v1.0/registries/other/discovery", (404, "RegistryNotFound")),
        (
            "/subscriptions/a/resourceGroups/b/providers/{provider}/registries/azureml/models/GPT/versions/1",
            (404, "NotFound"),
        ),
        (
            "/subscriptions/a/resourceGroups/b/providers/{provider}/registries/azureml/models/Phi-4/versions/99",
            (404, "NotFound"),
        ),
        (
            "/subscriptions/{id}/providers/{provider}/locations/eastus2/mfeOperationsStatus/other",
            (404, "NotFound"),
        ),
    ],
)
def test_the_error_names_what_does_not_exist(wire, path, expected):
    path = path.format(
        id=wire.azure.subscription_id,
        group=wire.azure.resource_group,
        workspace=wire.azure.workspace,
        provider=PROVIDER,
        endpoints=wire.endpoints_path(),
    )
    assert code_of(wire.send("GET", path)) == expected


def test_a_request_without_an_api_version_is_refused(wire):
    path = wire.endpoints_path()
    assert code_of(wire.send("GET", path, query="")) == (400, "MissingApiVersionParameter")
    for version in ("2022-05-01", "2025-06-01", "2024-04-01-preview"):
        assert wire.send("GET", path, query=f"api-version={version}")[0] == 200
    for version in ("banana", "latest", "2022"):
        answer = wire.send("GET", path, query=f"api-version={version}")
        assert code_of(answer) == (400, "InvalidApiVersionParameter")


def test_a_wrong_method_says_which_are_right(wire):
    answer = wire.send("POST", wire.endpoints_path(), {})
    assert code_of(answer) == (405, "MethodNotAllowed")
    assert "only GET" in text_of(answer)


def test_a_subscription_with_a_name_of_any_letters_can_be_managed():
    azure = SimulatedAzure(subscription_id="тест 1", resource_group="gruppe-ä", workspace="raum")
    wire = Wire(azure)
    path = wire.endpoint_path("one", workspace="raum")
    assert wire.put_endpoint(path)[0] == 201
    headers = wire.response.headers.values()
    assert all(value.isascii() and " " not in value for value in headers)


# Bodies


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'"text"'])
def test_a_body_that_is_not_a_json_object_is_refused(wire, body):
    path = wire.create_endpoint()
    blue = wire.deploy(path)
    expected = (400, "InvalidRequestContent")
    for method, target in (("PUT", path), ("PUT", blue), ("PATCH", blue)):
        assert code_of(wire.send(method, target, body)) == expected
    assert code_of(wire.send("POST", f"{path}/regenerateKeys", body)) == expected


@pytest.mark.parametrize("depth", [100, 900, *range(960, 1000, 4)])
@pytest.mark.parametrize("field", ["properties", "sku", "livenessProbe", "environmentVariables"])
def test_json_of_any_depth_gets_an_answer_below_500(wire, depth, field):
    path = wire.create_endpoint()
    blue = wire.deploy(path)
    deep = "[" * depth + "NaN" + "]" * depth
    required = f'"endpointComputeType": "Managed", "model": "{PHI_4}", "instanceType": "{A100}"'
    location = '"location": "eastus2"'
    for body in (
        f'{{{location}, "{field}": {{"name": "Default", "x": {deep}}}}}',
        f'{{{location}, "properties": {{{required}, "{field}": {{"x": {deep}}}}}}}',
        f'{{{location}, "properties": {{{required}, "{field}": {deep}}}}}',
    ):
        for method in ("PATCH", "PUT"):
            assert wire.send(method, blue, body.encode())[0] < 500
            wire.poll(blue, 5)
        json.dumps(wire.get(blue), allow_nan=False)


def test_a_body_that_is_too_large_is_refused(wire):
    answer = wire.put_endpoint(wire.endpoint_path("one"), description="x" * (1 << 20))
    assert code_of(answer) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"instanceType": None}, "properties.instanceType"),
        ({"model": 5}, "properties.model"),
        ({"endpointComputeType": "Kubernetes"}, "endpointComputeType"),
        (
            {"requestSettings": {"requestTimeout": "PT5M"}},
            "properties.requestSettings.requestTimeout",
        ),
        (
            {"requestSettings": {"requestTimeout": "soon"}},
            "properties.requestSettings.requestTimeout",
        ),
        (
            {"requestSettings": {"maxConcurrentRequestsPerInstance": 0}},
            "maxConcurrentRequestsPerInstance",
        ),
        ({"scaleSettings": {"scaleType": "TargetUtilization"}}, "scaleType"),
    ],
)
def test_the_error_names_the_field_that_is_wrong(wire, change, field):
    answer = wire.put_deployment(wire.create_endpoint(), **change)
    assert code_of(answer) == (400, "BadRequest")
    assert field in answer[1]["error"]["message"]


@pytest.mark.parametrize("auth_mode", ["AMLToken", "AADToken", "Password", ""])
def test_an_endpoint_without_keys_is_refused_and_the_error_says_what_to_ask_for(wire, auth_mode):
    answer = wire.put_endpoint(wire.endpoint_path("one"), authMode=auth_mode)
    assert code_of(answer) == (400, "BadRequest")
    message = answer[1]["error"]["message"]
    assert message.startswith(f"authMode is {auth_mode!r}, expected 'Key'")
    assert wire.get(wire.endpoints_path())["value"] == []


def test_mirrored_traffic_is_refused_but_none_of_it_is_accepted_as_sdks_send_it(wire):
    path = wire.endpoint_path("one")
    answer = wire.put_endpoint(path, mirrorTraffic={"green": 10})
    assert code_of(answer) == (400, "BadRequest")
    assert "mirrorTraffic is not simulated" in text_of(answer)
    assert wire.put_endpoint(path, mirrorTraffic={})[0] == 201


@pytest.mark.parametrize(
    ("location", "code"),
    [
        (None, "LocationRequired"),
        ("", "LocationRequired"),
        ("mars", "LocationNotAvailableForResourceType"),
    ],
)
def test_a_resource_needs_the_location_of_its_workspace(wire, location, code):
    path, second = wire.create_endpoint(), wire.endpoint_path("two")
    assert code_of(wire.send("PUT", second, {"location": location, **KEY_MODE})) == (400, code)
    properties = {"endpointComputeType": "Managed", "model": PHI_4, "instanceType": A100}
    body = {"location": location, "properties": properties}
    assert code_of(wire.send("PUT", f"{path}/deployments/blue", body)) == (400, code)
    assert wire.send("PUT", second, {"location": "East US 2", **KEY_MODE})[0] == 201


# What comes back


def test_a_response_repeats_what_was_sent(wire):
    path = wire.endpoint_path("one")
    properties = {"description": "for the course", "publicNetworkAccess": "disabled"}
    body = {
        "identity": {"type": "SystemAssigned, UserAssigned"},
        "properties": {"authMode": "key", **properties},
    }
    wire.send("PUT", path, body)
    wire.finish_operation()
    endpoint = wire.get(path)
    assert endpoint["identity"]["type"] == "SystemAssigned, UserAssigned"
    assert endpoint["properties"]["authMode"] == "Key"
    assert endpoint["properties"]["description"] == "for the course"
    assert endpoint["properties"]["publicNetworkAccess"] == "Disabled"
    probe = {
        "initialDelay": "PT10M",
        "period": "PT11S",
        "timeout": "PT3S",
        "successThreshold": 1,
        "failureThreshold": 7,
    }
    properties = {
        "description": "blue",
        "environmentVariables": {"A": "b"},
        "livenessProbe": probe,
        "readinessProbe": probe,
    }
    settings = {"requestTimeout": "PT1M", "maxQueueWait": "PT2S"}
    deployment = wire.get(wire.deploy(path, **properties, requestSettings=settings))["properties"]
    assert {name: deployment[name] for name in properties} == properties
    assert deployment["requestSettings"]["maxQueueWait"] == "PT2S"


def test_request_settings_come_back_as_durations(wire):
    settings = {"requestTimeout": "PT3M", "maxConcurrentRequestsPerInstance": 16}
    blue = wire.get(wire.deploy(wire.create_endpoint(), requestSettings=settings))["properties"]
    assert blue["requestSettings"]["requestTimeout"] in ("PT3M", "PT180S")
    assert blue["requestSettings"]["maxConcurrentRequestsPerInstance"] == 16
    assert blue["scaleSettings"] == {"scaleType": "Default"}  # azure-ai-ml fails without it


def test_only_the_route_for_keys_shows_keys(wire):
    path = wire.create_endpoint()
    key = wire.primary_key(path)
    assert key
    assert key not in text_of(wire.send("GET", path))
    assert key not in text_of(wire.send("GET", wire.endpoints_path()))


# Operations that take long


def test_a_client_is_told_to_poll_again_in_milliseconds(wire):
    path = wire.create_endpoint()
    assert wire.put_deployment(path)[0] == 201
    waits = [wire.response.headers["retry-after-ms"]]
    operation = wire.operation_path()
    wire.send("GET", operation)
    waits.append(wire.response.headers["retry-after-ms"])
    wire.poll(operation, 4)
    wire.send("DELETE", f"{path}/deployments/blue")
    waits.append(wire.response.headers["retry-after-ms"])
    assert all(0 < int(wait) <= 100 for wait in waits)


def test_an_operation_shows_its_states_and_so_does_the_resource(wire):
    path = wire.create_endpoint()
    wire.put_deployment(path)
    assert wire.response.headers["x-ms-async-operation-timeout"]
    operation = wire.operation_path()
    states = [content["status"] for _, content in wire.poll(operation, 5)]
    assert states == ["InProgress"] * 3 + ["Succeeded"] * 2
    wire.put_deployment(path, "green")
    green = f"{path}/deployments/green"
    polls = wire.poll(green, 5)
    states = [content["properties"]["provisioningState"] for _, content in polls]
    assert states == ["Creating"] * 3 + ["Succeeded"] * 2
    assert wire.send("DELETE", green)[0] == 202
    result = wire.operation_path()
    assert [status for status, _ in wire.poll(result, 3)] == [202, 204, 204]
    assert wire.send("GET", operation + "0")[0] == 404


def test_scripts_without_an_sdk_find_the_operation_in_the_body(wire):
    """Check what the public sample deploy-rest.sh reads."""
    path = wire.create_endpoint()
    for send in (
        lambda: wire.put_endpoint(wire.endpoint_path("two")),
        lambda: wire.put_deployment(path),
    ):
        url = send()[1]["properties"]["properties"]["AzureAsyncOperationUri"]
        assert url == wire.response.headers["Azure-AsyncOperation"]
    assert "AzureAsyncOperationUri" not in text_of(wire.send("GET", path))


def test_deleting_what_does_not_exist_is_done_at_once(wire):
    path, missing = wire.create_endpoint(), wire.endpoint_path("missing")
    for resource in (missing, f"{path}/deployments/missing"):
        assert wire.send("DELETE", resource)[0] == 204
    assert wire.send("DELETE", f"{missing}/deployments/blue")[0] == 404


def test_names_are_the_same_in_upper_and_lower_case(wire):
    path = wire.create_endpoint("Phi-4")
    wire.deploy(path, "Blue")
    other_case = wire.endpoint_path("pHI-4").replace("phi4-lessons", "PHI4-Lessons")
    assert wire.get(other_case)["name"] == "Phi-4"
    assert wire.get(wire.endpoint_path("phi-4", WORKSPACE.upper()))["name"] == "Phi-4"
    assert wire.usage("EastUS2") == wire.usage("eastus2")
    assert wire.set_traffic(path, BLUE=100)[0] == 200
    assert wire.call(path)[0] == 200
    assert wire.call(path, **{"azureml-model-deployment": "bLUE"})[0] == 200


def test_the_workspaces_are_listed_for_the_subscription_and_for_the_group(wire):
    lists = [wire.get(f"{place}/workspaces")["value"] for place in (wire.provider, wire.group)]
    assert lists[0] == lists[1]
    assert {WORKSPACE, UK_WORKSPACE} < {workspace["name"] for workspace in lists[0]}
