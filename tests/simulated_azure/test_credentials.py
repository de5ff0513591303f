"""Keys, tokens and certificates: who may call the endpoint, and how clients sign in."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.aio import ChatCompletionsClient as AsyncChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import DefaultAzureCredential
from azure.identity.aio import DefaultAzureCredential as AsyncDefaultAzureCredential
from endpoint_clients import (
    MESSAGES,
    UNAUTHORIZED,
    ask_core,
    finish_of,
    key_client,
    refusal,
    updates_of,
)
from raw_http import ASK, CHAT, GREEDY, raw

from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request


@pytest.mark.parametrize(
    "headers", ["api-key", "Authorization", "lower case", "wrong api-key, right Authorization"]
)
def test_either_header_with_the_key_is_enough(simulator, headers):
    key = simulator.azure.key
    request_headers = {
        "api-key": {"api-key": key},
        "Authorization": {"Authorization": f"Bearer {key}"},
        "lower case": {"authorization": f"bearer {key}"},
        "wrong api-key, right Authorization": {
            "api-key": "wrong",
            "Authorization": f"Bearer {key}",
        },
    }[headers]
    assert raw(simulator, "GET", "/info", headers=request_headers)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"api-key": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic {key}"},
        {"api-key": "Bearer {key}"},
        {"api-key": "schlüssel"},
    ],
)
@pytest.mark.parametrize("path", ["/info", CHAT, "/v1/models", "/nowhere", "/simulator/requests"])
def test_nothing_is_answered_without_the_key(simulator, path, headers):
    request_headers = {
        name: value.format(key=simulator.azure.key).encode("latin-1")
        for name, value in headers.items()
    }
    status, response_headers, body = raw(simulator, "GET", path, headers=request_headers)
    assert (status, json.loads(body), response_headers["x-ms-error-reason"]) == (
        401,
        UNAUTHORIZED,
        "Invalid JWT.",
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_key_is_refused_with_the_recorded_body(simulator, certificates, stream):
    with key_client(simulator, certificates, key="wrong") as client:
        error = refusal(client.complete, messages=MESSAGES, stream=stream)
    assert type(error) is ClientAuthenticationError
    assert error.status_code == 401
    assert error.response.json() == UNAUTHORIZED
    assert error.response.headers["x-ms-error-reason"] == "Invalid JWT."
    assert error.message.startswith("(None) Auth token validation failed.")


def test_an_empty_key_is_refused(simulator, certificates):
    with key_client(simulator, certificates, key="") as client:
        assert refusal(client.get_model_info).status_code == 401


def test_a_wrong_key_is_refused_asynchronously(simulator, certificates):
    async def main():
        async with key_client(
            simulator, certificates, kind=AsyncChatCompletionsClient, key="wrong"
        ) as client:
            await client.complete(ASK)

    with pytest.raises(ClientAuthenticationError):
        asyncio.run(main())


def test_the_default_credential_gets_one_token_for_several_calls(
    simulator, certificates, identity, journal
):
    with (
        DefaultAzureCredential() as credential,
        ChatCompletionsClient(simulator.url, credential, connection_verify=certificates) as client,
    ):
        assert "7,000" in client.complete(GREEDY).choices[0].message.content
        assert finish_of(updates_of(client)) == "stop"
        assert client.get_model_info().model_name == "Phi-4"
    token, *others = journal()
    assert (token["method"], token["path"], token["status"]) == ("GET", "/msi/token", 200)
    assert token["query"] == "api-version=2019-08-01&resource=https://ml.azure.com"
    assert token["headers"]["x-identity-header"] == "***"
    assert [entry["path"] for entry in others] == [CHAT, CHAT, "/info"]
    assert {entry["headers"]["authorization"] for entry in others} == {"Bearer ***"}
    assert not any("api-key" in entry["headers"] for entry in others)


def test_the_asynchronous_default_credential_gets_a_token(simulator, certificates, identity):
    async def main():
        async with (
            AsyncDefaultAzureCredential() as credential,
            AsyncChatCompletionsClient(
                simulator.url, credential, connection_verify=certificates
            ) as client,
        ):
            updates = [
                update
                async for update in await client.complete(
                    messages=MESSAGES, temperature=0, stream=True
                )
            ]
            return (await client.get_model_info()).model_name, finish_of(updates)

    assert asyncio.run(main()) == ("Phi-4", "stop")


def test_the_token_answer_is_what_managed_identity_clients_require(simulator):
    route = "/msi/token?api-version=2019-08-01&resource=https://ml.azure.com"
    status, _, body = raw(
        simulator, "GET", route, headers={"X-IDENTITY-HEADER": simulator.azure.identity_header}
    )
    answer = json.loads(body)
    assert status == 200
    assert (answer["resource"], answer["token_type"]) == ("https://ml.azure.com", "Bearer")
    assert int(answer["expires_on"]) > time.time() + 3600


@pytest.mark.parametrize(
    "scope, accepted",
    [
        ("https://cognitiveservices.azure.com/.default", True),
        ("https://ai.azure.com/.default", True),
        ("https://management.azure.com/.default", False),
    ],
)
def test_a_token_counts_only_for_the_audiences_of_inference(
    simulator, certificates, identity, scope, accepted
):
    with (
        DefaultAzureCredential() as credential,
        ChatCompletionsClient(
            simulator.url, credential, connection_verify=certificates, credential_scopes=[scope]
        ) as client,
    ):
        if accepted:
            assert client.get_model_info().model_name == "Phi-4"
        else:
            assert type(refusal(client.get_model_info)) is ClientAuthenticationError


def test_a_wrong_identity_header_gets_no_token(
    simulator, certificates, identity, monkeypatch, journal
):
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with (
        DefaultAzureCredential() as credential,
        ChatCompletionsClient(simulator.url, credential, connection_verify=certificates) as client,
        pytest.raises(ClientAuthenticationError),
    ):
        client.complete(ASK)
    assert [(entry["path"], entry["status"]) for entry in journal()] == [("/msi/token", 401)]


def test_the_client_refuses_to_send_a_token_over_http_before_it_asks_for_one(
    simulator, identity, journal
):
    with (
        DefaultAzureCredential() as credential,
        ChatCompletionsClient(simulator.http_url, credential) as client,
    ):
        with pytest.raises(ServiceRequestError, match="not permitted for non-TLS protected"):
            client.complete(ASK)
        assert journal() == []
        assert client.complete(GREEDY, enforce_https=False).choices[0].finish_reason == "stop"


def test_a_client_without_the_certificate_refuses_the_simulator(simulator, monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with ChatCompletionsClient(
        simulator.url, AzureKeyCredential(simulator.azure.key), retry_total=0
    ) as client:
        with pytest.raises(ServiceRequestError, match="CERTIFICATE_VERIFY_FAILED"):
            client.complete(ASK)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", simulator.variables()["REQUESTS_CA_BUNDLE"])
        assert client.get_model_info().model_name == "Phi-4"


def test_a_token_is_refused_after_it_expires(azure, monkeypatch):
    answer = ask_core(
        azure,
        "GET",
        "/msi/token",
        query="resource=https://ml.azure.com/",
        x_identity_header=azure.identity_header,
    )
    token = json.loads(answer.body)
    request = Request("GET", "/info", headers={"authorization": f"Bearer {token['access_token']}"})
    assert azure.handle(request).status == 200
    ends = int(token["expires_on"])
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: ends + 1.0)
        assert azure.handle(request).status == 401


@pytest.mark.parametrize(
    "query, identity_header, status",
    [("resource=x", "wrong", 401), ("resource=x", None, 401), ("", "right", 400)],
)
def test_the_token_route_requires_the_identity_header_and_a_resource(
    azure, query, identity_header, status
):
    headers = (
        {}
        if identity_header is None
        else {"x_identity_header": identity_header.replace("right", azure.identity_header)}
    )
    assert ask_core(azure, "GET", "/msi/token", query=query, **headers).status == status


def test_two_simulators_have_different_secrets():
    one, two = SimulatedAzure(), SimulatedAzure()
    assert len({one.key, two.key, one.identity_header, two.identity_header}) == 4
    assert two.handle(Request("GET", "/info", headers={"api-key": one.key})).status == 401
