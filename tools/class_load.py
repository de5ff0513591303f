"""Let a whole class ask one endpoint, and say how it went.

``python -m uv run python -m tools.class_load`` starts the command with a class file in a process of
its own. Simulated students ask it over https with the real client, in whole answers and in streams,
and think between two questions. Some have small budgets, and some leave in the middle of a stream.
It prints errors, seats over their budgets, and how long the students waited. Then it does so with
more seats, and at last once more with a ``kill -9`` and a restart in the middle, after which what
the students saw is compared with what the class counted. Look at the times on a quiet computer:
they depend on the machine. It ends with status 1 if something is wrong, whatever the times.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from azure.ai.inference.aio import ChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError

from simulated_azure.classroom.room import state_file
from tools.benchmark import CORES, QUESTIONS

GOAL_FIRST_CHUNK = 0.150  # seconds, 95th percentile
THINK_SECONDS = 5.0  # on average, between an answer and the next question
MORE_THINK_SECONDS = 15.0  # of the second run: the students' own process must keep up, too
SMALL_TOKENS, SMALL_REQUESTS = 600, 4  # budgets of every tenth seat, and of the seat after it
MANY_TOKENS = 1_000_000
LEAVES_AFTER = 3  # chunks, in every 20th stream
READY_SECONDS = 30.0
RECOVERY_SECONDS = 2.0  # after a restart, in which errors are the restart's


@dataclass
class Seat:
    """One student: what was sent and seen."""

    name: str
    key: str
    tokens: int | None
    requests: int | None
    answers: int = 0
    tokens_seen: int = 0
    refused: int = 0
    errors: Counter = field(default_factory=Counter)
    lost: int = 0  # requests that a restart broke
    first_chunks: list[float] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    question: int = 0


@dataclass(frozen=True)
class Load:
    """How a class asks: students, for how long, and how long they think on average, in seconds.

    kill_at: seconds after which the server is killed and started again; None for never.
    """

    seats: int
    seconds: float
    think: float = THINK_SECONDS
    kill_at: float | None = None

    def __str__(self) -> str:
        kill = f", kill -9 after {self.kill_at:.0f} s" if self.kill_at else ""
        return f"{self.seats} students, {self.seconds:.0f} s, {self.think:.0f} s to think{kill}"


class Server:
    """The command with a class, in a process of its own."""

    def __init__(self, class_file: Path, ports: tuple[str, str] = ("0", "0")):
        command = ["-m", "simulated_azure", "--class", str(class_file)]
        self.process = subprocess.Popen(
            [sys.executable, *command, "--port", ports[0], "--https-port", ports[1]],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if len(CORES) > 1:
            os.sched_setaffinity(self.process.pid, {max(CORES)})
        lines = iter(self.process.stdout.readline, "\n")
        self.variables = dict(line.rstrip("\n").split("=", 1) for line in lines)
        self.url = self.variables["AZURE_INFERENCE_ENDPOINT"]

    @property
    def ports(self) -> tuple[str, str]:
        """The ports for http and https."""
        http = self.variables["AZURE_INFERENCE_ENDPOINT_HTTP"]
        return http.rpartition(":")[2], self.url.rpartition(":")[2]

    def cpu_seconds(self) -> float:
        """Return the processor time that the process has used; nan where Linux does not tell."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            return float("nan")

    def end(self, how: signal.Signals) -> None:
        """Send a signal, and wait for the end of the process."""
        self.process.send_signal(how)
        self.process.communicate(timeout=READY_SECONDS)


class Class:
    """The students of a class, and the process that they ask."""

    def __init__(self, load: Load, folder: Path):
        self.load, self._chance = load, random.Random(load.seats)
        self.seats = [_seat(number) for number in range(1, load.seats + 1)]
        self.file = folder / "class.toml"
        self.file.write_text(_toml(self.seats), encoding="utf-8")
        self.server = Server(self.file)
        self.bundle = folder / "class-ca.pem"  # a killed server's own files are removed
        shutil.copy(self.server.variables["NODE_EXTRA_CA_CERTS"], self.bundle)
        self.end = self.broken_until = self.cpu_seconds = 0.0

    async def run(self) -> None:
        """Let all students ask. ``cpu_seconds``: that the server used meanwhile, without a kill."""
        self.end = time.monotonic() + self.load.seconds
        before = self.server.cpu_seconds()
        students = [asyncio.ensure_future(self._student(seat)) for seat in self.seats]
        if self.load.kill_at is not None:
            await asyncio.sleep(self.load.kill_at)
            self.broken_until = float("inf")
            await asyncio.to_thread(self._restart)
            self.broken_until = time.monotonic() + RECOVERY_SECONDS
        await asyncio.gather(*students)
        self.cpu_seconds = self.server.cpu_seconds() - before

    def counts(self) -> dict[str, tuple[int, int]]:
        """End the server. Return what it has counted: seat -> (requests, tokens)."""
        self.server.end(signal.SIGTERM)
        with sqlite3.connect(state_file(self.file)) as database:
            rows = database.execute("SELECT name, requests, tokens FROM seat").fetchall()
        return {name: (requests, tokens) for name, requests, tokens in rows}

    def _restart(self) -> None:
        self.server.end(signal.SIGKILL)
        self.server = Server(self.file, self.server.ports)

    async def _student(self, seat: Seat) -> None:
        await asyncio.sleep(self._chance.random() * self.load.think)
        credential = AzureKeyCredential(seat.key)
        while time.monotonic() < self.end:
            async with ChatCompletionsClient(
                self.server.url, credential, connection_verify=str(self.bundle), retry_total=0
            ) as client:
                await self._ask_until_it_breaks(client, seat)

    async def _ask_until_it_breaks(self, client: ChatCompletionsClient, seat: Seat) -> None:
        """Ask and think. A connection that breaks ends this: a new client has to go on."""
        while time.monotonic() < self.end:
            begin = time.monotonic()
            try:
                await self._ask(client, seat)
            except HttpResponseError as error:
                if error.status_code == 429:
                    seat.refused += 1
                elif error.status_code is None and begin < self.broken_until:
                    seat.lost += 1  # the stream ended in its middle
                else:
                    seat.errors[f"status {error.status_code}"] += 1
            except (AzureError, OSError, ValueError) as error:
                if begin < self.broken_until:
                    seat.lost += 1
                    await asyncio.sleep(self._chance.random())
                else:
                    seat.errors[f"{type(error).__name__}: {error}"[:200]] += 1
                return
            await asyncio.sleep(min(self._chance.expovariate(1 / self.load.think), 60.0))

    async def _ask(self, client: ChatCompletionsClient, seat: Seat) -> None:
        """Ask one question, by turns for a whole answer and for a stream."""
        seat.question += 1
        question = self._chance.choice(QUESTIONS)
        messages = [{"role": "user", "content": question}]
        temperature = self._chance.choice((0, 0.7))
        begin = time.monotonic()
        if seat.question % 2:
            answer = await client.complete(messages=messages, temperature=temperature)
            seat.tokens_seen += answer.usage.total_tokens
        else:
            stream = await client.complete(messages=messages, temperature=temperature, stream=True)
            number = 0
            async for chunk in stream:
                number += 1
                if number == 1:
                    seat.first_chunks.append(time.monotonic() - begin)
                if chunk.usage:
                    seat.tokens_seen += chunk.usage.total_tokens
                if seat.question % 20 == 0 and number == LEAVES_AFTER:
                    await stream.aclose()
                    return
        seat.answers += 1
        seat.totals.append(time.monotonic() - begin)


def _seat(number: int) -> Seat:
    tokens = SMALL_TOKENS if number % 10 == 0 else MANY_TOKENS
    requests = SMALL_REQUESTS if number % 10 == 1 else None
    return Seat(f"{number:03}", f"key-of-seat-{number:03}-{os.urandom(8).hex()}", tokens, requests)


def _toml(seats: list[Seat]) -> str:
    """Return a class file."""
    lines = ['name = "Load"']
    for seat in seats:
        lines += ["[[seat]]", f'name = "{seat.name}"', f'key = "{seat.key}"']
        lines += [f"tokens = {seat.tokens}"]
        lines += [f"requests = {seat.requests}"] if seat.requests else []
    return "\n".join(lines) + "\n"


def problems(seats: list[Seat], counts: dict[str, tuple[int, int]]) -> list[str]:
    """Return what is wrong: errors, seats over their budgets, answers that were not counted."""
    found = [
        f"seat {seat.name}: {number} x {text}"
        for seat in seats
        for text, number in seat.errors.items()
    ]
    for seat in seats:
        requests, tokens = counts.get(seat.name, (0, 0))
        if seat.requests is not None and requests > seat.requests:
            found.append(f"seat {seat.name}: {requests} requests, its budget is {seat.requests}")
        if seat.tokens is not None and max(tokens, seat.tokens_seen) > seat.tokens:
            found.append(f"seat {seat.name}: {tokens} tokens, its budget is {seat.tokens}")
        if seat.answers > requests or seat.tokens_seen > tokens:
            found.append(
                f"seat {seat.name}: saw {seat.answers} answers and {seat.tokens_seen} tokens, of "
                f"which {requests} and {tokens} were counted"
            )
    return found


def report(room: Class, counts: dict[str, tuple[int, int]]) -> bool:
    """Print how it went. Return True if all went well."""
    seats, seconds = room.seats, room.load.seconds
    requests = sum(requests for requests, _ in counts.values())
    tokens = sum(tokens for _, tokens in counts.values())
    seen = sum(seat.tokens_seen for seat in seats)
    answers = sum(seat.answers for seat in seats)
    refused = sum(seat.refused for seat in seats)
    print(
        f"  {answers:,} whole answers in {seconds:.0f} s ({answers / seconds:.1f} a second), "
        f"{refused:,} refused since a budget was spent"
    )
    print(f"  counted: {requests:,} requests, {tokens:,} tokens; seen by students: {seen:,} tokens")
    if room.load.kill_at is None and answers:
        share = room.cpu_seconds / seconds
        print(
            f"  the server used {room.cpu_seconds:.1f} s of its core ({share:.0%}), "
            f"{room.cpu_seconds / answers * 1000:.1f} ms an answer"
        )
    if lost := sum(seat.lost for seat in seats):
        print(f"  broken by the restart, or sent before its end: {lost:,} requests")
    firsts = [each for seat in seats for each in seat.first_chunks]
    row("first chunk", firsts, f"goal: p95 under {GOAL_FIRST_CHUNK * 1000:.0f}")
    row("whole answer", [each for seat in seats for each in seat.totals], "")
    found = problems(seats, counts)
    print(*(f"  WRONG: {line}" for line in found[:20]), sep="\n", end="\n" if found else "")
    print(f"  {'no errors, no seat over its budget, nothing uncounted' if not found else 'FAILED'}")
    return not found


def row(name: str, durations: list[float], goal: str) -> None:
    """Print three percentiles, in milliseconds."""
    if len(durations) < 2:
        return
    cuts = statistics.quantiles(durations, n=100)
    figures = "  ".join(f"p{percent} {cuts[percent - 1] * 1000:6.1f}" for percent in (50, 95, 99))
    print(f"  {name:13} ms: {figures}  {goal}", flush=True)


async def run(load: Load) -> bool:
    """Let a class ask, and print how it went. Return True if all went well."""
    print(load, flush=True)
    with tempfile.TemporaryDirectory(prefix="class-load-") as folder:
        room = Class(load, Path(folder))
        try:
            await room.run()
            counts = room.counts()
        finally:
            if room.server.process.poll() is None:
                room.server.process.kill()
    return report(room, counts)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.class_load", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--seats", type=int, default=40, help="students (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=120, help="that they ask (default: %(default)s)"
    )
    parser.add_argument(
        "--more-seats",
        type=int,
        default=300,
        help="students of a second run, 0 for none (default: %(default)s)",
    )
    parser.add_argument(
        "--kill-after",
        type=float,
        default=10,
        help="seconds of a third run, after which the server is killed; 0 for no such run "
        "(default: %(default)s)",
    )
    options = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # connections that the kill breaks
    if len(CORES) > 1:
        os.sched_setaffinity(0, CORES - {max(CORES)})  # the server has the last core
    loads = []
    if options.seconds:
        loads.append(Load(options.seats, options.seconds))
        if options.more_seats:
            loads.append(Load(options.more_seats, options.seconds / 2, MORE_THINK_SECONDS))
    if options.kill_after:
        seconds = 2 * options.kill_after + RECOVERY_SECONDS
        loads.append(Load(options.seats, seconds, kill_at=options.kill_after))
    is_well = True
    for load in loads:
        is_well &= asyncio.run(run(load))
    sys.exit(not is_well)


if __name__ == "__main__":
    main()
