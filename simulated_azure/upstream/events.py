"""Server-sent events, out of the pieces in which they arrive.

Source: HTML Living Standard, section 9.2.6 ("Interpreting an event stream"). An event that the end
of the stream cuts off is read, too, since some servers leave out the last empty line.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

MAX_EVENT_LENGTH = 1 << 22  # characters


class EventReader:
    """Reads events. Comments, which servers send to keep a connection open, are no events."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""  # that is not yet a whole line
        self._data: list[str] = []  # lines of the event that is being read
        self._ends_in_return = False

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the data of the events that are complete now.

        Raises ValueError if an event is longer than MAX_EVENT_LENGTH.

        >>> reader = EventReader()
        >>> [*reader.feed(b": ping\\n\\ndata: a\\ndata: b\\n")], [*reader.feed(b"\\ndata: c")]
        ([], ['a\\nb'])
        >>> [*reader.end()]
        ['c']
        """
        text = self._decoder.decode(data)
        if self._ends_in_return and text:
            text = text.removeprefix("\n")  # the second half of a line's end
        self._ends_in_return = text.endswith("\r") or (self._ends_in_return and not text)
        lines = (self._text + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._text = lines.pop()
        if len(self._text) + sum(map(len, self._data)) > MAX_EVENT_LENGTH:
            raise ValueError("an event is too long")
        for line in lines:
            yield from self._read(line)

    def end(self) -> Iterator[str]:
        """Yield the data of an event that the end of the stream cuts off."""
        yield from self._read(self._text)
        yield from self._read("")

    def _read(self, line: str) -> Iterator[str]:
        name, _, value = line.partition(":")
        if not line and self._data:
            yield "\n".join(self._data)
            self._data = []
        elif name == "data":
            self._data.append(value.removeprefix(" "))
