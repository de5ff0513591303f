"""The shapes of requests, and the bodies of errors, as the managed-compute container has them.

The request classes follow the published server package ``llm-optimized-inference`` (0.2.19): the same fields, defaults
and limits, checked by the same library (pydantic), so that a 422 here reads like a 422 there. The engine's own
parameters and error texts follow vLLM, which runs behind that container.
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

MOST_BIASES = 1024  # tokens that one request may bias
Penalty = Annotated[float, Field(ge=-2, le=2)]


class TextItem(BaseModel):
    type: Literal["text"]
    text: str


class ImageUrl(BaseModel):
    url: str
    detail: Literal["auto", "low", "high"] = "auto"


class ImageItem(BaseModel):
    type: Literal["image_url"]
    image_url: ImageUrl


ContentItem = Annotated[TextItem | ImageItem, Field(discriminator="type")]


class Message(BaseModel):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[ContentItem] | None = None

    def text(self, v1: bool) -> str:
        """The text of all parts, a line each. Raises HTTPError for an image, which Phi-4 cannot see."""
        if not isinstance(self.content, list):
            return self.content or ""
        if any(item.type == "image_url" for item in self.content):
            raise engine_error(
                "At most 0 image(s) may be provided in one request: Phi-4 reads text only.", v1
            )
        return "\n".join(item.text for item in self.content)


class V1Message(Message):
    role: Literal["system", "user", "assistant", "tool", "developer"]


class ResponseFormat(BaseModel):
    type: str

    @field_validator("type")
    @classmethod
    def known(cls, value: str) -> str:
        if value not in ("text", "json_object"):
            raise ValueError(
                f"Response format was {value} but must be either 'text' or 'json_object'."
            )
        return value


class ChatRequest(BaseModel):
    """The body of ``POST /chat/completions``. What it does not name is an extra parameter."""

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
    include_usage: bool = False


class V1ChatRequest(ChatRequest):
    """The body of ``POST /v1/chat/completions``: the engine's own route, with OpenAI's ranges and defaults."""

    messages: Annotated[list[V1Message], Field(min_length=1)]
    temperature: Annotated[float, Field(ge=0, le=2)] = 1.0
    max_tokens: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    tool_choice: Any = None


class Extras(BaseModel):
    """The extra parameters that the engine knows."""

    model_config = ConfigDict(extra="forbid")

    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    logit_bias: Annotated[dict[int, FiniteFloat], Field(max_length=MOST_BIASES)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = 1
    stream_options: StreamOptions | None = None
    user: str | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None


REQUESTS = {route: TypeAdapter(kind) for route, kind in (("", ChatRequest), ("/v1", V1ChatRequest))}
EXTRA_PARAMETERS = ("error", "drop", "pass-through")


@dataclass
class Call:
    """A checked request: its known fields and its extras."""

    request: ChatRequest
    extras: Extras
    v1: bool

    @property
    def max_tokens(self) -> int | None:
        return self.extras.max_completion_tokens or self.request.max_tokens


def read_call(body: bytes, extra_parameters: str | None, v1: bool = False) -> Call:
    """The request in a body. Raises HTTPError with the container's answer where something is wrong with it."""
    try:
        request = REQUESTS["/v1" if v1 else ""].validate_json(body)
    except ValidationError as error:
        raise invalid(error) from None
    given = request.model_extra or {}
    if not v1:
        mode = extra_parameters or "error"
        if mode not in EXTRA_PARAMETERS:
            raise HTTPError(
                400,
                {
                    "detail": f"Unexpected EXTRA_PARAMETERS option {mode}, expected options are {[*EXTRA_PARAMETERS]}"
                },
            )
        if given and mode == "error":
            raise HTTPError(
                400,
                {
                    "detail": f"Extra parameters {[*given]} are not allowed when extra-parameters is not set or set to be "
                    "'error'. Set extra-parameters to 'pass-through' to pass to the model."
                },
            )
        if mode == "drop":
            given = {}
    if request.tools is not None or request.tool_choice is not None:
        raise HTTPError(400, {"detail": "Tools and tool_choice are not supported."})
    try:
        extras = Extras.model_validate(given)
    except ValidationError as error:
        raise engine_error(str(_details(error)), v1) from None
    check_engine(request, extras, v1)
    return Call(request, extras, v1)


def check_engine(request: ChatRequest, extras: Extras, v1: bool) -> None:
    """What the engine refuses although each field for itself is right. Texts as in vLLM."""
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
            f"token_id(s) {unknown_ids} in logit_bias contain out-of-vocab token ids. Vocabulary size: {VOCABULARY_SIZE}",
        ),
    ]
    for refused, message in refusals:
        if refused:
            raise engine_error(message, v1)


def check_context(prompt_tokens: int, max_tokens: int | None, v1: bool) -> int:
    """The tokens that may be generated. Raises HTTPError if prompt and answer do not fit the context."""
    wanted = CONTEXT_LENGTH - prompt_tokens if max_tokens is None else max_tokens
    if prompt_tokens + max(wanted, 1) > CONTEXT_LENGTH:
        raise engine_error(
            f"This model's maximum context length is {CONTEXT_LENGTH} tokens. However, you requested "
            f"{prompt_tokens + max(wanted, 0)} tokens ({prompt_tokens} in the messages, {max(wanted, 0)} in the completion). "
            "Please reduce the length of the messages or completion.",
            v1,
        )
    return wanted


def engine_error(message: str, v1: bool = False) -> HTTPError:
    """A refusal by the engine: as the engine says it under /v1, wrapped by the container elsewhere."""
    said = {
        "object": "error",
        "message": message,
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    }
    return HTTPError(400, said if v1 else container_error(400, "Bad Request", json.dumps(said)))


def invalid(error: ValidationError) -> HTTPError:
    """The container's 422."""
    return HTTPError(
        422, container_error(422, "Invalid input", "invalid input error", details=_details(error))
    )


def _details(error: ValidationError) -> list[dict]:
    """pydantic's own words, with what is not JSON (bytes, NaN) left out or written as text."""
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
