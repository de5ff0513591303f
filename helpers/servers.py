"""Find out which of the two published servers of managed compute answers at an endpoint.

Two container images for managed compute are published in Azure/azureml-assets,
``foundation-model-inference`` and ``foundation-model-serve``. They differ in defaults, limits,
extra parameters and streams. Nobody publishes which of them a deployment gets, but an endpoint can
be asked. Sources: the package llm-optimized-inference (0.2.61), and the folder
``context/foundation/model/serve`` of the second image.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from textwrap import wrap

import requests

from helpers.settings import CREDENTIAL, ENDPOINT, read_settings

__all__ = ["Reply", "ServerReport", "which_server"]

TIMEOUT = (10, 60)  # seconds: to connect, and between two pieces of an answer
ENOUGH = 3  # answers of four, if none of the others contradicts them
MODEL_STATUS = "ms-azureml-model-error-statuscode"  # the server's own status, behind a gateway
HELLO = [{"role": "user", "content": "Hi"}]
# Both published servers refuse this, each in its own way, before anything is computed.
WRONG = {"messages": HELLO, "temperature": "warm", "max_tokens": 1}
# OpenAI's field for the end user is an extra parameter here, and changes nothing in the answer.
WITH_EXTRA = {"messages": HELLO, "user": "which_server", "max_tokens": 1}
INFERENCE, SERVE, OTHER, UNKNOWN = "inference", "serve", "other", "unknown"
IMAGES = {
    INFERENCE: "the server foundation-model-inference of managed compute",
    SERVE: "the server foundation-model-serve of managed compute",
    OTHER: "not a server of managed compute: it has no route /chat/completions",
    UNKNOWN: "a server that answers like neither of the two published ones",
}
FOLLOWS = {  # subject -> what holds on each of the two servers
    "unset parameters": (
        "the model's own defaults; max_tokens is what the context still holds",
        "temperature 0.7 and max_tokens 256; under /v1 the model's own defaults",
    ),
    "temperature": ("at most 1, also under /v1", "at most 1; under /v1 at most 2"),
    "extra parameters": (
        "need the header extra-parameters: pass-through. Without it: an error; under /v1 the "
        "server drops them silently",
        "are passed on with or without the header",
    ),
    "model under /v1": ("any name works", "must be one of the names that /v1/models lists"),
    "wrong request under /v1": (
        "422, and details tell what is wrong",
        "400, and message tells what is wrong",
    ),
    "/info": ("tells the model", "does not exist; under /v1/models you find the model"),
    "streams": ("arrive piece by piece", "arrive all at once, when the answer is complete"),
}
NOT_TOLD = (
    "the version of the server",
    "how many requests it computes at once: measure it (lesson 08)",
    "the model's own defaults: measure them (lesson 06)",
)
UPSTREAM = "x-simulated-upstream"  # header of a simulated server whose answers another one writes
UPSTREAM_NOTE = "this server is simulated; {} writes the answers"
NOT_TOLD_OF_UPSTREAM = (
    "whether the model behind it heeds a seed, a bias, and requests for probabilities: try it"
)
WIDTH, SUBJECT_WIDTH, QUESTION_WIDTH = 92, 25, 36  # characters


@dataclass(frozen=True)
class Reply:
    """One question to an endpoint, and its answer.

    question: method and route. status: of the server itself, also behind a gateway. kind: the
    server that answers like this.
    """

    question: str
    status: int
    kind: str


@dataclass(frozen=True)
class ServerReport:
    """Which server answers, how that was found out, and what follows. ``str()`` gives a table.

    kind: "inference", "serve", "other" (no server of managed compute) or "unknown" (the answers
    contradict each other, or most are strange). models: the names under /v1/models. upstream: the
    model, and the server that runs it, if a simulated server lets another one write its answers.
    """

    kind: str
    replies: tuple[Reply, ...]
    models: tuple[str, ...]
    upstream: str = ""

    @property
    def follows(self) -> dict[str, str]:
        """What holds on this server, by subject; empty if the server is not known."""
        if self.kind not in (INFERENCE, SERVE):
            return {}
        number = (INFERENCE, SERVE).index(self.kind)
        return {subject: texts[number] for subject, texts in FOLLOWS.items()}

    @property
    def not_told(self) -> tuple[str, ...]:
        """What the questions cannot tell."""
        if self.upstream:
            return (NOT_TOLD_OF_UPSTREAM, *NOT_TOLD)
        if self.kind in (INFERENCE, SERVE):
            return NOT_TOLD
        return (*(f"{subject}: try it" for subject in FOLLOWS), *NOT_TOLD)

    def __str__(self) -> str:
        questions = [
            f"{reply.question:{QUESTION_WIDTH}}{reply.status}  as {reply.kind}"
            for reply in self.replies
        ]
        rows = {
            **self.follows,
            "models": ", ".join(self.models) or "not listed",
            **({"answers": UPSTREAM_NOTE.format(self.upstream)} if self.upstream else {}),
            "cannot tell": "; ".join(self.not_told),
        }
        table = [line for subject, text in rows.items() for line in _row(subject, text)]
        return "\n".join([f"This is {IMAGES[self.kind]}.", "", *questions, "", *table])


def which_server(
    endpoint: str | None = None, key: str | None = None, *, simulate: str = ""
) -> ServerReport:
    """Ask an endpoint four harmless questions; return which server answers, and what follows.

    endpoint, key: those of the variables if None. simulate: the server that the simulated endpoint
    is to play for these questions; other endpoints ignore it. No question costs more than one
    token: two are GET requests, one is refused, one asks for a single token. Raises
    ConnectionSettingsError if the variables cannot work, PermissionError if the endpoint refuses
    the key, ConnectionError if it does not answer.

    >>> from helpers import connect
    >>> connect()  # doctest: +ELLIPSIS
    Answers come from: a simulated Azure on this computer ...
    >>> which_server().kind
    'inference'
    """
    if endpoint is None or key is None:
        read_settings(os.environ)
        endpoint, key = os.environ[ENDPOINT], os.environ[CREDENTIAL]
    root = endpoint.rstrip("/").removesuffix("/v1")
    with requests.Session() as session:
        session.headers.update({"api-key": key, "Authorization": f"Bearer {key}"})
        if simulate:
            session.headers["x-simulated-server"] = simulate
        info = _ask(session, root, "GET", "/info")
        models = _ask(session, root, "GET", "/v1/models")
        wrong = _ask(session, root, "POST", "/v1/chat/completions", WRONG)
        extra = _ask(session, root, "POST", "/chat/completions", WITH_EXTRA)
    replies = (
        _judge("GET /info", info, {200: INFERENCE, 404: SERVE}),
        _judge("GET /v1/models", models, {404: INFERENCE, 200: SERVE}),
        _judge("POST /v1/…: a wrong temperature", wrong, {422: INFERENCE, 400: SERVE}),
        _judge("POST /…: an extra parameter", extra, {400: INFERENCE, 200: SERVE, 404: OTHER}),
    )
    kinds = {reply.kind for reply in replies} - {UNKNOWN}
    if OTHER in kinds:
        kind = OTHER
    elif len(kinds) == 1 and sum(reply.kind != UNKNOWN for reply in replies) >= ENOUGH:
        (kind,) = kinds
    else:
        kind = UNKNOWN
    upstream = next(
        (one.headers[UPSTREAM] for one in (info, models) if UPSTREAM in one.headers), ""
    )
    return ServerReport(kind, replies, _names(models), upstream)


def _ask(
    session: requests.Session, root: str, method: str, route: str, body: dict | None = None
) -> requests.Response:
    """Return an endpoint's answer. Raises PermissionError or ConnectionError."""
    try:
        # No redirect is followed: it would carry the key to another place.
        response = session.request(
            method, root + route, json=body, timeout=TIMEOUT, allow_redirects=False
        )
    except (OSError, ValueError) as error:  # OSError also if a bundle of certificates is missing
        # Its message may repeat what stands in the variables, so only its kind is told.
        reason = type(error).__name__
        raise ConnectionError(
            f"The endpoint does not answer {method} {route} ({reason}). Check {ENDPOINT}, the "
            "network, and whether the deployment is running."
        ) from None
    if response.status_code in (401, 403):
        raise PermissionError(
            f"The endpoint refuses the key ({response.status_code}). Check {CREDENTIAL}."
        )
    return response


def _judge(question: str, response: requests.Response, kinds: dict[int, str]) -> Reply:
    """Return a reply. kinds: the status that each kind of server gives; others are unknown."""
    hidden = response.headers.get(MODEL_STATUS, "")
    status = int(hidden) if hidden.isdecimal() else response.status_code
    return Reply(question, status, kinds.get(status, UNKNOWN))


def _names(response: requests.Response) -> tuple[str, ...]:
    """Return the names in a list of models; none if the answer is no such list."""
    try:
        return tuple(str(model["id"]) for model in response.json()["data"])
    except (ValueError, LookupError, TypeError):
        return ()


def _row(subject: str, text: str) -> list[str]:
    """Return the lines of a table's row."""
    first, *more = wrap(text, WIDTH - SUBJECT_WIDTH)
    return [f"{subject:{SUBJECT_WIDTH}}{first}", *(" " * SUBJECT_WIDTH + line for line in more)]
