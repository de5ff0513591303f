"""Measure how fast the simulated endpoint is, compared with a bare server in the same run.

Run ``python -m uv run python -m tools.benchmark``. Each server is one process on one core. The load
comes from this process, on another core if there is one. The bare server sends constant bytes of
the same size with the same library (uvicorn). Look at the ratios: the times depend on the machine.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from urllib.parse import urlsplit

# Only Linux lets a process choose its core. On other systems this is empty.
CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
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
BARE_SERVER = """
import asyncio, sys, uvicorn, socket
chunk = b'data: {"choices":[{"delta":{"content":" word"}}]}' + b" " * 120 + b"\\n\\n"
whole = b"{" + b" " * 600 + b"}"
async def app(scope, receive, send):
    async def start(header):
        await send({"type": "http.response.start", "status": 200, "headers": [header]})
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if b'"stream":true' not in body:
        await start((b"content-length", b"%d" % len(whole)))
        return await send({"type": "http.response.body", "body": whole})
    await start((b"content-type", b"text/event-stream"))
    for _ in range(101):
        await asyncio.sleep(SECONDS_PER_TOKEN)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})
SECONDS_PER_TOKEN = float(sys.argv[1])
listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
print(f"AZURE_INFERENCE_ENDPOINT_HTTP=http://127.0.0.1:{listening.getsockname()[1]}")
print("AZURE_INFERENCE_CREDENTIAL=none\\n", flush=True)
config = uvicorn.Config(
    app, lifespan="off", access_log=False, log_level="critical", backlog=4096
)
uvicorn.Server(config).run([listening])
"""


class Server:
    """A server in a process of its own, on the last core.

    Its first lines of output have to be NAME=value, up to an empty line.
    """

    def __init__(self, *arguments: str):
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
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
        """Return the bytes of a chat completion request."""
        payload = {"messages": [{"role": "user", "content": question}], **parameters}
        body = json.dumps(payload, separators=(",", ":")).encode()
        head = (
            "POST /chat/completions HTTP/1.1\r\nHost: benchmark\r\n"
            "Content-Type: application/json\r\n"
            f"api-key: {self.variables['AZURE_INFERENCE_CREDENTIAL']}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def memory_mib(self) -> float:
        """Return the resident memory of the process in MiB, or nan on systems other than Linux."""
        try:
            with open(f"/proc/{self.process.pid}/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        except OSError:
            return float("nan")


async def read_body(reader: asyncio.StreamReader) -> bytes:
    """Read one response that is not streamed, and return its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def first_chunk_ms(server: Server, rounds: int = 200) -> float:
    """Return the median time from sending a request to the first chunk of its stream, in ms.

    The requests are sent one after the other.
    """
    durations = []
    for number in range(rounds):
        reader, writer = await asyncio.open_connection(*server.address)
        # The blanks make each text new, so that nothing comes from a cache.
        question = QUESTIONS[number % len(QUESTIONS)] + " " * (number // len(QUESTIONS))
        start = time.perf_counter()
        writer.write(server.request(question, stream=True, temperature=0, max_tokens=8))
        await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"data: ")
        durations.append(time.perf_counter() - start)
        writer.close()
    return statistics.median(durations) * 1000


async def answer_rate(
    server: Server, temperature: float, connections: int = 32, seconds: float = 3.0
) -> tuple[float, float]:
    """Return answers per second and tokens per answer, over connections that are kept open."""
    requests = [
        server.request(question, temperature=temperature, max_tokens=40) for question in QUESTIONS
    ]
    count = tokens = 0
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        nonlocal count, tokens
        reader, writer = await asyncio.open_connection(*server.address)
        while time.perf_counter() < end:
            writer.write(requests[number % len(requests)])
            body = await read_body(reader)
            count, number = count + 1, number + 1
            if b'"completion_tokens":' in body:
                tokens += int(body.split(b'"completion_tokens":')[1].split(b",")[0])
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*map(client, range(connections)))
    return count / (time.perf_counter() - start), tokens / count


class StreamTimes(asyncio.Protocol):
    """Send a request, and record when the chunks of its stream arrive."""

    def __init__(self, request: bytes):
        self.request = request
        self.times: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

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
    """Return the mean and the 99th percentile of the times between chunks, and the memory.

    The times are in ms, the memory is in MiB; all streams run at once.
    """
    loop = asyncio.get_running_loop()
    question = "Tell me a long story about a lighthouse keeper"
    request = server.request(question, stream=True, temperature=0, max_tokens=100)
    readers = []
    for _ in range(streams):
        _, reader = await loop.create_connection(lambda: StreamTimes(request), *server.address)
        readers.append(reader)
    await asyncio.sleep(0.5)
    memory = server.memory_mib()
    await asyncio.gather(*(reader.done for reader in readers))
    gaps = []
    for reader in readers:
        times = reader.times[1:]  # the first chunk has only the role
        gaps += [later - earlier for earlier, later in itertools.pairwise(times)]
    return statistics.mean(gaps) * 1000, statistics.quantiles(gaps, n=100)[98] * 1000, memory


def print_row(name: str, unit: str, simulated: float, bare: float, ratio: float, goal: str) -> None:
    print(
        f"{name:<36} {simulated:>10,.2f} {unit:<4} bare {bare:>10,.2f} {unit:<4} "
        f"ratio {ratio:5.2f}   {goal}"
    )


async def main() -> None:
    if CORES:
        os.sched_setaffinity(0, {min(CORES)})
    with Server("-m", "simulated_azure") as simulator, Server("-c", BARE_SERVER, "0") as bare:
        ours, theirs = await first_chunk_ms(simulator), await first_chunk_ms(bare)
        print_row(
            "first chunk, one at a time", "ms", ours, theirs, ours / theirs, "goal: under 2 ms"
        )
        loaded_mib = simulator.memory_mib()
        theirs, _ = await answer_rate(bare, 0)
        for temperature, goal in ((0, 2000), (0.7, 500)):
            ours, tokens = await answer_rate(simulator, temperature)
            name = f"answers per second, temperature {temperature}"
            text = f"goal: over {goal:,} ({tokens:.0f} tokens each)"
            print_row(name, "/s", ours, theirs, theirs / ours, text)
    with Server("-m", "simulated_azure", "--token-delay", "0.02") as simulator:
        our_mean, our_p99, streaming_mib = await stream_gaps(simulator)
    with Server("-c", BARE_SERVER, "0.02") as bare:
        mean, p99, _ = await stream_gaps(bare)
    print_row("1,000 streams at 20 ms, mean gap", "ms", our_mean, mean, our_mean / mean, "")
    goal = "goal: ratio under 1.5"
    print_row("1,000 streams at 20 ms, p99 gap", "ms", our_p99, p99, our_p99 / p99, goal)
    print(
        f"memory: {loaded_mib:.0f} MiB with the model loaded, {streaming_mib:.0f} MiB with 1,000 "
        "streams   goal: under 120"
    )


if __name__ == "__main__":
    asyncio.run(main())
