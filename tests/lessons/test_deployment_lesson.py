"""Lesson 01 as somebody runs it who pays: cells left out, a kernel that was restarted, a limit, a name of one's own.

The simulated Azure runs apart from the kernels, so that it keeps what is deployed there, as Azure does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

from simulated_azure.management.refusals import refusal
from simulated_azure.management.resources import Endpoint
from simulated_azure.transports.sockets import Simulator
from tools.refresh import run_cell

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CELLS = [cell for cell in nbformat.read(NOTEBOOKS / "01-deployment.ipynb", 4).cells if cell.cell_type == "code"]
IDS = [cell.id for cell in CELLS]
EXTRA = [cell.id for cell in CELLS if cell.source.startswith("# extra")]
CLEAR_UP = [cell.id for cell in CELLS if cell.source.startswith("# clear up")]
TO_BE_REFUSED = "price-refused"  # the one cell that is tagged raises-exception
AFTER_A_RESTART = ["connect", "client", "finally", "nothing-left"]
FORGOTTEN = ["friday-demo"]  # by somebody else, before the lesson begins


class Kernel:
    """A kernel that finds Azure where the variables say."""

    def __init__(self, variables: dict[str, str]):
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(NOTEBOOKS), env={**os.environ, **variables})

    def run(self, *ids: str, change=lambda source: source) -> str:
        """Runs cells of the lesson in this order: what they print. Fails where one raises that should not."""
        said = []
        for wanted in ids:
            outputs, reply = run_cell(self.client, change(CELLS[IDS.index(wanted)].source), timeout=60)
            assert reply["status"] == ("error" if wanted == TO_BE_REFUSED else "ok"), (wanted, reply.get("evalue"))
            said += [output.text for output in outputs if output.output_type == "stream" and output.name == "stdout"]
        return "".join(said)

    def error_of(self, wanted: str) -> str:
        """The class of what a cell raises, or nothing."""
        return run_cell(self.client, CELLS[IDS.index(wanted)].source, timeout=60)[1].get("ename", "")

    def kill(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


class Azure:
    """The simulated Azure, and what is deployed there."""

    def __init__(self):
        self.simulator = Simulator()
        self.subscription = self.simulator.azure.control_plane.subscription
        self.kernels: list[Kernel] = []
        self.most_instances = 0  # at a time, but for what somebody forgot
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
        """The instances of each deployment, but for what somebody forgot."""
        mine = [endpoint for endpoint in self.subscription.endpoints.values() if endpoint.name not in FORGOTTEN]
        return {each.name: each.instances for endpoint in mine for each in endpoint.deployments.values()}

    @property
    def instances(self) -> int:
        return sum(self.deployments.values())

    def forbid_to_list_deployments(self) -> None:
        """Answer 403 from now on to whoever lists the deployments of an endpoint."""

        def refuse(endpoint: Endpoint) -> None:
            raise refusal(403, "AuthorizationFailed", "You may not list deployments.")

        self.subscription.list_deployments = refuse

    def kernel(self, **variables: str) -> Kernel:
        self.kernels.append(Kernel(self.simulator.variables() | variables))
        return self.kernels[-1]


@pytest.fixture
def azure() -> Iterator[Azure]:
    running = Azure()
    yield running
    for kernel in running.kernels:
        kernel.kill()
    running.simulator.stop()
    assert not running.simulator.errors


def before(wanted: str) -> list[str]:
    """The cells above one that no reader leaves out."""
    return [name for name in IDS[: IDS.index(wanted)] if name not in EXTRA]


def own_name(source: str) -> str:
    return source.replace('endpoint_name = "my-phi4"', 'endpoint_name = "her-own-name"')


def test_what_was_interrupted_is_deleted_after_a_restart_by_the_first_cells_and_the_last_ones(azure):
    first = azure.kernel()
    first.run(*before("deploy-create"))
    impatient = CELLS[IDS.index("deploy-create")].source.replace("poller.wait(60)", "raise KeyboardInterrupt")
    assert run_cell(first.client, impatient, timeout=60)[1]["ename"] == "KeyboardInterrupt"
    first.kill()
    assert azure.deployments == {"blue": 1}  # interrupting stops nothing
    second = azure.kernel()
    said = second.run(*AFTER_A_RESTART)
    assert "endpoints here: ['my-phi4']" in said  # a reader sees at once that it is still there
    assert "my-phi4/blue in phi4-workspace: 1 x Standard_NC24ads_A100_v4" in said
    assert "my-phi4 is NOT deleted: (Conflict) Another operation is under way" in said
    said = "".join(second.run("finally", "nothing-left") for _ in range(3))  # each look lets some minutes pass
    assert said.count("my-phi4 is gone") == 1 and said.endswith("endpoints here: []\ndeployments here: []\n")
    assert azure.endpoints == FORGOTTEN
    assert second.run("finally", "nothing-left").endswith("endpoints here: []\ndeployments here: []\n")  # to be sure


def test_the_deletion_says_whom_it_asked_and_claims_no_more_than_it_found(azure):
    """Somebody whose variables are gone asks the simulation, which has never heard of the endpoint."""
    kernel = azure.kernel()
    said = kernel.run(*AFTER_A_RESTART)
    assert f"phi4-workspace at {azure.simulator.url}\n" in said
    assert "is gone" not in said


def test_without_the_extra_cells_there_is_never_more_than_one_instance(azure):
    azure.kernel().run(*[name for name in IDS if name not in EXTRA], change=own_name)
    assert azure.most_instances == 1
    assert azure.endpoints == FORGOTTEN


def test_no_extra_cell_needs_another_and_all_clear_up_even_where_nothing_is_refused(azure):
    kernel = azure.kernel()
    kernel.run(*before("refused-quota"), change=own_name)
    kernel.run(*reversed(EXTRA))  # so that each runs without those that stand before it
    assert azure.deployments == {"blue": 1}
    assert azure.endpoints == [*FORGOTTEN, "her-own-name"]
    azure.subscription.regions["eastus2"]["quota"]["standardNCADSA100v4Family"] = 480
    assert "too-many is deleted" in kernel.run("refused-quota")
    assert azure.most_instances == 4
    assert azure.deployments == {"blue": 1}
    azure.forbid_to_list_deployments()
    assert kernel.error_of("finally") == "HttpResponseError"  # the last look fails, and all the same:
    assert azure.endpoints == FORGOTTEN


def test_nothing_starts_without_a_limit_and_with_a_low_one_nothing_that_costs_more(azure):
    kernel = azure.kernel(AZURE_MAX_USD_PER_HOUR="")
    assert {name: kernel.error_of(name) for name in before("deploy-log")} == {
        **dict.fromkeys(before("deploy-log"), ""),
        **dict.fromkeys(("price-accept", "price-refused", "deploy-create"), "PriceNotAcceptedError"),
    }
    assert azure.deployments == {}
    run_cell(kernel.client, "os.environ['AZURE_MAX_USD_PER_HOUR'] = '4'", timeout=10)
    kernel.run("price-accept", "price-refused", *before("refused-quota")[len(before("deploy-create")) :])
    refused = {name for name in IDS if name in EXTRA + CLEAR_UP and kernel.error_of(name) == "PriceNotAcceptedError"}
    assert refused == {"refused-quota", "capacity-fails", "scale-do"}
    assert azure.most_instances == 2  # blue and green
    assert azure.deployments == {"blue": 1}


def test_the_endpoints_name_is_chosen_in_one_cell():
    assert [cell.id for cell in CELLS if "my-phi4" in cell.source] == ["client"]


def test_every_call_that_may_start_an_instance_comes_after_its_price():
    """In the same cell; deploy() is such a cell."""
    starts = [cell for cell in CELLS if "online_deployments.begin_create_or_update" in cell.source]
    assert [cell.id for cell in starts] == ["deploy-create", "extra-define"]
    for cell in starts:
        assert 0 <= cell.source.find("accept_price(") < cell.source.index("online_deployments.begin_create_or_update"), cell.id


def test_every_cell_that_may_cost_more_is_marked_and_its_heading_is_in_the_table_at_the_end():
    notebook = nbformat.read(NOTEBOOKS / "01-deployment.ipynb", 4)
    table = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+) \|", notebook.cells[-1].source, re.MULTILINE))
    heading, headings = "", set()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^###? (.+)$", cell.source, re.MULTILINE) or [heading])[-1]
        elif cell.id in EXTRA:
            headings.add(heading.partition(":")[0])
        else:
            assert not re.search(r"(?<!def )\bdeploy\(", cell.source), cell.id
    assert headings and headings == set(table) - {"Heading", "---"}
