"""Judge the answers to the exercises of lesson 09, errors and limits."""

from __future__ import annotations

from typing import Any

from azure.ai.inference.models import ChatCompletions
from azure.core.exceptions import AzureError

from helpers.exercises.clients import FAULT, UNSEEN, is_simulated, requests_of
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import call, show
from helpers.wire import CALL_ID

FEW = "429; retry-after=0.01"  # the client's own repetitions would hardly wait
ALWAYS_503 = "503; retry-after=0.01"


def check_9_1(answer: Any) -> Outcome:
    """Return correct for a function whose request is accepted, with all three settings."""
    result, requests = requests_of(answer)
    if result.error is not None:
        return not_yet(
            result.failure,
            "a reply",
            "`robust.reason_of(error_of(...))` with the settings that `ask` gets now",
        )
    if isinstance(result.value, AzureError):
        return not_yet(
            "it returned the error instead of raising it", "a reply", "`ask`, not `error_of`"
        )
    if not isinstance(result.value, ChatCompletions):
        return not_yet(
            result.came,
            "the reply",
            "`return ask(...)`",
        )
    if requests is None:
        return correct(UNSEEN)
    if not requests:
        return not_yet("no request", "one request", "the function has to ask itself: `ask(...)`")
    body = requests[-1]["body"] or {}
    for name in ("top_p", "presence_penalty", "temperature"):
        if name not in body:
            return not_yet(
                f"a request without `{name}`", "all three settings", "change values, remove nothing"
            )
    if body["temperature"] != 0.2:
        return not_yet(
            f"a request with `temperature` {show(body['temperature'])}",
            "`temperature` 0.2",
            "the reason does not name the temperature: leave it",
        )
    return correct()


def check_9_2(answer: Any) -> Outcome:
    """Return correct for a loop that asks again where it may help, four times at most."""
    if not is_simulated():
        return _judged_reply(answer)
    for name, fault, expected in (
        ("a 401", "401", 1),
        ("a 503 each time", ALWAYS_503, 4),
        ("a 429 twice", f"{FEW}; times=2", 3),
        ("a 503 behind a 424", "424-503; times=1", 2),
    ):
        waits: list[Any] = []
        result, requests = requests_of(answer, fault, sleep=waits.append)
        fails = "times" not in fault
        if result.error is None and fails:
            return not_yet(
                f"with {name}, it returned {show(result.value)}",
                "the error is raised",
                "an error that is caught and not raised is lost: `raise` in the `except`"
                + (", after the fourth attempt, too" if expected == 4 else ""),
            )
        number = len(requests or [])
        if not number:
            return not_yet(
                f"with {name}, {result.failure or 'no request arrived'}",
                "a request",
                "`ask(fault, ...)`, in a function with the arguments of the stub",
            )
        if number != expected and (fails or result.error is None):
            own = number > 4 and "retry_total=0"
            return not_yet(
                f"with {name}, {number} requests arrived",
                f"{expected} request{'s' if expected > 1 else ''}",
                f"the client asks again as well, unless it gets `{own}`"
                if own
                else "is the same request worth another try, and how often?",
            )
        if fails and not isinstance(result.error, AzureError):
            return not_yet(
                f"with {name}, {result.failure}",
                "the last error of the client",
                "`raise` without a name, in the `except`: only there does the error exist",
            )
        if not fails and not isinstance(result.value, ChatCompletions):
            came = result.failure or f"it returned {show(result.value)}"
            return not_yet(
                f"with {name}, {came}",
                "a reply",
                "ask `robust.may_pass(error)`, which also looks behind a 424",
            )
        if len(waits) != number - 1:
            return not_yet(
                f"with {name}, it waited {len(waits)} times",
                f"{number - 1} waits between {number} attempts",
                "call `sleep` only before another attempt"
                if waits
                else "call `sleep(...)`, the parameter, and not `time.sleep`",
            )
    return _misses_time_out(answer) or _ignores_retry_after(answer) or correct()


def _judged_reply(answer: Any) -> Outcome:
    """Return correct, with a note, for a function that returns a reply."""
    result = call(answer, "")
    if isinstance(result.value, ChatCompletions):
        return correct(UNSEEN)
    return not_yet(result.failure or f"it returned {show(result.value)}", "a reply", "`return`")


def _misses_time_out(answer: Any) -> Outcome | None:
    """Return not yet for a loop that fails at an error without a status."""
    result = call(answer, "wait; seconds=1; times=1", sleep=lambda wait: None, read_timeout=0.2)
    if isinstance(result.value, ChatCompletions):
        return None
    return not_yet(
        f"with a time-out, {result.failure or f'it returned {show(result.value)}'}",
        "another attempt, and a reply",
        "a time-out has no response and no status. `robust.may_pass(error)` handles it, and "
        "`**settings` belongs into the call",
    )


def _ignores_retry_after(answer: Any) -> Outcome | None:
    """Return not yet for a loop that comes back sooner than the server asks for."""
    waits: list[Any] = []
    call(answer, "429; retry-after=7; times=1", sleep=waits.append)
    if len(waits) == 1 and isinstance(waits[0], int | float) and waits[0] >= 7:
        return None
    came = f"it waited {show(waits[0])} seconds" if waits else "it did not wait"
    return not_yet(
        f"the server asked for 7 seconds in `Retry-After`, and {came}",
        "at least 7 seconds",
        "`robust.pause(attempt, error)` reads that header",
    )


def check_9_3(answer: Any) -> Outcome:
    """Return correct for a call that the client repeats after any status, twice at most."""
    if not is_simulated():
        return _judged_reply(answer)
    for status in (429, 408, 502):
        result, requests = requests_of(answer, f"{status}; times=1")
        if requests and not any(request["headers"].get(FAULT) for request in requests):
            return not_yet("a request without the fault", "`ask(fault, ...)`", "the first argument")
        ids = {request["headers"].get(CALL_ID) for request in requests or []}
        if len(ids) > 1:
            return not_yet(
                f"with a {status}, the requests have different ids: your code asked again",
                "attempts of the client, which share an id",
                "no loop: one call with two more settings",
            )
        if not isinstance(result.value, ChatCompletions):
            came = result.failure or f"it returned {show(result.value)}"
            return not_yet(
                f"with a {status}, {came}",
                "a second attempt, and a reply",
                "the client repeats a POST after few statuses, unless the call lists its method",
            )
    result, requests = requests_of(answer, "502; retry-after=0.01")
    if len(requests or []) != 3:
        return not_yet(
            f"with a 502 each time, {len(requests or [])} requests arrived",
            "3: the first and two repetitions",
            "`retry_total` counts repetitions",
        )
    return correct()


def check_9_4(answer: Any) -> Outcome:
    """Return correct for a function that counts requests and catches what complete() raises."""
    if not is_simulated():
        return not_yet(
            "an endpoint that does not tell which requests it received",
            "the simulated endpoint",
            "on your own endpoint no failure can be caused on purpose",
        )
    for fault, settings, expected in (
        ("", {}, (1, "stop")),
        ("504; times=2", {}, (3, "stop")),
        ("403", {}, (1, None)),
        ("", {"max_tokens": 3}, (1, "length")),
        ("wait; seconds=1; times=1", {"read_timeout": 0.2}, (2, "stop")),
        ("429; retry-after=3600", {}, (1, None)),
        ("end; after=3", {"attempts": 2}, (2, None)),
        ("filtered-answer", {}, (1, "content_filter")),
    ):
        result = call(answer, fault, **settings)
        value = tuple(result.value) if isinstance(result.value, list) else result.value
        if result.error is None and value == expected:
            continue
        extra = "".join(f" and {name}={setting}" for name, setting in settings.items())
        came = result.failure or f"it returned {show(result.value)}"
        return not_yet(
            f"with {fault!r}{extra}, {came}",
            show(expected),
            "the fault goes into a header, settings into the call; a `RuntimeError` means that "
            "`complete` gave up",
        )
    return correct()
