"""Run a learner's program as a process of its own, with lines to read and an endpoint to ask.

The endpoint is a simulated one, also where a person's own endpoint answers the lesson: so it tells
which requests arrived, and a test costs nothing. It listens from the first run on, until the
process ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from helpers.connect import _connection, simulation
from helpers.settings import CREDENTIAL, ENDPOINT

if TYPE_CHECKING:
    from simulated_azure.transports.sockets import Simulator

RUN_SECONDS = 120.0  # that a program may take, on the slowest computer
MAX_OUTPUT = 20_000  # bytes that are kept
POLL_SECONDS = 0.2
MAX_PRINTED = 2_000_000  # bytes; a program that prints more is ended


@dataclass(frozen=True)
class Session:
    """What somebody types into a program.

    lines: no two sessions share one, because a request belongs to the session in which its last
    known line was typed. Then the input ends. faults: line -> what goes wrong with the request that
    it causes. variables: more environment variables.
    """

    lines: Sequence[str]
    faults: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """What a program did: what it printed, its status (None: it did not end), what arrived.

    is_flood: True if it was ended because it printed without an end. requests: the
    messages of each request, as (role, text).
    """

    printed: str
    errors: str
    status: int | None
    is_flood: bool
    requests: list[list[tuple[str, str]]]

    @property
    def failure(self) -> str:
        """Return in words how the program failed, or ""."""
        if self.is_flood:
            return "it printed without an end"
        if self.status is None:
            return f"it was still running after {RUN_SECONDS:.0f} seconds"
        if self.status == 0:
            return ""
        lines = [line for line in self.errors.splitlines() if line.strip()]
        return f"it ended with an error: {lines[-1].strip() if lines else self.status}"


class FaultsByLine:
    """Reads which fault a request gets by its last message, in place of its header."""

    def __init__(self, fault_of: Callable[[list[tuple[str, str]]], str]):
        from simulated_azure.faults import FaultReader

        self._reader, self._fault_of = FaultReader(), fault_of

    def read(self, request: Any) -> Any:
        """Return the fault. Raises what FaultReader.read raises."""
        from simulated_azure.faults import HEADER

        headers = {**request.headers, HEADER: self._fault_of(messages_in(request.body))}
        return self._reader.read(replace(request, headers=headers))


def run_program(path: Path, sessions: Sequence[Session]) -> list[Run]:
    """Run a program once for each session, side by side. Return what each run did."""
    simulator = _simulator()
    faults = {line: fault for session in sessions for line, fault in session.faults.items()}
    simulator.azure.faults = FaultsByLine(
        lambda messages: faults.get(messages[-1][1], "") if messages else ""
    )
    simulator.azure.journal.clear()
    own = {name: text for name, text in os.environ.items() if name not in (ENDPOINT, CREDENTIAL)}
    changes = simulation(simulator.variables(own), own, with_management=False)
    changed = {**own, **changes, "PYTHONUTF8": "1"}
    environment = {name: text for name, text in changed.items() if text is not None}
    with ThreadPoolExecutor(len(sessions)) as pool:
        results = [*pool.map(lambda session: _run(path, session, environment), sessions)]
    requests = [messages_in(entry["body"]) for entry in simulator.azure.journal]
    return [
        Run(*result, [each for each in requests if _session_of(each, sessions) is session])
        for session, result in zip(sessions, results, strict=True)
    ]


def messages_in(body: str | bytes) -> list[tuple[str, str]]:
    """Return (role, text) of the messages in the body of a request.

    >>> messages_in('{"messages": [{"role": "user", "content": "Hi"}]}')
    [('user', 'Hi')]
    >>> messages_in("not JSON")
    []
    """
    try:
        messages = json.loads(body)["messages"]
        return [(str(message["role"]), str(message["content"])) for message in messages]
    except (ValueError, TypeError, KeyError):
        return []


def _session_of(messages: list[tuple[str, str]], sessions: Sequence[Session]) -> Session | None:
    for _, text in reversed(messages):
        for session in sessions:
            if text.strip() and text in session.lines:
                return session
    return None


def _run(
    path: Path, session: Session, environment: Mapping[str, str]
) -> tuple[str, str, int | None, bool]:
    """Return (what a program printed, its errors, its status, is_flood) for one session."""
    with TemporaryFile() as lines, TemporaryFile() as printed, TemporaryFile() as errors:
        lines.write("".join(f"{line}\n" for line in session.lines).encode())
        lines.seek(0)
        process = subprocess.Popen(
            [sys.executable, path.name],
            cwd=path.parent,
            env={**environment, **session.variables},
            stdin=lines,
            stdout=printed,
            stderr=errors,
        )
        is_flood, end = False, time.monotonic() + RUN_SECONDS
        try:
            while process.poll() is None and not is_flood and time.monotonic() < end:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
                is_flood = os.fstat(printed.fileno()).st_size > MAX_PRINTED
            status = process.poll()
        finally:
            process.kill()
            process.wait()
        return _tail(printed), _tail(errors), status, is_flood


def _tail(file: IO[bytes]) -> str:
    """Return the text of the last MAX_OUTPUT bytes of a file."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - MAX_OUTPUT))
    text = file.read().decode("utf-8", errors="replace")
    return text.replace("\r\n", "\n")


@cache
def _simulator() -> Simulator:
    """Return the endpoint of all runs. It shares the model of the lesson's, if there is one."""
    from simulated_azure.transports.sockets import Simulator

    lessons = _connection.simulator
    if lessons is None:
        return Simulator()
    lessons.wait_for_model()
    return Simulator(assistant=lessons.azure.assistant)
