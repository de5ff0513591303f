"""What may be spent, and what is still running: against the simulated control plane, with the real client."""

from __future__ import annotations

from dataclasses import replace

import certifi
import pytest
from azure.core.exceptions import HttpResponseError, ODataV4Format

from helpers.cost import Price
from helpers.prices import PricesError
from helpers.spending import PriceNotAcceptedError, accept_price, running, why_refused

NC24 = "Standard_NC24ads_A100_v4"


@pytest.fixture(autouse=True)
def price_list(simulator, monkeypatch):
    """The simulated list of prices, where ``connect()`` would set it."""
    for name in ("AZURE_RETAIL_PRICES_URL", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, simulator.variables()[name])


@pytest.fixture
def agree(monkeypatch):
    return lambda text: monkeypatch.setenv("AZURE_MAX_USD_PER_HOUR", text)


def test_a_price_that_was_agreed_to_is_said_and_returned(agree, capsys):
    agree("3.673")
    assert accept_price(NC24, 1, "eastus") == 3.673
    assert "costs 3.67 US dollars an hour until it is deleted" in capsys.readouterr().out


def test_the_amount_that_is_said_is_enough_to_agree(agree, capsys):
    agree("3.67")  # of 3.673
    assert accept_price(NC24) == 3.673
    assert "costs 3.67 US dollars" in capsys.readouterr().out
    agree("3.66")
    with pytest.raises(PriceNotAcceptedError):
        accept_price(NC24)


def test_all_instances_count(agree):
    agree("7.34")
    with pytest.raises(PriceNotAcceptedError, match="(?s)2 x .* costs 7.35 .* allows 7.34. No instance was started"):
        accept_price(NC24, 2, "eastus")


def test_nothing_is_agreed_to_by_silence(monkeypatch):
    monkeypatch.delenv("AZURE_MAX_USD_PER_HOUR", raising=False)
    with pytest.raises(PriceNotAcceptedError, match="set AZURE_MAX_USD_PER_HOUR to that amount or more"):
        accept_price(NC24)


@pytest.mark.parametrize("text", ["yes", "nan", "inf", "-1", "3,70"])
def test_an_amount_that_is_none_is_refused(agree, text):
    agree(text)
    with pytest.raises(ValueError, match="expected an amount in US dollars"):
        accept_price(NC24)


def test_a_price_that_nobody_knows_cannot_be_accepted(agree):
    agree("1000")
    with pytest.raises(ValueError, match="no price"):
        accept_price("Standard_NC40ads_H100_v5", 1, "uksouth")


def test_the_price_is_the_listed_one_and_its_source_and_date_are_said(agree, monkeypatch, capsys):
    agree("5")
    listed = Price(NC24, "norwayeast", 4.5, "USD", "Azure Retail Prices API", "2026-12-01")
    monkeypatch.setattr("helpers.spending.retail_price", lambda size, region: listed)
    assert accept_price(NC24, 1, "norwayeast") == 4.5  # a region that the kit's own table does not have
    assert "\n(Azure Retail Prices API, 2026-12-01; AZURE_MAX_USD_PER_HOUR allows 5)." in capsys.readouterr().out


def test_without_a_network_the_price_is_that_of_the_dated_table_and_says_so(agree, monkeypatch, capsys):
    agree("5")
    monkeypatch.setenv("AZURE_RETAIL_PRICES_URL", "http://127.0.0.1:9/")
    assert accept_price(NC24, 1, "eastus2") == 3.673
    assert "the table of this kit, since there was no connection to 127.0.0.1, undated copy" in capsys.readouterr().out


def test_a_guide_is_taken_where_no_price_is_known_and_it_says_whose(agree, capsys):
    agree("7")
    guide = Price("Standard_NC40ads_H100_v5", "eastus", 6.98, "USD", "somebody", "2026-11-09")
    assert accept_price("Standard_NC40ads_H100_v5", 1, "uksouth", guide=guide) == 6.98
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "No price is known of Standard_NC40ads_H100_v5 in uksouth. Taken is that of another:"
    assert second.startswith("1 x Standard_NC40ads_H100_v5 in eastus costs 6.98 US dollars an hour")
    assert third.startswith("(somebody, 2026-11-09;")


def test_no_guide_helps_where_the_list_cannot_be_trusted(simulator, agree, monkeypatch):
    agree("7")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())  # which does not know the simulator's authority
    with pytest.raises(PricesError, match="certificate"):
        accept_price(NC24, guide=Price(NC24, "eastus", 1.0, "USD", "somebody", "2026-11-09"))


def test_a_guide_is_refused_like_any_price_and_not_taken_where_one_is_known(agree):
    agree("4")
    guide = Price("Standard_NC40ads_H100_v5", "eastus", 6.98, "USD", "somebody", "2026-11-09")
    with pytest.raises(
        PriceNotAcceptedError, match="(?s)Taken is that of another:.*costs 6.98.*allows 4. No instance was started"
    ):
        accept_price("Standard_NC40ads_H100_v5", 1, "uksouth", guide=guide)
    assert accept_price(NC24, 1, "eastus", guide=guide) == 3.673


def test_no_line_of_a_refused_price_is_too_long_for_a_page(agree):
    agree("12")
    with pytest.raises(PriceNotAcceptedError) as raised:
        accept_price(NC24, 4, "eastus2")
    assert max(map(len, f"PriceNotAcceptedError: {raised.value}".splitlines())) <= 96


def refusal(details: list[dict] | None, message: str = "The request is invalid.") -> HttpResponseError:
    """An error as azure-core makes it of a reply."""
    error = HttpResponseError("(BadRequest) a long text")
    error.error = ODataV4Format({"code": "BadRequest", "message": message, "details": details or []})
    return error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('error detail: {"errors": {"VmSize": ["No quota.", "Ask."]}, "status": 400}', "No quota. Ask."),
        ('{{"errors":{{"":["There is already one of this name."]}},"title":"wrong"}}', "There is already one of this name."),
        ('error detail: {"errors": "none"}', "The request is invalid."),
        ("a text without JSON", "The request is invalid."),
        ('{"errors": {"VmSize": ["cut off', "The request is invalid."),
        (None, "The request is invalid."),
    ],
)
def test_the_message_inside_the_message_is_found_or_the_outer_one_is_said(text, said):
    assert why_refused(refusal([{"code": "InferencingClientCallFailed", "message": text}])) == said


def test_an_error_without_details_or_without_a_body_says_its_message():
    assert why_refused(refusal(None, "No such thing.")) == "No such thing."
    assert why_refused(HttpResponseError("no reply at all")) == "no reply at all"


def test_what_runs_in_any_workspace_is_found_and_counted(monkeypatch):
    from azure.identity import DefaultAzureCredential

    from simulated_azure.transports.sockets import Simulator

    simulator = Simulator()
    try:
        for name, value in simulator.variables().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")  # which azure-ai-ml sets: to be taken back after the test
        monkeypatch.delenv("AZUREML_CURRENT_CLOUD")
        subscription = simulator.azure.control_plane.subscription
        (row,) = running(DefaultAzureCredential(), subscription.id)
        assert (row.workspace, row.endpoint, row.minutes, row.instances) == ("phi4-workspace-westus3", "friday-demo", 62 * 60, 1)
        assert row.usd == pytest.approx(62 * 3.673)
        subscription.pass_time(90 * 60)
        (row,) = running(DefaultAzureCredential(), subscription.id)
        assert "63 h 30 min, 233.24 US dollars so far" in str(row)
        listed = Price(NC24, "westus3", 10.0, "USD", "Azure Retail Prices API", "2026-12-01")
        with monkeypatch.context() as today:
            today.setattr("helpers.spending.retail_price", lambda size, region: listed)
            (row,) = running(DefaultAzureCredential(), subscription.id)
            assert row.usd == pytest.approx(63.5 * 10)  # as accept_price said, not by the kit's own table
            asked: list[tuple] = []
            today.setattr("helpers.spending.retail_price", lambda *what: asked.append(what) or listed)
            beside = next(iter(subscription.endpoints.values())).deployments
            beside["green"] = replace(beside["blue"], name="green")
            assert len(running(DefaultAzureCredential(), subscription.id)) == 2 and asked == [(NC24, "westus3")]  # once for both
            del beside["green"]
        deployment = next(iter(subscription.endpoints.values())).deployments["blue"]
        deployment.state, deployment.instances = "Failed", 2  # which may be billed, too
        (row,) = running(DefaultAzureCredential(), subscription.id)
        assert (row.state, row.instances, row.usd) == ("Failed", 2, pytest.approx(63.5 * 2 * 3.673))
        deployment.instance_type = "Standard_NC40ads_H100_v5"  # no price is known for it there
        (row,) = running(DefaultAzureCredential(), subscription.id)
        assert row.usd is None and "no price known" in str(row)
        others = next(iter(subscription.endpoints.values())).deployments
        for name, created in (("new", subscription.clock), ("old", subscription.clock - 3600 * 100)):
            others[name] = replace(deployment, name=name, instance_type=NC24, created=created)
        order = [row.deployment for row in running(DefaultAzureCredential(), subscription.id)]
        assert order == ["blue", "old", "new"]  # what may cost anything first, then the dearest
    finally:
        simulator.stop()
        monkeypatch.delenv("AZUREML_CURRENT_CLOUD", raising=False)
