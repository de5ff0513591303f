"""which_server(), against simulated servers and against strangers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from helpers.servers import FOLLOWS, which_server
from simulated_azure.inference.servers import SERVERS
from simulated_azure.transports.sockets import Simulator

SECRET = "Tr0ub4dor-and-3-more-letters"
INFERENCE_STATUSES = {
    ("GET", "/info"): 200,
    ("GET", "/v1/models"): 404,
    ("POST", "/v1/chat/completions"): 422,
    ("POST", "/chat/completions"): 400,
}


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Start a server that answers with fixed statuses. Return its address."""
    servers = []

    def serve(statuses: dict, headers: dict | None = None, body: object = None) -> str:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                content = json.dumps(body if body is not None else {}).encode()
                self.send_response(statuses[self.command, self.path])
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def simulator_of(assistant) -> Iterator[Callable[[str], Simulator]]:
    """Return a running simulated Azure with one of the two servers."""

    @cache
    def simulator_of(name: str) -> Simulator:
        simulator = Simulator(assistant=assistant, server=SERVERS[name])
        simulators.append(simulator)
        return simulator

    simulators: list[Simulator] = []
    yield simulator_of
    for simulator in simulators:
        simulator.stop()
        assert not simulator.errors


@pytest.mark.parametrize("name", ["inference", "serve"])
def test_each_published_server_is_recognised(name, simulator_of):
    simulator = simulator_of(name)
    report = which_server(simulator.http_url, simulator.azure.key)
    assert report.kind == name
    assert {reply.kind for reply in report.replies} == {name}
    assert [*report.follows] == [*FOLLOWS]


@pytest.mark.parametrize("name", ["inference", "serve"])
def test_the_questions_generate_one_token_at_most(name, simulator_of):
    simulator = simulator_of(name)
    simulator.azure.journal.clear()
    which_server(simulator.http_url, simulator.azure.key)
    bodies = [json.loads(entry["body"]) for entry in simulator.azure.journal if entry["body"]]
    assert [body["max_tokens"] for body in bodies] == [1, 1]


def test_the_table_names_the_models_of_a_server_that_lists_them(simulator_of):
    serve, inference = (
        which_server(it.http_url, it.azure.key)
        for it in (simulator_of("serve"), simulator_of("inference"))
    )
    assert serve.models and inference.models == ()
    assert f"models                   {serve.models[0]}" in str(serve).splitlines()
    assert "models                   not listed" in str(inference).splitlines()


def test_a_gateway_does_not_hide_the_servers_own_status(serve):
    behind = {"ms-azureml-model-error-statuscode": "404"}
    statuses = dict.fromkeys(INFERENCE_STATUSES, 424)
    report = which_server(serve(statuses, behind), SECRET)
    assert [reply.status for reply in report.replies] == [404] * 4


def test_a_gateways_header_that_is_no_number_is_passed_over(serve):
    address = serve(INFERENCE_STATUSES, {"ms-azureml-model-error-statuscode": "unknown"})
    assert which_server(address, SECRET).kind == "inference"


def test_a_server_without_the_route_is_no_server_of_managed_compute(serve):
    statuses = dict.fromkeys(INFERENCE_STATUSES, 404) | {("GET", "/v1/models"): 200}
    report = which_server(serve(statuses, body={"data": [{"id": "phi4"}]}) + "/v1", SECRET)
    assert (report.kind, report.models, report.follows) == ("other", ("phi4",), {})
    assert "not a server of managed compute" in str(report)


def test_three_answers_are_enough_if_the_fourth_is_strange(serve):
    strange = INFERENCE_STATUSES | {("GET", "/info"): 500}
    assert which_server(serve(strange), SECRET).kind == "inference"


@pytest.mark.parametrize("status", [404, 500])
def test_answers_that_contradict_each_other_are_not_judged(serve, status):
    changes = {("GET", "/info"): status, ("POST", "/v1/chat/completions"): status}
    report = which_server(serve(INFERENCE_STATUSES | changes), SECRET)
    assert (report.kind, report.follows) == ("unknown", {})
    assert "streams: try it" in " ".join(str(report).split())


@pytest.mark.parametrize("body", [None, [], {"data": 5}, {"data": [5]}, "text"])
def test_a_list_of_models_that_is_none_gives_no_names(serve, body):
    statuses = INFERENCE_STATUSES | {("GET", "/v1/models"): 200}
    assert which_server(serve(statuses, body=body), SECRET).models == ()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_said_and_not_shown(serve, status):
    address = serve(dict.fromkeys(INFERENCE_STATUSES, status))
    with pytest.raises(PermissionError, match=str(status)) as caught:
        which_server(address, SECRET)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("key", [SECRET, SECRET + "\nx", "\N{SNOWMAN}" + SECRET])
@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", f"http://{SECRET}", SECRET])
def test_an_endpoint_that_does_not_answer_is_named_without_key_and_address(endpoint, key):
    with pytest.raises(ConnectionError, match="AZURE_INFERENCE_ENDPOINT") as caught:
        which_server(endpoint, key)
    error = caught.value
    assert SECRET not in str(error)
    assert error.__suppress_context__


def test_a_redirect_is_not_followed_with_the_key(serve):
    elsewhere = serve(INFERENCE_STATUSES)
    address = serve(dict.fromkeys(INFERENCE_STATUSES, 307), {"location": f"{elsewhere}/info"})
    assert {reply.status for reply in which_server(address, SECRET).replies} == {307}


def test_a_bundle_of_certificates_that_is_missing_is_not_shown(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", SECRET)
    with pytest.raises(ConnectionError, match="OSError") as caught:
        which_server("https://127.0.0.1:9", SECRET)
    assert SECRET not in str(caught.value)


def test_a_simulated_server_tells_who_writes_its_answers(serve):
    written = {"x-simulated-upstream": "phi4-mini at http://localhost:11434"}
    report = which_server(serve(INFERENCE_STATUSES, written), SECRET)
    assert (report.kind, report.upstream) == ("inference", "phi4-mini at http://localhost:11434")
    lines = [line for line in str(report).splitlines() if line.startswith("answers")]
    assert lines == [f"{'answers':25}this server is simulated; {report.upstream}"]
    assert "seed" in report.not_told[0]
    assert which_server(serve(INFERENCE_STATUSES), SECRET).upstream == ""
