"""Send generated requests to both simulated servers and compare the answers with their documents.

``python -m tools.fuzz --cases 10000``

The requests come from schemathesis, which reads /openapi.json: valid ones, and some with a mistake.
Each server answers over a real socket. A case fails if the status is 500 or more, if the document
lacks the status, the content type or a header of the answer, if the body does not fit its schema
(each event of a stream as well), if the key is not needed where the document says so, or if another
method gets anything but 405. The tests run 1,000 cases by the same code.

The same number of cases gives the same requests with the versions of uv.lock.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import openapi
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from simulated_azure.inference.servers import SERVERS, Server
from simulated_azure.transports.sockets import Simulator

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
    ignored_auth,
]
CONFIG = SchemathesisConfig.from_dict({"generation": {"with-security-parameters": False, "allow-extra-parameters": False}})
CHAT_WEIGHT = 12  # cases of a chat route for each case of another
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
# Longer answers say nothing new and take long: limits above these are lowered before sending.
MAX_TOKENS, MAX_CHOICES = 8, 3
TIMEOUT = 60  # seconds
MAX_SHOWN_FAILURES = 20


@dataclass
class Figures:
    """What came of the cases. statuses: (server, operation, status) -> cases. failures: texts."""

    statuses: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """The number of requests that were sent."""
        return self.statuses.total()

    def table(self) -> str:
        """Return the cases of each operation of each server by status, one operation a line."""
        lines = []
        for server, operation in dict.fromkeys((row[0], row[1]) for row in self.statuses):
            counts = {
                status: count
                for (*names, status), count in sorted(self.statuses.items())
                if names == [server, operation]
            }
            text = ", ".join(f"{status}: {count}" for status, count in counts.items())
            lines.append(f"{server:10} {operation:30} {sum(counts.values()):6}   {text}")
        return "\n".join(lines)


def fuzz(cases: int) -> Figures:
    """Return what comes of a number of cases, one half for each server."""
    figures = Figures()
    left = cases
    for number, server in enumerate(SERVERS.values()):
        share = left // (len(SERVERS) - number)
        with _running(server) as simulator:
            _fuzz_server(simulator, server, share, figures)
        figures.failures += simulator.errors
        left -= share
    return figures


@contextmanager
def _running(server: Server) -> Iterator[Simulator]:
    simulator = Simulator(server=server)
    try:
        simulator.wait_for_model()
        yield simulator
    finally:
        simulator.stop()


def _fuzz_server(simulator: Simulator, server: Server, cases: int, figures: Figures) -> None:
    """Send a number of cases to a server, most of them to its chat routes."""
    with requests.Session() as session:
        answer = session.get(f"{simulator.http_url}/openapi.json", timeout=TIMEOUT)
        schema = openapi.from_dict(answer.json(), config=CONFIG)
        closed = openapi.from_dict(without_unknown_fields(answer.json()), config=CONFIG)
        operations = [result.ok() for result in schema.get_all_operations()]
        weights = {
            one.label: CHAT_WEIGHT if "chat/completions" in one.label else 1 for one in operations
        }
        operations.sort(key=lambda one: weights[one.label])  # stable; the chat routes come last
        client = Client(simulator, server, session, figures)
        end = figures.cases + cases
        for index, operation in enumerate(operations):
            weight = sum(weights[one.label] for one in operations[index:])
            share = (end - figures.cases) * weights[operation.label] // weight
            _fuzz_operation(client, schema, operation, share, closed[operation.path][operation.method])


def without_unknown_fields(document):
    if isinstance(document, dict):
        return {
            name: False if name == "additionalProperties" and value is True else without_unknown_fields(value)
            for name, value in document.items()
        }
    if isinstance(document, list):
        return [without_unknown_fields(value) for value in document]
    return document


def _fuzz_operation(
    client: Client, schema: BaseSchema, operation: APIOperation, cases: int, closed
) -> None:
    """Send up to so many cases to an operation: systematic ones, then random ones."""
    systematic = list(
        schema.iter_coverage_cases(
            operation, generation_modes=MODES, generation_config=schema.config.generation
        )
    )
    number = cases * 3 // 4
    step = max(1, -(-len(systematic) // max(number, 1)))
    chosen = list(islice(systematic[::step], number))
    for case in chosen:
        client.send(case)
    left = cases - len(chosen)
    for mode in MODES:
        number = left if mode is MODES[-1] else left // 2
        left -= _send_random(client, closed, mode, number)


def _send_random(
    client: Client, operation: APIOperation, mode: GenerationMode, cases: int
) -> int:
    """Send up to so many random cases to an operation. Return how many there were."""
    before = client.figures.cases
    if cases > 0:

        @seed(0)
        @settings(
            max_examples=cases,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case):
            if client.figures.cases - before < cases:
                client.send(case)

        send()
    return client.figures.cases - before


@dataclass
class Client:
    """Sends cases to a running server and notes what comes of them."""

    simulator: Simulator
    server: Server
    session: requests.Session
    figures: Figures

    def send(self, case) -> None:
        """Send a case and check the answer."""
        shorten(case.body)
        headers = {"api-key": self.simulator.azure.key}
        options = {"base_url": self.simulator.http_url, "session": self.session, "timeout": TIMEOUT}
        label = case.operation.label
        try:
            response = case.call(headers=headers, **options)
        except (requests.RequestException, OSError) as error:
            self.figures.failures.append(f"{self.server.name} {label}: no answer: {error!r}")
            return
        self.figures.statuses[self.server.name, label, response.status_code] += 1
        try:
            case.validate_response(
                response, checks=CHECKS, headers=headers, transport_kwargs=options
            )
        except FailureGroup as group:
            self.figures.failures.append(f"{self.server.name} {label}: {group}")


def shorten(body: object) -> None:
    """Lower what would make answers long in a request body."""
    if not isinstance(body, dict):
        return
    for name in ("max_tokens", "max_completion_tokens"):
        if isinstance(body.get(name), int) and body[name] > MAX_TOKENS:
            body[name] = MAX_TOKENS
    if isinstance(body.get("n"), int) and MAX_CHOICES < body["n"] <= 128:
        body["n"] = MAX_CHOICES


def main() -> int:
    """Run the command. Return 1 if a case fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=10_000, metavar="N", help="(default: %(default)s)")
    options = parser.parse_args()
    start = time.monotonic()
    figures = fuzz(options.cases)
    print(figures.table())
    for failure in figures.failures[:MAX_SHOWN_FAILURES]:
        print(f"\n{failure}")
    seconds = time.monotonic() - start
    print(f"\n{figures.cases} cases, {len(figures.failures)} failures, {seconds:.0f} s")
    return 1 if figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
