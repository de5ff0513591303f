"""Which server is the upstream: its address, its model and its key.

A key is easily pasted into the wrong place. So no message repeats a value, and only a plain address
is shown.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from ..auth import KEY_PREFIX

URL, MODEL, KEY = "SIMULATED_UPSTREAM", "SIMULATED_UPSTREAM_MODEL", "SIMULATED_UPSTREAM_KEY"
NAME = f"{URL} (or --upstream)"
CLIENT_KEY = "AZURE_INFERENCE_CREDENTIAL"
EXAMPLE = "http://localhost:11434"
ROUTES = ("/chat/completions", "/completions", "/models")  # that people copy with the address
AZURE_HOST = re.compile(r"\.azure\.(com|us|cn)$")
# Resources of Foundry have OpenAI's routes under /openai/v1, deployments of one's own under /v1.
FOUNDRY_HOST = re.compile(r"\.(openai|services\.ai|cognitiveservices)\.azure\.(com|us|cn)$")
# The name of a resource, then parts that Azure gives. A plain name has words with few digits.
AZURE_NAME = re.compile(
    r"([a-z0-9-]+)(?:\.[a-z]{4,18}[0-9]?)?"
    r"\.(?:inference\.ml|models\.ai|services\.ai|inference\.ai|openai|cognitiveservices)"
    r"\.azure\.(?:com|us|cn)"
)
PLAIN_NAME = re.compile(
    r"(?:[a-z]{1,15}[0-9]{0,4}|[0-9]{1,4})(?:-(?:[a-z]{1,15}[0-9]{0,4}|[0-9]{1,4}))*"
)
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.IGNORECASE)
PATH = re.compile(r"(/[\w.~-]+)*")
PIECE_LENGTH = 6  # so many characters in a row of a key are too many to show
MAX_SHOWN_LENGTH = 33  # characters of the name of a resource of Azure
MAX_NAME_LENGTH = 100  # characters of a model's name
NAME_SEPARATORS, NAME_WORD = re.compile("[-_/:. ]"), re.compile("[A-Za-z0-9]{0,16}")
HEXADECIMAL = re.compile("[0-9a-fA-F]{16,}")  # as a UUID is
MAX_DIGITS = 4  # in a word of it


class UpstreamSettingsError(ValueError):
    """The upstream cannot be used. The message says why and what to do, and repeats no value."""


@dataclass(frozen=True)
class UpstreamSettings:
    """An upstream. base_url: ends in /v1. model: "" to ask the upstream. key: "" for none.

    address: scheme, host and port, which may be shown; "" if they may not.
    """

    base_url: str = field(repr=False)
    address: str
    model: str
    key: str = field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        """True if the upstream is on this computer."""
        return urlsplit(self.base_url).hostname in LOOPBACK_HOSTS

    @property
    def is_on_azure(self) -> bool:
        """True if the upstream is a resource of Azure, which costs money."""
        return bool(AZURE_HOST.search(urlsplit(self.base_url).hostname or ""))

    @property
    def place(self) -> str:
        """Where the upstream is, in words for its operator."""
        return self.address or f"the address in {URL}"

    @property
    def place_for_clients(self) -> str:
        """Where the upstream is, in words for clients, who need not know an address elsewhere."""
        return self.address if self.is_local else "the upstream"


def settings_in(variables: Mapping[str, str]) -> UpstreamSettings | None:
    """Return the upstream that variables name; None if SIMULATED_UPSTREAM is not set.

    Raises UpstreamSettingsError if it cannot be used.
    """
    url = variables.get(URL, "")
    if not url.strip():
        return None
    return read_upstream(url, variables.get(MODEL, ""), variables.get(KEY, ""))


def read_upstream(url: str, model: str = "", key: str = "") -> UpstreamSettings:
    """Return an upstream. Raises UpstreamSettingsError if one of its settings cannot work.

    url: the server's root, or its address that ends in /v1; a route after it is left out. "http://"
    may be missing for this computer.

    >>> read_upstream("localhost:11434").base_url
    'http://localhost:11434/v1'
    >>> read_upstream("http://localhost:11434/v1/chat/completions/").base_url
    'http://localhost:11434/v1'
    >>> read_upstream("https://my-phi4.services.ai.azure.com").base_url
    'https://my-phi4.services.ai.azure.com/openai/v1'
    """
    url, model, key = url.strip(), model.strip(), key.strip()
    _check_key(key)
    if model and (not _is_name(model) or _has_piece(key, model)):
        raise UpstreamSettingsError(
            f"{MODEL} (or --upstream-model) is not the name of a model. Expected one such as "
            "phi4-mini, or nothing if the server has only one."
        )
    if key and key.casefold() in url.casefold():
        raise UpstreamSettingsError(f"{NAME} contains the key, which belongs in {KEY} alone.")
    parts = _split(url)
    path = parts.path.rstrip("/")
    for route in ROUTES:
        path = path.removesuffix(route)
    if not PATH.fullmatch(path):
        raise _no_address()
    if not path.endswith("/v1"):
        is_foundry = FOUNDRY_HOST.search(parts.hostname or "") and not path
        path += "/openai/v1" if is_foundry else "/v1"
    base_url = f"{parts.scheme}://{parts.netloc}{path}"
    settings = UpstreamSettings(base_url, _address(parts, key), model, key)
    if settings.is_on_azure and parts.scheme == "http":
        raise UpstreamSettingsError(
            f"{NAME} begins with http://, so anyone could read the key on its way. Use https://."
        )
    return settings


def check_keys_differ(key: str, client_key: str | None) -> None:
    """Raise UpstreamSettingsError if clients would be given the upstream's key."""
    if key and key == client_key:
        raise UpstreamSettingsError(
            f"The key for clients and the upstream's key in {KEY} are the same, so every client "
            f"would get the upstream's key. Remove {CLIENT_KEY} (then a key is made up), or set "
            "another one."
        )


def _is_name(model: str) -> bool:
    """Return True if a text looks like a model's name. A key has long words, or many digits.

    >>> _is_name("unsloth/Phi-4-mini-instruct-GGUF:Q4_K_M"), _is_name("4f0c81b2a9e64b7d93c2")
    (True, False)
    """
    words = NAME_SEPARATORS.split(model)
    if len(model) > MAX_NAME_LENGTH or HEXADECIMAL.fullmatch("".join(words)):
        return False
    return all(
        NAME_WORD.fullmatch(word) and sum(map(str.isdigit, word)) <= MAX_DIGITS for word in words
    )


def _check_key(key: str) -> None:
    is_usable = key.isascii() and key.isprintable() and not any(map(str.isspace, key))
    if not is_usable or "://" in key:
        raise UpstreamSettingsError(
            f"{KEY} is not a key ({len(key)} characters, not shown): expected ASCII characters "
            "without spaces, and no URL. Copy it again."
        )


def _split(url: str) -> SplitResult:
    """Return the parts of a URL. Raises UpstreamSettingsError if it is not one of a server."""
    if "://" not in url:
        host = re.split("[:/]", url, maxsplit=1)[0].casefold()
        if host not in LOOPBACK_HOSTS:
            raise _no_address()
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its message repeats a text that may be a key
        parts = None
    if parts is None:
        raise _no_address()
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UpstreamSettingsError(
            f"{NAME} contains more than an address: a password or parameters. Set it to the "
            f"address alone, such as {EXAMPLE}, and put the key into {KEY}."
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise _no_address()
    labels = [] if ":" in parts.hostname else parts.hostname.rstrip(".").split(".")
    if not all(LABEL.fullmatch(label) for label in labels):
        raise _no_address()
    return parts


def _no_address() -> UpstreamSettingsError:
    return UpstreamSettingsError(
        f"{NAME} is not the address of a server: expected one such as {EXAMPLE} or "
        "https://my-phi4.eastus2.inference.ml.azure.com, with or without /v1 at its end."
    )


def _address(parts: SplitResult, key: str) -> str:
    """Return scheme, host and port if they may be shown; "" if a key may stand there.

    They may be shown for this computer, for a numeric address, and on Azure if the name is plain.
    """
    host = parts.hostname or ""
    azure = AZURE_NAME.fullmatch(host)
    is_plain = host in LOOPBACK_HOSTS or _is_numeric(host)
    if azure and PLAIN_NAME.fullmatch(azure[1]) and len(azure[1]) <= MAX_SHOWN_LENGTH:
        is_plain = not _has_piece(key, host)
    return f"{parts.scheme}://{parts.netloc}" if is_plain else ""


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _has_piece(secret: str, text: str) -> bool:
    """Return True if a text contains six characters in a row of a secret, in whatever case."""
    secret = secret.removeprefix(KEY_PREFIX).casefold()  # every simulated key begins like this
    text = text.casefold()
    starts = range(len(secret) - PIECE_LENGTH + 1)
    return any(secret[start : start + PIECE_LENGTH] in text for start in starts)


def without_key(text: str, key: str) -> str:
    """Return a text of the upstream; without its words if they contain a piece of the key.

    >>> without_key("Incorrect key provided: sk-12345***", "sk-1234567890")
    '(not shown: it contains a part of the key)'
    """
    return "(not shown: it contains a part of the key)" if _has_piece(key, text) else text
