"""The certificate authority of a class: the same at each start, so that clients trust it once.

Its fingerprint stands on the slips. A client fetches the certificate from the class itself, at
``/simulator/ca.pem``, without trusting anybody, and compares the fingerprint: nobody else on the
network can then pretend to be the class.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme

VARIABLE = "SIMULATED_CA_SHA256"  # by which a client learns the fingerprint
PATH = "/simulator/ca.pem"
# Hexadecimal digits: 80 bits, which nobody can meet by trying, and people can type.
SHORT_LENGTH, FULL_LENGTH = 20, 64
BLOCK = re.compile(b"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)


class AuthorityError(Exception):
    """The file with a certificate authority cannot be used. The message says what to do."""


def authority_file(class_file: Path) -> Path:
    """Return the file with the authority of a class, which contains its private key.

    >>> authority_file(Path("class.toml")).name
    'class-authority.pem'
    """
    return class_file.with_name(f"{class_file.stem}-authority.pem")


def open_authority(path: Path) -> trustme.CA:
    """Return the authority in a file; make both if there is no file. Raises AuthorityError."""
    import trustme

    try:
        if not path.exists():
            authority = trustme.CA(organization_name="Phi-4 notebooks kit, a class")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(authority.private_key_pem.bytes() + authority.cert_pem.bytes())
        content = path.read_bytes()
    except OSError as error:
        raise AuthorityError(
            f"Cannot keep the class's certificate authority in {path}: {error.strerror or error}. "
            "Put the class file into a folder where you may write."
        ) from None
    certificate = BLOCK.search(content)
    try:
        return trustme.CA.from_pem(certificate[0], content[: certificate.start()])
    except (TypeError, ValueError):
        raise AuthorityError(
            f"{path} is damaged. Remove it: a new one is made. Then the fingerprint on the slips "
            "is another one, so print them again."
        ) from None


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate's file in hexadecimal digits, as sha256sum does."""
    return hashlib.sha256(certificate).hexdigest()


def short_fingerprint(certificate: bytes) -> str:
    """Return the beginning of a fingerprint, in groups that people can type.

    >>> short_fingerprint(b"")
    'e3b0-c442-98fc-1c14-9afb'
    """
    digits = fingerprint(certificate)[:SHORT_LENGTH]
    return "-".join(digits[start : start + 4] for start in range(0, SHORT_LENGTH, 4))


def slip_variables(class_file: Path) -> list[tuple[str, str]]:
    """Return the variables that a slip must have besides address and key.

    The authority is made if there is none yet. Raises AuthorityError.
    """
    authority = open_authority(authority_file(class_file))
    return [(VARIABLE, short_fingerprint(authority.cert_pem.bytes()))]


def read_fingerprint(text: str) -> str | None:
    """Return the digits of a fingerprint that a person typed; None if it is none, or too short.

    >>> read_fingerprint("E3B0 C442 98FC 1C14 9AFB")
    'e3b0c44298fc1c149afb'
    """
    digits = re.sub(r"[\s:-]", "", text).lower()
    is_possible = SHORT_LENGTH <= len(digits) <= FULL_LENGTH
    return digits if is_possible and re.fullmatch("[0-9a-f]+", digits) else None


def matches(certificate: bytes, digits: str) -> bool:
    """Return True if a certificate's fingerprint begins with digits from ``read_fingerprint``."""
    return fingerprint(certificate).startswith(digits)
