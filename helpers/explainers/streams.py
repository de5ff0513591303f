"""One question, asked twice at the same moment: streamed, and not. When does something arrive?"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

from azure.ai.inference import ChatCompletionsClient

from helpers.explainers.bars import FILLED, STRIPED, layer, legend, problem, sheet, status, track
from helpers.look import INK, WARNING
from helpers.playground.chat import NO_ENDPOINT, new_client, words_of
from helpers.settings import ENDPOINT, read_settings
from helpers.streaming import finish_reason_of, piece_of

NAMES = ("streamed", "not streamed")
SECONDS_BETWEEN_UPDATES = 0.05  # of a page
SHORTEST_SCALE = 1.0  # seconds
MARK = f"background:{INK}"  # where the first piece came


@dataclass(frozen=True)
class Question:
    """A question and how it is asked.

    seconds: that the simulated endpoint takes for each token; None sends no header, for another
    endpoint. server: the simulated server, "" for the usual one.
    """

    text: str = "How many languages are in the world?"
    max_tokens: int = 63
    seconds: float | None = None
    server: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers by which the simulated endpoint is slow, or another server."""
        headers = {"x-simulated-server": self.server} if self.server else {}
        if self.seconds:
            headers["x-simulated-fault"] = f"slow; seconds={self.seconds}"
        return headers


@dataclass
class Arrival:
    """What has come of an answer. Seconds count from the request; None: not yet."""

    text: str = ""
    first: float | None = None
    last: float | None = None
    pieces: int = 0
    problem: str = ""
    is_over: bool = False

    def add(self, piece: str | None, moment: float) -> None:
        """Add a piece of the answer, which came at this moment. An empty piece counts as none."""
        if not piece:
            return
        self.first = moment if self.first is None else self.first
        self.text, self.last, self.pieces = self.text + piece, moment, self.pieces + 1


@dataclass
class Arrivals:
    """Both answers. now: seconds since they were asked for; expected: until they are there."""

    streamed: Arrival = field(default_factory=Arrival)
    whole: Arrival = field(default_factory=Arrival)
    now: float = 0.0
    expected: float = 0.0

    @property
    def both(self) -> dict[str, Arrival]:
        return dict(zip(NAMES, (self.streamed, self.whole), strict=True))

    @property
    def are_over(self) -> bool:
        return self.streamed.is_over and self.whole.is_over


def ask_both(
    question: Question, show: Callable[[Arrivals], None], is_stopped: Callable[[], bool]
) -> Arrivals:
    """Ask twice at the same moment, streamed and not. Return what came, and when.

    show: called again and again until both answers are there. is_stopped: asked after each piece.
    An error is told in words in ``problem``, and not raised.
    """
    arrivals = Arrivals(expected=(question.seconds or 0.0) * question.max_tokens)
    try:
        clients = [_client() for _ in NAMES]
    except ValueError as error:  # of a variable
        for arrival in arrivals.both.values():
            arrival.problem, arrival.is_over = str(error), True
        return arrivals
    start = time.perf_counter()
    threads = [
        threading.Thread(target=_read, args=(client, question, name, arrival, start, is_stopped))
        for client, (name, arrival) in zip(clients, arrivals.both.items(), strict=True)
    ]
    for thread in threads:
        thread.daemon = True
        thread.start()
    while not arrivals.are_over and not is_stopped():
        arrivals.now = time.perf_counter() - start
        show(arrivals)
        slower = next((each for each in threads if each.is_alive()), threads[0])
        slower.join(SECONDS_BETWEEN_UPDATES)
    return arrivals


def _client() -> ChatCompletionsClient:
    """Return a client for the endpoint that the variables name. Raises ValueError."""
    if not os.environ.get(ENDPOINT):
        raise ValueError(NO_ENDPOINT)
    read_settings(os.environ)
    return new_client()


def _read(
    client: ChatCompletionsClient,
    question: Question,
    name: str,
    arrival: Arrival,
    start: float,
    is_stopped: Callable[[], bool],
) -> None:
    """Ask once, and note in arrival what comes and when, or what went wrong."""
    try:
        with client:
            reply = client.complete(
                messages=[{"role": "user", "content": question.text}],
                temperature=0,
                max_tokens=question.max_tokens,
                stream=name == NAMES[0],
                headers=question.headers,
            )
            if name != NAMES[0]:
                arrival.add(reply.choices[0].message.content, time.perf_counter() - start)
                return
            chunks = []
            with reply:
                for chunk in reply:
                    if is_stopped():
                        return
                    chunks.append(chunk)
                    arrival.add(piece_of(chunk), time.perf_counter() - start)
            if finish_reason_of(chunks) is None:
                arrival.problem = "The stream broke off: no finish reason came."
    except Exception as error:  # whatever it is, the picture has to say it
        arrival.problem = words_of(error)
    finally:
        arrival.is_over = True


# Showing


def stream_picture(arrivals: Arrivals | None) -> str:
    """Return both answers and when they came, as HTML. None: nothing has been asked yet."""
    if arrivals is None:
        return sheet(status("Press Ask. The same question is asked twice at the same moment."))
    streamed, whole = arrivals.streamed, arrivals.whole
    has_text = streamed.text or whole.text
    if arrivals.are_over and not has_text and streamed.problem == whole.problem:
        return sheet(problem(streamed.problem or "The answer has no text."))
    ends = [each.last or 0.0 for each in arrivals.both.values()]
    coming = 0.0 if arrivals.are_over else arrivals.expected
    scale = max(arrivals.now, coming, SHORTEST_SCALE, *ends)
    key = legend((STRIPED, "waiting"), (FILLED, "text arrives"))
    rows = (_answer(name, each, arrivals.now, scale) for name, each in arrivals.both.items())
    text = stream_text(arrivals) if arrivals.are_over else "… waiting for the rest"
    return sheet(key, *rows, status(text))


def stream_text(arrivals: Arrivals) -> str:
    """Return when the first and the last text came, as a sentence.

    >>> streamed, whole = Arrival("Hi.", 0.1, 0.5, 2), Arrival("Hi.", 0.5, 0.5, 1)
    >>> print(stream_text(Arrivals(streamed, whole)))
    Streamed: first text after 0.10 s, all after 0.50 s, 2 pieces. \
Not streamed: first text after 0.50 s, all after 0.50 s, 1 piece.
    """
    return " ".join(
        f"{name.capitalize()}: {_times(arrival)}." for name, arrival in arrivals.both.items()
    )


def _times(arrival: Arrival) -> str:
    if arrival.first is None:
        return "no text came"
    noun = "piece" if arrival.pieces == 1 else "pieces"
    return (
        f"first text after {arrival.first:.2f} s, all after {arrival.last:.2f} s, "
        f"{arrival.pieces} {noun}"
    )


def _answer(name: str, arrival: Arrival, now: float, scale: float) -> str:
    """Return an answer with a bar of its time: striped while nothing comes, then filled."""
    until = arrival.first if arrival.first is not None else (0.0 if arrival.is_over else now)
    layers = [layer(STRIPED, until / scale)] if until else []
    times = f"{until:.1f} s, and nothing yet"
    if arrival.first is not None:
        end = arrival.last if arrival.is_over else now
        layers.append(layer(FILLED, (end - arrival.first) / scale, arrival.first / scale))
        layers.append(layer(MARK, 0.006, arrival.first / scale, gap=-2))
        times = f"first text {arrival.first:.2f} s"
        if arrival.is_over:
            times += f", all {arrival.last:.2f} s"
    elif arrival.is_over:
        times = "no text came"
    problem = f'<div style="{WARNING}">{escape(arrival.problem)}</div>' if arrival.problem else ""
    return (
        f"<div><b>{name}</b>: {times}</div>"
        f'<div role="img" aria-label="{name}: {times}">{track(*layers)}</div>'
        f'<div style="min-height:3em;margin-bottom:6px;white-space:pre-wrap">'
        f"{escape(arrival.text)}</div>{problem}"
    )
