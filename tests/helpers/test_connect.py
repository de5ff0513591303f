"""``connect()`` on dictionaries; what only a process or a kernel can show, in one."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import pytest
import requests
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.core.credentials import AzureKeyCredential
from jupyter_client.manager import start_new_kernel
from page_text import whole_lines

from helpers.connect import Connection, ConnectionSettingsError, simulation
from helpers.settings import check_endpoint, check_endpoint_and_key, read_env_file
from simulated_azure.transports.sockets import Simulator

ROOT = Path(__file__).parents[2]
GUARD = 120  # seconds after which something that has not happened never will
SIMULATED = (
    "Answers come from: a simulated Azure on this computer (a tiny language model; free, offline)."
)
ENDPOINT = {
    "AZURE_INFERENCE_ENDPOINT": "https://my-phi4.eastus2.inference.ml.azure.com",
    "AZURE_INFERENCE_CREDENTIAL": "my-own-key",
}
OWN = {
    "AZURE_SUBSCRIPTION_ID": "1234",
    "AZURE_RESOURCE_GROUP": "my-group",
    "AZURE_ML_WORKSPACE": "my-workspace",
}
PAYS = {**OWN, "AZURE_MAX_USD_PER_HOUR": "5"}
# Variables that lead to the real Azure, and somebody's real way to sign in there.
REAL = {
    "ARM_CLOUD_METADATA_URL": "https://management.azure.com/metadata/endpoints",
    "REGISTRY_DISCOVERY_ENDPOINT_URL": "https://eastus.api.azureml.ms/",
    "AZURE_RESOURCE_MANAGER_URL": "https://management.azure.com",
    "AZUREML_CURRENT_CLOUD": "AzureCloud",
    "AZURE_TOKEN_CREDENTIALS": "dev",
    "AZURE_TENANT_ID": "00000000-0000-0000-0000-000000000001",
    "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000002",
    "AZURE_CLIENT_SECRET": "a-real-secret",
}
# As App Service and Container Apps set them: a token from there would be a real one.
IDENTITY = {
    "IDENTITY_ENDPOINT": "http://127.0.0.1:9/msi/token",
    "IDENTITY_HEADER": "real",
    "IDENTITY_SERVER_THUMBPRINT": "a",
}
PROXIES = dict.fromkeys(
    ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"
)
MANAGEMENT = (
    *("IDENTITY_", "ARM_", "REGISTRY_", "AZURE_RE", "AZURE_ML", "AZUREML_"),
    *("AZURE_SUB", "AZURE_MAX", "AZURE_TOKEN"),
)
QUESTION = [UserMessage("What is the capital of France?")]
ANSWER = "The capital of France is Paris."


@pytest.fixture(scope="module")
def local(assistant) -> Iterator[Simulator]:
    """A simulated Azure whose subscription may get other names."""
    running = Simulator(assistant=assistant)
    yield running
    running.stop()
    assert not running.errors, "\n".join(running.errors)


class Person:
    """Somebody with variables, who calls connect(), changes variables and calls it again."""

    def __init__(self, simulator: Simulator, folder: Path, capsys: pytest.CaptureFixture):
        self.variables: dict[str, str] = {}
        self.connection = Connection(self.variables, folder, lambda: simulator)
        self._capsys = capsys

    def connect(self, **changes: str) -> list[str]:
        """Set variables and connect. Return the printed lines."""
        self.variables.update(changes)
        self.connection.connect()
        return whole_lines(self._capsys.readouterr().out)

    def remove(self, *names: str) -> None:
        for name in names:
            del self.variables[name]

    @property
    def management(self) -> dict[str, str]:
        """The variables that lead clients of Azure Resource Manager."""
        return managed(self.variables)


def managed(variables: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in variables.items() if name.startswith(MANAGEMENT)}


@pytest.fixture
def person(local, tmp_path, capsys) -> Person:
    return Person(local, tmp_path, capsys)


@pytest.fixture
def use(monkeypatch) -> Callable[[dict[str, str]], None]:
    """Make variables those of this process, for the real clients."""

    def use(variables: dict[str, str]) -> None:
        for name, text in variables.items():
            monkeypatch.setenv(name, text)

    return use


def answer() -> str:
    """Ask the endpoint that the variables of this process name."""
    key = AzureKeyCredential(os.environ["AZURE_INFERENCE_CREDENTIAL"])
    with ChatCompletionsClient(os.environ["AZURE_INFERENCE_ENDPOINT"], key) as client:
        return client.complete(messages=QUESTION, temperature=0).choices[0].message.content


def assert_simulated(variables: dict[str, str]) -> None:
    """Assert that every variable leads management clients to this computer."""
    for name in (
        *("ARM_CLOUD_METADATA_URL", "REGISTRY_DISCOVERY_ENDPOINT_URL"),
        *("AZURE_RESOURCE_MANAGER_URL", "IDENTITY_ENDPOINT"),
    ):
        assert urlsplit(variables[name]).hostname == "127.0.0.1"
    chosen = variables.get("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    assert chosen == "ManagedIdentityCredential"
    assert variables.get("AZUREML_CURRENT_CLOUD", "SimulatedCloud") == "SimulatedCloud"


# Which endpoint answers


def test_the_simulated_endpoint_plays_the_server_that_a_variable_names(person, use):
    lines = person.connect(SIMULATED_SERVER="serve")
    assert lines == [SIMULATED.replace("model;", "model behind the server serve;")]
    use(person.variables)
    url, key = (os.environ["AZURE_INFERENCE_" + name] for name in ("ENDPOINT_HTTP", "CREDENTIAL"))
    assert requests.get(f"{url}/info", headers={"api-key": key}).status_code == 404
    person.remove("SIMULATED_SERVER")
    assert person.connect() == [SIMULATED]
    assert requests.get(f"{url}/info", headers={"api-key": key}).status_code == 200


def test_a_file_may_name_the_server(person, tmp_path):
    (tmp_path / ".env").write_text("SIMULATED_SERVER=serve\n", encoding="utf-8")
    assert "behind the server serve" in person.connect()[0]


def test_a_wrong_name_of_a_server_is_refused_without_repeating_it(person):
    with pytest.raises(ConnectionSettingsError) as error:
        person.connect(SIMULATED_SERVER="perhaps-a-key")
    assert str(error.value) == (
        "SIMULATED_SERVER is not the name of a server. Set it to inference or serve, or remove it."
    )


def test_a_second_call_changes_nothing(person):
    lines, first = person.connect(), dict(person.variables)
    assert person.connect() == lines == [SIMULATED]
    assert person.variables == first


def test_what_is_put_on_is_taken_off_for_an_endpoint_of_ones_own(person):
    person.variables.update(REAL | {"NO_PROXY": "intranet", "REQUESTS_CA_BUNDLE": certifi.where()})
    before = dict(person.variables)
    person.connect()
    assert person.variables != before
    (line,) = person.connect(**ENDPOINT)
    assert line == (
        "Answers come from: your own endpoint https://my-phi4.eastus2.inference.ml.azure.com, as "
        "AZURE_INFERENCE_ENDPOINT says. It costs money while it is deployed."
    )
    assert person.variables == before | ENDPOINT


def test_after_a_change_to_an_endpoint_of_ones_own_no_simulated_tokens_are_issued(person):
    person.connect()
    assert person.variables["IDENTITY_HEADER"]
    person.connect(**ENDPOINT)
    assert not {"IDENTITY_ENDPOINT", "IDENTITY_HEADER"} & person.variables.keys()


@pytest.mark.parametrize("names", [["ENDPOINT"], ["CREDENTIAL"], ["ENDPOINT", "CREDENTIAL"]])
def test_when_its_variables_are_removed_the_simulation_is_back_with_the_next_call(person, names):
    lines, first = person.connect(), dict(person.variables)
    person.remove(*(f"AZURE_INFERENCE_{name}" for name in names))
    assert person.connect() == lines
    assert person.variables == first


def test_one_can_change_to_an_endpoint_of_ones_own_and_back(person):
    person.connect()
    first = dict(person.variables)
    assert "your own endpoint" in person.connect(**ENDPOINT)[0]
    person.remove(*ENDPOINT)
    assert person.connect() == [SIMULATED]
    assert person.variables == first


def test_a_value_that_a_person_changes_after_a_call_stays(person):
    person.connect()
    changes = {"AZURE_RETAIL_PRICES_URL": "https://prices.example", "NO_PROXY": "intranet"}
    person.connect(**changes)
    assert person.variables["AZURE_RETAIL_PRICES_URL"] == "https://prices.example"
    assert person.variables["NO_PROXY"] == "intranet,localhost,127.0.0.1,::1"
    person.connect(**ENDPOINT)
    assert person.variables == ENDPOINT | changes


def test_what_a_person_removes_after_it_was_put_back_stays_removed(person):
    person.connect(**REAL)
    assert "ManagedIdentityCredential" in person.variables["AZURE_TOKEN_CREDENTIALS"]
    person.remove("AZURE_CLIENT_SECRET")
    person.connect()
    assert "AZURE_TOKEN_CREDENTIALS" not in person.variables
    person.connect(**ENDPOINT)
    assert person.variables["AZURE_TOKEN_CREDENTIALS"] == "dev"
    person.remove("AZURE_TOKEN_CREDENTIALS")
    person.connect()
    assert "AZURE_TOKEN_CREDENTIALS" not in person.variables


def test_variables_that_cannot_work_change_nothing(person):
    person.connect()
    person.variables["AZURE_INFERENCE_CREDENTIAL"] = "a key with spaces"
    before = dict(person.variables)
    for _ in range(2):
        with pytest.raises(ConnectionSettingsError, match="AZURE_INFERENCE_ENDPOINT is not"):
            person.connect()
        assert person.variables == before
    person.remove("AZURE_INFERENCE_CREDENTIAL")
    assert person.connect() == [SIMULATED]


@pytest.mark.parametrize("path", ["", "/v1"])
def test_another_form_of_the_simulated_url_is_kept_and_called_simulated(person, path):
    person.connect()
    url = person.variables["AZURE_INFERENCE_ENDPOINT_HTTP"] + path
    first = dict(person.variables)
    assert person.connect(AZURE_INFERENCE_ENDPOINT=url) == [SIMULATED]
    assert person.variables == first | {"AZURE_INFERENCE_ENDPOINT": url}
    person.connect(**ENDPOINT)
    assert person.variables == ENDPOINT


def test_prices_are_simulated_with_the_endpoint_and_real_with_ones_own(person):
    person.connect()
    assert person.variables["AZURE_RETAIL_PRICES_URL"].startswith("https://127.0.0.1:")
    person.connect(**ENDPOINT)
    assert "AZURE_RETAIL_PRICES_URL" not in person.variables


def test_threads_that_connect_at_once_share_one_simulation(assistant, tmp_path, capsys):
    simulators, together = [], threading.Barrier(4)

    def start() -> Simulator:
        simulators.append(Simulator(assistant=assistant))
        return simulators[-1]

    connection = Connection({}, tmp_path, start)

    def connect() -> None:
        together.wait(GUARD)
        connection.connect()

    threads = [threading.Thread(target=connect) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (simulator,) = simulators
    simulator.stop()
    assert whole_lines(capsys.readouterr().out) == [SIMULATED] * 4


def test_a_separate_simulator_is_named_as_what_it_is(person, simulator):
    simulated = simulator.variables().items()
    variables = {name: text for name, text in simulated if name.startswith("AZURE")}
    assert person.connect(**variables) == [
        f"Answers come from: {simulator.url} on this computer, as AZURE_INFERENCE_ENDPOINT says."
    ]
    assert person.variables == variables


def test_an_endpoint_that_is_not_of_azure_is_used_and_not_shown(person):
    variables = ENDPOINT | {"AZURE_INFERENCE_ENDPOINT": "http://gpu-server:8000/v1"}
    assert person.connect(**variables) == [
        "Answers come from: your own endpoint, as AZURE_INFERENCE_ENDPOINT says. Its address is "
        "not shown: only plain addresses of Azure are. It costs money while it is deployed."
    ]
    assert person.variables == variables


def test_variables_that_are_set_keep_their_value():
    own = {"AZURE_SUBSCRIPTION_ID": "mine", "NO_PROXY": "intranet.example"}
    simulated = {"AZURE_SUBSCRIPTION_ID": "simulated", "AZURE_RETAIL_PRICES_URL": "x"}
    values = simulation(simulated, own, with_management=False)
    assert values == {
        "NO_PROXY": "intranet.example,localhost,127.0.0.1,::1",
        "no_proxy": "localhost,127.0.0.1,::1",
    }
    simulated["AZURE_TOKEN_CREDENTIALS"] = "ManagedIdentityCredential"
    values = simulation(simulated, own, with_management=True)
    assert values["AZURE_RETAIL_PRICES_URL"] == "x"
    assert "AZURE_SUBSCRIPTION_ID" not in values


# .env files


def test_a_dotenv_file_in_a_folder_above_is_read_but_the_environment_wins(local, tmp_path, capsys):
    url = "https://from-file.eastus2.inference.ml.azure.com"
    (tmp_path / ".env").write_text(
        f"AZURE_INFERENCE_ENDPOINT={url}\nAZURE_INFERENCE_CREDENTIAL=file-key\nMORE=${{HOST}}!\n"
    )
    person = Person(local, tmp_path / "notebooks", capsys)
    assert f"{url}, as {tmp_path / '.env'} says" in person.connect(HOST="here")[0]
    assert person.variables["AZURE_INFERENCE_CREDENTIAL"] == "file-key"
    assert person.variables["MORE"] == "here!"
    line = person.connect(**ENDPOINT)[0]
    assert f"{ENDPOINT['AZURE_INFERENCE_ENDPOINT']}, as AZURE_INFERENCE_ENDPOINT says" in line
    assert person.variables == ENDPOINT | {"HOST": "here", "MORE": "here!"}


def test_a_changed_dotenv_file_counts_from_the_next_call_on(person, tmp_path):
    (tmp_path / ".env").write_text("AZURE_ML_WORKSPACE=one\nOTHER=1\n")
    person.connect()
    assert (person.variables["AZURE_ML_WORKSPACE"], person.variables["OTHER"]) == ("one", "1")
    (tmp_path / ".env").write_text("AZURE_ML_WORKSPACE=two\n")
    person.connect()
    assert person.variables["AZURE_ML_WORKSPACE"] == "two"
    assert "OTHER" not in person.variables


def test_a_dotenv_file_with_a_byte_order_mark_is_read(person, tmp_path):
    (tmp_path / ".env").write_text("AZURE_ML_WORKSPACE=mine\n", encoding="utf-8-sig")
    person.connect()
    assert person.variables["AZURE_ML_WORKSPACE"] == "mine"


def test_a_dotenv_file_that_may_not_be_read_is_named(person, tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("AZURE_ML_WORKSPACE=mine\n")
    monkeypatch.setattr(Path, "read_text", not_allowed)  # root may read every file
    with pytest.raises(ConnectionSettingsError, match="You may not read .*env. Make the file"):
        person.connect()


def test_a_folder_above_that_may_not_be_entered_is_passed_over(person, monkeypatch):
    monkeypatch.setattr(Path, "is_file", not_allowed)
    assert "simulated" in person.connect()[0]


def not_allowed(path: Path, *arguments, **options) -> None:
    raise PermissionError(13, "Permission denied", str(path))


def test_a_dotenv_file_in_another_encoding_is_named(person, tmp_path):
    (tmp_path / ".env").write_bytes("AZURE_ML_WORKSPACE=mine\n".encode("utf-16"))
    with pytest.raises(ConnectionSettingsError, match="is not UTF-8 text"):
        person.connect()


def test_a_dotenv_file_with_a_second_ending_is_pointed_out(person, tmp_path):
    (tmp_path / ".env.txt").write_text("AZURE_ML_WORKSPACE=mine\n")
    assert "Rename it to .env" in person.connect()[0]


@pytest.mark.parametrize(
    "line",
    ["AZURE_INFERENCE_KEY=abc", "AZURE_INFERENCE_ENDPOINT: https://a.example", "$env:AZURE_X='1'"],
)
def test_a_settings_file_that_sets_nothing_says_so(line, person, tmp_path):
    (tmp_path / ".env").write_text(f"# mine\n{line}\n", encoding="utf-8")
    note = person.connect()[0]
    assert note.startswith(f"Note: {tmp_path / '.env'} sets none of AZURE_INFERENCE_ENDPOINT,")
    value = line.partition("=")[2]
    assert not value or value not in note.replace("NAME=value", "")


@pytest.mark.parametrize(
    "text",
    ["", "SOMETHING=else\n", "AZURE_ML_WORKSPACE=mine\n", "export AZURE_ML_WORKSPACE = mine\n"],
)
def test_other_settings_files_are_read_without_a_word(text, person, tmp_path):
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    assert "Note: " not in "\n".join(person.connect())


def test_the_switch_of_python_dotenv_is_obeyed(person, tmp_path):
    (tmp_path / ".env").write_text("AZURE_ML_WORKSPACE=mine\n")
    person.connect(PYTHON_DOTENV_DISABLED="1")
    assert person.variables["AZURE_ML_WORKSPACE"] != "mine"
    assert not read_env_file(tmp_path, {"PYTHON_DOTENV_DISABLED": "True"}).variables


# Settings that cannot work


@pytest.mark.parametrize(
    ("endpoint", "key", "message"),
    [
        ("https://a.example", "", "AZURE_INFERENCE_CREDENTIAL is not"),
        ("", "secret-word", "AZURE_INFERENCE_ENDPOINT is not"),
        ("phi4.eastus.inference.ml.azure.com", "key", "Set it to 'https://phi4.eastus.inf"),
        ("phi4.eastus.inference.ml.azure.com/score", "key", "Set it to 'https://phi4.eastus.inf"),
        ("https://my-phi4.example/score", "key", "ends in /score: the client adds the route"),
        ("https://my-phi4.example/Score", "key", "Remove /score and whatever follows it"),
        ("https://a.example/v1/chat/completions?x=1", "key", "Remove /v1/chat/completions"),
        ("https://a.openai.azure.com/Score", "key", "Set it to 'https://a.openai.azure.com'"),
        ("https://a.services.ai.azure.com/models/info", "key", "azure.com/models'"),
        ("'https://a.openai.azure.com'", "key", "brackets. Remove them. Set it to 'https://a.op"),
        ("https://ai.azure.com/build/deployments", "key", "a page in the portal"),
        ("https://", "key", "contains no URL"),
        ("https://[::1", "key", "contains no URL"),
        ("secretword0123456", "https://a.example", "look swapped"),
        ("secretword0123456", "secret-word", "contains no URL"),
        ("https://secretword0123456789", "key", "contains no URL"),
        ("https://a.example", "the key from the deployment's page", "example text"),
        ("http://a.openai.azure.com", "key", "Set it to 'https://a.openai.azure.com'"),
        ("https://a.example\n", "key", "spaces, line breaks or invisible characters"),
        ("https://a.example", "secret-word ", "spaces, line breaks or invisible characters"),
        ("https://a.example", "secret\u200bword", "invisible characters (1 of 11 characters)"),
        ("https://a.example", "\u201csecret-word\u201d", "begins or ends with a quotation mark"),
        ("https://me:secret@a.example", "key", "a password or an access token"),
        ("https://a.example/score?key=secret", "key", "Remove /score and whatever follows it"),
        ("https://a.example?key=secret", "key", "a part that begins with ?"),
        ("https://a.example secret", "key", "spaces, line breaks or invisible characters"),
        ("https://a.example\nsecret", "key", "spaces, line breaks or invisible characters"),
        ("secret.word", "key", "does not begin with https://"),
        ("eyJhbGciOi.secret.sig", "key", "a password or an access token"),
        ("\u201chttps://a.example\u201d", "key", "is in quotation marks or brackets. Remove them."),
        ("https://a.example", "secret\nword", "spaces, line breaks or invisible characters"),
        ("wss://a.openai.azure.com/secret", "key", "does not begin with https://"),
        ("https://localhost:secret", "key", "a port that is not a number from 1 to 65535"),
        ("https://localhost:99999", "key", "a port that is not a number from 1 to 65535"),
        ("https://a.example/{secret}", "key", "characters that the URL of an endpoint does not"),
        ("https://a.example;secret", "key", "more than one value (a semicolon or a comma)"),
        ("https://a.example,secret", "key", "The key belongs in AZURE_INFERENCE_CREDENTIAL"),
        ("Endpoint=https://a.example;AccountKey=secret", "", "contains a connection string"),
        ("", "Endpoint=https://a.example;AccountKey=secret", "contains a connection string"),
        ("AZURE_INFERENCE_ENDPOINT=https://a.example", "key", "without a name such as Endpoint="),
        ("https://a.example/s3cret0/x", "s3cret0/x", "contains the key, which belongs in"),
        ("secretword0123456", "phi4.eastus.inference.ml.azure.com", "look swapped"),
        (
            "https://a.example",
            "https://a.example/secret",
            "contains a URL. Set it to the key alone",
        ),
        ("https://a.example;secret", "", "more than one value (a semicolon or a comma)"),
        ("secretword0123456789", "key", "If it is the key, it belongs in AZURE_INFERENCE_CREDENT"),
        ("<https://a.openai.azure.com>", "key", "brackets. Remove them. Set it to 'https://a.op"),
        ("`https://a.example`", "key", "is in quotation marks or brackets. Remove them."),
        ("https://<secret>.openai.azure.com", "key", "a placeholder like <name>"),
        ("  ", "key", "or remove it to use the simulated endpoint"),
        ("''", "key", "is empty (2 characters"),
        ("https:/a.openai.azure.com", "key", "https://. Set it to 'https://a.openai.azure.com'"),
        ("https//a.openai.azure.com", "key", "https://. Set it to 'https://a.openai.azure.com'"),
        (r"https:\\a.openai.azure.com", "key", "https://. Set it to 'https://a.openai.azure.com'"),
        ("localhost:8000", "key", "http:// or https://. Set it to 'http://localhost:8000'"),
        (
            "https://a.openai.azure.com/v1/v1",
            "key",
            "twice. Set it to 'https://a.openai.azure.com/v1'",
        ),
        ("https://a.openai.azure.com/v1/v1/score", "key", "Set it to 'https://a.openai.azure.com'"),
        (
            "https://a.openai.azure.com/swagger.json",
            "key",
            "Set it to 'https://a.openai.azure.com'",
        ),
        ("https://a.services.ai.azure.com/api/projects/secret", "key", "ai.azure.com/models'"),
        ("https://a.example", '"secret-word', "begins or ends with a quotation mark"),
        ("https://a.example", "<secret-word>", "begins or ends with a quotation mark, a bracket"),
        ("https://a.example", "secret-word;", "a comma or a semicolon"),
        ("https://a.example", '{"primaryKey":"secret"}', "set the variable to the key alone"),
        ("https://a.example", "\u2022" * 12, "Press the page's button that copies the key"),
        ("https://a.example", "*" * 32, "the dots or asterisks that a page shows"),
    ],
)
def test_settings_that_cannot_work_name_the_fix_and_never_the_key(endpoint, key, message):
    with pytest.raises(ConnectionSettingsError) as raised:
        check_endpoint_and_key(endpoint, key)
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/",
        "http://localhost:11434/v1",
        "https://[::1]:80",
        "http://gpu-server:8000",
        "https://a.example/scores",
        "https://my-resource.services.ai.azure.com/models",
        "https://my-resource.openai.azure.com/openai/deployments/phi-4",
    ],
)
def test_roots_of_endpoints_are_accepted(url):
    check_endpoint(url)


# Certificates and proxies


def test_a_certificate_bundle_in_force_is_kept_and_appended_to(person, tmp_path, use):
    company = tmp_path / "company.pem"
    pem = "# the company's own\n" + Path(certifi.where()).read_text(encoding="utf-8")
    company.write_text(pem, encoding="utf-8")
    person.connect(REQUESTS_CA_BUNDLE=str(company), SSL_CERT_FILE=certifi.where())
    bundle = Path(person.variables["REQUESTS_CA_BUNDLE"])
    assert bundle != company
    assert bundle.read_text(encoding="utf-8").startswith("# the company's own")
    assert "company" not in Path(person.variables["SSL_CERT_FILE"]).read_text(encoding="utf-8")[:99]
    assert company.read_text(encoding="utf-8") == pem
    use(person.variables)
    assert answer() == ANSWER


def test_a_certificate_bundle_that_is_set_after_a_call_is_kept_and_appended_to(
    person, tmp_path, use
):
    """Until the person sets another, the files stay the same, since clients may have them open."""
    person.connect()
    first = person.variables["REQUESTS_CA_BUNDLE"]
    company = tmp_path / "company.pem"
    company.write_text("# the company's own\n", encoding="utf-8")
    person.connect(REQUESTS_CA_BUNDLE=str(company))
    bundle = Path(person.variables["REQUESTS_CA_BUNDLE"])
    assert bundle.read_text(encoding="utf-8").startswith("# the company's own")
    person.connect()
    assert person.variables["REQUESTS_CA_BUNDLE"] == str(bundle) != first
    use(person.variables)
    assert answer() == ANSWER
    person.connect(**ENDPOINT)
    assert person.variables["REQUESTS_CA_BUNDLE"] == str(company)


def test_a_proxy_that_answers_for_everything_does_not_stand_in_the_way(person, use):
    person.connect(**PROXIES)
    use(person.variables)
    assert answer() == ANSWER


def test_entra_id_and_async_work_through_the_variables_alone(tmp_path):
    """In a process of its own, since aiohttp reads the certificates when it is imported."""
    code = """
import asyncio, os
from helpers import connect
connect()
from azure.ai.inference.aio import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.identity.aio import DefaultAzureCredential

async def ask():
    url = os.environ["AZURE_INFERENCE_ENDPOINT"]
    async with (
        DefaultAzureCredential() as credential,
        ChatCompletionsClient(url, credential) as client,
    ):
        question = [UserMessage("What is the capital of France?")]
        return (await client.complete(messages=question, temperature=0)).choices[0].message.content

print(asyncio.run(ask()))
"""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert whole_lines(done.stdout)[1:] == [ANSWER], done.stderr


# Where deployments go: all combinations of variables


def test_with_a_subscription_and_a_limit_of_ones_own_nothing_that_manages_is_touched(person, use):
    lines = person.connect(**PAYS)
    assert lines == [
        "Answers come from: a simulated Azure on this computer (a tiny language model; its answers "
        "cost nothing).",
        "REAL MONEY: deployments go to your own workspace my-workspace. They cost money until they "
        "are deleted; AZURE_MAX_USD_PER_HOUR allows 5 US dollars an hour.",
    ]
    assert person.management == PAYS
    use(person.variables)
    assert answer() == ANSWER


def test_a_limit_that_is_also_the_simulated_one_counts_as_ones_own(person):
    twelve = {**PAYS, "AZURE_MAX_USD_PER_HOUR": "12"}
    lines = person.connect(**twelve)
    assert "your own workspace" in lines[1]
    assert person.management == twelve
    assert person.connect() == lines


def test_a_limit_that_is_also_the_simulated_one_counts_when_it_is_set_after_a_call(person):
    person.connect()
    lines = person.connect(**{**PAYS, "AZURE_MAX_USD_PER_HOUR": "12"})
    assert "AZURE_MAX_USD_PER_HOUR allows 12 US dollars an hour" in lines[1]


def test_nobody_types_the_simulated_limit(local):
    limit = local.variables()["AZURE_MAX_USD_PER_HOUR"]
    assert float(limit) == 12
    assert limit not in ("12", "12.0", "12.00")


@pytest.mark.parametrize("missing", PAYS)
def test_with_three_of_the_four_deployments_are_simulated(missing, person):
    three = {name: text for name, text in PAYS.items() if name != missing}
    lines = person.connect(**three, AZUREML_CURRENT_CLOUD="AzureCloud")
    assert lines == [SIMULATED, f"Deployments are simulated, too: {missing} is not set."]
    assert person.connect() == lines
    assert_simulated(person.management)
    assert person.management | three == person.management


def test_beside_a_control_plane_on_this_computer_deployments_are_simulated(person):
    lines = person.connect(**PAYS, AZURE_RESOURCE_MANAGER_URL="https://127.0.0.1:9")
    reason = "AZURE_RESOURCE_MANAGER_URL names this computer"
    assert lines == [SIMULATED, f"Deployments are simulated, too: {reason}."]
    assert person.variables["AZURE_RESOURCE_MANAGER_URL"] == "https://127.0.0.1:9"


@pytest.mark.parametrize("variables", [{}, REAL], ids=["nothing", "real secrets"])
def test_a_managed_identity_of_the_machine_is_replaced_and_put_back(variables, person, local):
    person.connect(**IDENTITY, **variables)
    person.connect()
    assert_simulated(person.management)
    assert person.variables["IDENTITY_HEADER"] == local.azure.identity_header
    assert "IDENTITY_SERVER_THUMBPRINT" not in person.variables
    person.connect(**PAYS)
    assert person.management == managed(IDENTITY | variables | PAYS)


@pytest.mark.parametrize("endpoint", [{}, ENDPOINT], ids=["simulated", "own"])
@pytest.mark.parametrize("amount", ["five", "-1", "nan", "12,5", "1e3", "10000", "."])
def test_a_limit_that_is_no_amount_is_refused_before_anything_is_promised(
    amount, endpoint, person, capsys
):
    variables = PAYS | endpoint | {"AZURE_MAX_USD_PER_HOUR": amount}
    with pytest.raises(ConnectionSettingsError) as raised:
        person.connect(**variables)
    assert "AZURE_MAX_USD_PER_HOUR has a value that cannot be used" in str(raised.value)
    assert "expected an amount in US dollars" in str(raised.value)
    assert "REAL MONEY" not in capsys.readouterr().out
    assert person.variables == variables


@pytest.mark.parametrize(
    ("text", "shown"), [("5", "5"), ("3.7", "3.70"), (" 3.673 ", "3.673"), (".5", "0.50")]
)
def test_a_limit_is_shown_as_an_amount(text, shown, person):
    lines = person.connect(**PAYS | {"AZURE_MAX_USD_PER_HOUR": text})
    assert f"AZURE_MAX_USD_PER_HOUR allows {shown} US dollars an hour" in lines[1]


def test_what_was_replaced_is_put_back_for_a_subscription_of_ones_own(person):
    person.connect(**REAL, **OWN)
    assert_simulated(person.management)
    lines = person.connect(AZURE_MAX_USD_PER_HOUR="5")
    assert "your own workspace my-workspace" in lines[1]
    assert person.management == managed(REAL | PAYS)


@pytest.mark.parametrize(
    "change", [PAYS, ENDPOINT, ENDPOINT | PAYS], ids=["subscription", "endpoint", "both"]
)
def test_after_a_change_to_what_is_ones_own_no_simulated_manager_is_left(change, person):
    person.connect()
    lines = person.connect(**change, AZUREML_CURRENT_CLOUD="SimulatedCloud")  # as azure-ai-ml does
    assert person.management == managed(change)
    assert ("your own workspace my-workspace" in lines[-1]) == ("AZURE_ML_WORKSPACE" in change)


def test_a_subscription_of_ones_own_can_be_given_up_again(person):
    person.connect(**PAYS)
    person.remove("AZURE_MAX_USD_PER_HOUR")
    lines = person.connect(AZUREML_CURRENT_CLOUD="AzureCloud")  # as azure-ai-ml does
    assert lines[1].startswith("Deployments are simulated, too")
    assert_simulated(person.management)
    person.remove(*OWN)
    assert person.connect() == [SIMULATED]
    assert_simulated(person.management)
    assert person.management["AZURE_ML_WORKSPACE"] == "phi4-workspace"


MADE_UP = ("5eed0000-0000-4000-8000-000000000004", "phi4-lessons", "phi4-workspace")


def test_names_that_are_set_after_a_call_reach_the_simulated_control_plane(person):
    """What was deployed before is still there, under the new names."""
    forgotten = ["friday-demo"]
    person.connect()
    assert endpoints_in(person.variables, *MADE_UP) == forgotten
    assert endpoints_in(person.variables, *OWN.values()) == "SubscriptionNotFound"
    person.connect(**OWN)
    assert endpoints_in(person.variables, *MADE_UP) == "SubscriptionNotFound"
    assert endpoints_in(person.variables, *OWN.values()) == forgotten
    person.remove(*OWN)
    person.connect()
    assert endpoints_in(person.variables, *MADE_UP) == forgotten


def endpoints_in(
    variables: dict[str, str], subscription_id: str, resource_group: str, workspace: str
) -> list[str] | str:
    """Ask Azure Resource Manager for a workspace's endpoints. Return their names, or the error."""
    audience = {"resource": "https://management.azure.com", "api-version": "2019-08-01"}
    identity = {"x-identity-header": variables["IDENTITY_HEADER"]}
    reply = requests.get(variables["IDENTITY_ENDPOINT"], audience, headers=identity, timeout=GUARD)
    reply = requests.get(
        f"{variables['AZURE_RESOURCE_MANAGER_URL']}/subscriptions/{subscription_id}"
        f"/resourceGroups/{resource_group}/providers/Microsoft.MachineLearningServices"
        f"/workspaces/{workspace}-westus3/onlineEndpoints",
        {"api-version": "2025-06-01"},
        headers={"authorization": f"Bearer {reply.json()['access_token']}"},
        verify=variables["REQUESTS_CA_BUNDLE"],
        timeout=GUARD,
    )
    if reply.status_code == 200:
        return [endpoint["name"] for endpoint in reply.json()["value"]]
    return reply.json()["error"]["code"]


def test_beside_an_endpoint_of_ones_own_the_workspace_is_named_even_without_a_limit(person):
    """MLClient goes there then, since nothing is simulated."""
    lines = person.connect(**ENDPOINT, **OWN)
    assert lines[1] == (
        "Deployments go to your own workspace my-workspace, where the lessons start no machine "
        "unless AZURE_MAX_USD_PER_HOUR is set."
    )
    assert person.management == OWN


@pytest.mark.parametrize("missing", OWN)
def test_beside_an_endpoint_of_ones_own_nothing_is_said_of_a_workspace_that_is_not_named(
    missing, person
):
    two = {name: text for name, text in OWN.items() if name != missing}
    assert len(person.connect(**ENDPOINT, **two)) == 1


# What only a process or a kernel can show

CONNECT = "import os\nfrom helpers import connect\nconnect()\n"
ASK = """
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.core.credentials import AzureKeyCredential

def ask(**more):
    key = AzureKeyCredential(os.environ["AZURE_INFERENCE_CREDENTIAL"])
    client = ChatCompletionsClient(os.environ["AZURE_INFERENCE_ENDPOINT"], key)
    question = [UserMessage("What is the capital of France?")]
    return client.complete(messages=question, temperature=0, **more).choices[0].message.content
"""
WATCH = """
import sys
hosts = set()

def watch(event, arguments):
    if event == "socket.getaddrinfo":
        hosts.add(str(arguments[0]))
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        hosts.add(str(arguments[1][0]))

sys.addaudithook(watch)
"""
DEPLOY = """
from azure.ai.ml import MLClient
from azure.ai.ml.entities import ManagedOnlineEndpoint
from azure.identity import DefaultAzureCredential

PLACE = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE")

def deploy(name):
    names = [os.environ[name] for name in PLACE]
    client = MLClient(DefaultAzureCredential(), *names, enable_telemetry=False)
    endpoint = ManagedOnlineEndpoint(name=name, auth_mode="key")
    client.online_endpoints.begin_create_or_update(endpoint).result()
    return sorted(each.name for each in client.online_endpoints.list())
"""


def run_python(code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run code in a fresh Python, in a folder, with further variables."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=GUARD,
    )


def wait_until(happened: Callable[[], bool]) -> bool:
    """Wait until something has happened. Return False if it never does."""
    end = time.monotonic() + GUARD
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class Kernel:
    """A real kernel, as a notebook has it."""

    def __init__(self, folder: Path, **variables: str):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
        self.manager, self.client = start_new_kernel(
            startup_timeout=GUARD, kernel_name="python3", cwd=str(folder), env=environment
        )

    def run(self, code: str) -> str:
        """Return what a cell prints, or the name of its error."""
        texts = []

        def collect(message: dict) -> None:
            if message["msg_type"] in ("stream", "error"):
                texts.append(message["content"].get("text") or message["content"]["ename"])

        self.client.execute_interactive(
            code, output_hook=collect, timeout=GUARD, allow_stdin=False, stop_on_error=False
        )
        return "".join(texts)

    def kill(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory) -> Iterator[Kernel]:
    running = Kernel(tmp_path_factory.mktemp("kernel"))
    running.run(WATCH)
    yield running
    running.kill()


def test_without_variables_a_simulated_azure_answers_with_no_network(tmp_path):
    process = run_python(f"{WATCH}{CONNECT}{ASK}print(ask())\nprint(hosts)", tmp_path)
    assert process.stderr == ""
    assert whole_lines(process.stdout) == [SIMULATED, ANSWER, "{'127.0.0.1'}"]


def test_with_an_endpoint_of_ones_own_nothing_is_changed_and_no_simulator_imported(tmp_path):
    code = f"import os, sys\nbefore = dict(os.environ)\n{CONNECT}print(before == dict(os.environ))"
    code += "\nprint('simulated_azure.transports.sockets' in sys.modules)"
    process = run_python(code, tmp_path, **ENDPOINT, **REAL, **PAYS)
    endpoint, deployments, is_same, is_imported = whole_lines(process.stdout)
    assert "your own endpoint https://my-phi4.eastus2.inference.ml.azure.com" in endpoint
    assert "your own workspace" in deployments
    assert (is_same, is_imported) == ("True", "False")
    assert "my-own-key" not in process.stdout + process.stderr


def test_kernels_have_a_simulated_azure_each_and_nothing_is_left_when_they_are_killed(tmp_path):
    """Their folders are gone at the latest when another process has needed one; and so is that."""
    names = "('AZURE_INFERENCE_ENDPOINT', 'REQUESTS_CA_BUNDLE')"
    show = f"print(*[os.environ[name] for name in {names}])"
    kernels = [Kernel(tmp_path), Kernel(tmp_path)]
    try:
        for kernel in kernels:
            kernel.run(CONNECT + ASK)
        variables = [kernel.run(show).split() for kernel in kernels]
        assert [kernel.run("print(ask())") for kernel in kernels] == [f"{ANSWER}\n"] * 2
    finally:
        for kernel in kernels:
            kernel.kill()
    variables.append(run_python(CONNECT + show, tmp_path).stdout.splitlines()[-1].split())
    assert len({url for url, bundle in variables}) == 3
    folders = {Path(bundle).parents[1] for url, bundle in variables}
    assert len(folders) == 3
    assert all(folder.name.startswith("phi4-notebooks-") for folder in folders)
    assert wait_until(lambda: not any(folder.exists() for folder in folders)), folders


def test_an_interrupted_cell_leaves_the_endpoint_answering(kernel):
    kernel.run(CONNECT + ASK)
    names = "('AZURE_INFERENCE_ENDPOINT', 'AZURE_INFERENCE_CREDENTIAL', 'REQUESTS_CA_BUNDLE')"
    url, key, bundle = kernel.run(f"print(*[os.environ[name] for name in {names}])").split()

    def is_waiting() -> bool:
        """Return True if the slow request has reached the endpoint."""
        journal = f"{url}/simulator/requests"
        reply = requests.get(journal, headers={"api-key": key}, verify=bundle, timeout=GUARD)
        return "x-simulated-fault" in reply.text

    press_stop = threading.Thread(
        target=lambda: wait_until(is_waiting) and kernel.manager.interrupt_kernel()
    )
    press_stop.start()
    slow = kernel.run("ask(headers={'x-simulated-fault': 'wait; seconds=20'})")
    press_stop.join()
    assert "KeyboardInterrupt" in slow
    assert kernel.run("print(ask())") == f"{ANSWER}\n"


def test_in_a_kernel_the_management_client_sends_no_telemetry_and_asks_nobody_else(kernel):
    kernel.run(CONNECT + DEPLOY)
    assert "my-phi4" in kernel.run("print(deploy('my-phi4'))")
    assert kernel.run("print('azure.monitor.opentelemetry' in sys.modules)") == "False\n"
    assert kernel.run("print(hosts)") == "{'127.0.0.1'}\n"


def test_no_variable_leads_past_the_simulation_to_azure(kernel):
    """Nobody pays who has not set the limit, and no real secret is used, whatever else is set."""
    kernel.run(f"import os\nos.environ.update({REAL | OWN})\n{CONNECT}{DEPLOY}")
    assert "'my-phi4-real'" in kernel.run("print(deploy('my-phi4-real'))")
    assert kernel.run("print(hosts)") == "{'127.0.0.1'}\n"
    gone = [*REAL, *OWN]
    kernel.run(f"for name in {gone}:\n    del os.environ[name]\nconnect()")


def test_a_managed_identity_of_the_machine_gives_no_token_to_the_simulation(kernel):
    kernel.run(f"import os\nos.environ.update({IDENTITY})\n{CONNECT}{DEPLOY}connect()")
    assert "'my-phi4-identity'" in kernel.run("print(deploy('my-phi4-identity'))")
    show = f"{{name: os.environ.get(name) for name in {[*IDENTITY, *PAYS]}}}"
    shown = kernel.run(f"os.environ.update({PAYS})\nconnect()\nprint({show})").splitlines()[-1]
    assert ast.literal_eval(shown) == IDENTITY | PAYS


# An upstream


def test_an_upstream_is_named_in_one_line_and_answers(person, local, simulator):
    upstream = {
        "SIMULATED_UPSTREAM": f"{simulator.http_url}/v1/",
        "SIMULATED_UPSTREAM_KEY": simulator.azure.key,
    }
    assert person.connect(**upstream) == [
        "Answers come from: a simulated Azure on this computer; answers are written by Phi-4 at "
        f"{simulator.http_url}."
    ]
    assert local.azure.inference.upstream.model == "Phi-4"
    in_use = local.azure.inference.upstream
    person.connect()
    assert local.azure.inference.upstream is in_use
    person.remove(*upstream)
    assert person.connect() == [SIMULATED]
    assert local.azure.inference.upstream is None


def test_an_upstream_that_is_not_running_is_a_note_and_a_wrong_one_an_error(person, simulator):
    note, line = person.connect(SIMULATED_UPSTREAM="localhost:9", SIMULATED_UPSTREAM_MODEL="phi4")
    assert note.startswith("Note: Nothing answers at http://localhost:9 (connection refused).")
    assert line.endswith("answers are written by phi4 at http://localhost:9.")
    before = dict(person.variables)
    for changes, words in (
        ({"SIMULATED_UPSTREAM": "my-secret-key"}, "is not the address of a server"),
        ({"SIMULATED_UPSTREAM": simulator.http_url}, r"refuses the key \(401\)|wants a key"),
    ):
        with pytest.raises(ConnectionSettingsError, match=words) as error_info:
            person.connect(**changes)
        assert "my-secret-key" not in str(error_info.value)
        assert {**person.variables, "SIMULATED_UPSTREAM": "localhost:9"} == before
    person.remove("SIMULATED_UPSTREAM")
    person.connect()


def test_beside_an_endpoint_of_ones_own_an_upstream_is_not_used(person):
    note, line = person.connect(**ENDPOINT, SIMULATED_UPSTREAM="http://localhost:9")
    assert note == (
        "Note: SIMULATED_UPSTREAM is not used, because AZURE_INFERENCE_ENDPOINT names an endpoint "
        "that answers by itself."
    )
    assert line.startswith("Answers come from: your own endpoint")
