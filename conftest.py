"""For all tests and notebooks: no test talks to anything but this computer, whoever runs it.

pytest-xdist lets several processes run tests when the whole suite runs; those of a file, and the
cells of a notebook, stay in one process and in their order.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import groupby

import pytest
import toolchain
from nbval.plugin import IPyNbCell, IPyNbFile
from notebook_items import runs_of

from tools.refresh import forget_own_settings

# Copies have no outputs to compare, lesson 14 writes a program, and the notebook of the playground
# alone is a page that tests/browser opens.
collect_ignore_glob = [
    "my-lessons*",
    "notebooks/my_chat.py",
    "tests/peers/*.py",  # they import what only the peers' environment has
    "tools/playground/page.ipynb",
]
LONGEST_WAIT_FOR_OUTPUT = 300  # seconds; nbval's own 5 are too few on a busy computer
LONG_FILES = (  # start first, so that no process runs one when the others have nothing left to do
    "test_snippets.py",
    "11-other-clients.ipynb",
    "test_deployment_lesson.py",
    "test_jupyterhub.py",
    "test_openai_translation.py",
    "01-deployment.ipynb",
    "test_jupyterlab.py",
    "test_pages.py",
    "08-cost.ipynb",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--live",
        action="store_true",
        help="run the lessons against the endpoint that the variables name, do not compare their "
        "outputs, and write a report (tests/live.py)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Change the environment, which kernels inherit: fixtures do not run for notebook cells."""
    if config.option.live:
        import live  # with the clients of an endpoint, which take a while to load

        live.configure(config)
        return
    forget_own_settings(os.environ)
    os.environ["NOT_YET_RAISES"] = "1"  # helpers.exercises.check raises for a wrong answer
    toolchain.trust_only_simulators(os.environ)
    # Whoever runs the tests may forbid byte code, but then each kernel compiles azure-ai-ml anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes run tests: for the whole suite one a core and one more, else 0.

    The one more works while tests in the others wait: for a retry, a time-out, a process to start.
    """
    if config.option.live or config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return 0
    affinity = getattr(os, "sched_getaffinity", None)
    return (len(affinity(0)) if affinity else os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add to the cells of lessons what runs besides them. Move long files forward."""
    live_runs_of = None
    if config.option.live:
        from live import runs_of as live_runs_of
    collected, items[:] = list(items), []
    for parent, group in groupby(collected, key=lambda item: item.parent):
        tests = list(group)
        if isinstance(parent, IPyNbFile):
            tests = (live_runs_of or runs_of)(parent, tests)
            for test in tests:
                test.output_timeout = LONGEST_WAIT_FOR_OUTPUT
        if live_runs_of and not isinstance(parent, IPyNbFile):
            continue  # only lessons talk to an endpoint of one's own
        items += tests
    if live_runs_of:
        return  # in the order of the lessons
    order = {name: number for number, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Install what a cell tagged needs-node, needs-langchain or the like needs.

    Skip it where that is impossible; fail it if NOTHING_MAY_SKIP is set.
    """
    if isinstance(item, IPyNbCell):
        for tag in item.cell.metadata.get("tags", []):
            if tag.startswith("needs-"):
                toolchain.command_for(tag.removeprefix("needs-"))


@pytest.fixture(scope="session")
def simulator() -> Iterator:
    """A running simulated Azure, with a key and tokens of its own."""
    from simulated_azure.transports.sockets import Simulator

    running = Simulator()
    running.wait_for_model()
    yield running
    running.stop()
    assert not running.errors, "\n".join(running.errors)


@pytest.fixture(scope="session")
def assistant(simulator):
    """Return the loaded model. Other simulators of this process share it: loading takes time."""
    return simulator.azure.assistant


@pytest.fixture
def cloud_for_one_test(monkeypatch) -> None:
    """Remove afterwards the variable that azure-ai-ml sets when a client looks for its cloud."""
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
    monkeypatch.delenv("AZUREML_CURRENT_CLOUD")


@pytest.fixture(scope="session")
def certificates(simulator) -> str:
    """The file to pass as ``connection_verify`` so that a client trusts the simulator."""
    return simulator.variables()["REQUESTS_CA_BUNDLE"]


@pytest.fixture
def client(simulator, certificates) -> Iterator:
    """The real, synchronous client over https with the right key."""
    from azure.ai.inference import ChatCompletionsClient
    from azure.core.credentials import AzureKeyCredential

    with ChatCompletionsClient(
        simulator.url, AzureKeyCredential(simulator.azure.key), connection_verify=certificates
    ) as made:
        yield made
