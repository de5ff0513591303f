"""How fast the simulated endpoint is, beside a bare server in the same run: ``python -m uv run python -m tools.benchmark``.

Each server is one process on one core; the load comes from this process, on another core where there is one. The bare
server sends constant bytes of the same size with the same library (uvicorn). Look at the ratios, not at the figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from urllib.parse import urlsplit

CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()  # elsewhere the system places processes
QUESTIONS = [
    "How many languages are in the world?",
    "Why is the sky blue?",
    "What is a token?",
    "what is temperature",
    "Explain what Phi-4 is",
    "Wat is a contxt window?",
    "who wrote romeo and juliet",
    "hey, can you tell me what the capital of France is?",
]
BARE = """
import asyncio, sys, uvicorn, socket
chunk, whole = b'data: {"choices":[{"delta":{"content":" word"}}]}' + b" " * 120 + b"\\n\\n", b"{" + b" " * 600 + b"}"
async def app(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if b'"stream":true' not in body:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(whole))]})
        return await send({"type": "http.response.body", "body": whole})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for number in range(101):
        await asyncio.sleep(PACE)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})
PACE = float(sys.argv[1])
listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
print(f"AZURE_INFERENCE_ENDPOINT_HTTP=http://127.0.0.1:{listening.getsockname()[1]}")
print("AZURE_INFERENCE_CREDENTIAL=none\\n", flush=True)
uvicorn.Server(uvicorn.Config(app, lifespan="off", access_log=False, log_level="critical", backlog=4096)).run([listening])
"""


class Server:
    """A server in a process of its own, on the last core."""

    def __init__(self, *command: str):
        self.process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        lines = iter(self.process.stdout.readline, "\n")
        self.variables = dict(line.rstrip("\n").split("=", 1) for line in lines)
        if CORES:
            os.sched_setaffinity(self.process.pid, {max(CORES)})
        parts = urlsplit(self.variables["AZURE_INFERENCE_ENDPOINT_HTTP"])
        self.address = (parts.hostname, parts.port)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def request(self, question: str, **parameters: object) -> bytes:
        body = json.dumps({"messages": [{"role": "user", "content": question}], **parameters}, separators=(",", ":")).encode()
        head = (
            "POST /chat/completions HTTP/1.1\r\nHost: benchmark\r\nContent-Type: application/json\r\n"
            f"api-key: {self.variables['AZURE_INFERENCE_CREDENTIAL']}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def memory(self) -> float:
        """Resident memory in MiB (Linux), else nan."""
        try:
            with open(f"/proc/{self.process.pid}/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        except OSError:
            return float("nan")


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def first_chunk(server: Server, rounds: int = 200) -> float:
    """Milliseconds from sending a streaming request to the first chunk of it, one at a time: the median."""
    took = []
    for number in range(rounds):
        reader, writer = await asyncio.open_connection(*server.address)
        question = QUESTIONS[number % len(QUESTIONS)] + " " * (number // len(QUESTIONS))  # never the same text twice
        sent = time.perf_counter()
        writer.write(server.request(question, stream=True, temperature=0, max_tokens=8))
        await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"data: ")
        took.append(time.perf_counter() - sent)
        writer.close()
    return statistics.median(took) * 1000


async def plain_rate(server: Server, temperature: float, connections: int = 32, seconds: float = 3.0) -> tuple[float, float]:
    """(answers a second, tokens an answer) over kept-alive connections."""
    request = [server.request(question, temperature=temperature, max_tokens=40) for question in QUESTIONS]
    count = tokens = 0
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        nonlocal count, tokens
        reader, writer = await asyncio.open_connection(*server.address)
        while time.perf_counter() < end:
            writer.write(request[number % len(request)])
            answer = await read_answer(reader)
            count, number = count + 1, number + 1
            if b'"completion_tokens":' in answer:
                tokens += int(answer.split(b'"completion_tokens":')[1].split(b",")[0])
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*map(client, range(connections)))
    return count / (time.perf_counter() - began), tokens / count


class Gaps(asyncio.Protocol):
    """Notes when data arrive; each event here is one packet or more."""

    def __init__(self, request: bytes):
        self.request, self.times, self.done = request, [], asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.write(self.request)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.times += [time.perf_counter()] * max(1, data.count(b"data: {"))
        if data.endswith(b"0\r\n\r\n"):
            self.transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("the stream broke"))


async def stream_gaps(server: Server, streams: int = 1000) -> tuple[float, float, float]:
    """(mean gap, 99th percentile of the gaps, both in milliseconds, memory in MiB) with so many streams at once."""
    loop = asyncio.get_running_loop()
    request = server.request("Tell me a long story about a lighthouse keeper", stream=True, temperature=0, max_tokens=100)
    readers = []
    for _ in range(streams):
        _, reader = await loop.create_connection(lambda: Gaps(request), *server.address)
        readers.append(reader)
    await asyncio.sleep(0.5)
    memory = server.memory()
    await asyncio.gather(*(reader.done for reader in readers))
    gaps = [later - earlier for r in readers for earlier, later in zip(r.times[1:], r.times[2:], strict=False)]
    return statistics.mean(gaps) * 1000, statistics.quantiles(gaps, n=100)[98] * 1000, memory


def row(what: str, unit: str, ours: float, theirs: float, ratio: float, goal: str) -> None:
    print(f"{what:<36} {ours:>10,.2f} {unit:<4} bare {theirs:>10,.2f} {unit:<4} ratio {ratio:5.2f}   {goal}")


async def main() -> None:
    if CORES:
        os.sched_setaffinity(0, {min(CORES)})
    with Server("-m", "simulated_azure") as simulator, Server("-c", BARE, "0") as bare:
        ours, theirs = await first_chunk(simulator), await first_chunk(bare)
        row("first chunk, one at a time", "ms", ours, theirs, ours / theirs, "goal: under 2 ms")
        idle = simulator.memory()
        theirs, _ = await plain_rate(bare, 0)
        for temperature, goal in ((0, 2000), (0.7, 500)):
            ours, tokens = await plain_rate(simulator, temperature)
            goal = f"goal: over {goal:,} ({tokens:.0f} tokens each)"
            row(f"answers a second, temperature {temperature}", "/s", ours, theirs, theirs / ours, goal)
    with Server("-m", "simulated_azure", "--token-delay", "0.02") as simulator:
        await first_chunk(simulator, 1)  # the model is loaded then: 1,000 streams that wait for it would start as one
        ours_mean, ours_p99, memory = await stream_gaps(simulator)
    with Server("-c", BARE, "0.02") as bare:
        theirs_mean, theirs_p99, _ = await stream_gaps(bare)
    row("1,000 streams at 20 ms, mean gap", "ms", ours_mean, theirs_mean, ours_mean / theirs_mean, "")
    row("1,000 streams at 20 ms, p99 gap", "ms", ours_p99, theirs_p99, ours_p99 / theirs_p99, "goal: ratio under 1.5")
    print(f"memory: {idle:.0f} MiB with the model loaded, {memory:.0f} MiB with 1,000 streams   goal: under 120")


if __name__ == "__main__":
    asyncio.run(main())
