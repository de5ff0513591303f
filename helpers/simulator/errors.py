"""Error answers: what is raised, and the body that the managed-compute container puts around most of them."""

from __future__ import annotations

from typing import Any


class RequestError(Exception):
    """A request that gets an error answer: a status, a body (JSON, or plain text) and further headers."""

    def __init__(self, status: int, body: dict | str, headers: dict[str, str] | None = None):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


def container_error(status: int, code: str, message: str, **more: Any) -> dict:
    """The container's error body.

    >>> container_error(500, "Internal Server Error", "It failed.")
    {'error': {'code': 'Internal Server Error', 'status': 500, 'message': 'It failed.'}}
    """
    return {"error": {"code": code, "status": status, "message": message, **more}}
