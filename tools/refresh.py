"""Runs notebooks from a fresh kernel and saves their outputs: ``python -m uv run python -m tools.refresh notebooks/*.ipynb``.

A second run changes no byte but in drawn times: outputs that differ only in what ``sanitize.cfg`` allows to differ, or in
ids of widgets and execution counts, stay as they were; of what a cell prints, stdout stands before stderr, since they race;
tracebacks, which hold paths of a machine, are cut to their last line. It drives the kernel with the blocking client, since
nbclient's asynchronous one now and then waits for a message that has arrived.
"""

from __future__ import annotations

import configparser
import json
import re
import sys
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel

RULES = Path(__file__).with_name("sanitize.cfg")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # a random id; without the widget's state it shows an error
WIDGET_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def run_cell(client, source: str, timeout: float) -> tuple[list, dict]:
    """(outputs, reply) of one cell; what it prints is joined per stream, as nbval does, stdout first."""
    outputs: list = []

    def hear(message: dict) -> None:
        if message["msg_type"] == "stream":
            for output in outputs:
                if output.output_type == "stream" and output.name == message["content"]["name"]:
                    output.text += message["content"]["text"]
                    return
        if message["msg_type"] in ("stream", "display_data", "execute_result", "error"):
            output = nbformat.v4.output_from_msg(message)
            output.get("data", {}).pop(WIDGET_VIEW, None)
            outputs.append(output)

    reply = client.execute_interactive(source, output_hook=hear, timeout=timeout, allow_stdin=False, stop_on_error=False)
    printed = [number for number, output in enumerate(outputs) if output.output_type == "stream"]
    in_order = sorted((outputs[number] for number in printed), key=lambda output: output.name, reverse=True)
    for number, output in zip(printed, in_order, strict=True):
        outputs[number] = output
    return outputs, reply["content"]


def run_notebook(notebook, folder: Path, timeout: float = 120) -> None:
    """Executes all code cells in place. Raises RuntimeError where a cell fails that is not tagged raises-exception."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder))
    try:
        for cell in notebook.cells:
            if cell.cell_type != "code":
                continue
            outputs, reply = run_cell(client, cell.source, timeout)
            for output in outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
            if reply["status"] == "error" and "raises-exception" not in cell.metadata.get("tags", []):
                raise RuntimeError(f"cell {cell.id}: {reply['ename']}: {reply['evalue']}")
            if sanitized(outputs) != sanitized(cell.outputs):
                cell.outputs = outputs
            cell.execution_count = reply["execution_count"]
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = reply["execution_count"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def sanitized(outputs: list) -> str:
    """Outputs as text, without what may differ from run to run."""
    rules = configparser.RawConfigParser()
    rules.read(RULES, encoding="ascii")
    text = json.dumps(outputs, sort_keys=True)
    for name in rules.sections():
        text = re.sub(rules[name]["regex"], rules[name]["replace"], text)
    return re.sub(r'"execution_count": \d+', "", WIDGET_ID.sub("WIDGET", text))


def refresh(path: Path) -> None:
    """Runs one notebook file and saves it."""
    notebook = nbformat.read(path, 4)
    run_notebook(notebook, path.parent)
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key == "tags"}
    notebook.metadata = METADATA
    path.write_text(nbformat.writes(notebook).rstrip("\n") + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from conftest import pytest_configure

    pytest_configure()  # nobody's own endpoint is asked, and none is saved
    for name in sys.argv[1:]:
        refresh(Path(name))
        print(f"refreshed {name}")
