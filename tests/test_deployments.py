"""What may be spent, and what is still running: against the simulated control plane, with the real client."""

from __future__ import annotations

import pytest

from helpers.deployments import PriceNotAcceptedError, accept_price, running

NC24 = "Standard_NC24ads_A100_v4"


@pytest.fixture
def agree(monkeypatch):
    return lambda text: monkeypatch.setenv("AZURE_MAX_USD_PER_HOUR", text)


def test_a_price_that_was_agreed_to_is_said_and_returned(agree, capsys):
    agree("3.673")
    assert accept_price(NC24, 1, "eastus") == 3.673
    assert "costs 3.67 US dollars an hour until it is deleted" in capsys.readouterr().out


def test_all_instances_count(agree):
    agree("7.34")
    with pytest.raises(PriceNotAcceptedError, match="2 x .* costs 7.35 .* allows 7.34. Nothing was created"):
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


def test_what_runs_in_any_workspace_is_found_and_counted(monkeypatch):
    from azure.identity import DefaultAzureCredential

    from helpers.simulator.server import Simulator

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
        deployment = next(iter(subscription.endpoints.values())).deployments["blue"]
        deployment.instance_type = "Standard_NC40ads_H100_v5"  # no price is known for it there
        (row,) = running(DefaultAzureCredential(), subscription.id)
        assert row.usd is None and "no price known" in str(row)
    finally:
        simulator.stop()
        monkeypatch.delenv("AZUREML_CURRENT_CLOUD", raising=False)
