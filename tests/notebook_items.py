"""What runs in a lesson's kernel after its cells: some cells again, and the folded blocks."""

from __future__ import annotations

import copy
import re
from collections import Counter, defaultdict

import nbformat
from nbval.plugin import IPyNbCell, IPyNbFile

SOLUTION = re.compile(r"<summary>Solution</summary>\n\n```python\n(.*?)```", re.DOTALL)
OPENAI_BOX = re.compile(
    r"<details><summary>[^\n]*\bopenai\b[^\n]*</summary>(.*?)</details>", re.DOTALL
)
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
RUN_TWICE = ("04-chat-completions", "08-cost")  # lessons, in one kernel
SECOND_OUTPUTS = {  # (lesson, cell id) -> what it prints the second time
    ("08-cost", "running-found"): "nothing is running\n",  # the first time deleted all
    ("08-cost", "running-look"): "",
    ("08-cost", "running-delete"): "nothing is running\n",
}


def folded_blocks(text: str) -> list[tuple[str, str]]:
    """Return (name, source) of the Python in a lesson's folded solutions and openai boxes.

    >>> start = "<details><summary>With <code>openai</code></summary>\\n\\n"
    >>> folded_blocks(start + "```python\\nx = 1\\n```\\n</details>")
    [('OpenAI box 0', 'x = 1\\n')]
    """
    blocks = [(match.start(1), "Solution", match[1]) for match in SOLUTION.finditer(text)]
    for box in OPENAI_BOX.finditer(text):
        for block in PYTHON_BLOCK.finditer(box[1]):
            blocks.append((box.start(1) + block.start(), "OpenAI box", block[1]))
    numbers: Counter[str] = Counter()
    named = []
    for _, kind, source in sorted(blocks):
        named.append((f"{kind} {numbers[kind]}", source))
        numbers[kind] += 1
    return named


def second_run(cells: list[IPyNbCell]) -> list[IPyNbCell]:
    """Return tests that run cells again in the kernel in which they have run already.

    That is what a careless reader does: Run All, and Run All again without a restart.
    """
    again = []
    for item in cells:
        cell = copy.deepcopy(item.cell)
        text = SECOND_OUTPUTS.get((item.path.stem, cell.id))
        if text is not None:
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
            cell.outputs = cell.outputs if text else []
        again.append(
            IPyNbCell.from_parent(
                item.parent,
                name=f"{item.name} again",
                cell_num=item.cell_num,
                cell=cell,
                options=item.options,
            )
        )
    return again


def folded_cells(notebook: IPyNbFile) -> list[IPyNbCell]:
    """Return tests that run a lesson's folded blocks in its kernel. One that raises fails."""
    cells = [cell for cell in notebook.nb.cells if cell.cell_type == "markdown"]
    blocks = folded_blocks("\n".join(cell.source for cell in cells))
    return [
        IPyNbCell.from_parent(
            notebook,
            name=name,
            cell_num=number,
            cell=nbformat.v4.new_code_cell(source),
            options=defaultdict(bool),
        )
        for number, (name, source) in enumerate(blocks)
    ]


def further_runs(notebook: IPyNbFile, cells: list[IPyNbCell]) -> list[IPyNbCell]:
    """Return the tests that follow those of a lesson's cells."""
    again = second_run(cells) if notebook.path.stem in RUN_TWICE else []
    return again + folded_cells(notebook)
