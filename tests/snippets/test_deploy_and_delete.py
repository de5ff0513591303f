"""The snippets that deploy and delete, run against the simulated control plane."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import fork_server
import pytest
import requests
import yaml
from fork_server import Fork, ForkServer
from isodate import parse_duration
from snippet_runs import kept_variables

from helpers.cost import list_price
from simulated_azure.inference.completions import Assistant
from simulated_azure.management import subscription
from simulated_azure.management.resources import EndpointSettings
from simulated_azure.transports.sockets import Simulator
from tools.snippets_table import SNIPPETS

NAME, SIZE = "my-phi4", "Standard_NC24ads_A100_v4"
MODEL = "azureml://registries/azureml/models/Phi-4/versions/8"
LESSON = SNIPPETS.parent / "notebooks" / "phi4-deployment.yml"
IMPORTS = ("azure.ai.ml", "azure.ai.ml.entities", "azure.identity", "requests")
HELD = "an operation has been polled while the clock stands still"
LONGEST_WAIT = 120  # seconds


@dataclass
class Ended:
    """A process that has ended."""

    code: int
    stdout: str
    stderr: str


def restore_interrupts() -> None:
    """Let SIGINT interrupt, also where the tests run in the background and ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Manager:
    """Runs the snippets that deploy and delete, each in its own process, against one simulator."""

    def __init__(self, home: Path, assistant: Assistant):
        self.home = home
        self.simulator = Simulator(assistant=assistant)
        self.subscription = self.simulator.azure.control_plane.subscription
        self.workspace = self.simulator.azure.workspace
        self._variables = kept_variables(home) | self.simulator.variables()
        self._server = None
        if fork_server.AVAILABLE:  # azure-ai-ml asks the simulator when it is imported
            self._server = ForkServer(sys.executable, IMPORTS, self._variables)

    def run(
        self,
        task: str,
        *options: str,
        stdin: str = "",
        during: Callable[[int], None] = lambda process_id: None,
        **changes: str,
    ) -> Ended:
        """Run a snippet to its end. during: called with its process id while it runs."""
        arguments = [str(SNIPPETS / task / "azure_ai_ml.py"), *options]
        variables = self._variables | changes
        with tempfile.TemporaryFile() as typed, tempfile.TemporaryFile() as errors:
            typed.write(stdin.encode())
            typed.seek(0)
            with self._start(arguments, variables, typed, errors) as process:
                during(process.pid)
                printed = process.stdout.read()
                code = process.wait()
            errors.seek(0)
            return Ended(code, printed.decode(), errors.read().decode())

    def _start(self, arguments, variables, stdin, stderr) -> subprocess.Popen | Fork:
        if self._server:
            return self._server.start(arguments, self.home, variables, stdin, stderr)
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.home,
            env=variables,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            preexec_fn=restore_interrupts if os.name == "posix" else None,
        )

    def changes(self) -> list[str]:
        """Return the methods of the requests that change something, oldest first."""
        methods = [entry["method"] for entry in self.simulator.azure.journal]
        return [method for method in methods if method in ("PUT", "PATCH", "DELETE")]

    def close(self) -> None:
        """End the fork server and the simulator. Fail if the simulator had errors."""
        if self._server:
            self._server.close()
        self.simulator.stop()
        assert not self.simulator.errors, "\n".join(self.simulator.errors)


@pytest.fixture(scope="module")
def shared_manager(assistant, tmp_path_factory) -> Iterator[Manager]:
    """Yield what runs the snippets of all tests of this file."""
    manager = Manager(tmp_path_factory.mktemp("home"), assistant)
    yield manager
    manager.close()


@pytest.fixture
def manager(shared_manager) -> Manager:
    """Return what runs the snippets, without endpoints and with an empty journal."""
    shared_manager.subscription.endpoints.clear()
    shared_manager.simulator.azure.journal.clear()
    return shared_manager


@pytest.fixture
def stopped_clock(manager, monkeypatch) -> threading.Event:
    """Let no operation on a deployment advance. Return an event that is set when one is polled."""
    polled = threading.Event()
    advance = manager.subscription.advance

    def advance_others(operation):
        endpoints = manager.subscription.endpoints.values()
        if any(
            made.operation is operation for each in endpoints for made in each.deployments.values()
        ):
            polled.set()
        else:
            advance(operation)

    monkeypatch.setattr(manager.subscription, "advance", advance_others)
    return polled


def add_endpoint(manager: Manager) -> None:
    """Create an endpoint without deployments."""
    settings = EndpointSettings({}, {}, {}, None, "SystemAssigned", "Enabled")
    manager.subscription.put_endpoint(manager.workspace, NAME, settings)


def answered(root: str, key: str, manager: Manager) -> int:
    """Return the status with which an endpoint answers a question."""
    return requests.post(
        f"{root}/chat/completions",
        json={"messages": [{"role": "user", "content": "What is the capital of France?"}]},
        headers={"api-key": key},
        verify=manager.simulator.variables()["REQUESTS_CA_BUNDLE"],
    ).status_code


def test_what_the_deploy_snippet_makes_answers_until_the_delete_snippet_has_run(manager):
    price = list_price(SIZE, "eastus2").per_hour
    deployed = manager.run("deploy", AZURE_MAX_USD_PER_HOUR=str(price))
    assert deployed.code == 0, deployed.stderr
    assert f"{SIZE} in eastus2: {price} US dollars an hour" in deployed.stdout
    root = re.search(r"^AZURE_INFERENCE_ENDPOINT=(\S+)$", deployed.stdout, re.MULTILINE)[1]
    key = manager.subscription.endpoint(manager.workspace, NAME).keys["primaryKey"]
    assert answered(root, key, manager) == 200

    deleted = manager.run("delete", NAME, stdin=f"{NAME}\n")
    assert deleted.code == 0, deleted.stderr
    assert f"  blue: 1 x {SIZE}, Succeeded\n" in deleted.stdout
    assert deleted.stdout.splitlines()[-1] == "left: []"
    assert answered(root, key, manager) == 404
    shown = deployed.stdout + deployed.stderr + deleted.stdout + deleted.stderr
    assert key not in shown
    assert not re.search(r"simulated-(?:key|token)-", shown)


def test_the_deploy_snippet_sends_the_settings_of_the_lesson(manager):
    assert manager.run("deploy").code == 0
    (request,) = [
        json.loads(entry["body"])
        for entry in manager.simulator.azure.journal
        if entry["method"] == "PUT" and "/deployments/" in entry["path"]
    ]
    sent, lesson = request["properties"], yaml.safe_load(LESSON.read_text(encoding="utf-8"))
    assert (sent["model"], sent["instanceType"]) == (MODEL, SIZE)
    assert (lesson["model"], lesson["instance_type"]) == (MODEL, SIZE)
    assert request["sku"]["capacity"] == lesson["instance_count"] == 1
    for name, camel_case in (
        ("liveness_probe", "livenessProbe"),
        ("readiness_probe", "readinessProbe"),
    ):
        delay = parse_duration(sent[camel_case]["initialDelay"])
        assert delay.total_seconds() == lesson[name]["initial_delay"] == 600
    settings, of_lesson = sent["requestSettings"], lesson["request_settings"]
    milliseconds = parse_duration(settings["requestTimeout"]).total_seconds() * 1000
    assert milliseconds == of_lesson["request_timeout_ms"]
    assert (
        settings["maxConcurrentRequestsPerInstance"]
        == of_lesson["max_concurrent_requests_per_instance"]
    )


@pytest.mark.parametrize("limit", ["4", "nan"])
def test_the_deploy_snippet_makes_nothing_above_the_price_of_the_workspaces_region(manager, limit):
    assert list_price(SIZE, "eastus2").per_hour < 4  # there it would do
    done = manager.run(
        "deploy", AZURE_ML_WORKSPACE=f"{manager.workspace}-uksouth", AZURE_MAX_USD_PER_HOUR=limit
    )
    price = list_price(SIZE, "uksouth").per_hour
    assert done.code == 1
    assert done.stderr.startswith(f"Nothing was made. {SIZE} in uksouth costs {price} US dollars")
    assert manager.changes() == []


def test_the_deploy_snippet_touches_no_endpoint_that_exists(manager):
    add_endpoint(manager)
    done = manager.run("deploy")
    assert (done.code, done.stderr) == (
        1,
        f"Nothing was made. {manager.workspace} has an endpoint {NAME} already: "
        "choose another name.\n",
    )
    assert manager.changes() == []


def test_after_a_refusal_the_deploy_snippet_says_what_exists_and_how_to_delete_it(
    manager, monkeypatch
):
    monkeypatch.setitem(manager.subscription.regions["eastus2"], "quota", {})
    done = manager.run("deploy")
    assert done.code == 1
    assert "Not enough quota available" in done.stdout
    assert done.stderr.splitlines()[-1] == (
        f"Exists now: endpoint {NAME}. "
        f"To delete it and stop the bill: python delete/azure_ai_ml.py {NAME}"
    )
    assert "Traceback" not in done.stderr


def test_after_an_endpoint_was_refused_the_deploy_snippet_says_that_there_is_none(
    manager, monkeypatch
):
    monkeypatch.setattr(subscription, "MAX_ENDPOINTS_PER_REGION", 0)
    done = manager.run("deploy")
    assert done.code == 1
    assert "the most allowed" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("Exists now: no endpoint, but look again")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process alone")
def test_an_interrupted_deploy_snippet_says_what_exists_and_how_to_delete_it(
    manager, stopped_clock
):
    def interrupt(process_id: int) -> None:
        assert stopped_clock.wait(LONGEST_WAIT), HELD
        os.kill(process_id, signal.SIGINT)

    done = manager.run("deploy", during=interrupt)
    assert done.code == 1
    assert done.stderr.splitlines()[-1] == (
        f"Exists now: endpoint {NAME}, deployment blue (Creating). "
        f"To delete it and stop the bill: python delete/azure_ai_ml.py {NAME}"
    )
    assert "Traceback" not in done.stderr

    early = manager.run("delete", NAME, "--yes")  # Azure goes on with what it has begun
    assert early.code == 1
    assert early.stderr.startswith("NOT deleted, and the bill goes on. Try again in a few minutes.")


@pytest.mark.parametrize("typed", ["", "my-phi\n", "yes\n"])
def test_the_delete_snippet_deletes_nothing_unless_the_name_is_typed(manager, typed):
    add_endpoint(manager)
    done = manager.run("delete", NAME, stdin=typed)
    assert (done.code, done.stderr) == (1, "\nNothing was deleted, and the bill goes on.\n")
    assert f"To be deleted: endpoint {NAME} in workspace {manager.workspace}" in done.stdout
    assert manager.changes() == []


def test_the_delete_snippet_names_the_endpoints_that_there_are(manager):
    add_endpoint(manager)
    done = manager.run("delete", "my-phi5", "--yes")
    assert done.code == 1
    assert done.stderr == (
        f"Nothing was deleted. {manager.workspace} has no endpoint my-phi5, "
        f"only these: ['{NAME}']\n"
    )
    assert manager.changes() == []
