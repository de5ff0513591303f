"""Run notebooks from a fresh kernel and save their outputs.

    python -m uv run python -m tools.refresh notebooks/*.ipynb

A second run changes no byte, except in pictures that show measured times: an output stays as it
was if the new one differs only in what ``sanitize.cfg`` allows, in widget ids or in execution
counts. stdout is saved before stderr, because a cell can print to them in any order. Only the last
line of a traceback is saved, because the others contain paths of this computer. It is broken
between words, because Jupyter breaks a long line inside a word. The kernel has the blocking client,
because nbclient's asynchronous one sometimes waits for a message that has arrived already.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path

import nbformat
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from nbformat import NotebookNode

from helpers.text import fit_page

RULES = Path(__file__).with_name("sanitize.cfg")
OWN_PREFIXES = tuple("AZURE ARM_ IDENTITY_ MSI_ OPENAI_ REGISTRY_DISCOVERY_ SIMULATED_".split())
CELL_TIMEOUT = 300.0  # seconds
# The view of a widget has a random id. It shows an error, because widget states are not saved.
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def forget_own_settings(environ: MutableMapping[str, str]) -> None:
    """Remove the variables that lead to a person's own endpoint, and let no ``.env`` file set them.

    Proxies are not used for this computer. Kernels inherit all this.
    """
    for name in [name for name in environ if name.startswith(OWN_PREFIXES)]:
        del environ[name]
    environ["PYTHON_DOTENV_DISABLED"] = "1"  # python-dotenv's own switch
    environ["NO_PROXY"] = environ["no_proxy"] = "localhost,127.0.0.1,::1"


def run_cell(client: BlockingKernelClient, source: str, timeout: float) -> tuple[list, dict]:
    """Run the source of one cell. Return (its outputs, the content of the kernel's reply).

    The reply says whether the cell raised an error. All that the cell prints to a stream is one
    output, as in nbval, and stdout comes before stderr.

    Args:
        timeout: seconds.
    """
    outputs = Outputs()
    reply = client.execute_interactive(
        source, output_hook=outputs.add, timeout=timeout, allow_stdin=False, stop_on_error=False
    )
    return outputs.in_order(), reply["content"]


class Outputs:
    """Collects the outputs of one cell from the messages of its kernel."""

    def __init__(self) -> None:
        """Begin without outputs."""
        self._outputs: list[NotebookNode] = []

    def add(self, message: dict) -> None:
        """Add what a message shows. Texts for one stream become one output."""
        if message["msg_type"] == "stream":
            for output in self._outputs:
                if output.output_type == "stream" and output.name == message["content"]["name"]:
                    output.text += message["content"]["text"]
                    return
        if message["msg_type"] in ("stream", "display_data", "execute_result", "error"):
            output = nbformat.v4.output_from_msg(message)
            output.get("data", {}).pop(WIDGET_VIEW, None)
            self._outputs.append(output)

    def in_order(self) -> list[NotebookNode]:
        """Return the outputs, stdout before stderr."""
        outputs = list(self._outputs)
        places = [number for number, output in enumerate(outputs) if output.output_type == "stream"]
        streams = sorted(
            (outputs[number] for number in places), key=lambda output: output.name, reverse=True
        )
        for number, output in zip(places, streams, strict=True):
            outputs[number] = output
        return outputs


def shorten_tracebacks(outputs: list[NotebookNode]) -> None:
    """Leave only the last line of each traceback, broken between words."""
    for output in outputs:
        if output.output_type == "error":
            error = f"{output.ename}: {output.evalue}"
            output.traceback = ["\n".join(map(fit_page, error.splitlines()))]


def run_cells(notebook: NotebookNode, run: Callable[[str], tuple[list, dict]]) -> None:
    """Run all code cells of a notebook, and put their outputs into it.

    Args:
        run: runs the source of a cell. Returns what run_cell returns.

    Raises:
        RuntimeError: a cell raised an error and is not tagged raises-exception.
    """
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        outputs, reply = run(cell.source)
        shorten_tracebacks(outputs)
        may_raise = "raises-exception" in cell.metadata.get("tags", [])
        if reply["status"] == "error" and not may_raise:
            raise RuntimeError(f"cell {cell.id}: {reply['ename']}: {reply['evalue']}")
        if sanitize(outputs) != sanitize(cell.outputs):
            cell.outputs = outputs
        cell.execution_count = reply["execution_count"]
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = reply["execution_count"]


def run_notebook(notebook: NotebookNode, folder: Path) -> None:
    """Run all code cells in a fresh kernel whose working folder is this one.

    Raises what run_cells raises.
    """
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder))
    try:
        run_cells(notebook, lambda source: run_cell(client, source, CELL_TIMEOUT))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def sanitize(outputs: list) -> str:
    """Return outputs as JSON, without what may be different in each run."""
    rules = configparser.RawConfigParser()
    rules.read(RULES, encoding="ascii")
    text = json.dumps(outputs, sort_keys=True)
    for name in rules.sections():
        text = re.sub(rules[name]["regex"], rules[name]["replace"], text)
    return re.sub(r'"execution_count": \d+', "", WIDGET_ID.sub("WIDGET", text))


def refresh(path: Path) -> None:
    """Run a notebook file and save it, with the metadata that all lessons have."""
    notebook = nbformat.read(path, 4)
    run_notebook(notebook, path.parent)
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
    notebook.metadata = METADATA
    path.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    forget_own_settings(os.environ)
    for name in sys.argv[1:]:
        refresh(Path(name))
        print(f"refreshed {name}")
