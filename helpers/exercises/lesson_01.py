"""Judge the answers to the exercises of lesson 01, deployment.

Nothing here starts or changes anything on Azure.
"""

from __future__ import annotations

import math
import os
from typing import Any

from azure.ai.ml import MLClient
from azure.ai.ml.entities import ManagedOnlineDeployment
from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential

from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import Call, call, kind, show
from helpers.prices import PricesError
from helpers.settings import MAX_USD_PER_HOUR, WORKSPACE, WORKSPACE_VARIABLES
from helpers.spending import PriceNotAcceptedError, RunningDeployment, accept_price

SIZE, CORES = "Standard_NC24ads_A100_v4", 24
FAMILY = "standardNCADSA100v4Family"
OTHER_REGION = "uksouth"
REGION = "eastus2"  # for a price, which a person's own region has, too
FIRST_PROBE = 600  # seconds
LOOKS = {  # a piece of an error -> where to look
    "not subscriptable": "a field of a row stands after a dot: `row.usd`",
    "NoneType": "not every `usd` is a number",
    "AttributeError": "the fields of a row: `row.workspace`, `row.minutes`, `row.usd`",
}


def check_1_1(answer: Any) -> Outcome:
    """Return correct for region -> how many instances its quota allows."""
    if not isinstance(answer, dict):
        return not_yet(kind(answer), "a number for each region", "keep the dictionary of the stub")
    if OTHER_REGION not in answer:
        return not_yet(f"no number for {OTHER_REGION}", "two numbers", "the dictionary of the stub")
    if len(answer) < 2:
        return not_yet("one number", "two numbers", "the dictionary of the stub")
    for region, number in answer.items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            return not_yet(f"{kind(number)} for {region}", "a number", "without quotation marks")
        try:
            quota = _quota(region)
        except (AzureError, TypeError):
            return not_yet(
                f"no quota for {show(region)}",
                "the two regions of the stub",
                "`region` is a variable: without quotation marks",
            )
        allowed = quota.get(FAMILY.casefold(), 0)
        if number == allowed // CORES:
            continue
        look = "cores allowed, divided by the cores of one instance"
        if number == allowed:
            look = "quota is counted in cores, and an instance has more than one"
        elif number in (quota["all"] // CORES, (quota["all"] - allowed) // CORES):
            look = "the cores with H100 are of another family and do not count"
        return not_yet(
            f"{show(number)} instances in {region}", "what the quota of its family allows", look
        )
    return correct()


def _quota(region: str) -> dict[str, int]:
    """Return family -> cores that the quota allows, for A100 and H100, and "all" for both."""
    names = [os.environ[name] for name in WORKSPACE_VARIABLES]
    ml = MLClient(DefaultAzureCredential(), *names, enable_telemetry=False)
    rows = {
        row.name["value"].casefold(): row.limit for row in ml.compute.list_usage(location=region)
    }
    quota = {family: limit for family, limit in rows.items() if "ncads" in family}
    return {**quota, "all": sum(quota.values())}


def check_1_2(answer: Any) -> Outcome:
    """Return correct for a function that returns a deployment without the two mistakes."""
    result = call(answer)
    green = result.value
    if not isinstance(green, ManagedOnlineDeployment):
        came = result.failure or f"it returned {show(green)}"
        look = (
            "the names of the arguments: under which names does `deployment` have its probes?"
            if isinstance(result.error, TypeError)
            else "`return ManagedOnlineDeployment(...)`"
        )
        return not_yet(came, "a ManagedOnlineDeployment", look)
    if green.name != "green":
        return not_yet(
            f"a deployment named {green.name}", "one named green", "repair the one in the stub"
        )
    if green.instance_type != SIZE:
        return not_yet(
            f"the machine {green.instance_type}",
            SIZE,
            "the model needs this machine; another number of instances costs less, too",
        )
    return (
        _price_problem(green.instance_count)
        or _probe_problem("liveness", green.liveness_probe)
        or _probe_problem("readiness", green.readiness_probe)
        or correct()
    )


def _price_problem(count: Any) -> Outcome | None:
    """Return not yet unless so many instances cost no more than the limit."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        return not_yet(f"{show(count)} instances", "one or more", "`instance_count`")
    try:
        accept_price(SIZE, count, REGION)
    except (PriceNotAcceptedError, PricesError) as error:
        came = " ".join(str(error).partition(" No instance")[0].split()).rstrip(".")
        return not_yet(came, f"a price within {MAX_USD_PER_HOUR}", "`instance_count`")
    return None


def _probe_problem(name: str, probe: Any) -> Outcome | None:
    """Return not yet unless a probe begins when the model has had time to load."""
    delay = getattr(probe, "initial_delay", None)
    expected = f"a {name} probe that begins after {FIRST_PROBE} seconds or more"
    if delay is None:
        came = f"{kind(probe)} as the {name} probe" if probe is not None else f"no {name} probe"
        return not_yet(
            f"Azure would give up after about 310 seconds: {came}",
            expected,
            f"`deployment.{name}_probe` is one, from the file",
        )
    if delay < FIRST_PROBE:
        return not_yet(
            f"a {name} probe that begins after {delay} seconds",
            expected,
            f"`deployment.{name}_probe` is one, from the file",
        )
    return None


def check_1_3(answer: Any) -> Outcome:
    """Return correct for a function that adds up what runs in other workspaces."""
    own = os.environ[WORKSPACE]
    usual = [_row("weekend", 230.0), _row("demo", 3.0), _row(own, 1.5)]
    cases = (
        ("three rows", usual, 233.0),
        ("a row without a price", [_row("test", None), *usual], 233.0),
        ("rows of this workspace only", [_row(own, 1.5), _row(own, None)], 0.0),
        ("no rows", [], 0.0),
        ("rows of other workspaces only", [_row("test", 2.0), _row("demo", 4.0)], 6.0),
    )
    for name, rows, expected in cases:
        result = call(answer, rows)
        value = result.value
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and math.isclose(value, expected, abs_tol=0.005):
            continue
        if value and value == call(answer, []).value:
            return not_yet(
                f"it does not use the rows in the brackets: it returned {show(value)} for no rows",
                "0 for no rows",
                "`for row in rows`: take the name that stands in the brackets",
            )
        return not_yet(*_cost_problem(name, result, expected))
    return correct()


def _cost_problem(name: str, result: Call, expected: float) -> tuple[str, str, str]:
    """Return what came, what was expected and where to look."""
    value, total = result.value, f"{expected:g}"
    if result.error is not None:
        look = next((look for piece, look in LOOKS.items() if piece in result.failure), "the error")
        return f"with {name}, {result.failure}", f"it returns {total}", look
    if value is None and result.printed.strip():
        return f"it printed {expected:g} and returned None", total, "`return` instead of `print`"
    if value is None or not isinstance(value, int | float):
        came = f"with {name}, it returned {show(value) if value is None else kind(value)}"
        if isinstance(value, list):
            came = "it returned a list"
        return came, f"the number {total}", "add up `usd` of the rows, and return the sum"
    if value == 230:
        return f"only the first deployment: it returned {value:g}", total, "`return` in a loop"
    shown = f"with {name}, it returned {value:g}"
    looks = {
        1.5: "these are the rows of your own workspace",
        234.5: "your own workspace is among them: `workspace` is a variable",
    }
    return shown, total, looks.get(value, "the sum of `usd`, but not of your own workspace")


def _row(workspace: str, usd: float | None) -> RunningDeployment:
    """Return a deployment that costs so much."""
    return RunningDeployment(
        workspace=workspace,
        resource_group="group",
        endpoint="phi4",
        deployment="blue",
        instance_type=SIZE,
        instances=1,
        state="Succeeded",
        minutes=60,
        usd=usd,
    )
