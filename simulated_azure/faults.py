"""Faults on request: what goes wrong on real endpoints, asked for with the header ``x-simulated-fault``.

Real endpoints ignore that header, so a lesson about errors is ordinary SDK code. Its value is a
name and options, such as ``429; retry-after=1; times=2``. The options are:

* ``times``: only the first so many attempts of a request fail. Attempts are counted by the client's
  request id, or by the number of retries that the client sends;
* ``retry-after``: seconds, sent as a header;
* ``after``: the number of pieces of a stream before it happens (default 5);
* ``seconds``: a pause.

To add a fault, put an error answer into REFUSALS, or write a class with the hooks that it needs and
put it into CHANGES.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import UNAUTHORIZED, HTTPError, container_error, through_gateway

if TYPE_CHECKING:
    from .http import Request, Response
    from .inference.completions import Answer

HEADER = "x-simulated-fault"
MAX_HEADER_LENGTH = 200  # characters
MAX_SECONDS = 600.0
MAX_COUNTED_ATTEMPTS = 1000
DIGITS = re.compile(r"[0-9]{1,6}")
FINISH_REASON = re.compile(rb'"finish_reason":"\w+"')
MODEL_STOPPED = {
    "error": {"code": "Internal Server Error", "message": "The model stopped.", "status": 500}
}


@dataclass(frozen=True)
class Options:
    """The options of a fault. ``seconds`` is None for the fault's own default."""

    retry_after: str | None = None
    times: int | None = None
    after: int = 5
    seconds: float | None = None


class Fault:
    """Something that goes wrong on request.

    Each hook is called at one point of a request's way, and does nothing here: a fault overrides the hooks it needs.
    """

    default_seconds = 0.0  # a pause, unless the option ``seconds`` gives another

    def __init__(self, options: Options = Options()):  # noqa: B008  (frozen)
        self.options = options
        self.seconds = self.default_seconds if options.seconds is None else options.seconds

    def before(self, request: Request) -> None:
        """Raise HTTPError to refuse the request. The key has been checked, the body has not."""

    def change_error(self, error: HTTPError) -> HTTPError:
        """Return the error answer to send."""
        return error

    def change_answer(self, answer: Answer) -> None:
        """Change how an answer is written, before it is generated."""

    def pace(self, seconds: float) -> float:
        """Return the seconds for each token, instead of the usual ones."""
        return seconds

    def stream(self, events: Iterator[bytes]) -> Iterator[bytes]:
        """Return the events to send. Raises ConnectionAbortedError where the connection breaks."""
        return events

    def body(self, body: dict) -> dict | Iterator[bytes]:
        """Return the whole answer to send: JSON, or pieces as in ``stream``."""
        return body

    def change_response(self, response: Response) -> None:
        """Change the response just before it is sent."""


NO_FAULT = Fault()


# Refusals: an error answer in place of the model's


class Refusal(Fault):
    """An error answer, as recorded where traffic was recorded."""

    status: int
    content: dict | str
    headers: Mapping[str, str] = {}

    def before(self, request: Request) -> None:
        raise self.error(self.options.retry_after)

    @classmethod
    def error(cls, retry_after: str | None = None) -> HTTPError:
        """Return the error answer."""
        more = {"Retry-After": retry_after} if retry_after else {}
        return HTTPError(cls.status, cls.content, {**cls.headers, **more})


def _refusal(
    status: int, content: dict | str, headers: Mapping[str, str] | None = None
) -> type[Refusal]:
    """Return a class of refusals."""
    attributes = {"status": status, "content": content, "headers": headers or {}}
    return type(f"Refusal{status}", (Refusal,), attributes)


def _container_refusal(status: int, code: str, message: str) -> type[Refusal]:
    return _refusal(status, container_error(status, code, message))


CONTENT_FILTER = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Microsoft's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
    }
}
MODEL_ERROR = "ms-azureml-model-error-reason"
MODEL_STATUS = "ms-azureml-model-error-statuscode"
NOT_READY = container_error(503, "Service Unavailable", "The model is not ready yet.")
Unauthorized = _refusal(401, UNAUTHORIZED, {"x-ms-error-reason": "Invalid JWT."})
TooManyRequests = _refusal(429, "", {MODEL_ERROR: "too_many_pending_request"})
REFUSALS: dict[str, type[Refusal]] = {
    "401": Unauthorized,
    "403": _container_refusal(403, "Forbidden", "The identity may not call this endpoint."),
    "404": _refusal(404, {"detail": "Not Found"}),
    "408": _container_refusal(408, "Request Timeout", "The request timed out."),
    "424": _refusal(
        424, {"detail": "Not Found"}, {MODEL_STATUS: "404", MODEL_ERROR: "model_error"}
    ),
    "424-503": _refusal(424, NOT_READY, {MODEL_STATUS: "503", MODEL_ERROR: "model_error"}),
    "429": TooManyRequests,
    "500": _container_refusal(
        500, "Internal Server Error", "An error occurred during the request processing."
    ),
    "502": _container_refusal(502, "Bad Gateway", "The model server could not be reached."),
    "503": _container_refusal(503, "Service Unavailable", "No replica of the model is ready."),
    "504": _container_refusal(504, "Gateway Timeout", "The model server did not answer in time."),
    "content-filter": _refusal(400, CONTENT_FILTER),
}


# Changes: what is done to the model's answer


class Wait(Fault):
    """Says nothing for ``seconds`` (default 2), then answers."""

    default_seconds = 2.0

    def change_response(self, response: Response) -> None:
        response.delay += self.seconds


class Slow(Fault):
    """Pauses for ``seconds`` (default 0.25) between tokens."""

    default_seconds = 0.25

    def pace(self, seconds: float) -> float:
        return self.seconds


class Interruption(Fault):
    """A fault that happens once in a stream: after so many pieces, or before the last event at the latest."""

    def marked(self, events: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
        """Yield (event, whether the fault happens before it)."""
        number, is_over = -1, False
        for event in events:
            if not event:  # only a turn for other requests
                yield event, False
                continue
            number += 1
            # The first event carries the role and is not a piece of the text.
            is_due = not is_over and (number == self.options.after + 1 or _is_last(event))
            is_over = is_over or is_due
            yield event, is_due


class Cut(Interruption):
    """Breaks the connection: after ``after`` pieces of a stream, or within a whole answer."""

    def stream(self, events: Iterator[bytes]) -> Iterator[bytes]:
        for event, is_due in self.marked(events):
            if is_due:
                raise ConnectionAbortedError
            yield event

    def body(self, body: dict) -> Iterator[bytes]:
        content = json.dumps(body).encode()
        yield content[: len(content) // 2]
        raise ConnectionAbortedError


class End(Interruption):
    """Ends a stream after ``after`` pieces, without a finish_reason and without [DONE]."""

    def stream(self, events: Iterator[bytes]) -> Iterator[bytes]:
        for event, is_due in self.marked(events):
            if is_due:
                return
            yield event


class ErrorEvent(Interruption):
    """Puts an error event into a stream after ``after`` pieces, and goes on."""

    prefix = b""

    def stream(self, events: Iterator[bytes]) -> Iterator[bytes]:
        for event, is_due in self.marked(events):
            if is_due:
                yield self.prefix + _event(MODEL_STOPPED)
            yield event


class EventLine(ErrorEvent):
    """Does the same as the container writes it, with a line ``event: error``."""

    prefix = b"event: error\n"


class EmptyChoices(Fault):
    """Begins a stream with a chunk whose ``choices`` is empty."""

    def stream(self, events: Iterator[bytes]) -> Iterator[bytes]:
        yield _event({"choices": [], "prompt_filter_results": []})
        yield from events


class UsageApart(Fault):
    """Sends the usage in a last chunk of its own, with empty ``choices``."""

    def change_answer(self, answer: Answer) -> None:
        answer.usage_apart = True


class FilteredAnswer(Interruption):
    """Ends the answer after ``after`` pieces, with finish_reason content_filter."""

    def stream(self, events: Iterator[bytes]) -> Iterator[bytes]:
        is_filtered = False
        for event, is_due in self.marked(events):
            is_filtered = is_filtered or is_due
            if not is_filtered or event.startswith(b"data: [DONE]"):
                yield event
            elif _is_last(event):
                yield FINISH_REASON.sub(b'"finish_reason":"content_filter"', event)

    def body(self, body: dict) -> dict:
        for choice in body["choices"]:
            choice["finish_reason"] = "content_filter"
            choice["message"]["content"] = ""
        return body


class NoLogprobs(Fault):
    """Leaves out log-probabilities, as the container of 2025 did."""

    def change_answer(self, answer: Answer) -> None:
        answer.with_logprobs = False

    def stream(self, events: Iterator[bytes]) -> Iterator[bytes]:
        # An empty piece may say what to wait for, so it stays as it is.
        return (event and event.replace(b',"logprobs":null', b"") for event in events)

    def body(self, body: dict) -> dict:
        for choice in body["choices"]:
            del choice["logprobs"]
        return body


class NoInfo(Fault):
    """Has no route /info, like newer containers."""

    def before(self, request: Request) -> None:
        if request.path.endswith("/info"):
            raise HTTPError(404, {"detail": "Not Found"})


class Gateway(Fault):
    """Turns an error of the container into 424, as managed online endpoints do."""

    def change_response(self, response: Response) -> None:
        if response.status not in (200, 401, 424):
            through_gateway(response)


class DetailList(Fault):
    """Words a 422 as some serverless endpoints did: ``detail`` is a list."""

    def change_error(self, error: HTTPError) -> HTTPError:
        if error.status != 422:
            return error
        return HTTPError(422, {"detail": error.body["error"]["details"]})


class DetailObject(Fault):
    """Words a 422 as the API reference prints it: ``detail`` is an object."""

    def change_error(self, error: HTTPError) -> HTTPError:
        if error.status != 422:
            return error
        first = error.body["error"]["details"][0]
        message = "One of the parameters contain invalid values."
        detail = {"loc": first["loc"], "input": first["input"]}
        body = {
            "status": 422,
            "code": "parameter_not_supported",
            "detail": detail,
            "message": message,
        }
        return HTTPError(422, body)


CHANGES: dict[str, type[Fault]] = {
    "wait": Wait,
    "slow": Slow,
    "cut": Cut,
    "end": End,
    "error-event": ErrorEvent,
    "event-line": EventLine,
    "empty-choices": EmptyChoices,
    "usage-apart": UsageApart,
    "filtered-answer": FilteredAnswer,
    "no-logprobs": NoLogprobs,
    "no-info": NoInfo,
    "gateway": Gateway,
    "detail-list": DetailList,
    "detail-object": DetailObject,
}
REGISTRY: dict[str, type[Fault]] = {**REFUSALS, **CHANGES}


# From a header to a fault


class FaultReader:
    """Reads which fault a request asks for, and counts attempts for the option ``times``."""

    def __init__(self):
        self._attempts: Counter[tuple[str, str]] = Counter()

    def read(self, request: Request) -> Fault:
        """Return the fault that a request asks for; no fault once the request has failed ``times`` times.

        Raises HTTPError (400), which lists all faults, if the header cannot be read.
        """
        header = request.headers.get(HEADER)
        if not header:
            return NO_FAULT
        fault = read_fault(header)
        if (
            fault.options.times is not None
            and self._count_attempt(header, request) >= fault.options.times
        ):
            return NO_FAULT
        return fault

    def _count_attempt(self, header: str, request: Request) -> int:
        """Count an attempt and return how many came before it."""
        attempt = header, request.headers.get("x-ms-client-request-id", "")
        # The OpenAI SDK sends no request id, but the number of its retries.
        retries = request.headers.get("x-stainless-retry-count", "")
        earlier = (
            int(retries)
            if DIGITS.fullmatch(retries) and not attempt[1]
            else self._attempts[attempt]
        )
        self._attempts[attempt] += 1
        while len(self._attempts) > MAX_COUNTED_ATTEMPTS:
            del self._attempts[next(iter(self._attempts))]
        return earlier


def read_fault(header: str) -> Fault:
    """Return the fault that a header's value names.

    Raises HTTPError (400), which lists all faults, for any other value.

    >>> read_fault("slow; seconds=0.5").seconds
    0.5
    """
    header = header[:MAX_HEADER_LENGTH]
    name, *settings = (part.strip() for part in header.split(";"))
    try:
        return REGISTRY[name](_read_options([setting for setting in settings if setting]))
    except (KeyError, ValueError):
        message = (
            f"{HEADER}: found {header!r}, expected a name and options such as '429; retry-after=1; times=2' "
            f"(numbers not negative, seconds to {MAX_SECONDS:.0f}). Names: {', '.join(REGISTRY)}. "
            "Options: times, retry-after, after, seconds."
        )
        raise HTTPError(400, {"detail": message}) from None


def _read_options(settings: list[str]) -> Options:
    """Return options from texts such as "times=2". Raises ValueError if one cannot be read."""
    values = dict(setting.split("=", 1) for setting in settings)
    options = Options(
        retry_after=values.pop("retry-after", None),
        times=int(values.pop("times")) if "times" in values else None,
        after=int(values.pop("after", Options.after)),
        seconds=float(values.pop("seconds")) if "seconds" in values else None,
    )
    is_in_range = (
        0 <= (options.seconds or 0) <= MAX_SECONDS
        and options.after >= 0
        and (options.times or 0) >= 0
    )
    if values or not is_in_range:
        raise ValueError(settings)
    return options


def _is_last(event: bytes) -> bool:
    return b'"finish_reason":"' in event


def _event(content: dict) -> bytes:
    return b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"
