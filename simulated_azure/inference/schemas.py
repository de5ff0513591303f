"""The schemas of chat requests of the published servers, and what they send on to the engine.

The classes follow the package ``llm-optimized-inference`` (0.2.61); those of
``foundation-model-serve`` are the same. They have its fields in its order, its defaults, limits,
enumerations and checks, and the same library (pydantic) applies them, so that a 422 here reads like
a 422 there: ``tests/oracle`` compares both. The names of some classes and methods are part of what
is answered, since pydantic writes them into ``loc``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.message import Message as MailMessage
from enum import StrEnum
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from ..errors import HTTPError, container_error
from .servers import Server

EXTRA_PARAMETERS_HEADER = "extra-parameters"
EXTRA_PARAMETERS_MODES = ("error", "drop", "pass-through")
FUNCTION_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
TOO_DEEP = "(nested too deeply)"


class Schema(BaseModel):
    """Base of the classes. Fields that they do not name are kept."""

    model_config = ConfigDict(extra="allow")


class Role(StrEnum):
    """Who a message comes from."""

    system = "system"
    user = "user"
    assistant = "assistant"
    tool = "tool"


class Detail(StrEnum):
    """How closely the model should look at an image."""

    auto = "auto"
    low = "low"
    high = "high"


class PartType(StrEnum):
    """What a part of a message's content is."""

    text = "text"
    image = "image"
    image_url = "image_url"
    audio_url = "audio_url"
    _input_audio = "input_audio"


class ToolType(StrEnum):
    """What a tool is."""

    function = "function"


class ContentImage(Schema):
    """An image in the request itself."""

    data: Any
    detail: Detail | None = Detail.auto


class ContentImageUrl(Schema):
    """The address of an image."""

    url: str
    detail: Detail | None = Detail.auto


class ContentAudioUrl(Schema):
    """The address of a recording."""

    url: str


class ContentPart(Schema):
    """A part of a message's content.

    The type input_audio never fits, because the container's class reads no field of that name.
    """

    type: PartType
    text: str | None = None
    image: ContentImage | None = None
    image_url: ContentImageUrl | None = None
    audio_url: ContentAudioUrl | None = None

    @model_validator(mode="after")
    def validate_content_part(self) -> ContentPart:
        """Raise ValueError if the part lacks what its type names."""
        if not getattr(self, self.type.value, None) or self.type is PartType._input_audio:
            raise ValueError(
                f"Content part type is ContentPartType.{self.type.name} "
                f"but {self.type.value} is not provided."
            )
        return self


def check_function_name(name: str) -> str:
    """Return the name of a function. Raise ValueError if it has other characters or is too long."""
    if not FUNCTION_NAME.match(name):
        raise ValueError(
            f"Function name was {name} but must be a-z, A-Z, 0-9, or contain underscores and "
            "dashes, with a maximum length of 64."
        )
    return name


class Function(Schema):
    """A call of a function by the model."""

    name: str
    arguments: dict | str
    call_id: str | None = None

    check_name = field_validator("name")(check_function_name)


class ChatCompletionMessageToolCall(Schema):
    """A call of a tool by the model."""

    id: str | None = None
    type: ToolType = ToolType.function
    function: Function


class ChatMessage(Schema):
    """One message of a conversation.

    It has an ``__init__`` because the container's has one: pydantic then words errors in the parts
    of a message in another way.
    """

    role: Role
    content: str | list[ContentPart] | None = None
    tool_calls: list[ChatCompletionMessageToolCall] | None = None

    def __init__(self, **fields: Any):
        super().__init__(**fields)


class ResponseFormat(BaseModel):
    """The format of the answer: text or JSON."""

    type: str

    @field_validator("type")
    @classmethod
    def check_type(cls, value: str) -> str:
        """Return the type of the format. Raise ValueError if the container does not know it."""
        if value.lower() not in ("text", "json_object"):
            raise ValueError(
                f"Response format was {value} but must be either 'text' or 'json_object'."
            )
        return value


class FunctionDefinition(Schema):
    """A function that the model may call. parameters: a JSON schema."""

    name: str
    description: str
    parameters: Any | None = None

    check_name = field_validator("name")(check_function_name)

    @field_validator("parameters")
    @classmethod
    def check_parameters(cls, value: Any) -> Any:
        """Return the parameters. Raise ValueError if they are not a JSON schema of draft 7."""
        from jsonschema import Draft7Validator, SchemaError  # few requests need it

        try:
            Draft7Validator.check_schema(value)
        except SchemaError as error:
            raise ValueError(error.message) from None
        return value


class Tool(BaseModel):
    """A tool that the model may call."""

    type: ToolType = ToolType.function
    function: FunctionDefinition = None  # it may be absent, but not null


class BaseRequest(Schema):
    """The fields that requests for texts and for chats share."""

    model: str | None = None
    frequency_penalty: float = Field(0.0, ge=-2.0, le=2.0)
    presence_penalty: float = Field(0.0, ge=-2.0, le=2.0)
    seed: int | None = None
    temperature: float = Field(0.7, ge=0.0, le=1.0)
    top_p: float = Field(1.0, ge=0.0, le=1.0)
    max_tokens: int | None = Field(256, ge=0)
    stop: str | list[str] | None = []
    stream: bool | None = False


class ChatRequest(BaseRequest):
    """The body of ``POST /chat/completions``. Other fields of a request are extra parameters."""

    messages: list[ChatMessage]
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: str | None = None

    @field_validator("messages")
    @classmethod
    def check_messages(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        """Return the messages. Raise ValueError if there are none."""
        if not messages:
            raise ValueError("messages can not be an empty list")
        return messages


class V1ChatRequest(ChatRequest):
    """The body of ``POST /v1/chat/completions``.

    extra_params: copies of all fields that the class does not name. A client may also send it.
    """

    extra_params: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def collect_extra_params(cls, values: Any) -> Any:
        """Return the fields of a request, with copies of its extra parameters."""
        if not isinstance(values, dict):
            return values
        extras = {name: value for name, value in values.items() if name not in cls.model_fields}
        return values | {"extra_params": extras} if extras else values


CHAT_REQUEST, V1_CHAT_REQUEST = TypeAdapter(ChatRequest), TypeAdapter(V1ChatRequest)


def engine_fields(body: bytes, headers: Mapping[str, str], server: Server, is_v1: bool) -> dict:
    """Return the fields that a server sends on to the engine.

    headers: names in lower case. is_v1: True for a route under /v1, which the server must check.
    Raises HTTPError (400 or 422), with the body that the server would send, if it refuses the
    request.
    """
    try:
        adapter = V1_CHAT_REQUEST if is_v1 else CHAT_REQUEST
        request = adapter.validate_python(read_body(body, headers), from_attributes=True)
    except ValidationError as error:
        raise invalid_input(error_details(error)) from None
    mode = headers.get(EXTRA_PARAMETERS_HEADER)
    if not is_v1:
        check_extra_parameters([*request.model_extra], mode, server)
    if server.refuses_tools and (request.tools is not None or request.tool_choice is not None):
        raise HTTPError(400, {"detail": "Tools and tool_choice are not supported."})
    fields = request.model_dump(exclude_unset=not server.sends_defaults)
    if not server.sends_defaults and mode != "pass-through":
        for name in request.model_extra:
            del fields[name]
    for name, value in fields.pop("extra_params", {}).items() if is_v1 else ():
        if name in ChatRequest.model_fields:  # a client's own extra_params; nothing checks them
            fields[name] = value
    if not server.keeps_model:
        fields.pop("model", None)
    return fields


def check_extra_parameters(names: list[str], mode: str | None, server: Server) -> None:
    """Raise HTTPError (400) if extra parameters are not allowed.

    mode: the header ``extra-parameters``, None if there is none.
    """
    if mode is not None and mode not in EXTRA_PARAMETERS_MODES:
        message = (
            f"Unexpected EXTRA_PARAMETERS option {mode}, "
            f"expected options are {[*EXTRA_PARAMETERS_MODES]}"
        )
        raise HTTPError(400, {"detail": message})
    if names and (mode or server.extras_without_header) == "error":
        message = (
            f"Extra parameters {names} are not allowed when extra-parameters is not "
            "set or set to be 'error'. Set extra-parameters to 'pass-through' to pass to the model."
        )
        raise HTTPError(400, {"detail": message})


def read_body(body: bytes, headers: Mapping[str, str]) -> Any:
    """Return the content of a body as FastAPI reads it: Python objects if it is JSON, else a text.

    It is JSON if the header ``content-type`` says so; without one it is not (up to FastAPI 0.112 it
    was). Raises HTTPError (400 or 422) if it is empty
    or cannot be read.
    """
    content: Any = body.decode("utf-8", "replace")
    if body and is_json(headers.get("content-type", "")):
        try:
            content = json.loads(body)
        except json.JSONDecodeError as error:
            detail = {
                "type": "json_invalid",
                "loc": ("body", error.pos),
                "msg": "JSON decode error",
                "input": {},
                "ctx": {"error": error.msg},
            }
            raise invalid_input([detail]) from None
        except (ValueError, RecursionError):  # not UTF-8, a number too long, nested too deeply
            raise HTTPError(400, {"detail": "There was an error parsing the body"}) from None
    if not body or content is None:
        detail = {"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}
        raise invalid_input([detail])
    return content


def is_json(content_type: str) -> bool:
    """Return True if a media type is JSON.

    >>> is_json("application/json; charset=utf-8"), is_json("text/json")
    (True, False)
    """
    message = MailMessage()
    message["content-type"] = content_type or "text/plain"
    subtype = message.get_content_subtype()
    is_application = message.get_content_maintype() == "application"
    return is_application and (subtype == "json" or subtype.endswith("+json"))


def invalid_input(details: list[dict]) -> HTTPError:
    """Return the container's error (422) for a body that does not fit its schema."""
    return HTTPError(
        422, container_error(422, "Invalid input", "invalid input error", details=details)
    )


def error_details(error: ValidationError) -> list[dict]:
    """Return pydantic's descriptions of what is wrong, as FastAPI writes them into JSON.

    Input that is not JSON, such as NaN, is replaced by its text.
    """
    details = error.errors(include_url=False)
    for detail in details:
        detail["loc"] = ("body", *detail["loc"])
        if "error" in detail.get("ctx", {}):
            detail["ctx"] = {"error": {}}  # FastAPI finds no fields in an exception
        try:
            json.dumps(detail["input"], allow_nan=False)
        except (TypeError, ValueError):
            detail["input"] = str(detail["input"])
        except RecursionError:
            detail["input"] = TOO_DEEP
    return details
