"""``connect()`` as people meet it: in a fresh process or kernel, with whatever variables they have."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import pytest
import requests
from jupyter_client.manager import start_new_kernel

from helpers.connect import ConnectionSettingsError, add_variables, check_endpoint, settings_are_complete

ROOT = Path(__file__).parents[2]
ASK = """
import os
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.core.credentials import AzureKeyCredential

def ask(**more):
    key = AzureKeyCredential(os.environ["AZURE_INFERENCE_CREDENTIAL"])
    client = ChatCompletionsClient(os.environ["AZURE_INFERENCE_ENDPOINT"], key)
    question = [UserMessage("What is the capital of France?")]
    return client.complete(messages=question, temperature=0, **more).choices[0].message.content
"""
ENDPOINT = {
    "AZURE_INFERENCE_ENDPOINT": "https://my-phi4.eastus2.inference.ml.azure.com",
    "AZURE_INFERENCE_CREDENTIAL": "my-own-key",
}


def python(code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """Runs code in a fresh Python, in a folder, with further variables."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def scratch_folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("phi4-notebooks-*"))


def wait_until(happened, seconds: float = 10) -> bool:
    """Polls until something has happened, with a deadline."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_without_variables_a_simulated_azure_answers_with_no_network(tmp_path):
    done = python(f"from helpers import connect\nconnect()\n{ASK}\nprint(ask())", tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "Answers come from: a simulated Azure on this computer (a tiny language model; no account, no network, no cost).",
        "The capital of France is Paris.",
    ]


def test_an_endpoint_of_ones_own_is_used_and_nothing_is_changed(tmp_path):
    code = "import os; before = dict(os.environ)\nfrom helpers import connect\nconnect()\nprint(before == dict(os.environ))"
    done = python(code, tmp_path, **ENDPOINT)
    assert done.stdout.splitlines()[-1] == "True"
    assert "your own endpoint https://my-phi4.eastus2.inference.ml.azure.com" in done.stdout
    assert "my-own-key" not in done.stdout + done.stderr


def test_a_second_call_changes_nothing(tmp_path):
    code = (
        "import os\nfrom helpers import connect\nconnect(); first = dict(os.environ)\nconnect()\nprint(first == dict(os.environ))"
    )
    lines = python(code, tmp_path).stdout.splitlines()
    assert lines[0] == lines[1]
    assert lines[2] == "True"


def test_after_a_change_to_an_endpoint_of_ones_own_no_simulated_tokens_are_given_out(tmp_path):
    code = f"import os\nfrom helpers import connect\nconnect()\nos.environ.update({ENDPOINT})\nconnect()\n"
    code += "print(os.environ.get('IDENTITY_ENDPOINT'), os.environ.get('IDENTITY_HEADER'))"
    assert python(code, tmp_path).stdout.splitlines()[-1] == "None None"


def test_two_threads_that_connect_at_once_share_one_simulation(tmp_path):
    code = "import os, threading\nfrom helpers import connect\n"
    code += "threads = [threading.Thread(target=connect) for _ in range(4)]\n"
    code += "[t.start() for t in threads]; [t.join() for t in threads]"
    assert python(code, tmp_path).stdout.count("Answers come from: a simulated Azure on this computer") == 4


def test_a_dotenv_file_in_another_encoding_is_named(tmp_path):
    (tmp_path / ".env").write_bytes("AZURE_INFERENCE_ENDPOINT=https://a.example\n".encode("utf-16"))
    assert "is not UTF-8 text" in python("from helpers import connect; connect()", tmp_path, PYTHON_DOTENV_DISABLED="").stderr


def test_when_its_variables_are_removed_the_simulation_is_back_with_the_next_call(tmp_path):
    code = "import os\nfrom helpers import connect\nconnect()\nfirst = os.environ['AZURE_INFERENCE_ENDPOINT']\n" + ASK
    cases = (["ENDPOINT"], ["CREDENTIAL"], ["ENDPOINT", "CREDENTIAL"])
    for gone in cases:
        code += f"for name in {gone}: del os.environ['AZURE_INFERENCE_' + name]\n"
        code += "connect()\nprint(ask(), first == os.environ['AZURE_INFERENCE_ENDPOINT'])\n"
    lines = python(code, tmp_path).stdout.splitlines()
    assert lines[2::2] == ["The capital of France is Paris. True"] * len(cases)


def test_one_can_change_to_an_endpoint_of_ones_own_without_a_restart(tmp_path):
    code = f"import os\nfrom helpers import connect\nconnect()\nos.environ.update({ENDPOINT})\nconnect()"
    assert "your own endpoint" in python(code, tmp_path).stdout.splitlines()[1]


def test_prices_are_simulated_with_the_endpoint_and_real_with_ones_own(tmp_path):
    code = "import os\nfrom helpers import connect\nconnect()\nprint(os.environ['AZURE_RETAIL_PRICES_URL'])\n"
    code += f"os.environ.update({ENDPOINT})\nconnect()\nprint(os.environ.get('AZURE_RETAIL_PRICES_URL'))"
    lines = python(code, tmp_path).stdout.splitlines()
    assert lines[1].startswith("https://127.0.0.1:") and lines[3] == "None"


def test_a_dotenv_file_in_a_folder_above_is_read_but_the_environment_wins(tmp_path):
    (tmp_path / ".env").write_text("AZURE_INFERENCE_ENDPOINT=https://from-file.example\nAZURE_INFERENCE_CREDENTIAL=file-key\n")
    below = tmp_path / "notebooks"
    below.mkdir()
    code = "from helpers import connect; connect()"
    assert f"https://from-file.example, as {tmp_path / '.env'} says" in python(code, below, PYTHON_DOTENV_DISABLED="").stdout
    assert ENDPOINT["AZURE_INFERENCE_ENDPOINT"] in python(code, below, PYTHON_DOTENV_DISABLED="", **ENDPOINT).stdout


def test_a_dotenv_file_with_a_second_ending_is_pointed_out(tmp_path):
    (tmp_path / ".env.txt").write_text("AZURE_INFERENCE_ENDPOINT=https://from-file.example\n")
    assert "Rename it to .env" in python("from helpers import connect; connect()", tmp_path).stdout


def test_a_separate_simulator_is_named_as_what_it_is(tmp_path, simulator):
    variables = {name: value for name, value in simulator.variables().items() if name.startswith("AZURE")}
    done = python("from helpers import connect; connect()", tmp_path, **variables)
    assert done.stdout == f"Answers come from: {simulator.url} on this computer, as AZURE_INFERENCE_ENDPOINT says.\n"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AZURE_INFERENCE_ENDPOINT": "https://a.example"}, "AZURE_INFERENCE_CREDENTIAL is not"),
        ({"AZURE_INFERENCE_CREDENTIAL": "secret-word"}, "AZURE_INFERENCE_ENDPOINT is not"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "phi4.ml.azure.com"}, "Set it to 'https://phi4.ml.azure.com'"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "phi4.ml.azure.com/score"}, "Set it to 'https://phi4.ml.azure.com'"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "https://my-phi4.example/score"}, "Set it to 'https://my-phi4.example'"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "https://a.example/v1/chat/completions?x=1"}, "to 'https://a.example'"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "https://a.example/Score"}, "to 'https://a.example'"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "'https://a.example'"}, "to 'https://a.example'"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "https://ai.azure.com/build/deployments"}, "a page in the portal"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "https://"}, "holds no URL"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "https://[::1"}, "holds no URL"),
        ({"AZURE_INFERENCE_ENDPOINT": "secretword0123456", "AZURE_INFERENCE_CREDENTIAL": "https://a.example"}, "look exchanged"),
        ({"AZURE_INFERENCE_ENDPOINT": "secretword0123456", "AZURE_INFERENCE_CREDENTIAL": "secret-word"}, "holds no URL"),
        ({**ENDPOINT, "AZURE_INFERENCE_CREDENTIAL": "the key from the deployment's page"}, "example text"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "http://a.azure.com"}, "Set it to 'https://a.azure.com'"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "https://a.example\n"}, "white space"),
        ({**ENDPOINT, "AZURE_INFERENCE_CREDENTIAL": "secret-word "}, "white space"),
        ({**ENDPOINT, "AZURE_INFERENCE_CREDENTIAL": "\u201csecret-word\u201d"}, "quotation marks"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "https://me:secret@a.example"}, "more than the endpoint's URL"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "https://a.example/score?key=secret"}, "Set it to 'https://a.example'"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "https://a.example secret"}, "white space"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "https://a.example\nsecret"}, "white space"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "secret.word"}, "does not begin with https://"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "eyJhbGciOi.secret.sig"}, "more than the endpoint's URL"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "\u201chttps://a.example\u201d"}, "Set it to 'https://a.example'"),
        ({**ENDPOINT, "AZURE_INFERENCE_CREDENTIAL": "secret\nword"}, "white space"),
    ],
)
def test_settings_that_cannot_work_name_the_mend_and_never_the_key(variables, said):
    with pytest.raises(ConnectionSettingsError) as raised:
        settings_are_complete(variables)
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    ["https://a.example/", "http://localhost:11434/v1", "https://[::1]:80", "http://gpu-server:8000", "https://a.example/scores"],
)
def test_roots_of_endpoints_are_accepted(url):
    check_endpoint(url)


def test_variables_that_are_set_keep_their_value():
    variables = {"AZURE_SUBSCRIPTION_ID": "mine", "NO_PROXY": "intranet.example"}
    assert add_variables({"AZURE_SUBSCRIPTION_ID": "simulated", "IDENTITY_HEADER": "x"}, variables) == {"IDENTITY_HEADER": "x"}
    assert variables["AZURE_SUBSCRIPTION_ID"] == "mine"
    assert variables["NO_PROXY"] == "intranet.example,localhost,127.0.0.1,::1"


@pytest.mark.parametrize("line", ["AZURE_INFERENCE_KEY=abc", "AZURE_INFERENCE_ENDPOINT: https://a.example", "$env:AZURE_X='1'"])
def test_a_settings_file_that_sets_nothing_says_so(line, tmp_path):
    (tmp_path / ".env").write_text(f"# mine\n{line}\n", encoding="utf-8")
    lines = python("from helpers import connect\nconnect()", tmp_path).stdout.splitlines()
    assert lines[0].startswith("Note: ") and ".env sets none of AZURE_INFERENCE_ENDPOINT," in lines[0]
    assert line.partition("=")[2] not in lines[0].replace("NAME=value", "") or not line.partition("=")[2]


@pytest.mark.parametrize("text", ["", "SOMETHING=else\n", "AZURE_ML_WORKSPACE=mine\n", "export AZURE_ML_WORKSPACE = mine\n"])
def test_other_settings_files_are_read_without_a_word(text, tmp_path):
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    assert "Note: " not in python("from helpers import connect\nconnect()", tmp_path).stdout


def test_a_certificate_bundle_in_force_is_kept_and_appended_to(tmp_path):
    mine = tmp_path / "company.pem"
    mine.write_text("# the company's own\n" + Path(certifi.where()).read_text(encoding="utf-8"), encoding="utf-8")
    code = "import os\nfrom helpers import connect\nconnect()\nprint(os.environ['REQUESTS_CA_BUNDLE'])\n" + ASK + "print(ask())\n"
    code += "print(open(os.environ['REQUESTS_CA_BUNDLE']).read(20), open(os.environ['SSL_CERT_FILE']).read(20), sep='')"
    done = python(code, tmp_path, REQUESTS_CA_BUNDLE=str(mine), SSL_CERT_FILE=certifi.where())
    lines = done.stdout.splitlines()
    assert lines[1] != str(mine)
    assert lines[2] == "The capital of France is Paris."
    assert lines[3] == "# the company's own"
    assert "company" not in lines[4]
    assert mine.read_text(encoding="utf-8").startswith("# the company's own")


def test_a_proxy_that_answers_for_everything_does_not_stand_in_the_way(tmp_path):
    proxy = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = python(f"from helpers import connect\nconnect()\n{ASK}\nprint(ask())", tmp_path, **proxy)
    assert done.stdout.splitlines()[-1] == "The capital of France is Paris.", done.stderr


def test_entra_id_and_async_work_through_the_variables_alone(tmp_path):
    code = """
from helpers import connect
connect()
import asyncio, os
from azure.ai.inference.aio import ChatCompletionsClient
from azure.ai.inference.models import UserMessage
from azure.identity.aio import DefaultAzureCredential

async def main():
    async with DefaultAzureCredential() as credential:
        async with ChatCompletionsClient(os.environ["AZURE_INFERENCE_ENDPOINT"], credential) as client:
            answer = await client.complete(messages=[UserMessage("What is the capital of France?")], temperature=0)
            print(answer.choices[0].message.content)

asyncio.run(main())
"""
    done = python(code, tmp_path)
    assert done.stdout.splitlines()[-1] == "The capital of France is Paris.", done.stderr


@pytest.mark.parametrize(
    "ending",
    ["", "import os, signal; os.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))"],
    ids=["ends", "is killed"],
)
def test_nothing_is_left_behind_when_the_process(ending, tmp_path):
    code = "import os\nfrom helpers import connect\nconnect()\nprint(os.environ['REQUESTS_CA_BUNDLE'], flush=True)\n"
    folder = Path(python(code + ending, tmp_path).stdout.splitlines()[1]).parent.parent
    assert folder.name.startswith("phi4-notebooks-")
    assert wait_until(lambda: not folder.exists()), f"{folder} was left behind"


class Kernel:
    """A real kernel, as a notebook has it."""

    def __init__(self, folder: Path):
        os.environ["PYTHONPATH"] = str(ROOT)
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(folder))

    def run(self, code: str) -> str:
        """What a cell prints, or the name of its error."""
        said = []

        def hear(message: dict) -> None:
            if message["msg_type"] in ("stream", "error"):
                said.append(message["content"].get("text") or message["content"]["ename"])

        self.client.execute_interactive(code, output_hook=hear, timeout=60, allow_stdin=False, stop_on_error=False)
        return "".join(said)

    def kill(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def test_two_kernels_have_a_simulated_azure_each_and_leave_nothing_when_killed(tmp_path):
    before = scratch_folders()
    kernels = [Kernel(tmp_path), Kernel(tmp_path)]
    try:
        for kernel in kernels:
            kernel.run(f"from helpers import connect\nconnect()\n{ASK}")
        endpoints = [kernel.run("print(os.environ['AZURE_INFERENCE_ENDPOINT'])") for kernel in kernels]
        assert endpoints[0] != endpoints[1]
        assert [kernel.run("print(ask())") for kernel in kernels] == ["The capital of France is Paris.\n"] * 2
        assert len(scratch_folders() - before) >= 2
    finally:
        for kernel in kernels:
            kernel.kill()
    assert wait_until(lambda: not scratch_folders() - before)


def test_an_interrupted_cell_leaves_the_endpoint_answering(tmp_path):
    kernel = Kernel(tmp_path)
    try:
        kernel.run(f"from helpers import connect\nconnect()\n{ASK}")
        url, key, bundle = kernel.run(
            "print(*[os.environ[n] for n in ('AZURE_INFERENCE_ENDPOINT', 'AZURE_INFERENCE_CREDENTIAL', 'REQUESTS_CA_BUNDLE')])"
        ).split()

        def is_waiting() -> bool:
            """Whether the slow request has reached the endpoint."""
            listed = requests.get(f"{url}/simulator/requests", headers={"api-key": key}, verify=bundle, timeout=10)
            return "x-simulated-fault" in listed.text

        press_stop = threading.Thread(target=lambda: wait_until(is_waiting) and kernel.manager.interrupt_kernel())
        press_stop.start()
        assert "KeyboardInterrupt" in kernel.run("ask(headers={'x-simulated-fault': 'wait; seconds=20'})")
        press_stop.join()
        assert kernel.run("print(ask())") == "The capital of France is Paris.\n"
    finally:
        kernel.kill()


# Where deployments go: all combinations of variables

OWN = {"AZURE_SUBSCRIPTION_ID": "1234", "AZURE_RESOURCE_GROUP": "my-group", "AZURE_ML_WORKSPACE": "my-workspace"}
PAYS = {**OWN, "AZURE_MAX_USD_PER_HOUR": "5"}
REAL = {  # variables that lead to the real Azure, and somebody's real way to sign in there
    "ARM_CLOUD_METADATA_URL": "https://management.azure.com/metadata/endpoints?api-version=2019-05-01",
    "REGISTRY_DISCOVERY_ENDPOINT_URL": "https://eastus.api.azureml.ms/",
    "AZURE_RESOURCE_MANAGER_URL": "https://management.azure.com",
    "AZUREML_CURRENT_CLOUD": "AzureCloud",
    "AZURE_TOKEN_CREDENTIALS": "dev",
    "AZURE_TENANT_ID": "00000000-0000-0000-0000-000000000001",
    "AZURE_CLIENT_ID": "00000000-0000-0000-0000-000000000002",
    "AZURE_CLIENT_SECRET": "a-real-secret",
}
MANAGEMENT = ("IDENTITY_", "ARM_", "REGISTRY_", "AZURE_RE", "AZURE_ML", "AZUREML_", "AZURE_SUB", "AZURE_MAX", "AZURE_TOKEN")
WATCH = """
import sys
asked = set()

def watch(event, arguments):
    if event == "socket.getaddrinfo":
        asked.add(str(arguments[0]))
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        asked.add(str(arguments[1][0]))

sys.addaudithook(watch)
"""
DEPLOY = """
import os
from azure.ai.ml import MLClient
from azure.ai.ml.entities import ManagedOnlineEndpoint
from azure.identity import DefaultAzureCredential

def deploy():
    names = [os.environ[name] for name in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_ML_WORKSPACE")]
    client = MLClient(DefaultAzureCredential(), *names, enable_telemetry=False)
    client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="my-phi4", auth_mode="key")).result()
    return [each.name for each in client.online_endpoints.list()]
"""
MANAGED = f"print({{name: value for name, value in os.environ.items() if name.startswith({MANAGEMENT})}})\n"
CONNECT = "import os\nfrom helpers import connect\nconnect()\n"


def management(variables: dict[str, str]) -> str:
    return str({name: value for name, value in variables.items() if name.startswith(MANAGEMENT)})


def test_with_a_subscription_and_a_limit_of_ones_own_nothing_that_manages_is_touched_and_it_says_so(tmp_path):
    lines = python(CONNECT + MANAGED + ASK + "print(ask())", tmp_path, **PAYS).stdout.splitlines()
    assert "a simulated Azure on this computer" in lines[0]
    assert "no cost" not in lines[0] and "no account" not in lines[0]
    assert lines[1].startswith("REAL MONEY: ")
    assert "your own workspace my-workspace. They cost money" in lines[1]
    assert "AZURE_MAX_USD_PER_HOUR allows 5 US dollars an hour" in lines[1]
    assert lines[2:] == [management(PAYS), "The capital of France is Paris."]


def test_a_limit_that_is_also_the_simulated_one_counts_as_ones_own(tmp_path):
    ten = {**PAYS, "AZURE_MAX_USD_PER_HOUR": "12"}
    lines = python(CONNECT + MANAGED + "connect()", tmp_path, **ten).stdout.splitlines()
    assert "your own workspace" in lines[1]
    assert lines[2] == management(ten)
    assert lines[3:] == lines[:2]


@pytest.mark.parametrize("missing", PAYS)
def test_with_three_of_the_four_deployments_are_simulated(missing, tmp_path):
    three = {name: value for name, value in PAYS.items() if name != missing}
    done = python(CONNECT + "connect()\n" + MANAGED, tmp_path, **three, AZUREML_CURRENT_CLOUD="AzureCloud")
    lines = done.stdout.splitlines()
    assert "own workspace" not in done.stdout
    assert lines[1] == f"Deployments are simulated, too: {missing} is not set."
    assert lines[2:4] == lines[:2]
    managed = ast.literal_eval(lines[4])
    assert_simulated(managed)
    assert managed | three == managed


def test_no_variable_leads_past_the_simulation_to_azure(tmp_path):
    """Nobody pays who has not set the limit, and no real secret is used, whatever else is set."""
    code = WATCH + CONNECT + DEPLOY + "print(deploy())\nprint(asked)"
    done = python(code, tmp_path, **REAL, **OWN)
    assert done.stdout.splitlines()[-2:] == ["['my-phi4']", "{'127.0.0.1'}"], done.stderr


def test_a_managed_identity_of_the_machine_makes_way_and_is_put_back(tmp_path):
    """As in App Service or Container Apps: its token would be real, and the simulation refuses real tokens."""
    identity = {"IDENTITY_ENDPOINT": "http://127.0.0.1:9/msi/token", "IDENTITY_HEADER": "real", "IDENTITY_SERVER_THUMBPRINT": "a"}
    code = CONNECT + "connect()\n" + DEPLOY + f"print(deploy())\nos.environ.update({PAYS})\nconnect()\n{MANAGED}"
    done = python(code, tmp_path, **identity)
    lines = done.stdout.splitlines()
    assert lines[2] == "['my-phi4']", done.stderr
    assert ast.literal_eval(lines[-1]) == identity | PAYS


@pytest.mark.parametrize("endpoint", [{}, ENDPOINT], ids=["simulated", "own"])
@pytest.mark.parametrize("amount", ["five", "-1", "nan", "12,5"])
def test_a_limit_that_is_no_amount_is_refused_before_anything_is_promised(amount, endpoint, tmp_path):
    done = python(CONNECT, tmp_path, **PAYS | endpoint | {"AZURE_MAX_USD_PER_HOUR": amount})
    assert f"AZURE_MAX_USD_PER_HOUR is '{amount}', expected an amount in US dollars" in done.stderr
    assert "REAL MONEY" not in done.stdout


def assert_simulated(managed: dict[str, str]) -> None:
    """Asserts that all variables lead management clients to this computer."""
    for name in ("ARM_CLOUD_METADATA_URL", "REGISTRY_DISCOVERY_ENDPOINT_URL", "AZURE_RESOURCE_MANAGER_URL", "IDENTITY_ENDPOINT"):
        assert urlsplit(managed[name]).hostname == "127.0.0.1"
    assert managed.get("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential") == "ManagedIdentityCredential"
    assert managed.get("AZUREML_CURRENT_CLOUD", "SimulatedCloud") == "SimulatedCloud"


def test_what_had_to_make_way_is_put_back_for_a_subscription_of_ones_own(tmp_path):
    code = CONNECT + f"{MANAGED}os.environ['AZURE_MAX_USD_PER_HOUR'] = '5'\nconnect()\n{MANAGED}"
    lines = python(code, tmp_path, **REAL, **OWN).stdout.splitlines()
    assert_simulated(ast.literal_eval(lines[2]))
    assert "your own workspace my-workspace" in lines[4]
    expected = {name: value for name, value in (REAL | PAYS).items() if name.startswith(MANAGEMENT)}
    assert ast.literal_eval(lines[5]) == expected


@pytest.mark.parametrize("change", [PAYS, ENDPOINT, ENDPOINT | PAYS], ids=["subscription", "endpoint", "both"])
def test_after_a_change_to_what_is_ones_own_no_simulated_manager_is_left(change, tmp_path):
    code = CONNECT + "os.environ['AZUREML_CURRENT_CLOUD'] = 'SimulatedCloud'  # as azure-ai-ml does\n"
    code += f"os.environ.update({change})\nconnect()\n{MANAGED}"
    lines = python(code, tmp_path).stdout.splitlines()
    own = {name: value for name, value in change.items() if name in PAYS}
    assert ast.literal_eval(lines[-1]) == own
    assert ("your own workspace my-workspace" in lines[-2]) == bool(own)


def test_a_subscription_of_ones_own_can_be_given_up_again(tmp_path):
    code = CONNECT + "del os.environ['AZURE_MAX_USD_PER_HOUR']\nos.environ['AZUREML_CURRENT_CLOUD'] = 'AzureCloud'\nconnect()\n"
    code += f"{MANAGED}for name in {list(OWN)}: del os.environ[name]\nconnect()\n{MANAGED}"
    lines = python(code, tmp_path, **PAYS).stdout.splitlines()
    assert lines[3].startswith("Deployments are simulated, too")
    assert_simulated(ast.literal_eval(lines[4]))
    assert lines[5].startswith("Answers come from: a simulated Azure")
    managed = ast.literal_eval(lines[6])
    assert_simulated(managed)
    assert managed["AZURE_ML_WORKSPACE"] == "phi4-workspace"


def test_with_an_endpoint_of_ones_own_nothing_is_simulated(tmp_path):
    code = CONNECT + MANAGED + "import sys\nprint('simulated_azure.transports.sockets' in sys.modules)"
    lines = python(code, tmp_path, **ENDPOINT, **REAL, **PAYS).stdout.splitlines()
    assert "your own endpoint" in lines[0]
    assert "your own workspace" in lines[1]
    assert lines[-1] == "False"
    assert python(CONNECT + MANAGED, tmp_path, **ENDPOINT).stdout.splitlines()[1] == "{}"


def test_beside_an_endpoint_of_ones_own_the_workspace_is_named_even_without_a_limit(tmp_path):
    """MLClient goes there then, since nothing is simulated."""
    lines = python(CONNECT + MANAGED, tmp_path, **ENDPOINT, **OWN).stdout.splitlines()
    assert lines[1] == (
        "Deployments go to your own workspace my-workspace, where the lessons start no machine unless "
        "AZURE_MAX_USD_PER_HOUR is set."
    )
    assert ast.literal_eval(lines[2]) == OWN


@pytest.mark.parametrize("missing", OWN)
def test_beside_an_endpoint_of_ones_own_nothing_is_said_of_a_workspace_that_is_not_named(missing, tmp_path):
    two = {name: value for name, value in OWN.items() if name != missing}
    assert len(python(CONNECT, tmp_path, **ENDPOINT, **two).stdout.splitlines()) == 1


def test_in_a_kernel_the_management_client_sends_no_telemetry_and_asks_nobody_else(tmp_path):
    kernel = Kernel(tmp_path)
    try:
        kernel.run(WATCH + CONNECT + DEPLOY)
        assert "my-phi4" in kernel.run("print(deploy())")
        assert kernel.run("print('azure.monitor.opentelemetry' in sys.modules)") == "False\n"
        assert kernel.run("print(asked)") == "{'127.0.0.1'}\n"
    finally:
        kernel.kill()
