"""The certificate authority of a class: the same at each start, so that clients trust it once.

Its fingerprint stands on the slips. A client fetches the certificate from the class itself, at
``/simulator/ca.pem``, without trusting anybody, and compares the fingerprint: nobody else on the
network can then pretend to be the class.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

VARIABLE = "SIMULATED_CA_SHA256"  # by which a client learns the fingerprint
PATH = "/simulator/ca.pem"
# Hexadecimal digits: 80 bits, which nobody can meet by trying, and people can type.
SHORT_LENGTH, FULL_LENGTH = 20, 64


def authority_file(class_file: Path) -> Path:
    """Return the file with the authority of a class, which contains its private key.

    >>> authority_file(Path("class.toml")).name
    'class-authority.pem'
    """
    return class_file.with_name(f"{class_file.stem}-authority.pem")


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
