"""The preflight and the view of the wire, with settings as people have them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import preflight as preflight_module
from helpers.preflight import read_lock

ROOT = Path(__file__).parents[2]


def preflight(*lines: str, **variables: str) -> list[str]:
    """What the preflight prints in a fresh process, after some lines of code."""
    code = "\n".join([*lines, "from helpers.preflight import preflight", "preflight()"])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def own(simulator, **changes: str) -> dict[str, str]:
    wanted = ("AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL", "REQUESTS_CA_BUNDLE")
    return {name: value for name, value in simulator.variables().items() if name in wanted} | changes


def test_a_ready_computer_has_no_stop_and_is_sent_to_the_next_lesson():
    lines = preflight("from helpers import connect", "connect()")
    assert not [line for line in lines if line.startswith("STOP")]
    assert lines[-1] == "Next: all is ready. Open 02-client-creation.ipynb."


def test_without_connect_the_next_thing_is_to_call_it():
    assert preflight()[-1] == "Next: run the cell with connect() first."


def test_settings_that_connect_refuses_stop_the_preflight_with_the_same_words():
    lines = preflight(AZURE_INFERENCE_ENDPOINT="phi4.ml.azure.com/score", AZURE_INFERENCE_CREDENTIAL="some-key")
    assert "Set it to 'https://phi4.ml.azure.com'" in lines[-1]
    assert not [line for line in lines if "/info" in line or "completion" in line]


def test_a_wrong_key_is_named_and_not_shown(simulator):
    lines = preflight(**own(simulator, AZURE_INFERENCE_CREDENTIAL="wrong-key-000"))
    assert "AZURE_INFERENCE_CREDENTIAL: the endpoint does not accept this key" in lines[-1]
    assert "wrong-key-000" not in "\n".join(lines)


def test_a_server_that_is_not_there_is_named():
    lines = preflight(AZURE_INFERENCE_ENDPOINT="https://127.0.0.1:9", AZURE_INFERENCE_CREDENTIAL="some-key")
    assert "check the host name" in lines[-1]


def test_the_lock_knows_what_the_kit_needs_and_what_only_some_systems_do():
    needed, locked = read_lock(ROOT / "uv.lock")
    assert needed["azure-ai-inference"] is True
    assert needed["uvloop"] is False
    assert locked["azure-ai-inference"] == {"1.0.0b9"}


def test_versions_that_differ_from_the_lock_are_noted(monkeypatch):
    monkeypatch.setattr(preflight_module, "version", lambda name: "0.0.1")
    check = preflight_module.packages()
    assert check.state == "note"
    assert "azure-ai-inference 0.0.1 (lock: 1.0.0b9)" in check.found


def test_a_missing_package_stops(monkeypatch):
    def missing(name: str) -> str:
        raise preflight_module.PackageNotFoundError(name)

    monkeypatch.setattr(preflight_module, "version", missing)
    check = preflight_module.packages()
    assert check.state == "STOP"
    assert "azure-identity" in check.found
    assert "uvloop" not in check.found


@pytest.mark.parametrize(("headers", "body"), [(True, True), (False, True), (True, False)])
def test_the_last_request_is_shown_without_the_key(simulator, client, monkeypatch, capsys, headers, body):
    from helpers.wire import show_last_request

    for name, value in own(simulator).items():
        monkeypatch.setenv(name, value)
    client.complete(messages=[{"role": "user", "content": f"My key is {simulator.azure.key}"}], temperature=0)
    show_last_request(headers=headers, body=body)
    shown = capsys.readouterr().out
    assert shown.startswith("POST /chat/completions?api-version=2024-05-01-preview\n")
    assert ("authorization: Bearer ***" in shown) is headers
    assert ('"content": "My key is ***"' in shown) is body
    assert simulator.azure.key not in shown


def test_before_any_request_the_view_says_so(monkeypatch, capsys):
    from helpers.wire import show_last_request
    from simulated_azure.transports.sockets import Simulator

    quiet = Simulator()
    for name, value in own(quiet).items():
        monkeypatch.setenv(name, value)
    show_last_request()
    quiet.stop()
    assert "has received nothing yet" in capsys.readouterr().out


@pytest.mark.parametrize(("endpoint", "said"), [("https://a.example", "raw_request_hook"), ("", "connect() first")])
def test_what_a_real_endpoint_received_cannot_be_shown(endpoint, said, monkeypatch):
    from helpers.wire import requests_received

    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", endpoint)
    with pytest.raises(RuntimeError) as raised:
        requests_received()
    assert said in str(raised.value)
