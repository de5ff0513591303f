"""From what the upstream sends to an answer in the shape of the endpoint's contract.

Its words, counts, log-probabilities and finish reasons are passed on as they are. What it does not
send is left out and noted, never made up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import container_error
from ..http import Pause, Wait
from ..inference.completions import DONE, Completion, chunk_choice
from ..inference.endpoint import UPSTREAM_HEADER
from ..inference.tokens import encode
from .failures import Failure, broken_off, failure_of_response, unreadable
from .protocol import END, Exchange
from .settings import UpstreamSettings

NOTE_HEADER = "x-simulated-note"
DONE_DATA = "[DONE]"
# Models that think: servers put what they think into one of these fields.
REASONING = ("reasoning_content", "reasoning")
COUNTS = ("completion_tokens", "prompt_tokens", "total_tokens")
NO_LOGPROBS = "The upstream sent no log-probabilities, though they were asked for."
NO_USAGE = "The upstream did not tell how many tokens were used."
NO_STREAM = "The upstream sent the whole answer at once, though a stream was asked for."
FEWER = "The upstream sent fewer answers than were asked for."


@dataclass(kw_only=True)
class UpstreamAnswer(Completion):
    """An answer of the upstream. upstream: its description. wanted: how many choices it is to have.

    first: the first item of a stream, or a whole body as JSON. exchange: has the rest. note: called
    with each thing that the upstream lacks. complete: called at the end with the usage, {} if none
    was told. tell: called with what goes wrong in a stream.
    """

    upstream: str
    settings: UpstreamSettings
    exchange: Exchange
    first: Any
    wanted: int
    note: Callable[[str], None]
    complete: Callable[[dict], None]
    tell: Callable[[Failure], None]
    notes: list[str] = field(default_factory=list)
    _usage: dict | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._finished: list[bytes] = []  # the event with a finish reason, until the usage is known
        self._open: dict[int, bool] = {}  # number of a choice -> it has no finish reason yet
        self._has_logprobs = False
        self.pieces = 0  # of the text so far; in a whole answer as many as this kit counts tokens

    @property
    def is_whole(self) -> bool:
        """True if the upstream has sent a body instead of a stream."""
        return isinstance(self.first, dict)

    def usage(self) -> dict:
        """Return the upstream's counts so far; zeros if it told none."""
        return self._usage or dict.fromkeys(COUNTS, 0)

    def headers(self) -> dict[str, str]:
        """Return the headers that say who answers, and what it lacks as far as that is known."""
        note = {NOTE_HEADER: " ".join(self.notes)} if self.notes else {}
        return {UPSTREAM_HEADER: self.upstream, **note}

    def close(self) -> None:
        """End the request to the upstream."""
        self.exchange.close()

    # A whole answer

    def body_in_steps(self) -> Generator[Wait, None, dict]:
        """Return the whole answer as a ``chat.completion`` object."""
        yield 0.0
        choices = [self._whole_choice(choice) for choice in self.first["choices"]]
        self._read_usage(self.first.get("usage"))
        self._end(len(choices))
        body = {"choices": choices, **self.frame("chat.completion")}
        return body | ({"usage": self._usage} if self._usage else {})

    def _whole_choice(self, choice: dict) -> dict:
        message = choice.get("message") or {}
        thought, content = _reasoning(message), message.get("content") or ""
        self.pieces += sum(len(encode(text)) for text in (content, *thought.values()))
        return {
            "finish_reason": choice.get("finish_reason"),
            "index": choice.get("index") or 0,
            "logprobs": self._logprobs(choice),
            "message": {
                "content": content,
                "role": "assistant",
                "tool_calls": None,
                **thought,
            },
        }

    # A stream

    def events(self) -> Iterator[bytes]:
        """Yield the server-sent events of the answer, each as soon as the upstream has sent it.

        A Pause is yielded in between, to let others have a turn until more has arrived. If the
        stream breaks off, an event says why, and then ConnectionAbortedError is raised, so that the
        client cannot take the answer for a whole one.
        """
        try:
            yield from self._events()
        except Failure as failure:
            self.tell(failure)
            error = container_error(failure.status, "Bad Gateway", failure.reason)
            yield b"data: " + json.dumps(error, separators=(",", ":")).encode() + b"\n\n"
            raise ConnectionAbortedError from None
        finally:
            self.close()

    def _events(self) -> Iterator[bytes]:
        for chunk in self._chunks():
            if isinstance(chunk, Pause):
                yield chunk
                continue
            self._read_usage(chunk.get("usage"))
            for choice in chunk["choices"]:
                yield from self._choice_events(choice)
        self._end(len(self._open))
        last = self._usage if self.wants_usage and not self.usage_apart else None
        for choice in self._finished:
            yield self.event([choice], usage=last)
        if self.wants_usage and self.usage_apart and self._usage:
            yield self.event([], usage=self._usage)
        yield DONE

    def _choice_events(self, choice: dict) -> Iterator[bytes]:
        """Yield the events for a choice of a chunk."""
        index = choice.get("index") or 0
        delta = choice.get("delta") or choice.get("message") or {}
        if index not in self._open:
            self._open[index] = True
            yield self.event([chunk_choice(index, {"content": "", "role": "assistant"})])
        logprobs = self._logprobs(choice)
        text, thought = delta.get("content") or "", _reasoning(delta)
        if text or thought or logprobs:
            self.pieces += 1
            piece = {"content": text, **thought}
            items = logprobs["content"] if logprobs else None
            yield self.event([chunk_choice(index, piece, logprobs=items)])
        if reason := choice.get("finish_reason"):
            self._open[index] = False
            yield from (self.event([finished]) for finished in self._finished)
            self._finished = [chunk_choice(index, {"content": ""}, str(reason))]

    def _chunks(self) -> Iterator[Pause | dict]:
        """Yield the chunks that arrive. Raises Failure if they end before the answer does."""
        if self.is_whole:
            self._note(NO_STREAM)
            yield self.first
            return
        item = self.first
        while item is not END and item != DONE_DATA:
            try:
                yield read_chunk(item, self.settings)
            except Failure:
                if self._is_complete:
                    return  # only the end of the stream is missing
                raise
            if (future := self.exchange.future()) is not None:
                yield Pause.until(future)
            item = self.exchange.take()
        if item is END and not self._is_complete:
            raise broken_off(self.settings)

    @property
    def _is_complete(self) -> bool:
        """True if all choices so far have a finish reason."""
        return bool(self._open) and not any(self._open.values())

    # What both have in common

    def _logprobs(self, choice: dict) -> dict | None:
        """Return the log-probabilities of a choice, if they are wanted and there."""
        logprobs = choice.get("logprobs")
        items = logprobs.get("content") if isinstance(logprobs, dict) else None
        if not self.with_logprobs or not isinstance(items, list):
            return None
        self._has_logprobs = True
        return {"content": [_logprob_item(item) for item in items if isinstance(item, dict)]}

    def _read_usage(self, usage: Any) -> None:
        """Remember the counts of tokens; the last ones that arrive count."""
        if isinstance(usage, dict) and all(isinstance(usage.get(name), int) for name in COUNTS):
            self._usage = {name: usage[name] for name in COUNTS}

    def _end(self, number_of_choices: int) -> None:
        if self.with_logprobs and not self._has_logprobs:
            self._note(NO_LOGPROBS)
        if number_of_choices < self.wanted:
            self._note(FEWER)
        if self.wants_usage and not self._usage:
            self._note(NO_USAGE)
        self.complete(self._usage or {})

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.note(text)


def read_chunk(item: Any, settings: UpstreamSettings) -> dict:
    """Return a chunk of a stream, or a whole answer, whose ``choices`` are a list of objects.

    item: JSON text, or the Failure that came in its place. Raises Failure if it is no such chunk.
    """
    if isinstance(item, Exception):
        raise item
    text = item.decode("utf-8", "replace") if isinstance(item, bytes) else item
    try:
        chunk = json.loads(_without_key(text, settings.key))
    except (ValueError, RecursionError):
        raise unreadable(settings) from None
    if isinstance(chunk, dict) and chunk.get("error"):
        raise failure_of_response(500, text.encode(), "", settings)
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    if choices is None and isinstance(chunk, dict) and chunk.get("usage"):
        choices = chunk["choices"] = []
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise unreadable(settings)
    return chunk


def _without_key(text: str, key: str) -> str:
    """Return JSON of the upstream without its key, should the upstream repeat it."""
    for form in {key, json.dumps(key)[1:-1]} if key else ():
        text = text.replace(form, "***")
    return text


def _reasoning(message: dict) -> dict[str, str]:
    """Return the field with what a model thinks, if there is one."""
    return {name: message[name] for name in REASONING if isinstance(message.get(name), str)}


def _logprob_item(item: dict) -> dict:
    """Return the item of a token with the fields of the contract only."""
    fields = {name: item.get(name) for name in ("token", "logprob", "bytes")}
    options = [option for option in item.get("top_logprobs") or () if isinstance(option, dict)]
    top = [{name: option.get(name) for name in fields} for option in options]
    return fields | {"top_logprobs": top}
