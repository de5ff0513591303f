"""A class's endpoint: tell it from other endpoints, and trust its certificate authority.

Such an endpoint is another computer's: ``python -m simulated_azure --class``. It says on a route of
its own that it is one. Endpoints on Azure are never asked, and the question costs nothing anywhere.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from helpers.settings import (
    AZURE_HOST,
    CA_SHA256,
    CREDENTIAL,
    ENDPOINT,
    ConnectionSettingsError,
    has_piece_of,
)

TIMEOUT = 5  # seconds, for each step of a question
MAX_BODY_SIZE = 1 << 16  # bytes of an answer that are read
MAX_TEXT_LENGTH = 60  # characters of a text of the class that are shown
SAME_NETWORK = (
    "Is this computer in the same network (Wi-Fi) as the class's, and has the class begun? Ask "
    "your teacher."
)


class NotTrustedError(Exception):
    """The endpoint shows a certificate that this computer does not trust."""


@dataclass(frozen=True)
class ClassEndpoint:
    """What a class's endpoint says of itself.

    seat: whose key it is; "" if the endpoint does not know the key. model: what answers.
    requests_left, tokens_left: of the seat's budget; None without a limit.
    """

    name: str
    seat: str
    model: str
    requests_left: int | None
    tokens_left: int | None

    def __str__(self) -> str:
        """Return the endpoint in a few words.

        >>> print(ClassEndpoint("Monday", "07", "a tiny language model", 480, None))
        your class's endpoint: Monday, seat 07, with a tiny language model.
        """
        if not self.seat:
            return (
                f"your class's endpoint: {self.name}. It does not know your key: compare "
                f"{CREDENTIAL} with your slip."
            )
        return f"your class's endpoint: {self.name}, seat {self.seat}, with {self.model}."

    @property
    def budget(self) -> str:
        """What the seat has left, as a sentence; "" without a limit.

        >>> ClassEndpoint("Monday", "07", "a tiny language model", 480, None).budget
        'Your seat has 480 requests left.'
        """
        counts = {"requests": self.requests_left, "tokens": self.tokens_left}
        parts = [f"{count:,} {name}" for name, count in counts.items() if count is not None]
        return f"Your seat has {' and '.join(parts)} left." if parts else ""


def may_be_class(variables: Mapping[str, str]) -> bool:
    """Return True if the endpoint of the variables may be a class's, so that it may be asked.

    Its host is then not one of Azure; it is the IP address of another computer, or a fingerprint is
    set.

    >>> may_be_class({"AZURE_INFERENCE_ENDPOINT": "https://192.168.1.10:8443"})
    True
    >>> may_be_class({"AZURE_INFERENCE_ENDPOINT": "https://my-phi4.eastus2.inference.ml.azure.com"})
    False
    """
    parts = _parts(variables)
    if parts is None or AZURE_HOST.fullmatch(parts.hostname):
        return False
    return bool(variables.get(CA_SHA256)) or _is_remote_ip(parts.hostname)


def class_host(variables: Mapping[str, str]) -> str:
    """Return the host of the endpoint, as NO_PROXY names it."""
    parts = _parts(variables)
    return parts.hostname if parts else ""


def fetch_authority(variables: Mapping[str, str]) -> bytes | None:
    """Return the certificate authority of the endpoint (PEM) that has the fingerprint that is set.

    Return None if no fingerprint is set, or if the endpoint does not use TLS. Nobody is trusted on
    the way, and no key is sent. Raises ConnectionSettingsError if the fingerprint cannot be one, if
    the endpoint does not answer, or if its authority has another fingerprint.
    """
    from simulated_azure.classroom.authority import (
        FULL_LENGTH,
        PATH,
        SHORT_LENGTH,
        matches,
        read_fingerprint,
    )

    text, parts = variables.get(CA_SHA256, ""), _parts(variables)
    if not text or parts is None or parts.scheme != "https":
        return None
    digits = read_fingerprint(text)
    if digits is None:
        raise ConnectionSettingsError(
            f"{CA_SHA256} is not a fingerprint ({len(text)} characters, not shown): expected "
            f"{SHORT_LENGTH} to {FULL_LENGTH} digits from 0-9 and a-f, such as "
            "8f3a-91c2-77de-0b14-6a5f. Copy it from your slip."
        )
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the digits are compared
    try:
        status, body = _get(parts, PATH, {}, context)
    except (OSError, http.client.HTTPException, ValueError):  # which may repeat the address
        status, body = 0, b""
    if not status:
        raise ConnectionSettingsError(
            f"{ENDPOINT} does not answer, or not over https. {SAME_NETWORK}"
        )
    if status != 200 or not matches(body, digits):
        raise ConnectionSettingsError(
            f"The endpoint does not have the certificate authority that {CA_SHA256} names. Compare "
            f"{CA_SHA256} and {ENDPOINT} with your slip. If they are right, another computer "
            "answers: tell your teacher. Your key was not sent."
        )
    return body


def ask_class(variables: Mapping[str, str], bundle: str | None) -> ClassEndpoint | None:
    """Return what the endpoint says of its class; None if it is none, or does not answer.

    bundle: the file with the certificates to trust; None for the usual ones. Raises NotTrustedError
    if the endpoint's certificate is not among them.
    """
    from simulated_azure.classroom.room import CLASS_PATH

    parts, key = _parts(variables), variables.get(CREDENTIAL, "")
    if parts is None:
        return None
    try:
        is_secure = parts.scheme == "https"
        context = ssl.create_default_context(cafile=bundle) if is_secure else None
        status, body = _get(parts, CLASS_PATH, {"api-key": key}, context)
        content = json.loads(body) if status == 200 else None
        left = content.get("left", {})
        return ClassEndpoint(
            _text(content["class"], key),
            _text(content.get("seat", ""), key),
            _text(content["model"], key),
            _count(left.get("requests")),
            _count(left.get("tokens")),
        )
    except ssl.SSLCertVerificationError:
        raise NotTrustedError from None
    except (OSError, http.client.HTTPException, ValueError, LookupError, AttributeError, TypeError):
        return None


def _get(
    parts: SplitResult, path: str, headers: Mapping[str, str], context: ssl.SSLContext | None
) -> tuple[int, bytes]:
    """Return status and body of an answer, without a proxy and without following a redirect.

    Raises OSError, HTTPException or ValueError.
    """
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=TIMEOUT, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT)
    with closing(connection):
        connection.request("GET", path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.read(MAX_BODY_SIZE)


def _parts(variables: Mapping[str, str]) -> SplitResult | None:
    """Return the parts of the endpoint's URL; None if it is no URL."""
    try:
        parts = urlsplit(variables.get(ENDPOINT, ""))
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_url else None


def _is_remote_ip(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _text(value: Any, key: str) -> str:
    """Return a text of the class as it may be shown: in one line, short, without the key."""
    text = "".join(each for each in str(value) if each.isprintable())[:MAX_TEXT_LENGTH]
    return "" if has_piece_of(key, text) else text


def _count(value: Any) -> int | None:
    return value if type(value) is int else None
