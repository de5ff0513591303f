"""Chat completions: text, usage and log-probabilities, as one JSON object or a stream of events."""

from __future__ import annotations

import codecs
import json
import random
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .. import __version__
from ..http import run_to_end
from .engine import Call
from .model import LanguageModel, Sampling, Topic
from .questions import Conversation, load_manners, load_questions, load_synonyms
from .tokens import FIRST_SPECIAL_TOKEN, IM_END, count_prompt_in_steps, encode, token_bytes

FINGERPRINT = f"simulated-{__version__}"
NEWLINE = 198  # the token of "\n"
NEWLINE_BIAS = 1000.0  # more than the 100 that a request may set, so that every token is a newline
DONE = b"data: [DONE]\n\n"
BEGINNING_LENGTH = 2000  # characters of a beginning that are read; the model looks back less far
EMPTY_PIECE = ("", [])  # for a token whose text may be the beginning of something longer


class Writer:
    """Writes one choice of an answer.

    topic: what the model speaks about. limit: the most tokens to generate. index: the number of the
    choice, from 0, which makes choices with the same seed differ. beginning: the tokens that the
    answer goes on from. ``tokens``: the number of tokens
    generated so far, the closing one included, as the engine counts. ``finish_reason``: "stop" or
    "length"; valid when all pieces have been written. ``pay``: called before each token, if it is
    set; the answer ends where it returns False.
    """

    pay: Callable[[], bool] | None = None

    def __init__(
        self,
        model: LanguageModel,
        topic: Topic,
        call: Call,
        limit: int,
        index: int,
        beginning: Sequence[int] = (),
    ):
        request = call.request
        bias = {
            token: max(-100.0, min(100.0, value))
            for token, value in (request.logit_bias or {}).items()
        }
        if request.response_format and request.response_format.type == "json_object":
            # Observed with Phi models: in JSON mode they may write white space without end.
            bias[NEWLINE] = NEWLINE_BIAS
        self._model, self._topic, self._limit = model, topic, limit
        self._beginning = beginning
        self._sampling = Sampling(
            request.temperature,
            request.top_p,
            request.presence_penalty or 0.0,
            request.frequency_penalty or 0.0,
            bias,
        )
        generator = (
            random.Random() if request.seed is None else random.Random(f"{request.seed}/{index}")
        )
        self._random = generator.random
        stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
        self._stop = [sequence for sequence in stop if sequence]
        self._top_logprobs = request.top_logprobs or 0
        self.finish_reason = "length"
        self.tokens = 0

    def pieces(self, with_logprobs: bool) -> Iterator[tuple[str, list[dict]]]:
        """Yield the text in pieces: (text, log-probabilities of the tokens in it).

        Each token gives a piece. Text that may be the beginning of a stop sequence, or the first
        bytes of a character, waits for a later piece; until then the piece is EMPTY_PIECE. The list
        of log-probabilities is empty unless with_logprobs is True.
        """
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        pending, logprobs = "", []
        is_character_open = is_stopped = False
        drawn = self._model.generate(self._topic, self._sampling, self._random, self._beginning)
        for token, context in drawn:
            if self.pay is not None and not self.pay():
                break
            self.tokens += 1
            if token == IM_END:
                self.finish_reason = "stop"
                break
            text = None if is_character_open else token_text(token)
            if text is None:
                text = decoder.decode(token_bytes(token))
                is_character_open = bool(decoder.getstate()[0])
            pending += text
            if with_logprobs:
                logprobs.append(self._logprob(token, context))
            text, pending, is_stopped = self._split(pending)
            if text:
                yield text, logprobs
                logprobs = []
            else:
                yield EMPTY_PIECE
            if is_stopped:
                self.finish_reason = "stop"
            if is_stopped or self.tokens >= self._limit:
                break
        if not is_stopped:
            pending += decoder.decode(b"", final=True)
        if pending or logprobs:
            yield pending, logprobs

    def _split(self, text: str) -> tuple[str, str, bool]:
        """Return (the text to write, the text that must wait, True if a stop sequence ends it).

        The text to write ends before the stop sequence. Text waits while it may be the beginning of
        one.
        """
        if not self._stop:
            return text, "", False
        places = [text.find(sequence) for sequence in self._stop]
        end = min((place for place in places if place >= 0), default=-1)
        if end >= 0:
            return text[:end], "", True
        longest = max(len(sequence) for sequence in self._stop)
        for start in range(max(0, len(text) - longest + 1), len(text)):
            if any(sequence.startswith(text[start:]) for sequence in self._stop):
                return text[:start], text[start:], False
        return text, "", False

    def _logprob(self, token: int, context: tuple[int, ...]) -> dict:
        """Return the item for a token in ``logprobs.content``, with its top_logprobs."""
        distribution = self._model.distribution(self._topic, context)
        top = [_logprob_item(*item) for item in distribution.most_likely(self._top_logprobs)]
        return {**_logprob_item(token, distribution.logprob(token)), "top_logprobs": top}


@lru_cache(maxsize=16384)
def token_text(token: int) -> str | None:
    """Return the text of a token: "" for a special one, None if it is not whole characters."""
    try:
        return "" if token >= FIRST_SPECIAL_TOKEN else token_bytes(token).decode()
    except UnicodeDecodeError:
        return None


@lru_cache(maxsize=16384)
def json_string(text: str) -> bytes:
    """Return a text as a JSON string.

    Results are cached, since most pieces are single tokens and come again.
    """
    return json.dumps(text).encode()


def _logprob_item(token: int, logprob: float) -> dict:
    """Return a token and the natural logarithm of its probability, as the API writes them."""
    content = token_bytes(token)
    return {"token": content.decode("utf-8", "replace"), "logprob": logprob, "bytes": [*content]}


@dataclass(kw_only=True)
class Completion:
    """What all answers to chat requests have in common, whoever writes them.

    model_name: the name that the answer gives as its model. wants_stream: True if the request asks
    for a stream. wants_usage: True if a stream ends with the usage; a whole answer always has it.
    usage_apart: True if the usage is an event of its own, as OpenAI's clients expect, instead of a
    part of the last one. with_logprobs: True to add log-probabilities. fingerprint: where the
    answer comes from.
    """

    model_name: str
    wants_stream: bool
    wants_usage: bool
    usage_apart: bool
    with_logprobs: bool
    fingerprint: str

    def __post_init__(self) -> None:
        """Set the answer's id and its time of creation, in seconds since 1970."""
        self.id, self.created = uuid.uuid4().hex, int(time.time())

    def headers(self) -> dict[str, str]:
        """Return what is said of the answer in headers."""
        return {}

    def close(self) -> None:
        """Stop writing: nobody waits for the rest."""

    def frame(self, kind: str) -> dict:
        """Return the fields that a whole answer and all chunks of a stream have in common."""
        return {
            "created": self.created,
            "id": self.id,
            "model": self.model_name,
            "object": kind,
            "system_fingerprint": self.fingerprint,
        }

    def event(self, choices: list[dict], usage: dict | None = None) -> bytes:
        """Return one server-sent event: a ``chat.completion.chunk`` object, UTF-8 encoded."""
        event = {
            "choices": choices,
            **self.frame("chat.completion.chunk"),
            **({"usage": usage} if usage else {}),
        }
        return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


@dataclass(kw_only=True)
class Answer(Completion):
    """An answer of the language model, which ``body()`` or ``events()`` generates once.

    writers: one for each choice. prompt_tokens: how many tokens the prompt has.
    """

    writers: list[Writer]
    prompt_tokens: int

    def usage(self) -> dict:
        """Return how many tokens the prompt and all choices have, as far as they are generated."""
        completion_tokens = sum(writer.tokens for writer in self.writers)
        return {
            "completion_tokens": completion_tokens,
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        }

    def body(self) -> dict:
        """Return the whole answer as a ``chat.completion`` object."""
        return run_to_end(self.body_in_steps())

    def body_in_steps(self) -> Generator[float, None, dict]:
        """Return what ``body`` returns. Yield 0.0 after each token, to give way to others."""
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
        return {"choices": choices, **self.frame("chat.completion"), "usage": self.usage()}

    def events(self) -> Iterator[bytes]:
        """Yield the server-sent events of the answer, UTF-8 encoded.

        Each choice has first an event with the role, then one for each piece, then one with the
        finish reason. The usage follows if it is wanted, and [DONE] is the last event. An empty
        piece gives b"", which is not an event and only lets other requests have a turn.
        """
        head = b'data: {"choices":[{"delta":{"content":'
        frame = json.dumps(self.frame("chat.completion.chunk"), separators=(",", ":"))[1:].encode()
        tail = b'},"finish_reason":null,"index":%d,"logprobs":null}],' + frame + b"\n\n"
        tails = [tail % index for index in range(len(self.writers))]
        for index in range(len(self.writers)):
            yield self.event([chunk_choice(index, {"content": "", "role": "assistant"})])
        streams = [writer.pieces(self.with_logprobs) for writer in self.writers]
        open_choices = list(range(len(self.writers)))
        while open_choices:
            for index in tuple(open_choices):
                piece = next(streams[index], None)
                if piece is None:
                    open_choices.remove(index)
                    choice = chunk_choice(index, {"content": ""}, self.writers[index].finish_reason)
                    last = not open_choices and self.wants_usage and not self.usage_apart
                    yield self.event([choice], usage=self.usage() if last else None)
                elif piece == EMPTY_PIECE:
                    yield b""
                elif piece[1]:
                    choice = chunk_choice(index, {"content": piece[0]}, logprobs=piece[1])
                    yield self.event([choice])
                else:  # the same as event() would give, but encoded faster
                    yield head + json_string(piece[0]) + tails[index]
        if self.wants_usage and self.usage_apart:
            yield self.event([], usage=self.usage())
        yield DONE


def chunk_choice(
    index: int, delta: dict, finish_reason: str | None = None, logprobs: list[dict] | None = None
) -> dict:
    """Return one choice of a chunk, with the log-probabilities of its tokens if there are any."""
    content = {"content": logprobs} if logprobs else None
    return {"delta": delta, "finish_reason": finish_reason, "index": index, "logprobs": content}


class Assistant:
    """The language model and its training text, which together answer chat requests.

    model_name: the name that answers give as their model. Loading takes about half a second. Raises
    OSError, ValueError, TypeError or KeyError if a data file is missing or has a mistake.
    """

    def __init__(self, model_name: str) -> None:
        self._model_name = model_name
        self._conversation = Conversation(load_questions(), load_manners(), load_synonyms())
        self.model = LanguageModel(self._conversation.topics)

    def answer(self, call: Call) -> Answer:
        """Return the answer to a chat request. Nothing is generated yet.

        Raises HTTPError (400) if the request does not fit into the context, or has an image.
        """
        return run_to_end(self.answer_in_steps(call))

    def answer_in_steps(self, call: Call) -> Generator[float, None, Answer]:
        """Return what ``answer`` returns. Yield 0.0 now and then, to give way to others."""
        request, messages = call.request, call.messages()
        yield 0.0
        is_open = request.continue_final_message
        prompt_tokens = yield from count_prompt_in_steps(messages, is_open)
        limit = call.check_context(prompt_tokens)
        # The beginning of the answer does not say what it is about: the messages before it do.
        earlier = messages[:-1] if is_open and len(messages) > 1 else messages
        topic = yield from self._conversation.topic_in_steps(earlier)
        beginning = encode(messages[-1][1][-BEGINNING_LENGTH:]) if is_open else []
        count = request.n or 1
        writers = [
            Writer(self.model, topic, call, limit, index, beginning) for index in range(count)
        ]
        options = request.stream_options
        return Answer(
            model_name=self._model_name,
            writers=writers,
            prompt_tokens=prompt_tokens,
            wants_stream=bool(request.stream),
            wants_usage=not call.is_v1 or bool(options and options.include_usage),
            usage_apart=call.is_v1,
            with_logprobs=bool(request.logprobs),
            fingerprint=f"{FINGERPRINT}-{topic.skill}" if topic.skill else FINGERPRINT,
        )
