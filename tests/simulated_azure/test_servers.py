"""The two published servers, row by row of where they differ.

What these tests expect comes from the servers' sources and from runs of their request classes, not
from the simulator's source. ``test_oracle.py`` runs the classes of ``inference`` beside it.
"""

from __future__ import annotations

import json

import pytest
from azure.ai.inference.models import UserMessage
from azure.core.exceptions import ResourceNotFoundError
from endpoint_clients import ask_core, fault, key_client, refusal, text_of, updates_of
from openai import BadRequestError, NotFoundError, OpenAI
from raw_http import AS_SERVE, ASK, CHAT, GREEDY, QUESTION, V1_CHAT, events_in, post, raw
from wire import NEVER_ENDS, Wire

from simulated_azure.azure import SimulatedAzure
from simulated_azure.inference.engine import Call, read_call
from simulated_azure.inference.servers import INFERENCE, SERVE, SERVERS, Server

AS_INFERENCE = {"x-simulated-server": "inference"}
PASS_THROUGH = {"extra-parameters": "pass-through"}
SERVED_NAME = "/var/azureml-app/azureml-models/Phi-4/8/mlflow_model_folder/model"
STREAM = {**GREEDY, "stream": True}
ENVIRONMENT = "azureml://registries/azureml/environments/{}/versions/1"
EXTRAS = {
    "logprobs": True,
    "top_logprobs": 2,
    "logit_bias": {"1": 1},
    "n": 2,
    "max_completion_tokens": 3,
    "stream_options": {"include_usage": True},
}
both_servers = pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS.keys())


def request_to_engine(server: Server, path: str, **fields) -> Call:
    """Return what the engine gets for a question with more fields."""
    headers = {"content-type": "application/json"}
    body = json.dumps({**ASK, **fields}).encode()
    return read_call(body, headers, server, path == V1_CHAT, SERVED_NAME)


def engine_body(answer: dict) -> dict:
    """Return the engine's own error in an error of the container."""
    return json.loads(answer["error"]["message"])


# 1: defaults


@pytest.mark.parametrize("path", [CHAT, V1_CHAT])
def test_inference_leaves_what_is_unset_to_the_engine(path):
    call = request_to_engine(INFERENCE, path)
    assert (call.request.temperature, call.request.top_p) == (1.0, 1.0)  # vLLM's defaults
    assert call.max_tokens is None


def test_serve_sends_0_7_and_256_on_its_bare_route_only():
    bare, v1 = (request_to_engine(SERVE, path) for path in (CHAT, V1_CHAT))
    assert (bare.request.temperature, bare.max_tokens) == (0.7, 256)
    assert (v1.request.temperature, v1.max_tokens) == (1.0, None)


def test_a_limit_of_null_means_the_room_in_the_context_on_both_servers(azure):
    for server in (INFERENCE, SERVE):
        assert request_to_engine(server, CHAT, max_tokens=None).max_tokens is None
    assert ask_core(azure, "POST", CHAT, {**GREEDY, "stream": None}).status == 200


def test_an_endless_answer_ends_at_256_tokens_on_serve_and_goes_on_elsewhere(simulator):
    endless = {**GREEDY, "logit_bias": NEVER_ENDS["logit_bias"]}
    at_serve = post(simulator, endless, **AS_SERVE)[1]
    assert at_serve["usage"]["completion_tokens"] == 256
    limited = {**endless, "max_tokens": 300}
    elsewhere = post(simulator, limited, **PASS_THROUGH)[1]
    assert elsewhere["usage"]["completion_tokens"] == 300


# 2, 3, 4: limits, and who refuses what is beyond them


@both_servers
def test_temperatures_above_one_are_refused_by_the_container_on_the_bare_route(simulator, server):
    status, answer = post(
        simulator, {**ASK, "temperature": 1.01}, **{"x-simulated-server": server.name}
    )
    (detail,) = answer["error"]["details"]
    assert (status, detail["loc"]) == (422, ["body", "temperature"])
    assert detail["msg"] == "Input should be less than or equal to 1"


def test_inference_refuses_temperatures_above_one_under_v1_as_well(simulator):
    status, answer = post(simulator, {**ASK, "temperature": 1.5}, V1_CHAT)
    (detail,) = answer["error"]["details"]
    assert (status, answer["error"]["code"]) == (422, "Invalid input")
    assert detail["msg"] == "Input should be less than or equal to 1"


@pytest.mark.parametrize(
    "change, message",
    [
        ({"temperature": 2}, None),
        ({"temperature": 2.1}, "temperature must be in [0, 2], got 2.1."),
        ({"temperature": -0.1}, "temperature must be non-negative, got -0.1."),
        ({"top_p": 0}, "top_p must be in (0, 1], got 0.0."),
        ({"presence_penalty": 3}, "presence_penalty must be in [-2, 2], got 3.0."),
        ({"max_tokens": 0}, "max_tokens must be at least 1, got 0."),
    ],
)
def test_serve_leaves_the_limits_under_v1_to_the_engine(simulator, change, message):
    status, answer = post(simulator, {**ASK, "max_tokens": 2, **change}, V1_CHAT, **AS_SERVE)
    error = {"object": "error", "type": "BadRequestError", "param": None, "code": 400}
    assert status == (400 if message else 200)
    assert not message or answer == {**error, "message": message}


def test_a_wrong_type_under_v1_is_a_400_of_the_engine_on_serve(simulator):
    status, answer = post(simulator, {**ASK, "seed": "x"}, V1_CHAT, **AS_SERVE)
    assert (status, answer["object"], answer["type"]) == (400, "error", "BadRequestError")
    assert "'loc': ('body', 'seed')" in answer["message"]


@pytest.mark.parametrize("path", [CHAT, V1_CHAT])
def test_inference_wraps_the_errors_of_the_engine_on_both_routes(simulator, path):
    status, answer = post(simulator, {**ASK, "max_tokens": 0}, path)
    assert (status, answer["error"]["code"]) == (400, "Bad Request")
    assert engine_body(answer)["message"] == "max_tokens must be at least 1, got 0."


def test_serve_wraps_the_errors_of_the_engine_on_its_bare_route(simulator):
    status, answer = post(simulator, {**ASK, "max_tokens": 0}, **AS_SERVE)
    assert (status, engine_body(answer)["type"]) == (400, "BadRequestError")


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 5000], ids=["empty", "cut", "deep"])
def test_serve_answers_under_v1_to_a_body_that_is_not_json_as_the_engine(azure, body):
    response = ask_core(azure, "POST", V1_CHAT, body, x_simulated_server="serve")
    assert response.status == 400


def test_the_engine_reads_only_json(azure):
    response = ask_core(
        azure, "POST", V1_CHAT, ASK, content_type="text/plain", x_simulated_server="serve"
    )
    assert response.status == 400
    assert "Only 'application/json' is allowed" in json.loads(response.body)["message"]


def test_a_developer_message_is_accepted_under_v1_of_serve_only(simulator):
    developer = {"role": "developer", "content": "Be brief."}
    body = {"messages": [developer, *ASK["messages"]], "max_tokens": 2}
    routes = [(CHAT, {}), (V1_CHAT, {}), (CHAT, AS_SERVE), (V1_CHAT, AS_SERVE)]
    assert [post(simulator, body, path, **server)[0] for path, server in routes] == [
        422,
        422,
        422,
        200,
    ]


# 5, 6: extra parameters


def test_inference_refuses_extras_on_the_bare_route_without_the_header(simulator):
    status, answer = post(simulator, {**ASK, "logprobs": True})
    assert status == 400
    assert answer["detail"].startswith("Extra parameters ['logprobs'] are not allowed")


@pytest.mark.parametrize("header", [None, "pass-through", "drop"])
def test_serve_passes_extras_on_its_bare_route_unless_the_header_is_error(simulator, header):
    headers = {"extra-parameters": header} if header else {}
    body = {**GREEDY, "logprobs": True}
    status, answer = post(simulator, body, **headers, **AS_SERVE)
    assert status == 200
    assert answer["choices"][0]["logprobs"]["content"]
    status, answer = post(simulator, body, **{"extra-parameters": "error"}, **AS_SERVE)
    assert (status, [*answer]) == (400, ["detail"])


def test_serve_refuses_an_unknown_value_of_the_header_too(simulator):
    status, answer = post(simulator, ASK, **{"extra-parameters": "ignore"}, **AS_SERVE)
    assert status == 400
    assert answer["detail"].startswith("Unexpected EXTRA_PARAMETERS option ignore")


@pytest.mark.parametrize("header", [None, "drop", "error", "nonsense"])
@pytest.mark.parametrize("extra", EXTRAS)
def test_inference_drops_extras_under_v1_without_a_word(extra, header):
    headers = {"content-type": "application/json"}
    headers |= {"extra-parameters": header} if header else {}
    body = json.dumps({**ASK, extra: EXTRAS[extra]}).encode()
    call = read_call(body, headers, INFERENCE, True, SERVED_NAME)
    assert extra not in call.request.model_fields_set


def test_an_answer_of_inference_under_v1_shows_nothing_of_dropped_extras(simulator):
    body = {**GREEDY, "logprobs": True, "max_completion_tokens": 1, "n": 1}
    status, answer = post(simulator, body, V1_CHAT)
    assert status == 200
    assert answer["choices"][0]["logprobs"] is None
    assert answer["usage"]["completion_tokens"] > 1


@pytest.mark.parametrize("extra", EXTRAS)
def test_with_pass_through_extras_reach_the_engine_under_v1_of_inference(extra):
    headers = {"content-type": "application/json", **PASS_THROUGH}
    body = json.dumps({**ASK, "logprobs": True, extra: EXTRAS[extra]}).encode()
    assert extra in read_call(body, headers, INFERENCE, True, "").request.model_fields_set


def test_extras_reach_the_engine_as_sent_under_v1_of_serve(simulator):
    body = {**GREEDY, "logprobs": True, "max_completion_tokens": 2}
    status, answer = post(simulator, body, V1_CHAT, **AS_SERVE)
    assert (status, answer["usage"]["completion_tokens"]) == (200, 2)
    assert len(answer["choices"][0]["logprobs"]["content"]) == 2


def test_what_a_client_calls_extra_params_is_not_checked_by_inference():
    """Run with the published classes: a field in there replaces the one beside it."""
    call = request_to_engine(INFERENCE, V1_CHAT, extra_params={"temperature": 2, "other": 1})
    assert call.request.temperature == 2


# Tools


@pytest.mark.parametrize("path", [CHAT, V1_CHAT])
@pytest.mark.parametrize("change", [{"tool_choice": "none"}, {"tools": []}])
def test_inference_refuses_any_tools_itself(simulator, path, change):
    text = "Tools and tool_choice are not supported."
    assert post(simulator, {**ASK, **change}, path) == (400, {"detail": text})


@pytest.mark.parametrize("path", [CHAT, V1_CHAT])
def test_serve_leaves_tools_to_an_engine_that_was_not_started_for_them(simulator, path):
    tool = {"type": "function", "function": {"name": "weather", "description": "the weather"}}
    status, answer = post(simulator, {**ASK, "tools": [tool]}, path, **AS_SERVE)
    error = answer if path == V1_CHAT else engine_body(answer)
    assert status == 400
    assert error["message"] == (
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    )
    without = {**GREEDY, "tools": [tool], "tool_choice": "none"}
    assert post(simulator, without, path, **AS_SERVE)[0] == 200
    status, answer = post(simulator, {**ASK, "tool_choice": "auto"}, V1_CHAT, **AS_SERVE)
    assert (status, answer["message"]) == (400, "When using `tool_choice`, `tools` must be set.")


# 7, 8, 9: names


@pytest.mark.parametrize("path", [CHAT, V1_CHAT])
def test_inference_accepts_any_model_name(simulator, path):
    status, answer = post(simulator, {**GREEDY, "model": "gpt-9"}, path)
    assert (status, answer["model"]) == (200, "Phi-4")


def test_serve_answers_to_another_model_under_v1_as_the_engine_does(simulator):
    status, answer = post(simulator, {**GREEDY, "model": "Phi-4"}, V1_CHAT, **AS_SERVE)
    assert status == 404
    assert answer == {
        "object": "error",
        "message": "The model `Phi-4` does not exist.",
        "type": "NotFoundError",
        "param": None,
        "code": 404,
    }


def test_serve_asks_the_engine_for_the_bare_route_after_a_404_and_it_has_none(simulator):
    answer = post(simulator, {**GREEDY, "model": "Phi-4"}, **AS_SERVE)
    assert answer == (404, {"detail": "Not Found"})


@pytest.mark.parametrize("path", [CHAT, V1_CHAT])
@pytest.mark.parametrize("model", [SERVED_NAME, "", None])
def test_serve_accepts_the_models_path_and_no_name_at_all(simulator, path, model):
    status, answer = post(simulator, {**GREEDY, "model": model}, path, **AS_SERVE)
    assert (status, answer["model"]) == (200, SERVED_NAME)


def test_an_openai_client_finds_the_name_on_serve(simulator):
    client = OpenAI(
        base_url=f"{simulator.http_url}/v1", api_key=simulator.azure.key, default_headers=AS_SERVE
    )
    messages = [{"role": "user", "content": QUESTION}]
    with pytest.raises(NotFoundError, match="The model `Phi-4` does not exist"):
        client.chat.completions.create(model="Phi-4", messages=messages)
    (model,) = client.models.list()
    answer = client.chat.completions.create(model=model.id, messages=messages, temperature=0)
    assert (model.id, answer.model) == (SERVED_NAME, SERVED_NAME)
    with pytest.raises(BadRequestError, match="temperature must be in"):
        client.chat.completions.create(model=model.id, messages=messages, temperature=3)


def test_info_is_on_inference_only(simulator, certificates):
    with key_client(simulator, certificates) as client:
        assert client.get_model_info().model_name == "Phi-4"
    with key_client(simulator, certificates) as client:
        error = refusal(client.get_model_info, headers=AS_SERVE)
    assert type(error) is ResourceNotFoundError
    assert error.response.json() == {"detail": "Not Found"}


def test_a_list_of_models_is_on_serve_only(simulator):
    key = {"api-key": simulator.azure.key}
    status, _, content = raw(simulator, "GET", "/v1/models", headers=key)
    assert (status, json.loads(content)) == (404, {"detail": "Not Found"})
    status, _, content = raw(simulator, "GET", "/v1/models", headers=key | AS_SERVE)
    assert (status, [model["id"] for model in json.loads(content)["data"]]) == (200, [SERVED_NAME])


# 10: streams


@pytest.mark.parametrize("path", [CHAT, V1_CHAT])
def test_a_stream_of_serve_is_the_same_events_in_one_piece(azure, path):
    streamed = ask_core(azure, "POST", path, STREAM)
    whole = ask_core(azure, "POST", path, STREAM, x_simulated_server="serve")
    assert isinstance(whole.body, bytes)
    assert whole.headers["content-type"] == streamed.headers["content-type"]
    texts = []
    for body in (b"".join(streamed.body), whole.body):
        *events, done = body.strip().split(b"\n\n")
        assert done == b"data: [DONE]"
        choices = [json.loads(event.removeprefix(b"data: "))["choices"] for event in events]
        texts.append([choice["delta"]["content"] for [choice] in choices])
    assert texts[0] == texts[1]
    assert len(texts[0]) > 5


def test_a_stream_of_serve_arrives_after_the_time_of_the_whole_answer(simulator):
    azure = SimulatedAzure(token_delay=0.5, assistant=simulator.azure.assistant, server=SERVE)
    stream = ask_core(azure, "POST", CHAT, {**STREAM, "max_tokens": 8})
    whole = ask_core(azure, "POST", CHAT, {**GREEDY, "max_tokens": 8})
    assert (stream.delay, stream.pace) == (whole.delay, 0) == (8 * 0.5, 0)


def test_a_client_of_serve_reads_the_stream_as_usual(simulator, certificates):
    with key_client(simulator, certificates) as client:
        updates = updates_of(client, headers=AS_SERVE)
        whole = client.complete(GREEDY)
    assert text_of(updates) == whole.choices[0].message.content
    assert updates[-1].usage.total_tokens == whole.usage.total_tokens


def test_the_stream_of_serve_has_a_length_on_the_wire(simulator):
    headers = {"api-key": simulator.azure.key, **AS_SERVE}
    status, headers, content = raw(simulator, "POST", CHAT, STREAM, headers)
    assert (status, int(headers["content-length"])) == (200, len(content))
    assert events_in([content])[-1]["usage"]


def test_a_stream_of_serve_can_break_off(simulator, certificates):
    from azure.core.exceptions import HttpResponseError

    headers = fault("cut; after=2")["headers"] | AS_SERVE
    with key_client(simulator, certificates) as client, pytest.raises(HttpResponseError):
        updates_of(client, headers=headers)


# Which server answers


def test_inference_answers_unless_something_else_is_said(azure):
    assert azure.server is INFERENCE
    assert ask_core(azure, "GET", "/info").status == 200


def test_a_request_chooses_its_server(simulator):
    azure = SimulatedAzure(assistant=simulator.azure.assistant, server=SERVE)
    assert ask_core(azure, "GET", "/info").status == 404
    assert ask_core(azure, "GET", "/info", x_simulated_server="inference").status == 200


def test_a_wrong_name_of_a_server_is_refused_with_the_right_ones(azure):
    response = ask_core(azure, "POST", CHAT, ASK, x_simulated_server="Serve")
    text = "x-simulated-server: found 'Serve', expected inference or serve."
    assert (response.status, json.loads(response.body)) == (400, {"detail": text})


def test_the_name_of_a_server_is_kept_from_those_without_a_key(azure):
    response = ask_core(azure, "GET", "/info", x_simulated_server="x", api_key="wrong")
    assert response.status == 401


@both_servers
def test_a_deployment_has_the_server_that_its_environment_names(wire, server):
    endpoint = wire.create_endpoint()
    environment = ENVIRONMENT.format(server.image)
    deployment = wire.deploy(endpoint, environmentId=environment)
    wire.set_traffic(endpoint, blue=100)
    assert wire.get(deployment)["properties"]["environmentId"] == environment
    assert (wire.call(endpoint, "/info")[0] == 200) is server.has_info
    assert (wire.call(endpoint, "/v1/models")[0] == 200) is server.has_models


@both_servers
def test_a_deployment_without_such_an_environment_has_the_server_of_the_simulator(
    simulator, server
):
    wire = Wire(SimulatedAzure(assistant=simulator.azure.assistant, server=server))
    endpoint = wire.create_endpoint()
    wire.deploy(endpoint)
    wire.set_traffic(endpoint, blue=100)
    assert (wire.call(endpoint, "/info")[0] == 200) is server.has_info
    other = next(each for each in SERVERS.values() if each is not server)
    status, _ = wire.call(endpoint, "/info", **{"x-simulated-server": other.name})
    assert (status == 200) is other.has_info


@pytest.mark.parametrize(
    "variables, name",
    [
        ({}, "/var/azureml-app/azureml-models/Phi-4/8/mlflow_model_folder/model"),
        ({"AML_SERVED_MODEL_NAME": "phi"}, "phi"),
    ],
)
def test_a_deployment_of_serve_has_the_name_that_its_variable_sets(wire, variables, name):
    endpoint = wire.create_endpoint()
    environment = ENVIRONMENT.format(SERVE.image)
    wire.deploy(endpoint, environmentId=environment, environmentVariables=variables)
    wire.set_traffic(endpoint, blue=100)
    status, models = wire.call(endpoint, "/v1/models")
    assert (status, [model["id"] for model in models["data"]]) == (200, [name])
    assert wire.call(endpoint, V1_CHAT, {**GREEDY, "model": name})[0] == 200
    status, _ = wire.call(endpoint, V1_CHAT, {**GREEDY, "model": "other"})
    assert status == 424  # the engine's 404, behind Azure's gateway
    assert wire.response.headers["ms-azureml-model-error-statuscode"] == "404"


def test_a_stream_of_serve_can_take_longer_than_a_deployment_allows(wire):
    endpoint = wire.create_endpoint()
    wire.deploy(endpoint, environmentId=ENVIRONMENT.format(SERVE.image))
    wire.set_traffic(endpoint, blue=100)
    long = {**STREAM, **NEVER_ENDS}
    assert wire.call(endpoint, CHAT, long)[0] == 408
    assert wire.call(endpoint, CHAT, long, **AS_INFERENCE, **PASS_THROUGH)[0] == 200


def test_messages_of_the_sdk_are_answered_by_both(simulator, certificates):
    with key_client(simulator, certificates) as client:
        texts = [
            client.complete(messages=[UserMessage(QUESTION)], temperature=0, headers=headers)
            .choices[0]
            .message.content
            for headers in (AS_SERVE, AS_INFERENCE)
        ]
    assert texts[0] == texts[1]
