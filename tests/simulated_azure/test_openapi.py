"""The OpenAPI documents of both servers, and the page that shows them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser

import pytest
from raw_http import ASK, CHAT, V1_CHAT, post, raw
from toolchain import command_for
from wire import TO_BLUE

from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request
from simulated_azure.inference.endpoint import InferenceEndpoint
from simulated_azure.inference.servers import INFERENCE, SERVE, SERVERS
from tools.fuzz import fuzz

NAMES = [*SERVERS]
DEPLOYED = "/one.eastus2.inference.ml"


@cache
def document(server: str) -> dict:
    """Return the document of a server, asked for without a key."""
    response = SimulatedAzure().handle(Request("GET", "/openapi.json", f"server={server}"))
    assert response.status == 200
    return json.loads(response.body)


@cache
def page(server: str) -> str:
    """Return the page of a server, asked for without a key."""
    response = SimulatedAzure().handle(Request("GET", "/docs", f"server={server}"))
    assert (response.status, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return response.body.decode()


def operations(server: str) -> dict[tuple[str, str], dict]:
    """Return the operations of a server by method and path."""
    return {
        (method.upper(), path): operation
        for path, methods in document(server)["paths"].items()
        for method, operation in methods.items()
    }


def request_schema(server: str, path: str) -> dict:
    """Return the schema of the bodies that a route accepts."""
    content = document(server)["paths"][path]["post"]["requestBody"]["content"]
    name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return document(server)["components"]["schemas"][name]


def fits(response: dict, body: object, schemas: dict) -> bool:
    """Return True if a JSON body fits what a document says of a response."""
    from jsonschema import Draft202012Validator

    schema = response["content"]["application/json"]["schema"]
    return Draft202012Validator({**schema, "components": {"schemas": schemas}}).is_valid(body)


# The document


@pytest.mark.parametrize("server", NAMES)
def test_the_document_is_valid_openapi(server):
    from schemathesis import openapi

    openapi.from_dict(document(server)).validate()
    text = json.dumps(document(server))
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names <= {*document(server)["components"]["schemas"]}


def test_the_documents_list_the_routes_of_an_endpoint_and_no_others():
    routes = {(route.method, route.template) for route in InferenceEndpoint().routes()}
    both = {name: {*operations(name)} for name in NAMES}
    assert both["inference"] | both["serve"] == routes
    assert both["inference"] - both["serve"] == {("GET", "/info")}
    assert both["serve"] - both["inference"] == {("GET", "/v1/models")}


def test_the_documents_tell_the_defaults_of_each_server():
    def defaults(server: str, path: str) -> list:
        fields = request_schema(server, path)["properties"]
        return [fields[name].get("default") for name in ("temperature", "max_tokens")]

    assert defaults("inference", CHAT) == defaults("inference", V1_CHAT) == [1.0, None]
    assert defaults("serve", CHAT) == [0.7, 256]
    assert defaults("serve", V1_CHAT) == [1.0, None]


def test_the_documents_tell_which_errors_each_server_gives():
    def statuses(server: str, path: str) -> set[str]:
        return {"400", "404", "422"} & {*operations(server)["POST", path]["responses"]}

    assert statuses("inference", CHAT) == statuses("inference", V1_CHAT) == {"400", "422"}
    assert statuses("serve", CHAT) == {"400", "404", "422"}
    assert statuses("serve", V1_CHAT) == {"400", "404"}


def numbers_with_limits(schema: dict) -> dict[str, dict]:
    """Return the fields of a request that are numbers within limits."""
    numbers = {}
    for name, field in schema["properties"].items():
        for variant in field.get("anyOf", [field]):
            if variant.get("type") in ("number", "integer") and "imum" in str(variant):
                numbers[name] = variant
    return numbers


def values_at(limits: dict) -> Iterator[tuple[float, bool]]:
    """Yield (a value at a limit of a number or just beyond it, True if it is within)."""
    step = 1 if limits["type"] == "integer" else 0.01
    if "exclusiveMinimum" in limits:
        yield limits["exclusiveMinimum"], False
        yield limits["exclusiveMinimum"] + step, True
    else:
        yield limits["minimum"], True
        yield limits["minimum"] - step, False
    if "maximum" in limits:
        yield limits["maximum"], True
        yield limits["maximum"] + step, False


@pytest.mark.parametrize("path", [CHAT, V1_CHAT])
@pytest.mark.parametrize("server", NAMES)
def test_the_limits_in_the_document_are_those_that_apply(simulator, server, path):
    fields = numbers_with_limits(request_schema(server, path))
    assert {*fields} >= {"temperature", "top_p", "presence_penalty", "max_tokens", "n"}
    headers = {"x-simulated-server": server, "extra-parameters": "pass-through"}
    for name, limits in fields.items():
        for value, is_accepted in values_at(limits):
            body = {**ASK, "max_tokens": 1, "logprobs": True, name: value}
            status, _ = post(simulator, body, path, **headers)
            assert (status == 200) == is_accepted, (name, value, status)


def test_the_header_or_else_the_query_chooses_the_server():
    def title(azure: SimulatedAzure, query: str = "", **headers: str) -> str:
        response = azure.handle(Request("GET", "/openapi.json", query, headers))
        return json.loads(response.body)["info"]["title"]

    assert title(SimulatedAzure()).endswith("inference")
    assert title(SimulatedAzure(server=SERVE)).endswith("serve")
    assert title(SimulatedAzure(), **{"x-simulated-server": "serve"}).endswith("serve")
    assert title(SimulatedAzure(server=SERVE), "server=inference").endswith("inference")


def test_an_unknown_server_in_the_query_is_refused():
    response = SimulatedAzure().handle(Request("GET", "/docs", "server=tgi"))
    assert response.status == 400
    assert json.loads(response.body)["detail"].endswith("expected inference or serve.")


def test_a_method_that_a_route_lacks_is_refused_with_those_that_it_has(simulator):
    status, headers, _ = raw(simulator, "DELETE", CHAT)
    assert (status, headers["allow"]) == (405, "POST")


def test_the_document_is_not_loaded_before_it_is_asked_for():
    program = (
        "import sys, simulated_azure.transports.sockets; "
        "print([name for name in sys.modules if name.endswith(('openapi', 'page', 'replies'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


# Answers beside the document


def test_a_thousand_generated_requests_get_only_documented_answers(assistant):
    figures = fuzz(1000, assistant)
    assert figures.report() == ""
    assert figures.cases == figures.statuses.total() == 1000
    for server in SERVERS.values():
        of_server = {
            row[1:]: count for row, count in figures.statuses.items() if row[0] == server.name
        }
        assert {route for route, _ in of_server} == {
            f"{method} {path}" for method, path in operations(server.name)
        }
        for path in (CHAT, V1_CHAT):
            assert of_server[f"POST {path}", 200] >= 10
            assert of_server[f"POST {path}", 422 if server.checks(path == V1_CHAT) else 400] >= 10


@pytest.mark.parametrize("server", NAMES)
def test_a_deployed_endpoint_describes_itself_behind_its_gateway(wire, server):
    path = wire.create_endpoint()
    environment = f"azureml://registries/azureml/environments/{SERVERS[server].image}/versions/1"
    wire.deploy(path, environmentId=environment)
    wire.set_traffic(path, blue=100)
    response = wire.azure.handle(Request("GET", f"{DEPLOYED}/openapi.json"))  # without a key
    response.on_close()
    described = json.loads(response.body)
    assert described["info"]["title"].endswith(server)
    assert described["servers"] == [{"url": DEPLOYED}]
    schemas = described["components"]["schemas"]
    responses = described["paths"][CHAT]["post"]["responses"]
    assert [*responses] == "200 400 401 404 408 424 429 431".split()
    for body, status in [(ASK, 200), ({**ASK, "temperature": 9}, 424), ({}, 424)]:
        answer = wire.call(path, CHAT, body or {"messages": 1})
        assert answer[0] == status
        assert fits(responses[str(status)], answer[1], schemas)
        assert {*responses[str(status)].get("headers", {})} <= {*wire.response.headers}
    page = wire.azure.handle(Request("GET", f"{DEPLOYED}/docs"))
    assert (page.status, b"<html" in page.body) == (200, True)
    page.on_close()


def test_the_other_routes_of_a_deployed_endpoint_still_need_its_key(wire):
    path = wire.create_endpoint()
    wire.deploy(path)
    for route in ("/info", "/chat/completions", "/docs/", "/nothing"):
        request = Request("GET", DEPLOYED + route, "", TO_BLUE)
        assert wire.azure.handle(request).status == 401


# The page


class Page(HTMLParser):
    """A page that was read. links: its href and src. examples: the texts to copy."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.ids, self.tags, self.examples = [], [], [], []
        self._is_example = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._is_example = tag == "pre"
        for name, value in attributes:
            if name in ("href", "src", "action"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_data(self, data: str) -> None:
        if self._is_example:
            self.examples.append(data)
            self._is_example = False


@pytest.mark.parametrize("server", NAMES)
def test_the_page_shows_each_route_and_each_field(server):
    for method, path in operations(server):
        assert f">{method} {path}</h2>" in page(server)
    for path in (CHAT, V1_CHAT):
        for name in request_schema(server, path)["properties"]:
            assert f"<td><code>{name}</code></td>" in page(server)
    assert "at most <code>128</code>" in page(server)


@pytest.mark.parametrize("server", NAMES)
def test_the_page_loads_nothing_from_elsewhere_and_its_links_lead_somewhere(server):
    read = Page(page(server))
    assert not {"script", "link", "img", "iframe"} & {*read.tags}
    assert "url(" not in page(server) and "@import" not in page(server)
    routes = {f"{name}?server={server}" for name in ("docs", "openapi.json") for server in NAMES}
    assert {*read.links} <= routes | {f"#{one}" for one in read.ids}
    assert len(read.ids) == len({*read.ids})


def test_the_page_forbids_the_browser_to_load_anything(simulator):
    status, headers, _ = raw(simulator, "GET", "/docs", headers={})
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("server", [INFERENCE, SERVE], ids=NAMES)
def test_the_examples_on_the_page_run(simulator, server):
    shell = command_for("curl")
    examples = Page(page(server.name)).examples
    options = f"-s -o /dev/null -w '%{{http_code}}\\n' -H 'x-simulated-server: {server.name}'"
    script = "\n".join(example.replace("curl ", f"curl {options} ", 1) for example in examples)
    done = subprocess.run(
        [*shell, "-c", script],
        env={**os.environ, **simulator.variables()},
        capture_output=True,
        text=True,
    )
    expected = [
        "200" if "200" in operation["responses"] else "404"
        for operation in operations(server.name).values()
    ]
    assert done.stdout.split() == expected
