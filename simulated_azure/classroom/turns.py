"""Fair turns: the seats of a class get theirs one after the other, however much each asks for."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Generic, TypeVar

Item = TypeVar("Item")
WAIT_SECONDS = 0.005  # between two looks at whether a place is free


class Rotation(Generic[Item]):
    """What waits, by seats: the seats take turns, and each has its oldest item first.

    >>> rotation = Rotation()
    >>> for seat, item in (("a", 1), ("a", 2), ("a", 3), ("b", 4)):
    ...     rotation.put(seat, item)
    >>> [rotation.take() for _ in range(5)]
    [1, 4, 2, 3, None]
    """

    def __init__(self):
        self._queues: dict[str, deque[Item]] = {}  # the seat whose turn is next comes first

    def put(self, seat: str, item: Item) -> None:
        """Let an item of a seat wait."""
        self._queues.setdefault(seat, deque()).append(item)

    def take(self) -> Item | None:
        """Return the item whose turn it is, and let it wait no more; None if nothing waits."""
        if not self._queues:
            return None
        seat = next(iter(self._queues))
        queue = self._queues.pop(seat)
        item = queue.popleft()
        if queue:
            self._queues[seat] = queue
        return item

    def remove(self, seat: str, item: Item) -> None:
        """Let an item of a seat wait no more, if it still does."""
        queue = self._queues.get(seat, deque())
        if item in queue:
            queue.remove(item)
            if not queue:
                del self._queues[seat]


class Places:
    """So many requests at once, such as to a slow model elsewhere; the seats take turns.

    count: how many. It is for one thread only.
    """

    def __init__(self, count: int):
        self._free = count
        self._rotation: Rotation[object] = Rotation()
        self._granted: set[object] = set()

    def enter(self, seat: str) -> Generator[float, None, None]:
        """Take a place when it is the seat's turn; yield the seconds to wait until then.

        Call ``leave`` afterwards, unless this was closed before its end: then no place is taken.
        """
        ticket = object()
        self._rotation.put(seat, ticket)
        self._grant()
        try:
            while ticket not in self._granted:
                yield WAIT_SECONDS
        except GeneratorExit:
            self._rotation.remove(seat, ticket)
            if ticket in self._granted:
                self._granted.remove(ticket)
                self.leave()
            raise
        self._granted.remove(ticket)

    def leave(self) -> None:
        """Give a place back."""
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        while self._free and (ticket := self._rotation.take()) is not None:
            self._free -= 1
            self._granted.add(ticket)
