"""``connect()``: your own endpoint answers if its variables are set, otherwise a simulated Azure.

Each call takes off what the last call put on, so that the variables are the person's own again;
reads them (settings.py); and puts on what leads the real clients to the simulated Azure, if that is
to answer.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from helpers.classroom import (
    ClassEndpoint,
    NotTrustedError,
    ask_class,
    class_host,
    fetch_authority,
    may_be_class,
)
from helpers.settings import (
    CA_SHA256,
    CREDENTIAL,
    ENDPOINT,
    MAX_USD_PER_HOUR,
    PIECE_LENGTH,
    RESOURCE_MANAGER,
    SIMULATED_SERVER,
    UPSTREAM,
    UPSTREAM_VARIABLES,
    WORKSPACE_VARIABLES,
    ConnectionSettingsError,
    Settings,
    format_usd,
    harmless_address,
    is_on_this_computer,
    is_plain_name,
    read_env_file,
    read_settings,
)
from helpers.text import fit_page
from helpers.upstream import describe_upstream, find_upstream

if TYPE_CHECKING:
    from simulated_azure.inference.servers import Server
    from simulated_azure.transports.sockets import Simulator

__all__ = ["Connection", "ConnectionSettingsError", "connect", "describe_endpoint"]

BUNDLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
# Windows knows no lower case in the names of variables.
NO_PROXY = ("NO_PROXY",) if os.name == "nt" else ("NO_PROXY", "no_proxy")
NO_PROXY_HOSTS = ("localhost", "127.0.0.1", "::1")
# A managed identity, on machines of Azure. Its tokens are real ones.
IDENTITY = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT")
MANAGERS = (
    RESOURCE_MANAGER,
    "ARM_CLOUD_METADATA_URL",
    "REGISTRY_DISCOVERY_ENDPOINT_URL",
    "AZUREML_DEV_URL_MFE",
)
# azure-ai-ml sets this variable when it is first used, and believes it from then on.
CLOUD, SIMULATED_CLOUD = "AZUREML_CURRENT_CLOUD", "SimulatedCloud"
TOKEN_CREDENTIALS = "AZURE_TOKEN_CREDENTIALS"  # which credentials DefaultAzureCredential tries
# One variable of each credential that DefaultAzureCredential would try before a managed identity.
EARLIER_CREDENTIALS = (
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_USERNAME",
    "AZURE_FEDERATED_TOKEN_FILE",
)
# Who signs in, what is managed and what that costs: none of it touches which endpoint answers.
MANAGEMENT = (
    *WORKSPACE_VARIABLES,
    MAX_USD_PER_HOUR,
    *IDENTITY,
    *MANAGERS,
    CLOUD,
    TOKEN_CREDENTIALS,
    "AZURE_RETAIL_PRICES_URL",
)


NOT_TRUSTED = (
    "Note: this computer does not trust the certificate of the endpoint. If it is your class's, "
    f"set {CA_SHA256} to the fingerprint on your slip."
)
PLAIN_HTTP = (
    "Note: the address begins with http://, so others in this network can read what you send, and "
    "your key. With the https:// address on your slip they cannot."
)
UPSTREAM_UNUSED = (
    f"Note: {UPSTREAM} is not used, because {ENDPOINT} names an endpoint that answers by itself."
)


class Change(NamedTuple):
    """What connect() did to one variable: its value before and after. None: not set."""

    before: str | None
    after: str | None


class Connection:
    """The variables of a process, and the simulated Azure that may answer.

    environ: the variables to read and to change, such as os.environ. folder: where the search for a
    .env file begins; None: the current folder. start_simulator: called once, when a simulated Azure
    is first needed.
    """

    def __init__(
        self,
        environ: MutableMapping[str, str],
        folder: Path | None = None,
        start_simulator: Callable[[], Simulator] | None = None,
    ):
        self.environ = environ
        self.simulator: Simulator | None = None
        self._folder = folder
        self._start_simulator = start_simulator or _start_simulator
        self._changes: dict[str, Change] = {}
        self._env_file: Path | None = None  # if the endpoint comes from there
        self._class: ClassEndpoint | None = None  # if the endpoint is a class's
        self._lock = threading.Lock()

    def connect(self) -> None:
        """Do what ``helpers.connect()`` says. A call that raises changes no variable."""
        with self._lock:
            own = self._take_off()
            env_file = read_env_file(self._folder or Path.cwd(), own)
            for note in env_file.notes:
                print(note)
            changes = {name: text for name, text in env_file.variables.items() if name not in own}
            variables = {**changes, **own}
            settings = read_settings(self._without_simulated_endpoint(variables))
            endpoint_of_class = None
            if not settings.has_endpoint:
                changes |= self._simulated(settings, variables)
            elif may_be_class(variables):
                endpoint_of_class, more = self._join_class(settings, variables)
                changes |= more
            if settings.has_endpoint and variables.get(UPSTREAM):
                print(fit_page(UPSTREAM_UNUSED, indent=4))
            self._env_file = env_file.path if ENDPOINT in env_file.variables.keys() - own else None
            self._class = endpoint_of_class
            self._put_on(own, changes)
            print(fit_page(f"Answers come from: {self.describe_endpoint(settings)}", indent=4))
            for line in self._describe_deployments(settings):
                print(fit_page(line, indent=4))

    def describe_endpoint(self, settings: Settings) -> str:
        """Return in a few words which endpoint answers."""
        if self._is_simulated(self.environ):
            upstream = self.simulator.azure.inference.upstream
            if upstream is not None:
                return describe_upstream(upstream, self.simulator.azure.server.name)
            cost = "free, offline"
            if settings.has_own_subscription:
                cost = "its answers cost nothing"
            name = self.simulator.azure.server.name
            model = "a tiny language model"
            if name != "inference":  # that is the usual one
                model += f" behind the server {name}"
            return f"a simulated Azure on this computer ({model}; {cost})."
        if self._class is not None:
            return str(self._class)
        source = self._env_file or ENDPOINT
        if is_on_this_computer(settings.address):
            return f"{settings.address} on this computer, as {source} says."
        if settings.address:
            address, note = f" {settings.address}", ""
        else:
            address, note = "", " Its address is not shown: only plain addresses of Azure are."
        return (
            f"your own endpoint{address}, as {source} says.{note} "
            "It costs money while it is deployed."
        )

    def _take_off(self) -> dict[str, str]:
        """Return the person's own variables: without what the last call put on.

        Whatever has changed since then is the person's.
        """
        own = dict(self.environ)
        for name, change in self._changes.items():
            if own.get(name) == change.after:
                _set(own, name, change.before)
        return own

    def _put_on(self, own: Mapping[str, str], values: Mapping[str, str | None]) -> None:
        """Make the environment the person's own variables, changed by values. None: not set.

        Only what differs is written, since cells in other threads may be reading it.
        """
        changes = {name: Change(own.get(name), value) for name, value in values.items()}
        for name in {**self._changes, **changes}:
            _set(self.environ, name, changes[name].after if name in changes else own.get(name))
        self._changes = changes

    def _simulated(self, settings: Settings, variables: Mapping[str, str]) -> dict[str, str | None]:
        """Return what leads clients to the simulated Azure, which is started if need be."""
        server = simulated_server(variables)
        if self.simulator is None:
            self.simulator = self._start_simulator()
        azure = self.simulator.azure
        names = [variables.get(name, "") for name in WORKSPACE_VARIABLES]
        for name in names:
            if len(name) >= PIECE_LENGTH and not is_plain_name(name):
                azure.hide(name)  # it may be a key
        upstream, problem = find_upstream(variables, azure.inference.upstream)
        azure.use_upstream(upstream)
        azure.server = server
        azure.guard.endpoint_token = ""
        azure.rename_subscription(*names)
        if problem:
            print(fit_page(f"Note: {problem}", indent=4))
        simulated = self.simulator.variables(variables)
        return simulation(simulated, variables, not settings.has_own_subscription)

    def _join_class(
        self, settings: Settings, variables: Mapping[str, str]
    ) -> tuple[ClassEndpoint | None, dict[str, str | None]]:
        """Return what the endpoint says of its class, and what else its clients need.

        It says nothing (None) if it is not a class's. If it is one, deployments are simulated on
        this computer, unless a workspace of one's own is named. Raises ConnectionSettingsError if
        the class cannot be trusted or does not answer.
        """
        changes: dict[str, str | None] = {}
        authority = fetch_authority(variables)
        if authority is not None:
            changes |= trust(authority, variables)
        variables = {**variables, **changes}
        try:
            answer = ask_class(variables, variables.get(BUNDLES[0]))
        except NotTrustedError:
            answer = None
            print(fit_page(NOT_TRUSTED, indent=4))
        if answer is None:
            return None, changes
        for name in NO_PROXY:
            changes[name] = _with_hosts(variables.get(name, ""), [class_host(variables)])
        if variables[ENDPOINT].startswith("http:"):
            print(fit_page(PLAIN_HTTP, indent=4))
        if set(WORKSPACE_VARIABLES).isdisjoint(settings.missing) or settings.has_local_manager:
            return answer, changes
        beside = {**variables, **changes}
        beside = {name: text for name, text in beside.items() if name not in UPSTREAM_VARIABLES}
        local = self._simulated(settings, beside)
        guard = self.simulator.azure.guard
        guard.endpoint_token = variables[CREDENTIAL]  # which the class takes as a Bearer token
        self.simulator.azure.hide(variables[CREDENTIAL])
        names = (*MANAGEMENT, *BUNDLES, *NO_PROXY)
        changes |= {name: value for name, value in local.items() if name in names}
        return answer, changes

    def _is_simulated(self, variables: Mapping[str, str]) -> bool:
        """Return True if the endpoint is the simulated one, in whatever form of its URL."""
        address = harmless_address(variables.get(ENDPOINT, ""))
        simulator = self.simulator
        return simulator is not None and address in (simulator.url, simulator.http_url)

    def _without_simulated_endpoint(self, variables: Mapping[str, str]) -> Mapping[str, str]:
        """Return the variables as if a person had not set the simulated endpoint themselves."""
        if not self._is_simulated(variables):
            return variables
        mine = (ENDPOINT, CREDENTIAL)
        return {name: value for name, value in variables.items() if name not in mine}

    def _describe_deployments(self, settings: Settings) -> list[str]:
        """Return a line that says where deployments go, if there is something to say."""
        workspace = "your own workspace" + (f" {settings.workspace}" if settings.workspace else "")
        if settings.has_own_subscription:
            amount = format_usd(settings.max_usd_per_hour)
            return [
                f"REAL MONEY: deployments go to {workspace}. They cost money until they are "
                f"deleted; {MAX_USD_PER_HOUR} allows {amount} US dollars an hour."
            ]
        missing = settings.missing
        if self._class is not None and not set(WORKSPACE_VARIABLES).isdisjoint(missing):
            budget = [self._class.budget] if self._class.budget else []
            return [*budget, "Deployments (lessons 01 and 08) are simulated on this computer."]
        if settings.has_endpoint:
            if settings.has_local_manager or not set(WORKSPACE_VARIABLES).isdisjoint(missing):
                return []
            return [
                f"Deployments go to {workspace}, where the lessons start no machine unless "
                f"{MAX_USD_PER_HOUR} is set."
            ]
        if set(WORKSPACE_VARIABLES) <= set(missing):
            return []
        reason = f"{RESOURCE_MANAGER} names this computer"
        if missing:
            reason = f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not set"
        return [f"Deployments are simulated, too: {reason}."]


def connect() -> None:
    """Make sure that an endpoint answers, and print which.

    If AZURE_INFERENCE_ENDPOINT and AZURE_INFERENCE_CREDENTIAL are set, in the environment or in a
    ``.env`` file here or in a folder above, that endpoint is used. Otherwise a simulated Azure is
    started inside this process, and the variables that the real SDKs read are set to find it.
    Variables that you have set keep their values, except for those that would lead azure-ai-ml or
    azure-identity to the real Azure; lists (certificate bundles, NO_PROXY) get one more entry. The
    next call undoes all this first. If you change a variable, call connect() again: until then,
    clients may combine your value with the simulated ones.

    Deployments go to a subscription of your own only if AZURE_SUBSCRIPTION_ID,
    AZURE_RESOURCE_GROUP, AZURE_ML_WORKSPACE and AZURE_MAX_USD_PER_HOUR are all set; then access
    tokens are real, too. Beside an endpoint of your own nothing is simulated: there the first three
    are enough, and without the fourth helpers.spending.accept_price refuses every machine. A second
    line says what applies.

    If the endpoint is another computer's and not on Azure, it may be your class's. If so, the name
    of the class is printed, and deployments are simulated on this computer. SIMULATED_CA_SHA256 is
    the fingerprint of the class's certificate authority, which is fetched from the endpoint. If it
    has that fingerprint, the clients of this process trust it.

    SIMULATED_SERVER (inference or serve) chooses which of the two published servers of managed
    compute is simulated. SIMULATED_UPSTREAM lets another server write the answers of the simulated
    endpoint: the address of any with OpenAI's routes, such as http://localhost:11434 for Ollama.
    SIMULATED_UPSTREAM_MODEL names one of its models, SIMULATED_UPSTREAM_KEY has its key.

    Raises ConnectionSettingsError if the variables cannot work: only one of the two, both swapped,
    a URL without https:// or with /score at its end, a connection string, a key with spaces, an
    amount that is not a number, an upstream with several models of which none is named.
    """
    _connection.connect()


def describe_endpoint() -> str:
    """Return in a few words which endpoint the variables name, as connect() prints it.

    Raises ConnectionSettingsError if they cannot work.
    """
    return _connection.describe_endpoint(read_settings(os.environ))


def simulated_server(variables: Mapping[str, str]) -> Server:
    """Return the published server that the simulated endpoint is to play.

    Raises ConnectionSettingsError if the variable SIMULATED_SERVER names another.
    """
    from simulated_azure.inference.servers import INFERENCE, NAMES, SERVERS

    name = variables.get(SIMULATED_SERVER) or INFERENCE.name
    if name not in SERVERS:
        raise ConnectionSettingsError(
            f"{SIMULATED_SERVER} is not the name of a server. Set it to {NAMES}, or remove it."
        )
    return SERVERS[name]


def simulation(
    simulated: Mapping[str, str], own: Mapping[str, str], with_management: bool
) -> dict[str, str | None]:
    """Return the values of variables that lead clients to a simulated Azure. None: to be removed.

    simulated: what a Simulator says that clients need. own: the person's variables, which stay
    except for certificate bundles, NO_PROXY and what leads past the simulation. with_management:
    False leaves alone who signs in, what is managed and what it costs.

    >>> simulation({"IDENTITY_HEADER": "x"}, {"NO_PROXY": "intranet"}, False)["NO_PROXY"]
    'intranet,localhost,127.0.0.1,::1'
    """
    values: dict[str, str | None] = {
        name: value for name, value in simulated.items() if name in BUNDLES or not own.get(name)
    }
    for name in NO_PROXY:
        values[name] = _with_hosts(own.get(name, ""), NO_PROXY_HOSTS)
    if not with_management:
        return {name: value for name, value in values.items() if name not in MANAGEMENT}
    managers = [name for name in MANAGERS if not is_on_this_computer(own.get(name, ""))]
    for name in (*IDENTITY, *managers):
        values[name] = simulated.get(name)
    needs_choice = any(own.get(name) for name in EARLIER_CREDENTIALS)
    values[TOKEN_CREDENTIALS] = simulated[TOKEN_CREDENTIALS] if needs_choice else None
    values[CLOUD] = SIMULATED_CLOUD
    return values


def trust(authority: bytes, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which clients trust one more certificate authority.

    They name new files, in a folder that goes with this process. authority: its certificate (PEM).
    variables: those in force, whose certificates are kept.
    """
    from simulated_azure.transports.certificates import certificate_bundles
    from simulated_azure.transports.scratch import scratch_folder

    changes = {}
    for name, content in certificate_bundles(authority, variables).items():
        path = scratch_folder() / f"class_{name.lower()}.pem"
        path.write_bytes(content)
        changes[name] = str(path)
    return changes


def _with_hosts(text: str, hosts: Iterable[str]) -> str:
    """Return the value of NO_PROXY with more hosts.

    >>> _with_hosts("intranet", ["10.0.0.1"])
    'intranet,10.0.0.1'
    """
    own = [host for host in text.split(",") if host]
    return ",".join(dict.fromkeys([*own, *hosts]))


def _set(variables: MutableMapping[str, str], name: str, value: str | None) -> None:
    """Set a variable, or remove it if its value is None, unless it is so already."""
    if value is None:
        variables.pop(name, None)
    elif variables.get(name) != value:
        variables[name] = value


def _start_simulator() -> Simulator:
    from simulated_azure.transports.sockets import Simulator  # not needed with one's own endpoint

    return Simulator()


_connection = Connection(os.environ)
