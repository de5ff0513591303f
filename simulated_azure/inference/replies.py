"""The shapes of what an endpoint answers, for its OpenAPI document (openapi.py).

The endpoint writes its answers without these classes, since that is faster; the tests compare both.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Reply(BaseModel):
    """Base of what an endpoint answers. It has no other fields."""

    model_config = ConfigDict(extra="forbid")


class Usage(Reply):
    """How many tokens a request has used."""

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int


class LikelyToken(Reply):
    """A token that was likely at its place, with the natural logarithm of its probability."""

    token: str
    logprob: float
    bytes: list[int]


class ChosenToken(LikelyToken):
    """A token of the answer, with the likeliest tokens at its place."""

    top_logprobs: list[LikelyToken]


class Logprobs(Reply):
    """The tokens of an answer."""

    content: list[ChosenToken]


class AnswerMessage(Reply):
    """The message that the model has written."""

    content: str
    role: Literal["assistant"]
    tool_calls: None


class Choice(Reply):
    """One of the answers; there is one unless n is larger."""

    finish_reason: Literal["stop", "length"]
    index: int
    logprobs: Logprobs | None
    message: AnswerMessage


class ChatCompletion(Reply):
    """A whole answer. created: seconds since 1970."""

    choices: list[Choice]
    created: int
    id: str
    model: str
    object: Literal["chat.completion"]
    system_fingerprint: str
    usage: Usage


class Delta(Reply):
    """What a chunk adds to the message. Only the first chunk has a role."""

    content: str
    role: Literal["assistant"] | None = None


class ChunkChoice(Reply):
    """What a chunk adds to one of the answers."""

    delta: Delta
    finish_reason: Literal["stop", "length"] | None
    index: int
    logprobs: Logprobs | None


class ChatCompletionChunk(Reply):
    """A piece of a stream. Its last one may have the usage."""

    choices: list[ChunkChoice]
    created: int
    id: str
    model: str
    object: Literal["chat.completion.chunk"]
    system_fingerprint: str
    usage: Usage | None = None


class ModelInfo(Reply):
    """What an endpoint serves."""

    model_name: str
    model_type: Literal["chat-completion"]
    model_provider_name: str
    served_model_name: str
    served_model_type: Literal["chat-completion"]


class Model(Reply):
    """A model of the engine. id: the name to send as ``model``."""

    created: int
    id: str
    object: Literal["model"]
    owned_by: str


class ModelList(Reply):
    """The models of the engine."""

    data: list[Model]
    object: Literal["list"]


class ScoreAnswer(Reply):
    """The text of an answer. It is absent if the request cannot be used."""

    output: str = ""


class Unauthorized(Reply):
    """The key or the access token is missing or wrong."""

    statusCode: Literal[401]
    message: str


class DetailError(Reply):
    """An error in the words of the server's framework."""

    detail: str


class InvalidField(Reply):
    """What is wrong with one field, as pydantic writes it. ctx: an object with more about it."""

    type: str
    loc: list[str | int]
    msg: str
    input: Any
    ctx: Any = None


class ServerErrorContent(Reply):
    """What is wrong. message: may hold the engine's error as JSON. details: for 422."""

    code: str
    status: int
    message: str
    details: list[InvalidField] | None = None


class ServerError(Reply):
    """An error in the words of the server."""

    error: ServerErrorContent


class EngineError(Reply):
    """An error in the words of the engine (vLLM)."""

    object: Literal["error"]
    message: str
    type: str
    param: None
    code: int


ALL = (
    ChatCompletion,
    ChatCompletionChunk,
    ModelInfo,
    ModelList,
    ScoreAnswer,
    Unauthorized,
    DetailError,
    ServerError,
    EngineError,
)
