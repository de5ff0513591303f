"""Endpoints that were deployed: which deployment answers, when none does, how errors come back."""

from __future__ import annotations

import pytest
from wire import CHAT, NEVER_ENDS, QUESTION, TO_BLUE, Wire, code_of, text_of

from simulated_azure.http import Request
from simulated_azure.management.resources import Deployment

# Traffic


@pytest.mark.parametrize(
    ("traffic", "message"),
    [
        ({"blue": 99}, "99 per cent"),
        ({"blue": 60, "green": 60}, "120 per cent"),
        ({"blue": 101}, "less than or equal to 100"),
        ({"blue": -1, "green": 101}, "greater than or equal to 0"),
        ({"red": 100}, "'red', which does not exist. There are: blue, green."),
        ({"red": 0}, "'red', which does not exist"),
    ],
)
def test_wrong_traffic_is_refused_and_changes_nothing(wire, traffic, message):
    path = wire.create_endpoint()
    for name in ("blue", "green"):
        wire.deploy(path, name)
    wire.set_traffic(path, blue=100)
    answer = wire.set_traffic(path, **traffic)
    assert code_of(answer) == (400, "BadRequest")
    assert message in text_of(answer)
    assert wire.get(path)["properties"]["traffic"] == {"blue": 100}


def test_a_new_endpoint_cannot_have_traffic(wire):
    answer = wire.put_endpoint(wire.endpoint_path("one"), traffic={"blue": 100})
    assert code_of(answer) == (400, "BadRequest")
    assert "no deployments yet" in text_of(answer)
    assert wire.get(wire.endpoints_path())["value"] == []


def count_requests(wire: Wire, path: str, name: str) -> int:
    """Return how many requests the log of a deployment shows."""
    return wire.log(f"{path}/deployments/{name}").count("GET /info 200")


@pytest.mark.parametrize(
    "split", [{"blue": 90, "green": 10}, {"blue": 50, "green": 50}, {"blue": 1, "green": 99}]
)
def test_of_a_hundred_requests_each_deployment_gets_its_share(wire, split):
    path = wire.create_endpoint()
    for name in split:
        wire.deploy(path, name)
    wire.set_traffic(path, **split)
    assert all(wire.call(path)[0] == 200 for _ in range(100))
    assert {name: count_requests(wire, path, name) for name in split} == split


def test_shares_come_mixed_and_not_one_after_the_other(wire):
    path = wire.create_endpoint()
    for name in ("blue", "green"):
        wire.deploy(path, name)
    wire.set_traffic(path, blue=90, green=10)
    for _ in range(30):
        wire.call(path)
    assert count_requests(wire, path, "green") in (2, 3, 4)


def test_a_deployment_answers_while_it_is_scaled_but_not_while_it_is_created(wire):
    path = wire.create_endpoint()
    wire.put_deployment(path)
    assert wire.call(path, **TO_BLUE)[0] == 404
    wire.poll(f"{path}/deployments/blue", 4)
    assert wire.call(path, **TO_BLUE)[0] == 200
    wire.put_deployment(path, instances=2)
    (blue,) = wire.get(f"{path}/deployments")["value"]
    assert blue["properties"]["provisioningState"] == "Updating"
    assert wire.call(path, **TO_BLUE)[0] == 200


# Faults


@pytest.mark.parametrize(
    ("fault", "kind", "first"),
    [("detail-list", list, lambda it: it[0]), ("detail-object", dict, lambda it: it)],
)
def test_a_deployment_words_a_422_as_the_fault_says(wire, fault, kind, first):
    path = wire.create_endpoint()
    wire.deploy(path)
    wrong = {"messages": [{"role": "user", "content": "Hi"}], "temperature": 5}
    options = {**TO_BLUE, "x-simulated-fault": fault}
    status, body = wire.call(path, "/chat/completions", wrong, **options)[:2]
    assert status == 424  # as Azure's gateway says for any error of the container
    assert isinstance(body["detail"], kind)
    assert first(body["detail"])["loc"] == ["body", "temperature"]


# Requests in flight


@pytest.mark.parametrize(("instances", "at_a_time", "room"), [(1, 1, 2), (2, 1, 4), (1, 4, 8)])
def test_more_than_twice_the_requests_computed_at_a_time_are_refused(
    wire, instances, at_a_time, room
):
    path = wire.create_endpoint()
    settings = {"maxConcurrentRequestsPerInstance": at_a_time}
    wire.deploy(path, instances=instances, requestSettings=settings)
    headers = {"authorization": f"Bearer {wire.primary_key(path)}", **TO_BLUE}
    request = Request("GET", "/one.eastus2.inference.ml/info", "", headers)
    responses = [wire.azure.handle(request) for _ in range(room)]  # none has been sent yet
    assert [response.status for response in responses] == [200] * room
    refusal = wire.azure.handle(request)
    assert (refusal.status, refusal.body) == (429, b"")
    assert refusal.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
    assert "Retry-After" not in refusal.headers
    refusal.on_close()  # which frees no slot, for it took none
    assert wire.azure.handle(request).status == 429
    responses.pop().on_close()
    assert wire.azure.handle(request).status == 200


def test_a_slot_that_is_freed_twice_makes_no_room_for_more():
    deployment = Deployment("blue", created=0.0, instances=1, max_concurrent=1)
    deployment.begin_request()
    for _ in range(3):
        deployment.end_request()
    assert deployment.requests_in_flight == 0
    for _ in range(2):
        assert deployment.has_room
        deployment.begin_request()
    assert not deployment.has_room


# Answers and errors


def test_another_model_of_the_family_answers_under_its_own_name(wire):
    path = wire.create_endpoint()
    mini = "azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1"
    blue = wire.deploy(path, model=mini)
    assert wire.call(path, **TO_BLUE)[1]["model_name"] == "Phi-4-mini-instruct"
    question = {"messages": [{"role": "user", "content": QUESTION}], "temperature": 0}
    assert wire.call(path, CHAT, question, **TO_BLUE)[1]["model"] == "Phi-4-mini-instruct"
    log = wire.log(blue)
    assert "minute 9: downloading Phi-4-mini-instruct" in log
    assert "GiB" not in log  # its weights are not known


def test_only_the_inference_routes_exist_under_a_deployed_endpoint(wire):
    path = wire.create_endpoint()
    wire.deploy(path)
    for route in ("/msi/token", "/simulator/requests", "/subscriptions/x", "/nonsense"):
        assert wire.call(path, route, **TO_BLUE)[0] == 424
    wire.call(path, "/", **TO_BLUE)
    assert wire.response.body == b"healthy"


def test_a_deployed_endpoint_makes_faults_on_request_but_not_before_the_key(wire):
    path = wire.create_endpoint()
    wire.deploy(path)
    fault = "x-simulated-fault"
    assert wire.call(path, **TO_BLUE, **{fault: "429; retry-after=1"})[0] == 429
    assert wire.response.headers["Retry-After"] == "1"
    assert wire.call(path, **TO_BLUE, **{fault: "nonsense"})[0] == 400
    wrong_key = {"authorization": "Bearer wrong", fault: "nonsense"}
    assert wire.call(path, **TO_BLUE, **wrong_key)[0] == 401


@pytest.mark.parametrize(
    "audience",
    ["https://management.azure.com", "https://ml.azure.com", "https://graph.microsoft.com"],
)
def test_no_access_token_opens_an_endpoint_with_keys(wire, audience):
    path = wire.create_endpoint()
    wire.deploy(path)
    bearer = f"Bearer {wire.sign_in(audience)}"
    assert wire.call(path, **TO_BLUE, authorization=bearer)[0] == 401
    assert wire.call(path, **TO_BLUE)[0] == 200


def test_the_scoring_route_answers_200_with_nothing_to_what_it_cannot_use(wire):
    """Check a trap of the container: no status tells that the request was wrong."""
    path = wire.create_endpoint()
    wire.deploy(path)
    wire.set_traffic(path, blue=100)
    for body in (
        {"messages": []},
        {"input_data": "What?"},
        {"input_data": {"input_string": []}},
        b"{",
        b"[1]",
        {"input_data": {}},
    ):
        assert wire.call(path, "/score", body) == (200, {})
    story = [{"role": "user", "content": "Tell me a long story about a lighthouse."}]

    def score(**parameters: object) -> tuple[int, object]:
        data = {"input_string": story, "parameters": {"do_sample": False, **parameters}}
        return wire.call(path, "/score", {"input_data": data})

    assert len(score(max_new_tokens=3)[1]["output"].split()) <= 3
    long = score(max_new_tokens=400, logit_bias=NEVER_ENDS["logit_bias"])
    assert long[0] == 408
