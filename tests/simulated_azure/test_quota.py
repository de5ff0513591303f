"""Quota, sizes and capacity: which deployments the simulated subscription may have."""

from __future__ import annotations

import json

import pytest
from wire import A100_FAMILY, H100, PHI_4, TWO_A100, UK_WORKSPACE, code_of, text_of


def test_a_new_subscription_has_no_gpu_quota_in_other_regions(wire):
    path = wire.create_endpoint(workspace=UK_WORKSPACE)
    answer = wire.put_deployment(path)
    assert code_of(answer) == (400, "BadRequest")
    detail = answer[1]["error"]["details"][0]["message"]
    inner = json.loads(detail.partition("error detail: ")[2])
    (message,) = inner["errors"]["VmSize"]
    assert "Current usage/limit: 0/0. Additional needed: 24" in message
    assert inner["status"] == 400
    assert wire.get(f"{path}/deployments")["value"] == []


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("Standard_DS3_v2", "at least 24 vCPUs"),
        ("Standard_Nonsense", "Unknown VM size Standard_Nonsense"),
    ],
)
def test_machines_that_are_too_small_or_unknown_are_refused(wire, size, message):
    answer = wire.put_deployment(wire.create_endpoint(), size=size)
    assert code_of(answer) == (400, "BadRequest")
    assert message in text_of(answer)
    assert wire.usage() == (0, 48)


def test_larger_machines_count_with_all_their_cores(wire):
    path = wire.create_endpoint()
    wire.deploy(path, size=TWO_A100)
    assert wire.usage() == (48, 48)
    assert "48/48. Additional needed: 24" in text_of(wire.put_deployment(path, "green"))


def test_a_change_needs_quota_only_for_what_is_added(wire):
    path = wire.create_endpoint()
    blue = wire.deploy(path)
    wire.deploy(path, instances=2)
    assert wire.usage() == (48, 48)
    assert "48/48. Additional needed: 24" in text_of(wire.put_deployment(path, instances=3))
    wire.deploy(path, instances=1)
    assert wire.usage() == (24, 48)
    assert wire.send("PATCH", blue, {"sku": {"capacity": 2}, "tags": {"a": "b"}})[0] == 200
    wire.finish_operation()
    deployment = wire.get(blue)
    assert (deployment["sku"]["capacity"], deployment["tags"]) == (2, {"a": "b"})
    assert deployment["properties"]["model"] == PHI_4
    for capacity in (0, -1, 51, None, "many"):
        assert wire.send("PATCH", blue, {"sku": {"capacity": capacity}})[0] == 400


def test_another_attempt_makes_no_machine_free(wire):
    path = wire.create_endpoint()
    green = f"{path}/deployments/green"
    wire.put_deployment(path, "green", H100)
    assert wire.finish_operation()[0] == "Failed"
    for attempt in (
        lambda: wire.put_deployment(path, "green", H100),
        lambda: wire.send("PATCH", green, {"tags": {"a": "b"}}),
    ):
        assert attempt()[0] == 200
        state, content = wire.finish_operation()
        assert (state, content["error"]["code"]) == ("Failed", "OutOfQuota")
    assert wire.get(green)["properties"]["provisioningState"] == "Failed"


def test_quota_has_the_names_of_the_portal(wire):
    rows = wire.get(f"{wire.provider}/locations/eastus2/usages")["value"]
    (row,) = [row for row in rows if row["name"]["value"] == A100_FAMILY]
    name = "Standard NCADSA100v4 Family Cluster Dedicated vCPUs"
    assert row["name"]["localizedValue"] == name
    assert row["type"] == "Microsoft.MachineLearningServices/vmFamily/usages"
    assert row["unit"] == "Count"


def test_the_limits_of_the_service_hold(wire):
    shared = wire.create_endpoint(properties={"SharedComputeCapacityEnabled": "true"})
    assert wire.put_deployment(shared, instances=51)[0] == 400
    for number in range(20):
        wire.deploy(shared, f"blue-{number}", instances=50)
    assert "20 deployments" in text_of(wire.put_deployment(shared, "one-more"))
    for number in range(99):
        wire.create_endpoint(f"number-{number}")
    assert "100 endpoints" in text_of(wire.put_endpoint(wire.endpoint_path("one-more")))
