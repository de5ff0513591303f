"""Fair turns for tasks that compute: the seats of a class get theirs one after the other."""

from __future__ import annotations

import asyncio

from ..classroom.turns import Rotation


class Slices:
    """Lets the tasks of an event loop compute one after the other, the seats in turn.

    A task computes from its ``wait`` to its next one, or until it waits for something else.
    """

    def __init__(self):
        self._rotation: Rotation[asyncio.Future[None]] = Rotation()
        self._is_planned = False

    async def wait(self, seat: str) -> None:
        """Wait until it is the turn of a task of this seat."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._rotation.put(seat, turn)
        if not self._is_planned:
            self._is_planned = True
            loop.call_soon(self._next, loop)
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the next task go on. It does so before this is called again."""
        turn = self._rotation.take()
        while turn is not None and turn.done():  # its client has gone
            turn = self._rotation.take()
        self._is_planned = turn is not None
        if turn is not None:
            turn.set_result(None)
            loop.call_soon(self._next, loop)
