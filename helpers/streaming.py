"""Streamed answers, read with care: chunks without choices, without a delta, without content, and streams that break off.

A chunk is one of the SDK's ``StreamingChatCompletionsUpdate`` objects, from the synchronous or the asynchronous client.
"""

from __future__ import annotations

from collections.abc import Iterable

from azure.ai.inference.models import StreamingChatCompletionsUpdate as Chunk


def piece_of(chunk: Chunk) -> str:
    """The text that a chunk adds to the answer (the first, if there are several), "" if none.

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
    """Prints an answer while it arrives, and returns its whole text.

    Raises what the stream raises when it breaks; what had arrived is printed by then.

    >>> print_stream([Chunk({"choices": [{"delta": {"content": text}}]}) for text in ("a", None)])
    a
    'a'
    """
    text = ""
    for chunk in stream:
        piece = piece_of(chunk)
        print(piece, end="", flush=True)
        text += piece
    print()
    return text


def finish_reason_of(chunks: Iterable[Chunk]) -> str | None:
    """Why the answer ended ("stop", "length", ...), or None if its stream broke off before it said so.

    >>> finish_reason_of([Chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})])
    'length'
    >>> finish_reason_of([]) is None
    True
    """
    for chunk in chunks:
        for choice in chunk.choices or []:
            if choice.finish_reason and not choice.index:
                return getattr(choice.finish_reason, "value", choice.finish_reason)
    return None
