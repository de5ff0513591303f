"""Error answers: the exception that a handler raises, and the bodies that Azure sends."""

from __future__ import annotations

from typing import Any

from .http import Response, json_response

UNAUTHORIZED = {
    "statusCode": 401,
    "message": "Auth token validation failed. Please provide a valid key or a valid AAD token",
}


class HTTPError(Exception):
    """An error answer: a status, a body (JSON, or plain text) and further headers."""

    def __init__(self, status: int, body: dict | str, headers: dict[str, str] | None = None):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}

    def response(self) -> Response:
        """Return this error as a response."""
        if isinstance(self.body, str):
            headers = {"content-type": "text/plain", **self.headers}
            return Response(self.status, self.body.encode(), headers)
        return json_response(self.status, self.body, self.headers)


def container_error(status: int, code: str, message: str, **more: Any) -> dict:
    """Return an error body as the managed-compute container writes it.

    >>> container_error(500, "Internal Server Error", "It failed.")
    {'error': {'code': 'Internal Server Error', 'status': 500, 'message': 'It failed.'}}
    """
    return {"error": {"code": code, "status": status, "message": message, **more}}


def arm_error(code: str, message: str, details: list[dict] | None = None) -> dict:
    """Return an error body as Azure Resource Manager, the control plane, writes it.

    >>> arm_error("BadRequest", "The request is invalid.")
    {'error': {'code': 'BadRequest', 'message': 'The request is invalid.'}}
    """
    return {
        "error": {"code": code, "message": message, **({"details": details} if details else {})}
    }


def through_gateway(response: Response) -> None:
    """Turn an error of the container into 424, with its own status in a header.

    Managed online endpoints do so with every status of the container but 200 and 424.
    """
    response.headers["ms-azureml-model-error-statuscode"] = str(response.status)
    response.headers["ms-azureml-model-error-reason"] = "model_error"
    response.status = 424
