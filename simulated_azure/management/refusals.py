"""The errors that Azure Resource Manager answers with.

The bodies are Azure's as far as public reports show them. Where none shows the words, they are
ours.
"""

from __future__ import annotations

import json
import secrets

from ..errors import HTTPError, arm_error


def refusal(status: int, code: str, message: str) -> HTTPError:
    """Return an error with a status, Azure's code for the error, and a message for people."""
    return HTTPError(status, arm_error(code, message))


def bad_request(message: str) -> HTTPError:
    """Return an error with status 400."""
    return refusal(400, "BadRequest", message)


def not_found(path: str, resource_group: str) -> HTTPError:
    """Return the error for a resource that does not exist.

    path: its place under the provider, such as ``workspaces/phi4-workspace``.
    """
    message = (
        f"The Resource 'Microsoft.MachineLearningServices/{path}' "
        f"under resource group '{resource_group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return refusal(404, "ResourceNotFound", message)


def size_error(message: str) -> HTTPError:
    """Return the error for a deployment on machines that it cannot have.

    It is an error with a detail, whose text ends in JSON, which has the message.
    """
    inner = {
        "errors": {"VmSize": [message]},
        "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
        "traceId": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
    }
    detail = {
        "code": "InferencingClientCreateDeploymentFailed",
        "message": f"InferencingClient HttpRequest error, error detail: {json.dumps(inner)}",
    }
    return HTTPError(400, arm_error("BadRequest", "The request is invalid.", [detail]))
