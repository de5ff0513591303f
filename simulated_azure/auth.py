"""Who may call what: keys, and the access tokens of a simulated Microsoft Entra ID."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .errors import UNAUTHORIZED, HTTPError, arm_error
from .http import Access, Request, Response, Route, json_response

if TYPE_CHECKING:
    from .classroom.room import Classroom
    from .classroom.seats import Seat

KEY_PREFIX, TOKEN_PREFIX = "simulated-key-", "simulated-token-"
TOKEN = re.compile(TOKEN_PREFIX + r"[\w.-]+")
MIN_KEY_LENGTH = 8  # characters; shorter ones could not be blotted out of what is shown
ENTRA_TOKEN_LIFETIME = 86_400  # seconds
ENDPOINT_AUDIENCES = (
    "https://ml.azure.com",
    "https://cognitiveservices.azure.com",
    "https://ai.azure.com",
)
MANAGEMENT_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
REGISTRY_PATHS = (
    "/registrymanagement/",
    "/mferp/",
)  # of the model registry, which takes tokens for endpoints, too
REGISTRY_AUDIENCE = "https://ml.azure.com"


def new_key() -> str:
    """Return a made-up key of 32 characters, as many as a real one has."""
    return KEY_PREFIX + secrets.token_hex(9)


class Tokens:
    """Issues and reads access tokens.

    A token contains its audience and its expiry time and is signed, so none has to be stored.
    """

    def __init__(self):
        self._secret = secrets.token_bytes(32)

    def issue(self, audience: str, lifetime: int = ENTRA_TOKEN_LIFETIME) -> tuple[str, int]:
        """Return (an access token, when it ends in Unix seconds). lifetime: seconds."""
        expires_on = int(time.time()) + lifetime
        claims = json.dumps(
            {"aud": audience, "exp": expires_on, "jti": secrets.token_hex(8)}
        ).encode()
        content = base64.urlsafe_b64encode(claims).decode().rstrip("=")
        return f"{TOKEN_PREFIX}{content}.{self._signature(content)}", expires_on

    def audience(self, token: str) -> str | None:
        """Return the audience of a token; None if it is not one of these, or is over."""
        content, _, signature = token.removeprefix(TOKEN_PREFIX).partition(".")
        if not token.startswith(TOKEN_PREFIX) or not _is_same(signature, self._signature(content)):
            return None
        claims = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
        return claims["aud"] if claims["exp"] > time.time() else None

    def _signature(self, content: str) -> str:
        return hmac.new(self._secret, content.encode(), hashlib.sha256).hexdigest()


class Guard:
    """Decides who may call a route. Every key and every token is compared here and nowhere else.

    classroom: the class whose keys, and nothing else, open the endpoint; None for the one key.
    ``endpoint_token``: a text that clients get as an access token for endpoints, in place of one of
    these: the key for an endpoint elsewhere that accepts it as a Bearer token.
    """

    def __init__(self, key: str, tokens: Tokens, classroom: Classroom | None = None):
        self.key, self.tokens = key, tokens
        self._classroom = classroom
        self.endpoint_token = ""
        self.identity_header = secrets.token_hex(
            16
        )  # what a managed identity must send to get a token

    def check(self, access: Access, request: Request, deployed_keys: Iterable[str] = ()) -> None:
        """Raise HTTPError (401) unless a request may call a route.

        deployed_keys: the keys of the endpoint that the request names.
        """
        if access is Access.MANAGEMENT:
            self._check_management(request)
        elif access is Access.ENDPOINT:
            if self._classroom is not None:
                if self.seat(request) is None:
                    raise HTTPError(401, UNAUTHORIZED, {"x-ms-error-reason": "Invalid JWT."})
            elif (
                not self._has_key(request, [self.key])
                and self._audience(request) not in ENDPOINT_AUDIENCES
            ):
                raise HTTPError(401, UNAUTHORIZED, {"x-ms-error-reason": "Invalid JWT."})
        elif access is Access.DEPLOYED and not self._has_key(request, deployed_keys):
            raise HTTPError(401, UNAUTHORIZED, {"x-ms-error-reason": "Invalid JWT."})

    def seat(self, request: Request) -> Seat | None:
        """Return the seat of the class that a request comes from; None if it has no key of one."""
        if self._classroom is None:
            return None
        return self._classroom.seat(_candidates(request))

    def routes(self) -> list[Route]:
        """Return the token route of App Service's managed identity.

        DefaultAzureCredential calls it.
        """
        return [Route("GET", "/msi/token", self.token, Access.PUBLIC)]

    def token(self, request: Request) -> Response:
        """Return an access token for the audience in the query parameter ``resource``."""
        if not _is_same(request.headers.get("x-identity-header", ""), self.identity_header):
            message = "The header X-IDENTITY-HEADER is missing or wrong."
            raise HTTPError(401, {"statusCode": 401, "message": message})
        resource = request.query_params.get("resource", "").rstrip("/")
        if not resource:
            raise HTTPError(
                400, {"statusCode": 400, "message": "The query parameter resource is missing."}
            )
        token, expires_on = self.tokens.issue(resource)
        if self.endpoint_token and resource in ENDPOINT_AUDIENCES:
            token = self.endpoint_token
        content = {
            "access_token": token,
            "expires_on": str(expires_on),
            "resource": resource,
            "token_type": "Bearer",
        }
        return json_response(200, content)

    def _check_management(self, request: Request) -> None:
        """Raise HTTPError (401) unless a request has an access token for Azure Resource Manager."""
        bearer = bearer_token(request)
        if not bearer:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise HTTPError(401, arm_error("AuthenticationFailed", message))
        audience = self.tokens.audience(bearer)
        if audience is None:
            raise HTTPError(
                401, arm_error("InvalidAuthenticationToken", "The access token is invalid.")
            )
        also_accepted = [request.root]
        if request.path.startswith(REGISTRY_PATHS):
            also_accepted.append(REGISTRY_AUDIENCE)
        if audience not in (*MANAGEMENT_AUDIENCES, *also_accepted):
            message = (
                f"The access token has been obtained for wrong audience or resource '{audience}'. "
                "It should exactly match with one of the allowed audiences "
                f"'{MANAGEMENT_AUDIENCES[0]}'."
            )
            raise HTTPError(401, arm_error("InvalidAuthenticationTokenAudience", message))

    def _has_key(self, request: Request, keys: Iterable[str]) -> bool:
        """Return True if a request has one of the keys, as api-key or as a Bearer token."""
        return any(_is_same(candidate, key) for candidate in _candidates(request) for key in keys)

    def _audience(self, request: Request) -> str | None:
        """Return the audience of a request's access token; None if it has no valid one."""
        return self.tokens.audience(bearer_token(request))


def _candidates(request: Request) -> tuple[str, str]:
    """Return the texts of a request that may be a key."""
    return request.headers.get("api-key", ""), bearer_token(request)


def bearer_token(request: Request) -> str:
    """Return the token in the header Authorization; "" if there is none with the scheme Bearer."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials.strip() if scheme.casefold() == "bearer" else ""


def _is_same(one: str, other: str) -> bool:
    """Compare two secrets in a time that does not depend on how much of them is equal."""
    return hmac.compare_digest(one.encode(), other.encode())
