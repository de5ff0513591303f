"""The simulated Azure's own certificate authority: a new one at each start, except for a class."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path

import certifi
import trustme

from ..classroom.authority import VARIABLE, authority_file, short_fingerprint

NAMES = ("localhost", "127.0.0.1", "::1")  # hosts that the server certificate is valid for
BLOCK = re.compile(b"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class AuthorityError(Exception):
    """The file with a certificate authority cannot be used. The message says what to do."""


class Certificates:
    """One authority and one server certificate that it has signed.

    names: the host names and IP addresses that the server certificate is valid for. authority: made
    up if None.
    ``authority_pem``: the authority's certificate, PEM-encoded. ``server``: the TLS settings of the
    server. trustme marks basicConstraints as critical, which Python 3.13 requires.
    """

    def __init__(self, names: Iterable[str] = NAMES, authority: trustme.CA | None = None):
        if authority is None:
            authority = trustme.CA(organization_name="Phi-4 notebooks kit, simulated Azure")
        self.authority_pem: bytes = authority.cert_pem.bytes()
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(self.server)
        self.server.set_alpn_protocols(["http/1.1"])


def open_authority(path: Path) -> trustme.CA:
    """Return the authority in a file; make both if there is no file. Raises AuthorityError."""
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


def slip_variables(class_file: Path) -> list[tuple[str, str]]:
    """Return the variables that a slip must have besides address and key.

    The authority is made if there is none yet. Raises AuthorityError.
    """
    authority = open_authority(authority_file(class_file))
    return [(VARIABLE, short_fingerprint(authority.cert_pem.bytes()))]


def certificate_bundles(authority_pem: bytes, environ: Mapping[str, str]) -> dict[str, bytes]:
    """Return the certificate bundles for clients, each with one more authority.

    The keys are the variables by which clients find a bundle, the values are the contents of the
    files, PEM-encoded. environ: the variables in force, whose certificates are kept. Raises OSError
    if a file that they name cannot be read.
    """
    bundles = {name: certificate_bundle(authority_pem, environ, name) for name in BUNDLE_VARIABLES}
    # Node.js adds these certificates to its own, so that there is no other bundle to keep.
    extra = environ.get("NODE_EXTRA_CA_CERTS", "")
    extra_pem = Path(extra).read_bytes().rstrip() + b"\n" if os.path.isfile(extra) else b""
    return bundles | {"NODE_EXTRA_CA_CERTS": extra_pem + authority_pem}


def certificate_bundle(authority_pem: bytes, environ: Mapping[str, str], variable: str) -> bytes:
    """Return the bundle that a variable names, with one more authority at its end, PEM-encoded.

    A bundle is a file or a folder of .pem and .crt files. If the variable names none that exists,
    the bundle of another of BUNDLE_VARIABLES is taken, or else the one of the package certifi.
    Raises OSError if the bundle cannot be read.
    """
    candidates = [environ.get(name, "") for name in (variable, *BUNDLE_VARIABLES)]
    if variable == "SSL_CERT_FILE":
        # Python reads this variable instead of the system's bundle, so the system's must be kept.
        candidates.append(ssl.get_default_verify_paths().cafile or "")
    candidates.append(certifi.where())
    path = next(Path(name) for name in candidates if name and os.path.exists(name))
    files = sorted([*path.glob("*.pem"), *path.glob("*.crt")]) if path.is_dir() else [path]
    return b"\n".join([*(file.read_bytes().rstrip() for file in files), b"", authority_pem])
