"""Runs snippets, each in a process of its own by its real client, against an endpoint that keeps whole what arrives.

One simulated Azure answers them all: each run has a path of its own there, and a way in which it is answered. Node packages
and the LangChain and LiteLLM environments are installed from their locks where they lie; where Node.js, curl or uv is absent
these snippets are skipped, or fail if NOTHING_MAY_SKIP is set.
"""

from __future__ import annotations

import copy
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from helpers.snippets import kind_of
from simulated_azure.faults import HEADER as FAULT_HEADER
from simulated_azure.http import Request, Response, Steps
from simulated_azure.transports.sockets import Simulator
from tools.snippets_table import SNIPPETS

KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "PATHEXT", "LANG", "COMSPEC")  # of this process's variables
TRUST = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
SIGNED_IN = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_TOKEN_CREDENTIALS")
VARIABLE = re.compile(r"\b(?:AZURE|IDENTITY|LITELLM)_[A-Z_]+\b")
LONGEST_RUN, LONGEST_HURRY, LONGEST_WAIT = 120.0, 60.0, 20.0  # seconds: of a process; in a hurry; of an answer
BEFORE_THE_WAIT = 8  # events of a stream
PACE = 0.01  # seconds between looks at what is waited for

# What runs them


def absent(what: str) -> None:
    """Skips, or fails where nothing may skip."""
    if os.environ.get("NOTHING_MAY_SKIP"):
        pytest.fail(f"{what} is not here, and NOTHING_MAY_SKIP is set")
    pytest.skip(f"{what} is not here")


def install_node_packages() -> list[str]:
    """The command that runs a file with Node.js, once the packages of the lock are there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        absent("Node.js with npm")
    lock = (SNIPPETS / "package-lock.json").read_text(encoding="utf-8")
    marker = SNIPPETS / "node_modules" / ".installed-from"
    if not marker.is_file() or marker.read_text(encoding="utf-8") != lock:
        call([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], SNIPPETS)
        marker.write_text(lock, encoding="utf-8")
    return [node]


def sync_environment(name: str) -> list[str]:
    """The Python of ``environments/<name>``, once it holds what its lock says."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        absent("uv")
    folder = SNIPPETS / "environments" / name
    call([uv, "sync", "--frozen", "--quiet", "--no-python-downloads", "--python", sys.executable], folder)
    return [str(folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))]


def call(command: list[str], folder: Path) -> None:
    """Runs an installer. It is not told of this process's own environment."""
    mine = ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH")
    variables = {name: value for name, value in os.environ.items() if name not in mine}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def shell() -> list[str]:
    """The command that runs a POSIX shell script with curl."""
    if os.name == "nt":
        pytest.skip("a POSIX shell script; Windows has none")
    if not shutil.which("curl"):
        absent("curl")
    return [shutil.which("sh") or "sh"]


def kind(path: Path) -> str:
    """What runs a snippet: one of COMMANDS."""
    return kind_of(path.name)


COMMANDS: dict[str, Callable[[], list[str]]] = {
    "litellm": lambda: sync_environment("litellm"),
    "langchain": lambda: sync_environment("langchain"),
    "node": install_node_packages,
    "curl": shell,
    "python": lambda: [sys.executable],
}  # the slow ones first

IN_ONE_PYTHON = """
import sys
from concurrent.futures import ThreadPoolExecutor

def complaint(path):
    try:
        exec(compile(open(path, encoding="utf-8").read(), path, "exec"), {"__name__": "__main__"})
    except BaseException as error:
        return f"{type(error).__name__}: {error}".replace("\\n", " ")
    return ""

with ThreadPoolExecutor(len(sys.argv)) as pool:
    for path, found in zip(sys.argv[1:], list(pool.map(complaint, sys.argv[1:]))):
        print(f"\\nENDED\\t{path}\\t{found}")
"""
IN_ONE_NODE = """
import { pathToFileURL } from "node:url";
const files = process.argv.slice(1);
const ends = await Promise.allSettled(files.map((file) => import(pathToFileURL(file))));
for (const [number, end] of ends.entries()) {
  console.log(`\\nENDED\\t${files[number]}\\t${end.status === "rejected" ? `${end.reason}`.replaceAll("\\n", " ") : ""}`);
}
"""
IN_ONE_SHELL = r"""
for file; do
  sh "$file"
  ended=$?
  printf '\nENDED\t%s\t%s\n' "$file" "${ended#0}"
done
"""


# The endpoint


@dataclass
class Arrival:
    """A request as it arrived, secrets and all, and what it got."""

    request: Request
    status: int = 0
    answer: bytes = b""

    def asks_the_model(self) -> bool:
        return self.request.path.endswith("/chat/completions")

    def body(self) -> dict:
        return json.loads(self.request.body)


@dataclass
class Visit:
    """What one process asks of the endpoint, and how it is answered."""

    path: str
    manner: Callable[[Visit, Request, Callable[[Request], Response]], Response]
    arrived: list[Arrival] = field(default_factory=list)
    printed: threading.Event = field(default_factory=threading.Event)  # the beginning of an answer
    waited_in_vain: bool = False

    def questions(self) -> list[Arrival]:
        return [arrival for arrival in self.arrived if arrival.asks_the_model()]

    def wait(self, happened: Callable[[], bool]) -> Iterator[bytes]:
        """Nothing, again and again, until something has happened, or for too long."""
        deadline = time.monotonic() + LONGEST_WAIT
        while not happened():
            if time.monotonic() > deadline:
                self.waited_in_vain = True
                return
            yield b""


class Endpoint:
    """A simulated Azure in which every visit has a path of its own."""

    def __init__(self):
        self.simulator = Simulator()
        # handle() calls handle_in_steps(), which is replaced here: a copy answers as usual.
        self._handle = copy.copy(self.simulator.azure).handle
        self.simulator.azure.handle_in_steps = self._answer_in_steps
        self._visits: dict[str, Visit] = {}
        self._numbers = itertools.count()
        self._unused = socket.socket()
        self._unused.bind(("127.0.0.1", 0))  # and never listens
        self.nowhere = f"https://127.0.0.1:{self._unused.getsockname()[1]}"

    def visit(self, manner: Callable) -> Visit:
        made = Visit(f"/visit-{next(self._numbers)}", manner)
        self._visits[made.path] = made
        return made

    def variables(self, visit: Visit) -> dict[str, str]:
        """Those of the simulator, so that they lead to a visit."""
        root, http_root = self.simulator.url + visit.path, self.simulator.http_url + visit.path
        more = {"AZURE_INFERENCE_ENDPOINT": root, "IDENTITY_ENDPOINT": f"{http_root}/msi/token"}
        return self.simulator.variables() | more | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}

    def stop(self) -> None:
        self.simulator.stop()
        self._unused.close()
        assert not self.simulator.errors, "\n".join(self.simulator.errors)

    def _answer_in_steps(self, request: Request) -> Steps:
        yield 0.0
        return self._answer(request)

    def _answer(self, request: Request) -> Response:
        first, slash, rest = request.path.removeprefix("/").partition("/")
        visit = self._visits[f"/{first}"]
        arrival = Arrival(replace(request, path=slash + rest))
        visit.arrived.append(arrival)
        response = visit.manner(visit, arrival.request, self._handle)
        arrival.status = response.status
        if isinstance(response.body, bytes):
            arrival.answer = response.body
            return response
        return replace(response, body=_kept(response.body, arrival))


def _kept(events: Iterator[bytes], arrival: Arrival) -> Iterator[bytes]:
    for event in events:
        arrival.answer += event
        yield event


# Manners in which a visit can be answered


def as_usual(visit: Visit, request: Request, handle: Callable) -> Response:
    return handle(request)


def with_fault(fault: str, request: Request) -> Request:
    return replace(request, headers={**request.headers, FAULT_HEADER: fault})


def unavailable_at_first(visit: Visit, request: Request, handle: Callable) -> Response:
    """The first question gets 503."""
    asked = request.path.endswith("/chat/completions") and len(visit.questions()) == 1
    return handle(with_fault("503", request) if asked else request)


def unavailable(visit: Visit, request: Request, handle: Callable) -> Response:
    """The first question gets 429, all others get 503."""
    return handle(with_fault(f"{429 if len(visit.questions()) == 1 else 503}; retry-after=1", request))


def refusing(visit: Visit, request: Request, handle: Callable) -> Response:
    """Whatever is asked gets 401, but for a token."""
    return handle(request if request.path == "/msi/token" else with_fault("401", request))


def giving_no_token(visit: Visit, request: Request, handle: Callable) -> Response:
    """Whoever signs in gets 400."""
    return Response(400, b'{"message": "No identity."}') if request.path == "/msi/token" else handle(request)


def silent(visit: Visit, request: Request, handle: Callable) -> Response:
    """No answer ever comes."""
    return Response(200, delay=600)


def waiting_for_print(visit: Visit, request: Request, handle: Callable) -> Response:
    """A stream stops after some events until the process has printed the beginning of the answer."""
    response = handle(request)
    events = iter(response.body)
    first = itertools.islice(events, BEFORE_THE_WAIT)
    return replace(response, body=itertools.chain(first, visit.wait(visit.printed.is_set), events), pace=PACE)


def waiting_for_two(visit: Visit, request: Request, handle: Callable) -> Response:
    """No answer comes before two questions have arrived."""
    response = handle(request)
    wait = visit.wait(lambda: len(visit.questions()) == 2)
    return replace(response, body=itertools.chain(wait, [response.body]), pace=PACE)


def ending_tokens(visit: Visit, request: Request, handle: Callable) -> Response:
    """A token ends in a second; the first question gets 503."""
    if request.path != "/msi/token":
        return unavailable_at_first(visit, request, handle)
    response = handle(request)
    content = json.loads(response.body) | {"expires_on": str(int(time.time()) + 1)}
    return replace(response, body=json.dumps(content).encode())


def saying(text: str) -> Callable:
    """Every answer is this text."""

    def manner(visit: Visit, request: Request, handle: Callable) -> Response:
        response = handle(request)
        content = json.loads(response.body)
        content["choices"][0]["message"]["content"] = text
        return replace(response, body=json.dumps(content).encode())

    return manner


def informing(**info: str) -> Callable:
    """What /info says."""

    def manner(visit: Visit, request: Request, handle: Callable) -> Response:
        response = handle(request)
        return replace(response, body=json.dumps(json.loads(response.body) | info).encode())

    return manner


# Running


@dataclass
class Run:
    """A process that has ended, and what arrived of it, oldest first."""

    code: int
    printed: str
    complained: str
    visit: Visit

    def answers(self) -> str:
        """All that the model answered, as it was sent."""
        return "".join(arrival.answer.decode() for arrival in self.visit.questions())

    def ends(self) -> dict[Path, str]:
        """How each of several snippets run together ended: the complaint, or nothing."""
        rows = [line.split("\t") for line in self.printed.splitlines() if line.startswith("ENDED\t")]
        return {Path(path): complaint for _, path, complaint in rows}


def needs(path: Path) -> set[str]:
    """The variables that a snippet's second line names."""
    return set(VARIABLE.findall(path.read_text(encoding="utf-8").splitlines()[1]))


def impatient(code: str, seconds: int = 60) -> str:
    """The same code with one retry for five, and so many seconds for a minute."""
    code, retries = re.subn(r"\b((?:retry_status|max_retries|maxRetries|status)(?:=|: )|retry )5\b", r"\g<1>1", code)
    code, minutes = re.subn(r"\b60(_000)?\b", rf"{seconds}\1", code)
    assert (retries, minutes) == (1, 1), "expected five retries and a minute, each once"
    return code


def run(
    paths: list[Path], command: list[str], endpoint: Endpoint, manner: Callable, home: Path, change: dict, code: str = ""
) -> Run:
    """Runs snippets to their end, in an empty home folder and with no other variables than they say they need.

    One is a process of its own; several run at the same time in one. ``code``: to be run instead, as if it stood beside the
    file. ``change``: further variables, and None for those that shall not be set.
    """
    visit = endpoint.visit(manner)
    name = kind(paths[0])
    signed_in = any("signed in" in path.read_text(encoding="utf-8") for path in paths)
    wanted = {variable for path in paths for variable in needs(path)} | {*TRUST, *(SIGNED_IN if signed_in else ())}
    given = {variable: value for variable, value in endpoint.variables(visit).items() if variable in wanted} | change
    environment = {variable: value for variable, value in os.environ.items() if variable.upper() in KEPT}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "PYTHONUTF8": "1"}
    environment |= {variable: value for variable, value in given.items() if value is not None}
    files = [str(path) for path in paths]
    if code:
        arguments = {"node": ["--input-type=module"], "curl": []}.get(name, ["-"])
    elif len(paths) > 1:
        together = {"node": ["--input-type=module", "-e", IN_ONE_NODE], "curl": ["-c", IN_ONE_SHELL, "sh"]}
        arguments = [*together.get(name, ["-c", IN_ONE_PYTHON]), *files]
    else:
        arguments = files
    with tempfile.TemporaryFile() as typed, tempfile.TemporaryFile() as complaints:
        typed.write(code.encode())
        typed.seek(0)
        folder = SNIPPETS if code and name == "node" else home  # Node.js looks for packages from the file or from here
        with subprocess.Popen(
            [*command, *arguments], cwd=folder, env=environment, stdin=typed, stdout=subprocess.PIPE, stderr=complaints
        ) as process:
            limit = threading.Timer(LONGEST_HURRY if code else LONGEST_RUN, process.kill)
            limit.start()
            printed = b""
            while piece := process.stdout.read1():
                printed += piece
                if b"There" in printed:
                    visit.printed.set()
            ended = process.wait()
            limit.cancel()
        complaints.seek(0)
        complained = complaints.read()
    return Run(ended, *(text.decode().replace("\r\n", "\n") for text in (printed, complained)), visit)
