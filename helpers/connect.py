"""Which endpoint answers: your own, if its variables are set, else a simulated Azure on this computer."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from pathlib import Path
from urllib.parse import urlsplit

ENDPOINT, CREDENTIAL = "AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL"
LOOPBACK = ("localhost", "127.0.0.1", "::1")

_simulator = None  # the running simulated Azure of this process, once there is one


class ConnectionSettingsError(ValueError):
    """The variables that name the endpoint cannot work. The message says which, and what to do."""


def connect() -> None:
    """Makes sure that an endpoint answers, and says in one line which.

    If AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL are set, in the environment or in a ``.env`` file here
    or in a folder above, that endpoint is used and nothing is changed. Otherwise a simulated Azure is started inside
    this process, and the variables that the real SDKs read are set to find it. Variables that are set already keep
    their value; lists (certificate bundles, NO_PROXY) keep theirs and get one more entry. A second call changes nothing.

    Raises ConnectionSettingsError if the variables cannot work: only one of the two, a URL without https://, one that
    ends in /score, a key with white space.
    """
    global _simulator
    if _simulator is None:
        load_env_file()
        if not settings_are_complete(os.environ):
            from helpers.simulator.server import Simulator  # not needed, so not imported, with an endpoint of one's own

            _simulator = Simulator()
            add_variables(_simulator.variables(), os.environ)
    print(f"Answers come from: {what_answers()}")


def load_env_file() -> None:
    """Sets the variables of the nearest ``.env`` file, here or in a folder above, that are not set yet."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / ".env").is_file():
            from dotenv import load_dotenv

            load_dotenv(folder / ".env", override=False)
            return


def settings_are_complete(variables: MutableMapping[str, str]) -> bool:
    """Whether an endpoint and a key are given. Raises ConnectionSettingsError if they are, but cannot work.

    >>> settings_are_complete({})
    False
    """
    endpoint, key = variables.get(ENDPOINT, ""), variables.get(CREDENTIAL, "")
    if not endpoint and not key:
        return False
    if not key:
        raise ConnectionSettingsError(
            f"{ENDPOINT} is set, {CREDENTIAL} is not. Set it to the endpoint's key (deployment page, 'Consume'), or to any "
            f"word if you sign in with Microsoft Entra ID only. To use the simulated endpoint instead, remove {ENDPOINT}."
        )
    if not endpoint:
        raise ConnectionSettingsError(
            f"{CREDENTIAL} is set, {ENDPOINT} is not. Set it to the endpoint's URL, such as "
            f"https://my-phi4.eastus2.inference.ml.azure.com. To use the simulated endpoint instead, remove {CREDENTIAL}."
        )
    check_endpoint(endpoint)
    if any(letter.isspace() for letter in key):
        raise ConnectionSettingsError(
            f"{CREDENTIAL} holds white space ({len(key)} characters, of which {sum(map(str.isspace, key))} blank or line end). "
            "A key has none: copy it again without the blanks or line ends around it."
        )
    return True


def check_endpoint(endpoint: str) -> None:
    """Raises ConnectionSettingsError if a URL is not the root of an endpoint, and says what is.

    >>> check_endpoint("https://my-phi4.eastus2.inference.ml.azure.com")
    """
    if any(letter.isspace() for letter in endpoint):
        raise ConnectionSettingsError(f"{ENDPOINT} is {endpoint!r}: a URL has no white space. Remove it.")
    scheme, _, rest = endpoint.rpartition("://")
    root = re.split(r"/(?:score|info|completions|chat/completions)/?(?:\?|$)", rest)[0].rstrip("/")
    if scheme not in ("http", "https") or not urlsplit(endpoint).hostname:
        raise ConnectionSettingsError(
            f"{ENDPOINT} is {endpoint!r}, which does not begin with https://. Set it to 'https://{root}'."
        )
    if scheme == "http" and urlsplit(endpoint).hostname.endswith(".azure.com"):
        raise ConnectionSettingsError(
            f"{ENDPOINT} is {endpoint!r}: over http anyone could read your key. Set it to 'https://{root}'."
        )
    if root != rest.rstrip("/"):
        raise ConnectionSettingsError(
            f"{ENDPOINT} is {endpoint!r}: the client adds the route itself and needs the root only. Set it to '{scheme}://{root}'."
        )


def add_variables(found: dict[str, str], variables: MutableMapping[str, str]) -> None:
    """Sets variables that have no value yet; certificate bundles, which hold what was in force, are replaced."""
    for name, value in found.items():
        if name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE") or not variables.get(name):
            variables[name] = value
    for name in ("NO_PROXY", "no_proxy"):
        others = [host for host in variables.get(name, "").split(",") if host]
        variables[name] = ",".join(dict.fromkeys([*others, *LOOPBACK]))


def what_answers() -> str:
    """A few words on what the variables name."""
    endpoint = os.environ.get(ENDPOINT, "")
    if _simulator is not None and endpoint == _simulator.url:
        return "a simulated Azure on this computer (a tiny language model; no account, no network, no cost)."
    if is_on_this_computer(endpoint):
        return f"{endpoint} on this computer, as {ENDPOINT} says."
    return f"your own endpoint {endpoint}, which costs money while it is deployed."


def is_on_this_computer(endpoint: str) -> bool:
    """Whether a URL names a server on this computer.

    >>> is_on_this_computer("https://127.0.0.1:8443"), is_on_this_computer("https://my-phi4.eastus2.inference.ml.azure.com")
    (True, False)
    """
    return urlsplit(endpoint).hostname in LOOPBACK
