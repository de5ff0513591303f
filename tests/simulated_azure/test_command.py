"""The command ``python -m simulated_azure``: its process, what it prints, and its folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
import requests
from raw_http import ASK, DEADLINE, GREEDY, open_socket, received, wire_request

from simulated_azure.__main__ import main, make_parser
from simulated_azure.transports import addresses, scratch
from simulated_azure.transports.addresses import is_loopback, remote_hosts
from simulated_azure.transports.upstream_command import upstream_of
from simulated_azure.upstream.settings import UpstreamSettingsError

ROOT = Path(__file__).parents[2]
PASS_THROUGH = {"extra-parameters": "pass-through"}
RUNNING = (
    r"simulated Azure [\w.]+: answers at https://\S+ and http://\S+ "
    r"as the server inference \(foundation-model-inference\); Ctrl\+C ends it\.\n"
)

PATHS_OF_ONE_SERVER = ("/info", "/v1/models")  # of inference, of serve

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


class Process:
    """``python -m simulated_azure`` in a process of its own, with the variables that it prints."""

    def __init__(self, folder: Path, *arguments: str, **options):
        temporary = {name: str(folder) for name in ("TMPDIR", "TEMP", "TMP")}
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **temporary}
        environment.pop("PYTHONUNBUFFERED", None)  # what it prints must be flushed to arrive
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulated_azure", *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        self._limit = threading.Timer(DEADLINE, self.process.kill)
        self._limit.start()
        self.variables = {}
        for line in self.process.stdout:
            if line == "\n":
                break
            name, _, value = line.rstrip("\n").partition("=")
            self.variables[name] = value

    def end(self) -> tuple[str, str]:
        """Return (what else it printed, what is in stderr) when it has ended."""
        try:
            return self.process.communicate(timeout=DEADLINE)
        finally:
            self.close()

    def close(self) -> None:
        """End it, whatever it does."""
        self._limit.cancel()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Process]]:
    """Return a function that starts the command, with a folder of this test for temporary files."""
    processes = []

    def start(*arguments: str, **options) -> Process:
        processes.append(Process(tmp_path, *arguments, **options))
        return processes[-1]

    yield start
    for process in processes:
        process.close()


# What it serves

ELSEWHERE = """
import asyncio, os
from azure.ai.inference import ChatCompletionsClient
from azure.ai.inference.aio import ChatCompletionsClient as AsyncChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.identity.aio import DefaultAzureCredential

endpoint = os.environ["AZURE_INFERENCE_ENDPOINT"]
key = AzureKeyCredential(os.environ["AZURE_INFERENCE_CREDENTIAL"])
question = {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0, "max_tokens": 2}
for url in (endpoint, os.environ["AZURE_INFERENCE_ENDPOINT_HTTP"]):
    with ChatCompletionsClient(url, key) as client:
        print(client.complete(question).usage.completion_tokens)

async def main():
    async with (
        DefaultAzureCredential() as credential,
        AsyncChatCompletionsClient(endpoint, credential) as client,
    ):
        print((await client.get_model_info()).model_name)

asyncio.run(main())
"""


@posix
def test_it_serves_clients_elsewhere_and_prints_nothing_whatever_they_do(start, tmp_path):
    command = start("--key", "a-key-of-ones-own")
    variables = command.variables
    assert {
        "AZURE_INFERENCE_ENDPOINT",
        "AZURE_INFERENCE_CREDENTIAL",
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    } <= set(variables)
    assert variables["AZURE_INFERENCE_CREDENTIAL"] == "a-key-of-ones-own"
    assert variables["AZURE_INFERENCE_ENDPOINT"].startswith("https://127.0.0.1:")

    (tmp_path / "elsewhere").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    client = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        cwd=tmp_path / "elsewhere",
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (client.stdout.split(), client.stderr) == (["2", "2", "Phi-4"], "")

    misbehave(variables)
    command.process.send_signal(signal.SIGTERM)
    printed, errors = command.end()
    assert printed == ""
    assert re.fullmatch(RUNNING, errors)
    assert command.process.returncode == 0


def misbehave(variables: dict[str, str]) -> None:
    """Do to a server what clients do: refuse its certificate, speak no TLS, break connections."""
    secure, plain = (
        variables["AZURE_INFERENCE_ENDPOINT"],
        variables["AZURE_INFERENCE_ENDPOINT_HTTP"],
    )
    key, bundle = variables["AZURE_INFERENCE_CREDENTIAL"], variables["REQUESTS_CA_BUNDLE"]
    stream = wire_request(key, {**GREEDY, "stream": True})

    def connect(url: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=DEADLINE)

    with connect(secure) as connection, pytest.raises(ssl.SSLCertVerificationError):
        context = ssl.create_default_context(cafile=None)
        context.wrap_socket(connection, server_hostname="wrong.example")
    for url, data in (
        (secure, b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n"),
        (plain, b"\x16\x03\x01\x00\x05hello"),
        (plain, b"POST"),
    ):
        with connect(url) as connection:
            connection.sendall(data)
            if data != b"POST":
                with suppress(ConnectionResetError):
                    received(connection)
    for url in (secure, plain):
        for fault in ("cut", "slow; seconds=0.01"):
            with open_socket(url, bundle) as connection:
                headers = {"x-simulated-fault": fault}
                connection.sendall(wire_request(key, {**GREEDY, "stream": True}, **headers))
                connection.recv(100)
                reset = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # SO_LINGER on, 0 seconds
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        with open_socket(url, bundle) as connection:  # says good-bye in the middle of its body
            connection.sendall(stream[:-20])
    endless = {
        "n": 8,
        "temperature": 1,
        "max_tokens": 500,
        "logprobs": True,
        "top_logprobs": 20,
        "logit_bias": {"100265": -100},
    }
    for _ in range(3):  # more than buffers hold: the server still writes when its reader is gone
        with open_socket(secure, bundle) as connection:
            connection.sendall(
                wire_request(key, {**ASK, **endless, "stream": True}, **PASS_THROUGH)
            )
            connection.recv(100)
    with open_socket(
        plain, bundle
    ) as connection:  # all of that has been seen once this is answered
        connection.sendall(wire_request(key, GREEDY))
        assert connection.recv(15) == b"HTTP/1.1 200 OK"


# How it ends


def ignore_interrupts() -> None:
    """Ignore SIGINT, as shells let jobs in the background do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@posix
@pytest.mark.parametrize("begin", [None, ignore_interrupts], ids=["foreground", "background"])
def test_an_interrupt_ends_the_process_also_in_the_middle_of_a_stream(start, begin):
    command = start("--token-delay", "60", preexec_fn=begin)
    key = command.variables["AZURE_INFERENCE_CREDENTIAL"]
    with open_socket(command.variables["AZURE_INFERENCE_ENDPOINT_HTTP"], "") as connection:
        connection.sendall(wire_request(key, {**GREEDY, "stream": True}))
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        command.process.send_signal(signal.SIGINT)
        printed, errors = command.end()
    assert printed == ""
    assert re.fullmatch(RUNNING, errors)
    assert command.process.returncode == 0


@posix
def test_an_interrupt_ends_the_process_also_in_the_middle_of_a_whole_answer(start):
    command = start("--token-delay", "60")
    key = command.variables["AZURE_INFERENCE_CREDENTIAL"]
    endless = {**ASK, "n": 128, "response_format": {"type": "json_object"}}
    url = command.variables["AZURE_INFERENCE_ENDPOINT_HTTP"]
    with open_socket(url, "") as connection, open_socket(url, "") as other:
        connection.sendall(wire_request(key, endless, **PASS_THROUGH))
        other.sendall(wire_request(key, {**GREEDY, "stream": True}))
        assert other.recv(15) == b"HTTP/1.1 200 OK"  # so the first has begun
        command.process.send_signal(signal.SIGINT)
        _, errors = command.end()
    assert re.fullmatch(RUNNING, errors)
    assert command.process.returncode == 0


# Its temporary folder


def folders(parent: Path) -> list[Path]:
    return sorted(parent.glob("phi4-notebooks-*"))


@posix
def test_a_process_removes_its_folder_at_its_end(start, tmp_path):
    command = start()
    (folder,) = folders(tmp_path)
    assert folder.name.startswith(f"phi4-notebooks-{command.process.pid}-")
    assert Path(command.variables["SSL_CERT_FILE"]).is_relative_to(folder)
    command.process.send_signal(signal.SIGINT)
    command.end()
    assert folders(tmp_path) == []


@posix
def test_a_process_removes_the_folders_of_killed_ones_and_of_no_others(start, tmp_path):
    killed, running = start(), start()
    strange = tmp_path / "phi4-notebooks-of-another-kind"
    strange.mkdir()
    killed.process.kill()
    killed.end()
    assert len(folders(tmp_path)) == 3
    newest = start()
    kept = [strange, *(folder_of(process, tmp_path) for process in (running, newest))]
    assert folders(tmp_path) == sorted(kept)
    assert Path(running.variables["SSL_CERT_FILE"]).is_file()


def folder_of(process: Process, parent: Path) -> Path:
    (folder,) = parent.glob(f"phi4-notebooks-{process.process.pid}-*")
    return folder


@posix
def test_a_folder_of_another_user_is_left_alone(tmp_path, monkeypatch):
    folder = tmp_path / "phi4-notebooks-1-abandoned"
    folder.mkdir()
    (folder / scratch.LOCK).touch()
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)
    scratch._remove_abandoned(tmp_path)
    assert folder.is_dir()
    monkeypatch.setattr(os, "getuid", lambda: mine)
    scratch._remove_abandoned(tmp_path)
    assert not folder.exists()


@posix
def test_the_end_of_a_forked_process_leaves_the_folder_alone(tmp_path):
    code = """
import os
from simulated_azure.transports.scratch import scratch_folder
folder = scratch_folder()
if os.fork() == 0:
    assert scratch_folder() != folder
    raise SystemExit
os.wait()
print(folder.is_dir(), len(list(folder.parent.iterdir())))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("True 1\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_that_another_process_removes_is_made_again(tmp_path, monkeypatch):
    """Another process may take a folder for an abandoned one before its lock is locked."""
    removed, lock = [], scratch._lock

    def lock_too_late(file: IO[bytes]) -> bool:
        if not removed:
            removed.append(Path(file.name).parent)
            shutil.rmtree(removed[0])
        return lock(file)

    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(scratch.atexit, "register", lambda *_: None)
    monkeypatch.setattr(scratch, "_lock", lock_too_late)
    folder = scratch._make_folder.__wrapped__(1)
    assert folders(tmp_path) == [folder] != removed


# What it prints


@pytest.mark.skipif(not shutil.which("sh"), reason="no POSIX shell here")
def test_what_is_printed_for_a_shell_sets_the_variables_there(start):
    command = start("--export", "sh", "--key", "it's-$HOME-`key`")
    lines = [f"{name}={value}" for name, value in command.variables.items()]
    names = [name.removeprefix("export ") for name in command.variables]
    assert {"AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL", "SSL_CERT_FILE"} <= set(names)
    lines += [f'printf "%s\\n" "${name}"' for name in names]
    shell = subprocess.run(
        ["sh", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=DEADLINE
    )
    values = dict(zip(names, shell.stdout.splitlines(), strict=True))
    assert values["AZURE_INFERENCE_CREDENTIAL"] == "it's-$HOME-`key`"
    assert Path(values["SSL_CERT_FILE"]).is_file()


def test_what_is_printed_for_powershell_is_quoted_as_it_reads_quotes(start):
    command = start("--export", "powershell", "--key", "it's-$HOME-`key`")
    assert command.variables["$env:AZURE_INFERENCE_CREDENTIAL "] == " 'it''s-$HOME-`key`'"


def refusal(monkeypatch, capsys, *arguments: str) -> str:
    """Return the last line that the command prints when it refuses its arguments."""
    monkeypatch.setattr(sys, "argv", ["simulated_azure", *arguments])
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # those of the test's process stay
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.splitlines()[-1].removeprefix("python -m simulated_azure: error: ")


KEY_REFUSED = (
    "argument --key: the key is not possible: expected at least 8 ASCII characters without spaces "
    "or line breaks"
)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["--server", "vllm"],
            "argument --server: no such server: expected inference or serve "
            "(also in the variable SIMULATED_SERVER)",
        ),
        (["--port", "x"], "argument --port: 'x' is not a port: expected a number from 0 to 65535"),
        (
            ["--https-port", "65536"],
            "argument --https-port: '65536' is not a port: expected a number from 0 to 65535",
        ),
        (
            ["--port", "-1"],
            "argument --port: '-1' is not a port: expected a number from 0 to 65535",
        ),
        (["--port", "²"], "argument --port: '²' is not a port: expected a number from 0 to 65535"),
        (
            ["--token-delay", "soon"],
            "argument --token-delay: 'soon' is not possible: expected seconds from 0 to 60",
        ),
        (
            ["--token-delay", "nan"],
            "argument --token-delay: 'nan' is not possible: expected seconds from 0 to 60",
        ),
        (["--key", "two words"], KEY_REFUSED),
        (["--key", ""], KEY_REFUSED),
        (
            ["--class", "class.toml", "--key", "a-key-of-ones-own"],
            "argument --key: not allowed with --class: the keys in the class file open the "
            "endpoint, and no other.",
        ),
        (["--at-once", "3"], "argument --at-once: only with --class."),
    ],
)
def test_a_bad_argument_is_refused_in_one_clear_line(monkeypatch, capsys, arguments, message):
    assert refusal(monkeypatch, capsys, *arguments) == message


def test_a_wrong_name_of_a_server_in_the_variable_is_refused_without_repeating_it(
    monkeypatch, capsys
):
    monkeypatch.setenv("SIMULATED_SERVER", "perhaps-a-key")
    assert refusal(monkeypatch, capsys) == (
        "argument --server: no such server: expected inference or serve "
        "(also in the variable SIMULATED_SERVER)"
    )


@pytest.mark.parametrize("place", ["option", "variable"])
def test_it_plays_the_server_that_is_chosen_and_says_so(start, monkeypatch, place):
    monkeypatch.setenv("SIMULATED_SERVER", "serve" if place == "variable" else "inference")
    command = start(*(["--server", "serve"] if place == "option" else []))
    url = command.variables["AZURE_INFERENCE_ENDPOINT_HTTP"]
    key = {"api-key": command.variables["AZURE_INFERENCE_CREDENTIAL"]}
    statuses = [requests.get(url + path, headers=key).status_code for path in PATHS_OF_ONE_SERVER]
    assert statuses == [404, 200]
    command.process.terminate()
    assert "as the server serve (foundation-model-serve)" in command.end()[1]


UPSTREAM_KEY = "sk-of-the-upstream-1234567890"


@pytest.mark.parametrize(
    ("upstream", "words"),
    [
        (UPSTREAM_KEY, "SIMULATED_UPSTREAM (or --upstream) contains the key"),
        ("another-key-12345", "SIMULATED_UPSTREAM (or --upstream) is not the address of a server"),
        (f"http://{UPSTREAM_KEY}@localhost", "contains the key, which belongs in"),
    ],
)
def test_an_upstream_that_cannot_work_is_refused_and_no_key_is_shown(
    monkeypatch, capsys, upstream, words
):
    monkeypatch.setenv("SIMULATED_UPSTREAM_KEY", UPSTREAM_KEY)
    message = refusal(monkeypatch, capsys, "--upstream", upstream, "--key", UPSTREAM_KEY)
    assert words in message
    assert UPSTREAM_KEY not in message and "another-key" not in message


def test_an_upstreams_key_is_never_the_one_that_clients_get(monkeypatch):
    monkeypatch.setenv("SIMULATED_UPSTREAM_KEY", UPSTREAM_KEY)
    arguments = ["--upstream", "http://localhost:9", "--key", UPSTREAM_KEY]
    with pytest.raises(UpstreamSettingsError, match="would get the upstream's key") as error_info:
        upstream_of(make_parser().parse_args(arguments))
    assert UPSTREAM_KEY not in str(error_info.value)


def test_the_command_says_who_writes_the_answers(start, simulator, monkeypatch):
    monkeypatch.setenv("SIMULATED_UPSTREAM_KEY", simulator.azure.key)
    command = start("--upstream", f"{simulator.http_url}/v1")
    key = {"api-key": command.variables["AZURE_INFERENCE_CREDENTIAL"]}
    url = command.variables["AZURE_INFERENCE_ENDPOINT_HTTP"]
    reply = requests.post(f"{url}/chat/completions", json=GREEDY, headers=key).json()
    assert "upstream Phi-4 simulated-" in reply["system_fingerprint"]
    simulator.azure.guard.key, kept = "another-key", simulator.azure.key
    try:
        assert requests.post(f"{url}/chat/completions", json=GREEDY, headers=key).status_code == 502
    finally:
        simulator.azure.guard.key = kept
    command.process.terminate()
    printed = command.end()[1]
    assert f"Answers are written by Phi-4 at {simulator.http_url}." in printed
    assert "refuses the key (401). Check SIMULATED_UPSTREAM_KEY." in printed
    assert simulator.azure.key not in printed


@pytest.mark.parametrize("option", ["--port", "--https-port"])
def test_a_taken_port_is_refused_in_one_clear_line(simulator, start, option):
    command = start(option, simulator.http_url.rsplit(":", 1)[1])
    _, errors = command.end()
    assert (command.process.returncode, command.variables) == (1, {})
    advice = r"Choose other ports, or 0 for free ones\."
    assert re.fullmatch(rf"Cannot listen on 127\.0\.0\.1: [^\n]+\. {advice}\n", errors)


# Other computers


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "2001:db8::7"])
def test_a_host_that_others_can_reach_is_refused_unless_that_is_allowed(monkeypatch, capsys, host):
    message = refusal(monkeypatch, capsys, "--host", host, "--key", "a-key-of-ones-own")
    assert message.startswith(f"argument --host: other computers could connect to {host}. ")
    assert "add --allow-remote" in message
    assert "Everybody on the network who has the key can then use the endpoint." in message
    assert "http can be read on the way" in message
    assert "use https, and give them the certificate authority" in message
    assert "a-key-of-ones-own" not in message


@pytest.mark.parametrize("host", ["nowhere.invalid", "", "two words", "a" * 100 + ".example"])
def test_a_host_without_an_address_is_refused(monkeypatch, capsys, host):
    message = refusal(monkeypatch, capsys, "--host", host)
    assert message.startswith(f"argument --host: {host!r} has no address. ")
    assert "leave --host out" in message


def test_an_address_of_another_computer_is_refused(start):
    command = start("--host", "192.0.2.77", "--allow-remote")
    _, errors = command.end()
    assert (command.process.returncode, command.variables) == (1, {})
    assert re.fullmatch(r"Cannot listen on 192\.0\.2\.77: [^\n]+ leave --host out [^\n]+\n", errors)


@pytest.mark.parametrize(
    "host, expected",
    [
        ("127.0.0.1", True),
        ("127.8.7.6", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("fe80::1", False),
    ],
)
def test_loopback_is_told_from_the_rest(host, expected):
    assert is_loopback(host) is expected


def test_hosts_for_other_computers_are_known_addresses_and_then_the_name(monkeypatch):
    known = ["127.0.1.1", "192.0.2.7", "169.254.1.1", "198.51.100.9", "192.0.2.7"]
    found = [(socket.AF_INET, 0, 0, "", (address, 0)) for address in known]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_: found)
    monkeypatch.setattr(addresses.socket, "gethostname", lambda: "my-laptop")
    monkeypatch.setattr(addresses, "ELSEWHERE", {socket.AF_INET: "no address"})
    assert remote_hosts("0.0.0.0") == ["192.0.2.7", "198.51.100.9", "my-laptop"]
    assert remote_hosts("192.0.2.9") == ["192.0.2.9"]


def test_a_name_that_no_certificate_can_have_is_left_out(monkeypatch):
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_: [])
    monkeypatch.setattr(addresses.socket, "gethostname", lambda: "my_laptop")
    monkeypatch.setattr(addresses, "ELSEWHERE", {socket.AF_INET: "no address"})
    assert remote_hosts("0.0.0.0") == []


@posix
def test_other_computers_get_addresses_that_the_certificate_names(start):
    command = start("--host", "0.0.0.0", "--allow-remote", "--key", "a-key-of-ones-own")
    port = int(command.variables["AZURE_INFERENCE_ENDPOINT"].rsplit(":", 1)[1])
    lines = [command.process.stderr.readline() for _ in range(3)]
    assert re.fullmatch(RUNNING, lines[0])
    urls = re.findall(r"https://(\S+):(\d+)", lines[1])
    assert urls == [(host, str(port)) for host in remote_hosts("0.0.0.0")]
    authority = command.variables["NODE_EXTRA_CA_CERTS"]
    assert f"trust the certificate authority in {authority}: copy that file" in lines[1]
    assert "over http instead of https can be read" in lines[2]
    context = ssl.create_default_context(cafile=authority)
    for host in [*(host for host, _ in urls), "localhost", "127.0.0.1"]:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection,
            context.wrap_socket(connection, server_hostname=host) as wrapped,
        ):
            assert wrapped.version()
    command.process.send_signal(signal.SIGINT)
    assert command.end() == ("", "")
    assert "a-key-of-ones-own" not in "".join(lines)
