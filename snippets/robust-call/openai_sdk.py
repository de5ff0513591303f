# Last run with openai 3.54.0 and httpx2 2.16.2 on 29 November 2026.
# Needs AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL; reads AZURE_INFERENCE_MODEL.
"""Ask a chat model: the result is a whole answer, or an exception that says whether asking again helps."""

import asyncio
import functools
import json
import logging
import os
import random
import threading
import uuid
from dataclasses import dataclass

import httpx2
from openai import APIError, APIStatusError, AsyncOpenAI
from openai.types import CompletionUsage

log = logging.getLogger("robust_call")  # gets neither the key nor the texts
PASSING = {408, 409, 429, 500, 502, 503, 504}  # statuses after which the same request may succeed
PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds


@dataclass(frozen=True)
class Answer:
    text: str
    finish_reason: str  # "stop"; "length": cut off at max_tokens; "content_filter": withheld
    usage: CompletionUsage | None  # None: the server did not count
    attempts: int


class CallError(Exception):
    """A call without a whole answer. What the server did not say is None; ``text`` is what had arrived."""

    def __init__(self, reason: str, status: int | None = None, code: str | None = None, retry_after: float | None = None):
        super().__init__(reason if status is None else f"{status}: {reason}")
        self.status, self.code, self.retry_after, self.text = status, code, retry_after, ""


class RefusedError(CallError):
    """The same call would be refused again: change the key, the endpoint or the request."""


class UnavailableError(CallError):
    """The same call may succeed later, after ``retry_after`` seconds if the server said so."""


class DeadlineError(UnavailableError):
    """The deadline is over."""


class Chat:
    """A client of one endpoint. Use an object with ``ask`` or with ``ask_async``, not with both: connections belong to a loop."""

    def __init__(self, endpoint: str, key: str, model: str = ""):
        if not endpoint.startswith(("https://", "http://")):
            raise ValueError("the endpoint has to begin with https://")
        if not key.isascii() or not key.isprintable() or " " in key or not key:
            raise ValueError("the key is empty, or holds spaces, line breaks or characters that are not ASCII")
        self.key, self.model = key, model
        headers = {"extra-parameters": "pass-through"}  # or an inference server ignores stream_options
        timeout = httpx2.Timeout(None, connect=10)  # seconds; the deadline limits everything else
        url = endpoint.rstrip("/") + "/v1"
        self.client = AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=timeout, default_headers=headers)

    def ask(self, messages: list[dict], **options) -> Answer:
        """Do the same as ``ask_async`` in code that is not asynchronous, also in a notebook."""
        call = asyncio.run_coroutine_threadsafe(self.ask_async(messages, **options), background_loop())
        try:
            return call.result()
        finally:
            call.cancel()  # after Ctrl+C it would go on

    async def ask_async(self, messages: list[dict], deadline: float = 120.0, attempts: int = 5, **settings) -> Answer:
        """Return the whole answer. ``deadline``: seconds for all attempts, pauses and the stream together.

        Raises RefusedError, UnavailableError or DeadlineError.
        """
        pieces: list[str] = []
        settings["extra_headers"] = {"x-ms-client-request-id": str(uuid.uuid4())} | settings.get("extra_headers", {})
        request_id = settings["extra_headers"]["x-ms-client-request-id"]
        try:
            async with asyncio.timeout(deadline) as limit:
                for attempt in range(1, attempts + 1):
                    pieces.clear()
                    try:
                        reason, usage = await self._attempt(messages, pieces, settings)
                        log.info("answered: attempt %d, %s, request %s", attempt, reason, request_id)
                        return Answer("".join(pieces), reason, usage, attempt)
                    except (APIError, httpx2.HTTPError, json.JSONDecodeError, CallError) as error:
                        failure = self._failure(error)
                    log.warning("attempt %d failed: %s (request %s)", attempt, failure, request_id)
                    pause = max(min(PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE), failure.retry_after or 0) * random.uniform(1, 1.5)
                    too_late = asyncio.get_running_loop().time() + pause > limit.when()
                    if isinstance(failure, RefusedError) or attempt == attempts or too_late:
                        break
                    await asyncio.sleep(pause)
        except TimeoutError:
            failure = DeadlineError(f"no whole answer within {deadline:g} seconds")
        failure.text = "".join(pieces)
        raise failure from None  # the causes may quote headers, and so the key

    async def _attempt(self, messages: list[dict], pieces: list[str], settings: dict) -> tuple[str, CompletionUsage | None]:
        """Return (finish reason, usage) of an answer, and put its text into ``pieces``."""
        self.model = self.model or await self._served_model()
        options = {"stream_options": {"include_usage": True}} | settings
        stream = await self.client.chat.completions.create(model=self.model, messages=messages, stream=True, **options)
        reason = usage = None
        async with stream:  # closed also where the deadline ends it: the server stops working
            async for chunk in stream:  # one chunk after another, or all at once where the server waits for the end
                for choice in chunk.choices:
                    pieces.append(choice.delta.content or "")
                    reason = choice.finish_reason or reason
                usage = chunk.usage or usage
        if not reason:
            raise UnavailableError("the answer broke off")
        return reason, usage

    async def _served_model(self) -> str:
        """Return the name that the server asks for, or any name if it has no list."""
        try:
            return (await self.client.models.list()).data[0].id
        except APIStatusError as error:
            if self._failure(error).status == 404:
                return "Phi-4"
            raise

    def _failure(self, error: Exception) -> CallError:
        """Return an error of the client as one of this file, without the key."""
        if isinstance(error, CallError):
            return error
        if not isinstance(error, APIStatusError):
            cause = error.__cause__ or error
            text = f"{type(cause).__name__}: {cause}".replace(self.key, "[key]")
            lasting = isinstance(cause, (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol)) or "CERTIFICATE" in text
            return (RefusedError if lasting else UnavailableError)(text)
        headers = error.response.headers
        hidden, wait = headers.get("ms-azureml-model-error-statuscode", ""), headers.get("retry-after", "")
        status = int(hidden) if hidden.isdecimal() else error.status_code  # Azure hides the server's status behind 424
        reason = " ".join(error.response.text.split()) or error.response.reason_phrase
        kind = UnavailableError if status in PASSING else RefusedError
        seconds = float(wait) if wait.isdecimal() else None  # a date, which the header may also hold, is ignored
        return kind(reason.replace(self.key, "[key]")[:400], status, error.code, seconds)


@functools.cache
def background_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop that runs in a thread of its own until the program ends."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


if __name__ == "__main__":
    endpoint, key = os.environ["AZURE_INFERENCE_ENDPOINT"], os.environ["AZURE_INFERENCE_CREDENTIAL"].strip()
    chat = Chat(endpoint, key, os.environ.get("AZURE_INFERENCE_MODEL", ""))
    answer = chat.ask([{"role": "user", "content": "What is the capital of France?"}], temperature=0)
    print(answer.text)
    print("Finish reason:", answer.finish_reason)
