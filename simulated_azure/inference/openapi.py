"""The OpenAPI document of an endpoint: what a client may send, and what it may get back.

Requests are described by the classes that check them (schemas.py, engine.py), so that the document
follows the checks. Answers are described by the classes of replies.py.
"""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from .. import __version__
from ..azure import MAX_BODY_SIZE
from ..faults import HEADER as FAULT_HEADER
from ..faults import REGISTRY as FAULTS
from . import replies
from .engine import DEFAULT_TEMPERATURE, DEFAULT_TOP_P, EngineRequest
from .schemas import (
    EXTRA_PARAMETERS_HEADER,
    EXTRA_PARAMETERS_MODES,
    FUNCTION_NAME,
    ChatMessage,
    ChatRequest,
    V1ChatRequest,
)
from .servers import HEADER as SERVER_HEADER
from .servers import SERVERS, Server
from .tokens import CONTEXT_LENGTH, VOCABULARY_SIZE

CHAT, V1_CHAT = "/chat/completions", "/v1/chat/completions"
REFERENCE = "#/components/schemas/"
QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
FIELDS = {
    "messages": "The conversation so far, the oldest message first.",
    "model": "The name of the model.",
    "frequency_penalty": "Makes a token less likely each time that it occurs.",
    "presence_penalty": "Makes a token less likely once it has occurred.",
    "seed": "Makes sampling repeatable: the same seed gives the same answer.",
    "temperature": "0 chooses the most likely token each time; higher values vary more.",
    "top_p": "Samples only from the likeliest tokens that have this probability together.",
    "max_tokens": f"The most tokens of an answer; {CONTEXT_LENGTH} with those of the prompt.",
    "stop": "Texts before which the answer ends.",
    "stream": "True to get the answer as server-sent events.",
    "response_format": "The format of the answer. For json_object the model writes white space.",
    "tools": "Functions for the model to call. They are refused with 400.",
    "tool_choice": "Which function the model calls. It is refused with 400.",
    "logprobs": "True to get the log-probability of each token.",
    "top_logprobs": "How many likely tokens to list at each place. It needs logprobs.",
    "logit_bias": f"A bias for each token id, from 0 to {VOCABULARY_SIZE - 1}.",
    "n": "How many answers to write. More than one needs a temperature above 0.",
    "stream_options": "include_usage: True to get the usage in an event of its own.",
    "user": "A name for the person who asks. It has no effect.",
    "max_completion_tokens": "The newer name of max_tokens, which it overrides.",
    "continue_final_message": "True to go on from the last message instead of beginning a new one.",
    "add_generation_prompt": "False if continue_final_message is true, else true.",
    "extra_params": "Copies of the fields that the server does not know; the server writes it.",
}
# What the engine checks besides the types of its class.
LIMITS: dict[str, dict[str, float]] = {
    "temperature": {"minimum": 0, "maximum": 2},
    "top_p": {"exclusiveMinimum": 0, "maximum": 1},
    "frequency_penalty": {"minimum": -2, "maximum": 2},
    "presence_penalty": {"minimum": -2, "maximum": 2},
    "max_tokens": {"minimum": 1},
}
SET_BY_ENGINE = {"temperature": DEFAULT_TEMPERATURE, "top_p": DEFAULT_TOP_P}
TEXT = {"schema": {"type": "string"}}
TEXT_PART = {  # the only part of a message that the engine accepts; its class does not say so
    "description": "A part of a message. Images and sounds are refused: Phi-4 reads text only.",
    "type": "object",
    "properties": {"type": {"enum": ["text"]}, "text": {"type": "string"}},
    "required": ["type", "text"],
    "additionalProperties": True,
}


class ScoreInput(BaseModel):
    """Messages and parameters, under the names of the older route."""

    input_string: list[ChatMessage]
    parameters: dict[str, Any] = {}


class ScoreRequest(BaseModel):
    """The body of ``POST /score``."""

    input_data: ScoreInput


class WithoutTitles(GenerateJsonSchema):
    """Writes JSON schemas without titles for fields, which would repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False."""
        return False


@lru_cache(maxsize=16)
def document(server: Server, model: str, root: str = "", is_deployed: bool = False) -> dict:
    """Return the OpenAPI document of an endpoint.

    server: the server that it describes. model: the name of the model in the engine. root: the path
    under which the routes are. is_deployed: True for a deployed endpoint, which stands behind
    Azure's gateway. Do not change it: further calls return the same object.
    """
    paths = _paths(server)
    for operation in (operation for path in paths.values() for operation in path.values()):
        operation.setdefault("parameters", []).append(_server_header(server))
        if is_deployed:
            _stand_behind_gateway(operation)
    bearer = (
        "The key, or an access token of Microsoft Entra ID, in the header Authorization: Bearer."
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Simulated endpoint of Phi-4, server {server.name}",
            "version": __version__,
            "description": _description(server),
        },
        "servers": [{"url": root or "/"}],
        "security": [{"api-key": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(server, model),
            "securitySchemes": {
                "api-key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "api-key",
                    "description": "The key of the endpoint, in the header api-key.",
                },
                "bearer": {"type": "http", "scheme": "bearer", "description": bearer},
            },
        },
        FAULT_HEADER: {
            "description": f"The header {FAULT_HEADER} asks for an error, or for an answer that "
            "goes wrong, such as '429; retry-after=1; times=2'. A status that a route does not "
            "list, such as all from 500 on, comes only when it is asked for. Real endpoints ignore "
            "the header.",
            "names": [*FAULTS],
        },
    }


def _description(server: Server) -> str:
    """Return what a person should know about a server before the first request."""
    other = next(name for name in SERVERS if name != server.name)
    return (
        f"Phi-4 on managed compute, as the published server {server.image} answers. "
        f"The header {SERVER_HEADER}: {other} chooses the other server, which openapi.json"
        f"?server={other} describes. A path that is not listed gets 404."
    )


# Routes


def _paths(server: Server) -> dict[str, dict]:
    """Return the routes of a server, by path and method."""
    paths = {
        CHAT: {"post": _chat(server, is_v1=False)},
        V1_CHAT: {"post": _chat(server, is_v1=True)},
    }
    if server.has_info:
        summary = "Tell which model the endpoint serves"
        paths["/info"] = {"get": _operation("info", summary, _json("ModelInfo"))}
    if server.has_models:
        summary = "List the models of the engine"
        paths["/v1/models"] = {"get": _operation("models", summary, _json("ModelList"))}
    summary = "Tell that the server runs"
    paths["/"] = {"get": _operation("health", summary, {"text/plain": TEXT})}
    paths["/score"] = {
        "post": _operation(
            "score",
            "Answer messages: the older route, which MLClient.online_endpoints.invoke calls. A "
            "request that cannot be used gets an empty object",
            _json("ScoreAnswer"),
            body="ScoreRequest",
            example={"input_data": {"input_string": QUESTION["messages"]}},
        )
    }
    for path in ("/embeddings", "/images/embeddings"):
        name = path[1:].replace("/", "_")
        operation = _operation(name, "Refuse: this model writes texts only", {}, body="")
        operation["responses"]["404"] = _response("There is no such model.", {"text/plain": TEXT})
        paths[path] = {"post": operation}
    for path, people, content in (
        ("/openapi.json", "programs", _json(None)),
        ("/docs", "people", {"text/html": TEXT}),
    ):
        operation = _operation(
            path[1:].partition(".")[0], f"Describe the endpoint for {people}", content
        )
        operation |= {"security": [], "parameters": [_server_in_query()]}
        del operation["responses"]["401"]
        paths[path] = {"get": operation}
    return paths


def _operation(
    name: str,
    summary: str,
    content: dict[str, dict],
    body: str | None = None,
    example: dict | None = None,
) -> dict:
    """Return the description of a route, with the errors that all routes have.

    content: of the answer with status 200; empty if there is none. body: the schema of the request
    body, "" for any object, None for a route without a body.
    """
    responses = {"200": _response("The answer.", content)} if content else {}
    responses["400"] = _unreadable()
    responses["401"] = _response(
        "The key or the access token is missing or wrong.",
        _json("Unauthorized"),
        {"x-ms-error-reason": "Why it is refused."},
    )
    responses["405"] = _response(
        "The route has another method.", _json("DetailError"), {"allow": "The methods it has."}
    )
    if body is not None:
        responses["413"] = _response(
            f"The body has more than {MAX_BODY_SIZE} bytes (1 MiB).", _json("ServerError")
        )
    responses["431"] = _response("The headers are too large (64 KiB).", {"text/plain": TEXT})
    operation = {"operationId": name, "summary": f"{summary}.", "responses": responses}
    if body is not None:
        media_type = _json(body or None)["application/json"]
        if example:
            media_type["example"] = example
        operation["requestBody"] = {
            "required": bool(body),
            "content": {"application/json": media_type},
        }
    return operation


def _unreadable() -> dict:
    """Return the response to what any route, or the gateway before it, cannot read."""
    return _response(
        f"The header {SERVER_HEADER} or {FAULT_HEADER} has an unknown value, or the request is not "
        "valid HTTP.",
        _json("DetailError") | {"text/plain": TEXT},
    )


def _chat(server: Server, is_v1: bool) -> dict:
    """Return the description of a route for chat completions."""
    is_checked = server.checks(is_v1)
    stream = "piece by piece" if server.streams else "all at once, when the answer is complete"
    operation = _operation(
        "v1_chat_completions" if is_v1 else "chat_completions",
        "Answer a conversation",
        _json("ChatCompletion") | {"text/event-stream": {"schema": _ref("Event")}},
        body=request_class(server, is_v1).__name__,
        example=QUESTION,
    )
    checker = "the server, then the engine" if is_checked else "the engine alone"
    operation["description"] = (
        f"Requests are checked by {checker}. A stream arrives {stream}. "
        f"{_about_extras(server, is_v1)}"
    )
    responses = operation["responses"]
    errors = ["DetailError", "ServerError"] if is_checked else ["DetailError", "EngineError"]
    responses["400"] = _response(
        "The server or the engine refuses the request.",
        _json(*errors) | {"text/plain": TEXT},
    )
    if is_checked:
        responses["422"] = _response(
            "A field is missing, or has a wrong type or value. A body that is not sent as JSON is "
            "one text, and so of a wrong type.",
            _json("ServerError"),
        )
    if server.keeps_model:
        error = "DetailError" if is_checked else "EngineError"
        responses["404"] = _response("The engine has no model of this name.", _json(error))
    if is_checked:
        operation["parameters"] = [_extra_parameters_header(server, is_v1)]
    operation["responses"] = dict(sorted(responses.items()))
    return operation


def request_class(server: Server, is_v1: bool) -> type[BaseModel]:
    """Return the class that checks chat requests of a route first."""
    if not server.checks(is_v1):
        return EngineRequest
    return V1ChatRequest if is_v1 else ChatRequest


def _about_extras(server: Server, is_v1: bool) -> str:
    """Return what becomes of extra parameters, the fields that the server does not know."""
    header = f"the header {EXTRA_PARAMETERS_HEADER}: pass-through"
    if not server.checks(is_v1):
        return "All fields go to the engine as they are sent."
    if is_v1:
        return f"Fields that the server does not know are dropped silently without {header}."
    if server.extras_without_header == "error":
        return f"Fields that the server does not know need {header}; otherwise the answer is 400."
    return (
        "Fields that the server does not know go to the engine, unless the header "
        f"{EXTRA_PARAMETERS_HEADER} is error."
    )


def _extra_parameters_header(server: Server, is_v1: bool) -> dict:
    return {
        "name": EXTRA_PARAMETERS_HEADER,
        "in": "header",
        "description": _about_extras(server, is_v1),
        "schema": {"type": "string", "enum": [*EXTRA_PARAMETERS_MODES]},
    }


def _server_header(server: Server) -> dict:
    return {
        "name": SERVER_HEADER,
        "in": "header",
        "description": "The server that shall answer. Another name than this chooses another "
        "server, which has a document of its own.",
        "schema": {"type": "string", "enum": [server.name]},
    }


def _server_in_query() -> dict:
    return {
        "name": "server",
        "in": "query",
        "description": "The server to describe; by default the one that answers.",
        "schema": {"type": "string", "enum": [*SERVERS]},
    }


def _stand_behind_gateway(operation: dict) -> None:
    """Change the responses of a route to what a deployed endpoint answers.

    The gateway answers by itself, or turns an error of the server into 424.
    """
    responses = operation["responses"]
    own = {status: responses.pop(status) for status in ("200", "401", "431") if status in responses}
    content: dict[str, dict] = {}
    for response in responses.values():
        for media_type, value in response["content"].items():
            known = content.setdefault(media_type, {"schema": {"anyOf": []}})["schema"]["anyOf"]
            schema = value["schema"]
            known += [one for one in schema.get("anyOf", [schema]) if one not in known]
    headers = {
        "ms-azureml-model-error-statuscode": "The status that the server answered with.",
        "ms-azureml-model-error-reason": "model_error: the error is the server's.",
    }
    statuses = ", ".join(responses)
    own["424"] = _response(f"The server answered with an error ({statuses}).", content, headers)
    own["400"] = _unreadable()
    own["404"] = _response(
        "There is no such endpoint, or no deployment gets its traffic.", _json("ServerError")
    )
    own["408"] = _response(
        "The answer would take longer than the deployment's request_timeout_ms.",
        _json("ServerError"),
    )
    own["429"] = _response("Too many requests are under way.", {"text/plain": TEXT})
    operation["responses"] = dict(sorted(own.items()))


# Parts of a document


def _ref(name: str) -> dict:
    return {"$ref": REFERENCE + name}


def _json(*names: str | None) -> dict[str, dict]:
    """Return the content of a message that is JSON of one of the schemas; None for any object."""
    schemas = [_ref(name) if name else {"type": "object"} for name in names]
    return {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}


def _response(
    description: str, content: dict[str, dict], headers: dict[str, str] | None = None
) -> dict:
    """Return the description of a response. headers: those that it always has."""
    response: dict[str, Any] = {"description": description, "content": content}
    if headers:
        response["headers"] = {
            name: {"description": text, "required": True, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    return response


# Schemas


def _schemas(server: Server, model: str) -> dict[str, dict]:
    """Return the schemas of all requests and answers of a server, by name."""
    requests = [request_class(server, is_v1) for is_v1 in (False, True)]
    written = [(one, "validation") for one in (*requests, ScoreRequest, EngineRequest)]
    written += [(one, "serialization") for one in replies.ALL]
    _, definitions = models_json_schema(
        written, ref_template=REFERENCE + "{model}", schema_generator=WithoutTitles
    )
    schemas: dict[str, dict] = definitions["$defs"]
    engine = deepcopy(schemas["EngineRequest"]["properties"])
    for request in requests:
        schema = schemas[request.__name__]
        if request is not EngineRequest:
            _add_extras(schema, engine)
        _add_engine_checks(schema)
        for name, field in schema["properties"].items():
            field["description"] = FIELDS[name]
        _set_defaults(schema["properties"], server, request)
        if server.keeps_model:
            _variant(schema["properties"]["model"], "string")["enum"] = [model]
    if EngineRequest not in requests:
        del schemas["EngineRequest"]
    parts = _variant(schemas["EngineMessage"]["properties"]["content"], "array")["items"]
    parts["anyOf"][0] = _ref("TextPart")
    schemas["TextPart"] = TEXT_PART
    for name in ("Function", "FunctionDefinition"):
        schemas[name]["properties"]["name"]["pattern"] = FUNCTION_NAME.pattern
    schemas["Event"] = _event()
    for schema in schemas.values():
        text = schema.get("description", "").partition("\n")[0]  # more of it is about the code
        schema["description"] = text.replace("``", "")
    return dict(sorted(schemas.items()))


def _add_extras(schema: dict, engine: dict[str, dict]) -> None:
    """Add the parameters that only the engine knows to the schema of a request."""
    for name, field in engine.items():
        schema["properties"].setdefault(name, field | {"x-extra-parameter": True})


def _add_engine_checks(schema: dict) -> None:
    """Add what the engine checks, or the server by code, to the schema of a request."""
    fields = schema["properties"]
    fields["messages"]["minItems"] = 1
    fields["logit_bias"]["anyOf"][0]["propertyNames"] = {"pattern": "^[0-9]{1,6}$"}
    for name, limits in LIMITS.items():
        number = _variant(fields[name], "number", "integer")
        for keyword, value in limits.items():
            tighter = max if "inimum" in keyword else min
            number[keyword] = tighter(value, number.get(keyword, value))
        if "exclusiveMinimum" in number:
            number.pop("minimum", None)


def _variant(field: dict, *types: str) -> dict:
    """Return the variant of a field's schema that has one of the types."""
    return next(one for one in field.get("anyOf", [field]) if one.get("type") in types)


def _set_defaults(fields: dict[str, dict], server: Server, request: type[BaseModel]) -> None:
    """Write down what applies to the fields that a request leaves unset."""
    if request is not EngineRequest and server.sends_defaults:
        return
    for name, field in fields.items():
        field.pop("default", None)
        if name in SET_BY_ENGINE:
            field["default"] = SET_BY_ENGINE[name]
    fields["max_tokens"]["description"] += " By default as many as the context has room for."


def _event() -> dict:
    """Return the schema of one server-sent event."""
    chunk = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": _ref("ChatCompletionChunk"),
    }
    return {
        "description": "One event of a stream. Its data is a chunk as JSON; the last event has "
        "[DONE].",
        "type": "object",
        "properties": {
            "event": {"const": "message"},  # the name of an event without one
            "data": {"anyOf": [{"const": "[DONE]"}, chunk]},
        },
        "required": ["data"],
        "additionalProperties": False,
    }
