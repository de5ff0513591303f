"""What each snippet prints, and what the endpoint receives from it.

Each runs in a process of its own with its real client (see ``snippet_runs.py``). C# is parsed, not
run (``csharp.py``). A few processes run at the same time, because many of them wait: before they
try again, or for an answer that never comes.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from snippet_runs import (
    TRUST,
    Endpoint,
    Run,
    Runner,
    as_usual,
    ending_tokens,
    giving_no_token,
    impatient,
    informing,
    kept_variables,
    kind,
    needs,
    refusing,
    run,
    saying,
    silent,
    unavailable,
    unavailable_at_first,
    waiting_for_print,
    waiting_for_two,
)
from toolchain import COMMANDS, command_or_reason

from helpers.cost import list_price
from simulated_azure.errors import UNAUTHORIZED
from simulated_azure.transports.sockets import Simulator
from tools.snippets_table import SNIPPETS, load, snippet_files

ROOT = SNIPPETS.parent
DATA = load()
MANAGING = "azure_ai_ml.py"  # deploys and deletes: run together, in its own test
EXECUTED = [path for path in snippet_files((".py", ".mjs", ".sh")) if path.name != MANAGING]
ERRORS = "errors-and-retries"
LONGEST, SHORTEST = 25, 3  # lines of code
AT_A_TIME, WAITING = 2, 6  # processes: that work, and besides those that mostly wait
SIZE, MODEL = "Standard_NC24ads_A100_v4", "azureml://registries/azureml/models/Phi-4/versions/8"

API = "api-version=2024-05-01-preview"
FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
JAPAN = [{"role": "user", "content": "What is the capital of Japan?"}]
LANGUAGES = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "How many languages are in the world?"},
]
AND_IN_FRANCE = {"role": "user", "content": "And in France?"}
CORRECTION = {
    "role": "user",
    "content": "That was not valid JSON. Reply with the JSON object only.",
}
COLOUR = [{"role": "user", "content": "Name a colour."}]
PARIS = [{"role": "user", "content": "Give me JSON about Paris."}]
ALL = {
    "presence_penalty": 0.1,
    "frequency_penalty": 0.8,
    "max_tokens": 2048,
    "stop": ["<|endoftext|>"],
    "temperature": 0,
}
ALL |= {"top_p": 1, "response_format": {"type": "text"}}
STREAM = {"temperature": 0, "top_p": 1, "max_tokens": 2048, "stream": True}
INFO = {
    "model_name": "Phi-4 by name",
    "model_type": "chat by type",
    "model_provider_name": "Microsoft by provider",
}
INFO_LABELS = ("Model name", "Model type", "Model provider name")


@dataclass(frozen=True)
class Route:
    """A client's requests: where they go, the headers with the key, and what it adds to bodies."""

    prefix: str
    query: str
    headers: frozenset[str]
    more: dict


AZURE = Route("", API, frozenset({"authorization", "api-key"}), {})
PLAIN = Route("", API, frozenset({"authorization"}), {})
OPENAI = Route("/v1", "", frozenset({"authorization"}), {"model": "Phi-4"})
LANGCHAIN = replace(OPENAI, more={"model": "Phi-4", "stream": False})
LITELLM = replace(OPENAI, prefix="")
ROUTES = {
    "azure_ai_inference.py": AZURE,
    "javascript.mjs": AZURE,
    "curl.sh": PLAIN,
    "requests_http.py": PLAIN,
    "httpx_client.py": PLAIN,
    "openai_sdk.py": OPENAI,
    "openai.mjs": OPENAI,
    "langchain_azure_client.py": LANGCHAIN,
    "langchain_openai_client.py": LANGCHAIN,
    "litellm_client.py": LITELLM,
}


# The runs


@dataclass(frozen=True)
class Job:
    """Snippets to be run, and how they fare."""

    paths: tuple[Path, ...]
    fate: str = "usual"

    @property
    def path(self) -> Path:
        return self.paths[0]

    def __str__(self) -> str:
        name = (
            f"{self.path.parent.name}/{self.path.name}" if len(self.paths) == 1 else kind(self.path)
        )
        return name if self.fate == "usual" else f"{name} {self.fate}"


def manner_for(job: Job):
    """How the endpoint answers."""
    fates = {
        "refused": refusing,
        "unavailable": unavailable,
        "silence": silent,
        "no token": giving_no_token,
        "no city": saying('{"name": "Paris"}'),
    }
    tasks = {
        "stream": waiting_for_print,
        "async": waiting_for_two,
        "model-info": informing(**INFO),
        "client-with-entra-id": ending_tokens
        if job.path.suffix != ".sh" and job.path.stem != "requests_http"
        else as_usual,
        ERRORS: unavailable_at_first,
    }
    return fates.get(job.fate) or (
        tasks.get(job.path.parent.name, as_usual) if job.fate == "usual" else as_usual
    )


def execute(job: Job, runner: Runner, endpoint: Endpoint, home: Path) -> Run:
    """Run a job to its end."""
    changes = {
        "no server": {"AZURE_INFERENCE_ENDPOINT": endpoint.nowhere},
        "untrusted": dict.fromkeys(TRUST),
        "no key": {"AZURE_INFERENCE_CREDENTIAL": None, "OPENAI_API_KEY": "a-private-key"},
    }.get(job.fate, {})
    code = ""
    if len(job.paths) == 1 and job.fate in ("no server", "silence", "untrusted"):
        seconds = 3 if job.fate == "silence" else 60
        code = impatient(job.path.read_text(encoding="utf-8"), seconds)
    return run([*job.paths], runner, endpoint, manner_for(job), home, changes, code)


def jobs(fate: str, task: str) -> list[Job]:
    return [Job((path,), fate) for path in EXECUTED if path.parent.name == task]


def together(fate: str, paths: list[Path], *without: str) -> list[Job]:
    """One job for each kind of snippet."""
    return [
        Job(tuple(path for path in paths if kind(path) == name), fate)
        for name in COMMANDS
        if name not in without
    ]


def each(made: list[Job]):
    return pytest.mark.parametrize("job", made, ids=str)


USUAL = [Job((path,)) for path in EXECUTED]
NOT_ERRORS = [path for path in EXECUTED if path.parent.name != ERRORS]


def jobs_of(session: pytest.Session) -> list[Job]:
    """Return the jobs of the tests that this session runs, the slow ones first."""
    tests = [item for item in session.items if "done" in getattr(item, "fixturenames", ())]
    jobs = {test.callspec.params["job"] for test in tests}
    return sorted(jobs, key=lambda job: ([*COMMANDS].index(kind(job.path)), str(job)))


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """Return an empty home folder."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def runners(request, home) -> Iterator[dict[str, Runner | BaseException]]:
    """Yield what runs each kind of snippet that this session needs, or why nothing does."""
    runners: dict[str, Runner | BaseException] = {}
    for name in dict.fromkeys(kind(job.path) for job in jobs_of(request.session)):
        command = command_or_reason(name)
        runners[name] = Runner(name, command, home) if isinstance(command, list) else command
    yield runners
    for runner in runners.values():
        if isinstance(runner, Runner):
            runner.close()


@pytest.fixture(scope="session")
def endpoint() -> Iterator[Endpoint]:
    """Yield the endpoint that all runs of this session visit."""
    endpoint = Endpoint()
    yield endpoint
    endpoint.stop()


@pytest.fixture(scope="session")
def runs(request, endpoint, runners, home) -> dict[Job, Future[Run]]:
    """Return all runs of this session, which go on side by side."""
    with ThreadPoolExecutor(AT_A_TIME) as working, ThreadPoolExecutor(WAITING) as waiting:
        runs = {}
        for job in jobs_of(request.session):
            runner = runners[kind(job.path)]
            if isinstance(runner, Runner):
                pool = waiting if job.path.parent.name == ERRORS else working
                runs[job] = pool.submit(execute, job, runner, endpoint, home)
        return runs


@pytest.fixture
def done(job, runners, runs) -> Run:
    """Return the run of one job. Skip or fail the test where its program is absent."""
    runner = runners[kind(job.path)]
    if isinstance(runner, BaseException):
        raise runner
    return runs[job].result()


@dataclass(frozen=True)
class Answer:
    """What the model answers at temperature 0."""

    text: str
    tokens: int
    logprobs: list[dict]


@pytest.fixture(scope="session")
def answers(simulator, certificates) -> dict[str, Answer]:
    """Messages -> answer, asked by another client than the snippets'."""
    import requests

    found = {}
    for messages in (FRANCE, JAPAN, LANGUAGES, LANGUAGES[1:]):
        reply = requests.post(
            f"{simulator.url}/chat/completions",
            json={"messages": messages, "temperature": 0, "logprobs": True},
            headers={"api-key": simulator.azure.key, "extra-parameters": "pass-through"},
            verify=certificates,
        ).json()
        choice, usage = reply["choices"][0], reply["usage"]
        found[str(messages)] = Answer(
            choice["message"]["content"], usage["completion_tokens"], choice["logprobs"]["content"]
        )
    return found


# What they print, and what they send


def expected_bodies(path: Path) -> list[dict]:
    """Return the bodies that must arrive from a snippet.

    What its client adds to every body and answers that it sends back are left out.
    """
    refused = 5 if ROUTES[path.name].prefix == "/v1" else 1.5  # a temperature
    second = COLOUR if path.name == "azure_ai_inference.py" else FRANCE
    return {
        "client-with-key": [{"messages": FRANCE, "temperature": 0}],
        "client-with-entra-id": [{"messages": FRANCE, "temperature": 0}],
        "model-info": [],
        "completion": [{"messages": LANGUAGES, "temperature": 0}],
        "conversation": [
            {"messages": LANGUAGES, "temperature": 0},
            {"messages": [*LANGUAGES, AND_IN_FRANCE], "temperature": 0},
        ],
        "stream": [{"messages": LANGUAGES, **STREAM}],
        "parameters": [{"messages": LANGUAGES[1:], **ALL}],
        "extra-parameters": [{"messages": FRANCE, "temperature": 0, "logprobs": True}],
        "json": [
            {"messages": PARIS, "temperature": 0},
            {"messages": [*PARIS, CORRECTION], "temperature": 0},
        ],
        ERRORS: [
            {"messages": FRANCE, "temperature": 0},
            {"messages": second, "temperature": refused},
        ],
        "async": [{"messages": FRANCE, "temperature": 0}, {"messages": JAPAN, "temperature": 0}],
    }[path.parent.name]


def expected_print(path: Path, done: Run, answers: dict[str, Answer]) -> str:
    """All that a snippet must print. curl's prints what was answered, as it came."""
    france, languages = answers[str(FRANCE)], answers[str(LANGUAGES)]
    if path.suffix == ".sh":
        return (
            done.answers()
            if path.parent.name == "stream"
            else f"{done.visit.arrivals[-1].answer.decode()}\n"
        )
    quoted = repr if path.suffix == ".py" else functools.partial(json.dumps, ensure_ascii=False)
    name = "azure_ai/Phi-4" if path.name == "litellm_client.py" else "Phi-4"
    counted = f"Prompt tokens: 25\nCompletion tokens: {languages.tokens}"
    tokens = [] if path.name == "litellm_client.py" else [f"{languages.tokens} tokens"]
    lines = {
        "client-with-key": [france.text],
        "client-with-entra-id": [france.text],
        "model-info": [
            f"{label}: {INFO[name]}" for label, name in zip(INFO_LABELS, INFO, strict=True)
        ],
        "completion": [f"Response: {languages.text}", f"Model: {name}", counted],
        "conversation": [
            languages.text,
            *(answer_in(arrival.answer) for arrival in done.visit.questions()[1:]),
        ],
        "stream": [languages.text, *tokens],
        "parameters": [answers[str(LANGUAGES[1:])].text, "Finish reason: stop"],
        "extra-parameters": [
            france.text,
            *(f"{row['logprob']:8.4f}  {quoted(row['token'])}" for row in france.logprobs),
        ],
        "json": ["Paris"],
        "async": [france.text, answers[str(JAPAN)].text],
    }[path.parent.name]
    return "".join(f"{line}\n" for line in lines)


def answer_in(reply: bytes) -> str:
    return json.loads(reply)["choices"][0]["message"]["content"]


@each([job for job in USUAL if job.path.parent.name != ERRORS])
def test_a_snippet_prints_its_result_and_nothing_else(job, done, answers):
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == expected_print(job.path, done, answers)


@each(USUAL)
def test_a_snippet_sends_what_its_task_says(job, done):
    path, more = job.path, dict(ROUTES[job.path.name].more)
    asks_for_usage = path.parent.name == "stream" and ROUTES[path.name].prefix == "/v1"
    if asks_for_usage:
        more |= {"stream_options": {"include_usage": True}}
    sent = [arrival.body() for arrival in done.visit.questions() if arrival.status != 503]
    for body in sent:
        if "max_completion_tokens" in body and kind(path) == "langchain":
            body["max_tokens"] = body.pop("max_completion_tokens")
    expected = [more | body for body in expected_bodies(path)]
    if path.parent.name == "async":  # in any order
        sent.sort(key=lambda body: expected.index(body) if body in expected else -1)
    if path.parent.name in (
        "conversation",
        "json",
    ):  # the answer goes back before the second question
        answer = sent[1]["messages"].pop(-2)
        assert (answer["role"], answer["content"]) == (
            "assistant",
            answer_in(done.visit.questions()[0].answer),
        )
    assert sent == expected


@each(USUAL)
def test_a_snippet_asks_the_right_route_with_the_right_headers(job, done, endpoint):
    path, task = job.path, job.path.parent.name
    route = ROUTES[path.name]
    if path == SNIPPETS / "extra-parameters" / "litellm_client.py":
        route = replace(route, prefix="/v1")
    signing_in = [
        arrival for arrival in done.visit.arrivals if arrival.request.path == "/msi/token"
    ]
    others = [arrival.request for arrival in done.visit.arrivals if arrival not in signing_in]
    assert {(request.path, request.query) for request in others} == {
        (route.prefix + ("/info" if task == "model-info" else "/chat/completions"), route.query)
    }
    if task == "client-with-entra-id":
        assert {tuple(parse_qs(arrival.request.query)["resource"]) for arrival in signing_in} == {
            ("https://ml.azure.com",)
        }
        keys = [json.loads(arrival.answer)["access_token"] for arrival in signing_in]
        if path.name == "javascript.mjs":
            keys *= len(others)  # it signs a request once, however often it is sent
    else:
        assert not signing_in
        keys = [endpoint.simulator.azure.key] * len(others)
    names = {"authorization"} if task == "client-with-entra-id" else route.headers
    for request, key in zip(
        others, keys, strict=True
    ):  # a token for each attempt, since it lasts for a second
        secret = {name: request.headers.get(name) for name in ("authorization", "api-key")}
        expected = {"authorization": f"Bearer {key}", "api-key": key}
        assert secret == {
            name: value if name in names else None for name, value in expected.items()
        }
    passes = task == "extra-parameters" and route.query == API
    assert {request.headers.get("extra-parameters") for request in others} == {
        "pass-through" if passes else None
    }


@each(USUAL)
def test_no_secret_is_printed_or_sent_elsewhere_than_in_its_header(job, done, endpoint):
    azure = endpoint.simulator.azure
    tokens = [
        json.loads(arrival.answer)["access_token"]
        for arrival in done.visit.arrivals
        if arrival.request.path == "/msi/token"
    ]
    secrets = [
        text.rpartition("-")[2] or text for text in (azure.key, azure.identity_header)
    ]  # without the prefix
    secrets += [token.removeprefix("simulated-token-") for token in tokens]
    elsewhere = [done.stdout, done.stderr]
    for request in (arrival.request for arrival in done.visit.arrivals):
        elsewhere += [request.path, request.query, request.body.decode()]
        elsewhere += [
            value
            for name, value in request.headers.items()
            if name not in ("authorization", "api-key", "x-identity-header")
        ]
    assert not [text for text in elsewhere for secret in secrets if secret in text]


@each(jobs("usual", "stream"))
def test_a_stream_is_printed_while_it_arrives(job, done):
    assert not done.visit.gave_up_waiting, "nothing was printed before the stream had ended"


@each(jobs("usual", "async"))
def test_two_questions_are_asked_at_the_same_time(job, done):
    assert not done.visit.gave_up_waiting, "the second was asked after the first was answered"


@each(jobs("no city", "json"))
def test_json_without_the_entry_asked_for_is_no_success_and_three_attempts_are_made(job, done):
    assert (done.code, done.stdout) == (0, "No valid JSON in three attempts.\n")
    assert len(done.visit.questions()) == 3


# Where something is wrong


@each(together("refused", NOT_ERRORS, "langchain", "litellm"))
def test_a_refusal_ends_a_snippet_with_an_error(job, done):
    complaint = {"curl": "^22$", "node": "401"}.get(
        kind(job.path), "401|Auth"
    )  # of the refusal, not of what is missing then
    ends = done.complaints()
    assert [path for path in job.paths if not re.search(complaint, ends[path])] == []
    assert [
        path
        for path in job.paths
        if path.name == "javascript.mjs" and UNAUTHORIZED["message"] not in ends[path]
    ] == []


@each(together("untrusted", NOT_ERRORS))
def test_a_snippet_asks_no_server_whose_certificate_is_not_trusted(job, done):
    assert [path for path in job.paths if not done.complaints()[path]] == []
    assert {arrival.request.path for arrival in done.visit.arrivals} <= {
        "/msi/token"
    }  # which is asked by http


@each(
    together(
        "no key",
        [path for path in EXECUTED if "AZURE_INFERENCE_CREDENTIAL" in needs(path)],
        "langchain",
        "litellm",
    )
)
def test_without_a_key_nothing_is_sent_least_of_all_another_key(job, done):
    complaint = "22" if kind(job.path) == "curl" else "AZURE_INFERENCE_CREDENTIAL"
    assert [path for path in job.paths if complaint not in done.complaints()[path]] == []
    sent = [text for arrival in done.visit.arrivals for text in arrival.request.headers.values()]
    assert not [text for text in sent if "private" in text]
    assert not done.visit.arrivals or kind(job.path) == "curl"  # which sends an empty one


@each(jobs("no token", "client-with-entra-id"))
def test_who_cannot_sign_in_asks_nothing(job, done):
    assert done.code != 0
    assert "No identity." in done.stderr
    assert not done.visit.questions()


def status_and_body(line: str) -> tuple[str, dict | None]:
    """What an error snippet printed: (status, body)."""
    status, _, rest = line.removeprefix("Status ").partition(" ")
    body = rest[rest.find("{") :] if "{" in rest else ""
    return status, json.loads(body) if body else None


def error_lines(path: Path, done: Run) -> list[str]:
    """The lines of an error snippet. curl's prints status and reply on two lines, and complains."""
    if path.suffix != ".sh":
        return done.stdout.splitlines()
    lines = iter(done.stdout.splitlines())
    return [f"{line} {next(lines)}" for line in lines]


def body_shown(path: Path, body: dict) -> dict | None:
    """Return what a client shows of an error body.

    The openai package for JavaScript shows its entry "error", if there is one.
    """
    return body.get("error") if path.name == "openai.mjs" else body


@each(jobs("usual", ERRORS))
def test_a_snippet_tries_again_and_then_says_why_it_was_refused(job, done, answers):
    first, second, third = done.visit.questions()
    assert [first.status, second.status, third.status] == [503, 200, 422]
    assert done.code == (22 if job.path.suffix == ".sh" else 0)
    answered, refused = error_lines(job.path, done)
    if job.path.suffix == ".sh":
        assert status_and_body(answered) == ("200", json.loads(second.answer))
    else:
        assert answered == answers[str(FRANCE)].text
    assert status_and_body(refused) == ("422", body_shown(job.path, json.loads(third.answer)))


@each(jobs("unavailable", ERRORS))
def test_a_snippet_tries_again_five_times_and_then_says_what_the_server_said(job, done):
    asked = done.visit.questions()
    assert [arrival.status for arrival in asked] == [429, 503, 503, 503, 503, 503]
    (line,) = error_lines(job.path, done)
    assert status_and_body(line) == ("503", body_shown(job.path, json.loads(asked[-1].answer)))


@each(jobs("refused", ERRORS))
def test_a_wrong_key_is_not_tried_again(job, done):
    (asked,) = done.visit.questions()
    (line,) = error_lines(job.path, done)
    assert status_and_body(line) == ("401", body_shown(job.path, json.loads(asked.answer)))


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        *((job, "refused|could(n't| not) connect") for job in jobs("no server", ERRORS)),
        *((job, "certificate") for job in jobs("untrusted", ERRORS)),
        *((job, "timed? ?out|aborted") for job in jobs("silence", ERRORS)),
    ],
    ids=str,
)
def test_where_no_answer_comes_a_snippet_says_so_and_why(job, reason, done):
    assert done.code == (
        0
        if job.path.suffix != ".sh"
        else {"no server": 7, "untrusted": 60, "silence": 28}[job.fate]
    )
    said = done.stdout if job.path.suffix != ".sh" else done.stderr
    assert said.startswith("No answer at all: " if job.path.suffix != ".sh" else "curl: ")
    assert re.search(reason, said, re.IGNORECASE)
    attempts = (
        1 if job.path.name in ("azure_ai_inference.py", "requests_http.py", "javascript.mjs") else 2
    )
    assert len(done.visit.questions()) <= (attempts if job.fate == "silence" else 0)


# Deploying and deleting


def manage(
    task: str, simulator: Simulator, home: Path, *options: str, **change: str
) -> subprocess.CompletedProcess[str]:
    """Runs the snippet that deploys, or the one that deletes."""
    environment = kept_variables(home) | simulator.variables() | change
    command = [sys.executable, *options, str(SNIPPETS / task / MANAGING)]
    return subprocess.run(
        command,
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def test_what_the_deploy_snippet_makes_answers_until_the_delete_snippet_has_run(tmp_path):
    import requests

    simulator = Simulator()
    try:
        subscription = simulator.azure.control_plane.subscription
        deployed = manage(
            "deploy", simulator, tmp_path, AZURE_MAX_USD_PER_HOUR=str(list_price(SIZE).per_hour)
        )
        assert deployed.returncode == 0, deployed.stderr
        root = re.search(r"^AZURE_INFERENCE_ENDPOINT=(\S+)$", deployed.stdout, re.MULTILINE)[1]
        endpoint = subscription.endpoint(simulator.azure.workspace, "my-phi4")
        made = endpoint.deployments["blue"]
        assert (made.model, made.instance_type, made.instances) == (MODEL, SIZE, 1)
        assert (made.request_timeout.total_seconds(), made.max_concurrent) == (180, 16)

        def ask() -> int:
            return requests.post(
                f"{root}/chat/completions",
                json={"messages": FRANCE},
                headers={"api-key": endpoint.keys["primaryKey"]},
                verify=simulator.variables()["REQUESTS_CA_BUNDLE"],
            ).status_code

        assert ask() == 200
        deleted = manage("delete", simulator, tmp_path)
        assert (deleted.returncode, deleted.stdout.splitlines()[-1]) == (0, "left: []"), (
            deleted.stderr
        )
        assert ask() == 404
        assert not re.search(
            r"simulated-(?:key|token)-", deployed.stdout + deployed.stderr + deleted.stdout
        )
        assert endpoint.keys["primaryKey"] not in deployed.stdout + deployed.stderr
    finally:
        simulator.stop()


def test_the_deploy_snippet_creates_nothing_above_the_agreed_price_even_without_asserts(tmp_path):
    simulator = Simulator()
    try:
        less = list_price(SIZE).per_hour - 0.001
        done = manage("deploy", simulator, tmp_path, "-O", AZURE_MAX_USD_PER_HOUR=str(less))
        assert done.returncode != 0 and "not agreed" in done.stderr
        assert {entry["path"] for entry in simulator.azure.journal} <= {
            "/metadata/endpoints"
        }  # asked when it is imported
    finally:
        simulator.stop()
