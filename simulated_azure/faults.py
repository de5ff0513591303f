"""Faults on request: what goes wrong on real endpoints, asked for with the header ``x-simulated-fault``.

Real endpoints ignore that header, so a lesson about errors is ordinary SDK code. Form: a name, then options:
``429; retry-after=1; times=2``. Options: ``times`` (only the first so many attempts fail, counted for each client
request id, for clients that send one),
``retry-after`` (seconds, sent as a header), ``after`` (pieces of a stream before it happens), ``seconds`` (a pause).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import RequestError, container_error

HEADER = "x-simulated-fault"

UNAUTHORIZED = {"statusCode": 401, "message": "Auth token validation failed. Please provide a valid key or a valid AAD token"}
CONTENT_FILTER = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Microsoft's content management policy.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
    }
}
# name -> (status, body, headers): answers that take the place of the model's. Where traffic was recorded, as recorded.
REFUSALS: dict[str, tuple[int, dict | str, dict[str, str]]] = {
    "401": (401, UNAUTHORIZED, {"x-ms-error-reason": "Invalid JWT."}),
    "403": (403, container_error(403, "Forbidden", "The identity may not call this endpoint."), {}),
    "404": (404, {"detail": "Not Found"}, {}),
    "408": (408, container_error(408, "Request Timeout", "The request timed out."), {}),
    "424": (
        424,
        {"detail": "Not Found"},
        {"ms-azureml-model-error-statuscode": "404", "ms-azureml-model-error-reason": "model_error"},
    ),
    "424-503": (
        424,
        container_error(503, "Service Unavailable", "The model is not ready yet."),
        {"ms-azureml-model-error-statuscode": "503", "ms-azureml-model-error-reason": "model_error"},
    ),
    "429": (429, "", {"ms-azureml-model-error-reason": "too_many_pending_request"}),
    "500": (500, container_error(500, "Internal Server Error", "An error occurred during the request processing."), {}),
    "502": (502, container_error(502, "Bad Gateway", "The model server could not be reached."), {}),
    "503": (503, container_error(503, "Service Unavailable", "No replica of the model is ready."), {}),
    "504": (504, container_error(504, "Gateway Timeout", "The model server did not answer in time."), {}),
    "content-filter": (400, CONTENT_FILTER, {}),
}
# name -> what it does to the answer of the model.
CHANGES = {
    "wait": "says nothing for `seconds` (default 2), then answers",
    "slow": "pauses `seconds` (default 0.25) between tokens",
    "cut": "breaks the connection after `after` pieces (default 5) of a stream, or in the middle of a whole answer",
    "end": "ends the stream after `after` pieces, with no finish_reason and no [DONE]",
    "error-event": "puts an error event into the stream after `after` pieces and goes on",
    "event-line": "the same as the container writes it, with a line `event: error`",
    "empty-choices": "begins the stream with a chunk whose `choices` is empty",
    "usage-apart": "sends usage in a last chunk of its own, with empty `choices`",
    "filtered-answer": "ends the answer after `after` pieces with finish_reason content_filter",
    "no-logprobs": "drops log-probabilities, as the 2025 container did",
    "no-info": "has no /info route, as newer containers",
    "gateway": "turns an error of the container into 424, as managed online endpoints do",
    "detail-list": "words a 422 as some serverless endpoints did: `detail` is a list",
    "detail-object": "words a 422 as the API reference prints it: `detail` is an object",
}
STOPPED = {"error": {"code": "Internal Server Error", "message": "The model stopped.", "status": 500}}
FINISH_REASON = re.compile(rb'"finish_reason":"\w+"')
LONGEST_PAUSE = 600.0  # seconds
LONGEST_HEADER = 200  # characters
DEFAULT_SECONDS = {"wait": 2.0, "slow": 0.25}


@dataclass(frozen=True)
class Fault:
    """One fault, as asked for."""

    name: str = ""
    retry_after: str | None = None
    times: int | None = None
    after: int = 5
    seconds: float = 0.0

    def refusal(self) -> RequestError | None:
        """The error answer that this fault is, if it is one."""
        if self.name not in REFUSALS:
            return None
        status, body, headers = REFUSALS[self.name]
        return RequestError(status, body, {**headers, **({"Retry-After": self.retry_after} if self.retry_after else {})})

    def reworded(self, error: RequestError) -> RequestError:
        """An error answer with this fault in it: the container's 422 in the shape of another server."""
        if error.status != 422 or self.name not in ("detail-list", "detail-object"):
            return error
        details = error.body["error"]["details"]
        if self.name == "detail-list":
            return RequestError(422, {"detail": details})
        detail = {"loc": details[0]["loc"], "input": details[0]["input"]}
        message = "One of the parameters contain invalid values."
        return RequestError(422, {"status": 422, "code": "parameter_not_supported", "detail": detail, "message": message})

    def change(self, events: Iterator[bytes]) -> Iterator[bytes]:
        """The events of a stream with this fault in it: after so many pieces, or before the last event at the latest.

        Raises ConnectionAbortedError where the connection breaks.
        """
        if self.name == "empty-choices":
            yield _event({"choices": [], "prompt_filter_results": []})
        happened = False
        for number, event in enumerate(events):
            last = b'"finish_reason":"' in event
            if not happened and (number == self.after + 1 or last):  # the first event carries the role, not a piece
                happened = True
                if self.name == "cut":
                    raise ConnectionAbortedError
                if self.name == "end":
                    return
                if self.name == "error-event":
                    yield _event(STOPPED)
                if self.name == "event-line":
                    yield b"event: error\n" + _event(STOPPED)
            if self.name == "filtered-answer" and happened:
                if last:
                    yield FINISH_REASON.sub(b'"finish_reason":"content_filter"', event)
                elif event.startswith(b"data: [DONE]"):
                    yield event
            elif self.name == "no-logprobs":
                yield event.replace(b',"logprobs":null', b"")
            else:
                yield event

    def change_body(self, body: dict) -> dict | Iterator[bytes]:
        """A whole answer with this fault in it."""
        for choice in body["choices"]:
            if self.name == "filtered-answer":
                choice["finish_reason"] = "content_filter"
                choice["message"]["content"] = ""
            if self.name == "no-logprobs":
                del choice["logprobs"]
        return _broken(json.dumps(body).encode()) if self.name == "cut" else body


def _broken(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionAbortedError


def _event(content: dict) -> bytes:
    return b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"


def read_fault(header: str | None) -> Fault:
    """The fault that a header value asks for. Raises RequestError (400) that lists the known ones for any other."""
    if not header:
        return Fault()
    header = header[:LONGEST_HEADER]
    name, *options = (part.strip() for part in header.split(";"))
    try:
        if name not in REFUSALS and name not in CHANGES:
            raise ValueError(name)
        given = dict(option.split("=", 1) for option in options if option)
        fault = Fault(
            name,
            given.pop("retry-after", None),
            int(given.pop("times")) if "times" in given else None,
            int(given.pop("after", 5)),
            float(given.pop("seconds", DEFAULT_SECONDS.get(name, 0.0))),
        )
        if given or not (0 <= fault.seconds <= LONGEST_PAUSE and fault.after >= 0 and (fault.times or 0) >= 0):
            raise ValueError(header)
    except ValueError:
        raise RequestError(
            400,
            {
                "detail": f"{HEADER}: found {header!r}, expected a name and options such as '429; retry-after=1; times=2' "
                f"(numbers not negative, seconds to {LONGEST_PAUSE:.0f}). Names: {', '.join([*REFUSALS, *CHANGES])}. "
                "Options: times, retry-after, after, seconds."
            },
        ) from None
    return fault
