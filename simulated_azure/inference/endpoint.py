"""The routes of an inference endpoint: what a deployed Phi-4 answers, by the Azure AI Model Inference API.

api-version 2024-05-01-preview, as recorded traffic and the published servers show it (servers.py: where they differ).
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING

from ..errors import HTTPError, container_error
from ..http import Access, Pause, Request, Response, Route, Steps, Wait, json_response
from .servers import MODEL_FOLDER, NAMES, SERVERS

if TYPE_CHECKING:
    from ..upstream.answer import UpstreamAnswer
    from ..upstream.upstream import Upstream
    from .completions import Assistant, Completion
    from .engine import Call

UPSTREAM_PATH = "/simulator/upstream"
UPSTREAM_HEADER = "x-simulated-upstream"
MODEL_NAME, MODEL_VERSION = "Phi-4", "8"
INFO = {
    "model_name": MODEL_NAME,
    "model_type": "chat-completion",
    "model_provider_name": "Microsoft",
    "served_model_name": MODEL_NAME,
    "served_model_type": "chat-completion",
}
# Seconds for a single request to Phi-4 on one A100, by a public benchmark of vLLM.
SECONDS_TO_FIRST_TOKEN, SECONDS_PER_TOKEN = 0.067, 0.0225
GPU_SECONDS_HEADER = "x-simulated-seconds"  # how long a GPU would have taken for a whole answer
WAIT_FOR_MODEL = 0.01  # seconds between looks at whether the model is loaded
JSON_WITH_EXTRAS = {"content-type": "application/json", "extra-parameters": "pass-through"}


class InferenceEndpoint:
    """Answers the routes of an endpoint with the tiny language model, or with an upstream.

    token_delay: seconds that the model takes for each token. assistant: a loaded model to share; None to load one when it is
    first needed, which takes about half a second.
    """

    def __init__(self, token_delay: float = 0.0, assistant: Assistant | None = None):
        self.token_delay = token_delay
        self.upstream: Upstream | None = None  # a server that answers instead of the model
        self.is_loading = False  # set by a transport that loads the model in the background
        self._assistant = assistant
        self._loading_error: HTTPError | None = None

    def routes(self) -> list[Route]:
        """Return the routes that every endpoint has, the deployed ones as well."""
        return [
            Route("GET", "/", self.health),
            Route("GET", "/info", self.info),
            Route("POST", "/chat/completions", self.complete),
            Route("POST", "/v1/chat/completions", self.complete),
            Route("POST", "/score", self.score),
            Route("GET", "/v1/models", self.models),
            Route("POST", "/embeddings", self.refuse_embeddings),
            Route("POST", "/images/embeddings", self.refuse_embeddings),
            Route("GET", "/openapi.json", self.openapi, Access.PUBLIC),
            Route("GET", "/docs", self.docs, Access.PUBLIC),
        ]

    def load(self) -> None:
        """Load the language model. Raises HTTPError (500) where it cannot be loaded; so does every completion then."""
        try:
            self.assistant()
        finally:
            self.is_loading = False

    def assistant(self) -> Assistant:
        """Return the language model; load it if need be."""
        if self._loading_error is not None:
            raise self._loading_error
        if self._assistant is None:
            from .completions import Assistant

            try:
                self._assistant = Assistant(MODEL_NAME)
            except Exception as error:  # a damaged vocabulary, a slip in answers/*.toml
                body = container_error(500, "Internal Server Error", f"No model: {error}")
                self._loading_error = HTTPError(500, body)
                raise self._loading_error from error
        return self._assistant

    def health(self, request: Request) -> Response:
        """Return the container's answer to a health probe."""
        return Response(200, b"healthy", {"content-type": "text/plain"})

    def info(self, request: Request) -> Steps:
        """Return what the endpoint serves. Raises HTTPError (404) where the server does not tell."""
        if not request.server.has_info:
            raise HTTPError(404, {"detail": "Not Found"})
        name = yield from self._name(request, _model_name(request))
        provider = {"model_provider_name": "upstream"} if self._is_upstream(request) else {}
        content = INFO | provider | {"model_name": name, "served_model_name": name}
        return json_response(200, content, self._upstream_header())

    def models(self, request: Request) -> Steps:
        """Return the list of models, as OpenAI's clients ask for it. Raises HTTPError (404) where the server has none."""
        if not request.server.has_models:
            raise HTTPError(404, {"detail": "Not Found"})
        name = yield from self._name(request, served_name(request))
        owner = "upstream" if self._is_upstream(request) else "simulated"
        model = {"created": 0, "id": name, "object": "model", "owned_by": owner}
        return json_response(200, {"data": [model], "object": "list"}, self._upstream_header())

    def show_upstream(self, request: Request) -> Response:
        """Return which server writes the answers instead of the simulated model, and what it lacks."""
        return json_response(200, {"upstream": self.upstream and self.upstream.state()})

    def refuse_embeddings(self, request: Request) -> Response:
        """Raise the HTTPError (404) of a deployment that serves a chat model only."""
        raise HTTPError(404, "NOT FOUND")

    def openapi(self, request: Request) -> Response:
        """Return the OpenAPI document of the endpoint."""
        return json_response(200, _document(request))

    def docs(self, request: Request) -> Response:
        """Return a page that shows the OpenAPI document to people."""
        from .page import SECURITY_POLICY, write_page

        headers = {
            "content-type": "text/html; charset=utf-8",
            "content-security-policy": SECURITY_POLICY,
        }
        return Response(200, write_page(_document(request)).encode(), headers)

    def complete(self, request: Request) -> Steps:
        """Return a chat completion, whole or as a stream of server-sent events."""
        answer = yield from self._answer(request, request.body, request.headers)
        request.fault.change_answer(answer)
        # An upstream takes its own time.
        pace = request.fault.pace(0.0 if self.upstream else self.token_delay)
        if answer.wants_stream:
            headers = {"content-type": "text/event-stream; charset=utf-8"} | answer.headers()
            events = request.fault.stream(answer.events())
            if request.server.streams:
                return Response(200, events, headers, pace=pace, on_close=answer.close)
            body = yield from _read_all(events)
            tokens = answer.usage()["completion_tokens"]
            headers |= _gpu_seconds(request, tokens)
            return Response(200, body, headers, pace * tokens)
        content = yield from answer.body_in_steps()
        tokens = answer.usage()["completion_tokens"]
        delay = pace * tokens
        headers = {"content-type": "application/json"} | _gpu_seconds(request, tokens)
        headers |= answer.headers()
        body = request.fault.body(content)
        if isinstance(body, dict):
            return json_response(200, body, headers, delay)
        return Response(200, body, headers, delay)

    def score(self, request: Request) -> Steps:
        """Return a text for messages: the container's older route, which ``MLClient.online_endpoints.invoke`` calls.

        As the container does, it answers 200 with an empty object to whatever it cannot use.
        """
        try:
            body = _chat_request(json.loads(request.body)["input_data"])
            answer = yield from self._answer(request, body, JSON_WITH_EXTRAS)
        except (
            HTTPError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
        ) as error:
            if request.bill is not None and request.bill.is_refused:
                raise error  # noqa: TRY201  (it comes from before the container)
            return json_response(200, {})
        content = yield from answer.body_in_steps()
        text = content["choices"][0]["message"]["content"]
        tokens = answer.usage()["completion_tokens"]
        return json_response(200, {"output": text}, _gpu_seconds(request, tokens))

    def _answer(
        self, request: Request, body: bytes, headers: Mapping[str, str]
    ) -> Generator[Wait, None, Completion]:
        """Return the answer to a chat request, about to be generated."""
        if request.bill is not None:
            request.bill.check()
        if self.upstream:
            return (yield from self._upstream_answer(self.upstream, request, body, headers))
        while self.is_loading:
            yield WAIT_FOR_MODEL
        assistant = self.assistant()
        from .engine import read_call  # with the model's libraries, which take a while to load

        is_v1, name = request.path.startswith("/v1/"), served_name(request)
        call = read_call(body, headers, request.server, is_v1, name)
        if request.bill is not None:
            request.bill.note_question(call.messages())
        answer = yield from assistant.answer_in_steps(call)
        if request.bill is not None:
            request.bill.begin(answer.prompt_tokens)
            for writer in answer.writers:
                writer.pay = request.bill.pay
        answer.model_name = name if request.server.keeps_model else _model_name(request)
        return answer

    def _upstream_answer(
        self, upstream: Upstream, request: Request, body: bytes, headers: Mapping[str, str]
    ) -> Generator[Wait, None, Completion]:
        """Return the upstream's answer to a chat request that passes this endpoint's checks."""
        from .engine import read_call

        name = yield from self._name(request, served_name(request))
        is_v1 = request.path.startswith("/v1/")
        call = read_call(body, headers, request.server, is_v1, name, vocabulary_size=None)
        if request.bill is None:
            return (yield from upstream.answer_in_steps(call, request))
        return (yield from self._billed_answer(upstream, call, request))

    def _billed_answer(
        self, upstream: Upstream, call: Call, request: Request
    ) -> Generator[Wait, None, UpstreamAnswer]:
        """Return the upstream's answer when it is the seat's turn, as long as its budget allows.

        Its tokens are paid for ahead, and corrected at the end: by the upstream's own counts or, if
        it tells none, by this endpoint's.
        """
        from .tokens import count_prompt_in_steps

        bill, messages = request.bill, call.messages()
        bill.note_question(messages)
        prompt_tokens = yield from count_prompt_in_steps(messages)
        count = call.request.n or 1
        wanted = call.max_tokens and call.max_tokens * count
        limit = yield from bill.reserve(prompt_tokens, wanted)
        used = [lambda: 0]  # called at the end: how many tokens the request has used
        bill.at_close.append(lambda: bill.settle(used[-1]()))
        if limit is not None:
            call.fields.pop("max_completion_tokens", None)
            call.fields["max_tokens"] = max(1, limit // count)
        yield from bill.places.enter(bill.seat.name)
        bill.at_close.append(bill.places.leave)
        used.append(lambda: prompt_tokens)  # if the client leaves before the answer begins
        try:
            answer = yield from upstream.answer_in_steps(call, request)
        except HTTPError:
            used.append(lambda: 0)
            raise
        used.append(lambda: answer.usage()["total_tokens"] or prompt_tokens + answer.pieces)
        return answer

    def _upstream_header(self) -> dict[str, str]:
        """Return the header that names the server which writes the answers, if it is another one."""
        return {UPSTREAM_HEADER: self.upstream.header} if self.upstream else {}

    def _is_upstream(self, request: Request) -> bool:
        """Return True if the endpoint has the upstream's model, not one that was deployed here."""
        return self.upstream is not None and request.deployment is None

    def _name(self, request: Request, own: str) -> Generator[Wait, None, str]:
        """Return the name of an endpoint's model: the upstream's, or its own.

        Raises HTTPError (502 or 408) if the upstream cannot be asked for it.
        """
        if not self._is_upstream(request):
            return own
        return (yield from self.upstream.name_in_steps(request))


def _read_all(events: Iterator[bytes]) -> Generator[Wait, None, bytes | Iterator[bytes]]:
    """Return all events of a stream in one piece. Yield 0.0 after each, to give way to others.

    If the stream breaks off, return pieces that break off where it does.
    """
    body = b""
    try:
        for event in events:
            body += event
            yield event.future if isinstance(event, Pause) else 0.0
    except ConnectionAbortedError:
        return _broken(body)
    return body


def _broken(body: bytes) -> Iterator[bytes]:
    """Yield a body, then break off."""
    yield body
    raise ConnectionAbortedError


def _chat_request(input_data: dict) -> bytes:
    """Return the body of a chat request for the ``input_data`` of /score.

    >>> _chat_request({"input_string": [], "parameters": {"max_new_tokens": 9, "do_sample": False}})
    b'{"max_tokens": 9, "temperature": 0, "messages": [], "stream": false}'
    """
    parameters = dict(input_data.get("parameters", {}))
    if "max_new_tokens" in parameters:
        parameters["max_tokens"] = parameters.pop("max_new_tokens")
    if (
        parameters.pop("do_sample", True) is False
    ):  # the word of the library transformers for a choice without chance
        parameters["temperature"] = 0
    return json.dumps(
        {**parameters, "messages": input_data["input_string"], "stream": False}
    ).encode()


def _document(request: Request) -> dict:
    """Return the OpenAPI document of the server that answers, or that the query names.

    Raises HTTPError (400) if the query names an unknown server.
    """
    from .openapi import document  # it takes a while to load, and few clients ask for it

    name = request.query_params.get("server", request.server.name)
    if name not in SERVERS:
        message = f"The parameter server of the query has an unknown value, expected {NAMES}."
        raise HTTPError(400, {"detail": message})
    root = ""
    if request.deployment:
        root = "/{endpoint}.{region}.inference.ml".format_map(request.path_params)
    return document(SERVERS[name], served_name(request), root, bool(request.deployment))


def _model_name(request: Request) -> str:
    """Return the name of the model that a request goes to."""
    return request.deployment.model_name if request.deployment else MODEL_NAME


def served_name(request: Request) -> str:
    """Return the name of the model in the engine, which ``model`` has to be where it is checked.

    That is the path of the model's folder, unless the deployment's variable AML_SERVED_MODEL_NAME
    sets another.
    """
    if request.deployment:
        return request.deployment.served_name
    return MODEL_FOLDER.format(name=MODEL_NAME, version=MODEL_VERSION)


def _gpu_seconds(request: Request, tokens: int) -> dict[str, str]:
    """Return the header that says how long a GPU would have taken; only for a deployment, which has a time-out."""
    seconds = SECONDS_TO_FIRST_TOKEN + SECONDS_PER_TOKEN * tokens
    return {GPU_SECONDS_HEADER: f"{seconds:.2f}"} if request.deployment else {}
