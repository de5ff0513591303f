"""Measure how long clients of one simulated endpoint wait for each other.

``python -m uv run python -m tools.fairness`` starts the command in a process of its own and prints
seconds: the longest wait for /info while the language model is loaded, the longest wait of a client
while another asks for something heavy, and the time from Ctrl+C in the middle of that to the end of
the process. The goals stand beside the figures; nothing is asserted.
"""

from __future__ import annotations

import argparse
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

PATIENCE = 20.0  # seconds that a client waits; a longer wait counts as this one
GOAL_WAIT, GOAL_INTERRUPT = 0.3, 1.0  # seconds
INTERRUPT_AFTER = 0.5  # seconds of a heavy request
QUESTION = [{"role": "user", "content": "How many languages are in the world?"}]
JSON_MODE = {"messages": QUESTION, "temperature": 1, "response_format": {"type": "json_object"}}
PROMPT_LENGTH = 2**20 - 200  # characters, so that the whole body has at most 1 MiB
HEAVY = {
    "JSON mode without a limit": JSON_MODE,
    "JSON mode without a limit, n=128": {**JSON_MODE, "n": 128},
    "a prompt of 1 MiB, words": {
        "messages": [{"role": "user", "content": ("word " * 2**18)[:PROMPT_LENGTH]}]
    },
    "a prompt of 1 MiB, one letter": {
        "messages": [{"role": "user", "content": "a" * PROMPT_LENGTH}]
    },
    "a prompt of 1 MiB, white space": {
        "messages": [{"role": "user", "content": "a" + " " * (PROMPT_LENGTH - 2) + "b"}]
    },
}


class Server:
    """The command in a process of its own."""

    def __init__(self, python: str, module: str):
        self.process = subprocess.Popen(
            [python, "-m", module], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        lines = iter(self.process.stdout.readline, "\n")
        self.variables = dict(line.rstrip("\n").split("=", 1) for line in lines)
        self.address = urlsplit(self.variables["AZURE_INFERENCE_ENDPOINT_HTTP"]).netloc

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def request(self, method: str, path: str, body: dict | None = None) -> http.client.HTTPResponse:
        """Send a request over a new connection. Return the response, whose body is not read."""
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        headers = {
            "api-key": self.variables["AZURE_INFERENCE_CREDENTIAL"],
            "Content-Type": "application/json",
        }
        connection.request(method, path, json.dumps(body) if body else None, headers)
        return connection.getresponse()

    def complete(self, **body: object) -> http.client.HTTPResponse:
        """Send a request for a completion on the route of the openai package."""
        return self.request(
            "POST", "/v1/chat/completions", {"messages": QUESTION, "temperature": 0, **body}
        )

    def interrupt(self) -> float:
        """Press Ctrl+C; return the seconds until the process has ended."""
        begin = time.perf_counter()
        self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        return time.perf_counter() - begin


def info_wait(server: Server) -> float:
    """Return the seconds that a request for /info takes."""
    begin = time.perf_counter()
    server.request("GET", "/info").read()
    return time.perf_counter() - begin


def stream_wait(server: Server) -> float:
    """Return the longest wait for the head or for a line of a streamed completion, in seconds."""
    longest, begin = 0.0, time.perf_counter()
    response = server.complete(stream=True)
    while True:
        now = time.perf_counter()
        longest, begin = max(longest, now - begin), now
        if not response.readline():
            return longest


def begin_heavy(server: Server, heavy: dict) -> threading.Thread:
    """Send a heavy request from a thread, which ends with the answer, or with the connection."""

    def ask() -> None:
        with suppress(OSError, http.client.HTTPException):
            server.complete(**heavy).read()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    time.sleep(0.02)  # the request has arrived by then
    return thread


def longest_wait(server: Server, heavy: dict) -> float:
    """Return the longest wait of another client during a heavy request, in seconds."""
    thread = begin_heavy(server, heavy)
    longest, end = 0.0, time.perf_counter() + PATIENCE / 2
    while True:
        is_last = not thread.is_alive() or time.perf_counter() > end
        try:
            longest = max(longest, info_wait(server), stream_wait(server))
        except TimeoutError:
            return PATIENCE
        if is_last:
            return longest


def interrupt_during(server: Server, heavy: dict) -> float:
    """Return the seconds from Ctrl+C in the middle of a heavy request to the end of the process."""
    begin_heavy(server, heavy)
    time.sleep(INTERRUPT_AFTER)
    return server.interrupt()


def load_wait(server: Server) -> tuple[float, float]:
    """Return (the longest wait for /info until the first completion, its duration), in seconds."""
    begin = time.perf_counter()
    first = begin_heavy(server, {"max_tokens": 1})
    longest = 0.0
    while first.is_alive():
        longest = max(longest, info_wait(server))
    return longest, time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.fairness", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="the Python that runs the server (default: this one)",
    )
    parser.add_argument(
        "--module", default="simulated_azure", help="the command's module (default: %(default)s)"
    )
    options = parser.parse_args()
    version = subprocess.run(
        [options.python, "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    print(f"{version}, python -m {options.module}; all figures in seconds", flush=True)
    with Server(options.python, options.module) as server:
        longest, total = load_wait(server)
    row(
        longest,
        f"longest wait for /info until the model has answered (after {total:.2f})",
        GOAL_WAIT,
    )
    for name, heavy in HEAVY.items():
        with loaded(options) as server:
            row(
                longest_wait(server, heavy),
                f"longest wait of another client during {name}",
                GOAL_WAIT,
            )
    if sys.platform == "win32":
        return  # another process cannot press Ctrl+C there
    for name, heavy in HEAVY.items():
        with loaded(options) as server:
            row(
                interrupt_during(server, heavy),
                f"from Ctrl+C to the end of the process, during {name}",
                GOAL_INTERRUPT,
            )


def loaded(options: argparse.Namespace) -> Server:
    """Return a server whose model has answered."""
    server = Server(options.python, options.module)
    server.complete(max_tokens=1).read()
    return server


def row(seconds: float, text: str, goal: float) -> None:
    print(f"{seconds:6.2f}  {text}; goal: {goal}", flush=True)


if __name__ == "__main__":
    main()
