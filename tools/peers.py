"""Try the simulated Azure in front of servers that nobody here wrote.

    python -m uv run python -m tools.peers
    python -m uv run python -m tools.peers --live notebooks/04-chat-completions.ipynb

The first is llama.cpp's own server, with a tiny model that is made on the spot (tests/peers): real
inference, with log-probabilities and several answers. The second is aimock, which has neither, and
fails in each way that it knows. ``python -m simulated_azure --upstream`` runs in front of each; the
real client asks it. ``--live`` runs lessons (all, or those that are named) by ``pytest --live`` on
both servers that answer, and leaves a report for each.

It needs uv and Node.js, and installs the servers from their locks in ``tests/peers``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import requests
from azure.ai.inference import ChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError

from tools.refresh import forget_own_settings

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "tests" / "peers"
WORK = ROOT / ".pytest_cache" / "peers"
AIMOCK = PEERS / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
KEY = "key-of-the-upstream-4711"
DEADLINE = 120  # seconds in which a server has to start
QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
SHORT = {**QUESTION, "temperature": 0.5, "max_tokens": 20}
EXTRAS = {"extra-parameters": "pass-through"}
# What aimock is to do -> the status that a client of the simulated Azure has to get.
CHAOS = {"drop": 502, "malformed": 502, "disconnect": 502, "ratelimit": 429}
WIDTH = 34  # characters of a check's name


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.peers", description=__doc__)
    parser.add_argument(
        "--live", nargs="*", metavar="NOTEBOOK", help="run lessons on both (default: all)"
    )
    options = parser.parse_args()
    forget_own_settings(os.environ)
    python = install()
    failures = 0
    with llama(python) as url:
        failures += try_server("llama.cpp", url, "", expected_of_llama)
        run_lessons(url, "", options.live)
    with aimock() as url:
        failures += try_server("aimock", url, "phi4-mini", expected_of_aimock)
        run_lessons(url, "phi4-mini", options.live)
    for name, status in CHAOS.items():
        with aimock(f"--chaos-{name}", "1") as url, simulated(url, "phi4-mini") as (client, _):
            got = status_of(client)
            failures += show(f"aimock, {name}", f"status {got}", got == status)
    sys.exit(1 if failures else 0)


def install() -> str:
    """Install the servers from their locks. Return the Python that has llama.cpp."""
    uv, npm = shutil.which("uv"), shutil.which("npm")
    if not npm:
        sys.exit("npm is not here: install Node.js.")
    environment = {
        name: text
        for name, text in os.environ.items()
        if name not in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")
    }
    command = [uv] if uv else [sys.executable, "-m", "uv"]
    subprocess.run([*command, "sync", "-q", "--frozen"], cwd=PEERS, env=environment, check=True)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([npm, "ci", *quiet], cwd=PEERS, check=True, stdout=subprocess.DEVNULL)
    folder = PEERS / ".venv"
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


@contextmanager
def llama(python: str) -> Iterator[str]:
    """Run llama.cpp's server with a tiny model. Yield its address."""
    WORK.mkdir(parents=True, exist_ok=True)
    texts, model = WORK / "texts.txt", WORK / "tiny.gguf"
    texts.write_text("\n".join(training_texts()), encoding="utf-8")
    vocabulary = ROOT / "simulated_azure" / "inference" / "data" / "cl100k_base.tiktoken"
    make = [python, str(PEERS / "tiny_model.py"), str(vocabulary), str(texts), str(model)]
    subprocess.run(make, check=True)
    port = free_port()
    with process([python, str(PEERS / "llama_server.py"), str(model), str(port), KEY]):
        yield wait_for(f"http://127.0.0.1:{port}")


@contextmanager
def aimock(*options: str) -> Iterator[str]:
    """Run aimock with the answers of aimock.json. Yield its address."""
    port = free_port()
    command = ["node", str(AIMOCK), "-p", str(port), "-f", str(PEERS / "aimock.json"), *options]
    with process(command):
        yield wait_for(f"http://127.0.0.1:{port}")


@contextmanager
def process(command: list[str]) -> Iterator[subprocess.Popen]:
    """Run a program until the end of the block. What it prints is not shown."""
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / "log.txt").open("ab") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield running
    finally:
        running.terminate()
        running.wait()


@contextmanager
def simulated(url: str, model: str) -> Iterator[tuple[ChatCompletionsClient, dict[str, str]]]:
    """Run the simulated Azure in front of a server. Yield a client, and the variables for it."""
    command = [sys.executable, "-m", "simulated_azure", "--upstream", url]
    if model:
        command += ["--upstream-model", model]
    environment = {**os.environ, "SIMULATED_UPSTREAM_KEY": KEY}
    running = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        lines = iter(running.stdout.readline, "\n")
        variables = dict(line.rstrip("\n").split("=", 1) for line in lines)
        credential = AzureKeyCredential(variables["AZURE_INFERENCE_CREDENTIAL"])
        address = variables["AZURE_INFERENCE_ENDPOINT_HTTP"]
        with ChatCompletionsClient(address, credential, retry_total=0) as client:
            yield client, variables
    finally:
        running.terminate()
        running.wait()


def try_server(
    name: str, url: str, model: str, expected: Callable[[ChatCompletionsClient], Iterator]
) -> int:
    """Print a line for each thing that is tried. Return how many are not as expected."""
    failures = 0
    with simulated(url, model) as (client, variables):
        for what, found, is_right in [*answers(client), *expected(client)]:
            failures += show(f"{name}, {what}", found, is_right)
        key = {"api-key": variables["AZURE_INFERENCE_CREDENTIAL"]}
        state = requests.get(
            f"{variables['AZURE_INFERENCE_ENDPOINT_HTTP']}/simulator/upstream",
            headers=key,
            timeout=DEADLINE,
        ).text
        failures += show(f"{name}, key", "not shown", KEY not in state)
        print(f"      {state}")
    return failures


Outcome = tuple[str, str, bool]


def answers(client: ChatCompletionsClient) -> Iterator[Outcome]:
    """Yield (what, what was found, whether that is right) for what every server must do."""
    model = client.get_model_info().model_name
    yield "model", model, bool(model)
    reply = client.complete(SHORT)
    text = reply.choices[0].message.content
    yield "answer", repr(text[:40]), bool(text)
    yield "tokens", str(reply.usage.total_tokens), reply.usage.total_tokens > 0
    origin = reply["system_fingerprint"]
    yield "fingerprint", origin, f"upstream {model}" in origin
    updates = list(client.complete({**SHORT, "stream": True}))
    pieces = [update.choices[0].delta.content for update in updates if update.choices]
    yield "pieces of a stream", str(len(pieces)), len(pieces) > 3
    reasons = [update.choices[0].finish_reason for update in updates]
    yield "end of a stream", str(reasons[-1]), reasons[-1] in ("stop", "length")
    yield "tokens of a stream", str(updates[-1].usage.total_tokens), bool(updates[-1].usage)
    began = time.monotonic()
    with closing(client.complete({**QUESTION, "stream": True})) as stream:
        next(stream)
    yield "left in the middle", f"{time.monotonic() - began:.2f} s", True
    again = client.complete(SHORT).choices[0].message.content
    yield "answer after that", repr(again[:40]), bool(again)


def extras(client: ChatCompletionsClient) -> tuple[int, bool, str]:
    """Return (number of answers, whether they have log-probabilities, the note in a header)."""
    notes = []
    body = {**SHORT, "n": 2, "logprobs": True, "top_logprobs": 2}
    reply = client.complete(
        body,
        headers=EXTRAS,
        raw_response_hook=lambda response: notes.append(
            response.http_response.headers.get("x-simulated-note", "")
        ),
    )
    has_logprobs = all(choice.get("logprobs") for choice in reply.choices)
    return len(reply.choices), has_logprobs, notes[0]


def expected_of_llama(client: ChatCompletionsClient) -> Iterator[Outcome]:
    count, has_logprobs, note = extras(client)
    yield "two answers", str(count), count == 2
    yield "log-probabilities", str(has_logprobs), has_logprobs
    yield "note", note or "none", not note
    long = {"messages": [{"role": "user", "content": "word " * 40_000}]}
    status = status_of(client, long)
    yield "too long a prompt", f"status {status}", status == 400


def expected_of_aimock(client: ChatCompletionsClient) -> Iterator[Outcome]:
    count, has_logprobs, note = extras(client)
    yield "two answers", str(count), count == 1
    yield "log-probabilities", str(has_logprobs), not has_logprobs
    yield "note", note, "log-probabilities" in note and "fewer answers" in note


def status_of(client: ChatCompletionsClient, body: dict = SHORT) -> int:
    """Return the status of a question's answer; 0 if none came."""
    try:
        client.complete(body)
    except HttpResponseError as error:
        return error.status_code or 0
    except AzureError:
        return 0
    return 200


def show(what: str, found: str, is_right: bool) -> int:
    """Print a line. Return 0 if all is right, else 1."""
    print(f"{'ok' if is_right else 'NOT':<5} {what:<{WIDTH}} {found}", flush=True)
    return 0 if is_right else 1


def run_lessons(url: str, model: str, lessons: list[str] | None) -> None:
    """Run lessons on a server, if they are wanted."""
    if lessons is None:
        return
    variables = {"SIMULATED_UPSTREAM": url, "SIMULATED_UPSTREAM_KEY": KEY}
    if model:
        variables["SIMULATED_UPSTREAM_MODEL"] = model
    command = [sys.executable, "-m", "pytest", "--live", "-q", "--tb=no", *lessons]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **variables})


def training_texts() -> Iterator[str]:
    """Yield the answers that the simulated model has learned, a line each."""
    for path in sorted((ROOT / "simulated_azure" / "inference" / "answers").glob("*.toml")):
        for question in tomllib.loads(path.read_text(encoding="utf-8")).get("question", []):
            yield from (" ".join(str(text).split()) for text in question.get("answers", []))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(url: str) -> str:
    """Return an address when a server answers there. Raises TimeoutError after DEADLINE."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        with suppress(requests.ConnectionError):
            key = {"Authorization": f"Bearer {KEY}"}
            if requests.get(f"{url}/v1/models", headers=key, timeout=5).status_code < 500:
                return url
        time.sleep(0.1)
    raise TimeoutError(f"no server answers at {url}; see {WORK / 'log.txt'}")


if __name__ == "__main__":
    main()
