"""The schemas of chat requests, and the bodies of errors, of the managed-compute container.

The request classes follow the published server package ``llm-optimized-inference`` (0.2.19). They
have the same fields, defaults and limits, and the same library (pydantic) checks them, so that a
422 here reads like a 422 there. The engine's own parameters and error texts follow vLLM, which runs
behind that container.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from ..errors import HTTPError, container_error
from .tokens import CONTEXT_LENGTH, VOCABULARY_SIZE

MAX_BIASES = 1024  # tokens that one request may bias
Penalty = Annotated[float, Field(ge=-2, le=2)]


class TextItem(BaseModel):
    """A part of a message's content: text."""

    type: Literal["text"]
    text: str


class ImageUrl(BaseModel):
    """The address of an image, and how closely the model should look at it."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"


class ImageItem(BaseModel):
    """A part of a message's content: an image, which the schema allows and Phi-4 refuses."""

    type: Literal["image_url"]
    image_url: ImageUrl


ContentItem = Annotated[TextItem | ImageItem, Field(discriminator="type")]


class Message(BaseModel):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[ContentItem] | None = None

    def text(self, is_v1: bool) -> str:
        """Return the text of the content. If it is a list, each item is a line.

        Raises HTTPError (400) for an image, which Phi-4 cannot read.
        """
        if not isinstance(self.content, list):
            return self.content or ""
        if any(item.type == "image_url" for item in self.content):
            raise engine_error(
                "At most 0 image(s) may be provided in one request: Phi-4 reads text only.", is_v1
            )
        return "\n".join(item.text for item in self.content)


class V1Message(Message):
    """One message of a conversation under /v1, which may also come from the developer."""

    role: Literal["system", "user", "assistant", "tool", "developer"]


class ResponseFormat(BaseModel):
    """The format of the answer: text or JSON."""

    type: str

    @field_validator("type")
    @classmethod
    def check_type(cls, value: str) -> str:
        """Return the type of the format. Raises ValueError if the container does not know it."""
        if value not in ("text", "json_object"):
            raise ValueError(
                f"Response format was {value} but must be either 'text' or 'json_object'."
            )
        return value


class ChatRequest(BaseModel):
    """The body of ``POST /chat/completions``. Other fields of a request are extra parameters."""

    model_config = ConfigDict(extra="allow")

    messages: Annotated[list[Message], Field(min_length=1)]
    model: str | None = None
    stream: bool = False
    temperature: Annotated[float, Field(ge=0, le=1)] = 0.7
    top_p: Annotated[float, Field(ge=0, le=1)] = 1.0
    presence_penalty: Penalty = 0.0
    frequency_penalty: Penalty = 0.0
    max_tokens: Annotated[int, Field(ge=0, lt=2**63)] = 256
    stop: str | list[str] | None = None
    seed: int | None = None
    response_format: ResponseFormat | None = None
    tools: Any = None
    tool_choice: str | None = None


class StreamOptions(BaseModel):
    """What a stream contains besides the answer."""

    include_usage: bool = False


class V1ChatRequest(ChatRequest):
    """The body of ``POST /v1/chat/completions``, the engine's own route.

    It has the ranges and defaults of OpenAI's API.
    """

    messages: Annotated[list[V1Message], Field(min_length=1)]
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    max_tokens: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    tool_choice: Any = None


class Extras(BaseModel):
    """The extra parameters that the engine knows. It refuses all others."""

    model_config = ConfigDict(extra="forbid")

    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    logit_bias: Annotated[dict[int, FiniteFloat], Field(max_length=MAX_BIASES)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = 1
    stream_options: StreamOptions | None = None
    user: str | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None


CONTAINER_REQUEST, V1_REQUEST = TypeAdapter(ChatRequest), TypeAdapter(V1ChatRequest)
EXTRA_PARAMETERS_MODES = ("error", "drop", "pass-through")


@dataclass
class Call:
    """A chat request that has been checked: its fields, and its extra parameters.

    is_v1: True if it came by the engine's own route.
    """

    request: ChatRequest
    extras: Extras
    is_v1: bool

    @property
    def max_tokens(self) -> int | None:
        """The most tokens to generate; None for as many as the context holds."""
        return self.extras.max_completion_tokens or self.request.max_tokens


def read_call(body: bytes, extra_parameters: str | None, is_v1: bool = False) -> Call:
    """Return the chat request in a body, with all its fields checked.

    extra_parameters: the header of that name; the engine's own route ignores it. is_v1: True for
    the engine's own route. Raises HTTPError (400 or 422), with the body that the container or the
    engine would send, if the request is not valid.
    """
    try:
        request = (V1_REQUEST if is_v1 else CONTAINER_REQUEST).validate_json(body)
    except ValidationError as error:
        raise invalid_input(error) from None
    extra_fields = request.model_extra or {}
    if not is_v1:
        mode = extra_parameters or "error"
        if mode not in EXTRA_PARAMETERS_MODES:
            message = (
                f"Unexpected EXTRA_PARAMETERS option {mode}, "
                f"expected options are {[*EXTRA_PARAMETERS_MODES]}"
            )
            raise HTTPError(400, {"detail": message})
        if extra_fields and mode == "error":
            message = (
                f"Extra parameters {[*extra_fields]} are not allowed when extra-parameters is not "
                "set or set to be 'error'. Set extra-parameters to 'pass-through' to pass to the "
                "model."
            )
            raise HTTPError(400, {"detail": message})
        if mode == "drop":
            extra_fields = {}
    if request.tools is not None or request.tool_choice is not None:
        raise HTTPError(400, {"detail": "Tools and tool_choice are not supported."})
    try:
        extras = Extras.model_validate(extra_fields)
    except ValidationError as error:
        raise engine_error(str(_details(error)), is_v1) from None
    check_as_engine(request, extras, is_v1)
    return Call(request, extras, is_v1)


def check_as_engine(request: ChatRequest, extras: Extras, is_v1: bool) -> None:
    """Raise HTTPError (400) for fields that are valid in the schema but that the engine refuses.

    The texts are vLLM's.
    """
    unknown_ids = [token for token in extras.logit_bias or () if not 0 <= token < VOCABULARY_SIZE]
    refusals = [
        (request.max_tokens == 0, "max_tokens must be at least 1, got 0."),
        (request.top_p == 0, "top_p must be in (0, 1], got 0.0."),
        (
            extras.top_logprobs is not None and not extras.logprobs,
            "when using `top_logprobs`, `logprobs` must be set to true.",
        ),
        (
            request.temperature == 0 and (extras.n or 1) > 1,
            f"n must be 1 when using greedy sampling, got {extras.n}.",
        ),
        (
            bool(unknown_ids),
            f"token_id(s) {unknown_ids} in logit_bias contain out-of-vocab token ids. "
            f"Vocabulary size: {VOCABULARY_SIZE}",
        ),
    ]
    for is_refused, message in refusals:
        if is_refused:
            raise engine_error(message, is_v1)


def check_context(prompt_tokens: int, max_tokens: int | None, is_v1: bool) -> int:
    """Return the most tokens that may be generated for a prompt of so many tokens.

    max_tokens: the limit in the request; None for all that the context still holds. Raises
    HTTPError (400) if prompt and answer do not fit into the context.
    """
    limit = CONTEXT_LENGTH - prompt_tokens if max_tokens is None else max_tokens
    if prompt_tokens + max(limit, 1) > CONTEXT_LENGTH:
        completion_tokens = max(limit, 0)
        raise engine_error(
            f"This model's maximum context length is {CONTEXT_LENGTH} tokens. However, you "
            f"requested {prompt_tokens + completion_tokens} tokens ({prompt_tokens} in the "
            f"messages, {completion_tokens} in the completion). "
            "Please reduce the length of the messages or completion.",
            is_v1,
        )
    return limit


def engine_error(message: str, is_v1: bool = False) -> HTTPError:
    """Return the error (400) with which the engine refuses a request.

    Under /v1 the body is the engine's own; elsewhere the container wraps it.
    """
    body = {
        "object": "error",
        "message": message,
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    }
    return HTTPError(400, body if is_v1 else container_error(400, "Bad Request", json.dumps(body)))


def invalid_input(error: ValidationError) -> HTTPError:
    """Return the container's error (422) for a body that does not fit its schema."""
    return HTTPError(
        422, container_error(422, "Invalid input", "invalid input error", details=_details(error))
    )


def _details(error: ValidationError) -> list[dict]:
    """Return pydantic's descriptions of what is wrong, as JSON can hold them.

    Input that is bytes is replaced by an empty object, other input that is not JSON, such as NaN,
    by its text.
    """
    details = error.errors(include_url=False)
    for detail in details:
        detail["loc"] = ("body", *detail["loc"])
        if "error" in detail.get("ctx", {}):
            detail["ctx"] = {"error": str(detail["ctx"]["error"])}
        try:
            json.dumps(detail["input"], allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            detail["input"] = {} if isinstance(detail["input"], bytes) else str(detail["input"])
    return details
