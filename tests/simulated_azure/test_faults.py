"""Faults in whole answers: errors on request, retries and other shapes of bodies."""

from __future__ import annotations

import asyncio
import re
import time

import pytest
from azure.ai.inference.aio import ChatCompletionsClient as AsyncChatCompletionsClient
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.core.pipeline.transport import AioHttpTransport
from endpoint_clients import MESSAGES, UNAUTHORIZED, ask_core, fault, key_client, refusal
from raw_http import ASK, CHAT, GREEDY, V1_CHAT, raw

from simulated_azure.faults import CHANGES, REFUSALS
from simulated_azure.http import Request

ERRORS = {  # name: (status, type of the error, its code, requests that the SDK sends)
    "401": (401, ClientAuthenticationError, None, 1),
    "403": (403, HttpResponseError, "Forbidden", 1),
    "404": (404, ResourceNotFoundError, None, 1),
    "408": (408, HttpResponseError, "Request Timeout", 1),
    "424": (424, HttpResponseError, None, 1),
    "424-503": (424, HttpResponseError, "Service Unavailable", 1),
    "429": (429, HttpResponseError, None, 1),
    "500": (500, HttpResponseError, "Internal Server Error", 4),
    "502": (502, HttpResponseError, "Bad Gateway", 1),
    "503": (503, HttpResponseError, "Service Unavailable", 4),
    "504": (504, HttpResponseError, "Gateway Timeout", 4),
    "content-filter": (400, HttpResponseError, "content_filter", 1),
}


OTHER_FAULTS = (
    "wait",
    "slow",
    "cut",
    "end",
    "error-event",
    "event-line",
    "empty-choices",
    "usage-apart",
    "filtered-answer",
    "no-logprobs",
    "no-info",
    "gateway",
    "detail-list",
    "detail-object",
)


def test_every_fault_is_tested_here():
    assert [*ERRORS] == [*REFUSALS]
    assert [*OTHER_FAULTS] == [*CHANGES]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ERRORS)
def test_a_requested_error_is_raised_and_retried_like_a_real_one(
    client, journal, pauses, name, stream
):
    status, kind, code, requests = ERRORS[name]
    error = refusal(client.complete, messages=MESSAGES, stream=stream, **fault(name))
    assert (type(error), error.status_code) == (kind, status)
    assert (error.error.code if error.error else None) == code
    assert [entry["status"] for entry in journal()] == [status] * requests
    assert pauses == [1.6, 3.2][: requests - 1] if requests > 1 else not pauses


def test_requested_errors_have_the_recorded_bodies_and_headers(client):
    responses = {
        name: refusal(client.complete, ASK, **fault(name)).response
        for name in ("401", "424", "429", "content-filter")
    }
    assert responses["401"].json() == UNAUTHORIZED
    assert responses["401"].headers["x-ms-error-reason"] == "Invalid JWT."
    assert responses["424"].json() == {"detail": "Not Found"}
    assert responses["424"].headers["ms-azureml-model-error-statuscode"] == "404"
    assert responses["424"].headers["ms-azureml-model-error-reason"]
    assert responses["429"].text() == ""
    assert responses["429"].headers["content-type"].split(";")[0] == "text/plain"
    assert responses["429"].headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
    assert "retry-after" not in responses["429"].headers
    reason = responses["content-filter"].json()["error"]
    assert {name: reason[name] for name in ("type", "param", "code", "status")} == {
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
    }
    assert reason["message"].startswith(
        "The response was filtered due to the prompt triggering Microsoft's content management"
    )


def test_too_many_requests_with_retry_after_is_retried_after_that_time(client, journal):
    started = time.monotonic()
    response = client.complete(GREEDY, **fault("429; retry-after=1; times=1"))
    assert time.monotonic() - started >= 1
    assert response.choices[0].finish_reason == "stop"
    assert [entry["status"] for entry in journal()] == [429, 200]


@pytest.mark.parametrize(
    "header, statuses, expected_pauses",
    [
        ("429; retry-after=7", [429] * 4, [7, 7, 7]),
        ("429; retry-after=7; times=2", [429, 429, 200], [7, 7]),
        ("403; retry-after=3; times=1", [403, 200], [3]),
        ("429; times=1", [429], []),
        ("500; times=1", [500, 200], []),
        ("429; times=0", [200], []),
    ],
)
def test_retry_after_is_what_makes_the_client_try_again(
    client, journal, pauses, header, statuses, expected_pauses
):
    if statuses[-1] == 200:
        assert client.complete(GREEDY, **fault(header)).usage
    else:
        assert refusal(client.complete, GREEDY, **fault(header)).status_code == statuses[-1]
    assert [entry["status"] for entry in journal()] == statuses
    assert pauses == expected_pauses


def test_the_asynchronous_client_retries_after_the_time_it_is_told(
    simulator, certificates, journal, monkeypatch
):
    pauses = []

    async def sleep(transport, duration):
        pauses.append(duration)

    async def main():
        async with key_client(simulator, certificates, kind=AsyncChatCompletionsClient) as client:
            return await client.complete(GREEDY, **fault("429; retry-after=7; times=1"))

    monkeypatch.setattr(AioHttpTransport, "sleep", sleep)
    assert asyncio.run(main()).usage
    assert ([entry["status"] for entry in journal()], pauses) == ([429, 200], [7])


def test_times_begins_again_with_each_call(client, journal, pauses):
    for _ in range(2):
        client.complete(GREEDY, **fault("503; times=1"))
    assert [entry["status"] for entry in journal()] == [503, 200, 503, 200]


def test_times_follows_the_retry_count_of_clients_that_send_one(simulator):
    headers = {"x-simulated-fault": "429; times=1"}
    statuses = [
        raw_v1(simulator, {**headers, "x-stainless-retry-count": count})
        for count in ("0", "1", "0")
    ]
    assert statuses == [429, 200, 429]


def test_times_follows_the_id_of_a_request_before_the_retry_count(simulator):
    """So a loop of calls of the OpenAI SDK gets its second answer if it keeps the id.

    The SDK's own retry count begins again with each call.
    """
    headers = {"x-simulated-fault": "429; times=1", "x-stainless-retry-count": "0"}
    statuses = [
        raw_v1(simulator, {**headers, "x-ms-client-request-id": name})
        for name in ("mine-1", "mine-1", "mine-2")
    ]
    assert statuses == [429, 200, 429]


def raw_v1(simulator, headers: dict[str, str]) -> int:
    """Return the status of a short chat request by /v1 with these headers."""
    return raw(
        simulator,
        "POST",
        V1_CHAT,
        {**ASK, "max_tokens": 1},
        {"api-key": simulator.azure.key, **headers},
    )[0]


def test_no_logprobs_drops_requested_logprobs(client):
    response = client.complete(
        messages=MESSAGES, max_tokens=2, model_extras={"logprobs": True}, **fault("no-logprobs")
    )
    assert response.choices[0].get("logprobs") is None
    updates = list(
        client.complete(
            messages=MESSAGES,
            max_tokens=2,
            stream=True,
            model_extras={"logprobs": True},
            **fault("no-logprobs"),
        )
    )
    assert not any(update.choices[0].get("logprobs") for update in updates)


def test_no_info_is_not_found(client):
    error = refusal(client.get_model_info, **fault("no-info"))
    assert (type(error), error.response.json()) == (ResourceNotFoundError, {"detail": "Not Found"})
    assert client.complete(GREEDY, **fault("no-info")).usage


@pytest.mark.parametrize(
    "change, original",
    [({"temperature": 1.5}, "422"), ({"logprobs": True}, "400"), ({"max_tokens": 16_384}, "400")],
)
def test_the_gateway_turns_an_error_of_the_container_into_424(client, journal, change, original):
    error = refusal(client.complete, {**ASK, **change}, **fault("gateway"))
    assert (type(error), error.status_code) == (HttpResponseError, 424)
    assert error.response.headers["ms-azureml-model-error-statuscode"] == original
    assert error.response.headers["ms-azureml-model-error-reason"]
    assert (
        refusal(client.complete, {**ASK, **change}).response.json() == error.response.json()
    )  # the body stays
    assert [entry["status"] for entry in journal()] == [424, int(original)]


def test_the_gateway_leaves_answers_and_its_own_refusals_alone(simulator, certificates, client):
    assert client.complete(GREEDY, **fault("gateway")).usage
    with key_client(simulator, certificates, key="wrong") as stranger:
        assert refusal(stranger.complete, ASK, **fault("gateway")).status_code == 401


def test_behind_the_gateway_the_servers_own_status_is_in_a_header(client):
    error = refusal(client.complete, ASK, **fault("424-503"))
    assert error.response.headers["ms-azureml-model-error-statuscode"] == "503"
    assert error.response.json()["error"]["status"] == 503


def test_the_error_for_a_wrong_value_can_have_three_shapes(client):
    wrong = {**ASK, "temperature": 1.5}
    details = refusal(client.complete, wrong).response.json()["error"]["details"]
    as_list, as_object = (
        refusal(client.complete, wrong, **fault(name)) for name in ("detail-list", "detail-object")
    )
    assert (as_list.status_code, as_list.response.json()) == (422, {"detail": details})
    assert as_object.status_code == 422
    assert as_object.response.json() == {
        "status": 422,
        "code": "parameter_not_supported",
        "detail": {"loc": ["body", "temperature"], "input": 1.5},
        "message": "One of the parameters contain invalid values.",
    }


@pytest.mark.parametrize("name", ["detail-list", "detail-object"])
def test_other_errors_and_answers_keep_their_shape(client, name):
    extra = {**ASK, "logprobs": True}
    assert (
        refusal(client.complete, extra, **fault(name)).response.json()
        == refusal(client.complete, extra).response.json()
    )
    assert client.complete(GREEDY, **fault(name)).usage


@pytest.mark.parametrize(
    "header",
    ["418", "429; times=some", "cut; after", "slow; seconds=soon", "429; retry=1", "; times=1"],
)
def test_an_unknown_fault_is_refused_with_the_list_of_names(client, header):
    error = refusal(client.complete, ASK, **fault(header))
    detail = error.response.json()["detail"]
    assert error.status_code == 400
    assert repr(header) in detail
    names = re.search(r"Names: (.*?)\. Options: (.*?)\.$", detail)
    assert names[1].split(", ") == [*ERRORS, *OTHER_FAULTS]
    assert names[2].split(", ") == ["times", "retry-after", "after", "seconds"]


@pytest.mark.parametrize(
    "header",
    [
        "wait; seconds=inf",
        "slow; seconds=nan",
        "wait; seconds=-1",
        "429; times=-1",
        "end; after=-1",
    ],
)
def test_a_fault_with_an_impossible_number_is_refused(azure, header):
    assert ask_core(azure, "POST", CHAT, ASK, x_simulated_fault=header).status == 400


def test_a_request_without_a_key_gets_no_fault(azure):
    assert azure.handle(Request("GET", "/info", headers={"x-simulated-fault": "429"})).status == 401
