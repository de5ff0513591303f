"""Another server writes the answers: what reaches it, and what reaches the client."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from endpoint_clients import ask_core, key_client, text_of, updates_of
from openai import OpenAI
from raw_http import (
    AS_SERVE,
    ASK,
    CHAT,
    DEADLINE,
    GREEDY,
    V1_CHAT,
    open_socket,
    post,
    raw,
    wire_request,
)
from upstream_server import (
    DONE,
    MODEL,
    STREAM,
    STREAM_HEAD,
    USAGE,
    UpstreamServer,
    answer,
    event,
    piece,
    response,
    say,
    upstream_at,
)
from wire import Wire

from simulated_azure import __version__
from simulated_azure.azure import SimulatedAzure
from simulated_azure.transports.sockets import Simulator
from simulated_azure.upstream.settings import UpstreamSettingsError, read_upstream

KEY = "sk-of-the-upstream-1234567890"
STREAMED = {**GREEDY, "stream": True}
SOON = 10  # seconds after which an upstream that should have been left has not been
PASS_THROUGH = {"extra-parameters": "pass-through"}
WITH_LOGPROBS = {**GREEDY, "logprobs": True, "top_logprobs": 1}
TOKEN = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}


@pytest.fixture(scope="module")
def running(assistant) -> Iterator[tuple[Simulator, UpstreamServer]]:
    server = UpstreamServer()
    simulator = Simulator(assistant=assistant)
    yield simulator, server
    simulator.stop()
    server.close()
    assert not simulator.errors, "\n".join(simulator.errors)


@pytest.fixture
def upstream(running) -> Iterator[UpstreamServer]:
    """Return a server that writes the simulated endpoint's answers for one test."""
    simulator, server = running
    server.reset()
    simulator.azure.use_upstream(upstream_at(server.url, key=KEY))
    yield server
    simulator.azure.use_upstream(None)


@pytest.fixture
def endpoint(running, upstream) -> Simulator:
    """Return a running simulated Azure whose answers the upstream writes."""
    return running[0]


@pytest.fixture
def sdk(endpoint, certificates):
    with key_client(endpoint, certificates, "http") as client:
        yield client


# What arrives at the client


def test_the_sdk_gets_the_upstreams_answer_under_the_models_own_name(sdk):
    reply = sdk.complete(GREEDY)
    assert reply.choices[0].message.content == "Hello there."
    assert (reply.model, reply.choices[0].finish_reason) == (MODEL, "stop")
    assert reply.usage.total_tokens == 7
    assert reply["system_fingerprint"] == f"simulated-{__version__} upstream {MODEL}"
    assert sdk.get_model_info().model_name == MODEL


def test_a_stream_has_the_contracts_form_whatever_form_the_upstream_gives_it(sdk, upstream):
    updates = updates_of(sdk)
    assert text_of(updates) == "Hello there."
    assert [update.choices[0].finish_reason for update in updates] == [None, None, None, "stop"]
    assert updates[0].choices[0].delta.role == "assistant"
    assert updates[-1].usage.total_tokens == 7  # it comes with the last piece
    assert {update["system_fingerprint"] for update in updates} == {
        f"simulated-{__version__} upstream {MODEL} fp_x"
    }


def test_openai_clients_get_the_usage_apart_and_only_if_they_want_it(endpoint):
    client = OpenAI(base_url=f"{endpoint.http_url}/v1", api_key=endpoint.azure.key)
    with client:
        asked = {"model": "any", "messages": ASK["messages"], "stream": True}
        plain = list(client.chat.completions.create(**asked))
        options = {"stream_options": {"include_usage": True}, "extra_headers": PASS_THROUGH}
        counted = list(client.chat.completions.create(**asked, **options))
    assert [chunk.usage for chunk in plain if chunk.usage] == []
    assert (counted[-1].choices, counted[-1].usage.total_tokens) == ([], 7)


def test_each_piece_arrives_before_the_upstream_sends_the_next(endpoint, certificates, upstream):
    may_go_on = threading.Event()

    def slow(visit):
        visit.send(STREAM_HEAD, piece("Hello"))
        assert may_go_on.wait(DEADLINE)
        visit.send(piece(" there."), piece(finish="stop"), DONE)

    upstream.manner = slow
    with key_client(endpoint, certificates, "http") as client:
        updates = client.complete({**GREEDY, "stream": True})
        texts = [next(updates).choices[0].delta.content for _ in range(2)]
        assert texts == ["", "Hello"]
        assert raw(endpoint, "GET", "/info")[0] == 200  # others are not blocked meanwhile
        may_go_on.set()
        assert text_of(list(updates)) == " there."


def test_the_request_to_the_upstream_ends_when_the_client_leaves(endpoint, upstream):
    visits = []

    def endless(visit):
        visits.append(visit)
        visit.send(STREAM_HEAD, piece("Hello"))
        visit.wait_until_left()

    upstream.manner = endless
    with open_socket(endpoint.http_url, "") as connection:
        connection.sendall(wire_request(endpoint.azure.key, STREAMED))
        received = b""
        while b"Hello" not in received:
            received += connection.recv(65536)
    assert visits[0].left.wait(SOON)


def test_it_ends_as_well_if_the_client_leaves_before_the_first_piece(endpoint, upstream):
    arrived, visits = threading.Event(), []

    def silent(visit):
        visits.append(visit)
        arrived.set()
        visit.wait_until_left()

    upstream.manner = silent
    with open_socket(endpoint.http_url, "") as connection:
        connection.sendall(wire_request(endpoint.azure.key, GREEDY))
        assert arrived.wait(DEADLINE)
    assert visits[0].left.wait(SOON)


def test_the_server_serve_sends_the_upstreams_stream_all_at_once(endpoint, upstream):
    body = {**STREAMED, "model": MODEL}
    for path in (CHAT, V1_CHAT):
        status, headers, content = raw(
            endpoint, "POST", path, body, {"api-key": endpoint.azure.key, **AS_SERVE}
        )
        assert (status, "content-length" in headers) == (200, True)
        assert content.endswith(b"data: [DONE]\n\n")
    listed = raw(endpoint, "GET", "/v1/models", None, {"api-key": endpoint.azure.key, **AS_SERVE})
    assert json.loads(listed[2])["data"][0]["id"] == MODEL


def test_what_the_upstream_does_not_send_is_left_out_and_noted(endpoint, upstream):
    lacking = {name: text for name, text in answer().items() if name != "usage"}
    upstream.manner = say(response(200, json.dumps(lacking).encode()))
    headers = {"api-key": endpoint.azure.key, **PASS_THROUGH}
    body = {**WITH_LOGPROBS, "temperature": 0.5, "n": 2}
    status, told, content = raw(endpoint, "POST", CHAT, body, headers)
    assert status == 200
    reply = json.loads(content)
    assert "usage" not in reply
    assert [choice["logprobs"] for choice in reply["choices"]] == [None]
    for words in ("no log-probabilities", "fewer answers", "how many tokens"):
        assert words in told["x-simulated-note"]
    assert told["x-simulated-upstream"] == f"{MODEL} at {upstream.url}"
    state = json.loads(raw(endpoint, "GET", "/simulator/upstream")[2])["upstream"]
    assert (state["model"], len(state["notes"])) == (MODEL, 3)


def test_log_probabilities_and_thoughts_are_passed_on(endpoint, upstream):
    choice = {"index": 0, "finish_reason": "length"}
    message = {"content": None, "reasoning_content": "Hm."}
    logprobs = {"content": [{**TOKEN, "id": 7, "top_logprobs": [{**TOKEN, "id": 7}]}]}
    whole = answer(choices=[{**choice, "message": message, "logprobs": logprobs}])
    first = {"index": 0, "delta": {"reasoning_content": "Hm."}, "logprobs": logprobs}
    stream = [STREAM_HEAD, event({"choices": [first]}), piece(finish="length"), DONE]
    upstream.manner = say(response(200, json.dumps(whole).encode()), stream)
    _, reply = post(endpoint, WITH_LOGPROBS, **PASS_THROUGH)
    expected = {**TOKEN, "top_logprobs": [TOKEN]}
    assert reply["choices"][0]["logprobs"] == {"content": [expected]}
    assert reply["choices"][0]["message"]["reasoning_content"] == "Hm."
    assert reply["choices"][0]["message"]["content"] == ""
    body = {**WITH_LOGPROBS, "stream": True}
    sent = raw(endpoint, "POST", CHAT, body, {"api-key": endpoint.azure.key, **PASS_THROUGH})[2]
    events = [json.loads(line[6:]) for line in sent.split(b"\n\n")[:-2]]
    assert events[1]["choices"][0]["delta"] == {"content": "", "reasoning_content": "Hm."}
    assert events[1]["choices"][0]["logprobs"]["content"] == [expected]


@pytest.mark.parametrize(
    "stream",
    [
        [STREAM_HEAD, b": ping\n\n", *STREAM[1:]],
        [STREAM_HEAD, event({"choices": [], "prompt_filter_results": []}), *STREAM[1:]],
        STREAM[:-1],  # no [DONE]
        [STREAM_HEAD, *(part.replace(b"\n", b"\r\n") for part in STREAM[1:])],
        [b"".join(STREAM)],
        [STREAM_HEAD, piece("Hel"), piece("lo there.", "stop"), USAGE[:-2]],
    ],
    ids=["ping", "empty choices", "without DONE", "CRLF", "one write", "cut after the answer"],
)
def test_forms_of_streams_that_real_servers_send(sdk, upstream, stream):
    upstream.manner = say(stream=stream)
    updates = updates_of(sdk)
    assert text_of(updates) == "Hello there."
    assert updates[-1].choices[0].finish_reason == "stop"
    assert updates[-1].usage.total_tokens == 7


def test_an_answer_that_comes_whole_although_a_stream_was_asked_for_is_streamed(sdk, upstream):
    upstream.manner = lambda visit: visit.send(response(200, json.dumps(answer()).encode()))
    updates = updates_of(sdk)
    assert (text_of(updates), updates[-1].usage.total_tokens) == ("Hello there.", 7)


# What arrives at the upstream


def test_the_upstream_gets_what_a_published_server_would_send_to_its_engine(endpoint, upstream):
    # The model has other tokens than Phi-4, so every id may be one of them.
    extras = {"logit_bias": {"150000": 1}, "logprobs": True, "stop": ["x"], "seed": 4}
    assert post(endpoint, {**GREEDY, **extras, "model": "mine"}, **PASS_THROUGH)[0] == 200
    (question,) = upstream.questions
    sent = {**GREEDY, **extras, "model": MODEL, "temperature": 0, "top_p": 1}
    assert question.body == sent


def test_unset_parameters_get_the_contracts_defaults_of_each_server(endpoint, upstream):
    post(endpoint, ASK)
    post(endpoint, ASK, **AS_SERVE)
    first, second = (visit.body for visit in upstream.questions)
    assert (first["temperature"], first["top_p"], "max_tokens" in first) == (1, 1, False)
    assert (second["temperature"], second["top_p"], second["max_tokens"]) == (0.7, 1, 256)
    assert {first["model"], second["model"]} == {MODEL}


def test_a_request_that_the_contract_refuses_never_reaches_the_upstream(endpoint, upstream):
    for body, status in (
        ({"messages": []}, 422),
        ({**ASK, "temperature": 3}, 422),
        ({**ASK, "top_k": 3}, 400),
        ({**ASK, "tools": []}, 400),
    ):
        assert post(endpoint, body)[0] == status
    assert post(endpoint, ASK, **{"x-simulated-fault": "500"})[0] == 500
    assert raw(endpoint, "POST", CHAT, ASK, {"api-key": "wrong"})[0] == 401
    assert upstream.questions == []


def test_faults_work_on_the_upstreams_answers(sdk, endpoint):
    cut = {"headers": {"x-simulated-fault": "filtered-answer; after=1"}}
    updates = updates_of(sdk, **cut)
    assert (text_of(updates), updates[-1].choices[0].finish_reason) == ("Hello", "content_filter")


def test_one_request_gives_one_request_to_the_upstream(sdk, upstream):
    sdk.complete(GREEDY)
    updates_of(sdk)
    assert len(upstream.questions) == 2
    assert len(upstream.visits) == 3  # the models were asked for once


def test_a_deployed_endpoint_keeps_its_name_and_gets_the_upstreams_answers(assistant, upstream):
    azure = SimulatedAzure(assistant=assistant, upstream=upstream_at(upstream.url, key=KEY))
    wire = Wire(azure)
    path = wire.create_endpoint()
    wire.deploy(path)
    wire.set_traffic(path, blue=100)
    assert wire.call(path)[1]["model_name"] == "Phi-4"
    status, reply = wire.call(path, CHAT, GREEDY)
    assert (status, reply["choices"][0]["message"]["content"]) == (200, "Hello there.")
    assert reply["model"] == MODEL  # which has written it
    assert upstream.questions[0].body["model"] == MODEL
    azure.use_upstream(None)


# Without sockets, and with itself


def test_the_core_waits_for_the_upstream_without_a_loop_of_its_own(assistant, upstream):
    azure = SimulatedAzure(assistant=assistant, upstream=upstream_at(upstream.url, MODEL))
    whole = ask_core(azure, "POST", CHAT, GREEDY)
    assert json.loads(whole.body)["choices"][0]["message"]["content"] == "Hello there."
    stream = ask_core(azure, "POST", CHAT, STREAMED)
    assert b"".join(stream.body).count(b"data: ") == 5
    azure.use_upstream(None)


def test_a_simulated_azure_can_be_the_upstream_of_another(endpoint, simulator, certificates):
    other = upstream_at(simulator.http_url, key=simulator.azure.key)
    endpoint.azure.use_upstream(other)
    with (
        key_client(endpoint, certificates, "http") as through,
        key_client(simulator, certificates, "http") as direct,
    ):
        choices = [
            client.complete(WITH_LOGPROBS, headers=PASS_THROUGH).choices[0]
            for client in (through, direct)
        ]
        streams = [text_of(updates_of(client)) for client in (through, direct)]
    assert choices[0] == choices[1]
    assert streams[0] == streams[1] == choices[0].message.content
    assert other.settings.model == "" and other.model == "Phi-4"  # named by /info


def test_a_simulated_azure_that_is_its_own_upstream_says_so(endpoint):
    endpoint.azure.use_upstream(upstream_at(endpoint.http_url, "any", endpoint.azure.key))
    status, body = post(endpoint, GREEDY)
    assert (status, "is this simulated Azure itself" in body["error"]["message"]) == (502, True)


# Addresses, models and keys


@pytest.mark.parametrize(
    ("text", "base_url"),
    [
        ("http://localhost:11434", "http://localhost:11434/v1"),
        ("localhost:11434/", "http://localhost:11434/v1"),
        ("http://[::1]:8080/v1/", "http://[::1]:8080/v1"),
        ("http://localhost:8080/v1/chat/completions", "http://localhost:8080/v1"),
        ("http://localhost:8080/v1/models", "http://localhost:8080/v1"),
        ("http://gpu:8000/proxy", "http://gpu:8000/proxy/v1"),
        ("https://a.openai.azure.com", "https://a.openai.azure.com/openai/v1"),
        ("https://a.services.ai.azure.com/openai/v1", "https://a.services.ai.azure.com/openai/v1"),
        ("https://a.eastus2.inference.ml.azure.com", "https://a.eastus2.inference.ml.azure.com/v1"),
    ],
)
def test_an_upstream_is_named_by_its_root_or_by_a_route_under_it(text, base_url):
    assert read_upstream(text).base_url == base_url


@pytest.mark.parametrize(
    "text",
    [KEY, f"http://user:{KEY}@localhost", f"http://localhost?key={KEY}", f"http://localhost/{KEY}"]
    + ["ftp://localhost", "http://", "gpu:8000", "http://localhost:99999", "http://a b"]
    + ["http://a.openai.azure.com"],
)
def test_an_address_that_cannot_work_is_refused_without_repeating_it(text):
    with pytest.raises(UpstreamSettingsError) as error_info:
        read_upstream(text, "", KEY)
    assert KEY not in str(error_info.value)
    assert str(error_info.value).startswith("SIMULATED_UPSTREAM (or --upstream) ")


def test_of_several_models_one_has_to_be_named(upstream):
    names = ["phi4-mini:latest", "llama3.2:latest"]
    upstream.models = response(200, json.dumps({"data": [{"id": name} for name in names]}).encode())
    asked = upstream_at(upstream.url)
    with pytest.raises(Exception) as error_info:
        asked.check()
    assert "has 2 models: phi4-mini:latest, llama3.2:latest." in error_info.value.advice
    named = upstream_at(upstream.url, "phi4-mini")
    assert (named.check(), named.model) == ("", "phi4-mini")
    assert "does not list 'phi5'" in upstream_at(upstream.url, "phi5").check()


def test_neither_key_gets_to_the_other_side(endpoint, upstream, certificates):
    whole = response(200, json.dumps(answer(system_fingerprint=KEY)).encode(), x_key=KEY)
    upstream.manner = say(whole, [STREAM_HEAD, piece(KEY), piece(finish="stop"), DONE])
    shown = [
        raw(endpoint, "POST", path, body, {"authorization": f"Bearer {endpoint.azure.key}"})
        for body in (GREEDY, STREAMED)
        for path in (CHAT, V1_CHAT)
    ]
    shown += [raw(endpoint, "GET", f"/simulator/{name}") for name in ("upstream", "requests")]
    assert {status for status, *_ in shown} == {200}
    text = "".join(f"{headers}{content}" for _, headers, content in shown)
    text += repr(endpoint.azure.inference.upstream.settings)
    assert KEY not in text and KEY[:12] not in text
    sent = b"".join(visit.raw for visit in upstream.visits)
    assert endpoint.azure.key.encode() not in sent
    assert {visit.headers["authorization"] for visit in upstream.visits} == {f"Bearer {KEY}"}
    assert all("api-key" not in visit.headers for visit in upstream.visits)


def test_proxies_of_the_environment_are_not_used_for_this_computer(upstream, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert upstream_at(upstream.url).check() == ""
