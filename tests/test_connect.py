"""``connect()`` as people meet it: in a fresh process or kernel, with whatever variables they have."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import certifi
import pytest
import requests
from jupyter_client.manager import start_new_kernel

from helpers.connect import ConnectionSettingsError, add_variables, check_endpoint, settings_are_complete

ROOT = Path(__file__).parent.parent
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
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "my-phi4.example"}, "Set it to 'https://my-phi4.example'"),
        ({**ENDPOINT, "AZURE_INFERENCE_ENDPOINT": "my-phi4.example/score"}, "Set it to 'https://my-phi4.example'"),
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
    variables = {"IDENTITY_ENDPOINT": "http://mine", "NO_PROXY": "intranet.example"}
    add_variables({"IDENTITY_ENDPOINT": "http://simulated", "IDENTITY_HEADER": "x"}, variables)
    assert variables["IDENTITY_ENDPOINT"] == "http://mine"
    assert "IDENTITY_HEADER" not in variables  # the two belong together
    assert variables["NO_PROXY"] == "intranet.example,localhost,127.0.0.1,::1"


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
