"""No piece of a key is ever shown, in whatever variable and in whatever shape a person puts it."""

from __future__ import annotations

import base64
import io
import os
import random
import re
import string
import tempfile
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import configuration, given, settings
from hypothesis import strategies as st

from helpers import preflight as preflight_module
from helpers import spending
from helpers.connect import Connection
from helpers.cost import Price
from helpers.preflight import Check, preflight
from helpers.settings import check_endpoint, read_env_file, read_settings
from helpers.wire import show_last_request
from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request
from simulated_azure.upstream.upstream import Upstream

PIECE_LENGTH = 6
AZURE = "https://my-phi4.eastus2.inference.ml.azure.com"
PRICE = Price("Standard_NC24ads_A100_v4", "eastus", 3.673, "USD", "somebody", "2026-11-09")
ADDRESS = re.compile("0x[0-9a-f]+")  # of an object, in its repr(): a chance piece of a hex key
# Whatever a person may paste, with KEY where the key stands.
SHAPES = [
    "KEY",
    "'KEY'",
    "KEY\n",
    "Bearer KEY",
    "api-key: KEY",
    "https://KEY",
    "http://KEY/",
    "https://KEY:443",
    "https://KEY.azure.com",
    "http://KEY.azure.com",
    "https://KEY.openai.azure.com",
    "https://KEY.eastus2.inference.ml.azure.com/score",
    "https://my-phi4.KEY.inference.ml.azure.com",
    "KEY.eastus2.inference.ml.azure.com",
    "KEY.example",
    "https://KEY.example/score",
    f"Endpoint={AZURE};AccountKey=KEY",
    f"Endpoint={AZURE}/;Key=KEY;",
    f"AZURE_INFERENCE_ENDPOINT={AZURE} AZURE_INFERENCE_CREDENTIAL=KEY",
    "AccountKey=KEY",
    f"{AZURE};KEY",
    f"{AZURE},KEY",
    f"{AZURE} KEY",
    f"{AZURE}\nKEY",
    f"{AZURE}|KEY",
    f"KEY;{AZURE}",
    f"KEY {AZURE}",
    f"KEY@{AZURE}",
    f"{AZURE}/KEY",
    f"{AZURE}/KEY/",
    f"{AZURE}/KEY/chat/completions",
    f"{AZURE}/v1/KEY/score?x=1",
    f"{AZURE}/openai/deployments/KEY",
    f"{AZURE}/openai/deployments/KEY/chat/completions?api-version=2024-05-01-preview",
    f"{AZURE}/chat/completions?key=KEY",
    f"{AZURE}?key=KEY",
    f"{AZURE}#KEY",
    f"{AZURE}/#KEY",
    f"{AZURE}:KEY",
    f"{AZURE}:KEY/score",
    f"'{AZURE}/KEY'",
    f"\u201c{AZURE}#KEY\u201d",
    "https://my-phi4.eastus2.inference.ml.azure.comKEY",
    "https://user:KEY@my-phi4.eastus2.inference.ml.azure.com",
    "https://KEY@my-phi4.eastus2.inference.ml.azure.com",
    "http://my-phi4.eastus2.inference.ml.azure.com/KEY",
    "my-phi4.eastus2.inference.ml.azure.com/KEY",
    "my-phi4.eastus2.inference.ml.azure.com:KEY",
    "my-phi4.eastus2.inference.ml.azure.com;KEY",
    "https://gpu-server/KEY",
    "gpu-server/KEY",
    "ftp://h/KEY",
    "wss://h/KEY",
    "KEY://h",
    "https:/KEY",
    "https//KEY",
    "HTTPS://KEY",
    "https://https://KEY",
    "https://ai.azure.com/KEY",
    "https://localhost:9/KEY",
    "http://127.0.0.1:9/KEY/score",
    "localhost:9/KEY",
    "https://localhost:KEY",
    "http://127.0.0.1:9#KEY",
    "http://127.0.0.1:9?KEY",
    "http://KEY@127.0.0.1:9",
    "https://[::1]:KEY",
    "https://[KEY",
    "https://[KEY]",
    "https://[::1]/KEY",
    "12KEY",
    "KEY.5",
    "-KEY",
    "my-KEY",
]
# variable -> values that are harmless there; None: not set
VARIABLES: dict[str, list[str | None]] = {
    "AZURE_INFERENCE_ENDPOINT": [
        None,
        AZURE,
        f"{AZURE}/score",
        "https://127.0.0.1:9",
        "https://a.example",
    ],
    "AZURE_INFERENCE_CREDENTIAL": [None, "any-word"],
    "SIMULATED_CA_SHA256": [None],
    "AZURE_SUBSCRIPTION_ID": [None, "1234"],
    "AZURE_RESOURCE_GROUP": [None, "my-group"],
    "AZURE_ML_WORKSPACE": [None, "my-workspace"],
    "AZURE_MAX_USD_PER_HOUR": [None, "4", "3.70"],
    "AZURE_RESOURCE_MANAGER_URL": [None],
    "ARM_CLOUD_METADATA_URL": [None],
    "IDENTITY_ENDPOINT": [None],
    "AZURE_CLIENT_SECRET": [None],
    "AZURE_TOKEN_CREDENTIALS": [None],
    "REQUESTS_CA_BUNDLE": [None],
    "NODE_EXTRA_CA_CERTS": [None],
    "NO_PROXY": [None],
    "AZURE_INFERENCE_KEY": [None],
    "SIMULATED_UPSTREAM": [None, "http://127.0.0.1:9", "https://a.example/v1"],
    "SIMULATED_UPSTREAM_MODEL": [None, "phi4-mini"],
    "SIMULATED_UPSTREAM_KEY": [None],
}


def alphanumeric(chance: random.Random, length: int) -> str:
    return "".join(chance.choices(string.ascii_letters + string.digits, k=length))


def unusual(chance: random.Random) -> str:
    letters = string.ascii_letters + string.digits + "!\"$%&'()*+,-./:;<=>?@[]^_`{|}~\\\u00e9\u20ac"
    return "".join(chance.choices(letters, k=40))


KINDS: list[Callable[[random.Random], str]] = [
    lambda chance: alphanumeric(chance, 32),
    lambda chance: alphanumeric(chance, 32).lower(),
    lambda chance: alphanumeric(chance, 84),
    lambda chance: chance.randbytes(16).hex(),
    lambda chance: chance.randbytes(32).hex().upper(),
    lambda chance: str(chance.randrange(10**31, 10**32)),
    lambda chance: base64.b64encode(chance.randbytes(32)).decode(),
    lambda chance: base64.urlsafe_b64encode(chance.randbytes(40)).decode(),
    lambda chance: str(uuid.UUID(int=chance.getrandbits(128), version=4)),
    lambda chance: f"sk-{alphanumeric(chance, 48)}",
    lambda chance: (
        f"eyJ{alphanumeric(chance, 40)}.eyJ{alphanumeric(chance, 80)}.{alphanumeric(chance, 43)}"
    ),
    unusual,
]


@st.composite
def keys(draw) -> str:
    """A key of which no piece occurs in ordinary text."""
    return draw(st.sampled_from(KINDS))(random.Random(draw(st.integers(0, 2**64))))


@st.composite
def set_ups(draw) -> tuple[str, dict[str, str], dict[str, str]]:
    """A key, the variables of an environment and those of a .env file; the key in some of them."""
    key = draw(keys())
    environ: dict[str, str] = {}
    env_file: dict[str, str] = {}
    with_key = draw(st.sets(st.sampled_from(list(VARIABLES)), min_size=1, max_size=4))
    for name, harmless in VARIABLES.items():
        values = st.sampled_from(SHAPES if name in with_key else harmless)
        value = draw(values)
        if value is not None:
            place = draw(st.sampled_from([environ, environ, env_file]))
            place[name] = value.replace("KEY", key)
    return key, environ, env_file


@pytest.fixture(scope="module", autouse=True)
def no_folder(tmp_path_factory) -> None:
    """Keep hypothesis from making a folder of its own beside the tests."""
    configuration.set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))


SCRATCH = tempfile.TemporaryDirectory()  # removed when this process ends


class CoreSimulator:
    """The simulated Azure without sockets, and the variables that lead to it."""

    url, http_url = "https://127.0.0.1:9", "http://127.0.0.1:9"

    def __init__(self):
        self.azure = SimulatedAzure()

    def variables(self, environ) -> dict[str, str]:
        return {
            "AZURE_INFERENCE_ENDPOINT": self.url,
            "AZURE_INFERENCE_CREDENTIAL": self.azure.key,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "AZURE_SUBSCRIPTION_ID": self.azure.subscription_id,
            "AZURE_RESOURCE_GROUP": self.azure.resource_group,
            "AZURE_ML_WORKSPACE": self.azure.workspace,
            "AZURE_MAX_USD_PER_HOUR": "12.0000",
        }


def texts_of(error: BaseException) -> Iterator[str]:
    """Yield all that an exception can show: also what was raised before it, even if suppressed."""
    yield "".join(traceback.format_exception(error))
    while error is not None:
        yield repr(error) + repr(error.args) + repr(vars(error))
        error = error.__cause__ or error.__context__


def shown_by(action: Callable[[], object]) -> list[str]:
    """Return all that a call shows: what it prints, and what it raises or returns."""
    output = io.StringIO()
    texts = []
    with redirect_stdout(output), redirect_stderr(output):
        try:
            texts.append(repr(action()))
        except Exception as error:
            texts += texts_of(error)
    return [*texts, output.getvalue()]


def pieces_in(key: str, texts: list[str]) -> set[str]:
    """Return the pieces of a key that texts contain, as they are or escaped."""
    shown = ADDRESS.sub("", "\n".join(texts).casefold())
    shown += shown.encode().decode("unicode_escape", "replace")
    folded = key.casefold()
    pieces = {folded[start : start + PIECE_LENGTH] for start in range(len(key) - PIECE_LENGTH + 1)}
    return {piece for piece in pieces if piece in shown}


class EchoingClient:
    """A client of a network and a server that repeat whatever they were sent."""

    def get_model_info(self) -> None:
        raise ValueError(f"Failed to resolve {dict(os.environ)}\n{dict(os.environ)}")

    complete = get_model_info


def all_that_is_shown(environ: dict[str, str], env_file: dict[str, str]) -> list[str]:
    """Return all that the kit shows to somebody with such variables, on every path."""
    folder = Path(SCRATCH.name)
    text = "".join(f"{name}={value}\n" for name, value in env_file.items())
    (folder / ".env").write_text(text, encoding="utf-8")
    simulator = CoreSimulator()
    connection = Connection(environ, folder, lambda: simulator)
    # No host is looked up, since its name may have the key in it.
    with mock.patch.object(Upstream, "check", lambda self: f"{self.state()} {self.settings}"):
        texts = shown_by(connection.connect) + [repr(connection)]
    texts += shown_by(lambda: read_env_file(folder, environ))
    with (
        mock.patch.dict(os.environ, environ),
        mock.patch.object(preflight_module, "packages", lambda: Check("packages", "ok", "")),
        mock.patch.object(preflight_module, "_client", EchoingClient),
        mock.patch.object(spending, "retail_price", lambda size, region: PRICE),
    ):
        texts += shown_by(lambda: read_settings(os.environ))
        texts += shown_by(lambda: check_endpoint(os.environ.get("AZURE_INFERENCE_ENDPOINT", "")))
        texts += shown_by(preflight)
        texts += shown_by(preflight_module.endpoint) + shown_by(preflight_module.key)
        texts += shown_by(show_last_request)
        texts += shown_by(lambda: spending.accept_price(PRICE.sku))
    if connection.simulator is not None:
        texts.append(journal_of(simulator.azure, environ))
    return texts


def journal_of(azure: SimulatedAzure, environ: dict[str, str]) -> str:
    """Return what is remembered of a management request with the names that the variables hold."""
    token, _ = azure.guard.tokens.issue("https://management.azure.com")
    place = [environ.get(name, "") for name in list(VARIABLES)[3:6]]
    path = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices"
    path = f"{path}/workspaces/{{}}/onlineEndpoints".format(*place)
    headers = {"authorization": f"Bearer {token}"}
    azure.handle(Request("GET", path, "api-version=2025-06-01", headers))
    return repr(list(azure.journal))


@settings(max_examples=400, derandomize=True, deadline=None, database=None)
@given(set_up=set_ups())
def test_no_set_up_shows_a_piece_of_the_key(set_up):
    key, environ, env_file = set_up
    assert not pieces_in(key, all_that_is_shown(environ, env_file))


@pytest.mark.parametrize("credential", ["KEY", "any-word"])
@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_endpoint_shows_a_piece_of_the_key(shape, credential):
    for number, kind in enumerate(KINDS):
        key = kind(random.Random(number))
        environ = {
            "AZURE_INFERENCE_ENDPOINT": shape.replace("KEY", key),
            "AZURE_INFERENCE_CREDENTIAL": credential.replace("KEY", key),
        }
        assert not pieces_in(key, all_that_is_shown(environ, {}))
