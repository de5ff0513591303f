"""A certificate authority of the simulator's own, made at start-up and forgotten with it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path

import certifi
import trustme

NAMES = ("localhost", "127.0.0.1", "::1")
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class Certificates:
    """One authority and one server certificate. trustme marks basicConstraints critical, as Python 3.13 demands."""

    def __init__(self, names: Iterable[str] = NAMES):
        authority = trustme.CA(organization_name="Phi-4 notebooks kit, simulated Azure")
        self.authority_pem: bytes = authority.cert_pem.bytes()
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(self.server)
        self.server.set_alpn_protocols(["http/1.1"])


def certificate_bundles(authority_pem: bytes, environ: Mapping[str, str]) -> dict[str, bytes]:
    """Return the certificates that each variable of a client names, with one more authority: variable -> file content."""
    bundles = {name: certificate_bundle(authority_pem, environ, name) for name in BUNDLE_VARIABLES}
    extra = environ.get("NODE_EXTRA_CA_CERTS", "")  # besides those that Node.js brings
    extra_pem = Path(extra).read_bytes().rstrip() + b"\n" if os.path.isfile(extra) else b""
    return bundles | {"NODE_EXTRA_CA_CERTS": extra_pem + authority_pem}


def certificate_bundle(
    authority_pem: bytes, environment: Mapping[str, str], variable: str
) -> bytes:
    """The bundle that a variable names (a file, or a folder of them), or another in force, or certifi's: with one more
    authority at its end."""
    named = [environment.get(name, "") for name in (variable, *BUNDLE_VARIABLES)]
    if variable == "SSL_CERT_FILE":
        named.append(
            ssl.get_default_verify_paths().cafile or ""
        )  # the system's, which Python uses by itself
    in_force = next(
        Path(name) for name in [*named, certifi.where()] if name and os.path.exists(name)
    )
    files = (
        sorted([*in_force.glob("*.pem"), *in_force.glob("*.crt")])
        if in_force.is_dir()
        else [in_force]
    )
    return b"\n".join([*(file.read_bytes().rstrip() for file in files), b"", authority_pem])
