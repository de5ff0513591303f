"""Try out what a learner hands in, whatever it does: tools for the checks.

A check may call these functions only while judge() runs it: then all that is printed is kept, and
the whole check has a limited time.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import inspect
import io
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from helpers.settings import CREDENTIAL, has_piece_of

SECONDS = 10.0  # for one check
MAX_ITEMS = 1000  # that are taken from an iterable
MAX_PRINTED = 1_000_000  # characters
MAX_SHOWN = 90  # characters of a value
MAYBE_A_KEY = re.compile(r"\b[0-9a-fA-F]{32}\b|\b[\w+/]{43}=|\b[A-Za-z0-9]{84}\b|\beyJ[\w-]{16,}")


class Prints(io.StringIO):
    """Keeps what is printed during a check. Raises RuntimeError if it is far too much."""

    def write(self, text: str) -> int:
        if self.tell() + len(text) > MAX_PRINTED:
            raise RuntimeError(f"more than {MAX_PRINTED:,} characters were printed")
        return super().write(text)


class Stop(BaseException):
    """Ends the thread of a check that takes too long."""


def printed() -> str:
    """Return what has been printed since the check began."""
    return sys.stdout.getvalue() if isinstance(sys.stdout, Prints) else ""


def run_limited(function: Callable[[], Any], seconds: float) -> Any:
    """Return what a function returns. What it prints is not shown.

    Raises TimeoutError after so many seconds, or what the function raises. Code that never ends
    is stopped, unless it waits for something outside of Python.
    """
    results: list[tuple[Any, BaseException | None]] = []

    def work() -> None:
        try:
            results.append((function(), None))
        except BaseException as error:  # noqa: B036  (raised again below)
            results.append((None, error))

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), daemon=True)
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = Prints()
    try:
        thread.start()
        thread.join(seconds)
    finally:
        sys.stdout, sys.stderr = before
        if thread.is_alive():
            stop = ctypes.pythonapi.PyThreadState_SetAsyncExc
            stop(ctypes.c_ulong(thread.ident), ctypes.py_object(Stop))
    if not results:
        raise TimeoutError
    value, error = results[0]
    if error is not None:
        raise error
    return value


@dataclass(frozen=True)
class Call:
    """What a call of a learner's function did: its value or its error, and what it printed."""

    value: Any = None
    error: BaseException | None = None
    printed: str = ""

    @property
    def failure(self) -> str:
        """Return in words how the call failed, or ""."""
        return f"it raised {show_error(self.error)}" if self.error is not None else ""

    @property
    def came(self) -> str:
        """Return in words what came of the call."""
        if self.failure:
            return self.failure
        if self.value is None and self.printed.strip():
            return "it printed a text and returned None"
        shown, kind_of_value = show(self.value), kind(self.value)
        speaks_for_itself = type(self.value).__name__ in shown or shown == kind_of_value
        return f"it returned {shown}" + ("" if speaks_for_itself else f", {kind_of_value}")


def call(function: Any, *arguments: Any, **keywords: Any) -> Call:
    """Call a learner's function and return what happened. A coroutine is run to its end."""
    start = len(printed())
    try:
        value = function(*arguments, **keywords)
        if inspect.isawaitable(value):
            value = asyncio.run(_result(value))
        return Call(value, None, printed()[start:])
    except (Exception, SystemExit, GeneratorExit) as error:
        return Call(None, error, printed()[start:])


async def _result(awaitable: Any) -> Any:
    return await awaitable


@dataclass
class Taken:
    """What came out of an iterable: at most MAX_ITEMS items, and the error that ended it."""

    items: list = field(default_factory=list)
    error: BaseException | None = None
    is_endless: bool = False
    reads: list[int] = field(default_factory=list)

    @property
    def is_immediate(self) -> bool:
        """Return True if each item of a Feed was handed on before the next one was read."""
        return all(count <= number + 1 for number, count in enumerate(self.reads))


def take(iterable: Any, feed: Feed | None = None) -> Taken:
    """Return the items of what a learner's generator yields.

    feed: what it reads from. Then `reads` says for each item how many had been read by then.
    """
    taken = Taken()
    try:
        for item in iterable:
            if len(taken.items) == MAX_ITEMS:
                taken.is_endless = True
                break
            taken.items.append(item)
            if feed is not None:
                taken.reads.append(feed.count)
    except (Exception, SystemExit, GeneratorExit) as error:
        taken.error = error
    return taken


class Feed:
    """A stream for a learner's function. It counts what is read, as a real one can be read once.

    count: the items read so far. printed: for each attempt to read, what had been printed before.
    error: raised after the last item.
    """

    def __init__(self, items: Iterable, error: Exception | None = None):
        self._items, self._error = [*items], error
        self.count = 0
        self.printed: list[str] = []
        self._start = len(printed())

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        self.printed.append(printed()[self._start :])
        if self.count < len(self._items):
            self.count += 1
            return self._items[self.count - 1]
        if self._error is not None:
            raise self._error
        raise StopIteration

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: there is no connection."""


# Words for what came


def show(value: Any) -> str:
    """Return a short text for a value, the same each time, without a key.

    >>> show("Paris"), show(print), show(object())
    ("'Paris'", 'the function print', 'an object of the class object')
    >>> show("<a.B object at 0x7f01>")
    "'<a.B object at 0x...>'"
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.isgenerator(value):
        return "a generator"
    if inspect.isroutine(value):
        return f"the function {getattr(value, '__name__', '?')}"
    try:
        text = str(repr(value))
    except Exception:
        text = " at 0x"
    if type(value) is str:
        text = re.sub(r"( at 0x)[0-9a-fA-F]+", r"\1...", text)
    elif " at 0x" in text:
        return f"an object of the class {type(value).__name__}"
    return _shortened(hide(text))


def show_error(error: BaseException | None) -> str:
    """Return the class of an error and the first line of its message.

    >>> show_error(ValueError("no\\nmore"))
    'ValueError: no'
    """
    try:
        message = str(error).strip()
    except Exception:
        message = ""
    first = _shortened(hide(message.partition("\n")[0]))
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def kind(value: Any) -> str:
    """Return what a value is, in two or three words.

    >>> kind("x"), kind([]), kind(None), kind(3)
    ('a text (str)', 'a list', 'None', 'a number (int)')
    """
    if value is None:
        return "None"
    names = {str: "a text (str)", bool: "a bool", int: "a number (int)", float: "a number (float)"}
    name = type(value).__name__
    if type(value) in names:
        return names[type(value)]
    if isinstance(value, type) or inspect.isroutine(value):
        return show(value)
    starts_with_vowel = name[:1].lower() in "aeiou" or name.startswith("HTTP")
    return f"{'an' if starts_with_vowel else 'a'} {name}"


def hide(text: str) -> str:
    """Return a text without the endpoint's key, and without what may be a key."""
    key = os.environ.get(CREDENTIAL, "").strip()
    if key:
        text = text.replace(key, "***")
        if has_piece_of(key, text):
            return "(not shown, because a piece of the key is in it)"
    return MAYBE_A_KEY.sub("***", text)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 4] + " ..."
