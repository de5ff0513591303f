"""Lesson 01 as a person runs it who pays: some cells left out, a restart, a limit, another name.

The simulated Azure runs outside the kernels, so that it keeps what is deployed there, as Azure
does. All kernels but one are forked from a process that has imported azure-ai-ml.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fork_server import ForkServer
from kernels import Kernel, printed
from lesson_sources import code_cells, read_lesson

from simulated_azure.inference.completions import Assistant
from simulated_azure.management.refusals import refusal
from simulated_azure.management.resources import Endpoint
from simulated_azure.transports.sockets import Simulator

CELLS = {cell.id: cell for cell in code_cells(read_lesson("01-deployment"))}
EXTRA = [name for name, cell in CELLS.items() if cell.source.startswith("# extra")]
CLEAR_UP = [name for name, cell in CELLS.items() if cell.source.startswith("# clear up")]
REFUSED_ON_PURPOSE = "price-refused"  # the one cell that is tagged raises-exception
AFTER_RESTART = ["connect", "imports", "client", "finally"]
FORGOTTEN = ["friday-demo"]  # by somebody else, before the lesson begins


class Reader:
    """A person who runs cells of the lesson in a kernel. The variables name the Azure to use."""

    def __init__(self, variables: dict[str, str], server: ForkServer | None):
        self._kernel = Kernel({**os.environ, **variables}, server)

    def execute(self, source: str) -> str:
        """Run some code. Return the class of the error that it raises, or nothing."""
        return self._kernel.execute(source)[1].get("ename", "")

    def run(self, *ids: str, change: Callable[[str], str] = str) -> str:
        """Run cells of the lesson in this order. Return what they print.

        Fail if a cell raises although it should not, or if it does not although it should.
        """
        texts = []
        for cell_id in ids:
            outputs, reply = self._kernel.execute(change(CELLS[cell_id].source))
            expected = "error" if cell_id == REFUSED_ON_PURPOSE else "ok"
            assert reply["status"] == expected, (cell_id, reply.get("evalue"))
            texts.append(printed(outputs))
        return "".join(texts)

    def error_of(self, cell_id: str) -> str:
        """Run a cell. Return the class of the error that it raises, or nothing."""
        return self.execute(CELLS[cell_id].source)

    def kill_kernel(self) -> None:
        """End the kernel, as a restart does."""
        self._kernel.kill()


class Azure:
    """A running simulated Azure, and what is deployed there."""

    def __init__(self, server: ForkServer | None, assistant: Assistant):
        self.simulator = Simulator(assistant=assistant)
        self.subscription = self.simulator.azure.control_plane.subscription
        self.readers: list[Reader] = []
        self.most_instances = 0  # at a time, without FORGOTTEN
        self.initial_delays: set[str | None] = set()  # of the probes of all its deployments
        self._server = server
        start_operation = self.subscription.start_operation

        def count_and_start(*arguments):
            self.most_instances = max(self.most_instances, self.instances)
            self.initial_delays |= {
                (deployment.properties.get(probe) or {}).get("initialDelay")
                for endpoint in self._own_endpoints
                for deployment in endpoint.deployments.values()
                for probe in ("livenessProbe", "readinessProbe")
            }
            return start_operation(*arguments)

        self.subscription.start_operation = count_and_start

    @property
    def endpoints(self) -> list[str]:
        """Return the names of all endpoints."""
        return [endpoint.name for endpoint in self.subscription.endpoints.values()]

    @property
    def _own_endpoints(self) -> list[Endpoint]:
        """Return all endpoints without FORGOTTEN."""
        endpoints = self.subscription.endpoints.values()
        return [endpoint for endpoint in endpoints if endpoint.name not in FORGOTTEN]

    @property
    def deployments(self) -> dict[str, int]:
        """Return the number of instances of each deployment, without those of FORGOTTEN."""
        return {
            deployment.name: deployment.instances
            for endpoint in self._own_endpoints
            for deployment in endpoint.deployments.values()
        }

    @property
    def instances(self) -> int:
        """Return the number of instances of all deployments, without those of FORGOTTEN."""
        return sum(self.deployments.values())

    def forbid_to_list_deployments(self) -> None:
        """Answer 403 from now on to requests for the deployments of an endpoint."""

        def refuse(endpoint: Endpoint) -> None:
            raise refusal(403, "AuthorizationFailed", "You may not list deployments.")

        self.subscription.list_deployments = refuse

    @contextmanager
    def frozen_time(self) -> Iterator[None]:
        """Let no simulated time pass."""
        self.subscription.advance = lambda operation: None
        yield
        del self.subscription.advance

    def reader(self, ordinary_process: bool = False, **variables: str) -> Reader:
        """Return a reader with a new kernel that uses this Azure."""
        server = None if ordinary_process else self._server
        self.readers.append(Reader(self.simulator.variables() | variables, server))
        return self.readers[-1]


@pytest.fixture
def azure(kernel_server, assistant) -> Iterator[Azure]:
    """Yield a simulated Azure for one test."""
    azure = Azure(kernel_server, assistant)
    yield azure
    for reader in azure.readers:
        reader.kill_kernel()
    azure.simulator.stop()
    assert not azure.simulator.errors


def before(cell_id: str) -> list[str]:
    """Return the names of the cells above one, without the optional ones."""
    ids = [*CELLS]
    return [name for name in ids[: ids.index(cell_id)] if name not in EXTRA]


def own_name(source: str) -> str:
    """Return the code of a cell with another name for the endpoint."""
    return source.replace('endpoint_name = "my-phi4"', 'endpoint_name = "her-own-name"')


def test_after_a_restart_the_first_and_last_cells_delete_an_interrupted_deployment(azure):
    first = azure.reader()
    first.run(*before("deploy-create"))
    impatient = CELLS["deploy-create"].source.replace("poller.wait(60)", "raise KeyboardInterrupt")
    with azure.frozen_time():  # the client goes on asking in a thread, and each question takes time
        assert first.execute(impatient) == "KeyboardInterrupt"
        first.kill_kernel()
    assert azure.deployments == {"blue": 1}  # an interrupted cell stops nothing in Azure
    second = azure.reader()
    text = second.run(*AFTER_RESTART)
    assert "endpoints here: ['my-phi4']" in text  # the reader sees that it is still there
    assert "deployments here: [RunningDeployment(workspace='phi4-workspace'" in text
    assert "my-phi4 is NOT deleted: (Conflict) Another operation is under way" in text
    # Each request lets some simulated minutes pass, so that the operation ends.
    text = "".join(second.run("finally") for _ in range(5))
    nothing_left = "endpoints here: []\ndeployments here: []\n"
    assert text.count("my-phi4 is gone") == 1
    assert text.endswith(nothing_left)
    assert azure.endpoints == FORGOTTEN
    assert second.run("finally").endswith(nothing_left)


def test_the_deletion_names_the_azure_that_it_uses_and_claims_no_deletion_there(azure):
    """A reader who lost the variables uses a simulated Azure that does not know the endpoint."""
    reader = azure.reader(ordinary_process=True)
    text = reader.run(*AFTER_RESTART)
    assert f"phi4-workspace at {azure.simulator.url}\n" in text
    assert "is gone" not in text


def test_without_the_optional_cells_at_most_one_instance_runs(azure):
    azure.reader().run(*[name for name in CELLS if name not in EXTRA], change=own_name)
    assert azure.most_instances == 1
    assert azure.endpoints == FORGOTTEN


def test_optional_cells_need_no_other_and_delete_what_they_start_even_if_nothing_is_refused(azure):
    reader = azure.reader()
    reader.run(*before("refused-quota"), change=own_name)
    reader.run(*reversed(EXTRA))  # so that each runs without those above it
    assert azure.deployments == {"blue": 1}
    assert azure.endpoints == [*FORGOTTEN, "her-own-name"]
    azure.subscription.regions["eastus2"]["quota"]["standardNCADSA100v4Family"] = 480
    assert "too-many is deleted" in reader.run("refused-quota")
    assert azure.most_instances == 4
    assert azure.initial_delays == {"PT10M"}  # by default a model would be given up while it loads
    assert azure.deployments == {"blue": 1}
    azure.forbid_to_list_deployments()
    # The cell deletes all, although its last request, for what is left, fails.
    assert reader.error_of("finally") == "HttpResponseError"
    assert azure.endpoints == FORGOTTEN


def test_nothing_starts_without_a_limit_and_nothing_that_costs_more_than_the_limit(azure):
    reader = azure.reader(AZURE_MAX_USD_PER_HOUR="")
    assert {name: reader.error_of(name) for name in before("running-mine")} == {
        **dict.fromkeys(before("running-mine"), ""),
        "deploy-create": "PriceNotAcceptedError",
    }
    assert azure.deployments == {}
    reader.execute("os.environ['AZURE_MAX_USD_PER_HOUR'] = '4'")
    reader.run(*before("refused-quota")[len(before("deploy-create")) :])
    refused = {
        name
        for name in CELLS
        if name in EXTRA + CLEAR_UP and reader.error_of(name) == "PriceNotAcceptedError"
    }
    assert refused == {"refused-quota", "capacity-fails", "scale-do"}
    assert azure.most_instances == 2  # blue and green
    assert azure.deployments == {"blue": 1}
