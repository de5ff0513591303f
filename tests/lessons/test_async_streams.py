"""Test that lesson 05 closes its asynchronous streams.

The SDK stops reading at ``[DONE]``. If the end of the body has not arrived yet, a stream that
nobody closes stays open. When Python frees it, at any later time, aiohttp logs "Unclosed
connection", and a notebook shows that below whatever cell is running.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time

from azure.ai.inference.aio import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.core.credentials import AzureKeyCredential
from lesson_sources import code_cells, read_lesson

from helpers.streaming import piece_of

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def body_chunk(event: str) -> bytes:
    """Return an event of a stream as a chunk of a body."""
    data = f"data: {event}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


async def use(read) -> None:
    """Let a lesson's function read three answers whose bodies do not end while it reads."""
    is_over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        piece = json.dumps({"choices": [{"index": 0, "delta": {"content": "Hi"}}]})
        writer.write(HEAD + body_chunk(piece) + body_chunk("[DONE]"))
        await is_over.wait()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with ChatCompletionsClient(endpoint, AzureKeyCredential("key")) as client:
        answers = await asyncio.gather(*[read(client, "Hello?", 0) for _ in range(3)])
    assert [[text for _, text in answer] for answer in answers] == [["Hi"]] * 3
    gc.collect()
    is_over.set()
    server.close()
    await server.wait_closed()


def test_lesson_05_leaves_no_connection_open(caplog):
    (source,) = [
        cell.source for cell in code_cells(read_lesson("05-streaming")) if cell.id == "async-define"
    ]
    names = {"UserMessage": UserMessage, "piece_of": piece_of, "time": time}
    exec(source, names)
    gc.collect()  # what other tests have left
    caplog.clear()
    asyncio.run(use(names["read"]))
    gc.collect()
    assert caplog.messages == []
