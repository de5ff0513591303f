"""Start the kernels in which tests run cells of lessons: forked ones, or ordinary processes."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import fork_server
import nbformat
from fork_server import ForkServer
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_client.manager import start_new_kernel

from tools.refresh import run_cell

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LONGEST_START = 300.0  # seconds
LONGEST_CELL = 300.0  # seconds
PRELOADED = (
    "ipykernel.kernelapp",
    "azure.ai.inference",
    "azure.ai.ml",
    "azure.identity",
    "pydantic",
    "tiktoken",
    "uvicorn",
)


class Kernel:
    """A running kernel, in the folder of the lessons unless another one is named."""

    def __init__(
        self,
        variables: Mapping[str, str],
        server: ForkServer | None = None,
        folder: Path = NOTEBOOKS,
    ):
        """Start it in a fork of the server, or without one as JupyterLab does."""
        if server is None:
            self._manager, self._client = start_new_kernel(
                startup_timeout=LONGEST_START,
                kernel_name="python3",
                cwd=str(folder),
                env=dict(variables),
            )
            return
        self._manager = None
        self._folder = Path(tempfile.mkdtemp())
        file, _ = write_connection_file(
            str(self._folder / "kernel.json"), transport="ipc", ip=str(self._folder / "kernel")
        )
        self._fork = server.start(["-m", "ipykernel_launcher", "-f", file], folder, variables)
        self._client = BlockingKernelClient(connection_file=file)
        self._client.load_connection_file()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=LONGEST_START)

    def execute(self, source: str) -> tuple[list[nbformat.NotebookNode], dict]:
        """Run the code of one cell. Return its outputs, and the reply, which holds the status."""
        return run_cell(self._client, source, LONGEST_CELL)

    def kill(self) -> None:
        """End the kernel at once. A second call does nothing."""
        self._client.stop_channels()
        if self._manager:
            self._manager.shutdown_kernel(now=True)
        else:
            self._fork.kill()
            self._fork.wait()
            shutil.rmtree(self._folder, ignore_errors=True)


def start_server(variables: Mapping[str, str]) -> ForkServer | None:
    """Return a server that forks kernels, or None where kernels have to be ordinary processes."""
    if not fork_server.AVAILABLE:
        return None
    return ForkServer(sys.executable, PRELOADED, variables)


def printed(outputs: list[nbformat.NotebookNode]) -> str:
    """Return what a cell has written to stdout."""
    streams = [output for output in outputs if output.output_type == "stream"]
    return "".join(output.text for output in streams if output.name == "stdout")
