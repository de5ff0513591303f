"""Between two threads: one puts what arrives from an upstream, the other takes it and answers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Exchange:
    """What arrives for one request, in order.

    ``put`` is called in the thread that receives, all else in the one that answers. on_close:
    called once, when nobody waits for the rest.
    """

    def __init__(self) -> None:
        self.on_close: Callable[[], object] = lambda: None
        self._items: deque[Any] = deque()
        self._lock = threading.Lock()
        self._future: Future[None] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Any) -> None:
        """Add an item, and wake up who waits for it."""
        with self._lock:
            self._items.append(item)
            future, self._future = self._future, None
        if future is not None and future.set_running_or_notify_cancel():
            future.set_result(None)

    def future(self) -> Future[None] | None:
        """Return what to wait for; None if an item is there already."""
        with self._lock:
            if self._items:
                return None
            self._future = Future()
            return self._future

    def take(self) -> Any:
        """Return the next item. Blocks until there is one."""
        while (future := self.future()) is not None:
            future.result()
        return self._items.popleft()

    def close(self) -> None:
        """Give up the rest of what arrives."""
        on_close, self.on_close = self.on_close, lambda: None
        on_close()
