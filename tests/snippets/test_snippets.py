"""What each snippet prints, and what the endpoint receives from it.

Each runs in a process of its own with its real client (see ``snippet_runs.py``). C# is in
``test_csharp.py``. A few processes run at the same time, because many of them wait: before they try
again, or for an answer that never comes.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from snippet_runs import (
    SERVED_NAME,
    TRUST,
    Endpoint,
    Run,
    Runner,
    as_usual,
    cut,
    ending_tokens,
    giving_no_token,
    impatient,
    informing,
    kind,
    needs,
    out_of_range,
    refusing,
    run,
    saying,
    serving,
    silent,
    unavailable,
    unavailable_at_first,
    waiting_for_print,
    waiting_for_two,
)
from toolchain import COMMANDS, command_or_reason

from helpers import snippets
from simulated_azure.errors import UNAUTHORIZED
from tools.snippets_table import SNIPPETS, load, snippet_files

ROOT = SNIPPETS.parent
DATA = load()
TASKS = [task["folder"] for task in DATA["task"] if "tests" not in task]  # others: their own file
EXECUTED = [path for path in snippet_files((".py", ".mjs", ".sh")) if path.parent.name in TASKS]
ERRORS = "errors-and-retries"
LONGEST, SHORTEST = 25, 3  # lines of code
AT_A_TIME, WAITING = 2, 6  # processes: that work, and besides those that mostly wait

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
    "content": "I cannot use that answer. Reply with the JSON object only.",
}
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
KNOWN_FIELDS = {"messages", "model", "stream", *ALL}  # all others are extra parameters
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
        "invalid": out_of_range,
        "cut": cut,
        "serve": serving,
        "serve by name": serving,
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
        "serve by name": {"AZURE_INFERENCE_MODEL": SERVED_NAME},
        "no server": {"AZURE_INFERENCE_ENDPOINT": endpoint.nowhere},
        "untrusted": dict.fromkeys(TRUST),
        "no key": {"AZURE_INFERENCE_CREDENTIAL": None, "OPENAI_API_KEY": "a-private-key"},
    }.get(job.fate, {})
    code = ""
    if len(job.paths) == 1 and job.fate in ("no server", "silence", "untrusted"):
        seconds = 3 if job.fate == "silence" else 60
        code = impatient(job.path.read_text(encoding="utf-8"), seconds)
    one_by_one = job.fate.startswith("serve")
    return run([*job.paths], runner, endpoint, manner_for(job), home, changes, code, one_by_one)


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

    def ask(messages: list[dict]) -> Answer:
        reply = requests.post(
            f"{simulator.url}/chat/completions",
            json={"messages": messages, "temperature": 0, "logprobs": True},
            headers={"api-key": simulator.azure.key, "extra-parameters": "pass-through"},
            verify=certificates,
        ).json()
        choice, usage = reply["choices"][0], reply["usage"]
        return Answer(
            choice["message"]["content"], usage["completion_tokens"], choice["logprobs"]["content"]
        )

    for messages in (FRANCE, JAPAN, LANGUAGES, LANGUAGES[1:]):
        found[str(messages)] = ask(messages)
    first = {"role": "assistant", "content": found[str(LANGUAGES)].text}
    found[str(AND_IN_FRANCE)] = ask([*LANGUAGES, first, AND_IN_FRANCE])
    return found


# What they print, and what they send


def expected_bodies(path: Path) -> list[dict]:
    """Return the bodies that must arrive from a snippet.

    What its client adds to every body and answers that it sends back are left out.
    """
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
        ERRORS: [{"messages": FRANCE, "temperature": 0}],
        "async": [{"messages": FRANCE, "temperature": 0}, {"messages": JAPAN, "temperature": 0}],
    }[path.parent.name]


def expected_print(path: Path, answers: dict[str, Answer], name: str = "Phi-4") -> str:
    """All that a snippet must print, unless it is curl's. ``name``: the model's."""
    france, languages = answers[str(FRANCE)], answers[str(LANGUAGES)]
    quoted = repr if path.suffix == ".py" else functools.partial(json.dumps, ensure_ascii=False)
    if path.name == "litellm_client.py":
        name = f"azure_ai/{name}"
    counted = f"Prompt tokens: 25\nCompletion tokens: {languages.tokens}"
    tokens = [] if path.name == "litellm_client.py" else [f"{languages.tokens} tokens"]
    lines = {
        "client-with-key": [france.text],
        "client-with-entra-id": [france.text],
        "model-info": [
            f"{label}: {INFO[name]}" for label, name in zip(INFO_LABELS, INFO, strict=True)
        ],
        ERRORS: [france.text],
        "completion": [f"Response: {languages.text}", f"Model: {name}", counted],
        "conversation": [languages.text, answers[str(AND_IN_FRANCE)].text],
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
    if job.path.suffix != ".sh":
        expected = expected_print(job.path, answers)
    elif job.path.parent.name == "stream":
        expected = done.answers()
    else:
        expected = f"{done.visit.arrivals[-1].answer.decode()}\n"
    if job.path == SNIPPETS / "model-info" / "openai_sdk.py":
        expected = expected.splitlines(keepends=True)[0]
    assert done.stdout == expected


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
    listing = [request for request in others if request.path == "/v1/models"]
    assert bool(listing) == asks_for_the_name(path)
    question = (route.prefix + "/chat/completions", route.query)
    expected = ("/info", API) if task == "model-info" else question
    assert {(request.path, request.query) for request in others if request not in listing} == {
        expected
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
    fields = set().union(*(arrival.body() for arrival in done.visit.questions()))
    assert {request.headers.get("extra-parameters") for request in others} == {
        "pass-through" if fields - KNOWN_FIELDS else None
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


# The other server: whole answers instead of streams, checked names of models, no /info


def asks_for_the_name(path: Path) -> bool:
    """Return True for a snippet that asks the server for the name of its model."""
    is_told = path.parent.name in ("async", ERRORS)  # these are short of lines
    return path.name in ("openai_sdk.py", "openai.mjs") and not is_told


def wants_the_name(path: Path) -> bool:
    """Return True for a snippet that has to be told the name if the server checks it."""
    return "model" in ROUTES[path.name].more and not asks_for_the_name(path)


SERVE = together("serve", [path for path in EXECUTED if not wants_the_name(path)])
SERVE_BY_NAME = together("serve by name", [path for path in EXECUTED if wants_the_name(path)])


@each([job for job in SERVE + SERVE_BY_NAME if job.paths])
def test_a_snippet_prints_the_same_on_a_server_that_sends_whole_answers(job, done, answers):
    assert done.code == 0 and not any(done.complaints().values()), done.stdout + done.stderr
    printed = done.outputs()
    assert [*printed] == [*job.paths]
    for path, text in printed.items():
        if path.parent.name == "model-info":
            whole = json.loads(text)["data"][0]["id"] if path.suffix == ".sh" else text[:-1]
            assert whole.removeprefix("Model name: ") == SERVED_NAME, path
        elif path.suffix == ".sh":
            assert answer_printed(text) in {answer.text for answer in answers.values()}, path
        else:
            assert text == expected_print(path, answers, SERVED_NAME), path


def answer_printed(text: str) -> str:
    """Return the answer in what a curl snippet prints: a reply, or the events of a stream."""
    return snippets.answer_in(re.sub(r"^Status 200\n", "", text))


# Where something is wrong


@each(
    together("cut", [path for path in EXECUTED if "not whole" in path.read_text("utf-8")], "curl")
)
def test_an_answer_that_was_cut_off_ends_a_snippet_with_an_error(job, done):
    ends = done.complaints()
    expected = re.compile("the answer is not whole: .*(length|TOKEN_LIMIT_REACHED)")
    assert [path for path in job.paths if not expected.search(ends[path])] == []


def test_every_snippet_that_asks_the_model_looks_at_the_finish_reason():
    without = [
        path
        for path in EXECUTED
        if path.parent.name != "model-info"
        and not re.search(r"finish_?reason", path.read_text(encoding="utf-8"), re.IGNORECASE)
    ]
    assert [path for path in without if path.suffix != ".sh"] == []  # curl's prints whole replies


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
def test_a_snippet_tries_again_when_the_server_was_not_ready(job, done, answers):
    first, second = done.visit.questions()
    assert (first.status, second.status, done.code) == (503, 200, 0)
    (answered,) = error_lines(job.path, done)
    if job.path.suffix == ".sh":
        assert status_and_body(answered) == ("200", json.loads(second.answer))
    else:
        assert answered == answers[str(FRANCE)].text


@each(jobs("invalid", ERRORS))
def test_a_snippet_says_why_a_value_was_refused(job, done):
    (asked,) = done.visit.questions()
    assert done.code == (22 if job.path.suffix == ".sh" else 0)
    (line,) = error_lines(job.path, done)
    assert status_and_body(line) == ("422", body_shown(job.path, json.loads(asked.answer)))


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
