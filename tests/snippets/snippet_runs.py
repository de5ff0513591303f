"""Run snippets, each in a process of its own with its real client, and keep all that arrives.

One simulated Azure answers all of them: each run has its own path there, and its own manner of
being answered. Python processes are forked from one that has imported the clients already. Node
packages and the environments for LangChain and LiteLLM are installed from their locks where they
lie. Where Node.js, curl or uv is absent these snippets are skipped, or fail if NOTHING_MAY_SKIP is
set.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import fork_server
from fork_server import Fork, ForkServer

from helpers.snippets import kind_of
from simulated_azure.faults import HEADER as FAULT_HEADER
from simulated_azure.http import Request, Response, Steps
from simulated_azure.inference.completions import Assistant
from simulated_azure.inference.endpoint import MODEL_NAME, MODEL_VERSION
from simulated_azure.inference.servers import HEADER as SERVER_HEADER
from simulated_azure.inference.servers import MODEL_FOLDER
from simulated_azure.transports.sockets import Simulator
from tools.snippets_table import SNIPPETS

SERVED_NAME = MODEL_FOLDER.format(name=MODEL_NAME, version=MODEL_VERSION)  # where it is checked
KEPT = (
    "PATH",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "PATHEXT",
    "LANG",
    "COMSPEC",
)  # of this process's variables
TRUST = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
SIGNED_IN = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_TOKEN_CREDENTIALS")
VARIABLE = re.compile(r"\b(?:AZURE|IDENTITY|LITELLM)_[A-Z_]+\b")
LONGEST_RUN = 300.0  # seconds until a process is killed
LONGEST_WAIT = 60.0  # seconds until the endpoint goes on
EVENTS_BEFORE_WAIT = 8  # of a stream
PACE = 0.01  # seconds between two looks at what is waited for

# What runs them

# Kind of snippet -> the modules that its fork server imports: also those that a client imports
# only when it is first asked something.
PRELOADED = {
    "python": (
        "azure.ai.inference",
        "azure.identity",
        "httpx",
        "httpcore2",
        "openai.resources.chat.completions",
        "openai.resources.models",
        "requests",
    ),
    "langchain": (
        "langchain_azure_ai.chat_models",
        "langchain_openai",
        "openai.resources.chat.completions",
        "httpcore2",
    ),
    "litellm": (
        "litellm",
        "litellm.llms.azure_ai.chat.transformation",
        "litellm.litellm_core_utils.default_encoding",
        "litellm.proxy._types",
        "httpcore",
    ),
}
NEVER_FORKED = "azure.ai.inference.aio"  # aiohttp reads SSL_CERT_FILE when it is imported
SEEN_BY_PACKAGES = {"PYTHONUTF8": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # at import


def kind(path: Path) -> str:
    """Return the kind of a snippet, which says what runs it: a key of COMMANDS."""
    return kind_of(path.name)


class Runner:
    """Start snippets of one kind: Python in forks where that is possible, others by command."""

    def __init__(self, name: str, command: list[str], home: Path):
        self.kind, self.command = name, command
        self._server: ForkServer | None = None
        if fork_server.AVAILABLE and name in PRELOADED:
            self._server = ForkServer(
                command[0], PRELOADED[name], kept_variables(home) | SEEN_BY_PACKAGES
            )

    def start(
        self,
        paths: list[Path],
        arguments: list[str],
        folder: Path,
        variables: dict[str, str],
        stdin: IO,
        stderr: IO,
    ) -> subprocess.Popen | Fork:
        """Start a process for snippets. Its stdout is a pipe."""
        texts = (path.read_text(encoding="utf-8") for path in paths)
        if self._server and not any(NEVER_FORKED in text for text in texts):
            return self._server.start(arguments, folder, variables, stdin, stderr)
        return subprocess.Popen(
            [*self.command, *arguments],
            cwd=folder,
            env=variables,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )

    def close(self) -> None:
        if self._server:
            self._server.close()


def kept_variables(home: Path) -> dict[str, str]:
    """Return the variables that every process gets: a few of this one's, and an empty home."""
    kept = {name: value for name, value in os.environ.items() if name.upper() in KEPT}
    return kept | {"HOME": str(home), "USERPROFILE": str(home), "PYTHONUTF8": "1"}


IN_ONE_PYTHON = """
import sys
from concurrent.futures import ThreadPoolExecutor

def complaint(path):
    if one_by_one:
        print(f"\\nBEGAN\\t{path}")
    try:
        exec(compile(open(path, encoding="utf-8").read(), path, "exec"), {"__name__": "__main__"})
    except BaseException as error:
        return f"{type(error).__name__}: {error}".replace("\\n", " ")
    return ""

one_by_one, paths = sys.argv[1] == "one by one", sys.argv[2:]
with ThreadPoolExecutor(1 if one_by_one else len(paths)) as pool:
    for path, end in zip(paths, list(pool.map(complaint, paths))):
        print(f"\\nENDED\\t{path}\\t{end}")
"""
IN_ONE_NODE = """
import { pathToFileURL } from "node:url";
const [order, ...files] = process.argv.slice(1);
let last = Promise.resolve();
const ends = await Promise.allSettled(files.map((file) => {
  if (order !== "one by one") return import(pathToFileURL(file));
  last = last.catch(() => {}).then(() => {
    console.log(`\\nBEGAN\\t${file}`);
    return import(pathToFileURL(file));
  });
  return last;
}));
for (const [number, end] of ends.entries()) {
  const complaint = end.status === "rejected" ? `${end.reason}`.replaceAll("\\n", " ") : "";
  console.log(`\\nENDED\\t${files[number]}\\t${complaint}`);
}
"""
IN_ONE_SHELL = r"""
shift
for file; do
  printf '\nBEGAN\t%s\n' "$file"
  sh "$file"
  ended=$?
  printf '\nENDED\t%s\t%s\n' "$file" "${ended#0}"
done
"""


# The endpoint


@dataclass
class Arrival:
    """A request as it arrived, with its secrets, and its answer."""

    request: Request
    status: int = 0
    answer: bytes = b""

    def is_question(self) -> bool:
        """Return True for a request to the model."""
        return self.request.path.endswith("/chat/completions")

    def body(self) -> dict:
        return json.loads(self.request.body)


@dataclass
class Visit:
    """All that one process sends to the endpoint, and the manner in which it is answered."""

    path: str
    manner: Callable[[Visit, Request, Callable[[Request], Response]], Response]
    arrivals: list[Arrival] = field(default_factory=list)
    printed: threading.Event = field(default_factory=threading.Event)  # the start of an answer
    gave_up_waiting: bool = False

    def questions(self) -> list[Arrival]:
        """Return the requests to the model, oldest first."""
        return [arrival for arrival in self.arrivals if arrival.is_question()]

    def wait(self, event: Callable[[], bool]) -> Iterator[bytes]:
        """Yield nothing, again and again, until an event happens or LONGEST_WAIT is over."""
        deadline = time.monotonic() + LONGEST_WAIT
        while not event():
            if time.monotonic() > deadline:
                self.gave_up_waiting = True
                return
            yield b""


class Endpoint:
    """A simulated Azure in which every visit has its own path."""

    def __init__(self, assistant: Assistant):
        self.simulator = Simulator(assistant=assistant)
        self._usual_steps = self.simulator.azure.handle_in_steps
        self.simulator.azure.handle_in_steps = self._answer_in_steps
        self._visits: dict[str, Visit] = {}
        self._numbers = itertools.count()
        self._silent_socket = socket.socket()
        self._silent_socket.bind(("127.0.0.1", 0))  # and never listens
        self.nowhere = f"https://127.0.0.1:{self._silent_socket.getsockname()[1]}"

    def visit(self, manner: Callable) -> Visit:
        """Return a new visit, which will be answered in this manner."""
        visit = Visit(f"/visit-{next(self._numbers)}", manner)
        self._visits[visit.path] = visit
        return visit

    def variables(self, visit: Visit) -> dict[str, str]:
        """Return the simulator's variables, changed so that they lead to a visit."""
        root, http_root = self.simulator.url + visit.path, self.simulator.http_url + visit.path
        changes = {
            "AZURE_INFERENCE_ENDPOINT": root,
            "IDENTITY_ENDPOINT": f"{http_root}/msi/token",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        return self.simulator.variables() | changes

    def stop(self) -> None:
        """Stop the simulator. Fail if it had errors."""
        self.simulator.stop()
        self._silent_socket.close()
        assert not self.simulator.errors, "\n".join(self.simulator.errors)

    def _answer_in_steps(self, request: Request) -> Steps:
        yield 0.0
        return self._answer(request)

    def _handle(self, request: Request) -> Response:
        """Return the simulator's own response, without giving way meanwhile."""
        steps = self._usual_steps(request)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    def _answer(self, request: Request) -> Response:
        first, slash, rest = request.path.removeprefix("/").partition("/")
        visit = self._visits[f"/{first}"]
        arrival = Arrival(replace(request, path=slash + rest))
        visit.arrivals.append(arrival)
        response = visit.manner(visit, arrival.request, self._handle)
        arrival.status = response.status
        if isinstance(response.body, bytes):
            arrival.answer = response.body
            return response
        return replace(response, body=_record(response.body, arrival))


def _record(events: Iterator[bytes], arrival: Arrival) -> Iterator[bytes]:
    for event in events:
        arrival.answer += event
        yield event


# Manners of answering a visit


def for_questions(manner: Callable) -> Callable:
    """Return a manner that answers all but questions as usual."""

    @functools.wraps(manner)
    def limited(visit: Visit, request: Request, handle: Callable) -> Response:
        is_question = request.path.endswith("/chat/completions")
        return manner(visit, request, handle) if is_question else handle(request)

    return limited


def as_usual(visit: Visit, request: Request, handle: Callable) -> Response:
    return handle(request)


def with_fault(fault: str, request: Request) -> Request:
    """Return the request with the header that asks for a fault."""
    return replace(request, headers={**request.headers, FAULT_HEADER: fault})


@for_questions
def unavailable_at_first(visit: Visit, request: Request, handle: Callable) -> Response:
    """Answer 503 to the first question."""
    return handle(with_fault("503", request) if len(visit.questions()) == 1 else request)


def unavailable(visit: Visit, request: Request, handle: Callable) -> Response:
    """Answer 429 to the first question, and 503 to all others."""
    status = 429 if len(visit.questions()) == 1 else 503
    return handle(with_fault(f"{status}; retry-after=1", request))


def refusing(visit: Visit, request: Request, handle: Callable) -> Response:
    """Answer 401 to all but requests for a token."""
    return handle(request if request.path == "/msi/token" else with_fault("401", request))


def giving_no_token(visit: Visit, request: Request, handle: Callable) -> Response:
    """Answer 400 to requests for a token."""
    if request.path == "/msi/token":
        return Response(400, b'{"message": "No identity."}')
    return handle(request)


def silent(visit: Visit, request: Request, handle: Callable) -> Response:
    """Never answer."""
    return Response(200, delay=600)


@for_questions
def waiting_for_print(visit: Visit, request: Request, handle: Callable) -> Response:
    """Stop a stream after some events until the process has printed the start of the answer."""
    response = handle(request)
    events = iter(response.body)
    first = itertools.islice(events, EVENTS_BEFORE_WAIT)
    body = itertools.chain(first, visit.wait(visit.printed.is_set), events)
    return replace(response, body=body, pace=PACE)


@for_questions
def waiting_for_two(visit: Visit, request: Request, handle: Callable) -> Response:
    """Answer no question before two of them have arrived."""
    response = handle(request)
    wait = visit.wait(lambda: len(visit.questions()) == 2)
    return replace(response, body=itertools.chain(wait, [response.body]), pace=PACE)


def ending_tokens(visit: Visit, request: Request, handle: Callable) -> Response:
    """Give tokens that end in a second, and answer 503 to the first question."""
    if request.path != "/msi/token":
        return unavailable_at_first(visit, request, handle)
    return _changed(handle(request), expires_on=str(int(time.time()) + 1))


@for_questions
def out_of_range(visit: Visit, request: Request, handle: Callable) -> Response:
    """Answer questions as if their temperature were 5."""
    body = json.loads(request.body) | {"temperature": 5}
    return handle(replace(request, body=json.dumps(body).encode()))


@for_questions
def cut(visit: Visit, request: Request, handle: Callable) -> Response:
    """Say that answers were cut off at the limit of tokens."""
    response = handle(request)
    if isinstance(response.body, bytes):
        return replace(response, body=_cut(response.body))
    return replace(response, body=map(_cut, response.body))


def _cut(piece: bytes) -> bytes:
    return re.sub(rb'("finish_reason": ?)"stop"', rb'\1"length"', piece)


def serving(visit: Visit, request: Request, handle: Callable) -> Response:
    """Answer as the server that waits for whole answers and checks the name of the model."""
    return handle(replace(request, headers={**request.headers, SERVER_HEADER: "serve"}))


def saying(text: str) -> Callable:
    """Return a manner in which every answer of the model is this text."""

    @for_questions
    def manner(visit: Visit, request: Request, handle: Callable) -> Response:
        response = handle(request)
        content = json.loads(response.body)
        content["choices"][0]["message"]["content"] = text
        return replace(response, body=json.dumps(content).encode())

    return manner


def informing(**info: str) -> Callable:
    """Return a manner in which answers of ``/info`` hold this."""

    def manner(visit: Visit, request: Request, handle: Callable) -> Response:
        response = handle(request)
        return _changed(response, **info) if request.path == "/info" else response

    return manner


def _changed(response: Response, **changes: str) -> Response:
    """Return a response whose JSON object has some other values."""
    return replace(response, body=json.dumps(json.loads(response.body) | changes).encode())


# Running


@dataclass
class Run:
    """A process that has ended, and its visit."""

    code: int
    stdout: str
    stderr: str
    visit: Visit

    def answers(self) -> str:
        """Return all that the model answered, as it was sent."""
        return "".join(arrival.answer.decode() for arrival in self.visit.questions())

    def complaints(self) -> dict[Path, str]:
        """Return how each of several snippets in one process ended: its error, or nothing."""
        rows = [line.split("\t") for line in self.stdout.splitlines() if line.startswith("ENDED\t")]
        return {Path(path): complaint for _, path, complaint in rows}

    def outputs(self) -> dict[Path, str]:
        """Return what each of several snippets printed that ran one by one in one process."""
        printed = r"\nBEGAN\t(.*)\n((?s:.*?))(?=\n(?:BEGAN|ENDED)\t)"
        return {Path(path): text for path, text in re.findall(printed, self.stdout)}


def needs(path: Path) -> set[str]:
    """Return the variables that a snippet's second line names."""
    return set(VARIABLE.findall(path.read_text(encoding="utf-8").splitlines()[1]))


def impatient(code: str, seconds: int = 60) -> str:
    """Return the same code with one retry for five, and so many seconds for a minute."""
    retry = r"\b((?:retry_status|max_retries|maxRetries|status)(?:=|: )|retry )5\b"
    code, retries = re.subn(retry, r"\g<1>1", code)
    code, minutes = re.subn(r"\b60(_000)?\b", rf"{seconds}\1", code)
    assert (retries, minutes) == (1, 1), "expected five retries and a minute, each once"
    return code


def variables_for(paths: list[Path], endpoint: Endpoint, visit: Visit) -> dict[str, str]:
    """Return those of the endpoint's variables that snippets say they need."""
    names = set(TRUST).union(*(needs(path) for path in paths))
    if any("signed in" in path.read_text(encoding="utf-8") for path in paths):
        names.update(SIGNED_IN)
    return {name: value for name, value in endpoint.variables(visit).items() if name in names}


def run(
    paths: list[Path],
    runner: Runner,
    endpoint: Endpoint,
    manner: Callable,
    home: Path,
    changes: dict[str, str | None],
    code: str = "",
    one_by_one: bool = False,
    options: Sequence[str] = (),
) -> Run:
    """Run snippets to their end, with an empty home and only the variables that they name.

    Args:
        paths: one file, or several, which then run at the same time in one process.
        changes: further variables, and None for those to leave out.
        code: runs instead of the file, as if it stood beside it.
        options: arguments of the program, if it is one file.
        one_by_one: several files run one after another, which keeps their outputs apart.
    """
    visit = endpoint.visit(manner)
    variables = kept_variables(home) | variables_for(paths, endpoint, visit) | changes
    files = [str(path) for path in paths]
    order = "one by one" if one_by_one else "together"
    if code:
        arguments = {"node": ["--input-type=module"], "curl": []}.get(runner.kind, ["-"])
    elif len(paths) > 1 or one_by_one:
        together = {
            "node": ["--input-type=module", "-e", IN_ONE_NODE],
            "curl": ["-c", IN_ONE_SHELL, "sh"],
        }
        arguments = [*together.get(runner.kind, ["-c", IN_ONE_PYTHON]), order, *files]
    else:
        arguments = [*files, *options]
    folder = SNIPPETS if code and runner.kind == "node" else home  # where it looks for packages
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
        stdin.write(code.encode())
        stdin.seek(0)
        variables = {name: value for name, value in variables.items() if value is not None}
        with runner.start(paths, arguments, folder, variables, stdin, stderr) as process:
            limit = threading.Timer(LONGEST_RUN, process.kill)
            limit.start()
            stdout = b""
            while piece := process.stdout.read1():
                stdout += piece
                if b"There" in stdout:
                    visit.printed.set()
            exit_code = process.wait()
            limit.cancel()
        stderr.seek(0)
        texts = [text.decode().replace("\r\n", "\n") for text in (stdout, stderr.read())]
    return Run(exit_code, *texts, visit)
