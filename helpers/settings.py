"""Read and check the variables that a person set. Nothing is changed here.

A key is easily pasted into the wrong variable. So no message, and no field of Settings, repeats a
value unless it is known to be harmless: scheme and host of an address of Azure or of this computer,
a plain name, an amount.
"""

from __future__ import annotations

import io
import os
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

ENDPOINT, CREDENTIAL = "AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL"
WORKSPACE = "AZURE_ML_WORKSPACE"
WORKSPACE_VARIABLES = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", WORKSPACE)
MAX_USD_PER_HOUR = "AZURE_MAX_USD_PER_HOUR"  # without it, nothing is deployed for real money
RESOURCE_MANAGER = "AZURE_RESOURCE_MANAGER_URL"
SIMULATED_SERVER = "SIMULATED_SERVER"  # which published server the simulated endpoint plays
CA_SHA256 = "SIMULATED_CA_SHA256"  # the fingerprint of a class's certificate authority
# The server that writes the simulated endpoint's answers, its model, and its key.
UPSTREAM, UPSTREAM_KEY = "SIMULATED_UPSTREAM", "SIMULATED_UPSTREAM_KEY"
UPSTREAM_VARIABLES = (UPSTREAM, "SIMULATED_UPSTREAM_MODEL", UPSTREAM_KEY)
# What a person may set, in the environment or in a .env file. No message shows what may be a key.
KIT_VARIABLES = (
    ENDPOINT,
    CREDENTIAL,
    CA_SHA256,
    *WORKSPACE_VARIABLES,
    MAX_USD_PER_HOUR,
    *UPSTREAM_VARIABLES,
)

EXAMPLE = "https://my-phi4.eastus2.inference.ml.azure.com"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")  # as they stand in a URL
PORTALS = ("ai.azure.com", "ml.azure.com", "portal.azure.com")
QUOTES = "'\"`<>\u2018\u2019\u201c\u201d"
NO_EDGES_OF_A_KEY = QUOTES + "()[]{},;"
MAX_PORT = 65_535
MAX_NAME_LENGTH = 33
PIECE_LENGTH = 6  # so many characters in a row of a key are too many to show

# "Endpoint=...;AccountKey=...", or a whole line of a .env file
NAME_AND_VALUE = re.compile(
    r"(?:^|[;,\s'\"])(?:endpoint|[\w-]*key|credential|AZURE_\w+)\s*=\s*[^\s=]", re.IGNORECASE
)
ROUTE = re.compile(
    r"(?:/v1)*/(?:score|info|completions|chat/completions|swagger\.json)/?$", re.IGNORECASE
)
REPEATED_VERSION = re.compile(r"(/v1)(?:/v1)+/?$", re.IGNORECASE)
PROJECT = re.compile(r"/api/projects(?:/[^/]*)?/?$", re.IGNORECASE)
MISTYPED_SCHEME = re.compile(r"https?:?[/\\]+", re.IGNORECASE)  # one slash, no colon, backslashes
HOST = re.compile(r"[\w.-]*\w\.?|\[[0-9A-Fa-f:.]+\]")
PATH = re.compile(r"[\w.~%/-]*")
HARMLESS_PATHS = ("", "/models", "/v1", "/openai/v1")
AZURE_HOST = re.compile(
    r"((?P<name>[a-z0-9-]+)(?:\.[a-z]{4,18}[0-9]?)?)"  # some have a region after the name
    r"\.(?:inference\.ml|models\.ai|services\.ai|inference\.ai|openai|cognitiveservices)"
    r"\.azure\.(?:com|us|cn)",
    re.IGNORECASE,
)
PLAIN_WORD = re.compile(r"[A-Za-z]{1,15}[0-9]{0,4}|[0-9]{1,4}")
UNIQUE_WORD = re.compile(r"[A-Za-z0-9]{1,8}")  # Azure appends one to make a name unique
AMOUNT = re.compile(r"[0-9]{1,4}(?:\.[0-9]*)?|\.[0-9]+")


class ConnectionSettingsError(ValueError):
    """The variables cannot work. The message says which, what was expected and what to do."""


@dataclass(frozen=True)
class Settings:
    """What the variables say. Every value in it is harmless and may be shown.

    address: scheme and host of the endpoint; "" if there is none, or if they may not be shown.
    workspace: its name; "" if it may not be shown. missing: which of the four variables that lead
    to one's own workspace are not set. has_local_manager: AZURE_RESOURCE_MANAGER_URL names this
    computer. max_usd_per_hour: US dollars; None unless deployments go to one's own workspace.
    """

    has_endpoint: bool
    address: str
    workspace: str
    missing: tuple[str, ...]
    has_local_manager: bool
    max_usd_per_hour: float | None

    @property
    def has_own_subscription(self) -> bool:
        """True if a workspace is named, and so is the most that a deployment may cost."""
        return not self.missing and not self.has_local_manager


@dataclass(frozen=True)
class EnvFile:
    """The .env file that was read (if any), its variables, and what the person should know."""

    path: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()


def read_env_file(folder: Path, environ: Mapping[str, str]) -> EnvFile:
    """Return the nearest .env file, in a folder or in one above.

    environ: where ``${NAME}`` in a value is looked up. If it sets PYTHON_DOTENV_DISABLED,
    python-dotenv's own switch, no file is read. Raises ConnectionSettingsError if the file is not
    UTF-8 text, or if this user may not read it.
    """
    if environ.get("PYTHON_DOTENV_DISABLED", "").casefold() in ("1", "true", "t", "yes", "y"):
        return EnvFile()
    notes = []
    for place in (folder, *folder.parents):
        path = place / ".env"
        if _is_file(path):
            text = _utf8_text(path)
            if text is None:
                raise ConnectionSettingsError(
                    f"{path} is not UTF-8 text. Save it again with the encoding UTF-8."
                )
            variables = _env_variables(text, environ)
            if "azure" in text.casefold() and not any(name in variables for name in KIT_VARIABLES):
                notes.append(
                    f"Note: {path} sets none of {', '.join(KIT_VARIABLES)}. "
                    "Each line of it has to be NAME=value."
                )
            return EnvFile(path, variables, tuple(notes))
        if _is_file(place / ".env.txt"):
            notes.append("Note: the file .env.txt is not read. Rename it to .env, without .txt.")
    return EnvFile(notes=tuple(notes))


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return what the variables say. Raises ConnectionSettingsError if they cannot work.

    >>> settings = read_settings({ENDPOINT: EXAMPLE, CREDENTIAL: "any-word"})
    >>> settings.address, settings.has_own_subscription
    ('https://my-phi4.eastus2.inference.ml.azure.com', False)
    """
    endpoint, key = environ.get(ENDPOINT, ""), environ.get(CREDENTIAL, "")
    workspace = environ.get(WORKSPACE, "")
    needed = (*WORKSPACE_VARIABLES, MAX_USD_PER_HOUR)
    missing = tuple(name for name in needed if not environ.get(name))
    has_local_manager = is_on_this_computer(environ.get(RESOURCE_MANAGER, ""))
    needs_amount = not missing and not has_local_manager
    amount = parse_usd_per_hour(environ[MAX_USD_PER_HOUR]) if needs_amount else None
    return Settings(
        has_endpoint=check_endpoint_and_key(endpoint, key),
        address=harmless_address(endpoint, key),
        workspace=workspace if is_plain_name(workspace, key) else "",
        missing=missing,
        has_local_manager=has_local_manager,
        max_usd_per_hour=amount,
    )


def parse_usd_per_hour(text: str) -> float:
    """Return the amount in AZURE_MAX_USD_PER_HOUR: US dollars that one deployment may cost an hour.

    Raises ConnectionSettingsError unless it is a number from 0 to 9,999.99.

    >>> parse_usd_per_hour("3.70")
    3.7
    """
    if not AMOUNT.fullmatch(text.strip()):
        raise ConnectionSettingsError(
            f"{MAX_USD_PER_HOUR} has a value that cannot be used ({len(text)} characters, not "
            "shown): expected an amount in US dollars from 0 to 9,999.99, written like 4 or 3.70."
        )
    return float(text)


def format_usd(amount: float) -> str:
    """Return an amount of US dollars as people write it.

    >>> format_usd(12.0), format_usd(3.7), format_usd(3.673)
    ('12', '3.70', '3.673')
    """
    if amount == round(amount):
        return f"{amount:.0f}"
    return f"{amount:.2f}" if amount == round(amount, 2) else f"{amount:.4f}".rstrip("0")


def check_endpoint_and_key(endpoint: str, key: str) -> bool:
    """Return True if an endpoint and its key are both there, False if neither is.

    Raises ConnectionSettingsError if one is missing, if they look swapped, or if one cannot work.

    >>> check_endpoint_and_key("", "")
    False
    """
    if not endpoint and not key:
        return False
    for name, text in ((ENDPOINT, endpoint), (CREDENTIAL, key)):
        if NAME_AND_VALUE.search(text):
            raise ConnectionSettingsError(
                f"{name} contains a connection string, or a name and a value. Split it: set "
                f"{ENDPOINT} to the URL alone, such as {EXAMPLE}, and {CREDENTIAL} to the key "
                "alone, both without a name such as Endpoint= or AccountKey=."
            )
    if "://" in key or ".azure.com" in key.casefold():
        if "://" in endpoint:
            raise ConnectionSettingsError(
                f"{CREDENTIAL} contains a URL. "
                "Set it to the key alone (deployment page, 'Consume')."
            )
        raise ConnectionSettingsError(
            f"{CREDENTIAL} contains a URL: {ENDPOINT} and {CREDENTIAL} look swapped. "
            "The first is the URL, the second the key."
        )
    if not key:
        check_endpoint(endpoint)
        raise ConnectionSettingsError(
            f"{ENDPOINT} is set, {CREDENTIAL} is not. Set it to the endpoint's key (deployment "
            "page, 'Consume'), or to any word if you sign in with Microsoft Entra ID only. "
            f"To use the simulated endpoint instead, remove {ENDPOINT}."
        )
    if not endpoint:
        raise ConnectionSettingsError(
            f"{CREDENTIAL} is set, {ENDPOINT} is not. Set it to the endpoint's URL, such as "
            f"{EXAMPLE}. To use the simulated endpoint instead, remove {CREDENTIAL}."
        )
    check_endpoint(endpoint, key)
    check_key(key)
    return True


def check_endpoint(endpoint: str, key: str = "") -> None:
    """Raise ConnectionSettingsError if a text is not the URL of an endpoint's root.

    key: the endpoint's key, which must not be in it.

    >>> check_endpoint("https://my-phi4.eastus2.inference.ml.azure.com")
    """
    problem = _problem_of_endpoint(endpoint, key)
    if problem:
        raise ConnectionSettingsError(f"{ENDPOINT} {problem}")


def check_key(key: str) -> None:
    """Raise ConnectionSettingsError if a text cannot be a key.

    >>> check_key("simulated-key-of-32-characters-x")
    """
    if key.casefold().startswith("the key from"):
        raise ConnectionSettingsError(
            f"{CREDENTIAL} still contains the example text. "
            "Put the key from the deployment's page there."
        )
    if key != key.strip(NO_EDGES_OF_A_KEY):
        raise ConnectionSettingsError(
            f"{CREDENTIAL} begins or ends with a quotation mark, a bracket, a comma or a semicolon."
            " A key does not: set the variable to the key alone."
        )
    invisible = sum(map(_is_invisible, key))
    if invisible:
        raise ConnectionSettingsError(
            f"{CREDENTIAL} contains spaces, line breaks or invisible characters ({invisible} of "
            f"{len(key)} characters). A key has none: copy it again."
        )
    if not key.isascii() or not any(map(str.isalnum, key)):
        raise ConnectionSettingsError(
            f"{CREDENTIAL} contains what is not a key, such as the dots or asterisks that a page "
            "shows instead of it. Press the page's button that copies the key."
        )


def harmless_address(url: str, key: str = "") -> str:
    """Return scheme and host of a URL if they may be shown, otherwise "".

    They may be shown if they are an address of Azure with a plain name, or of this computer; then
    the port is shown, too. key: a text of which no piece may be shown.

    >>> harmless_address("https://my-phi4.eastus2.inference.ml.azure.com/v1")
    'https://my-phi4.eastus2.inference.ml.azure.com'
    >>> harmless_address("https://gpu-server:8000")
    ''
    """
    scheme, _, rest = url.partition("://")
    host, port, _ = _split(_partition(rest, "?#")[0])
    if scheme not in ("http", "https") or not _is_port(port):
        return ""
    if host.casefold() in LOOPBACK_HOSTS:
        return f"{scheme}://{host}" + (f":{port}" if port else "")
    azure = AZURE_HOST.fullmatch(host)
    if azure and is_plain_name(azure["name"]) and not has_piece_of(key, azure[1]):
        return f"{scheme}://{host}"
    return ""


def is_plain_name(name: str, key: str = "") -> bool:
    """Return True if a text looks like a name that a person or Azure chose, and not like a key.

    Such a name is short and has words of letters with a few digits at the end; one word may be a
    mixture. key: a text of which no piece may be in the name.

    >>> is_plain_name("phi4-workspace"), is_plain_name("4f0c81b2a9e64b7d93c2f1a0d5e8b6c7")
    (True, False)
    """
    words = re.split("[-_]", name)
    mixtures = [word for word in words if not PLAIN_WORD.fullmatch(word)]
    is_plain = len(mixtures) <= 1 and all(UNIQUE_WORD.fullmatch(word) for word in mixtures)
    return is_plain and len(name) <= MAX_NAME_LENGTH and not has_piece_of(key, name)


def has_piece_of(secret: str, text: str) -> bool:
    """Return True if a text contains six characters in a row of a secret, in whatever case.

    >>> has_piece_of("0123456789", "phi4-345678"), has_piece_of("0123456789", "phi4-34567")
    (True, False)
    """
    secret, text = secret.casefold(), text.casefold()
    starts = range(len(secret) - PIECE_LENGTH + 1)
    return any(secret[start : start + PIECE_LENGTH] in text for start in starts)


def is_on_this_computer(url: str) -> bool:
    """Return True if a URL names a server on this computer.

    >>> is_on_this_computer("https://127.0.0.1:8443"), is_on_this_computer(EXAMPLE)
    (True, False)
    """
    try:
        return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    except ValueError:  # half of an IPv6 address, say
        return False


def _problem_of_endpoint(endpoint: str, key: str) -> str:
    """Return what is wrong with a URL, and what to do; "" if nothing is."""
    text = endpoint.strip(QUOTES + string.whitespace)
    if not text:
        return (
            f"is empty ({len(endpoint)} characters: spaces or quotation marks). Set it to the "
            f"endpoint's URL, such as {EXAMPLE}, or remove it to use the simulated endpoint."
        )
    if "://" not in text:
        text = MISTYPED_SCHEME.sub("", text, count=1) if MISTYPED_SCHEME.match(text) else text
    scheme, _, rest = text.rpartition("://")
    rest, mark, _ = _partition(rest, "?#")
    host, port, path = _split(rest)
    advice = f"Set it to {_corrected(scheme, host, port, path, key)}."
    if host.casefold() in PORTALS:
        return (
            "is the address of a page in the portal. Set it to the endpoint's own URL, which that "
            f"page shows, such as {EXAMPLE}."
        )
    if ";" in text or "," in text:
        return (
            "contains more than one value (a semicolon or a comma). "
            f"The key belongs in {CREDENTIAL}. {advice}"
        )
    if any(map(_is_invisible, endpoint)):
        return (
            f"contains spaces, line breaks or invisible characters ({len(endpoint)} characters in "
            f"all). A URL has none. {advice}"
        )
    if "@" in text or host.startswith("eyJ"):
        return f"contains more than the endpoint's URL: a password or an access token. {advice}"
    if len(key) >= PIECE_LENGTH and key.casefold() in text.casefold() and not is_plain_name(key):
        return f"contains the key, which belongs in {CREDENTIAL} alone. {advice}"
    if "." in host and not HOST.fullmatch(host) and not host.startswith("["):
        return (
            "has characters in its host that the name of a host does not have, such as those of a "
            f"placeholder like <name>. {advice}"
        )
    is_host = HOST.fullmatch(host) and not _looks_like_a_key(host)
    if not is_host or not (scheme or "." in host or host.casefold() in LOOPBACK_HOSTS):
        hint = f" If it is the key, it belongs in {CREDENTIAL}." if _looks_like_a_key(host) else ""
        return f"contains no URL ({len(endpoint)} characters without a host's name).{hint} {advice}"
    if endpoint[0] in QUOTES or endpoint[-1] in QUOTES:
        return f"is in quotation marks or brackets. Remove them. {advice}"
    if scheme not in ("http", "https"):
        schemes = "http:// or https://" if host.casefold() in LOOPBACK_HOSTS else "https://"
        return f"does not begin with {schemes}. {advice}"
    if scheme == "http" and re.search(r"\.azure\.(com|us|cn)$", host, re.IGNORECASE):
        return f"begins with http://, so anyone could read your key on its way. {advice}"
    if not _is_port(port):
        return f"has a port that is not a number from 1 to {MAX_PORT}. {advice}"
    if not PATH.fullmatch(path):
        return f"contains characters that the URL of an endpoint does not have. {advice}"
    if route := ROUTE.search(path):
        name = route[0].casefold().rstrip("/")
        reason = "the client adds the route itself and needs the root only"
        root = path.removesuffix(route[0]).casefold()
        address = harmless_address(endpoint, key)
        if address and root in HARMLESS_PATHS:
            return f"is '{address}{root}{name}': {reason}. {advice}"
        return f"ends in {name}: {reason}. Remove {name} and whatever follows it."
    if REPEATED_VERSION.search(path):
        return f"contains /v1 twice. {advice}"
    if PROJECT.search(path):
        return f"is the address of a Foundry project, not of its models. {advice}"
    if mark:
        return f"contains more than the endpoint's root: a part that begins with {mark}. {advice}"
    return ""


def _corrected(scheme: str, host: str, port: str, path: str, key: str) -> str:
    """Return the URL that was meant, if all of it may be shown; otherwise what is expected."""
    is_local_http = scheme != "https" and host.casefold() in LOOPBACK_HOSTS
    scheme = "http" if is_local_http else "https"
    address = harmless_address(f"{scheme}://{host}{':' if port else ''}{port}", key)
    root = ROUTE.sub("", path).casefold().rstrip("/")
    root = PROJECT.sub("/models", REPEATED_VERSION.sub(r"\1", root))
    if address and root in HARMLESS_PATHS:
        return f"'{address}{root}'"
    return f"the endpoint's URL, such as {EXAMPLE}"


def _is_invisible(letter: str) -> bool:
    return letter.isspace() or not letter.isprintable()


def _looks_like_a_key(host: str) -> bool:
    """Return True if what should be a host is one long word of letters and digits."""
    return len(host) >= 20 and host.isalnum() and not host.isalpha()


def _is_port(port: str) -> bool:
    """Return True if a text is empty or the number of a port."""
    return not port or (
        port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) <= MAX_PORT
    )


def _split(rest: str) -> tuple[str, str, str]:
    """Return host, port and path of what follows the scheme of a URL."""
    netloc, slash, path = rest.partition("/")
    host, colon, port = netloc.rpartition(":")
    if not colon or netloc.endswith("]"):
        host, port = netloc, ""
    return host, port, slash + path


def _partition(text: str, marks: str) -> tuple[str, str, str]:
    """Return a text before the first of several marks, that mark, and the text after it."""
    mark = next((letter for letter in text if letter in marks), "")
    return text.partition(mark) if mark else (text, "", "")


def _is_file(path: Path) -> bool:
    """Return True for a file; False also in a folder that this user may not enter."""
    try:
        return path.is_file()
    except PermissionError:
        return False


def _utf8_text(path: Path) -> str | None:
    """Return the text of a file; None if it is not UTF-8. (That error would carry the content.)

    Raises ConnectionSettingsError if this user may not read it.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except PermissionError:
        raise ConnectionSettingsError(
            f"You may not read {path}. Make the file yours, or let its owner allow you to read it."
        ) from None
    except UnicodeDecodeError:
        return None


def _env_variables(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the text of a .env file sets.

    As in python-dotenv, ``${NAME}`` stands for a value of the environment or of a line above.
    """
    from dotenv import dotenv_values
    from dotenv.variables import parse_variables

    variables: dict[str, str] = {}
    for name, value in dotenv_values(stream=io.StringIO(text), interpolate=False).items():
        if value is not None:
            known = {**variables, **environ}
            parts = parse_variables(value)
            name = name.upper() if os.name == "nt" else name  # Windows knows no lower case
            variables[name] = "".join(part.resolve(known) for part in parts)
    return variables
