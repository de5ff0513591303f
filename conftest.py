"""For all tests and notebooks: no test ever talks to anything but this computer, whatever variables a person has set."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator

import nbformat
import pytest
import toolchain
from nbval.plugin import IPyNbCell

SOLUTION = re.compile(r"<summary>Solution</summary>\n\n```python\n(.*?)```", re.DOTALL)
OPENAI_BOX = re.compile(r"<details><summary>[^\n]*\bopenai\b[^\n]*</summary>(.*?)</details>", re.DOTALL)
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
FOREIGN = ("AZURE", "ARM_", "IDENTITY_", "MSI_", "OPENAI_", "REGISTRY_DISCOVERY_")


def pytest_configure() -> None:
    """Before any kernel starts, since kernels inherit the environment and fixtures do not run for notebook cells."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"  # python-dotenv's own switch: no .env file is read
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "localhost,127.0.0.1,::1"


def folded_blocks(text: str) -> list[tuple[str, str]]:
    """(name, source) of the Python in a lesson's folded solutions and boxes about the openai package, as they stand.

    >>> folded_blocks("<details><summary>With <code>openai</code></summary>\\n\\n```python\\nx = 1\\n```\\n</details>")
    [('OpenAI box 0', 'x = 1\\n')]
    """
    found = [(match.start(1), "Solution", match[1]) for match in SOLUTION.finditer(text)]
    for box in OPENAI_BOX.finditer(text):
        found += [(box.start(1) + block.start(), "OpenAI box", block[1]) for block in PYTHON_BLOCK.finditer(box[1])]
    counted: Counter[str] = Counter()
    blocks = []
    for _, kind, source in sorted(found):
        blocks.append((f"{kind} {counted[kind]}", source))
        counted[kind] += 1
    return blocks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Lets the folded blocks of a lesson run in its kernel, after its cells; nbval fails a cell that raises."""
    collected, items[:] = list(items), []
    for item, following in zip(collected, [*collected[1:], None], strict=True):
        items.append(item)
        if isinstance(item, IPyNbCell) and (following is None or following.parent is not item.parent):
            text = "\n".join(cell.source for cell in item.parent.nb.cells if cell.cell_type == "markdown")
            for number, (name, source) in enumerate(folded_blocks(text)):
                cell = nbformat.v4.new_code_cell(source)
                items.append(IPyNbCell.from_parent(item.parent, name=name, cell_num=number, cell=cell, options=defaultdict(bool)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a cell tagged needs-node, needs-curl, needs-langchain or needs-litellm where that is absent, and installs what
    its lock names; with NOTHING_MAY_SKIP=1 absence is a failure."""
    if isinstance(item, IPyNbCell):
        for tag in item.cell.metadata.get("tags", []):
            if tag.startswith("needs-"):
                toolchain.command_for(tag.removeprefix("needs-"))


@pytest.fixture(scope="session")
def simulator() -> Iterator:
    """A running simulated Azure, with a key and tokens of its own."""
    from simulated_azure.transports.sockets import Simulator

    running = Simulator()
    yield running
    running.stop()
    assert not running.errors, "\n".join(running.errors)


@pytest.fixture(scope="session")
def certificates(simulator) -> str:
    """The file to pass as ``connection_verify`` so that a client trusts the simulator."""
    return simulator.variables()["REQUESTS_CA_BUNDLE"]


@pytest.fixture
def client(simulator, certificates) -> Iterator:
    """The real, synchronous client over https with the right key."""
    from azure.ai.inference import ChatCompletionsClient
    from azure.core.credentials import AzureKeyCredential

    with ChatCompletionsClient(simulator.url, AzureKeyCredential(simulator.azure.key), connection_verify=certificates) as made:
        yield made
