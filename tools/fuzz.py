"""Send generated requests to both simulated servers and compare the answers with their documents.

``python -m tools.fuzz --cases 10000``

schemathesis makes the requests from /openapi.json, and each server answers over a real socket. Some
requests are systematic: each limit and each type, kept and broken. The others are random, with and
without a mistake. A case fails if

* the status is 500 or more, or nothing is answered;
* the document lacks the status, the content type or a header of the answer;
* the body, or an event of a stream, does not fit its schema;
* another method does not get 405, or a request without the key succeeds.

The tests run 1,000 cases. The same number of cases gives the same requests, by the versions in
uv.lock.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests
from hypothesis import HealthCheck, Phase, given, seed, settings

from simulated_azure.inference.completions import Assistant
from simulated_azure.inference.schemas import EXTRA_PARAMETERS_HEADER
from simulated_azure.inference.servers import SERVERS, Server
from simulated_azure.transports.sockets import Simulator

if TYPE_CHECKING:  # schemathesis takes a while to load, and pytest imports each module
    from schemathesis.generation import GenerationMode
    from schemathesis.generation.case import Case
    from schemathesis.schemas import APIOperation, BaseSchema

GENERATION = {"with-security-parameters": False, "allow-extra-parameters": False}
CHAT_WEIGHT = 12  # cases of a chat route for each case of another route
SYSTEMATIC_SHARE = 0.9  # of the cases of a route, at most
# What makes answers long is lowered to these: long answers take long, and are no other kind.
MAX_TOKENS, MAX_CHOICES = 8, 3
LARGEST_N = 128  # that the engine accepts; what is larger stays, to be refused
TIMEOUT = 60  # seconds
MAX_SHOWN_FAILURES = 20


@dataclass
class Figures:
    """What came of the cases.

    statuses: (server, route, status) -> cases. failures: (server, route, kind) -> cases. examples:
    a text for each kind of failure. Secrets in it are filtered by schemathesis.
    """

    statuses: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    failures: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str, str], str] = field(default_factory=dict)
    cases: int = 0

    def add_failure(self, server: str, route: str, kind: str, example: str) -> None:
        """Count a failure, and keep the first example of its kind."""
        self.failures[server, route, kind] += 1
        self.examples.setdefault((server, route, kind), example)

    def table(self) -> str:
        """Return the cases of each route of each server by status, one route a line."""
        lines = []
        for names in dict.fromkeys(row[:2] for row in self.statuses):
            counts = {row[2]: count for row, count in self.statuses.items() if row[:2] == names}
            text = ", ".join(f"{status}: {counts[status]}" for status in sorted(counts))
            lines.append(f"{names[0]:10} {names[1]:26} {sum(counts.values()):6}   {text}")
        return "\n".join(lines)

    def report(self) -> str:
        """Return one example for each kind of failure."""
        rows = self.failures.most_common(MAX_SHOWN_FAILURES)
        return "\n\n".join(f"{count} x {row}\n{self.examples[row]}" for row, count in rows)


def load_checks() -> list[Callable]:
    """Return what schemathesis shall check of each answer."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    return [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
        checks.unsupported_method,
        checks.allow_header_conformance,
        checks.ignored_auth,
    ]


@dataclass
class Client:
    """Sends cases to a running server, checks the answers and counts."""

    simulator: Simulator
    server: Server
    session: requests.Session
    figures: Figures
    checks: list[Callable] = field(default_factory=load_checks)

    def send(self, case: Case) -> None:
        """Send a case and check the answer."""
        from schemathesis.core.failures import FailureGroup

        shorten(case.body)
        if self.figures.cases % 2:
            unblock(case)
        route = case.operation.label
        headers = {"api-key": self.simulator.azure.key}
        options = {"base_url": self.simulator.http_url, "session": self.session, "timeout": TIMEOUT}
        self.figures.cases += 1
        try:
            response = case.call(headers=headers, **options)
            self.figures.statuses[self.server.name, route, response.status_code] += 1
            case.validate_response(
                response, checks=self.checks, headers=headers, transport_kwargs=options
            )
        except FailureGroup as group:
            kinds = ", ".join(type(failure).__name__ for failure in group.exceptions)
            self.figures.add_failure(self.server.name, route, kinds, str(group))
        except (requests.RequestException, OSError) as error:
            text = "".join([repr(error), *getattr(error, "__notes__", [])])  # the request, too
            self.figures.add_failure(self.server.name, route, "no answer", text)


def fuzz(cases: int, assistant: Assistant | None = None) -> Figures:
    """Return what comes of a number of cases, which are divided among the servers.

    assistant: a loaded model to share; None to load one for each server.
    """
    figures = Figures()
    for number, server in enumerate(SERVERS.values()):
        share = (cases - figures.cases) // (len(SERVERS) - number)
        with _running(server, assistant) as simulator, requests.Session() as session:
            _fuzz_server(Client(simulator, server, session, figures), share)
            for error in simulator.errors:
                figures.add_failure(server.name, "", "defect", error)
    return figures


@contextmanager
def _running(server: Server, assistant: Assistant | None) -> Iterator[Simulator]:
    simulator = Simulator(assistant=assistant, server=server)
    try:
        simulator.wait_for_model()
        yield simulator
    finally:
        simulator.stop()


def _fuzz_server(client: Client, cases: int) -> None:
    """Send a number of cases to a server, most of them to its chat routes."""
    from schemathesis import openapi
    from schemathesis.config import SchemathesisConfig
    from schemathesis.generation import GenerationMode

    url = f"{client.simulator.http_url}/openapi.json"
    document = client.session.get(url, timeout=TIMEOUT).json()
    config = SchemathesisConfig.from_dict({"generation": GENERATION})
    schema = openapi.from_dict(document, config=config)
    strict = openapi.from_dict(without_unknown_fields(document), config=config)
    operations = [result.ok() for result in schema.get_all_operations()]
    weights = {
        one.label: CHAT_WEIGHT if "chat/completions" in one.label else 1 for one in operations
    }
    operations.sort(key=lambda one: weights[one.label])  # the chat routes get what others leave
    end = client.figures.cases + cases
    for index, operation in enumerate(operations):
        weight = sum(weights[one.label] for one in operations[index:])
        share = (end - client.figures.cases) * weights[operation.label] // weight
        sent = _send_systematic(client, schema, operation, int(share * SYSTEMATIC_SHARE))
        same = strict[operation.path][operation.method]
        sent += _send_random(client, same, GenerationMode.POSITIVE, (share - sent) // 2)
        _send_random(client, operation, GenerationMode.NEGATIVE, share - sent)


def without_unknown_fields(document: Any) -> Any:
    """Return a document that allows no fields but those that it names.

    Valid random cases come from it: to make fields up takes most of the time, and most routes
    refuse them. Other cases have such fields.
    """
    if isinstance(document, list):
        return [without_unknown_fields(value) for value in document]
    if not isinstance(document, dict):
        return document
    return {
        name: False
        if (name, value) == ("additionalProperties", True)
        else without_unknown_fields(value)
        for name, value in document.items()
    }


def _send_systematic(
    client: Client, schema: BaseSchema, operation: APIOperation, cases: int
) -> int:
    """Send up to so many systematic cases, evenly chosen from all. Return how many there were."""
    config = schema.config.generation
    every = list(
        schema.iter_coverage_cases(
            operation, generation_modes=config.modes, generation_config=config
        )
    )
    chosen = every
    if len(every) > cases:
        chosen = [every[number * len(every) // cases] for number in range(cases)]
    for case in chosen:
        client.send(case)
    return len(chosen)


def _send_random(client: Client, operation: APIOperation, mode: GenerationMode, cases: int) -> int:
    """Send up to so many random cases. Return how many there were; a small route has few."""
    if cases == 0:
        return 0
    before = client.figures.cases

    @seed(0)
    @settings(
        max_examples=cases,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case) -> None:
        client.send(case)

    send()
    return client.figures.cases - before


def shorten(body: object) -> None:
    """Lower what would make an answer long in a request body."""
    if not isinstance(body, dict):
        return
    form = body.get("response_format")
    if isinstance(form, dict) and form.get("type") == "json_object":
        body["max_tokens"] = body.get("max_tokens") or MAX_TOKENS  # else white space without end
    for name in ("max_tokens", "max_completion_tokens"):
        if _number(body.get(name)) > MAX_TOKENS:
            body[name] = MAX_TOKENS
    if MAX_CHOICES < _number(body.get("n")) <= LARGEST_N:
        body["n"] = MAX_CHOICES


def unblock(case: Case) -> None:
    """Change what alone would get a chat request refused, so that the rest of it is read, too.

    schemathesis sets all fields in most systematic cases, and knows no rules between fields.
    """
    body = case.body
    if not isinstance(body, dict):
        return
    if body.get("logprobs") in (None, False):
        body.pop("top_logprobs", None)  # which needs logprobs
    for name in ("continue_final_message", "add_generation_prompt"):
        body.pop(name, None)  # each needs the right value of the other
    for name in ("tools", "tool_choice"):
        if not body.get(name):
            body.pop(name, None)
    if EXTRA_PARAMETERS_HEADER in case.operation.headers:
        case.headers[EXTRA_PARAMETERS_HEADER] = "pass-through"


def _number(value: Any) -> float:
    """Return the number that a value stands for, 0 if for none. Texts of digits are numbers, too.

    >>> _number("63"), _number(None)
    (63.0, 0.0)
    """
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def main() -> int:
    """Run the command. Return 1 if a case fails."""
    description = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=description)
    parser.add_argument(
        "--cases", type=int, default=10_000, metavar="N", help="how many (default: %(default)s)"
    )
    options = parser.parse_args()
    start = time.monotonic()
    figures = fuzz(options.cases)
    print(figures.table())
    print(figures.report())
    seconds = time.monotonic() - start
    print(f"{figures.cases} cases, {figures.failures.total()} failures, {seconds:.0f} seconds")
    return 1 if figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
