"""Test helpers.spending with the real clients, on the simulated price list and control plane."""

from __future__ import annotations

import copy
import os
from dataclasses import replace

import certifi
import pytest
from azure.ai.ml import MLClient
from azure.core.exceptions import HttpResponseError, ODataV4Format
from azure.identity import DefaultAzureCredential

from helpers.cost import Price
from helpers.prices import PricesError
from helpers.spending import (
    PriceNotAcceptedError,
    RunningDeployment,
    accept_price,
    delete_others,
    running,
    why_refused,
)
from simulated_azure.transports.sockets import Simulator

NC24 = "Standard_NC24ads_A100_v4"


@pytest.fixture(autouse=True)
def price_list(simulator, monkeypatch):
    """Set the variables of the simulated price list, as ``connect()`` does."""
    for name in ("AZURE_RETAIL_PRICES_URL", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, simulator.variables()[name])


@pytest.fixture
def agree(monkeypatch):
    return lambda text: monkeypatch.setenv("AZURE_MAX_USD_PER_HOUR", text)


def test_a_price_within_the_limit_is_printed_and_returned(agree, capsys):
    agree("3.673")
    assert accept_price(NC24, 1, "eastus") == 3.673
    assert "costs 3.67 US dollars an hour until it is deleted" in capsys.readouterr().out


def test_the_printed_amount_is_enough_as_a_limit(agree, capsys):
    agree("3.67")  # of 3.673
    assert accept_price(NC24) == 3.673
    assert "costs 3.67 US dollars" in capsys.readouterr().out
    agree("3.66")
    with pytest.raises(PriceNotAcceptedError):
        accept_price(NC24)


def test_the_limit_is_for_all_instances_together(agree):
    agree("7.34")
    with pytest.raises(
        PriceNotAcceptedError, match="(?s)2 x .* costs 7.35 .* allows 7.34. No instance was started"
    ):
        accept_price(NC24, 2, "eastus")


def test_without_a_limit_no_price_is_accepted(monkeypatch):
    monkeypatch.delenv("AZURE_MAX_USD_PER_HOUR", raising=False)
    with pytest.raises(
        PriceNotAcceptedError, match="set AZURE_MAX_USD_PER_HOUR to that amount or more"
    ):
        accept_price(NC24)


@pytest.mark.parametrize("text", ["yes", "nan", "inf", "-1", "3,70"])
def test_a_limit_that_is_not_an_amount_is_refused(agree, text):
    agree(text)
    with pytest.raises(ValueError, match="AZURE_MAX_USD_PER_HOUR"):
        accept_price(NC24)


def test_an_unknown_price_is_not_accepted(agree):
    agree("1000")
    with pytest.raises(
        ValueError,
        match="no known price of .* in uksouth, so no instance was started. The simulated",
    ):
        accept_price("Standard_NC40ads_H100_v5", 1, "uksouth")


def test_the_price_is_that_of_the_list_and_its_source_and_date_are_printed(
    agree, monkeypatch, capsys
):
    agree("5")
    listed = Price(NC24, "norwayeast", 4.5, "USD", "Azure Retail Prices API", "2026-12-01")
    monkeypatch.setattr("helpers.spending.retail_price", lambda size, region: listed)
    assert (
        accept_price(NC24, 1, "norwayeast") == 4.5
    )  # a region that the kit's own table does not have
    assert (
        "\n(Azure Retail Prices API, 2026-12-01; AZURE_MAX_USD_PER_HOUR allows 5)."
        in capsys.readouterr().out
    )


def test_without_a_network_the_price_is_that_of_the_dated_table_and_says_so(
    agree, monkeypatch, capsys
):
    agree("5")
    monkeypatch.setenv("AZURE_RETAIL_PRICES_URL", "http://127.0.0.1:9/")
    assert accept_price(NC24, 1, "eastus2") == 3.673
    assert (
        "the table of this kit, because there was no connection to 127.0.0.1, undated copy"
        in capsys.readouterr().out
    )


def test_a_guide_replaces_an_unknown_price_and_says_whose_price_it_is(agree, capsys):
    agree("7")
    guide = Price("Standard_NC40ads_H100_v5", "eastus", 6.98, "USD", "somebody", "2026-11-09")
    assert accept_price("Standard_NC40ads_H100_v5", 1, "uksouth", guide=guide) == 6.98
    first, second, third = capsys.readouterr().out.splitlines()
    assert (
        first
        == "There is no known price of Standard_NC40ads_H100_v5 in uksouth. Using another price:"
    )
    assert second.startswith("1 x Standard_NC40ads_H100_v5 in eastus costs 6.98 US dollars an hour")
    assert third.startswith("(somebody, 2026-11-09;")


def test_a_guide_does_not_replace_a_list_that_cannot_be_trusted(simulator, agree, monkeypatch):
    agree("7")
    monkeypatch.setenv(
        "REQUESTS_CA_BUNDLE", certifi.where()
    )  # which does not know the simulator's authority
    with pytest.raises(PricesError, match="certificate"):
        accept_price(NC24, guide=Price(NC24, "eastus", 1.0, "USD", "somebody", "2026-11-09"))


def test_a_guide_may_exceed_the_limit_and_does_not_replace_a_known_price(agree):
    agree("4")
    guide = Price("Standard_NC40ads_H100_v5", "eastus", 6.98, "USD", "somebody", "2026-11-09")
    with pytest.raises(
        PriceNotAcceptedError,
        match="(?s)Using another price:.*costs 6.98.*allows 4. No instance was started",
    ):
        accept_price("Standard_NC40ads_H100_v5", 1, "uksouth", guide=guide)
    assert accept_price(NC24, 1, "eastus", guide=guide) == 3.673


def test_the_error_for_a_refused_price_has_no_line_too_long_for_a_page(agree):
    agree("12")
    with pytest.raises(PriceNotAcceptedError) as error:
        accept_price(NC24, 4, "eastus2")
    assert max(map(len, f"PriceNotAcceptedError: {error.value}".splitlines())) <= 96


def refusal(details: list[dict], message: str = "The request is invalid.") -> HttpResponseError:
    """Return an error such as azure-core makes from a response."""
    error = HttpResponseError("(BadRequest) a long text")
    error.error = ODataV4Format({"code": "BadRequest", "message": message, "details": details})
    return error


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            'error detail: {"errors": {"VmSize": ["No quota.", "Ask."]}, "status": 400}',
            "No quota. Ask.",
        ),
        (
            '{{"errors":{{"":["There is already one of this name."]}},"title":"wrong"}}',
            "There is already one of this name.",
        ),
        ('error detail: {"errors": "none"}', "The request is invalid."),
        ("a text without JSON", "The request is invalid."),
        ('{"errors": {"VmSize": ["cut off', "The request is invalid."),
        (None, "The request is invalid."),
    ],
)
def test_why_refused_returns_the_innermost_message_or_else_the_outer_one(text, reason):
    assert (
        why_refused(refusal([{"code": "InferencingClientCallFailed", "message": text}])) == reason
    )


def test_why_refused_returns_the_message_of_an_error_without_details_or_body():
    assert why_refused(refusal([], "No such thing.")) == "No such thing."
    assert why_refused(HttpResponseError("no reply at all")) == "no reply at all"


@pytest.fixture(scope="module")
def own_simulator(assistant):
    """Return a simulated Azure whose deployments these tests may change."""
    simulator = Simulator(assistant=assistant)
    yield simulator
    simulator.stop()


@pytest.fixture
def subscription(own_simulator, monkeypatch):
    """Return the simulated subscription, restored after the test. It runs friday-demo/blue."""
    for name, value in own_simulator.variables().items():
        monkeypatch.setenv(name, value)
    # azure-ai-ml sets this variable. Setting and deleting it here makes monkeypatch restore it.
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD")
    subscription = own_simulator.azure.control_plane.subscription
    endpoints, clock = copy.deepcopy(subscription.endpoints), subscription.clock
    yield subscription
    subscription.endpoints, subscription.clock = endpoints, clock
    os.environ.pop("AZUREML_CURRENT_CLOUD", None)


@pytest.fixture
def deployments(subscription) -> dict:
    """Return the deployments of the endpoint friday-demo, by name."""
    (endpoint,) = subscription.endpoints.values()
    return endpoint.deployments


def list_running(subscription) -> list[RunningDeployment]:
    return running(DefaultAzureCredential(), subscription.id)


def test_a_deployment_in_any_workspace_is_listed_with_its_time_and_cost(subscription):
    (row,) = list_running(subscription)
    assert (row.workspace, row.endpoint) == ("phi4-workspace-westus3", "friday-demo")
    assert (row.minutes, row.instances) == (62 * 60, 1)
    assert row.usd == pytest.approx(62 * 3.673)
    subscription.pass_time(90 * 60)
    (row,) = list_running(subscription)
    assert "63 h 30 min, 233.24 US dollars so far" in " ".join(str(row).split())


def test_the_cost_comes_from_the_price_list_which_is_asked_once_for_each_size(
    subscription, deployments, monkeypatch
):
    calls = []

    def retail_price(size: str, region: str) -> Price:
        calls.append((size, region))
        return Price(size, region, 10.0, "USD", "Azure Retail Prices API", "2026-12-01")

    monkeypatch.setattr("helpers.spending.retail_price", retail_price)
    deployments["green"] = replace(deployments["blue"], name="green")
    rows = list_running(subscription)
    assert [row.usd for row in rows] == [pytest.approx(62 * 10)] * 2
    assert calls == [(NC24, "westus3")]


def test_a_failed_deployment_is_listed_with_all_its_instances(subscription, deployments):
    deployments["blue"].state, deployments["blue"].instances = "Failed", 2
    (row,) = list_running(subscription)
    assert (row.state, row.instances) == ("Failed", 2)
    assert row.usd == pytest.approx(62 * 2 * 3.673)


def test_a_deployment_without_a_known_price_is_listed_without_a_cost(subscription, deployments):
    deployments["blue"].instance_type = "Standard_NC40ads_H100_v5"
    (row,) = list_running(subscription)
    assert row.usd is None and "no price known" in str(row)


def test_unknown_costs_come_first_and_then_the_most_expensive(subscription, deployments):
    blue, now = deployments["blue"], subscription.clock
    deployments["new"] = replace(blue, name="new", created=now)
    deployments["old"] = replace(blue, name="old", created=now - 3600 * 100)
    blue.instance_type = "Standard_NC40ads_H100_v5"
    rows = list_running(subscription)
    assert [row.deployment for row in rows] == ["blue", "old", "new"]


def test_a_deployment_created_in_the_future_of_this_clock_has_cost_nothing(
    subscription, deployments
):
    deployments["blue"].created = subscription.clock + 3600
    (row,) = list_running(subscription)
    assert (row.minutes, row.usd) == (0, 0)


def test_all_deployments_but_one_are_deleted_and_named(
    subscription, deployments, cloud_for_one_test, capsys
):
    deployments["green"] = replace(deployments["blue"], name="green")
    [row, _] = list_running(subscription)
    workspace = (row.resource_group, row.workspace)
    ml = MLClient(DefaultAzureCredential(), subscription.id, *workspace, enable_telemetry=False)
    delete_others(ml, "friday-demo", keep="blue")
    assert [*deployments] == ["blue"]
    assert "green is deleted" in capsys.readouterr().out
