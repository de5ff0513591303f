"""Error answers: what is raised, and the bodies that the managed-compute container and the control plane put around most."""

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


def arm_error(code: str, message: str, details: list[dict] | None = None) -> dict:
    """The error body of Azure Resource Manager, the control plane.

    >>> arm_error("BadRequest", "The request is invalid.")
    {'error': {'code': 'BadRequest', 'message': 'The request is invalid.'}}
    """
    return {"error": {"code": code, "message": message, **({"details": details} if details else {})}}
