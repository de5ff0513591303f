"""The preflight, with settings as people have them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from page_text import whole_lines

from helpers import preflight as preflight_module
from helpers.preflight import describe_error, preflight, read_lock

READY = (
    "all is ready. Open 01-deployment.ipynb, or 02-client-creation.ipynb if you have no Azure "
    "subscription."
)

ROOT = Path(__file__).parents[2]
GUARD = 120  # seconds
ENDPOINT = "https://my-phi4.eastus2.inference.ml.azure.com"


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., list[str]]:
    """Run the preflight with further variables. Return the printed lines."""

    def run(**variables: str) -> list[str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        preflight()
        return whole_lines(capsys.readouterr().out)

    return run


def own(simulator, **changes: str) -> dict[str, str]:
    """Return the variables of somebody whose own endpoint is a simulator that runs apart."""
    names = ("AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL", "REQUESTS_CA_BUNDLE")
    return {name: simulator.variables()[name] for name in names} | changes


def test_a_ready_computer_has_no_stop_and_is_sent_to_the_next_lesson(tmp_path):
    code = "from helpers import connect\nconnect()\n"
    code += "from helpers.preflight import preflight\npreflight()"
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=GUARD,
    )
    assert process.returncode == 0, process.stderr
    lines = whole_lines(process.stdout)
    assert not [line for line in lines if line.startswith("STOP")]
    assert [line[:18].split() for line in lines[1:10]] == [
        ["ok", "Python"],
        ["ok", "packages"],
        ["ok", "endpoint"],
        ["ok", "key"],
        ["ok", "/info"],
        ["ok", "server"],
        ["ok", "completion"],
        ["ok", "widgets"],
        ["ok", "folder"],
    ]
    assert "a simulated Azure on this computer" in lines[3]
    assert lines[-1] == f"Next: {READY}"


@pytest.mark.parametrize(
    ("place", "detail"),
    [
        ("notebooks", "these are the originals; the command `lessons` opens copies to work in"),
        ("copies", "you work in your copies, {here}"),
        ("elsewhere", "you work in {here}"),
    ],
)
def test_where_one_works_is_said(monkeypatch, tmp_path, place, detail):
    here = ROOT / "notebooks" if place == "notebooks" else tmp_path
    if place == "copies":
        (tmp_path / preflight_module.COPIES_MANIFEST).touch()
    monkeypatch.chdir(here)
    assert preflight_module.folder().detail == detail.format(here=here)


def test_without_connect_the_next_thing_is_to_call_it(run):
    assert run()[-1] == "Next: run the cell with connect() first."


def test_an_endpoint_that_answers_is_named(run, simulator):
    lines = run(**own(simulator))
    shown = f"{simulator.url} on this computer, as AZURE_INFERENCE_ENDPOINT says."
    assert lines[2] == f"ok    endpoint    {shown}"
    assert lines[-1] == f"Next: {READY}"


def test_settings_that_connect_refuses_stop_the_preflight_with_the_same_words(run):
    url = "my-phi4.eastus2.inference.ml.azure.com/score"
    lines = run(AZURE_INFERENCE_ENDPOINT=url, AZURE_INFERENCE_CREDENTIAL="some-key")
    assert f"Set it to '{ENDPOINT}'" in lines[-1]
    assert not [line for line in lines if "/info" in line or "completion" in line]


def test_a_wrong_key_is_named_and_not_shown(run, simulator):
    lines = run(**own(simulator, AZURE_INFERENCE_CREDENTIAL="wrong-key-000"))
    assert "AZURE_INFERENCE_CREDENTIAL: the endpoint does not accept this key" in lines[-1]
    assert "wrong-key-000" not in "\n".join(lines)


def test_a_server_that_is_not_there_is_named(run):
    url = "https://127.0.0.1:9"
    lines = run(AZURE_INFERENCE_ENDPOINT=url, AZURE_INFERENCE_CREDENTIAL="some-key")
    assert "check the host name" in lines[-1]


@pytest.mark.parametrize(
    ("endpoint", "message", "detail"),
    [
        (ENDPOINT, "no route to my-phi4.eastus2", "OSError: no route to my-phi4.eastus2"),
        (f"{ENDPOINT}/openai/v1", "no /openai/v1/info", "OSError: no /openai/v1/info"),
        (f"{ENDPOINT}/4f0c81b2a9e6", "no route to /4f0c81b2a9e6/info", "AZURE_INFERENCE_ENDPOINT"),
        ("https://gpu.server.example", "no gpu.server.example", "AZURE_INFERENCE_ENDPOINT"),
        (ENDPOINT, "Invalid header value b'4f0c81b2'", "AZURE_INFERENCE_CREDENTIAL"),
        (ENDPOINT, "first line\n4f0c81b2", "OSError: first line"),
    ],
)
def test_the_message_of_an_error_is_shown_unless_it_may_have_a_piece_of_the_key(
    endpoint, message, detail, monkeypatch
):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", endpoint)
    monkeypatch.setenv("AZURE_INFERENCE_CREDENTIAL", "4f0c81b2a9e64b7d93c2")
    shown = describe_error(OSError(message))
    if detail.startswith("AZURE"):
        detail = f"OSError (its message is not shown: it contains a part of {detail})"
    assert shown == detail


def test_the_lock_knows_what_the_kit_needs_and_what_only_some_systems_do():
    dependencies, locked = read_lock(ROOT / "uv.lock")
    assert dependencies["azure-ai-inference"] is True
    assert dependencies["uvloop"] is False
    assert locked["azure-ai-inference"] == {"1.0.0b9"}


def test_versions_that_differ_from_the_lock_are_noted(monkeypatch):
    monkeypatch.setattr(preflight_module, "version", lambda name: "0.0.1")
    check = preflight_module.packages()
    assert check.state == "note"
    assert "azure-ai-inference 0.0.1 (lock: 1.0.0b9)" in check.detail


def test_a_missing_package_stops(monkeypatch):
    def version(name: str) -> str:
        raise preflight_module.PackageNotFoundError(name)

    monkeypatch.setattr(preflight_module, "version", version)
    check = preflight_module.packages()
    assert check.state == "STOP"
    assert "azure-identity" in check.detail
    assert "uvloop" not in check.detail
