"""Run the published server of managed compute, without its engine, and say what it answers.

Reads requests from stdin and writes responses to stdout, one JSON object a line:

* a request: ``path``, ``headers`` (an object) and ``body`` (base64)
* a response: ``status``, ``body`` (JSON, or the text of another one) and ``sent``: what the server
  sent on to its engine, or null if it did not.

The server is the wheel llm-optimized-inference. Its routes, request classes, adapter and error
handlers are the real ones. Only the heavy libraries that they import are replaced by empty modules,
and the engine by one that answers every request with the same text.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.abc
import importlib.machinery
import json
import logging
import sys
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

# What the server imports beside its own modules, and needs only to run a model.
HEAVY = (
    "PIL azure azureml mlflow numpy pandas requests torch transformers uvicorn vllm yaml"
).split()
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "the engine's name",
    "choices": [CHOICE],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


class EmptyModule(ModuleType):
    """A module that has every name. None of them does anything."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock(name=name)


class EmptyModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Provides empty modules in place of the heavy ones."""

    def find_spec(self, name: str, path: object, target: object = None) -> object:
        is_heavy = name.partition(".")[0] in HEAVY
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if is_heavy else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return EmptyModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty."""


class Engine:
    """Takes the place of vLLM: keeps what the server sends, and answers."""

    def __init__(self) -> None:
        self.sent: dict | None = None

    def post(self, url: str, headers: dict, json: dict, stream: bool) -> SimpleNamespace:
        """Return an answer as ``requests.post`` does."""
        self.sent = json
        return SimpleNamespace(
            status_code=200,
            headers={"Content-Type": "text/event-stream" if stream else "application/json"},
            json=lambda: json_copy(ANSWER),
            iter_lines=lambda: [b"data: [DONE]"],
        )


def json_copy(content: object) -> object:
    """Return a copy of JSON content, as it arrives by a connection."""
    return json.loads(json.dumps(content))


def load_server(engine: Engine) -> object:
    """Return the server's application, set up for a chat model behind vLLM."""
    sys.meta_path.insert(0, EmptyModules())
    from llm.optimized.inference import api_server
    from llm.optimized.inference.engine import vllm_engine

    vllm_engine.requests.post = engine.post
    send = vllm_engine.VLLMEngine.generate_openai_response
    settings = SimpleNamespace(server_url="http://engine")
    api_server.g_fmscorer = SimpleNamespace(
        run_openai_async=lambda request, headers: send(settings, request, headers)
    )
    api_server.g_engine_config = {"engine_name": "vllm", "model_id": "the engine's model"}
    api_server.g_model_info = {"model_type": "chat-completion", "model_name": "Phi-4"}
    api_server.task_type = "chat-completion"
    api_server._get_jsonable_obj = lambda content, **options: api_server.jsonable_encoder(content)
    return api_server.app


async def respond(application: object, request: dict) -> tuple[int, bytes]:
    """Return (status, body) of the application's response to a request."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in request["headers"].items()
    ]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": request["path"],
        "raw_path": request["path"].encode(),
        "query_string": b"",
        "headers": headers,
        "server": ("localhost", 80),
        "client": ("localhost", 1),
    }
    status, body, messages = 0, b"", asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": base64.b64decode(request["body"])})

    async def send(message: dict) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    try:
        await application(scope, messages.get, send)
    except Exception:
        if status != 500:  # the server has answered 500 and lets its own server log the error
            raise
    return status, body


def main() -> None:
    output, sys.stdout = sys.stdout, sys.stderr  # the server prints
    logging.disable()
    engine = Engine()
    application = load_server(engine)
    for line in sys.stdin:
        engine.sent = None
        status, body = asyncio.run(respond(application, json.loads(line)))
        try:
            content = json.loads(body)
        except ValueError:
            content = body.decode()
        print(
            json.dumps({"status": status, "body": content, "sent": engine.sent}),
            file=output,
            flush=True,
        )


if __name__ == "__main__":
    main()
