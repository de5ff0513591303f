"""What runs in a lesson's kernel: its cells, exercises, sections alone, folded blocks.

The core of a lesson comes before its sections in depth, so the lesson's own run shows that the core
needs none of them, and that the first section needs nothing but the core. If the core has an end
after the sections, the end runs once more without them. Each other section runs
once more with what the core has left, and without a comparison of outputs. The last comes first:
so no section finds what an earlier one has changed in an object that cannot be copied. Sections
that start other programs or wait are slow. They run only once: what the core has left comes back
before them in the lesson's own run.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile

from helpers.exercises.data import find
from tools.exercises import STUB_TAG, number_of
from tools.minutes import TAG, Parts, parts_of

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
SLOW_CELLS = {  # (lesson, cell id): they wait for seconds, or start a program
    ("01-deployment", "green-rush"),
    ("08-cost", "class-measure"),
    ("10-openai-sdk", "errors-handled"),
    ("10-openai-sdk", "retries-table"),
    ("11-other-clients", "servers-openai"),
}
SOLVED_AT_THE_END = ("14-your-own-program",)  # its last stub names the exercises not yet solved
KERNEL_STATE = Path(__file__).with_name("kernel_state.py")


def folded_blocks(text: str) -> list[tuple[str, str]]:
    """Return (name, source) of the Python in a lesson's folded openai boxes.

    >>> start = "<details><summary>With <code>openai</code></summary>\\n\\n"
    >>> folded_blocks(start + "```python\\nx = 1\\n```\\n</details>")
    [('OpenAI box 0', 'x = 1\\n')]
    """
    sources = [source for box in OPENAI_BOX.findall(text) for source in PYTHON_BLOCK.findall(box)]
    return [(f"OpenAI box {number}", source) for number, source in enumerate(sources)]


def second_run(cells: list[IPyNbCell], parts: Parts) -> list[IPyNbCell]:
    """Return tests that run cells again in the kernel in which they have run already.

    That is what a careless reader does: Run All, and Run All again without a restart. Of the
    sections in depth, only those are here whose cells print something else the second time.
    """
    lesson = cells[0].path.stem
    ids = {cell.id for cell in parts.core}
    for section in parts.sections.values():
        if any((lesson, cell.id) in SECOND_OUTPUTS for cell in section):
            ids |= {cell.id for cell in section}
    again = []
    for item in cells:
        if item.cell.id not in ids:
            continue
        cell = copy.deepcopy(item.cell)
        text = SECOND_OUTPUTS.get((lesson, cell.id))
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


def run_of(notebook: IPyNbFile, name: str, source: str, tags: Iterable[str] = ()) -> IPyNbCell:
    """Return a test that runs some code in a lesson's kernel.

    An error fails the test unless there is the tag raises-exception.
    """
    options = defaultdict(bool, check_exception="raises-exception" in tags)
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": [*tags]})
    return IPyNbCell.from_parent(notebook, name=name, cell_num=0, cell=cell, options=options)


def state_source(function: str, *arguments: str) -> str:
    """Return code that calls a function of kernel_state.py in a kernel and leaves no name there."""
    call = f"\n{function}({', '.join(['shell', *map(repr, arguments)])})"
    source = f"open({str(KERNEL_STATE)!r}, encoding='utf-8').read() + {call!r}"
    return f"exec({source}, {{'__name__': 'kernel_state', 'shell': get_ipython()}})"


def state_run(notebook: IPyNbFile, name: str, function: str, *arguments: str) -> IPyNbCell:
    """Return a test that calls a function of kernel_state.py in a lesson's kernel."""
    return run_of(notebook, name, state_source(function, *arguments))


def with_exercises(notebook: IPyNbFile, cells: list[IPyNbCell]) -> list[IPyNbCell]:
    """Return the cells of a lesson with two tests after each stub.

    The first tries the exercise and leaves no trace in the kernel. The second runs the solution, so
    the rest of the lesson finds what a learner has who solves every exercise.
    """
    ids = [cell.id for cell in notebook.nb.cells]
    runs: list[IPyNbCell] = []
    solutions: list[IPyNbCell] = []
    last_stub = 0
    for item in cells:
        runs.append(item)
        if STUB_TAG in item.cell.metadata.get("tags", []):
            number = number_of(notebook.nb.cells[ids.index(item.cell.id) - 1])
            runs.append(state_run(notebook, f"Exercise {number}", "try_exercise", str(number)))
            solved = run_of(notebook, f"Exercise {number} solved", find(number).solution)
            if notebook.path.stem in SOLVED_AT_THE_END:
                solutions.append(solved)
            else:
                runs.append(solved)
            last_stub = len(runs)
    return runs[:last_stub] + solutions + runs[last_stub:]


def blocks_by_cell(cells: list[NotebookNode]) -> dict[str, list[tuple[str, str]]]:
    """Return cell id -> its folded blocks. Their names are numbered through the lesson."""
    text = [(cell.id, cell.source) for cell in cells if cell.cell_type == "markdown"]
    named = iter(folded_blocks("\n".join(source for _, source in text)))
    return {name: [next(named) for _ in folded_blocks(source)] for name, source in text}


def is_slow(lesson: str, section: Iterable[NotebookNode]) -> bool:
    """Return True if a section has a cell that starts other programs or waits for seconds."""
    return any(
        (lesson, cell.id) in SLOW_CELLS
        or any(tag.startswith("needs-") for tag in cell.metadata.get("tags", []))
        for cell in section
    )


def runs_of(notebook: IPyNbFile, cells: list[IPyNbCell]) -> list[IPyNbCell]:
    """Return the tests of a lesson: its cells, and what runs besides them."""
    parts = parts_of(notebook.nb.cells)
    runs = with_exercises(notebook, cells)
    if len(cells) < sum(cell.cell_type == "code" for cell in notebook.nb.cells):
        return cells  # somebody has named one cell
    if notebook.path.stem in RUN_TWICE:
        runs += second_run(cells, parts)
    blocks = blocks_by_cell(notebook.nb.cells)

    def folded(part: Iterable[NotebookNode]) -> list[IPyNbCell]:
        named = [block for cell in part for block in blocks.get(cell.id, [])]
        return [run_of(notebook, name, source) for name, source in named]

    if not parts.is_divided:
        return runs + folded(notebook.nb.cells)
    items = {item.cell.id: item for item in cells}
    are_deep = [TAG in item.cell.metadata.get("tags", []) for item in cells]
    first_deep = are_deep.index(True) if any(are_deep) else len(cells)
    last_of_core = runs.index(cells[first_deep]) if first_deep < len(cells) else len(runs)
    runs.insert(last_of_core, state_run(notebook, "keep the core", "keep"))

    def again(cell: NotebookNode, kind: str) -> IPyNbCell:
        tags = cell.metadata.get("tags", [])
        return run_of(notebook, f"{items[cell.id].name} {kind}", cell.source, tags)

    alone = []
    for number, (title, section) in reversed([*enumerate(parts.sections.items())]):
        code = [cell for cell in section if cell.cell_type == "code"]
        slow = is_slow(notebook.path.stem, code)
        function = "restore_now" if slow else "restore"
        start = state_run(notebook, f"back to the core for {title}", function)
        if slow:
            if number > 0:
                runs.insert(runs.index(items[code[0].id]), start)
            runs += folded(section)
        elif number > 0 or folded(section):  # the first has run alone already, after the core
            alone += [start, *(again(cell, "alone") for cell in code), *folded(section)]
    runs += [state_run(notebook, "back to the core", "restore"), *folded(parts.core)]
    end = [
        item.cell for item in cells[first_deep:] if TAG not in item.cell.metadata.get("tags", [])
    ]
    if end:
        runs.append(state_run(notebook, "back to the core for its end", "restore"))
        runs += [again(cell, "without the depth") for cell in end]
    return runs + alone
