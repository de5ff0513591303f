"""The life of endpoints and deployments: names, changes, simulated time, keys, deletion."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from wire import H100, PHI_4, UK_WORKSPACE, WORKSPACE, Wire, code_of, text_of

from simulated_azure.azure import SimulatedAzure

SHARED_QUOTA = {"SharedComputeCapacityEnabled": "true"}


# Names


@pytest.mark.parametrize(
    "name", ["ab", "a" * 33, "1abc", "-abc", "abc-", "a_b", "a.b", "naïve", "a b", "a/b"]
)
def test_a_name_needs_3_to_32_letters_digits_and_hyphens_and_a_letter_first(wire, name):
    expected = 404 if "/" in name else 400
    assert wire.put_endpoint(wire.endpoint_path(name))[0] == expected
    path = wire.create_endpoint("one")
    assert wire.put_deployment(path, name)[0] == expected
    endpoints = wire.get(wire.endpoints_path())["value"]
    assert [endpoint["name"] for endpoint in endpoints] == ["one"]


@pytest.mark.parametrize("name", ["abc", "a" * 32, "a-1", "Phi-4"])
def test_names_at_the_limits_are_accepted(wire, name):
    blue = wire.deploy(wire.create_endpoint(name), name)
    assert wire.get(blue)["name"] == name


def test_a_name_is_unique_only_in_its_region(wire):
    uris = [
        wire.get(wire.create_endpoint("one", workspace))["properties"]["scoringUri"]
        for workspace in (WORKSPACE, UK_WORKSPACE)
    ]
    assert uris[0].endswith("/one.eastus2.inference.ml/score")
    assert uris[1].endswith("/one.uksouth.inference.ml/score")


def test_an_unknown_model_is_refused_with_the_known_ones(wire):
    path = wire.create_endpoint()
    for model in (PHI_4.replace("/8", "/99"), "azureml:my-model:1", "Phi-4"):
        answer = wire.put_deployment(path, model=model)
        assert answer[0] == 400
        assert model in text_of(answer)
        assert PHI_4 in text_of(answer)


# Changes


def test_tags_are_added_by_patch_and_nothing_else_changes(wire):
    path = wire.create_endpoint(traffic={})
    blue = wire.deploy(path)
    assert wire.send("PATCH", path, {"tags": {"a": "1"}})[1]["tags"] == {"a": "1"}
    assert wire.send("PATCH", path, {"tags": {"b": "2"}})[1]["tags"] == {"a": "1", "b": "2"}
    for tags in (5, ["a"], {"a": 1}, {"a": None}):
        assert wire.send("PATCH", path, {"tags": tags})[0] == 400
        assert wire.send("PATCH", blue, {"tags": tags})[0] == 400


def test_properties_of_an_endpoint_can_be_added_but_neither_removed_nor_altered(wire):
    path = wire.create_endpoint(properties={"a": "1"})
    for properties in ({"a": "2", "b": "3"}, {}):
        wire.put_endpoint(path, properties=properties)
        wire.finish_operation()
        assert wire.get(path)["properties"]["properties"] == {"a": "1", "b": "3"}


def test_while_an_operation_runs_the_next_one_is_a_conflict(wire):
    conflict = (409, "Conflict")
    path = wire.endpoint_path("one")
    blue = f"{path}/deployments/blue"
    regenerate = (f"{path}/regenerateKeys", {"keyType": "Primary"})
    wire.put_endpoint(path)
    creation = wire.operation_path()
    assert code_of(wire.put_endpoint(path)) == conflict
    assert code_of(wire.send("DELETE", path)) == conflict
    assert wire.put_deployment(path)[0] in (400, 409)
    wire.finish_operation(creation)
    wire.put_deployment(path)
    deployment = wire.operation_path()
    assert code_of(wire.put_deployment(path)) == conflict
    assert code_of(wire.send("PATCH", blue, {"sku": {"capacity": 2}})) == conflict
    assert code_of(wire.send("DELETE", blue)) == conflict
    assert "Creating" in text_of(wire.set_traffic(path, blue=100))
    # One operation at a time for the whole endpoint:
    assert code_of(wire.put_deployment(path, "green")) == conflict
    assert code_of(wire.send("POST", *regenerate)) == conflict
    assert code_of(wire.send("DELETE", path)) == conflict
    wire.finish_operation(deployment)
    assert wire.send("POST", *regenerate)[0] == 202
    regeneration = wire.operation_path()
    assert code_of(wire.put_deployment(path, "green")) == conflict
    wire.finish_operation(regeneration)
    wire.send("DELETE", blue)
    assert code_of(wire.put_deployment(path)) == conflict


@pytest.mark.parametrize(
    "value", ["short", "with blank in it", "größer-als-das", "line\nbreak-key"]
)
def test_own_keys_that_no_header_can_carry_or_hide_are_refused(wire, value):
    body = {"keyType": "Primary", "keyValue": value}
    answer = wire.send("POST", f"{wire.create_endpoint()}/regenerateKeys", body)
    assert code_of(answer) == (400, "BadRequest")
    assert value not in text_of(answer)


# Deletion


def test_a_deployment_that_gets_traffic_cannot_be_deleted(wire):
    path = wire.create_endpoint()
    blue = wire.deploy(path)
    wire.set_traffic(path, blue=100)
    answer = wire.send("DELETE", blue)
    assert code_of(answer) == (400, "BadRequest")
    assert "still gets traffic" in text_of(answer)
    wire.set_traffic(path, blue=0)
    assert wire.send("DELETE", blue)[0] == 202
    wire.finish_operation()
    assert wire.send("GET", blue)[0] == 404


def test_a_deployment_cannot_be_deleted_while_traffic_is_being_sent_to_it(wire):
    path = wire.create_endpoint()
    blue = wire.deploy(path)
    wire.put_endpoint(path, traffic={"blue": 100})
    assert wire.send("DELETE", blue)[0] == 409


def test_deleting_an_endpoint_deletes_its_deployments_and_frees_their_quota(wire):
    path = wire.create_endpoint()
    blue = wire.deploy(path, instances=2)
    wire.set_traffic(path, blue=100)
    key = {"authorization": f"Bearer {wire.primary_key(path)}"}
    info = "/one.eastus2.inference.ml/info"
    assert wire.send("GET", info, **key)[0] == 200
    assert wire.send("DELETE", path)[0] == 202
    deletion = wire.operation_path()
    assert "No such endpoint" in text_of(wire.send("GET", info, **key))
    resources = [wire.get(wire.endpoints_path()), wire.get(f"{path}/deployments")]
    states = [each["value"][0]["properties"]["provisioningState"] for each in resources]
    assert states == ["Deleting", "Deleting"]
    assert wire.finish_operation(deletion)[0] == "Succeeded"
    assert [wire.send("GET", resource)[0] for resource in (path, blue)] == [404, 404]
    assert wire.usage() == (0, 48)
    assert wire.get(wire.endpoints_path())["value"] == []


def test_whoever_lists_again_and_again_sees_a_deletion_end(wire):
    """Do what a person does who did not wait for a deletion."""
    path = wire.create_endpoint()
    wire.deploy(path)
    wire.deploy(path, "green")
    wire.send("DELETE", f"{path}/deployments/green")
    lists = [content["value"] for _, content in wire.poll(f"{path}/deployments", 4)]
    assert [deployment["name"] for deployment in lists[-1]] == ["blue"]
    wire.send("DELETE", path)
    lists = [content["value"] for _, content in wire.poll(wire.endpoints_path(), 4)]
    assert lists[-1] == []
    assert wire.usage() == (0, 48)


def test_an_old_operation_does_not_delete_a_new_endpoint_of_the_same_name(wire):
    path = wire.create_endpoint(properties=SHARED_QUOTA)
    wire.send("DELETE", path)
    deletion = wire.operation_path()
    wire.subscription.pass_time(200 * 3600)
    wire.create_endpoint()
    wire.finish_operation(deletion)
    assert wire.send("GET", path)[0] == 200


# Simulated time


def age_range(path: str, wire: Wire) -> tuple[timedelta, timedelta]:
    """Return bounds of the age of a resource: it is read between two looks at the clock."""
    before = datetime.now(UTC)
    created = datetime.fromisoformat(wire.get(path)["systemData"]["createdAt"])
    return before - created, datetime.now(UTC) - created


def test_simulated_time_moves_only_with_operations(wire):
    path = wire.create_endpoint()
    start = wire.subscription.clock
    blue = wire.deploy(path)
    assert wire.subscription.clock - start == pytest.approx(17 * 60)
    for resource in (blue, path, wire.endpoints_path()):
        wire.poll(resource, 50)
    wire.usage()
    assert wire.subscription.clock - start == pytest.approx(17 * 60)
    for minutes in (17, 17 + 15):
        at_least, at_most = age_range(blue, wire)
        assert at_least <= timedelta(minutes=minutes) <= at_most
        wire.deploy(path, instances=2)


def test_a_change_that_needs_no_machine_takes_no_time_for_machines(wire):
    path = wire.create_endpoint()
    blue = wire.deploy(path)
    start = wire.subscription.clock
    wire.send("PATCH", blue, {"tags": {"a": "b"}})
    wire.finish_operation()
    assert 0 < wire.subscription.clock - start <= 5 * 60
    assert "scaled" not in wire.log(blue)
    wire.deploy(path, requestSettings={"requestTimeout": "PT1M"})
    assert wire.subscription.clock - start <= 10 * 60
    assert "scaled" not in wire.log(blue)


def test_shared_quota_leaves_the_own_quota_alone_and_ends_after_168_hours(wire):
    created = wire.subscription.clock
    path = wire.create_endpoint("shared", UK_WORKSPACE, properties=SHARED_QUOTA)
    wire.deploy(path, instances=3)
    assert wire.usage("uksouth") == (0, 0)
    wire.set_traffic(path, blue=100)
    wire.put_endpoint(path, traffic={"blue": 100}, properties=SHARED_QUOTA)
    wire.finish_operation()
    left = timedelta(hours=168) - timedelta(seconds=wire.subscription.clock - created)
    before = datetime.now(UTC)
    properties = wire.get(path)["properties"]["properties"]
    ends = parsedate_to_datetime(properties["TargetAutoDeletionTime"])
    # A date in HTTP has whole seconds.
    assert before + left - timedelta(seconds=1) <= ends <= datetime.now(UTC) + left
    wire.subscription.pass_time(left.total_seconds() - 1)
    assert wire.call(path)[0] == 200
    wire.subscription.pass_time(2)
    assert wire.send("GET", path)[0] == 404
    assert wire.get(wire.endpoints_path(UK_WORKSPACE))["value"] == []


def test_an_endpoint_stays_on_the_quota_that_it_was_created_on(wire):
    own = wire.create_endpoint("own")
    shared = wire.create_endpoint("shared", properties=SHARED_QUOTA)
    wire.deploy(own, instances=2)
    wire.put_endpoint(own, properties=SHARED_QUOTA)
    if wire.response.status == 200:
        wire.finish_operation()
    assert wire.usage() == (48, 48)
    wire.set_traffic(shared)  # its properties left out
    wire.subscription.pass_time(200 * 3600)
    assert [wire.send("GET", path)[0] for path in (own, shared)] == [200, 404]


def test_the_same_calls_give_the_same_answers_but_for_ids_keys_and_times():
    def run() -> str:
        wire = Wire(SimulatedAzure())
        path = wire.create_endpoint()
        answers = [
            wire.put_deployment(path),
            wire.finish_operation(),
            wire.set_traffic(path, blue=100),
            wire.put_deployment(path, "green", H100),
            wire.finish_operation(),
            wire.put_deployment(path, "red", instances=9),
            wire.send("GET", wire.endpoints_path()),
            wire.usage(),
            wire.log(f"{path}/deployments/blue"),
            wire.send("GET", f"{path}/deployments"),
        ]
        return re.sub(r"[0-9a-f]{16,}|\d{4}-\d\d-\d\dT[\d:.+]+", "*", json.dumps(answers))

    assert run() == run()
