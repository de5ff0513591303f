"""From a checked request to an answer: the text, its usage, its log-probabilities, as JSON or as a stream of events."""

from __future__ import annotations

import codecs
import json
import random
import time
import uuid
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache

from .. import __version__
from ..http import run_to_end
from .model import LanguageModel, Sampling, Topic
from .questions import Conversation, load_manners, load_questions, load_synonyms
from .schemas import Call, check_context, read_call
from .tokens import FIRST_SPECIAL_TOKEN, IM_END, count_prompt_in_steps, token_bytes

FINGERPRINT = f"simulated-{__version__}"
NEWLINE = 198  # the token of "\n"
DONE = b"data: [DONE]\n\n"
NOTHING_YET = ("", [])  # a piece without text: a token was generated, but its text must wait


class Writer:
    """Writes one choice: pieces of text as they become certain, then ``finish_reason`` and ``tokens``.

    A piece is held back while it may be the beginning of a stop sequence or the first bytes of a character.
    """

    def __init__(self, model: LanguageModel, topic: Topic, call: Call, limit: int, index: int):
        request, extras = call.request, call.extras
        bias = {
            token: max(-100.0, min(100.0, value))
            for token, value in (extras.logit_bias or {}).items()
        }
        if request.response_format and request.response_format.type == "json_object":
            bias[NEWLINE] = (
                1000.0  # seen with the Phi family: JSON mode allows white space, and none ends it
            )
        self._model, self._topic, self._limit = model, topic, limit
        self._sampling = Sampling(
            request.temperature,
            request.top_p,
            request.presence_penalty,
            request.frequency_penalty,
            bias,
        )
        generator = (
            random.Random() if request.seed is None else random.Random(f"{request.seed}/{index}")
        )
        self._random = generator.random
        stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
        self._stop = [sequence for sequence in stop if sequence]
        self._top = extras.top_logprobs or 0
        self.finish_reason = "length"
        self.tokens = 0  # generated, the closing one included, as the engine counts

    def pieces(self, with_logprobs: bool) -> Iterator[tuple[str, list[dict]]]:
        """(text, log-probabilities of the tokens in it if wanted), piece by piece."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        pending, logprobs = "", []
        undecoded = stopped = False
        for token, context in self._model.generate(self._topic, self._sampling, self._random):
            self.tokens += 1
            if token == IM_END:
                self.finish_reason = "stop"
                break
            text = None if undecoded else token_text(token)
            if text is None:
                text = decoder.decode(token_bytes(token))
                undecoded = bool(decoder.getstate()[0])
            pending += text
            if with_logprobs:
                logprobs.append(self._logprob(token, context))
            certain, pending, stopped = self._split(pending)
            if certain:
                yield certain, logprobs
                logprobs = []
            else:
                yield NOTHING_YET
            if stopped:
                self.finish_reason = "stop"
            if stopped or self.tokens >= self._limit:
                break
        if not stopped:
            pending += decoder.decode(b"", final=True)
        if pending or logprobs:
            yield pending, logprobs

    def _split(self, text: str) -> tuple[str, str, bool]:
        """(what is certain, what must wait, whether a stop sequence was found). The text ends before that sequence."""
        if not self._stop:
            return text, "", False
        found = min(
            (place for sequence in self._stop if (place := text.find(sequence)) >= 0), default=-1
        )
        if found >= 0:
            return text[:found], "", True
        longest = max(len(sequence) for sequence in self._stop)
        for start in range(max(0, len(text) - longest + 1), len(text)):
            if any(sequence.startswith(text[start:]) for sequence in self._stop):
                return text[:start], text[start:], False
        return text, "", False

    def _logprob(self, token: int, context: tuple[int, ...]) -> dict:
        distribution = self._model.distribution(self._topic, context)
        top = [_logprob_item(*item) for item in distribution.most_likely(self._top)]
        return {**_logprob_item(token, distribution.logprob(token)), "top_logprobs": top}


@lru_cache(maxsize=16384)
def token_text(token: int) -> str | None:
    """The text of a token that is whole characters, "" for a special token; None if its bytes are a part of one."""
    try:
        return "" if token >= FIRST_SPECIAL_TOKEN else token_bytes(token).decode()
    except UnicodeDecodeError:
        return None


@lru_cache(maxsize=16384)
def quoted(text: str) -> bytes:
    """A text as JSON writes it. Pieces are nearly always single tokens, so most come from the cache."""
    return json.dumps(text).encode()


def _logprob_item(token: int, logprob: float) -> dict:
    raw = token_bytes(token)
    return {"token": raw.decode("utf-8", "replace"), "logprob": logprob, "bytes": [*raw]}


@dataclass
class Answer:
    """What a request asked for, about to be generated: ``body()`` gives it whole, ``events()`` piece by piece."""

    model_name: str
    writers: list[Writer]
    prompt_tokens: int
    wants_stream: bool
    wants_usage: bool  # in a stream; a whole answer always has it
    usage_apart: bool  # in an event of its own, as OpenAI's clients expect, or with the last piece
    with_logprobs: bool

    def __post_init__(self) -> None:
        self.id, self.created = uuid.uuid4().hex, int(time.time())

    def usage(self) -> dict:
        completion_tokens = sum(writer.tokens for writer in self.writers)
        return {
            "completion_tokens": completion_tokens,
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        }

    def body(self) -> dict:
        """Return the whole answer: a ``chat.completion`` object."""
        return run_to_end(self.body_in_steps())

    def body_in_steps(self) -> Generator[float, None, dict]:
        """Return the whole answer, giving way to other requests after every token."""
        choices = []
        for index, writer in enumerate(self.writers):
            pieces = []
            for piece in writer.pieces(self.with_logprobs):
                pieces.append(piece)
                yield 0.0
            text = "".join(text for text, _ in pieces)
            items = [item for _, items in pieces for item in items]
            choice = {
                "finish_reason": writer.finish_reason,
                "index": index,
                "logprobs": {"content": items} if self.with_logprobs else None,
                "message": {"content": text, "role": "assistant", "tool_calls": None},
            }
            choices.append(choice)
        return {"choices": choices, **self._frame("chat.completion"), "usage": self.usage()}

    def events(self) -> Iterator[bytes]:
        """Server-sent events: a role first, then the pieces, then the finish reason (with usage), then [DONE]."""
        head = b'data: {"choices":[{"delta":{"content":'
        frame = json.dumps(self._frame("chat.completion.chunk"), separators=(",", ":"))[1:].encode()
        plain = b'},"finish_reason":null,"index":%d,"logprobs":null}],' + frame + b"\n\n"
        tails = [plain % index for index in range(len(self.writers))]
        for index in range(len(self.writers)):
            yield self._event([_choice(index, {"content": "", "role": "assistant"})])
        streams = [writer.pieces(self.with_logprobs) for writer in self.writers]
        open_choices = list(range(len(self.writers)))
        while open_choices:
            for index in tuple(open_choices):
                piece = next(streams[index], None)
                if piece is None:
                    open_choices.remove(index)
                    choice = _choice(index, {"content": ""}, self.writers[index].finish_reason)
                    last = not open_choices and self.wants_usage and not self.usage_apart
                    yield self._event([choice], usage=self.usage() if last else None)
                elif piece == NOTHING_YET:
                    yield b""
                elif piece[1]:
                    yield self._event([_choice(index, {"content": piece[0]}, logprobs=piece[1])])
                else:  # the constant part of the event was encoded once
                    yield head + quoted(piece[0]) + tails[index]
        if self.wants_usage and self.usage_apart:
            yield self._event([], usage=self.usage())
        yield DONE

    def _frame(self, kind: str) -> dict:
        return {
            "created": self.created,
            "id": self.id,
            "model": self.model_name,
            "object": kind,
            "system_fingerprint": FINGERPRINT,
        }

    def _event(self, choices: list[dict], usage: dict | None = None) -> bytes:
        event = {
            "choices": choices,
            **self._frame("chat.completion.chunk"),
            **({"usage": usage} if usage else {}),
        }
        return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


def _choice(
    index: int, delta: dict, finish_reason: str | None = None, logprobs: list[dict] | None = None
) -> dict:
    shown = {"content": logprobs} if logprobs else None
    return {"delta": delta, "finish_reason": finish_reason, "index": index, "logprobs": shown}


class Assistant:
    """The language model with its training text, ready to answer."""

    def __init__(self, model_name: str) -> None:
        self._model_name = model_name
        self._conversation = Conversation(load_questions(), load_manners(), load_synonyms())
        self.model = LanguageModel(self._conversation.topics)

    def answer(self, body: bytes, extra_parameters: str | None = None, v1: bool = False) -> Answer:
        """Return the answer to the body of a request, about to be generated.

        extra_parameters: the header of that name. v1: True for the engine's own route. Raises
        HTTPError if the request is not valid, or does not fit the context.
        """
        return run_to_end(self.answer_in_steps(body, extra_parameters, v1))

    def answer_in_steps(
        self, body: bytes, extra_parameters: str | None = None, v1: bool = False
    ) -> Generator[float, None, Answer]:
        """Return what ``answer`` returns, giving way to other requests."""
        call = read_call(body, extra_parameters, v1)
        messages = [(message.role, message.text(v1)) for message in call.request.messages]
        yield 0.0
        prompt_tokens = yield from count_prompt_in_steps(messages)
        limit = check_context(prompt_tokens, call.max_tokens, v1)
        topic = yield from self._conversation.topic_in_steps(messages)
        count = call.extras.n or 1
        writers = [Writer(self.model, topic, call, limit, index) for index in range(count)]
        options = call.extras.stream_options
        return Answer(
            self._model_name,
            writers,
            prompt_tokens,
            wants_stream=call.request.stream,
            wants_usage=not v1 or bool(options and options.include_usage),
            usage_apart=v1,
            with_logprobs=bool(call.extras.logprobs),
        )
