"""The upstream in the place of the engine: which model it has, and its answers to chat requests."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Generator

from .. import __version__
from ..http import Request, Wait, run_to_end
from ..inference.engine import Call
from .answer import UpstreamAnswer, read_chunk
from .failures import Failure, failure_of_response, unreadable
from .protocol import VIA, Client, Head, take_in_steps
from .settings import MODEL, URL, UpstreamSettings

MAX_LISTED_MODELS = 20
MAX_FINGERPRINT_LENGTH = 100  # characters of the upstream's own
MAX_VIA_LENGTH = 1000  # characters
NO_ROUTE = (404, 405, 424)  # statuses of a server that does not list its models


class Upstream:
    """A server that writes the answers.

    client: sends requests to it. report: called with words for the operator when something goes
    wrong that they should know; once, until something else does or an answer comes.
    """

    def __init__(self, client: Client, report: Callable[[str], None] = lambda text: None):
        self.client = client
        self.settings: UpstreamSettings = client.settings
        self.model = self.settings.model  # "" until it is known
        self.notes: Counter[str] = Counter()  # what the upstream lacks -> in how many answers
        self.totals: Counter[str] = Counter()  # of tokens
        self._report, self._reported = report, ""
        self._id = secrets.token_hex(8)

    @property
    def description(self) -> str:
        """The model and where it is, in words for clients."""
        model = self.model or "a model that is not known yet"
        return f"{model} at {self.settings.place_for_clients}"

    @property
    def header(self) -> str:
        """The description as a header can carry it."""
        return self.description.encode("ascii", "replace").decode()

    def close(self) -> None:
        """End all requests to the upstream."""
        self.client.close()

    def state(self) -> dict:
        """Return what a client may know of the upstream, as JSON."""
        return {
            "model": self.model,
            "address": self.settings.place_for_clients,
            "notes": dict(self.notes),
            "tokens": dict(self.totals),
        }

    # Which model it is

    def find_model(self) -> str:
        """Return the model's name; ask for it if none is named. Raises Failure."""
        return run_to_end(self.find_model_in_steps())

    def find_model_in_steps(self, via: str = "") -> Generator[Wait, None, str]:
        """Return what ``find_model`` returns. Yield what to wait for, to give way to others."""
        if not self.model:
            self.model = yield from self._ask_for_model(via)
        return self.model

    def name_in_steps(self, request: Request) -> Generator[Wait, None, str]:
        """Return the model's name for a client. Raises HTTPError if it is not known."""
        try:
            return (yield from self.find_model_in_steps(request.headers.get(VIA, "")))
        except Failure as failure:
            self._tell(failure)
            raise failure.error() from None

    def check(self) -> str:
        """Ask the upstream for its models, also if one is named. Return what is wrong, or "".

        Raises Failure if nothing but another setting can mend it.
        """
        try:
            names = run_to_end(self._ask_for_models(""))
            self.model = self.model or _only(names, self.settings)
        except Failure as failure:
            if failure.is_lasting:
                raise
            told = f"{failure.reason} {failure.advice}".strip()
            return f"{told} Until then, questions are answered with an error."
        if names and self.model not in (*names, *(name.removesuffix(":latest") for name in names)):
            listed = ", ".join(names[:MAX_LISTED_MODELS])
            return f"{self.settings.place} does not list {self.model!r}, but: {listed}."
        return ""

    def _ask_for_model(self, via: str) -> Generator[Wait, None, str]:
        names = yield from self._ask_for_models(via)
        return _only(names, self.settings)

    def _ask_for_models(self, via: str) -> Generator[Wait, None, list[str]]:
        """Return the models that the upstream lists; managed compute names its one under /info."""
        base = self.settings.base_url
        status, body = yield from self._get(f"{base}/models", via)
        if status in NO_ROUTE:
            status, body = yield from self._get(f"{base.removesuffix('/v1')}/info", via)
            if status in NO_ROUTE:
                return []
            names = [_json(body, self.settings).get("model_name")]
        else:
            rows = _json(body, self.settings).get("data")
            names = [row.get("id") for row in rows or () if isinstance(row, dict)]
        return [name for name in names if isinstance(name, str) and name.isprintable() and name]

    def _get(self, url: str, via: str) -> Generator[Wait, None, tuple[int, bytes]]:
        """Return (status, body) of a GET request. Raises Failure for errors but NO_ROUTE."""
        exchange = self.client.get(url, self._via(via))
        try:
            head = yield from take_in_steps(exchange)
            body = yield from take_in_steps(exchange)
        finally:
            exchange.close()
        if head.status != 200 and head.status not in NO_ROUTE:
            raise failure_of_response(head.status, body, head.retry_after, self.settings)
        return head.status, body

    # Answers

    def answer_in_steps(
        self, call: Call, request: Request
    ) -> Generator[Wait, None, UpstreamAnswer]:
        """Return the upstream's answer to a chat request, of which the first piece has come.

        Raises HTTPError if there is none.
        """
        via = request.headers.get(VIA, "")
        call.messages()  # refuses images, as the engine of Phi-4 does
        try:
            model = yield from self.find_model_in_steps(via)
            answer = yield from self._answer(call, model, via)
        except Failure as failure:
            self._tell(failure)
            raise failure.error(call) from None
        return answer

    def _answer(self, call: Call, model: str, via: str) -> Generator[Wait, None, UpstreamAnswer]:
        exchange = self.client.post(request_body(call, model), self._via(via))
        try:
            head: Head = yield from take_in_steps(exchange)
            first = yield from take_in_steps(exchange)
            if head.status != 200:
                raise failure_of_response(
                    head.status, first, head.retry_after, self.settings, model
                )
            chunk = read_chunk(first, self.settings)
        except BaseException:  # also if the client has gone
            exchange.close()
            raise
        request, options = call.request, call.request.stream_options
        origin = str(chunk.get("system_fingerprint") or "")[:MAX_FINGERPRINT_LENGTH]
        return UpstreamAnswer(
            model_name=model,
            wants_stream=bool(request.stream),
            wants_usage=not call.is_v1
            or not request.stream
            or bool(options and options.include_usage),
            usage_apart=call.is_v1,
            with_logprobs=bool(request.logprobs),
            fingerprint=f"simulated-{__version__} upstream {model} {origin}".rstrip(),
            upstream=self.header,
            settings=self.settings,
            exchange=exchange,
            first=first if head.is_stream else chunk,
            wanted=request.n or 1,
            note=lambda text: self.notes.update([text]),
            complete=self._complete,
            tell=self._tell,
        )

    def _complete(self, usage: dict) -> None:
        """Count the tokens of an answer that is complete."""
        self.totals.update(usage)
        self._reported = ""

    def _via(self, via: str) -> str:
        """Return the names of the simulators that a request has passed, this one included.

        Raises Failure if it has passed this one before.
        """
        if self._id in via:
            raise Failure(
                502,
                "The upstream of this simulated Azure is this simulated Azure itself.",
                f"Set {URL} to another server.",
                is_lasting=True,
            )
        return f"{via},{self._id}"[-MAX_VIA_LENGTH:].lstrip(",")

    def _tell(self, failure: Failure) -> None:
        """Report a failure to the operator, unless it is the one that was reported last."""
        text = f"{failure.reason} {failure.advice}".strip()
        if failure.status not in (400, 422) and text != self._reported:
            self._reported = text
            self._report(f"Upstream: {text}")


def request_body(call: Call, model: str) -> dict:
    """Return the body to send to the upstream: what a published server would send to its engine.

    What a request leaves unset gets the engine's defaults, as always: temperature 1 and top_p 1.
    """
    request = call.request
    fields = {name: value for name, value in call.fields.items() if value not in (None, [])}
    fields |= {"model": model, "temperature": request.temperature, "top_p": request.top_p}
    if request.stream:
        fields["stream_options"] = {"include_usage": True}
    return fields


def _only(names: list[str], settings: UpstreamSettings) -> str:
    """Return the one model of a list. Raises Failure if there are several, or none."""
    if len(names) == 1:
        return names[0]
    reason = "It is not clear which model of the upstream is to answer."
    advice = f"{settings.place} lists no model: name one with --upstream-model or {MODEL}."
    if names:
        listed = ", ".join(names[:MAX_LISTED_MODELS])
        more = ", ..." if len(names) > MAX_LISTED_MODELS else ""
        advice = (
            f"{settings.place} has {len(names)} models: {listed}{more}. "
            f"Choose one with --upstream-model or {MODEL}."
        )
    raise Failure(502, reason, advice, is_lasting=True)


def _json(body: bytes, settings: UpstreamSettings) -> dict:
    """Return a body as a JSON object. Raises Failure if it is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise unreadable(settings)
    return content
