"""Lesson 01 as somebody runs it who pays: with cells left out, a restart, a limit, another name.

The simulated Azure runs outside the kernels, so that it keeps what is deployed there, as Azure
does. Kernels are forked from one process that has imported azure-ai-ml, but for one scenario.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

import nbformat
import pytest
from fork_server import ForkServer
from kernels import NOTEBOOKS, Kernel, printed

from simulated_azure.management.refusals import refusal
from simulated_azure.management.resources import Endpoint
from simulated_azure.transports.sockets import Simulator

LESSON = nbformat.read(NOTEBOOKS / "01-deployment.ipynb", 4)
CELLS = {cell.id: cell for cell in LESSON.cells if cell.cell_type == "code"}
EXTRA = [name for name, cell in CELLS.items() if cell.source.startswith("# extra")]
CLEAR_UP = [name for name, cell in CELLS.items() if cell.source.startswith("# clear up")]
REFUSED_ON_PURPOSE = "price-refused"  # the one cell that is tagged raises-exception
AFTER_RESTART = ["connect", "client", "finally", "nothing-left"]
FORGOTTEN = ["friday-demo"]  # by somebody else, before the lesson begins


class Reader:
    """Somebody who runs cells of the lesson in a kernel, on the Azure to which variables lead."""

    def __init__(self, variables: dict[str, str], server: ForkServer | None):
        self._kernel = Kernel({**os.environ, **variables}, server)

    def execute(self, source: str) -> str:
        """Run some code. Return the class of the error that it raises, or nothing."""
        return self._kernel.execute(source)[1].get("ename", "")

    def run(self, *ids: str, change: Callable[[str], str] = str) -> str:
        """Run cells of the lesson in this order. Return what they print.

        Fail where one raises that should not, or the other way about.
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
    """The simulated Azure, and what is deployed there."""

    def __init__(self, server: ForkServer | None):
        self.simulator = Simulator()
        self.subscription = self.simulator.azure.control_plane.subscription
        self.readers: list[Reader] = []
        self.most_instances = 0  # at a time, without what somebody forgot
        self._server = server
        start_operation = self.subscription.start_operation

        def count_and_start(*arguments):
            self.most_instances = max(self.most_instances, self.instances)
            return start_operation(*arguments)

        self.subscription.start_operation = count_and_start

    @property
    def endpoints(self) -> list[str]:
        return [endpoint.name for endpoint in self.subscription.endpoints.values()]

    @property
    def deployments(self) -> dict[str, int]:
        """The instances of each deployment, without what somebody forgot."""
        endpoints = self.subscription.endpoints.values()
        own = [endpoint for endpoint in endpoints if endpoint.name not in FORGOTTEN]
        return {
            deployment.name: deployment.instances
            for endpoint in own
            for deployment in endpoint.deployments.values()
        }

    @property
    def instances(self) -> int:
        return sum(self.deployments.values())

    def forbid_to_list_deployments(self) -> None:
        """Answer 403 from now on to whoever lists the deployments of an endpoint."""

        def refuse(endpoint: Endpoint) -> None:
            raise refusal(403, "AuthorizationFailed", "You may not list deployments.")

        self.subscription.list_deployments = refuse

    def reader(self, ordinary_process: bool = False, **variables: str) -> Reader:
        """Return somebody with a new kernel, whose variables lead here."""
        server = None if ordinary_process else self._server
        self.readers.append(Reader(self.simulator.variables() | variables, server))
        return self.readers[-1]


@pytest.fixture
def azure(kernel_server) -> Iterator[Azure]:
    """Yield a simulated Azure of its own."""
    azure = Azure(kernel_server)
    yield azure
    for reader in azure.readers:
        reader.kill_kernel()
    azure.simulator.stop()
    assert not azure.simulator.errors


def before(cell_id: str) -> list[str]:
    """Return the cells above one that no reader leaves out."""
    ids = [*CELLS]
    return [name for name in ids[: ids.index(cell_id)] if name not in EXTRA]


def own_name(source: str) -> str:
    return source.replace('endpoint_name = "my-phi4"', 'endpoint_name = "her-own-name"')


def test_what_was_interrupted_is_deleted_after_a_restart_by_the_first_cells_and_the_last_ones(
    azure,
):
    first = azure.reader()
    first.run(*before("deploy-create"))
    impatient = CELLS["deploy-create"].source.replace("poller.wait(60)", "raise KeyboardInterrupt")
    assert first.execute(impatient) == "KeyboardInterrupt"
    first.kill_kernel()
    assert azure.deployments == {"blue": 1}  # interrupting stops nothing
    second = azure.reader()
    said = second.run(*AFTER_RESTART)
    assert "endpoints here: ['my-phi4']" in said  # a reader sees at once that it is still there
    assert "my-phi4/blue in phi4-workspace: 1 x Standard_NC24ads_A100_v4" in said
    assert "my-phi4 is NOT deleted: (Conflict) Another operation is under way" in said
    said = "".join(
        second.run("finally", "nothing-left") for _ in range(3)
    )  # each look lets some minutes pass
    assert said.count("my-phi4 is gone") == 1 and said.endswith(
        "endpoints here: []\ndeployments here: []\n"
    )
    assert azure.endpoints == FORGOTTEN
    assert second.run("finally", "nothing-left").endswith(
        "endpoints here: []\ndeployments here: []\n"
    )  # to be sure


def test_the_deletion_says_whom_it_asked_and_claims_no_more_than_it_found(azure):
    """A reader whose variables are gone asks the simulation, which does not know the endpoint."""
    reader = azure.reader(ordinary_process=True)
    said = reader.run(*AFTER_RESTART)
    assert f"phi4-workspace at {azure.simulator.url}\n" in said
    assert "is gone" not in said


def test_without_the_extra_cells_there_is_never_more_than_one_instance(azure):
    azure.reader().run(*[name for name in CELLS if name not in EXTRA], change=own_name)
    assert azure.most_instances == 1
    assert azure.endpoints == FORGOTTEN


def test_no_extra_cell_needs_another_and_all_clear_up_even_where_nothing_is_refused(azure):
    reader = azure.reader()
    reader.run(*before("refused-quota"), change=own_name)
    reader.run(*reversed(EXTRA))  # so that each runs without those that stand before it
    assert azure.deployments == {"blue": 1}
    assert azure.endpoints == [*FORGOTTEN, "her-own-name"]
    azure.subscription.regions["eastus2"]["quota"]["standardNCADSA100v4Family"] = 480
    assert "too-many is deleted" in reader.run("refused-quota")
    assert azure.most_instances == 4
    assert azure.deployments == {"blue": 1}
    azure.forbid_to_list_deployments()
    assert (
        reader.error_of("finally") == "HttpResponseError"
    )  # the last look fails, and all the same:
    assert azure.endpoints == FORGOTTEN


def test_nothing_starts_without_a_limit_and_with_a_low_one_nothing_that_costs_more(azure):
    reader = azure.reader(AZURE_MAX_USD_PER_HOUR="")
    assert {name: reader.error_of(name) for name in before("deploy-log")} == {
        **dict.fromkeys(before("deploy-log"), ""),
        **dict.fromkeys(
            ("price-accept", "price-refused", "deploy-create"), "PriceNotAcceptedError"
        ),
    }
    assert azure.deployments == {}
    reader.execute("os.environ['AZURE_MAX_USD_PER_HOUR'] = '4'")
    reader.run(
        "price-accept", "price-refused", *before("refused-quota")[len(before("deploy-create")) :]
    )
    refused = {
        name
        for name in CELLS
        if name in EXTRA + CLEAR_UP and reader.error_of(name) == "PriceNotAcceptedError"
    }
    assert refused == {"refused-quota", "capacity-fails", "scale-do"}
    assert azure.most_instances == 2  # blue and green
    assert azure.deployments == {"blue": 1}


def test_the_endpoints_name_is_chosen_in_one_cell():
    assert [cell.id for cell in CELLS.values() if "my-phi4" in cell.source] == ["client"]


def test_every_call_that_may_start_an_instance_comes_after_its_price():
    """In the same cell; deploy() is such a cell."""
    starts = [
        cell
        for cell in CELLS.values()
        if "online_deployments.begin_create_or_update" in cell.source
    ]
    assert [cell.id for cell in starts] == ["deploy-create", "extra-define"]
    for cell in starts:
        assert (
            0
            <= cell.source.find("accept_price(")
            < cell.source.index("online_deployments.begin_create_or_update")
        ), cell.id


def test_every_cell_that_may_cost_more_is_marked_and_its_heading_is_in_the_table_at_the_end():
    table = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+) \|", LESSON.cells[-1].source, re.MULTILINE))
    heading, headings = "", set()
    for cell in LESSON.cells:
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^###? (.+)$", cell.source, re.MULTILINE) or [heading])[-1]
        elif cell.id in EXTRA:
            headings.add(heading.partition(":")[0])
        else:
            assert not re.search(r"(?<!def )\bdeploy\(", cell.source), cell.id
    assert headings and headings == set(table) - {"Heading", "---"}
