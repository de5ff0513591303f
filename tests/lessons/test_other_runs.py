"""Lessons run in other ways than from top to bottom: twice, in part, without tools."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest
import toolchain
from fork_server import ForkServer
from kernels import Kernel, printed

from tools.refresh import run_cells

ROOT = Path(__file__).parents[2]


def read(lesson: str) -> nbformat.NotebookNode:
    """Return a lesson as it is saved."""
    return nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", 4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run(lesson: nbformat.NotebookNode, variables: Mapping[str, str], server: ForkServer | None):
    """Run a lesson's cells in a new kernel. Put their outputs into it."""
    kernel = Kernel(variables, server)
    try:
        run_cells(lesson, kernel.execute)
    finally:
        kernel.kill()


@pytest.mark.parametrize("lesson", ["04-chat-completions", "08-cost"])
def test_second_runs_and_folded_blocks_are_collected_as_tests_of_their_lesson(request, lesson):
    """Looks at this very run; nbval names cells "Cell 0", "Cell 1", ..."""
    path = ROOT / "notebooks" / f"{lesson}.ipynb"
    names = [item.name for item in request.session.items if item.path == path]
    if not names:
        pytest.skip("this run has no notebooks")
    cells = [f"Cell {number}" for number in range(len(code_cells(read(lesson))))]
    boxes = ["OpenAI box 0"] if lesson == "04-chat-completions" else []
    again = [f"{name} again" for name in cells]
    assert names == [*cells, *again, *boxes, "Solution 0"]


def test_the_second_run_of_lesson_08_says_that_nothing_is_left(request):
    """Looks at this very run: what the cells that delete are compared with the second time."""
    path = ROOT / "notebooks" / "08-cost.ipynb"
    items = [item for item in request.session.items if item.path == path]
    if not items:
        pytest.skip("this run has no notebooks")
    again = {item.cell.id: item for item in items if item.name.endswith(" again")}
    texts = {
        name: "".join(output.get("text", "") for output in item.cell.outputs)
        for name, item in again.items()
        if name.startswith("running-")
    }
    assert texts["running-found"] == texts["running-delete"] == "nothing is running\n"
    assert texts["running-look"] == ""
    assert all(again[name].options["check"] for name in texts)


def test_the_last_section_of_lesson_08_needs_only_the_first_cell(kernel_server):
    lesson = read("08-cost")
    ids = [cell.id for cell in lesson.cells]
    lesson.cells = [lesson.cells[1], *lesson.cells[ids.index("running-workspaces") :]]
    run(lesson, os.environ, kernel_server)
    texts = {cell.id: printed(cell.outputs) for cell in code_cells(lesson)}
    assert "friday-demo/blue" in texts["running-found"]
    assert "deleted friday-demo" in texts["running-delete"]


def test_run_all_goes_through_without_nodejs_curl_and_the_environments(tmp_path, kernel_server):
    """A learner who installed only the kit is told what is absent, and the next cells run."""
    lesson = read("11-other-clients")
    bare = tmp_path / "snippets"
    ignored = shutil.ignore_patterns("node_modules", ".venv")
    shutil.copytree(ROOT / "snippets", bare, ignore=ignored)
    first = (
        f"import helpers.snippets as s; from pathlib import Path; s.SNIPPETS = Path({str(bare)!r})"
    )
    lesson.cells.insert(0, nbformat.v4.new_code_cell(first))
    run(lesson, {**os.environ, "PATH": ""}, kernel_server)
    texts = {cell.id: printed(cell.outputs) for cell in code_cells(lesson)}
    other = re.compile(r'(?m)^(tour|run)\(".*(mjs|sh|langchain|litellm)')
    without = [cell.id for cell in code_cells(lesson) if other.search(cell.source)]
    assert len(without) == 9
    assert [name for name in without if not texts[name].startswith("Not installed: ")] == []
    assert texts["openai-tour"].count("same answer") == 4


@pytest.mark.parametrize(
    ("nothing_may_skip", "outcome"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)]
)
def test_cells_are_skipped_where_their_tool_is_absent_unless_nothing_may_be(
    monkeypatch, nothing_may_skip, outcome
):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("NOTHING_MAY_SKIP", nothing_may_skip)
    with pytest.raises(outcome, match="Node"):
        toolchain.node()
