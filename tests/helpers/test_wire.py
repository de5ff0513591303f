"""The view of the wire: real requests over a real socket, shown without anything secret."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import requests

from helpers.settings import ConnectionSettingsError
from helpers.wire import requests_received, show_last_request, statuses
from simulated_azure.transports.sockets import Simulator

SECRET = "hush-4f0c81b2a9e64b7d93c2"
GUARD = 120  # seconds
CHAT = {"messages": [{"role": "user", "content": "What is a token?"}], "temperature": 0}


@pytest.fixture(autouse=True)
def connected(simulator, monkeypatch) -> None:
    """Set the variables that connect() sets."""
    for name, value in simulator.variables().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def send(simulator, certificates) -> Callable[..., requests.Response]:
    """Send a request to the simulated endpoint, with its key."""

    def send(method: str, path: str, **options) -> requests.Response:
        headers = {"api-key": simulator.azure.key} | options.pop("headers", {})
        url = f"{simulator.url}{path}"
        return requests.request(
            method, url, headers=headers, verify=certificates, timeout=GUARD, **options
        )

    return send


@pytest.fixture
def manage(simulator, send) -> Callable[..., requests.Response]:
    """Send a request to the simulated Azure Resource Manager, about an online endpoint."""
    token = requests.get(
        f"{simulator.http_url}/msi/token",
        params={"resource": "https://management.azure.com", "api-version": "2019-08-01"},
        headers={"x-identity-header": simulator.azure.identity_header},
        timeout=GUARD,
    ).json()["access_token"]
    azure = simulator.azure
    path = (
        f"/subscriptions/{azure.subscription_id}/resourceGroups/{azure.resource_group}/providers/"
        f"Microsoft.MachineLearningServices/workspaces/{azure.workspace}/onlineEndpoints/wire"
    )

    def manage(method: str, rest: str, body: dict) -> requests.Response:
        signed = {"authorization": f"Bearer {token}"}
        options = {"headers": signed, "params": {"api-version": "2025-06-01"}, "json": body}
        return send(method, f"{path}{rest}", **options)

    return manage


@pytest.mark.parametrize(("headers", "body"), [(True, True), (False, True), (True, False)])
def test_the_last_request_is_shown_without_the_key(simulator, client, capsys, headers, body):
    content = f"My key is {simulator.azure.key}"
    client.complete(messages=[{"role": "user", "content": content}], temperature=0)
    show_last_request(headers=headers, body=body)
    shown = capsys.readouterr().out
    assert shown.startswith("POST /chat/completions?api-version=2024-05-01-preview\n")
    assert ("authorization: Bearer ***" in shown) is headers
    assert ('"content": "My key is ***"' in shown) is body
    assert simulator.azure.key not in shown


def test_requests_come_oldest_first_as_many_as_wanted(send):
    for number in range(3):
        send("GET", "/info", params={"number": number})
    assert [request["query"] for request in requests_received(2)] == ["number=1", "number=2"]


def test_before_any_request_the_view_says_so(assistant, monkeypatch, capsys):
    quiet = Simulator(assistant=assistant)
    for name, value in quiet.variables().items():
        monkeypatch.setenv(name, value)
    show_last_request()
    quiet.stop()
    assert "has received nothing yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("endpoint", "message"), [("https://a.example", "raw_request_hook"), ("", "connect() first")]
)
def test_what_a_real_endpoint_received_cannot_be_shown(endpoint, message, monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", endpoint)
    with pytest.raises(RuntimeError) as raised:
        requests_received()
    assert message in str(raised.value)


def test_a_wrong_key_is_refused_and_not_shown(simulator, monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", SECRET)
    with pytest.raises(RuntimeError) as raised:
        requests_received()
    assert f"{simulator.url} does not tell what it received (status 401)" in str(raised.value)
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AZURE_INFERENCE_CREDENTIAL", f"{SECRET}\n"),
        ("AZURE_INFERENCE_ENDPOINT", f"http://127.0.0.1:{SECRET}"),
    ],
)
def test_errors_of_the_standard_library_that_show_a_value_are_prevented(name, value, monkeypatch):
    """They would say: Invalid header value b'...', nonnumeric port: '...'."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConnectionSettingsError) as raised:
        requests_received()
    assert SECRET not in str(raised.value)
    assert raised.value.__context__ is None


# What the simulated Azure must not remember, besides its own keys and tokens


@pytest.mark.parametrize(
    "name",
    [
        *("api-key", "authorization", "cookie", "ocp-apim-subscription-key"),
        *("proxy-authorization", "secret", "x-api-key", "x-ms-authorization-auxiliary"),
    ],
)
def test_a_secret_header_is_shown_without_its_secret(name, send, simulator, capsys):
    """For example the key of another service, which the simulated Azure does not know."""
    sent = {"authorization": f"Bearer {simulator.azure.key}", name: f"Bearer {SECRET}"}
    send("GET", "/info", headers=sent)
    (request,) = requests_received()
    assert request["path"] == "/info"
    assert request["headers"][name] == "Bearer ***"
    show_last_request()
    assert SECRET not in json.dumps(request) + capsys.readouterr().out


def test_a_cookie_is_hidden_as_a_whole(send):
    send("GET", "/info", headers={"cookie": f"first={SECRET}; second={SECRET}"})
    (request,) = requests_received()
    assert request["headers"]["cookie"] == "***"


def test_other_headers_are_shown(send):
    send("GET", "/info", headers={"x-note": "seen"})
    assert requests_received()[0]["headers"]["x-note"] == "seen"


@pytest.mark.parametrize(
    "path", ["/chat/completions", "/v1/chat/completions", "/score", "/nowhere"]
)
@pytest.mark.parametrize("name", ["keyValue", "KeyValue", "keyvalue"])
def test_a_key_in_a_body_is_hidden_on_any_route(path, name, send):
    send("POST", path, json={**CHAT, name: SECRET, "nested": [{"deeper": {name: SECRET}}]})
    (request,) = requests_received()
    assert request["path"] == path
    assert request["body"][name] == request["body"]["nested"][0]["deeper"][name] == "***"
    assert SECRET not in json.dumps(request)
    assert "What is a token?" in json.dumps(request)


def test_a_body_with_a_key_that_is_not_json_is_hidden_as_a_whole(send):
    send("POST", "/chat/completions", data=f'{{"keyValue": "{SECRET}"')
    assert SECRET not in json.dumps(requests_received())


def test_a_new_key_for_an_endpoint_is_hidden(manage):
    manage("POST", "/regenerateKeys", {"keyType": "Primary", "keyValue": SECRET})
    (request,) = requests_received()
    assert request["body"] == {"keyType": "Primary", "keyValue": "***"}


def test_the_keys_with_which_an_endpoint_is_created_are_hidden(manage):
    keys = {"primaryKey": SECRET, "secondaryKey": f"{SECRET}-2"}
    properties = {"authMode": "Key", "keys": keys}
    manage("PUT", "", {"location": "eastus2", "properties": properties})
    (request,) = requests_received()
    assert request["body"]["properties"]["authMode"] == "Key"
    assert SECRET not in json.dumps(request)


def test_the_environment_variables_of_a_deployment_are_hidden_but_their_names_are_shown(manage):
    properties = {
        "endpointComputeType": "Managed",
        "model": "azureml://registries/azureml/models/Phi-4/versions/1",
        "instanceType": "Standard_NC24ads_A100_v4",
        "environmentVariables": {"HF_TOKEN": SECRET},
    }
    manage("PUT", "/deployments/blue", {"location": "eastus2", "properties": properties})
    (request,) = requests_received()
    assert request["body"]["properties"] == properties | {
        "environmentVariables": {"HF_TOKEN": "***"}
    }


def test_a_name_that_may_be_a_key_is_hidden_once_it_is_known(simulator, send, capsys):
    name = "hide-9d2e51c07b3f48a6"
    simulator.azure.hide(name)
    send("GET", f"/{name}", params={"name": name}, headers={"x-note": name})
    show_last_request()
    shown = capsys.readouterr().out
    assert shown.startswith("GET /***?name=***\n")
    assert name not in shown


def test_the_statuses_of_the_last_call_are_those_of_its_attempts_only(simulator, send):
    simulator.azure.journal.clear()
    with pytest.raises(LookupError, match="received nothing yet"):
        statuses()
    for call_id, fault in [("1", "503"), ("2", "503"), ("2", "429"), ("2", "")]:
        headers = {"x-ms-client-request-id": call_id, "x-simulated-fault": fault}
        send("POST", "/chat/completions", json=CHAT, headers=headers)
    assert statuses() == [503, 429, 200]
