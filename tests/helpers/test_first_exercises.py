"""The exercises of lessons 00, 01 and 03 on a person's own endpoint, and without a limit."""

from __future__ import annotations

import pytest
from azure.ai.inference.models import UserMessage
from azure.ai.ml.entities import ManagedOnlineDeployment, ProbeSettings

from helpers.exercises.clients import UNSEEN
from helpers.exercises.data import find
from helpers.exercises.judge import judge
from helpers.exercises.outcomes import CORRECT, NOT_YET
from helpers.models import phi4_family

SIZE = "Standard_NC24ads_A100_v4"


@pytest.fixture
def own_endpoint(monkeypatch):
    """An address of Azure that nothing may call: no test leaves this computer."""
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://phi4.example")
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", "a-made-up-key")


def judged(number: str, answer):
    return judge(find(number), answer)


def solution_of(number: str, **names):
    """Return the function that the solution of an exercise defines."""
    exercise = find(number)
    exec(exercise.solution, names)
    return names[exercise.handed_in]


def test_a_text_is_judged_without_its_request_on_a_persons_own_endpoint(own_endpoint):
    outcome = judged("0.1", "The capital of Japan is Tokyo.")
    assert (outcome.status, outcome.note) == (CORRECT, UNSEEN)
    assert judged("0.1", " ").status == NOT_YET


def test_functions_that_ask_for_the_model_are_tried_without_requests_to_ones_own_endpoint(
    own_endpoint,
):
    names = {"family": phi4_family(), "UserMessage": UserMessage}
    assert judged("3.1", solution_of("3.1", **names)).status == CORRECT
    assert judged("3.2", solution_of("3.2", **names)).status == CORRECT


@pytest.fixture
def offline_prices(simulator, cloud_for_one_test, monkeypatch):
    for name, value in simulator.variables().items():
        monkeypatch.setenv(name, value)


def deployment(count: int, liveness: int | None = 600, readiness: int | None = 600):
    """Return what exercise 1.2 asks for, or something near. Seconds; None: no probe."""
    probes = {
        f"{name}_probe": ProbeSettings(initial_delay=delay)
        for name, delay in (("liveness", liveness), ("readiness", readiness))
        if delay is not None
    }
    return lambda: ManagedOnlineDeployment(
        name="green", endpoint_name="phi4", instance_type=SIZE, instance_count=count, **probes
    )


@pytest.mark.parametrize(
    ("limit", "count", "status"),
    [("3.67", 1, CORRECT), ("3.66", 1, NOT_YET), ("7.35", 2, CORRECT), ("", 1, NOT_YET)],
)
def test_a_deployment_may_cost_as_much_as_the_limit_of_the_person(
    offline_prices, monkeypatch, limit, count, status
):
    monkeypatch.setenv("AZURE_MAX_USD_PER_HOUR", limit)
    assert judged("1.2", deployment(count)).status == status


@pytest.mark.parametrize(
    ("probes", "piece"),
    [
        ({"liveness": 10}, "a liveness probe that begins after 10 seconds"),
        ({"readiness": 599}, "a readiness probe that begins after 599 seconds"),
        ({"liveness": None}, "no liveness probe"),
    ],
)
def test_a_probe_that_begins_too_early_is_noticed(offline_prices, monkeypatch, probes, piece):
    monkeypatch.setenv("AZURE_MAX_USD_PER_HOUR", "12")
    assert piece in judged("1.2", deployment(1, **probes)).came
    assert judged("1.2", deployment(1, 900, 900)).status == CORRECT


def test_the_quota_of_the_regions_that_a_person_names_is_looked_up(offline_prices):
    assert judged("1.1", {"westus3": 1, "uksouth": 0}).status == CORRECT
    assert judged("1.1", {"westus3": 2, "uksouth": 0}).came == "2 instances in westus3"
