"""Judge the answers to the exercises of lesson 05, streaming."""

from __future__ import annotations

from typing import Any

from azure.ai.inference.models import StreamingChatCompletionsUpdate

from helpers.exercises.clients import UNSEEN, chat_client, chunk, is_simulated, last_request
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import Call, Feed, call, kind, show, show_error, take
from helpers.streaming import finish_reason_of

PIECES = ("Paris", " is", " big.")
TEXT = "".join(PIECES)
ROLE, END, USAGE = chunk(""), chunk("", "stop"), chunk(usage={"total_tokens": 9})
WORDS = [chunk(piece) for piece in PIECES]
WHOLE = [ROLE, *WORDS, END]
USAGE_APART = [*WHOLE, USAGE]
CUT_OFF = [ROLE, *WORDS, chunk("", "length")]
BROKEN = [ROLE, *WORDS[:2]]
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
ANSWER = "The capital of France is Paris."


def check_5_1(answer: Any) -> Outcome:
    """Return correct for a function that returns the text of any stream."""
    no_content = StreamingChatCompletionsUpdate(
        {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}
    )
    streams = {
        "a whole stream": (
            WHOLE,
            "add each piece with `+=`; a chunk without text does not end the loop, and `return` "
            "belongs after it",
        ),
        "a chunk without choices": (
            [*WHOLE[:2], USAGE, *WHOLE[2:]],
            "a chunk whose `choices` is empty has no `choices[0]`: skip that chunk, and go on",
        ),
        "a delta without content": (
            [no_content, *WORDS, END],
            'the content may be `None`, which is no text; `None or ""` is one',
        ),
    }
    for name, (chunks, look) in streams.items():
        result = call(answer, Feed(chunks))
        if result.value == TEXT:
            continue
        if result.value is None and TEXT in result.printed:
            return not_yet(
                "it printed the text and returned None", "the text as the value", "`return text`"
            )
        came = result.failure or f"it returned {show(result.value)}"
        return not_yet(f"with {name}, {came}", f"it returns {show(TEXT)}", look)
    return correct()


def check_5_2(answer: Any) -> Outcome:
    """Return correct for the list of all chunks of an answer of three tokens."""
    expected = "a list of the chunks of one streamed answer"
    if not isinstance(answer, list):
        name = type(answer).__name__
        if name == "StreamingChatCompletions":
            return not_yet("a stream that nobody has read", expected, "`list(stream)` reads it")
        if name == "ChatCompletions":
            return not_yet(
                "an answer that was not streamed", expected, "`ask` streams: use it for the request"
            )
        return not_yet(kind(answer), expected, "`list(stream)` makes a list of a stream")
    if not answer:
        return not_yet(
            "an empty list",
            expected,
            "a stream can be read only once: make the list from a new stream",
        )
    others = [item for item in answer if not isinstance(item, StreamingChatCompletionsUpdate)]
    if others and type(others[0]).__name__ == "StreamingChatCompletions":
        return not_yet(
            "a list with a stream in it",
            expected,
            "`list(stream)` reads a stream, `[stream]` does not",
        )
    if others:
        texts = all(isinstance(item, str) for item in answer)
        return not_yet(
            "a list of texts" if texts else f"a list that holds {kind(others[0])}",
            expected,
            "keep the chunks themselves: the last one holds more than text",
        )
    request = last_request()
    if request is not None:
        body = request["body"] if isinstance(request["body"], dict) else {}
        if body.get("max_tokens") != 3:
            number = f"with `max_tokens` {body['max_tokens']}" if "max_tokens" in body else ""
            return not_yet(
                f"a request {number or 'without `max_tokens`'}",
                "`max_tokens` 3 in the request",
                "the model is to stop after three tokens; taking the first chunks of a long answer "
                "saves nothing",
            )
    if finish_reason_of(answer) is None:
        return not_yet(
            "some of the chunks are missing: no chunk has a finish reason",
            "all chunks, to the last one",
            "take the list as it comes from the stream",
        )
    if request is None and finish_reason_of(answer) != "length":
        return not_yet(
            f"an answer with the finish reason {show(finish_reason_of(answer))}",
            "one that was cut off after three tokens",
            "the setting is `max_tokens`",
            UNSEEN,
        )
    return correct("" if request is not None else UNSEEN)


def check_5_3(answer: Any) -> Outcome:
    """Return correct for a function that prints a stream and notices if it broke off."""
    streams = {
        "a whole stream": WHOLE,
        "a whole stream whose last chunk holds only the usage": USAGE_APART,
        "an answer cut off by max_tokens": CUT_OFF,
    }
    looks = (
        "the text is all pieces together, also after they were printed",
        "search all chunks for a finish reason, not only the last one",
        "any finish reason means that the stream arrived; `length` is one",
    )
    for (name, chunks), look in zip(streams.items(), looks, strict=True):
        feed = Feed(chunks)
        result = call(answer, feed)
        if result.value != TEXT:
            came = result.failure or f"it returned {show(result.value)}"
            look = (chunks is WHOLE and _look_5_3(result)) or look
            return not_yet(f"with {name}, {came}", f"it returns {show(TEXT)}", look)
        if TEXT not in result.printed:
            in_lines = "".join(result.printed.split("\n")) == TEXT
            return not_yet(
                "it printed each piece on a line of its own"
                if in_lines
                else f"it printed {show(result.printed)}",
                f"it prints {show(TEXT)}",
                'with `end=""`, print adds no line break',
            )
        late = [count for count, text in enumerate(feed.printed) if PIECES[0] in text]
        if not late or late[0] > 2:
            return not_yet(
                "the first piece was printed only after later chunks had been read",
                "each piece is printed before the next chunk is read",
                "print inside the loop; `list(stream)` waits for the whole answer",
            )
    return _misses_break(answer) or correct()


def _look_5_3(result: Call) -> str:
    """Return where to look if a usual mistake was made with a whole stream, or ""."""
    if isinstance(result.error, AttributeError) and "'choices'" in str(result.error):
        return "`finish_reason_of` takes the list of all chunks"
    if isinstance(result.error, ConnectionError):
        return "keep all chunks in a list, and look for a finish reason in it after the loop"
    if isinstance(result.value, list):
        return '`"".join(map(piece_of, ...))` makes one text of the chunks'
    return ""


def check_5_4(answer: Any) -> Outcome:
    """Return correct for a generator that hands chunks on and notices a stream that broke off."""
    streams = {
        "a whole stream": WHOLE,
        "a whole stream whose last chunk holds only the usage": USAGE_APART,
        "an answer cut off by max_tokens": CUT_OFF,
    }
    for name, chunks in streams.items():
        feed = Feed(chunks)
        result = call(answer, feed)
        if result.error is not None or not hasattr(result.value, "__iter__"):
            came = result.failure or f"it returned {show(result.value)}"
            return not_yet(f"with {name}, {came}", "a generator", "it needs `yield`")
        if feed.count and not isinstance(result.value, Feed):
            return not_yet(
                f"it had read {feed.count} chunks before it had handed on one",
                "each chunk is handed on before the next one is read",
                "`yield chunk` inside the loop makes the function a generator",
            )
        taken = take(result.value, feed)
        if taken.error is not None:
            return not_yet(
                f"with {name}, it raised {show_error(taken.error)}",
                "no error, since a chunk had a finish reason",
                "it may be in any chunk, and `length` is one, too",
            )
        if taken.is_endless:
            return not_yet(
                f"with {name}, it handed on {len(taken.items)} chunks and did not end",
                f"{len(chunks)} chunks",
                "the loop ends when the stream does",
            )
        if len(taken.items) != len(chunks) or any(
            new is not old for new, old in zip(taken.items, chunks, strict=True)
        ):
            return not_yet(
                f"some chunks are missing or new: it handed on {len(taken.items)} of {len(chunks)}",
                "all chunks, unchanged",
                "chunks without text hold the finish reason and the usage: hand them on as well",
            )
        if not taken.is_immediate:
            return not_yet(
                "the first chunk was handed on only after later ones had been read",
                "each chunk is handed on before the next one is read",
                "`yield chunk` inside the loop; `list(stream)` waits for the whole answer",
            )
    taken = take(call(answer, Feed(BROKEN)).value)
    if taken.error is None:
        return not_yet(
            "with a stream that broke off, it ended without an error",
            "ConnectionError",
            "after the loop, look whether there was a finish reason",
        )
    if not isinstance(taken.error, ConnectionError):
        return not_yet(
            f"with a stream that broke off, it raised {show_error(taken.error)}",
            "ConnectionError",
            'write `raise ConnectionError("...")`',
        )
    return correct()


def _misses_break(answer: Any) -> Outcome | None:
    """Return not yet for a function that does not raise ConnectionError where it should."""
    results = [call(answer, Feed(BROKEN))]
    if is_simulated():
        streams = [chat_client("end; after=2", server) for server in ("inference", "serve")]
        results += [
            call(answer, client.complete(messages=QUESTION, stream=True)) for client in streams
        ]
    for result in results:
        if result.error is None:
            is_error = isinstance(result.value, BaseException | type)
            return not_yet(
                f"with a stream that broke off, it returned {show(result.value)}",
                "ConnectionError",
                "`raise` an error, do not return it"
                if is_error
                else "after the loop: no chunk has a finish reason",
            )
        if not isinstance(result.error, ConnectionError):
            return not_yet(
                f"with a stream that broke off, {result.failure}",
                "ConnectionError",
                'write `raise ConnectionError("...")`',
            )
    return None
