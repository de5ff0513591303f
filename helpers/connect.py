"""Which endpoint answers: your own, if its variables are set, else a simulated Azure on this computer."""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from urllib.parse import urlsplit

ENDPOINT, CREDENTIAL = "AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL"
NAMES = {  # of what deployments go into, and how the simulator calls them
    "AZURE_SUBSCRIPTION_ID": "subscription_id",
    "AZURE_RESOURCE_GROUP": "resource_group",
    "AZURE_ML_WORKSPACE": "workspace",
}
MOST_USD_PER_HOUR = "AZURE_MAX_USD_PER_HOUR"  # without it, nothing is deployed to a subscription of one's own
KNOWN = (ENDPOINT, CREDENTIAL, *NAMES, MOST_USD_PER_HOUR)
CLOUD, SIMULATED_CLOUD = "AZUREML_CURRENT_CLOUD", "SimulatedCloud"  # azure-ai-ml sets it and believes it ever after
IDENTITY = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT")  # of a managed identity, on machines of Azure
MANAGERS = ("AZURE_RESOURCE_MANAGER_URL", "ARM_CLOUD_METADATA_URL", "REGISTRY_DISCOVERY_ENDPOINT_URL", "AZUREML_DEV_URL_MFE")
OTHER_CREDENTIALS = (  # which DefaultAzureCredential would take first, one variable of each
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_USERNAME",
    "AZURE_FEDERATED_TOKEN_FILE",
)
BUNDLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")  # of certificates
LOOPBACK = ("localhost", "127.0.0.1", "::1")
EXAMPLE = "https://my-phi4.eastus2.inference.ml.azure.com"
ROUTES = re.compile(r"(?:/v1)?/(?:score|info|completions|chat/completions)/?(?:\?.*)?$", re.IGNORECASE)
QUOTES = "'\"\u2018\u2019\u201c\u201d"
PORTALS = ("ai.azure.com", "ml.azure.com", "portal.azure.com")

_one_at_a_time = threading.Lock()
_simulator = None  # the running simulated Azure of this process, once there is one
_settings_file: Path | None = None  # the .env file that was read
_set: dict[str, str] = {}  # variables as they were set to find the simulated Azure
_replaced: dict[str, str] = {}  # values that had to make way for them


class ConnectionSettingsError(ValueError):
    """The variables that name the endpoint cannot work. The message says which, and what to do."""


def connect() -> None:
    """Makes sure that an endpoint answers, and says in one line which.

    If AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL are set, in the environment or in a ``.env`` file here
    or in a folder above, that endpoint is used and nothing is changed. Otherwise a simulated Azure is started inside
    this process, and the variables that the real SDKs read are set to find it. Variables that are set already keep
    their value, but for those that would lead azure-ai-ml or azure-identity to the real Azure; lists (certificate
    bundles, NO_PROXY) keep theirs and get one more entry. A second call changes nothing.

    Deployments go to a subscription of your own only if AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZURE_ML_WORKSPACE and
    AZURE_MAX_USD_PER_HOUR are all set; then access tokens are real, too. Beside an endpoint of your own nothing is simulated:
    there the first three are enough, and without the fourth helpers.spending.accept_price refuses every machine. What
    applies is said in a second line.

    Raises ConnectionSettingsError if the variables cannot work: only one of the two, both exchanged, a URL without
    https://, one that ends in /score, a key with white space, an amount that is no number.
    """
    with _one_at_a_time:
        _connect()
    print(f"Answers come from: {what_answers()}")
    for line in where_deployments_go():
        print(line)


def _connect() -> None:
    global _simulator
    load_env_file()
    if _simulator is not None:
        forget(_simulator.variables(), os.environ)
    own = has_own_subscription(os.environ, _set)
    if own:
        agreed_usd_per_hour(os.environ[MOST_USD_PER_HOUR])
    if settings_are_complete(os.environ) and not (_simulator and os.environ[ENDPOINT] in (_simulator.url, _simulator.http_url)):
        take_back_management(_set, _replaced, os.environ)
        return
    if _simulator is None:
        from simulated_azure.transports.sockets import Simulator  # not needed, so not imported, with an endpoint of one's own

        names = {} if own else NAMES
        _simulator = Simulator(**{key: os.environ[name] for name, key in names.items() if os.environ.get(name)})
    found = _simulator.variables()
    if own:
        take_back_management(_set, _replaced, os.environ)
        found = {name: value for name, value in found.items() if not is_management(name)}
    else:
        _replaced.update(make_way(os.environ, _set))
    _set.update(add_variables(found, os.environ))


def has_own_subscription(variables: Mapping[str, str], simulated: Mapping[str, str]) -> bool:
    """Whether deployments go to somebody's own subscription: it is named, and so is the most it may cost.

    simulated: the variables that were set to find a simulation, which do not count.

    >>> has_own_subscription({"AZURE_SUBSCRIPTION_ID": "1234", "AZURE_RESOURCE_GROUP": "group"}, {})
    False
    """
    manager = variables.get("AZURE_RESOURCE_MANAGER_URL", "")
    if is_on_this_computer(manager) and manager != simulated.get("AZURE_RESOURCE_MANAGER_URL"):
        return False  # a simulator that runs apart
    return all(variables.get(name) and variables[name] != simulated.get(name) for name in (*NAMES, MOST_USD_PER_HOUR))


def agreed_usd_per_hour(text: str) -> float:
    """The most that one deployment may cost per hour, in US dollars, from what AZURE_MAX_USD_PER_HOUR holds.

    Raises ConnectionSettingsError unless it is a finite number that is not negative.

    >>> agreed_usd_per_hour("3.70")
    3.7
    """
    try:
        most = float(text)
    except ValueError:
        most = math.nan
    if not 0 <= most < math.inf:
        raise ConnectionSettingsError(f"{MOST_USD_PER_HOUR} is {text!r}, expected an amount in US dollars such as 4 or 3.70.")
    return most


def is_management(name: str) -> bool:
    """Whether a variable decides who signs in, what is managed and what that costs, not which endpoint answers."""
    return name in (*NAMES, MOST_USD_PER_HOUR) or name.startswith(
        ("IDENTITY_", "ARM_", "REGISTRY_", "AZURE_RESOURCE_", "AZURE_RETAIL_PRICES_URL", "AZURE_TOKEN_CREDENTIALS")
    )


def make_way(variables: MutableMapping[str, str], simulated: Mapping[str, str]) -> dict[str, str]:
    """Removes what would lead a management client to the real Azure past the simulated one, or bring it a real token: what
    was removed. simulated: the variables that were set to find the simulation.

    >>> make_way({"AZUREML_CURRENT_CLOUD": "AzureCloud", "AZURE_SUBSCRIPTION_ID": "1234"}, {})
    {'AZUREML_CURRENT_CLOUD': 'AzureCloud'}
    """
    away = [name for name in MANAGERS if variables.get(name) and not is_on_this_computer(variables[name])]
    if not simulated.get("IDENTITY_ENDPOINT"):
        away += [name for name in IDENTITY if variables.get(name)]
    if variables.get(CLOUD, SIMULATED_CLOUD) != SIMULATED_CLOUD:
        away.append(CLOUD)
    if not simulated.get("IDENTITY_ENDPOINT") and variables.get("AZURE_TOKEN_CREDENTIALS"):
        away.append("AZURE_TOKEN_CREDENTIALS")
    return {name: variables.pop(name) for name in away}


def take_back_management(
    simulated: MutableMapping[str, str], replaced: MutableMapping[str, str], variables: MutableMapping[str, str]
) -> None:
    """Removes what leads to the simulated control plane, or Entra ID would go on giving out simulated tokens; puts back
    what was there before."""
    for name in [name for name in simulated if is_management(name)]:
        if variables.get(name) == simulated.pop(name):
            del variables[name]
    if variables.get(CLOUD) == SIMULATED_CLOUD:
        del variables[CLOUD]
    for name in list(replaced):
        variables.setdefault(name, replaced.pop(name))


def where_deployments_go() -> list[str]:
    """What to say of deployments, if there is something to say."""
    workspace, most = os.environ.get("AZURE_ML_WORKSPACE"), os.environ.get(MOST_USD_PER_HOUR)
    if has_own_subscription(os.environ, _set):
        return [
            f"REAL MONEY: deployments go to your own workspace {workspace}. They cost money until they are deleted; "
            f"{MOST_USD_PER_HOUR} allows {most} US dollars an hour."
        ]
    manager_is_here = is_on_this_computer(os.environ.get("AZURE_RESOURCE_MANAGER_URL", ""))
    if _simulator is None or os.environ.get(ENDPOINT) != _simulator.url:
        if manager_is_here or not all(os.environ.get(name) for name in NAMES):
            return []
        return [
            f"Deployments go to your own workspace {workspace}, where the lessons start no machine unless "
            f"{MOST_USD_PER_HOUR} is set."
        ]
    if all(os.environ.get(name, "") == _set.get(name, "") for name in NAMES):
        return []
    missing = [name for name in (*NAMES, MOST_USD_PER_HOUR) if os.environ.get(name, "") == _set.get(name, "")]
    why = f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not set"
    if not missing:
        why = "AZURE_RESOURCE_MANAGER_URL names this computer"
    return [f"Deployments are simulated, too: {why}."]


def load_env_file() -> None:
    """Sets the variables of the nearest ``.env`` file, here or in a folder above, that are not set yet."""
    global _settings_file
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / ".env").is_file():
            from dotenv import load_dotenv

            had_endpoint = bool(os.environ.get(ENDPOINT))
            try:
                load_dotenv(folder / ".env", override=False)
            except UnicodeDecodeError:
                raise ConnectionSettingsError(
                    f"{folder / '.env'} is not UTF-8 text. Save it again with the encoding UTF-8."
                ) from None
            if os.environ.get(ENDPOINT) and not had_endpoint:
                _settings_file = folder / ".env"
            text = (folder / ".env").read_text(encoding="utf-8-sig")
            if "azure" in text.casefold() and not any(re.search(rf"(?m)^\s*(export\s+)?{name}\s*=", text) for name in KNOWN):
                print(f"Note: {folder / '.env'} sets none of {', '.join(KNOWN)}. Each line of it has to be NAME=value.")
            return
        if (folder / ".env.txt").is_file():
            print("Note: the file .env.txt is not read. Rename it to .env, without .txt.")


def forget(simulated: Mapping[str, str], variables: MutableMapping[str, str]) -> None:
    """Takes back the two variables that name the simulated endpoint, unless both are still there."""
    mine = [name for name in (ENDPOINT, CREDENTIAL) if variables.get(name) == simulated[name]]
    if len(mine) == 1:
        del variables[mine[0]]


def settings_are_complete(variables: Mapping[str, str]) -> bool:
    """Whether an endpoint and a key are given. Raises ConnectionSettingsError if they are, but cannot work.

    >>> settings_are_complete({})
    False
    """
    endpoint, key = variables.get(ENDPOINT, ""), variables.get(CREDENTIAL, "")
    if not endpoint and not key:
        return False
    if key.startswith(("http://", "https://")):
        raise ConnectionSettingsError(
            f"{CREDENTIAL} holds a URL: {ENDPOINT} and {CREDENTIAL} look exchanged. The first is the URL, the second the key."
        )
    if not key:
        raise ConnectionSettingsError(
            f"{ENDPOINT} is set, {CREDENTIAL} is not. Set it to the endpoint's key (deployment page, 'Consume'), or to any "
            f"word if you sign in with Microsoft Entra ID only. To use the simulated endpoint instead, remove {ENDPOINT}."
        )
    if not endpoint:
        raise ConnectionSettingsError(
            f"{CREDENTIAL} is set, {ENDPOINT} is not. Set it to the endpoint's URL, such as {EXAMPLE}. "
            f"To use the simulated endpoint instead, remove {CREDENTIAL}."
        )
    check_endpoint(endpoint)
    if key.casefold().startswith("the key from"):
        raise ConnectionSettingsError(f"{CREDENTIAL} still holds the example text. Put the key from the deployment's page there.")
    if len(key) > 1 and key[0] in QUOTES and key[-1] in QUOTES:
        raise ConnectionSettingsError(f"{CREDENTIAL} stands in quotation marks. Take them off.")
    if any(letter.isspace() for letter in key):
        raise ConnectionSettingsError(
            f"{CREDENTIAL} holds white space (blanks or line ends: {sum(map(str.isspace, key))} of {len(key)} characters). "
            "A key has none: copy it again."
        )
    return True


def check_endpoint(endpoint: str) -> None:
    """Raises ConnectionSettingsError if a URL is not the root of an endpoint, and says what is.

    >>> check_endpoint("https://my-phi4.eastus2.inference.ml.azure.com")
    """
    scheme, _, rest = endpoint.strip(f"{QUOTES} ").rpartition("://")
    try:
        urlsplit(endpoint)
    except ValueError:  # half of an IPv6 address, say
        rest = ""
    host = rest.split("/")[0].rsplit(":", 1)[0]
    root = ROUTES.sub("", rest).partition("?")[0].rstrip("/")
    shown = endpoint.partition("?")[0]  # a query may hold a key
    if "@" in rest or host.startswith("eyJ"):  # a password, an access token
        raise ConnectionSettingsError(
            f"{ENDPOINT} holds more than the endpoint's URL. Set it to the URL alone, such as {EXAMPLE}."
        )
    if not host or (not scheme and "." not in host and host not in LOOPBACK):
        raise ConnectionSettingsError(  # without showing it: it may be the key
            f"{ENDPOINT} holds no URL ({len(endpoint)} characters without a host's name). "
            f"Set it to the endpoint's URL, such as {EXAMPLE}."
        )
    if any(letter.isspace() for letter in endpoint):
        raise ConnectionSettingsError(
            f"{ENDPOINT} holds white space ({len(endpoint)} characters in all). A URL has none: set it to the endpoint's URL, "
            f"such as {EXAMPLE}."
        )
    if host.casefold() in PORTALS:
        raise ConnectionSettingsError(
            f"{ENDPOINT} is the address of a page in the portal. Set it to the endpoint's own URL, which that page shows, "
            f"such as {EXAMPLE}."
        )
    if scheme not in ("http", "https") or not urlsplit(endpoint).hostname:
        is_a_host = bool(scheme) or host in LOOPBACK or host.casefold().endswith(".azure.com")  # anything else may be the key
        right = f"'https://{root}'" if is_a_host else f"the endpoint's URL, such as {EXAMPLE}"
        raise ConnectionSettingsError(f"{ENDPOINT} does not begin with https://. Set it to {right}.")
    if scheme == "http" and host.casefold().endswith(".azure.com"):
        raise ConnectionSettingsError(
            f"{ENDPOINT} is {shown!r}: over http anyone could read your key. Set it to 'https://{root}'."
        )
    if root != rest.rstrip("/"):
        raise ConnectionSettingsError(
            f"{ENDPOINT} is {shown!r}: the client adds the route itself and needs the root only. Set it to '{scheme}://{root}'."
        )


def add_variables(found: Mapping[str, str], variables: MutableMapping[str, str]) -> dict[str, str]:
    """Sets variables that have no value yet; certificate bundles, which hold what was in force, are replaced.

    Returns those that it set.
    """
    added = {}
    for name, value in found.items():
        if name == "AZURE_TOKEN_CREDENTIALS" and not any(variables.get(other) for other in OTHER_CREDENTIALS):
            continue  # nothing comes before the simulated identity
        if name in BUNDLES or not variables.get(name):
            variables[name] = added[name] = value
    for name in ("NO_PROXY", "no_proxy"):
        others = [host for host in variables.get(name, "").split(",") if host]
        variables[name] = ",".join(dict.fromkeys([*others, *LOOPBACK]))
    return added


def what_answers() -> str:
    """A few words on what the variables name."""
    endpoint = os.environ.get(ENDPOINT, "")
    source = f"{_settings_file} says" if _settings_file else f"{ENDPOINT} says"
    if _simulator is not None and endpoint == _simulator.url:
        what = "no account, no network, no cost" if not has_own_subscription(os.environ, _set) else "its answers cost nothing"
        return f"a simulated Azure on this computer (a tiny language model; {what})."
    if is_on_this_computer(endpoint):
        return f"{endpoint} on this computer, as {source}."
    return f"your own endpoint {endpoint}, as {source}. It costs money while it is deployed."


def is_on_this_computer(endpoint: str) -> bool:
    """Whether a URL names a server on this computer.

    >>> is_on_this_computer("https://127.0.0.1:8443"), is_on_this_computer("https://my-phi4.eastus2.inference.ml.azure.com")
    (True, False)
    """
    return urlsplit(endpoint).hostname in LOOPBACK
