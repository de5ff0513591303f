"""The engine behind both servers (vLLM): which requests it accepts, its defaults and its errors.

The parameters and texts are vLLM's. Its defaults apply to what a request leaves unset, unless the
model's generation_config.json has other values; that of microsoft/phi-4 has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from ..errors import HTTPError, container_error
from . import schemas
from .servers import Server
from .tokens import CONTEXT_LENGTH, VOCABULARY_SIZE

DEFAULT_TEMPERATURE = DEFAULT_TOP_P = 1.0
MAX_BIASES = 1024  # tokens that one request may bias
ONLY_JSON = ["Unsupported Media Type: Only 'application/json' is allowed"]
MODALITIES = {"image_url": "image", "audio_url": "audio", "input_audio": "audio"}
ERROR_CODES = {400: "Bad Request", 404: "Not Found"}


class EngineMessage(BaseModel):
    """One message of a conversation. Any role is accepted, such as "developer"."""

    role: str
    content: str | list[dict | str] | None = None


class EngineResponseFormat(BaseModel):
    """The format of the answer."""

    type: Literal["text", "json_object", "json_schema"]


class StreamOptions(BaseModel):
    """What a stream contains besides the answer."""

    include_usage: bool | None = False


class EngineRequest(BaseModel):
    """The parameters that the engine knows. It refuses all others. None: its default."""

    model_config = ConfigDict(extra="forbid")

    messages: Annotated[list[EngineMessage], Field(min_length=1)]
    model: str | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: Annotated[int, Field(lt=2**63)] | None = None
    stop: str | list[str] | None = None
    stream: bool | None = False
    response_format: EngineResponseFormat | None = None
    tools: list[dict] | None = None
    tool_choice: Any = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    logit_bias: Annotated[dict[int, FiniteFloat], Field(max_length=MAX_BIASES)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = 1
    stream_options: StreamOptions | None = None
    user: str | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    # vLLM's own: the answer goes on from the last message, instead of beginning a new one.
    add_generation_prompt: bool = True
    continue_final_message: bool = False


@dataclass
class Call:
    """A chat request that the engine has accepted, its defaults filled in.

    is_v1: True if it came by a route under /v1. is_wrapped: True if the server wraps the engine's
    errors into its own. fields: what the server sends on to the engine.
    """

    request: EngineRequest
    is_v1: bool
    is_wrapped: bool
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def max_tokens(self) -> int | None:
        """The most tokens to generate; None for as many as the context holds."""
        return self.request.max_completion_tokens or self.request.max_tokens

    def messages(self) -> list[tuple[str, str]]:
        """Return (role, text) of each message. If its content is a list, each item is a line.

        Raises HTTPError (400) for an image or a sound, which Phi-4 cannot read.
        """
        return [(message.role, self._text(message.content)) for message in self.request.messages]

    def _text(self, content: str | list[dict | str] | None) -> str:
        if not isinstance(content, list):
            return content or ""
        lines = []
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else "text"
            text = part.get("text") if isinstance(part, dict) else part
            if isinstance(kind, str) and kind in MODALITIES:
                message = (
                    f"At most 0 {MODALITIES[kind]}(s) may be provided in one request: "
                    "Phi-4 reads text only."
                )
                raise engine_error(message, self.is_wrapped)
            if kind != "text" or not isinstance(text, str):
                raise engine_error(f"Unknown part type: {kind}", self.is_wrapped)
            lines.append(text)
        return "\n".join(lines)

    def check_context(self, prompt_tokens: int) -> int:
        """Return the most tokens that may be generated for a prompt of so many tokens.

        Raises HTTPError (400) if prompt and answer do not fit into the context.
        """
        limit = CONTEXT_LENGTH - prompt_tokens if self.max_tokens is None else self.max_tokens
        if prompt_tokens + max(limit, 1) > CONTEXT_LENGTH:
            completion_tokens = max(limit, 0)
            raise engine_error(
                f"This model's maximum context length is {CONTEXT_LENGTH} tokens. However, you "
                f"requested {prompt_tokens + completion_tokens} tokens ({prompt_tokens} in the "
                f"messages, {completion_tokens} in the completion). "
                "Please reduce the length of the messages or completion.",
                self.is_wrapped,
            )
        return limit


def read_call(
    body: bytes,
    headers: Mapping[str, str],
    server: Server,
    is_v1: bool,
    model: str,
    vocabulary_size: int | None = VOCABULARY_SIZE,
) -> Call:
    """Return the chat request in a body, checked by the server, the engine or both.

    headers: names in lower case. is_v1: True for the route under /v1. model: the name of the model
    in the engine. vocabulary_size: the number of its tokens; None if it is not known. Raises
    HTTPError (400, 404 or 422), with the body that the server or the engine would send, if the
    request is refused.
    """
    is_wrapped = server.checks(is_v1)
    if is_wrapped:
        fields = schemas.engine_fields(body, headers, server, is_v1)
    else:
        fields = _read_body(body, headers)
    try:
        request = EngineRequest.model_validate(fields)
    except ValidationError as error:
        raise engine_error(str(schemas.error_details(error)), is_wrapped) from None
    if request.model and request.model != model:
        raise _unknown_model(request.model, is_wrapped)
    _check_tools(request, is_wrapped)
    _check_sampling(request, is_wrapped)
    if vocabulary_size is not None:
        _check_biases(request, is_wrapped, vocabulary_size)
    if request.temperature is None:
        request.temperature = DEFAULT_TEMPERATURE
    if request.top_p is None:
        request.top_p = DEFAULT_TOP_P
    return Call(request, is_v1, is_wrapped, fields)


def _read_body(body: bytes, headers: Mapping[str, str]) -> Any:
    """Return the content of a body that reaches the engine as it was sent."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise engine_error(str(ONLY_JSON), is_wrapped=False)
    try:
        return schemas.read_body(body, headers)
    except HTTPError as error:
        if error.status != 422:
            raise
        details = error.body["error"]["details"]
        raise engine_error(str(details), is_wrapped=False) from None


def _check_tools(request: EngineRequest, is_wrapped: bool) -> None:
    """Raise HTTPError (400) for tools, which this engine was not started for."""
    if request.tool_choice == "none":
        return
    if request.tool_choice is not None and not request.tools:
        message = "When using `tool_choice`, `tools` must be set."
        raise engine_error(message, is_wrapped)
    choice = request.tool_choice or "auto"
    if request.tools:
        name = choice if isinstance(choice, str) else "named"
        message = (
            f'"{name}" tool choice requires --enable-auto-tool-choice and --tool-call-parser '
            "to be set"
        )
        raise engine_error(message, is_wrapped)


def _check_sampling(request: EngineRequest, is_wrapped: bool) -> None:
    """Raise HTTPError (400) for values that are of the right type, but out of range."""
    temperature, top_p = request.temperature, request.top_p
    refusals = [
        (
            request.top_logprobs is not None and not request.logprobs,
            "when using `top_logprobs`, `logprobs` must be set to true.",
        ),
        *(
            (
                value is not None and not -2 <= value <= 2,
                f"{name} must be in [-2, 2], got {value}.",
            )
            for name in ("presence_penalty", "frequency_penalty")
            for value in [getattr(request, name)]
        ),
        (
            temperature is not None and temperature < 0,
            f"temperature must be non-negative, got {temperature}.",
        ),
        (
            temperature is not None and not temperature <= 2,
            f"temperature must be in [0, 2], got {temperature}.",
        ),
        (top_p is not None and not 0 < top_p <= 1, f"top_p must be in (0, 1], got {top_p}."),
        (
            request.max_tokens is not None and request.max_tokens < 1,
            f"max_tokens must be at least 1, got {request.max_tokens}.",
        ),
        (
            request.continue_final_message and request.add_generation_prompt,
            "Cannot set both `continue_final_message` and `add_generation_prompt` to True.",
        ),
        (
            not request.continue_final_message and not request.add_generation_prompt,
            "This simulation knows `add_generation_prompt` false only together with "
            "`continue_final_message` true.",
        ),
        (
            temperature == 0 and (request.n or 1) > 1,
            f"n must be 1 when using greedy sampling, got {request.n}.",
        ),
    ]
    for is_refused, message in refusals:
        if is_refused:
            raise engine_error(message, is_wrapped)


def _check_biases(request: EngineRequest, is_wrapped: bool, vocabulary_size: int) -> None:
    """Raise HTTPError (400) for biases of tokens that the model does not have."""
    biases = request.logit_bias or ()
    unknown_ids = [token for token in biases if not 0 <= token < vocabulary_size]
    if unknown_ids:
        raise engine_error(
            f"token_id(s) {unknown_ids} in logit_bias contain out-of-vocab token ids. "
            f"Vocabulary size: {vocabulary_size}",
            is_wrapped,
        )


def engine_error(
    message: str, is_wrapped: bool, status: int = 400, kind: str = "BadRequestError"
) -> HTTPError:
    """Return the error with which the engine refuses a request.

    is_wrapped: True if the server wraps it into an error of its own, with the engine's as text.
    """
    body = {"object": "error", "message": message, "type": kind, "param": None, "code": status}
    if is_wrapped:
        return HTTPError(status, container_error(status, ERROR_CODES[status], json.dumps(body)))
    return HTTPError(status, body)


def _unknown_model(name: str, is_wrapped: bool) -> HTTPError:
    """Return the error (404) for a model that the engine does not serve.

    By reading: foundation-model-serve asks the engine for the same path after any 404 of its own,
    and the engine has no route outside /v1.
    """
    if is_wrapped:
        return HTTPError(404, {"detail": "Not Found"})
    message = f"The model `{name}` does not exist."
    return engine_error(message, is_wrapped, 404, "NotFoundError")
