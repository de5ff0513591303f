"""Read streamed answers, including chunks without choices, delta or content, and broken streams.

A chunk is a ``StreamingChatCompletionsUpdate`` of the SDK, from its synchronous or asynchronous
client.
"""

from __future__ import annotations

from collections.abc import Iterable

from azure.ai.inference.models import StreamingChatCompletionsUpdate as Chunk


def piece_of(chunk: Chunk) -> str:
    """Return the text that a chunk adds to the answer, or "" if it adds none.

    If the chunks hold several answers, only the first (index 0) counts.

    >>> piece_of(Chunk({"choices": [{"index": 0, "delta": {"content": "Hi"}}]}))
    'Hi'
    >>> piece_of(Chunk({"choices": []}))
    ''
    """
    for choice in chunk.choices or []:
        if choice.delta and not choice.index:
            return choice.delta.content or ""
    return ""


def print_stream(stream: Iterable[Chunk]) -> str:
    """Print an answer while it arrives, and return its whole text.

    If the stream breaks, prints the text that has arrived and raises the stream's error.

    >>> parts = [{"choices": [{"delta": {"content": text}}]} for text in ("a", "b")]
    >>> print_stream(Chunk(part) for part in parts)
    ab
    'ab'
    """
    text = ""
    for chunk in stream:
        piece = piece_of(chunk)
        print(piece, end="", flush=True)
        text += piece
    print()
    return text


def finish_reason_of(chunks: Iterable[Chunk]) -> str | None:
    """Return why the answer ended: "stop", "length" or another reason in the server's own words.

    Returns None if no chunk has a reason, which means that the stream broke off. If the chunks hold
    several answers, only the first (index 0) counts.

    >>> finish_reason_of([Chunk({"choices": [{"delta": {}, "finish_reason": "length"}]})])
    'length'
    >>> finish_reason_of([]) is None
    True
    """
    for chunk in chunks:
        for choice in chunk.choices or []:
            if choice.finish_reason and not choice.index:
                return getattr(choice.finish_reason, "value", choice.finish_reason)
    return None
