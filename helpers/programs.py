"""Write a program into a file: functions of a notebook, and texts between them."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path

STAMP = re.compile(r"\n\n\n# This version was written by a lesson: ([0-9a-f]{12})\n\Z")


def save_program(name: str, *parts: str | Callable) -> None:
    """Write a file beside the notebook that consists of these parts. Print what was done.

    parts: functions of the notebook, whose source is written, and texts. If you have changed the
    file, it stays as it is.

    Raises TypeError for a part that is neither a text nor a function, and for a function whose
    source nobody knows.
    """
    path = Path(name)
    is_changed = path.exists() and not is_unchanged(path.read_text("utf-8", errors="replace"))
    source = "\n\n\n".join(map(source_of, parts))
    if is_changed:
        print(f"You have changed {name}, so it stays as it is. To write it again, delete it first.")
        return
    path.write_text(stamped(source), encoding="utf-8", newline="\n")
    print(f"Wrote {name}.")


def source_of(part: str | Callable) -> str:
    """Return the source of a part, without empty lines around it. Raises TypeError.

    >>> source_of("x = 1\\n")
    'x = 1'
    """
    if isinstance(part, str):
        return part.strip("\n")
    try:
        return inspect.getsource(part).strip("\n")
    except (OSError, TypeError):
        name = getattr(part, "__name__", type(part).__name__)
        raise TypeError(
            f"{name} has no source, expected a text or a function that a cell has defined"
        ) from None


def stamped(source: str) -> str:
    """Return the text of a file that the lesson may write again.

    >>> is_unchanged(stamped("x = 1")), is_unchanged(stamped("x = 1").replace("1", "2"))
    (True, False)
    """
    return f"{source}\n\n\n# This version was written by a lesson: {_fingerprint(source)}\n"


def is_unchanged(text: str) -> bool:
    """Return True if the text of a file is as stamped() has returned it."""
    stamp = STAMP.search(text)
    return bool(stamp) and stamp[1] == _fingerprint(text[: stamp.start()])


def _fingerprint(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:12]
